/* What the job manager says.  Nothing is taken on trust: the protocol's version and the leader's token
 * must fit, ids must be ids, and each message has states in which it is expected. */
#include "taskmanager/manager/taskmanager_internal.h"

#include "common/base/failpoint.h"

void tm_messages_malformed(struct taskmanager *tm, const char *what)
{
    MANAGER_COUNT(tm, tm_messages_malformed);
    LOG_WARN(MANAGER_TOPIC, "A message of the job manager is ignored: %s.", what);
}

static void on_heartbeat(struct taskmanager *tm, const Flinc__HeartbeatFromMaster *m)
{
    if (m->number <= tm->last_heartbeat) { /* late or doubled: what it knows is old */
        MANAGER_COUNT(tm, messages_unexpected);
        return;
    }
    tm->last_heartbeat = m->number;
    tm_slots_reconcile(tm, m);
    tm_report_heartbeat(tm, m->number);
}

/* Before it is registered, a stream brings the answer, or the end. */
static void messages_on_answer(struct taskmanager *tm, const Flinc__MasterToTaskManager *m)
{
    switch (m->body_case) {
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_REGISTERED:
        tm_connection_on_registered(tm, m->registered);
        break;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_REFUSED:
        tm_connection_on_refused(tm, m->refused);
        break;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_DISCONNECT:
        tm_connection_on_disconnect(tm, m->disconnect);
        break;
    default:
        MANAGER_COUNT(tm, messages_unexpected);
        break;
    }
}

/* True when the message was kept. */
static bool messages_dispatch(struct taskmanager *tm, Flinc__MasterToTaskManager *m)
{
    switch (m->body_case) {
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_HEARTBEAT:
        on_heartbeat(tm, m->heartbeat);
        return false;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_REQUEST_SLOT:
        tm_slots_on_request(tm, m);
        return true;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_OFFER_ANSWER:
        tm_slots_on_offer_answer(tm, m->offer_answer);
        return false;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_FREE_SLOT:
        tm_slots_on_free(tm, m->free_slot);
        return false;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_TO_WORKER:
        tm_jobs_on_to_worker(tm, m->to_worker);
        return false;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_CLOSE_WORKER_LINK:
        tm_jobs_on_close_link(tm, m->close_worker_link);
        return false;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_QUERY:
        tm_queries_on_query(tm, m);
        return true;
    case FLINC__MASTER_TO_TASK_MANAGER__BODY_DISCONNECT:
        tm_connection_on_disconnect(tm, m->disconnect);
        return false;
    default: /* a second answer, or a body of another version */
        MANAGER_COUNT(tm, messages_unexpected);
        return false;
    }
}

void tm_messages_on_message(struct taskmanager *tm, Flinc__MasterToTaskManager *take_message)
{
    struct flinc_id leader;
    bool kept = false;
    enum taskmanager_state state = tm_state(tm);
    bool is_refusal = take_message->body_case == FLINC__MASTER_TO_TASK_MANAGER__BODY_REFUSED;
    if (FAILPOINT(NULL, "taskmanager.message.before_dispatch") < 0) {
        MANAGER_COUNT(tm, messages_dropped);
    } else if (take_message->version != TASKMANAGER_PROTOCOL_VERSION && !is_refusal) {
        tm_messages_malformed(tm, "it has another protocol version");
    } else if (state == TASKMANAGER_REGISTERING) {
        messages_on_answer(tm, take_message);
    } else if (state != TASKMANAGER_REGISTERED) {
        MANAGER_COUNT(tm, messages_unexpected);
    } else if (!tm_read_id(&take_message->leader, &leader) ||
               (!id_eq(&leader, &tm->leader) && !PLANTED("taskmanager.any_leader"))) {
        MANAGER_COUNT(tm, messages_fenced);
    } else {
        tm_connection_heard(tm);
        kept = messages_dispatch(tm, take_message);
    }
    if (!kept) {
        rpc_message_free(&take_message->base);
    }
}
