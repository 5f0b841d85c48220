/* What the files of the parser share.  Every parse_ function is at the first token of its rule and leaves behind its last;
 * it returns 0 or the error that was set.
 *
 * peek and accept note what they looked for: it is what a message lists when nothing fits. */
#ifndef FLINC_SQL_PARSER_INSIDE_H
#define FLINC_SQL_PARSER_INSIDE_H

#include "sql/parser/parser.h"

enum {
    SQL_AHEAD = 4,     /* tokens that may be looked at, the current one included */
    SQL_EXPECTED = 48, /* of what is noted at one token */
    SQL_SECONDS = 4,
};

struct sql_parser {
    struct sql_lexer lexer;
    struct sql_token tokens[SQL_AHEAD]; /* [0] is the current one */
    uint32_t n_tokens;
    uint32_t last_end; /* behind the token before the current one */
    uint32_t depth;
    struct arena *arena;
    struct error *err;
    struct sql_error_place *place;
    uint16_t expected[SQL_EXPECTED]; /* keyword, or EXPECTED_KIND + token kind */
    uint32_t n_expected;
    /* The current token is the first word of GROUP BY and its like, and these are the second ones that did not follow. */
    enum sql_keyword seconds[SQL_SECONDS];
    uint32_t n_seconds;
    enum sql_keyword missed[SQL_SECONDS]; /* those of the token before: IF EXIST */
    uint32_t n_missed;
    struct sql_token alias; /* the last one without AS: perhaps a keyword was meant */
};

/* ---- parser.c: tokens --------------------------------------------------------------------------- */

int sql_next(struct sql_parser *p) MUST_CHECK; /* steps over the current token */
/* The token n behind the current one; a lexical error shows as END, and again when it is reached. */
struct sql_token sql_ahead(struct sql_parser *p, uint32_t n);

bool sql_at(struct sql_parser *p, enum sql_token_kind kind);
bool sql_at_kw(struct sql_parser *p, enum sql_keyword keyword);
/* The current and the next word. */
bool sql_at_kws(struct sql_parser *p, enum sql_keyword first, enum sql_keyword second);
bool sql_ahead_kw(struct sql_parser *p, uint32_t n, enum sql_keyword keyword);
bool sql_ahead_is(struct sql_parser *p, uint32_t n, enum sql_token_kind kind);
/* Steps over it when it is there.  1, 0, or an error. */
int sql_accept(struct sql_parser *p, enum sql_token_kind kind) MUST_CHECK;
int sql_accept_kw(struct sql_parser *p, enum sql_keyword keyword) MUST_CHECK;
int sql_accept_kws(struct sql_parser *p, enum sql_keyword first,
                   enum sql_keyword second) MUST_CHECK;
/* The same into a flag: 0 or an error. */
int sql_flag_kw(struct sql_parser *p, enum sql_keyword keyword, bool *ret) MUST_CHECK;
int sql_expect(struct sql_parser *p, enum sql_token_kind kind) MUST_CHECK;
int sql_expect_kw(struct sql_parser *p, enum sql_keyword keyword) MUST_CHECK;
/* Up to three words; SQL_KEYWORD_NONE ends them. */
int sql_expect_kws(struct sql_parser *p, enum sql_keyword a, enum sql_keyword b,
                   enum sql_keyword c) MUST_CHECK;
/* Nothing that was looked for is there. */
int sql_fail(struct sql_parser *p) MUST_CHECK;
/* A sentence about the current token, or about a place; line and column are added. */
int sql_fail_because(struct sql_parser *p, const char *fmt, ...) PRINTF(2, 3) MUST_CHECK;
int sql_fail_at(struct sql_parser *p, struct sql_span span, const char *fmt, ...)
    PRINTF(3, 4) MUST_CHECK;
/* The one of `names`, in capitals, that the current word was meant to be, in any case; NULL. */
const char *sql_nearest(const struct sql_parser *p, const char *const *names, size_t n);
/* One level deeper; over SQL_DEPTH_MAX it is an error.  sql_leave() ends it. */
int sql_enter(struct sql_parser *p) MUST_CHECK;
void sql_leave(struct sql_parser *p);
/* From `start` to the end of the token that was stepped over last. */
struct sql_span sql_span_from(const struct sql_parser *p, uint32_t start);
uint32_t sql_start(const struct sql_parser *p); /* of the current token */

/* ---- names.c: names, lists, strings ------------------------------------------------------------- */

/* Could the current token be a name?  Words that are not reserved and quoted ones. */
bool sql_at_name(struct sql_parser *p);
bool sql_is_name(struct sql_token token);
int sql_parse_name(struct sql_parser *p, struct sql_name *ret) MUST_CHECK;
/* The current token as a name, whatever it is reserved for. */
int sql_take_name(struct sql_parser *p, struct sql_name *ret) MUST_CHECK;
/* At most `most` parts with dots between. */
int sql_parse_path(struct sql_parser *p, uint32_t most, struct sql_path *ret) MUST_CHECK;
int sql_parse_names(struct sql_parser *p, struct sql_names *ret) MUST_CHECK;       /* a, b */
int sql_parse_paren_names(struct sql_parser *p, struct sql_names *ret) MUST_CHECK; /* (a, b) */
int sql_parse_string(struct sql_parser *p, struct slice *ret) MUST_CHECK;
int sql_parse_properties(struct sql_parser *p,
                         struct sql_properties *ret) MUST_CHECK; /* ('k' = 'v', ...) */
int sql_parse_with(struct sql_parser *p, struct sql_properties *ret) MUST_CHECK; /* [WITH (...)] */
int sql_parse_keys(struct sql_parser *p, struct slice **ret,
                   uint32_t *ret_n) MUST_CHECK;                            /* ('k', ...) */
int sql_parse_comment(struct sql_parser *p, struct slice *ret) MUST_CHECK; /* [COMMENT 'text'] */
int sql_parse_uint(struct sql_parser *p, int32_t *ret) MUST_CHECK;
int sql_parse_hints(struct sql_parser *p,
                    struct sql_hints *ret) MUST_CHECK; /* [hint block]; names.c */
/* What is between the quotes of a string token of any kind, doubled quotes once. */
struct slice sql_unquote(struct sql_parser *p, struct sql_token token);

/* Moves the items of a vec into the arena and empties it. */
void *sql_take_items(struct sql_parser *p, struct vec *items, uint32_t *ret_n);
/* A new last item, or ERR_TOO_LARGE. */
int sql_push(struct sql_parser *p, struct vec *items, void *ret_item) MUST_CHECK;

/* ---- expressions: expr.c, expr_primary.c, expr_call.c, expr_json.c, expr_literal.c ---------------- */

int sql_parse_expr(struct sql_parser *p, struct sql_expr **ret) MUST_CHECK;
int sql_parse_expr_list(struct sql_parser *p,
                        struct vec *ret) MUST_CHECK; /* a, b: appends struct sql_expr * */
int sql_parse_primary(struct sql_parser *p, struct sql_expr **ret) MUST_CHECK;
/* Without AND, OR, NOT: what BETWEEN's bounds and INTERVAL take. */
int sql_parse_operand(struct sql_parser *p, struct sql_expr **ret) MUST_CHECK;
struct sql_expr *sql_expr_new(struct sql_parser *p, enum sql_expr_kind kind, uint32_t start);
/* Sets operands and the depth; ends the span behind the last token. */
int sql_expr_end(struct sql_parser *p, struct sql_expr *e, struct vec *operands) MUST_CHECK;
int sql_expr_end_n(struct sql_parser *p, struct sql_expr *e, struct sql_expr *const *operands,
                   uint32_t n) MUST_CHECK;
int sql_parse_order(struct sql_parser *p, struct sql_order_item **ret,
                    uint32_t *ret_n) MUST_CHECK; /* behind ORDER BY */
int sql_parse_partition_by(struct sql_parser *p, struct sql_expr ***ret,
                           uint32_t *ret_n) MUST_CHECK; /* [PARTITION BY ..] */
int sql_parse_window(struct sql_parser *p,
                     struct sql_window **ret) MUST_CHECK; /* inside ( ), which it takes */
/* At a word that is followed by ( or has a syntax of its own; the name was stepped over and `call` is at ( or behind. */
int sql_parse_call(struct sql_parser *p, struct sql_path name, uint32_t start,
                   struct sql_expr **ret) MUST_CHECK;
/* The current word is a function with a syntax of its own, and ( follows: parses it and *ret is set; else *ret is NULL. */
int sql_parse_special_call(struct sql_parser *p, struct sql_expr **ret) MUST_CHECK;
/* Functions with a syntax of their own: what stands between their parentheses. */
struct sql_special_call {
    enum sql_keyword word;
    bool is_aggregate; /* FILTER and OVER may follow */
    int (*parse)(struct sql_parser *p, struct vec *args);
};
enum { SQL_JSON_CALLS = 7 };
extern const struct sql_special_call sql_json_calls[SQL_JSON_CALLS]; /* expr_json.c */
int sql_parse_case(struct sql_parser *p, struct sql_expr **ret) MUST_CHECK;
int sql_parse_cast(struct sql_parser *p, struct sql_expr **ret) MUST_CHECK;
/* *ret NULL: the current token begins no literal. */
int sql_parse_literal(struct sql_parser *p, struct sql_expr **ret) MUST_CHECK;
int sql_parse_string_literal(struct sql_parser *p, struct sql_expr **ret) MUST_CHECK;
/* DAY(3) TO SECOND(6). */
int sql_parse_interval_range(struct sql_parser *p, struct sql_interval_range *ret) MUST_CHECK;
bool sql_at_interval_unit(struct sql_parser *p);
enum sql_unit sql_unit_of(enum sql_keyword keyword); /* plural forms too; SQL_UNIT_NONE */
/* Adds an argument to a call that is being built. */
int sql_add_argument(struct sql_parser *p, struct vec *args, struct sql_expr *expr) MUST_CHECK;
struct sql_expr *sql_symbol_expr(struct sql_parser *p, enum sql_symbol symbol, uint32_t start);
/* A call node of a name that is a keyword, with arguments from `args` (struct sql_argument). */
int sql_call_new(struct sql_parser *p, struct sql_name name, uint32_t start, struct vec *args,
                 struct sql_expr **ret) MUST_CHECK;
/* WITHIN GROUP, FILTER, OVER, IGNORE NULLS behind a call. */
int sql_parse_call_tail(struct sql_parser *p, struct sql_expr *call) MUST_CHECK;

/* ---- type.c ------------------------------------------------------------------------------------- */

int sql_parse_type_rule(struct sql_parser *p, struct sql_type **ret) MUST_CHECK;

/* ---- queries: query.c, from.c, match.c ------------------------------------------------------------ */

int sql_parse_query(struct sql_parser *p, struct sql_query **ret) MUST_CHECK;
/* SELECT, VALUES, WITH or TABLE t.  A parenthesis may open either: whoever took one for an expression or a join and finds
 * a bare query in it goes on with sql_parse_query_behind(). */
bool sql_at_query(struct sql_parser *p);
/* UNION, ORDER, LIMIT, ...: what may follow a query in parentheses that is itself part of one. */
bool sql_at_query_end(struct sql_parser *p);
/* `first` stood in parentheses that opened at `start`. */
int sql_parse_query_behind(struct sql_parser *p, struct sql_query *first, uint32_t start,
                           struct sql_query **ret) MUST_CHECK;
int sql_parse_from(struct sql_parser *p, struct sql_relation **ret) MUST_CHECK;
int sql_parse_match(struct sql_parser *p, struct sql_relation *input,
                    struct sql_relation **ret) MUST_CHECK;
int sql_parse_alias(struct sql_parser *p, struct sql_alias *ret) MUST_CHECK;

/* ---- statements: statement.c, create.c, table.c, alter.c, data.c, show.c ---------------------------- */

/* *ret_is is false when the current token begins no such statement. */
int sql_parse_statement_rule(struct sql_parser *p, struct sql_statement **ret) MUST_CHECK;
int sql_parse_create(struct sql_parser *p, struct sql_statement *s) MUST_CHECK;
int sql_parse_alter(struct sql_parser *p, struct sql_statement *s) MUST_CHECK;
int sql_parse_drop(struct sql_parser *p, struct sql_statement *s) MUST_CHECK;
int sql_parse_insert(struct sql_parser *p, struct sql_statement *s) MUST_CHECK;
int sql_parse_statement_set(struct sql_parser *p,
                            struct sql_statement *s) MUST_CHECK; /* behind STATEMENT SET */
int sql_parse_update(struct sql_parser *p, struct sql_statement *s) MUST_CHECK;
int sql_parse_delete(struct sql_parser *p, struct sql_statement *s) MUST_CHECK;
int sql_parse_analyze(struct sql_parser *p, struct sql_statement *s) MUST_CHECK;
int sql_parse_show(struct sql_parser *p, struct sql_statement *s) MUST_CHECK;
int sql_parse_describe(struct sql_parser *p, struct sql_statement *s) MUST_CHECK;
int sql_parse_use(struct sql_parser *p, struct sql_statement *s) MUST_CHECK;
int sql_parse_partition(struct sql_parser *p,
                        struct sql_partition *ret) MUST_CHECK; /* (a = 1, b) */
int sql_parse_elements(struct sql_parser *p,
                       struct sql_table_elements *ret) MUST_CHECK; /* ( ... ) of CREATE TABLE */
/* One element without parentheses, as ALTER TABLE has it. */
int sql_parse_element(struct sql_parser *p, struct vec *columns, struct vec *constraints,
                      struct vec *watermarks) MUST_CHECK;
void sql_take_elements(struct sql_parser *p, struct vec *columns, struct vec *constraints,
                       struct vec *watermarks, struct sql_table_elements *ret);
int sql_parse_distribution(struct sql_parser *p,
                           struct sql_distribution *ret) MUST_CHECK; /* behind DISTRIBUTION etc. */
int sql_parse_if(struct sql_parser *p, bool negated, bool *ret) MUST_CHECK; /* [IF [NOT] EXISTS] */
int sql_parse_as_query(struct sql_parser *p, struct sql_query **ret,
                       struct sql_span *ret_text) MUST_CHECK;
int sql_parse_language(struct sql_parser *p, enum sql_language *ret) MUST_CHECK; /* [LANGUAGE x] */
int sql_parse_refresh_mode(struct sql_parser *p, enum sql_refresh_mode *ret) MUST_CHECK;

#endif
