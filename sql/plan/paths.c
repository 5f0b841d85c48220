/* See paths.h. */
#include "sql/plan/paths.h"

void paths_init(struct paths *paths, struct sql_plan *p)
{
    paths->p = p;
    vec_init(&paths->items, sizeof(void *));
    map_init(&paths->seen, NULL);
}

void paths_fini(struct paths *paths)
{
    vec_fini(&paths->items);
    map_fini(&paths->seen);
}

/* Is `below` a field somewhere below `above`? */
static bool is_below(const struct expr *below, const struct expr *above)
{
    while (below->kind == EXPR_FIELD) {
        below = below->args[0];
        if (below == above) {
            return true;
        }
    }
    return false;
}

static bool is_path(const struct expr *e)
{
    while (e->kind == EXPR_FIELD) {
        e = e->args[0];
    }
    return e->kind == EXPR_INPUT;
}

void paths_add(struct paths *paths, const struct expr *path)
{
    struct vec *items = &paths->items;
    for (size_t i = 0; i < items->len; i++) {
        if (vec_ptr(items, i) == path || is_below(path, vec_ptr(items, i))) {
            return;
        }
    }
    for (size_t i = items->len; i-- > 0;) {
        if (is_below(vec_ptr(items, i), path)) {
            vec_remove(items, i);
        }
    }
    vec_push_ptr(items, path);
}

/* plan_visit() comes from below, which has no way to skip: own walk. */
void paths_gather(struct paths *paths, const struct expr *e)
{
    if (is_path(e)) {
        paths_add(paths, e);
        return;
    }
    if (map_find_bytes(&paths->seen, &e, sizeof(e)) != NULL) {
        return;
    }
    map_put_bytes(&paths->seen, &e, sizeof(e), paths);
    for (uint32_t i = 0; i < e->n_args; i++) {
        paths_gather(paths, e->args[i]);
    }
}

void paths_gather_all(struct paths *paths, struct rel_exprs e)
{
    for (uint32_t i = 0; i < e.n; i++) {
        paths_gather(paths, e.items[i]);
    }
}

bool paths_have_field(const struct paths *paths)
{
    for (size_t i = 0; i < paths->items.len; i++) {
        const struct expr *e = vec_ptr(&paths->items, i);
        if (e->kind == EXPR_FIELD) {
            return true;
        }
    }
    return false;
}

static const struct expr *replace_path(void *arg, const struct expr *e)
{
    const struct paths *paths = arg;
    for (size_t i = 0; i < paths->items.len; i++) {
        if (vec_ptr(&paths->items, i) == e) {
            return expr_input(paths->p->pool, (uint32_t)i, type_ref(e->type));
        }
    }
    return NULL;
}

int paths_map(struct paths *paths, const struct expr *e, const struct expr **ret, struct error *err)
{
    return plan_replace(paths->p, e, replace_path, paths, ret, err);
}

int paths_map_all(struct paths *paths, struct rel_exprs in, struct rel_exprs *ret,
                  struct error *err)
{
    const struct expr **out = arena_alloc(&paths->p->arena, (in.n + 1) * sizeof(*out));
    for (uint32_t i = 0; i < in.n; i++) {
        TRY(paths_map(paths, in.items[i], &out[i], err));
    }
    *ret = (struct rel_exprs){out, in.n};
    return 0;
}
