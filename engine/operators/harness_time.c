/* The operator harness: watermarks, processing time and checkpoints (harness.h). */
#include "engine/operators/harness_internal.h"

#include "engine/snapshot/output.h"
#include "engine/state/operator_state.h"
#include "engine/state/state.h"

#include <stdlib.h>

enum { HARNESS_STEP_ENTRIES = 1000 };

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

static bool all_idle(const struct harness *h)
{
    for (uint32_t i = 0; i < h->ctx.n_inputs; i++) {
        if (!h->input_idle[i]) {
            return false;
        }
    }
    return true;
}

int harness_idle(struct harness *h, uint32_t input, bool idle, struct error *err)
{
    ASSERT(input < h->ctx.n_inputs && !h->waiting);
    const struct operator_desc *desc = h->op->desc;
    bool was_idle = all_idle(h);
    h->input_idle[input] = idle;
    bool tells = desc->idle != NULL && all_idle(h) != was_idle;
    if (tells && !idle) {
        desc->idle(h->op, &h->ctx, false);
    }
    int rc = advance(h, err);
    if (rc == OP_DONE && tells && idle) {
        desc->idle(h->op, &h->ctx, true);
    }
    return rc;
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

bool harness_holds_sources(const struct harness *h)
{
    return h->holds_sources;
}

/* ---- checkpoints ------------------------------------------------------------------------------- */

/* Keyed state, written to the end inline. */
static int freeze_keyed(struct harness *h, const struct keyed_freeze *how,
                        Flinc__OperatorSubtaskState *state, struct error *err)
{
    struct keyed_snapshot *snapshot = NULL;
    Flinc__KeyedHandle *handle = calloc(1, sizeof(*handle));
    flinc__keyed_handle__init(handle);
    int rc = keyed_backend_freeze(h->backend, how, &snapshot, err);
    while (rc >= 0 &&
           (rc = keyed_snapshot_step(snapshot, HARNESS_STEP_ENTRIES, handle, err)) == 1) {
        ASSERT(h->disk.directory != NULL || keyed_snapshot_is_writable(snapshot));
    }
    keyed_snapshot_free(snapshot);
    if (rc < 0) {
        flinc__keyed_handle__free_unpacked(handle, NULL);
        return rc;
    }
    state->keyed = calloc(1, sizeof(*state->keyed));
    state->keyed[0] = handle;
    state->n_keyed = 1;
    return 0;
}

/* What belongs to no key, likewise. */
static int freeze_operator_state(struct harness *h, struct snapshot_target *target,
                                 Flinc__OperatorSubtaskState *state, struct error *err)
{
    struct operator_state_snapshot *snapshot = NULL;
    TRY(operator_state_freeze(h->operator_state, target, &snapshot, err));
    state->operator_state = calloc(1, sizeof(*state->operator_state));
    state->operator_state[0] = calloc(1, sizeof(*state->operator_state[0]));
    state->n_operator_state = 1;
    flinc__operator_state_handle__init(state->operator_state[0]);
    int rc = operator_state_snapshot_poll(snapshot, state->operator_state[0], err);
    ASSERT(rc != 0); /* nothing is written elsewhere */
    operator_state_snapshot_free(snapshot);
    return rc < 0 ? rc : 0;
}

static int snapshot_operator(struct harness *h, const struct op_checkpoint *checkpoint,
                             struct error *err)
{
    const struct operator_desc *desc = h->op->desc;
    if (desc->prepare_barrier != NULL) {
        int rc = desc->prepare_barrier(h->op, &h->ctx, checkpoint, err);
        TRY(harness_finish(h, rc, err));
    }
    TRY(harness_flush(h, err));
    return desc->snapshot != NULL ? desc->snapshot(h->op, &h->ctx, checkpoint, err) : 0;
}

static int freeze_all(struct harness *h, const struct op_checkpoint *checkpoint,
                      Flinc__OperatorSubtaskState *state, struct error *err)
{
    Flinc__CheckpointLocation location = FLINC__CHECKPOINT_LOCATION__INIT;
    location.inline_only = true;
    location.inline_threshold = location.inline_max = UINT64_MAX;
    struct snapshot_target *target = snapshot_target_new(&(struct snapshot_target_options){
        .location = &location, .checkpoint_id = checkpoint->id, .owner = "harness"});
    int rc = 0;
    if (h->backend != NULL) {
        struct keyed_freeze how = {
            .checkpoint_id = checkpoint->id, .kind = checkpoint->kind, .target = target};
        rc = freeze_keyed(h, &how, state, err);
    }
    if (rc == 0 && h->operator_state != NULL) {
        rc = freeze_operator_state(h, target, state, err);
    }
    snapshot_target_unref(target);
    return rc;
}

int harness_snapshot(struct harness *h, uint64_t checkpoint_id, Flinc__CheckpointKind kind,
                     Flinc__OperatorSubtaskState **ret_state, struct error *err)
{
    struct op_checkpoint checkpoint = {
        .id = checkpoint_id, .timestamp_ms = clock_now_ms(h->ctx.clock), .kind = kind};
    bool was_waiting = h->waiting; /* a barrier passes an operator that waits */
    TRY(snapshot_operator(h, &checkpoint, err));
    h->waiting = was_waiting;
    Flinc__OperatorSubtaskState *state = calloc(1, sizeof(*state));
    flinc__operator_subtask_state__init(state);
    int rc = freeze_all(h, &checkpoint, state, err);
    if (rc < 0) {
        flinc__operator_subtask_state__free_unpacked(state, NULL);
        return rc;
    }
    *ret_state = state;
    return 0;
}

Flinc__OperatorSubtaskState *harness_join_states(Flinc__OperatorSubtaskState **take_states,
                                                 size_t n)
{
    Flinc__OperatorSubtaskState *all = calloc(1, sizeof(*all));
    flinc__operator_subtask_state__init(all);
    all->keyed = calloc(n, sizeof(*all->keyed));
    all->operator_state = calloc(n, sizeof(*all->operator_state));
    for (size_t i = 0; i < n; i++) {
        Flinc__OperatorSubtaskState *s = take_states[i];
        ASSERT(s->n_keyed <= 1 && s->n_operator_state <= 1);
        if (s->n_keyed == 1) {
            all->keyed[all->n_keyed++] = s->keyed[0];
        }
        if (s->n_operator_state == 1) {
            all->operator_state[all->n_operator_state++] = s->operator_state[0];
        }
        s->n_keyed = s->n_operator_state = 0;
        flinc__operator_subtask_state__free_unpacked(s, NULL);
    }
    return all;
}

int harness_notify(struct harness *h, enum op_notice notice, uint64_t checkpoint_id,
                   struct error *err)
{
    const struct operator_desc *desc = h->op->desc;
    if (notice == OP_NOTICE_COMPLETE && h->backend != NULL) {
        keyed_backend_confirm(h->backend, checkpoint_id);
    }
    return desc->notify != NULL
               ? harness_finish(h, desc->notify(h->op, &h->ctx, notice, checkpoint_id, err), err)
               : OP_DONE;
}
