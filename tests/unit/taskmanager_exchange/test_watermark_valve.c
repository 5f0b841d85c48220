/* The valve against a plain model, and case by case. */
#include "common/base/clock.h"
#include "taskmanager/exchange/watermark_valve.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NONE INT64_MIN

static void expect(const struct watermark_valve *v, uint32_t changes, uint32_t expected,
                   int64_t watermark_ms)
{
    assert_int_equal(changes, expected);
    assert_int_equal(v->watermark_ms, watermark_ms);
}

static void test_minimum_over_feeds(void **state)
{
    struct watermark_valve v;
    watermark_valve_init(&v, 3, 0);
    expect(&v, watermark_valve_advance(&v, 0, 10), 0, NONE);
    expect(&v, watermark_valve_advance(&v, 1, 20), 0, NONE);
    expect(&v, watermark_valve_advance(&v, 2, 5), VALVE_WATERMARK, 5);
    expect(&v, watermark_valve_advance(&v, 2, 5), 0, 5);
    expect(&v, watermark_valve_advance(&v, 2, 4), 0, 5);
    expect(&v, watermark_valve_advance(&v, 2, 15), VALVE_WATERMARK, 10);
    expect(&v, watermark_valve_advance(&v, 0, 30), VALVE_WATERMARK, 15);
    expect(&v, watermark_valve_advance(&v, 2, INT64_MAX), VALVE_WATERMARK, 20);
    expect(&v, watermark_valve_advance(&v, 1, INT64_MAX), VALVE_WATERMARK, 30);
    expect(&v, watermark_valve_advance(&v, 0, INT64_MAX), VALVE_WATERMARK, INT64_MAX);
    watermark_valve_fini(&v);
}

static void test_one_feed(void **state)
{
    struct watermark_valve v;
    watermark_valve_init(&v, 1, 0);
    expect(&v, watermark_valve_advance(&v, 0, -7), VALVE_WATERMARK, -7);
    expect(&v, watermark_valve_set_idle(&v, 0, true), VALVE_STATUS, -7);
    assert_true(v.is_idle);
    expect(&v, watermark_valve_advance(&v, 0, 9), 0, -7); /* it is idle */
    expect(&v, watermark_valve_set_idle(&v, 0, false), VALVE_STATUS, -7);
    assert_false(v.is_idle);
    expect(&v, watermark_valve_advance(&v, 0, 9), VALVE_WATERMARK, 9);
    expect(&v, watermark_valve_end(&v, 0), 0, 9);
    expect(&v, watermark_valve_end(&v, 0), 0, 9);
    expect(&v, watermark_valve_advance(&v, 0, 11), 0, 9);
    expect(&v, watermark_valve_set_idle(&v, 0, true), 0, 9);
    watermark_valve_fini(&v);
}

/* The feed that holds the others back becomes idle. */
static void test_idle_feeds_are_out(void **state)
{
    struct watermark_valve v;
    watermark_valve_init(&v, 3, 0);
    watermark_valve_advance(&v, 0, 10);
    watermark_valve_advance(&v, 1, 20);
    expect(&v, watermark_valve_set_idle(&v, 2, true), VALVE_WATERMARK, 10);
    expect(&v, watermark_valve_set_idle(&v, 0, true), VALVE_WATERMARK, 20);
    /* The last one becomes idle: none says anything more, so the greatest goes out. */
    expect(&v, watermark_valve_set_idle(&v, 1, true), VALVE_STATUS, 20);
    assert_true(v.is_idle);
    watermark_valve_fini(&v);
}

static void test_the_last_one_idle_lets_the_greatest_through(void **state)
{
    struct watermark_valve v;
    watermark_valve_init(&v, 2, 0);
    watermark_valve_advance(&v, 0, 10);
    watermark_valve_advance(&v, 1, 50);
    expect(&v, watermark_valve_set_idle(&v, 1, true), 0, 10);
    expect(&v, watermark_valve_set_idle(&v, 0, true), VALVE_WATERMARK | VALVE_STATUS, 50);
    watermark_valve_fini(&v);
}

/* An idle feed that comes back behind the others is late, and does not hold them back. */
static void test_a_lagging_feed_holds_nobody(void **state)
{
    struct watermark_valve v;
    watermark_valve_init(&v, 2, 0);
    watermark_valve_advance(&v, 0, 10);
    watermark_valve_advance(&v, 1, 12);
    watermark_valve_set_idle(&v, 0, true);
    expect(&v, watermark_valve_advance(&v, 1, 100), VALVE_WATERMARK, 100);
    expect(&v, watermark_valve_set_idle(&v, 0, false), 0, 100);
    expect(&v, watermark_valve_advance(&v, 0, 50), 0, 100);
    expect(&v, watermark_valve_advance(&v, 1, 110), VALVE_WATERMARK, 110);
    expect(&v, watermark_valve_advance(&v, 0, 109), 0, 110);
    expect(&v, watermark_valve_advance(&v, 0, 110), 0, 110); /* caught up: it counts */
    expect(&v, watermark_valve_advance(&v, 1, 200), 0, 110);
    expect(&v, watermark_valve_advance(&v, 0, 150), VALVE_WATERMARK, 150);
    watermark_valve_fini(&v);
}

/* The inputs of a two-input operator: it counts at once, the watermark stands still, and goes not back. */
static void test_holding_valve(void **state)
{
    struct watermark_valve v;
    watermark_valve_init(&v, 2, VALVE_HOLDS);
    watermark_valve_advance(&v, 0, 10);
    watermark_valve_advance(&v, 1, 100);
    expect(&v, watermark_valve_set_idle(&v, 0, true), VALVE_WATERMARK, 100);
    expect(&v, watermark_valve_set_idle(&v, 0, false), 0, 100);
    expect(&v, watermark_valve_advance(&v, 1, 200), 0, 100);
    expect(&v, watermark_valve_advance(&v, 0, 150), VALVE_WATERMARK, 150);
    expect(&v, watermark_valve_set_idle(&v, 1, true), 0, 150);
    expect(&v, watermark_valve_set_idle(&v, 0, true), VALVE_STATUS, 150);
    watermark_valve_fini(&v);
}

static void test_ended_feeds_are_out(void **state)
{
    struct watermark_valve v;
    watermark_valve_init(&v, 3, 0);
    watermark_valve_advance(&v, 0, 10);
    expect(&v, watermark_valve_end(&v, 1), 0, NONE);
    watermark_valve_set_idle(&v, 0, true);
    expect(&v, watermark_valve_advance(&v, 2, 7), VALVE_WATERMARK, 7);
    /* What is left is idle. */
    expect(&v, watermark_valve_end(&v, 2), VALVE_WATERMARK | VALVE_STATUS, 10);
    assert_true(v.is_idle);
    expect(&v, watermark_valve_end(&v, 0), 0, 10);
    watermark_valve_fini(&v);
}

/* ---- a model ------------------------------------------------------------------------------------ */

enum { FEEDS_MAX = 6 };
enum model_state { ACTIVE, IDLE, ENDED };

struct model {
    uint32_t n, flags;
    int64_t last[FEEDS_MAX], out;
    enum model_state states[FEEDS_MAX];
    bool aligned[FEEDS_MAX], idle;
};

static uint32_t count(const struct model *m, enum model_state s)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < m->n; i++) {
        n += m->states[i] == s;
    }
    return n;
}

static void model_lowest(struct model *m)
{
    int64_t lowest = INT64_MAX;
    bool any = false;
    for (uint32_t i = 0; i < m->n; i++) {
        if (m->aligned[i]) {
            lowest = MIN(lowest, m->last[i]);
            any = true;
        }
    }
    if (any) {
        m->out = MAX(m->out, lowest);
    }
}

static void model_leave(struct model *m, uint32_t feed)
{
    m->aligned[feed] = false;
    if (count(m, ACTIVE) > 0) {
        model_lowest(m);
        return;
    }
    if (count(m, ENDED) == m->n) {
        return;
    }
    m->idle = true;
    if (m->last[feed] == m->out && !(m->flags & VALVE_HOLDS)) {
        for (uint32_t i = 0; i < m->n; i++) {
            if (m->states[i] == IDLE) {
                m->out = MAX(m->out, m->last[i]);
            }
        }
    }
}

static void model_step(struct model *m, uint32_t op, uint32_t feed, int64_t watermark_ms)
{
    enum model_state s = m->states[feed];
    if (op == 0) {
        if (s == ACTIVE && watermark_ms > m->last[feed]) {
            m->last[feed] = watermark_ms;
            m->aligned[feed] = m->aligned[feed] || watermark_ms >= m->out;
            model_lowest(m);
        }
    } else if (op == 1 && s == ACTIVE) {
        m->states[feed] = IDLE;
        model_leave(m, feed);
    } else if (op == 2 && s == IDLE) {
        m->states[feed] = ACTIVE;
        m->aligned[feed] = m->last[feed] >= m->out || (m->flags & VALVE_HOLDS);
        m->idle = false;
    } else if (op == 3 && s != ENDED) {
        m->states[feed] = ENDED;
        if (s == ACTIVE) {
            model_leave(m, feed);
        }
    }
}

static uint32_t valve_step(struct watermark_valve *v, uint32_t op, uint32_t feed, int64_t w)
{
    switch (op) {
    case 0:
        return watermark_valve_advance(v, feed, w);
    case 3:
        return watermark_valve_end(v, feed);
    default:
        return watermark_valve_set_idle(v, feed, op == 1);
    }
}

static void compare(struct rng *rng)
{
    struct watermark_valve v;
    struct model m = {.n = 1 + (uint32_t)rng_below(rng, FEEDS_MAX), .out = NONE};
    m.flags = rng_below(rng, 2) == 0 ? 0 : VALVE_HOLDS;
    for (uint32_t i = 0; i < m.n; i++) {
        m.last[i] = NONE;
        m.aligned[i] = true;
    }
    watermark_valve_init(&v, m.n, m.flags);
    for (uint32_t i = 0; i < 200; i++) {
        uint32_t op = (uint32_t)rng_below(rng, 20), feed = (uint32_t)rng_below(rng, m.n);
        op = op < 12 ? 0 : op < 16 ? 1 : op < 19 || i < 100 ? 2 : 3;
        int64_t w = (int64_t)(i / 4 + rng_below(rng, 8));
        int64_t before = m.out;
        bool was_idle = m.idle;
        model_step(&m, op, feed, w);
        uint32_t changes = valve_step(&v, op, feed, w);
        assert_int_equal(v.watermark_ms, m.out);
        assert_int_equal(v.is_idle, m.idle);
        assert_true(v.watermark_ms >= before);
        assert_int_equal((changes & VALVE_WATERMARK) != 0, m.out != before);
        assert_int_equal((changes & VALVE_STATUS) != 0, m.idle != was_idle);
    }
    watermark_valve_fini(&v);
}

static void test_against_the_model(void **state)
{
    struct rng rng;
    rng_init(&rng, 7);
    for (int i = 0; i < 3000; i++) {
        compare(&rng);
    }
}

/* Every sequence of five calls on two feeds. */
static void test_all_short_sequences(void **state)
{
    enum {
        CALLS = 10,
        LENGTH = 5
    }; /* advance to 1, 2, 3, idle, active, end; by feed, but end once */
    for (uint32_t code = 0; code < 100000; code++) {
        for (uint32_t flags = 0; flags <= VALVE_HOLDS; flags++) {
            struct watermark_valve v;
            struct model m = {.n = 2, .flags = flags, .out = NONE, .aligned = {true, true}};
            m.last[0] = m.last[1] = NONE;
            watermark_valve_init(&v, 2, flags);
            uint32_t left = code;
            for (uint32_t i = 0; i < LENGTH; i++, left /= CALLS) {
                uint32_t call = left % CALLS, feed = call % 2, what = call / 2;
                uint32_t op = what < 2 ? 0 : what - 1;
                model_step(&m, op, feed, (int64_t)(i + what));
                valve_step(&v, op, feed, (int64_t)(i + what));
                assert_int_equal(v.watermark_ms, m.out);
                assert_int_equal(v.is_idle, m.idle);
            }
            watermark_valve_fini(&v);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_minimum_over_feeds),
        cmocka_unit_test(test_one_feed),
        cmocka_unit_test(test_idle_feeds_are_out),
        cmocka_unit_test(test_the_last_one_idle_lets_the_greatest_through),
        cmocka_unit_test(test_a_lagging_feed_holds_nobody),
        cmocka_unit_test(test_holding_valve),
        cmocka_unit_test(test_ended_feeds_are_out),
        cmocka_unit_test(test_against_the_model),
        cmocka_unit_test(test_all_short_sequences),
    };
    return cmocka_run_group_tests_name("watermark_valve", tests, NULL, NULL);
}
