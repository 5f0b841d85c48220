/* The half of a channel that every transport shares: packing, limits, deliveries into the mailbox, and
 * the end of the connection.
 *
 * Thread: send and close any; deliveries run where the mailbox is polled.  An end lives until its user
 * freed it and the deliveries in the mailbox are gone: each of them holds a reference, and looks at
 * `closed` before it calls back.  Flink: RpcGateway and the Pekko actor behind it. */
#include "common/rpc/channel.h"

#include "common/base/failpoint.h"
#include "common/base/mem.h"
#include "common/rpc/transport.h"
#include <unistd.h>

struct rpc_channel {
    _Atomic uint32_t refs;
    struct rpc_end_options options; /* name copied */
    const struct rpc_transport_ops *ops;
    void *transport;     /* Owns, until rpc_channel_free() */
    _Atomic bool closed; /* by this end */
    _Atomic bool over;   /* by the peer or the transport */
    _Atomic uint64_t messages_sent, bytes_sent, messages_received, bytes_received;
};

/* The payload of both operations in the receiver's mailbox. */
struct rpc_delivery {
    struct rpc_channel *channel; /* counted */
    ProtobufCMessage *message;   /* Owns; NULL: the connection is over */
    int fd;                      /* Owns; negative: none */
    void (*on_message_fd)(void *target, ProtobufCMessage *message, int fd);
    struct error why;
};

int rpc_channel_new(const struct rpc_end_options *options, const struct rpc_transport_ops *ops,
                    void *transport, struct rpc_channel **ret_channel, struct error *err)
{
    ASSERT(options->mailbox != NULL && options->on_message != NULL);
    if (options->sends == NULL || options->receives == NULL) {
        return error_set(err, ERR_INVALID_ARGUMENT, "a channel needs both message types");
    }
    struct rpc_channel *c = MEM_NEW(struct rpc_channel);
    atomic_init(&c->refs, 1);
    c->options = *options;
    c->options.name = mem_strdup(options->name != NULL ? options->name : "channel");
    if (c->options.max_message_bytes == 0) {
        c->options.max_message_bytes = RPC_MESSAGE_BYTES_DEFAULT;
    }
    mailbox_ref(options->mailbox);
    c->ops = ops;
    c->transport = transport;
    *ret_channel = c;
    return 0;
}

static void rpc_channel_unref(struct rpc_channel *c)
{
    if (atomic_fetch_sub_explicit(&c->refs, 1, memory_order_acq_rel) == 1) {
        mem_free((char *)c->options.name);
        mem_free(c);
    }
}

void rpc_channel_close(struct rpc_channel *c)
{
    if (!atomic_exchange(&c->closed, true)) {
        c->ops->close(c->transport);
    }
}

struct rpc_channel *rpc_channel_free(struct rpc_channel *c)
{
    if (c == NULL) {
        return NULL;
    }
    rpc_channel_close(c);
    c->ops->free(c->transport); /* nothing is delivered from here on */
    c->transport = NULL;
    c->options.mailbox = mailbox_unref(c->options.mailbox);
    rpc_channel_unref(c);
    return NULL;
}

/* ---- sending ---------------------------------------------------------------------------------- */

int rpc_channel_pack(struct rpc_channel *c, const ProtobufCMessage *message, uint8_t **ret_bytes,
                     size_t *ret_size, struct error *err)
{
    if (rpc_channel_is_closed(c)) {
        return error_set(err, ERR_CLOSED, "%s is closed", c->options.name);
    }
    if (message->descriptor != c->options.sends) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s carries %s, not %s", c->options.name,
                         c->options.sends->name, message->descriptor->name);
    }
    TRY_CTX(err, FAILPOINT(err, "rpc.send"), "sending on %s", c->options.name);
    size_t size = protobuf_c_message_get_packed_size(message);
    if (size > c->options.max_message_bytes) {
        return error_set(err, ERR_TOO_LARGE, "%s: a message of %zu bytes is over the limit of %llu",
                         c->options.name, size, (unsigned long long)c->options.max_message_bytes);
    }
    *ret_bytes = mem_alloc(size + 1); /* an empty message is legal */
    *ret_size = protobuf_c_message_pack(message, *ret_bytes);
    return 0;
}

void rpc_channel_count_sent(struct rpc_channel *c, size_t size)
{
    atomic_fetch_add_explicit(&c->messages_sent, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->bytes_sent, size, memory_order_relaxed);
}

int rpc_channel_send(struct rpc_channel *c, const ProtobufCMessage *message, struct error *err)
{
    uint8_t *bytes;
    size_t size;
    TRY(rpc_channel_pack(c, message, &bytes, &size, err));
    int rc = c->ops->send(c->transport, bytes, size, err);
    mem_free(bytes);
    TRY_CTX(err, rc, "sending on %s", c->options.name);
    rpc_channel_count_sent(c, size);
    return 0;
}

/* ---- receiving -------------------------------------------------------------------------------- */

static void delivery_drop(void *payload)
{
    struct rpc_delivery *d = payload;
    rpc_message_free(d->message);
    if (d->fd >= 0) {
        close(d->fd);
    }
    rpc_channel_unref(d->channel);
    mem_free(d);
}

/* In the receiver's mailbox. */
static void delivery_run(void *target, void *payload)
{
    struct rpc_delivery *d = payload;
    struct rpc_channel *c = d->channel;
    if (!atomic_load(&c->closed)) {
        if (d->message != NULL && d->fd >= 0 && d->on_message_fd != NULL) {
            int fd = d->fd;
            d->fd = -1;
            d->on_message_fd(target, STEAL(d->message), fd);
        } else if (d->message != NULL) {
            c->options.on_message(target, STEAL(d->message));
        } else if (c->options.on_closed != NULL) {
            c->options.on_closed(target, &d->why);
        }
    }
    delivery_drop(d);
}

static struct rpc_delivery *delivery_new(struct rpc_channel *c)
{
    struct rpc_delivery *d = MEM_NEW(struct rpc_delivery);
    atomic_fetch_add_explicit(&c->refs, 1, memory_order_relaxed);
    d->channel = c;
    d->fd = -1;
    return d;
}

static struct mailbox_op delivery_op(struct rpc_delivery *d)
{
    const struct rpc_end_options *o = &d->channel->options;
    return (struct mailbox_op){
        .kind = d->message != NULL ? o->message_kind : o->closed_kind,
        .run = delivery_run,
        .target = o->target,
        .payload = d,
        .drop = delivery_drop,
    };
}

/* What came is not usable: this end hears that the connection is over. */
static int rpc_channel_reject(struct rpc_channel *c, const struct error *why, struct error *err)
{
    rpc_channel_peer_closed(c, why);
    if (err != NULL) {
        error_copy(err, why);
    }
    return why->code;
}

int rpc_channel_deliver(struct rpc_channel *c, const uint8_t *bytes, size_t size, struct error *err)
{
    return rpc_channel_deliver_fd(c, bytes, size, -1, NULL, err);
}

int rpc_channel_deliver_fd(struct rpc_channel *c, const uint8_t *bytes, size_t size, int take_fd,
                           void (*on_message_fd)(void *target, ProtobufCMessage *message, int fd),
                           struct error *err)
{
    const struct rpc_end_options *o = &c->options;
    struct error why = ERROR_INIT;
    if (FAILPOINT(&why, "rpc.deliver") < 0) {
        return rpc_channel_reject(c, &why, err);
    }
    if (size > o->max_message_bytes) {
        error_set(&why, ERR_TOO_LARGE, "%s: a message of %zu bytes is over the limit of %llu",
                  o->name, size, (unsigned long long)o->max_message_bytes);
        return rpc_channel_reject(c, &why, err);
    }
    ProtobufCMessage *message = protobuf_c_message_unpack(o->receives, NULL, size, bytes);
    if (message == NULL) {
        error_set(&why, ERR_CORRUPT, "%s: %zu bytes that are no %s", o->name, size,
                  o->receives->name);
        return rpc_channel_reject(c, &why, err);
    }
    struct rpc_delivery *d = delivery_new(c);
    d->message = message;
    d->fd = take_fd;
    d->on_message_fd = on_message_fd;
    struct mailbox_op op = delivery_op(d);
    int rc = mailbox_post(o->mailbox, o->lane, &op);
    if (rc < 0) {
        d->fd = -1; /* stays the caller's */
        delivery_drop(d);
        return error_set(err, rc, "mailbox %s of %s %s", mailbox_name(o->mailbox), o->name,
                         rc == ERR_LIMIT ? "is full" : "is closed");
    }
    atomic_fetch_add_explicit(&c->messages_received, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&c->bytes_received, size, memory_order_relaxed);
    return 0;
}

void rpc_channel_peer_closed(struct rpc_channel *c, const struct error *why)
{
    if (atomic_exchange(&c->over, true) || atomic_load(&c->closed)) {
        return;
    }
    struct rpc_delivery *d = delivery_new(c);
    error_copy(&d->why, why);
    struct mailbox_op op = delivery_op(d);
    if (mailbox_post_internal(c->options.mailbox, c->options.lane, &op) < 0) {
        delivery_drop(d);
    }
}

/* ---- looking ---------------------------------------------------------------------------------- */

bool rpc_channel_is_closed(const struct rpc_channel *c)
{
    return atomic_load(&c->closed) || atomic_load(&c->over);
}

const char *rpc_channel_name(const struct rpc_channel *c)
{
    return c->options.name;
}

void *rpc_channel_transport(const struct rpc_channel *c, const struct rpc_transport_ops *ops)
{
    return c->ops == ops ? c->transport : NULL;
}

void rpc_channel_get_stats(const struct rpc_channel *c, struct rpc_channel_stats *ret_stats)
{
    *ret_stats = (struct rpc_channel_stats){
        .messages_sent = atomic_load_explicit(&c->messages_sent, memory_order_relaxed),
        .bytes_sent = atomic_load_explicit(&c->bytes_sent, memory_order_relaxed),
        .messages_received = atomic_load_explicit(&c->messages_received, memory_order_relaxed),
        .bytes_received = atomic_load_explicit(&c->bytes_received, memory_order_relaxed),
    };
}

void rpc_message_free(ProtobufCMessage *message)
{
    if (message != NULL) {
        protobuf_c_message_free_unpacked(message, NULL);
    }
}
