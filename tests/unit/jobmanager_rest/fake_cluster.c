/* The fakes behind the REST server; see fake_cluster.h.  They stand in for the rooms' functions by their
 * names, so that the linker takes none of the real ones. */
#include "tests/unit/jobmanager_rest/fake_cluster.h"
#include "common/process/stack_dump.h"
#include "engine/graph/job_graph.h"
#include <fcntl.h>
#include <ftw.h>
#include <stdlib.h>
#include <unistd.h>

static struct fake_cluster *fake; /* the one that runs */

/* ---- dispatcher ----------------------------------------------------------------------------------- */

static void fill_overview(struct job_overview *o, const char *id, enum job_status status)
{
    memset(o, 0, sizeof(*o));
    o->id = fixture_id(id);
    snprintf(o->name, sizeof(o->name), "two");
    o->status = status;
    o->start_ms = STARTED_MS;
    o->end_ms = status == JOB_STATUS_RUNNING ? 0 : STARTED_MS + 2000;
    o->last_modification_ms = STARTED_MS + 2000;
    o->tasks_total = 4;
    o->tasks_by_state[FLINC__EXECUTION_STATE__EXECUTION_RUNNING] = 4;
}

void dispatcher_get_overviews(struct dispatcher *d, struct job_overviews *overviews)
{
    uint32_t n = fake->jobs + 1;
    overviews->items = mem_realloc(overviews->items, n * sizeof(struct job_overview));
    overviews->n = overviews->cap = n;
    for (uint32_t i = 0; i < n; i++) {
        fill_overview(&overviews->items[i], i < fake->jobs ? JOB_ID : ENDED_JOB_ID,
                      i < fake->jobs ? JOB_STATUS_RUNNING : JOB_STATUS_FINISHED);
    }
}

void job_overviews_fini(struct job_overviews *overviews)
{
    mem_free(overviews->items);
}

static bool known(const struct flinc_id *id, enum job_status *ret)
{
    struct flinc_id running = fixture_id(JOB_ID), ended = fixture_id(ENDED_JOB_ID);
    *ret = id_eq(id, &running) ? JOB_STATUS_RUNNING : JOB_STATUS_FINISHED;
    return id_eq(id, &running) || id_eq(id, &ended);
}

bool dispatcher_get_overview(struct dispatcher *d, const struct flinc_id *job_id,
                             struct job_overview *ret)
{
    enum job_status status;
    if (!known(job_id, &status)) {
        return false;
    }
    fill_overview(ret, status == JOB_STATUS_RUNNING ? JOB_ID : ENDED_JOB_ID, status);
    return true;
}

uint64_t dispatcher_version(const struct dispatcher *d)
{
    return 1;
}

void dispatcher_get_counts(struct dispatcher *d, struct job_counts *ret)
{
    *ret = (struct job_counts){.running = 1, .finished = 1};
}

int dispatcher_get_details(struct dispatcher *d, const struct flinc_id *job_id, int64_t timeout_ms,
                           const struct job_details **ret, struct error *err)
{
    enum job_status status;
    if (!known(job_id, &status)) {
        return error_set(err, ERR_NOT_FOUND, "Job not found");
    }
    *ret = fixture_job(status);
    return 0;
}

int dispatcher_set_requirements(struct dispatcher *d, const struct flinc_id *job_id,
                                const struct job_requirement *requirements, size_t n,
                                struct error *err)
{
    return error_set(err, ERR_UNSUPPORTED, "The DefaultScheduler cannot");
}

int dispatcher_ask_coordinator(struct dispatcher *d, const struct flinc_id *job_id,
                               const struct coordination_ask *ask, struct str *ret_answer,
                               struct error *err)
{
    enum job_status status;
    if (!known(job_id, &status)) {
        return error_set(err, ERR_NOT_FOUND, "Job not found");
    }
    str_append_slice(ret_answer, ask->request); /* bounded, as the job would see it */
    return 0;
}

int dispatcher_client_heartbeat(struct dispatcher *d, const struct flinc_id *job_id,
                                int64_t expires_ms, struct error *err)
{
    enum job_status status;
    return known(job_id, &status) ? 0 : error_set(err, ERR_NOT_FOUND, "Job not found");
}

int dispatcher_cancel(struct dispatcher *d, const struct flinc_id *job_id, struct error *err)
{
    enum job_status status;
    if (!known(job_id, &status)) {
        return error_set(err, ERR_NOT_FOUND, "Job not found");
    }
    if (status == JOB_STATUS_FINISHED) {
        return error_set(err, ERR_STATE, "it has ended");
    }
    atomic_fetch_add(&fake->n_cancelled, 1);
    return 0;
}

/* Each ends at once: checkpoint 7, or a savepoint in the folder that was asked for; /full fails. */
int dispatcher_trigger_checkpoint(struct dispatcher *d, const struct flinc_id *job_id,
                                  enum checkpoint_type type, checkpoint_done_fn done, void *arg,
                                  struct error *err)
{
    struct checkpoint_result result = {.checkpoint_id = 7, .path = CHECKPOINT_NO_PATH};
    if (fake->checkpoint_fails) {
        return error_set(err, ERR_CLOSED, "the job has ended");
    }
    fake->checkpoint_type = type;
    done(arg, &result);
    return 0;
}

int dispatcher_trigger_savepoint(struct dispatcher *d, const struct flinc_id *job_id,
                                 const struct savepoint_request *request, checkpoint_done_fn done,
                                 void *arg, struct error *err)
{
    STR_AUTO path = STR_INIT;
    struct checkpoint_result result = {.checkpoint_id = 8};
    fake->savepoint = *request;
    fake->savepoint.directory = NULL;
    str_printf(&path, "%s/savepoint-1", request->directory);
    result.path = str_cstr(&path);
    if (strcmp(request->directory, "/full") == 0) {
        result.rc = error_set(&result.error, ERR_NO_SPACE, "/full: No space left on device");
        result.path = NULL;
    }
    done(arg, &result);
    return 0;
}

int dispatcher_submit_sync(struct dispatcher *d, struct job_submission *take, int64_t timeout_ms,
                           struct error *err)
{
    atomic_fetch_add(&fake->n_submitted, 1);
    job_submission_fini(take, fake->blobs);
    return 0;
}

void job_submission_fini(struct job_submission *s, struct blob_store *blobs)
{
    for (uint32_t i = 0; i < s->n_blobs; i++) {
        blob_store_unref(blobs, &s->blobs[i]);
    }
    mem_free(s->blobs);
    flinc__job_graph__free_unpacked(s->graph, NULL);
}

/* ---- resource manager ----------------------------------------------------------------------------- */

static struct slot_usage usage = {.n_slots = 1, .n_tasks = 2};

const struct taskmanager_list *resourcemanager_list(struct resourcemanager *rm)
{
    struct taskmanager_list *list = MEM_NEW(struct taskmanager_list);
    list->refs = 1;
    list->n = 2;
    list->items = MEM_NEW_ARRAY(struct taskmanager_details, 2);
    for (uint32_t i = 0; i < 2; i++) {
        struct taskmanager_details *t = &list->items[i];
        t->id = (char *)(i == 0 ? TM_1 : TM_2);
        t->host = t->rpc_address = t->data_address = (char *)"tm";
        t->n_slots = 2;
        t->n_free = 1;
        t->usages = &usage;
        t->n_usages = 1;
        flinc__resource_profile__init(&t->slot_profile);
        flinc__resource_profile__init(&t->total_profile);
        flinc__resource_profile__init(&t->free_profile);
        flinc__memory_configuration__init(&t->memory);
        flinc__hardware_description__init(&t->hardware);
    }
    return list;
}

void taskmanager_list_unref(const struct taskmanager_list *list)
{
    mem_free(list->items);
    mem_free((struct taskmanager_list *)list);
}

void resourcemanager_get_overview(struct resourcemanager *rm, struct resource_overview *ret)
{
    *ret = (struct resource_overview){2, 4, 2};
}

/* A file of 2.5 MB whose bytes are its offsets. */
enum { FAKE_FILE_BYTES = 2621440 };

static int answer_part(const Flinc__FilePartRequest *part, Flinc__QueryAnswer *a, struct error *err)
{
    if (part->which == FLINC__FILE_PART_REQUEST__WHICH__FILE_STDOUT ||
        (part->which == FLINC__FILE_PART_REQUEST__WHICH__FILE_NAMED &&
         strcmp(part->name, "tm.log") != 0)) {
        return error_set(err, ERR_NOT_FOUND, "there is no such file");
    }
    size_t n = part->offset < FAKE_FILE_BYTES ? FAKE_FILE_BYTES - (size_t)part->offset : 0;
    n = MIN(n, (size_t)part->max_bytes);
    a->body_case = FLINC__QUERY_ANSWER__BODY_FILE_PART;
    a->file_part = malloc(sizeof(*a->file_part));
    flinc__file_part__init(a->file_part);
    a->file_part->total_size = FAKE_FILE_BYTES;
    a->file_part->data.data = malloc(n + 1);
    a->file_part->data.len = n;
    for (size_t i = 0; i < n; i++) {
        a->file_part->data.data[i] = (uint8_t)('a' + (part->offset + i) % 23);
    }
    return 0;
}

static void answer_logs(Flinc__QueryAnswer *a)
{
    a->body_case = FLINC__QUERY_ANSWER__BODY_LOG_LIST;
    a->log_list = malloc(sizeof(*a->log_list));
    flinc__log_list__init(a->log_list);
    a->log_list->files = malloc(sizeof(Flinc__LogFile *));
    a->log_list->n_files = 1;
    a->log_list->files[0] = malloc(sizeof(Flinc__LogFile));
    flinc__log_file__init(a->log_list->files[0]);
    a->log_list->files[0]->name = strdup("tm.log");
    a->log_list->files[0]->size = FAKE_FILE_BYTES;
}

static void answer_threads(Flinc__QueryAnswer *a)
{
    a->body_case = FLINC__QUERY_ANSWER__BODY_THREAD_DUMP;
    a->thread_dump = malloc(sizeof(*a->thread_dump));
    flinc__thread_dump__init(a->thread_dump);
    a->thread_dump->threads = malloc(sizeof(Flinc__ThreadInfo *));
    a->thread_dump->n_threads = 1;
    a->thread_dump->threads[0] = malloc(sizeof(Flinc__ThreadInfo));
    flinc__thread_info__init(a->thread_dump->threads[0]);
    a->thread_dump->threads[0]->name = strdup("main");
    a->thread_dump->threads[0]->text = strdup("\"main\" Id=1 RUNNABLE\n");
}

static Flinc__QueryAnswer *answer_metrics(void)
{
    Flinc__QueryAnswer *a = malloc(sizeof(*a));
    Flinc__MetricDump *d = malloc(sizeof(*d));
    Flinc__MetricGroupDump *g = malloc(sizeof(*g));
    Flinc__MetricSample *m = malloc(sizeof(*m));
    struct flinc_id job = fixture_id(JOB_ID), vertex = fixture_id(SOURCE_ID);
    flinc__query_answer__init(a);
    flinc__metric_dump__init(d);
    flinc__metric_group_dump__init(g);
    flinc__metric_sample__init(m);
    a->body_case = FLINC__QUERY_ANSWER__BODY_METRICS;
    a->metrics = d;
    d->groups = malloc(sizeof(g));
    d->groups[0] = g;
    d->n_groups = 1;
    g->scope = FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK;
    g->job_id = (ProtobufCBinaryData){16, memcpy(malloc(16), job.bytes, 16)};
    g->vertex_id = (ProtobufCBinaryData){16, memcpy(malloc(16), vertex.bytes, 16)};
    g->samples = malloc(sizeof(m));
    g->samples[0] = m;
    g->n_samples = 1;
    m->name = strdup("backPressuredTimeMsPerSecond");
    m->value_case = FLINC__METRIC_SAMPLE__VALUE_INTEGER;
    m->integer = 600;
    return a;
}

int resourcemanager_query(struct resourcemanager *rm, const char *tm_id, Flinc__Query *query,
                          int64_t timeout_ms, Flinc__QueryAnswer **ret_answer, struct error *err)
{
    if (strcmp(tm_id, TM_1) != 0) {
        return strcmp(tm_id, TM_2) == 0
                   ? error_set(err, ERR_TIMEOUT, "the task manager does not answer")
                   : error_set(err, ERR_NOT_FOUND, "no such task manager");
    }
    Flinc__QueryAnswer *a = malloc(sizeof(*a));
    flinc__query_answer__init(a);
    int rc = 0;
    switch (query->body_case) {
    case FLINC__QUERY__BODY_FILE_PART:
        rc = answer_part(query->file_part, a, err);
        break;
    case FLINC__QUERY__BODY_LOG_LIST:
        answer_logs(a);
        break;
    case FLINC__QUERY__BODY_THREAD_DUMP:
        answer_threads(a);
        break;
    default:
        break;
    }
    if (rc < 0) {
        flinc__query_answer__free_unpacked(a, NULL);
        return rc;
    }
    *ret_answer = a;
    return 0;
}

void resourcemanager_query_all(struct resourcemanager *rm, Flinc__Query *query, int64_t timeout_ms,
                               const struct taskmanager_list *list,
                               Flinc__QueryAnswer **ret_answers)
{
    atomic_fetch_add(&fake->n_queries, 1);
    for (uint32_t i = 0; i < list->n; i++) {
        ret_answers[i] = i == 0 ? answer_metrics() : NULL;
    }
}

/* ---- builder -------------------------------------------------------------------------------------- */

int job_builder_run(struct job_builder *b, const Flinc__BuildRequest *request,
                    struct cancel_token *cancel, Flinc__BuildAnswer **ret_answer, struct error *err)
{
    return error_set(err, ERR_USER_CODE, "main of %s failed", request->bundle_name);
}

/* ---- server --------------------------------------------------------------------------------------- */

static void on_shutdown(void *owner)
{
    atomic_fetch_add(&((struct fake_cluster *)owner)->n_shutdowns, 1);
}

static bool has_leader(void *owner)
{
    return !atomic_load(&((struct fake_cluster *)owner)->leaderless);
}

static void write_text(const char *path, const char *text)
{
    int fd = open(path, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

void fake_cluster_start(struct fake_cluster *c, const char *const *settings)
{
    char log_file[112];
    struct error err = ERROR_INIT;
    memset(c, 0, sizeof(*c));
    c->jobs = 1;
    fake = c;
    assert_int_equal(stack_dump_install(NULL), 0);
    snprintf(c->dir, sizeof(c->dir), "/tmp/rest-server-XXXXXX");
    assert_non_null(mkdtemp(c->dir));
    STR_AUTO uploads = STR_INIT;
    str_printf(&uploads, "%s/uploads", c->dir);
    snprintf(c->log_dir, sizeof(c->log_dir), "%s/log", c->dir);
    assert_int_equal(mkdir(c->log_dir, 0700), 0);
    snprintf(log_file, sizeof(log_file), "%s/jm.log", c->log_dir);
    write_text(log_file, "a line of the log\n");
    conf_init(&c->conf, NULL);
    assert_int_equal(conf_set(&c->conf, "rest.bind-port", "0", NULL), 0);
    assert_int_equal(conf_set(&c->conf, "rest.bind-address", "127.0.0.1", NULL), 0);
    assert_int_equal(conf_set(&c->conf, "security.ssl.key-password", FAKE_SECRET, NULL), 0);
    for (; settings != NULL && settings[0] != NULL; settings += 2) {
        assert_int_equal(conf_set(&c->conf, settings[0], settings[1], NULL), 0);
    }
    assert_int_equal(blob_store_open(&(struct blob_store_options){.dir = c->dir}, &c->blobs, NULL),
                     0);
    assert_int_equal(metric_registry_new(&(struct metric_registry_options){0}, &c->metrics, NULL),
                     0);
    c->group = metric_group_new(c->metrics, NULL, METRIC_SCOPE_JM, NULL, 0);
    metric_counter_add(metric_group_counter(c->group, "numRunningJobs"), 3);
    c->operations = checkpoint_operations_new(&clock_system, 60000);
    const struct rest_options options = {
        .conf = &c->conf,
        .dispatcher = (struct dispatcher *)c, /* the fakes do not look at them */
        .resourcemanager = (struct resourcemanager *)c,
        .builder = (struct job_builder *)c,
        .blobs = c->blobs,
        .operations = c->operations,
        .metrics = c->metrics,
        .upload_dir = str_cstr(&uploads),
        .log_dir = c->log_dir,
        .log_file = log_file,
        .on_shutdown = on_shutdown,
        .has_leader = has_leader,
        .owner = c,
    };
    if (rest_server_start(&options, &c->server, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    return remove(path);
}

void fake_cluster_stop(struct fake_cluster *c)
{
    c->server = rest_server_stop(c->server);
    c->operations = checkpoint_operations_free(c->operations);
    metric_group_free(c->group);
    metric_registry_free(c->metrics);
    blob_store_close(c->blobs);
    conf_fini(&c->conf);
    nftw(c->dir, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}
