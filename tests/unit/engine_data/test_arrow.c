/* The Arrow C data interface, out: random schemas and batches come back through an import, formats are
 * Arrow's, buffers are shared and held until the last struct is released, and what Arrow cannot hold is
 * refused. */
#include "tests/unit/engine_data/codec_test.h"

#include "engine/data/arrow.h"
#include "tests/unit/seeds.h"

/* ---- out and in -------------------------------------------------------------------------------- */

static struct batch *plain_batch(struct buffer_pool *pool, const struct schema *s, struct rng *r,
                                 uint32_t n)
{
    struct builder b;
    builder_init(&b, pool, s, 0);
    for (uint32_t i = 0; i < n; i++) {
        random_row(&b, r);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    return batch;
}

/* Rows of an import, in pieces of `step`, are those of the batch. */
static void check_rows(struct buffer_pool *pool, struct arrow_import *import, struct batch *batch,
                       uint32_t step)
{
    struct error err = ERROR_INIT;
    assert_int_equal(arrow_import_rows(import), batch->n_sel);
    for (uint32_t from = 0; from < batch->n_sel; from += step) {
        uint32_t n = MIN(step, batch->n_sel - from);
        struct batch *piece = NULL;
        check_ok(arrow_import_batch(import, pool, from, n, &piece, &err), &err);
        check_valid(piece);
        struct batch *expected = batch_slice(pool, batch, from, from + n);
        assert_true(batch_equals(expected, piece));
        batch_unref(expected);
        batch_unref(piece);
    }
}

/* False when the batch cannot be exported. */
static bool out_and_in(struct buffer_pool *pool, struct batch *batch, uint32_t flags, uint32_t step)
{
    struct ArrowSchema schema;
    struct ArrowArray array;
    struct arrow_import *import = NULL;
    struct error err = ERROR_INIT;
    int rc = batch_export_arrow(pool, batch, flags, &schema, &array, &err);
    if (rc < 0) {
        assert_int_equal(rc, ERR_UNSUPPORTED);
        assert_non_null(strstr(err.message, "NULL key"));
        return false;
    }
    check_ok(arrow_import_new(&schema, &array, &import, &err), &err);
    assert_null(array.release);
    assert_true(schema_equals(arrow_import_schema(import), batch->schema));
    check_rows(pool, import, batch, step);
    arrow_import_unref(import);
    schema.release(&schema);
    assert_null(schema.release);
    return true;
}

static void random_batches_come_back(void **state)
{
    int done = 0;
    const struct seeds seeds = seeds_from(0, 400);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct rng r;
        rng_init(&r, seed);
        struct schema *s = random_schema(&r, 6, 3);
        struct batch *batch = plain_batch(*state, s, &r, 1 + (uint32_t)rng_below(&r, 50));
        if (rng_below(&r, 3) == 0) {
            random_selection(*state, batch, &r, 2);
        }
        uint32_t flags = rng_below(&r, 2) == 0 ? ARROW_EXPORT_PLAIN_STRINGS : 0;
        done += out_and_in(*state, batch, flags, 1 + (uint32_t)rng_below(&r, 60));
        batch_unref(batch);
        schema_unref(s);
    }
    assert_true(done > 200); /* the others have a NULL as a key of a map */
}

static void every_type_comes_back(void **state)
{
    struct schema *s = parse_schema(ALL_TYPES);
    struct builder b;
    builder_init(&b, *state, s, 0);
    put_all_types_row(&b);
    put_null_row(&b);
    struct batch *batch = builder_finish(&b);
    assert_true(out_and_in(*state, batch, 0, 10));
    assert_true(out_and_in(*state, batch, ARROW_EXPORT_PLAIN_STRINGS, 1));
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

static void formats_are_arrows(void **state)
{
    static const char *const FORMATS[] = {
        "vu",  "vu",  "b",    "vz",   "d:10,2",  "d:38,10", "c",   "s",  "i",  "l",  "f", "g",
        "tdD", "ttm", "tsm:", "tsn:", "tsu:UTC", "tiM",     "tDm", "+l", "+m", "+m", "+s"};
    struct schema *s = parse_schema(ALL_TYPES);
    struct ArrowSchema out;
    assert_int_equal(schema_export_arrow(s, 0, &out, NULL), 0);
    assert_string_equal(out.format, "+s");
    assert_int_equal(out.n_children, ARRAY_LEN(FORMATS));
    for (size_t i = 0; i < ARRAY_LEN(FORMATS); i++) {
        assert_string_equal(out.children[i]->format, FORMATS[i]);
        assert_string_equal(out.children[i]->name, s->fields[i].name);
        assert_int_equal(out.children[i]->flags, ARROW_FLAG_NULLABLE);
    }
    const struct ArrowSchema *entries = out.children[20]->children[0];
    assert_string_equal(entries->name, "entries");
    assert_int_equal(entries->children[0]->flags, 0); /* keys are never NULL */
    assert_string_equal(out.children[22]->children[1]->children[0]->name, "item");
    out.release(&out);
    schema_unref(s);
}

static void buffers_are_shared(void **state)
{
    struct schema *s = parse_schema("ROW<a BIGINT, b STRING>");
    struct rng r;
    rng_init(&r, 1);
    struct batch *batch = plain_batch(*state, s, &r, 100);
    struct ArrowArray array;
    assert_int_equal(batch_export_arrow(*state, batch, 0, NULL, &array, NULL), 0);
    assert_ptr_equal(array.children[0]->buffers[1], batch->columns[0].values->data);
    assert_ptr_equal(array.children[1]->buffers[1], batch->columns[1].values->data);
    assert_ptr_equal(array.children[1]->buffers[2], batch->columns[1].data[0]->data);
    assert_false(batch_is_unique(batch));

    /* A child that was moved out outlives its parent, and holds the batch. */
    struct ArrowArray child = *array.children[0];
    array.children[0]->release = NULL;
    array.release(&array);
    assert_false(batch_is_unique(batch));
    assert_int_equal(child.length, 100);
    child.release(&child);
    assert_null(child.release);
    assert_true(batch_is_unique(batch));
    batch_unref(batch);
    schema_unref(s);
}

static void what_arrow_cannot_hold_is_refused(void **state)
{
    struct schema *s = parse_schema("ROW<t TIMESTAMP(9), m MAP<STRING, INT>>");
    struct builder b;
    struct error err = ERROR_INIT;
    struct ArrowSchema schema = {0};
    struct ArrowArray array = {0};
    builder_init(&b, *state, s, 0);
    builder_put_ts_nano(&b, 0, (struct ts_nano){9300000000000, 0, 0}); /* 2264 */
    builder_put_null(&b, 1);
    builder_end_row(&b);
    struct batch *batch = builder_finish(&b);
    assert_int_equal(batch_export_arrow(*state, batch, 0, &schema, &array, &err), ERR_TOO_LARGE);
    assert_non_null(strstr(err.message, "2262"));
    assert_null(schema.release);
    assert_null(array.release);
    batch_unref(batch);
    builder_put_null(&b, 0);
    struct builder_column *map = builder_column_of(&b, 1);
    builder_add_null(&b, builder_child_of(map, 0));
    builder_add_i64(&b, builder_child_of(map, 1), 1);
    builder_put_nested(&b, 1);
    builder_end_row(&b);
    batch = builder_finish(&b);
    assert_int_equal(batch_export_arrow(*state, batch, 0, &schema, &array, &err), ERR_UNSUPPORTED);
    assert_int_equal(batch_export_arrow(*state, batch, 2, &schema, &array, &err),
                     ERR_INVALID_ARGUMENT);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_batches_come_back, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(every_type_comes_back, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(formats_are_arrows, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(buffers_are_shared, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(what_arrow_cannot_hold_is_refused, setup_pool,
                                        teardown_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
