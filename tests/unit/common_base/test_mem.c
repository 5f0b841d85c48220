/* The counted heap and the budgets, also with many takers at once. */
#include "common/base/mem.h"
#include "common/base/thread.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_heap(void **state)
{
    char *p = mem_zalloc(100);
    for (int i = 0; i < 100; i++) {
        assert_int_equal(p[i], 0);
    }
    memcpy(p, "hello", 6);
    p = mem_realloc(p, 10000);
    assert_string_equal(p, "hello");
    mem_free(p);

    void *nothing = mem_alloc(0);
    assert_non_null(nothing);
    mem_free(nothing);
    mem_free(NULL);

    char *copy = mem_strdup("abc");
    assert_string_equal(copy, "abc");
    mem_free(copy);
    assert_null(mem_strdup(NULL));
    assert_null(mem_strndup(NULL, 3));
    copy = mem_strndup("abcdef", 3);
    assert_string_equal(copy, "abc");
    mem_free(copy);
    copy = mem_strndup("ab", 30);
    assert_string_equal(copy, "ab");
    mem_free(copy);
    mem_free(mem_dup(NULL, 0));

    for (size_t align = 16; align <= 4096; align *= 2) {
        void *q = mem_alloc_aligned(align, 3);
        assert_int_equal((uintptr_t)q % align, 0);
        mem_free(q);
    }
    uint32_t *array = MEM_NEW_ARRAY(uint32_t, 7);
    assert_int_equal(array[6], 0);
    mem_free(array);
}

static void *allocate_some(void *arg)
{
    uint64_t before = mem_thread_allocations();
    assert_int_equal(before, 0);
    mem_free(mem_alloc(1));
    mem_free(mem_realloc(NULL, 2));
    mem_free(mem_zalloc(3));
    *(uint64_t *)arg = mem_thread_allocations();
    return NULL;
}

static void test_allocations_are_counted_per_thread(void **state)
{
    uint64_t other = 0;
    pthread_t thread;
    assert_int_equal(thread_start(&thread, "alloc", allocate_some, &other, NULL), 0);
    thread_join(thread);
    assert_int_equal(other, 3);

    uint64_t before = mem_thread_allocations();
    mem_free(mem_strdup("x"));
    assert_int_equal(mem_thread_allocations() - before, 1);
}

static void test_budget_of_parents(void **state)
{
    struct mem_budget worker, task;
    mem_budget_init(&worker, "worker", 1000, NULL);
    mem_budget_init(&task, "task", 0, &worker);

    assert_int_equal(mem_budget_take(&task, 600), 0);
    assert_int_equal(task.used_bytes, 600);
    assert_int_equal(worker.used_bytes, 600);
    /* The parent says no: nothing is taken anywhere. */
    assert_int_equal(mem_budget_take(&task, 401), ERR_LIMIT);
    assert_int_equal(task.used_bytes, 600);
    assert_int_equal(worker.used_bytes, 600);
    assert_int_equal(mem_budget_take(&task, 400), 0);
    assert_int_equal(mem_budget_take(&task, 1), ERR_LIMIT);
    assert_int_equal(mem_budget_take(&task, UINT64_MAX), ERR_LIMIT);

    mem_budget_force(&task, 50);
    assert_int_equal(worker.used_bytes, 1050);
    assert_int_equal(worker.forced_bytes, 50);
    assert_int_equal(mem_budget_take(&worker, 0), ERR_LIMIT); /* over the limit already */
    mem_budget_give(&task, 1050);
    assert_int_equal(task.used_bytes, 0);
    assert_int_equal(worker.used_bytes, 0);
    assert_int_equal(worker.peak_bytes, 1050);
    assert_int_equal(mem_budget_take(&task, 1000), 0);
    mem_budget_give(&task, 1000);
}

enum { N_TAKERS = 4, N_ROUNDS = 20000 };

static void *take_and_give(void *arg)
{
    struct mem_budget *b = arg;
    uint64_t refused = 0;
    for (int i = 0; i < N_ROUNDS; i++) {
        uint64_t bytes = (uint64_t)(i % 40) + 1;
        if (mem_budget_take(b, bytes) == 0) {
            mem_budget_give(b, bytes);
        } else {
            refused++;
        }
    }
    return NULL;
}

static void test_budget_under_contention(void **state)
{
    struct mem_budget parent, child;
    mem_budget_init(&parent, "parent", 100, NULL);
    mem_budget_init(&child, "child", 100, &parent);
    pthread_t threads[N_TAKERS];
    for (int i = 0; i < N_TAKERS; i++) {
        assert_int_equal(thread_start(&threads[i], "taker", take_and_give, &child, NULL), 0);
    }
    for (int i = 0; i < N_TAKERS; i++) {
        thread_join(threads[i]);
    }
    assert_int_equal(child.used_bytes, 0);
    assert_int_equal(parent.used_bytes, 0);
    assert_true(parent.peak_bytes <= 100);
    assert_true(child.peak_bytes <= 100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_heap),
        cmocka_unit_test(test_allocations_are_counted_per_thread),
        cmocka_unit_test(test_budget_of_parents),
        cmocka_unit_test(test_budget_under_contention),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
