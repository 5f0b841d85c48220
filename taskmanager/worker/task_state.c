/* The table of moves behind task_state.h. */
#include "taskmanager/worker/task_state.h"

#define STATE(name) FLINC__EXECUTION_STATE__EXECUTION_##name
#define MOVE(name) (1u << STATE(name))

static const struct {
    const char *name;
    uint32_t moves; /* states that may follow */
} states[] = {
    [STATE(CREATED)] = {"CREATED", MOVE(SCHEDULED) | MOVE(CANCELED) | MOVE(FAILED)},
    [STATE(SCHEDULED)] = {"SCHEDULED", MOVE(DEPLOYING) | MOVE(CANCELED) | MOVE(FAILED)},
    [STATE(DEPLOYING)] = {"DEPLOYING", MOVE(INITIALIZING) | MOVE(CANCELING) | MOVE(FAILED)},
    [STATE(INITIALIZING)] = {"INITIALIZING", MOVE(RUNNING) | MOVE(CANCELING) | MOVE(FAILED)},
    [STATE(RUNNING)] = {"RUNNING", MOVE(FINISHED) | MOVE(CANCELING) | MOVE(FAILED)},
    [STATE(FINISHED)] = {"FINISHED", 0},
    [STATE(CANCELING)] = {"CANCELING", MOVE(CANCELED) | MOVE(FAILED)},
    [STATE(CANCELED)] = {"CANCELED", 0},
    [STATE(FAILED)] = {"FAILED", 0},
};

const char *task_state_name(task_state state)
{
    return (size_t)state < ARRAY_LEN(states) ? states[state].name : "UNKNOWN";
}

bool task_state_is_terminal(task_state state)
{
    return (size_t)state < ARRAY_LEN(states) && states[state].moves == 0;
}

bool task_state_may_follow(task_state from, task_state to)
{
    return (size_t)from < ARRAY_LEN(states) && (states[from].moves >> to & 1) != 0;
}

bool task_state_transition(_Atomic int *state, task_state to, task_state *ret_from)
{
    int from = atomic_load(state);
    do {
        if (ret_from != NULL) {
            *ret_from = (task_state)from;
        }
        if (!task_state_may_follow((task_state)from, to)) {
            return false;
        }
    } while (!atomic_compare_exchange_weak(state, &from, (int)to));
    return true;
}
