/* Checkpoints of a task.
 *
 *   barriers, trigger ─► aligned ─► through the chain ─► barrier sent, snapshot taken ─► being written ─► Ack
 *                          │              │ failed: the task fails      │ failed             │ failed
 *                          └ cancelled: the barrier is passed on only   └────────────────────┴──► Decline
 *
 * Between "aligned" and "taken" the task takes no input, and operator events wait, so that the snapshot is
 * exactly what lies before the barrier.  Writing goes in slices between batches, half of the time at most while
 * there is input.
 *
 * Unaligned.  When the barrier may overtake (it is unaligned, or its time for alignment is over), the first
 * one is enough: the chain is drained into outputs that may be over their bounds, the barrier is announced
 * ahead of what waits there, and what the task's own channels have before their barriers is recorded while
 * it goes on (task_channels.h).
 *
 * One snapshot is written at a time, since state has one freeze.  When the next one is aligned meanwhile
 * (max-concurrent-checkpoints above 1, a savepoint), its barrier goes on at once and it is queued: the task
 * takes no input, writes the one at hand as fast as it can, and then takes the next.  Further ones wait in
 * front of it, in the channels and among what is held.
 *
 * Ends: a task that has processed all input waits for a checkpoint that starts after that
 * (EndOfDataReached); a stop-with-savepoint pauses (SUSPEND) or ends (DRAIN) the sources, and ends the task
 * when it is complete.
 *
 * Thread: the task's.  Flink: SubtaskCheckpointCoordinatorImpl, StreamTask.triggerCheckpointAsync. */
#ifndef FLINC_TASKMANAGER_WORKER_TASK_CHECKPOINT_H
#define FLINC_TASKMANAGER_WORKER_TASK_CHECKPOINT_H

#include "engine/snapshot/local_copies.h"
#include "taskmanager/exchange/barrier_aligner.h"
#include "taskmanager/worker/chain_snapshot.h"

enum {
    CHECKPOINT_SLICE_US = 1000,  /* of writing, before the data gets its turn */
    CHECKPOINT_RETRY_MS = 10,    /* a writer that nobody woke is looked at again */
    CHECKPOINT_HELD_MAX = 65536, /* events and triggers behind one that is not taken yet */
};

struct task;
struct task_input;

/* What the I/O executor wakes; counted: the task, the target of a snapshot. */
struct snapshot_waker;

/* The snapshot that is being written. */
struct task_writing {
    struct chain_snapshot *snapshot;  /* Owns */
    struct task_recording *recording; /* Owns; NULL: nothing was overtaken */
    struct barrier *barrier;          /* Owns a ref */
    Flinc__CheckpointTaskStats stats;
    int64_t taken_ns;
    int64_t next_slice_ns;
    int64_t first_ns;    /* when its first barrier came */
    int64_t first_bytes; /* that the task had processed then */
    bool finished;       /* the task had processed all of its input */
};

struct task_checkpoints {
    struct barrier_aligner aligner;
    bool is_made;
    uint32_t n_channels;
    struct snapshot_waker *waker; /* Owns a ref */
    /* Aligned, and not taken yet. */
    struct barrier *starting; /* Owns a ref; NULL: none */
    bool starting_cancelled, in_chain;
    bool starting_overtakes; /* what waits in the channels belongs to it; outputs may be full */
    /* A barrier that may overtake once its time is over: not here yet, starting, or sent. */
    struct barrier *timed; /* Owns a ref; NULL: none */
    int64_t timed_until_ms;
    bool is_queued;    /* its barrier is sent; another one is being written */
    int64_t passed_ns; /* when its barrier was sent */
    int64_t first_ns, aligned_ns, start_delay_ms;
    int64_t first_bytes;          /* that the task had processed when the first barrier came */
    struct task_writing *writing; /* Owns; NULL: none */
    struct vec held;              /* Owns: Flinc__MasterToWorker *, behind `starting` */
    struct vec notices;           /* struct checkpoint_notice: not told to the operators yet */
    uint64_t first_id;            /* the first that this attempt took; 0: none yet */
    uint64_t completed;           /* the highest id that is complete */
    uint64_t stop_id;             /* the savepoint that stops the job; 0: none */
    Flinc__CheckpointStop stop;
    bool stop_after_data; /* the data had ended when it was taken */
    bool data_ended;      /* END_OF_DATA is sent */
    uint64_t final_id;    /* the first checkpoint taken after that; 0: none yet */
    /* Of the last one that was aligned, for gauges; thread: the task's writes, any reads. */
    _Atomic int64_t last_alignment_ns, last_start_delay_ns;
};

struct checkpoint_notice {
    Flinc__CheckpointNotice notice;
    uint64_t checkpoint_id;
};

void task_checkpoints_init(struct task *t);
void task_checkpoints_fini(struct task *t);
/* Before the chain is closed: what is being written is given up. */
void task_checkpoints_drop(struct task *t);

/* ---- from gates ---------------------------------------------------------------------------------- */

/* Takes the element. */
int task_on_barrier(struct task *t, struct task_input *in, struct element *take_element,
                    struct error *err) MUST_CHECK;
/* Announcements of barriers, ahead of all input.  1: something came. */
int task_take_announcements(struct task *t, struct error *err) MUST_CHECK;
bool task_has_announcements(const struct task *t);
int task_on_channel_end(struct task *t, struct task_input *in, uint32_t channel,
                        struct error *err) MUST_CHECK;

/* ---- turns --------------------------------------------------------------------------------------- */

/* No input is taken: a checkpoint is about to be taken. */
static inline bool task_checkpoint_is_starting(const struct task_checkpoints *c)
{
    return c->starting != NULL;
}
/* It takes the place of what waits in channels, so that full outputs do not hold it. */
static inline bool task_checkpoint_overtakes(const struct task_checkpoints *c)
{
    return c->starting != NULL && c->starting_overtakes;
}
/* A barrier whose time for alignment is over overtakes from now on. */
void task_checkpoint_check_time(struct task *t);
/* Nothing may run but the writing of the one before: until task_checkpoint_turn() does something. */
static inline bool task_checkpoint_is_queued(const struct task_checkpoints *c)
{
    return c->is_queued;
}
/* An event of a coordinator half comes behind a trigger that is not done: it is kept.  Takes the message
 * then. */
bool task_hold_message(struct task *t, Flinc__MasterToWorker *message);
/* What is to be done between two inputs, the chain having no work.  1: something was done. */
int task_checkpoint_turn(struct task *t, struct error *err) MUST_CHECK;
/* A slice of writing when it is due.  `is_idle`: there is nothing else to do.  1: something was done. */
int task_checkpoint_write(struct task *t, bool is_idle);
bool task_checkpoint_can_write(const struct task *t);
/* Until when an idle task may sleep for its sake; INT64_MAX: no limit. */
int64_t task_checkpoint_deadline_ns(const struct task *t);
/* The chain has finished: END_OF_DATA goes out, the job master is told. */
int task_end_data(struct task *t, struct error *err) MUST_CHECK;
/* The task has nothing to wait for. */
bool task_may_finish(struct task *t);

/* ---- task_barriers.c, for the other files of checkpoints ----------------------------------------- */

/* A barrier, an announcement or a trigger comes. */
void task_note_barrier(struct task *t, const struct barrier *b);
void task_follow_verdict(struct task *t, const struct aligner_verdict *v);
/* Of a notice that was lost, or is on its way still; it stands for all before it. */
void task_learn_completed(struct task_checkpoints *c, uint64_t id);

/* ---- task_snapshot.c, for the other files of checkpoints ----------------------------------------- */

struct snapshot_waker *snapshot_waker_new(struct mailbox *mailbox);
void snapshot_waker_unref(void *waker);
/* What is being written is given up. */
/* The attempt has written its last file: others write no more into those that it wrote into (merging.h). */
void task_leave_merging(const struct task *t);
void task_snapshot_forget(struct task_checkpoints *c);
/* One that a newer one took the place of before all of its barriers came. */
void task_snapshot_give_up(struct task *t, uint64_t newer_id);
struct op_checkpoint task_op_checkpoint_of(const struct barrier *b);
void task_send_barrier(struct task *t, struct barrier *b);
/* The barrier goes on; the snapshot waits for the one that is being written. */
void task_snapshot_queue(struct task *t);
/* The one that is queued: frozen, or declined. */
void task_snapshot_take(struct task *t);
void task_decline(struct task *t, uint64_t checkpoint_id, const struct error *why);
/* Messages to the job master. */
Flinc__WorkerToMaster *task_message(Flinc__WorkerToMaster__BodyCase body);
ProtobufCBinaryData task_attempt_copy(const struct task *t);
void task_post_message(struct task *t, Flinc__WorkerToMaster *take_message);

#endif
