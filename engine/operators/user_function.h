/* User functions as operators call them: resolved, opened, with a context and a name for errors.
 *
 * Operator.functions lists the calls; each is followed by its FLINC_FN_OPEN and FLINC_FN_CLOSE parts, if
 * it has them.  All functions of an operator share one user pointer (flinc_ctx_user), so that the two
 * calls of a co- function can share what one of them allocated; each has its own configuration.
 *
 *   in open():   TRY(user_functions_open(&op->functions, ctx, (const uint32_t[]){FLINC_FN_MAP}, 1, err));
 *   per USER_CANCEL_ROWS rows: TRY(user_function_check_cancelled(f, err));
 *   per row:     rc = call(&f->ctx, in, out);
 *                if (UNLIKELY(rc < 0)) { return user_function_failed(f, rc, err); }
 *   per tile:    TRY(user_function_check(f, err));
 *   in close():  user_functions_close(&op->functions);
 *
 * Thread: one owner (the task).  Flink: RichFunction, RuntimeContext. */
#ifndef FLINC_ENGINE_OPERATORS_USER_FUNCTION_H
#define FLINC_ENGINE_OPERATORS_USER_FUNCTION_H

#include "common/base/str.h"
#include "engine/operators/operator.h"
#include "flinc/function.h"

enum {
    USER_FUNCTIONS_MAX = 16, /* calls of one operator */
    USER_SIDES_MAX = 32,     /* side outputs of one operator */
    USER_CANCEL_ROWS = 16,   /* calls between two looks at the task's cancel flag */
};

/* What flinc_ctx_side() finds. */
struct user_side {
    const char *tag; /* Borrows: the spec's */
    flinc_out *out;  /* Borrows: the operator's builder */
};

/* The context of one function. */
struct flinc_ctx {
    struct op_context *op;        /* Borrows */
    struct user_functions *owner; /* Borrows */
    const void *config;           /* Borrows: in the task's arena; NULL without one */
    bool failed;
    char message[ERROR_MESSAGE_MAX]; /* of flinc_ctx_fail() */
};

struct user_function {
    struct flinc_ctx ctx;
    const Flinc__FunctionRef *ref; /* Borrows: the spec's */
    flinc_any_fn call;
    const _Atomic bool *cancelled; /* Borrows: the task's; never NULL */
    int (*open)(flinc_ctx *ctx);   /* may be NULL */
    void (*close)(flinc_ctx *ctx); /* may be NULL */
    /* May be NULL. */
    int (*on_timer)(flinc_ctx *ctx, int64_t timestamp, flinc_out *out);
    int (*snapshot)(flinc_ctx *ctx); /* may be NULL */
    bool opened;                     /* close() is due */
};

/* What the records at hand of joins and windows are of; INT64_MIN where there is no such thing. */
struct user_scope {
    int64_t first_ms, second_ms; /* timestamps of the pair of an interval join */
    int64_t window_start_ms, window_end_ms;
};

/* What functions may do with broadcast state now. */
enum user_broadcast_use {
    USER_BROADCAST_READ_WRITE,
    USER_BROADCAST_READ_ONLY, /* the record at hand was not broadcast */
};

struct user_functions {
    struct user_function items[USER_FUNCTIONS_MAX];
    uint32_t n;
    void *user;                 /* Borrows: user code's own */
    struct user_states *states; /* Owns: keyed state of the functions; NULL: there is none */
    /* Borrows: the operator, whose row is at hand, and its timers; NULL: it has none. */
    const struct row_operator *rows;
    struct user_timers *timers;
    /* Borrows: those of the window whose trigger is asked; NULL: none is. */
    struct user_window_timers *window_timers;
    struct user_operator_states *operator_states; /* Owns: lists, broadcast maps; NULL: none */
    struct user_rows *row_faces;                  /* Owns: what flinc_ctx_row() gave; NULL: none */
    enum user_broadcast_use broadcast_use;        /* set by operators of a broadcast input */
    struct user_scope scope;
    struct user_side sides[USER_SIDES_MAX];
    uint32_t n_sides;
};

/* Resolves the `n` calls of the spec, which must be of these kinds (flinc_fn_kind), and runs their open
 * callbacks.  After a failure close is due as well. */
int user_functions_open(struct user_functions *fs, struct op_context *ctx, const uint32_t *kinds,
                        uint32_t n, struct error *err) MUST_CHECK;
/* The same in two steps, for operators that must set up in between what open callbacks may ask for. */
int user_functions_resolve(struct user_functions *fs, struct op_context *ctx, const uint32_t *kinds,
                           uint32_t n, struct error *err) MUST_CHECK;
int user_functions_start(struct user_functions *fs, struct error *err) MUST_CHECK;
/* A checkpoint is made: runs the functions' snapshot parts, between batches. */
int user_functions_snapshot(struct user_functions *fs, struct error *err) MUST_CHECK;
/* One function that is not in the spec's list (a partitioner's). */
int user_function_resolve(struct user_functions *fs, struct op_context *ctx,
                          const Flinc__FunctionRef *ref, uint32_t kind,
                          struct error *err) MUST_CHECK;
/* Runs the close callbacks of what was opened, last first.  Safe on a zeroed struct and twice. */
void user_functions_close(struct user_functions *fs);

/* The error of a call that returned `rc` < 0: the function's own message, or its code; with name and
 * place.  Always returns a negative code. */
int user_function_failed(const struct user_function *f, int rc, struct error *err) COLD;
/* A function that called flinc_ctx_fail() has failed, whatever it returned. */
static inline int user_function_check(const struct user_function *f, struct error *err)
{
    return UNLIKELY(f->ctx.failed) ? user_function_failed(f, -1, err) : 0;
}
int user_function_cancelled(const struct user_function *f, struct error *err) COLD;
/* A cancelled task soon calls its functions no more, however long each call takes and however many rows are
 * left of the batch.  Not before each call: that costs a function that does next to nothing a sixth. */
static inline int user_function_check_cancelled(const struct user_function *f, struct error *err)
{
    return UNLIKELY(atomic_load_explicit(f->cancelled, memory_order_relaxed))
               ? user_function_cancelled(f, err)
               : 0;
}
const char *user_function_kind_name(uint32_t kind); /* "map", "filter", ... */

/* ---- text of format functions ------------------------------------------------------------------ */

/* A flinc_text is a growing string: hand its address to the function, then read and clear `str`. */
struct flinc_text {
    struct str str;
};

#endif
