/* Filters of sorted files.
 *
 * RocksDB hashes keys for them by a preview of XXH3 that differs from what XXH3 became, so libxxhash has it not.
 * Thread: any. */
#include "engine/rocksdb/sst_filter.h"

#include "common/base/mem.h"

#include <string.h>

enum { ABOUT_BYTES = 5 /* at the end: what kind of filter it is */ };

#define PRIME_32 UINT64_C(0x9e3779b1)
#define PRIME_1 UINT64_C(0x9e3779b185ebca87)
#define PRIME_2 UINT64_C(0xc2b2ae3d27d4eb4f)
#define PRIME_3 UINT64_C(0x165667b19e3779f9)

/* The secret that XXH3 is specified with, its first bytes. */
static const uint8_t secret[] = {
    0xb8, 0xfe, 0x6c, 0x39, 0x23, 0xa4, 0x4b, 0xbe, 0x7c, 0x01, 0x81, 0x2c, 0xf7, 0x21, 0xad, 0x1c,
    0xde, 0xd4, 0x6d, 0xe9, 0x83, 0x90, 0x97, 0xdb, 0x72, 0x40, 0xa4, 0xa4, 0xb7, 0xb3, 0x67, 0x1f,
    0xcb, 0x79, 0xe6, 0x4e, 0xcc, 0xc0, 0xe5, 0x78, 0x82, 0x5a, 0xd0, 0x7d, 0xcc, 0xff, 0x72, 0x21,
    0xb8, 0x08, 0x46, 0x74, 0xf7, 0x43, 0x24, 0x8e, 0xe0, 0x35, 0x90, 0xe6, 0x81, 0x3a, 0x26, 0x4c,
    0x3c, 0x28, 0x52, 0xbb, 0x91, 0xc3, 0x00, 0xcb, 0x88, 0xd0, 0x65, 0x8b, 0x1b, 0x53, 0x2e, 0xa3,
    0x71, 0x64, 0x48, 0x97, 0xa2, 0x0d, 0xf9, 0x4e, 0x38, 0x19, 0xef, 0x46, 0xa9, 0xde, 0xac, 0xd8,
    0xa8, 0xfa, 0x76, 0x3f, 0xe3, 0x9c, 0x34, 0x3f, 0xf9, 0xdc, 0xbb, 0xc7, 0xc7, 0x0b, 0x4f, 0x1d,
    0x8a, 0x51, 0xe0, 0x4b, 0xcd, 0xb4, 0x59, 0x31, 0xc8, 0x9f, 0x7e, 0xc9, 0xd9, 0x78, 0x73, 0x64,
    0xea, 0xc5, 0xac, 0x83, 0x34, 0xd3, 0xeb, 0xc3,
};

static inline uint64_t word(const void *p)
{
    uint64_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint32_t half_word(const void *p)
{
    uint32_t v;
    memcpy(&v, p, sizeof(v));
    return v;
}

static inline uint64_t fold(uint64_t a, uint64_t b)
{
    unsigned __int128 product = (unsigned __int128)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static inline uint64_t mixed(uint64_t h)
{
    h = (h ^ h >> 37) * PRIME_3;
    return h ^ h >> 32;
}

static inline uint64_t pair(const char *p, size_t secret_at)
{
    return fold(word(p) ^ word(secret + secret_at),
                word(p + sizeof(uint64_t)) ^ word(secret + secret_at + sizeof(uint64_t)));
}

static uint64_t hash_short(const char *p, size_t n)
{
    if (n > 8) {
        uint64_t low = word(p) ^ word(secret), high = word(p + n - 8) ^ word(secret + 8);
        return mixed(n + low + high + fold(low, high));
    }
    if (n >= 4) {
        uint64_t both = half_word(p) | (uint64_t)half_word(p + n - 4) << 32;
        uint64_t keyed = both ^ word(secret);
        uint64_t v = n + (keyed ^ keyed >> 51) * PRIME_32;
        return mixed((v ^ v >> 47) * PRIME_2);
    }
    if (n > 0) {
        uint32_t all = (uint32_t)(uint8_t)p[0] | (uint32_t)(uint8_t)p[n >> 1] << 8 |
                       (uint32_t)(uint8_t)p[n - 1] << 16 | (uint32_t)n << 24;
        return mixed((all ^ (uint64_t)half_word(secret)) * PRIME_1);
    }
    return fold(word(secret), PRIME_2);
}

static uint64_t hash_middle(const char *p, size_t n)
{
    uint64_t h = n * PRIME_1;
    /* Pairs from both ends, up to four of each. */
    for (size_t i = 0; i < (n + 31) / 32; i++) {
        h += pair(p + 16 * i, 32 * i) + pair(p + n - 16 * (i + 1), 32 * i + 16);
    }
    return mixed(h);
}

static uint64_t hash_long(const char *p, size_t n)
{
    enum { FIRST = 8, LATER_AT = 3, LAST_AT = 136 - 17 };
    uint64_t h = n * PRIME_1;
    for (size_t i = 0; i < FIRST; i++) {
        h += pair(p + 16 * i, 16 * i);
    }
    h = mixed(h);
    for (size_t i = FIRST; i < n / 16; i++) {
        h += pair(p + 16 * i, 16 * (i - FIRST) + LATER_AT);
    }
    return mixed(h + pair(p + n - 16, LAST_AT));
}

uint64_t sst_filter_hash(const char *key, size_t size)
{
    ASSERT(size <= SST_HASHED_MAX);
    return size <= 16    ? hash_short(key, size)
           : size <= 128 ? hash_middle(key, size)
                         : hash_long(key, size);
}

void sst_filter_init(struct sst_filter *f, char *take_block, size_t size)
{
    enum { MARK = 0xff, LINE_SHIFT = 5, PROBES_MASK = 31 };
    *f = (struct sst_filter){.lines = NULL};
    if (size > ABOUT_BYTES && (size - ABOUT_BYTES) % SST_FILTER_LINE == 0 &&
        size / SST_FILTER_LINE <= UINT32_MAX) {
        const uint8_t *about = (const uint8_t *)take_block + size - ABOUT_BYTES;
        uint32_t n_probes = about[2] & PROBES_MASK;
        /* A Bloom filter in such lines; anything else is of no use here. */
        if (about[0] == MARK && about[1] == 0 && about[2] >> LINE_SHIFT == 0 && n_probes > 0 &&
            about[3] == 0 && about[4] == 0) {
            *f = (struct sst_filter){.lines = take_block,
                                     .n_lines = (uint32_t)(size / SST_FILTER_LINE),
                                     .n_probes = n_probes};
            return;
        }
    }
    mem_free(take_block);
}

void sst_filter_fini(struct sst_filter *f)
{
    mem_free(f->lines);
    *f = (struct sst_filter){.lines = NULL};
}

uint64_t sst_filter_bytes(const struct sst_filter *f)
{
    return (uint64_t)f->n_lines * SST_FILTER_LINE;
}
