/* One table of names (network_metrics.h). */
#include "taskmanager/network/network_metrics.h"

static const struct {
    const char *name;
    size_t offset;
    bool is_input; /* below Input, else below Output */
} counters[] = {
    {"numBytesInRemote", offsetof(struct network_metrics, bytes_in), true},
    {"numBuffersInRemote", offsetof(struct network_metrics, batches_in), true},
    {"numFramesIn", offsetof(struct network_metrics, frames_in), true},
    {"numFramesDamaged", offsetof(struct network_metrics, damaged), true},
    {"numConnectionsMade", offsetof(struct network_metrics, connected), true},
    {"numConnectRetries", offsetof(struct network_metrics, retries), true},
    {"numConnectionsBroken", offsetof(struct network_metrics, broken), true},
    {"numBytesOutRemote", offsetof(struct network_metrics, bytes_out), false},
    {"numBuffersOutRemote", offsetof(struct network_metrics, batches_out), false},
    {"numFramesOut", offsetof(struct network_metrics, frames_out), false},
    {"numFramesCompressed", offsetof(struct network_metrics, compressed), false},
    {"numConnectionsAccepted", offsetof(struct network_metrics, accepted), false},
    {"numRequestsRefused", offsetof(struct network_metrics, refused), false},
};

static void gauge_read(void *arg, struct metric_value *ret_value)
{
    const struct metric_gauge *g = arg;
    metric_value_set_i64(ret_value, atomic_load_explicit(&g->value, memory_order_relaxed));
}

void network_metrics_init(struct network_metrics *m, struct metric_group *group)
{
    *m = (struct network_metrics){0};
    if (group == NULL) {
        return;
    }
    struct metric_group *shuffle = metric_group_add(group, "Shuffle");
    struct metric_group *netty = metric_group_add(shuffle, "Netty");
    struct metric_group *input = metric_group_add(netty, "Input");
    struct metric_group *output = metric_group_add(netty, "Output");
    m->group = shuffle;
    for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
        metric_group_add_counter(counters[i].is_input ? input : output, counters[i].name,
                                 (struct metric_counter *)(void *)((char *)m + counters[i].offset));
    }
    metric_group_gauge_fn(input, "numChannels", gauge_read, &m->channels_in);
    metric_group_gauge_fn(output, "numChannels", gauge_read, &m->channels_out);
    metric_group_gauge_fn(netty, "numConnections", gauge_read, &m->connections);
}

void network_metrics_fini(struct network_metrics *m)
{
    m->group = metric_group_free(m->group);
}
