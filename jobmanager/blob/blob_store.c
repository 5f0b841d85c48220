/* The blob store; see blob_store.h.
 *
 * A file is copied and hashed into a name of its own, then entered into the table under the lock; when
 * its content is there already the copy is dropped.  A name is never used again, so that the removal of
 * a blob cannot meet the file of a later one with the same content.  Nothing is synced: what is in the
 * folder is of use to nobody after this process. */
#include "jobmanager/blob/blob_store.h"

#include "common/base/failpoint.h"
#include "common/base/fd.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/digest/sha256.h"
#include "common/fs/owned_dir.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <sys/stat.h>
#include <unistd.h>

static const char topic[] = "flinc.blob";

enum {
    COPY_BYTES = 256 * 1024,
    READ_BYTES_MAX = 4 * 1024 * 1024,
};
#define MAX_BYTES_DEFAULT (UINT64_C(8) << 30)

struct blob {
    struct blob_key key;
    char *path; /* Owns */
    uint64_t size;
    uint32_t refs;
};

struct blob_store {
    struct owned_dir dir;
    uint64_t max_bytes;
    pthread_mutex_t lock; /* guards the following; a leaf */
    struct map blobs;     /* key -> struct blob *, owned */
    uint64_t bytes;       /* of blobs, and of files that are being copied in */
    uint64_t next_number; /* of a file */
};

bool blob_key_from_bytes(const void *bytes, size_t size, struct blob_key *ret_key)
{
    if (size != sizeof(ret_key->hash)) {
        return false;
    }
    memcpy(ret_key->hash, bytes, size);
    return true;
}

/* ---- life --------------------------------------------------------------------------------------- */

int blob_store_open(const struct blob_store_options *options, struct blob_store **ret,
                    struct error *err)
{
    struct blob_store *s = MEM_NEW(struct blob_store);
    int rc = owned_dir_make(&s->dir, options->dir, "blobStore", err);
    if (rc < 0) {
        mem_free(s);
        error_context(err, "opening the blob store in %s (blob.storage.directory)", options->dir);
        return rc;
    }
    s->max_bytes = options->max_bytes != 0 ? options->max_bytes : MAX_BYTES_DEFAULT;
    pthread_mutex_init(&s->lock, NULL);
    map_init(&s->blobs, NULL);
    LOG_INFO(topic, "Created BLOB server storage directory %s", s->dir.path);
    *ret = s;
    return 0;
}

static void blob_free(struct blob *b)
{
    mem_free(b->path);
    mem_free(b);
}

struct blob_store *blob_store_close(struct blob_store *s)
{
    if (s == NULL) {
        return NULL;
    }
    MAP_FOREACH (&s->blobs, e) {
        blob_free(e->value);
    }
    map_fini(&s->blobs);
    owned_dir_remove(&s->dir);
    pthread_mutex_destroy(&s->lock);
    mem_free(s);
    return NULL;
}

/* ---- putting ------------------------------------------------------------------------------------ */

/* A file on its way in. */
struct intake {
    struct blob_store *s;
    const char *source;
    int from, to;
    uint64_t reserved; /* bytes taken from the limit */
    uint64_t size;
    struct str path;     /* of the copy */
    struct sha256 *hash; /* Owns */
};

/* Takes more of the limit; what is being copied counts at once, so that many at a time stay below it. */
static int reserve(struct intake *in, uint64_t size, struct error *err)
{
    struct blob_store *s = in->s;
    pthread_mutex_lock(&s->lock);
    uint64_t used = s->bytes;
    bool fits = size <= s->max_bytes && used <= s->max_bytes - size;
    if (fits) {
        s->bytes += size;
        in->reserved += size;
    }
    pthread_mutex_unlock(&s->lock);
    if (!fits) {
        return error_set(err, ERR_LIMIT,
                         "the blob store in %s is full: %" PRIu64 " of %" PRIu64
                         " bytes are taken by the bundles of jobs, %s needs more; end jobs, or "
                         "raise blob.storage.max-size",
                         s->dir.path, used, s->max_bytes, in->source);
    }
    return 0;
}

static int write_part(const struct intake *in, const char *data, size_t size, struct error *err)
{
    TRY(FAILPOINT(err, "blob.write"));
    return fd_write_all(in->to, data, size) == 0
               ? 0
               : error_set_errno(err, errno, "writing %s in the blob store %s", in->source,
                                 in->s->dir.path);
}

static int copy(struct intake *in, char *buf, struct error *err)
{
    for (;;) {
        ssize_t n = read(in->from, buf, COPY_BYTES);
        if (n < 0 && errno == EINTR) {
            continue;
        }
        if (n < 0) {
            return error_set_errno(err, errno, "reading %s", in->source);
        }
        if (n == 0) {
            return 0;
        }
        in->size += (uint64_t)n;
        if (in->size > in->reserved) { /* it has grown */
            TRY(reserve(in, in->size - in->reserved, err));
        }
        sha256_add(in->hash, buf, (size_t)n);
        TRY(write_part(in, buf, (size_t)n, err));
    }
}

static int open_both(struct intake *in, struct error *err)
{
    struct stat st;
    in->from = open(in->source, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (in->from < 0 || fstat(in->from, &st) < 0) {
        return error_set_errno(err, errno, "opening %s", in->source);
    }
    if (!S_ISREG(st.st_mode)) {
        return error_set(err, ERR_INVALID_ARGUMENT, "%s is no regular file", in->source);
    }
    TRY(reserve(in, (uint64_t)st.st_size, err));
    pthread_mutex_lock(&in->s->lock);
    uint64_t number = in->s->next_number++;
    pthread_mutex_unlock(&in->s->lock);
    str_printf(&in->path, "%s/blob-%" PRIu64, in->s->dir.path, number);
    in->to = open(str_cstr(&in->path), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (in->to < 0) {
        return error_set_errno(err, errno, "making %s in the blob store", str_cstr(&in->path));
    }
    return 0;
}

static int take_in(struct intake *in, struct blob_key *ret_key, struct error *err)
{
    TRY(open_both(in, err));
    in->hash = sha256_new();
    if (in->hash == NULL) {
        return error_set(err, ERR_INTERNAL, "SHA-256 is not available in this OpenSSL");
    }
    char *buf = mem_alloc(COPY_BYTES);
    int rc = copy(in, buf, err);
    mem_free(buf);
    TRY(rc);
    sha256_end(in->hash, ret_key->hash);
    int to = in->to;
    in->to = -1;
    if (close(to) < 0) {
        return error_set_errno(err, errno, "writing %s in the blob store %s", in->source,
                               in->s->dir.path);
    }
    return 0;
}

/* Gives back what the blob does not use of the limit, closes, and removes the copy unless it is a blob's. */
static void intake_fini(struct intake *in, uint64_t used)
{
    pthread_mutex_lock(&in->s->lock);
    in->s->bytes -= in->reserved - used;
    pthread_mutex_unlock(&in->s->lock);
    if (in->from >= 0) {
        (void)close(in->from);
    }
    if (in->to >= 0) {
        (void)close(in->to);
    }
    if (in->path.len > 0) {
        (void)unlink(str_cstr(&in->path));
    }
    sha256_free(in->hash);
    str_fini(&in->path);
}

/* True: the copy is the blob's file now. */
static bool enter(struct intake *in, const struct blob_key *key)
{
    struct blob_store *s = in->s;
    pthread_mutex_lock(&s->lock);
    struct blob *b = map_find_bytes(&s->blobs, key->hash, sizeof(key->hash));
    bool is_new = b == NULL;
    if (is_new) {
        b = MEM_NEW(struct blob);
        *b = (struct blob){.key = *key, .path = str_take(&in->path), .size = in->size};
        (void)map_put_bytes(&s->blobs, key->hash, sizeof(key->hash), b);
    }
    b->refs++;
    pthread_mutex_unlock(&s->lock);
    return is_new;
}

int blob_store_put_file(struct blob_store *s, const char *path, struct blob_key *ret_key,
                        uint64_t *ret_size, struct error *err)
{
    struct intake in = {.s = s, .source = path, .from = -1, .to = -1, .path = STR_INIT};
    struct blob_key key;
    int rc = take_in(&in, &key, err);
    bool is_new = rc == 0 && enter(&in, &key);
    if (rc == 0) {
        *ret_key = key;
        *ret_size = in.size;
    }
    intake_fini(&in, is_new ? in.size : 0);
    return rc;
}

/* ---- using -------------------------------------------------------------------------------------- */

/* Under the lock. */
static struct blob *find(const struct blob_store *s, const struct blob_key *key)
{
    return map_find_bytes(&s->blobs, key->hash, sizeof(key->hash));
}

void blob_store_ref(struct blob_store *s, const struct blob_key *key)
{
    pthread_mutex_lock(&s->lock);
    struct blob *b = find(s, key);
    ASSERT(b != NULL); /* the caller holds it */
    b->refs++;
    pthread_mutex_unlock(&s->lock);
}

void blob_store_unref(struct blob_store *s, const struct blob_key *key)
{
    pthread_mutex_lock(&s->lock);
    struct blob *b = find(s, key);
    ASSERT(b != NULL && b->refs > 0);
    bool last = --b->refs == 0 || PLANTED("blob.deleted_while_used");
    if (last) {
        (void)map_take_bytes(&s->blobs, key->hash, sizeof(key->hash));
        s->bytes -= b->size;
    }
    pthread_mutex_unlock(&s->lock);
    if (last) {
        (void)unlink(b->path);
        blob_free(b);
    }
}

static int not_found(struct error *err)
{
    return error_set(err, ERR_NOT_FOUND,
                     "the blob store has no such blob; the job that it belongs to may have ended");
}

/* Takes a reference; NULL: it is not there. */
static struct blob *pin(struct blob_store *s, const struct blob_key *key)
{
    pthread_mutex_lock(&s->lock);
    struct blob *b = find(s, key);
    if (b != NULL) {
        b->refs++;
    }
    pthread_mutex_unlock(&s->lock);
    return b;
}

int blob_store_path(struct blob_store *s, const struct blob_key *key, struct str *ret_path,
                    struct error *err)
{
    struct blob *b = pin(s, key);
    if (b == NULL) {
        return not_found(err);
    }
    str_append_cstr(ret_path, b->path);
    blob_store_unref(s, key);
    return 0;
}

static int read_part(const struct blob *b, uint64_t offset, size_t size, struct str *ret_data,
                     struct error *err)
{
    int fd = open(b->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return error_set_errno(err, errno, "opening the blob %s", b->path);
    }
    str_clear(ret_data);
    str_reserve(ret_data, size);
    int rc = 0;
    while (ret_data->len < size && rc == 0) {
        ssize_t n = pread(fd, ret_data->data + ret_data->len, size - ret_data->len,
                          (off_t)(offset + ret_data->len));
        if (n > 0) {
            ret_data->len += (size_t)n;
        } else if (n == 0) {
            rc = error_set(err, ERR_CORRUPT, "the blob %s was cut short by somebody else", b->path);
        } else if (errno != EINTR) {
            rc = error_set_errno(err, errno, "reading the blob %s", b->path);
        }
    }
    (void)close(fd);
    return rc;
}

int blob_store_read(struct blob_store *s, const struct blob_key *key, uint64_t offset,
                    uint32_t max_bytes, struct str *ret_data, uint64_t *ret_total,
                    struct error *err)
{
    TRY(FAILPOINT(err, "blob.read"));
    struct blob *b = pin(s, key);
    if (b == NULL) {
        return not_found(err);
    }
    uint64_t size = offset < b->size ? b->size - offset : 0;
    size = MIN(size, (uint64_t)max_bytes);
    size = MIN(size, (uint64_t)READ_BYTES_MAX);
    int rc = read_part(b, offset, (size_t)size, ret_data, err);
    if (rc == 0) {
        *ret_total = b->size;
    }
    blob_store_unref(s, key);
    return rc;
}

uint64_t blob_store_bytes(struct blob_store *s)
{
    pthread_mutex_lock(&s->lock);
    uint64_t bytes = s->bytes;
    pthread_mutex_unlock(&s->lock);
    return bytes;
}

uint32_t blob_store_n(struct blob_store *s)
{
    pthread_mutex_lock(&s->lock);
    uint32_t n = (uint32_t)s->blobs.len;
    pthread_mutex_unlock(&s->lock);
    return n;
}
