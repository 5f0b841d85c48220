/* Typed expressions: what a planner makes of text or of calls, and what programs (program.h) are compiled from.
 *
 * A node is immutable and lives as long as its pool.  The pool interns: two nodes that are equal are one pointer, so that a
 * common subexpression is one node, and comparing trees is comparing pointers.  Only calls of volatile functions
 * (RAND(), UUID()) are each their own.  Types are interned too: equal types within a pool are one pointer.
 * Flink: RexNode (ours has one kind of call for operators, functions, CASE and CAST).
 * Thread: a pool has one owner; nodes may be read by many once they are made. */
#ifndef FLINC_ENGINE_EXPR_EXPR_H
#define FLINC_ENGINE_EXPR_EXPR_H

#include "engine/data/schema.h"

enum {
    EXPR_ARGS_MAX = 65536, /* of one call: IN lists, AND of generated conditions */
};

struct expr_function;

enum expr_kind {
    EXPR_INPUT,   /* index: a column of the input */
    EXPR_LITERAL, /* value */
    EXPR_CALL,    /* function, args */
    EXPR_FIELD,   /* args[0] is a ROW; index: its field.  NULL when the row is */
    EXPR_EXTERNAL, /* external: a subquery, a correlated column, ... of the room above; no program has it */
};

/* One value of a type without children; what counts is decided by the type's layout.  Bytes of strings are borrowed. */
struct expr_value {
    bool is_null;
    union {
        bool boolean;
        int64_t integer; /* LAYOUT_I8 to LAYOUT_I64 */
        __int128 wide;   /* LAYOUT_I128 */
        double real;     /* LAYOUT_F32, LAYOUT_F64 */
        struct ts_nano timestamp;
        struct slice bytes;
    };
};

struct expr {
    enum expr_kind kind;
    uint32_t n_args;
    const struct data_type *type; /* Borrows: the pool's */
    const struct expr_function *function;
    const struct expr *const *args;
    uint32_t index;
    uint32_t id;    /* number within the pool, in the order of making: arguments have lower ones */
    uint32_t depth; /* levels of nodes below, itself included */
    uint16_t external_kind;
    bool is_volatile; /* it or a node below has another value each time */
    bool is_constant; /* no input, nothing volatile or external below */
    uint64_t hash;
    struct expr_value value;
    void *external; /* Borrows */
};

struct expr_pool;
struct expr_pool *expr_pool_new(void);
struct expr_pool *expr_pool_free(struct expr_pool *pool);
struct arena *expr_pool_arena(struct expr_pool *pool); /* for what lives as long as the nodes */
/* The pool's own of types equal to this one; takes the reference. */
const struct data_type *expr_pool_type(struct expr_pool *pool, struct data_type *take_type);

const struct expr *expr_input(struct expr_pool *pool, uint32_t index, struct data_type *take_type);
/* Bytes are copied.  `value.is_null` makes the type nullable. */
const struct expr *expr_literal(struct expr_pool *pool, struct data_type *take_type,
                                struct expr_value value);
const struct expr *expr_null(struct expr_pool *pool, struct data_type *take_type);
const struct expr *expr_boolean(struct expr_pool *pool, bool value);
const struct expr *expr_integer(struct expr_pool *pool, enum type_id id, int64_t value);
const struct expr *expr_string(struct expr_pool *pool, struct slice value); /* CHAR(n) NOT NULL */
const struct expr *expr_field(struct expr_pool *pool, const struct expr *row, uint32_t index);
const struct expr *expr_external(struct expr_pool *pool, uint16_t kind, void *external,
                                 struct data_type *take_type);
/* A call whose type and arguments are right already; function.h resolves names and types. */
const struct expr *expr_call_of(struct expr_pool *pool, const struct expr_function *function,
                                const struct expr *const *args, uint32_t n_args,
                                struct data_type *take_type);
/* The same call with other arguments, of the same types. */
const struct expr *expr_with_args(struct expr_pool *pool, const struct expr *call,
                                  const struct expr *const *args);
/* A tree with each node replaced that `replace` has something for (it returns NULL to look further below). */
const struct expr *expr_rewrite(struct expr_pool *pool, const struct expr *root,
                                const struct expr *(*replace)(void *arg, const struct expr *node),
                                void *arg);

static inline bool expr_is_call(const struct expr *e, const struct expr_function *function)
{
    return e->kind == EXPR_CALL && e->function == function;
}
static inline bool expr_is_null_literal(const struct expr *e)
{
    return e->kind == EXPR_LITERAL && e->value.is_null;
}

/* As plans show it: $0, 'abc', UPPER($1), ($0 + 1), CAST($2 AS INT); `input` (may be NULL) names the columns. */
void expr_print(const struct expr *e, const struct schema *input, struct str *out);

/* ---- values ----------------------------------------------------------------------------------------- */

struct column;
struct buffer_pool;
/* The cell as a value; bytes stay where they are.  Types without children only. */
struct expr_value expr_value_of(const struct column *c, uint32_t row);
/* Makes `ret` a column of `n` times this value. */
void expr_value_fill(struct buffer_pool *pool, const struct data_type *type,
                     const struct expr_value *value, uint32_t n, struct column *ret);
bool expr_value_equals(const struct data_type *type, const struct expr_value *a,
                       const struct expr_value *b);

#endif
