/* Folders of living processes; see owned_dir.h.
 *
 * A maker creates and locks the lock file before the folder, and a clearer removes the folder before
 * the lock file, so that a folder without a lock file is nobody's of ours.  A clearer may get hold of a
 * lock file between its creation and its locking: the maker notices (no lock, or a file without a name)
 * and takes another id. */
#include "common/fs/owned_dir.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/fs/fs.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char topic[] = "flinc.fs";
static const char lock_suffix[] = ".lock";

enum { MAKE_TRIES = 16 };

/* True: it is gone. */
static bool remove_tree(const char *path)
{
    struct error err = ERROR_INIT;
    int rc = FAILPOINT(&err, "fs.owned_dir.remove");
    rc = rc == 0 ? fs_delete(path, FS_DELETE_RECURSIVE, &err) : rc;
    if (rc < 0 && err.code != ERR_NOT_FOUND) {
        LOG_WARN(topic, "Cannot remove the folder %s, which nobody uses any more: %s", path,
                 err.message);
        return false;
    }
    return true;
}

/* Removes the folder of this lock file when its process is gone. */
static void clear_one(const char *parent, const char *lock_name)
{
    STR_AUTO lock_path = STR_INIT;
    STR_AUTO folder = STR_INIT;
    str_printf(&lock_path, "%s/%s", parent, lock_name);
    int fd = open(str_cstr(&lock_path), O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0) {
        return;
    }
    if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
        str_append(&folder, lock_path.data, lock_path.len - (sizeof(lock_suffix) - 1));
        LOG_INFO(topic, "Removing %s, which a process that is gone has left.", str_cstr(&folder));
        /* Children of the process may still end, and write: then the next one that looks removes it. */
        if (remove_tree(str_cstr(&folder))) {
            (void)unlink(str_cstr(&lock_path));
        }
    }
    (void)close(fd);
}

static void clear_leftovers(const char *parent, const char *prefix)
{
    DIR *dir = opendir(parent);
    struct dirent *e;
    size_t n = strlen(prefix);
    if (dir == NULL) {
        return;
    }
    while ((e = readdir(dir)) != NULL) {
        if (strncmp(e->d_name, prefix, n) == 0 && e->d_name[n] == '-' &&
            cstr_ends_with(e->d_name, lock_suffix)) {
            clear_one(parent, e->d_name);
        }
    }
    (void)closedir(dir);
}

/* 0; 1: somebody took the lock file for a leftover. */
static int lock_file(struct owned_dir *d, struct error *err)
{
    struct stat st;
    char pid[32];
    d->lock_fd = open(d->lock_path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (d->lock_fd < 0) {
        return error_set_errno(err, errno, "making %s", d->lock_path);
    }
    if (flock(d->lock_fd, LOCK_EX | LOCK_NB) < 0 || fstat(d->lock_fd, &st) < 0 ||
        st.st_nlink == 0) {
        (void)close(d->lock_fd);
        d->lock_fd = -1;
        return 1;
    }
    int n = snprintf(pid, sizeof(pid), "%d\n", (int)getpid());
    (void)!write(d->lock_fd, pid, (size_t)n); /* for people */
    return 0;
}

static int try_make(struct owned_dir *d, const char *parent, const char *prefix, struct rng *rng,
                    struct error *err)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO lock_path = STR_INIT;
    struct flinc_id id;
    char hex[ID_HEX_LEN + 1];
    id_random(&id, rng);
    id_format(&id, hex);
    str_printf(&path, "%s/%s-%s", parent, prefix, hex);
    str_printf(&lock_path, "%s%s", str_cstr(&path), lock_suffix);
    d->path = str_take(&path);
    d->lock_path = str_take(&lock_path);
    int rc = lock_file(d, err);
    if (rc == 0 && mkdir(d->path, 0700) < 0) {
        rc = error_set_errno(err, errno, "making the folder %s", d->path);
    }
    if (rc != 0) {
        owned_dir_remove(d);
    }
    return rc;
}

int owned_dir_make(struct owned_dir *d, const char *parent, const char *prefix, struct error *err)
{
    struct fs_location location;
    struct rng rng;
    *d = (struct owned_dir)OWNED_DIR_INIT;
    TRY(FAILPOINT(err, "fs.owned_dir.make"));
    TRY(fs_mkdirs(parent, err));
    TRY(fs_location_parse(parent, &location, err));
    clear_leftovers(location.path, prefix);
    rng_init_system(&rng);
    int rc = 1;
    for (int i = 0; i < MAKE_TRIES && rc > 0; i++) {
        rc = try_make(d, location.path, prefix, &rng, err);
    }
    if (rc > 0) {
        rc = error_set(err, ERR_IO, "cannot keep a lock on a file in %s: another process takes it",
                       location.path);
    }
    fs_location_fini(&location);
    return rc;
}

/* What was left beside a folder. */
static void clear_siblings(const char *path)
{
    STR_AUTO parent = STR_INIT;
    STR_AUTO prefix = STR_INIT;
    const char *name = strrchr(path, '/') + 1, *id = strrchr(path, '-');
    str_append(&parent, path, (size_t)(name - 1 - path));
    str_append(&prefix, name, (size_t)(id - name));
    clear_leftovers(parent.len > 0 ? str_cstr(&parent) : "/", str_cstr(&prefix));
}

void owned_dir_remove(struct owned_dir *d)
{
    if (d->lock_fd >= 0) {
        if (remove_tree(d->path)) {
            (void)unlink(d->lock_path);
        }
        (void)close(d->lock_fd);
        clear_siblings(d->path);
    }
    mem_free(d->path);
    mem_free(d->lock_path);
    *d = (struct owned_dir)OWNED_DIR_INIT;
}
