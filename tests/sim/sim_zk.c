/* The ensemble and the client library; see sim_zk.h. */
#include "tests/sim/sim_zk.h"

#include "common/ha/zookeeper_api.h"
#include "tests/sim/sim.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
    CONNECTING = 1,
    SERVERS = 3,
    BREAK_PERCENT = 2,
    LAG_PERCENT = 30,
};

struct zk_version {
    int64_t zxid;
    bool is_there;
    char *data; /* Owns */
    size_t len;
};

struct zk_node {
    char *path;          /* Owns */
    struct vec versions; /* of struct zk_version; the last one is now */
    int64_t owner;       /* session of an ephemeral one; 0: it stays */
    uint32_t sequence;   /* of what is made below it */
};

struct zk_session {
    int64_t id, heard_ms, timeout_ms;
    struct sim_process *process;
    bool over, has_client;
};

struct zk_watch {
    char *path; /* Owns */
    bool children;
    watcher_fn fn;
    void *context;
    int64_t at_ms; /* when it is told; 0: nothing has happened */
};

/* A copy of what was sent on a connection that broke. */
struct zk_late {
    struct _zhandle *from;
    int64_t session;
    int n;
    zoo_op_t ops[8]; /* own their texts */
};

struct _zhandle {
    struct sim_zk *z;
    struct sim_process *process;
    watcher_fn watcher;
    void *context;
    int64_t session, seen;
    int state, server;
    uint32_t connection; /* counts them */
    int64_t timeout_ms;
    int64_t turns_ms;     /* when the state changes; 0: not */
    int64_t cut_until_ms; /* its network */
    struct vec watches;   /* of struct zk_watch */
};

/* ---- the tree -------------------------------------------------------------------------------------------- */

static struct zk_version *now_of(const struct zk_node *n)
{
    return VEC_AT(&n->versions, struct zk_version, n->versions.len - 1);
}

/* As of a transaction; NULL: it is not there. */
static const struct zk_version *version_at(const struct zk_node *n, int64_t zxid)
{
    for (size_t i = n->versions.len; i > 0; i--) {
        const struct zk_version *v = VEC_AT(&n->versions, struct zk_version, i - 1);
        if (v->zxid <= zxid) {
            return v->is_there ? v : NULL;
        }
    }
    return NULL;
}

static struct zk_node *find(const struct sim_zk *z, const char *path)
{
    return map_find(&z->by_path, path);
}

static const struct zk_version *look(const struct sim_zk *z, const char *path, int64_t zxid)
{
    const struct zk_node *n = find(z, path);
    return n != NULL ? version_at(n, zxid) : NULL;
}

static bool is_child(const char *path, const char *parent)
{
    size_t len = strcmp(parent, "/") == 0 ? 0 : strlen(parent);
    return strncmp(path, parent, len) == 0 && path[len] == '/' && path[len + 1] != '\0' &&
           strchr(path + len + 1, '/') == NULL;
}

static bool has_children(const struct sim_zk *z, const char *path, int64_t zxid)
{
    for (size_t i = 0; i < z->nodes.len; i++) {
        const struct zk_node *n = vec_ptr(&z->nodes, i);
        if (is_child(n->path, path) && version_at(n, zxid) != NULL) {
            return true;
        }
    }
    return false;
}

static void node_free(struct zk_node *n)
{
    for (size_t i = 0; i < n->versions.len; i++) {
        mem_free(VEC_AT(&n->versions, struct zk_version, i)->data);
    }
    vec_fini(&n->versions);
    mem_free(n->path);
    mem_free(n);
}

/* What nobody can read any more. */
static void prune(struct sim_zk *z)
{
    int64_t lowest = MIN(z->applied[0], z->applied[1]);
    lowest = MIN(lowest, z->applied[2]);
    if (lowest == z->pruned) {
        return;
    }
    z->pruned = lowest;
    for (size_t i = z->nodes.len; i > 0; i--) {
        struct zk_node *n = vec_ptr(&z->nodes, i - 1);
        while (n->versions.len > 1 && VEC_AT(&n->versions, struct zk_version, 1)->zxid <= lowest) {
            mem_free(VEC_AT(&n->versions, struct zk_version, 0)->data);
            vec_remove(&n->versions, 0);
        }
        if (n->versions.len == 1 && !now_of(n)->is_there && now_of(n)->zxid <= lowest) {
            (void)map_remove(&z->by_path, n->path);
            vec_remove(&z->nodes, i - 1);
            node_free(n);
        }
    }
}

/* ---- watches ---------------------------------------------------------------------------------------------- */

static void alarm_watches(struct sim_zk *z, const char *path, bool children)
{
    struct sim *s = z->s;
    for (size_t i = 0; i < z->handles.len; i++) {
        const struct _zhandle *h = vec_ptr(&z->handles, i);
        for (size_t k = 0; k < h->watches.len; k++) {
            struct zk_watch *w = VEC_AT(&h->watches, struct zk_watch, k);
            bool is_it = w->children == children && w->at_ms == 0 &&
                         (children ? is_child(path, w->path) : strcmp(path, w->path) == 0);
            if (is_it) {
                w->at_ms =
                    sim_now_ms(s) + (s->lossy && sim_ha_chance(s, 30) ? sim_ha_below(s, 600) : 0);
            }
        }
    }
}

static void set(struct sim_zk *z, int64_t session, struct zk_node *n, bool is_there,
                const char *data, size_t len)
{
    const struct zk_version *old = n->versions.len > 0 ? now_of(n) : NULL;
    bool was_there = old != NULL && old->is_there;
    char *old_data = old != NULL ? mem_strndup(old->data, old->len) : mem_strdup("");
    struct sim_zk_change change = {.session = session,
                                   .path = n->path,
                                   .made = is_there && !was_there,
                                   .removed = !is_there && was_there,
                                   .data = is_there && len > 0 ? data : "",
                                   .len = is_there ? len : 0,
                                   .old = old_data,
                                   .old_len = old != NULL ? old->len : 0};
    struct zk_version *v = VEC_PUSH(&n->versions, struct zk_version);
    *v = (struct zk_version){z->zxid, is_there, mem_alloc(len + 1), is_there ? len : 0};
    if (len > 0 && is_there) {
        memcpy(v->data, data, len);
    }
    v->data[is_there ? len : 0] = '\0';
    alarm_watches(z, n->path, false);
    if (change.made || change.removed) {
        alarm_watches(z, n->path, true);
    }
    sim_ha_on_change(z->s, &change);
    mem_free(old_data);
}

static struct zk_node *node_of(struct sim_zk *z, const char *path)
{
    struct zk_node *n = find(z, path);
    if (n == NULL) {
        n = MEM_NEW(struct zk_node);
        n->path = mem_strdup(path);
        vec_init(&n->versions, sizeof(struct zk_version));
        vec_push_ptr(&z->nodes, n);
        (void)map_put(&z->by_path, path, n);
    }
    return n;
}

/* ---- transactions ------------------------------------------------------------------------------------------ */

static const char *path_of(const zoo_op_t *op)
{
    return op->type == ZOO_CREATE_OP    ? op->create_op.path
           : op->type == ZOO_DELETE_OP  ? op->delete_op.path
           : op->type == ZOO_SETDATA_OP ? op->set_op.path
                                        : op->check_op.path;
}

/* Is it there once the first n operations are done? */
static bool is_there_after(const struct sim_zk *z, const zoo_op_t *ops, int n, const char *path)
{
    bool there = look(z, path, z->zxid) != NULL;
    for (int i = 0; i < n; i++) {
        if (strcmp(path_of(&ops[i]), path) == 0) {
            there = ops[i].type == ZOO_CREATE_OP   ? true
                    : ops[i].type == ZOO_DELETE_OP ? false
                                                   : there;
        }
    }
    return there;
}

static int check(const struct sim_zk *z, const zoo_op_t *ops, int i)
{
    const char *path = path_of(&ops[i]);
    bool there = is_there_after(z, ops, i, path);
    if (ops[i].type != ZOO_CREATE_OP) {
        return !there                                                           ? ZNONODE
               : ops[i].type == ZOO_DELETE_OP && has_children(z, path, z->zxid) ? ZNOTEMPTY
                                                                                : ZOK;
    }
    char parent[1024];
    (void)snprintf(parent, sizeof(parent), "%s", path);
    *strrchr(parent, '/') = '\0';
    if (parent[0] != '\0' && !is_there_after(z, ops, i, parent)) {
        return ZNONODE;
    }
    return there && ops[i].create_op.flags != ZK_EPHEMERAL_SEQUENTIAL ? ZNODEEXISTS : ZOK;
}

static void make(struct sim_zk *z, int64_t session, const zoo_op_t *op)
{
    char path[1100];
    bool is_sequence = op->create_op.flags == ZK_EPHEMERAL_SEQUENTIAL;
    (void)snprintf(path, sizeof(path), "%s", op->create_op.path);
    if (is_sequence) {
        char parent[1100];
        (void)snprintf(parent, sizeof(parent), "%s", path);
        *strrchr(parent, '/') = '\0';
        (void)snprintf(path, sizeof(path), "%s%010u", op->create_op.path,
                       find(z, parent)->sequence++);
        if (op->create_op.buf != NULL) {
            (void)snprintf(op->create_op.buf, (size_t)op->create_op.buflen, "%s", path);
        }
    }
    struct zk_node *n = node_of(z, path);
    n->owner = op->create_op.flags != ZK_PERSISTENT ? session : 0;
    set(z, session, n, true, op->create_op.data,
        op->create_op.datalen > 0 ? (size_t)op->create_op.datalen : 0);
}

/* All of it, or nothing. */
static int transact(struct sim_zk *z, int64_t session, int n, const zoo_op_t *ops,
                    zoo_op_result_t *results)
{
    int rc = ZOK;
    for (int i = 0; i < n; i++) {
        int one = rc == ZOK ? check(z, ops, i) : ZRUNTIMEINCONSISTENCY;
        rc = rc == ZOK ? one : rc;
        if (results != NULL) {
            results[i].err = one;
        }
    }
    if (rc != ZOK) {
        z->n_fenced += n > 1 && results != NULL && results[0].err == ZNONODE;
        return rc;
    }
    z->zxid++;
    z->n_transactions++;
    for (int i = 0; i < n; i++) {
        if (ops[i].type == ZOO_CREATE_OP) {
            make(z, session, &ops[i]);
        } else if (ops[i].type == ZOO_DELETE_OP) {
            set(z, session, find(z, ops[i].delete_op.path), false, NULL, 0);
        } else if (ops[i].type == ZOO_SETDATA_OP) {
            set(z, session, find(z, ops[i].set_op.path), true, ops[i].set_op.data,
                (size_t)MAX(ops[i].set_op.datalen, 0));
        }
    }
    for (int i = 0; i < SERVERS && !z->s->lossy; i++) {
        z->applied[i] = z->zxid;
    }
    return ZOK;
}

/* ---- sessions ---------------------------------------------------------------------------------------------- */

static struct zk_session *session_of(const struct sim_zk *z, int64_t id)
{
    for (size_t i = z->sessions.len; i > 0; i--) {
        struct zk_session *t = VEC_AT(&z->sessions, struct zk_session, i - 1);
        if (t->id == id) {
            return t;
        }
    }
    return NULL;
}

struct sim_process *sim_zk_process(const struct sim_zk *z, int64_t session)
{
    return session_of(z, session)->process;
}

static void late_fini(struct zk_late *l)
{
    for (int i = 0; i < l->n; i++) {
        mem_free((char *)path_of(&l->ops[i]));
        mem_free(l->ops[i].type == ZOO_CREATE_OP    ? (char *)l->ops[i].create_op.data
                 : l->ops[i].type == ZOO_SETDATA_OP ? (char *)l->ops[i].set_op.data
                                                    : NULL);
    }
}

static void end_session(struct sim_zk *z, struct zk_session *t)
{
    int64_t id = t->id;
    t->over = true;
    z->zxid++;
    for (size_t i = 0; i < z->nodes.len; i++) {
        struct zk_node *n = vec_ptr(&z->nodes, i);
        if (n->owner == id && now_of(n)->is_there) {
            set(z, id, n, false, NULL, 0);
        }
    }
    for (size_t i = z->late.len; i > 0; i--) {
        if (VEC_AT(&z->late, struct zk_late, i - 1)->session == id) {
            late_fini(VEC_AT(&z->late, struct zk_late, i - 1));
            vec_remove(&z->late, i - 1);
        }
    }
}

/* What was on its way when the connection broke arrives; all of this client's before it is connected again. */
static void step_late(struct sim_zk *z, const struct _zhandle *all_of)
{
    for (size_t i = 0; i < z->late.len;) {
        struct zk_late l = *VEC_AT(&z->late, struct zk_late, i);
        if (l.from != all_of && (all_of != NULL || !sim_ha_chance(z->s, 10))) {
            i++;
            continue;
        }
        vec_remove(&z->late, i);
        (void)transact(z, l.session, l.n, l.ops, NULL);
        late_fini(&l);
    }
}

/* ---- connections ------------------------------------------------------------------------------------------- */

static bool is_reached(const struct _zhandle *h)
{
    int64_t now = sim_now_ms(h->z->s);
    return !h->process->dead && now >= h->cut_until_ms && now >= h->z->away_until_ms;
}

static void tell_session(struct _zhandle *h)
{
    h->watcher(h, ZK_EVENT_SESSION, h->state, "", h->context);
}

static void disconnect(struct _zhandle *h)
{
    struct sim *s = h->z->s;
    h->state = CONNECTING;
    h->connection++;
    h->turns_ms = sim_now_ms(s) + (s->lossy ? sim_ha_below(s, 1500) : 10);
    h->z->n_lost++;
    tell_session(h);
}

static void connect_again(struct _zhandle *h)
{
    struct sim_zk *z = h->z;
    struct zk_session *t = session_of(z, h->session);
    step_late(z, h);
    if (t->over) {
        h->state = ZK_STATE_EXPIRED;
    } else {
        t->heard_ms = sim_now_ms(z->s);
        h->state = ZK_STATE_CONNECTED;
        h->server = (int)sim_ha_below(z->s, SERVERS);
        z->applied[h->server] = MAX(z->applied[h->server], h->seen);
    }
    h->connection++;
    h->turns_ms = 0;
    tell_session(h);
}

static void step_handle(struct _zhandle *h)
{
    struct sim *s = h->z->s;
    int64_t now = sim_now_ms(s);
    struct zk_session *t = session_of(h->z, h->session);
    bool reached = is_reached(h);
    if (h->state == ZK_STATE_CONNECTED && reached && !t->over) {
        t->heard_ms = now;
        h->turns_ms = 0;
    } else if (h->state == ZK_STATE_CONNECTED && h->turns_ms == 0) {
        h->turns_ms = now + 1 + (s->lossy ? sim_ha_below(s, (uint32_t)h->timeout_ms * 2 / 3) : 0);
    } else if (h->state == ZK_STATE_CONNECTED && now >= h->turns_ms) {
        disconnect(h);
    } else if (h->state == CONNECTING && reached && now >= h->turns_ms) {
        connect_again(h);
    }
}

static void tell_watches(struct _zhandle *h)
{
    for (size_t i = 0; i < h->watches.len;) {
        struct zk_watch w = *VEC_AT(&h->watches, struct zk_watch, i);
        if (w.at_ms == 0 || w.at_ms > sim_now_ms(h->z->s) || h->state != ZK_STATE_CONNECTED) {
            i++;
            continue;
        }
        vec_remove(&h->watches, i);
        w.fn(h, 0, h->state, w.path, w.context);
        mem_free(w.path);
    }
}

void sim_zk_step(struct sim_zk *z)
{
    struct sim *s = z->s;
    for (int i = 0; i < SERVERS; i++) {
        if (z->applied[i] < z->zxid && (!s->lossy || !sim_ha_chance(s, LAG_PERCENT))) {
            z->applied[i] = z->zxid;
        }
    }
    for (size_t i = 0; i < z->handles.len; i++) {
        struct _zhandle *h = vec_ptr(&z->handles, i);
        if (!sim_process_is_frozen(sim_fibers, h->process)) {
            step_handle(h);
            tell_watches(h);
        }
    }
    step_late(z, NULL);
    for (size_t i = 0; i < z->sessions.len;) {
        struct zk_session *t = VEC_AT(&z->sessions, struct zk_session, i);
        if (!t->over && sim_now_ms(s) - t->heard_ms > t->timeout_ms &&
            sim_now_ms(s) >= z->away_until_ms) {
            z->n_expired++;
            end_session(z, t);
        }
        if (t->over && !t->has_client) {
            vec_remove(&z->sessions, i);
        } else {
            i++;
        }
    }
    prune(z);
}

int64_t sim_zk_next_ms(const struct sim_zk *z)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < z->handles.len; i++) {
        const struct _zhandle *h = vec_ptr(&z->handles, i);
        int64_t at = h->turns_ms != 0 ? h->turns_ms : INT64_MAX;
        for (size_t k = 0; k < h->watches.len; k++) {
            int64_t due = VEC_AT(&h->watches, struct zk_watch, k)->at_ms;
            at = due != 0 ? MIN(at, due) : at;
        }
        at = at != INT64_MAX ? MAX(at, h->process->frozen_until_ms) : at;
        next = MIN(next, at);
    }
    return next;
}

void sim_zk_cut(struct sim_zk *z, struct sim_process *p, int64_t until_ms)
{
    for (size_t i = 0; i < z->handles.len; i++) {
        struct _zhandle *h = vec_ptr(&z->handles, i);
        h->cut_until_ms = h->process == p ? until_ms : h->cut_until_ms;
    }
}

void sim_zk_expire(struct sim_zk *z, const struct sim_process *p)
{
    for (size_t i = 0; i < z->sessions.len; i++) {
        struct zk_session *t = VEC_AT(&z->sessions, struct zk_session, i);
        if (t->process == p && !t->over) {
            z->n_expired++;
            end_session(z, t);
        }
    }
}

/* ---- looking, for the simulation ----------------------------------------------------------------------------- */

const char *sim_zk_find(const struct sim_zk *z, const char *path, size_t *ret_len)
{
    const struct zk_version *v = look(z, path, z->zxid);
    *ret_len = v != NULL ? v->len : 0;
    return v != NULL ? v->data : NULL;
}

void sim_zk_each(const struct sim_zk *z, const char *path, void (*fn)(void *arg, const char *path),
                 void *arg)
{
    size_t len = strlen(path);
    for (size_t i = 0; i < z->nodes.len; i++) {
        const struct zk_node *n = vec_ptr(&z->nodes, i);
        if (strncmp(n->path, path, len) == 0 && n->path[len] == '/' && now_of(n)->is_there) {
            fn(arg, n->path);
        }
    }
}

static uint64_t sequence_of(const char *path)
{
    size_t len = strlen(path);
    return len > 10 ? strtoull(path + len - 10, NULL, 10) : UINT64_MAX;
}

int64_t sim_zk_lowest(const struct sim_zk *z, const char *folder)
{
    uint64_t lowest = UINT64_MAX;
    int64_t owner = 0;
    for (size_t i = 0; i < z->nodes.len; i++) {
        const struct zk_node *n = vec_ptr(&z->nodes, i);
        if (is_child(n->path, folder) && now_of(n)->is_there && sequence_of(n->path) < lowest) {
            lowest = sequence_of(n->path);
            owner = n->owner;
        }
    }
    return owner;
}

/* ---- calls of the library ------------------------------------------------------------------------------------ */

/* A message is on its way. */
static void travel(struct sim *s)
{
    if (s->lossy && sim_ha_chance(s, 25)) {
        sim_pause_ms(sim_ha_chance(s, 8) ? 1 + sim_ha_below(s, 1500) : 1 + sim_ha_below(s, 25));
    } else if (sim_ha_chance(s, 30)) {
        sim_pause_ms(0); /* somebody else first */
    }
}

static int await_connection(struct _zhandle *h)
{
    int64_t until = sim_now_ms(h->z->s) + h->timeout_ms * 2 / 3;
    while (h->state != ZK_STATE_CONNECTED) {
        if (h->state == ZK_STATE_EXPIRED) {
            return ZSESSIONEXPIRED;
        }
        if (sim_is_ghost() || sim_now_ms(h->z->s) >= until) {
            return ZCONNECTIONLOSS;
        }
        sim_pause_ms(20);
    }
    return ZOK;
}

static int lost(const struct _zhandle *h)
{
    return h->state == ZK_STATE_EXPIRED ? ZSESSIONEXPIRED : ZCONNECTIONLOSS;
}

static char *copy_bytes(const char *data, int len)
{
    char *copy = mem_alloc((size_t)MAX(len, 0) + 1);
    if (len > 0) {
        memcpy(copy, data, (size_t)len);
    }
    copy[MAX(len, 0)] = '\0';
    return copy;
}

static void send_late(struct _zhandle *h, int n, const zoo_op_t *ops)
{
    struct zk_late *l = VEC_PUSH(&h->z->late, struct zk_late);
    ASSERT(n <= (int)ARRAY_LEN(l->ops));
    l->from = h;
    l->session = h->session;
    l->n = n;
    for (int i = 0; i < n; i++) {
        zoo_op_t *op = &l->ops[i];
        *op = ops[i];
        char *path = mem_strdup(path_of(op));
        if (op->type == ZOO_CREATE_OP) {
            op->create_op.path = path;
            op->create_op.data = copy_bytes(op->create_op.data, op->create_op.datalen);
            op->create_op.buf = NULL;
        } else if (op->type == ZOO_SETDATA_OP) {
            op->set_op.path = path;
            op->set_op.data = copy_bytes(op->set_op.data, op->set_op.datalen);
        } else if (op->type == ZOO_DELETE_OP) {
            op->delete_op.path = path;
        } else {
            op->check_op.path = path;
        }
    }
}

/* Up to the server: ZOK when it is there.  n > 0: it writes. */
static int arrive(struct _zhandle *h, int n, const zoo_op_t *ops)
{
    struct sim *s = h->z->s;
    if (h->state == ZK_STATE_EXPIRED) {
        return ZINVALIDSTATE;
    }
    int rc = await_connection(h);
    if (rc != ZOK) {
        return rc;
    }
    uint32_t connection = h->connection;
    travel(s);
    bool breaks = s->lossy && sim_ha_chance(s, BREAK_PERCENT);
    if (connection != h->connection || !is_reached(h) || session_of(h->z, h->session)->over ||
        breaks) {
        if (connection == h->connection) {
            disconnect(h);
        }
        if (breaks && n > 0 && !session_of(h->z, h->session)->over && !sim_is_ghost()) {
            uint32_t fate = sim_ha_below(s, 3);
            if (fate == 1) {
                (void)transact(h->z, h->session, n, ops, NULL);
            } else if (fate == 2) {
                send_late(h, n, ops);
            }
        }
        return lost(h);
    }
    return ZOK;
}

/* The answer's way back. */
static int answer(struct _zhandle *h, int rc)
{
    uint32_t connection = h->connection;
    h->seen = MAX(h->seen, h->z->applied[h->server]);
    travel(h->z->s);
    return connection == h->connection && !sim_is_ghost() ? rc : lost(h);
}

static int write_ops(struct _zhandle *h, int n, const zoo_op_t *ops, zoo_op_result_t *results)
{
    int rc = arrive(h, n, ops);
    if (rc == ZOK) {
        rc = transact(h->z, h->session, n, ops, results);
        h->z->applied[h->server] = h->z->zxid; /* that server tells of it */
        rc = answer(h, rc);
    }
    return rc;
}

static int64_t view_of(const struct _zhandle *h)
{
    return MAX(h->seen, h->z->applied[h->server]);
}

static void add_watch(struct _zhandle *h, const char *path, bool children, watcher_fn fn,
                      void *context)
{
    for (size_t i = 0; i < h->watches.len; i++) {
        const struct zk_watch *w = VEC_AT(&h->watches, struct zk_watch, i);
        if (w->children == children && w->at_ms == 0 && strcmp(w->path, path) == 0) {
            return;
        }
    }
    *VEC_PUSH(&h->watches, struct zk_watch) =
        (struct zk_watch){mem_strdup(path), children, fn, context, 0};
}

static zhandle_t *fake_zookeeper_init2(const char *host, watcher_fn fn, int recv_timeout,
                                       const clientid_t *clientid, void *context, int flags,
                                       log_callback_fn log_callback)
{
    struct sim_zk *z = sim_ha_ensemble();
    if (sim_is_ghost()) {
        errno = ECONNREFUSED;
        return NULL;
    }
    struct _zhandle *h = MEM_NEW(struct _zhandle);
    h->z = z;
    h->process = sim_fibers->process;
    h->watcher = fn;
    h->context = context;
    h->session = ++z->next_session;
    h->timeout_ms = recv_timeout;
    h->state = CONNECTING;
    h->turns_ms = sim_now_ms(z->s) + 1 + (z->s->lossy ? sim_ha_below(z->s, 300) : 0);
    vec_init(&h->watches, sizeof(struct zk_watch));
    *VEC_PUSH(&z->sessions, struct zk_session) =
        (struct zk_session){h->session, sim_now_ms(z->s), recv_timeout, h->process, false, true};
    for (size_t i = 0; i < z->handles.len; i++) { /* a new session is cut off as the others are */
        const struct _zhandle *other = vec_ptr(&z->handles, i);
        h->cut_until_ms = other->process == h->process ? other->cut_until_ms : h->cut_until_ms;
    }
    vec_push_ptr(&z->handles, h);
    return h;
}

static void handle_free(struct _zhandle *h)
{
    for (size_t i = 0; i < h->watches.len; i++) {
        mem_free(VEC_AT(&h->watches, struct zk_watch, i)->path);
    }
    vec_fini(&h->watches);
    mem_free(h);
}

static int fake_zookeeper_close(zhandle_t *h)
{
    struct sim_zk *z = h->z;
    struct zk_session *t = session_of(z, h->session);
    for (size_t i = 0; i < z->handles.len; i++) {
        if (vec_ptr(&z->handles, i) == h) {
            vec_remove(&z->handles, i);
            break;
        }
    }
    for (size_t i = 0; i < z->late.len; i++) {
        struct zk_late *l = VEC_AT(&z->late, struct zk_late, i);
        l->from = l->from == h ? NULL : l->from;
    }
    t->has_client = false;
    if (h->state == ZK_STATE_CONNECTED && is_reached(h) && !t->over && !sim_is_ghost()) {
        end_session(z, t);
    }
    handle_free(h);
    return ZOK;
}

static int fake_zoo_state(zhandle_t *h)
{
    return h->process->dead ? ZK_STATE_EXPIRED : h->state; /* a ghost need not wait */
}

static int fake_zoo_recv_timeout(zhandle_t *h)
{
    return (int)h->timeout_ms;
}

static void fake_zoo_set_debug_level(ZooLogLevel level)
{
}

static int fake_zoo_add_auth(zhandle_t *h, const char *scheme, const char *cert, int len,
                             void_completion_t done, const void *data)
{
    return ZOK;
}

static int fake_zoo_async(zhandle_t *h, const char *path, string_completion_t done,
                          const void *data)
{
    if (h->state == ZK_STATE_EXPIRED) {
        return ZINVALIDSTATE;
    }
    int rc = arrive(h, 0, NULL);
    if (rc == ZOK) {
        h->z->applied[h->server] = h->z->zxid;
        rc = answer(h, ZOK);
    }
    done(rc, path, data);
    return ZOK;
}

static int fake_zoo_create(zhandle_t *h, const char *path, const char *value, int len,
                           const struct ACL_vector *acl, int mode, char *buf, int buf_len)
{
    zoo_op_t op = {.type = ZOO_CREATE_OP,
                   .create_op = {.path = path,
                                 .data = value,
                                 .datalen = len,
                                 .buf = buf,
                                 .buflen = buf_len,
                                 .flags = mode}};
    return write_ops(h, 1, &op, NULL);
}

static int fake_zoo_delete(zhandle_t *h, const char *path, int version)
{
    zoo_op_t op = {.type = ZOO_DELETE_OP, .delete_op = {path, version}};
    return write_ops(h, 1, &op, NULL);
}

static int fake_zoo_wexists(zhandle_t *h, const char *path, watcher_fn fn, void *context,
                            struct Stat *stat)
{
    int rc = arrive(h, 0, NULL);
    if (rc == ZOK) {
        rc = look(h->z, path, view_of(h)) != NULL ? ZOK : ZNONODE;
        if (fn != NULL) {
            add_watch(h, path, false, fn, context);
        }
        rc = answer(h, rc);
    }
    return rc;
}

static int fake_zoo_exists(zhandle_t *h, const char *path, int watch, struct Stat *stat)
{
    return fake_zoo_wexists(h, path, NULL, NULL, stat);
}

static int fake_zoo_wget(zhandle_t *h, const char *path, watcher_fn fn, void *context, char *buf,
                         int *buf_len, struct Stat *stat)
{
    int rc = arrive(h, 0, NULL);
    if (rc != ZOK) {
        return rc;
    }
    const struct zk_version *v = look(h->z, path, view_of(h));
    if (v != NULL) {
        *buf_len = (int)MIN(v->len, (size_t)*buf_len);
        memcpy(buf, v->data, (size_t)*buf_len);
        if (fn != NULL) {
            add_watch(h, path, false, fn, context);
        }
    }
    return answer(h, v != NULL ? ZOK : ZNONODE);
}

static int fake_zoo_get(zhandle_t *h, const char *path, int watch, char *buf, int *buf_len,
                        struct Stat *stat)
{
    return fake_zoo_wget(h, path, NULL, NULL, buf, buf_len, stat);
}

static int fake_zoo_wget_children(zhandle_t *h, const char *path, watcher_fn fn, void *context,
                                  struct String_vector *ret)
{
    int rc = arrive(h, 0, NULL);
    if (rc != ZOK) {
        return rc;
    }
    struct sim_zk *z = h->z;
    int64_t view = view_of(h);
    bool there = look(z, path, view) != NULL;
    size_t len = strlen(path) + 1;
    int max = 0;
    *ret = (struct String_vector){0, NULL};
    for (size_t i = 0; i < z->nodes.len && there; i++) {
        const struct zk_node *n = vec_ptr(&z->nodes, i);
        if (is_child(n->path, path) && version_at(n, view) != NULL) {
            if (ret->count == max) {
                max = max * 2 + 8;
                ret->data = mem_realloc(ret->data, (size_t)max * sizeof(char *));
            }
            ret->data[ret->count++] = mem_strdup(n->path + len);
        }
    }
    if (there && fn != NULL) {
        add_watch(h, path, true, fn, context);
    }
    rc = answer(h, there ? ZOK : ZNONODE);
    if (rc != ZOK) {
        for (int i = 0; i < ret->count; i++) {
            mem_free(ret->data[i]);
        }
        mem_free(ret->data);
        *ret = (struct String_vector){0, NULL};
    }
    return rc;
}

static int fake_zoo_get_children(zhandle_t *h, const char *path, int watch,
                                 struct String_vector *ret)
{
    return fake_zoo_wget_children(h, path, NULL, NULL, ret);
}

static int fake_deallocate_String_vector(struct String_vector *v)
{
    for (int i = 0; i < v->count; i++) {
        mem_free(v->data[i]);
    }
    mem_free(v->data);
    return 0;
}

static int fake_zoo_multi(zhandle_t *h, int n, const zoo_op_t *ops, zoo_op_result_t *results)
{
    struct sim *s = h->z->s;
    if (s->lossy && sim_ha_chance(s, 2)) { /* the thread does not get its turn */
        sim_pause_ms(1 + sim_ha_below(s, 5000));
    }
    return write_ops(h, n, ops, results);
}

static void fake_zoo_create_op_init(zoo_op_t *op, const char *path, const char *value, int len,
                                    const struct ACL_vector *acl, int mode, char *buf, int buf_len)
{
    *op = (zoo_op_t){.type = ZOO_CREATE_OP,
                     .create_op = {.path = path,
                                   .data = value,
                                   .datalen = len,
                                   .buf = buf,
                                   .buflen = buf_len,
                                   .flags = mode}};
}

static void fake_zoo_delete_op_init(zoo_op_t *op, const char *path, int version)
{
    *op = (zoo_op_t){.type = ZOO_DELETE_OP, .delete_op = {path, version}};
}

static void fake_zoo_set_op_init(zoo_op_t *op, const char *path, const char *data, int len,
                                 int version, struct Stat *stat)
{
    *op = (zoo_op_t){.type = ZOO_SETDATA_OP,
                     .set_op = {.path = path, .data = data, .datalen = len, .version = version}};
}

static void fake_zoo_check_op_init(zoo_op_t *op, const char *path, int version)
{
    *op = (zoo_op_t){.type = ZOO_CHECK_OP, .check_op = {path, version}};
}

static const char *fake_zerror(int rc)
{
    return rc == ZOK               ? "ok"
           : rc == ZNONODE         ? "no node"
           : rc == ZNODEEXISTS     ? "node exists"
           : rc == ZCONNECTIONLOSS ? "connection loss"
           : rc == ZSESSIONEXPIRED ? "session expired"
           : rc == ZINVALIDSTATE   ? "invalid state"
           : rc == ZNOTEMPTY       ? "not empty"
                                   : "another error";
}

int __wrap_zookeeper_api_get(const struct zookeeper_api **ret, struct error *err);
int __wrap_zookeeper_api_get(const struct zookeeper_api **ret, struct error *err)
{
#define ZK_FAKE(name, result, parameters) .name = fake_##name,
    static const struct zookeeper_api api = {ZK_FUNCTIONS(ZK_FAKE)};
#undef ZK_FAKE
    *ret = &api;
    return 0;
}

/* ---- life ---------------------------------------------------------------------------------------------------- */

void sim_zk_init(struct sim_zk *z, struct sim *s)
{
    *z = (struct sim_zk){.s = s};
    map_init(&z->by_path, NULL);
    vec_init(&z->nodes, sizeof(struct zk_node *));
    vec_init(&z->sessions, sizeof(struct zk_session));
    vec_init(&z->handles, sizeof(struct _zhandle *));
    vec_init(&z->late, sizeof(struct zk_late));
}

void sim_zk_fini(struct sim_zk *z)
{
    ASSERT(z->handles.len == 0);
    for (size_t i = 0; i < z->nodes.len; i++) {
        node_free(vec_ptr(&z->nodes, i));
    }
    for (size_t i = 0; i < z->late.len; i++) {
        late_fini(VEC_AT(&z->late, struct zk_late, i));
    }
    map_fini(&z->by_path);
    vec_fini(&z->nodes);
    vec_fini(&z->sessions);
    vec_fini(&z->handles);
    vec_fini(&z->late);
}
