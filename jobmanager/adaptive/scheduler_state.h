/* The states of the adaptive scheduler, by Flink's names and with Flink's moves.
 *
 *   CREATED ─► WAITING_FOR_RESOURCES ─► CREATING_EXECUTION_GRAPH ─► EXECUTING ─► FINISHED
 *                   ▲    │  ▲                 │        ▲             │   ▲ │
 *                   │    │  └─ slots are gone ┘        │             │   │ └─► STOP_WITH_SAVEPOINT
 *                   │    ▼                             │ planned     ▼   └───────────┘
 *                   └─ RESTARTING ─────────────────────┴───────── (a failure, a rescale)
 *
 *   and from all of them but FINISHED: FAILING, CANCELING, and FINISHED (suspended).
 * A failure before the job executes (what it starts from cannot be read) goes to RESTARTING as well, so that
 * the restart strategy is asked; Flink ends the job.  Thread: any (const tables).
 * Flink: org.apache.flink.runtime.scheduler.adaptive.State. */
#ifndef FLINC_JOBMANAGER_ADAPTIVE_SCHEDULER_STATE_H
#define FLINC_JOBMANAGER_ADAPTIVE_SCHEDULER_STATE_H

#include <stdbool.h>

enum scheduler_state {
    SCHEDULER_CREATED,
    SCHEDULER_WAITING_FOR_RESOURCES,
    SCHEDULER_CREATING_EXECUTION_GRAPH,
    SCHEDULER_EXECUTING,
    SCHEDULER_RESTARTING,
    SCHEDULER_STOP_WITH_SAVEPOINT,
    SCHEDULER_FAILING,
    SCHEDULER_CANCELING,
    SCHEDULER_FINISHED,
    SCHEDULER_STATES,
};
const char *scheduler_state_name(enum scheduler_state state); /* "WaitingForResources" */
bool scheduler_state_may_move(enum scheduler_state from, enum scheduler_state to);

#endif
