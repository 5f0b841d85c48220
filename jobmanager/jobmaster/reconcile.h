/* Comparing notes with the workers: every heartbeat.interval each worker is asked for a report of all
 * its tasks.  An attempt that it should have and does not know is failed; one that it runs and should
 * not, or that does not end although it is cancelled, is cancelled again.
 *
 * A channel keeps the order, so a worker that answers request n has seen every deployment sent before
 * it, and its terminal updates came before its answer: whatever is missing from it is gone.
 * Thread: the job master's.  Flink: TaskManager heartbeats with ExecutionDeploymentReport,
 * DefaultExecutionDeploymentReconciler. */
#ifndef FLINC_JOBMANAGER_JOBMASTER_RECONCILE_H
#define FLINC_JOBMANAGER_JOBMASTER_RECONCILE_H

#include "jobmanager/jobmaster/workers.h"

void reconcile_start(struct jobmaster *jm);
/* Messages may have been lost: asks at once, beside the periodic requests. */
void reconcile_now(struct jobmaster *jm);
void reconcile_stop(struct jobmaster *jm);
/* The answer to a request. */
void reconcile_on_report(struct jobmaster *jm, struct worker_link *link,
                         const Flinc__TaskReport *report);

#endif
