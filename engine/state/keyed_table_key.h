/* Keys as the table compares them.  Inside the room only.
 *
 * A probe key is two words.  FIXED: the bits, sign-extended and canonical, in `w0`.  VIEW and BYTES: up
 * to 12 bytes the words of the inline view; above, length and prefix in `w0`, the address of the bytes
 * in `w1`.  Stored keys look the same, with addresses in the table's heap. */
#ifndef FLINC_ENGINE_STATE_KEYED_TABLE_KEY_H
#define FLINC_ENGINE_STATE_KEYED_TABLE_KEY_H

#include "engine/data/builder.h"
#include "engine/state/keyed_table.h"

enum { KEYED_BLOCK_ROWS = 32 }; /* rows probed together */

struct probe_key {
    uint64_t w0, w1;
};

/* The rows of one block of a batch. */
struct probe_block {
    struct probe_key keys[KEYED_BLOCK_ROWS];
    uint64_t hashes[KEYED_BLOCK_ROWS];
    bool has_nulls; /* is_null is filled; only a single key column is ever NULL here */
    uint8_t is_null[KEYED_BLOCK_ROWS];
};

/* Fills in the keys of the selected rows [from, from + n). */
int probe_block_load(struct keyed_table *t, struct probe_block *p, const struct batch *b,
                     const uint32_t *key_columns, uint32_t from, uint32_t n,
                     struct error *err) MUST_CHECK;

/* An entry of a table, or a copy of one. */
struct keyed_entry {
    const char *entry; /* Borrows */
    uint32_t group;    /* key group */
    bool is_null;      /* its key is NULL */
};
/* A builder with room for exactly these rows, to be filled column by column, then out.n = n. */
void keyed_entries_builder(struct builder *b, struct buffer_pool *pool, const struct schema *schema,
                           uint32_t n);
/* The keys of entries as rows [0, n) of the first columns of such a builder. */
int keyed_table_put_keys(const struct keyed_table *t, const struct keyed_entry *entries, uint32_t n,
                         struct builder *out, struct error *err) MUST_CHECK;

static inline uint32_t probe_key_len(const struct probe_key *k)
{
    return (uint32_t)k->w0;
}

#endif
