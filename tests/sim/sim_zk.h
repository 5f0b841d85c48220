/* An ensemble of ZooKeeper servers and its client library, for the product's driver of ZooKeeper as it is (common/ha/zookeeper.c):
 * the linker gives zookeeper_api_get() to this file.
 *
 * Of the servers: transactions in one order; sessions that end when nobody was heard for their time-out, with their ephemeral
 * nodes; sequences; versions of what was, so that a client of a server that lags reads what is old, but never older than what it has
 * seen; watches that come once, and late.
 * Of the library: calls that wait for the connection, and fail when it breaks: what was written then has happened, has not, or
 * happens later; a session whose end the client hears only when it is connected again.
 *
 * Thread: one; clients are fibers. */
#ifndef FLINC_TESTS_SIM_SIM_ZK_H
#define FLINC_TESTS_SIM_SIM_ZK_H

#include "common/base/map.h"
#include "common/base/vec.h"
#include "tests/sim/sim_fiber.h"

struct sim;

/* What a transaction did to a node. */
struct sim_zk_change {
    int64_t session;
    const char *path;
    bool made, removed; /* neither: it has another value */
    const char *data;   /* "": none */
    size_t len;
    const char *old; /* the value before */
    size_t old_len;
};

struct sim_zk {
    struct sim *s;
    int64_t zxid, next_session, pruned;
    struct map by_path; /* Borrows: path -> struct zk_node * */
    struct vec nodes;   /* Owns: the same */
    struct vec sessions, handles, late;
    int64_t applied[3];    /* by server */
    int64_t away_until_ms; /* nobody reaches them */
    uint64_t n_expired, n_lost, n_fenced, n_transactions;
};

void sim_zk_init(struct sim_zk *z, struct sim *s);
void sim_zk_fini(struct sim_zk *z);
/* Time has gone on: sessions end, connections come and go, watches are told. */
void sim_zk_step(struct sim_zk *z);
/* When something happens by itself, ms; INT64_MAX: never. */
int64_t sim_zk_next_ms(const struct sim_zk *z);
/* This process does not reach the servers. */
void sim_zk_cut(struct sim_zk *z, struct sim_process *p, int64_t until_ms);
/* The servers end all sessions of this process at once, as after a pause of theirs. */
void sim_zk_expire(struct sim_zk *z, const struct sim_process *p);
/* The value of a node as it is; NULL: there is no such node. */
const char *sim_zk_find(const struct sim_zk *z, const char *path, size_t *ret_len);
/* Calls fn with each path below it (of any depth) that there is, in the order of their making. */
void sim_zk_each(const struct sim_zk *z, const char *path, void (*fn)(void *arg, const char *path),
                 void *arg);
/* The session that has the lowest node below this folder of sequences; 0: there is none. */
int64_t sim_zk_lowest(const struct sim_zk *z, const char *folder);
struct sim_process *sim_zk_process(const struct sim_zk *z, int64_t session);

#endif
