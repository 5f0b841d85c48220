#include "tree.h"

static void space(struct str *out)
{
    str_append_char(out, ' ');
}

static void slice_of(struct str *out, struct slice s)
{
    str_append_slice(out, s);
}

void tree_of_path(struct str *out, const struct sql_path *path)
{
    for (uint32_t i = 0; i < path->n; i++) {
        str_printf(out, "%s", i > 0 ? "." : "");
        slice_of(out, path->parts[i].text);
    }
}

static void tree_of_names(struct str *out, const struct sql_names *names)
{
    str_append_char(out, '[');
    for (uint32_t i = 0; i < names->n; i++) {
        str_printf(out, "%s", i > 0 ? " " : "");
        slice_of(out, names->items[i].text);
    }
    str_append_char(out, ']');
}

void tree_of_properties(struct str *out, const struct sql_properties *p)
{
    str_append_char(out, '{');
    for (uint32_t i = 0; i < p->n; i++) {
        str_printf(out, "%s%.*s=%.*s", i > 0 ? " " : "", (int)p->items[i].key.len,
                   p->items[i].key.data, (int)p->items[i].value.len, p->items[i].value.data);
    }
    str_append_char(out, '}');
}

static void tree_of_hints(struct str *out, const struct sql_hints *hints)
{
    for (uint32_t i = 0; i < hints->n; i++) {
        const struct sql_hint *h = &hints->items[i];
        str_append_cstr(out, " +");
        slice_of(out, h->name.text);
        if (h->properties.n > 0) {
            tree_of_properties(out, &h->properties);
        }
        for (uint32_t k = 0; k < h->n_values; k++) {
            str_append_char(out, ':');
            slice_of(out, h->values[k]);
        }
    }
}

static void tree_of_range(struct str *out, const struct sql_interval_range *r)
{
    str_append_cstr(out, sql_unit_name(r->from));
    if (r->leading_digits >= 0) {
        str_printf(out, "(%d)", r->leading_digits);
    }
    if (r->to != SQL_UNIT_NONE) {
        str_printf(out, "-%s", sql_unit_name(r->to));
    }
    if (r->second_digits >= 0) {
        str_printf(out, "(.%d)", r->second_digits);
    }
}

static const char *const type_names[SQL_TYPE_KIND_COUNT] = {
    "CHAR",      "VARCHAR",    "BINARY", "VARBINARY", "BOOLEAN", "DECIMAL",  "TINYINT",
    "SMALLINT",  "INT",        "BIGINT", "FLOAT",     "DOUBLE",  "DATE",     "TIME",
    "TIMESTAMP", "LTZ",        "TZ",     "INTERVAL",  "ARRAY",   "MULTISET", "MAP",
    "ROW",       "STRUCTURED", "RAW",    "NULL",      "VARIANT", "BITMAP",
};

void tree_of_type(struct str *out, const struct sql_type *t)
{
    str_append_cstr(out, t->is_max && t->kind == SQL_TYPE_VARCHAR ? "STRING"
                         : t->is_max                              ? "BYTES"
                                                                  : type_names[t->kind]);
    if (t->kind == SQL_TYPE_INTERVAL) {
        space(out);
        tree_of_range(out, &t->interval);
    }
    if (t->precision >= 0) {
        str_printf(out, "(%d", t->precision);
        str_printf(out, t->scale >= 0 ? ",%d)" : ")", t->scale);
    }
    if (t->element != NULL) {
        str_append_char(out, '<');
        tree_of_type(out, t->element);
        if (t->value != NULL) {
            space(out);
            tree_of_type(out, t->value);
        }
        str_append_char(out, '>');
    }
    if (t->class_name.data != NULL) {
        str_printf(out, "'%.*s'", (int)t->class_name.len, t->class_name.data);
    }
    for (uint32_t i = 0; i < t->n_fields; i++) {
        str_append_char(out, i == 0 ? '<' : ' ');
        if (t->fields[i].name.text.data != NULL) {
            slice_of(out, t->fields[i].name.text);
            str_append_char(out, ':');
        }
        tree_of_type(out, t->fields[i].type);
        str_append_cstr(out, i + 1 == t->n_fields ? ">" : "");
    }
    str_append_cstr(out, t->not_null ? "!" : "");
}

static void tree_of_literal(struct str *out, const struct sql_literal *l)
{
    static const char *const prefixes[] = {
        [SQL_LITERAL_DATE] = "DATE",           [SQL_LITERAL_TIME] = "TIME",
        [SQL_LITERAL_TIMESTAMP] = "TIMESTAMP", [SQL_LITERAL_TIMESTAMP_LTZ] = "LTZ",
        [SQL_LITERAL_INTERVAL] = "INTERVAL",
    };
    switch (l->kind) {
    case SQL_LITERAL_NULL:
        str_append_cstr(out, "NULL");
        return;
    case SQL_LITERAL_TRUE:
        str_append_cstr(out, "TRUE");
        return;
    case SQL_LITERAL_FALSE:
        str_append_cstr(out, "FALSE");
        return;
    case SQL_LITERAL_UNKNOWN:
        str_append_cstr(out, "UNKNOWN");
        return;
    case SQL_LITERAL_EXACT:
        slice_of(out, l->text);
        return;
    case SQL_LITERAL_APPROXIMATE:
        str_printf(out, "~%.*s", (int)l->text.len, l->text.data);
        return;
    case SQL_LITERAL_STRING:
        str_printf(out, "'%.*s'", (int)l->text.len, l->text.data);
        return;
    case SQL_LITERAL_BINARY:
        str_append_cstr(out, "x");
        str_append_hex(out, l->text.data, l->text.len);
        return;
    default:
        break;
    }
    str_printf(out, "%s'%.*s'", prefixes[l->kind], (int)l->text.len, l->text.data);
    if (l->kind == SQL_LITERAL_INTERVAL) {
        tree_of_range(out, &l->interval);
    }
}

static void tree_of_order(struct str *out, const struct sql_order_item *items, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        str_append_cstr(out, i > 0 ? " " : "");
        tree_of_expr(out, items[i].expr);
        str_append_cstr(out, items[i].is_descending ? " DESC" : "");
        str_append_cstr(out, items[i].nulls == SQL_NULLS_FIRST  ? " NF"
                             : items[i].nulls == SQL_NULLS_LAST ? " NL"
                                                                : "");
    }
}

static void tree_of_exprs(struct str *out, struct sql_expr *const *exprs, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        space(out);
        tree_of_expr(out, exprs[i]);
    }
}

static void tree_of_bound(struct str *out, const struct sql_bound *b)
{
    static const char *const names[] = {"-inf", "-", "0", "+", "+inf"};
    str_printf(out, " %s", names[b->kind]);
    if (b->offset != NULL) {
        tree_of_expr(out, b->offset);
    }
}

static void tree_of_window(struct str *out, const struct sql_window *w)
{
    str_append_cstr(out, "{");
    slice_of(out, w->name.text);
    if (w->n_partition > 0) {
        str_append_cstr(out, "by");
        tree_of_exprs(out, w->partition, w->n_partition);
    }
    if (w->n_order > 0) {
        str_append_cstr(out, " order ");
        tree_of_order(out, w->order, w->n_order);
    }
    if (w->frame != SQL_FRAME_NONE) {
        str_append_cstr(out, w->frame == SQL_FRAME_ROWS ? " rows" : " range");
        tree_of_bound(out, &w->from);
        tree_of_bound(out, &w->to);
    }
    str_append_cstr(out, "}");
}

static void tree_of_call(struct str *out, const struct sql_call *c)
{
    str_append_char(out, '(');
    tree_of_path(out, &c->name);
    str_append_cstr(out, (c->flags & SQL_CALL_DISTINCT) != 0 ? " distinct" : "");
    str_append_cstr(out, (c->flags & SQL_CALL_NO_PARENS) != 0 ? " bare" : "");
    for (uint32_t i = 0; i < c->n_args; i++) {
        space(out);
        if (c->args[i].name.text.data != NULL) {
            str_printf(out, "%.*s=>", (int)c->args[i].name.text.len, c->args[i].name.text.data);
        }
        tree_of_expr(out, c->args[i].expr);
    }
    if (c->n_within > 0) {
        str_append_cstr(out, " within ");
        tree_of_order(out, c->within, c->n_within);
    }
    str_append_cstr(out, (c->flags & SQL_CALL_IGNORE_NULLS) != 0 ? " ignore-nulls" : "");
    str_append_cstr(out, (c->flags & SQL_CALL_RESPECT_NULLS) != 0 ? " respect-nulls" : "");
    if (c->filter != NULL) {
        str_append_cstr(out, " filter ");
        tree_of_expr(out, c->filter);
    }
    if (c->over != NULL) {
        str_append_cstr(out, " over ");
        tree_of_window(out, c->over);
    }
    str_append_char(out, ')');
}

static void tree_of_symbol(struct str *out, const struct sql_expr *e)
{
    str_printf(out, "#%s",
               e->symbol == SQL_SYMBOL_UNIT ? sql_unit_name(e->unit) : sql_symbol_name(e->symbol));
    if (e->type != NULL) {
        space(out);
        tree_of_type(out, e->type);
    }
}

static void tree_of_table_argument(struct str *out, const struct sql_table_argument *t)
{
    str_append_cstr(out, "(table ");
    tree_of_path(out, &t->name);
    if (t->query != NULL) {
        tree_of_query(out, t->query);
    }
    if (t->n_partition > 0) {
        str_append_cstr(out, " by");
        tree_of_exprs(out, t->partition, t->n_partition);
    }
    if (t->n_order > 0) {
        str_append_cstr(out, " order ");
        tree_of_order(out, t->order, t->n_order);
    }
    str_append_char(out, ')');
}

/* What stands behind the bracket of nodes that are (word operands...). */
static void head_of(struct str *out, const struct sql_expr *e)
{
    static const char *const is_names[] = {"NULL",   "TRUE",  "FALSE",  "UNKNOWN", "JSON",
                                           "OBJECT", "ARRAY", "SCALAR", "SET",     "EMPTY"};
    str_append_cstr(out, e->is_negated ? "NOT-" : "");
    switch (e->kind) {
    case SQL_EXPR_UNARY:
    case SQL_EXPR_BINARY:
    case SQL_EXPR_LOGIC:
        str_append_cstr(out, sql_operator_name(e->op));
        break;
    case SQL_EXPR_IS:
        str_printf(out, "IS-%s", is_names[e->is]);
        break;
    case SQL_EXPR_BETWEEN:
        str_append_cstr(out, e->is_symmetric ? "BETWEEN-SYM" : "BETWEEN");
        break;
    case SQL_EXPR_IN:
        str_append_cstr(out, "IN");
        break;
    case SQL_EXPR_QUANTIFIED:
        str_printf(out, "%s-%s", sql_operator_name(e->op),
                   e->quantifier == SQL_QUANTIFIER_ALL ? "ALL" : "SOME");
        break;
    case SQL_EXPR_EXISTS:
        str_append_cstr(out, "EXISTS");
        break;
    case SQL_EXPR_UNIQUE:
        str_append_cstr(out, "UNIQUE");
        break;
    case SQL_EXPR_CASE:
        str_append_cstr(out, "CASE");
        break;
    case SQL_EXPR_CAST:
        str_append_cstr(out, e->is_try ? "TRY_CAST" : "CAST");
        break;
    case SQL_EXPR_FIELD:
        str_append_cstr(out, ".");
        break;
    case SQL_EXPR_ITEM:
        str_append_cstr(out, "[]");
        break;
    case SQL_EXPR_ROW:
        str_append_cstr(out, "ROW");
        break;
    case SQL_EXPR_ARRAY:
        str_append_cstr(out, "ARRAY");
        break;
    case SQL_EXPR_MAP:
        str_append_cstr(out, "MAP");
        break;
    case SQL_EXPR_MULTISET:
        str_append_cstr(out, "MULTISET");
        break;
    case SQL_EXPR_QUERY:
        str_append_cstr(out, "QUERY");
        break;
    case SQL_EXPR_DESCRIPTOR:
        str_append_cstr(out, "DESCRIPTOR");
        break;
    case SQL_EXPR_INTERVAL:
        str_append_cstr(out, "INTERVAL");
        break;
    default:
        str_append_cstr(out, "?");
        break;
    }
}

void tree_of_expr(struct str *out, const struct sql_expr *e)
{
    switch (e->kind) {
    case SQL_EXPR_LITERAL:
        tree_of_literal(out, &e->literal);
        return;
    case SQL_EXPR_COLUMN:
        tree_of_path(out, &e->column);
        return;
    case SQL_EXPR_STAR:
        tree_of_path(out, &e->column);
        str_append_cstr(out, e->column.n > 0 ? ".*" : "*");
        return;
    case SQL_EXPR_CALL:
        tree_of_call(out, e->call);
        return;
    case SQL_EXPR_TABLE:
        tree_of_table_argument(out, e->table);
        return;
    case SQL_EXPR_SYMBOL:
        tree_of_symbol(out, e);
        return;
    case SQL_EXPR_DEFAULT:
        str_append_cstr(out, "DEFAULT");
        return;
    case SQL_EXPR_MODEL:
        str_append_cstr(out, "model:");
        tree_of_path(out, &e->column);
        return;
    default:
        break;
    }
    str_append_char(out, '(');
    head_of(out, e);
    if (e->case_value != NULL) {
        str_append_cstr(out, " of ");
        tree_of_expr(out, e->case_value);
    }
    tree_of_exprs(out, e->operands, e->n_operands);
    if (e->query != NULL) {
        space(out);
        tree_of_query(out, e->query);
    }
    if (e->kind == SQL_EXPR_CAST) {
        space(out);
        tree_of_type(out, e->type);
    }
    if (e->kind == SQL_EXPR_FIELD) {
        space(out);
        slice_of(out, e->field.text.data != NULL ? e->field.text : SLICE_LIT("*"));
    }
    if (e->kind == SQL_EXPR_INTERVAL) {
        space(out);
        tree_of_range(out, &e->interval);
    }
    str_append_char(out, ')');
}

/* ---- queries --------------------------------------------------------------------------------------- */

static void tree_of_alias(struct str *out, const struct sql_alias *a)
{
    if (a->name.text.data != NULL) {
        str_printf(out, " as %.*s", (int)a->name.text.len, a->name.text.data);
        if (a->columns.n > 0) {
            tree_of_names(out, &a->columns);
        }
    }
}

static void tree_of_relation(struct str *out, const struct sql_relation *r);

static void tree_of_join(struct str *out, const struct sql_join *j)
{
    static const char *const kinds[] = {"join", "left", "right", "full", "cross", "comma"};
    str_printf(out, "(%s%s ", j->is_natural ? "natural-" : "", kinds[j->kind]);
    tree_of_relation(out, j->left);
    space(out);
    tree_of_relation(out, j->right);
    if (j->condition != NULL) {
        str_append_cstr(out, " on ");
        tree_of_expr(out, j->condition);
    }
    if (j->using_columns.n > 0) {
        str_append_cstr(out, " using ");
        tree_of_names(out, &j->using_columns);
    }
    str_append_char(out, ')');
}

static void tree_of_match(struct str *out, const struct sql_match *m)
{
    str_append_cstr(out, "(match ");
    tree_of_relation(out, m->input);
    if (m->n_partition > 0) {
        str_append_cstr(out, " by");
        tree_of_exprs(out, m->partition, m->n_partition);
    }
    str_append_cstr(out, " order ");
    tree_of_order(out, m->order, m->n_order);
    for (uint32_t i = 0; i < m->n_measures; i++) {
        str_printf(out, " %.*s:", (int)m->measures[i].name.text.len, m->measures[i].name.text.data);
        tree_of_expr(out, m->measures[i].expr);
    }
    str_printf(out, " after%d", m->after);
    slice_of(out, m->skip_to.text);
    str_append_cstr(out, " pattern");
    for (uint32_t i = 0; i < m->n_pattern; i++) {
        const struct sql_pattern_item *item = &m->pattern[i];
        str_printf(out, " %.*s{%d,%d}%s", (int)item->variable.text.len, item->variable.text.data,
                   item->least, item->most, item->is_reluctant ? "?" : "");
    }
    if (m->within != NULL) {
        str_append_cstr(out, " within ");
        tree_of_expr(out, m->within);
    }
    for (uint32_t i = 0; i < m->n_defines; i++) {
        str_printf(out, " %.*s:", (int)m->defines[i].name.text.len, m->defines[i].name.text.data);
        tree_of_expr(out, m->defines[i].expr);
    }
    str_append_char(out, ')');
}

static void tree_of_relation(struct str *out, const struct sql_relation *r)
{
    str_append_cstr(out, r->is_lateral ? "lateral " : "");
    switch (r->kind) {
    case SQL_RELATION_TABLE:
        tree_of_path(out, &r->name);
        tree_of_hints(out, &r->hints);
        break;
    case SQL_RELATION_QUERY:
        tree_of_query(out, r->query);
        break;
    case SQL_RELATION_FUNCTION:
        tree_of_expr(out, r->call);
        break;
    case SQL_RELATION_UNNEST:
        str_append_cstr(out, "(unnest");
        tree_of_exprs(out, r->operands, r->n_operands);
        str_append_cstr(out, r->with_ordinality ? " ordinality)" : ")");
        break;
    case SQL_RELATION_JOIN:
        tree_of_join(out, r->join);
        break;
    default:
        tree_of_match(out, r->match);
        break;
    }
    if (r->system_time != NULL) {
        str_append_cstr(out, " at ");
        tree_of_expr(out, r->system_time);
    }
    tree_of_alias(out, &r->alias);
}

static void tree_of_groups(struct str *out, const struct sql_group_item *items, uint32_t n)
{
    static const char *const kinds[] = {"", "list", "sets", "rollup", "cube"};
    for (uint32_t i = 0; i < n; i++) {
        space(out);
        if (items[i].kind == SQL_GROUP_EXPR) {
            tree_of_expr(out, items[i].exprs[0]);
            continue;
        }
        str_printf(out, "(%s", kinds[items[i].kind]);
        tree_of_exprs(out, items[i].exprs, items[i].n_exprs);
        tree_of_groups(out, items[i].items, items[i].n_items);
        str_append_char(out, ')');
    }
}

static void clause(struct str *out, const char *name, const struct sql_expr *e)
{
    if (e != NULL) {
        str_printf(out, " %s ", name);
        tree_of_expr(out, e);
    }
}

static void tree_of_select(struct str *out, const struct sql_select *s)
{
    str_append_cstr(out, "(select");
    tree_of_hints(out, &s->hints);
    str_append_cstr(out, s->is_distinct ? " distinct" : "");
    for (uint32_t i = 0; i < s->n_items; i++) {
        space(out);
        tree_of_expr(out, s->items[i].expr);
        if (s->items[i].alias.text.data != NULL) {
            str_printf(out, "=%.*s", (int)s->items[i].alias.text.len, s->items[i].alias.text.data);
        }
    }
    if (s->from != NULL) {
        str_append_cstr(out, " from ");
        tree_of_relation(out, s->from);
    }
    clause(out, "where", s->where);
    if (s->has_group) {
        str_append_cstr(out, " group");
        tree_of_groups(out, s->groups, s->n_groups);
    }
    clause(out, "having", s->having);
    for (uint32_t i = 0; i < s->n_windows; i++) {
        str_printf(out, " window %.*s", (int)s->windows[i].name.text.len,
                   s->windows[i].name.text.data);
        tree_of_window(out, s->windows[i].window);
    }
    clause(out, "qualify", s->qualify);
    str_append_char(out, ')');
}

static void tree_of_body(struct str *out, const struct sql_body *b)
{
    static const char *const ops[] = {"union", "intersect", "except"};
    switch (b->kind) {
    case SQL_BODY_SELECT:
        tree_of_select(out, b->select);
        return;
    case SQL_BODY_VALUES:
        str_append_cstr(out, "(values");
        tree_of_exprs(out, b->rows, b->n_rows);
        str_append_char(out, ')');
        return;
    case SQL_BODY_TABLE:
        str_append_cstr(out, "(table ");
        tree_of_path(out, &b->table);
        str_append_char(out, ')');
        return;
    case SQL_BODY_QUERY:
        tree_of_query(out, b->query);
        return;
    default:
        break;
    }
    str_printf(out, "(%s%s ", ops[b->set_op], b->is_all ? "-all" : "");
    tree_of_body(out, b->left);
    space(out);
    tree_of_body(out, b->right);
    str_append_char(out, ')');
}

void tree_of_query(struct str *out, const struct sql_query *q)
{
    for (uint32_t i = 0; i < q->n_ctes; i++) {
        str_printf(out, "with %.*s", (int)q->ctes[i].name.text.len, q->ctes[i].name.text.data);
        if (q->ctes[i].columns.n > 0) {
            tree_of_names(out, &q->ctes[i].columns);
        }
        str_append_cstr(out, " is ");
        tree_of_query(out, q->ctes[i].query);
        space(out);
    }
    tree_of_body(out, q->body);
    if (q->n_order > 0) {
        str_append_cstr(out, " order ");
        tree_of_order(out, q->order, q->n_order);
    }
    clause(out, "limit", q->limit);
    clause(out, "offset", q->offset);
}
