/* Connections to whoever leads; see leader_client.h. */
#include "taskmanager/manager/leader_client.h"

#include "common/base/log.h"
#include "common/net/tls/tls.h"
#include "common/text/number.h"
#include <pthread.h>

static const char topic[] = "flinc.taskmanager";

struct leader_client {
    struct leader_client_options o; /* host: the caller's */
    struct ha *ha;                  /* Owns; NULL: without high availability */
    _Atomic bool stopped;
    pthread_mutex_t lock;    /* guards clients */
    struct tls_context *tls; /* a reference; NULL: plain */
    struct map clients;      /* Owns: "host:port" -> struct rpc_client * */
};

static void free_client(void *value)
{
    rpc_client_free(value);
}

/* Thread: of common/ha. */
static void on_change(void *arg, const struct ha_leader *leader)
{
    struct leader_client *c = arg;
    if (leader == NULL) {
        LOG_INFO(topic, "No job manager leads at present.");
        return;
    }
    LOG_INFO(topic, "The job manager at %s leads.", leader->rpc_address);
    if (!c->stopped) {
        c->o.on_leader(c->o.arg, &leader->token);
    }
}

int leader_client_new(const struct leader_client_options *options, struct leader_client **ret,
                      struct error *err)
{
    struct leader_client *c = MEM_NEW(struct leader_client);
    const struct ha_watcher watcher = {on_change, c};
    enum ha_kind kind;
    c->o = *options;
    pthread_mutex_init(&c->lock, NULL);
    map_init(&c->clients, free_client);
    int rc = tls_control_is_enabled(options->conf)
                 ? tls_context_new(options->conf, TLS_SCOPE_INTERNAL, TLS_SIDE_CLIENT, &c->tls, err)
                 : 0;
    if (rc == 0) {
        rc = ha_kind_read(options->conf, &kind, err);
    }
    if (rc == 0 && kind != HA_NONE) {
        rc = ha_open(options->conf, &watcher, &c->ha, err);
    }
    if (rc < 0) {
        leader_client_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

void leader_client_stop(struct leader_client *c)
{
    if (c != NULL) {
        c->stopped = true;
        c->ha = ha_close(c->ha); /* its thread has ended when this returns */
    }
}

struct leader_client *leader_client_free(struct leader_client *c)
{
    if (c != NULL) {
        leader_client_stop(c);
        map_fini(&c->clients);
        tls_context_unref(c->tls);
        pthread_mutex_destroy(&c->lock);
        mem_free(c);
    }
    return NULL;
}

/* "host:port", "[::1]:port" */
static int split_address(const char *address, struct str *ret_host, uint32_t *ret_port,
                         struct error *err)
{
    const char *colon = strrchr(address, ':');
    uint64_t port = 0;
    if (colon == NULL || number_parse_uint64(slice_cstr(colon + 1), &port) < 0 || port < 1 ||
        port > UINT16_MAX) {
        return error_set(err, ERR_UNAVAILABLE, "the leader has published '%.200s', no address",
                         address);
    }
    struct slice host = slice_make(address, (size_t)(colon - address));
    if (host.len > 2 && host.data[0] == '[') {
        host = slice_make(host.data + 1, host.len - 2);
    }
    str_append_slice(ret_host, host);
    *ret_port = (uint32_t)port;
    return 0;
}

/* Under the lock. */
static int find_client(struct leader_client *c, const char *key, const char *host, uint32_t port,
                       struct rpc_client **ret, struct error *err)
{
    struct rpc_client *client = map_find(&c->clients, key);
    if (client == NULL) {
        const struct rpc_client_options o = {
            .runtime = c->o.runtime, .tls = c->tls, .host = host, .port = port};
        if (c->clients.len >= LEADER_CLIENTS_MAX) {
            return error_set(err, ERR_LIMIT, "there have been %d leaders already; start anew",
                             LEADER_CLIENTS_MAX);
        }
        TRY(rpc_client_new(&o, &client, err));
        map_put(&c->clients, key, client);
    }
    *ret = client;
    return 0;
}

int leader_client_get(struct leader_client *c, struct rpc_client **ret, struct error *err)
{
    struct ha_leader leader;
    STR_AUTO host = STR_INIT;
    uint32_t port = c->o.port;
    if (c->stopped) {
        return error_set(err, ERR_UNAVAILABLE, "this task manager ends");
    }
    if (c->ha == NULL) {
        str_append_cstr(&host, c->o.host);
    } else if (!ha_find_leader(c->ha, &leader)) {
        return error_set(err, ERR_UNAVAILABLE,
                         "no job manager leads, says high availability (high-availability.type, "
                         "high-availability.cluster-id)");
    } else {
        TRY(split_address(leader.rpc_address, &host, &port, err));
    }
    STR_AUTO key = STR_INIT;
    str_printf(&key, "%s:%u", str_cstr(&host), port);
    pthread_mutex_lock(&c->lock);
    int rc = find_client(c, str_cstr(&key), str_cstr(&host), port, ret, err);
    pthread_mutex_unlock(&c->lock);
    return rc;
}
