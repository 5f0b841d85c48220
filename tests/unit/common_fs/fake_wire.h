/* What fake servers over HTTP read and write: escapes, parameters, bytes of a connection.  Thread: any. */
#ifndef FLINC_TESTS_UNIT_COMMON_FS_FAKE_WIRE_H
#define FLINC_TESTS_UNIT_COMMON_FS_FAKE_WIRE_H

#include "common/base/str.h"

#include <sys/socket.h>

static inline int fake_hex(char c)
{
    return c <= '9' ? c - '0' : (c | 32) - 'a' + 10;
}

static inline void fake_decode(const char *from, size_t n, char *to, size_t size)
{
    size_t k = 0;
    for (size_t i = 0; i < n && k + 1 < size; i++) {
        bool is_code = from[i] == '%' && i + 2 < n;
        to[k++] = is_code ? (char)(fake_hex(from[i + 1]) * 16 + fake_hex(from[i + 2])) : from[i];
        i += is_code ? 2 : 0;
    }
    to[k] = '\0';
}

/* Of "a=1&b&c=%20"; one without a value is there, too.  *ret is as it was when it is not. */
static inline bool fake_parameter(const char *query, const char *name, char *ret, size_t size)
{
    struct slice rest = slice_cstr(query), pair;
    size_t len = strlen(name);
    while (slice_next(&rest, '&', &pair)) {
        if (pair.len >= len && memcmp(pair.data, name, len) == 0 &&
            (pair.len == len || pair.data[len] == '=')) {
            size_t skip = MIN(len + 1, pair.len);
            fake_decode(pair.data + skip, pair.len - skip, ret, size);
            return true;
        }
    }
    return false;
}

/* Some bytes more; false: the connection has ended. */
static inline bool fake_fill(int fd, struct str *in)
{
    char bytes[65536];
    ssize_t n = recv(fd, bytes, sizeof(bytes), 0);
    if (n > 0) {
        str_append(in, bytes, (size_t)n);
    }
    return n > 0;
}

static inline bool fake_send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

#endif
