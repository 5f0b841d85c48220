/* Records with arrays, maps and rows: random types and values against the batches that they come from, records
 * kept in state, long elements, zeroed records, damaged bytes. */
#include "engine/data/codec.h"
#include "engine/state/record.h"
#include "flinc/base.h"
#include "tests/unit/engine_data/random_rows.h"
#include "tests/unit/engine_state/fixture.h"
#include "tests/unit/seeds.h"

enum { DEPTH = 4, ROWS = 300 };

/* A schema of nested columns among others, without top columns of type NULL. */
static struct schema *nested_schema(struct rng *r)
{
    for (;;) {
        struct schema *s = random_schema(r, 6, DEPTH);
        bool fits = s->n_nested > 0;
        for (uint32_t i = 0; i < s->n_fields; i++) {
            fits = fits && s->fields[i].type->layout != LAYOUT_NULL;
        }
        if (fits) {
            return s;
        }
        schema_unref(s);
    }
}

/* Row by row: entries of maps come back in another order. */
static void check_same(const struct batch *a, const struct batch *b)
{
    STR_AUTO x = STR_INIT;
    STR_AUTO y = STR_INIT;
    assert_ok(batch_validate(b, &err));
    assert_int_equal(a->n_sel, b->n_sel);
    for (uint32_t i = 0; i < a->n_sel; i++) {
        str_clear(&x);
        str_clear(&y);
        assert_ok(row_encode(a, batch_row(a, i), &(struct row_encoding){.flags = 0}, &x, &err));
        assert_ok(row_encode(b, batch_row(b, i), &(struct row_encoding){.flags = 0}, &y, &err));
        assert_true(slice_eq(str_slice(&x), str_slice(&y)));
    }
}

/* `n` records, one behind the other, as a batch. */
static struct batch *records_to_batch(const struct record_layout *l, struct buffer_pool *pool,
                                      const char *records, uint32_t n)
{
    struct builder out;
    builder_init(&out, pool, l->schema, BATCH_ROWS_MAX);
    out.target_bytes = UINT64_MAX;
    for (uint32_t i = 0; i < n; i++) {
        builder_begin(&out);
        record_put_strings(l, records + (size_t)i * l->size, &out);
        out.out.n++;
        record_put_fixed(l, records + (size_t)i * l->size, 1, &out, i);
    }
    assert_ok(builder_check(&out, &err));
    struct batch *b = builder_finish(&out);
    builder_fini(&out);
    return b;
}

/* Every record goes through a tile into state, some of them over others; then all of them come back. */
static void check_keeping(struct buffer_pool *pool, struct rng *r, const struct record_layout *l,
                          const struct batch *b)
{
    STR_AUTO nested = STR_INIT;
    STR_AUTO bytes = STR_INIT;
    struct state_heap heap;
    char *tile = mem_zalloc((size_t)l->size * RECORD_TILE_ROWS);
    char *copy = mem_zalloc(l->size);
    char *kept = mem_zalloc((size_t)l->size * b->n_sel);
    state_heap_init(&heap, NULL);
    for (uint32_t from = 0; from < b->n_sel; from += RECORD_TILE_ROWS) {
        uint32_t n = MIN(b->n_sel - from, (uint32_t)RECORD_TILE_ROWS);
        assert_ok(record_read(l, b, from, n, tile, &nested, &err));
        for (uint32_t i = 0; i < n; i++) {
            char *to = kept + (size_t)(from + i) * l->size;
            if (rng_below(r, 3) == 0) {
                const char *other = tile + (size_t)rng_below(r, n) * l->size;
                assert_ok(record_keep(l, &heap, to, other, &err));
            }
            record_copy(l, copy, tile + (size_t)i * l->size, &bytes);
            assert_int_equal(bytes.len, record_string_bytes(l, copy));
            assert_ok(record_keep(l, &heap, to, copy, &err));
        }
    }
    struct batch *back = records_to_batch(l, pool, kept, b->n_sel);
    check_same(b, back);
    for (uint32_t i = 0; i < b->n_sel; i++) {
        record_drop(l, &heap, kept + (size_t)i * l->size);
    }
    assert_int_equal(heap.used_bytes, 0);
    batch_unref(back);
    state_heap_fini(&heap);
    mem_free(tile);
    mem_free(copy);
    mem_free(kept);
}

static void random_types_come_back(void **state)
{
    const struct seeds seeds = seeds_from(0, 150);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct rng r;
        rng_init(&r, seed);
        struct schema *s = nested_schema(&r);
        struct record_layout l;
        struct builder in;
        assert_ok(record_layout_init(&l, s, &err));
        assert_true(l.n_nested > 0);
        builder_init(&in, *state, s, BATCH_ROWS_MAX);
        struct batch *b = random_batch(&in, &r, 1 + (uint32_t)rng_below(&r, ROWS));
        if (rng_below(&r, 2) == 0) {
            random_selection(*state, b, &r, 3);
        }
        if (b->n_sel > 0) {
            check_keeping(*state, &r, &l, b);
        }
        batch_unref(b);
        builder_fini(&in);
        record_layout_fini(&l);
        schema_unref(s);
    }
}

static void long_elements_come_back(void **state)
{
    struct schema *s =
        parse_schema("ROW<id INT, items ARRAY<STRING> NOT NULL, deep MAP<STRING, ARRAY<BYTES>>>");
    size_t len = (size_t)64 * 1024;
    char *text = mem_alloc(len);
    struct record_layout l;
    struct builder in;
    struct rng r;
    rng_init(&r, 7);
    memset(text, 'x', len);
    assert_ok(record_layout_init(&l, s, &err));
    builder_init(&in, *state, s, 0);
    for (uint32_t i = 0; i < 40; i++) {
        struct builder_column *items = builder_child_of(builder_column_of(&in, 1), 0);
        struct builder_column *keys = builder_child_of(builder_column_of(&in, 2), 0);
        struct builder_column *values = builder_child_of(builder_column_of(&in, 2), 1);
        builder_put_i64(&in, 0, i);
        for (uint32_t k = 0; k < i % 4; k++) {
            assert_ok(builder_add_bytes(&in, items, text, len - k, &err));
        }
        builder_put_nested(&in, 1);
        assert_ok(builder_add_bytes(&in, keys, text, len - 1, &err));
        assert_ok(builder_add_bytes(&in, builder_child_of(values, 0), text, len, &err));
        builder_add_nested(&in, values);
        builder_put_nested(&in, 2);
        builder_end_row(&in);
    }
    struct batch *b = builder_finish(&in);
    check_keeping(*state, &r, &l, b);
    batch_unref(b);
    builder_fini(&in);
    record_layout_fini(&l);
    schema_unref(s);
    mem_free(text);
}

/* What state has of a record that nobody set. */
static void a_zeroed_record_has_zeros(void **state)
{
    struct schema *s = parse_schema(
        "ROW<a ARRAY<INT> NOT NULL, m MAP<INT, INT> NOT NULL, r ROW<x INT NOT NULL, y DOUBLE NOT "
        "NULL, z STRING NOT NULL, n INT, t TIMESTAMP(9) NOT NULL, b ROW<c BOOLEAN NOT NULL> NOT "
        "NULL> NOT NULL>");
    struct record_layout l;
    STR_AUTO text = STR_INIT;
    assert_ok(record_layout_init(&l, s, &err));
    char *zeros = mem_zalloc(l.size);
    struct batch *b = records_to_batch(&l, *state, zeros, 1);
    assert_ok(batch_validate(b, &err));
    batch_print_row(b, 0, &text);
    assert_string_equal(str_cstr(&text),
                        "+I[[], {}, +I[0, 0.0, , null, 1970-01-01T00:00, +I[false]]]");
    batch_unref(b);
    mem_free(zeros);
    record_layout_fini(&l);
    schema_unref(s);
}

/* Each damaged record is refused, with its column, or is another value; the rows around it stay. */
static void damaged_bytes_are_refused(void **state)
{
    struct schema *s =
        parse_schema("ROW<id INT NOT NULL, v ARRAY<ROW<k STRING, m MAP<INT, BOOLEAN>>> NOT NULL>");
    struct record_layout l;
    struct rng r;
    struct builder in;
    STR_AUTO bytes = STR_INIT;
    uint32_t refused = 0;
    rng_init(&r, 3);
    assert_ok(record_layout_init(&l, s, &err));
    const struct record_field *id = record_layout_find(&l, 0), *v = record_layout_find(&l, 1);
    builder_init(&in, *state, s, 0);
    struct batch *b = random_batch(&in, &r, 50);
    char *record = mem_zalloc(l.size);
    for (uint32_t i = 0; i < 4000; i++) {
        struct error fault = ERROR_INIT;
        struct builder out;
        builder_init(&out, *state, s, 0);
        str_clear(&bytes);
        value_encode(&b->columns[1], (uint32_t)rng_below(&r, b->n_rows), &bytes);
        bytes.len = rng_below(&r, 2) == 0 ? bytes.len : (size_t)rng_below(&r, bytes.len + 1);
        if (bytes.len > 0 && rng_below(&r, 4) > 0) {
            bytes.data[rng_below(&r, bytes.len)] ^= (char)(1u << rng_below(&r, 8));
        }
        char *exact = mem_dup(bytes.data, bytes.len);
        flinc_string damaged = {exact, bytes.len}, none = {NULL, 0};
        for (int32_t row = 0; row < 3; row++) {
            builder_begin(&out);
            memcpy(record + id->offset, &row, sizeof(row));
            memcpy(record + v->offset, row == 1 ? &damaged : &none, sizeof(damaged));
            record_put_strings(&l, record, &out);
            out.out.n++;
            record_put_fixed(&l, record, 1, &out, (uint32_t)row);
        }
        int rc = builder_check(&out, &fault);
        if (rc < 0) {
            assert_int_equal(rc, ERR_CORRUPT);
            assert_non_null(strstr(fault.message, "column 'v'"));
            refused++;
        } else {
            struct batch *got = builder_finish(&out);
            assert_ok(batch_validate(got, &err));
            batch_unref(got);
        }
        builder_fini(&out);
        mem_free(exact);
    }
    assert_in_range(refused, 1000, 3999);
    mem_free(record);
    batch_unref(b);
    builder_fini(&in);
    record_layout_fini(&l);
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_types_come_back, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(long_elements_come_back, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_zeroed_record_has_zeros, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(damaged_bytes_are_refused, pool_setup, pool_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
