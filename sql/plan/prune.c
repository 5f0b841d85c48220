/* Columns that nobody reads are not made. */
#include "sql/plan/rules.h"

/* The columns asked for are in the result; others may be. */
static int prune(struct optimizer *o, const struct rel *r, const bool *needed, struct pruned *ret,
                 struct error *err);

static bool *flags(struct optimizer *o, uint32_t n)
{
    return arena_zalloc(&o->p->arena, n + 1);
}

static uint32_t *numbers(struct optimizer *o, uint32_t n)
{
    uint32_t *at = arena_alloc(&o->p->arena, (n + 1) * sizeof(*at));
    for (uint32_t i = 0; i < n; i++) {
        at[i] = UINT32_MAX;
    }
    return at;
}

static uint32_t width(const struct rel *r)
{
    return r->schema->n_fields;
}

static void mark(bool *needed, struct rel_columns columns)
{
    for (uint32_t i = 0; i < columns.n; i++) {
        needed[columns.items[i]] = true;
    }
}

static void mark_order(bool *needed, struct rel_sort_keys keys)
{
    for (uint32_t i = 0; i < keys.n; i++) {
        needed[keys.items[i].column] = true;
    }
}

static void mark_exprs(bool *needed, struct rel_exprs e)
{
    for (uint32_t i = 0; i < e.n; i++) {
        plan_mark_inputs(e.items[i], needed);
    }
}

static struct rel_columns move_columns(struct optimizer *o, struct rel_columns in,
                                       const uint32_t *at)
{
    uint32_t *out = arena_alloc(&o->p->arena, (in.n + 1) * sizeof(*out));
    for (uint32_t i = 0; i < in.n; i++) {
        out[i] = at[in.items[i]];
    }
    return (struct rel_columns){out, in.n};
}

static struct rel_sort_keys move_order(struct optimizer *o, struct rel_sort_keys in,
                                       const uint32_t *at)
{
    struct rel_sort_key *out = arena_alloc(&o->p->arena, (in.n + 1) * sizeof(*out));
    for (uint32_t i = 0; i < in.n; i++) {
        out[i] = in.items[i];
        out[i].column = at[in.items[i].column];
    }
    return (struct rel_sort_keys){out, in.n};
}

/* What inputs have become, for plan_map(). */
static const struct expr **inputs_of(struct optimizer *o, const struct pruned *p, uint32_t n)
{
    const struct expr **inputs = arena_zalloc(&o->p->arena, (n + 1) * sizeof(*inputs));
    for (uint32_t i = 0; i < n; i++) {
        if (p->at[i] != UINT32_MAX) {
            inputs[i] = plan_input(o->p, p->rel, p->at[i]);
        }
    }
    return inputs;
}

static bool is_all(const bool *needed, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        if (!needed[i]) {
            return false;
        }
    }
    return true;
}

/* At least one column: the narrowest. */
static void need_one(const struct schema *s, bool *needed)
{
    uint32_t best = 0;
    for (uint32_t i = 0; i < s->n_fields; i++) {
        const uint32_t w = s->fields[i].type->width, best_w = s->fields[best].type->width;
        if (needed[i]) {
            return;
        }
        best = w > 0 && (best_w == 0 || w < best_w) ? i : best;
    }
    needed[best] = true;
}

static const bool *at_least_one(struct optimizer *o, const struct rel *r, const bool *needed)
{
    bool *copy = flags(o, width(r));
    memcpy(copy, needed, width(r));
    need_one(r->schema, copy);
    return copy;
}

/* Exactly the columns asked for, in order. */
static int prune_exact(struct optimizer *o, const struct rel *r, const bool *needed,
                       struct pruned *ret, struct error *err)
{
    struct pruned p;
    CLEANUP(vec_fini) struct vec columns = VEC_INIT(uint32_t);
    TRY(prune(o, r, needed, &p, err));
    ret->at = numbers(o, width(r));
    bool is_same = true;
    for (uint32_t i = 0; i < width(r); i++) {
        if (needed[i]) {
            ret->at[i] = (uint32_t)columns.len;
            is_same &= p.at[i] == columns.len;
            *VEC_PUSH(&columns, uint32_t) = p.at[i];
        }
    }
    ret->rel = is_same && width(p.rel) == columns.len
                   ? p.rel
                   : plan_pick(o->p, p.rel, columns.data, (uint32_t)columns.len);
    return 0;
}

/* ---- leaves ------------------------------------------------------------------------------------------- */

static void keep_all(struct optimizer *o, const struct rel *r, struct pruned *ret)
{
    ret->rel = r;
    ret->at = numbers(o, width(r));
    for (uint32_t i = 0; i < width(r); i++) {
        ret->at[i] = i;
    }
}

static int prune_scan(struct optimizer *o, const struct rel *r, const bool *needed,
                      struct pruned *ret, struct error *err)
{
    const struct table *t = &r->scan.table->table;
    const uint32_t n = t->schema->n_fields;
    const bool *kept = at_least_one(o, r, needed);
    if ((t->connector->source->abilities & TABLE_PROJECTION) == 0 || is_all(kept, width(r)) ||
        r->scan.request.columns != NULL) {
        keep_all(o, r, ret);
        return 0;
    }
    struct table_path *columns = arena_zalloc(&o->p->arena, (n + 1) * sizeof(*columns));
    const char **metadata = arena_alloc(&o->p->arena, (width(r) - n + 1) * sizeof(*metadata));
    struct table_scan request = r->scan.request;
    struct schema *schema;
    request.n_columns = request.n_metadata = 0;
    request.columns = columns;
    ret->at = numbers(o, width(r));
    for (uint32_t i = 0; i < width(r); i++) {
        if (kept[i] && i < n) {
            ret->at[i] = request.n_columns;
            columns[request.n_columns++] = (struct table_path){1, {i}};
        } else if (kept[i]) {
            ret->at[i] = request.n_columns + request.n_metadata;
            metadata[request.n_metadata++] = r->scan.request.metadata[i - n];
        }
    }
    request.metadata = metadata;
    struct rel *made = plan_copy(o->p, r, sizeof(*r));
    made->id = o->p->n_nodes++;
    made->scan.request = request;
    TRY(table_scan_schema(t, &request, &schema, err));
    made->schema = plan_keep_schema(o->p, schema);
    ret->rel = made;
    return 0;
}

static int prune_values(struct optimizer *o, const struct rel *r, const bool *needed,
                        struct pruned *ret, struct error *err)
{
    const bool *kept = at_least_one(o, r, needed);
    const uint32_t n = width(r);
    if (is_all(kept, n)) {
        keep_all(o, r, ret);
        return 0;
    }
    const char **names = arena_alloc(&o->p->arena, (n + 1) * sizeof(*names));
    struct data_type **types = arena_alloc(&o->p->arena, (n + 1) * sizeof(struct data_type *));
    uint32_t m = 0;
    ret->at = numbers(o, n);
    for (uint32_t i = 0; i < n; i++) {
        if (kept[i]) {
            names[m] = r->schema->fields[i].name;
            types[m] = type_ref(r->schema->fields[i].type);
            ret->at[i] = m++;
        }
    }
    struct expr_value *cells =
        arena_alloc(&o->p->arena, ((size_t)m * r->values.n_rows + 1) * sizeof(*cells));
    for (uint32_t row = 0; row < r->values.n_rows; row++) {
        for (uint32_t i = 0; i < n; i++) {
            if (kept[i]) {
                cells[(size_t)row * m + ret->at[i]] = r->values.cells[(size_t)row * n + i];
            }
        }
    }
    ret->rel = plan_values(o->p, names, types, m, cells, r->values.n_rows);
    return 0;
}

/* ---- one input ---------------------------------------------------------------------------------------- */

static int prune_filter(struct optimizer *o, const struct rel *r, const bool *needed,
                        struct pruned *ret, struct error *err)
{
    bool *below = flags(o, width(r));
    struct rel_exprs conds;
    memcpy(below, needed, width(r));
    mark_exprs(below, r->conditions);
    TRY(prune(o, r->inputs[0], below, ret, err));
    TRY(plan_map_all(o->p, r->conditions, inputs_of(o, ret, width(r)), &conds, err));
    ret->rel = plan_filter(o->p, ret->rel, conds);
    return 0;
}

static int prune_project(struct optimizer *o, const struct rel *r, const bool *needed,
                         struct pruned *ret, struct error *err)
{
    const struct rel *input = r->inputs[0];
    bool *below = flags(o, width(input));
    const struct expr **outputs = arena_alloc(&o->p->arena, (width(r) + 1) * sizeof(*outputs));
    const char **names = arena_alloc(&o->p->arena, (width(r) + 1) * sizeof(*names));
    struct pruned in;
    struct rel_exprs mapped;
    uint32_t n = 0;
    ret->at = numbers(o, width(r));
    for (uint32_t i = 0; i < width(r); i++) {
        if (needed[i]) {
            plan_mark_inputs(r->outputs.items[i], below);
            outputs[n] = r->outputs.items[i];
            names[n] = r->schema->fields[i].name;
            ret->at[i] = n++;
        }
    }
    TRY(prune(o, input, below, &in, err));
    if (n == 0) { /* rows alone matter */
        ret->rel = in.rel;
        return 0;
    }
    TRY(plan_map_all(o->p, (struct rel_exprs){outputs, n}, inputs_of(o, &in, width(input)), &mapped,
                     err));
    ret->rel = plan_project(o->p, in.rel, mapped.items, names, n);
    return 0;
}

static void mark_call(bool *below, const struct rel_aggregate_call *c)
{
    mark(below, c->args);
    mark_order(below, c->order);
    if (c->has_filter) {
        below[c->filter] = true;
    }
}

static void move_call(struct optimizer *o, struct rel_aggregate_call *c, const uint32_t *at)
{
    c->args = move_columns(o, c->args, at);
    c->order = move_order(o, c->order, at);
    c->filter = c->has_filter ? at[c->filter] : 0;
}

static int prune_aggregate(struct optimizer *o, const struct rel *r, const bool *needed,
                           struct pruned *ret, struct error *err)
{
    const struct rel *input = r->inputs[0];
    struct rel_aggregate a = r->aggregate;
    bool *below = flags(o, width(input));
    struct rel_aggregate_call *calls = arena_alloc(&o->p->arena, (a.n_calls + 1) * sizeof(*calls));
    struct pruned in;
    ret->at = numbers(o, width(r));
    mark(below, a.keys);
    for (uint32_t i = 0; i < a.keys.n; i++) {
        ret->at[i] = i;
    }
    a.n_calls = 0;
    for (uint32_t i = 0; i < r->aggregate.n_calls; i++) {
        const bool is_last = i + 1 == r->aggregate.n_calls;
        if (needed[a.keys.n + i] || (is_last && a.keys.n == 0 && a.n_calls == 0)) {
            ret->at[a.keys.n + i] = a.keys.n + a.n_calls;
            calls[a.n_calls++] = r->aggregate.calls[i];
            mark_call(below, &r->aggregate.calls[i]);
        }
    }
    TRY(prune(o, input, below, &in, err));
    a.keys = move_columns(o, a.keys, in.at);
    for (uint32_t i = 0; i < a.n_calls; i++) {
        move_call(o, &calls[i], in.at);
    }
    a.calls = calls;
    ret->rel = plan_aggregate(o->p, in.rel, &a);
    return 0;
}

static int prune_over(struct optimizer *o, const struct rel *r, const bool *needed,
                      struct pruned *ret, struct error *err)
{
    const struct rel *input = r->inputs[0];
    const uint32_t own = width(input);
    struct rel_over over = r->over;
    bool *below = flags(o, own);
    struct rel_over_call *calls = arena_alloc(&o->p->arena, (over.n_calls + 1) * sizeof(*calls));
    struct pruned in;
    memcpy(below, needed, own);
    ret->at = numbers(o, width(r));
    over.n_calls = 0;
    for (uint32_t i = 0; i < r->over.n_calls; i++) {
        if (needed[own + i]) {
            mark_call(below, &r->over.calls[i].call);
            ret->at[own + i] = over.n_calls;
            calls[over.n_calls++] = r->over.calls[i];
        }
    }
    if (over.n_calls > 0) {
        mark(below, over.partition);
        mark_order(below, over.order);
    }
    TRY(prune(o, input, below, &in, err));
    for (uint32_t i = 0; i < width(r); i++) {
        if (i < own) {
            ret->at[i] = in.at[i];
        } else if (ret->at[i] != UINT32_MAX) {
            ret->at[i] += width(in.rel);
        }
    }
    for (uint32_t i = 0; i < over.n_calls; i++) {
        move_call(o, &calls[i].call, in.at);
    }
    ret->rel = in.rel;
    if (over.n_calls > 0) {
        over.partition = move_columns(o, over.partition, in.at);
        over.order = move_order(o, over.order, in.at);
        over.calls = calls;
        ret->rel = plan_over(o->p, in.rel, &over);
    }
    return 0;
}

static int prune_sort(struct optimizer *o, const struct rel *r, const bool *needed,
                      struct pruned *ret, struct error *err)
{
    bool *below = flags(o, width(r));
    struct rel_sort sort = r->sort;
    memcpy(below, needed, width(r));
    mark_order(below, sort.keys);
    TRY(prune(o, r->inputs[0], below, ret, err));
    sort.keys = move_order(o, sort.keys, ret->at);
    ret->rel = plan_sort(o->p, ret->rel, &sort);
    return 0;
}

/* The input's columns, then n others that are kept. */
static void extend(struct optimizer *o, const struct rel *r, const struct pruned *in,
                   uint32_t n_own, struct pruned *ret)
{
    ret->at = numbers(o, width(r));
    for (uint32_t i = 0; i < width(r); i++) {
        ret->at[i] = i < n_own ? in->at[i] : width(in->rel) + i - n_own;
    }
}

/* A copy whose schema is what is left of the old one. */
static struct rel *narrowed(struct optimizer *o, const struct rel *r, const struct pruned *p,
                            const struct rel *input, uint32_t n)
{
    const char **names = arena_zalloc(&o->p->arena, (n + 1) * sizeof(*names));
    struct data_type **types = arena_zalloc(&o->p->arena, (n + 1) * sizeof(struct data_type *));
    for (uint32_t i = 0; i < width(r); i++) {
        if (p->at[i] != UINT32_MAX) {
            names[p->at[i]] = r->schema->fields[i].name;
            types[p->at[i]] = r->schema->fields[i].type;
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        const bool is_input = names[i] == NULL; /* kept below though nobody asked */
        names[i] = is_input ? input->schema->fields[i].name : names[i];
        types[i] = type_ref(is_input ? input->schema->fields[i].type : types[i]);
    }
    struct rel *made = plan_node(o->p, r->kind, &input, 1);
    plan_set_schema(o->p, made, names, types, n);
    return made;
}

static int prune_unnest(struct optimizer *o, const struct rel *r, const bool *needed,
                        struct pruned *ret, struct error *err)
{
    const uint32_t own = width(r->inputs[0]);
    bool *below = flags(o, width(r));
    struct pruned in;
    memcpy(below, needed, own);
    plan_mark_inputs(r->unnest.collection, below);
    mark_exprs(below, r->unnest.conditions);
    TRY(prune(o, r->inputs[0], below, &in, err));
    extend(o, r, &in, own, ret);
    struct rel *made = narrowed(o, r, ret, in.rel, width(in.rel) + width(r) - own);
    made->unnest = r->unnest;
    TRY(plan_map(o->p, r->unnest.collection, inputs_of(o, &in, own), &made->unnest.collection,
                 err));
    ret->rel = made;
    return plan_map_all(o->p, r->unnest.conditions, inputs_of(o, ret, width(r)),
                        &made->unnest.conditions, err);
}

static int prune_expand(struct optimizer *o, const struct rel *r, const bool *needed,
                        struct pruned *ret, struct error *err)
{
    const uint32_t own = width(r->inputs[0]), sets = r->expand.n_sets;
    bool *below = flags(o, own);
    struct pruned in;
    memcpy(below, needed, own);
    TRY(prune(o, r->inputs[0], below, &in, err));
    extend(o, r, &in, own, ret);
    const uint32_t n = width(in.rel);
    struct rel *made = narrowed(o, r, ret, in.rel, n + 1);
    bool *keep = arena_alloc(&o->p->arena, (size_t)n * sets + 1);
    memset(keep, true, (size_t)n * sets);
    for (uint32_t s = 0; s < sets; s++) {
        for (uint32_t i = 0; i < own; i++) {
            if (in.at[i] != UINT32_MAX) {
                keep[s * n + in.at[i]] = r->expand.keep[s * own + i];
            }
        }
    }
    made->expand = r->expand;
    made->expand.keep = keep;
    ret->rel = made;
    return 0;
}

static int prune_watermark(struct optimizer *o, const struct rel *r, const bool *needed,
                           struct pruned *ret, struct error *err)
{
    bool *below = flags(o, width(r));
    memcpy(below, needed, width(r));
    below[r->watermark.rowtime] = true;
    plan_mark_inputs(r->watermark.value, below);
    TRY(prune(o, r->inputs[0], below, ret, err));
    struct rel *made = plan_node(o->p, REL_WATERMARK, &ret->rel, 1);
    made->schema = ret->rel->schema;
    made->watermark = r->watermark;
    made->watermark.rowtime = ret->at[r->watermark.rowtime];
    TRY(plan_map(o->p, r->watermark.value, inputs_of(o, ret, width(r)), &made->watermark.value,
                 err));
    ret->rel = made;
    return 0;
}

/* ---- several inputs ----------------------------------------------------------------------------------- */

static int prune_join(struct optimizer *o, const struct rel *r, const bool *needed,
                      struct pruned *ret, struct error *err)
{
    const uint32_t n_left = width(r->inputs[0]), n_right = width(r->inputs[1]);
    bool *below = flags(o, n_left + n_right);
    struct pruned left, right, both;
    struct rel_join join = r->join;
    memcpy(below, needed, width(r));
    mark_exprs(below, join.conditions);
    TRY(prune(o, r->inputs[0], below, &left, err));
    TRY(prune(o, r->inputs[1], below + n_left, &right, err));
    const struct expr **inputs =
        arena_zalloc(&o->p->arena, ((size_t)n_left + n_right + 1) * sizeof(*inputs));
    both.at = numbers(o, n_left + n_right);
    for (uint32_t i = 0; i < n_left + n_right; i++) {
        const uint32_t at = i < n_left ? left.at[i] : right.at[i - n_left];
        if (at == UINT32_MAX) {
            continue;
        }
        both.at[i] = i < n_left ? at : at + width(left.rel);
        inputs[i] =
            expr_input(o->p->pool, both.at[i],
                       type_ref((i < n_left ? left.rel : right.rel)->schema->fields[at].type));
    }
    TRY(plan_map_all(o->p, join.conditions, inputs, &join.conditions, err));
    ret->at = both.at;
    ret->rel = plan_join(o->p, left.rel, right.rel, &join);
    return 0;
}

static int prune_set(struct optimizer *o, const struct rel *r, const bool *needed,
                     struct pruned *ret, struct error *err)
{
    const struct rel **inputs = arena_alloc(&o->p->arena, (r->n_inputs + 1) * sizeof(*inputs));
    const bool *kept = at_least_one(o, r, needed);
    struct pruned in;
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        TRY(prune_exact(o, r->inputs[i], kept, &in, err));
        inputs[i] = in.rel;
    }
    ret->at = in.at;
    ret->rel = plan_set(o->p, r->kind, r->is_all, inputs, r->n_inputs);
    return 0;
}

static int prune(struct optimizer *o, const struct rel *r, const bool *needed, struct pruned *ret,
                 struct error *err)
{
    TRY(plan_check(o->p, err));
    switch (r->kind) {
    case REL_SCAN:
        return prune_scan(o, r, needed, ret, err);
    case REL_VALUES:
        return prune_values(o, r, needed, ret, err);
    case REL_FILTER:
        return prune_filter(o, r, needed, ret, err);
    case REL_PROJECT:
        return prune_project(o, r, needed, ret, err);
    case REL_AGGREGATE:
        return prune_aggregate(o, r, needed, ret, err);
    case REL_OVER:
        return prune_over(o, r, needed, ret, err);
    case REL_SORT:
        return prune_sort(o, r, needed, ret, err);
    case REL_UNNEST:
        return prune_unnest(o, r, needed, ret, err);
    case REL_EXPAND:
        return prune_expand(o, r, needed, ret, err);
    case REL_WATERMARK:
        return prune_watermark(o, r, needed, ret, err);
    case REL_JOIN:
        return prune_join(o, r, needed, ret, err);
    case REL_UNION:
        return prune_set(o, r, needed, ret, err);
    default:
        return error_set(err, ERR_INTERNAL, "a plan has %s where it cannot be",
                         rel_kind_name(r->kind));
    }
}

int rule_prune(struct optimizer *o, const struct rel *root, const struct rel **ret,
               struct error *err)
{
    const struct rel *input = root->inputs[0];
    bool *all = flags(o, width(input));
    struct pruned p;
    memset(all, true, width(input));
    TRY(prune_exact(o, input, all, &p, err));
    *ret = plan_with_inputs(o->p, root, &p.rel);
    return 0;
}
