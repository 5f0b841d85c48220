/* Builders: round trips of all types, growth, limits, flushing, and no malloc once warm. */
#include "tests/unit/engine_data/random_rows.h"
#include "tests/unit/engine_data/support.h"
#include "tests/unit/seeds.h"

/* ---- cells ------------------------------------------------------------------------------------- */

static void cells_are_what_was_put(void **state)
{
    struct schema *s = schema_of("ROW<b BOOLEAN, t TINYINT, s SMALLINT, i INT, l BIGINT, f FLOAT, "
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
    const struct seeds seeds = seeds_from(1, 120);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
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
        /* A slice of the selection. */
        uint32_t from = (uint32_t)rng_below(&r, batch->n_sel + 1);
        uint32_t to = from + (uint32_t)rng_below(&r, batch->n_sel - from + 1);
        struct batch *slice = batch_slice(pool, batch, from, to);
        struct batch *plain_slice = batch_materialize(pool, batch_ref(slice));
        check_valid(slice);
        check_valid(plain_slice);
        assert_true(batch_equals(slice, plain_slice));
        if (batch_is_unique(plain_slice)) {
            batch_compact_strings(pool, plain_slice);
            check_valid(plain_slice);
            assert_true(batch_equals(slice, plain_slice));
        }
        assert_true(batch_bytes(slice) <= batch_bytes(batch));
        batch_unref(plain_slice);
        batch_unref(slice);
        batch_unref(plain);
        batch_unref(appended);
        batch_unref(by_cell);
        batch_unref(batch);
        builder_fini(&copy);
        builder_fini(&b);
        schema_unref(s);
    }
}

/* ---- limits ------------------------------------------------------------------------------------ */

static void long_strings_are_legal(void **state)
{
    struct schema *s = schema_of("ROW<n INT, t STRING, u STRING>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    size_t len = 3u << 20;
    char *text = mem_zalloc(len);
    memset(text, 'x', len);
    for (int i = 0; i < 6; i++) {
        /* Around the block of short ones: 3 MiB, 70,000, then small again. */
        size_t some = i % 3 == 0 ? len : i % 3 == 1 ? 70000 : 100;
        text[0] = (char)('0' + i);
        builder_put_i64(&b, 0, i);
        assert_int_equal(builder_put_bytes(&b, 1, text, some, NULL), 0);
        assert_int_equal(builder_put_bytes(&b, 2, "a string in the block", 21, NULL), 0);
        builder_end_row(&b);
    }
    assert_true(builder_is_full(&b)); /* by bytes */
    struct batch *batch = builder_finish(&b);
    check_valid(batch);
    for (uint32_t i = 0; i < 6; i++) {
        struct slice t = column_get_bytes(&batch->columns[1], i);
        assert_int_equal(t.len, i % 3 == 0 ? len : i % 3 == 1 ? 70000 : 100);
        assert_int_equal(t.data[0], '0' + (int)i);
        assert_int_equal(t.data[t.len - 1], 'x');
    }
    struct builder copy;
    builder_init(&copy, *state, s, 0);
    builder_append_range(&copy, batch, 0, 6);
    struct batch *copied = builder_finish(&copy);
    check_valid(copied);
    assert_true(batch_equals(batch, copied));
    batch_unref(copied);
    builder_fini(&copy);
    batch_unref(batch);
    mem_free(text);
    builder_fini(&b);
    schema_unref(s);
}

static void a_row_above_the_limit_is_refused_by_name(void **state)
{
    struct schema *s = schema_of("ROW<a STRING, tags ARRAY<STRING>, c STRING>");
    struct builder b;
    struct error err = ERROR_INIT;
    char text[3000];
    memset(text, 'z', sizeof(text));
    builder_init(&b, *state, s, 0);
    b.max_row_bytes = 5000;
    check_error(builder_put_bytes(&b, 2, text, 5001, &err), ERR_TOO_LARGE, &err, "column 'c'");
    assert_non_null(strstr(err.message, "a row of 5001 bytes, the limit is 5000"));
    struct builder_column *item = builder_child_of(builder_column_of(&b, 1), 0);
    builder_put_null(&b, 0);
    assert_int_equal(builder_add_bytes(&b, item, text, 3000, &err), 0);
    check_error(builder_add_bytes(&b, item, text, 3000, &err), ERR_TOO_LARGE, &err,
                "column 'tags'");
    /* The builder goes on with the next row. */
    builder_cancel_row(&b);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(builder_put_bytes(&b, 0, text, 2000, &err), 0);
        assert_int_equal(builder_add_bytes(&b, item, text, 1000, &err), 0);
        builder_put_nested(&b, 1);
        assert_int_equal(builder_put_bytes(&b, 2, "", 0, &err), 0);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    check_valid(batch);
    assert_int_equal(batch->n_rows, 3);
    assert_int_equal(batch->columns[1].child_rows, 3);
    assert_false(column_is_null(&batch->columns[0], 0));
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

static void a_cancelled_row_leaves_no_trace(void **state)
{
    const struct seeds seeds = seeds_from(1, 40);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct rng r;
        rng_init(&r, seed);
        struct schema *s = random_schema(&r, 6, 3);
        struct builder with;
        struct builder without;
        builder_init(&with, *state, s, 0);
        builder_init(&without, *state, s, 0);
        for (int i = 0; i < 150; i++) {
            struct rng same = r;
            random_row(&without, &same);
            if (rng_below(&same, 3) == 0) {
                struct rng other = same;
                uint32_t stop = (uint32_t)rng_below(&same, s->n_fields + 1);
                builder_set_kind(&with, ROW_KIND_DELETE);
                builder_set_timestamp(&with, 77);
                for (uint32_t c = 0; c < stop; c++) {
                    random_cell((struct cell_target){&with, c, NULL}, s->fields[c].type, &other);
                }
                builder_cancel_row(&with);
            }
            struct rng again = r;
            random_row(&with, &again);
            r = same;
        }
        struct batch *a = builder_finish(&with);
        struct batch *b = builder_finish(&without);
        check_valid(a);
        assert_true(batch_equals(a, b));
        batch_unref(a);
        batch_unref(b);
        builder_fini(&with);
        builder_fini(&without);
        schema_unref(s);
    }
}

static void nested_strings_answer_for_their_top_column(void **state)
{
    struct schema *s =
        schema_of("ROW<a ARRAY<STRING>, b INT, c MAP<STRING, ARRAY<STRING>>, d INT>");
    struct error err = ERROR_INIT;
    struct builder b;
    char text[200] = "";
    builder_init(&b, *state, s, 0);
    b.max_row_bytes = 100;
    struct builder_column *map = builder_column_of(&b, 2);
    struct builder_column *items = builder_child_of(builder_child_of(map, 1), 0);
    check_error(builder_add_bytes(&b, items, text, 200, &err), ERR_TOO_LARGE, &err, "column 'c'");
    struct builder_column *item = builder_child_of(builder_column_of(&b, 0), 0);
    check_error(builder_add_bytes(&b, item, text, 200, &err), ERR_TOO_LARGE, &err, "column 'a'");
    builder_fini(&b);
    schema_unref(s);
}

static void rows_may_have_no_columns(void **state)
{
    struct schema *s = schema_of("ROW<>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    for (int i = 0; i < 3; i++) {
        builder_set_kind(&b, ROW_KIND_DELETE);
        builder_set_timestamp(&b, i);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    check_valid(batch);
    assert_int_equal(batch->n_rows, 3);
    check_row(batch, 2, "-D[]");
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* ---- the SDK's face ---------------------------------------------------------------------------- */

struct taken {
    struct batch *batches[64];
    uint32_t n;
    int rc;
};

static int take_full(void *arg, struct builder *b)
{
    struct taken *t = arg;
    if (t->rc < 0) {
        return t->rc;
    }
    t->batches[t->n++] = builder_finish(b);
    return 0;
}

static void emit(flinc_out *out, int64_t i, flinc_string text)
{
    flinc_out_begin_row(out);
    flinc_out_put_int64(out, 0, i);
    if (i % 7 == 0) {
        flinc_out_put_null(out, 1);
    } else {
        flinc_out_put_string(out, 1, text);
    }
    flinc_out_put_bool(out, 2, i % 3 == 0);
}

static void check_taken(struct taken *t, int64_t rows)
{
    int64_t i = 0;
    for (uint32_t k = 0; k < t->n; k++) {
        check_valid(t->batches[k]);
        const struct column *c = t->batches[k]->columns;
        for (uint32_t row = 0; row < t->batches[k]->n_rows; row++, i++) {
            assert_int_equal(COLUMN_VALUES(&c[0], int64_t)[row], i);
            assert_int_equal(column_is_null(&c[1], row), i % 7 == 0);
            assert_int_equal(column_get_bool(&c[2], row), i % 3 == 0);
        }
        batch_unref(t->batches[k]);
    }
    assert_int_equal(i, rows);
}

static void emitted_rows_come_out_in_full_batches(void **state)
{
    struct schema *s = schema_of("ROW<n BIGINT, t STRING, b BOOLEAN>");
    struct builder b;
    struct taken taken = {.n = 0};
    builder_init(&b, *state, s, 0);
    b.on_full = take_full;
    b.on_full_arg = &taken;
    for (int64_t i = 0; i < 5000; i++) {
        emit(&b.out, i, FLINC_STR(i % 2 ? "short" : "longer than twelve bytes"));
        assert_int_equal(flinc_out_end_row(&b.out), 0);
    }
    assert_int_equal(taken.n, 2);
    assert_int_equal(taken.batches[0]->n_rows, BATCH_ROWS_TARGET);
    assert_int_equal(taken.batches[1]->n_rows, BATCH_ROWS_TARGET);
    taken.batches[taken.n++] = builder_finish(&b);
    check_taken(&taken, 5000);
    builder_fini(&b);
    schema_unref(s);
}

static void bytes_make_a_batch_full_too(void **state)
{
    struct schema *s = schema_of("ROW<n BIGINT, t STRING, b BOOLEAN>");
    struct builder b;
    struct taken taken = {.n = 0};
    char text[20000];
    memset(text, 'q', sizeof(text));
    builder_init(&b, *state, s, 0);
    b.on_full = take_full;
    b.on_full_arg = &taken;
    for (int64_t i = 0; i < 200; i++) {
        emit(&b.out, i, (flinc_string){text, sizeof(text)});
        assert_int_equal(flinc_out_end_row(&b.out), 0);
    }
    assert_in_range(taken.n, 5, 16);
    taken.batches[taken.n++] = builder_finish(&b);
    check_taken(&taken, 200);
    builder_fini(&b);
    schema_unref(s);
}

static void failures_stick_to_the_out(void **state)
{
    struct schema *s = schema_of("ROW<n BIGINT, t STRING, b BOOLEAN>");
    struct error err = ERROR_INIT;
    struct taken taken = {.rc = ERR_CANCELLED};
    struct builder b;
    /* The callback fails. */
    builder_init(&b, *state, s, 128);
    b.on_full = take_full;
    b.on_full_arg = &taken;
    for (int64_t i = 0; i < 1000; i++) {
        emit(&b.out, i, FLINC_STR("text that is longer than twelve"));
        assert_int_equal(flinc_out_end_row(&b.out), i < 127 ? 0 : ERR_CANCELLED);
    }
    check_error(builder_check(&b, &err), ERR_CANCELLED, &err, "cancelled");
    builder_fini(&b);
    /* There is no callback. */
    builder_init(&b, *state, s, 64);
    for (int64_t i = 0; i < 64; i++) {
        assert_int_equal(builder_check(&b, &err), 0);
        emit(&b.out, i, FLINC_STR("x"));
        (void)flinc_out_end_row(&b.out);
    }
    assert_int_equal(b.out.status, ERR_STATE);
    builder_fini(&b);
    /* A string is over the limit. */
    builder_init(&b, *state, s, 64);
    b.max_row_bytes = 100;
    char text[4200] = "too long";
    emit(&b.out, 1, (flinc_string){text, sizeof(text)});
    assert_int_equal(flinc_out_end_row(&b.out), ERR_TOO_LARGE);
    check_error(builder_check(&b, &err), ERR_TOO_LARGE, &err, "column 't'");
    builder_fini(&b);
    schema_unref(s);
}

/* ---- whole rows -------------------------------------------------------------------------------- */

static void pushed_rows_fill_batches_to_the_target(void **state)
{
    struct rng r;
    rng_init(&r, 9);
    struct schema *s = schema_of("ROW<n BIGINT, t STRING, b BOOLEAN>");
    struct taken taken = {.n = 0};
    struct builder source;
    struct builder b;
    builder_init(&source, *state, s, 0);
    builder_init(&b, *state, s, 1000);
    b.on_full = take_full;
    b.on_full_arg = &taken;
    int64_t rows = 0;
    for (int i = 0; i < 20; i++) {
        uint32_t n = 1 + (uint32_t)rng_below(&r, 900);
        for (uint32_t k = 0; k < n; k++) {
            emit(&source.out, rows + k, FLINC_STR("a text of more than 12"));
            source.out.n++;
        }
        rows += n;
        struct batch *batch = builder_finish(&source);
        assert_int_equal(builder_push_batch(&b, batch), 0);
        batch_unref(batch);
    }
    for (uint32_t i = 0; i < taken.n; i++) {
        assert_int_equal(taken.batches[i]->n_rows, 1000);
    }
    taken.batches[taken.n++] = builder_finish(&b);
    check_taken(&taken, rows);
    builder_fini(&b);
    builder_fini(&source);
    schema_unref(s);
}

static void growth_keeps_kinds_and_timestamps(void **state)
{
    struct schema *s = schema_of("ROW<n INT>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    for (int i = 0; i < 3000; i++) {
        builder_put_i64(&b, 0, i);
        if (i % 10 == 3) {
            builder_set_kind(&b, ROW_KIND_UPDATE_AFTER);
        }
        if (i % 10 == 4) {
            builder_set_timestamp(&b, i);
        }
        builder_end_row(&b);
    }
    builder_fill_kinds(&b, 2990, ROW_KIND_DELETE);
    builder_fill_timestamps(&b, 2995, 42);
    struct batch *batch = builder_finish(&b);
    check_valid(batch);
    const int64_t *timestamps = (const int64_t *)(const void *)batch->timestamps->data;
    for (int i = 0; i < 3000; i++) {
        int kind = i >= 2990 ? ROW_KIND_DELETE : i % 10 == 3 ? ROW_KIND_UPDATE_AFTER : 0;
        assert_int_equal(batch->row_kinds->data[i], kind);
        assert_true(timestamps[i] == (i >= 2995 ? 42 : i % 10 == 4 ? i : BATCH_NO_TIMESTAMP));
    }
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* ---- memory ------------------------------------------------------------------------------------ */

static void warm_builders_call_no_malloc(void **state)
{
    struct schema *s =
        schema_of("ROW<n BIGINT, t STRING, a ARRAY<STRING>, d DECIMAL(20, 0), b BOOLEAN>");
    struct builder b;
    struct builder copy;
    builder_init(&b, *state, s, 256);
    builder_init(&copy, *state, s, 256);
    uint64_t before = 0;
    for (int i = 0; i < 1020; i++) {
        if (i == 20) {
            before = mem_thread_allocations();
        }
        for (int k = 0; k < 200; k++) {
            builder_put_i64(&b, 0, k);
            assert_int_equal(builder_put_bytes(&b, 1, "more than twelve bytes", 22, NULL), 0);
            struct builder_column *item = builder_child_of(builder_column_of(&b, 2), 0);
            assert_int_equal(builder_add_bytes(&b, item, "also more than twelve", 21, NULL), 0);
            builder_put_nested(&b, 2);
            builder_put_null(&b, 3);
            builder_put_bool(&b, 4, k % 2);
            builder_set_timestamp(&b, k);
            builder_end_row(&b);
        }
        struct batch *made = builder_finish(&b);
        struct batch *batch = batch_make_unique(*state, batch_ref(made));
        batch_unref(batch_slice(*state, batch, 5, 100));
        builder_append_range(&copy, batch, 10, 100);
        batch_unref(builder_finish(&copy));
        batch_unref(batch);
        batch_unref(made);
    }
    assert_int_equal(mem_thread_allocations() - before, 0);
    builder_fini(&b);
    builder_fini(&copy);
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(cells_are_what_was_put),
        POOL_TEST(random_rows_survive_every_way_of_copying),
        POOL_TEST(long_strings_are_legal),
        POOL_TEST(a_row_above_the_limit_is_refused_by_name),
        POOL_TEST(a_cancelled_row_leaves_no_trace),
        POOL_TEST(nested_strings_answer_for_their_top_column),
        POOL_TEST(rows_may_have_no_columns),
        POOL_TEST(emitted_rows_come_out_in_full_batches),
        POOL_TEST(bytes_make_a_batch_full_too),
        POOL_TEST(failures_stick_to_the_out),
        POOL_TEST(pushed_rows_fill_batches_to_the_target),
        POOL_TEST(growth_keeps_kinds_and_timestamps),
        POOL_TEST(warm_builders_call_no_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
