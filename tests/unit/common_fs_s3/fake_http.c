#include "fake_http.h"

#include "common/base/error.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* A whole request; false: there is none. */
static bool read_request(int fd, struct str *ret)
{
    size_t wanted = SIZE_MAX;
    while (ret->len < wanted) {
        char bytes[8192];
        ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
        if (n <= 0) {
            return false;
        }
        str_append(ret, bytes, (size_t)n);
        const char *end = strstr(str_cstr(ret), "\r\n\r\n");
        if (end != NULL && wanted == SIZE_MAX) {
            const char *length = strcasestr(str_cstr(ret), "\r\ncontent-length:");
            wanted = (size_t)(end + 4 - ret->data) +
                     (length != NULL && length < end ? strtoul(length + 17, NULL, 10) : 0);
        }
    }
    return true;
}

static struct fake_route route_of(struct fake_http *s, const char *request)
{
    for (uint32_t i = 0; i < s->n_routes; i++) {
        struct fake_route *r = &s->routes[i];
        size_t method = strlen(r->method), path = strlen(r->path);
        if (strncmp(request, r->method, method) == 0 && request[method] == ' ' &&
            strncmp(request + method + 1, r->path, path) == 0 &&
            strchr(" ?", request[method + 1 + path]) != NULL && r->n_times >= 0) {
            r->n_times = r->n_times == 1 ? -1 : MAX(r->n_times - 1, 0);
            return *r;
        }
    }
    return (struct fake_route){.status = 404, .body = ""};
}

/* One request; false: the connection is kept, and never answered. */
static bool serve(struct fake_http *s, int fd)
{
    STR_AUTO request = STR_INIT;
    STR_AUTO answer = STR_INIT;
    if (!read_request(fd, &request)) {
        return true;
    }
    pthread_mutex_lock(&s->lock);
    s->n_requests++;
    str_append_slice(&s->asked, str_slice(&request));
    struct fake_route r = route_of(s, str_cstr(&request));
    if (r.status == FAKE_HTTP_SILENT) {
        ASSERT(s->n_held < ARRAY_LEN(s->held));
        s->held[s->n_held++] = fd;
    }
    pthread_mutex_unlock(&s->lock);
    if (r.status > 0) {
        str_printf(&answer, "HTTP/1.1 %d X\r\nContent-Length: %zu\r\nConnection: close\r\n\r\n%s",
                   r.status, strlen(r.body), r.body);
        ssize_t n = send(fd, answer.data, answer.len, MSG_NOSIGNAL);
        (void)n; /* whoever asked sees that it is cut */
    }
    return r.status != FAKE_HTTP_SILENT;
}

static void *server_main(void *arg)
{
    struct fake_http *s = arg;
    int fd;
    while ((fd = accept(s->listener, NULL, NULL)) >= 0) {
        if (serve(s, fd)) {
            close(fd);
        }
    }
    return NULL;
}

void fake_http_start(struct fake_http *s)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    *s = (struct fake_http){.listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    pthread_mutex_init(&s->lock, NULL);
    ASSERT(bind(s->listener, (struct sockaddr *)&at, sizeof(at)) == 0);
    ASSERT(listen(s->listener, 64) == 0);
    ASSERT(getsockname(s->listener, (struct sockaddr *)&at, &len) == 0);
    snprintf(s->address, sizeof(s->address), "http://127.0.0.1:%u", ntohs(at.sin_port));
    ASSERT(pthread_create(&s->thread, NULL, server_main, s) == 0);
}

void fake_http_stop(struct fake_http *s)
{
    shutdown(s->listener, SHUT_RDWR);
    pthread_join(s->thread, NULL);
    close(s->listener);
    for (uint32_t i = 0; i < s->n_held; i++) {
        close(s->held[i]);
    }
    str_fini(&s->asked);
    pthread_mutex_destroy(&s->lock);
}

void fake_http_answer(struct fake_http *s, const struct fake_route *routes, uint32_t n)
{
    pthread_mutex_lock(&s->lock);
    ASSERT(n <= ARRAY_LEN(s->routes));
    memcpy(s->routes, routes, n * sizeof(*routes));
    s->n_routes = n;
    s->n_requests = 0;
    str_clear(&s->asked);
    pthread_mutex_unlock(&s->lock);
}

bool fake_http_was_asked(struct fake_http *s, const char *text)
{
    pthread_mutex_lock(&s->lock);
    bool found = strcasestr(str_cstr(&s->asked), text) != NULL;
    pthread_mutex_unlock(&s->lock);
    return found;
}
