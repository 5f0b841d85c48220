/* Keys as the table compares them.  Inside the room only.
 *
 * A probe key is the table's number of words.  FIXED: the bits, sign-extended and canonical.  VIEW and
 * BYTES: up to 12 bytes the words of the inline view; above, length and prefix in the first, the address
 * of the bytes in the second.  INLINE: the columns side by side in the order of their widths, a string
 * first, as such a view; FLOAT and DOUBLE canonical, TIMESTAMP(7..9) without its pad, NULLs all zero with
 * their bit set in the last byte; what is left over is zero.  Stored keys look the same, with addresses in
 * the table's heap. */
#ifndef FLINC_ENGINE_STATE_KEYED_TABLE_KEY_H
#define FLINC_ENGINE_STATE_KEYED_TABLE_KEY_H

#include "engine/data/builder.h"
#include "engine/state/keyed_table.h"

enum { KEYED_BLOCK_ROWS = 32 }; /* rows probed together */

/* What a key with a view begins with. */
struct probe_key {
    uint64_t w0, w1;
};

/* The rows of one block of a batch. */
struct probe_block {
    uint64_t keys[KEYED_BLOCK_ROWS * KEYED_KEY_WORDS_MAX]; /* t->key_words of each */
    uint64_t hashes[KEYED_BLOCK_ROWS];
    bool has_nulls; /* is_null is filled; only a single key column is ever NULL here */
    uint8_t is_null[KEYED_BLOCK_ROWS];
};

/* Chooses the kind of the table's keys and where their columns are. */
void keyed_key_layout(struct keyed_table *t);

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

/* The view of these bytes, which are borrowed when they are long. */
static inline void probe_key_set_bytes(uint64_t *words, const char *data, size_t len)
{
    if (len <= VIEW_INLINE_MAX) {
        struct view v = view_inline(data, (uint32_t)len);
        memcpy(words, &v, sizeof(v));
        return;
    }
    uint32_t prefix;
    memcpy(&prefix, data, sizeof(prefix));
    words[0] = (uint64_t)prefix << 32 | (uint32_t)len;
    words[1] = (uint64_t)(uintptr_t)data;
}
static inline uint32_t probe_key_len(const struct probe_key *k)
{
    return (uint32_t)k->w0;
}
/* True when bytes of this stored key lie in a heap; then its view. */
static inline bool keyed_key_is_long(const struct keyed_table *t, const char *key,
                                     struct probe_key *ret_view)
{
    if (!t->key_has_view) {
        return false;
    }
    memcpy(ret_view, key, sizeof(*ret_view));
    return probe_key_len(ret_view) > VIEW_INLINE_MAX;
}
/* Gives a key, which has the bytes of another one, bytes of its own; false: no memory. */
bool keyed_key_own(const struct keyed_table *t, struct state_heap *heap, char *inout_key);
static inline void keyed_key_free(const struct keyed_table *t, struct state_heap *heap,
                                  const char *key)
{
    struct probe_key k;
    if (keyed_key_is_long(t, key, &k)) {
        state_heap_free(heap, (char *)(uintptr_t)k.w1, probe_key_len(&k));
    }
}
/* Bytes of an item of t->removed. */
static inline size_t keyed_removed_bytes(const struct keyed_table *t)
{
    return sizeof(struct keyed_removed) + t->hash_offset;
}

/* Where a BIGINT NOT NULL column lies in the keys of a table, for keyed_key_number(). */
struct keyed_number {
    uint32_t at;   /* in an INLINE key */
    uint32_t back; /* of a BYTES key: from its end; 0: INLINE */
};
/* A BYTES key has only BIGINT NOT NULL columns behind it. */
struct keyed_number keyed_key_find_number(const struct keyed_table *t, uint32_t column);
static inline int64_t keyed_key_number(const struct keyed_number *n, const char *key)
{
    int64_t v;
    if (n->back != 0) {
        struct probe_key k;
        memcpy(&k, key, sizeof(k));
        key = probe_key_len(&k) > VIEW_INLINE_MAX ? (const char *)(uintptr_t)k.w1 : key + 4;
        key += probe_key_len(&k) - n->back;
    }
    memcpy(&v, key + n->at, sizeof(v));
    return v;
}

#endif
