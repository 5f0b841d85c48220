/* Records: layouts, tiles in and out, records kept in state. */
#include "engine/state/record.h"
#include "flinc/base.h"
#include "tests/unit/engine_state/fixture.h"

static const char *const all_types =
    "ROW<b BOOLEAN NOT NULL, t TINYINT, s STRING, i INT NOT NULL, l BIGINT, d DOUBLE, f FLOAT, "
    "y BYTES NOT NULL, m DECIMAL(30, 2), n TIMESTAMP(9), h SMALLINT>";

static void fill(struct builder *b, uint32_t rows)
{
    for (uint32_t i = 0; i < rows; i++) {
        char text[64];
        snprintf(text, sizeof(text), "%s%u", i % 2 ? "" : "more than twelve bytes ", i);
        builder_put_bool(b, 0, i % 3 == 0);
        builder_put_i64(b, 1, i % 100);
        put_text(b, 2, i % 5 == 0 ? NULL : text);
        builder_put_i64(b, 3, i);
        if (i % 7 == 0) {
            builder_put_null(b, 4);
        } else {
            builder_put_i64(b, 4, -(int64_t)i);
        }
        builder_put_f64(b, 5, i / 8.0);
        builder_put_f64(b, 6, i / 4.0);
        put_text(b, 7, text);
        builder_put_i128(b, 8, (__int128)i << 70);
        builder_put_ts_nano(b, 9, (struct ts_nano){.millis = i, .nanos = 5});
        if (i % 2 == 0) {
            builder_put_null(b, 10);
        } else {
            builder_put_i64(b, 10, (int64_t)i);
        }
        builder_end_row(b);
    }
}

/* All selected rows through tiles into the builder. */
static void copy_by_tiles(const struct record_layout *l, const struct batch *b, struct builder *out)
{
    char *tile = mem_alloc_aligned(16, (size_t)l->size * RECORD_TILE_ROWS);
    for (uint32_t from = 0; from < b->n_sel; from += RECORD_TILE_ROWS) {
        uint32_t n = MIN(b->n_sel - from, (uint32_t)RECORD_TILE_ROWS);
        assert_ok(record_read(l, b, from, n, tile, NULL, &err));
        for (uint32_t done = 0; done < n;) {
            builder_begin(out);
            uint32_t first = out->out.n, start = done;
            for (; done < n && out->out.n < out->out.cap; done++) {
                record_put_strings(l, tile + (size_t)done * l->size, out);
                out->out.n++;
            }
            record_put_fixed(l, tile + (size_t)start * l->size, done - start, out, first);
        }
    }
    mem_free(tile);
}

static void tiles_carry_every_type(void **state)
{
    struct schema *s = parse_schema(all_types);
    struct record_layout l;
    struct builder in, out;
    assert_ok(record_layout_init(&l, s, &err));
    builder_init(&in, *state, s, BATCH_ROWS_MAX);
    builder_init(&out, *state, s, BATCH_ROWS_MAX);
    fill(&in, 1000);
    struct batch *b = builder_finish(&in);
    copy_by_tiles(&l, b, &out);
    struct batch *copy = builder_finish(&out);
    assert_ok(batch_validate(copy, &err));
    assert_true(batch_equals(b, copy));
    batch_unref(copy);

    struct buffer *sel = buffer_get(*state, 300 * sizeof(uint16_t));
    for (uint16_t i = 0; i < 300; i++) {
        ((uint16_t *)(void *)sel->data)[i] = (uint16_t)(i * 3);
    }
    batch_set_selection(b, sel, 300);
    copy_by_tiles(&l, b, &out);
    copy = builder_finish(&out);
    assert_true(batch_equals(b, copy));
    batch_unref(copy);
    batch_unref(b);
    builder_fini(&in);
    builder_fini(&out);
    record_layout_fini(&l);
    schema_unref(s);
}

static void columns_of_type_null_are_refused(void **state)
{
    struct error fault = ERROR_INIT;
    struct record_layout l;
    struct schema *s = parse_schema("ROW<a INT, m NULL>");
    assert_int_equal(record_layout_init(&l, s, &fault), ERR_UNSUPPORTED);
    assert_non_null(strstr(fault.message, "'m'"));
    schema_unref(s);
}

static void a_null_needs_a_place(void **state)
{
    struct error fault = ERROR_INIT;
    struct record_layout l;
    struct builder in;
    char tile[16];
    struct schema *s = parse_schema("ROW<a INT>");
    record_layout_init_fields(
        &l, s, 8,
        &(struct record_field){
            .column = 0, .null_offset = RECORD_NEVER_NULL, .width = 4, .layout = LAYOUT_I32},
        1);
    builder_init(&in, *state, s, 0);
    builder_put_i64(&in, 0, 1);
    builder_end_row(&in);
    builder_put_null(&in, 0);
    builder_end_row(&in);
    struct batch *b = builder_finish(&in);
    assert_ok(record_read(&l, b, 0, 1, tile, NULL, &err));
    assert_int_equal(record_read(&l, b, 0, 2, tile, NULL, &fault), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(fault.message, "column 'a' holds a NULL"));
    batch_unref(b);
    builder_fini(&in);
    record_layout_fini(&l);
    schema_unref(s);
}

struct two {
    flinc_string x, y;
    int64_t n;
};

static const struct record_field two_fields[] = {
    {0, offsetof(struct two, x), RECORD_NEVER_NULL, sizeof(flinc_string), LAYOUT_VIEW},
    {1, offsetof(struct two, y), RECORD_NEVER_NULL, sizeof(flinc_string), LAYOUT_VIEW},
    {2, offsetof(struct two, n), RECORD_NEVER_NULL, sizeof(int64_t), LAYOUT_I64},
};

static void check_two(const struct two *r, const char *x, const char *y, int64_t n)
{
    assert_int_equal(r->x.len, strlen(x));
    assert_memory_equal(r->x.data, x, r->x.len);
    assert_int_equal(r->y.len, strlen(y));
    assert_memory_equal(r->y.data, y, r->y.len);
    assert_int_equal(r->n, n);
}

/* What a reduce may do with the strings that it was given. */
static void kept_records_own_their_strings(void **state)
{
    struct schema *s = parse_schema("ROW<x STRING NOT NULL, y STRING NOT NULL, n BIGINT NOT NULL>");
    struct record_layout l;
    struct state_heap heap;
    struct two kept = {.n = 0};
    char text[] = "some bytes";
    state_heap_init(&heap, NULL);
    record_layout_init_fields(&l, s, sizeof(struct two), two_fields, 3);
#define KEEP(...) \
    assert_ok(record_keep(&l, &heap, (char *)&kept, (const char *)&(struct two){__VA_ARGS__}, &err))
    KEEP(.x = {text, 10}, .y = {text, 4}, .n = 1);
    memset(text, '?', sizeof(text));
    check_two(&kept, "some bytes", "some", 1);
    /* Swapped. */
    KEEP(.x = kept.y, .y = kept.x, .n = 2);
    check_two(&kept, "some", "some bytes", 2);
    /* Kept as they are: nothing is copied. */
    const char *x = kept.x.data;
    KEEP(.x = kept.x, .y = kept.y, .n = 3);
    assert_ptr_equal(kept.x.data, x);
    /* Twice the same, and a part of itself. */
    KEEP(.x = kept.y, .y = {kept.y.data + 5, 5}, .n = 4);
    check_two(&kept, "some bytes", "bytes", 4);
    KEEP(.x = {NULL, 0}, .y = FLINC_STR(""), .n = 5);
    check_two(&kept, "", "", 5);
#undef KEEP
    assert_int_equal(heap.used_bytes, 0);
    state_heap_fini(&heap);
    record_layout_fini(&l);
    schema_unref(s);
}

static void a_full_budget_leaves_the_record_as_it_was(void **state)
{
    struct schema *s = parse_schema("ROW<x STRING NOT NULL, y STRING NOT NULL, n BIGINT NOT NULL>");
    struct record_layout l;
    struct state_heap heap;
    struct mem_budget budget;
    struct error fault = ERROR_INIT;
    static char large[100000];
    struct two kept = {.n = 0};
    mem_budget_init(&budget, "managed", 16 * 1024, NULL);
    state_heap_init(&heap, &budget);
    record_layout_init_fields(&l, s, sizeof(struct two), two_fields, 3);
    struct two first = {.x = FLINC_STR("first"), .y = FLINC_STR("one"), .n = 1};
    assert_ok(record_keep(&l, &heap, (char *)&kept, (const char *)&first, &err));
    uint64_t used = heap.used_bytes;
    struct two second = {.x = FLINC_STR("second"), .y = {large, sizeof(large)}, .n = 2};
    assert_int_equal(record_keep(&l, &heap, (char *)&kept, (const char *)&second, &fault),
                     ERR_LIMIT);
    assert_non_null(strstr(fault.message, "'managed'"));
    check_two(&kept, "first", "one", 1);
    assert_int_equal(heap.used_bytes, used);
    record_drop(&l, &heap, (char *)&kept);
    assert_int_equal(heap.used_bytes, 0);
    state_heap_fini(&heap);
    record_layout_fini(&l);
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tiles_carry_every_type, pool_setup, pool_teardown),
        cmocka_unit_test(columns_of_type_null_are_refused),
        cmocka_unit_test_setup_teardown(a_null_needs_a_place, pool_setup, pool_teardown),
        cmocka_unit_test(kept_records_own_their_strings),
        cmocka_unit_test(a_full_budget_leaves_the_record_as_it_was),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
