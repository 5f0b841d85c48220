/* SELECT: from its clauses to relations, in the order in which they take effect. */
#include "sql/plan/calls.h"

/* What SELECT gives: expressions, names, and the words of aliases for ORDER BY. */
struct items {
    struct vec exprs;   /* const struct expr * */
    struct vec names;   /* const char * */
    struct vec aliases; /* struct sql_name */
};

static void items_fini(struct items *i)
{
    vec_fini(&i->exprs);
    vec_fini(&i->names);
    vec_fini(&i->aliases);
}

static void add_item(struct convert *c, struct items *i, const struct expr *e, struct slice name,
                     struct sql_name alias)
{
    vec_push_ptr(&i->exprs, e);
    vec_push_ptr(&i->names, arena_strndup(&c->p->arena, name.data, name.len));
    *VEC_PUSH(&i->aliases, struct sql_name) = alias;
}

/* ---- items -------------------------------------------------------------------------------------------- */

static int add_fields(struct convert *c, struct block *b, const struct sql_expr *e,
                      const struct sql_expr *of, struct items *items, struct error *err);

/* Is there a column of the name? */
static bool has_column(const struct block *b, const struct sql_name *name)
{
    for (uint32_t i = 0; i < b->scope.n; i++) {
        if (slice_eq(b->scope.columns[i].name, name->text)) {
            return true;
        }
    }
    return false;
}

static int add_star(struct convert *c, struct block *b, const struct sql_expr *star,
                    struct items *items, struct error *err)
{
    const struct sql_path *path = &star->column;
    uint32_t n = 0;
    for (uint32_t i = 0; i < b->scope.n; i++) {
        const struct sql_scope_column *col = &b->scope.columns[i];
        if (path->n == 0
                ? col->is_hidden
                : col->table.data == NULL || !slice_eq(col->table, path->parts[path->n - 1].text)) {
            continue;
        }
        add_item(c, items, col->expr, col->name, (struct sql_name){.text = col->name});
        n++;
    }
    if (n == 0 && path->n > 0 &&
        (has_column(b, &path->parts[0]) || (path->n > 1 && has_column(b, &path->parts[1])))) {
        struct sql_expr *column = arena_zalloc(&c->p->arena, sizeof(*column));
        *column =
            (struct sql_expr){.kind = SQL_EXPR_COLUMN, .span = star->span, .column = star->column};
        return add_fields(c, b, star, column, items, err);
    }
    if (n == 0) {
        return convert_at(c, star->span,
                          path->n == 0
                              ? error_set(err, ERR_INVALID_ARGUMENT, "SELECT * needs a FROM clause")
                              : error_set(err, ERR_NOT_FOUND, "Unknown identifier '%.*s'",
                                          (int)path->parts[path->n - 1].text.len,
                                          path->parts[path->n - 1].text.data));
    }
    return plan_check_width(c->p, items->exprs.len, err);
}

/* (row).* and column.* */
static int add_fields(struct convert *c, struct block *b, const struct sql_expr *e,
                      const struct sql_expr *of, struct items *items, struct error *err)
{
    const struct expr *row;
    TRY(convert_expr(c, b, of, &row, err));
    if (row->type->id != TYPE_ROW) {
        return convert_at(c, e->span,
                          error_set(err, ERR_INVALID_ARGUMENT, "Only a ROW has fields"));
    }
    for (uint32_t i = 0; i < row->type->n_children; i++) {
        const struct slice name = slice_cstr(row->type->names[i]);
        add_item(c, items, expr_field(c->p->pool, row, i), name, (struct sql_name){.text = name});
    }
    return plan_check_width(c->p, items->exprs.len, err);
}

static int convert_item(struct convert *c, struct block *b, const struct sql_select_item *item,
                        struct items *items, struct error *err)
{
    const struct sql_expr *e = item->expr;
    struct sql_name name = item->alias;
    const struct expr *made;
    if (e->kind == SQL_EXPR_STAR) {
        return add_star(c, b, e, items, err);
    }
    if (e->kind == SQL_EXPR_FIELD && e->field.text.data == NULL) {
        return add_fields(c, b, e, e->operands[0], items, err);
    }
    TRY(convert_expr(c, b, e, &made, err));
    if (name.text.data == NULL && e->kind == SQL_EXPR_COLUMN) {
        name = e->column.parts[e->column.n - 1];
    } else if (name.text.data == NULL && e->kind == SQL_EXPR_FIELD) {
        name = e->field;
    }
    STR_AUTO own = STR_INIT;
    struct slice shown = name.text;
    if (shown.data == NULL) {
        str_printf(&own, "EXPR$%zu", items->exprs.len);
        shown = str_slice(&own);
    }
    add_item(c, items, made, shown, name);
    return plan_check_width(c->p, items->exprs.len, err);
}

static int convert_items(struct convert *c, struct block *b, const struct sql_select *s,
                         struct items *ret, struct error *err)
{
    b->phase = PLAN_PHASE_RESULT;
    b->clause = "SELECT";
    for (uint32_t i = 0; i < s->n_items; i++) {
        TRY(convert_item(c, b, &s->items[i], ret, err));
    }
    return 0;
}

/* ---- ORDER BY ----------------------------------------------------------------------------------------- */

/* ORDER BY 2: the number of the item from 1; 0: it is no number. */
static int ordinal_of(struct convert *c, const struct sql_expr *e, uint32_t n_items, uint32_t *ret,
                      struct error *err)
{
    uint64_t n = 0;
    *ret = 0;
    if (e->kind != SQL_EXPR_LITERAL || e->literal.kind != SQL_LITERAL_EXACT) {
        return 0;
    }
    for (size_t i = 0; i < e->literal.text.len; i++) {
        if (e->literal.text.data[i] == '.' || n > n_items) {
            n = 0;
            break;
        }
        n = n * 10 + (uint64_t)(e->literal.text.data[i] - '0');
    }
    if (n == 0 || n > n_items) {
        return convert_at(c, e->span, error_set(err, ERR_INVALID_ARGUMENT, "Ordinal out of range"));
    }
    *ret = (uint32_t)n;
    return 0;
}

static int convert_sort_exprs(struct convert *c, struct block *b, const struct sql_query *q,
                              const struct items *items, struct vec *ret, struct error *err)
{
    const struct rel_exprs exprs = {items->exprs.data, (uint32_t)items->exprs.len};
    b->clause = "ORDER BY";
    for (uint32_t i = 0; i < q->n_order; i++) {
        const struct expr *e;
        uint32_t ordinal;
        TRY(ordinal_of(c, q->order[i].expr, exprs.n, &ordinal, err));
        if (ordinal > 0) {
            vec_push_ptr(ret, exprs.items[ordinal - 1]);
            continue;
        }
        b->items = &exprs;
        b->item_names = items->aliases.data;
        int rc = convert_expr(c, b, q->order[i].expr, &e, err);
        b->items = NULL;
        TRY(rc);
        vec_push_ptr(ret, e);
    }
    return 0;
}

int convert_order(struct convert *c, const struct sql_query *q, const struct rel *rel,
                  struct rel_sort_keys *ret, struct error *err)
{
    struct rel_sort_key *keys = arena_alloc(&c->p->arena, (q->n_order + 1) * sizeof(*keys));
    struct source s = {rel, VEC_INIT(struct sql_scope_column)};
    struct block b;
    int rc = 0;
    for (uint32_t i = 0; i < rel->schema->n_fields; i++) {
        *VEC_PUSH(&s.columns, struct sql_scope_column) = (struct sql_scope_column){
            .name = slice_cstr(rel->schema->fields[i].name), .expr = plan_input(c->p, rel, i)};
    }
    block_init(&b, NULL, &s);
    b.clause = "ORDER BY";
    for (uint32_t i = 0; i < q->n_order && rc == 0; i++) {
        const struct sql_order_item *item = &q->order[i];
        const struct expr *e = NULL;
        uint32_t ordinal = 0;
        rc = ordinal_of(c, item->expr, rel->schema->n_fields, &ordinal, err);
        if (rc == 0 && ordinal == 0) {
            rc = convert_expr(c, &b, item->expr, &e, err);
        }
        if (rc == 0 && e != NULL && e->kind != EXPR_INPUT) {
            rc =
                convert_at(c, item->expr->span,
                           plan_unsupported(err, "ORDER BY of an expression over a set operation"));
        }
        if (rc == 0) {
            keys[i] = (struct rel_sort_key){e != NULL ? e->index : ordinal - 1, item->is_descending,
                                            sort_key_nulls_last(item)};
        }
    }
    block_fini(&b);
    source_fini(&s);
    if (rc == 0) {
        *ret = (struct rel_sort_keys){keys, q->n_order};
    }
    return rc;
}

/* ---- the clauses -------------------------------------------------------------------------------------- */

struct selecting {
    struct block block;
    struct items items;
    struct vec having, qualify, sort; /* const struct expr * */
    struct grouping grouping;
};

static void selecting_fini(struct selecting *s)
{
    block_fini(&s->block);
    items_fini(&s->items);
    vec_fini(&s->having);
    vec_fini(&s->qualify);
    vec_fini(&s->sort);
    grouping_fini(&s->grouping);
}

static int convert_where(struct convert *c, struct block *b, const struct sql_expr *where,
                         struct error *err)
{
    CLEANUP(vec_fini) struct vec conds = VEC_INIT(void *);
    if (where == NULL) {
        return 0;
    }
    b->phase = PLAN_PHASE_PLAIN;
    TRY(convert_condition(c, b, where, "WHERE", &conds, err));
    return lower_conditions(c, b, plan_exprs(c->p, &conds), err);
}

/* All expressions behind WHERE, over its result. */
static int convert_results(struct convert *c, struct selecting *s, const struct sql_select *select,
                           const struct sql_query *order, struct error *err)
{
    struct block *b = &s->block;
    TRY(convert_items(c, b, select, &s->items, err));
    if (select->having != NULL) {
        TRY(convert_condition(c, b, select->having, "HAVING", &s->having, err));
    }
    if (select->qualify != NULL) {
        TRY(convert_condition(c, b, select->qualify, "QUALIFY", &s->qualify, err));
        if (b->overs.len == 0) {
            return convert_at(c, select->qualify->span,
                              error_set(err, ERR_INVALID_ARGUMENT,
                                        "QUALIFY expression must contain a window function"));
        }
    }
    return order != NULL ? convert_sort_exprs(c, b, order, &s->items, &s->sort, err) : 0;
}

/* The projection: items, then what ORDER BY needs beside them. */
static int project_items(struct convert *c, struct selecting *s, struct rel_exprs items,
                         struct rel_exprs sort, const struct sql_query *order, bool is_distinct,
                         struct rel_sort_keys *ret_keys, struct error *err)
{
    struct sql_plan *p = c->p;
    CLEANUP(vec_fini) struct vec outputs = VEC_INIT(void *);
    CLEANUP(vec_fini) struct vec names = VEC_INIT(char *);
    struct rel_sort_key *keys = arena_alloc(&p->arena, (sort.n + 1) * sizeof(*keys));
    for (uint32_t i = 0; i < items.n; i++) {
        vec_push_ptr(&outputs, items.items[i]);
        vec_push_ptr(&names, vec_ptr(&s->items.names, i));
    }
    for (uint32_t i = 0; i < sort.n; i++) {
        uint32_t at = 0;
        while (at < outputs.len && vec_ptr(&outputs, at) != sort.items[i]) {
            at++;
        }
        if (at == outputs.len && is_distinct) {
            return convert_at(c, order->order[i].expr->span,
                              error_set(err, ERR_INVALID_ARGUMENT,
                                        "Expression of ORDER BY is not in the select clause"));
        }
        if (at == outputs.len) {
            vec_push_ptr(&outputs, sort.items[i]);
            vec_push_ptr(&names, "$sort");
        }
        keys[i] = (struct rel_sort_key){at, order->order[i].is_descending,
                                        sort_key_nulls_last(&order->order[i])};
    }
    TRY(plan_check_width(p, outputs.len, err));
    s->block.rel = plan_project(p, s->block.rel, outputs.data, (const char *const *)names.data,
                                (uint32_t)outputs.len);
    *ret_keys = (struct rel_sort_keys){keys, sort.n};
    return 0;
}

static const struct rel *distinct(struct sql_plan *p, const struct rel *r)
{
    uint32_t *keys = arena_alloc(&p->arena, (r->schema->n_fields + 1) * sizeof(*keys));
    for (uint32_t i = 0; i < r->schema->n_fields; i++) {
        keys[i] = i;
    }
    const struct rel_aggregate a = {.keys = {keys, r->schema->n_fields}};
    return plan_aggregate(p, r, &a);
}

static int finish_select(struct convert *c, struct selecting *s, const struct sql_select *select,
                         const struct sql_query *order, struct rel_sort_keys *ret_keys,
                         struct error *err)
{
    struct block *b = &s->block;
    struct rel_exprs items = plan_exprs(c->p, &s->items.exprs);
    struct rel_exprs having = plan_exprs(c->p, &s->having);
    struct rel_exprs qualify = plan_exprs(c->p, &s->qualify);
    struct rel_exprs sort = plan_exprs(c->p, &s->sort);
    struct rel_exprs *const lists[] = {&items, &having, &qualify, &sort};
    if (select->has_group || b->calls.len > 0 || select->having != NULL) {
        TRY(aggregate_block(c, b, &s->grouping, lists, ARRAY_LEN(lists), err));
    }
    TRY(lower_conditions(c, b, having, err));
    struct rel_exprs *const over_lists[] = {&items, &qualify, &sort};
    TRY(over_block(c, b, over_lists, ARRAY_LEN(over_lists), err));
    TRY(lower_conditions(c, b, qualify, err));
    TRY(lower_exprs(c, b, items, &items, err));
    TRY(lower_exprs(c, b, sort, &sort, err));
    TRY(project_items(c, s, items, sort, order, select->is_distinct, ret_keys, err));
    if (select->is_distinct) {
        b->rel = distinct(c->p, b->rel);
    }
    return plan_check(c->p, err);
}

static int select_clauses(struct convert *c, struct selecting *s, const struct sql_select *select,
                          const struct sql_query *order, struct rel_sort_keys *ret_keys,
                          struct error *err)
{
    s->block.select = select;
    s->block.query = order;
    TRY(convert_check_hints(c, &select->hints, err));
    TRY(convert_where(c, &s->block, select->where, err));
    TRY(convert_groups(c, &s->block, select, &s->grouping, err));
    s->block.group_keys = &s->grouping.keys;
    TRY(convert_results(c, s, select, order, err));
    return finish_select(c, s, select, order, ret_keys, err);
}

int convert_select(struct convert *c, const struct sql_select *select,
                   const struct sql_query *order, struct block *parent, const struct rel **ret,
                   struct rel_sort_keys *ret_keys, uint32_t *ret_visible, struct error *err)
{
    struct source from = {NULL, VEC_INIT(struct sql_scope_column)};
    struct selecting s = {
        .items = {VEC_INIT(void *), VEC_INIT(void *), VEC_INIT(struct sql_name)},
        .having = VEC_INIT(void *),
        .qualify = VEC_INIT(void *),
        .sort = VEC_INIT(void *),
    };
    const struct sql_hints *around = c->hints;
    TRY(convert_hints(c, select, err));
    c->hints = &select->hints;
    int rc = 0;
    if (select->from != NULL) {
        rc = convert_relation(c, select->from, parent, &from, err);
    } else {
        from.rel = plan_one_row(c->p);
    }
    c->hints = around;
    if (rc == 0) {
        grouping_init(&s.grouping);
        block_init(&s.block, parent, &from);
        rc = select_clauses(c, &s, select, order, ret_keys, err);
        *ret = s.block.rel;
        *ret_visible = (uint32_t)s.items.exprs.len;
        selecting_fini(&s);
    }
    source_fini(&from);
    return rc;
}
