/* The tables of a state by namespace, as the hashmap backend has them and others build on.  Inside the room
 * only; what the functions do: struct keyed_backend_desc.
 * Thread: one owner (the task). */
#ifndef FLINC_ENGINE_STATE_HASHMAP_BACKEND_H
#define FLINC_ENGINE_STATE_HASHMAP_BACKEND_H

#include "engine/state/keyed_snapshot.h"

struct hashmap_state {
    struct keyed_state base;
    struct vec tables; /* struct name_space_table, sorted by namespace; Owns */
    int64_t selected;  /* namespace of base.table when that is not NULL */
};

/* A table of a state, `track`: NULL: it is in no snapshot. */
int hashmap_table_new(const struct keyed_state *s, struct keyed_track *track,
                      struct keyed_table **ret_table, struct error *err) MUST_CHECK;
int hashmap_open_state(struct keyed_state *s, struct error *err) MUST_CHECK;
void hashmap_close_state(struct keyed_state *s);
int hashmap_select(struct keyed_state *s, int64_t name_space, bool create,
                   struct error *err) MUST_CHECK;
int hashmap_upsert(struct keyed_state *s, const struct batch *b, const uint32_t *key_columns,
                   uint32_t *ret_slots, uint8_t *ret_is_new, struct error *err) MUST_CHECK;
int hashmap_find(struct keyed_state *s, const struct batch *b, const uint32_t *key_columns,
                 uint32_t *ret_slots, struct error *err) MUST_CHECK;
int hashmap_find_hashed(struct keyed_state *s, uint32_t column, const struct keyed_hashed *wanted,
                        uint32_t n, uint32_t *ret_slots, struct error *err) MUST_CHECK;
void hashmap_remove(struct keyed_state *s, const uint32_t *slots, uint32_t n);
void hashmap_drop_namespace(struct keyed_state *s, int64_t name_space);
struct keyed_table *hashmap_table_from(const struct keyed_state *s, int64_t *inout_name_space);
bool hashmap_next_namespace(const struct keyed_state *s, int64_t from, int64_t *ret_name_space);
uint64_t hashmap_bytes(const struct keyed_state *s);

#endif
