/* Arenas: alignment, large pieces, reset without new blocks, clean-ups in reverse order. */
#include "common/base/clock.h"
#include "common/base/mem.h"

#include <stdio.h>
#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_pieces_do_not_overlap(void **state)
{
    enum { N = 2000 };
    struct arena a;
    arena_init(&a, 0);
    unsigned char *pieces[N];
    size_t sizes[N];
    struct rng r;
    rng_init(&r, 1);
    for (int i = 0; i < N; i++) {
        sizes[i] = rng_below(&r, i % 50 == 0 ? 20000 : 100);
        pieces[i] = arena_alloc(&a, sizes[i]);
        assert_int_equal((uintptr_t)pieces[i] % 16, 0);
        memset(pieces[i], i & 0xff, sizes[i]);
    }
    for (int i = 0; i < N; i++) {
        for (size_t j = 0; j < sizes[i]; j++) {
            assert_int_equal(pieces[i][j], i & 0xff);
        }
    }
    arena_fini(&a);
    assert_int_equal(a.used_bytes, 0);
    /* Still usable after fini, as after init. */
    assert_non_null(arena_alloc(&a, 1));
    arena_fini(&a);
}

static void test_strings(void **state)
{
    struct arena a;
    arena_init(&a, 64);
    assert_null(arena_strdup(&a, NULL));
    assert_string_equal(arena_strdup(&a, "hello"), "hello");
    assert_string_equal(arena_strndup(&a, "hello", 2), "he");
    assert_string_equal(arena_printf(&a, "%s-%d", "x", 12), "x-12");
    char *big = arena_printf(&a, "%0500d", 1);
    assert_int_equal(strlen(big), 500);
    char *zeros = arena_zalloc(&a, 33);
    for (int i = 0; i < 33; i++) {
        assert_int_equal(zeros[i], 0);
    }
    arena_fini(&a);
}

/* A batch's arena: the same use again and again must stop asking the heap. */
static void test_reset_settles(void **state)
{
    struct arena a;
    arena_init(&a, 0);
    uint64_t before = 0;
    for (int round = 0; round < 50; round++) {
        if (round == 20) {
            before = mem_thread_allocations();
        }
        for (int i = 0; i < 1000; i++) {
            memset(arena_alloc(&a, 100), round, 100);
        }
        assert_int_equal(a.used_bytes, 112 * 1000);
        arena_reset(&a);
        assert_int_equal(a.used_bytes, 0);
    }
    assert_int_equal(mem_thread_allocations(), before);
    arena_fini(&a);
}

static char order[16];
static void note(void *arg)
{
    strcat(order, arg);
}

static void test_cleanups(void **state)
{
    struct arena a;
    arena_init(&a, 0);
    order[0] = '\0';
    arena_on_fini(&a, note, arena_strdup(&a, "1")); /* the argument still lives then */
    arena_on_fini(&a, note, "2");
    arena_reset(&a);
    assert_string_equal(order, "21");
    arena_on_fini(&a, note, "3");
    arena_fini(&a);
    assert_string_equal(order, "213");
    arena_fini(&a);
    assert_string_equal(order, "213");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pieces_do_not_overlap),
        cmocka_unit_test(test_strings),
        cmocka_unit_test(test_reset_settles),
        cmocka_unit_test(test_cleanups),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
