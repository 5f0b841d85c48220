/* Tokens of JSON; see json.h.  Every loop ends at the byte behind the record, which belongs to no token. */
#include "formats/json/json.h"

#include "common/text/utf8.h"

#include <cell_block.h>
#include <stdarg.h>
#include <stdio.h>

/* ---- errors ------------------------------------------------------------------------------------------------ */

const char *json_fail(struct json_decoder *d, const char *at, const char *fmt, ...)
{
    va_list ap;

    va_start(ap, fmt);
    (void)vsnprintf(d->wrong, sizeof(d->wrong), fmt, ap);
    va_end(ap);
    d->wrong_at = at;
    d->wrong_code = FLINC_FORMAT_MALFORMED;
    return NULL;
}

const char *json_expected(struct json_decoder *d, const char *p, const char *what)
{
    if (p >= d->end) {
        return json_fail(d, d->end, "the record ends where %s should be", what);
    }
    if ((uint8_t)*p < 0x20) {
        return json_fail(d, p, "%s should be where the byte 0x%02x is", what, (uint8_t)*p);
    }
    size_t n = utf8_truncate(p, MIN((size_t)(d->end - p), (size_t)12), 12);
    return json_fail(d, p, "%s should be where '%.*s' is", what, (int)n, p);
}

bool json_is_blank(const struct json_decoder *d, const char *p)
{
    return *p == ' ' || *p == '\t' || *p == '\r' || (*p == '\n' && p < d->end);
}

/* ---- strings ------------------------------------------------------------------------------------------------- */

/* The quote, backslash or control character that comes first; whether there were bytes of other letters than ASCII's. */
static ALWAYS_INLINE const char *scan_string(const char *p, uint32_t *inout_high)
{
    for (;;) {
        cell_block b = cell_block_load(p);
        uint32_t stop = cell_block_json(b);
        uint32_t high = cell_block_high(b);
        if (LIKELY(stop != 0)) {
            *inout_high |= high & (stop - 1) & ~stop;
            return p + __builtin_ctz(stop);
        }
        *inout_high |= high;
        p += CELL_BLOCK;
    }
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Four digits; -1. */
static int32_t hex_unit(const char *p)
{
    int32_t v = 0;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0) {
            return -1;
        }
        v = v * 16 + digit;
    }
    return v;
}

/* At the u of \uXXXX: its code point, or that of two surrogates.  Half a pair is '?', as Java writes it. */
static const char *unescape_unicode(struct json_decoder *d, const char *p, struct str *out)
{
    char bytes[UTF8_MAX_BYTES];
    int32_t unit = hex_unit(p + 1);

    if (unit < 0) {
        return json_fail(d, p, "\\u needs four hexadecimal digits");
    }
    p += 5;
    uint32_t point = (uint32_t)unit;
    if (unit >= 0xd800 && unit <= 0xdbff && p[0] == '\\' && p[1] == 'u') {
        int32_t low = hex_unit(p + 2);
        if (low >= 0xdc00 && low <= 0xdfff) {
            point = 0x10000 + (((uint32_t)unit - 0xd800) << 10) + ((uint32_t)low - 0xdc00);
            p += 6;
        }
    }
    size_t n = utf8_encode(point, bytes);
    str_append(out, n > 0 ? bytes : "?", n > 0 ? n : 1);
    return p;
}

/* At the backslash p. */
static const char *unescape(struct json_decoder *d, const char *p, struct str *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = p[1];

    if (c == 'u') {
        return unescape_unicode(d, p + 1, out);
    }
    const char *at = c != '\0' ? strchr(from, c) : NULL;
    if (at == NULL) {
        return json_fail(d, p, "there is no escape of this kind");
    }
    str_append_char(out, to[at - from]);
    return p + 2;
}

/* The text from `p` on, the first part of which up to `stop` has no escapes. */
static COLD const char *string_with_escapes(struct json_decoder *d, const char *p, const char *stop,
                                            struct str *scratch, struct slice *ret_text)
{
    uint32_t high = 0;

    str_clear(scratch);
    for (;;) {
        str_append(scratch, p, (size_t)(stop - p));
        if (*stop == '"') {
            break;
        }
        if (*stop != '\\') {
            return stop >= d->end ? json_fail(d, d->end, "a string is not closed")
                                  : json_fail(d, stop,
                                              "a control character in a string: write "
                                              "\\n, \\t or \\u00XX");
        }
        p = unescape(d, stop, scratch);
        if (p == NULL) {
            return NULL;
        }
        stop = scan_string(p, &high);
    }
    if (!utf8_validate(str_cstr(scratch), scratch->len, NULL)) {
        return json_fail(d, stop, "a string is no valid UTF-8");
    }
    *ret_text = slice_make(str_cstr(scratch), scratch->len);
    return stop + 1;
}

const char *json_string(struct json_decoder *d, const char *p, struct str *scratch,
                        struct slice *ret_text)
{
    uint32_t high = 0;
    const char *start = p + 1;
    const char *stop = scan_string(start, &high);
    size_t wrong;

    if (UNLIKELY(*stop != '"')) {
        return string_with_escapes(d, start, stop, scratch, ret_text);
    }
    size_t len = (size_t)(stop - start);
    if (UNLIKELY(high != 0) && !utf8_validate(start, len, &wrong)) {
        return json_fail(d, start + wrong, "a string is no valid UTF-8");
    }
    *ret_text = slice_make(start, len);
    return stop + 1;
}

/* ---- numbers and words ------------------------------------------------------------------------------------------- */

static const char *skip_digits(const char *p)
{
    while (*p >= '0' && *p <= '9') {
        p++;
    }
    return p;
}

/* Behind the word at p; NULL when it is another one. */
static const char *word(const char *p, const char *text)
{
    size_t n = strlen(text);
    return memcmp(p, text, n) == 0 ? p + n : NULL;
}

const char *json_number(struct json_decoder *d, const char *p, bool *ret_is_whole)
{
    const char *begin = p;

    p += *p == '-';
    *ret_is_whole = true;
    if (*p < '0' || *p > '9') {
        const char *end = word(p, "NaN");
        end = end != NULL ? end : word(p, "Infinity");
        *ret_is_whole = false;
        return end != NULL ? end : json_expected(d, begin, "a value");
    }
    if (*p == '0' && p[1] >= '0' && p[1] <= '9') {
        return json_fail(d, p, "a number begins with 0");
    }
    p = skip_digits(p);
    if (*p == '.') {
        *ret_is_whole = false;
        p++;
        if (*p < '0' || *p > '9') {
            return json_expected(d, p, "a digit");
        }
        p = skip_digits(p);
    }
    if (*p == 'e' || *p == 'E') {
        *ret_is_whole = false;
        p++;
        p += *p == '+' || *p == '-';
        if (*p < '0' || *p > '9') {
            return json_expected(d, p, "a digit");
        }
        p = skip_digits(p);
    }
    return p;
}

/* ---- values that nobody wants ----------------------------------------------------------------------------------------- */

static const char *skip_string(struct json_decoder *d, const char *p)
{
    uint32_t high = 0;
    const char *start = p + 1;
    const char *stop = scan_string(start, &high);
    struct slice text;

    if (LIKELY(*stop == '"' && high == 0)) {
        return stop + 1;
    }
    return json_string(d, p, &d->member, &text);
}

static const char *skip_flat(struct json_decoder *d, const char *p)
{
    const char *end = NULL;
    bool is_whole;

    switch (*p) {
    case '"':
        return skip_string(d, p);
    case 't':
        end = word(p, "true");
        break;
    case 'f':
        end = word(p, "false");
        break;
    case 'n':
        end = word(p, "null");
        break;
    default:
        return json_number(d, p, &is_whole);
    }
    return end != NULL ? end : json_expected(d, p, "a value");
}

/* `"name":` */
static const char *skip_name(struct json_decoder *d, const char *p)
{
    if (*p != '"') {
        return json_expected(d, p, "a name in quotes");
    }
    p = skip_string(d, p);
    if (p == NULL) {
        return NULL;
    }
    p = json_skip_blanks(d, p);
    return *p == ':' ? json_skip_blanks(d, p + 1) : json_expected(d, p, "':'");
}

/* The brackets that are open, a bit for each: 1 for '{'. */
struct open_brackets {
    uint64_t bits[(JSON_DEPTH_MAX + 64) / 64];
    uint32_t depth;
};

static bool in_object(const struct open_brackets *o)
{
    uint32_t i = o->depth - 1;
    return (o->bits[i / 64] >> (i % 64) & 1) != 0;
}

static const char *open_bracket(struct json_decoder *d, struct open_brackets *o, const char *p)
{
    uint64_t bit = (uint64_t)1 << (o->depth % 64);

    if (o->depth == JSON_DEPTH_MAX) {
        return json_fail(d, p, "more than %d levels of nesting", JSON_DEPTH_MAX);
    }
    o->bits[o->depth / 64] &= ~bit;
    o->bits[o->depth / 64] |= *p == '{' ? bit : 0;
    o->depth++;
    return json_skip_blanks(d, p + 1);
}

/* Behind a value inside of brackets: closes those that end here; at the next value, or with depth 0. */
static const char *behind_value(struct json_decoder *d, struct open_brackets *o, const char *p)
{
    while (o->depth > 0) {
        bool is_object = in_object(o);
        p = json_skip_blanks(d, p);
        if (*p == ',') {
            p = json_skip_blanks(d, p + 1);
            return is_object ? skip_name(d, p) : p;
        }
        if (*p != (is_object ? '}' : ']')) {
            return json_expected(d, p, is_object ? "',' or '}'" : "',' or ']'");
        }
        p++;
        o->depth--;
    }
    return p;
}

const char *json_skip(struct json_decoder *d, const char *p)
{
    struct open_brackets open;

    if (LIKELY(*p != '{' && *p != '[')) {
        return skip_flat(d, p);
    }
    open.depth = 0;
    do {
        if (*p == '{' || *p == '[') {
            bool is_object = *p == '{';
            p = open_bracket(d, &open, p);
            if (p != NULL && *p == (is_object ? '}' : ']')) {
                open.depth--;
                p++;
            } else if (p != NULL) {
                p = is_object ? skip_name(d, p) : p;
                continue;
            }
        } else {
            p = skip_flat(d, p);
        }
        if (p != NULL) {
            p = behind_value(d, &open, p);
        }
    } while (p != NULL && open.depth > 0);
    return p;
}

void json_append_compact(struct str *out, const char *p, const char *end)
{
    bool in_string = false;

    str_reserve(out, (size_t)(end - p) + 1);
    for (; p < end; p++) {
        if (!in_string && (uint8_t)*p <= ' ') {
            continue;
        }
        str_append_char(out, *p);
        if (in_string && *p == '\\') {
            str_append_char(out, *++p);
        } else if (*p == '"') {
            in_string = !in_string;
        }
    }
}
