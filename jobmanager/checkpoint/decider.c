/* Which checkpoint begins when: periodic ones by time, those that people ask for, the last one of a job.
 *
 *   - one is triggered at a time (its location and coordinators), and at most max-concurrent are pending;
 *   - a periodic one waits until min-pause is over since the last completion;
 *   - savepoints wait for neither.
 *
 * Thread: the checkpointer's.  Flink: CheckpointRequestDecider, ScheduledTrigger. */
#include "jobmanager/checkpoint/checkpointer_internal.h"

/* ---- requests ------------------------------------------------------------------------------------- */

void trigger_request_answer(struct trigger_request *r, const struct error *err,
                            uint64_t checkpoint_id, const char *path)
{
    checkpoint_done_fn done = r->done;
    if (done == NULL) {
        return;
    }
    struct checkpoint_result result = {.checkpoint_id = checkpoint_id, .path = path};
    if (err != NULL) {
        ASSERT(err->code < 0);
        result.rc = err->code;
        error_copy(&result.error, err);
    }
    r->done = NULL;
    done(r->done_arg, &result);
}

void trigger_request_free(struct trigger_request *r)
{
    if (r != NULL) {
        struct error err = ERROR_INIT;
        error_set(&err, ERR_CANCELLED, "the checkpoint was not taken: the job master ends");
        trigger_request_answer(r, &err, 0, NULL);
        mem_free(r->directory);
        mem_free(r);
    }
}

/* Smaller comes first. */
static int rank(const struct trigger_request *r)
{
    if (r->stop != FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE) {
        return 0;
    }
    if (checkpoint_kind_is_savepoint(r->kind)) {
        return 1;
    }
    return r->periodic ? 3 : 2;
}

static void queue_insert(struct checkpointer *c, struct trigger_request *take)
{
    size_t at = c->queue.len;
    vec_push_ptr(&c->queue, take);
    struct trigger_request **items = c->queue.data;
    while (at > 0 && rank(items[at - 1]) > rank(take)) {
        items[at] = items[at - 1];
        at--;
    }
    items[at] = take;
}

static bool has_periodic(const struct checkpointer *c)
{
    size_t n = c->queue.len;
    return n > 0 && ((struct trigger_request *)vec_ptr(&c->queue, n - 1))->periodic;
}

static void refuse(struct trigger_request *take, const struct error *why)
{
    trigger_request_answer(take, why, 0, NULL);
    trigger_request_free(take);
}

void decider_add(struct checkpointer *c, struct trigger_request *take)
{
    struct error err = ERROR_INIT;
    if (c->ended || !c->running) {
        error_set(&err, ERR_UNAVAILABLE, "the job is not running: no checkpoint can be taken now");
        refuse(take, &err);
    } else if (c->queue.len >= CHECKPOINT_QUEUE_MAX) {
        error_set(&err, ERR_LIMIT, "%d checkpoints wait to be taken; try again later",
                  CHECKPOINT_QUEUE_MAX);
        refuse(take, &err);
    } else {
        queue_insert(c, take);
        decider_drive(c);
    }
}

void decider_fail_queue(struct checkpointer *c, const struct error *why)
{
    struct vec queue = c->queue;
    vec_init(&c->queue, sizeof(struct trigger_request *)); /* answers may ask for more */
    for (size_t i = 0; i < queue.len; i++) {
        refuse(vec_ptr(&queue, i), why);
    }
    vec_fini(&queue);
}

/* ---- time ----------------------------------------------------------------------------------------- */

static void on_periodic(void *arg);

static void schedule_periodic(struct checkpointer *c, int64_t delay_ms)
{
    component_cancel(c->o.component, c->periodic_timer);
    c->periodic_timer = component_schedule(c->o.component, delay_ms, on_periodic, c);
}

static Flinc__CheckpointKind configured_kind(const struct checkpointer *c)
{
    const struct completed_checkpoint *latest = completed_store_latest(&c->store);
    bool foreign =
        latest != NULL && latest->foreign; /* the first after NO_CLAIM stands by itself */
    return c->config.incremental && !foreign ? FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL
                                             : FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL;
}

static struct trigger_request *new_periodic(const struct checkpointer *c)
{
    struct trigger_request *r = MEM_NEW(struct trigger_request);
    r->periodic = true;
    r->kind = configured_kind(c);
    return r;
}

/* Timer. */
static void on_periodic(void *arg)
{
    struct checkpointer *c = arg;
    c->periodic_timer = TIMER_NONE;
    schedule_periodic(c, c->config.interval_ms);
    if (!has_periodic(c) && !c->stopping.active) {
        decider_add(c, new_periodic(c));
    }
}

void decider_start(struct checkpointer *c)
{
    if (c->config.interval_ms == CHECKPOINT_INTERVAL_OFF || c->stopping.active) {
        return;
    }
    /* Not all jobs of a cluster at the same moment. */
    int64_t first_ms = MIN(c->config.min_pause_ms, c->config.interval_ms);
    int64_t spread_ms = c->config.interval_ms - first_ms;
    schedule_periodic(c, first_ms + (int64_t)rng_below(&c->rng, (uint64_t)spread_ms + 1));
}

void decider_stop(struct checkpointer *c)
{
    component_cancel(c->o.component, c->periodic_timer);
    c->periodic_timer = TIMER_NONE;
}

/* ---- the decision --------------------------------------------------------------------------------- */

/* True: a periodic one has to wait; the timer comes when it may begin. */
static bool in_pause(struct checkpointer *c)
{
    int64_t now_ms = clock_monotonic_ms(c->o.clock);
    int64_t left_ms = c->last_completed_ms + c->config.min_pause_ms - now_ms;
    if (left_ms <= 0) {
        return false;
    }
    schedule_periodic(c, left_ms);
    return true;
}

/* The first in the queue if it may begin now. */
static struct trigger_request *take_next(struct checkpointer *c)
{
    if (!c->running || c->triggering || c->queue.len == 0) {
        return NULL;
    }
    struct trigger_request *r = vec_ptr(&c->queue, 0);
    if (!r->forced && c->pending.len >= c->config.max_concurrent) {
        return NULL;
    }
    /* One that overtakes the barriers of a savepoint would end it, and the other way round. */
    if (c->config.unaligned && c->pending.len > 0) {
        return NULL;
    }
    vec_remove(&c->queue, 0);
    if (r->periodic && !r->forced && in_pause(c)) {
        trigger_request_free(r);
        return NULL;
    }
    return r;
}

void decider_drive(struct checkpointer *c)
{
    struct trigger_request *r;
    if (c->driving) {
        return; /* from inside of what the loop below does, which looks again */
    }
    c->driving = true;
    while ((r = take_next(c)) != NULL) {
        struct error err = ERROR_INIT;
        if (trigger_begin(c, r, &err) == 0) {
            continue;
        }
        char text[ERROR_MESSAGE_MAX];
        LOG_INFO(CHECKPOINT_TOPIC, "No checkpoint of job %s was triggered: %s", c->job_hex,
                 error_format(&err, text, sizeof(text)));
        refuse(r, &err);
    }
    c->driving = false;
}

void decider_now(struct checkpointer *c)
{
    struct trigger_request *r = new_periodic(c);
    r->periodic = false;
    r->forced = true;
    decider_add(c, r);
}

void decider_final(struct checkpointer *c)
{
    struct trigger_request *r = new_periodic(c);
    r->periodic = false; /* min-pause is for those that come again */
    decider_add(c, r);
}
