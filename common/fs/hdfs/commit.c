/* Committing recoverable files (recoverable.c says why each byte is there once): the name node puts the pieces together, one
 * request after the other, and renames them; how far it has come is seen by the length of the first.  Thread: any. */
#include "common/fs/hdfs/inside.h"
#include "common/fs/hdfs/progress.h"

#include "common/base/failpoint.h"

enum {
    CONCAT_URL_BYTES = 6 * 1024, /* of one request */
    COMMIT_STEPS_MAX = 100000,
};

int hdfs_read_bytes(const struct fs_location *target, const char *path, uint64_t offset,
                    uint8_t *to, size_t size, struct error *err)
{
    STR_AUTO uri = STR_INIT;
    struct fs_input *in = NULL;
    size_t n = 0;
    hdfs_uri_of(target, path, &uri);
    TRY(fs_open(str_cstr(&uri), FS_ACCESS_RANDOM, &in, err));
    int rc = fs_input_read_at(in, offset, to, size, &n, err);
    fs_input_close(in);
    return rc == 0 && n != size
               ? error_set(err, ERR_CORRUPT, "%s has %zu bytes behind %llu, not %zu",
                           str_cstr(&uri), n, (unsigned long long)offset, size)
               : rc;
}

struct commit {
    const struct hdfs_place *place;
    const struct fs_location *target;
    const struct recoverable_handle *handle;
    const struct hdfs_progress *progress;
    struct str first; /* Owns: the first piece, behind which the others go */
};

/* Puts pieces from `from` on behind the first, as many as one request takes.  1: the server does not do such things. */
static int concat_some(struct commit *c, uint32_t from, struct error *err)
{
    STR_AUTO sources = STR_INIT;
    STR_AUTO path = STR_INIT;
    struct error why = ERROR_INIT;
    uint32_t n = hdfs_count_pieces(c->progress);
    for (uint32_t i = from; i < n && sources.len < CONCAT_URL_BYTES; i++) {
        hdfs_piece_path(c->target, c->progress, i, &path);
        str_printf(&sources, "%s%s", i > from ? "," : "", str_cstr(&path));
    }
    struct hdfs_call call = {.site = c->place->site,
                             .method = "POST",
                             .op = "CONCAT",
                             .path = str_cstr(&c->first),
                             .kind = REMOTE_KIND_COPY,
                             .doing = "committing"};
    hdfs_call_add(&call, "sources", str_cstr(&sources));
    int rc = FAILPOINT(&why, "fs.hdfs.recoverable.concat");
    rc = rc == 0 ? hdfs_call_run(c->place->fs->client, &call, &why) : rc;
    bool is_uncertain = call.is_uncertain;
    bool cannot = rc == ERR_UNSUPPORTED || strstr(str_cstr(&call.message), "concat") != NULL ||
                  strstr(str_cstr(&call.message), "Concat") != NULL;
    hdfs_call_fini(&call);
    if (rc == 0 || (rc == ERR_NOT_FOUND && is_uncertain)) {
        return 0; /* the length tells what an earlier try did */
    }
    if (cannot &&
        rc != ERR_UNAVAILABLE) { /* a zone of encryption, another file system behind HttpFS */
        return 1;
    }
    if (err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

/* Our own copy of the first `length_bytes` takes the place of the target: of the pieces, or of one file (path). */
static int copy_to_target(struct commit *c, const char *path, struct error *err)
{
    struct fs_output *out = NULL;
    STR_AUTO piece = STR_INIT;
    uint64_t part_bytes = c->progress->part_bytes, length = c->handle->length_bytes;
    TRY(fs_create(c->handle->target_uri, FS_OVERWRITE, &out, err));
    uint8_t *bytes = mem_alloc(part_bytes);
    int rc = 0;
    for (uint64_t at = 0; at < length && rc == 0; at += part_bytes) {
        size_t n = (size_t)MIN(length - at, part_bytes);
        if (path == NULL) {
            hdfs_piece_path(c->target, c->progress, (uint32_t)(at / part_bytes), &piece);
        }
        rc = hdfs_read_bytes(c->target, path != NULL ? path : str_cstr(&piece),
                             path != NULL ? at : 0, bytes, n, err);
        rc = rc == 0 ? fs_output_write(out, bytes, n, err) : rc;
    }
    mem_free(bytes);
    rc = rc == 0 ? fs_output_close(&out, err) : rc;
    fs_output_abandon(out);
    return rc;
}

/* The first piece is not there: fine when it became the target. */
static int check_target(struct commit *c, struct error *err)
{
    struct fs_status status;
    int rc = hdfs_stat_path(c->place, c->target->path, &status, NULL);
    if (rc == 0 && status.size_bytes >= c->handle->length_bytes) {
        return 0;
    }
    return error_set(err, rc == 0 ? ERR_CORRUPT : ERR_NOT_FOUND,
                     "%s%s is gone and its target %s; it was deleted by somebody, or by the "
                     "clean-up of another run",
                     c->place->site->name, str_cstr(&c->first),
                     rc == 0 ? "is another one" : "does not exist either");
}

/* One step.  0: go on, 1: the target is there. */
static int commit_step(struct commit *c, struct error *err)
{
    struct fs_status status;
    const struct hdfs_progress *p = c->progress;
    uint64_t length = c->handle->length_bytes;
    bool has_parts = hdfs_count_parts(p) > 0;
    int rc = hdfs_stat_path(c->place, str_cstr(&c->first), &status, err);
    if (rc == ERR_NOT_FOUND) {
        TRY(check_target(c, err));
        return 1;
    }
    TRY(rc);
    if (status.size_bytes == length) {
        TRY(FAILPOINT(err, "fs.hdfs.recoverable.before_rename"));
        rc = hdfs_rename_path(c->place, str_cstr(&c->first), c->target->path, FS_OVERWRITE, err);
        if (rc == ERR_NOT_FOUND) { /* somebody else was quicker */
            return check_target(c, err) < 0 ? rc : 1;
        }
        return rc < 0 ? rc : 1;
    }
    if (status.size_bytes >
        length) { /* more was put together for a later handle, whose data is not wanted */
        TRY(copy_to_target(c, str_cstr(&c->first), err));
        (void)!hdfs_remove_path(c->place, str_cstr(&c->first), FS_DELETE_ONE, NULL);
        return 1;
    }
    if (!has_parts || status.size_bytes == 0 || status.size_bytes % p->part_bytes != 0) {
        return error_set(
            err, ERR_CORRUPT,
            "%s%s has %llu bytes, which none of its handles gave it: somebody changed it",
            c->place->site->name, str_cstr(&c->first), (unsigned long long)status.size_bytes);
    }
    rc = concat_some(c, (uint32_t)(status.size_bytes / p->part_bytes), err);
    if (rc == 1) {
        TRY(copy_to_target(c, NULL, err));
        (void)!hdfs_remove_path(c->place, str_cstr(&c->first), FS_DELETE_ONE, NULL);
        return 1;
    }
    return rc;
}

static int commit_empty(struct commit *c, struct error *err)
{
    struct fs_output *out = NULL;
    TRY(fs_create(c->handle->target_uri, FS_OVERWRITE, &out, err));
    return fs_output_close(&out, err);
}

static void remove_pieces(const struct hdfs_place *place, const struct fs_location *target,
                          const struct hdfs_progress *p)
{
    STR_AUTO prefix = STR_INIT;
    for (size_t i = 0; i < p->writers.len; i++) {
        hdfs_hidden_path(target->path, hdfs_writer_at(p, i)->id, &prefix);
        hdfs_remove_beginning(place, str_cstr(&prefix));
    }
}

static int run_commit(struct commit *c, enum recoverable_commit_mode mode, struct error *err)
{
    struct fs_status status;
    if (hdfs_count_pieces(c->progress) == 0) {
        bool is_there = mode == RECOVERABLE_COMMIT_AGAIN &&
                        hdfs_stat_path(c->place, c->target->path, &status, NULL) == 0;
        return is_there ? 0 : commit_empty(c, err);
    }
    hdfs_piece_path(c->target, c->progress, 0, &c->first);
    int rc = 0;
    for (uint32_t i = 0; i < COMMIT_STEPS_MAX && rc == 0; i++) {
        rc = commit_step(c, err);
    }
    str_fini(&c->first);
    return rc != 0 ? MIN(rc, 0)
                   : error_set(err, ERR_IO, "%s: its parts do not come together",
                               c->handle->target_uri);
}

int hdfs_commit(const struct recoverable_handle *h, enum recoverable_commit_mode mode,
                struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    CLEANUP(hdfs_progress_fini) struct hdfs_progress p = {.part_bytes = 0};
    struct hdfs_place place;
    TRY(hdfs_progress_read_whole(h, &p, err));
    TRY(fs_location_parse(h->target_uri, &at, err));
    TRY(hdfs_place_of(&at, &place, err));
    TRY(FAILPOINT(err, "fs.hdfs.recoverable.before_commit"));
    struct commit c = {.place = &place, .target = &at, .handle = h, .progress = &p};
    TRY(run_commit(&c, mode, err));
    TRY(FAILPOINT(err, "fs.hdfs.recoverable.after_commit"));
    remove_pieces(&place, &at, &p);
    return 0;
}

int hdfs_cleanup(const struct recoverable_handle *h, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    CLEANUP(hdfs_progress_fini) struct hdfs_progress p = {.part_bytes = 0};
    struct hdfs_place place;
    TRY(FAILPOINT(err, "fs.hdfs.recoverable.cleanup"));
    TRY(hdfs_progress_read(h->inprogress, &p, err));
    TRY(fs_location_parse(h->target_uri, &at, err));
    TRY(hdfs_place_of(&at, &place, err));
    remove_pieces(&place, &at, &p);
    return 0;
}
