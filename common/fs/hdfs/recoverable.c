/* Recoverable files.  WebHDFS shows no bytes before a file is closed, and closing ends the writing, so a file is written as
 * parts that are files of their own, hidden beside the target, and a tail for what is no part yet:
 *
 *   parts `.NAME.inprogress.WRITER.1` .. n, each of part_bytes; the tail `.NAME.inprogress.WRITER.tNUMBER`, which a persist
 *   writes anew
 *   commit: the name node puts the parts and the tail together behind the first (CONCAT), and renames it to the target
 *
 * Why each byte is there once: a handle names complete files alone, and nobody ever writes to one of these again.  Who goes on
 * after a failure takes a WRITER of its own: what a frozen one of before still writes, it or the data node that has its bytes,
 * becomes files that no handle names; they are never appended to what is seen.  Each step of a commit is one change of the
 * name node, and how far it has come is seen by the length of the first part: it is gone on with, by anybody, until the
 * length is that of the handle; then a rename, after which it is gone and the target is as long.
 *
 * `inprogress` of a handle: "1 PART_BYTES TAIL_NUMBER TAIL_BYTES WRITER:PARTS WRITER:PARTS ...", the last writer is the tail's.
 * A handle of an earlier checkpoint whose parts were put together since goes on with a copy of the first bytes.
 *
 * Thread: one at a time.  Flink: HadoopRecoverableFsDataOutputStream, HadoopFsCommitter. */
#include "common/fs/hdfs/inside.h"

#include "common/base/failpoint.h"

#include <stdio.h>
#include <stdlib.h>

enum {
    PROGRESS_VERSION = 1,
    WRITERS_MAX = 64, /* of a file; more failures than that in one: its parts are written anew */
    CONCAT_URL_BYTES = 6 * 1024, /* of one request */
    COMMIT_STEPS_MAX = 100000,
};

struct writer {
    char id[HDFS_ID_BYTES];
    uint32_t n_parts;
};

/* What a handle says. */
struct progress {
    uint64_t part_bytes;
    uint32_t tail_number; /* 0: there is no tail */
    uint64_t tail_bytes;
    struct vec writers; /* struct writer; at least one */
};

struct hdfs_recoverable {
    struct recoverable base;
    struct hdfs_place place;
    struct fs_location target; /* Owns */
    struct progress
        progress;           /* part_bytes and writers as they are; its tail is the last persist's */
    char id[HDFS_ID_BYTES]; /* of ours */
    bool is_noted;          /* ours is the last of the writers */
    uint8_t *tail;          /* Owns; part_bytes */
    size_t tail_used;
    struct rng random;
};

static struct hdfs_recoverable *file_of(struct recoverable *f)
{
    return CONTAINER_OF(f, struct hdfs_recoverable, base);
}

/* ---- handles -------------------------------------------------------------------------------------------------- */

static struct writer *writer_at(const struct progress *p, size_t i)
{
    return (struct writer *)vec_at(&p->writers, i);
}

static uint32_t count_parts(const struct progress *p)
{
    uint32_t n = 0;
    for (size_t i = 0; i < p->writers.len; i++) {
        n += writer_at(p, i)->n_parts;
    }
    return n;
}

static void progress_fini(struct progress *p)
{
    vec_fini(&p->writers);
}

static void note_progress(struct hdfs_recoverable *f)
{
    const struct progress *p = &f->progress;
    STR_AUTO text = STR_INIT;
    str_printf(&text, "%d %llu %u %llu", PROGRESS_VERSION, (unsigned long long)p->part_bytes,
               p->tail_number, (unsigned long long)p->tail_bytes);
    for (size_t i = 0; i < p->writers.len; i++) {
        str_printf(&text, " %s:%u", writer_at(p, i)->id, writer_at(p, i)->n_parts);
    }
    mem_free(f->base.inprogress);
    f->base.inprogress = str_take(&text);
}

static bool take_writer(struct progress *p, struct slice text)
{
    struct flinc_id id;
    struct writer w;
    char number[12];
    if (text.len <= ID_HEX_LEN + 1 || text.len - ID_HEX_LEN - 1 >= sizeof(number) ||
        text.data[ID_HEX_LEN] != ':') {
        return false;
    }
    snprintf(w.id, sizeof(w.id), "%.*s", ID_HEX_LEN, text.data);
    snprintf(number, sizeof(number), "%.*s", (int)(text.len - ID_HEX_LEN - 1),
             text.data + ID_HEX_LEN + 1);
    char *end;
    w.n_parts = (uint32_t)strtoul(number, &end, 10);
    *VEC_PUSH(&p->writers, struct writer) = w;
    return id_parse(w.id, &id) && *end == '\0';
}

/* The caller ends *ret, failed or not. */
static int read_progress(const struct recoverable_handle *h, struct progress *ret,
                         struct error *err)
{
    int version = 0, end = 0;
    unsigned long long part_bytes = 0, tail_bytes = 0;
    vec_init(&ret->writers, sizeof(struct writer));
    int n = sscanf(h->inprogress, "%d %llu %u %llu%n", &version, &part_bytes, &ret->tail_number,
                   &tail_bytes, &end);
    bool is_good = n == 4 && version == PROGRESS_VERSION && part_bytes >= 1 &&
                   part_bytes <= HDFS_BUFFER_BYTES_MAX && tail_bytes <= part_bytes &&
                   (ret->tail_number == 0) == (tail_bytes == 0) && h->inprogress[end] == ' ';
    struct slice rest = slice_cstr(is_good ? h->inprogress + end + 1 : ""), one;
    while (is_good && slice_next(&rest, ' ', &one)) {
        is_good = take_writer(ret, one);
    }
    ret->part_bytes = part_bytes;
    ret->tail_bytes = tail_bytes;
    if (!is_good || ret->writers.len == 0) {
        return error_set(err, ERR_CORRUPT, "'%.100s' is no progress of a file of HDFS",
                         h->inprogress);
    }
    return 0;
}

/* The same, of a handle whose bytes are wanted. */
static int read_whole_progress(const struct recoverable_handle *h, struct progress *ret,
                               struct error *err)
{
    TRY(read_progress(h, ret, err));
    if (count_parts(ret) * ret->part_bytes + ret->tail_bytes != h->length_bytes) {
        return error_set(err, ERR_CORRUPT, "'%.100s' has not the %llu bytes of its handle",
                         h->inprogress, (unsigned long long)h->length_bytes);
    }
    return 0;
}

/* Of part i from 0; behind the parts: of the tail. */
static void piece_path(const struct fs_location *target, const struct progress *p, uint32_t i,
                       struct str *ret_path)
{
    size_t k = 0;
    while (k + 1 < p->writers.len && i >= writer_at(p, k)->n_parts) {
        i -= writer_at(p, k)->n_parts;
        k++;
    }
    const struct writer *w = writer_at(p, k);
    hdfs_hidden_path(target->path, w->id, ret_path);
    if (i < w->n_parts) {
        str_printf(ret_path, ".%u", i + 1);
    } else {
        str_printf(ret_path, ".t%u", p->tail_number);
    }
}

static uint32_t count_pieces(const struct progress *p)
{
    return count_parts(p) + (p->tail_bytes > 0);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* Ours is the last writer from now on: what is written is named by it. */
static struct writer *own_writer(struct hdfs_recoverable *f)
{
    if (!f->is_noted) {
        struct writer w = {.n_parts = 0};
        memcpy(w.id, f->id, sizeof(w.id));
        *VEC_PUSH(&f->progress.writers, struct writer) = w;
        f->is_noted = true;
    }
    return writer_at(&f->progress, f->progress.writers.len - 1);
}

/* The tail becomes a part. */
static int send_tail(struct hdfs_recoverable *f, struct error *err)
{
    STR_AUTO path = STR_INIT;
    struct writer *w = own_writer(f);
    hdfs_hidden_path(f->target.path, w->id, &path);
    str_printf(&path, ".%u", w->n_parts + 1);
    TRY(FAILPOINT(err, "fs.hdfs.part"));
    TRY(hdfs_put(&f->place, str_cstr(&path), slice_make((const char *)f->tail, f->tail_used), err));
    w->n_parts++;
    f->tail_used = 0;
    f->progress.tail_number = 0;
    f->progress.tail_bytes = 0;
    note_progress(f); /* so that it can be given up */
    return 0;
}

static int file_write(struct recoverable *base, const void *data, size_t size, struct error *err)
{
    struct hdfs_recoverable *f = file_of(base);
    const uint8_t *from = data;
    while (size > 0) {
        if (f->tail_used == f->progress.part_bytes) {
            TRY(send_tail(f, err));
        }
        f->tail = f->tail != NULL ? f->tail : mem_alloc(f->progress.part_bytes);
        size_t n = MIN(size, (size_t)f->progress.part_bytes - f->tail_used);
        memcpy(f->tail + f->tail_used, from, n);
        f->tail_used += n;
        from += n;
        size -= n;
    }
    return 0;
}

/* The tail of an earlier persist stays: an earlier checkpoint may need it. */
static int file_sync(struct recoverable *base, struct error *err)
{
    struct hdfs_recoverable *f = file_of(base);
    STR_AUTO path = STR_INIT;
    if (f->tail_used == f->progress.part_bytes) {
        TRY(send_tail(f, err));
    }
    if (f->tail_used > 0) {
        (void)own_writer(f);
        f->progress.tail_number = (uint32_t)rng_below(&f->random, UINT32_MAX) + 1;
        f->progress.tail_bytes = f->tail_used;
        piece_path(&f->target, &f->progress, count_parts(&f->progress), &path);
        TRY(FAILPOINT(err, "fs.hdfs.tail"));
        TRY(hdfs_put(&f->place, str_cstr(&path), slice_make((const char *)f->tail, f->tail_used),
                     err));
    }
    note_progress(f);
    return 0;
}

static void file_close(struct recoverable *base)
{
    struct hdfs_recoverable *f = file_of(base);
    progress_fini(&f->progress);
    fs_location_fini(&f->target);
    mem_free(f->tail);
    mem_free(base->target_uri);
    mem_free(base->inprogress);
    mem_free(f);
}

static int file_new(const struct fs_location *target, struct hdfs_recoverable **ret_file,
                    struct error *err)
{
    struct hdfs_place place;
    STR_AUTO uri = STR_INIT;
    TRY(hdfs_place_of(target, &place, err));
    fs_location_format(target, &uri);
    if (strcmp(target->path, "/") == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is no name of a file", str_cstr(&uri));
    }
    struct hdfs_recoverable *f = MEM_NEW(struct hdfs_recoverable);
    vec_init(&f->progress.writers, sizeof(struct writer));
    f->progress.part_bytes = place.fs->buffer_bytes;
    int rc = fs_location_parse(str_cstr(&uri), &f->target, err);
    if (rc < 0) {
        file_close(&f->base);
        return rc;
    }
    f->base.ops = &hdfs_recoverable_ops;
    f->base.target_uri = str_take(&uri);
    f->place = place;
    rng_init_system(&f->random);
    hdfs_new_id(f->id);
    *ret_file = f;
    return 0;
}

static int file_open(const struct fs_location *target, struct recoverable **ret_file,
                     struct error *err)
{
    struct hdfs_recoverable *f = NULL;
    TRY(FAILPOINT(err, "fs.hdfs.recoverable.open"));
    TRY(file_new(target, &f, err));
    (void)own_writer(f);
    note_progress(f);
    *ret_file = &f->base;
    return 0;
}

/* ---- going on ---------------------------------------------------------------------------------------------------- */

static int read_bytes(const struct fs_location *target, const char *path, uint64_t offset,
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

/* Where the first bytes of a file are whose parts may have been put together or committed since: its first part, else
 * its target.  1: as they were persisted, 0: put together since; then *ret_path has them, which is at least as long. */
static int find_first(const struct hdfs_place *place, const struct fs_location *target,
                      const struct recoverable_handle *h, const struct progress *p,
                      struct str *ret_path, struct error *err)
{
    struct fs_status status;
    uint64_t first_bytes = count_parts(p) > 0 ? p->part_bytes : p->tail_bytes;
    if (count_pieces(p) == 0) {
        return 1;
    }
    piece_path(target, p, 0, ret_path);
    int rc = hdfs_stat_path(place, str_cstr(ret_path), &status, err);
    if (rc == 0 && status.size_bytes == first_bytes) {
        return 1;
    }
    if (rc == ERR_NOT_FOUND) {
        str_clear(ret_path);
        str_append_cstr(ret_path, target->path);
        rc = hdfs_stat_path(place, target->path, &status, err);
    }
    TRY(rc);
    if (status.size_bytes >= h->length_bytes) {
        return 0;
    }
    return error_set(err, ERR_CORRUPT,
                     "%s%s has %llu bytes, but %llu were persisted: somebody "
                     "changed it",
                     place->site->name, str_cstr(ret_path), (unsigned long long)status.size_bytes,
                     (unsigned long long)h->length_bytes);
}

/* Parts of ours with the first bytes of another file, or of the pieces themselves (path NULL). */
static int write_anew(struct hdfs_recoverable *f, const struct recoverable_handle *h,
                      const struct progress *p, const char *path, struct error *err)
{
    STR_AUTO piece = STR_INIT;
    f->progress.part_bytes = p->part_bytes;
    for (uint64_t at = 0; at < h->length_bytes; at += p->part_bytes) {
        size_t n = (size_t)MIN(h->length_bytes - at, p->part_bytes);
        f->tail = f->tail != NULL ? f->tail : mem_alloc(p->part_bytes);
        if (path == NULL) {
            piece_path(&f->target, p, (uint32_t)(at / p->part_bytes), &piece);
        }
        TRY(read_bytes(&f->target, path != NULL ? path : str_cstr(&piece), path != NULL ? at : 0,
                       f->tail, n, err));
        f->tail_used = n;
        if (n == p->part_bytes) {
            TRY(send_tail(f, err));
        }
    }
    return 0;
}

static int go_on(struct hdfs_recoverable *f, const struct recoverable_handle *h,
                 const struct progress *p, struct error *err)
{
    STR_AUTO path = STR_INIT;
    int as_it_was = find_first(&f->place, &f->target, h, p, &path, err);
    TRY(as_it_was);
    if (!as_it_was || p->writers.len >= WRITERS_MAX) {
        return write_anew(f, h, p, as_it_was ? NULL : str_cstr(&path), err);
    }
    f->progress.part_bytes = p->part_bytes;
    for (size_t i = 0; i < p->writers.len; i++) {
        *VEC_PUSH(&f->progress.writers, struct writer) = *writer_at(p, i);
    }
    if (p->tail_bytes > 0) {
        f->tail = mem_alloc(p->part_bytes);
        piece_path(&f->target, p, count_parts(p), &path);
        TRY(read_bytes(&f->target, str_cstr(&path), 0, f->tail, (size_t)p->tail_bytes, err));
        f->tail_used = (size_t)p->tail_bytes;
    }
    return 0;
}

static int file_recover(const struct recoverable_handle *h, struct recoverable **ret_file,
                        struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    CLEANUP(progress_fini) struct progress p = {.part_bytes = 0};
    struct hdfs_recoverable *f = NULL;
    TRY(FAILPOINT(err, "fs.hdfs.recoverable.recover"));
    TRY(read_whole_progress(h, &p, err));
    TRY(fs_location_parse(h->target_uri, &at, err));
    TRY(file_new(&at, &f, err));
    f->base.length_bytes = h->length_bytes;
    int rc = go_on(f, h, &p, err);
    if (rc < 0) {
        file_close(&f->base);
        return rc;
    }
    (void)own_writer(f);
    note_progress(f);
    *ret_file = &f->base;
    return 0;
}

/* ---- committing ---------------------------------------------------------------------------------------------------- */

struct commit {
    const struct hdfs_place *place;
    const struct fs_location *target;
    const struct recoverable_handle *handle;
    const struct progress *progress;
    struct str first; /* Owns: the first piece, behind which the others go */
};

/* Puts pieces from `from` on behind the first, as many as one request takes.  1: the server does not do such things. */
static int concat_some(struct commit *c, uint32_t from, struct error *err)
{
    STR_AUTO sources = STR_INIT;
    STR_AUTO path = STR_INIT;
    struct error why = ERROR_INIT;
    uint32_t n = count_pieces(c->progress);
    for (uint32_t i = from; i < n && sources.len < CONCAT_URL_BYTES; i++) {
        piece_path(c->target, c->progress, i, &path);
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
            piece_path(c->target, c->progress, (uint32_t)(at / part_bytes), &piece);
        }
        rc = read_bytes(c->target, path != NULL ? path : str_cstr(&piece), path != NULL ? at : 0,
                        bytes, n, err);
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
    const struct progress *p = c->progress;
    uint64_t length = c->handle->length_bytes;
    bool has_parts = count_parts(p) > 0;
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
                          const struct progress *p)
{
    STR_AUTO prefix = STR_INIT;
    for (size_t i = 0; i < p->writers.len; i++) {
        hdfs_hidden_path(target->path, writer_at(p, i)->id, &prefix);
        hdfs_remove_beginning(place, str_cstr(&prefix));
    }
}

static int run_commit(struct commit *c, enum recoverable_commit_mode mode, struct error *err)
{
    struct fs_status status;
    if (count_pieces(c->progress) == 0) {
        bool is_there = mode == RECOVERABLE_COMMIT_AGAIN &&
                        hdfs_stat_path(c->place, c->target->path, &status, NULL) == 0;
        return is_there ? 0 : commit_empty(c, err);
    }
    piece_path(c->target, c->progress, 0, &c->first);
    int rc = 0;
    for (uint32_t i = 0; i < COMMIT_STEPS_MAX && rc == 0; i++) {
        rc = commit_step(c, err);
    }
    str_fini(&c->first);
    return rc != 0 ? MIN(rc, 0)
                   : error_set(err, ERR_IO, "%s: its parts do not come together",
                               c->handle->target_uri);
}

static int file_commit(const struct recoverable_handle *h, enum recoverable_commit_mode mode,
                       struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    CLEANUP(progress_fini) struct progress p = {.part_bytes = 0};
    struct hdfs_place place;
    TRY(read_whole_progress(h, &p, err));
    TRY(fs_location_parse(h->target_uri, &at, err));
    TRY(hdfs_place_of(&at, &place, err));
    TRY(FAILPOINT(err, "fs.hdfs.recoverable.before_commit"));
    struct commit c = {.place = &place, .target = &at, .handle = h, .progress = &p};
    TRY(run_commit(&c, mode, err));
    TRY(FAILPOINT(err, "fs.hdfs.recoverable.after_commit"));
    remove_pieces(&place, &at, &p);
    return 0;
}

static int file_cleanup(const struct recoverable_handle *h, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    CLEANUP(progress_fini) struct progress p = {.part_bytes = 0};
    struct hdfs_place place;
    TRY(FAILPOINT(err, "fs.hdfs.recoverable.cleanup"));
    TRY(read_progress(h, &p, err));
    TRY(fs_location_parse(h->target_uri, &at, err));
    TRY(hdfs_place_of(&at, &place, err));
    remove_pieces(&place, &at, &p);
    return 0;
}

const struct recoverable_ops hdfs_recoverable_ops = {
    .open = file_open,
    .recover = file_recover,
    .write = file_write,
    .sync = file_sync,
    .close = file_close,
    .commit = file_commit,
    .cleanup = file_cleanup,
};
