/* The adaptive scheduler: runs a job with the slots that there are, and rescales it when these or its
 * requirements change (jobmanager.scheduler: adaptive; scheduler-mode: reactive).
 *
 *   - It asks for the slots of the upper bounds, and takes what comes: once all are there, or the
 *     lower bounds are covered and no more came for a while, the parallelism of each vertex is
 *     chosen (jobmanager/adaptive/parallelism.h), and the job runs.
 *   - When it could run otherwise (slots came, the bounds are others), it waits for rest
 *     (transition_manager.h), takes a checkpoint at once, and behind it restarts all tasks from it at the
 *     new parallelism.  Such a restart is planned: the restart strategy is not asked.
 *   - A failure restarts the whole job as the restart strategy says, with the slots that are left.
 *
 * With the default scheduler everything here does nothing.  States: scheduler_state.h.
 * Thread: the job master's.  Flink: AdaptiveScheduler. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_ADAPTIVE_H
#define FLINC_JOBMANAGER_JOBMASTER_ADAPTIVE_H

#include "jobmanager/adaptive/adaptive_config.h"
#include "jobmanager/adaptive/parallelism.h"
#include "jobmanager/adaptive/rescale_history.h"
#include "jobmanager/adaptive/scheduler_state.h"
#include "jobmanager/adaptive/transition_manager.h"
#include "jobmanager/jobmaster/slot_pool.h"

/* Caller's memory. */
struct adaptive_scheduler {
    struct adaptive_config config;
    enum scheduler_state state; /* written by adaptive_transition() only */
    Flinc__JobGraph *graph; /* Owns; the job's with the parallelism of now; else borrows from it */
    Flinc__JobVertex *vertices;        /* Owns: of that graph */
    struct parallelism_bounds *bounds; /* Owns; as they are asked for, by vertex */
    struct parallelism_problem problem;
    struct transition_manager manager;
    uint64_t wait_timer;     /* WAITING_FOR_RESOURCES: the longest wait */
    const struct error *why; /* Borrows; what leads to the next state, while it comes into it */
    bool has_run;            /* there is an earlier attempt */
    bool rescaling;          /* RESTARTING: planned */
    bool checkpoint_wanted;  /* STABILIZED: a checkpoint is to come before the rescale */
    uint32_t checkpoint_failures; /* in a row, since it is wanted */
    struct rescale_history history;
};

bool adaptive_is_on(const struct jobmaster *jm);

/* ---- life ------------------------------------------------------------------------------------------- */

int adaptive_init(struct jobmaster *jm, struct error *err) MUST_CHECK;
void adaptive_attach(struct jobmaster *jm); /* the component is there */
void adaptive_fini(struct jobmaster *jm);
/* The graph that the job runs: its own, or the one whose parallelism is chosen here. */
const Flinc__JobGraph *adaptive_graph(const struct jobmaster *jm);
uint32_t *adaptive_slots(const struct jobmaster *jm); /* that it can use, by kind; the caller's */
/* Places for these slots; the kinds are the caller's (mem_free). */
void adaptive_layout_init(const struct jobmaster *jm, struct slot_layout *ret);
void adaptive_start(struct jobmaster *jm);

/* ---- what happens ----------------------------------------------------------------------------------- */

/* The pool may have got more.  Lost ones need no word: tasks in them fail, and others are counted when it matters. */
void adaptive_on_slots_offered(struct jobmaster *jm);
/* What the job starts from has been read. */
void adaptive_on_restored(struct jobmaster *jm);
/* All tasks are being cancelled because of a failure. */
void adaptive_on_restarting(struct jobmaster *jm, const struct error *why);
/* They have ended, and the delay is over. */
void adaptive_on_tasks_ended(struct jobmaster *jm);
void adaptive_on_status(struct jobmaster *jm, enum job_status to);
void adaptive_on_checkpoint(struct jobmaster *jm, Flinc__CheckpointNotice what);
/* A stop with savepoint may have begun, or failed. */
void adaptive_on_stopping(struct jobmaster *jm);
/* Bounds that were checked. */
void adaptive_on_requirements(struct jobmaster *jm, const struct parallelism_bounds *bounds);

/* What others may see: counted by nobody, freed by protobuf-c.  NULL: another scheduler. */
Flinc__ElasticJob *adaptive_describe(const struct jobmaster *jm);

/* ---- rescale.c -------------------------------------------------------------------------------------- */

/* No task runs.  The execution graph, the checkpointer and the coordinators go over to these parallelisms (by
 * vertex), and slots are put where they are used.  An error: they cannot; nothing runs, and it may be tried
 * again. */
int rescale_apply(struct jobmaster *jm, const uint32_t *parallelism, struct error *err) MUST_CHECK;
/* The job can use more slots than it has asked for: asks for them, too. */
void rescale_ask_for_more(struct jobmaster *jm);

#endif
