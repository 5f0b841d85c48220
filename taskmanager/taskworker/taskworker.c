/* The life of the worker process: descriptor 3, the loop, the end; see taskworker.h. */
#include "taskmanager/taskworker/taskworker.h"
#include "common/base/log.h"
#include "common/process/stack_dump.h"
#include "common/rpc/error_info.h"
#include "common/rpc/socket.h"
#include "taskmanager/worker/crash_report.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

static const char topic[] = "flinc.taskworker";

/* What the owner of a thread that dies waits for the loop to pass on its last words. */
enum { DIE_GIVE_UP_NS = 2 * 1000 * 1000 * 1000 };

void taskworker_send(struct taskworker *tw, Flinc__WorkerToTaskManager *message)
{
    struct error err = ERROR_INIT;
    message->version = TASKWORKER_PROTOCOL;
    int rc = rpc_channel_send(tw->manager, &message->base, &err);
    if (rc < 0 && rc != ERR_CLOSED) {
        LOG_WARN(topic, "a message to the task manager could not be sent: %s", err.message);
    }
}

/* ---- dying --------------------------------------------------------------------------------------- */

struct death {
    struct taskworker *owner;
    int status;
};

static void death_now(void *arg)
{
    const struct death *d = arg;
    _exit(d->status);
}

/* On the loop: the message goes out in the next rounds, the process ends soon after. */
static void op_die(void *target, void *payload)
{
    struct taskworker *tw = target;
    (void)loop_schedule(tw->loop, TASKWORKER_FLUSH_MS, death_now, payload);
}

static void send_dying(struct taskworker *tw, const struct error *why)
{
    Flinc__WorkerToTaskManager m = FLINC__WORKER_TO_TASK_MANAGER__INIT;
    Flinc__WorkerDying dying = FLINC__WORKER_DYING__INIT;
    Flinc__ErrorInfo info;
    error_info_fill(&info, why);
    dying.error = &info;
    m.body_case = FLINC__WORKER_TO_TASK_MANAGER__BODY_DYING;
    m.dying = &dying;
    taskworker_send(tw, &m);
}

void taskworker_die(struct taskworker *tw, const struct error *why, int status)
{
    static struct death death;
    if (atomic_exchange(&tw->dying, true)) {
        return;
    }
    (void)dprintf(STDERR_FILENO, "\nFlinc ends: %s\n", why->message);
    send_dying(tw, why);
    death = (struct death){tw, status};
    const struct mailbox_op op = {.run = op_die, .target = tw, .payload = &death};
    if (mailbox_post_internal(loop_mailbox(tw->loop), MAILBOX_LANE_CONTROL, &op) < 0) {
        _exit(status);
    }
    if (!pthread_equal(pthread_self(), tw->main_thread)) {
        struct event_count never = {0};
        (void)event_count_wait(&never, event_count_prepare(&never), DIE_GIVE_UP_NS);
        _exit(status);
    }
}

/* ---- life ---------------------------------------------------------------------------------------- */

static void on_no_hello(void *arg)
{
    struct taskworker *tw = arg;
    if (tw->state == TASKWORKER_WAITING) {
        LOG_ERROR(topic, "the task manager said nothing in %d ms", TASKWORKER_HELLO_MS);
        _exit(TASKWORKER_EXIT_LOST);
    }
}

static int taskworker_open(struct taskworker *tw, struct error *err)
{
    TRY(crash_report_install(err));
    TRY(stack_dump_install(err));
    if (fcntl(TASKWORKER_SOCKET_FD, F_SETFD, FD_CLOEXEC) != 0) {
        return error_set(
            err, ERR_INVALID_ARGUMENT,
            "this program is started by a task manager, with a socket as descriptor %d",
            TASKWORKER_SOCKET_FD);
    }
    TRY(loop_new(&(struct loop_options){.name = "main"}, &tw->loop, err));
    const struct rpc_socket_options options = {
        .end = {.name = "worker -> task manager",
                .sends = &flinc__worker_to_task_manager__descriptor,
                .receives = &flinc__task_manager_to_worker__descriptor,
                .mailbox = loop_mailbox(tw->loop),
                .lane = MAILBOX_LANE_DATA,
                .on_message = taskworker_on_message,
                .on_closed = taskworker_on_closed,
                .target = tw},
        .loop = tw->loop,
        .fd = TASKWORKER_SOCKET_FD,
        .on_message_fd = taskworker_on_message_fd,
    };
    TRY(rpc_socket_open(&options, &tw->manager, err));
    (void)loop_schedule(tw->loop, TASKWORKER_HELLO_MS, on_no_hello, tw);
    return 0;
}

static void taskworker_init(struct taskworker *tw)
{
    tw->start_ns = clock_monotonic_ns(&clock_system);
    tw->main_thread = pthread_self();
    pthread_mutex_init(&tw->link_lock, NULL);
    conf_init(&tw->conf, NULL);
    mem_budget_init(&tw->total, "memory of the worker (taskmanager.memory.process.size)", 0, NULL);
    mem_budget_init(&tw->pools, "batches of the worker (taskmanager.memory.network.max)", 0,
                    &tw->total);
    mem_budget_init(&tw->managed, "taskmanager.memory.managed.size", 0, &tw->total);
}

static void taskworker_fini(struct taskworker *tw)
{
    if (tw->stop_runs) {
        thread_join(tw->stopper);
    }
    taskworker_network_stop(tw); /* tasks have ended */
    worker_free(tw->worker);
    if (tw->code.resolver.load != NULL) {
        executor_free(tw->io);
        process_metrics_free(tw->process_metrics);
        metric_group_free(tw->own_metrics);
        metric_registry_free(tw->metrics);
        job_code_fini(&tw->code);
    }
    rpc_channel_free(tw->manager);
    loop_free(tw->loop);
    conf_fini(&tw->conf);
    mem_free(tw->job_name);
    mem_free(tw->state_dir);
    mem_free(tw->tm_id);
    mem_free(tw->host);
    local_dirs_fini(&tw->local_state_dirs);
    pthread_mutex_destroy(&tw->link_lock);
}

/* main of libexec/flinc-taskworker. */
__attribute__((visibility("default"))) int flinc_private_taskworker_main(int argc, char **argv);

int flinc_private_taskworker_main(int argc, char **argv)
{
    static struct taskworker tw;
    struct error err = ERROR_INIT;
    (void)signal(SIGPIPE, SIG_IGN);
    (void)setvbuf(stdout, NULL, _IOLBF, 0); /* what functions print is there when they crash */
    taskworker_init(&tw);
    int rc = taskworker_open(&tw, &err);
    if (rc == 0) {
        crash_report_watch_exit();
        rc = loop_run(tw.loop, &err);
    }
    if (rc < 0) {
        (void)fprintf(stderr, "flinc-taskworker: %s\n", err.message);
        return TASKWORKER_EXIT_REFUSED;
    }
    taskworker_fini(&tw);
    crash_report_expect_exit();
    return 0;
}
