/* State of user functions as operators see it: which key is at hand.  What functions see is
 * include/flinc/state.h.
 *
 *   in open():      TRY(user_functions_resolve(&op->functions, ctx, kinds, n, err));
 *                   TRY(user_states_open(&op->functions, ctx, schema, key_columns, n_keys, err));
 *                   TRY(user_functions_start(&op->functions, err));
 *   per batch:      TRY(user_states_begin_batch(op->functions.states, &batch, key_columns, err));
 *   per row:        user_states_set_row(op->functions.states, i);      i-th selected row
 *   after the last: TRY(user_states_end_batch(op->functions.states, err));
 *   in close():     user_functions_close(&op->functions);              after it the states are gone
 *
 * A batch of timers is a batch of their keys, treated in the same way; so is a batch of the second input,
 * with its own key columns.  Between end and begin there is no key, and keyed state is refused: that is how
 * broadcast records are processed.  One batch is ended before another one begins, and before the operator
 * says OP_DONE: snapshots are made between batches.
 *
 * All calls accept a NULL `states`, and cost next to nothing while no function has declared a state.
 * Thread: the task's.  Flink: setCurrentKey, RuntimeContext.getState. */
#ifndef FLINC_ENGINE_OPERATORS_USER_STATE_H
#define FLINC_ENGINE_OPERATORS_USER_STATE_H

#include "engine/operators/user_function.h"
#include "engine/state/user/key_cursor.h"

enum { USER_STATE_NAME_MAX = 200 }; /* bytes; internal states get longer ones */

struct user_states {
    struct key_cursor cursor;     /* with a backend once a state was declared */
    struct op_context *ctx;       /* Borrows */
    struct user_functions *owner; /* Borrows */
    struct schema *key_schema;    /* Owns a ref */
    struct vec states;            /* struct user_state *, Owns */
};

/* Makes it possible for the functions to declare keyed state: the key is `n_keys` columns of `schema`.
 * fs->states belongs to the functions then.  Once is enough, more do nothing. */
int user_states_open(struct user_functions *fs, struct op_context *ctx, const struct schema *schema,
                     const uint32_t *key_columns, uint32_t n_keys, struct error *err) MUST_CHECK;
struct user_states *user_states_free(struct user_states *s); /* NULL is fine; returns NULL */

/* The batch whose rows' keys come next; it gets key hashes when it has none (and may become another header
 * for that). */
int user_states_begin_batch(struct user_states *s, struct batch **inout_batch,
                            const uint32_t *key_columns, struct error *err) MUST_CHECK;
static inline void user_states_set_row(struct user_states *s, uint32_t i)
{
    if (s != NULL) {
        s->cursor.row = i;
    }
}
/* What a declared state has an entry per key in; NULL: `handle` is none of these functions' states. */
struct keyed_state *user_states_keys_of(const struct user_states *s, const void *handle);
/* No key is at hand any more.  Cleans up some of what outlived its time. */
int user_states_end_batch(struct user_states *s, struct error *err) MUST_CHECK;

#endif
