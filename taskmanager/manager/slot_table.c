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

void tm_slot_table_init(struct slot_table *t, uint32_t n, const struct resource_profile *total,
                        void *owner)
{
    ASSERT(n > 0);
    *t = (struct slot_table){.slots = MEM_NEW_ARRAY(struct tm_slot, n),
                             .n = n,
                             .total = *total,
                             .slot_profile = *total,
                             .owner = owner};
    resource_profile_divide(&t->slot_profile, n);
    for (uint32_t i = 0; i < n; i++) {
        t->slots[i].index = i;
        t->slots[i].owner = owner;
    }
    vec_init(&t->dynamic, sizeof(struct tm_slot *));
    map_init(&t->allocations, NULL);
}

void tm_slot_table_fini(struct slot_table *t)
{
    for (size_t i = 0; i < t->dynamic.len; i++) {
        struct tm_slot *s = vec_ptr(&t->dynamic, i);
        mem_free(s->profile);
        mem_free(s);
    }
    vec_fini(&t->dynamic);
    map_fini(&t->allocations);
    mem_free(t->slots);
    *t = (struct slot_table){0};
}

/* ---- dynamic slots ------------------------------------------------------------------------------ */

struct tm_slot *tm_slot_table_make_row(struct slot_table *t, uint32_t index)
{
    ASSERT(index >= t->n && index < SLOT_TABLE_ROWS_MAX);
    while (tm_slot_table_n_rows(t) <= index) {
        struct tm_slot *s = MEM_NEW(struct tm_slot);
        s->index = tm_slot_table_n_rows(t);
        s->owner = t->owner;
        vec_push_ptr(&t->dynamic, s);
    }
    return tm_slot_table_row(t, index);
}

static uint32_t count_static(const struct slot_table *t)
{
    return (uint32_t)t->allocations.len - t->n_dynamic;
}

void tm_slot_table_get_free(const struct slot_table *t, struct resource_profile *ret)
{
    *ret = t->total;
    resource_profile_subtract(ret, &t->taken);
    for (uint32_t i = 0; i < count_static(t); i++) {
        resource_profile_subtract(ret, &t->slot_profile);
    }
}

bool tm_slot_table_has_room(const struct slot_table *t, const struct resource_profile *profile)
{
    struct resource_profile left;
    if (profile == NULL && t->n_dynamic == 0) {
        return true;
    }
    tm_slot_table_get_free(t, &left);
    return resource_profile_fits(profile != NULL ? profile : &t->slot_profile, &left);
}

/* ---- allocations -------------------------------------------------------------------------------- */

void tm_slot_allocate(struct slot_table *t, struct tm_slot *s, const struct flinc_id *allocation_id,
                      const struct flinc_id *job_id, const struct resource_profile *profile,
                      int64_t now_ns)
{
    ASSERT(tm_slot_table_find(t, allocation_id) == NULL);
    ASSERT((profile != NULL) == (s->index >= t->n));
    slot_transition(s, SLOT_ALLOCATED);
    if (profile != NULL) {
        s->profile = mem_dup(profile, sizeof(*profile));
        resource_profile_add(&t->taken, profile);
        t->n_dynamic++;
    }
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
    if (s->profile != NULL) {
        resource_profile_subtract(&t->taken, s->profile);
        t->n_dynamic--;
        mem_free(s->profile);
        s->profile = NULL;
    }
    s->ticket = ++t->tickets;
}

struct tm_slot *tm_slot_table_find(const struct slot_table *t, const struct flinc_id *allocation_id)
{
    return map_find_bytes(&t->allocations, allocation_id->bytes, sizeof(allocation_id->bytes));
}

static bool is_counted(const struct tm_slot *s, const struct flinc_id *job_id, uint32_t states)
{
    return (states & 1u << s->state) != 0 && id_eq(&s->job_id, job_id);
}

uint32_t tm_slot_table_count(const struct slot_table *t, const struct flinc_id *job_id,
                             uint32_t states)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < tm_slot_table_n_rows(t); i++) {
        n += is_counted(tm_slot_table_row(t, i), job_id, states);
    }
    return n;
}

void tm_slot_table_sum(const struct slot_table *t, const struct flinc_id *job_id, uint32_t states,
                       struct resource_profile *ret)
{
    *ret = (struct resource_profile){0};
    for (uint32_t i = 0; i < tm_slot_table_n_rows(t); i++) {
        const struct tm_slot *s = tm_slot_table_row(t, i);
        if (is_counted(s, job_id, states)) {
            resource_profile_add(ret, s->profile != NULL ? s->profile : &t->slot_profile);
        }
    }
}

uint32_t tm_slot_table_n_free(const struct slot_table *t)
{
    return t->n - MIN(t->n, (uint32_t)t->allocations.len);
}
