/* OVER: the block's relation gets a column for each result; those with one window are one node. */
#include "sql/plan/calls.h"

/* Columns that stand behind the block's own. */
struct extended {
    struct vec exprs;
    uint32_t n_own;
};

static const struct expr *own_input(struct block *b, struct sql_plan *p, uint32_t i)
{
    return plan_input(p, b->rel, i);
}

static int begin(struct convert *c, struct block *b, struct extended *x)
{
    x->n_own = b->rel->schema->n_fields;
    for (uint32_t i = 0; i < x->n_own; i++) {
        vec_push_ptr(&x->exprs, own_input(b, c->p, i));
    }
    return 0;
}

static bool same_list(const struct expr *const *a, const struct expr *const *b, uint32_t n)
{
    return n == 0 || memcmp(a, b, n * sizeof(*a)) == 0;
}

static bool same_window(const struct plan_call *a, const struct plan_call *b)
{
    bool same = a->partition.n == b->partition.n && a->n_order == b->n_order &&
                same_list(a->partition.items, b->partition.items, a->partition.n) &&
                same_list(a->order, b->order, a->n_order);
    for (uint32_t i = 0; same && i < a->n_order; i++) {
        same = a->order_keys[i].descending == b->order_keys[i].descending &&
               a->order_keys[i].nulls_last == b->order_keys[i].nulls_last;
    }
    return same;
}

static void make_call(struct sql_plan *p, struct extended *x, const struct plan_call *call,
                      struct rel_over_call *ret)
{
    uint32_t *args = arena_alloc(&p->arena, (call->args.n + 1) * sizeof(*args));
    for (uint32_t i = 0; i < call->args.n; i++) {
        args[i] = inputs_add(&x->exprs, 0, call->args.items[i]);
    }
    /* A frame that leaves its own row out may be empty. */
    const bool may_be_empty = call->filter != NULL ||
                              call->lower > FLINC__OVER_BOUND_KIND__OVER_CURRENT_ROW ||
                              call->upper < FLINC__OVER_BOUND_KIND__OVER_CURRENT_ROW;
    *ret = (struct rel_over_call){
        .call = {.function = call->function,
                 .args = {args, call->args.n},
                 .distinct = call->distinct,
                 .has_filter = call->filter != NULL,
                 .filter = call->filter != NULL ? inputs_add(&x->exprs, 0, call->filter) : 0,
                 .type = (struct data_type *)(uintptr_t)call_type(p, call, may_be_empty),
                 .name = call->name},
        .unit = call->unit,
        .lower = call->lower,
        .upper = call->upper,
        .lower_value = call->lower_value,
        .upper_value = call->upper_value,
    };
}

/* The window's columns and calls; columns[i] of call i is set. */
static int make_window(struct convert *c, struct block *b, uint32_t first, uint32_t *columns,
                       struct extended *x, struct error *err)
{
    struct sql_plan *p = c->p;
    const struct plan_call *head = vec_ptr(&b->overs, first);
    CLEANUP(vec_fini) struct vec calls = VEC_INIT(struct rel_over_call);
    uint32_t *partition = arena_alloc(&p->arena, (head->partition.n + 1) * sizeof(*partition));
    struct rel_sort_key *order = arena_alloc(&p->arena, (head->n_order + 1) * sizeof(*order));
    TRY(begin(c, b, x));
    for (uint32_t i = 0; i < head->partition.n; i++) {
        partition[i] = inputs_add(&x->exprs, 0, head->partition.items[i]);
    }
    for (uint32_t i = 0; i < head->n_order; i++) {
        order[i] = head->order_keys[i];
        order[i].column = inputs_add(&x->exprs, 0, head->order[i]);
    }
    for (size_t i = first; i < b->overs.len; i++) {
        const struct plan_call *call = vec_ptr(&b->overs, i);
        if (columns[i] == PLAN_NO_COLUMN && same_window(head, call)) {
            make_call(p, x, call, VEC_PUSH(&calls, struct rel_over_call));
            columns[i] = (uint32_t)calls.len - 1;
        }
    }
    TRY(plan_check_width(p, x->exprs.len + calls.len, err));
    const char **names = arena_alloc(&p->arena, (x->exprs.len + 1) * sizeof(*names));
    for (size_t i = 0; i < x->exprs.len; i++) {
        names[i] =
            i < x->n_own ? b->rel->schema->fields[i].name : arena_printf(&p->arena, "$w%zu", i);
    }
    const struct rel_over over = {
        .partition = {partition, head->partition.n},
        .order = {order, head->n_order},
        .calls = plan_copy(p, calls.data, calls.len * sizeof(struct rel_over_call)),
        .n_calls = (uint32_t)calls.len,
    };
    const struct rel *input = b->rel;
    if (x->exprs.len > x->n_own) {
        input = plan_project(p, input, x->exprs.data, names, (uint32_t)x->exprs.len);
    }
    b->rel = plan_over(p, input, &over);
    return 0;
}

struct placing {
    struct sql_plan *p;
    const struct rel *rel;
    const uint32_t *columns;
    int rc;
    struct error *err;
};

static const struct expr *place_over(void *arg, const struct expr *e)
{
    struct placing *x = arg;
    if (e->kind == EXPR_EXTERNAL && e->external_kind == PLAN_OVER) {
        const struct plan_call *call = e->external;
        return plan_input(x->p, x->rel, x->columns[call->number]);
    }
    if (e->kind == EXPR_EXTERNAL && e->external_kind == PLAN_SUBQUERY) {
        const struct plan_subquery *s = e->external;
        struct plan_subquery *moved = plan_copy(x->p, s, sizeof(*s));
        const struct expr **args = arena_alloc(&x->p->arena, (s->args.n + 1) * sizeof(*args));
        for (uint32_t i = 0; i < s->args.n && x->rc == 0; i++) {
            x->rc = plan_replace(x->p, s->args.items[i], place_over, x, &args[i], x->err);
        }
        moved->args.items = args;
        return expr_external(x->p->pool, PLAN_SUBQUERY, moved, type_ref(e->type));
    }
    return NULL;
}

/* Subqueries in windows are joined before. */
static int lower_call(struct convert *c, struct block *b, struct plan_call *call, struct error *err)
{
    struct rel_exprs order = {call->order, call->n_order}, filter = {&call->filter, 1};
    TRY(lower_exprs(c, b, call->args, &call->args, err));
    TRY(lower_exprs(c, b, call->partition, &call->partition, err));
    TRY(lower_exprs(c, b, order, &order, err));
    for (uint32_t i = 0; i < order.n; i++) {
        call->order[i] = order.items[i];
    }
    if (call->filter != NULL) {
        TRY(lower_exprs(c, b, filter, &filter, err));
        call->filter = filter.items[0];
    }
    return 0;
}

int over_block(struct convert *c, struct block *b, struct rel_exprs *const *lists, uint32_t n_lists,
               struct error *err)
{
    struct sql_plan *p = c->p;
    const uint32_t n = (uint32_t)b->overs.len;
    uint32_t *columns = arena_alloc(&p->arena, (n + 1) * sizeof(*columns));
    if (n == 0) {
        return 0;
    }
    for (uint32_t i = 0; i < n; i++) {
        TRY(lower_call(c, b, vec_ptr(&b->overs, i), err));
        columns[i] = PLAN_NO_COLUMN;
    }
    for (uint32_t i = 0; i < n; i++) {
        if (columns[i] == PLAN_NO_COLUMN) {
            struct extended x = {.exprs = VEC_INIT(void *)};
            uint32_t *of_window = arena_alloc(&p->arena, (n + 1) * sizeof(*of_window));
            memcpy(of_window, columns, n * sizeof(*columns));
            int rc = make_window(c, b, i, of_window, &x, err);
            for (uint32_t k = i; k < n; k++) {
                columns[k] = columns[k] == PLAN_NO_COLUMN && of_window[k] != PLAN_NO_COLUMN
                                 ? (uint32_t)x.exprs.len + of_window[k]
                                 : columns[k];
            }
            vec_fini(&x.exprs);
            TRY(rc);
        }
    }
    struct placing x = {p, b->rel, columns, 0, err};
    for (uint32_t i = 0; i < n_lists; i++) {
        const struct expr **out = arena_alloc(&p->arena, (lists[i]->n + 1) * sizeof(*out));
        for (uint32_t k = 0; k < lists[i]->n; k++) {
            TRY(plan_replace(p, lists[i]->items[k], place_over, &x, &out[k], err));
            TRY(x.rc);
        }
        lists[i]->items = out;
    }
    return 0;
}
