/* What of the jobs outlives this process: their graphs and bundles, which checkpoints they have, how they ended; on top of the store of
 * common/ha, under one leadership.
 *
 *   jobgraphs/<job>                    the graph; its bundles are files: storageDir/<cluster-id>/blob/<job>/<hash>
 *   jobs/<job>/checkpoint_id_counter   the next number of a checkpoint
 *   jobs/<job>/checkpoints/<id>        where it is
 *   jobs/<job>/requirements            bounds of its parallelism, when a request has set them
 *   jobs/<job>/details                 what is known of it at its end, until it is archived for history servers
 *   results/<job>_DIRTY.json           how the job ended; what is left of it is being removed
 *   results/<job>.json                 it is removed (job-result-store.delete-on-commit: false)
 *
 * A job that has a result is never run again.  Everything of it is removed after its result is durable, the graph last, then the
 * result.
 *
 * Thread: any; all of it blocks.  Outcomes as in common/ha/ha.h.
 * Flink: ExecutionPlanStore (with JobResourceRequirements), JobResultStore, CompletedCheckpointStore, BlobStore. */
#ifndef FLINC_JOBMANAGER_RECOVERY_RECOVERY_H
#define FLINC_JOBMANAGER_RECOVERY_RECOVERY_H

#include "common/ha/ha.h"
#include "jobmanager/blob/blob_store.h"
#include "jobmanager/checkpoint/checkpoint_pointers.h"
#include "jobmanager/jobmaster/jobmaster.h"
#include "proto/graph.pb-c.h"

struct recovery;
struct recovery_options {
    struct ha *ha;            /* Borrows */
    struct flinc_id token;    /* of the leadership */
    const struct conf *conf;  /* Borrows during the call */
    struct blob_store *blobs; /* Borrows */
    const char *tmp_dir;      /* of bundles on their way; copied */
    bool
        keeps_results; /* whatever job-result-store.delete-on-commit says: an application must not run twice */
};
struct recovery *recovery_new(const struct recovery_options *options);
struct recovery *recovery_free(struct recovery *r); /* NULL is fine; returns NULL */

/* A job with what a former leader has left of it.  Caller's memory. */
struct recovered_job {
    Flinc__JobGraph *graph; /* Owns */
    struct blob_key *blobs; /* Owns; with references */
    uint32_t n_blobs;
    struct checkpoint_recovery checkpoints; /* Owns */
    struct vec
        requirements; /* Owns; of struct job_requirement, of all vertices; empty: never set */
};
void recovered_job_fini(struct recovered_job *job, struct blob_store *blobs);

/* Keeps the graph and its bundles (blobs[i] belongs to graph->libraries[i]).  ERR_ALREADY_EXISTS: there is a job of this id, or there
 * was: the text says so.  An error leaves nothing, unless its outcome is unknown. */
int recovery_put_job(struct recovery *r, const Flinc__JobGraph *graph, const struct blob_key *blobs,
                     uint32_t n_blobs, struct error *err) MUST_CHECK;
/* What is known of a job at its end, packed: whoever removes the job may want it (struct recovery_left). */
int recovery_keep_details(struct recovery *r, const char *job_hex, struct slice details,
                          struct error *err) MUST_CHECK;
struct recovery_left {
    /* A job that a former leader has not removed, with its details: true, and the receiver calls recovery_remove_job(). */
    bool (*take)(void *arg, const char *job_hex, struct slice details);
    void *arg;
};
/* Ids of all jobs that are to be run, in hex; ha_names_fini().  Removes what ended jobs have left, but what `left` (may be
 * NULL) takes. */
int recovery_list_jobs(struct recovery *r, const struct recovery_left *left, struct vec *ret_hexes,
                       struct error *err) MUST_CHECK;
/* The name that a person gave it, and the rest; an error names what cannot be read. */
int recovery_get_job(struct recovery *r, const char *job_hex, struct recovered_job *ret,
                     struct error *err) MUST_CHECK;
/* The bounds that were asked for last.  ERR_CANCELLED: the job has ended. */
int recovery_keep_requirements(struct recovery *r, const char *job_hex,
                               const struct job_requirement *requirements, size_t n,
                               struct error *err) MUST_CHECK;
enum recovery_files {
    RECOVERY_FILES_STAY,
    RECOVERY_FILES_GO, /* of its checkpoints: they are deleted by who calls end_job of recovery_pointers(), before this or later */
};
/* The job has ended for good: `status` by Flink's name, e.g. FINISHED.  May be repeated.  When files go, what is kept of the job is
 * not removed before they are deleted, by this leader or the next one. */
int recovery_end_job(struct recovery *r, const char *job_hex, const char *status,
                     enum recovery_files files, struct error *err) MUST_CHECK;
/* 1: the job has ended so; 0: nothing is known of an end. */
int recovery_find_end(struct recovery *r, const char *job_hex, enum job_status *ret_status,
                      struct error *err) MUST_CHECK;
/* Removes everything of a job that has ended, or never began. */
int recovery_remove_job(struct recovery *r, const char *job_hex, struct error *err) MUST_CHECK;
/* For job masters. */
const struct checkpoint_pointers *recovery_pointers(struct recovery *r);

#endif
