/* A hash map from byte strings to pointers, for control-plane use (the data path has engine/state).
 * Keys are copied.  Iteration is in insertion order, so that output is stable.  Thread: one owner. */
#ifndef FLINC_COMMON_BASE_MAP_H
#define FLINC_COMMON_BASE_MAP_H

#include "common/base/str.h"

struct map_entry {
    char *key; /* Owns; NUL-terminated copy; NULL: removed */
    size_t key_len;
    void *value; /* Borrows, or owned by the map when it has a value destructor */
    uint64_t hash;
};

struct map {
    struct map_entry *entries; /* Owns; insertion order, with holes */
    size_t n_entries, entries_cap, len;
    uint32_t *index; /* Owns; open addressing, entry number + 1 */
    size_t index_cap;
    void (*free_value)(void *value); /* may be NULL */
};

void map_init(struct map *m, void (*free_value)(void *value));
void map_fini(struct map *m);
/* Sets key to value; an old value is freed.  Returns true when the key was new. */
bool map_put(struct map *m, const char *key, void *value);
bool map_put_bytes(struct map *m, const void *key, size_t key_len, void *value);
void *map_find(const struct map *m, const char *key); /* NULL when absent */
void *map_find_bytes(const struct map *m, const void *key, size_t key_len);
bool map_has(const struct map *m, const char *key);
/* Frees the value; true when there was one.  Removing, also the current entry, is safe while
 * iterating; putting is not. */
bool map_remove(struct map *m, const char *key);
bool map_remove_bytes(struct map *m, const void *key, size_t key_len);
void *map_take(struct map *m, const char *key); /* removes without freeing */
void *map_take_bytes(struct map *m, const void *key, size_t key_len);
void map_clear(struct map *m);
/* for (const struct map_entry *e = NULL; (e = map_next(m, e)) != NULL;) */
const struct map_entry *map_next(const struct map *m, const struct map_entry *prev);
#define MAP_FOREACH(m, e) for (const struct map_entry *e = NULL; (e = map_next((m), e)) != NULL;)

uint64_t hash_bytes(const void *data, size_t len, uint64_t seed); /* XXH3; not for stored data */

#endif
