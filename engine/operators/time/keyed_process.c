/* flinc.keyed_process, flinc.keyed_co_process, flinc.broadcast_process, flinc.keyed_broadcast_process:
 * functions that emit any number of records for each, with keyed state and timers.
 *
 * A record has its key at hand while its function is called, a timer that of the record that set it.
 * Records of a broadcast input have none.  Records that a timer makes carry its time (event time) or no
 * timestamp (processing time).  Timers fire a few batches at a time (OP_MORE), so that many of them
 * do not hold up the task.
 * Flink: KeyedProcessOperator, KeyedCoProcessOperator, CoBroadcastWithKeyedOperator.  Thread: the task's. */
#include "engine/operators/flat_output.h"
#include "engine/operators/registry.h"
#include "engine/operators/time/user_time.h"

#include "engine/data/hash.h"

enum { TIMERS_PER_CALL = 4 * TIMER_FIRE_ROWS };

struct keyed_process {
    struct row_operator rows;
    struct flat_outputs outputs;
    struct user_timers timers;
    const struct user_function *timer_function; /* whose on_timer it is; NULL: nobody's */
    uint32_t
        *key_columns[OPERATOR_INPUTS_MAX]; /* in the task's arena; NULL: the input has no key */
    uint32_t *timer_columns;               /* 0, 1, ...: the key in a batch of timers */
    uint32_t n_keys;
    int64_t armed_ms; /* op_timer_at(); INT64_MAX: not */
    bool firing;      /* timers of timers.kind, up to: */
    bool fired;       /* all of them; what they emitted goes out */
    int64_t due_ms;
    struct batch *timers_at_hand; /* Owns a ref: batch of the timer at hand */
};

/* ---- life -------------------------------------------------------------------------------------- */

static bool needs_key(const struct operator_desc *desc, uint32_t input)
{
    if (desc == &operator_broadcast_process) {
        return false;
    }
    return input == 0 || desc == &operator_keyed_co_process;
}

static int check_key(const struct op_context *ctx, const struct keyed_process *p, uint32_t input,
                     const uint32_t *columns, size_t n, struct error *err)
{
    const struct schema *schema = ctx->input_schemas[input];
    for (size_t i = 0; i < n; i++) {
        if (columns[i] >= schema->n_fields) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "operator '%s': key column %u is not among the %u of input %u",
                             ctx->spec->name, columns[i], schema->n_fields, input);
        }
    }
    if (n == 0 || (input > 0 && n != p->n_keys)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s' (%s): input %u must be keyed, by as many columns as the "
                         "other",
                         ctx->spec->name, ctx->spec->kind, input);
    }
    return 0;
}

static int open_keys(struct keyed_process *p, struct op_context *ctx,
                     const Flinc__FunctionOperatorConfig *config, struct error *err)
{
    const struct operator_desc *desc = p->rows.base.desc;
    for (uint32_t i = 0; i < desc->n_inputs; i++) {
        const uint32_t *columns = i == 0 ? config->key_columns : config->key_columns_second;
        size_t n = i == 0 ? config->n_key_columns : config->n_key_columns_second;
        if (!needs_key(desc, i)) {
            continue;
        }
        TRY(check_key(ctx, p, i, columns, n, err));
        p->n_keys = (uint32_t)n;
    }
    p->timer_columns = arena_alloc(ctx->arena, (p->n_keys + 1) * sizeof(uint32_t));
    for (uint32_t i = 0; i < p->n_keys; i++) {
        p->timer_columns[i] = i;
    }
    return 0;
}

static struct schema *key_schema_new(const struct keyed_process *p, const struct op_context *ctx)
{
    const struct schema *in = ctx->input_schemas[0];
    const char **names = MEM_NEW_ARRAY(const char *, p->n_keys);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, p->n_keys);
    for (uint32_t i = 0; i < p->n_keys; i++) {
        names[i] = in->fields[p->rows.key_columns[0][i]].name;
        types[i] = type_ref(in->fields[p->rows.key_columns[0][i]].type);
    }
    struct schema *s = schema_new(names, types, p->n_keys);
    mem_free(names);
    mem_free(types);
    return s;
}

/* At most one of the functions may take timers: they belong to the key, not to an input. */
static int find_timer_function(struct keyed_process *p, struct op_context *ctx, struct error *err)
{
    for (uint32_t i = 0; i < p->rows.functions.n; i++) {
        const struct user_function *f = &p->rows.functions.items[i];
        if (f->on_timer == NULL) {
            continue;
        }
        if (p->timer_function != NULL && p->timer_function->on_timer != f->on_timer) {
            return error_set(
                err, ERR_INVALID_ARGUMENT,
                "operator '%s': functions '%s' and '%s' have different .on_timer; give "
                "it to one of them",
                ctx->spec->name, p->timer_function->ref->name, f->ref->name);
        }
        p->timer_function = p->timer_function != NULL ? p->timer_function : f;
    }
    p->timers.has_callback = p->timer_function != NULL;
    return 0;
}

static void arm(struct keyed_process *p, struct op_context *ctx)
{
    if (p->timers.service == NULL) {
        return;
    }
    int64_t next_ms = timer_service_next_time(p->timers.service, TIMER_PROCESSING);
    if (next_ms != p->armed_ms) {
        p->armed_ms = next_ms;
        op_timer_at(ctx, next_ms);
    }
}

static int open_timers(struct keyed_process *p, struct op_context *ctx, struct error *err)
{
    struct keyed_backend *backend = NULL;
    p->armed_ms = INT64_MAX;
    p->rows.functions.timers = p->n_keys > 0 ? &p->timers : NULL;
    p->timers.rows = &p->rows;
    p->timers.n_keys = p->n_keys;
    TRY(find_timer_function(p, ctx, err));
    if (p->n_keys == 0 || p->timer_function == NULL) {
        return 0;
    }
    TRY(op_keyed_backend(ctx, &backend, err));
    struct schema *keys = key_schema_new(p, ctx);
    struct timer_service_options options = {.name = "user-timers", .key_schema = keys};
    int rc = timer_service_new(backend, &options, &p->timers.service, err);
    schema_unref(keys);
    TRY(rc);
    arm(p, ctx); /* those that were overdue when the job was restored fire at once */
    return 0;
}

static int keyed_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct keyed_process *p = (struct keyed_process *)op;
    CLEANUP(row_config_free)
    Flinc__FunctionOperatorConfig *config = row_config_parse(ctx, err);
    if (config == NULL) {
        return ERR_CORRUPT;
    }
    TRY(row_operator_open(&p->rows, ctx, config, FLINC_FN_PROCESS, 0, err));
    TRY(flat_outputs_open(&p->outputs, &p->rows, ctx, config, err));
    TRY(open_keys(p, ctx, config, err));
    TRY(open_timers(p, ctx, err));
    return user_functions_start(&p->rows.functions, err);
}

static void keyed_close(struct operator* op, struct op_context *ctx)
{
    struct keyed_process *p = (struct keyed_process *)op;
    row_operator_close(&p->rows);
    flat_outputs_close(&p->outputs);
    p->timers_at_hand = batch_unref(p->timers_at_hand);
    p->timers.service = timer_service_free(p->timers.service);
}

/* ---- records ----------------------------------------------------------------------------------- */

/* The rows of a batch come next, or (NULL) none. */
static int key_of_rows(struct keyed_process *p, const uint32_t *key_columns, struct error *err)
{
    p->timers.key_columns = key_columns;
    p->timers.firing = false;
    if (key_columns == NULL && p->timers.begun) {
        p->timers.begun = false;
        return timer_service_settle(p->timers.service, err);
    }
    return 0;
}

static int process_tile(struct keyed_process *p, struct error *err)
{
    struct row_operator *r = &p->rows;
    struct user_function *f = &r->functions.items[r->input];
    const struct row_reader *reader = &r->readers[r->input];
    flinc_out *out = flat_outputs_main(&p->outputs);
    int (*call)(flinc_ctx *, const void *, flinc_out *) =
        (int (*)(flinc_ctx *, const void *, flinc_out *))f->call;
    struct user_states *states = r->functions.states;
    const uint32_t start = row_operator_tile_start(r);
    while (r->row < r->tile_rows && emit_queue_len(&r->queue) < EMIT_QUEUE_STOP) {
        if (r->row % USER_CANCEL_ROWS == 0) {
            TRY(user_function_check_cancelled(f, err));
        }
        if (UNLIKELY(p->outputs.stamped)) {
            flat_outputs_begin_row(&p->outputs, r->batch, row_reader_source(reader, r->row));
        }
        user_states_set_row(states, start + r->row);
        int rc = call(&f->ctx, row_reader_row(reader, r->row), out);
        if (UNLIKELY(rc < 0)) {
            return flat_outputs_failed(&p->outputs, f, rc, err);
        }
        if (UNLIKELY(p->outputs.stamped)) {
            flat_outputs_end(&p->outputs);
        }
        r->row++;
    }
    TRY(user_function_check(f, err));
    return flat_outputs_check(&p->outputs, f, err);
}

static int process_rows(struct keyed_process *p, struct op_context *ctx, struct error *err)
{
    bool more = p->rows.batch != NULL;
    while (more && emit_queue_len(&p->rows.queue) < EMIT_QUEUE_STOP) {
        TRY(row_operator_advance(&p->rows, &more, err));
        if (more) {
            TRY(process_tile(p, err));
        } else {
            TRY(key_of_rows(p, NULL, err));
            arm(p, ctx);
        }
    }
    return emit_queue_drain(&p->rows.queue, ctx) || more ? OP_MORE : OP_DONE;
}

/* Broadcast state is changed by what is broadcast alone: neither by records of the other input nor by
 * timers. */
static void set_broadcast_use(struct keyed_process *p, uint32_t input)
{
    const struct operator_desc *desc = p->rows.base.desc;
    bool is_broadcast =
        desc == &operator_broadcast_process || desc == &operator_keyed_broadcast_process;
    p->rows.functions.broadcast_use =
        is_broadcast && input == 0 ? USER_BROADCAST_READ_ONLY : USER_BROADCAST_READ_WRITE;
}

static int keyed_process(struct operator* op, struct op_context *ctx, uint32_t input,
                         struct batch *take_batch, struct error *err)
{
    struct keyed_process *p = (struct keyed_process *)op;
    struct batch *b = take_batch;
    const uint32_t *key_columns = p->rows.key_columns[input];
    if (key_columns != NULL && b->hashes == NULL) {
        b = batch_make_unique(ctx->pool, b);
        batch_hash_keys(ctx->pool, b, key_columns, p->n_keys);
    }
    TRY(row_operator_take(&p->rows, input, b, err));
    set_broadcast_use(p, input);
    p->outputs.stamped = row_operator_is_stamped(&p->rows);
    TRY(key_of_rows(p, key_columns, err));
    return process_rows(p, ctx, err);
}

/* ---- timers ------------------------------------------------------------------------------------- */

/* The timer's key is at hand. */
static int take_timer(struct keyed_process *p, struct error *err)
{
    struct user_timers *t = &p->timers;
    struct user_states *states = p->rows.functions.states;
    if (t->timer.batch != p->timers_at_hand) {
        TRY(user_states_end_batch(states, err));
        batch_unref(p->timers_at_hand);
        p->timers_at_hand = batch_ref(t->timer.batch);
        TRY(user_states_begin_batch(states, &p->timers_at_hand, p->timer_columns, err));
    }
    user_states_set_row(states, t->timer.row); /* nothing is selected: rows are physical */
    t->key_columns = p->timer_columns;
    t->firing = true;
    set_broadcast_use(p, 0);
    return 0;
}

static int call_timer(struct keyed_process *p, struct error *err)
{
    struct user_function *f = (struct user_function *)(uintptr_t)p->timer_function;
    if (p->outputs.stamped) {
        flat_outputs_begin(&p->outputs, p->timers.timer.time_ms, ROW_KIND_INSERT);
    }
    int rc = f->on_timer(&f->ctx, p->timers.timer.time_ms, flat_outputs_main(&p->outputs));
    if (UNLIKELY(rc < 0)) {
        return flat_outputs_failed(&p->outputs, f, rc, err);
    }
    if (p->outputs.stamped) {
        flat_outputs_end(&p->outputs);
    }
    TRY(user_function_check(f, err));
    return flat_outputs_check(&p->outputs, f, err);
}

/* No timer is at hand any more. */
static int leave_timers(struct keyed_process *p, struct error *err)
{
    p->timers.firing = false;
    p->timers.key_columns = NULL;
    p->timers_at_hand = batch_unref(p->timers_at_hand);
    return user_states_end_batch(p->rows.functions.states, err);
}

static int fire(struct keyed_process *p, struct op_context *ctx, struct error *err)
{
    for (uint32_t n = 0; n < TIMERS_PER_CALL && !p->fired; n++) {
        if (emit_queue_len(&p->rows.queue) >= EMIT_QUEUE_STOP) {
            break;
        }
        if (n % USER_CANCEL_ROWS == 0) {
            TRY(user_function_check_cancelled(p->timer_function, err));
        }
        int rc =
            timer_service_fire(p->timers.service, p->timers.kind, p->due_ms, &p->timers.timer, err);
        TRY(rc);
        if (rc == 0) {
            p->fired = true;
            break;
        }
        TRY(take_timer(p, err));
        TRY(call_timer(p, err));
    }
    if (emit_queue_drain(&p->rows.queue, ctx) || !p->fired) {
        return OP_MORE;
    }
    TRY(leave_timers(p, err));
    p->firing = false;
    flat_outputs_flush(&p->outputs, ctx); /* before the watermark goes on */
    arm(p, ctx);
    return OP_DONE;
}

static int fire_due(struct keyed_process *p, struct op_context *ctx, enum timer_kind kind,
                    int64_t due_ms, struct error *err)
{
    if (p->timers.service == NULL) {
        flat_outputs_flush(&p->outputs, ctx);
        return OP_DONE;
    }
    p->timers.kind = kind;
    p->due_ms = due_ms;
    p->firing = true;
    p->fired = false;
    p->outputs.stamped = kind == TIMER_EVENT;
    return fire(p, ctx, err);
}

static int keyed_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                           struct error *err)
{
    return fire_due((struct keyed_process *)op, ctx, TIMER_EVENT, watermark_ms, err);
}

static int keyed_processing_time(struct operator* op, struct op_context *ctx, int64_t now_ms,
                                 struct error *err)
{
    struct keyed_process *p = (struct keyed_process *)op;
    p->armed_ms = INT64_MAX;
    return fire_due(p, ctx, TIMER_PROCESSING, now_ms, err);
}

/* ---- the rest ----------------------------------------------------------------------------------- */

static int keyed_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct keyed_process *p = (struct keyed_process *)op;
    return p->firing ? fire(p, ctx, err) : process_rows(p, ctx, err);
}

static int keyed_flush(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct keyed_process *p = (struct keyed_process *)op;
    if (p->rows.batch == NULL && !p->firing && emit_queue_len(&p->rows.queue) == 0) {
        flat_outputs_flush(&p->outputs, ctx);
    }
    return OP_DONE;
}

static int keyed_end_of_input(struct operator* op, struct op_context *ctx, uint32_t input,
                              struct error *err)
{
    return keyed_flush(op, ctx, err);
}

static int keyed_prepare_barrier(struct operator* op, struct op_context *ctx,
                                 const struct op_checkpoint *checkpoint, struct error *err)
{
    return keyed_flush(op, ctx, err);
}

#define PROCESS_OPERATOR(name, kind_text, inputs, summary_text) \
    const struct operator_desc operator_##name = {              \
        .struct_size = sizeof(struct operator_desc),            \
        .version = 1,                                           \
        .kind = kind_text,                                      \
        .summary = summary_text,                                \
        .instance_size = sizeof(struct keyed_process),          \
        .n_inputs = inputs,                                     \
        .open = keyed_open,                                     \
        .process = keyed_process,                               \
        .resume = keyed_resume,                                 \
        .end_of_input = keyed_end_of_input,                     \
        .flush = keyed_flush,                                   \
        .close = keyed_close,                                   \
        .watermark = keyed_watermark,                           \
        .processing_time = keyed_processing_time,               \
        .prepare_barrier = keyed_prepare_barrier,               \
        .snapshot = row_operator_snapshot,                      \
    }

PROCESS_OPERATOR(keyed_process, "flinc.keyed_process", 1,
                 "Process function of a keyed stream, with state and timers (KeyedStream.process)");
PROCESS_OPERATOR(keyed_co_process, "flinc.keyed_co_process", 2,
                 "Process function of two keyed streams with shared state and timers "
                 "(ConnectedStreams.process)");
PROCESS_OPERATOR(broadcast_process, "flinc.broadcast_process", 2,
                 "A stream and a broadcast one with broadcast state (BroadcastConnectedStream)");
PROCESS_OPERATOR(keyed_broadcast_process, "flinc.keyed_broadcast_process", 2,
                 "A keyed stream and a broadcast one, with state and timers "
                 "(BroadcastConnectedStream)");
