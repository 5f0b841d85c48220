/* Listening sockets: the first free port of a range at an address.  Thread: any. */
#include "common/net/http/state.h"

#include "common/base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

enum { LISTEN_BACKLOG = 1024 };

static int resolve(const char *address, struct addrinfo **ret_found, struct error *err)
{
    char host[256];
    const char *name = address;
    size_t len = address != NULL ? strlen(address) : 0;
    if (len > 2 && len < sizeof(host) && address[0] == '[' && address[len - 1] == ']') {
        memcpy(host, address + 1, len - 2);
        host[len - 2] = '\0';
        name = host;
    }
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = AI_PASSIVE};
    if (len == 0) {
        name = "0.0.0.0";
    }
    int rc = getaddrinfo(name, "0", &hints, ret_found);
    if (rc != 0) {
        return error_set(err, ERR_INVALID_CONFIG,
                         "the address \"%s\" to listen at is not known: %s", name,
                         gai_strerror(rc));
    }
    return 0;
}

/* "localhost" has addresses of both kinds; as the JVM does, IPv4 is taken first. */
static const struct addrinfo *preferred(const struct addrinfo *found)
{
    for (const struct addrinfo *a = found; a != NULL; a = a->ai_next) {
        if (a->ai_family == AF_INET) {
            return a;
        }
    }
    return found;
}

static int open_at(const struct addrinfo *at, uint32_t port)
{
    struct sockaddr_storage address = {0};
    memcpy(&address, at->ai_addr, at->ai_addrlen);
    if (at->ai_family == AF_INET6) {
        ((struct sockaddr_in6 *)&address)->sin6_port = htons((uint16_t)port);
    } else {
        ((struct sockaddr_in *)&address)->sin_port = htons((uint16_t)port);
    }
    int fd = socket(at->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return -1;
    }
    const int on = 1;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    if (bind(fd, (struct sockaddr *)&address, at->ai_addrlen) < 0 ||
        listen(fd, LISTEN_BACKLOG) < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return -1;
    }
    return fd;
}

uint32_t http_port_of(int listen_fd)
{
    struct sockaddr_storage address = {0};
    socklen_t len = sizeof(address);
    int rc = getsockname(listen_fd, (struct sockaddr *)&address, &len);
    ASSERT(rc == 0);
    return ntohs(address.ss_family == AF_INET6 ? ((struct sockaddr_in6 *)&address)->sin6_port
                                               : ((struct sockaddr_in *)&address)->sin_port);
}

int http_listen(const char *name, const char *address, uint32_t first_port, uint32_t last_port,
                int *ret_fd, uint32_t *ret_port, struct error *err)
{
    struct addrinfo *found = NULL;
    if (first_port > last_port || last_port > 65535) {
        return error_set(err, ERR_INVALID_CONFIG, "%s: ports %u to %u are no range within 0..65535",
                         name, first_port, last_port);
    }
    TRY(resolve(address, &found, err));
    const char *shown = address != NULL && address[0] != '\0' ? address : "0.0.0.0";
    int fd = -1, cause = 0;
    for (uint32_t port = first_port; fd < 0 && port <= last_port; port++) {
        fd = open_at(preferred(found), port);
        if (fd < 0) {
            cause = errno;
            if (cause != EADDRINUSE && cause != EACCES) {
                break;
            }
        }
    }
    freeaddrinfo(found);
    if (fd >= 0) {
        *ret_port = http_port_of(fd);
        *ret_fd = fd;
        return 0;
    }
    if (cause == EADDRINUSE) {
        char range[32];
        snprintf(range, sizeof(range),
                 first_port == last_port ? "port %u is" : "ports %u to %u are", first_port,
                 last_port);
        return error_set(err, ERR_ALREADY_EXISTS,
                         "%s cannot listen at %s: %s in use by another process; stop that process "
                         "or set another port",
                         name, shown, range);
    }
    return error_set_errno(err, cause, "%s cannot listen at %s:%u", name, shown, first_port);
}

void http_raise_file_limit(uint32_t n)
{
    enum { OTHERS = 512 }; /* files that the rest of the process has open */
    struct rlimit limit;
    const rlim_t wanted = (rlim_t)n + OTHERS;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur >= wanted) {
        return;
    }
    limit.rlim_cur = MIN(wanted, limit.rlim_max);
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0 || limit.rlim_cur < wanted) {
        LOG_WARN("flinc.http",
                 "only %llu files may be open (ulimit -n); more than about %llu connections will "
                 "have to wait",
                 (unsigned long long)limit.rlim_cur,
                 (unsigned long long)(limit.rlim_cur > OTHERS ? limit.rlim_cur - OTHERS : 0));
    }
}
