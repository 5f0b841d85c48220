/* Listing and reading log files; see log_files.h. */
#include "common/process/log_files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static void close_dir(DIR **dir)
{
    if (*dir != NULL) {
        closedir(*dir);
    }
}

static int open_dir(const char *path, DIR **ret, struct error *err)
{
    DIR *dir = opendir(path);
    if (dir == NULL) {
        return error_set_errno(err, errno, "opening the log folder %s", path);
    }
    *ret = dir;
    return 0;
}

static int compare_files(const void *a, const void *b)
{
    return strcmp(((const struct log_file *)a)->name, ((const struct log_file *)b)->name);
}

int log_files_list(const char *dir, struct vec *ret_files, struct error *err)
{
    CLEANUP(close_dir) DIR *d = NULL;
    TRY(open_dir(dir, &d, err));
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        struct stat st;
        if (fstatat(dirfd(d), e->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0 || !S_ISREG(st.st_mode)) {
            continue;
        }
        *VEC_PUSH(ret_files, struct log_file) = (struct log_file){
            .name = mem_strdup(e->d_name),
            .size = (uint64_t)st.st_size,
            .mtime_ms = st.st_mtim.tv_sec * INT64_C(1000) + st.st_mtim.tv_nsec / 1000000,
        };
    }
    if (ret_files->len > 1) {
        qsort(ret_files->data, ret_files->len, sizeof(struct log_file), compare_files);
    }
    while (ret_files->len > LOG_FILES_MAX) {
        mem_free(VEC_AT(ret_files, struct log_file, ret_files->len - 1)->name);
        vec_pop(ret_files);
    }
    return 0;
}

void log_files_fini(struct vec *files)
{
    for (size_t i = 0; i < files->len; i++) {
        mem_free(VEC_AT(files, struct log_file, i)->name);
    }
    vec_fini(files);
}

/* Takes the descriptor. */
static int read_part(int fd, const char *name, uint64_t offset, size_t max, struct str *ret_data,
                     uint64_t *ret_total, struct error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
        close(fd);
        return error_set(err, ERR_NOT_FOUND, "%s is not a file", name);
    }
    uint64_t size = (uint64_t)st.st_size;
    size_t want = offset < size ? (size_t)MIN((uint64_t)max, size - offset) : 0;
    size_t start = ret_data->len;
    char buffer[64 * 1024];
    while (want > 0) {
        ssize_t n = pread(fd, buffer, MIN(want, sizeof(buffer)), (off_t)offset);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            int rc = error_set_errno(err, errno, "reading %s", name);
            close(fd);
            ret_data->len = start;
            return rc;
        }
        if (n == 0) { /* it was cut meanwhile */
            break;
        }
        str_append(ret_data, buffer, (size_t)n);
        offset += (uint64_t)n;
        want -= (size_t)n;
    }
    close(fd);
    *ret_total = size;
    return 0;
}

int log_files_open(const char *dir, const char *name, int *ret_fd, uint64_t *ret_size,
                   struct error *err)
{
    CLEANUP(close_dir) DIR *d = NULL;
    TRY(open_dir(dir, &d, err));
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        if (strcmp(e->d_name, name) != 0) {
            continue;
        }
        struct stat st;
        int fd = openat(dirfd(d), e->d_name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) {
            *ret_fd = fd;
            *ret_size = (uint64_t)st.st_size;
            return 0;
        }
        if (fd >= 0) {
            close(fd);
        }
        break;
    }
    return error_set(err, ERR_NOT_FOUND, "there is no log file of that name");
}

int log_files_read(const char *dir, const char *name, uint64_t offset, size_t max,
                   struct str *ret_data, uint64_t *ret_total, struct error *err)
{
    uint64_t size;
    int fd;
    TRY(log_files_open(dir, name, &fd, &size, err));
    return read_part(fd, name, offset, max, ret_data, ret_total, err);
}

int log_file_read(const char *path, uint64_t offset, size_t max, struct str *ret_data,
                  uint64_t *ret_total, struct error *err)
{
    int fd = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(err, errno, "opening %s", path);
    }
    return read_part(fd, path, offset, max, ret_data, ret_total, err);
}
