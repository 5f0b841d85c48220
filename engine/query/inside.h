/* What the operators of queries share: configurations, programs, what they refuse.  Inside the room only.  Thread: the task's. */
#ifndef FLINC_ENGINE_QUERY_INSIDE_H
#define FLINC_ENGINE_QUERY_INSIDE_H

#include "engine/expr/program.h"
#include "engine/operators/operator.h"
#include "proto/query.pb-c.h"

struct time_zone;

/* ---- configurations --------------------------------------------------------------------------------- */

/* The operator's message, to be given to query_config_free(); NULL: it is damaged, and `err` says so. */
void *query_config_read(const struct op_context *ctx, const ProtobufCMessageDescriptor *type,
                        struct error *err);
void query_config_free(void *config);
/* ERR_CORRUPT: the configuration says what cannot be. */
int query_config_damaged(const struct op_context *ctx, const char *what, struct error *err) COLD;
/* ERR_CORRUPT unless all of the columns are there. */
int query_check_columns(const struct op_context *ctx, const struct schema *schema,
                        const uint32_t *columns, size_t n, struct error *err) MUST_CHECK;
/* ERR_UNSUPPORTED when a row is not an insert: for operators that are done only when their input is. */
int query_check_inserts(const struct op_context *ctx, const struct batch *b,
                        struct error *err) MUST_CHECK;
/* ERR_CANCELLED once the task is being cancelled. */
int query_check_cancelled(const struct op_context *ctx, struct error *err) MUST_CHECK;

/* ---- programs --------------------------------------------------------------------------------------- */

struct query_program {
    struct expr_program *program; /* Owns */
    struct time_zone *zone;       /* Owns; NULL: UTC */
};

/* Conditions and outputs are indexes into `exprs`.  Without outputs the result has the input's rows alone. */
struct query_program_spec {
    const Flinc__QueryContext *context; /* NULL: defaults */
    const Flinc__ExprList *exprs;
    const uint32_t *conditions;
    size_t n_conditions;
    const uint32_t *outputs;
    size_t n_outputs;
    const struct schema *input;
    const struct schema *output; /* NULL: no outputs */
};
int query_program_open(struct query_program *p, const struct op_context *ctx,
                       const struct query_program_spec *spec, struct error *err) MUST_CHECK;
void query_program_close(struct query_program *p);
/* The rows for which all conditions hold; *ret is NULL when there are none.  `in` is borrowed. */
int query_program_run(struct query_program *p, struct op_context *ctx, struct batch *in,
                      struct batch **ret, struct error *err) MUST_CHECK;

/* ---- memory ----------------------------------------------------------------------------------------- */

/* A pool of what an operator holds, answering to the managed memory of its worker. */
struct buffer_pool *query_memory_open(const struct op_context *ctx);
struct buffer_pool *query_memory_close(struct buffer_pool *pool);
/* ERR_LIMIT when there is no more: "... holds 12345 rows of its input ...; raise taskmanager.memory.managed.size ..." */
int query_memory_check(const struct op_context *ctx, const char *what, uint64_t n,
                       struct error *err) MUST_CHECK;

#endif
