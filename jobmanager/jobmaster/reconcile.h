/* Comparing notes with the workers: every heartbeat.interval each worker is asked for a report of all
 * its tasks.  An attempt that it should have and does not know is failed; one that it runs and should
 * not, or that does not end although it is cancelled, is cancelled again.
 *
 * A channel keeps the order, so a worker that answers request n has seen every deployment sent before
 * it, and its terminal updates came before its answer: whatever is missing from it is gone.
 * Beside that, values are asked for anew when somebody reads them (reconcile_refresh): the answer to such a
 * request (id 0) brings counters and states, and nothing is concluded from what is not in it.
 * Thread: the job master's.  Flink: TaskManager heartbeats with ExecutionDeploymentReport,
 * DefaultExecutionDeploymentReconciler. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_RECONCILE_H
#define FLINC_JOBMANAGER_JOBMASTER_RECONCILE_H

#include "jobmanager/jobmaster/workers.h"

enum { RECONCILE_REFRESH_MS = 300 }; /* between two requests for values */

void reconcile_start(struct jobmaster *jm);
/* Messages may have been lost: asks at once, beside the periodic requests. */
void reconcile_now(struct jobmaster *jm);
/* Somebody reads the job's details: asks for newer values when the last ones were asked for
 * RECONCILE_REFRESH_MS ago or earlier.  A worker that owes an answer is not asked again. */
void reconcile_refresh(struct jobmaster *jm);
void reconcile_stop(struct jobmaster *jm);
/* The answer to a request. */
void reconcile_on_report(struct jobmaster *jm, struct worker_link *link,
                         const Flinc__TaskReport *report);

#endif
