/* EXPLAIN: trees as text, in Flink's notation. */
#include "sql/plan/inside.h"

#include <inttypes.h>

struct explaining {
    struct sql_plan *p;
    struct str *out;
    uint32_t details;
    bool is_logical, with_reuse;
    struct map seen; /* node -> times, then -> reuse id */
    uint32_t n_reused;
};

/* ---- parts -------------------------------------------------------------------------------------------- */

static const char *name_of(const struct schema *s, uint32_t i)
{
    return i < s->n_fields ? s->fields[i].name : "?";
}

static void print_names(const struct schema *s, struct str *out)
{
    for (uint32_t i = 0; i < s->n_fields; i++) {
        str_printf(out, "%s%s", i > 0 ? ", " : "", s->fields[i].name);
    }
}

static void print_columns(const struct schema *s, struct rel_columns c, struct str *out)
{
    for (uint32_t i = 0; i < c.n; i++) {
        str_printf(out, "%s%s", i > 0 ? ", " : "", name_of(s, c.items[i]));
    }
}

static void print_order(const struct schema *s, struct rel_sort_keys keys, struct str *out)
{
    for (uint32_t i = 0; i < keys.n; i++) {
        const struct rel_sort_key *k = &keys.items[i];
        str_printf(out, "%s%s %s", i > 0 ? ", " : "", name_of(s, k->column),
                   k->descending ? "DESC" : "ASC");
        if (k->nulls_last != k->descending) {
            str_append_cstr(out, k->nulls_last ? " NULLS LAST" : " NULLS FIRST");
        }
    }
}

static void print_conditions(struct rel_exprs conds, const struct schema *s, struct str *out)
{
    if (conds.n > 1) {
        str_append_cstr(out, "AND(");
    }
    for (uint32_t i = 0; i < conds.n; i++) {
        str_append_cstr(out, i > 0 ? ", " : "");
        expr_print(conds.items[i], s, out);
    }
    str_append_cstr(out, conds.n > 1 ? ")" : "");
}

/* a, UPPER(b) AS u */
static void print_outputs(const struct rel *r, const struct schema *in, struct str *out)
{
    for (uint32_t i = 0; i < r->outputs.n; i++) {
        const struct expr *e = r->outputs.items[i];
        const char *name = r->schema->fields[i].name;
        str_append_cstr(out, i > 0 ? ", " : "");
        const size_t from = out->len;
        expr_print(e, in, out);
        const bool is_path = e->kind == EXPR_INPUT || e->kind == EXPR_FIELD;
        if (!is_path || strcmp(str_cstr(out) + from, name) != 0) {
            str_printf(out, " AS %s", name);
        }
    }
}

static void print_call(const struct rel_aggregate_call *c, const struct schema *in, struct str *out)
{
    str_printf(out, "%s(%s", c->function->name, c->distinct ? "DISTINCT " : "");
    print_columns(in, c->args, out);
    str_append_cstr(out, c->args.n == 0 && strcmp(c->function->name, "COUNT") == 0 ? "*)" : ")");
    if (c->order.n > 0) {
        str_append_cstr(out, " WITHIN GROUP (");
        print_order(in, c->order, out);
        str_append_char(out, ')');
    }
    if (c->has_filter) {
        str_printf(out, " FILTER %s", name_of(in, c->filter));
    }
}

/* ---- leaves ------------------------------------------------------------------------------------------- */

static void print_path(const struct schema *s, const struct table_path *path, struct str *out)
{
    const struct data_type *t = s->fields[path->fields[0]].type;
    str_append_cstr(out, s->fields[path->fields[0]].name);
    for (uint32_t i = 1; i < path->n; i++) {
        str_printf(out, "_%s", t->names[path->fields[i]]);
        t = t->children[path->fields[i]];
    }
}

static const char *const compare_names[] = {
    [TABLE_EQ] = "=",
    [TABLE_NE] = "<>",
    [TABLE_LT] = "<",
    [TABLE_LE] = "<=",
    [TABLE_GT] = ">",
    [TABLE_GE] = ">=",
    [TABLE_IN] = "IN",
    [TABLE_IS_NULL] = "IS NULL",
    [TABLE_IS_NOT_NULL] = "IS NOT NULL",
};

static void print_literal(struct sql_plan *p, const struct table_literal *l, struct str *out)
{
    struct expr_value v = {.is_null = false};
    switch (l->type->layout) {
    case LAYOUT_BIT:
        v.boolean = l->whole != 0;
        break;
    case LAYOUT_I128:
        v.wide = l->wide;
        break;
    case LAYOUT_F32:
    case LAYOUT_F64:
        v.real = l->number;
        break;
    case LAYOUT_TS_NANO:
        v.timestamp = l->nano;
        break;
    case LAYOUT_VIEW:
        v.bytes = l->bytes;
        break;
    default:
        v.integer = l->whole;
        break;
    }
    expr_print(expr_literal(p->pool, type_ref(l->type), v), NULL, out);
}

static void print_filters(struct sql_plan *p, const struct table *t, const struct table_scan *s,
                          struct str *out)
{
    for (uint32_t i = 0; i < s->n_filters; i++) {
        const struct table_predicate *f = &s->filters[i];
        str_append_cstr(out, i > 0 ? ", " : "");
        print_path(t->schema, &f->column, out);
        str_printf(out, " %s", compare_names[f->compare]);
        for (uint32_t k = 0; k < f->n_values; k++) {
            str_append_cstr(out, k > 0 ? ", " : f->compare == TABLE_IN ? " (" : " ");
            print_literal(p, &f->values[k], out);
        }
        str_append_cstr(out, f->compare == TABLE_IN ? ")" : "");
    }
}

static void print_scan(struct explaining *x, const struct rel *r)
{
    const struct rel_table *t = r->scan.table;
    const struct table_scan *s = &r->scan.request;
    str_printf(x->out, "table=[[%s, %s, %s", t->id.catalog, t->id.database, t->id.name);
    if (s->n_filters > 0) {
        str_append_cstr(x->out, ", filter=[");
        print_filters(x->p, &t->table, s, x->out);
        str_append_char(x->out, ']');
    }
    if (s->columns != NULL) {
        str_append_cstr(x->out, ", project=[");
        for (uint32_t i = 0; i < s->n_columns; i++) {
            str_append_cstr(x->out, i > 0 ? ", " : "");
            print_path(t->table.schema, &s->columns[i], x->out);
        }
        str_append_char(x->out, ']');
    }
    if (s->n_metadata > 0) {
        str_append_cstr(x->out, ", metadata=[");
        for (uint32_t i = 0; i < s->n_metadata; i++) {
            str_printf(x->out, "%s%s", i > 0 ? ", " : "", s->metadata[i]);
        }
        str_append_char(x->out, ']');
    }
    if (s->has_limit) {
        str_printf(x->out, ", limit=[%" PRId64 "]", s->limit);
    }
    if (s->watermark != NULL) {
        str_printf(x->out, ", watermark=[%s - %" PRId64 " ms]",
                   name_of(r->schema, s->watermark->column), s->watermark->delay_ms);
    }
    str_append_cstr(x->out, "]]");
    if (!x->is_logical) {
        str_append_cstr(x->out, ", fields=[");
        print_names(r->schema, x->out);
        str_append_char(x->out, ']');
    }
}

enum { ROWS_SHOWN = 100 };

static void print_values(struct explaining *x, const struct rel *r)
{
    const uint32_t n = r->schema->n_fields;
    str_append_cstr(x->out, "tuples=[[");
    for (uint32_t row = 0; row < MIN(r->values.n_rows, (uint32_t)ROWS_SHOWN); row++) {
        str_append_cstr(x->out, row > 0 ? ", { " : "{ ");
        for (uint32_t i = 0; i < n; i++) {
            str_append_cstr(x->out, i > 0 ? ", " : "");
            if (r->values.cells[(size_t)row * n + i].is_null) {
                str_append_cstr(x->out, "null");
                continue;
            }
            expr_print(expr_literal(x->p->pool, type_ref(r->schema->fields[i].type),
                                    r->values.cells[(size_t)row * n + i]),
                       NULL, x->out);
        }
        str_append_cstr(x->out, " }");
    }
    str_append_cstr(x->out, r->values.n_rows > ROWS_SHOWN ? ", ...]]" : "]]");
    if (!x->is_logical) {
        str_append_cstr(x->out, ", values=[");
        print_names(r->schema, x->out);
        str_append_char(x->out, ']');
    }
}

/* ---- joins -------------------------------------------------------------------------------------------- */

static const char *const join_names[] = {"InnerJoin",     "LeftOuterJoin", "RightOuterJoin",
                                         "FullOuterJoin", "LeftSemiJoin",  "LeftAntiJoin"};
static const char *const logical_join_names[] = {"inner", "left", "right", "full", "semi", "anti"};

/* The columns of both sides. */
static struct schema *both_sides(const struct rel *r)
{
    const struct schema *l = r->inputs[0]->schema, *s = r->inputs[1]->schema;
    const uint32_t n = l->n_fields + s->n_fields;
    if (n == r->schema->n_fields) {
        return schema_ref(r->schema);
    }
    const char **names = mem_alloc((n + 1) * sizeof(*names));
    struct data_type **types = mem_alloc((n + 1) * sizeof(struct data_type *));
    for (uint32_t i = 0; i < n; i++) {
        const struct field *f = i < l->n_fields ? &l->fields[i] : &s->fields[i - l->n_fields];
        names[i] = f->name;
        types[i] = type_ref(f->type);
    }
    struct schema *both = n <= SCHEMA_FIELDS_MAX ? schema_new(names, types, n) : schema_ref(l);
    mem_free(names);
    mem_free(types);
    return both;
}

static void print_join(struct explaining *x, const struct rel *r)
{
    const struct rel_join *j = &r->join;
    struct schema *both = both_sides(r);
    const uint32_t n_left = r->inputs[0]->schema->n_fields;
    if (x->is_logical) {
        str_append_cstr(x->out, "condition=[");
        if (j->conditions.n == 0) {
            str_append_cstr(x->out, "true");
        }
        print_conditions(j->conditions, NULL, x->out);
        str_printf(x->out, "], joinType=[%s]", logical_join_names[j->type]);
        schema_unref(both);
        return;
    }
    str_printf(x->out, "joinType=[%s], where=[", join_names[j->type]);
    const uint32_t parts = j->left_keys.n + j->conditions.n;
    str_append_cstr(x->out, parts > 1 ? "AND(" : parts == 0 ? "true" : "");
    for (uint32_t i = 0; i < j->left_keys.n; i++) {
        str_printf(x->out, "%s(%s %s %s)", i > 0 ? ", " : "", name_of(both, j->left_keys.items[i]),
                   j->null_equal[i] ? "IS NOT DISTINCT FROM" : "=",
                   name_of(both, n_left + j->right_keys.items[i]));
    }
    for (uint32_t i = 0; i < j->conditions.n; i++) {
        str_append_cstr(x->out, i + j->left_keys.n > 0 ? ", " : "");
        expr_print(j->conditions.items[i], both, x->out);
    }
    str_append_cstr(x->out, parts > 1 ? ")], select=[" : "], select=[");
    print_names(r->schema, x->out);
    str_append_cstr(x->out, j->is_broadcast ? "], isBroadcast=[true" : "");
    str_printf(x->out, "], build=[%s]", j->build_left ? "left" : "right");
    if (j->null_aware) {
        str_append_cstr(x->out, ", nullAware=[true]");
    }
    schema_unref(both);
}

/* ---- aggregates, windows ------------------------------------------------------------------------------ */

static void print_aggregate(struct explaining *x, const struct rel *r)
{
    const struct rel_aggregate *a = &r->aggregate;
    const struct schema *in = r->inputs[0]->schema;
    if (x->is_logical) {
        str_append_cstr(x->out, "group=[{");
        for (uint32_t i = 0; i < a->keys.n; i++) {
            str_printf(x->out, "%s%u", i > 0 ? ", " : "", a->keys.items[i]);
        }
        str_append_cstr(x->out, "}]");
        for (uint32_t i = 0; i < a->n_calls; i++) {
            str_printf(x->out, ", %s=[", a->calls[i].name);
            print_call(&a->calls[i], in, x->out);
            str_append_char(x->out, ']');
        }
        return;
    }
    const bool is_local = a->phase == FLINC__AGGREGATE_PHASE__AGGREGATE_LOCAL;
    const bool is_merge = a->phase == FLINC__AGGREGATE_PHASE__AGGREGATE_GLOBAL;
    str_append_cstr(x->out, is_merge ? "isMerge=[true], " : "");
    if (a->keys.n > 0) {
        str_append_cstr(x->out, "groupBy=[");
        print_columns(in, a->keys, x->out);
        str_append_cstr(x->out, "], ");
    }
    str_append_cstr(x->out, "select=[");
    print_columns(in, a->keys, x->out);
    for (uint32_t i = 0, at = a->keys.n; i < a->n_calls; i++) {
        const uint32_t n = is_local ? a->n_parts[i] : 1;
        str_append_cstr(x->out, i + a->keys.n > 0 ? ", " : "");
        str_append_cstr(x->out, is_local ? "Partial_" : is_merge ? "Final_" : "");
        print_call(&a->calls[i], in, x->out);
        str_append_cstr(x->out, n > 1 ? " AS (" : " AS ");
        for (uint32_t k = 0; k < n; k++, at++) {
            str_printf(x->out, "%s%s", k > 0 ? ", " : "", r->schema->fields[at].name);
        }
        str_append_cstr(x->out, n > 1 ? ")" : "");
    }
    str_append_char(x->out, ']');
}

static void print_bound(Flinc__OverBoundKind kind, const struct expr *value, struct str *out)
{
    static const char *const names[] = {"UNBOUNDED PRECEDING", " PRECEDING", "CURRENT ROW",
                                        " FOLLOWING", "UNBOUNDED FOLLOWING"};
    if (value != NULL) {
        expr_print(value, NULL, out);
    }
    str_append_cstr(out, names[kind]);
}

static void print_over(struct explaining *x, const struct rel *r)
{
    const struct rel_over *o = &r->over;
    const struct schema *in = r->inputs[0]->schema;
    str_append_cstr(x->out, "partitionBy=[");
    print_columns(in, o->partition, x->out);
    str_append_cstr(x->out, "], orderBy=[");
    print_order(in, o->order, x->out);
    str_append_char(x->out, ']');
    for (uint32_t i = 0; i < o->n_calls; i++) {
        const struct rel_over_call *c = &o->calls[i];
        str_printf(x->out, ", window#%u=[", i);
        print_call(&c->call, in, x->out);
        str_printf(x->out, " AS %s %s BETWEEN ", c->call.name,
                   c->unit == FLINC__OVER_FRAME_UNIT__OVER_ROWS ? "ROWS" : "RANGE");
        print_bound(c->lower, c->lower_value, x->out);
        str_append_cstr(x->out, " AND ");
        print_bound(c->upper, c->upper_value, x->out);
        str_append_char(x->out, ']');
    }
    str_append_cstr(x->out, ", select=[");
    print_names(r->schema, x->out);
    str_append_char(x->out, ']');
}

static void print_sort(struct explaining *x, const struct rel *r)
{
    const struct rel_sort *s = &r->sort;
    const char *between = "";
    if (s->keys.n > 0) {
        str_append_cstr(x->out, "orderBy=[");
        print_order(r->schema, s->keys, x->out);
        str_append_char(x->out, ']');
        between = ", ";
    }
    if (s->offset > 0 || s->has_fetch) {
        str_printf(x->out, "%soffset=[%" PRId64 "]", between, s->offset);
        between = ", ";
    }
    if (s->has_fetch) {
        str_printf(x->out, ", fetch=[%" PRId64 "]", s->fetch);
    }
    if (!x->is_logical && s->has_fetch) {
        str_printf(x->out, ", global=[%s]", s->is_global ? "true" : "false");
    }
}

/* ---- the rest ----------------------------------------------------------------------------------------- */

static void print_exchange(struct explaining *x, const struct rel *r)
{
    static const char *const names[] = {"single", "hash", "broadcast", "rebalance"};
    str_printf(x->out, "distribution=[%s", names[r->exchange.distribution]);
    if (r->exchange.distribution == REL_DISTRIBUTION_HASH) {
        str_append_char(x->out, '[');
        print_columns(r->schema, r->exchange.keys, x->out);
        str_append_char(x->out, ']');
    }
    str_append_char(x->out, ']');
}

static void print_unnest(struct explaining *x, const struct rel *r)
{
    const struct expr *e = r->unnest.collection;
    const bool is_function = e->kind == EXPR_CALL && e->function->kind == EXPR_TABLE_FUNCTION;
    str_append_cstr(x->out, is_function ? "invocation=[" : "invocation=[UNNEST(");
    expr_print(e, x->is_logical ? NULL : r->inputs[0]->schema, x->out);
    str_printf(x->out, "%s%s], joinType=[%s], select=[", is_function ? "" : ")",
               r->unnest.with_ordinality ? " WITH ORDINALITY" : "",
               r->unnest.is_left ? "LEFT" : "INNER");
    print_names(r->schema, x->out);
    str_append_char(x->out, ']');
    if (r->unnest.conditions.n > 0) {
        str_append_cstr(x->out, ", condition=[");
        print_conditions(r->unnest.conditions, r->schema, x->out);
        str_append_char(x->out, ']');
    }
}

static void print_expand(struct explaining *x, const struct rel *r)
{
    const uint32_t n = r->inputs[0]->schema->n_fields;
    str_append_cstr(x->out, "projects=[");
    for (uint32_t s = 0; s < MIN(r->expand.n_sets, (uint32_t)ROWS_SHOWN); s++) {
        str_append_cstr(x->out, s > 0 ? ", {" : "{");
        for (uint32_t i = 0; i < n; i++) {
            str_printf(x->out, "%s, ",
                       r->expand.keep[s * n + i] ? r->schema->fields[i].name : "null");
        }
        str_printf(x->out, "%" PRId64 " AS $e}", r->expand.ids[s]);
    }
    str_append_char(x->out, ']');
}

static void print_sink(struct explaining *x, const struct rel *r)
{
    const struct sql_identifier *id = r->kind == REL_SINK ? &r->sink.table->id : NULL;
    if (id == NULL) {
        str_append_cstr(x->out, "table=[*anonymous_collect$*], fields=[");
    } else {
        str_printf(x->out, "table=[%s.%s.%s], fields=[", id->catalog, id->database, id->name);
    }
    print_names(id != NULL ? r->sink.query : r->inputs[0]->schema, x->out);
    str_append_char(x->out, ']');
    if (id != NULL && r->sink.request.overwrite) {
        str_append_cstr(x->out, ", overwrite=[true]");
    }
}

static void print_project(struct explaining *x, const struct rel *r)
{
    for (uint32_t i = 0; i < r->outputs.n; i++) {
        str_printf(x->out, "%s%s=[", i > 0 ? ", " : "", r->schema->fields[i].name);
        expr_print(r->outputs.items[i], NULL, x->out);
        str_append_char(x->out, ']');
    }
}

static void print_calc(struct explaining *x, const struct rel *r)
{
    str_append_cstr(x->out, "select=[");
    print_outputs(r, r->inputs[0]->schema, x->out);
    str_append_char(x->out, ']');
    if (r->conditions.n > 0) {
        str_append_cstr(x->out, ", where=[");
        print_conditions(r->conditions, r->inputs[0]->schema, x->out);
        str_append_char(x->out, ']');
    }
}

static void print_body(struct explaining *x, const struct rel *r)
{
    switch (r->kind) {
    case REL_SCAN:
        print_scan(x, r);
        break;
    case REL_VALUES:
        print_values(x, r);
        break;
    case REL_FILTER:
        str_append_cstr(x->out, "condition=[");
        print_conditions(r->conditions, NULL, x->out);
        str_append_char(x->out, ']');
        break;
    case REL_PROJECT:
        print_project(x, r);
        break;
    case REL_CALC:
        print_calc(x, r);
        break;
    case REL_JOIN:
        print_join(x, r);
        break;
    case REL_AGGREGATE:
        print_aggregate(x, r);
        break;
    case REL_OVER:
        print_over(x, r);
        break;
    case REL_SORT:
        print_sort(x, r);
        break;
    case REL_UNION:
    case REL_INTERSECT:
    case REL_EXCEPT:
        str_printf(x->out, "all=[%s]", r->is_all ? "true" : "false");
        if (!x->is_logical) {
            str_append_cstr(x->out, ", union=[");
            print_names(r->schema, x->out);
            str_append_char(x->out, ']');
        }
        break;
    case REL_UNNEST:
        print_unnest(x, r);
        break;
    case REL_WATERMARK:
        str_printf(x->out, "rowtime=[%s], watermark=[", name_of(r->schema, r->watermark.rowtime));
        expr_print(r->watermark.value, x->is_logical ? NULL : r->schema, x->out);
        str_append_char(x->out, ']');
        break;
    case REL_EXPAND:
        print_expand(x, r);
        break;
    case REL_EXCHANGE:
        print_exchange(x, r);
        break;
    case REL_SINK:
    case REL_COLLECT:
        print_sink(x, r);
        break;
    default:
        break;
    }
}

static const char *kind_name(const struct explaining *x, const struct rel *r)
{
    if (x->is_logical || r->kind == REL_SINK || r->kind == REL_COLLECT) {
        return r->kind == REL_SCAN ? "TableScan" : rel_kind_name(r->kind);
    }
    switch (r->kind) {
    case REL_JOIN:
        return r->join.left_keys.n > 0 ? "HashJoin" : "NestedLoopJoin";
    case REL_AGGREGATE:
        return r->aggregate.phase == FLINC__AGGREGATE_PHASE__AGGREGATE_LOCAL ? "LocalHashAggregate"
                                                                             : "HashAggregate";
    case REL_SORT:
        return r->sort.keys.n == 0 ? "Limit" : r->sort.has_fetch ? "SortLimit" : "Sort";
    default:
        return rel_kind_name(r->kind);
    }
}

static void print_details(struct explaining *x, const struct rel *r)
{
    if ((x->details & SQL_EXPLAIN_CHANGELOG_MODE) != 0 && !x->is_logical && r->kind != REL_SINK &&
        r->kind != REL_COLLECT) {
        static const char *const names[] = {"I", "UB", "UA", "D"};
        const char *between = "";
        str_append_cstr(x->out, ", changelogMode=[");
        for (uint32_t i = 0; i < ARRAY_LEN(names); i++) {
            if ((r->kinds & 1u << i) != 0) {
                str_printf(x->out, "%s%s", between, names[i]);
                between = ",";
            }
        }
        str_append_char(x->out, ']');
    }
}

static void print_cost(struct explaining *x, const struct rel *r)
{
    if ((x->details & SQL_EXPLAIN_ESTIMATED_COST) != 0 && !x->is_logical) {
        str_printf(x->out, ": rowcount = %.6G", plan_row_count(r));
    }
}

/* The part of a line before the node: `bars` says for each level above whether it goes on. */
static void print_indent(struct str *bars, struct str *out)
{
    for (size_t i = 0; i + 1 < bars->len; i++) {
        str_append_cstr(out, bars->data[i] == '1' ? ":  " : "   ");
    }
    if (bars->len > 0) {
        str_append_cstr(out, bars->data[bars->len - 1] == '1' ? ":- " : "+- ");
    }
}

static uintptr_t *reuse_of(struct explaining *x, const struct rel *r)
{
    return map_find_bytes(&x->seen, &r, sizeof(r));
}

/* True when only a reference to it is to be shown. */
static bool print_reuse(struct explaining *x, const struct rel *r, bool is_first)
{
    const uintptr_t *state = x->with_reuse ? reuse_of(x, r) : NULL;
    if (state == NULL || state[0] < 2) {
        return false;
    }
    if (is_first && state[1] == 0) {
        return false;
    }
    return true;
}

static void print_tree(struct explaining *x, const struct rel *r, struct str *bars)
{
    uintptr_t *state = x->with_reuse ? reuse_of(x, r) : NULL;
    print_indent(bars, x->out);
    if (print_reuse(x, r, state != NULL && state[1] == 0)) {
        str_printf(x->out, "Reused(reference_id=[%zu])\n", (size_t)state[1]);
        return;
    }
    str_printf(x->out, "%s%s(", x->is_logical ? "Logical" : "", kind_name(x, r));
    print_body(x, r);
    print_details(x, r);
    str_append_char(x->out, ')');
    if (state != NULL && state[0] >= 2) {
        state[1] = ++x->n_reused;
        str_printf(x->out, "(reuse_id=[%zu])", (size_t)state[1]);
    }
    print_cost(x, r);
    str_append_char(x->out, '\n');
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        str_append_char(bars, i + 1 < r->n_inputs ? '1' : '0');
        print_tree(x, r->inputs[i], bars);
        bars->data[--bars->len] = '\0';
    }
}

/* How many parents a node has. */
static void count(struct explaining *x, const struct rel *r)
{
    uintptr_t *state = reuse_of(x, r);
    if (state != NULL) {
        state[0]++;
        return;
    }
    state = arena_zalloc(&x->p->arena, 2 * sizeof(*state));
    state[0] = 1;
    map_put_bytes(&x->seen, &r, sizeof(r), state);
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        count(x, r->inputs[i]);
    }
}

static void print_section(struct explaining *x, const char *title, const struct rel *const *roots,
                          uint32_t n)
{
    STR_AUTO bars = STR_INIT;
    str_printf(x->out, "%s== %s ==\n", x->out->len > 0 ? "\n" : "", title);
    for (uint32_t i = 0; i < n; i++) {
        const bool is_query = roots[i]->kind == REL_COLLECT;
        str_append_cstr(x->out, i > 0 ? "\n" : "");
        print_tree(x, is_query ? roots[i]->inputs[0] : roots[i], &bars);
    }
}

int sql_plan_explain(struct sql_plan *p, const struct rel *const *logical,
                     const struct rel *const *physical, uint32_t n, uint32_t details,
                     struct str *out, struct error *err)
{
    struct explaining x = {.p = p, .out = out, .details = details, .is_logical = true};
    if ((details & SQL_EXPLAIN_JSON_EXECUTION_PLAN) != 0) {
        return plan_unsupported(err, "EXPLAIN JSON_EXECUTION_PLAN");
    }
    if ((details & SQL_EXPLAIN_PLAN_ADVICE) != 0) {
        return plan_unsupported(err, "EXPLAIN PLAN_ADVICE");
    }
    print_section(&x, "Abstract Syntax Tree", logical, n);
    x.is_logical = false;
    print_section(&x, "Optimized Physical Plan", physical, n);
    x.details = 0;
    x.with_reuse = true;
    map_init(&x.seen, NULL);
    for (uint32_t i = 0; i < n; i++) {
        count(&x, physical[i]);
    }
    print_section(&x, "Optimized Execution Plan", physical, n);
    map_fini(&x.seen);
    return 0;
}
