/* Files of a backend on their way back to a local folder; see shared_files.h.
 *
 * The caller's thread and jobs of the executor take one file after the other.  A job that is started when the
 * caller is done touches nothing of his: he waits for those that are at a file, and for no other.
 * Thread: `lock` is held for a few instructions, never over I/O or a callback.
 * Flink: RocksDBStateDownloader. */
#include "engine/snapshot/shared_files.h"

#include "common/base/crc32c.h"
#include "common/base/failpoint.h"
#include "common/base/thread.h"
#include "common/fs/fs.h"

struct shared_download {
    _Atomic uint32_t refs;
    _Atomic bool stopped; /* no further block */
    /* Of the caller; for jobs only while they are counted in n_active: */
    const struct shared_file_wanted *wanted;
    const struct shared_download_options *options;
    bool *made; /* Owns; by file */
    uint32_t n;
    /* Under lock: */
    pthread_mutex_t lock;
    pthread_cond_t idle; /* n_active became 0 */
    uint32_t next, n_active;
    int rc;
    struct error err;
};

/* ---- one file ---------------------------------------------------------------------------------- */

static uint64_t count_blocks(const Flinc__StateBlob *blob)
{
    return (blob->size + SHARED_FILE_BLOCK_BYTES - 1) / SHARED_FILE_BLOCK_BYTES;
}

static int check_going(const struct shared_download *d, struct error *err)
{
    if (atomic_load_explicit(&d->stopped, memory_order_relaxed) ||
        (d->options->is_cancelled != NULL && d->options->is_cancelled(d->options->arg))) {
        return error_set(err, ERR_CANCELLED, "the download was cancelled");
    }
    return 0;
}

static int copy_block(struct fs_input *in, const Flinc__SharedFile *file, uint64_t block,
                      uint8_t *bytes, struct fs_output *out, struct error *err)
{
    uint64_t at = block * SHARED_FILE_BLOCK_BYTES, begin = state_blob_offset(file->blob);
    size_t size = (size_t)MIN(file->blob->size - at, (uint64_t)SHARED_FILE_BLOCK_BYTES), n = 0;
    TRY(FAILPOINT(err, "snapshot.shared.download_block"));
    TRY(fs_input_read_at(in, begin + at, bytes, size, &n, err));
    if (n != size) {
        return error_set(err, ERR_CORRUPT, "%s was cut while it was read", fs_input_path(in));
    }
    uint32_t crc = crc32c(0, bytes, size);
    if (crc != file->block_crcs[block]) {
        return error_set(err, ERR_CORRUPT,
                         "%s is damaged: its block %llu (%zu bytes from %llu on) has the check sum "
                         "%08x, %08x was written",
                         fs_input_path(in), (unsigned long long)block, size,
                         (unsigned long long)(begin + at), crc, file->block_crcs[block]);
    }
    return fs_output_write(out, bytes, size, err);
}

static int copy_blocks(const struct shared_download *d, struct fs_input *in,
                       const Flinc__SharedFile *file, struct fs_output *out, struct error *err)
{
    uint64_t n = count_blocks(file->blob);
    TRY(state_blob_check_file(file->blob, fs_input_path(in), fs_input_size(in), err));
    if (file->n_block_crcs != n) {
        return error_set(err, ERR_CORRUPT, "%s is damaged: %llu bytes have %zu check sums",
                         fs_input_path(in), (unsigned long long)file->blob->size,
                         file->n_block_crcs);
    }
    uint8_t *bytes = mem_alloc(SHARED_FILE_BLOCK_BYTES);
    int rc = 0;
    for (uint64_t block = 0; block < n && rc == 0; block++) {
        rc = check_going(d, err);
        rc = rc == 0 ? copy_block(in, file, block, bytes, out, err) : rc;
    }
    mem_free(bytes);
    return rc;
}

static int copy_inline(const Flinc__StateBlob *blob, struct fs_output *out, struct error *err)
{
    struct blob_reader *r = NULL;
    TRY(blob_reader_open(blob, NULL, &r, err));
    int rc = fs_output_write(out, blob_reader_data(r), (size_t)blob_reader_size(r), err);
    blob_reader_close(r);
    return rc;
}

static int copy_remote(const struct shared_download *d, const Flinc__SharedFile *file,
                       struct fs_output *out, struct error *err)
{
    STR_AUTO uri = STR_INIT;
    struct fs_input *in = NULL;
    TRY(state_blob_source(file->blob, d->options->directory, &uri, err));
    if (uri.len == 0) {
        return copy_inline(file->blob, out, err);
    }
    TRY(fs_open(str_cstr(&uri), FS_ACCESS_SEQUENTIAL, &in, err));
    int rc = copy_blocks(d, in, file, out, err);
    fs_input_close(in);
    return rc;
}

static int download_file(const struct shared_download *d, uint32_t i, struct error *err)
{
    const struct shared_file_wanted *w = &d->wanted[i];
    struct fs_output *out = NULL;
    TRY(check_going(d, err));
    TRY(FAILPOINT(err, "snapshot.shared.download"));
    TRY(fs_create(w->path, FS_CREATE_NEW, &out, err));
    d->made[i] = true;
    int rc = copy_remote(d, w->file, out, err);
    rc = rc == 0 ? fs_output_close(&out, err) : rc;
    fs_output_abandon(out);
    return rc;
}

/* ---- all files --------------------------------------------------------------------------------- */

/* Takes one file after the other, counted in n_active meanwhile. */
static void download_run(struct shared_download *d)
{
    struct error err = ERROR_INIT;
    pthread_mutex_lock(&d->lock);
    d->n_active++;
    while (d->rc == 0 && d->next < d->n) {
        uint32_t i = d->next++;
        pthread_mutex_unlock(&d->lock);
        int rc = download_file(d, i, &err);
        if (rc < 0) {
            error_context(&err, "downloading '%s' to %s", d->wanted[i].file->name,
                          d->wanted[i].path);
        }
        pthread_mutex_lock(&d->lock);
        if (rc < 0 && d->rc == 0) {
            d->rc = rc;
            error_copy(&d->err, &err);
            atomic_store(&d->stopped, true);
        }
    }
    if (--d->n_active == 0) {
        pthread_cond_broadcast(&d->idle);
    }
    pthread_mutex_unlock(&d->lock);
}

static void download_unref(struct shared_download *d)
{
    if (atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) == 1) {
        pthread_cond_destroy(&d->idle);
        pthread_mutex_destroy(&d->lock);
        mem_free(d->made);
        mem_free(d);
    }
}

static int job_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    (void)cancel;
    (void)err;
    download_run(arg);
    return 0;
}

static void job_drop(void *arg)
{
    download_unref(arg);
}

static void start_jobs(struct shared_download *d)
{
    uint32_t n = d->options->n_threads > 0 ? d->options->n_threads : SHARED_FILES_THREADS_DEFAULT;
    const struct executor_job job = {
        .name = "downloading state", .run = job_run, .arg = d, .drop = job_drop};
    n = d->options->executor != NULL ? MIN(n, d->n) : 1;
    for (uint32_t i = 1; i < n; i++) { /* one is the caller's */
        atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
        if (executor_submit(d->options->executor, &job, NULL) < 0) {
            atomic_fetch_sub_explicit(&d->refs, 1, memory_order_relaxed);
            return;
        }
    }
}

/* Behind it jobs find nothing to do. */
static void wait_until_idle(struct shared_download *d)
{
    pthread_mutex_lock(&d->lock);
    while (d->n_active > 0) {
        pthread_cond_wait(&d->idle, &d->lock);
    }
    d->next = d->n;
    pthread_mutex_unlock(&d->lock);
}

static void delete_made(const struct shared_download *d)
{
    for (uint32_t i = 0; i < d->n; i++) {
        if (d->made[i]) {
            int ignored = fs_delete(d->wanted[i].path, FS_DELETE_ONE, NULL); /* a local leftover */
            (void)ignored;
        }
    }
}

int shared_files_download(const struct shared_file_wanted *wanted, uint32_t n,
                          const struct shared_download_options *options, struct error *err)
{
    struct shared_download *d = MEM_NEW(struct shared_download);
    atomic_init(&d->refs, 1);
    d->wanted = wanted;
    d->options = options;
    d->n = n;
    d->made = MEM_NEW_ARRAY(bool, (size_t)n + 1);
    pthread_mutex_init(&d->lock, NULL);
    pthread_cond_init(&d->idle, NULL);
    start_jobs(d);
    download_run(d);
    wait_until_idle(d);
    int rc = d->rc;
    if (rc < 0) {
        error_copy(err, &d->err);
        delete_made(d);
    }
    download_unref(d);
    return rc;
}
