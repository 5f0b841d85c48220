/* What goes out: messages under the present leadership; those of workers wait while there is none.
 *
 * What is said again by itself (slot reports, offers) is dropped without a job manager.  Messages of
 * workers are said once, so they are held, bounded; a job whose messages find no room is ended, because
 * its master would wait for what never comes. */
#include "taskmanager/manager/taskmanager_internal.h"

#include "common/base/failpoint.h"

/* Registered on this stream: the job manager knows who speaks. */
static bool outbox_is_open(const struct taskmanager *tm)
{
    return tm->channel != NULL && tm->has_leader &&
           (tm_state(tm) == TASKMANAGER_REGISTERED || tm_state(tm) == TASKMANAGER_STOPPING);
}

static int outbox_send_now(struct taskmanager *tm, Flinc__TaskManagerToMaster *m, struct error *err)
{
    if (!outbox_is_open(tm)) {
        return error_set(err, ERR_UNAVAILABLE, "not registered at a job manager");
    }
    TRY(FAILPOINT(err, "taskmanager.send"));
    m->version = TASKMANAGER_PROTOCOL_VERSION;
    m->leader = tm_id_bytes(&tm->leader);
    return rpc_channel_send(tm->channel, &m->base, err);
}

/* A stream that takes nothing any more is given up; one that is closed says so itself. */
static void outbox_failed(struct taskmanager *tm, int rc, const struct error *why)
{
    if (rc == ERR_TOO_LARGE) {
        LOG_ERROR(MANAGER_TOPIC, "A message for the job manager is left out: %s", why->message);
    } else if (rc != ERR_CLOSED && rc != ERR_UNAVAILABLE) {
        tm_connection_lost(tm, why);
    }
}

void tm_outbox_send(struct taskmanager *tm, Flinc__TaskManagerToMaster *m)
{
    struct error err = ERROR_INIT;
    int rc = outbox_send_now(tm, m, &err);
    if (rc < 0) {
        MANAGER_COUNT(tm, messages_dropped);
        outbox_failed(tm, rc, &err);
    }
}

static void outbox_hold(struct taskmanager *tm, const struct flinc_id *job_id,
                        const Flinc__TaskManagerToMaster *m)
{
    size_t size = protobuf_c_message_get_packed_size(&m->base);
    bool is_end = m->body_case == FLINC__TASK_MANAGER_TO_MASTER__BODY_WORKER_CLOSED;
    bool full = tm->held.len >= TASKMANAGER_HELD_MESSAGES_MAX ||
                tm->held_bytes + size > TASKMANAGER_HELD_BYTES_MAX;
    struct tm_job *job = tm_jobs_find(tm, job_id);
    if (full && !is_end) {
        MANAGER_COUNT(tm, messages_dropped);
        if (job != NULL && job->state != TM_JOB_STOPPING) {
            struct error why = ERROR_INIT;
            error_set(&why, ERR_LIMIT,
                      "the worker's messages found no room (%d messages, %d bytes) while the job "
                      "manager was away",
                      TASKMANAGER_HELD_MESSAGES_MAX, TASKMANAGER_HELD_BYTES_MAX);
            tm_job_kill(job, &why);
        }
        return;
    }
    struct held_message *h = mem_alloc(sizeof(*h) + size);
    h->job_id = *job_id;
    h->size = size;
    protobuf_c_message_pack(&m->base, h->bytes);
    vec_push_ptr(&tm->held, h);
    tm->held_bytes += size;
}

void tm_outbox_send_held(struct taskmanager *tm, const struct flinc_id *job_id,
                         Flinc__TaskManagerToMaster *m)
{
    struct error err = ERROR_INIT;
    int rc = tm->held.len > 0 ? ERR_UNAVAILABLE : outbox_send_now(tm, m, &err);
    if (rc == 0) {
        return;
    }
    if (rc == ERR_TOO_LARGE) {
        struct tm_job *job = tm_jobs_find(tm, job_id);
        MANAGER_COUNT(tm, messages_dropped);
        if (job != NULL && job->state != TM_JOB_STOPPING) {
            error_context(&err, "passing on a message of the worker");
            tm_job_kill(job, &err);
        }
        return;
    }
    if (tm->has_leader && tm_state(tm) != TASKMANAGER_STOPPING) {
        outbox_hold(tm, job_id, m);
    }
    if (err.code != 0) {
        outbox_failed(tm, rc, &err);
    }
}

void tm_outbox_flush(struct taskmanager *tm)
{
    size_t n = 0;
    struct error err = ERROR_INIT;
    int rc = 0;
    while (n < tm->held.len && (rc == 0 || rc == ERR_TOO_LARGE)) {
        struct held_message *h = vec_ptr(&tm->held, n);
        Flinc__TaskManagerToMaster *m =
            flinc__task_manager_to_master__unpack(NULL, h->size, h->bytes);
        ASSERT(m != NULL); /* packed here */
        mem_free(m->leader.data);
        rc = outbox_send_now(tm, m, &err);
        m->leader = (ProtobufCBinaryData){0, NULL};
        flinc__task_manager_to_master__free_unpacked(m, NULL);
        n += rc == 0 || rc == ERR_TOO_LARGE; /* that one never fits */
    }
    for (size_t i = 0; i < n; i++) {
        struct held_message *h = vec_ptr(&tm->held, 0);
        tm->held_bytes -= h->size;
        mem_free(h);
        vec_remove(&tm->held, 0);
    }
    if (rc < 0) {
        outbox_failed(tm, rc, &err);
    }
}

void tm_outbox_drop(struct taskmanager *tm)
{
    for (size_t i = 0; i < tm->held.len; i++) {
        mem_free(vec_ptr(&tm->held, i));
    }
    vec_clear(&tm->held);
    tm->held_bytes = 0;
}
