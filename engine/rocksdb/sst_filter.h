/* Filters of sorted files, as RocksDB 7 writes them: a Bloom filter in lines of 64 bytes, of which a key has one.
 * A filter of another kind lets every key through.  Thread: any. */
#ifndef FLINC_ENGINE_ROCKSDB_SST_FILTER_H
#define FLINC_ENGINE_ROCKSDB_SST_FILTER_H

#include "common/base/str.h"

enum {
    SST_HASHED_MAX = 240, /* bytes of a key that has a hash here */
    SST_FILTER_LINE = 64, /* bytes of a line */
};

/* That of keys in filters; of those up to SST_HASHED_MAX bytes (asserted). */
uint64_t sst_filter_hash(const char *key, size_t size);

struct sst_filter {
    char *lines; /* Owns, aligned; NULL: it lets all through */
    uint32_t n_lines;
    uint32_t n_probes;
};
/* Takes a filter's block, which was allocated at a multiple of SST_FILTER_LINE. */
void sst_filter_init(struct sst_filter *f, char *take_block, size_t size);
void sst_filter_fini(struct sst_filter *f);
uint64_t sst_filter_bytes(const struct sst_filter *f);

/* Where a hash's line begins. */
static inline const char *sst_filter_line(const struct sst_filter *f, uint64_t hash)
{
    return f->lines + ((uint64_t)(uint32_t)hash * f->n_lines >> 32) * SST_FILTER_LINE;
}
/* False: the file has no key of this hash. */
static inline bool sst_filter_may_have(const struct sst_filter *f, uint64_t hash)
{
    if (f->lines == NULL) {
        return true;
    }
    const char *line = sst_filter_line(f, hash);
    uint32_t h = (uint32_t)(hash >> 32);
    for (uint32_t i = 0; i < f->n_probes; i++, h *= UINT32_C(0x9e3779b9)) {
        uint32_t bit = h >> (32 - 9);
        if (((uint8_t)line[bit / 8] >> bit % 8 & 1) == 0) {
            return false;
        }
    }
    return true;
}

#endif
