/* The row codec: round trips of random rows, equal rows as equal bytes, golden bytes, limits, and
 * damaged input. */
#include "tests/unit/engine_data/codec_test.h"
#include "tests/unit/seeds.h"

#include <math.h>

static const struct row_encoding WHOLE = {.flags = ROW_ENCODE_KIND | ROW_ENCODE_TIMESTAMP};

/* ---- helpers ----------------------------------------------------------------------------------- */

static void encode_row(const struct batch *b, uint32_t row, const struct row_encoding *how,
                       struct str *out)
{
    struct error err = ERROR_INIT;
    str_clear(out);
    check_ok(row_encode(b, row, how, out, &err), &err);
    assert_int_equal(out->data[out->len], '\0');
}

/* Decodes from memory of just that size, so that reading beyond it is seen. */
static int decode_row(const void *data, size_t len, struct builder *to, struct error *err)
{
    uint8_t *copy = mem_dup(data, len);
    int rc = row_decode(copy, len, to, err);
    mem_free(copy);
    return rc;
}

static bool type_has_map(const struct data_type *t)
{
    bool has = t->layout == LAYOUT_MAP;
    for (uint32_t i = 0; i < t->n_children; i++) {
        has = has || type_has_map(t->children[i]);
    }
    return has;
}

static bool schema_has_map(const struct schema *s)
{
    bool has = false;
    for (uint32_t i = 0; i < s->n_fields; i++) {
        has = has || type_has_map(s->fields[i].type);
    }
    return has;
}

/* ---- round trips ------------------------------------------------------------------------------- */

static void check_round_trip(struct buffer_pool *pool, const struct batch *batch)
{
    struct error err = ERROR_INIT;
    STR_AUTO bytes = STR_INIT;
    STR_AUTO again = STR_INIT;
    struct builder b;
    builder_init(&b, pool, batch->schema, BATCH_ROWS_MAX);
    for (uint32_t i = 0; i < batch->n_sel; i++) {
        encode_row(batch, batch_row(batch, i), &WHOLE, &bytes);
        check_ok(decode_row(bytes.data, bytes.len, &b, &err), &err);
    }
    struct batch *back = builder_finish(&b);
    check_valid(back);
    if (!schema_has_map(batch->schema)) { /* entries of maps come back in another order */
        assert_true(batch_equals(batch, back));
    }
    for (uint32_t i = 0; i < batch->n_sel; i++) {
        encode_row(batch, batch_row(batch, i), &WHOLE, &bytes);
        encode_row(back, i, &WHOLE, &again);
        assert_true(slice_eq(str_slice(&bytes), str_slice(&again)));
    }
    batch_unref(back);
    builder_fini(&b);
}

static void random_rows_come_back(void **state)
{
    const struct seeds seeds = seeds_from(0, 300);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct rng r;
        rng_init(&r, seed);
        struct schema *s = random_schema(&r, 12, 3);
        struct builder b;
        builder_init(&b, *state, s, 0);
        struct batch *batch = random_batch(&b, &r, 1 + (uint32_t)rng_below(&r, 30));
        check_round_trip(*state, batch);
        batch_unref(batch);
        builder_fini(&b);
        schema_unref(s);
    }
}

static void long_and_empty_strings_come_back(void **state)
{
    struct schema *s = parse_schema("ROW<a STRING, b BYTES, c ARRAY<STRING>>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    size_t len = 150 * 1024;
    char *text = mem_alloc(len);
    memset(text, 'x', len);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(builder_put_bytes(&b, 0, text, i * len / 2, NULL), 0);
        put_text(&b, 1, "");
        assert_int_equal(
            builder_add_bytes(&b, builder_child_of(builder_column_of(&b, 2), 0), text, len, NULL),
            0);
        builder_put_nested(&b, 2);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    check_round_trip(*state, batch);
    mem_free(text);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

static void integers_of_all_lengths_come_back(void **state)
{
    struct schema *s = parse_schema("ROW<a BIGINT, b DECIMAL(38, 0), c INT, d SMALLINT>");
    struct builder b;
    builder_init(&b, *state, s, BATCH_ROWS_MAX);
    for (int bit = 0; bit < 64; bit++) {
        for (int around = -1; around <= 1; around++) {
            for (int sign = -1; sign <= 1; sign += 2) {
                uint64_t u = ((uint64_t)1 << bit) + (uint64_t)around;
                int64_t v = (int64_t)(sign < 0 ? 0 - u : u);
                builder_put_i64(&b, 0, v);
                builder_put_i128(&b, 1, (__int128)v * ((__int128)1 << 62) + around);
                builder_put_i64(&b, 2, (int32_t)v);
                builder_put_i64(&b, 3, (int16_t)v);
                builder_end_row(&b);
            }
        }
    }
    struct batch *batch = builder_finish(&b);
    check_round_trip(*state, batch);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

static void columns_can_be_chosen(void **state)
{
    struct schema *s = parse_schema("ROW<a INT, b STRING, c BOOLEAN>");
    struct schema *part = parse_schema("ROW<c BOOLEAN, a INT>");
    static const uint32_t COLUMNS[] = {2, 0};
    struct row_encoding how = {.columns = COLUMNS, .n_columns = 2};
    struct builder b, to;
    builder_init(&b, *state, s, 0);
    builder_init(&to, *state, part, 0);
    builder_set_kind(&b, ROW_KIND_DELETE);
    builder_set_timestamp(&b, 5);
    builder_put_i64(&b, 0, 9);
    put_text(&b, 1, "left out");
    builder_put_null(&b, 2);
    builder_end_row(&b);
    struct batch *batch = builder_finish(&b);
    STR_AUTO bytes = STR_INIT;
    encode_row(batch, 0, &how, &bytes);
    assert_int_equal(row_decode((const uint8_t *)bytes.data, bytes.len, &to, NULL), 0);
    struct batch *back = builder_finish(&to);
    assert_true(column_is_null(&back->columns[0], 0));
    assert_int_equal(COLUMN_VALUES(&back->columns[1], int32_t)[0], 9);
    assert_null(back->row_kinds); /* kind and time were not asked for */
    assert_null(back->timestamps);
    batch_unref(back);
    batch_unref(batch);
    builder_fini(&to);
    builder_fini(&b);
    schema_unref(part);
    schema_unref(s);
}

static void warm_encoding_allocates_nothing(void **state)
{
    struct schema *s = parse_schema(ALL_TYPES);
    struct builder b, to;
    builder_init(&b, *state, s, 0);
    builder_init(&to, *state, s, 0);
    put_all_types_row(&b);
    struct batch *batch = builder_finish(&b);
    STR_AUTO bytes = STR_INIT;
    uint64_t before = 0;
    for (int i = 0; i < 1000; i++) {
        if (i == 600) {
            before = mem_thread_allocations();
        }
        str_clear(&bytes);
        assert_int_equal(row_encode(batch, 0, &WHOLE, &bytes, NULL), 0);
        assert_int_equal(row_decode((const uint8_t *)bytes.data, bytes.len, &to, NULL), 0);
        if (i % 100 == 99) {
            batch_unref(builder_finish(&to));
        }
    }
    assert_int_equal(mem_thread_allocations(), before);
    batch_unref(batch);
    builder_fini(&to);
    builder_fini(&b);
    schema_unref(s);
}

/* ---- equal rows, equal bytes ------------------------------------------------------------------- */

static void entries_of_maps_are_sorted(void **state)
{
    struct schema *s = parse_schema("ROW<m MAP<STRING, MAP<INT, INT>>, z MULTISET<BIGINT>>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    for (int order = 0; order < 6; order++) {
        static const int ORDERS[6][3] = {{0, 1, 2}, {0, 2, 1}, {1, 0, 2},
                                         {1, 2, 0}, {2, 0, 1}, {2, 1, 0}};
        static const char *const KEYS[3] = {"", "a longer key than a view", "b"};
        struct builder_column *map = builder_column_of(&b, 0), *set = builder_column_of(&b, 1);
        struct builder_column *inner = builder_child_of(map, 1);
        for (int i = 0; i < 3; i++) {
            int k = ORDERS[order][i];
            add_text(&b, builder_child_of(map, 0), KEYS[k]);
            for (int n = 0; n < 3 && k != 1; n++) {
                int v = ORDERS[5 - order][n];
                builder_add_i64(&b, builder_child_of(inner, 0), v * 100);
                builder_add_i64(&b, builder_child_of(inner, 1), v);
            }
            if (k == 1) {
                builder_add_null(&b, inner);
            } else {
                builder_add_nested(&b, inner);
            }
            builder_add_i64(&b, builder_child_of(set, 0), k * 1000);
            builder_add_i64(&b, builder_child_of(set, 1), k);
        }
        builder_put_nested(&b, 0);
        builder_put_nested(&b, 1);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    STR_AUTO first = STR_INIT;
    STR_AUTO other = STR_INIT;
    encode_row(batch, 0, &WHOLE, &first);
    for (uint32_t row = 1; row < 6; row++) {
        encode_row(batch, row, &WHOLE, &other);
        assert_true(slice_eq(str_slice(&first), str_slice(&other)));
    }
    check_round_trip(*state, batch);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

static void check_equal_rows(const struct batch *b, uint32_t x, uint32_t y, uint32_t flags,
                             bool equal)
{
    STR_AUTO a = STR_INIT;
    STR_AUTO c = STR_INIT;
    struct row_encoding how = {.flags = flags};
    encode_row(b, x, &how, &a);
    encode_row(b, y, &how, &c);
    assert_int_equal(slice_eq(str_slice(&a), str_slice(&c)), equal);
}

static void keys_are_normalised_values_are_not(void **state)
{
    struct schema *s = parse_schema("ROW<f FLOAT, d DOUBLE, c CHAR(5), a ARRAY<CHAR(5)>>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    static const double VALUES[] = {0.0, -0.0, NAN, -NAN};
    for (int i = 0; i < 4; i++) {
        builder_put_f64(&b, 0, VALUES[i]);
        builder_put_f64(&b, 1, VALUES[i]);
        put_text(&b, 2, i % 2 == 0 ? "ab" : "ab   ");
        add_text(&b, builder_child_of(builder_column_of(&b, 3), 0), i % 2 == 0 ? "" : "  ");
        builder_put_nested(&b, 3);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    check_equal_rows(batch, 0, 1, ROW_ENCODE_AS_KEY, true);
    check_equal_rows(batch, 2, 3, ROW_ENCODE_AS_KEY, true);
    check_equal_rows(batch, 0, 1, 0, false);
    check_equal_rows(batch, 2, 3, 0, false); /* by the padding; NaN is one: */
    static const uint32_t FLOATS[] = {0, 1};
    struct row_encoding how = {.columns = FLOATS, .n_columns = 2};
    STR_AUTO x = STR_INIT;
    STR_AUTO y = STR_INIT;
    encode_row(batch, 2, &how, &x);
    encode_row(batch, 3, &how, &y);
    assert_true(slice_eq(str_slice(&x), str_slice(&y)));
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* ---- golden bytes ------------------------------------------------------------------------------ */

static void all_types_have_golden_bytes(void **state)
{
    static const char GOLDEN[] =
        "162000b4 f2e7c500 00000961 62202035 61207374 72696e67 206f6620 32362063 "
        "68617261 63746572 732e0107 0001ff8c 03030dff ffffffff ffffffff ffffff1f "
        "f96209fc 161100ff ffffffff ffffff00 00c03f9a 99999999 99b9bfb4 d004e87f "
        "cba4a03d b4f2e7c5 03fc117a 80804440 3048140c 372819c7 ab0f0205 030b0007 "
        "74776f09 02076f6e 6505096d 616e7942 1f00a909 011f6e65 73746564 20616e64 "
        "206c6f6e 6710ffff 7f";
    struct schema *s = parse_schema(ALL_TYPES);
    struct builder b;
    builder_init(&b, *state, s, 0);
    builder_set_kind(&b, ROW_KIND_UPDATE_AFTER);
    builder_set_timestamp(&b, 1700000000000);
    put_all_types_row(&b);
    put_null_row(&b);
    struct batch *batch = builder_finish(&b);
    STR_AUTO bytes = STR_INIT;
    STR_AUTO nulls = STR_INIT;
    encode_row(batch, 0, &WHOLE, &bytes);
    encode_row(batch, 1, &WHOLE, &nulls);
    str_append_slice(&bytes, str_slice(&nulls));
    check_golden((const uint8_t *)bytes.data, bytes.len, GOLDEN);
    check_round_trip(*state, batch);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* The example of docs/internals/encodings.md. */
static void the_documented_example(void **state)
{
    static const char GOLDEN[] = "10081208 0b466c69 6e630b02 0361";
    struct schema *s = parse_schema("ROW<id BIGINT, name STRING, tags ARRAY<STRING>, d DOUBLE>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    builder_put_i64(&b, 0, 258);
    put_text(&b, 1, "Flinc");
    struct builder_column *items = builder_child_of(builder_column_of(&b, 2), 0);
    add_text(&b, items, "a");
    builder_add_null(&b, items);
    builder_put_nested(&b, 2);
    builder_put_null(&b, 3);
    builder_end_row(&b);
    struct batch *batch = builder_finish(&b);
    STR_AUTO bytes = STR_INIT;
    encode_row(batch, 0, &WHOLE, &bytes);
    check_golden((const uint8_t *)bytes.data, bytes.len, GOLDEN);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

/* ---- bad input --------------------------------------------------------------------------------- */

/* Damaged bytes are an error, and leave nothing in the builder, or a row that encodes to just them. */
static void try_damaged(struct builder *to, const void *data, size_t len)
{
    struct error err = ERROR_INIT;
    if (decode_row(data, len, to, &err) < 0) {
        assert_true(err.code == ERR_CORRUPT || err.code == ERR_UNSUPPORTED ||
                    err.code == ERR_TOO_LARGE);
        assert_int_equal(builder_rows(to), 0);
        return;
    }
    struct batch *back = builder_finish(to);
    STR_AUTO again = STR_INIT;
    check_valid(back);
    encode_row(back, 0, &WHOLE, &again);
    assert_true(slice_eq(str_slice(&again), slice_make(data, len)));
    batch_unref(back);
}

static void damage(struct buffer_pool *pool, const struct batch *batch, uint32_t row)
{
    struct builder to;
    builder_init(&to, pool, batch->schema, 0);
    STR_AUTO bytes = STR_INIT;
    encode_row(batch, row, &WHOLE, &bytes);
    for (size_t len = 0; len < bytes.len; len++) {
        assert_true(decode_row(bytes.data, len, &to, NULL) < 0);
    }
    for (size_t i = 0; i < bytes.len; i++) {
        char was = bytes.data[i];
        for (int bit = 0; bit < 8; bit++) {
            bytes.data[i] = (char)(was ^ (1 << bit));
            try_damaged(&to, bytes.data, bytes.len);
        }
        for (int value = 0; value < 256; value += 51) {
            bytes.data[i] = (char)value;
            try_damaged(&to, bytes.data, bytes.len);
        }
        bytes.data[i] = was;
    }
    /* Nothing of the refused rows is left behind. */
    struct error err = ERROR_INIT;
    check_ok(decode_row(bytes.data, bytes.len, &to, &err), &err);
    struct batch *back = builder_finish(&to);
    check_valid(back);
    assert_int_equal(back->n_rows, 1);
    batch_unref(back);
    builder_fini(&to);
}

static void damaged_bytes_never_crash(void **state)
{
    struct schema *s = parse_schema(ALL_TYPES);
    struct builder b;
    builder_init(&b, *state, s, 0);
    put_all_types_row(&b);
    struct batch *batch = builder_finish(&b);
    damage(*state, batch, 0);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
    const struct seeds seeds = seeds_from(2000, 20);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct rng r;
        rng_init(&r, seed);
        s = random_schema(&r, 6, 3);
        builder_init(&b, *state, s, 0);
        batch = random_batch(&b, &r, 1);
        if (batch_bytes(batch) < 1500) {
            damage(*state, batch, 0);
        }
        batch_unref(batch);
        builder_fini(&b);
        schema_unref(s);
    }
}

static void check_refused(struct buffer_pool *pool, const char *schema, const char *hex, int code,
                          const char *text)
{
    struct schema *s = parse_schema(schema);
    struct builder to;
    struct error err = ERROR_INIT;
    uint8_t bytes[64];
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        char digits[3] = {hex[2 * i], hex[2 * i + 1], '\0'};
        bytes[i] = (uint8_t)strtoul(digits, NULL, 16);
    }
    builder_init(&to, pool, s, 0);
    to.max_row_bytes = 100000;
    assert_int_equal(decode_row(bytes, len, &to, &err), code);
    if (strstr(err.message, text) == NULL) {
        fail_msg("'%s' is not in '%s'", text, err.message);
    }
    builder_fini(&to);
    schema_unref(s);
}

static void what_the_encoder_never_writes_is_refused(void **state)
{
    struct buffer_pool *pool = *state;
    check_refused(pool, "ROW<a INT>", "20000b", ERR_UNSUPPORTED, "version 2");
    check_refused(pool, "ROW<a INT>", "18000b", ERR_CORRUPT, "unknown flags");
    check_refused(pool, "ROW<a INT>", "1002", ERR_CORRUPT, "behind the end of a bitmap");
    check_refused(pool, "ROW<a INT>", "10000200", ERR_CORRUPT, "longer than it needs");
    check_refused(pool, "ROW<a INT>", "100009ff", ERR_CORRUPT, "behind its last value");
    check_refused(pool, "ROW<a SMALLINT>", "1000040008", ERR_CORRUPT, "range of its type");
    check_refused(pool, "ROW<a BOOLEAN>", "100002", ERR_CORRUPT, "neither true nor false");
    check_refused(pool, "ROW<a FLOAT>", "10000000c0ff", ERR_CORRUPT, "unusual NaN");
    check_refused(pool, "ROW<a DECIMAL(38,0)>", "100011", ERR_CORRUPT, "more than 16");
    check_refused(pool, "ROW<a DECIMAL(38,0)>", "10000100", ERR_CORRUPT, "longer than it needs");
    check_refused(pool, "ROW<a STRING>", "10000b6162", ERR_CORRUPT, "ends within");
    check_refused(pool, "ROW<a NULL>", "1000", ERR_CORRUPT, "a value of type NULL");
    check_refused(pool, "ROW<a ARRAY<INT>>", "10008101", ERR_CORRUPT, "more elements");
    check_refused(pool, "ROW<a ARRAY<INT>>", "1000070001", ERR_CORRUPT, "without a NULL");
    /* {2: 1, 1: 1}; marks without a NULL. */
    check_refused(pool, "ROW<a MAP<INT, INT>>", "10000909050505", ERR_CORRUPT, "not sorted");
    check_refused(pool, "ROW<a MAP<INT, INT>>", "100007000505", ERR_CORRUPT, "marks without");
    /* NULLs cost a bit here and 16 bytes there. */
    char many[64] = "1000"; /* 496 elements of an array, all NULL */
    strcat(many, "860f");
    for (int i = 0; i < 8; i++) {
        strcat(many, "ff");
    }
    check_refused(pool, "ROW<a ARRAY<STRING>>", many, ERR_CORRUPT, "more elements");
}

static void elements_count_against_the_limit(void **state)
{
    struct schema *s = parse_schema("ROW<a ARRAY<STRING>>");
    struct builder b, to;
    builder_init(&b, *state, s, 0);
    struct builder_column *items = builder_child_of(builder_column_of(&b, 0), 0);
    for (int i = 0; i < 10000; i++) {
        builder_add_null(&b, items);
    }
    builder_put_nested(&b, 0);
    builder_end_row(&b);
    struct batch *batch = builder_finish(&b);
    STR_AUTO bytes = STR_INIT;
    encode_row(batch, 0, &WHOLE, &bytes);
    assert_in_range(bytes.len, 1250, 1260);
    builder_init(&to, *state, s, 0);
    to.max_row_bytes = 100 * 1000;
    struct error err = ERROR_INIT;
    assert_int_equal(decode_row(bytes.data, bytes.len, &to, &err), ERR_TOO_LARGE);
    to.max_row_bytes = 200 * 1000;
    assert_int_equal(decode_row(bytes.data, bytes.len, &to, &err), 0);
    builder_fini(&to);
    batch_unref(batch);
    builder_fini(&b);
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(random_rows_come_back, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(long_and_empty_strings_come_back, setup_pool,
                                        teardown_pool),
        cmocka_unit_test_setup_teardown(integers_of_all_lengths_come_back, setup_pool,
                                        teardown_pool),
        cmocka_unit_test_setup_teardown(columns_can_be_chosen, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(warm_encoding_allocates_nothing, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(entries_of_maps_are_sorted, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(keys_are_normalised_values_are_not, setup_pool,
                                        teardown_pool),
        cmocka_unit_test_setup_teardown(all_types_have_golden_bytes, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(the_documented_example, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(damaged_bytes_never_crash, setup_pool, teardown_pool),
        cmocka_unit_test_setup_teardown(what_the_encoder_never_writes_is_refused, setup_pool,
                                        teardown_pool),
        cmocka_unit_test_setup_teardown(elements_count_against_the_limit, setup_pool,
                                        teardown_pool),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
