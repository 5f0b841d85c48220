/* The limit of keyed counts in the rocksdb state backend: the loop that one would write by hand on RocksDB's C
 * API.  Batches of keys, each key once, in order: one batched read, one batch of writes; with --cache-entries a
 * write-back cache in front, of which only what leaves is written.
 *
 * At the end all counts are summed up: nothing is lost.  bench_rocksdb_limit --help */
#include "bench/key_stream.h"
#include "bench/report.h"
#include "bench/rocksdb/limit_cache.h"
#include "bench/rocksdb/limit_store.h"
#include <sys/resource.h>
#include <time.h>

struct limit_loop {
    const struct limit_options *options;
    struct limit_store *store;
    struct limit_cache cache; /* without sets: none */
    struct key_stream stream;
    uint64_t records, reads, writes;
    uint64_t run; /* records of the run at hand */
    uint64_t keys[LIMIT_BATCH_MAX], scratch[LIMIT_BATCH_MAX];
    int64_t adds[LIMIT_BATCH_MAX], counts[LIMIT_BATCH_MAX];
};

/* ---- a batch ----------------------------------------------------------------------------------- */

/* By 11 bits at a time, the lowest first. */
static void sort_keys(struct limit_loop *l, uint32_t n)
{
    uint64_t *from = l->keys, *to = l->scratch;
    for (uint32_t shift = 0; l->options->keys >> shift != 0; shift += 11) {
        uint32_t at[2048] = {0}, sum = 0;
        for (uint32_t i = 0; i < n; i++) {
            at[(from[i] >> shift) & 2047]++;
        }
        for (uint32_t k = 0; k < ARRAY_LEN(at); k++) {
            uint32_t here = at[k];
            at[k] = sum;
            sum += here;
        }
        for (uint32_t i = 0; i < n; i++) {
            to[at[(from[i] >> shift) & 2047]++] = from[i];
        }
        uint64_t *swap = from;
        from = to;
        to = swap;
    }
    if (from != l->keys) {
        memcpy(l->keys, from, n * sizeof(*from));
    }
}

/* Leaves the keys of n records in order, each once, and how often it came. */
static uint32_t draw_keys(struct limit_loop *l, uint32_t n)
{
    uint32_t unique = 0;
    for (uint32_t i = 0; i < n; i++) {
        l->keys[i] = key_stream_next(&l->stream);
    }
    sort_keys(l, n);
    for (uint32_t i = 0; i < n; i++) {
        if (unique > 0 && l->keys[unique - 1] == l->keys[i]) {
            l->adds[unique - 1]++;
        } else {
            l->keys[unique] = l->keys[i];
            l->adds[unique++] = 1;
        }
    }
    return unique;
}

/* Leaves what the cache does not have. */
static uint32_t add_to_cache(struct limit_loop *l, uint32_t n)
{
    uint32_t missing = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!limit_cache_add(&l->cache, l->keys[i], l->adds[i])) {
            l->keys[missing] = l->keys[i];
            l->adds[missing++] = l->adds[i];
        }
    }
    return missing;
}

static void run_batch(struct limit_loop *l)
{
    uint32_t n = draw_keys(l, (uint32_t)l->options->batch);
    bool cached = l->cache.sets != NULL;
    n = cached ? add_to_cache(l, n) : n;
    limit_store_read(l->store, l->keys, n, l->counts);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t key = l->keys[i];
        int64_t count = l->counts[i] + l->adds[i];
        if (!cached || limit_cache_put(&l->cache, key, count, &key, &count)) {
            limit_store_put(l->store, key, count);
            l->writes++;
        }
    }
    limit_store_write(l->store);
    l->records += l->options->batch;
    l->reads += n;
}

static void read_batch(struct limit_loop *l)
{
    uint32_t n = draw_keys(l, (uint32_t)l->options->batch);
    limit_store_read(l->store, l->keys, n, l->counts);
    l->records += l->options->batch;
    l->reads += n;
}

/* Returns CPU nanoseconds of this thread per record, in the best of ten parts: other work runs on the machine. */
static double run(struct limit_loop *l, uint64_t records)
{
    double best = 1e18;
    for (uint64_t part = 1; part <= 10; part++) {
        uint64_t first = l->records;
        int64_t start = clock_thread_cpu_ns();
        for (; l->run < records * part / 10; l->run += l->options->batch) {
            if (l->options->reads_only) {
                read_batch(l);
            } else {
                run_batch(l);
            }
        }
        double ns = (double)(clock_thread_cpu_ns() - start);
        best = l->records > first ? MIN(best, ns / (double)(l->records - first)) : best;
    }
    l->run = 0;
    return best;
}

/* ---- measuring --------------------------------------------------------------------------------- */

/* What the process has given to the file system. */
static uint64_t written_bytes(void)
{
    unsigned long long bytes = 0;
    char line[128];
    FILE *f = fopen("/proc/self/io", "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        (void)sscanf(line, "wchar: %llu", &bytes);
    }
    if (f != NULL) {
        (void)fclose(f);
    }
    return bytes;
}

static void await_compaction(struct limit_store *s)
{
    uint64_t running = 1, pending = 1;
    while (running + pending > 0) {
        const struct timespec pause = {.tv_nsec = 10000000};
        (void)nanosleep(&pause, NULL);
        (void)rocksdb_property_int(s->db, "rocksdb.num-running-compactions", &running);
        (void)rocksdb_property_int(s->db, "rocksdb.compaction-pending", &pending);
    }
}

static void check_sum(struct limit_loop *l)
{
    for (uint64_t i = 0; l->cache.sets != NULL && i <= l->cache.mask; i++) {
        const struct limit_cache_set *s = &l->cache.sets[i];
        for (uint32_t k = 0; k < LIMIT_CACHE_WAYS; k++) {
            if (s->keys[k] != LIMIT_CACHE_FREE) {
                limit_store_put(l->store, s->keys[k], s->counts[k]);
            }
        }
        if (i % 1024 == 0 || i == l->cache.mask) {
            limit_store_write(l->store);
        }
    }
    int64_t sum = limit_store_sum(l->store);
    int64_t expected = l->options->reads_only ? 0 : (int64_t)l->records;
    if (sum != expected) {
        fprintf(stderr, "bench_rocksdb_limit: counts of %lld instead of %lld records\n",
                (long long)sum, (long long)expected);
        exit(1);
    }
}

static void report_figure(struct bench_report *r, const char *what, double figure, const char *unit,
                          enum bench_better better)
{
    char name[80];
    snprintf(name, sizeof(name), "hand-written loop on RocksDB, %s", what);
    bench_report_add(r, name, figure, unit, 0, 0, better);
}

static void measure(struct limit_loop *l)
{
    static struct bench_report r;
    struct rusage usage;
    (void)run(l, l->options->warm_up);
    await_compaction(l->store);
    uint64_t records = l->records, reads = l->reads, writes = l->writes, bytes = written_bytes();
    int64_t wall = clock_monotonic_ns(&clock_system), cpu = clock_process_cpu_ns();
    int64_t own = clock_thread_cpu_ns();
    double best = run(l, l->options->records);
    if (l->options->settled) {
        await_compaction(l->store);
    }
    wall = clock_monotonic_ns(&clock_system) - wall;
    cpu = clock_process_cpu_ns() - cpu;
    own = clock_thread_cpu_ns() - own;
    double done = (double)(l->records - records);
    (void)getrusage(RUSAGE_SELF, &usage);
    report_figure(&r, "a wall second", done * 1e3 / (double)wall, "M records",
                  BENCH_MORE_IS_BETTER);
    report_figure(&r, "a CPU second", done * 1e3 / (double)cpu, "M records", BENCH_MORE_IS_BETTER);
    report_figure(&r, "a CPU second of the loop alone", done * 1e3 / (double)own, "M records",
                  BENCH_MORE_IS_BETTER);
    report_figure(&r, "the same, in the best tenth", 1e3 / best, "M records", BENCH_MORE_IS_BETTER);
    report_figure(&r, "reads per record", (double)(l->reads - reads) / done, "",
                  BENCH_LESS_IS_BETTER);
    report_figure(&r, "writes per record", (double)(l->writes - writes) / done, "",
                  BENCH_LESS_IS_BETTER);
    report_figure(&r, "written per record", (double)(written_bytes() - bytes) / done, "bytes",
                  BENCH_LESS_IS_BETTER);
    report_figure(&r, "peak memory", (double)usage.ru_maxrss / 1024, "MB", BENCH_LESS_IS_BETTER);
    bench_report_print(&r);
}

int main(int argc, char **argv)
{
    struct limit_options options = limit_defaults;
    struct limit_loop *l = MEM_NEW(struct limit_loop);
    bench_options_parse(&limit_program, &options, argc, argv);
    if (options.batch == 0 || options.batch > LIMIT_BATCH_MAX || options.keys < 2 ||
        options.run_entries == 0) {
        bench_options_usage(&limit_program);
        return 2;
    }
    l->options = &options;
    l->store = limit_store_open(&options);
    key_stream_init(&l->stream, options.keys, options.zipf, options.seed);
    if (options.cache_entries > 0) {
        limit_cache_init(&l->cache, options.cache_entries);
    }
    measure(l);
    check_sum(l);
    limit_store_close(l->store, &options);
    mem_free(l->cache.sets);
    mem_free(l);
    return 0;
}
