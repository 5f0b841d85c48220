/* Fences against a search through all of them. */
#include "common/base/clock.h"
#include "tests/unit/engine_rocksdb/sst_fixture.h"
#include "tests/unit/seeds.h"

enum { FENCES_MAX = 400, KEY_MAX = 24 };

struct text {
    char bytes[KEY_MAX];
    size_t n;
};

/* Few letters, so that keys begin with each other and numbers of fences are often the same. */
static struct text random_text(struct rng *rng)
{
    struct text t = {.n = rng_below(rng, KEY_MAX)};
    for (size_t i = 0; i < t.n; i++) {
        t.bytes[i] = (char)("\0\1a\xff"[rng_below(rng, 10) == 0 ? rng_below(rng, 4) : 2]);
    }
    return t;
}

static int compare(const void *a, const void *b)
{
    const struct text *x = a, *y = b;
    return slice_compare(slice_make(x->bytes, x->n), slice_make(y->bytes, y->n));
}

/* The blocks that are looked at for a key have the one that it belongs to, and come in order. */
static void check_key(const struct sst_fences *f, const struct text *fences, uint32_t n,
                      const struct text *t)
{
    struct sst_key key = sst_key_of(t->bytes, t->n);
    uint32_t right = 0;
    while (right < n && compare(&fences[right], t) < 0) {
        right++;
    }
    struct sst_fence_place place = sst_fences_find(f, &key, 0);
    assert_true(place.block <= right);
    while (place.block < right) {
        /* All keys of this block are below. */
        assert_true(sst_fences_go_on(f, &key, &place));
    }
}

static void run(uint64_t seed)
{
    struct rng rng;
    static struct text fences[FENCES_MAX];
    struct sst_fences_maker m;
    struct sst_fences f;
    rng_init(&rng, seed);
    uint32_t n = 1 + (uint32_t)rng_below(&rng, FENCES_MAX);
    for (uint32_t i = 0; i < n; i++) {
        fences[i] = random_text(&rng);
    }
    qsort(fences, n, sizeof(fences[0]), compare);
    sst_fences_begin(&m, slice_make("", 0));
    for (uint32_t i = 0; i < n; i++) {
        assert_int_equal(sst_fences_add(&m, slice_make(fences[i].bytes, fences[i].n),
                                        (struct sst_handle){i * 100, 100 - SST_TRAILER_BYTES}),
                         SST_READ_OK);
    }
    sst_fences_end(&m, &f);
    assert_int_equal(f.n, n);
    for (int i = 0; i < 500; i++) {
        struct text t = i % 2 == 0 ? random_text(&rng) : fences[rng_below(&rng, n)];
        check_key(&f, fences, n, &t);
    }
    /* From one key to the next. */
    uint32_t group = 0;
    for (uint32_t i = 0; i < n; i++) {
        struct sst_key key = sst_key_of(fences[i].bytes, fences[i].n);
        struct sst_fence_place place = sst_fences_find(&f, &key, group);
        assert_int_equal(place.block, sst_fences_find(&f, &key, 0).block);
        group = place.group;
    }
    struct sst_handle last = sst_fences_block(&f, n - 1);
    assert_int_equal(last.offset, (n - 1) * 100);
    assert_int_equal(last.size, 100 - SST_TRAILER_BYTES);
    sst_fences_fini(&f);
}

static void the_right_block_is_found(void **state)
{
    (void)state;
    struct seeds seeds = seeds_from(1, 50);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        run(seed);
    }
}

static void numbers_in_order_take_one_block(void **state)
{
    (void)state;
    struct sst_fences_maker m;
    struct sst_fences f;
    sst_fences_begin(&m, slice_make("", 0));
    for (uint32_t i = 0; i < 5000; i++) {
        char key[15] = {(char)(i / 700)};
        uint64_t number = __builtin_bswap64(i * UINT64_C(12345));
        memcpy(key + 7, &number, sizeof(number));
        assert_int_equal(sst_fences_add(&m, slice_make(key, sizeof(key)),
                                        (struct sst_handle){i * 100, 100 - SST_TRAILER_BYTES}),
                         SST_READ_OK);
    }
    sst_fences_end(&m, &f);
    for (uint32_t i = 1; i < 5000; i++) {
        char bytes[15] = {(char)(i / 700)};
        uint64_t number = __builtin_bswap64(i * UINT64_C(12345) - 1);
        memcpy(bytes + 7, &number, sizeof(number));
        struct sst_key key = sst_key_of(bytes, sizeof(bytes));
        struct sst_fence_place place = sst_fences_find(&f, &key, 0);
        assert_int_equal(place.block, i);
    }
    /* Eight bytes for a block, and a little for groups. */
    assert_in_range(sst_fences_bytes(&f), 5000 * 8, 5000 * 11);
    sst_fences_fini(&f);
}

static void what_is_in_no_order_is_refused(void **state)
{
    (void)state;
    struct sst_fences_maker m;
    struct sst_fences f;
    sst_fences_begin(&m, slice_make("b", 1));
    assert_int_equal(sst_fences_add(&m, slice_make("a", 1), (struct sst_handle){0, 10}),
                     SST_READ_DAMAGED);
    assert_int_equal(sst_fences_add(&m, slice_make("c", 1), (struct sst_handle){0, 10}),
                     SST_READ_OK);
    assert_int_equal(sst_fences_add(&m, slice_make("d", 1), (struct sst_handle){10, 10}),
                     SST_READ_OTHER);
    assert_int_equal(
        sst_fences_add(&m, slice_make("d", 1), (struct sst_handle){UINT64_C(1) << 40, 10}),
        SST_READ_OTHER);
    sst_fences_end(&m, &f);
    assert_int_equal(f.n, 1);
    sst_fences_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_right_block_is_found),
        cmocka_unit_test(numbers_in_order_take_one_block),
        cmocka_unit_test(what_is_in_no_order_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
