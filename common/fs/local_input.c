/* Reading local files: positioned reads, hints to the page cache, mapping.
 *
 * Thread: reads and mapping any; the mapping is made once, under a lock, and lives as long as the
 * input.  Only regular files are opened: a pipe or a device could block for ever. */
#include "common/fs/local_file.h"

#include "common/base/failpoint.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

struct local_input {
    struct fs_input base;
    int fd;
    pthread_mutex_t map_lock;
    void *map; /* Owns: a mapping of map_size bytes */
    size_t map_size;
    bool mapped;
};

static struct local_input *input_of(struct fs_input *in)
{
    return CONTAINER_OF(in, struct local_input, base);
}

static int input_read_at(struct fs_input *in, uint64_t offset, void *buf, size_t size,
                         size_t *ret_n, struct error *err)
{
    TRY_CTX(err, FAILPOINT(err, "fs.local.read"), "reading %s", in->path);
    size_t done = 0;
    while (done < size) {
        ssize_t n =
            pread(input_of(in)->fd, (char *)buf + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int rc = local_error(err, errno, "reading", in->path);
            error_context(err, "reading at offset %llu", (unsigned long long)(offset + done));
            return rc;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    *ret_n = done;
    return 0;
}

/* A file system without RWF_NOWAIT says EOPNOTSUPP. */
static int input_read_cached(struct fs_input *in, uint64_t offset, void *buf, size_t size,
                             size_t *ret_n)
{
    if (FAILPOINT(NULL, "fs.local.read_cached") < 0) {
        return 0;
    }
    size_t done = 0;
    while (done < size) {
        struct iovec rest = {.iov_base = (char *)buf + done, .iov_len = size - done};
        ssize_t n = preadv2(input_of(in)->fd, &rest, 1, (off_t)(offset + done), RWF_NOWAIT);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return 0;
        }
        if (n == 0) {
            break;
        }
        done += (size_t)n;
    }
    *ret_n = done;
    return 1;
}

static void input_advise(struct fs_input *in, uint64_t offset, uint64_t size)
{
    posix_fadvise(input_of(in)->fd, (off_t)offset, (off_t)size, POSIX_FADV_WILLNEED);
}

static void input_drop_behind(struct fs_input *in, uint64_t offset, uint64_t size)
{
    posix_fadvise(input_of(in)->fd, (off_t)offset, (off_t)size, POSIX_FADV_DONTNEED);
}

/* Under the lock. */
static int map_make(struct local_input *li, struct error *err)
{
    struct stat st;
    if (fstat(li->fd, &st) < 0) {
        return local_error(err, errno, "mapping", li->base.path);
    }
    if (st.st_size > 0) {
        void *p = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, li->fd, 0);
        if (p == MAP_FAILED) {
            return local_error(err, errno, "mapping", li->base.path);
        }
        li->map = p;
        li->map_size = (size_t)st.st_size;
    }
    li->mapped = true;
    return 0;
}

static int input_map(struct fs_input *in, const uint8_t **ret_data, uint64_t *ret_size,
                     struct error *err)
{
    TRY_CTX(err, FAILPOINT(err, "fs.local.map"), "mapping %s", in->path);
    struct local_input *li = input_of(in);
    pthread_mutex_lock(&li->map_lock);
    int rc = li->mapped ? 0 : map_make(li, err);
    pthread_mutex_unlock(&li->map_lock);
    TRY(rc);
    *ret_data = li->map;
    *ret_size = li->map_size;
    return 0;
}

static void input_close(struct fs_input *in)
{
    struct local_input *li = input_of(in);
    if (li->map != NULL) {
        munmap(li->map, li->map_size);
    }
    close(li->fd);
    pthread_mutex_destroy(&li->map_lock);
    mem_free(in->path);
    mem_free(li);
}

static const struct fs_input_ops input_ops = {
    .read_at = input_read_at,
    .read_cached = input_read_cached,
    .advise = input_advise,
    .drop_behind = input_drop_behind,
    .map = input_map,
    .close = input_close,
};

static int check_regular(int fd, const char *path, struct stat *ret_st, struct error *err)
{
    if (fstat(fd, ret_st) < 0) {
        return local_error(err, errno, "opening", path);
    }
    if (S_ISDIR(ret_st->st_mode)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "opening %s: it is a folder; name the files in it, or a glob such as %s/*",
                         path, path);
    }
    if (!S_ISREG(ret_st->st_mode)) {
        return error_set(err, ERR_UNSUPPORTED,
                         "opening %s: it is no regular file (a pipe, socket or device)", path);
    }
    return 0;
}

int local_open(const struct fs_location *at, enum fs_access access, struct fs_input **ret_input,
               struct error *err)
{
    TRY_CTX(err, FAILPOINT(err, "fs.local.open"), "opening %s", at->path);
    /* Non-blocking: opening a pipe would wait for its writer. */
    int fd = open(at->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return local_error(err, errno, "opening", at->path);
    }
    struct stat st;
    int rc = check_regular(fd, at->path, &st, err);
    if (rc < 0) {
        close(fd);
        return rc;
    }
    posix_fadvise(fd, 0, 0,
                  access == FS_ACCESS_SEQUENTIAL ? POSIX_FADV_SEQUENTIAL : POSIX_FADV_RANDOM);
    struct local_input *li = MEM_NEW(struct local_input);
    li->base.ops = &input_ops;
    li->base.path = mem_strdup(at->path);
    li->base.size_bytes = (uint64_t)st.st_size;
    li->fd = fd;
    pthread_mutex_init(&li->map_lock, NULL);
    *ret_input = &li->base;
    return 0;
}
