/* Where the files of one task and checkpoint are made and, when they go nowhere, deleted; see target.h.
 *
 * Thread: any.  Flink: FsCheckpointStorageLocation. */
#include "engine/snapshot/target.h"

#include "common/base/clock.h"
#include "common/base/failpoint.h"

struct snapshot_target *snapshot_target_new(const struct snapshot_target_options *options)
{
    struct snapshot_target *t = MEM_NEW(struct snapshot_target);
    atomic_init(&t->refs, 1);
    t->location = *options->location;
    t->location.directory = mem_strdup(options->location->directory);
    t->location.shared_directory = mem_strdup(options->location->shared_directory);
    t->checkpoint_id = options->checkpoint_id;
    t->owner = mem_strdup(options->owner);
    t->executor = options->executor;
    t->local = options->local != NULL ? local_copies_ref(options->local) : NULL;
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

/* ---- files ------------------------------------------------------------------------------------ */

/* A checkpoint that was given up has no folder any more; creating a file would make it again. */
static int check_folder(const struct snapshot_target *t, const char *folder, struct error *err)
{
    int rc = fs_exists(folder, err);
    if (rc != 0) {
        return MIN(rc, 0);
    }
    return error_set(err, ERR_NOT_FOUND,
                     "folder %s of checkpoint %llu is not there: the checkpoint was given up, or "
                     "the folder is not shared with this machine",
                     folder, (unsigned long long)t->checkpoint_id);
}

int snapshot_target_create(const struct snapshot_target *t, enum snapshot_scope scope,
                           struct str *ret_name, struct str *ret_uri, struct fs_output **ret_file,
                           struct error *err)
{
    const char *folder =
        snapshot_target_is_shared(t, scope) ? t->location.shared_directory : t->location.directory;
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

void snapshot_target_keep_copy(const struct snapshot_target *t, const struct str *uri,
                               const struct str *name)
{
    if (t->local != NULL) {
        local_copies_add(t->local, str_cstr(uri), str_cstr(name));
    }
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
    struct discarded *d = MEM_NEW(struct discarded);
    d->uri = mem_strdup(str_cstr(&uri));
    const struct executor_job job = {
        .name = "deleting state", .run = discarded_run, .arg = d, .drop = discarded_drop};
    if (t->executor == NULL || executor_submit(t->executor, &job, NULL) < 0) {
        discarded_drop(d);
    }
}
