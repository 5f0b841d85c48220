/* The ZooKeeper client library, loaded when high availability asks for it: other processes do without.
 * Thread: any. */
#ifndef FLINC_COMMON_HA_ZOOKEEPER_API_H
#define FLINC_COMMON_HA_ZOOKEEPER_API_H

#include "common/base/error.h"

#define buffer zookeeper_buffer /* a struct of the library, as we have one */
#include <zookeeper/zookeeper.h>
#undef buffer

/* Values of constants that the library exports as variables. */
enum {
    ZK_STATE_EXPIRED = -112,
    ZK_STATE_AUTH_FAILED = -113,
    ZK_STATE_CONNECTED = 3,
    ZK_EVENT_SESSION = -1,
    ZK_PERSISTENT = 0,
    ZK_EPHEMERAL = 1,
    ZK_EPHEMERAL_SEQUENTIAL = 3,
    ZK_PERM_ALL = 31,
};

/* name, result, parameters; all by the library's own names */
#define ZK_FUNCTIONS(X)                                                                            \
    X(zookeeper_init2, zhandle_t *,                                                                \
      (const char *, watcher_fn, int, const clientid_t *, void *, int, log_callback_fn))           \
    X(zookeeper_close, int, (zhandle_t *))                                                         \
    X(zoo_state, int, (zhandle_t *))                                                               \
    X(zoo_recv_timeout, int, (zhandle_t *))                                                        \
    X(zoo_set_debug_level, void, (ZooLogLevel))                                                    \
    X(zoo_add_auth, int,                                                                           \
      (zhandle_t *, const char *, const char *, int, void_completion_t, const void *))             \
    X(zoo_async, int, (zhandle_t *, const char *, string_completion_t, const void *))              \
    X(zoo_create, int,                                                                             \
      (zhandle_t *, const char *, const char *, int, const struct ACL_vector *, int, char *, int)) \
    X(zoo_delete, int, (zhandle_t *, const char *, int))                                           \
    X(zoo_exists, int, (zhandle_t *, const char *, int, struct Stat *))                            \
    X(zoo_wexists, int, (zhandle_t *, const char *, watcher_fn, void *, struct Stat *))            \
    X(zoo_get, int, (zhandle_t *, const char *, int, char *, int *, struct Stat *))                \
    X(zoo_wget, int,                                                                               \
      (zhandle_t *, const char *, watcher_fn, void *, char *, int *, struct Stat *))               \
    X(zoo_get_children, int, (zhandle_t *, const char *, int, struct String_vector *))             \
    X(zoo_wget_children, int,                                                                      \
      (zhandle_t *, const char *, watcher_fn, void *, struct String_vector *))                     \
    X(zoo_multi, int, (zhandle_t *, int, const zoo_op_t *, zoo_op_result_t *))                     \
    X(zoo_create_op_init, void,                                                                    \
      (zoo_op_t *, const char *, const char *, int, const struct ACL_vector *, int, char *, int))  \
    X(zoo_delete_op_init, void, (zoo_op_t *, const char *, int))                                   \
    X(zoo_set_op_init, void, (zoo_op_t *, const char *, const char *, int, int, struct Stat *))    \
    X(zoo_check_op_init, void, (zoo_op_t *, const char *, int))                                    \
    X(deallocate_String_vector, int, (struct String_vector *))                                     \
    X(zerror, const char *, (int))

struct zookeeper_api {
#define ZK_MEMBER(name, result, parameters) result(*name) parameters;
    ZK_FUNCTIONS(ZK_MEMBER)
#undef ZK_MEMBER
};
/* Loads it at the first call.  ERR_UNSUPPORTED names the library and the package. */
int zookeeper_api_get(const struct zookeeper_api **ret, struct error *err) MUST_CHECK;

#endif
