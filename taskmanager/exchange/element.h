/* What travels through channels: a stream is a sequence of elements, and an element's position is its
 * meaning (everything before a barrier belongs to the checkpoint).
 *
 * A channel and a gate look into batches and END_OF_PARTITION only; the other control elements they pass on
 * in their place, or ahead of it on the priority lane.
 * Flink: StreamElement, and the events among the buffers of a subpartition. */
#ifndef FLINC_TASKMANAGER_EXCHANGE_ELEMENT_H
#define FLINC_TASKMANAGER_EXCHANGE_ELEMENT_H

#include "common/base/clock.h"
#include "common/metrics/metric.h"
#include "engine/data/batch.h"
#include "proto/snapshot.pb-c.h"

enum element_kind {
    ELEMENT_BATCH,
    ELEMENT_WATERMARK,
    ELEMENT_WATERMARK_STATUS, /* idle or active again */
    ELEMENT_BARRIER,
    ELEMENT_END_OF_PARTITION, /* the last one: nothing comes behind it */
    ELEMENT_LATENCY_MARKER,
    ELEMENT_END_OF_DATA, /* no more batches and watermarks; barriers may come until the partition ends */
    ELEMENT_KINDS,
};
const char *element_kind_name(enum element_kind kind); /* "BATCH", ... */

enum element_flags {
    ELEMENT_FLAG_IDLE = 1u << 0, /* WATERMARK_STATUS: the channel is idle */
    /* A control element on the ordinary lane whose pinned_bytes the channel counts, too: how the network
     * bounds those that it has under way. */
    ELEMENT_FLAG_CHARGED = 1u << 1,
    /* A barrier on the priority lane: an announcement of the one at `position` of the ordinary lane, which
     * may overtake what waits before it. */
    ELEMENT_FLAG_ANNOUNCEMENT = 1u << 2,
};

enum { BARRIER_BYTES_MAX = 4096 }; /* of its message, packed */

/* What a barrier carries: counted, immutable; one for all channels.  Thread: any. */
struct barrier {
    _Atomic uint32_t refs;
    uint64_t checkpoint_id;
    int64_t timestamp_ms;              /* wall clock of the trigger */
    Flinc__CheckpointBarrier *message; /* Owns */
    uint8_t *packed;                   /* Owns: the message as it travels */
    uint32_t packed_bytes;
};
/* Copies the message.  ERR_TOO_LARGE: a location of more than BARRIER_BYTES_MAX. */
int barrier_new(const Flinc__CheckpointBarrier *message, struct barrier **ret_barrier,
                struct error *err) MUST_CHECK;
/* From the bytes of a message; ERR_CORRUPT. */
int barrier_unpack(const uint8_t *data, size_t size, struct barrier **ret_barrier,
                   struct error *err) MUST_CHECK;
struct barrier *barrier_ref(struct barrier *b);
struct barrier *barrier_unref(struct barrier *b); /* NULL is fine; returns NULL */

/* What a latency marker carries: counted, immutable.  Thread: any.  Flink: LatencyMarker. */
struct latency_marker {
    _Atomic uint32_t refs;
    int64_t marked_ms;         /* wall clock, when the source sent it */
    struct flinc_id source_id; /* the operator */
    uint32_t source_subtask;
};
struct latency_marker *latency_marker_new(int64_t marked_ms, const struct flinc_id *source_id,
                                          uint32_t source_subtask);
struct latency_marker *latency_marker_ref(struct latency_marker *m);
struct latency_marker *
latency_marker_unref(struct latency_marker *m); /* NULL is fine; returns NULL */

/* Passed by value.  BATCH, BARRIER and LATENCY_MARKER own one reference. */
struct element {
    uint8_t kind;           /* enum element_kind */
    uint8_t flags;          /* enum element_flags */
    uint16_t channel;       /* set by the gate: the channel that it came by */
    uint32_t payload_bytes; /* BATCH: bytes of its rows, as numBytes counts them */
    union {
        uint64_t pinned_bytes; /* BATCH: memory that it holds; what the channel is charged */
        uint64_t position;     /* on the priority lane: ordinary elements pushed before it */
    };
    union {
        struct batch *batch;           /* Owns a ref */
        int64_t timestamp_ms;          /* WATERMARK */
        struct barrier *barrier;       /* Owns a ref */
        struct latency_marker *marker; /* Owns a ref */
    };
};
_Static_assert(sizeof(struct element) == 24, "elements are copied through rings");

/* Takes the batch; counts its bytes. */
struct element element_of_batch(struct batch *take_batch);
static inline struct element element_of_control(enum element_kind kind)
{
    return (struct element){.kind = (uint8_t)kind};
}
static inline bool element_is_control(const struct element *e)
{
    return e->kind != ELEMENT_BATCH;
}
/* What a channel counts it with. */
static inline uint64_t element_charge(const struct element *e)
{
    return e->kind == ELEMENT_BATCH || (e->flags & ELEMENT_FLAG_CHARGED) ? e->pinned_bytes : 0;
}
/* Takes the reference. */
static inline struct element element_of_barrier(struct barrier *take_barrier)
{
    struct element e = element_of_control(ELEMENT_BARRIER);
    e.barrier = take_barrier;
    return e;
}
/* Takes the reference. */
static inline struct element element_of_marker(struct latency_marker *take_marker)
{
    struct element e = element_of_control(ELEMENT_LATENCY_MARKER);
    e.marker = take_marker;
    return e;
}
/* Another one with references of its own. */
struct element element_share(const struct element *e);
/* Drops what it owns. */
void element_drop(struct element *e);

/* What went through, as the task's metrics show it.  Thread: the task's writes, any reads. */
struct exchange_counters {
    struct metric_counter n_records, n_bytes, n_batches;
};

#endif
