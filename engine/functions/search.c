/* Functions that look into strings: places, prefixes, replacing, splitting, LIKE, codes of characters. */
#include "engine/functions/functions.h"

#include "engine/expr/like.h"
#include "engine/expr/type_rules.h"
#include "engine/functions/text.h"

#include <stdio.h>

/* ---- places ----------------------------------------------------------------------------------------- */

static int run_length(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        expr_put_int(f, row, text_length(expr_bytes(f, 0, row)));
    }
    return 0;
}

/* The place of `part` in `s` at or behind character `pos` (from 1); 0 when there is none. */
static int64_t place_of(struct slice part, struct slice s, int64_t pos)
{
    if (pos < 1) {
        return 0;
    }
    const size_t from = text_offset(s, pos - 1);
    if (pos - 1 > text_length(s)) {
        return 0;
    }
    const size_t at = text_find(s, part, from);
    return at > s.len ? 0 : text_length(slice_make(s.data, at)) + 1;
}

static int run_position(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const int64_t pos = f->n_args > 2 ? expr_int(f, 2, row) : 1;
        expr_put_int(f, row, place_of(expr_bytes(f, 0, row), expr_bytes(f, 1, row), pos));
    }
    return 0;
}

/* From the right: the nth place that ends at or before character -pos from the end. */
static int64_t backward_place(struct slice part, struct slice s, int64_t pos, int64_t nth)
{
    int64_t found = 0;
    const int64_t last = text_length(s) + pos + 1 - text_length(part) + 1;
    for (int64_t at = last; at >= 1; at--) {
        const size_t offset = text_offset(s, at - 1);
        if (s.len - offset >= part.len && memcmp(s.data + offset, part.data, part.len) == 0 &&
            ++found == nth) {
            return at;
        }
    }
    return 0;
}

static int run_instr(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row), part = expr_bytes(f, 1, row);
        const int64_t start = f->n_args > 2 ? expr_int(f, 2, row) : 1;
        int64_t nth = f->n_args > 3 ? expr_int(f, 3, row) : 1, at = 0;
        if (nth <= 0) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "INSTR: the number of the occurrence must be positive, not %lld",
                             (long long)nth);
        }
        if (start > 0) {
            at = place_of(part, s, start);
            while (at > 0 && --nth > 0) {
                at = place_of(part, s, at + 1);
            }
        } else if (start < 0) {
            at = backward_place(part, s, start, nth);
        }
        expr_put_int(f, row, at);
    }
    return 0;
}

static int run_starts(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row), part = expr_bytes(f, 1, row);
        expr_put_bool(f, row, s.len >= part.len && memcmp(s.data, part.data, part.len) == 0);
    }
    return 0;
}
static int run_ends(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row), part = expr_bytes(f, 1, row);
        expr_put_bool(f, row,
                      s.len >= part.len &&
                          memcmp(s.data + s.len - part.len, part.data, part.len) == 0);
    }
    return 0;
}

/* ---- LIKE ------------------------------------------------------------------------------------------- */

struct like_state {
    struct like_pattern pattern;
    bool is_compiled;
};

static struct slice escape_of(const struct expr_frame *f, uint32_t row)
{
    return f->n_args > 2 ? expr_bytes(f, 2, row) : slice_make(NULL, 0);
}

static int run_like(struct expr_frame *f, struct error *err)
{
    const struct like_state *s = f->state;
    if (s != NULL && s->is_compiled) {
        for (EXPR_ROWS(f, row)) {
            expr_put_bool(f, row, like_matches(&s->pattern, expr_bytes(f, 0, row)));
        }
        return 0;
    }
    struct like_pattern pattern = {0};
    struct slice last = {NULL, 0}, escape = {NULL, 0};
    for (EXPR_ROWS(f, row)) { /* patterns of a column: mostly the one of the row before */
        const struct slice text = expr_bytes(f, 1, row), e = escape_of(f, row);
        if (last.data == NULL || !slice_eq(last, text) || !slice_eq(escape, e)) {
            TRY(like_compile(text, e, f->context->arena, &pattern, err));
            last = text;
            escape = e;
        }
        expr_put_bool(f, row, like_matches(&pattern, expr_bytes(f, 0, row)));
    }
    return 0;
}

static int bind_like(struct expr_binding *b, struct error *err)
{
    const struct expr *pattern = b->call->args[1];
    const struct expr *escape = b->call->n_args > 2 ? b->call->args[2] : NULL;
    if (pattern->kind != EXPR_LITERAL || pattern->value.is_null ||
        (escape != NULL && (escape->kind != EXPR_LITERAL || escape->value.is_null))) {
        return 0;
    }
    struct like_state *s = arena_zalloc(b->arena, sizeof(*s));
    const struct slice sign = escape != NULL ? escape->value.bytes : slice_make(NULL, 0);
    TRY(like_compile(pattern->value.bytes, sign, b->arena, &s->pattern, err));
    s->is_compiled = true;
    b->state = s;
    b->flags &= ~(uint32_t)EXPR_FN_CAN_FAIL;
    return 0;
}

/* ---- replacing and splitting ------------------------------------------------------------------------ */

static int run_replace(struct expr_frame *f, struct error *err)
{
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row), what = expr_bytes(f, 1, row);
        size_t from = 0, at = what.len > 0 ? text_find(s, what, 0) : s.len + 1;
        if (at > s.len) {
            expr_put_part(f, row, 0, s);
            continue;
        }
        str_clear(&text);
        for (; at <= s.len; at = text_find(s, what, from)) {
            str_append(&text, s.data + from, at - from);
            str_append_slice(&text, expr_bytes(f, 2, row));
            from = at + what.len;
        }
        str_append(&text, s.data + from, s.len - from);
        expr_put_bytes(f, row, str_slice(&text));
    }
    return 0;
}

/* The separator is a string taken whole, or the code of a character, 1 to 255. */
static struct slice separator_at(const struct expr_frame *f, uint32_t row, char ret_char[2])
{
    if (type_is_string(f->args[1]->column.type)) {
        return expr_bytes(f, 1, row);
    }
    const int64_t code = expr_int(f, 1, row);
    if (code < 1 || code > 255) {
        return slice_make(NULL, 0);
    }
    if (code < 128) {
        ret_char[0] = (char)code;
        return slice_make(ret_char, 1);
    }
    ret_char[0] = (char)(0xc0 | code >> 6);
    ret_char[1] = (char)(0x80 | (code & 0x3f));
    return slice_make(ret_char, 2);
}

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* 0x80 at each byte that is `one`, of up to eight; exact, so that the n-th can be taken. */
static ALWAYS_INLINE uint64_t bytes_equal(const char *at, size_t n, char one)
{
    uint64_t x = 0;
    if (LIKELY(n >= 8)) {
        memcpy(&x, at, 8);
    } else {
        memcpy(&x, at, n);
    }
    x ^= EACH_BYTE((unsigned char)one);
    const uint64_t low = EACH_BYTE(0x7fu);
    const uint64_t found = ~(((x & low) + low) | x | low);
    return n >= 8 ? found : found & ((UINT64_C(1) << (8 * n)) - 1);
}

/* The part with this number, between separators of one byte; false: there is none. */
static ALWAYS_INLINE bool part_at(struct slice s, char separator, int64_t index, struct slice *ret)
{
    size_t start = 0;
    for (size_t at = 0; at < s.len; at += 8) {
        uint64_t found = bytes_equal(s.data + at, s.len - at, separator);
        const int n = __builtin_popcountll(found);
        if (n < index) {
            index -= n;
            continue;
        }
        for (; found != 0; found &= found - 1) {
            const size_t place = at + ((size_t)__builtin_ctzll(found) >> 3);
            if (index == 0) {
                *ret = slice_make(s.data + start, place - start);
                return true;
            }
            start = place + 1;
            index--;
        }
    }
    *ret = slice_make(s.data + start, s.len - start);
    return index == 0;
}

/* Separator and number are constants, as nearly always. */
static void split_by_byte(struct expr_frame *f, char separator, int64_t index)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        struct slice part;
        if (s.len > 0 && part_at(s, separator, index, &part)) {
            expr_put_part(f, row, 0, part);
        } else {
            expr_set_null(f, row);
        }
    }
}

static int run_split_index(struct expr_frame *f, struct error *err)
{
    if (f->n > 0 && f->args[1]->is_constant && f->args[2]->is_constant) {
        char one[2];
        const struct slice separator = separator_at(f, 0, one);
        if (separator.len == 1 && expr_int(f, 2, 0) >= 0) {
            split_by_byte(f, separator.data[0], expr_int(f, 2, 0));
            return 0;
        }
    }
    for (EXPR_ROWS(f, row)) {
        char one[2];
        const struct slice s = expr_bytes(f, 0, row), separator = separator_at(f, row, one);
        int64_t index = expr_int(f, 2, row);
        size_t from = 0;
        if (index < 0 || separator.data == NULL || s.len == 0) {
            expr_set_null(f, row);
            continue;
        }
        size_t at = separator.len > 0 ? text_find(s, separator, 0) : s.len + 1;
        while (index > 0 && at <= s.len) {
            from = at + separator.len;
            at = text_find(s, separator, from);
            index--;
        }
        if (index > 0) {
            expr_set_null(f, row);
        } else {
            expr_put_part(f, row, 0, slice_make(s.data + from, MIN(at, s.len) - from));
        }
    }
    return 0;
}

/* NULL or empty `from`: as it is; a character without a counterpart goes. */
static void translate(struct slice s, struct slice from, struct slice to, struct str *out)
{
    for (size_t i = 0; i < s.len; i += text_step(s, i)) {
        const size_t n = text_step(s, i);
        size_t a = 0, b = 0;
        while (a < from.len &&
               !(text_step(from, a) == n && memcmp(from.data + a, s.data + i, n) == 0)) {
            a += text_step(from, a);
            b += b < to.len ? text_step(to, b) : 0;
        }
        if (a >= from.len) {
            str_append(out, s.data + i, n);
        } else if (b < to.len) {
            str_append(out, to.data + b, text_step(to, b));
        }
    }
}

static int run_translate(struct expr_frame *f, struct error *err)
{
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        if (expr_arg_is_null(f, 0, row)) {
            expr_set_null(f, row);
            continue;
        }
        const bool has_from = !expr_arg_is_null(f, 1, row), has_to = !expr_arg_is_null(f, 2, row);
        str_clear(&text);
        translate(expr_bytes(f, 0, row), has_from ? expr_bytes(f, 1, row) : slice_make("", 0),
                  has_to ? expr_bytes(f, 2, row) : slice_make("", 0), &text);
        expr_put_bytes(f, row, str_slice(&text));
    }
    return 0;
}

static int infer_translate(const struct expr_function *function, struct expr_pool *pool,
                           const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                           struct error *err)
{
    *ret = type_new_string(args[0]->type->nullable);
    return 0;
}

/* ---- codes ------------------------------------------------------------------------------------------ */

static int run_ascii(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        expr_put_int(f, row, s.len > 0 ? (signed char)s.data[0] : 0);
    }
    return 0;
}

static int run_chr(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const int64_t n = expr_int(f, 0, row), code = n & 255;
        const char wide[2] = {(char)(0xc0 | code >> 6), (char)(0x80 | (code & 0x3f))};
        const char narrow = (char)code;
        expr_put_bytes(f, row,
                       n < 0        ? slice_make("", 0)
                       : code < 128 ? slice_make(&narrow, 1)
                                    : slice_make(wide, 2));
    }
    return 0;
}

static int run_bin(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        uint64_t v = (uint64_t)expr_int(f, 0, row);
        char bits[64];
        size_t at = sizeof(bits);
        do {
            bits[--at] = (char)('0' + (v & 1));
            v >>= 1;
        } while (v != 0);
        expr_put_bytes(f, row, slice_make(bits + at, sizeof(bits) - at));
    }
    return 0;
}

static int run_hex(struct expr_frame *f, struct error *err)
{
    static const char digits[] = "0123456789ABCDEF";
    const bool is_number = type_is_integer(f->args[0]->column.type);
    for (EXPR_ROWS(f, row)) {
        if (is_number) {
            char text[17];
            const int n = snprintf(text, sizeof(text), "%llX", (long long)expr_int(f, 0, row));
            expr_put_bytes(f, row, slice_make(text, (size_t)n));
            continue;
        }
        const struct slice s = expr_bytes(f, 0, row);
        char *to = expr_begin_bytes(f, row, s.len * 2);
        for (size_t i = 0; i < s.len; i++) {
            to[2 * i] = digits[(unsigned char)s.data[i] >> 4];
            to[2 * i + 1] = digits[s.data[i] & 15];
        }
        expr_end_bytes(f, row, s.len * 2);
    }
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define SEARCH_ROW(function, args, words, ...)                                                     \
    {                                                                                              \
        .name = (function), .signatures = args, .category = "string", .text = (words), __VA_ARGS__ \
    }

static const struct expr_function rows[] = {
    SEARCH_ROW("CHAR_LENGTH", "STRING", "The number of characters.", .aliases = "CHARACTER_LENGTH",
               .result = "INT", .kernel = run_length, .example = "CHAR_LENGTH('abc') -- 3"),
    SEARCH_ROW("POSITION", "STRING, STRING",
               "The place of the first string in the second one, from 1; 0 when it is not in it.",
               .result = "INT", .kernel = run_position, .example = "POSITION('l' IN 'hello') -- 3"),
    SEARCH_ROW("LOCATE", "STRING, STRING, INT?",
               "The place of the first string in the second one, at or behind a place; 0 when it "
               "is not there.",
               .result = "INT", .kernel = run_position,
               .example = "LOCATE('l', 'hello') -- 3\nLOCATE('l', 'hello', 4) -- 4"),
    SEARCH_ROW("INSTR", "STRING, STRING, INT?, INT?",
               "The place of the second string in the first one: from a place on (negative: "
               "backward from the end), the nth.",
               .result = "INT", .flags = EXPR_FN_CAN_FAIL, .kernel = run_instr,
               .example = "INSTR('hello', 'l') -- 3\nINSTR('hello', 'l', -1) -- 4"),
    SEARCH_ROW("STARTSWITH", "STRING, STRING | BINARY, BINARY",
               "Does the first string begin with the second one?", .result = "BOOLEAN",
               .kernel = run_starts, .example = "STARTSWITH('hello', 'he') -- TRUE"),
    SEARCH_ROW("ENDSWITH", "STRING, STRING | BINARY, BINARY",
               "Does the first string end with the second one?", .result = "BOOLEAN",
               .kernel = run_ends, .example = "ENDSWITH('hello', 'lo') -- TRUE"),
    SEARCH_ROW("LIKE", "STRING, STRING, STRING?",
               "Does the string match the pattern? `%` is any run of characters, `_` is one; "
               "ESCAPE names the sign that makes "
               "them ordinary.",
               .flags = EXPR_FN_OPERATOR | EXPR_FN_CAN_FAIL, .result = "BOOLEAN", .bind = bind_like,
               .kernel = run_like,
               .example = "'hello' LIKE 'h%o' -- TRUE\n'50%' LIKE '50!%' ESCAPE '!' -- TRUE"),
    SEARCH_ROW("REPLACE", "STRING, STRING, STRING",
               "The first string with each occurrence of the second one replaced by the third.",
               .result = "STRING", .kernel = run_replace,
               .example = "REPLACE('hello', 'l', 'L') -- heLLo"),
    SEARCH_ROW("SPLIT_INDEX", "STRING, STRING, INT | STRING, INT, INT",
               "The part with this number, from 0, of the string split at a separator; NULL when "
               "there is none.",
               .result = "STRING", .flags = EXPR_FN_NULLABLE, .kernel = run_split_index,
               .example = "SPLIT_INDEX('a,b,c', ',', 1) -- b"),
    SEARCH_ROW("TRANSLATE", "STRING, STRING, STRING",
               "Each character of the second string replaced by that at its place in the third "
               "one, or left out.",
               .flags = EXPR_FN_OWN_NULLS, .infer = infer_translate, .kernel = run_translate,
               .example = "TRANSLATE('hello', 'el', 'ip') -- hippo"),
    SEARCH_ROW("ASCII", "STRING", "The first byte as a number; 0 of an empty string.",
               .result = "INT", .kernel = run_ascii, .example = "ASCII('abc') -- 97"),
    SEARCH_ROW("CHR", "BIGINT", "The character with this code modulo 256.", .result = "STRING",
               .kernel = run_chr, .example = "CHR(97) -- a"),
    SEARCH_ROW("BIN", "BIGINT", "The number in binary digits, of 64 bits when it is negative.",
               .result = "STRING", .kernel = run_bin, .example = "BIN(4) -- 100"),
    SEARCH_ROW("HEX", "INTEGER | STRING",
               "A number, or the bytes of a string, in hexadecimal digits.", .result = "STRING",
               .kernel = run_hex, .example = "HEX(255) -- FF\nHEX('hello') -- 68656C6C6F"),
};

const struct expr_functions functions_search = FUNCTIONS_TABLE(rows);
