/* Downloads, checks and counts blobs; see blob_cache.h.
 *
 * A download writes a file of its own name and is renamed when its hash is right, so that what has a
 * blob's name is the blob.  It owns what it needs; its result finds the cache by a counted handle, which
 * says NULL when the cache is gone. */
#include "taskmanager/host/blob_cache.h"
#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/digest/sha256.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

static const char topic[] = "flinc.taskmanager.host.blobs";

/* Thread: the owner's component. */
struct cache_handle {
    _Atomic uint32_t refs;    /* downloads hold one, and drop it on any thread */
    struct blob_cache *cache; /* NULL: freed */
};

struct blob_cache {
    struct blob_cache_options options;
    char *dir;
    struct cache_handle *handle;
    struct map blobs; /* hash -> struct blob * */
    uint64_t last_download;
    _Atomic uint64_t n_fetched, n_failed; /* thread: any reads */
};

struct blob {
    struct blob_cache *cache; /* Borrows; NULL: freed */
    uint8_t hash[BLOB_HASH_BYTES];
    char hex[2 * BLOB_HASH_BYTES + 1];
    uint64_t size;
    enum blob_state state;
    uint32_t refs;
    uint64_t download; /* the one that counts */
    struct cancel_token *cancel;
    struct error error;
};

struct download {
    struct cache_handle *handle;
    uint8_t hash[BLOB_HASH_BYTES];
    uint64_t number, size;
    char *path, *temporary; /* Own */
    int (*fetch)(void *owner, const uint8_t hash[BLOB_HASH_BYTES], uint64_t offset,
                 struct str *ret_data, uint64_t *ret_total, struct cancel_token *cancel,
                 struct error *err);
    void *fetch_owner;
};

static void handle_unref(struct cache_handle *h)
{
    if (atomic_fetch_sub(&h->refs, 1) == 1) {
        mem_free(h);
    }
}

static char *path_of(const char *dir, const char *hex, const char *suffix)
{
    struct str s = STR_INIT;
    str_printf(&s, "%s/%s%s", dir, hex, suffix);
    return str_take(&s);
}

/* ---- a download; thread: the executor's ---------------------------------------------------------- */

static void download_free(void *arg)
{
    struct download *d = arg;
    handle_unref(d->handle);
    mem_free(d->path);
    mem_free(d->temporary);
    mem_free(d);
}

static int write_part(int fd, const struct str *data, const char *path, struct error *err)
{
    return fd_write_all(fd, data->data, data->len) == 0
               ? 0
               : error_set_errno(err, errno, "writing %s", path);
}

static int check_total(const struct download *d, uint64_t total, uint64_t so_far, struct error *err)
{
    if (total > BLOB_CACHE_BLOB_BYTES_MAX) {
        return error_set(err, ERR_TOO_LARGE, "a blob of %llu bytes is over the limit of %llu",
                         (unsigned long long)total, (unsigned long long)BLOB_CACHE_BLOB_BYTES_MAX);
    }
    if (so_far > total || (d->size != 0 && total != d->size)) {
        return error_set(err, ERR_CORRUPT, "the job manager says %llu bytes, the job %llu",
                         (unsigned long long)total, (unsigned long long)d->size);
    }
    return 0;
}

static int download_pieces(const struct download *d, int fd, struct sha256 *sha,
                           struct cancel_token *cancel, struct error *err)
{
    struct str data = STR_INIT;
    uint64_t offset = 0, total = 1;
    int rc = 0;
    while (rc == 0 && offset < total) {
        str_clear(&data);
        rc = d->fetch(d->fetch_owner, d->hash, offset, &data, &total, cancel, err);
        if (rc == 0) {
            rc = check_total(d, total, offset + data.len, err);
        }
        if (rc == 0 && data.len == 0 && offset < total) {
            rc = error_set(err, ERR_CORRUPT, "the job manager sent nothing at byte %llu of %llu",
                           (unsigned long long)offset, (unsigned long long)total);
        }
        if (rc == 0) {
            rc = write_part(fd, &data, d->temporary, err);
        }
        if (rc == 0) {
            sha256_add(sha, str_cstr(&data), data.len);
        }
        offset += data.len;
    }
    str_fini(&data);
    return rc;
}

static int download_into(const struct download *d, int fd, struct cancel_token *cancel,
                         struct error *err)
{
    uint8_t hash[SHA256_BYTES];
    struct sha256 *sha = sha256_new();
    if (sha == NULL) {
        return error_set(err, ERR_UNSUPPORTED, "this OpenSSL does not offer SHA-256");
    }
    int rc = download_pieces(d, fd, sha, cancel, err);
    if (rc == 0) {
        sha256_end(sha, hash);
        if (memcmp(hash, d->hash, sizeof(hash)) != 0) {
            rc = error_set(err, ERR_CORRUPT, "what arrived does not have the hash that names it");
        }
    }
    sha256_free(sha);
    return rc;
}

static int download_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct download *d = arg;
    TRY(FAILPOINT(err, "host.blob.fetch"));
    int fd = open(d->temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0) {
        return error_set_errno(err, errno, "making %s", d->temporary);
    }
    int rc = download_into(d, fd, cancel, err);
    if (close(fd) != 0 && rc == 0) {
        rc = error_set_errno(err, errno, "closing %s", d->temporary);
    }
    if (rc == 0 && rename(d->temporary, d->path) != 0) {
        rc = error_set_errno(err, errno, "renaming %s", d->temporary);
    }
    if (rc < 0) {
        (void)unlink(d->temporary);
    }
    return rc;
}

/* ---- its end; thread: the component's ------------------------------------------------------------ */

static void download_done(void *target, void *arg, int rc, const struct error *err)
{
    struct download *d = arg;
    struct blob_cache *c = d->handle->cache;
    struct blob *b = c != NULL ? map_find_bytes(&c->blobs, d->hash, sizeof(d->hash)) : NULL;
    if (c != NULL) {
        atomic_fetch_add(rc == 0 ? &c->n_fetched : &c->n_failed, 1);
    }
    if (b == NULL || b->download != d->number) {
        if (rc == 0 && b == NULL) {
            (void)unlink(d->path); /* nobody wants it any more */
        }
    } else {
        b->state = rc == 0 ? BLOB_READY : BLOB_FAILED;
        if (rc < 0) {
            error_copy(&b->error, err);
            error_context(&b->error, "fetching blob %s from the job manager", b->hex);
        }
        c->options.on_changed(c->options.owner);
    }
    download_free(d);
}

static int blob_fetch(struct blob *b, struct error *err)
{
    struct blob_cache *c = b->cache;
    struct download *d = MEM_NEW(struct download);
    char suffix[40];
    d->handle = c->handle;
    atomic_fetch_add(&c->handle->refs, 1);
    memcpy(d->hash, b->hash, sizeof(d->hash));
    d->number = b->download = ++c->last_download;
    d->size = b->size;
    (void)snprintf(suffix, sizeof(suffix), ".%llu.part", (unsigned long long)d->number);
    d->path = path_of(c->dir, b->hex, ".so");
    d->temporary = path_of(c->dir, b->hex, suffix);
    d->fetch = c->options.fetch;
    d->fetch_owner = c->options.fetch_owner;
    cancel_token_unref(b->cancel);
    b->cancel = cancel_token_new();
    b->state = BLOB_FETCHING;
    const struct executor_job job = {.name = "blob",
                                     .run = download_run,
                                     .done = download_done,
                                     .arg = d,
                                     .drop = download_free,
                                     .cancel = b->cancel,
                                     .reply_to = c->options.mailbox,
                                     .reply_lane = MAILBOX_LANE_DATA};
    int rc = executor_submit(c->options.executor, &job, err);
    if (rc < 0) {
        download_free(d);
    }
    return rc;
}

/* ---- blobs --------------------------------------------------------------------------------------- */

static void blob_free(struct blob *b)
{
    if (b->cache != NULL) {
        map_remove_bytes(&b->cache->blobs, b->hash, sizeof(b->hash));
        char *path = path_of(b->cache->dir, b->hex, ".so");
        if (b->state == BLOB_READY && unlink(path) != 0) {
            LOG_WARN(topic, "blob %s could not be removed: %s", path, strerror(errno));
        }
        mem_free(path);
    }
    if (b->cancel != NULL) {
        cancel_token_cancel(b->cancel);
        cancel_token_unref(b->cancel);
    }
    mem_free(b);
}

struct blob *blob_unref(struct blob *b)
{
    if (b != NULL && --b->refs == 0) {
        blob_free(b);
    }
    return NULL;
}

const char *blob_hash_text(const struct blob *b)
{
    return b->hex;
}

enum blob_state blob_get_state(const struct blob *b)
{
    return b->state;
}

const struct error *blob_error(const struct blob *b)
{
    return &b->error;
}

int blob_cache_get(struct blob_cache *c, const uint8_t hash[BLOB_HASH_BYTES], uint64_t size,
                   struct blob **ret, struct error *err)
{
    struct blob *b = map_find_bytes(&c->blobs, hash, BLOB_HASH_BYTES);
    if (b == NULL) {
        if (c->blobs.len >= BLOB_CACHE_BLOBS_MAX) {
            return error_set(err, ERR_LIMIT, "%d blobs are in use here already",
                             BLOB_CACHE_BLOBS_MAX);
        }
        b = MEM_NEW(struct blob);
        b->cache = c;
        b->size = size;
        b->state = BLOB_FAILED;
        memcpy(b->hash, hash, BLOB_HASH_BYTES);
        for (size_t i = 0; i < BLOB_HASH_BYTES; i++) {
            (void)snprintf(b->hex + 2 * i, 3, "%02x", hash[i]);
        }
        map_put_bytes(&c->blobs, b->hash, sizeof(b->hash), b);
    }
    b->refs++;
    if (b->state == BLOB_FAILED) {
        int rc = blob_fetch(b, err);
        if (rc < 0) {
            b->state = BLOB_FAILED;
            blob_unref(b);
            return rc;
        }
    }
    *ret = b;
    return 0;
}

/* ---- life ---------------------------------------------------------------------------------------- */

int blob_cache_new(const struct blob_cache_options *options, struct blob_cache **ret,
                   struct error *err)
{
    if (mkdir(options->dir, 0700) != 0 && errno != EEXIST) {
        return error_set_errno(err, errno, "making the folder of blobs %s", options->dir);
    }
    struct blob_cache *c = MEM_NEW(struct blob_cache);
    c->options = *options;
    c->dir = mem_strdup(options->dir);
    c->options.mailbox = mailbox_ref(options->mailbox);
    c->handle = MEM_NEW(struct cache_handle);
    atomic_init(&c->handle->refs, 1);
    c->handle->cache = c;
    map_init(&c->blobs, NULL);
    *ret = c;
    return 0;
}

void blob_cache_get_counters(const struct blob_cache *c, uint64_t *ret_fetched,
                             uint64_t *ret_failed)
{
    *ret_fetched = atomic_load(&c->n_fetched);
    *ret_failed = atomic_load(&c->n_failed);
}

struct blob_cache *blob_cache_free(struct blob_cache *c)
{
    if (c == NULL) {
        return NULL;
    }
    ASSERT(c->blobs.len == 0); /* the jobs are gone, and their references with them */
    c->handle->cache = NULL;
    handle_unref(c->handle);
    mailbox_unref(c->options.mailbox);
    (void)rmdir(
        c->dir); /* a download that still runs removes its file; the folder goes with the work folder */
    map_fini(&c->blobs);
    mem_free(c->dir);
    mem_free(c);
    return NULL;
}

const char *blob_cache_dir(const struct blob_cache *c)
{
    return c->dir;
}
