/* The way to one task manager: its stream while it has one, and a bounded queue while it has none but
 * may come back; see resourcemanager_internal.h.  Thread: any. */
#include "jobmanager/resourcemanager/resourcemanager_internal.h"

/* A packed MasterToTaskManager. */
struct rm_held {
    uint8_t *bytes; /* Owns */
    size_t size;
};

struct rm_sender *rm_sender_new(const struct flinc_id *leader)
{
    struct rm_sender *s = MEM_NEW(struct rm_sender);
    atomic_init(&s->refs, 1);
    s->leader = *leader;
    pthread_mutex_init(&s->lock, NULL);
    vec_init(&s->held, sizeof(struct rm_held));
    return s;
}

struct rm_sender *rm_sender_ref(struct rm_sender *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

static void drop_held(struct rm_sender *s)
{
    for (size_t i = 0; i < s->held.len; i++) {
        mem_free(VEC_AT(&s->held, struct rm_held, i)->bytes);
    }
    vec_clear(&s->held);
}

void rm_sender_unref(struct rm_sender *s)
{
    if (s != NULL && atomic_fetch_sub(&s->refs, 1) == 1) {
        drop_held(s);
        vec_fini(&s->held);
        pthread_mutex_destroy(&s->lock);
        mem_free(s);
    }
}

/* Under the lock. */
static int hold(struct rm_sender *s, const Flinc__MasterToTaskManager *m, struct error *err)
{
    if (s->held.len >= RM_HELD_MESSAGES_MAX) {
        return error_set(err, ERR_LIMIT, "%d messages wait for the task manager to come back",
                         RM_HELD_MESSAGES_MAX);
    }
    struct rm_held held = {.size = flinc__master_to_task_manager__get_packed_size(m)};
    held.bytes = mem_alloc(held.size + 1);
    flinc__master_to_task_manager__pack(m, held.bytes);
    *VEC_PUSH(&s->held, struct rm_held) = held;
    return 0;
}

static void stamp(const struct rm_sender *s, Flinc__MasterToTaskManager *m)
{
    m->version = CLUSTER_PROTOCOL_VERSION;
    m->leader = rm_id_data(&s->leader);
}

int rm_sender_send(struct rm_sender *s, Flinc__MasterToTaskManager *m, struct error *err)
{
    struct error why = ERROR_INIT;
    int rc;
    stamp(s, m);
    pthread_mutex_lock(&s->lock);
    if (s->lost) {
        rc = error_set(&why, ERR_UNAVAILABLE, "the task manager is lost");
    } else if (s->channel == NULL) {
        rc = hold(s, m, &why);
    } else {
        rc = rpc_channel_send(s->channel, &m->base, &why);
        if (rc == ERR_CLOSED) { /* the news of it are on their way: grace begins */
            rc = hold(s, m, &why);
        }
    }
    pthread_mutex_unlock(&s->lock);
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

/* Under the lock. */
static int send_held(struct rm_sender *s, struct rpc_channel *channel, struct error *err)
{
    for (size_t i = 0; i < s->held.len; i++) {
        const struct rm_held *held = VEC_AT(&s->held, struct rm_held, i);
        Flinc__MasterToTaskManager *m =
            flinc__master_to_task_manager__unpack(NULL, held->size, held->bytes);
        ASSERT(m != NULL); /* it was packed here */
        int rc = rpc_channel_send(channel, &m->base, err);
        flinc__master_to_task_manager__free_unpacked(m, NULL);
        TRY(rc);
    }
    return 0;
}

int rm_sender_attach(struct rm_sender *s, struct rpc_channel *channel,
                     Flinc__MasterToTaskManager *first, struct error *err)
{
    stamp(s, first);
    pthread_mutex_lock(&s->lock);
    int rc = rpc_channel_send(channel, &first->base, err);
    if (rc == 0) {
        rc = send_held(s, channel, err);
    }
    if (rc == 0) {
        s->channel = channel;
        drop_held(s);
    }
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void rm_sender_detach(struct rm_sender *s)
{
    pthread_mutex_lock(&s->lock);
    s->channel = NULL;
    pthread_mutex_unlock(&s->lock);
}

void rm_sender_lose(struct rm_sender *s)
{
    pthread_mutex_lock(&s->lock);
    s->channel = NULL;
    s->lost = true;
    drop_held(s);
    pthread_mutex_unlock(&s->lock);
}
