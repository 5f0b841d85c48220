/* Questions to all workers, their answers merged into one.
 *
 * Answers are messages whose parts are moved, not copied, into the merged one: both are made of the same
 * allocator (malloc, by protobuf-c and mem_*). */
#include "taskmanager/host/host_internal.h"
#include <stdio.h>

static struct host_query *query_find(struct worker_host *h, uint64_t id)
{
    for (size_t i = 0; i < h->queries.len; i++) {
        struct host_query *q = vec_ptr(&h->queries, i);
        if (q->id == id) {
            return q;
        }
    }
    return NULL;
}

static void host_query_finish(struct host_query *q)
{
    struct worker_host *h = q->host;
    for (size_t i = 0; i < h->queries.len; i++) {
        if (vec_ptr(&h->queries, i) == q) {
            vec_remove(&h->queries, i);
            break;
        }
    }
    (void)component_cancel(h->options.component, q->timer);
    q->on_done(q->arg, q->merged);
    vec_fini(&q->waiting);
    mem_free(q);
}

static void on_late(void *arg)
{
    struct host_query *q = arg;
    q->timer = TIMER_NONE;
    host_query_finish(q);
}

/* ---- merging ------------------------------------------------------------------------------------- */

/* Moves the items of `from` behind those of `to`; both are arrays of pointers. */
static void move_items(void ***inout_to, size_t *inout_n_to, void **from, size_t *inout_n_from)
{
    if (*inout_n_from == 0) {
        return;
    }
    *inout_to = mem_realloc(*inout_to, (*inout_n_to + *inout_n_from) * sizeof(void *));
    memcpy(*inout_to + *inout_n_to, from, *inout_n_from * sizeof(void *));
    *inout_n_to += *inout_n_from;
    *inout_n_from = 0;
}

static void name_threads(Flinc__ThreadDump *d, const struct host_worker *from)
{
    char job[ID_HEX_LEN + 1];
    id_format(&from->job_id, job);
    for (size_t i = 0; i < d->n_threads; i++) {
        Flinc__ThreadInfo *info = d->threads[i];
        struct str name = STR_INIT;
        str_printf(&name, "worker %.8s / %s", job, info->name);
        if (info->name != protobuf_c_empty_string) {
            mem_free(info->name);
        }
        info->name = str_take(&name);
    }
}

static void merge_threads(Flinc__QueryAnswer *merged, Flinc__ThreadDump *d,
                          const struct host_worker *from)
{
    if (merged->body_case != FLINC__QUERY_ANSWER__BODY_THREAD_DUMP) {
        return;
    }
    name_threads(d, from);
    move_items((void ***)&merged->thread_dump->threads, &merged->thread_dump->n_threads,
               (void **)d->threads, &d->n_threads);
}

static void merge_metrics(Flinc__QueryAnswer *merged, Flinc__MetricDump *d)
{
    if (merged->body_case != FLINC__QUERY_ANSWER__BODY_METRICS) {
        return;
    }
    merged->metrics->timestamp_ms = MAX(merged->metrics->timestamp_ms, d->timestamp_ms);
    move_items((void ***)&merged->metrics->groups, &merged->metrics->n_groups, (void **)d->groups,
               &d->n_groups);
}

/* Whether that worker still owed an answer. */
static bool query_take_waiting(struct host_query *q, uint64_t number)
{
    for (size_t i = 0; i < q->waiting.len; i++) {
        if (*VEC_AT(&q->waiting, uint64_t, i) == number) {
            vec_remove_swap(&q->waiting, i);
            return true;
        }
    }
    return false;
}

void host_on_answer(struct worker_host *h, Flinc__QueryAnswer *answer,
                    const struct host_worker *from)
{
    struct host_query *q = query_find(h, answer->query_id);
    if (q == NULL || !query_take_waiting(q, from->number)) {
        return; /* too late, or twice */
    }
    if (answer->body_case == FLINC__QUERY_ANSWER__BODY_THREAD_DUMP) {
        merge_threads(q->merged, answer->thread_dump, from);
    } else if (answer->body_case == FLINC__QUERY_ANSWER__BODY_METRICS) {
        merge_metrics(q->merged, answer->metrics);
    }
    if (q->waiting.len == 0) {
        host_query_finish(q);
    }
}

/* ---- asking -------------------------------------------------------------------------------------- */

/* An empty answer of the kind that is asked for. */
static Flinc__QueryAnswer *answer_new(const Flinc__Query *query)
{
    Flinc__QueryAnswer *a = mem_alloc(sizeof(*a));
    flinc__query_answer__init(a);
    a->query_id = query->query_id;
    if (query->body_case == FLINC__QUERY__BODY_THREAD_DUMP) {
        a->body_case = FLINC__QUERY_ANSWER__BODY_THREAD_DUMP;
        a->thread_dump = mem_alloc(sizeof(*a->thread_dump));
        flinc__thread_dump__init(a->thread_dump);
    } else if (query->body_case == FLINC__QUERY__BODY_METRICS) {
        a->body_case = FLINC__QUERY_ANSWER__BODY_METRICS;
        a->metrics = mem_alloc(sizeof(*a->metrics));
        flinc__metric_dump__init(a->metrics);
    }
    return a;
}

void host_queries_forget(struct worker_host *h, const struct host_worker *w)
{
    size_t i = 0;
    while (i < h->queries.len) {
        struct host_query *q = vec_ptr(&h->queries, i);
        if (query_take_waiting(q, w->number) && q->waiting.len == 0) {
            host_query_finish(q); /* takes it off the list */
        } else {
            i++;
        }
    }
}

void worker_host_query(struct worker_host *h, const Flinc__Query *query, int64_t timeout_ms,
                       void (*on_done)(void *arg, Flinc__QueryAnswer *take_answer), void *arg)
{
    struct host_query *q = MEM_NEW(struct host_query);
    q->host = h;
    q->id = ++h->last_query;
    q->merged = answer_new(query);
    q->on_done = on_done;
    q->arg = arg;
    vec_init(&q->waiting, sizeof(uint64_t));
    Flinc__Query own = *query; /* the same question under our number */
    own.query_id = q->id;
    bool may_ask = q->merged->body_case != FLINC__QUERY_ANSWER__BODY__NOT_SET &&
                   h->queries.len < HOST_QUERIES_MAX;
    vec_push_ptr(&h->queries, q);
    q->timer = component_schedule(h->options.component, may_ask ? timeout_ms : 0, on_late, q);
    for (size_t i = 0; may_ask && i < h->workers.len; i++) {
        struct host_worker *w = vec_ptr(&h->workers, i);
        if (w->state == HOST_READY) {
            Flinc__TaskManagerToWorker m = FLINC__TASK_MANAGER_TO_WORKER__INIT;
            m.body_case = FLINC__TASK_MANAGER_TO_WORKER__BODY_QUERY;
            m.query = &own;
            *VEC_PUSH(&q->waiting, uint64_t) = w->number;
            host_worker_send_now(w, &m);
        }
    }
    if (q->waiting.len == 0 && may_ask) { /* nobody to ask; not from within the call */
        (void)component_cancel(h->options.component, q->timer);
        q->timer = component_schedule(h->options.component, 0, on_late, q);
    }
}
