/* Queries: WITH, set operations, VALUES, ORDER BY, LIMIT. */
#include "sql/plan/convert.h"

#include "engine/expr/type_rules.h"

#include <errno.h>
#include <stdlib.h>

/* ---- LIMIT, OFFSET ------------------------------------------------------------------------------------ */

static int convert_count(struct convert *c, const struct sql_expr *e, const char *what,
                         int64_t *ret, struct error *err)
{
    char digits[24];
    if (e->kind != SQL_EXPR_LITERAL || e->literal.kind != SQL_LITERAL_EXACT ||
        e->literal.text.len >= sizeof(digits) ||
        memchr(e->literal.text.data, '.', e->literal.text.len) != NULL) {
        return convert_at(c, e->span,
                          error_set(err, ERR_INVALID_ARGUMENT,
                                    "%s must be a number of rows that is not negative", what));
    }
    memcpy(digits, e->literal.text.data, e->literal.text.len);
    digits[e->literal.text.len] = '\0';
    errno = 0;
    const long long n = strtoll(digits, NULL, 10);
    if (errno != 0) {
        return convert_at(c, e->span,
                          error_set(err, ERR_INVALID_ARGUMENT, "%s is too large", what));
    }
    *ret = n;
    return 0;
}

/* ORDER BY, OFFSET, LIMIT over a relation; hidden columns behind `visible` go. */
static int sort_and_limit(struct convert *c, const struct sql_query *q, struct rel_sort_keys keys,
                          uint32_t visible, const struct rel **inout, struct error *err)
{
    struct rel_sort sort = {.keys = keys};
    if (q->offset != NULL) {
        TRY(convert_count(c, q->offset, "OFFSET", &sort.offset, err));
    }
    if (q->limit != NULL) {
        TRY(convert_count(c, q->limit, "LIMIT", &sort.fetch, err));
        sort.has_fetch = true;
    }
    if (keys.n > 0 || sort.offset > 0 || sort.has_fetch) {
        *inout = plan_sort(c->p, *inout, &sort);
    }
    if ((*inout)->schema->n_fields > visible) {
        uint32_t *columns = arena_alloc(&c->p->arena, (visible + 1) * sizeof(*columns));
        for (uint32_t i = 0; i < visible; i++) {
            columns[i] = i;
        }
        *inout = plan_pick(c->p, *inout, columns, visible);
    }
    return plan_check(c->p, err);
}

/* ---- set operations ----------------------------------------------------------------------------------- */

/* The relation with its columns cast to the types. */
static int cast_columns(struct sql_plan *p, const struct rel **inout,
                        struct data_type *const *types, struct error *err)
{
    const struct rel *r = *inout;
    const uint32_t n = r->schema->n_fields;
    const struct expr **outputs = arena_alloc(&p->arena, (n + 1) * sizeof(*outputs));
    const char **names = arena_alloc(&p->arena, (n + 1) * sizeof(*names));
    bool is_same = true;
    for (uint32_t i = 0; i < n; i++) {
        const struct expr *e = plan_input(p, r, i);
        TRY(expr_cast(p->pool, e, types[i], false, &outputs[i], err));
        names[i] = r->schema->fields[i].name;
        is_same &= outputs[i] == e;
    }
    if (!is_same) {
        *inout = plan_project(p, r, outputs, names, n);
    }
    return 0;
}

static const char *set_name(enum sql_set_op op)
{
    static const char *const names[] = {
        [SQL_SET_UNION] = "UNION", [SQL_SET_INTERSECT] = "INTERSECT", [SQL_SET_EXCEPT] = "EXCEPT"};
    return names[op];
}

/* Casts all inputs to their common types. */
static int unify(struct convert *c, enum sql_set_op op, const struct sql_span *spans,
                 const struct rel **inputs, uint32_t n, struct error *err)
{
    const uint32_t width = inputs[0]->schema->n_fields;
    const struct data_type **types = mem_alloc((n + 1) * sizeof(*types));
    struct data_type **common = arena_zalloc(&c->p->arena, (width + 1) * sizeof(*common));
    int rc = 0;
    for (uint32_t k = 1; k < n && rc == 0; k++) {
        if (inputs[k]->schema->n_fields != width) {
            rc = convert_at(
                c, spans[k],
                error_set(err, ERR_INVALID_ARGUMENT, "Column count mismatch in %s", set_name(op)));
        }
    }
    for (uint32_t i = 0; i < width && rc == 0; i++) {
        for (uint32_t k = 0; k < n; k++) {
            types[k] = inputs[k]->schema->fields[i].type;
        }
        if (type_of_all(types, n, &common[i], NULL) < 0) {
            uint32_t at = 1; /* the first that does not fit those before */
            struct data_type *fits = NULL;
            while (at + 1 < n && type_of_all(types, at + 1, &fits, NULL) == 0) {
                type_unref(fits);
                at++;
            }
            rc = convert_at(c, spans[at],
                            error_set(err, ERR_INVALID_ARGUMENT, "Type mismatch in column %u of %s",
                                      i + 1, set_name(op)));
        }
    }
    for (uint32_t k = 0; k < n && rc == 0; k++) {
        rc = cast_columns(c->p, &inputs[k], common, err);
    }
    for (uint32_t i = 0; i < width; i++) {
        type_unref(common[i]);
    }
    mem_free(types);
    return rc;
}

static int convert_body(struct convert *c, const struct sql_body *b, struct block *parent,
                        const struct rel **ret, struct error *err);

/* a UNION b UNION c leans to the left: its operands in order. */
static void gather(const struct sql_body *b, struct vec *out)
{
    const struct sql_body *at = b;
    while (at->kind == SQL_BODY_SET && at->set_op == b->set_op && at->is_all == b->is_all) {
        vec_push_ptr(out, at->right);
        at = at->left;
    }
    vec_push_ptr(out, at);
}

static const struct rel *distinct_of(struct sql_plan *p, const struct rel *r)
{
    uint32_t *keys = arena_alloc(&p->arena, (r->schema->n_fields + 1) * sizeof(*keys));
    for (uint32_t i = 0; i < r->schema->n_fields; i++) {
        keys[i] = i;
    }
    const struct rel_aggregate a = {.keys = {keys, r->schema->n_fields}};
    return plan_aggregate(p, r, &a);
}

static int convert_set(struct convert *c, const struct sql_body *b, struct block *parent,
                       const struct rel **ret, struct error *err)
{
    CLEANUP(vec_fini) struct vec bodies = VEC_INIT(void *);
    gather(b, &bodies);
    const uint32_t n = (uint32_t)bodies.len;
    const struct rel **inputs = arena_alloc(&c->p->arena, (n + 1) * sizeof(*inputs));
    struct sql_span *spans = arena_alloc(&c->p->arena, (n + 1) * sizeof(*spans));
    for (uint32_t i = 0; i < n; i++) {
        const struct sql_body *body = vec_ptr(&bodies, n - 1 - i);
        spans[i] = body->span;
        TRY(convert_body(c, body, parent, &inputs[i], err));
    }
    TRY(unify(c, b->set_op, spans, inputs, n, err));
    const enum rel_kind kind = b->set_op == SQL_SET_UNION       ? REL_UNION
                               : b->set_op == SQL_SET_INTERSECT ? REL_INTERSECT
                                                                : REL_EXCEPT;
    *ret = plan_set(c->p, kind, kind == REL_UNION || b->is_all, inputs, n);
    if (kind == REL_UNION && !b->is_all) {
        *ret = distinct_of(c->p, *ret);
    }
    return plan_check(c->p, err);
}

/* ---- VALUES ------------------------------------------------------------------------------------------- */

/* The cells of a row: (a, b), ROW(a, b), or one alone. */
static struct sql_expr *const *row_cells(struct sql_expr *const *row, uint32_t *ret_n)
{
    if ((*row)->kind == SQL_EXPR_ROW) {
        *ret_n = (*row)->n_operands;
        return (*row)->operands;
    }
    *ret_n = 1;
    return row;
}

static int value_types(struct convert *c, const struct expr *const *cells, uint32_t n,
                       uint32_t n_rows, struct data_type **ret, struct error *err)
{
    const struct data_type **types = mem_alloc((n_rows + 1) * sizeof(*types));
    int rc = 0;
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        bool all_null = true;
        for (uint32_t r = 0; r < n_rows; r++) {
            types[r] = cells[(size_t)r * n + i]->type;
            all_null &= types[r]->id == TYPE_NULL;
        }
        if (all_null) {
            ret[i] = type_new(TYPE_NULL, true);
        } else if (type_of_all(types, n_rows, &ret[i], NULL) < 0) {
            rc = error_set(err, ERR_INVALID_ARGUMENT,
                           "Values passed to VALUES operator must have compatible types");
        }
    }
    mem_free(types);
    return rc;
}

/* Rows that are no literals: a projection each. */
static int values_by_union(struct convert *c, const struct expr *const *cells, uint32_t n,
                           uint32_t n_rows, const char *const *names, const struct rel **ret,
                           struct error *err)
{
    const struct rel **rows = arena_alloc(&c->p->arena, (n_rows + 1) * sizeof(*rows));
    for (uint32_t r = 0; r < n_rows; r++) {
        rows[r] = plan_project(c->p, plan_one_row(c->p), cells + (size_t)r * n, names, n);
        TRY(plan_check(c->p, err));
    }
    *ret = n_rows == 1 ? rows[0] : plan_set(c->p, REL_UNION, true, rows, n_rows);
    return 0;
}

/* Casts the cells to the types; are all of them literals then? */
static int cast_cells(struct convert *c, const struct expr **cells, uint32_t n, uint32_t n_rows,
                      struct data_type *const *types, bool *ret_literal, struct error *err)
{
    struct expr_pool *pool = c->p->pool;
    bool is_literal = true;
    for (size_t i = 0; i < (size_t)n * n_rows; i++) {
        TRY(expr_cast(pool, cells[i], types[i % n], false, &cells[i], err));
        cells[i] = expr_fold(pool, cells[i], c->p->options.zone);
        is_literal &= cells[i]->kind == EXPR_LITERAL;
    }
    *ret_literal = is_literal;
    return 0;
}

static int values_of(struct convert *c, const struct expr **cells, uint32_t n, uint32_t n_rows,
                     struct data_type **types, const struct rel **ret, struct error *err)
{
    const char **names = arena_alloc(&c->p->arena, (n + 1) * sizeof(*names));
    bool is_literal;
    TRY(cast_cells(c, cells, n, n_rows, types, &is_literal, err));
    for (uint32_t i = 0; i < n; i++) {
        names[i] = arena_printf(&c->p->arena, "EXPR$%u", i);
    }
    if (!is_literal) {
        return values_by_union(c, cells, n, n_rows, names, ret, err);
    }
    struct expr_value *values =
        arena_alloc(&c->p->arena, ((size_t)n * n_rows + 1) * sizeof(*values));
    struct data_type **kept = arena_alloc(&c->p->arena, (n + 1) * sizeof(struct data_type *));
    for (size_t i = 0; i < (size_t)n * n_rows; i++) {
        values[i] = cells[i]->value;
    }
    for (uint32_t i = 0; i < n; i++) {
        kept[i] = type_ref(types[i]);
    }
    *ret = plan_values(c->p, names, kept, n, values, n_rows);
    return 0;
}

/* Of a column, in all rows that are wide enough: no other row says its type. */
static bool has_only_nulls(const struct sql_body *body, uint32_t column)
{
    for (uint32_t r = 0; r < body->n_rows; r++) {
        uint32_t n = 0;
        struct sql_expr *const *row = row_cells(&body->rows[r], &n);
        if (column < n && (row[column]->kind != SQL_EXPR_LITERAL ||
                           row[column]->literal.kind != SQL_LITERAL_NULL)) {
            return false;
        }
    }
    return true;
}

static int convert_cells(struct convert *c, struct block *b, const struct sql_body *body,
                         uint32_t n, const struct expr **cells, struct error *err)
{
    for (uint32_t r = 0; r < body->n_rows; r++) {
        uint32_t own = 0;
        struct sql_expr *const *row = row_cells(&body->rows[r], &own);
        if (own != n) {
            return convert_at(
                c, body->rows[r]->span,
                error_set(err, ERR_INVALID_ARGUMENT,
                          "Values passed to VALUES operator must have compatible types: a row of "
                          "%u values among rows of %u",
                          own, n));
        }
        for (uint32_t i = 0; i < n; i++) {
            const struct expr **cell = &cells[(size_t)r * n + i];
            /* Those of INSERT get the types of the columns. */
            if (r == 0 && c->nesting > 1 && has_only_nulls(body, i)) {
                return convert_at(c, row[i]->span,
                                  error_set(err, ERR_INVALID_ARGUMENT,
                                            "Illegal use of 'NULL': it needs a type, as in "
                                            "CAST(NULL AS INT)"));
            }
            TRY(convert_expr(c, b, row[i], cell, err));
            if (plan_has_external(*cell, PLAN_SUBQUERY)) {
                return convert_at(c, row[i]->span, plan_unsupported(err, "a subquery in VALUES"));
            }
            if (plan_has_external(*cell, PLAN_CORRELATED)) {
                return convert_at(c, row[i]->span,
                                  plan_unsupported(err, "columns of a query around in VALUES"));
            }
        }
    }
    return 0;
}

int convert_values(struct convert *c, const struct sql_body *body, struct block *parent,
                   const struct rel **ret, struct error *err)
{
    uint32_t n = 0;
    row_cells(&body->rows[0], &n);
    TRY(plan_check_width(c->p, n, err));
    if ((uint64_t)n * body->n_rows > REL_COLUMNS_MAX) {
        return error_set(err, ERR_TOO_LARGE, "VALUES has too many values: the limit is %d",
                         REL_COLUMNS_MAX);
    }
    const struct expr **cells =
        arena_alloc(&c->p->arena, ((size_t)n * body->n_rows + 1) * sizeof(*cells));
    struct data_type **types = arena_zalloc(&c->p->arena, (n + 1) * sizeof(struct data_type *));
    struct source nothing = {plan_one_row(c->p), VEC_INIT(struct sql_scope_column)};
    struct block b;
    block_init(&b, parent, &nothing);
    b.clause = "VALUES";
    int rc = convert_cells(c, &b, body, n, cells, err);
    rc = rc == 0 ? convert_at(c, body->span, value_types(c, cells, n, body->n_rows, types, err))
                 : rc;
    rc = rc == 0 ? convert_at(c, body->span, values_of(c, cells, n, body->n_rows, types, ret, err))
                 : rc;
    for (uint32_t i = 0; i < n; i++) {
        type_unref(types[i]);
    }
    block_fini(&b);
    return rc;
}

/* ---- queries ------------------------------------------------------------------------------------------ */

static int convert_body(struct convert *c, const struct sql_body *b, struct block *parent,
                        const struct rel **ret, struct error *err)
{
    static const struct sql_query plain;
    struct rel_sort_keys keys = {NULL, 0};
    uint32_t visible = 0;
    switch (b->kind) {
    case SQL_BODY_SELECT:
        return convert_select(c, b->select, &plain, parent, ret, &keys, &visible, err);
    case SQL_BODY_VALUES:
        return convert_values(c, b, parent, ret, err);
    case SQL_BODY_TABLE:
        return convert_table(c, &b->table, NULL, parent, ret, err);
    case SQL_BODY_QUERY:
        return convert_query(c, b->query, parent, ret, err);
    default:
        return convert_set(c, b, parent, ret, err);
    }
}

static int convert_whole(struct convert *c, const struct sql_query *q, struct block *parent,
                         const struct rel **ret, struct error *err)
{
    struct rel_sort_keys keys = {NULL, 0};
    uint32_t visible = 0;
    if (q->body->kind == SQL_BODY_SELECT) {
        TRY(convert_select(c, q->body->select, q, parent, ret, &keys, &visible, err));
    } else {
        TRY(convert_body(c, q->body, parent, ret, err));
        visible = (*ret)->schema->n_fields;
        TRY(q->n_order > 0 ? convert_order(c, q, *ret, &keys, err) : 0);
    }
    return sort_and_limit(c, q, keys, visible, ret, err);
}

int convert_query(struct convert *c, const struct sql_query *q, struct block *parent,
                  const struct rel **ret, struct error *err)
{
    const struct cte *around = c->ctes;
    if (++c->nesting > PLAN_NESTING_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "Queries and views are nested more than %d levels deep, which is the "
                         "limit",
                         PLAN_NESTING_MAX);
    }
    for (uint32_t i = 0; i < q->n_ctes; i++) {
        struct cte *cte = arena_zalloc(&c->p->arena, sizeof(*cte));
        *cte = (struct cte){.definition = &q->ctes[i], .next = c->ctes};
        c->ctes = cte;
    }
    int rc = convert_whole(c, q, parent, ret, err);
    c->ctes = around;
    c->nesting--;
    return rc;
}

/* ---- entries ------------------------------------------------------------------------------------------ */

int plan_convert(struct sql_plan *p, const struct sql_query *query, struct slice text,
                 const struct rel **ret, struct sql_error_place *place, struct error *err)
{
    struct convert c = {.p = p, .text = text, .place = place};
    int rc = convert_query(&c, query, NULL, ret, err);
    rc = rc == 0 ? plan_check(p, err) : rc;
    return convert_at(&c, query->span, rc);
}

int sql_plan_query(struct sql_plan *p, const struct sql_query *query, struct slice text,
                   const struct rel **ret, struct sql_error_place *place, struct error *err)
{
    return plan_convert(p, query, text, ret, place, err);
}

const struct rel *sql_plan_collect(struct sql_plan *p, const struct rel *query)
{
    struct rel *r = plan_node(p, REL_COLLECT, &query, 1);
    r->schema = query->schema;
    return r;
}
