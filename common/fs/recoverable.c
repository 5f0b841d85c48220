/* Recoverable files: the codec of handles, and the calls into the driver of the target.
 *
 * Thread: one at a time per file; handles any.  A handle is checked completely before anything is
 * touched on disk. */
#include "common/fs/recoverable.h"

#include "common/fs/driver.h"
#include <zlib.h>

enum {
    HANDLE_HEADER_BYTES = 16,
    HANDLE_CRC_BYTES = 4,
    HANDLE_NAME_MAX = FS_PATH_MAX + 64, /* a path with a scheme in front */
};
static const char handle_magic[4] = "FRWH";

const char *recoverable_kind_name(enum recoverable_kind kind)
{
    return kind == RECOVERABLE_RESUME   ? "resume"
           : kind == RECOVERABLE_COMMIT ? "commit"
                                        : "unknown";
}

/* ---- encoding --------------------------------------------------------------------------------- */

static void put_u32(struct str *out, uint32_t x)
{
    const uint8_t b[4] = {(uint8_t)x, (uint8_t)(x >> 8), (uint8_t)(x >> 16), (uint8_t)(x >> 24)};
    str_append(out, (const char *)b, sizeof(b));
}

static void put_text(struct str *out, const char *text)
{
    put_u32(out, (uint32_t)strlen(text));
    str_append_cstr(out, text);
}

static uint32_t handle_crc(const char *data, size_t len)
{
    return (uint32_t)crc32(0, (const Bytef *)data, (uInt)len);
}

void recoverable_handle_encode(const struct recoverable_handle *h, struct str *ret_bytes)
{
    str_clear(ret_bytes);
    str_append(ret_bytes, handle_magic, sizeof(handle_magic));
    const char head[4] = {RECOVERABLE_HANDLE_VERSION, (char)h->kind, 0, 0};
    str_append(ret_bytes, head, sizeof(head));
    put_u32(ret_bytes, (uint32_t)h->length_bytes);
    put_u32(ret_bytes, (uint32_t)(h->length_bytes >> 32));
    put_text(ret_bytes, h->target_uri);
    put_text(ret_bytes, h->inprogress);
    put_u32(ret_bytes, handle_crc(ret_bytes->data, ret_bytes->len));
}

/* ---- decoding --------------------------------------------------------------------------------- */

static uint32_t get_u32(const char *p)
{
    const uint8_t *b = (const uint8_t *)p;
    return b[0] | (uint32_t)b[1] << 8 | (uint32_t)b[2] << 16 | (uint32_t)b[3] << 24;
}

/* Splits a text off the front of `rest`; false when it is not one. */
static bool get_text(struct slice *rest, struct slice *ret_text)
{
    if (rest->len < 4) {
        return false;
    }
    uint32_t len = get_u32(rest->data);
    if (len == 0 || len > HANDLE_NAME_MAX || len > rest->len - 4) {
        return false;
    }
    *ret_text = slice_make(rest->data + 4, len);
    *rest = slice_make(rest->data + 4 + len, rest->len - 4 - len);
    return memchr(ret_text->data, '\0', len) == NULL;
}

static int handle_damaged(const char *what, struct error *err)
{
    return error_set(err, ERR_CORRUPT, "the handle of a file in progress is damaged: %s", what);
}

int recoverable_handle_decode(struct slice bytes, struct recoverable_handle *ret_handle,
                              struct error *err)
{
    if (bytes.len < HANDLE_HEADER_BYTES + HANDLE_CRC_BYTES || bytes.len > RECOVERABLE_HANDLE_MAX) {
        return handle_damaged("its size is not one of a handle", err);
    }
    if (memcmp(bytes.data, handle_magic, sizeof(handle_magic)) != 0) {
        return handle_damaged("it does not begin with FRWH", err);
    }
    uint8_t version = (uint8_t)bytes.data[4], kind = (uint8_t)bytes.data[5];
    if (version != RECOVERABLE_HANDLE_VERSION) {
        return error_set(
            err, ERR_UNSUPPORTED,
            "the handle of a file in progress has version %u; this program reads %d: it "
            "was written by a newer one",
            version, RECOVERABLE_HANDLE_VERSION);
    }
    size_t body = bytes.len - HANDLE_CRC_BYTES;
    if (get_u32(bytes.data + body) != handle_crc(bytes.data, body)) {
        return handle_damaged("its checksum does not fit", err);
    }
    if ((kind != RECOVERABLE_RESUME && kind != RECOVERABLE_COMMIT) || bytes.data[6] != 0 ||
        bytes.data[7] != 0) {
        return handle_damaged("its kind is unknown", err);
    }
    uint64_t length = get_u32(bytes.data + 8) | (uint64_t)get_u32(bytes.data + 12) << 32;
    struct slice rest = slice_make(bytes.data + HANDLE_HEADER_BYTES, body - HANDLE_HEADER_BYTES);
    struct slice target, inprogress;
    if (!get_text(&rest, &target) || !get_text(&rest, &inprogress) || rest.len != 0 ||
        length > INT64_MAX) {
        return handle_damaged("its names or its length are not ones", err);
    }
    *ret_handle = (struct recoverable_handle){
        .kind = (enum recoverable_kind)kind,
        .length_bytes = length,
        .target_uri = mem_strndup(target.data, target.len),
        .inprogress = mem_strndup(inprogress.data, inprogress.len),
    };
    return 0;
}

void recoverable_handle_fini(struct recoverable_handle *h)
{
    mem_free(h->target_uri);
    mem_free(h->inprogress);
    h->target_uri = h->inprogress = NULL;
}

/* ---- drivers ---------------------------------------------------------------------------------- */

static int ops_of(const struct fs_location *at, const struct recoverable_ops **ret_ops,
                  struct error *err)
{
    if (at->driver->recoverable == NULL) {
        return error_set(err, ERR_UNSUPPORTED,
                         "%s (%s) has no recoverable writer; write to another "
                         "file system",
                         at->driver->scheme, at->driver->description);
    }
    *ret_ops = at->driver->recoverable;
    return 0;
}

/* Decodes a handle that must be of a kind (0: any) and finds the functions for it. */
static int handle_open(struct slice bytes, int kind, struct recoverable_handle *ret_handle,
                       const struct recoverable_ops **ret_ops, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    struct recoverable_handle h;
    TRY(recoverable_handle_decode(bytes, &h, err));
    int rc = 0;
    if (kind != 0 && (int)h.kind != kind) {
        rc = error_set(err, ERR_INVALID_ARGUMENT,
                       "%s: a %s handle was given where a %s handle belongs", h.target_uri,
                       recoverable_kind_name(h.kind),
                       recoverable_kind_name((enum recoverable_kind)kind));
    }
    if (rc == 0) {
        rc = fs_location_parse(h.target_uri, &at, err);
    }
    if (rc == 0) {
        rc = ops_of(&at, ret_ops, err);
    }
    if (rc < 0) {
        recoverable_handle_fini(&h);
        return rc;
    }
    *ret_handle = h;
    return 0;
}

/* ---- files ------------------------------------------------------------------------------------ */

int recoverable_open(const char *uri, struct recoverable **ret_file, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    const struct recoverable_ops *ops = NULL;
    TRY(fs_location_parse(uri, &at, err));
    TRY(ops_of(&at, &ops, err));
    return ops->open(&at, ret_file, err);
}

int recoverable_write(struct recoverable *f, const void *data, size_t size, struct error *err)
{
    TRY(f->ops->write(f, data, size, err));
    f->length_bytes += size;
    return 0;
}

uint64_t recoverable_position(const struct recoverable *f)
{
    return f->length_bytes;
}

static void file_encode(const struct recoverable *f, enum recoverable_kind kind,
                        struct str *ret_handle)
{
    struct recoverable_handle h = {.kind = kind,
                                   .length_bytes = f->length_bytes,
                                   .target_uri = f->target_uri,
                                   .inprogress = f->inprogress};
    recoverable_handle_encode(&h, ret_handle);
}

int recoverable_persist(struct recoverable *f, struct str *ret_handle, struct error *err)
{
    TRY_CTX(err, f->ops->sync(f, err), "persisting %s", f->target_uri);
    file_encode(f, RECOVERABLE_RESUME, ret_handle);
    return 0;
}

int recoverable_close_for_commit(struct recoverable **file, struct str *ret_handle,
                                 struct error *err)
{
    struct recoverable *f = STEAL(*file);
    int rc = f->ops->sync(f, err);
    if (rc < 0) {
        error_context(err, "closing %s", f->target_uri);
    } else {
        file_encode(f, RECOVERABLE_COMMIT, ret_handle);
    }
    f->ops->close(f);
    return rc;
}

struct recoverable *recoverable_close(struct recoverable *f)
{
    if (f != NULL) {
        f->ops->close(f);
    }
    return NULL;
}

struct recoverable *recoverable_abort(struct recoverable *f)
{
    if (f == NULL) {
        return NULL;
    }
    const struct recoverable_ops *ops = f->ops;
    struct recoverable_handle h = {.kind = RECOVERABLE_RESUME,
                                   .target_uri = STEAL(f->target_uri),
                                   .inprogress = STEAL(f->inprogress)};
    ops->close(f);
    /* A file that cannot be deleted stays invisible: nothing refers to it. */
    (void)!ops->cleanup(&h, NULL);
    recoverable_handle_fini(&h);
    return NULL;
}

/* ---- handles ---------------------------------------------------------------------------------- */

int recoverable_recover(struct slice handle, struct recoverable **ret_file, struct error *err)
{
    CLEANUP(recoverable_handle_fini) struct recoverable_handle h = {.target_uri = NULL};
    const struct recoverable_ops *ops = NULL;
    TRY(handle_open(handle, RECOVERABLE_RESUME, &h, &ops, err));
    TRY_CTX(err, ops->recover(&h, ret_file, err), "resuming the writing of %s", h.target_uri);
    return 0;
}

static int handle_commit(struct slice handle, enum recoverable_commit_mode mode, struct error *err)
{
    CLEANUP(recoverable_handle_fini) struct recoverable_handle h = {.target_uri = NULL};
    const struct recoverable_ops *ops = NULL;
    TRY(handle_open(handle, RECOVERABLE_COMMIT, &h, &ops, err));
    TRY_CTX(err, ops->commit(&h, mode, err), "committing %s", h.target_uri);
    return 0;
}

int recoverable_commit(struct slice commit_handle, struct error *err)
{
    return handle_commit(commit_handle, RECOVERABLE_COMMIT_FIRST, err);
}

int recoverable_commit_after_recovery(struct slice commit_handle, struct error *err)
{
    return handle_commit(commit_handle, RECOVERABLE_COMMIT_AGAIN, err);
}

int recoverable_resume_to_commit(struct slice resume_handle, struct str *ret_commit_handle,
                                 struct error *err)
{
    CLEANUP(recoverable_handle_fini) struct recoverable_handle h = {.target_uri = NULL};
    const struct recoverable_ops *ops = NULL;
    TRY(handle_open(resume_handle, RECOVERABLE_RESUME, &h, &ops, err));
    h.kind = RECOVERABLE_COMMIT;
    recoverable_handle_encode(&h, ret_commit_handle);
    return 0;
}

int recoverable_commit_persisted(struct slice resume_handle, struct error *err)
{
    CLEANUP(recoverable_handle_fini) struct recoverable_handle h = {.target_uri = NULL};
    const struct recoverable_ops *ops = NULL;
    TRY(handle_open(resume_handle, RECOVERABLE_RESUME, &h, &ops, err));
    h.kind = RECOVERABLE_COMMIT;
    int rc = ops->seal != NULL ? ops->seal(&h, err) : 0;
    rc = rc < 0 ? rc : ops->commit(&h, RECOVERABLE_COMMIT_AGAIN, err);
    if (rc < 0) {
        error_context(err, "committing what was persisted of %s", h.target_uri);
    }
    return rc;
}

int recoverable_cleanup(struct slice handle, struct error *err)
{
    CLEANUP(recoverable_handle_fini) struct recoverable_handle h = {.target_uri = NULL};
    const struct recoverable_ops *ops = NULL;
    TRY(handle_open(handle, 0, &h, &ops, err));
    TRY_CTX(err, ops->cleanup(&h, err), "cleaning up for %s", h.target_uri);
    return 0;
}
