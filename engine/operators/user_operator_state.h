/* Operator state of user functions: lists, union lists and broadcast maps as include/flinc/state.h has them,
 * over engine/state/operator_state.h.
 *
 * Made when a function declares its first one, freed with the functions.  Broadcast maps are kept decoded,
 * too, so that reading one costs no decoding.  Thread: the task's.
 * Flink: DefaultOperatorStateBackend as functions see it. */
#ifndef FLINC_ENGINE_OPERATORS_USER_OPERATOR_STATE_H
#define FLINC_ENGINE_OPERATORS_USER_OPERATOR_STATE_H

#include "common/base/vec.h"
#include "engine/operators/user_function.h"

struct user_operator_states {
    struct vec items; /* struct user_operator_state *, Owns */
};
/* NULL is fine; returns NULL. */
struct user_operator_states *user_operator_states_free(struct user_operator_states *s);

#endif
