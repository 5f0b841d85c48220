/* The local file system: names (status, listing, folders, renaming) and the driver's table.  Reading
 * is in local_input.c, writing in local_output.c, deleting in local_remove.c.
 *
 * Thread: any (no state).  Flink: LocalFileSystem. */
#include "common/fs/local_file.h"

#include "common/base/failpoint.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- errors ----------------------------------------------------------------------------------- */

static const struct {
    int errno_value;
    const char *remedy;
} remedies[] = {
    {ENOENT, "check the spelling"},
    {ENOTDIR, "a part of the path is a file and no folder"},
    {EACCES, "check the permissions of it and of every folder above it"},
    {EPERM, "check its owner and attributes"},
    {EROFS, "the file system is mounted read-only; choose another folder"},
    {ENOSPC, "free space on its file system, or choose another folder"},
    {EDQUOT, "the disk quota of this user is used up; free space, or choose another folder"},
    {EMFILE, "raise the limit of open files of this process (ulimit -n)"},
    {ENFILE, "raise the system's limit of open files (sysctl fs.file-max)"},
    {EFBIG, "over the largest file that its file system or ulimit -f allows"},
    {EIO, "the disk reports a failure; see the kernel's log"},
    {ENOTEMPTY, "the folder is not empty"},
    {EXDEV, "these are different file systems; copy instead"},
    {ELOOP, "too many symbolic links, or a link that leads to itself"},
    {EBUSY, "it is in use, for instance as a mount point"},
    {ENAMETOOLONG, "shorten the name"},
    {EEXIST, "choose another name, or delete it first"},
    {EISDIR, "it is a folder"},
};

int local_error(struct error *err, int errno_value, const char *doing, const char *path)
{
    const char *remedy = NULL;
    for (size_t i = 0; i < ARRAY_LEN(remedies) && remedy == NULL; i++) {
        remedy = remedies[i].errno_value == errno_value ? remedies[i].remedy : NULL;
    }
    char reason[128];
    return error_set(err, error_code_from_errno(errno_value), "%s %s: %s%s%s", doing, path,
                     strerror_r(errno_value, reason, sizeof(reason)), remedy != NULL ? "; " : "",
                     remedy != NULL ? remedy : "");
}

/* ---- status ----------------------------------------------------------------------------------- */

static void status_from_stat(const struct stat *st, struct fs_status *ret)
{
    *ret = (struct fs_status){
        .kind = S_ISREG(st->st_mode)   ? FS_KIND_FILE
                : S_ISDIR(st->st_mode) ? FS_KIND_DIRECTORY
                : S_ISLNK(st->st_mode) ? FS_KIND_SYMLINK
                                       : FS_KIND_OTHER,
        .size_bytes = S_ISREG(st->st_mode) ? (uint64_t)st->st_size : 0,
        .modified_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000,
    };
}

/* Status of a name in a folder (or of a path, with AT_FDCWD); 0 or an errno value.  A dangling link is
 * a link; others say what they lead to. */
static int status_at(int dir_fd, const char *name, struct fs_status *ret)
{
    struct stat link, st;
    if (fstatat(dir_fd, name, &link, AT_SYMLINK_NOFOLLOW) < 0) {
        return errno;
    }
    bool is_link = S_ISLNK(link.st_mode);
    if (!is_link || fstatat(dir_fd, name, &st, 0) < 0) {
        st = link;
    }
    status_from_stat(&st, ret);
    ret->is_link = is_link;
    return 0;
}

static int local_stat(const struct fs_location *at, struct fs_status *ret_status, struct error *err)
{
    TRY(FAILPOINT(err, "fs.local.stat"));
    struct fs_status status;
    int errno_value = status_at(AT_FDCWD, at->path, &status);
    if (errno_value == 0 && status.kind == FS_KIND_SYMLINK) {
        return error_set(err, ERR_NOT_FOUND, "%s is a symbolic link to nothing", at->path);
    }
    if (errno_value != 0) {
        return local_error(err, errno_value, "looking at", at->path);
    }
    *ret_status = status;
    return 0;
}

/* ---- listing ---------------------------------------------------------------------------------- */

static int list_entries(DIR *dir, const char *path, struct fs_list *list, struct error *err)
{
    STR_AUTO full = STR_INIT;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(dir);
        if (e == NULL) {
            return errno != 0 ? local_error(err, errno, "listing", path) : 0;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        struct fs_status status;
        int errno_value = status_at(dirfd(dir), e->d_name, &status);
        if (errno_value == ENOENT) {
            continue; /* gone meanwhile */
        }
        str_clear(&full);
        str_printf(&full, "%s/%s", strcmp(path, "/") == 0 ? "" : path, e->d_name);
        if (errno_value != 0) {
            return local_error(err, errno_value, "looking at", str_cstr(&full));
        }
        TRY(fs_list_add(list, e->d_name, str_cstr(&full), &status, err));
    }
}

static int local_list(const struct fs_location *at, struct fs_list *ret_list, struct error *err)
{
    TRY(FAILPOINT(err, "fs.local.list"));
    DIR *dir = opendir(at->path);
    if (dir == NULL) {
        return local_error(err, errno, "listing", at->path);
    }
    int rc = list_entries(dir, at->path, ret_list, err);
    closedir(dir);
    return rc;
}

/* ---- folders ---------------------------------------------------------------------------------- */

/* Makes one folder; fine when it is there. */
static int mkdir_one(const char *path, struct error *err)
{
    if (mkdir(path, 0777) == 0) {
        return 0;
    }
    int errno_value = errno;
    struct stat st;
    if (errno_value == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return 0;
    }
    if (errno_value == EEXIST) {
        return error_set(err, ERR_ALREADY_EXISTS, "making folder %s: there is a file of that name",
                         path);
    }
    return local_error(err, errno_value, "making folder", path);
}

int local_mkdirs_path(const char *path, struct error *err)
{
    TRY(FAILPOINT(err, "fs.local.mkdirs"));
    struct stat st;
    if (stat(path, &st) == 0 && S_ISDIR(st.st_mode)) {
        return 0; /* folders above it may be unreadable, that is no concern */
    }
    char *part = mem_strdup(path);
    int rc = 0;
    for (char *slash = strchr(part + 1, '/'); slash != NULL && rc == 0;
         slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        rc = mkdir_one(part, err);
        *slash = '/';
    }
    if (rc == 0) {
        rc = mkdir_one(part, err);
    }
    mem_free(part);
    return rc;
}

static int local_mkdirs(const struct fs_location *at, struct error *err)
{
    return local_mkdirs_path(at->path, err);
}

/* The folder of a path, in a heap string. */
static char *parent_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash == path ? mem_strdup("/") : mem_strndup(path, (size_t)(slash - path));
}

int local_make_parent(const char *path, struct error *err)
{
    char *parent = parent_of(path);
    int rc = local_mkdirs_path(parent, err);
    mem_free(parent);
    return rc;
}

static int sync_folder_path(const char *path, struct error *err)
{
    int rc = FAILPOINT(err, "fs.local.sync_parent");
    int fd = rc == 0 ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    /* Some file systems cannot sync a folder (EINVAL); there is nothing more to do on those. */
    if (rc == 0 && (fd < 0 || (fsync(fd) < 0 && errno != EINVAL))) {
        rc = local_error(err, errno, "syncing folder", path);
    }
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static int local_sync_folder(const struct fs_location *at, struct error *err)
{
    return sync_folder_path(at->path, err);
}

int local_sync_parent(const char *path, struct error *err)
{
    char *parent = parent_of(path);
    int rc = sync_folder_path(parent, err);
    mem_free(parent);
    return rc;
}

static int local_rename(const struct fs_location *from, const struct fs_location *to,
                        struct error *err)
{
    TRY(FAILPOINT(err, "fs.local.rename"));
    if (rename(from->path, to->path) < 0) {
        int rc = local_error(err, errno, "renaming", from->path);
        error_context(err, "renaming it to %s", to->path);
        return rc;
    }
    return 0;
}

const struct fs_driver fs_driver_local = {
    .scheme = "file",
    .description = "local files",
    .open = local_open,
    .create = local_create,
    .stat = local_stat,
    .list = local_list,
    .mkdirs = local_mkdirs,
    .rename = local_rename,
    .remove = local_remove,
    .sync_folder = local_sync_folder,
    .recoverable = &recoverable_ops_local,
};
