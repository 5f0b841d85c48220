/* Recoverable files on a local disk: `.NAME.inprogress.UUID` beside the target, renamed to commit.
 *
 * A handle comes from a checkpoint and may be anybody's: only a file of exactly that form beside its
 * target is ever opened, cut, renamed or deleted, and never through a link.  A commit is one rename(2),
 * so readers see no file or all of it.  Thread: one at a time.  Flink: LocalRecoverableWriter. */
#include "common/fs/local_file.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

struct local_recoverable {
    struct recoverable base;
    struct local_sink sink;
};

static const char inprogress_mark[] = ".inprogress.";

/* "/dir/name" -> "/dir/.name.inprogress."; the 32 digits follow. */
static void inprogress_prefix(const char *target, struct str *out)
{
    const char *name = strrchr(target, '/') + 1;
    str_append(out, target, (size_t)(name - target));
    str_printf(out, ".%s%s", name, inprogress_mark);
}

static bool is_id(const char *text)
{
    struct flinc_id id;
    return strlen(text) == ID_HEX_LEN && id_parse(text, &id);
}

/* The two paths that a handle names, checked. */
struct local_paths {
    struct fs_location target, inprogress;
};

static void local_paths_fini(struct local_paths *p)
{
    fs_location_fini(&p->target);
    fs_location_fini(&p->inprogress);
}

static int local_paths_of(const struct recoverable_handle *h, struct local_paths *ret,
                          struct error *err)
{
    STR_AUTO prefix = STR_INIT;
    TRY(fs_location_parse(h->target_uri, &ret->target, err));
    TRY(fs_location_parse(h->inprogress, &ret->inprogress, err));
    inprogress_prefix(ret->target.path, &prefix);
    if (ret->inprogress.driver != &fs_driver_local ||
        !cstr_starts_with(ret->inprogress.path, str_cstr(&prefix)) ||
        !is_id(ret->inprogress.path + prefix.len)) {
        return error_set(err, ERR_CORRUPT, "%s is no file in progress of %s", h->inprogress,
                         h->target_uri);
    }
    return 0;
}

/* ---- files ------------------------------------------------------------------------------------ */

static struct local_recoverable *file_of(struct recoverable *f)
{
    return CONTAINER_OF(f, struct local_recoverable, base);
}

static struct recoverable *file_new(const struct fs_location *target, const char *inprogress_path,
                                    const struct local_sink *sink)
{
    struct local_recoverable *f = MEM_NEW(struct local_recoverable);
    struct str uri = STR_INIT, inprogress = STR_INIT;
    fs_location_format(target, &uri);
    str_printf(&inprogress, "file:%s", inprogress_path);
    f->base.ops = &recoverable_ops_local;
    f->base.target_uri = str_take(&uri);
    f->base.inprogress = str_take(&inprogress);
    f->sink = *sink;
    return &f->base;
}

static int file_open(const struct fs_location *target, struct recoverable **ret_file,
                     struct error *err)
{
    if (strcmp(target->path, "/") == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is no name of a file", target->path);
    }
    TRY(FAILPOINT(err, "fs.local.recoverable.open"));
    struct rng rng;
    struct flinc_id id;
    char hex[ID_HEX_LEN + 1];
    rng_init_system(&rng);
    id_random(&id, &rng);
    id_format(&id, hex);
    STR_AUTO path = STR_INIT;
    inprogress_prefix(target->path, &path);
    str_append_cstr(&path, hex);
    struct local_sink sink;
    TRY(local_sink_open(&sink, str_cstr(&path), O_CREAT | O_EXCL | O_NOFOLLOW, err));
    *ret_file = file_new(target, str_cstr(&path), &sink);
    return 0;
}

/* Cuts an open file to its persisted length and goes to its end. */
static int file_cut(int fd, const char *path, uint64_t length_bytes, struct error *err)
{
    TRY(FAILPOINT(err, "fs.local.recoverable.cut"));
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return local_error(err, errno, "looking at", path);
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size < length_bytes) {
        return error_set(err, ERR_CORRUPT,
                         "%s has %lld bytes, but %llu were persisted: somebody changed it", path,
                         (long long)st.st_size, (unsigned long long)length_bytes);
    }
    if ((uint64_t)st.st_size > length_bytes &&
        (ftruncate(fd, (off_t)length_bytes) < 0 || fsync(fd) < 0)) {
        return local_error(err, errno, "cutting", path);
    }
    if (lseek(fd, (off_t)length_bytes, SEEK_SET) < 0) {
        return local_error(err, errno, "seeking in", path);
    }
    return 0;
}

static int file_recover(const struct recoverable_handle *h, struct recoverable **ret_file,
                        struct error *err)
{
    CLEANUP(local_paths_fini) struct local_paths p = {.target = {.authority = NULL}};
    TRY(local_paths_of(h, &p, err));
    TRY(FAILPOINT(err, "fs.local.recoverable.recover"));
    struct local_sink sink;
    TRY(local_sink_open(&sink, p.inprogress.path, O_NOFOLLOW, err));
    int rc = file_cut(sink.fd, p.inprogress.path, h->length_bytes, err);
    if (rc < 0) {
        local_sink_close(&sink, NULL);
        return rc;
    }
    *ret_file = file_new(&p.target, p.inprogress.path, &sink);
    (*ret_file)->length_bytes = h->length_bytes;
    return 0;
}

static int file_write(struct recoverable *f, const void *data, size_t size, struct error *err)
{
    return local_sink_write(&file_of(f)->sink, data, size, err);
}

static int file_sync(struct recoverable *f, struct error *err)
{
    TRY(FAILPOINT(err, "fs.local.recoverable.persist"));
    return local_sink_sync(&file_of(f)->sink, err);
}

static void file_close(struct recoverable *f)
{
    struct local_recoverable *lf = file_of(f);
    /* Whoever needs the bytes has synced them: an error of close adds nothing. */
    local_sink_close(&lf->sink, NULL);
    mem_free(f->target_uri);
    mem_free(f->inprogress);
    mem_free(lf);
}

/* ---- committing ------------------------------------------------------------------------------- */

/* The in-progress file is not there: fine when it was committed before and that is possible. */
static int commit_missing(const struct local_paths *p, enum recoverable_commit_mode mode,
                          struct error *err)
{
    struct stat st;
    if (mode == RECOVERABLE_COMMIT_AGAIN && lstat(p->target.path, &st) == 0) {
        return 0;
    }
    return error_set(
        err, ERR_NOT_FOUND,
        "%s is gone and %s; it was deleted by somebody, or by the clean-up of another run",
        p->inprogress.path,
        mode == RECOVERABLE_COMMIT_AGAIN ? "its target does not exist either"
                                         : "cannot be committed");
}

static int commit_check_length(int fd, const char *path, const struct recoverable_handle *h,
                               enum recoverable_commit_mode mode, struct error *err)
{
    if (mode == RECOVERABLE_COMMIT_AGAIN) {
        return file_cut(fd, path, h->length_bytes, err);
    }
    struct stat st;
    if (fstat(fd, &st) < 0) {
        return local_error(err, errno, "looking at", path);
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != h->length_bytes) {
        return error_set(err, ERR_CORRUPT,
                         "%s has %lld bytes, but was closed with %llu: somebody changed it", path,
                         (long long)st.st_size, (unsigned long long)h->length_bytes);
    }
    return 0;
}

static int file_commit(const struct recoverable_handle *h, enum recoverable_commit_mode mode,
                       struct error *err)
{
    CLEANUP(local_paths_fini) struct local_paths p = {.target = {.authority = NULL}};
    TRY(local_paths_of(h, &p, err));
    int fd = open(p.inprogress.path, O_WRONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? commit_missing(&p, mode, err)
                               : local_error(err, errno, "opening", p.inprogress.path);
    }
    int rc = commit_check_length(fd, p.inprogress.path, h, mode, err);
    close(fd);
    TRY(rc);
    TRY(FAILPOINT(err, "fs.local.recoverable.before_rename"));
    if (rename(p.inprogress.path, p.target.path) < 0) {
        return local_error(err, errno, "renaming", p.inprogress.path);
    }
    TRY(FAILPOINT(err, "fs.local.recoverable.after_rename"));
    return local_sync_parent(p.target.path, err);
}

static int file_cleanup(const struct recoverable_handle *h, struct error *err)
{
    CLEANUP(local_paths_fini) struct local_paths p = {.target = {.authority = NULL}};
    TRY(local_paths_of(h, &p, err));
    TRY(FAILPOINT(err, "fs.local.recoverable.cleanup"));
    if (unlink(p.inprogress.path) < 0 && errno != ENOENT) {
        return local_error(err, errno, "deleting", p.inprogress.path);
    }
    return 0;
}

/* ---- sealing ------------------------------------------------------------------------------------ */

/* The beginning of one file into another: in the kernel, by reference where the file system can. */
static int copy_bytes(int from, struct local_sink *to, const char *path, uint64_t length_bytes,
                      struct error *err)
{
    char *chunk = mem_alloc(FS_OUTPUT_BUFFER_BYTES);
    off64_t at = 0;
    int rc = 0;
    ssize_t n;
    while ((uint64_t)at < length_bytes &&
           (n = copy_file_range(from, &at, to->fd, NULL, length_bytes - (uint64_t)at, 0)) > 0) {
    }
    while ((uint64_t)at < length_bytes && rc == 0) { /* what it could not */
        n = pread(from, chunk,
                  (size_t)MIN(length_bytes - (uint64_t)at, (uint64_t)FS_OUTPUT_BUFFER_BYTES), at);
        if (n <= 0) {
            rc = n < 0
                     ? local_error(err, errno, "reading", path)
                     : error_set(err, ERR_CORRUPT,
                                 "%s has %lld bytes, but %llu were persisted: somebody changed it",
                                 path, (long long)at, (unsigned long long)length_bytes);
            break;
        }
        at += n;
        rc = local_sink_write(to, chunk, (size_t)n, err);
    }
    mem_free(chunk);
    return rc;
}

/* A copy takes the place of the unfinished file: an attempt that is not dead goes on writing to one without a name. */
static int file_seal(const struct recoverable_handle *h, struct error *err)
{
    CLEANUP(local_paths_fini) struct local_paths p = {.target = {.authority = NULL}};
    STR_AUTO path = STR_INIT;
    struct local_sink copy;
    TRY(local_paths_of(h, &p, err));
    TRY(FAILPOINT(err, "fs.local.recoverable.seal"));
    int fd = open(p.inprogress.path, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? 0 : local_error(err, errno, "opening", p.inprogress.path);
    }
    str_printf(&path, "%s.seal", p.inprogress.path);
    int rc = local_sink_open(&copy, str_cstr(&path), O_CREAT | O_TRUNC | O_NOFOLLOW, err);
    if (rc == 0) {
        rc = copy_bytes(fd, &copy, p.inprogress.path, h->length_bytes, err);
        rc = rc < 0 ? rc : local_sink_sync(&copy, err);
        local_sink_close(&copy, NULL);
        if (rc == 0 && rename(str_cstr(&path), p.inprogress.path) < 0) {
            rc = local_error(err, errno, "renaming", str_cstr(&path));
        }
    }
    close(fd);
    return rc;
}

const struct recoverable_ops recoverable_ops_local = {
    .open = file_open,
    .recover = file_recover,
    .write = file_write,
    .sync = file_sync,
    .close = file_close,
    .commit = file_commit,
    .cleanup = file_cleanup,
    .seal = file_seal,
};
