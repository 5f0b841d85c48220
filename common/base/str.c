/* Slices, growing byte strings, and the edit distance behind "did you mean ...?".
 * Thread: one owner; slices borrow and live as long as what they point into. */
#include "common/base/str.h"

#include <stdio.h>
#include <strings.h>

enum { STR_FIRST_CAP = 32 };

/* ---- slices -------------------------------------------------------------------------------- */

bool slice_eq(struct slice a, struct slice b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

bool slice_eq_cstr(struct slice a, const char *b)
{
    return slice_eq(a, slice_cstr(b));
}

bool slice_starts_with(struct slice s, const char *prefix)
{
    size_t n = strlen(prefix);
    return s.len >= n && (n == 0 || memcmp(s.data, prefix, n) == 0);
}

bool slice_ends_with(struct slice s, const char *suffix)
{
    size_t n = strlen(suffix);
    return s.len >= n && (n == 0 || memcmp(s.data + s.len - n, suffix, n) == 0);
}

int slice_compare(struct slice a, struct slice b)
{
    size_t n = MIN(a.len, b.len);
    int c = n > 0 ? memcmp(a.data, b.data, n) : 0;
    if (c != 0) {
        return c < 0 ? -1 : 1;
    }
    return (a.len > b.len) - (a.len < b.len);
}

static bool is_blank(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

struct slice slice_trim(struct slice s)
{
    while (s.len > 0 && is_blank(s.data[0])) {
        s.data++;
        s.len--;
    }
    while (s.len > 0 && is_blank(s.data[s.len - 1])) {
        s.len--;
    }
    return s;
}

bool slice_next(struct slice *rest, char sep, struct slice *ret_head)
{
    if (rest->data == NULL) {
        return false;
    }
    const char *at = rest->len > 0 ? memchr(rest->data, sep, rest->len) : NULL;
    if (at == NULL) {
        *ret_head = *rest;
        *rest = (struct slice){NULL, 0};
        return true;
    }
    size_t head_len = (size_t)(at - rest->data);
    *ret_head = (struct slice){rest->data, head_len};
    *rest = (struct slice){at + 1, rest->len - head_len - 1};
    return true;
}

/* ---- growing strings ----------------------------------------------------------------------- */

void str_fini(struct str *s)
{
    mem_free(s->data);
    *s = (struct str)STR_INIT;
}

void str_clear(struct str *s)
{
    s->len = 0;
    if (s->data != NULL) {
        s->data[0] = '\0';
    }
}

void str_reserve(struct str *s, size_t extra)
{
    ASSERT(extra < SIZE_MAX / 4 - s->len);
    size_t need = s->len + extra + 1;
    if (need <= s->cap) {
        return;
    }
    size_t cap = MAX(s->cap * 2, (size_t)STR_FIRST_CAP);
    cap = MAX(cap, need);
    s->data = mem_realloc(s->data, cap);
    s->cap = cap;
    s->data[s->len] = '\0';
}

void str_append(struct str *s, const char *data, size_t len)
{
    str_reserve(s, len);
    if (len > 0) {
        memcpy(s->data + s->len, data, len);
    }
    s->len += len;
    s->data[s->len] = '\0';
}

void str_append_cstr(struct str *s, const char *text)
{
    str_append(s, text, strlen(text));
}

void str_append_slice(struct str *s, struct slice t)
{
    str_append(s, t.data, t.len);
}

void str_append_char(struct str *s, char c)
{
    str_append(s, &c, 1);
}

void str_append_hex(struct str *s, const void *bytes, size_t n)
{
    static const char digits[] = "0123456789abcdef";
    const uint8_t *b = bytes;
    str_reserve(s, 2 * n);
    for (size_t i = 0; i < n; i++) {
        s->data[s->len++] = digits[b[i] >> 4];
        s->data[s->len++] = digits[b[i] & 15];
    }
    s->data[s->len] = '\0';
}

void str_printf(struct str *s, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    str_vprintf(s, fmt, ap);
    va_end(ap);
}

void str_vprintf(struct str *s, const char *fmt, va_list ap)
{
    va_list again;
    va_copy(again, ap);
    str_reserve(s, STR_FIRST_CAP);
    size_t room = s->cap - s->len;
    int len = vsnprintf(s->data + s->len, room, fmt, ap);
    ASSERT(len >= 0);
    if ((size_t)len >= room) {
        s->data[s->len] = '\0';
        str_reserve(s, (size_t)len);
        vsnprintf(s->data + s->len, (size_t)len + 1, fmt, again);
    }
    va_end(again);
    s->len += (size_t)len;
}

const char *str_cstr(const struct str *s)
{
    return s->data != NULL ? s->data : "";
}

char *str_take(struct str *s)
{
    str_reserve(s, 0);
    char *data = s->data;
    *s = (struct str)STR_INIT;
    return data;
}

/* ---- C strings ----------------------------------------------------------------------------- */

bool cstr_starts_with(const char *s, const char *prefix)
{
    return slice_starts_with(slice_cstr(s), prefix);
}

bool cstr_ends_with(const char *s, const char *suffix)
{
    return slice_ends_with(slice_cstr(s), suffix);
}

int cstr_distance(const char *a, const char *b, int max)
{
    size_t na = strlen(a), nb = strlen(b);
    size_t gap = na > nb ? na - nb : nb - na;
    if (max < 0 || gap > (size_t)max) {
        return max + 1;
    }
    /* Three rows of the edit matrix: row[j] is the distance of a[0..i) and b[0..j). */
    int *rows = mem_alloc(3 * (nb + 1) * sizeof(*rows));
    int *before = rows, *above = rows + nb + 1, *row = above + nb + 1;
    for (size_t j = 0; j <= nb; j++) {
        row[j] = (int)MIN(j, (size_t)max + 1);
    }
    /* A swap looks two rows back: only two rows over the limit end the search. */
    int best_above = 0, best = 0;
    for (size_t i = 1; i <= na && MIN(best_above, best) <= max; i++) {
        int *oldest = before;
        before = above;
        above = row;
        row = oldest;
        best_above = best;
        best = row[0] = (int)MIN(i, (size_t)max + 1);
        for (size_t j = 1; j <= nb; j++) {
            int replace = above[j - 1] + (a[i - 1] != b[j - 1]);
            int insert_or_delete = MIN(above[j], row[j - 1]) + 1;
            row[j] = MIN(replace, insert_or_delete);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                row[j] = MIN(row[j], before[j - 2] + 1);
            }
            best = MIN(best, row[j]);
        }
    }
    int distance = MIN(best_above, best) > max ? max + 1 : MIN(row[nb], max + 1);
    mem_free(rows);
    return distance;
}

const char *cstr_nearest(const char *name, const char *const *names, size_t n)
{
    int len = (int)MIN(strlen(name), (size_t)1024);
    int best_distance = MAX(len / 3, 1) + 1;
    const char *best = NULL;
    for (size_t i = 0; i < n; i++) {
        if (strcasecmp(name, names[i]) == 0) {
            return names[i];
        }
        int distance = cstr_distance(name, names[i], best_distance - 1);
        /* A hint must keep something of what was typed. */
        if (distance < best_distance && distance < len) {
            best_distance = distance;
            best = names[i];
        }
    }
    return best;
}
