/* The files of a worker that hold sections of several blobs; see merging.h.
 *
 * A file is in the map from its creation until no checkpoint that may still be confirmed has a section in it.
 * `busy` is ownership: who made it true is the only one to touch `out` until it is false again.
 * Thread: any; `lock` guards everything but what is constant. */
#include "engine/snapshot/merged_file.h"

#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/map.h"
#include "common/base/thread.h"
#include "engine/snapshot/target.h"

static const char topic[] = "flinc.snapshot.merging";

enum { MERGED_USES_MAX = 64 }; /* checkpoints without one that completes, of a file */

/* What a checkpoint has in a file. */
struct merged_use {
    uint64_t checkpoint_id;
    uint64_t written_bytes;  /* by it, and not discarded */
    uint64_t referred_bytes; /* in acknowledgements of it */
    uint32_t n_unheard;      /* sections of it that were neither acknowledged nor discarded */
};

struct merged_file {
    char *uri; /* Owns; the key of the map, too */
    enum snapshot_scope scope;
    uint64_t since;
    struct fs_output *out; /* Owns; NULL: closed, or not made yet */
    uint64_t size;         /* bytes, with garbage */
    uint64_t alive_bytes;  /* of sections that were not discarded */
    uint32_t n_alive;
    bool busy;          /* somebody writes */
    bool sealed;        /* no more sections */
    struct vec writers; /* char *, Owns: attempts that have sections in it */
    struct vec uses;    /* struct merged_use, by checkpoint, oldest first */
};

struct file_merging {
    _Atomic uint32_t refs;
    struct file_merging_options options;
    pthread_mutex_t lock;
    pthread_cond_t put;  /* a file is not busy any more */
    struct map files;    /* URI -> struct merged_file, Owns */
    uint64_t latest;     /* the newest completed checkpoint that is known */
    uint64_t next_place; /* names of files that are not made yet */
    struct file_merging_stats stats;
};

/* ---- files -------------------------------------------------------------------------------------- */

static void merged_file_free(struct merged_file *f)
{
    fs_output_abandon(f->out);
    for (size_t i = 0; i < f->writers.len; i++) {
        mem_free(vec_ptr(&f->writers, i));
    }
    vec_fini(&f->writers);
    vec_fini(&f->uses);
    mem_free(f->uri);
    mem_free(f);
}

struct fs_output *merged_file_output(const struct merged_file *f)
{
    return f->out;
}

const char *merged_file_uri(const struct merged_file *f)
{
    return f->uri;
}

uint64_t merged_file_offset(const struct merged_file *f)
{
    return f->size;
}

uint64_t merged_file_since(const struct merged_file *f)
{
    return f->since;
}

static struct merged_use *find_use(const struct merged_file *f, uint64_t checkpoint_id)
{
    for (size_t i = f->uses.len; i > 0; i--) { /* most look for the newest */
        struct merged_use *u = VEC_AT(&f->uses, struct merged_use, i - 1);
        if (u->checkpoint_id == checkpoint_id) {
            return u;
        }
    }
    return NULL;
}

static struct merged_use *use_of(struct merged_file *f, uint64_t checkpoint_id)
{
    struct merged_use *u = find_use(f, checkpoint_id);
    if (u == NULL) {
        if (f->uses.len >= MERGED_USES_MAX &&
            VEC_AT(&f->uses, struct merged_use, 0)->n_unheard == 0) {
            vec_remove(&f->uses, 0); /* then it counts as garbage sooner than it is */
        }
        u = VEC_PUSH(&f->uses, struct merged_use);
        *u = (struct merged_use){.checkpoint_id = checkpoint_id};
    }
    return u;
}

static bool has_writer(const struct merged_file *f, const char *owner)
{
    for (size_t i = 0; i < f->writers.len; i++) {
        if (strcmp(vec_ptr(&f->writers, i), owner) == 0) {
            return true;
        }
    }
    return false;
}

/* What the newest completed checkpoint refers to, and later ones may. */
static uint64_t used_bytes(const struct file_merging *m, const struct merged_file *f)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < f->uses.len; i++) {
        const struct merged_use *u = VEC_AT(&f->uses, struct merged_use, i);
        bytes += u->checkpoint_id == m->latest  ? u->referred_bytes
                 : u->checkpoint_id > m->latest ? u->written_bytes
                                                : 0;
    }
    return bytes;
}

static bool is_wasteful(const struct file_merging *m, const struct merged_file *f)
{
    double most = m->options.max_space_amplification;
    return most > 1 && (double)f->size > most * (double)used_bytes(m, f);
}

/* ---- ends of files ------------------------------------------------------------------------------ */

struct retired {
    struct fs_output *out; /* Owns; NULL: closed already */
    char *uri;             /* Owns; NULL: the file stays */
};

static void retired_end(struct retired *r)
{
    struct error err = ERROR_INIT;
    int rc = FAILPOINT(&err, "snapshot.merging.close");
    (void)rc;
    r->out = fs_output_abandon(r->out); /* all that counts is synced */
    if (r->uri != NULL) {
        rc = fs_delete(r->uri, FS_DELETE_ONE, &err);
        if (rc < 0 && rc != ERR_NOT_FOUND) {
            LOG_WARN(topic, "%s has nothing that is needed and could not be deleted; it stays: %s",
                     r->uri, err.message);
        }
        mem_free(STEAL(r->uri));
    }
}

static int retired_run(void *arg, struct cancel_token *cancel, struct error *err)
{
    (void)cancel;
    (void)err;
    retired_end(arg);
    return 0;
}

/* Also behind one that never ran. */
static void retired_drop(void *arg)
{
    retired_end(arg);
    mem_free(arg);
}

static void retire(struct file_merging *m, struct vec *take_retired)
{
    for (size_t i = 0; i < take_retired->len; i++) {
        struct retired *r =
            mem_dup(VEC_AT(take_retired, struct retired, i), sizeof(struct retired));
        const struct executor_job job = {
            .name = "closing merged state", .run = retired_run, .arg = r, .drop = retired_drop};
        if (m->options.executor == NULL || executor_submit(m->options.executor, &job, NULL) < 0) {
            retired_drop(r);
        }
    }
    vec_fini(take_retired);
}

/* Nobody here will ask for it: what it has is older than what is complete, and acknowledged or given up. */
static bool is_over(const struct file_merging *m, const struct merged_file *f)
{
    for (size_t i = 0; i < f->uses.len; i++) {
        const struct merged_use *u = VEC_AT(&f->uses, struct merged_use, i);
        if (u->n_unheard > 0 || (u->checkpoint_id >= m->latest && u->referred_bytes > 0)) {
            return false;
        }
    }
    return true;
}

static void count_sections(struct file_merging *m, struct merged_file *f, int64_t n, int64_t bytes)
{
    f->n_alive += (uint32_t)n;
    f->alive_bytes += (uint64_t)bytes;
    atomic_fetch_add(&m->stats.n_sections, n);
    atomic_fetch_add(&m->stats.section_bytes, bytes);
}

/* Under lock: a sealed file that nobody writes is closed, deleted when none of its sections was heard of, and
 * forgotten when it is over.  Not to be used afterwards. */
static void settle(struct file_merging *m, struct merged_file *f, struct vec *retired)
{
    if (!f->sealed || f->busy) {
        return;
    }
    bool is_garbage = f->n_alive == 0;
    if (f->out != NULL || is_garbage) {
        *VEC_PUSH(retired, struct retired) =
            (struct retired){STEAL(f->out), is_garbage ? mem_strdup(f->uri) : NULL};
    }
    if (is_garbage || is_over(m, f)) {
        atomic_fetch_sub(&m->stats.n_files, 1);
        atomic_fetch_sub(&m->stats.file_bytes, (int64_t)f->size);
        count_sections(m, f, -(int64_t)f->n_alive, -(int64_t)f->alive_bytes);
        STR_AUTO key = STR_INIT;
        str_append_cstr(&key, f->uri);
        merged_file_free(map_take(&m->files, str_cstr(&key)));
    }
}

static void forget_uses_below(struct merged_file *f, uint64_t checkpoint_id)
{
    for (size_t i = f->uses.len; i > 0; i--) {
        const struct merged_use *u = VEC_AT(&f->uses, struct merged_use, i - 1);
        if (u->checkpoint_id < checkpoint_id && u->n_unheard == 0) {
            vec_remove(&f->uses, i - 1);
        }
    }
}

/* ---- life --------------------------------------------------------------------------------------- */

struct file_merging *file_merging_new(const struct file_merging_options *options)
{
    struct file_merging *m = MEM_NEW(struct file_merging);
    ASSERT(options->max_subtasks_per_file > 0);
    atomic_init(&m->refs, 1);
    m->options = *options;
    pthread_mutex_init(&m->lock, NULL);
    pthread_cond_init(&m->put, NULL);
    map_init(&m->files, NULL);
    return m;
}

struct file_merging *file_merging_ref(struct file_merging *m)
{
    atomic_fetch_add_explicit(&m->refs, 1, memory_order_relaxed);
    return m;
}

struct file_merging *file_merging_unref(struct file_merging *m)
{
    if (m != NULL && atomic_fetch_sub_explicit(&m->refs, 1, memory_order_acq_rel) == 1) {
        MAP_FOREACH (&m->files, e) {
            merged_file_free(e->value);
        }
        map_fini(&m->files);
        pthread_cond_destroy(&m->put);
        pthread_mutex_destroy(&m->lock);
        mem_free(m);
    }
    return NULL;
}

/* ---- choosing a file ---------------------------------------------------------------------------- */

bool file_merging_takes(const struct file_merging *m, uint64_t size)
{
    return size <= MIN((uint64_t)MERGED_SECTION_MAX, m->options.max_file_bytes);
}

/* Whether the file is kept until the checkpoint is confirmed or given up, so that sections of it may be written:
 * it was begun for it, or the completed one that keeps it is the newest (merging.h). */
static bool is_kept_for(const struct file_merging *m, const struct merged_file *f,
                        uint64_t checkpoint_id, uint64_t latest_completed)
{
    const struct merged_use *u = find_use(f, latest_completed);
    if (f->since == checkpoint_id || find_use(f, checkpoint_id) != NULL) {
        return true;
    }
    if (!m->options.across_checkpoints || f->since > checkpoint_id) {
        return false;
    }
    return (u != NULL && u->referred_bytes > 0) || PLANTED("merging.appends_to_unkept");
}

static bool may_append(const struct file_merging *m, const struct merged_file *f,
                       const struct merged_request *r)
{
    const struct snapshot_target *t = r->target;
    return !f->sealed && f->scope == r->scope &&
           is_kept_for(m, f, t->checkpoint_id, t->latest_completed) &&
           (has_writer(f, t->owner) || f->writers.len < m->options.max_subtasks_per_file);
}

enum candidates { CANDIDATES_OWN, CANDIDATES_OTHERS }; /* the subtask has sections in it, or not */

/* Under lock.  The first to write to; *ret_busy: there is one, but somebody is writing. */
static struct merged_file *choose_of(struct file_merging *m, const struct merged_request *r,
                                     enum candidates which, bool *ret_busy)
{
    *ret_busy = false;
    MAP_FOREACH (&m->files, e) {
        struct merged_file *f = e->value;
        bool is_own = has_writer(f, r->target->owner);
        if (is_own != (which == CANDIDATES_OWN) || !may_append(m, f, r)) {
            continue;
        }
        if (f->busy) {
            *ret_busy = true;
        } else if (f->size + r->size > m->options.max_file_bytes) {
            f->sealed = true; /* closed with the next checkpoint */
        } else {
            return f;
        }
    }
    return NULL;
}

/* Its own ones first, so that subtasks do not use up each other's places. */
static struct merged_file *choose(struct file_merging *m, const struct merged_request *r,
                                  bool *ret_wait)
{
    bool own_is_busy, other_is_busy = false;
    struct merged_file *f = choose_of(m, r, CANDIDATES_OWN, &own_is_busy);
    if (f == NULL && !(own_is_busy && m->options.pool_blocking)) {
        f = choose_of(m, r, CANDIDATES_OTHERS, &other_is_busy);
    }
    *ret_wait = f == NULL && m->options.pool_blocking && (own_is_busy || other_is_busy);
    return f;
}

static void set_busy(struct merged_file *f, const char *owner)
{
    f->busy = true;
    if (!has_writer(f, owner)) {
        vec_push_ptr(&f->writers, mem_strdup(owner));
    }
}

/* Under lock: in the map before it is made, so that others may wait for it. */
static struct merged_file *add_file(struct file_merging *m, const struct merged_request *r)
{
    STR_AUTO place = STR_INIT;
    struct merged_file *f = MEM_NEW(struct merged_file);
    f->scope = r->scope;
    f->since = r->target->checkpoint_id;
    vec_init(&f->writers, sizeof(char *));
    vec_init(&f->uses, sizeof(struct merged_use));
    set_busy(f, r->target->owner);
    str_printf(&place, "%llu", (unsigned long long)m->next_place++);
    f->uri = str_take(&place);
    (void)map_put(&m->files, f->uri, f);
    return f;
}

/* The file gets its name, or goes when it could not be made. */
static int make_file(struct file_merging *m, struct merged_file *f, const struct merged_request *r,
                     struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO uri = STR_INIT;
    struct fs_output *out = NULL;
    int rc = snapshot_target_create_merged(r->target, r->scope, &name, &uri, &out, err);
    pthread_mutex_lock(&m->lock);
    (void)map_take(&m->files, f->uri);
    if (rc == 0) {
        mem_free(f->uri);
        f->uri = str_take(&uri);
        f->out = out;
        atomic_fetch_add(&m->stats.n_files, 1);
        (void)map_put(&m->files, f->uri, f);
    }
    pthread_cond_broadcast(&m->put);
    pthread_mutex_unlock(&m->lock);
    if (rc < 0) {
        merged_file_free(f);
    }
    return rc;
}

int file_merging_take(struct file_merging *m, const struct merged_request *r,
                      struct merged_file **ret_file, struct error *err)
{
    bool wait, is_new = false;
    struct merged_file *f;
    ASSERT(file_merging_takes(m, r->size));
    TRY(FAILPOINT(err, "snapshot.merging.take"));
    TRY(snapshot_target_check_folder(r->target, err));
    pthread_mutex_lock(&m->lock);
    while ((f = choose(m, r, &wait)) == NULL && wait) {
        pthread_cond_wait(&m->put,
                          &m->lock); /* whoever has it is writing: that takes nobody else */
    }
    if (f != NULL) {
        set_busy(f, r->target->owner);
    } else {
        f = add_file(m, r);
        is_new = true;
    }
    pthread_mutex_unlock(&m->lock);
    if (is_new) {
        TRY(make_file(m, f, r, err));
    }
    *ret_file = f;
    return 0;
}

void file_merging_put(struct file_merging *m, struct merged_file *take_file,
                      const struct merged_request *r, enum merged_end end)
{
    struct vec retired = VEC_INIT(struct retired);
    pthread_mutex_lock(&m->lock);
    take_file->busy = false;
    if (end == MERGED_WRITTEN) {
        struct merged_use *u = use_of(take_file, r->target->checkpoint_id);
        u->written_bytes += r->size;
        u->n_unheard++;
        take_file->size += r->size;
        atomic_fetch_add(&m->stats.file_bytes, (int64_t)r->size);
        count_sections(m, take_file, 1, (int64_t)r->size);
    } else {
        take_file->sealed = true;
    }
    settle(m, take_file, &retired);
    pthread_cond_broadcast(&m->put);
    pthread_mutex_unlock(&m->lock);
    retire(m, &retired);
}

/* ---- sections ----------------------------------------------------------------------------------- */

void file_merging_discard(struct file_merging *m, const char *uri, uint64_t checkpoint_id,
                          uint64_t size)
{
    struct vec retired = VEC_INIT(struct retired);
    pthread_mutex_lock(&m->lock);
    struct merged_file *f = map_find(&m->files, uri);
    struct merged_use *u = f != NULL ? find_use(f, checkpoint_id) : NULL;
    if (u != NULL && u->n_unheard > 0) {
        u->n_unheard--;
        u->written_bytes -= size;
        count_sections(m, f, -1, -(int64_t)size);
        if (PLANTED("merging.discard_deletes_file") && !f->busy) {
            f->sealed = true;
            *VEC_PUSH(&retired, struct retired) = (struct retired){STEAL(f->out), mem_strdup(uri)};
        }
        settle(m, f, &retired);
    }
    pthread_mutex_unlock(&m->lock);
    retire(m, &retired);
}

void file_merging_begin(struct file_merging *m, uint64_t checkpoint_id, uint64_t latest_completed)
{
    struct vec retired = VEC_INIT(struct retired);
    pthread_mutex_lock(&m->lock);
    m->latest = MAX(m->latest, latest_completed);
    MAP_FOREACH (&m->files, e) {
        struct merged_file *f = e->value;
        forget_uses_below(f, m->latest);
        f->sealed = f->sealed ||
                    (!f->busy &&
                     (is_wasteful(m, f) || !is_kept_for(m, f, checkpoint_id, latest_completed)));
        settle(m, f, &retired);
    }
    pthread_mutex_unlock(&m->lock);
    retire(m, &retired);
}

void file_merging_leave(struct file_merging *m, const char *owner)
{
    struct vec retired = VEC_INIT(struct retired);
    pthread_mutex_lock(&m->lock);
    MAP_FOREACH (&m->files, e) {
        struct merged_file *f = e->value;
        f->sealed = f->sealed || has_writer(f, owner);
        settle(m, f, &retired);
    }
    pthread_mutex_unlock(&m->lock);
    retire(m, &retired);
}

struct noting {
    struct file_merging *m;
    uint64_t checkpoint_id;
};

static void note_blob(void *arg, const Flinc__StateBlob *blob, uint64_t checkpoint_id)
{
    const struct noting *n = arg;
    struct merged_file *f = blob->merged_since != 0 ? map_find(&n->m->files, blob->location) : NULL;
    if (f == NULL) {
        return; /* of an earlier attempt: known to the job manager alone */
    }
    struct merged_use *u = use_of(f, n->checkpoint_id);
    u->referred_bytes += blob->size;
    if (checkpoint_id == n->checkpoint_id && u->n_unheard > 0) {
        u->n_unheard--;
    }
}

void file_merging_note(struct file_merging *m, uint64_t checkpoint_id,
                       const Flinc__TaskSnapshot *snapshot)
{
    struct noting n = {m, checkpoint_id};
    pthread_mutex_lock(&m->lock);
    for (size_t i = 0; i < snapshot->n_operators; i++) {
        subtask_state_each_blob(snapshot->operators[i], checkpoint_id, note_blob, &n);
    }
    pthread_mutex_unlock(&m->lock);
}

uint64_t file_merging_waste(struct file_merging *m, const Flinc__StateBlob *blob)
{
    uint64_t bytes = 0;
    if (blob->merged_since == 0) {
        return 0;
    }
    pthread_mutex_lock(&m->lock);
    const struct merged_file *f = map_find(&m->files, blob->location);
    if (f != NULL && is_wasteful(m, f)) {
        bytes = f->size - used_bytes(m, f);
    }
    pthread_mutex_unlock(&m->lock);
    return bytes;
}

const struct file_merging_stats *file_merging_stats(const struct file_merging *m)
{
    return &m->stats;
}
