/* Patterns compiled and run by PCRE2, just in time where the machine lets us. */
#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include "engine/patterns/regex.h"

#include "engine/patterns/regex_syntax.h"

enum { JIT_STACK_START = 32 * 1024, JIT_STACK_MAX = 1024 * 1024 };

struct regex {
    char *literal; /* Owns: the pattern is this text, found without PCRE2; else NULL */
    size_t literal_len;
    size_t found_at, found_end; /* of the last match of a literal */
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
    pcre2_jit_stack *stack;
    uint32_t n_groups;
};

/* ---- making ----------------------------------------------------------------------------------------- */

static bool is_literal(struct slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++) {
        if (memchr("\\^$.|?*+()[]{}", pattern.data[i], 14) != NULL || pattern.data[i] == '\0') {
            return false;
        }
    }
    return pattern.len > 0;
}

static int refuse(struct slice pattern, const char *why, struct error *err)
{
    return error_set(err, ERR_PARSE, "'%.*s' is no regular expression: %s",
                     (int)MIN(pattern.len, (size_t)200), pattern.data, why);
}

static void set_limits(struct regex *r)
{
    r->context = pcre2_match_context_create(NULL);
    ASSERT(r->context != NULL);
    pcre2_set_match_limit(r->context, REGEX_STEPS_MAX);
    pcre2_set_depth_limit(r->context, REGEX_STEPS_MAX);
    pcre2_set_heap_limit(r->context, REGEX_HEAP_KB_MAX);
    if (pcre2_jit_compile(r->code, PCRE2_JIT_COMPLETE) == 0) {
        r->stack = pcre2_jit_stack_create(JIT_STACK_START, JIT_STACK_MAX, NULL);
        pcre2_jit_stack_assign(r->context, NULL, r->stack);
    }
}

static int compile(struct slice pattern, struct slice ours, uint32_t options, struct regex **ret,
                   struct error *err)
{
    int code = 0;
    PCRE2_SIZE at = 0;
    pcre2_compile_context *context = pcre2_compile_context_create(NULL);
    ASSERT(context != NULL);
    pcre2_set_newline(context, PCRE2_NEWLINE_ANYCRLF);
    pcre2_code *compiled =
        pcre2_compile((PCRE2_SPTR)(ours.len > 0 ? ours.data : ""), ours.len,
                      options | PCRE2_UTF | PCRE2_MATCH_INVALID_UTF | PCRE2_NEVER_BACKSLASH_C,
                      &code, &at, context);
    pcre2_compile_context_free(context);
    if (compiled == NULL && code == PCRE2_ERROR_LOOKBEHIND_NOT_FIXED_LENGTH) {
        return error_set(err, ERR_UNSUPPORTED,
                         "not supported yet: look-behind of varying length, in '%.*s'",
                         (int)MIN(pattern.len, (size_t)200), pattern.data);
    }
    if (compiled == NULL) {
        PCRE2_UCHAR text[200];
        pcre2_get_error_message(code, text, sizeof(text));
        return refuse(pattern, (const char *)text, err);
    }
    struct regex *r = MEM_NEW(struct regex);
    r->code = compiled;
    r->match = pcre2_match_data_create_from_pattern(compiled, NULL);
    ASSERT(r->match != NULL);
    pcre2_pattern_info(compiled, PCRE2_INFO_CAPTURECOUNT, &r->n_groups);
    set_limits(r);
    *ret = r;
    return 0;
}

static int check_size(struct slice pattern, struct error *err)
{
    return pattern.len <= REGEX_PATTERN_MAX
               ? 0
               : error_set(err, ERR_TOO_LARGE, "A regular expression of %zu bytes; there may be %d",
                           pattern.len, REGEX_PATTERN_MAX);
}

int regex_new(struct slice pattern, struct regex **ret, struct error *err)
{
    STR_AUTO ours = STR_INIT;
    TRY(check_size(pattern, err));
    if (is_literal(pattern)) {
        struct regex *r = MEM_NEW(struct regex);
        r->literal = mem_strndup(pattern.data, pattern.len);
        r->literal_len = pattern.len;
        *ret = r;
        return 0;
    }
    TRY(regex_from_java(pattern, &ours, err));
    return compile(pattern, str_slice(&ours), 0, ret, err);
}

int regex_new_similar(struct slice pattern, struct slice escape, struct regex **ret,
                      struct error *err)
{
    STR_AUTO ours = STR_INIT;
    TRY(check_size(pattern, err));
    TRY(regex_from_similar(pattern, escape, &ours, err));
    return compile(pattern, str_slice(&ours), PCRE2_ANCHORED | PCRE2_ENDANCHORED, ret, err);
}

struct regex *regex_free(struct regex *r)
{
    if (r != NULL) {
        mem_free(r->literal);
        pcre2_match_data_free(r->match);
        pcre2_match_context_free(r->context);
        pcre2_jit_stack_free(r->stack);
        pcre2_code_free(r->code);
        mem_free(r);
    }
    return NULL;
}

uint32_t regex_groups(const struct regex *r)
{
    return r->n_groups;
}

/* ---- searching -------------------------------------------------------------------------------------- */

static bool find_literal(struct regex *r, struct slice text, size_t from)
{
    const char *at = from <= text.len && text.len - from >= r->literal_len
                         ? memmem(text.data + from, text.len - from, r->literal, r->literal_len)
                         : NULL;
    if (at == NULL) {
        return false;
    }
    r->found_at = (size_t)(at - text.data);
    r->found_end = r->found_at + r->literal_len;
    return true;
}

int regex_find(struct regex *r, struct slice text, size_t from, bool *ret_found, struct error *err)
{
    if (from > text.len) {
        *ret_found = false;
        return 0;
    }
    if (r->literal != NULL) {
        *ret_found = find_literal(r, text, from);
        return 0;
    }
    PCRE2_SPTR subject = (PCRE2_SPTR)(text.data != NULL ? text.data : "");
    int rc = PCRE2_ERROR_JIT_BADOPTION;
    if (r->stack != NULL) { /* straight to the machine code, which looks at UTF-8 itself */
        rc = pcre2_jit_match(r->code, subject, text.len, from, 0, r->match, r->context);
    }
    if (rc == PCRE2_ERROR_JIT_BADOPTION) {
        rc = pcre2_match(r->code, subject, text.len, from, 0, r->match, r->context);
    }
    if (rc < 0 && rc != PCRE2_ERROR_NOMATCH) {
        PCRE2_UCHAR why[200];
        pcre2_get_error_message(rc, why, sizeof(why));
        return error_set(err, ERR_TOO_LARGE,
                         "A regular expression takes more than %d steps over a string of %zu "
                         "bytes (%s): write it without nested repetitions",
                         REGEX_STEPS_MAX, text.len, (const char *)why);
    }
    *ret_found = rc >= 0;
    return 0;
}

struct slice regex_group(const struct regex *r, struct slice text, uint32_t group)
{
    if (r->literal != NULL) {
        return slice_make(text.data + r->found_at, r->literal_len);
    }
    const PCRE2_SIZE *places = pcre2_get_ovector_pointer(r->match);
    if (group > r->n_groups || places[2 * group] == PCRE2_UNSET) {
        return slice_make(NULL, 0);
    }
    const char *data = text.data != NULL ? text.data : "";
    /* \K is refused, so that the end is never before the start. */
    return slice_make(data + places[2 * group], places[2 * group + 1] - places[2 * group]);
}

size_t regex_next(const struct regex *r, struct slice text)
{
    if (r->literal != NULL) {
        return r->found_end;
    }
    const PCRE2_SIZE *places = pcre2_get_ovector_pointer(r->match);
    size_t next = places[1];
    if (places[0] == places[1]) {
        next++;
        while (next < text.len && ((unsigned char)text.data[next] & 0xc0) == 0x80) {
            next++;
        }
    }
    return next;
}

/* ---- cache ------------------------------------------------------------------------------------------ */

static void slot_clear(struct regex_slot *s)
{
    mem_free(s->pattern);
    regex_free(s->regex);
    *s = (struct regex_slot){0};
}

void regex_cache_fini(struct regex_cache *c)
{
    for (size_t i = 0; i < REGEX_CACHE_SLOTS; i++) {
        slot_clear(&c->slots[i]);
    }
    c->last = NULL;
}

static bool slot_is(const struct regex_slot *s, struct slice pattern)
{
    return s->pattern != NULL && s->len == pattern.len &&
           (pattern.len == 0 || memcmp(s->pattern, pattern.data, pattern.len) == 0);
}

int regex_cache_get(struct regex_cache *c, struct slice pattern, struct regex **ret,
                    struct error *err)
{
    if (c->last == NULL || !slot_is(c->last, pattern)) {
        uint32_t hash = 0;
        for (size_t i = 0; i < pattern.len; i++) {
            hash = hash * 31 + (unsigned char)pattern.data[i];
        }
        struct regex_slot *slot = &c->slots[(hash ^ hash >> 5 ^ hash >> 16) % REGEX_CACHE_SLOTS];
        if (!slot_is(slot, pattern)) {
            struct error why = ERROR_INIT;
            struct regex *made = NULL;
            const int rc = regex_new(pattern, &made, &why);
            if (rc < 0 && rc != ERR_PARSE) {
                return error_set(err, rc, "%s", why.message);
            }
            slot_clear(slot);
            slot->pattern = mem_strndup(pattern.len > 0 ? pattern.data : "", pattern.len);
            slot->len = pattern.len;
            slot->regex = made;
        }
        c->last = slot;
    }
    *ret = c->last->regex;
    return 0;
}
