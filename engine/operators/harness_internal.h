/* Inside of the harness: what its files share.  harness.c is life, driving and results, harness_host.c
 * the services behind op_context, harness_time.c watermarks, timers and checkpoints. */
#ifndef FLINC_ENGINE_OPERATORS_HARNESS_INTERNAL_H
#define FLINC_ENGINE_OPERATORS_HARNESS_INTERNAL_H

#include "common/base/thread.h"
#include "common/base/vec.h"
#include "engine/operators/harness_spec.h"

struct harness_waker {
    struct op_waker base;
    struct event_count event;
    _Atomic uint64_t wakes;
};

struct harness_output {
    struct str rows; /* Owns */
    uint64_t n_rows, n_batches;
};

struct harness_accumulator {
    char *name; /* Owns */
    int64_t value;
};

struct harness {
    struct op_context ctx;
    struct harness_spec spec;
    struct operator* op; /* Owns */
    bool open_called;
    struct arena arena;
    struct harness_waker waker;
    uint64_t wakes_seen;
    int64_t wake_delay_ms;
    _Atomic bool cancelled;
    void (*on_batch)(void *arg, uint32_t output, struct batch *take_batch);
    void *on_batch_arg;
    struct harness_output outputs[HARNESS_OUTPUTS_MAX];
    uint32_t emitted, max_emitted; /* in this call of the operator; in any */
    uint64_t n_more;
    struct vec events;       /* struct str, Owns */
    struct vec accumulators; /* struct harness_accumulator, Owns */
    struct error emit_error; /* of a batch that is not valid */
    bool waiting;            /* the operator has returned OP_WAIT */
    int64_t input_watermarks[OPERATOR_INPUTS_MAX];
    bool input_idle[OPERATOR_INPUTS_MAX];
    int64_t emitted_watermark_ms; /* INT64_MIN: none */
    bool emitted_idle;
    bool holds_sources;
    int64_t timer_ms;                           /* op_timer_at(); INT64_MAX: none */
    struct keyed_backend *backend;              /* Owns; NULL: the operator asked for none */
    struct keyed_disk disk;                     /* of the backend; without a directory: none */
    struct operator_state *operator_state;      /* Owns; likewise */
    const Flinc__OperatorSubtaskState *restore; /* Borrows until open() is done */
};

extern const struct op_host harness_host;
/* One more wake-up of the operator's task. */
void harness_wake(struct op_waker *base);
/* Resumes while there is more; OP_DONE, OP_IDLE, OP_END, OP_WAIT or a negative code. */
int harness_finish(struct harness *h, int rc, struct error *err) MUST_CHECK;
/* Frees the state that the operator asked for. */
void harness_free_state(struct harness *h);

#endif
