/* The timer service alone: event-time timers set and fired, per CPU second of its one thread.  A record is
 * a row of a batch that is made beforehand; what fires is counted.  The limit is a binary heap of (time,
 * key) in plain C, without state, deletion or duplicates. */
#include "bench/report.h"
#include "engine/data/builder.h"
#include "engine/data/hash.h"
#include "engine/state/timers/timers.h"

#include <stdlib.h>

enum { ROWS = BATCH_ROWS_TARGET, RING = 256 };

struct run {
    uint32_t n_keys;
    int64_t spread_ms;      /* a timer is up to so far ahead */
    int64_t batches_per_ms; /* event time goes on by 1 ms every so many batches */
    uint32_t batches;
    bool move; /* each record deletes the timer that its key set before */
    bool mass; /* nothing fires before the end */
};

static void check(int rc, const struct error *err)
{
    if (rc < 0) {
        fprintf(stderr, "bench_timers: %s\n", err->message);
        exit(1);
    }
}

static uint64_t random_next(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state;
}

static const uint32_t key_columns[] = {0};

static struct batch *keys_new(struct buffer_pool *pool, const struct schema *schema,
                              uint32_t n_keys, uint64_t *random)
{
    struct builder b;
    builder_init(&b, pool, schema, ROWS);
    for (int i = 0; i < ROWS; i++) {
        builder_put_i64(&b, 0, (int64_t)(random_next(random) % n_keys));
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    batch_hash_keys(pool, batch, key_columns, 1);
    return batch;
}

static uint64_t fire(struct timer_service *timers, int64_t watermark_ms)
{
    struct error err = ERROR_INIT;
    struct timer timer;
    uint64_t n = 0;
    int rc;
    while ((rc = timer_service_fire(timers, TIMER_EVENT, watermark_ms, &timer, &err)) == 1) {
        n++;
    }
    check(rc, &err);
    return n;
}

static void set_timers(struct timer_service *timers, struct batch *b, const struct run *r,
                       int64_t now_ms, int64_t *last_ms, uint64_t *random)
{
    struct error err = ERROR_INIT;
    const int64_t *keys = COLUMN_VALUES(&b->columns[0], const int64_t);
    check(timer_service_begin(timers, b, key_columns, &err), &err);
    for (uint32_t row = 0; row < ROWS; row++) {
        int64_t at_ms = now_ms + 1 + (int64_t)(random_next(random) % (uint64_t)r->spread_ms);
        if (r->move) {
            int rc = timer_service_delete(timers, TIMER_EVENT, row, 0, last_ms[keys[row]], &err);
            check(rc, &err);
            last_ms[keys[row]] = at_ms;
        }
        check(timer_service_add(timers, TIMER_EVENT, row, 0, at_ms, &err), &err);
    }
    check(timer_service_settle(timers, &err), &err);
}

/* Million records, each with a timer set and fired (or deleted), per CPU second. */
static double rate(const struct run *r)
{
    struct error err = ERROR_INIT;
    struct buffer_pool *pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    struct keyed_backend *backend = NULL;
    struct timer_service *timers = NULL;
    struct schema *schema = NULL;
    static struct batch *ring[RING];
    uint64_t random = 88172645463325252, n_fired = 0;
    int64_t now_ms = 0;
    buffer_pool_adopt(pool);
    check(schema_parse(slice_cstr("ROW<k BIGINT NOT NULL>"), &schema, &err), &err);
    struct keyed_backend_options options = {
        .operator_name = "bench", .pool = pool, .max_parallelism = 128, .last_group = 127};
    check(keyed_backend_new("hashmap", &options, &backend, &err), &err);
    struct timer_service_options service = {.name = "bench", .key_schema = schema};
    check(timer_service_new(backend, &service, &timers, &err), &err);
    for (int i = 0; i < RING; i++) {
        ring[i] = keys_new(pool, schema, r->n_keys, &random);
    }
    int64_t *last_ms = calloc(r->n_keys, sizeof(*last_ms));
    double start = bench_cpu_seconds();
    for (uint32_t i = 0; i < r->batches; i++) {
        now_ms = i / r->batches_per_ms;
        set_timers(timers, ring[i % RING], r, now_ms, last_ms, &random);
        n_fired += r->mass ? 0 : fire(timers, now_ms);
    }
    n_fired += fire(timers, INT64_MAX - 1);
    double seconds = bench_cpu_seconds() - start;
    double records = (double)r->batches * ROWS;
    /* Some are set twice. */
    if (!r->move && (double)n_fired < records * 0.5) {
        fprintf(stderr, "bench_timers: only %llu timers fired\n", (unsigned long long)n_fired);
        exit(1);
    }
    free(last_ms);
    for (int i = 0; i < RING; i++) {
        batch_unref(ring[i]);
    }
    timer_service_free(timers);
    keyed_backend_free(backend);
    schema_unref(schema);
    buffer_pool_close(pool);
    return (r->move ? records : (double)n_fired) / seconds * 1e-6;
}

/* ---- plain C ------------------------------------------------------------------------------------- */

struct entry {
    int64_t at_ms, key;
};

static double plain_rate(const struct run *r)
{
    uint64_t random = 88172645463325252, n = 0, n_fired = 0;
    double records = (double)r->batches * ROWS;
    struct entry *heap = malloc(sizeof(*heap) * (size_t)records);
    double start = bench_cpu_seconds();
    for (uint64_t i = 0; i < (uint64_t)records; i++) {
        int64_t now_ms = (int64_t)(i / ROWS) / r->batches_per_ms;
        struct entry e = {now_ms + 1 + (int64_t)(random_next(&random) % (uint64_t)r->spread_ms),
                          (int64_t)i};
        uint64_t at = n++;
        for (; at > 0 && heap[(at - 1) / 2].at_ms > e.at_ms; at = (at - 1) / 2) {
            heap[at] = heap[(at - 1) / 2];
        }
        heap[at] = e;
        while (n > 0 && heap[0].at_ms <= (i + 1 == (uint64_t)records ? INT64_MAX
                                          : r->mass                  ? -1
                                                                     : now_ms)) {
            n_fired++;
            struct entry last = heap[--n];
            at = 0;
            for (uint64_t child; (child = 2 * at + 1) < n; at = child) {
                child += child + 1 < n && heap[child + 1].at_ms < heap[child].at_ms;
                if (heap[child].at_ms >= last.at_ms) {
                    break;
                }
                heap[at] = heap[child];
            }
            heap[at] = last;
        }
    }
    double seconds = bench_cpu_seconds() - start;
    free(heap);
    return (double)n_fired / seconds * 1e-6;
}

/* With a word: only the rows that have it in their names. */
int main(int argc, char **argv)
{
    static struct bench_report report;
    static const struct {
        const char *name;
        struct run run;
        double bar;
    } rows[] = {
        {"timers: 100,000 keys, up to 1 s ahead",
         {.n_keys = 100000, .spread_ms = 1000, .batches_per_ms = 1, .batches = 8000},
         3},
        {"timers: 1 million keys, up to 10 s ahead, 1 M/s",
         {.n_keys = 1000000, .spread_ms = 10000, .batches_per_ms = 1, .batches = 8000},
         3},
        {"timers: 4 million at once",
         {.n_keys = 1000000,
          .spread_ms = 60000,
          .batches_per_ms = 1,
          .batches = 2000,
          .mass = true},
         3},
        {"timers: moved on with every record, 100,000 keys",
         {.n_keys = 100000,
          .spread_ms = 1000000,
          .batches_per_ms = 1,
          .batches = 8000,
          .move = true},
         0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        if (argc > 1 && strstr(rows[i].name, argv[1]) == NULL) {
            continue;
        }
        bool has_limit = !rows[i].run.move && getenv("BENCH_NO_LIMIT") == NULL;
        double limit = !has_limit ? 0 : plain_rate(&rows[i].run);
        bench_report_add(&report, rows[i].name, rate(&rows[i].run), "M timers/s", rows[i].bar,
                         limit, BENCH_MORE_IS_BETTER);
    }
    bench_report_print(&report);
    return 0;
}
