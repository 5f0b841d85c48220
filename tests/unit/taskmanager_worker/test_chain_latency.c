/* Latency markers in a chain: who sends them and when, that they stay behind records that an operator holds
 * back, what is measured under which name by each granularity, and that one target of several gets each. */
#include "common/base/str.h"
#include "taskmanager/worker/chain.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { OPS_MAX = 4 };

static struct {
    struct str trace;
    Flinc__JobVertex vertex;
    Flinc__Operator ops[OPS_MAX], *op_list[OPS_MAX];
    uint8_t ids[OPS_MAX][16];
    Flinc__ChainEdge edges[OPS_MAX], *edge_list[OPS_MAX];
    Flinc__OperatorOutput output, *outputs[1];
    char *schemas[1];
    struct buffer_pool *pool;
    struct arena arena;
    struct mailbox *mailbox;
    struct crash_slot slot;
    struct crash_site site;
    struct clock_manual clock;
    _Atomic bool cancelled;
    struct metric_registry *registry;
    struct metric_group *job, *task;
    struct schema *schema;
    struct chain *chain;
    struct chain_feed *feed; /* of the first operator's input; NULL: none */
    bool waits, ends;
    struct error err;
} f;

struct marked {
    struct operator base;
    struct batch *held; /* Owns */
};

static struct batch *one_row(void)
{
    struct batch *b = batch_new(f.pool, f.schema);
    struct buffer *values = buffer_get(f.pool, sizeof(int64_t));
    *(int64_t *)(void *)values->data = 1;
    values->size = sizeof(int64_t);
    column_set_values(&b->columns[0], values);
    b->n_rows = 1;
    b->n_sel = 1;
    return b;
}

/* Holds a row back until it is flushed. */
static int source_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct marked *m = (struct marked *)op;
    if (f.ends) {
        return OP_END;
    }
    if (m->held == NULL) {
        m->held = one_row();
    }
    op_wake_after(ctx, 1000000);
    return OP_IDLE;
}

static int hold_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    struct marked *m = (struct marked *)op;
    assert_null(m->held);
    m->held = take_batch;
    return f.waits ? OP_WAIT : OP_DONE;
}

static int hold_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    return OP_DONE;
}

static int hold_flush(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct marked *m = (struct marked *)op;
    if (m->held != NULL) {
        str_printf(&f.trace, "%s ", ctx->spec->name);
        op_emit(ctx, 0, STEAL(m->held));
    }
    return OP_DONE;
}

static int sink_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    str_printf(&f.trace, "%s ", ctx->spec->name);
    clock_manual_advance_ms(&f.clock, 5);
    batch_unref(take_batch);
    return OP_DONE;
}

static void on_close(struct operator* op, struct op_context *ctx)
{
    struct marked *m = (struct marked *)op;
    m->held = batch_unref(m->held);
}

#define MARKED(kind_text, inputs, ...)                                                     \
    {                                                                                      \
        .struct_size = sizeof(struct operator_desc), .version = 1, .kind = (kind_text),    \
        .summary = "for tests", .instance_size = sizeof(struct marked), .close = on_close, \
        .n_inputs = (inputs), __VA_ARGS__                                                  \
    }
static const struct operator_desc OPERATORS[] = {
    MARKED("source", 0, .poll = source_poll, .flush = hold_flush),
    MARKED("hold", 1, .process = hold_process, .flush = hold_flush, .resume = hold_resume),
    MARKED("sink", 1, .process = sink_process),
};

static const struct operator_desc *find(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(OPERATORS); i++) {
        if (strcmp(OPERATORS[i].kind, kind) == 0) {
            return &OPERATORS[i];
        }
    }
    return NULL;
}

/* ---- fixture ------------------------------------------------------------------------------------ */

static void add_op(const char *kind, const char *name, int fed_by)
{
    uint32_t i = (uint32_t)f.vertex.n_operators++;
    flinc__operator__init(&f.ops[i]);
    memset(f.ids[i], 0x10 + (int)i, sizeof(f.ids[i]));
    f.ops[i].id = (ProtobufCBinaryData){sizeof(f.ids[i]), f.ids[i]};
    f.ops[i].name = (char *)name;
    f.ops[i].kind = (char *)kind;
    f.ops[i].version = 1;
    f.ops[i].n_input_schemas = find(kind)->n_inputs;
    f.ops[i].input_schemas = f.schemas;
    f.ops[i].n_outputs = strcmp(kind, "sink") != 0;
    f.ops[i].outputs = f.outputs;
    f.op_list[i] = &f.ops[i];
    if (fed_by >= 0) {
        flinc__chain_edge__init(&f.edges[i]);
        f.edges[i].source_operator = (uint32_t)fed_by;
        f.edges[i].target_operator = i;
        f.edge_list[f.vertex.n_chain++] = &f.edges[i];
    }
}

static void make(int64_t interval_ms, enum latency_granularity granularity)
{
    const struct chain_options options = {
        .vertex = &f.vertex,
        .find_operator = find,
        .job_name = "job",
        .task_name = "task",
        .subtask = 2,
        .pool = f.pool,
        .arena = &f.arena,
        .clock = &f.clock.base,
        .cancelled = &f.cancelled,
        .mailbox = f.mailbox,
        .slot = &f.slot,
        .site = &f.site,
        .registry = f.registry,
        .metrics = f.task,
        .job_metrics = f.job,
        .latency = {interval_ms, granularity},
    };
    assert_int_equal(chain_new(&options, &f.chain, &f.err), 0);
    if (f.feed != NULL) {
        const struct schema *schema = NULL;
        assert_int_equal(chain_add_feed(f.chain, 0, 0, f.feed, &schema, &f.err), 0);
    }
    assert_int_equal(chain_open(f.chain, &f.err), 0);
}

static int setup(void **state)
{
    memset(&f, 0, sizeof(f));
    f.pool = buffer_pool_new(&(struct buffer_pool_options){.name = "chain"});
    buffer_pool_adopt(f.pool);
    arena_init(&f.arena, 0);
    clock_manual_init(&f.clock);
    f.mailbox = mailbox_new(&(struct mailbox_options){.name = "task"});
    f.site = (struct crash_site){.job_name = "job", .job_id = "0", .task_name = "task"};
    crash_slot_set(&f.slot, &f.site);
    assert_int_equal(schema_parse(slice_cstr("ROW<n BIGINT NOT NULL>"), &f.schema, &f.err), 0);
    const struct metric_registry_options options = {.formats = {[METRIC_SCOPE_TM_JOB] = "J"}};
    assert_int_equal(metric_registry_new(&options, &f.registry, &f.err), 0);
    f.job = metric_group_new(f.registry, NULL, METRIC_SCOPE_TM_JOB, NULL, 0);
    f.task = metric_group_new(f.registry, f.job, METRIC_SCOPE_TASK, NULL, 0);
    flinc__job_vertex__init(&f.vertex);
    f.vertex.name = "vertex";
    f.vertex.parallelism = 4;
    f.vertex.operators = f.op_list;
    f.vertex.chain = f.edge_list;
    flinc__operator_output__init(&f.output);
    f.output.schema = f.schemas[0] = "ROW<n BIGINT NOT NULL>";
    f.outputs[0] = &f.output;
    return 0;
}

static int teardown(void **state)
{
    f.chain = chain_free(f.chain);
    struct str dump = STR_INIT; /* nothing of a chain outlives it */
    metric_registry_dump(f.registry, &dump);
    assert_null(strstr(str_cstr(&dump), "latency"));
    str_fini(&dump);
    metric_group_free(f.task);
    metric_group_free(f.job);
    metric_registry_free(f.registry);
    schema_unref(f.schema);
    mailbox_unref(f.mailbox);
    arena_fini(&f.arena);
    assert_int_equal(buffer_pool_out_count(f.pool), 0);
    buffer_pool_close(f.pool);
    str_fini(&f.trace);
    return 0;
}

static void run(void)
{
    while (chain_has_work(f.chain)) {
        assert_int_equal(chain_step(f.chain, &f.err), 0);
    }
}

/* What happened since the last time. */
static void expect(const char *text)
{
    run();
    assert_string_equal(str_cstr(&f.trace), text);
    str_clear(&f.trace);
}

static int fire(void)
{
    int rc = chain_fire_timer(f.chain, &f.err);
    run();
    return rc;
}

/* A line of the metrics. */
static void expect_metric(const char *id, const char *value)
{
    struct str dump = STR_INIT, line = STR_INIT;
    metric_registry_dump(f.registry, &dump);
    str_printf(&line, "J.latency.%s\thistogram\t%s\n", id, value);
    if (strstr(str_cstr(&dump), str_cstr(&line)) == NULL) {
        fail_msg("no %s in\n%s", str_cstr(&line), str_cstr(&dump));
    }
    str_fini(&dump);
    str_fini(&line);
}

#define SOURCE_ID "10101010101010101010101010101010"
#define HOLD_ID "11111111111111111111111111111111"
#define SINK_ID "12121212121212121212121212121212"

static void make_line(int64_t interval_ms, enum latency_granularity granularity)
{
    add_op("source", "S", -1);
    add_op("hold", "H", 0);
    add_op("sink", "K", 1);
    make(interval_ms, granularity);
}

/* ---- tests -------------------------------------------------------------------------------------- */

/* What S and H hold back leaves before the marker; the sink works 5 ms on it before the marker comes. */
static void test_behind_records(void **state)
{
    make_line(100, LATENCY_GRANULARITY_OPERATOR);
    assert_int_equal(chain_poll_source(f.chain, &f.err), 1);
    expect("");
    assert_int_equal(fire(), 1);
    expect("S H K ");
    expect_metric("source_id." SOURCE_ID ".operator_id." HOLD_ID
                  ".operator_subtask_index.2.latency_max",
                  "0");
    expect_metric("source_id." SOURCE_ID ".operator_id." SINK_ID
                  ".operator_subtask_index.2.latency_max",
                  "5");
    expect_metric("source_id." SOURCE_ID ".operator_id." SINK_ID
                  ".operator_subtask_index.2.latency_count",
                  "1");
}

/* The next one an interval later, however long the source is idle. */
static void test_every_interval(void **state)
{
    make_line(100, LATENCY_GRANULARITY_SINGLE);
    assert_int_equal(fire(), 1);
    assert_int_equal(fire(), 0);
    assert_int_equal(chain_next_timer_ms(f.chain), clock_now_ms(&f.clock.base) + 100);
    clock_manual_advance_ms(&f.clock, 99);
    assert_int_equal(fire(), 0);
    clock_manual_advance_ms(&f.clock, 1);
    assert_int_equal(fire(), 1);
    assert_int_equal(fire(), 0);
    expect_metric("operator_id." SINK_ID ".operator_subtask_index.2.latency_count", "2");
}

static void test_off(void **state)
{
    make_line(0, LATENCY_GRANULARITY_SINGLE);
    assert_int_equal(chain_next_timer_ms(f.chain), INT64_MAX);
    assert_int_equal(fire(), 0);
}

static void test_ends_with_its_source(void **state)
{
    make_line(100, LATENCY_GRANULARITY_SINGLE);
    f.ends = true;
    assert_int_equal(chain_poll_source(f.chain, &f.err), 1);
    run();
    assert_true(chain_is_finished(f.chain));
    assert_int_equal(fire(), 0);
    assert_int_equal(chain_next_timer_ms(f.chain), INT64_MAX);
}

/* Markers do not pile up in front of an operator that waits. */
static void test_none_while_an_operator_waits(void **state)
{
    make_line(100, LATENCY_GRANULARITY_SINGLE);
    f.waits = true;
    assert_int_equal(chain_poll_source(f.chain, &f.err), 1);
    chain_begin_flush(f.chain);
    run();
    assert_true(chain_is_waiting(f.chain));
    for (int i = 0; i < 10; i++) {
        assert_int_equal(fire(), 1);
        assert_int_equal(f.chain->n_items, 0);
        clock_manual_advance_ms(&f.clock, 100);
    }
}

/* From elsewhere: each subtask of each source has a histogram of its own. */
static void test_of_source_subtasks(void **state)
{
    struct chain_feed feed;
    struct flinc_id source = {{0xab}};
    add_op("sink", "K", -1);
    f.feed = &feed;
    make(0, LATENCY_GRANULARITY_SUBTASK);
    for (uint32_t i = 0; i < 20; i++) {
        chain_push_marker(f.chain, feed, latency_marker_new(-7, &source, i % 10));
    }
    run();
    expect_metric("source_id.ab000000000000000000000000000000.source_subtask_index.9.operator_id."
                  "10101010101010101010101010101010.operator_subtask_index.2.latency_count",
                  "2");
}

/* One of the operators below gets each; what is on its way when the chain ends is dropped. */
static void test_one_target_of_several(void **state)
{
    add_op("source", "S", -1);
    add_op("sink", "K", 0);
    add_op("sink", "L", 0);
    make(100, LATENCY_GRANULARITY_SINGLE);
    uint32_t got[3] = {0};
    for (int i = 0; i < 100; i++) {
        assert_int_equal(chain_fire_timer(f.chain, &f.err), 1);
        assert_int_equal(f.chain->n_items, 1);
        got[1] += f.chain->ops[1].items.len;
        got[2] += f.chain->ops[2].items.len;
        run();
        clock_manual_advance_ms(&f.clock, 100);
    }
    assert_true(got[1] > 0 && got[2] > 0);
    assert_int_equal(got[1] + got[2], 100);
    assert_int_equal(chain_fire_timer(f.chain, &f.err), 1);
}

static void test_granularities(void **state)
{
    enum latency_granularity g = LATENCY_GRANULARITIES;
    assert_true(latency_granularity_parse("Single", &g));
    assert_int_equal(g, LATENCY_GRANULARITY_SINGLE);
    assert_true(latency_granularity_parse("SUBTASK", &g));
    assert_string_equal(latency_granularity_name(g), "subtask");
    assert_false(latency_granularity_parse("", &g));
    assert_false(latency_granularity_parse("subtasks", &g));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_behind_records, setup, teardown),
        cmocka_unit_test_setup_teardown(test_every_interval, setup, teardown),
        cmocka_unit_test_setup_teardown(test_off, setup, teardown),
        cmocka_unit_test_setup_teardown(test_ends_with_its_source, setup, teardown),
        cmocka_unit_test_setup_teardown(test_none_while_an_operator_waits, setup, teardown),
        cmocka_unit_test_setup_teardown(test_of_source_subtasks, setup, teardown),
        cmocka_unit_test_setup_teardown(test_one_target_of_several, setup, teardown),
        cmocka_unit_test(test_granularities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
