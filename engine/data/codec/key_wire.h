/* The bytes of the key codec, version 1 (docs/internals/encodings.md): what encoder and decoder share.
 * Inside the room only. */
#ifndef FLINC_ENGINE_DATA_CODEC_KEY_WIRE_H
#define FLINC_ENGINE_DATA_CODEC_KEY_WIRE_H

#include "engine/data/codec.h"

enum {
    /* In front of a column of the key and of a field of a row. */
    KEY_MARK_NULL = 0,
    KEY_MARK_VALUE = 1,
    /* In front of an element of an array, and behind the last. */
    KEY_ITEM_END = 0,
    KEY_ITEM_NULL = 1,
    KEY_ITEM_VALUE = 2,
    /* A zero byte in a string is followed by an escape; a string ends with a zero and an end. */
    KEY_BYTE_END = 0,
    KEY_BYTE_ESCAPE = 0xff,
    KEY_NANOS_MAX = 999999,
};

#define KEY_SIGN_32 UINT32_C(0x80000000)
#define KEY_SIGN_64 (UINT64_C(1) << 63)
#define KEY_NAN_32 UINT32_C(0x7fc00000)
#define KEY_NAN_64 UINT64_C(0x7ff8000000000000)

/* Bits of floating-point numbers in an order of their own: positive ones above the sign bit, negative
 * ones inverted below it. */
static inline uint32_t key_order_f32(float v)
{
    uint32_t bits;
    memcpy(&bits, &v, sizeof(bits));
    bits = v == 0 ? 0 : v != v ? KEY_NAN_32 : bits;
    return bits & KEY_SIGN_32 ? ~bits : bits | KEY_SIGN_32;
}
static inline uint64_t key_order_f64(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof(bits));
    bits = v == 0 ? 0 : v != v ? KEY_NAN_64 : bits;
    return bits & KEY_SIGN_64 ? ~bits : bits | KEY_SIGN_64;
}
static inline float key_unorder_f32(uint32_t ordered)
{
    uint32_t bits = ordered & KEY_SIGN_32 ? ordered & ~KEY_SIGN_32 : ~ordered;
    float v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}
static inline double key_unorder_f64(uint64_t ordered)
{
    uint64_t bits = ordered & KEY_SIGN_64 ? ordered & ~KEY_SIGN_64 : ~ordered;
    double v;
    memcpy(&v, &bits, sizeof(v));
    return v;
}

#endif
