/* Lists per key.  An element's number is above those of the elements before it; numbers of elements that
 * outlived their time are missing.  Thread: one owner (the task). */
#include "engine/state/user/list_state.h"

#include "engine/state/entries.h"
#include "engine/state/user/entry_probe.h"

struct list_head {
    uint64_t first, next; /* numbers of the elements */
    uint64_t n;           /* how many there are, with those that outlived their time */
    int64_t stamp_ms;     /* with a time to live: the youngest element's, at least */
};

/* A block of elements found together. */
struct list_walk {
    uint64_t changes; /* of the list when it began */
    uint64_t next, end;
    uint32_t at, n;
    uint32_t numbering; /* of the slots */
    uint32_t slots[PROBE_ROWS];
};

struct list_state {
    struct entry_space space;
    struct slot_cache heads;
    struct entry_probe probe;
    struct state_ttl ttl;
    struct ttl_sweep sweep;
    struct list_walk walk;
    uint64_t changes;
    char *scratch; /* Owns; a kept record */
};

static struct list_head *head_at(const struct list_state *l, uint32_t slot)
{
    return keyed_state_value(l->space.heads, slot);
}

/* ---- life -------------------------------------------------------------------------------------- */

static void list_state_free(void *object)
{
    struct list_state *l = object;
    slot_cache_fini(&l->heads);
    entry_probe_fini(&l->probe);
    entry_space_fini(&l->space);
    mem_free(l->scratch);
    mem_free(l);
}

static int add_restored(void *owner, struct batch *entries, struct error *err)
{
    struct list_state *l = owner;
    const int64_t *numbers = entry_numbers(&l->space, entries, 0);
    int64_t now_ms = clock_now_ms(l->heads.cursor->clock);
    for (uint32_t i = 0; i < entries->n_sel; i++) {
        struct list_head *h = head_at(l, l->space.head_slots[i]);
        uint64_t number = (uint64_t)numbers[i];
        h->first = h->n == 0 ? number : MIN(h->first, number);
        h->next = MAX(h->next, number + 1);
        h->n++;
        h->stamp_ms = now_ms;
    }
    return 0;
}

static int open_space(struct list_state *l, struct key_cursor *cursor,
                      const struct list_state_desc *desc, struct error *err)
{
    static const char *const names[] = {"$number"};
    struct schema *extra = entry_numbers_schema(names, 1);
    int rc = entry_space_open(
        &l->space, cursor->backend,
        &(struct entry_desc){.name = desc->name,
                             .kind = "list",
                             .key_schema = cursor->key_schema,
                             .record = desc->record,
                             .extra = extra,
                             .timestamp_name = desc->ttl.ms > 0 ? "$ttl" : NULL,
                             .head_bytes = sizeof(struct list_head),
                             .head_stamp_offset = offsetof(struct list_head, stamp_ms),
                             .ttl_ms = desc->ttl.ms,
                             .expiry = ttl_expiry(&desc->ttl, cursor->clock, 0)},
        err);
    schema_unref(extra);
    return rc;
}

int list_state_open(struct key_cursor *cursor, const struct list_state_desc *desc,
                    struct list_state **ret_state, struct error *err)
{
    struct list_state *l = MEM_NEW(struct list_state);
    /* From here on the backend frees it, after its states. */
    keyed_backend_adopt(cursor->backend, l, list_state_free);
    l->ttl = desc->ttl;
    TRY(open_space(l, cursor, desc, err));
    l->scratch = mem_alloc_aligned(16, l->space.kept.size);
    memset(l->scratch, 0, l->space.kept.size);
    slot_cache_init(&l->heads, cursor, l->space.heads);
    entry_probe_init(&l->probe, cursor, l->space.entries);
    TRY(entry_space_rebuild(&l->space, &(struct entry_rebuild){.add = add_restored, .owner = l},
                            err));
    *ret_state = l;
    return 0;
}

struct keyed_state *list_state_keys(const struct list_state *l)
{
    return l->space.heads;
}

const struct record_layout *list_state_layout(const struct list_state *l)
{
    return &l->space.rows;
}

/* ---- changing ---------------------------------------------------------------------------------- */

int list_state_add(struct list_state *l, const char *element, struct error *err)
{
    uint32_t slot;
    uint8_t is_new;
    TRY(slot_cache_add(&l->heads, &slot, &is_new, err));
    entry_space_touch_head(&l->space, slot);
    struct list_head *h = head_at(l, slot);
    entry_probe_number(&l->probe, 0, (int64_t)h->next++);
    h->n++;
    h->stamp_ms = MAX(h->stamp_ms, l->heads.cursor->now_ms);
    l->changes++;
    TRY(entry_probe_add_new(&l->probe, 1, err));
    memcpy(l->scratch, element, l->space.rows.size);
    if (l->ttl.ms > 0) {
        memcpy(l->scratch + l->space.timestamp_offset, &l->heads.cursor->now_ms, sizeof(int64_t));
        l->sweep.accesses++;
    }
    return keyed_state_keep(l->space.entries, l->probe.slots[0], l->scratch, err);
}

int list_state_clear(struct list_state *l, struct error *err)
{
    uint32_t slot;
    TRY(slot_cache_find(&l->heads, &slot, err));
    if (slot == KEYED_SLOT_NONE) {
        return 0;
    }
    struct list_head h = *head_at(l, slot);
    slot_cache_remove(&l->heads, slot);
    l->changes++;
    while (h.first < h.next) {
        uint64_t left = h.next - h.first;
        uint32_t n = (uint32_t)MIN(left, (uint64_t)PROBE_ROWS);
        for (uint32_t i = 0; i < n; i++) {
            entry_probe_number(&l->probe, i, (int64_t)h.first++);
        }
        TRY(entry_probe_find(&l->probe, n, err));
        for (uint32_t i = 0; i < n; i++) {
            if (l->probe.slots[i] != KEYED_SLOT_NONE) {
                keyed_state_remove(l->space.entries, l->probe.slots[i]);
            }
        }
    }
    return 0;
}

/* ---- walking ----------------------------------------------------------------------------------- */

int list_state_begin(struct list_state *l, struct error *err)
{
    uint32_t slot;
    TRY(slot_cache_find(&l->heads, &slot, err));
    l->walk = (struct list_walk){.changes = l->changes};
    if (slot != KEYED_SLOT_NONE) {
        l->walk.next = head_at(l, slot)->first;
        l->walk.end = head_at(l, slot)->next;
        if (l->ttl.on_read) {
            entry_space_touch_head(&l->space, slot);
            struct list_head *h = head_at(l, slot);
            h->stamp_ms = MAX(h->stamp_ms, l->heads.cursor->now_ms);
        }
    }
    return 0;
}

/* Slots of the `n` elements from number `from` on. */
static int find_block(struct list_state *l, uint64_t from, uint32_t n, struct error *err)
{
    struct list_walk *w = &l->walk;
    for (uint32_t i = 0; i < n; i++) {
        entry_probe_number(&l->probe, i, (int64_t)from + i);
    }
    TRY(entry_probe_find(&l->probe, n, err));
    memcpy(w->slots, l->probe.slots, n * sizeof(uint32_t));
    w->at = 0;
    w->n = n;
    w->next = from + n;
    w->numbering = keyed_state_numbering(l->space.entries);
    return 0;
}

/* The next block of elements, or what is left of that at hand when it has moved; false at the end. */
static int next_block(struct list_state *l, bool *ret_more, struct error *err)
{
    struct list_walk *w = &l->walk;
    uint64_t from = w->next - (w->n - w->at), left = w->end - from;
    uint32_t n = (uint32_t)MIN(left, (uint64_t)PROBE_ROWS);
    *ret_more = n > 0;
    return n > 0 ? find_block(l, from, n, err) : 0;
}

/* An element that has a time to live is not shown when it is over, or is made young again, as the state
 * wants it. */
static bool is_shown(struct list_state *l, uint32_t slot)
{
    int64_t now_ms = l->heads.cursor->now_ms, stamp;
    char *stamp_at = (char *)keyed_state_value(l->space.entries, slot) + l->space.timestamp_offset;
    memcpy(&stamp, stamp_at, sizeof(stamp));
    l->sweep.accesses++;
    if (ttl_is_over(&l->ttl, stamp, now_ms)) {
        return l->ttl.returns_expired;
    }
    if (l->ttl.on_read && stamp != now_ms) {
        keyed_state_touch(l->space.entries, slot);
        stamp_at = (char *)keyed_state_value(l->space.entries, slot) + l->space.timestamp_offset;
        memcpy(stamp_at, &now_ms, sizeof(now_ms));
    }
    return true;
}

int list_state_next(struct list_state *l, const char **ret_element, struct error *err)
{
    struct list_walk *w = &l->walk;
    if (w->changes != l->changes) {
        return error_set(err, ERR_STATE,
                         "list state '%s' was changed while its elements were walked over",
                         l->space.entries->name);
    }
    for (;;) {
        bool more = true;
        if (w->at == w->n || w->numbering != keyed_state_numbering(l->space.entries)) {
            TRY(next_block(l, &more, err));
        }
        if (!more) {
            *ret_element = NULL;
            return 0;
        }
        uint32_t slot = w->slots[w->at++];
        if (slot != KEYED_SLOT_NONE && (l->ttl.ms == 0 || is_shown(l, slot))) {
            *ret_element = keyed_state_value(l->space.entries, slot);
            return 0;
        }
    }
}

/* ---- what outlived its time -------------------------------------------------------------------- */

static int remove_slots(struct list_state *l, const uint32_t *slots, uint32_t n, struct error *err)
{
    struct entry_space *e = &l->space;
    struct batch *b = NULL;
    TRY(entry_space_find_owners(e, slots, n, &b, err));
    for (uint32_t i = 0; i < n; i++) {
        uint64_t number = (uint64_t)entry_numbers(e, b, 0)[i];
        keyed_state_remove(e->entries, slots[i]);
        if (!entry_space_has_head(e, i)) {
            continue;
        }
        struct list_head *h = head_at(l, e->head_slots[i]);
        if (number < h->first || number >= h->next) {
            continue; /* of a list that was before this one */
        }
        entry_space_touch_head(e, e->head_slots[i]);
        h->first += h->first == number;
        if (--h->n == 0) {
            keyed_state_remove(e->heads, e->head_slots[i]);
        }
    }
    batch_unref(b);
    return 0;
}

int list_state_sweep(struct list_state *l, struct error *err)
{
    uint32_t slots[TTL_SWEEP_ROWS];
    bool more = l->ttl.ms > 0 && l->sweep.accesses > 0;
    while (more) {
        uint32_t n = ttl_sweep_next(&l->sweep, &l->ttl, l->space.entries, l->space.timestamp_offset,
                                    l->heads.cursor->now_ms, slots, &more);
        if (n > 0) {
            TRY(remove_slots(l, slots, n, err));
            slot_cache_forget(&l->heads);
            l->changes++;
        }
    }
    return 0;
}
