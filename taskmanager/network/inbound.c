/* Frames of a channel become elements again; credit (inbound.h). */
#include "taskmanager/network/inbound.h"
#include "taskmanager/network/compress.h"
#include "taskmanager/network/dialed.h"
#include <inttypes.h>

enum { ASSEMBLY_FIRST_BYTES = 1024 * 1024 };

static COLD int violation(const struct inbound *in, const char *what, struct error *err)
{
    error_set(err, ERR_CORRUPT, "channel %" PRIu32 ": %s", in->number, what);
    error_set_class(err, ERROR_CLASS_TRANSIENT);
    return ERR_CORRUPT;
}

/* ---- life ----------------------------------------------------------------------------------------- */

void inbound_start(struct inbound *in, const struct data_location *location)
{
    struct network *n = in->network;
    uint64_t elements =
        in->bounds.capacity_elements > 0 ? in->bounds.capacity_elements : CHANNEL_ELEMENTS_DEFAULT;
    in->capacity =
        in->bounds.capacity_bytes > 0 ? in->bounds.capacity_bytes : CHANNEL_BYTES_DEFAULT;
    in->capacity = MAX(in->capacity, (uint64_t)OPEN_CREDIT_MIN);
    in->charge_min = MIN(in->capacity / elements, in->capacity / 4);
    in->charge_min = MAX(in->charge_min, (uint64_t)1);
    in->charge_min = MIN(in->charge_min, (uint64_t)UINT32_MAX);
    in->tag = table_add(&n->inbound, in);
    n->n_inbound++;
    metric_gauge_set(&n->metrics.channels_in, n->n_inbound);
    channel_attach_producer_queue(in->channel, n->drained, in->tag, &in->bounds);
    dialed_add(dialed_find(n, location), in);
    inbound_settle(in);
}

void inbound_request(const struct inbound *in, struct open_request *ret)
{
    *ret = (struct open_request){
        .edge = in->id.edge,
        .subpartition = in->id.subpartition,
        .credit_bytes = in->capacity,
        .batch_charge_min = (uint32_t)in->charge_min,
    };
    memcpy(ret->producer_attempt, in->id.producer_attempt.bytes, sizeof(ret->producer_attempt));
    memcpy(ret->consumer_attempt, in->consumer_attempt.bytes, sizeof(ret->consumer_attempt));
}

void inbound_opened(struct inbound *in)
{
    in->state = INBOUND_OPEN;
    in->outstanding = in->capacity;
}

void inbound_reset(struct inbound *in)
{
    in->state = INBOUND_WAITING;
    in->outstanding = 0;
}

/* Nobody is told of anything from here on. */
static void inbound_release(struct inbound *in)
{
    if (in->on_released != NULL) {
        in->on_released(in->arg);
        in->on_released = NULL;
    }
}

void inbound_free(struct inbound *in)
{
    inbound_release(in);
    buffer_unref(in->assembly);
    channel_unref(in->channel);
    schema_unref(in->schema);
    mem_free(in);
}

void inbound_end(struct inbound *in, const struct error *why)
{
    struct network *n = in->network;
    if (why != NULL && why->code != 0 && in->state != INBOUND_CLOSING &&
        in->state != INBOUND_ENDED && !channel_is_consumer_closed(in->channel)) {
        in->on_broken(in->arg, why);
    }
    channel_close_producer(in->channel);
    dialed_remove(in->dialed, in);
    in->dialed = NULL;
    in->assembly = buffer_unref(in->assembly);
    in->state = INBOUND_ZOMBIE;
    n->n_inbound--;
    metric_gauge_set(&n->metrics.channels_in, n->n_inbound);
    if (channel_disarm_drained(in->channel)) {
        table_remove(&n->inbound, in->tag);
        inbound_free(in);
    }
}

void inbound_on_drained(struct inbound *in)
{
    if (in->state == INBOUND_ZOMBIE) {
        table_remove(&in->network->inbound, in->tag);
        inbound_free(in);
        return;
    }
    inbound_settle(in);
}

/* ---- credit --------------------------------------------------------------------------------------- */

static bool charge(struct inbound *in, const struct frame_header *h, uint64_t bytes)
{
    if (h->flags & FRAME_FLAG_OVERTAKEN) {
        return in->n_pushed < in->overtaken_to;
    }
    if (bytes > in->outstanding) {
        return false;
    }
    in->outstanding -= bytes;
    return true;
}

static void inbound_push(struct inbound *in, const struct element *take_element)
{
    in->pushed += element_charge(take_element);
    in->n_pushed++;
    channel_push(in->channel, take_element);
}

/* The consumer is gone: the producer is told, as soon as there is a connection.  (It would wait for a
 * consumer otherwise.) */
static void inbound_cancel(struct inbound *in)
{
    in->assembly = buffer_unref(in->assembly);
    if (dialed_send_close(in->dialed, in)) {
        in->state = INBOUND_CLOSING;
    } else {
        channel_close_producer(in->channel);
        inbound_release(in);
    }
}

/* What may be under way now: the consumer may want less than the bounds. */
static uint64_t present_capacity(const struct inbound *in)
{
    uint64_t window = channel_window(in->channel);
    window = MAX(window, (uint64_t)OPEN_CREDIT_MIN);
    return MIN(window, in->capacity);
}

/* When the channel shall be told of: once so much was taken that half of the capacity can be granted, or
 * everything when a batch in assembly waits for that. */
static uint64_t drain_target(const struct inbound *in, uint64_t popped, uint64_t used)
{
    uint64_t waiting = in->pushed - popped;
    uint64_t half = present_capacity(in) / 2;
    if (waiting == 0 || in->outstanding > half) {
        return UINT64_MAX;
    }
    uint64_t excess = in->outstanding + used > half ? in->outstanding + used - half : 1;
    return popped + MIN(waiting, excess);
}

void inbound_settle(struct inbound *in)
{
    uint64_t target;
    do {
        if (in->state == INBOUND_CLOSING || in->state == INBOUND_ZOMBIE) {
            return;
        }
        if (channel_is_consumer_closed(in->channel) && in->state != INBOUND_ENDED) {
            inbound_cancel(in);
            return;
        }
        target = UINT64_MAX;
        bool tell = channel_take_window_change(in->channel);
        if (in->state == INBOUND_OPEN) {
            uint64_t popped = channel_popped_bytes(in->channel);
            uint64_t waiting = in->pushed - popped;
            bool all_taken = waiting == 0 && !PLANTED("network.assembly_keeps_credit");
            uint64_t used =
                all_taken ? 0 : waiting + (in->assembly != NULL ? in->assembly_filled : 0);
            uint64_t capacity = present_capacity(in);
            if (in->outstanding + used <= capacity / 2) {
                in->credit += capacity - in->outstanding - used;
                in->outstanding = capacity - used;
                tell = true;
            }
            if (tell) {
                dialed_give_credit(in->dialed, in);
            }
            target = drain_target(in, popped, used);
        }
    } while (channel_arm_drained(in->channel, target) && in->state != INBOUND_ENDED);
}

/* ---- batches -------------------------------------------------------------------------------------- */

static int push_batch(struct inbound *in, const struct batch_source *source, uint32_t row_bytes,
                      uint64_t charged, struct error *err)
{
    struct batch *b = NULL;
    struct network *n = in->network;
    int rc = batch_decode(n->pool, in->schema, source, &b, err);
    if (rc < 0) {
        error_set_class(err, ERROR_CLASS_TRANSIENT);
        return rc;
    }
    metric_counter_add(&n->metrics.batches_in, 1);
    struct element e = element_of_control(ELEMENT_BATCH);
    e.payload_bytes = row_bytes;
    e.pinned_bytes = charged;
    e.batch = b;
    inbound_push(in, &e);
    return 0;
}

static int on_whole(struct inbound *in, const struct frame_header *h, const uint8_t *payload,
                    struct buffer *own, struct error *err)
{
    uint64_t charged = MAX(h->value, in->charge_min);
    if (!charge(in, h, charged)) {
        return violation(in, "more than its credit", err);
    }
    struct batch_source source = {.data = payload, .size = h->value, .frame = own};
    if (!(h->flags & FRAME_FLAG_LZ4)) {
        return push_batch(in, &source, h->info, charged, err);
    }
    struct buffer *raw = buffer_get(in->network->pool, h->value);
    uint64_t bytes = 0;
    int rc = decompress_payload(h, payload, raw->data, h->value, &bytes, err);
    if (rc == 0 && bytes != h->value) {
        rc = violation(in, "a compressed batch of another size than announced", err);
    }
    if (rc == 0) {
        raw->size = bytes;
        source.data = raw->data;
        source.frame = raw;
        rc = push_batch(in, &source, h->info, charged, err);
    }
    buffer_unref(raw);
    return rc;
}

/* ---- fragments ------------------------------------------------------------------------------------ */

/* Whether the fragment continues what is there; begins it with the first.  Memory grows with what comes,
 * not with what is announced. */
static bool assembly_reserve(struct inbound *in, const struct frame_header *h, uint64_t bytes)
{
    if (h->flags & FRAME_FLAG_FIRST) {
        if (in->assembly != NULL) {
            return false;
        }
        in->assembly = buffer_get(in->network->pool, MIN(h->value, (uint64_t)ASSEMBLY_FIRST_BYTES));
        in->assembly_total = h->value;
        in->assembly_filled = 0;
    }
    if (in->assembly == NULL || in->assembly_total != h->value ||
        bytes > in->assembly_total - in->assembly_filled) {
        return false;
    }
    uint64_t end = in->assembly_filled + bytes;
    if (end > in->assembly->capacity) {
        in->assembly->size = in->assembly_filled;
        in->assembly = buffer_grow(in->network->pool, in->assembly,
                                   MIN(in->assembly_total, in->assembly->capacity * 2));
    }
    return true;
}

static bool is_whole(const struct frame_header *h)
{
    return (h->flags & FRAME_FLAG_FIRST) && (h->flags & FRAME_FLAG_LAST);
}

bool inbound_place(struct inbound *in, const struct frame_header *h, struct buffer **ret_buffer,
                   uint64_t *ret_offset)
{
    if (in->state != INBOUND_OPEN || is_whole(h) || (h->flags & FRAME_FLAG_LZ4) ||
        (h->payload_bytes > in->outstanding && !(h->flags & FRAME_FLAG_OVERTAKEN)) ||
        !assembly_reserve(in, h, h->payload_bytes)) {
        return false; /* what is wrong is said when the frame is there */
    }
    *ret_buffer = buffer_ref(in->assembly);
    *ret_offset = in->assembly_filled;
    return true;
}

static int on_fragment(struct inbound *in, const struct frame_header *h, const uint8_t *payload,
                       bool is_placed, struct error *err)
{
    uint64_t bytes = h->payload_bytes;
    if (!is_placed) {
        uint64_t room =
            h->flags & FRAME_FLAG_LZ4 ? MIN(h->value, (uint64_t)FRAME_PAYLOAD_MAX) : bytes;
        if (!(h->flags & FRAME_FLAG_FIRST) && in->assembly != NULL) {
            room = MIN(room, in->assembly_total - in->assembly_filled);
        }
        if ((!(h->flags & FRAME_FLAG_LZ4) && room != bytes) || !assembly_reserve(in, h, room)) {
            return violation(in, "a fragment that does not continue its batch", err);
        }
        uint8_t *to = in->assembly->data + in->assembly_filled;
        if (h->flags & FRAME_FLAG_LZ4) {
            TRY(decompress_payload(h, payload, to, room, &bytes, err));
        } else {
            memcpy(to, payload, bytes);
        }
    }
    if (!charge(in, h, bytes)) {
        return violation(in, "more than its credit", err);
    }
    in->assembly_filled += bytes;
    if (((h->flags & FRAME_FLAG_LAST) != 0) != (in->assembly_filled == in->assembly_total)) {
        return violation(in, "a batch that ends before its size, or does not end there", err);
    }
    if (!(h->flags & FRAME_FLAG_LAST)) {
        return 0;
    }
    struct buffer *whole = STEAL(in->assembly);
    whole->size = in->assembly_total;
    struct batch_source source = {.data = whole->data, .size = in->assembly_total, .frame = whole};
    int rc = push_batch(in, &source, h->info, in->assembly_total, err);
    buffer_unref(whole);
    return rc;
}

/* ---- frames --------------------------------------------------------------------------------------- */

int inbound_on_data(struct inbound *in, const struct frame_header *h, const uint8_t *payload,
                    struct buffer *own, bool is_placed, struct error *err)
{
    if (in->state == INBOUND_CLOSING) {
        return 0;
    }
    if (in->state != INBOUND_OPEN) {
        return violation(in, "data behind its end", err);
    }
    if (is_whole(h)) {
        if (in->assembly != NULL) {
            return violation(in, "a batch inside of another", err);
        }
        TRY(on_whole(in, h, payload, own, err));
    } else {
        TRY(on_fragment(in, h, payload, is_placed, err));
    }
    inbound_settle(in);
    return 0;
}

int inbound_on_control(struct inbound *in, const struct frame_header *h, const uint8_t *payload,
                       struct error *err)
{
    if (in->state == INBOUND_CLOSING) {
        return 0;
    }
    if (in->state != INBOUND_OPEN) {
        return violation(in, "an element behind its end", err);
    }
    bool has_priority = (h->flags & FRAME_FLAG_PRIORITY) != 0;
    struct element e;
    if (!has_priority && in->assembly != NULL) {
        return violation(in, "an element inside of a batch", err);
    }
    if (!has_priority && !charge(in, h, CONTROL_CHARGE_BYTES)) {
        return violation(in, "more than its credit", err);
    }
    TRY(frame_element(h, payload, &e, err));
    if (has_priority) {
        if (e.kind == ELEMENT_BARRIER && e.position > in->n_pushed + NETWORK_OVERTAKEN_MAX) {
            element_drop(&e);
            return violation(in, "a barrier further away than any channel is long", err);
        }
        if (e.kind == ELEMENT_BARRIER) {
            in->overtaken_to = MAX(in->overtaken_to, e.position + 1);
        }
        channel_push_priority_at(in->channel, &e);
        return 0;
    }
    inbound_push(in, &e);
    if (e.kind == ELEMENT_END_OF_PARTITION) {
        in->state = INBOUND_ENDED;
    }
    inbound_settle(in);
    return 0;
}

static int reason_code(enum close_reason reason)
{
    switch (reason) {
    case CLOSE_REASON_TIMEOUT:
        return ERR_TIMEOUT;
    case CLOSE_REASON_LIMIT:
        return ERR_LIMIT;
    default:
        return ERR_UNAVAILABLE;
    }
}

int inbound_on_closed(struct inbound *in, const struct frame_header *h, const uint8_t *payload,
                      struct error *err)
{
    bool was_refused = h->kind == FRAME_REFUSED;
    if (h->info == CLOSE_REASON_END && in->state == INBOUND_OPEN) {
        return violation(in, "an end without END_OF_PARTITION", err);
    }
    if (!was_refused && (h->info == CLOSE_REASON_END || h->info == CLOSE_REASON_PRODUCER_GONE)) {
        inbound_end(in,
                    NULL); /* a producer that failed: the job master knows, as inside a worker */
        return 0;
    }
    struct error why = ERROR_INIT;
    char producer[ID_HEX_LEN + 1];
    id_format(&in->id.producer_attempt, producer);
    error_set(&why, reason_code((enum close_reason)h->info),
              "%s %s subpartition %" PRIu32 " of edge %" PRIu32 " of attempt %s: %.*s",
              in->dialed->connection.peer, was_refused ? "refused" : "closed", in->id.subpartition,
              in->id.edge, producer, (int)(h->payload_bytes - h->padding), (const char *)payload);
    inbound_end(in, &why);
    return 0;
}
