/* Rows of the input with what is made of each: UNNEST and table functions.  The output has the input's columns, then those made.
 * Inside of the room only.  Thread: the task's. */
#ifndef FLINC_ENGINE_QUERY_CORRELATE_H
#define FLINC_ENGINE_QUERY_CORRELATE_H

#include "engine/query/inside.h"

struct query_correlate {
    struct query_program conditions; /* over the output; without a program all rows pass */
    uint8_t *met;                    /* Owns: by physical row of the input: a row of it went out */
};

/* `conditions`: of the configuration; without any no program is opened. */
int query_correlate_open(struct query_correlate *c, const struct op_context *ctx,
                         const struct query_program_spec *conditions, struct error *err) MUST_CHECK;
void query_correlate_close(struct query_correlate *c);
/* Another batch of the input. */
void query_correlate_begin(struct query_correlate *c);

/* The input by the output's schema, the columns made still empty.  The caller owns it. */
struct batch *query_correlate_widen(struct op_context *ctx, struct batch *in);
/* Columns and kinds of `n` rows of the input, `of` which they are, in an output of the schema's columns. */
int query_correlate_gather(struct op_context *ctx, const struct batch *in, const uint16_t *of,
                           uint32_t n, struct batch *out, struct error *err) MUST_CHECK;
/* Leaves the rows that meet the conditions, and notes `of` which rows they are; *inout_batch is NULL when there are none or on
 * failure. */
int query_correlate_filter(struct query_correlate *c, struct op_context *ctx, const uint16_t *of,
                           struct batch **inout_batch, struct error *err) MUST_CHECK;
/* LEFT: the rows of the input of which nothing went out, with NULLs.  The caller owns it; it may have no rows. */
struct batch *query_correlate_unmet(const struct query_correlate *c, struct op_context *ctx,
                                    struct batch *in);

#endif
