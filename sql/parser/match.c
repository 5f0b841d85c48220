/* MATCH_RECOGNIZE.  The pattern is a row of variables with how often each may come: alternatives, groups, exclusions,
 * anchors and PERMUTE are not of the dialect and are refused by name.  Thread: any. */
#include "sql/parser/inside.h"

static int parse_measures(struct sql_parser *p, bool name_first, struct sql_match_measure **ret,
                          uint32_t *ret_n)
{
    CLEANUP(vec_fini) struct vec items = VEC_INIT(struct sql_match_measure);
    int rc;
    do {
        struct sql_match_measure m = {0}, *slot = NULL;
        TRY(name_first ? sql_parse_name(p, &m.name) : 0);
        if (p->tokens[0].keyword == SQL_KW_FINAL || p->tokens[0].keyword == SQL_KW_RUNNING) {
            return sql_fail_because(p, "FINAL and RUNNING are not supported in MATCH_RECOGNIZE");
        }
        TRY(name_first ? sql_expect_kw(p, SQL_KW_AS) : 0);
        TRY(sql_parse_expr(p, &m.expr));
        if (!name_first) {
            TRY(sql_expect_kw(p, SQL_KW_AS));
            TRY(sql_parse_name(p, &m.name));
        }
        TRY(sql_push(p, &items, &slot));
        *slot = m;
        rc = sql_accept(p, SQL_TOKEN_COMMA);
        TRY(rc);
    } while (rc > 0);
    *ret = sql_take_items(p, &items, ret_n);
    return 0;
}

/* ONE ROW PER MATCH, ALL ROWS PER MATCH */
static int parse_rows_per_match(struct sql_parser *p, struct sql_match *m)
{
    int rc = sql_accept_kw(p, SQL_KW_ONE);
    TRY(rc);
    if (rc > 0) {
        return sql_expect_kws(p, SQL_KW_ROW, SQL_KW_PER, SQL_KW_MATCH);
    }
    TRY(sql_flag_kw(p, SQL_KW_ALL, &m->all_rows));
    return m->all_rows ? sql_expect_kws(p, SQL_KW_ROWS, SQL_KW_PER, SQL_KW_MATCH) : 0;
}

/* [AFTER MATCH SKIP PAST LAST ROW | TO NEXT ROW | TO FIRST v | TO LAST v] */
static int parse_after_match(struct sql_parser *p, struct sql_match *m)
{
    int rc = sql_accept_kw(p, SQL_KW_AFTER);
    if (rc <= 0) {
        return rc;
    }
    TRY(sql_expect_kws(p, SQL_KW_MATCH, SQL_KW_SKIP, SQL_KEYWORD_NONE));
    rc = sql_accept_kw(p, SQL_KW_PAST);
    TRY(rc);
    if (rc > 0) {
        m->after = SQL_AFTER_MATCH_PAST_LAST_ROW;
        return sql_expect_kws(p, SQL_KW_LAST, SQL_KW_ROW, SQL_KEYWORD_NONE);
    }
    TRY(sql_expect_kw(p, SQL_KW_TO));
    rc = sql_accept_kws(p, SQL_KW_NEXT, SQL_KW_ROW);
    TRY(rc);
    if (rc > 0) {
        m->after = SQL_AFTER_MATCH_NEXT_ROW;
        return 0;
    }
    rc = sql_accept_kw(p, SQL_KW_FIRST);
    TRY(rc);
    m->after = rc > 0 ? SQL_AFTER_MATCH_FIRST : SQL_AFTER_MATCH_LAST;
    if (rc == 0) {
        rc = sql_accept_kw(p, SQL_KW_LAST);
        TRY(rc);
    }
    return sql_parse_name(p, &m->skip_to);
}

/* {n}, {n,}, {n,m}, {,m}; the brace was stepped over. */
static int parse_braces(struct sql_parser *p, struct sql_pattern_item *item)
{
    if (p->tokens[0].kind == SQL_TOKEN_MINUS) {
        return sql_fail_because(p, "Exclusions {- -} are not supported in patterns");
    }
    item->least = 0;
    item->most = SQL_REPEAT_UNBOUNDED;
    bool has_least = sql_at(p, SQL_TOKEN_INTEGER);
    if (has_least) {
        TRY(sql_parse_uint(p, &item->least));
    }
    int rc = sql_accept(p, SQL_TOKEN_COMMA);
    TRY(rc);
    if (rc == 0) {
        item->most = item->least;
        return has_least ? sql_expect(p, SQL_TOKEN_RIGHT_BRACE) : sql_fail(p);
    }
    if (!has_least || p->tokens[0].kind == SQL_TOKEN_INTEGER) {
        struct sql_span span = p->tokens[0].span;
        TRY(sql_parse_uint(p, &item->most));
        if (item->most < item->least) {
            return sql_fail_at(p, span, "At most %d is less than at least %d", item->most,
                               item->least);
        }
    }
    return sql_expect(p, SQL_TOKEN_RIGHT_BRACE);
}

static int parse_quantifier(struct sql_parser *p, struct sql_pattern_item *item)
{
    item->least = item->most = 1;
    switch (p->tokens[0].kind) {
    case SQL_TOKEN_STAR:
        item->least = 0, item->most = SQL_REPEAT_UNBOUNDED;
        break;
    case SQL_TOKEN_PLUS:
        item->most = SQL_REPEAT_UNBOUNDED;
        break;
    case SQL_TOKEN_QUESTION:
        item->least = 0;
        break;
    case SQL_TOKEN_LEFT_BRACE:
        break;
    default:
        return 0;
    }
    bool is_optional = p->tokens[0].kind == SQL_TOKEN_QUESTION,
         has_braces = p->tokens[0].kind == SQL_TOKEN_LEFT_BRACE;
    TRY(sql_next(p));
    TRY(has_braces ? parse_braces(p, item) : 0);
    if (p->tokens[0].kind == SQL_TOKEN_QUESTION) {
        if (is_optional) {
            return sql_fail_because(p, "The reluctant form of ? is not supported in patterns");
        }
        item->is_reluctant = true;
        return sql_next(p);
    }
    return 0;
}

static int parse_pattern(struct sql_parser *p, struct sql_match *m)
{
    CLEANUP(vec_fini) struct vec items = VEC_INIT(struct sql_pattern_item);
    TRY(sql_expect_kw(p, SQL_KW_PATTERN));
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    do {
        struct sql_pattern_item *item = NULL;
        switch (p->tokens[0].kind) {
        case SQL_TOKEN_LEFT_PAREN:
            return sql_fail_because(p, "Groups are not supported in patterns");
        case SQL_TOKEN_PIPE:
            return sql_fail_because(p, "Alternatives (|) are not supported in patterns");
        case SQL_TOKEN_LEFT_BRACE:
            return sql_fail_because(p, "Exclusions {- -} are not supported in patterns");
        case SQL_TOKEN_CARET:
        case SQL_TOKEN_DOLLAR:
            return sql_fail_because(p, "The anchors ^ and $ are not supported in patterns");
        default:
            break;
        }
        if (p->tokens[0].keyword == SQL_KW_PERMUTE) {
            return sql_fail_because(p, "PERMUTE is not supported in patterns");
        }
        TRY(sql_push(p, &items, &item));
        TRY(sql_parse_name(p, &item->variable));
        TRY(parse_quantifier(p, item));
    } while (!sql_at(p, SQL_TOKEN_RIGHT_PAREN));
    m->pattern = sql_take_items(p, &items, &m->n_pattern);
    return sql_next(p);
}

static int parse_inside(struct sql_parser *p, struct sql_match *m)
{
    TRY(sql_parse_partition_by(p, &m->partition, &m->n_partition));
    int rc = sql_accept_kws(p, SQL_KW_ORDER, SQL_KW_BY);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_parse_order(p, &m->order, &m->n_order));
    }
    rc = sql_accept_kw(p, SQL_KW_MEASURES);
    TRY(rc);
    if (rc > 0) {
        TRY(parse_measures(p, false, &m->measures, &m->n_measures));
    }
    TRY(parse_rows_per_match(p, m));
    TRY(parse_after_match(p, m));
    TRY(parse_pattern(p, m));
    rc = sql_accept_kw(p, SQL_KW_WITHIN);
    TRY(rc);
    if (rc > 0) {
        TRY(sql_parse_operand(p, &m->within));
    }
    if (p->tokens[0].keyword == SQL_KW_SUBSET) {
        return sql_fail_because(p, "SUBSET is not supported in MATCH_RECOGNIZE");
    }
    TRY(sql_expect_kw(p, SQL_KW_DEFINE));
    return parse_measures(p, true, &m->defines, &m->n_defines);
}

int sql_parse_match(struct sql_parser *p, struct sql_relation *input, struct sql_relation **ret)
{
    struct sql_relation *r = arena_zalloc(p->arena, sizeof(*r));
    struct sql_match *m = arena_zalloc(p->arena, sizeof(*m));
    TRY(sql_next(p));
    TRY(sql_expect(p, SQL_TOKEN_LEFT_PAREN));
    TRY(parse_inside(p, m));
    TRY(sql_expect(p, SQL_TOKEN_RIGHT_PAREN));
    m->input = input;
    r->kind = SQL_RELATION_MATCH;
    r->match = m;
    r->span = sql_span_from(p, input->span.start);
    *ret = r;
    return 0;
}
