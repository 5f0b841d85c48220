/* Expressions of a block: what the validator leaves to the planner. */
#include "sql/plan/calls.h"

int convert_at(struct convert *c, struct sql_span span, int rc)
{
    if (rc < 0 && !c->has_place) {
        c->has_place = true;
        if (c->place != NULL) {
            c->place->span = span;
        }
    }
    return rc;
}

/* ---- blocks ------------------------------------------------------------------------------------------- */

void block_init(struct block *b, struct block *parent, const struct source *s)
{
    *b = (struct block){
        .parent = parent,
        .rel = s->rel,
        .columns = VEC_INIT(struct sql_scope_column),
        .outer = VEC_INIT(void *),
        .calls = VEC_INIT(void *),
        .overs = VEC_INIT(void *),
    };
    for (size_t i = 0; i < s->columns.len; i++) {
        *VEC_PUSH(&b->columns, struct sql_scope_column) =
            *VEC_AT(&s->columns, struct sql_scope_column, i);
    }
    b->scope = (struct sql_scope){b->columns.data, (uint32_t)b->columns.len,
                                  parent != NULL ? &parent->scope : NULL};
}

void block_fini(struct block *b)
{
    vec_fini(&b->columns);
    vec_fini(&b->outer);
    vec_fini(&b->calls);
    vec_fini(&b->overs);
}

/* ---- columns of queries around ------------------------------------------------------------------------ */

struct outer_of {
    struct convert *c;
    struct block *block;
};

static const struct expr *correlate(void *arg, const struct expr *e)
{
    struct outer_of *o = arg;
    if (e->kind != EXPR_INPUT) {
        return NULL;
    }
    for (size_t i = 0; i < o->block->outer.len; i++) {
        struct plan_correlation *known = vec_ptr(&o->block->outer, i);
        if (known->column == e->index) {
            return known->external;
        }
    }
    struct plan_correlation *made = arena_zalloc(&o->c->p->arena, sizeof(*made));
    *made = (struct plan_correlation){o->block, e->index, NULL};
    made->external = expr_external(o->c->p->pool, PLAN_CORRELATED, made, type_ref(e->type));
    vec_push_ptr(&o->block->outer, made);
    return made->external;
}

static int on_outer(void *arg, struct sql_validator *v, uint32_t level, const struct expr *column,
                    const struct expr **ret, struct error *err)
{
    struct outer_of o = {arg, NULL};
    o.block = o.c->block;
    for (uint32_t i = 0; i < level; i++) {
        o.block = o.block->parent;
    }
    return plan_replace(o.c->p, column, correlate, &o, ret, err);
}

/* ---- what is more than a scope of columns ------------------------------------------------------------- */

static int find_alias(const struct block *b, const struct sql_expr *e, const struct expr **ret)
{
    if (b->items == NULL || e->column.n != 1) {
        return 0;
    }
    for (uint32_t i = 0; i < b->items->n; i++) {
        if (b->item_names[i].text.data != NULL &&
            slice_eq(b->item_names[i].text, e->column.parts[0].text)) {
            *ret = b->items->items[i];
            return 1;
        }
    }
    return 0;
}

static int on_other(void *arg, struct sql_validator *v, const struct sql_scope *scope,
                    const struct sql_expr *e, const struct expr **ret, struct error *err)
{
    struct convert *c = arg;
    int rc = 0;
    switch (e->kind) {
    case SQL_EXPR_COLUMN:
        return find_alias(c->block, e, ret);
    case SQL_EXPR_CALL:
        return convert_call(c, c->block, e, ret, err);
    case SQL_EXPR_IN:
    case SQL_EXPR_QUANTIFIED:
        if (e->query == NULL) {
            return 0;
        }
        break;
    case SQL_EXPR_EXISTS:
    case SQL_EXPR_QUERY:
        break;
    default:
        return 0;
    }
    rc = convert_subquery(c, c->block, e, ret, err);
    return rc < 0 ? rc : 1;
}

static int on_function(void *arg, const struct sql_path *name, const struct expr_function **ret,
                       struct error *err)
{
    return plan_user_function(((struct convert *)arg)->p, name, ret, err);
}

static void validator_init(struct convert *c, struct sql_validator *v)
{
    *v = (struct sql_validator){
        .pool = c->p->pool,
        .zone = c->p->options.zone,
        .other = on_other,
        .outer = on_outer,
        .function = on_function,
        .arg = c,
    };
}

static int after(struct convert *c, const struct sql_validator *v, const struct sql_expr *e, int rc)
{
    return rc < 0 ? convert_at(
                        c, v->has_place && v->place.end > v->place.start ? v->place : e->span, rc)
                  : 0;
}

int convert_expr(struct convert *c, struct block *b, const struct sql_expr *e,
                 const struct expr **ret, struct error *err)
{
    struct block *around = c->block;
    struct sql_validator v;
    validator_init(c, &v);
    c->block = b;
    int rc = sql_resolve(&v, &b->scope, e, ret, err);
    c->block = around;
    TRY(after(c, &v, e, rc));
    return plan_check(c->p, err);
}

int convert_condition(struct convert *c, struct block *b, const struct sql_expr *e,
                      const char *clause, struct vec *out, struct error *err)
{
    struct block *around = c->block;
    struct sql_validator v;
    const struct expr *condition;
    validator_init(c, &v);
    c->block = b;
    b->clause = clause;
    int rc = sql_resolve_condition(&v, &b->scope, e, clause, &condition, err);
    c->block = around;
    TRY(after(c, &v, e, rc));
    plan_conjuncts(condition, out);
    return plan_check(c->p, err);
}

bool sort_key_nulls_last(const struct sql_order_item *item)
{
    return item->nulls == SQL_NULLS_DEFAULT ? item->is_descending : item->nulls == SQL_NULLS_LAST;
}
