/* Queries: log files, stdout, stacks, metrics, environment; what is not there, and too many at once. */
#include "common/process/stack_dump.h"
#include "taskmanager/manager/taskmanager_internal.h"
#include "tests/unit/taskmanager_manager/world.h"

#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct log_dir {
    char path[64], log[128], out[128], secret[64];
};

static void write_file(const char *path, const char *text)
{
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void log_dir_init(struct log_dir *d)
{
    strcpy(d->path, "/tmp/flinc-test-logs-XXXXXX");
    assert_non_null(mkdtemp(d->path));
    strcpy(d->secret, "/tmp/flinc-test-secret-XXXXXX");
    int fd = mkstemp(d->secret);
    assert_true(fd >= 0);
    close(fd);
    write_file(d->secret, "secret");
    snprintf(d->log, sizeof(d->log), "%s/taskmanager.log", d->path);
    snprintf(d->out, sizeof(d->out), "%s/taskmanager.out", d->path);
    write_file(d->log, "0123456789");
    write_file(d->out, "");
    char link[128], folder[128];
    snprintf(link, sizeof(link), "%s/link", d->path);
    snprintf(folder, sizeof(folder), "%s/folder", d->path);
    assert_int_equal(symlink(d->secret, link), 0);
    assert_int_equal(mkdir(folder, 0700), 0);
}

static void log_dir_fini(struct log_dir *d)
{
    char path[128];
    unlink(d->log);
    unlink(d->out);
    unlink(d->secret);
    snprintf(path, sizeof(path), "%s/link", d->path);
    unlink(path);
    snprintf(path, sizeof(path), "%s/folder", d->path);
    rmdir(path);
    rmdir(d->path);
}

/* After world_start(): what the identity says of the logs. */
static void set_logs(struct world *w, const struct log_dir *d)
{
    w->tm->identity.log_dir = d->path;
    w->tm->identity.log_file = d->log;
    w->tm->identity.out_file = d->out;
}

static uint64_t query_ids;

static Flinc__QueryAnswer *ask(struct world *w, Flinc__Query *q)
{
    MASTER_MESSAGE(m, QUERY);
    world_forget(w);
    q->query_id = ++query_ids;
    m.query = q;
    master_send(w, &m);
    world_settle(w);
    assert_int_equal(world_count(w, BODY(ANSWER)), 1);
    Flinc__QueryAnswer *a = world_last(w, BODY(ANSWER))->answer;
    assert_int_equal(a->query_id, query_ids);
    return a;
}

static Flinc__QueryAnswer *ask_part(struct world *w, int which, const char *name, uint64_t offset,
                                    uint32_t max)
{
    Flinc__Query q = FLINC__QUERY__INIT;
    Flinc__FilePartRequest r = FLINC__FILE_PART_REQUEST__INIT;
    q.body_case = FLINC__QUERY__BODY_FILE_PART;
    q.file_part = &r;
    r.which = (Flinc__FilePartRequest__Which)which;
    r.name = (char *)name;
    r.offset = offset;
    r.max_bytes = max;
    return ask(w, &q);
}

static void assert_part(const Flinc__QueryAnswer *a, const char *text)
{
    assert_null(a->error);
    assert_int_equal(a->file_part->total_size, 10);
    assert_int_equal(a->file_part->data.len, strlen(text));
    assert_memory_equal(a->file_part->data.data, text, strlen(text));
}

static void log_files(void **state)
{
    struct world w;
    struct log_dir d;
    log_dir_init(&d);
    world_init(&w, "1");
    world_start(&w);
    set_logs(&w, &d);
    Flinc__Query q = FLINC__QUERY__INIT;
    Flinc__LogListRequest list = FLINC__LOG_LIST_REQUEST__INIT;
    q.body_case = FLINC__QUERY__BODY_LOG_LIST;
    q.log_list = &list;
    Flinc__QueryAnswer *a = ask(&w, &q);
    assert_int_equal(a->log_list->n_files, 2);
    assert_string_equal(a->log_list->files[0]->name, "taskmanager.log");
    assert_int_equal(a->log_list->files[0]->size, 10);
    assert_true(a->log_list->files[0]->mtime_ms > 0);
    assert_part(ask_part(&w, 0, "", 0, 100), "0123456789");
    assert_part(ask_part(&w, 0, "", 3, 4), "3456");
    assert_part(ask_part(&w, 2, "taskmanager.log", 8, 100), "89");
    assert_part(ask_part(&w, 2, "taskmanager.log", UINT64_MAX, 100), "");
    a = ask_part(&w, 1, "", 0, 100);
    assert_null(a->error);
    assert_int_equal(a->file_part->total_size, 0);
    static const char *const bad[] = {"",  ".",    "..",     "../etc/passwd",    "/etc/passwd",
                                      "x", "link", "folder", "./taskmanager.log"};
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        a = ask_part(&w, 2, bad[i], 0, 100);
        assert_int_equal(a->error->code, ERR_NOT_FOUND);
        assert_null(strstr(a->error->message, d.path));
    }
    assert_int_equal(ask_part(&w, 7, "", 0, 100)->error->code, ERR_INVALID_ARGUMENT);
    world_fini(&w);
    log_dir_fini(&d);
}

static void without_log_files(void **state)
{
    struct world w;
    world_init(&w, "1");
    world_start(&w);
    Flinc__Query q = FLINC__QUERY__INIT;
    Flinc__LogListRequest list = FLINC__LOG_LIST_REQUEST__INIT;
    q.body_case = FLINC__QUERY__BODY_LOG_LIST;
    q.log_list = &list;
    assert_non_null(strstr(ask(&w, &q)->error->message, "bin/taskmanager.sh"));
    Flinc__QueryAnswer *a = ask_part(&w, 1, "", 0, 100);
    assert_int_equal(a->error->code, ERR_NOT_FOUND);
    assert_non_null(strstr(a->error->message, "stdout"));
    Flinc__Query none = FLINC__QUERY__INIT;
    assert_int_equal(ask(&w, &none)->error->code, ERR_UNSUPPORTED);
    world_fini(&w);
}

static void metrics_of_it_and_its_workers(void **state)
{
    struct world w;
    world_init(&w, "2");
    world_start(&w);
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    Flinc__Query q = FLINC__QUERY__INIT;
    Flinc__MetricsRequest r = FLINC__METRICS_REQUEST__INIT;
    q.body_case = FLINC__QUERY__BODY_METRICS;
    q.metrics = &r;
    Flinc__MetricDump *dump = ask(&w, &q)->metrics;
    assert_int_equal(dump->timestamp_ms, clock_now_ms(&w.clock.base));
    assert_int_equal(dump->n_groups, 2);
    assert_int_equal(dump->groups[0]->scope, FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK_MANAGER);
    assert_int_equal(dump->groups[1]->scope, FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK);
    int64_t used = -1, total = -1, refused = -1;
    for (size_t i = 0; i < dump->groups[0]->n_samples; i++) {
        const Flinc__MetricSample *s = dump->groups[0]->samples[i];
        used = strcmp(s->name, "Status.Flink.Memory.Managed.Used") == 0 ? s->integer : used;
        total = strcmp(s->name, "Status.Flink.Memory.Managed.Total") == 0 ? s->integer : total;
        refused = strcmp(s->name, "Status.DataPort.Refused") == 0 ? s->integer : refused;
    }
    assert_int_equal(refused, 3); /* of the worker host */
    assert_int_equal(total, 536870920);
    assert_int_equal(used, 536870920 / 2);
    world_fini(&w);
}

struct scrape_run {
    struct prometheus_source source;
    _Atomic bool done;
    uint32_t n_samples;
    int64_t gauge, count;
    double p99;
};

static void on_sample(void *arg, const struct prometheus_sample *s)
{
    struct scrape_run *run = arg;
    assert_string_equal(s->scope, "taskmanager.job.task.buffers");
    assert_int_equal(s->n_variables, 1);
    assert_string_equal(s->variables[0].value, "Map");
    run->n_samples++;
    if (s->histogram != NULL) {
        assert_string_equal(s->metric, "waits");
        run->count = s->value.i64;
        run->p99 = s->histogram->p99;
    } else {
        assert_string_equal(s->metric, "inputQueueLength");
        run->gauge = s->value.i64;
    }
}

static void *scrape(void *arg)
{
    struct scrape_run *run = arg;
    run->source.visit(run->source.arg, on_sample, run);
    atomic_store(&run->done, true);
    return NULL;
}

static void scrapes_of_workers(void **state)
{
    struct world w;
    pthread_t reporter;
    world_init(&w, "2");
    world_start(&w);
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    struct scrape_run run = {.source = taskmanager_metrics_source(w.tm)};
    assert_int_equal(pthread_create(&reporter, NULL, scrape, &run), 0);
    while (!atomic_load(&run.done)) {
        world_settle(&w);
        sched_yield();
    }
    pthread_join(reporter, NULL);
    assert_int_equal(run.n_samples, 2);
    assert_int_equal(run.gauge, 42);
    assert_int_equal(run.count, 7);
    assert_true(run.p99 == 99);

    /* A task manager that has stopped has nothing to say. */
    struct scrape_run late = {.source = run.source};
    taskmanager_stop(w.tm);
    (void)scrape(&late);
    assert_int_equal(late.n_samples, 0);
    world_fini(&w);
}

static void environment_of_it(void **state)
{
    struct world w;
    world_init(&w, "1");
    world_start(&w);
    Flinc__Query q = FLINC__QUERY__INIT;
    Flinc__EnvironmentRequest r = FLINC__ENVIRONMENT_REQUEST__INIT;
    q.body_case = FLINC__QUERY__BODY_ENVIRONMENT;
    q.environment = &r;
    Flinc__Environment *e = ask(&w, &q)->environment;
    assert_non_null(strstr(e->version, FLINC_VERSION));
    assert_true(strlen(e->arch) > 0 && e->n_options > 0);
    world_fini(&w);
}

static void stacks_of_it_and_its_workers(void **state)
{
    struct world w;
    struct error err = ERROR_INIT;
    assert_int_equal(stack_dump_install(&err), 0);
    world_init(&w, "2");
    world_start(&w);
    master_request_slot(&w, 0, 1, 1);
    world_settle(&w);
    Flinc__Query q = FLINC__QUERY__INIT;
    Flinc__ThreadDumpRequest r = FLINC__THREAD_DUMP_REQUEST__INIT;
    q.body_case = FLINC__QUERY__BODY_THREAD_DUMP;
    q.thread_dump = &r;
    Flinc__ThreadDump *dump = ask(&w, &q)->thread_dump;
    assert_true(dump->n_threads >= 2);
    assert_string_equal(dump->threads[dump->n_threads - 1]->name, "worker");
    bool found = false;
    for (size_t i = 0; i + 1 < dump->n_threads; i++) {
        found |= strstr(dump->threads[i]->text, "\tat ") != NULL;
    }
    assert_true(found);
    world_fini(&w);
}

static void too_many_at_once(void **state)
{
    struct world w;
    world_init(&w, "1");
    world_start(&w);
    MASTER_MESSAGE(m, QUERY);
    Flinc__Query q = FLINC__QUERY__INIT;
    Flinc__LogListRequest list = FLINC__LOG_LIST_REQUEST__INIT;
    q.body_case = FLINC__QUERY__BODY_LOG_LIST;
    q.log_list = &list;
    m.query = &q;
    for (int i = 0; i < TASKMANAGER_QUERIES_MAX + 1; i++) {
        master_send(&w, &m);
    }
    component_run_until_idle(taskmanager_component(w.tm), 0); /* the executor has not run yet */
    mailbox_run(w.mailbox, 1000);
    assert_int_equal(world_count(&w, BODY(ANSWER)), 1);
    assert_int_equal(world_last(&w, BODY(ANSWER))->answer->error->code, ERR_LIMIT);
    world_settle(&w);
    assert_int_equal(world_count(&w, BODY(ANSWER)), TASKMANAGER_QUERIES_MAX + 1);
    /* Those under way when it ends are dropped. */
    master_send(&w, &m);
    component_run_until_idle(taskmanager_component(w.tm), 0);
    Flinc__MetricsRequest metrics = FLINC__METRICS_REQUEST__INIT;
    q.body_case = FLINC__QUERY__BODY_METRICS;
    q.metrics = &metrics;
    w.host.flags |= FAKE_HOST_MUTE;
    master_send(&w, &m);
    component_run_until_idle(taskmanager_component(w.tm), 0);
    world_fini(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(log_files),
        cmocka_unit_test(without_log_files),
        cmocka_unit_test(metrics_of_it_and_its_workers),
        cmocka_unit_test(scrapes_of_workers),
        cmocka_unit_test(environment_of_it),
        cmocka_unit_test(stacks_of_it_and_its_workers),
        cmocka_unit_test(too_many_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
