/* The job master's own struct, and what its files offer each other.  Everything here runs on the job
 * master's thread.
 *
 *   jobmaster.c     start, end, the public calls as operations of the mailbox
 *   messages.c      what workers say
 *   workers.c       channels to workers, fencing
 *   scheduling.c    slots, waiting for them
 *   deployment.c    deploy messages
 *   failover.c      failures, restarts, cancellation, the end of the job
 *   transitions.c   the moves of job and executions
 *   coordinators.c  coordinator halves of operators
 *   coordinator_host.c  what these may ask for
 *   coordinator_requests.c  what clients ask them
 *   reconcile.c     asking workers for what they run
 *   attempts.c      where attempts ran and why they failed; prior ones
 *   details.c       what others may see of all that
 *   checkpoints.c   the host of the checkpointer (jobmanager/checkpoint)
 *   adaptive.c      the adaptive scheduler (jobmanager/adaptive): the parallelism of each attempt
 *   rescale.c       the execution graph at another parallelism */
#ifndef FLINC_JOBMANAGER_JOBMASTER_JOBMASTER_INTERNAL_H
#define FLINC_JOBMANAGER_JOBMASTER_JOBMASTER_INTERNAL_H

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "jobmanager/jobmaster/adaptive.h"
#include "jobmanager/jobmaster/checkpoints.h"
#include "jobmanager/jobmaster/coordinator_proxy.h"
#include "jobmanager/jobmaster/coordinators.h"
#include "jobmanager/jobmaster/details.h"
#include "jobmanager/jobmaster/execution_graph.h"
#include "jobmanager/jobmaster/job_metrics.h"
#include "jobmanager/jobmaster/job_status.h"
#include "jobmanager/jobmaster/restart_strategy.h"
#include "jobmanager/jobmaster/slot_pool.h"
#include "jobmanager/jobmaster/snapshot.h"
#include "jobmanager/jobmaster/workers.h"

#define JOBMASTER_TOPIC "flinc.jobmaster"

enum { JOBMASTER_TASK_NAME_BYTES = 512 }; /* task names in log lines */

/* mailbox_op.kind of the job master's operations; sender -> job master. */
enum jobmaster_op {
    JOBMASTER_OP_ADD_WORKER,         /* owner */
    JOBMASTER_OP_OFFER_SLOTS,        /* slot provider */
    JOBMASTER_OP_SLOT_LOST,          /* slot provider */
    JOBMASTER_OP_SLOTS_REFUSED,      /* slot provider */
    JOBMASTER_OP_CANCEL,             /* owner */
    JOBMASTER_OP_WORKER_MESSAGE,     /* worker */
    JOBMASTER_OP_WORKER_CLOSED,      /* worker's channel */
    JOBMASTER_OP_ASYNC_DONE,         /* I/O executor, for a coordinator */
    JOBMASTER_OP_GLOBAL_FAILURE,     /* a coordinator */
    JOBMASTER_OP_TASK_FAILURE,       /* a coordinator whose event does not get through */
    JOBMASTER_OP_CHILD_MESSAGE,      /* jobcoordinator */
    JOBMASTER_OP_CHILD_CLOSED,       /* jobcoordinator's channel */
    JOBMASTER_OP_DETAILS,            /* REST, dispatcher */
    JOBMASTER_OP_SUSPEND,            /* owner */
    JOBMASTER_OP_RECONCILE,          /* resource manager */
    JOBMASTER_OP_CHECKPOINT,         /* REST: a checkpoint or savepoint is wanted */
    JOBMASTER_OP_CHECKPOINT_IO,      /* I/O executor, for the checkpointer */
    JOBMASTER_OP_CHECKPOINT_SETTLED, /* the checkpointer: a restart may go on */
    JOBMASTER_OP_RESCALE_TRIGGER,    /* the checkpointer: a good moment for a rescale */
    JOBMASTER_OP_REQUIREMENTS,       /* REST: other bounds of the parallelism */
    JOBMASTER_OP_COORDINATION,       /* REST, mini cluster: a client asks a coordinator */
};

/* A restart of the whole job that is under way. */
struct global_restart {
    bool pending;
    bool due;     /* the delay is over */
    bool rescale; /* planned: no failure led to it */
    uint64_t timer;
};

struct jobmaster {
    struct jobmaster_options options;
    struct conf conf; /* the cluster's with the job's over it */
    struct flinc_id job_id;
    char job_hex[ID_HEX_LEN + 1];
    char log_context[ID_HEX_LEN + 8]; /* "job=<id>" */
    const struct clock *clock;        /* Borrows */
    struct component *component;      /* Owns */
    struct rng rng;
    enum job_status status;                    /* written by job_transition() only */
    int64_t status_since_ms[JOB_STATUS_COUNT]; /* wall clock; the last time; 0: never */
    struct error cause;                        /* why the job is FAILING, or SUSPENDED */
    struct execution_graph graph;
    struct slot_pool slots;
    bool deploying, deploy_again; /* regions_deploy_ready() is at work; was asked for meanwhile */
    struct error slots_refused;   /* the last reason that a slot could not be had */
    struct restart_strategy strategy;
    struct global_restart global;
    struct adaptive_scheduler adaptive;
    struct workers workers;
    struct coordinators coordinators;
    struct coordinator_child child;
    struct job_checkpoints checkpoints;
    struct snapshot snapshot;
    struct details_maker details;
    struct job_metrics metrics;
    uint64_t reconcile_timer;
    uint64_t reconcile_round; /* number of the last state request */
    int64_t refresh_ns;       /* monotonic time of the last request for values; 0: none yet */
};

int64_t jobmaster_now_ms(const struct jobmaster *jm); /* wall clock */

/* ---- transitions.c ----------------------------------------------------------------------- */

void job_transition(struct jobmaster *jm, enum job_status to);
/* why: for FAILED, what to log; else NULL. */
void execution_transition(struct jobmaster *jm, struct execution *e, Flinc__ExecutionState to,
                          const struct error *why);

/* ---- scheduling.c, deployment.c ---------------------------------------------------------------- */

/* All attempts of the region are new: takes them to SCHEDULED, where they wait for slots. */
void region_schedule(struct jobmaster *jm, struct region *r);
/* Deploys all regions that wait and whose slots are there. */
void regions_deploy_ready(struct jobmaster *jm);
void slots_init(struct jobmaster *jm);
void slots_declare(struct jobmaster *jm);
/* The job ends: slots that it loses from now on are not replaced; those that it has stay until its end. */
void slots_declare_none(struct jobmaster *jm);
void slots_offer(struct jobmaster *jm, const struct slot *slots, uint32_t n);
/* The slot is gone; with `give_back` the provider does not know it yet. */
void slots_lost(struct jobmaster *jm, const struct flinc_id *allocation_id,
                const struct error *why);
/* The worker is gone: all its slots go back to the provider. */
void slots_drop_worker(struct jobmaster *jm, uint32_t worker);
void slots_release_all(struct jobmaster *jm);
/* The job needs these slots from now on; `order` as for slot_pool_arrange().  Surplus ones go back, from the
 * end. */
void slots_rearrange(struct jobmaster *jm, const struct slot_layout *layout, const uint32_t *order,
                     uint32_t n_order);
/* "3 slots and has 2": what of `needed` (by kind) is not there. */
void slots_append_missing(const struct jobmaster *jm, const uint32_t *needed, struct str *out);
const char *slots_remedy(const struct jobmaster *jm); /* a sentence for who lacks slots */
/* Sends the SCHEDULED tasks of all DEPLOYED regions to their workers. */
void tasks_deploy(struct jobmaster *jm);

/* ---- failover.c -------------------------------------------------------------------------------- */

/* Where the news of a failure comes from. */
enum failure_source {
    FAILURE_OF_WORKER, /* nothing of the task is left there */
    FAILURE_HERE,      /* something may run there: it is cancelled */
};

/* These attempts have failed for one reason; ended ones are passed over. */
void failover_tasks_failed(struct jobmaster *jm, struct execution *const *executions, size_t n,
                           const struct error *why, enum failure_source source);
void failover_task_failed(struct jobmaster *jm, struct execution *e, const struct error *why,
                          enum failure_source source);
/* Something that concerns the whole job has failed. */
void failover_global(struct jobmaster *jm, const struct error *why);
void failover_cancel_job(struct jobmaster *jm);
/* Goes on where the last attempts have ended: restarts, or the end of the job. */
void failover_check(struct jobmaster *jm);
/* All tasks are to run anew with other parallelisms: no failure, the restart strategy is not asked.
 * adaptive_on_tasks_ended() follows. */
void failover_rescale(struct jobmaster *jm);
/* All attempts have ended: new ones in their places. */
void failover_renew(struct jobmaster *jm);
/* The owner does not wait for workers any more: what still runs counts as cancelled. */
void failover_abandon(struct jobmaster *jm);
/* Ends the job here without waiting for workers; it may go on elsewhere. */
void failover_suspend(struct jobmaster *jm, const struct error *why);

/* ---- messages.c -------------------------------------------------------------------------------- */

void messages_on_worker_message(struct jobmaster *jm, struct worker_link *link,
                                const Flinc__WorkerToMaster *message);
void messages_on_worker_closed(struct jobmaster *jm, struct worker_link *link,
                               const struct error *why);

/* ---- requirements.c ---------------------------------------------------------------------------- */

/* By vertex of the graph, checked; ret has a place for each. */
int requirements_read(const Flinc__JobGraph *graph, const struct job_requirement *requirements,
                      size_t n, struct parallelism_bounds *ret, struct error *err) MUST_CHECK;

/* ---- jobmaster.c ------------------------------------------------------------------------------- */

/* All that the job starts from is there: coordinators start, regions ask for slots. */
void jobmaster_begin(struct jobmaster *jm);
/* The job is in a terminal state: closes what it has and tells the owner. */
void jobmaster_end(struct jobmaster *jm, enum job_status status);

#endif
