/* A task: one attempt of one subtask, as one thread with a mailbox.
 *
 * The worker makes it, starts it, may cancel it and reads its counters; everything else happens on the
 * task's own thread: setting up, opening the operators, the loop, and giving everything back.  The last
 * thing that the thread does is to say on_ended(); the worker then joins and frees it.
 *
 * The loop, in turns: mailbox; a slice of the snapshot that is being written; wait for outputs that are
 * full; the chain's pending calls; checkpoints; timers; input from gates and sources in fair turns; flush
 * when the input pauses or the buffer time-out strikes; sleep.
 * All sleeping is on the mailbox's event count, which channels, gates and sources signal as well.
 *
 * Flink: Task, StreamTask, MailboxProcessor. */
#ifndef FLINC_TASKMANAGER_WORKER_TASK_H
#define FLINC_TASKMANAGER_WORKER_TASK_H

#include "taskmanager/exchange/gate.h"
#include "taskmanager/exchange/partition_registry.h"
#include "taskmanager/worker/accumulators.h"
#include "taskmanager/worker/chain.h"
#include "taskmanager/worker/deployment.h"
#include "taskmanager/worker/task_checkpoint.h"
#include "taskmanager/worker/task_debloat.h"
#include "taskmanager/worker/task_pace.h"
#include "taskmanager/worker/task_state.h"
#include "taskmanager/worker/worker.h"

struct task;

/* mailbox_op.kind of a task's mailbox. */
enum task_op {
    TASK_OP_EVENT,      /* worker -> task: an event of the coordinator half */
    TASK_OP_TRIM,       /* worker -> task: memory is short */
    TASK_OP_BROKEN,     /* network -> task: an input's connection is lost */
    TASK_OP_CHECKPOINT, /* worker -> task: a trigger, or how a checkpoint ended */
};

/* What tasks of a worker share; const while there are tasks. */
struct task_environment {
    const struct clock *clock;
    struct code_resolver *code;
    struct metric_registry *registry; /* may be NULL */
    struct metric_group *job_metrics; /* likewise */
    struct executor *io_executor;
    struct mem_budget *budget, *state_budget;
    struct state_disk *state_disk;
    const _Atomic uint32_t *n_tasks;
    struct flinc_id incarnation;
    struct remote_inputs remote;
    struct file_merging *merging; /* NULL: execution.checkpointing.file-merging.enabled is off */
    struct local_dirs
        local_dirs; /* Borrows; of the job: copies of snapshot files; empty: none are kept */
    const struct operator_desc *(*find_operator)(const char *kind);
    struct partition_registry *partitions;
    /* Thread: the task's.  on_ended is the last call; the task's thread touches nothing after it. */
    void (*on_state)(void *owner, struct task *task, task_state state);
    void (*on_event)(void *owner, struct task *task, const ProtobufCBinaryData *operator_id,
                     const uint8_t *data, size_t size, uint64_t sequence);
    /* Takes the message, which lacks version and token. */
    void (*on_message)(void *owner, struct task *task, Flinc__WorkerToMaster *take_message);
    void (*on_ended)(void *owner, struct task *task);
    void *owner;
};

enum task_wait {
    TASK_WAIT_NONE,
    TASK_WAIT_IDLE,          /* for input */
    TASK_WAIT_BACKPRESSURED, /* for an output */
    TASK_WAIT_OPERATOR,      /* for room in an operator; counts as back-pressured */
    TASK_WAIT_CHECKPOINT,    /* for the end of the checkpoint before; likewise */
};

/* Thread: the task's writes, any reads. */
struct task_times {
    _Atomic int64_t running_since_ns;          /* 0: not yet */
    _Atomic int64_t ended_ns;                  /* 0: not yet */
    _Atomic int64_t idle_ns, backpressured_ns; /* without the present wait */
    _Atomic int wait;                          /* enum task_wait */
    _Atomic int64_t wait_since_ns;
};
struct task_times_sample {
    int64_t busy_ms, idle_ms, backpressured_ms;
};

/* One edge into the task. */
struct task_input {
    struct gate *gate;                 /* Owns */
    const Flinc__GateDescriptor *spec; /* in the deployment */
    const struct schema *schema;       /* Borrows: the chain's */
    bool is_overtakable;               /* barriers may overtake what it has in flight */
    uint64_t channel_bytes;            /* bounds of each channel */
    struct debloater debloater;
    uint64_t debloat_bytes;    /* taken when it was looked at last */
    int64_t *recorded_from_ms; /* Owns; by channel: its watermark when recording began */
    struct chain_feed feed;
    struct watermark_valve valve; /* over the channels */
    uint32_t first_channel;       /* its number among those of all inputs */
    bool *data_ended;             /* Owns; by channel */
    uint32_t n_data_ended;        /* channels */
    bool ended;                   /* all its partitions have */
};

/* Waiting for memory that others hold.  The task's thread only. */
struct task_memory {
    bool paused;
    int64_t since_ns; /* of the present shortage; 0: none */
};

/* What the watchdog of standstills has seen.  The worker's thread only. */
struct task_standstill {
    int64_t sign, since_ns;
    bool told;
};

struct task_metrics;

struct task {
    const struct task_environment *env;   /* Borrows: the worker's */
    struct deployment *deployment;        /* Owns a ref */
    const Flinc__SubtaskDeployment *spec; /* in the deployment */
    struct flinc_id attempt_id;
    char *name;                       /* Owns: "Source: Text -> Flat Map (2/4)" */
    char *attempt_text, *log_context; /* Own */
    struct crash_site site;
    struct crash_slot slot;
    pthread_t thread;
    struct mailbox *mailbox; /* Owns a ref */
    _Atomic int state;       /* enum Flinc__ExecutionState; task_state_transition() only */
    _Atomic bool cancelled;
    struct task_times times;
    struct exchange_counters in, out;
    struct exchange_counters in_local, in_remote; /* of `in`, as it came through the channels */
    struct accumulators accumulators;
    _Atomic int64_t watermark_ms; /* of the first operator's input; INT64_MIN: none yet */
    /* The task's thread only. */
    struct buffer_pool *pool; /* Owns */
    struct arena arena;
    struct chain *chain;       /* Owns */
    struct task_input *inputs; /* Owns */
    uint32_t n_inputs, n_made_inputs, next_input;
    struct result_partition **results; /* Owns */
    uint32_t n_results, n_made_results;
    struct task_metrics *metrics; /* Owns */
    int64_t connect_deadline_ns;  /* by then all producers must have come; INT64_MAX: they have */
    int64_t next_flush_ns;
    int async_rc; /* the first failure of a mailbox operation */
    struct error error;
    struct task_memory memory;
    struct task_checkpoints checkpoints;
    struct task_debloat debloat;
    struct task_pace pace;
    struct task_replay
        *replay; /* Owns: elements in flight that are to be processed first; or NULL */
    struct local_copies *local; /* Owns a ref; NULL: none are kept, nor looked for */
    bool makes_local_copies;
    struct vec remotes; /* uint64_t: numbers under which breaks of its inputs are told */
    /* The worker's thread only. */
    uint32_t master_epoch; /* of the job master that deployed it */
    /* Operator events that came from the job master, and that went to it; the worker's thread. */
    uint64_t n_events_received, n_events_sent;
    int64_t cancelling_since_ns;
    uint64_t watchdog; /* timer */
    struct task_standstill standstill;
};

/* ---- the worker's thread ------------------------------------------------------------------------ */

struct task *task_new(const struct task_environment *env, struct deployment *deployment,
                      const Flinc__SubtaskDeployment *spec);
int task_start(struct task *t, struct error *err) MUST_CHECK;
/* Asks it to end; may be called again (wakes it again).  False: it has ended already. */
bool task_cancel(struct task *t);
/* Takes the message, a trigger_checkpoint or notify_checkpoint.  False: the task has ended; the message stays
 * with the caller. */
bool task_post_checkpoint(struct task *t, Flinc__MasterToWorker *message);
/* Takes the message: an event of the coordinator half. */
void task_post_event(struct task *t, Flinc__MasterToWorker *take_message);
/* Asks it to give back what its pool keeps for reuse. */
void task_post_trim(struct task *t);
/* After on_ended (or a failed start): joins and frees. */
void task_join(struct task *t);
struct task *task_free(struct task *t);

/* ---- thread: any, while the task exists ---------------------------------------------------------- */

task_state task_get_state(const struct task *t);
void task_times_get(const struct task *t, struct task_times_sample *ret_sample);
/* Fills counters as they are reported. */
void task_get_io_metrics(const struct task *t, Flinc__TaskIoMetrics *ret_metrics);
/* The operator whose code runs, or ran when there is none. */
const char *task_current_operator(const struct task *t);

/* ---- inside: the task's thread ------------------------------------------------------------------- */

/* task_setup.c: pool, chain, partitions, gates, metrics; and back. */
int task_setup(struct task *t, struct error *err) MUST_CHECK;
void task_teardown(struct task *t);
/* task_local.c: copies of its snapshot files on this machine; before the chain is made. */
void task_local_open(struct task *t);
void task_local_on_notice(struct task *t, const struct checkpoint_notice *n);
void task_local_close(struct task *t);
/* task_remote.c: an input from another worker, whose break ends the task.  Returns ERR_UNSUPPORTED when
 * this worker has no network. */
int task_open_remote(struct task *t, const struct remote_input *input, const char *location,
                     struct channel **ret_channel, struct error *err) MUST_CHECK;
/* From here on no break is told to the task. */
void task_forget_remotes(struct task *t);
/* task_memory.c: before new input, when the budget is full.  0: go on, 1: wait a moment. */
int task_wait_for_memory(struct task *t, struct error *err) MUST_CHECK;
/* task_input.c: what came by a gate. */
int task_on_element(struct task *t, struct task_input *in, struct element *take_element,
                    struct error *err) MUST_CHECK;
/* task_loop.c: until all input is processed and END_OF_DATA is sent, an error, or ERR_CANCELLED. */
int task_loop(struct task *t, struct error *err) MUST_CHECK;
/* Instead of the loop: it had finished when the checkpoint was taken.  Its consumers learn so. */
int task_end_restored(struct task *t, struct error *err) MUST_CHECK;

#endif
