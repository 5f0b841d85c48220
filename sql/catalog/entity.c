/* See entity.h. */
#include "sql/catalog/entity.h"

const char *sql_language_name(enum sql_language language)
{
    switch (language) {
    case SQL_LANGUAGE_SCALA:
        return "SCALA";
    case SQL_LANGUAGE_PYTHON:
        return "PYTHON";
    case SQL_LANGUAGE_SQL:
        return "SQL";
    case SQL_LANGUAGE_C:
        return "C";
    default:
        return "JAVA";
    }
}

struct sql_entity *sql_entity_new(enum sql_object object)
{
    struct sql_entity *e = MEM_NEW(struct sql_entity);
    atomic_init(&e->refs, 1);
    arena_init(&e->arena, 0);
    e->object = object;
    return e;
}

struct sql_entity *sql_entity_copy(const struct sql_entity *from)
{
    struct sql_entity *e = sql_entity_new(from->object);
    e->comment = from->comment != NULL ? arena_strdup(&e->arena, from->comment) : NULL;
    sql_options_copy(&from->options, &e->arena, &e->options);
    e->class_name = from->class_name != NULL ? arena_strdup(&e->arena, from->class_name) : NULL;
    e->language = from->language;
    sql_name_list_copy(&from->resources, &e->arena, &e->resources);
    e->input = from->input != NULL ? sql_table_ref(from->input) : NULL;
    e->output = from->output != NULL ? sql_table_ref(from->output) : NULL;
    return e;
}

struct sql_entity *sql_entity_ref(const struct sql_entity *e)
{
    struct sql_entity *shared = (struct sql_entity *)e;
    atomic_fetch_add_explicit(&shared->refs, 1, memory_order_relaxed);
    return shared;
}

struct sql_entity *sql_entity_unref(const struct sql_entity *e)
{
    struct sql_entity *shared = (struct sql_entity *)e;
    if (shared != NULL && atomic_fetch_sub_explicit(&shared->refs, 1, memory_order_acq_rel) == 1) {
        sql_table_unref(shared->input);
        sql_table_unref(shared->output);
        arena_fini(&shared->arena);
        mem_free(shared);
    }
    return NULL;
}
