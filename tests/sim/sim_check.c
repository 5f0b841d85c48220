/* What must hold in the simulation.  See sim.h. */
#include "tests/sim/sim.h"

#include "jobmanager/dispatcher/dispatcher_internal.h"
#include "taskmanager/manager/taskmanager_internal.h"

/* ---- at any time ------------------------------------------------------------------------------------ */

static const struct sim_job *find_job(const struct sim *s, const struct flinc_id *id)
{
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        if (id_eq(&s->jobs[i].id, id)) {
            return &s->jobs[i];
        }
    }
    return NULL;
}

/* Who follows a job manager has nothing of the one before. */
static void check_leader(struct sim *s, const struct taskmanager *tm)
{
    if (s->has_ha || s->rm == NULL || taskmanager_get_state(tm) != TASKMANAGER_REGISTERED ||
        !id_eq(&tm->leader, &s->leader)) {
        return;
    }
    for (uint32_t i = 0; i < tm_slot_table_n_rows(&tm->slots); i++) {
        const struct tm_slot *slot = tm_slot_table_row(&tm->slots, i);
        if (slot->state != SLOT_FREE) {
            const struct sim_job *job = find_job(s, &slot->job_id);
            SIM_CHECK(s, job != NULL && job->submitted);
        }
    }
}

/* What the slots in use are worth together is what is not free. */
static void check_resources(struct sim *s, const struct slot_table *t)
{
    struct resource_profile left, used = {0};
    for (uint32_t i = 0; i < tm_slot_table_n_rows(t); i++) {
        const struct tm_slot *slot = tm_slot_table_row(t, i);
        if (slot->state != SLOT_FREE) {
            SIM_CHECK(s, (slot->profile != NULL) == (i >= t->n));
            resource_profile_add(&used, slot->profile != NULL ? slot->profile : &t->slot_profile);
        }
    }
    SIM_CHECK(s, resource_profile_fits(&used, &t->total));
    tm_slot_table_get_free(t, &left);
    resource_profile_add(&used, &left);
    SIM_CHECK(s, resource_profile_equals(&used, &t->total));
}

/* An allocation has one slot in the whole cluster, and a slot has one job by its making. */
void sim_check_always(struct sim *s)
{
    struct map seen; /* allocation id -> slot */
    map_init(&seen, NULL);
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        const struct taskmanager *tm = s->nodes[i].tm;
        if (tm != NULL) {
            check_leader(s, tm);
            check_resources(s, &tm->slots);
        }
        for (uint32_t k = 0; tm != NULL && k < tm_slot_table_n_rows(&tm->slots); k++) {
            const struct tm_slot *slot = tm_slot_table_row(&tm->slots, k);
            if (slot->state != SLOT_FREE) {
                SIM_CHECK(s, map_put_bytes(&seen, slot->allocation_id.bytes,
                                           sizeof(slot->allocation_id.bytes), (void *)slot));
            }
        }
    }
    map_fini(&seen);
    if (s->has_ha) {
        sim_bounds_check_always(s);
    }
}

/* ---- after healing ------------------------------------------------------------------------------------- */

static uint32_t count_slots(const struct sim *s, uint32_t *ret_free)
{
    uint32_t n = 0;
    *ret_free = 0;
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].tm != NULL) {
            n += s->nodes[i].tm->slots.n;
            *ret_free += tm_slot_table_n_free(&s->nodes[i].tm->slots);
        }
    }
    return n;
}

uint32_t sim_count_tasks(const struct sim *s, const struct flinc_id *job_id)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].tm != NULL) {
            n += sim_host_tasks(&s->nodes[i].host, job_id);
        }
    }
    return n;
}

const char *sim_check_slots(struct sim *s, uint32_t *ret_free)
{
    struct resource_overview o;
    uint32_t n_free = 0;
    uint32_t n = count_slots(s, &n_free);
    resourcemanager_get_overview(s->rm, &o);
    *ret_free = n_free;
    if (o.n_task_managers != s->n_nodes || o.n_slots != n) {
        return "a task manager is not registered";
    }
    return o.n_free != n_free ? "the two sides count other free slots" : NULL;
}

/* Every task is in a slot of its job, and a slot has one task of each vertex. */
const char *sim_check_places(const struct sim_node *node)
{
    for (size_t i = 0; node->tm != NULL && i < node->host.workers.len; i++) {
        const struct sim_worker *w = vec_ptr(&node->host.workers, i);
        for (size_t k = 0; k < w->tasks.len; k++) {
            const struct sim_task *t = VEC_AT(&w->tasks, struct sim_task, k);
            const struct tm_slot *slot = tm_slot_table_find(&node->tm->slots, &t->allocation);
            uint32_t n = 0;
            for (size_t j = 0; j < w->tasks.len; j++) {
                n += id_eq(&VEC_AT(&w->tasks, struct sim_task, j)->allocation, &t->allocation);
            }
            if (slot == NULL || slot->state != SLOT_ACTIVE || !id_eq(&slot->job_id, &w->job_id)) {
                return "a task runs in a slot that is not its job's";
            }
            if (n > SIM_VERTICES) {
                return "a slot has more tasks than vertices";
            }
        }
    }
    return NULL;
}

/* NULL: it has ended, runs in full and nowhere else, or waits with nothing running but whole regions. */
const char *sim_check_job(struct sim *s, const struct sim_job *job, bool *ret_waits)
{
    struct job_overview o;
    uint32_t on_hosts = sim_count_tasks(s, &job->id);
    *ret_waits = false;
    if (job->rc == 1) {
        return "a submission was not answered";
    }
    if (job->rc < 0) {
        return "a submission was refused";
    }
    if (!dispatcher_get_overview(s->d, &job->id, &o)) {
        return "a job is not listed";
    }
    if (job_status_is_globally_terminal(o.status)) {
        return on_hosts > 0 ? "tasks of an ended job run" : NULL;
    }
    if (job->cancelled && !s->has_ha) { /* else who took the order may be gone */
        return "a cancelled job has not ended";
    }
    if (job->bounded) {
        *ret_waits = on_hosts == 0;
        return on_hosts > 0 ? "a bounded job has not finished" : NULL;
    }
    uint32_t running = o.tasks_by_state[FLINC__EXECUTION_STATE__EXECUTION_RUNNING];
    uint32_t n_tasks = job->adaptive ? o.tasks_total : job->n_tasks;
    if (job->adaptive && running > job->wanted * SIM_VERTICES) {
        return "a job has more tasks than it may";
    }
    if (running == n_tasks && on_hosts == n_tasks) {
        *ret_waits = job->adaptive && n_tasks < job->wanted * SIM_VERTICES; /* for more slots */
        return job->newest == job->newest_at_heal ? "no checkpoint completes" : NULL;
    }
    if (running == n_tasks) {
        return "other tasks run than the job master believes";
    }
    *ret_waits = true;
    if (job->by_regions) { /* those that have slots run */
        return running != on_hosts ? "other tasks run than the job master believes" : NULL;
    }
    return running > 0 || on_hosts > 0 ? "a job runs by half" : NULL;
}

/* Could a job that waits be given one of every kind of slot that it needs? */
bool sim_has_room_for(const struct sim *s, const struct sim_job *job)
{
    bool has_static = false;
    bool has_large = !job->sized;
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        const struct slot_table *t = &s->nodes[i].tm->slots;
        bool has_free = false;
        for (uint32_t k = 0; k < t->n; k++) {
            has_free = has_free || t->slots[k].state == SLOT_FREE;
        }
        has_static = has_static || (has_free && tm_slot_table_has_room(t, NULL));
        has_large = has_large || tm_slot_table_has_room(t, &job->profile);
    }
    return has_static && has_large;
}

const char *sim_unsettled(struct sim *s)
{
    uint32_t n_free = 0;
    if (s->d == NULL) {
        return "the job manager is down";
    }
    const char *what = sim_check_slots(s, &n_free);
    for (uint32_t i = 0; i < s->n_jobs && what == NULL; i++) {
        bool this_waits = false;
        if (s->jobs[i].submitted) {
            what = sim_check_job(s, &s->jobs[i], &this_waits);
            if (what == NULL && this_waits && sim_has_room_for(s, &s->jobs[i])) {
                what = "a job waits beside free slots";
            }
        } else if (sim_count_tasks(s, &s->jobs[i].id) > 0) {
            what = "tasks of a job of an earlier job manager run";
        }
    }
    for (uint32_t i = 0; i < s->n_nodes && what == NULL; i++) {
        what = sim_check_places(&s->nodes[i]);
    }
    if (what == NULL) {
        what = sim_unanswered(s);
    }
    return what;
}

const char *sim_left_over(struct sim *s)
{
    uint32_t n_free = 0;
    struct job_counts counts;
    const char *what = sim_check_slots(s, &n_free);
    if (what != NULL) {
        return what;
    }
    for (uint32_t i = 0; i < s->n_nodes; i++) {
        if (s->nodes[i].host.workers.len > 0) {
            return "a worker is left";
        }
    }
    uint32_t ignored = 0;
    if (n_free != count_slots(s, &ignored)) {
        return "a slot is not free";
    }
    dispatcher_get_counts(s->d, &counts);
    return counts.running > 0 ? "a job is left" : sim_files_left(s);
}

/* ---- quiet ----------------------------------------------------------------------------------------------- */

/* The job master of a cluster with high availability has threads of its own: it is looked at, not asked. */
static int64_t restarts_at(const struct sim *s, const struct sim_job *job)
{
    for (size_t i = 0; i < s->d->live.len; i++) {
        const struct dispatched_job *j = vec_ptr(&s->d->live, i);
        if (j->jm != NULL && id_eq(&j->id, &job->id)) {
            struct job_progress p;
            jobmaster_get_progress(j->jm, &p);
            return p.restarts;
        }
    }
    return -1;
}

/* How often it was restarted; -1: it does not run in full. */
static int64_t restarts_of(const struct sim *s, const struct sim_job *job)
{
    struct job_overview o;
    const struct job_details *d = NULL;
    struct error ignored = ERROR_INIT;
    int64_t n = -1;
    if (job->submitted && !job->bounded && dispatcher_get_overview(s->d, &job->id, &o) &&
        o.tasks_by_state[FLINC__EXECUTION_STATE__EXECUTION_RUNNING] ==
            (job->adaptive ? o.tasks_total : job->n_tasks) &&
        s->has_ha) {
        n = restarts_at(s, job);
    } else if (!s->has_ha && job->submitted && !job->bounded &&
               dispatcher_get_overview(s->d, &job->id, &o) &&
               o.tasks_by_state[FLINC__EXECUTION_STATE__EXECUTION_RUNNING] ==
                   (job->adaptive ? o.tasks_total : job->n_tasks) &&
               dispatcher_get_details(s->d, &job->id, 0, &d, &ignored) == 0) {
        n = (int64_t)d->restarts;
        job_details_unref(d);
    }
    return n;
}

void sim_note_running(struct sim *s)
{
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        s->jobs[i].noted_restarts = restarts_of(s, &s->jobs[i]);
        s->jobs[i].noted = s->jobs[i].noted_restarts >= 0;
        if (s->jobs[i].noted) {
            sim_check_all_is_given(s, &s->jobs[i]);
        }
    }
}

const char *sim_disturbed(struct sim *s)
{
    for (uint32_t i = 0; i < s->n_jobs; i++) {
        if (s->jobs[i].noted && restarts_of(s, &s->jobs[i]) != s->jobs[i].noted_restarts) {
            return "a job did not go on though nothing happened";
        }
    }
    return NULL;
}
