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
        struct slot slot = {.allocation_id = s->allocation, .worker = s->relay->number};
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
        rm_id_copy(&allocation, &reported->allocation_id);
        rm_slot_foreign(s, &allocation);
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

void rm_reconcile_slots(struct rm_tm *tm, const Flinc__SlotReport *report, uint64_t upto)
{
    struct error err = ERROR_INIT;
    if (FAILPOINT(&err, "resourcemanager.report.before_apply") < 0) {
        return;
    }
    for (size_t i = 0; i < report->n_slots; i++) {
        const Flinc__SlotStatus *reported = report->slots[i];
        bool has_id = reported->allocation_id.len == sizeof(((struct flinc_id *)0)->bytes);
        if (reported->index >= tm->n_slots ||
            (reported->state != FLINC__SLOT_STATE__SLOT_FREE && !has_id)) {
            rm_count(tm->rm, &tm->rm->stats.messages_malformed);
            continue;
        }
        if (upto > tm->slots[reported->index].since_heartbeat) {
            reconcile(&tm->slots[reported->index], reported);
        }
    }
    rm_match(tm->rm);
}
