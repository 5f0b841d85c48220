/* Literals: numbers, strings of all kinds, dates, times and intervals.  Thread: any. */
#include "common/text/utf8.h"
#include "sql/parser/inside.h"

static const struct unit {
    const char *name;
    enum sql_keyword keyword, plural;
} units[] = {
    [SQL_UNIT_NONE] = {"", SQL_KEYWORD_NONE, SQL_KEYWORD_NONE},
    [SQL_UNIT_YEAR] = {"YEAR", SQL_KW_YEAR, SQL_KW_YEARS},
    [SQL_UNIT_MONTH] = {"MONTH", SQL_KW_MONTH, SQL_KW_MONTHS},
    [SQL_UNIT_DAY] = {"DAY", SQL_KW_DAY, SQL_KW_DAYS},
    [SQL_UNIT_HOUR] = {"HOUR", SQL_KW_HOUR, SQL_KW_HOURS},
    [SQL_UNIT_MINUTE] = {"MINUTE", SQL_KW_MINUTE, SQL_KW_MINUTES},
    [SQL_UNIT_SECOND] = {"SECOND", SQL_KW_SECOND, SQL_KW_SECONDS},
    [SQL_UNIT_QUARTER] = {"QUARTER", SQL_KW_QUARTER, SQL_KW_QUARTERS},
    [SQL_UNIT_WEEK] = {"WEEK", SQL_KW_WEEK, SQL_KW_WEEKS},
    [SQL_UNIT_MILLENNIUM] = {"MILLENNIUM", SQL_KW_MILLENNIUM, SQL_KEYWORD_NONE},
    [SQL_UNIT_CENTURY] = {"CENTURY", SQL_KW_CENTURY, SQL_KEYWORD_NONE},
    [SQL_UNIT_DECADE] = {"DECADE", SQL_KW_DECADE, SQL_KEYWORD_NONE},
    [SQL_UNIT_MILLISECOND] = {"MILLISECOND", SQL_KW_MILLISECOND, SQL_KEYWORD_NONE},
    [SQL_UNIT_MICROSECOND] = {"MICROSECOND", SQL_KW_MICROSECOND, SQL_KEYWORD_NONE},
    [SQL_UNIT_NANOSECOND] = {"NANOSECOND", SQL_KW_NANOSECOND, SQL_KEYWORD_NONE},
    [SQL_UNIT_EPOCH] = {"EPOCH", SQL_KW_EPOCH, SQL_KEYWORD_NONE},
    [SQL_UNIT_DOW] = {"DOW", SQL_KW_DOW, SQL_KW_DAYOFWEEK},
    [SQL_UNIT_DOY] = {"DOY", SQL_KW_DOY, SQL_KW_DAYOFYEAR},
    [SQL_UNIT_ISODOW] = {"ISODOW", SQL_KW_ISODOW, SQL_KEYWORD_NONE},
    [SQL_UNIT_ISOYEAR] = {"ISOYEAR", SQL_KW_ISOYEAR, SQL_KEYWORD_NONE},
};
_Static_assert(ARRAY_LEN(units) == SQL_UNIT_COUNT, "a row for each unit");

const char *sql_unit_name(enum sql_unit unit)
{
    return units[unit].name;
}

enum sql_unit sql_unit_of(enum sql_keyword keyword)
{
    if (keyword != SQL_KEYWORD_NONE) {
        for (int u = SQL_UNIT_NONE + 1; u < SQL_UNIT_COUNT; u++) {
            if (units[u].keyword == keyword || units[u].plural == keyword) {
                return (enum sql_unit)u;
            }
        }
    }
    return SQL_UNIT_NONE;
}

/* ---- intervals ---------------------------------------------------------------------------------- */

bool sql_at_interval_unit(struct sql_parser *p)
{
    enum sql_unit unit = sql_unit_of(p->tokens[0].keyword);
    return unit != SQL_UNIT_NONE && unit <= SQL_UNIT_WEEK;
}

static int parse_interval_unit(struct sql_parser *p, enum sql_unit *ret)
{
    if (!sql_at_interval_unit(p)) {
        static const enum sql_keyword shown[] = {SQL_KW_YEAR, SQL_KW_MONTH,  SQL_KW_DAY,
                                                 SQL_KW_HOUR, SQL_KW_MINUTE, SQL_KW_SECOND};
        for (size_t i = 0; i < ARRAY_LEN(shown); i++) {
            sql_at_kw(p, shown[i]);
        }
        return sql_fail(p);
    }
    *ret = sql_unit_of(p->tokens[0].keyword);
    return sql_next(p);
}

int sql_parse_interval_range(struct sql_parser *p, struct sql_interval_range *ret)
{
    struct sql_interval_range r = {.leading_digits = -1, .second_digits = -1};
    TRY(parse_interval_unit(p, &r.from));
    int rc = sql_accept(p, SQL_TOKEN_LEFT_PAREN);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_parse_uint(p, &r.leading_digits));
        rc = r.from == SQL_UNIT_SECOND ? sql_accept(p, SQL_TOKEN_COMMA) : 0;
        TRY(rc);
        if (rc > 0) {
            TRY(sql_parse_uint(p, &r.second_digits));
        }
        TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    }
    rc = sql_accept_kw(p, SQL_KW_TO);
    TRY(rc);
    if (rc > 0) {
        struct sql_span span = p->tokens[0].span;
        TRY(parse_interval_unit(p, &r.to));
        bool is_day_time = r.from >= SQL_UNIT_DAY && r.from < SQL_UNIT_SECOND && r.to > r.from &&
                           r.to <= SQL_UNIT_SECOND;
        if (!is_day_time && !(r.from == SQL_UNIT_YEAR && r.to == SQL_UNIT_MONTH)) {
            return sql_fail_at(p, span, "An interval of %s TO %s does not exist",
                               sql_unit_name(r.from), sql_unit_name(r.to));
        }
        rc = r.to == SQL_UNIT_SECOND ? sql_accept(p, SQL_TOKEN_LEFT_PAREN) : 0;
        TRY(rc);
        if (rc > 0) {
            TRY(sql_parse_uint(p, &r.second_digits));
            TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
        }
    }
    *ret = r;
    return 0;
}

/* ---- literals ----------------------------------------------------------------------------------- */

static struct sql_expr *literal_new(struct sql_parser *p, enum sql_literal_kind kind,
                                    uint32_t start)
{
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_LITERAL, start);
    e->literal.kind = kind;
    e->literal.interval.leading_digits = e->literal.interval.second_digits = -1;
    return e;
}

static int literal_end(struct sql_parser *p, struct sql_expr *e, struct sql_expr **ret)
{
    TRY(sql_next(p));
    e->span = sql_span_from(p, e->span.start);
    *ret = e;
    return 0;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static int parse_binary(struct sql_parser *p, struct sql_expr **ret)
{
    struct slice digits = sql_unquote(p, p->tokens[0]);
    struct sql_expr *e = literal_new(p, SQL_LITERAL_BINARY, sql_start(p));
    char *bytes = arena_alloc(p->arena, digits.len / 2 + 1);
    for (size_t i = 0; i < digits.len; i++) {
        int digit = hex_digit(digits.data[i]);
        if (digit < 0) {
            return sql_fail_because(p,
                                    "A binary string has other characters than hexadecimal digits");
        }
        bytes[i / 2] = (char)(i % 2 == 0 ? digit << 4 : (bytes[i / 2] | digit));
    }
    if (digits.len % 2 != 0) {
        return sql_fail_because(p, "A binary string needs an even number of digits, it has %zu",
                                digits.len);
    }
    e->literal.text = slice_make(bytes, digits.len / 2);
    return literal_end(p, e, ret);
}

/* \xxxx, \+xxxxxx and the doubled escape character. */
static int decode_unicode(struct sql_parser *p, struct sql_span span, struct slice text,
                          char escape, struct slice *ret)
{
    char *out = arena_alloc(p->arena, text.len + UTF8_MAX_BYTES);
    size_t n = 0;
    for (size_t i = 0; i < text.len;) {
        if (text.data[i] != escape) {
            out[n++] = text.data[i++];
            continue;
        }
        if (i + 1 < text.len && text.data[i + 1] == escape) {
            out[n++] = escape;
            i += 2;
            continue;
        }
        bool is_long = i + 1 < text.len && text.data[i + 1] == '+';
        size_t at = i + 1 + is_long, digits = is_long ? 6 : 4;
        uint32_t point = 0;
        bool is_valid = at + digits <= text.len;
        for (size_t k = 0; is_valid && k < digits; k++) {
            int digit = hex_digit(text.data[at + k]);
            is_valid = digit >= 0;
            point = point * 16 + (uint32_t)MAX(digit, 0);
        }
        char bytes[UTF8_MAX_BYTES];
        size_t len = is_valid ? utf8_encode(point, bytes) : 0;
        if (len == 0) {
            return sql_fail_at(p, span, "A Unicode string has an escape that is no character");
        }
        memcpy(out + n, bytes, len);
        n += len;
        i = at + digits;
    }
    *ret = slice_make(out, n);
    return 0;
}

static int parse_unicode(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *e = literal_new(p, SQL_LITERAL_STRING, sql_start(p));
    struct sql_span span = p->tokens[0].span;
    struct slice raw = sql_unquote(p, p->tokens[0]), escape = SLICE_LIT("\\");
    TRY(sql_next(p));
    int rc = sql_accept_kw(p, SQL_KW_UESCAPE);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_parse_string(p, &escape));
        if (escape.len != 1 || hex_digit(escape.data[0]) >= 0 ||
            strchr("+' \"\t\n", escape.data[0]) != NULL) {
            return sql_fail_at(
                p, span,
                "UESCAPE takes one character that is no hexadecimal digit, plus, quote or blank");
        }
    }
    TRY(decode_unicode(p, span, raw, escape.data[0], &e->literal.text));
    e->span = sql_span_from(p, e->span.start);
    *ret = e;
    return 0;
}

/* Does the text between the last token and the current one hold a line end? */
static bool is_on_new_line(const struct sql_parser *p)
{
    const char *from = p->lexer.text.data + p->last_end;
    return memchr(from, '\n', p->tokens[0].span.start - p->last_end) != NULL;
}

int sql_parse_string_literal(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *e = literal_new(p, SQL_LITERAL_STRING, sql_start(p));
    e->literal.text = sql_unquote(p, p->tokens[0]);
    TRY(sql_next(p));
    /* 'a' and 'b' on the next line are 'ab'. */
    if (p->tokens[0].kind == SQL_TOKEN_STRING && is_on_new_line(p)) {
        STR_AUTO all = STR_INIT;
        str_append_slice(&all, e->literal.text);
        while (p->tokens[0].kind == SQL_TOKEN_STRING && is_on_new_line(p)) {
            str_append_slice(&all, sql_unquote(p, p->tokens[0]));
            TRY(sql_next(p));
        }
        e->literal.text = slice_make(arena_strndup(p->arena, str_cstr(&all), all.len), all.len);
    }
    e->span = sql_span_from(p, e->span.start);
    *ret = e;
    return 0;
}

static int parse_number(struct sql_parser *p, enum sql_literal_kind kind, struct sql_expr **ret)
{
    struct sql_span span = p->tokens[0].span;
    struct sql_expr *e = literal_new(p, kind, span.start);
    e->literal.text = slice_make(p->lexer.text.data + span.start, span.end - span.start);
    return literal_end(p, e, ret);
}

static int parse_word(struct sql_parser *p, enum sql_literal_kind kind, struct sql_expr **ret)
{
    return literal_end(p, literal_new(p, kind, sql_start(p)), ret);
}

/* DATE '...', TIME '...', TIMESTAMP '...' */
static int parse_temporal(struct sql_parser *p, enum sql_literal_kind kind, struct sql_expr **ret)
{
    struct sql_expr *e = literal_new(p, kind, sql_start(p));
    TRY(sql_next(p));
    TRY(sql_parse_string(p, &e->literal.text));
    e->span = sql_span_from(p, e->span.start);
    *ret = e;
    return 0;
}

static int parse_timestamp_ltz(struct sql_parser *p, struct sql_expr **ret)
{
    struct sql_expr *e = literal_new(p, SQL_LITERAL_TIMESTAMP_LTZ, sql_start(p));
    TRY(sql_expect_kws(p, SQL_KW_TIMESTAMP, SQL_KW_WITH, SQL_KW_LOCAL));
    TRY(sql_expect_kws(p, SQL_KW_TIME, SQL_KW_ZONE, SQL_KEYWORD_NONE));
    TRY(sql_parse_string(p, &e->literal.text));
    e->span = sql_span_from(p, e->span.start);
    *ret = e;
    return 0;
}

/* INTERVAL ['+' | '-'] 'text' range, and INTERVAL operand unit. */
static int parse_interval(struct sql_parser *p, struct sql_expr **ret)
{
    uint32_t start = sql_start(p);
    TRY(sql_next(p));
    bool is_signed = p->tokens[0].kind == SQL_TOKEN_MINUS || p->tokens[0].kind == SQL_TOKEN_PLUS;
    bool is_minus = p->tokens[0].kind == SQL_TOKEN_MINUS;
    if (is_signed ? sql_ahead_is(p, 1, SQL_TOKEN_STRING) : p->tokens[0].kind == SQL_TOKEN_STRING) {
        struct sql_expr *e = literal_new(p, SQL_LITERAL_INTERVAL, start);
        struct slice text;
        if (is_signed) {
            TRY(sql_next(p));
        }
        TRY(sql_parse_string(p, &text));
        if (is_minus) {
            /* Minus minus is plus. */
            bool is_twice = text.len > 0 && text.data[0] == '-';
            char *all = arena_printf(p->arena, "%s%.*s", is_twice ? "" : "-",
                                     (int)text.len - is_twice, text.data + is_twice);
            text = slice_cstr(all);
        }
        e->literal.text = text;
        TRY(sql_parse_interval_range(p, &e->literal.interval));
        e->span = sql_span_from(p, start);
        *ret = e;
        return 0;
    }
    struct sql_expr *e = sql_expr_new(p, SQL_EXPR_INTERVAL, start), *operand = NULL;
    if (p->tokens[0].kind == SQL_TOKEN_LEFT_PAREN) {
        /* As a primary the parentheses would take the unit. */
        TRY(sql_next(p));
        TRY(sql_parse_expr(p, &operand));
        TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    } else {
        TRY(sql_parse_primary(p, &operand));
    }
    TRY(sql_parse_interval_range(p, &e->interval));
    TRY(sql_expr_end_n(p, e, &operand, 1));
    *ret = e;
    return 0;
}

static int parse_word_literal(struct sql_parser *p, struct sql_expr **ret)
{
    bool before_string = sql_ahead_is(p, 1, SQL_TOKEN_STRING);
    switch (p->tokens[0].keyword) {
    case SQL_KW_NULL:
        return parse_word(p, SQL_LITERAL_NULL, ret);
    case SQL_KW_TRUE:
        return parse_word(p, SQL_LITERAL_TRUE, ret);
    case SQL_KW_FALSE:
        return parse_word(p, SQL_LITERAL_FALSE, ret);
    case SQL_KW_UNKNOWN:
        return parse_word(p, SQL_LITERAL_UNKNOWN, ret);
    case SQL_KW_INTERVAL:
        return parse_interval(p, ret);
    case SQL_KW_DATE:
        return before_string ? parse_temporal(p, SQL_LITERAL_DATE, ret) : 0;
    case SQL_KW_TIME:
        return before_string ? parse_temporal(p, SQL_LITERAL_TIME, ret) : 0;
    case SQL_KW_TIMESTAMP:
        if (sql_ahead_kw(p, 1, SQL_KW_WITH) && sql_ahead_kw(p, 2, SQL_KW_LOCAL)) {
            return parse_timestamp_ltz(p, ret);
        }
        return before_string ? parse_temporal(p, SQL_LITERAL_TIMESTAMP, ret) : 0;
    default:
        return 0;
    }
}

int sql_parse_literal(struct sql_parser *p, struct sql_expr **ret)
{
    *ret = NULL;
    switch (p->tokens[0].kind) {
    case SQL_TOKEN_INTEGER:
    case SQL_TOKEN_DECIMAL:
        return parse_number(p, SQL_LITERAL_EXACT, ret);
    case SQL_TOKEN_APPROXIMATE:
        return parse_number(p, SQL_LITERAL_APPROXIMATE, ret);
    case SQL_TOKEN_STRING:
    case SQL_TOKEN_CHARSET:
        return sql_parse_string_literal(p, ret);
    case SQL_TOKEN_UNICODE:
        return parse_unicode(p, ret);
    case SQL_TOKEN_BINARY:
        return parse_binary(p, ret);
    case SQL_TOKEN_WORD:
        return parse_word_literal(p, ret);
    default:
        return 0;
    }
}
