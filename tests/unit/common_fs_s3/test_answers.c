/* What servers and files say: documents, profiles, times. */
#include "common/fs/remote/xml.h"
#include "common/fs/s3/client.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

static int on_element(void *arg, const char *path, struct slice text, struct error *err)
{
    str_printf(arg, "%s=%.*s;", path, (int)text.len, text.len > 0 ? text.data : "");
    return strcmp(path, "a/stop") == 0 ? error_set(err, ERR_CANCELLED, "enough") : 0;
}

static int read(const char *text, struct str *ret)
{
    str_clear(ret);
    return xml_read(slice_cstr(text), on_element, ret, NULL);
}

static void test_documents(void **state)
{
    STR_AUTO got = STR_INIT;
    assert_int_equal(
        read("<?xml version=\"1.0\"?>\n<a xmlns=\"x\"><b>1 &lt; 2</b><c><d/>x</c></a>", &got), 0);
    assert_string_equal(str_cstr(&got), "a/b=1 < 2;a/c/d=;a/c=x;a=;");
    assert_int_equal(read("<a><stop/><b>1</b></a>", &got), ERR_CANCELLED);
    assert_string_equal(str_cstr(&got), "a/stop=;");
    assert_true(xml_find(SLICE_LIT("<E><Code>NoSuchKey</Code></E>"), "E/Code", &got));
    assert_string_equal(str_cstr(&got), "NoSuchKey");
    assert_false(xml_find(SLICE_LIT("<E><Code>NoSuchKey</Code></E>"), "E/Message", &got));
}

static void test_no_documents(void **state)
{
    STR_AUTO got = STR_INIT;
    STR_AUTO deep = STR_INIT;
    assert_int_equal(read("", &got), ERR_CORRUPT);
    assert_int_equal(read("<html><br></html>", &got), ERR_CORRUPT);
    assert_int_equal(read("<a><b>1</b>", &got), ERR_CORRUPT);
    assert_int_equal(read("<!DOCTYPE a [<!ENTITY b \"c\">]><a>&b;</a>", &got), ERR_CORRUPT);
    for (int i = 0; i <= XML_DEPTH_MAX; i++) {
        str_append_cstr(&deep, "<a>");
    }
    assert_int_equal(read(str_cstr(&deep), &got), ERR_CORRUPT);
    str_clear(&deep);
    xml_escape(&deep, SLICE_LIT("a<b>&c"));
    assert_string_equal(str_cstr(&deep), "a&lt;b&gt;&amp;c");
}

static void test_profiles(void **state)
{
    static const char text[] =
        "# mine\n[default]\naws_access_key_id = A\naws_secret_access_key=b=c\n"
        "[ other ]\r\naws_access_key_id=B\r\naws_secret_access_key = d\r\n"
        "aws_session_token = t\r\n[half]\naws_access_key_id=C\n";
    struct slice all = SLICE_LIT(text);
    STR_AUTO access_key = STR_INIT;
    STR_AUTO secret_key = STR_INIT;
    STR_AUTO token = STR_INIT;
    assert_true(s3_profile_read(all, "default", &access_key, &secret_key, &token));
    assert_string_equal(str_cstr(&access_key), "A");
    assert_string_equal(str_cstr(&secret_key), "b=c");
    assert_string_equal(str_cstr(&token), "");
    assert_true(s3_profile_read(all, "other", &access_key, &secret_key, &token));
    assert_string_equal(str_cstr(&access_key), "B");
    assert_string_equal(str_cstr(&token), "t");
    str_clear(&access_key);
    str_clear(&secret_key);
    assert_false(s3_profile_read(all, "half", &access_key, &secret_key, &token));
    assert_false(s3_profile_read(all, "none", &access_key, &secret_key, &token));
}

static void test_times(void **state)
{
    assert_int_equal(s3_http_time_ms("Sun, 22 Nov 2026 08:00:00 GMT"), INT64_C(1795334400000));
    assert_true(s3_http_time_ms("yesterday") == INT64_MIN);
    assert_int_equal(s3_time_ms("2026-11-22T08:00:00Z"), INT64_C(1795334400000));
    assert_int_equal(s3_time_ms("2026-11-22T08:00:00.250Z"), INT64_C(1795334400250));
    assert_true(s3_time_ms("yesterday") == INT64_MIN);
}

static void test_endpoints(void **state)
{
    static const char *const bad[] = {"ftp://a", "http://", "http://u:p@host", "a b",
                                      "http://h/?x"};
    struct s3_client *c = NULL;
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct s3_client_options options = {.endpoint = bad[i],
                                            .credentials = {.clock = &clock_system}};
        assert_int_equal(s3_client_new(&options, &c, NULL), ERR_INVALID_CONFIG);
    }
    struct s3_client_options options = {.endpoint = "http://127.0.0.1:9",
                                        .credentials = {.clock = &clock_system}};
    assert_int_equal(s3_client_new(&options, &c, NULL), 0);
    s3_client_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_documents), cmocka_unit_test(test_no_documents),
        cmocka_unit_test(test_profiles),  cmocka_unit_test(test_times),
        cmocka_unit_test(test_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
