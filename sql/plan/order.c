/* Inner joins in an order of their sizes: greedily the pair next whose join is smallest, products last.
 *
 * Without estimates the written order stays, but for products that a later condition spares. */
#include "sql/plan/rules.h"

#include <math.h>

enum { LEAVES_MAX = 40 };

/* Leaves of a cluster of inner joins; their columns are numbered through, in the order in which they were written. */
struct cluster {
    struct optimizer *o;
    struct vec leaves; /* const struct rel * */
    struct vec starts; /* uint32_t: the first column of each */
    struct vec conds;  /* const struct expr *: over all columns */
    uint32_t n_columns;
};

/* What has been joined so far. */
struct part {
    const struct rel *rel;
    uint64_t leaves; /* a set */
    double rows;
    uint32_t *at; /* by column of the cluster; UINT32_MAX: not in it */
};

static bool is_inner(const struct rel *r)
{
    return r->kind == REL_JOIN && r->join.type == FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER &&
           r->join.hint == REL_JOIN_NO_HINT;
}

static int add_conditions(struct cluster *c, const struct rel *join, uint32_t base,
                          struct error *err)
{
    struct sql_plan *p = c->o->p;
    const uint32_t n_left = join->inputs[0]->schema->n_fields;
    const uint32_t n = n_left + join->inputs[1]->schema->n_fields;
    const struct expr **inputs = arena_alloc(&p->arena, (n + 1) * sizeof(*inputs));
    for (uint32_t i = 0; i < n; i++) {
        const struct rel *side = join->inputs[i < n_left ? 0 : 1];
        const uint32_t own = i < n_left ? i : i - n_left;
        inputs[i] = expr_input(p->pool, base + i, type_ref(side->schema->fields[own].type));
    }
    for (uint32_t i = 0; i < join->join.conditions.n; i++) {
        const struct expr *e;
        TRY(plan_map(p, join->join.conditions.items[i], inputs, &e, err));
        vec_push_ptr(&c->conds, e);
    }
    return 0;
}

static int gather(struct cluster *c, const struct rel *r, uint32_t base, struct error *err)
{
    if (!is_inner(r)) {
        const struct rel *leaf;
        TRY(rule_order(c->o, r, &leaf, err));
        vec_push_ptr(&c->leaves, leaf);
        *VEC_PUSH(&c->starts, uint32_t) = base;
        return 0;
    }
    TRY(gather(c, r->inputs[0], base, err));
    TRY(gather(c, r->inputs[1], base + r->inputs[0]->schema->n_fields, err));
    return add_conditions(c, r, base, err);
}

static uint32_t count_leaves(const struct rel *r)
{
    uint32_t n = 1;
    while (is_inner(r) && n <= LEAVES_MAX) {
        n += count_leaves(r->inputs[1]);
        r = r->inputs[0];
    }
    return n;
}

/* ---- conditions --------------------------------------------------------------------------------------- */

static uint64_t leaves_of(const struct cluster *c, const struct expr *e)
{
    bool *used = mem_zalloc(c->n_columns + 1);
    uint64_t set = 0;
    plan_mark_inputs(e, used);
    for (uint32_t i = 0; i < c->leaves.len; i++) {
        const uint32_t start = *VEC_AT(&c->starts, uint32_t, i);
        const uint32_t end =
            i + 1 < c->leaves.len ? *VEC_AT(&c->starts, uint32_t, i + 1) : c->n_columns;
        for (uint32_t k = start; k < end; k++) {
            set |= used[k] ? UINT64_C(1) << i : 0;
        }
    }
    mem_free(used);
    return set;
}

static bool is_equality(const struct expr *e)
{
    return e->kind == EXPR_CALL && strcmp(e->function->name, "=") == 0;
}

struct pair {
    uint32_t a, b;
    double rows;
    bool connected;
};

static void estimate(const struct part *a, const struct part *b, const struct cluster *c,
                     const uint64_t *sets, const bool *used, struct pair *ret)
{
    const uint64_t both = a->leaves | b->leaves;
    bool has_equality = false;
    double factor = 1;
    for (size_t i = 0; i < c->conds.len; i++) {
        if (used[i] || (sets[i] & ~both) != 0 || (sets[i] & a->leaves) == 0 ||
            (sets[i] & b->leaves) == 0) {
            continue;
        }
        const bool is_equal = is_equality(vec_ptr(&c->conds, i));
        factor *= is_equal && !has_equality ? 1 : 0.5;
        has_equality |= is_equal;
    }
    ret->connected = has_equality;
    ret->rows = (has_equality ? fmax(a->rows, b->rows) : a->rows * b->rows) * factor;
}

/* ---- joining ------------------------------------------------------------------------------------------ */

static int join_parts(struct cluster *c, const struct part *a, const struct part *b,
                      const uint64_t *sets, bool *used, struct part *ret, struct error *err)
{
    struct sql_plan *p = c->o->p;
    const uint32_t n_left = a->rel->schema->n_fields;
    const struct expr **inputs = arena_zalloc(&p->arena, (c->n_columns + 1) * sizeof(*inputs));
    CLEANUP(vec_fini) struct vec conds = VEC_INIT(void *);
    struct part made = {.leaves = a->leaves | b->leaves};
    made.at = arena_alloc(&p->arena, (c->n_columns + 1) * sizeof(*made.at));
    for (uint32_t i = 0; i < c->n_columns; i++) {
        const struct part *from = a->at[i] != UINT32_MAX ? a : b;
        made.at[i] = from->at[i];
        if (made.at[i] != UINT32_MAX) {
            const struct data_type *t = from->rel->schema->fields[from->at[i]].type;
            made.at[i] += from == b ? n_left : 0;
            inputs[i] = expr_input(p->pool, made.at[i], type_ref(t));
        }
    }
    for (size_t i = 0; i < c->conds.len; i++) {
        if (!used[i] && (sets[i] & ~made.leaves) == 0) {
            const struct expr *e;
            TRY(plan_map(p, vec_ptr(&c->conds, i), inputs, &e, err));
            vec_push_ptr(&conds, e);
            used[i] = true;
        }
    }
    const struct rel_join join = {.type = FLINC__QUERY_JOIN_TYPE__QUERY_JOIN_INNER,
                                  .conditions = plan_exprs(p, &conds)};
    made.rel = plan_join(p, a->rel, b->rel, &join);
    *ret = made;
    return plan_check(p, err);
}

static struct pair best_pair(const struct cluster *c, const struct part *parts, uint32_t n,
                             const uint64_t *sets, const bool *used)
{
    struct pair best = {0, 1, INFINITY, false};
    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = i + 1; k < n; k++) {
            struct pair pair = {i, k, 0, false};
            estimate(&parts[i], &parts[k], c, sets, used, &pair);
            if (pair.connected != best.connected ? pair.connected : pair.rows < best.rows) {
                best = pair;
            }
        }
    }
    return best;
}

static int join_all(struct cluster *c, struct part *parts, struct part *ret, struct error *err)
{
    uint32_t n = (uint32_t)c->leaves.len;
    uint64_t *sets = arena_alloc(&c->o->p->arena, (c->conds.len + 1) * sizeof(*sets));
    bool *used = arena_zalloc(&c->o->p->arena, c->conds.len + 1);
    for (size_t i = 0; i < c->conds.len; i++) {
        sets[i] = leaves_of(c, vec_ptr(&c->conds, i));
    }
    while (n > 1) {
        const struct pair best = best_pair(c, parts, n, sets, used);
        struct part made;
        TRY(join_parts(c, &parts[best.a], &parts[best.b], sets, used, &made, err));
        made.rows = best.rows;
        parts[best.a] = made;
        for (uint32_t i = best.b; i + 1 < n; i++) {
            parts[i] = parts[i + 1];
        }
        n--;
    }
    *ret = parts[0];
    return 0;
}

static int order_cluster(struct cluster *c, const struct rel *r, const struct rel **ret,
                         struct error *err)
{
    struct sql_plan *p = c->o->p;
    struct part parts[LEAVES_MAX + 1], all;
    c->n_columns = r->schema->n_fields;
    TRY(gather(c, r, 0, err));
    for (uint32_t i = 0; i < c->leaves.len; i++) {
        const struct rel *leaf = vec_ptr(&c->leaves, i);
        parts[i] = (struct part){leaf, UINT64_C(1) << i, plan_row_count(leaf), NULL};
        parts[i].at = arena_alloc(&p->arena, (c->n_columns + 1) * sizeof(uint32_t));
        const uint32_t start = *VEC_AT(&c->starts, uint32_t, i);
        for (uint32_t k = 0; k < c->n_columns; k++) {
            parts[i].at[k] =
                k >= start && k < start + leaf->schema->n_fields ? k - start : UINT32_MAX;
        }
    }
    TRY(join_all(c, parts, &all, err));
    const struct expr **outputs = arena_alloc(&p->arena, (c->n_columns + 1) * sizeof(*outputs));
    const char **names = arena_alloc(&p->arena, (c->n_columns + 1) * sizeof(*names));
    bool is_same = true;
    for (uint32_t i = 0; i < c->n_columns; i++) {
        outputs[i] = plan_input(p, all.rel, all.at[i]);
        names[i] = r->schema->fields[i].name;
        is_same &= all.at[i] == i;
    }
    *ret = is_same ? all.rel : plan_project(p, all.rel, outputs, names, c->n_columns);
    return 0;
}

int rule_order(struct optimizer *o, const struct rel *r, const struct rel **ret, struct error *err)
{
    TRY(plan_check(o->p, err));
    if (is_inner(r)) {
        const uint32_t n = count_leaves(r);
        if (n > 2 && n <= LEAVES_MAX) {
            struct cluster c = {.o = o,
                                .leaves = VEC_INIT(void *),
                                .starts = VEC_INIT(uint32_t),
                                .conds = VEC_INIT(void *)};
            int rc = order_cluster(&c, r, ret, err);
            vec_fini(&c.leaves);
            vec_fini(&c.starts);
            vec_fini(&c.conds);
            return rc;
        }
    }
    const struct rel **inputs = arena_alloc(&o->p->arena, (r->n_inputs + 1) * sizeof(*inputs));
    bool is_same = true;
    for (uint32_t i = 0; i < r->n_inputs; i++) {
        TRY(rule_order(o, r->inputs[i], &inputs[i], err));
        is_same &= inputs[i] == r->inputs[i];
    }
    *ret = is_same ? r : plan_with_inputs(o->p, r, inputs);
    return 0;
}
