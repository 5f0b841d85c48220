/* Statements about jobs: SHOW JOBS, DESCRIBE JOB, STOP JOB. */
#include "engine/data/builder.h"
#include "sql/session/inside.h"

struct listing {
    struct builder builder;
    const char *only; /* a job's id; NULL: all */
    int rc;
    struct error *err;
};

static int put_text(struct builder *b, uint32_t column, const char *text, struct error *err)
{
    return builder_put_bytes(b, column, text, strlen(text), err);
}

static int put_job(struct builder *b, const struct sql_job *job, struct error *err)
{
    TRY(put_text(b, 0, job->id, err));
    TRY(put_text(b, 1, job->name, err));
    TRY(put_text(b, 2, job->status, err));
    builder_put_i64(b, 3, job->start_ms);
    return 0;
}

static void add_job(void *arg, const struct sql_job *job)
{
    struct listing *l = arg;
    if (l->rc < 0 || (l->only != NULL && strcmp(l->only, job->id) != 0) ||
        builder_room(&l->builder) == 0) {
        return;
    }
    builder_begin(&l->builder);
    l->rc = put_job(&l->builder, job, l->err);
    if (l->rc < 0) {
        builder_cancel_row(&l->builder);
    } else {
        builder_end_row(&l->builder);
    }
}

static struct schema *job_schema(void)
{
    static const char *const names[] = {"job id", "job name", "status", "start time"};
    struct data_type *const types[] = {type_new_string(true), type_new_string(true),
                                       type_new_string(true),
                                       type_new_precision(TYPE_TIMESTAMP_LTZ, 3, 0, true)};
    return schema_new(names, types, ARRAY_LEN(names));
}

/* Jobs as they are at the executor; the newest BATCH_ROWS_MAX of them. */
static int list_jobs(struct sql_run *r, const char *only, struct sql_answer **ret)
{
    const struct sql_executor *x = r->s->options.executor;
    struct listing l = {.only = only, .err = r->err};
    struct sql_answer *a = sql_answer_new(SQL_ANSWER_TABLE, job_schema());
    if (r->s->options.only_check) { /* there are none */
        *ret = a;
        return 0;
    }
    builder_init(&l.builder, r->s->pool, a->schema, BATCH_ROWS_MAX);
    int rc = x->list(x->arg, add_job, &l, r->err);
    rc = rc < 0 ? rc : l.rc;
    if (rc == 0 && builder_rows(&l.builder) > 0) {
        vec_push_ptr(&a->pages, builder_finish(&l.builder));
    }
    builder_fini(&l.builder);
    if (rc < 0) {
        sql_answer_close(a);
        return rc;
    }
    *ret = a;
    return 0;
}

int sql_run_show_jobs(struct sql_run *r)
{
    return list_jobs(r, NULL, r->ret);
}

/* The id of the statement, for the caller to free. */
static int job_id(struct sql_run *r, char **ret)
{
    struct flinc_id id;
    char *hex = mem_strndup(r->statement->text.data, r->statement->text.len);
    if (strlen(hex) != ID_HEX_LEN || !id_parse(hex, &id)) {
        int rc = sql_run_refuse(r, r->statement->span, ERR_INVALID_ARGUMENT,
                                "'%s' is no job id: 32 hexadecimal digits, as SHOW JOBS prints "
                                "them",
                                hex);
        mem_free(hex);
        return rc;
    }
    *ret = hex;
    return 0;
}

int sql_run_describe_job(struct sql_run *r)
{
    struct sql_answer *a = NULL;
    char *hex = NULL;
    TRY(job_id(r, &hex));
    int rc = list_jobs(r, hex, &a);
    if (rc == 0 && a->pages.len == 0 && !r->s->options.only_check) {
        rc = sql_run_refuse(r, r->statement->span, ERR_NOT_FOUND,
                            "Described job %s does not exist in the cluster.", hex);
        a = sql_answer_close(a);
    }
    mem_free(hex);
    if (rc == 0) {
        *r->ret = a;
    }
    return rc;
}

int sql_run_stop_job(struct sql_run *r)
{
    const struct sql_executor *x = r->s->options.executor;
    const struct sql_statement *t = r->statement;
    const struct sql_stop_options o = {t->with_savepoint, t->with_drain};
    STR_AUTO path = STR_INIT;
    char *hex = NULL;
    TRY(job_id(r, &hex));
    if (r->s->options.only_check) {
        mem_free(hex);
        *r->ret = sql_answer_of_ok(r->s);
        return 0;
    }
    int rc = x->stop(x->arg, hex, &o, &r->s->conf, &path, r->err);
    mem_free(hex);
    TRY(rc);
    *r->ret = t->with_savepoint
                  ? sql_answer_of_text(r->s, SQL_ANSWER_TABLE, "savepoint path", str_cstr(&path))
                  : sql_answer_of_ok(r->s);
    return 0;
}
