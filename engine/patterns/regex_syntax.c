/* Java's and SQL's patterns rewritten for PCRE2.
 *
 * Where the three agree the text is passed on.  Character classes are taken apart, because Java's may hold classes and be
 * intersected: [a[bc]] becomes (?:[a]|[bc]), [a-z&&[^x]] becomes (?:(?=[a-z])[^x]). */
#include "engine/patterns/regex_syntax.h"

#include "common/text/utf8.h"

#include <stdlib.h>

struct rewriter {
    const char *p, *end;
    struct str *out; /* Borrows */
    struct error *err;
};

static int refuse(struct rewriter *r, const char *why)
{
    return error_set(r->err, ERR_PARSE, "no regular expression: %s", why);
}

static bool at(const struct rewriter *r, const char *text)
{
    const size_t n = strlen(text);
    return (size_t)(r->end - r->p) >= n && memcmp(r->p, text, n) == 0;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static bool is_letter(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* ---- escapes ---------------------------------------------------------------------------------------- */

/* \p{Alpha} and its like: POSIX classes by Java's names. */
static const struct {
    const char *java, *posix;
} posix_rows[] = {
    {"Lower", "lower"}, {"Upper", "upper"}, {"ASCII", "ascii"}, {"Alpha", "alpha"},
    {"Digit", "digit"}, {"Alnum", "alnum"}, {"Punct", "punct"}, {"Graph", "graph"},
    {"Print", "print"}, {"Blank", "blank"}, {"Cntrl", "cntrl"}, {"XDigit", "xdigit"},
    {"Space", "space"},
};
static const struct {
    const char *java, *ours;
} property_rows[] = {
    {"IsAlphabetic", "L"},     {"IsLetter", "L"},
    {"IsDigit", "Nd"},         {"IsUppercase", "Lu"},
    {"IsLowercase", "Ll"},     {"IsPunctuation", "P"},
    {"IsWhite_Space", "Xsp"},  {"IsControl", "Cc"},
    {"javaLowerCase", "Ll"},   {"javaUpperCase", "Lu"},
    {"javaLetter", "L"},       {"javaDigit", "Nd"},
    {"javaWhitespace", "Xsp"}, {"javaLetterOrDigit", "Xan"},
};

static void put_posix(struct rewriter *r, const char *name, bool is_negated, bool in_class)
{
    str_printf(r->out, in_class ? "[:%s%s:]" : "[[:%s%s:]]", is_negated ? "^" : "", name);
}

static int rewrite_property(struct rewriter *r, bool in_class)
{
    bool is_negated = r->p[-1] == 'P';
    struct slice name;
    if (r->p < r->end && *r->p == '{') {
        const char *close = memchr(r->p, '}', (size_t)(r->end - r->p));
        if (close == NULL) {
            return refuse(r, "a property without }");
        }
        name = slice_make(r->p + 1, (size_t)(close - r->p) - 1);
        r->p = close + 1;
    } else if (r->p < r->end) {
        name = slice_make(r->p++, 1);
    } else {
        return refuse(r, "a property without a name");
    }
    for (size_t i = 0; i < ARRAY_LEN(posix_rows); i++) {
        if (slice_eq_cstr(name, posix_rows[i].java)) {
            put_posix(r, posix_rows[i].posix, is_negated, in_class);
            return 0;
        }
    }
    const char sign = is_negated ? 'P' : 'p';
    for (size_t i = 0; i < ARRAY_LEN(property_rows); i++) {
        if (slice_eq_cstr(name, property_rows[i].java)) {
            str_printf(r->out, "\\%c{%s}", sign, property_rows[i].ours);
            return 0;
        }
    }
    if (slice_starts_with(name, "Is")) {
        name = slice_make(name.data + 2, name.len - 2);
    }
    str_printf(r->out, "\\%c{%.*s}", sign, (int)MIN(name.len, (size_t)64), name.data);
    return 0;
}

static bool take_hex(struct rewriter *r, int digits, uint32_t *ret)
{
    uint32_t v = 0;
    if (r->end - r->p < digits) {
        return false;
    }
    for (int i = 0; i < digits; i++) {
        const char c = r->p[i];
        const int d = is_digit(c) ? c - '0' : is_letter(c) ? (c | 32) - 'a' + 10 : 99;
        if (d > 15) {
            return false;
        }
        v = v << 4 | (uint32_t)d;
    }
    r->p += digits;
    *ret = v;
    return true;
}

/* \uhhhh, two of them for what is beyond the first 65,536. */
static int rewrite_unicode(struct rewriter *r)
{
    uint32_t code, low;
    if (!take_hex(r, 4, &code)) {
        return refuse(r, "\\u without four hexadecimal digits");
    }
    if (code >= 0xd800 && code < 0xdc00 && at(r, "\\u")) {
        r->p += 2;
        if (!take_hex(r, 4, &low) || low < 0xdc00 || low > 0xdfff) {
            return refuse(r, "half of a character by \\u");
        }
        code = 0x10000 + ((code - 0xd800) << 10) + (low - 0xdc00);
    }
    str_printf(r->out, "\\x{%x}", code);
    return 0;
}

static int rewrite_octal(struct rewriter *r)
{
    uint32_t v = 0;
    int n = 0;
    while (n < 3 && r->p < r->end && *r->p >= '0' && *r->p <= '7' &&
           v * 8 + (uint32_t)(*r->p - '0') <= 0377) {
        v = v * 8 + (uint32_t)(*r->p++ - '0');
        n++;
    }
    if (n == 0) {
        return refuse(r, "\\0 without octal digits");
    }
    str_printf(r->out, "\\x{%x}", v);
    return 0;
}

/* \Q...\E: each character by itself. */
static void rewrite_quoted(struct rewriter *r)
{
    while (r->p < r->end && !at(r, "\\E")) {
        if ((unsigned char)*r->p < 0x80 && !is_letter(*r->p) && !is_digit(*r->p)) {
            str_append_char(r->out, '\\');
        }
        str_append_char(r->out, *r->p++);
    }
    r->p += r->p < r->end ? 2 : 0;
}

/* Behind a backslash. */
static int rewrite_escape(struct rewriter *r, bool in_class)
{
    if (r->p == r->end) {
        return refuse(r, "a backslash at the end");
    }
    const char c = *r->p++;
    switch (c) {
    case 'p':
    case 'P':
        return rewrite_property(r, in_class);
    case 'u':
        return rewrite_unicode(r);
    case '0':
        return rewrite_octal(r);
    case 'Q':
        rewrite_quoted(r);
        return 0;
    case 'k':
        if (r->p == r->end || *r->p != '<') {
            return refuse(r, "\\k without <name>");
        }
        break;
    default:
        if (is_letter(c) &&
            strchr(in_class ? "tnrfaexcdDhHsSvVwW" : "tnrfaexcdDhHsSvVwWbBAGZzRX", c) == NULL) {
            return refuse(r, "an escape that Java does not have");
        }
        if (in_class && is_digit(c)) {
            return refuse(r, "a group in a class");
        }
        break;
    }
    str_append_char(r->out, '\\');
    str_append_char(r->out, c);
    if (c == 'c' && r->p < r->end) {
        str_append_char(r->out, *r->p++);
    }
    return 0;
}

/* ---- classes ---------------------------------------------------------------------------------------- */

static int rewrite_class(struct rewriter *r, int depth);

/* One operand of &&: items of its own and classes in it, as alternatives. */
static int rewrite_operand(struct rewriter *r, int depth, struct str *ret)
{
    struct str *outer = r->out;
    STR_AUTO items = STR_INIT;
    STR_AUTO nested = STR_INIT;
    int rc = 0;
    bool is_first = true;
    while (rc == 0 && r->p < r->end && *r->p != ']' && !at(r, "&&")) {
        const char c = *r->p++;
        if (c == '[') {
            str_append_cstr(&nested, nested.len > 0 ? "|" : "");
            r->out = &nested;
            rc = rewrite_class(r, depth + 1);
        } else if (c == '\\') {
            r->out = &items;
            rc = rewrite_escape(r, true);
        } else if (c == '^' && is_first) {
            str_append_cstr(&items, "\\^");
        } else {
            str_append_char(&items, c);
        }
        is_first = false;
    }
    r->out = outer;
    if (rc < 0) {
        return rc;
    }
    if (items.len > 0 && nested.len > 0) {
        str_printf(ret, "(?:[%s]|%s)", str_cstr(&items), str_cstr(&nested));
    } else if (items.len > 0) {
        str_append_char(ret, '[');
        str_append_slice(ret, str_slice(&items));
        str_append_char(ret, ']');
    } else if (nested.len > 0) {
        str_printf(ret, "(?:%s)", str_cstr(&nested));
    }
    return 0;
}

/* Behind a [: a pattern of one character of the class. */
static int rewrite_class(struct rewriter *r, int depth)
{
    STR_AUTO all = STR_INIT;
    STR_AUTO last = STR_INIT;
    if (depth > REGEX_CLASS_DEPTH_MAX) {
        return refuse(r, "classes in classes too deep");
    }
    const bool is_negated = r->p < r->end && *r->p == '^';
    uint32_t n = 0;
    r->p += is_negated;
    if (r->p < r->end && *r->p == ']') {
        return refuse(r, "an empty class");
    }
    while (r->p < r->end && *r->p != ']') {
        if (n > 0 && last.len > 0) {
            str_printf(&all, "(?=%s)", str_cstr(&last));
        }
        str_clear(&last);
        TRY(rewrite_operand(r, depth, &last));
        n++;
        while (at(r, "&&")) {
            r->p += 2;
        }
    }
    if (r->p == r->end) {
        return refuse(r, "a class without ]");
    }
    r->p++;
    if (last.len == 0) {
        return refuse(r, "an empty class");
    }
    const bool is_plain = n == 1 && last.data[0] == '[';
    if (is_negated && is_plain) {
        str_printf(r->out, "[^%s", str_cstr(&last) + 1);
    } else if (is_negated) {
        str_printf(r->out, "(?!%s%s)(?s:.)", str_cstr(&all), str_cstr(&last));
    } else if (all.len > 0) {
        str_printf(r->out, "(?:%s%s)", str_cstr(&all), str_cstr(&last));
    } else {
        str_append_slice(r->out, str_slice(&last));
    }
    return 0;
}

/* ---- groups ----------------------------------------------------------------------------------------- */

/* (?ims-x) and (?i:...): u, d and U, which PCRE2 has no names for, are left out. */
static int rewrite_flags(struct rewriter *r)
{
    bool is_off = false;
    str_append_cstr(r->out, "(?");
    for (; r->p < r->end && *r->p != ')' && *r->p != ':'; r->p++) {
        if (*r->p == '-' ? is_off : strchr("imsxudU", *r->p) == NULL) {
            return refuse(r, "an unknown flag behind (?");
        }
        is_off |= *r->p == '-';
        if (strchr("udU", *r->p) == NULL) {
            str_append_char(r->out, *r->p);
        }
    }
    if (r->p == r->end) {
        return refuse(r, "(? without )");
    }
    str_append_char(r->out, *r->p++);
    return 0;
}

/* Behind a (. */
static int rewrite_group(struct rewriter *r)
{
    static const char *const kinds[] = {"?:", "?=", "?!", "?>", "?<=", "?<!"};
    if (at(r, "*")) {
        return refuse(r, "* behind (");
    }
    if (!at(r, "?")) {
        str_append_char(r->out, '(');
        return 0;
    }
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        if (at(r, kinds[i])) {
            str_printf(r->out, "(%s", kinds[i]);
            r->p += strlen(kinds[i]);
            return 0;
        }
    }
    if (at(r, "?<")) {
        r->p += 2;
        str_append_cstr(r->out, "(?<");
        return r->p < r->end && is_letter(*r->p) ? 0 : refuse(r, "a group without a name");
    }
    r->p++;
    return rewrite_flags(r);
}

int regex_from_java(struct slice pattern, struct str *out, struct error *err)
{
    struct rewriter r = {pattern.data, pattern.data + pattern.len, out, err};
    while (r.p < r.end) {
        const char c = *r.p++;
        int rc = 0;
        switch (c) {
        case '\\':
            rc = rewrite_escape(&r, false);
            break;
        case '[':
            rc = rewrite_class(&r, 0);
            break;
        case '(':
            rc = rewrite_group(&r);
            break;
        case '{': /* a quantifier, or wrong: PCRE2 would take it for itself */
            if (r.p == r.end || !is_digit(*r.p)) {
                rc = refuse(&r, "{ without a number");
            }
            str_append_char(out, c);
            break;
        default:
            str_append_char(out, c);
            break;
        }
        if (rc < 0) {
            return rc;
        }
    }
    return 0;
}

/* ---- SIMILAR TO ------------------------------------------------------------------------------------- */

/* [:ALPHA:] in upper or lower case; [:SPACE:] is one blank. */
static bool similar_named_class(struct rewriter *r)
{
    static const struct {
        const char *name, *ours;
    } names[] = {
        {"[:ALPHA:]", "[:alpha:]"},
        {"[:alpha:]", "[:alpha:]"},
        {"[:UPPER:]", "[:upper:]"},
        {"[:upper:]", "[:upper:]"},
        {"[:LOWER:]", "[:lower:]"},
        {"[:lower:]", "[:lower:]"},
        {"[:DIGIT:]", "[:digit:]"},
        {"[:digit:]", "[:digit:]"},
        {"[:SPACE:]", " "},
        {"[:space:]", " "},
        {"[:ALNUM:]", "[:alnum:]"},
        {"[:alnum:]", "[:alnum:]"},
        {"[:WHITESPACE:]", "[:space:]"},
        {"[:whitespace:]", "[:space:]"},
    };
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        if (at(r, names[i].name)) {
            r->p += strlen(names[i].name);
            str_append_cstr(r->out, names[i].ours);
            return true;
        }
    }
    return false;
}

static void put_quoted(struct rewriter *r, size_t n)
{
    if (n == 1 && !is_letter(*r->p) && !is_digit(*r->p) && (unsigned char)*r->p < 0x80) {
        str_append_char(r->out, '\\');
    }
    str_append(r->out, r->p, n);
    r->p += n;
}

static bool take_escape(struct rewriter *r, struct slice escape)
{
    if (escape.len == 0 || (size_t)(r->end - r->p) < escape.len ||
        memcmp(r->p, escape.data, escape.len) != 0) {
        return false;
    }
    r->p += escape.len;
    return true;
}

/* Behind the escape: a sign that has a meaning, or the escape itself. */
static int similar_escaped(struct rewriter *r, struct slice escape)
{
    if (r->p < r->end && strchr("_%^-+*?{}()[]|", *r->p) != NULL) {
        put_quoted(r, 1);
        return 0;
    }
    if ((size_t)(r->end - r->p) >= escape.len && memcmp(r->p, escape.data, escape.len) == 0) {
        put_quoted(r, escape.len);
        return 0;
    }
    return refuse(r, "Invalid escape sequence in SIMILAR TO");
}

static int similar_class(struct rewriter *r, struct slice escape)
{
    str_append_char(r->out, '[');
    if (r->p < r->end && *r->p == '^') {
        str_append_char(r->out, *r->p++);
    }
    while (r->p < r->end && *r->p != ']') {
        if (similar_named_class(r)) {
            continue;
        }
        if (take_escape(r, escape)) {
            TRY(similar_escaped(r, escape));
        } else if (*r->p == '-') {
            str_append_char(r->out, *r->p++);
        } else {
            put_quoted(r, 1);
        }
    }
    if (r->p == r->end) {
        return refuse(r, "[ without ]");
    }
    str_append_char(r->out, *r->p++);
    return 0;
}

int regex_from_similar(struct slice pattern, struct slice escape, struct str *out,
                       struct error *err)
{
    struct rewriter r = {pattern.data, pattern.data + pattern.len, out, err};
    uint32_t code;
    if (escape.len > 0 && utf8_decode(escape.data, escape.len, &code) != escape.len) {
        return refuse(&r, "Invalid escape character: it is one character");
    }
    str_append_cstr(out, "(?:"); /* alternatives are inside of what is anchored */
    while (r.p < r.end) {
        if (take_escape(&r, escape)) {
            TRY(similar_escaped(&r, escape));
            continue;
        }
        switch (*r.p) {
        case '_':
            str_append_char(out, '.');
            r.p++;
            break;
        case '%':
            str_append_cstr(out, "(?s:.*)");
            r.p++;
            break;
        case '[':
            r.p++;
            TRY(similar_class(&r, escape));
            break;
        case ']':
            return refuse(&r, "] without [");
        case '(':
            if (r.p + 1 < r.end && (r.p[1] == '?' || r.p[1] == '*')) {
                return refuse(&r, "a quantifier behind (");
            }
            str_append_char(out, *r.p++);
            break;
        case '|':
        case '*':
        case '+':
        case '?':
        case '{':
        case '}':
        case ')':
            str_append_char(out, *r.p++);
            break;
        default:
            put_quoted(&r, 1);
            break;
        }
    }
    str_append_char(out, ')');
    return 0;
}
