/* The passes over the trees of a statement, see rules.h. */
#include "sql/plan/rules.h"

static int optimize_root(struct optimizer *o, const struct rel *root, const struct rel **ret,
                         struct error *err)
{
    const struct rel *r = root;
    TRY(plan_check(o->p, err));
    TRY(rule_prune(o, r, &r, err));
    TRY(rule_physical(o, r, &r, err));
    return rule_push_scans(o, r, ret, err);
}

int sql_plan_optimize(struct sql_plan *p, const struct rel *const *roots, uint32_t n,
                      const struct rel **ret_roots, struct error *err)
{
    struct optimizer o = {.p = p, .is_streaming = !p->options.is_batch};
    for (uint32_t i = 0; i < n; i++) {
        if (roots[i]->kind != REL_SINK && roots[i]->kind != REL_COLLECT) {
            return error_set(err, ERR_INTERNAL, "a plan ends in a sink, not in %s",
                             rel_kind_name(roots[i]->kind));
        }
        TRY(optimize_root(&o, roots[i], &ret_roots[i], err));
    }
    return 0;
}
