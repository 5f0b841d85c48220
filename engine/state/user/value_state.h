/* A value per key, row by row: what ValueState, ReducingState and AggregatingState of user functions are.
 *
 * Thread: one owner (the task).  Flink: HeapValueState, TtlValueState. */
#ifndef FLINC_ENGINE_STATE_USER_VALUE_STATE_H
#define FLINC_ENGINE_STATE_USER_VALUE_STATE_H

#include "engine/state/user/key_cursor.h"
#include "engine/state/user/ttl.h"

struct value_state_desc {
    const char *name;
    const char *kind;                   /* "value", "reducing", "aggregating" */
    const struct record_layout *record; /* of the value; copied */
    struct state_ttl ttl;
};

struct value_state;
/* Lives as long as the cursor's backend. */
int value_state_open(struct key_cursor *cursor, const struct value_state_desc *desc,
                     struct value_state **ret_state, struct error *err) MUST_CHECK;

/* The value of the key at hand, NULL when there is none; good until the next call on the state. */
int value_state_get(struct value_state *v, const char **ret_record, struct error *err) MUST_CHECK;
int value_state_set(struct value_state *v, const char *record, struct error *err) MUST_CHECK;
int value_state_clear(struct value_state *v, struct error *err) MUST_CHECK;
/* The value to be changed in place, zeroed when there was none.  Of records without strings only. */
int value_state_edit(struct value_state *v, char **ret_record, struct error *err) MUST_CHECK;
/* For walks over its keys: what has an entry per key. */
struct keyed_state *value_state_keys(const struct value_state *v);
/* Between batches: removes some of what outlived its time. */
int value_state_sweep(struct value_state *v, struct error *err) MUST_CHECK;
const struct record_layout *value_state_layout(const struct value_state *v); /* of the value */
const char *value_state_name(const struct value_state *v);

#endif
