/* The inside of a segment reader: what opening it fills in and reading blocks uses.  Inside the room
 * only. */
#ifndef FLINC_ENGINE_SNAPSHOT_SEGMENT_READ_H
#define FLINC_ENGINE_SNAPSHOT_SEGMENT_READ_H

#include "common/base/vec.h"
#include "common/fs/fs.h"
#include "engine/snapshot/segment_format.h"

struct reader_state {
    struct segment_state shown; /* Borrows from what follows */
    char *name, *kind;          /* Owns */
    struct schema *key, *value; /* Owns refs */
    struct schema *row;         /* Owns a ref: key, then value */
};

struct segment_reader {
    char *name;          /* Owns; for messages */
    struct fs_input *in; /* Owns; NULL: the bytes are inline */
    uint8_t *bytes;      /* Owns; the inline bytes */
    uint64_t size;
    uint64_t begin; /* where it begins in the file */
    struct segment_head head;
    uint32_t n_states;
    struct reader_state *states;              /* Owns */
    uint8_t *index;                           /* Owns: as it lies in the file, checked */
    const struct segment_index_block *blocks; /* Borrows: of `index` */
    uint64_t n_blocks;
    uint64_t next; /* number of the block that comes next */
    bool selected; /* only blocks of one state are wanted: */
    uint32_t only_state;
    struct vec runs; /* struct segment_run: of the last block */
};

/* Reads exactly these bytes, which are known to be inside the segment. */
int segment_reader_bytes(const struct segment_reader *r, uint64_t offset, void *ret, size_t size,
                         struct error *err) MUST_CHECK;
/* "<file> is damaged: <part>: <what>". */
int segment_damaged(const struct segment_reader *r, struct error *err, const char *part,
                    const char *what) COLD;
int segment_block_damaged(const struct segment_reader *r, struct error *err, uint64_t number,
                          const char *what) COLD;

#endif
