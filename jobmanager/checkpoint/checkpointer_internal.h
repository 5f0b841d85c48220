/* The checkpointer's own structs, and what its files offer each other.
 *
 *   checkpointer.c   life, start and end of the job, statistics
 *   decider.c        requests and time: which checkpoint begins when
 *   trigger.c        location, coordinators, trigger messages
 *   acknowledge.c    what tasks say
 *   complete.c       metadata, subsumption, the end of a pending one
 *   stopping.c       stop-with-savepoint
 *   restore.c        what the job starts from, and what a restart restores
 *   cleanup.c        deleting on the I/O executor
 *   pending.c        one pending checkpoint: acknowledgements, metadata
 *   completed.c      the completed ones that are kept */
#ifndef FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINTER_INTERNAL_H
#define FLINC_JOBMANAGER_CHECKPOINT_CHECKPOINTER_INTERNAL_H

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "jobmanager/checkpoint/checkpoint_plan.h"
#include "jobmanager/checkpoint/completed.h"
#include "jobmanager/checkpoint/pending.h"
#include "jobmanager/checkpoint/shared_registry.h"
#include "jobmanager/checkpoint/stats_tracker.h"

#define CHECKPOINT_TOPIC "flinc.checkpoint"

enum {
    CHECKPOINT_QUEUE_MAX = 1000,             /* requests that wait */
    CHECKPOINT_INLINE_MAX = 5 * 1024 * 1024, /* bytes of state of a task, storage jobmanager */
    CHECKPOINT_INLINE_TOTAL_MAX =
        64 * 1024 * 1024,            /* bytes of state in handles, else; of all tasks */
    CHECKPOINT_GARBAGE_MAX = 100000, /* deletions that wait for the executor */
    CHECKPOINT_EXPIRED_MAX = 16,     /* given up ones that are remembered */
};

/* A checkpoint that was given up: tasks may still write files of it. */
struct expired_checkpoint {
    uint64_t id;
    bool savepoint;
    char *directory; /* Owns */
};

/* A stop-with-savepoint that is under way. */
struct stopping {
    bool active;
    checkpoint_done_fn done; /* of who asked for it */
    void *done_arg;
    uint64_t checkpoint_id;
    char *path;     /* Owns; NULL: the savepoint is not complete yet */
    uint64_t timer; /* until its completion is told again */
};

struct checkpointer {
    struct checkpointer_options o;
    struct checkpoint_config config;
    struct graph_ref *graph; /* counted */
    char job_hex[ID_HEX_LEN + 1];
    struct rng rng;
    uint32_t *first_task; /* Owns; by vertex */
    uint32_t n_tasks;
    uint64_t next_id;
    bool running;    /* between start and suspend */
    bool triggering; /* a pending one is before GATHERING */
    bool driving;    /* decider_drive() runs */
    bool ended;
    bool all_go; /* by its end */
    const char *
        ended_as; /* for good, a JobStatus by its name; NULL: it goes on, here or under another leader */
    struct vec queue;   /* Owns; of struct trigger_request *, in the order of their turn */
    struct vec pending; /* Owns; of struct pending_checkpoint *, by id */
    struct completed_store store;
    struct shared_registry shared;
    struct stopping stopping;
    uint64_t periodic_timer;
    int64_t last_completed_ms;    /* monotonic; INT64_MIN / 2: never */
    uint32_t n_failures;          /* in a row */
    struct flinc_id *end_of_data; /* Owns; by task: the attempt that has reached it */
    struct vec garbage;           /* Owns; of struct io_job *: could not be submitted */
    struct vec expired;           /* Owns; of struct expired_checkpoint; oldest first */
    struct stats_tracker stats;
};

static inline const Flinc__JobGraph *checkpointer_graph(const struct checkpointer *c)
{
    return graph_ref_get(c->graph);
}

/* Numbers the tasks of the graph. */
void checkpointer_count_tasks(struct checkpointer *c);

/* ---- decider.c ----------------------------------------------------------------------------------- */

/* One wish for a checkpoint; what is asked for by people has a `done`. */
struct trigger_request {
    bool periodic;
    bool forced; /* neither min pause nor the number of concurrent ones count */
    Flinc__CheckpointKind kind;
    Flinc__CheckpointStop stop;
    uint32_t flags;          /* enum savepoint_flags */
    char *directory;         /* Owns; of savepoints */
    checkpoint_done_fn done; /* NULL: nobody waits, or it is answered */
    void *done_arg;
};
void trigger_request_answer(struct trigger_request *r, const struct error *err,
                            uint64_t checkpoint_id, const char *path);
void trigger_request_free(struct trigger_request *r); /* NULL is fine */
/* Takes the request; it may be refused at once. */
void decider_add(struct checkpointer *c, struct trigger_request *take);
void decider_start(struct checkpointer *c);
void decider_stop(struct checkpointer *c);
void decider_fail_queue(struct checkpointer *c, const struct error *why);
/* Begins what may begin now. */
void decider_drive(struct checkpointer *c);
void decider_now(struct checkpointer *c);   /* one at once, pause or not */
void decider_final(struct checkpointer *c); /* a last checkpoint, as soon as it can be */

/* ---- trigger.c ------------------------------------------------------------------------------------ */

/* Takes the request.  ERR_UNAVAILABLE: tasks are not ready; the request stays with the caller then. */
int trigger_begin(struct checkpointer *c, struct trigger_request *take,
                  struct error *err) MUST_CHECK;

/* ---- complete.c ----------------------------------------------------------------------------------- */

enum abort_flags {
    ABORT_COUNTS = 1u << 0, /* against execution.checkpointing.tolerable-failed-checkpoints */
};
struct pending_checkpoint *checkpointer_find_pending(const struct checkpointer *c, uint64_t id);
/* Of the newest completed one; 0: there is none. */
uint64_t checkpointer_latest_id(const struct checkpointer *c);
/* All tasks have acknowledged. */
void pending_complete(struct checkpointer *c, struct pending_checkpoint *p);
/* Takes it out of the pending ones and frees it (one that is COMPLETING: when the executor answers). */
void pending_abort(struct checkpointer *c, struct pending_checkpoint *p, const struct error *why,
                   uint32_t flags);
/* Those with a smaller id that are no savepoints; all for UINT64_MAX but those that need no task any more. */
void pending_abort_below(struct checkpointer *c, uint64_t id, const struct error *why);

/* ---- stopping.c ----------------------------------------------------------------------------------- */

/* Takes the request of a savepoint that ends the job. */
void stopping_begin(struct checkpointer *c, struct trigger_request *take);
void stopping_on_end(struct checkpointer *c, enum checkpoint_job_end how,
                     const struct error *cause);

/* ---- cleanup.c ------------------------------------------------------------------------------------ */

/* Work on the I/O executor.  Lives from its submission to its answer; may outlive the checkpointer. */
struct io_job {
    const char *name;
    int (*run)(struct io_job *job, struct error *err); /* on an I/O thread */
    /* In the mailbox; NULL: nobody waits.  Must not free the job. */
    void (*done)(struct checkpointer *c, struct io_job *job, int rc, const struct error *err);
    void (*fini)(struct io_job *job); /* what it owns */
    const struct checkpoint_files *files;
    const struct checkpoint_pointers *pointers; /* NULL: none */
    char job_hex[ID_HEX_LEN + 1];
    uint64_t checkpoint_id;
};
void *io_job_new(size_t size, const char *name); /* zeroed; first member is a struct io_job */
void io_job_free(struct io_job *job);
/* Takes the job.  An error: it was not accepted, and is still the caller's. */
int io_submit(struct checkpointer *c, struct io_job *job, struct error *err) MUST_CHECK;

/* Deletes in the background; a failure is logged.  Takes the strings. */
void cleanup_folder(struct checkpointer *c, char *take_directory);
void cleanup_files(struct checkpointer *c, struct vec *take_uris); /* of char *; empty afterwards */
void cleanup_retry(struct checkpointer *c);
/* Deletes the folder of a checkpoint that was given up, and remembers it: late tasks may write into it. */
void cleanup_expire(struct checkpointer *c, const struct pending_checkpoint *p,
                    char *take_directory);
/* Their tasks are gone: what these have written while, or after, the folders were deleted goes as well. */
void cleanup_expired_at_end(struct checkpointer *c);
/* A task has acknowledged what is not pending.  Of one that was given up the files go; of a completed one
 * they are in use (a message that came twice), of an unknown one nothing is known: there they stay. */
void cleanup_late(struct checkpointer *c, uint64_t checkpoint_id);
const struct expired_checkpoint *cleanup_find_expired(const struct checkpointer *c,
                                                      uint64_t checkpoint_id); /* or NULL */
/* Deletes completed checkpoints that nobody needs any more (struct completed_checkpoint *, which it frees), and shared files with
 * their last use: once their pointers are gone.  Empties the vector. */
void cleanup_subsumed(struct checkpointer *c, struct vec *take_completed, uint64_t lowest_id);
/* The folder of a checkpoint that may have a pointer, and does not count. */
void cleanup_withdrawn(struct checkpointer *c, uint64_t checkpoint_id, char *take_directory);
void cleanup_shared_below(struct checkpointer *c, uint64_t lowest_id);
/* No checkpoint will come any more, as the job has ended (a JobStatus by its name): files that none of those that are kept refers to. */
void cleanup_shared_at_end(struct checkpointer *c, const char *ended_as);
/* None is kept, as the job has ended (a JobStatus by its name): all completed ones, their shared files, and folders of the job that are empty then. */
void cleanup_all(struct checkpointer *c, const char *ended_as);

#endif
