/* Timers that do not fit memory (backend rocksdb), one task's thread: set, and fired in order, per second of the clock and per
 * CPU second of that thread; what memory holds of them meanwhile.
 *
 *   bench_state_paged_timers [--timers N] [--cache-mb N] [--only TEXT]
 *
 * Files go to TMPDIR. */
#include "bench/options.h"
#include "bench/report.h"
#include "common/base/clock.h"
#include "common/fs/fs.h"
#include "common/loop/executor.h"
#include "engine/data/builder.h"
#include "engine/data/hash.h"
#include "engine/rocksdb/rocks_shared.h"
#include "engine/state/timers/timers.h"

#include <stdlib.h>

enum { ROWS = BATCH_ROWS_TARGET, SPREAD_MS = 10 * 60 * 1000 };

struct rig {
    char dir[256], db[300];
    struct rocks_shared *shared;
    struct executor *executor;
    struct keyed_disk disk;
    struct mem_budget budget;
    struct buffer_pool *pool;
    struct keyed_backend *backend;
    struct timer_service *timers;
    struct schema *key;
    struct builder builder;
    struct rng rng;
    uint64_t most_bytes;
};

static const uint32_t KEY_COLUMN = 0;

static void open_rig(struct rig *r, const char *kind, uint64_t cache_bytes)
{
    struct error err = ERROR_INIT;
    const char *tmp = getenv("TMPDIR");
    snprintf(r->dir, sizeof(r->dir), "%s/flinc-bench-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(r->dir) == NULL) {
        perror(r->dir);
        exit(1);
    }
    snprintf(r->db, sizeof(r->db), "%s/db", r->dir);
    bench_check(rocks_shared_new(&(struct rocks_shared_options){.cache_bytes = cache_bytes / 4},
                                 &r->shared, &err),
                &err);
    bench_check(executor_new(&(struct executor_options){.name = "disk", .n_threads = 1},
                             &r->executor, &err),
                &err);
    r->disk = (struct keyed_disk){.shared = r->shared,
                                  .directory = r->db,
                                  .executor = r->executor,
                                  .cache_bytes = cache_bytes};
    rng_init(&r->rng, 5);
    mem_budget_init(&r->budget, "state", UINT64_MAX / 2, NULL);
    r->most_bytes = 0;
    r->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    buffer_pool_adopt(r->pool);
    bench_check(schema_parse(slice_cstr("ROW<k BIGINT NOT NULL>"), &r->key, &err), &err);
    bench_check(keyed_backend_new(kind,
                                  &(struct keyed_backend_options){.operator_name = "bench",
                                                                  .pool = r->pool,
                                                                  .budget = &r->budget,
                                                                  .max_parallelism = 128,
                                                                  .last_group = 127,
                                                                  .disk = &r->disk},
                                  &r->backend, &err),
                &err);
    bench_check(
        timer_service_new(r->backend,
                          &(struct timer_service_options){.name = "bench", .key_schema = r->key},
                          &r->timers, &err),
        &err);
    builder_init(&r->builder, r->pool, r->key, ROWS);
}

static void close_rig(struct rig *r)
{
    struct error err = ERROR_INIT;
    builder_fini(&r->builder);
    timer_service_free(r->timers);
    keyed_backend_free(r->backend);
    schema_unref(r->key);
    executor_free(r->executor);
    rocks_shared_unref(r->shared);
    buffer_pool_close(r->pool);
    bench_check(fs_delete(r->dir, FS_DELETE_RECURSIVE, &err), &err);
}

static void note_bytes(struct rig *r)
{
    r->most_bytes = MAX(r->most_bytes, (uint64_t)atomic_load(&r->budget.used_bytes));
}

/* A timer each for `n` keys from `first` on. */
static void set(struct rig *r, uint64_t first, uint64_t n, int64_t now_ms, bool at_once)
{
    struct error err = ERROR_INIT;
    for (uint64_t key = first; key < first + n; key += ROWS) {
        for (uint64_t i = 0; i < ROWS; i++) {
            builder_put_i64(&r->builder, 0, (int64_t)(key + i));
            builder_end_row(&r->builder);
        }
        struct batch *b = builder_finish(&r->builder);
        batch_hash_keys(r->pool, b, &KEY_COLUMN, 1);
        bench_check(timer_service_begin(r->timers, b, &KEY_COLUMN, &err), &err);
        for (uint32_t row = 0; row < ROWS; row++) {
            int64_t at_ms = now_ms + 1 + (at_once ? 0 : (int64_t)rng_below(&r->rng, SPREAD_MS));
            bench_check(timer_service_add(r->timers, TIMER_EVENT, row, 0, at_ms, &err), &err);
        }
        bench_check(timer_service_settle(r->timers, &err), &err);
        batch_unref(b);
        note_bytes(r);
    }
}

static uint64_t fire(struct rig *r, int64_t until_ms)
{
    struct error err = ERROR_INIT;
    struct timer timer;
    uint64_t n = 0;
    int64_t last_ms = INT64_MIN;
    int rc;
    while ((rc = timer_service_fire(r->timers, TIMER_EVENT, until_ms, &timer, &err)) == 1) {
        if (timer.time_ms < last_ms) {
            fprintf(stderr, "bench_state_paged_timers: timers out of order\n");
            exit(1);
        }
        last_ms = timer.time_ms;
        if (++n % ROWS == 0) {
            note_bytes(r);
        }
    }
    bench_check(rc, &err);
    return n;
}

struct row {
    const char *name;
    bool at_once; /* all of one time */
    bool steady;  /* as many again are set while others fire */
};

static void measure(struct bench_report *report, const struct row *row, const char *kind,
                    uint64_t n_timers, uint64_t cache_bytes)
{
    enum { STEPS = 500 };
    static struct rig rig;
    char name[80];
    uint64_t n = n_timers / ROWS * ROWS, fired = 0, again = n / STEPS / ROWS * ROWS;
    open_rig(&rig, kind, cache_bytes);
    double wall = bench_wall_seconds(), cpu = bench_cpu_seconds();
    set(&rig, 0, n, 0, row->at_once);
    double filled = bench_wall_seconds();
    for (uint64_t i = 0; i < STEPS && row->steady; i++) {
        int64_t now_ms = (int64_t)i * SPREAD_MS / STEPS;
        fired += fire(&rig, now_ms);
        set(&rig, n + i * again, again, now_ms, false);
    }
    fired += fire(&rig, INT64_MAX - 1);
    double end = bench_wall_seconds();
    cpu = bench_cpu_seconds() - cpu;
    if (fired != n + (row->steady ? STEPS * again : 0)) {
        fprintf(stderr, "bench_state_paged_timers: %llu fired of %llu\n", (unsigned long long)fired,
                (unsigned long long)n);
        exit(1);
    }
    printf("%s, %s: set %.1f s, fired %.1f s; at most %llu MB in memory\n", row->name, kind,
           filled - wall, end - filled, (unsigned long long)(rig.most_bytes >> 20));
    snprintf(name, sizeof(name), "%s, %s", row->name, kind);
    bench_report_add(report, name, (double)fired / (end - wall) * 1e-6, "M timers/s", 0, 0,
                     BENCH_MORE_IS_BETTER);
    snprintf(name, sizeof(name), "%s, %s, per CPU second", row->name, kind);
    bench_report_add(report, name, (double)fired / cpu * 1e-6, "M timers/s", 0, 0,
                     BENCH_MORE_IS_BETTER);
    close_rig(&rig);
}

struct options {
    uint64_t timers, cache_bytes;
    const char *only;
};
static const struct options defaults = {.timers = 10000000, .cache_bytes = 64ull << 20};
#define OPTION(name, kind, member, help) BENCH_OPTION(name, kind, struct options, member, help)
static const struct bench_option option_table[] = {
    OPTION("timers", NUMBER, timers, "timers, each of a key of its own"),
    OPTION("cache-mb", MB, cache_bytes, "MB of timers at hand"),
    OPTION("only", TEXT, only, "rows whose names have this in them"),
};
#undef OPTION

static const struct bench_options program = {
    .program = "bench_state_paged_timers",
    .summary = "Timers that do not fit memory: set, and fired in order.",
    .table = option_table,
    .n = ARRAY_LEN(option_table),
    .defaults = &defaults,
};

int main(int argc, char **argv)
{
    static struct bench_report report;
    static const struct row rows[] = {
        {.name = "timers of 10 minutes"},
        {.name = "timers of 10 minutes, set on", .steady = true},
        {.name = "timers of one millisecond", .at_once = true},
    };
    struct options o = defaults;
    bench_options_parse(&program, &o, argc, argv);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (o.only != NULL && strstr(rows[i].name, o.only) == NULL) {
            continue;
        }
        measure(&report, &rows[i], "hashmap", o.timers, o.cache_bytes);
        measure(&report, &rows[i], "rocksdb", o.timers, o.cache_bytes);
    }
    bench_report_print(&report);
    return 0;
}
