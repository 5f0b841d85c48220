/* What all stores of a process hold in memory, and what that leaves for others. */
#include "common/base/mem.h"
#include "tests/unit/engine_rocksdb/fixture.h"

#include <inttypes.h>

enum { KEYS = 20000 };
#define MEMORY (UINT64_C(1) << 20)

static struct rocks_shared *shared_new(uint64_t memory_bytes, struct mem_budget *budget)
{
    struct rocks_shared *s = NULL;
    assert_ok(rocks_shared_new(
        &(struct rocks_shared_options){.memory_bytes = memory_bytes, .budget = budget}, &s, &err));
    return s;
}

/* A run of KEYS keys, of which `value` is a part. */
static void write_run(struct rocks_store *s, const char *value)
{
    char key[32];
    key[0] = key[1] = 0;
    assert_ok(rocks_run_begin(s, &err));
    for (int i = 0; i < KEYS; i++) {
        snprintf(key + 2, sizeof(key) - 2, "%08d", i);
        assert_ok(rocks_run_put(s, (struct rocks_bytes){key, 2 + 8},
                                (struct rocks_bytes){value, strlen(value)}, &err));
    }
    assert_ok(rocks_run_finish(s, &err));
    /* Who reads has index and filters. */
    check_value(s, 0, "00000777", value);
}

static void index_and_filters_are_of_the_memory(void **state)
{
    struct place *p = *state;
    struct mem_budget budget;
    mem_budget_init(&budget, "managed", MEMORY, NULL);
    struct rocks_shared *own = p->shared, *s = shared_new(MEMORY, &budget);
    p->shared = s;
    assert_int_equal(rocks_shared_left_bytes(s), (MEMORY - MEMORY / 4));
    struct rocks_store *a = open_store(p, 0, 7);
    write_run(a, "one");
    /* Ten bits for each key, and some. */
    uint64_t of_one = rocks_shared_held_bytes(s);
    assert_in_range(of_one, KEYS * 10 / 8, KEYS * 2);
    assert_int_equal(atomic_load(&budget.used_bytes), of_one);
    assert_int_equal(rocks_shared_left_bytes(s), (MEMORY - MEMORY / 4) - of_one);
    struct rocks_store *b = open_store(p, 0, 7);
    write_run(b, "two");
    assert_in_range(rocks_shared_held_bytes(s), 2 * of_one - 100, 2 * of_one + 100);
    /* What is held goes with its store; that it was there is not forgotten at once. */
    rocks_store_free(a);
    assert_in_range(rocks_shared_held_bytes(s), of_one - 100, of_one + 100);
    assert_true(rocks_shared_left_bytes(s) < (MEMORY - MEMORY / 4) - of_one);
    rocks_store_free(b);
    assert_int_equal(rocks_shared_held_bytes(s), 0);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
    rocks_shared_unref(s);
    p->shared = own;
}

/* State that is kept in memory has its part. */
static void a_budget_gives_a_quarter_at_most(void **state)
{
    struct place *p = *state;
    struct mem_budget budget;
    mem_budget_init(&budget, "managed", 40000, NULL);
    struct rocks_shared *own = p->shared, *s = shared_new(40000, &budget);
    p->shared = s;
    struct rocks_store *a = open_store(p, 0, 7);
    write_run(a, "one");
    assert_int_equal(atomic_load(&budget.used_bytes), 10000);
    write_run(a, "two");
    assert_int_equal(atomic_load(&budget.used_bytes), 10000);
    assert_int_equal(rocks_shared_left_bytes(s), 0);
    rocks_shared_set_memory(s, MEMORY);
    assert_true(rocks_shared_left_bytes(s) > MEMORY / 2);
    rocks_store_free(a);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
    rocks_shared_unref(s);
    p->shared = own;
}

/* With a cache of blocks for them nothing but the index of their parts is held, and reads find what is there. */
static void index_and_filters_may_be_in_a_cache(void **state)
{
    struct place *p = *state;
    struct rocks_shared *own = p->shared;
    struct rocks_bytes keys[2], values[2];
    assert_ok(rocks_shared_new(&(struct rocks_shared_options){.memory_bytes = MEMORY,
                                                              .cache_bytes = MEMORY / 4,
                                                              .caches_index = true,
                                                              .index_block_bytes = 1024},
                               &p->shared, &err));
    assert_int_equal(rocks_shared_left_bytes(p->shared), MEMORY - MEMORY / 4 - MEMORY / 4);
    struct rocks_store *a = open_store(p, 0, 7);
    write_run(a, "one");
    assert_in_range(rocks_shared_held_bytes(p->shared), 0, KEYS / 4);
    keys[0] = (struct rocks_bytes){"\0\0"
                                   "00000777",
                                   10};
    keys[1] = (struct rocks_bytes){"\0\0"
                                   "0000077x",
                                   10};
    assert_ok(rocks_store_read(a, keys, 2, values, &err));
    assert_int_equal(values[0].size, 3);
    assert_memory_equal(values[0].data, "one", 3);
    assert_null(values[1].data);
    assert_in_range(rocks_shared_cache_bytes(p->shared), 1024, MEMORY);
    rocks_store_free(a);
    rocks_shared_unref(p->shared);
    p->shared = own;
}

static void memory_that_is_unknown_has_no_end(void **state)
{
    struct place *p = *state;
    struct rocks_store *a = open_store(p, 0, 7);
    write_run(a, "one");
    assert_true(rocks_shared_left_bytes(p->shared) == UINT64_MAX);
    rocks_store_free(a);
}

#define PLACE_TEST(fn) cmocka_unit_test_setup_teardown(fn, place_setup, place_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(index_and_filters_are_of_the_memory),
        PLACE_TEST(a_budget_gives_a_quarter_at_most),
        PLACE_TEST(index_and_filters_may_be_in_a_cache),
        PLACE_TEST(memory_that_is_unknown_has_no_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
