/* The Java object that clients read failures from: its bytes. */
#include "tests/unit/jobmanager_rest/fixture.h"

/* As the stream reads, for serialized_throwable("C", "t", "m"). */
static const char golden[] =
    "aced00057372" /* object, class */
    "00296f72672e6170616368652e666c696e6b2e7574696c2e53657269616c697a65645468726f7761626c65"
    "65169df51fa713f3020003"
    "4c001966756c6c537472696e676966696564537461636b5472616365"
    "7400124c6a6176612f6c616e672f537472696e673b"
    "4c00166f726967696e616c4572726f72436c6173734e616d65"
    "71007e0001"
    "5b001373657269616c697a6564457863657074696f6e"
    "7400025b42"
    "7872"
    "00136a6176612e6c616e672e457863657074696f6e"
    "d0fd1f3e1a3b1cc4020000"
    "7872"
    "00136a6176612e6c616e672e5468726f7761626c65"
    "d5c635273977b8cb030004"
    "4c00056361757365"
    "7400154c6a6176612f6c616e672f5468726f7761626c653b"
    "4c000d64657461696c4d657373616765"
    "71007e0001"
    "5b000a737461636b5472616365"
    "74001e5b4c6a6176612f6c616e672f537461636b5472616365456c656d656e743b"
    "4c001473757070726573736564457863657074696f6e73"
    "7400104c6a6176612f7574696c2f4c6973743b"
    "7870"
    "70"       /* cause */
    "7400016d" /* message */
    "7070"     /* stack trace, suppressed */
    "78"
    "74000174" /* stack trace as text */
    "74000143" /* class name */
    "70";

static void to_hex(const struct str *bytes, struct str *hex)
{
    for (size_t i = 0; i < bytes->len; i++) {
        str_printf(hex, "%02x", (unsigned char)bytes->data[i]);
    }
}

static void bytes_are_golden(void **state)
{
    STR_AUTO bytes = STR_INIT;
    STR_AUTO hex = STR_INIT;
    serialized_throwable("C", "t", "m", &bytes);
    to_hex(&bytes, &hex);
    assert_string_equal(str_cstr(&hex), golden);
}

/* Modified UTF-8: NUL and what needs surrogates are not as in UTF-8; what is no UTF-8 becomes U+FFFD. */
static void texts_are_modified_utf8(void **state)
{
    STR_AUTO bytes = STR_INIT;
    STR_AUTO hex = STR_INIT;
    serialized_throwable("C", "\xc3\xa4\xf0\x9f\x98\x80\xff", "", &bytes);
    to_hex(&bytes, &hex);
    assert_non_null(strstr(str_cstr(&hex), "74000b"
                                           "c3a4"
                                           "eda0bdedb880"
                                           "efbfbd"));
}

static void long_texts(void **state)
{
    STR_AUTO trace = STR_INIT;
    STR_AUTO bytes = STR_INIT;
    STR_AUTO hex = STR_INIT;
    for (int i = 0; i < 70000; i++) {
        str_append_char(&trace, 'x');
    }
    serialized_throwable("C", str_cstr(&trace), "m", &bytes);
    to_hex(&bytes, &hex);
    assert_non_null(strstr(str_cstr(&hex), "7c0000000000011170"
                                           "7878"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bytes_are_golden),
        cmocka_unit_test(texts_are_modified_utf8),
        cmocka_unit_test(long_texts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
