/* Evictors: which records a firing window forgets (Flink's package windowing.evictors). */
#include "engine/operators/window/general_window.h"

#include "flinc/time.h"

typedef int (*evict_fn)(flinc_ctx *ctx, const flinc_pane *pane, const int64_t *timestamps,
                        uint8_t *evict);

_Static_assert(BATCH_NO_TIMESTAMP == FLINC_NO_TIMESTAMP, "as functions see it");

bool evictor_is_sound(const Flinc__WindowEvictor *e)
{
    switch (e->kind) {
    case FLINC__WINDOW_EVICTOR_KIND__EVICTOR_COUNT:
    case FLINC__WINDOW_EVICTOR_KIND__EVICTOR_TIME:
    case FLINC__WINDOW_EVICTOR_KIND__EVICTOR_DELTA:
        return true;
    case FLINC__WINDOW_EVICTOR_KIND__EVICTOR_FUNCTION:
        return e->has_before || e->has_after;
    default:
        return false;
    }
}

/* The last ones stay.  Flink: CountEvictor. */
static size_t by_count(struct general_side *side, int64_t count)
{
    size_t n = side->n_records, drop = n > (size_t)count ? n - (size_t)count : 0;
    memmove(side->records, side->records + drop, (n - drop) * sizeof(*side->records));
    memmove(side->times, side->times + drop, (n - drop) * sizeof(*side->times));
    side->n_records = n - drop;
    return drop;
}

/* Those of the time before the latest stay.  Flink: TimeEvictor. */
static size_t by_time(struct general_side *side, int64_t time_ms)
{
    size_t n = side->n_records, kept = 0;
    int64_t latest = BATCH_NO_TIMESTAMP;
    for (size_t i = 0; i < n; i++) {
        latest = MAX(latest, side->times[i]);
    }
    if (latest == BATCH_NO_TIMESTAMP) {
        return 0;
    }
    for (size_t i = 0; i < n; i++) {
        if (side->times[i] > time_add(latest, -time_ms)) {
            side->records[kept] = side->records[i];
            side->times[kept++] = side->times[i];
        }
    }
    side->n_records = kept;
    return n - kept;
}

/* Those less than the threshold away from the last one stay.  Flink: DeltaEvictor. */
static int by_delta(struct general_window *w, double threshold, size_t *ret_evicted,
                    struct error *err)
{
    struct general_side *side = &w->sides[0];
    size_t n = side->n_records, kept = 0;
    const char *last = n > 0 ? side->records[n - 1] : NULL;
    for (size_t i = 0; i < n; i++) {
        double delta;
        TRY(delta_measure(w->evictor_delta, side->records[i], last, &delta, err));
        if (!(delta >= threshold)) {
            side->records[kept] = side->records[i];
            side->times[kept++] = side->times[i];
        }
    }
    side->n_records = kept;
    *ret_evicted = n - kept;
    return 0;
}

/* As a function of the user says.  Flink: Evictor. */
static int by_function(struct general_window *w, struct user_function *f, const flinc_pane *pane,
                       size_t *ret_evicted, struct error *err)
{
    struct general_side *side = &w->sides[0];
    size_t n = side->n_records, kept = 0;
    if (n > w->cap_marks) {
        w->cap_marks = n * 2;
        w->evict_marks = mem_realloc(w->evict_marks, w->cap_marks);
    }
    memset(w->evict_marks, 0, n);
    TRY(user_function_check_cancelled(f, err));
    int rc = ((evict_fn)f->call)(&f->ctx, pane, side->times, w->evict_marks);
    if (rc < 0) {
        return user_function_failed(f, rc, err);
    }
    TRY(user_function_check(f, err));
    for (size_t i = 0; i < n; i++) {
        if (!w->evict_marks[i]) {
            side->records[kept] = side->records[i];
            side->times[kept++] = side->times[i];
        }
    }
    side->n_records = kept;
    *ret_evicted = n - kept;
    return 0;
}

void evictor_close(struct general_window *w)
{
    mem_free(w->evict_marks);
    w->evict_marks = NULL;
}

int evictor_run(struct general_window *w, enum evict_moment moment, const flinc_pane *pane,
                size_t *inout_evicted, struct error *err)
{
    const Flinc__WindowEvictor *e = w->base.config->evictor;
    struct general_side *side = &w->sides[0];
    size_t evicted = 0;
    if (e == NULL || side->n_records == 0) {
        return 0;
    }
    if (e->kind == FLINC__WINDOW_EVICTOR_KIND__EVICTOR_FUNCTION) {
        if (w->evict[moment] != NULL) {
            TRY(by_function(w, w->evict[moment], pane, &evicted, err));
        }
    } else if (moment == (e->after ? EVICT_AFTER : EVICT_BEFORE)) {
        if (e->kind == FLINC__WINDOW_EVICTOR_KIND__EVICTOR_DELTA) {
            TRY(by_delta(w, e->threshold, &evicted, err));
        } else {
            evicted = e->kind == FLINC__WINDOW_EVICTOR_KIND__EVICTOR_COUNT
                          ? by_count(side, e->count)
                          : by_time(side, e->time_ms);
        }
    }
    *inout_evicted += evicted;
    return 0;
}
