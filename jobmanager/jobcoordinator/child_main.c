/* The child's main, in libflinc.so: one loop, one channel on descriptor 3, an executor. */

#include "common/base/log.h"
#include "common/rpc/socket.h"
#include "jobmanager/jobcoordinator/jobcoordinator.h"
#include <stdio.h>

enum { JOBCOORDINATOR_IO_THREADS = 4, EXIT_NO_START = 2 };

static void on_over(void *owner)
{
    loop_stop(owner);
}

static int run(struct loop *loop, struct executor *executor, struct error *err)
{
    struct jobcoordinator *j = jobcoordinator_new(&(struct jobcoordinator_options){
        .loop = loop, .io_executor = executor, .on_over = on_over, .owner = loop});
    struct rpc_socket_options socket = {.loop = loop, .fd = JOBCOORDINATOR_FD};
    struct rpc_channel *channel = NULL;
    jobcoordinator_get_end(j, &socket.end);
    int rc = rpc_socket_open(&socket, &channel, err);
    if (rc == 0) {
        jobcoordinator_set_channel(j, channel);
        rc = loop_run(loop, err);
    }
    jobcoordinator_free(j);
    return rc;
}

__attribute__((visibility("default"))) int flinc_private_jobcoordinator_main(void);

int flinc_private_jobcoordinator_main(void)
{
    struct error err = ERROR_INIT;
    struct loop *loop = NULL;
    struct executor *executor = NULL;
    int rc = loop_new(&(struct loop_options){.name = "jobcoordinator"}, &loop, &err);
    if (rc == 0) {
        rc = executor_new(
            &(struct executor_options){.name = "flinc-io", .n_threads = JOBCOORDINATOR_IO_THREADS},
            &executor, &err);
    }
    if (rc == 0) {
        rc = run(loop, executor, &err);
    }
    if (rc < 0) {
        fprintf(stderr, "flinc-jobcoordinator: %s\n", err.message);
    }
    executor_free(executor);
    loop_free(loop);
    return rc < 0 ? EXIT_NO_START : 0;
}
