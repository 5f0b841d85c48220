/* Clocks, the generator's golden values and distribution, ids. */
#include "common/base/clock.h"

#include <string.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_system_clock(void **state)
{
    int64_t a = clock_monotonic_ns(&clock_system), b = clock_monotonic_ns(&clock_system);
    assert_true(a <= b);
    assert_true(clock_monotonic_ms(&clock_system) >= a / 1000000);
    assert_true(clock_now_ms(&clock_system) > INT64_C(1600000000000)); /* after 2020, in ms */
    int64_t process = clock_process_cpu_ns(), thread = clock_thread_cpu_ns();
    assert_true(thread > 0 && process > 0);
    assert_true(clock_thread_cpu_ns() >= thread);
}

static void test_manual_clock(void **state)
{
    struct clock_manual c;
    clock_manual_init(&c);
    assert_int_equal(clock_now_ms(&c.base), INT64_C(1000000000000));
    assert_int_equal(clock_monotonic_ns(&c.base), 1000000000);
    clock_manual_advance_ms(&c, 1500);
    assert_int_equal(clock_now_ms(&c.base), INT64_C(1000000001500));
    assert_int_equal(clock_monotonic_ms(&c.base), 2500);
}

/* The published vector of xoshiro256++ for the state {1, 2, 3, 4}; the others were computed from the
 * definition of SplitMix64 and xoshiro256++ outside of this code. */
static void test_rng_golden(void **state)
{
    struct rng r = {{1, 2, 3, 4}};
    assert_int_equal(rng_next(&r), 41943041);
    assert_int_equal(rng_next(&r), 58720359);
    assert_int_equal(rng_next(&r), UINT64_C(3588806011781223));
    assert_int_equal(rng_next(&r), UINT64_C(3591011842654386));

    static const struct {
        uint64_t seed, values[4];
    } rows[] = {
        {0,
         {UINT64_C(0x53175d61490b23df), UINT64_C(0x61da6f3dc380d507), UINT64_C(0x5c0fdf91ec9a7bfc),
          UINT64_C(0x02eebf8c3bbe5e1a)}},
        {42,
         {UINT64_C(0xd0764d4f4476689f), UINT64_C(0x519e4174576f3791), UINT64_C(0xfbe07cfb0c24ed8c),
          UINT64_C(0xb37d9f600cd835b8)}},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        rng_init(&r, rows[i].seed);
        for (size_t j = 0; j < 4; j++) {
            assert_int_equal(rng_next(&r), rows[i].values[j]);
        }
    }
    static const uint64_t below_1000[] = {55, 172, 717, 427, 963, 465};
    rng_init(&r, 7);
    for (size_t i = 0; i < ARRAY_LEN(below_1000); i++) {
        assert_int_equal(rng_below(&r, 1000), below_1000[i]);
    }
}

static void test_rng_ranges(void **state)
{
    struct rng r;
    rng_init(&r, 5);
    int counts[6] = {0};
    for (int i = 0; i < 60000; i++) {
        uint64_t v = rng_below(&r, 6);
        assert_true(v < 6);
        counts[v]++;
        double d = rng_double(&r);
        assert_true(d >= 0 && d < 1);
    }
    for (int i = 0; i < 6; i++) {
        assert_in_range(counts[i], 9500, 10500); /* the seed is fixed */
    }
    assert_int_equal(rng_below(&r, 1), 0);
    uint64_t n = (UINT64_C(1) << 63) + 1; /* nearly every second draw is thrown away */
    for (int i = 0; i < 100; i++) {
        assert_true(rng_below(&r, n) < n);
    }
    struct rng other;
    rng_init_system(&r);
    rng_init_system(&other);
    assert_true(memcmp(&r, &other, sizeof(r)) != 0);
}

static void test_ids(void **state)
{
    struct rng r;
    rng_init(&r, 1);
    struct flinc_id a, b;
    id_random(&a, &r);
    id_random(&b, &r);
    assert_false(id_eq(&a, &b));
    char hex[33];
    id_format(&a, hex);
    assert_int_equal(strlen(hex), ID_HEX_LEN);
    assert_int_equal(strspn(hex, "0123456789abcdef"), ID_HEX_LEN);
    assert_true(id_parse(hex, &b));
    assert_true(id_eq(&a, &b));

    assert_true(id_parse("000102030405060708090A0b0c0d0e0f", &b));
    for (int i = 0; i < 16; i++) {
        assert_int_equal(b.bytes[i], i);
    }
    id_format(&b, hex);
    assert_string_equal(hex, "000102030405060708090a0b0c0d0e0f");

    a = b;
    assert_false(id_parse("", &b));
    assert_false(id_parse("000102030405060708090a0b0c0d0e0", &b));
    assert_false(id_parse("000102030405060708090a0b0c0d0e0f0", &b));
    assert_false(id_parse("000102030405060708090a0b0c0d0e0g", &b));
    assert_false(id_parse("-00102030405060708090a0b0c0d0e0f", &b));
    assert_true(id_eq(&a, &b)); /* untouched by failures */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_system_clock), cmocka_unit_test(test_manual_clock),
        cmocka_unit_test(test_rng_golden),   cmocka_unit_test(test_rng_ranges),
        cmocka_unit_test(test_ids),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
