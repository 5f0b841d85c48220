/* The counters of the exchange between workers, under Shuffle.Netty as Flink has them, and more of our own.
 * Thread: the network's writes, any reads. */
#ifndef FLINC_TASKMANAGER_NETWORK_NETWORK_METRICS_H
#define FLINC_TASKMANAGER_NETWORK_NETWORK_METRICS_H

#include "common/metrics/registry.h"

struct network_metrics {
    struct metric_counter bytes_in, bytes_out; /* on the wire */
    struct metric_counter frames_in, frames_out;
    struct metric_counter batches_in, batches_out; /* Flink's buffers */
    struct metric_counter connected, accepted, broken, retries;
    struct metric_counter refused;    /* requests for subpartitions, by this worker */
    struct metric_counter damaged;    /* frames with a wrong check or that no peer sends */
    struct metric_counter compressed; /* frames sent compressed */
    struct metric_gauge channels_in, channels_out, connections;
    struct metric_group *group; /* Owns; may be NULL */
};
/* `group` may be NULL: nobody sees them. */
void network_metrics_init(struct network_metrics *m, struct metric_group *group);
void network_metrics_fini(struct network_metrics *m);

#endif
