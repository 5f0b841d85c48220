/* The operator harness: the services behind op_context (harness.h).  Thread: the harness's owner; wakes
 * come from any. */
#include "engine/operators/harness_internal.h"

#include "engine/data/hash.h"
#include "engine/state/operator_state.h"
#include "engine/state/state.h"

#include <stdio.h>

/* ---- services ---------------------------------------------------------------------------------- */

static struct harness *harness_of(struct op_context *ctx)
{
    return ctx->host_data;
}

static void keep_rows(struct harness_output *o, const struct batch *b)
{
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t row = batch_row(b, i);
        if (o->rows.len > 0) {
            str_append_char(&o->rows, '\n');
        }
        batch_print_row(b, row, &o->rows);
        if (b->timestamps != NULL) {
            int64_t at = ((const int64_t *)(const void *)b->timestamps->data)[row];
            if (at == BATCH_NO_TIMESTAMP) {
                str_append_cstr(&o->rows, " @none");
            } else {
                str_printf(&o->rows, " @%lld", (long long)at);
            }
        }
    }
}

static void host_emit(struct op_context *ctx, uint32_t output, struct batch *take_batch)
{
    struct harness *h = harness_of(ctx);
    ASSERT(output < ctx->n_outputs);
    h->emitted++;
    ASSERT(h->emitted <= OPERATOR_EMIT_MAX);
    h->max_emitted = MAX(h->max_emitted, h->emitted);
    if (take_batch->n_sel == 0) {
        batch_unref(take_batch);
        return;
    }
    h->outputs[output].n_rows += take_batch->n_sel;
    h->outputs[output].n_batches++;
    if (h->on_batch != NULL) {
        h->on_batch(h->on_batch_arg, output, take_batch);
        return;
    }
    if (h->emit_error.code == 0 && batch_validate(take_batch, &h->emit_error) == 0) {
        ASSERT(schema_equals(take_batch->schema, ctx->output_schemas[output]));
        keep_rows(&h->outputs[output], take_batch);
    }
    batch_unref(take_batch);
}

static void host_send_event(struct op_context *ctx, const uint8_t *data, size_t size)
{
    struct str *event = VEC_PUSH(&harness_of(ctx)->events, struct str);
    str_append(event, (const char *)data, size);
}

static int host_resolve(struct op_context *ctx, const Flinc__FunctionRef *ref, void **ret_fn,
                        struct error *err)
{
    if (ref->offset == 0) {
        return error_set(err, ERR_NOT_FOUND, "there is no function '%s'", ref->name);
    }
    *ret_fn = (void *)(uintptr_t)ref->offset;
    return 0;
}

void harness_wake(struct op_waker *base)
{
    struct harness_waker *w = CONTAINER_OF(base, struct harness_waker, base);
    atomic_fetch_add(&w->wakes, 1);
    event_count_signal(&w->event);
}

static struct op_waker *host_waker(struct op_context *ctx)
{
    return &harness_of(ctx)->waker.base;
}

static void host_wake_after(struct op_context *ctx, int64_t delay_ms)
{
    harness_of(ctx)->wake_delay_ms = delay_ms;
}

static int host_accumulate(struct op_context *ctx, const char *name, const char *type,
                           int64_t delta, double delta_double, struct error *err)
{
    struct harness *h = harness_of(ctx);
    for (size_t i = 0; i < h->accumulators.len; i++) {
        struct harness_accumulator *a = VEC_AT(&h->accumulators, struct harness_accumulator, i);
        if (strcmp(a->name, name) == 0) {
            a->value += delta;
            return 0;
        }
    }
    *VEC_PUSH(&h->accumulators, struct harness_accumulator) =
        (struct harness_accumulator){.name = mem_strdup(name), .value = delta};
    return 0;
}

/* ---- time -------------------------------------------------------------------------------------- */

/* A line of its own among the rows. */
static void keep_line(struct harness *h, const char *line)
{
    struct str *rows = &h->outputs[0].rows;
    if (rows->len > 0) {
        str_append_char(rows, '\n');
    }
    str_append_cstr(rows, line);
}

static void host_emit_watermark(struct op_context *ctx, int64_t watermark_ms)
{
    struct harness *h = harness_of(ctx);
    if (watermark_ms <= h->emitted_watermark_ms) {
        return;
    }
    h->emitted_watermark_ms = watermark_ms;
    h->emitted_idle = false;
    char line[48];
    snprintf(line, sizeof(line), "watermark %lld", (long long)watermark_ms);
    keep_line(h, watermark_ms == INT64_MAX ? "watermark MAX" : line);
}

static void host_emit_idle(struct op_context *ctx, bool idle)
{
    struct harness *h = harness_of(ctx);
    if (idle != h->emitted_idle) {
        h->emitted_idle = idle;
        keep_line(h, idle ? "idle" : "active");
    }
}

static void host_timer_at(struct op_context *ctx, int64_t time_ms)
{
    struct harness *h = harness_of(ctx);
    h->timer_ms = time_ms == INT64_MAX ? INT64_MAX : MIN(h->timer_ms, time_ms);
}

/* There is one source above, which the test looks at. */
static uint32_t host_hold_sources(struct op_context *ctx, bool hold)
{
    harness_of(ctx)->holds_sources = hold;
    return 1;
}

/* ---- state ------------------------------------------------------------------------------------- */

static const struct keyed_disk *all_disks; /* Borrows; NULL: none */
static uint64_t n_disks;

void harness_set_disk(const struct keyed_disk *disk)
{
    all_disks = disk;
}

/* A folder that was not used before. */
static const struct keyed_disk *own_disk(struct harness *h)
{
    STR_AUTO path = STR_INIT;
    if (all_disks == NULL) {
        return NULL;
    }
    str_printf(&path, "%s/%llu", all_disks->directory, (unsigned long long)n_disks++);
    h->disk = *all_disks;
    h->disk.directory = mem_strdup(str_cstr(&path));
    return &h->disk;
}

static int host_keyed_backend(struct op_context *ctx, struct keyed_backend **ret_backend,
                              struct error *err)
{
    struct harness *h = harness_of(ctx);
    if (h->backend == NULL) {
        struct keyed_backend_options options = {
            .operator_name = ctx->spec->name,
            .pool = ctx->pool,
            .budget = ctx->state_budget,
            .max_parallelism = ctx->max_parallelism,
            .disk = own_disk(h),
        };
        key_group_range(ctx->subtask, ctx->max_parallelism, ctx->parallelism, &options.first_group,
                        &options.last_group);
        TRY(keyed_backend_new(options.disk != NULL ? "rocksdb" : "hashmap", &options, &h->backend,
                              err));
        if (h->restore != NULL) {
            TRY(keyed_backend_restore(h->backend, h->restore, "", ctx->restored_checkpoint, err));
        }
    }
    *ret_backend = h->backend;
    return 0;
}

static int host_operator_state(struct op_context *ctx, struct operator_state **ret_state,
                               struct error *err)
{
    struct harness *h = harness_of(ctx);
    if (h->operator_state == NULL) {
        h->operator_state = operator_state_new(ctx->spec->name, ctx->state_budget);
        if (h->restore != NULL) {
            TRY(operator_state_restore(h->operator_state, h->restore, "", err));
        }
    }
    *ret_state = h->operator_state;
    return 0;
}

void harness_free_state(struct harness *h)
{
    h->backend = keyed_backend_free(h->backend);
    mem_free((char *)(uintptr_t)h->disk.directory);
    h->operator_state = operator_state_free(h->operator_state);
}

const struct op_host harness_host = {
    .emit = host_emit,
    .send_event = host_send_event,
    .resolve = host_resolve,
    .waker = host_waker,
    .wake_after = host_wake_after,
    .accumulate = host_accumulate,
    .emit_watermark = host_emit_watermark,
    .emit_idle = host_emit_idle,
    .keyed_backend = host_keyed_backend,
    .operator_state = host_operator_state,
    .timer_at = host_timer_at,
    .hold_sources = host_hold_sources,
};
