/* Aggregates and OVER in expressions: gathered by block, each once. */
#include "sql/plan/calls.h"

#include <strings.h>

#include "engine/expr/type_rules.h"

static bool is_word(struct slice s, const char *word)
{
    return s.len == strlen(word) && strncasecmp(s.data, word, s.len) == 0;
}

static bool same_exprs(struct rel_exprs a, struct rel_exprs b)
{
    return a.n == b.n && (a.n == 0 || memcmp(a.items, b.items, a.n * sizeof(*a.items)) == 0);
}

static bool same_order(const struct plan_call *a, const struct plan_call *b)
{
    return a->n_order == b->n_order &&
           (a->n_order == 0 ||
            (memcmp(a->order, b->order, a->n_order * sizeof(*a->order)) == 0 &&
             memcmp(a->order_keys, b->order_keys, a->n_order * sizeof(*a->order_keys)) == 0));
}

static bool same_call(const struct plan_call *a, const struct plan_call *b)
{
    return a->function == b->function && a->distinct == b->distinct && a->filter == b->filter &&
           a->type == b->type && same_exprs(a->args, b->args) && same_order(a, b) &&
           same_exprs(a->partition, b->partition) && a->unit == b->unit && a->lower == b->lower &&
           a->upper == b->upper && a->lower_value == b->lower_value &&
           a->upper_value == b->upper_value;
}

/* The external of an equal call, or of this one, which is kept. */
static const struct expr *keep_call(struct sql_plan *p, struct vec *calls, enum plan_external kind,
                                    const struct plan_call *call)
{
    for (size_t i = 0; i < calls->len; i++) {
        struct plan_call *known = vec_ptr(calls, i);
        if (same_call(known, call)) {
            return known->external;
        }
    }
    struct plan_call *made = plan_copy(p, call, sizeof(*call));
    made->number = (uint32_t)calls->len;
    made->name = arena_printf(&p->arena, "%s%zu", kind == PLAN_OVER ? "w$" : "a$", calls->len);
    made->external = expr_external(p->pool, (uint16_t)kind, made, type_ref(call->type));
    vec_push_ptr(calls, made);
    return made->external;
}

/* ---- arguments ---------------------------------------------------------------------------------------- */

static int convert_args(struct convert *c, struct block *b, const struct sql_expr *e,
                        struct plan_call *call, struct error *err)
{
    const struct sql_call *s = e->call;
    const struct expr **args = arena_alloc(&c->p->arena, (s->n_args + 1) * sizeof(*args));
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_args; i++) {
        if (s->args[i].name.text.data != NULL) {
            return plan_unsupported(err, "aggregates with named arguments");
        }
        if (s->args[i].expr->kind == SQL_EXPR_STAR && s->n_args == 1 &&
            s->args[i].expr->column.n == 0) {
            continue;
        }
        TRY(convert_expr(c, b, s->args[i].expr, &args[n], err));
        n++;
    }
    const struct expr *resolved;
    if (s->n_args == 0 && strcmp(call->function->name, "COUNT") == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Invalid number of arguments to function 'COUNT': 0. Supported form(s): "
                         "'COUNT(<ANY>...)', 'COUNT(*)'");
    }
    if (n == 0 && s->n_args > 0 && strcmp(call->function->name, "COUNT") != 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s(*) is not valid: only COUNT(*) is",
                         call->function->name);
    }
    TRY(expr_call_resolve(c->p->pool, call->function, args, n, &resolved, err));
    call->args = (struct rel_exprs){resolved->args, resolved->n_args};
    call->type = resolved->type;
    return 0;
}

/* (ORDER BY a DESC): WITHIN GROUP and windows. */
static int convert_order_items(struct convert *c, struct block *b,
                               const struct sql_order_item *items, uint32_t n,
                               struct plan_call *call, struct error *err)
{
    call->order = arena_alloc(&c->p->arena, (n + 1) * sizeof(*call->order));
    call->order_keys = arena_zalloc(&c->p->arena, (n + 1) * sizeof(*call->order_keys));
    for (uint32_t i = 0; i < n; i++) {
        TRY(convert_expr(c, b, items[i].expr, &call->order[i], err));
        call->order_keys[i].descending = items[i].is_descending;
        call->order_keys[i].nulls_last = sort_key_nulls_last(&items[i]);
    }
    call->n_order = n;
    return 0;
}

static int convert_filter(struct convert *c, struct block *b, const struct sql_call *s,
                          struct plan_call *call, struct error *err)
{
    CLEANUP(vec_fini) struct vec conds = VEC_INIT(void *);
    const char *clause = b->clause;
    if (s->filter == NULL) {
        return 0;
    }
    TRY(convert_condition(c, b, s->filter, "FILTER", &conds, err));
    b->clause = clause;
    TRY(plan_and(c->p, conds.data, (uint32_t)conds.len, &call->filter, err));
    if (call->filter == NULL) {
        return 0; /* TRUE */
    }
    return 0;
}

/* ---- aggregates --------------------------------------------------------------------------------------- */

static int convert_aggregate(struct convert *c, struct block *b, const struct sql_expr *e,
                             const struct expr_function *f, const struct expr **ret,
                             struct error *err)
{
    const struct sql_call *s = e->call;
    struct plan_call call = {.function = f, .distinct = (s->flags & SQL_CALL_DISTINCT) != 0};
    const struct rel_exprs *items = b->items;
    if (b->phase == PLAN_PHASE_ARGUMENTS) {
        return error_set(err, ERR_INVALID_ARGUMENT, "Aggregate expressions cannot be nested: %s",
                         f->name);
    }
    if (b->phase != PLAN_PHASE_RESULT) {
        return error_set(err, ERR_INVALID_ARGUMENT, "Aggregate expression is illegal in %s clause",
                         b->clause != NULL ? b->clause : "this");
    }
    b->phase = PLAN_PHASE_ARGUMENTS;
    b->items = NULL;
    int rc = convert_args(c, b, e, &call, err);
    rc = rc == 0 ? convert_filter(c, b, s, &call, err) : rc;
    rc = rc == 0 ? convert_order_items(c, b, s->within, s->n_within, &call, err) : rc;
    b->phase = PLAN_PHASE_RESULT;
    b->items = items;
    TRY(rc);
    if (call.distinct && call.args.n == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s(DISTINCT) needs an argument", f->name);
    }
    *ret = keep_call(c->p, &b->calls, PLAN_AGGREGATE, &call);
    return 0;
}

/* ---- OVER --------------------------------------------------------------------------------------------- */

static const struct sql_window *find_window(const struct sql_select *s, const struct sql_name *name)
{
    for (uint32_t i = 0; s != NULL && i < s->n_windows; i++) {
        if (slice_eq(s->windows[i].name.text, name->text)) {
            return s->windows[i].window;
        }
    }
    return NULL;
}

/* The window with what it has of the named ones it begins with. */
static int whole_window(struct convert *c, struct block *b, const struct sql_window *w,
                        struct sql_window *ret, struct error *err)
{
    *ret = *w;
    for (uint32_t i = 0; ret->name.text.data != NULL; i++) {
        const struct sql_window *base = find_window(b->select, &ret->name);
        if (base == NULL || i > b->select->n_windows) {
            return convert_at(c, ret->name.span,
                              error_set(err, ERR_NOT_FOUND, "Window '%.*s' not found",
                                        (int)ret->name.text.len, ret->name.text.data));
        }
        if (base->n_partition > 0) {
            ret->partition = base->partition;
            ret->n_partition = base->n_partition;
        }
        if (ret->n_order == 0) {
            ret->order = base->order;
            ret->n_order = base->n_order;
        }
        if (ret->frame == SQL_FRAME_NONE) {
            ret->frame = base->frame;
            ret->from = base->from;
            ret->to = base->to;
        }
        ret->name = base->name;
    }
    return 0;
}

static Flinc__OverBoundKind bound_kind(enum sql_bound_kind kind)
{
    static const Flinc__OverBoundKind kinds[] = {
        [SQL_BOUND_UNBOUNDED_PRECEDING] = FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_PRECEDING,
        [SQL_BOUND_PRECEDING] = FLINC__OVER_BOUND_KIND__OVER_PRECEDING,
        [SQL_BOUND_CURRENT_ROW] = FLINC__OVER_BOUND_KIND__OVER_CURRENT_ROW,
        [SQL_BOUND_FOLLOWING] = FLINC__OVER_BOUND_KIND__OVER_FOLLOWING,
        [SQL_BOUND_UNBOUNDED_FOLLOWING] = FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_FOLLOWING,
    };
    return kinds[kind];
}

static int bound_value(struct convert *c, struct block *b, const struct sql_bound *bound,
                       const struct expr **ret, struct error *err)
{
    if (bound->offset == NULL) {
        return 0;
    }
    TRY(convert_expr(c, b, bound->offset, ret, err));
    *ret = expr_fold(c->p->pool, *ret, c->p->options.zone);
    if ((*ret)->kind != EXPR_LITERAL || (*ret)->value.is_null ||
        (!type_is_numeric((*ret)->type) && !type_is_interval((*ret)->type)) ||
        ((*ret)->type->layout != LAYOUT_I128 && !type_is_approximate((*ret)->type) &&
         (*ret)->value.integer < 0)) {
        return convert_at(c, bound->offset->span,
                          error_set(err, ERR_INVALID_ARGUMENT,
                                    "The bound of a window must be a constant that is not "
                                    "negative"));
    }
    return 0;
}

/* Without a frame: all up to the rows equal to this one; without ORDER BY: all. */
static int convert_frame(struct convert *c, struct block *b, const struct sql_window *w,
                         struct plan_call *call, struct error *err)
{
    const bool is_own = call->function->kind == EXPR_WINDOW_FUNCTION;
    call->unit = w->frame == SQL_FRAME_ROWS ? FLINC__OVER_FRAME_UNIT__OVER_ROWS
                                            : FLINC__OVER_FRAME_UNIT__OVER_RANGE;
    call->lower = FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_PRECEDING;
    call->upper = w->n_order == 0 ? FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_FOLLOWING
                                  : FLINC__OVER_BOUND_KIND__OVER_CURRENT_ROW;
    if (w->frame == SQL_FRAME_NONE) {
        return 0;
    }
    if (is_own) {
        return convert_at(c, w->span,
                          error_set(err, ERR_INVALID_ARGUMENT, "ROW/RANGE not allowed with %s",
                                    call->function->name));
    }
    call->lower = bound_kind(w->from.kind);
    call->upper = bound_kind(w->to.kind);
    if (call->lower > call->upper ||
        call->lower == FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_FOLLOWING ||
        call->upper == FLINC__OVER_BOUND_KIND__OVER_UNBOUNDED_PRECEDING) {
        return convert_at(c, w->span,
                          error_set(err, ERR_INVALID_ARGUMENT, "The window ends before it begins"));
    }
    TRY(bound_value(c, b, &w->from, &call->lower_value, err));
    TRY(bound_value(c, b, &w->to, &call->upper_value, err));
    if (w->frame == SQL_FRAME_RANGE && (call->lower_value != NULL || call->upper_value != NULL) &&
        w->n_order != 1) {
        return convert_at(c, w->span,
                          error_set(err, ERR_INVALID_ARGUMENT,
                                    "RANGE with an offset needs exactly one ORDER BY expression"));
    }
    return 0;
}

/* What the operator can add to and subtract from the key. */
static bool has_range(const struct data_type *key, const struct data_type *offset)
{
    if (type_is_numeric(key)) {
        return type_is_numeric(offset) && (type_is_approximate(key) || type_is_exact(offset));
    }
    return (key->id == TYPE_DATE || key->id == TYPE_TIME || key->id == TYPE_TIMESTAMP ||
            key->id == TYPE_TIMESTAMP_LTZ) &&
           type_is_interval(offset);
}

static int check_range(struct convert *c, const struct sql_window *w, const struct plan_call *call,
                       struct error *err)
{
    const struct expr *const bounds[] = {call->lower_value, call->upper_value};
    for (size_t i = 0; w->frame == SQL_FRAME_RANGE && i < ARRAY_LEN(bounds); i++) {
        STR_AUTO types = STR_INIT;
        if (bounds[i] == NULL) {
            continue;
        }
        const struct data_type *key = call->order[0]->type, *offset = bounds[i]->type;
        type_print(key, &types);
        str_append_cstr(&types, " by ");
        type_print(offset, &types);
        if (!has_range(key, offset)) {
            return convert_at(c, w->span,
                              error_set(err, ERR_INVALID_ARGUMENT,
                                        "Data type of ORDER BY prohibits use of RANGE clause: %s",
                                        str_cstr(&types)));
        }
        if (offset->id == TYPE_INTERVAL_YEAR_MONTH) {
            STR_AUTO what = STR_INIT;
            str_printf(&what, "RANGE of %s", str_cstr(&types));
            return convert_at(c, w->span, plan_unsupported(err, str_cstr(&what)));
        }
    }
    return 0;
}

static int check_window_names(struct convert *c, const struct sql_select *s, struct error *err)
{
    for (uint32_t i = 1; s != NULL && i < s->n_windows; i++) {
        for (uint32_t k = 0; k < i; k++) {
            if (slice_eq(s->windows[i].name.text, s->windows[k].name.text)) {
                return convert_at(
                    c, s->windows[i].name.span,
                    error_set(err, ERR_INVALID_ARGUMENT, "Duplicate window names not allowed"));
            }
        }
    }
    return 0;
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* What a window function wants of its window and its literals. */
static int check_window_function(struct convert *c, const struct plan_call *call, struct error *err)
{
    static const char *const ranks[] = {"RANK", "DENSE_RANK", "PERCENT_RANK", "CUME_DIST"};
    const char *name = call->function->name;
    if (call->n_order == 0 && is_one_of(name, ranks, ARRAY_LEN(ranks))) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s requires an ORDER BY clause in its window specification", name);
    }
    if (strcmp(name, "NTILE") == 0 && call->args.n == 1) {
        const struct expr *n = expr_fold(c->p->pool, call->args.items[0], c->p->options.zone);
        if (n->kind == EXPR_LITERAL && (n->value.is_null || n->value.integer <= 0)) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "Argument to function 'NTILE' must be a positive integer literal");
        }
    }
    return 0;
}

static int convert_over_parts(struct convert *c, struct block *b, const struct sql_expr *e,
                              struct plan_call *call, struct error *err)
{
    struct sql_window w;
    TRY(check_window_names(c, b->select, err));
    TRY(convert_args(c, b, e, call, err));
    TRY(convert_filter(c, b, e->call, call, err));
    TRY(whole_window(c, b, e->call->over, &w, err));
    const struct expr **partition =
        arena_alloc(&c->p->arena, (w.n_partition + 1) * sizeof(*partition));
    for (uint32_t i = 0; i < w.n_partition; i++) {
        TRY(convert_expr(c, b, w.partition[i], &partition[i], err));
    }
    call->partition = (struct rel_exprs){partition, w.n_partition};
    TRY(convert_order_items(c, b, w.order, w.n_order, call, err));
    TRY(check_window_function(c, call, err));
    TRY(convert_frame(c, b, &w, call, err));
    return check_range(c, &w, call, err);
}

static int convert_over(struct convert *c, struct block *b, const struct sql_expr *e,
                        const struct expr_function *f, const struct expr **ret, struct error *err)
{
    const struct sql_call *s = e->call;
    struct plan_call call = {.function = f, .distinct = (s->flags & SQL_CALL_DISTINCT) != 0};
    const struct rel_exprs *items = b->items;
    if (f->kind != EXPR_AGGREGATE && f->kind != EXPR_WINDOW_FUNCTION) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "OVER must be applied to aggregate function, not %s", f->name);
    }
    if (b->phase != PLAN_PHASE_RESULT || b->clause == NULL || strcmp(b->clause, "HAVING") == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Windowed aggregate expression is illegal in %s clause",
                         b->phase == PLAN_PHASE_ARGUMENTS ? "an aggregate's" : b->clause);
    }
    if (s->n_within > 0) {
        return plan_unsupported(err, "WITHIN GROUP with OVER");
    }
    if ((s->flags & SQL_CALL_IGNORE_NULLS) != 0) {
        return plan_unsupported(err, "IGNORE NULLS");
    }
    const size_t before = b->overs.len;
    b->items = NULL;
    int rc = convert_over_parts(c, b, e, &call, err);
    b->items = items;
    TRY(rc);
    if (b->overs.len != before) {
        return error_set(err, ERR_INVALID_ARGUMENT, "OVER cannot stand in the window of another");
    }
    *ret = keep_call(c->p, &b->overs, PLAN_OVER, &call);
    return 0;
}

/* ---- which ---------------------------------------------------------------------------------------------- */

int convert_call(struct convert *c, struct block *b, const struct sql_expr *e,
                 const struct expr **ret, struct error *err)
{
    const struct sql_call *s = e->call;
    const struct expr_function *f = NULL;
    int rc = plan_user_function(c->p, &s->name, &f, err);
    TRY(rc);
    if (rc == 0 && s->name.n != 1) {
        return 0;
    }
    const struct slice name = s->name.parts[0].text;
    f = rc == 0 ? expr_function_find(name) : f;
    if (rc == 0 &&
        (is_word(name, "GROUPING") || is_word(name, "GROUPING_ID") || is_word(name, "GROUP_ID"))) {
        TRY(convert_grouping(c, b, e, ret, err));
        return 1;
    }
    if (f == NULL || (f->kind == EXPR_SCALAR && s->over == NULL) ||
        f->kind == EXPR_TABLE_FUNCTION || (f->flags & EXPR_FN_HIDDEN) != 0) {
        return 0;
    }
    if (s->over != NULL) {
        TRY(convert_over(c, b, e, f, ret, err));
        return 1;
    }
    if (f->kind == EXPR_WINDOW_FUNCTION) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "OVER clause is necessary for window functions");
    }
    TRY(convert_aggregate(c, b, e, f, ret, err));
    return 1;
}
