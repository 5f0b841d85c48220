/* Progress and exception history of a job; see snapshot.h.  Accumulators are in accumulators.c. */
#include "jobmanager/jobmaster/snapshot.h"

void snapshot_init(struct snapshot *s, int32_t max_failures)
{
    *s = (struct snapshot){.progress = {.status = JOB_STATUS_INITIALIZING}};
    pthread_mutex_init(&s->lock, NULL);
    pthread_cond_init(&s->ended_changed, NULL);
    max_failures = MIN(max_failures, (int32_t)SNAPSHOT_HISTORY_LIMIT);
    s->max_failures = (uint32_t)MAX(max_failures, 0);
    s->failures = MEM_NEW_ARRAY(struct failure_entry, (size_t)s->max_failures + 1);
    s->next_number = 1;
}

static void failure_entry_fini(struct failure_entry *entry)
{
    mem_free(entry->concurrent);
    place_unref(entry->root_place);
    for (uint32_t i = 0; i < JOBMASTER_CONCURRENT_FAILURES_MAX; i++) {
        place_unref(entry->concurrent_places[i]);
    }
    *entry = (struct failure_entry){0};
}

void snapshot_fini(struct snapshot *s)
{
    for (uint32_t i = 0; i < s->max_failures; i++) {
        failure_entry_fini(&s->failures[i]);
    }
    mem_free(s->failures);
    pthread_cond_destroy(&s->ended_changed);
    pthread_mutex_destroy(&s->lock);
}

/* ---- progress --------------------------------------------------------------------------------- */

/* Releases the lock after a change that lists of jobs show. */
static void unlock_and_tell(struct snapshot *s)
{
    pthread_mutex_unlock(&s->lock);
    if (s->on_progress != NULL) {
        s->on_progress(s->arg);
    }
}

void snapshot_set_status(struct snapshot *s, enum job_status status, int64_t now_ms)
{
    pthread_mutex_lock(&s->lock);
    s->progress.status = status;
    if (s->progress.start_ms == 0) {
        s->progress.start_ms = now_ms;
    }
    if (job_status_is_globally_terminal(status)) {
        s->progress.end_ms = now_ms;
    }
    unlock_and_tell(s);
}

/* Under the lock. */
static void count_tasks(struct snapshot *s, const struct execution_graph *g)
{
    s->progress.tasks_total = g->n_subtasks;
    memset(s->progress.tasks_by_state, 0, sizeof(s->progress.tasks_by_state));
    for (uint32_t i = 0; i < g->n_subtasks; i++) {
        s->progress.tasks_by_state[g->subtasks[i].execution.state]++;
    }
}

void snapshot_count_tasks(struct snapshot *s, const struct execution_graph *g)
{
    pthread_mutex_lock(&s->lock);
    count_tasks(s, g);
    pthread_mutex_unlock(&s->lock);
}

void snapshot_lock_graph(struct snapshot *s)
{
    pthread_mutex_lock(&s->lock);
}

void snapshot_unlock_graph(struct snapshot *s, const struct execution_graph *g)
{
    count_tasks(s, g);
    s->progress.source_records = s->progress.source_bytes = 0;
    unlock_and_tell(s);
}

void snapshot_move_task(struct snapshot *s, Flinc__ExecutionState from, Flinc__ExecutionState to)
{
    pthread_mutex_lock(&s->lock);
    s->progress.tasks_by_state[from]--;
    s->progress.tasks_by_state[to]++;
    unlock_and_tell(s);
}

void snapshot_count_restart(struct snapshot *s)
{
    pthread_mutex_lock(&s->lock);
    s->progress.restarts++;
    unlock_and_tell(s);
}

/* What a source task has read, as far as it counts that; else what it has sent on. */
static uint64_t source_records(const struct task_counters *c)
{
    return c->records_in != 0 ? c->records_in : c->records_out;
}

static uint64_t source_bytes(const struct task_counters *c)
{
    return c->bytes_in != 0 ? c->bytes_in : c->bytes_out;
}

/* Under the lock. */
static void replace_counters(struct snapshot *s, struct subtask *subtask,
                             const struct task_counters *counters)
{
    if (subtask->vertex->is_source) {
        s->progress.source_records += source_records(counters) - source_records(&subtask->counters);
        s->progress.source_bytes += source_bytes(counters) - source_bytes(&subtask->counters);
    }
    subtask->counters = *counters;
}

void snapshot_new_attempt(struct snapshot *s, struct subtask *subtask, Flinc__ExecutionState old)
{
    pthread_mutex_lock(&s->lock);
    s->progress.tasks_by_state[old]--;
    s->progress.tasks_by_state[subtask->execution.state]++;
    replace_counters(s, subtask, &(struct task_counters){0});
    subtask_drop_accumulators(subtask);
    unlock_and_tell(s);
}

void snapshot_set_counters(struct snapshot *s, struct subtask *subtask,
                           const Flinc__TaskIoMetrics *metrics)
{
    struct task_counters counters = {
        .bytes_in = metrics->bytes_in,
        .bytes_out = metrics->bytes_out,
        .records_in = metrics->records_in,
        .records_out = metrics->records_out,
        .busy_ms = metrics->busy_ms,
        .idle_ms = metrics->idle_ms,
        .backpressured_ms = metrics->backpressured_ms,
    };
    pthread_mutex_lock(&s->lock);
    replace_counters(s, subtask, &counters);
    pthread_mutex_unlock(&s->lock);
}

void snapshot_count(struct snapshot *s, uint64_t *stat)
{
    pthread_mutex_lock(&s->lock);
    (*stat)++;
    pthread_mutex_unlock(&s->lock);
}

void snapshot_get_progress(struct snapshot *s, struct job_progress *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->progress;
    pthread_mutex_unlock(&s->lock);
}

void snapshot_get_stats(struct snapshot *s, struct jobmaster_stats *ret)
{
    pthread_mutex_lock(&s->lock);
    *ret = s->stats;
    pthread_mutex_unlock(&s->lock);
}

/* ---- exception history ------------------------------------------------------------------------ */

static void failure_fill(struct job_failure *f, const struct execution *e, const struct error *why,
                         int64_t now_ms)
{
    *f = (struct job_failure){.timestamp_ms = now_ms};
    error_copy(&f->error, why);
    if (e != NULL) {
        execution_task_name(e, f->task_name, sizeof(f->task_name));
        f->attempt_id = e->id;
        f->attempt_number = e->number;
    }
}

/* Under the lock. */
static struct failure_entry *failure_at(const struct snapshot *s, uint32_t i)
{
    return &s->failures[(s->first_failure + i) % s->max_failures];
}

/* Under the lock. */
static void add_failure(struct snapshot *s, const struct execution *e, const struct error *why,
                        int64_t now_ms)
{
    if (s->max_failures == 0) {
        return;
    }
    if (s->n_failures == s->max_failures) {
        failure_entry_fini(failure_at(s, 0));
        s->failures_forgotten = true;
        s->first_failure = (s->first_failure + 1) % s->max_failures;
        s->n_failures--;
    }
    struct failure_entry *entry = failure_at(s, s->n_failures++);
    failure_fill(&entry->root, e, why, now_ms);
    entry->root_place = e != NULL ? place_ref(e->place) : NULL;
    entry->root.number = s->next_number++;
}

void snapshot_add_failure(struct snapshot *s, const struct execution *e, const struct error *why,
                          int64_t now_ms)
{
    pthread_mutex_lock(&s->lock);
    add_failure(s, e, why, now_ms);
    pthread_mutex_unlock(&s->lock);
}

void snapshot_add_concurrent_failure(struct snapshot *s, const struct execution *e,
                                     const struct error *why, int64_t now_ms)
{
    pthread_mutex_lock(&s->lock);
    if (s->n_failures == 0) {
        add_failure(s, e, why, now_ms);
    } else {
        struct failure_entry *entry = failure_at(s, s->n_failures - 1);
        uint32_t n = entry->root.n_concurrent++;
        if (n < JOBMASTER_CONCURRENT_FAILURES_MAX) {
            if (entry->concurrent == NULL) {
                entry->concurrent =
                    MEM_NEW_ARRAY(struct job_failure, JOBMASTER_CONCURRENT_FAILURES_MAX);
            }
            failure_fill(&entry->concurrent[n], e, why, now_ms);
            entry->concurrent_places[n] = e != NULL ? place_ref(e->place) : NULL;
            entry->concurrent[n].number = entry->root.number;
        }
    }
    pthread_mutex_unlock(&s->lock);
}

const struct failure_entry *snapshot_failure(const struct snapshot *s, uint32_t i)
{
    return failure_at(s, i);
}

uint32_t snapshot_get_failures(struct snapshot *s, struct job_failure *ret, uint32_t max)
{
    pthread_mutex_lock(&s->lock);
    uint32_t n = MIN(max, s->n_failures);
    for (uint32_t i = 0; i < n; i++) {
        ret[i] = failure_at(s, s->n_failures - n + i)->root;
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}

uint32_t snapshot_get_concurrent(struct snapshot *s, uint64_t number, struct job_failure *ret,
                                 uint32_t max)
{
    uint32_t n = 0;
    pthread_mutex_lock(&s->lock);
    for (uint32_t i = 0; i < s->n_failures; i++) {
        const struct failure_entry *entry = failure_at(s, i);
        if (entry->root.number == number && entry->concurrent != NULL) {
            n = MIN(entry->root.n_concurrent, (uint32_t)JOBMASTER_CONCURRENT_FAILURES_MAX);
            n = MIN(n, max);
            memcpy(ret, entry->concurrent, n * sizeof(*ret));
        }
    }
    pthread_mutex_unlock(&s->lock);
    return n;
}
