/* Places, failures and ended attempts; see attempts.h. */
#include "jobmanager/jobmaster/attempts.h"

#include "common/base/mem.h"
#include "jobmanager/jobmaster/snapshot.h"

struct place *place_new(const struct worker_place *place)
{
    if (place == NULL) {
        return NULL;
    }
    struct place *p = MEM_NEW(struct place);
    p->refs = 1;
    p->tm_id = mem_strdup(place->tm_id);
    p->host = mem_strdup(place->host);
    p->endpoint = mem_strdup(place->endpoint);
    p->data_location = mem_strdup(place->data_location);
    return p;
}

struct place *place_ref(struct place *p)
{
    if (p != NULL) {
        p->refs++;
    }
    return p;
}

void place_unref(struct place *p)
{
    if (p != NULL && --p->refs == 0) {
        mem_free(p->tm_id);
        mem_free(p->host);
        mem_free(p->endpoint);
        mem_free(p->data_location);
        mem_free(p);
    }
}

struct attempt_failure *attempt_failure_new(const struct error *why)
{
    struct attempt_failure *f = MEM_NEW(struct attempt_failure);
    f->refs = 1;
    error_copy(&f->error, why);
    return f;
}

struct attempt_failure *attempt_failure_ref(struct attempt_failure *f)
{
    if (f != NULL) {
        f->refs++;
    }
    return f;
}

void attempt_failure_unref(struct attempt_failure *f)
{
    if (f != NULL && --f->refs == 0) {
        mem_free(f);
    }
}

static void prior_attempt_fini(struct prior_attempt *p)
{
    place_unref(p->place);
    attempt_failure_unref(p->failure);
    task_accumulators_fini(&p->accumulators);
}

void attempts_remember(struct snapshot *s, struct subtask *subtask, uint32_t max)
{
    struct execution *e = &subtask->execution;
    if (max == 0) {
        return;
    }
    while (subtask->prior.len >= max) {
        prior_attempt_fini(VEC_AT(&subtask->prior, struct prior_attempt, 0));
        vec_remove(&subtask->prior, 0);
    }
    struct prior_attempt *p = VEC_PUSH(&subtask->prior, struct prior_attempt);
    *p = (struct prior_attempt){
        .id = e->id,
        .allocation_id = e->slot.allocation_id,
        .number = e->number,
        .state = e->state,
        .place = STEAL(e->place),
        .failure = STEAL(e->failure),
        .io_complete = e->io_complete,
    };
    memcpy(p->since_ms, e->since_ms, sizeof(p->since_ms));
    pthread_mutex_lock(&s->lock);
    p->counters = subtask->counters;
    p->accumulators = subtask->accumulators;
    vec_init(&subtask->accumulators, sizeof(struct task_accumulator));
    pthread_mutex_unlock(&s->lock);
}

void attempts_forget(struct subtask *subtask)
{
    for (size_t i = 0; i < subtask->prior.len; i++) {
        prior_attempt_fini(VEC_AT(&subtask->prior, struct prior_attempt, i));
    }
    vec_fini(&subtask->prior);
}
