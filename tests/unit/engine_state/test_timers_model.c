/* Timers of several subtasks against a plain set: set, deleted, fired one by one and many at once, with
 * checkpoints of all kinds, restored by as many subtasks or others. */
#include "engine/state/paged/paged.h"
#include "engine/state/timers/timers.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

enum { KEYS = 64, SPACES = 2, TIMES = 2048, SUBTASKS_MAX = 3, GROUPS = 128, RUNS = 8 };

static const char *const key_texts[] = {"ROW<k BIGINT NOT NULL>", "ROW<k STRING>",
                                        "ROW<a STRING, b STRING NOT NULL>",
                                        "ROW<a INT, b DOUBLE NOT NULL>"};

struct timer_set {
    bool is_set[TIMES][KEYS][SPACES];
    uint32_t n;
};

struct run {
    struct buffer_pool *pool;
    struct rng rng;
    struct schema *schema;
    struct batch *batch; /* a row per key */
    uint32_t groups[KEYS];
    uint32_t n; /* subtasks */
    struct mem_budget budget;
    struct keyed_backend *backends[SUBTASKS_MAX];
    struct fixture_disk disks[SUBTASKS_MAX];
    uint32_t n_opened;
    struct timer_service *timers[SUBTASKS_MAX];
    const char *backend;
    bool is_canonical; /* the last checkpoint */
    uint64_t n_loaded;
    int64_t watermark_ms;
    struct timer_set now;
    /* The last checkpoint. */
    uint64_t checkpoint_id;
    struct timer_set kept;
    int64_t kept_watermark_ms;
    Flinc__KeyedHandle handles[SUBTASKS_MAX];
    uint32_t n_handles;
};
static struct run run;

static const uint32_t key_columns[] = {0, 1};

/* ---- keys ---------------------------------------------------------------------------------------- */

static void put_key(struct builder *b, int64_t key)
{
    char text[64];
    snprintf(text, sizeof(text), key % 2 == 0 ? "%lld" : "a key of more than twelve bytes %lld",
             (long long)key);
    for (uint32_t k = 0; k < b->schema->n_fields; k++) {
        switch (b->schema->fields[k].type->layout) {
        case LAYOUT_VIEW:
            put_text(b, k, key == 7 && k == 0 ? NULL : text);
            break;
        case LAYOUT_F64:
            builder_put_f64(b, k, key == 0 ? -0.0 : (double)key);
            break;
        default:
            builder_put_i64(b, k, key);
        }
    }
    if (b->schema->fields[0].type->layout == LAYOUT_I32 && key % 3 == 0) {
        builder_put_null(b, 0);
    }
}

/* The last column of the key has its number. */
static uint32_t key_of(const struct batch *b, uint32_t row)
{
    const struct column *c = &b->columns[run.schema->n_fields - 1];
    if (column_is_null(c, row)) {
        return 7;
    }
    if (c->type->layout == LAYOUT_I64) {
        return (uint32_t)COLUMN_VALUES(c, const int64_t)[row];
    }
    if (c->type->layout == LAYOUT_F64) {
        return (uint32_t)COLUMN_VALUES(c, const double)[row];
    }
    struct slice s = column_get_bytes(c, row);
    char text[64] = "";
    memcpy(text, s.data, MIN(s.len, sizeof(text) - 1));
    const char *last = strrchr(text, ' ');
    return (uint32_t)strtoul(last != NULL ? last : text, NULL, 10);
}

static uint32_t owner_of(uint32_t key)
{
    return key_group_subtask(run.groups[key], GROUPS, run.n);
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void open_subtasks(uint32_t n)
{
    run.n = n;
    for (uint32_t i = 0; i < n; i++) {
        uint32_t first, last;
        key_group_range(i, GROUPS, n, &first, &last);
        /* What a canonical savepoint has any backend takes. */
        const char *kind = fixture_rocks != NULL && run.n_handles > 0 && run.is_canonical &&
                                   rng_below(&run.rng, 2) == 0
                               ? "hashmap"
                               : run.backend;
        assert_ok(
            keyed_backend_new(kind,
                              &(struct keyed_backend_options){
                                  .operator_name = "Timers",
                                  .pool = run.pool,
                                  .budget = &run.budget,
                                  .max_parallelism = GROUPS,
                                  .first_group = first,
                                  .last_group = last,
                                  .disk = strcmp(kind, "rocksdb") == 0
                                              ? fixture_disk_init(&run.disks[i], run.n_opened++)
                                              : NULL},
                              &run.backends[i], &err));
        if (run.n_handles > 0) {
            Flinc__KeyedHandle *handles[SUBTASKS_MAX];
            for (uint32_t k = 0; k < run.n_handles; k++) {
                handles[k] = &run.handles[k];
            }
            assert_ok(restore(run.backends[i], handles, run.n_handles, &err));
        }
        assert_ok(timer_service_new(
            run.backends[i],
            &(struct timer_service_options){.name = "test", .key_schema = run.schema},
            &run.timers[i], &err));
    }
}

static void close_subtasks(void)
{
    for (uint32_t i = 0; i < run.n; i++) {
        const struct paged_store *paged = run.backends[i]->paged;
        run.n_loaded += paged != NULL ? paged->n_found : 0;
        timer_service_free(run.timers[i]);
        keyed_backend_free(run.backends[i]);
    }
    assert_int_equal(atomic_load(&run.budget.used_bytes), 0);
}

static void forget_handles(void)
{
    for (uint32_t i = 0; i < run.n_handles; i++) {
        handle_fini(&run.handles[i]);
    }
    run.n_handles = 0;
}

static void run_init(struct buffer_pool *pool, const char *key_text, uint64_t seed)
{
    memset(&run, 0, sizeof(run));
    run.pool = pool;
    run.backend = fixture_backend;
    rng_init(&run.rng, seed);
    run.schema = parse_schema(key_text);
    mem_budget_init(&run.budget, "state", 1 << 30, NULL);
    struct builder b;
    builder_init(&b, pool, run.schema, BATCH_ROWS_MAX);
    for (int64_t key = 0; key < KEYS; key++) {
        put_key(&b, key);
        builder_end_row(&b);
    }
    run.batch = builder_finish(&b);
    builder_fini(&b);
    batch_hash_keys(pool, run.batch, key_columns, run.schema->n_fields);
    for (uint32_t key = 0; key < KEYS; key++) {
        run.groups[key] =
            (uint32_t)((const uint64_t *)(const void *)run.batch->hashes->data)[key] % GROUPS;
    }
    open_subtasks(1);
}

/* ---- steps --------------------------------------------------------------------------------------- */

static void note(uint32_t key, int64_t ns, int64_t time_ms, bool is_set)
{
    bool *at = &run.now.is_set[time_ms][key][ns];
    run.now.n += is_set && !*at;
    run.now.n -= !is_set && *at;
    *at = is_set;
}

/* Sets or deletes a timer of a key whose row is at hand. */
static void change(uint32_t subtask, uint32_t row, uint32_t key)
{
    int64_t ns = (int64_t)rng_below(&run.rng, SPACES);
    int64_t ahead_ms = rng_below(&run.rng, 4) == 0 ? 1500 : 40;
    int64_t time_ms = run.watermark_ms - 10 + (int64_t)rng_below(&run.rng, (uint64_t)ahead_ms);
    time_ms = MIN(time_ms, (int64_t)TIMES - 1);
    time_ms = MAX(time_ms, INT64_C(0));
    bool is_set = rng_below(&run.rng, 3) > 0;
    if (is_set) {
        assert_ok(timer_service_add(run.timers[subtask], TIMER_EVENT, row, ns, time_ms, &err));
    } else {
        assert_ok(timer_service_delete(run.timers[subtask], TIMER_EVENT, row, ns, time_ms, &err));
    }
    note(key, ns, time_ms, is_set);
}

static void step_changes(void)
{
    uint64_t n = rng_below(&run.rng, 60);
    for (uint32_t i = 0; i < run.n; i++) {
        assert_ok(timer_service_begin(run.timers[i], run.batch, key_columns, &err));
    }
    while (n-- > 0) {
        uint32_t key = (uint32_t)rng_below(&run.rng, KEYS);
        change(owner_of(key), key, key);
    }
    for (uint32_t i = 0; i < run.n; i++) {
        assert_ok(timer_service_settle(run.timers[i], &err));
    }
}

static void check_fired(uint32_t subtask, const struct batch *b, uint32_t row, int64_t ns,
                        int64_t time_ms)
{
    uint32_t key = key_of(b, row);
    assert_int_equal(owner_of(key), subtask);
    assert_int_equal(((const uint64_t *)(const void *)b->hashes->data)[row],
                     ((const uint64_t *)(const void *)run.batch->hashes->data)[key]);
    assert_true(time_ms <= run.watermark_ms);
    assert_true(run.now.is_set[time_ms][key][ns]);
    note(key, ns, time_ms, false);
}

static bool fire(uint32_t subtask, struct timer *ret)
{
    struct error err = ERROR_INIT;
    int rc = timer_service_fire(run.timers[subtask], TIMER_EVENT, run.watermark_ms, ret, &err);
    if (rc < 0) {
        fail_msg("fire: %s", err.message);
    }
    return rc == 1;
}

static void fire_one_by_one(uint32_t subtask)
{
    struct timer t;
    while (fire(subtask, &t)) {
        check_fired(subtask, t.batch, t.row, t.name_space, t.time_ms);
        if (rng_below(&run.rng, 4) == 0) {
            change(subtask, t.row, key_of(t.batch, t.row));
        }
        if (rng_below(&run.rng, 10) == 0) {
            assert_ok(timer_service_settle(run.timers[subtask], &err));
        }
    }
}

static void fire_at_once(uint32_t subtask)
{
    for (;;) {
        struct timer_batch due;
        int64_t last_ms = INT64_MIN;
        assert_ok(
            timer_service_take(run.timers[subtask], TIMER_EVENT, run.watermark_ms, &due, &err));
        if (due.batch == NULL) {
            return;
        }
        for (uint32_t i = 0; i < due.n; i++) {
            uint32_t row = due.rows[i];
            assert_true(due.times_ms[row] >= last_ms);
            last_ms = due.times_ms[row];
            check_fired(subtask, due.batch, row, due.name_spaces[row], due.times_ms[row]);
        }
        batch_unref(due.batch);
    }
}

/* With a backend that pages some are not at hand. */
static void assert_count(uint64_t n)
{
    assert_true(fixture_rocks != NULL ? n <= run.now.n : n == run.now.n);
}

static void step_fire(void)
{
    uint64_t n = 0;
    run.watermark_ms += (int64_t)rng_below(&run.rng, 20);
    for (uint32_t i = 0; i < run.n; i++) {
        if (rng_below(&run.rng, 2) == 0) {
            fire_one_by_one(i);
        } else {
            fire_at_once(i);
        }
        n += timer_service_count(run.timers[i], TIMER_EVENT);
        assert_true(timer_service_next_time(run.timers[i], TIMER_EVENT) > run.watermark_ms);
    }
    assert_count(n);
}

static void step_checkpoint(void)
{
    uint64_t pick = rng_below(&run.rng, 10);
    Flinc__CheckpointKind kind = pick < 6 ? INCREMENTAL : pick < 7 ? FULL : SAVEPOINT;
    struct keyed_snapshot *snapshots[SUBTASKS_MAX];
    forget_handles();
    run.checkpoint_id++;
    run.is_canonical = kind == SAVEPOINT;
    run.kept = run.now;
    run.kept_watermark_ms = run.watermark_ms;
    for (uint32_t i = 0; i < run.n; i++) {
        snapshots[i] = freeze(run.backends[i], run.checkpoint_id, kind, 1000000);
    }
    step_changes(); /* what was frozen stays as it was */
    step_fire();
    for (uint32_t i = 0; i < run.n; i++) {
        finish_snapshot(snapshots[i], &run.handles[i]);
        keyed_backend_confirm(run.backends[i], run.checkpoint_id);
    }
    run.n_handles = run.n;
}

static void step_restore(void)
{
    if (run.n_handles == 0) {
        return;
    }
    close_subtasks();
    run.now = run.kept;
    run.watermark_ms = run.kept_watermark_ms;
    open_subtasks(1 + (uint32_t)rng_below(&run.rng, SUBTASKS_MAX));
    uint64_t n = 0;
    for (uint32_t i = 0; i < run.n; i++) {
        n += timer_service_count(run.timers[i], TIMER_EVENT);
    }
    assert_count(n);
}

static void the_model_agrees(void **state)
{
    uint64_t n_loaded = 0;
    const uint32_t n_runs = fixture_evicts_always ? RUNS / 2 : RUNS;
    for (uint32_t r = 0; r < n_runs; r++) {
        run_init(*state, key_texts[r % ARRAY_LEN(key_texts)], r + 1);
        /* Restores go back in time, so rounds are counted. */
        for (int round = 0; round < (int)fixture_steps(1000) && run.watermark_ms < TIMES - 100;
             round++) {
            uint64_t pick = rng_below(&run.rng, 40);
            if (pick == 0) {
                step_restore();
            } else if (pick < 4) {
                step_checkpoint();
            } else {
                step_changes();
                step_fire();
            }
        }
        run.watermark_ms = TIMES - 1;
        for (uint32_t i = 0; i < run.n; i++) {
            fire_at_once(i);
        }
        assert_int_equal(run.now.n, 0);
        close_subtasks();
        n_loaded += run.n_loaded;
        forget_handles();
        batch_unref(run.batch);
        schema_unref(run.schema);
    }
    assert_true(!fixture_evicts_always || n_loaded > n_runs);
}

/* ---- memory -------------------------------------------------------------------------------------- */

static int settle(struct error *err)
{
    return timer_service_settle(run.timers[0], err);
}

static void timers_over_the_budget(void **state)
{
    struct error failed = ERROR_INIT;
    run_init(*state, "ROW<k BIGINT NOT NULL>", 1);
    atomic_store(&run.budget.limit_bytes, 4 * 1024 * 1024);
    int rc = 0;
    int64_t n = 0;
    for (; n < 1000000 && rc == 0; n += KEYS) {
        assert_ok(timer_service_begin(run.timers[0], run.batch, key_columns, &err));
        for (uint32_t row = 0; row < KEYS; row++) {
            assert_ok(timer_service_add(run.timers[0], TIMER_EVENT, row, 0, n, &err));
        }
        rc = settle(&failed);
    }
    assert_int_equal(rc, ERR_LIMIT);
    assert_non_null(strstr(failed.message, "raise taskmanager.memory.managed.size"));
    /* Those that were set before are as they were. */
    assert_true(timer_service_count(run.timers[0], TIMER_EVENT) >= (uint64_t)n - 2 * KEYS);
    assert_true(mem_budget_is_full(&run.budget) ||
                atomic_load(&run.budget.used_bytes) > 1024 * 1024);
    close_subtasks();
    batch_unref(run.batch);
    schema_unref(run.schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(the_model_agrees),
        EVICTING_TEST(the_model_agrees),
        SNAPSHOT_TEST(timers_over_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
