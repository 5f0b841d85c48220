/* The JSON writer: golden texts, escapes, bytes that are no UTF-8. */
#include "common/text/json_writer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/text/json.h"
#include <math.h>

static void write_sample(struct json_writer *w)
{
    json_writer_object(w);
    json_writer_put_string(w, "name", "Word\"Count\"");
    json_writer_put_int(w, "n", INT64_MIN);
    json_writer_put_double(w, "x", 0.5);
    json_writer_put_bool(w, "ok", true);
    json_writer_put_string(w, "none", NULL);
    json_writer_key(w, "list");
    json_writer_array(w);
    json_writer_uint(w, UINT64_MAX);
    json_writer_array(w);
    json_writer_end(w);
    json_writer_object(w);
    json_writer_end(w);
    json_writer_printf(w, "%d of %d", 1, 2);
    json_writer_raw(w, SLICE_LIT("{\"a\":1}"));
    json_writer_double(w, NAN);
    json_writer_end(w);
    json_writer_end(w);
    json_writer_finish(w);
}

static void test_compact(void **state)
{
    STR_AUTO out = STR_INIT;
    struct json_writer w;
    json_writer_init(&w, &out, JSON_STYLE_COMPACT);
    write_sample(&w);
    assert_string_equal(str_cstr(&out),
                        "{\"name\":\"Word\\\"Count\\\"\",\"n\":-9223372036854775808,\"x\":0.5,"
                        "\"ok\":true,\"none\":null,\"list\":[18446744073709551615,[],{},\"1 of 2\","
                        "{\"a\":1},\"NaN\"]}");
}

static void test_pretty(void **state)
{
    STR_AUTO out = STR_INIT;
    struct json_writer w;
    json_writer_init(&w, &out, JSON_STYLE_PRETTY);
    write_sample(&w);
    assert_string_equal(str_cstr(&out), "{\n"
                                        "  \"name\": \"Word\\\"Count\\\"\",\n"
                                        "  \"n\": -9223372036854775808,\n"
                                        "  \"x\": 0.5,\n"
                                        "  \"ok\": true,\n"
                                        "  \"none\": null,\n"
                                        "  \"list\": [\n"
                                        "    18446744073709551615,\n"
                                        "    [],\n"
                                        "    {},\n"
                                        "    \"1 of 2\",\n"
                                        "    {\"a\":1},\n"
                                        "    \"NaN\"\n"
                                        "  ]\n"
                                        "}");
}

static void test_escapes(void **state)
{
    STR_AUTO out = STR_INIT;
    json_append_quoted(&out, SLICE_LIT("\"\\/\b\f\n\r\t\x01\x1f\x7f\0z"));
    assert_string_equal(str_cstr(&out), "\"\\\"\\\\/\\b\\f\\n\\r\\t\\u0001\\u001F\x7f\\u0000z\"");
    str_clear(&out);
    json_append_quoted(&out, SLICE_LIT("gr\xc3\xbc\xff\"\xe2\x82"));
    assert_string_equal(str_cstr(&out), "\"gr\xc3\xbc\xef\xbf\xbd\\\"\xef\xbf\xbd\xef\xbf\xbd\"");
}

static void test_deep(void **state)
{
    STR_AUTO out = STR_INIT;
    struct json_writer w;
    json_writer_init(&w, &out, JSON_STYLE_COMPACT);
    for (int i = 0; i < JSON_WRITER_DEPTH_MAX; i++) {
        json_writer_array(&w);
    }
    for (int i = 0; i < JSON_WRITER_DEPTH_MAX; i++) {
        json_writer_end(&w);
    }
    json_writer_finish(&w);
    struct json_node *back = NULL; /* and what is written can be read */
    assert_int_equal(json_parse(str_slice(&out), NULL, &back, NULL), 0);
    json_node_free(back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_compact),
        cmocka_unit_test(test_pretty),
        cmocka_unit_test(test_escapes),
        cmocka_unit_test(test_deep),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
