/* What history.c and fetch.c share; see history.h. */
#ifndef FLINC_JOBMANAGER_HISTORY_HISTORY_INTERNAL_H
#define FLINC_JOBMANAGER_HISTORY_HISTORY_INTERNAL_H

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/fs/fs.h"
#include "jobmanager/history/history.h"

/* An archive that is known, by its file's time and size; shown when it has a copy. */
struct history_job {
    char id[HISTORY_ID_LEN + 1];
    uint32_t folder; /* in history.folders */
    int64_t modified_ms;
    uint64_t size_bytes;
    char *overview; /* Owns; its line in the list; NULL: it was refused, and there is no copy */
    uint32_t tries; /* refused ones in a row */
    uint64_t next_round; /* when it is tried again */
    uint64_t seen_round; /* the last look that found it */
};

struct history_folder {
    char *uri;    /* Owns */
    bool missing; /* it was, at the last look */
};

struct history {
    const struct conf *conf; /* Borrows */
    struct vec folders;      /* Owns: of struct history_folder */
    struct owned_dir copies; /* the local folder */
    bool cleans_expired;
    int32_t retained_jobs;   /* -1: all */
    int64_t retained_ttl_ms; /* -1: for ever */
    int64_t interval_ms;
    uint64_t round;     /* of looks; the fetching thread */
    bool says_too_many; /* the limit was reached, and said so */
    pthread_t thread;
    bool runs;
    struct cancel_token *stopping;

    pthread_mutex_t lock; /* guards what follows for readers; only the fetching thread writes */
    struct map jobs;      /* Owns: id -> struct history_job */
};

/* ---- history.c -------------------------------------------------------------------------------------- */

void history_copy_path(const struct history *h, const char *name, struct str *ret);
/* Puts a job in, or replaces it; takes it.  Its copy is there. */
void history_put(struct history *h, struct history_job *take);
/* Takes a job out with its copy. */
void history_drop(struct history *h, const char *id);
struct history_job *history_job_new(const char *id);
void history_job_free(void *job);
/* Makes the list of all jobs anew. */
int history_publish(struct history *h, struct error *err) MUST_CHECK;

/* ---- fetch.c ---------------------------------------------------------------------------------------- */

void history_look(struct history *h, struct history_round *ret);

#endif
