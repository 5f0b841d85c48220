/* Physical trees: CALCs of filters and projections, exchanges, phases. */
#include "sql/plan/rules.h"

/* ---- CALC --------------------------------------------------------------------------------------------- */

bool exprs_are_volatile(struct rel_exprs e)
{
    for (uint32_t i = 0; i < e.n; i++) {
        if (e.items[i]->is_volatile) {
            return true;
        }
    }
    return false;
}

static bool is_identity(struct rel_exprs outputs, const struct rel *input)
{
    bool same = outputs.n == input->schema->n_fields;
    for (uint32_t i = 0; same && i < outputs.n; i++) {
        same = outputs.items[i]->kind == EXPR_INPUT && outputs.items[i]->index == i;
    }
    return same;
}

static bool is_false(const struct expr *e)
{
    return e->kind == EXPR_LITERAL && (e->value.is_null || !e->value.boolean);
}

/* Of an OR, the only operand that a row can meet: where rows are chosen, NULL is as good as FALSE. */
static const struct expr *only_operand(const struct expr *e)
{
    const struct expr *only = NULL;
    if (e->kind != EXPR_CALL || e->function->control != EXPR_CONTROL_OR) {
        return e;
    }
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (!is_false(e->args[i])) {
            if (only != NULL) {
                return e;
            }
            only = e->args[i];
        }
    }
    return only != NULL ? only : e->args[0];
}

/* Folded, conjuncts apart; is there one that no row meets? */
static bool fold_conditions(struct optimizer *o, struct rel_exprs in, struct rel_exprs *ret)
{
    CLEANUP(vec_fini) struct vec conds = VEC_INIT(void *);
    bool is_never = false;
    for (uint32_t i = 0; i < in.n; i++) {
        const struct expr *e = expr_fold(o->p->pool, in.items[i], o->p->options.zone);
        plan_conjuncts(only_operand(e), &conds);
    }
    for (size_t i = 0; i < conds.len; i++) {
        is_never |= is_false(vec_ptr(&conds, i));
    }
    *ret = plan_exprs(o->p, &conds);
    return is_never;
}

static struct rel_exprs fold_outputs(struct optimizer *o, struct rel_exprs in)
{
    const struct expr **folded = arena_alloc(&o->p->arena, (in.n + 1) * sizeof(*folded));
    for (uint32_t i = 0; i < in.n; i++) {
        folded[i] = expr_fold(o->p->pool, in.items[i], o->p->options.zone);
    }
    return (struct rel_exprs){folded, in.n};
}

static const struct rel *no_rows(struct optimizer *o, const struct rel *like,
                                 struct rel_exprs outputs, const char *const *names)
{
    struct data_type **types =
        arena_alloc(&o->p->arena, (outputs.n + 1) * sizeof(struct data_type *));
    for (uint32_t i = 0; i < outputs.n; i++) {
        types[i] = type_ref(outputs.items[i]->type);
    }
    return plan_values(o->p, names, types, outputs.n, NULL, 0);
}

static struct rel_exprs concat(struct sql_plan *p, struct rel_exprs a, struct rel_exprs b)
{
    const struct expr **items = arena_alloc(&p->arena, (a.n + b.n + 1) * sizeof(*items));
    if (a.n > 0) {
        memcpy(items, a.items, a.n * sizeof(*items));
    }
    if (b.n > 0) {
        memcpy(items + a.n, b.items, b.n * sizeof(*items));
    }
    return (struct rel_exprs){items, a.n + b.n};
}

int make_calc(struct optimizer *o, const struct rel *input, struct rel_exprs conds,
              struct rel_exprs outputs, const char *const *names, const struct rel **ret,
              struct error *err)
{
    struct sql_plan *p = o->p;
    struct rel_exprs below = {NULL, 0};
    if (input->kind == REL_CALC && !exprs_are_volatile(input->outputs) &&
        !exprs_are_volatile(conds)) {
        TRY(plan_map_all(p, conds, input->outputs.items, &conds, err));
        TRY(plan_map_all(p, outputs, input->outputs.items, &outputs, err));
        below = input->conditions;
        input = input->inputs[0];
    }
    bool is_never = fold_conditions(o, concat(p, below, conds), &conds), is_contrary;
    TRY(apply_facts(o, &conds, &outputs, &is_contrary, err));
    is_never |= is_contrary || fold_conditions(o, conds, &conds);
    outputs = fold_outputs(o, outputs);
    const bool is_empty = input->kind == REL_VALUES && input->values.n_rows == 0;
    if ((is_never && input->is_bounded) || is_empty) {
        *ret = no_rows(o, input, outputs, names);
        return 0;
    }
    if (conds.n == 0 && is_identity(outputs, input)) {
        *ret = input;
        return 0;
    }
    const struct rel *shape = plan_project(p, input, outputs.items, names, outputs.n);
    struct rel *r = plan_node(p, REL_CALC, &input, 1);
    r->conditions = conds;
    r->outputs = shape->outputs;
    r->schema = shape->schema;
    *ret = r;
    return plan_check(p, err);
}

static const char *const *names_of(struct optimizer *o, const struct rel *r)
{
    const char **names = arena_alloc(&o->p->arena, (r->schema->n_fields + 1) * sizeof(*names));
    for (uint32_t i = 0; i < r->schema->n_fields; i++) {
        names[i] = r->schema->fields[i].name;
    }
    return names;
}

/* ---- exchanges ---------------------------------------------------------------------------------------- */

static const struct rel *single(struct optimizer *o, const struct rel *r)
{
    const struct rel_columns none = {NULL, 0};
    return plan_exchange(o->p, r, REL_DISTRIBUTION_SINGLE, none);
}

static const struct rel *by_keys(struct optimizer *o, const struct rel *r, struct rel_columns keys)
{
    return keys.n > 0 ? plan_exchange(o->p, r, REL_DISTRIBUTION_HASH, keys) : single(o, r);
}

/* ---- what has state ----------------------------------------------------------------------------------- */

static int refuse_streaming(struct optimizer *o, const struct rel *r, const char *what,
                            struct error *err)
{
    if (!o->is_streaming) {
        return 0;
    }
    if (r->is_bounded) {
        return error_set(err, ERR_UNSUPPORTED,
                         "not supported yet: %s in streaming mode (all inputs are bounded: set "
                         "'execution.runtime-mode' = 'batch')",
                         what);
    }
    return error_set(err, ERR_UNSUPPORTED,
                     "not supported yet: %s over unbounded input (set 'execution.runtime-mode' = "
                     "'batch' when the input is bounded)",
                     what);
}

static const char *state_of(const struct rel *r)
{
    switch (r->kind) {
    case REL_AGGREGATE:
        return r->aggregate.n_calls > 0 ? "GROUP BY and aggregates" : "DISTINCT and GROUP BY";
    case REL_JOIN:
        return "joins";
    case REL_OVER:
        return "OVER";
    case REL_SORT:
        return r->sort.keys.n == 0 ? "LIMIT"
               : r->sort.has_fetch ? "ORDER BY with LIMIT"
                                   : "ORDER BY";
    case REL_INTERSECT:
    case REL_EXCEPT:
        return "INTERSECT and EXCEPT";
    default:
        return NULL;
    }
}

/* ---- kinds -------------------------------------------------------------------------------------------- */

static int physical_aggregate(struct optimizer *o, const struct rel *r, const struct rel *input,
                              const struct rel **ret)
{
    struct rel_aggregate a = r->aggregate;
    a.phase = FLINC__AGGREGATE_PHASE__AGGREGATE_SINGLE;
    if (aggregate_has_phases(o, input, &r->aggregate)) {
        input = aggregate_locally(o, input, &r->aggregate, &a);
    }
    *ret = plan_aggregate(o->p, by_keys(o, input, a.keys), &a);
    return 0;
}

/* Each subtask's first rows, then those of all. */
static int physical_sort(struct optimizer *o, const struct rel *r, const struct rel *input,
                         const struct rel **ret)
{
    struct rel_sort all = r->sort, each = r->sort;
    all.is_global = true;
    each.offset = 0;
    if (each.has_fetch && !__builtin_add_overflow(r->sort.offset, r->sort.fetch, &each.fetch)) {
        input = plan_sort(o->p, input, &each);
    }
    *ret = plan_sort(o->p, single(o, input), &all);
    return 0;
}

static int check_scan(struct optimizer *o, const struct rel *r, struct error *err)
{
    if (!o->is_streaming && !r->is_bounded) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Querying an unbounded table '%s' in batch mode is not allowed. The table "
                         "source is unbounded.",
                         r->scan.table->table.name);
    }
    if ((r->kinds & ~(uint32_t)TABLE_INSERT) != 0) {
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: table '%s' has changes",
                         r->scan.table->table.name);
    }
    return 0;
}

static int convert_kind(struct optimizer *o, const struct rel *r, const struct rel *const *in,
                        const struct rel **ret, struct error *err)
{
    switch (r->kind) {
    case REL_SCAN:
        *ret = r;
        return check_scan(o, r, err);
    case REL_VALUES:
        *ret = r;
        return 0;
    case REL_FILTER:
        return make_calc(o, in[0], r->conditions, plan_identity(o->p, in[0]), names_of(o, in[0]),
                         ret, err);
    case REL_PROJECT:
        return make_calc(o, in[0], (struct rel_exprs){NULL, 0}, r->outputs, names_of(o, r), ret,
                         err);
    case REL_AGGREGATE:
        return physical_aggregate(o, r, in[0], ret);
    case REL_OVER:
        *ret = plan_over(o->p, by_keys(o, in[0], r->over.partition), &r->over);
        return 0;
    case REL_SORT:
        return physical_sort(o, r, in[0], ret);
    case REL_JOIN:
        return physical_join(o, r, in[0], in[1], ret, err);
    default:
        *ret = plan_with_inputs(o->p, r, in);
        return 0;
    }
}

int rule_physical(struct optimizer *o, const struct rel *r, const struct rel **ret,
                  struct error *err)
{
    const struct rel **in = arena_alloc(&o->p->arena, (r->n_inputs + 1) * sizeof(*in));
    const char *state = state_of(r);
    TRY(plan_check(o->p, err));
    TRY(state != NULL ? refuse_streaming(o, r, state, err) : 0);
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        TRY(rule_physical(o, r->inputs[i], &in[i], err));
    }
    return convert_kind(o, r, in, ret, err);
}
