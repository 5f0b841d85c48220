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
#include "common/ha/java_value.h"
#include "common/ha/zookeeper_driver.h"
#include <stdio.h>
#include <stdlib.h>

static const char topic[] = "flinc.ha.zookeeper";

enum {
    LOOK_MS = 1000, /* without an event */
};

static int64_t now_ms(void)
{
    return clock_monotonic_ms(&clock_system);
}

/* Thread: the library's. */
void zk_driver_wake(void *arg)
{
    struct zk_driver *d = arg;
    event_count_signal(&d->event);
}

static void watch(zhandle_t *zh, int type, int state, const char *path, void *context)
{
    zk_driver_wake(context);
}

/* ---- paths ------------------------------------------------------------------------------------------ */

static void latch_dir(const struct zk_driver *d, struct str *ret)
{
    str_clear(ret);
    str_printf(ret, "%s/leader/latch", d->config.root);
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
        if (zk_session_open(d->api, &d->config, zk_driver_wake, d, &s, &err) < 0) {
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
    if (!d->config.tolerates_suspension || now - d->connected_ms > d->config.gives_up_ms) {
        error_set(
            &err, ERR_UNAVAILABLE, "the connection to ZooKeeper is lost%s",
            d->config.tolerates_suspension
                ? " for longer than "
                  "high-availability.zookeeper.client.simulated-session-expiration-percent allows"
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

/* As long as nobody knows what became of the one before, it is made under the same id: both are found then, and one of them goes.
 * Under another id one that was made all the same would be nobody's, and lead for ever. */
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
    if (d->latch_id[0] == '\0') {
        id_format(&id, d->latch_id);
    }
    str_printf(&path, "%s/_c_%s-latch-", str_cstr(&dir), d->latch_id);
    pthread_mutex_unlock(&d->lock);
    TRY(zk_error(s,
                 d->api->zoo_create(s->zh, str_cstr(&path), d->name, (int)strlen(d->name), &s->acl,
                                    ZK_EPHEMERAL_SEQUENTIAL, made, sizeof(made)),
                 str_cstr(&path), err));
    return 0; /* it is found by its id, also when the answer is lost */
}

/* Is the own latch there, and the lowest?  *ret_lowest; the path is noted.  1: it is there.  Of two the later one goes. */
static int find_latch(struct zk_driver *d, struct zk_session *s, bool *ret_lowest,
                      struct error *err)
{
    STR_AUTO dir = STR_INIT;
    struct String_vector names = {0, NULL};
    uint64_t own = UINT64_MAX, lowest = UINT64_MAX;
    char second[ZK_PATH_MAX] = "";
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
        if (d->latch_id[0] == '\0' || strstr(names.data[i], d->latch_id) == NULL) {
            continue;
        }
        if (own != UINT64_MAX) {
            (void)snprintf(second, sizeof(second), "%s/%s", str_cstr(&dir),
                           n < own ? strrchr(d->latch, '/') + 1 : names.data[i]);
        }
        if (n < own) {
            own = n;
            (void)snprintf(d->latch, sizeof(d->latch), "%s/%s", str_cstr(&dir), names.data[i]);
        }
    }
    pthread_mutex_unlock(&d->lock);
    (void)d->api->deallocate_String_vector(&names);
    if (second[0] != '\0') {
        TRY(zk_error(s, d->api->zoo_delete(s->zh, second, -1), second, err));
    }
    *ret_lowest = own == lowest;
    return own != UINT64_MAX;
}

/* The latches of a leadership that is over; one at a time. */
static int drop_latch(struct zk_driver *d, struct zk_session *s, struct error *err)
{
    bool ignored = false;
    int rc = zk_error(s, d->api->zoo_delete(s->zh, d->latch, -1), d->latch, err);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        return rc;
    }
    error_clear(err);
    int found = find_latch(d, s, &ignored, err);
    TRY(found);
    if (found == 0) {
        forget_latch(d);
    }
    return 0;
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
    while (d->latch_is_stale) { /* only this thread sets it */
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
    lowest = lowest || PLANTED("ha.zookeeper.any_latch_leads");
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
    zk_leader_path(d, node, &path);
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
        return ZK_DRIVER_SOON_MS;
    }
    int rc = campaign_turn(d, s, &err);
    if (rc == 0) {
        rc = look_for_leader(d, s, &err);
    }
    zk_session_unref(s);
    if (rc < 0 && rc != ERR_UNAVAILABLE && rc != ERR_CLOSED) {
        say_waiting(d, err.message);
    }
    return rc < 0 ? ZK_DRIVER_SOON_MS * 5 : LOOK_MS;
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
    zk_driver_wake(d);
    return 0;
}

/* The session ends with its ephemeral nodes: who waits for the latch goes on at once. */
static void stop_thread(struct zk_driver *d)
{
    d->stops = true;
    zk_driver_wake(d);
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
    .announce = zk_announce,
    .write = zk_store_write,
    .get = zk_store_get,
    .list = zk_store_list,
    .describe = zookeeper_describe,
};
