/* What people see of an operator, in the words of Flink's plans: "Calc(select=[a, b], where=[(a > 1)])". */
#include "engine/expr/function.h"
#include "sql/exec/inside.h"

enum { DESCRIPTION_MAX = 4096 }; /* bytes; longer ones are cut, they travel with the job graph */

const char *exec_kind_name(const struct rel *r)
{
    static const char *const phases[] = {"HashAggregate", "LocalHashAggregate", "HashAggregate"};
    switch (r->kind) {
    case REL_JOIN:
        return r->join.left_keys.n > 0 ? "HashJoin" : "NestedLoopJoin";
    case REL_AGGREGATE:
        return phases[r->aggregate.phase];
    case REL_SORT:
        return r->sort.keys.n == 0 ? "Limit" : r->sort.has_fetch ? "SortLimit" : "Sort";
    default:
        return rel_kind_name(r->kind);
    }
}

/* ---- parts ---------------------------------------------------------------------------------------------- */

static void comma(struct str *out, uint32_t i)
{
    str_append_cstr(out, i > 0 ? ", " : "");
}

static void print_fields(const struct schema *s, struct str *out)
{
    for (uint32_t i = 0; s != NULL && i < s->n_fields; i++) {
        comma(out, i);
        str_append_cstr(out, s->fields[i].name);
    }
}

static void print_columns(const struct rel_columns *c, const struct schema *s, struct str *out)
{
    for (uint32_t i = 0; i < c->n; i++) {
        comma(out, i);
        str_append_cstr(out, s->fields[c->items[i]].name);
    }
}

static void print_conditions(const struct rel_exprs *e, const struct schema *input, struct str *out)
{
    for (uint32_t i = 0; i < e->n; i++) {
        str_append_cstr(out, i > 0 ? " AND " : "");
        expr_print(e->items[i], input, out);
    }
}

static void print_keys(const struct rel_sort_keys *keys, const struct schema *s, struct str *out)
{
    for (uint32_t i = 0; i < keys->n; i++) {
        const struct rel_sort_key *k = &keys->items[i];
        comma(out, i);
        str_printf(out, "%s %s", s->fields[k->column].name, k->descending ? "DESC" : "ASC");
    }
}

static void print_call(const struct rel_aggregate_call *c, const struct schema *input,
                       struct str *out)
{
    str_printf(out, "%s(%s", c->function->name, c->distinct ? "DISTINCT " : "");
    if (c->args.n == 0) {
        str_append_cstr(out, "*");
    }
    print_columns(&c->args, input, out);
    str_append_cstr(out, ")");
    if (c->has_filter) {
        str_printf(out, " FILTER %s", input->fields[c->filter].name);
    }
    if (c->name != NULL) {
        str_printf(out, " AS %s", c->name);
    }
}

/* ---- kinds ------------------------------------------------------------------------------------------------ */

static void describe_table(const struct rel *r, const struct rel_table *t, struct str *out)
{
    const char *dot = r->kind == REL_SINK ? "." : ", ";
    str_append_cstr(out, r->kind == REL_SINK ? "table=[" : "table=[[");
    str_printf(out, "%s%s%s%s%s", t->id.catalog, dot, t->id.database, dot, t->id.name);
    str_append_cstr(out, r->kind == REL_SINK ? "], fields=[" : "]], fields=[");
    print_fields(r->kind == REL_SINK ? r->sink.query : r->schema, out);
    str_append_cstr(out, "]");
}

static void describe_calc(const struct rel *r, struct str *out)
{
    const struct schema *input = r->inputs[0]->schema;
    str_append_cstr(out, "select=[");
    for (uint32_t i = 0; i < r->outputs.n; i++) {
        STR_AUTO text = STR_INIT;
        expr_print(r->outputs.items[i], input, &text);
        comma(out, i);
        str_append_slice(out, str_slice(&text));
        if (strcmp(str_cstr(&text), r->schema->fields[i].name) != 0) {
            str_printf(out, " AS %s", r->schema->fields[i].name);
        }
    }
    str_append_cstr(out, "]");
    if (r->conditions.n > 0) {
        str_append_cstr(out, ", where=[");
        print_conditions(&r->conditions, input, out);
        str_append_cstr(out, "]");
    }
}

static void describe_aggregate(const struct rel *r, struct str *out)
{
    const struct rel_aggregate *a = &r->aggregate;
    const struct schema *input = r->inputs[0]->schema;
    if (a->keys.n > 0) {
        str_append_cstr(out, "groupBy=[");
        print_columns(&a->keys, input, out);
        str_append_cstr(out, "], ");
    }
    if (a->phase != FLINC__AGGREGATE_PHASE__AGGREGATE_SINGLE) {
        const bool is_merge = a->phase == FLINC__AGGREGATE_PHASE__AGGREGATE_GLOBAL;
        str_append_cstr(out, is_merge ? "isMerge=[true], select=[" : "select=[");
        print_fields(r->schema, out);
        str_append_cstr(out, "]");
        return;
    }
    str_append_cstr(out, "select=[");
    print_columns(&a->keys, input, out);
    for (uint32_t i = 0; i < a->n_calls; i++) {
        comma(out, i + a->keys.n);
        print_call(&a->calls[i], input, out);
    }
    str_append_cstr(out, "]");
}

static void describe_over(const struct rel *r, struct str *out)
{
    const struct schema *input = r->inputs[0]->schema;
    if (r->over.partition.n > 0) {
        str_append_cstr(out, "partitionBy=[");
        print_columns(&r->over.partition, input, out);
        str_append_cstr(out, "], ");
    }
    if (r->over.order.n > 0) {
        str_append_cstr(out, "orderBy=[");
        print_keys(&r->over.order, input, out);
        str_append_cstr(out, "], ");
    }
    str_append_cstr(out, "select=[");
    print_fields(input, out);
    for (uint32_t i = 0; i < r->over.n_calls; i++) {
        comma(out, i + input->n_fields);
        print_call(&r->over.calls[i].call, input, out);
    }
    str_append_cstr(out, "]");
}

static void describe_join(const struct rel *r, struct str *out)
{
    static const char *const types[] = {"InnerJoin",     "LeftOuterJoin", "RightOuterJoin",
                                        "FullOuterJoin", "LeftSemiJoin",  "LeftAntiJoin"};
    const struct rel_join *j = &r->join;
    const struct schema *left = r->inputs[0]->schema, *right = r->inputs[1]->schema;
    str_printf(out, "joinType=[%s]", types[j->type]);
    for (uint32_t i = 0; i < j->left_keys.n; i++) {
        str_printf(out, "%s(%s = %s)", i > 0 ? " AND " : ", where=[",
                   left->fields[j->left_keys.items[i]].name,
                   right->fields[j->right_keys.items[i]].name);
    }
    str_append_cstr(out, j->left_keys.n > 0 ? "], select=[" : ", select=[");
    print_fields(r->schema, out);
    str_printf(out, "], build=[%s]", j->build_left ? "left" : "right");
}

static void describe_sort(const struct rel *r, struct str *out)
{
    const struct rel_sort *s = &r->sort;
    if (s->keys.n > 0) {
        str_append_cstr(out, "orderBy=[");
        print_keys(&s->keys, r->schema, out);
        str_append_cstr(out, "]");
    }
    if (s->keys.n == 0 || s->has_fetch) {
        str_printf(out, "%soffset=[%lld], ", s->keys.n > 0 ? ", " : "", (long long)s->offset);
        str_append_cstr(out, "fetch=[");
        if (s->has_fetch) {
            str_printf(out, "%lld", (long long)s->fetch);
        }
        str_printf(out, "], global=[%s]", s->is_global ? "true" : "false");
    }
}

void exec_describe(const struct rel *r, struct str *out)
{
    size_t start = out->len;
    str_printf(out, "%s(", exec_kind_name(r));
    switch (r->kind) {
    case REL_SCAN:
        describe_table(r, r->scan.table, out);
        break;
    case REL_SINK:
        describe_table(r, r->sink.table, out);
        break;
    case REL_CALC:
        describe_calc(r, out);
        break;
    case REL_AGGREGATE:
        describe_aggregate(r, out);
        break;
    case REL_OVER:
        describe_over(r, out);
        break;
    case REL_JOIN:
        describe_join(r, out);
        break;
    case REL_SORT:
        describe_sort(r, out);
        break;
    default:
        str_append_cstr(out, "fields=[");
        print_fields(r->schema != NULL ? r->schema : r->inputs[0]->schema, out);
        str_append_cstr(out, "]");
    }
    str_append_cstr(out, ")");
    if (out->len - start > DESCRIPTION_MAX) {
        out->len = start + DESCRIPTION_MAX;
        while ((out->data[out->len] & 0xc0) == 0x80) { /* not within a character */
            out->len--;
        }
        out->data[out->len] = '\0';
        str_append_cstr(out, "...");
    }
}
