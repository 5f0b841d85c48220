/* Keys of the store in their order: by their first sixteen bytes, byte by byte where these differ at all, which are four
 * or five of numbers in key groups; what is equal in these is compared.
 * Thread: any. */
#include "engine/state/paged/paged.h"

#include <stdlib.h>

enum {
    FEW = 64,      /* that are compared from the beginning */
    BYTES_MAX = 9, /* that differ, until comparing all is faster */
    KEY_BYTES = 2 * sizeof(uint64_t),
    VALUES = 256,
};

/* Byte `i` of a key, 0 is the last one of the second number. */
static inline uint8_t byte_of(const struct paged_place *p, uint32_t i)
{
    return (uint8_t)(i < sizeof(uint64_t) ? p->second >> 8 * i
                                          : p->first >> 8 * (i - sizeof(uint64_t)));
}

/* Bits that are not the same in all. */
static struct paged_place differing(const struct paged_place *places, size_t n)
{
    struct paged_place all = {0};
    for (size_t i = 1; i < n; i++) {
        all.first |= places[i].first ^ places[0].first;
        all.second |= places[i].second ^ places[0].second;
    }
    return all;
}

/* By one byte; what is equal in it stays in its order. */
static void by_byte(const struct paged_place *restrict from, struct paged_place *restrict to,
                    size_t n, uint32_t byte)
{
    size_t at[VALUES] = {0}, sum = 0;
    for (size_t i = 0; i < n; i++) {
        at[byte_of(&from[i], byte)]++;
    }
    for (uint32_t v = 0; v < VALUES; v++) {
        size_t count = at[v];
        at[v] = sum;
        sum += count;
    }
    for (size_t i = 0; i < n; i++) {
        to[at[byte_of(&from[i], byte)]++] = from[i];
    }
}

static void compare_equal(struct paged_place *places, size_t n, paged_compare_fn compare, void *arg)
{
    for (size_t from = 0, to; from < n; from = to) {
        for (to = from + 1; to < n && places[to].first == places[from].first &&
                            places[to].second == places[from].second;
             to++) {
        }
        if (to - from > 1) {
            qsort_r(places + from, to - from, sizeof(*places), compare, arg);
        }
    }
}

void paged_places_sort(struct vec *places, struct vec *scratch, paged_compare_fn compare, void *arg)
{
    size_t n = places->len;
    uint32_t bytes[KEY_BYTES], n_bytes = 0;
    if (n == 0) {
        return;
    }
    struct paged_place differs = differing(places->data, n);
    for (uint32_t i = 0; i < KEY_BYTES; i++) {
        if (byte_of(&differs, i) != 0) {
            bytes[n_bytes++] = i;
        }
    }
    if (n < FEW || n_bytes > BYTES_MAX) {
        qsort_r(places->data, n, sizeof(struct paged_place), compare, arg);
        return;
    }
    vec_reserve(scratch, n);
    for (uint32_t i = 0; i < n_bytes; i++) {
        by_byte(places->data, scratch->data, n, bytes[i]);
        struct vec sorted = *scratch;
        *scratch = *places;
        *places = sorted;
        places->len = n;
    }
    compare_equal(places->data, n, compare, arg);
}
