/* TLS of the server: a relay accepts, shakes hands and hands plain sockets to the loops.  And mistakes: HTTP at a port
 * with TLS is sent to https, TLS at a port without is told so by an answer that its clients can explain.
 *
 * Thread: the relay's for arrivals; the rest is the loop's, but start and stop. */
#include "common/net/http/state.h"

#include "common/base/log.h"
#include <errno.h>
#include <strings.h>
#include <unistd.h>

static const char topic[] = "flinc.http";

enum { TLS_HANDSHAKE_RECORD = 0x16, TLS_MAJOR_VERSION = 3, WARNING_PAUSE_MS = 1000 };

/* ---- HTTP where TLS is wanted ---------------------------------------------------------------------------- */

static struct slice header_of(struct slice head, const char *name)
{
    struct slice rest = head, line;
    size_t len = strlen(name);
    while (slice_next(&rest, '\n', &line)) {
        if (line.len > len && strncasecmp(line.data, name, len) == 0 && line.data[len] == ':') {
            return slice_trim(slice_make(line.data + len + 1, line.len - len - 1));
        }
    }
    return slice_make("", 0);
}

/* Nothing that could end the line of our answer, or a quoted text, early. */
static bool is_harmless(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c <= ' ' || c >= 0x7f || c == '"' || c == '\\' || c == '<' || c == '>') {
            return false;
        }
    }
    return text.len > 0;
}

static void append_answer(struct slice host, struct slice target, struct str *out)
{
    STR_AUTO body = STR_INIT;
    STR_AUTO location = STR_INIT;
    if (is_harmless(host) && is_harmless(target) && target.data[0] == '/') {
        str_printf(&location, "https://%.*s%.*s", (int)host.len, host.data, (int)target.len,
                   target.data);
    }
    str_printf(&body,
               "{\"errors\":[\"This port speaks TLS (security.ssl.rest.enabled): use https%s%s\"]}",
               location.len > 0 ? ", " : "", str_cstr(&location));
    str_printf(out, "HTTP/1.1 %s\r\n",
               location.len > 0 ? "301 Moved Permanently" : "400 Bad Request");
    if (location.len > 0) {
        str_printf(out, "Location: %s\r\n", str_cstr(&location));
    }
    str_printf(out,
               "Content-Type: application/json; charset=UTF-8\r\nContent-Length: %zu\r\n"
               "Connection: close\r\n\r\n%s",
               body.len, str_cstr(&body));
}

bool http_redirect_to_tls(struct slice said, struct str *ret_answer)
{
    static const char *const methods[] = {"GET ",    "POST ", "PUT ",    "PATCH ",
                                          "DELETE ", "HEAD ", "OPTIONS "};
    bool is_http = false;
    for (size_t i = 0; i < ARRAY_LEN(methods); i++) {
        size_t n = MIN(strlen(methods[i]), said.len);
        is_http = is_http || memcmp(said.data, methods[i], n) == 0;
    }
    if (!is_http) {
        return true; /* nobody who would understand an answer */
    }
    const char *end = memmem(said.data, said.len, "\r\n\r\n", 4);
    if (end == NULL) {
        return false;
    }
    struct slice head = slice_make(said.data, (size_t)(end - said.data)), rest = head, line, word;
    struct slice target = slice_make("", 0);
    if (slice_next(&rest, '\n', &line) && slice_next(&line, ' ', &word)) {
        (void)slice_next(&line, ' ', &target);
    }
    append_answer(header_of(head, "Host"), target, ret_answer);
    return true;
}

/* ---- arrivals --------------------------------------------------------------------------------------------- */

static void on_connection(void *arg, int take_fd, const struct sockaddr *peer, socklen_t len)
{
    struct http_server *s = arg;
    struct http_loop *loop = &s->loops[atomic_fetch_add(&s->next_loop, 1) % s->n_loops];
    struct http_arrival a = {.fd = take_fd, .len = MIN(len, (socklen_t)sizeof(a.address))};
    memcpy(&a.address, peer, a.len);
    pthread_mutex_lock(&loop->arrivals_lock);
    *VEC_PUSH(&loop->arrivals, struct http_arrival) = a;
    pthread_mutex_unlock(&loop->arrivals_lock);
    http_loop_wake(loop);
}

void http_secure_arrive(struct http_loop *loop)
{
    struct vec arrivals;
    if (loop->server->relay == NULL) {
        return;
    }
    pthread_mutex_lock(&loop->arrivals_lock);
    arrivals = loop->arrivals;
    vec_init(&loop->arrivals, sizeof(struct http_arrival));
    pthread_mutex_unlock(&loop->arrivals_lock);
    for (size_t i = 0; i < arrivals.len; i++) {
        const struct http_arrival *a = VEC_AT(&arrivals, struct http_arrival, i);
        if (MHD_add_connection(loop->mhd, a->fd, (const struct sockaddr *)&a->address, a->len) !=
            MHD_YES) {
            LOG_DEBUG(topic, "%s takes no more connections", loop->server->options.name);
        }
    }
    vec_fini(&arrivals);
}

int http_secure_start(struct http_server *s, int take_fd, struct error *err)
{
    s->tls_fd = take_fd;
    TRY(tls_relay_new(&(struct tls_relay_options){.name = "http-tls"}, &s->relay, err));
    const struct tls_listener_options o = {.listen_fd = take_fd,
                                           .context = s->options.tls,
                                           .on_plaintext = http_redirect_to_tls,
                                           .on_connection = on_connection,
                                           .arg = s};
    return tls_relay_listen(s->relay, &o, err);
}

void http_secure_stop(struct http_server *s)
{
    s->relay = tls_relay_free(s->relay);
    if (s->tls_fd >= 0) {
        close(s->tls_fd);
        s->tls_fd = -1;
    }
}

/* ---- TLS where there is none --------------------------------------------------------------------------------- */

void http_fresh_remove(struct http_loop *loop, struct http_connection *c)
{
    for (size_t i = 0; i < loop->fresh.len && c->fresh; i++) {
        if (vec_ptr(&loop->fresh, i) == c) {
            vec_remove(&loop->fresh, i);
            c->fresh = false;
        }
    }
}

static void say_tls(struct http_server *s)
{
    int64_t now_ms = clock_monotonic_ms(&clock_system);
    if (now_ms - atomic_load(&s->warned_ms) >= WARNING_PAUSE_MS) {
        atomic_store(&s->warned_ms, now_ms);
        LOG_WARN(topic,
                 "A client speaks TLS to port %u of %s, which has none: is "
                 "security.ssl.rest.enabled the same on both sides?",
                 s->port, s->options.name);
    }
}

/* True: its first bytes are known. */
static bool look_at(struct http_connection *c)
{
    static const char answer[] = "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n"
                                 "Content-Length: 0\r\n\r\n";
    uint8_t first[2];
    ssize_t n = recv(c->fd, first, sizeof(first), MSG_PEEK | MSG_DONTWAIT);
    if (n <= 0) {
        return n == 0 || errno != EAGAIN;
    }
    if (first[0] == TLS_HANDSHAKE_RECORD && (n < 2 || first[1] == TLS_MAJOR_VERSION)) {
        say_tls(c->loop->server);
        (void)send(c->fd, answer, sizeof(answer) - 1, MSG_NOSIGNAL | MSG_DONTWAIT);
        http_loop_linger(c->loop, c->fd);
        (void)shutdown(c->fd, SHUT_WR);
    }
    return true;
}

void http_fresh_add(struct http_loop *loop, struct http_connection *c)
{
    if (loop->server->relay == NULL && loop->fresh.len < HTTP_FRESH_MAX && !look_at(c)) {
        c->fresh = true;
        vec_push_ptr(&loop->fresh, c);
    }
}

void http_look_for_tls(struct http_loop *loop)
{
    for (size_t i = loop->fresh.len; i > 0; i--) {
        struct http_connection *c = vec_ptr(&loop->fresh, i - 1);
        if (look_at(c) || loop->now_ms - c->since_ms > HTTP_FRESH_MS) {
            vec_remove(&loop->fresh, i - 1);
            c->fresh = false;
        }
    }
}
