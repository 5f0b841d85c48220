/* The operator harness: context and the loop of a chain driver (harness.h).  Specs and rows from text
 * are made in harness_spec.c; the services are in harness_host.c, time and checkpoints in
 * harness_time.c. */
#include "engine/operators/harness_internal.h"

/* ---- life -------------------------------------------------------------------------------------- */

static void init_context(struct harness *h, const struct harness_options *o)
{
    h->ctx = (struct op_context){
        .host = &harness_host,
        .host_data = h,
        .spec = &h->spec.op,
        .job_name = "harness",
        .task_name = h->spec.op.name,
        .subtask = o->subtask,
        .parallelism = o->parallelism > 0 ? o->parallelism : 1,
        .max_parallelism = o->max_parallelism > 0 ? o->max_parallelism : 128,
        .flags = o->flags,
        .n_inputs = h->spec.n_inputs,
        .n_outputs = h->spec.n_outputs,
        .input_schemas = h->spec.inputs,
        .output_schemas = h->spec.outputs,
        .pool = buffer_pool_new(&(struct buffer_pool_options){.name = "harness"}),
        .arena = &h->arena,
        .clock = o->clock != NULL ? o->clock : &clock_system,
        .io_executor = o->io_executor,
        .cancelled = &h->cancelled,
        .conf = o->conf,
        .watermark_ms = INT64_MIN,
        .restored_checkpoint = o->restore != NULL ? o->restore_checkpoint : 0,
    };
    h->ctx.flags |= o->restore != NULL ? OP_FLAG_RESTORED : 0;
    buffer_pool_adopt(h->ctx.pool);
    h->waker.base.wake = harness_wake;
    h->wake_delay_ms = -1;
    h->emitted_watermark_ms = INT64_MIN;
    h->timer_ms = INT64_MAX;
    h->restore = o->restore;
    for (uint32_t i = 0; i < OPERATOR_INPUTS_MAX; i++) {
        h->input_watermarks[i] = INT64_MIN;
    }
    h->on_batch = o->on_batch;
    h->on_batch_arg = o->on_batch_arg;
}

int harness_new(const struct harness_options *options, struct harness **ret_harness,
                struct error *err)
{
    const struct operator_desc *desc =
        options->desc != NULL ? options->desc : operator_find(options->kind);
    if (desc == NULL) {
        return error_set(err, ERR_NOT_FOUND, "there is no operator kind '%s'", options->kind);
    }
    struct harness *h = MEM_NEW(struct harness);
    arena_init(&h->arena, 0);
    int rc = harness_spec_init(&h->spec, options, &h->arena, err);
    if (rc < 0) {
        harness_spec_fini(&h->spec);
        arena_fini(&h->arena);
        mem_free(h);
        return rc;
    }
    vec_init(&h->events, sizeof(struct str));
    vec_init(&h->accumulators, sizeof(struct harness_accumulator));
    init_context(h, options);
    h->op = mem_zalloc(desc->instance_size);
    h->op->desc = desc;
    *ret_harness = h;
    return 0;
}

struct harness *harness_free(struct harness *h)
{
    if (h == NULL) {
        return NULL;
    }
    if (h->open_called) {
        h->op->desc->close(h->op, &h->ctx);
    }
    harness_free_state(h);
    harness_clear(h);
    for (uint32_t i = 0; i < HARNESS_OUTPUTS_MAX; i++) {
        str_fini(&h->outputs[i].rows);
    }
    for (size_t i = 0; i < h->accumulators.len; i++) {
        mem_free(VEC_AT(&h->accumulators, struct harness_accumulator, i)->name);
    }
    vec_fini(&h->accumulators);
    vec_fini(&h->events);
    ASSERT(h->on_batch != NULL || buffer_pool_out_count(h->ctx.pool) == 0);
    buffer_pool_close(h->ctx.pool);
    harness_spec_fini(&h->spec);
    arena_fini(&h->arena);
    mem_free(h->op);
    mem_free(h);
    return NULL;
}

int harness_open(struct harness *h, struct error *err)
{
    ASSERT(!h->open_called);
    h->open_called = true;
    int rc = h->op->desc->open(h->op, &h->ctx, err);
    h->restore = NULL;
    return rc;
}

struct op_context *harness_context(struct harness *h)
{
    return &h->ctx;
}

struct operator* harness_operator(struct harness *h)
{
    return h->op;
}

struct buffer_pool *harness_pool(struct harness *h)
{
    return h->ctx.pool;
}

const struct schema *harness_input_schema(const struct harness *h, uint32_t input)
{
    return h->ctx.input_schemas[input];
}

/* ---- driving ----------------------------------------------------------------------------------- */

/* Resumes while there is more. */
int harness_end_restored(struct harness *h, struct error *err)
{
    return h->op->desc->restored_finished(h->op, &h->ctx, err);
}

int harness_finish(struct harness *h, int rc, struct error *err)
{
    while (rc == OP_MORE) {
        h->n_more++;
        h->emitted = 0;
        rc = h->op->desc->resume(h->op, &h->ctx, err);
    }
    h->emitted = 0;
    h->waiting = rc == OP_WAIT;
    if (rc >= 0 && h->emit_error.code != 0) {
        error_copy(err, &h->emit_error);
        return h->emit_error.code;
    }
    return rc;
}

int harness_push(struct harness *h, uint32_t input, struct batch *take_batch, struct error *err)
{
    ASSERT(!h->waiting);
    return harness_finish(h, h->op->desc->process(h->op, &h->ctx, input, take_batch, err), err);
}

int harness_push_rows(struct harness *h, uint32_t input, const char *rows, struct error *err)
{
    struct batch *b = NULL;
    TRY(harness_parse_rows(h->ctx.pool, h->ctx.input_schemas[input], rows, &b, err));
    return b != NULL ? harness_push(h, input, b, err) : 0;
}

int harness_resume(struct harness *h, struct error *err)
{
    return harness_finish(h, h->op->desc->resume(h->op, &h->ctx, err), err);
}

int harness_flush(struct harness *h, struct error *err)
{
    const struct operator_desc *desc = h->op->desc;
    return desc->flush != NULL ? harness_finish(h, desc->flush(h->op, &h->ctx, err), err) : 0;
}

int harness_end_of_input(struct harness *h, uint32_t input, struct error *err)
{
    const struct operator_desc *desc = h->op->desc;
    return desc->end_of_input != NULL
               ? harness_finish(h, desc->end_of_input(h->op, &h->ctx, input, err), err)
               : 0;
}

int harness_poll(struct harness *h, struct error *err)
{
    return harness_finish(h, h->op->desc->poll(h->op, &h->ctx, err), err);
}

int harness_send_event(struct harness *h, const uint8_t *data, size_t size, struct error *err)
{
    return harness_finish(h, h->op->desc->on_event(h->op, &h->ctx, data, size, err), err);
}

void harness_cancel(struct harness *h)
{
    atomic_store(&h->cancelled, true);
}

bool harness_wait_wake(struct harness *h, int64_t timeout_ms)
{
    for (;;) {
        uint32_t ticket = event_count_prepare(&h->waker.event);
        uint64_t wakes = atomic_load(&h->waker.wakes);
        if (wakes != h->wakes_seen) {
            event_count_cancel(&h->waker.event);
            h->wakes_seen = wakes;
            return true;
        }
        if (!event_count_wait(&h->waker.event, ticket, timeout_ms * 1000000)) {
            return false;
        }
    }
}

int64_t harness_take_wake_delay(struct harness *h)
{
    int64_t delay = h->wake_delay_ms;
    h->wake_delay_ms = -1;
    return delay;
}

/* ---- results ----------------------------------------------------------------------------------- */

const char *harness_rows(const struct harness *h, uint32_t output)
{
    return str_cstr(&h->outputs[output].rows);
}

uint64_t harness_row_count(const struct harness *h, uint32_t output)
{
    return h->outputs[output].n_rows;
}

uint64_t harness_batch_count(const struct harness *h, uint32_t output)
{
    return h->outputs[output].n_batches;
}

uint64_t harness_more_count(const struct harness *h)
{
    return h->n_more;
}

uint32_t harness_max_emitted(const struct harness *h)
{
    return h->max_emitted;
}

void harness_clear(struct harness *h)
{
    for (uint32_t i = 0; i < HARNESS_OUTPUTS_MAX; i++) {
        str_clear(&h->outputs[i].rows);
        h->outputs[i].n_rows = 0;
        h->outputs[i].n_batches = 0;
    }
    for (size_t i = 0; i < h->events.len; i++) {
        str_fini(VEC_AT(&h->events, struct str, i));
    }
    vec_clear(&h->events);
    h->n_more = 0;
    h->max_emitted = 0;
}

size_t harness_event_count(const struct harness *h)
{
    return h->events.len;
}

struct slice harness_event(const struct harness *h, size_t i)
{
    return str_slice(VEC_AT(&h->events, struct str, i));
}

int64_t harness_accumulator(const struct harness *h, const char *name)
{
    for (size_t i = 0; i < h->accumulators.len; i++) {
        const struct harness_accumulator *a =
            VEC_AT(&h->accumulators, struct harness_accumulator, i);
        if (strcmp(a->name, name) == 0) {
            return a->value;
        }
    }
    return 0;
}
