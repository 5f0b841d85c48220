/* Ranges of numbers: whatever becomes of the parallelism, every number is made once, and in order while it
 * stays. */
#include "engine/operators/io/index_ranges.h"

#include "common/base/clock.h"
#include "fixture.h"

enum { SUBTASKS = 16 };

static struct index_ranges empty(void)
{
    return (struct index_ranges){.heap = VEC_INIT(struct index_range)};
}

/* Takes up to `max` numbers, checks that none came before; *seen counts. */
static uint32_t take(struct index_ranges *r, uint32_t max, uint8_t *seen, uint64_t n_seen,
                     int64_t base)
{
    int64_t from;
    uint64_t stride;
    uint32_t n = index_ranges_take(r, max, &from, &stride);
    for (uint32_t i = 0; i < n; i++) {
        uint64_t at = (uint64_t)from + i * stride - (uint64_t)base;
        if (at < n_seen) {
            assert_int_equal(seen[at], 0);
            seen[at] = 1;
        }
    }
    return n;
}

/* Everything that is left, dealt out anew: round robin, as split lists are. */
static void redistribute(struct index_ranges *subtasks, uint32_t from, uint32_t to)
{
    struct vec all = VEC_INIT(struct index_range);
    for (uint32_t i = 0; i < from; i++) {
        index_ranges_pieces(&subtasks[i], &all);
        vec_clear(&subtasks[i].heap);
    }
    for (uint32_t i = 0; i < to; i++) {
        struct vec mine = VEC_INIT(struct index_range);
        for (size_t k = i; k < all.len; k += to) {
            *VEC_PUSH(&mine, struct index_range) = *VEC_AT(&all, struct index_range, k);
        }
        index_ranges_join(&mine);
        for (size_t k = 0; k < mine.len; k++) {
            index_ranges_add(&subtasks[i], *VEC_AT(&mine, struct index_range, k));
        }
        vec_fini(&mine);
    }
    vec_fini(&all);
}

/* The pieces of a subtask that are its own again are what it had. */
static void test_joined_again(void **state)
{
    static const struct index_range ranges[] = {
        {0, 1000000, 1},  {-5, 5, 1},  {3, INT64_MAX, 1},         {7, INT64_MAX, 16},
        {0, 999999, 128}, {42, 42, 1}, {INT64_MIN, INT64_MAX, 1}, {INT64_MIN, INT64_MAX - 1, 1},
    };
    for (size_t i = 0; i < ARRAY_LEN(ranges); i++) {
        struct index_ranges r = empty();
        struct vec pieces = VEC_INIT(struct index_range);
        index_ranges_add(&r, ranges[i]);
        struct index_range before = *VEC_AT(&r.heap, struct index_range, 0);
        index_ranges_pieces(&r, &pieces);
        assert_true(pieces.len == INDEX_PIECES || ranges[i].last - ranges[i].next < INDEX_PIECES);
        index_ranges_join(&pieces);
        assert_int_equal(pieces.len, 1);
        assert_memory_equal(VEC_AT(&pieces, struct index_range, 0), &before, sizeof(before));
        vec_fini(&pieces);
        index_ranges_fini(&r);
    }
}

static void test_in_order(void **state)
{
    struct index_ranges r = empty();
    int64_t from, next = 0;
    uint64_t stride;
    index_ranges_add(&r, (struct index_range){5000, 9999, 1});
    index_ranges_add(&r, (struct index_range){0, 4999, 1});
    for (uint32_t n; (n = index_ranges_take(&r, 2048, &from, &stride)) > 0; next += n) {
        assert_int_equal(from, next);
    }
    assert_int_equal(next, 10000);
    index_ranges_fini(&r);
}

/* Random lives of a source: reading, and other numbers of subtasks, to the end. */
static void live(uint64_t seed, uint64_t n_numbers, bool endless, bool blocks)
{
    struct index_ranges subtasks[SUBTASKS];
    struct rng rng;
    rng_init(&rng, seed);
    int64_t base = (int64_t)rng_below(&rng, 1000) - 500;
    uint8_t *seen = mem_zalloc(n_numbers);
    uint32_t p = 1 + (uint32_t)rng_below(&rng, SUBTASKS);
    for (uint32_t i = 0; i < SUBTASKS; i++) {
        subtasks[i] = empty();
        struct index_range share = {base + i, endless ? INT64_MAX : base + (int64_t)n_numbers - 1,
                                    p};
        if (blocks) {
            share = (struct index_range){base + (int64_t)(n_numbers * i / p),
                                         base + (int64_t)(n_numbers * (i + 1) / p) - 1, 1};
        }
        if (i < p && share.next <= share.last) {
            index_ranges_add(&subtasks[i], share);
        }
    }
    for (int round = 0; round < 40; round++) {
        for (uint64_t k = rng_below(&rng, 20); k > 0; k--) {
            uint32_t i = (uint32_t)rng_below(&rng, p);
            (void)take(&subtasks[i], 1 + (uint32_t)rng_below(&rng, 300), seen, n_numbers, base);
        }
        uint32_t to = rng_below(&rng, 3) > 0 ? p : 1 + (uint32_t)rng_below(&rng, SUBTASKS);
        redistribute(subtasks, p, to);
        p = to;
    }
    for (uint32_t i = 0; i < p; i++) { /* the rest; of endless ones, what is of interest */
        while (subtasks[i].heap.len > 0 &&
               VEC_AT(&subtasks[i].heap, struct index_range, 0)->next < base + (int64_t)n_numbers) {
            assert_true(take(&subtasks[i], 1000, seen, n_numbers, base) > 0);
        }
    }
    for (uint64_t i = 0; i < n_numbers; i++) {
        assert_int_equal(seen[i], 1);
    }
    for (uint32_t i = 0; i < SUBTASKS; i++) {
        index_ranges_fini(&subtasks[i]);
    }
    mem_free(seen);
}

/* Records that lie a multiple of the first stride and a power of two apart stay in their order, however often the
 * parallelism changes. */
static void test_strides_stay_powers_of_two(void **state)
{
    static const uint32_t parallelisms[] = {1, 2, 3, 4, 6};
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct index_ranges subtasks[SUBTASKS];
        struct rng rng;
        rng_init(&rng, seed);
        uint32_t p = parallelisms[seed % ARRAY_LEN(parallelisms)], first = p;
        for (uint32_t i = 0; i < SUBTASKS; i++) {
            subtasks[i] = empty();
            if (i < p) {
                index_ranges_add(&subtasks[i], (struct index_range){i, 1000000, p});
            }
        }
        for (int round = 0; round < 40; round++) {
            uint32_t to = parallelisms[rng_below(&rng, ARRAY_LEN(parallelisms))];
            redistribute(subtasks, p, to);
            p = to;
            for (uint32_t i = 0; i < p; i++) {
                for (size_t k = 0; k < subtasks[i].heap.len; k++) {
                    uint64_t stride = VEC_AT(&subtasks[i].heap, struct index_range, k)->stride;
                    assert_int_equal(((uint64_t)first << 10) % stride, 0);
                }
                int64_t from;
                (void)index_ranges_take(&subtasks[i], 1 + (uint32_t)rng_below(&rng, 300), &from,
                                        &(uint64_t){0});
            }
        }
        for (uint32_t i = 0; i < SUBTASKS; i++) {
            index_ranges_fini(&subtasks[i]);
        }
    }
}

static void test_random_lives(void **state)
{
    for (uint64_t seed = 1; seed <= 150; seed++) {
        live(seed, seed % 7 == 0 ? seed : 20000, seed % 3 == 0, seed % 3 == 1);
    }
}

/* Pieces do not become more and more. */
static void test_stays_small(void **state)
{
    struct index_ranges subtasks[SUBTASKS];
    for (uint32_t i = 0; i < SUBTASKS; i++) {
        subtasks[i] = empty();
    }
    index_ranges_add(&subtasks[0], (struct index_range){0, INT64_MAX, 1});
    uint32_t p = 1;
    for (int round = 0; round < 60; round++) {
        uint32_t to = 1 + (uint32_t)(round * 7 % SUBTASKS);
        redistribute(subtasks, p, to);
        p = to;
        size_t all = 0;
        for (uint32_t i = 0; i < p; i++) {
            all += subtasks[i].heap.len;
            int64_t from;
            uint64_t stride;
            (void)index_ranges_take(&subtasks[i], 100, &from, &stride);
        }
        assert_true(all <= 3 * INDEX_PIECES * SUBTASKS);
    }
    for (uint32_t i = 0; i < SUBTASKS; i++) {
        index_ranges_fini(&subtasks[i]);
    }
}

static void test_left(void **state)
{
    struct index_ranges r = empty();
    int64_t from;
    uint64_t stride;
    assert_int_equal(index_ranges_left(&r), 0);
    index_ranges_add(&r, (struct index_range){0, 99, 1});
    index_ranges_add(&r, (struct index_range){3, 1000, 16});
    assert_int_equal(index_ranges_left(&r), 100 + 63);
    uint32_t n = index_ranges_take(&r, 40, &from, &stride);
    assert_int_equal(index_ranges_left(&r), 163 - n);
    index_ranges_add(&r, (struct index_range){INT64_MIN, INT64_MAX, 1}); /* 2^64 */
    assert_true(index_ranges_left(&r) == INT64_MAX);
    index_ranges_fini(&r);
    r = empty();
    index_ranges_add(&r, (struct index_range){INT64_MAX - 2, INT64_MAX, 1});
    assert_int_equal(index_ranges_left(&r), 3);
    index_ranges_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_left),         cmocka_unit_test(test_joined_again),
        cmocka_unit_test(test_in_order),     cmocka_unit_test(test_strides_stay_powers_of_two),
        cmocka_unit_test(test_random_lives), cmocka_unit_test(test_stays_small),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
