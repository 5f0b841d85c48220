/* crc32c(): known values, and every length and split against the definition, bit by bit. */
#include "common/base/clock.h"
#include "common/base/crc32c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static uint32_t bitwise(uint32_t crc, const uint8_t *p, size_t size)
{
    crc = ~crc;
    for (size_t i = 0; i < size; i++) {
        crc ^= p[i];
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 1 ? (crc >> 1) ^ UINT32_C(0x82f63b78) : crc >> 1;
        }
    }
    return ~crc;
}

/* RFC 3720, B.4. */
static void test_known_values(void **state)
{
    uint8_t bytes[32];
    memset(bytes, 0, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x8a9136aa);
    memset(bytes, 0xff, sizeof(bytes));
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x62a8ab43);
    for (uint8_t i = 0; i < 32; i++) {
        bytes[i] = i;
    }
    assert_int_equal(crc32c(0, bytes, sizeof(bytes)), 0x46dd794e);
    assert_int_equal(crc32c(0, "123456789", 9), 0xe3069283);
    assert_int_equal(crc32c(0, NULL, 0), 0);
}

static void test_lengths_and_splits(void **state)
{
    enum { SIZE = 40000 };
    uint8_t *bytes = malloc(SIZE + 8);
    struct rng rng;
    rng_init(&rng, 7);
    for (size_t i = 0; i < SIZE + 8; i++) {
        bytes[i] = (uint8_t)rng_next(&rng);
    }
    for (size_t size = 0; size < 2000; size++) {
        assert_int_equal(crc32c(0, bytes + size % 8, size), bitwise(0, bytes + size % 8, size));
    }
    for (int round = 0; round < 200; round++) {
        size_t size = rng_below(&rng, SIZE), split = rng_below(&rng, size + 1);
        uint32_t want = bitwise(5, bytes, size);
        assert_int_equal(crc32c(5, bytes, size), want);
        assert_int_equal(crc32c(crc32c(5, bytes, split), bytes + split, size - split), want);
    }
    free(bytes);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_known_values),
        cmocka_unit_test(test_lengths_and_splits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
