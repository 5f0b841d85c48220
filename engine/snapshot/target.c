/* Where the files of one task and checkpoint are made and, when they go nowhere, deleted; see target.h.
 *
 * Thread: any.  Flink: FsCheckpointStorageLocation. */
#include "engine/snapshot/target.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "engine/snapshot/metadata.h"

/* Sections are read while their file still grows: where a file is seen when it is closed, each blob has one of its own. */
static bool can_merge(const Flinc__CheckpointLocation *location)
{
    return location->shared_directory[0] != '\0' &&
           fs_hides_unfinished(location->shared_directory, NULL) == 0;
}

struct snapshot_target *snapshot_target_new(const struct snapshot_target_options *options)
{
    struct snapshot_target *t = MEM_NEW(struct snapshot_target);
    atomic_init(&t->refs, 1);
    t->location = *options->location;
    t->location.directory = mem_strdup(options->location->directory);
    t->location.shared_directory = mem_strdup(options->location->shared_directory);
    t->checkpoint_id = options->checkpoint_id;
    t->latest_completed = options->latest_completed;
    t->owner = mem_strdup(options->owner);
    t->executor = options->executor;
    t->local = options->local != NULL ? local_copies_ref(options->local) : NULL;
    if (options->merging != NULL && can_merge(&t->location)) {
        t->merging = file_merging_ref(options->merging);
        file_merging_begin(t->merging, t->checkpoint_id, t->latest_completed);
    }
    t->wake = options->wake;
    t->wake_arg = options->wake_arg;
    t->wake_done = options->wake_done;
    return t;
}

struct snapshot_target *snapshot_target_ref(struct snapshot_target *t)
{
    atomic_fetch_add_explicit(&t->refs, 1, memory_order_relaxed);
    return t;
}

void snapshot_target_wake(struct snapshot_target *t)
{
    if (t->wake != NULL) {
        t->wake(t->wake_arg);
    }
}

struct snapshot_target *snapshot_target_unref(struct snapshot_target *t)
{
    if (t != NULL && atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel) == 1) {
        if (t->wake_done != NULL) {
            t->wake_done(t->wake_arg);
        }
        local_copies_unref(t->local);
        file_merging_unref(t->merging);
        mem_free(t->location.directory);
        mem_free(t->location.shared_directory);
        mem_free(t->owner);
        mem_free(t);
    }
    return NULL;
}

bool snapshot_target_is_shared(const struct snapshot_target *t, enum snapshot_scope scope)
{
    return scope == SNAPSHOT_SCOPE_SHARED && t->location.shared_directory[0] != '\0';
}

bool snapshot_target_take_inline(struct snapshot_target *t, uint64_t bytes)
{
    const Flinc__CheckpointLocation *l = &t->location;
    if (l->inline_only) {
        return true;
    }
    if (bytes > l->inline_threshold) {
        return false;
    }
    uint64_t before = atomic_fetch_add_explicit(&t->inline_bytes, bytes, memory_order_relaxed);
    if (l->inline_task_max == 0 || before + bytes <= l->inline_task_max) {
        return true;
    }
    atomic_fetch_sub_explicit(&t->inline_bytes, bytes, memory_order_relaxed);
    return false;
}

void snapshot_target_count_inline(struct snapshot_target *t, const Flinc__StateBlob *blob)
{
    atomic_fetch_add_explicit(&t->inline_bytes, blob->inline_data.len, memory_order_relaxed);
}

int snapshot_target_too_large(const struct snapshot_target *t, uint64_t bytes, struct error *err)
{
    return error_set(
        err, ERR_TOO_LARGE,
        "state of %s has %llu bytes or more, the checkpoint storage 'jobmanager' takes "
        "%llu: set execution.checkpointing.storage to 'filesystem' and "
        "execution.checkpointing.dir to a folder that all task managers share",
        t->owner, (unsigned long long)bytes, (unsigned long long)t->location.inline_max);
}

uint64_t snapshot_target_waste(const struct snapshot_target *t, const Flinc__StateBlob *blob)
{
    return t->merging != NULL ? file_merging_waste(t->merging, blob) : 0;
}

/* ---- files ------------------------------------------------------------------------------------ */

/* A checkpoint that was given up has no folder any more; creating a file would make it again.  Where there are no folders,
 * a file that comes late stays behind. */
static int check_folder(const struct snapshot_target *t, const char *folder, struct error *err)
{
    int rc = fs_has_folders(folder, err);
    if (rc <= 0) {
        return rc;
    }
    rc = fs_exists(folder, err);
    if (rc != 0) {
        return MIN(rc, 0);
    }
    return error_set(err, ERR_NOT_FOUND,
                     "folder %s of checkpoint %llu is not there: the checkpoint was given up, or "
                     "the folder is not shared with this machine",
                     folder, (unsigned long long)t->checkpoint_id);
}

int snapshot_target_check_folder(const struct snapshot_target *t, struct error *err)
{
    return check_folder(t, t->location.directory, err);
}

static int create_in(const struct snapshot_target *t, const char *folder, struct str *ret_name,
                     struct str *ret_uri, struct fs_output **ret_file, struct error *err)
{
    struct rng rng;
    struct flinc_id id;
    char hex[ID_HEX_LEN + 1];
    STR_AUTO uri = STR_INIT;

    TRY(FAILPOINT(err, "snapshot.output.create"));
    TRY(check_folder(t, folder, err));
    rng_init_system(&rng);
    id_random(&id, &rng);
    id_format(&id, hex);
    str_clear(ret_name);
    str_clear(ret_uri);
    str_printf(ret_name, "%s-%llu-%s", t->owner, (unsigned long long)t->checkpoint_id, hex);
    TRY(fs_join(folder, str_cstr(ret_name), &uri, err));
    TRY(fs_create(str_cstr(&uri), FS_CREATE_NEW, ret_file, err));
    str_append_slice(ret_uri, str_slice(&uri));
    return 0;
}

int snapshot_target_create_merged(const struct snapshot_target *t, enum snapshot_scope scope,
                                  struct str *ret_name, struct str *ret_uri,
                                  struct fs_output **ret_file, struct error *err)
{
    STR_AUTO folder = STR_INIT;
    if (scope == SNAPSHOT_SCOPE_SHARED) {
        str_append_cstr(&folder, t->location.shared_directory);
    } else {
        checkpoint_task_owned_folder(t->location.shared_directory, &folder);
    }
    return create_in(t, str_cstr(&folder), ret_name, ret_uri, ret_file, err);
}

static struct merged_request section_of(const struct target_file *f,
                                        const struct snapshot_target *t)
{
    return (struct merged_request){.target = t, .scope = f->scope, .size = f->size};
}

static int open_section(struct target_file *f, const struct snapshot_target *t, struct error *err)
{
    struct merged_request r = section_of(f, t);
    TRY(file_merging_take(t->merging, &r, &f->merged, err));
    f->out = merged_file_output(f->merged);
    f->offset = merged_file_offset(f->merged);
    f->merged_since = merged_file_since(f->merged);
    str_clear(&f->uri);
    str_append_cstr(&f->uri, merged_file_uri(f->merged));
    return 0;
}

int target_file_open(struct target_file *f, const struct snapshot_target *t,
                     enum snapshot_scope scope, int64_t size, struct error *err)
{
    f->scope = scope;
    f->merged_since = 0;
    if (t->merging != NULL && size != TARGET_SIZE_UNKNOWN &&
        file_merging_takes(t->merging, (uint64_t)size)) {
        f->size = (uint64_t)size;
        return open_section(f, t, err);
    }
    const char *folder =
        snapshot_target_is_shared(t, scope) ? t->location.shared_directory : t->location.directory;
    return create_in(t, folder, &f->name, &f->uri, &f->out, err);
}

int target_file_close(struct target_file *f, const struct snapshot_target *t, struct error *err)
{
    if (!PLANTED("snapshot_output_without_sync")) {
        TRY(fs_output_sync(f->out, err));
    }
    if (f->merged == NULL) {
        return fs_output_close(&f->out, err);
    }
    TRY(FAILPOINT(err, "snapshot.merging.after_sync"));
    struct merged_request r = section_of(f, t);
    f->out = NULL;
    file_merging_put(t->merging, STEAL(f->merged), &r, MERGED_WRITTEN);
    return 0;
}

void target_file_describe(const struct target_file *f, const struct snapshot_target *t,
                          Flinc__StateBlob *blob)
{
    blob->merged_since = f->merged_since;
    blob->offset = f->merged_since != 0 ? f->offset : 0;
    blob->shared = f->merged_since != 0 || snapshot_target_is_shared(t, f->scope);
    blob->location = mem_strdup(str_cstr(blob->shared ? &f->uri : &f->name));
}

void target_file_keep_copy(const struct target_file *f, const struct snapshot_target *t,
                           uint64_t size)
{
    if (t->local == NULL) {
        return;
    }
    Flinc__StateBlob blob = FLINC__STATE_BLOB__INIT;
    blob.size = size;
    target_file_describe(f, t, &blob);
    local_copies_add(t->local, &blob, str_cstr(&f->uri), t->checkpoint_id);
    state_blob_clear(&blob);
}

void target_file_discard(struct target_file *f, const struct snapshot_target *t)
{
    if (f->merged != NULL) {
        struct merged_request r = section_of(f, t);
        f->out = NULL;
        file_merging_put(t->merging, STEAL(f->merged), &r, MERGED_FAILED);
    } else if (f->merged_since != 0 && f->uri.len > 0) {
        file_merging_discard(t->merging, str_cstr(&f->uri), t->checkpoint_id, f->size);
    } else if (f->uri.len > 0) {
        f->out = fs_output_abandon(f->out);
        int rc = fs_delete(str_cstr(&f->uri), FS_DELETE_ONE, NULL);
        (void)rc;
    }
    str_clear(&f->uri);
}

void target_file_fini(struct target_file *f)
{
    ASSERT(f->out == NULL);
    str_fini(&f->name);
    str_fini(&f->uri);
}

/* ---- blobs that go nowhere -------------------------------------------------------------------- */

struct discarded {
    char *uri; /* Owns; NULL: it is deleted */
};

static void discarded_delete(struct discarded *d)
{
    if (d->uri != NULL) {
        int rc = fs_delete(d->uri, FS_DELETE_ONE,
                           NULL); /* it stays behind: it has a name that nothing refers to */
        (void)rc;
        mem_free(STEAL(d->uri));
    }
}

static int discarded_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    (void)cancel;
    (void)err;
    discarded_delete(arg);
    return 0;
}

/* Also behind one that never ran. */
static void discarded_drop(void *arg)
{
    discarded_delete(arg);
    mem_free(arg);
}

void snapshot_target_discard(struct snapshot_target *t, const Flinc__StateBlob *blob)
{
    STR_AUTO uri = STR_INIT;
    if (state_blob_uri(blob, t->location.directory, &uri, NULL) < 0 || uri.len == 0) {
        return;
    }
    if (blob->merged_since != 0) {
        file_merging_discard(t->merging, str_cstr(&uri), t->checkpoint_id, blob->size);
        return;
    }
    struct discarded *d = MEM_NEW(struct discarded);
    d->uri = mem_strdup(str_cstr(&uri));
    const struct executor_job job = {
        .name = "deleting state", .run = discarded_run, .arg = d, .drop = discarded_drop};
    if (t->executor == NULL || executor_submit(t->executor, &job, NULL) < 0) {
        discarded_drop(d);
    }
}
