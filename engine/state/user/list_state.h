/* A list per key, row by row: ListState of user functions.
 *
 * An element is an entry of its own, (key, number) -> element, so that adding one writes that one into the
 * next increment.  Thread: one owner (the task).  Flink: HeapListState, TtlListState. */
#ifndef FLINC_ENGINE_STATE_USER_LIST_STATE_H
#define FLINC_ENGINE_STATE_USER_LIST_STATE_H

#include "engine/state/user/key_cursor.h"
#include "engine/state/user/ttl.h"

struct list_state_desc {
    const char *name;
    const struct record_layout *record; /* of an element; copied */
    struct state_ttl ttl;
};

struct list_state;
/* Lives as long as the cursor's backend. */
int list_state_open(struct key_cursor *cursor, const struct list_state_desc *desc,
                    struct list_state **ret_state, struct error *err) MUST_CHECK;

int list_state_add(struct list_state *l, const char *element, struct error *err) MUST_CHECK;
int list_state_clear(struct list_state *l, struct error *err) MUST_CHECK;
/* Walks over the elements of the key at hand; *ret_element is NULL at the end, and good until the next call
 * on the state.  ERR_STATE when the list was changed since the walk began. */
int list_state_begin(struct list_state *l, struct error *err) MUST_CHECK;
int list_state_next(struct list_state *l, const char **ret_element, struct error *err) MUST_CHECK;
/* For walks over its keys: what has an entry per key. */
struct keyed_state *list_state_keys(const struct list_state *l);
/* Between batches: removes some of what outlived its time. */
int list_state_sweep(struct list_state *l, struct error *err) MUST_CHECK;
const struct record_layout *list_state_layout(const struct list_state *l); /* of an element */

#endif
