/* Finished jobs; see job_store.h.
 *
 * Entries stand in the order of their end.  Those whose details are in memory and in a file form a list
 * by last use, from whose tail details are dropped when they take too much memory.  Entries that leave
 * the table wait in `left` for job_store_sweep(), which removes their files without the lock. */
#include "jobmanager/dispatcher/job_store.h"

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/vec.h"
#include "common/fs/fs.h"
#include <inttypes.h>

static const char topic[] = "flinc.dispatcher.store";

enum { FILE_BYTES_MAX = 512 * 1024 * 1024 };

struct job_store_entry {
    struct job_overview overview;
    struct job_fingerprint fingerprint;
    char *path;                        /* Owns; NULL: in memory only */
    const struct job_details *details; /* counted; NULL: in the file only */
    uint64_t details_bytes;
    int64_t ended_ms;                                 /* monotonic */
    struct job_store_entry *used_before, *used_after; /* in the list of cached ones */
    bool listed;
};

struct job_store {
    struct job_store_options options;
    char *dir;            /* Owns; NULL: in memory */
    pthread_mutex_t lock; /* guards the following */
    struct map by_id;     /* Borrows: id -> entry */
    struct vec entries;   /* Owns: of entry *, oldest first */
    struct vec left;      /* Owns: entries whose files are to be removed */
    struct job_store_entry *newest_used, *oldest_used;
    struct job_counts counts;
    struct job_store_stats stats;
    uint64_t next_number; /* of a file */
};

/* ---- life --------------------------------------------------------------------------------------- */

int job_store_open(const struct job_store_options *options, struct job_store **ret,
                   struct error *err)
{
    if (options->dir != NULL) {
        TRY_CTX(err, fs_mkdirs(options->dir, err), "opening the store of finished jobs");
    }
    struct job_store *s = MEM_NEW(struct job_store);
    s->options = *options;
    s->dir = mem_strdup(options->dir);
    pthread_mutex_init(&s->lock, NULL);
    map_init(&s->by_id, NULL);
    vec_init(&s->entries, sizeof(struct job_store_entry *));
    vec_init(&s->left, sizeof(struct job_store_entry *));
    *ret = s;
    return 0;
}

static void entry_free(struct job_store_entry *e)
{
    struct error err = ERROR_INIT;
    if (e->path != NULL && fs_delete(e->path, FS_DELETE_ONE, &err) < 0) {
        LOG_WARN(topic, "Cannot remove %s of a finished job: %s", e->path, err.message);
    }
    job_details_unref(e->details);
    mem_free(e->path);
    mem_free(e);
}

struct job_store *job_store_close(struct job_store *s)
{
    if (s == NULL) {
        return NULL;
    }
    for (size_t i = 0; i < s->entries.len; i++) {
        entry_free(vec_ptr(&s->entries, i));
    }
    for (size_t i = 0; i < s->left.len; i++) {
        entry_free(vec_ptr(&s->left, i));
    }
    vec_fini(&s->entries);
    vec_fini(&s->left);
    map_fini(&s->by_id);
    pthread_mutex_destroy(&s->lock);
    mem_free(s->dir);
    mem_free(s);
    return NULL;
}

/* ---- files -------------------------------------------------------------------------------------- */

static int write_file(const char *path, const struct str *bytes, struct error *err)
{
    struct fs_output *out = NULL;
    TRY(FAILPOINT(err, "dispatcher.store.write"));
    TRY(fs_create(path, FS_CREATE_NEW, &out, err));
    int rc = fs_output_write(out, bytes->data, bytes->len, err);
    if (rc < 0) {
        out = fs_output_abandon(out);
        (void)!fs_delete(path, FS_DELETE_ONE, NULL);
        return rc;
    }
    return fs_output_close(&out, err);
}

static int read_file(const char *path, const struct job_details **ret, struct error *err)
{
    struct fs_input *in = NULL;
    size_t n = 0;
    TRY(FAILPOINT(err, "dispatcher.store.read"));
    TRY(fs_open(path, FS_ACCESS_SEQUENTIAL, &in, err));
    uint64_t size = fs_input_size(in);
    if (size > FILE_BYTES_MAX) {
        in = fs_input_close(in);
        return error_set(err, ERR_CORRUPT, "%s is no file of a finished job: too large", path);
    }
    uint8_t *bytes = mem_alloc((size_t)size + 1);
    int rc = fs_input_read_at(in, 0, bytes, (size_t)size, &n, err);
    fs_input_close(in);
    if (rc == 0) {
        rc = job_details_unpack(bytes, n, ret, err);
    }
    mem_free(bytes);
    return rc;
}

struct job_store_entry *job_store_prepare(struct job_store *s, const struct job_overview *overview,
                                          const struct job_fingerprint *fingerprint,
                                          const struct job_details *details)
{
    struct job_store_entry *e = MEM_NEW(struct job_store_entry);
    e->overview = *overview;
    e->fingerprint = *fingerprint;
    e->details = job_details_ref(details);
    e->details_bytes = job_details_bytes(details);
    e->ended_ms = clock_monotonic_ms(s->options.clock);
    if (s->dir == NULL) {
        return e;
    }
    struct error err = ERROR_INIT;
    STR_AUTO bytes = STR_INIT;
    STR_AUTO path = STR_INIT;
    char hex[ID_HEX_LEN + 1];
    id_format(&overview->id, hex);
    pthread_mutex_lock(&s->lock);
    uint64_t number = s->next_number++;
    pthread_mutex_unlock(&s->lock);
    str_printf(&path, "%s/%s-%" PRIu64, s->dir, hex, number);
    job_details_pack(details, &bytes);
    if (write_file(str_cstr(&path), &bytes, &err) < 0) {
        LOG_WARN(topic, "Job %s has ended and is kept in memory, as it cannot be written: %s", hex,
                 err.message);
    } else {
        e->path = str_take(&path);
    }
    return e;
}

/* ---- what is in memory; under the lock ------------------------------------------------------------ */

static void unlist(struct job_store *s, struct job_store_entry *e)
{
    if (!e->listed) {
        return;
    }
    *(e->used_after != NULL ? &e->used_after->used_before : &s->newest_used) = e->used_before;
    *(e->used_before != NULL ? &e->used_before->used_after : &s->oldest_used) = e->used_after;
    e->used_before = e->used_after = NULL;
    e->listed = false;
    s->stats.cached_bytes -= e->details_bytes;
    s->stats.n_cached--;
}

/* The details have just been used.  Entries without a file are not in the list: they stay. */
static void list_first(struct job_store *s, struct job_store_entry *e)
{
    unlist(s, e);
    if (e->path == NULL) {
        return;
    }
    e->used_before = s->newest_used;
    *(s->newest_used != NULL ? &s->newest_used->used_after : &s->oldest_used) = e;
    s->newest_used = e;
    e->listed = true;
    s->stats.cached_bytes += e->details_bytes;
    s->stats.n_cached++;
}

static void drop_over_cache(struct job_store *s)
{
    while (s->stats.cached_bytes > s->options.cache_bytes && s->oldest_used != NULL) {
        struct job_store_entry *e = s->oldest_used;
        unlist(s, e);
        job_details_unref(e->details);
        e->details = NULL;
    }
}

static struct job_store_entry *find(const struct job_store *s, const struct flinc_id *id)
{
    return map_find_bytes(&s->by_id, id->bytes, sizeof(id->bytes));
}

static void take_out_oldest(struct job_store *s)
{
    struct job_store_entry *e = vec_ptr(&s->entries, 0);
    unlist(s, e);
    (void)map_take_bytes(&s->by_id, e->overview.id.bytes, sizeof(e->overview.id.bytes));
    vec_remove(&s->entries, 0);
    vec_push_ptr(&s->left, e);
}

static void count(struct job_counts *c, enum job_status status)
{
    c->finished += status == JOB_STATUS_FINISHED;
    c->cancelled += status == JOB_STATUS_CANCELED;
    c->failed += status == JOB_STATUS_FAILED;
}

void job_store_add(struct job_store *s, struct job_store_entry *take_entry)
{
    struct job_store_entry *e = take_entry;
    pthread_mutex_lock(&s->lock);
    ASSERT(find(s, &e->overview.id) == NULL); /* the dispatcher knows which ids there are */
    (void)map_put_bytes(&s->by_id, e->overview.id.bytes, sizeof(e->overview.id.bytes), e);
    vec_push_ptr(&s->entries, e);
    count(&s->counts, e->overview.status);
    list_first(s, e);
    drop_over_cache(s);
    while (s->entries.len > s->options.max_jobs) {
        take_out_oldest(s);
    }
    pthread_mutex_unlock(&s->lock);
}

void job_store_sweep(struct job_store *s)
{
    int64_t now = clock_monotonic_ms(s->options.clock);
    pthread_mutex_lock(&s->lock);
    while (s->entries.len > 0) {
        const struct job_store_entry *e = vec_ptr(&s->entries, 0);
        if (now - e->ended_ms < s->options.expiration_ms) {
            break;
        }
        take_out_oldest(s);
    }
    struct vec left = s->left;
    vec_init(&s->left, sizeof(struct job_store_entry *));
    pthread_mutex_unlock(&s->lock);
    for (size_t i = 0; i < left.len; i++) {
        entry_free(vec_ptr(&left, i));
    }
    vec_fini(&left);
}

/* ---- reading -------------------------------------------------------------------------------------- */

bool job_store_find(struct job_store *s, const struct flinc_id *id, struct job_overview *ret,
                    struct job_fingerprint *ret_fingerprint)
{
    pthread_mutex_lock(&s->lock);
    const struct job_store_entry *e = find(s, id);
    if (e != NULL) {
        *ret = e->overview;
        if (ret_fingerprint != NULL) {
            *ret_fingerprint = e->fingerprint;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return e != NULL;
}

static int not_found(const struct flinc_id *id, struct error *err)
{
    char hex[ID_HEX_LEN + 1];
    id_format(id, hex);
    return error_set(err, ERR_NOT_FOUND, "Job %s not found", hex);
}

/* Keeps what was loaded for the next reader, when the job is still here. */
static void keep(struct job_store *s, const struct flinc_id *id, const struct job_details *details)
{
    pthread_mutex_lock(&s->lock);
    s->stats.loads++;
    struct job_store_entry *e = find(s, id);
    if (e != NULL && e->details == NULL) {
        e->details = job_details_ref(details);
        list_first(s, e);
        drop_over_cache(s);
    }
    pthread_mutex_unlock(&s->lock);
}

int job_store_get(struct job_store *s, const struct flinc_id *id, const struct job_details **ret,
                  struct error *err)
{
    const struct job_details *details = NULL;
    STR_AUTO path = STR_INIT;
    pthread_mutex_lock(&s->lock);
    struct job_store_entry *e = find(s, id);
    if (e != NULL && e->details != NULL) {
        details = job_details_ref(e->details);
        list_first(s, e);
    } else if (e != NULL) {
        str_append_cstr(&path, e->path);
    }
    pthread_mutex_unlock(&s->lock);
    if (details == NULL && path.len == 0) {
        return not_found(id, err);
    }
    if (details == NULL) {
        int rc = read_file(str_cstr(&path), &details, err);
        if (rc == ERR_NOT_FOUND) {
            return not_found(id, err); /* it has left meanwhile */
        }
        TRY_CTX(err, rc, "reading a finished job from %s", str_cstr(&path));
        keep(s, id, details);
    }
    *ret = details;
    return 0;
}

void job_store_list(struct job_store *s, struct job_overviews *overviews)
{
    pthread_mutex_lock(&s->lock);
    size_t n = s->entries.len;
    job_overviews_reserve(overviews, overviews->n + (uint32_t)n);
    for (size_t i = n; i > 0; i--) {
        const struct job_store_entry *e = vec_ptr(&s->entries, i - 1);
        overviews->items[overviews->n++] = e->overview;
    }
    pthread_mutex_unlock(&s->lock);
}

uint32_t job_store_n(struct job_store *s)
{
    pthread_mutex_lock(&s->lock);
    uint32_t n = (uint32_t)s->entries.len;
    pthread_mutex_unlock(&s->lock);
    return n;
}

void job_store_get_counts(struct job_store *s, struct job_counts *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->counts;
    pthread_mutex_unlock(&s->lock);
}

void job_store_get_stats(struct job_store *s, struct job_store_stats *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->stats;
    pthread_mutex_unlock(&s->lock);
}
