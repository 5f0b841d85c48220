/* The passes over the trees of a statement, see rules.h. */
#include "sql/plan/rules.h"

/* The names of the query, the types of what comes. */
static const struct rel *name_result(struct optimizer *o, const struct rel *r,
                                     const struct schema *names_of)
{
    const uint32_t n = names_of->n_fields;
    const struct schema *types_of = r->inputs[0]->schema;
    const char **names = arena_alloc(&o->p->arena, (n + 1) * sizeof(*names));
    struct data_type **types = arena_alloc(&o->p->arena, (n + 1) * sizeof(struct data_type *));
    for (uint32_t i = 0; i < n; i++) {
        names[i] = names_of->fields[i].name;
        types[i] = type_ref(types_of->fields[i].type);
    }
    struct rel *made = plan_copy(o->p, r, sizeof(*r));
    plan_set_schema(o->p, made, names, types, n);
    return made;
}

static int optimize_root(struct optimizer *o, const struct rel *root, const struct rel **ret,
                         struct error *err)
{
    TRY(plan_check(o->p, err));
    const struct rel *r = o->is_streaming ? rule_drop_watermarks(o, root) : root;
    TRY(rule_push(o, r, &r, err));
    TRY(rule_order(o, r, &r, err));
    TRY(rule_prune(o, r, &r, err));
    TRY(rule_physical(o, r, &r, err));
    TRY(rule_narrow_watermarks(o, r, &r, err));
    TRY(rule_push_scans(o, r, &r, err));
    *ret = r->kind == REL_COLLECT ? name_result(o, r, root->schema) : r;
    return 0;
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
        TRY(rule_verify(ret_roots[i], err));
    }
    return rule_share(&o, ret_roots, n, err);
}
