/* Draws that make more than a number: words, prices, sizes of `extra`.  Thread: any. */
#ifndef FLINC_CONNECTORS_NEXMARK_WORDS_H
#define FLINC_CONNECTORS_NEXMARK_WORDS_H

#include "common/base/str.h"
#include "connectors/nexmark/model.h"

enum { NEXMARK_WORD_BYTES_MAX = 128, NEXMARK_WORD_LEAST = 3 };

/* 3 to max - 1 letters, one in 13 of them a `space`; into `to`, which has room for `max` (<=
 * NEXMARK_WORD_BYTES_MAX).  Blanks at both ends are left out of the result. */
struct slice nexmark_word(uint64_t *state, uint32_t max, char space, char *to);
/* The same draws for nothing: only how long the word is. */
uint32_t nexmark_word_length(uint64_t *state, uint32_t max, char space);

/* Prices from one draw each, u in [0, 1): 10^(6u) * 100, rounded; from `u` to `ret`, which may be the same memory. */
void nexmark_prices(const double *u, uint32_t n, int64_t *ret);
static inline int64_t nexmark_price(uint64_t *state)
{
    double u = random_double(state);
    int64_t price;

    nexmark_prices(&u, 1, &price);
    return price;
}

/* Where in the pool the text lies that makes a record of `have` bytes about `average` long. */
struct nexmark_cut {
    int32_t offset;
    uint32_t len;
};
struct nexmark_cut nexmark_extra(uint64_t *state, int32_t have, int32_t average);

#endif
