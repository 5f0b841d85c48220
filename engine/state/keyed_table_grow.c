/* Growth of large tables, a piece per batch.
 *
 * The new slots come in front, and the old ones are put behind them as they are, by mapping their pages there:
 * there is one array of entries all the time, and a slot is a number in it.  Keys whose home among the old
 * groups has moved are found and added among the new ones, all others among the old ones: a probe looks at
 * one of the two.  Groups move in the order of their numbers, which is that of the hashes, from an end of
 * chains on, and each piece stops at such an end, so that no chain goes from groups that have moved to
 * groups that have not; those that run over the last group go on in groups that are empty by then, and are
 * moved at last.  Pages whose entries have moved are given back.
 *
 * The snapshot at hand looks at the old groups before the new ones: entries move from where it has not been to
 * where it has not been.
 *
 * A piece moves eight times as many slots as keys were added since the last one, so that of the old
 * slots, three quarters full at first, no more than seven eighths are ever used.
 *
 * Thread: one owner. */
#include "engine/state/keyed_table_probe.h"
#include "engine/state/slot_pages.h"

enum {
    PIECE_ROWS = 1024,       /* of upserts between two pieces, when those are small */
    PIECE_SLOTS_PER_KEY = 8, /* old slots that move per key added */
    PIECE_BYTES = 32 * 1024, /* of entries that move at least */
    OVERRUN_GROUPS =
        4096,        /* chains that run over the last group end before this one: no key went */
    WALK_MAX = 2048, /* past more groups, and a batch adds BATCH_ROWS_MAX keys, of 512 groups */
};

/* The bits of a slot that come along when it moves: one of each of the four bytes. */
static inline uint32_t slot_bits(const struct keyed_group *g, uint32_t at)
{
    uint32_t bits;
    memcpy(&bits, &g->dirty, sizeof(bits));
    return bits >> at & 0x01010101u;
}

static inline void set_slot_bits(struct keyed_group *g, uint32_t at, uint32_t slot_bits)
{
    uint32_t bits;
    memcpy(&bits, &g->dirty, sizeof(bits));
    bits |= slot_bits << at;
    memcpy(&g->dirty, &bits, sizeof(bits));
}

void keyed_table_move_group(struct keyed_table *t, struct keyed_group *from, uint16_t heat,
                            const char *entries, uint32_t *ret_slots)
{
    keyed_group_catch_up(t->track, from);
    for (uint64_t m = from->tags & KEYED_MSBS; m != 0; m &= m - 1) {
        uint32_t at = (uint32_t)__builtin_ctzll(m) / 8;
        const char *entry = entries + (size_t)at * t->stride;
        uint32_t to = keyed_claim_slot(t, keyed_mix(t, keyed_entry_hash(t, entry, false)));
        memcpy(t->entries + (size_t)to * t->stride, entry, t->stride);
        set_slot_bits(&t->groups[to / KEYED_GROUP_SLOTS], to % KEYED_GROUP_SLOTS,
                      slot_bits(from, at));
        if (t->heat != NULL) {
            t->heat[to / KEYED_GROUP_SLOTS] |=
                (uint16_t)((heat >> at * 2 & KEYED_HEAT_MAX) << to % KEYED_GROUP_SLOTS * 2);
        }
        if (ret_slots != NULL) {
            ret_slots[at] = to;
        }
    }
}

/* That of the old groups lies behind the others, as they do. */
static void put_heat_behind(struct keyed_table *t, uint32_t old, uint32_t n_slots)
{
    if (t->heat != NULL) {
        uint16_t *heat = MEM_NEW_ARRAY(uint16_t, keyed_heat_bytes(old + n_slots) / 2);
        memcpy(heat + n_slots / KEYED_GROUP_SLOTS, t->heat, keyed_heat_bytes(old));
        mem_free(t->heat);
        t->heat = heat;
    }
}

/* ---- begin and end ----------------------------------------------------------------------------- */

/* A table that cannot have the memory, or whose keys collide as if they were chosen, is filled on until a key
 * finds no room, and grows at once. */
static void begin(struct keyed_table *t)
{
    const uint32_t old = t->n_slots, n_slots = keyed_table_next_size(t);
    const uint64_t more = n_slots > old ? keyed_table_slots_bytes(t, n_slots) - t->held_bytes : 0;
    if (n_slots > KEYED_SLOTS_MAX || t->longest_walk > WALK_MAX ||
        (t->budget != NULL && mem_budget_take(t->budget, more) < 0)) {
        return;
    }
    uint32_t group = 0;
    while (keyed_match_empty(t->groups[group].tags) == 0) {
        group++;
    }
    t->moving = (struct keyed_moving){
        .n_slots = old,
        .n_used = t->n_used,
        .group_shift = t->group_shift,
        .first_group = (group + 1) & (old / KEYED_GROUP_SLOTS - 1),
        .n_keys = t->n_keys,
        .n_rows = PIECE_ROWS, /* the first piece at once */
    };
    t->groups = slot_pages_put_behind(t->groups, keyed_groups_bytes(old),
                                      n_slots / KEYED_GROUP_SLOTS * sizeof(struct keyed_group));
    t->entries = slot_pages_put_behind(t->entries, ((size_t)old + 1) * t->stride,
                                       (size_t)n_slots * t->stride);
    put_heat_behind(t, old, n_slots);
    t->n_slots = n_slots;
    t->null_slot = n_slots + old;
    t->n_used = 0;
    t->group_shift = 64 - (uint32_t)__builtin_ctz(n_slots / KEYED_GROUP_SLOTS);
    t->held_bytes += more;
    t->numbering++;
}

static void end(struct keyed_table *t)
{
    const uint32_t old_groups = t->moving.n_slots / KEYED_GROUP_SLOTS + 1;
    memcpy(t->entries + (size_t)t->n_slots * t->stride,
           t->entries + (size_t)t->null_slot * t->stride, t->stride);
    t->groups[t->n_slots / KEYED_GROUP_SLOTS] = t->groups[t->null_slot / KEYED_GROUP_SLOTS];
    if (t->heat != NULL) {
        t->heat[t->n_slots / KEYED_GROUP_SLOTS] = 0;
        t->heat = mem_realloc(t->heat, keyed_heat_bytes(t->n_slots));
    }
    slot_pages_cut(t->groups, keyed_groups_bytes(t->null_slot), keyed_groups_bytes(t->n_slots));
    slot_pages_cut(t->entries, ((size_t)t->null_slot + 1) * t->stride,
                   ((size_t)t->n_slots + 1) * t->stride);
    t->null_slot = t->n_slots;
    t->moving = (struct keyed_moving){0};
    /* It looked at the old groups first. */
    t->scan_group = t->scan_group > old_groups ? t->scan_group - old_groups : 0;
    uint64_t bytes = keyed_table_slots_bytes(t, t->n_slots);
    ASSERT(t->held_bytes == bytes);
}

/* ---- pieces ------------------------------------------------------------------------------------ */

/* Gives the pages of old groups [from, to) back, and what of theirs an earlier piece had to leave.  Not of those
 * where chains may go on that run over the last group. */
static void drop_pages(struct keyed_table *t, uint32_t from, uint32_t to)
{
    const struct keyed_moving *m = &t->moving;
    const uint32_t all = m->n_slots / KEYED_GROUP_SLOTS, zone = m->first_group + OVERRUN_GROUPS;
    const uint32_t least = from >= m->first_group ? zone : zone > all ? zone - all : 0;
    const size_t bytes = (size_t)KEYED_GROUP_SLOTS * t->stride;
    const size_t base = (size_t)t->n_slots * t->stride;
    if (to > least) {
        size_t begin = MAX(from, least) * bytes, room = begin - least * bytes;
        slot_pages_drop(t->entries, base + begin - MIN(room, SLOT_PAGES_DROPPED),
                        base + to * bytes);
    }
}

static void move(struct keyed_table *t, uint64_t n_groups)
{
    struct keyed_moving *m = &t->moving;
    const uint32_t all = m->n_slots / KEYED_GROUP_SLOTS, base = t->n_slots / KEYED_GROUP_SLOTS;
    uint32_t dropped = (m->first_group + m->n_moved) & (all - 1), group;
    bool ends;
    t->numbering++;
    do {
        group = (m->first_group + m->n_moved) & (all - 1);
        struct keyed_group *from = &t->groups[base + group];
        ends = keyed_match_empty(from->tags) != 0;
        m->n_used -=
            KEYED_GROUP_SLOTS - (uint32_t)__builtin_popcountll(keyed_match_empty(from->tags));
        keyed_table_move_group(t, from, keyed_heat_of(t, base + group),
                               t->entries + (size_t)(base + group) * KEYED_GROUP_SLOTS * t->stride,
                               NULL);
        *from = (struct keyed_group){.version = t->track->version};
        if (t->heat != NULL) {
            t->heat[base + group] = 0;
        }
        m->n_moved++;
        n_groups -= n_groups > 0;
        if (group + 1 == all) {
            drop_pages(t, dropped, all);
            dropped = 0;
        }
    } while (!ends || (n_groups > 0 && m->n_moved < all));
    if (m->n_moved >= all) {
        ASSERT(m->n_used == 0);
        end(t);
    } else if (group + 1 < all) { /* the last one's pages are given back */
        drop_pages(t, dropped, group + 1);
    }
}

void keyed_table_finish_growth(struct keyed_table *t)
{
    while (t->moving.n_slots > 0) {
        move(t, UINT64_MAX);
    }
}

void keyed_table_make_room(struct keyed_table *t, uint32_t n_rows)
{
    struct keyed_moving *m = &t->moving;
    if (m->n_slots == 0 && keyed_table_grows_gradually(t)) {
        begin(t);
    }
    if (m->n_slots == 0) {
        return;
    }
    uint64_t left = m->n_slots - MIN(m->n_slots, m->n_moved * KEYED_GROUP_SLOTS);
    if (t->longest_walk > WALK_MAX || (uint64_t)m->n_used + n_rows > left / 16 * 15 ||
        (uint64_t)t->n_used + m->n_used + n_rows > keyed_full(t)) {
        keyed_table_finish_growth(t);
        return;
    }
    m->n_rows += n_rows;
    if (m->n_rows < PIECE_ROWS) {
        return;
    }
    uint64_t added = t->n_keys > m->n_keys ? t->n_keys - m->n_keys : 0;
    uint64_t slots = MAX(added * PIECE_SLOTS_PER_KEY, (uint64_t)PIECE_BYTES / t->stride);
    m->n_rows = 0;
    m->n_keys = t->n_keys;
    move(t, slots / KEYED_GROUP_SLOTS + 1);
}
