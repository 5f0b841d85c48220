/* What lists and maps of rows share: a state of entries, whose key is longer than that of their owner, and
 * a state of heads, one per owner, which says what entries there are.  It is in no snapshot but in those that consist of a
 * backend's own files; otherwise it is made again from the entries.  Inside the room only.
 *
 * Either may be larger than memory: slots and values are good until the next call on the same of the two, and a head that
 * was found needs entry_space_touch_head() before it is changed.
 *
 * An entry's value is the row's record with a timestamp behind it.  Thread: one owner (the task). */
#ifndef FLINC_ENGINE_STATE_ENTRIES_H
#define FLINC_ENGINE_STATE_ENTRIES_H

#include "engine/state/rows.h"

enum { ENTRY_KEYS_MAX = 32, ENTRY_EXTRA_MAX = 32 }; /* columns of an owner's key, and behind it */

struct entry_space {
    struct keyed_state *entries; /* Borrows: the backend's */
    struct keyed_state *heads;   /* Borrows: the backend's */
    struct record_layout rows;   /* Owns; the caller's layout */
    struct record_layout in;     /* Owns; the same fields, a record being as long as a kept one */
    struct record_layout kept;   /* Owns; with the timestamp */
    struct record_layout head;   /* Owns: of a head, as far as it is a row */
    uint32_t timestamp_offset;   /* in a kept record */
    struct schema *key_schema;   /* Owns a ref; of owners */
    struct schema *entry_schema; /* Owns a ref; with the numbers behind it */
    uint32_t n_keys, n_extra;
    uint32_t n_group; /* of the keys: those that decide the key group */
    uint32_t
        columns[ENTRY_KEYS_MAX + ENTRY_EXTRA_MAX]; /* 0, 1, 2, ...: of a batch of either schema */
    struct builder gather;                         /* of repeated keys */
    char *tile;                                    /* Owns; RECORD_TILE_ROWS records of `in` */
    struct str nested;                             /* their nested values */
    uint32_t *slots, *head_slots;                  /* Owns; BATCH_ROWS_MAX */
    uint8_t *is_new;                               /* Owns; BATCH_ROWS_MAX */
};

struct entry_desc {
    const char *name;
    const char *kind;
    const struct schema *key_schema;
    uint32_t n_key_columns; /* its first ones, which decide the key group; 0: all */
    const struct record_layout *record;
    const struct schema *extra; /* the columns behind the owner's key */
    bool
        stays; /* all of it is in memory, and found rows stay where they are until some are added */
    const char *timestamp_name; /* of the hidden column behind the record; NULL: there is none */
    uint32_t head_bytes;        /* int64_t numbers, or what the operations know */
    const struct keyed_value_ops *head_ops; /* Borrows, as long as the state; may be NULL */
    const char *head_kind;                  /* other heads are of no use; NULL: "heads" */
    uint32_t head_stamp_offset; /* with a time to live: that of the youngest entry, at least */
    uint64_t ttl_ms;
    struct keyed_expiry expiry; /* its offset is that of the hidden column */
};
/* BIGINT NOT NULL columns of these names. */
struct schema *entry_numbers_schema(const char *const *names, uint32_t n);

int entry_space_open(struct entry_space *e, struct keyed_backend *b, const struct entry_desc *desc,
                     struct error *err) MUST_CHECK;
void entry_space_fini(struct entry_space *e);

/* Heads of the keys: slots in e->head_slots.  With `add`, those that are new in e->is_new. */
int entry_space_find_heads(struct entry_space *e, const struct state_keys *keys,
                           struct error *err) MUST_CHECK;
int entry_space_add_heads(struct entry_space *e, const struct state_keys *keys,
                          struct error *err) MUST_CHECK;

/* The head at a slot that was found is changed next. */
static inline void entry_space_touch_head(struct entry_space *e, uint32_t slot)
{
    keyed_state_touch(e->heads, slot);
}

/* The slots of heads that a reader keeps, as of `*inout_numbering`, made right again when they have moved. */
int entry_space_keep_heads(struct entry_space *e, const struct state_keys *keys,
                           struct buffer *slots, uint32_t *inout_numbering,
                           struct error *err) MUST_CHECK;
/* Whether the i-th found owner has a head, that was not removed since. */
static inline bool entry_space_has_head(const struct entry_space *e, uint32_t i)
{
    return e->head_slots[i] != KEYED_SLOT_NONE &&
           keyed_table_is_live(e->heads->table, e->head_slots[i]);
}

/* A batch of the entry schema over the same rows, with its numbers to be filled in by physical row:
 * entry_numbers().  Its hashes are still those of the owners; the caller drops it. */
struct batch *entry_space_project(struct entry_space *e, const struct state_keys *keys);
/* The same for the owners of found rows: row i has the key of selected row owners[i]. */
struct batch *entry_space_gather(struct entry_space *e, const struct state_keys *keys,
                                 const uint32_t *owners, uint32_t n);
int64_t *entry_numbers(const struct entry_space *e, struct batch *b, uint32_t i);
/* Sets the hashes of a batch made by the two above, and finds the slots of its entries: e->slots. */
int entry_space_find(struct entry_space *e, int64_t name_space, struct batch *b,
                     struct error *err) MUST_CHECK;
/* The same, adding them with the selected rows of `rows`, one each, as their values.  None of them is there. */
int entry_space_put(struct entry_space *e, int64_t name_space, const struct batch *rows,
                    struct batch *b, struct error *err) MUST_CHECK;
/* Entries of e->slots [0, n) as rows of a block, from its row `at` on; those that are not there (their
 * time is over) are left out, and the block is that much shorter. */
void entry_space_collect(const struct entry_space *e, uint32_t n, struct state_rows *inout);

/* The keys of the entries in `slots`, a batch that the caller drops, with their owners' heads in
 * e->head_slots (of entries whose time is over there may be none); of the namespace of user state. */
int entry_space_find_owners(struct entry_space *e, const uint32_t *slots, uint32_t n,
                            struct batch **ret_keys, struct error *err) MUST_CHECK;

/* After a restore that brought no heads: calls add() for all entries there are, a batch of entry keys at a time
 * with their slots in e->slots, their owners' heads in e->head_slots and e->is_new. */
struct entry_rebuild {
    int (*add)(void *owner, struct batch *entries, struct error *err);
    void *owner;
};
int entry_space_rebuild(struct entry_space *e, const struct entry_rebuild *how,
                        struct error *err) MUST_CHECK;
void entry_space_drop_namespace(struct entry_space *e, int64_t name_space);
void entry_space_drop_if_empty(struct entry_space *e, int64_t name_space);

#endif
