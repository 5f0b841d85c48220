/* The few macros of the tree (STYLE.md 17).  Nothing here builds code beyond an expression or an
 * attribute.  Any room may include it. */
#ifndef FLINC_COMMON_BASE_MACROS_H
#define FLINC_COMMON_BASE_MACROS_H

#include <stddef.h>
#include <stdint.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF(fmt_arg, first_arg) __attribute__((format(printf, fmt_arg, first_arg)))
#define CLEANUP(fn) __attribute__((cleanup(fn)))
#define NORETURN __attribute__((noreturn))
#define COLD __attribute__((cold, noinline))
#define ALWAYS_INLINE inline __attribute__((always_inline))
#define LIKELY(x) __builtin_expect(!!(x), 1)
#define UNLIKELY(x) __builtin_expect(!!(x), 0)

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define CONTAINER_OF(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define MIN(a, b)               \
    ({                          \
        __typeof__(a) a_ = (a); \
        __typeof__(b) b_ = (b); \
        a_ < b_ ? a_ : b_;      \
    })
#define MAX(a, b)               \
    ({                          \
        __typeof__(a) a_ = (a); \
        __typeof__(b) b_ = (b); \
        a_ > b_ ? a_ : b_;      \
    })

/* Moves ownership out of a pointer variable: returns its value and leaves NULL behind. */
#define STEAL(p)                    \
    ({                              \
        __typeof__(p) steal_ = (p); \
        (p) = NULL;                 \
        steal_;                     \
    })

/* A broken invariant of ours (never bad input): reports file, line and expression, then aborts.
 * Kept in release builds. */
#define ASSERT(expr)                                          \
    do {                                                      \
        if (UNLIKELY(!(expr))) {                              \
            assert_fail(#expr, __FILE__, __LINE__, __func__); \
        }                                                     \
    } while (0)

void assert_fail(const char *expr, const char *file, int line, const char *func) NORETURN COLD;

#endif
