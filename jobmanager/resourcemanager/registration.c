/* Who may register, and as what: somebody new, one that comes back, or another process under the name of
 * one that was here.  Nothing of a registration is taken on trust.
 * Thread: the resource manager's.  Flink: ResourceManager.registerTaskExecutor. */
#include "jobmanager/resourcemanager/resourcemanager_internal.h"

#include <stdio.h>

static bool text_is_sound(const char *text, size_t min)
{
    size_t len = strlen(text);
    if (len < min || len > RM_ID_BYTES_MAX) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        if ((unsigned char)text[i] <= ' ' || text[i] == 0x7f || text[i] == '/') {
            return false;
        }
    }
    return true;
}

static bool report_is_sound(const Flinc__SlotReport *report, uint32_t n_slots)
{
    for (size_t i = 0; report != NULL && i < report->n_slots; i++) {
        const Flinc__SlotStatus *s = report->slots[i];
        bool has_id = s->allocation_id.len == sizeof(((struct flinc_id *)0)->bytes);
        bool is_dynamic = s->index >= n_slots;
        struct resource_profile unused;
        if (s->profile != NULL && resource_profile_read(s->profile, &unused, NULL) < 0) {
            return false;
        }
        if (s->index >= RM_SLOTS_PER_TASK_MANAGER_MAX || is_dynamic != (s->profile != NULL) ||
            (s->state != FLINC__SLOT_STATE__SLOT_FREE && !has_id)) {
            return false;
        }
    }
    return true;
}

/* NULL: it may register; else a sentence for its log. */
static const char *check_versions(const Flinc__TaskManagerToMaster *m, char *buf, size_t size)
{
    const Flinc__Register *r = m->register_;
    if (strcmp(r->product_version, FLINC_VERSION) != 0) {
        snprintf(buf, size,
                 "the task manager is of version '%.64s', the job manager of version '%s'; start "
                 "both from the same distribution",
                 r->product_version, FLINC_VERSION);
        return buf;
    }
    if (r->protocol_version != CLUSTER_PROTOCOL_VERSION || m->version != CLUSTER_PROTOCOL_VERSION) {
        snprintf(buf, size,
                 "the task manager speaks version %u of the cluster protocol, the job manager "
                 "version %d; start both from the same distribution",
                 r->protocol_version, CLUSTER_PROTOCOL_VERSION);
        return buf;
    }
    return NULL;
}

static const char *check_fields(const Flinc__Register *r)
{
    if (!text_is_sound(r->resource_id, 1)) {
        return "the resource id is empty, too long or has blanks or slashes";
    }
    if (r->instance_id.len != sizeof(((struct flinc_id *)0)->bytes)) {
        return "the instance id has not 16 bytes";
    }
    if (!text_is_sound(r->host, 1) || strlen(r->rpc_address) > RM_ID_BYTES_MAX ||
        !text_is_sound(r->data_address, 1) || r->data_port > UINT16_MAX) {
        return "host, address or data port make no sense";
    }
    if (r->n_slots == 0 || r->n_slots > RM_SLOTS_PER_TASK_MANAGER_MAX) {
        return "the number of slots makes no sense";
    }
    if (!report_is_sound(r->slots, r->n_slots)) {
        return "the slot report names slots that are not there";
    }
    struct resource_profile unused;
    if ((r->slot_profile != NULL && resource_profile_read(r->slot_profile, &unused, NULL) < 0) ||
        (r->total_profile != NULL && resource_profile_read(r->total_profile, &unused, NULL) < 0)) {
        return "the profile of a slot or of all makes no sense";
    }
    return NULL;
}

static uint32_t total_slots(const struct resourcemanager *rm)
{
    uint32_t n = 0;
    for (size_t i = 0; i < rm->tms.len; i++) {
        n += ((struct rm_tm *)vec_ptr(&rm->tms, i))->n_slots;
    }
    return n;
}

enum { KEEP_TRYING, GIVE_UP };

static void refuse(struct rm_stream *s, const char *reason, int retry)
{
    struct resourcemanager *rm = s->rm;
    Flinc__RegistrationRefused refused = FLINC__REGISTRATION_REFUSED__INIT;
    Flinc__MasterToTaskManager m = FLINC__MASTER_TO_TASK_MANAGER__INIT;
    struct error err = ERROR_INIT;
    refused.reason = (char *)reason;
    refused.retry = retry == KEEP_TRYING;
    m.version = CLUSTER_PROTOCOL_VERSION;
    m.leader = rm_id_data(&rm->leader);
    m.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_REFUSED;
    m.refused = &refused;
    rm_count(rm, &rm->stats.registrations_refused);
    LOG_WARN(RM_TOPIC, "The registration of a task manager at %s is refused: %s.", s->peer, reason);
    if (rpc_channel_send(s->channel, &m.base, &err) < 0) {
        LOG_DEBUG(RM_TOPIC, "Telling it so failed: %s", err.message);
    }
    if (s->tm == NULL) {
        rm_stream_remove(s);
    }
}

void rm_register(struct rm_stream *s, Flinc__TaskManagerToMaster *m)
{
    struct resourcemanager *rm = s->rm;
    Flinc__Register *r = m->register_;
    char text[512];
    const char *problem = check_versions(m, text, sizeof(text));
    if (problem == NULL) {
        problem = check_fields(r);
    }
    if (problem != NULL) {
        refuse(s, problem, GIVE_UP);
        return;
    }
    struct rm_tm *old = rm_tm_find(rm, r->resource_id);
    bool same =
        old != NULL && rm_id_is(&r->instance_id, &old->instance) && old->n_slots == r->n_slots;
    if (s->tm != NULL && s->tm != old) {
        refuse(s, "the stream is another task manager's already", GIVE_UP);
        return;
    }
    uint32_t had = old != NULL ? old->n_slots : 0;
    if (!same && (rm->tms.len >= RM_TASK_MANAGERS_MAX ||
                  r->n_slots > rm->slots_max - MIN(rm->slots_max, total_slots(rm) - had))) {
        refuse(s, "the cluster is full (slotmanager.number-of-slots.max)", KEEP_TRYING);
        return;
    }
    m->register_ = NULL; /* taken */
    m->body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY__NOT_SET;
    component_cancel(rm->component, s->register_timer);
    s->register_timer = TIMER_NONE;
    if (same) {
        rm_tm_return(old, s, r);
        return;
    }
    if (old != NULL) {
        struct error why = ERROR_INIT;
        error_set(&why, ERR_UNAVAILABLE,
                  "TaskManager with id %s is no longer reachable: another process registered under "
                  "its id.",
                  old->id);
        if (s->tm == old) { /* on its own stream: that one stays */
            old->stream = NULL;
            s->tm = NULL;
        }
        rm_tm_lose(old, &why);
    }
    rm_tm_add(s, r);
}
