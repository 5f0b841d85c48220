/* Programs: expressions compiled to instructions over vectors, run once per batch.
 *
 * A program has conditions and outputs.  Each condition in its turn narrows the rows that count; outputs are evaluated for the
 * rows that are left.  Equal subexpressions are evaluated once; constants once per program; operands of AND, OR, CASE and
 * COALESCE only for the rows that want them, unless they are cheap and cannot fail.  Registers are columns of pool buffers: an
 * output that is an input is forwarded, not copied.
 *
 * Flink: the code generator's Calc.  Thread: one owner; a program has state (patterns, random numbers). */
#ifndef FLINC_ENGINE_EXPR_PROGRAM_H
#define FLINC_ENGINE_EXPR_PROGRAM_H

#include "engine/expr/function.h"

enum {
    EXPR_NODES_MAX = 100000, /* of one program */
    EXPR_DEPTH_MAX = 10000,  /* levels; deeper trees are refused */
};

struct expr_program;

struct expr_program_options {
    const struct schema *input;
    const struct expr *const *conditions; /* BOOLEAN; the conjuncts of AND are taken apart */
    uint32_t n_conditions;
    const struct expr *const *outputs;
    uint32_t n_outputs;
    const struct schema *output;  /* types as those of the outputs, nullability aside */
    const struct time_zone *zone; /* NULL: UTC */
    bool is_batch;                /* see struct expr_context */
    int64_t query_start_ms;
    uint32_t subtask;
};

/* Keeps nothing of the expressions' pool.  ERR_TOO_LARGE; what bind() says of literals ("Invalid escape"). */
int expr_program_new(const struct expr_program_options *options, struct expr_program **ret,
                     struct error *err) MUST_CHECK;
struct expr_program *expr_program_free(struct expr_program *program);

/* What changes from batch to batch. */
struct expr_clock {
    int64_t now_ms;
    int64_t watermark;
};

/* The batch of outputs for the rows of `in` for which all conditions are TRUE: with a selection when they are not all, NULL
 * when there are none.  Row kinds, timestamps and selection come along.  `in` is borrowed. */
int expr_program_run(struct expr_program *program, struct buffer_pool *pool, struct batch *in,
                     const struct expr_clock *clock, struct batch **ret,
                     struct error *err) MUST_CHECK;

/* As text, for EXPLAIN and tests: one instruction a line. */
void expr_program_print(const struct expr_program *program, struct str *out);

#endif
