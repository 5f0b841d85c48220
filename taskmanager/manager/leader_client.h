/* Connections to the job manager, wherever it is: at jobmanager.rpc.address, or, with high availability, at the address of the one that
 * leads now.
 *
 * Thread: any.  Lifetime: the process's; connections to former leaders are kept until its end.
 * Flink: LeaderRetrievalService of the ResourceManager. */
#ifndef FLINC_TASKMANAGER_MANAGER_LEADER_CLIENT_H
#define FLINC_TASKMANAGER_MANAGER_LEADER_CLIENT_H

#include "common/ha/ha.h"
#include "common/rpc/grpc/grpc.h"

enum { LEADER_CLIENTS_MAX = 4096 }; /* addresses of leaders, ever */

struct leader_client_options {
    const struct conf *conf;     /* Borrows during the call */
    struct rpc_runtime *runtime; /* Borrows */
    const char *host;            /* Borrows; without high availability; so is the port */
    uint32_t port;
    /* Somebody leads now; never without high availability.  On a thread of common/ha. */
    void (*on_leader)(void *arg, const struct flinc_id *token);
    void *arg;
};
struct leader_client;
int leader_client_new(const struct leader_client_options *options, struct leader_client **ret,
                      struct error *err) MUST_CHECK;
/* Tells nobody any more.  May be called again. */
void leader_client_stop(struct leader_client *c);
/* Its streams are closed before.  NULL is fine; returns NULL. */
struct leader_client *leader_client_free(struct leader_client *c);
/* The connection to the leader of now; borrowed.  ERR_UNAVAILABLE: nobody leads. */
int leader_client_get(struct leader_client *c, struct rpc_client **ret,
                      struct error *err) MUST_CHECK;

#endif
