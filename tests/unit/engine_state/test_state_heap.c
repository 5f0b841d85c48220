/* The heap of state: pieces do not overlap, are used again, and stay in the budget. */
#include "engine/state/state_heap.h"
#include "tests/unit/engine_state/fixture.h"

static void pieces_are_aligned_and_apart(void **state)
{
    struct state_heap h;
    state_heap_init(&h, NULL);
    char *last = NULL;
    for (size_t size = 0; size <= 20000; size += size < 300 ? 1 : 97) {
        char *p = state_heap_alloc(&h, size);
        assert_non_null(p);
        assert_int_equal((uintptr_t)p % 16, 0);
        memset(p, 0x5a, size);
        assert_ptr_not_equal(p, last);
        last = p;
    }
    state_heap_fini(&h);
    assert_int_equal(h.used_bytes, 0);
}

static void a_freed_piece_is_used_again(void **state)
{
    struct state_heap h;
    state_heap_init(&h, NULL);
    char *a = state_heap_alloc(&h, 100);
    state_heap_free(&h, a, 100);
    assert_int_equal(h.used_bytes, 0);
    assert_ptr_equal(state_heap_alloc(&h, 110), a);
    assert_int_equal(h.used_bytes, 112);
    state_heap_fini(&h);
}

struct piece {
    char *data;
    size_t size;
    uint8_t fill;
};

static void check_piece(const struct piece *p)
{
    for (size_t i = 0; i < p->size; i++) {
        assert_int_equal((uint8_t)p->data[i], p->fill);
    }
}

static void random_pieces_keep_their_bytes(void **state)
{
    enum { N = 500, STEPS = 20000 };
    static struct piece pieces[N];
    struct state_heap h;
    struct rng rng;
    memset(pieces, 0, sizeof(pieces));
    rng_init(&rng, 7);
    state_heap_init(&h, NULL);
    for (int step = 0; step < STEPS; step++) {
        struct piece *p = &pieces[rng_below(&rng, N)];
        if (p->data != NULL) {
            check_piece(p);
            state_heap_free(&h, p->data, p->size);
            p->data = NULL;
            continue;
        }
        p->size = rng_below(&rng, 50) == 0 ? rng_below(&rng, 40000) : rng_below(&rng, 200);
        p->fill = (uint8_t)rng_next(&rng);
        p->data = state_heap_alloc(&h, p->size);
        memset(p->data, p->fill, p->size);
    }
    for (int i = 0; i < N; i++) {
        if (pieces[i].data != NULL) {
            check_piece(&pieces[i]);
            state_heap_free(&h, pieces[i].data, pieces[i].size);
        }
    }
    assert_int_equal(h.used_bytes, 0);
    state_heap_fini(&h);
}

static void the_budget_says_no_and_gets_all_back(void **state)
{
    struct mem_budget budget;
    struct state_heap h;
    mem_budget_init(&budget, "state", 64 * 1024, NULL);
    state_heap_init(&h, &budget);
    int n = 0;
    while (state_heap_alloc(&h, 1000) != NULL) {
        n++;
    }
    assert_in_range(n, 40, 64);
    assert_null(state_heap_alloc(&h, 100000));
    assert_true(atomic_load(&budget.used_bytes) <= 64 * 1024);
    state_heap_clear(&h);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
    char *large = state_heap_alloc(&h, 50000);
    assert_non_null(large);
    state_heap_free(&h, large, 50000);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
    state_heap_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pieces_are_aligned_and_apart),
        cmocka_unit_test(a_freed_piece_is_used_again),
        cmocka_unit_test(random_pieces_keep_their_bytes),
        cmocka_unit_test(the_budget_says_no_and_gets_all_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
