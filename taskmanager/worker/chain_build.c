/* Making a chain from the vertex of a job graph: operators, contexts, edges, metrics. */
#include "common/base/failpoint.h"
#include "taskmanager/worker/chain.h"
#include "taskmanager/worker/chain_host.h"
#include <stdio.h>

/* ---- contexts ----------------------------------------------------------------------------------- */

static int chain_parse_schema(const char *text, struct schema **ret_schema, const char *what,
                              uint32_t number, struct error *err)
{
    TRY_CTX(err, schema_parse(slice_cstr(text), ret_schema, err), "schema of %s %u", what, number);
    return 0;
}

static int chain_op_init_schemas(struct chain_op *op, const Flinc__Operator *spec,
                                 struct error *err)
{
    op->ctx.input_schemas = MEM_NEW_ARRAY(struct schema *, spec->n_input_schemas + 1);
    op->ctx.output_schemas = MEM_NEW_ARRAY(struct schema *, spec->n_outputs + 1);
    for (uint32_t i = 0; i < spec->n_input_schemas; i++) {
        TRY(chain_parse_schema(spec->input_schemas[i], &op->ctx.input_schemas[i], "input", i, err));
        op->ctx.n_inputs = i + 1;
    }
    for (uint32_t i = 0; i < spec->n_outputs; i++) {
        TRY(chain_parse_schema(spec->outputs[i]->schema, &op->ctx.output_schemas[i], "output", i,
                               err));
        op->ctx.n_outputs = i + 1;
    }
    return 0;
}

static int chain_op_find(struct chain_op *op, const Flinc__Operator *spec, struct error *err)
{
    const struct operator_desc *desc = op->chain->options.find_operator(spec->kind);
    if (desc == NULL) {
        return error_set(err, ERR_UNSUPPORTED, "this build has no operator of kind '%s'",
                         spec->kind);
    }
    ASSERT(desc->instance_size >= sizeof(struct operator) && desc->n_inputs <= OPERATOR_INPUTS_MAX);
    if (spec->version > desc->version) {
        return error_set(err, ERR_UNSUPPORTED,
                         "the job uses version %u of operator '%s', this build has version %u",
                         spec->version, spec->kind, desc->version);
    }
    if (spec->n_input_schemas != desc->n_inputs) {
        return error_set(err, ERR_INVALID_ARGUMENT, "operator '%s' has %u inputs, the job says %zu",
                         spec->kind, desc->n_inputs, spec->n_input_schemas);
    }
    op->op = mem_zalloc(desc->instance_size);
    op->op->desc = desc;
    return 0;
}

static void gauge_watermark(void *arg, struct metric_value *ret_value)
{
    const _Atomic int64_t *watermark_ms = arg;
    metric_value_set_i64(ret_value, atomic_load_explicit(watermark_ms, memory_order_relaxed));
}

static void chain_op_init_metrics(struct chain_op *op)
{
    const struct chain_options *o = &op->chain->options;
    if (o->registry == NULL) {
        return;
    }
    char id[2 * 16 + 1] = "";
    if (op->ctx.spec->id.len == 16) {
        struct flinc_id bytes;
        memcpy(bytes.bytes, op->ctx.spec->id.data, sizeof(bytes.bytes));
        id_format(&bytes, id);
    }
    const struct metric_variable variables[] = {
        {"operator_id", id},
        {"operator_name", op->ctx.spec->name},
    };
    struct metric_group *g = metric_group_new(o->registry, o->metrics, METRIC_SCOPE_OPERATOR,
                                              variables, ARRAY_LEN(variables));
    op->ctx.metrics = g;
    metric_group_add_counter(g, "numRecordsIn", &op->records_in);
    metric_group_meter(g, "numRecordsInPerSecond", &op->records_in);
    metric_group_add_counter(g, "numRecordsOut", &op->records_out);
    metric_group_meter(g, "numRecordsOutPerSecond", &op->records_out);
    metric_group_gauge_fn(g, "currentInputWatermark", gauge_watermark, &op->time.in_ms);
    metric_group_gauge_fn(g, "currentOutputWatermark", gauge_watermark, &op->time.out_ms);
}

static int chain_op_init(struct chain *c, uint32_t index, struct error *err)
{
    const struct chain_options *o = &c->options;
    const Flinc__Operator *spec = o->vertex->operators[index];
    struct chain_op *op = &c->ops[index];
    struct str label = STR_INIT;
    op->chain = c;
    op->index = index;
    op->wake_at_ns = INT64_MAX;
    op->timer_ms = INT64_MAX;
    atomic_init(&op->time.in_ms, INT64_MIN);
    atomic_init(&op->time.out_ms, INT64_MIN);
    chain_host_init_waker(op);
    str_printf(&label, "%s (%u/%u)", spec->name, o->subtask + 1, o->vertex->parallelism);
    op->label = str_take(&label);
    op->site = *o->site;
    op->site.operator_name = op->label;
    op->ctx = (struct op_context){
        .host = &chain_host,
        .host_data = op,
        .spec = spec,
        .job_name = o->job_name,
        .task_name = o->task_name,
        .subtask = o->subtask,
        .parallelism = o->vertex->parallelism,
        .max_parallelism = o->vertex->max_parallelism,
        .attempt_number = o->attempt_number,
        .flags = o->flags,
        .pool = o->pool,
        .arena = o->arena,
        .clock = o->clock,
        .io_executor = o->io_executor,
        .state_budget = o->state_budget,
        .restored_checkpoint = o->restore != NULL ? o->restore->checkpoint_id : 0,
        .watermark_ms = INT64_MIN,
        .conf = o->conf,
        .cancelled = o->cancelled,
    };
    TRY(chain_op_find(op, spec, err));
    TRY(chain_op_init_schemas(op, spec, err));
    op->outputs = MEM_NEW_ARRAY(struct chain_output, op->ctx.n_outputs + 1);
    op->n_open_inputs = op->ctx.n_inputs;
    chain_op_init_metrics(op);
    chain_latency_init(op);
    return 0;
}

/* ---- edges -------------------------------------------------------------------------------------- */

int chain_find_output(const struct chain *c, uint32_t op, uint32_t output,
                      const struct schema **ret_schema, struct error *err)
{
    if (op >= c->n_ops || output >= c->ops[op].ctx.n_outputs) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "an edge starts at output %u of operator %u, which there is not", output,
                         op);
    }
    *ret_schema = c->ops[op].ctx.output_schemas[output];
    return 0;
}

static void chain_add_target(struct chain_output *output, struct chain_target target)
{
    size_t bytes = sizeof(*output->targets) * (output->n_targets + 1);
    output->targets = mem_realloc(output->targets, bytes);
    output->targets[output->n_targets++] = target;
}

int chain_add_feed(struct chain *c, uint32_t op, uint32_t input, struct chain_feed *ret_feed,
                   const struct schema **ret_schema, struct error *err)
{
    if (op >= c->n_ops || input >= c->ops[op].ctx.n_inputs) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "an edge leads to input %u of operator %u, which there is not", input, op);
    }
    c->ops[op].open_feeds[input]++;
    *ret_feed = (struct chain_feed){op, input, c->ops[op].n_feeds[input]++};
    *ret_schema = c->ops[op].ctx.input_schemas[input];
    return 0;
}

void chain_add_partition(struct chain *c, uint32_t op, uint32_t output,
                         struct result_partition *partition)
{
    chain_add_target(&c->ops[op].outputs[output], (struct chain_target){.partition = partition});
    c->partitions = mem_realloc(c->partitions, sizeof(*c->partitions) * (c->n_partitions + 1));
    c->partitions[c->n_partitions++] = partition;
}

static int chain_add_edge(struct chain *c, const Flinc__ChainEdge *e, struct error *err)
{
    const struct schema *from = NULL, *to = NULL;
    struct chain_feed feed;
    TRY(chain_find_output(c, e->source_operator, e->source_output, &from, err));
    TRY(chain_add_feed(c, e->target_operator, e->target_input, &feed, &to, err));
    if (e->target_operator <= e->source_operator) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator %u feeds operator %u: a chain has no way back",
                         e->source_operator, e->target_operator);
    }
    if (!schema_equals(from, to)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "output %u of operator '%s' and input %u of operator '%s' have different "
                         "schemas",
                         e->source_output, c->ops[e->source_operator].ctx.spec->name,
                         e->target_input, c->ops[e->target_operator].ctx.spec->name);
    }
    chain_add_target(&c->ops[e->source_operator].outputs[e->source_output],
                     (struct chain_target){.feed = feed});
    return 0;
}

/* ---- life --------------------------------------------------------------------------------------- */

static int chain_build(struct chain *c, struct error *err)
{
    const Flinc__JobVertex *vertex = c->options.vertex;
    for (uint32_t i = 0; i < c->n_ops; i++) {
        TRY_CTX(err, chain_op_init(c, i, err), "%s", vertex->operators[i]->name);
    }
    for (size_t i = 0; i < vertex->n_chain; i++) {
        TRY(chain_add_edge(c, vertex->chain[i], err));
    }
    return 0;
}

int chain_new(const struct chain_options *options, struct chain **ret_chain, struct error *err)
{
    if (options->vertex->n_operators == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "vertex '%s' has no operators",
                         options->vertex->name);
    }
    struct chain *c = MEM_NEW(struct chain);
    c->options = *options;
    c->n_ops = (uint32_t)options->vertex->n_operators;
    c->ops = MEM_NEW_ARRAY(struct chain_op, c->n_ops);
    c->n_words = (c->n_ops + 63) / 64;
    c->next_timer_ms = INT64_MAX;
    c->work = MEM_NEW_ARRAY(uint64_t, c->n_words);
    c->above = MEM_NEW_ARRAY(uint64_t, c->n_words);
    rng_init(&c->rng, ((uint64_t)options->attempt_number << 32) + options->subtask);
    int rc = chain_build(c, err);
    if (rc < 0) {
        chain_free(c);
        return rc;
    }
    *ret_chain = c;
    return 0;
}

static void chain_op_fini(struct chain_op *op)
{
    for (uint32_t i = 0; i < op->items.len; i++) {
        const struct chain_item *item = &op->items.ring[(op->items.head + i) % op->items.cap];
        if (item->kind == CHAIN_ITEM_BATCH) {
            batch_unref(item->batch);
        } else if (item->kind == CHAIN_ITEM_MARKER) {
            latency_marker_unref(item->marker);
        }
    }
    mem_free(op->items.ring);
    for (uint32_t i = 0; op->outputs != NULL && i < op->ctx.n_outputs; i++) {
        mem_free(op->outputs[i].targets);
    }
    mem_free(op->outputs);
    for (uint32_t i = 0; i < op->ctx.n_inputs; i++) {
        schema_unref(op->ctx.input_schemas[i]);
    }
    for (uint32_t i = 0; i < op->ctx.n_outputs; i++) {
        schema_unref(op->ctx.output_schemas[i]);
    }
    mem_free(op->ctx.input_schemas);
    mem_free(op->ctx.output_schemas);
    metric_group_free(op->ctx.metrics);
    chain_time_fini(op);
    chain_latency_fini(op);
    mem_free(op->op);
    mem_free(op->label);
}

struct chain *chain_free(struct chain *c)
{
    if (c == NULL) {
        return NULL;
    }
    chain_close(c);
    for (uint32_t i = 0; i < c->n_ops; i++) {
        chain_op_fini(&c->ops[i]);
    }
    mem_free(c->ops);
    mem_free(c->work);
    mem_free(c->above);
    mem_free(c->partitions);
    mem_free(c);
    return NULL;
}

/* ---- opening ------------------------------------------------------------------------------------ */

static int chain_op_open(struct chain_op *op, struct error *err)
{
    for (uint32_t i = 0; i < op->ctx.n_inputs; i++) {
        if (op->open_feeds[i] == 0) {
            return error_set(err, ERR_INVALID_ARGUMENT, "nothing is connected to input %u", i);
        }
    }
    TRY(FAILPOINT(err, "task.init.open_operator"));
    chain_time_make(op);
    op->open_called = true;
    if (op->op->desc->open != NULL) {
        crash_slot_set(op->chain->options.slot, &op->site);
        int rc = op->op->desc->open(op->op, &op->ctx, err);
        crash_slot_set(op->chain->options.slot, op->chain->options.site);
        TRY(rc);
    }
    return chain_state_carry(op, err);
}

/* Of a task that had finished when the checkpoint was taken only those are opened that still have something
 * to bring to its end (a commit); no source, which would ask for splits. */
static bool chain_op_is_over(const struct chain_op *op)
{
    const Flinc__TaskRestore *restore = op->chain->options.restore;
    return restore != NULL && restore->finished &&
           (op->ctx.n_inputs == 0 || chain_state_restored(op) == NULL);
}

int chain_end_restored(struct chain *c, struct error *err)
{
    for (uint32_t i = 0; i < c->n_ops; i++) {
        struct chain_op *op = &c->ops[i];
        if (!op->open_called && op->op->desc->restored_finished != NULL) {
            TRY_CTX(err, op->op->desc->restored_finished(op->op, &op->ctx, err), "%s", op->label);
        }
    }
    return 0;
}

int chain_open(struct chain *c, struct error *err)
{
    for (uint32_t i = c->n_ops; i-- > 0;) {
        if (chain_op_is_over(&c->ops[i])) {
            continue;
        }
        TRY_CTX(err, chain_op_open(&c->ops[i], err), "opening %s", c->ops[i].label);
    }
    return 0;
}

void chain_close(struct chain *c)
{
    for (uint32_t i = 0; i < c->n_ops; i++) {
        struct chain_op *op = &c->ops[i];
        if (op->open_called && op->op->desc->close != NULL) {
            crash_slot_set(c->options.slot, &op->site);
            op->op->desc->close(op->op, &op->ctx);
            crash_slot_set(c->options.slot, c->options.site);
        }
        op->open_called = false;
        chain_state_fini(op);
    }
}
