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
 * What a handle says is progress.h's; commit.c has the commit.  A handle of an earlier checkpoint whose parts were put together since goes on with a copy of the first bytes.
 *
 * Thread: one at a time.  Flink: HadoopRecoverableFsDataOutputStream, HadoopFsCommitter. */
#include "common/fs/hdfs/inside.h"
#include "common/fs/hdfs/progress.h"

#include "common/base/failpoint.h"

#include <stdlib.h>

enum {
    WRITERS_MAX = 64 /* of a file; more failures than that in one: its parts are written anew */
};

struct hdfs_recoverable {
    struct recoverable base;
    struct hdfs_place place;
    struct fs_location target; /* Owns */
    struct hdfs_progress
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

static void note_progress(struct hdfs_recoverable *f)
{
    STR_AUTO text = STR_INIT;
    hdfs_progress_format(&f->progress, &text);
    mem_free(f->base.inprogress);
    f->base.inprogress = str_take(&text);
}

/* ---- writing --------------------------------------------------------------------------------------------------- */

/* Ours is the last writer from now on: what is written is named by it. */
static struct hdfs_writer *own_writer(struct hdfs_recoverable *f)
{
    if (!f->is_noted) {
        struct hdfs_writer w = {.n_parts = 0};
        memcpy(w.id, f->id, sizeof(w.id));
        *VEC_PUSH(&f->progress.writers, struct hdfs_writer) = w;
        f->is_noted = true;
    }
    return hdfs_writer_at(&f->progress, f->progress.writers.len - 1);
}

/* The tail becomes a part. */
static int send_tail(struct hdfs_recoverable *f, struct error *err)
{
    STR_AUTO path = STR_INIT;
    struct hdfs_writer *w = own_writer(f);
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
        hdfs_piece_path(&f->target, &f->progress, hdfs_count_parts(&f->progress), &path);
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
    hdfs_progress_fini(&f->progress);
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
    vec_init(&f->progress.writers, sizeof(struct hdfs_writer));
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

/* Where the first bytes of a file are whose parts may have been put together or committed since: its first part, else
 * its target.  1: as they were persisted, 0: put together since; then *ret_path has them, which is at least as long. */
static int find_first(const struct hdfs_place *place, const struct fs_location *target,
                      const struct recoverable_handle *h, const struct hdfs_progress *p,
                      struct str *ret_path, struct error *err)
{
    struct fs_status status;
    uint64_t first_bytes = hdfs_count_parts(p) > 0 ? p->part_bytes : p->tail_bytes;
    if (hdfs_count_pieces(p) == 0) {
        return 1;
    }
    hdfs_piece_path(target, p, 0, ret_path);
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
                      const struct hdfs_progress *p, const char *path, struct error *err)
{
    STR_AUTO piece = STR_INIT;
    f->progress.part_bytes = p->part_bytes;
    for (uint64_t at = 0; at < h->length_bytes; at += p->part_bytes) {
        size_t n = (size_t)MIN(h->length_bytes - at, p->part_bytes);
        f->tail = f->tail != NULL ? f->tail : mem_alloc(p->part_bytes);
        if (path == NULL) {
            hdfs_piece_path(&f->target, p, (uint32_t)(at / p->part_bytes), &piece);
        }
        TRY(hdfs_read_bytes(&f->target, path != NULL ? path : str_cstr(&piece),
                            path != NULL ? at : 0, f->tail, n, err));
        f->tail_used = n;
        if (n == p->part_bytes) {
            TRY(send_tail(f, err));
        }
    }
    return 0;
}

static int go_on(struct hdfs_recoverable *f, const struct recoverable_handle *h,
                 const struct hdfs_progress *p, struct error *err)
{
    STR_AUTO path = STR_INIT;
    int as_it_was = find_first(&f->place, &f->target, h, p, &path, err);
    TRY(as_it_was);
    if (!as_it_was || p->writers.len >= WRITERS_MAX) {
        return write_anew(f, h, p, as_it_was ? NULL : str_cstr(&path), err);
    }
    f->progress.part_bytes = p->part_bytes;
    for (size_t i = 0; i < p->writers.len; i++) {
        *VEC_PUSH(&f->progress.writers, struct hdfs_writer) = *hdfs_writer_at(p, i);
    }
    if (p->tail_bytes > 0) {
        f->tail = mem_alloc(p->part_bytes);
        hdfs_piece_path(&f->target, p, hdfs_count_parts(p), &path);
        TRY(hdfs_read_bytes(&f->target, str_cstr(&path), 0, f->tail, (size_t)p->tail_bytes, err));
        f->tail_used = (size_t)p->tail_bytes;
    }
    return 0;
}

static int file_recover(const struct recoverable_handle *h, struct recoverable **ret_file,
                        struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    CLEANUP(hdfs_progress_fini) struct hdfs_progress p = {.part_bytes = 0};
    struct hdfs_recoverable *f = NULL;
    TRY(FAILPOINT(err, "fs.hdfs.recoverable.recover"));
    TRY(hdfs_progress_read_whole(h, &p, err));
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

const struct recoverable_ops hdfs_recoverable_ops = {
    .open = file_open,
    .recover = file_recover,
    .write = file_write,
    .sync = file_sync,
    .close = file_close,
    .commit = hdfs_commit,
    .cleanup = hdfs_cleanup,
};
