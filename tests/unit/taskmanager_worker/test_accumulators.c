/* Accumulators: sums by name, types, the limit, and a reader beside the writer. */
#include "common/base/mem.h"
#include "common/base/thread.h"
#include "taskmanager/worker/accumulators.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

static void add(struct accumulators *a, const char *name, const char *type, int64_t n, double d)
{
    struct error err = ERROR_INIT;
    if (accumulators_add(a, name, type, n, d, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void test_sums(void **state)
{
    (void)state;
    struct accumulators a;
    size_t n = 0;
    accumulators_init(&a);
    assert_null(accumulators_snapshot(&a, &n));
    assert_int_equal(n, 0);
    add(&a, "rows", "LongCounter", 5, 0);
    add(&a, "ratio", "DoubleCounter", 0, 0.25);
    add(&a, "rows", "LongCounter", -2, 0);
    add(&a, "ratio", "DoubleCounter", 0, 0.5);
    add(&a, "large", "LongCounter", INT64_MAX, 0);
    add(&a, "large", "LongCounter", 1, 0);
    Flinc__Accumulator **list = accumulators_snapshot(&a, &n);
    assert_int_equal(n, 3);
    assert_string_equal(list[0]->name, "rows");
    assert_string_equal(list[0]->type, "LongCounter");
    assert_int_equal(list[0]->long_value, 3);
    assert_true(list[1]->double_value == 0.75);
    assert_true(list[2]->long_value == INT64_MIN);
    mem_free(list);
    accumulators_fini(&a);
}

static void test_type_and_limit(void **state)
{
    (void)state;
    struct accumulators a;
    struct error err = ERROR_INIT;
    accumulators_init(&a);
    add(&a, "rows", "LongCounter", 5, 0);
    assert_int_equal(accumulators_add(&a, "rows", "DoubleCounter", 0, 1, &err),
                     ERR_INVALID_ARGUMENT);
    assert_string_equal(err.message, "accumulator 'rows' is a LongCounter, not a DoubleCounter");
    for (int i = 1; i < ACCUMULATORS_MAX; i++) {
        char name[32];
        snprintf(name, sizeof(name), "a%d", i);
        add(&a, name, "LongCounter", 1, 0);
    }
    assert_int_equal(accumulators_add(&a, "one more", "LongCounter", 1, 0, &err), ERR_LIMIT);
    add(&a, "rows", "LongCounter", 1, 0);
    accumulators_fini(&a);
}

static void *read_many(void *arg)
{
    for (int i = 0; i < 2000; i++) {
        size_t n;
        Flinc__Accumulator **list = accumulators_snapshot(arg, &n);
        for (size_t j = 0; j < n; j++) {
            assert_true(list[j]->long_value >= 0);
        }
        mem_free(list);
    }
    return NULL;
}

static void test_read_while_adding(void **state)
{
    (void)state;
    struct accumulators a;
    struct error err = ERROR_INIT;
    pthread_t reader;
    accumulators_init(&a);
    assert_int_equal(thread_start(&reader, "reader", read_many, &a, &err), 0);
    for (int i = 0; i < 100; i++) {
        char name[32];
        snprintf(name, sizeof(name), "a%d", i);
        for (int j = 0; j < 100; j++) {
            add(&a, name, "LongCounter", 1, 0);
        }
    }
    thread_join(reader);
    accumulators_fini(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sums),
        cmocka_unit_test(test_type_and_limit),
        cmocka_unit_test(test_read_while_adding),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
