/* Checks of received frames by a table of kinds, and elements as CONTROL frames.  Pure functions. */
#include "taskmanager/network/frame.h"
#include "common/base/crc32c.h"

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "frames are written as memory lies");
_Static_assert(ELEMENT_WATERMARK == 1 && ELEMENT_WATERMARK_STATUS == 2 && ELEMENT_BARRIER == 3 &&
                   ELEMENT_END_OF_PARTITION == 4 && ELEMENT_LATENCY_MARKER == 5 &&
                   ELEMENT_END_OF_DATA == 6,
               "kinds of elements are part of the format");

enum { CONTROL_FLAGS = ELEMENT_FLAG_IDLE, CONTROL_FLAGS_SHIFT = 8 };

static const struct frame_rule {
    const char *name; /* NULL: no such kind */
    enum frame_direction direction;
    uint8_t flags; /* that it may have */
    bool has_value, has_info, has_channel, has_padding;
    uint32_t payload_min, payload_max;
} rules[FRAME_KINDS] = {
    [FRAME_OPEN] = {"OPEN", FRAME_TO_PRODUCER, .has_channel = true,
                    .payload_min = sizeof(struct open_request),
                    .payload_max = sizeof(struct open_request)},
    [FRAME_CREDIT] = {"CREDIT", FRAME_TO_PRODUCER, .has_channel = true, .has_value = true,
                      .has_info = true},
    [FRAME_CLOSE] = {"CLOSE", FRAME_TO_PRODUCER, .has_channel = true},
    [FRAME_WELCOME] = {"WELCOME", FRAME_TO_CONSUMER, .has_info = true, .payload_min = 16,
                       .payload_max = 16},
    [FRAME_DATA] = {"DATA", FRAME_TO_CONSUMER,
                    .flags =
                        FRAME_FLAG_FIRST | FRAME_FLAG_LAST | FRAME_FLAG_LZ4 | FRAME_FLAG_OVERTAKEN,
                    .has_channel = true, .has_value = true, .has_info = true, .has_padding = true,
                    .payload_min = FRAME_ALIGN, .payload_max = FRAME_PAYLOAD_MAX},
    [FRAME_CONTROL] = {"CONTROL", FRAME_TO_CONSUMER,
                       .flags = FRAME_FLAG_PRIORITY | FRAME_FLAG_OVERTAKEN, .has_channel = true,
                       .has_info = true, .has_padding = true,
                       .payload_min = sizeof(struct control_values),
                       .payload_max = sizeof(struct control_values) + BARRIER_BYTES_MAX},
    [FRAME_CLOSED] = {"CLOSED", FRAME_TO_CONSUMER, .has_channel = true, .has_info = true,
                      .has_padding = true, .payload_max = FRAME_SMALL_MAX},
    [FRAME_REFUSED] = {"REFUSED", FRAME_TO_CONSUMER, .has_channel = true, .has_info = true,
                       .has_padding = true, .payload_max = FRAME_SMALL_MAX},
};

const char *frame_kind_name(uint8_t kind)
{
    return kind < FRAME_KINDS && rules[kind].name != NULL ? rules[kind].name : "UNKNOWN";
}

static uint32_t header_crc(const struct frame_header *h)
{
    return crc32c(0, h, offsetof(struct frame_header, header_crc));
}

void frame_seal(struct frame_header *h, uint32_t payload_crc)
{
    h->payload_crc = payload_crc;
    h->header_crc = header_crc(h);
}

static COLD int corrupt(const struct frame_header *h, const char *what, struct error *err)
{
    error_set(err, ERR_CORRUPT, "a %s frame with %s", frame_kind_name(h->kind), what);
    if (err != NULL) {
        error_set_class(err, ERROR_CLASS_TRANSIENT);
    }
    return ERR_CORRUPT;
}

static int check_data(const struct frame_header *h, struct error *err)
{
    if (h->value == 0 || h->value > NETWORK_BATCH_BYTES_MAX || h->value % FRAME_ALIGN != 0) {
        return corrupt(h, "a batch of a size that no batch has", err);
    }
    if (!(h->flags & FRAME_FLAG_LZ4) &&
        (h->padding != 0 || h->payload_bytes > h->value ||
         ((h->flags & FRAME_FLAG_FIRST) != 0 && (h->flags & FRAME_FLAG_LAST) != 0 &&
          h->payload_bytes != h->value))) {
        return corrupt(h, "another size than its batch", err);
    }
    return 0;
}

static int check_control(const struct frame_header *h, struct error *err)
{
    uint32_t kind = h->info & 0xff, flags = h->info >> CONTROL_FLAGS_SHIFT;
    if (kind == ELEMENT_BATCH || kind >= ELEMENT_KINDS || (flags & ~(uint32_t)CONTROL_FLAGS) != 0) {
        return corrupt(h, "an unknown element", err);
    }
    int64_t message =
        (int64_t)h->payload_bytes - h->padding - (int64_t)sizeof(struct control_values);
    bool fits = message == 0 && h->padding == 0;
    if (kind == ELEMENT_BARRIER) {
        fits = message > 0;
    } else if (kind == ELEMENT_LATENCY_MARKER) {
        fits = message == (int64_t)sizeof(struct marker_values);
    }
    if (!fits) {
        return corrupt(h, "a payload that its element does not have", err);
    }
    return 0;
}

int frame_check(const struct frame_header *h, enum frame_direction direction, struct error *err)
{
    if (header_crc(h) != h->header_crc) {
        return corrupt(h, "a wrong CRC32C: its header was damaged under way", err);
    }
    const struct frame_rule *rule = h->kind < FRAME_KINDS ? &rules[h->kind] : &rules[0];
    if (rule->name == NULL || rule->direction != direction) {
        return corrupt(h, "no place in this direction", err);
    }
    if ((h->flags & ~rule->flags) != 0 || (!rule->has_value && h->value != 0) ||
        (!rule->has_info && h->info != 0) || (!rule->has_channel && h->channel != 0) ||
        (!rule->has_padding && h->padding != 0)) {
        return corrupt(h, "unknown bits", err);
    }
    if (h->payload_bytes % FRAME_ALIGN != 0 || h->payload_bytes < rule->payload_min ||
        h->payload_bytes > rule->payload_max || h->padding >= FRAME_ALIGN ||
        h->padding > h->payload_bytes) {
        return corrupt(h, "a payload of a size that it cannot have", err);
    }
    switch (h->kind) {
    case FRAME_DATA:
        return check_data(h, err);
    case FRAME_CONTROL:
        return check_control(h, err);
    case FRAME_CREDIT:
        return h->value > INT64_MAX ? corrupt(h, "no credit", err) : 0;
    case FRAME_CLOSED:
    case FRAME_REFUSED:
        return h->info == 0 || h->info >= CLOSE_REASONS ? corrupt(h, "an unknown reason", err) : 0;
    default:
        return 0;
    }
}

static int check_open(const struct frame_header *h, const uint8_t *payload, struct error *err)
{
    struct open_request r;
    memcpy(&r, payload, sizeof(r));
    if (r.reserved != 0 || r.reserved_behind[0] != 0) {
        return corrupt(h, "unknown bits", err);
    }
    if (r.credit_bytes < OPEN_CREDIT_MIN || r.credit_bytes > INT64_MAX || r.batch_charge_min == 0 ||
        r.batch_charge_min > r.credit_bytes / 4) {
        return corrupt(h, "a credit that no channel has", err);
    }
    return 0;
}

int frame_check_payload(const struct frame_header *h, const uint8_t *payload, struct error *err)
{
    if (crc32c(0, payload, h->payload_bytes) != h->payload_crc) {
        return corrupt(h, "a wrong CRC32C: its payload was damaged under way", err);
    }
    for (uint32_t i = h->payload_bytes - h->padding; i < h->payload_bytes; i++) {
        if (payload[i] != 0) {
            return corrupt(h, "padding that is not zero", err);
        }
    }
    if (h->kind == FRAME_OPEN) {
        return check_open(h, payload, err);
    }
    struct control_values v;
    if (h->kind == FRAME_CONTROL && !(h->flags & FRAME_FLAG_PRIORITY)) {
        memcpy(&v, payload, sizeof(v));
        return v.position != 0 ? corrupt(h, "a position outside of the priority lane", err) : 0;
    }
    return 0;
}

void frame_of_element(const struct element *e, uint32_t channel, struct frame_header *ret_header,
                      struct control_values *ret_values)
{
    uint32_t message = e->kind == ELEMENT_BARRIER          ? e->barrier->packed_bytes
                       : e->kind == ELEMENT_LATENCY_MARKER ? sizeof(struct marker_values)
                                                           : 0;
    uint32_t payload = (uint32_t)(sizeof(*ret_values) + frame_align(message));
    *ret_header = (struct frame_header){
        .kind = FRAME_CONTROL,
        .channel = channel,
        .payload_bytes = payload,
        .padding = (uint16_t)(payload - sizeof(*ret_values) - message),
        .info = e->kind | (uint32_t)(e->flags & CONTROL_FLAGS) << CONTROL_FLAGS_SHIFT,
    };
    *ret_values = (struct control_values){.value = 0};
    if (e->kind == ELEMENT_BARRIER) {
        ret_values->value = e->barrier->checkpoint_id;
    } else if (e->kind == ELEMENT_LATENCY_MARKER) {
        ret_values->value = (uint64_t)e->marker->marked_ms;
    } else if (e->kind == ELEMENT_WATERMARK) {
        ret_values->value = (uint64_t)e->timestamp_ms;
    }
}

struct marker_values frame_marker_values(const struct latency_marker *m)
{
    struct marker_values v = {.source_subtask = m->source_subtask};
    memcpy(v.source_id, m->source_id.bytes, sizeof(v.source_id));
    return v;
}

static struct latency_marker *frame_marker(const struct control_values *v, const uint8_t *message)
{
    struct marker_values values;
    struct flinc_id source_id;
    memcpy(&values, message, sizeof(values));
    memcpy(source_id.bytes, values.source_id, sizeof(source_id.bytes));
    return latency_marker_new((int64_t)v->value, &source_id, values.source_subtask);
}

int frame_element(const struct frame_header *h, const uint8_t *payload, struct element *ret_element,
                  struct error *err)
{
    struct control_values v;
    memcpy(&v, payload, sizeof(v));
    struct element e = element_of_control((enum element_kind)(h->info & 0xff));
    e.flags = (uint8_t)(h->info >> CONTROL_FLAGS_SHIFT);
    e.timestamp_ms = (int64_t)v.value;
    if (h->flags & FRAME_FLAG_PRIORITY) {
        e.position = v.position;
    } else {
        e.flags |= ELEMENT_FLAG_CHARGED;
        e.pinned_bytes = CONTROL_CHARGE_BYTES;
    }
    if (e.kind == ELEMENT_BARRIER) {
        size_t size = h->payload_bytes - h->padding - sizeof(v);
        struct barrier *barrier = NULL;
        if (barrier_unpack(payload + sizeof(v), size, &barrier, err) < 0 ||
            barrier->checkpoint_id != v.value) {
            barrier_unref(barrier);
            return corrupt(h, "a barrier that cannot be read", err);
        }
        e.barrier = barrier;
    } else if (e.kind == ELEMENT_LATENCY_MARKER) {
        e.marker = frame_marker(&v, payload + sizeof(v));
    }
    *ret_element = e;
    return 0;
}
