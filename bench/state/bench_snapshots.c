/* Keyed state while snapshots of it are written, per CPU second of the task's thread: counts of uniform
 * int64 keys with the generator of the keys included, pauses and bytes of increments of 1 GB of state of
 * which 5 % change per checkpoint, and restoring.  Pauses are CPU time, too.  Files go to TMPDIR, written by
 * another thread.
 *
 *   bench_state_snapshots [--only counts|restore|increments]
 *
 * One state serves all figures of a part: it is filled once, and 1 GB is restored from its first checkpoint
 * before its increments are measured. */
#include "bench/report.h"
#include "common/fs/fs.h"
#include "engine/data/hash.h"
#include "engine/snapshot/output.h"
#include "engine/state/state.h"

#include <math.h>
#include <stdlib.h>
#include <unistd.h>

enum {
    ROWS = BATCH_ROWS_TARGET,
    SLICE = 2048,                /* entries of a step, after each batch of ROWS */
    BIG_COLUMNS = 4,             /* int64 in a value of the large state */
    BIG_KEYS = 25 * 1000 * 1000, /* of 8 + 32 bytes: 1 GB */
    BIG_CHANGES = BIG_KEYS / 20,
    BIG_CHECKPOINTS = 24, /* until a new base was written */
    PAUSES_MAX = 1 << 20,
};

struct rig {
    char dir[256];
    struct executor *executor;
    struct buffer_pool *pool;
    struct keyed_backend *backend;
    struct keyed_state *state;
    struct schema *key, *value;
    struct record_layout layout;
    uint64_t checkpoint_id;
    struct keyed_snapshot *snapshot;
    Flinc__KeyedHandle handle; /* of the last checkpoint */
    bool has_handle;
    uint64_t written; /* bytes of new segments */
    double *pauses;   /* ms of the steps since reset */
    uint32_t n_pauses;
    uint64_t rng;
    uint64_t n_done; /* checkpoints */
    uint32_t slots[ROWS];
    uint8_t is_new[ROWS];
};

static const uint32_t KEY_COLUMN = 0;

static struct schema *schema_of(const char *text)
{
    struct error err = ERROR_INIT;
    struct schema *s = NULL;
    bench_check(schema_parse(slice_cstr(text), &s, &err), &err);
    return s;
}

/* ---- backends ---------------------------------------------------------------------------------- */

static void open_state(struct rig *r)
{
    struct error err = ERROR_INIT;
    struct keyed_state_desc desc = {.name = "counts",
                                    .key_schema = r->key,
                                    .value_bytes = r->layout.size,
                                    .value_layout = &r->layout,
                                    .grows_in_pieces = true};
    bench_check(keyed_backend_state(r->backend, &desc, &r->state, &err), &err);
}

static void new_backend(struct rig *r)
{
    struct error err = ERROR_INIT;
    bench_check(keyed_backend_new("hashmap",
                                  &(struct keyed_backend_options){.operator_name = "bench",
                                                                  .pool = r->pool,
                                                                  .max_parallelism = 128,
                                                                  .last_group = 127},
                                  &r->backend, &err),
                &err);
}

static struct rig *rig_new(const char *value)
{
    struct error err = ERROR_INIT;
    struct rig *r = MEM_NEW(struct rig);
    const char *tmp = getenv("TMPDIR");
    snprintf(r->dir, sizeof(r->dir), "%s/flinc-bench-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(r->dir) == NULL) {
        fprintf(stderr, "bench_state: no folder in %s\n", r->dir);
        exit(1);
    }
    r->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    buffer_pool_adopt(r->pool);
    bench_check(executor_new(&(struct executor_options){.name = "bench", .n_threads = 1},
                             &r->executor, &err),
                &err);
    r->key = schema_of("ROW<k BIGINT NOT NULL>");
    r->value = schema_of(value);
    bench_check(record_layout_init(&r->layout, r->value, &err), &err);
    r->rng = 88172645463325252u;
    r->pauses = MEM_NEW_ARRAY(double, PAUSES_MAX);
    new_backend(r);
    open_state(r);
    return r;
}

static void handle_drop(struct rig *r)
{
    if (r->has_handle) {
        Flinc__KeyedHandle *copy = malloc(sizeof(*copy));
        ASSERT(copy != NULL);
        *copy = r->handle;
        flinc__keyed_handle__free_unpacked(copy, NULL);
        r->has_handle = false;
    }
}

static void rig_free(struct rig *r)
{
    struct error err = ERROR_INIT;
    r->snapshot = keyed_snapshot_free(r->snapshot);
    handle_drop(r);
    keyed_backend_free(r->backend);
    executor_free(r->executor);
    buffer_pool_close(r->pool);
    record_layout_fini(&r->layout);
    schema_unref(r->key);
    schema_unref(r->value);
    bench_check(fs_delete(r->dir, FS_DELETE_RECURSIVE, &err), &err);
    mem_free(r->pauses);
    mem_free(r);
}

/* ---- batches ----------------------------------------------------------------------------------- */

static uint64_t next_random(struct rig *r)
{
    r->rng ^= r->rng << 13;
    r->rng ^= r->rng >> 7;
    r->rng ^= r->rng << 17;
    return r->rng;
}

/* ROWS keys out of [from, from + n), or the next ROWS of them in order when `n` is 0. */
static struct batch *make_keys(struct rig *r, int64_t from, uint32_t n)
{
    struct batch *b = batch_new(r->pool, r->key);
    struct buffer *values = buffer_get(r->pool, ROWS * sizeof(int64_t));
    int64_t *keys = (int64_t *)(void *)values->data;
    values->size = ROWS * sizeof(int64_t);
    for (int i = 0; i < ROWS; i++) {
        keys[i] =
            n == 0 ? from + i : from + (int64_t)((uint32_t)next_random(r) * (uint64_t)n >> 32);
    }
    column_set_values(&b->columns[0], values);
    b->n_rows = b->n_sel = ROWS;
    batch_hash_keys(r->pool, b, &KEY_COLUMN, 1);
    return b;
}

static void count(struct rig *r, int64_t from, uint32_t n)
{
    struct error err = ERROR_INIT;
    struct batch *b = make_keys(r, from, n);
    bench_check(
        keyed_state_upsert(r->state, NAMESPACE_VOID, b, &KEY_COLUMN, r->slots, r->is_new, &err),
        &err);
    uint32_t stride;
    char *values = keyed_state_values(r->state, &stride);
    for (int i = 0; i < ROWS; i++) {
        int64_t *v = (int64_t *)(void *)(values + (size_t)r->slots[i] * stride);
        ++*v;
    }
    batch_unref(b);
}

/* ---- checkpoints ------------------------------------------------------------------------------- */

static void freeze(struct rig *r)
{
    struct error err = ERROR_INIT;
    char exclusive[300], shared[300];
    Flinc__CheckpointLocation l = FLINC__CHECKPOINT_LOCATION__INIT;
    r->checkpoint_id++;
    snprintf(exclusive, sizeof(exclusive), "%s/chk", r->dir);
    snprintf(shared, sizeof(shared), "%s/shared", r->dir);
    bench_check(fs_mkdirs(exclusive, &err), &err);
    bench_check(fs_mkdirs(shared, &err), &err);
    l.directory = exclusive;
    l.shared_directory = shared;
    struct snapshot_target *target =
        snapshot_target_new(&(struct snapshot_target_options){.location = &l,
                                                              .checkpoint_id = r->checkpoint_id,
                                                              .owner = "bench-0-1",
                                                              .executor = r->executor});
    struct keyed_freeze how = {.checkpoint_id = r->checkpoint_id,
                               .kind = FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL,
                               .target = target};
    bench_check(keyed_backend_freeze(r->backend, &how, &r->snapshot, &err), &err);
    snapshot_target_unref(target);
}

/* Files of the last handle that this one does not refer to are deleted, as the job master does. */
static void complete(struct rig *r, Flinc__KeyedHandle *handle)
{
    for (size_t i = 0; r->has_handle && i < r->handle.n_segments; i++) {
        const char *old = r->handle.segments[i]->blob->location;
        bool kept = false;
        for (size_t k = 0; k < handle->n_segments; k++) {
            kept = kept || strcmp(old, handle->segments[k]->blob->location) == 0;
        }
        if (!kept && old[0] != '\0') {
            bench_check(fs_delete(old, FS_DELETE_ONE, NULL), &(struct error)ERROR_INIT);
        }
    }
    for (size_t i = 0; i < handle->n_segments; i++) {
        if (handle->segments[i]->checkpoint_id == r->checkpoint_id) {
            r->written += handle->segments[i]->blob->size;
        }
    }
    handle_drop(r);
    r->handle = *handle;
    r->has_handle = true;
    r->n_done++;
    r->snapshot = keyed_snapshot_free(r->snapshot);
    keyed_backend_confirm(r->backend, r->checkpoint_id);
}

/* One slice, when there is room for it. */
static void step(struct rig *r)
{
    struct error err = ERROR_INIT;
    Flinc__KeyedHandle handle;
    if (r->snapshot == NULL || !keyed_snapshot_is_writable(r->snapshot)) {
        return;
    }
    double from = bench_cpu_seconds();
    int rc = keyed_snapshot_step(r->snapshot, SLICE, &handle, &err);
    if (r->n_pauses < PAUSES_MAX) {
        r->pauses[r->n_pauses++] = (bench_cpu_seconds() - from) * 1e3;
    }
    bench_check(rc, &err);
    if (rc == 0) {
        complete(r, &handle);
    }
}

/* ---- counting while snapshots are written ------------------------------------------------------ */

/* All keys once; the longest batch, in ms: tables grow meanwhile. */
static double fill(struct rig *r, uint32_t n_keys)
{
    double longest = 0;
    for (uint32_t i = 0; i < n_keys; i += ROWS) {
        double from = bench_cpu_seconds();
        count(r, i, 0);
        double took = (bench_cpu_seconds() - from) * 1e3;
        longest = took > longest ? took : longest;
    }
    return longest;
}

/* M rows per second of `seconds`; a checkpoint is due every `interval` seconds, the first one at once (0: none;
 * less than one takes: one after another).  All of it is CPU time. */
static double count_rate(struct rig *r, uint32_t n_keys, double seconds, double interval)
{
    double from = bench_cpu_seconds(), now = from, due = from;
    uint64_t rows = 0;
    r->n_done = 0;
    while (now - from < seconds) {
        count(r, 0, n_keys);
        rows += ROWS;
        if (r->snapshot != NULL) {
            step(r);
        } else if (interval > 0 && now >= due) {
            freeze(r);
            due = now + interval;
        }
        now = bench_cpu_seconds();
    }
    r->snapshot = keyed_snapshot_free(r->snapshot);
    return (double)rows / (now - from) * 1e-6;
}

/* The same by a plain table of (key, count). */
static double plain_rate(uint32_t n_keys, uint64_t rows)
{
    struct plain_entry {
        int64_t key, count;
    };
    struct rig r = {.rng = 88172645463325252u};
    uint64_t mask = 1;
    while (mask < (uint64_t)n_keys * 2) {
        mask *= 2;
    }
    struct plain_entry *table = mem_zalloc(mask * sizeof(*table));
    mask--;
    double from = bench_cpu_seconds();
    for (uint64_t done = 0; done < rows; done++) {
        int64_t key = (int64_t)((uint32_t)next_random(&r) * (uint64_t)n_keys >> 32) + 1;
        uint64_t at = key_hash_i64(key) & mask;
        while (table[at].key != key && table[at].key != 0) {
            at = (at + 1) & mask;
        }
        table[at].key = key;
        table[at].count++;
    }
    double rate = (double)rows / (bench_cpu_seconds() - from) * 1e-6;
    mem_free(table);
    return rate;
}

/* ---- increments of a large state --------------------------------------------------------------- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Returns how long the freeze took, in ms. */
static double run_checkpoint(struct rig *r)
{
    double from = bench_cpu_seconds();
    freeze(r);
    double took = (bench_cpu_seconds() - from) * 1e3;
    while (r->snapshot != NULL) {
        step(r);
        if (r->snapshot != NULL && !keyed_snapshot_is_writable(r->snapshot)) {
            usleep(1000); /* the disk's turn; nothing of this is measured */
        }
    }
    return took;
}

struct large_figures {
    double p99_ms, max_ms, freeze_ms, bytes_ratio;
};

/* 5 % of the keys change per checkpoint, out of all or out of a range of twice as many. */
static struct large_figures large_state(struct rig *r, bool hot)
{
    struct large_figures f = {0};
    uint64_t changed = 0;
    r->n_pauses = 0;
    r->written = 0;
    for (int c = 0; c < BIG_CHECKPOINTS; c++) {
        uint32_t n_keys = hot ? BIG_CHANGES * 2 : BIG_KEYS;
        for (uint32_t i = 0; i < BIG_CHANGES; i += ROWS) {
            count(r, 0, n_keys);
        }
        /* Of n draws with replacement out of k, k * (1 - exp(-n / k)) are different. */
        double share = (double)BIG_CHANGES / n_keys;
        changed += (uint64_t)(n_keys * (1 - exp(-share)));
        double took = run_checkpoint(r);
        f.freeze_ms = took > f.freeze_ms ? took : f.freeze_ms;
    }
    qsort(r->pauses, r->n_pauses, sizeof(double), by_size);
    f.p99_ms = r->pauses[(size_t)r->n_pauses * 99 / 100];
    f.max_ms = r->pauses[r->n_pauses - 1];
    f.bytes_ratio = (double)r->written / ((double)changed * 8 * (1 + BIG_COLUMNS));
    return f;
}

static double restore_rate(struct rig *r)
{
    struct error err = ERROR_INIT;
    uint64_t bytes = 0;
    Flinc__OperatorSubtaskState state = FLINC__OPERATOR_SUBTASK_STATE__INIT;
    Flinc__KeyedHandle *handle = &r->handle;
    for (size_t i = 0; i < handle->n_segments; i++) {
        bytes += handle->segments[i]->blob->size;
    }
    state.n_keyed = 1;
    state.keyed = &handle;
    keyed_backend_free(r->backend);
    new_backend(r);
    double from = bench_cpu_seconds();
    bench_check(keyed_backend_restore(r->backend, &state, r->dir, r->checkpoint_id, &err), &err);
    open_state(r);
    return (double)bytes / (bench_cpu_seconds() - from) * 1e-6;
}

/* ---- report ------------------------------------------------------------------------------------ */

static void report_counts(struct bench_report *report, const char *keys, uint32_t n_keys,
                          double interval, double bar)
{
    char name[80];
    double limit = plain_rate(n_keys, 40 * 1000 * 1000);
    struct rig *r = rig_new("ROW<n BIGINT NOT NULL>");
    double longest = fill(r, n_keys);
    snprintf(name, sizeof(name), "state: %s int64 keys, no snapshots", keys);
    bench_report_add(report, name, count_rate(r, n_keys, 3, 0), "M rows/s", 0, limit,
                     BENCH_MORE_IS_BETTER);
    double rate = count_rate(r, n_keys, interval < 3 ? 3 : interval, interval);
    snprintf(name, sizeof(name), "state: %s int64 keys, every %g s (%llu)", keys, interval,
             (unsigned long long)r->n_done);
    bench_report_add(report, name, rate, "M rows/s", bar, limit, BENCH_MORE_IS_BETTER);
    rate = count_rate(r, n_keys, 3, 1e-9);
    snprintf(name, sizeof(name), "state: %s int64 keys, one after another (%llu)", keys,
             (unsigned long long)r->n_done);
    bench_report_add(report, name, rate, "M rows/s", 0, limit, BENCH_MORE_IS_BETTER);
    snprintf(name, sizeof(name), "state: longest batch while %s keys are added", keys);
    bench_report_add(report, name, longest, "ms", 10, 0, BENCH_LESS_IS_BETTER);
    rig_free(r);
}

static void report_large(struct bench_report *report, struct rig *r, bool hot)
{
    struct large_figures f = large_state(r, hot);
    char name[80];
    const char *which = hot ? "hot range" : "uniform";
    snprintf(name, sizeof(name), "state: 1 GB, 5 %% changed (%s): p99 of a step", which);
    bench_report_add(report, name, f.p99_ms, "ms", 10, 0, BENCH_LESS_IS_BETTER);
    snprintf(name, sizeof(name), "state: 1 GB, 5 %% changed (%s): longest step", which);
    bench_report_add(report, name, f.max_ms, "ms", 0, 0, BENCH_LESS_IS_BETTER);
    snprintf(name, sizeof(name), "state: 1 GB, 5 %% changed (%s): longest freeze", which);
    bench_report_add(report, name, f.freeze_ms, "ms", 10, 0, BENCH_LESS_IS_BETTER);
    snprintf(name, sizeof(name), "state: 1 GB, 5 %% changed (%s): bytes", which);
    bench_report_add(report, name, f.bytes_ratio, "x changed", 3, 0, BENCH_LESS_IS_BETTER);
}

static void run_counts(struct bench_report *report)
{
    report_counts(report, "1 M", 1000 * 1000, 1, 25);
    report_counts(report, "10 M", 10 * 1000 * 1000, 10, 15);
}

static struct rig *large_rig(void)
{
    struct rig *r =
        rig_new("ROW<a BIGINT NOT NULL, b BIGINT NOT NULL, c BIGINT NOT NULL, d BIGINT NOT NULL>");
    fill(r, BIG_KEYS);
    run_checkpoint(r);
    return r;
}

static void report_restore(struct bench_report *report, struct rig *r)
{
    bench_report_add(report, "state: restoring 1 GB", restore_rate(r), "MB/s", 500, 0,
                     BENCH_MORE_IS_BETTER);
}

static void run_restore(struct bench_report *report)
{
    struct rig *r = large_rig();
    report_restore(report, r);
    rig_free(r);
}

static void run_increments(struct bench_report *report)
{
    struct rig *r = large_rig();
    report_large(report, r, false);
    report_large(report, r, true);
    rig_free(r);
}

static void run_all(struct bench_report *report)
{
    run_counts(report);
    struct rig *r = large_rig();
    report_restore(report, r);
    report_large(report, r, false);
    report_large(report, r, true);
    rig_free(r);
}

static const struct {
    const char *name;
    void (*run)(struct bench_report *report);
} parts[] = {{"counts", run_counts}, {"restore", run_restore}, {"increments", run_increments}};

int main(int argc, char **argv)
{
    static struct bench_report report;
    void (*run)(struct bench_report * report) = argc == 1 ? run_all : NULL;
    for (size_t i = 0; i < ARRAY_LEN(parts) && argc == 3 && strcmp(argv[1], "--only") == 0; i++) {
        run = strcmp(argv[2], parts[i].name) == 0 ? parts[i].run : run;
    }
    if (run == NULL) {
        fprintf(stderr, "usage: bench_state_snapshots [--only counts|restore|increments]\n");
        return 2;
    }
    run(&report);
    bench_report_print(&report);
    return 0;
}
