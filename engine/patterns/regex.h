/* Regular expressions: compiled once, run over bytes of UTF-8, with PCRE2 behind them.
 *
 * The syntax is Java's (java.util.regex), brought to PCRE2's by regex_syntax.h, or SQL's SIMILAR TO.  Bytes that are no
 * UTF-8 match nothing.  A search takes a bounded number of steps and bytes of heap; one that would take more is an error, so that
 * no pattern stops a task.  Not to be had: look-behind of varying length (ERR_UNSUPPORTED).
 * Flink: java.util.regex.Pattern, SqlFunctionUtils.REGEXP_PATTERN_CACHE.  Thread: one owner. */
#ifndef FLINC_ENGINE_PATTERNS_REGEX_H
#define FLINC_ENGINE_PATTERNS_REGEX_H

#include "common/base/str.h"

enum {
    REGEX_PATTERN_MAX = 64 * 1024, /* bytes of a pattern */
    REGEX_STEPS_MAX = 10000000,    /* of one search */
    REGEX_HEAP_KB_MAX = 20000,     /* for going back, of one search */
    REGEX_CACHE_SLOTS = 32,        /* patterns that a cache keeps */
};

struct regex;

/* ERR_PARSE: it is no pattern; ERR_UNSUPPORTED: it is one, but not for us; ERR_TOO_LARGE. */
int regex_new(struct slice pattern, struct regex **ret, struct error *err) MUST_CHECK;
/* SIMILAR TO: the whole string has to match.  `escape`: one character, or none (len 0). */
int regex_new_similar(struct slice pattern, struct slice escape, struct regex **ret,
                      struct error *err) MUST_CHECK;
struct regex *regex_free(struct regex *r);

uint32_t regex_groups(const struct regex *r); /* without group 0 */

/* Looks for the first match at or behind byte `from`: *ret_found.  ERR_TOO_LARGE: too many steps. */
int regex_find(struct regex *r, struct slice text, size_t from, bool *ret_found,
               struct error *err) MUST_CHECK;
/* A group of the last match found; data NULL when it took no part in it. */
struct slice regex_group(const struct regex *r, struct slice text, uint32_t group);
/* Where the search for the next match begins, as java.util.regex has it: behind the last one, a character further when that
 * was empty.  text.len + 1 when there is nothing left. */
size_t regex_next(const struct regex *r, struct slice text);

/* ---- patterns of a column -------------------------------------------------------------------------- */

/* Compiled patterns by their text. */
struct regex_cache {
    struct regex_slot {
        char *pattern; /* Owns: NULL: empty slot */
        size_t len;
        struct regex *regex; /* Owns: NULL: it is no pattern */
    } slots[REGEX_CACHE_SLOTS];
    struct regex_slot *last; /* Borrows: the one that was asked for last */
};

void regex_cache_fini(struct regex_cache *c);
/* *ret: NULL when the text is no pattern, which is no error. */
int regex_cache_get(struct regex_cache *c, struct slice pattern, struct regex **ret,
                    struct error *err) MUST_CHECK;

#endif
