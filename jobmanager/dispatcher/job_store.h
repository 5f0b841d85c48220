/* The store of finished jobs: what REST shows of a job after its end, for jobstore.expiration-time, the
 * newest jobstore.max-capacity of them.  Type File keeps each job in a file of its own, and those that
 * are asked for in memory, up to jobstore.cache-size; type Memory keeps all in memory.
 *
 * A job that cannot be written (full disk) is kept in memory.  The files go with the store.
 * Thread: any (lock: job_store.lock, a leaf; no I/O under it).  Flink: FileExecutionGraphInfoStore,
 * MemoryExecutionGraphInfoStore. */
#ifndef FLINC_JOBMANAGER_DISPATCHER_JOB_STORE_H
#define FLINC_JOBMANAGER_DISPATCHER_JOB_STORE_H

#include "jobmanager/dispatcher/dispatcher.h"

/* Tells whether two graphs are the same. */
struct job_fingerprint {
    uint64_t words[2];
};

struct job_store_options {
    const char *dir;      /* NULL: in memory */
    uint64_t cache_bytes; /* of details in memory, when they are in files, too */
    uint32_t max_jobs;
    int64_t expiration_ms;
    const struct clock *clock; /* Borrows */
};
struct job_store;
int job_store_open(const struct job_store_options *options, struct job_store **ret,
                   struct error *err) MUST_CHECK;
struct job_store *job_store_close(struct job_store *s); /* NULL is fine */

/* A job on its way in: its file is written.  Blocks on the disk. */
struct job_store_entry;
struct job_store_entry *job_store_prepare(struct job_store *s, const struct job_overview *overview,
                                          const struct job_fingerprint *fingerprint,
                                          const struct job_details *details);
/* Enters it; the oldest ones over the capacity leave. */
void job_store_add(struct job_store *s, struct job_store_entry *take_entry);
/* Takes out what has expired, and removes the files of jobs that have left.  Touches the disk. */
void job_store_sweep(struct job_store *s);

bool job_store_find(struct job_store *s, const struct flinc_id *id, struct job_overview *ret,
                    struct job_fingerprint *ret_fingerprint /* may be NULL */);
/* Counted for the caller; may read a file.  ERR_NOT_FOUND, or what is wrong with the file. */
int job_store_get(struct job_store *s, const struct flinc_id *id, const struct job_details **ret,
                  struct error *err) MUST_CHECK;
void job_overviews_reserve(struct job_overviews *overviews, uint32_t n); /* room for n in all */
/* Appends all, newest first. */
void job_store_list(struct job_store *s, struct job_overviews *overviews);
uint32_t job_store_n(struct job_store *s);
/* Jobs that have ever come in, by their end. */
void job_store_get_counts(struct job_store *s, struct job_counts *ret);

struct job_store_stats {
    uint64_t cached_bytes, n_cached, loads;
};
void job_store_get_stats(struct job_store *s, struct job_store_stats *ret);

#endif
