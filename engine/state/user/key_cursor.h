/* The key at hand: row by row access to keyed state on top of the batched one.
 *
 * An operator that calls user functions says which batch it works on and which of its rows is at hand; the
 * states of the functions look their key up here.  A state probes all keys of a batch together, at its first
 * access, and keeps the slots (struct slot_cache); only keys that were added or removed since are probed
 * again, alone.
 *
 * Thread: one owner (the task).  Flink: KeyContext, AbstractKeyedStateBackend.setCurrentKey. */
#ifndef FLINC_ENGINE_STATE_USER_KEY_CURSOR_H
#define FLINC_ENGINE_STATE_USER_KEY_CURSOR_H

#include "common/base/clock.h"
#include "engine/state/state.h"

enum { KEY_COLUMNS_MAX = 32 };

struct key_cursor {
    struct keyed_backend *backend;     /* Borrows */
    const struct clock *clock;         /* Borrows: of times to live */
    struct schema *key_schema;         /* Owns a ref */
    struct batch *batch;               /* Owns a ref, with hashes; NULL: no key is at hand */
    struct batch *one;                 /* Owns: the key columns of `batch`, one row selected */
    uint32_t columns[KEY_COLUMNS_MAX]; /* key columns of `batch` */
    uint32_t row;                      /* number of a selected row */
    uint64_t batch_number;             /* of `batch`; counts from 1 */
    int64_t now_ms; /* of the batch: one look at the clock is enough for its rows */
};

void key_cursor_init(struct key_cursor *c, struct keyed_backend *backend,
                     const struct schema *key_schema, const struct clock *clock);
void key_cursor_fini(struct key_cursor *c); /* safe on a zeroed struct */
/* The keys of a batch, whose hashes are there; a reference is taken.  The first row is at hand. */
void key_cursor_begin(struct key_cursor *c, struct batch *b, const uint32_t *key_columns);
void key_cursor_end(struct key_cursor *c);
static inline bool key_cursor_has_key(const struct key_cursor *c)
{
    return c->batch != NULL;
}
/* A batch of the key schema with the row at hand alone, and its columns; good until the row changes. */
struct batch *key_cursor_one(struct key_cursor *c);
static inline uint64_t key_cursor_hash(const struct key_cursor *c)
{
    return ((const uint64_t *)(const void *)c->batch->hashes->data)[batch_row(c->batch, c->row)];
}

/* ---- slots of the keys of a batch ---------------------------------------------------------------- */

/* For a state whose key is the cursor's, in the void namespace. */
struct slot_cache {
    struct key_cursor *cursor; /* Borrows */
    struct keyed_state *state; /* Borrows */
    uint32_t *slots;           /* Owns; by selected row, BATCH_ROWS_MAX */
    uint64_t batch_number;     /* that the slots are of; 0: of none */
    uint32_t numbering;        /* of the state's slots */
    uint32_t known_row;        /* its slot is right whatever happened since */
    bool added, removed;       /* keys, since the slots were found */
};

void slot_cache_init(struct slot_cache *c, struct key_cursor *cursor, struct keyed_state *state);
void slot_cache_fini(struct slot_cache *c); /* safe on a zeroed struct */
/* The slot of the key at hand, KEYED_SLOT_NONE when it is not there. */
int slot_cache_find(struct slot_cache *c, uint32_t *ret_slot, struct error *err) MUST_CHECK;
/* The same, adding it (its value is zero then, *ret_is_new 1). */
int slot_cache_add(struct slot_cache *c, uint32_t *ret_slot, uint8_t *ret_is_new,
                   struct error *err) MUST_CHECK;
/* The state removes the key at hand, `slot`. */
void slot_cache_remove(struct slot_cache *c, uint32_t slot);
/* Slots of any keys were removed or moved: nothing is known any more. */
static inline void slot_cache_forget(struct slot_cache *c)
{
    c->batch_number = 0;
}

#endif
