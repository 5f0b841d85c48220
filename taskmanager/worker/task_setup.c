/* Setting a task up on its own thread, and giving everything back, however it ended. */
#include "common/base/failpoint.h"
#include "engine/graph/edge_channels.h"
#include "engine/operators/partition_function.h"
#include "taskmanager/worker/task.h"
#include "taskmanager/worker/task_channels.h"
#include "taskmanager/worker/task_debloat.h"
#include "taskmanager/worker/task_metrics.h"

/* What may wait in all channels of a partition together, as far as that leaves each channel its
 * minimum. */
enum {
    PARTITION_ELEMENTS = 1024,
    CHANNEL_ELEMENTS_MIN = 8,
    CHANNEL_SEGMENTS = 16, /* that a channel has at most, when nothing is said */
};
#define PARTITION_BYTES ((uint64_t)16 * 1024 * 1024)
#define CHANNEL_BYTES_MIN ((uint64_t)128 * 1024)

/* ---- what the chain asks of the task ------------------------------------------------------------ */

static void task_send_event(void *owner, struct chain_op *op, const uint8_t *data, size_t size)
{
    struct task *t = owner;
    t->env->on_event(t->env->owner, t, &op->ctx.spec->id, data, size, op->n_events_sent);
}

static int task_resolve(void *owner, const Flinc__FunctionRef *ref, void **ret_fn,
                        struct error *err)
{
    struct task *t = owner;
    if (t->env->code == NULL) {
        return error_set(err, ERR_UNSUPPORTED,
                         "function '%s': this worker does not run user functions", ref->name);
    }
    return t->env->code->resolve(t->env->code, ref, ret_fn, err);
}

static int task_accumulate(void *owner, const char *name, const char *type, int64_t delta,
                           double delta_double, struct error *err)
{
    struct task *t = owner;
    return accumulators_add(&t->accumulators, name, type, delta, delta_double, err);
}

static int task_make_chain(struct task *t, struct error *err)
{
    const Flinc__DeployTasks *d = t->deployment->tasks;
    bool batch = d->runtime_mode == FLINC__RUNTIME_MODE__RUNTIME_BATCH;
    const struct chain_options options = {
        .vertex = d->vertex,
        .find_operator = t->env->find_operator,
        .services = {t, task_send_event, task_resolve, task_accumulate},
        .job_name = d->job_name,
        .task_name = t->name,
        .subtask = t->spec->subtask,
        .attempt_number = t->spec->attempt_number,
        .flags = (batch ? OP_FLAG_BATCH_MODE | OP_FLAG_INPUTS_BOUNDED : 0) |
                 (t->deployment->has_checkpoints ? OP_FLAG_CHECKPOINTS : 0) |
                 (t->spec->restore != NULL ? OP_FLAG_RESTORED : 0),
        .pool = t->pool,
        .arena = &t->arena,
        .registry = t->env->registry,
        .metrics = task_metrics_group(t->metrics),
        .job_metrics = t->env->job_metrics,
        .latency = t->deployment->latency,
        .clock = t->env->clock,
        .io_executor = t->env->io_executor,
        .cancelled = &t->cancelled,
        .mailbox = t->mailbox,
        .slot = &t->slot,
        .site = &t->site,
        .state_budget = t->env->state_budget,
        .state_disk = t->env->state_disk,
        .conf = &t->deployment->conf,
        .input_watermark_ms = &t->watermark_ms,
        .restore = t->spec->restore,
    };
    return chain_new(&options, &t->chain, err);
}

/* ---- channels ----------------------------------------------------------------------------------- */

struct edge_side {
    struct edge_shape shape;
    struct subtask_range peers;
};

static void task_drop_channels(struct channel **channels, uint32_t n, enum channel_side side)
{
    for (uint32_t i = 0; i < n; i++) {
        if (side == CHANNEL_SIDE_PRODUCER) {
            channel_close_producer(channels[i]);
        } else {
            channel_close_consumer(channels[i]);
        }
        channel_unref(channels[i]);
    }
    mem_free(channels);
}

static int task_connect_consumers(struct task *t, uint32_t edge, uint32_t n,
                                  struct channel ***ret_channels, struct error *err)
{
    struct channel **channels = MEM_NEW_ARRAY(struct channel *, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct subpartition_id id = {
            .producer_attempt = t->attempt_id, .edge = edge, .subpartition = i};
        int rc = FAILPOINT(err, "task.deploy.connect_channel");
        if (rc == 0) {
            rc = partition_registry_connect(t->env->partitions, &id, CHANNEL_SIDE_PRODUCER,
                                            &channels[i], err);
        }
        if (rc < 0) {
            task_drop_channels(channels, i, CHANNEL_SIDE_PRODUCER);
            return rc;
        }
    }
    *ret_channels = channels;
    return 0;
}

/* The text on the edge and the schema of the operator must say the same. */
static int task_check_schema(const char *text, const struct schema *expected, uint32_t edge,
                             struct error *err)
{
    struct schema *schema = NULL;
    if (text[0] == '\0') {
        return 0;
    }
    TRY_CTX(err, schema_parse(slice_cstr(text), &schema, err), "schema of edge %u", edge);
    bool equal = schema_equals(schema, expected);
    schema_unref(schema);
    return equal ? 0
                 : error_set(err, ERR_INVALID_ARGUMENT,
                             "edge %u and the operator at its end have different schemas", edge);
}

/* ---- outputs ------------------------------------------------------------------------------------ */

static int route_by_function(void *data, const struct batch *b, uint32_t n_channels,
                             int32_t *ret_channels, struct error *err)
{
    return partition_function_call(data, b, n_channels, ret_channels, err);
}

static void close_function(void *data)
{
    partition_function_free(data);
}

static int task_open_partitioner(struct task *t, const Flinc__ResultDescriptor *r,
                                 const struct schema *schema,
                                 struct custom_partitioner *ret_partitioner, struct error *err)
{
    struct partition_function *function = NULL;
    struct chain_op *op = &t->chain->ops[r->source_operator];
    crash_slot_set(&t->slot, &op->site);
    int rc = partition_function_new(r->partitioner, schema, &op->ctx, &function, err);
    crash_slot_set(&t->slot, &t->site);
    if (rc < 0) {
        return rc;
    }
    *ret_partitioner = (struct custom_partitioner){route_by_function, close_function, function};
    return 0;
}

static int task_open_result(struct task *t, const Flinc__ResultDescriptor *r,
                            struct result_partition_options *options, struct error *err)
{
    struct result_partition *partition = NULL;
    if (r->partitioner->kind == FLINC__PARTITIONER_KIND__PARTITION_CUSTOM) {
        TRY(task_open_partitioner(t, r, options->schema, &options->custom, err));
    }
    int rc = result_partition_open(options, &partition, err);
    if (rc < 0) {
        if (options->custom.close != NULL) {
            options->custom.close(options->custom.data);
        }
        return rc;
    }
    chain_add_partition(t->chain, r->source_operator, r->source_output, partition);
    t->results[t->n_results++] = partition;
    return 0;
}

/* Segments of one of n channels: its own, and its share of the floating ones. */
static uint64_t channel_segments(const struct deployment *d, uint32_t n)
{
    if (d->exclusive_segments == 0) {
        return CHANNEL_SEGMENTS;
    }
    return d->exclusive_segments + (uint64_t)(d->floating_segments + n - 1) / n;
}

/* Channels with less than all have by default: batches are cut to their size. */
static uint64_t part_bytes_of(const struct channel_options *channel)
{
    return channel->capacity_bytes < CHANNEL_BYTES_MIN ? channel->capacity_bytes : 0;
}

/* The bounds of one of n channels. */
static struct channel_options channel_share(const struct task *t, uint32_t n)
{
    uint32_t elements = MAX(PARTITION_ELEMENTS / n, (uint32_t)CHANNEL_ELEMENTS_MIN);
    uint64_t bytes = MAX(PARTITION_BYTES / n, CHANNEL_BYTES_MIN);
    bytes = MIN(bytes, t->deployment->segment_bytes * channel_segments(t->deployment, n));
    return (struct channel_options){
        .capacity_elements = MIN(elements, (uint32_t)CHANNEL_ELEMENTS_DEFAULT),
        .capacity_bytes = MIN(bytes, CHANNEL_BYTES_DEFAULT),
    };
}

static int task_make_result(struct task *t, const Flinc__ResultDescriptor *r, struct error *err)
{
    const struct schema *schema = NULL;
    TRY(chain_find_output(t->chain, r->source_operator, r->source_output, &schema, err));
    TRY(task_check_schema(r->schema, schema, r->edge, err));
    struct edge_side side = {
        .shape = {r->partitioner->kind, t->deployment->tasks->vertex->parallelism,
                  r->consumer_parallelism},
    };
    side.peers = edge_consumers(&side.shape, t->spec->subtask);
    struct channel **channels = NULL;
    TRY(task_connect_consumers(t, r->edge, side.peers.n, &channels, err));
    struct result_partition_options options = {
        .pool = t->pool,
        .schema = schema,
        .kind = r->partitioner->kind,
        .key_columns = r->partitioner->key_columns,
        .n_keys = (uint32_t)r->partitioner->n_key_columns,
        .max_parallelism = r->consumer_max_parallelism,
        .channels = channels,
        .n_channels = side.peers.n,
        .seed = t->spec->subtask,
        .counters = &t->out,
        .mailbox = t->mailbox,
        .channel = channel_share(t, side.peers.n),
    };
    options.part_bytes = part_bytes_of(&options.channel);
    int rc = task_open_result(t, r, &options, err);
    if (rc < 0) {
        task_drop_channels(channels, side.peers.n, CHANNEL_SIDE_PRODUCER);
        return rc;
    }
    mem_free(channels);
    return 0;
}

static int task_make_results(struct task *t, struct error *err)
{
    const Flinc__DeployTasks *d = t->deployment->tasks;
    t->results = MEM_NEW_ARRAY(struct result_partition *, d->n_results + 1);
    for (size_t i = 0; i < d->n_results; i++) {
        TRY_CTX(err, task_make_result(t, d->results[i], err), "output edge %u",
                d->results[i]->edge);
    }
    return 0;
}

/* ---- inputs ------------------------------------------------------------------------------------- */

/* The channels of one input while they are made. */
struct input_channels {
    struct edge_shape shape;
    struct subtask_range producers;
    const struct schema *schema;
    struct channel **channels;          /* `n` of them are there */
    struct exchange_counters **origins; /* what counts them */
    uint32_t n;
};

/* The channel to a producer: in this worker's registry, or by the network. */
static int task_connect_producer(struct task *t, const Flinc__GateDescriptor *g, uint32_t producer,
                                 struct input_channels *in, struct error *err)
{
    const char *location =
        producer < g->n_producer_locations ? g->producer_locations[producer] : "";
    char own[ID_HEX_LEN + 2] = "/"; /* how a location that is here ends */
    id_format(&t->env->incarnation, own + 1);
    const struct remote_input input = {
        .id = {.producer_attempt = id_of_bytes(&g->producer_attempts[producer]),
               .edge = g->edge,
               .subpartition = edge_subpartition(&in->shape, producer, t->spec->subtask)},
        .consumer_attempt = t->attempt_id,
        .schema = in->schema,
        .channel = channel_share(t, in->producers.n),
    };
    bool local = location[0] == '\0' || cstr_ends_with(location, own);
    TRY(FAILPOINT(err, "task.deploy.connect_channel"));
    if (local) {
        TRY(partition_registry_connect(t->env->partitions, &input.id, CHANNEL_SIDE_CONSUMER,
                                       &in->channels[in->n], err));
    } else {
        TRY(task_open_remote(t, &input, location, &in->channels[in->n], err));
    }
    in->origins[in->n++] = local ? &t->in_local : &t->in_remote;
    return 0;
}

static int task_connect_producers(struct task *t, const Flinc__GateDescriptor *g,
                                  struct input_channels *in, struct error *err)
{
    for (uint32_t i = 0; i < in->producers.n; i++) {
        TRY(task_connect_producer(t, g, in->producers.first + i, in, err));
    }
    return 0;
}

static int task_make_input(struct task *t, const Flinc__GateDescriptor *g, struct error *err)
{
    struct input_channels in = {.shape = {g->partitioner->kind, g->producer_parallelism,
                                          t->deployment->tasks->vertex->parallelism}};
    struct chain_feed feed;
    TRY(chain_add_feed(t->chain, g->target_operator, g->target_input, &feed, &in.schema, err));
    TRY(task_check_schema(g->schema, in.schema, g->edge, err));
    in.producers = edge_producers(&in.shape, t->spec->subtask);
    in.channels = MEM_NEW_ARRAY(struct channel *, in.producers.n);
    in.origins = MEM_NEW_ARRAY(struct exchange_counters *, in.producers.n);
    int rc = task_connect_producers(t, g, &in, err);
    if (rc < 0) {
        task_drop_channels(in.channels, in.n, CHANNEL_SIDE_CONSUMER);
        mem_free(in.origins);
        return rc;
    }
    const struct channel_options bounds = channel_share(t, in.producers.n);
    const struct gate_options options = {
        .pool = t->pool,
        .schema = in.schema,
        .mailbox = t->mailbox,
        .channels = in.channels,
        .n_channels = in.producers.n,
        .gather_bytes = part_bytes_of(&bounds),
        .counters = in.origins,
        .flags = GATE_DELIVER_ENDS,
    };
    struct task_input *input = &t->inputs[t->n_inputs++];
    *input = (struct task_input){.gate = gate_new(&options),
                                 .spec = g,
                                 .schema = in.schema,
                                 .is_overtakable = partitioner_is_overtakable(g->partitioner->kind),
                                 .recorded_from_ms = MEM_NEW_ARRAY(int64_t, in.producers.n),
                                 .feed = feed,
                                 .first_channel = t->checkpoints.n_channels,
                                 .data_ended = MEM_NEW_ARRAY(bool, in.producers.n)};
    watermark_valve_init(&input->valve, in.producers.n, 0);
    input->channel_bytes = bounds.capacity_bytes;
    task_debloat_init(t, input);
    t->checkpoints.n_channels += in.producers.n;
    mem_free(in.channels);
    mem_free(in.origins);
    return 0;
}

static int task_make_inputs(struct task *t, struct error *err)
{
    const Flinc__DeployTasks *d = t->deployment->tasks;
    t->inputs = MEM_NEW_ARRAY(struct task_input, d->n_gates + 1);
    for (size_t i = 0; i < d->n_gates; i++) {
        TRY_CTX(err, task_make_input(t, d->gates[i], err), "input edge %u", d->gates[i]->edge);
    }
    int64_t timeout_ms = t->deployment->partition_timeout_ms;
    t->connect_deadline_ns = clock_monotonic_ns(t->env->clock) + timeout_ms * 1000000;
    return 0;
}

/* ---- all of it ---------------------------------------------------------------------------------- */

int task_setup(struct task *t, struct error *err)
{
    t->pool =
        buffer_pool_new(&(struct buffer_pool_options){.name = t->name, .budget = t->env->budget});
    buffer_pool_adopt(t->pool);
    arena_init(&t->arena, 0);
    t->metrics = task_metrics_new(t);
    task_local_open(t);
    TRY(task_make_chain(t, err));
    TRY(task_make_results(t, err));
    TRY(task_make_inputs(t, err));
    task_pace_init(t);
    task_checkpoints_init(t);
    task_metrics_add_queues(t->metrics);
    return 0;
}

void task_teardown(struct task *t)
{
    if (t->pool == NULL) {
        return; /* not set up */
    }
    task_checkpoints_drop(t);
    task_leave_merging(t);
    t->replay = task_replay_free(t->replay);
    task_local_close(t);
    if (t->chain != NULL) {
        chain_close(t->chain);
    }
    task_metrics_remove_queues(t->metrics); /* they look at gates and partitions */
    task_forget_remotes(t);
    for (uint32_t i = 0; i < t->n_inputs; i++) {
        gate_free(t->inputs[i].gate);
        watermark_valve_fini(&t->inputs[i].valve);
        mem_free(t->inputs[i].data_ended);
        mem_free(t->inputs[i].recorded_from_ms);
    }
    task_checkpoints_fini(t);
    for (uint32_t i = 0; i < t->n_results; i++) {
        result_partition_close(t->results[i]);
    }
    mem_free(t->inputs);
    mem_free(t->results);
    /* After the partitions, whose user functions know their operators; before the task's metrics, below
     * which those of the operators are. */
    t->chain = chain_free(t->chain);
    t->metrics = task_metrics_free(t->metrics);
    arena_fini(&t->arena);
    t->pool = buffer_pool_close(t->pool);
}
