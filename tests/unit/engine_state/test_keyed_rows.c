/* Entries as rows: order by key group, every kind of key and value, layouts that leave columns out. */
#include "engine/state/keyed_rows.h"
#include "flinc/base.h"
#include "tests/unit/engine_state/fixture.h"

static void entries_are_sorted_by_group(void **state)
{
    enum { N = 4096 };
    static struct keyed_entry entries[2 * N];
    static struct segment_run runs[N];
    static const uint32_t highest[] = {1, 128, 300, 32768};
    struct rng rng;
    (void)state;
    rng_init(&rng, 1);
    for (size_t k = 0; k < ARRAY_LEN(highest); k++) {
        uint64_t sum = 0, expected = 0;
        for (uint32_t i = 0; i < N; i++) {
            entries[i] = (struct keyed_entry){.group = (uint32_t)rng_below(&rng, highest[k])};
            expected += entries[i].group;
        }
        uint32_t n_runs = keyed_entries_sort(entries, N, runs), rows = 0;
        for (uint32_t i = 0; i < n_runs; i++) {
            assert_int_equal(runs[i].first_row, rows);
            assert_true(i == 0 || runs[i].group > runs[i - 1].group);
            for (uint32_t m = 0; m < runs[i].n_rows; m++, rows++) {
                assert_int_equal(entries[rows].group, runs[i].group);
                sum += entries[rows].group;
            }
        }
        assert_int_equal(rows, N);
        assert_int_equal(sum, expected);
    }
}

/* Keys are added, values set by scatter, gathered again, and must be what they were. */
static void round_trip(struct buffer_pool *pool, const char *key_text, const char *row_text,
                       const char *value_text, void (*put)(struct builder *b, uint32_t i))
{
    static const uint32_t columns[] = {0, 1};
    enum { N = 300 };
    struct schema *key = parse_schema(key_text), *row = parse_schema(row_text);
    struct schema *value = parse_schema(value_text);
    struct record_layout layout;
    struct keyed_rows rows;
    struct keyed_table t;
    struct builder b;
    uint32_t slots[N];
    uint8_t is_new[N];
    static struct keyed_entry entries[N];
    assert_ok(record_layout_init(&layout, value, &err));
    keyed_rows_init(&rows, key, &layout);
    assert_ok(keyed_table_init(
        &t,
        &(struct keyed_table_options){
            .key_schema = key, .value_bytes = layout.size, .seed = 7, .record = &rows.layout},
        &err));
    builder_init(&b, pool, row, N);
    for (uint32_t i = 0; i < N; i++) {
        put(&b, i);
        builder_end_row(&b);
    }
    struct batch *in = finish_hashed(&b, key->n_fields), *out = NULL, *keys = NULL;
    assert_ok(keyed_table_upsert(&t, in, columns, slots, is_new, &err));
    assert_ok(keyed_rows_scatter(&rows, &t, in, slots, &err));
    for (uint32_t i = 0; i < N; i++) {
        entries[i] = (struct keyed_entry){.entry = t.entries + (size_t)slots[i] * t.stride,
                                          .is_null = slots[i] == t.n_slots};
    }
    assert_ok(keyed_rows_gather(&rows, &t, pool, entries, N, &out, &err));
    assert_ok(batch_validate(out, &err));
    assert_true(batch_equals(in, out));
    assert_ok(keyed_keys_gather(&rows, &t, pool, entries, N, &keys, &err));
    assert_int_equal(keys->n_columns, key->n_fields);
    assert_int_equal(keys->n_rows, N);
    batch_unref(in);
    batch_unref(out);
    batch_unref(keys);
    builder_fini(&b);
    keyed_table_fini(&t);
    keyed_rows_fini(&rows);
    record_layout_fini(&layout);
    schema_unref(key);
    schema_unref(row);
    schema_unref(value);
}

static void put_numbers(struct builder *b, uint32_t i)
{
    if (i == 17) {
        builder_put_null(b, 0);
    } else {
        builder_put_i64(b, 0, (int16_t)i - 100);
    }
    builder_put_i64(b, 1, i);
    if (i % 3 == 0) {
        builder_put_null(b, 2);
    } else {
        builder_put_f64(b, 2, i * 0.5);
    }
    builder_put_bool(b, 3, i % 2 != 0);
}

static void put_texts(struct builder *b, uint32_t i)
{
    char text[64];
    snprintf(text, sizeof(text), "%*u", (int)(i % 40 + 1), i);
    put_text(b, 0, text);
    builder_put_i64(b, 1, i / 2);
    put_text(b, 2, i % 5 == 0 ? NULL : text);
    put_text(b, 3, "");
}

static void put_flags(struct builder *b, uint32_t i)
{
    builder_put_f64(b, 0, i == 0 ? 0.0 : 1.0 / i);
    builder_put_i64(b, 1, i);
}

static void entries_become_rows_and_entries_again(void **state)
{
    round_trip(*state, "ROW<k SMALLINT>",
               "ROW<k SMALLINT, n BIGINT NOT NULL, d DOUBLE, f BOOLEAN NOT NULL>",
               "ROW<n BIGINT NOT NULL, d DOUBLE, f BOOLEAN NOT NULL>", put_numbers);
    round_trip(*state, "ROW<a STRING NOT NULL, b BIGINT NOT NULL>",
               "ROW<a STRING NOT NULL, b BIGINT NOT NULL, c STRING, d STRING NOT NULL>",
               "ROW<c STRING, d STRING NOT NULL>", put_texts);
    round_trip(*state, "ROW<k DOUBLE NOT NULL>", "ROW<k DOUBLE NOT NULL, n BIGINT NOT NULL>",
               "ROW<n BIGINT NOT NULL>", put_flags);
}

static void columns_that_a_struct_leaves_out_are_no_part_of_the_state(void **state)
{
    struct schema *key = parse_schema("ROW<k BIGINT NOT NULL>");
    struct schema *value = parse_schema("ROW<a BIGINT NOT NULL, b STRING, c INT NOT NULL>");
    static const struct record_field fields[] = {
        {.column = 2,
         .offset = 0,
         .null_offset = RECORD_NEVER_NULL,
         .width = 4,
         .layout = LAYOUT_I32},
        {.column = 0,
         .offset = 8,
         .null_offset = RECORD_NEVER_NULL,
         .width = 8,
         .layout = LAYOUT_I64},
    };
    struct record_layout layout;
    struct keyed_rows rows;
    (void)state;
    record_layout_init_fields(&layout, value, 16, fields, 2);
    keyed_rows_init(&rows, key, &layout);
    STR_AUTO text = STR_INIT;
    schema_print(rows.value, &text);
    assert_string_equal(str_cstr(&text), "ROW<`a` BIGINT NOT NULL, `c` INT NOT NULL> NOT NULL");
    assert_int_equal(rows.row->n_fields, 3);
    assert_int_equal(record_layout_find(&rows.layout, 2)->offset, 0);
    keyed_rows_fini(&rows);
    record_layout_fini(&layout);
    schema_unref(key);
    schema_unref(value);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_sorted_by_group),
        cmocka_unit_test_setup_teardown(entries_become_rows_and_entries_again, pool_setup,
                                        pool_teardown),
        cmocka_unit_test(columns_that_a_struct_leaves_out_are_no_part_of_the_state),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
