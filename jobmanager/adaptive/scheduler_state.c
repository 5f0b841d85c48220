/* Names and moves of the adaptive scheduler's states; see scheduler_state.h. */
#include "jobmanager/adaptive/scheduler_state.h"

#include "common/base/macros.h"
#include <stdint.h>

#define MOVE(state) (1u << SCHEDULER_##state)
#define ENDS (MOVE(FAILING) | MOVE(CANCELING) | MOVE(FINISHED))

static const struct {
    const char *name;
    uint16_t moves; /* bit `to` */
} state_rows[] = {
    [SCHEDULER_CREATED] = {"Created", MOVE(WAITING_FOR_RESOURCES) | ENDS},
    [SCHEDULER_WAITING_FOR_RESOURCES] = {"WaitingForResources",
                                         MOVE(CREATING_EXECUTION_GRAPH) | MOVE(RESTARTING) | ENDS},
    [SCHEDULER_CREATING_EXECUTION_GRAPH] = {"CreatingExecutionGraph",
                                            MOVE(EXECUTING) | MOVE(WAITING_FOR_RESOURCES) |
                                                MOVE(RESTARTING) | ENDS},
    [SCHEDULER_EXECUTING] = {"Executing", MOVE(RESTARTING) | MOVE(STOP_WITH_SAVEPOINT) | ENDS},
    /* to itself: a restart that goes wrong begins anew */
    [SCHEDULER_RESTARTING] = {"Restarting", MOVE(WAITING_FOR_RESOURCES) |
                                                MOVE(CREATING_EXECUTION_GRAPH) | MOVE(RESTARTING) |
                                                ENDS},
    [SCHEDULER_STOP_WITH_SAVEPOINT] = {"StopWithSavepoint",
                                       MOVE(EXECUTING) | MOVE(RESTARTING) | ENDS},
    [SCHEDULER_FAILING] = {"Failing", MOVE(CANCELING) | MOVE(FINISHED)},
    [SCHEDULER_CANCELING] = {"Canceling", MOVE(FINISHED)},
    [SCHEDULER_FINISHED] = {"Finished", 0},
};
_Static_assert(ARRAY_LEN(state_rows) == SCHEDULER_STATES, "one row per state");

const char *scheduler_state_name(enum scheduler_state state)
{
    return (unsigned)state < SCHEDULER_STATES ? state_rows[state].name : "Unknown";
}

bool scheduler_state_may_move(enum scheduler_state from, enum scheduler_state to)
{
    return (unsigned)from < SCHEDULER_STATES && (unsigned)to < SCHEDULER_STATES &&
           (state_rows[from].moves & 1u << to) != 0;
}
