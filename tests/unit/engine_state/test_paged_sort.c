/* Keys sorted by their numbers against qsort: few and many, with bytes in common and without, equal ones. */
#include "common/base/clock.h"
#include "engine/state/paged/paged.h"
#include "tests/unit/seeds.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { PLACES_MAX = 3000 };

static int compare(const void *a, const void *b, void *arg)
{
    const struct paged_place *x = a, *y = b;
    (void)arg;
    if (x->first != y->first) {
        return x->first < y->first ? -1 : 1;
    }
    if (x->second != y->second) {
        return x->second < y->second ? -1 : 1;
    }
    return (x->at < y->at) - (x->at > y->at);
}

static void check_sort(uint64_t seed, uint64_t first_mask, uint64_t second_mask, size_t n)
{
    struct vec places = VEC_INIT(struct paged_place), right = VEC_INIT(struct paged_place);
    struct vec scratch = VEC_INIT(struct paged_place);
    struct rng rng;
    rng_init(&rng, seed);
    for (size_t i = 0; i < n; i++) {
        struct paged_place p = {rng_next(&rng) & first_mask, rng_next(&rng) & second_mask, i};
        *VEC_PUSH(&places, struct paged_place) = p;
        *VEC_PUSH(&right, struct paged_place) = p;
    }
    if (n > 0) {
        qsort_r(right.data, n, sizeof(struct paged_place), compare, NULL);
    }
    paged_places_sort(&places, &scratch, compare, NULL);
    assert_int_equal(places.len, n);
    for (size_t i = 0; i < n; i++) {
        assert_memory_equal(VEC_AT(&places, struct paged_place, i),
                            VEC_AT(&right, struct paged_place, i), sizeof(struct paged_place));
    }
    vec_fini(&places);
    vec_fini(&right);
    vec_fini(&scratch);
}

static void keys_are_in_their_order(void **state)
{
    (void)state;
    static const uint64_t masks[][2] = {
        {0, 0},
        {UINT64_C(0x007f000000000000), UINT64_C(0xffffff00)},
        {UINT64_C(0xff000000000000ff), 0},
        {0, 7},
        {UINT64_MAX, UINT64_MAX},
    };
    struct seeds seeds = seeds_from(1, 5);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        for (size_t i = 0; i < ARRAY_LEN(masks); i++) {
            check_sort(seed, masks[i][0], masks[i][1], 0);
            check_sort(seed, masks[i][0], masks[i][1], 1);
            check_sort(seed, masks[i][0], masks[i][1], 50);
            check_sort(seed, masks[i][0], masks[i][1], PLACES_MAX);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(keys_are_in_their_order)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
