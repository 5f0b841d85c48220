/* What the job starts from, and what restarts restore; see checkpointer.h.
 *
 * A snapshot that cannot be read or does not fit fails the start with the reason: nothing older is taken in
 * its place (FLINK-22502).  Thread: the checkpointer's; files on the I/O executor.
 * Flink: CheckpointCoordinator.restoreSavepoint, restoreLatestCheckpointedState. */
#include "jobmanager/checkpoint/checkpointer_internal.h"

struct restore_job {
    struct io_job base;
    char *path; /* Owns; NULL: `pointers` are read */
    uint32_t flags;
    struct vec pointers; /* Owns; of struct checkpoint_pointer */
    struct vec older;    /* Owns; of struct completed_checkpoint *: those before the newest */
    struct completed_checkpoint *completed; /* Owns */
    struct graph_ref *graph;                /* counted */
};

static void fini_restore(struct io_job *job)
{
    struct restore_job *r = (struct restore_job *)job;
    for (size_t i = 0; i < r->pointers.len; i++) {
        str_fini(&VEC_AT(&r->pointers, struct checkpoint_pointer, i)->value);
    }
    for (size_t i = 0; i < r->older.len; i++) {
        completed_free(vec_ptr(&r->older, i));
    }
    vec_fini(&r->pointers);
    vec_fini(&r->older);
    completed_free(r->completed);
    graph_ref_unref(r->graph);
    mem_free(r->path);
}

void checkpoint_recovery_fini(struct checkpoint_recovery *r)
{
    for (size_t i = 0; i < r->pointers.len; i++) {
        str_fini(&VEC_AT(&r->pointers, struct checkpoint_pointer, i)->value);
    }
    vec_fini(&r->pointers);
}

static int read_pointer(const struct restore_job *r, const struct checkpoint_pointer *p,
                        struct completed_checkpoint *k, struct error *err)
{
    const struct checkpoint_files *files = r->base.files;
    const char *text = str_cstr(&p->value);
    STR_AUTO directory = STR_INIT;
    if (text[0] == 'M') {
        TRY(metadata_decode((const uint8_t *)text + 1, p->value.len - 1, "high availability",
                            &k->metadata, err));
    } else if (text[0] == 'D') {
        TRY(files->read(files->arg, text + 1, &k->metadata, &directory, err));
        k->directory = str_take(&directory);
    } else {
        return error_set(err, ERR_CORRUPT, "its pointer is damaged");
    }
    k->id = k->metadata->checkpoint_id;
    return k->id == p->id ? 0
                          : error_set(err, ERR_CORRUPT, "%s is checkpoint %llu", text + 1,
                                      (unsigned long long)k->id);
}

/* Those before the newest are there to be subsumed: one that cannot be read is left to people. */
static void read_older(struct restore_job *r)
{
    for (size_t i = 0; i + 1 < r->pointers.len; i++) {
        const struct checkpoint_pointer *p = VEC_AT(&r->pointers, struct checkpoint_pointer, i);
        struct completed_checkpoint *k = MEM_NEW(struct completed_checkpoint);
        struct error err = ERROR_INIT;
        if (read_pointer(r, p, k, &err) < 0) {
            LOG_WARN(CHECKPOINT_TOPIC, "Checkpoint %llu of job %s is left where it is: %s",
                     (unsigned long long)p->id, r->base.job_hex, err.message);
            completed_free(k);
            continue;
        }
        k->graph = graph_ref_ref(r->graph);
        vec_push_ptr(&r->older, k);
    }
}

/* On an I/O thread: what a former leader has completed. */
static int run_recover(struct io_job *job, struct error *err)
{
    struct restore_job *r = (struct restore_job *)job;
    struct completed_checkpoint *k = r->completed;
    const struct checkpoint_pointer *newest =
        VEC_AT(&r->pointers, struct checkpoint_pointer,
               PLANTED("checkpoint.recovers_older") ? 0 : r->pointers.len - 1);
    TRY(FAILPOINT(err, "checkpoint.restore.before_read"));
    TRY_CTX(err, read_pointer(r, newest, k, err), "recovering from checkpoint %llu",
            (unsigned long long)newest->id);
    TRY_CTX(err,
            state_assignment_new(k->metadata, k->directory, graph_ref_get(k->graph), r->flags,
                                 &k->assignment, err),
            "recovering from checkpoint %llu", (unsigned long long)newest->id);
    if (!PLANTED("checkpoint.recovers_older")) {
        read_older(r);
    }
    return 0;
}

/* On an I/O thread. */
static int run_restore(struct io_job *job, struct error *err)
{
    struct restore_job *r = (struct restore_job *)job;
    struct completed_checkpoint *k = r->completed;
    STR_AUTO directory = STR_INIT;
    TRY_CTX(err, FAILPOINT(err, "checkpoint.restore.before_read"), "restoring from %s", r->path);
    TRY_CTX(err, job->files->read(job->files->arg, r->path, &k->metadata, &directory, err),
            "restoring from %s (execution.state-recovery.path)", r->path);
    k->directory = str_take(&directory);
    k->id = k->metadata->checkpoint_id;
    TRY_CTX(err,
            state_assignment_new(k->metadata, k->directory, graph_ref_get(k->graph), r->flags,
                                 &k->assignment, err),
            "restoring from %s (execution.state-recovery.path)", r->path);
    return 0;
}

struct claiming {
    struct checkpointer *c;
    uint64_t checkpoint_id;
    enum shared_owner owner;
};

static void claim_file(void *arg, const char *uri, const Flinc__StateBlob *blob)
{
    const struct claiming *claiming = arg;
    if (blob->shared) {
        shared_registry_use(&claiming->c->shared, uri, claiming->checkpoint_id, claiming->owner);
    }
}

/* The number of key groups is the snapshot's from now on, where the job's own was only derived. */
static void take_max_parallelism(struct checkpointer *c, const struct state_assignment *a)
{
    Flinc__JobGraph *g = graph_ref_get_own(c->graph);
    for (uint32_t v = 0; v < g->n_vertices; v++) {
        g->vertices[v]->max_parallelism = state_assignment_max_parallelism(a, v);
    }
}

static void claim_files(struct checkpointer *c, const struct completed_checkpoint *k, bool of_job)
{
    struct claiming claiming = {c, k->id, of_job ? SHARED_OF_JOB : SHARED_FOREIGN};
    if (!PLANTED("checkpoint.restored_files_unknown")) {
        snapshot_each_file(k->metadata, k->directory, claim_file, &claiming);
    }
}

static void on_read(struct checkpointer *c, struct io_job *job, int rc, const struct error *err)
{
    struct restore_job *r = (struct restore_job *)job;
    if (c->ended) {
        return;
    }
    if (rc < 0) {
        c->o.host->on_restored(c->o.host_arg, PLANTED("checkpoint.starts_without_state") ? 0 : rc,
                               err);
        return;
    }
    struct completed_checkpoint *k = STEAL(r->completed);
    bool recovered = r->path == NULL; /* then it is the job's own */
    bool claimed = recovered || c->config.claim == CHECKPOINT_CLAIM_CLAIM;
    k->foreign = !recovered && c->config.claim == CHECKPOINT_CLAIM_NO_CLAIM;
    for (size_t i = 0; i < r->older.len; i++) {
        struct completed_checkpoint *old = vec_ptr(&r->older, i);
        claim_files(c, old, true);
        completed_store_add(&c->store, old);
    }
    vec_clear(&r->older);
    claim_files(c, k, claimed);
    c->next_id = MAX(c->next_id, k->id + 1);
    LOG_INFO(CHECKPOINT_TOPIC, "Job %s starts from %s %llu at %s (%s).", c->job_hex,
             checkpoint_kind_is_savepoint(k->metadata->kind) ? "savepoint" : "checkpoint",
             (unsigned long long)k->id, k->directory != NULL ? k->directory : "high availability",
             recovered    ? "recovered"
             : k->foreign ? "NO_CLAIM"
                          : "CLAIM");
    take_max_parallelism(c, k->assignment);
    completed_store_add(&c->store, k);
    checkpointer_count_restore(c);
    c->o.host->on_restored(c->o.host_arg, 0, NULL);
}

uint32_t checkpointer_max_parallelism(const struct checkpointer *c, uint32_t vertex)
{
    return checkpointer_graph(c)->vertices[vertex]->max_parallelism;
}

bool checkpointer_has_restore(const struct checkpointer *c)
{
    return c->config.restore_path != NULL ||
           (c->o.recovered != NULL && c->o.recovered->pointers.len > 0);
}

static void copy_pointers(struct restore_job *r, const struct checkpoint_recovery *recovered)
{
    for (size_t i = 0; i < recovered->pointers.len; i++) {
        const struct checkpoint_pointer *p =
            VEC_AT(&recovered->pointers, struct checkpoint_pointer, i);
        struct checkpoint_pointer *copy = VEC_PUSH(&r->pointers, struct checkpoint_pointer);
        copy->id = p->id;
        str_append_slice(&copy->value, str_slice(&p->value));
    }
}

void checkpointer_restore(struct checkpointer *c)
{
    struct restore_job *r = io_job_new(sizeof(*r), "reading the snapshot that the job starts from");
    struct error err = ERROR_INIT;
    bool recovers = c->o.recovered != NULL && c->o.recovered->pointers.len > 0;
    vec_init(&r->pointers, sizeof(struct checkpoint_pointer));
    vec_init(&r->older, sizeof(struct completed_checkpoint *));
    r->base.run = recovers ? run_recover : run_restore;
    r->base.done = on_read;
    r->base.fini = fini_restore;
    if (recovers) {
        copy_pointers(r, c->o.recovered);
    } else {
        r->path = mem_strdup(c->config.restore_path);
    }
    r->graph = graph_ref_ref(c->graph);
    r->flags = c->config.allow_non_restored_state ? ASSIGN_ALLOW_NON_RESTORED : 0;
    r->completed = MEM_NEW(struct completed_checkpoint);
    r->completed->graph = graph_ref_ref(c->graph);
    int rc = io_submit(c, &r->base, &err);
    if (rc < 0) {
        io_job_free(&r->base);
        c->o.host->on_restored(c->o.host_arg, rc, &err);
    }
}

struct checkpoint_restore checkpointer_latest(const struct checkpointer *c)
{
    const struct completed_checkpoint *latest = completed_store_latest(&c->store);
    return latest != NULL ? (struct checkpoint_restore){latest->id, latest->assignment}
                          : (struct checkpoint_restore){0, NULL};
}

void checkpointer_count_restore(struct checkpointer *c)
{
    const struct completed_checkpoint *latest = completed_store_latest(&c->store);
    if (latest == NULL) {
        return;
    }
    struct restored_checkpoint restored = {
        .id = latest->id,
        .restore_ms = clock_now_ms(c->o.clock),
        .is_savepoint = checkpoint_kind_is_savepoint(latest->metadata->kind),
        .path = latest->directory,
    };
    stats_tracker_restored(&c->stats, &restored);
    c->o.host->on_changed(c->o.host_arg);
}

/* ---- other parallelisms ------------------------------------------------------------------------- */

/* What a restart restores from, dealt out to the tasks of `graph`. */
static int deal_anew(struct checkpointer *c, struct graph_ref *graph, struct state_assignment **ret,
                     struct error *err)
{
    const struct completed_checkpoint *latest = completed_store_latest(&c->store);
    if (latest == NULL) {
        return 0;
    }
    if (PLANTED("adaptive.restores_older")) {
        latest = vec_ptr(&c->store.kept, 0);
    }
    uint32_t flags = c->config.allow_non_restored_state ? ASSIGN_ALLOW_NON_RESTORED : 0;
    TRY_CTX(err,
            state_assignment_new(latest->metadata, latest->directory, graph_ref_get(graph), flags,
                                 ret, err),
            "dealing out the state of checkpoint %llu to another number of tasks",
            (unsigned long long)latest->id);
    return 0;
}

/* Whether `to` has tasks that the same graph did not have before. */
static bool grows(struct graph_ref *from, const Flinc__JobGraph *to)
{
    const Flinc__JobGraph *old = graph_ref_get(from);
    for (size_t v = 0; v < to->n_vertices; v++) {
        if (to->vertices[v]->parallelism > old->vertices[v]->parallelism) {
            return true;
        }
    }
    return false;
}

int checkpointer_rescale(struct checkpointer *c, const Flinc__JobGraph *graph, struct error *err)
{
    struct graph_ref *fresh = graph_ref_new(graph);
    struct state_assignment *assignment = NULL;
    Flinc__JobGraph *g = graph_ref_get_own(fresh);
    ASSERT(!c->running && !checkpointer_is_completing(c));
    for (size_t v = 0; v < g->n_vertices; v++) {
        g->vertices[v]->max_parallelism = checkpointer_graph(c)->vertices[v]->max_parallelism;
    }
    int rc = FAILPOINT(err, "checkpoint.rescale.before_deal");
    if (rc == 0) {
        rc = deal_anew(c, fresh, &assignment, err);
    }
    if (rc < 0) {
        graph_ref_unref(fresh);
        return rc;
    }
    struct completed_checkpoint *latest = completed_store_latest(&c->store);
    if (latest != NULL && PLANTED("adaptive.keeps_assignment") && !grows(latest->graph, g)) {
        state_assignment_free(assignment);
    } else if (latest != NULL) {
        state_assignment_free(latest->assignment);
        graph_ref_unref(latest->graph);
        latest->assignment = assignment;
        latest->graph = graph_ref_ref(fresh);
    }
    stats_tracker_set_graph(&c->stats, graph_ref_get(fresh));
    graph_ref_unref(c->graph);
    c->graph = fresh;
    checkpointer_count_tasks(c);
    return 0;
}
