/* Words, prices, cuts of the pool; see words.h. */
#include "connectors/nexmark/words.h"

#include <math.h>

struct slice nexmark_word(uint64_t *state, uint32_t max, char space, char *to)
{
    static const struct random_bound letters = {26, false, UINT64_MAX / 26 + 1},
                                     thirteen = {13, false, UINT64_MAX / 13 + 1};
    const struct random_bound lengths = random_bound_of(max - NEXMARK_WORD_LEAST);
    uint32_t len = NEXMARK_WORD_LEAST + random_below(state, &lengths), from = 0;
    uint64_t s = *state;

    for (uint32_t i = 0; i < len; i++) {
        to[i] = space;
        if (LIKELY(random_below(&s, &thirteen) != 0)) {
            to[i] = (char)('a' + random_below(&s, &letters));
        }
    }
    *state = s;
    while (len > 0 && to[len - 1] <= ' ') {
        len--;
    }
    while (from < len && to[from] <= ' ') {
        from++;
    }
    return slice_make(to + from, len - from);
}

uint32_t nexmark_word_length(uint64_t *state, uint32_t max, char space)
{
    char word[NEXMARK_WORD_BYTES_MAX];

    return (uint32_t)nexmark_word(state, max, space, word).len;
}

/* ---- prices ---------------------------------------------------------------------------------------- */

/* 2^f for f in [-1/2, 1/2], to about 1e-16: the Taylor series of exp(f ln 2). */
static inline double exp2_of_fraction(double f)
{
    static const double c[] = {1.0,
                               6.931471805599453094e-01,
                               2.402265069591007123e-01,
                               5.550410866482157995e-02,
                               9.618129107628477162e-03,
                               1.333355814642844343e-03,
                               1.540353039338160995e-04,
                               1.525273380405984028e-05,
                               1.321548679014430949e-06,
                               1.017808600923969972e-07,
                               7.054911620801122989e-09,
                               4.445538271870811498e-10,
                               2.567843599348820514e-11};
    double r = c[12];

    for (int i = 11; i >= 0; i--) {
        r = r * f + c[i];
    }
    return r;
}

enum { PRICES_AT_ONCE = 64 };

/* The fast result is good to 1e-5 in a number of up to 1e8; where that could round otherwise, the library decides,
 * as Java's does.  One in 50,000 prices. */
static void round_prices(const double *u, const double *x, uint32_t n, int64_t *ret)
{
    for (uint32_t i = 0; i < n; i++) {
        double up = x[i] + 0.5;
        int64_t whole = (int64_t)up; /* positive */
        double rest = up - (double)whole;
        if (UNLIKELY(!(rest > 1e-5 && rest < 1.0 - 1e-5))) {
            whole = (int64_t)floor(pow(10.0, u[i] * 6) * 100 + 0.5);
        }
        ret[i] = whole;
    }
}

void nexmark_prices(const double *u, uint32_t n, int64_t *ret)
{
    const double log2_10 = 3.321928094887362347870319429489390175864831393;
    double x[PRICES_AT_ONCE], y[PRICES_AT_ONCE];

    for (uint32_t from = 0; from < n; from += PRICES_AT_ONCE) {
        uint32_t some = MIN(n - from, (uint32_t)PRICES_AT_ONCE);
        for (uint32_t i = 0; i < some; i++) {
            y[i] = u[from + i];
            double t = y[i] * 6 * log2_10;
            int32_t whole = (int32_t)(t + 0.5);
            uint64_t bits = (uint64_t)(whole + 1023) << 52;
            double scale;
            memcpy(&scale, &bits, sizeof(scale));
            x[i] = exp2_of_fraction(t - whole) * scale * 100;
        }
        round_prices(y, x, some, ret + from);
    }
}

struct nexmark_cut nexmark_extra(uint64_t *state, int32_t have, int32_t average)
{
    if (have > average) {
        return (struct nexmark_cut){0, 0};
    }
    int32_t missing = average - have;
    int32_t delta = (int32_t)floor(missing * 0.2 + 0.5);
    int32_t size = missing - delta;
    if (delta > 0) {
        const struct random_bound spread = random_bound_of(2 * (uint32_t)delta);
        size += (int32_t)random_below(state, &spread);
    }
    const struct random_bound places = random_bound_of(NEXMARK_POOL_BYTES - (uint32_t)size);
    return (struct nexmark_cut){(int32_t)random_below(state, &places), (uint32_t)size};
}
