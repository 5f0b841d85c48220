/* The slots of one job: places 0 .. n-1, each empty or filled by a slot of the provider.  Subtask i of
 * every vertex of a slot sharing group runs in the same place.  A place is filled by a slot of its own kind
 * only (engine/graph/slot_kinds.h), so a task runs in a slot that is worth what its group asks for.
 * Flink: DeclarativeSlotPool, SlotSharingExecutionSlotAllocator.  Thread: the job master's. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_SLOT_POOL_H
#define FLINC_JOBMANAGER_JOBMASTER_SLOT_POOL_H

#include "common/base/map.h"
#include "jobmanager/jobmaster/jobmaster.h"

struct slot_place {
    struct slot slot;
    bool filled;
    uint32_t kind;
    uint64_t home; /* task manager of the slot that is here, or was here last; 0: not known */
};

/* Which places there are: the kind of each.  Caller's memory. */
struct slot_layout {
    uint32_t *kinds; /* by place; NULL: all are of kind 0 */
    uint32_t n_places;
    uint32_t n_kinds; /* at least 1 */
};

/* Caller's memory. */
struct slot_pool {
    struct slot_place *places; /* Owns */
    uint32_t n_places, n_filled, n_kinds;
    uint32_t *n_places_of;    /* Owns; by kind, as the next two */
    uint32_t *n_filled_of;    /* Owns */
    uint32_t *first_empty;    /* Owns; no place of the kind before it is empty */
    uint32_t n_left;          /* empty places with a home */
    struct map by_allocation; /* allocation id -> its place */
};

enum slot_offer {
    SLOT_OFFER_TAKEN,
    SLOT_OFFER_KNOWN,    /* this allocation is here already */
    SLOT_OFFER_UNNEEDED, /* all places of its kind are filled */
};

void slot_pool_init(struct slot_pool *p, const struct slot_layout *layout);
void slot_pool_fini(struct slot_pool *p);
/* A slot of task manager `home` (some number that tells it from others, 0: not known) fills a place that one of it
 * filled before, so that the subtasks find what they left there (task-local recovery); else one that nobody left, else
 * the first empty one. */
enum slot_offer slot_pool_offer(struct slot_pool *p, const struct slot *slot, uint64_t home);
/* Empties the place of this allocation; false when it is not here. */
bool slot_pool_remove(struct slot_pool *p, const struct flinc_id *allocation_id);
/* Are all places from `first` on filled? */
bool slot_pool_covers(const struct slot_pool *p, uint32_t first, uint32_t n);
/* Other places from now on: the slots of the places order[0], order[1], ... (each is filled, and named once) come to
 * the first ones of their kinds, the others behind them.  Those that find no place are written to ret_surplus, which
 * has room for all slots; returns how many. */
uint32_t slot_pool_arrange(struct slot_pool *p, const struct slot_layout *layout,
                           const uint32_t *order, uint32_t n_order, struct slot *ret_surplus);
const struct slot *slot_pool_get(const struct slot_pool *p, uint32_t place);

#endif
