/* Session sets: per key the sessions that are open, [start, end) each, and the number of the state that holds
 * what is in them.
 *
 * Sessions of a key neither meet nor touch.  A row that comes with a window of its own opens a session,
 * extends one, or joins several to one, which keeps the state of the earliest; the states of the others must
 * then be merged into it by whoever keeps them.  The number of a state is the start of the row that
 * opened it: it stays inside its session for good, so no two of a key are ever the same.
 *
 * All calls are by batch.  Thread: one owner (the task).  Flink: MergingWindowSet. */
#ifndef FLINC_ENGINE_STATE_SESSION_SET_H
#define FLINC_ENGINE_STATE_SESSION_SET_H

#include "engine/state/rows.h"

struct session_set;

struct session_set_desc {
    const char *name;                /* of the state, opened once per backend */
    const struct schema *key_schema; /* Borrows during the call */
};

/* Lives as long as the backend. */
int session_set_open(struct keyed_backend *b, const struct session_set_desc *desc,
                     struct session_set **ret_set, struct error *err) MUST_CHECK;

struct session_span {
    int64_t start, end; /* exclusive */
    int64_t state;
};

/* One item per selected row. */
struct session_rows {
    struct session_span
        *spans; /* in: start < end, the row's own window; out: the session that it is in
                                   once it and those before it are, and its state */
    const uint8_t
        *join_only; /* 1: the row is taken only where it meets a session; NULL: none is so */
    uint8_t *taken; /* out */
};
/* Before selected row `row` is added: all that is in state `from` goes into state `into`, which is the row's,
 * and `from` is no more. */
struct session_join {
    uint32_t row;
    int64_t into, from;
};
/* Puts the windows of the selected rows into the sets of their keys, in order.  `joins` (of struct
 * session_join, cleared first) gets what must be merged, in the order of the rows.  ERR_LIMIT: a key has too
 * many sessions. */
int session_set_add(struct session_set *s, const struct state_keys *keys,
                    const struct session_rows *rows, struct vec *joins,
                    struct error *err) MUST_CHECK;
/* What the keeper of states noted of the latest session of a key: 0 before, and whenever another one has become the
 * latest.  Behind session_set_add(), of its selected row `i`, which was taken into `state`; NULL when this is not
 * the key's latest one.  It is in no snapshot; good until the next call about the set. */
int64_t *session_set_note(struct session_set *s, uint32_t i, int64_t state);
/* Removes the sessions of these states, states[i] of the key of selected row i; those that are not there are
 * passed over. */
int session_set_remove(struct session_set *s, const struct state_keys *keys, const int64_t *states,
                       struct error *err) MUST_CHECK;
/* The sessions of the one selected key, sorted: of struct session_span. */
int session_set_read(struct session_set *s, const struct state_keys *key, struct vec *ret_spans,
                     struct error *err) MUST_CHECK;

#endif
