/* A map per key, row by row: MapState of user functions.
 *
 * An entry of the map is an entry of its own, (key, map key) -> value, so that changing one writes that one
 * into the next increment.  What a map consists of is a list of its keys in memory, in no snapshot and made
 * again when the state is opened.
 *
 * Thread: one owner (the task).  Flink: HeapMapState, TtlMapState. */
#ifndef FLINC_ENGINE_STATE_USER_MAP_STATE_H
#define FLINC_ENGINE_STATE_USER_MAP_STATE_H

#include "engine/state/user/key_cursor.h"
#include "engine/state/user/ttl.h"

struct map_state_desc {
    const char *name;
    const struct record_layout *key;    /* of a map key; copied */
    const struct record_layout *record; /* of a value; copied */
    struct state_ttl ttl;
};

struct map_state;
/* Lives as long as the cursor's backend. */
int map_state_open(struct key_cursor *cursor, const struct map_state_desc *desc,
                   struct map_state **ret_state, struct error *err) MUST_CHECK;

/* The value of a map key, NULL when there is none; good until the next call on the state. */
int map_state_get(struct map_state *m, const char *key, const char **ret_value,
                  struct error *err) MUST_CHECK;
int map_state_put(struct map_state *m, const char *key, const char *value,
                  struct error *err) MUST_CHECK;
int map_state_remove(struct map_state *m, const char *key, struct error *err) MUST_CHECK;
int map_state_clear(struct map_state *m, struct error *err) MUST_CHECK;
/* Walks over the entries of the key at hand; *ret_key is NULL at the end; both are good until the next call
 * on the state.  The entry at hand may be removed or put again.  ERR_STATE after any other change. */
int map_state_begin(struct map_state *m, struct error *err) MUST_CHECK;
int map_state_next(struct map_state *m, const char **ret_key, const char **ret_value,
                   struct error *err) MUST_CHECK;
/* For walks over its keys: what has an entry per key. */
struct keyed_state *map_state_keys(const struct map_state *m);
/* Between batches: removes some of what outlived its time. */
int map_state_sweep(struct map_state *m, struct error *err) MUST_CHECK;
const struct record_layout *map_state_key_layout(const struct map_state *m);
const struct record_layout *map_state_layout(const struct map_state *m); /* of a value */

#endif
