/* The files of checkpoints by engine/snapshot and common/fs; see checkpoint_files.h. */
#include "jobmanager/checkpoint/checkpoint_files.h"

#include "common/base/failpoint.h"
#include "common/fs/fs.h"

static int make_folder(void *arg, const struct checkpoint_folder_request *r,
                       struct str *ret_exclusive, struct str *ret_shared, struct error *err)
{
    TRY(FAILPOINT(err, "checkpoint.files.before_make_folder"));
    if (r->random == NULL) {
        return checkpoint_folder_make(r->root, r->job_id, r->checkpoint_id, r->create_subdir,
                                      ret_exclusive, ret_shared, err);
    }
    TRY(savepoint_folder_make(r->root, r->job_id, r->random, ret_exclusive, err));
    str_append(ret_shared, ret_exclusive->data, ret_exclusive->len); /* all of it lies together */
    return 0;
}

static int write_metadata(void *arg, const char *directory, const Flinc__CheckpointMetadata *m,
                          uint64_t *ret_bytes, struct error *err)
{
    STR_AUTO path = STR_INIT;
    struct fs_status status;
    TRY(FAILPOINT(err, "checkpoint.files.before_write"));
    TRY(metadata_write(directory, m, err));
    TRY(FAILPOINT(err, "checkpoint.files.after_write"));
    TRY(fs_join(directory, CHECKPOINT_METADATA_NAME, &path, err));
    TRY(fs_stat(str_cstr(&path), &status, err));
    *ret_bytes = status.size_bytes;
    return 0;
}

static int read_metadata(void *arg, const char *path, Flinc__CheckpointMetadata **ret,
                         struct str *ret_directory, struct error *err)
{
    TRY(FAILPOINT(err, "checkpoint.files.before_read"));
    return metadata_read(path, ret, ret_directory, err);
}

static int gone_is_fine(int rc, struct error *err)
{
    if (rc == ERR_NOT_FOUND) {
        error_clear(err);
        return 0;
    }
    return rc;
}

static int delete_folder(void *arg, const char *directory, struct error *err)
{
    TRY(FAILPOINT(err, "checkpoint.files.before_delete"));
    return gone_is_fine(fs_delete(directory, FS_DELETE_RECURSIVE, err), err);
}

static int delete_file(void *arg, const char *uri, struct error *err)
{
    TRY(FAILPOINT(err, "checkpoint.files.before_delete"));
    return gone_is_fine(fs_delete(uri, FS_DELETE_ONE, err), err);
}

static void delete_empty(void *arg, const char *directory)
{
    struct error ignored = ERROR_INIT;
    (void)!fs_delete(directory, FS_DELETE_ONE, &ignored);
}

const struct checkpoint_files checkpoint_files_default = {
    .make_folder = make_folder,
    .write = write_metadata,
    .read = read_metadata,
    .delete_folder = delete_folder,
    .delete_file = delete_file,
    .delete_empty = delete_empty,
};
