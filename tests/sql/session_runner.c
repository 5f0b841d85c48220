/* Golden files of whole statements: a session per file with the planner, the operators and a mini cluster per job in this
 * process; see tests/sql/README.md.
 *
 *     sql_session_runner [--print] FILE|FOLDER... */
#include "client/sqlclient/inside.h"
#include "common/base/log.h"
#include "tests/sql/golden_main.h"

enum { FETCH_MS = 1000, STATEMENT_MS = 100 * 1000 /* below the time-out of the test */ };

struct session {
    struct embedded *embedded;
    struct sql_session *s;
    struct buffer_pool *pool;
    struct schema *types; /* of the last result */
    bool has_kinds;       /* its first column is `op` */
};

static void *open_session(struct error *err)
{
    struct session *s = MEM_NEW(struct session);
    s->embedded = embedded_new();
    s->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "runner"});
    log_set_level(LOG_LEVEL_ERROR);
    const struct sql_session_options o = {.executor = embedded_executor(s->embedded)};
    if (sql_session_new(&o, &s->s, err) < 0) {
        embedded_free(s->embedded);
        buffer_pool_close(s->pool);
        mem_free(s);
        return NULL;
    }
    return s;
}

static void close_session(void *session)
{
    struct session *s = session;
    sql_session_free(s->s);
    embedded_free(s->embedded);
    schema_unref(s->types);
    buffer_pool_close(s->pool);
    mem_free(s);
}

/* ---- rows ------------------------------------------------------------------------------------------------- */

static struct sql_result *result_of(const struct session *s)
{
    uint32_t n = s->types->n_fields, first = s->has_kinds ? 1 : 0;
    struct sql_result_column *columns = mem_zalloc_array(n + 1, sizeof(*columns));
    columns[0].name = "op";
    for (uint32_t i = 0; i < n; i++) {
        columns[first + i].name = s->types->fields[i].name;
    }
    struct sql_result *r = sql_result_new(columns, n + first);
    r->kind = SQL_RESULT_ROWS;
    mem_free(columns);
    return r;
}

static void add_rows(const struct session *s, const struct batch *strings, struct sql_result *r)
{
    uint32_t first = s->has_kinds ? 1 : 0;
    const char **cells = mem_zalloc_array(r->n_columns + 1, sizeof(*cells));
    for (uint32_t i = 0; i < strings->n_sel; i++) {
        struct arena arena;
        uint32_t row = batch_row(strings, i);
        arena_init(&arena, 0);
        cells[0] =
            row_kind_name(strings->row_kinds != NULL ? (enum row_kind)strings->row_kinds->data[row]
                                                     : ROW_KIND_INSERT);
        for (uint32_t k = 0; k < strings->n_columns; k++) {
            const struct column *c = &strings->columns[k];
            struct slice text =
                column_is_null(c, row) ? (struct slice){NULL, 0} : column_get_bytes(c, row);
            cells[first + k] =
                text.data != NULL ? arena_strndup(&arena, text.data, text.len) : NULL;
        }
        sql_result_add(r, cells);
        arena_fini(&arena);
    }
    mem_free(cells);
}

static bool has_changes(const struct vec *pages)
{
    for (size_t i = 0; i < pages->len; i++) {
        const struct batch *b = vec_ptr(pages, i);
        for (uint32_t k = 0; b->row_kinds != NULL && k < b->n_sel; k++) {
            if (b->row_kinds->data[batch_row(b, k)] != ROW_KIND_INSERT) {
                return true;
            }
        }
    }
    return false;
}

/* All pages, as strings. */
static int read_pages(struct session *s, struct sql_answer *a, struct sql_cells *cells,
                      struct vec *pages, struct error *err)
{
    int64_t deadline = clock_monotonic_ms(&clock_system) + STATEMENT_MS;
    for (;;) {
        struct batch *page = NULL, *strings = NULL;
        int rc = sql_answer_next(a, FETCH_MS, &page, err);
        if (rc == SQL_FETCHED_END || rc < 0) {
            return rc < 0 ? rc : 0;
        }
        if (rc == SQL_FETCHED_ROWS) {
            rc = sql_cells_print(cells, s->pool, page, &strings, err);
            (void)batch_unref(page);
            TRY(rc);
            if (strings != NULL) {
                vec_push_ptr(pages, strings);
            }
        } else if (clock_monotonic_ms(&clock_system) > deadline) {
            return error_set(err, ERR_TIMEOUT, "the query does not end");
        }
    }
}

static int read_rows(struct session *s, struct sql_answer *a, struct sql_result **ret,
                     struct error *err)
{
    struct sql_cells *cells = NULL;
    struct vec pages = VEC_INIT(void *);
    TRY(sql_cells_new(a->schema, sql_session_zone(s->s), &cells, err));
    int rc = read_pages(s, a, cells, &pages, err);
    schema_unref(s->types);
    s->types = schema_ref(a->schema);
    s->has_kinds = has_changes(&pages);
    struct sql_result *r = result_of(s);
    for (size_t i = 0; i < pages.len; i++) {
        struct batch *b = vec_ptr(&pages, i);
        add_rows(s, b, r);
        (void)batch_unref(b);
    }
    vec_fini(&pages);
    sql_cells_free(cells);
    if (rc < 0) {
        sql_result_free(r);
        return rc;
    }
    *ret = r;
    return 0;
}

/* ---- statements ----------------------------------------------------------------------------------------------- */

static int wait_for_end(struct sql_answer *a, struct sql_result **ret, struct error *err)
{
    int rc = sql_answer_wait(a, STATEMENT_MS, err);
    if (rc == 0) {
        return error_set(err, ERR_TIMEOUT, "the job does not end");
    }
    TRY(rc);
    *ret = sql_result_new_ok();
    return 0;
}

static int execute(void *session, struct slice text, const struct sql_statement *statement,
                   struct sql_result **ret, struct sql_error_place *place, struct error *err)
{
    struct session *s = session;
    struct sql_answer *a = NULL;
    TRY(sql_session_execute(s->s, text, statement, &a, place, err));
    int rc = 0;
    if (a->kind == SQL_ANSWER_OK) {
        *ret = sql_result_new_ok();
    } else if (a->kind == SQL_ANSWER_JOB) {
        rc = wait_for_end(a, ret, err);
    } else {
        rc = read_rows(s, a, ret, err);
    }
    sql_answer_close(a);
    return rc;
}

static void append_type(void *session, uint32_t column, struct str *out)
{
    const struct session *s = session;
    if (s->has_kinds && column == 0) {
        str_append_cstr(out, "STRING");
        return;
    }
    type_print(s->types->fields[column - (s->has_kinds ? 1 : 0)].type, out);
}

static const struct golden_session_ops ops = {open_session, close_session, execute, append_type};

int main(int argc, char **argv)
{
    return golden_main(argc, argv, &ops);
}
