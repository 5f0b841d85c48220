/* Blobs of a snapshot: where they lie, and reading them as one run of checked bytes.
 *
 * Files are read, not mapped: a file that is cut while it is mapped ends the process.
 * Thread: one owner per reader.  Flink: StreamStateHandle. */
#include "engine/snapshot/output.h"

#include "common/base/crc32c.h"
#include "common/base/failpoint.h"
#include "common/fs/fs.h"

enum { STATE_BLOB_ADVISE_MAX = 64 * 1024 * 1024 }; /* bytes ahead of who reads */

struct blob_reader {
    char *name;    /* Owns; for messages */
    uint8_t *data; /* Owns; BUFFER_PADDING bytes behind it */
    uint64_t size;
};

void state_blob_clear(Flinc__StateBlob *blob)
{
    mem_free(blob->inline_data.data);
    if (blob->location != protobuf_c_empty_string) {
        mem_free(blob->location);
    }
    if (blob->local_path != protobuf_c_empty_string) {
        mem_free(blob->local_path);
    }
    flinc__state_blob__init(blob);
}

int state_blob_uri(const Flinc__StateBlob *blob, const char *directory, struct str *ret_uri,
                   struct error *err)
{
    str_clear(ret_uri);
    if (blob->location[0] == '\0') {
        return 0;
    }
    if (strchr(blob->location, '/') != NULL) {
        str_append_cstr(ret_uri, blob->location);
        return 0;
    }
    if (directory == NULL || directory[0] == '\0') {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "state file '%s' lies beside its _metadata, and that folder is not known",
                         blob->location);
    }
    return fs_join(directory, blob->location, ret_uri, err);
}

int state_blob_source(const Flinc__StateBlob *blob, const char *directory, struct str *ret_uri,
                      struct error *err)
{
    if (blob->local_path[0] == '\0') {
        return state_blob_uri(blob, directory, ret_uri, err);
    }
    str_clear(ret_uri);
    str_append_cstr(ret_uri, blob->local_path);
    return 0;
}

uint64_t state_blob_offset(const Flinc__StateBlob *blob)
{
    return blob->local_path[0] == '\0' ? blob->offset : 0; /* a copy is of the section alone */
}

int state_blob_check_file(const Flinc__StateBlob *blob, const char *name, uint64_t file_size,
                          struct error *err)
{
    bool is_section = blob->merged_since != 0 && blob->local_path[0] == '\0';
    uint64_t at = state_blob_offset(blob);
    if (is_section && (at > file_size || blob->size > file_size - at)) {
        return error_set(err, ERR_CORRUPT,
                         "%s is damaged: it has %llu bytes, but %llu were written into it from "
                         "byte %llu on",
                         name, (unsigned long long)file_size, (unsigned long long)blob->size,
                         (unsigned long long)at);
    }
    if (!is_section && file_size != blob->size) {
        return error_set(err, ERR_CORRUPT, "%s is damaged: it has %llu bytes, %llu were written",
                         name, (unsigned long long)file_size, (unsigned long long)blob->size);
    }
    return 0;
}

void state_blob_print(const Flinc__StateBlob *blob, const char *uri, struct str *ret)
{
    str_clear(ret);
    str_append_cstr(ret, uri);
    if (blob->merged_since != 0 && blob->local_path[0] == '\0') {
        str_printf(ret, " (%llu bytes from %llu on)", (unsigned long long)blob->size,
                   (unsigned long long)blob->offset);
    }
}

void state_blob_advise(const Flinc__StateBlob *blob, const char *directory)
{
    STR_AUTO uri = STR_INIT;
    struct fs_input *in = NULL;
    if (blob != NULL && state_blob_source(blob, directory, &uri, NULL) == 0 && uri.len > 0 &&
        fs_open(str_cstr(&uri), FS_ACCESS_SEQUENTIAL, &in, NULL) == 0) {
        fs_input_advise(in, state_blob_offset(blob),
                        MIN(blob->size, (uint64_t)STATE_BLOB_ADVISE_MAX));
        fs_input_close(in);
    }
}

void keyed_handle_each_blob(const Flinc__KeyedHandle *handle,
                            void (*fn)(void *arg, const Flinc__StateBlob *blob,
                                       uint64_t checkpoint_id),
                            void *arg)
{
    for (size_t i = 0; i < handle->n_segments; i++) {
        if (handle->segments[i]->blob != NULL) {
            fn(arg, handle->segments[i]->blob, handle->segments[i]->checkpoint_id);
        }
    }
    for (size_t i = 0; i < handle->n_files; i++) {
        for (size_t k = 0; k < handle->files[i]->n_files; k++) {
            const Flinc__SharedFile *file = handle->files[i]->files[k];
            if (file->blob != NULL) {
                fn(arg, file->blob, file->checkpoint_id);
            }
        }
    }
}

void subtask_state_each_blob(const Flinc__OperatorSubtaskState *state, uint64_t checkpoint_id,
                             void (*fn)(void *arg, const Flinc__StateBlob *blob,
                                        uint64_t checkpoint_id),
                             void *arg)
{
    for (size_t i = 0; i < state->n_keyed; i++) {
        keyed_handle_each_blob(state->keyed[i], fn, arg);
    }
    for (size_t i = 0; i < state->n_operator_state; i++) {
        if (state->operator_state[i]->blob != NULL) {
            fn(arg, state->operator_state[i]->blob, checkpoint_id);
        }
    }
    for (size_t i = 0; i < state->n_channels; i++) {
        if (state->channels[i]->blob != NULL) {
            fn(arg, state->channels[i]->blob, checkpoint_id);
        }
    }
}

static int check_crc(const struct blob_reader *r, const Flinc__StateBlob *blob, struct error *err)
{
    uint32_t crc = crc32c(0, r->data, r->size);
    if (crc != blob->crc32c) {
        return error_set(err, ERR_CORRUPT,
                         "%s is damaged: its bytes have the check sum %08x, %08x was written",
                         r->name, crc, blob->crc32c);
    }
    return 0;
}

/* The size is known to be in the file, so that it may be allocated. */
static int read_file(struct blob_reader *r, struct fs_input *in, const Flinc__StateBlob *blob,
                     struct error *err)
{
    uint64_t size = blob->size;
    TRY(state_blob_check_file(blob, fs_input_path(in), fs_input_size(in), err));
    r->data = mem_alloc_aligned(BUFFER_PADDING,
                                (size + 2 * BUFFER_PADDING - 1) / BUFFER_PADDING * BUFFER_PADDING);
    r->size = size;
    size_t n = 0;
    TRY(fs_input_read_at(in, state_blob_offset(blob), r->data, size, &n, err));
    if (n != size) {
        return error_set(err, ERR_CORRUPT, "%s was cut to %zu bytes while it was read", r->name, n);
    }
    return 0;
}

static int take_inline(struct blob_reader *r, const Flinc__StateBlob *blob, struct error *err)
{
    size_t size = blob->inline_data.len;
    if (size != blob->size) {
        return error_set(err, ERR_CORRUPT,
                         "%s has %zu bytes, %llu were written: the snapshot is damaged", r->name,
                         size, (unsigned long long)blob->size);
    }
    r->data = mem_alloc_aligned(BUFFER_PADDING,
                                (size + 2 * BUFFER_PADDING - 1) / BUFFER_PADDING * BUFFER_PADDING);
    r->size = size;
    if (size > 0) {
        memcpy(r->data, blob->inline_data.data, size);
    }
    return 0;
}

static int reader_load(struct blob_reader *r, const Flinc__StateBlob *blob, const char *directory,
                       struct error *err)
{
    STR_AUTO uri = STR_INIT;
    STR_AUTO name = STR_INIT;
    struct fs_input *in = NULL;
    TRY(state_blob_source(blob, directory, &uri, err));
    state_blob_print(blob, uri.len > 0 ? str_cstr(&uri) : "state inside the snapshot's metadata",
                     &name);
    r->name = str_take(&name);
    if (uri.len == 0) {
        TRY(take_inline(r, blob, err));
        return check_crc(r, blob, err);
    }
    TRY(FAILPOINT(err, "snapshot.blob.open"));
    TRY_CTX(err, fs_open(str_cstr(&uri), FS_ACCESS_SEQUENTIAL, &in, err), "reading state");
    int rc = read_file(r, in, blob, err);
    fs_input_close(in);
    TRY(rc);
    return check_crc(r, blob, err);
}

int blob_reader_open(const Flinc__StateBlob *blob, const char *directory,
                     struct blob_reader **ret_reader, struct error *err)
{
    struct blob_reader *r = MEM_NEW(struct blob_reader);
    int rc = reader_load(r, blob, directory, err);
    if (rc < 0) {
        blob_reader_close(r);
        return rc;
    }
    *ret_reader = r;
    return 0;
}

const uint8_t *blob_reader_data(const struct blob_reader *r)
{
    return r->data;
}

uint64_t blob_reader_size(const struct blob_reader *r)
{
    return r->size;
}

const char *blob_reader_name(const struct blob_reader *r)
{
    return r->name;
}

struct blob_reader *blob_reader_close(struct blob_reader *r)
{
    if (r != NULL) {
        mem_free(r->name);
        mem_free(r->data);
        mem_free(r);
    }
    return NULL;
}
