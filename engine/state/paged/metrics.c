/* Figures of the cache and of the store below it, as metrics: Flink's names for RocksDB's own.
 * Thread: one owner (the task); readers look at atomics.  Flink: RocksDBNativeMetricMonitor. */
#include "engine/state/paged/paged.h"

enum figure {
    FIGURE_BYTES,
    FIGURE_READS,
    FIGURE_MISSES,
    FIGURE_FOUND,
    FIGURE_EVICTED,
    FIGURE_WRITTEN,
    FIGURE_PIECES,
    FIGURE_READ_THROUGH,
    FIGURES
};
_Static_assert((int)FIGURES <= (int)PAGED_FIGURES_MAX, "a gauge for each");

static const char *const figure_names[] = {
    [FIGURE_BYTES] = "bytes",        [FIGURE_READS] = "numReads",
    [FIGURE_MISSES] = "numMisses",   [FIGURE_FOUND] = "numFound",
    [FIGURE_EVICTED] = "numEvicted", [FIGURE_WRITTEN] = "numWritten",
    [FIGURE_PIECES] = "numPieces",   [FIGURE_READ_THROUGH] = "numReadThrough"};

/* A gauge function for each row of RocksDB's table would be the same one: the row is in the argument. */
struct shown_row {
    const struct rocks_metrics *metrics; /* Borrows */
    size_t row;
};

static void read_row(void *arg, struct metric_value *ret_value)
{
    const struct shown_row *r = arg;
    metric_value_set_i64(ret_value, rocks_metrics_get(r->metrics, r->row));
}

static void show_row(struct paged_store *s, struct metric_group *g, size_t row, const char *name)
{
    struct shown_row *r = &s->shown_rows[row];
    *r = (struct shown_row){s->options->disk->metrics, row};
    metric_group_gauge_fn(g, name, read_row, r);
}

/* Rows of the table that are tickers, or those that are not. */
static void show_rows(struct paged_store *s, struct metric_group *g, bool is_ticker)
{
    size_t n;
    const struct rocks_metric *table = rocks_metric_table(&n);
    for (size_t i = 0; i < n; i++) {
        if (table[i].is_ticker == is_ticker && rocks_metrics_wants(s->options->disk->metrics, i)) {
            show_row(s, g, i, table[i].name);
        }
    }
}

void paged_store_show(struct paged_store *s)
{
    struct metric_group *of_all = s->options->metrics;
    size_t n;
    if (of_all == NULL) {
        return;
    }
    (void)rocks_metric_table(&n);
    s->shown_rows = MEM_NEW_ARRAY(struct shown_row, n);
    struct metric_group *cache = metric_group_add(of_all, "stateCache");
    struct metric_group *rocksdb = metric_group_add(of_all, "rocksdb");
    for (int i = 0; i < FIGURES; i++) {
        s->gauges[i] = metric_group_gauge(cache, figure_names[i]);
    }
    show_rows(s, rocksdb, true);
    vec_push_ptr(&s->shown, cache);
    vec_push_ptr(&s->shown, rocksdb);
}

void paged_state_show(struct paged_state *ps)
{
    struct paged_store *s = ps->store;
    if (s->options->metrics == NULL || s->options->disk->metrics == NULL) {
        return;
    }
    ps->shown = s->options->disk->names_states
                    ? metric_group_add_pair(s->options->metrics, "column_family", ps->state->name)
                    : metric_group_add(s->options->metrics, ps->state->name);
    show_rows(s, metric_group_add(ps->shown, "rocksdb"), false);
}

static uint64_t bytes_in_use(const struct paged_store *s)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < s->tables.len; i++) {
        bytes += paged_table_bytes(vec_ptr(&s->tables, i));
    }
    return bytes;
}

void paged_store_publish(struct paged_store *s)
{
    const uint64_t figures[] = {
        [FIGURE_BYTES] = bytes_in_use(s),
        [FIGURE_READS] = s->n_reads,
        [FIGURE_MISSES] = s->n_misses,
        [FIGURE_FOUND] = s->n_found,
        [FIGURE_EVICTED] = s->n_evicted,
        [FIGURE_WRITTEN] = s->n_written,
        [FIGURE_PIECES] = s->n_pieces,
        [FIGURE_READ_THROUGH] = rocks_store_read_through(s->rocks),
    };
    for (int i = 0; i < FIGURES && s->gauges[i] != NULL; i++) {
        metric_gauge_set(s->gauges[i], (int64_t)figures[i]);
    }
}
