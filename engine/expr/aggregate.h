/* Aggregates: what SUM and its like keep per group, and how whole batches are added to it.
 *
 * An aggregate is bound to the types of its arguments once.  Per group it has a state of fixed size in one flat array; states
 * of zeros are empty groups, so that making a group costs nothing.  What does not fit (strings, lists) lies in a heap of pool buffers
 * that a state points into.  Kernels go over a batch: group number and row of each value, in typed loops without a call per row.
 *
 * Between a local and a global aggregation a state travels as accumulators: one or more columns, whose types
 * aggregate_accumulators() tells.
 *
 *   aggregate_new() -> aggregate_reserve(n groups) -> aggregate_add()...            -> aggregate_result()
 *                                                     aggregate_add()...            -> aggregate_accumulate() | exchange
 *                                                     aggregate_merge() | of those  -> aggregate_result()
 *
 * Flink: AggregateFunction and its accumulators, NamespaceAggsHandleFunction, the generated handlers.
 * Thread: that of its owner. */
#ifndef FLINC_ENGINE_EXPR_AGGREGATE_H
#define FLINC_ENGINE_EXPR_AGGREGATE_H

#include "engine/expr/function.h"

enum {
    AGGREGATE_ARGS_MAX = 32,
    AGGREGATE_ACCUMULATORS_MAX = 3,
    AGGREGATE_STATE_MAX = 64, /* bytes of a state */
};

struct aggregate;

/* Values of one batch, by number: value i is in row rows[i] and belongs to group groups[i]. */
struct aggregate_rows {
    const struct column *const *args; /* Borrows */
    const uint16_t *rows;             /* NULL: row i is i */
    const uint32_t *groups;           /* NULL: all belong to group 0 */
    uint32_t n;                       /* up to BATCH_ROWS_MAX */
};

/* What a row of functions says of its aggregate; see aggregate_kernels.h for how they are written. */
struct aggregate_desc;

struct aggregate_options {
    const struct expr_function *function;
    /* Types of the arguments; of accumulators where is_merging. */
    const struct data_type *const *args;
    uint32_t n_args;
    const struct data_type *result;
    bool is_merging;          /* what comes are accumulators */
    struct buffer_pool *pool; /* Borrows: of states and of what they point to */
};

/* ERR_UNSUPPORTED, ERR_INVALID_ARGUMENT: no such aggregate of these types. */
int aggregate_new(const struct aggregate_options *options, struct aggregate **ret,
                  struct error *err) MUST_CHECK;
struct aggregate *aggregate_free(struct aggregate *a);

/* The types of the accumulators of a call: new references, up to AGGREGATE_ACCUMULATORS_MAX. */
int aggregate_accumulators(const struct expr_function *function,
                           const struct data_type *const *args, uint32_t n_args,
                           const struct data_type *result, struct data_type **ret_types,
                           uint32_t *ret_n, struct error *err) MUST_CHECK;
uint32_t aggregate_n_accumulators(const struct aggregate *a);
bool aggregate_can_retract(const struct aggregate *a);
/* Bytes of states and of what they point to. */
uint64_t aggregate_bytes(const struct aggregate *a);

/* Groups 0 .. n_groups are there; new ones are empty. */
void aggregate_reserve(struct aggregate *a, uint32_t n_groups);
/* Groups [from, from + n) are empty again. */
void aggregate_reset(struct aggregate *a, uint32_t from, uint32_t n);
/* All groups are forgotten, and what they pointed to. */
void aggregate_clear(struct aggregate *a);

/* Errors are those of values: more than one of SINGLE_VALUE. */
int aggregate_add(struct aggregate *a, const struct aggregate_rows *in,
                  struct error *err) MUST_CHECK;
/* Takes back what was added; for those that can. */
int aggregate_retract(struct aggregate *a, const struct aggregate_rows *in,
                      struct error *err) MUST_CHECK;
/* Adds accumulators: in->args has as many as there are. */
int aggregate_merge(struct aggregate *a, const struct aggregate_rows *in,
                    struct error *err) MUST_CHECK;
/* Adds group from[i] to group to[i], in the order of i. */
void aggregate_merge_groups(struct aggregate *a, const uint32_t *to, const uint32_t *from,
                            uint32_t n);

/* Columns of n rows, of the groups given; `ret` are empty columns of a batch, of the types that were bound. */
int aggregate_accumulate(struct aggregate *a, const uint32_t *groups, uint32_t n,
                         struct buffer_pool *pool, struct column *ret,
                         struct error *err) MUST_CHECK;
int aggregate_result(struct aggregate *a, const uint32_t *groups, uint32_t n,
                     struct buffer_pool *pool, struct column *ret, struct error *err) MUST_CHECK;

#endif
