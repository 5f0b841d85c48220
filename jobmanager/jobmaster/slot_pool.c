/* The places of a job's slots; see slot_pool.h. */
#include "jobmanager/jobmaster/slot_pool.h"

#include "common/base/failpoint.h"
#include "common/base/mem.h"

void slot_pool_init(struct slot_pool *p, const struct slot_layout *layout)
{
    *p = (struct slot_pool){
        .places = MEM_NEW_ARRAY(struct slot_place, (size_t)layout->n_places + 1),
        .n_places = layout->n_places,
        .n_kinds = layout->n_kinds,
        .n_places_of = MEM_NEW_ARRAY(uint32_t, layout->n_kinds),
        .n_filled_of = MEM_NEW_ARRAY(uint32_t, layout->n_kinds),
        .first_empty = MEM_NEW_ARRAY(uint32_t, layout->n_kinds),
    };
    for (uint32_t i = 0; i < p->n_places; i++) {
        uint32_t kind = layout->kinds != NULL ? layout->kinds[i] : 0;
        ASSERT(kind < p->n_kinds);
        p->places[i].kind = kind;
        p->n_places_of[kind]++;
    }
    map_init(&p->by_allocation, NULL);
}

void slot_pool_fini(struct slot_pool *p)
{
    map_fini(&p->by_allocation);
    mem_free(p->places);
    mem_free(p->n_places_of);
    mem_free(p->n_filled_of);
    mem_free(p->first_empty);
    *p = (struct slot_pool){0};
}

static bool is_empty(const struct slot_place *place, uint32_t kind)
{
    return !place->filled && place->kind == kind;
}

/* There is an empty one of this kind. */
static struct slot_place *choose_place(struct slot_pool *p, uint32_t kind, uint64_t home)
{
    struct slot_place *first = &p->places[p->first_empty[kind]], *unknown = NULL;
    if (home == 0 || p->n_left == 0) {
        return first;
    }
    for (uint32_t i = p->first_empty[kind]; i < p->n_places; i++) {
        struct slot_place *place = &p->places[i];
        if (is_empty(place, kind) && place->home == home) {
            return place;
        }
        if (is_empty(place, kind) && place->home == 0 && unknown == NULL) {
            unknown = place;
        }
    }
    return unknown != NULL ? unknown : first;
}

enum slot_offer slot_pool_offer(struct slot_pool *p, const struct slot *slot, uint64_t home)
{
    const struct flinc_id *id = &slot->allocation_id;
    if (map_find_bytes(&p->by_allocation, id->bytes, sizeof(id->bytes)) != NULL &&
        !PLANTED("offer_twice")) {
        return SLOT_OFFER_KNOWN;
    }
    uint32_t kind = slot->kind;
    if (kind >= p->n_kinds || p->n_filled_of[kind] == p->n_places_of[kind]) {
        return SLOT_OFFER_UNNEEDED;
    }
    while (!is_empty(&p->places[p->first_empty[kind]], kind)) {
        p->first_empty[kind]++;
    }
    struct slot_place *place = choose_place(p, kind, home);
    p->n_left -= place->home != 0;
    *place = (struct slot_place){.slot = *slot, .filled = true, .kind = kind, .home = home};
    (void)map_put_bytes(&p->by_allocation, id->bytes, sizeof(id->bytes), place);
    p->n_filled++;
    p->n_filled_of[kind]++;
    return SLOT_OFFER_TAKEN;
}

bool slot_pool_remove(struct slot_pool *p, const struct flinc_id *allocation_id)
{
    struct slot_place *place =
        map_take_bytes(&p->by_allocation, allocation_id->bytes, sizeof(allocation_id->bytes));
    if (place == NULL) {
        return false;
    }
    uint32_t kind = place->kind;
    *place = (struct slot_place){.kind = kind, .home = place->home};
    p->n_left += place->home != 0;
    p->first_empty[kind] = MIN(p->first_empty[kind], (uint32_t)(place - p->places));
    p->n_filled--;
    p->n_filled_of[kind]--;
    return true;
}

bool slot_pool_covers(const struct slot_pool *p, uint32_t first, uint32_t n)
{
    ASSERT(n <= p->n_places && first <= p->n_places - n);
    for (uint32_t i = first; i < first + n; i++) {
        if (!p->places[i].filled) {
            return false;
        }
    }
    return true;
}

const struct slot *slot_pool_get(const struct slot_pool *p, uint32_t place)
{
    ASSERT(place < p->n_places && p->places[place].filled);
    return &p->places[place].slot;
}

/* Counts it among the surplus when it finds no place. */
static void move(struct slot_pool *p, struct slot_place *from, struct slot *ret_surplus,
                 uint32_t *n_surplus)
{
    if (slot_pool_offer(p, &from->slot, from->home) == SLOT_OFFER_UNNEEDED) {
        ret_surplus[(*n_surplus)++] = from->slot;
    }
    from->filled = false;
}

uint32_t slot_pool_arrange(struct slot_pool *p, const struct slot_layout *layout,
                           const uint32_t *order, uint32_t n_order, struct slot *ret_surplus)
{
    struct slot_pool old = *p;
    uint32_t n_surplus = 0;
    ASSERT(n_order <= old.n_filled);
    slot_pool_init(p, layout);
    for (uint32_t i = 0; i < n_order; i++) {
        ASSERT(old.places[order[i]].filled);
        move(p, &old.places[order[i]], ret_surplus, &n_surplus);
    }
    for (uint32_t i = 0; i < old.n_places; i++) {
        if (old.places[i].filled) {
            move(p, &old.places[i], ret_surplus, &n_surplus);
        }
    }
    slot_pool_fini(&old);
    return n_surplus;
}
