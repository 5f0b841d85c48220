/* Growth in pieces: what is added, found, removed and counted while entries move. */
#include "engine/state/keyed_table.h"
#include "tests/unit/engine_state/fixture.h"

enum { ROWS = 500, KEYS = 200000 };

static const uint32_t first_columns[] = {0};

struct rig {
    struct schema *schema;
    struct builder builder;
    struct keyed_table table;
    struct mem_budget budget;
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

static void rig_init_sized(struct rig *r, struct buffer_pool *pool, uint64_t limit, bool in_pieces,
                           uint32_t value_bytes)
{
    memset(r, 0, sizeof(*r));
    r->schema = parse_schema("ROW<k BIGINT>");
    builder_init(&r->builder, pool, r->schema, BATCH_ROWS_MAX);
    r->budget = (struct mem_budget){.name = "state", .limit_bytes = limit};
    assert_ok(keyed_table_init(&r->table,
                               &(struct keyed_table_options){.key_schema = r->schema,
                                                             .value_bytes = value_bytes,
                                                             .budget = &r->budget,
                                                             .mapped_from = 16 * 1024,
                                                             .grows_in_pieces = in_pieces},
                               &err));
}

static void rig_init(struct rig *r, struct buffer_pool *pool, uint64_t limit, bool in_pieces)
{
    rig_init_sized(r, pool, limit, in_pieces, 8);
}

static void rig_fini(struct rig *r)
{
    keyed_table_fini(&r->table);
    assert_int_equal(atomic_load(&r->budget.used_bytes), 0);
    builder_fini(&r->builder);
    schema_unref(r->schema);
}

/* Keys [from, to), 0 is NULL; false: there is no memory. */
static bool upsert_keys(struct rig *r, int64_t from, int64_t to)
{
    struct error fault = ERROR_INIT;
    for (int64_t k = from; k < to; k++) {
        if (k == 0) {
            builder_put_null(&r->builder, 0);
        } else {
            builder_put_i64(&r->builder, 0, k);
        }
        builder_end_row(&r->builder);
    }
    struct batch *b = finish_hashed(&r->builder, 1);
    int rc = keyed_table_upsert(&r->table, b, first_columns, r->slots, r->is_new, &fault);
    batch_unref(b);
    assert_true(rc == 0 || rc == ERR_LIMIT);
    return rc == 0;
}

static bool upsert(struct rig *r, int64_t from)
{
    return upsert_keys(r, from, from + ROWS);
}

static void set(struct rig *r, int64_t from, int64_t n)
{
    for (int64_t i = 0; i < n; i++) {
        int64_t v = from + i;
        memcpy(keyed_table_value(&r->table, r->slots[i]), &v, sizeof(v));
    }
}

static void check(struct rig *r, int64_t end)
{
    for (int64_t from = 0; from < end; from += ROWS) {
        assert_true(upsert(r, from));
        for (int64_t i = 0; i < ROWS; i++) {
            int64_t v;
            assert_int_equal(r->is_new[i], 0);
            memcpy(&v, keyed_table_value(&r->table, r->slots[i]), sizeof(v));
            assert_int_equal(v, from + i);
        }
    }
}

static void tables_grow_while_keys_come(void **state)
{
    struct rig r;
    uint32_t growing = 0, slots = 0, doublings = 0;
    rig_init(&r, *state, UINT64_MAX, true);
    for (int64_t from = 0; from < KEYS; from += ROWS) {
        assert_true(upsert(&r, from));
        set(&r, from, ROWS);
        growing += r.table.moving.n_slots > 0;
        doublings += r.table.n_slots != slots;
        slots = r.table.n_slots;
        /* New slots and old ones are paid for as one array, and no more of them are kept than that. */
        assert_int_equal(keyed_table_bytes(&r.table), atomic_load(&r.budget.used_bytes));
    }
    assert_true(growing > 20 && doublings > 6);
    check(&r, KEYS);
    assert_int_equal(keyed_table_len(&r.table), KEYS);
    /* Without new keys it comes to its end, too. */
    check(&r, KEYS);
    assert_int_equal(r.table.moving.n_slots, 0);
    rig_fini(&r);
}

/* Grows once, with a piece that ends at the last old group: those before the first one of all wait still.  Pages
 * of entries are given back at the end of each piece, so they must be large.  False: no piece ended there. */
static bool grow_to_the_last_group(struct rig *r)
{
    enum { FULL = 65536 / 4 * 3, PIECE_ROWS = 1024 };
    const struct keyed_moving *m = &r->table.moving;
    int64_t end = 0;
    bool ended_there = false;
    for (; end < FULL + ROWS; end += ROWS) {
        assert_true(upsert(r, end));
        set(r, end, ROWS);
    }
    assert_int_equal(m->n_slots, 65536);
    while (m->n_slots > 0) {
        /* A piece is as many groups as keys came, and one. */
        uint32_t left = m->n_slots / 8 - m->first_group - m->n_moved;
        if (left > 800 && left <= 1000) {
            assert_true(upsert_keys(r, end, end + left - 1));
            set(r, end, left - 1);
            end += left - 1;
        }
        assert_true(upsert_keys(r, 1, 1 + PIECE_ROWS));
        ended_there |= m->first_group > 0 && m->first_group + m->n_moved == m->n_slots / 8;
    }
    check(r, end / ROWS * ROWS);
    assert_int_equal(keyed_table_len(&r->table), end);
    return ended_there;
}

static void a_piece_may_end_at_the_last_group(void **state)
{
    struct rig r;
    bool ended_there = false;
    for (uint32_t i = 0; i < 64 && !ended_there; i++) {
        rig_init_sized(&r, *state, UINT64_MAX, true, 24);
        ended_there = grow_to_the_last_group(&r);
        rig_fini(&r);
    }
    assert_true(ended_there);
}

static void a_table_without_memory_is_as_usable_as_before(void **state)
{
    struct rig r;
    int64_t end = 0;
    rig_init(&r, *state, 1024 * 1024, true);
    for (; upsert(&r, end); end += ROWS) {
        set(&r, end, ROWS);
    }
    assert_int_equal(r.table.moving.n_slots, 0);
    assert_true(end > 20000);
    check(&r, end);
    rig_fini(&r);
}

static void who_keeps_slots_has_them_renumbered_at_once(void **state)
{
    struct rig r;
    uint32_t numbering = 0, times = 0;
    rig_init(&r, *state, UINT64_MAX, false);
    for (int64_t from = 0; from < KEYS; from += ROWS) {
        assert_true(upsert(&r, from));
        set(&r, from, ROWS);
        assert_int_equal(r.table.moving.n_slots, 0);
        times += r.table.numbering != numbering;
        numbering = r.table.numbering;
    }
    assert_true(times > 6);
    check(&r, KEYS);
    assert_int_equal(keyed_table_len(&r.table), KEYS);
    rig_fini(&r);
}

/* Keys of one hash are one chain, longer than growth in pieces allows for. */
static void a_chain_may_be_of_any_length(void **state)
{
    enum { COLLIDING = 17500 };
    struct keyed_table t;
    struct builder builder;
    struct schema *schema = parse_schema("ROW<k STRING NOT NULL>");
    uint32_t *slots = MEM_NEW_ARRAY(uint32_t, ROWS);
    uint8_t *is_new = MEM_NEW_ARRAY(uint8_t, ROWS);
    builder_init(&builder, *state, schema, BATCH_ROWS_MAX);
    assert_ok(keyed_table_init(&t,
                               &(struct keyed_table_options){.key_schema = schema,
                                                             .value_bytes = 8,
                                                             .mapped_from = 16 * 1024,
                                                             .grows_in_pieces = true},
                               &err));
    for (uint32_t from = 0; from < COLLIDING; from += ROWS) {
        for (uint32_t i = 0; i < ROWS; i++) {
            char text[16];
            snprintf(text, sizeof(text), "%u", from + i);
            put_text(&builder, 0, text);
            builder_end_row(&builder);
        }
        struct batch *b = finish_hashed(&builder, 1);
        for (uint32_t i = 0; i < ROWS; i++) {
            ((uint64_t *)(void *)b->hashes->data)[i] = 77;
        }
        assert_ok(keyed_table_upsert(&t, b, first_columns, slots, is_new, &err));
        batch_unref(b);
        assert_int_equal(keyed_table_len(&t), from + ROWS);
    }
    uint32_t n = 0;
    for (uint32_t s = 0; (s = keyed_table_next(&t, s)) != KEYED_SLOT_NONE; s++) {
        n++;
    }
    assert_int_equal(n, COLLIDING);
    assert_int_equal(t.moving.n_slots, 0);
    keyed_table_fini(&t);
    builder_fini(&builder);
    schema_unref(schema);
    mem_free(slots);
    mem_free(is_new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(tables_grow_while_keys_come, pool_setup, pool_teardown),
        cmocka_unit_test_setup_teardown(a_piece_may_end_at_the_last_group, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(a_table_without_memory_is_as_usable_as_before, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(who_keeps_slots_has_them_renumbered_at_once, pool_setup,
                                        pool_teardown),
        cmocka_unit_test_setup_teardown(a_chain_may_be_of_any_length, pool_setup, pool_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
