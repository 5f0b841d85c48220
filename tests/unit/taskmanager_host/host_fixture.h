/* A task manager made of a worker host, and job masters for the workers that it starts: real processes, real
 * bundles, the messages between master and worker as the product sends them.
 *
 * The test's thread is the component's (manual mode); loop, executor and job masters have their own. */
#ifndef FLINC_TESTS_HOST_FIXTURE_H
#define FLINC_TESTS_HOST_FIXTURE_H

#include "common/rpc/transport.h"
#include "jobmanager/jobmaster/jobmaster.h"
#include "taskmanager/host/worker_host.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

enum { FIXTURE_HOSTS_MAX = 2 };

/* One task manager of the fixture. */
struct fixture_host {
    struct fixture *fixture;
    uint32_t index;
    char work_dir[80];
    struct worker_host *host;
    struct flinc_id incarnation; /* of the worker that was ready last */
};

struct fixture {
    struct spawner *spawner;
    struct component *component;
    struct loop *loop;
    pthread_t loop_thread;
    struct executor *executor;
    struct fixture_host hosts[FIXTURE_HOSTS_MAX];
    uint32_t n_hosts;
    struct worker_host *host; /* Borrows: of hosts[0] */
    struct conf conf;
    char dir[64];      /* logs, and a work folder per host */
    char bundle[4200]; /* what fetch_blob gives */
    uint32_t n_fetched;
    bool damage_blobs;
    /* What the host told last. */
    uint32_t n_ready, n_gone, n_messages;
    struct error why;
    struct job_run *run; /* the present one */
    int fds_before, threads_before;
};

/* A job with its master. */
struct job_run {
    struct fixture *fixture;
    Flinc__JobGraph *graph;
    struct jobmaster *master;
    struct run_link {
        struct job_run *run;
        uint32_t index;
        struct rpc_channel *channel; /* Borrows: the job master's end */
        bool started;
    } links[FIXTURE_HOSTS_MAX];
    struct slot_provider slots;
    struct flinc_id job_id, token;
    struct worker_budget budget;
    uint32_t n_declared, n_offered;
    bool ended;
    enum job_status status;
    struct error cause;
    Flinc__BlobRef blob, *blobs[1];
    uint8_t hash[32];
};

int fixture_open(void **state);
int fixture_close(void **state);
/* One more task manager.  The program that stands in for its workers; NULL: the real one. */
void fixture_start_host(struct fixture *f, const char *taskworker_path);

/* Builds the graph by the bundle's main, in a child. */
void run_build(struct fixture *f, struct job_run *r, const char *mode, const char *n);
/* The blob's name from fixture.bundle, when that was changed. */
void run_hash_blob(struct job_run *r);
void run_start(struct job_run *r);
void run_wait(struct job_run *r);
void run_free(struct job_run *r);
int64_t run_accumulator(struct job_run *r, const char *name);
/* Steps the component until the condition holds; fails after 60 s. */
void fixture_until(struct fixture *f, bool (*fn)(void *arg), void *arg);
bool fixture_is_ready(void *arg); /* n_ready > 0 */
bool fixture_is_gone(void *arg);  /* n_gone > 0 */
/* pid of the only worker; 0: none. */
pid_t fixture_worker_pid(struct fixture *f);
void build_path(char *ret, size_t size, const char *below); /* in the build folder */

#endif
