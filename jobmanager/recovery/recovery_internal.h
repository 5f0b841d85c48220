/* What the files of this room offer each other; see recovery.h.
 *
 *   recovery.c      graphs, checkpoints, the list of jobs
 *   requirements.c  bounds of the parallelism
 *   bundles.c       the bundles of a job as files of the storage folder
 *   results.c       how jobs ended, and removing them */
#ifndef FLINC_JOBMANAGER_RECOVERY_RECOVERY_INTERNAL_H
#define FLINC_JOBMANAGER_RECOVERY_RECOVERY_INTERNAL_H

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "jobmanager/recovery/recovery.h"
#include <pthread.h>

#define RECOVERY_TOPIC "flinc.recovery"

struct recovery {
    struct ha *ha; /* Borrows */
    struct flinc_id token;
    struct blob_store *blobs; /* Borrows */
    char *tmp_dir;            /* Owns */
    bool keeps_results;       /* job-result-store.delete-on-commit: false */
    struct checkpoint_pointers pointers;
    pthread_mutex_t
        lock; /* guards `ended`; held over writes of results, and of what must not come after them */
    struct map ended; /* Owns: hex -> struct ended_job */
    struct map
        reserved; /* Owns: hex -> uint64_t: the next number of a checkpoint, as it was written under this leadership */
};

/* "jobgraphs/<job>", "jobs/<job>/...". */
void recovery_name(struct str *ret, const char *folder, const char *job_hex, const char *rest);

/* Under the lock, which is held over the write as well: what is written after the end of a job would be left when the rest of
 * it is removed.  ERR_CANCELLED. */
int recovery_check_goes_on(const struct recovery *r, const char *job_hex,
                           struct error *err) MUST_CHECK;

/* ---- requirements.c ------------------------------------------------------------------------------- */

/* Appends to *ret; nothing is kept: nothing is appended. */
int requirements_fetch(struct recovery *r, const char *job_hex, struct vec *ret,
                       struct error *err) MUST_CHECK;

/* ---- bundles.c ------------------------------------------------------------------------------------ */

int bundles_keep(struct recovery *r, const char *job_hex, const struct blob_key *blobs, uint32_t n,
                 struct error *err) MUST_CHECK;
/* Into the blob store; *ret_key with a reference. */
int bundles_fetch(struct recovery *r, const char *job_hex, ProtobufCBinaryData hash,
                  struct blob_key *ret_key, struct error *err) MUST_CHECK;
void bundles_delete(struct recovery *r, const char *job_hex);

/* ---- results.c ------------------------------------------------------------------------------------ */

/* 1: the job has a result; *ret_dirty: and is not removed yet. */
int results_find(struct recovery *r, const char *job_hex, bool *ret_dirty,
                 struct error *err) MUST_CHECK;
/* Ends what a former leader has begun: of each job with a dirty result. */
void results_clean(struct recovery *r, const struct recovery_left *left);
int results_end_job(struct recovery *r, const char *job_hex, const char *status, bool files_go,
                    bool holds, struct error *err) MUST_CHECK;
/* Files of the job are deleted, which was said before (`holds`): what is kept of it may be removed when all are. */
void results_let_go(struct recovery *r, const char *job_hex);

#endif
