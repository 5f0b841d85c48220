/* A component's thread: timers, then operations, then sleep until a post or the next deadline.
 *
 * The same step drives the manual mode.  The owner thread is known by its mark, which tells threads apart without a
 * call.  Lifetime: component_free() after the thread ended;
 * the mailbox is counted and may live longer.  Flink: RpcEndpoint. */
#include "common/loop/component.h"

#include "common/base/log.h"
#include "common/base/mem.h"

enum {
    /* Operations between two looks at the timers: bounds how late a timer can be. */
    COMPONENT_OPS_PER_ROUND = 64,
};

struct component {
    struct mailbox *mailbox; /* counted */
    struct timers timers;
    char *name; /* Owns */
    enum component_mode mode;
    const struct clock *clock;
    void (*on_start)(void *owner);
    void (*on_stop)(void *owner);
    void *owner;
    _Atomic int state;
    _Atomic bool stop_asked;
    const void *_Atomic thread_mark; /* of the thread whose component this is now */
    pthread_t thread;
    bool joined; /* the stopper's */
};

static const char *const state_names[] = {
    [COMPONENT_NEW] = "NEW",
    [COMPONENT_RUNNING] = "RUNNING",
    [COMPONENT_DRAINING] = "DRAINING",
    [COMPONENT_STOPPED] = "STOPPED",
};

/* Allowed moves: bit `to` in the row of `from`. */
static const uint8_t state_moves[] = {
    [COMPONENT_NEW] = 1 << COMPONENT_RUNNING | 1 << COMPONENT_STOPPED,
    [COMPONENT_RUNNING] = 1 << COMPONENT_DRAINING | 1 << COMPONENT_NEW, /* no thread to be had */
    [COMPONENT_DRAINING] = 1 << COMPONENT_STOPPED,
    [COMPONENT_STOPPED] = 0,
};
_Static_assert(ARRAY_LEN(state_names) == ARRAY_LEN(state_moves), "one row per state");

const char *component_state_name(enum component_state state)
{
    return (unsigned)state < ARRAY_LEN(state_names) ? state_names[state] : "unknown";
}

static void component_transition(struct component *c, enum component_state to)
{
    int from = atomic_load_explicit(&c->state, memory_order_relaxed);
    ASSERT(state_moves[from] & 1 << to);
    atomic_store_explicit(&c->state, to, memory_order_release);
}

static void component_adopt(struct component *c)
{
    atomic_store_explicit(&c->thread_mark, thread_mark(), memory_order_release);
}

struct component *component_new(const struct component_options *options)
{
    struct component *c = MEM_NEW(struct component);
    c->name = mem_strdup(options->name != NULL ? options->name : "component");
    c->mode = options->mode;
    c->clock = options->clock != NULL ? options->clock : &clock_system;
    c->on_start = options->on_start;
    c->on_stop = options->on_stop;
    c->owner = options->owner;
    c->mailbox =
        mailbox_new(&(struct mailbox_options){.name = c->name, .limit = options->mailbox_limit});
    timers_init(&c->timers, c->clock);
    component_adopt(c);
    return c;
}

/* ---- the thread ------------------------------------------------------------------------------- */

/* The last operation of the data lane: what was posted before has run. */
static void component_begin_drain(void *owner, void *payload)
{
    struct component *c = payload;
    component_transition(c, COMPONENT_DRAINING);
}

static void component_drain(struct component *c)
{
    if (c->on_stop != NULL) {
        c->on_stop(c->owner);
    }
    /* What on_stop posted here, and control operations that came meanwhile; not what these post. */
    mailbox_run(c->mailbox, mailbox_len(c->mailbox));
    mailbox_close(c->mailbox);
    timers_clear(&c->timers);
    component_transition(c, COMPONENT_STOPPED);
}

static size_t component_step(struct component *c, size_t max_ops)
{
    size_t ran = timers_run_due(&c->timers);
    struct mailbox_op op;
    for (size_t i = 0; i < max_ops && component_get_state(c) == COMPONENT_RUNNING; i++) {
        if (!mailbox_poll(c->mailbox, &op)) {
            break;
        }
        mailbox_op_run(&op);
        ran++;
    }
    return ran;
}

static void component_sleep(struct component *c)
{
    struct event_count *event = mailbox_event(c->mailbox);
    uint32_t ticket = event_count_prepare(event);
    if (mailbox_has_ops(c->mailbox)) {
        event_count_cancel(event);
        return;
    }
    int64_t wait_ns = timers_wait_ns(&c->timers);
    if (c->clock != &clock_system && wait_ns > 0) {
        wait_ns = -1; /* that clock moves by hand, and whoever moves it posts */
    }
    if (wait_ns == 0) {
        event_count_cancel(event);
        return;
    }
    event_count_wait(event, ticket, wait_ns);
}

static void *component_main(void *arg)
{
    struct component *c = arg;
    component_adopt(c);
    if (c->on_start != NULL) {
        c->on_start(c->owner);
    }
    while (component_get_state(c) == COMPONENT_RUNNING) {
        if (component_step(c, COMPONENT_OPS_PER_ROUND) == 0) {
            component_sleep(c);
        }
    }
    component_drain(c);
    return NULL;
}

int component_start(struct component *c, struct error *err)
{
    component_assert_on_thread(c);
    if (component_get_state(c) != COMPONENT_NEW) {
        return error_set(err, ERR_STATE, "component %s was started already", c->name);
    }
    component_transition(c, COMPONENT_RUNNING);
    if (c->mode == COMPONENT_MANUAL) {
        if (c->on_start != NULL) {
            c->on_start(c->owner);
        }
        return 0;
    }
    /* From here on it is nobody's until the new thread takes it. */
    atomic_store_explicit(&c->thread_mark, NULL, memory_order_release);
    int rc = thread_start(&c->thread, c->name, component_main, c, err);
    if (rc < 0) {
        component_adopt(c);
        component_transition(c, COMPONENT_NEW);
        error_context(err, "starting component %s", c->name);
        return rc;
    }
    return 0;
}

void component_request_stop(struct component *c)
{
    if (atomic_exchange_explicit(&c->stop_asked, true, memory_order_acq_rel)) {
        return;
    }
    struct mailbox_op op = {.kind = COMPONENT_OP_STOP, .run = component_begin_drain, .payload = c};
    /* Closed: it has stopped already. */
    (void)!mailbox_post_internal(c->mailbox, MAILBOX_LANE_DATA, &op);
}

void component_stop(struct component *c)
{
    enum component_state state = component_get_state(c);
    if (state == COMPONENT_NEW) {
        component_assert_on_thread(c);
        mailbox_close(c->mailbox);
        timers_clear(&c->timers);
        component_transition(c, COMPONENT_STOPPED);
        c->joined = true; /* there was no thread */
        return;
    }
    if (c->mode == COMPONENT_MANUAL) {
        component_request_stop(c);
        while (component_get_state(c) != COMPONENT_STOPPED) {
            component_run_once(c);
        }
        return;
    }
    if (c->joined) {
        return;
    }
    ASSERT(!component_on_thread(c)); /* it would wait for itself: use component_request_stop() */
    component_request_stop(c);
    thread_join(c->thread);
    c->joined = true;
    component_adopt(c);
}

struct component *component_free(struct component *c)
{
    if (c == NULL) {
        return NULL;
    }
    component_stop(c);
    timers_fini(&c->timers);
    mailbox_unref(c->mailbox);
    mem_free(c->name);
    mem_free(c);
    return NULL;
}

/* ---- posting and scheduling ------------------------------------------------------------------- */

int component_post(struct component *c, enum mailbox_lane lane, int kind,
                   void (*run)(void *owner, void *payload), void *payload,
                   void (*drop)(void *payload))
{
    struct mailbox_op op = {
        .kind = kind, .run = run, .target = c->owner, .payload = payload, .drop = drop};
    /* Its own posts are bounded by what it does; a refused one could deadlock it with itself. */
    return component_on_thread(c) ? mailbox_post_internal(c->mailbox, lane, &op)
                                  : mailbox_post(c->mailbox, lane, &op);
}

uint64_t component_schedule(struct component *c, int64_t delay_ms, void (*fn)(void *arg), void *arg)
{
    component_assert_on_thread(c);
    if (component_get_state(c) == COMPONENT_STOPPED) {
        return TIMER_NONE;
    }
    return timers_add_after_ms(&c->timers, delay_ms, fn, arg);
}

bool component_cancel(struct component *c, uint64_t handle)
{
    component_assert_on_thread(c);
    return timers_cancel(&c->timers, handle);
}

struct mailbox *component_mailbox(struct component *c)
{
    return c->mailbox;
}

const struct clock *component_clock(const struct component *c)
{
    return c->clock;
}

enum component_state component_get_state(const struct component *c)
{
    return (enum component_state)atomic_load_explicit(&c->state, memory_order_acquire);
}

const char *component_name(const struct component *c)
{
    return c->name;
}

bool component_on_thread(const struct component *c)
{
    return atomic_load_explicit(&c->thread_mark, memory_order_acquire) == thread_mark();
}

void component_assert_on_thread(const struct component *c)
{
    if (UNLIKELY(!component_on_thread(c))) {
        LOG_ERROR("flinc.loop", "component %s was used on a thread that is not its own", c->name);
        ASSERT(component_on_thread(c));
    }
}

/* ---- manual mode ------------------------------------------------------------------------------ */

size_t component_run_once(struct component *c)
{
    ASSERT(c->mode == COMPONENT_MANUAL);
    component_assert_on_thread(c);
    if (component_get_state(c) != COMPONENT_RUNNING) {
        return 0;
    }
    size_t ran = component_step(c, 1);
    if (component_get_state(c) == COMPONENT_DRAINING) {
        component_drain(c);
    }
    return ran;
}

size_t component_run_until_idle(struct component *c, size_t max)
{
    size_t total = 0;
    while (max == 0 || total < max) {
        size_t ran = component_run_once(c);
        if (ran == 0) {
            break;
        }
        total += ran;
    }
    return total;
}

int64_t component_next_deadline_ns(const struct component *c)
{
    return timers_next_deadline_ns(&c->timers);
}
