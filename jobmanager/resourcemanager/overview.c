/* What others may see of the task managers: an immutable, counted list that is made anew when something has
 * changed, and a few numbers beside it; neither asks the mailbox.  With many task managers, and for news
 * of heartbeats alone, the list is made after a short delay for all changes together.
 * Thread: writing the resource manager's, reading any.  Flink: TaskManagerInfo, ResourceOverview. */
#include "jobmanager/resourcemanager/resourcemanager_internal.h"

struct list_box {
    struct taskmanager_list list;
    struct arena arena;
};

void taskmanager_list_unref(const struct taskmanager_list *list)
{
    if (list != NULL && atomic_fetch_sub(&((struct taskmanager_list *)list)->refs, 1) == 1) {
        struct list_box *box = CONTAINER_OF(list, struct list_box, list);
        arena_fini(&box->arena);
        mem_free(box);
    }
}

/* ---- making the list -------------------------------------------------------------------------------------- */

static struct slot_usage *usage_of(struct taskmanager_details *d, const struct flinc_id *job_id)
{
    for (uint32_t i = 0; i < d->n_usages; i++) {
        if (id_eq(&d->usages[i].job_id, job_id)) {
            return &d->usages[i];
        }
    }
    struct slot_usage *u = &d->usages[d->n_usages++];
    *u = (struct slot_usage){.job_id = *job_id};
    return u;
}

/* External resources are copied, the rest are numbers. */
static void describe_profile(const struct resource_profile *p, struct arena *a,
                             Flinc__ResourceProfile *ret)
{
    if (p->n_extended > 0) {
        struct resource_profile *copy = arena_alloc(a, sizeof(*copy));
        struct resource_profile_message *m = arena_alloc(a, sizeof(*m));
        *copy = *p;
        resource_profile_fill(copy, m);
        *ret = m->profile;
        return;
    }
    struct resource_profile_message m;
    resource_profile_fill(p, &m);
    *ret = m.profile;
    ret->extended = NULL;
}

static void describe_dynamic(const struct rm_tm *tm, struct arena *a, struct taskmanager_details *d)
{
    for (uint32_t i = 0; i < d->n_usages; i++) {
        struct slot_usage *u = &d->usages[i];
        uint32_t n = 0;
        u->dynamic = arena_alloc(a, ((size_t)u->n_dynamic + 1) * sizeof(u->dynamic[0]));
        for (uint32_t k = tm->n_slots; k < rm_tm_n_rows(tm); k++) {
            const struct rm_slot *s = rm_tm_row(tm, k);
            if (s->job != NULL && s->profile != NULL && id_eq(&s->job->spec.job_id, &u->job_id)) {
                describe_profile(s->profile, a, &u->dynamic[n++]);
            }
        }
    }
}

static void describe_usages(const struct rm_tm *tm, struct arena *a, struct taskmanager_details *d)
{
    size_t n_used = (size_t)(tm->n_slots - tm->n_free) + tm->n_dynamic;
    d->usages = arena_alloc(a, (n_used + 1) * sizeof(d->usages[0]));
    for (uint32_t i = 0; i < rm_tm_n_rows(tm); i++) {
        const struct rm_slot *s = rm_tm_row(tm, i);
        if (s->job != NULL) {
            struct slot_usage *u = usage_of(d, &s->job->spec.job_id);
            u->n_slots++;
            u->n_dynamic += s->profile != NULL;
        }
    }
    if (tm->n_dynamic > 0) {
        describe_dynamic(tm, a, d);
    }
    for (uint32_t i = 0; i < d->n_usages; i++) {
        for (size_t j = 0; j < tm->usages.len; j++) {
            const struct rm_usage *u = VEC_AT(&tm->usages, struct rm_usage, j);
            if (id_eq(&u->job_id, &d->usages[i].job_id)) {
                d->usages[i].n_tasks = u->n_tasks;
                d->usages[i].rss_bytes = u->rss_bytes;
            }
        }
    }
}

/* These messages have numbers only; fields of a later version are not copied. */
static void forget_unknown(ProtobufCMessage *copy)
{
    copy->n_unknown_fields = 0;
    copy->unknown_fields = NULL;
}

static void describe(const struct rm_tm *tm, struct arena *a, struct taskmanager_details *d)
{
    const Flinc__Register *r = tm->info;
    *d = (struct taskmanager_details){
        .id = arena_strdup(a, tm->id),
        .host = arena_strdup(a, r->host),
        .rpc_address = arena_strdup(a, r->rpc_address),
        .data_address = arena_strdup(a, r->data_address),
        .data_port = r->data_port,
        .pid = r->pid,
        .last_heartbeat_ms = tm->last_heartbeat_ms,
        .n_slots = tm->n_slots,
        .n_free = rm_tm_n_shown_free(tm),
        .assigned_tasks = tm->assigned_tasks,
        .memory = FLINC__MEMORY_CONFIGURATION__INIT,
        .hardware = FLINC__HARDWARE_DESCRIPTION__INIT,
    };
    struct resource_profile left;
    rm_tm_get_free(tm, &left);
    describe_profile(&tm->slot_profile, a, &d->slot_profile);
    describe_profile(&tm->total, a, &d->total_profile);
    describe_profile(&left, a, &d->free_profile);
    if (r->memory != NULL) {
        d->memory = *r->memory;
        forget_unknown(&d->memory.base);
    }
    if (r->hardware != NULL) {
        d->hardware = *r->hardware;
        forget_unknown(&d->hardware.base);
    }
    if (tm->free_memory != 0) {
        d->hardware.free_memory = tm->free_memory;
    }
    describe_usages(tm, a, d);
}

static void publish(struct resourcemanager *rm)
{
    struct list_box *box = MEM_NEW(struct list_box);
    struct taskmanager_list *list = &box->list;
    arena_init(&box->arena, 0);
    atomic_init(&list->refs, 1);
    list->items = arena_alloc(&box->arena, (rm->tms.len + 1) * sizeof(list->items[0]));
    for (size_t i = 0; i < rm->tms.len; i++) {
        const struct rm_tm *tm = vec_ptr(&rm->tms, i);
        if (tm->state != RM_TM_LOST) {
            describe(tm, &box->arena, &list->items[list->n]);
            list->n_slots += tm->n_slots;
            list->n_free += list->items[list->n++].n_free;
        }
    }
    pthread_mutex_lock(&rm->lock);
    const struct taskmanager_list *old = rm->list;
    rm->list = list;
    pthread_mutex_unlock(&rm->lock);
    taskmanager_list_unref(old);
}

/* Timer: the delay is over. */
static void on_list_timer(void *arg)
{
    struct resourcemanager *rm = arg;
    rm->list_timer = TIMER_NONE;
    publish(rm);
}

static void publish_soon(struct resourcemanager *rm)
{
    if (rm->list_timer == TIMER_NONE) {
        rm->list_timer = component_schedule(rm->component, RM_LIST_DELAY_MS, on_list_timer, rm);
    }
}

/* ---- changes ------------------------------------------------------------------------------------------------ */

void rm_overview_heartbeat(struct resourcemanager *rm)
{
    publish_soon(rm);
}

void rm_overview_changed(struct resourcemanager *rm)
{
    struct resource_overview o = {0};
    for (size_t i = 0; i < rm->tms.len; i++) {
        const struct rm_tm *tm = vec_ptr(&rm->tms, i);
        if (tm->state != RM_TM_LOST) {
            o.n_task_managers++;
            o.n_slots += tm->n_slots;
            o.n_free += rm_tm_n_shown_free(tm);
        }
    }
    pthread_mutex_lock(&rm->lock);
    rm->overview = o;
    pthread_mutex_unlock(&rm->lock);
    if (rm->gauges.registered != NULL) {
        metric_gauge_set(rm->gauges.registered, o.n_task_managers);
        metric_gauge_set(rm->gauges.slots_total, o.n_slots);
        metric_gauge_set(rm->gauges.slots_available, o.n_free);
    }
    if (o.n_slots <= RM_LIST_SMALL) {
        publish(rm);
    } else {
        publish_soon(rm);
    }
}

void rm_overview_init(struct resourcemanager *rm, struct metric_group *metrics)
{
    if (metrics != NULL) {
        rm->gauges.registered = metric_group_gauge(metrics, "numRegisteredTaskManagers");
        rm->gauges.pending = metric_group_gauge(metrics, "numPendingTaskManagers");
        rm->gauges.slots_available = metric_group_gauge(metrics, "taskSlotsAvailable");
        rm->gauges.slots_total = metric_group_gauge(metrics, "taskSlotsTotal");
    }
    publish(rm);
}

void rm_overview_fini(struct resourcemanager *rm)
{
    taskmanager_list_unref(rm->list);
    rm->list = NULL;
}

/* ---- reading; thread: any ------------------------------------------------------------------------------------- */

const struct taskmanager_list *resourcemanager_list(struct resourcemanager *rm)
{
    pthread_mutex_lock(&rm->lock);
    const struct taskmanager_list *list = rm->list;
    atomic_fetch_add(&((struct taskmanager_list *)list)->refs, 1);
    pthread_mutex_unlock(&rm->lock);
    return list;
}

void resourcemanager_get_overview(struct resourcemanager *rm, struct resource_overview *ret)
{
    pthread_mutex_lock(&rm->lock);
    *ret = rm->overview;
    pthread_mutex_unlock(&rm->lock);
}

void resourcemanager_get_stats(struct resourcemanager *rm, struct resourcemanager_stats *ret)
{
    pthread_mutex_lock(&rm->lock);
    *ret = rm->stats;
    pthread_mutex_unlock(&rm->lock);
}
