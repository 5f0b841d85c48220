/* Methods of /flinc.Cluster/; see calls.h. */
#include "jobmanager/process/calls.h"

#include "common/base/log.h"
#include "common/loop/component.h"
#include "common/net/tls/tls.h"
#include "common/rpc/error_info.h"
#include "common/text/number.h"

static const char topic[] = "flinc.process.rpc";

enum { CALLS_MAILBOX_LIMIT = 1024 };

/* mailbox_op.kind of calls; sender -> this component. */
enum calls_op {
    CALLS_OP_PING,     /* a task manager */
    CALLS_OP_GET_BLOB, /* a task manager */
    CALLS_OP_STREAM,   /* a task manager; on the resource manager's mailbox */
};

struct calls {
    struct calls_options options;
    struct component *component; /* Owns */
    struct rpc_server *server;   /* Owns */
    uint32_t advertised_port;    /* 0: the one that is listened on */
};

/* ---- calls; thread: the component's ------------------------------------------------------------------ */

static void on_ping(void *target, struct rpc_server_call *call, ProtobufCMessage *request)
{
    Flinc__PingRequest *ping = (Flinc__PingRequest *)request;
    Flinc__PingAnswer answer = FLINC__PING_ANSWER__INIT;
    (void)target;
    answer.payload = ping->payload;
    answer.product_version = (char *)FLINC_VERSION;
    rpc_server_call_reply(call, &answer.base);
    rpc_message_free(request);
}

static int read_blob(const struct calls *c, const Flinc__GetBlobRequest *rq, struct str *ret_data,
                     uint64_t *ret_total, struct error *err)
{
    struct blob_key key;
    if (!blob_key_from_bytes(rq->content_hash.data, rq->content_hash.len, &key)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%zu bytes are no content hash of a blob",
                         rq->content_hash.len);
    }
    return blob_store_read(c->options.blobs, &key, rq->offset, rq->max_bytes, ret_data, ret_total,
                           err);
}

static void on_get_blob(void *target, struct rpc_server_call *call, ProtobufCMessage *request)
{
    Flinc__GetBlobAnswer answer = FLINC__GET_BLOB_ANSWER__INIT;
    Flinc__ErrorInfo info;
    struct error err = ERROR_INIT;
    STR_AUTO data = STR_INIT;
    if (read_blob(target, (const Flinc__GetBlobRequest *)request, &data, &answer.total_size, &err) <
        0) {
        LOG_WARN(topic, "A blob was not given to %s: %s", rpc_server_call_peer(call), err.message);
        error_info_fill(&info, &err);
        answer.error = &info;
    }
    answer.data = (ProtobufCBinaryData){data.len, (uint8_t *)data.data};
    rpc_server_call_reply(call, &answer.base);
    rpc_message_free(request);
}

/* ---- streams; thread: the resource manager's --------------------------------------------------------- */

static bool on_open(void *target, const char *peer, struct rpc_end_options *ret_end)
{
    resourcemanager_get_end(target, peer, ret_end);
    return true;
}

static void on_channel(void *target, const char *peer, struct rpc_channel *take_channel)
{
    (void)peer;
    resourcemanager_add_stream(target, take_channel);
}

/* ---- life ----------------------------------------------------------------------------------------- */

/* "6123", "6123-6130", "0". */
static int parse_range(const char *option, const char *text, uint32_t *ret_first,
                       uint32_t *ret_last, struct error *err)
{
    struct slice rest = slice_cstr(text), piece;
    uint64_t first = 0, last = 0;
    bool good =
        slice_next(&rest, '-', &piece) && number_parse_uint64(slice_trim(piece), &first) == 0;
    last = first;
    if (good && slice_next(&rest, '-', &piece)) {
        good = number_parse_uint64(slice_trim(piece), &last) == 0 && rest.data == NULL;
    }
    if (!good || first > last || last > UINT16_MAX) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "%s is '%.100s': a port (6123) or a range (6123-6130) is expected", option,
                         text);
    }
    *ret_first = (uint32_t)first;
    *ret_last = (uint32_t)last;
    return 0;
}

static int ports_of(const struct calls *c, uint32_t *ret_first, uint32_t *ret_last,
                    struct error *err)
{
    const struct conf *conf = c->options.conf;
    if (conf_has(conf, "jobmanager.rpc.bind-port")) {
        *ret_first = *ret_last = (uint32_t)conf_int(conf, "jobmanager.rpc.bind-port");
        return 0;
    }
    if (c->options.port_option != NULL) {
        return parse_range(c->options.port_option, conf_string(conf, c->options.port_option),
                           ret_first, ret_last, err);
    }
    *ret_first = *ret_last = (uint32_t)conf_int(conf, "jobmanager.rpc.port");
    return 0;
}

/* What is published where another port is listened on: a single one of port_option; 0: the one that is listened on. */
static int advertised_port(const struct calls_options *o, uint32_t *ret_port, struct error *err)
{
    uint32_t first = 0, last = 0;
    *ret_port = 0;
    if (o->port_option == NULL || !conf_has(o->conf, "jobmanager.rpc.bind-port")) {
        return 0;
    }
    TRY(parse_range(o->port_option, conf_string(o->conf, o->port_option), &first, &last, err));
    if (first != last) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "%s is '%s': with jobmanager.rpc.bind-port it names the one port that is "
                         "told to task managers; give one, or leave jobmanager.rpc.bind-port out",
                         o->port_option, conf_string(o->conf, o->port_option));
    }
    *ret_port = first;
    return 0;
}

static const char *bind_host_of(const struct conf *conf)
{
    return conf_has_value(conf, "jobmanager.bind-host") ? conf_string(conf, "jobmanager.bind-host")
                                                        : "0.0.0.0";
}

static int start_server(struct calls *c, struct error *err)
{
    struct mailbox *mailbox = component_mailbox(c->component);
    const struct rpc_call_method methods[] = {
        {"/flinc.Cluster/Ping", &flinc__ping_request__descriptor, &flinc__ping_answer__descriptor,
         mailbox, CALLS_OP_PING, on_ping, c},
        {"/flinc.Cluster/GetBlob", &flinc__get_blob_request__descriptor,
         &flinc__get_blob_answer__descriptor, mailbox, CALLS_OP_GET_BLOB, on_get_blob, c},
    };
    struct resourcemanager *rm = c->options.resourcemanager;
    const struct rpc_stream_method streams[] = {
        {"/flinc.Cluster/Connect", component_mailbox(resourcemanager_component(rm)),
         CALLS_OP_STREAM, on_open, on_channel, rm},
    };
    const char *host = bind_host_of(c->options.conf);
    uint32_t port, last_port;
    TRY(ports_of(c, &port, &last_port, err));
    struct tls_context *tls = NULL;
    if (tls_control_is_enabled(c->options.conf)) {
        TRY(tls_context_new(c->options.conf, TLS_SCOPE_INTERNAL, TLS_SIDE_SERVER, &tls, err));
    }
    struct rpc_server_options o = {
        .runtime = c->options.runtime,
        .tls = tls,
        .bind_host = host,
        .first_port = port,
        .last_port = last_port,
        .calls = methods,
        .n_calls = ARRAY_LEN(methods),
        .streams = streams,
        .n_streams = ARRAY_LEN(streams),
    };
    struct error why = ERROR_INIT;
    int rc = rpc_server_new(&o, &c->server, &why);
    tls_context_unref(tls);
    if (rc < 0) {
        return error_set(err, rc,
                         "The job manager cannot listen on %s:%u: %s. When another job manager or "
                         "program has the port, stop it, or choose another one with "
                         "%s%s; the address is jobmanager.bind-host.",
                         host, port, why.message,
                         c->options.port_option != NULL ? c->options.port_option
                                                        : "jobmanager.rpc.port",
                         c->options.port_option != NULL ? "" : " (for the task managers, too)");
    }
    return 0;
}

int calls_start(const struct calls_options *options, struct calls **ret, struct error *err)
{
    struct calls *c = MEM_NEW(struct calls);
    c->options = *options;
    c->component = component_new(&(struct component_options){
        .name = "rpc-calls", .mailbox_limit = CALLS_MAILBOX_LIMIT, .owner = c});
    int rc = advertised_port(options, &c->advertised_port, err);
    if (rc == 0) {
        rc = component_start(c->component, err);
    }
    if (rc == 0) {
        rc = start_server(c, err);
    }
    if (rc < 0) {
        calls_stop(c);
        return rc;
    }
    *ret = c;
    return 0;
}

uint32_t calls_port(const struct calls *c)
{
    return c->advertised_port != 0 ? c->advertised_port : rpc_server_port(c->server);
}

struct calls *calls_stop(struct calls *c)
{
    if (c != NULL) {
        rpc_server_free(c->server);
        component_free(c->component);
        mem_free(c);
    }
    return NULL;
}
