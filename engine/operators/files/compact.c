/* Compaction of small files; see compact.h.  The merge itself is merge.c's. */
#include "engine/operators/files/compact.h"

#include "common/base/failpoint.h"
#include "common/fs/fs.h"
#include "engine/operators/files/commits.h"
#include "engine/operators/files/hand_over.h"
#include "engine/operators/files/merge.h"
#include "engine/operators/io/list_state.h"

struct waiting_bucket {
    struct vec files; /* struct merge_source, Owns */
    uint64_t bytes;
    uint32_t checkpoints; /* since the first of them */
};

static void waiting_free(void *p)
{
    struct waiting_bucket *w = p;

    merge_sources_fini(&w->files);
    mem_free(w);
}

void file_compactor_init(struct file_compactor *c, struct op_context *ctx,
                         const Flinc__FileSinkConfig *config, struct file_commits *commits)
{
    *c = (struct file_compactor){.ctx = ctx, .config = config, .commits = commits};
    map_init(&c->waiting, waiting_free);
    map_init(&c->others, NULL);
}

void file_compactor_fini(struct file_compactor *c)
{
    for (size_t i = 0; i < COMPACT_THREADS_MAX; i++) {
        c->merges[i] = merge_give_up(c->merges[i]);
    }
    map_fini(&c->waiting);
    map_fini(&c->others);
}

bool file_compactor_has_files(const struct file_compactor *c)
{
    bool merging = false;

    for (size_t i = 0; i < COMPACT_THREADS_MAX; i++) {
        merging |= c->merges[i] != NULL;
    }
    return merging || c->waiting.len > 0;
}

static struct waiting_bucket *waiting_of(struct file_compactor *c, const char *bucket)
{
    struct waiting_bucket *w = map_find(&c->waiting, bucket);

    if (w == NULL) {
        w = MEM_NEW(struct waiting_bucket);
        vec_init(&w->files, sizeof(struct merge_source));
        map_put(&c->waiting, bucket, w);
    }
    return w;
}

static void wait_for_merge(struct file_compactor *c, const char *bucket, struct merge_source take)
{
    struct waiting_bucket *w = waiting_of(c, bucket);

    *VEC_PUSH(&w->files, struct merge_source) = take;
    w->bytes += take.size_bytes;
}

void file_compactor_add(struct file_compactor *c, const char *bucket, const char *path,
                        uint64_t size_bytes)
{
    wait_for_merge(c, bucket, (struct merge_source){mem_strdup(path), size_bytes, false});
}

void file_compactor_add_restored(struct file_compactor *c, const char *bucket, const char *path,
                                 uint64_t size_bytes)
{
    wait_for_merge(c, bucket, (struct merge_source){mem_strdup(path), size_bytes, true});
}

/* ---- what is due ----------------------------------------------------------------------------------------- */

static bool is_due(const struct file_compactor *c, const struct waiting_bucket *w)
{
    const Flinc__FileCompaction *o = c->config->compaction;

    if (o == NULL) { /* it was on when the checkpoint was made */
        return true;
    }
    return w->files.len >= COMPACT_FILES_MAX || (o->size_bytes > 0 && w->bytes >= o->size_bytes) ||
           (o->checkpoints > 0 && w->checkpoints >= o->checkpoints);
}

static struct merge *merge_of(struct file_compactor *c, const char *bucket,
                              struct waiting_bucket *w)
{
    const Flinc__FileCompaction *o = c->config->compaction;
    STR_AUTO name = STR_INIT;

    file_commits_name(c->commits, "compacted-", &name);
    return merge_new(&(struct merge_options){.bucket = bucket,
                                             .name = str_cstr(&name),
                                             .take_sources = &w->files,
                                             .by_records = o != NULL && o->by_records,
                                             .compression = c->config->compression,
                                             .header = c->header,
                                             .cancelled = c->ctx->cancelled});
}

/* What was merged waits for its checkpoint, with the files that it was made of. */
static int take_in(struct file_compactor *c, struct merge *m, struct error *err)
{
    struct str handle = STR_INIT;
    struct vec sources;

    TRY(merge_result(m, &handle, &sources, err));
    TRY(FAILPOINT(err, "sink.file.compact.end"));
    if (handle.len > 0) {
        file_commits_add(c->commits, merge_bucket(m), handle, &sources, 0);
    }
    merge_paths_fini(&sources);
    return 0;
}

static int take_done(struct file_compactor *c, size_t place, struct error *err)
{
    if (c->merges[place] == NULL || !merge_is_done(c->merges[place])) {
        return 0;
    }
    struct merge *m = STEAL(c->merges[place]);
    int rc = take_in(c, m, err);
    merge_give_up(m);
    return rc;
}

int file_compactor_poll(struct file_compactor *c, struct error *err)
{
    uint32_t threads = c->config->compaction != NULL ? c->config->compaction->threads : 1;

    for (size_t i = 0; i < COMPACT_THREADS_MAX; i++) {
        TRY(take_done(c, i, err));
    }
    MAP_FOREACH (&c->waiting, e) {
        size_t place = 0;
        struct waiting_bucket *w = e->value;
        if (!is_due(c, w)) {
            continue;
        }
        while (place < MIN(threads, (uint32_t)COMPACT_THREADS_MAX) && c->merges[place] != NULL) {
            place++;
        }
        if (place == MIN(threads, (uint32_t)COMPACT_THREADS_MAX)) {
            return 0;
        }
        TRY(FAILPOINT(err, "sink.file.compact.begin"));
        c->merges[place] = merge_of(c, e->key, w);
        (void)map_remove(&c->waiting, e->key);
        merge_start(c->merges[place], c->ctx);
        TRY(take_done(c, place, err)); /* without an executor it is done by now */
    }
    return 0;
}

/* Merges that are under way are given up: their sources are as they were. */
static void take_back_merges(struct file_compactor *c)
{
    for (size_t i = 0; i < COMPACT_THREADS_MAX; i++) {
        struct merge *m = STEAL(c->merges[i]);
        for (size_t k = 0; m != NULL && k < merge_n_sources(m); k++) {
            struct merge_source s = *merge_source_at(m, k);
            s.path = mem_strdup(s.path);
            wait_for_merge(c, merge_bucket(m), s);
        }
        merge_give_up(m);
    }
}

int file_compactor_flush(struct file_compactor *c, struct error *err)
{
    TRY(file_compactor_poll(c, err));
    take_back_merges(c);
    MAP_FOREACH (&c->waiting, e) {
        struct merge *m = merge_of(c, e->key, e->value);
        (void)map_remove(&c->waiting, e->key);
        merge_run(m);
        int rc = take_in(c, m, err);
        merge_give_up(m);
        TRY(rc);
    }
    return 0;
}

int file_compactor_tell(const struct file_compactor *c, struct file_hand_over *to,
                        struct error *err)
{
    for (size_t i = 0; i < COMPACT_THREADS_MAX; i++) {
        if (c->merges[i] != NULL) {
            TRY(file_hand_over_open_bucket(to, merge_bucket(c->merges[i]), err));
        }
    }
    MAP_FOREACH (&c->waiting, e) {
        TRY(file_hand_over_open_bucket(to, e->key, err));
    }
    return 0;
}

/* ---- state ------------------------------------------------------------------------------------------------- */

static int save_hidden(struct file_compactor *c, const char *bucket, const struct merge_source *s,
                       uint32_t checkpoints, struct error *err)
{
    Flinc__FileSinkHidden m = FLINC__FILE_SINK_HIDDEN__INIT;

    m.path = s->path;
    m.bucket = (char *)(uintptr_t)bucket;
    m.size_bytes = s->size_bytes;
    m.subtask = c->ctx->subtask;
    m.checkpoints = checkpoints;
    return list_state_add(c->list, &m.base, err);
}

int file_compactor_snapshot(struct file_compactor *c, struct error *err)
{
    if (c->list == NULL) {
        return 0;
    }
    operator_list_clear(c->list);
    for (size_t i = 0; i < COMPACT_THREADS_MAX; i++) {
        const struct merge *m = c->merges[i];
        for (size_t k = 0; m != NULL && k < merge_n_sources(m); k++) {
            TRY(save_hidden(c, merge_bucket(m), merge_source_at(m, k), UINT32_MAX, err));
        }
    }
    MAP_FOREACH (&c->waiting, e) {
        struct waiting_bucket *w = e->value;
        w->checkpoints += w->checkpoints < UINT32_MAX;
        for (size_t k = 0; k < w->files.len; k++) {
            TRY(save_hidden(c, e->key, VEC_AT(&w->files, struct merge_source, k), w->checkpoints,
                            err));
        }
    }
    return 0;
}

int file_compactor_open(struct file_compactor *c, struct error *err)
{
    TRY(list_state_open(c->ctx, "uncompacted", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION,
                        &c->list, err));
    for (size_t i = 0; c->list != NULL && i < operator_list_len(c->list); i++) {
        struct slice bytes = operator_list_get(c->list, i);
        Flinc__FileSinkHidden *m =
            flinc__file_sink_hidden__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
        if (m == NULL) {
            return error_set(err, ERR_CORRUPT,
                             "a hidden file of the file sink in the checkpoint is damaged");
        }
        if (m->subtask % c->ctx->parallelism == c->ctx->subtask) {
            wait_for_merge(c, m->bucket,
                           (struct merge_source){mem_strdup(m->path), m->size_bytes, true});
            struct waiting_bucket *w = waiting_of(c, m->bucket);
            w->checkpoints = MAX(w->checkpoints, m->checkpoints);
        } else {
            map_put(&c->others, fs_base_name(m->path), c);
        }
        flinc__file_sink_hidden__free_unpacked(m, NULL);
    }
    return 0;
}

void file_compactor_names(const struct file_compactor *c, struct map *names)
{
    MAP_FOREACH (&c->others, e) {
        map_put(names, e->key, (void *)(uintptr_t)c);
    }
    MAP_FOREACH (&c->waiting, e) {
        const struct waiting_bucket *w = e->value;
        for (size_t k = 0; k < w->files.len; k++) {
            map_put(names, fs_base_name(VEC_AT(&w->files, struct merge_source, k)->path),
                    (void *)(uintptr_t)c);
        }
    }
}
