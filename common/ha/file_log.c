/* Segments and records on disk; see file_log.h. */
#include "common/ha/file_log.h"

#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/fs/fs.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static const char topic[] = "flinc.ha";

enum {
    SWEEP_AGE_S = 3600,     /* leftovers of others that are older are nobody's */
    FOLLOW_TURNS_MAX = 100, /* segments that may come while one is read */
};

/* ---- names -------------------------------------------------------------------------------------------- */

static void segment_path(const struct file_log *log, uint64_t segment, struct str *ret)
{
    str_clear(ret);
    str_printf(ret, "%s/s-%010llu", str_cstr(&log->dir), (unsigned long long)segment);
}

static void record_path(const struct file_log *log, uint64_t number, struct str *ret)
{
    segment_path(log, log->segment, ret);
    str_printf(ret, "/%010llu", (unsigned long long)number);
}

static void temporary_path(struct file_log *log, const char *kind, struct str *ret)
{
    str_clear(ret);
    str_printf(ret, "%s/%s-%016llx", str_cstr(&log->dir), kind,
               (unsigned long long)rng_next(&log->rng));
}

/* ---- files -------------------------------------------------------------------------------------------- */

static int sync_dir(const char *path, struct error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(err, errno, "opening the folder %s", path);
    }
    int rc = fsync(fd) < 0 && errno != EINVAL
                 ? error_set_errno(err, errno, "syncing the folder %s", path)
                 : 0;
    (void)close(fd);
    return rc;
}

/* A new file, on disk; nothing is left of it after a failure. */
static int write_file(const char *path, struct slice bytes, struct error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
    if (fd < 0) {
        return error_set_errno(err, errno, "creating %s (high-availability.storageDir)", path);
    }
    int rc = 0;
    if (fd_write_all(fd, bytes.data, bytes.len) < 0 || fsync(fd) < 0) {
        rc = error_set_errno(err, errno, "writing %s (high-availability.storageDir)", path);
    }
    if (close(fd) < 0 && rc == 0) {
        rc = error_set_errno(err, errno, "closing %s (high-availability.storageDir)", path);
    }
    if (rc < 0) {
        (void)unlink(path);
    }
    return rc;
}

int file_read(const char *path, struct str *ret, struct error *err)
{
    struct stat st;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(err, errno, "opening %s", path);
    }
    int rc = 0;
    str_clear(ret);
    if (fstat(fd, &st) < 0 || st.st_size > FILE_RECORD_BYTES_MAX || !S_ISREG(st.st_mode)) {
        rc = error_set(err, ERR_CORRUPT, "%s is no file of high availability", path);
    }
    while (rc == 0 && ret->len < (size_t)st.st_size) {
        str_reserve(ret, (size_t)st.st_size - ret->len);
        ssize_t n = read(fd, ret->data + ret->len, (size_t)st.st_size - ret->len);
        if (n < 0 && errno != EINTR) {
            rc = error_set_errno(err, errno, "reading %s", path);
        } else if (n == 0) {
            break;
        }
        ret->len += (size_t)MAX(n, 0);
        ret->data[ret->len] = '\0';
    }
    (void)close(fd);
    return rc;
}

int file_put(struct file_log *log, const char *path, struct slice bytes, struct error *err)
{
    STR_AUTO temporary = STR_INIT;
    temporary_path(log, "tmp", &temporary);
    TRY(write_file(str_cstr(&temporary), bytes, err));
    if (rename(str_cstr(&temporary), path) < 0) {
        int cause = errno;
        (void)unlink(str_cstr(&temporary));
        return error_set_errno(err, cause, "renaming to %s", path);
    }
    return sync_dir(str_cstr(&log->dir), err);
}

/* ---- segments ----------------------------------------------------------------------------------------- */

/* The highest segment there is; 0: none. */
static int find_newest(const struct file_log *log, uint64_t *ret, struct error *err)
{
    DIR *d = opendir(str_cstr(&log->dir));
    struct dirent *e;
    uint64_t newest = 0;
    if (d == NULL) {
        return error_set_errno(err, errno, "listing %s (high-availability.storageDir)",
                               str_cstr(&log->dir));
    }
    while ((e = readdir(d)) != NULL) {
        if (strncmp(e->d_name, "s-", 2) == 0) {
            newest = MAX(newest, (uint64_t)strtoull(e->d_name + 2, NULL, 10));
        }
    }
    (void)closedir(d);
    *ret = newest;
    return 0;
}

/* Makes a segment that begins with the state; another process may make the same one at the same time: the contents are
 * the same, one of the two stays. */
static int make_segment(struct file_log *log, uint64_t segment, struct error *err)
{
    STR_AUTO folder = STR_INIT;
    STR_AUTO file = STR_INIT;
    STR_AUTO target = STR_INIT;
    STR_AUTO record = STR_INIT;
    TRY(FAILPOINT(err, "ha.file.before_segment"));
    file_record_state(&log->state, &record);
    temporary_path(log, "tmp", &folder);
    segment_path(log, segment, &target);
    str_printf(&file, "%s/%010d", str_cstr(&folder), 0);
    if (mkdir(str_cstr(&folder), 0755) < 0) {
        return error_set_errno(err, errno, "making the folder %s (high-availability.storageDir)",
                               str_cstr(&folder));
    }
    int rc = write_file(str_cstr(&file), str_slice(&record), err);
    if (rc == 0) {
        rc = sync_dir(str_cstr(&folder), err);
    }
    if (rc == 0 && rename(str_cstr(&folder), str_cstr(&target)) < 0) {
        rc = errno == ENOTEMPTY || errno == EEXIST
                 ? 1
                 : error_set_errno(err, errno, "renaming to %s", str_cstr(&target));
    }
    if (rc != 0) {
        (void)unlink(str_cstr(&file));
        (void)rmdir(str_cstr(&folder));
    }
    if (rc >= 0) {
        rc = sync_dir(str_cstr(&log->dir), err);
    }
    return rc < 0 ? rc : FAILPOINT(err, "ha.file.after_segment");
}

/* Moved away first: a writer that wakes up must find no folder, rather than one in which names have become free. */
static void delete_segment(struct file_log *log, const char *path)
{
    STR_AUTO trash = STR_INIT;
    struct error err = ERROR_INIT;
    temporary_path(log, "trash", &trash);
    if (rename(path, str_cstr(&trash)) < 0) {
        return; /* somebody else does it */
    }
    if (fs_delete(str_cstr(&trash), FS_DELETE_RECURSIVE, &err) < 0) {
        LOG_DEBUG(topic, "%s could not be deleted; a later sweep does it: %s", str_cstr(&trash),
                  err.message);
    }
}

void file_log_sweep(struct file_log *log)
{
    DIR *d = opendir(str_cstr(&log->dir));
    struct dirent *e;
    while (d != NULL && (e = readdir(d)) != NULL) {
        STR_AUTO path = STR_INIT;
        struct stat st;
        struct error ignored = ERROR_INIT;
        str_printf(&path, "%s/%s", str_cstr(&log->dir), e->d_name);
        bool is_segment = strncmp(e->d_name, "s-", 2) == 0;
        bool is_rest = strncmp(e->d_name, "tmp-", 4) == 0 || strncmp(e->d_name, "trash-", 6) == 0 ||
                       strncmp(e->d_name, "beat-", 5) == 0; /* one that is in use is young */
        if (is_segment && strtoull(e->d_name + 2, NULL, 10) < log->segment) {
            delete_segment(log, str_cstr(&path));
        } else if (is_rest && stat(str_cstr(&path), &st) == 0 &&
                   clock_now_ms(&clock_system) / 1000 - st.st_mtime > SWEEP_AGE_S) {
            (void)!fs_delete(str_cstr(&path), FS_DELETE_RECURSIVE, &ignored);
        }
    }
    if (d != NULL) {
        (void)closedir(d);
    }
}

/* ---- reading ------------------------------------------------------------------------------------------ */

static int apply_next(struct file_log *log, struct slice bytes, const char *path, struct error *err)
{
    TRY_CTX(err, file_record_apply(&log->state, bytes, log->next == 0, err), "reading %s", path);
    log->bytes += log->next > 0 ? bytes.len : 0;
    log->next++;
    return 0;
}

/* 1: a record was read; 0: there is no further one. */
static int read_next(struct file_log *log, struct error *err)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO bytes = STR_INIT;
    record_path(log, log->next, &path);
    int rc = file_read(str_cstr(&path), &bytes, err);
    if (rc == ERR_NOT_FOUND) {
        error_clear(err);
        return 0;
    }
    TRY(rc);
    TRY(apply_next(log, str_slice(&bytes), str_cstr(&path), err));
    return 1;
}

static int read_segment(struct file_log *log, struct error *err)
{
    int rc;
    while (!log->state.closed && (rc = read_next(log, err)) != 0) {
        TRY(rc);
    }
    return 0;
}

static void begin_segment(struct file_log *log, uint64_t segment)
{
    log->segment = segment;
    log->next = 0;
    log->bytes = 0;
    log->state.closed = false;
}

int file_log_follow(struct file_log *log, struct error *err)
{
    for (int turn = 0; turn < FOLLOW_TURNS_MAX; turn++) {
        uint64_t newest;
        TRY(find_newest(log, &newest, err));
        if (newest == 0 && log->segment > 0) {
            return error_set(err, ERR_CORRUPT,
                             "the folder %s has been emptied while the cluster runs",
                             str_cstr(&log->dir));
        }
        if (newest == 0) {
            TRY(make_segment(log, 1, err));
            continue;
        }
        if (newest > log->segment) {
            begin_segment(log, newest);
        }
        TRY(read_segment(log, err));
        if (log->next == 0) {
            continue; /* it was moved away meanwhile: there is a newer one */
        }
        if (!log->state.closed) {
            return 0;
        }
        uint64_t successor = log->segment + 1;
        TRY(find_newest(log, &newest, err));
        if (newest < successor) {
            TRY(make_segment(log, successor, err));
        }
    }
    return error_set(err, ERR_CORRUPT, "the newest segment of %s has no beginning",
                     str_cstr(&log->dir));
}

int file_log_open(struct file_log *log, const char *dir, struct error *err)
{
    *log = (struct file_log){.dir = STR_INIT};
    rng_init_system(&log->rng);
    file_state_init(&log->state);
    str_append_cstr(&log->dir, dir);
    TRY_CTX(err, fs_mkdirs(dir, err), "making the folder of high availability");
    return file_log_follow(log, err);
}

void file_log_close(struct file_log *log)
{
    file_state_fini(&log->state);
    str_fini(&log->dir);
}

/* ---- writing ------------------------------------------------------------------------------------------ */

bool file_log_is_overtaken(const struct file_log *log)
{
    STR_AUTO path = STR_INIT;
    record_path(log, log->next, &path);
    if (access(str_cstr(&path), F_OK) == 0) {
        return true;
    }
    segment_path(log, log->segment, &path);
    return access(str_cstr(&path), F_OK) < 0 && errno == ENOENT;
}

static int fenced(struct error *err)
{
    return error_set(err, ERR_FENCED, "another job manager leads");
}

/* The link failed in a way that says nothing: what is there now does. */
static int find_out(const char *path, struct slice record, int cause, struct error *err)
{
    STR_AUTO there = STR_INIT;
    struct error ignored = ERROR_INIT;
    int rc = file_read(path, &there, &ignored);
    if (rc == 0) {
        return there.len == record.len && memcmp(there.data, record.data, record.len) == 0
                   ? 0
                   : fenced(err);
    }
    error_set_errno(err, cause, "writing %s", path);
    error_context(err, "nobody knows whether it happened");
    return ERR_TIMEOUT;
}

/* The name is taken exactly once. */
static int link_record(struct file_log *log, const char *temporary, const char *path,
                       struct slice record, struct error *err)
{
    STR_AUTO folder = STR_INIT;
    if (link(temporary, path) < 0) {
        int cause = errno;
        if (cause == EEXIST || cause == ENOENT || cause == ENOTDIR) {
            return fenced(err);
        }
        if (cause == ENOSPC || cause == EDQUOT || cause == EACCES || cause == EPERM ||
            cause == EROFS || cause == EMLINK) {
            return error_set_errno(err, cause, "writing %s (high-availability.storageDir)", path);
        }
        TRY(find_out(path, record, cause, err));
    }
    /* It may have gone into a folder that was moved away between the look-up of its name and the link. */
    if (access(path, F_OK) < 0) {
        return fenced(err);
    }
    segment_path(log, log->segment, &folder);
    return sync_dir(str_cstr(&folder), err) < 0 ? ERR_TIMEOUT : 0;
}

int file_log_append(struct file_log *log, struct slice record, struct error *err)
{
    STR_AUTO temporary = STR_INIT;
    STR_AUTO path = STR_INIT;
    temporary_path(log, "tmp", &temporary);
    record_path(log, log->next, &path);
    TRY(write_file(str_cstr(&temporary), record, err));
    int rc = FAILPOINT(err, "ha.file.before_record");
    if (rc == 0) {
        rc = link_record(log, str_cstr(&temporary), str_cstr(&path), record, err);
    }
    (void)unlink(str_cstr(&temporary));
    TRY(rc);
    if (FAILPOINT(err, "ha.file.after_record") < 0) {
        return ERR_TIMEOUT;
    }
    int applied = apply_next(log, record, str_cstr(&path), err);
    ASSERT(applied == 0);
    return 0;
}

int file_log_take(struct file_log *log, const struct flinc_id *owner, uint64_t epoch,
                  const char *owner_name, struct error *err)
{
    STR_AUTO record = STR_INIT;
    TRY(FAILPOINT(err, "ha.file.before_close"));
    file_record_close(owner, epoch, owner_name, &record);
    TRY(file_log_append(log, str_slice(&record), err));
    TRY(FAILPOINT(err, "ha.file.after_close"));
    int rc = file_log_follow(log, err);
    return rc == 0 && !id_eq(&log->state.owner, owner) ? fenced(err) : rc;
}
