/* User code for workers in this process: libraries that are loaded already, or are opened by their path.
 * Thread: load and free the worker's owner; resolve any.  Flink: UserCodeClassLoader. */
#ifndef FLINC_MINICLUSTER_CODE_H
#define FLINC_MINICLUSTER_CODE_H

#include "common/base/map.h"
#include "common/base/vec.h"
#include "taskmanager/worker/worker.h"

struct local_code {
    struct code_resolver resolver; /* first */
    pthread_mutex_t lock;          /* guards libraries */
    struct map libraries;          /* Owns: name -> struct code_library * */
    struct vec opened;             /* struct shared_object: what was not loaded before */
};

void local_code_init(struct local_code *c);
void local_code_fini(struct local_code *c);

#endif
