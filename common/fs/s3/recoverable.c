/* Recoverable files: an upload in parts that is not completed before the commit, and for what is no part yet, an object
 * beside it.
 *
 *   parts 1 .. n of the upload, and the tail `.NAME.inprogress.WRITER.NUMBER`, which a persist writes
 *   commit: the tail becomes the last part, the upload is completed; without parts it is copied to the target
 *
 * What a handle says is progress.h's: the upload, the parts of it that count, the tail; numbers of tails are random, so that no tail of any checkpoint is
 * ever written over.  Parts behind those that count are written again, under the same
 * numbers.  A handle of an earlier checkpoint whose upload has been completed since goes on with a copy of the first
 * bytes of the target.
 *
 * Thread: one at a time.  Flink: S3RecoverableWriter. */
#include "common/fs/s3/inside.h"
#include "common/fs/s3/progress.h"

#include "common/base/failpoint.h"
#include "common/fs/remote/xml.h"

#include <stdio.h>
#include <stdlib.h>

struct s3_recoverable {
    struct recoverable base;
    struct s3_fs *fs;          /* Borrows */
    struct fs_location target; /* Owns */
    struct s3_upload upload;   /* with an id once there is a part; says the writer */
    uint8_t *tail;             /* Owns; the file system's part_bytes */
    size_t tail_used;
    uint32_t tail_number; /* of the last persist; 0: it had none */
    struct rng random;
};

static struct s3_recoverable *file_of(struct recoverable *f)
{
    return CONTAINER_OF(f, struct s3_recoverable, base);
}

/* ---- handles ----------------------------------------------------------------------------------------------- */

static void note_progress(struct s3_recoverable *f)
{
    STR_AUTO text = STR_INIT;
    struct s3_progress p = {.n_parts = f->upload.n_parts,
                            .tail_number = f->tail_number,
                            .tail_bytes = f->tail_number != 0 ? f->tail_used : 0};
    snprintf(p.writer, sizeof(p.writer), "%.*s", ID_HEX_LEN, f->upload.writer);
    snprintf(p.upload, sizeof(p.upload), "%s", f->upload.id != NULL ? f->upload.id : "");
    s3_progress_format(&p, &text);
    mem_free(f->base.inprogress);
    f->base.inprogress = str_take(&text);
}

/* ---- writing ------------------------------------------------------------------------------------------------- */

/* The tail becomes a part. */
static int send_tail(struct s3_recoverable *f, struct error *err)
{
    bool was_begun = f->upload.id != NULL;
    int rc = s3_upload_send(&f->upload, slice_make((const char *)f->tail, f->tail_used), err);
    f->tail_used = rc == 0 ? 0 : f->tail_used;
    if (!was_begun) {
        note_progress(f); /* so that it can be given up */
    }
    return rc;
}

static int file_write(struct recoverable *base, const void *data, size_t size, struct error *err)
{
    struct s3_recoverable *f = file_of(base);
    const uint8_t *from = data;
    while (size > 0) {
        if (f->tail_used == f->fs->part_bytes) {
            TRY(send_tail(f, err));
        }
        f->tail = f->tail != NULL ? f->tail : mem_alloc(f->fs->part_bytes);
        size_t n = MIN(size, (size_t)f->fs->part_bytes - f->tail_used);
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
    struct s3_recoverable *f = file_of(base);
    STR_AUTO key = STR_INIT;
    if (f->tail_used == f->fs->part_bytes) {
        TRY(send_tail(f, err));
    }
    f->tail_number = f->tail_used > 0 ? (uint32_t)rng_below(&f->random, UINT32_MAX) + 1 : 0;
    if (f->tail_used > 0) {
        s3_tail_key(&f->target, f->upload.writer, f->tail_number, &key);
        struct s3_call call = {.method = "PUT",
                               .bucket = f->target.authority,
                               .key = str_cstr(&key),
                               .body = slice_make((const char *)f->tail, f->tail_used),
                               .doing = "writing"};
        int rc = FAILPOINT(err, "fs.s3.tail");
        rc = rc == 0 ? s3_call_run_file(f->fs->client, &call, err) : rc;
        s3_call_fini(&call);
        TRY(rc);
    }
    note_progress(f);
    return 0;
}

static void file_close(struct recoverable *base)
{
    struct s3_recoverable *f = file_of(base);
    s3_upload_fini(&f->upload);
    fs_location_fini(&f->target);
    mem_free(f->tail);
    mem_free(base->target_uri);
    mem_free(base->inprogress);
    mem_free(f);
}

static int file_new(const struct fs_location *target, struct s3_recoverable **ret_file,
                    struct error *err)
{
    struct s3_fs *fs;
    struct flinc_id id;
    char writer[ID_HEX_LEN + 1];
    STR_AUTO uri = STR_INIT;
    TRY(s3_fs_get(&fs, err));
    fs_location_format(target, &uri);
    if (s3_key_of(target)[0] == '\0') {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is a bucket, not a file", str_cstr(&uri));
    }
    struct s3_recoverable *f = MEM_NEW(struct s3_recoverable);
    int rc = fs_location_parse(str_cstr(&uri), &f->target, err);
    if (rc < 0) {
        mem_free(f);
        return rc;
    }
    f->base.ops = &s3_recoverable_ops;
    f->base.target_uri = str_take(&uri);
    f->fs = fs;
    rng_init_system(&f->random);
    id_random(&id, &f->random);
    id_format(&id, writer);
    s3_upload_init(&f->upload, fs, f->target.authority, s3_key_of(&f->target), writer);
    note_progress(f);
    *ret_file = f;
    return 0;
}

static int file_open(const struct fs_location *target, struct recoverable **ret_file,
                     struct error *err)
{
    struct s3_recoverable *f = NULL;
    TRY(FAILPOINT(err, "fs.s3.recoverable.open"));
    TRY(file_new(target, &f, err));
    *ret_file = &f->base;
    return 0;
}

/* ---- what an upload has ------------------------------------------------------------------------------------------ */

struct part_list {
    struct s3_upload *upload;
    uint32_t n_wanted;
    uint64_t bytes; /* of the parts that are wanted */
    uint32_t n_found;
    uint32_t number;
    struct str etag;
    char crc32c[S3_CRC32C_BYTES];
    uint64_t size;
    bool is_truncated;
    struct str marker;
};

static int on_part(void *arg, const char *path, struct slice text, struct error *err)
{
    struct part_list *l = arg;
    const char *value = text.data != NULL ? text.data : "";
    if (strcmp(path, "ListPartsResult/Part/PartNumber") == 0) {
        l->number = (uint32_t)strtoul(value, NULL, 10);
    } else if (strcmp(path, "ListPartsResult/Part/ETag") == 0) {
        str_clear(&l->etag);
        str_append_slice(&l->etag, text);
    } else if (strcmp(path, "ListPartsResult/Part/Size") == 0) {
        l->size = strtoull(value, NULL, 10);
    } else if (strcmp(path, "ListPartsResult/Part/ChecksumCRC32C") == 0) {
        snprintf(l->crc32c, sizeof(l->crc32c), "%.*s", (int)text.len, value);
    } else if (strcmp(path, "ListPartsResult/Part") == 0) {
        if (l->number >= 1 && l->number <= l->n_wanted) {
            s3_upload_note(l->upload, l->number, str_cstr(&l->etag), l->crc32c);
            l->bytes += l->size;
            l->n_found++;
        }
        l->crc32c[0] = '\0';
    } else if (strcmp(path, "ListPartsResult/ChecksumAlgorithm") == 0) {
        l->upload->has_checksums = slice_eq_cstr(text, "CRC32C");
    } else if (strcmp(path, "ListPartsResult/IsTruncated") == 0) {
        l->is_truncated = slice_eq_cstr(text, "true");
    } else if (strcmp(path, "ListPartsResult/NextPartNumberMarker") == 0) {
        str_clear(&l->marker);
        str_append_slice(&l->marker, text);
    }
    return 0;
}

/* The ETags of the parts that a handle has, and that together with its tail they are as long as it says.  ERR_NOT_FOUND:
 * the upload is not there any more. */
static int find_parts(struct s3_upload *u, const struct recoverable_handle *h,
                      const struct s3_progress *p, struct error *err)
{
    struct part_list l = {.upload = u, .n_wanted = p->n_parts};
    int rc;
    do {
        struct s3_call call = {
            .method = "GET", .bucket = u->bucket, .key = u->key, .doing = "looking at parts of"};
        STR_AUTO marker = STR_INIT;
        str_append_slice(&marker, str_slice(&l.marker));
        s3_call_add_query(&call, "uploadId", u->id);
        if (marker.len > 0) {
            s3_call_add_query(&call, "part-number-marker", str_cstr(&marker));
        }
        l.is_truncated = false;
        rc = s3_call_run(u->fs->client, &call, err);
        rc = rc == 0 ? xml_read(str_slice(&call.x.answer), on_part, &l, err) : rc;
        s3_call_fini(&call);
    } while (rc == 0 && l.is_truncated && l.n_found < l.n_wanted && l.marker.len > 0);
    if (rc == 0 && (l.n_found != p->n_parts || l.bytes + p->tail_bytes != h->length_bytes)) {
        rc = error_set(err, ERR_CORRUPT,
                       "the upload has %u of %u parts, and with its tail %llu of %llu bytes",
                       l.n_found, p->n_parts, (unsigned long long)(l.bytes + p->tail_bytes),
                       (unsigned long long)h->length_bytes);
    }
    str_fini(&l.etag);
    str_fini(&l.marker);
    return rc;
}

/* That of a handle. */
static void upload_of(struct s3_fs *fs, const struct fs_location *target,
                      const struct s3_progress *p, struct s3_upload *ret_upload)
{
    s3_upload_init(ret_upload, fs, target->authority, s3_key_of(target), p->writer);
    if (p->upload[0] != '\0') {
        s3_upload_go_on(ret_upload, p->upload, p->n_parts);
    }
}

/* ---- going on --------------------------------------------------------------------------------------------------------- */

static int read_into_tail(struct s3_recoverable *f, const char *key, uint64_t offset, size_t size,
                          struct error *err)
{
    char range[64];
    f->tail = f->tail != NULL ? f->tail : mem_alloc(f->fs->part_bytes);
    if (size == 0) {
        return 0;
    }
    struct s3_call call = {.method = "GET",
                           .bucket = f->target.authority,
                           .key = key,
                           .sink = f->tail,
                           .sink_size = size,
                           .doing = "reading"};
    snprintf(range, sizeof(range), "bytes=%llu-%llu", (unsigned long long)offset,
             (unsigned long long)(offset + size - 1));
    s3_call_add_header(&call, "range", range);
    int rc = s3_call_run(f->fs->client, &call, err);
    if (rc == 0 && call.x.sink_used != size) {
        rc = error_set(err, ERR_CORRUPT, "s3://%s/%s has %zu bytes of %zu", f->target.authority,
                       key, call.x.sink_used, size);
    }
    s3_call_fini(&call);
    f->tail_used = rc == 0 ? size : 0;
    return rc;
}

/* The file was committed since: its first bytes are read back, for a file that takes its place. */
static int go_on_behind_commit(struct s3_recoverable *f, const struct recoverable_handle *h,
                               const struct s3_progress *p, struct error *err)
{
    struct s3_object object;
    const char *key = s3_key_of(&f->target);
    TRY(s3_head(f->fs, f->target.authority, key, &object, err));
    if (strcmp(object.writer, p->writer) != 0 || object.size < h->length_bytes) {
        return error_set(err, ERR_CORRUPT, "the upload is gone, and s3://%s/%s is another one",
                         f->target.authority, key);
    }
    for (uint64_t at = 0; at < h->length_bytes;) {
        size_t n = (size_t)MIN(h->length_bytes - at, f->fs->part_bytes);
        TRY(read_into_tail(f, key, at, n, err));
        at += n;
        if (at < h->length_bytes) {
            TRY(send_tail(f, err));
        }
    }
    return 0;
}

static int go_on(struct s3_recoverable *f, const struct recoverable_handle *h,
                 const struct s3_progress *p, struct error *err)
{
    STR_AUTO key = STR_INIT;
    struct error why = ERROR_INIT;
    int rc = 0;
    if (p->tail_bytes > f->fs->part_bytes) {
        return error_set(
            err, ERR_INVALID_CONFIG,
            "its tail has %llu bytes, more than s3.upload.min.part.size, which was larger then",
            (unsigned long long)p->tail_bytes);
    }
    struct s3_upload u;
    upload_of(f->fs, &f->target, p, &u);
    if (u.id != NULL) {
        rc = find_parts(&u, h, p, &why);
    }
    if (rc == 0 && p->tail_bytes > 0) {
        s3_tail_key(&f->target, p->writer, p->tail_number, &key);
        rc = read_into_tail(f, str_cstr(&key), 0, (size_t)p->tail_bytes, &why);
    }
    if (rc == 0) {
        s3_upload_fini(&f->upload);
        f->upload = u;
        return 0;
    }
    s3_upload_fini(&u);
    if (rc == ERR_NOT_FOUND) {
        return go_on_behind_commit(f, h, p, err);
    }
    if (err != NULL) {
        error_copy(err, &why);
    }
    return rc;
}

static int file_recover(const struct recoverable_handle *h, struct recoverable **ret_file,
                        struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    struct s3_recoverable *f = NULL;
    struct s3_progress p;
    TRY(FAILPOINT(err, "fs.s3.recoverable.recover"));
    TRY(s3_progress_read(h->inprogress, &p, err));
    TRY(fs_location_parse(h->target_uri, &at, err));
    TRY(file_new(&at, &f, err));
    f->base.length_bytes = h->length_bytes;
    int rc = go_on(f, h, &p, err);
    if (rc < 0) {
        file_close(&f->base);
        return rc;
    }
    note_progress(f);
    *ret_file = &f->base;
    return 0;
}

/* ---- committing ------------------------------------------------------------------------------------------------------- */

static bool is_committed(struct s3_fs *fs, const struct fs_location *at,
                         const struct s3_progress *p)
{
    return s3_is_of(fs, at->authority, s3_key_of(at), p->writer);
}

/* The tail, which is all of the file, becomes the target. */
static int copy_tail(struct s3_fs *fs, const struct fs_location *at, const struct s3_progress *p,
                     struct error *err)
{
    STR_AUTO source = STR_INIT;
    STR_AUTO key = STR_INIT;
    s3_tail_key(at, p->writer, p->tail_number, &key);
    s3_copy_source(at->authority, str_cstr(&key), &source);
    struct s3_call call = {
        .method = "PUT", .bucket = at->authority, .key = s3_key_of(at), .doing = "committing"};
    s3_call_add_header(&call, "x-amz-copy-source", str_cstr(&source));
    s3_call_add_header(&call, "x-amz-metadata-directive", "REPLACE");
    s3_call_add_header(&call, "x-amz-meta-flinc-writer", p->writer);
    int rc = s3_call_run(fs->client, &call, err);
    s3_call_fini(&call);
    return rc;
}

static int commit_upload(struct s3_fs *fs, const struct fs_location *at,
                         const struct recoverable_handle *h, const struct s3_progress *p,
                         struct error *err)
{
    struct s3_upload u;
    STR_AUTO key = STR_INIT;
    upload_of(fs, at, p, &u);
    u.doing = "committing";
    int rc = find_parts(&u, h, p, err);
    if (rc == 0 && p->tail_bytes > 0) { /* the last part */
        s3_tail_key(at, p->writer, p->tail_number, &key);
        rc = s3_upload_copy(&u, at->authority, str_cstr(&key), 0, 0, err);
    }
    rc = rc == 0 ? s3_upload_complete(&u, false, err) : rc;
    s3_upload_fini(&u);
    return rc;
}

static int commit_empty(struct s3_fs *fs, const struct fs_location *at, const struct s3_progress *p,
                        struct error *err)
{
    struct s3_call call = {
        .method = "PUT", .bucket = at->authority, .key = s3_key_of(at), .doing = "committing"};
    s3_call_add_header(&call, "x-amz-meta-flinc-writer", p->writer);
    int rc = s3_call_run(fs->client, &call, err);
    s3_call_fini(&call);
    return rc;
}

static void remove_tails(struct s3_fs *fs, const struct fs_location *at,
                         const struct s3_progress *p)
{
    STR_AUTO key = STR_INIT;
    s3_tail_key(at, p->writer, 0, &key);
    key.len--; /* of all numbers */
    key.data[key.len] = '\0';
    int rc = s3_delete_below(fs, at->authority, str_cstr(&key), NULL);
    (void)rc; /* nothing refers to them */
}

static int file_commit(const struct recoverable_handle *h, enum recoverable_commit_mode mode,
                       struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    struct s3_fs *fs;
    struct s3_progress p;
    struct error why = ERROR_INIT;
    TRY(s3_progress_read(h->inprogress, &p, err));
    TRY(fs_location_parse(h->target_uri, &at, err));
    TRY(s3_fs_get(&fs, err));
    TRY(FAILPOINT(err, "fs.s3.recoverable.before_commit"));
    if (mode == RECOVERABLE_COMMIT_AGAIN && is_committed(fs, &at, &p)) {
        return 0;
    }
    int rc = p.upload[0] != '\0' ? commit_upload(fs, &at, h, &p, &why)
             : p.tail_bytes > 0  ? copy_tail(fs, &at, &p, &why)
                                 : commit_empty(fs, &at, &p, &why);
    if (rc == ERR_NOT_FOUND && is_committed(fs, &at, &p)) {
        rc = 0; /* an answer was lost */
    }
    if (rc < 0) {
        if (err != NULL) {
            error_copy(err, &why);
        }
        return rc;
    }
    TRY(FAILPOINT(err, "fs.s3.recoverable.after_commit"));
    remove_tails(fs, &at, &p);
    return 0;
}

static int file_cleanup(const struct recoverable_handle *h, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    struct s3_fs *fs;
    struct s3_progress p;
    TRY(FAILPOINT(err, "fs.s3.recoverable.cleanup"));
    TRY(s3_progress_read(h->inprogress, &p, err));
    TRY(fs_location_parse(h->target_uri, &at, err));
    TRY(s3_fs_get(&fs, err));
    struct s3_upload u;
    upload_of(fs, &at, &p, &u);
    s3_upload_abort(&u);
    s3_upload_fini(&u);
    remove_tails(fs, &at, &p);
    return 0;
}

const struct recoverable_ops s3_recoverable_ops = {
    .open = file_open,
    .recover = file_recover,
    .write = file_write,
    .sync = file_sync,
    .close = file_close,
    .commit = file_commit,
    .cleanup = file_cleanup,
};
