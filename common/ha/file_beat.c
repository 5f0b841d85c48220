/* Signs of life in a shared folder; see file_beat.h. */
#include "common/ha/file_beat.h"

#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <unistd.h>

enum { BOOT_ID_LEN = 36, BEAT_BYTES = BOOT_ID_LEN + 1 + 20 + 1 }; /* "<boot id> <number>\n" */

static void boot_id(char ret[BOOT_ID_LEN + 1])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, ret, BOOT_ID_LEN) : -1;
    if (fd >= 0) {
        (void)close(fd);
    }
    if (n != BOOT_ID_LEN) { /* then hosts cannot be told apart, and only the number counts */
        memset(ret, '?', BOOT_ID_LEN);
    }
    ret[BOOT_ID_LEN] = '\0';
}

static void beat_path(const char *dir, const struct flinc_id *token, struct str *ret)
{
    char hex[ID_HEX_LEN + 1];
    id_format(token, hex);
    str_clear(ret);
    str_printf(ret, "%s/beat-%s", dir, hex);
}

int file_beat_begin(struct file_beat *b, const char *dir, const struct flinc_id *token,
                    struct error *err)
{
    *b = (struct file_beat)FILE_BEAT_INIT;
    beat_path(dir, token, &b->path);
    b->fd = open(str_cstr(&b->path), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (b->fd < 0) {
        int cause = errno;
        STR_AUTO path = b->path;
        b->path = (struct str)STR_INIT;
        return error_set_errno(err, cause, "creating %s (high-availability.storageDir)",
                               str_cstr(&path));
    }
    (void)flock(b->fd,
                LOCK_EX | LOCK_NB); /* where there are no locks, the number is all there is */
    int rc = file_beat_again(b, err);
    if (rc < 0) {
        file_beat_end(b);
    }
    return rc;
}

int file_beat_again(struct file_beat *b, struct error *err)
{
    char text[BEAT_BYTES + 1];
    char host[BOOT_ID_LEN + 1];
    TRY(FAILPOINT(err, "ha.file.before_beat"));
    boot_id(host);
    (void)snprintf(text, sizeof(text), "%s %020llu\n", host, (unsigned long long)++b->count);
    if (fd_write_all_at(b->fd, text, BEAT_BYTES, 0) < 0) {
        return error_set_errno(err, errno, "writing %s (high-availability.storageDir)",
                               str_cstr(&b->path));
    }
    return 0;
}

void file_beat_end(struct file_beat *b)
{
    if (b->fd >= 0) {
        (void)unlink(str_cstr(&b->path));
        (void)close(b->fd);
    }
    str_fini(&b->path);
    *b = (struct file_beat)FILE_BEAT_INIT;
}

void file_beat_remove(const char *dir, const struct flinc_id *token)
{
    STR_AUTO path = STR_INIT;
    beat_path(dir, token, &path);
    (void)unlink(str_cstr(&path));
}

/* ---- watching ---------------------------------------------------------------------------------------- */

enum look {
    LOOK_GONE,
    LOOK_UNLOCKED, /* on this host, and nobody holds it: its process has ended */
    LOOK_THERE,
};

static enum look look_at(const char *path, uint64_t *ret_count)
{
    char text[BEAT_BYTES + 1] = {0};
    char host[BOOT_ID_LEN + 1];
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return errno == ENOENT ? LOOK_GONE : LOOK_THERE;
    }
    enum look look = LOOK_THERE;
    boot_id(host);
    if (pread(fd, text, BEAT_BYTES, 0) == BEAT_BYTES) {
        *ret_count = strtoull(text + BOOT_ID_LEN + 1, NULL, 10);
        if (host[0] != '?' && strncmp(text, host, BOOT_ID_LEN) == 0 &&
            flock(fd, LOCK_SH | LOCK_NB) == 0) {
            look = LOOK_UNLOCKED;
        }
    }
    (void)close(fd);
    return look;
}

bool file_watch_is_dead(struct file_watch *w, const char *dir, const struct flinc_id *token,
                        int64_t timeout_ms, const char **ret_why)
{
    STR_AUTO path = STR_INIT;
    const char *why = "its process has ended";
    uint64_t count = w->count;
    int64_t now = clock_monotonic_ns(&clock_system);
    beat_path(dir, token, &path);
    enum look look = look_at(str_cstr(&path), &count);
    bool is_new = !id_eq(&w->token, token) || count != w->count;
    bool slept =
        now - w->looked_ns > timeout_ms * 1000000 / 2; /* this process was stopped itself */
    if (is_new || slept || w->looked_ns == 0) {
        *w = (struct file_watch){.token = *token, .count = count, .changed_ns = now};
    }
    w->looked_ns = now;
    bool silent = now - w->changed_ns >= timeout_ms * 1000000;
    if (look == LOOK_THERE) {
        why = "it gives no sign of life (high-availability.file.session-timeout)";
    }
    if (ret_why != NULL) {
        *ret_why = why;
    }
    return look != LOOK_THERE || silent;
}
