/* Frames: what goes over a data connection behind the hello (docs/internals/network.md), version 4.
 *
 *   header 32 bytes | payload, a multiple of 16 bytes
 *
 * Two checks: the header's covers itself and the check of the payload, so that no length is believed
 * before it was checked; the payload's covers the payload as it was sent (compressed, if it was).  Little
 * endian.  What a kind does not use is zero, and anything else is refused.  Inside the room only. */
#ifndef FLINC_TASKMANAGER_NETWORK_FRAME_H
#define FLINC_TASKMANAGER_NETWORK_FRAME_H

#include "taskmanager/exchange/element.h"
#include "taskmanager/exchange/partition_registry.h"
#include "taskmanager/network/network.h"

enum {
    FRAME_VERSION = 4,
    FRAME_ALIGN = 16,
    FRAME_PAYLOAD_MAX = 1024 * 1024, /* larger batches go in fragments */
    FRAME_TEXT_MAX = 240,            /* of a reason */
    CONTROL_CHARGE_BYTES = 64,       /* credit that an ordinary control element takes */
};
/* Largest batch that goes over a connection: a record of the largest legal size, and what a builder may
 * have gathered beside it. */
#define NETWORK_BATCH_BYTES_MAX (BATCH_ROW_BYTES_MAX_DEFAULT * 2)

enum frame_kind {
    /* Consumer to producer. */
    FRAME_OPEN = 1, /* payload: struct open_request */
    FRAME_CREDIT =
        2, /* value: bytes more, may be 0; info: what shall be under way at most, 0: no limit */
    FRAME_CLOSE = 3, /* answered by CLOSED */
    /* Producer to consumer. */
    FRAME_WELCOME = 16, /* first frame; info: FRAME_VERSION; payload: incarnation of the worker */
    FRAME_DATA =
        17, /* value: bytes of the encoded batch in all; info: row bytes; payload: of them */
    FRAME_CONTROL = 18, /* info: element kind, flags << 8; payload: struct control_values,
                           and of a barrier its message,
                           of a latency marker struct marker_values */
    FRAME_CLOSED = 19,  /* info: enum close_reason; payload: text.  Last one of the channel */
    FRAME_REFUSED = 20, /* the same instead of an opening */
    FRAME_KINDS = 21,
};
const char *frame_kind_name(uint8_t kind);

enum frame_flags {
    FRAME_FLAG_FIRST = 1, /* DATA: begins a batch */
    FRAME_FLAG_LAST = 2,  /* DATA: ends it */
    FRAME_FLAG_LZ4 = 4,   /* DATA: the payload without its padding is one LZ4 block */
    FRAME_FLAG_PRIORITY = 8,
    /* DATA, CONTROL: takes no credit, because an announced barrier overtakes it. */
    FRAME_FLAG_OVERTAKEN = 16,
};

/* Who sends a frame. */
enum frame_direction { FRAME_TO_PRODUCER, FRAME_TO_CONSUMER };

struct frame_header {
    uint8_t kind;
    uint8_t flags;
    uint16_t padding; /* zero bytes at the payload's end, below 16 */
    uint32_t channel;
    uint32_t payload_bytes; /* with padding */
    uint32_t payload_crc;
    uint64_t value;
    uint32_t info;
    uint32_t header_crc; /* of the 28 bytes before it */
};
_Static_assert(sizeof(struct frame_header) == 32, "a wire format");

struct open_request {
    uint8_t producer_attempt[16];
    uint8_t consumer_attempt[16];
    uint32_t edge;
    uint32_t subpartition;
    uint64_t credit_bytes;       /* what the channel may have under way */
    uint32_t batch_charge_min;   /* what a batch takes at least */
    uint32_t reserved;           /* 0 */
    uint64_t reserved_behind[1]; /* 0 */
};
_Static_assert(sizeof(struct open_request) == 64, "a wire format");

struct control_values {
    uint64_t value;    /* time stamp or checkpoint id, else 0 */
    uint64_t position; /* on the priority lane, else 0 */
};
_Static_assert(sizeof(struct control_values) == 16, "a wire format");

/* Behind the values of a latency marker, whose value is its time. */
struct marker_values {
    uint8_t source_id[16]; /* the operator */
    uint32_t source_subtask;
};
_Static_assert(sizeof(struct marker_values) == 20, "a wire format");

enum {
    OPEN_CREDIT_MIN = 4096, /* smaller bounds of a channel are raised to this */
    FRAME_SMALL_MAX = 256,  /* largest payload but DATA's */
};
_Static_assert(FRAME_TEXT_MAX + FRAME_ALIGN <= FRAME_SMALL_MAX, "texts are small");

enum close_reason {
    CLOSE_REASON_END = 1,       /* END_OF_PARTITION went before, or the consumer asked */
    CLOSE_REASON_PRODUCER_GONE, /* it ended without END_OF_PARTITION */
    CLOSE_REASON_TIMEOUT,       /* REFUSED: no producer came */
    CLOSE_REASON_ALREADY_OPEN,  /* REFUSED */
    CLOSE_REASON_LIMIT,         /* REFUSED */
    CLOSE_REASON_FAILED,        /* a batch could not be sent: see the text */
    CLOSE_REASONS,
};

/* Fills in the checks. */
void frame_seal(struct frame_header *h, uint32_t payload_crc);
/* A received header by itself: its check, a kind of this direction, sizes within limits, nothing unknown.
 * ERR_CORRUPT. */
int frame_check(const struct frame_header *h, enum frame_direction direction,
                struct error *err) MUST_CHECK;
/* The payload of a checked header: its check, and what a kind's payload must hold.  ERR_CORRUPT. */
int frame_check_payload(const struct frame_header *h, const uint8_t *payload,
                        struct error *err) MUST_CHECK;

/* An element of a CONTROL frame, and back.  `e` is not a batch.  A barrier's message (e->barrier->packed)
 * or a marker's values follow, padded to FRAME_ALIGN. */
void frame_of_element(const struct element *e, uint32_t channel, struct frame_header *ret_header,
                      struct control_values *ret_values);
struct marker_values frame_marker_values(const struct latency_marker *m);
/* The caller owns what the element owns.  ERR_CORRUPT: a barrier that cannot be read. */
int frame_element(const struct frame_header *h, const uint8_t *payload, struct element *ret_element,
                  struct error *err) MUST_CHECK;

static inline uint64_t frame_align(uint64_t bytes)
{
    return (bytes + FRAME_ALIGN - 1) & ~(uint64_t)(FRAME_ALIGN - 1);
}

#endif
