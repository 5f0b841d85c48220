/* Functions: rows of tables, from which calls are resolved, programs compiled, and the reference page and its tests made.
 *
 * Operators are functions too: "+", "=", "AND", "IS NULL", "CAST", "CASE".  A row says what arguments it takes
 * (`signatures`), what it yields (`result` or infer()), what NULL does, and gives a kernel, or chooses one for given types by
 * bind().  The rows themselves stand in engine/functions, by family.
 *
 * Signatures: alternatives between |, each a list of arguments: a family, then ? (may be left out, as may all behind it),
 * or ... (one or more of it, last).  Families:
 *   ANY; T, U (the same type for each T; arguments are brought to their least restrictive type), T[] (an array of T); COMPARABLE (like T, may be
 *   compared by =), ORDERED (by <); STRING, BINARY, BYTES-LIKE (either), BOOLEAN, NUMERIC, EXACT, INTEGER (TINYINT to
 *   BIGINT), DATETIME, TIMESTAMPS (both kinds), INTERVAL, ARRAY, MAP, MULTISET, ROW, COLLECTION (ARRAY, MAP, MULTISET);
 *   a type such as INT, BIGINT, DOUBLE, DATE, TIME, TIMESTAMP(3), TIMESTAMP_LTZ(3), VARCHAR(2147483647): arguments that cast
 *   to it implicitly are cast;
 *   a family in '...' quotes: a literal of it: 'STRING'.
 * Results: a type ("DOUBLE", "BOOLEAN NOT NULL"); =1 the type of the first argument, and so on; =T the common type; [1] the
 * element of the first argument, an array.  NOT NULL behind a result makes it so always; else it is nullable when an argument is
 * or the row has EXPR_FN_NULLABLE.
 *
 * Flink: BuiltInFunctionDefinition, SqlOperator, TypeStrategies, the code generator's calls.  Thread: any. */
#ifndef FLINC_ENGINE_EXPR_FUNCTION_H
#define FLINC_ENGINE_EXPR_FUNCTION_H

#include "engine/expr/expr.h"
#include "engine/expr/vector.h"

enum expr_function_kind {
    EXPR_SCALAR,
    EXPR_AGGREGATE,       /* also as OVER */
    EXPR_WINDOW_FUNCTION, /* OVER alone: ROW_NUMBER, LAG */
    EXPR_TABLE_FUNCTION,  /* UNNEST, TUMBLE */
    EXPR_FUNCTION_KIND_COUNT
};
const char *expr_function_kind_name(enum expr_function_kind kind);

enum expr_function_flags {
    EXPR_FN_OWN_NULLS = 1 << 0, /* not strict: the kernel sees NULLs */
    EXPR_FN_NULLABLE = 1 << 1,  /* the result may be NULL though no argument is */
    EXPR_FN_DENSE = 1 << 2,     /* may run over rows that do not count, and NULLs; cannot fail */
    EXPR_FN_CAN_FAIL = 1 << 3,  /* stops the job for some values: runs for wanted rows alone */
    EXPR_FN_VOLATILE = 1 << 4,  /* another value each time */
    EXPR_FN_DYNAMIC = 1 << 5,   /* depends on clock, session or record: not folded by planners */
    EXPR_FN_HIDDEN = 1 << 6,    /* not for people: no SHOW FUNCTIONS */
    EXPR_FN_OPERATOR = 1 << 7,  /* not called by name in text */
    EXPR_FN_WIDENS = 1 << 8,    /* integer literals may be of the result's type, a wider integer */
};

/* What the compiler itself evaluates, because arguments are evaluated for some rows only. */
enum expr_control {
    EXPR_CONTROL_NONE,
    EXPR_CONTROL_AND, /* any number */
    EXPR_CONTROL_OR,
    EXPR_CONTROL_CASE, /* condition, value, ..., otherwise: an odd number */
    EXPR_CONTROL_COALESCE,
};

/* For bind(): the call, and what it chooses. */
struct expr_binding {
    const struct expr *call;
    struct arena *arena; /* lives as long as the program; for state */
    const struct time_zone *zone;
    uint32_t flags;     /* the row's; bind() may change DENSE, CAN_FAIL, OWN_NULLS */
    expr_kernel kernel; /* the row's */
    void *state;
    void (*free_state)(
        void *state); /* runs with the end of the program; NULL: arena memory alone */
};

struct expr_function {
    const char *name;       /* upper case; of user functions as they were called */
    const char *aliases;    /* "SUBSTR", with commas; NULL: none */
    const char *signatures; /* NULL: infer() checks the arguments too */
    const char *result;     /* NULL: infer() */
    enum expr_function_kind kind;
    uint32_t flags;
    enum expr_control control;
    /* The type of the result for arguments already checked and cast; nullability included. */
    int (*infer)(const struct expr_function *function, struct expr_pool *pool,
                 const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                 struct error *err);
    expr_kernel kernel;
    int (*bind)(struct expr_binding *binding, struct error *err);
    const struct aggregate_desc *aggregate; /* EXPR_AGGREGATE: engine/expr/aggregate.h */
    const char *category;                   /* "string" */
    const char *text;                       /* one or two sentences of Markdown */
    const char
        *example; /* "UPPER('abc') -- ABC": SQL, and what it prints; more with newlines between */
    const char *wire_name; /* of user functions: in job graphs; NULL: its name */
};

/* A family of rows; tables of tables end with NULL. */
struct expr_functions {
    const struct expr_function *rows;
    uint32_t n;
};

/* ---- the table ----------------------------------------------------------------------------------------- */

/* Sets what is found by name, once per process, before threads; `tables` has `n` families and stays. */
void expr_functions_register(const struct expr_functions *const *tables, uint32_t n);
/* By name or alias, without regard to case; NULL when there is none. */
const struct expr_function *expr_function_find(struct slice name);
/* The row with the name, which exists. */
const struct expr_function *expr_function_get(const char *name);
/* The row that a job graph names: by its name, or by what finds user functions.  ERR_NOT_FOUND: this process does not have it. */
int expr_function_read(const char *wire_name, const struct expr_function **ret,
                       struct error *err) MUST_CHECK;
static inline const char *expr_function_wire_name(const struct expr_function *f)
{
    return f->wire_name != NULL ? f->wire_name : f->name;
}
/* Wire names of user functions begin so; `read` finds them.  Once per process, before threads. */
#define EXPR_USER_FUNCTION_PREFIX "user:"
void expr_functions_set_reader(int (*read)(const char *wire_name, const struct expr_function **ret,
                                           struct error *err));
/* Is `signatures` text that this file explains?  ERR_INVALID_ARGUMENT: for rows that come from outside. */
int expr_signatures_check(const char *signatures, struct error *err) MUST_CHECK;
/* The name nearest to a slip, or NULL. */
const char *expr_function_nearest(const char *name);
uint32_t expr_function_count(void);
const struct expr_function *expr_function_at(uint32_t i); /* by name */

/* ---- calls --------------------------------------------------------------------------------------------- */

/* Checks and casts the arguments, infers the type.  ERR_INVALID_ARGUMENT names function, arguments and signatures in
 * Flink's words: "Cannot apply 'UPPER' to arguments of type 'UPPER(<INTEGER>)'. Supported form(s): 'UPPER(<CHARACTER>)'". */
int expr_call_resolve(struct expr_pool *pool, const struct expr_function *function,
                      const struct expr *const *args, uint32_t n_args, const struct expr **ret,
                      struct error *err) MUST_CHECK;
/* By name of a row that exists: for planners. */
int expr_call(struct expr_pool *pool, const char *name, const struct expr *const *args,
              uint32_t n_args, const struct expr **ret, struct error *err) MUST_CHECK;
/* CAST or TRY_CAST; the value itself when it has the type already.  ERR_INVALID_ARGUMENT when there is no such cast. */
int expr_cast(struct expr_pool *pool, const struct expr *value, const struct data_type *to,
              bool is_try, const struct expr **ret, struct error *err) MUST_CHECK;
/* The cast that is not written: checked by type_casts_implicitly(). */
int expr_cast_implicitly(struct expr_pool *pool, const struct expr *value,
                         const struct data_type *to, const struct expr **ret,
                         struct error *err) MUST_CHECK;

/* Folds what is constant, all through the tree, and leaves out what no row takes then: arms of CASE, operands of AND, OR and
 * COALESCE.  What fails stays, to fail when it is reached, and so does what depends on clock or session.  Types stay the same. */
const struct expr *expr_fold(struct expr_pool *pool, const struct expr *e,
                             const struct time_zone *zone);

#endif
