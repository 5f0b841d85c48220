/* The text of a view with names of tables in full, so that it means the same wherever it is used.
 * Flink: ViewQuery expansion, SqlNodeConvertUtils.  The parser bounds the depth of trees. */
#include "sql/session/inside.h"
#include <stdlib.h>

/* A name of WITH, which is no table. */
struct known_name {
    struct slice name;
    const struct known_name *next;
};

struct edit {
    struct sql_span span; /* in the statement's text */
    const char *text;     /* instead; in the arena */
};

struct expansion {
    struct sql_manager *m;
    struct arena arena;
    struct vec edits; /* struct edit */
    struct error *err;
};

static int walk_query(struct expansion *x, const struct sql_query *q,
                      const struct known_name *known);
static int walk_expr(struct expansion *x, const struct sql_expr *e, const struct known_name *known);

static bool is_known(const struct known_name *known, struct slice name)
{
    for (; known != NULL; known = known->next) {
        if (slice_eq(known->name, name)) {
            return true;
        }
    }
    return false;
}

static int put_name(struct expansion *x, const struct sql_path *path,
                    const struct known_name *known)
{
    struct sql_identifier id;
    struct sql_error_place place;
    STR_AUTO text = STR_INIT;
    if (path->n == 0 || (path->n == 1 && is_known(known, path->parts[0].text))) {
        return 0;
    }
    TRY(sql_manager_qualify(x->m, path, &x->arena, &id, &place, x->err));
    sql_identifier_quote(&id, &text);
    *VEC_PUSH(&x->edits, struct edit) =
        (struct edit){path->span, arena_strdup(&x->arena, str_cstr(&text))};
    return 0;
}

/* ---- expressions ------------------------------------------------------------------------------------------- */

static int walk_exprs(struct expansion *x, struct sql_expr *const *e, uint32_t n,
                      const struct known_name *known)
{
    for (uint32_t i = 0; i < n; i++) {
        TRY(walk_expr(x, e[i], known));
    }
    return 0;
}

static int walk_order(struct expansion *x, const struct sql_order_item *items, uint32_t n,
                      const struct known_name *known)
{
    for (uint32_t i = 0; i < n; i++) {
        TRY(walk_expr(x, items[i].expr, known));
    }
    return 0;
}

static int walk_call(struct expansion *x, const struct sql_call *c, const struct known_name *known)
{
    for (uint32_t i = 0; i < c->n_args; i++) {
        TRY(walk_expr(x, c->args[i].expr, known));
    }
    TRY(walk_order(x, c->within, c->n_within, known));
    TRY(walk_expr(x, c->filter, known));
    if (c->over != NULL) {
        TRY(walk_exprs(x, c->over->partition, c->over->n_partition, known));
        TRY(walk_order(x, c->over->order, c->over->n_order, known));
    }
    return 0;
}

/* TABLE t PARTITION BY ... */
static int walk_table(struct expansion *x, const struct sql_table_argument *t,
                      const struct known_name *known)
{
    TRY(put_name(x, &t->name, known));
    TRY(walk_query(x, t->query, known));
    TRY(walk_exprs(x, t->partition, t->n_partition, known));
    return walk_order(x, t->order, t->n_order, known);
}

static int walk_expr(struct expansion *x, const struct sql_expr *e, const struct known_name *known)
{
    if (e == NULL) {
        return 0;
    }
    TRY(walk_exprs(x, e->operands, e->n_operands, known));
    TRY(walk_query(x, e->query, known));
    TRY(walk_expr(x, e->case_value, known));
    if (e->kind == SQL_EXPR_CALL) {
        return walk_call(x, e->call, known);
    }
    return e->kind == SQL_EXPR_TABLE ? walk_table(x, e->table, known) : 0;
}

/* ---- relations ------------------------------------------------------------------------------------------------ */

static int walk_relation(struct expansion *x, const struct sql_relation *r,
                         const struct known_name *known)
{
    if (r == NULL) {
        return 0;
    }
    switch (r->kind) {
    case SQL_RELATION_TABLE:
        TRY(put_name(x, &r->name, known));
        return walk_expr(x, r->system_time, known);
    case SQL_RELATION_QUERY:
        return walk_query(x, r->query, known);
    case SQL_RELATION_FUNCTION:
        return walk_expr(x, r->call, known);
    case SQL_RELATION_UNNEST:
        return walk_exprs(x, r->operands, r->n_operands, known);
    case SQL_RELATION_JOIN:
        TRY(walk_relation(x, r->join->left, known));
        TRY(walk_relation(x, r->join->right, known));
        return walk_expr(x, r->join->condition, known);
    case SQL_RELATION_MATCH:
        return walk_relation(x, r->match->input, known);
    default:
        return 0;
    }
}

static int walk_groups(struct expansion *x, const struct sql_group_item *items, uint32_t n,
                       const struct known_name *known)
{
    for (uint32_t i = 0; i < n; i++) {
        TRY(walk_exprs(x, items[i].exprs, items[i].n_exprs, known));
        TRY(walk_groups(x, items[i].items, items[i].n_items, known));
    }
    return 0;
}

static int walk_select(struct expansion *x, const struct sql_select *s,
                       const struct known_name *known)
{
    for (uint32_t i = 0; i < s->n_items; i++) {
        TRY(walk_expr(x, s->items[i].expr, known));
    }
    TRY(walk_relation(x, s->from, known));
    TRY(walk_expr(x, s->where, known));
    TRY(walk_groups(x, s->groups, s->n_groups, known));
    TRY(walk_expr(x, s->having, known));
    return walk_expr(x, s->qualify, known);
}

static int walk_body(struct expansion *x, const struct sql_body *b, const struct known_name *known)
{
    switch (b->kind) {
    case SQL_BODY_SELECT:
        return walk_select(x, b->select, known);
    case SQL_BODY_VALUES:
        return walk_exprs(x, b->rows, b->n_rows, known);
    case SQL_BODY_TABLE:
        return put_name(x, &b->table, known);
    case SQL_BODY_QUERY:
        return walk_query(x, b->query, known);
    default:
        TRY(walk_body(x, b->left, known));
        return walk_body(x, b->right, known);
    }
}

/* A name of WITH is known behind its query. */
static int walk_query(struct expansion *x, const struct sql_query *q,
                      const struct known_name *known)
{
    if (q == NULL) {
        return 0;
    }
    for (uint32_t i = 0; i < q->n_ctes; i++) {
        struct known_name *name = arena_alloc(&x->arena, sizeof(*name));
        TRY(walk_query(x, q->ctes[i].query, known));
        *name = (struct known_name){q->ctes[i].name.text, known};
        known = name;
    }
    TRY(walk_body(x, q->body, known));
    return walk_order(x, q->order, q->n_order, known);
}

/* ---- text ------------------------------------------------------------------------------------------------------- */

static int compare_edits(const void *a, const void *b)
{
    const struct edit *x = a, *y = b;
    return x->span.start < y->span.start ? -1 : x->span.start > y->span.start;
}

static void apply(struct expansion *x, struct slice text, struct sql_span span, struct str *out)
{
    uint32_t at = span.start;
    if (x->edits.len > 1) {
        qsort(x->edits.data, x->edits.len, sizeof(struct edit), compare_edits);
    }
    for (size_t i = 0; i < x->edits.len; i++) {
        const struct edit *e = VEC_AT(&x->edits, struct edit, i);
        str_append(out, text.data + at, e->span.start - at);
        str_append_cstr(out, e->text);
        at = e->span.end;
    }
    str_append(out, text.data + at, span.end - at);
}

int sql_session_expand(struct sql_session *s, const struct sql_query *query, struct slice text,
                       struct str *out, struct error *err)
{
    struct expansion x = {.m = s->manager, .edits = VEC_INIT(struct edit), .err = err};
    arena_init(&x.arena, 0);
    int rc = walk_query(&x, query, NULL);
    if (rc == 0) {
        apply(&x, text, query->span, out);
    }
    vec_fini(&x.edits);
    arena_fini(&x.arena);
    return rc;
}
