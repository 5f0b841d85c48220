/* What a job manager process is made of, in the order of its start; stopped the other way round.
 *
 *   folders, I/O threads, metrics ─► blob store, job builder ─► resource manager ─► dispatcher
 *      ─► gRPC (task managers may come) ─► REST (people may come)
 *
 * Lifetime: services_start, services_stop; a failed start leaves nothing.  Thread: main. */
#ifndef FLINC_JOBMANAGER_PROCESS_SERVICES_H
#define FLINC_JOBMANAGER_PROCESS_SERVICES_H

#include "common/conf/conf.h"
#include "common/fs/owned_dir.h"
#include "common/metrics/process_metrics.h"
#include "common/metrics/prometheus/prometheus.h"
#include "common/spawner/spawner.h"
#include "jobmanager/process/calls.h"
#include "jobmanager/process/coordinator_launcher.h"
#include "jobmanager/process/prober.h"
#include "jobmanager/rest/rest.h"

enum { SERVICES_IO_THREADS_DEFAULT = 4 };

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
    struct executor *io;
    struct metric_registry *metrics;
    struct metric_group *group;
    struct process_metrics *process_metrics;
    struct prometheus_reporters *reporters;
    struct blob_store *blobs;
    struct job_builder *builder;
    struct rpc_runtime *runtime;
    struct prober *prober; /* outlives the resource manager */
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

/* A folder or file of the distribution that this program lies in: "usrlib", "libexec/flinc-jobbuilder". */
void services_home_path(const char *name, struct str *ret_path);

#endif
