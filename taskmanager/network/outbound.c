/* The next frame of an outbound channel: elements, whole batches, fragments; credit (served.h).
 *
 * Credit.  A batch takes the bytes of its encoding, at least charge_min; an ordinary control element
 * CONTROL_CHARGE_BYTES; a priority element nothing.  A step waits only for credit of up to half of the
 * channel's capacity (what an announced barrier overtakes does not wait: served.h): the consumer gives credit back in halves, so that what was waited for comes as soon
 * as the consumer has taken what it has.  Anything larger goes in fragments of what credit there is. */
#include "taskmanager/network/compress.h"
#include "taskmanager/network/served.h"

enum {
    COPY_MAX_BYTES = 16 * 1024, /* smaller batches are copied: an encoding keeps more memory busy */
    FRAGMENT_BYTES = 256 * 1024,
    FRAGMENT_MIN_BYTES = 16 * 1024, /* but for the last, and when half of the capacity is less */
    FRAMES_QUEUED_MAX = 256,
};

static struct connection *outbound_connection(struct outbound *o)
{
    return &o->served->connection;
}

/* ---- control elements ----------------------------------------------------------------------------- */

static void send_control(struct outbound *o, const struct element *e, uint8_t flags)
{
    struct frame_header h;
    struct control_values v;
    frame_of_element(e, o->number, &h, &v);
    h.flags = flags;
    v.position = flags & FRAME_FLAG_PRIORITY ? e->position : 0;
    if (e->kind == ELEMENT_LATENCY_MARKER) {
        struct marker_values marker = frame_marker_values(e->marker);
        uint8_t payload[sizeof(v) + sizeof(marker)];
        memcpy(payload, &v, sizeof(v));
        memcpy(payload + sizeof(v), &marker, sizeof(marker));
        connection_send_small(outbound_connection(o), &h, payload, sizeof(payload));
        return;
    }
    if (e->kind != ELEMENT_BARRIER) {
        connection_send_small(outbound_connection(o), &h, &v, sizeof(v));
        return;
    }
    struct out_frame *f = out_frame_new(o->network);
    f->header = h;
    f->buffer = buffer_get(o->network->pool, h.payload_bytes);
    f->buffer->size = h.payload_bytes;
    uint8_t *to = f->buffer->data;
    memcpy(to, &v, sizeof(v));
    memcpy(to + sizeof(v), e->barrier->packed, e->barrier->packed_bytes);
    memset(to + h.payload_bytes - h.padding, 0, h.padding);
    connection_send(outbound_connection(o), f);
}

static bool wait_for_credit(struct outbound *o, uint64_t bytes)
{
    o->needs = bytes;
    return false;
}

/* The element that is polled next, or the pending one, may go without credit. */
static bool is_overtaken(const struct outbound *o)
{
    return channel_position(o->channel) - (o->has_pending ? 1 : 0) < o->overtaken_to;
}

static bool step_control(struct outbound *o)
{
    uint8_t flags = 0;
    if (o->credit < CONTROL_CHARGE_BYTES) {
        if (!is_overtaken(o)) {
            return wait_for_credit(o, CONTROL_CHARGE_BYTES);
        }
        flags = FRAME_FLAG_OVERTAKEN;
        channel_hold(o->channel);
    }
    struct element e = o->pending;
    o->has_pending = false;
    o->credit -= flags == 0 ? CONTROL_CHARGE_BYTES : 0;
    send_control(o, &e, flags);
    element_drop(&e);
    if (e.kind == ELEMENT_END_OF_PARTITION) {
        outbound_finish(o, FRAME_CLOSED, CLOSE_REASON_END, "");
    }
    return true;
}

/* ---- batches ------------------------------------------------------------------------------------- */

static void drop_encoding(struct outbound *o)
{
    if (o->encoding != NULL) {
        o->network->n_encodings_held--;
        o->encoding = encoding_unref(o->network, o->encoding);
    }
}

static int encode_pending(struct outbound *o, struct error *err)
{
    struct network *n = o->network;
    struct encoding *e = encoding_new(n);
    e->batch = batch_ref(o->pending.batch);
    int rc = FAILPOINT(err, "network.outbound.encode");
    if (rc == 0) {
        rc = batch_encode(&e->encoder, e->batch, err);
    }
    if (rc == 0 && e->encoder.total_bytes > NETWORK_BATCH_BYTES_MAX) {
        rc = error_set(err, ERR_TOO_LARGE,
                       "a batch of %llu bytes cannot be sent to another worker: the limit is %llu",
                       (unsigned long long)e->encoder.total_bytes,
                       (unsigned long long)NETWORK_BATCH_BYTES_MAX);
    }
    if (rc < 0) {
        encoding_unref(n, e);
        return rc;
    }
    o->encoding = e;
    o->encoded_sent = 0;
    n->n_encodings_held++;
    return 0;
}

/* Copies `bytes` of an encoding behind `offset` bytes. */
static void gather(const struct batch_encoder *e, uint64_t offset, uint8_t *to, uint64_t bytes)
{
    for (uint32_t i = 0; bytes > 0; i++) {
        if (offset >= e->iov[i].iov_len) {
            offset -= e->iov[i].iov_len;
            continue;
        }
        uint64_t len = MIN(bytes, e->iov[i].iov_len - offset);
        memcpy(to, (const uint8_t *)e->iov[i].iov_base + offset, len);
        to += len;
        bytes -= len;
        offset = 0;
    }
}

static void refer(struct out_frame *f, struct encoding *e, uint64_t offset)
{
    uint32_t i = 0;
    while (offset >= e->encoder.iov[i].iov_len) {
        offset -= e->encoder.iov[i++].iov_len;
    }
    e->refs++;
    f->encoding = e;
    f->first_iov = i;
    f->iov_offset = offset;
}

/* The payload of a DATA frame: compressed, copied, or by reference to the encoding. */
static void set_payload(struct outbound *o, struct out_frame *f, uint64_t bytes)
{
    struct network *n = o->network;
    const struct batch_encoder *e = &o->encoding->encoder;
    f->header.payload_bytes = (uint32_t)bytes;
    if (n->settings.compress && bytes >= COMPRESS_MIN_BYTES) {
        if (o->compress_skip > 0) {
            o->compress_skip--;
        } else {
            n->compress_raw = buffer_grow(n->pool, n->compress_raw, bytes);
            gather(e, o->encoded_sent, n->compress_raw->data, bytes);
            if (compress_payload(n->pool, n->compress_raw->data, f)) {
                metric_counter_add(&n->metrics.compressed, 1);
                return;
            }
            o->compress_skip = COMPRESS_SKIP_FRAMES;
        }
    }
    if (bytes <= sizeof(f->small)) {
        gather(e, o->encoded_sent, f->small, bytes);
    } else if (bytes <= COPY_MAX_BYTES) {
        f->buffer = buffer_get(n->pool, bytes);
        gather(e, o->encoded_sent, f->buffer->data, bytes);
    } else {
        refer(f, o->encoding, o->encoded_sent);
    }
}

static void send_data(struct outbound *o, uint64_t bytes, uint8_t flags)
{
    struct network *n = o->network;
    uint64_t total = o->encoding->encoder.total_bytes;
    struct out_frame *f = out_frame_new(n);
    bool last = o->encoded_sent + bytes == total;
    f->header = (struct frame_header){
        .kind = FRAME_DATA,
        .flags = (uint8_t)(flags | (o->encoded_sent == 0 ? FRAME_FLAG_FIRST : 0) |
                           (last ? FRAME_FLAG_LAST : 0)),
        .channel = o->number,
        .value = total,
        .info = o->pending.payload_bytes,
    };
    set_payload(o, f, bytes);
    o->encoded_sent += bytes;
    if (last) {
        metric_counter_add(&n->metrics.batches_out, 1);
        drop_encoding(o);
        element_drop(&o->pending);
        o->has_pending = false;
    }
    connection_send(outbound_connection(o), f);
}

/* How much of the batch may go now; 0: wait. */
static uint64_t allowed_bytes(struct outbound *o, uint64_t *ret_charge)
{
    uint64_t window = MAX(o->window, (uint32_t)OPEN_CREDIT_MIN);
    uint64_t capacity = o->window != 0 ? MIN(window, o->capacity) : o->capacity;
    uint64_t total = o->encoding->encoder.total_bytes;
    uint64_t charge = MAX(total, (uint64_t)o->charge_min);
    if (o->encoded_sent == 0 && total <= FRAME_PAYLOAD_MAX) {
        if (charge <= o->credit) {
            *ret_charge = charge;
            return total;
        }
        if (charge <= capacity / 2) {
            wait_for_credit(o, charge);
            return 0;
        }
    }
    uint64_t left = total - o->encoded_sent;
    uint64_t least = MIN((uint64_t)FRAGMENT_MIN_BYTES, capacity / 2 & ~(uint64_t)(FRAME_ALIGN - 1));
    least = MIN(left, least);
    uint64_t bytes = MIN(left, (uint64_t)FRAGMENT_BYTES);
    bytes = MIN(bytes, o->credit & ~(uint64_t)(FRAME_ALIGN - 1));
    if (bytes < least) {
        wait_for_credit(o, least);
        return 0;
    }
    *ret_charge = bytes;
    return bytes;
}

static bool step_batch(struct outbound *o)
{
    struct error err = ERROR_INIT;
    uint64_t charge = 0;
    uint8_t flags = 0;
    if (o->needs > o->credit && !is_overtaken(o)) {
        return false;
    }
    if (o->encoding == NULL && encode_pending(o, &err) < 0) {
        char text[FRAME_TEXT_MAX];
        outbound_finish(o, FRAME_CLOSED, CLOSE_REASON_FAILED,
                        error_format(&err, text, sizeof(text)));
        return true;
    }
    uint64_t bytes = allowed_bytes(o, &charge);
    if (bytes == 0 && is_overtaken(o)) {
        bytes = MIN(o->encoding->encoder.total_bytes - o->encoded_sent, (uint64_t)FRAGMENT_BYTES);
        charge = 0;
        flags = FRAME_FLAG_OVERTAKEN;
        channel_hold(o->channel);
    }
    if (bytes == 0) {
        if (o->encoded_sent == 0 && o->network->n_encodings_held > NETWORK_ENCODINGS_HELD_MAX) {
            drop_encoding(o);
        }
        return false;
    }
    o->needs = 0;
    o->credit -= charge;
    send_data(o, bytes, flags);
    return true;
}

/* ---- turns --------------------------------------------------------------------------------------- */

bool outbound_step_priority(struct outbound *o)
{
    struct element e;
    if (!channel_poll(o->channel, CHANNEL_LANE_PRIORITY, &e)) {
        o->has[CHANNEL_LANE_PRIORITY] = false;
        return false;
    }
    send_control(o, &e, FRAME_FLAG_PRIORITY);
    if (e.flags & ELEMENT_FLAG_ANNOUNCEMENT) {
        o->overtaken_to = MAX(o->overtaken_to, e.position + 1);
    }
    element_drop(&e);
    return true;
}

bool outbound_step(struct outbound *o)
{
    if (o->has[CHANNEL_LANE_PRIORITY] && outbound_step_priority(o)) {
        return true;
    }
    if (!o->has_pending) {
        /* Without any credit nothing is taken off the channel, so that its producer feels it. */
        bool may_take = o->credit >= CONTROL_CHARGE_BYTES || is_overtaken(o);
        if (!o->has[CHANNEL_LANE_DATA] || !may_take) {
            o->needs = CONTROL_CHARGE_BYTES;
            return false;
        }
        if (!channel_poll(o->channel, CHANNEL_LANE_DATA, &o->pending)) {
            o->has[CHANNEL_LANE_DATA] = false;
            return false;
        }
        o->has_pending = true;
        o->needs = 0;
    }
    return o->pending.kind == ELEMENT_BATCH ? step_batch(o) : step_control(o);
}

/* ---- end ----------------------------------------------------------------------------------------- */

/* Drops what is under way; the channel stays until nobody else holds it. */
static void outbound_let_go(struct outbound *o)
{
    struct network *n = o->network;
    drop_encoding(o);
    if (o->has_pending) {
        element_drop(&o->pending);
        o->has_pending = false;
    }
    channel_close_consumer(o->channel);
    map_remove_bytes(&n->open_ids, &o->id, sizeof(o->id));
    o->served = NULL;
    o->state = OUTBOUND_ZOMBIE;
    n->n_zombies++;
    n->n_outbound--;
    metric_gauge_set(&n->metrics.channels_out, n->n_outbound);
}

void outbound_finish(struct outbound *o, enum frame_kind kind, enum close_reason reason,
                     const char *text)
{
    struct served *s = o->served;
    struct frame_header h = {.kind = (uint8_t)kind, .channel = o->number, .info = (uint32_t)reason};
    served_drop_channel(s, o);
    outbound_let_go(o);
    if (s->connection.fd >= 0) {
        connection_send_small(&s->connection, &h, text, MIN(strlen(text), (size_t)FRAME_TEXT_MAX));
    }
}

void outbound_free(struct outbound *o)
{
    channel_unref(o->channel);
    mem_free(o);
}
