/* High availability by ZooKeeper: the latch, writes that check it, the leader's address; see README.md.
 *
 *   <root>/leader/latch/_c_<id>-latch-0000000007     one per candidate, ephemeral; the lowest number leads
 *   <root>/leader/{resource_manager,dispatcher,rest_server}/connection_info      ephemeral, as Java clients read them
 *   <root>/execution-plans/<job>, <root>/jobs/..., <root>/results/...            the store
 *
 * A write is one transaction: check that the own latch is there, then the change.  The latch is gone with the session, and a later
 * leadership of this process has another latch, so nothing can be written under a token that leads no more.
 *
 * A thread keeps the session: it connects, waits, makes the latch, looks who leads; events of the library only wake it.
 *
 * Thread: store calls any.  Flink: ZooKeeperLeaderElectionHaServices, ZooKeeperStateHandleStore, LeaderLatch of Curator. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/thread.h"
#include "common/ha/driver.h"
#include "common/ha/java_value.h"
#include "common/ha/zookeeper_session.h"
#include <stdio.h>
#include <stdlib.h>

static const char topic[] = "flinc.ha.zookeeper";

enum {
    LOOK_MS = 1000, /* without an event */
    SOON_MS = 20,   /* while something is under way */
    NODES = 3,
};

static const char *const leader_nodes[NODES] = {"resource_manager", "dispatcher", "rest_server"};

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

static int64_t now_ms(void)
{
    return clock_monotonic_ms(&clock_system);
}

/* Thread: the library's. */
static void wake(void *arg)
{
    struct zk_driver *d = arg;
    event_count_signal(&d->event);
}

static void watch(zhandle_t *zh, int type, int state, const char *path, void *context)
{
    wake(context);
}

/* ---- paths ------------------------------------------------------------------------------------------ */

static void latch_dir(const struct zk_driver *d, struct str *ret)
{
    str_clear(ret);
    str_printf(ret, "%s/leader/latch", d->config.root);
}

static void leader_path(const struct zk_driver *d, int node, struct str *ret)
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

/* ---- the session; thread: the driver's ------------------------------------------------------------------ */

static struct zk_session *get_session(struct zk_driver *d)
{
    pthread_mutex_lock(&d->lock);
    struct zk_session *s = d->session != NULL ? zk_session_ref(d->session) : NULL;
    pthread_mutex_unlock(&d->lock);
    return s;
}

static void set_session(struct zk_driver *d, struct zk_session *take_session)
{
    pthread_mutex_lock(&d->lock);
    struct zk_session *old = d->session;
    d->session = take_session; /* the former one's latch goes with it */
    d->latch[0] = '\0';
    d->latch_id[0] = '\0';
    d->latch_is_stale = false;
    pthread_mutex_unlock(&d->lock);
    zk_session_unref(old);
}

static void say_waiting(struct zk_driver *d, const char *why)
{
    int64_t now = now_ms();
    if (now - d->warned_ms >= d->config.connection_ms) {
        d->warned_ms = now;
        LOG_WARN(topic,
                 "ZooKeeper at %s (high-availability.zookeeper.quorum) is not reached: %s. Waiting "
                 "for it.",
                 d->config.quorum, why);
    }
}

/* The leadership is over, whatever the servers think; the latch goes when they are reached. */
static void revoke(struct zk_driver *d, const struct error *why)
{
    pthread_mutex_lock(&d->lock);
    bool led = d->leads;
    d->leads = false;
    d->gives_up = false;
    d->latch_is_stale |= led;
    pthread_mutex_unlock(&d->lock);
    if (led) {
        ha_on_revoked(d->ha, why);
    }
}

/* 1: connected; 0: not now. */
static int keep_session(struct zk_driver *d)
{
    struct error err = ERROR_INIT;
    struct zk_session *s = get_session(d);
    if (s == NULL) {
        if (zk_session_open(d->api, &d->config, wake, d, &s, &err) < 0) {
            say_waiting(d, err.message);
            return 0;
        }
        set_session(d, zk_session_ref(s));
    }
    int state = zk_session_state(s);
    int64_t now = now_ms();
    zk_session_unref(s);
    if (state == ZK_STATE_CONNECTED) {
        d->connected_ms = now;
        d->warned_ms = now;
        return 1;
    }
    if (state == ZK_STATE_EXPIRED || state == ZK_STATE_AUTH_FAILED) {
        bool refused = state == ZK_STATE_AUTH_FAILED;
        error_set(&err, ERR_CLOSED, "the session with ZooKeeper %s",
                  refused ? "was refused: high-availability.zookeeper.client.authorization"
                          : "has expired");
        revoke(d, &err);
        ha_on_leader(d->ha, NULL);
        set_session(d, NULL);
        if (refused) {
            say_waiting(d, err.message);
        }
        return 0;
    }
    if (!d->config.tolerates_suspension || now - d->connected_ms > d->config.session_ms) {
        error_set(
            &err, ERR_UNAVAILABLE, "the connection to ZooKeeper is lost%s",
            d->config.tolerates_suspension
                ? " for longer than the session lasts"
                : " (high-availability.zookeeper.client.tolerate-suspended-connections is false)");
        revoke(d, &err);
    }
    say_waiting(d, "no answer");
    return 0;
}

/* ---- the latch; thread: the driver's ---------------------------------------------------------------------- */

/* The number at the end; UINT64_MAX: it has none. */
static uint64_t sequence_of(const char *name)
{
    size_t len = strlen(name);
    return len > 10 ? strtoull(name + len - 10, NULL, 10) : UINT64_MAX;
}

static void forget_latch(struct zk_driver *d)
{
    pthread_mutex_lock(&d->lock);
    d->latch[0] = '\0';
    d->latch_id[0] = '\0';
    d->latch_is_stale = false;
    pthread_mutex_unlock(&d->lock);
}

/* A latch of a leadership that is over. */
static int drop_latch(struct zk_driver *d, struct zk_session *s, struct error *err)
{
    int rc = zk_error(s, d->api->zoo_delete(s->zh, d->latch, -1), d->latch, err);
    if (rc == 0 || rc == ERR_NOT_FOUND) {
        forget_latch(d);
        return 0;
    }
    return rc;
}

static int make_latch(struct zk_driver *d, struct zk_session *s, struct error *err)
{
    STR_AUTO dir = STR_INIT;
    STR_AUTO path = STR_INIT;
    struct flinc_id id;
    char made[ZK_PATH_MAX] = "";
    latch_dir(d, &dir);
    TRY(zk_make_path(s, str_cstr(&dir), err));
    id_random(&id, &d->rng);
    pthread_mutex_lock(&d->lock);
    id_format(&id, d->latch_id);
    str_printf(&path, "%s/_c_%s-latch-", str_cstr(&dir), d->latch_id);
    pthread_mutex_unlock(&d->lock);
    TRY(zk_error(s,
                 d->api->zoo_create(s->zh, str_cstr(&path), d->name, (int)strlen(d->name), &s->acl,
                                    ZK_EPHEMERAL_SEQUENTIAL, made, sizeof(made)),
                 str_cstr(&path), err));
    return 0; /* it is found by its id, also when the answer is lost */
}

/* Is the own latch there, and the lowest?  *ret_lowest; the path is noted.  1: it is there. */
static int find_latch(struct zk_driver *d, struct zk_session *s, bool *ret_lowest,
                      struct error *err)
{
    STR_AUTO dir = STR_INIT;
    struct String_vector names = {0, NULL};
    uint64_t own = UINT64_MAX, lowest = UINT64_MAX;
    latch_dir(d, &dir);
    int rc = zk_error(s, d->api->zoo_wget_children(s->zh, str_cstr(&dir), watch, d, &names),
                      str_cstr(&dir), err);
    if (rc == ERR_NOT_FOUND) {
        return 0;
    }
    TRY(rc);
    pthread_mutex_lock(&d->lock);
    for (int i = 0; i < names.count; i++) {
        uint64_t n = sequence_of(names.data[i]);
        lowest = MIN(lowest, n);
        if (d->latch_id[0] != '\0' && strstr(names.data[i], d->latch_id) != NULL) {
            own = n;
            (void)snprintf(d->latch, sizeof(d->latch), "%s/%s", str_cstr(&dir), names.data[i]);
        }
    }
    pthread_mutex_unlock(&d->lock);
    (void)d->api->deallocate_String_vector(&names);
    *ret_lowest = own == lowest;
    return own != UINT64_MAX;
}

static int grant(struct zk_driver *d, struct zk_session *s, struct error *err)
{
    TRY(zk_sync(s, d->config.root, err));
    pthread_mutex_lock(&d->lock);
    bool campaigns = d->campaigns;
    id_random(&d->token, &d->rng);
    struct flinc_id token = d->token;
    d->leads = campaigns;
    d->gives_up = false;
    pthread_mutex_unlock(&d->lock);
    if (campaigns) {
        ha_on_granted(d->ha, &token);
    }
    return 0;
}

/* A write has failed so that nobody may write under this token any more. */
static void end_given_up(struct zk_driver *d)
{
    struct error why = ERROR_INIT;
    pthread_mutex_lock(&d->lock);
    bool gives_up = d->gives_up;
    if (gives_up) {
        error_copy(&why, &d->give_up_why);
    }
    pthread_mutex_unlock(&d->lock);
    if (gives_up) {
        revoke(d, &why);
    }
}

static int campaign_turn(struct zk_driver *d, struct zk_session *s, struct error *err)
{
    struct error why = ERROR_INIT;
    bool lowest = false;
    pthread_mutex_lock(&d->lock);
    bool campaigns = d->campaigns, leads = d->leads;
    pthread_mutex_unlock(&d->lock);
    if (!campaigns) {
        return 0;
    }
    if (d->latch_is_stale) { /* only this thread sets it */
        TRY(drop_latch(d, s, err));
    }
    int found = find_latch(d, s, &lowest, err);
    TRY(found);
    if (leads && found == 0) {
        error_set(&why, ERR_FENCED, "the latch of this job manager is gone from ZooKeeper");
        revoke(d, &why);
        forget_latch(d);
        return 0;
    }
    if (found == 0) {
        TRY(make_latch(d, s, err));
        TRY(find_latch(d, s, &lowest, err));
    }
    return lowest && !leads ? grant(d, s, err) : 0;
}

/* ---- where the leader is; thread: the driver's ------------------------------------------------------------- */

/* 1: it is there. */
static int read_node(struct zk_driver *d, struct zk_session *s, int node, char *ret_address,
                     struct flinc_id *ret_token, struct error *err)
{
    char buf[4096];
    int len = sizeof(buf);
    STR_AUTO path = STR_INIT;
    leader_path(d, node, &path);
    int rc = zk_error(s, d->api->zoo_wget(s->zh, str_cstr(&path), watch, d, buf, &len, NULL),
                      str_cstr(&path), err);
    if (rc == ERR_NOT_FOUND) {
        error_clear(err);
        rc = zk_error(s, d->api->zoo_wexists(s->zh, str_cstr(&path), watch, d, NULL),
                      str_cstr(&path), err);
        return rc == ERR_NOT_FOUND ? 0 : rc; /* made meanwhile: the next look finds it */
    }
    TRY(rc);
    return java_value_read(slice_make(buf, (size_t)MAX(len, 0)), ret_address, HA_ADDRESS_MAX,
                           ret_token);
}

static int look_for_leader(struct zk_driver *d, struct zk_session *s, struct error *err)
{
    struct ha_leader leader = {.rpc_address = ""};
    struct flinc_id rest_token;
    int rpc = read_node(d, s, 0, leader.rpc_address, &leader.token, err);
    TRY(rpc);
    int rest = read_node(d, s, 2, leader.rest_url, &rest_token, err);
    TRY(rest);
    bool whole = rpc == 1 && rest == 1 && id_eq(&leader.token, &rest_token);
    ha_on_leader(d->ha, whole ? &leader : NULL);
    return 0;
}

/* ---- the thread --------------------------------------------------------------------------------------------- */

/* How long to wait for an event. */
static int64_t turn(struct zk_driver *d)
{
    struct error err = ERROR_INIT;
    end_given_up(d);
    if (keep_session(d) == 0) {
        return LOOK_MS / 4;
    }
    struct zk_session *s = get_session(d);
    if (s == NULL) {
        return SOON_MS;
    }
    int rc = campaign_turn(d, s, &err);
    if (rc == 0) {
        rc = look_for_leader(d, s, &err);
    }
    zk_session_unref(s);
    if (rc < 0 && rc != ERR_UNAVAILABLE && rc != ERR_CLOSED) {
        say_waiting(d, err.message);
    }
    return rc < 0 ? SOON_MS * 5 : LOOK_MS;
}

static void *run(void *arg)
{
    struct zk_driver *d = arg;
    while (!d->stops) {
        uint32_t ticket = event_count_prepare(&d->event);
        int64_t wait_ms = turn(d);
        if (d->stops) {
            event_count_cancel(&d->event);
            break;
        }
        (void)event_count_wait(&d->event, ticket, wait_ms * 1000000);
    }
    return NULL;
}

/* ---- candidacy ------------------------------------------------------------------------------------------- */

static int zookeeper_campaign(void *self, const char *candidate_name, struct error *err)
{
    struct zk_driver *d = self;
    (void)err;
    pthread_mutex_lock(&d->lock);
    d->name = mem_strdup(candidate_name);
    d->campaigns = true;
    pthread_mutex_unlock(&d->lock);
    wake(d);
    return 0;
}

/* The session ends with its ephemeral nodes: who waits for the latch goes on at once. */
static void stop_thread(struct zk_driver *d)
{
    d->stops = true;
    wake(d);
    if (d->has_thread) {
        thread_join(d->thread);
        d->has_thread = false;
    }
}

static void zookeeper_resign(void *self)
{
    struct zk_driver *d = self;
    pthread_mutex_lock(&d->lock);
    d->campaigns = false;
    d->leads = false;
    pthread_mutex_unlock(&d->lock);
    stop_thread(d);
    set_session(d, NULL);
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
    wake(d);
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
    int rc = multi(d, s, 2, ops, results);
    if (rc == ZNONODE && results[0].err == ZNONODE) {
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
            (void)pause_ms(d, SOON_MS);
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

static int write_node(struct zk_driver *d, const struct write_ticket *t, enum ha_write what,
                      const char *path, struct slice value, struct error *err)
{
    int rc = transact(d, t, what, path, value, err);
    if (rc == ERR_NOT_FOUND && what == HA_WRITE_CREATE) { /* its parent is not there */
        error_clear(err);
        TRY(make_parents(t->session, path, err));
        rc = transact(d, t, what, path, value, err);
    }
    if (rc == ERR_UNAVAILABLE) {
        rc = find_out(d, t, what, path, value, err);
    } else if (rc ==
               ERR_CLOSED) { /* nothing was sent, or the servers had ended the session before */
        rc = ERR_FENCED;
    }
    return rc;
}

static int zookeeper_write(void *self, const struct flinc_id *token, enum ha_write what,
                           const char *name, struct slice value, struct error *err)
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

/* Reads may be repeated. */
static int read_again(struct zk_driver *d, int attempt, int rc)
{
    return rc == ERR_UNAVAILABLE && attempt + 1 < d->config.n_retries &&
           pause_ms(d, MIN(d->config.retry_ms, (int64_t)500));
}

static int zookeeper_get(void *self, const struct flinc_id *token, const char *name,
                         struct str *ret_value, struct error *err)
{
    struct zk_driver *d = self;
    struct write_ticket t;
    STR_AUTO path = STR_INIT;
    int rc;
    store_path(d, name, &path);
    TRY(begin_call(d, token, &t, err));
    for (int i = 0;; i++) {
        rc = zk_get(t.session, str_cstr(&path), ret_value, err);
        if (!read_again(d, i, rc)) {
            break;
        }
    }
    zk_session_unref(t.session);
    if (rc == 0 && ret_value->len == 0) { /* a node on the way to others */
        rc = error_set(err, ERR_NOT_FOUND, "%s is not there", name);
    }
    return rc == ERR_CLOSED ? ERR_FENCED : rc;
}

static int zookeeper_list(void *self, const struct flinc_id *token, const char *name,
                          struct vec *ret_names, struct error *err)
{
    struct zk_driver *d = self;
    struct write_ticket t;
    STR_AUTO path = STR_INIT;
    int rc;
    store_path(d, name, &path);
    TRY(begin_call(d, token, &t, err));
    for (int i = 0;; i++) {
        rc = zk_list(t.session, str_cstr(&path), ret_names, err);
        if (!read_again(d, i, rc)) {
            break;
        }
    }
    zk_session_unref(t.session);
    if (rc == ERR_NOT_FOUND) {
        error_clear(err);
        return 0;
    }
    return rc == ERR_CLOSED ? ERR_FENCED : rc;
}

/* ---- the leader's address ------------------------------------------------------------------------------------ */

/* Nodes of an earlier leadership of this session go in the same transaction. */
static int announce_once(struct zk_driver *d, const struct write_ticket *t,
                         const struct ha_leader *leader, struct error *err)
{
    const char *const addresses[NODES] = {leader->rpc_address, leader->rpc_address,
                                          leader->rest_url};
    struct zk_session *s = t->session;
    struct str paths[NODES] = {STR_INIT, STR_INIT, STR_INIT};
    struct str values[NODES] = {STR_INIT, STR_INIT, STR_INIT};
    zoo_op_t ops[1 + 2 * NODES];
    zoo_op_result_t results[1 + 2 * NODES] = {{0}};
    int n = 0, rc = 0;
    d->api->zoo_check_op_init(&ops[n++], t->latch, -1);
    for (int i = 0; i < NODES && rc == 0; i++) {
        leader_path(d, i, &paths[i]);
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
    for (int i = 0; i < NODES; i++) {
        str_fini(&paths[i]);
        str_fini(&values[i]);
    }
    return rc;
}

static int zookeeper_announce(void *self, const struct ha_leader *leader, struct error *err)
{
    struct zk_driver *d = self;
    struct write_ticket t;
    int rc = 0;
    TRY(begin_call(d, &leader->token, &t, err));
    for (int i = 0; i <= d->config.n_retries; i++) {
        error_clear(err);
        rc = announce_once(d, &t, leader, err);
        bool again = rc == ERR_UNAVAILABLE || rc == ERR_ALREADY_EXISTS || rc == ERR_NOT_FOUND;
        if (!again || !pause_ms(d, SOON_MS * 10)) {
            break;
        }
    }
    zk_session_unref(t.session);
    wake(d);
    return rc == ERR_CLOSED ? ERR_FENCED : rc;
}

/* ---- life --------------------------------------------------------------------------------------------------- */

static void zookeeper_driver_close(void *self)
{
    struct zk_driver *d = self;
    stop_thread(d);
    set_session(d, NULL);
    zk_config_fini(&d->config);
    pthread_mutex_destroy(&d->lock);
    mem_free(d->name);
    mem_free(d);
}

static int zookeeper_open(const struct conf *conf, struct ha *ha, void **ret_self,
                          struct error *err)
{
    struct zk_driver *d = MEM_NEW(struct zk_driver);
    d->ha = ha;
    d->connected_ms = d->warned_ms = now_ms();
    rng_init_system(&d->rng);
    pthread_mutex_init(&d->lock, NULL);
    int rc = zk_config_read(&d->config, conf, err);
    if (rc == 0) {
        rc = zookeeper_api_get(&d->api, err);
    }
    if (rc == 0) {
        rc = thread_start(&d->thread, "ha-zookeeper", run, d, err);
        d->has_thread = rc == 0;
    }
    if (rc < 0) {
        zookeeper_driver_close(d);
        return rc;
    }
    *ret_self = d;
    return 0;
}

static void zookeeper_describe(const void *self, struct str *ret)
{
    const struct zk_driver *d = self;
    str_printf(ret, "ZooKeeper at %s, %s (high-availability.zookeeper.quorum, cluster-id)",
               d->config.quorum, d->config.root);
}

const struct ha_driver ha_zookeeper_driver = {
    .name = "zookeeper",
    .open = zookeeper_open,
    .close = zookeeper_driver_close,
    .campaign = zookeeper_campaign,
    .resign = zookeeper_resign,
    .announce = zookeeper_announce,
    .write = zookeeper_write,
    .get = zookeeper_get,
    .list = zookeeper_list,
    .describe = zookeeper_describe,
};
