/* Errors: an int code (0 or negative) for control flow, and an optional `struct error` that says what
 * went wrong to a person: message, class, and context frames added on the way up.
 *
 * The class decides what happens to a job: user errors and bugs fail it, transient errors are retried
 * or restart it (Flink: ThrowableType RecoverableError / NonRecoverableError).  Libraries return
 * errors; the place that handles one logs it once.
 *
 * Thread: any (a struct error belongs to one caller at a time). */
#ifndef FLINC_COMMON_BASE_ERROR_H
#define FLINC_COMMON_BASE_ERROR_H

#include "common/base/macros.h"
#include <stdarg.h>
#include <stdbool.h>

/* One row per code: name, value, class, text for people (error.c has the table made of it). */
#define ERROR_CODES(X)                                       \
    X(OK, 0, USER, "no error")                               \
    X(INVALID_ARGUMENT, -1, USER, "invalid argument")        \
    X(INVALID_CONFIG, -2, USER, "invalid configuration")     \
    X(NOT_FOUND, -3, USER, "not found")                      \
    X(ALREADY_EXISTS, -4, USER, "already exists")            \
    X(PERMISSION, -5, USER, "permission denied")             \
    X(PARSE, -6, USER, "malformed input")                    \
    X(TOO_LARGE, -7, USER, "over a limit")                   \
    X(UNSUPPORTED, -8, USER, "not supported")                \
    X(USER_CODE, -9, TRANSIENT, "user function failed")      \
    X(IO, -10, TRANSIENT, "input/output error")              \
    X(NO_SPACE, -11, TRANSIENT, "no space left")             \
    X(OUT_OF_MEMORY, -12, TRANSIENT, "out of memory")        \
    X(TIMEOUT, -13, TRANSIENT, "timed out")                  \
    X(CANCELLED, -14, TRANSIENT, "cancelled")                \
    X(UNAVAILABLE, -15, TRANSIENT, "unavailable")            \
    X(CORRUPT, -16, FATAL, "damaged data")                   \
    X(FENCED, -17, FATAL, "refused: stale token or attempt") \
    X(STATE, -18, BUG, "not allowed in this state")          \
    X(INTERNAL, -19, BUG, "internal error")                  \
    X(LIMIT, -20, TRANSIENT, "resource limit reached")       \
    X(CLOSED, -21, TRANSIENT, "closed")

enum error_code {
#define ERROR_CODE_ENUM(name, value, cls, text) ERR_##name = (value),
    ERROR_CODES(ERROR_CODE_ENUM)
#undef ERROR_CODE_ENUM
};

enum error_class {
    ERROR_CLASS_USER,      /* wrong input or configuration: trying again does not help */
    ERROR_CLASS_TRANSIENT, /* may work when tried again: restart strategies apply */
    ERROR_CLASS_FATAL,     /* must not be tried again without a person */
    ERROR_CLASS_BUG,       /* our own mistake */
};

enum {
    ERROR_MESSAGE_MAX = 1024, /* bytes of the message, with its NUL; longer text is cut */
    ERROR_FRAMES_MAX = 2048,  /* bytes of all context frames */
};

/* Caller's memory; start from ERROR_INIT. */
struct error {
    int code;
    enum error_class cls;
    const char *file; /* Borrows: where it was first set (string literal) */
    int line;
    char message[ERROR_MESSAGE_MAX];
    char frames[ERROR_FRAMES_MAX]; /* "context 1\ncontext 2\n", innermost first */
};

#define ERROR_INIT \
    {              \
        .code = 0  \
    }

const char *error_code_name(int code);
const char *error_code_text(int code);
const char *error_class_name(enum error_class cls);
enum error_class error_code_class(int code);

/* Sets `err` (may be NULL) and is `code`, so that callers can `return error_set(...)`.  Its value is the
 * code itself and not the call's, so that the compiler knows which path a failure takes. */
#define error_set(err, code, ...)                                          \
    ({                                                                     \
        int error_code_ = (code);                                          \
        error_set_at((err), error_code_, __FILE__, __LINE__, __VA_ARGS__); \
        error_code_;                                                       \
    })
int error_set_at(struct error *err, int code, const char *file, int line, const char *fmt, ...)
    PRINTF(5, 6) COLD;
/* From an errno value: "opening /x: No space left on device", with the fitting code. */
#define error_set_errno(err, errno_value, ...) \
    error_set_errno_at((err), (errno_value), __FILE__, __LINE__, __VA_ARGS__)
int error_set_errno_at(struct error *err, int errno_value, const char *file, int line,
                       const char *fmt, ...) PRINTF(5, 6) COLD;
int error_code_from_errno(int errno_value); /* ERR_IO when none fits better */
/* Overrides the class that the code implies. */
void error_set_class(struct error *err, enum error_class cls);
/* Adds a context frame that completes "while ...": "restoring key group 7".  Frames that no longer
 * fit are left out. */
void error_context(struct error *err, const char *fmt, ...) PRINTF(2, 3) COLD;
/* Empties it. */
void error_clear(struct error *err);
void error_copy(struct error *dst, const struct error *src);
/* "message (while context 1, context 2)"; always NUL-terminated.  Returns buf. */
const char *error_format(const struct error *err, char *buf, size_t size);

/* Returns from the caller with the code of `expr` when it is negative. */
#define TRY(expr)                    \
    do {                             \
        int try_rc_ = (expr);        \
        if (UNLIKELY(try_rc_ < 0)) { \
            return try_rc_;          \
        }                            \
    } while (0)
/* The same with a context frame. */
#define TRY_CTX(err, expr, ...)                \
    do {                                       \
        int try_rc_ = (expr);                  \
        if (UNLIKELY(try_rc_ < 0)) {           \
            error_context((err), __VA_ARGS__); \
            return try_rc_;                    \
        }                                      \
    } while (0)

#endif
