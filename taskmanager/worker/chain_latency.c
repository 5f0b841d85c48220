/* Marking, measuring and passing on; see chain_latency.h. */
#include "taskmanager/worker/chain_latency.h"
#include "taskmanager/worker/chain_host.h"
#include <stdio.h>
#include <strings.h>

static const char *const granularity_names[] = {
    [LATENCY_GRANULARITY_SINGLE] = "single",
    [LATENCY_GRANULARITY_OPERATOR] = "operator",
    [LATENCY_GRANULARITY_SUBTASK] = "subtask",
};
_Static_assert(ARRAY_LEN(granularity_names) == LATENCY_GRANULARITIES, "a name per granularity");

const char *latency_granularity_name(enum latency_granularity granularity)
{
    return (unsigned)granularity < LATENCY_GRANULARITIES ? granularity_names[granularity]
                                                         : "unknown";
}

bool latency_granularity_parse(const char *text, enum latency_granularity *ret_granularity)
{
    for (uint32_t i = 0; i < LATENCY_GRANULARITIES; i++) {
        if (strcasecmp(text, granularity_names[i]) == 0) {
            *ret_granularity = (enum latency_granularity)i;
            return true;
        }
    }
    return false;
}

/* ---- life --------------------------------------------------------------------------------------- */

static void chain_latency_schedule(struct chain_op *op, int64_t at_ms)
{
    op->latency.next_ms = at_ms;
    op->chain->next_timer_ms = MIN(op->chain->next_timer_ms, at_ms);
}

void chain_latency_init(struct chain_op *op)
{
    const struct chain_options *o = &op->chain->options;
    op->latency.next_ms = INT64_MAX;
    if (op->ctx.n_inputs == 0 && o->latency.interval_ms > 0) {
        chain_latency_schedule(op, clock_now_ms(o->clock));
    }
}

void chain_latency_fini(struct chain_op *op)
{
    struct chain_latency *l = &op->latency;
    l->passing = latency_marker_unref(l->passing);
    l->group = metric_group_free(l->group);
    mem_free(l->series);
}

/* ---- at a source -------------------------------------------------------------------------------- */

static struct flinc_id chain_latency_operator_id(const struct chain_op *op)
{
    struct flinc_id id = {{0}};
    if (op->ctx.spec->id.len == sizeof(id.bytes)) {
        memcpy(id.bytes, op->ctx.spec->id.data, sizeof(id.bytes));
    }
    return id;
}

int chain_latency_mark(struct chain_op *op, int64_t now_ms, struct error *err)
{
    int64_t next_ms;
    if (__builtin_add_overflow(now_ms, op->chain->options.latency.interval_ms, &next_ms)) {
        next_ms = INT64_MAX;
    }
    if (op->chain->n_waiting > 0) { /* it would wait in a list, and the next one behind it */
        chain_latency_schedule(op, next_ms);
        return 0;
    }
    struct flinc_id id = chain_latency_operator_id(op);
    op->latency.passing = latency_marker_new(now_ms, &id, op->ctx.subtask);
    chain_latency_schedule(op, next_ms);
    return chain_op_flush(op, CHAIN_CALL_MARKER, err);
}

/* ---- measuring ---------------------------------------------------------------------------------- */

static struct metric_group *chain_latency_group(struct chain_op *op, const struct latency_marker *m)
{
    enum latency_granularity granularity = op->chain->options.latency.granularity;
    char hex[ID_HEX_LEN + 1], number[16];
    if (op->latency.group == NULL) {
        op->latency.group = metric_group_add(op->chain->options.job_metrics, "latency");
    }
    struct metric_group *g = op->latency.group;
    if (granularity != LATENCY_GRANULARITY_SINGLE) {
        id_format(&m->source_id, hex);
        g = metric_group_add_pair(g, "source_id", hex);
    }
    if (granularity == LATENCY_GRANULARITY_SUBTASK) {
        snprintf(number, sizeof(number), "%u", m->source_subtask);
        g = metric_group_add_pair(g, "source_subtask_index", number);
    }
    struct flinc_id own = chain_latency_operator_id(op);
    id_format(&own, hex);
    g = metric_group_add_pair(g, "operator_id", hex);
    snprintf(number, sizeof(number), "%u", op->ctx.subtask);
    return metric_group_add_pair(g, "operator_subtask_index", number);
}

static bool latency_series_is_of(const struct latency_series *s, const struct latency_marker *m,
                                 enum latency_granularity granularity)
{
    switch (granularity) {
    case LATENCY_GRANULARITY_SINGLE:
        return true;
    case LATENCY_GRANULARITY_OPERATOR:
        return id_eq(&s->source_id, &m->source_id);
    default:
        return s->source_subtask == m->source_subtask && id_eq(&s->source_id, &m->source_id);
    }
}

/* NULL: there are too many. */
static struct latency_series *chain_latency_series(struct chain_op *op,
                                                   const struct latency_marker *m)
{
    struct chain_latency *l = &op->latency;
    for (uint32_t i = 0; i < l->n_series; i++) {
        if (latency_series_is_of(&l->series[i], m, op->chain->options.latency.granularity)) {
            return &l->series[i];
        }
    }
    if (l->n_series == LATENCY_SERIES_MAX) {
        return NULL;
    }
    if (l->n_series == l->cap_series) {
        l->cap_series = MAX(l->cap_series * 2, 4u);
        l->series = mem_realloc(l->series, sizeof(*l->series) * l->cap_series);
    }
    l->series[l->n_series] = (struct latency_series){
        .source_id = m->source_id,
        .source_subtask = m->source_subtask,
        .histogram = metric_group_histogram(chain_latency_group(op, m), "latency"),
    };
    return &l->series[l->n_series++];
}

static void chain_latency_measure(struct chain_op *op, const struct latency_marker *m)
{
    const struct chain_options *o = &op->chain->options;
    struct latency_series *s = o->job_metrics != NULL ? chain_latency_series(op, m) : NULL;
    if (s != NULL) {
        metric_histogram_add(s->histogram, clock_now_ms(o->clock) - m->marked_ms);
    }
}

int chain_latency_take(struct chain_op *op, struct latency_marker *take_marker, struct error *err)
{
    ASSERT(op->latency.passing == NULL);
    chain_latency_measure(op, take_marker);
    if (op->ctx.n_outputs == 0) {
        latency_marker_unref(take_marker);
        return chain_op_after(op, OP_DONE, CHAIN_CALL_OTHER, err);
    }
    op->latency.passing = take_marker;
    return chain_op_flush(op, CHAIN_CALL_MARKER, err);
}

/* ---- passing on --------------------------------------------------------------------------------- */

void chain_latency_forward(struct chain_op *op)
{
    struct latency_marker *m = op->latency.passing;
    uint32_t n = 0;
    op->latency.passing = NULL;
    for (uint32_t i = 0; i < op->ctx.n_outputs; i++) {
        n += op->outputs[i].n_targets;
    }
    if (n == 0) {
        latency_marker_unref(m);
        return;
    }
    uint32_t chosen = n > 1 ? (uint32_t)rng_below(&op->chain->rng, n) : 0, output = 0;
    while (chosen >= op->outputs[output].n_targets) {
        chosen -= op->outputs[output++].n_targets;
    }
    const struct chain_target *t = &op->outputs[output].targets[chosen];
    if (t->partition != NULL) {
        result_partition_send_marker(t->partition, m);
    } else {
        chain_push_marker(op->chain, t->feed, m);
    }
}
