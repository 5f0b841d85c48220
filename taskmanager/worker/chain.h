/* A chain: the operators of one task, fused, and the driver that runs them without recursion.
 *
 * What an operator emits for the next one waits in that one's list; what it emits on an edge of the
 * vertex goes to the result partition at once.  chain_step() makes one operator call: the deepest
 * operator that has something to do first, so that an operator is called again (with its next input, or
 * to resume) only when everything below it is drained.  Between two steps the task serves its mailbox
 * and waits until its outputs can be written: one call is what may overdraw them.
 *
 * Watermarks, idleness and the end of an input travel in the lists too, each behind the batches before
 * it.  An operator sees the minimum over its feeds; what it has half built is flushed before a watermark
 * goes on.  One whose inputs have all ended is flushed, sends the last watermark (INT64_MAX) and ends the
 * inputs below it; one that speaks at the end of its input speaks before that watermark.
 *
 * An operator that answered OP_WAIT gets nothing new until it is woken, nor do those above it.
 *
 * A barrier starts when nothing is in the lists: operator by operator, first to last, prepare_barrier() and
 * a flush, everything drained below; then the task sends it on and takes the snapshot, chain_snapshot.h.
 *
 * Lifetime: chain_new, chain_add_feed and chain_add_partition, chain_open, steps, chain_close,
 * chain_free.  Thread: the task's.  Flink: OperatorChain. */
#ifndef FLINC_TASKMANAGER_WORKER_CHAIN_H
#define FLINC_TASKMANAGER_WORKER_CHAIN_H

#include "common/loop/mailbox.h"
#include "common/metrics/registry.h"
#include "engine/operators/operator.h"
#include "proto/control.pb-c.h"
#include "taskmanager/exchange/result_partition.h"
#include "taskmanager/exchange/watermark_valve.h"
#include "taskmanager/worker/chain_latency.h"
#include "taskmanager/worker/crash_report.h"

struct chain;

enum chain_item_kind {
    CHAIN_ITEM_BATCH,
    CHAIN_ITEM_WATERMARK,
    CHAIN_ITEM_IDLE,
    CHAIN_ITEM_ACTIVE,
    CHAIN_ITEM_END,    /* of a feed */
    CHAIN_ITEM_MARKER, /* of latency */
};

/* What is on its way to an operator. */
struct chain_item {
    union {
        struct batch *batch;           /* BATCH; Owns */
        int64_t watermark_ms;          /* WATERMARK */
        struct latency_marker *marker; /* MARKER; Owns */
    };
    uint32_t feed; /* of the input */
    uint16_t input;
    uint8_t kind; /* enum chain_item_kind */
};

/* An input of an operator, as what leads there knows it: an edge from another vertex, or from an output in
 * the chain. */
struct chain_feed {
    uint32_t op, input, number;
};

/* A growing ring. */
struct chain_items {
    struct chain_item *ring; /* Owns */
    uint32_t head, len, cap;
};

/* Where an output of an operator leads; one row per edge. */
struct chain_target {
    struct chain_feed feed;             /* an operator of the chain */
    struct result_partition *partition; /* Borrows; else an edge of the vertex */
};
struct chain_output {
    struct chain_target *targets; /* Owns */
    uint32_t n_targets;
};

/* What another thread wakes. */
struct chain_waker {
    struct op_waker base;
    _Atomic bool pending;
    struct mailbox *mailbox; /* Borrows: the task's */
};

enum chain_call {
    CHAIN_CALL_INPUT,      /* process() */
    CHAIN_CALL_END,        /* end_of_input() */
    CHAIN_CALL_FLUSH,      /* flush() */
    CHAIN_CALL_LAST_FLUSH, /* flush() after the last input has ended */
    CHAIN_CALL_TIME,       /* watermark() */
    CHAIN_CALL_TIME_FLUSH, /* flush() before a watermark or idleness goes on */
    CHAIN_CALL_MARKER,     /* flush() before a latency marker goes on */
    CHAIN_CALL_OTHER,      /* timers, notices, a wake-up: nothing follows */
};

/* What an operator knows of event time.  Gauges read the watermarks. */
struct chain_time {
    struct watermark_valve inputs[OPERATOR_INPUTS_MAX]; /* over the feeds of each */
    struct watermark_valve both;                        /* over two inputs */
    bool is_made;
    bool forwards_watermark, forwards_idle; /* when the flush is done */
    bool is_idle;                           /* what was told those below */
    bool said_idle;                /* by the operator itself: its next batch takes it back */
    _Atomic int64_t in_ms, out_ms; /* INT64_MIN: none yet */
};

struct chain_op {
    struct op_context ctx; /* ctx.host_data is this */
    struct operator* op;   /* Owns */
    struct chain *chain;
    uint32_t index;
    bool open_called, finished;
    bool more;                   /* the last call returned OP_MORE */
    enum chain_call during;      /* what `more` goes on with */
    bool waiting;                /* it returned OP_WAIT */
    enum chain_call wait_during; /* what that goes on with */
    bool woken;                  /* resume() is due; not of sources */
    bool has_waker;              /* it was given to the operator */
    struct chain_time time;
    struct chain_latency latency;
    int64_t timer_ms;                      /* of op_timer_at(); INT64_MAX: none */
    struct keyed_backend *keyed;           /* Owns; NULL: none */
    struct keyed_disk *disk;               /* Owns: of its backend; NULL: all is in memory */
    struct operator_state *operator_state; /* Owns; NULL: none */
    struct chain_items items;
    struct chain_output *outputs;             /* Owns; ctx.n_outputs */
    uint32_t n_feeds[OPERATOR_INPUTS_MAX];    /* edges, by input */
    uint32_t open_feeds[OPERATOR_INPUTS_MAX]; /* of them, those that have not ended */
    uint32_t n_open_inputs;
    uint32_t n_emitted; /* in this call */
    bool idle;          /* a source that said OP_IDLE and was not woken */
    uint32_t n_holding; /* operators below that hold the source */
    bool holds_sources; /* op_hold_sources() */
    int64_t wake_at_ns; /* a source's time to be woken; INT64_MAX: none */
    struct chain_waker waker;
    uint64_t n_events_sent, n_events_received;
    struct metric_counter records_in, records_out;
    struct crash_site site;
    char *label; /* Owns: "Flat Map (2/4)" */
};

/* What the task does for its operators. */
struct chain_services {
    void *owner;
    void (*send_event)(void *owner, struct chain_op *op, const uint8_t *data, size_t size);
    int (*resolve)(void *owner, const Flinc__FunctionRef *ref, void **ret_fn, struct error *err);
    int (*accumulate)(void *owner, const char *name, const char *type, int64_t delta,
                      double delta_double, struct error *err);
};

struct chain_options {
    const Flinc__JobVertex *vertex; /* Borrows as long as the chain lives */
    const struct operator_desc *(*find_operator)(const char *kind);
    struct chain_services services;
    const char *job_name, *task_name; /* Borrows */
    uint32_t subtask, attempt_number;
    uint32_t flags;                   /* enum op_flags */
    struct buffer_pool *pool;         /* Borrows */
    struct arena *arena;              /* Borrows */
    struct metric_registry *registry; /* Borrows; NULL: no metrics */
    struct metric_group *metrics;     /* Borrows: the task's group */
    struct metric_group *job_metrics; /* Borrows; may be NULL */
    const struct clock *clock;
    struct executor *io_executor;
    const _Atomic bool *cancelled;
    struct mailbox *mailbox;             /* Borrows: the task's */
    struct mem_budget *state_budget;     /* Borrows; may be NULL */
    struct state_disk *state_disk;       /* Borrows: for state on disk; NULL: there can be none */
    const struct conf *conf;             /* Borrows; may be NULL */
    _Atomic int64_t *input_watermark_ms; /* Borrows: of the first operator; may be NULL */
    const Flinc__TaskRestore *restore;   /* Borrows; NULL: starts afresh */
    struct latency_options latency;
    struct crash_slot *slot;       /* Borrows: of the task's thread */
    const struct crash_site *site; /* Borrows: of the task; what the slot says between calls */
};

struct chain {
    struct chain_options options;
    struct chain_op *ops; /* Owns; topological order */
    uint32_t n_ops, n_finished;
    uint64_t *work;  /* Owns: bit per operator that has something to do */
    uint64_t *above; /* Owns: bit per operator; of chain_hold_sources() */
    uint32_t n_words;
    struct result_partition **partitions; /* Borrows */
    uint32_t n_partitions;
    bool flushing;
    uint32_t flush_next; /* the operator whose flush comes next */
    uint32_t n_items;    /* in all lists */
    uint32_t n_waiting, n_wakers;
    int64_t next_timer_ms;    /* not above the earliest; INT64_MAX: none */
    struct rng rng;           /* where latency markers go */
    uint64_t source_rows;     /* emitted by sources so far */
    bool sources_paused;      /* they are not polled */
    bool barrier_on;          /* one is on its way through the chain */
    bool barrier_is_prepared; /* by the operator barrier_next: its flush comes next */
    uint32_t barrier_next;
    uint32_t n_sealed; /* operators that it has passed; their snapshot is not taken yet */
    struct op_checkpoint barrier;
    bool dirty; /* something may be half built since the last flush */
    uint32_t next_source;
    int emit_rc; /* the first failure of an emit in this call */
    struct error emit_error;
};

/* Finds the operators, checks the edges and parses the schemas; no user code runs yet. */
int chain_new(const struct chain_options *options, struct chain **ret_chain,
              struct error *err) MUST_CHECK;
/* An edge from another vertex leads to this input; its schema is borrowed. */
int chain_add_feed(struct chain *c, uint32_t op, uint32_t input, struct chain_feed *ret_feed,
                   const struct schema **ret_schema, struct error *err) MUST_CHECK;
/* The schema of an output, borrowed. */
int chain_find_output(const struct chain *c, uint32_t op, uint32_t output,
                      const struct schema **ret_schema, struct error *err) MUST_CHECK;
/* An edge to another vertex starts at this output, which there is. */
void chain_add_partition(struct chain *c, uint32_t op, uint32_t output,
                         struct result_partition *partition);
/* Opens the operators, the last one first.  They find their restored state. */
int chain_open(struct chain *c, struct error *err) MUST_CHECK;
/* Instead of all steps, in a task that had finished when the checkpoint was taken that it comes from. */
int chain_end_restored(struct chain *c, struct error *err) MUST_CHECK;
/* Closes what was opened, the first one first.  May be called again. */
void chain_close(struct chain *c);
/* NULL is fine; returns NULL. */
struct chain *chain_free(struct chain *c);

/* ---- running ------------------------------------------------------------------------------------ */

/* Input from a gate; takes the batch. */
void chain_push(struct chain *c, struct chain_feed to, struct batch *take_batch);
void chain_push_watermark(struct chain *c, struct chain_feed to, int64_t watermark_ms);
void chain_push_idle(struct chain *c, struct chain_feed to, bool idle);
/* Takes the marker. */
void chain_push_marker(struct chain *c, struct chain_feed to, struct latency_marker *take_marker);
/* The feed has ended. */
void chain_push_end(struct chain *c, struct chain_feed to);
bool chain_has_work(struct chain *c);
/* An operator waits to be woken, and nothing else can be done. */
bool chain_is_waiting(struct chain *c);
/* One operator call (or the last part of a flush).  Errors name the operator. */
int chain_step(struct chain *c, struct error *err) MUST_CHECK;
/* Flushes operators, then partitions, by the next steps; nothing when nothing may be half built. */
void chain_begin_flush(struct chain *c);
static inline bool chain_is_dirty(const struct chain *c)
{
    return c->dirty;
}
static inline bool chain_is_finished(const struct chain *c)
{
    return c->n_finished == c->n_ops;
}
/* When the next processing-time timer is due, in ms since 1970; INT64_MAX: none.  May be early. */
static inline int64_t chain_next_timer_ms(const struct chain *c)
{
    return c->next_timer_ms;
}
/* Calls one operator whose timer is due; 1: one was called, 0: there is none. */
int chain_fire_timer(struct chain *c, struct error *err) MUST_CHECK;
/* A message of the coordinator half for one of its operators; sequences count from 1 without gaps,
 * repeats are dropped. */
int chain_on_event(struct chain *c, const Flinc__OperatorEvent *event,
                   struct error *err) MUST_CHECK;

/* ---- barriers ------------------------------------------------------------------------------------ */

/* The next steps prepare it, operator by operator.  Needs a chain without work; is over when
 * chain_has_barrier() says so: then the task sends the barrier and takes the snapshot. */
void chain_begin_barrier(struct chain *c, const struct op_checkpoint *checkpoint);
static inline bool chain_has_barrier(const struct chain *c)
{
    return c->barrier_on;
}
/* The snapshot is taken, or given up.  Until then operators behind the barrier do nothing of their own: what they
 * would do at a wake-up or a timer would be in the snapshot, and what they would emit behind the barrier. */
void chain_end_barrier(struct chain *c);
/* The operators' notify(), first to last, and what their state makes of it.  Needs a chain without
 * work. */
int chain_notify(struct chain *c, enum op_notice notice, uint64_t checkpoint_id,
                 struct error *err) MUST_CHECK;

/* ---- sources ------------------------------------------------------------------------------------ */

/* Polls one source that is not idle; 1: one was polled, 0: there is none. */
int chain_poll_source(struct chain *c, struct error *err) MUST_CHECK;
/* Some source would be polled now. */
bool chain_has_ready_source(const struct chain *c);
/* When the next source wants to be woken; INT64_MAX: none. */
int64_t chain_next_wake_ns(const struct chain *c);
/* Sources make no more rows than this in one poll; UINT32_MAX: as many as they like. */
void chain_set_source_rows(struct chain *c, uint32_t rows);
/* Ends all sources as if they were exhausted; needs a chain without work. */
int chain_end_sources(struct chain *c, struct error *err) MUST_CHECK;

#endif
