/* Conditions moved down to where their columns come from; outer joins that a condition makes inner ones; set operations as joins.
 *
 * Types below may become NOT NULL on the way; expressions are typed again when columns are pruned. */
#include "sql/plan/rules.h"

static int push(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                const struct rel **ret, struct error *err);

/* ---- lists of conditions ------------------------------------------------------------------------------ */

static int both(struct sql_plan *p, struct rel_exprs a, struct rel_exprs b, struct rel_exprs *ret,
                struct error *err)
{
    CLEANUP(vec_fini) struct vec all = VEC_INIT(void *);
    for (uint32_t i = 0; i < a.n; i++) {
        TRY(plan_factors(p, a.items[i], &all, err));
    }
    for (uint32_t i = 0; i < b.n; i++) {
        TRY(plan_factors(p, b.items[i], &all, err));
    }
    *ret = plan_exprs(p, &all);
    return 0;
}

/* Those that stay here, and those that go below. */
struct split {
    struct vec here, below;
};

static void split_init(struct split *s)
{
    *s = (struct split){VEC_INIT(void *), VEC_INIT(void *)};
}

static void split_fini(struct split *s)
{
    vec_fini(&s->here);
    vec_fini(&s->below);
}

struct allowed {
    const bool *columns;
    uint32_t n;
};

static bool is_allowed(void *arg, const struct expr *e)
{
    const struct allowed *a = arg;
    return e->kind != EXPR_INPUT || (e->index < a->n && a->columns[e->index]);
}

static void split_by_columns(struct split *s, struct rel_exprs conds, const bool *columns,
                             uint32_t n)
{
    struct allowed a = {columns, n};
    for (uint32_t i = 0; i < conds.n; i++) {
        const struct expr *e = conds.items[i];
        vec_push_ptr(!e->is_volatile && plan_visit(e, is_allowed, &a) ? &s->below : &s->here, e);
    }
}

/* ---- one input ---------------------------------------------------------------------------------------- */

/* The conditions below, as `inputs` says what columns are there; the others over the node with its new input. */
static int push_below(struct optimizer *o, const struct rel *r, struct split *s,
                      const struct expr *const *inputs, const struct rel **ret, struct error *err)
{
    struct rel_exprs below = plan_exprs(o->p, &s->below);
    const struct rel *input;
    if (inputs != NULL) {
        TRY(plan_map_all(o->p, below, inputs, &below, err));
    }
    TRY(push(o, r->inputs[0], below, &input, err));
    *ret = plan_filter(o->p, plan_with_inputs(o->p, r, &input), plan_exprs(o->p, &s->here));
    return 0;
}

static int push_where(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                      const bool *columns, uint32_t n, const struct expr *const *inputs,
                      const struct rel **ret, struct error *err)
{
    struct split s;
    split_init(&s);
    split_by_columns(&s, conds, columns, n);
    int rc = push_below(o, r, &s, inputs, ret, err);
    split_fini(&s);
    return rc;
}

static int push_project(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                        const struct rel **ret, struct error *err)
{
    bool *columns = arena_zalloc(&o->p->arena, r->outputs.n + 1);
    for (uint32_t i = 0; i < r->outputs.n; i++) {
        columns[i] = !r->outputs.items[i]->is_volatile;
    }
    return push_where(o, r, conds, columns, r->outputs.n, r->outputs.items, ret, err);
}

static int push_aggregate(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                          const struct rel **ret, struct error *err)
{
    const uint32_t n = r->aggregate.keys.n;
    bool *columns = arena_zalloc(&o->p->arena, n + 1);
    const struct expr **inputs =
        arena_zalloc(&o->p->arena, (r->schema->n_fields + 1) * sizeof(*inputs));
    for (uint32_t i = 0; i < n; i++) {
        columns[i] = true;
        inputs[i] = plan_input(o->p, r->inputs[0], r->aggregate.keys.items[i]);
    }
    /* Without keys there is a row also when nothing comes: constants stay above. */
    struct split s;
    split_init(&s);
    if (n > 0) {
        split_by_columns(&s, conds, columns, n);
    } else {
        for (uint32_t i = 0; i < conds.n; i++) {
            vec_push_ptr(&s.here, conds.items[i]);
        }
    }
    int rc = push_below(o, r, &s, inputs, ret, err);
    split_fini(&s);
    return rc;
}

static int push_over(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                     const struct rel **ret, struct error *err)
{
    const uint32_t n = r->inputs[0]->schema->n_fields;
    bool *columns = arena_zalloc(&o->p->arena, n + 1);
    for (uint32_t i = 0; i < r->over.partition.n; i++) {
        columns[r->over.partition.items[i]] = true;
    }
    return push_where(o, r, conds, columns, r->over.partition.n > 0 ? n : 0, NULL, ret, err);
}

static int push_sort(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                     const struct rel **ret, struct error *err)
{
    const uint32_t n = r->schema->n_fields;
    bool *columns = arena_zalloc(&o->p->arena, n + 1);
    if (r->sort.has_fetch || r->sort.offset > 0) {
        const struct rel *input;
        TRY(push(o, r->inputs[0], (struct rel_exprs){NULL, 0}, &input, err));
        *ret = plan_filter(o->p, plan_with_inputs(o->p, r, &input), conds);
        return 0;
    }
    memset(columns, true, n);
    return push_where(o, r, conds, columns, n, NULL, ret, err);
}

static int push_unnest(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                       const struct rel **ret, struct error *err)
{
    const uint32_t n = r->inputs[0]->schema->n_fields;
    bool *columns = arena_zalloc(&o->p->arena, n + 1);
    memset(columns, true, n);
    return push_where(o, r, conds, columns, n, NULL, ret, err);
}

static int push_union(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                      const struct rel **ret, struct error *err)
{
    const struct rel **inputs = arena_alloc(&o->p->arena, (r->n_inputs + 1) * sizeof(*inputs));
    CLEANUP(vec_fini) struct vec here = VEC_INIT(void *);
    CLEANUP(vec_fini) struct vec below = VEC_INIT(void *);
    for (uint32_t i = 0; i < conds.n; i++) {
        vec_push_ptr(conds.items[i]->is_volatile ? &here : &below, conds.items[i]);
    }
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        struct rel_exprs own;
        TRY(plan_map_all(o->p, plan_exprs(o->p, &below), plan_identity(o->p, r->inputs[i]).items,
                         &own, err));
        TRY(push(o, r->inputs[i], own, &inputs[i], err));
    }
    *ret = plan_filter(o->p, plan_with_inputs(o->p, r, inputs), plan_exprs(o->p, &here));
    return 0;
}

/* ---- joins -------------------------------------------------------------------------------------------- */

/* Is a strict expression NULL when this input is?  Then a comparison of it is not TRUE. */
static bool is_null_with(const struct expr *e, uint32_t from, uint32_t to)
{
    if (e->kind == EXPR_INPUT) {
        return e->index >= from && e->index < to;
    }
    if (e->kind == EXPR_FIELD) {
        return is_null_with(e->args[0], from, to);
    }
    if (e->kind != EXPR_CALL || e->function->control != EXPR_CONTROL_NONE ||
        (e->function->flags & (EXPR_FN_OWN_NULLS | EXPR_FN_DYNAMIC)) != 0) {
        return false;
    }
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (is_null_with(e->args[i], from, to)) {
            return true;
        }
    }
    return false;
}

/* Does a row with NULLs for these columns never meet the condition? */
static bool refuses_nulls(const struct expr *e, uint32_t from, uint32_t to)
{
    if (e->kind == EXPR_CALL && e->n_args == 1 && strcmp(e->function->name, "IS NOT NULL") == 0) {
        return is_null_with(e->args[0], from, to);
    }
    return is_null_with(e, from, to);
}

static void make_inner(const struct rel *r, struct rel_exprs where, struct rel_join *join)
{
    const uint32_t n_left = r->inputs[0]->schema->n_fields, n = r->schema->n_fields;
    bool no_left = false, no_right = false;
    for (uint32_t i = 0; i < where.n; i++) {
        no_left |= refuses_nulls(where.items[i], 0, n_left);
        no_right |= refuses_nulls(where.items[i], n_left, n);
    }
    if (join->type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_FULL && no_left) {
        join->type = no_right ? FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER
                              : FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_LEFT;
    } else if (join->type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_FULL && no_right) {
        join->type = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_RIGHT;
    } else if ((join->type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_LEFT && no_right) ||
               (join->type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_RIGHT && no_left)) {
        join->type = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER;
    }
}

struct sides {
    struct vec left, right, on, above;
};

/* Where conditions may go: those of WHERE and those of ON. */
static void split_where(struct sides *s, struct rel_exprs where, Flinc__QueryJoinType type,
                        uint32_t n_left)
{
    const bool to_left = type != FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_RIGHT &&
                         type != FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_FULL;
    const bool to_right = type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER ||
                          type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_RIGHT;
    const bool to_on = type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER;
    for (uint32_t i = 0; i < where.n; i++) {
        const struct expr *e = where.items[i];
        const unsigned sides = join_sides_of(e, n_left);
        struct vec *to = &s->above;
        if (!e->is_volatile && sides <= 1 && to_left) {
            to = &s->left;
        } else if (!e->is_volatile && sides == 2 && to_right) {
            to = &s->right;
        } else if (!e->is_volatile && sides == 3 && to_on) {
            to = &s->on;
        }
        vec_push_ptr(to, e);
    }
}

static void split_on(struct sides *s, const struct rel_join *join, uint32_t n_left)
{
    const Flinc__QueryJoinType type = join->type;
    const bool to_left = type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER ||
                         type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_RIGHT ||
                         type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_SEMI;
    const bool to_right = type != FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_RIGHT &&
                          type != FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_FULL;
    for (uint32_t i = 0; i < join->conditions.n; i++) {
        const struct expr *e = join->conditions.items[i];
        const unsigned sides = join_sides_of(e, n_left);
        struct vec *to = &s->on;
        if (!e->is_volatile && !join->null_aware && sides == 1 && to_left) {
            to = &s->left;
        } else if (!e->is_volatile && !join->null_aware && sides == 2 && to_right) {
            to = &s->right;
        }
        vec_push_ptr(to, e);
    }
}

static int push_sides(struct optimizer *o, const struct rel *r, struct sides *s,
                      struct rel_join *join, const struct rel **ret, struct error *err)
{
    struct sql_plan *p = o->p;
    const uint32_t n_left = r->inputs[0]->schema->n_fields;
    const uint32_t n_right = r->inputs[1]->schema->n_fields;
    const struct rel *left, *right;
    const struct expr **inputs =
        arena_zalloc(&p->arena, ((size_t)n_left + n_right + 1) * sizeof(*inputs));
    struct rel_exprs of_left = plan_exprs(p, &s->left), of_right = plan_exprs(p, &s->right);
    for (uint32_t i = 0; i < n_left + n_right; i++) {
        inputs[i] =
            i < n_left ? plan_input(p, r->inputs[0], i) : plan_input(p, r->inputs[1], i - n_left);
    }
    TRY(plan_map_all(p, of_left, inputs, &of_left, err));
    TRY(plan_map_all(p, of_right, inputs, &of_right, err));
    TRY(push(o, r->inputs[0], of_left, &left, err));
    TRY(push(o, r->inputs[1], of_right, &right, err));
    join->conditions = plan_exprs(p, &s->on);
    *ret = plan_filter(p, plan_join(p, left, right, join), plan_exprs(p, &s->above));
    return 0;
}

static int push_join(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                     const struct rel **ret, struct error *err)
{
    struct sides s = {VEC_INIT(void *), VEC_INIT(void *), VEC_INIT(void *), VEC_INIT(void *)};
    struct rel_join join = r->join;
    const uint32_t n_left = r->inputs[0]->schema->n_fields;
    TRY(both(o->p, join.conditions, (struct rel_exprs){NULL, 0}, &join.conditions, err));
    make_inner(r, conds, &join);
    split_where(&s, conds, join.type, n_left);
    split_on(&s, &join, n_left);
    int rc = push_sides(o, r, &s, &join, ret, err);
    vec_fini(&s.left);
    vec_fini(&s.right);
    vec_fini(&s.on);
    vec_fini(&s.above);
    return rc;
}

/* ---- INTERSECT, EXCEPT -------------------------------------------------------------------------------- */

static const struct rel *distinct_of(struct sql_plan *p, const struct rel *r)
{
    uint32_t *keys = arena_alloc(&p->arena, (r->schema->n_fields + 1) * sizeof(*keys));
    for (uint32_t i = 0; i < r->schema->n_fields; i++) {
        keys[i] = i;
    }
    const struct rel_aggregate a = {.keys = {keys, r->schema->n_fields}};
    return plan_aggregate(p, r, &a);
}

/* ALL: equal rows are numbered, and the n-th meets the n-th. */
static int numbered(struct optimizer *o, const struct rel *r, const struct rel **ret,
                    struct error *err)
{
    struct sql_plan *p = o->p;
    const struct expr_function *f = expr_function_find(SLICE_LIT("ROW_NUMBER"));
    const uint32_t n = r->schema->n_fields;
    const struct expr *call;
    uint32_t *all = arena_alloc(&p->arena, (n + 1) * sizeof(*all));
    if (f == NULL) {
        return plan_unsupported(err, "INTERSECT ALL and EXCEPT ALL");
    }
    for (uint32_t i = 0; i < n; i++) {
        all[i] = i;
    }
    TRY(plan_check_width(p, (uint64_t)n + 1, err));
    TRY(expr_call_resolve(p->pool, f, NULL, 0, &call, err));
    struct rel_over_call *made = arena_zalloc(&p->arena, sizeof(*made));
    made->call = (struct rel_aggregate_call){
        .function = f, .type = (struct data_type *)(uintptr_t)call->type, .name = "$n"};
    made->lower = FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_PRECEDING;
    made->upper = FLINC__OVER_BOUND_KIND__OVER_CURRENT_ROW;
    const struct rel_over over = {.partition = {all, n}, .calls = made, .n_calls = 1};
    *ret = plan_over(p, r, &over);
    return 0;
}

static int meet(struct optimizer *o, const struct rel *left, const struct rel *right,
                bool is_except, const struct rel **ret, struct error *err)
{
    struct sql_plan *p = o->p;
    const uint32_t n = left->schema->n_fields;
    const struct expr **conds = arena_alloc(&p->arena, (n + 1) * sizeof(*conds));
    TRY(plan_check_width(p, 2 * (uint64_t)n, err));
    for (uint32_t i = 0; i < n; i++) {
        const struct expr *pair[2] = {
            plan_input(p, left, i),
            expr_input(p->pool, n + i, type_ref(right->schema->fields[i].type))};
        TRY(expr_call(p->pool, "IS NOT DISTINCT FROM", pair, 2, &conds[i], err));
    }
    const struct rel_join join = {.type = is_except ? FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_ANTI
                                                    : FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_SEMI,
                                  .conditions = {conds, n}};
    *ret = plan_join(p, left, right, &join);
    return 0;
}

static int push_minus(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                      const struct rel **ret, struct error *err)
{
    const uint32_t n = r->schema->n_fields;
    const struct rel *made = r->inputs[0], *right;
    if (r->is_all) {
        TRY(numbered(o, made, &made, err));
    } else {
        made = distinct_of(o->p, made);
    }
    for (uint32_t i = 1; i < r->n_inputs; i++) {
        right = r->inputs[i];
        TRY(r->is_all ? numbered(o, right, &right, err) : 0);
        TRY(meet(o, made, right, r->kind == REL_EXCEPT, &made, err));
    }
    if (r->is_all) {
        uint32_t *own = arena_alloc(&o->p->arena, (n + 1) * sizeof(*own));
        for (uint32_t i = 0; i < n; i++) {
            own[i] = i;
        }
        made = plan_pick(o->p, made, own, n);
    }
    return push(o, made, conds, ret, err);
}

/* ---- the pass ----------------------------------------------------------------------------------------- */

static int push_plain(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                      const struct rel **ret, struct error *err)
{
    const struct rel **inputs = arena_alloc(&o->p->arena, (r->n_inputs + 1) * sizeof(*inputs));
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        TRY(push(o, r->inputs[i], (struct rel_exprs){NULL, 0}, &inputs[i], err));
    }
    *ret = plan_filter(o->p, r->n_inputs > 0 ? plan_with_inputs(o->p, r, inputs) : r, conds);
    return 0;
}

static int push_filter(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                       const struct rel **ret, struct error *err)
{
    TRY(both(o->p, r->conditions, conds, &conds, err));
    return push(o, r->inputs[0], conds, ret, err);
}

static int push(struct optimizer *o, const struct rel *r, struct rel_exprs conds,
                const struct rel **ret, struct error *err)
{
    static int (*const kinds[REL_KIND_COUNT])(struct optimizer *, const struct rel *,
                                              struct rel_exprs, const struct rel **,
                                              struct error *) = {
        [REL_FILTER] = push_filter, [REL_PROJECT] = push_project, [REL_AGGREGATE] = push_aggregate,
        [REL_OVER] = push_over,     [REL_SORT] = push_sort,       [REL_UNNEST] = push_unnest,
        [REL_UNION] = push_union,   [REL_JOIN] = push_join,       [REL_INTERSECT] = push_minus,
        [REL_EXCEPT] = push_minus,
    };
    TRY(plan_check(o->p, err));
    return (kinds[r->kind] != NULL ? kinds[r->kind] : push_plain)(o, r, conds, ret, err);
}

int rule_push(struct optimizer *o, const struct rel *root, const struct rel **ret,
              struct error *err)
{
    return push(o, root, (struct rel_exprs){NULL, 0}, ret, err);
}
