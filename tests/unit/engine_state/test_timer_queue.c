/* The queue of timers against a plain array of marks. */
#include "engine/state/timers/timer_queue.h"
#include "tests/unit/engine_state/fixture.h"

#include <stdlib.h>

enum { MARKS_MAX = 1 << 17 };

static struct {
    struct timer_mark marks[MARKS_MAX];
    uint32_t n;
} model;

static void add(struct timer_queue *q, int64_t time_ms, uint64_t hash)
{
    timer_queue_add(q, time_ms, hash);
    model.marks[model.n++] = (struct timer_mark){time_ms, hash};
}

static int64_t model_head(void)
{
    int64_t head_ms = INT64_MAX;
    for (uint32_t i = 0; i < model.n; i++) {
        head_ms = MIN(head_ms, model.marks[i].time_ms);
    }
    return head_ms;
}

static int by_time(const void *a, const void *b)
{
    const struct timer_mark *x = a, *y = b;
    if (x->time_ms != y->time_ms) {
        return x->time_ms < y->time_ms ? -1 : 1;
    }
    return x->hash < y->hash ? -1 : x->hash > y->hash;
}

/* Takes all that is due, a few at a time, and compares: times in order, equal ones in any. */
static void check_takes(struct timer_queue *q, int64_t limit_ms, uint32_t max)
{
    static struct timer_mark taken[MARKS_MAX];
    uint32_t n = 0, k, due = 0, later = 0;
    while ((k = timer_queue_take(q, limit_ms, max, taken + n)) > 0) {
        assert_true(k <= max);
        n += k;
    }
    static struct timer_mark expected[MARKS_MAX];
    for (uint32_t i = 0; i < model.n; i++) {
        if (model.marks[i].time_ms <= limit_ms) {
            expected[due++] = model.marks[i];
        } else {
            model.marks[later++] = model.marks[i];
        }
    }
    model.n = later;
    assert_int_equal(n, due);
    assert_int_equal(q->n, model.n);
    for (uint32_t i = 1; i < n; i++) {
        assert_true(taken[i - 1].time_ms <= taken[i].time_ms);
    }
    qsort(taken, n, sizeof(*taken), by_time);
    qsort(expected, n, sizeof(*expected), by_time);
    assert_memory_equal(taken, expected, n * sizeof(*taken));
    assert_int_equal(timer_queue_head(q), model_head());
}

/* How times of a round lie. */
static int64_t random_time(struct rng *rng, uint64_t how, int64_t now_ms)
{
    switch (how) {
    case 0:
        return now_ms + (int64_t)rng_below(rng, 10);
    case 1:
        return now_ms + (int64_t)rng_below(rng, 100000) - 100;
    case 2:
        return now_ms + 60000;
    case 3:
        return (int64_t)rng_next(rng);
    default:
        return now_ms + (int64_t)(rng_next(rng) >> (24 + rng_below(rng, 40)));
    }
}

static void the_model_agrees(void **state)
{
    struct mem_budget budget;
    struct rng rng;
    rng_init(&rng, 11);
    for (int run = 0; run < 60; run++) {
        struct timer_queue q;
        mem_budget_init(&budget, "state", 1 << 30, NULL);
        timer_queue_init(&q, &budget);
        model.n = 0;
        int64_t now_ms = run % 3 == 0 ? 0 : INT64_C(1700000000000);
        for (int round = 0; round < 200; round++) {
            uint64_t how = rng_below(&rng, 5);
            uint32_t n = (uint32_t)rng_below(&rng, rng_below(&rng, 10) == 0 ? 8000 : 50);
            int64_t least_ms = INT64_MAX;
            static int64_t times_ms[8000];
            n = MIN(n, MARKS_MAX - model.n);
            for (uint32_t i = 0; i < n; i++) {
                times_ms[i] = random_time(&rng, how, now_ms);
                least_ms = MIN(least_ms, times_ms[i]);
            }
            assert_ok(timer_queue_reserve(&q, n, least_ms, &err));
            for (uint32_t i = 0; i < n; i++) {
                add(&q, times_ms[i], rng_next(&rng));
            }
            assert_int_equal(q.n, model.n);
            assert_int_equal(timer_queue_head(&q), model_head());
            now_ms += (int64_t)rng_below(&rng, rng_below(&rng, 10) == 0 ? 100000 : 20);
            check_takes(&q, now_ms, 1 + (uint32_t)rng_below(&rng, 2048));
        }
        if (run % 2 == 0) {
            check_takes(&q, INT64_MAX, 2048);
        }
        timer_queue_fini(&q);
        assert_int_equal(q.held_bytes, 0);
        assert_int_equal(atomic_load(&budget.used_bytes), 0);
    }
}

/* Marks in front of those that were sorted: more of them than the small heap takes. */
static void marks_before_the_front(void **state)
{
    struct timer_queue q;
    timer_queue_init(&q, NULL);
    model.n = 0;
    assert_ok(timer_queue_reserve(&q, 100, 1, &err));
    for (int64_t i = 0; i < 100; i++) {
        add(&q, i * 1000 + 1, (uint64_t)i);
    }
    check_takes(&q, 1, 10);
    for (int64_t i = 0; i < 3 * TIMER_NEAR_MAX; i++) {
        add(&q, 2 + i * 7 % 50000, (uint64_t)i);
        add(&q, 2, (uint64_t)i);
    }
    check_takes(&q, 2, 100);
    check_takes(&q, 30000, 2048);
    check_takes(&q, INT64_MAX, 2048);
    timer_queue_fini(&q);
}

static void memory_is_of_the_budget(void **state)
{
    struct mem_budget budget;
    struct timer_queue q;
    struct error err = ERROR_INIT;
    mem_budget_init(&budget, "state", 1024 * 1024, NULL);
    timer_queue_init(&q, &budget);
    int rc = 0;
    uint32_t n = 0;
    for (; n < 100000 && (rc = timer_queue_reserve(&q, 100, 0, &err)) == 0; n += 100) {
        for (uint32_t i = 0; i < 100; i++) {
            timer_queue_add(&q, (int64_t)n + i, i);
        }
    }
    assert_int_equal(rc, ERR_LIMIT);
    assert_non_null(strstr(err.message, "the order of "));
    assert_non_null(strstr(err.message, "raise taskmanager.memory.managed.size"));
    assert_true(n > 20000);
    /* What is there stays, and goes. */
    struct timer_mark marks[2048];
    uint32_t taken = 0, k;
    while ((k = timer_queue_take(&q, INT64_MAX, 2048, marks)) > 0) {
        taken += k;
    }
    assert_int_equal(taken, n);
    timer_queue_clear(&q);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
    timer_queue_fini(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_model_agrees),
        cmocka_unit_test(marks_before_the_front),
        cmocka_unit_test(memory_is_of_the_budget),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
