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
 * Ownership.  process() takes the batch: it forwards it, keeps it, or drops it (batch_unref).  A batch
 * with one holder may be changed in place.
 *
 * Errors.  A negative code with `err` filled fails the task; the task adds operator name and subtask.
 *
 * Flink: StreamOperator, OneInputStreamOperator, TwoInputStreamOperator, SourceOperator. */
#ifndef FLINC_ENGINE_OPERATORS_OPERATOR_H
#define FLINC_ENGINE_OPERATORS_OPERATOR_H

#include "common/base/clock.h"
#include "engine/data/batch.h"
#include "proto/graph.pb-c.h"

enum op_result {
    OP_DONE = 0, /* the input is processed */
    OP_MORE = 1, /* call resume() again */
    OP_IDLE = 2, /* poll() only: nothing now; the operator has arranged for op_wake() */
    OP_END = 3,  /* poll() only: the source is exhausted */
};

struct operator;
struct op_context;
struct metric_group;
struct executor;
struct arena;

enum { OPERATOR_DESC_VERSION = 1, OPERATOR_INPUTS_MAX = 2, OPERATOR_EMIT_MAX = 64 };

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
    /* Sources: emits about one batch.  OP_DONE: call again; OP_IDLE; OP_END. */
    int (*poll)(struct operator* op, struct op_context *ctx, struct error *err);
    /* A message of the coordinator half (enumerator).  NULL: none expected. */
    int (*on_event)(struct operator* op, struct op_context *ctx, const uint8_t *data, size_t size,
                    struct error *err);
    /* Emit what is buffered inside (half-built output batches): called when the input pauses or the
     * buffer time-out strikes.  NULL: the operator buffers nothing between calls. */
    int (*flush)(struct operator* op, struct op_context *ctx, struct error *err);
    /* Always called once when open() was called, however the task ends; must not block. */
    void (*close)(struct operator* op, struct op_context *ctx);
};

/* First member of every operator's own struct. */
struct operator
{
    const struct operator_desc *desc;
};

enum op_flags {
    OP_FLAG_BATCH_MODE = 1u << 0, /* execution.runtime-mode is BATCH: final values only */
    OP_FLAG_INPUTS_BOUNDED = 1u << 1,
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
};

/* Emits on an output (0: main).  Takes the batch; one without selected rows is dropped.  At most
 * OPERATOR_EMIT_MAX batches per call of the operator (asserted): return OP_MORE long before. */
static inline void op_emit(struct op_context *ctx, uint32_t output, struct batch *take_batch)
{
    ctx->host->emit(ctx, output, take_batch);
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
/* Lets another thread (I/O executor, socket thread) wake this source's task: safe until the operator is
 * closed. */
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
};
enum { COORDINATOR_PLUGIN_VERSION = 1 }; /* kind_version of PLUGIN_KIND_COORDINATOR */
struct coordinator_desc {
    uint32_t struct_size;
    const char *kind; /* "flinc.source.text" */
    size_t instance_size;
    int (*start)(struct coordinator *c, struct coordinator_context *ctx, struct error *err);
    int (*on_event)(struct coordinator *c, uint32_t subtask, const uint8_t *data, size_t size,
                    struct error *err);
    /* The subtask runs anew (attempt): splits that it had and that no checkpoint covers go back. */
    void (*subtask_reset)(struct coordinator *c, uint32_t subtask);
    /* Global restart: back to the start state.  Work and timers of before are dropped without a word.
     * NULL: the coordinator is closed, and another one started. */
    int (*reset)(struct coordinator *c, struct error *err);
    void (*close)(struct coordinator *c);
};
struct coordinator {
    const struct coordinator_desc *desc;
    struct coordinator_context *ctx;
};
const struct coordinator_desc *coordinator_find(const char *kind);

#endif
