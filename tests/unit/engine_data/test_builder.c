/* Builders: round trips of all types, growth, limits, flushing, and no malloc once warm. */
#include "tests/unit/engine_data/random_rows.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static int setup(void **state)
{
    *state = buffer_pool_new(&(struct buffer_pool_options){.name = "test"});
    buffer_pool_adopt(*state);
    return 0;
}

static int teardown(void **state)
{
    assert_int_equal(buffer_pool_out_count(*state), 0);
    buffer_pool_close(*state);
    return 0;
}

static struct schema *parse(const char *text)
{
    struct error err = ERROR_INIT;
    struct schema *s = NULL;
    if (schema_parse(slice_cstr(text), &s, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    return s;
}

static void check_valid(const struct batch *b)
{
    struct error err = ERROR_INIT;
    if (batch_validate(b, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

/* ---- cells ------------------------------------------------------------------------------------- */

static void cells_are_what_was_put(void **state)
{
    struct schema *s = parse("ROW<b BOOLEAN, t TINYINT, s SMALLINT, i INT, l BIGINT, f FLOAT, "
                             "d DOUBLE, c STRING, m DECIMAL(30, 2), n TIMESTAMP(9), x INT>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    for (int i = 0; i < 300; i++) {
        builder_put_bool(&b, 0, i % 3 == 0);
        builder_put_i64(&b, 1, i % 100);
        builder_put_i64(&b, 2, -i);
        builder_put_i64(&b, 3, i * 1000);
        builder_put_i64(&b, 4, (int64_t)i << 40);
        builder_put_f64(&b, 5, i / 4.0);
        builder_put_f64(&b, 6, i / 3.0);
        char text[64];
        int len =
            snprintf(text, sizeof(text), "%.*s%d", i % 30, "abcdefghijklmnopqrstuvwxyzabcd", i);
        assert_int_equal(builder_put_bytes(&b, 7, text, (size_t)len, NULL), 0);
        builder_put_i128(&b, 8, (__int128)i << 70);
        builder_put_ts_nano(&b, 9, (struct ts_nano){i, i % 1000, 0});
        if (i % 2 == 0) {
            builder_put_null(&b, 10);
        } else {
            builder_put_i64(&b, 10, i);
        }
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    check_valid(batch);
    assert_int_equal(batch->n_rows, 300);
    const struct column *c = batch->columns;
    for (int i = 0; i < 300; i++) {
        uint32_t row = (uint32_t)i;
        assert_int_equal(column_get_bool(&c[0], row), i % 3 == 0);
        assert_int_equal(COLUMN_VALUES(&c[1], int8_t)[i], i % 100);
        assert_int_equal(COLUMN_VALUES(&c[2], int16_t)[i], -i);
        assert_int_equal(COLUMN_VALUES(&c[3], int32_t)[i], i * 1000);
        assert_true(COLUMN_VALUES(&c[4], int64_t)[i] == (int64_t)i << 40);
        assert_true(COLUMN_VALUES(&c[5], float)[i] == (float)i / 4.0f);
        assert_true(COLUMN_VALUES(&c[6], double)[i] == i / 3.0);
        char text[64];
        snprintf(text, sizeof(text), "%.*s%d", i % 30, "abcdefghijklmnopqrstuvwxyzabcd", i);
        assert_true(slice_eq_cstr(column_get_bytes(&c[7], row), text));
        assert_true(COLUMN_VALUES(&c[8], __int128)[i] == (__int128)i << 70);
        assert_int_equal(COLUMN_VALUES(&c[9], struct ts_nano)[i].nanos, i % 1000);
        assert_int_equal(column_is_null(&c[10], row), i % 2 == 0);
    }
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

static void random_rows_survive_every_way_of_copying(void **state)
{
    struct buffer_pool *pool = *state;
    for (uint64_t seed = 1; seed <= 120; seed++) {
        struct rng r;
        rng_init(&r, seed);
        struct schema *s = random_schema(&r, 8, 3);
        struct builder b;
        builder_init(&b, pool, s, 0);
        struct batch *batch = random_batch(&b, &r, 1 + (uint32_t)rng_below(&r, 300));
        check_valid(batch);
        assert_true(batch_equals(batch, batch));

        /* Cell by cell. */
        struct builder copy;
        builder_init(&copy, pool, s, 0);
        for (uint32_t row = 0; row < batch->n_rows; row++) {
            for (uint32_t c = 0; c < s->n_fields; c++) {
                assert_int_equal(builder_put_cell(&copy, c, &batch->columns[c], row, NULL), 0);
            }
            if (batch->row_kinds != NULL) {
                builder_set_kind(&copy, (enum row_kind)batch->row_kinds->data[row]);
            }
            if (batch->timestamps != NULL) {
                builder_set_timestamp(&copy, ((int64_t *)(void *)batch->timestamps->data)[row]);
            }
            builder_end_row(&copy);
        }
        struct batch *by_cell = builder_finish(&copy);
        check_valid(by_cell);
        assert_true(batch_equals(batch, by_cell));

        /* Of a selection: pushed, appended, materialised. */
        random_selection(pool, batch, &r, 1 + (uint32_t)rng_below(&r, 4));
        check_valid(batch);
        builder_append_rows(&copy, batch, batch_sel(batch), batch->n_sel / 2);
        builder_append_rows(&copy, batch, batch_sel(batch) + batch->n_sel / 2,
                            batch->n_sel - batch->n_sel / 2);
        struct batch *appended = builder_finish(&copy);
        struct batch *plain = batch_materialize(pool, batch_ref(batch));
        assert_null(plain->sel);
        check_valid(plain);
        assert_true(batch_equals(batch, plain));
        if (appended != NULL) {
            check_valid(appended);
            assert_true(batch_equals(batch, appended));
        } else {
            assert_int_equal(batch->n_sel, 0);
        }
        batch_unref(plain);
        batch_unref(appended);
        batch_unref(by_cell);
        batch_unref(batch);
        builder_fini(&copy);
        builder_fini(&b);
        schema_unref(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(cells_are_what_was_put, setup, teardown),
        cmocka_unit_test_setup_teardown(random_rows_survive_every_way_of_copying, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
