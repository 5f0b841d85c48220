/* Waiting for rest before a change is acted on; see transition_manager.h. */
#include "jobmanager/adaptive/transition_manager.h"

static const struct {
    const char *name;
    uint8_t moves; /* bit `to` */
} phase_rows[] = {
    [TRANSITION_OFF] = {"OFF", 1 << TRANSITION_COOLDOWN | 1 << TRANSITION_IDLING},
    [TRANSITION_COOLDOWN] = {"COOLDOWN", 1 << TRANSITION_OFF | 1 << TRANSITION_IDLING |
                                             1 << TRANSITION_STABILIZING},
    [TRANSITION_IDLING] = {"IDLING", 1 << TRANSITION_OFF | 1 << TRANSITION_STABILIZING},
    [TRANSITION_STABILIZING] = {"STABILIZING", 1 << TRANSITION_OFF | 1 << TRANSITION_IDLING |
                                                   1 << TRANSITION_STABILIZED},
    /* back: what it waited for is gone again */
    [TRANSITION_STABILIZED] = {"STABILIZED", 1 << TRANSITION_OFF | 1 << TRANSITION_IDLING |
                                                 1 << TRANSITION_TRANSITIONING},
    [TRANSITION_TRANSITIONING] = {"TRANSITIONING", 1 << TRANSITION_OFF},
};
_Static_assert(ARRAY_LEN(phase_rows) == TRANSITION_PHASES, "one row per phase");

const char *transition_phase_name(enum transition_phase phase)
{
    return (unsigned)phase < TRANSITION_PHASES ? phase_rows[phase].name : "UNKNOWN";
}

bool transition_phase_may_move(enum transition_phase from, enum transition_phase to)
{
    return (unsigned)from < TRANSITION_PHASES && (unsigned)to < TRANSITION_PHASES &&
           (phase_rows[from].moves & 1 << to) != 0;
}

static void move(struct transition_manager *m, enum transition_phase to)
{
    ASSERT(transition_phase_may_move(m->phase, to));
    component_cancel(m->component, m->timer);
    m->timer = TIMER_NONE;
    m->phase = to;
}

static void wait_for(struct transition_manager *m, int64_t delay_ms, void (*then)(void *arg))
{
    if (delay_ms != TRANSITION_NEVER) {
        m->timer = component_schedule(m->component, delay_ms, then, m);
    }
}

static void transit(struct transition_manager *m)
{
    if (!m->owner.has_sufficient(m->owner.arg)) {
        move(m, TRANSITION_IDLING);
        if (m->owner.on_idle != NULL) {
            m->owner.on_idle(m->owner.arg);
        }
        return;
    }
    move(m, TRANSITION_TRANSITIONING);
    m->owner.transit(m->owner.arg);
}

/* Timer: no trigger came. */
static void on_delay_over(void *arg)
{
    struct transition_manager *m = arg;
    m->timer = TIMER_NONE;
    transit(m);
}

static void stabilized(struct transition_manager *m)
{
    move(m, TRANSITION_STABILIZED);
    if (m->times.max_delay_ms == 0) {
        transit(m);
        return;
    }
    wait_for(m, m->times.max_delay_ms, on_delay_over);
    if (m->owner.on_stabilized != NULL) {
        m->owner.on_stabilized(m->owner.arg);
    }
}

static void settle(struct transition_manager *m)
{
    if (m->owner.has_sufficient(m->owner.arg)) {
        stabilized(m);
        return;
    }
    move(m, TRANSITION_IDLING);
    if (m->owner.on_idle != NULL) {
        m->owner.on_idle(m->owner.arg);
    }
}

/* Timer: more does not come. */
static void on_stable(void *arg)
{
    struct transition_manager *m = arg;
    m->timer = TIMER_NONE;
    settle(m);
}

static void stabilize(struct transition_manager *m)
{
    move(m, TRANSITION_STABILIZING);
    if (m->owner.has_desired(m->owner.arg)) {
        stabilized(m);
    } else if (m->times.stabilization_ms == 0) {
        settle(m);
    } else {
        wait_for(m, m->times.stabilization_ms, on_stable);
    }
}

/* Timer: the cool-down is over. */
static void on_cool(void *arg)
{
    struct transition_manager *m = arg;
    m->timer = TIMER_NONE;
    if (m->changed && m->owner.has_sufficient(m->owner.arg)) {
        stabilize(m);
    } else {
        move(m, TRANSITION_IDLING);
    }
}

void transition_manager_init(struct transition_manager *m, struct component *component,
                             const struct transition_owner *owner)
{
    *m = (struct transition_manager){.component = component, .owner = *owner, .timer = TIMER_NONE};
}

void transition_manager_start(struct transition_manager *m, const struct transition_times *times)
{
    transition_manager_stop(m);
    m->times = *times;
    m->changed = false;
    if (times->cooldown_ms > 0) {
        move(m, TRANSITION_COOLDOWN);
        wait_for(m, times->cooldown_ms, on_cool);
    } else {
        move(m, TRANSITION_IDLING);
    }
}

void transition_manager_stop(struct transition_manager *m)
{
    if (m->phase != TRANSITION_OFF) {
        move(m, TRANSITION_OFF);
    }
}

void transition_manager_on_change(struct transition_manager *m)
{
    switch (m->phase) {
    case TRANSITION_COOLDOWN:
        m->changed = true;
        break;
    case TRANSITION_IDLING:
        if (m->owner.has_sufficient(m->owner.arg)) { /* from then on it is waited for more */
            stabilize(m);
        }
        break;
    case TRANSITION_STABILIZING:
        if (m->owner.has_desired(m->owner.arg)) {
            stabilized(m);
        }
        break;
    default:
        break; /* looked at when it transits */
    }
}

void transition_manager_on_trigger(struct transition_manager *m)
{
    if (m->phase == TRANSITION_STABILIZED) {
        transit(m);
    }
}
