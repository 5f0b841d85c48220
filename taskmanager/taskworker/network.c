/* The worker's side of the exchange between workers. */
#include "common/base/log.h"
#include "taskmanager/taskworker/taskworker.h"

int taskworker_network_start(struct taskworker *tw, struct error *err)
{
    const struct network_options options = {
        .conf = &tw->conf,
        .registry = worker_partitions(tw->worker),
        .budget = &tw->pools,
        .job_id = tw->job_id,
        .incarnation = tw->incarnation,
        .name = "network",
    };
    return network_new(&options, &tw->network, err);
}

void taskworker_network_stop(struct taskworker *tw)
{
    if (tw->network != NULL) {
        tw->network = network_free(tw->network);
    }
}

void taskworker_network_accept(struct taskworker *tw, int take_fd, const char *peer)
{
    network_accept(tw->network, take_fd, peer);
}

int taskworker_open_remote(void *arg, const char *location, const struct remote_input *input,
                           struct channel **ret_channel, struct error *err)
{
    struct taskworker *tw = arg;
    struct remote_input in = *input;
    TRY(data_location_parse(location, &in.location, err));
    return network_open_input(tw->network, &in, ret_channel, err);
}
