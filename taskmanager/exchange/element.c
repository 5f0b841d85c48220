/* Names of elements, and the bytes that a batch is counted and charged with.
 * Thread: whoever holds the element. */
#include "taskmanager/exchange/element.h"

static const char *const element_names[] = {
    [ELEMENT_BATCH] = "BATCH",
    [ELEMENT_WATERMARK] = "WATERMARK",
    [ELEMENT_WATERMARK_STATUS] = "WATERMARK_STATUS",
    [ELEMENT_BARRIER] = "BARRIER",
    [ELEMENT_END_OF_DATA] = "END_OF_DATA",
    [ELEMENT_LATENCY_MARKER] = "LATENCY_MARKER",
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

void element_drop(struct element *e)
{
    if (e->kind == ELEMENT_BATCH) {
        e->batch = batch_unref(e->batch);
    }
}
