/* Digests block by block; the last one or two blocks are padded in a copy. */
#include "engine/values/digest.h"

#include "engine/values/digest_constants.inc"

/* What a digest is between blocks. */
struct digest {
    union {
        uint32_t words[8];
        uint64_t wides[8];
    };
};

static uint32_t left(uint32_t v, int n)
{
    return v << n | v >> (32 - n);
}
static uint32_t right(uint32_t v, int n)
{
    return v >> n | v << (32 - n);
}
static uint64_t right_wide(uint64_t v, int n)
{
    return v >> n | v << (64 - n);
}

static uint32_t load_little(const uint8_t *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}
static uint32_t load_big(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | (uint32_t)p[3];
}

static void md5_block(struct digest *d, const uint8_t *block)
{
    static const uint8_t shifts[4][4] = {
        {7, 12, 17, 22}, {5, 9, 14, 20}, {4, 11, 16, 23}, {6, 10, 15, 21}};
    uint32_t a = d->words[0], b = d->words[1], c = d->words[2], e = d->words[3];
    for (uint32_t i = 0; i < 64; i++) {
        uint32_t f, k;
        if (i < 16) {
            f = (b & c) | (~b & e);
            k = i;
        } else if (i < 32) {
            f = (e & b) | (~e & c);
            k = (5 * i + 1) % 16;
        } else if (i < 48) {
            f = b ^ c ^ e;
            k = (3 * i + 5) % 16;
        } else {
            f = c ^ (b | ~e);
            k = 7 * i % 16;
        }
        f += a + md5_sines[i] + load_little(block + (size_t)k * 4);
        a = e;
        e = c;
        c = b;
        b += left(f, shifts[i / 16][i % 4]);
    }
    d->words[0] += a;
    d->words[1] += b;
    d->words[2] += c;
    d->words[3] += e;
}

static void sha1_block(struct digest *d, const uint8_t *block)
{
    uint32_t w[80], v[5];
    memcpy(v, d->words, sizeof(v));
    for (uint32_t i = 0; i < 80; i++) {
        uint32_t f, k;
        w[i] = i < 16 ? load_big(block + (size_t)i * 4)
                      : left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
        if (i < 20) {
            f = (v[1] & v[2]) | (~v[1] & v[3]);
            k = 0x5a827999;
        } else if (i < 40 || i >= 60) {
            f = v[1] ^ v[2] ^ v[3];
            k = i < 40 ? 0x6ed9eba1 : 0xca62c1d6;
        } else {
            f = (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3]);
            k = 0x8f1bbcdc;
        }
        f += left(v[0], 5) + v[4] + k + w[i];
        v[4] = v[3];
        v[3] = v[2];
        v[2] = left(v[1], 30);
        v[1] = v[0];
        v[0] = f;
    }
    for (uint32_t i = 0; i < 5; i++) {
        d->words[i] += v[i];
    }
}

static void sha256_block(struct digest *d, const uint8_t *block)
{
    uint32_t w[64], v[8];
    memcpy(v, d->words, sizeof(v));
    for (uint32_t i = 0; i < 64; i++) {
        if (i < 16) {
            w[i] = load_big(block + (size_t)i * 4);
        } else {
            const uint32_t x = w[i - 15], y = w[i - 2];
            w[i] = w[i - 16] + (right(x, 7) ^ right(x, 18) ^ x >> 3) + w[i - 7] +
                   (right(y, 17) ^ right(y, 19) ^ y >> 10);
        }
        const uint32_t one = v[7] + (right(v[4], 6) ^ right(v[4], 11) ^ right(v[4], 25)) +
                             ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha256_roots[i] + w[i];
        const uint32_t two = (right(v[0], 2) ^ right(v[0], 13) ^ right(v[0], 22)) +
                             ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof(*v));
        v[4] += one;
        v[0] = one + two;
    }
    for (uint32_t i = 0; i < 8; i++) {
        d->words[i] += v[i];
    }
}

static void sha512_block(struct digest *d, const uint8_t *block)
{
    uint64_t w[80], v[8];
    memcpy(v, d->wides, sizeof(v));
    for (uint32_t i = 0; i < 80; i++) {
        if (i < 16) {
            w[i] = (uint64_t)load_big(block + (size_t)i * 8) << 32 |
                   load_big(block + (size_t)i * 8 + 4);
        } else {
            const uint64_t x = w[i - 15], y = w[i - 2];
            w[i] = w[i - 16] + (right_wide(x, 1) ^ right_wide(x, 8) ^ x >> 7) + w[i - 7] +
                   (right_wide(y, 19) ^ right_wide(y, 61) ^ y >> 6);
        }
        const uint64_t one = v[7] +
                             (right_wide(v[4], 14) ^ right_wide(v[4], 18) ^ right_wide(v[4], 41)) +
                             ((v[4] & v[5]) ^ (~v[4] & v[6])) + sha512_roots[i] + w[i];
        const uint64_t two = (right_wide(v[0], 28) ^ right_wide(v[0], 34) ^ right_wide(v[0], 39)) +
                             ((v[0] & v[1]) ^ (v[0] & v[2]) ^ (v[1] & v[2]));
        memmove(v + 1, v, 7 * sizeof(*v));
        v[4] += one;
        v[0] = one + two;
    }
    for (uint32_t i = 0; i < 8; i++) {
        d->wides[i] += v[i];
    }
}

static const uint32_t md5_start[8] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476};
static const uint32_t sha1_start[8] = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0};

static const struct {
    void (*block)(struct digest *d, const uint8_t *block);
    const void *start;
    uint32_t bytes, start_bytes, block_bytes;
    bool is_little;
} kinds[DIGEST_KIND_COUNT] = {
    [DIGEST_MD5] = {md5_block, md5_start, 16, sizeof(md5_start), 64, true},
    [DIGEST_SHA1] = {sha1_block, sha1_start, 20, sizeof(sha1_start), 64, false},
    [DIGEST_SHA224] = {sha256_block, sha224_start, 28, sizeof(sha224_start), 64, false},
    [DIGEST_SHA256] = {sha256_block, sha256_start, 32, sizeof(sha256_start), 64, false},
    [DIGEST_SHA384] = {sha512_block, sha384_start, 48, sizeof(sha384_start), 128, false},
    [DIGEST_SHA512] = {sha512_block, sha512_start, 64, sizeof(sha512_start), 128, false},
};

uint32_t digest_bytes(enum digest_kind kind)
{
    return kinds[kind].bytes;
}

static void store(enum digest_kind kind, const struct digest *d, uint8_t *to)
{
    const bool is_wide = kinds[kind].block_bytes == 128;
    for (uint32_t i = 0; i < kinds[kind].bytes; i++) {
        const uint32_t at = is_wide ? 7 - i % 8 : kinds[kind].is_little ? i % 4 : 3 - i % 4;
        to[i] = (uint8_t)(is_wide ? d->wides[i / 8] >> (8 * at) : d->words[i / 4] >> (8 * at));
    }
}

void digest_of(enum digest_kind kind, struct slice data, uint8_t ret_digest[DIGEST_BYTES_MAX])
{
    const uint32_t block = kinds[kind].block_bytes, length = block / 8;
    const uint8_t *p = (const uint8_t *)data.data;
    const uint64_t bits = (uint64_t)data.len * 8;
    struct digest d = {0};
    uint8_t last[256] = {0};
    size_t n = data.len;
    memcpy(&d, kinds[kind].start, kinds[kind].start_bytes);
    for (; n >= block; n -= block, p += block) {
        kinds[kind].block(&d, p);
    }
    if (n > 0) {
        memcpy(last, p, n);
    }
    last[n] = 0x80;
    const uint32_t total = n + 1 + length <= block ? block : 2 * block;
    for (uint32_t i = 0; i < 8; i++) {
        const uint32_t at = kinds[kind].is_little ? total - 8 + i : total - 1 - i;
        last[at] = (uint8_t)(bits >> (8 * i));
    }
    for (uint32_t i = 0; i < total; i += block) {
        kinds[kind].block(&d, last + i);
    }
    store(kind, &d, ret_digest);
}
