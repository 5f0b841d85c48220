/* Life of a task manager, its state, and the way out. */
#include "taskmanager/manager/taskmanager_internal.h"

static const struct {
    const char *name;
    uint8_t moves; /* bit `to` */
} state_rows[] = {
    [TASKMANAGER_DISCONNECTED] = {"DISCONNECTED", 1 << TASKMANAGER_REGISTERING |
                                                      1 << TASKMANAGER_DISCONNECTED |
                                                      1 << TASKMANAGER_STOPPING},
    [TASKMANAGER_REGISTERING] = {"REGISTERING",
                                 1 << TASKMANAGER_DISCONNECTED | 1 << TASKMANAGER_CLEARING |
                                     1 << TASKMANAGER_REGISTERED | 1 << TASKMANAGER_STOPPING},
    [TASKMANAGER_CLEARING] = {"CLEARING",
                              1 << TASKMANAGER_DISCONNECTED | 1 << TASKMANAGER_STOPPING},
    [TASKMANAGER_REGISTERED] = {"REGISTERED",
                                1 << TASKMANAGER_DISCONNECTED | 1 << TASKMANAGER_STOPPING},
    [TASKMANAGER_STOPPING] = {"STOPPING", 1 << TASKMANAGER_STOPPED},
    [TASKMANAGER_STOPPED] = {"STOPPED", 0},
};
_Static_assert(ARRAY_LEN(state_rows) == TASKMANAGER_STATES, "one row per state");

const char *taskmanager_state_name(enum taskmanager_state state)
{
    return (unsigned)state < TASKMANAGER_STATES ? state_rows[state].name : "UNKNOWN";
}

void taskmanager_transition(struct taskmanager *tm, enum taskmanager_state to)
{
    enum taskmanager_state from = tm_state(tm);
    ASSERT((state_rows[from].moves & 1 << to) != 0);
    if (from != to) {
        LOG_DEBUG(MANAGER_TOPIC, "connection %s -> %s", taskmanager_state_name(from),
                  taskmanager_state_name(to));
    }
    atomic_store_explicit(&tm->state, to, memory_order_relaxed);
}

void tm_cancel_timer(struct taskmanager *tm, uint64_t *timer)
{
    component_cancel(tm->component, *timer);
    *timer = 0;
}

/* ---- the way out -------------------------------------------------------------------------------- */

static void taskmanager_say_goodbye(struct taskmanager *tm)
{
    Flinc__TaskManagerToMaster m = FLINC__TASK_MANAGER_TO_MASTER__INIT;
    Flinc__Goodbye goodbye = FLINC__GOODBYE__INIT;
    goodbye.reason =
        tm->end_why.code == 0 ? (char *)"the task manager was asked to end" : tm->end_why.message;
    m.body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY_GOODBYE;
    m.goodbye = &goodbye;
    tm_outbox_send(tm, &m);
}

static void taskmanager_finish(struct taskmanager *tm)
{
    tm_cancel_timer(tm, &tm->stop_timer);
    tm_connection_end(tm);
    tm_outbox_drop(tm);
    taskmanager_transition(tm, TASKMANAGER_STOPPED);
    if (tm->options.on_end != NULL) {
        tm->options.on_end(tm->options.owner, &tm->end_why);
    }
}

/* Workers that did not end by themselves. */
static void on_stop_grace_over(void *arg)
{
    struct taskmanager *tm = arg;
    struct error why = ERROR_INIT;
    tm->stop_timer = 0;
    error_set(&why, ERR_CANCELLED, "the task manager ends");
    tm_slots_give_up_all(tm, &why);
}

void taskmanager_check_gone(struct taskmanager *tm)
{
    if (tm->jobs.len > 0) {
        return;
    }
    if (tm_state(tm) == TASKMANAGER_STOPPING) {
        taskmanager_finish(tm);
    } else if (tm_state(tm) == TASKMANAGER_CLEARING) {
        tm_connection_cleared(tm);
    }
}

void taskmanager_begin_stop(struct taskmanager *tm, const struct error *why)
{
    if (tm_state(tm) == TASKMANAGER_STOPPING || tm_state(tm) == TASKMANAGER_STOPPED) {
        return;
    }
    bool registered = tm_state(tm) == TASKMANAGER_REGISTERED;
    error_copy(&tm->end_why, why);
    if (why->code == 0) {
        LOG_INFO(MANAGER_TOPIC, "The task manager ends; %zu workers end before.", tm->jobs.len);
    }
    taskmanager_transition(tm, TASKMANAGER_STOPPING);
    tm_cancel_timer(tm, &tm->attempt_timer);
    tm_cancel_timer(tm, &tm->deadline_timer);
    if (registered) {
        taskmanager_say_goodbye(tm);
    } else {
        tm->channel = rpc_channel_free(tm->channel);
    }
    struct error stop = ERROR_INIT;
    error_set(&stop, ERR_CANCELLED, "the task manager ends");
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots); i++) {
        tm_slots_give_up(tm, tm_slot_table_row(&tm->slots, i), &stop);
    }
    tm->stop_timer =
        component_schedule(tm->component, TASKMANAGER_STOP_GRACE_MS, on_stop_grace_over, tm);
    taskmanager_check_gone(tm);
}

/* ---- life --------------------------------------------------------------------------------------- */

static void on_start(void *owner)
{
    tm_connection_start(owner);
}

static void on_stop(void *owner)
{
    struct taskmanager *tm = owner;
    tm_connection_end(tm);
}

static uint64_t system_seed(void)
{
    struct rng rng;
    rng_init_system(&rng);
    return rng_next(&rng);
}

int taskmanager_new(const struct taskmanager_options *options, struct taskmanager **ret,
                    struct error *err)
{
    int32_t n_slots = conf_int(options->conf, "taskmanager.numberOfTaskSlots");
    if (n_slots < 1) {
        return error_set(err, ERR_INVALID_CONFIG, "taskmanager.numberOfTaskSlots is %d", n_slots);
    }
    struct resource_profile total;
    TRY(tm_memory_total_profile(&options->memory, options->conf, (uint32_t)n_slots, &total, err));
    struct taskmanager *tm = MEM_NEW(struct taskmanager);
    tm->options = *options;
    tm->clock = options->clock != NULL ? options->clock : &clock_system;
    rng_init(&tm->rng, options->seed != 0 ? options->seed : system_seed());
    id_random(&tm->instance_id, &tm->rng);
    tm_slot_table_init(&tm->slots, (uint32_t)n_slots, &total, tm);
    map_init(&tm->jobs, NULL);
    vec_init(&tm->left_jobs, sizeof(void *));
    vec_init(&tm->held, sizeof(struct held_message *));
    vec_init(&tm->asking, sizeof(void *));
    const struct component_options component = {
        .name = "taskmanager",
        .mode = options->mode,
        .clock = tm->clock,
        .on_start = on_start,
        .on_stop = on_stop,
        .owner = tm,
    };
    tm->component = component_new(&component);
    *ret = tm;
    return 0;
}

struct component *taskmanager_component(struct taskmanager *tm)
{
    return tm->component;
}

void *taskmanager_owner(const struct taskmanager *tm)
{
    return tm->options.owner;
}

struct metric_group *taskmanager_metrics(struct taskmanager *tm)
{
    return tm->metrics;
}

void taskmanager_set_workers(struct taskmanager *tm, const struct taskmanager_worker_ops *ops,
                             void *host, const struct taskmanager_identity *identity)
{
    ASSERT(component_get_state(tm->component) == COMPONENT_NEW);
    tm->ops = ops;
    tm->host = host;
    tm->identity = *identity;
    tm_metrics_start(tm);
}

void taskmanager_set_process_metrics(struct taskmanager *tm, struct process_metrics *metrics)
{
    ASSERT(component_get_state(tm->component) == COMPONENT_NEW);
    tm->process_metrics = metrics;
}

int taskmanager_start(struct taskmanager *tm, struct error *err)
{
    ASSERT(tm->ops != NULL);
    return component_start(tm->component, err);
}

static void run_shutdown(void *owner, void *payload)
{
    struct taskmanager *tm = owner;
    struct error why = ERROR_INIT;
    LOG_INFO(MANAGER_TOPIC, "Shutting down: %s", (const char *)payload);
    mem_free(payload);
    taskmanager_begin_stop(tm, &why);
}

void taskmanager_shutdown(struct taskmanager *tm, const char *reason)
{
    char *text = mem_strdup(reason);
    if (component_post(tm->component, MAILBOX_LANE_CONTROL, MANAGER_OP_SHUTDOWN, run_shutdown, text,
                       mem_free) < 0) {
        mem_free(text);
    }
}

void taskmanager_stop(struct taskmanager *tm)
{
    component_stop(tm->component);
}

struct taskmanager *taskmanager_free(struct taskmanager *tm)
{
    if (tm == NULL) {
        return NULL;
    }
    component_stop(tm->component);
    tm->channel = rpc_channel_free(tm->channel);
    MAP_FOREACH (&tm->jobs, e) {
        tm_jobs_remove(e->value);
    }
    map_fini(&tm->jobs);
    tm_queries_end(tm);
    tm_outbox_drop(tm);
    vec_fini(&tm->held);
    tm_local_state_fini(tm);
    tm_slot_table_fini(&tm->slots);
    tm_metrics_end(tm);
    tm->component = component_free(tm->component);
    mem_free(tm);
    return NULL;
}

void taskmanager_get_stats(const struct taskmanager *tm, struct taskmanager_stats *ret)
{
    uint64_t values[ARRAY_LEN(tm->shown.stats)];
    for (size_t i = 0; i < ARRAY_LEN(values); i++) {
        values[i] = atomic_load_explicit(&tm->shown.stats[i], memory_order_relaxed);
    }
    memcpy(ret, values, sizeof(*ret));
}

enum taskmanager_state taskmanager_get_state(const struct taskmanager *tm)
{
    return tm_state(tm);
}
