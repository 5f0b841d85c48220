/* The bytes of _metadata (docs/internals/snapshots.md).  Inside the room only.
 *
 *   head | (u32 check sum, up to METADATA_BLOCK_BYTES of the packed CheckpointMetadata) ... */
#ifndef FLINC_ENGINE_SNAPSHOT_METADATA_FORMAT_H
#define FLINC_ENGINE_SNAPSHOT_METADATA_FORMAT_H

#include "common/base/crc32c.h"
#include "engine/snapshot/metadata.h"
#include <stddef.h>

enum { METADATA_BLOCK_BYTES = 64 * 1024 };
#define METADATA_TAG 0x4b4843434e494c46u /* "FLINCCHK" */

struct metadata_head {
    uint64_t tag;
    uint32_t version;
    uint32_t block_bytes; /* METADATA_BLOCK_BYTES */
    uint64_t size;        /* of the packed message */
    uint32_t zero;
    uint32_t crc; /* of the bytes before it */
};
_Static_assert(sizeof(struct metadata_head) == 32, "part of the format");

/* The check sum of a block covers its number, so that blocks do not change places. */
static inline uint32_t metadata_block_crc(uint64_t number, const uint8_t *data, size_t size)
{
    return crc32c(crc32c(0, &number, sizeof(number)), data, size);
}

/* Where the bytes of _metadata go. */
typedef int (*metadata_sink_fn)(void *arg, const void *data, size_t size, struct error *err);
/* Where they come from: `size` bytes at `at`, all of them or an error. */
struct metadata_source {
    int (*read)(void *arg, uint64_t at, void *data, size_t size, struct error *err);
    void *arg;
    uint64_t size;    /* of the file */
    const char *name; /* for messages */
};
int metadata_encode_to(const Flinc__CheckpointMetadata *m, metadata_sink_fn sink, void *arg,
                       struct error *err) MUST_CHECK;
int metadata_decode_from(const struct metadata_source *source, Flinc__CheckpointMetadata **ret,
                         struct error *err) MUST_CHECK;
int metadata_scan_from(const struct metadata_source *source, ProtobufCBinaryData operator_id,
                       metadata_subtask_fn fn, void *arg, struct error *err) MUST_CHECK;

/* Whether the message makes sense: ids, ranges, numbers that others use as sizes.  Says what does not. */
int metadata_validate(const Flinc__CheckpointMetadata *m, struct error *err) MUST_CHECK;

#endif
