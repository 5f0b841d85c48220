/* Calls of aggregates as plans write them: bound to columns, DISTINCT, FILTER.  Inside the room only.  Thread: the task's. */
#ifndef FLINC_ENGINE_QUERY_CALLS_H
#define FLINC_ENGINE_QUERY_CALLS_H

#include "engine/expr/aggregate.h"
#include "engine/query/groups.h"
#include "engine/query/inside.h"

struct query_call {
    struct aggregate *aggregate; /* Owns */
    uint32_t *args;              /* Owns: columns of the input */
    uint32_t n_args;
    bool is_distinct, has_filter;
    uint32_t filter;
    struct groups seen;     /* is_distinct: group and arguments */
    struct data_type *type; /* Owns: of the result */
};

struct query_calls {
    struct query_call *items; /* Owns */
    uint32_t n;
    /* Scratch of one batch. */
    uint16_t *rows;
    uint32_t *groups;
    uint16_t *fresh;
    uint64_t *hashes;
};

struct query_calls_spec {
    Flinc__AggregateCall *const *calls;
    size_t n;
    const struct schema *input;
    bool is_merging; /* arguments are accumulators */
    struct buffer_pool *pool;
};
int query_calls_open(struct query_calls *c, const struct op_context *ctx,
                     const struct query_calls_spec *spec, struct error *err) MUST_CHECK;
void query_calls_close(struct query_calls *c);
/* Groups 0 .. n are there. */
void query_calls_reserve(struct query_calls *c, uint32_t n_groups);
void query_calls_clear(struct query_calls *c);
/* Adds rows to groups by all calls: in->args is ignored, the columns are the batch's. */
int query_calls_add(struct query_calls *c, const struct batch *b, const struct aggregate_rows *in,
                    struct error *err) MUST_CHECK;
/* Row numbers and groups of the rows for which the call counts, by FILTER and DISTINCT; in scratch. */
int query_call_narrow(struct query_calls *c, struct query_call *call, const struct batch *b,
                      const struct aggregate_rows *in, struct aggregate_rows *ret,
                      struct error *err) MUST_CHECK;

#endif
