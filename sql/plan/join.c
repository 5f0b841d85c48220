/* Joins: equal pairs taken out of the conditions, which side is kept in memory, how rows get together. */
#include "sql/plan/rules.h"

#include "engine/expr/type_rules.h"

struct joining {
    struct optimizer *o;
    const struct rel *left, *right;
    uint32_t n_left;
    struct vec left_exprs, right_exprs; /* behind the sides' own columns */
    struct vec left_keys, right_keys;   /* uint32_t */
    struct vec null_equal;              /* bool */
    struct vec rest;                    /* const struct expr * */
};

enum side { SIDE_NONE = 0, SIDE_LEFT = 1, SIDE_RIGHT = 2 };

struct looking {
    uint32_t n_left;
    unsigned sides;
};

static bool look(void *arg, const struct expr *e)
{
    struct looking *l = arg;
    if (e->kind == EXPR_INPUT) {
        l->sides |= e->index < l->n_left ? SIDE_LEFT : SIDE_RIGHT;
    } else if (e->kind == EXPR_EXTERNAL) {
        l->sides = SIDE_LEFT | SIDE_RIGHT;
    }
    return true;
}

unsigned join_sides_of(const struct expr *e, uint32_t n_left)
{
    struct looking l = {n_left, 0};
    plan_visit(e, look, &l);
    return l.sides;
}

static bool same_but_nullable(const struct data_type *a, const struct data_type *b)
{
    struct data_type *c = type_with_nullable(a, b->nullable);
    const bool same = type_equals(c, b);
    type_unref(c);
    return same;
}

bool join_is_equi(const struct expr *e, uint32_t n_left, const struct expr **ret_left,
                  const struct expr **ret_right, bool *ret_null_equal)
{
    if (e->kind != EXPR_CALL || e->n_args != 2 || e->is_volatile) {
        return false;
    }
    *ret_null_equal = strcmp(e->function->name, "IS NOT DISTINCT FROM") == 0;
    if (!*ret_null_equal && strcmp(e->function->name, "=") != 0) {
        return false;
    }
    const unsigned a = join_sides_of(e->args[0], n_left), b = join_sides_of(e->args[1], n_left);
    if (!((a == SIDE_LEFT && b == SIDE_RIGHT) || (a == SIDE_RIGHT && b == SIDE_LEFT)) ||
        !same_but_nullable(e->args[0]->type, e->args[1]->type) ||
        type_is_constructed(e->args[0]->type)) {
        return false;
    }
    *ret_left = e->args[a == SIDE_LEFT ? 0 : 1];
    *ret_right = e->args[a == SIDE_LEFT ? 1 : 0];
    return true;
}

/* The number of the column, which is put behind the side's own when it is an expression. */
static uint32_t key_column(const struct rel *side, struct vec *exprs, const struct expr *e)
{
    if (e->kind == EXPR_INPUT) {
        return e->index;
    }
    for (size_t i = 0; i < exprs->len; i++) {
        if (vec_ptr(exprs, i) == e) {
            return side->schema->n_fields + (uint32_t)i;
        }
    }
    vec_push_ptr(exprs, e);
    return side->schema->n_fields + (uint32_t)exprs->len - 1;
}

/* An expression of the right side over that side alone. */
static int over_right(struct joining *j, const struct expr *e, const struct expr **ret,
                      struct error *err)
{
    const uint32_t n = j->right->schema->n_fields;
    const struct expr **inputs =
        arena_zalloc(&j->o->p->arena, ((size_t)j->n_left + n + 1) * sizeof(*inputs));
    for (uint32_t i = 0; i < n; i++) {
        inputs[j->n_left + i] = plan_input(j->o->p, j->right, i);
    }
    return plan_map(j->o->p, e, inputs, ret, err);
}

static bool wants(const struct rel_join *join, enum rel_join_hint hint);

static int take_apart(struct joining *j, const struct rel_join *join, struct rel_exprs conds,
                      struct error *err)
{
    const bool by_loops = wants(join, REL_JOIN_NEST_LOOP);
    for (uint32_t i = 0; i < conds.n; i++) {
        const struct expr *left, *right;
        bool null_equal;
        if (by_loops || !join_is_equi(conds.items[i], j->n_left, &left, &right, &null_equal)) {
            vec_push_ptr(&j->rest, conds.items[i]);
            continue;
        }
        TRY(over_right(j, right, &right, err));
        *VEC_PUSH(&j->left_keys, uint32_t) = key_column(j->left, &j->left_exprs, left);
        *VEC_PUSH(&j->right_keys, uint32_t) = key_column(j->right, &j->right_exprs, right);
        *VEC_PUSH(&j->null_equal, bool) = null_equal;
    }
    return 0;
}

/* The side with its key expressions as columns. */
static int with_exprs(struct joining *j, const struct rel *side, const struct vec *exprs,
                      const struct rel **ret, struct error *err)
{
    struct sql_plan *p = j->o->p;
    const uint32_t own = side->schema->n_fields, n = own + (uint32_t)exprs->len;
    if (exprs->len == 0) {
        *ret = side;
        return 0;
    }
    TRY(plan_check_width(p, n, err));
    const struct expr **outputs = arena_alloc(&p->arena, (n + 1) * sizeof(*outputs));
    const char **names = arena_alloc(&p->arena, (n + 1) * sizeof(*names));
    for (uint32_t i = 0; i < n; i++) {
        outputs[i] = i < own ? plan_input(p, side, i) : vec_ptr(exprs, i - own);
        names[i] = i < own ? side->schema->fields[i].name : "$k";
    }
    return make_calc(j->o, side, (struct rel_exprs){NULL, 0}, (struct rel_exprs){outputs, n}, names,
                     ret, err);
}

/* ---- distribution ------------------------------------------------------------------------------------- */

/* May the side that the hint names be the one that is kept?  Of outer joins it is the one whose rows may be missing. */
static bool can_build(const struct rel_join *join)
{
    switch (join->type) {
    case FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER:
        return true;
    case FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_RIGHT:
        return join->hint_left;
    default:
        return !join->hint_left;
    }
}

static bool wants(const struct rel_join *join, enum rel_join_hint hint)
{
    return join->hint == hint && can_build(join) && !join->null_aware;
}

static void follow_hint(struct rel_join *join)
{
    const bool is_full = join->type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_FULL;
    const bool has_keys = join->left_keys.n > 0;
    if (wants(join, REL_JOIN_NEST_LOOP) || (has_keys && wants(join, REL_JOIN_SHUFFLE_HASH))) {
        join->build_left = join->hint_left;
    } else if (has_keys && !is_full && wants(join, REL_JOIN_BROADCAST)) {
        join->build_left = join->hint_left;
        join->is_broadcast = true;
    }
}

static void choose_build(struct joining *j, struct rel_join *join)
{
    switch (join->type) {
    case FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER:
        join->build_left = plan_row_count(j->left) < plan_row_count(j->right);
        break;
    case FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_RIGHT:
        join->build_left = true;
        break;
    default:
        join->build_left = false;
        break;
    }
    follow_hint(join);
}

static void distribute(struct joining *j, const struct rel_join *join, const struct rel **left,
                       const struct rel **right)
{
    struct sql_plan *p = j->o->p;
    const struct rel_columns none = {NULL, 0};
    if (join->null_aware) {
        *right = plan_exchange(p, *right, REL_DISTRIBUTION_BROADCAST, none);
    } else if (join->left_keys.n > 0 && !join->is_broadcast) {
        *left = plan_exchange(p, *left, REL_DISTRIBUTION_HASH, join->left_keys);
        *right = plan_exchange(p, *right, REL_DISTRIBUTION_HASH, join->right_keys);
    } else if (join->type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_FULL) {
        *left = plan_exchange(p, *left, REL_DISTRIBUTION_SINGLE, none);
        *right = plan_exchange(p, *right, REL_DISTRIBUTION_SINGLE, none);
    } else {
        const struct rel **built = join->build_left ? left : right;
        *built = plan_exchange(p, *built, REL_DISTRIBUTION_BROADCAST, none);
    }
}

/* ---- the join ----------------------------------------------------------------------------------------- */

static bool is_left_only(Flinc__QueryJoinType t)
{
    return t == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_SEMI ||
           t == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_ANTI;
}

/* The columns that the logical join has, out of those with keys among them. */
static int restore(struct joining *j, const struct rel *r, const struct rel *made,
                   const struct rel **ret, struct error *err)
{
    struct sql_plan *p = j->o->p;
    const uint32_t n = r->schema->n_fields;
    const uint32_t shift = (uint32_t)j->left_exprs.len;
    const struct expr **outputs = arena_alloc(&p->arena, (n + 1) * sizeof(*outputs));
    const char **names = arena_alloc(&p->arena, (n + 1) * sizeof(*names));
    for (uint32_t i = 0; i < n; i++) {
        outputs[i] = plan_input(p, made, i < j->n_left ? i : i + shift);
        names[i] = r->schema->fields[i].name;
    }
    return make_calc(j->o, made, (struct rel_exprs){NULL, 0}, (struct rel_exprs){outputs, n}, names,
                     ret, err);
}

/* The rest of the conditions over the sides with their keys. */
static int move_rest(struct joining *j, const struct rel *left, const struct rel *right,
                     struct rel_exprs *ret, struct error *err)
{
    struct sql_plan *p = j->o->p;
    const uint32_t n_right = j->right->schema->n_fields;
    const struct expr **inputs =
        arena_alloc(&p->arena, ((size_t)j->n_left + n_right + 1) * sizeof(*inputs));
    for (uint32_t i = 0; i < j->n_left + n_right; i++) {
        const struct rel *side = i < j->n_left ? left : right;
        const uint32_t own = i < j->n_left ? i : i - j->n_left;
        const uint32_t at = i < j->n_left ? i : left->schema->n_fields + own;
        inputs[i] = expr_input(p->pool, at, type_ref(side->schema->fields[own].type));
    }
    const struct rel_exprs rest = plan_exprs(p, &j->rest);
    TRY(plan_map_all(p, rest, inputs, ret, err));
    const struct expr **folded = arena_alloc(&p->arena, (ret->n + 1) * sizeof(*folded));
    for (uint32_t i = 0; i < ret->n; i++) {
        folded[i] = expr_fold(p->pool, ret->items[i], p->options.zone);
    }
    ret->items = folded;
    return 0;
}

static int join_sides(struct joining *j, const struct rel *r, const struct rel **ret,
                      struct error *err)
{
    struct rel_join join = r->join;
    struct sql_plan *p = j->o->p;
    const struct rel *left, *right;
    TRY(take_apart(j, &join, r->join.conditions, err));
    if (join.null_aware && (j->rest.len > 0 || j->left_keys.len != 1)) {
        return plan_unsupported(err, "NOT IN with several columns or further conditions");
    }
    TRY(with_exprs(j, j->left, &j->left_exprs, &left, err));
    TRY(with_exprs(j, j->right, &j->right_exprs, &right, err));
    TRY(move_rest(j, left, right, &join.conditions, err));
    join.left_keys = plan_columns(p, &j->left_keys);
    join.right_keys = plan_columns(p, &j->right_keys);
    join.null_equal = plan_copy(p, j->null_equal.data, j->null_equal.len * sizeof(bool));
    choose_build(j, &join);
    distribute(j, &join, &left, &right);
    TRY(plan_check_width(p, (uint64_t)left->schema->n_fields + right->schema->n_fields, err));
    const struct rel *made = plan_join(p, left, right, &join);
    if (j->left_exprs.len == 0 && (j->right_exprs.len == 0 || is_left_only(join.type))) {
        *ret = made;
        return 0;
    }
    return restore(j, r, made, ret, err);
}

int physical_join(struct optimizer *o, const struct rel *r, const struct rel *left,
                  const struct rel *right, const struct rel **ret, struct error *err)
{
    struct joining j = {
        .o = o,
        .left = left,
        .right = right,
        .n_left = left->schema->n_fields,
        .left_exprs = VEC_INIT(void *),
        .right_exprs = VEC_INIT(void *),
        .left_keys = VEC_INIT(uint32_t),
        .right_keys = VEC_INIT(uint32_t),
        .null_equal = VEC_INIT(bool),
        .rest = VEC_INIT(void *),
    };
    int rc = join_sides(&j, r, ret, err);
    vec_fini(&j.left_exprs);
    vec_fini(&j.right_exprs);
    vec_fini(&j.left_keys);
    vec_fini(&j.right_keys);
    vec_fini(&j.null_equal);
    vec_fini(&j.rest);
    return rc;
}
