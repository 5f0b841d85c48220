/* The operator harness: watermarks, processing time and checkpoints (harness.h). */
#include "engine/operators/harness_internal.h"

/* ---- watermarks -------------------------------------------------------------------------------- */

/* The minimum over the inputs that are not idle; INT64_MIN while one of them has none. */
static int64_t combined_watermark(const struct harness *h)
{
    int64_t lowest = INT64_MAX;
    bool any_active = false;
    for (uint32_t i = 0; i < h->ctx.n_inputs; i++) {
        if (!h->input_idle[i]) {
            any_active = true;
            lowest = MIN(lowest, h->input_watermarks[i]);
        }
    }
    return any_active ? lowest : INT64_MIN;
}

static int advance(struct harness *h, struct error *err)
{
    int64_t watermark_ms = combined_watermark(h);
    if (watermark_ms <= h->ctx.watermark_ms) {
        return OP_DONE;
    }
    h->ctx.watermark_ms = watermark_ms;
    const struct operator_desc *desc = h->op->desc;
    return desc->watermark != NULL
               ? harness_finish(h, desc->watermark(h->op, &h->ctx, watermark_ms, err), err)
               : OP_DONE;
}

int harness_watermark(struct harness *h, uint32_t input, int64_t watermark_ms, struct error *err)
{
    ASSERT(input < h->ctx.n_inputs && !h->waiting);
    h->input_watermarks[input] = MAX(h->input_watermarks[input], watermark_ms);
    h->input_idle[input] = false;
    return advance(h, err);
}

int harness_idle(struct harness *h, uint32_t input, bool idle, struct error *err)
{
    ASSERT(input < h->ctx.n_inputs && !h->waiting);
    h->input_idle[input] = idle;
    return advance(h, err);
}

/* ---- processing time --------------------------------------------------------------------------- */

int harness_processing_time(struct harness *h, struct error *err)
{
    const struct operator_desc *desc = h->op->desc;
    for (;;) {
        int64_t now_ms = clock_now_ms(h->ctx.clock);
        if (h->timer_ms > now_ms) {
            return OP_DONE;
        }
        h->timer_ms = INT64_MAX;
        TRY(harness_finish(h, desc->processing_time(h->op, &h->ctx, now_ms, err), err));
    }
}

int64_t harness_timer(const struct harness *h)
{
    return h->timer_ms;
}

/* ---- checkpoints ------------------------------------------------------------------------------- */

int harness_snapshot(struct harness *h, uint64_t checkpoint_id, Flinc__CheckpointKind kind,
                     Flinc__OperatorSubtaskState **ret_state, struct error *err)
{
    return error_set(err, ERR_UNSUPPORTED, "operator '%s': the harness takes no snapshots yet",
                     h->ctx.spec->name);
}

int harness_notify(struct harness *h, enum op_notice notice, uint64_t checkpoint_id,
                   struct error *err)
{
    const struct operator_desc *desc = h->op->desc;
    return desc->notify != NULL
               ? harness_finish(h, desc->notify(h->op, &h->ctx, notice, checkpoint_id, err), err)
               : OP_DONE;
}
