/* The keys of one map, in the order in which they came: a list, and above a few keys an index by their hashes.
 * Inside the room only.
 *
 * Nodes lie in the heap of the table that holds the map's owner.  A key's hash is that of the map's entry; different
 * keys may have the same.  Thread: one owner (the task). */
#ifndef FLINC_ENGINE_STATE_USER_MAP_KEYS_H
#define FLINC_ENGINE_STATE_USER_MAP_KEYS_H

#include "engine/state/record_row.h"

enum { MAP_KEYS_LISTED_MAX = 12 }; /* without an index */

struct map_node {
    struct map_node *previous, *next;
    uint64_t hash;
    char key[] __attribute__((aligned(8)));
};

/* Zeroed: empty. */
struct map_keys {
    struct map_node *first, *last;
    struct map_node **places; /* Owns, in the heap: n_places of them, by hash; NULL: no index */
    uint32_t n, n_places;     /* keys; places, a power of two */
};

/* What the keys of a map are. */
struct map_keys_kind {
    struct record_layout layout; /* Owns */
    struct record_row row;       /* of it */
};

void map_keys_kind_init(struct map_keys_kind *k, const struct record_layout *key);
void map_keys_kind_fini(struct map_keys_kind *k); /* safe on a zeroed struct */

/* A copy of the key, behind the others.  ERR_LIMIT when the budget has no room; nothing is lost then. */
int map_keys_add(struct map_keys *m, struct map_keys_kind *k, struct state_heap *heap,
                 uint64_t hash, const char *key, struct error *err) MUST_CHECK;
/* NULL: it is not there. */
struct map_node *map_keys_find(const struct map_keys *m, const struct map_keys_kind *k,
                               uint64_t hash, const char *key);
/* The same for the key of an entry that is there: it may differ in what does not count for keys. */
struct map_node *map_keys_find_listed(const struct map_keys *m, const struct map_keys_kind *k,
                                      uint64_t hash, const char *key);
void map_keys_remove(struct map_keys *m, const struct map_keys_kind *k, struct state_heap *heap,
                     struct map_node *node);
/* The key before which there are `n`; NULL: there are not more. */
struct map_node *map_keys_nth(const struct map_keys *m, uint64_t n);
/* Gives the memory back. */
void map_keys_clear(struct map_keys *m, const struct map_keys_kind *k, struct state_heap *heap);

/* Bytes: of each key its hash, its length and itself (record_row.h).  Decoding into a zeroed struct: ERR_CORRUPT,
 * ERR_LIMIT; then it is empty. */
int map_keys_encode(const struct map_keys *m, const struct map_keys_kind *k, struct str *out,
                    struct error *err) MUST_CHECK;
int map_keys_decode(struct map_keys *m, struct map_keys_kind *k, struct state_heap *heap,
                    struct slice bytes, struct error *err) MUST_CHECK;

#endif
