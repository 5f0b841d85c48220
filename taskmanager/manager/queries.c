/* What REST asks of a task manager: log files, thread stacks, metrics, environment.
 *
 * Log files are read and stacks collected on an executor thread; workers are asked by the worker host,
 * and their answers joined with those of this process.  The job manager drops answers that it no longer
 * waits for, so none is repeated. */
#include "taskmanager/manager/taskmanager_internal.h"

#include "common/process/log_files.h"
#include "common/process/stack_dump.h"
#include <stdlib.h>
#include <sys/utsname.h>

/* One query under way. */
struct query {
    struct taskmanager *tm;
    Flinc__MasterToTaskManager *message; /* Owns */
    const Flinc__Query *query;           /* Borrows, in the message */
    char *log_dir, *log_file, *out_file; /* Owns; may be NULL */
    Flinc__QueryAnswer *answer;          /* Owns; heap memory as of an unpacked message */
};

static struct query *query_new(struct taskmanager *tm, Flinc__MasterToTaskManager *take_message)
{
    struct query *q = MEM_NEW(struct query);
    q->tm = tm;
    q->message = take_message;
    q->query = take_message->query;
    q->log_dir = mem_strdup(tm->identity.log_dir);
    q->log_file = mem_strdup(tm->identity.log_file);
    q->out_file = mem_strdup(tm->identity.out_file);
    q->answer = MEM_NEW(Flinc__QueryAnswer);
    flinc__query_answer__init(q->answer);
    return q;
}

static void query_free(void *arg)
{
    struct query *q = arg;
    rpc_message_free(&q->message->base);
    rpc_message_free(&q->answer->base);
    mem_free(q->log_dir);
    mem_free(q->log_file);
    mem_free(q->out_file);
    mem_free(q);
}

static void query_set_error(struct query *q, const struct error *err)
{
    Flinc__ErrorInfo *info = MEM_NEW(Flinc__ErrorInfo);
    rpc_message_free(&q->answer->base);
    q->answer = MEM_NEW(Flinc__QueryAnswer);
    flinc__query_answer__init(q->answer);
    error_info_fill(info, err);
    info->message = mem_strdup(err->message);
    info->frames = mem_strdup(err->frames);
    q->answer->error = info;
}

/* Sends the answer and frees the query. */
static void query_reply(struct query *q)
{
    struct taskmanager *tm = q->tm;
    Flinc__TaskManagerToMaster m = FLINC__TASK_MANAGER_TO_MASTER__INIT;
    q->answer->query_id = q->query->query_id;
    m.body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY_ANSWER;
    m.answer = q->answer;
    tm_outbox_send(tm, &m);
    tm->n_queries--;
    query_free(q);
}

static void query_fail(struct query *q, const struct error *err)
{
    query_set_error(q, err);
    query_reply(q);
}

/* ---- log files; on an executor thread ----------------------------------------------------------- */

static int query_log_list(struct query *q, struct error *err)
{
    struct vec files = VEC_INIT(struct log_file);
    if (q->log_dir == NULL) {
        return error_set(err, ERR_NOT_FOUND,
                         "This task manager writes no log files. Set env.log.dir, or start it by "
                         "bin/taskmanager.sh.");
    }
    TRY(log_files_list(q->log_dir, &files, err));
    Flinc__LogList *list = MEM_NEW(Flinc__LogList);
    flinc__log_list__init(list);
    list->n_files = files.len;
    list->files = MEM_NEW_ARRAY(Flinc__LogFile *, files.len + 1);
    for (size_t i = 0; i < files.len; i++) {
        struct log_file *f = VEC_AT(&files, struct log_file, i);
        Flinc__LogFile *row = list->files[i] = MEM_NEW(Flinc__LogFile);
        flinc__log_file__init(row);
        row->name = STEAL(f->name);
        row->size = f->size;
        row->mtime_ms = f->mtime_ms;
    }
    log_files_fini(&files);
    q->answer->body_case = FLINC__QUERY_ANSWER__BODY_LOG_LIST;
    q->answer->log_list = list;
    return 0;
}

static int read_own(const char *path, const char *what, const Flinc__FilePartRequest *r,
                    struct str *data, uint64_t *total, struct error *err)
{
    if (path == NULL) {
        return error_set(err, ERR_NOT_FOUND,
                         "This task manager has no %s file: it was started in the foreground, or "
                         "not by bin/taskmanager.sh.",
                         what);
    }
    return log_file_read(path, r->offset, MIN(r->max_bytes, (uint32_t)TASKMANAGER_FILE_PART_MAX),
                         data, total, err);
}

static int query_file_part(struct query *q, struct error *err)
{
    const Flinc__FilePartRequest *r = q->query->file_part;
    STR_AUTO data = STR_INIT;
    uint64_t total = 0;
    switch (r->which) {
    case FLINC__FILE_PART_REQUEST__WHICH__FILE_LOG:
        TRY(read_own(q->log_file, "log", r, &data, &total, err));
        break;
    case FLINC__FILE_PART_REQUEST__WHICH__FILE_STDOUT:
        TRY(read_own(q->out_file, "stdout", r, &data, &total, err));
        break;
    case FLINC__FILE_PART_REQUEST__WHICH__FILE_NAMED:
        if (q->log_dir == NULL) {
            return error_set(err, ERR_NOT_FOUND, "This task manager writes no log files.");
        }
        TRY(log_files_read(q->log_dir, r->name, r->offset,
                           MIN(r->max_bytes, (uint32_t)TASKMANAGER_FILE_PART_MAX), &data, &total,
                           err));
        break;
    default:
        return error_set(err, ERR_INVALID_ARGUMENT, "an unknown kind of file is asked for");
    }
    Flinc__FilePart *part = MEM_NEW(Flinc__FilePart);
    flinc__file_part__init(part);
    part->total_size = total;
    part->data.len = data.len;
    part->data.data = data.len > 0 ? (uint8_t *)str_take(&data) : NULL;
    q->answer->body_case = FLINC__QUERY_ANSWER__BODY_FILE_PART;
    q->answer->file_part = part;
    return 0;
}

/* ---- stacks; on an executor thread -------------------------------------------------------------- */

static void add_thread(void *arg, const struct stack_dump_thread *thread)
{
    struct vec *threads = arg;
    Flinc__ThreadInfo *info = MEM_NEW(Flinc__ThreadInfo);
    flinc__thread_info__init(info);
    info->name = mem_strdup(thread->name);
    info->text = mem_strdup(thread->text);
    vec_push_ptr(threads, info);
}

static int query_own_stacks(struct query *q, struct error *err)
{
    struct vec threads = VEC_INIT(Flinc__ThreadInfo *);
    TRY(stack_dump_all(add_thread, &threads, err));
    Flinc__ThreadDump *d = MEM_NEW(Flinc__ThreadDump);
    flinc__thread_dump__init(d);
    d->n_threads = threads.len;
    d->threads = threads.data; /* heap memory, taken over */
    q->answer->body_case = FLINC__QUERY_ANSWER__BODY_THREAD_DUMP;
    q->answer->thread_dump = d;
    return 0;
}

/* ---- workers ------------------------------------------------------------------------------------ */

/* Moves what is behind `theirs` to the end of `ours`. */
static void join_links(void ***ours, size_t *n_ours, void ***theirs, size_t *n_theirs)
{
    if (*n_theirs == 0) {
        return;
    }
    *ours = mem_realloc(*ours, (*n_ours + *n_theirs) * sizeof(void *));
    memcpy(*ours + *n_ours, *theirs, *n_theirs * sizeof(void *));
    *n_ours += *n_theirs;
    *n_theirs = 0;
}

static void query_stop_asking(struct query *q)
{
    struct vec *asking = &q->tm->asking;
    for (size_t i = 0; i < asking->len; i++) {
        if (vec_ptr(asking, i) == q) {
            vec_remove_swap(asking, i);
            return;
        }
    }
}

void tm_queries_end(struct taskmanager *tm)
{
    for (size_t i = 0; i < tm->asking.len; i++) {
        query_free(vec_ptr(&tm->asking, i));
    }
    vec_fini(&tm->asking);
}

/* The answer of the workers joins ours; one of another kind, or none, leaves ours alone. */
static void on_workers_answer(void *arg, Flinc__QueryAnswer *take_answer)
{
    struct query *q = arg;
    Flinc__QueryAnswer *ours = q->answer;
    query_stop_asking(q);
    if (ours->body_case == FLINC__QUERY_ANSWER__BODY_METRICS) {
        bool answered = take_answer != NULL && take_answer->body_case == ours->body_case;
        tm_worker_metrics_take(q->tm, answered ? take_answer->metrics : NULL);
        tm_metrics_append_dump(q->tm, ours->metrics);
    }
    if (take_answer != NULL && take_answer->body_case == ours->body_case) {
        if (ours->body_case == FLINC__QUERY_ANSWER__BODY_THREAD_DUMP) {
            Flinc__ThreadDump *a = ours->thread_dump, *b = take_answer->thread_dump;
            join_links((void ***)&a->threads, &a->n_threads, (void ***)&b->threads, &b->n_threads);
        } else if (ours->body_case == FLINC__QUERY_ANSWER__BODY_METRICS) {
            Flinc__MetricDump *a = ours->metrics, *b = take_answer->metrics;
            join_links((void ***)&a->groups, &a->n_groups, (void ***)&b->groups, &b->n_groups);
        }
    }
    if (take_answer != NULL) {
        rpc_message_free(&take_answer->base);
    }
    query_reply(q);
}

static void query_ask_workers(struct query *q)
{
    struct taskmanager *tm = q->tm;
    if (tm_state(tm) != TASKMANAGER_REGISTERED) { /* nobody waits any more */
        query_reply(q);
        return;
    }
    vec_push_ptr(&tm->asking, q);
    tm->ops->query(tm->host, q->query, TASKMANAGER_QUERY_TIMEOUT_MS, on_workers_answer, q);
}

/* ---- on the executor, and back ------------------------------------------------------------------ */

static int query_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct query *q = arg;
    switch (q->query->body_case) {
    case FLINC__QUERY__BODY_LOG_LIST:
        return query_log_list(q, err);
    case FLINC__QUERY__BODY_FILE_PART:
        return query_file_part(q, err);
    default:
        return query_own_stacks(q, err);
    }
}

static void query_done(void *target, void *arg, int rc, const struct error *err)
{
    struct query *q = arg;
    if (rc < 0) {
        query_fail(q, err);
    } else if (q->query->body_case == FLINC__QUERY__BODY_THREAD_DUMP) {
        query_ask_workers(q);
    } else {
        query_reply(q);
    }
}

static void query_submit(struct query *q)
{
    struct error err = ERROR_INIT;
    const struct executor_job job = {
        .name = "query of the job manager",
        .run = query_run,
        .done = query_done,
        .target = q->tm,
        .arg = q,
        .drop = query_free,
        .reply_to = component_mailbox(q->tm->component),
        .reply_lane = MAILBOX_LANE_DATA,
        .reply_kind = MANAGER_OP_QUERY_DONE,
    };
    if (executor_submit(q->tm->options.io_executor, &job, &err) < 0) {
        query_fail(q, &err);
    }
}

/* ---- at once ------------------------------------------------------------------------------------ */

static void query_metrics(struct query *q)
{
    Flinc__MetricDump *dump = MEM_NEW(Flinc__MetricDump);
    flinc__metric_dump__init(dump);
    dump->timestamp_ms = clock_now_ms(q->tm->clock);
    q->answer->body_case = FLINC__QUERY_ANSWER__BODY_METRICS;
    q->answer->metrics = dump;
    query_ask_workers(q);
}

static char *command_line_option(size_t i)
{
    static const char *const names[] = {"FLINK_CONF_DIR", "FLINK_LOG_DIR", "FLINC_LOG_FILE",
                                        "FLINC_OUT_FILE"};
    const char *value = i < ARRAY_LEN(names) ? getenv(names[i]) : NULL;
    STR_AUTO text = STR_INIT;
    if (i >= ARRAY_LEN(names)) {
        return NULL;
    }
    str_printf(&text, "%s=%s", names[i], value != NULL ? value : "");
    return str_take(&text);
}

static void query_environment(struct query *q)
{
    struct utsname system;
    STR_AUTO version = STR_INIT;
    Flinc__Environment *e = MEM_NEW(Flinc__Environment);
    flinc__environment__init(e);
    bool known = uname(&system) == 0;
    str_printf(&version, "Flinc %s (native)", FLINC_VERSION);
    e->version = str_take(&version);
    e->arch = mem_strdup(known ? system.machine : "unknown");
    e->options = MEM_NEW_ARRAY(char *, 8);
    for (char *option; e->n_options < 8 && (option = command_line_option(e->n_options)) != NULL;) {
        e->options[e->n_options++] = option;
    }
    q->answer->body_case = FLINC__QUERY_ANSWER__BODY_ENVIRONMENT;
    q->answer->environment = e;
    query_reply(q);
}

void tm_queries_on_query(struct taskmanager *tm, Flinc__MasterToTaskManager *take_message)
{
    struct query *q = query_new(tm, take_message);
    struct error err = ERROR_INIT;
    if (++tm->n_queries > TASKMANAGER_QUERIES_MAX) {
        error_set(&err, ERR_LIMIT, "%d queries of this task manager are under way",
                  TASKMANAGER_QUERIES_MAX);
        query_fail(q, &err);
        return;
    }
    switch (q->query->body_case) {
    case FLINC__QUERY__BODY_LOG_LIST:
    case FLINC__QUERY__BODY_FILE_PART:
    case FLINC__QUERY__BODY_THREAD_DUMP:
        query_submit(q);
        break;
    case FLINC__QUERY__BODY_METRICS:
        query_metrics(q);
        break;
    case FLINC__QUERY__BODY_ENVIRONMENT:
        query_environment(q);
        break;
    default:
        error_set(&err, ERR_UNSUPPORTED, "this task manager does not know that query");
        query_fail(q, &err);
        break;
    }
}
