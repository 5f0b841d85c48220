/* Coordinators that are not in the tree: a stand-in for each in the job master, the code in a child process of
 * the job (jobmanager/jobcoordinator), which is started with the first of them and ends with the job.
 *
 * A child that dies fails the job globally; the restart that follows starts another child, and in it all
 * coordinators anew.  Starts and resets are numbered: an event of the child that crossed a reset of its subtask
 * carries an older number and is dropped, so that no attempt gets what was meant for another.
 * Thread: the job master's. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_COORDINATOR_PROXY_H
#define FLINC_JOBMANAGER_JOBMASTER_COORDINATOR_PROXY_H

#include "jobmanager/jobmaster/coordinators.h"

/* The child of a job.  Caller's memory. */
struct coordinator_child {
    struct rpc_channel *channel; /* Owns; NULL: there is none */
    uint64_t life;               /* counts children */
    uint64_t epoch;              /* counts starts and resets */
    uint64_t events_stale;       /* of the child, dropped */
};

extern const struct coordinator_desc coordinator_proxy_desc;
/* coordinator_on_child_snapshot() follows. */
int coordinator_proxy_ask_snapshot(struct coordinator_holder *h, uint64_t checkpoint_id,
                                   struct error *err) MUST_CHECK;
/* After the coordinators were closed. */
void coordinator_child_fini(struct jobmaster *jm);

#endif
