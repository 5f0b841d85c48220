/* The slots of a task manager: what each is promised to.
 *
 *   FREE ──RequestSlot──► ALLOCATED ──OfferAnswer──► ACTIVE
 *     ▲                     │  refused, timed out,      │  given up
 *     │                     │  given up                 │
 *     ├─────────────────────┴────(worker stays)─────────┤
 *     └──────worker gone── RELEASING ◄──(last one)──────┘
 *
 * A slot whose job has others here is free at once; with the last one its worker ends first, so that a
 * free slot is one whose memory is free.  Every allocation has a ticket: a timer that was set for
 * another allocation of the slot finds another ticket and does nothing.
 *
 * Static slots, 0 .. n-1, are equal parts of the whole.  A request that names a profile of its own makes a dynamic
 * slot behind them, which takes from the same whole as long as it is not FREE; its row stays for the next one.
 *
 * Pure state: no messages, no timers.  Thread: the task manager's.  Flink: TaskSlotTableImpl. */
#ifndef FLINC_TASKMANAGER_MANAGER_SLOT_TABLE_H
#define FLINC_TASKMANAGER_MANAGER_SLOT_TABLE_H

#include "common/base/clock.h"
#include "common/base/map.h"
#include "common/base/vec.h"
#include "engine/graph/resource_profile.h"

enum slot_state { /* the values of SlotState in cluster.proto */
                  SLOT_FREE,
                  SLOT_ALLOCATED,
                  SLOT_ACTIVE,
                  SLOT_RELEASING,
                  SLOT_STATES,
};
const char *tm_slot_state_name(enum slot_state state);

struct tm_slot {
    uint32_t index;
    enum slot_state state; /* written in slot_table.c only */
    struct flinc_id allocation_id, job_id;
    uint64_t ticket;      /* of this allocation; unique in the table */
    int64_t allocated_ns; /* monotonic */
    uint64_t first_offer; /* number of the first offer that named it; 0: none */
    uint64_t
        reported_as_active; /* number of the first heartbeat whose answer said ACTIVE; 0: none */
    uint64_t timer;         /* handle of its time-out; 0: none */
    uint64_t timer_ticket;  /* of the allocation that the time-out was set for */
    struct resource_profile *profile; /* Owns; of a dynamic slot that is not FREE; else NULL */
    void *owner;                      /* Borrows: the task manager */
};

enum { SLOT_TABLE_ROWS_MAX = 65536 };

struct slot_table {
    struct tm_slot *slots; /* Owns; the static ones */
    uint32_t n;
    struct vec dynamic; /* of struct tm_slot *, owned; by index from n on */
    uint32_t n_dynamic; /* of them, not FREE */
    struct resource_profile total, slot_profile; /* of all, of a static slot */
    struct resource_profile taken;               /* by dynamic slots */
    void *owner;
    uint64_t tickets;       /* given out */
    struct map allocations; /* allocation id -> slot, all but the free ones */
};

void tm_slot_table_init(struct slot_table *t, uint32_t n, const struct resource_profile *total,
                        void *owner);
void tm_slot_table_fini(struct slot_table *t);

/* Static and dynamic slots by index. */
static inline uint32_t tm_slot_table_n_rows(const struct slot_table *t)
{
    return t->n + (uint32_t)t->dynamic.len;
}
static inline struct tm_slot *tm_slot_table_row(const struct slot_table *t, uint32_t index)
{
    return index < t->n ? &t->slots[index] : vec_ptr(&t->dynamic, index - t->n);
}
/* The row of a dynamic slot, made when it is not there; `index` is below SLOT_TABLE_ROWS_MAX. */
struct tm_slot *tm_slot_table_make_row(struct slot_table *t, uint32_t index);
/* Is there so much left?  NULL: as much as a static slot is worth. */
bool tm_slot_table_has_room(const struct slot_table *t, const struct resource_profile *profile);
void tm_slot_table_get_free(const struct slot_table *t, struct resource_profile *ret);

/* FREE -> ALLOCATED.  A dynamic slot has a profile, for which there is room. */
void tm_slot_allocate(struct slot_table *t, struct tm_slot *s, const struct flinc_id *allocation_id,
                      const struct flinc_id *job_id, const struct resource_profile *profile,
                      int64_t now_ns);
/* ALLOCATED -> ACTIVE */
void tm_slot_activate(struct slot_table *t, struct tm_slot *s);
/* ALLOCATED or ACTIVE -> RELEASING */
void tm_slot_release(struct slot_table *t, struct tm_slot *s);
/* any but FREE -> FREE */
void tm_slot_free(struct slot_table *t, struct tm_slot *s);

/* NULL: no slot has this allocation. */
struct tm_slot *tm_slot_table_find(const struct slot_table *t,
                                   const struct flinc_id *allocation_id);
/* Of a job, in these states (bits 1 << state). */
uint32_t tm_slot_table_count(const struct slot_table *t, const struct flinc_id *job_id,
                             uint32_t states);
/* What its slots in these states are worth together. */
void tm_slot_table_sum(const struct slot_table *t, const struct flinc_id *job_id, uint32_t states,
                       struct resource_profile *ret);
/* Of the static ones; each dynamic one counts as one of them, as others see it. */
uint32_t tm_slot_table_n_free(const struct slot_table *t);

#endif
