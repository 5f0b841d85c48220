/* From statements to a job graph: plan, optimise, translate.  Flink: PlannerBase.translate, StreamGraphGenerator. */
#include "sql/exec/exec.h"
#include "sql/session/inside.h"

int sql_planned_open(struct sql_session *s, struct sql_planned *ret, struct error *err)
{
    const char *mode = conf_string(&s->conf, "execution.runtime-mode");
    const struct sql_plan_options o = {
        .manager = s->manager,
        .conf = &s->conf,
        .zone = s->zone,
        .is_batch = mode != NULL && strcasecmp(mode, "BATCH") == 0,
        .query_start_ms = clock_now_ms(&clock_system),
        .user_function = sql_session_user_function,
        .user_function_arg = ret,
    };
    (void)err;
    ret->s = s;
    ret->plan = sql_plan_new(&o);
    vec_init(&ret->logical, sizeof(void *));
    vec_init(&ret->libraries, sizeof(void *));
    return 0;
}

void sql_planned_close(struct sql_planned *p)
{
    vec_fini(&p->logical);
    vec_fini(&p->libraries);
    p->plan = sql_plan_free(p->plan);
}

/* ---- logical trees --------------------------------------------------------------------------------------- */

static int add_query(struct sql_planned *p, const struct sql_query *query, struct slice text,
                     struct sql_error_place *place, struct error *err)
{
    const struct rel *rel = NULL;
    TRY(sql_plan_query(p->plan, query, text, &rel, place, err));
    vec_push_ptr(&p->logical, sql_plan_collect(p->plan, rel));
    return 0;
}

static int add_insert(struct sql_planned *p, const struct sql_statement *statement,
                      struct slice text, struct sql_error_place *place, struct error *err)
{
    const struct rel *rel = NULL;
    TRY(sql_plan_insert(p->plan, statement, text, &rel, place, err));
    vec_push_ptr(&p->logical, rel);
    return 0;
}

int sql_planned_add(struct sql_planned *p, const struct sql_statement *statement, struct slice text,
                    struct sql_error_place *place, struct error *err)
{
    bool is_batch;
    TRY(sql_session_is_batch(p->s, &is_batch, err));
    place->span = statement->span;
    switch (statement->kind) {
    case SQL_STATEMENT_QUERY:
        return add_query(p, statement->query, text, place, err);
    case SQL_STATEMENT_INSERT:
        return add_insert(p, statement, text, place, err);
    default:
        ASSERT(statement->kind == SQL_STATEMENT_STATEMENT_SET);
        for (uint32_t i = 0; i < statement->n_statements; i++) {
            TRY(add_insert(p, statement->statements[i], text, place, err));
        }
        return 0;
    }
}

int sql_planned_optimize(struct sql_planned *p, const struct rel ***ret, struct error *err)
{
    const struct rel **roots = mem_zalloc_array(p->logical.len, sizeof(*roots));
    int rc = sql_plan_optimize(p->plan, p->logical.data, (uint32_t)p->logical.len, roots, err);
    if (rc < 0) {
        mem_free(roots);
        return rc;
    }
    *ret = roots;
    return 0;
}

/* ---- the job graph ------------------------------------------------------------------------------------------ */

/* insert-into_default_catalog.default_database.t, ..., or collect. */
static const char *job_name(struct sql_planned *p, struct arena *arena)
{
    const char *configured = conf_string(&p->s->conf, "pipeline.name");
    STR_AUTO name = STR_INIT;
    if (configured != NULL) {
        return configured;
    }
    for (size_t i = 0; i < p->logical.len; i++) {
        const struct rel *r = vec_ptr(&p->logical, i);
        if (r->kind == REL_SINK) {
            str_append_cstr(&name, name.len == 0 ? "insert-into_" : ",");
            sql_identifier_print(&r->sink.table->id, &name);
        }
    }
    return name.len > 0 ? arena_strdup(arena, str_cstr(&name)) : "collect";
}

/* Where the job runs and how its client behaves is nothing that the job itself needs. */
static bool is_of_client(const char *key)
{
    static const char *const prefixes[] = {
        "rest.",   "jobmanager.", "execution.target", "execution.attached",
        "client.", "env.",        "sql-client.",      "sql-gateway."};
    for (size_t i = 0; i < ARRAY_LEN(prefixes); i++) {
        if (cstr_starts_with(key, prefixes[i])) {
            return true;
        }
    }
    return false;
}

/* What SET and the command line said goes with the job; files are the cluster's own. */
static void job_settings(const struct conf *conf, struct arena *arena, struct vec *ret)
{
    MAP_FOREACH (&conf->entries, e) {
        const struct conf_entry *entry = e->value;
        if (entry->place.origin != CONF_ORIGIN_FILE && !is_of_client(entry->key)) {
            Flinc__KeyValue *kv = arena_alloc(arena, sizeof(*kv));
            flinc__key_value__init(kv);
            kv->key = arena_strdup(arena, entry->key);
            kv->value = arena_strdup(arena, entry->value);
            vec_push_ptr(ret, kv);
        }
    }
}

/* The libraries that the job's functions are in, for its workers. */
static void job_libraries(struct sql_planned *p, struct arena *arena, struct translate_options *o)
{
    const Flinc__Library **all = arena_alloc(arena, (p->libraries.len + 1) * sizeof(*all));
    for (size_t i = 0; i < p->libraries.len; i++) {
        const struct sql_library *from = vec_ptr(&p->libraries, i);
        Flinc__Library *l = arena_alloc(arena, sizeof(*l));
        flinc__library__init(l);
        l->name = from->name;
        l->path = from->path;
        all[i] = l;
    }
    o->libraries = all;
    o->n_libraries = p->libraries.len;
}

static int translate_graph(struct sql_planned *p, struct stream_graph *graph,
                           struct sql_job_graph *ret, struct error *err)
{
    const struct conf *conf = &p->s->conf;
    struct vec settings = VEC_INIT(void *);
    struct translate_options o = {
        .job_name = job_name(p, &graph->arena),
        .default_parallelism = conf_int(conf, "parallelism.default"),
        .max_parallelism = conf_int(conf, "pipeline.max-parallelism"),
        .chaining = conf_bool(conf, "pipeline.operator-chaining.enabled"),
        .chain_different_max_parallelism = conf_bool(
            conf, "pipeline.operator-chaining.chain-operators-with-different-max-parallelism"),
        .combine = conf_bool(conf, "pipeline.batch.local-aggregation.enabled"),
    };
    TRY(sql_session_is_batch(p->s, &o.batch, err));
    job_settings(conf, &graph->arena, &settings);
    job_libraries(p, &graph->arena, &o);
    o.config = settings.data;
    o.n_config = settings.len;
    id_random(&o.job_id, &p->s->rng);
    id_format(&o.job_id, ret->id);
    int rc = stream_graph_translate(graph, &o, &ret->graph, err);
    vec_fini(&settings);
    return rc;
}

/* What comes to the collect sink, by the names that the query gave its columns. */
static struct schema *rows_schema(const struct sql_planned *p, const struct stream_graph *graph,
                                  const char *uid)
{
    const struct rel *root = vec_ptr(&p->logical, 0);
    const struct schema *names = root->inputs[0]->schema, *types = NULL;
    for (uint32_t i = 0; i < graph->nodes.len && types == NULL; i++) {
        const struct stream_node *n = stream_graph_node(graph, i);
        types = n->uid != NULL && strcmp(n->uid, uid) == 0 ? n->input_schemas[0] : NULL;
    }
    ASSERT(types != NULL && types->n_fields == names->n_fields);
    const char **text = mem_zalloc_array(names->n_fields, sizeof(*text));
    struct data_type **made = mem_zalloc_array(names->n_fields, sizeof(*made));
    for (uint32_t i = 0; i < names->n_fields; i++) {
        text[i] = names->fields[i].name;
        made[i] = type_ref(types->fields[i].type);
    }
    struct schema *s = schema_new(text, made, names->n_fields);
    mem_free(text);
    mem_free(made);
    return s;
}

int sql_planned_translate(struct sql_planned *p, struct sql_job_graph *ret, struct error *err)
{
    struct stream_graph graph;
    struct sql_job_graph made = {.graph = NULL};
    const struct rel **roots = NULL;
    const char *uid = NULL;
    TRY(sql_planned_optimize(p, &roots, err));
    stream_graph_init(&graph);
    int rc =
        sql_exec_translate(p->plan, roots, (uint32_t)p->logical.len, p->s->pool, &graph, &uid, err);
    rc = rc < 0 ? rc : translate_graph(p, &graph, &made, err);
    if (rc == 0) {
        made.collect_uid = mem_strdup(uid);
        made.rows = uid != NULL ? rows_schema(p, &graph, uid) : NULL;
        *ret = made;
    }
    stream_graph_fini(&graph);
    mem_free(roots);
    return rc;
}

void sql_job_graph_fini(struct sql_job_graph *g)
{
    if (g->graph != NULL) {
        flinc__job_graph__free_unpacked(g->graph, NULL);
    }
    mem_free(g->collect_uid);
    schema_unref(g->rows);
}
