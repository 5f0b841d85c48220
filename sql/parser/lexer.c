/* Splits SQL text into tokens; see token.h.  Thread: any. */
#include "common/text/utf8.h"
#include "sql/parser/token.h"

static const char *const token_texts[] = {
#define TOKEN_TEXT(name, text) [SQL_TOKEN_##name] = (text),
    SQL_TOKENS(TOKEN_TEXT)
#undef TOKEN_TEXT
};

const char *sql_token_kind_text(enum sql_token_kind kind)
{
    return token_texts[kind];
}

struct sql_position sql_position_of(struct slice text, uint32_t offset)
{
    struct sql_position at = {1, 1};
    size_t line_start = 0, end = MIN((size_t)offset, text.len);
    for (size_t i = 0; i < end; i++) {
        if (text.data[i] == '\n') {
            at.line++;
            line_start = i + 1;
        }
    }
    at.column = (uint32_t)utf8_count(text.data + line_start, end - line_start) + 1;
    return at;
}

int sql_lexer_init(struct sql_lexer *lexer, struct slice text, struct error *err)
{
    if (text.len > SQL_TEXT_MAX) {
        return error_set(err, ERR_TOO_LARGE, "SQL text of %zu bytes is over the limit of %d",
                         text.len, SQL_TEXT_MAX);
    }
    size_t bad = 0;
    if (!utf8_validate(text.data, text.len, &bad)) {
        struct sql_position at = sql_position_of(text, (uint32_t)bad);
        return error_set(err, ERR_PARSE,
                         "SQL parse failed. The text is not UTF-8 at line %u, column %u", at.line,
                         at.column);
    }
    const char *zero = text.len > 0 ? memchr(text.data, '\0', text.len) : NULL;
    if (zero != NULL) {
        struct sql_position at = sql_position_of(text, (uint32_t)(zero - text.data));
        return error_set(err, ERR_PARSE,
                         "SQL parse failed. The text has a zero byte at line %u, column %u",
                         at.line, at.column);
    }
    *lexer = (struct sql_lexer){.text = text};
    return 0;
}

static int char_at(const struct sql_lexer *l, uint32_t pos)
{
    return pos < l->text.len ? (unsigned char)l->text.data[pos] : -1;
}

static bool is_blank(int c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r' || c == '\f';
}

static bool is_digit(int c)
{
    return c >= '0' && c <= '9';
}

/* Letters of ASCII, the underscore, and every character beyond ASCII. */
static bool begins_word(int c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c >= 0x80;
}

static bool continues_word(int c)
{
    return begins_word(c) || is_digit(c) || c == '$';
}

static int fail_at(const struct sql_lexer *l, uint32_t start, struct sql_token *ret,
                   struct error *err, const char *what)
{
    struct sql_position at = sql_position_of(l->text, start);
    ret->span = (struct sql_span){start, MIN(start + 1, (uint32_t)l->text.len)};
    return error_set(err, ERR_PARSE, "SQL parse failed. %s at line %u, column %u", what, at.line,
                     at.column);
}

/* Steps over blanks and comments.  False: a comment is never closed, which starts at l->pos. */
static bool skip_blanks(struct sql_lexer *l)
{
    for (;;) {
        int c = char_at(l, l->pos), next = char_at(l, l->pos + 1);
        if (is_blank(c)) {
            l->pos++;
        } else if ((c == '-' && next == '-') || (c == '/' && next == '/')) {
            while (char_at(l, l->pos) != -1 && char_at(l, l->pos) != '\n') {
                l->pos++;
            }
        } else if (c == '/' && next == '*' && char_at(l, l->pos + 2) != '+') {
            const char *from = l->text.data + l->pos + 2;
            const char *end = memmem(from, l->text.len - l->pos - 2, "*/", 2);
            if (end == NULL) {
                return false;
            }
            l->pos = (uint32_t)(end + 2 - l->text.data);
        } else {
            return true;
        }
    }
}

/* Behind the closing quote of what opens at `open`; 0 when there is none.  Doubled quotes stand for one. */
static uint32_t quoted_end(const struct sql_lexer *l, uint32_t open)
{
    int quote = char_at(l, open);
    for (uint32_t i = open + 1;; i++) {
        int c = char_at(l, i);
        if (c == -1) {
            return 0;
        }
        if (c == quote) {
            if (char_at(l, i + 1) != quote) {
                return i + 1;
            }
            i++;
        }
    }
}

static int next_quoted(struct sql_lexer *l, uint32_t start, uint32_t open, enum sql_token_kind kind,
                       struct sql_token *ret, struct error *err)
{
    uint32_t end = quoted_end(l, open);
    if (end == 0) {
        return fail_at(l, start, ret, err,
                       kind == SQL_TOKEN_QUOTED ? "A back-quote is never closed, it opens"
                                                : "A string is never closed, it opens");
    }
    if (kind == SQL_TOKEN_QUOTED && end - open == 2) {
        return fail_at(l, start, ret, err, "A name between back-quotes is empty");
    }
    *ret = (struct sql_token){.kind = kind, .span = {start, end}};
    l->pos = end;
    return 0;
}

static uint32_t skip_digits(const struct sql_lexer *l, uint32_t pos)
{
    while (is_digit(char_at(l, pos))) {
        pos++;
    }
    return pos;
}

static int next_number(struct sql_lexer *l, struct sql_token *ret, struct error *err)
{
    uint32_t start = l->pos, end = skip_digits(l, start);
    enum sql_token_kind kind = SQL_TOKEN_INTEGER;
    if (char_at(l, end) == '.') {
        kind = SQL_TOKEN_DECIMAL;
        end = skip_digits(l, end + 1);
    }
    int e = char_at(l, end);
    if (e == 'e' || e == 'E') {
        int sign = char_at(l, end + 1);
        uint32_t digits = end + 1 + (sign == '+' || sign == '-');
        if (is_digit(char_at(l, digits))) {
            kind = SQL_TOKEN_APPROXIMATE;
            end = skip_digits(l, digits);
        }
    }
    if (continues_word(char_at(l, end))) {
        return fail_at(l, start, ret, err, "A name that begins with a digit needs back-quotes,");
    }
    *ret = (struct sql_token){.kind = kind, .span = {start, end}};
    l->pos = end;
    return 0;
}

static void next_word(struct sql_lexer *l, struct sql_token *ret)
{
    uint32_t start = l->pos, end = start + 1;
    while (continues_word(char_at(l, end))) {
        end++;
    }
    *ret = (struct sql_token){.kind = SQL_TOKEN_WORD, .span = {start, end}};
    ret->keyword = sql_keyword_find(slice_make(l->text.data + start, end - start));
    l->pos = end;
}

/* Signs, longer ones before those that they begin with. */
static const struct sign {
    char text[4];
    enum sql_token_kind kind;
} signs[] = {
    {"/*+", SQL_TOKEN_HINT_BEGIN},  {"||", SQL_TOKEN_CONCAT},     {"=>", SQL_TOKEN_ARROW},
    {"<>", SQL_TOKEN_NOT_EQUAL},    {"<=", SQL_TOKEN_LESS_EQUAL}, {">=", SQL_TOKEN_GREATER_EQUAL},
    {"(", SQL_TOKEN_LEFT_PAREN},    {")", SQL_TOKEN_RIGHT_PAREN}, {"[", SQL_TOKEN_LEFT_BRACKET},
    {"]", SQL_TOKEN_RIGHT_BRACKET}, {"{", SQL_TOKEN_LEFT_BRACE},  {"}", SQL_TOKEN_RIGHT_BRACE},
    {",", SQL_TOKEN_COMMA},         {".", SQL_TOKEN_DOT},         {";", SQL_TOKEN_SEMICOLON},
    {":", SQL_TOKEN_COLON},         {"?", SQL_TOKEN_QUESTION},    {"*", SQL_TOKEN_STAR},
    {"+", SQL_TOKEN_PLUS},          {"-", SQL_TOKEN_MINUS},       {"/", SQL_TOKEN_SLASH},
    {"%", SQL_TOKEN_PERCENT},       {"|", SQL_TOKEN_PIPE},        {"^", SQL_TOKEN_CARET},
    {"$", SQL_TOKEN_DOLLAR},        {"=", SQL_TOKEN_EQUAL},       {"<", SQL_TOKEN_LESS},
    {">", SQL_TOKEN_GREATER},
};

static int next_sign(struct sql_lexer *l, struct sql_token *ret, struct error *err)
{
    struct slice rest = slice_make(l->text.data + l->pos, l->text.len - l->pos);
    uint32_t start = l->pos;
    if (l->in_hint && slice_starts_with(rest, "*/")) {
        *ret = (struct sql_token){.kind = SQL_TOKEN_HINT_END, .span = {start, start + 2}};
        l->pos = start + 2;
        l->in_hint = false;
        return 0;
    }
    if (slice_starts_with(rest, "==")) {
        return fail_at(l, start, ret, err, "\"==\" is written = in this dialect,");
    }
    for (size_t i = 0; i < ARRAY_LEN(signs); i++) {
        if (slice_starts_with(rest, signs[i].text)) {
            uint32_t end = start + (uint32_t)strlen(signs[i].text);
            *ret = (struct sql_token){.kind = signs[i].kind, .span = {start, end}};
            l->pos = end;
            l->in_hint = l->in_hint || signs[i].kind == SQL_TOKEN_HINT_BEGIN;
            return 0;
        }
    }
    if (rest.data[0] == '"') {
        return fail_at(l, start, ret, err,
                       "Names are quoted by back-quotes and strings by single quotes, not by \",");
    }
    if (slice_starts_with(rest, "!=")) {
        return fail_at(l, start, ret, err, "\"!=\" is written <> in this dialect,");
    }
    return fail_at(l, start, ret, err, "A character that begins nothing");
}

int sql_lexer_next(struct sql_lexer *l, struct sql_token *ret, struct error *err)
{
    if (!skip_blanks(l)) {
        return fail_at(l, l->pos, ret, err, "A comment is never closed, it opens");
    }
    uint32_t start = l->pos;
    int c = char_at(l, start), next = char_at(l, start + 1);
    if (c == -1) {
        *ret = (struct sql_token){.kind = SQL_TOKEN_END, .span = {start, start}};
        return 0;
    }
    if (c == '`') {
        return next_quoted(l, start, start, SQL_TOKEN_QUOTED, ret, err);
    }
    if (c == '\'') {
        return next_quoted(l, start, start, SQL_TOKEN_STRING, ret, err);
    }
    if ((c == 'x' || c == 'X') && next == '\'') {
        return next_quoted(l, start, start + 1, SQL_TOKEN_BINARY, ret, err);
    }
    if ((c == 'u' || c == 'U') && next == '&' && char_at(l, start + 2) == '\'') {
        return next_quoted(l, start, start + 2, SQL_TOKEN_UNICODE, ret, err);
    }
    if (is_digit(c) || (c == '.' && is_digit(next))) {
        return next_number(l, ret, err);
    }
    if (!begins_word(c)) {
        return next_sign(l, ret, err);
    }
    next_word(l, ret);
    if (c == '_' && char_at(l, l->pos) == '\'') {
        return next_quoted(l, start, l->pos, SQL_TOKEN_CHARSET, ret, err);
    }
    return 0;
}
