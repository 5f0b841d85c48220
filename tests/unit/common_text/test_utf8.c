/* UTF-8: what is valid, where it breaks, and where it may be cut. */
#include "common/text/utf8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/base/clock.h"

struct sample {
    struct slice bytes;
    int error_offset; /* -1: valid */
};

static const struct sample samples[] = {
    {SLICE_LIT(""), -1},
    {SLICE_LIT("plain ASCII, longer than one word of sixteen bytes"), -1},
    {SLICE_LIT("with\0NUL"), -1},
    {SLICE_LIT("gr\xc3\xbc\xc3\x9f"), -1},
    {SLICE_LIT("\xe2\x82\xac"), -1},
    {SLICE_LIT("\xf0\x9f\x98\x80"), -1},
    {SLICE_LIT("\xef\xbf\xbf"), -1},
    {SLICE_LIT("\xf4\x8f\xbf\xbf"), -1},     /* U+10FFFF */
    {SLICE_LIT("0123456789abcdef\x80"), 16}, /* a continuation alone */
    {SLICE_LIT("ab\xc0\x80"), 2},            /* overlong NUL */
    {SLICE_LIT("\xc1\xbf"), 0},              /* overlong */
    {SLICE_LIT("\xe0\x9f\xbf"), 0},          /* overlong */
    {SLICE_LIT("\xf0\x8f\xbf\xbf"), 0},      /* overlong */
    {SLICE_LIT("a\xed\xa0\x80"), 1},         /* surrogate */
    {SLICE_LIT("a\xed\xbf\xbf"), 1},         /* surrogate */
    {SLICE_LIT("\xf4\x90\x80\x80"), 0},      /* above U+10FFFF */
    {SLICE_LIT("\xf5\x80\x80\x80"), 0},
    {SLICE_LIT("\xff"), 0},
    {SLICE_LIT("ok\xc3"), 2}, /* cut */
    {SLICE_LIT("ok\xe2\x82"), 2},
    {SLICE_LIT("ok\xf0\x9f\x98"), 2},
    {SLICE_LIT("\xe2\x82g"), 0},
};

static void test_validates(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(samples); i++) {
        size_t at = 999;
        bool ok = utf8_validate(samples[i].bytes.data, samples[i].bytes.len, &at);
        assert_int_equal(ok, samples[i].error_offset < 0);
        assert_int_equal(at, ok ? 999 : samples[i].error_offset);
        assert_int_equal(utf8_validate(samples[i].bytes.data, samples[i].bytes.len, NULL), ok);
    }
}

static void test_every_code_point(void **state)
{
    for (uint32_t cp = 0; cp <= UTF8_MAX_CODE_POINT + 1; cp++) {
        char bytes[UTF8_MAX_BYTES];
        size_t n = utf8_encode(cp, bytes);
        bool is_point = cp <= UTF8_MAX_CODE_POINT && (cp < 0xd800 || cp > 0xdfff);
        assert_int_equal(n > 0, is_point);
        if (n > 0) {
            uint32_t back = 0;
            assert_int_equal(utf8_decode(bytes, n, &back), n);
            assert_int_equal(back, cp);
            assert_int_equal(utf8_decode(bytes, n - 1, &back), 0);
        }
    }
}

/* A slow judge, written from the table of ranges instead of from the bits. */
static bool range_judge(const unsigned char *p, size_t len)
{
    size_t i = 0;
    while (i < len) {
        unsigned char c = p[i];
        unsigned char low = 0x80;
        unsigned char high = 0xbf;
        size_t more;
        if (c <= 0x7f) {
            more = 0;
        } else if (c >= 0xc2 && c <= 0xdf) {
            more = 1;
        } else if (c >= 0xe0 && c <= 0xef) {
            more = 2;
            low = c == 0xe0 ? 0xa0 : 0x80;
            high = c == 0xed ? 0x9f : 0xbf;
        } else if (c >= 0xf0 && c <= 0xf4) {
            more = 3;
            low = c == 0xf0 ? 0x90 : 0x80;
            high = c == 0xf4 ? 0x8f : 0xbf;
        } else {
            return false;
        }
        for (size_t k = 1; k <= more; k++) {
            if (i + k >= len || p[i + k] < low || p[i + k] > high) {
                return false;
            }
            low = 0x80;
            high = 0xbf;
        }
        i += more + 1;
    }
    return true;
}

static void test_random_bytes_against_ranges(void **state)
{
    static const unsigned char alphabet[] = {'a',  'z',  0x00, 0x7f, 0x80, 0x8f, 0x90, 0x9f,
                                             0xa0, 0xbf, 0xc0, 0xc2, 0xdf, 0xe0, 0xe1, 0xed,
                                             0xef, 0xf0, 0xf1, 0xf4, 0xf5, 0xff};
    struct rng rng;
    rng_init(&rng, 7);
    for (int round = 0; round < 200000; round++) {
        unsigned char bytes[24];
        size_t len = rng_below(&rng, sizeof(bytes) + 1);
        for (size_t i = 0; i < len; i++) {
            bytes[i] = alphabet[rng_below(&rng, ARRAY_LEN(alphabet))];
        }
        bool ok = utf8_validate((const char *)bytes, len, NULL);
        assert_int_equal(ok, range_judge(bytes, len));
    }
}

static void test_counts_and_cuts(void **state)
{
    const char text[] = "a\xc3\xbc\xe2\x82\xac\xf0\x9f\x98\x80z"; /* 5 points, 11 bytes */
    size_t len = sizeof(text) - 1;
    assert_int_equal(utf8_count(text, len), 5);
    static const size_t cut[] = {0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11};
    for (size_t max = 0; max < ARRAY_LEN(cut); max++) {
        assert_int_equal(utf8_truncate(text, len, max), cut[max]);
    }
    static const size_t offsets[] = {0, 1, 3, 6, 10, 11, 11};
    for (size_t points = 0; points < ARRAY_LEN(offsets); points++) {
        assert_int_equal(utf8_offset(text, len, points), offsets[points]);
    }
    /* What belongs to no sequence is cut anywhere. */
    assert_int_equal(utf8_truncate("\x80\x80\x80\x80\x80\x80", 6, 5), 5);
    assert_true(utf8_is_ascii("abc", 3));
    assert_false(utf8_is_ascii(text, len));
}

static void test_cleans(void **state)
{
    STR_AUTO out = STR_INIT;
    utf8_append_clean(&out, "a\xff\xc3\xbc\xe2\x82", 6);
    assert_string_equal(str_cstr(&out), "a\xef\xbf\xbd\xc3\xbc\xef\xbf\xbd\xef\xbf\xbd");
    assert_true(utf8_validate(out.data, out.len, NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_validates),
        cmocka_unit_test(test_every_code_point),
        cmocka_unit_test(test_random_bytes_against_ranges),
        cmocka_unit_test(test_counts_and_cuts),
        cmocka_unit_test(test_cleans),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
