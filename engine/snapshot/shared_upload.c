/* Files of a backend on their way into the checkpoint folder; see shared_files.h.
 *
 *   start ─► jobs on the executor, each taking the next file ─► the last one ends the upload, wakes the task
 *
 * Thread: the task's, but for the jobs.  `lock` is a leaf, never held over I/O or a callback.  A file's message
 * belongs to the job that took it until the upload has ended.  The task holds a reference, each job another;
 * who gives the last one back deletes what was not given away.  Flink: RocksDBStateUploader. */
#include "engine/snapshot/shared_known.h"

#include "common/base/crc32c.h"
#include "common/base/failpoint.h"
#include "common/base/thread.h"
#include "common/rpc/message.h"
#include "engine/snapshot/target.h"

/* A file to be written. */
struct upload_item {
    char *path; /* Owns */
    uint64_t size;
    Flinc__SharedFile *file; /* Borrows: of the sets */
};

struct shared_upload {
    _Atomic uint32_t refs;
    _Atomic bool stopped;           /* no further block: given up, or a file has failed */
    struct snapshot_target *target; /* Owns a ref */
    enum snapshot_scope scope;
    uint64_t checkpoint_id;
    struct vec items; /* struct upload_item: those that are new */
    /* Of the task: */
    struct shared_files *files; /* Borrows; NULL: what is written is no later checkpoint's */
    struct vec sets;            /* Flinc__SharedFiles *, Owns until a poll gives them away */
    struct vec ids;             /* uint64_t: of the files of all sets, in their order */
    bool taken;
    /* Under lock: */
    pthread_mutex_t lock;
    size_t next;     /* item that nobody has taken */
    uint32_t n_jobs; /* submitted and not over */
    bool ended;
    int rc;
    struct error err;
};

/* One job of the executor. */
struct upload_job {
    struct shared_upload *upload; /* Owns a ref */
};

/* ---- writing ----------------------------------------------------------------------------------- */

static int check_stopped(const struct shared_upload *u, struct error *err)
{
    return atomic_load_explicit(&u->stopped, memory_order_relaxed)
               ? error_set(err, ERR_CANCELLED, "the upload was given up")
               : 0;
}

static int read_block(struct fs_input *in, uint64_t at, uint8_t *block, size_t size,
                      struct error *err)
{
    size_t n = 0;
    TRY(FAILPOINT(err, "snapshot.shared.upload_block"));
    TRY(fs_input_read_at(in, at, block, size, &n, err));
    return n == size ? 0 : error_set(err, ERR_CORRUPT, "it was cut while it was read");
}

/* Blocks from the local file to the remote one, with their check sums. */
static int copy_blocks(const struct shared_upload *u, struct fs_input *in, struct fs_output *out,
                       Flinc__SharedFile *file, struct error *err)
{
    uint64_t size = file->blob->size;
    uint8_t *block = mem_alloc(SHARED_FILE_BLOCK_BYTES);
    int rc = 0;
    for (uint64_t at = 0; at < size && rc == 0; at += SHARED_FILE_BLOCK_BYTES) {
        size_t n = (size_t)MIN(size - at, (uint64_t)SHARED_FILE_BLOCK_BYTES);
        rc = check_stopped(u, err);
        rc = rc == 0 ? read_block(in, at, block, n, err) : rc;
        rc = rc == 0 ? fs_output_write(out, block, n, err) : rc;
        if (rc == 0) {
            file->blob->crc32c = crc32c(file->blob->crc32c, block, n);
            file->block_crcs[file->n_block_crcs++] = crc32c(0, block, n);
        }
    }
    mem_free(block);
    return rc;
}

static int write_file(const struct shared_upload *u, struct fs_input *in, Flinc__SharedFile *file,
                      struct error *err)
{
    struct target_file out = {.out = NULL};
    uint64_t n_blocks = (file->blob->size + SHARED_FILE_BLOCK_BYTES - 1) / SHARED_FILE_BLOCK_BYTES;
    file->block_crcs = MEM_NEW_ARRAY(uint32_t, n_blocks);
    TRY(target_file_open(&out, u->target, u->scope, (int64_t)file->blob->size, err));
    int rc = copy_blocks(u, in, out.out, file, err);
    rc = rc == 0 ? FAILPOINT(err, "snapshot.shared.before_sync") : rc;
    rc = rc == 0 ? target_file_close(&out, u->target, err) : rc;
    if (rc == 0) {
        target_file_keep_copy(&out, u->target, file->blob->size);
        target_file_describe(&out, u->target, file->blob);
    } else {
        target_file_discard(&out, u->target);
    }
    target_file_fini(&out);
    return rc;
}

static int take_inline(struct fs_input *in, Flinc__StateBlob *blob, struct error *err)
{
    uint8_t *bytes = mem_alloc(blob->size + 1);
    int rc = read_block(in, 0, bytes, (size_t)blob->size, err);
    if (rc < 0 || blob->size == 0) {
        mem_free(bytes);
        return rc;
    }
    blob->inline_data = (ProtobufCBinaryData){(size_t)blob->size, bytes};
    blob->crc32c = crc32c(0, bytes, (size_t)blob->size);
    return 0;
}

static int upload_open(struct shared_upload *u, const struct upload_item *item, struct error *err)
{
    struct fs_input *in = NULL;
    TRY(check_stopped(u, err));
    TRY(FAILPOINT(err, "snapshot.shared.upload"));
    TRY(fs_open(item->path, FS_ACCESS_SEQUENTIAL, &in, err));
    int rc = 0;
    if (fs_input_size(in) != item->size) {
        rc = error_set(err, ERR_CORRUPT, "it has %llu bytes, it should have %llu",
                       (unsigned long long)fs_input_size(in), (unsigned long long)item->size);
    } else if (snapshot_target_take_inline(u->target, item->size)) {
        rc = take_inline(in, item->file->blob, err);
    } else {
        rc = write_file(u, in, item->file, err);
    }
    fs_input_close(in);
    return rc;
}

static int upload_item(struct shared_upload *u, const struct upload_item *item, struct error *err)
{
    TRY_CTX(err, upload_open(u, item, err), "uploading %s for checkpoint %llu", item->path,
            (unsigned long long)u->checkpoint_id);
    return 0;
}

/* Takes one item after the other. */
static void upload_run(struct shared_upload *u)
{
    struct error err = ERROR_INIT;
    pthread_mutex_lock(&u->lock);
    while (u->rc == 0 && u->next < u->items.len) {
        const struct upload_item *item = VEC_AT(&u->items, struct upload_item, u->next++);
        pthread_mutex_unlock(&u->lock);
        int rc = upload_item(u, item, &err);
        pthread_mutex_lock(&u->lock);
        if (rc < 0 && u->rc == 0) {
            u->rc = rc;
            error_copy(&u->err, &err);
            atomic_store(&u->stopped, true);
        }
    }
    pthread_mutex_unlock(&u->lock);
}

/* ---- jobs -------------------------------------------------------------------------------------- */

static void upload_unref(struct shared_upload *u)
{
    if (atomic_fetch_sub_explicit(&u->refs, 1, memory_order_acq_rel) != 1) {
        return;
    }
    for (size_t i = 0; i < u->items.len; i++) {
        const struct upload_item *item = VEC_AT(&u->items, struct upload_item, i);
        if (!u->taken) {
            snapshot_target_discard(u->target, item->file->blob);
        }
        mem_free(item->path);
    }
    for (size_t i = 0; i < u->sets.len; i++) {
        flinc__shared_files__free_unpacked(vec_ptr(&u->sets, i), NULL);
    }
    vec_fini(&u->items);
    vec_fini(&u->sets);
    vec_fini(&u->ids);
    pthread_mutex_destroy(&u->lock);
    snapshot_target_unref(u->target);
    mem_free(u);
}

/* True: it was the last one. */
static bool end_of_job(struct shared_upload *u)
{
    pthread_mutex_lock(&u->lock);
    bool is_last = --u->n_jobs == 0;
    if (is_last) {
        u->ended = true;
        if (u->next < u->items.len && u->rc == 0) {
            u->rc = error_set(&u->err, ERR_CANCELLED,
                              "state of %s was not uploaded: the writing threads are closing",
                              u->target->owner);
        }
    }
    pthread_mutex_unlock(&u->lock);
    return is_last;
}

static int job_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct upload_job *job = arg;
    (void)cancel;
    (void)err;
    upload_run(job->upload);
    return 0;
}

/* Behind every job, also one that never ran. */
static void job_drop(void *arg)
{
    struct upload_job *job = arg;
    struct shared_upload *u = job->upload;
    if (end_of_job(u) && u->target->wake != NULL) {
        u->target->wake(u->target->wake_arg);
    }
    upload_unref(u);
    mem_free(job);
}

static bool submit_job(struct shared_upload *u)
{
    if (u->target->executor == NULL) {
        return false;
    }
    struct upload_job *job = MEM_NEW(struct upload_job);
    const struct executor_job x = {
        .name = "uploading state", .run = job_run, .arg = job, .drop = job_drop};
    job->upload = u;
    atomic_fetch_add_explicit(&u->refs, 1, memory_order_relaxed);
    pthread_mutex_lock(&u->lock);
    u->n_jobs++;
    pthread_mutex_unlock(&u->lock);
    if (executor_submit(u->target->executor, &x, NULL) == 0) {
        return true;
    }
    pthread_mutex_lock(&u->lock);
    u->n_jobs--;
    pthread_mutex_unlock(&u->lock);
    atomic_fetch_sub_explicit(&u->refs, 1, memory_order_relaxed);
    mem_free(job);
    return false;
}

/* The start counts as a job, so that the others do not end the upload before all are there. */
static void start_jobs(struct shared_upload *u, uint32_t n_threads)
{
    uint32_t n = n_threads > 0 ? n_threads : SHARED_FILES_THREADS_DEFAULT;
    uint32_t n_started = 0;
    u->n_jobs = 1;
    while (n_started < MIN((size_t)n, u->items.len) && submit_job(u)) {
        n_started++;
    }
    if (n_started == 0) { /* rather by the task than not at all */
        upload_run(u);
    }
    (void)end_of_job(u);
}

/* ---- the task's half --------------------------------------------------------------------------- */

static Flinc__SharedFile *file_new(const struct shared_upload *u,
                                   const struct shared_file_source *source)
{
    Flinc__SharedFile *file = MEM_NEW(Flinc__SharedFile);
    flinc__shared_file__init(file);
    file->name = mem_strdup(source->name);
    file->flags = source->flags;
    file->checkpoint_id = u->checkpoint_id;
    file->blob = MEM_NEW(Flinc__StateBlob);
    flinc__state_blob__init(file->blob);
    file->blob->size = source->size;
    return file;
}

/* The file as earlier checkpoints have it, under the name that it has now; NULL: it is new, or what it is merged
 * with is mostly garbage. */
static Flinc__SharedFile *file_known(const struct shared_upload *u, const struct shared_files *f,
                                     const struct shared_file_source *source)
{
    const Flinc__SharedFile *known = shared_files_find(f, source->id);
    if (known == NULL || snapshot_target_waste(u->target, known->blob) >= source->size) {
        return NULL;
    }
    ASSERT(known->blob->size == source->size);
    Flinc__SharedFile *file = message_copy(&known->base);
    mem_free(file->name);
    file->name = mem_strdup(source->name);
    file->flags = source->flags;
    return file;
}

/* Returns the bytes of the set's files. */
static uint64_t add_set(struct shared_upload *u, const struct shared_files *known,
                        const struct shared_file_set *set)
{
    Flinc__SharedFiles *s = MEM_NEW(Flinc__SharedFiles);
    uint64_t bytes = 0;
    flinc__shared_files__init(s);
    s->first_group = set->first_group;
    s->last_group = set->last_group;
    s->files = MEM_NEW_ARRAY(Flinc__SharedFile *, (size_t)set->n_files + 1);
    for (uint32_t i = 0; i < set->n_files; i++) {
        const struct shared_file_source *source = &set->files[i];
        Flinc__SharedFile *file = known != NULL ? file_known(u, known, source) : NULL;
        ASSERT(source->name[0] != '\0' && strlen(source->name) <= SHARED_FILE_NAME_MAX);
        if (file == NULL) {
            file = file_new(u, source);
            *VEC_PUSH(&u->items, struct upload_item) =
                (struct upload_item){mem_strdup(source->path), source->size, file};
        } else {
            snapshot_target_count_inline(u->target, file->blob);
        }
        s->files[s->n_files++] = file;
        *VEC_PUSH(&u->ids, uint64_t) = source->id;
        bytes += source->size;
    }
    vec_push_ptr(&u->sets, s);
    return bytes;
}

int shared_upload_start(struct shared_files *f, const struct shared_upload_options *options,
                        struct shared_upload **ret_upload, struct error *err)
{
    bool incremental = options->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL;
    bool in_chain = incremental || options->kind == FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL;
    ASSERT(options->kind != FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL);
    struct shared_upload *u = MEM_NEW(struct shared_upload);
    atomic_init(&u->refs, 1);
    pthread_mutex_init(&u->lock, NULL);
    u->target = snapshot_target_ref(options->target);
    u->scope = in_chain ? SNAPSHOT_SCOPE_SHARED : SNAPSHOT_SCOPE_EXCLUSIVE;
    u->checkpoint_id = options->checkpoint_id;
    u->files = in_chain ? f : NULL;
    vec_init(&u->items, sizeof(struct upload_item));
    vec_init(&u->sets, sizeof(Flinc__SharedFiles *));
    vec_init(&u->ids, sizeof(uint64_t));
    shared_files_begin(f, options->kind);
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < options->n_sets; i++) {
        bytes += add_set(u, incremental ? f : NULL, &options->sets[i]);
    }
    const Flinc__CheckpointLocation *l = &u->target->location;
    if (l->inline_only && bytes > l->inline_max) {
        int rc = snapshot_target_too_large(u->target, bytes, err);
        upload_unref(u);
        return rc;
    }
    start_jobs(u, options->n_threads);
    *ret_upload = u;
    return 0;
}

bool shared_upload_has_ended(struct shared_upload *u)
{
    pthread_mutex_lock(&u->lock);
    bool ended = u->ended;
    pthread_mutex_unlock(&u->lock);
    return ended;
}

static void note_files(struct shared_upload *u)
{
    size_t k = 0;
    shared_files_note(u->files, u->checkpoint_id);
    for (size_t i = 0; i < u->sets.len; i++) {
        const Flinc__SharedFiles *s = vec_ptr(&u->sets, i);
        for (size_t j = 0; j < s->n_files; j++) {
            shared_files_note_file(u->files, *VEC_AT(&u->ids, uint64_t, k++), s->files[j]);
        }
    }
}

int shared_upload_poll(struct shared_upload *u, Flinc__KeyedHandle *handle, struct error *err)
{
    ASSERT(!u->taken);
    if (!shared_upload_has_ended(u)) {
        return 0;
    }
    if (u->rc < 0) { /* constant now */
        error_copy(err, &u->err);
        return u->rc;
    }
    if (u->files != NULL) {
        note_files(u);
    }
    handle->files = mem_realloc(handle->files,
                                (handle->n_files + u->sets.len + 1) * sizeof(Flinc__SharedFiles *));
    for (size_t i = 0; i < u->sets.len; i++) {
        handle->files[handle->n_files++] = vec_ptr(&u->sets, i);
    }
    vec_clear(&u->sets);
    u->taken = true;
    return 1;
}

struct shared_upload *shared_upload_free(struct shared_upload *u)
{
    if (u != NULL) {
        atomic_store(&u->stopped, true);
        upload_unref(u);
    }
    return NULL;
}
