/* Answers and their pages; see answer.h. */
#include "engine/data/builder.h"
#include "sql/session/inside.h"

struct sql_answer *sql_answer_new(enum sql_answer_kind kind, struct schema *take_schema)
{
    struct sql_answer *a = MEM_NEW(struct sql_answer);
    a->kind = kind;
    a->schema = take_schema;
    vec_init(&a->pages, sizeof(void *));
    return a;
}

struct sql_answer *sql_answer_close(struct sql_answer *a)
{
    if (a == NULL) {
        return NULL;
    }
    for (size_t i = a->n_given; i < a->pages.len; i++) {
        (void)batch_unref(vec_ptr(&a->pages, i));
    }
    vec_fini(&a->pages);
    if (a->rows != NULL) {
        (void)a->executor->close_rows(a->rows);
    }
    schema_unref(a->schema);
    text_list_fini(&a->notes);
    mem_free(a);
    return NULL;
}

int sql_answer_next(struct sql_answer *a, int64_t timeout_ms, struct batch **ret, struct error *err)
{
    if (a->n_given < a->pages.len) {
        *ret = vec_ptr(&a->pages, a->n_given++);
        return SQL_FETCHED_ROWS;
    }
    if (a->rows == NULL || a->has_ended) {
        return SQL_FETCHED_END;
    }
    int rc = a->executor->fetch(a->rows, timeout_ms, ret, err);
    a->has_ended = rc < 0 || rc == SQL_FETCHED_END;
    return rc;
}

int sql_answer_wait(struct sql_answer *a, int64_t timeout_ms, struct error *err)
{
    ASSERT(a->kind == SQL_ANSWER_JOB && a->has_job);
    return a->executor->wait(a->executor->arg, a->job, timeout_ms, err);
}

/* ---- text in memory -------------------------------------------------------------------------------------- */

static struct schema *schema_of(const struct sql_result *r)
{
    const char **names = mem_zalloc_array(r->n_columns, sizeof(*names));
    struct data_type **types = mem_zalloc_array(r->n_columns, sizeof(*types));
    for (uint32_t i = 0; i < r->n_columns; i++) {
        names[i] = r->columns[i].name;
        types[i] = r->columns[i].type == SQL_RESULT_BOOLEAN ? type_new(TYPE_BOOLEAN, true)
                                                            : type_new_string(true);
    }
    struct schema *s = schema_new(names, types, r->n_columns);
    mem_free(names);
    mem_free(types);
    return s;
}

static void put_cell(struct builder *b, uint32_t column, const char *cell)
{
    if (cell == NULL) {
        builder_put_null(b, column);
    } else if (b->schema->fields[column].type->id == TYPE_BOOLEAN) {
        builder_put_bool(b, column, strcmp(cell, "TRUE") == 0);
    } else if (builder_put_bytes(b, column, cell, strlen(cell), NULL) < 0) {
        builder_put_null(b, column); /* of more than 64 MiB: no text of a catalog is */
    }
}

struct sql_answer *sql_answer_of_result(struct sql_session *s, const struct sql_result *result)
{
    struct sql_answer *a = sql_answer_new(
        result->kind == SQL_RESULT_OK ? SQL_ANSWER_OK : SQL_ANSWER_TABLE, schema_of(result));
    struct builder b;
    builder_init(&b, s->pool, a->schema, 0);
    for (uint32_t row = 0; row < sql_result_rows(result); row++) {
        builder_begin(&b);
        for (uint32_t i = 0; i < result->n_columns; i++) {
            put_cell(&b, i, sql_result_cell(result, row, i));
        }
        builder_end_row(&b);
        if (builder_is_full(&b)) {
            vec_push_ptr(&a->pages, builder_finish(&b));
        }
    }
    if (builder_rows(&b) > 0) {
        vec_push_ptr(&a->pages, builder_finish(&b));
    }
    builder_fini(&b);
    return a;
}

struct sql_answer *sql_answer_of_text(struct sql_session *s, enum sql_answer_kind kind,
                                      const char *column, const char *text)
{
    const struct sql_result_column c = {column, SQL_RESULT_STRING};
    struct sql_result *r = sql_result_new(&c, 1);
    sql_result_add(r, &text);
    struct sql_answer *a = sql_answer_of_result(s, r);
    a->kind = kind;
    sql_result_free(r);
    return a;
}

struct sql_answer *sql_answer_of_ok(struct sql_session *s)
{
    return sql_answer_of_text(s, SQL_ANSWER_OK, "result", "OK");
}
