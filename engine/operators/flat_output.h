/* What functions emit that make any number of records for each: the builders of an operator's outputs.
 *
 * The function writes straight into the columns of the output batches (flinc_out is the face of a
 * builder).  Full batches queue; what is half built waits for the next input or for flat_outputs_flush().
 * Around each call of the function flat_outputs_begin() and _end() stamp what it emits with a timestamp
 * and a row kind; while nothing has any, they may be left out.
 *
 * Thread: one owner (the task).  Flink: TimestampedCollector. */
#ifndef FLINC_ENGINE_OPERATORS_FLAT_OUTPUT_H
#define FLINC_ENGINE_OPERATORS_FLAT_OUTPUT_H

#include "engine/operators/row_operator.h"

struct flat_outputs;

struct flat_output {
    struct builder builder;
    struct flat_outputs *all;
    uint32_t number;
    uint32_t mark; /* rows before it are stamped */
};

struct flat_outputs {
    struct flat_output items[1 + USER_SIDES_MAX];
    uint32_t n;
    struct emit_queue *queue; /* Borrows: where full batches go */
    bool stamped;             /* what is emitted gets these: */
    int64_t timestamp;        /* BATCH_NO_TIMESTAMP: none */
    enum row_kind kind;
};

/* Builders by the operator's configuration; side outputs are found by the functions from now on. */
int flat_outputs_open(struct flat_outputs *o, struct row_operator *rows, struct op_context *ctx,
                      const Flinc__FunctionOperatorConfig *config, struct error *err) MUST_CHECK;
void flat_outputs_close(struct flat_outputs *o); /* safe on a zeroed struct */
static inline flinc_out *flat_outputs_main(struct flat_outputs *o)
{
    return &o->items[0].builder.out;
}
/* What is emitted up to flat_outputs_end() gets this timestamp and kind. */
static inline void flat_outputs_begin(struct flat_outputs *o, int64_t timestamp, enum row_kind kind)
{
    o->timestamp = timestamp;
    o->kind = kind;
    for (uint32_t i = 0; i < o->n; i++) {
        o->items[i].mark = builder_rows(&o->items[i].builder);
    }
}
void flat_outputs_end(struct flat_outputs *o);
/* The timestamp and kind of a row of a batch, for flat_outputs_begin(). */
static inline void flat_outputs_begin_row(struct flat_outputs *o, const struct batch *b,
                                          uint32_t row)
{
    flat_outputs_begin(
        o,
        b->timestamps != NULL ? ((const int64_t *)(const void *)b->timestamps->data)[row]
                              : BATCH_NO_TIMESTAMP,
        b->row_kinds != NULL ? (enum row_kind)b->row_kinds->data[row] : ROW_KIND_INSERT);
}
/* What an output refused (a string that is too long), with the function that emitted it. */
int flat_outputs_check(const struct flat_outputs *o, const struct user_function *f,
                       struct error *err) MUST_CHECK;
/* The error of a call that returned `rc`; what an output refused explains it. */
int flat_outputs_failed(const struct flat_outputs *o, const struct user_function *f, int rc,
                        struct error *err) COLD;
/* Emits what is half built.  Not while full batches queue, which come first. */
void flat_outputs_flush(struct flat_outputs *o, struct op_context *ctx);

#endif
