/* Tokens of SQL text: words, literals and signs, with their places.
 *
 * The lexer works on borrowed UTF-8 text and makes one token at a time, so a place in the text (a token's start and the
 * hint flag) is all that is needed to go back.  Words keep their case; keywords are found without regard to it.
 * Flink: the token manager of its Calcite parser (back-quotes, doubled quotes, two kinds of line comments, hints in comments).
 * Thread: any. */
#ifndef FLINC_SQL_PARSER_TOKEN_H
#define FLINC_SQL_PARSER_TOKEN_H

#include "common/base/str.h"
#include "sql/parser/keyword_list.h"

enum { SQL_TEXT_MAX = 4 << 20 }; /* bytes of one script or statement */

enum sql_keyword {
    SQL_KEYWORD_NONE,
#define SQL_KEYWORD_ENUM(word, class) SQL_KW_##word,
    SQL_KEYWORDS(SQL_KEYWORD_ENUM)
#undef SQL_KEYWORD_ENUM
        SQL_KEYWORD_COUNT
};

/* In upper case; "" for SQL_KEYWORD_NONE. */
const char *sql_keyword_name(enum sql_keyword keyword);
bool sql_keyword_is_reserved(enum sql_keyword keyword);
enum sql_keyword
sql_keyword_find(struct slice word); /* in any case; SQL_KEYWORD_NONE when it is no keyword */

/* Kind and what messages call it. */
#define SQL_TOKENS(X)                 \
    X(END, "<EOF>")                   \
    X(WORD, "<IDENTIFIER>")           \
    X(QUOTED, "<QUOTED_IDENTIFIER>")  \
    X(STRING, "<QUOTED_STRING>")      \
    X(UNICODE, "<UNICODE_STRING>")    \
    X(CHARSET, "<PREFIXED_STRING>")   \
    X(BINARY, "<BINARY_STRING>")      \
    X(INTEGER, "<UNSIGNED_INTEGER>")  \
    X(DECIMAL, "<DECIMAL_NUMBER>")    \
    X(APPROXIMATE, "<APPROX_NUMBER>") \
    X(LEFT_PAREN, "(")                \
    X(RIGHT_PAREN, ")")               \
    X(LEFT_BRACKET, "[")              \
    X(RIGHT_BRACKET, "]")             \
    X(LEFT_BRACE, "{")                \
    X(RIGHT_BRACE, "}")               \
    X(COMMA, ",")                     \
    X(DOT, ".")                       \
    X(SEMICOLON, ";")                 \
    X(COLON, ":")                     \
    X(QUESTION, "?")                  \
    X(STAR, "*")                      \
    X(PLUS, "+")                      \
    X(MINUS, "-")                     \
    X(SLASH, "/")                     \
    X(PERCENT, "%")                   \
    X(CONCAT, "||")                   \
    X(PIPE, "|")                      \
    X(CARET, "^")                     \
    X(DOLLAR, "$")                    \
    X(ARROW, "=>")                    \
    X(EQUAL, "=")                     \
    X(NOT_EQUAL, "<>")                \
    X(LESS, "<")                      \
    X(LESS_EQUAL, "<=")               \
    X(GREATER, ">")                   \
    X(GREATER_EQUAL, ">=")            \
    X(HINT_BEGIN, "/*+")              \
    X(HINT_END, "*/")

enum sql_token_kind {
#define SQL_TOKEN_ENUM(name, text) SQL_TOKEN_##name,
    SQL_TOKENS(SQL_TOKEN_ENUM)
#undef SQL_TOKEN_ENUM
        SQL_TOKEN_COUNT
};

const char *sql_token_kind_text(enum sql_token_kind kind);

/* Bytes [start, end) of the text. */
struct sql_span {
    uint32_t start, end;
};

struct sql_token {
    enum sql_token_kind kind;
    enum sql_keyword keyword; /* of a WORD that is one */
    struct sql_span span;
};

struct sql_lexer {
    struct slice text; /* Borrows */
    uint32_t pos;      /* behind the last token */
    bool in_hint;      /* between HINT_BEGIN and HINT_END */
};

/* Text that is longer than SQL_TEXT_MAX, is no UTF-8 or has a zero byte is an error. */
int sql_lexer_init(struct sql_lexer *lexer, struct slice text, struct error *err) MUST_CHECK;
/* The next token; END at the end and from then on.  ERR_PARSE for what is never closed and for characters that begin no
 * token: then *ret holds the place. */
int sql_lexer_next(struct sql_lexer *lexer, struct sql_token *ret, struct error *err) MUST_CHECK;

/* Where a byte of the text lies; both begin with 1, columns count code points. */
struct sql_position {
    uint32_t line, column;
};
struct sql_position sql_position_of(struct slice text, uint32_t offset);

#endif
