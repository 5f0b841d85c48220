/* Coordinators in a child: a real job master, a real child process, a plug-in; what goes both ways, resets,
 * failures, and the death of the child. */
#include "tests/unit/jobmanager_jobmaster/world.h"

#include "common/rpc/socket.h"
#include "common/spawner/spawner.h"
#include "jobmanager/jobcoordinator/jobcoordinator.h"
#include "jobmanager/process/coordinator_launcher.h"
#include <limits.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_S = 60, ALL_FLAGS = FAKE_ACKNOWLEDGES | FAKE_CANCELS };

static struct spawner *spawner;
static char build_dir[PATH_MAX];

struct place {
    struct world w;
    struct loop *loop; /* of the job master's end */
    struct mailbox *exits;
    uint32_t n_children, n_exits;
};

static void on_exit_of_child(void *target, void *arg, const struct child_exit *e)
{
    ((struct place *)target)->n_exits++;
}

static int launch(void *arg, const struct flinc_id *job_id, const struct rpc_end_options *end,
                  struct rpc_channel **ret_channel, struct error *err)
{
    struct place *p = arg;
    char path[PATH_MAX + 64];
    int fds[2];
    pid_t pid = 0;
    snprintf(path, sizeof(path), "%s/libexec/flinc-jobcoordinator", build_dir);
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
    const char *const argv[] = {path, NULL};
    struct spawn_request request = {.path = path,
                                    .argv = argv,
                                    .fds = {{fds[1], JOBCOORDINATOR_FD}},
                                    .n_fds = 1,
                                    .mailbox = p->exits,
                                    .on_exit = on_exit_of_child,
                                    .target = p};
    int rc = spawner_spawn(spawner, &request, &pid, err);
    if (rc < 0) {
        close(fds[0]);
        return rc;
    }
    p->n_children++;
    return rpc_socket_open(&(struct rpc_socket_options){.end = *end, .loop = p->loop, .fd = fds[0]},
                           ret_channel, err);
}

static void step(struct place *p)
{
    struct error err = ERROR_INIT;
    world_settle(&p->w);
    assert_true(loop_run_once(p->loop, 5, &err) >= 0);
    mailbox_run(p->exits, 100);
    world_settle(&p->w);
}

static void wait_for_events(struct place *p, const char *vertex, const char *expected)
{
    int64_t deadline = clock_monotonic_ms(&clock_system) + PATIENCE_S * 1000;
    while (strcmp(str_cstr(&world_task(&p->w, vertex, 0)->events), expected) != 0) {
        if (clock_monotonic_ms(&clock_system) > deadline) {
            fail_msg("events are '%s', not '%s'", str_cstr(&world_task(&p->w, vertex, 0)->events),
                     expected);
        }
        step(p);
    }
}

static void wait_for_status(struct place *p, enum job_status status)
{
    int64_t deadline = clock_monotonic_ms(&clock_system) + PATIENCE_S * 1000;
    while (world_status(&p->w) != status) {
        assert_true(clock_monotonic_ms(&clock_system) < deadline);
        step(p);
    }
}

static void say(struct place *p, const char *text)
{
    struct fake_task *t = world_task(&p->w, "Source", 0);
    task_send_event(t, ++t->events_sent, text);
    world_settle(&p->w);
}

static struct coordinator_launcher launcher;

/* production: the launcher of jobmanager/process; NULL: the test's own.  interval: of checkpoints; NULL: none. */
static void open_place_at(struct place *p, const char *kind,
                          const struct coordinator_launcher *production, const char *interval)
{
    struct vertex_spec vertices[] = {{"Source", 1, NULL, kind}, {"Sink", 1, NULL, NULL}};
    static const struct edge_spec edges[] = {
        {0, 1, FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, 0}};
    struct error err = ERROR_INIT;
    *p = (struct place){0};
    assert_int_equal(loop_new(&(struct loop_options){.name = "test"}, &p->loop, &err), 0);
    p->exits = mailbox_new(&(struct mailbox_options){.name = "exits"});
    world_init(&p->w, graph_new(vertices, 2, edges, 1));
    world_set(&p->w, "restart-strategy.type", "fixed-delay");
    world_set(&p->w, "restart-strategy.fixed-delay.delay", "1 s");
    world_set(&p->w, "restart-strategy.fixed-delay.attempts", "10");
    if (interval != NULL) {
        world_set(&p->w, "execution.checkpointing.interval", interval);
    }
    Flinc__Library *library = graph_zalloc(sizeof(*library));
    char path[PATH_MAX + 64];
    snprintf(path, sizeof(path), "%s/tests/unit/jobmanager_jobcoordinator/plugin_remote.so",
             build_dir);
    flinc__library__init(library);
    library->name = strdup("remote");
    library->path = strdup(path);
    library->build_id = strdup("00");
    p->w.graph->libraries = graph_zalloc(sizeof(library));
    p->w.graph->libraries[0] = library;
    p->w.graph->n_libraries = 1;
    struct jobmaster_options o = world_options(&p->w);
    launcher = (struct coordinator_launcher){p, launch};
    o.launcher = production != NULL ? production : &launcher;
    if (jobmaster_new(&o, &p->w.jm, &err) < 0) {
        fail_msg("%s", err.message);
    }
    world_add_worker(&p->w, 1, ALL_FLAGS);
    world_start(&p->w);
}

static void open_place(struct place *p, const char *kind)
{
    open_place_at(p, kind, NULL, NULL);
}

static void close_place(struct place *p)
{
    world_fini(&p->w);
    int64_t deadline = clock_monotonic_ms(&clock_system) + PATIENCE_S * 1000;
    while (p->n_exits < p->n_children) { /* the end of the channel is the end of the child */
        struct error err = ERROR_INIT;
        assert_true(clock_monotonic_ms(&clock_system) < deadline);
        assert_true(loop_run_once(p->loop, 5, &err) >= 0);
        mailbox_run(p->exits, 100);
    }
    loop_free(p->loop);
    mailbox_close(p->exits);
    mailbox_unref(p->exits);
}

static void events_go_both_ways(void **state)
{
    struct place p;
    open_place(&p, "test.remote");
    say(&p, "ping");
    wait_for_events(&p, "Source", "1:pong;");
    say(&p, "timer");
    wait_for_events(&p, "Source", "1:pong;2:timer;");
    say(&p, "async");
    wait_for_events(&p, "Source", "1:pong;2:timer;3:worked;");
    assert_int_equal(p.n_children, 1);
    close_place(&p);
}

static void a_failure_resets_the_coordinator(void **state)
{
    struct place p;
    open_place(&p, "test.remote");
    say(&p, "fail");
    wait_for_status(&p, JOB_STATUS_RESTARTING);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(p.w.jm, &f, 1), 1);
    assert_string_equal(f.error.message, "it was told to fail");
    world_advance(&p.w, 1000);
    wait_for_status(&p, JOB_STATUS_RUNNING);
    say(&p, "ping");
    wait_for_events(&p, "Source", "1:pong again;");
    assert_int_equal(p.n_children, 1);
    close_place(&p);
}

/* The answer crosses the reset of its subtask: the next attempt must not get it. */
static void an_event_that_crosses_a_reset_is_dropped(void **state)
{
    struct place p;
    open_place(&p, "test.remote");
    say(&p, "ping");
    struct error err = test_error(ERR_IO, "it broke");
    task_say_error(world_task(&p.w, "Source", 0), FAILED, &err);
    world_settle(&p.w);
    world_advance(&p.w, 1000);
    assert_int_equal(world_task(&p.w, "Source", 0)->attempt_number, 1);
    say(&p, "timer");
    wait_for_events(&p, "Source", "1:timer;");
    close_place(&p);
}

static void a_child_that_dies_is_replaced(void **state)
{
    struct place p;
    open_place(&p, "test.remote");
    say(&p, "ping");
    wait_for_events(&p, "Source", "1:pong;");
    say(&p, "crash");
    wait_for_status(&p, JOB_STATUS_RESTARTING);
    struct job_failure f;
    assert_int_equal(jobmaster_get_failures(p.w.jm, &f, 1), 1);
    assert_non_null(strstr(f.error.message, "The jobcoordinator process of the job has ended"));
    world_advance(&p.w, 1000);
    wait_for_status(&p, JOB_STATUS_RUNNING);
    say(&p, "ping");
    wait_for_events(&p, "Source", "1:pong;"); /* a new one, that was never reset */
    assert_int_equal(p.n_children, 2);
    close_place(&p);
}

/* All tasks acknowledge a checkpoint, and it completes. */
static void complete_checkpoint(struct place *p, uint64_t id)
{
    int64_t deadline = clock_monotonic_ms(&clock_system) + PATIENCE_S * 1000;
    while (p->w.workers[0].last_trigger < id) { /* first the child says what it keeps */
        assert_true(clock_monotonic_ms(&clock_system) < deadline);
        world_advance(&p->w, 100);
        step(p);
    }
    task_acknowledge(world_task(&p->w, "Source", 0), id, "source");
    task_acknowledge(world_task(&p->w, "Sink", 0), id, "sink");
    world_settle(&p->w);
}

/* What was counted behind the checkpoint is forgotten, what was before it is not: by a child that was reset, and
 * by another one. */
static void a_restart_restores_what_it_kept(const char *how)
{
    struct place p;
    open_place_at(&p, "test.remote", NULL, "1 s");
    say(&p, "count");
    say(&p, "count");
    wait_for_events(&p, "Source", "1:1;2:2;");
    complete_checkpoint(&p, 1);
    say(&p, "count");
    wait_for_events(&p, "Source", "1:1;2:2;3:3;");
    say(&p, how);
    wait_for_status(&p, JOB_STATUS_RESTARTING);
    world_advance(&p.w, 1000);
    wait_for_status(&p, JOB_STATUS_RUNNING);
    assert_int_equal(world_task(&p.w, "Source", 0)->restored_id, 1);
    say(&p, "count");
    wait_for_events(&p, "Source", "1:3;");
    complete_checkpoint(&p, 2);
    close_place(&p);
    assert_int_equal(p.n_children, strcmp(how, "crash") == 0 ? 2 : 1);
}

static void a_coordinator_that_is_reset_has_its_state_again(void **state)
{
    a_restart_restores_what_it_kept("fail");
}

static void a_child_that_dies_leaves_its_state_to_the_next(void **state)
{
    a_restart_restores_what_it_kept("crash");
}

static void the_job_managers_launcher_starts_children(void **state)
{
    struct place p;
    char path[PATH_MAX + 64];
    snprintf(path, sizeof(path), "%s/libexec/flinc-jobcoordinator", build_dir);
    struct coordinator_children *children = coordinator_children_new(spawner, path);
    open_place_at(&p, "test.remote", coordinator_children_launcher(children), NULL);
    say(&p, "ping");
    wait_for_events(&p, "Source", "1:pong;");
    close_place(&p);
    coordinator_children_free(children);
    children = coordinator_children_new(spawner, "/no/such/program");
    open_place_at(&p, "test.remote", coordinator_children_launcher(children), NULL);
    wait_for_status(&p, JOB_STATUS_FAILED);
    assert_non_null(strstr(p.w.cause.message, "/no/such/program"));
    close_place(&p);
    coordinator_children_free(children);
}

static void an_unknown_kind_fails_the_job(void **state)
{
    struct place p;
    open_place(&p, "test.nobody");
    wait_for_status(&p, JOB_STATUS_FAILED);
    assert_non_null(strstr(p.w.cause.message, "the coordinator 'test.nobody' is in no plug-in"));
    close_place(&p);
}

int main(void)
{
    struct error err = ERROR_INIT;
    if (spawner_fork("test-spawner", &spawner, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    ssize_t n = readlink("/proc/self/exe", build_dir, sizeof(build_dir) - 1);
    ASSERT(n > 0);
    for (int up = 0; up < 3; up++) { /* <build>/tests/unit/<test> */
        char *slash = strrchr(build_dir, '/');
        ASSERT(slash != NULL);
        *slash = '\0';
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(events_go_both_ways),
        cmocka_unit_test(a_failure_resets_the_coordinator),
        cmocka_unit_test(an_event_that_crosses_a_reset_is_dropped),
        cmocka_unit_test(a_child_that_dies_is_replaced),
        cmocka_unit_test(a_coordinator_that_is_reset_has_its_state_again),
        cmocka_unit_test(a_child_that_dies_leaves_its_state_to_the_next),
        cmocka_unit_test(the_job_managers_launcher_starts_children),
        cmocka_unit_test(an_unknown_kind_fails_the_job),
    };
    int rc = cmocka_run_group_tests(tests, NULL, NULL);
    spawner_free(spawner);
    return rc;
}
