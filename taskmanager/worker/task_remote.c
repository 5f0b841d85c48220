/* Inputs from other workers.
 *
 * The network may tell of a break after the task has ended, on its own thread.  So what it is given is a
 * number, looked up in a table of the tasks that still listen; a number is never used again.
 *
 * Thread: open and forget the task's; the callback the network's (lock: listeners.lock, a leaf but for the
 * post to the task's mailbox).  Flink: PartitionConnectionException, RemoteTransportException. */
#include "taskmanager/worker/task.h"

struct listener {
    struct task *task; /* Borrows: it forgets its listeners before it ends */
    char *location;    /* Owns */
};

static struct {
    pthread_mutex_t lock;
    bool made;
    struct map by_number; /* Owns struct listener * */
    uint64_t last_number;
} listeners = {.lock = PTHREAD_MUTEX_INITIALIZER};

static void listener_free(void *value)
{
    struct listener *l = value;
    mem_free(l->location);
    mem_free(l);
}

static uint64_t listener_add(struct task *t, const char *location)
{
    struct listener *l = MEM_NEW(struct listener);
    l->task = t;
    l->location = mem_strdup(location);
    pthread_mutex_lock(&listeners.lock);
    if (!listeners.made) {
        map_init(&listeners.by_number, listener_free);
        listeners.made = true;
    }
    uint64_t number = ++listeners.last_number;
    map_put_bytes(&listeners.by_number, &number, sizeof(number), l);
    pthread_mutex_unlock(&listeners.lock);
    return number;
}

static void listener_remove(uint64_t number)
{
    pthread_mutex_lock(&listeners.lock);
    map_remove_bytes(&listeners.by_number, &number, sizeof(number));
    if (listeners.by_number.len == 0) {
        map_fini(&listeners.by_number);
        listeners.made = false;
    }
    pthread_mutex_unlock(&listeners.lock);
}

/* ---- breaks -------------------------------------------------------------------------------------- */

static void task_op_broken(void *target, void *payload)
{
    struct task *t = target;
    struct error *why = payload;
    if (t->async_rc == 0) {
        t->async_rc = why->code;
        error_copy(&t->error, why);
    }
    mem_free(why);
}

/* In Flink's words, because people search for them. */
static struct error *broken_error(const struct listener *l, const struct error *why)
{
    struct error *e = MEM_NEW(struct error);
    char text[ERROR_MESSAGE_MAX / 2];
    error_set(
        e, ERR_UNAVAILABLE,
        "Connection unexpectedly closed by remote task manager '%s'. This might indicate that "
        "the remote task manager was lost. (%s)",
        l->location, error_format(why, text, sizeof(text)));
    return e;
}

static void on_remote_broken(void *arg, const struct error *why)
{
    uint64_t number = (uint64_t)(uintptr_t)arg;
    pthread_mutex_lock(&listeners.lock);
    const struct listener *l =
        listeners.made ? map_find_bytes(&listeners.by_number, &number, sizeof(number)) : NULL;
    if (l != NULL) {
        const struct mailbox_op op = {.kind = TASK_OP_BROKEN,
                                      .run = task_op_broken,
                                      .target = l->task,
                                      .payload = broken_error(l, why),
                                      .drop = mem_free};
        if (mailbox_post_internal(l->task->mailbox, MAILBOX_LANE_CONTROL, &op) < 0) {
            mem_free(op.payload);
        }
    }
    pthread_mutex_unlock(&listeners.lock);
}

/* ---- opening ------------------------------------------------------------------------------------- */

int task_open_remote(struct task *t, const struct remote_input *input, const char *location,
                     struct channel **ret_channel, struct error *err)
{
    const struct remote_inputs *remote = &t->env->remote;
    if (remote->open == NULL) {
        return error_set(err, ERR_UNSUPPORTED,
                         "this worker has no network, but edge %u reads from another one, at %s",
                         input->id.edge, location);
    }
    uint64_t number = listener_add(t, location);
    struct remote_input in = *input;
    in.on_broken = on_remote_broken;
    in.arg = (void *)(uintptr_t)number;
    int rc = remote->open(remote->arg, location, &in, ret_channel, err);
    if (rc < 0) {
        listener_remove(number);
        error_context(err, "connecting to the producer at %s", location);
        return rc;
    }
    *(uint64_t *)vec_push(&t->remotes) = number;
    return 0;
}

void task_forget_remotes(struct task *t)
{
    for (size_t i = 0; i < t->remotes.len; i++) {
        listener_remove(*VEC_AT(&t->remotes, uint64_t, i));
    }
    vec_fini(&t->remotes);
}
