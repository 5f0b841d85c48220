/* Expressions over other columns: leaves replaced, types inferred again where nullability changed. */
#include "sql/plan/inside.h"

const struct expr *plan_input(struct sql_plan *p, const struct rel *r, uint32_t column)
{
    return expr_input(p->pool, column, type_ref(r->schema->fields[column].type));
}

struct rel_exprs plan_identity(struct sql_plan *p, const struct rel *r)
{
    const uint32_t n = r->schema->n_fields;
    const struct expr **items = arena_alloc(&p->arena, (n + 1) * sizeof(*items));
    for (uint32_t i = 0; i < n; i++) {
        items[i] = plan_input(p, r, i);
    }
    return (struct rel_exprs){items, n};
}

struct data_type *plan_nullable(const struct data_type *t, bool nullable)
{
    return type_with_nullable(t, nullable);
}

struct replacing {
    struct sql_plan *p;
    const struct expr *(*replace)(void *arg, const struct expr *node);
    void *arg;
    struct map done; /* node -> what it became */
    struct error *err;
};

static int replace_node(struct replacing *r, const struct expr *e, const struct expr **ret);

/* The same call over other arguments. */
static int call_again(struct replacing *r, const struct expr *e, const struct expr *const *args,
                      const struct expr **ret)
{
    struct expr_pool *pool = r->p->pool;
    bool same_types = true;
    for (uint32_t i = 0; i < e->n_args; i++) {
        same_types &= args[i]->type == e->args[i]->type;
    }
    if (same_types) {
        *ret = expr_with_args(pool, e, args);
        return 0;
    }
    if (e->kind == EXPR_FIELD) {
        *ret = expr_field(pool, args[0], e->index);
        return 0;
    }
    const bool is_try = strcmp(e->function->name, "TRY_CAST") == 0;
    if (is_try || strcmp(e->function->name, "CAST") == 0) {
        struct data_type *to = type_with_nullable(e->type, args[0]->type->nullable || is_try);
        const struct data_type *kept = expr_pool_type(pool, to);
        return expr_cast(pool, args[0], kept, is_try, ret, r->err);
    }
    return expr_call_resolve(pool, e->function, args, e->n_args, ret, r->err);
}

static int replace_args(struct replacing *r, const struct expr *e, const struct expr **ret)
{
    const struct expr **args = mem_alloc(e->n_args * sizeof(*args));
    int rc = 0;
    for (uint32_t i = 0; i < e->n_args && rc == 0; i++) {
        rc = replace_node(r, e->args[i], &args[i]);
    }
    if (rc == 0) {
        rc = call_again(r, e, args, ret);
    }
    mem_free(args);
    return rc;
}

static int replace_node(struct replacing *r, const struct expr *e, const struct expr **ret)
{
    const struct expr *known = map_find_bytes(&r->done, &e, sizeof(e));
    if (known != NULL) {
        *ret = known;
        return 0;
    }
    const struct expr *made = r->replace(r->arg, e);
    if (made == NULL) {
        made = e;
        TRY(e->n_args > 0 ? replace_args(r, e, &made) : 0);
    }
    map_put_bytes(&r->done, &e, sizeof(e), (void *)(uintptr_t)made);
    *ret = made;
    return 0;
}

int plan_replace(struct sql_plan *p, const struct expr *e,
                 const struct expr *(*replace)(void *arg, const struct expr *node), void *arg,
                 const struct expr **ret, struct error *err)
{
    struct replacing r = {.p = p, .replace = replace, .arg = arg, .err = err};
    map_init(&r.done, NULL);
    int rc = replace_node(&r, e, ret);
    map_fini(&r.done);
    return rc;
}

static const struct expr *replace_input(void *arg, const struct expr *e)
{
    const struct expr *const *inputs = arg;
    return e->kind == EXPR_INPUT ? inputs[e->index] : NULL;
}

int plan_map(struct sql_plan *p, const struct expr *e, const struct expr *const *inputs,
             const struct expr **ret, struct error *err)
{
    if (e->kind == EXPR_INPUT) {
        *ret = inputs[e->index];
        return 0;
    }
    return plan_replace(p, e, replace_input, (void *)(uintptr_t)inputs, ret, err);
}

/* One memory of what was done, so that volatile nodes that outputs share stay shared. */
int plan_map_all(struct sql_plan *p, struct rel_exprs in, const struct expr *const *inputs,
                 struct rel_exprs *ret, struct error *err)
{
    const struct expr **out = arena_alloc(&p->arena, (in.n + 1) * sizeof(*out));
    struct replacing r = {
        .p = p, .replace = replace_input, .arg = (void *)(uintptr_t)inputs, .err = err};
    int rc = 0;
    map_init(&r.done, NULL);
    for (uint32_t i = 0; i < in.n && rc == 0; i++) {
        rc = replace_node(&r, in.items[i], &out[i]);
    }
    map_fini(&r.done);
    if (rc == 0) {
        *ret = (struct rel_exprs){out, in.n};
    }
    return rc;
}

/* ---- conditions --------------------------------------------------------------------------------------- */

enum {
    CONJUNCTS_COMPARED = 1000
}; /* longer lists, which are generated, keep what they have twice */

void plan_conjuncts(const struct expr *e, struct vec *out)
{
    if (e->kind == EXPR_CALL && e->function->control == EXPR_CONTROL_AND) {
        for (uint32_t i = 0; i < e->n_args; i++) {
            plan_conjuncts(e->args[i], out);
        }
        return;
    }
    if (e->kind == EXPR_LITERAL && !e->value.is_null && e->value.boolean) {
        return;
    }
    for (size_t i = 0; i < out->len && out->len <= CONJUNCTS_COMPARED; i++) {
        if (vec_ptr(out, i) == e && !e->is_volatile) {
            return;
        }
    }
    vec_push_ptr(out, e);
}

int plan_and(struct sql_plan *p, const struct expr *const *conds, uint32_t n,
             const struct expr **ret, struct error *err)
{
    *ret = n == 0 ? NULL : conds[0];
    return n > 1 ? expr_call(p->pool, "AND", conds, n, ret, err) : 0;
}

/* ---- looking ------------------------------------------------------------------------------------------ */

struct visiting {
    bool (*visit)(void *arg, const struct expr *e);
    void *arg;
    struct map seen;
};

static bool visit_node(struct visiting *v, const struct expr *e)
{
    if (e->n_args > 0 && map_find_bytes(&v->seen, &e, sizeof(e)) != NULL) {
        return true;
    }
    for (uint32_t i = 0; i < e->n_args; i++) {
        if (!visit_node(v, e->args[i])) {
            return false;
        }
    }
    if (e->n_args > 0) {
        map_put_bytes(&v->seen, &e, sizeof(e), v);
    }
    return v->visit(v->arg, e);
}

bool plan_visit(const struct expr *e, bool (*visit)(void *arg, const struct expr *e), void *arg)
{
    struct visiting v = {.visit = visit, .arg = arg};
    if (e->n_args == 0) {
        return visit(arg, e);
    }
    map_init(&v.seen, NULL);
    bool all = visit_node(&v, e);
    map_fini(&v.seen);
    return all;
}

static bool mark_input(void *arg, const struct expr *e)
{
    bool *used = arg;
    if (e->kind == EXPR_INPUT) {
        used[e->index] = true;
    }
    return true;
}

void plan_mark_inputs(const struct expr *e, bool *used)
{
    plan_visit(e, mark_input, used);
}

static bool is_other_external(void *arg, const struct expr *e)
{
    return !(e->kind == EXPR_EXTERNAL && e->external_kind == *(enum plan_external *)arg);
}

bool plan_has_external(const struct expr *e, enum plan_external kind)
{
    return !e->is_constant && !plan_visit(e, is_other_external, &kind);
}
