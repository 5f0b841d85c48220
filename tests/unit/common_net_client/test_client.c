/* The client against our own server: bodies, forms, large answers, and what goes wrong. */
/* cmocka.h needs these before it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "common/base/thread.h"
#include "common/net/client/http_client.h"
#include "common/net/http/http.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { LARGE = 20 * 1000 * 1000 };

static _Atomic bool inside, release;

static int handle_echo(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *err)
{
    struct json_writer *w = http_response_json(rs);
    json_writer_object(w);
    json_writer_put_string(w, "method", http_method_name(http_request_method(rq)));
    json_writer_key(w, "body");
    json_writer_slice(w, http_request_body(rq));
    json_writer_put_string(w, "type", http_request_header(rq, "Content-Type"));
    json_writer_put_string(w, "token", http_request_header(rq, "X-Token"));
    json_writer_put_string(w, "request", http_request_attribute(rq, "request"));
    for (uint32_t i = 0; i < http_request_n_uploads(rq); i++) {
        const struct http_upload *u = http_request_upload(rq, i);
        json_writer_put_int(w, u->filename, (int64_t)u->size);
    }
    json_writer_end(w);
    http_response_status(rs, http_request_query(rq, "status") != NULL ? 418 : 200);
    return 0;
}

static int handle_large(void *owner, const struct http_request *rq, struct http_response *rs,
                        struct error *err)
{
    struct str *body = http_response_body(rs);
    str_reserve(body, LARGE);
    memset(body->data, 'x', LARGE);
    body->len = LARGE;
    return 0;
}

static int handle_wait(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *err)
{
    atomic_store(&inside, true);
    while (!atomic_load(&release)) {
        usleep(500);
    }
    return 0;
}

static const struct http_route routes[] = {
    {HTTP_GET, "/echo", 0, handle_echo},
    {HTTP_POST, "/echo", 0, handle_echo},
    {HTTP_PATCH, "/echo", 0, handle_echo},
    {HTTP_DELETE, "/echo", 0, handle_echo},
    {HTTP_POST, "/form", HTTP_UPLOAD, handle_echo},
    {HTTP_GET, "/large", 0, handle_large},
    {HTTP_GET, "/wait", HTTP_BLOCKING, handle_wait},
};

static struct http_server *server;
static char dir[] = "/tmp/flinc-http-client-XXXXXX";

static int start(void **state)
{
    struct http_server_options o = {.name = "test",
                                    .bind_address = "127.0.0.1",
                                    .routes = routes,
                                    .n_routes = ARRAY_LEN(routes),
                                    .upload_dir = dir};
    assert_non_null(mkdtemp(dir));
    assert_int_equal(http_server_start(&o, &server, NULL), 0);
    return 0;
}

static int stop(void **state)
{
    server = http_server_stop(server);
    assert_int_equal(rmdir(dir), 0);
    assert_int_equal(thread_count(), 0);
    return 0;
}

static const char *url(const char *path)
{
    static char text[128];
    snprintf(text, sizeof(text), "http://127.0.0.1:%u%s", http_server_port(server), path);
    return text;
}

static struct http_client *client(const struct http_client_options *options)
{
    struct error err = ERROR_INIT;
    struct http_client *c = NULL;
    if (http_client_new(options, &c, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return c;
}

static void expect(struct http_client *c, struct http_exchange *x, int status, const char *answer)
{
    struct error err = ERROR_INIT;
    if (http_client_run(c, x, &err) < 0) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(x->status, status);
    assert_string_equal(str_cstr(&x->answer), answer);
    str_fini(&x->answer);
}

static void test_methods_and_bodies(void **state)
{
    static const char *const headers[] = {"X-Token: abc", NULL};
    struct http_client *c = client(&(struct http_client_options){.headers = headers});
    static const struct {
        const char *method, *body, *type, *shown;
    } rows[] = {
        {"GET", "", NULL, "application/json; charset=UTF-8"},
        {"GET", "{}", NULL, "application/json; charset=UTF-8"},
        {"POST", "", NULL, "application/json; charset=UTF-8"},
        {"POST", "text", "text/plain", "text/plain"},
        {"PATCH", "{}", NULL, "application/json; charset=UTF-8"},
        {"DELETE", "", NULL, "application/json; charset=UTF-8"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        char answer[256];
        snprintf(answer, sizeof(answer),
                 "{\"method\":\"%s\",\"body\":\"%s\",\"type\":\"%s\",\"token\":\"abc\","
                 "\"request\":null}",
                 rows[i].method, rows[i].body, rows[i].shown);
        struct http_exchange x = {.method = rows[i].method,
                                  .url = url("/echo?status=1"),
                                  .body = slice_cstr(rows[i].body),
                                  .content_type = rows[i].type};
        expect(c, &x, 418, answer);
    }
    http_client_free(c);
}

static void test_forms(void **state)
{
    char path[64];
    snprintf(path, sizeof(path), "%s-file", dir);
    FILE *f = fopen(path, "w");
    for (int i = 0; i < 300000; i++) {
        fputs("0123456789", f);
    }
    fclose(f);
    const struct http_part parts[] = {
        {.name = "request", .data = SLICE_LIT("{\"x\":1}")},
        {.name = "jobgraph", .filename = "a b.so", .path = path},
        {.name = "memory", .filename = "m.bin", .data = SLICE_LIT("12\r\n--")},
    };
    struct http_client *c = client(NULL);
    struct http_exchange x = {
        .method = "POST", .url = url("/form"), .parts = parts, .n_parts = ARRAY_LEN(parts)};
    struct error err = ERROR_INIT;
    assert_int_equal(http_client_run(c, &x, &err), 0);
    assert_non_null(strstr(str_cstr(&x.answer), "\"request\":\"{\\\"x\\\":1}\",\"a b.so\":3000000,"
                                                "\"m.bin\":6}"));
    str_fini(&x.answer);
    unlink(path);
    x.answer = (struct str)STR_INIT;
    assert_true(http_client_run(c, &x, &err) < 0);
    assert_non_null(strstr(err.message, path));
    http_client_free(c);
}

static void test_large_answer(void **state)
{
    struct http_client *c = client(NULL);
    struct http_exchange x = {.method = "GET", .url = url("/large")};
    assert_int_equal(http_client_run(c, &x, NULL), 0);
    assert_int_equal(x.answer.len, LARGE);
    str_fini(&x.answer);
    http_client_free(c);
}

static void test_no_server(void **state)
{
    static const struct {
        const char *url;
        int code;
        const char *text;
    } rows[] = {
        {"http://user:secret@127.0.0.1:1/v1/jobs", ERR_UNAVAILABLE,
         "could not connect to http://127.0.0.1:1: Connection refused"},
        {"http://no-such-host.invalid:80/", ERR_UNAVAILABLE,
         "could not connect to http://no-such-host.invalid:80: "},
        {"ftp://127.0.0.1/", ERR_INVALID_ARGUMENT,
         "ftp://127.0.0.1 is no address of an HTTP server"},
        {"", ERR_INVALID_ARGUMENT, "is no address of an HTTP server"},
    };
    struct http_client *c = client(NULL);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct error err = ERROR_INIT;
        struct http_exchange x = {.method = "GET", .url = rows[i].url};
        assert_int_equal(http_client_run(c, &x, &err), rows[i].code);
        if (strstr(err.message, rows[i].text) == NULL) {
            fail_msg("%s", err.message);
        }
        assert_null(strstr(err.message, "secret"));
        assert_null(x.answer.data);
    }
    http_client_free(c);
}

static void test_timeout(void **state)
{
    struct error err = ERROR_INIT;
    struct http_client *c = client(&(struct http_client_options){.timeout_ms = 100});
    struct http_exchange x = {.method = "GET", .url = url("/wait")};
    atomic_store(&release, false);
    assert_int_equal(http_client_run(c, &x, &err), ERR_TIMEOUT);
    assert_non_null(strstr(err.message, "not answered in 100 ms"));
    atomic_store(&release, true);
    http_client_free(c);
}

static void *cancel_when_inside(void *arg)
{
    while (!atomic_load(&inside)) {
        usleep(500);
    }
    cancel_token_cancel(arg);
    return NULL;
}

static void test_cancel(void **state)
{
    struct error err = ERROR_INIT;
    struct cancel_token *token = cancel_token_new();
    struct http_client *c = client(&(struct http_client_options){.cancel = token});
    struct http_exchange x = {.method = "GET", .url = url("/wait")};
    pthread_t thread;
    atomic_store(&release, false);
    atomic_store(&inside, false);
    assert_int_equal(thread_start(&thread, "cancel", cancel_when_inside, token, NULL), 0);
    assert_int_equal(http_client_run(c, &x, &err), ERR_CANCELLED);
    thread_join(thread);
    atomic_store(&release, true);
    http_client_free(c);
    cancel_token_unref(token);
}

static void test_bad_header(void **state)
{
    static const char *const headers[] = {"a: b\r\nc: d", NULL};
    struct error err = ERROR_INIT;
    struct http_client *c = NULL;
    assert_int_equal(http_client_new(&(struct http_client_options){.headers = headers}, &c, &err),
                     ERR_INVALID_ARGUMENT);
    assert_null(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_methods_and_bodies),
        cmocka_unit_test(test_forms),
        cmocka_unit_test(test_large_answer),
        cmocka_unit_test(test_no_server),
        cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_cancel),
        cmocka_unit_test(test_bad_header),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
