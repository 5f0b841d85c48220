/* Application mode: finds the bundle, has its main run by the job builder, submits the job.
 *
 * It runs on a thread of its own, so that the process answers to signals and REST meanwhile.
 * Flink: ApplicationDispatcherBootstrap, PackagedProgramRetriever.  Thread: as said. */
#ifndef FLINC_JOBMANAGER_PROCESS_APPLICATION_H
#define FLINC_JOBMANAGER_PROCESS_APPLICATION_H

#include "jobmanager/process/args.h"
#include "jobmanager/process/services.h"

struct application;
/* The main failed, or the job was refused; on the application's thread. */
typedef void (*application_failed_fn)(void *owner, const struct flinc_id *job_id, const char *name,
                                      const struct error *why);
/* Thread: main.  The owner of on_failed is `services`. */
int application_start(struct services *services, const struct process_args *args,
                      application_failed_fn on_failed, struct application **ret,
                      struct error *err) MUST_CHECK;
/* Thread: main.  Ends a main that runs still, waits.  NULL is fine. */
struct application *application_stop(struct application *a);

/* The path of the bundle that the arguments mean; `usrlib` is the folder to look in. */
int application_find_bundle(const struct process_args *args, const char *usrlib,
                            struct str *ret_path, struct error *err) MUST_CHECK;

#endif
