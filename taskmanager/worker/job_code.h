/* User code of a job in this process: libraries that are loaded already, or are opened, by their path or,
 * in a worker process, from the folder of blobs, where a library lies as <hex of its content hash>.so.
 * Thread: load and free the worker's owner; resolve any.  Flink: UserCodeClassLoader. */
#ifndef FLINC_TASKMANAGER_WORKER_JOB_CODE_H
#define FLINC_TASKMANAGER_WORKER_JOB_CODE_H

#include "common/base/map.h"
#include "common/base/vec.h"
#include "taskmanager/worker/worker.h"

enum { JOB_CODE_HASH_BYTES = 32 }; /* SHA-256 */

struct job_code {
    struct code_resolver resolver; /* first */
    pthread_mutex_t lock;          /* guards libraries */
    struct map libraries;          /* Owns: name -> struct code_library * */
    struct vec opened;             /* struct shared_object: what was not loaded before */
    char *blob_dir;                /* Owns; NULL: libraries lie where their path says */
};

void job_code_init(struct job_code *c, const char *blob_dir /* may be NULL */);
void job_code_fini(struct job_code *c);

#endif
