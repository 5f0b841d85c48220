/* Functions of users, by the names of the catalogs.  Flink: FunctionCatalogOperatorTable. */
#include "sql/plan/inside.h"

static int load(struct sql_plan *p, const struct sql_found_function *found,
                const struct expr_function **ret, struct error *err)
{
    if (p->options.user_function == NULL) {
        return error_set(err, ERR_UNSUPPORTED, "the function '%s' of a user cannot be used here",
                         found->name);
    }
    return p->options.user_function(p->options.user_function_arg, found->name, found->function, ret,
                                    err);
}

int plan_user_function(struct sql_plan *p, const struct sql_path *name,
                       const struct expr_function **ret, struct error *err)
{
    struct sql_found_function found;
    if (p->options.manager == NULL) {
        return 0;
    }
    int rc = sql_manager_find_function(p->options.manager, name, &found, err);
    if (rc <= 0) {
        return rc;
    }
    if (found.function == NULL) {
        rc = 0;
    } else {
        rc = load(p, &found, ret, err);
        rc = rc < 0 ? rc : 1;
    }
    sql_found_function_fini(&found);
    return rc;
}
