/* A client: the connection to one server, and the streams over it.  Calls are in client_call.c.
 *
 * The gRPC channel makes the connection when it is first used.  One that failed would be tried again only
 * after a growing pause, and what is asked meanwhile would get the old failure; so a failed channel is
 * replaced by a new one at the next use: each use is one attempt of its own.  Who uses a client paces it.
 *
 * Thread: any. */
#include "common/rpc/grpc/client.h"

#include "common/base/failpoint.h"
#include "common/base/mem.h"
#include "common/rpc/grpc/stream.h"
#include <arpa/inet.h>
#include <grpc/grpc_posix.h>
#include <grpc/grpc_security.h>

static char *client_target(const char *host, uint32_t port)
{
    struct str s = STR_INIT;
    uint8_t address[16];
    if (inet_pton(AF_INET, host, address) == 1) {
        str_printf(&s, "ipv4:%s:%u", host, port);
    } else if (inet_pton(AF_INET6, host, address) == 1) {
        str_printf(&s, "ipv6:[%s]:%u", host, port);
    } else {
        str_printf(&s, "dns:///%s:%u", host, port);
    }
    return str_take(&s);
}

/* A channel over one connection, which begins now. */
static grpc_channel *client_make_secure_channel(struct rpc_client *c, const struct rpc_args *args)
{
    struct error err = ERROR_INIT;
    int fd;
    if (rpc_secure_connect(c->runtime, c->tls, c->host, c->port, c->peer, &c->end, &fd, &err) < 0) {
        return grpc_lame_client_channel_create(c->target, GRPC_STATUS_UNAVAILABLE, err.message);
    }
    grpc_channel_credentials *insecure = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create_from_fd(c->peer, fd, insecure, &args->base);
    grpc_channel_credentials_release(insecure);
    return channel;
}

static grpc_channel *client_make_channel(struct rpc_client *c)
{
    struct rpc_args args;
    rpc_args_init(&args, c->max_message_bytes);
    rpc_args_add(&args, GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    rpc_args_add(&args, GRPC_ARG_ENABLE_HTTP_PROXY, 0);
    rpc_args_add(&args, GRPC_ARG_ENABLE_RETRIES, 0);
    rpc_args_add(&args, GRPC_ARG_SERVICE_CONFIG_DISABLE_RESOLUTION, 1);
    if (c->tls != NULL) {
        return client_make_secure_channel(c, &args);
    }
    grpc_channel_credentials *insecure = grpc_insecure_credentials_create();
    grpc_channel *channel = grpc_channel_create(c->target, insecure, &args.base);
    grpc_channel_credentials_release(insecure);
    return channel;
}

int rpc_client_new(const struct rpc_client_options *o, struct rpc_client **ret, struct error *err)
{
    if (o->host == NULL || o->host[0] == '\0' || o->port == 0 || o->port > 65535) {
        return error_set(err, ERR_INVALID_ARGUMENT, "'%s', port %u, is no address of a server",
                         o->host != NULL ? o->host : "", o->port);
    }
    struct rpc_client *c = MEM_NEW(struct rpc_client);
    c->runtime = o->runtime;
    c->group = rpc_group_new(RPC_CLIENT_MEMBERS_MAX);
    c->target = client_target(o->host, o->port);
    struct str name = STR_INIT;
    str_printf(&name, strchr(o->host, ':') != NULL ? "[%s]:%u" : "%s:%u", o->host, o->port);
    c->peer = str_take(&name);
    c->tls = o->tls != NULL ? tls_context_ref(o->tls) : NULL;
    c->host = mem_strdup(o->host);
    c->port = o->port;
    c->max_message_bytes =
        o->max_message_bytes != 0 ? o->max_message_bytes : RPC_MESSAGE_BYTES_DEFAULT;
    pthread_mutex_init(&c->lock, NULL);
    *ret = c;
    return 0;
}

struct rpc_client *rpc_client_free(struct rpc_client *c)
{
    if (c == NULL) {
        return NULL;
    }
    rpc_group_end(c->group, RPC_CLIENT_GRACE_MS);
    if (c->channel != NULL) {
        grpc_channel_destroy(c->channel);
    }
    rpc_group_unref(c->group);
    rpc_secure_end_unref(c->end);
    tls_context_unref(c->tls);
    mem_free(c->host);
    pthread_mutex_destroy(&c->lock);
    mem_free(c->target);
    mem_free(c->peer);
    mem_free(c);
    return NULL;
}

static bool client_is_broken(const struct rpc_client *c)
{
    return c->end != NULL
               ? rpc_secure_end_is_over(c->end)
               : c->tls != NULL || grpc_channel_check_connectivity_state(c->channel, 0) ==
                                       GRPC_CHANNEL_TRANSIENT_FAILURE;
}

grpc_call *rpc_client_create_call(struct rpc_client *c, const char *method, gpr_timespec deadline,
                                  struct rpc_secure_end **ret_end)
{
    grpc_slice path = grpc_slice_from_copied_string(method);
    pthread_mutex_lock(&c->lock);
    if (c->channel != NULL && client_is_broken(c)) {
        grpc_channel_destroy(STEAL(c->channel)); /* calls of it hold what they need */
        c->end = rpc_secure_end_unref(c->end);
    }
    if (c->channel == NULL) {
        c->channel = client_make_channel(c);
    }
    grpc_call *call =
        grpc_channel_create_call(c->channel, NULL, GRPC_PROPAGATE_DEFAULTS,
                                 rpc_runtime_queue(c->runtime), path, NULL, deadline, NULL);
    *ret_end = rpc_secure_end_ref(c->end);
    pthread_mutex_unlock(&c->lock);
    grpc_slice_unref(path);
    return call;
}

int rpc_client_open_stream(struct rpc_client *c, const char *method, int64_t connect_timeout_ms,
                           const struct rpc_end_options *end, struct rpc_channel **ret_channel,
                           struct error *err)
{
    TRY_CTX(err, FAILPOINT(err, "rpc.grpc.open"), "opening a stream to %s", c->peer);
    struct rpc_secure_end *secure;
    grpc_call *call =
        rpc_client_create_call(c, method, gpr_inf_future(GPR_CLOCK_MONOTONIC), &secure);
    struct rpc_stream_options options = {.runtime = c->runtime,
                                         .group = c->group,
                                         .side = RPC_STREAM_CLIENT,
                                         .peer = c->peer,
                                         .call = call,
                                         .secure = secure,
                                         .connect_timeout_ms = connect_timeout_ms};
    struct rpc_stream *stream;
    int rc = rpc_stream_new(&options, &stream, err);
    rpc_secure_end_unref(secure);
    if (rc < 0) {
        grpc_call_unref(call);
        return rc;
    }
    rc = rpc_stream_attach(stream, end, ret_channel, err);
    if (rc < 0) {
        rpc_stream_refuse(stream, NULL);
        return rc;
    }
    rpc_stream_start_receiving(stream);
    return 0;
}
