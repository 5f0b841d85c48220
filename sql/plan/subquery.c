/* Subqueries of expressions: planned where they are met, joined to the block when its relation is known.
 *
 *   WHERE EXISTS (s), x IN (s), x > ANY (s)   SEMI join
 *   WHERE NOT EXISTS (s), x NOT IN (s)        ANTI join; NOT IN by "(x = y) IS NOT FALSE", or null aware
 *   (SELECT MAX(y) FROM s)                    LEFT join of one row
 *   elsewhere                                 LEFT join of distinct keys, and a marker */
#include "sql/plan/decorrelate.h"

/* ---- met in an expression ----------------------------------------------------------------------------- */

static const char *const op_names[SQL_OP_COUNT] = {
    [SQL_OP_EQUAL] = "=",       [SQL_OP_NOT_EQUAL] = "<>", [SQL_OP_LESS] = "<",
    [SQL_OP_LESS_EQUAL] = "<=", [SQL_OP_GREATER] = ">",    [SQL_OP_GREATER_EQUAL] = ">=",
};
static const enum sql_operator op_negated[SQL_OP_COUNT] = {
    [SQL_OP_EQUAL] = SQL_OP_NOT_EQUAL,    [SQL_OP_NOT_EQUAL] = SQL_OP_EQUAL,
    [SQL_OP_LESS] = SQL_OP_GREATER_EQUAL, [SQL_OP_LESS_EQUAL] = SQL_OP_GREATER,
    [SQL_OP_GREATER] = SQL_OP_LESS_EQUAL, [SQL_OP_GREATER_EQUAL] = SQL_OP_LESS,
};

static int convert_args(struct convert *c, struct block *b, const struct sql_expr *e,
                        struct plan_subquery *s, struct error *err)
{
    struct sql_expr *const *operands = e->operands;
    uint32_t n = e->n_operands;
    if (n == 1 && operands[0]->kind == SQL_EXPR_ROW) {
        n = operands[0]->n_operands;
        operands = operands[0]->operands;
    }
    const struct expr **args = arena_alloc(&c->p->arena, (n + 1) * sizeof(*args));
    for (uint32_t i = 0; i < n; i++) {
        TRY(convert_expr(c, b, operands[i], &args[i], err));
    }
    s->args = (struct rel_exprs){args, n};
    return 0;
}

/* args[i] op column i. */
static int compare(struct convert *c, const struct plan_subquery *s, uint32_t i,
                   const struct expr *column, const struct expr **ret, struct error *err)
{
    const struct expr *pair[2] = {s->args.items[i], column};
    return expr_call(c->p->pool, op_names[s->op], pair, 2, ret, err);
}

static int check_columns(struct convert *c, const struct plan_subquery *s, struct error *err)
{
    const uint32_t n = s->rel->schema->n_fields;
    const struct expr *e;
    if (s->kind == PLAN_SUBQUERY_SCALAR && n != 1) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Cannot apply '$SCALAR_QUERY' to arguments of %u columns: a scalar "
                         "subquery has one",
                         n);
    }
    if (s->kind == PLAN_SUBQUERY_IN && n != s->args.n) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Values passed to IN operator must have compatible types: %u columns "
                         "among %u",
                         n, s->args.n);
    }
    for (uint32_t i = 0; s->kind == PLAN_SUBQUERY_IN && i < n; i++) {
        TRY(compare(c, s, i, plan_input(c->p, s->rel, i), &e, err));
    }
    return 0;
}

static struct data_type *type_of(const struct plan_subquery *s)
{
    bool nullable = false;
    if (s->kind == PLAN_SUBQUERY_SCALAR) {
        return type_with_nullable(s->rel->schema->fields[0].type, true);
    }
    for (uint32_t i = 0; i < s->args.n; i++) {
        nullable |= s->args.items[i]->type->nullable || s->rel->schema->fields[i].type->nullable;
    }
    return type_new(TYPE_BOOLEAN, nullable);
}

int convert_subquery(struct convert *c, struct block *b, const struct sql_expr *e,
                     const struct expr **ret, struct error *err)
{
    struct plan_subquery *s = arena_zalloc(&c->p->arena, sizeof(*s));
    bool is_negated = e->is_negated;
    s->block = b;
    s->op = SQL_OP_EQUAL;
    s->kind = e->kind == SQL_EXPR_EXISTS  ? PLAN_SUBQUERY_EXISTS
              : e->kind == SQL_EXPR_QUERY ? PLAN_SUBQUERY_SCALAR
                                          : PLAN_SUBQUERY_IN;
    if (e->kind == SQL_EXPR_QUANTIFIED) {
        /* x > ALL (s): NOT x <= SOME (s). */
        is_negated = e->quantifier == SQL_QUANTIFIER_ALL;
        s->op = is_negated ? op_negated[e->op] : e->op;
        if (op_names[e->op] == NULL) {
            return plan_unsupported(err, "SOME and ALL with this operator");
        }
    }
    const enum plan_phase phase = b->phase;
    const char *clause = b->clause;
    const struct rel_exprs *items = b->items;
    TRY(s->kind == PLAN_SUBQUERY_IN ? convert_args(c, b, e, s, err) : 0);
    b->items = NULL;
    int rc = convert_query(c, e->query, b, &s->rel, err);
    b->phase = phase;
    b->clause = clause;
    b->items = items;
    TRY(rc);
    if (s->kind == PLAN_SUBQUERY_IN && s->args.n > 1 && s->op != SQL_OP_EQUAL) {
        return plan_unsupported(err, "rows compared by this operator with SOME or ALL");
    }
    TRY(check_columns(c, s, err));
    *ret = expr_external(c->p->pool, PLAN_SUBQUERY, s, type_of(s));
    return is_negated ? expr_call(c->p->pool, "NOT", ret, 1, ret, err) : 0;
}

/* ---- joined to the block ------------------------------------------------------------------------------ */

int correlation_column(const struct plan_correlation *k, uint32_t *ret, struct error *err)
{
    const struct block *b = k->block;
    *ret = k->column;
    for (uint32_t i = 0; b->is_aggregate && i < b->keys->n; i++) {
        const struct expr *key = b->keys->items[i];
        if (key->kind == EXPR_INPUT && key->index == k->column) {
            *ret = i;
            return 0;
        }
    }
    return !b->is_aggregate ? 0
                            : error_set(err, ERR_INVALID_ARGUMENT,
                                        "A column of the query around is used in a subquery but is "
                                        "not being grouped");
}

/* Columns of the block in conditions of the join: the block's relation is the left side. */
struct placing {
    struct convert *c;
    struct block *block;
    bool failed; /* a column that is not grouped */
};

static const struct expr *place_outer(void *arg, const struct expr *e)
{
    struct placing *x = arg;
    if (e->kind != EXPR_EXTERNAL || e->external_kind != PLAN_CORRELATED) {
        return NULL;
    }
    const struct plan_correlation *k = e->external;
    if (k->block != x->block) {
        return NULL;
    }
    uint32_t column;
    if (correlation_column(k, &column, NULL) < 0) {
        x->failed = true;
        return NULL;
    }
    return plan_input(x->c->p, x->block->rel, column);
}

struct joined_to {
    struct sql_plan *p;
    uint32_t by; /* columns on the left */
};

static const struct expr *shift_right(void *arg, const struct expr *e)
{
    const struct joined_to *j = arg;
    return e->kind == EXPR_INPUT ? expr_input(j->p->pool, j->by + e->index, type_ref(e->type))
                                 : NULL;
}

/* A condition over the subquery's relation and columns of the block, over both sides of the join. */
static int place_condition(struct convert *c, struct block *b, const struct expr *e,
                           const struct expr **ret, struct error *err)
{
    struct joined_to j = {c->p, b->rel->schema->n_fields};
    struct placing x = {c, b, false};
    TRY(plan_replace(c->p, e, shift_right, &j, ret, err));
    TRY(plan_replace(c->p, *ret, place_outer, &x, ret, err));
    return x.failed ? error_set(err, ERR_INVALID_ARGUMENT,
                                "A column of the query around is used in a subquery but is not "
                                "being grouped")
                    : 0;
}

static int place_conditions(struct convert *c, struct block *b, const struct vec *conds,
                            struct vec *out, struct error *err)
{
    for (size_t i = 0; i < conds->len; i++) {
        const struct expr *e;
        TRY(place_condition(c, b, vec_ptr(conds, i), &e, err));
        vec_push_ptr(out, e);
    }
    return 0;
}

static int join_to(struct convert *c, struct block *b, const struct rel *right,
                   const struct rel_join *join, struct error *err)
{
    TRY(plan_check_width(c->p, (uint64_t)b->rel->schema->n_fields + right->schema->n_fields, err));
    b->rel = plan_join(c->p, b->rel, right, join);
    return plan_check(c->p, err);
}

/* The arguments of IN against the columns, over both sides. */
static int compare_all(struct convert *c, struct block *b, const struct plan_subquery *s,
                       const struct rel *right, struct vec *out, struct error *err)
{
    for (uint32_t i = 0; i < s->args.n; i++) {
        const struct expr *e, *column = expr_input(c->p->pool, b->rel->schema->n_fields + i,
                                                   type_ref(right->schema->fields[i].type));
        TRY(compare(c, s, i, column, &e, err));
        vec_push_ptr(out, e);
    }
    return 0;
}

/* ---- conditions: SEMI, ANTI --------------------------------------------------------------------------- */

/* NOT IN: rows go for which a comparison is TRUE or UNKNOWN. */
static int compare_not_in(struct convert *c, struct vec *compared, struct vec *out,
                          struct error *err)
{
    const struct expr *e;
    TRY(plan_and(c->p, compared->data, (uint32_t)compared->len, &e, err));
    TRY(expr_call(c->p->pool, "IS NOT FALSE", &e, 1, &e, err));
    vec_push_ptr(out, e);
    return 0;
}

static int join_exists(struct convert *c, struct block *b, const struct plan_subquery *s,
                       bool is_negated, struct error *err)
{
    struct decorrelation d = {.p = c->p, .block = b, .is_exists = s->kind == PLAN_SUBQUERY_EXISTS};
    CLEANUP(vec_fini) struct vec conds = VEC_INIT(void *);
    CLEANUP(vec_fini) struct vec compared = VEC_INIT(void *);
    const struct rel *right = NULL;
    struct rel_exprs args = s->args;
    struct plan_subquery own = *s;
    TRY(lower_exprs(c, b, args, &own.args, err));
    int rc = decorrelate(&d, s->rel, &right, err);
    if (rc == 0 && d.is_scalar && d.conds.len > 0) {
        rc = plan_unsupported(err, "a correlated aggregate in EXISTS or IN");
    }
    rc = rc == 0 ? place_conditions(c, b, &d.conds, &conds, err) : rc;
    const bool is_correlated = d.conds.len > 0;
    vec_fini(&d.conds);
    TRY(rc);
    TRY(compare_all(c, b, &own, right, &compared, err));
    struct rel_join join = {.type = is_negated ? FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_ANTI
                                               : FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_SEMI};
    bool can_be_null = false;
    for (size_t i = 0; i < compared.len; i++) {
        can_be_null |= ((const struct expr *)vec_ptr(&compared, i))->type->nullable;
    }
    if (is_negated && can_be_null && !is_correlated && compared.len == 1 && s->op == SQL_OP_EQUAL &&
        !own.args.items[0]->is_constant) {
        join.null_aware = true;
        vec_push_ptr(&conds, vec_ptr(&compared, 0));
    } else if (is_negated && can_be_null) {
        TRY(compare_not_in(c, &compared, &conds, err));
    } else {
        for (size_t i = 0; i < compared.len; i++) {
            vec_push_ptr(&conds, vec_ptr(&compared, i));
        }
    }
    join.conditions = plan_exprs(c->p, &conds);
    return join_to(c, b, right, &join, err);
}

/* EXISTS, IN, or NOT of it, alone. */
static const struct plan_subquery *whole_subquery(const struct expr *e, bool *ret_negated)
{
    *ret_negated = false;
    while (e->kind == EXPR_CALL && e->n_args == 1 && strcmp(e->function->name, "NOT") == 0) {
        *ret_negated = !*ret_negated;
        e = e->args[0];
    }
    const struct plan_subquery *s =
        e->kind == EXPR_EXTERNAL && e->external_kind == PLAN_SUBQUERY ? e->external : NULL;
    return s != NULL && s->kind != PLAN_SUBQUERY_SCALAR ? s : NULL;
}

int lower_conditions(struct convert *c, struct block *b, struct rel_exprs conds, struct error *err)
{
    CLEANUP(vec_fini) struct vec plain = VEC_INIT(void *);
    bool is_negated;
    for (uint32_t i = 0; i < conds.n; i++) {
        if (!plan_has_external(conds.items[i], PLAN_SUBQUERY)) {
            vec_push_ptr(&plain, conds.items[i]);
        }
    }
    b->rel = plan_filter(c->p, b->rel, plan_exprs(c->p, &plain));
    for (uint32_t i = 0; i < conds.n; i++) {
        struct rel_exprs one = {&conds.items[i], 1};
        const struct plan_subquery *s = whole_subquery(conds.items[i], &is_negated);
        if (!plan_has_external(conds.items[i], PLAN_SUBQUERY)) {
            continue;
        }
        if (s != NULL) {
            TRY(join_exists(c, b, s, is_negated, err));
            continue;
        }
        TRY(lower_exprs(c, b, one, &one, err));
        b->rel = plan_filter(c->p, b->rel, one);
    }
    return 0;
}

/* ---- values ------------------------------------------------------------------------------------------- */

/* The relation with one more column, TRUE. */
static const struct rel *with_marker(struct convert *c, const struct rel *r)
{
    const uint32_t n = r->schema->n_fields;
    const struct rel_exprs own = plan_identity(c->p, r);
    const struct expr **outputs = arena_alloc(&c->p->arena, (n + 2) * sizeof(*outputs));
    const char **names = arena_alloc(&c->p->arena, (n + 2) * sizeof(*names));
    for (uint32_t i = 0; i < n; i++) {
        outputs[i] = own.items[i];
        names[i] = r->schema->fields[i].name;
    }
    outputs[n] = expr_boolean(c->p->pool, true);
    names[n] = "$found";
    return plan_project(c->p, r, outputs, names, n + 1);
}

/* One row per combination of the keys, with the calls. */
static const struct rel *grouped(struct convert *c, const struct rel *r, const struct vec *keys,
                                 const struct rel_aggregate_call *calls, uint32_t n_calls)
{
    const struct rel_aggregate a = {
        .keys = plan_columns(c->p, keys), .calls = calls, .n_calls = n_calls};
    return plan_aggregate(c->p, r, &a);
}

/* After grouping, key i of the conditions is column i. */
static int conditions_over_keys(struct decorrelation *d, const struct rel *grouped_rel,
                                const struct rel *before, const struct vec *keys, struct error *err)
{
    const struct expr **moved =
        arena_zalloc(&d->p->arena, (before->schema->n_fields + 1) * sizeof(*moved));
    for (size_t i = keys->len; i-- > 0;) {
        moved[*VEC_AT(keys, uint32_t, i)] = plan_input(d->p, grouped_rel, (uint32_t)i);
    }
    for (size_t i = 0; i < d->conds.len; i++) {
        const struct expr **e = (const struct expr **)vec_at(&d->conds, i);
        TRY(plan_map(d->p, *e, moved, e, err));
    }
    return 0;
}

static int make_aggregate_call(struct convert *c, const char *name, const struct rel *r,
                               const uint32_t *column, struct rel_aggregate_call *ret,
                               struct error *err)
{
    const struct expr_function *f = expr_function_find(slice_cstr(name));
    const struct expr *arg = column != NULL ? plan_input(c->p, r, *column) : NULL, *call;
    if (f == NULL) {
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: %s", name);
    }
    TRY(expr_call_resolve(c->p->pool, f, &arg, column != NULL ? 1 : 0, &call, err));
    *ret = (struct rel_aggregate_call){
        .function = f,
        .args = {plan_copy(c->p, column, column != NULL ? sizeof(*column) : 0), column != NULL},
        .type = (struct data_type *)(uintptr_t)call->type,
        .name = name,
    };
    return 0;
}

/* Is there always at most one row? */
static bool is_single_row(const struct rel *r)
{
    switch (r->kind) {
    case REL_PROJECT:
    case REL_FILTER:
        return is_single_row(r->inputs[0]);
    case REL_SORT:
        return (r->sort.has_fetch && r->sort.fetch <= 1) || is_single_row(r->inputs[0]);
    case REL_AGGREGATE:
        return r->aggregate.keys.n == 0;
    case REL_VALUES:
        return r->values.n_rows <= 1;
    default:
        return false;
    }
}

/* One row for each combination of what it is joined by; more are an error when it runs. */
static int make_single(struct convert *c, struct decorrelation *d, const struct rel **inout,
                       struct error *err)
{
    CLEANUP(vec_fini) struct vec keys = VEC_INIT(uint32_t);
    struct rel_aggregate_call call;
    const uint32_t first = 0;
    TRY(decorrelation_keys(d, inout, &keys, "a condition other than equality", err));
    TRY(make_aggregate_call(c, "SINGLE_VALUE", *inout, &first, &call, err));
    const struct rel *made = grouped(c, *inout, &keys, plan_copy(c->p, &call, sizeof(call)), 1);
    TRY(conditions_over_keys(d, made, *inout, &keys, err));
    /* The value first, then the keys. */
    const uint32_t n = (uint32_t)keys.len;
    uint32_t *order = arena_alloc(&c->p->arena, (n + 2) * sizeof(*order));
    const struct expr **moved = arena_zalloc(&c->p->arena, (n + 2) * sizeof(*moved));
    order[0] = n;
    for (uint32_t i = 0; i < n; i++) {
        order[i + 1] = i;
        moved[i] = expr_input(c->p->pool, i + 1, type_ref(made->schema->fields[i].type));
    }
    *inout = plan_pick(c->p, made, order, n + 1);
    for (size_t i = 0; i < d->conds.len; i++) {
        const struct expr **e = (const struct expr **)vec_at(&d->conds, i);
        TRY(plan_map(c->p, *e, moved, e, err));
    }
    return 0;
}

static int join_left(struct convert *c, struct block *b, struct decorrelation *d,
                     const struct rel *right, struct error *err)
{
    CLEANUP(vec_fini) struct vec conds = VEC_INIT(void *);
    TRY(place_conditions(c, b, &d->conds, &conds, err));
    const struct rel_join join = {.type = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_LEFT,
                                  .conditions = plan_exprs(c->p, &conds)};
    return join_to(c, b, right, &join, err);
}

/* What column i of an aggregate gives for no rows, when that is not NULL. */
static int add_default(struct convert *c, struct block *b, const struct decorrelation *d,
                       uint32_t i, uint32_t value, uint32_t marker, const struct expr **ret,
                       struct error *err)
{
    const struct expr *parts[3];
    const struct expr *empty = expr_fold(c->p->pool, d->empty.items[i], c->p->options.zone);
    *ret = plan_input(c->p, b->rel, value);
    if (expr_is_null_literal(empty)) {
        return 0;
    }
    if (d->has_filter) {
        return plan_unsupported(err, "a correlated subquery with COUNT and HAVING");
    }
    const struct expr *found = plan_input(c->p, b->rel, marker);
    TRY(expr_call(c->p->pool, "IS NULL", &found, 1, &parts[0], err));
    TRY(expr_cast(c->p->pool, empty, (*ret)->type, false, &parts[1], err));
    parts[2] = *ret;
    return expr_call(c->p->pool, "CASE", parts, 3, ret, err);
}

static int join_scalar(struct convert *c, struct block *b, const struct plan_subquery *s,
                       const struct expr **ret, struct error *err)
{
    struct decorrelation d = {.p = c->p, .block = b};
    const struct rel *right = NULL;
    const bool is_single = is_single_row(s->rel);
    int rc = decorrelate(&d, s->rel, &right, err);
    if (rc == 0 && !(is_single && (d.conds.len == 0 || d.is_scalar))) {
        rc = decorrelate_by_equality(&d, s->rel, &right, err);
        rc = rc == 0 ? make_single(c, &d, &right, err) : rc;
    }
    const uint32_t value = b->rel->schema->n_fields;
    if (rc == 0 && d.is_scalar) {
        right = with_marker(c, right);
    }
    const uint32_t marker = rc == 0 ? value + right->schema->n_fields - 1 : 0;
    rc = rc == 0 ? join_left(c, b, &d, right, err) : rc;
    if (rc == 0 && d.is_scalar) {
        rc = add_default(c, b, &d, 0, value, marker, ret, err);
    } else if (rc == 0) {
        *ret = plan_input(c->p, b->rel, value);
    }
    vec_fini(&d.conds);
    return rc;
}

/* EXISTS as a value: distinct keys with a marker. */
static int join_marker(struct convert *c, struct block *b, struct decorrelation *d,
                       const struct rel *right, struct vec *more_keys, uint32_t *ret_marker,
                       struct error *err)
{
    CLEANUP(vec_fini) struct vec keys = VEC_INIT(uint32_t);
    const uint32_t n_left = b->rel->schema->n_fields;
    TRY(decorrelation_keys(d, &right, &keys, "such a condition outside of WHERE", err));
    for (size_t i = 0; i < more_keys->len; i++) {
        *VEC_PUSH(&keys, uint32_t) = *VEC_AT(more_keys, uint32_t, i);
    }
    const struct rel *made = right;
    if (keys.len == 0) {
        const struct rel_sort one = {.has_fetch = true, .fetch = 1};
        made = plan_sort(c->p, plan_pick(c->p, right, (uint32_t[]){0}, 1), &one);
    } else {
        made = grouped(c, right, &keys, NULL, 0);
        TRY(conditions_over_keys(d, made, right, &keys, err));
    }
    made = with_marker(c, made);
    *ret_marker = n_left + made->schema->n_fields - 1;
    for (size_t i = 0; i < more_keys->len; i++) {
        *VEC_AT(more_keys, uint32_t, i) =
            (uint32_t)(keys.len - more_keys->len + i); /* where they are now */
    }
    return join_left(c, b, d, made, err);
}

static int exists_value(struct convert *c, struct block *b, const struct plan_subquery *s,
                        const struct expr **ret, struct error *err)
{
    struct decorrelation d = {.p = c->p, .block = b, .is_exists = true};
    CLEANUP(vec_fini) struct vec none = VEC_INIT(uint32_t);
    const struct rel *right = NULL;
    uint32_t marker = 0;
    int rc = decorrelate(&d, s->rel, &right, err);
    if (rc == 0 && d.is_scalar && d.conds.len > 0) {
        rc = plan_unsupported(err, "a correlated aggregate in EXISTS or IN");
    }
    rc = rc == 0 ? decorrelate_by_equality(&d, s->rel, &right, err) : rc;
    rc = rc == 0 ? join_marker(c, b, &d, right, &none, &marker, err) : rc;
    if (rc == 0) {
        const struct expr *found = plan_input(c->p, b->rel, marker);
        rc = expr_call(c->p->pool, "IS NOT NULL", &found, 1, ret, err);
    }
    vec_fini(&d.conds);
    return rc;
}

/* How many rows there are, and how many with a value: a row joined to each. */
static int join_counts(struct convert *c, struct block *b, const struct rel *right,
                       uint32_t *ret_first, struct error *err)
{
    struct rel_aggregate_call calls[2];
    const uint32_t column = 0;
    CLEANUP(vec_fini) struct vec none = VEC_INIT(uint32_t);
    TRY(make_aggregate_call(c, "COUNT", right, NULL, &calls[0], err));
    TRY(make_aggregate_call(c, "COUNT", right, &column, &calls[1], err));
    const struct rel *counts = grouped(c, right, &none, plan_copy(c->p, calls, sizeof(calls)), 2);
    const struct rel_join join = {.type = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER};
    *ret_first = b->rel->schema->n_fields;
    return join_to(c, b, counts, &join, err);
}

/* CASE WHEN rows = 0 THEN FALSE WHEN found THEN TRUE WHEN x IS NULL OR values < rows THEN NULL ELSE FALSE END */
static int three_valued(struct convert *c, struct block *b, const struct expr *arg, uint32_t counts,
                        const struct expr *found, const struct expr **ret, struct error *err)
{
    struct expr_pool *pool = c->p->pool;
    const struct expr *rows = plan_input(c->p, b->rel, counts), *parts[7], *either[2];
    const struct expr *pair[2] = {rows, expr_integer(pool, TYPE_BIGINT, 0)};
    TRY(expr_call(pool, "=", pair, 2, &parts[0], err));
    parts[1] = expr_boolean(pool, false);
    parts[2] = found;
    parts[3] = expr_boolean(pool, true);
    pair[0] = plan_input(c->p, b->rel, counts + 1);
    pair[1] = rows;
    TRY(expr_call(pool, "<", pair, 2, &either[0], err));
    TRY(expr_call(pool, "IS NULL", &arg, 1, &either[1], err));
    TRY(expr_call(pool, "OR", either, 2, &parts[4], err));
    parts[5] = expr_null(pool, type_new(TYPE_BOOLEAN, true));
    parts[6] = expr_boolean(pool, false);
    return expr_call(pool, "CASE", parts, 7, ret, err);
}

/* x < SOME (s): x < MAX; x <> SOME (s): x <> MIN OR x <> MAX. One row with the counts and both is joined to each. */
static int some_value(struct convert *c, struct block *b, const struct plan_subquery *s,
                      const struct expr **ret, struct error *err)
{
    struct plan_subquery own = *s;
    struct rel_aggregate_call calls[4];
    const uint32_t column = 0, first = b->rel->schema->n_fields;
    CLEANUP(vec_fini) struct vec none = VEC_INIT(uint32_t);
    const struct expr *by[2];
    const bool is_less = s->op == SQL_OP_LESS || s->op == SQL_OP_LESS_EQUAL;
    TRY(make_aggregate_call(c, "COUNT", s->rel, NULL, &calls[0], err));
    TRY(make_aggregate_call(c, "COUNT", s->rel, &column, &calls[1], err));
    TRY(make_aggregate_call(c, "MIN", s->rel, &column, &calls[2], err));
    TRY(make_aggregate_call(c, "MAX", s->rel, &column, &calls[3], err));
    const struct rel *made = grouped(c, s->rel, &none, plan_copy(c->p, calls, sizeof(calls)), 4);
    const struct rel_join join = {.type = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER};
    TRY(join_to(c, b, made, &join, err));
    TRY(compare(c, &own, 0, plan_input(c->p, b->rel, first + 2), &by[0], err));
    TRY(compare(c, &own, 0, plan_input(c->p, b->rel, first + 3), &by[1], err));
    *ret = by[is_less ? 1 : 0];
    TRY(s->op == SQL_OP_NOT_EQUAL ? expr_call(c->p->pool, "OR", by, 2, ret, err) : 0);
    return three_valued(c, b, own.args.items[0], first, *ret, ret, err);
}

static int in_value(struct convert *c, struct block *b, const struct plan_subquery *s,
                    const struct expr **ret, struct error *err)
{
    struct plan_subquery own = *s;
    const bool can_be_null = s->args.n > 0 && (s->args.items[0]->type->nullable ||
                                               s->rel->schema->fields[0].type->nullable);
    CLEANUP(vec_fini) struct vec keys = VEC_INIT(uint32_t);
    uint32_t marker = 0, counts = 0;
    if (s->args.n != 1 || rel_is_correlated(s->rel, b)) {
        return plan_unsupported(err, "IN, SOME and ALL with such a subquery outside of WHERE");
    }
    if (s->op != SQL_OP_EQUAL) {
        TRY(lower_exprs(c, b, s->args, &own.args, err));
        return some_value(c, b, &own, ret, err);
    }
    TRY(lower_exprs(c, b, s->args, &own.args, err));
    if (can_be_null) {
        TRY(join_counts(c, b, s->rel, &counts, err));
    }
    /* The comparison is a condition between an inner column and the block's expression. */
    *VEC_PUSH(&keys, uint32_t) = 0;
    const uint32_t n_left = b->rel->schema->n_fields;
    const struct rel *made = with_marker(c, grouped(c, s->rel, &keys, NULL, 0));
    const struct expr *equal;
    TRY(compare(c, &own, 0, expr_input(c->p->pool, n_left, type_ref(made->schema->fields[0].type)),
                &equal, err));
    const struct rel_join join = {.type = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_LEFT,
                                  .conditions = {plan_copy(c->p, &equal, sizeof(equal)), 1}};
    TRY(join_to(c, b, made, &join, err));
    marker = n_left + 1;
    const struct expr *found = plan_input(c->p, b->rel, marker);
    TRY(expr_call(c->p->pool, "IS NOT NULL", &found, 1, ret, err));
    return can_be_null ? three_valued(c, b, own.args.items[0], counts, *ret, ret, err) : 0;
}

/* ---- expressions -------------------------------------------------------------------------------------- */

struct lowering {
    struct convert *c;
    struct block *block;
    struct map done; /* external -> its value */
    struct error *err;
    int rc;
};

static const struct expr *lower_node(void *arg, const struct expr *e)
{
    struct lowering *l = arg;
    if (e->kind != EXPR_EXTERNAL || e->external_kind != PLAN_SUBQUERY || l->rc < 0) {
        return NULL;
    }
    const struct plan_subquery *s = e->external;
    const struct expr *value = map_find_bytes(&l->done, &s->rel, sizeof(s->rel));
    if (value != NULL) {
        return value;
    }
    switch (s->kind) {
    case PLAN_SUBQUERY_SCALAR:
        l->rc = join_scalar(l->c, l->block, s, &value, l->err);
        break;
    case PLAN_SUBQUERY_EXISTS:
        l->rc = exists_value(l->c, l->block, s, &value, l->err);
        break;
    case PLAN_SUBQUERY_IN:
        l->rc = in_value(l->c, l->block, s, &value, l->err);
        break;
    }
    if (l->rc < 0) {
        return e;
    }
    map_put_bytes(&l->done, &s->rel, sizeof(s->rel), (void *)(uintptr_t)value);
    return value;
}

int lower_exprs(struct convert *c, struct block *b, struct rel_exprs in, struct rel_exprs *ret,
                struct error *err)
{
    struct lowering l = {.c = c, .block = b, .err = err};
    bool has_any = false;
    for (uint32_t i = 0; i < in.n; i++) {
        has_any |= plan_has_external(in.items[i], PLAN_SUBQUERY);
    }
    if (!has_any) {
        *ret = in;
        return 0;
    }
    const struct expr **out = arena_alloc(&c->p->arena, (in.n + 1) * sizeof(*out));
    int rc = 0;
    map_init(&l.done, NULL);
    for (uint32_t i = 0; i < in.n && rc == 0; i++) {
        rc = plan_replace(c->p, in.items[i], lower_node, &l, &out[i], err);
        rc = l.rc < 0 ? l.rc : rc;
    }
    map_fini(&l.done);
    if (rc == 0) {
        *ret = (struct rel_exprs){out, in.n};
    }
    return rc;
}

/* ---- LATERAL ------------------------------------------------------------------------------------------ */

static int lateral_join(struct convert *c, const struct sql_join *j, struct block *b,
                        const struct rel *sub, const struct source *left, struct source *ret,
                        struct error *err)
{
    struct decorrelation d = {.p = c->p, .block = b};
    const struct rel *right = NULL;
    const struct slice none = {NULL, 0};
    const struct slice name =
        j->right->alias.name.text.data != NULL ? j->right->alias.name.text : none;
    int rc = decorrelate(&d, sub, &right, err);
    /* An aggregate without keys has its row also when nothing is joined. */
    const bool is_row = rc == 0 && d.is_scalar && d.conds.len > 0;
    if (is_row && d.has_filter) {
        rc = plan_unsupported(err, "LATERAL with a correlated aggregate and HAVING");
    } else if (is_row) {
        right = with_marker(c, right);
    }
    CLEANUP(vec_fini) struct vec conds = VEC_INIT(void *);
    rc = rc == 0 ? place_conditions(c, b, &d.conds, &conds, err) : rc;
    vec_fini(&d.conds);
    TRY(rc);
    const uint32_t n_left = b->rel->schema->n_fields;
    const struct rel_join join = {.type = j->kind == SQL_JOIN_LEFT || is_row
                                              ? FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_LEFT
                                              : FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER,
                                  .conditions = plan_exprs(c->p, &conds)};
    TRY(join_to(c, b, right, &join, err));
    ret->rel = b->rel;
    const uint32_t width = ret->rel->schema->n_fields;
    for (size_t i = 0; i < left->columns.len; i++) {
        *VEC_PUSH(&ret->columns, struct sql_scope_column) =
            *VEC_AT(&left->columns, struct sql_scope_column, i);
    }
    const struct sql_names *names = &j->right->alias.columns;
    if (names->n != 0 && names->n != sub->schema->n_fields) {
        return convert_at(c, j->right->span,
                          error_set(err, ERR_INVALID_ARGUMENT,
                                    "List of column aliases must have same degree as table"));
    }
    for (uint32_t i = 0; i < sub->schema->n_fields; i++) {
        const struct expr *value = plan_input(c->p, ret->rel, n_left + i);
        TRY(is_row ? add_default(c, b, &d, i, n_left + i, width - 1, &value, err) : 0);
        *VEC_PUSH(&ret->columns, struct sql_scope_column) = (struct sql_scope_column){
            .table = name,
            .name = names->n > 0 ? names->items[i].text : slice_cstr(sub->schema->fields[i].name),
            .expr = value,
        };
    }
    return 0;
}

int convert_lateral(struct convert *c, const struct sql_join *j, struct block *parent,
                    const struct source *left, struct source *ret, struct error *err)
{
    struct block b;
    const struct rel *sub = NULL;
    const struct sql_expr *on = j->condition;
    const bool is_true =
        on == NULL || (on->kind == SQL_EXPR_LITERAL && on->literal.kind == SQL_LITERAL_TRUE);
    if (j->right->kind != SQL_RELATION_QUERY) {
        return convert_at(c, j->right->span, plan_unsupported(err, "table functions in FROM"));
    }
    if (j->kind == SQL_JOIN_RIGHT || j->kind == SQL_JOIN_FULL || j->is_natural ||
        j->using_columns.n > 0 || !is_true) {
        return convert_at(c, j->right->span, plan_unsupported(err, "LATERAL in this kind of join"));
    }
    block_init(&b, parent, left);
    b.clause = "FROM";
    int rc = convert_query(c, j->right->query, &b, &sub, err);
    rc = rc == 0 ? convert_at(c, j->right->span, lateral_join(c, j, &b, sub, left, ret, err)) : rc;
    block_fini(&b);
    return rc;
}
