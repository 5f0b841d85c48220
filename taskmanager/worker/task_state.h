/* The states of one attempt of a subtask, Flink's ExecutionState as far as a worker goes through them
 * (CREATED and SCHEDULED are the job master's).  The values are those of the protobuf enum.
 *
 *   DEPLOYING ──► INITIALIZING ──► RUNNING ──► FINISHED
 *       │               │             │
 *       ├───────────────┴─────────────┴──► CANCELING ──► CANCELED
 *       └───────────── any of these ─────────────────► FAILED
 *
 * The one write to a state is task_state_transition(): compare and set against the table of allowed
 * moves.  The task's thread makes all moves but the one to CANCELING. */
#ifndef FLINC_TASKMANAGER_WORKER_TASK_STATE_H
#define FLINC_TASKMANAGER_WORKER_TASK_STATE_H

#include "common/base/error.h"
#include "proto/control.pb-c.h"
#include <stdatomic.h>

typedef Flinc__ExecutionState task_state;

const char *task_state_name(task_state state); /* "RUNNING" */
bool task_state_is_terminal(task_state state);
bool task_state_may_follow(task_state from, task_state to);
/* Moves from whatever it is now to `to`.  False: the table does not allow it (a terminal state, or
 * CANCELING came first); `ret_from` (may be NULL) is the state it was in. */
bool task_state_transition(_Atomic int *state, task_state to, task_state *ret_from);

#endif
