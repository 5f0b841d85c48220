/* The bytes of a segment, version 1 (docs/internals/snapshots.md): what writer and reader share.  Inside
 * the room only.
 *
 *   head | record ... | index | foot        each a multiple of 16 bytes long
 *
 * A record declares a state or is a block.  Each part has a CRC32C over all of its bytes, its own field
 * counted as zero, and the index lists all records, which lie without gaps: every byte of a segment is
 * under a check sum, and none is where it may not be. */
#ifndef FLINC_ENGINE_SNAPSHOT_SEGMENT_FORMAT_H
#define FLINC_ENGINE_SNAPSHOT_SEGMENT_FORMAT_H

#include "common/base/crc32c.h"
#include "engine/snapshot/segment.h"
#include <stddef.h>

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "segments are written as memory lies");

enum {
    SEGMENT_ALIGN = 16,
    SEGMENT_GAIN_MIN = 8,    /* a block is compressed if that saves one byte of so many */
    SEGMENT_RATIO_MAX = 256, /* no LZ4 block decodes to more times its bytes */
    SEGMENT_SCHEMA_TEXT_MAX = 4 * 1024 * 1024, /* bytes of a schema as text */
};
/* Tags of the parts, as they read in a dump. */
#define SEGMENT_TAG_HEAD 0x474553434e494c46u /* "FLINCSEG" */
#define SEGMENT_TAG_FOOT 0x444e45434e494c46u /* "FLINCEND" */
#define SEGMENT_TAG_STATE 0x54415453u        /* "STAT" */
#define SEGMENT_TAG_BLOCK 0x4b434c42u        /* "BLCK" */
#define SEGMENT_TAG_INDEX 0x58444e49u        /* "INDX" */

struct segment_head {
    uint64_t tag;
    uint16_t version;
    uint8_t is_base;
    uint8_t zero0;
    uint32_t max_parallelism;
    uint32_t first_group, last_group;
    uint64_t checkpoint_id;
    uint32_t zero1[3];
    uint32_t crc;
};
_Static_assert(sizeof(struct segment_head) == 48, "part of the format");

/* Behind it: name, kind, key schema, value schema (text), zeros up to SEGMENT_ALIGN. */
struct segment_state_record {
    uint32_t tag;
    uint32_t size; /* of the record */
    uint32_t crc;
    uint32_t id;
    uint64_t ttl_ms;
    uint32_t n_key_columns;
    uint16_t name_len, kind_len;
    uint32_t key_schema_len;
    uint32_t value_schema_len; /* 0: no columns */
    uint64_t zero;
};
_Static_assert(sizeof(struct segment_state_record) == 48, "part of the format");

/* Behind it: runs, zeros up to SEGMENT_ALIGN, the encoded batch, zeros up to SEGMENT_ALIGN. */
struct segment_block_record {
    uint32_t tag;
    uint32_t size; /* of the record */
    uint32_t crc;
    uint32_t state_id;
    uint64_t number;
    int64_t name_space;
    uint8_t kind;        /* segment_block_kind */
    uint8_t compression; /* segment_compression */
    uint16_t zero0;
    uint32_t n_rows;
    uint32_t n_runs;
    uint32_t stored_size; /* of the encoded batch as it lies here */
    uint32_t batch_size;  /* as it decodes */
    uint32_t zero1;
    uint64_t table_seed; /* of the table in whose order the rows lie; 0: none that is known */
};
_Static_assert(sizeof(struct segment_block_record) == 64, "part of the format");

/* Rows follow each other run by run. */
struct segment_run_record {
    uint32_t group, n_rows;
};
_Static_assert(sizeof(struct segment_run_record) == 8, "part of the format");

/* Behind it: a segment_index_state per state, a segment_index_block per block. */
struct segment_index_record {
    uint32_t tag;
    uint32_t crc;
    uint64_t size; /* of the index */
    uint64_t n_blocks;
    uint64_t n_entries; /* rows of all blocks */
    uint32_t n_states;
    uint32_t zero[3];
};
_Static_assert(sizeof(struct segment_index_record) == 48, "part of the format");

struct segment_index_state {
    uint64_t offset;
    uint32_t size;
    uint32_t id;
};
_Static_assert(sizeof(struct segment_index_state) == 16, "part of the format");

struct segment_index_block {
    uint64_t offset;
    uint32_t size;
    uint32_t first_group, last_group; /* those that it has; of a DROP: all of the segment */
    uint32_t n_rows;
    uint32_t state_id;
    uint8_t kind;
    uint8_t zero[3];
};
_Static_assert(sizeof(struct segment_index_block) == 32, "part of the format");

struct segment_foot {
    uint64_t index_offset;
    uint64_t index_size;
    uint32_t crc;
    uint32_t zero;
    uint64_t tag;
};
_Static_assert(sizeof(struct segment_foot) == 32, "part of the format");

static inline uint64_t segment_align(uint64_t size)
{
    return (size + SEGMENT_ALIGN - 1) & ~(uint64_t)(SEGMENT_ALIGN - 1);
}

/* The check sum of a part whose field for it lies at `crc_at`. */
static inline uint32_t segment_crc(const void *part, size_t size, size_t crc_at)
{
    static const uint8_t ZERO[sizeof(uint32_t)] = {0};
    const uint8_t *bytes = part;
    uint32_t crc = crc32c(0, bytes, crc_at);
    crc = crc32c(crc, ZERO, sizeof(ZERO));
    return crc32c(crc, bytes + crc_at + sizeof(ZERO), size - crc_at - sizeof(ZERO));
}

#endif
