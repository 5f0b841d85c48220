/* What conditions say of the rows that meet them, used in the same CALC: under `k = 2` the column k is 2, and a condition that
 * stands again in an output is TRUE there.  With that, CASE and OR lose what no row takes (expr_fold()).
 * Flink: RexSimplify with predicates, ReduceExpressionsRule. */
#include "sql/plan/rules.h"

enum { AMONG_MAX = 64 };

/* The column is one of these, or none of them. */
struct among {
    const struct expr *column;
    const struct expr *const *values; /* literals of its type */
    uint32_t n;
    bool is_none;
};

struct facts {
    struct sql_plan *p;
    struct map values; /* expr -> the literal that it is; of its type */
    struct vec among;  /* struct among */
    bool is_never;
};

static bool same_but_nulls(const struct data_type *a, const struct data_type *b)
{
    struct data_type *c = type_with_nullable(a, b->nullable);
    const bool same = type_equals(c, b);
    type_unref(c);
    return same;
}

/* Types whose values are equal only when they are the same: no floats (0 and -0), no padded texts. */
static bool is_exact(const struct data_type *column, const struct data_type *literal)
{
    switch (column->layout) {
    case LAYOUT_BIT:
    case LAYOUT_I8:
    case LAYOUT_I16:
    case LAYOUT_I32:
    case LAYOUT_I64:
    case LAYOUT_I128:
        return same_but_nulls(column, literal);
    default:
        return column->id == TYPE_VARCHAR &&
               (literal->id == TYPE_CHAR || literal->id == TYPE_VARCHAR);
    }
}

static bool is_column(const struct expr *e)
{
    while (e->kind == EXPR_FIELD) {
        e = e->args[0];
    }
    return e->kind == EXPR_INPUT;
}

static const struct expr *value_of(const struct facts *f, const struct expr *e)
{
    return map_find_bytes(&f->values, &e, sizeof(e));
}

static void add_value(struct facts *f, const struct expr *e, struct expr_value value)
{
    const struct expr *literal = expr_literal(f->p->pool, type_ref(e->type), value);
    const struct expr *known = value_of(f, e);
    f->is_never |= known != NULL && known != literal;
    map_put_bytes(&f->values, &e, sizeof(e), (void *)(uintptr_t)literal);
}

/* column = literal, either way round. */
static bool compares_column(const struct expr *e, const char *name, const struct expr **ret_column,
                            const struct expr **ret_literal)
{
    if (e->kind != EXPR_CALL || e->n_args != 2 || strcmp(e->function->name, name) != 0) {
        return false;
    }
    const uint32_t at = is_column(e->args[0]) ? 0 : 1;
    *ret_column = e->args[at];
    *ret_literal = e->args[1 - at];
    return is_column(*ret_column) && (*ret_literal)->kind == EXPR_LITERAL &&
           !(*ret_literal)->value.is_null && is_exact((*ret_column)->type, (*ret_literal)->type);
}

static bool fixes_column(const struct expr *e, const struct expr **ret_column,
                         const struct expr **ret_literal)
{
    return compares_column(e, "=", ret_column, ret_literal);
}

static const struct expr *as_column(struct facts *f, const struct expr *column,
                                    const struct expr *literal)
{
    return expr_literal(f->p->pool, type_ref(column->type), literal->value);
}

/* column = 1 OR column = 2, column <> 3. */
static bool is_among(struct facts *f, const struct expr *e, struct among *ret)
{
    const bool is_none = e->kind == EXPR_CALL && strcmp(e->function->name, "<>") == 0;
    if (!is_none && (e->kind != EXPR_CALL || e->function->control != EXPR_CONTROL_OR)) {
        return false;
    }
    if (e->n_args > AMONG_MAX) {
        return false;
    }
    const struct expr **values = arena_alloc(&f->p->arena, e->n_args * sizeof(*values));
    *ret = (struct among){.values = values, .is_none = is_none};
    for (uint32_t i = 0; i < (is_none ? 1 : e->n_args); i++) {
        const struct expr *column, *literal;
        if (!compares_column(is_none ? e : e->args[i], is_none ? "<>" : "=", &column, &literal) ||
            (ret->n > 0 && column != ret->column)) {
            return false;
        }
        ret->column = column;
        values[ret->n++] = as_column(f, column, literal);
    }
    return true;
}

/* Is it sure that this comparison is not TRUE? */
static bool is_ruled_out(struct facts *f, const struct expr *column, const struct expr *literal)
{
    const struct expr *value = as_column(f, column, literal);
    for (size_t i = 0; i < f->among.len; i++) {
        const struct among *a = VEC_AT(&f->among, struct among, i);
        bool is_in = false;
        for (uint32_t k = 0; a->column == column && k < a->n; k++) {
            is_in |= a->values[k] == value;
        }
        if (a->column == column && is_in == a->is_none) {
            return true;
        }
    }
    return false;
}

static void add_condition(struct facts *f, const struct expr *e)
{
    const struct expr *column, *literal;
    struct among among;
    if (fixes_column(e, &column, &literal)) {
        add_value(f, column, literal->value);
    } else if (is_among(f, e, &among)) {
        *VEC_PUSH(&f->among, struct among) = among;
    } else if (is_column(e)) {
        add_value(f, e, (struct expr_value){.boolean = true});
    }
}

static const struct expr *replace_known(void *arg, const struct expr *e)
{
    struct facts *f = arg;
    const struct expr *column, *literal;
    const struct expr *known = e->kind == EXPR_LITERAL ? NULL : value_of(f, e);
    if (known == NULL && f->among.len > 0 && fixes_column(e, &column, &literal) &&
        is_ruled_out(f, column, literal)) {
        return expr_literal(f->p->pool, type_ref(e->type), (struct expr_value){.boolean = false});
    }
    return known;
}

/* Of a condition that stays as it is: what it says of a column is not put into it. */
static bool is_fact(struct facts *f, const struct expr *e)
{
    const struct expr *column, *literal;
    struct among among;
    return is_column(e) || fixes_column(e, &column, &literal) ||
           (is_among(f, e, &among) && value_of(f, among.column) == NULL);
}

static int replace_all(struct facts *f, struct rel_exprs in, bool keep_facts, struct rel_exprs *ret,
                       struct error *err)
{
    const struct expr **out = arena_alloc(&f->p->arena, (in.n + 1) * sizeof(*out));
    for (uint32_t i = 0; i < in.n; i++) {
        out[i] = in.items[i];
        if (!keep_facts || !is_fact(f, out[i])) {
            TRY(plan_replace(f->p, in.items[i], replace_known, f, &out[i], err));
        }
    }
    *ret = (struct rel_exprs){out, in.n};
    return 0;
}

static int apply(struct facts *f, struct rel_exprs *conds, struct rel_exprs *outputs,
                 struct error *err)
{
    for (uint32_t i = 0; i < conds->n; i++) {
        add_condition(f, conds->items[i]);
    }
    const struct rel_exprs given = *conds;
    TRY(replace_all(f, given, true, conds, err));
    for (uint32_t i = 0; i < given.n; i++) {
        if (!given.items[i]->is_volatile && value_of(f, given.items[i]) == NULL) {
            add_value(f, given.items[i], (struct expr_value){.boolean = true});
        }
    }
    return replace_all(f, *outputs, false, outputs, err);
}

int apply_facts(struct optimizer *o, struct rel_exprs *inout_conds, struct rel_exprs *inout_outputs,
                bool *ret_never, struct error *err)
{
    struct facts f = {.p = o->p, .among = VEC_INIT(struct among)};
    map_init(&f.values, NULL);
    int rc = inout_conds->n > 0 ? apply(&f, inout_conds, inout_outputs, err) : 0;
    *ret_never = f.is_never;
    map_fini(&f.values);
    vec_fini(&f.among);
    return rc;
}
