/* The coordinator halves of operators: one per operator that names a coordinator, in the mailbox of
 * the job master; blocking work goes to the I/O executor.
 *
 *   NEW ──start──► STARTED ──close──► CLOSED
 *    ▲                │ global restart: reset(); without one, or after a failed start, closed and
 *    └────────────────┘ made anew
 *
 * What a coordinator does never fails anything while it is being called: it posts, and the job
 * master fails the job or the task afterwards.
 * Events carry attempt id and sequence number: one that is repeated is dropped, a gap fails the
 * attempt, since a lost split would be a lost part of the input.
 * Thread: the job master's.  Flink: OperatorCoordinatorHolder, SubtaskGatewayImpl. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_COORDINATORS_H
#define FLINC_JOBMANAGER_JOBMASTER_COORDINATORS_H

#include "jobmanager/jobmaster/execution_graph.h"

enum { COORDINATOR_WAITING_EVENTS_MAX = 4096 }; /* to an attempt that is being deployed */

enum coordinator_state {
    COORDINATOR_NEW,
    COORDINATOR_STARTED,
    COORDINATOR_CLOSED,
};

struct coordinator_holder {
    struct jobmaster *jm; /* Borrows */
    struct execution_vertex *vertex;
    uint32_t number; /* in the vertex */
    const struct coordinator_desc *desc;
    struct coordinator_context context;
    struct coordinator *coordinator; /* Owns; NULL unless STARTED */
    enum coordinator_state state;
    bool healthy;   /* STARTED: its start or last reset succeeded */
    uint64_t life;  /* counts starts and resets: work of an earlier life is dropped */
    uint64_t timer; /* of schedule() */
    void (*on_timer)(struct coordinator *c);
    uint64_t holding;       /* checkpoint whose trigger messages go first; 0: none */
    struct vec held_events; /* of struct held_event: sent meanwhile */
    uint64_t awaiting;      /* checkpoint for which a child is asked for its state; 0: none */
    bool has_answer;        /* ... and has given it: */
    uint8_t *answer;        /* Owns */
    size_t answer_size;
    char *group; /* Owns: of group_least(); NULL: in none */
    int64_t group_value;
};

/* An event that must come behind the barrier of a checkpoint. */
struct held_event {
    uint32_t subtask;
    uint8_t *data; /* Owns */
    size_t size;
};

/* Caller's memory. */
struct coordinators {
    struct coordinator_holder *holders; /* Owns; vertex by vertex */
    uint32_t n_holders;
    struct vec results; /* of struct coordinator_result: of a job that has finished */
};

/* Finds the coordinators of the graph; ERR_UNSUPPORTED for a kind that is not there. */
int coordinators_init(struct jobmaster *jm, struct error *err) MUST_CHECK;
void coordinators_fini(struct jobmaster *jm);
/* Starts all that are not. */
int coordinators_start(struct jobmaster *jm, struct error *err) MUST_CHECK;
/* Global restart: all go back to their start. */
int coordinators_reset(struct jobmaster *jm, struct error *err) MUST_CHECK;
/* The graph has other parallelisms: those of vertices that have changed end, and start anew with
 * ..._start() or ..._reset(). */
void coordinators_rescale(struct jobmaster *jm);
/* The subtask gets a new attempt. */
void coordinators_subtask_reset(struct jobmaster *jm, const struct subtask *subtask);
void coordinators_close(struct jobmaster *jm);

/* ---- checkpoints ------------------------------------------------------------------------------- */

/* Asks those in a child process; checkpointer_on_coordinators_ready() follows, at once if there are none. */
int coordinators_prepare_snapshot(struct jobmaster *jm, uint64_t checkpoint_id,
                                  struct error *err) MUST_CHECK;
/* Pushes struct coordinator_snapshot of all that keep something. */
int coordinators_snapshot(struct jobmaster *jm, uint64_t checkpoint_id, struct vec *ret_snapshots,
                          struct error *err) MUST_CHECK;
/* The trigger messages have left, or never will: what was held goes out. */
void coordinators_release_events(struct jobmaster *jm, uint64_t checkpoint_id);
void coordinators_notify(struct jobmaster *jm, Flinc__CheckpointNotice notice,
                         uint64_t checkpoint_id);
/* A child has answered (rc 0: takes the data), or cannot. */
void coordinator_on_child_snapshot(struct coordinator_holder *h, uint64_t checkpoint_id,
                                   const uint8_t *data, size_t size, const struct error *why);
/* Restores what the job restarts from; before the start, or after a reset. */
int coordinator_restore_latest(struct coordinator_holder *h, struct error *err) MUST_CHECK;
void coordinator_drop_held(struct coordinator_holder *h);
/* An event of a running task.  An error fails the attempt (gap) or, by a post, the job. */
int coordinators_on_event(struct jobmaster *jm, struct execution *e,
                          const Flinc__OperatorEvent *event, struct error *err) MUST_CHECK;

/* ---- coordinator_requests.c -------------------------------------------------------------------- */

/* The job has finished: what its coordinators leave, before they are closed. */
void coordinators_take_results(struct jobmaster *jm);
void coordinator_results_fini(struct vec *results);

/* ---- coordinator_host.c ------------------------------------------------------------------------ */

extern const struct coordinator_host coordinator_host_ops;

/* Fails the job by a global failure once the operation that runs now is over. */
void coordinator_post_failure(struct jobmaster *jm, const struct error *why);
/* The attempt is acknowledged: sends what waited for it. */
void coordinators_on_acknowledged(struct jobmaster *jm, struct execution *e);

#endif
