/* Folders of checkpoints and savepoints, and the files that a snapshot has in them.
 *
 * Thread: any; works on files.  Flink: FsCheckpointStorageAccess, CompletedCheckpoint.discard. */
#include "engine/snapshot/metadata.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/fs/fs.h"
#include "engine/snapshot/output.h"
#include <stdio.h>

/* ---- making ----------------------------------------------------------------------------------- */

static void job_hex(const uint8_t job_id[16], char ret_hex[ID_HEX_LEN + 1])
{
    struct flinc_id id;
    memcpy(id.bytes, job_id, sizeof(id.bytes));
    id_format(&id, ret_hex);
}

static int format_uri(const char *uri, struct str *ret, struct error *err)
{
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY(fs_location_parse(uri, &at, err));
    str_clear(ret);
    fs_location_format(&at, ret);
    return 0;
}

/* parent/name, made, its entry on disk. */
static int make_folder(const char *parent, const char *name, struct str *ret, struct error *err)
{
    str_clear(ret);
    TRY(fs_join(parent, name, ret, err));
    return fs_mkdirs(str_cstr(ret), err);
}

int checkpoint_folder_make(const char *root, const uint8_t job_id[16], uint64_t checkpoint_id,
                           bool create_subdir, struct str *ret_exclusive, struct str *ret_shared,
                           struct error *err)
{
    char hex[ID_HEX_LEN + 1], name[32];
    STR_AUTO top = STR_INIT;
    STR_AUTO job = STR_INIT;
    STR_AUTO owned = STR_INIT;
    STR_AUTO exclusive = STR_INIT;
    STR_AUTO shared = STR_INIT;
    TRY(FAILPOINT(err, "snapshot.folder.make"));
    TRY_CTX(err, format_uri(root, &top, err), "making a folder for checkpoint %llu",
            (unsigned long long)checkpoint_id);
    if (create_subdir) {
        job_hex(job_id, hex);
        TRY(make_folder(str_cstr(&top), hex, &job, err));
        TRY(fs_sync_folder(str_cstr(&top), err));
    } else {
        str_append_slice(&job, str_slice(&top));
    }
    snprintf(name, sizeof(name), "chk-%llu", (unsigned long long)checkpoint_id);
    TRY(make_folder(str_cstr(&job), name, &exclusive, err));
    TRY(make_folder(str_cstr(&job), "shared", &shared, err));
    TRY(make_folder(str_cstr(&job), "taskowned", &owned, err));
    TRY(fs_sync_folder(str_cstr(&job), err));
    str_clear(ret_exclusive);
    str_append_slice(ret_exclusive, str_slice(&exclusive));
    str_clear(ret_shared);
    str_append_slice(ret_shared, str_slice(&shared));
    return 0;
}

int savepoint_folder_make(const char *root, const uint8_t job_id[16], const uint8_t random[6],
                          struct str *ret_folder, struct error *err)
{
    char name[64];
    STR_AUTO top = STR_INIT;
    STR_AUTO folder = STR_INIT;
    TRY(FAILPOINT(err, "snapshot.folder.make"));
    TRY_CTX(err, format_uri(root, &top, err), "making a folder for a savepoint");
    snprintf(name, sizeof(name), "savepoint-%02x%02x%02x-%02x%02x%02x%02x%02x%02x", job_id[0],
             job_id[1], job_id[2], random[0], random[1], random[2], random[3], random[4],
             random[5]);
    TRY(fs_join(str_cstr(&top), name, &folder, err));
    int there = fs_exists(str_cstr(&folder), err);
    TRY(there);
    if (there > 0) {
        return error_set(err, ERR_ALREADY_EXISTS, "folder %s is there already", str_cstr(&folder));
    }
    TRY(fs_mkdirs(str_cstr(&folder), err));
    TRY(fs_sync_folder(str_cstr(&top), err));
    str_clear(ret_folder);
    str_append_slice(ret_folder, str_slice(&folder));
    return 0;
}

void checkpoint_task_owned_folder(const char *shared_folder, struct str *ret)
{
    const char *name = fs_base_name(shared_folder);
    str_clear(ret);
    str_append(ret, shared_folder, (size_t)(name - shared_folder));
    str_append_cstr(ret, "taskowned");
}

/* ---- files of a snapshot ---------------------------------------------------------------------- */

struct file_walk {
    const char *directory; /* Borrows */
    void (*fn)(void *arg, const char *uri, const Flinc__StateBlob *blob);
    void *arg;
};

static void walk_blob(void *arg, const Flinc__StateBlob *blob, uint64_t checkpoint_id)
{
    struct file_walk *w = arg;
    STR_AUTO uri = STR_INIT;
    if (!blob->removed && blob->location[0] != '\0' &&
        state_blob_uri(blob, w->directory, &uri, NULL) == 0) {
        w->fn(w->arg, str_cstr(&uri), blob);
    }
}

void snapshot_each_file(const Flinc__CheckpointMetadata *m, const char *directory,
                        void (*fn)(void *arg, const char *uri, const Flinc__StateBlob *blob),
                        void *arg)
{
    struct file_walk w = {directory, fn, arg};
    for (size_t i = 0; i < m->n_operators; i++) {
        for (size_t k = 0; k < m->operators[i]->n_subtasks; k++) {
            const Flinc__SubtaskSnapshot *s = m->operators[i]->subtasks[k];
            if (s->state != NULL) {
                subtask_state_each_blob(s->state, 0, walk_blob, &w);
            }
        }
    }
}

/* ---- deleting --------------------------------------------------------------------------------- */

struct deletion {
    bool (*may_delete)(void *arg, const char *uri);
    void *arg;
    int rc; /* the first failure */
    struct error err;
};

static int delete_if_there(const char *uri, enum fs_delete_mode mode, struct error *err)
{
    int rc = fs_delete(uri, mode, err);
    return rc == ERR_NOT_FOUND ? 0 : rc;
}

static void delete_file(void *arg, const char *uri, const Flinc__StateBlob *blob)
{
    struct deletion *d = arg;
    struct error err = ERROR_INIT;
    if (!blob->shared && strchr(blob->location, '/') != NULL) {
        return; /* not in the folder of the snapshot: whoever wrote that, it was not Flinc */
    }
    if (blob->shared && (d->may_delete == NULL || !d->may_delete(d->arg, uri))) {
        return;
    }
    int rc = delete_if_there(uri, FS_DELETE_ONE, &err);
    if (rc < 0 && d->rc == 0) {
        d->rc = rc;
        error_copy(&d->err, &err);
    }
}

/* A folder whose name is not one that we give may hold what is not ours: it goes only when it is empty. */
static int delete_folder(const char *directory, struct error *err)
{
    const char *slash = strrchr(directory, '/');
    const char *name = slash != NULL ? slash + 1 : directory;
    struct fs_list list = FS_LIST_INIT;
    if (cstr_starts_with(name, "chk-") || cstr_starts_with(name, "savepoint-")) {
        return delete_if_there(directory, FS_DELETE_RECURSIVE, err);
    }
    int rc = fs_list_dir(directory, &list, err);
    bool is_empty = list.n == 0;
    fs_list_fini(&list);
    if (rc < 0) {
        return rc == ERR_NOT_FOUND ? 0 : rc;
    }
    return is_empty ? delete_if_there(directory, FS_DELETE_ONE, err) : 0;
}

int snapshot_delete(const Flinc__CheckpointMetadata *m, const char *directory,
                    bool (*may_delete)(void *arg, const char *uri), void *arg, struct error *err)
{
    STR_AUTO file = STR_INIT;
    struct deletion d = {.may_delete = may_delete, .arg = arg, .err = ERROR_INIT};
    TRY(FAILPOINT(err, "snapshot.folder.delete"));
    /* First, so that nobody takes what is left for a snapshot. */
    TRY(fs_join(directory, CHECKPOINT_METADATA_NAME, &file, err));
    TRY(delete_if_there(str_cstr(&file), FS_DELETE_ONE, err));
    TRY(FAILPOINT(err, "snapshot.folder.delete_between"));
    snapshot_each_file(m, directory, delete_file, &d);
    if (d.rc < 0) {
        if (err != NULL) {
            error_copy(err, &d.err);
        }
        return d.rc;
    }
    return delete_folder(directory, err);
}
