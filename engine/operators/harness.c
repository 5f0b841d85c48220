/* The operator harness: context, services and the loop of a chain driver (harness.h).  Specs and rows
 * from text are made in harness_spec.c. */
#include "engine/operators/harness_spec.h"

#include "common/base/thread.h"
#include "common/base/vec.h"

#include <stdio.h>

struct harness_waker {
    struct op_waker base;
    struct event_count event;
    _Atomic uint64_t wakes;
};

struct harness_output {
    struct str rows; /* Owns */
    uint64_t n_rows, n_batches;
};

struct harness_accumulator {
    char *name; /* Owns */
    int64_t value;
};

struct harness {
    struct op_context ctx;
    struct harness_spec spec;
    struct operator* op; /* Owns */
    bool open_called;
    struct arena arena;
    struct harness_waker waker;
    uint64_t wakes_seen;
    int64_t wake_delay_ms;
    _Atomic bool cancelled;
    void (*on_batch)(void *arg, uint32_t output, struct batch *take_batch);
    void *on_batch_arg;
    struct harness_output outputs[HARNESS_OUTPUTS_MAX];
    uint32_t emitted, max_emitted; /* in this call of the operator; in any */
    uint64_t n_more;
    struct vec events;       /* struct str, Owns */
    struct vec accumulators; /* struct harness_accumulator, Owns */
    struct error emit_error; /* of a batch that is not valid */
};

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

static void wake(struct op_waker *base)
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

static const struct op_host host = {
    .emit = host_emit,
    .send_event = host_send_event,
    .resolve = host_resolve,
    .waker = host_waker,
    .wake_after = host_wake_after,
    .accumulate = host_accumulate,
};

/* ---- life -------------------------------------------------------------------------------------- */

static void init_context(struct harness *h, const struct harness_options *o)
{
    h->ctx = (struct op_context){
        .host = &host,
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
    };
    buffer_pool_adopt(h->ctx.pool);
    h->waker.base.wake = wake;
    h->wake_delay_ms = -1;
    h->on_batch = o->on_batch;
    h->on_batch_arg = o->on_batch_arg;
}

int harness_new(const struct harness_options *options, struct harness **ret_harness,
                struct error *err)
{
    const struct operator_desc *desc = operator_find(options->kind);
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
    return h->op->desc->open(h->op, &h->ctx, err);
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
static int finish(struct harness *h, int rc, struct error *err)
{
    while (rc == OP_MORE) {
        h->n_more++;
        h->emitted = 0;
        rc = h->op->desc->resume(h->op, &h->ctx, err);
    }
    h->emitted = 0;
    if (rc >= 0 && h->emit_error.code != 0) {
        error_copy(err, &h->emit_error);
        return h->emit_error.code;
    }
    return rc;
}

int harness_push(struct harness *h, uint32_t input, struct batch *take_batch, struct error *err)
{
    return finish(h, h->op->desc->process(h->op, &h->ctx, input, take_batch, err), err);
}

int harness_push_rows(struct harness *h, uint32_t input, const char *rows, struct error *err)
{
    struct batch *b = NULL;
    TRY(harness_parse_rows(h->ctx.pool, h->ctx.input_schemas[input], rows, &b, err));
    return b != NULL ? harness_push(h, input, b, err) : 0;
}

int harness_flush(struct harness *h, struct error *err)
{
    const struct operator_desc *desc = h->op->desc;
    return desc->flush != NULL ? finish(h, desc->flush(h->op, &h->ctx, err), err) : 0;
}

int harness_end_of_input(struct harness *h, uint32_t input, struct error *err)
{
    const struct operator_desc *desc = h->op->desc;
    return desc->end_of_input != NULL
               ? finish(h, desc->end_of_input(h->op, &h->ctx, input, err), err)
               : 0;
}

int harness_poll(struct harness *h, struct error *err)
{
    return finish(h, h->op->desc->poll(h->op, &h->ctx, err), err);
}

int harness_send_event(struct harness *h, const uint8_t *data, size_t size, struct error *err)
{
    return finish(h, h->op->desc->on_event(h->op, &h->ctx, data, size, err), err);
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
