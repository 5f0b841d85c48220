/* Which job gets which slot: jobs in the order in which they asked first, so that the oldest is complete
 * before the next one starts to collect; for each slot the task manager that fits best.  Where slots with a profile
 * of their own are too large for what is free, younger jobs get it, as in Flink.
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
    for (uint32_t i = 0; i < rm_tm_n_rows(tm); i++) {
        n += rm_tm_row(tm, i)->job == job;
    }
    return n;
}

static uint32_t slots_in_use(const struct rm_tm *tm)
{
    return tm->n_slots - tm->n_free + tm->n_dynamic;
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
        uint64_t a_used = (uint64_t)slots_in_use(a) * b->n_slots;
        uint64_t b_used = (uint64_t)slots_in_use(b) * a->n_slots;
        return a_used < b_used;
    }
    return slots_of_job(a, job) > slots_of_job(b, job);
}

/* A row for a slot of this profile, or NULL. */
static struct rm_slot *pick(struct resourcemanager *rm, const struct rm_job *job,
                            const struct resource_profile *profile)
{
    struct rm_tm *best = NULL;
    for (size_t i = 0; i < rm->tms.len; i++) {
        struct rm_tm *tm = vec_ptr(&rm->tms, i);
        if (tm->state == RM_TM_REGISTERED && tm->retry_at_ms <= rm_now_ms(rm) &&
            rm_tm_has_room(tm, profile) && (best == NULL || is_better(rm, job, tm, best))) {
            best = tm;
        }
    }
    return best != NULL ? rm_tm_pick_row(best, profile) : NULL;
}

bool rm_is_free_elsewhere(const struct rm_slot *than)
{
    const struct resourcemanager *rm = than->tm->rm;
    const struct resource_profile *profile = than->job->needs[than->kind].profile;
    for (size_t i = 0; i < rm->tms.len; i++) {
        const struct rm_tm *tm = vec_ptr(&rm->tms, i);
        if (tm != than->tm && tm->state == RM_TM_REGISTERED &&
            tm->avoid_until_ms <= rm_now_ms(rm) && rm_tm_has_room(tm, profile)) {
            return true;
        }
    }
    return false;
}

static bool has_too_many(const struct rm_job *job)
{
    for (uint32_t kind = 0; kind < job->n_needs; kind++) {
        if (job->needs[kind].n_slots > job->needs[kind].required) {
            return true;
        }
    }
    return false;
}

/* Requests that the job does not need any more; ACTIVE slots it gives back itself. */
static void drop_requests(struct resourcemanager *rm, struct rm_job *job)
{
    for (size_t i = 0; i < rm->tms.len && has_too_many(job); i++) {
        struct rm_tm *tm = vec_ptr(&rm->tms, i);
        for (uint32_t k = 0; k < rm_tm_n_rows(tm); k++) {
            struct rm_slot *s = rm_tm_row(tm, k);
            if (s->job == job && s->state == RM_SLOT_REQUESTED &&
                job->needs[s->kind].n_slots > job->needs[s->kind].required) {
                rm_slot_give_up(s, "the job does not need the slot any more");
            }
        }
    }
}

static void unlist_jobs(struct resourcemanager *rm)
{
    for (size_t i = rm->wanting.len; i > 0; i--) {
        struct rm_job *job = vec_ptr(&rm->wanting, i - 1);
        if (job->removed || rm_job_required(job) == 0) {
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

/* A slot like this is wanted, and a task manager that has room for it must be left alone for now: when not any
 * more, if that is before `until_ms`. */
static int64_t pause_end(const struct resourcemanager *rm, const struct resource_profile *profile,
                         int64_t until_ms)
{
    int64_t now = rm_now_ms(rm);
    for (size_t i = 0; i < rm->tms.len; i++) {
        const struct rm_tm *tm = vec_ptr(&rm->tms, i);
        if (tm->retry_at_ms > now && tm->retry_at_ms < until_ms && rm_tm_has_room(tm, profile)) {
            until_ms = tm->retry_at_ms;
        }
    }
    return until_ms;
}

/* What a round of matching has found out. */
struct match_round {
    bool no_static_left; /* free static slots, for nobody */
    int64_t retry_at_ms; /* INT64_MAX: nothing is to be waited for */
};

static void match_job(struct resourcemanager *rm, struct rm_job *job, struct match_round *round)
{
    for (uint32_t kind = 0; kind < job->n_needs; kind++) {
        struct rm_need *need = &job->needs[kind];
        struct rm_slot *s = NULL;
        if (need->profile == NULL && round->no_static_left) {
            continue;
        }
        while (need->n_slots < need->required && (s = pick(rm, job, need->profile)) != NULL) {
            rm_slot_request(s, job, kind);
        }
        if (need->n_slots < need->required) {
            round->retry_at_ms = pause_end(rm, need->profile, round->retry_at_ms);
            round->no_static_left |= need->profile == NULL;
            rm_tell_short(rm, job, kind);
        }
    }
}

void rm_match(struct resourcemanager *rm)
{
    if (rm->matching) {
        return; /* the one above goes on */
    }
    rm->matching = true;
    struct match_round round = {.retry_at_ms = INT64_MAX};
    for (size_t i = 0; i < rm->wanting.len; i++) {
        drop_requests(rm, vec_ptr(&rm->wanting, i));
    }
    for (size_t i = 0; i < rm->wanting.len; i++) {
        match_job(rm, vec_ptr(&rm->wanting, i), &round);
    }
    if (round.retry_at_ms != INT64_MAX) {
        component_cancel(rm->component, rm->match_timer);
        rm->match_timer =
            component_schedule(rm->component, round.retry_at_ms - rm_now_ms(rm), on_retry, rm);
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
