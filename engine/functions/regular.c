/* Functions of regular expressions: REGEXP and its family, SIMILAR TO. */
#include "engine/functions/functions.h"

#include "engine/functions/text.h"
#include "engine/patterns/regex.h"

#include <inttypes.h>

/* ---- patterns --------------------------------------------------------------------------------------- */

static void cache_free(void *state)
{
    regex_cache_fini(state);
}

int functions_bind_regex(struct expr_binding *b, struct error *err)
{
    b->state = arena_zalloc(b->arena, sizeof(struct regex_cache));
    b->free_state = cache_free;
    return 0;
}

/* The pattern of a row; *ret NULL when it is none. */
static int pattern_at(struct expr_frame *f, uint32_t row, struct regex **ret, struct error *err)
{
    return regex_cache_get(f->state, expr_bytes(f, 1, row), ret, err);
}

/* ---- one match -------------------------------------------------------------------------------------- */

static int run_regexp(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        struct regex *regex;
        bool is_found = false;
        TRY(pattern_at(f, row, &regex, err));
        if (regex != NULL && expr_bytes(f, 1, row).len > 0) {
            TRY(regex_find(regex, expr_bytes(f, 0, row), 0, &is_found, err));
        }
        expr_put_bool(f, row, is_found);
    }
    return 0;
}

static int run_extract(struct expr_frame *f, struct error *err)
{
    const bool is_constant = f->args[1]->is_constant;
    struct regex *regex = NULL;
    TRY(is_constant && f->n > 0 ? pattern_at(f, 0, &regex, err) : 0);
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        const int64_t group = f->n_args > 2 ? expr_int(f, 2, row) : 0;
        bool is_found = false;
        TRY(is_constant ? 0 : pattern_at(f, row, &regex, err));
        if (regex != NULL && group >= 0 && group <= regex_groups(regex)) {
            TRY(regex_find(regex, s, 0, &is_found, err));
        }
        const struct slice part =
            is_found ? regex_group(regex, s, (uint32_t)group) : slice_make(NULL, 0);
        if (part.data == NULL) {
            expr_set_null(f, row);
        } else {
            expr_put_part(f, row, 0, part);
        }
    }
    return 0;
}

/* Places are those of Java's strings: units of UTF-16. */
static int64_t utf16_length(struct slice s)
{
    int64_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        const unsigned char c = (unsigned char)s.data[i];
        n += ((c & 0xc0) != 0x80) + (c >= 0xf0);
    }
    return n;
}

static int run_instr(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        struct regex *regex;
        bool is_found = false;
        TRY(pattern_at(f, row, &regex, err));
        if (regex == NULL) {
            expr_set_null(f, row);
            continue;
        }
        TRY(regex_find(regex, s, 0, &is_found, err));
        int64_t place = 0;
        if (is_found) {
            const struct slice match = regex_group(regex, s, 0);
            place = s.len == 0
                        ? 1
                        : utf16_length(slice_make(s.data, (size_t)(match.data - s.data))) + 1;
        }
        expr_put_int(f, row, place);
    }
    return 0;
}

/* ---- all matches ------------------------------------------------------------------------------------ */

static int run_count(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        struct regex *regex;
        bool is_found = true;
        int64_t n = 0;
        TRY(pattern_at(f, row, &regex, err));
        if (regex == NULL) {
            expr_set_null(f, row);
            continue;
        }
        TRY(regex_find(regex, s, 0, &is_found, err));
        while (is_found) {
            n++;
            TRY(regex_find(regex, s, regex_next(regex, s), &is_found, err));
        }
        expr_put_int(f, row, n);
    }
    return 0;
}

/* What is between the matches, and the replacement for each. */
static int replace_all(struct regex *regex, struct slice s, struct slice with, struct str *out,
                       struct error *err)
{
    size_t done = 0;
    bool is_found = true;
    while (is_found) {
        const struct slice match = regex_group(regex, s, 0);
        const size_t at = s.len == 0 ? 0 : (size_t)(match.data - s.data);
        str_append(out, s.data + done, at - done);
        str_append_slice(out, with);
        done = at + match.len;
        TRY(regex_find(regex, s, regex_next(regex, s), &is_found, err));
    }
    if (done < s.len) {
        str_append(out, s.data + done, s.len - done);
    }
    return 0;
}

static int run_replace(struct expr_frame *f, struct error *err)
{
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        struct regex *regex;
        bool is_found = false;
        TRY(pattern_at(f, row, &regex, err));
        if (regex == NULL) {
            expr_set_null(f, row);
            continue;
        }
        TRY(regex_find(regex, s, 0, &is_found, err));
        if (!is_found) {
            expr_put_part(f, row, 0, s);
            continue;
        }
        str_clear(&text);
        TRY(replace_all(regex, s, expr_bytes(f, 2, row), &text, err));
        expr_put_bytes(f, row, str_slice(&text));
    }
    return 0;
}

static int add_matches(struct expr_frame *f, struct regex *regex, struct slice s, uint32_t group,
                       struct builder *b, struct error *err)
{
    struct builder_column *item = builder_child_of(builder_column_of(b, 0), 0);
    bool is_found;
    TRY(regex_find(regex, s, 0, &is_found, err));
    while (is_found) {
        const struct slice part = regex_group(regex, s, group);
        if (part.data == NULL) {
            builder_add_null(b, item);
        } else {
            TRY(builder_add_bytes(b, item, part.data, part.len, err));
        }
        TRY(regex_find(regex, s, regex_next(regex, s), &is_found, err));
    }
    return 0;
}

static int run_extract_all(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const int64_t group = f->n_args > 2 ? expr_int(f, 2, row) : 1;
        struct builder *b = expr_builder(f, row);
        struct regex *regex;
        TRY(pattern_at(f, row, &regex, err));
        if (regex == NULL || group < 0 || group > regex_groups(regex)) {
            builder_put_null(b, 0);
        } else {
            TRY(add_matches(f, regex, expr_bytes(f, 0, row), (uint32_t)group, b, err));
            builder_put_nested(b, 0);
        }
        expr_next(f, row);
    }
    return 0;
}

/* ---- SIMILAR TO ------------------------------------------------------------------------------------- */

/* The pattern is compiled by bind() when it is literal. */
struct similar_state {
    struct regex *regex;        /* Owns: of the last pattern */
    struct str pattern, escape; /* of `regex` */
};

static void similar_free(void *state)
{
    struct similar_state *s = state;
    s->regex = regex_free(s->regex);
    str_fini(&s->pattern);
    str_fini(&s->escape);
}

static int similar_compile(struct similar_state *s, struct slice pattern, struct slice escape,
                           struct error *err)
{
    if (s->regex != NULL && slice_eq(str_slice(&s->pattern), pattern) &&
        slice_eq(str_slice(&s->escape), escape)) {
        return 0;
    }
    s->regex = regex_free(s->regex);
    TRY(regex_new_similar(pattern, escape, &s->regex, err));
    str_clear(&s->pattern);
    str_append_slice(&s->pattern, pattern);
    str_clear(&s->escape);
    str_append_slice(&s->escape, escape);
    return 0;
}

static int run_similar(struct expr_frame *f, struct error *err)
{
    struct similar_state *s = f->state;
    for (EXPR_ROWS(f, row)) {
        const struct slice escape = f->n_args > 2 ? expr_bytes(f, 2, row) : slice_make(NULL, 0);
        bool matches;
        if (f->n_args > 2 && escape.len == 0) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "Invalid escape character '': it is one character");
        }
        TRY(similar_compile(s, expr_bytes(f, 1, row), escape, err));
        TRY(regex_find(s->regex, expr_bytes(f, 0, row), 0, &matches, err));
        expr_put_bool(f, row, matches);
    }
    return 0;
}

static int bind_similar(struct expr_binding *b, struct error *err)
{
    b->state = arena_zalloc(b->arena, sizeof(struct similar_state));
    b->free_state = similar_free;
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define REGEX_ROW(function, args, type, more_flags, run, words, sample)                          \
    {                                                                                            \
        .name = (function), .signatures = args, .result = type,                                  \
        .flags = EXPR_FN_CAN_FAIL | (more_flags), .bind = functions_bind_regex, .kernel = (run), \
        .category = "string", .text = (words), .example = (sample)                               \
    }

static const struct expr_function rows[] = {
    REGEX_ROW(
        "REGEXP", "STRING, STRING", "BOOLEAN", 0, run_regexp,
        "Does the regular expression match anywhere in the string? An empty or wrong one does "
        "not.",
        "REGEXP('flink 2', '[0-9]+') -- TRUE"),
    REGEX_ROW(
        "REGEXP_REPLACE", "STRING, STRING, STRING", "STRING", EXPR_FN_NULLABLE, run_replace,
        "Each match of the regular expression replaced by a string, which is taken literally.",
        "REGEXP_REPLACE('foobar', 'oo|ar', '') -- fb"),
    REGEX_ROW("REGEXP_EXTRACT", "STRING, STRING, INT?", "STRING", EXPR_FN_NULLABLE, run_extract,
              "The first match of the regular expression, or of a group of it; NULL when there is "
              "none.",
              "REGEXP_EXTRACT('foothebar', 'foo(.*?)(bar)', 2) -- bar"),
    REGEX_ROW("REGEXP_EXTRACT_ALL", "STRING, STRING, INT? | STRING, STRING, INTEGER",
              "ARRAY<STRING>", EXPR_FN_NULLABLE, run_extract_all,
              "All matches of a group of the regular expression: of the first one unless a number "
              "is given, 0 is the whole match.",
              "REGEXP_EXTRACT_ALL('100-200, 300-400', '(\\d+)-(\\d+)', 2) -- [200, 400]"),
    REGEX_ROW("REGEXP_COUNT", "STRING, STRING", "INT", EXPR_FN_NULLABLE, run_count,
              "How often the regular expression matches.", "REGEXP_COUNT('a1b22', '[0-9]+') -- 2"),
    REGEX_ROW(
        "REGEXP_INSTR", "STRING, STRING", "INT", EXPR_FN_NULLABLE, run_instr,
        "The place of the first match of the regular expression, from 1; 0 when there is none.",
        "REGEXP_INSTR('hello', 'l+') -- 3"),
    REGEX_ROW("REGEXP_SUBSTR", "STRING, STRING", "STRING", EXPR_FN_NULLABLE, run_extract,
              "The first match of the regular expression; NULL when there is none.",
              "REGEXP_SUBSTR('hello', 'l+') -- ll"),
    {.name = "SIMILAR TO",
     .signatures = "STRING, STRING, STRING?",
     .result = "BOOLEAN",
     .flags = EXPR_FN_OPERATOR | EXPR_FN_CAN_FAIL,
     .bind = bind_similar,
     .kernel = run_similar,
     .category = "comparison",
     .text =
         "Does the whole string match the pattern of SQL's regular expressions? `%` and `_` are "
         "as with LIKE; `| * + ? { } ( ) [ ]` as with regular expressions.",
     .example = "'abc' SIMILAR TO 'a(b|x)_' -- TRUE"},
};

const struct expr_functions functions_regular = FUNCTIONS_TABLE(rows);
