/* Stop-with-savepoint: no more periodic checkpoints, a savepoint behind which the sources stop, its
 * completion told to the tasks, their end, the end of the job.
 *
 *   - The savepoint fails: the job goes on as before, periodic checkpoints too (FLINK-15152).
 *   - The savepoint is good and a task fails afterwards: what the savepoint holds may be committed only in
 *     part, so the job must not go on from an older checkpoint: it fails and says that it is to be
 *     started from the savepoint (FLINK-26783).
 *   - Tasks wait for the word that the savepoint is complete, and a notice may be lost: it is said again
 *     until the job has ended.
 *
 * Thread: the checkpointer's.  Flink: StopWithSavepointTerminationManager. */
#include "jobmanager/checkpoint/checkpointer_internal.h"

enum { NOTICE_AGAIN_MS = 1000 };

static void finish(struct checkpointer *c, const struct error *err)
{
    struct stopping s = c->stopping;
    if (s.timer != TIMER_NONE) {
        component_cancel(c->o.component, s.timer);
    }
    c->stopping = (struct stopping){.active = false, .timer = TIMER_NONE};
    struct checkpoint_result result = {.checkpoint_id = s.checkpoint_id, .path = s.path};
    if (err != NULL) {
        result.rc = err->code;
        error_copy(&result.error, err);
    }
    s.done(s.done_arg, &result);
    mem_free(s.path);
    c->o.host->on_changed(c->o.host_arg);
}

bool checkpointer_is_stopping(const struct checkpointer *c)
{
    return c->stopping.active;
}

/* Timer: tasks still run. */
static void tell_again(void *arg)
{
    struct checkpointer *c = arg;
    const struct completed_checkpoint *latest = completed_store_latest(&c->store);
    c->stopping.timer = component_schedule(c->o.component, NOTICE_AGAIN_MS, tell_again, c);
    c->o.host->notify(c->o.host_arg, FLINC__CHECKPOINT_NOTICE__CHECKPOINT_NOTICE_COMPLETE,
                      c->stopping.checkpoint_id, latest != NULL ? latest->id : 0);
}

/* A checkpoint_done_fn: of the savepoint. */
static void on_savepoint(void *arg, const struct checkpoint_result *result)
{
    struct checkpointer *c = arg;
    if (result->rc < 0) {
        finish(c, &result->error);
        if (c->running && !c->ended && !PLANTED("checkpoint.stays_stopped")) {
            decider_start(c);
        }
        return;
    }
    c->stopping.checkpoint_id = result->checkpoint_id;
    c->stopping.path = mem_strdup(result->path);
    c->stopping.timer = component_schedule(c->o.component, NOTICE_AGAIN_MS, tell_again, c);
}

void stopping_begin(struct checkpointer *c, struct trigger_request *take)
{
    if (c->stopping.active) {
        struct error err = ERROR_INIT;
        error_set(&err, ERR_ALREADY_EXISTS, "the job is being stopped with a savepoint already");
        trigger_request_answer(take, &err, 0, NULL);
        trigger_request_free(take);
        return;
    }
    c->stopping = (struct stopping){
        .active = true, .done = take->done, .done_arg = take->done_arg, .timer = TIMER_NONE};
    take->done = on_savepoint;
    take->done_arg = c;
    decider_stop(c);
    decider_add(c, take);
}

bool checkpointer_is_stopped(const struct checkpointer *c, const struct error *failure,
                             struct error *ret_why)
{
    if (c->stopping.path == NULL || PLANTED("checkpoint.restarts_after_stop")) {
        return false;
    }
    char text[ERROR_MESSAGE_MAX];
    error_set(
        ret_why, ERR_UNAVAILABLE,
        "A savepoint has been created at %s, but the job failed while it was stopping: %s. The "
        "savepoint is consistent, but what it holds may not all be committed; start the job "
        "from it to have that done",
        c->stopping.path, error_format(failure, text, 400));
    error_set_class(ret_why, ERROR_CLASS_FATAL);
    return true;
}

void stopping_on_end(struct checkpointer *c, enum checkpoint_job_end how, const struct error *cause)
{
    if (!c->stopping.active) {
        return;
    }
    struct error err = ERROR_INIT;
    if (how == CHECKPOINT_JOB_FINISHED && c->stopping.path != NULL) {
        finish(c, NULL);
        return;
    }
    if (cause != NULL && cause->code < 0) {
        error_copy(&err, cause);
    } else if (c->stopping.path != NULL) {
        error_set(&err, ERR_CANCELLED,
                  "A savepoint has been created at %s, but the job was ended in another way before "
                  "it had stopped",
                  c->stopping.path);
    } else {
        error_set(&err, ERR_CANCELLED, "the job ended before the savepoint was complete");
    }
    finish(c, &err);
}
