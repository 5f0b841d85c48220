/* Streams of task managers: nobody's until one registers on it, then that task manager's until it ends.
 *
 * A message is looked at only when it carries this leadership's token (but Register) and comes on the
 * stream that its task manager has now.  Thread: the resource manager's; rm_stream_new() any. */
#include "jobmanager/resourcemanager/resourcemanager_internal.h"

struct rm_stream *rm_stream_new(struct resourcemanager *rm, const char *peer)
{
    struct rm_stream *s = MEM_NEW(struct rm_stream);
    STR_AUTO name = STR_INIT;
    s->rm = rm;
    s->peer = mem_strdup(peer != NULL ? peer : "unknown");
    vec_init(&s->early, sizeof(ProtobufCMessage *));
    pthread_mutex_lock(&rm->lock);
    str_printf(&name, "resourcemanager -> task manager at %s, stream %llu", s->peer,
               (unsigned long long)++rm->n_streams);
    s->name = str_take(&name);
    vec_push_ptr(&rm->streams, s);
    pthread_mutex_unlock(&rm->lock);
    return s;
}

void rm_stream_fini(struct rm_stream *s)
{
    for (size_t i = 0; i < s->early.len; i++) {
        rpc_message_free(vec_ptr(&s->early, i));
    }
    vec_fini(&s->early);
    rpc_channel_free(s->channel);
    mem_free(s->name);
    mem_free(s->peer);
    mem_free(s);
}

void rm_stream_remove(struct rm_stream *s)
{
    struct resourcemanager *rm = s->rm;
    component_cancel(rm->component, s->register_timer);
    pthread_mutex_lock(&rm->lock);
    for (size_t i = 0; i < rm->streams.len; i++) {
        if (vec_ptr(&rm->streams, i) == s) {
            vec_remove_swap(&rm->streams, i);
            break;
        }
    }
    pthread_mutex_unlock(&rm->lock);
    rm_stream_fini(s);
}

/* ---- coming ---------------------------------------------------------------------------------------- */

static struct rm_stream *find_by_channel(struct resourcemanager *rm, const struct rpc_channel *c,
                                         uint32_t *ret_nobodies)
{
    struct rm_stream *found = NULL;
    *ret_nobodies = 0;
    pthread_mutex_lock(&rm->lock);
    for (size_t i = 0; i < rm->streams.len; i++) {
        struct rm_stream *s = vec_ptr(&rm->streams, i);
        *ret_nobodies += s->tm == NULL;
        if (strcmp(s->name, rpc_channel_name(c)) == 0) {
            found = s;
        }
    }
    pthread_mutex_unlock(&rm->lock);
    return found;
}

static bool stream_is_here(struct resourcemanager *rm, const struct rm_stream *s)
{
    bool here = false;
    pthread_mutex_lock(&rm->lock);
    for (size_t i = 0; i < rm->streams.len; i++) {
        here = here || vec_ptr(&rm->streams, i) == s;
    }
    pthread_mutex_unlock(&rm->lock);
    return here;
}

/* Timer: it has not registered in time. */
static void on_register_timeout(void *arg)
{
    struct rm_stream *s = arg;
    s->register_timer = TIMER_NONE;
    LOG_INFO(RM_TOPIC, "A stream from %s is closed: nobody registered on it within %d s.", s->peer,
             RM_REGISTER_WITHIN_MS / 1000);
    rm_stream_remove(s);
}

void rm_stream_added(struct resourcemanager *rm, struct rpc_channel *take_channel)
{
    uint32_t n_nobodies = 0;
    struct rm_stream *s = find_by_channel(rm, take_channel, &n_nobodies);
    ASSERT(s != NULL && s->channel == NULL); /* its end came from resourcemanager_get_end() */
    s->channel = take_channel;
    if (s->over || n_nobodies > RM_NOBODIES_MAX) {
        rm_stream_remove(s);
        return;
    }
    s->register_timer =
        component_schedule(rm->component, RM_REGISTER_WITHIN_MS, on_register_timeout, s);
    struct vec early = s->early;
    vec_init(&s->early, sizeof(ProtobufCMessage *));
    for (size_t i = 0; i < early.len; i++) {
        if (stream_is_here(rm, s)) { /* one of them may end it */
            rm_stream_on_message(s, vec_ptr(&early, i));
        } else {
            rpc_message_free(vec_ptr(&early, i));
        }
    }
    vec_fini(&early);
}

/* ---- messages -------------------------------------------------------------------------------------- */

static void refuse(struct resourcemanager *rm, uint64_t *stat, const struct rm_stream *s,
                   const char *what)
{
    rm_count(rm, stat);
    LOG_DEBUG(RM_TOPIC, "A message of %s is dropped: %s.", s->tm != NULL ? s->tm->id : s->peer,
              what);
}

static void on_body(struct rm_tm *tm, Flinc__TaskManagerToMaster *m)
{
    switch (m->body_case) {
    case FLINC__TASK_MANAGER_TO_MASTER__BODY_HEARTBEAT:
        rm_tm_on_heartbeat(tm, m->heartbeat);
        break;
    case FLINC__TASK_MANAGER_TO_MASTER__BODY_SLOT_ANSWER:
        rm_slot_on_answer(tm, m->slot_answer);
        break;
    case FLINC__TASK_MANAGER_TO_MASTER__BODY_OFFER:
        rm_slot_on_offer(tm, m->offer);
        break;
    case FLINC__TASK_MANAGER_TO_MASTER__BODY_SLOT_FREED:
        rm_slot_on_freed(tm, m->slot_freed);
        break;
    case FLINC__TASK_MANAGER_TO_MASTER__BODY_FROM_WORKER:
        rm_relay_on_message(tm, m->from_worker);
        break;
    case FLINC__TASK_MANAGER_TO_MASTER__BODY_WORKER_CLOSED:
        rm_relay_on_closed(tm, m->worker_closed);
        break;
    case FLINC__TASK_MANAGER_TO_MASTER__BODY_ANSWER:
        rm_query_on_answer(tm, m);
        break;
    case FLINC__TASK_MANAGER_TO_MASTER__BODY_GOODBYE: {
        struct error why = ERROR_INIT;
        error_set(&why, ERR_UNAVAILABLE, "TaskManager with id %s was shut down%s%s.", tm->id,
                  m->goodbye->reason[0] != '\0' ? ": " : "", m->goodbye->reason);
        rm_tm_lose(tm, &why);
        break;
    }
    default:
        rm_count(tm->rm, &tm->rm->stats.messages_malformed);
        LOG_WARN(RM_TOPIC, "A message of %s is ignored: it has no known body.", tm->id);
        break;
    }
}

static void on_message(struct rm_stream *s, Flinc__TaskManagerToMaster *m)
{
    struct resourcemanager *rm = s->rm;
    struct error err = ERROR_INIT;
    if (FAILPOINT(&err, "resourcemanager.message.before_apply") < 0) {
        return;
    }
    if (m->body_case == FLINC__TASK_MANAGER_TO_MASTER__BODY_REGISTER_) {
        rm_register(s, m);
    } else if (s->tm == NULL ||
               (!rm_id_is(&m->leader, &rm->leader) && !PLANTED("resourcemanager.any_leader"))) {
        refuse(rm, &rm->stats.messages_fenced, s, "it is for another leadership");
    } else if (m->version > CLUSTER_PROTOCOL_VERSION) {
        refuse(rm, &rm->stats.messages_malformed, s, "it is newer than this job manager");
    } else {
        on_body(s->tm, m);
    }
}

void rm_stream_on_message(void *target, ProtobufCMessage *message)
{
    struct rm_stream *s = target;
    if (s->channel != NULL) {
        on_message(s, (Flinc__TaskManagerToMaster *)message); /* may end the stream */
    } else if (s->early.len < RM_EARLY_MESSAGES_MAX) {
        vec_push_ptr(&s->early, message);
        return;
    } else {
        refuse(s->rm, &s->rm->stats.messages_malformed, s, "it came before the stream was there");
    }
    rpc_message_free(message);
}

void rm_stream_on_closed(void *target, const struct error *why)
{
    struct rm_stream *s = target;
    if (s->channel == NULL) {
        s->over = true; /* rm_stream_added() is still to come */
        return;
    }
    if (s->tm != NULL) {
        LOG_INFO(RM_TOPIC, "The connection to task manager %s has ended: %s", s->tm->id,
                 why->message);
        struct rm_tm *tm = s->tm;
        rm_tm_suspect(tm);
        rm_tm_probe(tm, s->peer);
    }
    rm_stream_remove(s);
}
