/* What a job manager process is made of, in the order of its start; stopped the other way round.
 *
 *   always       folders, metrics ─► blob store, job builder ─► high availability ─► (with it) the REST port of a standby
 *   as a leader  I/O threads ─► recovery ─► resource manager ─► dispatcher ─► gRPC (task managers may come)
 *                   ─► jobs of former leaders ─► REST (people may come) ─► the address is published
 *
 * Lifetime: services_start, (services_lead, services_retire)..., services_stop; what fails leaves nothing.
 * Thread: one at a time; main, and that of the leadership. */
#ifndef FLINC_JOBMANAGER_PROCESS_SERVICES_H
#define FLINC_JOBMANAGER_PROCESS_SERVICES_H

#include "common/conf/conf.h"
#include "common/fs/owned_dir.h"
#include "common/metrics/process_metrics.h"
#include "common/metrics/prometheus/prometheus.h"
#include "common/spawner/spawner.h"
#include "jobmanager/archive/archive.h"
#include "jobmanager/process/calls.h"
#include "jobmanager/process/coordinator_launcher.h"
#include "jobmanager/process/forwarder.h"
#include "jobmanager/process/home.h"
#include "jobmanager/process/prober.h"
#include "jobmanager/rest/rest.h"

enum { SERVICES_IO_THREADS_DEFAULT = 4, SERVICES_HISTORY_THREADS = 2 };

struct services_options {
    struct conf *conf; /* Borrows; the port that was found is set in it */
    struct spawner *spawner;
    bool application;
    void (*on_job_ended)(void *owner, const struct flinc_id *job_id, enum job_status status);
    void (*on_shutdown)(void *owner); /* REST asks for the end of the cluster */
    void *owner;
};

/* Caller's memory. */
struct services {
    struct services_options options;
    struct owned_dir work; /* io.tmp.dirs */
    struct owned_dir web;  /* web.tmpdir; none when web.upload.dir is set */
    struct metric_registry *metrics;
    struct metric_group *group;
    struct process_metrics *process_metrics;
    struct prometheus_reporters *reporters;
    struct blob_store *blobs;
    struct job_builder *builder;
    struct rpc_runtime *runtime;
    struct archivist *archivist; /* NULL: jobmanager.archive.fs.dir is not set */
    struct ha *ha;
    int rest_fd; /* with high availability: the REST port, whoever serves it; -1: none */
    struct forwarder *forwarder; /* while this is a standby */

    /* While this process leads. */
    struct flinc_id token;
    struct executor *io;
    struct executor *history;  /* writes archives of ended jobs; NULL: none are written */
    struct recovery *recovery; /* outlives what the executor does; NULL without high availability */
    struct prober *prober;     /* outlives the resource manager */
    struct resourcemanager *resourcemanager;
    struct coordinator_children *coordinators; /* outlives the dispatcher's job masters */
    struct checkpoint_operations *operations;  /* outlives the dispatcher */
    struct dispatcher *dispatcher;
    struct calls *calls;
    struct rest_server *rest;
};
int services_start(struct services *s, const struct services_options *options,
                   struct error *err) MUST_CHECK;
void services_stop(struct services *s);
/* ERR_FENCED: the leadership is over already.  After an error services_retire() follows all the same. */
int services_lead(struct services *s, const struct flinc_id *token, struct error *err) MUST_CHECK;
/* Suspends all jobs; nothing that outlives this process is deleted.  Without leading nothing happens. */
void services_retire(struct services *s);

#endif
