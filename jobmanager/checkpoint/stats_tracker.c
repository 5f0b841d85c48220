/* Counting and remembering checkpoints; see stats_tracker.h. */
#include "jobmanager/checkpoint/stats_tracker.h"

#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- one checkpoint ------------------------------------------------------------------------------- */

static struct checkpoint_details *details_ref(struct checkpoint_details *d)
{
    if (d != NULL) {
        atomic_fetch_add_explicit(&d->refs, 1, memory_order_relaxed);
    }
    return d;
}

void checkpoint_details_unref(const struct checkpoint_details *details)
{
    struct checkpoint_details *d = (struct checkpoint_details *)details;
    if (d == NULL || atomic_fetch_sub_explicit(&d->refs, 1, memory_order_acq_rel) > 1) {
        return;
    }
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        mem_free(d->vertices[i].subtasks);
    }
    mem_free(d->vertices);
    mem_free(d->path);
    mem_free(d->failure);
    mem_free(d);
}

static struct checkpoint_details *details_clone(const struct checkpoint_details *d)
{
    struct checkpoint_details *copy = mem_dup(d, sizeof(*d));
    atomic_init(&copy->refs, 1);
    copy->path = d->path != NULL ? mem_strdup(d->path) : NULL;
    copy->failure = d->failure != NULL ? mem_strdup(d->failure) : NULL;
    copy->vertices = mem_dup(d->vertices, d->n_vertices * sizeof(d->vertices[0]));
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        struct vertex_checkpoint_stats *v = &copy->vertices[i];
        v->subtasks = mem_dup(v->subtasks, v->n_subtasks * sizeof(v->subtasks[0]));
    }
    return copy;
}

static struct checkpoint_details *details_new(const Flinc__JobGraph *graph,
                                              const struct stats_begin *begin)
{
    struct checkpoint_details *d = MEM_NEW(struct checkpoint_details);
    atomic_init(&d->refs, 1);
    d->id = begin->checkpoint_id;
    d->kind = begin->kind;
    d->stop = begin->stop;
    d->trigger_ms = begin->trigger_ms;
    d->latest_ack_ms = -1;
    d->n_vertices = (uint32_t)graph->n_vertices;
    d->vertices = MEM_NEW_ARRAY(struct vertex_checkpoint_stats, graph->n_vertices + 1);
    for (uint32_t i = 0; i < d->n_vertices; i++) {
        struct vertex_checkpoint_stats *v = &d->vertices[i];
        const Flinc__JobVertex *spec = graph->vertices[i];
        memcpy(v->vertex_id.bytes, spec->id.data, MIN(spec->id.len, sizeof(v->vertex_id.bytes)));
        v->n_subtasks = spec->parallelism;
        v->latest_ack_ms = -1;
        v->subtasks = MEM_NEW_ARRAY(struct subtask_checkpoint_stats, spec->parallelism + 1);
        d->n_subtasks += spec->parallelism;
    }
    return d;
}

static struct checkpoint_details **find(struct vec *v, uint64_t checkpoint_id)
{
    for (size_t i = v->len; i > 0; i--) {
        struct checkpoint_details **d = VEC_AT(v, struct checkpoint_details *, i - 1);
        if ((*d)->id == checkpoint_id) {
            return d;
        }
    }
    return NULL;
}

/* For changing: nobody else looks at it afterwards. */
static struct checkpoint_details *own(struct stats_tracker *t, struct checkpoint_details **d)
{
    checkpoint_stats_unref(t->newest);
    t->newest = NULL;
    if (atomic_load_explicit(&(*d)->refs, memory_order_acquire) > 1) {
        struct checkpoint_details *copy = details_clone(*d);
        checkpoint_details_unref(*d);
        *d = copy;
    }
    return *d;
}

/* ---- life ----------------------------------------------------------------------------------------- */

void stats_tracker_init(struct stats_tracker *t, const Flinc__JobGraph *graph,
                        const struct checkpoint_config *config)
{
    *t = (struct stats_tracker){.graph = graph, .config = config};
    vec_init(&t->in_progress, sizeof(struct checkpoint_details *));
    vec_init(&t->ended, sizeof(struct checkpoint_details *));
    struct checkpoint_gauges *g = &t->gauges;
    _Atomic int64_t *none[] = {
        &g->last_duration_ms,    &g->last_size_bytes, &g->last_full_size_bytes,
        &g->last_metadata_bytes, &g->last_id,         &g->last_completed_ms,
        &g->last_restore_ms};
    for (size_t i = 0; i < ARRAY_LEN(none); i++) {
        atomic_store(none[i], -1);
    }
    pthread_mutex_init(&g->lock, NULL);
}

void stats_tracker_set_graph(struct stats_tracker *t, const Flinc__JobGraph *graph)
{
    t->graph = graph;
}

static void forget_all(struct vec *v)
{
    for (size_t i = 0; i < v->len; i++) {
        checkpoint_details_unref(vec_ptr(v, i));
    }
    vec_fini(v);
}

void stats_tracker_fini(struct stats_tracker *t)
{
    checkpoint_stats_unref(t->newest);
    forget_all(&t->in_progress);
    forget_all(&t->ended);
    checkpoint_details_unref(t->latest_completed);
    checkpoint_details_unref(t->latest_savepoint);
    checkpoint_details_unref(t->latest_failed);
    mem_free(t->restored.path);
    mem_free(t->summaries);
    mem_free(t->gauges.last_path);
    pthread_mutex_destroy(&t->gauges.lock);
    *t = (struct stats_tracker){0};
}

static void publish_counts(struct stats_tracker *t)
{
    checkpoint_stats_unref(t->newest);
    t->newest = NULL;
    atomic_store(&t->gauges.n_total, (int64_t)t->counts.total);
    atomic_store(&t->gauges.n_in_progress, (int64_t)t->counts.in_progress);
    atomic_store(&t->gauges.n_completed, (int64_t)t->counts.completed);
    atomic_store(&t->gauges.n_failed, (int64_t)t->counts.failed);
}

/* ---- what happens --------------------------------------------------------------------------------- */

void stats_tracker_begin(struct stats_tracker *t, const struct stats_begin *begin)
{
    vec_push_ptr(&t->in_progress, details_new(t->graph, begin));
    t->counts.total++;
    t->counts.in_progress++;
    publish_counts(t);
}

void stats_tracker_ack(struct stats_tracker *t, uint64_t checkpoint_id, uint32_t vertex,
                       uint32_t subtask, const Flinc__CheckpointTaskStats *stats, int64_t now_ms)
{
    static const Flinc__CheckpointTaskStats none = FLINC__CHECKPOINT_TASK_STATS__INIT;
    struct checkpoint_details **at = find(&t->in_progress, checkpoint_id);
    if (at == NULL) {
        return;
    }
    struct checkpoint_details *d = own(t, at);
    struct vertex_checkpoint_stats *v = &d->vertices[vertex];
    struct subtask_checkpoint_stats *s = &v->subtasks[subtask];
    if (s->acknowledged) {
        return;
    }
    bool finished_before = stats == NULL;
    stats = finished_before ? &none : stats;
    *s = (struct subtask_checkpoint_stats){
        .acknowledged = true,
        .ack_ms = now_ms, /* by one clock: those of workers may differ */
        .state_bytes = stats->state_bytes,
        .written_bytes = stats->written_bytes,
        .processed_bytes = stats->processed_bytes,
        .persisted_bytes = stats->persisted_bytes,
        .unaligned = stats->unaligned != 0,
        .sync_ms = (int64_t)stats->sync_ms,
        .async_ms = (int64_t)stats->async_ms,
        .alignment_ms = (int64_t)stats->alignment_ms,
        .start_delay_ms = (int64_t)stats->start_delay_ms,
        .pause_us = (int64_t)stats->pause_us,
    };
    v->n_acknowledged++;
    d->n_acknowledged++;
    v->state_bytes += s->state_bytes;
    v->written_bytes += s->written_bytes;
    v->processed_bytes += s->processed_bytes;
    v->persisted_bytes += s->persisted_bytes;
    d->state_bytes += s->state_bytes;
    d->written_bytes += s->written_bytes;
    d->processed_bytes += s->processed_bytes;
    d->persisted_bytes += s->persisted_bytes;
    d->unaligned = d->unaligned || s->unaligned;
    if (!finished_before) {
        v->latest_ack_ms = d->latest_ack_ms = now_ms;
    }
}

static void keep_latest(struct checkpoint_details **latest, struct checkpoint_details *d)
{
    checkpoint_details_unref(*latest);
    *latest = details_ref(d);
}

/* Moves it to those that have ended, and returns it for changing; NULL: unknown. */
static struct checkpoint_details *end(struct stats_tracker *t, uint64_t checkpoint_id,
                                      enum checkpoint_status status, int64_t now_ms)
{
    struct checkpoint_details **at = find(&t->in_progress, checkpoint_id);
    if (at == NULL) {
        return NULL;
    }
    struct checkpoint_details *d = own(t, at);
    vec_remove(&t->in_progress, (size_t)(at - (struct checkpoint_details **)t->in_progress.data));
    d->status = status;
    d->ended_ms = now_ms;
    t->counts.in_progress--;
    t->counts.completed += status == CHECKPOINT_STATUS_COMPLETED;
    t->counts.failed += status == CHECKPOINT_STATUS_FAILED;
    publish_counts(t);
    return d;
}

/* Takes the tracker's reference. */
static void remember(struct stats_tracker *t, struct checkpoint_details *take)
{
    vec_push_ptr(&t->ended, take);
    while (t->ended.len > t->config->history) {
        checkpoint_details_unref(vec_ptr(&t->ended, 0));
        vec_remove(&t->ended, 0);
    }
}

static void add_summary(struct stats_tracker *t, const struct checkpoint_details *d)
{
    if (t->summaries == NULL) {
        t->summaries = MEM_NEW_ARRAY(struct summary_values, CHECKPOINT_SUMMARY_MAX);
    }
    t->summaries[t->n_summaries++ % CHECKPOINT_SUMMARY_MAX] = (struct summary_values){
        .written_bytes = (int64_t)d->written_bytes,
        .state_bytes = (int64_t)d->state_bytes,
        .duration_ms = MAX(checkpoint_details_duration_ms(d), (int64_t)0),
        .processed_bytes = (int64_t)d->processed_bytes,
        .persisted_bytes = (int64_t)d->persisted_bytes,
    };
}

static void set_last_path(struct checkpoint_gauges *g, const char *path)
{
    char *copy = mem_strdup(path);
    pthread_mutex_lock(&g->lock);
    char *old = g->last_path;
    g->last_path = copy;
    pthread_mutex_unlock(&g->lock);
    mem_free(old);
}

void checkpoint_gauges_get_path(const struct checkpoint_gauges *gauges, char *ret_path, size_t size)
{
    struct checkpoint_gauges *g = (struct checkpoint_gauges *)gauges;
    pthread_mutex_lock(&g->lock);
    (void)snprintf(ret_path, size, "%s", g->last_path != NULL ? g->last_path : "");
    pthread_mutex_unlock(&g->lock);
}

void stats_tracker_complete(struct stats_tracker *t, uint64_t checkpoint_id,
                            const struct stats_completed *completed)
{
    struct checkpoint_details *d =
        end(t, checkpoint_id, CHECKPOINT_STATUS_COMPLETED, completed->now_ms);
    if (d == NULL) {
        return;
    }
    d->path = mem_strdup(completed->path);
    d->metadata_bytes = completed->metadata_bytes;
    add_summary(t, d);
    struct checkpoint_gauges *g = &t->gauges;
    atomic_store(&g->last_duration_ms, MAX(checkpoint_details_duration_ms(d), (int64_t)0));
    atomic_store(&g->last_size_bytes, (int64_t)d->written_bytes);
    atomic_store(&g->last_full_size_bytes, (int64_t)d->state_bytes);
    atomic_store(&g->last_metadata_bytes, (int64_t)d->metadata_bytes);
    atomic_store(&g->last_id, (int64_t)d->id);
    atomic_store(&g->last_completed_ms, d->ended_ms);
    set_last_path(g, d->path);
    keep_latest(checkpoint_kind_is_savepoint(d->kind) ? &t->latest_savepoint : &t->latest_completed,
                d);
    remember(t, d);
}

void stats_tracker_fail(struct stats_tracker *t, uint64_t checkpoint_id, const struct error *why,
                        int64_t now_ms)
{
    struct checkpoint_details *d = end(t, checkpoint_id, CHECKPOINT_STATUS_FAILED, now_ms);
    if (d == NULL) {
        return;
    }
    char text[ERROR_MESSAGE_MAX];
    d->failure = mem_strdup(error_format(why, text, sizeof(text)));
    keep_latest(&t->latest_failed, d);
    remember(t, d);
}

/* Replaces in `latest` what is the same checkpoint. */
static void replace_latest(struct checkpoint_details **latest, struct checkpoint_details *d)
{
    if (*latest != NULL && (*latest)->id == d->id) {
        keep_latest(latest, d);
    }
}

void stats_tracker_discarded(struct stats_tracker *t, uint64_t checkpoint_id)
{
    struct checkpoint_details **at = find(&t->ended, checkpoint_id);
    if (at != NULL && !(*at)->discarded) {
        own(t, at)->discarded = true;
        replace_latest(&t->latest_completed, *at);
        replace_latest(&t->latest_savepoint, *at);
    }
}

void stats_tracker_restored(struct stats_tracker *t, const struct restored_checkpoint *restored)
{
    mem_free(t->restored.path);
    t->restored = *restored;
    t->restored.path = mem_strdup(restored->path != NULL ? restored->path : CHECKPOINT_NO_PATH);
    t->counts.restored++;
    atomic_store(&t->gauges.last_restore_ms, restored->restore_ms);
    publish_counts(t);
}

/* ---- giving out ----------------------------------------------------------------------------------- */

static void summarize(const struct stats_tracker *t, size_t offset, struct checkpoint_summary *ret)
{
    size_t n = (size_t)MIN(t->n_summaries, (uint64_t)CHECKPOINT_SUMMARY_MAX);
    int64_t *values = MEM_NEW_ARRAY(int64_t, n + 1);
    for (size_t i = 0; i < n; i++) {
        memcpy(&values[i], (const char *)&t->summaries[i] + offset, sizeof(values[i]));
    }
    checkpoint_summarize(values, n, ret);
    mem_free(values);
}

static void add_history(struct checkpoint_stats *s, const struct vec *v)
{
    for (size_t i = v->len; i > 0; i--) {
        s->history[s->n_history++] = details_ref(vec_ptr(v, i - 1));
    }
}

static int newest_first(const void *a, const void *b)
{
    const struct checkpoint_details *x = *(const struct checkpoint_details *const *)a;
    const struct checkpoint_details *y = *(const struct checkpoint_details *const *)b;
    return x->id > y->id ? -1 : x->id < y->id;
}

static const struct checkpoint_stats *make(const struct stats_tracker *t)
{
    struct checkpoint_stats *s = MEM_NEW(struct checkpoint_stats);
    atomic_init(&s->refs, 1);
    checkpoint_config_copy(&s->config, t->config);
    s->counts = t->counts;
    summarize(t, offsetof(struct summary_values, written_bytes), &s->written_bytes);
    summarize(t, offsetof(struct summary_values, state_bytes), &s->state_bytes);
    summarize(t, offsetof(struct summary_values, duration_ms), &s->duration_ms);
    summarize(t, offsetof(struct summary_values, processed_bytes), &s->processed_bytes);
    summarize(t, offsetof(struct summary_values, persisted_bytes), &s->persisted_bytes);
    s->latest_completed = details_ref(t->latest_completed);
    s->latest_savepoint = details_ref(t->latest_savepoint);
    s->latest_failed = details_ref(t->latest_failed);
    s->latest_restored = t->restored;
    s->latest_restored.path = t->restored.path != NULL ? mem_strdup(t->restored.path) : NULL;
    s->history =
        MEM_NEW_ARRAY(const struct checkpoint_details *, t->in_progress.len + t->ended.len + 1);
    add_history(s, &t->in_progress);
    add_history(s, &t->ended);
    qsort(s->history, s->n_history, sizeof(s->history[0]), newest_first);
    return s;
}

const struct checkpoint_stats *stats_tracker_get(struct stats_tracker *t)
{
    if (t->newest == NULL) {
        t->newest = make(t);
    }
    return checkpoint_stats_ref(t->newest);
}
