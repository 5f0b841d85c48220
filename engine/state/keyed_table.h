/* A flat hash table from keys to fixed-size values, made for whole batches.
 *
 * Groups of eight slots share a word of one-byte tags, so that a probe looks at eight candidates with a
 * few instructions and touches an entry only when its tag fits.  An entry is key, hash and value side by
 * side; the hash of an integer, a DOUBLE or a date is made of the key again instead of being kept.  Keys:
 *   one fixed-width column of at most 8 bytes   its 64 bits, inline
 *   one string column                           a 16-byte view; bytes over 12 in the table's heap
 *   up to 40 bytes of other columns, or of a    side by side, inline, with a byte that says which of
 *     view and other columns                    them are NULL when one can be
 *   anything else                               the key codec's bytes, kept like a string
 * NULL is a key like any other.  Keys are equal as their hashes have it: -0.0 is 0.0, every NaN is one,
 * CHAR without trailing pad.
 *
 * Slots of a batch stay valid until the next upsert, remove or clear: growth in the middle of a batch
 * renumbers the slots that it has already given.  Large tables grow in pieces, one per upsert, so that none
 * of them takes long.  The table finds its place by the batch's key hashes
 * multiplied by an odd seed of its own: dense integers spread, and who chooses keys cannot choose
 * collisions.
 *
 * Changes are tracked for snapshots (keyed_track.h): an upsert marks what it gives as changed, a find does
 * not.
 *
 * Memory of slots and heap is taken from a budget; over it upsert fails with ERR_LIMIT, and the table
 * is as usable as before.
 *
 * Thread: one owner (the task).  Flink: CopyOnWriteStateMap of the hashmap backend. */
#ifndef FLINC_ENGINE_STATE_KEYED_TABLE_H
#define FLINC_ENGINE_STATE_KEYED_TABLE_H

#include "engine/data/batch.h"
#include "engine/data/hash.h"
#include "engine/state/keyed_track.h"

#define KEYED_SLOT_NONE UINT32_MAX

enum keyed_key_kind {
    KEYED_KEY_FIXED,  /* 8 bytes */
    KEYED_KEY_VIEW,   /* 16 bytes */
    KEYED_KEY_INLINE, /* several columns, up to KEYED_KEY_WORDS_MAX words */
    KEYED_KEY_BYTES,  /* 16 bytes, of the key codec */
};

enum {
    KEYED_VALUE_BYTES_MAX = 64 * 1024,
    KEYED_KEY_WORDS_MAX = 5,      /* of an entry's key */
    KEYED_INLINE_COLUMNS_MAX = 8, /* of an INLINE key: their NULLs are bits of a byte */
    KEYED_KEY_COLUMNS_MAX = 64,   /* of a key of a state that pages */
};

/* What a value is that owns memory in the heap otherwise than the strings of a record, such as an index. */
struct keyed_value_ops {
    void *arg; /* Borrows, as long as the table */
    /* Frees what it owns. */
    void (*drop)(void *arg, struct state_heap *heap, char *value);
    /* Appends a value as bytes, for a store on disk, and makes one of them in zeroed memory: ERR_CORRUPT, ERR_LIMIT; then
     * `ret_value` is zeroed.  The bytes begin with the time stamp in a state with a time to live. */
    int (*encode)(void *arg, const char *value, struct str *out, struct error *err);
    int (*decode)(void *arg, struct state_heap *heap, struct slice bytes, char *ret_value,
                  struct error *err);
};

struct keyed_table_options {
    const struct schema *key_schema; /* names and types of the key columns */
    uint32_t value_bytes;            /* rounded up to 8; a new value is zeroed */
    struct mem_budget *budget;       /* Borrows; may be NULL */
    uint64_t seed;                   /* 0: one of its own, which nobody can know */
    struct keyed_track *track;       /* Borrows: for snapshots; NULL: there are none */
    /* Borrows: what values are when they own strings; then copies for snapshots own theirs. */
    const struct record_layout *record;
    const struct keyed_value_ops *ops; /* Borrows: instead of a record; NULL: values own nothing */
    bool grows_in_pieces; /* when it is large: any upsert may give all keys other slots */
    uint32_t mapped_from; /* bytes of slots from which it grows in pieces; 0: 2 MB */
};

/* The old slots of a table that grows, behind the new ones (keyed_table_grow.c). */
struct keyed_moving {
    uint32_t n_slots;     /* 0: it does not grow */
    uint32_t n_used;      /* of them */
    uint32_t group_shift; /* as it was */
    uint32_t first_group; /* of the old ones, to move */
    uint32_t n_moved;     /* groups from there on, around */
    uint32_t n_rows;      /* upserted since the last piece */
    uint32_t n_keys;      /* of the table then */
};

struct keyed_table {
    struct keyed_group *groups; /* Owns; null_slot / 8, and one more for the NULL key */
    char *entries;              /* Owns; null_slot + 1 of `stride` bytes */
    uint32_t n_slots;           /* a power of two; 0 before the first key */
    uint32_t
        null_slot; /* of the NULL key, the last one: n_slots, and while it grows behind the old ones */
    struct keyed_moving moving;
    uint32_t numbering; /* counts the times when slots got other numbers */
    bool is_mapped;     /* groups and entries are slot_pages */
    bool grows_in_pieces;
    uint32_t mapped_from;  /* bytes of slots from which they are pages */
    uint32_t stride;       /* bytes of an entry */
    uint32_t hash_offset;  /* in an entry, end of its key; the key is at 0 */
    uint32_t value_offset; /* in an entry, 8-aligned */
    uint32_t group_shift;  /* 64 - log2(groups) */
    uint32_t n_keys;       /* live, the NULL key included */
    uint32_t n_used;       /* of n_slots those that are live or removed */
    uint32_t longest_walk; /* groups that a new key went past, ever */
    bool has_null;
    enum keyed_key_kind key_kind;
    enum type_layout key_layout; /* of a FIXED key */
    bool key_is_char;            /* trailing pad does not count */
    bool key_has_view;           /* the first two words are a view, longer bytes are in the heap */
    bool key_is_hash;            /* the hash is key_hash_word() of a FIXED key, and not kept */
    bool key_has_gaps;           /* an INLINE key has bytes that no column fills */
    uint8_t key_words;           /* of 8 bytes */
    uint8_t key_nulls_at;        /* the byte of an INLINE key's NULLs; 0: there are none */
    uint8_t key_offsets[KEYED_INLINE_COLUMNS_MAX]; /* of an INLINE key's columns */
    uint64_t seed;                                 /* odd */
    uint32_t value_bytes;
    struct schema *key_schema;          /* Owns a ref */
    struct mem_budget *budget;          /* Borrows; may be NULL */
    uint64_t held_bytes;                /* of tags and entries, taken from the budget */
    struct state_heap heap;             /* long keys; values may keep bytes there too */
    struct str scratch;                 /* encoded keys of a block of rows */
    struct keyed_track *track;          /* Borrows */
    const struct record_layout *record; /* Borrows; NULL: values own no strings */
    const struct keyed_value_ops *ops;  /* Borrows; NULL: nor anything else */
    uint32_t created;                   /* version of the track when it was made */
    bool is_changed;                    /* an entry was marked or removed */
    uint32_t touched;                   /* when, last */
    uint32_t scan_at;            /* the freeze of the snapshot that reads it, which goes on */
    uint32_t scan_group;         /* here, */
    size_t removed_written;      /* and here in `removed` */
    struct keyed_copies *copies; /* of frozen entries; they lie in the track's heap */
    uint32_t copies_at;          /* of which freeze */
    struct vec removed;          /* struct keyed_removed, oldest first; Owns */
    size_t removed_start;        /* those before are of no use any more */
    uint64_t removed_bytes;      /* taken from the budget for it */
    bool
        keeps_heat; /* how often entries are used is noted (keyed_table_evict.h); set before the first key */
    uint16_t *heat;   /* Owns: of each group; NULL: it keeps none */
    uint32_t n_dirty; /* about: entries that were marked since n_dirty was set to 0 last */
};

/* Fails for a key of a nested type. */
int keyed_table_init(struct keyed_table *t, const struct keyed_table_options *options,
                     struct error *err) MUST_CHECK;
void keyed_table_fini(struct keyed_table *t);
/* The same on the heap. */
int keyed_table_new(const struct keyed_table_options *options, struct keyed_table **ret_table,
                    struct error *err) MUST_CHECK;
struct keyed_table *keyed_table_free(struct keyed_table *t); /* returns NULL */

/* Finds or adds the keys of all selected rows: ret_slots[i] and ret_is_new[i] (1 for the first row of a
 * key that was not there) belong to the i-th selected row; room for b->n_sel each.  `b->hashes` must be
 * there.  On failure keys of the batch may have been added; their values are zero. */
int keyed_table_upsert(struct keyed_table *t, const struct batch *b, const uint32_t *key_columns,
                       uint32_t *ret_slots, uint8_t *ret_is_new, struct error *err) MUST_CHECK;
/* Adds the keys of all selected rows, none of which is there, and which are all different: who calls knows.
 * Slots of earlier calls are not valid any more, also on failure. */
int keyed_table_add(struct keyed_table *t, const struct batch *b, const uint32_t *key_columns,
                    uint32_t *ret_slots, struct error *err) MUST_CHECK;
/* As upsert without adding: KEYED_SLOT_NONE for a key that is not there. */
int keyed_table_find(struct keyed_table *t, const struct batch *b, const uint32_t *key_columns,
                     uint32_t *ret_slots, struct error *err) MUST_CHECK;

/* Keys by their hash and the value of one BIGINT NOT NULL column: for those who keep just that of a key. */
struct keyed_hashed {
    uint64_t hash;
    int64_t number;
};
/* The slot of each, KEYED_SLOT_NONE without one.  Several keys may have the same: it is one of them. */
void keyed_table_find_hashed(const struct keyed_table *t, uint32_t column,
                             const struct keyed_hashed *wanted, uint32_t n, uint32_t *ret_slots);
/* Another slot of the same; KEYED_SLOT_NONE: `after` was the last. */
uint32_t keyed_table_next_hashed(const struct keyed_table *t, uint32_t column,
                                 const struct keyed_hashed *wanted, uint32_t after);

static inline const char *keyed_table_entry(const struct keyed_table *t, uint32_t slot)
{
    return t->entries + (size_t)slot * t->stride;
}
/* Takes the seed of the table whose entries are about to be added in its order, so that they go where memory
 * goes.  Room for all of them must be reserved: a smaller table would be filled from one end, in chains as long
 * as itself.  A table that has slots keeps its own. */
void keyed_table_take_seed(struct keyed_table *t, uint64_t seed);
/* Room for `n_keys` keys in all, before many are added; slots given before are not valid any more. */
int keyed_table_reserve(struct keyed_table *t, uint64_t n_keys, struct error *err) MUST_CHECK;

static inline void *keyed_table_value(const struct keyed_table *t, uint32_t slot)
{
    return t->entries + (size_t)slot * t->stride + t->value_offset;
}
/* The value of a slot that find or next gave is about to be changed.  (Slots of an upsert are marked.) */
static inline void keyed_table_touch(struct keyed_table *t, uint32_t slot)
{
    if (!keyed_group_is_marked(&t->groups[slot / KEYED_GROUP_SLOTS], t->track->version,
                               slot % KEYED_GROUP_SLOTS)) {
        keyed_table_mark(t, slot);
    }
}
/* The key hash of an entry, or of a copy of one; `is_null`: it is the NULL key's. */
static inline uint64_t keyed_entry_hash(const struct keyed_table *t, const char *entry,
                                        bool is_null)
{
    uint64_t word;
    memcpy(&word, entry + (t->key_is_hash ? 0 : t->hash_offset), sizeof(word));
    if (!t->key_is_hash) {
        return word;
    }
    return is_null ? KEY_HASH_NULL : key_hash_word(word);
}
/* The key hash that the batch brought; key group = (uint32_t)hash % max_parallelism. */
static inline uint64_t keyed_table_hash(const struct keyed_table *t, uint32_t slot)
{
    return keyed_entry_hash(t, t->entries + (size_t)slot * t->stride, slot == t->null_slot);
}
static inline bool keyed_table_is_live(const struct keyed_table *t, uint32_t slot)
{
    const struct keyed_group *g = &t->groups[slot / KEYED_GROUP_SLOTS];
    return (keyed_group_live(g) >> slot % KEYED_GROUP_SLOTS & 1) != 0;
}
static inline uint32_t keyed_table_len(const struct keyed_table *t)
{
    return t->n_keys;
}
/* The first live slot that is not before `from`; KEYED_SLOT_NONE at the end.  In no order that means
 * anything.  Removing the slot at hand is allowed. */
uint32_t keyed_table_next(const struct keyed_table *t, uint32_t from);
/* A batch of the key schema with the keys of `n` slots (at most BATCH_ROWS_MAX), in their canonical
 * form. */
int keyed_table_read_keys(const struct keyed_table *t, struct buffer_pool *pool,
                          const uint32_t *slots, uint32_t n, struct batch **ret_batch,
                          struct error *err) MUST_CHECK;
/* Removes one key, with what its value owns as far as the table knows of it. */
void keyed_table_remove(struct keyed_table *t, uint32_t slot);
/* The same for many keys. */
void keyed_table_remove_many(struct keyed_table *t, const uint32_t *slots, uint32_t n);
/* Removes all keys and gives all memory back. */
void keyed_table_clear(struct keyed_table *t);
/* Bytes held: slots and heap. */
uint64_t keyed_table_bytes(const struct keyed_table *t);

#endif
