/* flinc/base.h: the types that everything in the SDK is made of.
 *
 * The SDK is C11 and C++ clean, needs libc types only, and keeps its ABI: structs are opaque or carry
 * their size. */
#ifndef FLINC_BASE_H
#define FLINC_BASE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

/* Grows whenever a bundle built against an older header could misbehave; checked when a bundle is
 * loaded. */
#define FLINC_ABI_VERSION 2

#if defined(__GNUC__)
#define FLINC_API __attribute__((visibility("default")))
#define FLINC_UNUSED __attribute__((unused))
#define FLINC_PRINTF(fmt_arg, first_arg) __attribute__((format(printf, fmt_arg, first_arg)))
#else
#define FLINC_API
#define FLINC_UNUSED
#define FLINC_PRINTF(fmt_arg, first_arg)
#endif

/* Bytes with a length, not NUL-terminated; UTF-8 where it is text.  Never owned: valid as long as what
 * it points into (an input record: until the callback returns). */
typedef struct flinc_string {
    const char *data;
    size_t len;
} flinc_string;

/* A string literal or NUL-terminated string as a flinc_string. */
#define FLINC_STR(literal) (flinc_cstring(literal))
static inline flinc_string flinc_cstring(const char *s)
{
    flinc_string r;
    r.data = s;
    r.len = strlen(s);
    return r;
}

#endif
