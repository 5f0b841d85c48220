/* The growing array. */
#include "common/base/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_push_and_remove(void **state)
{
    struct vec v = VEC_INIT(int);
    for (int i = 0; i < 1000; i++) {
        int *item = VEC_PUSH(&v, int);
        assert_int_equal(*item, 0);
        *item = i;
    }
    assert_int_equal(v.len, 1000);
    for (int i = 0; i < 1000; i++) {
        assert_int_equal(*VEC_AT(&v, int, i), i);
    }
    vec_remove(&v, 0);
    assert_int_equal(*VEC_AT(&v, int, 0), 1);
    vec_remove(&v, v.len - 1);
    assert_int_equal(*VEC_AT(&v, int, v.len - 1), 998);
    vec_remove_swap(&v, 0);
    assert_int_equal(*VEC_AT(&v, int, 0), 998);
    vec_remove_swap(&v, v.len - 1);
    assert_int_equal(v.len, 996);
    assert_int_equal(*VEC_AT(&v, int, 995), 996);
    vec_pop(&v);
    assert_int_equal(v.len, 995);

    size_t cap = v.cap;
    vec_clear(&v);
    assert_int_equal(v.len, 0);
    assert_int_equal(v.cap, cap);
    assert_int_equal(*VEC_PUSH(&v, int), 0); /* zeroed although used before */
    vec_fini(&v);
    assert_null(v.data);
    *VEC_PUSH(&v, int) = 5; /* as after init */
    vec_fini(&v);
}

static void test_pointers(void **state)
{
    int a, b;
    struct vec v;
    vec_init(&v, sizeof(void *));
    vec_push_ptr(&v, &a);
    vec_push_ptr(&v, &b);
    vec_push_ptr(&v, NULL);
    assert_ptr_equal(vec_ptr(&v, 0), &a);
    assert_ptr_equal(vec_ptr(&v, 1), &b);
    assert_null(vec_ptr(&v, 2));
    vec_fini(&v);
}

static void test_reserve(void **state)
{
    struct vec v = VEC_INIT(uint64_t);
    vec_reserve(&v, 100);
    uint64_t before = mem_thread_allocations();
    for (int i = 0; i < 100; i++) {
        *VEC_PUSH(&v, uint64_t) = 1;
    }
    assert_int_equal(mem_thread_allocations(), before);
    vec_reserve(&v, 1);
    assert_int_equal(v.cap, 100);
    vec_fini(&v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_push_and_remove),
        cmocka_unit_test(test_pointers),
        cmocka_unit_test(test_reserve),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
