/* Records as bytes of the row codec: random types and values beside row_encode(), bytes that are damaged or
 * cut beside row_decode(), layouts in another order, limits. */
#include "engine/state/record_row.h"

#include "engine/data/codec.h"
#include "flinc/base.h"
#include "tests/unit/engine_data/random_rows.h"
#include "tests/unit/engine_state/fixture.h"
#include "tests/unit/engine_state/record_row_check.h"
#include "tests/unit/seeds.h"
#include <math.h>

static const char *const all_types =
    "ROW<b BOOLEAN, t TINYINT, s STRING, i INT NOT NULL, l BIGINT, d DOUBLE, f FLOAT, y BYTES NOT "
    "NULL, m DECIMAL(30, 2), n TIMESTAMP(9), h SMALLINT, c CHAR(3) NOT NULL, a ARRAY<INT>, "
    "r ROW<x STRING, z MAP<INT, DOUBLE>> NOT NULL>";

/* A layout of a schema and how its records are written. */
struct rows {
    struct schema *schema;
    struct record_layout layout;
    struct record_row row;
};

static void open_rows(struct rows *r, struct schema *take_schema)
{
    r->schema = take_schema;
    assert_ok(record_layout_init(&r->layout, r->schema, &err));
    record_row_init(&r->row, &r->layout);
}

static void close_rows(struct rows *r)
{
    record_row_fini(&r->row);
    record_layout_fini(&r->layout);
    schema_unref(r->schema);
}

static struct schema *random_record_schema(struct rng *r)
{
    for (;;) {
        struct schema *s = random_schema(r, 12, (uint32_t)rng_below(r, 4));
        bool fits = true;
        for (uint32_t i = 0; i < s->n_fields; i++) {
            fits = fits && s->fields[i].type->layout != LAYOUT_NULL;
        }
        if (fits) {
            return s;
        }
        schema_unref(s);
    }
}

static void check_bytes(const struct str *got, size_t from, const struct str *expected)
{
    assert_int_equal(got->len - from, expected->len);
    assert_memory_equal(got->data + from, expected->data, expected->len);
    assert_int_equal(got->data[got->len], 0);
}

/* ---- beside row_encode() ----------------------------------------------------------------------- */

/* One record there and back; `kept` has another one before, or none. */
static void check_record(struct rows *r, const char *record, const struct str *expected,
                         struct state_heap *heap, char *kept)
{
    STR_AUTO bytes = STR_INIT;
    char *read = mem_alloc_aligned(16, r->layout.size);
    memset(read, 0x5a, r->layout.size);
    str_append_cstr(&bytes, "before");
    assert_ok(record_row_encode(&r->row, record, &bytes, &err));
    check_bytes(&bytes, 6, expected);

    assert_ok(record_row_read(&r->row, bytes.data + 6, bytes.len - 6, read, &err));
    STR_AUTO again = STR_INIT;
    assert_ok(record_row_encode(&r->row, read, &again, &err));
    check_bytes(&again, 0, expected);

    /* A record of its own: the bytes go. */
    char *exact = mem_dup(expected->data, expected->len);
    assert_ok(record_row_decode(&r->row, heap, exact, expected->len, kept, &err));
    memset(exact, 0x5a, expected->len);
    mem_free(exact);
    str_clear(&again);
    assert_ok(record_row_encode(&r->row, kept, &again, &err));
    check_bytes(&again, 0, expected);
    mem_free(read);
}

static void check_batch(struct rows *r, const struct batch *b, struct rng *rng)
{
    STR_AUTO nested = STR_INIT;
    STR_AUTO expected = STR_INIT;
    struct state_heap heap;
    size_t size = r->layout.size;
    char *record = mem_alloc_aligned(16, size), *kept = mem_alloc_aligned(16, size);
    state_heap_init(&heap, NULL);
    str_reserve(&nested, 64);
    memset(kept, 0, size);
    for (uint32_t i = 0; i < b->n_rows; i++) {
        str_clear(&expected);
        assert_ok(row_encode(b, i, &(struct row_encoding){.flags = 0}, &expected, &err));
        memset(record, 0, size);
        assert_ok(record_read(&r->layout, b, i, 1, record, &nested, &err));
        check_record(r, record, &expected, &heap, kept);
        if (rng_below(rng, 3) == 0) {
            record_drop(&r->layout, &heap, kept);
            memset(kept, 0, size);
        }
    }
    record_drop(&r->layout, &heap, kept);
    assert_int_equal(heap.used_bytes, 0);
    state_heap_fini(&heap);
    mem_free(record);
    mem_free(kept);
}

static void random_rows_are_what_the_codec_writes(void **state)
{
    const struct seeds seeds = seeds_from(0, UNDER_SANITIZER ? 150 : 600);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct rng rng;
        struct rows r;
        struct builder in;
        rng_init(&rng, seed);
        open_rows(&r, random_record_schema(&rng));
        builder_init(&in, *state, r.schema, BATCH_ROWS_MAX);
        struct batch *b = random_batch(&in, &rng, 1 + (uint32_t)rng_below(&rng, 50));
        check_batch(&r, b, &rng);
        batch_unref(b);
        builder_fini(&in);
        close_rows(&r);
    }
}

/* Numbers around every length, at every distance from the end of the bytes. */
static void numbers_of_every_length(void **state)
{
    struct rows r;
    struct rng rng;
    struct builder in;
    rng_init(&rng, 1);
    open_rows(&r, parse_schema("ROW<a BIGINT, b BIGINT NOT NULL, c INT NOT NULL, d SMALLINT NOT "
                               "NULL, e DECIMAL(38, 0) NOT NULL, f DOUBLE NOT NULL>"));
    builder_init(&in, *state, r.schema, BATCH_ROWS_MAX);
    for (uint32_t bits = 0; bits < 64; bits++) {
        for (int64_t by = -2; by <= 2; by++) {
            uint64_t u = (UINT64_C(1) << bits) + (uint64_t)by;
            int64_t v = (int64_t)u, low = INT64_MIN + (by + 2);
            double special = bits == 0 ? (double)NAN : -0.0;
            builder_put_i64(&in, 0, v);
            builder_put_i64(&in, 1, bits % 2 ? (int64_t)(0 - u) : low);
            builder_put_i64(&in, 2, by < 0 ? INT32_MIN : INT32_MAX);
            builder_put_i64(&in, 3, by < 0 ? INT16_MIN : INT16_MAX);
            builder_put_i128(&in, 4, (__int128)v * ((__int128)1 << bits));
            builder_put_f64(&in, 5, bits < 2 ? special : (double)v);
            builder_end_row(&in);
        }
    }
    struct batch *b = builder_finish(&in);
    check_batch(&r, b, &rng);
    batch_unref(b);
    builder_fini(&in);
    close_rows(&r);
}

static void a_zeroed_record_is_what_zeroed_memory_stands_for(void **state)
{
    struct rows r;
    struct builder b;
    STR_AUTO expected = STR_INIT;
    STR_AUTO bytes = STR_INIT;
    open_rows(&r, parse_schema("ROW<s STRING NOT NULL, a ARRAY<INT> NOT NULL, m MULTISET<INT> NOT "
                               "NULL, r ROW<x INT NOT NULL, y DOUBLE NOT NULL, z STRING NOT NULL, "
                               "n INT, t TIMESTAMP(9) NOT NULL, b ROW<c BOOLEAN NOT NULL, d "
                               "DECIMAL(20, 0) NOT NULL, e FLOAT NOT NULL, f TINYINT NOT NULL, g "
                               "NULL> NOT NULL, i ARRAY<INT> NOT NULL, k ROW<> NOT NULL> NOT "
                               "NULL>"));
    char *zeros = mem_zalloc(r.layout.size);
    builder_init(&b, *state, r.schema, 1);
    builder_begin(&b);
    record_put_strings(&r.layout, zeros, &b);
    b.out.n++;
    record_put_fixed(&r.layout, zeros, 1, &b, 0);
    struct batch *row = builder_finish(&b);
    assert_ok(row_encode(row, 0, &(struct row_encoding){.flags = 0}, &expected, &err));
    assert_ok(record_row_encode(&r.row, zeros, &bytes, &err));
    check_bytes(&bytes, 0, &expected);
    batch_unref(row);
    builder_fini(&b);
    mem_free(zeros);
    close_rows(&r);
}

/* ---- layouts ----------------------------------------------------------------------------------- */

struct other_order {
    bool flag, no_name;
    int64_t n;
    flinc_string name;
    int32_t extra; /* of no column */
};

static void fields_may_lie_in_any_order(void **state)
{
    static const struct record_field fields[] = {
        {2, offsetof(struct other_order, flag), RECORD_NEVER_NULL, 1, LAYOUT_BIT},
        {1, offsetof(struct other_order, name), offsetof(struct other_order, no_name),
         sizeof(flinc_string), LAYOUT_VIEW},
        {0, offsetof(struct other_order, n), RECORD_NEVER_NULL, 8, LAYOUT_I64},
    };
    static const uint8_t golden[] = {0x10, 0x00, 0x12, 0x08, 0x0b, 'F', 'l', 'i', 'n', 'c', 0x01};
    static const uint8_t golden_null[] = {0x10, 0x02, 0x12, 0x08, 0x01};
    struct rows r = {.schema =
                         parse_schema("ROW<n BIGINT NOT NULL, s STRING, f BOOLEAN NOT NULL>")};
    struct other_order record = {.n = 258, .name = FLINC_STR("Flinc"), .flag = true, .extra = 9};
    STR_AUTO bytes = STR_INIT;
    (void)state;
    record_layout_init_fields(&r.layout, r.schema, sizeof(record), fields, ARRAY_LEN(fields));
    record_row_init(&r.row, &r.layout);
    assert_ok(record_row_encode(&r.row, (const char *)&record, &bytes, &err));
    assert_int_equal(bytes.len, sizeof(golden));
    assert_memory_equal(bytes.data, golden, sizeof(golden));

    struct other_order got;
    memset(&got, 0x5a, sizeof(got));
    assert_ok(record_row_read(&r.row, golden, sizeof(golden), (char *)&got, &err));
    assert_int_equal(got.n, 258);
    assert_true(got.flag);
    assert_false(got.no_name);
    assert_int_equal(got.name.len, 5);
    assert_ptr_equal(got.name.data, golden + 5);
    assert_int_equal(got.extra, 0);

    /* What lies under a NULL is not looked at, and is empty when it comes back. */
    record.no_name = true;
    record.name = (flinc_string){NULL, SIZE_MAX};
    str_clear(&bytes);
    assert_ok(record_row_encode(&r.row, (const char *)&record, &bytes, &err));
    assert_int_equal(bytes.len, sizeof(golden_null));
    assert_memory_equal(bytes.data, golden_null, sizeof(golden_null));
    assert_ok(record_row_read(&r.row, bytes.data, bytes.len, (char *)&got, &err));
    assert_true(got.no_name);
    assert_int_equal(got.name.len, 0);
    close_rows(&r);
}

static void a_null_needs_a_place(void **state)
{
    static const uint8_t both[] = {0x10, 0x00, 0x05, 0x0b, 'F', 'l', 'i', 'n', 'c'};
    static const uint8_t without_n[] = {0x10, 0x01, 0x0b, 'F', 'l', 'i', 'n', 'c'};
    struct error fault = ERROR_INIT;
    struct state_heap heap;
    struct rows r;
    char kept[64] = {0};
    static const char zeros[sizeof(kept)];
    (void)state;
    state_heap_init(&heap, NULL);
    open_rows(&r, parse_schema("ROW<n INT NOT NULL, s STRING>"));
    assert_ok(record_row_decode(&r.row, &heap, both, sizeof(both), kept, &err));
    assert_true(heap.used_bytes > 0);
    assert_int_equal(record_row_decode(&r.row, &heap, without_n, sizeof(without_n), kept, &fault),
                     ERR_CORRUPT);
    assert_non_null(strstr(fault.frames, "column 'n'"));
    assert_int_equal(heap.used_bytes, 0);
    assert_memory_equal(kept, zeros, r.layout.size);
    close_rows(&r);
    state_heap_fini(&heap);
}

/* ---- limits and damage ------------------------------------------------------------------------- */

static void a_full_budget_frees_the_record(void **state)
{
    struct error fault = ERROR_INIT;
    struct mem_budget budget;
    struct state_heap heap;
    struct rows r;
    STR_AUTO bytes = STR_INIT;
    static char large[100000];
    (void)state;
    mem_budget_init(&budget, "managed", 16 * 1024, NULL);
    state_heap_init(&heap, &budget);
    open_rows(&r, parse_schema("ROW<s STRING NOT NULL, t STRING NOT NULL>"));
    flinc_string record[2] = {FLINC_STR("one"), FLINC_STR("two")}, kept[2] = {{NULL, 0}};
    assert_ok(record_row_encode(&r.row, (const char *)record, &bytes, &err));
    assert_ok(record_row_decode(&r.row, &heap, bytes.data, bytes.len, (char *)kept, &err));
    record[1] = (flinc_string){large, sizeof(large)};
    str_clear(&bytes);
    assert_ok(record_row_encode(&r.row, (const char *)record, &bytes, &err));
    assert_int_equal(record_row_decode(&r.row, &heap, bytes.data, bytes.len, (char *)kept, &fault),
                     ERR_LIMIT);
    assert_int_equal(heap.used_bytes, 0);
    assert_int_equal(kept[0].len, 0);
    assert_null(kept[1].data);
    close_rows(&r);
    state_heap_fini(&heap);
}

static void what_is_no_value_is_not_written(void **state)
{
    static const struct {
        const char *bytes;
        size_t size;
    } wrong[] = {{"\x03", 1}, {"\x05\x02", 2}, {"\x05\x02\x02\x02", 4}, {"\x03\x01\x02", 3}};
    struct rows r;
    STR_AUTO bytes = STR_INIT;
    (void)state;
    open_rows(&r, parse_schema("ROW<a ARRAY<INT> NOT NULL>"));
    str_append_cstr(&bytes, "before");
    for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
        struct error fault = ERROR_INIT;
        flinc_string record = {wrong[i].bytes, wrong[i].size};
        assert_int_equal(record_row_encode(&r.row, (const char *)&record, &bytes, &fault),
                         ERR_CORRUPT);
        assert_non_null(strstr(fault.frames, "column 'a'"));
        assert_string_equal(bytes.data, "before");
    }
    flinc_string record = {"", (size_t)INT32_MAX + 1};
    assert_int_equal(record_row_encode(&r.row, (const char *)&record, &bytes, NULL), ERR_TOO_LARGE);
    assert_string_equal(bytes.data, "before");
    close_rows(&r);
}

static void fronts_of_others_are_refused(void **state)
{
    struct rows r;
    int64_t record;
    (void)state;
    open_rows(&r, parse_schema("ROW<n BIGINT NOT NULL>"));
    static const struct {
        uint8_t bytes[4];
        size_t size;
        int rc;
    } cases[] = {
        {{0x10, 0x00, 0x05}, 3, 0},
        {{0}, 0, ERR_CORRUPT},
        {{0x10}, 1, ERR_CORRUPT},
        {{0x20, 0x00, 0x05}, 3, ERR_UNSUPPORTED},
        {{0x13, 0x00, 0x05}, 3, ERR_CORRUPT},       /* a kind */
        {{0x14, 0x01, 0x00, 0x05}, 4, ERR_CORRUPT}, /* a timestamp */
        {{0x18, 0x00, 0x05}, 3, ERR_CORRUPT},
        {{0x10, 0x02, 0x05}, 3, ERR_CORRUPT}, /* a bit of no column */
        {{0x10, 0x00, 0x05, 0x05}, 4, ERR_CORRUPT},
        {{0x10, 0x00, 0x02, 0x00}, 4, ERR_CORRUPT}, /* 0 in two bytes */
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        assert_int_equal(
            record_row_read(&r.row, cases[i].bytes, cases[i].size, (char *)&record, NULL),
            cases[i].rc);
    }
    close_rows(&r);
}

static void damaged_bytes_are_refused_as_the_codec_does(void **state)
{
    struct rows r;
    struct rng rng;
    struct builder in;
    STR_AUTO bytes = STR_INIT;
    const uint32_t rounds = UNDER_SANITIZER ? 5000 : 50000;
    uint32_t refused = 0;
    rng_init(&rng, 5);
    open_rows(&r, parse_schema(all_types));
    builder_init(&in, *state, r.schema, 0);
    struct batch *b = random_batch(&in, &rng, 50);
    for (uint32_t i = 0; i < rounds; i++) {
        str_clear(&bytes);
        assert_ok(row_encode(b, (uint32_t)rng_below(&rng, b->n_rows),
                             &(struct row_encoding){.flags = 0}, &bytes, &err));
        size_t len = rng_below(&rng, 4) == 0 ? (size_t)rng_below(&rng, bytes.len) : bytes.len;
        for (uint64_t flips = rng_below(&rng, 3); len > 0 && flips > 0; flips--) {
            bytes.data[rng_below(&rng, MIN(len, (size_t)200))] ^= (char)(1u << rng_below(&rng, 8));
        }
        char *exact = mem_dup(bytes.data, len);
        refused += !record_row_check(*state, &r.row, exact, len);
        mem_free(exact);
    }
    assert_in_range(refused, rounds / 5, rounds - rounds / 10);
    batch_unref(b);
    builder_fini(&in);
    close_rows(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_rows_are_what_the_codec_writes, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(numbers_of_every_length, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_zeroed_record_is_what_zeroed_memory_stands_for,
                                        pool_setup, pool_teardown),
        cmocka_unit_test(fields_may_lie_in_any_order),
        cmocka_unit_test(a_null_needs_a_place),
        cmocka_unit_test(a_full_budget_frees_the_record),
        cmocka_unit_test(what_is_no_value_is_not_written),
        cmocka_unit_test(fronts_of_others_are_refused),
        cmocka_unit_test_setup_teardown(damaged_bytes_are_refused_as_the_codec_does, pool_setup,
                                        pool_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
