/* Functions that make strings of strings: parts, case, padding, trimming, joining. */
#include "engine/functions/functions.h"

#include "engine/expr/type_rules.h"
#include "engine/functions/letters.h"
#include "engine/functions/text.h"

/* ---- parts of the first argument, which are not copied ---------------------------------------------- */

/* Characters [from, from + n), by bytes where all are ASCII. */
static struct slice part(struct slice s, int64_t from, int64_t n)
{
    const size_t begin = text_offset(s, from);
    const struct slice rest = slice_make(s.data + begin, s.len - begin);
    return slice_make(rest.data, n >= (int64_t)rest.len ? rest.len : text_offset(rest, n));
}

static int run_substring(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        const int64_t pos = expr_int(f, 1, row);
        const int64_t n = f->n_args > 2 ? expr_int(f, 2, row) : INT32_MAX;
        int64_t from = pos > 0 ? pos - 1 : 0;
        if (n < 0) {
            expr_set_null(f, row);
            continue;
        }
        if (pos < 0) {
            from = text_length(s) + pos;
        }
        expr_put_part(f, row, 0, from < 0 ? slice_make(s.data, 0) : part(s, from, n));
    }
    return 0;
}

static int run_left(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const int64_t n = expr_int(f, 1, row);
        expr_put_part(f, row, 0, part(expr_bytes(f, 0, row), 0, n < 0 ? 0 : n));
    }
    return 0;
}

static int run_right(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        const int64_t n = expr_int(f, 1, row), length = text_length(s);
        expr_put_part(f, row, 0,
                      part(s,
                           n <= 0        ? length
                           : n >= length ? 0
                                         : length - n,
                           INT32_MAX));
    }
    return 0;
}

/* ---- TRIM ------------------------------------------------------------------------------------------- */

enum { TRIM_LEADING = 1, TRIM_TRAILING = 2, TRIM_BOTH = 3 };

static bool is_one_of(struct slice set, const char *c, size_t n)
{
    for (size_t i = 0; i < set.len; i += text_step(set, i)) {
        if (text_step(set, i) == n && memcmp(set.data + i, c, n) == 0) {
            return true;
        }
    }
    return false;
}

static struct slice trim(struct slice s, struct slice set, int ends)
{
    while ((ends & TRIM_LEADING) != 0 && s.len > 0 && is_one_of(set, s.data, text_step(s, 0))) {
        const size_t n = text_step(s, 0);
        s = slice_make(s.data + n, s.len - n);
    }
    while ((ends & TRIM_TRAILING) != 0 && s.len > 0) {
        size_t at = s.len - 1;
        while (at > 0 && ((unsigned char)s.data[at] & 0xc0) == 0x80) {
            at--;
        }
        if (!is_one_of(set, s.data + at, s.len - at)) {
            break;
        }
        s.len = at;
    }
    return s;
}

static int run_trim_ends(struct expr_frame *f, int ends)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice set = f->n_args > 1 ? expr_bytes(f, 1, row) : SLICE_LIT(" ");
        expr_put_part(f, row, 0, trim(expr_bytes(f, 0, row), set, ends));
    }
    return 0;
}
static int run_ltrim(struct expr_frame *f, struct error *err)
{
    return run_trim_ends(f, TRIM_LEADING);
}
static int run_rtrim(struct expr_frame *f, struct error *err)
{
    return run_trim_ends(f, TRIM_TRAILING);
}
static int run_btrim(struct expr_frame *f, struct error *err)
{
    return run_trim_ends(f, TRIM_BOTH);
}

/* TRIM(BOTH, set, s) is what TRIM(BOTH set FROM s) is parsed to; TRIM(s) has one argument. */
static int run_trim(struct expr_frame *f, struct error *err)
{
    if (f->n_args == 1) {
        return run_trim_ends(f, TRIM_BOTH);
    }
    for (EXPR_ROWS(f, row)) {
        const struct slice which = expr_bytes(f, 0, row);
        const int ends = slice_eq_cstr(which, "LEADING")    ? TRIM_LEADING
                         : slice_eq_cstr(which, "TRAILING") ? TRIM_TRAILING
                                                            : TRIM_BOTH;
        expr_put_part(f, row, 2, trim(expr_bytes(f, 2, row), expr_bytes(f, 1, row), ends));
    }
    return 0;
}

static int infer_trim(const struct expr_function *function, struct expr_pool *pool,
                      const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                      struct error *err)
{
    bool nullable = false;
    for (uint32_t i = 0; i < n_args; i++) {
        nullable |= args[i]->type->nullable;
    }
    *ret = type_new_sized(TYPE_VARCHAR, MAX(args[n_args - 1]->type->length, 1), nullable);
    return 0;
}

/* ---- case ------------------------------------------------------------------------------------------- */

#define EACH_BYTE(b) (UINT64_C(0x0101010101010101) * (b))

/* Eight bytes of ASCII with the letters from `first` (a or A) on changed. */
static ALWAYS_INLINE uint64_t change_eight(uint64_t x, unsigned char first)
{
    const uint64_t from = x + EACH_BYTE(0x80u - first), behind = x + EACH_BYTE(0x80u - first - 26);
    return x ^ ((from & ~behind & EACH_BYTE(0x80u)) >> 2);
}

/* A short string, in its view; false: it is not of ASCII alone, or long. */
static ALWAYS_INLINE bool change_short(const struct view *v, unsigned char first, struct view *ret)
{
    if (!view_is_inline(v) || ((v->word0 | v->word1) & EACH_BYTE(0x80u)) != 0) {
        return false;
    }
    *ret = (struct view){.len = v->len};
    ret->word0 = (uint32_t)change_eight(v->word0, first);
    ret->word1 = change_eight(v->word1, first);
    return true;
}

static ALWAYS_INLINE int run_case(struct expr_frame *f, bool is_upper)
{
    const struct view *from = EXPR_VALUES(f->args[0], const struct view);
    struct view *out = EXPR_VALUES(f->out, struct view);
    for (EXPR_ROWS(f, row)) {
        if (change_short(&from[expr_at(f->args[0], row)], is_upper ? 'a' : 'A', &out[row])) {
            continue;
        }
        const struct slice s = expr_bytes(f, 0, row);
        if (!text_is_ascii(s)) {
            STR_AUTO changed = STR_INIT;
            letters_change(s, is_upper, &changed);
            expr_put_bytes(f, row, str_slice(&changed));
            continue;
        }
        char *to = expr_begin_bytes(f, row, s.len);
        const char first = is_upper ? 'a' : 'A';
        for (size_t i = 0; i < s.len; i++) {
            const unsigned char d = (unsigned char)(s.data[i] - first);
            to[i] = (char)(s.data[i] ^ (d < 26 ? 0x20 : 0));
        }
        expr_end_bytes(f, row, s.len);
    }
    return 0;
}
static int run_upper(struct expr_frame *f, struct error *err)
{
    return run_case(f, true);
}
static int run_lower(struct expr_frame *f, struct error *err)
{
    return run_case(f, false);
}

/* ASCII letters and digits alone make words. */
static int run_initcap(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        char *to = expr_begin_bytes(f, row, s.len);
        bool is_inside = false;
        for (size_t i = 0; i < s.len; i++) {
            const char c = s.data[i];
            const bool is_lower = c >= 'a' && c <= 'z', is_upper = c >= 'A' && c <= 'Z';
            to[i] = (char)((is_lower && !is_inside) || (is_upper && is_inside) ? c ^ 0x20 : c);
            is_inside = is_lower || is_upper || (c >= '0' && c <= '9');
        }
        expr_end_bytes(f, row, s.len);
    }
    return 0;
}

/* ---- made longer ------------------------------------------------------------------------------------ */

enum { RESULT_MAX = 1 << 30 };

static int too_long(const char *name, struct error *err)
{
    return error_set(err, ERR_TOO_LARGE, "%s: the result is longer than 1 GB", name);
}

static int run_concat(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        size_t len = 0;
        for (uint32_t k = 0; k < f->n_args; k++) {
            len += expr_bytes(f, k, row).len;
        }
        if (len > RESULT_MAX) {
            return too_long("CONCAT", err);
        }
        char *to = expr_begin_bytes(f, row, len), *at = to;
        for (uint32_t k = 0; k < f->n_args; k++) {
            const struct slice s = expr_bytes(f, k, row);
            memcpy(at, s.data, s.len);
            at += s.len;
        }
        expr_end_bytes(f, row, len);
    }
    return 0;
}

static int infer_concat(const struct expr_function *function, struct expr_pool *pool,
                        const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                        struct error *err)
{
    return type_of_concat(args[0]->type, args[1]->type, ret, err);
}

static int run_concat_ws(struct expr_frame *f, struct error *err)
{
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        bool is_first = true;
        if (expr_arg_is_null(f, 0, row)) {
            expr_set_null(f, row);
            continue;
        }
        str_clear(&text);
        for (uint32_t k = 1; k < f->n_args; k++) {
            if (!expr_arg_is_null(f, k, row)) {
                str_append_slice(&text, is_first ? slice_make("", 0) : expr_bytes(f, 0, row));
                str_append_slice(&text, expr_bytes(f, k, row));
                is_first = false;
            }
        }
        expr_put_bytes(f, row, str_slice(&text));
    }
    return 0;
}

static int infer_concat_ws(const struct expr_function *function, struct expr_pool *pool,
                           const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                           struct error *err)
{
    *ret = type_new_string(args[0]->type->nullable);
    return 0;
}

static int run_repeat(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        const int64_t n = MAX(expr_int(f, 1, row), (int64_t)0);
        if (s.len > 0 && n > RESULT_MAX / (int64_t)s.len) {
            return too_long("REPEAT", err);
        }
        char *to = expr_begin_bytes(f, row, s.len * (size_t)n);
        for (int64_t i = 0; i < n && s.len > 0; i++) {
            memcpy(to + (size_t)i * s.len, s.data, s.len);
        }
        expr_end_bytes(f, row, s.len * (size_t)n);
    }
    return 0;
}

/* Longer text is cut from the right by either function. */
static int run_pad(struct expr_frame *f, bool is_left, struct error *err)
{
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row), pad = expr_bytes(f, 2, row);
        const int64_t n = expr_int(f, 1, row), length = text_length(s);
        if (n < 0 || pad.len == 0) {
            expr_set_null(f, row);
            continue;
        }
        if (n <= length) {
            expr_put_part(f, row, 0, part(s, 0, n));
            continue;
        }
        if (n > RESULT_MAX / 4) {
            return too_long(is_left ? "LPAD" : "RPAD", err);
        }
        str_clear(&text);
        if (!is_left) {
            str_append_slice(&text, s);
        }
        for (int64_t i = length, at = 0; i < n; i++) {
            const size_t step = text_step(pad, (size_t)at);
            str_append(&text, pad.data + at, step);
            at = (size_t)at + step < pad.len ? at + (int64_t)step : 0;
        }
        if (is_left) {
            str_append_slice(&text, s);
        }
        expr_put_bytes(f, row, str_slice(&text));
    }
    return 0;
}
static int run_lpad(struct expr_frame *f, struct error *err)
{
    return run_pad(f, true, err);
}
static int run_rpad(struct expr_frame *f, struct error *err)
{
    return run_pad(f, false, err);
}

static int run_reverse(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        char *to = expr_begin_bytes(f, row, s.len);
        for (size_t i = 0; i < s.len;) {
            const size_t n = text_step(s, i);
            memcpy(to + s.len - i - n, s.data + i, n);
            i += n;
        }
        expr_end_bytes(f, row, s.len);
    }
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define STRING_ROW(function, args, words, ...)                                           \
    {                                                                                    \
        .name = (function), .signatures = (args), .category = "string", .text = (words), \
        __VA_ARGS__                                                                      \
    }

static const struct expr_function rows[] = {
    STRING_ROW(
        "SUBSTRING", "STRING, INT, INT?",
        "The characters from a place (1 is the first; negative: from the end), all or so many.",
        .aliases = "SUBSTR", .infer = functions_infer_varchar, .flags = EXPR_FN_NULLABLE,
        .kernel = run_substring,
        .example = "SUBSTRING('hello', 2, 3) -- ell\nSUBSTRING('hello' FROM -3) -- llo"),
    STRING_ROW("LEFT", "STRING, INT", "The first characters.", .infer = functions_infer_varchar,
               .kernel = run_left, .example = "LEFT('hello', 2) -- he"),
    STRING_ROW("RIGHT", "STRING, INT", "The last characters.", .infer = functions_infer_varchar,
               .kernel = run_right, .example = "RIGHT('hello', 2) -- lo"),
    STRING_ROW("TRIM", "STRING | 'STRING', STRING, STRING",
               "Without blanks, or without characters of a set, at both ends or one.",
               .infer = infer_trim, .kernel = run_trim,
               .example = "TRIM('  a ') -- a\nTRIM(LEADING 'xy' FROM 'yxaxy') -- axy"),
    STRING_ROW("LTRIM", "STRING, STRING?",
               "Without blanks, or without characters of a set, at the left end.",
               .infer = functions_infer_varchar, .kernel = run_ltrim,
               .example = "LTRIM('  a') -- a\nLTRIM('xxa', 'x') -- a"),
    STRING_ROW("RTRIM", "STRING, STRING?",
               "Without blanks, or without characters of a set, at the right end.",
               .infer = functions_infer_varchar, .kernel = run_rtrim,
               .example = "RTRIM('a  ') -- a"),
    STRING_ROW("BTRIM", "STRING, STRING?",
               "Without blanks, or without characters of a set, at both ends.", .result = "STRING",
               .kernel = run_btrim, .example = "BTRIM('xax', 'x') -- a"),
    STRING_ROW("UPPER", "STRING", "In upper case.", .result = "=1", .kernel = run_upper,
               .example = "UPPER('abc') -- ABC"),
    STRING_ROW("LOWER", "STRING", "In lower case.", .result = "=1", .kernel = run_lower,
               .example = "LOWER('ABC') -- abc"),
    STRING_ROW("INITCAP", "STRING",
               "Each word with a capital and small letters behind it; words are of ASCII letters "
               "and digits.",
               .result = "=1", .kernel = run_initcap,
               .example = "INITCAP('hello wORLD') -- Hello World"),
    STRING_ROW("||", "STRING, STRING | BINARY, BINARY", "The two, one behind the other.",
               .flags = EXPR_FN_OPERATOR | EXPR_FN_CAN_FAIL, .infer = infer_concat,
               .kernel = run_concat, .example = "'a' || 'b' -- ab"),
    STRING_ROW("CONCAT", "STRING...", "All, one behind the other; NULL when one is.",
               .result = "STRING", .flags = EXPR_FN_CAN_FAIL, .kernel = run_concat,
               .example = "CONCAT('a', 'b', 'c') -- abc"),
    STRING_ROW("CONCAT_WS", "STRING, STRING...",
               "All but the first with the first between them; NULLs are left out.",
               .infer = infer_concat_ws, .flags = EXPR_FN_OWN_NULLS, .kernel = run_concat_ws,
               .example = "CONCAT_WS('-', 'a', CAST(NULL AS STRING), 'b') -- a-b"),
    STRING_ROW("REPEAT", "STRING, INT", "The string so many times.", .result = "STRING",
               .flags = EXPR_FN_CAN_FAIL, .kernel = run_repeat,
               .example = "REPEAT('ab', 3) -- ababab"),
    STRING_ROW("LPAD", "STRING, INT, STRING",
               "Filled up to a length from the left; longer ones are cut at the right.",
               .result = "STRING", .flags = EXPR_FN_NULLABLE | EXPR_FN_CAN_FAIL, .kernel = run_lpad,
               .example = "LPAD('hi', 4, '?') -- ??hi\nLPAD('hi', 1, '?') -- h"),
    STRING_ROW("RPAD", "STRING, INT, STRING",
               "Filled up to a length from the right; longer ones are cut at the right.",
               .result = "STRING", .flags = EXPR_FN_NULLABLE | EXPR_FN_CAN_FAIL, .kernel = run_rpad,
               .example = "RPAD('hi', 4, '?') -- hi??"),
    STRING_ROW("REVERSE", "STRING", "The characters from the last to the first.",
               .result = "STRING", .kernel = run_reverse, .example = "REVERSE('abc') -- cba"),
};

const struct expr_functions functions_strings = FUNCTIONS_TABLE(rows);
