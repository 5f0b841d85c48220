/* What is written to ZooKeeper and read there under a leadership: the store and the leader's address (zookeeper.c).
 *
 * Thread: any. */
#include "common/base/failpoint.h"
#include "common/ha/java_value.h"
#include "common/ha/zookeeper_driver.h"

static const char *const leader_nodes[ZK_LEADER_NODES] = {"resource_manager", "dispatcher",
                                                          "rest_server"};

static int64_t now_ms(void)
{
    return clock_monotonic_ms(&clock_system);
}

/* ---- paths ------------------------------------------------------------------------------------------ */

void zk_leader_path(const struct zk_driver *d, int node, struct str *ret)
{
    str_clear(ret);
    str_printf(ret, "%s/leader/%s/connection_info", d->config.root, leader_nodes[node]);
}

static void store_path(const struct zk_driver *d, const char *name, struct str *ret)
{
    static const char graphs[] = "jobgraphs";
    size_t n = sizeof(graphs) - 1;
    str_clear(ret);
    str_append_cstr(ret, d->config.root);
    if (strncmp(name, graphs, n) == 0 && (name[n] == '/' || name[n] == '\0')) {
        str_append_cstr(ret, d->config.graphs);
        str_append_cstr(ret, name + n);
    } else {
        str_printf(ret, "/%s", name);
    }
}

/* Cuts the last component off. */
static void parent_path(struct str *path)
{
    char *slash = strrchr(path->data, '/');
    path->len = (size_t)(slash - path->data);
    *slash = '\0';
}

/* ---- writes ------------------------------------------------------------------------------------------------ */

/* What a write needs; the session is counted. */
struct write_ticket {
    struct zk_session *session;
    struct flinc_id token;
    char latch[ZK_PATH_MAX];
};

static int begin_call(struct zk_driver *d, const struct flinc_id *token, struct write_ticket *ret,
                      struct error *err)
{
    pthread_mutex_lock(&d->lock);
    bool leads = d->leads && !d->gives_up && id_eq(&d->token, token) && d->session != NULL;
    if (leads) {
        ret->session = zk_session_ref(d->session);
        ret->token = *token;
        memcpy(ret->latch, d->latch, sizeof(ret->latch));
    }
    pthread_mutex_unlock(&d->lock);
    return leads ? 0 : error_set(err, ERR_FENCED, "the leadership is over");
}

static void give_up(struct zk_driver *d, const struct flinc_id *token, const struct error *why)
{
    pthread_mutex_lock(&d->lock);
    if (d->leads && id_eq(&d->token, token) && !d->gives_up) {
        d->gives_up = true;
        error_copy(&d->give_up_why, why);
    }
    pthread_mutex_unlock(&d->lock);
    zk_driver_wake(d);
}

/* zoo_multi() of library version 3.8 frees what it never made when the session is over (and the process crashes): such a session is
 * not asked.  What is left is a session that learns of its end between these two lines. */
static int multi(const struct zk_driver *d, const struct zk_session *s, int n, const zoo_op_t *ops,
                 zoo_op_result_t *results)
{
    int state = zk_session_state(s);
    if (state == ZK_STATE_EXPIRED || state == ZK_STATE_AUTH_FAILED) {
        return ZINVALIDSTATE;
    }
    return d->api->zoo_multi(s->zh, n, ops, results);
}

/* check(latch) and the change.  ERR_FENCED: the latch is gone. */
static int transact(struct zk_driver *d, const struct write_ticket *t, enum ha_write what,
                    const char *path, struct slice value, struct error *err)
{
    struct zk_session *s = t->session;
    const struct zookeeper_api *api = d->api;
    zoo_op_t ops[2];
    zoo_op_result_t results[2] = {{0}};
    TRY(FAILPOINT(err, "ha.zookeeper.before_write"));
    api->zoo_check_op_init(&ops[0], t->latch, -1);
    if (what == HA_WRITE_CREATE) {
        api->zoo_create_op_init(&ops[1], path, value.data, (int)value.len, &s->acl, ZK_PERSISTENT,
                                NULL, 0);
    } else if (what == HA_WRITE_REPLACE) {
        api->zoo_set_op_init(&ops[1], path, value.data, (int)value.len, -1, NULL);
    } else {
        api->zoo_delete_op_init(&ops[1], path, -1);
    }
    bool unfenced = PLANTED("ha.zookeeper.writes_without_latch");
    int rc = unfenced ? multi(d, s, 1, ops + 1, results) : multi(d, s, 2, ops, results);
    if (rc == ZNONODE && !unfenced && results[0].err == ZNONODE) {
        return error_set(err, ERR_FENCED,
                         "the latch of this job manager is gone: another one leads");
    }
    if (rc == ZOK && FAILPOINT(err, "ha.zookeeper.after_write") < 0) {
        return ERR_UNAVAILABLE;
    }
    return zk_error(s, rc, path, err);
}

/* The answer was lost: what is there tells, as nobody else writes while the latch is there.  1: it has happened; 0: it has not. */
static int has_happened(struct zk_session *s, enum ha_write what, const char *path,
                        struct slice value, struct error *err)
{
    STR_AUTO there = STR_INIT;
    TRY(zk_sync(s, path, err));
    int rc = zk_get(s, path, &there, err);
    if (rc == ERR_NOT_FOUND) {
        error_clear(err);
        return what == HA_WRITE_REMOVE;
    }
    TRY(rc);
    return what != HA_WRITE_REMOVE && there.len == value.len &&
           (value.len == 0 || memcmp(there.data, value.data, value.len) == 0);
}

/* False: the driver ends. */
static bool pause_ms(struct zk_driver *d, int64_t ms)
{
    int64_t until = now_ms() + ms;
    int64_t left;
    while (!d->stops && (left = until - now_ms()) > 0) {
        uint32_t ticket = event_count_prepare(&d->event);
        (void)event_count_wait(&d->event, ticket, MIN(left, (int64_t)50) * 1000000);
    }
    return !d->stops;
}

static bool still_leads(struct zk_driver *d, const struct flinc_id *token)
{
    pthread_mutex_lock(&d->lock);
    bool leads = d->leads && id_eq(&d->token, token);
    pthread_mutex_unlock(&d->lock);
    return leads && !d->stops;
}

/* While the leadership lasts: as often as retry attempts allow, or, where interruptions are tolerated, until the session's end.
 * ERR_TIMEOUT: nobody knows. */
static int find_out(struct zk_driver *d, const struct write_ticket *t, enum ha_write what,
                    const char *path, struct slice value, struct error *err)
{
    int64_t wait_ms = d->config.retry_ms;
    int64_t until = now_ms();
    int rc = ERR_UNAVAILABLE;
    for (int i = 0;
         rc == ERR_UNAVAILABLE && (i < d->config.n_retries || d->config.tolerates_suspension);
         i++) {
        until += wait_ms;
        while (zk_session_state(t->session) != ZK_STATE_CONNECTED && now_ms() < until &&
               still_leads(d, &t->token)) {
            (void)pause_ms(d, ZK_DRIVER_SOON_MS);
        }
        if (!still_leads(d, &t->token)) {
            break;
        }
        error_clear(err);
        rc = has_happened(t->session, what, path, value, err);
        if (rc == 0) {
            rc = transact(d, t, what, path, value, err);
            rc = rc == 0 ? 1 : rc;
        }
        wait_ms = MIN(wait_ms * 2, d->config.retry_max_ms);
    }
    if (rc == 1) {
        return 0;
    }
    if (rc == ERR_FENCED) { /* the first one may have come through before */
        error_context(err, "asking ZooKeeper what became of a write");
    }
    return ERR_TIMEOUT;
}

static int make_parents(struct zk_session *s, const char *path, struct error *err)
{
    STR_AUTO parent = STR_INIT;
    str_append_cstr(&parent, path);
    parent_path(&parent);
    return zk_make_path(s, str_cstr(&parent), err);
}

/* By transactions, too: a former leader must not leave folders where the next one has removed all. */
static int make_fenced_parents(struct zk_driver *d, const struct write_ticket *t, const char *path,
                               struct error *err)
{
    for (const char *p = path + strlen(d->config.root) + 1; (p = strchr(p, '/')) != NULL; p++) {
        STR_AUTO parent = STR_INIT;
        str_append(&parent, path, (size_t)(p - path));
        int rc = transact(d, t, HA_WRITE_CREATE, str_cstr(&parent), slice_make(NULL, 0), err);
        if (rc < 0 && rc != ERR_ALREADY_EXISTS) {
            return rc;
        }
        error_clear(err);
    }
    return 0;
}

static int write_node(struct zk_driver *d, const struct write_ticket *t, enum ha_write what,
                      const char *path, struct slice value, struct error *err)
{
    int rc = transact(d, t, what, path, value, err);
    if (rc == ERR_NOT_FOUND && what == HA_WRITE_CREATE) { /* its parent is not there */
        error_clear(err);
        rc = make_fenced_parents(d, t, path, err);
        rc = rc == 0 ? transact(d, t, what, path, value, err) : rc;
    }
    if (rc == ERR_UNAVAILABLE) {
        rc = find_out(d, t, what, path, value, err);
    } else if (rc ==
               ERR_CLOSED) { /* nothing was sent, or the servers had ended the session before */
        rc = ERR_FENCED;
    }
    return rc;
}

int zk_store_write(void *self, const struct flinc_id *token, enum ha_write what, const char *name,
                   struct slice value, struct error *err)
{
    struct zk_driver *d = self;
    struct write_ticket t;
    struct error why = ERROR_INIT;
    STR_AUTO path = STR_INIT;
    store_path(d, name, &path);
    TRY(begin_call(d, token, &t, err));
    int rc = write_node(d, &t, what, str_cstr(&path), value, &why);
    zk_session_unref(t.session);
    if (rc == ERR_FENCED || rc == ERR_TIMEOUT) {
        give_up(d, token, &why);
    }
    if (rc < 0 && err != NULL) {
        error_copy(err, &why);
        err->code = rc;
    }
    return rc;
}

/* ---- reads ------------------------------------------------------------------------------------------------- */

/* Reads may be repeated.  ret: what `read` fills. */
static int read_node(struct zk_driver *d, const struct flinc_id *token, const char *name,
                     int (*read)(struct zk_session *s, const char *path, void *ret,
                                 struct error *err),
                     void *ret, struct error *err)
{
    struct write_ticket t;
    STR_AUTO path = STR_INIT;
    int rc;
    store_path(d, name, &path);
    TRY(begin_call(d, token, &t, err));
    int attempt = 0;
    do {
        rc = read(t.session, str_cstr(&path), ret, err);
    } while (rc == ERR_UNAVAILABLE && ++attempt < d->config.n_retries &&
             pause_ms(d, MIN(d->config.retry_ms, (int64_t)500)));
    zk_session_unref(t.session);
    return rc == ERR_CLOSED ? ERR_FENCED : rc;
}

static int get_value(struct zk_session *s, const char *path, void *ret, struct error *err)
{
    return zk_get(s, path, ret, err);
}

static int list_names(struct zk_session *s, const char *path, void *ret, struct error *err)
{
    return zk_list(s, path, ret, err);
}

int zk_store_get(void *self, const struct flinc_id *token, const char *name, struct str *ret_value,
                 struct error *err)
{
    TRY(read_node(self, token, name, get_value, ret_value, err));
    /* Without a value it is a node on the way to others. */
    return ret_value->len > 0 ? 0 : error_set(err, ERR_NOT_FOUND, "%s is not there", name);
}

int zk_store_list(void *self, const struct flinc_id *token, const char *name, struct vec *ret_names,
                  struct error *err)
{
    int rc = read_node(self, token, name, list_names, ret_names, err);
    if (rc == ERR_NOT_FOUND) {
        error_clear(err);
        return 0;
    }
    return rc;
}

/* ---- the leader's address ------------------------------------------------------------------------------------ */

/* Nodes of an earlier leadership of this session go in the same transaction. */
static int announce_once(struct zk_driver *d, const struct write_ticket *t,
                         const struct ha_leader *leader, struct error *err)
{
    const char *const addresses[ZK_LEADER_NODES] = {leader->rpc_address, leader->rpc_address,
                                                    leader->rest_url};
    struct zk_session *s = t->session;
    struct str paths[ZK_LEADER_NODES] = {STR_INIT, STR_INIT, STR_INIT};
    struct str values[ZK_LEADER_NODES] = {STR_INIT, STR_INIT, STR_INIT};
    zoo_op_t ops[1 + 2 * ZK_LEADER_NODES];
    zoo_op_result_t results[1 + 2 * ZK_LEADER_NODES] = {{0}};
    int n = 0, rc = 0;
    d->api->zoo_check_op_init(&ops[n++], t->latch, -1);
    for (int i = 0; i < ZK_LEADER_NODES && rc == 0; i++) {
        zk_leader_path(d, i, &paths[i]);
        java_value_write(addresses[i], &leader->token, &values[i]);
        rc = make_parents(s, str_cstr(&paths[i]), err);
        if (rc == 0 && d->api->zoo_exists(s->zh, str_cstr(&paths[i]), 0, NULL) == ZOK) {
            d->api->zoo_delete_op_init(&ops[n++], str_cstr(&paths[i]), -1);
        }
        d->api->zoo_create_op_init(&ops[n++], str_cstr(&paths[i]), values[i].data,
                                   (int)values[i].len, &s->acl, ZK_EPHEMERAL, NULL, 0);
    }
    if (rc == 0) {
        int code = multi(d, s, n, ops, results);
        rc = code == ZNONODE && results[0].err == ZNONODE
                 ? error_set(err, ERR_FENCED, "another job manager leads")
                 : zk_error(s, code, str_cstr(&paths[0]), err);
    }
    for (int i = 0; i < ZK_LEADER_NODES; i++) {
        str_fini(&paths[i]);
        str_fini(&values[i]);
    }
    return rc;
}

int zk_announce(void *self, const struct ha_leader *leader, struct error *err)
{
    struct zk_driver *d = self;
    struct write_ticket t;
    int rc = 0;
    TRY(begin_call(d, &leader->token, &t, err));
    for (int i = 0; i <= d->config.n_retries; i++) {
        error_clear(err);
        rc = announce_once(d, &t, leader, err);
        bool again = rc == ERR_UNAVAILABLE || rc == ERR_ALREADY_EXISTS || rc == ERR_NOT_FOUND;
        if (!again || !pause_ms(d, ZK_DRIVER_SOON_MS * 10)) {
            break;
        }
    }
    zk_session_unref(t.session);
    zk_driver_wake(d);
    return rc == ERR_CLOSED ? ERR_FENCED : rc;
}
