/* What the operators of user functions (map, filter, flatMap, process and their co- variants) share:
 * configuration, functions, readers of their inputs, and the place in the batch at hand, so that an
 * operator can stop after any row (OP_MORE) and go on there.
 *
 * Thread: one owner (the task). */
#ifndef FLINC_ENGINE_OPERATORS_ROW_OPERATOR_H
#define FLINC_ENGINE_OPERATORS_ROW_OPERATOR_H

#include "engine/operators/batch_callback.h"
#include "engine/operators/emit_queue.h"
#include "engine/operators/row_reader.h"
#include "engine/operators/user_state.h"
#include "proto/operators.pb-c.h"

struct row_operator {
    struct operator base;
    struct user_functions functions; /* by input */
    struct row_reader readers[OPERATOR_INPUTS_MAX];
    struct batch_face face;                     /* batch callbacks */
    struct emit_queue queue;                    /* made and not emitted yet */
    bool by_batch;                              /* the function is a batch callback */
    struct batch *batch;                        /* Owns: at hand; NULL between batches */
    uint32_t input;                             /* where it came from */
    uint32_t row, tile_rows;                    /* in the tile of its reader */
    uint32_t *key_columns[OPERATOR_INPUTS_MAX]; /* in the task's arena; NULL: it is not keyed */
};

/* The operator's configuration; NULL with an error when its bytes are damaged.  Freed by
 * row_config_free(). */
Flinc__FunctionOperatorConfig *row_config_parse(const struct op_context *ctx, struct error *err);
void row_config_free(Flinc__FunctionOperatorConfig **config);
/* Readers and functions, one of `kind` per input (`batch_kind` when the configuration asks for a batch
 * callback; 0: there is none).  Their open callbacks are still due. */
int row_operator_open(struct row_operator *op, struct op_context *ctx,
                      const Flinc__FunctionOperatorConfig *config, uint32_t kind,
                      uint32_t batch_kind, struct error *err) MUST_CHECK;
void row_operator_close(struct row_operator *op);

/* Takes a batch; the one before it must be finished. */
int row_operator_take(struct row_operator *op, uint32_t input, struct batch *take_batch,
                      struct error *err) MUST_CHECK;
/* The selected row of the batch that the first row of the tile is: what user_states_set_row() counts from. */
static inline uint32_t row_operator_tile_start(const struct row_operator *op)
{
    const struct row_reader *r = &op->readers[op->input];
    return r->next - r->tile_rows;
}
/* Makes sure that the tile has a row at op->row.  *ret_more false: the batch is finished and gone. */
int row_operator_advance(struct row_operator *op, bool *ret_more, struct error *err) MUST_CHECK;
/* The snapshot callback of their descriptors. */
int row_operator_snapshot(struct operator* op, struct op_context *ctx,
                          const struct op_checkpoint *checkpoint, struct error *err);
/* True for a batch whose rows carry timestamps or kinds. */
static inline bool row_operator_is_stamped(const struct row_operator *op)
{
    return op->batch->timestamps != NULL || op->batch->row_kinds != NULL;
}
/* Key hashes are good up to the first operator behind the exchange that made them. */
struct batch *batch_without_hashes(struct buffer_pool *pool, struct batch *take_b);

#endif
