/* The connection to the job manager: attempts and their delays, registration, silence.
 *
 * The delays: at once after a stream ended; then cluster.registration.initial-timeout, doubled up to
 * TASKMANAGER_BACKOFF_MAX_MS, so that a job manager that comes back is found soon; longer ones after a
 * refusal and after an answer that is no answer. */
#include "taskmanager/manager/taskmanager_internal.h"

#include "common/base/failpoint.h"

static void connection_attempt(void *arg);
static void on_message(void *target, ProtobufCMessage *message);
static void on_closed(void *target, const struct error *why);

static int64_t option_ms(const struct taskmanager *tm, const char *name)
{
    return MAX(conf_duration_ms(tm->options.conf, name), 1);
}

static void connection_close_stream(struct taskmanager *tm)
{
    tm->channel = rpc_channel_free(tm->channel);
}

/* ---- the whole time that there may be no registration ------------------------------------------- */

static void on_deadline(void *arg)
{
    struct taskmanager *tm = arg;
    struct error why = ERROR_INIT;
    tm->deadline_timer = 0;
    error_set(&why, ERR_TIMEOUT,
              "Could not register at the job manager at %s within %lld ms. Check that it runs, and "
              "jobmanager.rpc.address and jobmanager.rpc.port; taskmanager.registration.timeout "
              "says how long to try.",
              tm->options.connector.address,
              (long long)option_ms(tm, "taskmanager.registration.timeout"));
    taskmanager_begin_stop(tm, &why);
}

static void connection_arm_deadline(struct taskmanager *tm)
{
    if (tm->deadline_timer == 0) {
        tm->deadline_timer = component_schedule(
            tm->component, option_ms(tm, "taskmanager.registration.timeout"), on_deadline, tm);
    }
}

/* ---- silence ------------------------------------------------------------------------------------ */

static void on_silence(void *arg);

static void connection_arm_silence(struct taskmanager *tm, int64_t delay_ms)
{
    tm_cancel_timer(tm, &tm->silence_timer);
    tm->silence_timer = component_schedule(tm->component, delay_ms, on_silence, tm);
}

/* Nobody was heard for heartbeat.timeout: what runs here runs for nobody. */
static void on_silence(void *arg)
{
    struct taskmanager *tm = arg;
    int64_t silent_ms = (tm_now_ns(tm) - tm->heard_ns) / 1000000;
    tm->silence_timer = 0;
    if (silent_ms < tm->heartbeat_timeout_ms) {
        connection_arm_silence(tm, tm->heartbeat_timeout_ms - silent_ms);
        return;
    }
    struct error why = ERROR_INIT;
    error_set(&why, ERR_TIMEOUT, "The job manager at %s was not heard for %lld ms",
              tm->options.connector.address, (long long)tm->heartbeat_timeout_ms);
    MANAGER_COUNT(tm, silences);
    if (tm->jobs.len > 0) {
        LOG_WARN(MANAGER_TOPIC, "%s. All workers are ended, all slots freed.", why.message);
    }
    tm_slots_give_up_all(tm, &why);
    if (tm_state(tm) == TASKMANAGER_REGISTERED) {
        tm_connection_lost(tm, &why);
    }
}

void tm_connection_heard(struct taskmanager *tm)
{
    tm->heard_ns = tm_now_ns(tm);
}

/* ---- attempts ----------------------------------------------------------------------------------- */

static void connection_schedule(struct taskmanager *tm, int64_t delay_ms)
{
    tm_cancel_timer(tm, &tm->attempt_timer);
    tm->attempt_timer = component_schedule(tm->component, delay_ms, connection_attempt, tm);
}

/* An attempt has failed; says so at the first, second, fourth, ... time. */
static void connection_failed(struct taskmanager *tm, const struct error *why, int64_t delay_ms)
{
    uint64_t n = ++tm->n_failures;
    char text[ERROR_MESSAGE_MAX];
    connection_close_stream(tm);
    taskmanager_transition(tm, TASKMANAGER_DISCONNECTED);
    if ((n & (n - 1)) == 0) {
        LOG_WARN(MANAGER_TOPIC,
                 "Attempt %llu to register at the job manager at %s failed: %s. Trying again in "
                 "%lld ms; jobmanager.rpc.address and jobmanager.rpc.port say where it is.",
                 (unsigned long long)n, tm->options.connector.address,
                 error_format(why, text, sizeof(text)), (long long)delay_ms);
    }
    connection_schedule(tm, delay_ms);
}

static void connection_back_off(struct taskmanager *tm, const struct error *why)
{
    /* A job manager that is not there, or not any more, may come back; one that answers nonsense
     * needs a person. */
    if (why->cls != ERROR_CLASS_TRANSIENT) {
        connection_failed(tm, why, option_ms(tm, "cluster.registration.error-delay"));
        return;
    }
    int64_t delay_ms = tm->delay_ms;
    int64_t most_ms =
        MIN(option_ms(tm, "cluster.registration.max-timeout"), (int64_t)TASKMANAGER_BACKOFF_MAX_MS);
    tm->delay_ms = MIN(delay_ms * 2, most_ms);
    connection_failed(tm, why, MIN(delay_ms, most_ms));
}

static void on_no_answer(void *arg)
{
    struct taskmanager *tm = arg;
    struct error why = ERROR_INIT;
    tm->attempt_timer = 0;
    error_set(&why, ERR_TIMEOUT, "no answer to the registration");
    connection_back_off(tm, &why);
}

/* How long this attempt waits for an answer: longer after each that got none. */
static int64_t answer_timeout_ms(const struct taskmanager *tm)
{
    int64_t ms = TASKMANAGER_ANSWER_TIMEOUT_MIN_MS;
    int64_t most_ms = option_ms(tm, "cluster.registration.max-timeout");
    for (uint64_t i = 4; i < tm->n_failures && ms < most_ms; i++) {
        ms *= 2;
    }
    ms = MIN(ms, most_ms);
    return MAX(ms, TASKMANAGER_ANSWER_TIMEOUT_MIN_MS);
}

static int connection_open(struct taskmanager *tm, struct error *err)
{
    const struct rpc_end_options end = {
        .name = "task manager -> job manager",
        .sends = &flinc__task_manager_to_master__descriptor,
        .receives = &flinc__master_to_task_manager__descriptor,
        .mailbox = component_mailbox(tm->component),
        .lane = MAILBOX_LANE_DATA,
        .message_kind = MANAGER_OP_MESSAGE,
        .closed_kind = MANAGER_OP_STREAM_CLOSED,
        .on_message = on_message,
        .on_closed = on_closed,
        .target = tm,
    };
    TRY(FAILPOINT(err, "taskmanager.connect"));
    TRY(tm->options.connector.connect(tm->options.connector.arg, &end, &tm->channel, err));
    return tm_report_register(tm, err);
}

static void connection_attempt(void *arg)
{
    struct taskmanager *tm = arg;
    struct error err = ERROR_INIT;
    tm->attempt_timer = 0;
    MANAGER_COUNT(tm, attempts);
    tm->last_heartbeat = 0;
    taskmanager_transition(tm, TASKMANAGER_REGISTERING);
    if (connection_open(tm, &err) < 0) {
        connection_back_off(tm, &err);
        return;
    }
    tm->attempt_timer = component_schedule(tm->component, answer_timeout_ms(tm), on_no_answer, tm);
}

/* ---- the stream --------------------------------------------------------------------------------- */

static void on_message(void *target, ProtobufCMessage *message)
{
    tm_messages_on_message(target, (Flinc__MasterToTaskManager *)message);
}

static void on_closed(void *target, const struct error *why)
{
    struct taskmanager *tm = target;
    switch (tm_state(tm)) {
    case TASKMANAGER_REGISTERING:
        tm_cancel_timer(tm, &tm->attempt_timer);
        connection_back_off(tm, why);
        break;
    case TASKMANAGER_REGISTERED:
        tm_connection_lost(tm, why);
        break;
    default:
        connection_close_stream(tm);
        break;
    }
}

void tm_connection_lost(struct taskmanager *tm, const struct error *why)
{
    char text[ERROR_MESSAGE_MAX];
    if (tm_state(tm) != TASKMANAGER_REGISTERED) {
        return;
    }
    MANAGER_COUNT(tm, streams_lost);
    LOG_WARN(MANAGER_TOPIC, "The stream to the job manager at %s ended: %s. Connecting again.",
             tm->options.connector.address, error_format(why, text, sizeof(text)));
    connection_close_stream(tm);
    taskmanager_transition(tm, TASKMANAGER_DISCONNECTED);
    tm->n_failures = 0;
    tm->delay_ms = option_ms(tm, "cluster.registration.initial-timeout");
    connection_arm_deadline(tm);
    connection_schedule(tm, 0);
}

/* ---- answers ------------------------------------------------------------------------------------ */

/* The answer comes from another job manager than the one whose jobs run here: what runs is ended
 * before slots are reported to it as free. */
static void connection_clear(struct taskmanager *tm, const struct flinc_id *leader)
{
    struct error why = ERROR_INIT;
    LOG_INFO(MANAGER_TOPIC,
             "The job manager at %s is under a new leadership, which does not know the %zu jobs "
             "here: their workers are ended.",
             tm->options.connector.address, tm->jobs.len);
    error_set(&why, ERR_FENCED, "the job manager is under a new leadership");
    tm->next_leader = *leader;
    connection_close_stream(tm);
    tm_outbox_drop(tm);
    taskmanager_transition(tm, TASKMANAGER_CLEARING);
    tm_slots_give_up_all(tm, &why);
}

void tm_connection_cleared(struct taskmanager *tm)
{
    tm->leader = tm->next_leader;
    tm->has_leader = true;
    tm_outbox_drop(tm);
    taskmanager_transition(tm, TASKMANAGER_DISCONNECTED);
    connection_schedule(tm, 0);
}

static void connection_free_unknown(struct taskmanager *tm, const Flinc__Registered *m)
{
    struct error why = ERROR_INIT;
    error_set(&why, ERR_FENCED, "the job manager does not know the allocation");
    for (size_t i = 0; i < m->n_unknown_allocations; i++) {
        struct flinc_id id;
        struct tm_slot *s = NULL;
        if (!tm_read_id(&m->unknown_allocations[i], &id)) {
            tm_messages_malformed(tm, "an allocation id has not 16 bytes");
        } else if ((s = tm_slot_table_find(&tm->slots, &id)) != NULL &&
                   !PLANTED("taskmanager.unknown_slots_stay")) {
            tm_slots_give_up(tm, s, &why);
        }
    }
}

void tm_connection_on_registered(struct taskmanager *tm, const Flinc__Registered *m)
{
    struct flinc_id leader;
    if (!tm_read_id(&m->leader, &leader)) {
        tm_messages_malformed(tm, "the leader's token has not 16 bytes");
        return;
    }
    tm_cancel_timer(tm, &tm->attempt_timer);
    if (m->heartbeat_timeout_ms > 0 && m->heartbeat_timeout_ms <= INT32_MAX) {
        tm->heartbeat_timeout_ms = (int64_t)m->heartbeat_timeout_ms;
    }
    bool same = tm->has_leader && id_eq(&leader, &tm->leader);
    if (!same && tm->jobs.len > 0 && !PLANTED("taskmanager.keeps_workers")) {
        connection_clear(tm, &leader);
        return;
    }
    if (!same) {
        tm_outbox_drop(tm);
    }
    tm->leader = leader;
    tm->has_leader = true;
    taskmanager_transition(tm, TASKMANAGER_REGISTERED);
    MANAGER_COUNT(tm, registrations);
    tm_cancel_timer(tm, &tm->deadline_timer);
    tm->n_failures = 0;
    tm->delay_ms = option_ms(tm, "cluster.registration.initial-timeout");
    tm_connection_heard(tm);
    connection_arm_silence(tm, tm->heartbeat_timeout_ms);
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots); i++) {
        tm_slot_table_row(&tm->slots, i)->reported_as_active =
            0; /* heartbeats may count from 1 again */
    }
    LOG_INFO(MANAGER_TOPIC, "Registered at the job manager at %s as %s with %u slots, %u free%s.",
             tm->options.connector.address, tm->identity.resource_id, tm->slots.n,
             tm_slot_table_n_free(&tm->slots), same ? ", again" : "");
    connection_free_unknown(tm, m);
    tm_outbox_flush(tm);
    tm_jobs_offer_all(tm);
}

void tm_connection_on_refused(struct taskmanager *tm, const Flinc__RegistrationRefused *m)
{
    struct error why = ERROR_INIT;
    tm_cancel_timer(tm, &tm->attempt_timer);
    if (!m->retry) {
        error_set(&why, ERR_PERMISSION, "The job manager at %s refuses this task manager: %s",
                  tm->options.connector.address, m->reason);
        taskmanager_begin_stop(tm, &why);
        return;
    }
    error_set(&why, ERR_PERMISSION, "refused: %s", m->reason);
    connection_failed(tm, &why, option_ms(tm, "cluster.registration.refused-registration-delay"));
}

/* Its jobs end with it. */
void tm_connection_on_disconnect(struct taskmanager *tm, const Flinc__Disconnect *m)
{
    struct error why = ERROR_INIT;
    LOG_INFO(MANAGER_TOPIC, "The job manager at %s says goodbye: %s%s",
             tm->options.connector.address, m->reason, m->exit ? "; it asks to end" : "");
    if (m->exit) {
        taskmanager_begin_stop(tm, &why);
        return;
    }
    error_set(&why, ERR_UNAVAILABLE, "the job manager has ended: %s", m->reason);
    tm_cancel_timer(tm, &tm->attempt_timer);
    connection_close_stream(tm);
    taskmanager_transition(tm, TASKMANAGER_DISCONNECTED);
    tm_slots_give_up_all(tm, &why);
    tm_outbox_drop(tm);
    connection_arm_deadline(tm);
    connection_schedule(tm, tm->delay_ms);
}

/* ---- another leader ------------------------------------------------------------------------------- */

static void run_leader(void *owner, void *payload)
{
    struct taskmanager *tm = owner;
    const struct flinc_id *token = payload;
    struct error why = ERROR_INIT;
    bool same = tm->has_leader && id_eq(&tm->leader, token);
    error_set(&why, ERR_FENCED, "another job manager leads now");
    if (tm_state(tm) == TASKMANAGER_REGISTERED && !same) {
        tm_connection_lost(tm, &why);
    } else if (tm_state(tm) == TASKMANAGER_REGISTERING ||
               tm_state(tm) == TASKMANAGER_DISCONNECTED) {
        connection_close_stream(tm); /* it may go to the former one */
        tm->n_failures = 0;
        tm->delay_ms = option_ms(tm, "cluster.registration.initial-timeout");
        if (tm_state(tm) == TASKMANAGER_REGISTERING) {
            taskmanager_transition(tm, TASKMANAGER_DISCONNECTED);
        }
        connection_schedule(tm, 0);
    }
    mem_free(payload);
}

void taskmanager_on_leader(struct taskmanager *tm, const struct flinc_id *token)
{
    struct flinc_id *copy = MEM_NEW(struct flinc_id);
    *copy = *token;
    if (component_post(tm->component, MAILBOX_LANE_CONTROL, MANAGER_OP_LEADER, run_leader, copy,
                       mem_free) < 0) {
        mem_free(copy); /* it ends */
    }
}

/* ---- life --------------------------------------------------------------------------------------- */

void tm_connection_start(struct taskmanager *tm)
{
    tm->heartbeat_timeout_ms = option_ms(tm, "heartbeat.timeout");
    tm->delay_ms = option_ms(tm, "cluster.registration.initial-timeout");
    connection_arm_deadline(tm);
    connection_attempt(tm);
}

void tm_connection_end(struct taskmanager *tm)
{
    tm_cancel_timer(tm, &tm->attempt_timer);
    tm_cancel_timer(tm, &tm->deadline_timer);
    tm_cancel_timer(tm, &tm->silence_timer);
    connection_close_stream(tm);
}
