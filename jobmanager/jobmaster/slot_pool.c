/* The places of a job's slots; see slot_pool.h. */
#include "jobmanager/jobmaster/slot_pool.h"

#include "common/base/failpoint.h"
#include "common/base/mem.h"

void slot_pool_init(struct slot_pool *p, uint32_t n_places)
{
    *p = (struct slot_pool){.places = MEM_NEW_ARRAY(struct slot_place, n_places),
                            .n_places = n_places};
    map_init(&p->by_allocation, NULL);
}

void slot_pool_fini(struct slot_pool *p)
{
    map_fini(&p->by_allocation);
    mem_free(p->places);
    *p = (struct slot_pool){0};
}

/* There is an empty one. */
static struct slot_place *choose_place(struct slot_pool *p, uint64_t home)
{
    struct slot_place *first = &p->places[p->first_empty], *unknown = NULL;
    if (home == 0 || p->n_left == 0) {
        return first;
    }
    for (uint32_t i = p->first_empty; i < p->n_places; i++) {
        struct slot_place *place = &p->places[i];
        if (!place->filled && place->home == home) {
            return place;
        }
        if (!place->filled && place->home == 0 && unknown == NULL) {
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
    while (p->first_empty < p->n_places && p->places[p->first_empty].filled) {
        p->first_empty++;
    }
    if (p->first_empty == p->n_places) {
        return SLOT_OFFER_UNNEEDED;
    }
    struct slot_place *place = choose_place(p, home);
    p->n_left -= place->home != 0;
    *place = (struct slot_place){.slot = *slot, .filled = true, .home = home};
    (void)map_put_bytes(&p->by_allocation, id->bytes, sizeof(id->bytes), place);
    p->n_filled++;
    return SLOT_OFFER_TAKEN;
}

bool slot_pool_remove(struct slot_pool *p, const struct flinc_id *allocation_id)
{
    struct slot_place *place =
        map_take_bytes(&p->by_allocation, allocation_id->bytes, sizeof(allocation_id->bytes));
    if (place == NULL) {
        return false;
    }
    *place = (struct slot_place){.home = place->home};
    p->n_left += place->home != 0;
    p->first_empty = MIN(p->first_empty, (uint32_t)(place - p->places));
    p->n_filled--;
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

void slot_pool_arrange(struct slot_pool *p, uint32_t n_places, const uint32_t *order,
                       uint32_t n_order)
{
    struct slot_pool old = *p;
    ASSERT(n_places >= old.n_filled && n_order <= old.n_filled);
    slot_pool_init(p, n_places);
    for (uint32_t i = 0; i < n_order; i++) {
        struct slot_place *place = &old.places[order[i]];
        ASSERT(place->filled);
        (void)slot_pool_offer(p, &place->slot, place->home);
        place->filled = false;
    }
    for (uint32_t i = 0; i < old.n_places; i++) {
        if (old.places[i].filled) {
            (void)slot_pool_offer(p, &old.places[i].slot, old.places[i].home);
        }
    }
    slot_pool_fini(&old);
}
