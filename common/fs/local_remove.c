/* Deleting local files and trees.  A tree is walked by descriptors of its folders, and a link in it is
 * removed as a link: nothing outside can be reached, even when somebody swaps a folder for a link
 * meanwhile.  Thread: any (no state). */
#include "common/fs/local_file.h"

#include "common/base/failpoint.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static int remove_name(int dir_fd, const char *name, struct str *path, int depth,
                       struct error *err);

static int remove_content(DIR *dir, struct str *path, int depth, struct error *err)
{
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(dir);
        if (e == NULL) {
            return errno != 0 ? local_error(err, errno, "deleting", str_cstr(path)) : 0;
        }
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        size_t len = path->len;
        str_append_char(path, '/');
        str_append_cstr(path, e->d_name);
        int rc = remove_name(dirfd(dir), e->d_name, path, depth + 1, err);
        path->len = len;
        path->data[len] = '\0';
        TRY(rc);
    }
}

/* Opens `name` when it is a folder and no link; -1 and errno ENOTDIR or ELOOP when it is something
 * else. */
static int open_folder(int dir_fd, const char *name)
{
    return openat(dir_fd, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
}

/* Removes `name` in a folder and what is in it; gone already is fine below the top. */
static int remove_name(int dir_fd, const char *name, struct str *path, int depth, struct error *err)
{
    if (depth > FS_DEPTH_MAX) {
        return error_set(err, ERR_LIMIT, "deleting %s: more than %d folders in each other",
                         str_cstr(path), FS_DEPTH_MAX);
    }
    int fd = open_folder(dir_fd, name);
    int flags = AT_REMOVEDIR;
    if (fd >= 0) {
        DIR *dir = fdopendir(fd);
        int rc = remove_content(dir, path, depth, err);
        closedir(dir);
        TRY(rc);
    } else if (errno == ENOTDIR || errno == ELOOP) {
        flags = 0;
    } else if (!(errno == ENOENT && depth > 0)) {
        return local_error(err, errno, "deleting", str_cstr(path));
    }
    if (unlinkat(dir_fd, name, flags) < 0 && !(errno == ENOENT && depth > 0)) {
        return local_error(err, errno, "deleting", str_cstr(path));
    }
    return 0;
}

int local_remove(const struct fs_location *at, enum fs_delete_mode mode, struct error *err)
{
    TRY_CTX(err, FAILPOINT(err, "fs.local.delete"), "deleting %s", at->path);
    if (mode == FS_DELETE_RECURSIVE) {
        STR_AUTO path = STR_INIT;
        str_append_cstr(&path, at->path);
        return remove_name(AT_FDCWD, at->path, &path, 0, err);
    }
    struct stat st;
    if (lstat(at->path, &st) < 0 ||
        (S_ISDIR(st.st_mode) ? rmdir(at->path) : unlink(at->path)) < 0) {
        return local_error(err, errno, "deleting", at->path);
    }
    return 0;
}
