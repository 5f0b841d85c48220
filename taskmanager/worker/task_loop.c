/* The loop of a task (task.h says what a turn is), its sleep, and the account of its time. */
#include "common/base/failpoint.h"
#include "taskmanager/worker/task.h"
#include "taskmanager/worker/task_channels.h"

enum {
    TASK_OPS_PER_TURN = 64, /* mailbox operations before the data gets its turn */
    TASK_MEMORY_RETRY_MS = 10,
};

/* ---- sleeping ----------------------------------------------------------------------------------- */

static bool task_outputs_writable(struct task *t)
{
    for (uint32_t i = 0; i < t->n_results; i++) {
        if (!result_partition_is_writable(t->results[i])) {
            return false;
        }
    }
    return true;
}

/* Asks for a signal; true when there is no need to wait. */
static bool task_arm_outputs(struct task *t)
{
    bool all = true;
    for (uint32_t i = 0; i < t->n_results; i++) {
        all = result_partition_arm_writable(t->results[i]) && all;
    }
    return all;
}

static bool task_has_input(const struct task *t)
{
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        if (!t->inputs[i].ended && gate_is_ready(t->inputs[i].gate)) {
            return true;
        }
    }
    return chain_has_ready_source(t->chain);
}

static bool task_may_go_on(struct task *t, enum task_wait wait)
{
    if (atomic_load(&t->cancelled) || mailbox_has_ops(t->mailbox)) {
        return true;
    }
    if (t->memory.paused) {
        return false;
    }
    if (task_checkpoint_can_write(t)) {
        return true;
    }
    switch (wait) {
    case TASK_WAIT_BACKPRESSURED:
        return task_arm_outputs(t) || task_has_announcements(t);
    case TASK_WAIT_OPERATOR:
        return !chain_is_waiting(t->chain) || task_has_announcements(t);
    case TASK_WAIT_CHECKPOINT:
        return false; /* what it waits for is looked at above */
    default:
        return t->replay != NULL || task_has_input(t);
    }
}

/* Until something is signalled or the deadline (INT64_MAX: none), and books the time. */
static void task_wait(struct task *t, enum task_wait wait, int64_t deadline_ns)
{
    struct event_count *event = mailbox_event(t->mailbox);
    struct task_times *times = &t->times;
    uint32_t ticket = event_count_prepare(event);
    if (task_may_go_on(t, wait)) {
        event_count_cancel(event);
        return;
    }
    int64_t from_ns = clock_monotonic_ns(t->env->clock);
    int64_t timeout_ns = deadline_ns == INT64_MAX ? -1 : MAX(deadline_ns - from_ns, (int64_t)0);
    atomic_store(&times->wait_since_ns, from_ns);
    atomic_store(&times->wait, wait);
    event_count_wait(event, ticket, timeout_ns);
    int64_t waited_ns = clock_monotonic_ns(t->env->clock) - from_ns;
    atomic_store(&times->wait, TASK_WAIT_NONE);
    atomic_fetch_add(wait == TASK_WAIT_IDLE ? &times->idle_ns : &times->backpressured_ns,
                     waited_ns);
}

/* Producers that do not come: the consumer fails, so that the job is failed over. */
static int task_check_connected(struct task *t, struct error *err)
{
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        uint32_t first, n = gate_n_unconnected(t->inputs[i].gate, &first);
        if (n > 0 && clock_monotonic_ns(t->env->clock) >= t->connect_deadline_ns) {
            return error_set(
                err, ERR_UNAVAILABLE,
                "%u of %u producers of input %u did not come within %lld ms, the first "
                "of them channel %u",
                n, gate_n_channels(t->inputs[i].gate), t->inputs[i].feed.input,
                (long long)t->deployment->partition_timeout_ms, first);
        }
        if (n > 0) {
            return 0;
        }
    }
    t->connect_deadline_ns = INT64_MAX;
    return 0;
}

/* When a timer of the wall clock is due, by the monotonic one. */
static int64_t task_timer_ns(const struct task *t)
{
    int64_t timer_ms = chain_next_timer_ms(t->chain), delay_ns, at_ns;
    if (timer_ms == INT64_MAX) {
        return INT64_MAX;
    }
    int64_t delay_ms = MAX(timer_ms - clock_now_ms(t->env->clock), (int64_t)0);
    if (__builtin_mul_overflow(delay_ms, (int64_t)1000000, &delay_ns) ||
        __builtin_add_overflow(clock_monotonic_ns(t->env->clock), delay_ns, &at_ns)) {
        return INT64_MAX;
    }
    return at_ns;
}

static int task_sleep(struct task *t, enum task_wait wait, struct error *err)
{
    if (t->connect_deadline_ns != INT64_MAX) {
        TRY(task_check_connected(t, err));
    }
    if (task_checkpoint_can_write(t) && task_checkpoint_write(t, true) > 0) {
        return 0; /* there is something to do after all */
    }
    int64_t deadline_ns = MIN(t->connect_deadline_ns, task_checkpoint_deadline_ns(t));
    if (wait == TASK_WAIT_IDLE) {
        deadline_ns = MIN(deadline_ns, chain_next_wake_ns(t->chain));
    }
    if (wait != TASK_WAIT_BACKPRESSURED && wait != TASK_WAIT_CHECKPOINT) {
        deadline_ns = MIN(deadline_ns, task_timer_ns(t));
    }
    task_wait(t, wait, deadline_ns);
    return 0;
}

/* Nobody signals free memory, so it is looked for again and again. */
static int task_sleep_for_memory(struct task *t, struct error *err)
{
    t->memory.paused = true;
    int64_t deadline_ns =
        clock_monotonic_ns(t->env->clock) + (int64_t)TASK_MEMORY_RETRY_MS * 1000000;
    task_wait(t, TASK_WAIT_BACKPRESSURED, deadline_ns);
    t->memory.paused = false;
    return 0;
}

/* ---- input -------------------------------------------------------------------------------------- */

/* The gates and, behind them, the sources take turns.  1: something came, 0: nothing now. */
static int task_take_input(struct task *t, struct error *err)
{
    uint32_t turns = t->n_inputs + 1;
    TRY(FAILPOINT(err, "task.run.poll_input"));
    if (UNLIKELY(t->replay != NULL)) {
        int rc = task_take_announcements(t, err);
        if (rc != 0) {
            return rc;
        }
        rc = task_replay_next(t->replay, err);
        if (rc == 0) {
            t->replay = task_replay_free(t->replay);
        }
        return rc < 0 ? rc : 1;
    }
    for (uint32_t i = 0; i < turns; i++) {
        uint32_t turn = (t->next_input + i) % turns;
        int rc = 0;
        if (turn == t->n_inputs) {
            rc = chain_poll_source(t->chain, err);
        } else if (!t->inputs[turn].ended) {
            struct element e;
            if (gate_poll(t->inputs[turn].gate, &e)) {
                TRY(task_on_element(t, &t->inputs[turn], &e, err));
                rc = 1;
            }
        }
        if (rc != 0) {
            t->next_input = turn + 1;
            return rc;
        }
    }
    return 0;
}

/* ---- turns -------------------------------------------------------------------------------------- */

/* After an input: what is half built may have waited long enough. */
static void task_flush_when_due(struct task *t)
{
    int64_t timeout_ns = t->deployment->buffer_timeout_ns;
    if (timeout_ns < 0) {
        return;
    }
    int64_t now_ns = timeout_ns > 0 ? clock_monotonic_ns(t->env->clock) : 0;
    if (now_ns >= t->next_flush_ns) {
        chain_begin_flush(t->chain);
        t->next_flush_ns = timeout_ns > 0 ? now_ns + timeout_ns : 0;
    }
}

/* Timers of processing time, and what checkpoints need, between two inputs.  1: something was done. */
static int task_between_inputs(struct task *t, struct error *err)
{
    int rc = task_checkpoint_turn(t, err);
    if (rc != 0) {
        return rc;
    }
    return chain_fire_timer(t->chain, err);
}

/* 1: wait for memory. */
static int task_check_memory(struct task *t, struct error *err)
{
    if (UNLIKELY(t->env->budget != NULL && mem_budget_is_full(t->env->budget))) {
        return task_wait_for_memory(t, err);
    }
    t->memory.since_ns = 0;
    return 0;
}

/* The chain has nothing to do: input, a flush, or sleep. */
static int task_input_turn(struct task *t, struct error *err)
{
    int rc = task_check_memory(t, err);
    task_pace_turn(t);
    if (rc < 0) {
        return rc;
    }
    if (rc > 0) {
        return task_sleep_for_memory(t, err);
    }
    rc = task_take_input(t, err);
    if (rc < 0) {
        return rc;
    }
    if (rc > 0) {
        task_flush_when_due(t);
        return 0;
    }
    if (t->deployment->buffer_timeout_ns >= 0 && chain_is_dirty(t->chain)) {
        chain_begin_flush(t->chain); /* the input pauses */
        return 0;
    }
    return task_sleep(t, TASK_WAIT_IDLE, err);
}

/* Outputs that are full, or an operator: only a barrier that overtakes goes on. */
static int task_stall(struct task *t, enum task_wait wait, struct error *err)
{
    int rc = task_take_announcements(t, err);
    return rc != 0 ? MIN(rc, 0) : task_sleep(t, wait, err);
}

static int task_turn(struct task *t, struct error *err)
{
    if (mailbox_has_ops(t->mailbox)) {
        mailbox_run(t->mailbox, TASK_OPS_PER_TURN);
        TRY(t->async_rc);
    }
    if (UNLIKELY(atomic_load_explicit(&t->cancelled, memory_order_relaxed))) {
        return error_set(err, ERR_CANCELLED, "%s was cancelled", t->name);
    }
    if (UNLIKELY(task_checkpoint_write(t, false) > 0)) {
        return 0; /* it may have been all that the task waited for */
    }
    if (UNLIKELY(task_checkpoint_is_queued(&t->checkpoints))) {
        int rc = task_checkpoint_turn(t, err);
        return rc != 0 ? MIN(rc, 0) : task_sleep(t, TASK_WAIT_CHECKPOINT, err);
    }
    task_checkpoint_check_time(t);
    task_debloat_turn(t);
    if (!task_outputs_writable(t) && !task_checkpoint_overtakes(&t->checkpoints)) {
        return task_stall(t, TASK_WAIT_BACKPRESSURED, err);
    }
    if (chain_has_work(t->chain)) {
        return chain_step(t->chain, err);
    }
    int rc = task_between_inputs(t, err);
    if (rc != 0) {
        return MIN(rc, 0);
    }
    if (UNLIKELY(chain_is_waiting(t->chain))) {
        return task_stall(t, TASK_WAIT_OPERATOR, err);
    }
    return task_input_turn(t, err);
}

static int task_end_partitions(struct task *t, struct error *err)
{
    TRY(FAILPOINT(err, "task.end.before_end_of_partition"));
    struct element end = element_of_control(ELEMENT_END_OF_PARTITION);
    for (uint32_t i = 0; i < t->n_results; i++) {
        result_partition_send_control(t->results[i], &end);
    }
    return 0;
}

int task_end_restored(struct task *t, struct error *err)
{
    struct element watermark = element_of_control(ELEMENT_WATERMARK);
    struct element end = element_of_control(ELEMENT_END_OF_DATA);
    watermark.timestamp_ms = INT64_MAX;
    TRY(chain_end_restored(t->chain, err));
    TRY(FAILPOINT(err, "task.end.before_end_of_data"));
    for (uint32_t i = 0; i < t->n_results; i++) {
        result_partition_send_control(t->results[i], &watermark);
        result_partition_send_control(t->results[i], &end);
    }
    return task_end_partitions(t, err);
}

int task_loop(struct task *t, struct error *err)
{
    while (!task_may_finish(t)) {
        if (UNLIKELY(!t->checkpoints.data_ended && chain_is_finished(t->chain) &&
                     !chain_has_work(t->chain))) {
            TRY(task_end_data(t, err));
        } else {
            TRY(task_turn(t, err));
        }
    }
    return task_end_partitions(t, err);
}
