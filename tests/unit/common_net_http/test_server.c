/* The server against raw sockets: a table of requests and their answers, then connections. */
#include "web.h"

#include "common/base/failpoint.h"
#include "common/base/thread.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\n\r\n"
#define BODY(method, target, headers, length, body) \
    method " " target " HTTP/1.1\r\nHost: a\r\n" headers "Content-Length: " length "\r\n\r\n" body
#define POST_FORM(target) \
    "POST " target " HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data; boundary=XX\r\n"
#define PART(disposition) "--XX\r\nContent-Disposition: form-data; " disposition "\r\n\r\n"
#define LAST "\r\n--XX--\r\n"

static const struct {
    const char *request;
    int status;
    const char *part; /* of the answer */
    const char *body; /* NULL: it is in the request; else its length is added to the headers */
} exchanges[] = {
    {GET("/echo"), 200, "\"path\":\"/echo\",\"route\":\"/echo\",\"q\":null"},
    {GET("/v1/echo"), 200, "\"path\":\"/echo\""},
    {GET("/echo/"), 200, "\"route\":\"/echo\""},
    {GET("/echo?q=a%2Cb+c%2B&x"), 200, "\"q\":\"a,b c+\""},
    {GET("/echo/overview"), 200, "\"route\":\"/echo/overview\""},
    {GET("/echo/overview/config"), 200, "\"id\":\"overview\""},
    {GET("/echo/a%2Fb%2e%2e"), 200, "\"id\":\"a/b..\""},
    {GET("/echo/h:1-ab+c"), 200, "\"id\":\"h:1-ab+c\""},
    {GET("http://proxy:80/echo/x"), 200, "\"id\":\"x\""},
    {BODY("GET", "/v1/echo", "", "2", "{}"), 200, "\"body\":2"},
    {BODY("POST", "/echo", "", "0", ""), 200, "\"json\":{}"},
    {BODY("POST", "/echo", "Content-Type: text/plain\r\n", "7", "{\"a\":1}"), 200, "{\"a\":1}"},
    {BODY("PUT", "/echo", "", "7", "{\"a\":1}"), 200, "\"method\":\"PUT\""},
    {BODY("PATCH", "/echo/7", "", "2", "{}"), 200, "\"method\":\"PATCH\""},
    {BODY("DELETE", "/echo/7", "", "2", "{}"), 200, "\"method\":\"DELETE\""},
    {BODY("POST", "/echo", "Expect: 100-continue\r\n", "2", "{}"), 200, "\"body\":2"},
    {BODY("POST", "/echo", "", "2", "{]"), 400, "reading the request's JSON"},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
     "3\r\n{\"a\r\n4;x=y\r\n\":1}\r\n0\r\n\r\n",
     200, "\"json\":{\"a\":1}"},
    {GET("/fail/missing"), 404, "{\"errors\":[\"Job 17 not found\"]}"},
    {GET("/fail/else"), 500,
     "{\"errors\":[\"Internal server error.\",\"<Exception on server side:\\nbroken \\\"thing\\\""},
    /* what no route has */
    {"HEAD /echo HTTP/1.1\r\nHost: a\r\n\r\n", 404, NULL},
    {"OPTIONS /echo HTTP/1.1\r\nHost: a\r\n\r\n", 404, "{\"errors\":[\"Not found: /echo\"]}"},
    {"TEAPOT /v1/echo HTTP/1.1\r\nHost: a\r\n\r\n", 404, "\"Not found: /v1/echo\""},
    {BODY("POST", "/nothing", "", "2", "{}"), 404, "\"Not found: /nothing\""},
    {"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 400, "does not begin with /"},
    /* targets that cannot be read */
    {GET("/echo/%zz"), 400, "could not parse parameters"},
    {GET("/echo/%2"), 400, "could not parse parameters"},
    {GET("/echo/%00"), 400, "could not parse parameters"},
    {GET("/echo/%ff%fe"), 400, "not UTF-8"},
    {GET("/echo?q=%c0%af"), 400, "not UTF-8"},
    {GET("echo"), 400, NULL},
    /* bodies whose length is not clear */
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\n{}", 400,
     "more than once"},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n{}",
     400, "more than once"},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip\r\n\r\n{}", 400, NULL},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: -2\r\n\r\n{}", 400, NULL},
    {"PATCH /echo/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2, 2\r\n\r\n{}", 400, NULL},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
     400, NULL},
    /* too large: told before the body is read */
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n", 413,
     "rest.server.max-content-length"},
    {"PATCH /echo/1 HTTP/1.1\r\nHost: a\r\nContent-Length: 2000000\r\n\r\n", 413,
     "rest.server.max-content-length"},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2000000\r\n\r\n",
     413, "rest.server.max-content-length"},
    {"POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999999\r\n\r\n", 413,
     NULL},
    /* forms */
    {POST_FORM("/upload"), 200, "[{\"field\":\"jarfile\",\"filename\":\"a b.so\",\"size\":12}]",
     PART("name=\"jarfile\"; filename=\"/tmp/a b.so\"") "12\r\n-\r\n--X-\r" LAST},
    {POST_FORM("/upload"), 200, "\"json\":{\"x\":2},\"request\":\"{\\\"x\\\":2}\"",
     PART("name=request") "{\"x\":2}" LAST "epilogue"},
    {POST_FORM("/upload"), 200, "\"filename\":\"b.so\",\"size\":0}]",
     "preamble\r\n" PART("name=\"f\"; filename=\"C:\\\\dir\\b.so\"") LAST},
    {POST_FORM("/upload"), 200, "\"filename\":\"a\\\"b\",\"size\":1}]",
     PART("name=f; filename=\"a\\\"b\"") "1" LAST},
    {POST_FORM("/upload"), 400, "\"Received unknown attribute evil.\"",
     PART("name=\"evil\"") "1" LAST},
    {POST_FORM("/echo"), 400, "\"File upload not allowed\"", "--XX--\r\n"},
    {POST_FORM("/none"), 400, "\"POST request not allowed\"", "--XX--\r\n"},
    {POST_FORM("/upload"), 200, "\"uploads\":[]", "--XX--\r\n"},
    {POST_FORM("/upload"), 400, "ends before its last boundary", "--XX"},
    {POST_FORM("/upload"), 400, "ends before its last boundary", ""},
    {POST_FORM("/upload"), 400, "ends before its last boundary",
     PART("name=f; filename=g") "half a file"},
    {POST_FORM("/upload"), 400, "garbage behind a boundary", "--XXY\r\n"},
    {POST_FORM("/upload"), 400, "without a Content-Disposition name", "--XX\r\n\r\n1" LAST},
    {POST_FORM("/upload"), 400, "a file without a name",
     PART("name=a; filename=\"x/..\"") "1" LAST},
    {POST_FORM("/upload"), 400, "no UTF-8", PART("name=a; filename=\"\xff\"") "1" LAST},
    {POST_FORM("/upload"), 400, "control character", PART("name=a; filename=\"\t\"") "1" LAST},
    {"POST /upload HTTP/1.1\r\nHost: a\r\nContent-Type: multipart/form-data\r\n", 400,
     "no usable boundary", "1"},
    /* static files */
    {GET("/"), 200, "<html>"},
    {GET("/assets/main.js"), 200, "let a;"},
    {GET("/assets/empty.css"), 200, NULL},
    {GET("/v1/assets/main.js"), 200, "let a;"},
    {GET("/none.js"), 404, "{\"errors\":[\"Unable to load requested file /none.js.\"]}"},
    {GET("/assets"), 404, NULL},
    {GET("/assets/"), 404, NULL},
    {GET("/../secret"), 403, NULL},
    {GET("/%2e%2e/secret"), 403, NULL},
    {GET("/%2e%2e%2fsecret"), 403, NULL},
    {GET("/assets/..%5c..%5csecret"), 403, NULL},
    {GET("/assets/../../secret"), 403, NULL},
    {GET("/link"), 403, NULL},
    {GET("/up/secret"), 404, NULL},
    {GET("//secret"), 404, NULL},
};

static void test_exchanges(void **state)
{
    struct web w;
    const struct http_server_options options = {.max_body_bytes = 1000000};
    web_start(&w, &options);
    for (size_t i = 0; i < ARRAY_LEN(exchanges); i++) {
        struct answer a;
        STR_AUTO request = STR_INIT;
        str_append_cstr(&request, exchanges[i].request);
        if (exchanges[i].body != NULL) {
            str_printf(&request, "Content-Length: %zu\r\n\r\n%s", strlen(exchanges[i].body),
                       exchanges[i].body);
        }
        web_ask(&w, str_cstr(&request), &a);
        bool hit =
            a.status == exchanges[i].status &&
            (exchanges[i].part == NULL || strstr(str_cstr(&a.body), exchanges[i].part) != NULL);
        if (!hit) {
            fail_msg("%s\nexpected %d %s\nbut got %d %s", str_cstr(&request), exchanges[i].status,
                     exchanges[i].part, a.status, str_cstr(&a.body));
        }
        assert_null(strstr(str_cstr(&a.body), "secret\n"));
        answer_fini(&a);
    }
    web_stop(&w);
    assert_int_equal(thread_count(), 0);
}

static void test_headers_of_answers(void **state)
{
    struct web w;
    struct answer a;
    web_start(&w, NULL);
    web_ask(&w, GET("/echo"), &a);
    assert_non_null(strstr(a.headers, "\r\nContent-Type: application/json; charset=UTF-8\r\n"));
    assert_non_null(strstr(a.headers, "\r\nAccess-Control-Allow-Origin: *\r\n"));
    assert_non_null(strstr(a.headers, "\r\nContent-Length: "));
    answer_fini(&a);
    web_ask(&w, GET("/fail/x"), &a);
    assert_null(strstr(a.headers, "X-Half"));
    answer_fini(&a);
    web_ask(&w, GET("/assets/main.js"), &a);
    assert_non_null(strstr(a.headers, "\r\nContent-Type: application/javascript\r\n"));
    assert_non_null(strstr(a.headers, "\r\nCache-Control: private, max-age=300\r\n"));
    assert_non_null(strstr(a.headers, "\r\nExpires: "));
    const char *modified = strstr(a.headers, "\r\nLast-Modified: ");
    assert_non_null(modified);
    char request[512];
    snprintf(request, sizeof(request),
             "GET /assets/main.js HTTP/1.1\r\nHost: a\r\nIf-Modified-Since: %.29s\r\n\r\n",
             modified + 17);
    answer_fini(&a);
    web_ask(&w, request, &a);
    assert_int_equal(a.status, 304);
    assert_int_equal(a.body.len, 0);
    answer_fini(&a);
    web_stop(&w);
}

static void test_keep_alive_and_pipelining(void **state)
{
    struct web w;
    struct answer a;
    web_start(&w, NULL);
    int fd = web_connect(w.port);
    web_send_text(fd, GET("/echo/1") BODY("POST", "/none", "", "2", "{}")
                          BODY("PATCH", "/echo/3", "", "2", "{}") GET("/echo/4"));
    static const char *const parts[] = {"\"id\":\"1\"", "Not found", "\"id\":\"3\"",
                                        "\"id\":\"4\""};
    for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
        web_read(fd, &a);
        assert_non_null(strstr(str_cstr(&a.body), parts[i]));
        answer_fini(&a);
    }
    web_send_text(fd, "GET /echo HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
    web_read(fd, &a);
    assert_int_equal(a.status, 200);
    assert_true(web_is_closed(fd));
    answer_fini(&a);
    close(fd);
    web_stop(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_exchanges),
        cmocka_unit_test(test_headers_of_answers),
        cmocka_unit_test(test_keep_alive_and_pipelining),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
