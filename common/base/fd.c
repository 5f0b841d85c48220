/* Bytes to file descriptors (fd.h).  Thread: any. */
#include "common/base/fd.h"

#include <errno.h>
#include <unistd.h>

int fd_write_all(int fd, const void *data, size_t size)
{
    const char *from = data;
    while (size > 0) {
        ssize_t n = write(fd, from, size);
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        from += MAX(n, 0);
        size -= (size_t)MAX(n, 0);
    }
    return 0;
}

int fd_write_all_at(int fd, const void *data, size_t size, off_t at)
{
    const char *from = data;
    while (size > 0) {
        ssize_t n = pwrite(fd, from, size, at);
        if (n < 0 && errno != EINTR) {
            return -1;
        }
        from += MAX(n, 0);
        at += MAX(n, 0);
        size -= (size_t)MAX(n, 0);
    }
    return 0;
}
