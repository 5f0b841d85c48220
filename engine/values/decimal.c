/* Arithmetic of decimals; see decimal.h.  Magnitudes are unsigned, signs are put back at the end.  Thread: any. */
#include "engine/values/decimal.h"

struct u256 {
    unsigned __int128 high, low;
};

enum { CHUNK_DIGITS = 19 }; /* of a quotient that are made at a time: what fits 64 bits */

__int128 decimal_power(int32_t exponent)
{
    static const uint64_t powers[] = {
        1u,
        10u,
        100u,
        1000u,
        10000u,
        100000u,
        1000000u,
        10000000u,
        100000000u,
        1000000000u,
        10000000000u,
        100000000000u,
        1000000000000u,
        10000000000000u,
        100000000000000u,
        1000000000000000u,
        10000000000000000u,
        100000000000000000u,
        1000000000000000000u,
        10000000000000000000u,
    };
    ASSERT(exponent >= 0 && exponent <= DECIMAL_DIGITS_MAX);
    return exponent <= CHUNK_DIGITS
               ? (__int128)powers[exponent]
               : (__int128)powers[CHUNK_DIGITS] * (__int128)powers[exponent - CHUNK_DIGITS];
}

static unsigned __int128 power(int32_t exponent)
{
    return (unsigned __int128)decimal_power(exponent);
}

static unsigned __int128 magnitude(__int128 v)
{
    return v < 0 ? -(unsigned __int128)v : (unsigned __int128)v;
}

bool decimal_fits(__int128 unscaled, int32_t precision)
{
    return magnitude(unscaled) < power(precision);
}

/* The value with its sign, if it has no more digits than the type. */
static bool finish(unsigned __int128 m, bool is_negative, int32_t precision, __int128 *ret)
{
    if (m >= power(precision)) {
        return false;
    }
    *ret = is_negative ? -(__int128)m : (__int128)m;
    return true;
}

/* ---- 256 bits --------------------------------------------------------------------------------------- */

static struct u256 multiply_wide(unsigned __int128 a, unsigned __int128 b)
{
    unsigned __int128 a0 = (uint64_t)a, a1 = a >> 64, b0 = (uint64_t)b, b1 = b >> 64;
    unsigned __int128 low = a0 * b0, mid1 = a1 * b0, mid2 = a0 * b1;
    unsigned __int128 middle = (low >> 64) + (uint64_t)mid1 + (uint64_t)mid2;
    return (struct u256){
        .high = a1 * b1 + (mid1 >> 64) + (mid2 >> 64) + (middle >> 64),
        .low = (middle << 64) | (uint64_t)low,
    };
}

static struct u256 add_wide(struct u256 a, struct u256 b)
{
    struct u256 sum = {a.high + b.high, a.low + b.low};
    sum.high += sum.low < a.low;
    return sum;
}

static int leading_zeros(unsigned __int128 v)
{
    uint64_t high = (uint64_t)(v >> 64);
    return high != 0 ? __builtin_clzll(high) : 64 + __builtin_clzll((uint64_t)v);
}

/* One digit of 64 bits: (high, next) / d, where high < d and the top bit of d is set. */
static unsigned __int128 divide_digit(unsigned __int128 high, uint64_t next, unsigned __int128 d,
                                      unsigned __int128 *ret_rest)
{
    unsigned __int128 d1 = d >> 64, d0 = (uint64_t)d;
    unsigned __int128 q = high / d1, r = high - q * d1;
    while (q >> 64 != 0 || q * d0 > ((r << 64) | next)) {
        q--;
        r += d1;
        if (r >> 64 != 0) {
            break;
        }
    }
    *ret_rest = (high << 64 | next) - q * d; /* modulo 2^128, where it is right */
    return q;
}

/* n / d with a quotient of 128 bits: n.high < d. */
static unsigned __int128 divide_wide(struct u256 n, unsigned __int128 d,
                                     unsigned __int128 *ret_rest)
{
    if (n.high == 0) {
        *ret_rest = n.low % d;
        return n.low / d;
    }
    int shift = leading_zeros(d);
    unsigned __int128 rest;
    d <<= shift;
    unsigned __int128 high = shift == 0 ? n.high : (n.high << shift) | (n.low >> (128 - shift));
    unsigned __int128 low = n.low << shift;
    unsigned __int128 q1 = divide_digit(high, (uint64_t)(low >> 64), d, &rest);
    unsigned __int128 q0 = divide_digit(rest, (uint64_t)low, d, &rest);
    *ret_rest = rest >> shift;
    return (q1 << 64) | q0;
}

/* n / 10^exponent, half up.  False: over 128 bits. */
static bool scale_down(struct u256 n, int32_t exponent, unsigned __int128 *ret)
{
    unsigned __int128 rest, q = n.low;
    if (exponent == 0) {
        *ret = n.low;
        return n.high == 0;
    }
    if (exponent > DECIMAL_DIGITS_MAX) {
        /* What is cut off first is less than one of the last digits that decide. */
        unsigned __int128 first = power(DECIMAL_DIGITS_MAX);
        if (n.high >= first) {
            return false;
        }
        n = (struct u256){0, divide_wide(n, first, &rest)};
        exponent -= DECIMAL_DIGITS_MAX;
    }
    unsigned __int128 d = power(exponent);
    if (n.high >= d) {
        return false;
    }
    q = divide_wide(n, d, &rest);
    *ret = q + (rest >= d - rest);
    return true;
}

/* m * 10^(to - from), half up.  False: over 128 bits. */
static bool rescale(unsigned __int128 m, int32_t from, int32_t to, unsigned __int128 *ret)
{
    if (to < from) {
        return scale_down((struct u256){0, m}, from - to, ret);
    }
    struct u256 wide = multiply_wide(m, power(to - from));
    *ret = wide.low;
    return wide.high == 0;
}

/* ---- operations ------------------------------------------------------------------------------------- */

bool decimal_rescale(struct decimal v, struct decimal_type type, __int128 *ret)
{
    unsigned __int128 m;
    return rescale(magnitude(v.unscaled), v.scale, type.scale, &m) &&
           finish(m, v.unscaled < 0, type.precision, ret);
}

static int compare_wide(struct u256 a, struct u256 b)
{
    if (a.high != b.high) {
        return a.high < b.high ? -1 : 1;
    }
    return (a.low > b.low) - (a.low < b.low);
}

bool decimal_add(struct decimal a, struct decimal b, struct decimal_type type, __int128 *ret)
{
    int32_t scale = MAX(a.scale, b.scale);
    struct u256 x = multiply_wide(magnitude(a.unscaled), power(scale - a.scale));
    struct u256 y = multiply_wide(magnitude(b.unscaled), power(scale - b.scale));
    bool is_negative = a.unscaled < 0;
    struct u256 sum;
    if (is_negative == (b.unscaled < 0)) {
        sum = add_wide(x, y);
    } else {
        bool is_swapped = compare_wide(x, y) < 0;
        struct u256 larger = is_swapped ? y : x, smaller = is_swapped ? x : y;
        is_negative = is_swapped ? !is_negative : is_negative;
        sum = (struct u256){larger.high - smaller.high - (larger.low < smaller.low),
                            larger.low - smaller.low};
    }
    unsigned __int128 m;
    if (type.scale >= scale) {
        return sum.high == 0 && rescale(sum.low, scale, type.scale, &m) &&
               finish(m, is_negative, type.precision, ret);
    }
    return scale_down(sum, scale - type.scale, &m) && finish(m, is_negative, type.precision, ret);
}

bool decimal_subtract(struct decimal a, struct decimal b, struct decimal_type type, __int128 *ret)
{
    b.unscaled = -b.unscaled;
    return decimal_add(a, b, type, ret);
}

bool decimal_multiply(struct decimal a, struct decimal b, struct decimal_type type, __int128 *ret)
{
    bool is_negative = (a.unscaled < 0) != (b.unscaled < 0);
    int32_t scale = a.scale + b.scale;
    struct u256 product = multiply_wide(magnitude(a.unscaled), magnitude(b.unscaled));
    unsigned __int128 m;
    if (type.scale > scale) {
        return product.high == 0 && rescale(product.low, scale, type.scale, &m) &&
               finish(m, is_negative, type.precision, ret);
    }
    return scale_down(product, scale - type.scale, &m) &&
           finish(m, is_negative, type.precision, ret);
}

bool decimal_divide(struct decimal a, struct decimal b, struct decimal_type type, __int128 *ret)
{
    ASSERT(b.unscaled != 0);
    unsigned __int128 n = magnitude(a.unscaled), d = magnitude(b.unscaled);
    bool is_negative = (a.unscaled < 0) != (b.unscaled < 0);
    int32_t digits =
        type.scale + b.scale - a.scale; /* that the quotient needs behind those of n / d */
    if (digits < 0) {
        /* The quotient, to the digits that it has, then rounded: what is left of n / d only breaks ties upwards. */
        unsigned __int128 q = n / d, cut = power(-digits), rest = q % cut;
        unsigned __int128 m = q / cut + (rest >= cut - rest);
        return finish(m, is_negative, type.precision, ret);
    }
    unsigned __int128 q = n / d, rest = n % d;
    while (digits > 0) {
        int32_t step = MIN(digits, (int32_t)CHUNK_DIGITS);
        struct u256 wide = multiply_wide(q, power(step));
        unsigned __int128 chunk = divide_wide(multiply_wide(rest, power(step)), d, &rest);
        wide = add_wide(wide, (struct u256){0, chunk});
        if (wide.high != 0 || wide.low >= power(DECIMAL_DIGITS_MAX)) {
            return false;
        }
        q = wide.low;
        digits -= step;
    }
    return finish(q + (rest >= d - rest), is_negative, type.precision, ret);
}

bool decimal_modulo(struct decimal a, struct decimal b, struct decimal_type type, __int128 *ret)
{
    ASSERT(b.unscaled != 0);
    int32_t scale = MAX(a.scale, b.scale);
    unsigned __int128 x = magnitude(a.unscaled), y = magnitude(b.unscaled), m;
    if (a.scale < b.scale) {
        /* x * 10^k mod y, in steps whose products have 256 bits. */
        x %= y;
        for (int32_t k = b.scale - a.scale; k > 0; k -= MIN(k, (int32_t)CHUNK_DIGITS)) {
            unsigned __int128 rest;
            (void)divide_wide(multiply_wide(x, power(MIN(k, (int32_t)CHUNK_DIGITS))), y, &rest);
            x = rest;
        }
        m = x;
    } else {
        struct u256 wide = multiply_wide(y, power(a.scale - b.scale));
        m = wide.high != 0 ? x : x % wide.low;
    }
    unsigned __int128 scaled;
    return rescale(m, scale, type.scale, &scaled) &&
           finish(scaled, a.unscaled < 0, type.precision, ret);
}

int decimal_compare(struct decimal a, struct decimal b)
{
    int32_t scale = MAX(a.scale, b.scale);
    struct u256 x = multiply_wide(magnitude(a.unscaled), power(scale - a.scale));
    struct u256 y = multiply_wide(magnitude(b.unscaled), power(scale - b.scale));
    bool a_negative = a.unscaled < 0, b_negative = b.unscaled < 0;
    if (a_negative != b_negative) {
        return a_negative ? -1 : 1;
    }
    return a_negative ? -compare_wide(x, y) : compare_wide(x, y);
}
