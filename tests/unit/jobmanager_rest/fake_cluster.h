/* A dispatcher, a resource manager and a builder that know one running job, one ended job and two task
 * managers, under a real REST server: what its handlers do with them is tested without a cluster. */
#ifndef FLINC_TESTS_JOBMANAGER_REST_FAKE_CLUSTER_H
#define FLINC_TESTS_JOBMANAGER_REST_FAKE_CLUSTER_H

#include "jobmanager/rest/rest.h"
#include "tests/unit/jobmanager_rest/fixture.h"

#define ENDED_JOB_ID "ffffffffffffffffffffffffffffffff"
/* A value that must not be shown, under a key that says so. */
#define FAKE_SECRET "hunter2-secret"

struct fake_cluster {
    struct conf conf;
    struct blob_store *blobs;
    struct metric_registry *metrics;
    struct metric_group *group;
    struct rest_server *server;
    char dir[64], log_dir[96];
    _Atomic int n_queries, n_shutdowns, n_submitted, n_cancelled;
    _Atomic bool leaderless;
    uint32_t jobs; /* running ones that lists show */
    struct checkpoint_operations *operations;
    enum checkpoint_type checkpoint_type; /* what was asked for last */
    bool checkpoint_fails;
    struct savepoint_request savepoint;
};
/* settings: key, value, ..., NULL; over a configuration with any port.  May be NULL. */
void fake_cluster_start(struct fake_cluster *c, const char *const *settings);
void fake_cluster_stop(struct fake_cluster *c);

#endif
