/* Watermark alignment in a subtask; see alignment.h. */
#include "engine/operators/time/alignment.h"

#include "common/metrics/registry.h"

/* ---- reports ------------------------------------------------------------------------------------ */

static void send_report(struct op_context *ctx, const Flinc__AlignmentReport *report)
{
    uint8_t bytes[64];
    size_t size = flinc__alignment_report__get_packed_size(report);
    ASSERT(size <= sizeof(bytes)); /* four numbers */
    flinc__alignment_report__pack(report, bytes);
    op_send_event(ctx, bytes, size);
}

static void report(struct alignment *a, struct op_context *ctx)
{
    Flinc__AlignmentReport r = FLINC__ALIGNMENT_REPORT__INIT;
    r.version = ALIGNMENT_VERSION;
    r.watermark_ms = a->reported_ms = a->watermark_ms;
    r.is_idle = a->reported_idle = a->is_idle;
    send_report(ctx, &r);
}

void alignment_report_finished(struct op_context *ctx)
{
    Flinc__AlignmentReport r = FLINC__ALIGNMENT_REPORT__INIT;
    r.version = ALIGNMENT_VERSION;
    r.watermark_ms = INT64_MAX;
    r.is_finished = true;
    send_report(ctx, &r);
}

/* ---- metrics ------------------------------------------------------------------------------------ */

/* How far it is ahead of the group; 0 while that is not known. */
static void gauge_drift(void *arg, struct metric_value *ret_value)
{
    const struct alignment *a = arg;
    int64_t least_ms = atomic_load(&a->least_ms), seen_ms = atomic_load(&a->seen_ms), drift_ms = 0;
    bool is_known = least_ms != INT64_MIN && least_ms != INT64_MAX && seen_ms != INT64_MIN;
    if (!is_known || __builtin_sub_overflow(seen_ms, least_ms, &drift_ms)) {
        drift_ms = 0;
    }
    metric_value_set_i64(ret_value, drift_ms);
}

static void gauge_held(void *arg, struct metric_value *ret_value)
{
    const struct alignment *a = arg;
    int64_t held_ms = atomic_load(&a->held_ms), since_ms = atomic_load(&a->held_since_ms);
    int64_t now_ms = clock_monotonic_ns(a->clock) / 1000000;
    metric_value_set_i64(ret_value, held_ms + (since_ms > 0 ? MAX(now_ms - since_ms, 0) : 0));
}

/* ---- holding ------------------------------------------------------------------------------------ */

static void hold(struct alignment *a, struct op_context *ctx, bool holds)
{
    int64_t now_ms = MAX(clock_monotonic_ns(a->clock) / 1000000, 1);
    if (!holds) {
        atomic_fetch_add(&a->held_ms, now_ms - atomic_load(&a->held_since_ms));
    }
    atomic_store(&a->held_since_ms, holds ? now_ms : 0);
    a->is_holding = holds;
    (void)op_hold_sources(ctx, holds);
}

static void decide(struct alignment *a, struct op_context *ctx)
{
    bool holds = !a->is_over && a->watermark_ms > a->limit_ms;
    if (holds != a->is_holding) {
        hold(a, ctx, holds);
    }
}

/* ---- calls -------------------------------------------------------------------------------------- */

int alignment_open(struct alignment *a, struct op_context *ctx,
                   const Flinc__WatermarkAlignment *config, struct error *err)
{
    if (config == NULL || config->group[0] == '\0' || config->max_drift_ms < 0 ||
        config->interval_ms <= 0) {
        return error_set(err, ERR_CORRUPT, "operator '%s' (%s): its configuration is damaged",
                         ctx->spec->name, ctx->spec->kind);
    }
    if (op_hold_sources(ctx, false) == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s' aligns watermarks, for which it must be in one task with "
                         "its source",
                         ctx->spec->name);
    }
    a->is_on = true;
    a->clock = ctx->clock;
    a->interval_ms = config->interval_ms;
    a->next_ms = clock_now_ms(ctx->clock) + a->interval_ms;
    a->watermark_ms = a->limit_ms = INT64_MIN;
    atomic_init(&a->least_ms, INT64_MIN);
    atomic_init(&a->seen_ms, INT64_MIN);
    if (ctx->metrics != NULL) {
        metric_group_gauge_fn(ctx->metrics, "watermarkAlignmentDrift", gauge_drift, a);
        metric_group_gauge_fn(metric_group_add(ctx->metrics, "watermark"),
                              "accumulatedPausedTimeMs", gauge_held, a);
    }
    report(a, ctx);
    return 0;
}

void alignment_see(struct alignment *a, struct op_context *ctx, int64_t watermark_ms, bool is_idle)
{
    if (a->is_over) {
        return;
    }
    bool was_holding = a->is_holding;
    a->watermark_ms = watermark_ms;
    a->is_idle = is_idle;
    atomic_store_explicit(&a->seen_ms, watermark_ms, memory_order_relaxed);
    decide(a, ctx);
    if ((a->is_holding && !was_holding) || is_idle != a->reported_idle) {
        report(a, ctx);
    }
}

void alignment_turn(struct alignment *a, struct op_context *ctx, int64_t now_ms)
{
    if (a->is_over || now_ms < a->next_ms) {
        return;
    }
    a->next_ms = now_ms + a->interval_ms;
    if (a->watermark_ms != a->reported_ms || a->is_idle != a->reported_idle) {
        report(a, ctx);
    }
}

int alignment_on_event(struct alignment *a, struct op_context *ctx, const uint8_t *data,
                       size_t size, struct error *err)
{
    Flinc__AlignmentAnnouncement *m = flinc__alignment_announcement__unpack(NULL, size, data);
    bool is_valid = m != NULL && m->version == ALIGNMENT_VERSION;
    if (is_valid) {
        a->limit_ms = m->limit_ms;
        atomic_store(&a->least_ms, m->least_ms);
        decide(a, ctx);
    }
    flinc__alignment_announcement__free_unpacked(m, NULL);
    return is_valid ? 0
                    : error_set(err, ERR_PARSE,
                                "an announcement of the watermark alignment is "
                                "damaged, or of another version");
}

void alignment_end(struct alignment *a, struct op_context *ctx)
{
    if (!a->is_over) {
        a->is_over = true;
        decide(a, ctx);
        alignment_report_finished(ctx);
    }
}
