/* State that is far larger than memory (backend rocksdb): a long run of changes with incremental checkpoints, and
 * restoring it at half and at double the parallelism.
 *
 *   bench_state_large_state [--only changes|restore] [--state-mb N] [--managed-mb N] [--checkpoints N] [--changes N]
 *
 * changes: state of 20 times the managed memory; an hour of event time, a checkpoint for each minute, between two of
 *          which `changes` uniform keys are updated.  Memory is the process' PSS above what it was before, RocksDB's
 *          code included, looked at every 16 batches from the first on and behind each checkpoint; checkpoint bytes are
 *          those of new files, per byte of rows changed, after the first ten.
 * restore: the state of two subtasks, restored by one and by four, one after the other, until all of its files are
 *          the store's; beside it how fast the same files are copied.
 *
 * Files go to TMPDIR.  A row has a BIGINT key and 100 bytes. */
#include "bench/options.h"
#include "bench/report.h"
#include "common/fs/fs.h"
#include "engine/data/hash.h"
#include "engine/state/paged/paged.h"

#include <stdlib.h>
#include <unistd.h>

enum {
    ROWS = BATCH_ROWS_TARGET,
    TEXT_BYTES = 100,
    ROW_BYTES = TEXT_BYTES + 8,
    GROUPS = 128,
    BATCHES_PER_LOOK = 16,
};

struct options {
    uint64_t state_bytes, managed_bytes, checkpoints, changes;
    const char *only;
};

struct subtask {
    struct keyed_disk disk;
    char db[300];
    struct keyed_backend *backend;
    struct keyed_state *state;
};

struct rig {
    char dir[256];
    struct rocks_shared *shared;
    struct executor *executor;
    struct buffer_pool *pool;
    struct schema *key, *value;
    struct record_layout layout;
    struct builder builder;
    uint64_t n_opened, checkpoint_id;
    uint64_t n_batches, pss_peak;
    struct rng rng;
    uint32_t slots[ROWS];
    uint8_t is_new[ROWS];
    char text[TEXT_BYTES];
};

static const uint32_t KEY_COLUMN = 0;

/* Of this process. */
static uint64_t pss_bytes(void)
{
    FILE *f = fopen("/proc/self/smaps_rollup", "re");
    char line[200];
    unsigned long long kb = 0;
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        if (sscanf(line, "Pss: %llu kB", &kb) == 1) {
            break;
        }
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return kb * 1024;
}

/* ---- backends ------------------------------------------------------------------------------------- */

static void open_rig(struct rig *r, const struct options *o)
{
    struct error err = ERROR_INIT;
    const char *tmp = getenv("TMPDIR");
    STR_AUTO shared = STR_INIT;
    snprintf(r->dir, sizeof(r->dir), "%s/flinc-bench-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(r->dir) == NULL) {
        perror(r->dir);
        exit(1);
    }
    str_printf(&shared, "%s/shared", r->dir);
    bench_check(fs_mkdirs(str_cstr(&shared), &err), &err);
    bench_check(rocks_shared_new(&(struct rocks_shared_options){.memory_bytes = o->managed_bytes},
                                 &r->shared, &err),
                &err);
    bench_check(executor_new(&(struct executor_options){.name = "disk", .n_threads = 4},
                             &r->executor, &err),
                &err);
    r->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    buffer_pool_adopt(r->pool);
    bench_check(schema_parse(slice_cstr("ROW<k BIGINT NOT NULL>"), &r->key, &err), &err);
    bench_check(
        schema_parse(slice_cstr("ROW<n BIGINT NOT NULL, text STRING NOT NULL>"), &r->value, &err),
        &err);
    bench_check(record_layout_init(&r->layout, r->value, &err), &err);
    builder_init(&r->builder, r->pool, r->key, ROWS);
    rng_init(&r->rng, 1);
}

static void close_rig(struct rig *r)
{
    struct error err = ERROR_INIT;
    builder_fini(&r->builder);
    record_layout_fini(&r->layout);
    schema_unref(r->key);
    schema_unref(r->value);
    executor_free(r->executor);
    rocks_shared_unref(r->shared);
    buffer_pool_close(r->pool);
    bench_check(fs_delete(r->dir, FS_DELETE_RECURSIVE, &err), &err);
}

/* The groups [first, last], out of handles if there are any. */
static void open_subtask(struct rig *r, struct subtask *s, uint64_t cache_bytes, uint32_t first,
                         uint32_t last, Flinc__KeyedHandle **handles, size_t n_handles)
{
    struct error err = ERROR_INIT;
    snprintf(s->db, sizeof(s->db), "%s/db%llu", r->dir, (unsigned long long)r->n_opened++);
    s->disk = (struct keyed_disk){.shared = r->shared,
                                  .directory = s->db,
                                  .executor = r->executor,
                                  .cache_bytes = cache_bytes};
    bench_check(keyed_backend_new("rocksdb",
                                  &(struct keyed_backend_options){.operator_name = "rows",
                                                                  .pool = r->pool,
                                                                  .max_parallelism = GROUPS,
                                                                  .first_group = first,
                                                                  .last_group = last,
                                                                  .disk = &s->disk},
                                  &s->backend, &err),
                &err);
    if (n_handles > 0) {
        Flinc__OperatorSubtaskState state = FLINC__OPERATOR_SUBTASK_STATE__INIT;
        state.n_keyed = n_handles;
        state.keyed = handles;
        bench_check(keyed_backend_restore(s->backend, &state, r->dir, r->checkpoint_id, &err),
                    &err);
    }
    bench_check(keyed_backend_state(s->backend,
                                    &(struct keyed_state_desc){.name = "rows",
                                                               .key_schema = r->key,
                                                               .record = &r->layout,
                                                               .grows_in_pieces = true},
                                    &s->state, &err),
                &err);
}

static void note_memory(struct rig *r)
{
    uint64_t now = pss_bytes();
    r->pss_peak = MAX(r->pss_peak, now);
}

/* Keys of the batch that was built get another text. */
static void update(struct rig *r, struct subtask *s)
{
    struct error err = ERROR_INIT;
    char record[64] __attribute__((aligned(16))) = {0};
    const struct record_field *text = record_layout_find(&r->layout, 1);
    struct batch *b = builder_finish(&r->builder);
    batch_hash_keys(r->pool, b, &KEY_COLUMN, 1);
    bench_check(
        keyed_state_upsert(s->state, NAMESPACE_VOID, b, &KEY_COLUMN, r->slots, r->is_new, &err),
        &err);
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint64_t x = rng_next(&r->rng);
        /* Half of it does not compress. */
        for (size_t at = 0; at + sizeof(x) <= TEXT_BYTES / 2; at += sizeof(x)) {
            x = rng_next(&r->rng);
            memcpy(r->text + at, &x, sizeof(x));
        }
        flinc_string string = {r->text, TEXT_BYTES};
        memcpy(record, &x, sizeof(x));
        memcpy(record + text->offset, &string, sizeof(string));
        bench_check(keyed_state_keep(s->state, r->slots[i], record, &err), &err);
    }
    batch_unref(b);
    if (r->n_batches++ % BATCHES_PER_LOOK == 0) {
        note_memory(r);
    }
}

/* Keys [0, n) whose group the subtask has. */
static void fill(struct rig *r, struct subtask *s, uint64_t n)
{
    const struct keyed_backend_options *o = &s->backend->options;
    for (uint64_t i = 0; i < n;) {
        uint32_t rows = 0;
        builder_begin(&r->builder);
        for (; rows < ROWS && i < n; i++) {
            uint32_t group = (uint32_t)key_hash_i64((int64_t)i) % GROUPS;
            if (group >= o->first_group && group <= o->last_group) {
                builder_put_i64(&r->builder, 0, (int64_t)i);
                builder_end_row(&r->builder);
                rows++;
            }
        }
        if (rows > 0) {
            update(r, s);
        }
    }
}

static void change(struct rig *r, struct subtask *s, uint64_t changes, uint64_t n_keys)
{
    for (uint64_t i = 0; i < changes; i += ROWS) {
        builder_begin(&r->builder);
        for (uint32_t row = 0; row < ROWS; row++) {
            builder_put_i64(&r->builder, 0, (int64_t)(rng_below(&r->rng, n_keys)));
            builder_end_row(&r->builder);
        }
        update(r, s);
    }
}

/* ---- checkpoints ------------------------------------------------------------------------------------ */

static uint64_t bytes_of(const struct rig *r)
{
    struct fs_list list = FS_LIST_INIT;
    struct error err = ERROR_INIT;
    STR_AUTO shared = STR_INIT;
    uint64_t bytes = 0;
    str_printf(&shared, "%s/shared", r->dir);
    bench_check(fs_list_dir(str_cstr(&shared), &list, &err), &err);
    for (size_t i = 0; i < list.n; i++) {
        bytes += list.entries[i].status.size_bytes;
    }
    fs_list_fini(&list);
    return bytes;
}

/* Confirmed at once. */
static void checkpoint(struct rig *r, struct subtask *s, Flinc__CheckpointKind kind,
                       Flinc__KeyedHandle *ret_handle)
{
    struct error err = ERROR_INIT;
    Flinc__CheckpointLocation l = FLINC__CHECKPOINT_LOCATION__INIT;
    struct keyed_snapshot *x = NULL;
    STR_AUTO shared = STR_INIT;
    char owner[40];
    int rc;
    str_printf(&shared, "%s/shared", r->dir);
    snprintf(owner, sizeof(owner), "bench-%llu", (unsigned long long)r->n_opened);
    l.directory = r->dir;
    l.shared_directory = (char *)(uintptr_t)str_cstr(&shared);
    struct snapshot_target *target = snapshot_target_new(&(struct snapshot_target_options){
        .location = &l, .checkpoint_id = ++r->checkpoint_id, .owner = owner});
    flinc__keyed_handle__init(ret_handle);
    bench_check(keyed_backend_freeze(s->backend,
                                     &(struct keyed_freeze){.checkpoint_id = r->checkpoint_id,
                                                            .kind = kind,
                                                            .target = target},
                                     &x, &err),
                &err);
    while ((rc = keyed_snapshot_step(x, ROWS, ret_handle, &err)) == 1) {
        while (!keyed_snapshot_is_writable(x)) {
            (void)usleep(200);
        }
    }
    bench_check(rc, &err);
    keyed_snapshot_free(x);
    snapshot_target_unref(target);
    keyed_backend_confirm(s->backend, r->checkpoint_id);
}

static void drop_handle(Flinc__KeyedHandle *h)
{
    Flinc__OperatorSubtaskState *owner = malloc(sizeof(*owner));
    ASSERT(owner != NULL);
    flinc__operator_subtask_state__init(owner);
    owner->keyed = malloc(sizeof(*owner->keyed));
    ASSERT(owner->keyed != NULL);
    owner->keyed[0] = malloc(sizeof(*h));
    ASSERT(owner->keyed[0] != NULL);
    *owner->keyed[0] = *h;
    owner->n_keyed = 1;
    flinc__operator_subtask_state__free_unpacked(owner, NULL);
}

/* ---- measuring ---------------------------------------------------------------------------------------- */

static void measure_changes(const struct options *o, struct bench_report *report)
{
    enum { FIRST = 10 };
    struct rig *r = MEM_NEW(struct rig);
    struct subtask s;
    Flinc__KeyedHandle handle;
    uint64_t n_keys = o->managed_bytes * 20 / ROW_BYTES, before = 0;
    double began = bench_wall_seconds();
    open_rig(r, o);
    uint64_t base = pss_bytes();
    open_subtask(r, &s, o->managed_bytes / 2, 0, GROUPS - 1, NULL, 0);
    fill(r, &s, n_keys);
    fprintf(stderr, "changes: filled %llu keys, %.0f MB, in %.1f s\n", (unsigned long long)n_keys,
            (double)(n_keys * ROW_BYTES) * 1e-6, bench_wall_seconds() - began);
    for (uint64_t i = 0; i < o->checkpoints; i++) {
        change(r, &s, o->changes, n_keys);
        checkpoint(r, &s, FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL, &handle);
        drop_handle(&handle);
        before = i + 1 == FIRST ? bytes_of(r) : before;
        note_memory(r);
    }
    uint64_t above = r->pss_peak > base ? r->pss_peak - base : 0;
    double changed = (double)((o->checkpoints - FIRST) * o->changes * ROW_BYTES);
    bench_report_add(report, "memory above the start, of managed memory",
                     (double)above / (double)o->managed_bytes, "", 1.1, 0, BENCH_LESS_IS_BETTER);
    bench_report_add(report, "checkpoint bytes per byte changed",
                     (double)(bytes_of(r) - before) / changed, "", 3, 0, BENCH_LESS_IS_BETTER);
    fprintf(stderr, "changes: %llu checkpoints in %.1f s in all\n",
            (unsigned long long)o->checkpoints, bench_wall_seconds() - began);
    keyed_backend_free(s.backend);
    close_rig(r);
    mem_free(r);
}

/* All subtasks of a parallelism, one after the other; seconds. */
static double restore_at(struct rig *r, const struct options *o, uint32_t n,
                         Flinc__KeyedHandle **handles, uint32_t n_handles)
{
    double began = bench_wall_seconds();
    for (uint32_t i = 0; i < n; i++) {
        struct subtask s;
        uint32_t first = i * GROUPS / n, last = (i + 1) * GROUPS / n - 1;
        open_subtask(r, &s, o->managed_bytes / 2, first, last, handles, n_handles);
        began += bench_wall_seconds(); /* closing is not restoring */
        keyed_backend_free(s.backend);
        began -= bench_wall_seconds();
    }
    return bench_wall_seconds() - began;
}

/* Bytes per second at which the files of the checkpoints are copied. */
static double copy_speed(const struct rig *r)
{
    STR_AUTO command = STR_INIT;
    uint64_t bytes = bytes_of(r);
    double began = bench_wall_seconds();
    str_printf(&command, "cp -r '%s/shared' '%s/copy'", r->dir, r->dir);
    int rc = system(str_cstr(&command));
    double seconds = bench_wall_seconds() - began;
    return rc == 0 ? (double)bytes / seconds : 0;
}

static void measure_restore(const struct options *o, struct bench_report *report)
{
    enum { WRITERS = 2 };
    struct rig *r = MEM_NEW(struct rig);
    struct subtask s[WRITERS];
    Flinc__KeyedHandle handles[WRITERS], *all[WRITERS];
    double began = bench_wall_seconds();
    open_rig(r, o);
    for (uint32_t i = 0; i < WRITERS; i++) {
        open_subtask(r, &s[i], o->managed_bytes / 2, i * GROUPS / WRITERS,
                     (i + 1) * GROUPS / WRITERS - 1, NULL, 0);
        fill(r, &s[i], o->state_bytes / ROW_BYTES);
        checkpoint(r, &s[i], FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &handles[i]);
        keyed_backend_free(s[i].backend);
        all[i] = &handles[i];
    }
    double bytes = (double)bytes_of(r), rows = (double)o->state_bytes;
    fprintf(stderr, "restore: %.0f MB of rows, %.0f MB of files, written in %.1f s\n", rows * 1e-6,
            bytes * 1e-6, bench_wall_seconds() - began);
    double limit = copy_speed(r);
    double half = restore_at(r, o, 1, all, WRITERS), twice = restore_at(r, o, 4, all, WRITERS);
    /* With twice the subtasks every file is read by two of them. */
    bench_report_add(report, "restore at half the parallelism, files", bytes / half * 1e-6, "MB/s",
                     200, limit * 1e-6, BENCH_MORE_IS_BETTER);
    bench_report_add(report, "restore at double the parallelism, files", bytes / twice * 1e-6,
                     "MB/s", 200, limit * 1e-6, BENCH_MORE_IS_BETTER);
    drop_handle(&handles[0]);
    drop_handle(&handles[1]);
    close_rig(r);
    mem_free(r);
}

/* ---- options ------------------------------------------------------------------------------------------- */

static const struct options defaults = {
    .state_bytes = UINT64_C(4) << 30,
    .managed_bytes = UINT64_C(64) << 20,
    .checkpoints = 60,
    .changes = 200000,
};

#define OPTION(name, kind, member, help) BENCH_OPTION(name, kind, struct options, member, help)
static const struct bench_option option_table[] = {
    OPTION("only", TEXT, only, "changes or restore; both"),
    OPTION("state-mb", MB, state_bytes, "MB of rows that are restored"),
    OPTION("managed-mb", MB, managed_bytes, "MB of managed memory"),
    OPTION("checkpoints", NUMBER, checkpoints, "of the changes; more than 10"),
    OPTION("changes", NUMBER, changes, "rows between two of them"),
};
#undef OPTION

static const struct bench_options program = {
    .program = "bench_state_large_state",
    .summary = "State that is far larger than memory: changes with checkpoints, and restoring.",
    .table = option_table,
    .n = ARRAY_LEN(option_table),
    .defaults = &defaults,
};

int main(int argc, char **argv)
{
    struct options o = defaults;
    bench_options_parse(&program, &o, argc, argv);
    o.checkpoints = MAX(o.checkpoints, UINT64_C(11));
    struct bench_report report = {.n = 0};
    if (o.only == NULL || strcmp(o.only, "changes") == 0) {
        measure_changes(&o, &report);
    }
    if (o.only == NULL || strcmp(o.only, "restore") == 0) {
        measure_restore(&o, &report);
    }
    bench_report_print(&report);
    return 0;
}
