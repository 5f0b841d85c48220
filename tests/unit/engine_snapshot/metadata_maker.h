/* Makes CheckpointMetadata piece by piece; freed by flinc__checkpoint_metadata__free_unpacked(). */
#ifndef FLINC_TESTS_ENGINE_SNAPSHOT_METADATA_MAKER_H
#define FLINC_TESTS_ENGINE_SNAPSHOT_METADATA_MAKER_H

#include "common/base/crc32c.h"
#include "engine/data/hash.h"
#include "engine/snapshot/metadata.h"

/* A new last item of a repeated field of messages. */
#define ADD_MESSAGE(n, array, type, init_fn)                        \
    ({                                                              \
        type *item_ = MEM_NEW(type);                                \
        init_fn(item_);                                             \
        (array) = mem_realloc((array), ((n) + 1) * sizeof(*array)); \
        (array)[(n)++] = item_;                                     \
        item_;                                                      \
    })

static inline ProtobufCBinaryData make_id(uint8_t first)
{
    uint8_t *bytes = mem_zalloc(16);
    bytes[0] = first;
    bytes[15] = 0xee;
    return (ProtobufCBinaryData){16, bytes};
}

static inline Flinc__CheckpointMetadata *make_metadata(void)
{
    Flinc__CheckpointMetadata *m = MEM_NEW(Flinc__CheckpointMetadata);
    flinc__checkpoint_metadata__init(m);
    m->version = CHECKPOINT_METADATA_VERSION;
    m->checkpoint_id = 42;
    m->timestamp_ms = 1700000000123;
    m->job_id = make_id(0xab);
    m->job_name = mem_strdup("Word Count");
    m->written_by = mem_strdup("flinc 0.2.0");
    return m;
}

static inline Flinc__OperatorSnapshot *add_operator(Flinc__CheckpointMetadata *m, uint8_t id,
                                                    const char *name, uint32_t parallelism,
                                                    uint32_t max_parallelism)
{
    Flinc__OperatorSnapshot *o = ADD_MESSAGE(m->n_operators, m->operators, Flinc__OperatorSnapshot,
                                             flinc__operator_snapshot__init);
    o->operator_id = make_id(id);
    o->name = mem_strdup(name);
    o->kind = mem_strdup("process");
    o->parallelism = parallelism;
    o->max_parallelism = max_parallelism;
    o->vertex_id = make_id(id);
    return o;
}

static inline Flinc__SubtaskSnapshot *add_subtask(Flinc__OperatorSnapshot *o, uint32_t subtask)
{
    Flinc__SubtaskSnapshot *s = ADD_MESSAGE(o->n_subtasks, o->subtasks, Flinc__SubtaskSnapshot,
                                            flinc__subtask_snapshot__init);
    s->subtask = subtask;
    s->state = MEM_NEW(Flinc__OperatorSubtaskState);
    flinc__operator_subtask_state__init(s->state);
    s->state->operator_id = make_id(o->operator_id.data[0]);
    return s;
}

static inline Flinc__StateBlob *make_blob(const char *location, uint64_t size)
{
    Flinc__StateBlob *b = MEM_NEW(Flinc__StateBlob);
    flinc__state_blob__init(b);
    b->size = size;
    if (location[0] != '\0') {
        b->location = mem_strdup(location);
        b->shared = strchr(location, '/') != NULL;
    } else {
        b->inline_data = (ProtobufCBinaryData){size, mem_zalloc(size + 1)};
        b->crc32c = crc32c(0, b->inline_data.data, size);
    }
    return b;
}

/* A handle over the key groups of its subtask with one segment. */
static inline Flinc__KeyedHandle *add_keyed(Flinc__OperatorSnapshot *o, Flinc__SubtaskSnapshot *s,
                                            const char *location)
{
    Flinc__KeyedHandle *h = ADD_MESSAGE(s->state->n_keyed, s->state->keyed, Flinc__KeyedHandle,
                                        flinc__keyed_handle__init);
    h->backend = mem_strdup("hashmap");
    h->version = 1;
    key_group_range(s->subtask, o->max_parallelism, o->parallelism, &h->first_group,
                    &h->last_group);
    Flinc__KeyedSegment *g =
        ADD_MESSAGE(h->n_segments, h->segments, Flinc__KeyedSegment, flinc__keyed_segment__init);
    g->blob = make_blob(location, 100);
    g->first_group = h->first_group;
    g->last_group = h->last_group;
    g->checkpoint_id = 42;
    g->is_base = true;
    return h;
}

/* A set of one file of 2 MiB over the key groups of the handle, in a shared folder. */
static inline Flinc__SharedFiles *add_files(Flinc__KeyedHandle *h, const char *location)
{
    Flinc__SharedFiles *s =
        ADD_MESSAGE(h->n_files, h->files, Flinc__SharedFiles, flinc__shared_files__init);
    s->first_group = h->first_group;
    s->last_group = h->last_group;
    Flinc__SharedFile *file =
        ADD_MESSAGE(s->n_files, s->files, Flinc__SharedFile, flinc__shared_file__init);
    file->name = mem_strdup("000012.sst");
    file->blob = make_blob(location, 2 << 20);
    file->checkpoint_id = 41;
    file->flags = 1;
    file->n_block_crcs = 2;
    file->block_crcs = MEM_NEW_ARRAY(uint32_t, 2);
    file->block_crcs[1] = 0x12345678;
    return s;
}

/* A list of `n_items` items of 8 bytes in a blob of its own. */
static inline Flinc__OperatorStateHandle *add_list(Flinc__SubtaskSnapshot *s, const char *name,
                                                   Flinc__OperatorStateMode mode, uint32_t n_items)
{
    Flinc__OperatorStateHandle *h =
        ADD_MESSAGE(s->state->n_operator_state, s->state->operator_state,
                    Flinc__OperatorStateHandle, flinc__operator_state_handle__init);
    h->blob = make_blob("", 8 * n_items);
    Flinc__OperatorStatePart *p = ADD_MESSAGE(h->n_parts, h->parts, Flinc__OperatorStatePart,
                                              flinc__operator_state_part__init);
    p->name = mem_strdup(name);
    p->mode = mode;
    p->n_offsets = p->n_sizes = n_items;
    p->offsets = mem_alloc((n_items + 1) * sizeof(uint64_t));
    p->sizes = mem_alloc((n_items + 1) * sizeof(uint64_t));
    for (uint32_t i = 0; i < n_items; i++) {
        /* Bytes say which item it is: subtask and number. */
        uint64_t item = (uint64_t)s->subtask << 32 | i;
        memcpy(h->blob->inline_data.data + 8 * i, &item, 8);
        p->offsets[i] = 8 * i;
        p->sizes[i] = 8;
    }
    h->blob->crc32c = n_items > 0 ? crc32c(0, h->blob->inline_data.data, h->blob->size) : 0;
    return h;
}

#endif
