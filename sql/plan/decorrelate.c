/* Correlated conditions pulled up out of a subquery, to become conditions of the join that it is turned into.
 *
 *   SELECT MAX(x) FROM s WHERE s.k = t.k     ->  SELECT MAX(x), k FROM s GROUP BY k, to be joined by t.k = k
 *
 * The relation that comes out has the subquery's columns first, in their places, and what the conditions read behind them. */
#include "sql/plan/decorrelate.h"

#include <inttypes.h>

static int pull(struct decorrelation *d, const struct rel *r, const struct rel **ret,
                struct error *err);

/* ---- looking ------------------------------------------------------------------------------------------ */

struct seeking {
    const struct block *block;
    bool found, has_input;
};

static bool seek(void *arg, const struct expr *e)
{
    struct seeking *s = arg;
    s->has_input |= e->kind == EXPR_INPUT;
    if (e->kind == EXPR_EXTERNAL && e->external_kind == PLAN_CORRELATED) {
        s->found |= ((const struct plan_correlation *)e->external)->block == s->block;
    }
    return true;
}

bool expr_is_correlated(const struct expr *e, const struct block *b)
{
    struct seeking s = {.block = b};
    plan_visit(e, seek, &s);
    return s.found;
}

static bool any_correlated(struct rel_exprs e, const struct block *b)
{
    for (uint32_t i = 0; i < e.n; i++) {
        if (expr_is_correlated(e.items[i], b)) {
            return true;
        }
    }
    return false;
}

bool rel_is_correlated(const struct rel *r, const struct block *b)
{
    if (any_correlated(r->conditions, b) || any_correlated(r->outputs, b) ||
        (r->kind == REL_JOIN && any_correlated(r->join.conditions, b)) ||
        (r->kind == REL_UNNEST && (expr_is_correlated(r->unnest.collection, b) ||
                                   any_correlated(r->unnest.conditions, b)))) {
        return true;
    }
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        if (rel_is_correlated(r->inputs[i], b)) {
            return true;
        }
    }
    return false;
}

/* inner = outer: the inner side, over the relation alone. */
static const struct expr *inner_side(const struct expr *e, const struct block *b)
{
    if (e->kind != EXPR_CALL || e->n_args != 2 ||
        (strcmp(e->function->name, "=") != 0 &&
         strcmp(e->function->name, "IS NOT DISTINCT FROM") != 0)) {
        return NULL;
    }
    for (int i = 0; i < 2; i++) {
        struct seeking inner = {.block = b}, outer = {.block = b};
        plan_visit(e->args[i], seek, &inner);
        plan_visit(e->args[1 - i], seek, &outer);
        if (!inner.found && inner.has_input && outer.found && !outer.has_input) {
            return e->args[i];
        }
    }
    return NULL;
}

static int refuse(const char *what, struct error *err)
{
    return error_set(err, ERR_UNSUPPORTED, "not supported yet: a correlated subquery with %s",
                     what);
}

/* ---- conditions over other columns -------------------------------------------------------------------- */

/* Input i of the conditions is now `inputs[i]`. */
static int move_conditions(struct decorrelation *d, const struct expr *const *inputs,
                           struct error *err)
{
    for (size_t i = 0; i < d->conds.len; i++) {
        const struct expr **e = (const struct expr **)vec_at(&d->conds, i);
        TRY(plan_map(d->p, *e, inputs, e, err));
    }
    return 0;
}

static uint32_t width(const struct rel *r)
{
    return r->schema->n_fields;
}

static bool *used_inputs(struct decorrelation *d, const struct rel *r)
{
    bool *used = arena_zalloc(&d->p->arena, width(r) + 1);
    for (size_t i = 0; i < d->conds.len; i++) {
        plan_mark_inputs(vec_ptr(&d->conds, i), used);
    }
    return used;
}

/* The outputs, then those columns of the input that the conditions read. */
static int project_with(struct decorrelation *d, const struct rel *input, struct rel_exprs outputs,
                        const struct schema *names_of, const struct rel **ret, struct error *err)
{
    struct sql_plan *p = d->p;
    const uint32_t n = width(input);
    const bool *used = used_inputs(d, input);
    const struct expr **all = arena_alloc(&p->arena, ((size_t)outputs.n + n + 1) * sizeof(*all));
    const char **names = arena_alloc(&p->arena, ((size_t)outputs.n + n + 1) * sizeof(*names));
    const struct expr **moved = arena_zalloc(&p->arena, (n + 1) * sizeof(*moved));
    uint32_t m = outputs.n;
    for (uint32_t i = 0; i < outputs.n; i++) {
        all[i] = outputs.items[i];
        names[i] = names_of->fields[i].name;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (used[i]) {
            all[m] = plan_input(p, input, i);
            names[m] = input->schema->fields[i].name;
            moved[i] = expr_input(p->pool, m, type_ref(all[m]->type));
            m++;
        }
    }
    TRY(plan_check_width(p, m, err));
    *ret = plan_project(p, input, all, names, m);
    return move_conditions(d, moved, err);
}

/* ---- the rows around ---------------------------------------------------------------------------------- */

struct externals {
    const struct block *block;
    struct vec items; /* const struct expr * */
};

static bool gather_external(void *arg, const struct expr *e)
{
    struct externals *x = arg;
    if (e->kind != EXPR_EXTERNAL || e->external_kind != PLAN_CORRELATED ||
        ((const struct plan_correlation *)e->external)->block != x->block) {
        return true;
    }
    for (size_t i = 0; i < x->items.len; i++) {
        if (vec_ptr(&x->items, i) == e) {
            return true;
        }
    }
    vec_push_ptr(&x->items, e);
    return true;
}

struct placing {
    const struct externals *externals;
    struct sql_plan *p;
    const struct rel *joined;
    uint32_t first;
};

static const struct expr *place_external(void *arg, const struct expr *e)
{
    const struct placing *x = arg;
    for (size_t i = 0; i < x->externals->items.len; i++) {
        if (vec_ptr(&x->externals->items, i) == e) {
            return plan_input(x->p, x->joined, x->first + (uint32_t)i);
        }
    }
    return NULL;
}

/* Combinations of the block's columns, each once. */
static int domain_of(struct decorrelation *d, const struct externals *x, const struct rel **ret,
                     struct error *err)
{
    const uint32_t n = (uint32_t)x->items.len;
    uint32_t *keys = arena_alloc(&d->p->arena, (n + 1) * sizeof(*keys));
    for (uint32_t i = 0; i < n; i++) {
        const struct expr *e = vec_ptr(&x->items, i);
        TRY(correlation_column(e->external, &keys[i], err));
    }
    const struct rel_aggregate a = {.keys = {keys, n}};
    *ret = plan_aggregate(d->p, d->block->rel, &a);
    return 0;
}

static int join_with(struct decorrelation *d, const struct externals *x, struct rel_exprs exprs,
                     const struct rel **inout, struct rel_exprs *ret, struct error *err)
{
    struct sql_plan *p = d->p;
    const struct rel *domain;
    const uint32_t own = width(*inout);
    const struct rel_join join = {.type = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER};
    const struct expr **out = arena_alloc(&p->arena, (exprs.n + 1) * sizeof(*out));
    TRY(domain_of(d, x, &domain, err));
    TRY(plan_check_width(p, (uint64_t)own + width(domain), err));
    *inout = plan_join(p, *inout, domain, &join);
    struct placing placing = {x, p, *inout, own};
    for (uint32_t i = 0; i < exprs.n; i++) {
        TRY(plan_replace(p, exprs.items[i], place_external, &placing, &out[i], err));
    }
    for (uint32_t i = 0; i < x->items.len; i++) {
        const struct expr *pair[2] = {plan_input(p, *inout, own + i), vec_ptr(&x->items, i)}, *cond;
        TRY(expr_call(p->pool, "IS NOT DISTINCT FROM", pair, 2, &cond, err));
        vec_push_ptr(&d->conds, cond);
    }
    *ret = (struct rel_exprs){out, exprs.n};
    return 0;
}

/* The relation with the columns of the block that the expressions refer to behind its own; they are over it then. */
static int join_domain(struct decorrelation *d, struct rel_exprs exprs, const struct rel **inout,
                       struct rel_exprs *ret, struct error *err)
{
    struct externals x = {d->block, VEC_INIT(void *)};
    for (uint32_t i = 0; i < exprs.n; i++) {
        plan_visit(exprs.items[i], gather_external, &x);
    }
    int rc = join_with(d, &x, exprs, inout, ret, err);
    vec_fini(&x.items);
    return rc;
}

/* ---- kinds -------------------------------------------------------------------------------------------- */

static int pull_filter(struct decorrelation *d, const struct rel *r, const struct rel **ret,
                       struct error *err)
{
    CLEANUP(vec_fini) struct vec own = VEC_INIT(void *);
    const struct rel *input;
    struct rel_exprs conds;
    TRY(pull(d, r->inputs[0], &input, err));
    TRY(plan_map_all(d->p, r->conditions, plan_identity(d->p, input).items, &conds, err));
    if (d->by_domain && !d->is_scalar && any_correlated(conds, d->block)) {
        TRY(join_domain(d, conds, &input, &conds, err));
    }
    for (uint32_t i = 0; i < conds.n; i++) {
        const bool is_outer = expr_is_correlated(conds.items[i], d->block);
        vec_push_ptr(is_outer ? &d->conds : &own, conds.items[i]);
        d->has_filter |= !is_outer && d->is_scalar;
        if (is_outer && d->is_scalar) {
            return refuse("a correlated HAVING", err);
        }
    }
    *ret = plan_filter(d->p, input, plan_exprs(d->p, &own));
    return 0;
}

static int pull_project(struct decorrelation *d, const struct rel *r, const struct rel **ret,
                        struct error *err)
{
    const struct rel *input;
    struct rel_exprs outputs;
    const bool is_correlated = any_correlated(r->outputs, d->block);
    if (is_correlated && !d->by_domain) {
        return refuse("columns of the query around in its SELECT", err);
    }
    TRY(pull(d, r->inputs[0], &input, err));
    TRY(plan_map_all(d->p, r->outputs, plan_identity(d->p, input).items, &outputs, err));
    if (is_correlated && d->is_scalar) {
        return refuse("columns of the query around beside an aggregate", err);
    }
    TRY(is_correlated ? join_domain(d, outputs, &input, &outputs, err) : 0);
    if (d->is_scalar && d->empty.items != NULL) {
        TRY(plan_map_all(d->p, r->outputs, d->empty.items, &d->empty, err));
    }
    return project_with(d, input, outputs, r->schema, ret, err);
}

/* Columns of the conditions' inner sides, as columns of a projection over the input; conditions are then
 * column = outer. */
static int key_columns(struct decorrelation *d, const struct rel **inout, struct vec *ret_columns,
                       const char *what, struct error *err)
{
    struct sql_plan *p = d->p;
    const struct rel *input = *inout;
    const uint32_t own = width(input);
    const uint32_t most = own + (uint32_t)d->conds.len;
    const struct expr **outputs = arena_alloc(&p->arena, (most + 1) * sizeof(*outputs));
    const char **names = arena_alloc(&p->arena, (most + 1) * sizeof(*names));
    uint32_t n = own;
    for (uint32_t i = 0; i < own; i++) {
        outputs[i] = plan_input(p, input, i);
        names[i] = input->schema->fields[i].name;
    }
    for (size_t i = 0; i < d->conds.len; i++) {
        const struct expr **cond = (const struct expr **)vec_at(&d->conds, i);
        const struct expr *inner = inner_side(*cond, d->block);
        if (inner == NULL) {
            return refuse(what, err);
        }
        uint32_t at = inner->kind == EXPR_INPUT ? inner->index : n;
        if (at == n) {
            outputs[n] = inner;
            names[n++] = "$k";
        }
        *VEC_PUSH(ret_columns, uint32_t) = at;
        const struct expr *args[2] = {(*cond)->args[0], (*cond)->args[1]};
        args[args[0] == inner ? 0 : 1] = expr_input(p->pool, at, type_ref(inner->type));
        *cond = expr_with_args(p->pool, *cond, args);
    }
    TRY(plan_check_width(p, n, err));
    if (n > own) {
        *inout = plan_project(p, input, outputs, names, n);
    }
    return 0;
}

static uint32_t position(const struct vec *columns, uint32_t column)
{
    uint32_t i = 0;
    while (*VEC_AT(columns, uint32_t, i) != column) {
        i++;
    }
    return i;
}

/* What the calls give when there is no row. */
static int empty_values(struct decorrelation *d, const struct rel_aggregate *a, struct error *err)
{
    struct sql_plan *p = d->p;
    const struct expr **values = arena_alloc(&p->arena, (a->n_calls + 1) * sizeof(*values));
    for (uint32_t i = 0; i < a->n_calls; i++) {
        const char *name = a->calls[i].function->name;
        const struct data_type *t = a->calls[i].type;
        const bool is_zero = !t->nullable;
        if (is_zero && strcmp(name, "COUNT") != 0 && strcmp(name, "$SUM0") != 0 &&
            strcmp(name, "APPROX_COUNT_DISTINCT") != 0) {
            return refuse(name, err);
        }
        values[i] = is_zero ? expr_literal(p->pool, type_ref(t), (struct expr_value){.integer = 0})
                            : expr_null(p->pool, type_ref(t));
    }
    d->empty = (struct rel_exprs){values, a->n_calls};
    d->is_scalar = true;
    return 0;
}

/* The inner sides become keys; the aggregate's own columns come first again. */
static int pull_aggregate(struct decorrelation *d, const struct rel *r, const struct rel **ret,
                          struct error *err)
{
    struct sql_plan *p = d->p;
    const struct rel *input;
    struct rel_aggregate a = r->aggregate;
    CLEANUP(vec_fini) struct vec inner = VEC_INIT(uint32_t);
    CLEANUP(vec_fini) struct vec keys = VEC_INIT(uint32_t);
    TRY(pull(d, r->inputs[0], &input, err));
    if (d->is_scalar) {
        return refuse("an aggregate of an aggregate", err);
    }
    TRY(key_columns(d, &input, &inner, "aggregates and a condition other than equality", err));
    for (uint32_t i = 0; i < a.keys.n; i++) {
        *VEC_PUSH(&keys, uint32_t) = a.keys.items[i];
    }
    for (size_t i = 0; i < inner.len; i++) {
        *VEC_PUSH(&keys, uint32_t) = *VEC_AT(&inner, uint32_t, i);
    }
    TRY(r->aggregate.keys.n == 0 ? empty_values(d, &a, err) : 0);
    const uint32_t own_keys = a.keys.n, n = width(r);
    a.keys = plan_columns(p, &keys);
    TRY(plan_check_width(p, (uint64_t)keys.len + a.n_calls, err));
    const struct rel *made = plan_aggregate(p, input, &a);
    const struct expr **moved = arena_zalloc(&p->arena, (width(input) + 1) * sizeof(*moved));
    for (size_t i = 0; i < inner.len; i++) {
        const uint32_t column = *VEC_AT(&inner, uint32_t, i);
        moved[column] = plan_input(p, made, position(&keys, column));
    }
    TRY(move_conditions(d, moved, err));
    const struct expr **outputs = arena_alloc(&p->arena, (n + 1) * sizeof(*outputs));
    for (uint32_t i = 0; i < n; i++) {
        outputs[i] = plan_input(p, made, i < own_keys ? i : i - own_keys + (uint32_t)keys.len);
    }
    return project_with(d, made, (struct rel_exprs){outputs, n}, r->schema, ret, err);
}

/* The inner sides become part of the partition. */
static int pull_over(struct decorrelation *d, const struct rel *r, const struct rel **ret,
                     struct error *err)
{
    struct sql_plan *p = d->p;
    const struct rel *input;
    const uint32_t own = width(r->inputs[0]), n = width(r);
    CLEANUP(vec_fini) struct vec partition = VEC_INIT(uint32_t);
    struct rel_over over = r->over;
    TRY(pull(d, r->inputs[0], &input, err));
    for (uint32_t i = 0; i < over.partition.n; i++) {
        *VEC_PUSH(&partition, uint32_t) = over.partition.items[i];
    }
    TRY(key_columns(d, &input, &partition, "OVER and a condition other than equality", err));
    over.partition = plan_columns(p, &partition);
    TRY(plan_check_width(p, (uint64_t)width(input) + over.n_calls, err));
    const struct rel *made = plan_over(p, input, &over);
    const struct expr **outputs = arena_alloc(&p->arena, (n + 1) * sizeof(*outputs));
    for (uint32_t i = 0; i < n; i++) {
        outputs[i] = plan_input(p, made, i < own ? i : i - own + width(input));
    }
    return project_with(d, made, (struct rel_exprs){outputs, n}, r->schema, ret, err);
}

/* rn > offset AND rn <= offset + fetch */
static int rank_conditions(struct decorrelation *d, const struct rel *r, const struct rel_sort *s,
                           struct vec *out, struct error *err)
{
    struct sql_plan *p = d->p;
    const struct expr *rank = plan_input(p, r, width(r) - 1);
    int64_t last = 0;
    const struct expr *args[2] = {rank, expr_integer(p->pool, TYPE_BIGINT, s->offset)}, *cond;
    if (s->offset > 0) {
        TRY(expr_call(p->pool, ">", args, 2, &cond, err));
        vec_push_ptr(out, cond);
    }
    if (s->has_fetch && !__builtin_add_overflow(s->offset, s->fetch, &last)) {
        args[1] = expr_integer(p->pool, TYPE_BIGINT, last);
        TRY(expr_call(p->pool, "<=", args, 2, &cond, err));
        vec_push_ptr(out, cond);
    }
    return 0;
}

/* A limit is one for each row around: rows are numbered by what they are joined by. */
static int pull_sort(struct decorrelation *d, const struct rel *r, const struct rel **ret,
                     struct error *err)
{
    struct sql_plan *p = d->p;
    const struct rel_sort *s = &r->sort;
    const struct expr_function *f = expr_function_find(SLICE_LIT("ROW_NUMBER"));
    CLEANUP(vec_fini) struct vec partition = VEC_INIT(uint32_t);
    CLEANUP(vec_fini) struct vec conds = VEC_INIT(void *);
    const struct expr *call;
    const struct rel *input;
    TRY(pull(d, r->inputs[0], &input, err));
    *ret = input;
    if ((!s->has_fetch && s->offset == 0) || d->is_scalar ||
        (d->is_exists && s->offset == 0 && s->fetch > 0)) {
        return !d->is_scalar || (s->offset == 0 && (!s->has_fetch || s->fetch > 0))
                   ? 0
                   : refuse("LIMIT over an aggregate", err);
    }
    if (f == NULL) {
        return refuse("LIMIT", err);
    }
    TRY(key_columns(d, &input, &partition, "LIMIT and a condition other than equality", err));
    TRY(expr_call_resolve(p->pool, f, NULL, 0, &call, err));
    struct rel_over_call *made = arena_zalloc(&p->arena, sizeof(*made));
    made->call = (struct rel_aggregate_call){
        .function = f, .type = (struct data_type *)(uintptr_t)call->type, .name = "$rank"};
    made->lower = FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_PRECEDING;
    made->upper = FLINC__OVER_BOUND_KIND__OVER_CURRENT_ROW;
    const struct rel_over over = {
        .partition = plan_columns(p, &partition), .order = s->keys, .calls = made, .n_calls = 1};
    TRY(plan_check_width(p, (uint64_t)width(input) + 1, err));
    *ret = plan_over(p, input, &over);
    TRY(rank_conditions(d, *ret, s, &conds, err));
    *ret = plan_filter(p, *ret, plan_exprs(p, &conds));
    return 0;
}

/* ---- joins -------------------------------------------------------------------------------------------- */

/* Both sides pulled; their conditions over the join, whose columns are moved by what the left one has got. */
static int pull_inner(struct decorrelation *d, const struct rel *r, const struct rel **ret,
                      struct error *err)
{
    struct sql_plan *p = d->p;
    const uint32_t n_left = width(r->inputs[0]), n_right = width(r->inputs[1]);
    struct decorrelation left = {.p = p, .block = d->block, .conds = VEC_INIT(void *)};
    struct decorrelation right = {.p = p, .block = d->block, .conds = VEC_INIT(void *)};
    const struct rel *l = NULL, *s = NULL;
    int rc = pull(&left, r->inputs[0], &l, err);
    rc = rc == 0 ? pull(&right, r->inputs[1], &s, err) : rc;
    if (rc == 0 && (left.is_scalar || right.is_scalar)) {
        rc = refuse("an aggregate in a join", err);
    }
    rc = rc == 0 ? plan_check_width(p, (uint64_t)width(l) + width(s), err) : rc;
    if (rc == 0) {
        const uint32_t all = width(l) + width(s);
        const struct expr **over = arena_zalloc(&p->arena, (all + 1) * sizeof(*over));
        const struct expr **of_right = arena_zalloc(&p->arena, (width(s) + 1) * sizeof(*over));
        for (uint32_t i = 0; i < width(s); i++) {
            of_right[i] = expr_input(p->pool, width(l) + i, type_ref(s->schema->fields[i].type));
        }
        /* Of the join's own conditions: left, right. */
        for (uint32_t i = 0; i < n_left + n_right; i++) {
            over[i] = i < n_left ? plan_input(p, l, i) : of_right[i - n_left];
        }
        rc = move_conditions(&right, of_right, err);
        struct rel_exprs own;
        rc = rc == 0 ? plan_map_all(p, r->join.conditions, over, &own, err) : rc;
        CLEANUP(vec_fini) struct vec kept = VEC_INIT(void *);
        for (uint32_t i = 0; rc == 0 && i < own.n; i++) {
            vec_push_ptr(expr_is_correlated(own.items[i], d->block) ? &d->conds : &kept,
                         own.items[i]);
        }
        for (int k = 0; rc == 0 && k < 2; k++) {
            const struct vec *from = k == 0 ? &left.conds : &right.conds;
            for (size_t i = 0; i < from->len; i++) {
                vec_push_ptr(&d->conds, vec_ptr(from, i));
            }
        }
        if (rc == 0) {
            struct rel_join join = r->join;
            join.conditions = plan_exprs(p, &kept);
            const struct rel *made = plan_join(p, l, s, &join);
            const struct expr **outputs =
                arena_alloc(&p->arena, (n_left + n_right + 1) * sizeof(*outputs));
            for (uint32_t i = 0; i < n_left + n_right; i++) {
                outputs[i] = plan_input(p, made, i < n_left ? i : i - n_left + width(l));
            }
            rc = project_with(d, made, (struct rel_exprs){outputs, n_left + n_right}, r->schema,
                              ret, err);
        }
    }
    vec_fini(&left.conds);
    vec_fini(&right.conds);
    return rc;
}

/* SEMI, ANTI, LEFT: what is correlated is on the left. */
static int pull_left(struct decorrelation *d, const struct rel *r, const struct rel **ret,
                     struct error *err)
{
    struct sql_plan *p = d->p;
    const uint32_t n_left = width(r->inputs[0]), n_right = width(r->inputs[1]);
    const bool has_right = r->join.type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_LEFT;
    const struct rel *l;
    struct rel_join join = r->join;
    const bool is_correlated = any_correlated(join.conditions, d->block);
    if ((is_correlated && !d->by_domain) || rel_is_correlated(r->inputs[1], d->block)) {
        return refuse("columns of two queries around in one condition", err);
    }
    TRY(pull(d, r->inputs[0], &l, err));
    if (d->is_scalar) {
        return refuse("an aggregate in a join", err);
    }
    struct externals x = {d->block, VEC_INIT(void *)};
    uint32_t first = width(l);
    if (is_correlated) {
        struct rel_exprs none = {NULL, 0};
        for (uint32_t i = 0; i < join.conditions.n; i++) {
            plan_visit(join.conditions.items[i], gather_external, &x);
        }
        int rc = join_with(d, &x, none, &l, &none, err);
        if (rc < 0) {
            vec_fini(&x.items);
            return rc;
        }
    }
    struct placing placing = {&x, p, l, first};
    const struct expr **placed = arena_alloc(&p->arena, (join.conditions.n + 1) * sizeof(*placed));
    const struct expr **over =
        arena_alloc(&p->arena, ((size_t)n_left + n_right + 1) * sizeof(*over));
    for (uint32_t i = 0; i < n_left + n_right; i++) {
        over[i] = i < n_left ? plan_input(p, l, i)
                             : expr_input(p->pool, width(l) + i - n_left,
                                          type_ref(r->inputs[1]->schema->fields[i - n_left].type));
    }
    int rc = plan_map_all(p, join.conditions, over, &join.conditions, err);
    for (uint32_t i = 0; i < join.conditions.n && rc == 0; i++) {
        rc = plan_replace(p, join.conditions.items[i], place_external, &placing, &placed[i], err);
    }
    vec_fini(&x.items);
    TRY(rc);
    join.conditions.items = placed;
    TRY(plan_check_width(p, (uint64_t)width(l) + n_right, err));
    const struct rel *made = plan_join(p, l, r->inputs[1], &join);
    const uint32_t n = has_right ? n_left + n_right : n_left;
    const struct expr **outputs = arena_alloc(&p->arena, (n + 1) * sizeof(*outputs));
    for (uint32_t i = 0; i < n; i++) {
        outputs[i] = plan_input(p, made, i < n_left ? i : i - n_left + width(l));
    }
    return project_with(d, made, (struct rel_exprs){outputs, n}, r->schema, ret, err);
}

static int pull_join(struct decorrelation *d, const struct rel *r, const struct rel **ret,
                     struct error *err)
{
    switch (r->join.type) {
    case FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER:
        return pull_inner(d, r, ret, err);
    case FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_LEFT:
    case FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_SEMI:
    case FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_ANTI:
        return pull_left(d, r, ret, err);
    default:
        return refuse("RIGHT and FULL JOIN", err);
    }
}

static int pull(struct decorrelation *d, const struct rel *r, const struct rel **ret,
                struct error *err)
{
    TRY(plan_check(d->p, err));
    if (!rel_is_correlated(r, d->block)) {
        *ret = r;
        return 0;
    }
    switch (r->kind) {
    case REL_FILTER:
        return pull_filter(d, r, ret, err);
    case REL_PROJECT:
        return pull_project(d, r, ret, err);
    case REL_AGGREGATE:
        return pull_aggregate(d, r, ret, err);
    case REL_OVER:
        return pull_over(d, r, ret, err);
    case REL_SORT:
        return pull_sort(d, r, ret, err);
    case REL_JOIN:
        return pull_join(d, r, ret, err);
    case REL_UNION:
    case REL_INTERSECT:
    case REL_EXCEPT:
        return refuse("set operations", err);
    default:
        return refuse(rel_kind_name(r->kind), err);
    }
}

int decorrelate(struct decorrelation *d, const struct rel *r, const struct rel **ret,
                struct error *err)
{
    const struct decorrelation before = *d;
    struct error why = ERROR_INIT;
    d->conds = (struct vec)VEC_INIT(void *);
    int rc = pull(d, r, ret, &why);
    if (rc == ERR_UNSUPPORTED) {
        vec_fini(&d->conds);
        *d = before;
        d->by_domain = true;
        d->conds = (struct vec)VEC_INIT(void *);
        return pull(d, r, ret, err);
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

int decorrelation_keys(struct decorrelation *d, const struct rel **inout, struct vec *ret_columns,
                       const char *what, struct error *err)
{
    return key_columns(d, inout, ret_columns, what, err);
}

int decorrelate_by_equality(struct decorrelation *d, const struct rel *r, const struct rel **inout,
                            struct error *err)
{
    bool all_equal = true;
    for (size_t i = 0; i < d->conds.len; i++) {
        all_equal &= inner_side(vec_ptr(&d->conds, i), d->block) != NULL;
    }
    if (all_equal || d->by_domain) {
        return 0;
    }
    vec_fini(&d->conds);
    *d = (struct decorrelation){
        .p = d->p, .block = d->block, .is_exists = d->is_exists, .by_domain = true};
    d->conds = (struct vec)VEC_INIT(void *);
    return pull(d, r, inout, err);
}
