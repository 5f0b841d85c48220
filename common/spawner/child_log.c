/* The file that a child's stderr goes to: appended, and rolled at its limit, between two lines.
 *
 * Two children may share a file (the worker of a job that ends, and the next one of that job): the file is
 * rolled by the one that fills it, the other finds that it is another one by now and goes on there.
 * Thread: the spawner's only one. */
#include "common/base/log_roll.h"
#include "common/spawner/wire.h"
#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHILD_LOG_LINE_MAX = 64 * 1024 }; /* over the limit, then it is rolled within a line */

static uint64_t size_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) ? (uint64_t)st.st_size : 0;
}

void child_log_open(struct child_log *l, int take_fd, const struct spawn_order *order)
{
    const struct spawner_header *h = &order->header;
    *l = (struct child_log){.fd = take_fd};
    if (take_fd >= 0 && h->log_max_bytes > 0 && order->log_path != NULL) {
        l->path = mem_strdup(order->log_path);
        l->max_bytes = h->log_max_bytes;
        l->max_files = h->log_max_files;
        l->bytes = size_of(take_fd);
    }
}

void child_log_close(struct child_log *l)
{
    if (l->fd >= 0) {
        close(l->fd);
    }
    mem_free(l->path);
    *l = (struct child_log){.fd = -1};
}

static bool is_still_ours(const struct child_log *l)
{
    struct stat ours, there;
    return fstat(l->fd, &ours) == 0 && stat(l->path, &there) == 0 && ours.st_dev == there.st_dev &&
           ours.st_ino == there.st_ino;
}

/* When no new file can be opened the old one takes the lines; tried again a file's size later. */
static void roll(struct child_log *l)
{
    l->bytes = 0;
    if (is_still_ours(l)) {
        log_shift_files(l->path, l->max_files);
    }
    int fd = open(l->path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC | O_NOCTTY, 0644);
    if (fd >= 0) {
        close(l->fd);
        l->fd = fd;
        l->bytes = size_of(fd);
    }
}

static void append(struct child_log *l, const char *data, size_t size)
{
    (void)!write(l->fd, data, size);
    l->bytes += size;
}

void child_log_write(struct child_log *l, const char *data, size_t size)
{
    if (l->fd < 0) { /* where our own goes, when that takes it without making us wait */
        struct pollfd own = {.fd = STDERR_FILENO, .events = POLLOUT};
        if (poll(&own, 1, 0) == 1 && (own.revents & POLLOUT) != 0) {
            (void)!write(STDERR_FILENO, data, size);
        }
        return;
    }
    const char *line_end = NULL;
    if (l->max_bytes > 0 && l->bytes + size >= l->max_bytes) {
        line_end = memrchr(data, '\n', size);
    }
    size_t head = line_end != NULL ? (size_t)(line_end + 1 - data) : size;
    append(l, data, head);
    if (line_end != NULL || (l->max_bytes > 0 && l->bytes >= l->max_bytes + CHILD_LOG_LINE_MAX)) {
        roll(l);
    }
    if (head < size) {
        append(l, data + head, size - head);
    }
}
