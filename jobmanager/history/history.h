/* The jobs of a history server: which archives there are, their local copies, the list of all.
 *
 * Thread: the fetching thread changes it; handlers of HTTP read (lock: history.lock, a leaf; no I/O under it). */
#ifndef FLINC_JOBMANAGER_HISTORY_HISTORY_H
#define FLINC_JOBMANAGER_HISTORY_HISTORY_H

#include "common/base/map.h"
#include "common/base/vec.h"
#include "common/conf/conf.h"
#include "common/fs/owned_dir.h"
#include "common/loop/cancel.h"
#include <pthread.h>

#define HISTORY_TOPIC "flinc.history"

enum {
    HISTORY_JOBS_MAX = 100 * 1000,
    HISTORY_FOLDERS_MAX = 64,         /* of historyserver.archive.fs.dir */
    HISTORY_OVERVIEW_MAX = 64 * 1024, /* a job's line in the list */
    HISTORY_RETRY_ROUNDS_MAX = 64,    /* looks between two tries of an archive that is refused */
    HISTORY_PUBLISH_EVERY = 256, /* new jobs after which the list is made, while more are fetched */
    HISTORY_ID_LEN = 32,
};

/* What historyserver.* says. */
struct history_options {
    const struct conf *conf; /* Borrows */
};

struct history;
/* Reads the keys, makes the local folder.  ERR_INVALID_CONFIG names the key; folders whose file system is not there are
 * left out with a warning, and it is an error when none is left. */
int history_new(const struct history_options *options, struct history **ret,
                struct error *err) MUST_CHECK;
/* Ends the fetching first; removes the local folder.  NULL is fine; returns NULL. */
struct history *history_free(struct history *h);

/* Looks into all folders once: what a thread does every historyserver.archive.fs.refresh-interval. */
struct history_round {
    uint32_t fetched, refused, removed, deleted, undeleted;
};
void history_refresh(struct history *h, struct history_round *ret);
int history_start(struct history *h, struct error *err) MUST_CHECK; /* the thread */

/* ---- for handlers; thread: any ---------------------------------------------------------------------- */

/* A descriptor with the answer's place in it, the caller's to close.  `page`: "/config", or "" for the job itself.
 * ERR_NOT_FOUND. */
int history_open_page(struct history *h, const char *job_hex, const char *page, int *ret_fd,
                      uint64_t *ret_offset, uint64_t *ret_size, struct error *err) MUST_CHECK;
/* The same of the list of all jobs, {"jobs":[...]}, newest first. */
int history_open_overview(struct history *h, int *ret_fd, uint64_t *ret_size,
                          struct error *err) MUST_CHECK;
uint32_t history_n_jobs(struct history *h);

#endif
