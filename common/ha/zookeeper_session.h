/* A session with a ZooKeeper ensemble, and calls that say what became of them.
 *
 * Counted: a call holds a reference, so that the session is not closed below it.
 * Thread: any.  Flink: CuratorFramework. */
#ifndef FLINC_COMMON_HA_ZOOKEEPER_SESSION_H
#define FLINC_COMMON_HA_ZOOKEEPER_SESSION_H

#include "common/base/vec.h"
#include "common/conf/conf.h"
#include "common/ha/zookeeper_api.h"
#include <stdatomic.h>

enum {
    ZK_PATH_MAX = 1024,
    ZK_VALUE_MAX = 1024 * 1024, /* of a node; so has the server */
};

struct zk_config {
    char *quorum;             /* Owns; as all texts */
    char *root;               /* "/flink/default": path.root with cluster-id */
    char *graphs;             /* "/execution-plans" */
    char *auth_scheme, *auth; /* NULL: none */
    bool creator_only;        /* acl: creator */
    bool tolerates_suspension;
    int64_t gives_up_ms; /* after so long without servers; INT64_MAX: when they say so */
    int64_t session_ms, connection_ms, retry_ms, retry_max_ms;
    int n_retries;
};
/* ERR_INVALID_CONFIG and ERR_UNSUPPORTED name the key. */
int zk_config_read(struct zk_config *c, const struct conf *conf, struct error *err) MUST_CHECK;
void zk_config_fini(struct zk_config *c);

struct zk_session {
    const struct zookeeper_api *api;
    zhandle_t *zh;
    void *context; /* Owns; of the library's watcher */
    _Atomic uint32_t refs;
    struct ACL acl_entry;
    struct ACL_vector acl;
};
/* on_event: on a thread of the library; must not wait.  ERR_IO: nothing was sent yet. */
int zk_session_open(const struct zookeeper_api *api, const struct zk_config *c,
                    void (*on_event)(void *arg), void *arg, struct zk_session **ret,
                    struct error *err) MUST_CHECK;
struct zk_session *zk_session_ref(struct zk_session *s);
struct zk_session *zk_session_unref(struct zk_session *s); /* closes with the last; returns NULL */
int zk_session_state(const struct zk_session *s);          /* ZK_STATE_... */

/* What `rc` of the library means for `path`; 0, ERR_NOT_FOUND, ERR_ALREADY_EXISTS, ERR_PERMISSION, ERR_UNAVAILABLE (the connection; it
 * may have happened), ERR_CLOSED (the session is over). */
int zk_error(const struct zk_session *s, int rc, const char *path, struct error *err);
int zk_get(struct zk_session *s, const char *path, struct str *ret, struct error *err) MUST_CHECK;
/* Of char *. */
int zk_list(struct zk_session *s, const char *path, struct vec *ret_names,
            struct error *err) MUST_CHECK;
/* All nodes on the way to it, itself too, without values. */
int zk_make_path(struct zk_session *s, const char *path, struct error *err) MUST_CHECK;
/* What is read from now on is not older than what anybody wrote before. */
int zk_sync(struct zk_session *s, const char *path, struct error *err) MUST_CHECK;

#endif
