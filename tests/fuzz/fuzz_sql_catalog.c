/* Scripts of statements against the catalogs of a session: whatever they are, each one is executed or refused with a sentence
 * and a place, and a table that can be shown is made again by what is shown. */
#include "sql/catalog/execute.h"
#include "tests/sql/simple_resolver.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STATEMENTS_MAX = 200 };

static int execute(struct sql_manager *m, struct slice text, struct sql_result **ret)
{
    struct arena arena;
    struct sql_statement *s = NULL;
    struct sql_error_place place = {{0, 0}};
    struct error err = ERROR_INIT;
    arena_init(&arena, 0);
    int rc = sql_parse_statement(text, &arena, &s, &place, &err);
    if (rc == 0 && sql_catalog_takes(s) && s->kind != SQL_STATEMENT_ADD_JAR) {
        rc = sql_catalog_execute(m, text, s, ret, &place, &err);
        ASSERT(rc == 0 || (err.message[0] != '\0' && err.cls != ERROR_CLASS_BUG &&
                           place.span.start <= place.span.end && place.span.end <= text.len));
    } else if (rc == 0 && s->kind == SQL_STATEMENT_CREATE) {
        struct sql_created made;
        rc = sql_catalog_create_as(m, text, s, &made, &place, &err);
        ASSERT(rc == 0 || err.message[0] != '\0');
        if (rc == 0) {
            sql_created_fini(&made);
        }
    }
    arena_fini(&arena);
    return rc;
}

/* SHOW CREATE TABLE of a table, in another session. */
static void check_table(struct sql_manager *m, const struct sql_identifier *id)
{
    struct sql_table *t = NULL;
    bool is_temporary = false;
    STR_AUTO statement = STR_INIT;
    struct sql_result *shown = NULL;
    if (sql_manager_find_table(m, id, &t, &is_temporary, NULL) <= 0 ||
        t->kind != SQL_TABLE_KIND_TABLE) {
        sql_table_unref(t);
        return;
    }
    sql_table_unref(t);
    str_append_cstr(&statement, "SHOW CREATE TABLE ");
    sql_identifier_quote(id, &statement);
    int rc = execute(m, str_slice(&statement), &shown);
    ASSERT(rc == 0);
    struct arena arena;
    struct sql_statement *s = NULL;
    arena_init(&arena, 0);
    rc = sql_parse_statement(slice_cstr(sql_result_cell(shown, 0, 0)), &arena, &s, NULL, NULL);
    ASSERT(rc == 0 || rc == ERR_TOO_LARGE);
    arena_fini(&arena);
    sql_result_free(shown);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct simple_resolver resolver;
    simple_resolver_init(&resolver);
    const struct sql_manager_options options = {.resolver = &resolver.base};
    struct sql_manager *m = NULL;
    int rc = sql_manager_new(&options, &m, NULL);
    ASSERT(rc == 0);
    resolver.m = m;
    struct slice rest = slice_make((const char *)data, size);
    for (int i = 0; i < STATEMENTS_MAX && rest.len > 0; i++) {
        bool is_complete = false;
        struct sql_result *r = NULL;
        uint32_t end = sql_statement_end(rest, &is_complete);
        rc = execute(m, slice_make(rest.data, end), &r);
        ASSERT(rc <= 0);
        sql_result_free(r);
        rest = slice_make(rest.data + end, rest.len - end);
    }
    struct text_list tables = TEXT_LIST_INIT;
    const char *catalog = sql_manager_catalog(m), *database = sql_manager_database(m);
    if (sql_manager_list_tables(m, catalog, database, SQL_LISTED_ALL, &tables, NULL) == 0) {
        for (size_t i = 0; i < tables.n; i++) {
            const struct sql_identifier id = {catalog, database, tables.items[i], {0, 0}};
            check_table(m, &id);
        }
    }
    text_list_fini(&tables);
    sql_manager_free(m);
    return 0;
}
