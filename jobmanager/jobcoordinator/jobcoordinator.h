/* The jobcoordinator: hosts the coordinators of one job that are not in the tree, in a child process of the
 * job manager, so that no third party's code runs in that.  Its parent is the job master
 * (coordinator_proxy), which speaks proto/builder.proto's ToCoordinators over a socket pair; the end of that is
 * the end of the child.
 *
 * A coordinator's kind is looked up among the plug-ins (PLUGIN_KIND_COORDINATOR) of the plug-in folder, then of the
 * job's libraries.  All coordinators run on one thread, the loop's; their blocking work on an executor.
 * Flink has none: there coordinators run in the job master.
 * Thread: the loop's. */
#ifndef FLINC_JOBMANAGER_JOBCOORDINATOR_JOBCOORDINATOR_H
#define FLINC_JOBMANAGER_JOBCOORDINATOR_JOBCOORDINATOR_H

#include "common/loop/executor.h"
#include "common/loop/loop.h"
#include "common/rpc/channel.h"
#include "engine/operators/operator.h"

enum {
    JOBCOORDINATOR_FD = 3,      /* of the channel to the parent */
    JOBCOORDINATOR_VERSION = 1, /* of the messages */
    JOBCOORDINATOR_MAX = 65536, /* coordinators of a job */
};

struct jobcoordinator;
struct jobcoordinator_options {
    struct loop *loop;            /* Borrows */
    struct executor *io_executor; /* Borrows */
    /* The channel is over: nothing is left to do. */
    void (*on_over)(void *owner);
    void *owner;
};
struct jobcoordinator *jobcoordinator_new(const struct jobcoordinator_options *options);
void jobcoordinator_get_end(struct jobcoordinator *j, struct rpc_end_options *ret_end);
void jobcoordinator_set_channel(struct jobcoordinator *j, struct rpc_channel *take_channel);
/* Closes what runs, unloads plug-ins.  NULL is fine; returns NULL. */
struct jobcoordinator *jobcoordinator_free(struct jobcoordinator *j);

#endif
