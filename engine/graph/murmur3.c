/* MurmurHash3, the x64 variant with 128 bits (Austin Appleby's public-domain algorithm), which Flink
 * uses for operator ids: an equal uid gives an equal id on either system. */
#include "engine/graph/translate_internal.h"

static const uint64_t C1 = 0x87c37b91114253d5ULL;
static const uint64_t C2 = 0x4cf5ad432745937fULL;

static uint64_t rotl64(uint64_t x, int r)
{
    return (x << r) | (x >> (64 - r));
}

static uint64_t final_mix(uint64_t k)
{
    k ^= k >> 33;
    k *= 0xff51afd7ed558ccdULL;
    k ^= k >> 33;
    k *= 0xc4ceb9fe1a85ec53ULL;
    k ^= k >> 33;
    return k;
}

static uint64_t mix_low(uint64_t k)
{
    return rotl64(k * C1, 31) * C2;
}

static uint64_t mix_high(uint64_t k)
{
    return rotl64(k * C2, 33) * C1;
}

void murmur3_128(const void *data, size_t len, uint32_t seed, uint8_t ret[16])
{
    const uint8_t *p = data;
    uint64_t h1 = seed;
    uint64_t h2 = seed;
    size_t left = len;

    for (; left >= 16; left -= 16, p += 16) {
        uint64_t k1;
        uint64_t k2;
        memcpy(&k1, p, 8);
        memcpy(&k2, p + 8, 8);
        h1 = (rotl64(h1 ^ mix_low(k1), 27) + h2) * 5 + 0x52dce729;
        h2 = (rotl64(h2 ^ mix_high(k2), 31) + h1) * 5 + 0x38495ab5;
    }
    if (left > 0) {
        uint8_t tail[16] = {0};
        uint64_t k1;
        uint64_t k2;
        memcpy(tail, p, left);
        memcpy(&k1, tail, 8);
        memcpy(&k2, tail + 8, 8);
        h1 ^= mix_low(k1);
        h2 ^= mix_high(k2); /* of zero it is zero: short tails need no case of their own */
    }
    h1 ^= len;
    h2 ^= len;
    h1 += h2;
    h2 += h1;
    h1 = final_mix(h1);
    h2 = final_mix(h2);
    h1 += h2;
    h2 += h1;
    memcpy(ret, &h1, 8);
    memcpy(ret + 8, &h2, 8);
}
