/* The state machine of a job: Flink's JobStatus with Flink's moves.
 *
 *   INITIALIZING ──► CREATED ──► RUNNING ──────────► FINISHED
 *                       │        │    ▲
 *                       │        ▼    │
 *                       │◄─────RESTARTING
 *                       ▼        ▼
 *                       FAILING ─────► FAILED          (from CREATED, RUNNING, RESTARTING)
 *                          │
 *                          ▼
 *                       CANCELLING ──► CANCELED        (from the same and FAILING)
 *
 * Every state that is not terminal may also become SUSPENDED (lost leadership), and INITIALIZING
 * may fail at once.  Under the adaptive scheduler a job waits for its slots as CREATED, also after a restart, and
 * may go from there to RESTARTING.  RECONCILING is kept for its name.  Thread: any (const tables). */
#ifndef FLINC_JOBMANAGER_JOBMASTER_JOB_STATUS_H
#define FLINC_JOBMANAGER_JOBMASTER_JOB_STATUS_H

#include "jobmanager/jobmaster/jobmaster.h"

bool job_status_may_move(enum job_status from, enum job_status to);

#endif
