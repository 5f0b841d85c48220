/* Which job gets which slot: jobs in the order in which they asked first, so that the oldest is complete
 * before the next one starts to collect; for each slot the task manager that fits best.
 *
 * Filling (taskmanager.load-balance.mode NONE): where the job is already, then the oldest.  Spreading
 * (SLOTS, TASKS; cluster.evenly-spread-out-slots): the smallest share of slots in use.  A task manager that was in
 * trouble is taken only when no other has a free slot, and after a failed request only after a pause
 * that doubles.
 * Thread: the resource manager's.  Flink: DefaultResourceAllocationStrategy, BlockedTaskManagerChecker. */
#include "jobmanager/resourcemanager/resourcemanager_internal.h"

int64_t rm_now_ms(const struct resourcemanager *rm)
{
    return clock_monotonic_ms(rm->clock);
}

static uint32_t slots_of_job(const struct rm_tm *tm, const struct rm_job *job)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < tm->n_slots; i++) {
        n += tm->slots[i].job == job;
    }
    return n;
}

/* Is `a` a better place for the job's next slot than `b`?  b is older. */
static bool is_better(const struct resourcemanager *rm, const struct rm_job *job,
                      const struct rm_tm *a, const struct rm_tm *b)
{
    int64_t now = rm_now_ms(rm);
    bool a_avoided = a->avoid_until_ms > now;
    bool b_avoided = b->avoid_until_ms > now;
    if (a_avoided != b_avoided) {
        return b_avoided;
    }
    if (rm->spread) {
        uint64_t a_used = (uint64_t)(a->n_slots - a->n_free) * b->n_slots;
        uint64_t b_used = (uint64_t)(b->n_slots - b->n_free) * a->n_slots;
        return a_used < b_used;
    }
    return slots_of_job(a, job) > slots_of_job(b, job);
}

static struct rm_slot *pick(struct resourcemanager *rm, const struct rm_job *job)
{
    struct rm_tm *best = NULL;
    for (size_t i = 0; i < rm->tms.len; i++) {
        struct rm_tm *tm = vec_ptr(&rm->tms, i);
        if (tm->state == RM_TM_REGISTERED && tm->n_free > 0 && tm->retry_at_ms <= rm_now_ms(rm) &&
            (best == NULL || is_better(rm, job, tm, best))) {
            best = tm;
        }
    }
    for (uint32_t i = 0; best != NULL && i < best->n_slots; i++) {
        if (best->slots[i].state == RM_SLOT_FREE) {
            return &best->slots[i];
        }
    }
    return NULL;
}

bool rm_is_free_elsewhere(const struct rm_tm *than)
{
    const struct resourcemanager *rm = than->rm;
    for (size_t i = 0; i < rm->tms.len; i++) {
        const struct rm_tm *tm = vec_ptr(&rm->tms, i);
        if (tm != than && tm->state == RM_TM_REGISTERED && tm->n_free > 0 &&
            tm->avoid_until_ms <= rm_now_ms(rm)) {
            return true;
        }
    }
    return false;
}

/* Requests that the job does not need any more; ACTIVE slots it gives back itself. */
static void drop_requests(struct resourcemanager *rm, struct rm_job *job)
{
    for (size_t i = 0; i < rm->tms.len && job->n_slots > job->required; i++) {
        struct rm_tm *tm = vec_ptr(&rm->tms, i);
        for (uint32_t j = 0; j < tm->n_slots && job->n_slots > job->required; j++) {
            struct rm_slot *s = &tm->slots[j];
            if (s->job == job && s->state == RM_SLOT_REQUESTED) {
                rm_slot_give_up(s, "the job does not need the slot any more");
            }
        }
    }
}

static void unlist_jobs(struct resourcemanager *rm)
{
    for (size_t i = rm->wanting.len; i > 0; i--) {
        struct rm_job *job = vec_ptr(&rm->wanting, i - 1);
        if (job->removed || job->required == 0) {
            job->listed = false;
            vec_remove(&rm->wanting, i - 1);
            rm_job_unref(job);
        }
    }
}

/* Timer: a pause is over. */
static void on_retry(void *arg)
{
    struct resourcemanager *rm = arg;
    rm->match_timer = TIMER_NONE;
    rm_match(rm);
}

/* A job wants more, and a task manager that has free slots must be left alone for now. */
static void retry_later(struct resourcemanager *rm)
{
    int64_t now = rm_now_ms(rm);
    int64_t at = INT64_MAX;
    for (size_t i = 0; i < rm->tms.len; i++) {
        const struct rm_tm *tm = vec_ptr(&rm->tms, i);
        if (tm->n_free > 0 && tm->retry_at_ms > now) {
            at = MIN(at, tm->retry_at_ms);
        }
    }
    if (at != INT64_MAX) {
        component_cancel(rm->component, rm->match_timer);
        rm->match_timer = component_schedule(rm->component, at - now, on_retry, rm);
    }
}

void rm_match(struct resourcemanager *rm)
{
    if (rm->matching) {
        return; /* the one above goes on */
    }
    rm->matching = true;
    for (size_t i = 0; i < rm->wanting.len; i++) {
        drop_requests(rm, vec_ptr(&rm->wanting, i));
    }
    for (size_t i = 0; i < rm->wanting.len; i++) {
        struct rm_job *job = vec_ptr(&rm->wanting, i);
        struct rm_slot *s = NULL;
        while (job->n_slots < job->required && (s = pick(rm, job)) != NULL) {
            rm_slot_request(s, job);
        }
        if (job->n_slots < job->required) {
            retry_later(rm);
            break; /* nothing is left for the next one either */
        }
    }
    unlist_jobs(rm);
    rm->matching = false;
}

void rm_tm_in_trouble(struct rm_tm *tm)
{
    int64_t now = rm_now_ms(tm->rm);
    int64_t pause = RM_RETRY_MIN_MS;
    for (uint32_t i = 0; i < tm->n_troubles && pause < RM_RETRY_MAX_MS; i++) {
        pause *= 2;
    }
    tm->n_troubles++;
    tm->avoid_until_ms = now + RM_AVOID_MS;
    tm->retry_at_ms = now + MIN(pause, (int64_t)RM_RETRY_MAX_MS);
}
