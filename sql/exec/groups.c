/* Operators over many rows: aggregates, OVER, sorts and limits. */
#include "engine/expr/function.h"
#include "sql/exec/inside.h"

static Flinc__SortKey **make_sort_keys(struct exec_translation *x, const struct rel_sort_keys *keys)
{
    Flinc__SortKey **made = arena_alloc(x->arena, (keys->n + 1) * sizeof(*made));
    for (uint32_t i = 0; i < keys->n; i++) {
        made[i] = arena_alloc(x->arena, sizeof(*made[i]));
        flinc__sort_key__init(made[i]);
        made[i]->column = keys->items[i].column;
        made[i]->descending = keys->items[i].descending;
        made[i]->nulls_last = keys->items[i].nulls_last;
    }
    return made;
}

static Flinc__AggregateCall *make_call(struct exec_translation *x,
                                       const struct rel_aggregate_call *call)
{
    Flinc__AggregateCall *c = arena_alloc(x->arena, sizeof(*c));
    STR_AUTO type = STR_INIT;
    flinc__aggregate_call__init(c);
    type_print(call->type, &type);
    c->function = arena_strdup(x->arena, expr_function_wire_name(call->function));
    c->n_args = call->args.n;
    c->args = exec_copy_columns(x, &call->args);
    c->distinct = call->distinct;
    c->has_filter = call->has_filter;
    c->filter = call->filter;
    c->type = arena_strdup(x->arena, str_cstr(&type));
    c->n_order = call->order.n;
    c->order = make_sort_keys(x, &call->order);
    return c;
}

/* ---- aggregates ------------------------------------------------------------------------------------------ */

int exec_add_aggregate(struct exec_translation *x, const struct rel *r, struct stream_node **ret)
{
    const struct rel_aggregate *a = &r->aggregate;
    Flinc__HashAggregateConfig c = FLINC__HASH_AGGREGATE_CONFIG__INIT;
    if (a->n_sets > 0) {
        return error_set(x->err, ERR_INTERNAL, "grouping sets are no physical aggregate");
    }
    if (!r->inputs[0]->is_bounded) {
        return error_set(x->err, ERR_UNSUPPORTED,
                         "not supported yet: GROUP BY over unbounded input");
    }
    c.context = x->context;
    c.n_keys = a->keys.n;
    c.keys = exec_copy_columns(x, &a->keys);
    c.n_calls = a->n_calls;
    c.calls = arena_alloc(x->arena, (a->n_calls + 1) * sizeof(*c.calls));
    for (uint32_t i = 0; i < a->n_calls; i++) {
        c.calls[i] = make_call(x, &a->calls[i]);
    }
    c.phase = a->phase;
    *ret = exec_add(x, "flinc.query.hash_aggregate", r, &c.base);
    return 0;
}

/* ---- OVER -------------------------------------------------------------------------------------------------- */

static int make_bound(struct exec_translation *x, struct expr_writer *w, Flinc__OverBoundKind kind,
                      const struct expr *value, Flinc__OverBound **ret)
{
    Flinc__OverBound *b = arena_alloc(x->arena, sizeof(*b));
    flinc__over_bound__init(b);
    b->kind = kind;
    if (value != NULL) {
        TRY(expr_writer_add(w, value, &b->value, x->err));
    }
    *ret = b;
    return 0;
}

static int make_over_call(struct exec_translation *x, struct expr_writer *w,
                          const struct rel_over_call *call, Flinc__OverCall **ret)
{
    Flinc__OverCall *c = arena_alloc(x->arena, sizeof(*c));
    flinc__over_call__init(c);
    c->call = make_call(x, &call->call);
    c->unit = call->unit;
    TRY(make_bound(x, w, call->lower, call->lower_value, &c->lower));
    TRY(make_bound(x, w, call->upper, call->upper_value, &c->upper));
    *ret = c;
    return 0;
}

static int write_over(struct exec_translation *x, struct expr_writer *w, const struct rel_over *o,
                      Flinc__OverConfig *c)
{
    c->context = x->context;
    c->n_partition = o->partition.n;
    c->partition = exec_copy_columns(x, &o->partition);
    c->n_order = o->order.n;
    c->order = make_sort_keys(x, &o->order);
    c->n_calls = o->n_calls;
    c->calls = arena_alloc(x->arena, (o->n_calls + 1) * sizeof(*c->calls));
    for (uint32_t i = 0; i < o->n_calls; i++) {
        TRY(make_over_call(x, w, &o->calls[i], &c->calls[i]));
    }
    c->exprs = expr_writer_list(w);
    return 0;
}

int exec_add_over(struct exec_translation *x, const struct rel *r, struct stream_node **ret)
{
    Flinc__OverConfig c = FLINC__OVER_CONFIG__INIT;
    if (!r->inputs[0]->is_bounded) {
        return error_set(x->err, ERR_UNSUPPORTED, "not supported yet: OVER over unbounded input");
    }
    struct expr_writer *w = expr_writer_new(x->arena);
    int rc = write_over(x, w, &r->over, &c);
    if (rc == 0) {
        *ret = exec_add(x, "flinc.query.over", r, &c.base);
    }
    expr_writer_free(w);
    return rc;
}

/* ---- sorts, limits ------------------------------------------------------------------------------------------- */

static struct stream_node *add_limit(struct exec_translation *x, const struct rel *r)
{
    Flinc__LimitConfig c = FLINC__LIMIT_CONFIG__INIT;
    c.offset = r->sort.offset;
    c.has_fetch = r->sort.has_fetch;
    c.fetch = r->sort.fetch;
    return exec_add(x, "flinc.query.limit", r, &c.base);
}

int exec_add_sort(struct exec_translation *x, const struct rel *r, struct stream_node **ret)
{
    const struct rel_sort *s = &r->sort;
    if (s->keys.n == 0) {
        *ret = add_limit(x, r);
    } else {
        Flinc__SortConfig c = FLINC__SORT_CONFIG__INIT;
        if (!r->inputs[0]->is_bounded) {
            return error_set(x->err, ERR_UNSUPPORTED,
                             "not supported yet: ORDER BY over unbounded input");
        }
        c.n_keys = s->keys.n;
        c.keys = make_sort_keys(x, &s->keys);
        c.offset = s->offset;
        c.has_fetch = s->has_fetch;
        c.fetch = s->fetch;
        *ret = exec_add(x, "flinc.query.sort", r, &c.base);
    }
    (*ret)->parallelism = s->is_global ? 1 : 0;
    return 0;
}
