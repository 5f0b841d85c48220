/* Batches: sharing, projections, selections, compaction, byte counts, validation of every kind of
 * damage. */
#include "tests/unit/engine_data/random_rows.h"
#include "tests/unit/engine_data/support.h"

/* Rows of (number, text of `len` bytes). */
static struct batch *texts(struct buffer_pool *pool, uint32_t n, size_t len)
{
    struct schema *s = schema_of("ROW<n BIGINT, t STRING>");
    struct builder b;
    builder_init(&b, pool, s, 0);
    char text[4096];
    for (uint32_t i = 0; i < n; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof(text));
        builder_put_i64(&b, 0, i);
        assert_int_equal(builder_put_bytes(&b, 1, text, len, NULL), 0);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    schema_unref(s);
    return batch;
}

static void select_rows(struct buffer_pool *pool, struct batch *b, const uint16_t *rows, uint32_t n)
{
    struct buffer *sel = buffer_get(pool, n * sizeof(uint16_t) + 1);
    memcpy(sel->data, rows, n * sizeof(uint16_t));
    sel->size = n * sizeof(uint16_t);
    batch_set_selection(b, sel, n);
}

static void a_second_holder_makes_it_read_only(void **state)
{
    struct batch *a = texts(*state, 10, 40);
    assert_true(batch_is_unique(a));
    assert_ptr_equal(batch_make_unique(*state, a), a);
    struct batch *second = batch_ref(a);
    struct batch *own = batch_make_unique(*state, second);
    assert_ptr_not_equal(own, a);
    assert_true(batch_is_unique(a));
    assert_ptr_equal(own->columns[1].data[0], a->columns[1].data[0]);
    select_rows(*state, own, (const uint16_t[]){1, 5}, 2);
    assert_int_equal(a->n_sel, 10);
    assert_int_equal(own->n_sel, 2);
    check_row(own, batch_row(own, 1), "+I[5, ffffffffffffffffffffffffffffffffffffffff]");
    batch_unref(a);
    check_valid(own);
    batch_unref(own);
    assert_null(batch_unref(NULL));
}

static void projections_share_columns(void **state)
{
    struct batch *a = texts(*state, 3, 20);
    struct schema *s = schema_of("ROW<x STRING, y INT, z BIGINT, x2 STRING>");
    struct batch *p = batch_project(*state, a, s, (const int32_t[]){1, -1, 0, 1});
    column_fill_nulls(*state, &p->columns[1], 3);
    check_valid(p);
    check_row(p, 2, "+I[cccccccccccccccccccc, null, 2, cccccccccccccccccccc]");
    assert_ptr_equal(p->columns[0].values, p->columns[3].values);
    batch_unref(a);
    check_row(p, 0, "+I[aaaaaaaaaaaaaaaaaaaa, null, 0, aaaaaaaaaaaaaaaaaaaa]");
    batch_unref(p);
    schema_unref(s);
}

static void slices_are_selections_of_selections(void **state)
{
    struct batch *a = texts(*state, 100, 5);
    struct batch *all = batch_slice(*state, a, 0, 100);
    assert_true(batch_equals(a, all));
    struct batch *some = batch_slice(*state, a, 10, 20);
    struct batch *less = batch_slice(*state, some, 3, 5);
    assert_int_equal(less->n_sel, 2);
    assert_int_equal(batch_row(less, 0), 13);
    check_valid(less);
    struct batch *none = batch_slice(*state, less, 1, 1);
    assert_int_equal(none->n_sel, 0);
    check_valid(none);
    none = batch_materialize(*state, none);
    assert_int_equal(none->n_rows, 0);
    check_valid(none);
    struct batch *plain = batch_materialize(*state, batch_ref(less));
    assert_true(batch_equals(less, plain));
    assert_false(batch_equals(less, some));
    batch_unref(all);
    batch_unref(some);
    batch_unref(less);
    batch_unref(none);
    batch_unref(plain);
    batch_unref(a);
}

static void strings_are_compacted_below_half(void **state)
{
    struct batch *a = texts(*state, 100, 50);
    assert_false(batch_wastes_strings(a));
    struct batch *half = batch_slice(*state, a, 0, 50);
    assert_false(batch_wastes_strings(half));
    struct batch *less = batch_slice(*state, a, 0, 49);
    assert_true(batch_wastes_strings(less));

    struct batch *kept = batch_materialize(*state, batch_ref(half));
    assert_ptr_equal(kept->columns[1].data[0], a->columns[1].data[0]);
    struct batch *copied = batch_materialize(*state, batch_ref(less));
    assert_ptr_not_equal(copied->columns[1].data[0], a->columns[1].data[0]);
    assert_int_equal(copied->columns[1].data[0]->size, 49 * 50);
    check_valid(copied);
    assert_true(batch_equals(less, copied));

    /* In place, with the selection kept. */
    struct batch *unique = batch_make_unique(*state, batch_ref(less));
    batch_compact_strings(*state, unique);
    assert_non_null(unique->sel);
    check_valid(unique);
    assert_true(batch_equals(less, unique));
    assert_false(batch_wastes_strings(unique));

    batch_unref(a);
    batch_unref(half);
    batch_unref(less);
    batch_unref(kept);
    batch_unref(copied);
    batch_unref(unique);
}

static void many_data_buffers_are_kept_and_compacted(void **state)
{
    struct buffer_pool *pool = *state;
    struct schema *s = schema_of("ROW<t STRING>");
    struct batch *b = batch_new(pool, s);
    struct buffer *values = buffer_get(pool, 64 * sizeof(struct view));
    for (int32_t i = 0; i < 64; i++) {
        struct buffer *data = buffer_get(pool, 100);
        memset(data->data, 'A' + i % 26, 100);
        data->size = 100;
        column_add_data(pool, &b->columns[0], data);
        struct view v = {.len = 20 + i};
        memcpy(v.prefix, data->data, 4);
        v.buffer = i;
        v.offset = i % 10;
        ((struct view *)(void *)values->data)[i] = v;
    }
    values->size = 64 * sizeof(struct view);
    column_set_values(&b->columns[0], values);
    b->n_rows = b->n_sel = 64;
    check_valid(b);
    assert_int_equal(b->columns[0].n_data, 64);
    struct batch *shared = batch_make_unique(pool, batch_ref(b));
    assert_int_equal(shared->columns[0].n_data, 64);
    assert_true(batch_equals(b, shared));

    struct builder copy;
    builder_init(&copy, pool, s, 0);
    builder_append_range(&copy, b, 0, 64);
    struct batch *appended = builder_finish(&copy);
    assert_true(batch_equals(b, appended));
    select_rows(pool, shared, (const uint16_t[]){0, 63}, 2);
    struct batch *compact = batch_materialize(pool, batch_ref(shared));
    assert_int_equal(compact->columns[0].n_data, 1);
    assert_true(batch_equals(compact, shared));
    batch_unref(compact);
    batch_unref(appended);
    builder_fini(&copy);
    batch_unref(shared);
    batch_unref(b);
    schema_unref(s);
}

static void bytes_count_the_selected_rows(void **state)
{
    struct batch *a = texts(*state, 10, 30);
    assert_int_equal(batch_bytes(a), 10 * (8 + 4 + 30));
    struct batch *s = batch_slice(*state, a, 2, 5);
    assert_int_equal(batch_bytes(s), 3 * (8 + 4 + 30));
    assert_true(batch_pinned_bytes(s) >= 10 * (8 + 16 + 30));
    batch_unref(s);
    batch_unref(a);
}

static void equality_sees_kinds_timestamps_and_values(void **state)
{
    struct schema *s = schema_of("ROW<n INT>");
    struct builder b;
    builder_init(&b, *state, s, 0);
    struct batch *made[6];
    for (int i = 0; i < 6; i++) {
        builder_put_i64(&b, 0, i == 1 ? 8 : 7);
        if (i == 2) {
            builder_put_null(&b, 0);
        }
        if (i == 3) {
            builder_set_kind(&b, ROW_KIND_DELETE);
        }
        if (i == 4) {
            builder_set_timestamp(&b, 5);
        }
        builder_end_row(&b);
        made[i] = builder_finish(&b);
    }
    for (int i = 0; i < 6; i++) {
        assert_int_equal(batch_equals(made[0], made[i]), i == 0 || i == 5);
    }
    check_row(made[3], 0, "-D[7]");
    for (int i = 0; i < 6; i++) {
        batch_unref(made[i]);
    }
    builder_fini(&b);
    schema_unref(s);
}

/* ---- damage ------------------------------------------------------------------------------------ */

static struct batch *make_victim(struct buffer_pool *pool, const struct schema *s)
{
    struct builder b;
    builder_init(&b, pool, s, 0);
    for (int i = 0; i < 20; i++) {
        builder_put_i64(&b, 0, i);
        assert_int_equal(builder_put_bytes(&b, 1, "twenty bytes of text", i % 2 ? 20 : 5, NULL), 0);
        builder_put_ts_nano(&b, 2, (struct ts_nano){i, i, 0});
        for (int k = 0; k < i % 4; k++) {
            builder_add_i64(&b, builder_child_of(builder_column_of(&b, 3), 0), k);
        }
        builder_put_nested(&b, 3);
        builder_put_null(&b, 4);
        builder_put_null(&b, 5);
        builder_set_kind(&b, i % 2 ? ROW_KIND_DELETE : ROW_KIND_INSERT);
        builder_set_timestamp(&b, i);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    select_rows(pool, batch, (const uint16_t[]){0, 3, 19}, 3);
    return batch;
}

static struct view *view_at(struct batch *b, uint32_t row)
{
    return COLUMN_VALUES(&b->columns[1], struct view) + row;
}

static void damage_rows(struct batch *b)
{
    b->n_rows = BATCH_ROWS_MAX + 1;
}
static void damage_columns(struct batch *b)
{
    b->n_columns--;
}
static void damage_sel_order(struct batch *b)
{
    ((uint16_t *)(void *)b->sel->data)[1] = 0;
}
static void damage_sel_range(struct batch *b)
{
    ((uint16_t *)(void *)b->sel->data)[2] = 20;
}
static void damage_sel_size(struct batch *b)
{
    b->sel->size = 5;
}
static void damage_kind(struct batch *b)
{
    b->row_kinds->data[7] = 4;
}
static void damage_timestamps(struct batch *b)
{
    b->timestamps->size = 159;
}
static void damage_values_size(struct batch *b)
{
    b->columns[0].values->size = 159;
}
static void damage_capacity(struct batch *b)
{
    b->columns[0].values->size = b->columns[0].values->capacity + 1;
}
static void damage_validity_size(struct batch *b)
{
    b->columns[4].validity->size = 2;
}
static void damage_null(struct batch *b)
{
    b->columns[5].validity->data[0] |= 1;
}
static void damage_length(struct batch *b)
{
    view_at(b, 3)->len = -1;
}
static void damage_reach(struct batch *b)
{
    view_at(b, 3)->len = 100000;
}
static void damage_offset(struct batch *b)
{
    view_at(b, 3)->offset = -1;
}
static void damage_buffer(struct batch *b)
{
    view_at(b, 3)->buffer = 1;
}
static void damage_buffer_sign(struct batch *b)
{
    view_at(b, 3)->buffer = -1;
}
static void damage_prefix(struct batch *b)
{
    view_at(b, 3)->prefix[0] = 'T';
}
static void damage_padding(struct batch *b)
{
    view_at(b, 2)->inlined[11] = 1;
}
static void damage_nanos(struct batch *b)
{
    COLUMN_VALUES(&b->columns[2], struct ts_nano)[4].nanos = 1000000;
}
static void damage_offsets_order(struct batch *b)
{
    COLUMN_VALUES(&b->columns[3], int32_t)[4] = 0;
}
static void damage_offsets_end(struct batch *b)
{
    COLUMN_VALUES(&b->columns[3], int32_t)[20] = 1000;
}
static void damage_offsets_start(struct batch *b)
{
    COLUMN_VALUES(&b->columns[3], int32_t)[0] = -1;
}
static void damage_child(struct batch *b)
{
    b->columns[3].children[0].values->size = 3;
}
static void damage_header(struct batch *b)
{
    b->columns[3].n_children = 0;
}

static void every_damage_is_refused(void **state)
{
    static const struct {
        void (*damage)(struct batch *b);
        const char *says;
    } CASES[] = {
        {damage_rows, "at most 4096"},
        {damage_columns, "a batch of 5 columns"},
        {damage_sel_order, "not increasing"},
        {damage_sel_range, "beyond the batch"},
        {damage_sel_size, "'(selection)': the rows buffer has 5 bytes, not 6"},
        {damage_kind, "not a row kind"},
        {damage_timestamps, "'(timestamps)'"},
        {damage_values_size, "column 'n': the values buffer has 159 bytes, not 160"},
        {damage_capacity, "column 'n': the values buffer"},
        {damage_validity_size, "column 'u': the validity buffer has 2 bytes, not 3"},
        {damage_null, "is not NULL"},
        {damage_length, "negative length"},
        {damage_reach, "beyond its data buffer"},
        {damage_offset, "beyond its data buffer"},
        {damage_buffer, "does not exist"},
        {damage_buffer_sign, "does not exist"},
        {damage_prefix, "prefix"},
        {damage_padding, "not zero"},
        {damage_nanos, "nanoseconds"},
        {damage_offsets_order, "offsets decrease"},
        {damage_offsets_end, "beyond the elements"},
        {damage_offsets_start, "negative"},
        {damage_child, "column 'l': the values buffer has 3 bytes"},
        {damage_header, "header"},
    };
    struct schema *s =
        schema_of("ROW<n BIGINT, t STRING, p TIMESTAMP(9), l ARRAY<INT>, u INT, z NULL>");
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        struct error err = ERROR_INIT;
        struct batch *b = make_victim(*state, s);
        check_valid(b);
        struct batch copy_of_header = *b;
        struct column lists = b->columns[3];
        CASES[i].damage(b);
        check_error(batch_validate(b, &err), ERR_CORRUPT, &err, CASES[i].says);
        b->n_rows = copy_of_header.n_rows;
        b->n_columns = copy_of_header.n_columns;
        b->columns[3].n_children = lists.n_children;
        batch_unref(b);
    }
    /* A missing selection, and columns of other types. */
    struct error err = ERROR_INIT;
    struct batch *b = make_victim(*state, s);
    buffer_unref(b->sel);
    b->sel = NULL;
    check_error(batch_validate(b, &err), ERR_CORRUPT, &err, "rows are missing");
    b->n_sel = b->n_rows;
    column_set_values(&b->columns[0], NULL);
    check_error(batch_validate(b, &err), ERR_CORRUPT, &err, "there is no values buffer");
    b->columns[0].type = s->fields[1].type;
    check_error(batch_validate(b, &err), ERR_CORRUPT, &err, "not the schema's");
    batch_unref(b);
    schema_unref(s);
}

static void nulls_of_any_type_are_valid(void **state)
{
    struct rng r;
    rng_init(&r, 11);
    for (int i = 0; i < 100; i++) {
        struct schema *s = random_schema(&r, 6, 3);
        struct batch *b = batch_new(*state, s);
        uint32_t n = (uint32_t)rng_below(&r, 50);
        for (uint32_t c = 0; c < b->n_columns; c++) {
            column_fill_nulls(*state, &b->columns[c], n);
        }
        b->n_rows = b->n_sel = n;
        check_valid(b);
        for (uint32_t row = 0; row < n; row++) {
            assert_true(column_is_null(&b->columns[0], row));
        }
        batch_unref(b);
        schema_unref(s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(a_second_holder_makes_it_read_only),
        POOL_TEST(projections_share_columns),
        POOL_TEST(slices_are_selections_of_selections),
        POOL_TEST(strings_are_compacted_below_half),
        POOL_TEST(many_data_buffers_are_kept_and_compacted),
        POOL_TEST(bytes_count_the_selected_rows),
        POOL_TEST(equality_sees_kinds_timestamps_and_values),
        POOL_TEST(every_damage_is_refused),
        POOL_TEST(nulls_of_any_type_are_valid),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
