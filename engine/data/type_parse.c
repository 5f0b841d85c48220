/* Reads the text of a type: what type_print writes, and the other spellings of Flink SQL (INTEGER,
 * CHARACTER VARYING, TIMESTAMP WITH LOCAL TIME ZONE, ROW(...), INT ARRAY, unquoted field names).
 *
 * A recursive descent over one line of text; recursion is bounded by TYPE_DEPTH_MAX. */
#include "engine/data/type_text.h"
#include <ctype.h>
#include <strings.h>

enum token_kind {
    TOKEN_END,
    TOKEN_WORD,
    TOKEN_QUOTED_NAME,
    TOKEN_STRING,
    TOKEN_NUMBER,
    TOKEN_SIGN
};

struct token {
    enum token_kind kind;
    size_t start; /* offset in the text */
    size_t len;
};

struct parser {
    struct slice text;
    size_t pos;         /* behind the current token */
    struct token token; /* the current one */
    uint32_t depth;
    struct error *err;
};

static int parse_type(struct parser *p, struct data_type **ret);

static int parse_fail(struct parser *p, const char *expected)
{
    const struct token *t = &p->token;
    int shown = (int)MIN(p->text.len, (size_t)200);
    if (t->kind == TOKEN_END) {
        return error_set(p->err, ERR_PARSE, "type ends at column %zu where %s is expected: %.*s",
                         t->start + 1, expected, shown, p->text.data);
    }
    return error_set(p->err, ERR_PARSE, "%s expected at column %zu, found '%.*s': %.*s", expected,
                     t->start + 1, (int)MIN(t->len, (size_t)40), p->text.data + t->start, shown,
                     p->text.data);
}

/* From an opening quote to its end; a doubled quote stands for itself. */
static int next_quoted(struct parser *p, char quote, enum token_kind kind)
{
    size_t end = p->pos + 1;
    for (;; end++) {
        if (end >= p->text.len) {
            return error_set(p->err, ERR_PARSE, "quote opened at column %zu is never closed",
                             p->pos + 1);
        }
        if (p->text.data[end] == '\0') {
            return error_set(p->err, ERR_PARSE, "zero byte in a name at column %zu", end + 1);
        }
        if (p->text.data[end] == quote) {
            if (end + 1 < p->text.len && p->text.data[end + 1] == quote) {
                end++;
            } else {
                break;
            }
        }
    }
    p->token = (struct token){kind, p->pos, end + 1 - p->pos};
    p->pos = end + 1;
    return 0;
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '_' || c == '$' || (c & 0x80) != 0;
}

static int parse_next(struct parser *p)
{
    while (p->pos < p->text.len && isspace((unsigned char)p->text.data[p->pos])) {
        p->pos++;
    }
    p->token = (struct token){TOKEN_END, p->pos, 0};
    if (p->pos == p->text.len) {
        return 0;
    }
    char c = p->text.data[p->pos];
    if (c == '`') {
        return next_quoted(p, '`', TOKEN_QUOTED_NAME);
    }
    if (c == '\'') {
        return next_quoted(p, '\'', TOKEN_STRING);
    }
    size_t end = p->pos;
    enum token_kind kind = isdigit((unsigned char)c) ? TOKEN_NUMBER : TOKEN_WORD;
    while (end < p->text.len && is_word_char(p->text.data[end])) {
        end++;
    }
    if (end == p->pos) {
        kind = TOKEN_SIGN;
        end++;
    }
    p->token = (struct token){kind, p->pos, end - p->pos};
    p->pos = end;
    return 0;
}

static bool at_word(const struct parser *p, const char *word)
{
    return p->token.kind == TOKEN_WORD && strlen(word) == p->token.len &&
           strncasecmp(p->text.data + p->token.start, word, p->token.len) == 0;
}

static bool at_sign(const struct parser *p, char c)
{
    return p->token.kind == TOKEN_SIGN && p->text.data[p->token.start] == c;
}

/* Steps over the word if it is there: 1, 0, or an error. */
static int accept_word(struct parser *p, const char *word)
{
    if (!at_word(p, word)) {
        return 0;
    }
    TRY(parse_next(p));
    return 1;
}

static int accept_sign(struct parser *p, char c)
{
    if (!at_sign(p, c)) {
        return 0;
    }
    TRY(parse_next(p));
    return 1;
}

static int expect_word(struct parser *p, const char *word)
{
    int rc = accept_word(p, word);
    return rc == 0 ? parse_fail(p, word) : rc < 0 ? rc : 0;
}

static int expect_sign(struct parser *p, char c)
{
    char text[] = {'\'', c, '\'', '\0'};
    int rc = accept_sign(p, c);
    return rc == 0 ? parse_fail(p, text) : rc < 0 ? rc : 0;
}

static int parse_number(struct parser *p, int32_t *ret)
{
    int64_t v = 0;
    if (p->token.kind != TOKEN_NUMBER) {
        return parse_fail(p, "a number");
    }
    for (size_t i = 0; i < p->token.len; i++) {
        char c = p->text.data[p->token.start + i];
        if (!isdigit((unsigned char)c) || (v = v * 10 + (c - '0')) > INT32_MAX) {
            return parse_fail(p, "a number up to 2147483647");
        }
    }
    *ret = (int32_t)v;
    return parse_next(p);
}

/* "(a)" or "(a, b)" when there; outputs keep their defaults otherwise. */
static int parse_parameters(struct parser *p, int32_t *first, int32_t *second)
{
    int rc = accept_sign(p, '(');
    if (rc <= 0) {
        return rc;
    }
    TRY(parse_number(p, first));
    if (second != NULL && (rc = accept_sign(p, ',')) != 0) {
        TRY(rc);
        TRY(parse_number(p, second));
    }
    return expect_sign(p, ')');
}

/* A heap copy of the current quoted token or word, which is stepped over. */
static int parse_text(struct parser *p, char **ret)
{
    struct str out = STR_INIT;
    const char *text = p->text.data + p->token.start;
    if (p->token.kind == TOKEN_WORD || p->token.kind == TOKEN_NUMBER) {
        str_append(&out, text, p->token.len);
    } else {
        str_reserve(&out, p->token.len);
        for (size_t i = 1; i + 1 < p->token.len; i++) {
            str_append_char(&out, text[i]);
            i += text[i] == text[0]; /* doubled */
        }
    }
    int rc = parse_next(p);
    if (rc < 0) {
        str_fini(&out);
        return rc;
    }
    *ret = out.data != NULL ? str_take(&out) : mem_strdup("");
    return 0;
}

/* ---- types with parameters --------------------------------------------------------------------- */

static int parse_sized(struct parser *p, enum type_id fixed, enum type_id varying,
                       struct data_type **ret)
{
    int32_t length = 1;
    int rc = accept_word(p, "VARYING");
    TRY(rc);
    TRY(parse_parameters(p, &length, NULL));
    *ret = type_new_sized(rc > 0 ? varying : fixed, length, true);
    return 0;
}

static int parse_decimal(struct parser *p, struct data_type **ret)
{
    int32_t precision = 10;
    int32_t scale = 0;
    TRY(parse_parameters(p, &precision, &scale));
    *ret = type_new_precision(TYPE_DECIMAL, precision, scale, true);
    return 0;
}

static int parse_time_zone(struct parser *p)
{
    TRY(expect_word(p, "TIME"));
    return expect_word(p, "ZONE");
}

static int parse_time(struct parser *p, enum type_id id, struct data_type **ret)
{
    int32_t precision = id == TYPE_TIME ? 0 : 6;
    TRY(parse_parameters(p, &precision, NULL));
    int rc = accept_word(p, "WITHOUT");
    TRY(rc);
    if (rc > 0) {
        TRY(parse_time_zone(p));
    } else if (id == TYPE_TIMESTAMP && (rc = accept_word(p, "WITH")) != 0) {
        TRY(rc);
        TRY(expect_word(p, "LOCAL"));
        TRY(parse_time_zone(p));
        id = TYPE_TIMESTAMP_LTZ;
    }
    *ret = type_new_precision(id, precision, 0, true);
    return 0;
}

static int parse_interval(struct parser *p, struct data_type **ret)
{
    struct token first = p->token;
    if (first.kind != TOKEN_WORD) {
        return parse_fail(p, "a field of an interval");
    }
    TRY(parse_next(p));
    int32_t digits = 2;
    int32_t fraction = 6;
    bool seconds = first.len == 6 && strncasecmp(p->text.data + first.start, "SECOND", 6) == 0;
    TRY(parse_parameters(p, seconds ? &fraction : &digits, NULL));
    int to = accept_word(p, "TO");
    TRY(to);
    struct token last = p->token;
    if (to > 0) {
        TRY(parse_next(p));
        TRY(parse_parameters(p, &fraction, NULL));
    }
    for (int i = 0; i < INTERVAL_RESOLUTION_COUNT; i++) {
        const struct interval_text *t = &INTERVAL_TEXTS[i];
        if (strlen(t->from) == first.len &&
            strncasecmp(t->from, p->text.data + first.start, first.len) == 0 &&
            (t->to != NULL) == (to > 0) &&
            (to == 0 || (strlen(t->to) == last.len &&
                         strncasecmp(t->to, p->text.data + last.start, last.len) == 0))) {
            *ret = type_new_interval((enum interval_resolution)i, t->has_digits ? digits : 2,
                                     t->has_fraction ? fraction : 6, true);
            return 0;
        }
    }
    p->token = first;
    return parse_fail(p, "a field of an interval");
}

static int parse_raw(struct parser *p, struct data_type **ret)
{
    TRY(expect_sign(p, '('));
    if (p->token.kind != TOKEN_STRING) {
        return parse_fail(p, "the quoted name of a class");
    }
    char *name = NULL;
    TRY(parse_text(p, &name));
    int rc = accept_sign(p, ',');
    if (rc > 0) {
        rc = p->token.kind == TOKEN_STRING ? parse_next(p) : parse_fail(p, "a quoted snapshot");
    }
    if (rc >= 0) {
        rc = expect_sign(p, ')');
    }
    if (rc >= 0) {
        *ret = type_new_raw(name, true);
    }
    mem_free(name);
    return rc;
}

/* ---- nested types ------------------------------------------------------------------------------ */

static int parse_array(struct parser *p, enum type_id id, struct data_type **ret)
{
    struct data_type *element = NULL;
    TRY(expect_sign(p, '<'));
    TRY(parse_type(p, &element));
    int rc = expect_sign(p, '>');
    if (rc < 0) {
        type_unref(element);
        return rc;
    }
    *ret = id == TYPE_ARRAY ? type_new_array(element, true) : type_new_multiset(element, true);
    return 0;
}

static int parse_map(struct parser *p, struct data_type **ret)
{
    struct data_type *key = NULL;
    struct data_type *value = NULL;
    TRY(expect_sign(p, '<'));
    TRY(parse_type(p, &key));
    int rc = expect_sign(p, ',');
    if (rc >= 0) {
        rc = parse_type(p, &value);
    }
    if (rc >= 0) {
        rc = expect_sign(p, '>');
    }
    if (rc < 0) {
        type_unref(key);
        type_unref(value);
        return rc;
    }
    *ret = type_new_map(key, value, true);
    return 0;
}

struct row_fields {
    struct data_type *types[TYPE_CHILDREN_MAX];
    char *names[TYPE_CHILDREN_MAX];
    uint32_t n;
};

static int parse_row_field(struct parser *p, struct row_fields *fields)
{
    if (fields->n == TYPE_CHILDREN_MAX) {
        return error_set(p->err, ERR_TOO_LARGE, "ROW has more than %d fields", TYPE_CHILDREN_MAX);
    }
    if (p->token.kind != TOKEN_WORD && p->token.kind != TOKEN_QUOTED_NAME) {
        return parse_fail(p, "a field name");
    }
    char *name = NULL;
    TRY(parse_text(p, &name));
    struct data_type *type = NULL;
    int rc = parse_type(p, &type);
    if (rc < 0) {
        mem_free(name);
        return rc;
    }
    fields->names[fields->n] = name;
    fields->types[fields->n++] = type;
    return p->token.kind == TOKEN_STRING ? parse_next(p) : 0; /* a description, not kept */
}

static int parse_row(struct parser *p, struct data_type **ret)
{
    char close = at_sign(p, '(') ? ')' : '>';
    TRY(expect_sign(p, close == ')' ? '(' : '<'));
    struct row_fields *fields = MEM_NEW(struct row_fields);
    int rc = 0;
    if (!at_sign(p, close)) {
        do {
            rc = parse_row_field(p, fields);
        } while (rc >= 0 && (rc = accept_sign(p, ',')) > 0);
    }
    if (rc >= 0) {
        rc = expect_sign(p, close);
    }
    if (rc >= 0) {
        *ret = type_new_row(fields->types, (const char *const *)fields->names, fields->n, true);
    }
    for (uint32_t i = 0; i < fields->n; i++) {
        mem_free(fields->names[i]);
        if (rc < 0) {
            type_unref(fields->types[i]);
        }
    }
    mem_free(fields);
    return rc;
}

/* ---- the whole --------------------------------------------------------------------------------- */

enum parse_form {
    FORM_PLAIN,
    FORM_SIZED,     /* may be VARYING; id is the fixed form */
    FORM_VARYING,   /* VARCHAR, VARBINARY */
    FORM_UNBOUNDED, /* STRING, BYTES */
    FORM_DECIMAL,
    FORM_DOUBLE,
    FORM_TIME,
    FORM_INTERVAL,
    FORM_ARRAY,
    FORM_MAP,
    FORM_ROW,
    FORM_RAW,
};

static const struct {
    const char *word;
    enum type_id id;
    enum parse_form form;
} WORDS[] = {
    {"ARRAY", TYPE_ARRAY, FORM_ARRAY},
    {"BIGINT", TYPE_BIGINT, FORM_PLAIN},
    {"BINARY", TYPE_BINARY, FORM_SIZED},
    {"BOOLEAN", TYPE_BOOLEAN, FORM_PLAIN},
    {"BYTES", TYPE_VARBINARY, FORM_UNBOUNDED},
    {"CHAR", TYPE_CHAR, FORM_SIZED},
    {"CHARACTER", TYPE_CHAR, FORM_SIZED},
    {"DATE", TYPE_DATE, FORM_PLAIN},
    {"DEC", TYPE_DECIMAL, FORM_DECIMAL},
    {"DECIMAL", TYPE_DECIMAL, FORM_DECIMAL},
    {"DOUBLE", TYPE_DOUBLE, FORM_DOUBLE},
    {"FLOAT", TYPE_FLOAT, FORM_PLAIN},
    {"INT", TYPE_INTEGER, FORM_PLAIN},
    {"INTEGER", TYPE_INTEGER, FORM_PLAIN},
    {"INTERVAL", TYPE_INTERVAL_DAY_TIME, FORM_INTERVAL},
    {"MAP", TYPE_MAP, FORM_MAP},
    {"MULTISET", TYPE_MULTISET, FORM_ARRAY},
    {"NULL", TYPE_NULL, FORM_PLAIN},
    {"NUMERIC", TYPE_DECIMAL, FORM_DECIMAL},
    {"RAW", TYPE_RAW, FORM_RAW},
    {"ROW", TYPE_ROW, FORM_ROW},
    {"SMALLINT", TYPE_SMALLINT, FORM_PLAIN},
    {"STRING", TYPE_VARCHAR, FORM_UNBOUNDED},
    {"TIME", TYPE_TIME, FORM_TIME},
    {"TIMESTAMP", TYPE_TIMESTAMP, FORM_TIME},
    {"TIMESTAMP_LTZ", TYPE_TIMESTAMP_LTZ, FORM_TIME},
    {"TINYINT", TYPE_TINYINT, FORM_PLAIN},
    {"VARBINARY", TYPE_VARBINARY, FORM_VARYING},
    {"VARCHAR", TYPE_VARCHAR, FORM_VARYING},
};

static int parse_named(struct parser *p, enum type_id id, enum parse_form form,
                       struct data_type **ret)
{
    switch (form) {
    case FORM_PLAIN:
        *ret = type_new(id, true);
        return 0;
    case FORM_SIZED:
        return parse_sized(p, id, id == TYPE_CHAR ? TYPE_VARCHAR : TYPE_VARBINARY, ret);
    case FORM_VARYING:
        return parse_sized(p, id, id, ret);
    case FORM_UNBOUNDED:
        *ret = type_new_sized(id, TYPE_LENGTH_MAX, true);
        return 0;
    case FORM_DECIMAL:
        return parse_decimal(p, ret);
    case FORM_DOUBLE:
        TRY(accept_word(p, "PRECISION"));
        *ret = type_new(id, true);
        return 0;
    case FORM_TIME:
        return parse_time(p, id, ret);
    case FORM_INTERVAL:
        return parse_interval(p, ret);
    case FORM_ARRAY:
        return parse_array(p, id, ret);
    case FORM_MAP:
        return parse_map(p, ret);
    case FORM_ROW:
        return parse_row(p, ret);
    case FORM_RAW:
        return parse_raw(p, ret);
    }
    return error_set(p->err, ERR_INTERNAL, "no form %d of a type", (int)form);
}

/* NOT NULL, NULL, and the postfix collections: INT ARRAY NOT NULL.  Frees the type on failure. */
static int parse_suffixes(struct parser *p, struct data_type **inout)
{
    uint32_t levels = 0;
    for (;;) {
        int rc = 0;
        bool nullable = true;
        if (at_word(p, "NOT")) {
            rc = parse_next(p);
            if (rc >= 0) {
                rc = expect_word(p, "NULL");
            }
            nullable = false;
        } else {
            rc = accept_word(p, "NULL");
        }
        if (rc >= 0) {
            struct data_type *with = type_with_nullable(*inout, nullable);
            type_unref(*inout);
            *inout = with;
            bool array = at_word(p, "ARRAY");
            if (!array && !at_word(p, "MULTISET")) {
                return 0;
            }
            rc = parse_next(p);
            if (p->depth + ++levels > TYPE_DEPTH_MAX) {
                rc = error_set(p->err, ERR_TOO_LARGE, "types nest deeper than %d levels",
                               TYPE_DEPTH_MAX);
            }
            *inout = array ? type_new_array(*inout, true) : type_new_multiset(*inout, true);
        }
        if (rc < 0) {
            *inout = type_unref(*inout);
            return rc;
        }
    }
}

static int parse_type(struct parser *p, struct data_type **ret)
{
    size_t i = 0;
    while (i < ARRAY_LEN(WORDS) && !at_word(p, WORDS[i].word)) {
        i++;
    }
    if (i == ARRAY_LEN(WORDS)) {
        return parse_fail(p, "a type");
    }
    if (p->depth == TYPE_DEPTH_MAX) {
        return error_set(p->err, ERR_TOO_LARGE, "types nest deeper than %d levels", TYPE_DEPTH_MAX);
    }
    TRY(parse_next(p));
    struct data_type *t = NULL;
    p->depth++;
    int rc = parse_named(p, WORDS[i].id, WORDS[i].form, &t);
    if (rc >= 0) {
        rc = parse_suffixes(p, &t);
    }
    p->depth--;
    if (rc >= 0) {
        *ret = t;
    }
    return rc;
}

int type_parse(struct slice text, struct data_type **ret, struct error *err)
{
    struct parser p = {.text = text, .err = err};
    struct data_type *t = NULL;
    TRY(parse_next(&p));
    TRY(parse_type(&p, &t));
    int rc = p.token.kind == TOKEN_END ? type_validate(t, err) : parse_fail(&p, "the end");
    if (rc < 0) {
        type_unref(t);
        return rc;
    }
    *ret = t;
    return 0;
}
