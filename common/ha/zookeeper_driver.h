/* Of the driver of ZooKeeper (zookeeper.c), for what it reads and writes (zookeeper_store.c). */
#ifndef FLINC_COMMON_HA_ZOOKEEPER_DRIVER_H
#define FLINC_COMMON_HA_ZOOKEEPER_DRIVER_H

#include "common/base/thread.h"
#include "common/ha/driver.h"
#include "common/ha/zookeeper_session.h"

enum { ZK_DRIVER_SOON_MS = 20 }; /* while something is under way */

struct zk_driver {
    struct ha *ha; /* Borrows */
    struct zk_config config;
    const struct zookeeper_api *api;
    pthread_t thread;
    bool has_thread;
    _Atomic bool stops;
    struct event_count event;
    struct rng rng;                  /* the thread's */
    int64_t connected_ms, warned_ms; /* the thread's; monotonic: last seen connected, last warned */

    pthread_mutex_t lock; /* guards the following; a leaf, but for pure functions of the library */
    struct zk_session *session; /* counted; NULL: none */
    bool campaigns, leads, gives_up;
    bool latch_is_stale; /* of a leadership that is over: another one needs another latch */
    struct error give_up_why;
    char *name;              /* Owns; of the candidate */
    char latch[ZK_PATH_MAX]; /* path of the own latch; "": there is none */
    char latch_id[ID_HEX_LEN + 1];
    struct flinc_id token;
};

/* Something happened that the driver's thread should look at.  Thread: any, the library's too; `arg` is the driver. */
void zk_driver_wake(void *arg);

/* ---- the store; as struct ha_driver says ----------------------------------------------------------- */

int zk_store_write(void *driver, const struct flinc_id *token, enum ha_write what, const char *name,
                   struct slice value, struct error *err);
int zk_store_get(void *driver, const struct flinc_id *token, const char *name,
                 struct str *ret_value, struct error *err);
int zk_store_list(void *driver, const struct flinc_id *token, const char *name,
                  struct vec *ret_names, struct error *err);

/* ---- the leader's address --------------------------------------------------------------------------- */

enum { ZK_LEADER_NODES = 3 };

/* Where the address of a component of Java's is, 0 to ZK_LEADER_NODES - 1; the last one is that of REST. */
void zk_leader_path(const struct zk_driver *d, int node, struct str *ret);
int zk_announce(void *driver, const struct ha_leader *leader, struct error *err);

#endif
