/* Equal parts of physical trees become one node, which runs once.
 *
 * A node whose rows go to the side of a join that streams stays alone: that side waits until the other one is in memory, and if
 * both came from one source, each would wait for the other.  What holds its input (aggregates, sorts, OVER) never makes it
 * wait, nor does the side that is kept. */
#include "sql/plan/rules.h"

struct sharing {
    struct optimizer *o;
    struct map known; /* digest -> node */
};

/* ---- digests ------------------------------------------------------------------------------------------ */

static void add(struct str *out, const void *bytes, size_t n)
{
    if (n > 0) {
        str_append(out, bytes, n);
    }
}

static void add_number(struct str *out, uint64_t n)
{
    add(out, &n, sizeof(n));
}

static void add_pointer(struct str *out, const void *p)
{
    add(out, &p, sizeof(p));
}

static void add_exprs(struct str *out, struct rel_exprs e)
{
    add_number(out, e.n);
    add(out, e.items, e.n * sizeof(*e.items));
}

static void add_columns(struct str *out, struct rel_columns c)
{
    add_number(out, c.n);
    add(out, c.items, c.n * sizeof(*c.items));
}

static void add_order(struct str *out, struct rel_sort_keys k)
{
    add_number(out, k.n);
    for (uint32_t i = 0; i < k.n; i++) {
        add_number(out, k.items[i].column * 4 + k.items[i].descending * 2 + k.items[i].nulls_last);
    }
}

static void add_call(struct str *out, const struct rel_aggregate_call *c)
{
    add_pointer(out, c->function);
    add_pointer(out, c->type);
    add_columns(out, c->args);
    add_number(out, c->distinct * 2 + c->has_filter);
    add_number(out, c->filter);
    add_order(out, c->order);
}

static void add_path(struct str *out, const struct table_path *path)
{
    add_number(out, path->n);
    add(out, path->fields, path->n * sizeof(path->fields[0]));
}

static void add_literal(struct str *out, const struct table_literal *l)
{
    add_pointer(out, l->type);
    if (l->type->layout == LAYOUT_VIEW) {
        add_number(out, l->bytes.len);
        add(out, l->bytes.data, l->bytes.len);
    } else if (l->type->layout == LAYOUT_I128) {
        add(out, &l->wide, sizeof(l->wide));
    } else if (l->type->layout == LAYOUT_TS_NANO) {
        add_number(out, (uint64_t)l->nano.millis);
        add_number(out, (uint64_t)l->nano.nanos);
    } else {
        add(out, &l->whole, sizeof(l->whole));
    }
}

static void add_scan(struct str *out, const struct rel_scan *s)
{
    const struct table_scan *q = &s->request;
    add_pointer(out, s->table);
    add_number(out, q->columns != NULL ? q->n_columns : UINT64_MAX);
    for (uint32_t i = 0; q->columns != NULL && i < q->n_columns; i++) {
        add_path(out, &q->columns[i]);
    }
    for (uint32_t i = 0; i < q->n_metadata; i++) {
        str_printf(out, "%s;", q->metadata[i]);
    }
    for (uint32_t i = 0; i < q->n_filters; i++) {
        add_path(out, &q->filters[i].column);
        add_number(out, q->filters[i].compare);
        add_number(out, q->filters[i].n_values);
        for (uint32_t k = 0; k < q->filters[i].n_values; k++) {
            add_literal(out, &q->filters[i].values[k]);
        }
    }
    add_number(out, q->has_limit ? (uint64_t)q->limit : UINT64_MAX);
    add_pointer(out, q->watermark);
    add_pointer(out, q->partitions);
}

static void add_join(struct str *out, const struct rel_join *j)
{
    add_number(out, j->type);
    add_columns(out, j->left_keys);
    add_columns(out, j->right_keys);
    add(out, j->null_equal, j->left_keys.n);
    add_exprs(out, j->conditions);
    add_number(out, j->null_aware * 2 + j->build_left);
}

static void add_over(struct str *out, const struct rel_over *v)
{
    add_columns(out, v->partition);
    add_order(out, v->order);
    for (uint32_t i = 0; i < v->n_calls; i++) {
        const struct rel_over_call *c = &v->calls[i];
        add_call(out, &c->call);
        add_number(out, c->unit * 64 + c->lower * 8 + c->upper);
        add_pointer(out, c->lower_value);
        add_pointer(out, c->upper_value);
    }
}

/* False: a kind that is never shared. */
static bool digest(const struct rel *r, struct str *out)
{
    add_number(out, r->kind);
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        add_pointer(out, r->inputs[i]);
    }
    add_exprs(out, r->conditions);
    add_exprs(out, r->outputs);
    add_number(out, r->schema != NULL ? r->schema->n_fields : 0);
    switch (r->kind) {
    case REL_SCAN:
        add_scan(out, &r->scan);
        return true;
    case REL_CALC:
        return true;
    case REL_JOIN:
        add_join(out, &r->join);
        return true;
    case REL_AGGREGATE:
        add_columns(out, r->aggregate.keys);
        add_number(out, r->aggregate.phase);
        for (uint32_t i = 0; i < r->aggregate.n_calls; i++) {
            add_call(out, &r->aggregate.calls[i]);
        }
        return true;
    case REL_OVER:
        add_over(out, &r->over);
        return true;
    case REL_SORT:
        add_order(out, r->sort.keys);
        add_number(out, (uint64_t)r->sort.offset);
        add_number(out, r->sort.has_fetch ? (uint64_t)r->sort.fetch : UINT64_MAX);
        add_number(out, r->sort.is_global);
        return true;
    case REL_EXCHANGE:
        add_number(out, r->exchange.distribution);
        add_columns(out, r->exchange.keys);
        return true;
    case REL_UNION:
        add_number(out, r->is_all);
        return true;
    default:
        return false;
    }
}

/* ---- the pass ----------------------------------------------------------------------------------------- */

/* Does the input's reader wait with it? */
static bool waits(const struct rel *r, uint32_t input, bool above)
{
    switch (r->kind) {
    case REL_JOIN:
        return input != (r->join.build_left ? 0 : 1);
    case REL_AGGREGATE:
    case REL_OVER:
        return false;
    case REL_SORT:
        return r->sort.keys.n == 0 && above;
    default:
        return above;
    }
}

static int share(struct sharing *s, const struct rel *r, bool is_waiting, const struct rel **ret,
                 struct error *err)
{
    const struct rel **inputs = arena_alloc(&s->o->p->arena, (r->n_inputs + 1) * sizeof(*inputs));
    STR_AUTO key = STR_INIT;
    TRY(plan_check(s->o->p, err));
    bool is_same = true;
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        TRY(share(s, r->inputs[i], waits(r, i, is_waiting), &inputs[i], err));
        for (uint32_t k = 0; k < i; k++) {
            /* Not twice into one operator. */
            inputs[i] = inputs[k] == inputs[i]
                            ? plan_with_inputs(s->o->p, inputs[i], inputs[i]->inputs)
                            : inputs[i];
        }
        is_same &= inputs[i] == r->inputs[i];
    }
    *ret = is_same ? r : plan_with_inputs(s->o->p, r, inputs);
    if (is_waiting || !digest(*ret, &key)) {
        return 0;
    }
    const struct rel *known = map_find_bytes(&s->known, key.data, key.len);
    if (known != NULL) {
        *ret = known;
        return 0;
    }
    map_put_bytes(&s->known, key.data, key.len, (void *)(uintptr_t)*ret);
    return 0;
}

int rule_share(struct optimizer *o, const struct rel **inout_roots, uint32_t n, struct error *err)
{
    struct sharing s = {.o = o};
    int rc = 0;
    if (o->p->options.conf != NULL &&
        !conf_bool(o->p->options.conf, "table.optimizer.reuse-sub-plan-enabled")) {
        return 0;
    }
    map_init(&s.known, NULL);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        rc = share(&s, inout_roots[i], false, &inout_roots[i], err);
    }
    map_fini(&s.known);
    return rc;
}
