/* Which snapshots there are, and what must hold of them:
 *
 *   - one that is complete has durable metadata, all its files, and the state of every task, all of the attempt
 *     that runs;
 *   - numbers grow, and what a job only borrowed is not referred to;
 *   - a task restores from the newest one that attempts before its own have completed, and gets its own state back;
 *   - what was in flight goes to all who have some of its keys, or, on edges without keys, to one task;
 *   - what is kept (sim_file.refs) is not deleted, what is not is.
 *
 * See sim.h. */
#include "tests/sim/sim.h"

#include "engine/data/hash.h"
#include "jobmanager/checkpoint/checkpointer_internal.h"
#include "jobmanager/dispatcher/dispatcher_internal.h"
#include "jobmanager/jobmaster/jobmaster_internal.h"
#include <stdio.h>

struct sim_job *sim_find_job(struct sim *s, const struct flinc_id *id)
{
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        if (id_eq(&s->jobs[i].id, id)) {
            return &s->jobs[i];
        }
    }
    return NULL;
}

/* Under which job master; NULL: of one that is gone. */
static struct sim_run *find_run(struct sim *s, struct sim_job *job, const struct flinc_id *token)
{
    return s->has_ha ? sim_ha_run(s, &job->id, token) : &job->run;
}

static struct jobmaster *find_jobmaster(const struct sim *s, const struct flinc_id *job_id)
{
    for (size_t i = 0; s->d != NULL && i < s->d->live.len; i++) {
        struct dispatched_job *j = vec_ptr(&s->d->live, i);
        if (j->jm != NULL && id_eq(&j->id, job_id)) {
            return j->jm;
        }
    }
    return NULL;
}

/* ---- what is kept ------------------------------------------------------------------------------------ */

static void hold(struct sim *s, struct sim_snapshot *k)
{
    k->held = true;
    for (size_t i = 0; i < k->uris.len; i++) {
        struct sim_file *f = sim_storage_find(s, vec_ptr(&k->uris, i));
        if (f == NULL) {
            char what[600];
            snprintf(what, sizeof(what), "snapshot %llu needs %s, which is not there",
                     (unsigned long long)k->id, (char *)vec_ptr(&k->uris, i));
            sim_failed(s, __FILE__, __LINE__, what);
        }
        f->refs++;
        f->was_complete = true;
    }
}

/* `excuse`: nobody is bound to delete its files. */
static void release(struct sim *s, struct sim_snapshot *k, bool excuse)
{
    for (size_t i = 0; k->held && i < k->uris.len; i++) {
        struct sim_file *f = sim_storage_find(s, vec_ptr(&k->uris, i));
        if (f == NULL && k->subsumed) {
            continue;
        }
        SIM_CHECK(s, f != NULL && f->refs > 0);
        f->refs--;
        f->excused |= excuse;
    }
    k->held = false;
}

static void add_uri(void *arg, const char *uri, const Flinc__StateBlob *blob)
{
    struct sim_snapshot *k = arg;
    vec_push_ptr(&k->uris, mem_strdup(uri));
}

static void note_in_flight(struct sim_snapshot *k, const Flinc__OperatorSnapshot *o)
{
    for (size_t i = 0; i < o->n_subtasks; i++) {
        const Flinc__OperatorSubtaskState *state = o->subtasks[i]->state;
        if (state != NULL && state->n_channels > 0) {
            k->in_flight |= 1u << o->subtasks[i]->subtask;
            k->edge = state->channels[0]->partitioner;
        }
    }
}

static struct sim_snapshot *snapshot_new(struct sim *s, const Flinc__CheckpointMetadata *m,
                                         const char *directory)
{
    struct sim_snapshot *k = MEM_NEW(struct sim_snapshot);
    char path[512];
    memset(k->generation, -1, sizeof(k->generation));
    k->id = m->checkpoint_id;
    k->directory = mem_strdup(directory);
    for (size_t i = 0; i < m->n_operators; i++) {
        uint32_t vertex = 0; /* see graph_id() */
        memcpy(&vertex, m->operators[i]->operator_id.data + 1, sizeof(vertex));
        SIM_CHECK(s, vertex < SIM_VERTICES);
        k->parallelism_of[vertex] = m->operators[i]->parallelism;
        k->parallelism = MAX(k->parallelism, m->operators[i]->parallelism);
        note_in_flight(k, m->operators[i]);
    }
    k->savepoint = checkpoint_kind_is_savepoint(m->kind);
    vec_init(&k->uris, sizeof(char *));
    snprintf(path, sizeof(path), "%s/%s", directory, CHECKPOINT_METADATA_NAME);
    add_uri(k, directory, NULL);
    add_uri(k, path, NULL);
    snapshot_each_file(m, directory, add_uri, k);
    vec_push_ptr(&s->snapshots, k);
    return k;
}

static void snapshot_free(struct sim_snapshot *k)
{
    for (size_t i = 0; i < k->uris.len; i++) {
        mem_free(vec_ptr(&k->uris, i));
    }
    vec_fini(&k->uris);
    mem_free(k->directory);
    mem_free(k);
}

void sim_snapshots_fini(struct sim *s)
{
    for (size_t i = 0; i < s->snapshots.len; i++) {
        snapshot_free(vec_ptr(&s->snapshots, i));
    }
    for (size_t i = 0; i < s->asks.len; i++) {
        mem_free(vec_ptr(&s->asks, i));
    }
    vec_fini(&s->snapshots);
    vec_fini(&s->asks);
}

static bool has_uri(const struct sim_snapshot *k, const char *uri)
{
    for (size_t i = 0; i < k->uris.len; i++) {
        if (strcmp(vec_ptr(&k->uris, i), uri) == 0) {
            return true;
        }
    }
    return false;
}

/* ---- a checkpoint is complete ------------------------------------------------------------------------ */

static uint32_t region_of(const struct sim_job *job, uint32_t subtask)
{
    return job->by_regions ? subtask : 0;
}

/* There is a state of every task that had not finished, for this checkpoint; those of a region are of one
 * attempt. */
static void check_states(struct sim *s, const struct sim_job *job, struct sim_snapshot *k,
                         const Flinc__CheckpointMetadata *m)
{
    for (size_t v = 0; v < m->n_operators; v++) {
        const Flinc__OperatorSnapshot *o = m->operators[v];
        if (o->n_subtasks != o->parallelism) {
            sim_failed(s, __FILE__, __LINE__, "a checkpoint is complete without all of its tasks");
        }
        for (size_t i = 0; i < o->n_subtasks; i++) {
            const Flinc__SubtaskSnapshot *t = o->subtasks[i];
            struct sim_state state;
            if (t->state == NULL) {
                SIM_CHECK(s, t->finished);
                continue;
            }
            SIM_CHECK(s, sim_state_read(t->state->keyed[0]->segments[0]->blob, &state));
            SIM_CHECK(s, state.checkpoint_id == m->checkpoint_id && state.vertex == v &&
                             state.subtask == t->subtask);
            int64_t *generation = &k->generation[region_of(job, t->subtask)];
            if (*generation >= 0 && *generation != state.attempt_number) {
                sim_failed(s, __FILE__, __LINE__,
                           "a checkpoint is complete with the states of two attempts");
            }
            *generation = state.attempt_number;
        }
    }
}

static Flinc__CheckpointMetadata *check_durable(struct sim *s, uint64_t id, const char *directory)
{
    Flinc__CheckpointMetadata *m = sim_storage_metadata(s, directory);
    if (m == NULL || m->checkpoint_id != id) {
        sim_failed(s, __FILE__, __LINE__, "a checkpoint is complete without durable metadata");
    }
    return m;
}

static void check_borrowed(struct sim *s, const struct sim_job *job, const struct sim_snapshot *k)
{
    for (size_t i = 0; job->from != NULL && !job->claims && i < k->uris.len; i++) {
        if (has_uri(job->from, vec_ptr(&k->uris, i))) {
            sim_failed(s, __FILE__, __LINE__, "a checkpoint refers to what the job only borrowed");
        }
    }
}

static void check_all_is_given(struct sim *s, const struct sim_job *job, const struct sim_run *run)
{
    for (uint32_t old = 0; old < SIM_PARALLELISM_MAX; old++) {
        if ((run->given.in_flight >> old & 1) != 0 && run->given.to[old] == 0 && !job->by_regions &&
            !job->bounded) {
            sim_failed(s, __FILE__, __LINE__, "what was in flight is given to nobody");
        }
    }
}

void sim_check_all_is_given(struct sim *s, const struct sim_job *job)
{
    const struct sim_run *run = &job->run;
    for (size_t i = 0; s->has_ha && i < s->runs.len; i++) { /* the newest one of the job */
        const struct sim_run *r = vec_ptr(&s->runs, i);
        run = id_eq(&r->job_id, &job->id) ? r : run;
    }
    check_all_is_given(s, job, run);
}

/* Of a job, by its number; no savepoint.  NULL: there is none. */
static struct sim_snapshot *find_snapshot(const struct sim *s, const struct flinc_id *job_id,
                                          uint64_t id)
{
    for (size_t i = s->snapshots.len; i > 0; i--) {
        struct sim_snapshot *k = vec_ptr(&s->snapshots, i - 1);
        if (k->id == id && id_eq(&k->job_id, job_id) && !k->savepoint) {
            return k;
        }
    }
    return NULL;
}

static struct sim_snapshot *note_snapshot(struct sim *s, struct sim_job *job, uint64_t id,
                                          const Flinc__CheckpointMetadata *m, const char *directory,
                                          bool holds)
{
    SIM_CHECK(s, m->checkpoint_id == id);
    struct sim_snapshot *k = snapshot_new(s, m, directory);
    k->job_id = job->id;
    k->bounded = job->bounded;
    check_states(s, job, k, m);
    check_borrowed(s, job, k);
    if (holds) {
        hold(s, k);
    }
    return k;
}

static void note_completed(struct sim *s, struct sim_job *job, struct sim_run *run,
                           const char *directory, uint64_t id)
{
    struct sim_snapshot *k = s->has_ha ? find_snapshot(s, &job->id, id) : NULL;
    if (id <= run->newest) {
        sim_failed(s, __FILE__, __LINE__, "the numbers of checkpoints do not grow");
    }
    if (s->has_ha && k == NULL) {
        sim_failed(s, __FILE__, __LINE__, "a checkpoint is complete that nobody has written down");
    }
    if (k == NULL) {
        Flinc__CheckpointMetadata *m = check_durable(s, id, directory);
        k = note_snapshot(s, job, id, m, directory, true);
        flinc__checkpoint_metadata__free_unpacked(m, NULL);
    }
    k->run = run;
    k->counts = true;
    check_all_is_given(s, job, run); /* all tasks have restored by now */
    for (uint32_t r = 0; r < SIM_PARALLELISM_MAX; r++) {
        if (k->generation[r] >= 0 && k->generation[r] < run->generation[r]) {
            sim_failed(s, __FILE__, __LINE__,
                       "a checkpoint is complete with tasks of an older attempt");
        }
        k->generation[r] = MAX(k->generation[r], run->generation[r]); /* else they had finished */
    }
    for (size_t i = 0; s->has_ha && i < s->snapshots.len;
         i++) { /* a newer one has overtaken them */
        struct sim_snapshot *older = vec_ptr(&s->snapshots, i);
        if (id_eq(&older->job_id, &job->id) && !older->counts && older->id < id &&
            !older->savepoint && !older->start) {
            release(s, older, false);
        }
    }
    run->newest = id;
    job->newest = MAX(job->newest, id);
    s->totals->checkpoints++;
}

/* ---- what is written down, with high availability ------------------------------------------------------ */

void sim_snapshots_pointed(struct sim *s, struct sim_job *job, uint64_t id, const char *value,
                           size_t len, bool is_late)
{
    Flinc__CheckpointMetadata *m = NULL;
    struct error err = ERROR_INIT;
    if (len > 0 && value[0] == 'D') {
        STR_AUTO directory = STR_INIT;
        str_append(&directory, value + 1, len - 1);
        m = check_durable(s, id, str_cstr(&directory));
        (void)note_snapshot(s, job, id, m, str_cstr(&directory), !is_late);
    } else {
        SIM_CHECK(s, len > 1 && value[0] == 'M');
        SIM_CHECK(s,
                  metadata_decode((const uint8_t *)value + 1, len - 1, "a pointer", &m, &err) == 0);
        struct sim_snapshot *k = snapshot_new(s, m, "");
        while (k->uris.len > 0) { /* it has no files */
            mem_free(vec_ptr(&k->uris, k->uris.len - 1));
            vec_pop(&k->uris);
        }
        k->job_id = job->id;
        k->bounded = job->bounded;
        check_states(s, job, k, m);
        k->held = true;
    }
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

void sim_snapshots_released(struct sim *s, const struct sim_job *job, uint64_t id,
                            bool only_uncounted)
{
    for (size_t i = 0; i < s->snapshots.len; i++) {
        struct sim_snapshot *k = vec_ptr(&s->snapshots, i);
        if (id_eq(&k->job_id, &job->id) && !k->savepoint && !k->start && (id == 0 || k->id == id) &&
            !(only_uncounted && k->counts)) {
            release(s, k, false);
        }
    }
}

bool sim_snapshots_let_go(const struct sim *s, const char *path)
{
    bool may_go = strstr(path, "/shared/") != NULL;
    for (size_t i = 0; i < s->snapshots.len; i++) {
        const struct sim_snapshot *k = vec_ptr(&s->snapshots, i);
        may_go = may_go && !(k->held && !k->subsumed && has_uri(k, path));
    }
    return may_go;
}

bool sim_snapshots_counts(const struct sim *s, const struct sim_job *job, uint64_t id)
{
    const struct sim_snapshot *k = find_snapshot(s, &job->id, id);
    return k != NULL && k->counts;
}

/* Checkpoints of one job share files: who owns one of them owns all, and alone.  A savepoint stands by itself. */
static bool is_shared_with(const struct sim_snapshot *a, const struct sim_snapshot *b)
{
    return a == b || (!a->savepoint && !b->savepoint && id_eq(&a->job_id, &b->job_id));
}

/* What the job starts from: its own from now on, when it claims it. */
static void note_restored(struct sim *s, struct sim_job *job, struct sim_run *run)
{
    struct sim_snapshot *from = job->from;
    run->has_restored = true;
    run->newest = from->id;
    job->newest = MAX(job->newest, from->id);
    for (size_t i = 0; i < s->snapshots.len; i++) { /* under an earlier leader */
        const struct sim_snapshot *k = vec_ptr(&s->snapshots, i);
        if (k->start && id_eq(&k->job_id, &job->id)) {
            return;
        }
    }
    Flinc__CheckpointMetadata *m = check_durable(s, from->id, from->directory);
    struct sim_snapshot *k = snapshot_new(s, m, from->directory);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
    k->job_id = job->id;
    k->bounded = job->bounded;
    k->start = true;
    if (job->claims) {
        hold(s, k);
        for (size_t i = 0; i < s->snapshots.len;
             i++) { /* those that shared files with it are lost */
            struct sim_snapshot *other = vec_ptr(&s->snapshots, i);
            if (other != k && is_shared_with(other, from)) {
                release(s, other, other != from);
            }
        }
    }
    s->totals->started_from++;
}

/* ---- what goes --------------------------------------------------------------------------------------- */

static bool is_kept(const struct checkpointer *c, uint64_t id)
{
    for (size_t i = 0; i < c->store.kept.len; i++) {
        if (((struct completed_checkpoint *)vec_ptr(&c->store.kept, i))->id == id) {
            return true;
        }
    }
    return false;
}

/* Those of a job that are not wanted any more; the newest is, unless the job has ended. */
static void release_of(struct sim *s, struct sim_job *job, const struct checkpointer *c)
{
    for (size_t i = 0; i < s->snapshots.len; i++) {
        struct sim_snapshot *k = vec_ptr(&s->snapshots, i);
        bool own = id_eq(&k->job_id, &job->id) && k->held && !(k->savepoint && !k->start);
        if (own && (job->released || (c != NULL && k->id != job->newest && !is_kept(c, k->id)))) {
            release(s, k, false);
        }
    }
}

bool sim_goes_with_job(const struct sim_job *job, enum job_status status)
{
    switch (status) {
    case JOB_STATUS_FINISHED:
        return true;
    case JOB_STATUS_CANCELED:
        return job->retention != SIM_RETAIN;
    case JOB_STATUS_FAILED:
        return job->retention == SIM_DELETE;
    default:
        return false;
    }
}

/* What tasks said of shared files; of a checkpoint that completes or not. */
static void observe_shared(struct sim *s, const struct sim_job *job, const struct checkpointer *c)
{
    MAP_FOREACH (&c->shared.files, e) {
        struct sim_file *f = sim_storage_find(s, e->key);
        if (f != NULL && id_eq(&f->job_id, &job->id)) {
            f->heard = true;
        }
    }
}

static void observe(struct sim *s, struct sim_job *job)
{
    struct jobmaster *jm = find_jobmaster(s, &job->id);
    const struct checkpointer *c = jm != NULL ? jm->checkpoints.checkpointer : NULL;
    struct job_overview o;
    for (size_t i = 0; c != NULL && i < c->store.kept.len; i++) {
        const struct completed_checkpoint *k = vec_ptr(&c->store.kept, i);
        if (job->from != NULL && !job->run.has_restored) {
            note_restored(s, job, &job->run);
        } else if (k->id > job->run.newest) {
            note_completed(s, job, &job->run, k->directory, k->id);
        }
    }
    if (c != NULL) {
        observe_shared(s, job, c);
    }
    bool ended = jm != NULL ? sim_goes_with_job(job, jm->status)
                            : dispatcher_get_overview(s->d, &job->id, &o) &&
                                  sim_goes_with_job(job, o.status);
    job->released = job->released || ended;
    if (c != NULL || ended) {
        release_of(s, job, c);
    }
}

/* An older one that could not be read when its job was recovered is left to people, and nobody looks after its files. */
static void release_unread(struct sim *s, const struct sim_job *job, const struct checkpointer *c)
{
    for (size_t i = 0; i < s->snapshots.len; i++) {
        struct sim_snapshot *k = vec_ptr(&s->snapshots, i);
        if (id_eq(&k->job_id, &job->id) && !k->savepoint && !k->start && k->held &&
            !is_kept(c, k->id)) {
            release(s, k, true);
        }
    }
}

/* What a job master has recovered from is the newest checkpoint that is written down, unless somebody else writes by
 * now. */
static void note_recovered(struct sim *s, struct sim_jm *process, struct sim_job *job,
                           struct sim_run *run, const struct checkpointer *c)
{
    const struct completed_store *store = &c->store;
    bool recovers = c->o.recovered != NULL && c->o.recovered->pointers.len > 0;
    run->deposed = sim_ha_leader(s) != process;
    run->began = true;
    if (!recovers) {
        if (store->kept.len > 0 && job->from != NULL) {
            note_restored(s, job, run);
        }
        return;
    }
    if (store->kept.len == 0) { /* it has ended before it was looked at */
        run->deposed = true;
        return;
    }
    const struct completed_checkpoint *newest = vec_ptr(&store->kept, store->kept.len - 1);
    run->recovered = run->newest = newest->id;
    struct sim_snapshot *k = find_snapshot(s, &job->id, newest->id);
    SIM_CHECK(s, k != NULL);
    k->counts = true;
    run->has_restored = true;
    if (!run->deposed && newest->id != job->ledger.newest) {
        (void)snprintf(s->said, sizeof(s->said),
                       "a new leader recovers from checkpoint %llu, and the newest is %llu",
                       (unsigned long long)newest->id, (unsigned long long)job->ledger.newest);
        sim_failed(s, __FILE__, __LINE__, s->said);
    }
    release_unread(s, job, c);
    s->totals->recovered++;
}

static void observe_run(struct sim *s, struct sim_jm *process, struct jobmaster *jm)
{
    struct sim_job *job = sim_find_job(s, &jm->job_id);
    const struct checkpointer *c = jm->checkpoints.checkpointer;
    SIM_CHECK(s, job != NULL);
    struct sim_run *run = sim_ha_run(s, &job->id, &jm->options.fencing_token);
    if (c == NULL || !jm->checkpoints.restored) {
        return;
    }
    if (!run->began) {
        run->epoch = process->epoch;
        note_recovered(s, process, job, run, c);
    }
    for (size_t i = 0; i < c->store.kept.len; i++) {
        const struct completed_checkpoint *k = vec_ptr(&c->store.kept, i);
        if (k->id > run->newest) {
            note_completed(s, job, run, k->directory, k->id);
        }
    }
    for (size_t i = 0; i < s->snapshots.len && !c->ended; i++) {
        struct sim_snapshot *k = vec_ptr(&s->snapshots, i);
        k->subsumed |= id_eq(&k->job_id, &job->id) && !run->deposed && k->counts &&
                       k->id < run->newest && !k->savepoint && !is_kept(c, k->id);
    }
    observe_shared(s, job, c);
}

static void observe_all(struct sim *s)
{
    for (uint32_t n = 0; n < s->n_jms; n++) {
        struct sim_jm *p = &s->jms[n];
        const struct dispatcher *d = p->up && !p->retires ? p->services.dispatcher : NULL;
        for (size_t i = 0; d != NULL && i < d->live.len; i++) {
            const struct dispatched_job *j = vec_ptr(&d->live, i);
            if (j->jm != NULL) {
                observe_run(s, p, j->jm);
            }
        }
    }
}

void sim_snapshots_observe(struct sim *s)
{
    if (s->has_ha) {
        observe_all(s);
        return;
    }
    for (uint32_t i = 0; s->d != NULL && i < s->n_jobs; i++) {
        if (s->jobs[i].submitted && !s->jobs[i].released) {
            observe(s, &s->jobs[i]);
        }
    }
}

/* ---- restoring --------------------------------------------------------------------------------------- */

/* Completed before attempts of this generation of the region began. */
static bool is_before(const struct sim *s, const struct sim_snapshot *k, const struct sim_run *run,
                      uint32_t region, int64_t generation)
{
    if (!s->has_ha || k->run == run) {
        return k->generation[region] < generation;
    }
    return k->start ? run->has_restored : k->id <= run->recovered;
}

/* The newest that attempts of the region before `generation` have completed. */
static const struct sim_snapshot *newest_before(const struct sim *s, const struct flinc_id *job_id,
                                                const struct sim_run *run, uint32_t region,
                                                int64_t generation)
{
    const struct sim_snapshot *newest = NULL;
    for (size_t i = 0; i < s->snapshots.len; i++) {
        const struct sim_snapshot *k = vec_ptr(&s->snapshots, i);
        bool savepoint = k->savepoint && !k->start;
        if (!savepoint && id_eq(&k->job_id, job_id) && is_before(s, k, run, region, generation) &&
            (newest == NULL || k->id > newest->id)) {
            newest = k;
        }
    }
    return newest;
}

static bool has_group(const Flinc__KeyedHandle *h, uint32_t group)
{
    bool has = false;
    for (size_t i = 0; i < h->n_segments; i++) {
        has = has || (group >= h->segments[i]->first_group && group <= h->segments[i]->last_group);
    }
    return has;
}

/* Whatever the parallelism was when the snapshot was taken. */
static bool covers_own_groups(const Flinc__JobVertex *of, const Flinc__SubtaskDeployment *spec)
{
    const Flinc__TaskRestore *r = spec->restore;
    uint32_t first, last;
    key_group_range(spec->subtask, of->max_parallelism, of->parallelism, &first, &last);
    for (uint32_t group = first; group <= last; group++) {
        bool covered = false;
        for (size_t i = 0; r->n_operators > 0 && i < r->operators[0]->n_keyed; i++) {
            covered = covered || has_group(r->operators[0]->keyed[i], group);
        }
        if (!covered) {
            return false;
        }
    }
    return true;
}

static bool subtasks_share_groups(const Flinc__JobVertex *of, uint32_t subtask, uint32_t old,
                                  uint32_t old_parallelism)
{
    uint32_t first, last, from, to;
    key_group_range(subtask, of->max_parallelism, of->parallelism, &first, &last);
    key_group_range(old, of->max_parallelism, old_parallelism, &from, &to);
    return first <= to && last >= from;
}

/* A bit for each old subtask. */
static uint32_t read_in_flight(struct sim *s, const struct sim_snapshot *k,
                               const Flinc__TaskRestore *r)
{
    uint32_t got = 0;
    for (size_t i = 0; r->n_operators > 0 && i < r->operators[0]->n_channels; i++) {
        struct sim_state state;
        SIM_CHECK(s, sim_state_read(r->operators[0]->channels[i]->blob, &state));
        SIM_CHECK(s, state.checkpoint_id == k->id && (k->in_flight >> state.subtask & 1) != 0);
        SIM_CHECK(s, (got >> state.subtask & 1) == 0);
        got |= 1u << state.subtask;
    }
    return got;
}

static void check_in_flight(struct sim *s, const struct sim_snapshot *k, struct sim_job *job,
                            struct sim_run *run, const Flinc__JobVertex *of,
                            const Flinc__SubtaskDeployment *spec)
{
    const Flinc__PartitionerKind hash = FLINC__PARTITIONER_KIND__PARTITION_HASH;
    uint32_t got = read_in_flight(s, k, spec->restore);
    struct sim_given *g = &run->given;
    if (g->checkpoint_id != k->id || g->parallelism != of->parallelism) {
        *g = (struct sim_given){k->id, of->parallelism, k->in_flight, {0}};
    }
    for (uint32_t old = 0; old < SIM_PARALLELISM_MAX; old++) {
        bool has = (got >> old & 1) != 0;
        bool is_wanted = (k->in_flight >> old & 1) != 0 &&
                         (k->edge != hash ||
                          subtasks_share_groups(of, spec->subtask, old, k->parallelism_of[1]));
        if (job->edge == hash && has != is_wanted) {
            sim_failed(s, __FILE__, __LINE__,
                       has ? "a task gets what was in flight to keys that are not its own"
                           : "a task does not get what was in flight to its keys");
        }
        if (job->edge != hash && has && g->to[old] != 0 && g->to[old] != spec->subtask + 1) {
            sim_failed(s, __FILE__, __LINE__, "what was in flight is given to two tasks");
        }
        g->to[old] = has ? spec->subtask + 1 : g->to[old];
    }
}

static void check_state(struct sim *s, const struct sim_snapshot *k, const struct sim_job *job,
                        const Flinc__JobVertex *of, const Flinc__SubtaskDeployment *spec)
{
    const Flinc__TaskRestore *r = spec->restore;
    uint32_t vertex;
    memcpy(&vertex, of->id.data + 1, sizeof(vertex)); /* see graph_id() */
    uint32_t n_own = 0;
    for (size_t i = 0; r->n_operators > 0 && i < r->operators[0]->n_keyed; i++) {
        const Flinc__KeyedHandle *h = r->operators[0]->keyed[i];
        for (size_t j = 0; j < h->n_segments; j++) {
            struct sim_state state;
            const Flinc__StateBlob *b = h->segments[j]->blob;
            if (sim_state_read(b, &state)) {
                n_own += state.subtask == spec->subtask;
                SIM_CHECK(s, state.checkpoint_id == k->id && state.vertex == vertex);
            } else if (b->shared) {
                SIM_CHECK(s, has_uri(k, b->location));
            }
        }
    }
    if (!job->bounded && !covers_own_groups(of, spec)) {
        sim_failed(s, __FILE__, __LINE__, "a task does not get the state of all its key groups");
    }
    if (k->parallelism_of[vertex] == of->parallelism && !job->bounded && n_own != 1) {
        sim_failed(s, __FILE__, __LINE__, "a task does not get its own state back");
    }
}

void sim_check_restore(struct sim *s, const struct flinc_id *job_id, const struct flinc_id *token,
                       const Flinc__JobVertex *vertex, const Flinc__SubtaskDeployment *spec)
{
    struct sim_job *job = sim_find_job(s, job_id);
    const Flinc__TaskRestore *r = spec->restore;
    SIM_CHECK(s, job != NULL);
    sim_snapshots_observe(s);
    struct sim_run *run = find_run(s, job, token);
    if (s->has_ha && (!run->began || run->deposed)) {
        return; /* of a job master that is gone, or whose leader was deposed: nothing that it does counts */
    }
    uint32_t region = region_of(job, spec->subtask);
    const struct sim_snapshot *newest = newest_before(s, job_id, run, region, spec->attempt_number);
    uint64_t id = r != NULL ? r->checkpoint_id : 0;
    if (id != (newest != NULL ? newest->id : 0)) {
        char what[200];
        snprintf(what, sizeof(what),
                 "a task restores from checkpoint %llu, and the newest completed one is %llu",
                 (unsigned long long)id,
                 newest != NULL ? (unsigned long long)newest->id : (unsigned long long)0);
        sim_failed(s, __FILE__, __LINE__, what);
    }
    if (newest != NULL) {
        check_state(s, newest, job, vertex, spec);
        if (vertex->id.data[1] > 0) { /* see graph_id() */
            check_in_flight(s, newest, job, run, vertex, spec);
        }
        s->totals->restored++;
    }
    run->generation[region] = MAX(run->generation[region], (int64_t)spec->attempt_number);
}

static bool is_used(const struct sim *s, const struct sim_snapshot *k)
{
    bool used = false;
    for (size_t i = 0; i < s->snapshots.len; i++) {
        const struct sim_snapshot *other = vec_ptr(&s->snapshots, i);
        used = used || (other->used && is_shared_with(k, other));
    }
    return used;
}

static void use(struct sim *s, struct sim_snapshot *k, bool claim)
{
    k->used = true;
    for (size_t i = 0; claim && i < s->snapshots.len; i++) {
        struct sim_snapshot *other = vec_ptr(&s->snapshots, i);
        other->claimed = other->claimed || is_shared_with(k, other);
    }
}

struct sim_snapshot *sim_snapshots_choose(struct sim *s, bool bounded, bool claim)
{
    size_t n = s->snapshots.len;
    size_t first = n > 0 ? sim_below(s, (uint32_t)n) : 0;
    for (size_t i = 0; i < n; i++) {
        struct sim_snapshot *k = vec_ptr(&s->snapshots, (first + i) % n);
        const struct sim_job *job = sim_find_job(s, &k->job_id);
        bool is_free = k->held && k->bounded == bounded && !k->claimed && !(claim && is_used(s, k));
        if (is_free && (k->savepoint ? !k->start : job->orphaned)) {
            use(s, k, claim);
            return k;
        }
    }
    return NULL;
}

/* ---- savepoints -------------------------------------------------------------------------------------- */

static void on_savepoint(void *arg, const struct checkpoint_result *result)
{
    struct sim_ask *ask = arg;
    struct sim *s = ask->s;
    if (s->has_ha && sim_is_ghost()) {
        return; /* nobody hears of it */
    }
    ask->n_answers++;
    if (result->rc == 0) {
        SIM_CHECK(s, result->path != NULL);
        Flinc__CheckpointMetadata *m = check_durable(s, result->checkpoint_id, result->path);
        struct sim_snapshot *k = snapshot_new(s, m, result->path);
        k->job_id = ask->job_id;
        k->bounded = ask->bounded;
        check_states(s, sim_find_job(s, &k->job_id), k, m);
        flinc__checkpoint_metadata__free_unpacked(m, NULL);
        hold(s, k);
        s->totals->savepoints++;
        s->totals->stops += ask->stop;
    }
}

struct sim_job *sim_choose_job(struct sim *s)
{
    struct sim_job *job = NULL;
    for (int i = 0; i < 8 && s->n_jobs > 0 && (job == NULL || job->newest == 0); i++) {
        job = &s->jobs[sim_below(s, s->n_jobs)]; /* rather one that runs well */
    }
    return job;
}

void sim_ask_savepoint(struct sim *s)
{
    const struct sim_job *job = sim_choose_job(s);
    if (job != NULL && s->d != NULL && job->submitted) {
        sim_ask_savepoint_at(s, NULL, s->d, job);
    }
}

void sim_ask_savepoint_at(struct sim *s, struct sim_jm *jm, struct dispatcher *d,
                          const struct sim_job *job)
{
    struct error err = ERROR_INIT;
    struct sim_ask *ask = MEM_NEW(struct sim_ask);
    *ask = (struct sim_ask){
        .s = s, .job_id = job->id, .bounded = job->bounded, .stop = sim_chance(s, 15), .jm = jm};
    ask->at_ms = sim_now_ms(s);
    ask->lost = s->has_ha && sim_is_ghost();
    struct savepoint_request request = {
        .directory = s->has_ha ? "sim:/savepoints" : "/savepoints",
        .format = sim_chance(s, 50) ? FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL
                                    : FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE,
        .stop = !ask->stop          ? FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_NONE
                : sim_chance(s, 50) ? FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_DRAIN
                                    : FLINC__CHECKPOINT_STOP__CHECKPOINT_STOP_SUSPEND,
        .flags = !ask->stop && sim_chance(s, 5) ? SAVEPOINT_CANCEL_JOB : 0};
    if (dispatcher_trigger_savepoint(d, &job->id, &request, on_savepoint, ask, &err) < 0) {
        mem_free(ask);
        return;
    }
    vec_push_ptr(&s->asks, ask);
}

const char *sim_unanswered(struct sim *s)
{
    for (size_t i = 0; i < s->asks.len; i++) {
        const struct sim_ask *ask = vec_ptr(&s->asks, i);
        if (ask->n_answers != 1 && !(ask->lost && ask->n_answers == 0)) {
            char hex[ID_HEX_LEN + 1];
            id_format(&ask->job_id, hex);
            (void)snprintf(
                s->said, sizeof(s->said), "a savepoint%s of %s was %s; it was asked for at %lld",
                ask->stop ? " with a stop" : "", hex,
                ask->n_answers == 0 ? "not answered" : "answered twice", (long long)ask->at_ms);
            return s->said;
        }
    }
    return NULL;
}

/* ---- the end ----------------------------------------------------------------------------------------- */

bool sim_job_is_alive(const struct sim *s, const struct sim_job *job)
{
    const struct jobmaster *jm = find_jobmaster(s, &job->id);
    return jm != NULL && jm->status == JOB_STATUS_RUNNING;
}

bool sim_any_pending(const struct sim *s)
{
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        const struct jobmaster *jm = find_jobmaster(s, &s->jobs[i].id);
        if (jm != NULL && jm->checkpoints.checkpointer->pending.len > 0) {
            return true;
        }
    }
    return false;
}

/* With high availability: what a leader was about to delete when it lost its leadership stays, unless all of the job goes.  The next
 * leader knows then what a checkpoint has that counts, not what was given up. */
static bool is_excused(const struct sim *s, const struct sim_job *job, const struct sim_file *f)
{
    uint32_t n = 0;
    for (size_t i = 0; i < s->runs.len; i++) {
        n += id_eq(&((const struct sim_run *)vec_ptr(&s->runs, i))->job_id, &job->id);
    }
    const struct sim_ledger *l = &job->ledger;
    return s->has_ha && (n > 1 || l->hurried || l->cleaned_epoch != l->ended_epoch) &&
           !(l->files_go && (l->cleaned_epoch == l->ended_epoch || f->was_complete));
}

/* With an unknown outcome a file may stay: of a job whose job manager died, of a deletion that failed, of a task
 * that was not heard any more. */
const char *sim_files_left(struct sim *s)
{
    MAP_FOREACH (&s->files, e) {
        const struct sim_file *f = e->value;
        const struct sim_job *job = sim_find_job(s, &f->job_id);
        if (f->refs > 0 || f->excused || job == NULL || job->orphaned || is_excused(s, job, f)) {
            continue;
        }
        bool calm = job->calm_end && f->made_ms >= s->quiet_ms;
        if (f->was_complete || f->heard || calm) {
            snprintf(s->said, sizeof(s->said), "%s is left, made at %lld: %s", e->key,
                     (long long)f->made_ms,
                     f->was_complete ? "no checkpoint that is kept has it"
                     : f->heard      ? "only a checkpoint that was given up had it"
                                     : "nothing went wrong");
            return s->said;
        }
    }
    return NULL;
}
