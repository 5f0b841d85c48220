/* Tracking of changes: marking, copies on write, removed keys.  The groups' bits: keyed_track.h.
 * Thread: one owner. */
#include "common/base/failpoint.h"
#include "engine/state/keyed_table_probe.h"

enum {
    COPIES_FIRST = 8,         /* entries of a table's first block of copies */
    REMOVED_FIRST = 64,       /* room of a list of removed keys when it begins */
    REMOVED_LIMIT = 64 * 1024 /* of keys; of larger tables as many as they have slots */
};

void keyed_track_init(struct keyed_track *k, struct mem_budget *budget)
{
    *k = (struct keyed_track){0};
    state_heap_init(&k->copies, budget);
}

void keyed_track_fini(struct keyed_track *k)
{
    state_heap_fini(&k->copies);
}

void keyed_track_freeze(struct keyed_track *k, enum keyed_frozen_what what, bool in_chain)
{
    k->frozen_at = ++k->version;
    k->what = what;
    k->snapshot_lost = false;
    if (in_chain) {
        k->chain_frozen_at = k->version;
    }
}

void keyed_track_thaw(struct keyed_track *k)
{
    k->what = KEYED_FROZEN_NOTHING;
    state_heap_clear(&k->copies);
}

void keyed_track_confirm(struct keyed_track *k)
{
    k->confirmed_freeze = k->chain_frozen_at;
    k->confirmed_at = ++k->version;
}

bool keyed_track_needs_base(const struct keyed_track *k)
{
    return k->forgot && k->forgot_at >= k->confirmed_freeze;
}

void keyed_track_forget(struct keyed_track *k)
{
    k->forgot = true;
    k->forgot_at = k->version;
    if (k->what == KEYED_FROZEN_CHANGES) {
        keyed_track_lose(k); /* an increment that lacks some is none */
    }
}

void keyed_track_lose(struct keyed_track *k)
{
    k->snapshot_lost = k->snapshot_lost || k->what != KEYED_FROZEN_NOTHING;
    k->what = KEYED_FROZEN_NOTHING;
}

/* ---- bits -------------------------------------------------------------------------------------- */

/* What the bits would be had the group been there at every freeze and confirmation since. */
void keyed_group_catch_up_slow(const struct keyed_track *k, struct keyed_group *g)
{
    const uint32_t seen = g->version;
    if (seen < k->confirmed_freeze) {
        g->dirty = 0;
        g->unconfirmed = 0;
    } else if (seen < k->confirmed_at) {
        g->unconfirmed = 0;
    }
    if (seen < k->chain_frozen_at) {
        g->unconfirmed |= PLANTED("state.increment_forgets") ? g->dirty & 0x77 : g->dirty;
        g->dirty = 0;
        g->known |= keyed_group_live(g);
    }
    if (seen < k->frozen_at) {
        g->frozen = k->what == KEYED_FROZEN_ALL       ? keyed_group_live(g)
                    : k->what == KEYED_FROZEN_CHANGES ? g->unconfirmed
                                                      : 0;
    }
    g->version = k->version;
}

void keyed_table_set_clean(struct keyed_table *t)
{
    uint32_t n = keyed_table_n_groups(t);
    for (uint32_t i = 0; i < n; i++) {
        struct keyed_group *g = &t->groups[i];
        g->dirty = g->frozen = g->unconfirmed = 0;
        g->known = keyed_group_live(g);
        g->version = t->track->version;
    }
    keyed_table_clear_tracked(t);
    t->is_changed = false;
}

bool keyed_table_is_clean(const struct keyed_table *t)
{
    return !t->is_changed || t->touched < t->track->confirmed_freeze;
}

static void touch(struct keyed_table *t)
{
    t->touched = t->track->version;
    t->is_changed = true;
}

/* ---- copies ------------------------------------------------------------------------------------ */

static struct keyed_copies *copies_with_room(struct keyed_table *t)
{
    struct keyed_track *k = t->track;
    struct keyed_copies *c = keyed_table_copies(t);
    if (c != NULL && c->n < c->cap) {
        return c;
    }
    size_t fit = (STATE_HEAP_PIECE_MAX - sizeof(*c)) / t->stride;
    size_t wanted = c != NULL ? (size_t)c->cap * 2 : (size_t)COPIES_FIRST;
    size_t cap = fit > 0 ? MIN(fit, wanted) : 1;
    size_t bytes = sizeof(*c) + cap * t->stride;
    struct keyed_copies *more = (struct keyed_copies *)(void *)state_heap_alloc(&k->copies, bytes);
    if (more != NULL) {
        *more = (struct keyed_copies){
            .next = c, .cap = (uint32_t)cap, .null_at = UINT32_MAX, .bytes = bytes};
        t->copies = more;
        t->copies_at = k->frozen_at;
    }
    return more;
}

/* Gives the copy bytes of its own. */
static bool copy_owned(struct keyed_table *t, char *copy, const char *entry)
{
    struct state_heap *heap = &t->track->copies;
    if (!keyed_key_own(t, heap, copy)) {
        return false;
    }
    char *value = copy + t->value_offset;
    if (t->record != NULL || t->ops != NULL) {
        memset(value, 0, t->value_bytes);
    }
    if (t->ops != NULL) {
        STR_AUTO bytes = STR_INIT;
        return t->ops->encode(t->ops->arg, entry + t->value_offset, &bytes, NULL) == 0 &&
               t->ops->decode(t->ops->arg, heap, str_slice(&bytes), value, NULL) == 0;
    }
    return t->record == NULL ||
           record_keep(t->record, heap, value, entry + t->value_offset, NULL) == 0;
}

static void copy_entry(struct keyed_table *t, uint32_t slot)
{
    struct keyed_track *k = t->track;
    struct keyed_copies *c = copies_with_room(t);
    if (c != NULL) {
        const char *entry = t->entries + (size_t)slot * t->stride;
        char *copy = c->entries + (size_t)c->n * t->stride;
        memcpy(copy, entry, t->stride);
        if (copy_owned(t, copy, entry)) {
            c->null_at = slot == t->null_slot ? c->n : c->null_at;
            c->n++;
            return;
        }
    }
    /* Without the old content this snapshot cannot be right; nobody needs to wait for it. */
    keyed_track_lose(k);
}

struct keyed_copies *keyed_table_copies(const struct keyed_table *t)
{
    return t->copies_at == t->track->frozen_at && t->track->what != KEYED_FROZEN_NOTHING ? t->copies
                                                                                         : NULL;
}

bool keyed_table_is_written(const struct keyed_table *t)
{
    return t->scan_at == t->track->frozen_at && t->scan_group == keyed_table_n_groups(t) &&
           keyed_table_copies(t) == NULL;
}

void keyed_table_pop_copies(struct keyed_table *t)
{
    struct state_heap *heap = &t->track->copies;
    struct keyed_copies *c = t->copies;
    for (uint32_t i = 0; i < c->n; i++) {
        char *entry = c->entries + (size_t)i * t->stride;
        keyed_key_free(t, heap, entry);
        keyed_value_drop(t, heap, entry + t->value_offset);
    }
    t->copies = c->next;
    state_heap_free(heap, (char *)c, c->bytes);
}

void keyed_table_mark(struct keyed_table *t, uint32_t slot)
{
    struct keyed_group *g = &t->groups[slot / KEYED_GROUP_SLOTS];
    uint8_t bit = (uint8_t)(1u << slot % KEYED_GROUP_SLOTS);
    keyed_group_catch_up(t->track, g);
    if ((g->frozen & bit) != 0) {
        if (t->track->what != KEYED_FROZEN_NOTHING) {
            copy_entry(t, slot);
        }
        g->frozen &= (uint8_t)~bit;
    }
    t->n_dirty += (g->dirty & bit) == 0;
    g->dirty |= bit;
    touch(t);
}

/* ---- removed keys ------------------------------------------------------------------------------ */

static void free_removed(struct keyed_table *t, const struct keyed_removed *r)
{
    if (!r->is_null) {
        keyed_key_free(t, &t->heap, r->key);
    }
}

static void clear_removed(struct keyed_table *t)
{
    for (size_t i = t->removed_start; i < t->removed.len; i++) {
        free_removed(t, VEC_AT(&t->removed, struct keyed_removed, i));
    }
    if (t->budget != NULL) {
        mem_budget_give(t->budget, t->removed_bytes);
    }
    vec_fini(&t->removed);
    vec_init(&t->removed, keyed_removed_bytes(t));
    t->removed_start = 0;
    t->removed_bytes = 0;
}

void keyed_table_trim_removed(struct keyed_table *t)
{
    while (t->removed_start < t->removed.len) {
        const struct keyed_removed *r = VEC_AT(&t->removed, struct keyed_removed, t->removed_start);
        if (r->version >= t->track->confirmed_freeze) {
            return;
        }
        free_removed(t, r);
        t->removed_start++;
    }
    clear_removed(t);
}

void keyed_table_drop_removed(struct keyed_table *t, size_t n)
{
    ASSERT(t->removed_start + n <= t->removed.len);
    for (size_t i = 0; i < n; i++) {
        free_removed(t, VEC_AT(&t->removed, struct keyed_removed, t->removed_start + i));
    }
    t->removed_start += n;
    if (t->removed_start == t->removed.len) {
        clear_removed(t);
    }
}

/* Room for one more; false: there is none, or the list is longer than a new base would cost. */
static bool removed_room(struct keyed_table *t)
{
    if (t->removed.len < t->removed.cap) {
        return true;
    }
    if (t->removed.len > 0 && !t->track->never_forgets) {
        keyed_table_trim_removed(t);
    }
    if (t->removed_start * 2 > t->removed.len) {
        size_t left = t->removed.len - t->removed_start;
        memmove(t->removed.data, VEC_AT(&t->removed, struct keyed_removed, t->removed_start),
                left * t->removed.item_size);
        t->removed.len = left;
        t->removed_start = 0;
        return true;
    }
    size_t cap = MAX(t->removed.cap * 2, (size_t)REMOVED_FIRST);
    uint64_t bytes = (cap - t->removed.cap) * t->removed.item_size;
    if (t->track->never_forgets) {
        if (t->budget != NULL) {
            mem_budget_force(t->budget, bytes);
        }
    } else if (t->removed.len >= MAX((size_t)REMOVED_LIMIT, (size_t)t->n_slots) ||
               (t->budget != NULL && mem_budget_take(t->budget, bytes) < 0)) {
        return false;
    }
    t->removed_bytes += bytes;
    vec_reserve(&t->removed, cap);
    return true;
}

/* True: the key's bytes are the list's now. */
static bool note_removed(struct keyed_table *t, uint32_t slot)
{
    struct keyed_track *k = t->track;
    touch(t);
    if (keyed_track_ignores_removals(k)) {
        return false;
    }
    if (!removed_room(t)) {
        keyed_track_forget(k);
        clear_removed(t);
        return false;
    }
    const char *entry = t->entries + (size_t)slot * t->stride;
    struct keyed_removed *r = VEC_PUSH(&t->removed, struct keyed_removed);
    memcpy(r->key, entry, t->hash_offset);
    r->hash = keyed_table_hash(t, slot);
    r->version = k->version;
    r->is_null = slot == t->null_slot;
    return true;
}

bool keyed_table_forget(struct keyed_table *t, uint32_t slot)
{
    struct keyed_group *g = &t->groups[slot / KEYED_GROUP_SLOTS];
    uint8_t bit = (uint8_t)(1u << slot % KEYED_GROUP_SLOTS);
    bool key_is_kept = false;
    keyed_group_catch_up(t->track, g);
    if ((g->frozen & bit) != 0 && t->track->what != KEYED_FROZEN_NOTHING) {
        copy_entry(t, slot);
    }
    if ((g->known & bit) != 0) {
        key_is_kept = note_removed(t, slot);
    }
    g->dirty &= (uint8_t)~bit;
    g->frozen &= (uint8_t)~bit;
    g->unconfirmed &= (uint8_t)~bit;
    g->known &= (uint8_t)~bit;
    return key_is_kept;
}

void keyed_table_clear_tracked(struct keyed_table *t)
{
    clear_removed(t);
    t->copies = NULL; /* in the track's heap, which goes with the snapshot */
}
