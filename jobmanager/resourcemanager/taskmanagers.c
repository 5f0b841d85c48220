/* Task managers: their connection's states, the grace after a stream has ended, heartbeats, loss.
 *
 * A stream that ends is suspicion: the task manager may come back under the same instance id within
 * resourcemanager.reconnect-grace, with its slots and workers as they were.  A process that was killed
 * does not come back: its data port refuses, which the prober finds within milliseconds.  One that holds its stream and
 * answers no heartbeat for heartbeat.timeout is lost, too.
 * Thread: the resource manager's.  Flink: WorkerRegistration, TaskManagerHeartbeatListener. */
#include "jobmanager/resourcemanager/resourcemanager_internal.h"

enum { NS_PER_MS = 1000000 };

/* ---- states ----------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    uint8_t moves; /* bit `to` */
} state_rows[] = {
    [RM_TM_UNREGISTERED] = {"UNREGISTERED", 1 << RM_TM_REGISTERED},
    [RM_TM_REGISTERED] = {"REGISTERED", 1 << RM_TM_GRACE | 1 << RM_TM_LOST},
    [RM_TM_GRACE] = {"GRACE", 1 << RM_TM_REGISTERED | 1 << RM_TM_LOST},
    [RM_TM_LOST] = {"LOST", 0},
};
_Static_assert(ARRAY_LEN(state_rows) == RM_TM_STATES, "one row per state");

const char *rm_tm_state_name(enum rm_tm_state state)
{
    return (unsigned)state < RM_TM_STATES ? state_rows[state].name : "UNKNOWN";
}

bool rm_tm_may_move(enum rm_tm_state from, enum rm_tm_state to)
{
    return (unsigned)from < RM_TM_STATES && (unsigned)to < RM_TM_STATES &&
           (state_rows[from].moves & 1 << to) != 0;
}

static void rm_tm_transition(struct rm_tm *tm, enum rm_tm_state to)
{
    ASSERT(rm_tm_may_move(tm->state, to));
    LOG_DEBUG(RM_TOPIC, "Task manager %s: %s to %s.", tm->id, rm_tm_state_name(tm->state),
              rm_tm_state_name(to));
    tm->state = to;
    rm_overview_changed(tm->rm);
}

struct rm_tm *rm_tm_find(struct resourcemanager *rm, const char *id)
{
    return map_find(&rm->tms_by_id, id);
}

int rm_tm_send(struct rm_tm *tm, Flinc__MasterToTaskManager *m, struct error *err)
{
    TRY(FAILPOINT(err, "resourcemanager.message.before_send"));
    return rm_sender_send(tm->sender, m, err);
}

/* ---- heartbeats --------------------------------------------------------------------------------------- */

static void set_deadline(struct rm_tm *tm, int64_t in_ms);

/* This process was stopped or starved itself: answers may wait in the mailbox, and others could not
 * answer what was not asked. */
static void notice_own_sleep(struct resourcemanager *rm, int64_t now_ns)
{
    int64_t interval_ns = rm->heartbeat_interval_ms * NS_PER_MS;
    if (now_ns - rm->last_tick_ns > 2 * interval_ns) {
        rm->excused_until_ns = now_ns + 2 * interval_ns;
    }
}

/* Timer: heartbeat.timeout since the last answer, as far as it was known then. */
static void on_deadline(void *arg)
{
    struct rm_tm *tm = arg;
    struct resourcemanager *rm = tm->rm;
    int64_t now_ns = clock_monotonic_ns(rm->clock);
    tm->deadline_timer = TIMER_NONE;
    notice_own_sleep(rm, now_ns);
    if (now_ns < rm->excused_until_ns) {
        set_deadline(tm, (rm->excused_until_ns - now_ns) / NS_PER_MS + 1);
        return;
    }
    int64_t left_ms = rm->heartbeat_timeout_ms - (now_ns - tm->last_heartbeat_ns) / NS_PER_MS;
    if (left_ms > 0) {
        set_deadline(tm, left_ms);
        return;
    }
    struct error why = ERROR_INIT;
    error_set(&why, ERR_UNAVAILABLE, "The heartbeat of TaskManager with id %s timed out.", tm->id);
    rm_count(rm, &rm->stats.lost_by_heartbeat);
    rm_tm_lose(tm, &why);
}

static void set_deadline(struct rm_tm *tm, int64_t in_ms)
{
    component_cancel(tm->rm->component, tm->deadline_timer);
    tm->deadline_timer = component_schedule(tm->rm->component, in_ms, on_deadline, tm);
}

static void beat(struct rm_tm *tm)
{
    Flinc__HeartbeatFromMaster heartbeat = FLINC__HEARTBEAT_FROM_MASTER__INIT;
    Flinc__MasterToTaskManager m = FLINC__MASTER_TO_TASK_MANAGER__INIT;
    struct error err = ERROR_INIT;
    heartbeat.number = ++tm->heartbeat_number;
    heartbeat.allocations = MEM_NEW_ARRAY(ProtobufCBinaryData, (size_t)rm_tm_n_rows(tm) + 1);
    for (uint32_t i = 0; i < rm_tm_n_rows(tm); i++) {
        const struct rm_slot *s = rm_tm_row(tm, i);
        if (s->job != NULL) {
            heartbeat.allocations[heartbeat.n_allocations++] = rm_id_data(&s->allocation);
        }
    }
    m.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_HEARTBEAT;
    m.heartbeat = &heartbeat;
    if (rm_tm_send(tm, &m, &err) < 0) {
        LOG_WARN(RM_TOPIC, "A heartbeat to task manager %s was not sent, the next one is: %s",
                 tm->id, err.message);
    }
    mem_free(heartbeat.allocations);
}

/* Timer: heartbeat.interval. */
static void on_tick(void *arg)
{
    struct resourcemanager *rm = arg;
    int64_t now_ns = clock_monotonic_ns(rm->clock);
    notice_own_sleep(rm, now_ns);
    rm->last_tick_ns = now_ns;
    for (size_t i = 0; i < rm->tms.len; i++) {
        struct rm_tm *tm = vec_ptr(&rm->tms, i);
        if (tm->state == RM_TM_REGISTERED) {
            beat(tm);
        }
    }
    rm_queries_sweep(rm);
    rm->heartbeat_timer = component_schedule(rm->component, rm->heartbeat_interval_ms, on_tick, rm);
}

void rm_heartbeats_start(struct resourcemanager *rm)
{
    rm->last_tick_ns = clock_monotonic_ns(rm->clock);
    rm->heartbeat_timer = component_schedule(rm->component, rm->heartbeat_interval_ms, on_tick, rm);
}

static void seen_alive(struct rm_tm *tm)
{
    tm->last_heartbeat_ns = clock_monotonic_ns(tm->rm->clock);
    tm->last_heartbeat_ms = clock_now_ms(tm->rm->clock);
}

void rm_tm_on_heartbeat(struct rm_tm *tm, const Flinc__HeartbeatToMaster *heartbeat)
{
    seen_alive(tm);
    tm->assigned_tasks = heartbeat->assigned_tasks;
    tm->free_memory = heartbeat->free_memory;
    vec_clear(&tm->usages);
    for (size_t i = 0; i < MIN(heartbeat->n_jobs, (size_t)rm_tm_n_rows(tm)); i++) {
        struct rm_usage *u = VEC_PUSH(&tm->usages, struct rm_usage);
        rm_id_copy(&u->job_id, &heartbeat->jobs[i]->job_id);
        u->n_tasks = heartbeat->jobs[i]->n_tasks;
        u->rss_bytes = heartbeat->jobs[i]->rss_bytes;
    }
    rm_overview_heartbeat(tm->rm);
    if (heartbeat->slots != NULL && heartbeat->number <= tm->heartbeat_number) {
        rm_reconcile_slots(tm, heartbeat->slots, heartbeat->number);
    }
}

/* ---- registering ---------------------------------------------------------------------------------------- */

/* Answers the registration and makes the stream its own.  Slots taken under allocations that are not known
 * here are told to be freed. */
static int greet(struct rm_tm *tm, struct rm_stream *stream, struct error *err)
{
    struct resourcemanager *rm = tm->rm;
    Flinc__Registered registered = FLINC__REGISTERED__INIT;
    Flinc__MasterToTaskManager m = FLINC__MASTER_TO_TASK_MANAGER__INIT;
    const Flinc__SlotReport *report = tm->info->slots;
    size_t n = report != NULL ? report->n_slots : 0;
    ProtobufCBinaryData *unknown = MEM_NEW_ARRAY(ProtobufCBinaryData, n + 1);
    registered.leader = rm_id_data(&rm->leader);
    registered.heartbeat_interval_ms = (uint64_t)rm->heartbeat_interval_ms;
    registered.heartbeat_timeout_ms = (uint64_t)rm->heartbeat_timeout_ms;
    registered.unknown_allocations = unknown;
    for (size_t i = 0; i < n; i++) {
        const Flinc__SlotStatus *s = report->slots[i];
        if (s->state != FLINC__SLOT_STATE__SLOT_FREE) {
            const struct rm_slot *slot = rm_slot_find(rm, &s->allocation_id);
            if (slot == NULL || slot->job == NULL || slot->tm != tm) {
                unknown[registered.n_unknown_allocations++] = s->allocation_id;
            }
        }
    }
    m.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_REGISTERED;
    m.registered = &registered;
    stream->tm = tm;
    tm->stream = stream;
    int rc = FAILPOINT(err, "resourcemanager.register.before_answer");
    if (rc == 0) {
        rc = rm_sender_attach(tm->sender, stream->channel, &m, err);
    }
    mem_free(unknown);
    return rc;
}

/* The stream broke at once: its end comes by itself. */
static void greet_or_wait(struct rm_tm *tm, struct rm_stream *stream)
{
    struct error err = ERROR_INIT;
    if (greet(tm, stream, &err) < 0) {
        LOG_WARN(RM_TOPIC, "The registration of task manager %s was not answered: %s", tm->id,
                 err.message);
    }
}

struct rm_tm *rm_tm_add(struct rm_stream *stream, Flinc__Register *take_info)
{
    struct resourcemanager *rm = stream->rm;
    struct rm_tm *tm = MEM_NEW(struct rm_tm);
    tm->rm = rm;
    tm->id = mem_strdup(take_info->resource_id);
    rm_id_copy(&tm->instance, &take_info->instance_id);
    tm->info = take_info;
    tm->sender = rm_sender_new(&rm->leader);
    tm->n_slots = tm->n_free = take_info->n_slots;
    tm->slots = MEM_NEW_ARRAY(struct rm_slot, tm->n_slots);
    for (uint32_t i = 0; i < tm->n_slots; i++) {
        rm_slot_init(&tm->slots[i], tm, i);
    }
    rm_tm_read_profiles(tm);
    vec_init(&tm->dynamic, sizeof(struct rm_slot *));
    vec_init(&tm->relays, sizeof(struct rm_relay *));
    vec_init(&tm->usages, sizeof(struct rm_usage));
    vec_push_ptr(&rm->tms, tm);
    map_put(&rm->tms_by_id, tm->id, tm);
    rm->changes++;
    rm_count(rm, &rm->stats.registrations);
    LOG_INFO(RM_TOPIC, "Registering TaskManager with id %s (%s) at ResourceManager: %u slots.",
             tm->id, take_info->rpc_address, tm->n_slots);
    seen_alive(tm);
    set_deadline(tm, rm->heartbeat_timeout_ms);
    rm_tm_transition(tm, RM_TM_REGISTERED);
    greet_or_wait(tm, stream);
    if (take_info->slots != NULL) {
        rm_reconcile_slots(tm, take_info->slots, UINT64_MAX);
    }
    rm_match(rm);
    return tm;
}

/* Messages between job masters and workers there may have been lost with the old stream. */
static void reconcile_jobs(struct rm_tm *tm)
{
    for (size_t i = 0; i < tm->relays.len; i++) {
        struct rm_relay *r = vec_ptr(&tm->relays, i);
        if (!r->job->removed) {
            jobmaster_reconcile(r->job->spec.jm);
        }
    }
}

void rm_tm_return(struct rm_tm *tm, struct rm_stream *stream, Flinc__Register *take_info)
{
    struct resourcemanager *rm = tm->rm;
    flinc__register__free_unpacked(tm->info, NULL);
    tm->info = take_info;
    rm_tm_read_profiles(tm);
    if (tm->stream == stream) { /* said twice; its slots may have changed since it was packed */
        greet_or_wait(tm, stream);
        return;
    }
    component_cancel(rm->component, tm->grace_timer);
    tm->grace_timer = TIMER_NONE;
    if (tm->stream != NULL) { /* it noticed first that the old one is broken */
        struct rm_stream *old = tm->stream;
        rm_sender_detach(tm->sender);
        old->tm = NULL;
        rm_stream_remove(old);
    }
    rm_count(rm, &rm->stats.reconnects);
    LOG_INFO(RM_TOPIC, "TaskManager with id %s is back on a new connection.", tm->id);
    seen_alive(tm);
    set_deadline(tm, rm->heartbeat_timeout_ms);
    if (tm->state == RM_TM_GRACE) {
        rm_tm_transition(tm, RM_TM_REGISTERED);
    }
    greet_or_wait(tm, stream);
    if (take_info->slots != NULL) {
        rm_reconcile_slots(tm, take_info->slots, UINT64_MAX);
    }
    reconcile_jobs(tm);
    rm_match(rm);
}

/* ---- loss ------------------------------------------------------------------------------------------------- */

/* Timer: resourcemanager.reconnect-grace. */
static void on_grace_over(void *arg)
{
    struct rm_tm *tm = arg;
    struct error why = ERROR_INIT;
    tm->grace_timer = TIMER_NONE;
    error_set(&why, ERR_UNAVAILABLE, "TaskManager with id %s is no longer reachable.", tm->id);
    rm_count(tm->rm, &tm->rm->stats.lost_by_stream);
    rm_tm_lose(tm, &why);
}

void rm_tm_suspect(struct rm_tm *tm)
{
    struct resourcemanager *rm = tm->rm;
    rm_sender_detach(tm->sender);
    tm->stream->tm = NULL;
    tm->stream = NULL;
    tm->avoid_until_ms = rm_now_ms(rm) + RM_AVOID_MS;
    rm_tm_transition(tm, RM_TM_GRACE);
    component_cancel(rm->component, tm->deadline_timer);
    tm->deadline_timer = TIMER_NONE;
    tm->grace_timer = component_schedule(rm->component, rm->grace_ms, on_grace_over, tm);
}

/* Who was asked about. */
struct probed {
    struct flinc_id instance;
    char *id; /* Owns */
};

static void probed_free(void *payload)
{
    struct probed *p = payload;
    mem_free(p->id);
    mem_free(p);
}

/* Nobody listens at its data address: its process has ended. */
static void run_probed(void *target, void *payload)
{
    const struct probed *p = payload;
    struct resourcemanager *rm = target;
    struct rm_tm *tm = rm_tm_find(rm, p->id);
    if (tm != NULL && tm->state == RM_TM_GRACE && id_eq(&tm->instance, &p->instance)) {
        struct error why = ERROR_INIT;
        error_set(&why, ERR_UNAVAILABLE, "TaskManager with id %s is no longer reachable.", tm->id);
        LOG_INFO(RM_TOPIC, "Nobody listens at %s any more: the process of task manager %s is gone.",
                 tm->info->data_address, tm->id);
        rm_count(rm, &rm->stats.lost_by_probe);
        rm_tm_lose(tm, &why);
    }
    probed_free(payload);
}

void rm_tm_probe(struct rm_tm *tm, const char *peer)
{
    struct resourcemanager *rm = tm->rm;
    ASSERT(tm->state == RM_TM_GRACE);
    if (rm->prober.probe == NULL || rm->grace_ms <= 0) {
        return;
    }
    struct probed *p = MEM_NEW(struct probed);
    p->instance = tm->instance;
    p->id = mem_strdup(tm->id);
    const struct mailbox_op op = {
        .kind = RM_OP_PROBED, .run = run_probed, .target = rm, .payload = p, .drop = probed_free};
    rm->prober.probe(rm->prober.arg, tm->info->data_address, peer, rm->grace_ms,
                     component_mailbox(rm->component), &op);
}

static void forget(struct rm_tm *tm)
{
    struct resourcemanager *rm = tm->rm;
    map_remove(&rm->tms_by_id, tm->id);
    for (size_t i = 0; i < rm->tms.len; i++) {
        if (vec_ptr(&rm->tms, i) == tm) {
            vec_remove(&rm->tms, i);
            break;
        }
    }
}

void rm_tm_lose(struct rm_tm *tm, const struct error *why)
{
    struct resourcemanager *rm = tm->rm;
    LOG_INFO(RM_TOPIC, "%s", why->message);
    rm_tm_transition(tm, RM_TM_LOST);
    rm_sender_lose(tm->sender);
    while (tm->relays.len > 0) { /* the job masters hear of it; their slots there are gone */
        rm_relay_end(vec_ptr(&tm->relays, 0), why);
    }
    rm->changes++;
    for (uint32_t i = 0; i < rm_tm_n_rows(tm); i++) {
        if (rm_tm_row(tm, i)->state != RM_SLOT_FREE) {
            rm_slot_freed(rm_tm_row(tm, i));
        }
    }
    rm_queries_fail(rm, tm, why);
    forget(tm);
    if (tm->stream != NULL) {
        tm->stream->tm = NULL;
        rm_stream_remove(tm->stream);
        tm->stream = NULL;
    }
    rm_tm_free(tm);
    rm_overview_changed(rm);
    rm_match(rm);
}

void rm_tm_free(struct rm_tm *tm)
{
    component_cancel(tm->rm->component, tm->deadline_timer);
    component_cancel(tm->rm->component, tm->grace_timer);
    for (uint32_t i = 0; i < rm_tm_n_rows(tm); i++) {
        component_cancel(tm->rm->component, rm_tm_row(tm, i)->timer);
        rm_job_unref(rm_tm_row(tm, i)->job);
    }
    for (size_t i = 0; i < tm->dynamic.len; i++) {
        struct rm_slot *s = vec_ptr(&tm->dynamic, i);
        mem_free(s->profile);
        mem_free(s);
    }
    vec_fini(&tm->dynamic);
    for (size_t i = 0; i < tm->relays.len; i++) {
        rm_relay_unref(vec_ptr(&tm->relays, i));
    }
    vec_fini(&tm->relays);
    vec_fini(&tm->usages);
    rm_sender_unref(tm->sender);
    flinc__register__free_unpacked(tm->info, NULL);
    mem_free(tm->slots);
    mem_free(tm->id);
    mem_free(tm);
}
