/* See result.h. */
#include "sql/catalog/result.h"

const char *sql_result_type_name(enum sql_result_type type)
{
    return type == SQL_RESULT_BOOLEAN ? "BOOLEAN" : "STRING";
}

struct sql_result *sql_result_new(const struct sql_result_column *columns, uint32_t n_columns)
{
    struct sql_result *r = MEM_NEW(struct sql_result);
    r->kind = SQL_RESULT_ROWS;
    arena_init(&r->arena, 0);
    r->cells = (struct vec)VEC_INIT(const char *);
    r->columns = arena_zalloc(&r->arena, n_columns * sizeof(*columns));
    r->n_columns = n_columns;
    for (uint32_t i = 0; i < n_columns; i++) {
        r->columns[i].name = arena_strdup(&r->arena, columns[i].name);
        r->columns[i].type = columns[i].type;
    }
    return r;
}

struct sql_result *sql_result_new_ok(void)
{
    const struct sql_result_column column = {"result", SQL_RESULT_STRING};
    const char *cell = "OK";
    struct sql_result *r = sql_result_new(&column, 1);
    r->kind = SQL_RESULT_OK;
    sql_result_add(r, &cell);
    return r;
}

void sql_result_add(struct sql_result *r, const char *const *cells)
{
    for (uint32_t i = 0; i < r->n_columns; i++) {
        vec_push_ptr(&r->cells, cells[i] != NULL ? arena_strdup(&r->arena, cells[i]) : NULL);
    }
}

uint32_t sql_result_rows(const struct sql_result *r)
{
    return (uint32_t)(r->cells.len / r->n_columns);
}

const char *sql_result_cell(const struct sql_result *r, uint32_t row, uint32_t column)
{
    ASSERT(column < r->n_columns);
    return vec_ptr(&r->cells, (size_t)row * r->n_columns + column);
}

struct sql_result *sql_result_free(struct sql_result *r)
{
    if (r != NULL) {
        vec_fini(&r->cells);
        arena_fini(&r->arena);
        mem_free(r);
    }
    return NULL;
}
