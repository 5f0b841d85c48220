/* Names of elements, the bytes that a batch is counted and charged with, barriers, latency markers.
 * Thread: whoever holds the element. */
#include "taskmanager/exchange/element.h"

static const char *const element_names[] = {
    [ELEMENT_BATCH] = "BATCH",
    [ELEMENT_WATERMARK] = "WATERMARK",
    [ELEMENT_WATERMARK_STATUS] = "WATERMARK_STATUS",
    [ELEMENT_BARRIER] = "BARRIER",
    [ELEMENT_END_OF_PARTITION] = "END_OF_PARTITION",
    [ELEMENT_LATENCY_MARKER] = "LATENCY_MARKER",
    [ELEMENT_END_OF_DATA] = "END_OF_DATA",
};
_Static_assert(ARRAY_LEN(element_names) == ELEMENT_KINDS, "a name per kind");

const char *element_kind_name(enum element_kind kind)
{
    return (unsigned)kind < ELEMENT_KINDS ? element_names[kind] : "UNKNOWN";
}

struct element element_of_batch(struct batch *take_batch)
{
    uint64_t payload = batch_bytes(take_batch);
    return (struct element){
        .kind = ELEMENT_BATCH,
        .payload_bytes = payload < UINT32_MAX ? (uint32_t)payload : UINT32_MAX,
        .pinned_bytes = batch_pinned_bytes(take_batch),
        .batch = take_batch,
    };
}

struct element element_share(const struct element *e)
{
    struct element shared = *e;
    if (e->kind == ELEMENT_BATCH) {
        batch_ref(shared.batch);
    } else if (e->kind == ELEMENT_BARRIER) {
        barrier_ref(shared.barrier);
    } else if (e->kind == ELEMENT_LATENCY_MARKER) {
        latency_marker_ref(shared.marker);
    }
    return shared;
}

void element_drop(struct element *e)
{
    if (e->kind == ELEMENT_BATCH) {
        e->batch = batch_unref(e->batch);
    } else if (e->kind == ELEMENT_BARRIER) {
        e->barrier = barrier_unref(e->barrier);
    } else if (e->kind == ELEMENT_LATENCY_MARKER) {
        e->marker = latency_marker_unref(e->marker);
    }
}

/* ---- barriers ----------------------------------------------------------------------------------- */

int barrier_unpack(const uint8_t *data, size_t size, struct barrier **ret_barrier,
                   struct error *err)
{
    Flinc__CheckpointBarrier *message =
        size <= BARRIER_BYTES_MAX ? flinc__checkpoint_barrier__unpack(NULL, size, data) : NULL;
    if (message == NULL || message->checkpoint_id == 0) {
        if (message != NULL) {
            flinc__checkpoint_barrier__free_unpacked(message, NULL);
        }
        return error_set(err, ERR_CORRUPT, "a barrier of %zu bytes that cannot be read", size);
    }
    struct barrier *b = MEM_NEW(struct barrier);
    atomic_init(&b->refs, 1);
    b->checkpoint_id = message->checkpoint_id;
    b->timestamp_ms = message->timestamp_ms;
    b->message = message;
    b->packed = mem_dup(data, size);
    b->packed_bytes = (uint32_t)size;
    *ret_barrier = b;
    return 0;
}

int barrier_new(const Flinc__CheckpointBarrier *message, struct barrier **ret_barrier,
                struct error *err)
{
    uint8_t packed[BARRIER_BYTES_MAX];
    size_t size = flinc__checkpoint_barrier__get_packed_size(message);
    if (size > sizeof(packed)) {
        return error_set(err, ERR_TOO_LARGE,
                         "the barrier of checkpoint %llu has %zu bytes, at most %d can be sent: "
                         "shorten execution.checkpointing.dir",
                         (unsigned long long)message->checkpoint_id, size, BARRIER_BYTES_MAX);
    }
    flinc__checkpoint_barrier__pack(message, packed);
    return barrier_unpack(packed, size, ret_barrier, err);
}

struct barrier *barrier_ref(struct barrier *b)
{
    if (b != NULL) {
        atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    }
    return b;
}

struct barrier *barrier_unref(struct barrier *b)
{
    if (b != NULL && atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
        flinc__checkpoint_barrier__free_unpacked(b->message, NULL);
        mem_free(b->packed);
        mem_free(b);
    }
    return NULL;
}

/* ---- latency markers ------------------------------------------------------------------------------ */

struct latency_marker *latency_marker_new(int64_t marked_ms, const struct flinc_id *source_id,
                                          uint32_t source_subtask)
{
    struct latency_marker *m = MEM_NEW(struct latency_marker);
    atomic_init(&m->refs, 1);
    m->marked_ms = marked_ms;
    m->source_id = *source_id;
    m->source_subtask = source_subtask;
    return m;
}

struct latency_marker *latency_marker_ref(struct latency_marker *m)
{
    if (m != NULL) {
        atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    }
    return m;
}

struct latency_marker *latency_marker_unref(struct latency_marker *m)
{
    if (m != NULL && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1) {
        mem_free(m);
    }
    return NULL;
}
