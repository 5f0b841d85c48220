/* See web.h. */
#include "web.h"

#include "common/base/clock.h"
#include <arpa/inet.h>
#include <dirent.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

/* Answers with all that it knows of the request. */
static int handle_echo(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *err)
{
    struct json_writer *w = http_response_json(rs);
    const struct json_node *json;
    TRY(http_request_json(rq, &json, err));
    json_writer_object(w);
    json_writer_put_string(w, "method", http_method_name(http_request_method(rq)));
    json_writer_put_string(w, "path", http_request_path(rq));
    json_writer_put_string(w, "route", http_request_route(rq)->path);
    json_writer_put_string(w, "q", http_request_query(rq, "q"));
    if (strstr(http_request_route(rq)->path, ":id") != NULL) {
        json_writer_put_string(w, "id", http_request_param(rq, "id"));
    }
    json_writer_put_int(w, "body", (int64_t)http_request_body(rq).len);
    json_writer_key(w, "json");
    json_node_write(json, w);
    json_writer_put_string(w, "request", http_request_attribute(rq, "request"));
    json_writer_key(w, "uploads");
    json_writer_array(w);
    for (uint32_t i = 0; i < http_request_n_uploads(rq); i++) {
        const struct http_upload *u = http_request_upload(rq, i);
        struct stat st;
        assert_int_equal(stat(u->path, &st), 0);
        assert_int_equal(st.st_mode & 0777, 0600);
        assert_int_equal((uint64_t)st.st_size, u->size);
        json_writer_object(w);
        json_writer_put_string(w, "field", u->field);
        json_writer_put_string(w, "filename", u->filename);
        json_writer_put_int(w, "size", (int64_t)u->size);
        json_writer_end(w);
    }
    json_writer_end(w);
    json_writer_end(w);
    return 0;
}

static int handle_wait(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *err)
{
    struct web *w = owner;
    atomic_fetch_add(&w->n_inside, 1);
    while (!atomic_load(&w->release)) {
        usleep(500);
    }
    str_append_cstr(http_response_body(rs), "{\"waited\":true}");
    return 0;
}

static int handle_fail(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *err)
{
    json_writer_object(http_response_json(rs)); /* half-written answers are dropped */
    http_response_header(rs, "X-Half", "yes");
    const char *how = http_request_param(rq, "how");
    return strcmp(how, "missing") == 0 ? error_set(err, ERR_NOT_FOUND, "Job 17 not found")
                                       : error_set(err, ERR_INTERNAL, "broken \"thing\"");
}

static int handle_take(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *err)
{
    struct web *w = owner;
    char to[160];
    snprintf(to, sizeof(to), "%s/taken", w->dir);
    assert_int_equal(rename(http_request_upload(rq, 0)->path, to), 0);
    return 0;
}

static int handle_big(void *owner, const struct http_request *rq, struct http_response *rs,
                      struct error *err)
{
    size_t n = (size_t)atoll(http_request_param(rq, "n"));
    struct str *body = http_response_body(rs);
    str_reserve(body, n);
    for (size_t i = 0; i < n; i++) {
        str_append_char(body, (char)('a' + i % 26));
    }
    return 0;
}

static const struct http_route routes[] = {
    {HTTP_GET, "/echo", 0, handle_echo},
    {HTTP_POST, "/echo", 0, handle_echo},
    {HTTP_PUT, "/echo", 0, handle_echo},
    {HTTP_PATCH, "/echo/:id", HTTP_BLOCKING, handle_echo},
    {HTTP_DELETE, "/echo/:id", 0, handle_echo},
    {HTTP_GET, "/echo/:id", 0, handle_echo},
    {HTTP_GET, "/echo/overview", 0, handle_echo},
    {HTTP_GET, "/echo/:id/config", 0, handle_echo},
    {HTTP_POST, "/upload", HTTP_UPLOAD | HTTP_BLOCKING, handle_echo},
    {HTTP_POST, "/take", HTTP_UPLOAD, handle_take},
    {HTTP_GET, "/wait", HTTP_BLOCKING, handle_wait},
    {HTTP_GET, "/fail/:how", HTTP_BLOCKING, handle_fail},
    {HTTP_GET, "/big/:n", 0, handle_big},
};

static int fallback(void *owner, const struct http_request *rq, struct http_response *rs,
                    struct error *err)
{
    struct web *w = owner;
    return http_serve_static(w->root, rq, rs, err);
}

static bool gate(void *owner, const struct http_request *rq, struct http_response *rs)
{
    struct web *w = owner;
    if (atomic_load(&w->leaderless)) {
        http_response_error(rs, 503, "no leader");
    }
    return !atomic_load(&w->leaderless);
}

static void write_file(const char *dir, const char *name, const char *text)
{
    char path[512];
    snprintf(path, sizeof(path), "%s/%s", dir, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

void web_start(struct web *w, const struct http_server_options *options)
{
    struct error err = ERROR_INIT;
    struct http_server_options o = {0};
    char path[256];
    *w = (struct web){0};
    snprintf(w->dir, sizeof(w->dir), "/tmp/flinc-http-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    snprintf(w->uploads, sizeof(w->uploads), "%s/uploads", w->dir);
    snprintf(w->root, sizeof(w->root), "%s/root", w->dir);
    mkdir(w->root, 0700);
    snprintf(path, sizeof(path), "%s/assets", w->root);
    mkdir(path, 0700);
    write_file(w->root, "index.html", "<html>");
    write_file(path, "main.js", "let a;");
    write_file(path, "empty.css", "");
    write_file(w->dir, "secret", "secret");
    snprintf(path, sizeof(path), "%s/link", w->root);
    assert_int_equal(symlink("../secret", path), 0);
    snprintf(path, sizeof(path), "%s/up", w->root);
    assert_int_equal(symlink("..", path), 0);
    if (options != NULL) {
        o = *options;
    }
    o.name = "test";
    o.bind_address = "127.0.0.1";
    o.routes = routes;
    o.n_routes = ARRAY_LEN(routes);
    o.owner = w;
    o.fallback = fallback;
    o.gate = gate;
    o.allow_origin = "*";
    o.upload_dir = w->uploads;
    if (http_server_start(&o, &w->server, &err) < 0) {
        fail_msg("%s", err.message);
    }
    w->port = http_server_port(w->server);
}

uint32_t web_count_uploads(const struct web *w)
{
    DIR *d = opendir(w->uploads);
    uint32_t n = 0;
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        n += e->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

void web_stop(struct web *w)
{
    char command[128];
    http_server_stop(w->server);
    assert_int_equal(web_count_uploads(w), 0);
    snprintf(command, sizeof(command), "rm -rf %s", w->dir);
    assert_int_equal(system(command), 0);
}

int web_connect(uint32_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&to, sizeof(to)), 0);
    return fd;
}

void web_send(int fd, const void *data, size_t len)
{
    const char *p = data;
    while (len > 0) {
        ssize_t n = send(fd, p, len, MSG_NOSIGNAL);
        if (n <= 0) {
            return; /* the server closed: the reader sees it */
        }
        p += n;
        len -= (size_t)n;
    }
}

void web_send_text(int fd, const char *text)
{
    web_send(fd, text, strlen(text));
}

static _Thread_local const char *asked = "";

static void wait_readable(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    if (poll(&p, 1, 10000) != 1) {
        fail_msg("no answer in 10 s to: %s", asked);
    }
}

/* One byte at a time for headers: bodies of the next answer stay in the socket. */
static bool read_headers(int fd, struct answer *a)
{
    size_t n = 0;
    while (n < 4 || memcmp(a->headers + n - 4, "\r\n\r\n", 4) != 0) {
        assert_true(n + 1 < sizeof(a->headers));
        wait_readable(fd);
        if (recv(fd, a->headers + n, 1, 0) <= 0) {
            a->headers[n] = '\0';
            a->closed = true;
            return false;
        }
        n++;
    }
    a->headers[n] = '\0';
    return true;
}

void web_read(int fd, struct answer *ret)
{
    *ret = (struct answer){0};
    do {
        if (!read_headers(fd, ret)) {
            return;
        }
        assert_memory_equal(ret->headers, "HTTP/1.1 ", 9);
        ret->status = atoi(ret->headers + 9);
    } while (ret->status == 100);
    const char *length = strcasestr(ret->headers, "\r\ncontent-length:");
    assert_true(length != NULL || ret->status == 304);
    bool head = strncmp(asked, "HEAD ", 5) == 0;
    size_t left = length != NULL && !head ? (size_t)atoll(length + 17) : 0;
    while (left > 0) {
        char piece[65536];
        wait_readable(fd);
        ssize_t n = recv(fd, piece, MIN(left, sizeof(piece)), 0);
        if (n <= 0) {
            ret->closed = true;
            return;
        }
        str_append(&ret->body, piece, (size_t)n);
        left -= (size_t)n;
    }
}

void answer_fini(struct answer *a)
{
    str_fini(&a->body);
}

void web_ask(const struct web *w, const char *request, struct answer *ret)
{
    int fd = web_connect(w->port);
    asked = request;
    web_send_text(fd, request);
    web_read(fd, ret);
    asked = "";
    close(fd);
}

bool web_is_closed(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLIN};
    char c;
    return poll(&p, 1, 10000) == 1 && recv(fd, &c, 1, 0) <= 0;
}
