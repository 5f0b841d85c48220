/* Jobcoordinator children; see coordinator_launcher.h. */
#include "jobmanager/process/coordinator_launcher.h"

#include "common/base/log.h"
#include "common/base/mem.h"
#include "common/rpc/socket.h"
#include "jobmanager/jobcoordinator/jobcoordinator.h"
#include <errno.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

static const char topic[] = "flinc.jobcoordinator";

/* mailbox_op.kind of the loop; sender -> loop. */
enum children_op {
    CHILDREN_OP_OPEN, /* a job master */
    CHILDREN_OP_EXIT, /* the spawner */
};

struct coordinator_children {
    struct coordinator_launcher launcher;
    struct spawner *spawner; /* Borrows */
    char *path;              /* Owns */
    pthread_mutex_t lock;    /* guards the start of the loop, and struct opening */
    pthread_cond_t opened;
    struct loop *loop; /* Owns; NULL: not needed yet */
    pthread_t thread;
};

static void *loop_main(void *arg)
{
    struct coordinator_children *c = arg;
    struct error err = ERROR_INIT;
    if (loop_run(c->loop, &err) < 0) {
        LOG_ERROR(topic, "Coordinators of plug-ins are not reached any more: %s", err.message);
    }
    return NULL;
}

static int start_loop(struct coordinator_children *c, struct error *err)
{
    int rc = 0;
    pthread_mutex_lock(&c->lock);
    if (c->loop == NULL) {
        struct loop *loop = NULL;
        rc = loop_new(&(struct loop_options){.name = "jobcoordinators"}, &loop, err);
        if (rc == 0) {
            c->loop = loop;
            rc = thread_start(&c->thread, "coordinators", loop_main, c, err);
        }
        if (rc < 0) {
            c->loop = loop_free(loop);
        }
    }
    pthread_mutex_unlock(&c->lock);
    return rc;
}

/* ---- opening the socket on the loop's thread --------------------------------------------------------- */

struct opening {
    struct rpc_socket_options options;
    struct rpc_channel *channel;
    int rc;
    struct error err;
    bool over;
};

static void run_open(void *target, void *payload)
{
    struct coordinator_children *c = target;
    struct opening *o = payload;
    o->rc = rpc_socket_open(&o->options, &o->channel, &o->err);
    pthread_mutex_lock(&c->lock);
    o->over = true; /* who waits may go away with it from here on */
    pthread_cond_broadcast(&c->opened);
    pthread_mutex_unlock(&c->lock);
}

/* The loop lives: it ends after all job masters. */
static int open_socket(struct coordinator_children *c, const struct rpc_end_options *end,
                       int take_fd, struct rpc_channel **ret_channel, struct error *err)
{
    struct opening o = {.options = {.end = *end, .loop = c->loop, .fd = take_fd}};
    struct mailbox_op op = {.kind = CHILDREN_OP_OPEN, .run = run_open, .target = c, .payload = &o};
    int rc = mailbox_post_internal(loop_mailbox(c->loop), MAILBOX_LANE_CONTROL, &op);
    pthread_mutex_lock(&c->lock);
    while (rc == 0 && !o.over) {
        pthread_cond_wait(&c->opened, &c->lock);
    }
    pthread_mutex_unlock(&c->lock);
    if (rc == 0) {
        rc = o.rc;
    } else {
        error_set(&o.err, rc, "the loop of jobcoordinators has ended");
    }
    if (rc < 0) {
        close(take_fd);
        error_copy(err, &o.err);
        return rc;
    }
    *ret_channel = o.channel;
    return 0;
}

/* ---- children ------------------------------------------------------------------------------------------ */

static void on_exit_of_child(void *target, void *arg, const struct child_exit *e)
{
    if (e->signal != 0 || e->exit_code != 0) {
        LOG_WARN(topic, "The jobcoordinator process %d has ended: signal %d, exit code %d. %s",
                 (int)e->pid, e->signal, e->exit_code,
                 e->stderr_tail != NULL ? e->stderr_tail : "");
    }
}

static int spawn(struct coordinator_children *c, int take_child_fd, struct error *err)
{
    const char *const argv[] = {c->path, NULL};
    pid_t pid = 0;
    struct spawn_request request = {
        .path = c->path,
        .argv = argv,
        .fds = {{take_child_fd, JOBCOORDINATOR_FD}},
        .n_fds = 1,
        .mailbox = loop_mailbox(c->loop),
        .exit_kind = CHILDREN_OP_EXIT,
        .on_exit = on_exit_of_child,
        .target = c,
    };
    return spawner_spawn(c->spawner, &request, &pid, err);
}

static int start(void *arg, const struct flinc_id *job_id, const struct rpc_end_options *end,
                 struct rpc_channel **ret_channel, struct error *err)
{
    struct coordinator_children *c = arg;
    int fds[2];
    TRY(start_loop(c, err));
    if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0) {
        return error_set_errno(err, errno, "making a socket pair for a jobcoordinator");
    }
    int rc = spawn(c, fds[1], err);
    if (rc < 0) {
        close(fds[0]);
        return rc;
    }
    return open_socket(c, end, fds[0], ret_channel, err);
}

/* ---- life ------------------------------------------------------------------------------------------------ */

struct coordinator_children *coordinator_children_new(struct spawner *spawner, const char *path)
{
    struct coordinator_children *c = MEM_NEW(struct coordinator_children);
    c->launcher = (struct coordinator_launcher){c, start};
    c->spawner = spawner;
    c->path = mem_strdup(path);
    pthread_mutex_init(&c->lock, NULL);
    pthread_cond_init(&c->opened, NULL);
    return c;
}

const struct coordinator_launcher *coordinator_children_launcher(struct coordinator_children *c)
{
    return &c->launcher;
}

struct coordinator_children *coordinator_children_free(struct coordinator_children *c)
{
    if (c == NULL) {
        return NULL;
    }
    if (c->loop != NULL) {
        loop_stop(c->loop);
        thread_join(c->thread);
        loop_free(c->loop);
    }
    pthread_cond_destroy(&c->opened);
    pthread_mutex_destroy(&c->lock);
    mem_free(c->path);
    mem_free(c);
    return NULL;
}
