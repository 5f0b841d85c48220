/* What RocksDB says of a store, under the names that Flink has for it: properties, summed over the store's partitions, and
 * tickers of its statistics.  Off by default; read about once a second, never by the task.
 *
 * Thread: any; a lock guards the partitions.  Flink: RocksDBNativeMetricOptions, RocksDBNativeMetricMonitor. */
#ifndef FLINC_ENGINE_ROCKSDB_ROCKS_METRICS_H
#define FLINC_ENGINE_ROCKSDB_ROCKS_METRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { ROCKS_METRICS_MAX = 64 };

/* One of the table. */
struct rocks_metric {
    const char *option;   /* behind state.backend.rocksdb.metrics. */
    const char *name;     /* of the gauge, behind "rocksdb." */
    const char *property; /* RocksDB's, or the ticker's */
    bool is_ticker;       /* of the operator; others are of a state */
};
const struct rocks_metric *rocks_metric_table(size_t *ret_n);

struct rocks_metrics;
/* `wanted`: bit i for row i of the table. */
struct rocks_metrics *rocks_metrics_new(uint64_t wanted);
/* Behind its store.  NULL is fine; returns NULL. */
struct rocks_metrics *rocks_metrics_free(struct rocks_metrics *m);
bool rocks_metrics_wants(const struct rocks_metrics *m, size_t row); /* false: NULL */
/* Reads what is wanted; nothing without a store. */
void rocks_metrics_sample(struct rocks_metrics *m);
int64_t rocks_metrics_get(const struct rocks_metrics *m, size_t row); /* as of the last sample */

#endif
