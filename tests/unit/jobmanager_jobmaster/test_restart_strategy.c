/* The restart strategies: which configuration means which, how often they restart, and after how long
 * to the millisecond. */
#include "jobmanager/jobmaster/restart_strategy.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

struct fixture {
    struct conf conf;
    struct restart_strategy strategy;
    struct rng rng;
};

static void set(struct fixture *f, const char *key, const char *value)
{
    struct error err = ERROR_INIT;
    STR_AUTO full = STR_INIT;
    str_printf(&full, "restart-strategy.%s", key);
    if (conf_set(&f->conf, str_cstr(&full), value, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void open_fixture(struct fixture *f, const char *type)
{
    conf_init(&f->conf, NULL);
    rng_init(&f->rng, 7);
    if (type != NULL) {
        set(f, "type", type);
    }
}

static void init(struct fixture *f)
{
    struct error err = ERROR_INIT;
    if (restart_strategy_init(&f->strategy, &f->conf, &err) < 0) {
        fail_msg("%s", err.message);
    }
}

static void close_fixture(struct fixture *f)
{
    restart_strategy_fini(&f->strategy);
    conf_fini(&f->conf);
}

/* The delay after a failure at this time; -1: no restart. */
static int64_t fail_at(struct fixture *f, int64_t now_ms)
{
    restart_strategy_on_failure(&f->strategy, now_ms, &f->rng);
    return restart_strategy_may_restart(&f->strategy) ? restart_strategy_delay_ms(&f->strategy)
                                                      : -1;
}

static void configuration_picks_the_strategy(void **state)
{
    static const struct {
        const char *type;
        enum restart_strategy_kind kind;
    } rows[] = {
        {"none", RESTART_STRATEGY_NONE},
        {"off", RESTART_STRATEGY_NONE},
        {"disable", RESTART_STRATEGY_NONE},
        {"fixed-delay", RESTART_STRATEGY_FIXED_DELAY},
        {"fixeddelay", RESTART_STRATEGY_FIXED_DELAY},
        {"failure-rate", RESTART_STRATEGY_FAILURE_RATE},
        {"failurerate", RESTART_STRATEGY_FAILURE_RATE},
        {"exponential-delay", RESTART_STRATEGY_EXPONENTIAL_DELAY},
        {"exponentialdelay", RESTART_STRATEGY_EXPONENTIAL_DELAY},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        open_fixture(&f, rows[i].type);
        init(&f);
        assert_int_equal(f.strategy.kind, rows[i].kind);
        close_fixture(&f);
    }
    assert_string_equal(restart_strategy_name(RESTART_STRATEGY_NONE), "none");
    assert_string_equal(restart_strategy_name(RESTART_STRATEGY_COUNT), "unknown");
}

static void default_depends_on_checkpoints(void **state)
{
    struct error err = ERROR_INIT;
    struct fixture f;
    open_fixture(&f, NULL);
    init(&f);
    assert_int_equal(f.strategy.kind, RESTART_STRATEGY_NONE);
    assert_int_equal(fail_at(&f, 0), -1);
    assert_int_equal(conf_set(&f.conf, "execution.checkpointing.interval", "10 s", &err), 0);
    init(&f);
    assert_int_equal(f.strategy.kind, RESTART_STRATEGY_EXPONENTIAL_DELAY);
    close_fixture(&f);
}

static void fixed_delay_counts_attempts(void **state)
{
    struct fixture f;
    open_fixture(&f, "fixed-delay");
    set(&f, "fixed-delay.attempts", "3");
    set(&f, "fixed-delay.delay", "250 ms");
    init(&f);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(fail_at(&f, i), 250);
    }
    assert_int_equal(fail_at(&f, 1000000), -1); /* time does not heal it */
    close_fixture(&f);
}

static void failure_rate_looks_at_the_interval(void **state)
{
    struct fixture f;
    open_fixture(&f, "failure-rate");
    set(&f, "failure-rate.max-failures-per-interval", "2");
    set(&f, "failure-rate.failure-rate-interval", "1 min");
    set(&f, "failure-rate.delay", "3 s");
    init(&f);
    assert_int_equal(fail_at(&f, 0), 3000);
    assert_int_equal(fail_at(&f, 30000), 3000);
    assert_int_equal(fail_at(&f, 60001), 3000); /* the first is over a minute ago */
    assert_int_equal(fail_at(&f, 90000), -1);   /* 30000, 60001, 90000: three in a minute */
    close_fixture(&f);
}

static void failure_rate_interval_is_inclusive(void **state)
{
    struct fixture f;
    open_fixture(&f, "failure-rate");
    set(&f, "failure-rate.max-failures-per-interval", "1");
    set(&f, "failure-rate.failure-rate-interval", "1 s");
    init(&f);
    assert_int_equal(fail_at(&f, 0), 1000);
    assert_int_equal(fail_at(&f, 1001), 1000);
    assert_int_equal(fail_at(&f, 2001), -1);
    close_fixture(&f);
}

static void exponential_delay_grows_to_its_limit(void **state)
{
    struct fixture f;
    open_fixture(&f, "exponential-delay");
    set(&f, "exponential-delay.initial-backoff", "1 s");
    set(&f, "exponential-delay.max-backoff", "10 s");
    set(&f, "exponential-delay.backoff-multiplier", "2");
    set(&f, "exponential-delay.jitter-factor", "0");
    init(&f);
    static const int64_t delays[] = {1000, 2000, 4000, 8000, 10000, 10000};
    int64_t now = 0;
    for (size_t i = 0; i < ARRAY_LEN(delays); i++) {
        assert_int_equal(fail_at(&f, now), delays[i]);
        now += delays[i] + 1;
    }
    close_fixture(&f);
}

static void exponential_delay_starts_anew_after_quiet(void **state)
{
    struct fixture f;
    open_fixture(&f, "exponential-delay");
    set(&f, "exponential-delay.backoff-multiplier", "2");
    set(&f, "exponential-delay.jitter-factor", "0");
    set(&f, "exponential-delay.reset-backoff-threshold", "1 min");
    init(&f);
    assert_int_equal(fail_at(&f, 0), 1000);
    assert_int_equal(fail_at(&f, 1001), 2000);          /* restarts at 3001 */
    assert_int_equal(fail_at(&f, 3001 + 59999), 4000);  /* restarts at 67000 */
    assert_int_equal(fail_at(&f, 67000 + 60000), 1000); /* quiet for a minute */
    close_fixture(&f);
}

static void exponential_delay_joins_failures_of_one_attempt(void **state)
{
    struct fixture f;
    open_fixture(&f, "exponential-delay");
    set(&f, "exponential-delay.jitter-factor", "0");
    set(&f, "exponential-delay.attempts-before-reset-backoff", "2");
    init(&f);
    assert_int_equal(fail_at(&f, 0), 1000);
    assert_int_equal(fail_at(&f, 400), 600); /* joins: the rest of its delay */
    assert_int_equal(fail_at(&f, 1000), 0);
    assert_int_equal(fail_at(&f, 1001), 1500);
    assert_int_equal(fail_at(&f, 9000), -1); /* the third attempt */
    close_fixture(&f);
}

static void jitter_stays_in_its_part(void **state)
{
    struct fixture f;
    open_fixture(&f, "exponential-delay");
    set(&f, "exponential-delay.initial-backoff", "1 s");
    set(&f, "exponential-delay.max-backoff", "1 h");
    set(&f, "exponential-delay.backoff-multiplier", "1");
    set(&f, "exponential-delay.jitter-factor", "0.1");
    init(&f);
    int64_t now = 0, least = INT64_MAX, most = 0;
    for (int i = 0; i < 1000; i++) {
        int64_t delay = fail_at(&f, now);
        least = MIN(least, delay);
        most = MAX(most, delay);
        now += delay + 1;
    }
    assert_int_equal(least, 1000); /* never below the initial time */
    assert_in_range(most, 1090, 1100);
    close_fixture(&f);
}

static void jitter_goes_both_ways_and_repeats_by_seed(void **state)
{
    int64_t delays[2][200];
    for (int run = 0; run < 2; run++) {
        struct fixture f;
        open_fixture(&f, "exponential-delay");
        set(&f, "exponential-delay.initial-backoff", "1 s");
        set(&f, "exponential-delay.max-backoff", "1 h");
        set(&f, "exponential-delay.backoff-multiplier", "1000");
        set(&f, "exponential-delay.jitter-factor", "0.5");
        init(&f);
        int64_t now = 0;
        for (int i = 0; i < 200; i++) {
            delays[run][i] = fail_at(&f, now);
            assert_in_range(delays[run][i], 1000, 3600000);
            now += delays[run][i] + 1;
        }
        close_fixture(&f);
    }
    assert_memory_equal(delays[0], delays[1], sizeof(delays[0]));
    bool below = false;
    for (int i = 1; i < 200; i++) {
        below = below || (delays[0][i] >= 1800000 && delays[0][i] < 3600000);
    }
    assert_true(below);
}

static void contradictions_are_refused(void **state)
{
    struct error err = ERROR_INIT;
    struct fixture f;
    open_fixture(&f, "exponential-delay");
    set(&f, "exponential-delay.initial-backoff", "2 min");
    assert_int_equal(restart_strategy_init(&f.strategy, &f.conf, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "initial-backoff"));
    conf_fini(&f.conf);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(configuration_picks_the_strategy),
        cmocka_unit_test(default_depends_on_checkpoints),
        cmocka_unit_test(fixed_delay_counts_attempts),
        cmocka_unit_test(failure_rate_looks_at_the_interval),
        cmocka_unit_test(failure_rate_interval_is_inclusive),
        cmocka_unit_test(exponential_delay_grows_to_its_limit),
        cmocka_unit_test(exponential_delay_starts_anew_after_quiet),
        cmocka_unit_test(exponential_delay_joins_failures_of_one_attempt),
        cmocka_unit_test(jitter_stays_in_its_part),
        cmocka_unit_test(jitter_goes_both_ways_and_repeats_by_seed),
        cmocka_unit_test(contradictions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
