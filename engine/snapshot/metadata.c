/* The file _metadata: writing it so that it is there whole or not at all, and telling apart what people
 * point at by mistake.  Its bytes are metadata_codec.c's.
 *
 * Thread: any; reads and writes files.  Flink: Checkpoints, MetadataV6Serializer. */
#include "engine/snapshot/metadata_format.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/fs/fs.h"
#include <stdlib.h>

/* ---- writing ---------------------------------------------------------------------------------- */

static int write_to_file(void *arg, const void *data, size_t size, struct error *err)
{
    return fs_output_write(arg, data, size, err);
}

static int write_file(const char *uri, const Flinc__CheckpointMetadata *m, struct error *err)
{
    struct fs_output *out = NULL;
    TRY(fs_create(uri, FS_CREATE_NEW, &out, err));
    int rc = FAILPOINT(err, "snapshot.metadata.write");
    if (rc == 0) {
        rc = metadata_encode_to(m, write_to_file, out, err);
    }
    if (rc == 0) {
        rc = fs_output_sync(out, err);
    }
    if (rc < 0) {
        fs_output_abandon(out);
        return rc;
    }
    return fs_output_close(&out, err);
}

static int rename_into_place(const char *temporary, const char *uri, const char *directory,
                             struct error *err)
{
    TRY(FAILPOINT(err, "snapshot.metadata.before_rename"));
    int there = fs_exists(uri, err);
    TRY(there);
    if (there > 0) {
        return error_set(err, ERR_ALREADY_EXISTS,
                         "%s is there already: another job manager has written it", uri);
    }
    TRY(fs_rename(temporary, uri, err));
    TRY(FAILPOINT(err, "snapshot.metadata.after_rename"));
    return fs_sync_folder(directory, err);
}

int metadata_write(const char *directory, const Flinc__CheckpointMetadata *m, struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO temporary = STR_INIT;
    STR_AUTO uri = STR_INIT;
    struct rng rng;
    rng_init_system(&rng);
    str_printf(&name, ".%s.%016llx", CHECKPOINT_METADATA_NAME, (unsigned long long)rng_next(&rng));
    TRY(fs_join(directory, str_cstr(&name), &temporary, err));
    TRY(fs_join(directory, CHECKPOINT_METADATA_NAME, &uri, err));
    int hides_unfinished = fs_hides_unfinished(directory, err);
    TRY(hides_unfinished);
    if (hides_unfinished) {
        return write_file(str_cstr(&uri), m, err);
    }
    int rc = write_file(str_cstr(&temporary), m, err);
    if (rc == 0) {
        rc = rename_into_place(str_cstr(&temporary), str_cstr(&uri), directory, err);
    }
    if (rc < 0) {
        int ignored = fs_delete(str_cstr(&temporary), FS_DELETE_ONE, NULL);
        (void)ignored;
    }
    return rc;
}

/* ---- reading ---------------------------------------------------------------------------------- */

/* Whether a folder of snapshots has this one, complete; `ret_rank`: what tells newer from older. */
static bool is_snapshot(const struct fs_entry *e, bool savepoints, int64_t *ret_rank)
{
    STR_AUTO file = STR_INIT;
    char *end = NULL;
    if (savepoints) {
        *ret_rank = e->status.modified_ms;
        if (!cstr_starts_with(e->name, "savepoint-")) {
            return false;
        }
    } else {
        if (!cstr_starts_with(e->name, "chk-")) {
            return false;
        }
        *ret_rank = strtoll(e->name + 4, &end, 10);
        if (*end != '\0') {
            return false;
        }
    }
    return fs_join(e->path, CHECKPOINT_METADATA_NAME, &file, NULL) == 0 &&
           fs_exists(str_cstr(&file), NULL) == 1;
}

/* The newest complete snapshot in a folder that was given instead of it. */
static bool hint_newest(const char *folder, const struct fs_list *list, bool savepoints,
                        struct error *err)
{
    const struct fs_entry *newest = NULL;
    int64_t newest_rank = 0;
    for (size_t i = 0; i < list->n; i++) {
        int64_t rank;
        if (is_snapshot(&list->entries[i], savepoints, &rank) &&
            (newest == NULL || rank > newest_rank)) {
            newest = &list->entries[i];
            newest_rank = rank;
        }
    }
    if (newest != NULL) {
        const char *what = savepoints ? "savepoint" : "checkpoint";
        error_set(err, ERR_NOT_FOUND,
                  "%s is a folder of %ss, not a %s: its newest complete one is %s/%s", folder, what,
                  what, folder, newest->name);
    }
    return newest != NULL;
}

static int no_metadata(const char *folder, struct error *err)
{
    int rc =
        error_set(err, ERR_NOT_FOUND,
                  "%s has no file %s: it is no snapshot, or one that was never completed; use a "
                  "completed checkpoint or savepoint",
                  folder, CHECKPOINT_METADATA_NAME);
    struct fs_list list = FS_LIST_INIT;
    if (err != NULL && fs_list_dir(folder, &list, NULL) == 0) {
        bool hinted =
            hint_newest(folder, &list, false, err) || hint_newest(folder, &list, true, err);
        (void)hinted;
        fs_list_fini(&list);
    }
    return rc;
}

/* `path` as the folder of a snapshot and its file. */
static int find_metadata(const char *path, struct str *ret_directory, struct str *ret_file,
                         struct error *err)
{
    struct fs_status status;
    CLEANUP(fs_location_fini) struct fs_location at = {.authority = NULL};
    TRY_CTX(err, fs_location_parse(path, &at, err), "reading snapshot '%s'", path);
    TRY_CTX(err, fs_stat(path, &status, err), "reading snapshot '%s'", path);
    fs_location_format(&at, ret_directory);
    if (status.kind == FS_KIND_DIRECTORY) {
        TRY(fs_join(str_cstr(ret_directory), CHECKPOINT_METADATA_NAME, ret_file, err));
        int there = fs_exists(str_cstr(ret_file), err);
        TRY(there);
        return there > 0 ? 0 : no_metadata(path, err);
    }
    str_append_slice(ret_file, str_slice(ret_directory));
    char *slash = strrchr(ret_directory->data, '/');
    ret_directory->len = (size_t)(slash - ret_directory->data);
    *slash = '\0';
    return 0;
}

/* Where a reader gets its bytes from. */
static int read_from_file(void *arg, uint64_t at, void *data, size_t size, struct error *err)
{
    size_t n = 0;
    TRY(fs_input_read_at(arg, at, data, size, &n, err));
    return n == size
               ? 0
               : error_set(err, ERR_CORRUPT, "%s was cut while it was read", fs_input_path(arg));
}

int metadata_read(const char *path, Flinc__CheckpointMetadata **ret, struct str *ret_directory,
                  struct error *err)
{
    STR_AUTO directory = STR_INIT;
    STR_AUTO file = STR_INIT;
    struct fs_input *in = NULL;
    TRY(FAILPOINT(err, "snapshot.metadata.read"));
    TRY(find_metadata(path, &directory, &file, err));
    TRY(fs_open(str_cstr(&file), FS_ACCESS_SEQUENTIAL, &in, err));
    const struct metadata_source source = {read_from_file, in, fs_input_size(in), str_cstr(&file)};
    int rc = metadata_decode_from(&source, ret, err);
    fs_input_close(in);
    if (rc == 0) {
        str_clear(ret_directory);
        str_append_slice(ret_directory, str_slice(&directory));
    }
    return rc;
}

int metadata_scan_operator(const char *directory, ProtobufCBinaryData operator_id,
                           metadata_subtask_fn fn, void *arg, struct error *err)
{
    STR_AUTO file = STR_INIT;
    struct fs_input *in = NULL;
    TRY(FAILPOINT(err, "snapshot.metadata.scan"));
    TRY(fs_join(directory, CHECKPOINT_METADATA_NAME, &file, err));
    TRY(fs_open(str_cstr(&file), FS_ACCESS_SEQUENTIAL, &in, err));
    const struct metadata_source source = {read_from_file, in, fs_input_size(in), str_cstr(&file)};
    int rc = metadata_scan_from(&source, operator_id, fn, arg, err);
    fs_input_close(in);
    return rc;
}
