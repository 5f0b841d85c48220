/* Runs golden files of SQL statements, see tests/sql/README.md.
 *
 *     sql_runner [--print] FILE|FOLDER... */
#include "sql/catalog/execute.h"
#include "tests/sql/golden_main.h"
#include "tests/sql/simple_resolver.h"

struct session {
    struct simple_resolver resolver;
    struct sql_manager *m;
};

static void *open_session(struct error *err)
{
    struct session *s = MEM_NEW(struct session);
    simple_resolver_init(&s->resolver);
    const struct sql_manager_options options = {.resolver = &s->resolver.base};
    if (sql_manager_new(&options, &s->m, err) < 0) {
        mem_free(s);
        return NULL;
    }
    s->resolver.m = s->m;
    return s;
}

static void close_session(void *session)
{
    struct session *s = session;
    sql_manager_free(s->m);
    mem_free(s);
}

static int execute(void *session, struct slice text, const struct sql_statement *statement,
                   struct sql_result **ret, struct sql_error_place *place, struct error *err)
{
    struct session *s = session;
    struct sql_created created;
    if (sql_catalog_takes(statement)) {
        return sql_catalog_execute(s->m, text, statement, ret, place, err);
    }
    if (statement->kind != SQL_STATEMENT_CREATE) {
        place->span = statement->span;
        return error_set(err, ERR_UNSUPPORTED, "not supported yet: this statement");
    }
    TRY(sql_catalog_create_as(s->m, text, statement, &created, place, err));
    sql_created_fini(&created);
    *ret = sql_result_new_ok();
    return 0;
}

static const struct golden_session_ops ops = {open_session, close_session, execute};

int main(int argc, char **argv)
{
    return golden_main(argc, argv, &ops);
}
