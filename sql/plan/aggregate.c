/* GROUP BY and its sets: the aggregate of a block, and expressions brought over it.
 *
 *   SELECT a + 1, SUM(b) FROM t GROUP BY a     Project(a, b) -> Aggregate(keys 0, SUM(1)) -> Project($0 + 1, $1)
 *
 * Grouping sets: an EXPAND between gives each row once per set, keys that are not in the set NULL, and the set's number behind
 * them, which is a key as well; arguments have columns of their own then. */
#include "sql/plan/calls.h"

#include <strings.h>

enum { SETS_MAX = 4096 };

uint32_t inputs_add(struct vec *exprs, uint32_t from, const struct expr *e)
{
    for (size_t i = from; i < exprs->len && !e->is_volatile; i++) {
        if (vec_ptr(exprs, i) == e) {
            return (uint32_t)i;
        }
    }
    vec_push_ptr(exprs, e);
    return (uint32_t)exprs->len - 1;
}

/* ---- GROUP BY ----------------------------------------------------------------------------------------- */

/* Lists of numbers of keys. */
struct sets {
    struct vec starts; /* uint32_t: of set i; its end is the next one's start */
    struct vec members;
};

static void sets_init(struct sets *s)
{
    *s = (struct sets){VEC_INIT(uint32_t), VEC_INIT(uint32_t)};
}

static void sets_fini(struct sets *s)
{
    vec_fini(&s->starts);
    vec_fini(&s->members);
}

static uint32_t sets_n(const struct sets *s)
{
    return (uint32_t)s->starts.len;
}

static const uint32_t *sets_at(const struct sets *s, uint32_t i, uint32_t *ret_n)
{
    const uint32_t *starts = s->starts.data;
    const uint32_t end = i + 1 < s->starts.len ? starts[i + 1] : (uint32_t)s->members.len;
    *ret_n = end - starts[i];
    return *ret_n > 0 ? (const uint32_t *)s->members.data + starts[i] : NULL;
}

static void sets_begin(struct sets *s)
{
    *VEC_PUSH(&s->starts, uint32_t) = (uint32_t)s->members.len;
}

static void sets_put(struct sets *s, const uint32_t *members, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        *VEC_PUSH(&s->members, uint32_t) = members[i];
    }
}

static int sets_check(const struct sets *s, struct error *err)
{
    return s->starts.len <= SETS_MAX && s->members.len <= SETS_MAX * 64
               ? 0
               : error_set(err, ERR_TOO_LARGE,
                           "GROUP BY has more than %d grouping sets, which is the limit", SETS_MAX);
}

void grouping_init(struct grouping *g)
{
    *g = (struct grouping){VEC_INIT(void *), VEC_INIT(uint32_t), VEC_INIT(uint32_t)};
}

void grouping_fini(struct grouping *g)
{
    vec_fini(&g->keys);
    vec_fini(&g->sets);
    vec_fini(&g->members);
}

static int item_sets(struct convert *c, struct block *b, const struct sql_group_item *item,
                     struct grouping *g, struct sets *ret, struct error *err);

static int add_keys(struct convert *c, struct block *b, const struct sql_group_item *item,
                    struct grouping *g, struct sets *ret, struct error *err)
{
    sets_begin(ret);
    for (uint32_t i = 0; i < item->n_exprs; i++) {
        const struct expr *e;
        TRY(convert_expr(c, b, item->exprs[i], &e, err));
        const uint32_t key = inputs_add(&g->keys, 0, e);
        sets_put(ret, &key, 1);
    }
    TRY(plan_check_width(c->p, g->keys.len + 1, err));
    return sets_check(ret, err);
}

/* The sets of each item, one behind the other, with the first set of each in `parts`. */
static int sub_sets(struct convert *c, struct block *b, const struct sql_group_item *item,
                    struct grouping *g, struct sets *ret, struct error *err)
{
    for (uint32_t i = 0; i < item->n_items; i++) {
        TRY(item_sets(c, b, &item->items[i], g, ret, err));
    }
    return sets_check(ret, err);
}

/* ROLLUP(a, b): (a, b), (a), ().  CUBE: all of the subsets. */
static int combine(const struct sql_group_item *item, const struct sets *parts, struct sets *ret,
                   struct error *err)
{
    const uint32_t n = sets_n(parts);
    const bool is_cube = item->kind == SQL_GROUP_CUBE;
    if (is_cube && n > 12) {
        return error_set(err, ERR_TOO_LARGE,
                         "CUBE of %u elements has more than %d grouping sets, which is the limit",
                         n, SETS_MAX);
    }
    const uint32_t all = is_cube ? 1u << n : n + 1;
    for (uint32_t s = 0; s < all; s++) {
        sets_begin(ret);
        for (uint32_t i = 0; i < n; i++) {
            const bool keep = is_cube ? (s >> (n - 1 - i) & 1) == 0 : i < n - s;
            uint32_t count = 0;
            const uint32_t *members = sets_at(parts, i, &count);
            sets_put(ret, members, keep ? count : 0);
        }
        TRY(sets_check(ret, err));
    }
    return 0;
}

static int item_sets(struct convert *c, struct block *b, const struct sql_group_item *item,
                     struct grouping *g, struct sets *ret, struct error *err)
{
    struct sets parts;
    if (item->kind == SQL_GROUP_EXPR || item->kind == SQL_GROUP_LIST) {
        return add_keys(c, b, item, g, ret, err);
    }
    if (item->kind == SQL_GROUP_SETS) {
        return sub_sets(c, b, item, g, ret, err);
    }
    sets_init(&parts);
    int rc = sub_sets(c, b, item, g, &parts, err);
    rc = rc == 0 ? combine(item, &parts, ret, err) : rc;
    sets_fini(&parts);
    return rc;
}

/* Each set of `a` with each of `b`. */
static int cross(const struct sets *a, const struct sets *b, struct sets *ret, struct error *err)
{
    for (uint32_t i = 0; i < sets_n(a); i++) {
        for (uint32_t k = 0; k < sets_n(b); k++) {
            uint32_t n = 0;
            const uint32_t *members = sets_at(a, i, &n);
            sets_begin(ret);
            sets_put(ret, members, n);
            members = sets_at(b, k, &n);
            sets_put(ret, members, n);
            TRY(sets_check(ret, err));
        }
    }
    return 0;
}

static bool same_set(const struct sets *s, uint32_t a, uint32_t b, uint32_t n_keys, bool *marks)
{
    uint32_t n_a = 0, n_b = 0;
    const uint32_t *in_a = sets_at(s, a, &n_a), *in_b = sets_at(s, b, &n_b);
    bool same = true;
    memset(marks, 0, n_keys * 2);
    for (uint32_t i = 0; i < n_a; i++) {
        marks[in_a[i]] = true;
    }
    for (uint32_t i = 0; i < n_b; i++) {
        marks[n_keys + in_b[i]] = true;
    }
    same = memcmp(marks, marks + n_keys, n_keys) == 0;
    return same;
}

/* Moves the sets over; GROUP BY DISTINCT has each once. */
static void take_sets(struct grouping *g, const struct sets *s, bool is_distinct)
{
    const uint32_t n_keys = (uint32_t)g->keys.len;
    bool *marks = mem_zalloc((size_t)n_keys * 2 + 1);
    for (uint32_t i = 0; i < sets_n(s); i++) {
        bool is_new = true;
        for (uint32_t k = 0; k < i && is_distinct && is_new; k++) {
            is_new = !same_set(s, i, k, n_keys, marks);
        }
        if (is_new) {
            uint32_t n = 0;
            const uint32_t *members = sets_at(s, i, &n);
            *VEC_PUSH(&g->sets, uint32_t) = (uint32_t)g->members.len;
            for (uint32_t k = 0; k < n; k++) {
                *VEC_PUSH(&g->members, uint32_t) = members[k];
            }
        }
    }
    mem_free(marks);
}

int convert_groups(struct convert *c, struct block *b, const struct sql_select *s,
                   struct grouping *ret, struct error *err)
{
    struct sets all, one, next;
    int rc = 0;
    b->phase = PLAN_PHASE_PLAIN;
    b->clause = "GROUP BY";
    sets_init(&all);
    sets_begin(&all);
    for (uint32_t i = 0; i < s->n_groups && rc == 0; i++) {
        sets_init(&one);
        sets_init(&next);
        rc = item_sets(c, b, &s->groups[i], ret, &one, err);
        rc = rc == 0 ? cross(&all, &one, &next, err) : rc;
        sets_fini(&one);
        sets_fini(&all);
        all = next;
    }
    if (rc == 0) {
        take_sets(ret, &all, s->group_distinct);
    }
    sets_fini(&all);
    return rc;
}

/* ---- the aggregate ------------------------------------------------------------------------------------ */

struct aggregating {
    struct convert *c;
    struct block *block;
    struct grouping *grouping;
    struct vec columns; /* const struct expr *: of the projection below */
    const uint32_t *keys;
    uint32_t n_keys, first_call; /* of the aggregate: its columns */
    uint32_t id_column;          /* PLAN_NO_COLUMN: no sets */
    const int64_t *ids;          /* by set */
    const struct rel *below, *result;
    const struct expr *bad; /* a column that is not grouped */
    struct error *err;
    int rc;
};

static uint32_t n_sets(const struct grouping *g)
{
    return (uint32_t)g->sets.len;
}

static bool set_has(const struct grouping *g, uint32_t set, uint32_t key)
{
    const uint32_t *starts = g->sets.data;
    const uint32_t end = set + 1 < g->sets.len ? starts[set + 1] : (uint32_t)g->members.len;
    for (uint32_t i = starts[set]; i < end; i++) {
        if (*VEC_AT(&g->members, uint32_t, i) == key) {
            return true;
        }
    }
    return false;
}

/* Is there one set, of all keys? */
static bool is_simple(const struct grouping *g)
{
    for (uint32_t i = 0; n_sets(g) == 1 && i < g->keys.len; i++) {
        if (!set_has(g, 0, i)) {
            return false;
        }
    }
    return n_sets(g) == 1;
}

/* Subqueries of keys and arguments are joined to what is below. */
static int lower_call(struct aggregating *a, struct plan_call *call, struct error *err)
{
    struct rel_exprs order = {call->order, call->n_order}, filter = {&call->filter, 1};
    TRY(lower_exprs(a->c, a->block, call->args, &call->args, err));
    TRY(lower_exprs(a->c, a->block, order, &order, err));
    for (uint32_t i = 0; i < order.n; i++) {
        call->order[i] = order.items[i];
    }
    if (call->filter != NULL) {
        TRY(lower_exprs(a->c, a->block, filter, &filter, err));
        call->filter = filter.items[0];
    }
    return 0;
}

const struct data_type *call_type(struct sql_plan *p, const struct plan_call *call,
                                  bool may_be_empty)
{
    const char *result = call->function->result;
    if (!may_be_empty || (result != NULL && strstr(result, "NOT NULL") != NULL)) {
        return call->type;
    }
    return expr_pool_type(p->pool, type_with_nullable(call->type, true));
}

static int make_call(struct aggregating *a, const struct plan_call *call, uint32_t from,
                     struct rel_aggregate_call *ret)
{
    struct sql_plan *p = a->c->p;
    uint32_t *args = arena_alloc(&p->arena, (call->args.n + 1) * sizeof(*args));
    struct rel_sort_key *order = arena_alloc(&p->arena, (call->n_order + 1) * sizeof(*order));
    for (uint32_t i = 0; i < call->args.n; i++) {
        args[i] = inputs_add(&a->columns, from, call->args.items[i]);
    }
    for (uint32_t i = 0; i < call->n_order; i++) {
        order[i] = call->order_keys[i];
        order[i].column = inputs_add(&a->columns, from, call->order[i]);
    }
    *ret = (struct rel_aggregate_call){
        .function = call->function,
        .args = {args, call->args.n},
        .distinct = call->distinct,
        .has_filter = call->filter != NULL,
        .filter = call->filter != NULL ? inputs_add(&a->columns, from, call->filter) : 0,
        .order = {order, call->n_order},
        .type = (struct data_type *)(uintptr_t)call_type(p, call,
                                                         a->n_keys == 0 || call->filter != NULL),
        .name = call->name,
    };
    return 0;
}

/* Bits of the keys that are not in the set, the first key's the highest. */
static int64_t mask_of(const struct grouping *g, uint32_t set)
{
    int64_t mask = 0;
    for (uint32_t k = 0; k < g->keys.len && k < 63; k++) {
        mask = mask * 2 + !set_has(g, set, k);
    }
    return mask;
}

/* EXPAND: the columns of the projection, then the set's number. */
static const struct rel *expand(struct aggregating *a, const struct rel *input)
{
    struct sql_plan *p = a->c->p;
    const struct grouping *g = a->grouping;
    const uint32_t n = input->schema->n_fields, sets = n_sets(g);
    bool *keep = arena_alloc(&p->arena, (size_t)n * sets + 1);
    int64_t *ids = arena_alloc(&p->arena, (sets + 1) * sizeof(*ids));
    const char **names = arena_alloc(&p->arena, (n + 1) * sizeof(*names));
    struct data_type **types = arena_alloc(&p->arena, (n + 1) * sizeof(struct data_type *));
    bool is_distinct = g->keys.len < 63;
    for (uint32_t s = 0; s < sets; s++) {
        ids[s] = mask_of(g, s);
        for (uint32_t i = 0; i < s; i++) {
            is_distinct &= ids[i] != ids[s];
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        bool all = true;
        for (uint32_t s = 0; s < sets; s++) {
            keep[s * n + i] = i >= a->n_keys || set_has(g, s, i);
            ids[s] = is_distinct ? ids[s] : s;
            all &= keep[s * n + i];
        }
        const struct data_type *t = input->schema->fields[i].type;
        types[i] = type_with_nullable(t, t->nullable || !all);
        names[i] = input->schema->fields[i].name;
    }
    types[n] = type_new(TYPE_BIGINT, false);
    names[n] = "$e";
    struct rel *r = plan_node(p, REL_EXPAND, &input, 1);
    r->expand = (struct rel_expand){keep, ids, sets};
    plan_set_schema(p, r, names, types, n + 1);
    a->id_column = n;
    a->ids = ids;
    return r;
}

/* Keys first, then what calls need. */
static int project_below(struct aggregating *a, struct rel_aggregate_call *calls, struct error *err)
{
    struct block *b = a->block;
    struct sql_plan *p = a->c->p;
    struct rel_exprs keys = {a->grouping->keys.data, (uint32_t)a->grouping->keys.len};
    TRY(lower_exprs(a->c, b, keys, &keys, err));
    for (uint32_t i = 0; i < keys.n; i++) {
        vec_push_ptr(&a->columns, keys.items[i]);
    }
    a->n_keys = keys.n;
    const uint32_t from = is_simple(a->grouping) ? 0 : keys.n;
    for (size_t i = 0; i < b->calls.len; i++) {
        TRY(lower_call(a, vec_ptr(&b->calls, i), err));
        TRY(make_call(a, vec_ptr(&b->calls, i), from, &calls[i]));
    }
    TRY(plan_check_width(p, a->columns.len + 1, err));
    const char **names = arena_alloc(&p->arena, (a->columns.len + 1) * sizeof(*names));
    for (size_t i = 0; i < a->columns.len; i++) {
        const struct expr *e = vec_ptr(&a->columns, i);
        names[i] = e->kind == EXPR_INPUT ? b->rel->schema->fields[e->index].name
                                         : arena_printf(&p->arena, "$f%zu", i);
    }
    a->below = plan_project(p, b->rel, a->columns.data, names, (uint32_t)a->columns.len);
    return 0;
}

static int make_aggregate(struct aggregating *a, struct error *err)
{
    struct sql_plan *p = a->c->p;
    struct block *b = a->block;
    struct rel_aggregate_call *calls = arena_zalloc(&p->arena, (b->calls.len + 1) * sizeof(*calls));
    TRY(project_below(a, calls, err));
    uint32_t *keys = arena_alloc(&p->arena, (a->n_keys + 2) * sizeof(*keys));
    uint32_t n = a->n_keys;
    for (uint32_t i = 0; i < n; i++) {
        keys[i] = i;
    }
    a->id_column = PLAN_NO_COLUMN;
    if (!is_simple(a->grouping)) {
        a->below = expand(a, a->below);
        keys[n++] = a->id_column;
    }
    a->first_call = n;
    TRY(plan_check_width(p, (uint64_t)n + b->calls.len, err));
    const struct rel_aggregate made = {
        .keys = {keys, n}, .calls = calls, .n_calls = (uint32_t)b->calls.len};
    a->result = plan_aggregate(p, a->below, &made);
    return 0;
}

/* ---- expressions over it ------------------------------------------------------------------------------ */

static const struct expr *over_aggregate(void *arg, const struct expr *e);

/* GROUPING: bits of the set by its number. */
static const struct expr *grouping_value(struct aggregating *a, const struct plan_call *call)
{
    struct sql_plan *p = a->c->p;
    const struct grouping *g = a->grouping;
    const struct expr **parts = arena_alloc(&p->arena, (2 * n_sets(g) + 1) * sizeof(*parts));
    uint32_t n = 0;
    const struct expr *result = NULL;
    for (uint32_t s = 0; s < n_sets(g); s++) {
        int64_t bits = 0;
        for (uint32_t i = 0; i < call->args.n; i++) {
            bits =
                bits * 2 + !set_has(g, s, inputs_add(&a->grouping->keys, 0, call->args.items[i]));
        }
        const struct expr *value = expr_integer(p->pool, TYPE_BIGINT, bits);
        if (s + 1 == n_sets(g)) {
            parts[n++] = value;
            break;
        }
        const struct expr *equal[2] = {plan_input(p, a->result, a->n_keys),
                                       expr_integer(p->pool, TYPE_BIGINT, a->ids[s])};
        a->rc = expr_call(p->pool, "=", equal, 2, &parts[n], a->err);
        if (a->rc < 0) {
            return value;
        }
        n++;
        parts[n++] = value;
    }
    if (n == 1 || a->id_column == PLAN_NO_COLUMN) {
        return parts[n - 1];
    }
    a->rc = expr_call(p->pool, "CASE", parts, n, &result, a->err);
    return a->rc < 0 ? parts[n - 1] : result;
}

/* A subquery's arguments are over the aggregate, too. */
static const struct expr *move_subquery(struct aggregating *a, const struct expr *e)
{
    struct sql_plan *p = a->c->p;
    const struct plan_subquery *s = e->external;
    struct plan_subquery *moved = plan_copy(p, s, sizeof(*s));
    const struct expr **args = arena_alloc(&p->arena, (s->args.n + 1) * sizeof(*args));
    for (uint32_t i = 0; i < s->args.n && a->rc == 0; i++) {
        a->rc = plan_replace(p, s->args.items[i], over_aggregate, a, &args[i], a->err);
    }
    moved->args.items = args;
    return expr_external(p->pool, PLAN_SUBQUERY, moved, type_ref(e->type));
}

static const struct expr *over_aggregate(void *arg, const struct expr *e)
{
    struct aggregating *a = arg;
    for (uint32_t i = 0; i < a->n_keys; i++) {
        if (vec_ptr(&a->grouping->keys, i) == e) {
            return plan_input(a->c->p, a->result, i);
        }
    }
    if (e->kind == EXPR_EXTERNAL && e->external_kind == PLAN_AGGREGATE) {
        const struct plan_call *call = e->external;
        return call->function == NULL
                   ? grouping_value(a, call)
                   : plan_input(a->c->p, a->result, a->first_call + call->number);
    }
    if (e->kind == EXPR_EXTERNAL && e->external_kind == PLAN_SUBQUERY) {
        return move_subquery(a, e);
    }
    if (e->kind == EXPR_INPUT && a->bad == NULL) {
        a->bad = e;
    }
    return NULL;
}

/* Where a column of the name stands, outside of aggregates. */
static const struct sql_expr *find_column(const struct sql_expr *e, struct slice name)
{
    const struct sql_expr *found = NULL;
    if (e->kind == SQL_EXPR_COLUMN && slice_eq(e->column.parts[e->column.n - 1].text, name)) {
        return e;
    }
    if (e->kind == SQL_EXPR_CALL) {
        const struct expr_function *f = expr_function_find(e->call->name.parts[0].text);
        const bool is_aggregate = f != NULL && f->kind == EXPR_AGGREGATE;
        for (uint32_t i = 0; i < e->call->n_args && found == NULL && !is_aggregate; i++) {
            found = find_column(e->call->args[i].expr, name);
        }
    }
    for (uint32_t i = 0; i < e->n_operands && found == NULL; i++) {
        found = find_column(e->operands[i], name);
    }
    return found;
}

/* In SELECT, HAVING, ORDER BY; of t.* that is the star. */
static const struct sql_expr *find_place(const struct block *b, struct slice name)
{
    const struct sql_select *s = b->select;
    const struct sql_expr *found = NULL;
    for (uint32_t i = 0; i < s->n_items && found == NULL; i++) {
        const struct sql_expr *e = s->items[i].expr;
        found = e->kind == SQL_EXPR_STAR ? e : find_column(e, name);
    }
    if (found == NULL && s->having != NULL) {
        found = find_column(s->having, name);
    }
    for (uint32_t i = 0; b->query != NULL && i < b->query->n_order && found == NULL; i++) {
        found = find_column(b->query->order[i].expr, name);
    }
    return found;
}

static int not_grouped(struct aggregating *a, struct error *err)
{
    const char *name = "";
    const struct sql_scope *scope = &a->block->scope;
    for (uint32_t i = 0; i < scope->n; i++) {
        if (scope->columns[i].expr == a->bad) {
            name = arena_strndup(&a->c->p->arena, scope->columns[i].name.data,
                                 scope->columns[i].name.len);
        }
    }
    const struct sql_expr *place = find_place(a->block, slice_cstr(name));
    if (place != NULL) {
        convert_at(a->c, place->span, ERR_INVALID_ARGUMENT);
    }
    return error_set(err, ERR_INVALID_ARGUMENT, "Expression '%s' is not being grouped", name);
}

static int move_exprs(struct aggregating *a, struct rel_exprs *list, struct error *err)
{
    struct sql_plan *p = a->c->p;
    const struct expr **out = arena_alloc(&p->arena, (list->n + 1) * sizeof(*out));
    for (uint32_t i = 0; i < list->n; i++) {
        TRY(plan_replace(p, list->items[i], over_aggregate, a, &out[i], err));
        TRY(a->rc);
        if (a->bad != NULL) {
            return not_grouped(a, err);
        }
    }
    list->items = out;
    return 0;
}

/* What OVER has of columns. */
static int move_over(struct aggregating *a, struct plan_call *call, struct error *err)
{
    struct rel_exprs order = {call->order, call->n_order}, filter = {&call->filter, 1};
    TRY(move_exprs(a, &call->args, err));
    TRY(move_exprs(a, &call->partition, err));
    TRY(move_exprs(a, &order, err));
    for (uint32_t i = 0; i < order.n; i++) {
        call->order[i] = order.items[i];
    }
    if (call->filter != NULL) {
        TRY(move_exprs(a, &filter, err));
        call->filter = filter.items[0];
    }
    return 0;
}

static int aggregate_all(struct aggregating *a, struct rel_exprs *const *lists, uint32_t n_lists,
                         struct error *err)
{
    struct block *b = a->block;
    TRY(make_aggregate(a, err));
    for (uint32_t i = 0; i < n_lists; i++) {
        TRY(move_exprs(a, lists[i], err));
    }
    for (size_t i = 0; i < b->overs.len; i++) {
        TRY(move_over(a, vec_ptr(&b->overs, i), err));
    }
    const struct rel_exprs keys = plan_exprs(a->c->p, &a->grouping->keys);
    b->keys = plan_copy(a->c->p, &keys, sizeof(keys));
    b->is_aggregate = true;
    b->rel = a->result;
    return 0;
}

int aggregate_block(struct convert *c, struct block *b, struct grouping *g,
                    struct rel_exprs *const *lists, uint32_t n_lists, struct error *err)
{
    struct aggregating a = {
        .c = c, .block = b, .grouping = g, .columns = VEC_INIT(void *), .err = err};
    struct vec kept = VEC_INIT(void *), all = b->calls;
    /* GROUPING has no column. */
    for (size_t i = 0; i < all.len; i++) {
        struct plan_call *call = vec_ptr(&all, i);
        if (call->function != NULL) {
            call->number = (uint32_t)kept.len;
            vec_push_ptr(&kept, call);
        }
    }
    b->calls = kept;
    int rc = aggregate_all(&a, lists, n_lists, err);
    vec_fini(&all);
    vec_fini(&a.columns);
    return rc;
}

/* ---- GROUPING ----------------------------------------------------------------------------------------- */

int convert_grouping(struct convert *c, struct block *b, const struct sql_expr *e,
                     const struct expr **ret, struct error *err)
{
    const struct sql_call *s = e->call;
    const struct expr **args = arena_alloc(&c->p->arena, (s->n_args + 1) * sizeof(*args));
    const struct rel_exprs *items = b->items;
    if (b->phase != PLAN_PHASE_RESULT || b->select == NULL || !b->select->has_group) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "GROUPING operator may only occur in SELECT, HAVING or ORDER BY clause of "
                         "a query with GROUP BY");
    }
    if (s->n_args == 0 && slice_eq_cstr(s->name.parts[0].text, "GROUP_ID")) {
        return plan_unsupported(err, "GROUP_ID");
    }
    if (s->n_args > 63 || s->n_args == 0) {
        return s->n_args == 0
                   ? error_set(err, ERR_INVALID_ARGUMENT,
                               "Invalid number of arguments to function 'GROUPING': 0")
                   : error_set(err, ERR_INVALID_ARGUMENT, "GROUPING has at most 63 arguments");
    }
    b->phase = PLAN_PHASE_ARGUMENTS;
    b->items = NULL;
    int rc = 0;
    for (uint32_t i = 0; i < s->n_args && rc == 0; i++) {
        rc = convert_expr(c, b, s->args[i].expr, &args[i], err);
        bool is_key = false;
        for (size_t k = 0; rc == 0 && k < b->group_keys->len; k++) {
            is_key |= vec_ptr(b->group_keys, k) == args[i];
        }
        if (rc == 0 && !is_key) {
            rc =
                convert_at(c, s->args[i].expr->span,
                           error_set(err, ERR_INVALID_ARGUMENT,
                                     "Argument to GROUPING operator must be a grouped expression"));
        }
    }
    b->phase = PLAN_PHASE_RESULT;
    b->items = items;
    TRY(rc);
    struct plan_call *call = arena_zalloc(&c->p->arena, sizeof(*call));
    call->args = (struct rel_exprs){args, s->n_args};
    call->external = expr_external(c->p->pool, PLAN_AGGREGATE, call, type_new(TYPE_BIGINT, false));
    call->type = call->external->type;
    call->name = "GROUPING";
    vec_push_ptr(&b->calls, call);
    *ret = call->external;
    return 0;
}
