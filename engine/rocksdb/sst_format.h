/* The bytes of RocksDB's sorted files, as far as this room writes them: block-based tables of format version 3 to 5,
 * not compressed, with check sums of XXH3.
 *
 *   data blocks | filter | parts of the index | index | removed ranges | properties | list of those | footer
 *
 * A block is entries, which share the beginnings of their keys with the one before, places where one starts
 * anew (restarts), and their number; behind it are a byte of compression and a check sum.  An entry's key is the
 * user's and eight bytes: a place in the order of writes, and what it is.
 *
 * Everything here looks at bytes that may be damaged: each function says so, and reads nothing outside of them.
 * Thread: any. */
#ifndef FLINC_ENGINE_ROCKSDB_SST_FORMAT_H
#define FLINC_ENGINE_ROCKSDB_SST_FORMAT_H

#include "common/base/str.h"

enum {
    SST_FOOTER_BYTES = 53,
    SST_TRAILER_BYTES = 5, /* behind a block: its compression, its check sum */
    SST_SUFFIX_BYTES = 8,  /* of a key behind the user's: order << 8 | kind */
    SST_KIND_REMOVAL = 0,
    SST_KIND_VALUE = 1,
    SST_KIND_RANGE = 15,
    SST_VERSION_MIN = 3,
    SST_VERSION_MAX = 5,
};

/* Where a block lies: without its trailer. */
struct sst_handle {
    uint64_t offset, size;
};

struct sst_footer {
    struct sst_handle list; /* of blocks that are neither data nor index, by name */
    struct sst_handle index;
};
/* Of the last SST_FOOTER_BYTES of a file.  OTHER: a file of another kind, or with other options. */
enum sst_read { SST_READ_OK, SST_READ_OTHER, SST_READ_DAMAGED };
enum sst_read sst_footer_read(const char *bytes, struct sst_footer *ret_footer);

/* Of `size` bytes of a block with the trailer behind them; ret_computed (may be NULL): its sum. */
enum sst_read sst_block_check(const char *block, size_t size, uint32_t *ret_stored,
                              uint32_t *ret_computed);
/* What the trailer has to have; for tests. */
uint32_t sst_block_sum(const char *block, size_t size, char compression);

/* Takes a number from the front of bytes; false: there is none. */
bool sst_take_varint(struct slice *inout_bytes, uint64_t *ret_value);
bool sst_take_handle(struct slice *inout_bytes, struct sst_handle *ret_handle);

/* ---- entries one after the other ------------------------------------------------------------------------ */

/* PLAIN: values have a length.  HANDLES: they are places of blocks, which follow one another, written as differences
 * from the one before where the key shares bytes with its. */
enum sst_values { SST_VALUES_PLAIN, SST_VALUES_HANDLES };

struct sst_walk {
    struct slice rest; /* entries that are left */
    enum sst_values values;
    struct str key;           /* Owns: of the entry at hand */
    struct slice value;       /* of PLAIN */
    struct sst_handle handle; /* of HANDLES */
};
/* DAMAGED: it is no block; OTHER: it has an index by hash. */
enum sst_read sst_walk_start(struct sst_walk *w, struct slice block, enum sst_values values);
/* 1: there is an entry; 0: no more; negative: the block is damaged. */
int sst_walk_next(struct sst_walk *w);
void sst_walk_end(struct sst_walk *w);

/* ---- one key --------------------------------------------------------------------------------------------- */

enum sst_found {
    SST_FOUND_NONE,    /* not there */
    SST_FOUND_PAST,    /* all keys of the block are below it */
    SST_FOUND_VALUE,   /* the newest entry of the key is a value */
    SST_FOUND_REMOVAL, /* ... says that it was removed */
    SST_FOUND_OTHER,   /* ... is something else */
    SST_FOUND_DAMAGED, /* the block is no block of keys in their order */
};
struct sst_hit {
    struct slice value; /* in the block */
    uint64_t order;     /* its place in the order of writes, as the file has it */
};
/* `scratch`: of the caller, used again. */
enum sst_found sst_block_find(struct slice block, struct slice key, struct str *scratch,
                              struct sst_hit *ret_hit);

#endif
