/* What changed since when: the tracking of keyed tables, for snapshots.
 *
 * Beside the tags of a group of eight slots lie four bits per slot, so that marking a slot touches no
 * other cache line and finding the changed ones reads no entries:
 *   dirty        changed since the last freeze of the chain
 *   frozen       still to be written by the snapshot at hand, as it is
 *   unconfirmed  changed before that freeze and after the last confirmed one
 *   known        was there at a freeze of the chain: its removal must be told
 * Freezing and confirming only count up a version, which all tables of a backend share; a group whose
 * version is older catches up when it is touched.  Before a frozen entry changes, moves out or goes, a copy of
 * it is kept for the snapshot; when there is no memory for that, the snapshot fails and the state goes on.
 *
 * The chain: the checkpoints that increments build upon.  Savepoints and FULL checkpoints are not of it.
 * Thread: one owner (the task).  Flink: the state map version of CopyOnWriteStateMap. */
#ifndef FLINC_ENGINE_STATE_KEYED_TRACK_H
#define FLINC_ENGINE_STATE_KEYED_TRACK_H

#include "common/base/vec.h"
#include "engine/state/state_heap.h"

struct keyed_table;
struct record_layout;

enum { KEYED_GROUP_SLOTS = 8 };

/* A group of slots: half of a cache line's quarter. */
struct keyed_group {
    uint64_t tags; /* a byte per slot */
    uint8_t dirty, frozen, unconfirmed, known;
    uint32_t version; /* of the track, up to which the bits are right */
};
_Static_assert(sizeof(struct keyed_group) == 16, "four groups per cache line");

enum keyed_frozen_what {
    KEYED_FROZEN_NOTHING, /* no snapshot is being written */
    KEYED_FROZEN_ALL,
    KEYED_FROZEN_CHANGES, /* since the last confirmed freeze */
};

/* Shared by the tables of a backend. */
struct keyed_track {
    uint32_t version;          /* counts freezes, their ends and confirmations */
    uint32_t frozen_at;        /* version of the last freeze */
    uint32_t chain_frozen_at;  /* of the last one of the chain */
    uint32_t confirmed_freeze; /* of the last confirmed one of the chain */
    uint32_t confirmed_at;     /* when that was confirmed */
    enum keyed_frozen_what what;
    bool never_forgets;       /* removals are kept however many they are */
    bool snapshot_lost;       /* no memory for what the snapshot at hand needs */
    bool forgot;              /* removals were forgotten, there were too many: */
    uint32_t forgot_at;       /* when */
    struct state_heap copies; /* of entries of the snapshot at hand, with their strings */
};

/* A key that was removed after a freeze had it. */
struct keyed_removed {
    uint64_t hash;
    uint32_t version; /* when */
    bool is_null;
    _Alignas(8) char key[]; /* as in its entry; long bytes in the table's heap */
};

/* Entries of a table as they were frozen. */
struct keyed_copies {
    struct keyed_copies *next;
    uint32_t n, cap;
    uint32_t null_at; /* the entry of the NULL key; UINT32_MAX: not among them */
    size_t bytes;
    _Alignas(8) char entries[];
};

void keyed_track_init(struct keyed_track *k, struct mem_budget *budget);
void keyed_track_fini(struct keyed_track *k);
/* From now on groups that catch up know of a freeze. */
void keyed_track_freeze(struct keyed_track *k, enum keyed_frozen_what what, bool in_chain);
/* The snapshot has ended; copies are given back. */
void keyed_track_thaw(struct keyed_track *k);
/* What was frozen at version `chain_frozen_at` is confirmed. */
void keyed_track_confirm(struct keyed_track *k);
/* An increment would lack removals: a base is due. */
bool keyed_track_needs_base(const struct keyed_track *k);
/* Removals need not be told: a base is due that is not frozen yet.  Those behind its freeze must be, for the
 * increments over it, whether it is confirmed or not. */
static inline bool keyed_track_ignores_removals(const struct keyed_track *k)
{
    return k->forgot && k->forgot_at >= k->chain_frozen_at;
}
/* Some removals cannot be told. */
void keyed_track_forget(struct keyed_track *k);
/* The snapshot at hand, if there is one, cannot be right any more. */
void keyed_track_lose(struct keyed_track *k);

static inline uint8_t keyed_group_live(const struct keyed_group *g)
{
    /* The high bits of the bytes, gathered. */
    return (uint8_t)(((g->tags & UINT64_C(0x8080808080808080)) * UINT64_C(0x02040810204081)) >> 56);
}
void keyed_group_catch_up_slow(const struct keyed_track *k, struct keyed_group *g);
static inline void keyed_group_catch_up(const struct keyed_track *k, struct keyed_group *g)
{
    if (__builtin_expect(g->version != k->version, 0)) {
        keyed_group_catch_up_slow(k, g);
    }
}
/* True when a slot needs no marking: it is dirty, not frozen, and its group up to date. */
static inline bool keyed_group_is_marked(const struct keyed_group *g, uint32_t version, uint32_t at)
{
    uint64_t word;
    memcpy(&word, &g->dirty, sizeof(word));
    word ^= (uint64_t)version << 32 | UINT64_C(1) << at;
    return (word & (UINT64_C(0xffffffff00000000) | UINT64_C(0x101) << at)) == 0;
}

/* Marks a slot whose value is about to change. */
void keyed_table_mark(struct keyed_table *t, uint32_t slot) COLD;
/* Before a slot is emptied: what a snapshot needs of it is kept.  True: the bytes of its key now belong
 * to the list of removed keys. */
bool keyed_table_forget(struct keyed_table *t, uint32_t slot);
/* Forgets removed keys that the confirmed checkpoint knows of. */
void keyed_table_trim_removed(struct keyed_table *t);
/* Forgets the oldest `n` removed keys. */
void keyed_table_drop_removed(struct keyed_table *t, size_t n);
/* All removed keys and copies. */
void keyed_table_clear_tracked(struct keyed_table *t);
/* As if all entries had just been confirmed. */
void keyed_table_set_clean(struct keyed_table *t);
/* True when no entry changed since the last confirmed freeze. */
bool keyed_table_is_clean(const struct keyed_table *t);
/* The newest block of copies for the snapshot at hand; NULL: none. */
struct keyed_copies *keyed_table_copies(const struct keyed_table *t);
/* True when the snapshot at hand has all of the table. */
bool keyed_table_is_written(const struct keyed_table *t);
/* Frees that block of copies. */
void keyed_table_pop_copies(struct keyed_table *t);

#endif
