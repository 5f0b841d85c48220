/* Counts per key with a cache that is smaller than the state (backend rocksdb), one task's thread: per second
 * of the clock and per CPU second of all threads, with checkpoints' writing on the way.
 *
 *   bench_state_paged [--keys N] [--cache-mb N] [--blocks-mb N] [--records N] [--only zipf|uniform]
 *                     [--checkpoint-records N] [--block-bytes N]
 *
 * How large the state is: in memory alone (hashmap) 10 M counts take 302 MB, slots for 16 M of them, since tables double; in
 * files, compacted, what is printed at the end.  A tenth of the smaller is the cache (--cache-mb); of a larger
 * one its table could use no more before it is twice as large.  Indexes and filters of the files (13 MB) are beside it.
 *
 * Files go to TMPDIR.  The state is filled first, key after key. */
#include "bench/key_stream.h"
#include "bench/options.h"
#include "bench/report.h"
#include "common/fs/fs.h"
#include "engine/data/hash.h"
#include "engine/state/keyed_table_probe.h"
#include "engine/state/paged/paged.h"

#include <stdlib.h>
#include <unistd.h>

enum { ROWS = BATCH_ROWS_TARGET };

struct options {
    uint64_t keys, records, checkpoint_records;
    uint64_t cache_bytes, block_bytes, bytes_of_block;
    const char *only;
};

struct rig {
    char dir[256], db[300];
    struct rocks_shared *shared;
    struct executor *executor;
    struct keyed_disk disk;
    struct buffer_pool *pool;
    struct keyed_backend *backend;
    struct keyed_state *state;
    struct schema *key, *value;
    struct record_layout layout;
    struct builder builder;
    uint32_t slots[ROWS];
    uint8_t is_new[ROWS];
};

static const uint32_t KEY_COLUMN = 0;

/* ---- the state ---------------------------------------------------------------------------------------- */

static void open_rig(struct rig *r, const struct options *o)
{
    struct error err = ERROR_INIT;
    const char *tmp = getenv("TMPDIR");
    snprintf(r->dir, sizeof(r->dir), "%s/flinc-bench-XXXXXX", tmp != NULL ? tmp : "/tmp");
    if (mkdtemp(r->dir) == NULL) {
        perror(r->dir);
        exit(1);
    }
    snprintf(r->db, sizeof(r->db), "%s/db", r->dir);
    bench_check(
        rocks_shared_new(&(struct rocks_shared_options){.cache_bytes = o->block_bytes,
                                                        .block_bytes = (uint32_t)o->bytes_of_block},
                         &r->shared, &err),
        &err);
    bench_check(executor_new(&(struct executor_options){.name = "disk", .n_threads = 1},
                             &r->executor, &err),
                &err);
    r->disk = (struct keyed_disk){.shared = r->shared,
                                  .directory = r->db,
                                  .executor = r->executor,
                                  .cache_bytes = o->cache_bytes};
    r->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    buffer_pool_adopt(r->pool);
    bench_check(keyed_backend_new("rocksdb",
                                  &(struct keyed_backend_options){.operator_name = "count",
                                                                  .pool = r->pool,
                                                                  .max_parallelism = 128,
                                                                  .last_group = 127,
                                                                  .disk = &r->disk},
                                  &r->backend, &err),
                &err);
    bench_check(schema_parse(slice_cstr("ROW<k BIGINT NOT NULL>"), &r->key, &err), &err);
    bench_check(schema_parse(slice_cstr("ROW<n BIGINT NOT NULL>"), &r->value, &err), &err);
    bench_check(record_layout_init(&r->layout, r->value, &err), &err);
    bench_check(keyed_backend_state(r->backend,
                                    &(struct keyed_state_desc){.name = "count",
                                                               .key_schema = r->key,
                                                               .value_bytes = sizeof(int64_t),
                                                               .value_layout = &r->layout,
                                                               .grows_in_pieces = true},
                                    &r->state, &err),
                &err);
    builder_init(&r->builder, r->pool, r->key, ROWS);
}

static void close_rig(struct rig *r)
{
    struct error err = ERROR_INIT;
    builder_fini(&r->builder);
    keyed_backend_free(r->backend);
    record_layout_fini(&r->layout);
    schema_unref(r->key);
    schema_unref(r->value);
    executor_free(r->executor);
    rocks_shared_unref(r->shared);
    buffer_pool_close(r->pool);
    bench_check(fs_delete(r->dir, FS_DELETE_RECURSIVE, &err), &err);
}

static void count_batch(struct rig *r)
{
    struct error err = ERROR_INIT;
    struct batch *b = builder_finish(&r->builder);
    batch_hash_keys(r->pool, b, &KEY_COLUMN, 1);
    bench_check(
        keyed_state_upsert(r->state, NAMESPACE_VOID, b, &KEY_COLUMN, r->slots, r->is_new, &err),
        &err);
    uint32_t stride;
    char *values = keyed_state_values(r->state, &stride);
    for (uint32_t i = 0; i < b->n_sel; i++) {
        ++*(int64_t *)(void *)(values + (size_t)r->slots[i] * stride);
    }
    batch_unref(b);
}

static void step_checkpoint(struct rig *r)
{
    struct error err = ERROR_INIT;
    struct paged_store *s = r->backend->paged;
    if (s->is_frozen) {
        int rc = paged_store_step(s, ROWS, &err);
        bench_check(rc, &err);
    }
}

static void fill(struct rig *r, uint64_t keys)
{
    for (uint64_t i = 0; i < keys;) {
        builder_begin(&r->builder);
        for (uint32_t row = 0; row < ROWS && i < keys; row++, i++) {
            builder_put_i64(&r->builder, 0, (int64_t)i);
            builder_end_row(&r->builder);
        }
        count_batch(r);
    }
}

/* ---- measuring ---------------------------------------------------------------------------------------- */

struct figures {
    double wall_s, cpu_s;
};

static struct figures count(struct rig *r, struct key_stream *keys, uint64_t records,
                            uint64_t checkpoint_records)
{
    struct paged_store *s = r->backend->paged;
    struct figures f = {-bench_wall_seconds(), -bench_process_cpu_seconds()};
    double keys_s = 0;
    for (uint64_t i = 0; i < records; i += ROWS) {
        double began = bench_cpu_seconds();
        builder_begin(&r->builder);
        for (uint32_t row = 0; row < ROWS; row++) {
            builder_put_i64(&r->builder, 0, (int64_t)key_stream_next(keys));
            builder_end_row(&r->builder);
        }
        keys_s += bench_cpu_seconds() - began;
        count_batch(r);
        if (i / checkpoint_records != (i + ROWS) / checkpoint_records && !s->is_frozen) {
            paged_store_freeze(s, PAGED_NO_FILES, NULL);
        }
        step_checkpoint(r);
    }
    f.wall_s += bench_wall_seconds() - keys_s;
    f.cpu_s += bench_process_cpu_seconds() - keys_s;
    return f;
}

static void measure(struct rig *r, const struct options *o, struct bench_report *report,
                    const char *name, double exponent)
{
    struct key_stream keys;
    struct paged_store *s = r->backend->paged;
    char text[80];
    if (o->only != NULL && strcmp(o->only, name) != 0) {
        return;
    }
    key_stream_init(&keys, o->keys, exponent, 7);
    (void)count(r, &keys, o->records / 4, o->checkpoint_records);
    uint64_t misses = s->n_misses, written = s->n_written, pieces = s->n_pieces;
    uint64_t found = s->n_found;
    struct figures f = count(r, &keys, o->records, o->checkpoint_records);
    double n = (double)o->records;
    fprintf(stderr,
            "%s: %.3f misses, %.3f written per record, %llu pieces, table of %u keys, %.1f MB\n",
            name, (double)(s->n_misses - misses) / n, (double)(s->n_written - written) / n,
            (unsigned long long)(s->n_pieces - pieces), keyed_table_len(r->state->table),
            (double)keyed_table_bytes(r->state->table) * 1e-6);
    if (s->n_found - found != s->n_misses - misses) {
        fprintf(stderr, "%llu keys were not found, though all are there\n",
                (unsigned long long)(s->n_misses - misses - (s->n_found - found)));
        exit(1);
    }
    snprintf(text, sizeof(text), "counts, %s keys, per second", name);
    bench_report_add(report, text, n / f.wall_s / 1e6, "M records/s", 0, 0, BENCH_MORE_IS_BETTER);
    snprintf(text, sizeof(text), "counts, %s keys, per CPU second", name);
    bench_report_add(report, text, n / f.cpu_s / 1e6, "M records/s", exponent > 0 ? 1 : 0, 0,
                     BENCH_MORE_IS_BETTER);
}

/* What the state takes on its own. */
static void show_sizes(struct rig *r, const struct options *o)
{
    struct error err = ERROR_INIT;
    struct paged_store *s = r->backend->paged;
    const struct keyed_table *t = r->state->table;
    uint64_t slots = t->n_slots;
    bench_check(paged_store_flush(s, &err), &err);
    double as_is = (double)rocks_store_bytes(s->rocks);
    rocks_store_compact(s->rocks);
    /* A quarter of the slots stays empty. */
    for (; slots / 4 * 3 < o->keys; slots *= 2) {
    }
    fprintf(stderr, "the state: files of %.1f MB, compacted %.1f MB; in memory alone %.1f MB\n",
            as_is * 1e-6, (double)rocks_store_bytes(s->rocks) * 1e-6,
            (double)keyed_table_slots_bytes(t, (uint32_t)slots) * 1e-6);
}

static const struct options defaults = {
    .keys = 10000000,
    .records = 4000000,
    .checkpoint_records = 10000000,
    .cache_bytes = UINT64_C(20) << 20,
};

#define OPTION(name, kind, member, help) BENCH_OPTION(name, kind, struct options, member, help)
static const struct bench_option option_table[] = {
    OPTION("keys", NUMBER, keys, "BIGINT keys, all of them there from the beginning"),
    OPTION("cache-mb", MB, cache_bytes, "MB of rows at hand"),
    OPTION("blocks-mb", MB, block_bytes, "MB of RocksDB's block cache"),
    OPTION("block-bytes", NUMBER, bytes_of_block, "bytes of a block in files; 0: the default"),
    OPTION("records", NUMBER, records, "records that are measured"),
    OPTION("checkpoint-records", NUMBER, checkpoint_records, "records between two checkpoints"),
    OPTION("only", TEXT, only, "zipf or uniform; both"),
};
#undef OPTION

static const struct bench_options program = {
    .program = "bench_state_paged",
    .summary = "Counts per key with a cache that is smaller than the state.",
    .table = option_table,
    .n = ARRAY_LEN(option_table),
    .defaults = &defaults,
};

int main(int argc, char **argv)
{
    struct options o = defaults;
    bench_options_parse(&program, &o, argc, argv);
    struct bench_report report = {.n = 0};
    struct rig *r = MEM_NEW(struct rig);
    open_rig(r, &o);
    double began = bench_wall_seconds();
    fill(r, o.keys);
    fprintf(stderr, "filled %llu keys in %.1f s\n", (unsigned long long)o.keys,
            bench_wall_seconds() - began);
    measure(r, &o, &report, "zipf", 1);
    measure(r, &o, &report, "uniform", 0);
    bench_report_print(&report);
    show_sizes(r, &o);
    close_rig(r);
    mem_free(r);
    return 0;
}
