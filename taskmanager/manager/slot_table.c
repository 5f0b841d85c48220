/* The table of slots and the one place where their state is written; see slot_table.h. */
#include "taskmanager/manager/slot_table.h"

static const struct {
    const char *name;
    uint8_t moves; /* bit `to` */
} state_rows[] = {
    [SLOT_FREE] = {"FREE", 1 << SLOT_ALLOCATED},
    [SLOT_ALLOCATED] = {"ALLOCATED", 1 << SLOT_ACTIVE | 1 << SLOT_RELEASING | 1 << SLOT_FREE},
    [SLOT_ACTIVE] = {"ACTIVE", 1 << SLOT_RELEASING | 1 << SLOT_FREE},
    [SLOT_RELEASING] = {"RELEASING", 1 << SLOT_FREE},
};
_Static_assert(ARRAY_LEN(state_rows) == SLOT_STATES, "one row per state");

const char *tm_slot_state_name(enum slot_state state)
{
    return (unsigned)state < SLOT_STATES ? state_rows[state].name : "UNKNOWN";
}

static void slot_transition(struct tm_slot *s, enum slot_state to)
{
    ASSERT((state_rows[s->state].moves & 1 << to) != 0);
    s->state = to;
}

void tm_slot_table_init(struct slot_table *t, uint32_t n, void *owner)
{
    ASSERT(n > 0);
    *t = (struct slot_table){.slots = MEM_NEW_ARRAY(struct tm_slot, n), .n = n};
    for (uint32_t i = 0; i < n; i++) {
        t->slots[i].index = i;
        t->slots[i].owner = owner;
    }
    map_init(&t->allocations, NULL);
}

void tm_slot_table_fini(struct slot_table *t)
{
    map_fini(&t->allocations);
    mem_free(t->slots);
    *t = (struct slot_table){0};
}

void tm_slot_allocate(struct slot_table *t, struct tm_slot *s, const struct flinc_id *allocation_id,
                      const struct flinc_id *job_id, int64_t now_ns)
{
    ASSERT(tm_slot_table_find(t, allocation_id) == NULL);
    slot_transition(s, SLOT_ALLOCATED);
    s->allocation_id = *allocation_id;
    s->job_id = *job_id;
    s->ticket = ++t->tickets;
    s->allocated_ns = now_ns;
    s->first_offer = 0;
    s->reported_as_active = 0;
    map_put_bytes(&t->allocations, allocation_id->bytes, sizeof(allocation_id->bytes), s);
}

void tm_slot_activate(struct slot_table *t, struct tm_slot *s)
{
    slot_transition(s, SLOT_ACTIVE);
}

void tm_slot_release(struct slot_table *t, struct tm_slot *s)
{
    slot_transition(s, SLOT_RELEASING);
}

void tm_slot_free(struct slot_table *t, struct tm_slot *s)
{
    slot_transition(s, SLOT_FREE);
    map_remove_bytes(&t->allocations, s->allocation_id.bytes, sizeof(s->allocation_id.bytes));
    s->ticket = ++t->tickets;
}

struct tm_slot *tm_slot_table_find(const struct slot_table *t, const struct flinc_id *allocation_id)
{
    return map_find_bytes(&t->allocations, allocation_id->bytes, sizeof(allocation_id->bytes));
}

uint32_t tm_slot_table_count(const struct slot_table *t, const struct flinc_id *job_id,
                             uint32_t states)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct tm_slot *s = &t->slots[i];
        n += (states & 1u << s->state) != 0 && id_eq(&s->job_id, job_id);
    }
    return n;
}

uint32_t tm_slot_table_n_free(const struct slot_table *t)
{
    return t->n - (uint32_t)t->allocations.len;
}
