/* The resource manager's life, its jobs, and the public calls as operations of its mailbox; see
 * resourcemanager.h. */
#include "jobmanager/resourcemanager/resourcemanager_internal.h"

void rm_count(struct resourcemanager *rm, uint64_t *stat)
{
    pthread_mutex_lock(&rm->lock);
    (*stat)++;
    pthread_mutex_unlock(&rm->lock);
}

/* ---- ids and errors of messages ------------------------------------------------------------------------ */

void rm_id_copy(struct flinc_id *ret, const ProtobufCBinaryData *data)
{
    *ret = (struct flinc_id){0};
    memcpy(ret->bytes, data->data, MIN(data->len, sizeof(ret->bytes)));
}

ProtobufCBinaryData rm_id_data(const struct flinc_id *id)
{
    return (ProtobufCBinaryData){sizeof(id->bytes), (uint8_t *)id->bytes};
}

bool rm_id_is(const ProtobufCBinaryData *data, const struct flinc_id *id)
{
    return data->len == sizeof(id->bytes) && memcmp(data->data, id->bytes, data->len) == 0;
}

/* ---- jobs -------------------------------------------------------------------------------------------------- */

struct rm_job *rm_job_ref(struct rm_job *job)
{
    atomic_fetch_add(&job->refs, 1);
    return job;
}

static void needs_free(struct rm_need *needs, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        mem_free(needs[i].profile);
    }
    mem_free(needs);
}

void rm_job_unref(void *job)
{
    struct rm_job *j = job;
    if (j != NULL && atomic_fetch_sub(&j->refs, 1) == 1) {
        needs_free(j->needs, j->n_needs);
        mem_free(j);
    }
}

struct job_key {
    struct flinc_id job_id, token;
};

struct rm_job *rm_job_find(struct resourcemanager *rm, const ProtobufCBinaryData *job_id,
                           const ProtobufCBinaryData *token)
{
    struct job_key key;
    if (job_id->len != sizeof(key.job_id.bytes) || token->len != sizeof(key.token.bytes)) {
        return NULL;
    }
    rm_id_copy(&key.job_id, job_id);
    rm_id_copy(&key.token, token);
    pthread_mutex_lock(&rm->lock);
    struct rm_job *job = map_find_bytes(&rm->jobs_by_token, &key, sizeof(key));
    pthread_mutex_unlock(&rm->lock);
    return job; /* this thread alone removes it */
}

/* Counted for the caller; NULL: it was removed. */
static struct rm_job *job_of(struct resourcemanager *rm, const struct jobmaster *jm)
{
    pthread_mutex_lock(&rm->lock);
    struct rm_job *job = map_find_bytes(&rm->jobs, &jm, sizeof(jm));
    if (job != NULL) {
        rm_job_ref(job);
    }
    pthread_mutex_unlock(&rm->lock);
    return job;
}

void resourcemanager_add_job(struct resourcemanager *rm, const struct resourcemanager_job *spec)
{
    struct rm_job *job = MEM_NEW(struct rm_job);
    struct job_key key = {spec->job_id, spec->master_token};
    atomic_init(&job->refs, 1);
    job->rm = rm;
    job->spec = *spec;
    id_format(&spec->job_id, job->hex);
    pthread_mutex_lock(&rm->lock);
    (void)map_put_bytes(&rm->jobs, &spec->jm, sizeof(spec->jm), job);
    (void)map_put_bytes(&rm->jobs_by_token, &key, sizeof(key), job);
    pthread_mutex_unlock(&rm->lock);
}

/* Never refused but by the end: these posts are few and must not get lost. */
static void post(struct resourcemanager *rm, enum resourcemanager_op kind,
                 void (*run)(void *, void *), void *take_payload, void (*drop)(void *))
{
    struct mailbox_op op = {
        .kind = (int)kind, .run = run, .target = rm, .payload = take_payload, .drop = drop};
    if (mailbox_post_internal(component_mailbox(rm->component), MAILBOX_LANE_CONTROL, &op) < 0 &&
        drop != NULL) {
        drop(take_payload);
    }
}

/* What a job master wants. */
struct wish {
    struct rm_job *job;    /* counted */
    struct rm_need *needs; /* Owns; by kind */
    uint32_t n_needs;
    struct flinc_id allocation;
};

static void wish_drop(void *payload)
{
    struct wish *w = payload;
    rm_job_unref(w->job);
    needs_free(w->needs, w->n_needs);
    mem_free(w);
}

uint32_t rm_job_required(const struct rm_job *job)
{
    uint32_t n = 0;
    for (uint32_t kind = 0; kind < job->n_needs; kind++) {
        n += job->needs[kind].required;
    }
    return n;
}

static void log_need(const struct rm_job *job, const struct rm_need *need)
{
    STR_AUTO profile = STR_INIT;
    if (need->profile != NULL) {
        str_printf(&profile, " of ");
        resource_profile_append_text(need->profile, &profile);
    }
    LOG_INFO(RM_TOPIC, "Received resource requirements from job %s: %u slots%s.", job->hex,
             need->required, str_cstr(&profile));
}

/* The kinds of a job stay as its first wish had them. */
static void apply_wish(struct rm_job *job, struct wish *w)
{
    if (job->needs == NULL) {
        job->needs = MEM_NEW_ARRAY(struct rm_need, w->n_needs);
        job->n_needs = w->n_needs;
        for (uint32_t kind = 0; kind < job->n_needs; kind++) {
            job->needs[kind].profile = STEAL(w->needs[kind].profile);
        }
    }
    ASSERT(job->n_needs == w->n_needs);
    for (uint32_t kind = 0; kind < job->n_needs; kind++) {
        struct rm_need *need = &job->needs[kind];
        if (need->required != w->needs[kind].required) {
            need->required = w->needs[kind].required;
            log_need(job, need);
        }
    }
}

static void run_declare(void *target, void *payload)
{
    struct resourcemanager *rm = target;
    struct wish *w = payload;
    struct rm_job *job = w->job;
    if (!job->removed) {
        apply_wish(job, w);
        if (!job->listed) {
            job->listed = true;
            vec_push_ptr(&rm->wanting, rm_job_ref(job));
        }
        rm_match(rm);
    }
    wish_drop(w);
}

static void provider_declare(void *arg, struct jobmaster *jm,
                             const struct slot_requirement *requirements, uint32_t n_kinds)
{
    struct resourcemanager *rm = arg;
    struct rm_job *job = job_of(rm, jm);
    if (job == NULL) {
        return;
    }
    struct wish *w = MEM_NEW(struct wish);
    *w = (struct wish){
        .job = job, .needs = MEM_NEW_ARRAY(struct rm_need, n_kinds), .n_needs = n_kinds};
    for (uint32_t kind = 0; kind < n_kinds; kind++) {
        const struct resource_profile *profile = requirements[kind].profile;
        w->needs[kind].required = requirements[kind].n_slots;
        w->needs[kind].profile = profile != NULL ? mem_dup(profile, sizeof(*profile)) : NULL;
    }
    post(rm, RM_OP_DECLARE, run_declare, w, wish_drop);
}

static void run_release(void *target, void *payload)
{
    struct resourcemanager *rm = target;
    struct wish *w = payload;
    ProtobufCBinaryData allocation = rm_id_data(&w->allocation);
    struct rm_slot *s = rm_slot_find(rm, &allocation);
    if (s != NULL && s->job == w->job) {
        struct rm_tm *tm = s->tm;
        const struct rm_need *need = &w->job->needs[s->kind];
        bool is_wanted = need->n_slots <= need->required;
        rm_slot_give_up(s, "the job has given the slot back");
        if (is_wanted) { /* it gets one again; from there not at once, or it would go round for ever */
            rm_tm_in_trouble(tm);
        }
        rm_match(rm);
    } else if (s != NULL && s->state == RM_SLOT_FREEING) {
        rm_slot_send_free(s, "the job has given the slot back");
    }
    wish_drop(w);
}

static void provider_release(void *arg, struct jobmaster *jm, const struct slot *slot)
{
    struct resourcemanager *rm = arg;
    struct rm_job *job = job_of(rm, jm);
    if (job != NULL) {
        struct wish *w = MEM_NEW(struct wish);
        *w = (struct wish){.job = job, .allocation = slot->allocation_id};
        post(rm, RM_OP_RELEASE, run_release, w, wish_drop);
    }
}

const struct slot_provider *resourcemanager_slots(struct resourcemanager *rm)
{
    return &rm->provider;
}

/* ---- the end of a job ---------------------------------------------------------------------------------------- */

static void end_job_at(struct rm_tm *tm, const struct rm_job *job)
{
    struct error why = ERROR_INIT;
    error_set(&why, ERR_CLOSED, "the job has ended");
    for (size_t i = tm->relays.len; i > 0; i--) {
        struct rm_relay *r = vec_ptr(&tm->relays, i - 1);
        if (r->job == job) {
            rm_relay_close_worker(r, why.message);
        }
    }
    for (uint32_t i = 0; i < rm_tm_n_rows(tm); i++) {
        if (rm_tm_row(tm, i)->job == job) {
            rm_slot_give_up(rm_tm_row(tm, i), why.message);
        }
    }
    for (size_t i = tm->relays.len; i > 0; i--) {
        struct rm_relay *r = vec_ptr(&tm->relays, i - 1);
        if (r->job == job) {
            rm_relay_end(r, &why);
        }
    }
}

static void remove_job(struct resourcemanager *rm, struct rm_job *job)
{
    struct job_key key = {job->spec.job_id, job->spec.master_token};
    pthread_mutex_lock(&rm->lock);
    map_remove_bytes(&rm->jobs, &job->spec.jm, sizeof(job->spec.jm));
    map_remove_bytes(&rm->jobs_by_token, &key, sizeof(key));
    pthread_mutex_unlock(&rm->lock);
    job->removed = true;
    for (uint32_t kind = 0; kind < job->n_needs; kind++) {
        job->needs[kind].required = 0;
    }
    for (size_t i = 0; i < rm->tms.len; i++) {
        end_job_at(vec_ptr(&rm->tms, i), job);
    }
    rm_match(rm);
    rm_job_unref(job); /* the table's */
}

/* Counted: by who waits and by the operation. */
struct removal {
    _Atomic uint32_t refs;
    struct rm_job *job; /* counted */
    struct event_count done;
    _Atomic bool over;
};

static void removal_unref(void *payload)
{
    struct removal *r = payload;
    if (atomic_fetch_sub(&r->refs, 1) == 1) {
        rm_job_unref(r->job);
        mem_free(r);
    }
}

static void removal_end(void *payload)
{
    struct removal *r = payload;
    atomic_store(&r->over, true);
    event_count_signal(&r->done);
    removal_unref(r);
}

static void run_remove_job(void *target, void *payload)
{
    struct removal *r = payload;
    remove_job(target, r->job);
    removal_end(r);
}

void resourcemanager_remove_job(struct resourcemanager *rm, struct jobmaster *jm)
{
    struct rm_job *job = job_of(rm, jm);
    if (job == NULL) {
        return;
    }
    if (component_on_thread(rm->component)) {
        remove_job(rm, job);
        rm_job_unref(job);
        return;
    }
    struct removal *r = MEM_NEW(struct removal);
    atomic_init(&r->refs, 2);
    r->job = job;
    post(rm, RM_OP_REMOVE_JOB, run_remove_job, r, removal_end);
    while (!atomic_load(&r->over)) {
        uint32_t ticket = event_count_prepare(&r->done);
        if (atomic_load(&r->over)) {
            event_count_cancel(&r->done);
        } else {
            (void)event_count_wait(&r->done, ticket, -1);
        }
    }
    removal_unref(r);
}

/* ---- streams ---------------------------------------------------------------------------------------------------- */

void resourcemanager_get_end(struct resourcemanager *rm, const char *peer,
                             struct rpc_end_options *ret_end)
{
    struct rm_stream *s = rm_stream_new(rm, peer);
    *ret_end = (struct rpc_end_options){
        .name = s->name,
        .sends = &flinc__master_to_task_manager__descriptor,
        .receives = &flinc__task_manager_to_master__descriptor,
        .mailbox = component_mailbox(rm->component),
        .lane = MAILBOX_LANE_DATA,
        .message_kind = RM_OP_STREAM_MESSAGE,
        .closed_kind = RM_OP_STREAM_CLOSED,
        .on_message = rm_stream_on_message,
        .on_closed = rm_stream_on_closed,
        .target = s,
    };
}

static void run_stream_added(void *target, void *payload)
{
    rm_stream_added(target, payload);
}

static void drop_stream_added(void *payload)
{
    rpc_channel_free(payload);
}

void resourcemanager_add_stream(struct resourcemanager *rm, struct rpc_channel *take_channel)
{
    post(rm, RM_OP_STREAM_ADDED, run_stream_added, take_channel, drop_stream_added);
}

/* ---- life ---------------------------------------------------------------------------------------------------------- */

static void on_start(void *owner)
{
    rm_heartbeats_start(owner);
}

static void disconnect(struct rm_tm *tm)
{
    Flinc__Disconnect disconnect = FLINC__DISCONNECT__INIT;
    Flinc__MasterToTaskManager m = FLINC__MASTER_TO_TASK_MANAGER__INIT;
    struct error err = ERROR_INIT;
    disconnect.reason = (char *)"the job manager ends";
    m.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_DISCONNECT;
    m.disconnect = &disconnect;
    if (rm_tm_send(tm, &m, &err) < 0) {
        LOG_DEBUG(RM_TOPIC, "Task manager %s was not told that the job manager ends: %s", tm->id,
                  err.message);
    }
}

static void on_stop(void *owner)
{
    struct resourcemanager *rm = owner;
    struct error why = ERROR_INIT;
    error_set(&why, ERR_UNAVAILABLE, "the job manager ends");
    for (size_t i = 0; i < rm->tms.len; i++) {
        disconnect(vec_ptr(&rm->tms, i));
    }
    rm->matching = true; /* nothing is given out any more */
    while (rm->tms.len > 0) {
        rm_tm_lose(vec_ptr(&rm->tms, 0), &why);
    }
    rm_queries_fail(rm, NULL, &why);
}

static void read_conf(struct resourcemanager *rm)
{
    const char *mode = conf_string(rm->conf, "taskmanager.load-balance.mode");
    rm->heartbeat_interval_ms = conf_duration_ms(rm->conf, "heartbeat.interval");
    rm->heartbeat_timeout_ms = conf_duration_ms(rm->conf, "heartbeat.timeout");
    rm->grace_ms = conf_duration_ms(rm->conf, "resourcemanager.reconnect-grace");
    rm->slots_max = (uint32_t)conf_int(rm->conf, "slotmanager.number-of-slots.max");
    rm->spread = conf_bool(rm->conf, "cluster.evenly-spread-out-slots") ||
                 strcmp(mode, "SLOTS") == 0 || strcmp(mode, "TASKS") == 0;
}

int resourcemanager_new(const struct resourcemanager_options *options, struct resourcemanager **ret,
                        struct error *err)
{
    if (conf_duration_ms(options->conf, "heartbeat.interval") >=
        conf_duration_ms(options->conf, "heartbeat.timeout")) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "heartbeat.interval must be less than heartbeat.timeout");
    }
    struct resourcemanager *rm = MEM_NEW(struct resourcemanager);
    rm->conf = options->conf;
    rm->clock = options->clock != NULL ? options->clock : &clock_system;
    rm->leader = options->leader;
    rm->prober = options->prober;
    rm->changes = 1;
    rm->provider = (struct slot_provider){rm, provider_declare, provider_release};
    read_conf(rm);
    if (options->seed != 0) {
        rng_init(&rm->rng, options->seed);
    } else {
        rng_init_system(&rm->rng);
    }
    pthread_mutex_init(&rm->lock, NULL);
    vec_init(&rm->tms, sizeof(struct rm_tm *));
    vec_init(&rm->wanting, sizeof(struct rm_job *));
    vec_init(&rm->streams, sizeof(struct rm_stream *));
    map_init(&rm->tms_by_id, NULL);
    map_init(&rm->allocations, NULL);
    map_init(&rm->queries, NULL);
    map_init(&rm->jobs, NULL);
    map_init(&rm->jobs_by_token, NULL);
    rm->component = component_new(&(struct component_options){
        .name = "resourcemanager",
        .mode = options->mode,
        .clock = options->clock,
        .mailbox_limit = 4 * MAILBOX_LIMIT_DEFAULT,
        .on_start = on_start,
        .on_stop = on_stop,
        .owner = rm,
    });
    rm_overview_init(rm, options->metrics);
    *ret = rm;
    return 0;
}

int resourcemanager_start(struct resourcemanager *rm, struct error *err)
{
    return component_start(rm->component, err);
}

static void free_job(struct rm_job *job)
{
    job->removed = true;
    rm_job_unref(job);
}

struct resourcemanager *resourcemanager_free(struct resourcemanager *rm)
{
    if (rm == NULL) {
        return NULL;
    }
    component_stop(rm->component);
    while (rm->streams.len > 0) {
        rm_stream_fini(vec_ptr(&rm->streams, 0));
        vec_remove_swap(&rm->streams, 0);
    }
    for (size_t i = 0; i < rm->wanting.len; i++) {
        rm_job_unref(vec_ptr(&rm->wanting, i));
    }
    MAP_FOREACH (&rm->jobs, entry) {
        free_job(entry->value);
    }
    rm_queries_fini(rm);
    rm_overview_fini(rm);
    component_free(rm->component);
    vec_fini(&rm->tms);
    vec_fini(&rm->wanting);
    vec_fini(&rm->streams);
    map_fini(&rm->tms_by_id);
    map_fini(&rm->allocations);
    map_fini(&rm->jobs);
    map_fini(&rm->jobs_by_token);
    pthread_mutex_destroy(&rm->lock);
    mem_free(rm);
    return NULL;
}

struct component *resourcemanager_component(struct resourcemanager *rm)
{
    return rm->component;
}
