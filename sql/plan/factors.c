/* What all operands of an OR have in common: a join's equality that is written in each of them is one of the join.
 * Flink: RexUtil.pullFactors. */
#include "sql/plan/inside.h"

/* An OR by its operands, each as its conjuncts. */
struct branches {
    struct vec all;  /* const struct expr *, those of one branch behind the other */
    struct vec ends; /* uint32_t */
};

static bool is_or(const struct expr *e)
{
    return e->kind == EXPR_CALL && e->function->control == EXPR_CONTROL_OR;
}

static void add_branches(struct branches *b, const struct expr *e)
{
    if (is_or(e)) {
        for (uint32_t i = 0; i < e->n_args; i++) {
            add_branches(b, e->args[i]);
        }
        return;
    }
    CLEANUP(vec_fini) struct vec conjuncts = VEC_INIT(void *);
    plan_conjuncts(e, &conjuncts);
    for (size_t i = 0; i < conjuncts.len; i++) {
        vec_push_ptr(&b->all, vec_ptr(&conjuncts, i));
    }
    *VEC_PUSH(&b->ends, uint32_t) = (uint32_t)b->all.len;
}

static uint32_t start_of(const struct branches *b, size_t i)
{
    return i > 0 ? *VEC_AT(&b->ends, uint32_t, i - 1) : 0;
}

static uint32_t end_of(const struct branches *b, size_t i)
{
    return *VEC_AT(&b->ends, uint32_t, i);
}

/* How many branches have it, by conjunct. */
static void count(const struct branches *b, struct map *counts)
{
    for (size_t i = 0; i < b->all.len; i++) {
        const struct expr *e = vec_ptr(&b->all, i);
        const uintptr_t n = (uintptr_t)map_find_bytes(counts, &e, sizeof(e));
        map_put_bytes(counts, &e, sizeof(e), (void *)(n + 1));
    }
}

static bool is_common(const struct branches *b, const struct map *counts, const struct expr *e)
{
    return !e->is_volatile && (uintptr_t)map_find_bytes(counts, &e, sizeof(e)) == b->ends.len;
}

/* What is left of a branch; NULL: nothing. */
static int rest_of(struct sql_plan *p, const struct branches *b, const struct map *counts, size_t i,
                   const struct expr **ret, struct error *err)
{
    CLEANUP(vec_fini) struct vec rest = VEC_INIT(void *);
    for (uint32_t k = start_of(b, i); k < end_of(b, i); k++) {
        if (!is_common(b, counts, vec_ptr(&b->all, k))) {
            vec_push_ptr(&rest, vec_ptr(&b->all, k));
        }
    }
    const struct rel_exprs conds = plan_exprs(p, &rest);
    return plan_and(p, conds.items, conds.n, ret, err);
}

static int take_out(struct sql_plan *p, const struct branches *b, const struct map *counts,
                    const struct expr *e, struct vec *out, struct error *err)
{
    const size_t before = out->len;
    for (uint32_t k = 0; k < end_of(b, 0); k++) {
        if (is_common(b, counts, vec_ptr(&b->all, k))) {
            plan_conjuncts(vec_ptr(&b->all, k), out);
        }
    }
    if (out->len == before) {
        plan_conjuncts(e, out);
        return 0;
    }
    const struct expr **rests = arena_alloc(&p->arena, b->ends.len * sizeof(*rests));
    for (size_t i = 0; i < b->ends.len; i++) {
        TRY(rest_of(p, b, counts, i, &rests[i], err));
        if (rests[i] == NULL) { /* the branch is what all have */
            return 0;
        }
    }
    TRY(expr_call(p->pool, "OR", rests, (uint32_t)b->ends.len, &e, err));
    plan_conjuncts(e, out);
    return 0;
}

static int factor(struct sql_plan *p, const struct expr *e, struct vec *out, struct error *err)
{
    struct branches b = {VEC_INIT(void *), VEC_INIT(uint32_t)};
    struct map counts;
    map_init(&counts, NULL);
    add_branches(&b, e);
    count(&b, &counts);
    int rc = take_out(p, &b, &counts, e, out, err);
    map_fini(&counts);
    vec_fini(&b.all);
    vec_fini(&b.ends);
    return rc;
}

int plan_factors(struct sql_plan *p, const struct expr *e, struct vec *out, struct error *err)
{
    CLEANUP(vec_fini) struct vec conjuncts = VEC_INIT(void *);
    plan_conjuncts(e, &conjuncts);
    for (size_t i = 0; i < conjuncts.len; i++) {
        const struct expr *one = vec_ptr(&conjuncts, i);
        if (is_or(one)) {
            TRY(factor(p, one, out, err));
        } else {
            plan_conjuncts(one, out);
        }
    }
    return 0;
}
