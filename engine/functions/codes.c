/* Codes of strings and bytes: base 64, hexadecimal, character sets, URLs, addresses of the internet. */
#include "engine/functions/functions.h"

#include "common/text/utf8.h"
#include "engine/expr/type_rules.h"
#include "engine/functions/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

/* ---- base 64 ---------------------------------------------------------------------------------------- */

static const char base64[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static int run_to_base64(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        const uint8_t *p = (const uint8_t *)s.data;
        char *start = expr_begin_bytes(f, row, (s.len + 2) / 3 * 4), *to = start;
        for (size_t i = 0; i < s.len; i += 3) {
            const size_t n = MIN(s.len - i, (size_t)3);
            const uint32_t v = (uint32_t)p[i] << 16 | (n > 1 ? (uint32_t)p[i + 1] << 8 : 0) |
                               (n > 2 ? p[i + 2] : 0u);
            *to++ = base64[v >> 18];
            *to++ = base64[v >> 12 & 63];
            *to++ = n > 1 ? base64[v >> 6 & 63] : '=';
            *to++ = n > 2 ? base64[v & 63] : '=';
        }
        expr_end_bytes(f, row, (size_t)(to - start));
    }
    return 0;
}

static int base64_digit(char c)
{
    return c >= 'A' && c <= 'Z'   ? c - 'A'
           : c >= 'a' && c <= 'z' ? c - 'a' + 26
           : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '+'             ? 62
           : c == '/'             ? 63
                                  : -1;
}

/* As Java's decoder: padding may be left out, nothing else may stand there. */
static bool decode_base64(struct slice s, char *to, size_t *ret)
{
    uint32_t v = 0, n = 0;
    const char *start = to;
    size_t len = s.len;
    while (len > 0 && s.len - len < 2 && s.len % 4 == 0 && s.data[len - 1] == '=') {
        len--;
    }
    for (size_t i = 0; i < len; i++) {
        const int digit = base64_digit(s.data[i]);
        if (digit < 0) {
            return false;
        }
        v = v << 6 | (uint32_t)digit;
        if (++n == 4) {
            *to++ = (char)(v >> 16);
            *to++ = (char)(v >> 8);
            *to++ = (char)v;
            n = v = 0;
        }
    }
    if (n == 3) {
        *to++ = (char)(v >> 10);
        *to++ = (char)(v >> 2);
    } else if (n == 2) {
        *to++ = (char)(v >> 4);
    }
    *ret = (size_t)(to - start);
    return n != 1;
}

static int run_from_base64(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        size_t n;
        char *to = expr_begin_bytes(f, row, s.len + 3);
        if (!decode_base64(s, to, &n)) {
            return error_set(err, ERR_INVALID_ARGUMENT, "FROM_BASE64: '%.*s' is not of base 64",
                             (int)MIN(s.len, (size_t)100), s.data);
        }
        expr_end_bytes(f, row, n);
    }
    return 0;
}

/* An odd number of digits: the first one is dropped, with a zero byte in its place. */
static int run_unhex(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        char *to = expr_begin_bytes(f, row, s.len / 2 + 1);
        size_t n = 0;
        bool is_right = true;
        if (s.len % 2 != 0) {
            is_right = hex_digit(s.data[0]) >= 0;
            to[n++] = '\0';
        }
        for (size_t i = s.len % 2; i < s.len && is_right; i += 2) {
            const int high = hex_digit(s.data[i]), low = hex_digit(s.data[i + 1]);
            is_right = high >= 0 && low >= 0;
            to[n++] = (char)(high << 4 | low);
        }
        if (is_right) {
            expr_end_bytes(f, row, n);
        } else {
            expr_set_null(f, row);
        }
    }
    return 0;
}

/* ---- character sets --------------------------------------------------------------------------------- */

enum charset {
    CHARSET_ASCII,
    CHARSET_LATIN1,
    CHARSET_UTF8,
    CHARSET_UTF16BE,
    CHARSET_UTF16LE,
    CHARSET_UTF16
};

static const struct {
    const char *name;
    enum charset charset;
} charsets[] = {
    {"US-ASCII", CHARSET_ASCII},   {"ASCII", CHARSET_ASCII},      {"ISO-8859-1", CHARSET_LATIN1},
    {"LATIN1", CHARSET_LATIN1},    {"UTF-8", CHARSET_UTF8},       {"UTF8", CHARSET_UTF8},
    {"UTF-16BE", CHARSET_UTF16BE}, {"UTF-16LE", CHARSET_UTF16LE}, {"UTF-16", CHARSET_UTF16},
};

static int charset_at(const struct expr_frame *f, uint32_t row, enum charset *ret,
                      struct error *err)
{
    const struct slice name = expr_bytes(f, 1, row);
    for (size_t i = 0; i < ARRAY_LEN(charsets); i++) {
        if (name.len == strlen(charsets[i].name) &&
            strncasecmp(name.data, charsets[i].name, name.len) == 0) {
            *ret = charsets[i].charset;
            return 0;
        }
    }
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "Unsupported encoding: '%.*s'; there are US-ASCII, ISO-8859-1, UTF-8, "
                     "UTF-16BE, UTF-16LE, UTF-16",
                     (int)MIN(name.len, (size_t)100), name.data);
}

static void put_unit(struct str *out, uint32_t unit, bool is_little)
{
    str_append_char(out, (char)(is_little ? unit : unit >> 8));
    str_append_char(out, (char)(is_little ? unit >> 8 : unit));
}

static void encode_text(struct slice s, enum charset charset, struct str *out)
{
    const bool is_little = charset == CHARSET_UTF16LE;
    if (charset == CHARSET_UTF16 && s.len > 0) {
        put_unit(out, 0xfeff, false);
    }
    for (size_t i = 0; i < s.len;) {
        uint32_t code;
        size_t n = utf8_decode(s.data + i, s.len - i, &code);
        if (n == 0) {
            n = 1;
            code = UTF8_REPLACEMENT;
        }
        i += n;
        if (charset <= CHARSET_LATIN1) {
            str_append_char(out,
                            code < (charset == CHARSET_ASCII ? 128u : 256u) ? (char)code : '?');
        } else if (code >= 0x10000) {
            put_unit(out, 0xd800 + ((code - 0x10000) >> 10), is_little);
            put_unit(out, 0xdc00 + ((code - 0x10000) & 0x3ff), is_little);
        } else {
            put_unit(out, code, is_little);
        }
    }
}

static void put_code(struct str *out, uint32_t code)
{
    char bytes[UTF8_MAX_BYTES];
    size_t n = utf8_encode(code, bytes);
    if (n == 0) {
        n = utf8_encode(UTF8_REPLACEMENT, bytes);
    }
    str_append(out, bytes, n);
}

static void decode_utf16(struct slice s, enum charset charset, struct str *out)
{
    const uint8_t *p = (const uint8_t *)s.data;
    bool is_little = charset == CHARSET_UTF16LE;
    size_t i = 0;
    if (charset == CHARSET_UTF16 && s.len >= 2 &&
        ((p[0] == 0xfe && p[1] == 0xff) || (p[0] == 0xff && p[1] == 0xfe))) {
        is_little = p[0] == 0xff;
        i = 2;
    }
    for (; i + 1 < s.len; i += 2) {
        uint32_t unit = is_little ? p[i] | (uint32_t)p[i + 1] << 8 : p[i + 1] | (uint32_t)p[i] << 8;
        if (unit >= 0xd800 && unit < 0xdc00 && i + 3 < s.len) {
            const uint32_t low =
                is_little ? p[i + 2] | (uint32_t)p[i + 3] << 8 : p[i + 3] | (uint32_t)p[i + 2] << 8;
            if (low >= 0xdc00 && low < 0xe000) {
                unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
                i += 2;
            }
        }
        put_code(out, unit);
    }
    if (i < s.len) {
        put_code(out, UTF8_REPLACEMENT);
    }
}

static int run_encode(struct expr_frame *f, struct error *err)
{
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        enum charset charset;
        TRY(charset_at(f, row, &charset, err));
        if (charset == CHARSET_UTF8) {
            expr_put_part(f, row, 0, expr_bytes(f, 0, row));
            continue;
        }
        str_clear(&text);
        encode_text(expr_bytes(f, 0, row), charset, &text);
        expr_put_bytes(f, row, str_slice(&text));
    }
    return 0;
}

static int run_decode(struct expr_frame *f, struct error *err)
{
    STR_AUTO text = STR_INIT;
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        enum charset charset;
        TRY(charset_at(f, row, &charset, err));
        str_clear(&text);
        if (charset == CHARSET_UTF8) {
            utf8_append_clean(&text, s.data, s.len);
        } else if (charset >= CHARSET_UTF16BE) {
            decode_utf16(s, charset, &text);
        } else {
            for (size_t i = 0; i < s.len; i++) {
                const uint32_t c = (unsigned char)s.data[i];
                put_code(&text, charset == CHARSET_ASCII && c > 127 ? UTF8_REPLACEMENT : c);
            }
        }
        expr_put_bytes(f, row, str_slice(&text));
    }
    return 0;
}

/* ---- URLs ------------------------------------------------------------------------------------------- */

static bool is_plain(unsigned char c)
{
    return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '.' ||
           c == '-' || c == '*' || c == '_';
}

static int run_url_encode(struct expr_frame *f, struct error *err)
{
    static const char hex[] = "0123456789ABCDEF";
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        char *start = expr_begin_bytes(f, row, s.len * 3), *to = start;
        for (size_t i = 0; i < s.len; i++) {
            const unsigned char c = (unsigned char)s.data[i];
            if (is_plain(c) || c == ' ') {
                *to++ = (char)(c == ' ' ? '+' : c);
            } else {
                *to++ = '%';
                *to++ = hex[c >> 4];
                *to++ = hex[c & 15];
            }
        }
        expr_end_bytes(f, row, (size_t)(to - start));
    }
    return 0;
}

static int run_url_decode(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const struct slice s = expr_bytes(f, 0, row);
        char *start = expr_begin_bytes(f, row, s.len), *to = start;
        bool is_right = true;
        for (size_t i = 0; i < s.len && is_right; i++) {
            if (s.data[i] != '%') {
                *to++ = (char)(s.data[i] == '+' ? ' ' : s.data[i]);
                continue;
            }
            is_right =
                i + 2 < s.len && hex_digit(s.data[i + 1]) >= 0 && hex_digit(s.data[i + 2]) >= 0;
            if (is_right) {
                *to++ = (char)(hex_digit(s.data[i + 1]) << 4 | hex_digit(s.data[i + 2]));
                i += 2;
            }
        }
        if (is_right) {
            expr_end_bytes(f, row, (size_t)(to - start));
        } else {
            expr_set_null(f, row);
        }
    }
    return 0;
}

/* Parts of a URL; data NULL: it has none. */
struct url {
    struct slice protocol, authority, user, host, path, query, file, ref;
};

static struct slice cut_at(struct slice *s, char sign)
{
    const char *at = s->len > 0 ? memchr(s->data, sign, s->len) : NULL;
    struct slice rest = {NULL, 0};
    if (at != NULL) {
        rest = slice_make(at + 1, s->len - (size_t)(at + 1 - s->data));
        s->len = (size_t)(at - s->data);
    }
    return rest;
}

static bool split_url(struct slice s, struct url *ret)
{
    static const char *const protocols[] = {"http", "https", "ftp", "file", "jar", "mailto"};
    struct slice rest = slice_trim(s), text;
    bool is_known = false;
    *ret = (struct url){0};
    text = rest;
    rest = cut_at(&text, ':');
    for (size_t i = 0; i < ARRAY_LEN(protocols) && rest.data != NULL; i++) {
        is_known |=
            text.len == strlen(protocols[i]) && strncasecmp(text.data, protocols[i], text.len) == 0;
    }
    if (!is_known) {
        return false;
    }
    ret->protocol = text;
    ret->ref = cut_at(&rest, '#');
    ret->host = slice_make(rest.data, 0);
    if (slice_starts_with(rest, "//")) {
        rest = slice_make(rest.data + 2, rest.len - 2);
        size_t n = 0;
        while (n < rest.len && rest.data[n] != '/' && rest.data[n] != '?') {
            n++;
        }
        ret->authority = ret->host = slice_make(rest.data, n);
        rest = slice_make(rest.data + n, rest.len - n);
        const struct slice behind = cut_at(&ret->host, '@');
        if (behind.data != NULL) {
            ret->user = ret->host;
            ret->host = behind;
        }
        if (ret->host.len == 0 || ret->host.data[0] != '[') {
            const struct slice port = cut_at(&ret->host, ':');
            for (size_t i = 0; i < port.len; i++) {
                if (port.data[i] < '0' || port.data[i] > '9') {
                    return false;
                }
            }
        }
    }
    ret->file = ret->path = rest;
    ret->query = cut_at(&ret->path, '?');
    return true;
}

static bool url_part(const struct url *u, struct slice name, struct slice *ret)
{
    const struct {
        const char *name;
        struct slice part;
    } parts[] = {
        {"HOST", u->host},           {"PATH", u->path},
        {"QUERY", u->query},         {"REF", u->ref},
        {"PROTOCOL", u->protocol},   {"FILE", u->file},
        {"AUTHORITY", u->authority}, {"USERINFO", u->user},
    };
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        if (slice_eq_cstr(name, parts[i].name)) {
            *ret = parts[i].part;
            return parts[i].part.data != NULL;
        }
    }
    return false;
}

static bool query_value(struct slice query, struct slice key, struct slice *ret)
{
    struct slice pair;
    while (slice_next(&query, '&', &pair)) {
        if (pair.len > key.len && memcmp(pair.data, key.data, key.len) == 0 &&
            pair.data[key.len] == '=') {
            *ret = slice_make(pair.data + key.len + 1, pair.len - key.len - 1);
            return true;
        }
    }
    return false;
}

static int run_parse_url(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        struct url u;
        struct slice part;
        bool is_there =
            split_url(expr_bytes(f, 0, row), &u) && url_part(&u, expr_bytes(f, 1, row), &part);
        if (is_there && f->n_args > 2) {
            is_there = slice_eq_cstr(expr_bytes(f, 1, row), "QUERY") &&
                       query_value(part, expr_bytes(f, 2, row), &part);
        }
        if (is_there) {
            expr_put_part(f, row, 0, part);
        } else {
            expr_set_null(f, row);
        }
    }
    return 0;
}

/* ---- addresses -------------------------------------------------------------------------------------- */

/* a.b.c.d; a.b is a.0.0.b, a.b.c is a.b.0.c. */
static bool address_of(struct slice s, int64_t *ret)
{
    struct slice rest = s, part;
    int64_t v[4] = {0};
    uint32_t n = 0;
    while (slice_next(&rest, '.', &part)) {
        if (n == 4 || part.len == 0 || part.len > 3) {
            return false;
        }
        for (size_t i = 0; i < part.len; i++) {
            if (part.data[i] < '0' || part.data[i] > '9') {
                return false;
            }
            v[n] = v[n] * 10 + part.data[i] - '0';
        }
        if (v[n++] > 255) {
            return false;
        }
    }
    if (n < 2) {
        return false;
    }
    const int64_t last = v[n - 1];
    v[n - 1] = 0;
    *ret = v[0] << 24 | v[1] << 16 | v[2] << 8 | last;
    return true;
}

static int run_inet_aton(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        int64_t v;
        if (address_of(expr_bytes(f, 0, row), &v)) {
            expr_put_int(f, row, v);
        } else {
            expr_set_null(f, row);
        }
    }
    return 0;
}

static int run_inet_ntoa(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        const int64_t v = expr_int(f, 0, row);
        char text[64];
        if (v < 0 || v > UINT32_MAX) {
            expr_set_null(f, row);
            continue;
        }
        const int n = snprintf(text, sizeof(text), "%d.%d.%d.%d", (int)(v >> 24),
                               (int)(v >> 16 & 255), (int)(v >> 8 & 255), (int)(v & 255));
        expr_put_bytes(f, row, slice_make(text, (size_t)n));
    }
    return 0;
}

/* ---- rows ------------------------------------------------------------------------------------------- */

#define CODE_ROW(function, args, type, more_flags, run, words, sample)                 \
    {                                                                                  \
        .name = (function), .signatures = args, .result = type, .flags = (more_flags), \
        .kernel = (run), .category = "string", .text = (words), .example = (sample)    \
    }

static const struct expr_function rows[] = {
    CODE_ROW("TO_BASE64", "BYTES-LIKE", "STRING", 0, run_to_base64,
             "The bytes by the letters of base 64.", "TO_BASE64('hello') -- aGVsbG8="),
    CODE_ROW("FROM_BASE64", "STRING", "STRING", EXPR_FN_CAN_FAIL, run_from_base64,
             "What TO_BASE64 was made of; other strings are an error.",
             "FROM_BASE64('aGVsbG8=') -- hello"),
    CODE_ROW("UNHEX", "STRING", "VARBINARY(2147483647)", EXPR_FN_NULLABLE, run_unhex,
             "The bytes of hexadecimal digits; NULL for other characters.",
             "DECODE(UNHEX('466C696E6B'), 'UTF-8') -- Flink"),
    CODE_ROW("ENCODE", "STRING, STRING", "VARBINARY(2147483647)", EXPR_FN_CAN_FAIL, run_encode,
             "The bytes of a string in a character set.",
             "ENCODE('a', 'UTF-16BE') = X'0061' -- TRUE"),
    CODE_ROW("DECODE", "BINARY, STRING", "STRING", EXPR_FN_CAN_FAIL, run_decode,
             "The string of bytes in a character set.", "DECODE(X'0061', 'UTF-16BE') -- a"),
    CODE_ROW("URL_ENCODE", "STRING", "STRING", 0, run_url_encode,
             "The string as a part of a URL's query.", "URL_ENCODE('a b&c') -- a+b%26c"),
    CODE_ROW("URL_DECODE", "STRING", "STRING", EXPR_FN_NULLABLE, run_url_decode,
             "What URL_ENCODE was made of; NULL when it is wrong.",
             "URL_DECODE('a+b%26c') -- a b&c"),
    CODE_ROW("PARSE_URL", "STRING, STRING, STRING?", "STRING", EXPR_FN_NULLABLE, run_parse_url,
             "A part of a URL: HOST, PATH, QUERY (or the value of a key of it), REF, PROTOCOL, "
             "AUTHORITY, FILE, USERINFO.",
             "PARSE_URL('http://flinc.org/a?k=v#x', 'HOST') -- flinc.org\n"
             "PARSE_URL('http://flinc.org/a?k=v#x', 'QUERY', 'k') -- v"),
    CODE_ROW("INET_ATON", "STRING", "BIGINT", EXPR_FN_NULLABLE, run_inet_aton,
             "The number of an IPv4 address.", "INET_ATON('127.0.0.1') -- 2130706433"),
    CODE_ROW("INET_NTOA", "INTEGER", "STRING", EXPR_FN_NULLABLE, run_inet_ntoa,
             "The IPv4 address of a number.", "INET_NTOA(2130706433) -- 127.0.0.1"),
};

const struct expr_functions functions_codes = FUNCTIONS_TABLE(rows);
