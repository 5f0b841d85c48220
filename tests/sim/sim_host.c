/* Workers of the simulation: rows with tasks that do what a worker's tasks do, as seen from outside: they
 * run when they are deployed, end when they are cancelled, finish, fail, and die with their worker.  What
 * they say reaches the task manager by its mailbox, in order, some time later.  See sim.h. */
#include "tests/sim/sim.h"

enum { LATE_MS = 6000 };

static void tell_free(struct sim_tell *t)
{
    mem_free(t->bytes);
    mem_free(t);
}

static struct sim_tell *tell_in(struct sim_worker *w, struct vec *tells, enum sim_tell_kind kind,
                                uint32_t within_ms)
{
    struct sim *s = w->host->node->s;
    struct sim_tell *t = MEM_NEW(struct sim_tell);
    t->kind = kind;
    t->job_id = w->job_id;
    t->incarnation = w->incarnation;
    t->at_ms = sim_now_ms(s) + sim_below(s, within_ms + 1);
    vec_push_ptr(tells, t);
    return t;
}

static struct sim_tell *tell(struct sim_worker *w, enum sim_tell_kind kind, uint32_t within_ms)
{
    return tell_in(w, &w->host->tells, kind, within_ms);
}

/* ---- what workers say ----------------------------------------------------------------------------- */

void sim_host_say(struct sim_worker *w, Flinc__WorkerToMaster *m, enum sim_saying when)
{
    m->version = 1;
    m->fencing_token = (ProtobufCBinaryData){sizeof(w->token.bytes), w->token.bytes};
    struct sim_tell *t = when == SIM_SAY_LATE
                             ? tell_in(w, &w->host->late, SIM_TELL_MESSAGE, LATE_MS)
                             : tell(w, SIM_TELL_MESSAGE, 3);
    t->size = flinc__worker_to_master__get_packed_size(m);
    t->bytes = mem_alloc(t->size + 1);
    flinc__worker_to_master__pack(m, t->bytes);
}

static void say_state(struct sim_worker *w, const struct flinc_id *attempt,
                      Flinc__ExecutionState state)
{
    Flinc__TaskStateUpdate update = FLINC__TASK_STATE_UPDATE__INIT;
    Flinc__ErrorInfo error = FLINC__ERROR_INFO__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    update.attempt_id = (ProtobufCBinaryData){sizeof(attempt->bytes), (uint8_t *)attempt->bytes};
    update.state = state;
    if (state == FLINC__EXECUTION_STATE__EXECUTION_FAILED) {
        error.code = ERR_USER_CODE;
        error.error_class = ERROR_CLASS_TRANSIENT;
        error.message = (char *)"the function failed";
        update.error = &error;
    }
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_STATE;
    m.state = &update;
    sim_host_say(w, &m, SIM_SAY_SOON);
}

static void remember_ghost(struct sim_worker *w, const struct sim_task *t)
{
    struct vec *ghosts = &w->host->ghosts;
    if (ghosts->len == SIM_GHOSTS) {
        vec_remove(ghosts, 0);
    }
    *VEC_PUSH(ghosts, struct sim_ghost) =
        (struct sim_ghost){w->job_id,         t->attempt,     t->vertex,    t->subtask,
                           t->attempt_number, t->first_group, t->last_group};
}

static void remove_task(struct sim_worker *w, size_t i)
{
    struct sim_task *t = VEC_AT(&w->tasks, struct sim_task, i);
    remember_ghost(w, t);
    sim_task_fini(t);
    vec_remove(&w->tasks, i);
}

static void clear_tasks(struct sim_worker *w)
{
    while (w->tasks.len > 0) {
        remove_task(w, w->tasks.len - 1);
    }
}

void sim_host_end_task(struct sim_worker *w, size_t i, Flinc__ExecutionState state)
{
    struct flinc_id attempt = VEC_AT(&w->tasks, struct sim_task, i)->attempt;
    remove_task(w, i);
    say_state(w, &attempt, state);
}

/* ---- what they hear ------------------------------------------------------------------------------------ */

static struct sim_task *find_task(struct sim_worker *w, const ProtobufCBinaryData *attempt,
                                  size_t *ret_index)
{
    for (size_t i = 0; i < w->tasks.len; i++) {
        struct sim_task *t = VEC_AT(&w->tasks, struct sim_task, i);
        if (attempt->len == sizeof(t->attempt.bytes) &&
            memcmp(attempt->data, t->attempt.bytes, attempt->len) == 0) {
            *ret_index = i;
            return t;
        }
    }
    return NULL;
}

static void hear_deploy(struct sim_worker *w, const Flinc__DeployTasks *d)
{
    size_t ignored = 0;
    for (size_t i = 0; i < d->n_subtasks; i++) {
        const Flinc__SubtaskDeployment *spec = d->subtasks[i];
        if (find_task(w, &spec->attempt_id, &ignored) != NULL) {
            continue;
        }
        struct sim_task *t = VEC_PUSH(&w->tasks, struct sim_task);
        memcpy(t->attempt.bytes, spec->attempt_id.data, sizeof(t->attempt.bytes));
        memcpy(t->allocation.bytes, spec->allocation_id.data, sizeof(t->allocation.bytes));
        t->bounded = strcmp(d->vertex->name, "Bounded") == 0;
        sim_task_init(w, t, d, spec);
        struct flinc_id attempt = t->attempt;
        say_state(w, &attempt, FLINC__EXECUTION_STATE__EXECUTION_INITIALIZING);
        say_state(w, &attempt, FLINC__EXECUTION_STATE__EXECUTION_RUNNING);
        if (spec->restore != NULL && spec->restore->finished) {
            sim_host_end_task(w, w->tasks.len - 1, FLINC__EXECUTION_STATE__EXECUTION_FINISHED);
        }
    }
}

static void hear_cancel(struct sim_worker *w, const Flinc__CancelTasks *c)
{
    for (size_t i = 0; i < c->n_attempt_ids; i++) {
        size_t index = 0;
        if (find_task(w, &c->attempt_ids[i], &index) != NULL) {
            sim_host_end_task(w, index, FLINC__EXECUTION_STATE__EXECUTION_CANCELED);
        }
    }
}

static void hear_report_request(struct sim_worker *w, const Flinc__ReportRequest *r)
{
    Flinc__TaskReport report = FLINC__TASK_REPORT__INIT;
    Flinc__WorkerToMaster m = FLINC__WORKER_TO_MASTER__INIT;
    Flinc__TaskReportEntry *rows = MEM_NEW_ARRAY(Flinc__TaskReportEntry, w->tasks.len + 1);
    Flinc__TaskReportEntry **pointers = MEM_NEW_ARRAY(Flinc__TaskReportEntry *, w->tasks.len + 1);
    for (size_t i = 0; i < w->tasks.len; i++) {
        struct sim_task *t = VEC_AT(&w->tasks, struct sim_task, i);
        flinc__task_report_entry__init(&rows[i]);
        rows[i].attempt_id = (ProtobufCBinaryData){sizeof(t->attempt.bytes), t->attempt.bytes};
        rows[i].state = FLINC__EXECUTION_STATE__EXECUTION_RUNNING;
        pointers[i] = &rows[i];
    }
    report.request_id = r->request_id;
    report.tasks = pointers;
    report.n_tasks = w->tasks.len;
    m.body_case = FLINC__WORKER_TO_MASTER__BODY_REPORT;
    m.report = &report;
    sim_host_say(w, &m, SIM_SAY_SOON);
    mem_free(rows);
    mem_free(pointers);
}

static void host_send(void *host, const struct flinc_id *job_id, const struct flinc_id *incarnation,
                      const uint8_t *bytes, size_t size)
{
    struct sim_host *h = host;
    struct sim_worker *w = sim_host_find(h, job_id);
    if (w == NULL || !id_eq(&w->incarnation, incarnation) || !w->ready || !w->linked || w->ending) {
        return;
    }
    Flinc__MasterToWorker *m = flinc__master_to_worker__unpack(NULL, size, bytes);
    SIM_CHECK(h->node->s, m != NULL);
    bool token_fits = m->fencing_token.len == sizeof(w->token.bytes) &&
                      memcmp(m->fencing_token.data, w->token.bytes, m->fencing_token.len) == 0;
    if (token_fits && m->body_case == FLINC__MASTER_TO_WORKER__BODY_DEPLOY) {
        hear_deploy(w, m->deploy);
    } else if (token_fits && m->body_case == FLINC__MASTER_TO_WORKER__BODY_CANCEL) {
        hear_cancel(w, m->cancel);
    } else if (token_fits && m->body_case == FLINC__MASTER_TO_WORKER__BODY_REPORT_REQUEST) {
        hear_report_request(w, m->report_request);
    } else if (token_fits && m->body_case == FLINC__MASTER_TO_WORKER__BODY_TRIGGER_CHECKPOINT) {
        sim_hear_trigger(w, m->trigger_checkpoint);
    } else if (token_fits && m->body_case == FLINC__MASTER_TO_WORKER__BODY_NOTIFY_CHECKPOINT) {
        sim_hear_notice(w, m->notify_checkpoint);
    }
    flinc__master_to_worker__free_unpacked(m, NULL);
}

/* ---- the task manager's orders ----------------------------------------------------------------------------- */

struct sim_worker *sim_host_find(const struct sim_host *h, const struct flinc_id *job_id)
{
    for (size_t i = 0; i < h->workers.len; i++) {
        struct sim_worker *w = vec_ptr(&h->workers, i);
        if (id_eq(&w->job_id, job_id)) {
            return w;
        }
    }
    return NULL;
}

static int host_start_job(void *host, const struct worker_job *job, struct error *err)
{
    struct sim_host *h = host;
    struct sim *s = h->node->s;
    if (s->lossy && sim_chance(s, 3)) {
        return error_set(err, ERR_LIMIT, "no more processes");
    }
    if (sim_host_find(h, &job->job_id) == NULL) {
        struct sim_worker *w = MEM_NEW(struct sim_worker);
        w->host = h;
        w->job_id = job->job_id;
        w->token = job->master_token;
        id_random(&w->incarnation, &s->rng);
        vec_init(&w->tasks, sizeof(struct sim_task));
        vec_push_ptr(&h->workers, w);
        (void)tell(w, SIM_TELL_READY, 50);
    }
    return 0;
}

static void host_open_link(void *host, const struct flinc_id *job_id,
                           const struct flinc_id *master_token)
{
    struct sim_worker *w = sim_host_find(host, job_id);
    if (w != NULL) {
        if (!id_eq(&w->token, master_token)) {
            clear_tasks(w); /* another master's */
        }
        w->token = *master_token;
        w->linked = true;
    }
}

static void host_close_link(void *host, const struct flinc_id *job_id, const char *reason)
{
    struct sim_worker *w = sim_host_find(host, job_id);
    if (w != NULL) {
        w->linked = false;
        clear_tasks(w);
    }
}

static void worker_end(struct sim_worker *w, int code, const char *reason, uint32_t within_ms)
{
    if (!w->ending) {
        w->ending = true;
        clear_tasks(w);
        struct sim_tell *t = tell(w, SIM_TELL_GONE, within_ms);
        error_set(&t->why, code, "%s", reason);
    }
}

static void host_stop_job(void *host, const struct flinc_id *job_id, const char *reason)
{
    struct sim_worker *w = sim_host_find(host, job_id);
    if (w != NULL) {
        worker_end(w, ERR_CANCELLED, reason, 200);
    }
}

static void host_kill_job(void *host, const struct flinc_id *job_id, const char *reason)
{
    struct sim_worker *w = sim_host_find(host, job_id);
    if (w != NULL) {
        worker_end(w, ERR_CANCELLED, reason, 5);
    }
}

static void host_each(const void *host, void (*fn)(void *arg, const Flinc__JobOnTaskManager *job),
                      void *arg)
{
    const struct sim_host *h = host;
    for (size_t i = 0; i < h->workers.len; i++) {
        struct sim_worker *w = vec_ptr(&h->workers, i);
        Flinc__JobOnTaskManager row = FLINC__JOB_ON_TASK_MANAGER__INIT;
        row.job_id = (ProtobufCBinaryData){sizeof(w->job_id.bytes), w->job_id.bytes};
        row.n_tasks = (uint32_t)w->tasks.len;
        fn(arg, &row);
    }
}

static void host_query(void *host, const Flinc__Query *query, int64_t timeout_ms,
                       void (*on_done)(void *arg, Flinc__QueryAnswer *take_answer), void *arg)
{
    Flinc__QueryAnswer *answer = MEM_NEW(Flinc__QueryAnswer);
    flinc__query_answer__init(answer);
    on_done(arg, answer);
}

const struct taskmanager_worker_ops sim_host_ops = {
    .start_job = host_start_job,
    .open_link = host_open_link,
    .send = host_send,
    .close_link = host_close_link,
    .stop_job = host_stop_job,
    .kill_job = host_kill_job,
    .each = host_each,
    .query = host_query,
};

/* ---- time ---------------------------------------------------------------------------------------------------- */

void sim_host_init(struct sim_host *h, struct sim_node *node)
{
    *h = (struct sim_host){.node = node, .callbacks = taskmanager_worker_callbacks()};
    vec_init(&h->workers, sizeof(struct sim_worker *));
    vec_init(&h->tells, sizeof(struct sim_tell *));
    vec_init(&h->late, sizeof(struct sim_tell *));
    vec_init(&h->ghosts, sizeof(struct sim_ghost));
}

static void worker_free(struct sim_host *h, size_t i)
{
    struct sim_worker *w = vec_ptr(&h->workers, i);
    vec_remove(&h->workers, i);
    clear_tasks(w);
    vec_fini(&w->tasks);
    mem_free(w);
}

void sim_host_fini(struct sim_host *h)
{
    while (h->workers.len > 0) {
        worker_free(h, 0);
    }
    for (size_t i = 0; i < h->tells.len; i++) {
        tell_free(vec_ptr(&h->tells, i));
    }
    for (size_t i = 0; i < h->late.len; i++) {
        tell_free(vec_ptr(&h->late, i));
    }
    vec_fini(&h->workers);
    vec_fini(&h->tells);
    vec_fini(&h->late);
    vec_fini(&h->ghosts);
}

/* In the task manager's mailbox. */
static void run_tell(void *owner, void *payload)
{
    struct sim_tell *t = payload;
    const struct worker_host_callbacks callbacks = taskmanager_worker_callbacks();
    switch (t->kind) {
    case SIM_TELL_READY:
        callbacks.on_ready(owner, &t->job_id, &t->incarnation);
        break;
    case SIM_TELL_MESSAGE:
        callbacks.on_message(owner, &t->job_id, &t->incarnation, t->bytes, t->size);
        break;
    case SIM_TELL_GONE:
        callbacks.on_gone(owner, &t->job_id, &t->incarnation, &t->why);
        break;
    }
    tell_free(t);
}

static void drop_tell(void *payload)
{
    tell_free(payload);
}

static void post_tell(struct sim_host *h, struct sim_tell *take)
{
    if (component_post(taskmanager_component(h->node->tm), MAILBOX_LANE_DATA, 100, run_tell, take,
                       drop_tell) < 0) {
        tell_free(take);
    }
}

static size_t step_late(struct sim_host *h)
{
    size_t n = 0;
    for (size_t i = h->late.len; i > 0; i--) {
        struct sim_tell *t = vec_ptr(&h->late, i - 1);
        if (t->at_ms <= sim_now_ms(h->node->s)) {
            vec_remove(&h->late, i - 1);
            post_tell(h, t); /* of a worker that is gone: the task manager looks at that */
            n++;
        }
    }
    return n;
}

size_t sim_host_step(struct sim_host *h)
{
    struct sim *s = h->node->s;
    size_t n = step_late(h);
    while (h->tells.len > 0) {
        struct sim_tell *t = vec_ptr(&h->tells, 0);
        if (t->at_ms > sim_now_ms(s)) {
            break;
        }
        vec_remove(&h->tells, 0);
        struct sim_worker *w = sim_host_find(h, &t->job_id);
        if (w == NULL || !id_eq(&w->incarnation, &t->incarnation)) {
            tell_free(t); /* of one that is gone */
            continue;
        }
        w->ready = w->ready || t->kind == SIM_TELL_READY;
        if (t->kind == SIM_TELL_GONE) {
            for (size_t i = 0; i < h->workers.len; i++) {
                if (vec_ptr(&h->workers, i) == w) {
                    worker_free(h, i);
                    break;
                }
            }
        }
        post_tell(h, t);
        n++;
    }
    return n;
}

/* ---- chance ---------------------------------------------------------------------------------------------------- */

static struct sim_worker *some_worker(struct sim_host *h)
{
    struct sim *s = h->node->s;
    return h->workers.len > 0 ? vec_ptr(&h->workers, sim_below(s, (uint32_t)h->workers.len)) : NULL;
}

void sim_host_finish_some(struct sim_host *h)
{
    struct sim_worker *w = some_worker(h);
    for (size_t i = 0; w != NULL && !w->ending && i < w->tasks.len; i++) {
        if (VEC_AT(&w->tasks, struct sim_task, i)->bounded) {
            sim_host_end_task(w, i, FLINC__EXECUTION_STATE__EXECUTION_FINISHED);
            return;
        }
    }
}

void sim_host_fail_some(struct sim_host *h)
{
    struct sim_worker *w = some_worker(h);
    if (w != NULL && !w->ending && w->tasks.len > 0) {
        sim_host_end_task(w, sim_below(h->node->s, (uint32_t)w->tasks.len),
                          FLINC__EXECUTION_STATE__EXECUTION_FAILED);
    }
}

void sim_host_crash_some(struct sim_host *h)
{
    struct sim_worker *w = some_worker(h);
    if (w != NULL) {
        worker_end(w, ERR_UNAVAILABLE, "The worker was ended by signal 11 (SIGSEGV)", 1);
    }
}

uint32_t sim_host_tasks(const struct sim_host *h, const struct flinc_id *job_id)
{
    const struct sim_worker *w = sim_host_find(h, job_id);
    return w != NULL ? (uint32_t)w->tasks.len : 0;
}
