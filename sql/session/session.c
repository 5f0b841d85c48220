/* The session: opening it, and the way of a statement to who executes it.  See session.h. */
#include "connectors/plugin/plugin.h"
#include "connectors/registry/registry.h"
#include "engine/functions/functions.h"
#include "engine/query/query.h"
#include "formats/format.h"
#include "sql/session/inside.h"
#include <pthread.h>

/* ---- life --------------------------------------------------------------------------------------------------- */

static void register_all(void)
{
    connectors_register();
    connector_plugins_load(NULL);
    format_plugins_load(NULL);
    functions_register_builtin();
    query_operators_register();
}

/* For a check nothing is written: the descriptions are read into memory. */
static int copy_store(struct sql_catalog_store *from, struct sql_catalog_store *to,
                      struct error *err)
{
    struct text_list names = TEXT_LIST_INIT;
    int rc = sql_catalog_store_list(from, &names, err);
    for (size_t i = 0; i < names.n && rc == 0; i++) {
        struct sql_entity *e = NULL;
        rc = sql_catalog_store_get(from, names.items[i], &e, err);
        rc = rc < 0 ? rc : sql_catalog_store_put(to, names.items[i], e, err);
        sql_entity_unref(e);
    }
    text_list_fini(&names);
    return rc;
}

static int open_store(const struct sql_session *s, struct sql_catalog_store **ret,
                      struct error *err)
{
    struct sql_catalog_store *store = NULL, *memory = NULL;
    TRY(sql_catalog_store_open(conf_string(&s->conf, "table.catalog-store.kind"),
                               conf_string(&s->conf, "table.catalog-store.file.path"), &store,
                               err));
    if (!s->options.only_check) {
        *ret = store;
        return 0;
    }
    int rc = sql_catalog_store_open(NULL, NULL, &memory, err);
    rc = rc < 0 ? rc : copy_store(store, memory, err);
    sql_catalog_store_close(store);
    if (rc < 0) {
        sql_catalog_store_close(memory);
        return rc;
    }
    *ret = memory;
    return 0;
}

static int open_manager(struct sql_session *s, struct error *err)
{
    struct sql_manager_options o = {
        .catalog = conf_string(&s->conf, "table.builtin-catalog-name"),
        .database = conf_string(&s->conf, "table.builtin-database-name"),
        .resolver = &s->resolver,
    };
    TRY(open_store(s, &o.take_store, err));
    return sql_manager_new(&o, &s->manager, err);
}

int sql_session_new(const struct sql_session_options *options, struct sql_session **ret,
                    struct error *err)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    struct sql_session *s = MEM_NEW(struct sql_session);
    ASSERT(options->executor != NULL || options->only_check);
    (void)pthread_once(&once, register_all);
    s->options = *options;
    s->options.conf = NULL;
    conf_init(&s->base, NULL);
    conf_init(&s->conf, NULL);
    if (options->conf != NULL) {
        conf_merge(&s->base, options->conf);
        conf_merge(&s->conf, options->conf);
    }
    s->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "sql-session"});
    rng_init_system(&s->rng);
    sql_libraries_init(&s->libraries);
    sql_session_resolver_init(s);
    int rc = sql_session_open_zone(s, err);
    rc = rc < 0 ? rc : open_manager(s, err);
    if (rc < 0) {
        sql_session_free(s);
        return rc;
    }
    *ret = s;
    return 0;
}

struct sql_session *sql_session_free(struct sql_session *s)
{
    if (s != NULL) {
        sql_manager_free(s->manager);
        time_zone_free(s->zone);
        text_list_fini(&s->set);
        sql_libraries_fini(&s->libraries);
        conf_fini(&s->base);
        conf_fini(&s->conf);
        buffer_pool_close(s->pool);
        mem_free(s);
    }
    return NULL;
}

const struct conf *sql_session_conf(const struct sql_session *s)
{
    return &s->conf;
}

struct sql_manager *sql_session_manager(struct sql_session *s)
{
    return s->manager;
}

bool sql_session_is_in_set(const struct sql_session *s)
{
    return s->in_set;
}

const struct time_zone *sql_session_zone(const struct sql_session *s)
{
    return s->zone;
}

/* ---- statements ------------------------------------------------------------------------------------------ */

int sql_run_refuse(struct sql_run *r, struct sql_span span, int code, const char *fmt, ...)
{
    STR_AUTO message = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vprintf(&message, fmt, ap);
    va_end(ap);
    r->place->span = span;
    return error_set(r->err, code, "%s", str_cstr(&message));
}

int sql_run_not_yet(struct sql_run *r, const char *feature)
{
    return sql_run_refuse(r, r->statement->span, ERR_UNSUPPORTED, "not supported yet: %s", feature);
}

static int run_catalog(struct sql_run *r)
{
    struct sql_result *result = NULL;
    TRY(sql_catalog_execute(r->s->manager, r->text, r->statement, &result, r->place, r->err));
    *r->ret = sql_answer_of_result(r->s, result);
    sql_result_free(result);
    return 0;
}

static int run_show(struct sql_run *r)
{
    return r->statement->show->object == SQL_OBJECT_JOB ? sql_run_show_jobs(r)
                                                        : sql_run_not_yet(r, "this SHOW");
}

static int run_describe(struct sql_run *r)
{
    return r->statement->object == SQL_OBJECT_JOB ? sql_run_describe_job(r)
                                                  : sql_run_not_yet(r, "this DESCRIBE");
}

static const struct {
    int (*run)(struct sql_run *r);
    const char *not_yet; /* the feature, where `run` is NULL */
} runs[SQL_STATEMENT_KIND_COUNT] = {
    [SQL_STATEMENT_QUERY] = {sql_run_query, NULL},
    [SQL_STATEMENT_INSERT] = {sql_run_insert, NULL},
    [SQL_STATEMENT_STATEMENT_SET] = {sql_run_set_of_inserts, NULL},
    [SQL_STATEMENT_BEGIN_SET] = {sql_run_begin_set, NULL},
    [SQL_STATEMENT_END_SET] = {sql_run_end_set, NULL},
    [SQL_STATEMENT_UPDATE] = {sql_run_update, NULL},
    [SQL_STATEMENT_DELETE] = {sql_run_update, NULL},
    [SQL_STATEMENT_TRUNCATE] = {sql_run_truncate, NULL},
    [SQL_STATEMENT_CREATE] = {sql_run_create_as, NULL},
    [SQL_STATEMENT_SHOW] = {run_show, NULL},
    [SQL_STATEMENT_DESCRIBE] = {run_describe, NULL},
    [SQL_STATEMENT_EXPLAIN] = {sql_run_explain, NULL},
    [SQL_STATEMENT_COMPILE_PLAN] = {NULL, "COMPILE PLAN"},
    [SQL_STATEMENT_EXECUTE_PLAN] = {NULL, "EXECUTE PLAN"},
    [SQL_STATEMENT_CALL] = {sql_run_call, NULL},
    [SQL_STATEMENT_ANALYZE] = {sql_run_analyze, NULL},
    [SQL_STATEMENT_SET] = {sql_run_set, NULL},
    [SQL_STATEMENT_RESET] = {sql_run_reset, NULL},
    [SQL_STATEMENT_STOP_JOB] = {sql_run_stop_job, NULL},
};

/* Flink's sentence. */
static int check_in_set(struct sql_run *r)
{
    enum sql_statement_kind kind = r->statement->kind;
    if (!r->s->in_set || kind == SQL_STATEMENT_INSERT || kind == SQL_STATEMENT_END_SET) {
        return 0;
    }
    return sql_run_refuse(r, r->statement->span, ERR_STATE,
                          "Only INSERT statement is allowed in Statement Set. END; executes the "
                          "set.");
}

int sql_session_execute(struct sql_session *s, struct slice text,
                        const struct sql_statement *statement, struct sql_answer **ret,
                        struct sql_error_place *place, struct error *err)
{
    struct sql_error_place unused;
    struct sql_run r = {s, text, statement, ret, place != NULL ? place : &unused, err};
    r.place->span = statement->span;
    TRY(check_in_set(&r));
    if (sql_catalog_takes(statement)) {
        return run_catalog(&r);
    }
    if (runs[statement->kind].run != NULL) {
        return runs[statement->kind].run(&r);
    }
    if (runs[statement->kind].not_yet != NULL) {
        return sql_run_not_yet(&r, runs[statement->kind].not_yet);
    }
    return sql_run_refuse(&r, statement->span, ERR_STATE,
                          "this is a statement of the SQL shell, which no session executes");
}
