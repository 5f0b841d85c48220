/* The plan of a statement: memory and limits, see rel.h. */
#include "sql/plan/inside.h"

#include <inttypes.h>

struct sql_plan *sql_plan_new(const struct sql_plan_options *options)
{
    struct sql_plan *p = MEM_NEW(struct sql_plan);
    arena_init(&p->arena, 0);
    p->pool = expr_pool_new();
    p->options = *options;
    map_init(&p->tables, NULL);
    return p;
}

struct sql_plan *sql_plan_free(struct sql_plan *p)
{
    if (p != NULL) {
        map_fini(&p->tables);
        arena_fini(&p->arena);
        expr_pool_free(p->pool);
        mem_free(p);
    }
    return NULL;
}

struct arena *sql_plan_arena(struct sql_plan *p)
{
    return &p->arena;
}

struct expr_pool *sql_plan_pool(struct sql_plan *p)
{
    return p->pool;
}

const struct sql_plan_options *sql_plan_settings(const struct sql_plan *p)
{
    return &p->options;
}

/* ---- limits ------------------------------------------------------------------------------------------- */

int plan_check(const struct sql_plan *p, struct error *err)
{
    if (p->n_nodes > REL_NODES_MAX) {
        return error_set(err, ERR_TOO_LARGE, "The plan has more than %d nodes, which is the limit",
                         REL_NODES_MAX);
    }
    if (p->depth > REL_DEPTH_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "The plan is more than %d nodes deep, which is the limit", REL_DEPTH_MAX);
    }
    if (p->n_columns > REL_COLUMNS_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "The nodes of the plan have more than %d columns together, which is the "
                         "limit",
                         REL_COLUMNS_MAX);
    }
    return 0;
}

int plan_check_width(const struct sql_plan *p, uint64_t n, struct error *err)
{
    TRY(plan_check(p, err));
    return n <= SCHEMA_FIELDS_MAX
               ? 0
               : error_set(err, ERR_TOO_LARGE,
                           "A relation has at most %d columns, this one has %" PRIu64,
                           SCHEMA_FIELDS_MAX, n);
}

int plan_unsupported(struct error *err, const char *what)
{
    return error_set(err, ERR_UNSUPPORTED, "not supported yet: %s", what);
}

/* ---- memory ------------------------------------------------------------------------------------------- */

void *plan_copy(struct sql_plan *p, const void *items, size_t bytes)
{
    void *copy = arena_alloc(&p->arena, bytes + 1);
    if (bytes > 0) {
        memcpy(copy, items, bytes);
    }
    return copy;
}

struct rel_exprs plan_exprs(struct sql_plan *p, const struct vec *pointers)
{
    return (struct rel_exprs){plan_copy(p, pointers->data, pointers->len * sizeof(void *)),
                              (uint32_t)pointers->len};
}

struct rel_columns plan_columns(struct sql_plan *p, const struct vec *numbers)
{
    return (struct rel_columns){plan_copy(p, numbers->data, numbers->len * sizeof(uint32_t)),
                                (uint32_t)numbers->len};
}

static void drop_schema(void *s)
{
    schema_unref(s);
}

struct schema *plan_keep_schema(struct sql_plan *p, struct schema *take_schema)
{
    arena_on_fini(&p->arena, drop_schema, take_schema);
    return take_schema;
}
