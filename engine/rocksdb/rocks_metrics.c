/* Properties and tickers; see rocks_metrics.h.  Thread: any. */
#include "engine/rocksdb/rocks_metrics.h"

#include "engine/rocksdb/rocks_inside.h"

#include <pthread.h>
#include <stdlib.h>

#define PROPERTY(name)                         \
    {                                          \
        (name), (name), "rocksdb." name, false \
    }
#define TICKER(option, name, ticker)                  \
    {                                                 \
        (option), (name), "rocksdb." ticker " ", true \
    }

/* Of memtables there is nothing to see: nothing goes through them. */
static const struct rocks_metric table[] = {
    PROPERTY("actual-delayed-write-rate"),
    PROPERTY("background-errors"),
    PROPERTY("block-cache-capacity"),
    PROPERTY("block-cache-pinned-usage"),
    PROPERTY("block-cache-usage"),
    PROPERTY("compaction-pending"),
    PROPERTY("cur-size-active-mem-table"),
    PROPERTY("cur-size-all-mem-tables"),
    PROPERTY("estimate-live-data-size"),
    PROPERTY("estimate-num-keys"),
    PROPERTY("estimate-pending-compaction-bytes"),
    PROPERTY("estimate-table-readers-mem"),
    PROPERTY("is-write-stopped"),
    PROPERTY("live-sst-files-size"),
    PROPERTY("mem-table-flush-pending"),
    PROPERTY("num-deletes-active-mem-table"),
    PROPERTY("num-deletes-imm-mem-tables"),
    PROPERTY("num-entries-active-mem-table"),
    PROPERTY("num-entries-imm-mem-tables"),
    {"num-files-at-level", "num-files-at-level0", "rocksdb.num-files-at-level0", false},
    {"num-files-at-level", "num-files-at-level1", "rocksdb.num-files-at-level1", false},
    {"num-files-at-level", "num-files-at-level2", "rocksdb.num-files-at-level2", false},
    {"num-files-at-level", "num-files-at-level3", "rocksdb.num-files-at-level3", false},
    {"num-files-at-level", "num-files-at-level4", "rocksdb.num-files-at-level4", false},
    {"num-files-at-level", "num-files-at-level5", "rocksdb.num-files-at-level5", false},
    {"num-files-at-level", "num-files-at-level6", "rocksdb.num-files-at-level6", false},
    PROPERTY("num-immutable-mem-table"),
    PROPERTY("num-live-versions"),
    PROPERTY("num-running-compactions"),
    PROPERTY("num-running-flushes"),
    PROPERTY("num-snapshots"),
    PROPERTY("size-all-mem-tables"),
    PROPERTY("total-sst-files-size"),
    TICKER("block-cache-hit", "block_cache_hit", "block.cache.hit"),
    TICKER("block-cache-miss", "block_cache_miss", "block.cache.miss"),
    TICKER("bloom-filter-full-positive", "bloom_filter_full_positive",
           "bloom.filter.full.positive"),
    TICKER("bloom-filter-full-true-positive", "bloom_filter_full_true_positive",
           "bloom.filter.full.true.positive"),
    TICKER("bloom-filter-useful", "bloom_filter_useful", "bloom.filter.useful"),
    TICKER("bytes-read", "bytes_read", "bytes.read"),
    TICKER("bytes-written", "bytes_written", "bytes.written"),
    TICKER("compaction-read-bytes", "compact_read_bytes", "compact.read.bytes"),
    TICKER("compaction-write-bytes", "compact_write_bytes", "compact.write.bytes"),
    TICKER("iter-bytes-read", "iter_bytes_read", "db.iter.bytes.read"),
    TICKER("stall-micros", "stall_micros", "stall.micros"),
};
_Static_assert(ARRAY_LEN(table) <= ROCKS_METRICS_MAX, "a bit for each");

struct rocks_metrics {
    uint64_t wanted;
    _Atomic int64_t values[ARRAY_LEN(table)];
    /* Under lock: */
    pthread_mutex_t lock;
    const struct rocks_api *api; /* Borrows; NULL: no store */
    struct vec databases;        /* rocksdb_t *; Borrows */
    rocksdb_options_t *options;  /* Borrows: of the store, with its statistics; NULL: none */
};

const struct rocks_metric *rocks_metric_table(size_t *ret_n)
{
    *ret_n = ARRAY_LEN(table);
    return table;
}

struct rocks_metrics *rocks_metrics_new(uint64_t wanted)
{
    struct rocks_metrics *m = MEM_NEW(struct rocks_metrics);
    m->wanted = wanted;
    vec_init(&m->databases, sizeof(rocksdb_t *));
    pthread_mutex_init(&m->lock, NULL);
    return m;
}

struct rocks_metrics *rocks_metrics_free(struct rocks_metrics *m)
{
    if (m != NULL) {
        ASSERT(m->databases.len == 0);
        vec_fini(&m->databases);
        pthread_mutex_destroy(&m->lock);
        mem_free(m);
    }
    return NULL;
}

bool rocks_metrics_wants(const struct rocks_metrics *m, size_t row)
{
    return m != NULL && (m->wanted >> row & 1) != 0;
}

bool rocks_metrics_want_statistics(const struct rocks_metrics *m)
{
    bool wants = false;
    for (size_t i = 0; i < ARRAY_LEN(table); i++) {
        wants = wants || (table[i].is_ticker && rocks_metrics_wants(m, i));
    }
    return wants;
}

int64_t rocks_metrics_get(const struct rocks_metrics *m, size_t row)
{
    return atomic_load_explicit(&m->values[row], memory_order_relaxed);
}

/* ---- the store's side ------------------------------------------------------------------------------ */

void rocks_metrics_set_store(struct rocks_metrics *m, const struct rocks_api *api,
                             rocksdb_options_t *options)
{
    if (m != NULL) {
        pthread_mutex_lock(&m->lock);
        m->api = api;
        m->options = rocks_metrics_want_statistics(m) ? options : NULL;
        pthread_mutex_unlock(&m->lock);
    }
}

void rocks_metrics_add(struct rocks_metrics *m, rocksdb_t *db)
{
    if (m != NULL) {
        pthread_mutex_lock(&m->lock);
        vec_push_ptr(&m->databases, db);
        pthread_mutex_unlock(&m->lock);
    }
}

void rocks_metrics_remove(struct rocks_metrics *m, const rocksdb_t *db)
{
    if (m == NULL) {
        return;
    }
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < m->databases.len; i++) {
        if (vec_ptr(&m->databases, i) == db) {
            vec_remove(&m->databases, i);
            break;
        }
    }
    pthread_mutex_unlock(&m->lock);
}

/* ---- sampling -------------------------------------------------------------------------------------- */

static void set(struct rocks_metrics *m, size_t row, uint64_t value)
{
    atomic_store_explicit(&m->values[row], (int64_t)value, memory_order_relaxed);
}

static uint64_t sum_of(const struct rocks_metrics *m, const char *property)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < m->databases.len; i++) {
        uint64_t value = 0;
        if (m->api->property_int(vec_ptr(&m->databases, i), property, &value) == 0) {
            sum += value;
        }
    }
    return sum;
}

/* "rocksdb.block.cache.hit COUNT : 17" */
static uint64_t ticker_of(const char *text, const char *ticker)
{
    const char *at = strstr(text, ticker);
    const char *colon = at != NULL ? strchr(at, ':') : NULL;
    return colon != NULL ? strtoull(colon + 1, NULL, 10) : 0;
}

void rocks_metrics_sample(struct rocks_metrics *m)
{
    pthread_mutex_lock(&m->lock);
    char *text = m->options != NULL ? m->api->options_statistics_get_string(m->options) : NULL;
    for (size_t i = 0; i < ARRAY_LEN(table) && m->api != NULL; i++) {
        if (!rocks_metrics_wants(m, i)) {
            continue;
        }
        if (!table[i].is_ticker) {
            set(m, i, sum_of(m, table[i].property));
        } else if (text != NULL) {
            set(m, i, ticker_of(text, table[i].property));
        }
    }
    pthread_mutex_unlock(&m->lock);
    free(text);
}
