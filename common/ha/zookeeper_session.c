/* A session with ZooKeeper; see zookeeper_session.h. */
#include "common/ha/zookeeper_session.h"

#include "common/base/log.h"
#include "common/base/thread.h"
#include <errno.h>

static const char topic[] = "flinc.ha.zookeeper";

/* ---- configuration ---------------------------------------------------------------------------------- */

/* What the C client cannot do must not be left out silently. */
static int refuse_what_is_missing(const struct conf *conf, struct error *err)
{
    static const char *const java[] = {"env.java.opts.all", "env.java.opts.jobmanager",
                                       "env.java.opts.taskmanager", "env.java.opts.client"};
    for (size_t i = 0; i < ARRAY_LEN(java); i++) {
        const char *text = conf_string(conf, java[i]);
        if (text != NULL && strstr(text, "zookeeper.client.secure=true") != NULL) {
            return error_set(
                err, ERR_UNSUPPORTED,
                "%s asks for TLS to ZooKeeper (zookeeper.client.secure), which the "
                "installed C client does not have; connect in plain text over a network "
                "that is trusted, or by a TLS tunnel",
                java[i]);
        }
    }
    const char *contexts = conf_string(conf, "security.kerberos.login.contexts");
    const char *name = conf_string(conf, "zookeeper.sasl.login-context-name");
    if (contexts != NULL && name != NULL && strstr(contexts, name) != NULL &&
        !conf_bool(conf, "zookeeper.sasl.disable")) {
        return error_set(
            err, ERR_UNSUPPORTED,
            "security.kerberos.login.contexts names %s, so ZooKeeper is to be used with "
            "SASL, which the installed C client does not have; set "
            "zookeeper.sasl.disable: true, and a digest by "
            "high-availability.zookeeper.client.authorization",
            name);
    }
    return 0;
}

/* "digest:'user:password'" */
static int read_auth(struct zk_config *c, const struct conf *conf, struct error *err)
{
    struct text_map map = TEXT_MAP_INIT;
    conf_map(conf, "high-availability.zookeeper.client.authorization", &map);
    int rc = 0;
    if (map.keys.n > 1) {
        rc = error_set(
            err, ERR_UNSUPPORTED,
            "high-availability.zookeeper.client.authorization has %zu entries; one is supported",
            (size_t)map.keys.n);
    } else if (map.keys.n == 1) {
        c->auth_scheme = mem_strdup(map.keys.items[0]);
        c->auth = mem_strdup(map.values.items[0]);
        if (strcmp(c->auth_scheme, "digest") != 0) {
            rc = error_set(err, ERR_UNSUPPORTED,
                           "high-availability.zookeeper.client.authorization has the scheme '%s'; "
                           "digest is supported: "
                           "digest:'user:password'",
                           c->auth_scheme);
        }
    }
    text_map_fini(&map);
    return rc;
}

static int read_acl(struct zk_config *c, const struct conf *conf, struct error *err)
{
    const char *acl = conf_string(conf, "high-availability.zookeeper.client.acl");
    c->creator_only = strcmp(acl, "creator") == 0;
    if (!c->creator_only && strcmp(acl, "open") != 0) {
        return error_set(
            err, ERR_INVALID_CONFIG,
            "high-availability.zookeeper.client.acl is '%.100s'; open and creator are possible",
            acl);
    }
    if (c->creator_only && c->auth == NULL) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "high-availability.zookeeper.client.acl is creator, so "
                         "high-availability.zookeeper."
                         "client.authorization must say who that "
                         "is: digest:'user:password'");
    }
    return 0;
}

/* "/a" + "b/" -> "/a/b" */
static void append_path(struct str *path, const char *part)
{
    struct slice rest = slice_cstr(part), piece;
    while (rest.data != NULL && slice_next(&rest, '/', &piece)) {
        if (piece.len > 0) {
            str_append_char(path, '/');
            str_append_slice(path, piece);
        }
    }
}

/* Only the servers know when a session is over: it lasts while all of them are away. */
static int64_t gives_up_after(const struct conf *conf, int64_t session_ms)
{
    static const char key[] =
        "high-availability.zookeeper.client.simulated-session-expiration-percent";
    if (!conf_has_value(conf, key) || conf_int(conf, key) <= 0) {
        return INT64_MAX;
    }
    return session_ms * MIN(conf_int(conf, key), 100) / 100;
}

int zk_config_read(struct zk_config *c, const struct conf *conf, struct error *err)
{
    STR_AUTO root = STR_INIT;
    STR_AUTO graphs = STR_INIT;
    *c = (struct zk_config){
        .n_retries = conf_int(conf, "high-availability.zookeeper.client.max-retry-attempts")};
    if (!conf_has_value(conf, "high-availability.zookeeper.quorum")) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "high-availability.type is zookeeper, so "
                         "high-availability.zookeeper.quorum must name the "
                         "servers: host:port,host:port");
    }
    TRY(refuse_what_is_missing(conf, err));
    TRY(read_auth(c, conf, err));
    TRY(read_acl(c, conf, err));
    append_path(&root, conf_string(conf, "high-availability.zookeeper.path.root"));
    append_path(&root, conf_string(conf, "high-availability.cluster-id"));
    append_path(&graphs, conf_string(conf, "high-availability.zookeeper.path.execution-plans"));
    if (root.len == 0 || graphs.len == 0 || root.len > ZK_PATH_MAX / 2) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "high-availability.zookeeper.path.root, "
                         "high-availability.zookeeper.path.execution-plans: a path is expected");
    }
    c->quorum = mem_strdup(conf_string(conf, "high-availability.zookeeper.quorum"));
    c->root = str_take(&root);
    c->graphs = str_take(&graphs);
    c->tolerates_suspension =
        conf_bool(conf, "high-availability.zookeeper.client.tolerate-suspended-connections");
    c->session_ms = conf_duration_ms(conf, "high-availability.zookeeper.client.session-timeout");
    c->gives_up_ms = gives_up_after(conf, c->session_ms);
    c->connection_ms =
        conf_duration_ms(conf, "high-availability.zookeeper.client.connection-timeout");
    c->retry_ms = conf_duration_ms(conf, "high-availability.zookeeper.client.retry-wait");
    c->retry_max_ms = conf_duration_ms(conf, "high-availability.zookeeper.client.max-retry-wait");
    return 0;
}

void zk_config_fini(struct zk_config *c)
{
    mem_free(c->quorum);
    mem_free(c->root);
    mem_free(c->graphs);
    mem_free(c->auth_scheme);
    mem_free(c->auth);
}

/* ---- life ------------------------------------------------------------------------------------------- */

struct event_target {
    void (*on_event)(void *arg);
    void *arg;
};

static void watcher(zhandle_t *zh, int type, int state, const char *path, void *context)
{
    const struct event_target *t = context;
    t->on_event(t->arg);
}

static void log_line(const char *message)
{
    LOG_DEBUG(topic, "%s", message);
}

static void set_acl(struct zk_session *s, const struct zk_config *c)
{
    s->acl_entry.perms = ZK_PERM_ALL;
    s->acl_entry.id.scheme = c->creator_only ? "auth" : "world";
    s->acl_entry.id.id = c->creator_only ? "" : "anyone";
    s->acl = (struct ACL_vector){1, &s->acl_entry};
}

int zk_session_open(const struct zookeeper_api *api, const struct zk_config *c,
                    void (*on_event)(void *arg), void *arg, struct zk_session **ret,
                    struct error *err)
{
    struct zk_session *s = MEM_NEW(struct zk_session);
    struct event_target *t = MEM_NEW(struct event_target);
    *t = (struct event_target){on_event, arg};
    s->api = api;
    atomic_init(&s->refs, 1);
    set_acl(s, c);
    s->zh = api->zookeeper_init2(c->quorum, watcher, (int)MIN(c->session_ms, (int64_t)INT32_MAX),
                                 NULL, t, 0, log_line);
    if (s->zh == NULL) {
        int cause = errno;
        mem_free(t);
        mem_free(s);
        return error_set_errno(err, cause,
                               "preparing for ZooKeeper at %s ("
                               "high-availability.zookeeper."
                               "quorum); are these host names known?",
                               c->quorum);
    }
    s->context = t;
    if (c->auth != NULL) {
        (void)api->zoo_add_auth(s->zh, c->auth_scheme, c->auth, (int)strlen(c->auth), NULL, NULL);
    }
    *ret = s;
    return 0;
}

struct zk_session *zk_session_ref(struct zk_session *s)
{
    atomic_fetch_add(&s->refs, 1);
    return s;
}

struct zk_session *zk_session_unref(struct zk_session *s)
{
    if (s != NULL && atomic_fetch_sub(&s->refs, 1) == 1) {
        (void)s->api->zookeeper_close(s->zh);
        mem_free(s->context);
        mem_free(s);
    }
    return NULL;
}

int zk_session_state(const struct zk_session *s)
{
    return s->api->zoo_state(s->zh);
}

/* ---- calls ------------------------------------------------------------------------------------------ */

int zk_error(const struct zk_session *s, int rc, const char *path, struct error *err)
{
    const char *text = s->api->zerror(rc);
    switch (rc) {
    case ZOK:
        return 0;
    case ZNONODE:
        return error_set(err, ERR_NOT_FOUND, "%s is not in ZooKeeper", path);
    case ZNODEEXISTS:
        return error_set(err, ERR_ALREADY_EXISTS, "%s is in ZooKeeper already", path);
    case ZNOAUTH:
    case ZINVALIDACL:
    case ZAUTHFAILED:
        return error_set(err, ERR_PERMISSION,
                         "ZooKeeper does not let this process use %s (%s): "
                         "high-availability.zookeeper."
                         "client.authorization says who it is",
                         path, text);
    case ZSESSIONEXPIRED:
    case ZINVALIDSTATE:
    case ZCLOSING:
    case ZSESSIONMOVED:
        return error_set(err, ERR_CLOSED, "the session with ZooKeeper is over (%s)", text);
    case ZCONNECTIONLOSS:
    case ZOPERATIONTIMEOUT:
        return error_set(err, ERR_UNAVAILABLE, "the connection to ZooKeeper was lost (%s)", text);
    default:
        return error_set(err, ERR_IO, "ZooKeeper answers about %s: %s", path, text);
    }
}

int zk_get(struct zk_session *s, const char *path, struct str *ret, struct error *err)
{
    char *buf = mem_alloc(ZK_VALUE_MAX);
    int len = ZK_VALUE_MAX;
    int rc = zk_error(s, s->api->zoo_get(s->zh, path, 0, buf, &len, NULL), path, err);
    if (rc == 0) {
        str_clear(ret);
        str_append(ret, buf, (size_t)MAX(len, 0));
    }
    mem_free(buf);
    return rc;
}

int zk_list(struct zk_session *s, const char *path, struct vec *ret_names, struct error *err)
{
    struct String_vector names = {0, NULL};
    TRY(zk_error(s, s->api->zoo_get_children(s->zh, path, 0, &names), path, err));
    for (int i = 0; i < names.count; i++) {
        vec_push_ptr(ret_names, mem_strdup(names.data[i]));
    }
    (void)s->api->deallocate_String_vector(&names);
    return 0;
}

int zk_make_path(struct zk_session *s, const char *path, struct error *err)
{
    char part[ZK_PATH_MAX];
    size_t len = strlen(path);
    if (len >= sizeof(part)) {
        return error_set(err, ERR_TOO_LARGE, "%.100s...: the path has %zu bytes", path, len);
    }
    for (size_t i = 1; i <= len; i++) {
        if (path[i] != '/' && path[i] != '\0') {
            continue;
        }
        memcpy(part, path, i);
        part[i] = '\0';
        int rc = s->api->zoo_create(s->zh, part, NULL, -1, &s->acl, ZK_PERSISTENT, NULL, 0);
        if (rc != ZOK && rc != ZNODEEXISTS) {
            return zk_error(s, rc, part, err);
        }
    }
    return 0;
}

/* Counted: the library's thread may be done with it last. */
struct sync_wait {
    _Atomic uint32_t refs;
    struct event_count event;
    _Atomic bool done;
    int rc;
};

static void sync_wait_unref(struct sync_wait *w)
{
    if (atomic_fetch_sub(&w->refs, 1) == 1) {
        mem_free(w);
    }
}

static void on_synced(int rc, const char *value, const void *data)
{
    struct sync_wait *w = (struct sync_wait *)(uintptr_t)data;
    w->rc = rc;
    atomic_store(&w->done, true);
    event_count_signal(&w->event);
    sync_wait_unref(w);
}

int zk_sync(struct zk_session *s, const char *path, struct error *err)
{
    struct sync_wait *w = MEM_NEW(struct sync_wait);
    atomic_init(&w->refs, 2);
    int rc = s->api->zoo_async(s->zh, path, on_synced, w);
    if (rc != ZOK) {
        sync_wait_unref(w); /* there will be no answer */
    }
    while (rc == ZOK) { /* the library answers, also when the session is over */
        uint32_t ticket = event_count_prepare(&w->event);
        if (atomic_load(&w->done)) {
            event_count_cancel(&w->event);
            rc = w->rc;
            break;
        }
        (void)event_count_wait(&w->event, ticket, -1);
    }
    sync_wait_unref(w);
    return zk_error(s, rc, path, err);
}
