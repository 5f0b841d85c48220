/* The master's side of checkpoints (test_job.h).  Thread: the test's. */
#include "tests/unit/taskmanager_worker/test_job.h"
#include <string.h>

static void *message_copy(const ProtobufCMessage *message)
{
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = mem_alloc(size + 1);
    protobuf_c_message_pack(message, bytes);
    void *copy = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
    mem_free(bytes);
    assert_non_null(copy);
    return copy;
}

void cluster_take_ack(struct test_cluster *c, const Flinc__CheckpointAck *ack)
{
    vec_push_ptr(&c->acks, message_copy(&ack->base));
}

void cluster_take_decline(struct test_cluster *c, const Flinc__CheckpointDecline *decline)
{
    assert_true(decline->reason != NULL && decline->reason->message[0] != '\0');
    vec_push_ptr(&c->declines, message_copy(&decline->base));
}

void cluster_forget_checkpoints(struct test_cluster *c)
{
    for (size_t i = 0; i < c->acks.len; i++) {
        protobuf_c_message_free_unpacked(vec_ptr(&c->acks, i), NULL);
    }
    for (size_t i = 0; i < c->declines.len; i++) {
        protobuf_c_message_free_unpacked(vec_ptr(&c->declines, i), NULL);
    }
    c->acks.len = 0;
    c->declines.len = 0;
}

/* ---- sending -------------------------------------------------------------------------------------- */

static bool has_running_producer(struct test_cluster *c, const struct job *job, uint32_t vertex)
{
    for (uint32_t i = 0; i < job->n_edges; i++) {
        const struct job_edge *e = &job->edges[i];
        for (uint32_t p = 0; e->target == vertex && p < job->vertices[e->source].parallelism; p++) {
            if (!job_task_is_terminal(cluster_task(c, e->source, p))) {
                return true;
            }
        }
    }
    return false;
}

struct attempts {
    uint8_t ids[JOB_TASKS_MAX][16];
    ProtobufCBinaryData list[JOB_TASKS_MAX];
    size_t n;
};

static void attempts_add(struct attempts *a, const struct job_task *t)
{
    job_attempt_id(t, a->ids[a->n]);
    a->list[a->n] = (ProtobufCBinaryData){16, a->ids[a->n]};
    a->n++;
}

void cluster_trigger(struct test_cluster *c, const struct job *job,
                     const struct test_checkpoint *checkpoint)
{
    Flinc__MasterToWorker message = FLINC__MASTER_TO_WORKER__INIT;
    Flinc__TriggerCheckpoint trigger = FLINC__TRIGGER_CHECKPOINT__INIT;
    Flinc__CheckpointBarrier barrier = FLINC__CHECKPOINT_BARRIER__INIT;
    Flinc__CheckpointLocation location = FLINC__CHECKPOINT_LOCATION__INIT;
    struct attempts a = {.n = 0};
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        struct job_task *t = &c->tasks[i];
        if (t->attempt != c->attempt || job_task_is_terminal(t)) {
            continue;
        }
        t->owes = checkpoint->id;
        if (!has_running_producer(c, job, t->vertex)) {
            attempts_add(&a, t);
        }
    }
    location.inline_only = checkpoint->directory == NULL;
    location.inline_max = 64 << 20;
    location.directory = (char *)(checkpoint->directory != NULL ? checkpoint->directory : "");
    location.shared_directory = location.directory;
    barrier.checkpoint_id = checkpoint->id;
    barrier.timestamp_ms = clock_now_ms(&clock_system);
    barrier.kind = checkpoint->kind;
    barrier.stop = checkpoint->stop;
    barrier.location = &location;
    barrier.latest_completed = checkpoint->latest_completed;
    barrier.alignment = checkpoint->alignment;
    barrier.aligned_timeout_ms = checkpoint->aligned_timeout_ms;
    trigger.n_attempt_ids = a.n;
    trigger.attempt_ids = a.list;
    trigger.barrier = &barrier;
    message.body_case = FLINC__MASTER_TO_WORKER__BODY_TRIGGER_CHECKPOINT;
    message.trigger_checkpoint = &trigger;
    cluster_send(c, &message);
}

void cluster_notify_first(struct test_cluster *c, uint32_t n_vertices,
                          Flinc__CheckpointNotice notice, uint64_t id)
{
    Flinc__MasterToWorker message = FLINC__MASTER_TO_WORKER__INIT;
    Flinc__NotifyCheckpoint notify = FLINC__NOTIFY_CHECKPOINT__INIT;
    struct attempts a = {.n = 0};
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (c->tasks[i].attempt == c->attempt && c->tasks[i].vertex < n_vertices) {
            attempts_add(&a, &c->tasks[i]);
        }
    }
    notify.n_attempt_ids = a.n;
    notify.attempt_ids = a.list;
    notify.notice = notice;
    notify.checkpoint_id = id;
    message.body_case = FLINC__MASTER_TO_WORKER__BODY_NOTIFY_CHECKPOINT;
    message.notify_checkpoint = &notify;
    cluster_send(c, &message);
}

void cluster_notify(struct test_cluster *c, Flinc__CheckpointNotice notice, uint64_t id)
{
    cluster_notify_first(c, UINT32_MAX, notice, id);
}

/* ---- what came ------------------------------------------------------------------------------------ */

static bool is_attempt(const ProtobufCBinaryData *attempt, const struct job_task *t)
{
    uint8_t id[16];
    job_attempt_id(t, id);
    return attempt->len == sizeof(id) && memcmp(attempt->data, id, sizeof(id)) == 0;
}

uint32_t cluster_n_acks(const struct test_cluster *c, uint64_t id)
{
    uint32_t n = 0;
    for (size_t i = 0; i < c->acks.len; i++) {
        n += ((const Flinc__CheckpointAck *)vec_ptr(&c->acks, i))->checkpoint_id == id;
    }
    return n;
}

uint32_t cluster_n_declines(const struct test_cluster *c, uint64_t id)
{
    uint32_t n = 0;
    for (size_t i = 0; i < c->declines.len; i++) {
        n += ((const Flinc__CheckpointDecline *)vec_ptr(&c->declines, i))->checkpoint_id == id;
    }
    return n;
}

static const Flinc__CheckpointAck *find_ack(const struct test_cluster *c, uint64_t id,
                                            const struct job_task *t)
{
    for (size_t i = 0; i < c->acks.len; i++) {
        const Flinc__CheckpointAck *ack = vec_ptr(&c->acks, i);
        if (ack->checkpoint_id == id && is_attempt(&ack->attempt_id, t)) {
            return ack;
        }
    }
    return NULL;
}

const Flinc__CheckpointAck *cluster_ack(const struct test_cluster *c, uint64_t id, uint32_t vertex,
                                        uint32_t subtask)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        if (c->tasks[i].vertex == vertex && c->tasks[i].subtask == subtask) {
            const Flinc__CheckpointAck *ack = find_ack(c, id, &c->tasks[i]);
            if (ack != NULL) {
                return ack;
            }
        }
    }
    return NULL;
}

bool cluster_is_complete(const struct test_cluster *c, uint64_t id)
{
    for (uint32_t i = 0; i < c->n_tasks; i++) {
        const struct job_task *t = &c->tasks[i];
        if (t->attempt == c->attempt && t->owes == id && find_ack(c, id, t) == NULL) {
            return false;
        }
    }
    return true;
}
