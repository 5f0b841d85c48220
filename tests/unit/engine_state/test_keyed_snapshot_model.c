/* Snapshots of keyed state against a model.
 *
 * One to three backends share the key groups, as the subtasks of an operator do.  Random batches change
 * six states, some namespaces are dropped, and meanwhile checkpoints of all kinds are frozen, written in
 * slices, confirmed, given up; now and then everything is restored from the last complete one with another
 * parallelism and compared with a copy of the model that was made when it was frozen. */
#include "engine/data/codec.h"
#include "engine/state/keyed_snapshot.h"
#include "engine/state/paged/paged.h"
#include "flinc/base.h"
#include "tests/unit/engine_state/snapshot_fixture.h"
#include "tests/unit/seeds.h"

enum {
    STATES = 6,
    NESTED = 5, /* the state of nested values */
    NAMESPACES = 6,
    UNIVERSE = 3000,
    COMPARED = 300, /* keys at a time */
    SUBTASKS_MAX = 3,
    GROUPS = 128,
    STEPS = 1000000,
    ROCKSDB_STEPS = 60000, /* each piece goes to disk */
};

static const char *const key_texts[STATES] = {"ROW<k BIGINT>",
                                              "ROW<k STRING>",
                                              "ROW<a BIGINT NOT NULL, b STRING NOT NULL>",
                                              "ROW<a STRING, b STRING NOT NULL>",
                                              "ROW<a DOUBLE, b INT, c BIGINT NOT NULL>",
                                              "ROW<k BIGINT>"};
static const char *const state_names[STATES] = {"sums",    "names",   "pairs",
                                                "strings", "numbers", "nested"};
static const char *const value_texts[STATES] = {
    "ROW<n BIGINT NOT NULL>",
    "ROW<name STRING, n INT NOT NULL, name2 STRING>",
    "ROW<n BIGINT NOT NULL, m INT>",
    "ROW<n BIGINT NOT NULL>",
    "ROW<n BIGINT NOT NULL>",
    "ROW<items ARRAY<ROW<t STRING, m MAP<INT, DOUBLE>>>, n BIGINT NOT NULL>"};

/* What every key has; 0: it is not there. */
struct values {
    uint32_t at[STATES][NAMESPACES][UNIVERSE];
};

struct complete {
    bool is_canonical; /* any backend may restore it */
    const char *backend;
    Flinc__KeyedHandle handles[SUBTASKS_MAX];
    uint32_t n; /* 0: there is none */
    struct values values;
};

struct run {
    struct buffer_pool *pool;
    struct rng rng;
    uint64_t seed; /* of tables, too: the same run comes again */
    struct schema *keys[STATES];
    struct record_layout layouts[STATES];
    struct builder builders[STATES];
    struct builder nested; /* values of the state NESTED */
    struct str bytes;
    uint32_t groups[STATES][UNIVERSE];
    uint32_t n; /* subtasks */
    struct keyed_backend *backends[SUBTASKS_MAX];
    struct fixture_disk disks[SUBTASKS_MAX];
    struct keyed_state *states[SUBTASKS_MAX][STATES];
    struct values now;
    /* The checkpoint that is being written. */
    uint64_t checkpoint_id;
    bool is_frozen;
    Flinc__CheckpointKind kind;
    struct keyed_snapshot *snapshots[SUBTASKS_MAX]; /* NULL: written */
    Flinc__KeyedHandle handles[SUBTASKS_MAX];
    struct values frozen;
    struct complete last;
    uint64_t restores, increments, evicted, switches;
    const char *backend;
    uint64_t
        grows; /* batches that left a table in the middle of its growth while a snapshot is written */
    uint32_t ids[BATCH_ROWS_MAX];
    uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX];
};

static const uint32_t key_columns[] = {0, 1, 2};

/* ---- keys and values --------------------------------------------------------------------------- */

static void put_key(struct builder *b, uint32_t state, uint32_t id)
{
    char text[64];
    if ((state == 0 || state == NESTED) && id == 0) {
        builder_put_null(b, 0);
    } else if (state == 0 || state == NESTED) {
        builder_put_i64(b, 0, (int64_t)id * 1000003);
    } else if (state == 1) {
        snprintf(text, sizeof(text), id % 3 == 0 ? "a long key in the heap %u" : "%u", id);
        put_text(b, 0, id == 0 ? NULL : text);
    } else if (state == 4) {
        builder_put_f64(b, 0, id % 3 == 0 ? -0.0 : id * 0.5);
        builder_put_i64(b, 1, -(int64_t)id);
        builder_put_i64(b, 2, id);
        if (id % 3 == 1) {
            builder_put_null(b, id % 2);
        }
    } else {
        snprintf(text, sizeof(text), "%*u", (int)(id % 30 + 1), id);
        if (state == 2) {
            builder_put_i64(b, 0, id / 4);
        } else {
            put_text(b, 0, id % 5 == 0 ? NULL : "one of two");
        }
        put_text(b, 1, text);
    }
}

static struct batch *keys_of(struct run *r, uint32_t subtask, uint32_t state, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        put_key(&r->builders[state], state, r->ids[i]);
        builder_end_row(&r->builders[state]);
    }
    struct batch *b = builder_finish(&r->builders[state]);
    keyed_state_hash(r->states[subtask][state], b, key_columns);
    return b;
}

struct named {
    flinc_string name;
    flinc_string name2;
    int32_t n;
    bool name_is_null, name2_is_null;
};

static struct named named_of(uint32_t value, char *text, size_t size)
{
    int len = snprintf(text, size, "%*u", (int)(value % 50 + 1), value);
    return (struct named){.name = {text, (size_t)len},
                          .name_is_null = value % 7 == 0,
                          .name2 = {"fixed", 5},
                          .n = (int32_t)value};
}

struct nested {
    flinc_string items;
    int64_t n;
    bool items_is_null;
};

/* Up to 6 items, NULLs at every level. */
static struct nested nested_of(struct run *r, uint32_t value)
{
    struct builder *b = &r->nested;
    struct builder_column *item = builder_child_of(builder_column_of(b, 0), 0);
    char text[64];
    str_clear(&r->bytes);
    for (uint32_t i = 0; i < value % 7; i++) {
        struct builder_column *m = builder_child_of(item, 1);
        if ((value + i) % 11 == 0) {
            builder_add_null(b, item);
            continue;
        }
        int len = snprintf(text, sizeof(text), "%*u", (int)(value % 40 + 1), value + i);
        if ((value + i) % 5 == 0) {
            builder_add_null(b, builder_child_of(item, 0));
        } else {
            assert_ok(builder_add_bytes(b, builder_child_of(item, 0), text, (size_t)len, &err));
        }
        for (uint32_t k = 0; k < i; k++) {
            builder_add_i64(b, builder_child_of(m, 0), k);
            builder_add_f64(b, builder_child_of(m, 1), value * 0.5);
        }
        builder_add_nested(b, m);
        builder_add_nested(b, item);
    }
    builder_put_nested(b, 0);
    builder_put_i64(b, 1, value);
    builder_end_row(b);
    struct batch *row = builder_finish(b);
    value_encode(&row->columns[0], 0, &r->bytes);
    batch_unref(row);
    return (struct nested){
        .items = {r->bytes.data, r->bytes.len}, .n = value, .items_is_null = value % 13 == 0};
}

static void set_value(struct run *r, struct keyed_state *s, uint32_t state, uint32_t slot,
                      uint32_t value)
{
    char text[64];
    if (state == 1) {
        struct named v = named_of(value, text, sizeof(text));
        assert_ok(keyed_state_keep(s, slot, (const char *)&v, &err));
    } else if (state == NESTED) {
        struct nested v = nested_of(r, value);
        assert_ok(keyed_state_keep(s, slot, (const char *)&v, &err));
    } else {
        char *at = keyed_state_value(s, slot);
        int64_t n = value;
        memcpy(at, &n, sizeof(n));
        if (state == 2) {
            int32_t m = (int32_t)value * 2;
            memcpy(at + 8, &m, sizeof(m));
            at[12] = value % 5 == 0;
        }
    }
}

static uint32_t get_value(struct run *r, struct keyed_state *s, uint32_t state, uint32_t slot)
{
    const char *at = keyed_state_value(s, slot);
    char text[64];
    if (state == 1) {
        struct named v, expected;
        memcpy(&v, at, sizeof(v));
        expected = named_of((uint32_t)v.n, text, sizeof(text));
        assert_int_equal(v.name_is_null, expected.name_is_null);
        if (!v.name_is_null) {
            assert_int_equal(v.name.len, expected.name.len);
            assert_memory_equal(v.name.data, expected.name.data, v.name.len);
        }
        assert_int_equal(v.name2.len, 5);
        return (uint32_t)v.n;
    }
    if (state == NESTED) {
        struct nested v, expected;
        memcpy(&v, at, sizeof(v));
        expected = nested_of(r, (uint32_t)v.n);
        assert_int_equal(v.items_is_null, expected.items_is_null);
        if (!v.items_is_null) {
            assert_int_equal(v.items.len, expected.items.len);
            assert_memory_equal(v.items.data, expected.items.data, v.items.len);
        }
        return (uint32_t)v.n;
    }
    int64_t n;
    memcpy(&n, at, sizeof(n));
    if (state == 2) {
        int32_t m;
        memcpy(&m, at + 8, sizeof(m));
        assert_int_equal(at[12], n % 5 == 0);
        assert_true(at[12] || m == (int32_t)n * 2);
    }
    return (uint32_t)n;
}

/* ---- subtasks ---------------------------------------------------------------------------------- */

static const struct record_field named_fields[] = {
    {.column = 0,
     .offset = offsetof(struct named, name),
     .null_offset = offsetof(struct named, name_is_null),
     .width = 16,
     .layout = LAYOUT_VIEW},
    {.column = 1,
     .offset = offsetof(struct named, n),
     .null_offset = RECORD_NEVER_NULL,
     .width = 4,
     .layout = LAYOUT_I32},
    {.column = 2,
     .offset = offsetof(struct named, name2),
     .null_offset = offsetof(struct named, name2_is_null),
     .width = 16,
     .layout = LAYOUT_VIEW},
};

static void open_backend(struct run *r, uint32_t i)
{
    uint32_t first, last;
    key_group_range(i, GROUPS, r->n, &first, &last);
    assert_ok(keyed_backend_new(
        r->backend,
        &(struct keyed_backend_options){.operator_name = "Model",
                                        .pool = r->pool,
                                        .max_parallelism = GROUPS,
                                        .seed = r->seed,
                                        .tables_mapped_from = 1,
                                        .first_group = first,
                                        .last_group = last,
                                        .disk = fixture_disk_init(&r->disks[i], i)},
        &r->backends[i], &err));
}

static void open_states(struct run *r, uint32_t i)
{
    for (uint32_t k = 0; k < STATES; k++) {
        struct keyed_state_desc desc = {
            .name = state_names[k],
            .grows_in_pieces = k != 1,
            .key_schema = r->keys[k],
            .value_bytes = k == 0 ? 8 : 16,
            .record = k == 1 || k == NESTED ? &r->layouts[k] : NULL,
            .value_layout = k == 1 || k == NESTED ? NULL : &r->layouts[k],
            .n_key_columns = k == 2 ? 1 : 0,
        };
        assert_ok(keyed_backend_state(r->backends[i], &desc, &r->states[i][k], &err));
    }
}

/* The keys r->ids[0..n). */
static void compare_keys(struct run *r, uint32_t i, uint32_t k, uint32_t ns, uint32_t n,
                         const struct values *expected)
{
    struct keyed_state *s = r->states[i][k];
    if (n == 0) {
        return;
    }
    struct batch *b = keys_of(r, i, k, n);
    assert_ok(keyed_state_find(s, ns, b, key_columns, r->slots, &err));
    for (uint32_t m = 0; m < n; m++) {
        uint32_t value = expected->at[k][ns][r->ids[m]];
        if ((r->slots[m] == KEYED_SLOT_NONE) != (value == 0) ||
            (value != 0 && get_value(r, s, k, r->slots[m]) != value)) {
            fail_msg("state %u, namespace %u, key %u: expected %u, %s", k, ns, r->ids[m], value,
                     r->slots[m] == KEYED_SLOT_NONE ? "not there" : "another value");
        }
    }
    batch_unref(b);
}

static void compare(struct run *r, const struct values *expected)
{
    for (uint32_t i = 0; i < r->n; i++) {
        const struct keyed_backend_options *o = &r->backends[i]->options;
        for (uint32_t k = 0; k < STATES; k++) {
            for (uint32_t ns = 0; ns < NAMESPACES; ns++) {
                struct keyed_state *s = r->states[i][k];
                uint32_t n = 0, live = 0;
                for (uint32_t id = 0; id < UNIVERSE; id++) {
                    if (r->groups[k][id] >= o->first_group && r->groups[k][id] <= o->last_group) {
                        r->ids[n++] = id;
                        live += expected->at[k][ns][id] != 0;
                    }
                    if (n == COMPARED || id + 1 == UNIVERSE) {
                        compare_keys(r, i, k, ns, n, expected);
                        n = 0;
                    }
                }
                for (uint32_t at = 0; (at = keyed_state_next(s, ns, at)) != KEYED_SLOT_NONE; at++) {
                    live--;
                }
                /* What is not at hand is not found this way. */
                assert_true(live == 0 || s->paged != NULL);
            }
        }
    }
}

/* ---- checkpoints ------------------------------------------------------------------------------- */

static void give_up(struct run *r)
{
    for (uint32_t i = 0; i < r->n && r->is_frozen; i++) {
        if (r->snapshots[i] != NULL) {
            r->snapshots[i] = keyed_snapshot_free(r->snapshots[i]);
        } else {
            handle_fini(&r->handles[i]);
        }
    }
    r->is_frozen = false;
}

static void step_freeze(struct run *r)
{
    uint64_t pick = rng_below(&r->rng, 10);
    r->kind = pick < 7 ? INCREMENTAL : pick < 8 + (fixture_rocks == NULL) ? FULL : SAVEPOINT;
    r->checkpoint_id++;
    r->frozen = r->now;
    for (uint32_t i = 0; i < r->n; i++) {
        r->snapshots[i] =
            freeze(r->backends[i], r->checkpoint_id, r->kind, rng_below(&r->rng, 2) * 1000000);
    }
    r->is_frozen = true;
}

static void check_handle(struct run *r, const Flinc__KeyedHandle *h)
{
    for (size_t i = 0; i < h->n_segments; i++) {
        const Flinc__KeyedSegment *s = h->segments[i];
        assert_int_equal(s->is_base, i == 0);
        if (r->kind != INCREMENTAL) {
            assert_int_equal(s->checkpoint_id, r->checkpoint_id);
        } else if (s->blob->location[0] != '\0') {
            assert_true(s->blob->shared);
        }
        r->increments += i > 0;
    }
}

static void clear_last(struct run *r)
{
    for (uint32_t i = 0; i < r->last.n; i++) {
        handle_fini(&r->last.handles[i]);
    }
    r->last.n = 0;
}

static void step_write(struct run *r)
{
    bool all = true;
    for (uint32_t i = 0; i < r->n; i++) {
        if (r->snapshots[i] != NULL) {
            uint32_t slice = 1 + (uint32_t)rng_below(&r->rng, 2000);
            struct error err = ERROR_INIT;
            int rc = keyed_snapshot_step(r->snapshots[i], slice, &r->handles[i], &err);
            if (rc < 0) {
                fail_msg("%s", err.message);
            }
            if (rc == 0) {
                r->snapshots[i] = keyed_snapshot_free(r->snapshots[i]);
                check_handle(r, &r->handles[i]);
            }
            all = all && rc == 0;
        }
    }
    if (all && rng_below(&r->rng, 10) > 0) {
        clear_last(r);
        memcpy(r->last.handles, r->handles, sizeof(r->handles));
        r->last.n = r->n;
        r->last.is_canonical = r->kind == SAVEPOINT;
        r->last.backend = r->backend;
        r->last.values = r->frozen;
        r->is_frozen = false;
        for (uint32_t i = 0; i < r->n; i++) {
            keyed_backend_confirm(r->backends[i], r->checkpoint_id);
        }
    } else if (all) {
        give_up(r);
    }
}

static void step_restore(struct run *r)
{
    give_up(r);
    for (uint32_t i = 0; i < r->n; i++) {
        r->evicted += r->backends[i]->paged != NULL ? r->backends[i]->paged->n_evicted : 0;
        keyed_backend_free(r->backends[i]);
    }
    r->restores++;
    r->backend = r->last.backend;
    if (r->last.is_canonical && fixture_rocks != NULL) {
        r->backend = strcmp(r->backend, "hashmap") == 0 ? "rocksdb" : "hashmap";
        r->switches++;
    }
    if (rng_below(&r->rng, 2) == 0) {
        r->n = 1 + (uint32_t)rng_below(&r->rng, SUBTASKS_MAX);
    } else {
        r->n = r->last.n;
    }
    for (uint32_t i = 0; i < r->n; i++) {
        Flinc__KeyedHandle *handles[SUBTASKS_MAX];
        size_t n = 0;
        open_backend(r, i);
        for (uint32_t k = 0; k < r->last.n; k++) {
            const struct keyed_backend_options *o = &r->backends[i]->options;
            if (r->last.handles[k].last_group >= o->first_group &&
                r->last.handles[k].first_group <= o->last_group) {
                handles[n++] = &r->last.handles[k];
            }
        }
        assert_ok(restore(r->backends[i], handles, n, &err));
        open_states(r, i);
    }
    r->now = r->last.values;
    compare(r, &r->now);
}

/* ---- changes ----------------------------------------------------------------------------------- */

/* Random keys of one state, of those that a subtask has. */
static uint32_t pick_ids(struct run *r, uint32_t subtask, uint32_t state)
{
    const struct keyed_backend_options *o = &r->backends[subtask]->options;
    uint32_t universe = rng_below(&r->rng, 3) == 0 ? UNIVERSE : 200;
    uint32_t wanted = 1 + (uint32_t)rng_below(&r->rng, rng_below(&r->rng, 2) ? 400 : 100), n = 0;
    for (uint32_t i = 0; i < wanted; i++) {
        uint32_t id = (uint32_t)rng_below(&r->rng, universe);
        if (r->groups[state][id] >= o->first_group && r->groups[state][id] <= o->last_group) {
            r->ids[n++] = id;
        }
    }
    return n;
}

static uint32_t step_change(struct run *r)
{
    uint32_t i = (uint32_t)rng_below(&r->rng, r->n), k = (uint32_t)rng_below(&r->rng, STATES);
    uint32_t ns = (uint32_t)rng_below(&r->rng, NAMESPACES), n = pick_ids(r, i, k);
    uint64_t what = rng_below(&r->rng, 10);
    struct keyed_state *s = r->states[i][k];
    uint32_t *values = r->now.at[k][ns];
    if (n == 0) {
        return 1;
    }
    struct batch *b = keys_of(r, i, k, n);
    if (what < 6) {
        assert_ok(keyed_state_upsert(s, ns, b, key_columns, r->slots, r->is_new, &err));
    } else {
        assert_ok(keyed_state_find(s, ns, b, key_columns, r->slots, &err));
    }
    r->grows += r->is_frozen && s->table != NULL && s->table->moving.n_slots > 0;
    for (uint32_t m = 0; m < n; m++) {
        uint32_t *value = &values[r->ids[m]];
        if (what >= 6 && *value == 0) {
            continue;
        }
        if (what < 6) {
            *value = 1 + (uint32_t)rng_below(&r->rng, 1000000);
            set_value(r, s, k, r->slots[m], *value);
        } else if (what < 7) {
            assert_int_equal(get_value(r, s, k, r->slots[m]), *value);
        } else if (what < 8) {
            *value = 1 + (uint32_t)rng_below(&r->rng, 1000000);
            keyed_state_touch(s, r->slots[m]);
            set_value(r, s, k, r->slots[m], *value);
        } else {
            keyed_state_remove(s, r->slots[m]);
            *value = 0;
        }
    }
    batch_unref(b);
    return n;
}

static void step_drop(struct run *r)
{
    uint32_t k = (uint32_t)rng_below(&r->rng, STATES);
    uint32_t ns = (uint32_t)rng_below(&r->rng, NAMESPACES), i = (uint32_t)rng_below(&r->rng, r->n);
    const struct keyed_backend_options *o = &r->backends[i]->options;
    keyed_state_drop_namespace(r->states[i][k], ns);
    for (uint32_t id = 0; id < UNIVERSE; id++) {
        if (r->groups[k][id] >= o->first_group && r->groups[k][id] <= o->last_group) {
            r->now.at[k][ns][id] = 0;
        }
    }
}

/* ---- runs -------------------------------------------------------------------------------------- */

static void run_init(struct run *r, struct buffer_pool *pool, uint64_t seed)
{
    r->pool = pool;
    r->n = 1;
    r->backend = fixture_backend;
    rng_init(&r->rng, seed);
    r->seed = rng_next(&r->rng) | 1;
    for (uint32_t k = 0; k < STATES; k++) {
        struct schema *value = parse_schema(value_texts[k]);
        r->keys[k] = parse_schema(key_texts[k]);
        builder_init(&r->builders[k], pool, r->keys[k], BATCH_ROWS_MAX);
        if (k == 1) {
            record_layout_init_fields(&r->layouts[k], value, sizeof(struct named), named_fields, 3);
        } else {
            assert_ok(record_layout_init(&r->layouts[k], value, &err));
        }
        if (k == NESTED) {
            builder_init(&r->nested, pool, value, 1);
            assert_int_equal(r->layouts[k].size, sizeof(struct nested));
        }
        schema_unref(value);
    }
    open_backend(r, 0);
    open_states(r, 0);
    for (uint32_t k = 0; k < STATES; k++) {
        for (uint32_t id = 0; id < UNIVERSE; id++) {
            r->ids[id] = id;
        }
        struct batch *b = keys_of(r, 0, k, UNIVERSE);
        for (uint32_t id = 0; id < UNIVERSE; id++) {
            r->groups[k][id] =
                (uint32_t)((const uint64_t *)(const void *)b->hashes->data)[id] % GROUPS;
        }
        batch_unref(b);
    }
}

static void run_fini(struct run *r)
{
    give_up(r);
    clear_last(r);
    for (uint32_t i = 0; i < r->n; i++) {
        keyed_backend_free(r->backends[i]);
    }
    builder_fini(&r->nested);
    str_fini(&r->bytes);
    for (uint32_t k = 0; k < STATES; k++) {
        builder_fini(&r->builders[k]);
        record_layout_fini(&r->layouts[k]);
        schema_unref(r->keys[k]);
    }
}

static uint64_t evicted, switches; /* of all runs of the rocksdb backend */

static void run_seed(struct buffer_pool *pool, uint64_t seed, uint32_t n_steps)
{
    struct run *r = MEM_NEW(struct run);
    print_message("seed %llu\n", (unsigned long long)seed);
    run_init(r, pool, seed);
    for (uint32_t steps = 0; steps < n_steps;) {
        uint64_t what = rng_below(&r->rng, 1000);
        if (what < 5) {
            step_drop(r);
        } else if (what < 100 && !r->is_frozen) {
            step_freeze(r);
        } else if (what < 250 && r->is_frozen) {
            step_write(r);
        } else if (what < 252) {
            give_up(r);
        } else if (what < 256 && r->last.n > 0) {
            step_restore(r);
        } else {
            steps += step_change(r);
        }
    }
    compare(r, &r->now);
    print_message(
        "%llu checkpoints, %llu increments read or kept, %llu restores, %llu batches while "
        "tables grew\n",
        (unsigned long long)r->checkpoint_id, (unsigned long long)r->increments,
        (unsigned long long)r->restores, (unsigned long long)r->grows);
    assert_true(r->restores > 0 && r->increments > 0 && (r->grows > 0 || fixture_rocks != NULL));
    for (uint32_t i = 0; fixture_rocks != NULL && i < r->n; i++) {
        const struct paged_store *p = r->backends[i]->paged;
        if (p == NULL) {
            continue; /* the last savepoint was restored into the other one */
        }
        print_message("subtask %u: %llu misses, %llu found, %llu evicted\n", i,
                      (unsigned long long)p->n_misses, (unsigned long long)p->n_found,
                      (unsigned long long)p->n_evicted);
        r->evicted += p->n_evicted;
    }
    evicted += r->evicted;
    switches += r->switches;
    run_fini(r);
    mem_free(r);
}

static void snapshots_are_what_was_there_when_they_were_frozen(void **state)
{
    const struct seeds seeds = seeds_from(1, 3);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        run_seed(*state, seed, fixture_rocks != NULL ? ROCKSDB_STEPS : STEPS);
    }
    assert_true((evicted > 0 && switches > 0) || fixture_rocks == NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(snapshots_are_what_was_there_when_they_were_frozen),
        ROCKSDB_TEST(snapshots_are_what_was_there_when_they_were_frozen),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
