/* The multipart parser: forms cut at every place give the same parts. */
#include "web.h"

#include "common/net/http/multipart.h"

static int on_begin(void *arg, const struct multipart_part *part, struct error *err)
{
    struct str *out = arg;
    str_printf(out, "[%s", part->name);
    if (part->filename != NULL) {
        str_printf(out, "|%s", part->filename);
    }
    str_append_char(out, '=');
    return 0;
}

static int on_data(void *arg, struct slice data, struct error *err)
{
    assert_true(data.len > 0);
    str_append_slice(arg, data);
    return 0;
}

static int on_end(void *arg, struct error *err)
{
    str_append_char(arg, ']');
    return 0;
}

/* Fed in pieces of at most `piece` bytes. */
static int parse(const char *type, struct slice text, size_t piece, struct str *out)
{
    struct multipart *m = NULL;
    const struct multipart_sink sink = {on_begin, on_data, on_end, out};
    str_clear(out);
    int rc = multipart_new(type, &sink, &m, NULL);
    while (rc == 0 && text.len > 0) {
        size_t n = MIN(piece, text.len);
        rc = multipart_feed(m, slice_make(text.data, n), NULL);
        text = slice_make(text.data + n, text.len - n);
    }
    rc = rc == 0 ? multipart_finish(m, NULL) : rc;
    multipart_free(m);
    return rc;
}

#define PART(disposition) "--XX\r\nContent-Disposition: form-data; " disposition "\r\n\r\n"
static const char plain[] = "multipart/form-data; boundary=XX";

static const struct {
    const char *type, *text;
    int rc;
    const char *parts;
} rows[] = {
    {plain, PART("name=a") "1\r\n--XX--", 0, "[a=1]"},
    {plain, PART("name=a") "\r\n--XX--\r\n", 0, "[a=]"},
    {plain, PART("name=a") "1\r\n" PART("name=b") "2\r\n--XX--", 0, "[a=1][b=2]"},
    {plain, "pre\r\namble\r\n" PART("name=a") "1\r\n--XX-- epi\r\n--XX\r\n", 0, "[a=1]"},
    {plain, PART("name=a") "\r\r\n\r\n--X\r\n--XY\r\r\n--XX--", 0, "[a=\r\r\n\r\n--X\r\n--XY\r]"},
    {plain, PART("name=a") "\r\r\n\r\n--X\r\n-\r\r\n--XX--", 0, "[a=\r\r\n\r\n--X\r\n-\r]"},
    {plain, PART("name=a; filename=\"b c\"") "1\r\n--XX--", 0, "[a|b c=1]"},
    {plain, PART("filename=\"/x/y\"; name=\"a;b\"") "1\r\n--XX--", 0, "[a;b|y=1]"},
    {plain, "--XX \t\r\ncontent-type: x\r\ncontent-disposition:form-data;NAME=a\r\n\r\n1\r\n--XX--",
     0, "[a=1]"},
    {"multipart/form-data; charset=x; boundary=\"X X\"",
     "--X X\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--X X--", 0, "[a=1]"},
    {"multipart/form-data", "", ERR_PARSE, NULL},
    {"multipart/form-data; boundary=", "", ERR_PARSE, NULL},
    {"multipart/form-data; boundary=\"", "", ERR_PARSE, NULL},
    {plain, "", ERR_PARSE, NULL},
    {plain, "--XX\r\n", ERR_PARSE, NULL},
    {plain, "--XX-\r\n", ERR_PARSE, NULL},
    {plain, "--XX\r\n\r\n\r\n--XX--", ERR_PARSE, NULL},
    {plain, PART("name=\"a") "1\r\n--XX--", ERR_PARSE, NULL},
    {plain, PART("name=a; filename=\"\"") "1\r\n--XX--", ERR_PARSE, NULL},
    {plain, PART("name=a; filename=\"..\"") "1\r\n--XX--", ERR_PARSE, NULL},
    {plain, PART("name=\"\xc3\x28\"") "1\r\n--XX--", ERR_PARSE, NULL},
};

static void test_cut_everywhere(void **state)
{
    STR_AUTO out = STR_INIT;
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct slice text = slice_cstr(rows[i].text);
        for (size_t piece = 1; piece <= text.len + 1; piece++) {
            int rc = parse(rows[i].type, text, piece, &out);
            if (rc != rows[i].rc || (rc == 0 && strcmp(str_cstr(&out), rows[i].parts) != 0)) {
                fail_msg("row %zu in pieces of %zu: %d, %s", i, piece, rc, str_cstr(&out));
            }
        }
    }
}

static void test_limits(void **state)
{
    STR_AUTO text = STR_INIT;
    STR_AUTO out = STR_INIT;
    for (int i = 0; i < MULTIPART_PARTS_MAX; i++) {
        str_append_cstr(&text, PART("name=a") "1\r\n");
    }
    str_append_cstr(&text, "--XX--");
    assert_int_equal(parse(plain, str_slice(&text), 4096, &out), 0);
    text.len -= 6;
    str_append_cstr(&text, PART("name=a") "1\r\n--XX--");
    assert_int_equal(parse(plain, str_slice(&text), 4096, &out), ERR_TOO_LARGE);

    str_clear(&text);
    str_append_cstr(&text, "--XX\r\n");
    for (int i = 0; i < MULTIPART_HEADERS_MAX; i++) {
        str_append_char(&text, 'a');
    }
    str_append_cstr(&text, "\r\n\r\n");
    assert_int_equal(parse(plain, str_slice(&text), 4096, &out), ERR_TOO_LARGE);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cut_everywhere),
        cmocka_unit_test(test_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
