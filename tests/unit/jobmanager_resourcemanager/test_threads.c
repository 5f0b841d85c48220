/* The resource manager and job masters on their own threads, fake task managers on theirs, and others who look
 * and ask all the time: for the thread sanitizer, and for the end of jobs while everybody is busy. */
#include "common/base/thread.h"
#include "tests/unit/jobmanager_resourcemanager/world.h"
#include <sched.h>

enum { ROUNDS = 15, TMS = 2, JOBS = 3 };

struct threads {
    struct world w;
    pthread_t tms[TMS], watcher;
    _Atomic bool stopping;
    _Atomic uint32_t n_running, n_ended;
    struct event_count changed;
    struct threads_job {
        struct threads *t;
        struct jobmaster *jm;
        Flinc__JobGraph *graph;
        struct flinc_id id, token;
    } jobs[JOBS];
};

static void *tm_main(void *arg)
{
    struct fake_tm *t = arg;
    struct event_count *event = mailbox_event(t->mailbox);
    struct mailbox_op op;
    while (!mailbox_is_closed(t->mailbox)) {
        uint32_t ticket = event_count_prepare(event);
        if (mailbox_poll(t->mailbox, &op)) {
            event_count_cancel(event);
            mailbox_op_run(&op);
        } else {
            event_count_wait(event, ticket, -1);
        }
    }
    return NULL;
}

/* ---- what others do to a task manager, on its thread ---------------------------------------------- */

static void run_connect(void *target, void *payload)
{
    fake_tm_connect(target, NULL);
}

static void run_break(void *target, void *payload)
{
    struct fake_tm *t = target;
    rpc_channel_close(t->channel); /* and back at once */
    fake_tm_connect(t, NULL);
}

static void run_die(void *target, void *payload)
{
    fake_tm_die(target);
    fake_tm_connect(target, NULL);
}

static void run_stop(void *target, void *payload)
{
    fake_tm_die(target);
    mailbox_close(((struct fake_tm *)target)->mailbox);
}

static void tell(struct fake_tm *t, void (*run)(void *, void *))
{
    struct mailbox_op op = {.run = run, .target = t};
    assert_int_equal(mailbox_post_internal(t->mailbox, MAILBOX_LANE_CONTROL, &op), 0);
}

/* ---- jobs -------------------------------------------------------------------------------------------- */

static void on_terminal(void *owner, enum job_status status, const struct error *cause)
{
    struct threads_job *j = owner;
    atomic_fetch_add(&j->t->n_ended, 1);
    event_count_signal(&j->t->changed);
}

static void on_progress(void *owner)
{
    event_count_signal(&((struct threads_job *)owner)->t->changed);
}

static void start_job(struct threads *t, uint32_t i)
{
    static const struct vertex_spec vertices[] = {{"Source", 2, NULL, NULL},
                                                  {"Sink", 2, NULL, NULL}};
    static const struct edge_spec edges[] = {
        {0, 1, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, 0}};
    struct threads_job *j = &t->jobs[i];
    struct error err = ERROR_INIT;
    *j = (struct threads_job){.t = t, .graph = graph_new(vertices, 2, edges, 1)};
    j->graph->job_id.data[15] = (uint8_t)(i + 1);
    fake_copy(&j->id, &j->graph->job_id);
    memset(j->token.bytes, 0x40 + (int)i, sizeof(j->token.bytes));
    struct jobmaster_options o = {.graph = j->graph,
                                  .conf = &t->w.conf,
                                  .fencing_token = j->token,
                                  .seed = 5 + i,
                                  .slots = resourcemanager_slots(t->w.rm),
                                  .on_terminal = on_terminal,
                                  .on_progress = on_progress,
                                  .owner = j};
    assert_int_equal(jobmaster_new(&o, &j->jm, &err), 0);
    resourcemanager_add_job(t->w.rm, &(struct resourcemanager_job){.jm = j->jm,
                                                                   .job_id = j->id,
                                                                   .master_token = j->token,
                                                                   .name = j->graph->name});
    assert_int_equal(jobmaster_start(j->jm, &err), 0);
}

static void wait_until_running(struct threads *t, uint32_t i)
{
    for (;;) {
        uint32_t ticket = event_count_prepare(&t->changed);
        struct job_progress p;
        jobmaster_get_progress(t->jobs[i].jm, &p);
        if (p.tasks_by_state[FLINC__EXECUTION_STATE__EXECUTION_RUNNING] == p.tasks_total) {
            event_count_cancel(&t->changed);
            return;
        }
        event_count_wait(&t->changed, ticket, -1);
    }
}

static void end_job(struct threads *t, uint32_t i)
{
    struct threads_job *j = &t->jobs[i];
    struct error why = ERROR_INIT;
    error_set(&why, ERR_UNAVAILABLE, "the test ends it");
    uint32_t before = atomic_load(&t->n_ended);
    jobmaster_suspend(j->jm, &why);
    while (atomic_load(&t->n_ended) == before) {
        uint32_t ticket = event_count_prepare(&t->changed);
        if (atomic_load(&t->n_ended) != before) {
            event_count_cancel(&t->changed);
        } else {
            event_count_wait(&t->changed, ticket, -1);
        }
    }
    resourcemanager_remove_job(t->w.rm, j->jm);
    j->jm = jobmaster_free(j->jm);
    flinc__job_graph__free_unpacked(j->graph, NULL);
}

/* ---- who looks ------------------------------------------------------------------------------------------ */

static void *watcher_main(void *arg)
{
    struct threads *t = arg;
    while (!atomic_load(&t->stopping)) {
        struct resource_overview o;
        struct resourcemanager_stats stats;
        struct error err = ERROR_INIT;
        Flinc__QueryAnswer *answer = NULL;
        Flinc__ThreadDumpRequest dump = FLINC__THREAD_DUMP_REQUEST__INIT;
        Flinc__Query query = FLINC__QUERY__INIT;
        Flinc__QueryAnswer *answers[TMS + 1] = {NULL};
        query.body_case = FLINC__QUERY__BODY_THREAD_DUMP;
        query.thread_dump = &dump;
        resourcemanager_get_overview(t->w.rm, &o);
        resourcemanager_get_stats(t->w.rm, &stats);
        const struct taskmanager_list *list = resourcemanager_list(t->w.rm);
        assert_true(list->n <= TMS);
        resourcemanager_query_all(t->w.rm, &query, 1000, list, answers);
        for (uint32_t i = 0; i < list->n; i++) {
            if (answers[i] != NULL) {
                flinc__query_answer__free_unpacked(answers[i], NULL);
            }
        }
        taskmanager_list_unref(list);
        int rc = resourcemanager_query(t->w.rm, "tm-nobody", &query, 1000, &answer, &err);
        assert_int_equal(rc, ERR_NOT_FOUND);
        sched_yield();
    }
    return NULL;
}

static void everybody_at_once(void **state)
{
    struct threads t = {0};
    struct error err = ERROR_INIT;
    log_set_level(LOG_LEVEL_OFF);
    conf_init(&t.w.conf, NULL);
    world_set(&t.w, "heartbeat.interval", "5 ms");
    world_set(&t.w, "heartbeat.timeout", "60 s");
    world_set(&t.w, "restart-strategy.type", "fixed-delay");
    world_set(&t.w, "restart-strategy.fixed-delay.delay", "1 ms");
    world_set(&t.w, "restart-strategy.fixed-delay.attempts", "1000000");
    struct resourcemanager_options o = {.conf = &t.w.conf, .seed = 3};
    memset(o.leader.bytes, 0x11, sizeof(o.leader.bytes));
    assert_int_equal(resourcemanager_new(&o, &t.w.rm, &err), 0);
    assert_int_equal(resourcemanager_start(t.w.rm, &err), 0);
    for (uint32_t i = 0; i < TMS; i++) {
        char id[16];
        snprintf(id, sizeof(id), "tm-%u", i);
        fake_tm_init(&t.w.tms[i], t.w.rm, id, 4, i + 1);
        tell(&t.w.tms[i], run_connect);
        assert_int_equal(thread_start(&t.tms[i], "task manager", tm_main, &t.w.tms[i], &err), 0);
    }
    assert_int_equal(thread_start(&t.watcher, "watcher", watcher_main, &t, &err), 0);
    for (int round = 0; round < ROUNDS; round++) {
        for (uint32_t i = 0; i < JOBS; i++) {
            start_job(&t, i);
        }
        for (uint32_t i = 0; i < JOBS; i++) {
            wait_until_running(&t, i);
        }
        tell(&t.w.tms[0], round % 2 == 0 ? run_break : run_die);
        end_job(&t, 0); /* while that goes on */
        wait_until_running(&t, 1);
        tell(&t.w.tms[1], run_break);
        end_job(&t, 1);
        end_job(&t, 2);
    }
    atomic_store(&t.stopping, true);
    thread_join(t.watcher);
    for (uint32_t i = 0; i < TMS; i++) {
        tell(&t.w.tms[i], run_stop);
        thread_join(t.tms[i]);
    }
    t.w.rm = resourcemanager_free(t.w.rm);
    for (uint32_t i = 0; i < TMS; i++) {
        fake_tm_fini(&t.w.tms[i]);
    }
    conf_fini(&t.w.conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(everybody_at_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
