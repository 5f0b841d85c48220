/* The file _metadata: framing with check sums, writing it so that it is there whole or not at all, and
 * telling apart what people point at by mistake.
 *
 * Thread: any; reads and writes files.  Flink: Checkpoints, MetadataV6Serializer. */
#include "engine/snapshot/metadata_format.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "common/fs/fs.h"
#include <stdlib.h>

/* ---- bytes ------------------------------------------------------------------------------------ */

int metadata_encode(const Flinc__CheckpointMetadata *m, struct str *ret_bytes, struct error *err)
{
    TRY_CTX(err, metadata_validate(m, err), "writing checkpoint %llu",
            (unsigned long long)m->checkpoint_id);
    size_t size = flinc__checkpoint_metadata__get_packed_size(m);
    if (size > CHECKPOINT_METADATA_BYTES_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "the metadata of checkpoint %llu has %zu bytes, %llu are possible: lower "
                         "execution.checkpointing.data-inline-threshold",
                         (unsigned long long)m->checkpoint_id, size,
                         (unsigned long long)CHECKPOINT_METADATA_BYTES_MAX);
    }
    uint8_t *packed = mem_alloc(size + 1);
    flinc__checkpoint_metadata__pack(m, packed);
    struct metadata_head head = {.tag = METADATA_TAG,
                                 .version = CHECKPOINT_METADATA_VERSION,
                                 .block_bytes = METADATA_BLOCK_BYTES,
                                 .size = size};
    head.crc = crc32c(0, &head, offsetof(struct metadata_head, crc));
    str_clear(ret_bytes);
    str_append(ret_bytes, (const char *)&head, sizeof(head));
    uint64_t number = 0;
    for (size_t at = 0; at < size; at += METADATA_BLOCK_BYTES) {
        size_t n = MIN((size_t)METADATA_BLOCK_BYTES, size - at);
        uint32_t crc = metadata_block_crc(number++, packed + at, n);
        str_append(ret_bytes, (const char *)&crc, sizeof(crc));
        str_append(ret_bytes, (const char *)packed + at, n);
    }
    mem_free(packed);
    return 0;
}

/* Other files that people take for a snapshot. */
static int not_ours(const uint8_t *data, size_t size, const char *name, struct error *err)
{
    static const uint8_t FLINK[] = {0x49, 0x60, 0x67, 0x2d};
    if (size >= sizeof(FLINK) && memcmp(data, FLINK, sizeof(FLINK)) == 0) {
        return error_set(
            err, ERR_UNSUPPORTED,
            "%s is a savepoint or checkpoint of Apache Flink: its state is serialized by Java "
            "classes, which Flinc does not run. Start the job without it and let it build its "
            "state "
            "anew: have the sources begin far enough back, or let a job export the state to a "
            "table "
            "or topic with Flink's State Processor API and read that",
            name);
    }
    if (size == 0) {
        return error_set(err, ERR_CORRUPT,
                         "%s is empty: it was not written to its end; use another checkpoint",
                         name);
    }
    return error_set(
        err, ERR_CORRUPT,
        "%s is no checkpoint or savepoint of Flinc, or its head is damaged: it does not "
        "begin as one",
        name);
}

static int check_head(const uint8_t *data, size_t size, const char *name, struct metadata_head *ret,
                      struct error *err)
{
    if (size < sizeof(ret->tag) || memcmp(data, "FLINCCHK", sizeof(ret->tag)) != 0) {
        return not_ours(data, size, name, err);
    }
    if (size < sizeof(*ret)) {
        return error_set(err, ERR_CORRUPT, "%s is cut off in its head: use another checkpoint",
                         name);
    }
    memcpy(ret, data, sizeof(*ret));
    if (ret->crc != crc32c(0, ret, offsetof(struct metadata_head, crc))) {
        return error_set(err, ERR_CORRUPT, "%s is damaged: the check sum of its head does not fit",
                         name);
    }
    if (ret->version != CHECKPOINT_METADATA_VERSION) {
        return error_set(err, ERR_UNSUPPORTED,
                         "%s has version %u of the format, this Flinc reads version %d: use the "
                         "Flinc that wrote it or a newer one",
                         name, ret->version, CHECKPOINT_METADATA_VERSION);
    }
    uint64_t n_blocks = (ret->size + METADATA_BLOCK_BYTES - 1) / METADATA_BLOCK_BYTES;
    if (ret->block_bytes != METADATA_BLOCK_BYTES || ret->zero != 0 ||
        ret->size > CHECKPOINT_METADATA_BYTES_MAX) {
        return error_set(err, ERR_CORRUPT, "%s is damaged: its head makes no sense", name);
    }
    uint64_t whole = sizeof(*ret) + n_blocks * sizeof(uint32_t) + ret->size;
    if (size != whole) {
        return error_set(err, ERR_CORRUPT, "%s is damaged: it has %zu bytes, %llu were written",
                         name, size, (unsigned long long)whole);
    }
    return 0;
}

static int take_blocks(const uint8_t *data, const char *name, uint64_t size, uint8_t *ret_packed,
                       struct error *err)
{
    uint64_t number = 0;
    const uint8_t *next = data + sizeof(struct metadata_head);
    for (uint64_t at = 0; at < size; at += METADATA_BLOCK_BYTES) {
        size_t n = (size_t)MIN((uint64_t)METADATA_BLOCK_BYTES, size - at);
        uint32_t crc;
        memcpy(&crc, next, sizeof(crc));
        next += sizeof(crc);
        if (crc != metadata_block_crc(number, next, n)) {
            return error_set(err, ERR_CORRUPT,
                             "%s is damaged: block %llu at byte %llu: the check sum does not fit",
                             name, (unsigned long long)number,
                             (unsigned long long)(next - data - (ptrdiff_t)sizeof(crc)));
        }
        memcpy(ret_packed + at, next, n);
        next += n;
        number++;
    }
    return 0;
}

int metadata_decode(const uint8_t *data, size_t size, const char *name,
                    Flinc__CheckpointMetadata **ret, struct error *err)
{
    struct metadata_head head;
    TRY(check_head(data, size, name, &head, err));
    uint8_t *packed = mem_alloc(head.size + 1);
    int rc = take_blocks(data, name, head.size, packed, err);
    Flinc__CheckpointMetadata *m = NULL;
    if (rc == 0) {
        m = flinc__checkpoint_metadata__unpack(NULL, head.size, packed);
        if (m == NULL) {
            rc = error_set(err, ERR_CORRUPT, "%s is damaged: its message cannot be read", name);
        }
    }
    mem_free(packed);
    TRY(rc);
    struct error why = ERROR_INIT;
    if (metadata_validate(m, &why) < 0) {
        flinc__checkpoint_metadata__free_unpacked(m, NULL);
        return error_set(err, ERR_CORRUPT, "%s is damaged: %s", name, why.message);
    }
    *ret = m;
    return 0;
}

/* ---- writing ---------------------------------------------------------------------------------- */

static int write_file(const char *uri, const struct str *bytes, struct error *err)
{
    struct fs_output *out = NULL;
    TRY(fs_create(uri, FS_CREATE_NEW, &out, err));
    int rc = FAILPOINT(err, "snapshot.metadata.write");
    if (rc == 0) {
        rc = fs_output_write(out, bytes->data, bytes->len, err);
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
    STR_AUTO bytes = STR_INIT;
    STR_AUTO name = STR_INIT;
    STR_AUTO temporary = STR_INIT;
    STR_AUTO uri = STR_INIT;
    struct rng rng;
    rng_init_system(&rng);
    TRY(metadata_encode(m, &bytes, err));
    str_printf(&name, ".%s.%016llx", CHECKPOINT_METADATA_NAME, (unsigned long long)rng_next(&rng));
    TRY(fs_join(directory, str_cstr(&name), &temporary, err));
    TRY(fs_join(directory, CHECKPOINT_METADATA_NAME, &uri, err));
    int rc = write_file(str_cstr(&temporary), &bytes, err);
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

int metadata_read(const char *path, Flinc__CheckpointMetadata **ret, struct str *ret_directory,
                  struct error *err)
{
    STR_AUTO directory = STR_INIT;
    STR_AUTO file = STR_INIT;
    struct fs_input *in = NULL;
    TRY(FAILPOINT(err, "snapshot.metadata.read"));
    TRY(find_metadata(path, &directory, &file, err));
    TRY(fs_open(str_cstr(&file), FS_ACCESS_SEQUENTIAL, &in, err));
    uint64_t size = fs_input_size(in);
    int rc = 0;
    if (size > CHECKPOINT_METADATA_BYTES_MAX + CHECKPOINT_METADATA_BYTES_MAX / 1024) {
        rc = error_set(err, ERR_CORRUPT, "%s has %llu bytes: that is no metadata of a snapshot",
                       str_cstr(&file), (unsigned long long)size);
    }
    uint8_t *bytes = rc == 0 ? mem_alloc(size + 1) : NULL;
    size_t n = 0;
    if (rc == 0) {
        rc = fs_input_read_at(in, 0, bytes, size, &n, err);
    }
    if (rc == 0) {
        rc = metadata_decode(bytes, n, str_cstr(&file), ret, err);
    }
    mem_free(bytes);
    fs_input_close(in);
    if (rc == 0) {
        str_clear(ret_directory);
        str_append_slice(ret_directory, str_slice(&directory));
    }
    return rc;
}
