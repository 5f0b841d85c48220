/* The bundles of a job as files of the storage folder, by their content; see recovery_internal.h. */
#include "common/base/fd.h"
#include "common/fs/fs.h"
#include "jobmanager/recovery/recovery_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum { COPY_BYTES = 1024 * 1024 };

static void bundle_folder(const struct recovery *r, const char *job_hex, struct str *ret)
{
    str_clear(ret);
    str_printf(ret, "%s/blob/%s", ha_storage_dir(r->ha), job_hex);
}

static void bundle_uri(const struct recovery *r, const char *job_hex, const uint8_t hash[32],
                       struct str *ret)
{
    bundle_folder(r, job_hex, ret);
    str_append_char(ret, '/');
    for (int i = 0; i < 32; i++) {
        str_printf(ret, "%02x", hash[i]);
    }
}

static int copy_blob(struct recovery *r, const struct blob_key *key, struct fs_output *out,
                     struct error *err)
{
    uint64_t offset = 0, total = 1;
    while (offset < total) {
        STR_AUTO part = STR_INIT;
        TRY(blob_store_read(r->blobs, key, offset, COPY_BYTES, &part, &total, err));
        TRY(fs_output_write(out, part.data, part.len, err));
        offset += part.len;
    }
    return fs_output_sync(out, err);
}

/* The content is the name: what is there already is the same, or the rest of an attempt that did not end. */
static int keep_one(struct recovery *r, const char *job_hex, const struct blob_key *key,
                    struct error *err)
{
    struct fs_output *out = NULL;
    STR_AUTO uri = STR_INIT;
    bundle_uri(r, job_hex, key->hash, &uri);
    TRY(fs_create(str_cstr(&uri), FS_OVERWRITE, &out, err));
    int rc = copy_blob(r, key, out, err);
    if (rc == 0) {
        rc = fs_output_close(&out, err);
    }
    fs_output_abandon(out);
    return rc;
}

int bundles_keep(struct recovery *r, const char *job_hex, const struct blob_key *blobs, uint32_t n,
                 struct error *err)
{
    STR_AUTO folder = STR_INIT;
    for (uint32_t i = 0; i < n; i++) {
        TRY(keep_one(r, job_hex, &blobs[i], err));
    }
    bundle_folder(r, job_hex, &folder);
    return n > 0 ? fs_sync_folder(str_cstr(&folder), err) : 0;
}

static int copy_out(struct fs_input *in, int fd, const char *path, struct error *err)
{
    char *buf = mem_alloc(COPY_BYTES);
    uint64_t offset = 0;
    int rc = 0;
    while (rc == 0 && offset < fs_input_size(in)) {
        size_t n = 0;
        rc = fs_input_read_at(in, offset, buf, COPY_BYTES, &n, err);
        if (rc == 0 && n == 0) {
            break;
        }
        if (rc == 0 && fd_write_all(fd, buf, n) < 0) {
            rc = error_set_errno(err, errno, "writing %s (io.tmp.dirs)", path);
        }
        offset += n;
    }
    mem_free(buf);
    return rc;
}

/* A copy of the file that the blob store can read; the caller removes it. */
static int download(struct recovery *r, const char *uri, struct str *ret_path, struct error *err)
{
    struct fs_input *in = NULL;
    str_printf(ret_path, "%s/bundle-XXXXXX", r->tmp_dir);
    TRY(fs_open(uri, FS_ACCESS_SEQUENTIAL, &in, err));
    int fd = mkostemp(ret_path->data, O_CLOEXEC);
    int rc = fd >= 0
                 ? copy_out(in, fd, str_cstr(ret_path), err)
                 : error_set_errno(err, errno, "creating a file in %s (io.tmp.dirs)", r->tmp_dir);
    if (fd >= 0) {
        (void)close(fd);
    }
    fs_input_close(in);
    return rc;
}

int bundles_fetch(struct recovery *r, const char *job_hex, ProtobufCBinaryData hash,
                  struct blob_key *ret_key, struct error *err)
{
    struct blob_key wanted, got;
    uint64_t size;
    STR_AUTO uri = STR_INIT;
    STR_AUTO path = STR_INIT;
    if (!blob_key_from_bytes(hash.data, hash.len, &wanted)) {
        return error_set(err, ERR_CORRUPT, "its graph names no content of it");
    }
    bundle_uri(r, job_hex, wanted.hash, &uri);
    int rc = download(r, str_cstr(&uri), &path, err);
    if (rc == 0) {
        rc = blob_store_put_file(r->blobs, str_cstr(&path), &got, &size, err);
    }
    (void)unlink(str_cstr(&path));
    TRY(rc);
    if (memcmp(&got, &wanted, sizeof(got)) != 0) {
        blob_store_unref(r->blobs, &got);
        return error_set(err, ERR_CORRUPT, "%s is damaged: its content has another hash",
                         str_cstr(&uri));
    }
    *ret_key = got;
    return 0;
}

void bundles_delete(struct recovery *r, const char *job_hex)
{
    STR_AUTO folder = STR_INIT;
    struct error err = ERROR_INIT;
    bundle_folder(r, job_hex, &folder);
    int rc = fs_delete(str_cstr(&folder), FS_DELETE_RECURSIVE, &err);
    if (rc < 0 && rc != ERR_NOT_FOUND) {
        LOG_WARN(RECOVERY_TOPIC, "%s is not needed any more and could not be deleted; it stays: %s",
                 str_cstr(&folder), err.message);
    }
}
