/* Statements that become jobs: queries, INSERT, statement sets, CREATE TABLE AS. */
#include "sql/session/inside.h"

/* ---- one job ------------------------------------------------------------------------------------------------ */

static int submit(struct sql_run *r, struct sql_job_graph *g)
{
    const struct sql_executor *x = r->s->options.executor;
    return x->submit(x->arg, STEAL(g->graph), &r->s->conf, r->err);
}

/* The answer to what writes: the job's id; under a check, OK. */
static int run_writing(struct sql_run *r, struct sql_planned *p)
{
    struct sql_job_graph g;
    TRY(sql_planned_translate(p, &g, r->err));
    int rc = 0;
    if (r->s->options.only_check) {
        *r->ret = sql_answer_of_ok(r->s);
    } else {
        rc = submit(r, &g);
        if (rc == 0) {
            struct sql_answer *a = sql_answer_of_text(r->s, SQL_ANSWER_JOB, "job id", g.id);
            a->has_job = true;
            a->executor = r->s->options.executor;
            memcpy(a->job, g.id, sizeof(a->job));
            *r->ret = a;
        }
    }
    sql_job_graph_fini(&g);
    return rc;
}

/* ---- SELECT --------------------------------------------------------------------------------------------------- */

static int start_query(struct sql_run *r, struct sql_planned *p, struct sql_job_graph *g)
{
    const struct sql_executor *x = r->s->options.executor;
    const struct sql_rows_options o = {g->collect_uid, g->rows, r->s->pool};
    TRY(submit(r, g));
    struct sql_answer *a = sql_answer_new(SQL_ANSWER_QUERY, schema_ref(g->rows));
    a->has_job = true;
    a->is_streaming = !sql_plan_settings(p->plan)->is_batch;
    a->executor = x;
    memcpy(a->job, g->id, sizeof(a->job));
    int rc = x->open_rows(x->arg, a->job, &o, &a->rows, r->err);
    if (rc < 0) {
        (void)!x->cancel(x->arg, a->job, NULL);
        sql_answer_close(a);
        return rc;
    }
    *r->ret = a;
    return 0;
}

int sql_run_query(struct sql_run *r)
{
    struct sql_planned p;
    struct sql_job_graph g = {.graph = NULL};
    TRY(sql_planned_open(r->s, &p, r->err));
    int rc = sql_planned_add(&p, r->statement, r->text, r->place, r->err);
    rc = rc < 0 ? rc : sql_planned_translate(&p, &g, r->err);
    if (rc == 0 && r->s->options.only_check) {
        *r->ret = sql_answer_of_ok(r->s);
    } else if (rc == 0) {
        rc = start_query(r, &p, &g);
    }
    sql_job_graph_fini(&g);
    sql_planned_close(&p);
    return rc;
}

/* ---- INSERT --------------------------------------------------------------------------------------------------- */

/* Within BEGIN STATEMENT SET ... END it is looked at now and run with the others. */
static int keep_insert(struct sql_run *r, struct sql_planned *p)
{
    const struct sql_span *span = &r->statement->span;
    const struct rel **physical = NULL;
    if (r->s->set.n >= SQL_SESSION_SET_MAX) {
        return sql_run_refuse(r, *span, ERR_TOO_LARGE, "a statement set has at most %d inserts",
                              SQL_SESSION_SET_MAX);
    }
    TRY(sql_planned_optimize(p, &physical, r->err));
    mem_free(physical);
    text_list_add(&r->s->set, slice_make(r->text.data + span->start, span->end - span->start));
    *r->ret = sql_answer_of_ok(r->s);
    return 0;
}

int sql_run_insert(struct sql_run *r)
{
    struct sql_planned p;
    TRY(sql_planned_open(r->s, &p, r->err));
    int rc = sql_planned_add(&p, r->statement, r->text, r->place, r->err);
    if (rc == 0) {
        rc = r->s->in_set ? keep_insert(r, &p) : run_writing(r, &p);
    }
    sql_planned_close(&p);
    return rc;
}

int sql_run_set_of_inserts(struct sql_run *r)
{
    struct sql_planned p;
    if (r->statement->n_statements == 0) {
        return sql_run_refuse(r, r->statement->span, ERR_INVALID_ARGUMENT,
                              "NO statements in statement set.");
    }
    TRY(sql_planned_open(r->s, &p, r->err));
    int rc = sql_planned_add(&p, r->statement, r->text, r->place, r->err);
    rc = rc < 0 ? rc : run_writing(r, &p);
    sql_planned_close(&p);
    return rc;
}

/* ---- BEGIN STATEMENT SET; ...; END; ------------------------------------------------------------------------------ */

int sql_run_begin_set(struct sql_run *r)
{
    r->s->in_set = true;
    *r->ret = sql_answer_of_ok(r->s);
    return 0;
}

static int plan_kept(struct sql_run *r, struct sql_planned *p, struct arena *arena)
{
    for (size_t i = 0; i < r->s->set.n; i++) {
        struct slice text = slice_cstr(r->s->set.items[i]);
        struct sql_statement *statement = NULL;
        TRY(sql_parse_statement(text, arena, &statement, r->place, r->err));
        TRY(sql_planned_add(p, statement, text, r->place, r->err));
    }
    return 0;
}

static int run_kept(struct sql_run *r)
{
    struct sql_planned p;
    struct arena arena;
    TRY(sql_planned_open(r->s, &p, r->err));
    arena_init(&arena, 0);
    int rc = plan_kept(r, &p, &arena);
    if (rc < 0) {
        r->place->span = r->statement->span; /* the inserts' own places are in other texts */
    }
    rc = rc < 0 ? rc : run_writing(r, &p);
    arena_fini(&arena);
    sql_planned_close(&p);
    return rc;
}

int sql_run_end_set(struct sql_run *r)
{
    if (!r->s->in_set) {
        return sql_run_refuse(r, r->statement->span, ERR_STATE,
                              "No Statement Set to submit. \"END\" statement should be used after "
                              "\"BEGIN STATEMENT SET\".");
    }
    int rc = 0;
    if (r->s->set.n == 0) {
        *r->ret = sql_answer_of_ok(r->s); /* nothing to be done, as in Flink */
    } else {
        rc = run_kept(r);
    }
    text_list_fini(&r->s->set);
    r->s->set = (struct text_list)TEXT_LIST_INIT;
    r->s->in_set = false;
    return rc;
}

/* ---- CREATE TABLE AS ----------------------------------------------------------------------------------------------- */

int sql_run_add_created(struct sql_run *r, const struct sql_created *created, struct sql_planned *p)
{
    const struct rel *query = NULL, *sink = NULL;
    TRY(sql_plan_query(p->plan, r->statement->create->query, r->text, &query, r->place, r->err));
    TRY(sql_plan_insert_into(p->plan, &created->id, query, &sink, r->err));
    vec_push_ptr(&p->logical, sink);
    return 0;
}

static int write_created(struct sql_run *r, const struct sql_created *created)
{
    struct sql_planned p;
    TRY(sql_planned_open(r->s, &p, r->err));
    int rc = sql_run_add_created(r, created, &p);
    rc = rc < 0 ? rc : run_writing(r, &p);
    sql_planned_close(&p);
    return rc;
}

void sql_run_drop_created(struct sql_run *r, const struct sql_created *created)
{
    struct sql_catalog *catalog = NULL;
    if (sql_manager_get_catalog(r->s->manager, created->id.catalog, &catalog, NULL) == 0) {
        (void)!catalog->ops->drop_table(catalog, created->id.database, created->id.name, NULL);
    }
}

int sql_run_create_as(struct sql_run *r)
{
    struct sql_created created;
    bool is_batch;
    TRY(sql_session_is_batch(r->s, &is_batch, r->err));
    TRY(sql_catalog_create_as(r->s->manager, r->text, r->statement, &created, r->place, r->err));
    int rc = 0;
    if (created.table == NULL) {
        *r->ret = sql_answer_of_ok(r->s);
    } else {
        rc = write_created(r, &created);
        if (rc < 0) {
            sql_run_drop_created(r, &created);
        }
    }
    sql_created_fini(&created);
    return rc;
}
