/* Questions to task managers: asked on any thread, sent and answered on the resource manager's, each under a
 * number of its own.  Who waits holds a reference and so does the table; an answer that comes too late
 * meets nobody.  Thread: as said.  Flink: TaskExecutorGateway.requestLogList, requestThreadDump, ... */
#include "jobmanager/resourcemanager/resourcemanager_internal.h"

struct rm_query {
    _Atomic uint32_t refs;
    char *tm_id;            /* Owns */
    const struct rm_tm *tm; /* Borrows; the resource manager's: whom it was sent to */
    uint64_t number;
    uint8_t *packed; /* Owns; a Query */
    size_t packed_size;
    struct event_count done;
    _Atomic bool over, abandoned;
    Flinc__QueryAnswer *answer; /* Owns; set before `over`, as the next */
    struct error why;
};

static void query_unref(void *query)
{
    struct rm_query *q = query;
    if (atomic_fetch_sub(&q->refs, 1) == 1) {
        if (q->answer != NULL) {
            flinc__query_answer__free_unpacked(q->answer, NULL);
        }
        mem_free(q->packed);
        mem_free(q->tm_id);
        mem_free(q);
    }
}

/* ---- thread: the resource manager's -------------------------------------------------------------------- */

/* Gives up the reference. */
static void query_end(struct rm_query *q)
{
    atomic_store(&q->over, true);
    event_count_signal(&q->done);
    query_unref(q);
}

static void query_fail(struct rm_query *q, const struct error *why)
{
    error_copy(&q->why, why);
    query_end(q);
}

static void take_from_table(struct resourcemanager *rm, struct rm_query *q)
{
    map_remove_bytes(&rm->queries, &q->number, sizeof(q->number));
}

static int query_send(struct resourcemanager *rm, struct rm_query *q, struct error *err)
{
    struct rm_tm *tm = rm_tm_find(rm, q->tm_id);
    if (tm == NULL) {
        return error_set(err, ERR_NOT_FOUND, "TaskManager with id %s is not registered", q->tm_id);
    }
    if (rm->queries.len >= RM_QUERIES_MAX) {
        return error_set(err, ERR_LIMIT, "%d questions to task managers wait for answers",
                         RM_QUERIES_MAX);
    }
    Flinc__Query *query = flinc__query__unpack(NULL, q->packed_size, q->packed);
    ASSERT(query != NULL); /* packed here */
    Flinc__MasterToTaskManager m = FLINC__MASTER_TO_TASK_MANAGER__INIT;
    q->tm = tm;
    q->number = query->query_id = ++rm->next_query;
    m.body_case = FLINC__MASTER_TO_TASK_MANAGER__BODY_QUERY;
    m.query = query;
    int rc = rm_tm_send(tm, &m, err);
    flinc__query__free_unpacked(query, NULL);
    return rc;
}

static void run_query(void *target, void *payload)
{
    struct resourcemanager *rm = target;
    struct rm_query *q = payload;
    struct error err = ERROR_INIT;
    if (query_send(rm, q, &err) < 0) {
        query_fail(q, &err);
        return;
    }
    (void)map_put_bytes(&rm->queries, &q->number, sizeof(q->number), q);
}

static void drop_query(void *payload)
{
    struct error why = ERROR_INIT;
    error_set(&why, ERR_UNAVAILABLE, "the resource manager ends");
    query_fail(payload, &why);
}

void rm_query_on_answer(struct rm_tm *tm, Flinc__TaskManagerToMaster *m)
{
    struct resourcemanager *rm = tm->rm;
    uint64_t number = m->answer->query_id;
    struct rm_query *q = map_find_bytes(&rm->queries, &number, sizeof(number));
    if (q == NULL || q->tm != tm) {
        return; /* too late, or never asked */
    }
    take_from_table(rm, q);
    if (m->answer->error != NULL && m->answer->error->code != 0) {
        struct error why = ERROR_INIT;
        error_info_read(m->answer->error, RM_NO_REASON, &why);
        query_fail(q, &why);
        return;
    }
    q->answer = m->answer;
    m->answer = NULL;
    m->body_case = FLINC__TASK_MANAGER_TO_MASTER__BODY__NOT_SET;
    query_end(q);
}

void rm_queries_fail(struct resourcemanager *rm, const struct rm_tm *tm, const struct error *why)
{
    MAP_FOREACH (&rm->queries, entry) {
        struct rm_query *q = entry->value;
        if (tm == NULL || q->tm == tm) {
            take_from_table(rm, q);
            query_fail(q, why);
        }
    }
}

void rm_queries_sweep(struct resourcemanager *rm)
{
    MAP_FOREACH (&rm->queries, entry) {
        struct rm_query *q = entry->value;
        if (atomic_load(&q->abandoned)) {
            take_from_table(rm, q);
            query_end(q);
        }
    }
}

void rm_queries_fini(struct resourcemanager *rm)
{
    struct error why = ERROR_INIT;
    error_set(&why, ERR_UNAVAILABLE, "the resource manager ends");
    rm_queries_fail(rm, NULL, &why);
    map_fini(&rm->queries);
}

/* ---- thread: any ---------------------------------------------------------------------------------------- */

static struct rm_query *query_ask(struct resourcemanager *rm, const char *tm_id,
                                  const Flinc__Query *query)
{
    struct rm_query *q = MEM_NEW(struct rm_query);
    atomic_init(&q->refs, 2);
    q->tm_id = mem_strdup(tm_id);
    q->packed_size = flinc__query__get_packed_size(query);
    q->packed = mem_alloc(q->packed_size + 1);
    flinc__query__pack(query, q->packed);
    struct mailbox_op op = {
        .kind = RM_OP_QUERY, .run = run_query, .target = rm, .payload = q, .drop = drop_query};
    int rc = mailbox_post(component_mailbox(rm->component), MAILBOX_LANE_CONTROL, &op);
    if (rc < 0) {
        struct error why = ERROR_INIT;
        error_set(&why, rc == ERR_LIMIT ? ERR_LIMIT : ERR_UNAVAILABLE, "the resource manager %s",
                  rc == ERR_LIMIT ? "has too much to do" : "has ended");
        query_fail(q, &why);
    }
    return q;
}

/* Waits, gives the asker's reference up. */
static int query_wait(struct rm_query *q, int64_t deadline_ns, Flinc__QueryAnswer **ret_answer,
                      struct error *err)
{
    while (!atomic_load(&q->over)) {
        uint32_t ticket = event_count_prepare(&q->done);
        int64_t left_ns = deadline_ns - clock_monotonic_ns(&clock_system);
        if (atomic_load(&q->over) || left_ns <= 0) {
            event_count_cancel(&q->done);
            break;
        }
        (void)event_count_wait(&q->done, ticket, left_ns);
    }
    int rc = 0;
    if (!atomic_load(&q->over)) {
        atomic_store(&q->abandoned, true);
        rc = error_set(err, ERR_TIMEOUT, "TaskManager with id %s did not answer in time", q->tm_id);
    } else if (q->answer == NULL) {
        rc = q->why.code;
        if (err != NULL) {
            error_copy(err, &q->why);
        }
    } else {
        *ret_answer = STEAL(q->answer);
    }
    query_unref(q);
    return rc;
}

static int64_t deadline_after(int64_t timeout_ms)
{
    return clock_monotonic_ns(&clock_system) + timeout_ms * 1000000;
}

int resourcemanager_query(struct resourcemanager *rm, const char *tm_id, Flinc__Query *query,
                          int64_t timeout_ms, Flinc__QueryAnswer **ret_answer, struct error *err)
{
    return query_wait(query_ask(rm, tm_id, query), deadline_after(timeout_ms), ret_answer, err);
}

void resourcemanager_query_all(struct resourcemanager *rm, Flinc__Query *query, int64_t timeout_ms,
                               const struct taskmanager_list *list,
                               Flinc__QueryAnswer **ret_answers)
{
    struct rm_query **asked = MEM_NEW_ARRAY(struct rm_query *, (size_t)list->n + 1);
    int64_t deadline_ns = deadline_after(timeout_ms);
    for (uint32_t i = 0; i < list->n; i++) {
        asked[i] = query_ask(rm, list->items[i].id, query);
    }
    for (uint32_t i = 0; i < list->n; i++) {
        struct error ignored = ERROR_INIT;
        ret_answers[i] = NULL;
        (void)!query_wait(asked[i], deadline_ns, &ret_answers[i], &ignored);
    }
    mem_free(asked);
}
