/* Evictors: which records a firing window forgets (Flink's package windowing.evictors). */
#include "engine/operators/window/general_window.h"

bool evictor_is_sound(const Flinc__WindowEvictor *e)
{
    switch (e->kind) {
    case FLINC__WINDOW_EVICTOR_KIND__EVICTOR_COUNT:
    case FLINC__WINDOW_EVICTOR_KIND__EVICTOR_TIME:
    case FLINC__WINDOW_EVICTOR_KIND__EVICTOR_DELTA:
        return true;
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

int evictor_run(struct general_window *w, size_t *ret_evicted, struct error *err)
{
    const Flinc__WindowEvictor *e = w->base.config->evictor;
    struct general_side *side = &w->sides[0];
    if (e->kind == FLINC__WINDOW_EVICTOR_KIND__EVICTOR_DELTA) {
        return by_delta(w, e->threshold, ret_evicted, err);
    }
    *ret_evicted = e->kind == FLINC__WINDOW_EVICTOR_KIND__EVICTOR_COUNT ? by_count(side, e->count)
                                                                        : by_time(side, e->time_ms);
    return 0;
}
