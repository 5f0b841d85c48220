/* A file system as a plug-in: folder://NAME/path is a file below the local folder that `fs.plugin.folder.root` names, in NAME.
 *
 *   mkdir plugins/folder && cp examples/filesystem_folder.so plugins/folder/
 *   bin/flink run -t local -D fs.plugin.folder.root=/tmp/mine examples/wordcount.so --input folder://texts/book.txt
 *
 * To see what failures look like: `fs.plugin.folder.fail: write` lets every write fail, `write:3` the third one alone, of each
 * process; other words are open, read, create, sync, finish, stat, list, mkdirs, rename, remove, commit.
 *
 * It shows all that a plug-in has (flinc/filesystem.h): recoverable files are `.NAME.part.RANDOM` beside their target, and the token is
 * that name. */
#include <flinc/filesystem.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

struct folder {
    char root[PATH_BYTES];
    char fails[32];            /* the operation that does; "" for none */
    long fails_at;             /* 0: always */
    atomic_long reached;       /* how often it came */
    atomic_uint_fast64_t next; /* of names of unfinished files */
};

/* ---- what all share ------------------------------------------------------------------------------- */

static int fail_errno(flinc_fs_error *error, int number, const char *doing, const char *path)
{
    enum flinc_fs_code code = number == ENOENT                       ? FLINC_FS_NOT_FOUND
                              : number == EEXIST                     ? FLINC_FS_ALREADY_EXISTS
                              : number == EACCES || number == EPERM  ? FLINC_FS_PERMISSION
                              : number == ENOSPC || number == EDQUOT ? FLINC_FS_NO_SPACE
                              : number == ENOTDIR || number == EISDIR || number == ENOTEMPTY
                                  ? FLINC_FS_INVALID
                                  : FLINC_FS_IO;
    return flinc_fs_fail(error, code, "%s %s: %s", doing, path, strerror(number));
}

/* Fails when the settings say so. */
static int check(struct folder *f, const char *operation, flinc_fs_error *error)
{
    if (strcmp(f->fails, operation) != 0) {
        return 0;
    }
    long n = atomic_fetch_add(&f->reached, 1) + 1;
    return f->fails_at == 0 || f->fails_at == n
               ? flinc_fs_fail(error, FLINC_FS_UNAVAILABLE,
                               "%s fails, as fs.plugin.folder.fail asks for", operation)
               : 0;
}

/* The local file of a location.  Paths have no "..", so it stays below the root. */
static int locate(const struct folder *f, const flinc_fs_path *path, char *ret,
                  flinc_fs_error *error)
{
    if (path->authority[0] == '\0' || path->authority[0] == '.') {
        return flinc_fs_fail(error, FLINC_FS_INVALID, "%s: a name stands behind folder://",
                             path->uri);
    }
    int n = snprintf(ret, PATH_BYTES, "%s/%s%s", f->root, path->authority,
                     strcmp(path->path, "/") == 0 ? "" : path->path);
    return n > 0 && n < PATH_BYTES - 64
               ? 0
               : flinc_fs_fail(error, FLINC_FS_INVALID, "%s is too long", path->uri);
}

static int make_folders(char *path, flinc_fs_error *error)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        int bad = mkdir(path, 0777) < 0 && errno != EEXIST;
        int number = errno;
        *slash = '/';
        if (bad) {
            return fail_errno(error, number, "making the folders of", path);
        }
    }
    return 0;
}

static int write_all(int fd, const char *path, const void *data, size_t size, flinc_fs_error *error)
{
    const char *rest = data;
    while (size > 0) {
        ssize_t n = write(fd, rest, size);
        if (n < 0 && errno != EINTR) {
            return fail_errno(error, errno, "writing", path);
        }
        if (n > 0) {
            rest += n;
            size -= (size_t)n;
        }
    }
    return 0;
}

/* ---- the process ---------------------------------------------------------------------------------- */

static int start(const flinc_fs_settings *settings, void **ret_fs, flinc_fs_error *error)
{
    const char *root = settings->get(settings, "root");
    const char *fails = settings->get(settings, "fail");
    if (!root || root[0] != '/' || strlen(root) >= PATH_BYTES / 2) {
        return flinc_fs_fail(
            error, FLINC_FS_INVALID,
            "fs.plugin.folder.root must name the local folder of folder://, from its root on");
    }
    struct folder *f = calloc(1, sizeof(*f));
    if (!f) {
        return flinc_fs_fail(error, FLINC_FS_IO, "out of memory");
    }
    strcpy(f->root, root);
    if (fails) {
        const char *colon = strchr(fails, ':');
        snprintf(f->fails, sizeof(f->fails), "%.*s",
                 colon ? (int)(colon - fails) : (int)strlen(fails), fails);
        f->fails_at = colon ? strtol(colon + 1, NULL, 10) : 0;
    }
    *ret_fs = f;
    return 0;
}

static void stop(void *fs)
{
    free(fs);
}

/* ---- reading -------------------------------------------------------------------------------------- */

struct file {
    struct folder *f;
    int fd;
    char path[PATH_BYTES];
};

static struct file *file_new(struct folder *f, int fd, const char *path)
{
    struct file *file = malloc(sizeof(*file));
    if (!file) {
        abort();
    }
    file->f = f;
    file->fd = fd;
    snprintf(file->path, sizeof(file->path), "%s", path);
    return file;
}

static int open_file(void *fs, const flinc_fs_path *path, void **ret_file, uint64_t *ret_size,
                     flinc_fs_error *error)
{
    char local[PATH_BYTES];
    struct stat st;
    int rc = check(fs, "open", error);
    if (rc || (rc = locate(fs, path, local, error))) {
        return rc;
    }
    int fd = open(local, O_RDONLY | O_CLOEXEC);
    if (fd < 0 || fstat(fd, &st) < 0) {
        return fail_errno(error, errno, "opening", local);
    }
    if (!S_ISREG(st.st_mode)) {
        close(fd);
        return flinc_fs_fail(error, FLINC_FS_INVALID, "%s is no file", local);
    }
    *ret_file = file_new(fs, fd, local);
    *ret_size = (uint64_t)st.st_size;
    return 0;
}

static int read_at(void *arg, uint64_t offset, void *buf, size_t size, size_t *ret_n,
                   flinc_fs_error *error)
{
    struct file *file = arg;
    size_t done = 0;
    int rc = check(file->f, "read", error);
    while (!rc && done < size) {
        ssize_t n = pread(file->fd, (char *)buf + done, size - done, (off_t)(offset + done));
        if (n < 0 && errno != EINTR) {
            return fail_errno(error, errno, "reading", file->path);
        }
        if (n == 0) {
            break;
        }
        done += n > 0 ? (size_t)n : 0;
    }
    *ret_n = done;
    return rc;
}

static void close_file(void *arg)
{
    struct file *file = arg;
    close(file->fd);
    free(file);
}

/* ---- writing -------------------------------------------------------------------------------------- */

static int create(void *fs, const flinc_fs_path *path, enum flinc_fs_create_mode mode,
                  void **ret_output, flinc_fs_error *error)
{
    char local[PATH_BYTES];
    int rc = check(fs, "create", error);
    if (rc || (rc = locate(fs, path, local, error)) || (rc = make_folders(local, error))) {
        return rc;
    }
    int fd = open(local,
                  O_WRONLY | O_CREAT | O_CLOEXEC | (mode == FLINC_FS_CREATE_NEW ? O_EXCL : O_TRUNC),
                  0666);
    if (fd < 0) {
        return fail_errno(error, errno, "creating", local);
    }
    *ret_output = file_new(fs, fd, local);
    return 0;
}

static int write_output(void *arg, const void *data, size_t size, flinc_fs_error *error)
{
    struct file *file = arg;
    int rc = check(file->f, "write", error);
    return rc ? rc : write_all(file->fd, file->path, data, size, error);
}

static int sync_output(void *arg, flinc_fs_error *error)
{
    struct file *file = arg;
    int rc = check(file->f, "sync", error);
    return rc ? rc : fsync(file->fd) < 0 ? fail_errno(error, errno, "syncing", file->path) : 0;
}

static int finish(void *arg, flinc_fs_error *error)
{
    struct file *file = arg;
    int rc = check(file->f, "finish", error);
    close_file(file);
    return rc;
}

/* ---- names ---------------------------------------------------------------------------------------- */

static void fill_status(const struct stat *st, flinc_fs_status *ret)
{
    ret->kind = S_ISDIR(st->st_mode) ? FLINC_FS_FOLDER : FLINC_FS_FILE;
    ret->size_bytes = S_ISDIR(st->st_mode) ? 0 : (uint64_t)st->st_size;
    ret->modified_ms = (int64_t)st->st_mtim.tv_sec * 1000 + st->st_mtim.tv_nsec / 1000000;
}

static int stat_path(void *fs, const flinc_fs_path *path, flinc_fs_status *ret_status,
                     flinc_fs_error *error)
{
    char local[PATH_BYTES];
    struct stat st;
    int rc = check(fs, "stat", error);
    if (rc || (rc = locate(fs, path, local, error))) {
        return rc;
    }
    if (stat(local, &st) < 0) {
        return fail_errno(error, errno, "looking at", local);
    }
    fill_status(&st, ret_status);
    return 0;
}

static int list(void *fs, const flinc_fs_path *path,
                int (*add)(void *arg, const char *name, const flinc_fs_status *status), void *arg,
                flinc_fs_error *error)
{
    char local[PATH_BYTES];
    int rc = check(fs, "list", error);
    if (rc || (rc = locate(fs, path, local, error))) {
        return rc;
    }
    DIR *d = opendir(local);
    if (!d) {
        return fail_errno(error, errno, "listing", local);
    }
    for (struct dirent *e; !rc && (e = readdir(d));) {
        struct stat st;
        flinc_fs_status status = {.struct_size = sizeof(status)};
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..") &&
            fstatat(dirfd(d), e->d_name, &st, 0) == 0) {
            fill_status(&st, &status);
            rc = add(arg, e->d_name, &status);
        }
    }
    closedir(d);
    return rc;
}

static int mkdirs(void *fs, const flinc_fs_path *path, flinc_fs_error *error)
{
    char local[PATH_BYTES];
    int rc = check(fs, "mkdirs", error);
    if (rc || (rc = locate(fs, path, local, error))) {
        return rc;
    }
    strcat(local, "/");
    return make_folders(local, error);
}

/* The names in a file's folder survive a crash. */
static int sync_folder_of(char *local, flinc_fs_error *error)
{
    char *slash = strrchr(local, '/');
    *slash = '\0';
    int fd = open(local, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int rc = fd < 0 || fsync(fd) < 0 ? fail_errno(error, errno, "syncing", local) : 0;
    if (fd >= 0) {
        close(fd);
    }
    return rc;
}

static int rename_path(void *fs, const flinc_fs_path *from, const flinc_fs_path *to,
                       flinc_fs_error *error)
{
    char old[PATH_BYTES], new_name[PATH_BYTES];
    int rc = check(fs, "rename", error);
    if (rc || (rc = locate(fs, from, old, error)) || (rc = locate(fs, to, new_name, error))) {
        return rc;
    }
    return rename(old, new_name) < 0 ? fail_errno(error, errno, "renaming", old)
                                     : sync_folder_of(new_name, error);
}

static int remove_tree(const char *local, flinc_fs_error *error)
{
    struct stat st;
    if (lstat(local, &st) < 0) {
        return fail_errno(error, errno, "deleting", local);
    }
    if (!S_ISDIR(st.st_mode)) {
        return unlink(local) < 0 ? fail_errno(error, errno, "deleting", local) : 0;
    }
    DIR *d = opendir(local);
    int rc = 0;
    for (struct dirent *e; d && !rc && (e = readdir(d));) {
        char child[PATH_BYTES];
        if (strcmp(e->d_name, ".") && strcmp(e->d_name, "..")) {
            int n = snprintf(child, sizeof(child), "%s/%s", local, e->d_name);
            rc = n < (int)sizeof(child)
                     ? remove_tree(child, error)
                     : flinc_fs_fail(error, FLINC_FS_INVALID, "%s is too deep", local);
        }
    }
    if (d) {
        closedir(d);
    }
    return rc ? rc : rmdir(local) < 0 ? fail_errno(error, errno, "deleting", local) : 0;
}

static int remove_path(void *fs, const flinc_fs_path *path, int recursive, flinc_fs_error *error)
{
    char local[PATH_BYTES];
    struct stat st;
    int rc = check(fs, "remove", error);
    if (rc || (rc = locate(fs, path, local, error))) {
        return rc;
    }
    if (recursive) {
        return remove_tree(local, error);
    }
    if (lstat(local, &st) < 0 || (S_ISDIR(st.st_mode) ? rmdir(local) : unlink(local)) < 0) {
        return fail_errno(error, errno, "deleting", local);
    }
    return 0;
}

/* ---- recoverable files ---------------------------------------------------------------------------- */

/* The local file of a token: a name beside the target, and nothing else. */
static int locate_part(const struct folder *f, const flinc_fs_path *path, const char *token,
                       char *ret, flinc_fs_error *error)
{
    int rc = locate(f, path, ret, error);
    if (rc) {
        return rc;
    }
    char *name = strrchr(ret, '/') + 1;
    size_t n = strlen(name);
    if (token[0] != '.' || strncmp(token + 1, name, n) != 0 ||
        strncmp(token + 1 + n, ".part.", 6) != 0 || strchr(token, '/')) {
        return flinc_fs_fail(error, FLINC_FS_CORRUPT, "%s is no unfinished file of %s", token,
                             path->uri);
    }
    return snprintf(name, PATH_BYTES - (size_t)(name - ret), "%s", token) <
                   PATH_BYTES - (name - ret)
               ? 0
               : flinc_fs_fail(error, FLINC_FS_INVALID, "%s is too long", path->uri);
}

static int recoverable_open(void *fs, const flinc_fs_path *path, char *ret_token, void **ret_file,
                            flinc_fs_error *error)
{
    struct folder *f = fs;
    char local[PATH_BYTES];
    int rc = check(f, "create", error);
    if (rc || (rc = locate(f, path, local, error)) || (rc = make_folders(local, error))) {
        return rc;
    }
    for (;;) {
        struct timespec now;
        clock_gettime(CLOCK_REALTIME, &now);
        int n =
            snprintf(ret_token, FLINC_FS_TOKEN_MAX, ".%s.part.%ld-%llx-%llu",
                     strrchr(local, '/') + 1, (long)getpid(),
                     (unsigned long long)now.tv_sec * 1000000000 + (unsigned long long)now.tv_nsec,
                     (unsigned long long)atomic_fetch_add(&f->next, 1));
        char part[PATH_BYTES];
        if (n >= FLINC_FS_TOKEN_MAX || (rc = locate_part(f, path, ret_token, part, error))) {
            return rc ? rc : flinc_fs_fail(error, FLINC_FS_INVALID, "%s is too long", path->uri);
        }
        int fd = open(part, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
        if (fd >= 0) {
            *ret_file = file_new(f, fd, part);
            return 0;
        }
        if (errno != EEXIST) {
            return fail_errno(error, errno, "creating", part);
        }
    }
}

/* Opens it, cut to its length. */
static int open_part(const char *part, uint64_t length, int *ret_fd, flinc_fs_error *error)
{
    struct stat st;
    int fd = open(part, O_WRONLY | O_CLOEXEC);
    if (fd < 0) {
        return fail_errno(error, errno, "opening", part);
    }
    int rc = 0;
    if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < length) {
        rc = flinc_fs_fail(error, FLINC_FS_CORRUPT,
                           "%s has fewer than the %llu bytes that were persisted", part,
                           (unsigned long long)length);
    } else if (ftruncate(fd, (off_t)length) < 0 || lseek(fd, (off_t)length, SEEK_SET) < 0 ||
               fsync(fd) < 0) {
        rc = fail_errno(error, errno, "cutting", part);
    }
    if (rc) {
        close(fd);
        return rc;
    }
    *ret_fd = fd;
    return 0;
}

static int recoverable_recover(void *fs, const flinc_fs_path *path, const char *token,
                               uint64_t length, void **ret_file, flinc_fs_error *error)
{
    char part[PATH_BYTES];
    int fd, rc = locate_part(fs, path, token, part, error);
    if (rc || (rc = open_part(part, length, &fd, error))) {
        return rc;
    }
    *ret_file = file_new(fs, fd, part);
    return 0;
}

static int recoverable_persist(void *file, char *token, flinc_fs_error *error)
{
    (void)token; /* it stays */
    return sync_output(file, error);
}

static int recoverable_commit(void *fs, const flinc_fs_path *path, const char *token,
                              uint64_t length, enum flinc_fs_commit_mode mode,
                              flinc_fs_error *error)
{
    char part[PATH_BYTES], target[PATH_BYTES];
    struct stat st;
    int fd, rc = check(fs, "commit", error);
    if (rc || (rc = locate(fs, path, target, error)) ||
        (rc = locate_part(fs, path, token, part, error))) {
        return rc;
    }
    rc = open_part(part, length, &fd, error);
    if (rc == FLINC_FS_NOT_FOUND && mode == FLINC_FS_COMMIT_AGAIN && stat(target, &st) == 0) {
        return 0; /* it was committed before */
    }
    if (rc) {
        return rc;
    }
    close(fd);
    return rename(part, target) < 0 ? fail_errno(error, errno, "renaming", part)
                                    : sync_folder_of(target, error);
}

static int recoverable_cleanup(void *fs, const flinc_fs_path *path, const char *token,
                               flinc_fs_error *error)
{
    char part[PATH_BYTES];
    int rc = locate_part(fs, path, token, part, error);
    return rc                                    ? rc
           : unlink(part) < 0 && errno != ENOENT ? fail_errno(error, errno, "deleting", part)
                                                 : 0;
}

/* ---- the table ------------------------------------------------------------------------------------ */

static const char *const schemes[] = {"folder", NULL};
static const flinc_fs_plugin plugin = {
    .struct_size = sizeof(plugin),
    .abi_version = FLINC_FS_ABI_VERSION,
    .name = "folder",
    .description = "local files below fs.plugin.folder.root",
    .schemes = schemes,
    .start = start,
    .stop = stop,
    .open = open_file,
    .read_at = read_at,
    .close = close_file,
    .create = create,
    .write = write_output,
    .sync = sync_output,
    .finish = finish,
    .abandon = close_file,
    .stat = stat_path,
    .list = list,
    .mkdirs = mkdirs,
    .rename = rename_path,
    .remove = remove_path,
    .recoverable_open = recoverable_open,
    .recoverable_recover = recoverable_recover,
    .recoverable_write = write_output,
    .recoverable_persist = recoverable_persist,
    .recoverable_close = close_file,
    .recoverable_commit = recoverable_commit,
    .recoverable_cleanup = recoverable_cleanup,
};
FLINC_FILE_SYSTEM(plugin)
