/* Starts the jobcoordinator children of job masters (libexec/flinc-jobcoordinator) by the spawner, and keeps the
 * loop that their sockets are on.  Loop and thread come with the first child.
 * Lifetime: longer than all job masters.  Thread: any. */
#ifndef FLINC_JOBMANAGER_PROCESS_COORDINATOR_LAUNCHER_H
#define FLINC_JOBMANAGER_PROCESS_COORDINATOR_LAUNCHER_H

#include "common/spawner/spawner.h"
#include "jobmanager/jobmaster/jobmaster.h"

struct coordinator_children;
/* path: of the program; copied. */
struct coordinator_children *coordinator_children_new(struct spawner *spawner, const char *path);
const struct coordinator_launcher *coordinator_children_launcher(struct coordinator_children *c);
/* NULL is fine; returns NULL. */
struct coordinator_children *coordinator_children_free(struct coordinator_children *c);

#endif
