/* Snapshots of a keyed backend, inside the room: what the backend, the writing of snapshots, the chain of
 * confirmed checkpoints and restoring know of each other.
 *
 *   keyed_snapshot.c  freezing, writing in slices
 *   keyed_chain.c     which segments later increments build on
 *   keyed_restore.c, keyed_loader.c   states out of segments
 * Thread: one owner (the task). */
#ifndef FLINC_ENGINE_STATE_KEYED_SNAPSHOT_H
#define FLINC_ENGINE_STATE_KEYED_SNAPSHOT_H

#include "engine/state/keyed_rows.h"
#include "engine/state/state.h"

enum {
    KEYED_HANDLE_VERSION = 1,
    CHAIN_SEGMENTS_MAX = 100, /* of one handle; then a new base */
    CHAIN_PENDING_MAX = 16,   /* checkpoints that are neither confirmed nor overtaken */
    DROPPED_MAX = 1 << 20,    /* dropped namespaces of a state that are to be told */
};
#define KEYED_BACKEND_HASHMAP "hashmap"
#define KEYED_BACKEND_CANONICAL "canonical"
#define KEYED_BACKEND_ROCKSDB "rocksdb"

/* The table is a cache of what lies on disk: it makes room as it needs it, and what it has is in no segment. */
static inline bool keyed_table_is_cache(const struct keyed_state *s, const struct keyed_table *t)
{
    (void)t;
    return s->paged != NULL;
}

static inline bool keyed_state_is_in_segments(const struct keyed_state *s)
{
    return s->rows != NULL && !s->is_derived;
}

/* A namespace that was dropped after a freeze had it. */
struct keyed_dropped {
    int64_t name_space;
    uint32_t version; /* when */
};

/* A checkpoint of the chain that was written and not confirmed yet. */
struct keyed_pending {
    uint64_t checkpoint_id;
    uint32_t frozen_at;
    struct vec segments; /* Flinc__KeyedSegment *, Owns */
};

void keyed_chain_init(struct keyed_chain *c);
void keyed_chain_fini(struct keyed_chain *c);
/* The next checkpoint of the chain has to be a base: there is none, or a new one is cheaper than the
 * increments that would be read with it. */
bool keyed_chain_is_due(const struct keyed_chain *c);
/* What is garbage in a file with one of its segments is more than the whole chain: a new base costs less than it
 * frees. */
bool keyed_chain_is_waste(const struct keyed_chain *c, const struct snapshot_target *target);
/* A checkpoint of the chain was written: `take_segment` (NULL: nothing changed) over the chain, or as a
 * base in its place.  Its segments go into the handle as well. */
void keyed_chain_add(struct keyed_chain *c, uint64_t checkpoint_id, uint32_t frozen_at,
                     Flinc__KeyedSegment *take_segment, Flinc__KeyedHandle *handle);
/* True: the checkpoint is one of the chain's; *ret_frozen_at is its version. */
bool keyed_chain_confirm(struct keyed_chain *c, uint64_t checkpoint_id, uint32_t *ret_frozen_at);
/* Nothing may be built on what is there. */
void keyed_chain_forget(struct keyed_chain *c);
/* The chain of a restored handle. */
void keyed_chain_restore(struct keyed_chain *c, const Flinc__KeyedHandle *handle);
void keyed_handle_add(Flinc__KeyedHandle *h, Flinc__KeyedSegment *take_segment);

/* A namespace is dropped: true when the snapshot at hand takes its table, which it still has to
 * write. */
bool keyed_snapshot_take_table(struct keyed_state *s, int64_t name_space,
                               struct keyed_table *table);
/* Told before the state is gone or replaced. */
void keyed_state_note_drop(struct keyed_state *s, int64_t name_space,
                           const struct keyed_table *table);

/* What was restored and is not opened yet.  Makes a state that nobody opened out of it, when a base has to
 * have everything. */
int keyed_restored_open_rest(struct keyed_backend *b, struct error *err) MUST_CHECK;
/* Fills a state that is being opened. */
int keyed_restored_load(struct keyed_state *s, struct error *err) MUST_CHECK;
/* A state that was carried along is opened after all. */
int keyed_carried_convert(const struct keyed_state *from, struct keyed_state *to,
                          struct error *err) MUST_CHECK;
/* Opens a state as a segment has it, for carrying along. */
int keyed_backend_carry(struct keyed_backend *b, const struct segment_state *as,
                        struct error *err) MUST_CHECK;
struct keyed_restored *keyed_restored_free(struct keyed_restored *r); /* returns NULL */

#endif
