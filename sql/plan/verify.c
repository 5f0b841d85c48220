/* A physical tree looked over before it leaves the room: columns that exist, types that fit, nothing left unresolved.  What it finds
 * is a mistake of a rule, and better said here than by an operator. */
#include "sql/plan/rules.h"

struct verifying {
    const struct rel *rel;
    const struct rel *const *inputs;
    uint32_t n_inputs;
    const char *what;
};

static const struct data_type *type_at(const struct verifying *v, uint32_t column)
{
    for (uint32_t i = 0; i < v->n_inputs; i++) {
        const struct schema *s = v->inputs[i]->schema;
        if (column < s->n_fields) {
            return s->fields[column].type;
        }
        column -= s->n_fields;
    }
    return NULL;
}

static bool check_node(void *arg, const struct expr *e)
{
    struct verifying *v = arg;
    if (e->kind == EXPR_EXTERNAL) {
        v->what = "something that was not resolved";
        return false;
    }
    if (e->kind == EXPR_INPUT) {
        const struct data_type *t = type_at(v, e->index);
        v->what = t == NULL                  ? "a column that is not there"
                  : !type_equals(t, e->type) ? "a column of another type"
                                             : NULL;
        return v->what == NULL;
    }
    return true;
}

static bool check_exprs(struct verifying *v, struct rel_exprs e)
{
    for (uint32_t i = 0; i < e.n; i++) {
        if (!plan_visit(e.items[i], check_node, v)) {
            return false;
        }
    }
    return true;
}

static bool check_columns(struct verifying *v, struct rel_columns c, uint32_t width)
{
    for (uint32_t i = 0; i < c.n; i++) {
        if (c.items[i] >= width) {
            v->what = "a key that is not there";
            return false;
        }
    }
    return true;
}

static bool check_order(struct verifying *v, struct rel_sort_keys k, uint32_t width)
{
    for (uint32_t i = 0; i < k.n; i++) {
        if (k.items[i].column >= width) {
            v->what = "an order by a column that is not there";
            return false;
        }
    }
    return true;
}

static bool check_call(struct verifying *v, const struct rel_aggregate_call *c, uint32_t width)
{
    if (c->has_filter && (c->filter >= width || type_at(v, c->filter)->id != TYPE_BOOLEAN)) {
        v->what = "a filter that is no condition";
        return false;
    }
    return check_columns(v, c->args, width) && check_order(v, c->order, width);
}

static bool check_outputs(struct verifying *v)
{
    const struct rel *r = v->rel;
    for (uint32_t i = 0; i < r->outputs.n; i++) {
        if (!type_equals(r->outputs.items[i]->type, r->schema->fields[i].type)) {
            v->what = "an output of another type than its column";
            return false;
        }
    }
    return true;
}

static bool check_join(struct verifying *v)
{
    const struct rel_join *j = &v->rel->join;
    const struct schema *l = v->inputs[0]->schema, *s = v->inputs[1]->schema;
    if (!check_columns(v, j->left_keys, l->n_fields) ||
        !check_columns(v, j->right_keys, s->n_fields) || !check_exprs(v, j->conditions)) {
        return false;
    }
    for (uint32_t i = 0; i < j->left_keys.n; i++) {
        const struct data_type *a = l->fields[j->left_keys.items[i]].type;
        const struct data_type *b = s->fields[j->right_keys.items[i]].type;
        struct data_type *c = type_with_nullable(a, b->nullable);
        const bool same = type_equals(b, c);
        type_unref(c);
        if (!same) {
            v->what = "keys of different types";
            return false;
        }
    }
    return true;
}

static bool check_kind(struct verifying *v)
{
    const struct rel *r = v->rel;
    const uint32_t n = r->n_inputs > 0 ? v->inputs[0]->schema->n_fields : 0;
    bool good = true;
    switch (r->kind) {
    case REL_CALC:
        return check_exprs(v, r->conditions) && check_exprs(v, r->outputs) && check_outputs(v);
    case REL_JOIN:
        return check_join(v);
    case REL_AGGREGATE:
        good = check_columns(v, r->aggregate.keys, n);
        for (uint32_t i = 0; good && i < r->aggregate.n_calls; i++) {
            good = check_call(v, &r->aggregate.calls[i], n);
        }
        return good;
    case REL_OVER:
        good = check_columns(v, r->over.partition, n) && check_order(v, r->over.order, n);
        for (uint32_t i = 0; good && i < r->over.n_calls; i++) {
            good = check_call(v, &r->over.calls[i].call, n);
        }
        return good;
    case REL_SORT:
        return check_order(v, r->sort.keys, n);
    case REL_EXCHANGE:
        return check_columns(v, r->exchange.keys, n);
    case REL_UNNEST:
        return plan_visit(r->unnest.collection, check_node, v);
    case REL_WATERMARK:
        return plan_visit(r->watermark.value, check_node, v);
    case REL_FILTER:
    case REL_PROJECT:
    case REL_INTERSECT:
    case REL_EXCEPT:
        v->what = "a node that no operator runs";
        return false;
    default:
        return true;
    }
}

int rule_verify(const struct rel *r, struct error *err)
{
    struct verifying v = {.rel = r, .inputs = r->inputs, .n_inputs = r->n_inputs};
    if (!check_kind(&v)) {
        return error_set(err, ERR_INTERNAL,
                         "The plan has %s in %s %u: this is a mistake of the "
                         "planner",
                         v.what, rel_kind_name(r->kind), r->id);
    }
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        TRY(rule_verify(r->inputs[i], err));
    }
    return 0;
}
