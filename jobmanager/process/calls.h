/* The gRPC server of the job manager: the streams of task managers go to the resource manager; Ping and
 * GetBlob are answered here, by a component of their own, as reading a blob may wait for the disk.
 * Thread: any. */
#ifndef FLINC_JOBMANAGER_PROCESS_CALLS_H
#define FLINC_JOBMANAGER_PROCESS_CALLS_H

#include "common/rpc/grpc/grpc.h"
#include "jobmanager/blob/blob_store.h"
#include "jobmanager/resourcemanager/resourcemanager.h"

struct calls_options {
    struct rpc_runtime *runtime;             /* Borrows */
    struct resourcemanager *resourcemanager; /* Borrows */
    struct blob_store *blobs;                /* Borrows */
    const struct conf *conf;                 /* Borrows during the start */
    const char *port_option; /* whose port or range is listened at; NULL: jobmanager.rpc.port */
};
struct calls;
/* Listens at jobmanager.rpc.bind-port, else port_option, else jobmanager.rpc.port, of jobmanager.bind-host. */
int calls_start(const struct calls_options *options, struct calls **ret,
                struct error *err) MUST_CHECK;
/* What task managers are told: with jobmanager.rpc.bind-port that of port_option, else the one that is listened on. */
uint32_t calls_port(const struct calls *c);
struct calls *calls_stop(struct calls *c); /* NULL is fine */

#endif
