/* Work on the I/O executor, and deleting; see checkpointer_internal.h.
 *
 * What is to be deleted is known by name alone, so the work needs nothing of the job master and may outlive
 * it.  Names are never used twice: a deletion that comes late hits nothing new (FLINK-7268). */
#include "jobmanager/checkpoint/checkpointer_internal.h"

/* ---- jobs ----------------------------------------------------------------------------------------- */

void *io_job_new(size_t size, const char *name)
{
    struct io_job *job = mem_zalloc(size);
    job->name = name;
    return job;
}

void io_job_free(struct io_job *job)
{
    if (job->fini != NULL) {
        job->fini(job);
    }
    mem_free(job);
}

static void drop_job(void *arg)
{
    io_job_free(arg);
}

static int run_job(void *arg, struct cancel_token *cancel, struct error *err)
{
    struct io_job *job = arg;
    return job->run(job, err);
}

static void job_done(void *target, void *arg, int rc, const struct error *err)
{
    struct io_job *job = arg;
    job->done(target, job, rc, err);
    io_job_free(job);
}

/* Without an executor: the answer comes by the mailbox all the same. */
struct inline_answer {
    struct io_job *job; /* Owns */
    int rc;
    struct error error;
};

static void drop_answer(void *payload)
{
    struct inline_answer *a = payload;
    io_job_free(a->job);
    mem_free(a);
}

static void run_answer(void *target, void *payload)
{
    struct inline_answer *a = payload;
    job_done(target, a->job, a->rc, &a->error);
    mem_free(a);
}

static int run_inline(struct checkpointer *c, struct io_job *job)
{
    struct inline_answer *a = MEM_NEW(struct inline_answer);
    a->job = job;
    a->rc = job->run(job, &a->error);
    if (job->done == NULL) {
        drop_answer(a);
        return 0;
    }
    struct mailbox_op op = {
        .kind = c->o.reply_kind, .run = run_answer, .target = c, .payload = a, .drop = drop_answer};
    if (mailbox_post_internal(component_mailbox(c->o.component), MAILBOX_LANE_CONTROL, &op) < 0) {
        drop_answer(a);
    }
    return 0;
}

int io_submit(struct checkpointer *c, struct io_job *job, struct error *err)
{
    job->files = c->o.files;
    job->pointers = c->o.pointers;
    memcpy(job->job_hex, c->job_hex, sizeof(job->job_hex));
    if (c->o.io_executor == NULL) {
        return run_inline(c, job);
    }
    struct executor_job x = {
        .name = job->name,
        .run = run_job,
        .done = job->done != NULL ? job_done : NULL,
        .target = c,
        .arg = job,
        .drop = drop_job,
        .reply_to = job->done != NULL ? component_mailbox(c->o.component) : NULL,
        .reply_lane = MAILBOX_LANE_CONTROL,
        .reply_kind = c->o.reply_kind,
    };
    return executor_submit(c->o.io_executor, &x, err);
}

/* ---- deleting ------------------------------------------------------------------------------------- */

/* In this order; all of char *, owned. */
struct delete_job {
    struct io_job base;
    struct vec pointers; /* uint64_t: checkpoints whose pointers go first */
    const char
        *ended_as;   /* the job has, which is written down before anything goes; NULL: it goes on */
    bool all_go;     /* then: all its checkpoints */
    struct vec uris; /* files */
    struct vec folders; /* with all that is in them */
    struct vec empty;   /* folders, when nothing is in them */
};

static void fini_names(struct vec *names)
{
    for (size_t i = 0; i < names->len; i++) {
        mem_free(vec_ptr(names, i));
    }
    vec_fini(names);
}

static void fini_delete(struct io_job *job)
{
    struct delete_job *d = (struct delete_job *)job;
    vec_fini(&d->pointers);
    fini_names(&d->uris);
    fini_names(&d->folders);
    fini_names(&d->empty);
}

static void log_undeleted(const char *name, const struct error *err)
{
    char text[ERROR_MESSAGE_MAX];
    LOG_WARN(CHECKPOINT_TOPIC, "%s is not needed any more and could not be deleted; it stays: %s",
             name, error_format(err, text, sizeof(text)));
}

/* Nobody who takes the job over will look for the files.  Negative: somebody may. */
static int withdraw_pointers(struct delete_job *d, struct error *err)
{
    const struct checkpoint_pointers *pointers = d->base.pointers;
    if (pointers == NULL) {
        return 0;
    }
    if (d->ended_as != NULL) {
        TRY(pointers->end_job(pointers->arg, d->base.job_hex, d->ended_as, d->all_go, err));
    }
    for (size_t i = 0; i < d->pointers.len; i++) {
        TRY(pointers->remove(pointers->arg, d->base.job_hex, *VEC_AT(&d->pointers, uint64_t, i),
                             err));
    }
    return 0;
}

/* On an I/O thread. */
static int run_delete(struct io_job *job, struct error *err)
{
    struct delete_job *d = (struct delete_job *)job;
    const struct checkpoint_files *files = job->files;
    if (d->ended_as != NULL) {
        (void)!FAILPOINT(NULL, "checkpoint.end.before_delete");
    }
    if (!PLANTED("checkpoint.pointers_stay") && withdraw_pointers(d, err) < 0) {
        log_undeleted(d->folders.len > 0 ? vec_ptr(&d->folders, 0) : "A file of a checkpoint", err);
        return 0;
    }
    for (size_t i = 0; i < d->uris.len; i++) {
        struct error why = ERROR_INIT;
        const char *uri = vec_ptr(&d->uris, i);
        if (files->delete_file(files->arg, uri, &why) < 0) {
            log_undeleted(uri, &why);
        }
    }
    for (size_t i = 0; i < d->folders.len; i++) {
        struct error why = ERROR_INIT;
        const char *folder = vec_ptr(&d->folders, i);
        if (files->delete_folder(files->arg, folder, &why) < 0) {
            log_undeleted(folder, &why);
        }
    }
    for (size_t i = 0; i < d->empty.len; i++) {
        files->delete_empty(files->arg, vec_ptr(&d->empty, i));
    }
    if (d->ended_as != NULL && job->pointers != NULL && job->pointers->files_are_gone != NULL) {
        job->pointers->files_are_gone(job->pointers->arg, job->job_hex);
    }
    return 0;
}

static struct delete_job *delete_new(void)
{
    struct delete_job *d = io_job_new(sizeof(*d), "deleting files of checkpoints");
    d->base.run = run_delete;
    d->base.fini = fini_delete;
    vec_init(&d->pointers, sizeof(uint64_t));
    vec_init(&d->uris, sizeof(char *));
    vec_init(&d->folders, sizeof(char *));
    vec_init(&d->empty, sizeof(char *));
    return d;
}

/* Takes the job: what the executor does not accept now is tried again with the next deletion. */
static void submit_delete(struct checkpointer *c, struct delete_job *d)
{
    struct error err = ERROR_INIT;
    if (io_submit(c, &d->base, &err) == 0) {
        return;
    }
    if (c->garbage.len < CHECKPOINT_GARBAGE_MAX && !c->ended) {
        vec_push_ptr(&c->garbage, d);
        return;
    }
    log_undeleted(d->folders.len > 0 ? vec_ptr(&d->folders, 0) : "A file of a checkpoint", &err);
    io_job_free(&d->base);
}

void cleanup_retry(struct checkpointer *c)
{
    struct error err = ERROR_INIT;
    while (c->garbage.len > 0) {
        struct io_job *job = vec_ptr(&c->garbage, c->garbage.len - 1);
        if (io_submit(c, job, &err) < 0) {
            return;
        }
        vec_pop(&c->garbage);
    }
}

void cleanup_folder(struct checkpointer *c, char *take_directory)
{
    if (take_directory == NULL) {
        return;
    }
    struct delete_job *d = delete_new();
    vec_push_ptr(&d->folders, take_directory);
    submit_delete(c, d);
}

void cleanup_files(struct checkpointer *c, struct vec *take_uris)
{
    if (take_uris->len == 0) {
        vec_fini(take_uris);
        return;
    }
    struct delete_job *d = delete_new();
    vec_fini(&d->uris);
    d->uris = *take_uris;
    vec_init(take_uris, sizeof(char *));
    submit_delete(c, d);
}

/* ---- what is to be deleted ------------------------------------------------------------------------ */

void cleanup_expire(struct checkpointer *c, const struct pending_checkpoint *p,
                    char *take_directory)
{
    if (take_directory == NULL) {
        return;
    }
    *VEC_PUSH(&c->expired, struct expired_checkpoint) = (struct expired_checkpoint){
        p->id, checkpoint_kind_is_savepoint(p->kind), mem_strdup(take_directory)};
    if (c->expired.len > CHECKPOINT_EXPIRED_MAX) { /* its tasks have heard of it long ago */
        cleanup_folder(c, VEC_AT(&c->expired, struct expired_checkpoint, 0)->directory);
        vec_remove(&c->expired, 0);
    }
    cleanup_folder(c, take_directory);
}

void cleanup_expired_at_end(struct checkpointer *c)
{
    for (size_t i = 0; i < c->expired.len; i++) {
        const struct expired_checkpoint *e = VEC_AT(&c->expired, struct expired_checkpoint, i);
        cleanup_folder(c, mem_strdup(e->directory));
    }
}

const struct expired_checkpoint *cleanup_find_expired(const struct checkpointer *c,
                                                      uint64_t checkpoint_id)
{
    for (size_t i = 0; i < c->expired.len; i++) {
        const struct expired_checkpoint *e = VEC_AT(&c->expired, struct expired_checkpoint, i);
        if (e->id == checkpoint_id) {
            return e;
        }
    }
    return NULL;
}

void cleanup_late(struct checkpointer *c, uint64_t checkpoint_id)
{
    const struct expired_checkpoint *e = cleanup_find_expired(c, checkpoint_id);
    if (e != NULL) {
        cleanup_folder(c, mem_strdup(e->directory));
    }
}

void cleanup_shared_below(struct checkpointer *c, uint64_t lowest_id)
{
    struct vec uris = VEC_INIT(char *);
    shared_registry_release_below(&c->shared, lowest_id, &uris);
    cleanup_files(c, &uris);
}

static void keep_file(void *arg, const char *uri, const Flinc__StateBlob *blob)
{
    struct checkpointer *c = arg;
    enum shared_state state = shared_registry_find(&c->shared, uri);
    if (blob->shared && state != SHARED_UNKNOWN) {
        shared_registry_use(&c->shared, uri, UINT64_MAX,
                            state == SHARED_KNOWN_FOREIGN ? SHARED_FOREIGN : SHARED_OF_JOB);
    }
}

/* A pointer to a checkpoint that is being completed may be under way: whoever takes over then needs these files, unless the end
 * of the job is written down. */
void cleanup_shared_at_end(struct checkpointer *c, const char *ended_as)
{
    struct delete_job *d;
    if (PLANTED("checkpoint.given_up_files_stay")) {
        return;
    }
    for (size_t i = 0; i < c->store.kept.len; i++) {
        const struct completed_checkpoint *k = vec_ptr(&c->store.kept, i);
        snapshot_each_file(k->metadata, k->directory, keep_file, c);
    }
    d = delete_new();
    d->ended_as = ended_as;
    shared_registry_release_below(&c->shared, UINT64_MAX, &d->uris);
    if (d->uris.len == 0) {
        io_job_free(&d->base);
    } else {
        submit_delete(c, d);
    }
}

void cleanup_subsumed(struct checkpointer *c, struct vec *take_completed, uint64_t lowest_id)
{
    struct delete_job *d = delete_new();
    struct error ignored = ERROR_INIT;
    for (size_t i = 0; i < take_completed->len; i++) {
        struct completed_checkpoint *k = vec_ptr(take_completed, i);
        (void)FAILPOINT(&ignored, "checkpoint.subsume.before_delete");
        *VEC_PUSH(&d->pointers, uint64_t) = k->id;
        if (!k->foreign) {
            stats_tracker_discarded(&c->stats, k->id);
            if (k->directory != NULL) {
                vec_push_ptr(&d->folders, STEAL(k->directory));
            }
        }
        completed_free(k);
    }
    vec_clear(take_completed);
    shared_registry_release_below(&c->shared, lowest_id, &d->uris);
    if (d->pointers.len == 0 && d->uris.len == 0) {
        io_job_free(&d->base);
        return;
    }
    submit_delete(c, d);
}

void cleanup_withdrawn(struct checkpointer *c, uint64_t checkpoint_id, char *take_directory)
{
    struct delete_job *d = delete_new();
    *VEC_PUSH(&d->pointers, uint64_t) = checkpoint_id;
    if (take_directory != NULL) {
        vec_push_ptr(&d->folders, take_directory);
    }
    submit_delete(c, d);
}

/* In one job, one after the other, so that folders are empty when it is looked. */
void cleanup_all(struct checkpointer *c, const char *ended_as)
{
    static const char *const folders[] = {"/shared", "/taskowned", ""};
    struct delete_job *d = delete_new();
    struct completed_checkpoint *k;
    d->ended_as = ended_as;
    d->all_go = true;
    while ((k = completed_store_take_above(&c->store, 0)) != NULL) {
        if (!k->foreign) {
            stats_tracker_discarded(&c->stats, k->id);
        }
        if (!k->foreign && k->directory != NULL) {
            vec_push_ptr(&d->folders, STEAL(k->directory));
        }
        completed_free(k);
    }
    shared_registry_release_below(&c->shared, UINT64_MAX, &d->uris);
    for (size_t i = 0; i < ARRAY_LEN(folders); i++) {
        STR_AUTO path = STR_INIT;
        if (c->config.directory != NULL && c->config.create_subdir) {
            str_printf(&path, "%s/%s%s", c->config.directory, c->job_hex, folders[i]);
            /* Former leaders may have been killed in the middle of a checkpoint. */
            bool all = c->o.recovered != NULL && i + 1 == ARRAY_LEN(folders);
            vec_push_ptr(all ? &d->folders : &d->empty, str_take(&path));
        }
    }
    submit_delete(c, d);
}
