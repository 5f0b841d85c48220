/* The operator contract: what every built-in and SDK operator is to the task that runs it.
 *
 * A task is one thread; it runs a chain of operators.  All callbacks of an operator run on that thread,
 * so operators need no locks.  An operator sees its context only: outputs, state, metrics, clock,
 * configuration, facts about the subtask.  It never sees sockets, threads, the job master or the wall
 * clock.
 *
 * Flow.  The chain driver calls process() with one batch.  The operator emits any number of batches
 * with op_emit(); they wait in the chain until the operator returns, then the operators below run
 * first.  An operator that would emit much for one input (flatMap, joins) returns OP_MORE after a
 * batch or so; the driver drains everything below, lets the mailbox run, waits until the task's
 * outputs can be written, and calls resume() until OP_DONE.  A batch half processed delays control
 * elements, never splits around them.
 *
 * Time.  An operator sees the minimum of the watermarks of its active inputs; without a watermark() it is
 * passed on behind everything that came before it.  watermark() fires what is due and may return OP_MORE;
 * the chain passes the watermark on once it is done.  Lateness is judged by the watermark before the
 * batch (op_watermark()).  Operators with OPERATOR_OWN_WATERMARKS swallow what comes and emit their own;
 * idleness of their input is told by idle() and goes no further unless they say so themselves.
 *
 * Checkpoints.  When the barrier has come by all inputs: prepare_barrier() emits what must lie before it,
 * the barrier goes on, and snapshot() puts what the operator keeps outside keyed state into operator
 * state; keyed state is frozen by the task.  Written out while the operator goes on.  notify() tells how
 * it ended: at least once never for a lost message, so COMPLETE(n) stands for all before n, too.
 * A restored operator finds its state when open() is called.
 *
 * Ownership.  process() takes the batch: it forwards it, keeps it, or drops it (batch_unref).  A batch
 * with one holder may be changed in place.
 *
 * Errors.  A negative code with `err` filled fails the task; the task adds operator name and subtask.
 *
 * Flink: StreamOperator, OneInputStreamOperator, TwoInputStreamOperator, SourceOperator. */
#ifndef FLINC_ENGINE_OPERATORS_OPERATOR_H
#define FLINC_ENGINE_OPERATORS_OPERATOR_H

#include "common/base/clock.h"
#include "common/base/str.h"
#include "engine/data/batch.h"
#include "proto/graph.pb-c.h"
#include "proto/snapshot.pb-c.h"

enum op_result {
    OP_DONE = 0, /* the input is processed */
    OP_MORE = 1, /* call resume() again */
    OP_IDLE = 2, /* poll() only: nothing now; the operator has arranged for op_wake() */
    OP_END = 3,  /* poll() only: the source is exhausted */
    /* process(), watermark(), end_of_input() and resume(): what came is taken, but there is no room for
     * more.  No batch, watermark or end of input comes until op_wake(); then resume() is called, which
     * answers OP_DONE when there is room again (behind end_of_input(): when all is out).  Unlike OP_MORE
     * nothing is half processed: barriers and timers pass, what is in flight is state. */
    OP_WAIT = 4,
};

struct operator;
struct op_context;
struct conf;
struct metric_group;
struct executor;
struct arena;
struct keyed_backend;
struct operator_state;

enum { OPERATOR_DESC_VERSION = 1, OPERATOR_INPUTS_MAX = 2, OPERATOR_EMIT_MAX = 64 };

/* The checkpoint that prepare_barrier() and snapshot() are about. */
struct op_checkpoint {
    uint64_t id;
    int64_t timestamp_ms; /* wall clock of its trigger */
    Flinc__CheckpointKind kind;
    Flinc__CheckpointStop stop;
};
/* How a checkpoint ended. */
enum op_notice {
    OP_NOTICE_COMPLETE, /* this one and all before it are safe: commit */
    OP_NOTICE_ABORTED,
    OP_NOTICE_SUBSUMED,
};

enum operator_desc_flags {
    OPERATOR_OWN_WATERMARKS = 1u << 0, /* watermarks and idleness from above end here */
};

/* What an operator kind is; const, one per kind, last in its file. */
struct operator_desc {
    uint32_t struct_size;
    uint32_t version;     /* of the operator's configuration and state */
    const char *kind;     /* "flinc.map" */
    const char *summary;  /* one line for the reference page */
    size_t instance_size; /* bytes of the struct that starts with struct operator; zeroed */
    uint32_t n_inputs;    /* 0: a source */

    /* Reads the configuration, resolves functions, opens state.  May fail with a clear message. */
    int (*open)(struct operator* op, struct op_context *ctx, struct error *err);
    /* Takes `batch`.  Returns OP_DONE, OP_MORE or a negative code. */
    int (*process)(struct operator* op, struct op_context *ctx, uint32_t input,
                   struct batch *take_batch, struct error *err);
    /* Goes on where process(), resume() or end_of_input() returned OP_MORE. */
    int (*resume)(struct operator* op, struct op_context *ctx, struct error *err);
    /* Input number `input` has ended; called once per input.  OP_MORE as above.  NULL: nothing to do. */
    int (*end_of_input)(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct error *err);
    /* Sources: emits about one batch, of op_batch_rows() at most.  OP_DONE: call again; OP_IDLE; OP_END. */
    int (*poll)(struct operator* op, struct op_context *ctx, struct error *err);
    /* A message of the coordinator half (enumerator).  NULL: none expected. */
    int (*on_event)(struct operator* op, struct op_context *ctx, const uint8_t *data, size_t size,
                    struct error *err);
    /* Emit what is buffered inside (half-built output batches): called when the input pauses or the
     * buffer time-out strikes.  NULL: the operator buffers nothing between calls. */
    int (*flush)(struct operator* op, struct op_context *ctx, struct error *err);
    /* Always called once when open() was called, however the task ends; must not block. */
    void (*close)(struct operator* op, struct op_context *ctx);

    uint32_t flags; /* enum operator_desc_flags */
    /* Event time is `watermark_ms` now (INT64_MAX: all of it is over).  OP_DONE, OP_MORE. */
    int (*watermark)(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                     struct error *err);
    /* The time of op_timer_at() has come.  OP_DONE, OP_MORE. */
    int (*processing_time)(struct operator* op, struct op_context *ctx, int64_t now_ms,
                           struct error *err);
    /* Emits what must lie before the barrier.  OP_DONE, OP_MORE. */
    int (*prepare_barrier)(struct operator* op, struct op_context *ctx,
                           const struct op_checkpoint *checkpoint, struct error *err);
    /* Brings operator state up to date; emits nothing. */
    int (*snapshot)(struct operator* op, struct op_context *ctx,
                    const struct op_checkpoint *checkpoint, struct error *err);
    int (*notify)(struct operator* op, struct op_context *ctx, enum op_notice notice,
                  uint64_t checkpoint_id, struct error *err);
    /* OPERATOR_OWN_WATERMARKS: all inputs are idle now (behind the watermark() that this led to), or one of
     * them is active again (before its watermark()).  Emits nothing but op_emit_idle().  NULL: ignored. */
    void (*idle)(struct operator* op, struct op_context *ctx, bool idle);
    /* Instead of open() and all else, in a task that had finished when the checkpoint that it comes from was
     * taken: what the coordinator half waits to hear.  NULL: nothing. */
    int (*restored_finished)(struct operator* op, struct op_context *ctx, struct error *err);
};

/* First member of every operator's own struct. */
struct operator
{
    const struct operator_desc *desc;
};

enum op_flags {
    OP_FLAG_BATCH_MODE = 1u << 0, /* execution.runtime-mode is BATCH: final values only */
    OP_FLAG_INPUTS_BOUNDED = 1u << 1,
    OP_FLAG_CHECKPOINTS = 1u << 2, /* checkpoints are on: what waits for one will see it */
    OP_FLAG_RESTORED = 1u << 3,    /* state comes from a checkpoint (also when it is empty) */
};

/* What an operator sees.  Made by the task (or the harness); lives as long as the operator. */
struct op_context {
    const struct op_host *host; /* Borrows: the task's services, below */
    void *host_data;
    const Flinc__Operator *spec; /* Borrows: name, configuration, functions */
    const char *job_name;
    const char *task_name;
    uint32_t subtask, parallelism, max_parallelism, attempt_number;
    uint32_t flags; /* enum op_flags */
    uint32_t n_inputs, n_outputs;
    struct schema **input_schemas;  /* Owns refs; by input */
    struct schema **output_schemas; /* Owns refs; by output, 0 is the main one */
    struct buffer_pool *pool;       /* Borrows: the task's */
    struct arena *arena;            /* Borrows: lives as long as the task */
    struct metric_group *metrics;   /* Borrows: the operator's group; may be NULL (harness) */
    const struct clock *clock;
    struct mem_budget *state_budget; /* Borrows: of keyed state; NULL: no limit */
    struct executor *io_executor;    /* Borrows: threads for blocking work; may be NULL (harness) */
    uint64_t restored_checkpoint;    /* OP_FLAG_RESTORED: its id */
    int64_t watermark_ms;            /* op_watermark() */
    uint32_t rows_max;               /* op_batch_rows(); 0: no limit */
    const struct conf *conf; /* Borrows: the job's over the cluster's; may be NULL (harness) */
    const _Atomic bool *cancelled; /* set when the task is being cancelled; poll it in long loops */
};

/* Services of the task behind op_context. */
struct op_host {
    void (*emit)(struct op_context *ctx, uint32_t output, struct batch *take_batch);
    void (*send_event)(struct op_context *ctx, const uint8_t *data, size_t size);
    /* Resolves a function of user code to its address. */
    int (*resolve)(struct op_context *ctx, const Flinc__FunctionRef *ref, void **ret_fn,
                   struct error *err);
    struct op_waker *(*waker)(struct op_context *ctx);
    /* Sources: wakes the task after a delay, once; a later call replaces an earlier one. */
    void (*wake_after)(struct op_context *ctx, int64_t delay_ms);
    /* Adds `delta` to a user accumulator of this subtask (registered on first use). */
    int (*accumulate)(struct op_context *ctx, const char *name, const char *type, int64_t delta,
                      double delta_double, struct error *err);
    /* A watermark (or idleness) of the operator's own, behind what it emitted so far. */
    void (*emit_watermark)(struct op_context *ctx, int64_t watermark_ms);
    void (*emit_idle)(struct op_context *ctx, bool idle);
    /* The operator's keyed state, made (and restored) at the first call, in open(). */
    int (*keyed_backend)(struct op_context *ctx, struct keyed_backend **ret_backend,
                         struct error *err);
    /* The operator's list, union and broadcast state; likewise. */
    int (*operator_state)(struct op_context *ctx, struct operator_state **ret_state,
                          struct error *err);
    /* processing_time() is to be called at this time of the clock, once; the earliest counts of all calls
     * since the last one; INT64_MAX: never. */
    void (*timer_at)(struct op_context *ctx, int64_t time_ms);
    /* The sources above the operator in its task are not polled while it holds them.  Returns how many
     * there are. */
    uint32_t (*hold_sources)(struct op_context *ctx, bool hold);
};

/* Emits on an output (0: main).  Takes the batch; one without selected rows is dropped.  At most
 * OPERATOR_EMIT_MAX batches per call of the operator (asserted): return OP_MORE long before. */
static inline void op_emit(struct op_context *ctx, uint32_t output, struct batch *take_batch)
{
    ctx->host->emit(ctx, output, take_batch);
}
/* Sources: how many rows a batch should have at most.  Few where what is below takes long for each, or where channels
 * are small. */
static inline uint32_t op_batch_rows(const struct op_context *ctx)
{
    return ctx->rows_max > 0 && ctx->rows_max < BATCH_ROWS_TARGET ? ctx->rows_max
                                                                  : BATCH_ROWS_TARGET;
}
/* What is emitted later is not before it.  Only of operators with OPERATOR_OWN_WATERMARKS and sources;
 * one that is not above the last is dropped. */
static inline void op_emit_watermark(struct op_context *ctx, int64_t watermark_ms)
{
    ctx->host->emit_watermark(ctx, watermark_ms);
}
/* Idle: those below wait no longer for watermarks from here, until the next batch or watermark. */
static inline void op_emit_idle(struct op_context *ctx, bool idle)
{
    ctx->host->emit_idle(ctx, idle);
}
/* The combined watermark of the inputs so far; INT64_MIN: none yet. */
static inline int64_t op_watermark(const struct op_context *ctx)
{
    return ctx->watermark_ms;
}
static inline int op_keyed_backend(struct op_context *ctx, struct keyed_backend **ret_backend,
                                   struct error *err)
{
    return ctx->host->keyed_backend(ctx, ret_backend, err);
}
static inline int op_operator_state(struct op_context *ctx, struct operator_state **ret_state,
                                    struct error *err)
{
    return ctx->host->operator_state(ctx, ret_state, err);
}
/* Milliseconds since 1970 of ctx->clock, as processing-time timers count them. */
static inline void op_timer_at(struct op_context *ctx, int64_t time_ms)
{
    ctx->host->timer_at(ctx, time_ms);
}
/* Sources that wait: what they have emitted goes on, and so do barriers, events and the end by a drain.  One
 * is polled again when no operator below holds it any more.  Returns how many sources the task has above
 * the operator. */
static inline uint32_t op_hold_sources(struct op_context *ctx, bool hold)
{
    return ctx->host->hold_sources(ctx, hold);
}
/* To the coordinator half; delivered in order, or the task fails. */
static inline void op_send_event(struct op_context *ctx, const uint8_t *data, size_t size)
{
    ctx->host->send_event(ctx, data, size);
}
static inline int op_resolve(struct op_context *ctx, const Flinc__FunctionRef *ref, void **ret_fn,
                             struct error *err)
{
    return ctx->host->resolve(ctx, ref, ret_fn, err);
}
/* Lets another thread (I/O executor, socket thread, user code) wake this operator's task: safe until the
 * operator is closed.  A source is polled then.  Any other operator gets resume(), also when it had
 * answered OP_DONE: what was in flight may leave before a new input comes. */
static inline struct op_waker *op_get_waker(struct op_context *ctx)
{
    return ctx->host->waker(ctx);
}
/* For sources that wait for time (rates): poll() then returns OP_IDLE. */
static inline void op_wake_after(struct op_context *ctx, int64_t delay_ms)
{
    ctx->host->wake_after(ctx, delay_ms);
}
/* What wakes a task; made by the host (task or harness), which embeds it.  Thread: any. */
struct op_waker {
    void (*wake)(struct op_waker *waker);
};
static inline void op_wake(struct op_waker *waker)
{
    waker->wake(waker);
}

/* The registry of kinds (a const table in registry.c; later plug-ins add to it). */
const struct operator_desc *operator_find(const char *kind);

/* ---- coordinator half ------------------------------------------------------------------------ */

/* Runs in the job master's mailbox; blocking work goes to its executor.  One per operator that names a
 * coordinator.  Flink: OperatorCoordinator, SplitEnumerator. */
struct coordinator;
struct metric_group;
struct coordinator_context {
    const struct coordinator_host *host;
    void *host_data;
    const Flinc__Operator *spec;
    uint32_t parallelism;
    const struct clock *clock;
    struct metric_group *metrics; /* Borrows; the operator's at the job manager; may be NULL */
};
struct coordinator_host {
    /* To the operator in a subtask.  Lost with the subtask's attempt: subtask_reset() says so. */
    void (*send_event)(struct coordinator_context *ctx, uint32_t subtask, const uint8_t *data,
                       size_t size);
    /* Runs work(arg) on an I/O thread, then done(coordinator, arg) in the mailbox (never after
     * close(): then only drop(arg)). */
    void (*run_async)(struct coordinator_context *ctx, void (*work)(void *arg),
                      void (*done)(struct coordinator *c, void *arg), void (*drop)(void *arg),
                      void *arg);
    /* Calls fn(coordinator) in the mailbox after a delay; one timer per coordinator. */
    void (*schedule)(struct coordinator_context *ctx, int64_t delay_ms,
                     void (*fn)(struct coordinator *c));
    /* Fails the job (global failover). */
    void (*fail)(struct coordinator_context *ctx, const struct error *err);
    /* Gives a value to a group, in place of the one before, and returns the least of those that coordinators
     * of the job, in this process, have given to it.  A coordinator that is closed takes its value along. */
    int64_t (*group_least)(struct coordinator_context *ctx, const char *group, int64_t value);
};
/* Where the answer to a request of a client goes.  The asker's memory. */
struct coordinator_reply {
    /* Once, on the job master's thread: 0 with the answer (borrowed for the call), or a negative code and why. */
    void (*answer)(struct coordinator_reply *take_reply, int rc, const uint8_t *data, size_t size,
                   const struct error *why);
};
enum { COORDINATOR_PLUGIN_VERSION = 1 }; /* kind_version of PLUGIN_KIND_COORDINATOR */
struct coordinator_desc {
    uint32_t struct_size;
    const char *kind; /* "flinc.source.text" */
    size_t instance_size;
    int (*start)(struct coordinator *c, struct coordinator_context *ctx, struct error *err);
    int (*on_event)(struct coordinator *c, uint32_t subtask, const uint8_t *data, size_t size,
                    struct error *err);
    /* The subtask runs anew (attempt), from checkpoint `checkpoint_id` (0: from the start): splits that
     * it got since that checkpoint's snapshot() go back. */
    void (*subtask_reset)(struct coordinator *c, uint32_t subtask, uint64_t checkpoint_id);
    /* Global restart: back to the start state.  Work and timers of before are dropped without a word.
     * NULL: the coordinator is closed, and another one started (and restored). */
    int (*reset)(struct coordinator *c, struct error *err);
    void (*close)(struct coordinator *c);
    /* Appends the state at the trigger of a checkpoint, before any task sees its barrier: events sent
     * before belong to it, later ones do not.  NULL: it keeps nothing. */
    int (*snapshot)(struct coordinator *c, uint64_t checkpoint_id, struct str *ret_state,
                    struct error *err);
    /* Before start() (or after reset()): what snapshot() gave. */
    int (*restore)(struct coordinator *c, uint64_t checkpoint_id, const uint8_t *state, size_t size,
                   struct error *err);
    /* NULL: not interested. */
    void (*notify)(struct coordinator *c, enum op_notice notice, uint64_t checkpoint_id);
    /* A client asks (POST /jobs/:jobid/coordinators/:operatorUid).  The reply is answered once: here, later, or at the
     * latest in reset() or close().  NULL: it takes no requests.  Flink: CoordinationRequestHandler. */
    void (*on_request)(struct coordinator *c, const uint8_t *data, size_t size,
                       struct coordinator_reply *take_reply);
    /* The job has finished: appends what clients that ask afterwards get, for as long as the job is remembered.  Before
     * close().  NULL: nothing.  Flink: the accumulators of a JobExecutionResult. */
    void (*result)(struct coordinator *c, struct str *ret_answer);
};
struct coordinator {
    const struct coordinator_desc *desc;
    struct coordinator_context *ctx;
};
const struct coordinator_desc *coordinator_find(const char *kind);

#endif
