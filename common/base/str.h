/* Strings: a borrowed slice and a growing byte string.  Thread: one owner. */
#ifndef FLINC_COMMON_BASE_STR_H
#define FLINC_COMMON_BASE_STR_H

#include "common/base/mem.h"
#include <string.h>

/* A borrowed run of bytes, not NUL-terminated. */
struct slice {
    const char *data;
    size_t len;
};

#define SLICE_LIT(s) ((struct slice){(s), sizeof(s) - 1})
static inline struct slice slice_make(const char *data, size_t len)
{
    return (struct slice){data, len};
}
static inline struct slice slice_cstr(const char *s)
{
    return (struct slice){s, s != NULL ? strlen(s) : 0};
}
bool slice_eq(struct slice a, struct slice b);
bool slice_eq_cstr(struct slice a, const char *b);
bool slice_starts_with(struct slice s, const char *prefix);
bool slice_ends_with(struct slice s, const char *suffix);
int slice_compare(struct slice a, struct slice b); /* bytewise, like memcmp then length */
struct slice slice_trim(struct slice s);           /* ASCII blanks off both ends */
/* Splits off what is before `sep` into *ret_head and advances *rest behind it.  False at the end,
 * when rest->data is NULL.  n separators make n + 1 pieces, some of them empty. */
bool slice_next(struct slice *rest, char sep, struct slice *ret_head);

/* A growing byte string, always NUL-terminated (data may be NULL while empty: use str_cstr). */
struct str {
    char *data; /* Owns */
    size_t len, cap;
};

#define STR_INIT   \
    {              \
        NULL, 0, 0 \
    }
void str_fini(struct str *s);
void str_clear(struct str *s);
void str_reserve(struct str *s, size_t extra);
void str_append(struct str *s, const char *data, size_t len); /* data must not lie in s */
void str_append_cstr(struct str *s, const char *text);
void str_append_slice(struct str *s, struct slice t);
void str_append_char(struct str *s, char c);
void str_append_hex(struct str *s, const void *bytes, size_t n); /* two lower-case digits each */
void str_printf(struct str *s, const char *fmt, ...) PRINTF(2, 3);
void str_vprintf(struct str *s, const char *fmt, va_list ap);
const char *str_cstr(const struct str *s); /* "" when empty */
char *str_take(struct str *s);             /* heap string; s is empty afterwards */
static inline struct slice str_slice(const struct str *s)
{
    return (struct slice){s->data, s->len};
}
#define STR_AUTO CLEANUP(str_fini) struct str

bool cstr_starts_with(const char *s, const char *prefix);
bool cstr_ends_with(const char *s, const char *suffix);
/* Letters to put in, leave out, replace or swap with their neighbour (optimal string alignment), capped
 * at `max` + 1; for near-miss hints. */
int cstr_distance(const char *a, const char *b, int max);
/* The nearest of `names` within a distance a person would make (a third of the length), or NULL. */
const char *cstr_nearest(const char *name, const char *const *names, size_t n);

#endif
