/* What a request costs the HTTP server: small and 40 KB answers that are there already, over kept
 * connections; a route that runs on a handler thread; a scrape of 2,000 metrics.  The clients are a
 * process of their own, so that the server's CPU time can be told apart.
 *
 *   build/release/bench/bench_cluster_http        (a release build)
 *   ... --tls FOLDER     with TLS, by node.pem and ca.pem of tests/services/certificates.sh FOLDER */
#include "bench/report.h"
#include "common/metrics/prometheus/text.h"
#include "common/net/http/http.h"
#include "common/net/tls/relay.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CONNECTIONS = 16, LARGE = 40 * 1024, METRICS = 2000 };

static char large[LARGE];
static struct metric_registry *registry;

static int handle_small(void *owner, const struct http_request *rq, struct http_response *rs,
                        struct error *err)
{
    str_append_cstr(http_response_body(rs), "{\"status\":\"RUNNING\"}");
    return 0;
}

static int handle_large(void *owner, const struct http_request *rq, struct http_response *rs,
                        struct error *err)
{
    str_append(http_response_body(rs), large, sizeof(large));
    return 0;
}

static int handle_metrics(void *owner, const struct http_request *rq, struct http_response *rs,
                          struct error *err)
{
    const struct prometheus_format format = {.filter_values = true};
    prometheus_text_write(&format, registry, NULL, http_response_body(rs));
    return 0;
}

static const struct http_route routes[] = {
    {HTTP_GET, "/jobs/:jobid/status", 0, handle_small},
    {HTTP_GET, "/jobs/overview", 0, handle_large},
    {HTTP_GET, "/jobs/:jobid/wait", HTTP_BLOCKING, handle_small},
    {HTTP_GET, "/metrics", 0, handle_metrics},
};

static const char *tls_folder; /* NULL: plain */

static struct tls_context *open_tls(enum tls_side side)
{
    struct tls_context *context = NULL;
    struct error err = ERROR_INIT;
    struct conf conf;
    char path[4096];
    conf_init(&conf, NULL);
    snprintf(path, sizeof(path), "%s/node.pem", tls_folder);
    ASSERT(conf_set(&conf, "security.ssl.keystore", path, NULL) == 0);
    snprintf(path, sizeof(path), "%s/ca.pem", tls_folder);
    ASSERT(conf_set(&conf, "security.ssl.truststore", path, NULL) == 0);
    if (tls_context_new(&conf, TLS_SCOPE_REST, side, &context, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    conf_fini(&conf);
    return context;
}

/* The client's side of it: plain sockets, which the rest of this file knows. */
static int speak_tls(int fd)
{
    static struct tls_relay *relay;
    static struct tls_context *context;
    struct error err = ERROR_INIT;
    int plain;
    if (relay == NULL) {
        context = open_tls(TLS_SIDE_CLIENT);
        ASSERT(tls_relay_new(&(struct tls_relay_options){.name = "client"}, &relay, &err) == 0);
    }
    const struct tls_link_options o = {.context = context, .peer = "server"};
    ASSERT(tls_relay_add(relay, fd, &o, &plain, &err) == 0);
    (void)fcntl(plain, F_SETFL, 0); /* its owner waits */
    return plain;
}

static int connect_to(uint32_t port)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    const int on = 1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    if (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0) {
        return -1;
    }
    return tls_folder != NULL ? speak_tls(fd) : fd;
}

/* Reads one answer whole. */
static bool read_answer(int fd)
{
    static char buffer[1 << 20];
    size_t n = 0, total = 0;
    while (total == 0 || n < total) {
        ssize_t got = recv(fd, buffer + n, sizeof(buffer) - 1 - n, 0);
        if (got <= 0) {
            return false;
        }
        n += (size_t)got;
        buffer[n] = '\0';
        const char *end = total == 0 ? strstr(buffer, "\r\n\r\n") : NULL;
        if (end != NULL) {
            const char *length = strstr(buffer, "Content-Length: ");
            total = (size_t)(end + 4 - buffer) + (length != NULL ? (size_t)atol(length + 16) : 0);
        }
    }
    return strncmp(buffer, "HTTP/1.1 200", 12) == 0;
}

/* The client process. */
static int ask(uint32_t port, const char *path, int n)
{
    char request[256];
    int fds[CONNECTIONS];
    int len = snprintf(request, sizeof(request), "GET %s HTTP/1.1\r\nHost: a\r\n\r\n", path);
    for (int i = 0; i < CONNECTIONS; i++) {
        fds[i] = connect_to(port);
    }
    for (int round = 0; round < n / CONNECTIONS; round++) {
        for (int i = 0; i < CONNECTIONS; i++) {
            if (send(fds[i], request, (size_t)len, MSG_NOSIGNAL) != len) {
                return 1;
            }
        }
        for (int i = 0; i < CONNECTIONS; i++) {
            if (!read_answer(fds[i])) {
                return 1;
            }
        }
    }
    return 0;
}

static void measure(struct bench_report *r, const char *name, const char *path, int n, double bar)
{
    struct http_server *server = NULL;
    struct error err = ERROR_INIT;
    int ports[2], status = 1;
    if (pipe(ports) < 0) {
        exit(1);
    }
    pid_t child = fork(); /* before there are threads */
    if (child == 0) {
        uint32_t port;
        _exit(read(ports[0], &port, sizeof(port)) == sizeof(port) ? ask(port, path, n) : 1);
    }
    struct tls_context *tls = tls_folder != NULL ? open_tls(TLS_SIDE_SERVER) : NULL;
    const struct http_server_options options = {.name = "bench",
                                                .tls = tls,
                                                .bind_address = "127.0.0.1",
                                                .routes = routes,
                                                .n_routes = ARRAY_LEN(routes),
                                                .allow_origin = "*"};
    if (http_server_start(&options, &server, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        exit(1);
    }
    uint32_t port = http_server_port(server);
    int64_t began_ns = clock_process_cpu_ns();
    if (write(ports[1], &port, sizeof(port)) != sizeof(port)) {
        exit(1);
    }
    waitpid(child, &status, 0);
    double seconds = (double)(clock_process_cpu_ns() - began_ns) * 1e-9;
    http_server_stop(server);
    tls_context_unref(tls);
    close(ports[0]);
    close(ports[1]);
    if (status != 0) {
        fprintf(stderr, "%s: an answer was wrong\n", path);
        exit(1);
    }
    bench_report_add(r, name, n / seconds, "1/s per core", bar, 0, BENCH_MORE_IS_BETTER);
}

static struct metric_group *fill_registry(void)
{
    const struct metric_variable variables[] = {{"host", "h"}, {"tm_id", "h:1-ab"}};
    ASSERT(metric_registry_new(&(struct metric_registry_options){0}, &registry, NULL) == 0);
    struct metric_group *g =
        metric_group_new(registry, NULL, METRIC_SCOPE_TM, variables, ARRAY_LEN(variables));
    for (int i = 0; i < METRICS; i++) {
        char name[32];
        snprintf(name, sizeof(name), "metric%d", i);
        metric_gauge_set(metric_group_gauge(g, name), i);
    }
    return g;
}

int main(int argc, char **argv)
{
    tls_folder = argc == 3 && strcmp(argv[1], "--tls") == 0 ? argv[2] : NULL;
    struct bench_report r = {.n = 0};
    memset(large, 'x', sizeof(large));
    struct metric_group *g = fill_registry();
    measure(&r, "GET of a small answer", "/jobs/17/status", 160000, 0);
    measure(&r, "GET of 40 KB", "/jobs/overview", 80000, 10000);
    measure(&r, "GET by a handler thread", "/jobs/17/wait", 80000, 0);
    measure(&r, "scrape of 2,000 metrics", "/metrics", 1600, 0);
    metric_group_free(g);
    metric_registry_free(registry);
    bench_report_print(&r);
    return 0;
}
