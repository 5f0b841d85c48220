/* See fake_executor.h. */
#include "tests/unit/sql_session/fake_executor.h"

struct sql_rows {
    struct fake_executor *f;
    uint32_t left; /* fetches until the end */
};

static int submit(void *arg, Flinc__JobGraph *take_graph, const struct conf *conf,
                  struct error *err)
{
    struct fake_executor *f = arg;
    (void)conf;
    if (f->fail_submit < 0) {
        flinc__job_graph__free_unpacked(take_graph, NULL);
        return error_set(err, f->fail_submit, "no slots");
    }
    vec_push_ptr(&f->graphs, take_graph);
    return 0;
}

static int wait_for(void *arg, const char *job, int64_t timeout_ms, struct error *err)
{
    struct fake_executor *f = arg;
    (void)job;
    (void)timeout_ms;
    return f->wait_rc < 0 ? error_set(err, f->wait_rc, "it failed") : f->wait_rc;
}

static int open_rows(void *arg, const char *job, const struct sql_rows_options *options,
                     struct sql_rows **ret, struct error *err)
{
    struct fake_executor *f = arg;
    struct sql_rows *r = MEM_NEW(struct sql_rows);
    (void)job;
    (void)err;
    ASSERT(options->uid != NULL && options->schema != NULL && options->pool != NULL);
    r->f = f;
    r->left = 2;
    f->n_rows_open++;
    *ret = r;
    return 0;
}

static int fetch(struct sql_rows *rows, int64_t timeout_ms, struct batch **ret_page,
                 struct error *err)
{
    (void)timeout_ms;
    (void)ret_page;
    (void)err;
    return rows->left-- > 1 ? SQL_FETCHED_NOTHING : SQL_FETCHED_END;
}

static struct sql_rows *close_rows(struct sql_rows *rows)
{
    if (rows != NULL) {
        rows->f->n_rows_open--;
        rows->f->n_cancelled += rows->left > 0 && rows->left <= 2;
        mem_free(rows);
    }
    return NULL;
}

static int cancel(void *arg, const char *job, struct error *err)
{
    struct fake_executor *f = arg;
    (void)job;
    (void)err;
    f->n_cancelled++;
    return 0;
}

static int stop(void *arg, const char *job, const struct sql_stop_options *options,
                const struct conf *conf, struct str *ret_path, struct error *err)
{
    struct fake_executor *f = arg;
    (void)job;
    (void)conf;
    (void)err;
    f->n_stopped++;
    f->stop = *options;
    str_append_cstr(ret_path, "file:/savepoints/1");
    return 0;
}

static int list(void *arg, void (*add)(void *add_arg, const struct sql_job *job), void *add_arg,
                struct error *err)
{
    struct fake_executor *f = arg;
    (void)err;
    for (size_t i = f->graphs.len; i > 0; i--) {
        const Flinc__JobGraph *g = vec_ptr(&f->graphs, i - 1);
        struct sql_job job = {.name = g->name, .status = "RUNNING", .start_ms = 1000};
        struct flinc_id id;
        memcpy(id.bytes, g->job_id.data, sizeof(id.bytes));
        id_format(&id, job.id);
        add(add_arg, &job);
    }
    return 0;
}

void fake_executor_init(struct fake_executor *f)
{
    *f = (struct fake_executor){.graphs = VEC_INIT(void *)};
    f->base = (struct sql_executor){.arg = f,
                                    .submit = submit,
                                    .wait = wait_for,
                                    .open_rows = open_rows,
                                    .fetch = fetch,
                                    .close_rows = close_rows,
                                    .cancel = cancel,
                                    .stop = stop,
                                    .list = list};
}

void fake_executor_fini(struct fake_executor *f)
{
    ASSERT(f->n_rows_open == 0);
    for (size_t i = 0; i < f->graphs.len; i++) {
        flinc__job_graph__free_unpacked(vec_ptr(&f->graphs, i), NULL);
    }
    vec_fini(&f->graphs);
}

Flinc__JobGraph *fake_executor_graph(const struct fake_executor *f, size_t i)
{
    return vec_ptr(&f->graphs, i);
}
