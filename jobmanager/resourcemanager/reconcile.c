/* Comparing the slot table with what a task manager reports of its slots.
 *
 * A stream keeps the order, so the answer to heartbeat n speaks of everything that was sent before it: a row
 * that came into its state afterwards is left alone.  What was lost on the way is said again; what the
 * two sides see differently ends up free.
 * Thread: the resource manager's.  Flink: SlotStatusSyncer.reconcileSlotStatus. */
#include "jobmanager/resourcemanager/resourcemanager_internal.h"

static void lost(struct rm_slot *s)
{
    if (!s->job->removed) {
        struct slot slot = {s->allocation, s->relay->number, s->kind};
        struct error why = ERROR_INIT;
        error_set(&why, ERR_UNAVAILABLE, "TaskManager with id %s has freed the slot", s->tm->id);
        jobmaster_slot_lost(s->job->spec.jm, &slot, &why);
    }
    rm_slot_freed(s);
}

static void occupied(struct rm_slot *s, const Flinc__SlotStatus *reported)
{
    if (rm_slot_find(s->tm->rm, &reported->allocation_id) == NULL) {
        struct flinc_id allocation;
        struct resource_profile profile;
        bool has_profile = reported->profile != NULL &&
                           resource_profile_read(reported->profile, &profile, NULL) == 0;
        rm_id_copy(&allocation, &reported->allocation_id);
        rm_slot_foreign(s, &allocation, has_profile ? &profile : NULL);
    }
}

static void reconcile(struct rm_slot *s, const Flinc__SlotStatus *reported)
{
    bool is_free = reported->state == FLINC__SLOT_STATE__SLOT_FREE;
    bool same = !is_free && rm_id_is(&reported->allocation_id, &s->allocation);
    bool releasing = reported->state == FLINC__SLOT_STATE__SLOT_RELEASING;
    switch (s->state) {
    case RM_SLOT_FREE:
        if (!is_free) {
            occupied(s, reported);
        }
        break;
    case RM_SLOT_REQUESTED: /* a lost request is repeated by its timer */
        if (is_free && s->accepted) {
            s->accepted = false; /* it gave it up, and the news were lost: again, elsewhere */
            rm_slot_freed(s);
        } else if (!is_free && !same) {
            rm_slot_freed(s);
            occupied(s, reported);
        }
        break;
    case RM_SLOT_ACTIVE:
        if (!same || releasing) {
            lost(s);
        }
        if (!is_free && s->state == RM_SLOT_FREE) {
            occupied(s, reported);
        }
        break;
    case RM_SLOT_FREEING:
        if (!same) {
            rm_slot_freed(s);
            if (!is_free) {
                occupied(s, reported);
            }
        } else if (!releasing) {
            rm_slot_send_free(s, "the slot was given up before");
        }
        break;
    default:
        break;
    }
}

/* Can the report mean a slot, and which?  Rows of dynamic slots that nobody here knows are made. */
static struct rm_slot *reported_row(struct rm_tm *tm, const Flinc__SlotStatus *reported)
{
    bool is_free = reported->state == FLINC__SLOT_STATE__SLOT_FREE;
    bool has_id = reported->allocation_id.len == sizeof(((struct flinc_id *)0)->bytes);
    if (reported->index >= RM_SLOTS_PER_TASK_MANAGER_MAX || (!is_free && !has_id) ||
        (is_free && reported->index >= rm_tm_n_rows(tm))) {
        rm_count(tm->rm, &tm->rm->stats.messages_malformed);
        return NULL;
    }
    return reported->index < rm_tm_n_rows(tm) ? rm_tm_row(tm, reported->index)
                                              : rm_tm_make_row(tm, reported->index);
}

/* Dynamic slots are reported while they are in use: those that are not are free. */
static void reconcile_unreported(struct rm_tm *tm, const Flinc__SlotReport *report, uint64_t upto)
{
    const Flinc__SlotStatus is_free = FLINC__SLOT_STATUS__INIT;
    bool *reported = MEM_NEW_ARRAY(bool, rm_tm_n_rows(tm));
    for (size_t i = 0; i < report->n_slots; i++) {
        if (report->slots[i]->index < rm_tm_n_rows(tm)) {
            reported[report->slots[i]->index] = true;
        }
    }
    for (uint32_t i = tm->n_slots; i < rm_tm_n_rows(tm); i++) {
        if (!reported[i] && upto > rm_tm_row(tm, i)->since_heartbeat) {
            reconcile(rm_tm_row(tm, i), &is_free);
        }
    }
    mem_free(reported);
}

void rm_reconcile_slots(struct rm_tm *tm, const Flinc__SlotReport *report, uint64_t upto)
{
    struct error err = ERROR_INIT;
    if (FAILPOINT(&err, "resourcemanager.report.before_apply") < 0) {
        return;
    }
    for (size_t i = 0; i < report->n_slots; i++) {
        struct rm_slot *s = reported_row(tm, report->slots[i]);
        if (s != NULL && upto > s->since_heartbeat) {
            reconcile(s, report->slots[i]);
        }
    }
    if (tm->dynamic.len > 0) {
        reconcile_unreported(tm, report, upto);
    }
    rm_match(tm->rm);
}
