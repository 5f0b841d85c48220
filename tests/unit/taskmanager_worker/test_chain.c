/* The driver of a chain: the order of operator calls, resuming, ends, flushes, fan-out, errors, and graphs
 * that are none.  Operators write what happens into a trace. */
#include "common/base/str.h"
#include "taskmanager/worker/chain.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { OPS_MAX = 5 };

/* What an operator does; by its place in the chain. */
struct script {
    int more;          /* OP_MORE so often per input */
    int more_at_end;   /* likewise at the end of an input */
    int more_in_flush; /* likewise in each flush */
    bool emits_at_end;
    int polls;   /* a source's batches */
    int fail_rc; /* of process() */
    int event_emits;
};

struct fixture {
    struct str trace;
    struct script scripts[OPS_MAX];
    Flinc__JobVertex vertex;
    Flinc__Operator ops[OPS_MAX], *op_list[OPS_MAX];
    Flinc__ChainEdge edges[8], *edge_list[8];
    Flinc__OperatorOutput outputs[2], *output_list[2];
    char *schemas[2];
    uint8_t ids[OPS_MAX][16];
    struct buffer_pool *pool;
    struct arena arena;
    struct mailbox *mailbox;
    struct crash_slot slot;
    struct crash_site site;
    _Atomic bool cancelled;
    struct schema *schema;
    struct chain *chain;
    struct chain_feed feeds[OPERATOR_INPUTS_MAX];
    struct error err;
};

struct traced {
    struct operator base;
    int left;
    struct batch *held;
};

static struct fixture *current; /* the operators' */

static struct script *script_of(const struct op_context *ctx)
{
    return &current->scripts[ctx->spec->stream_node];
}

static void trace(const struct op_context *ctx, const char *what)
{
    str_printf(&current->trace, "%s%s ", what, ctx->spec->name);
    assert_ptr_equal(crash_slot_get(&current->slot), &((struct chain_op *)ctx->host_data)->site);
}

static struct batch *one_row(struct op_context *ctx)
{
    struct batch *b = batch_new(ctx->pool, current->schema);
    struct buffer *values = buffer_get(ctx->pool, sizeof(int64_t));
    *(int64_t *)(void *)values->data = 1;
    values->size = sizeof(int64_t);
    column_set_values(&b->columns[0], values);
    b->n_rows = 1;
    b->n_sel = 1;
    return b;
}

static void emit_all(struct op_context *ctx, struct batch *take_batch)
{
    for (uint32_t i = 0; i < ctx->n_outputs; i++) {
        op_emit(ctx, i, batch_ref(take_batch));
    }
    batch_unref(take_batch);
}

static int traced_process(struct operator* op, struct op_context *ctx, uint32_t input,
                          struct batch *take_batch, struct error *err)
{
    struct traced *t = (struct traced *)op;
    trace(ctx, "");
    if (script_of(ctx)->fail_rc < 0) {
        batch_unref(take_batch);
        return error_set(err, script_of(ctx)->fail_rc, "no");
    }
    emit_all(ctx, take_batch);
    t->left = script_of(ctx)->more;
    return t->left > 0 ? OP_MORE : OP_DONE;
}

static int traced_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct traced *t = (struct traced *)op;
    trace(ctx, "r");
    emit_all(ctx, one_row(ctx));
    t->left--;
    return t->left > 0 ? OP_MORE : OP_DONE;
}

static int traced_end(struct operator* op, struct op_context *ctx, uint32_t input,
                      struct error *err)
{
    struct traced *t = (struct traced *)op;
    trace(ctx, input == 0 ? "e" : "E");
    if (script_of(ctx)->emits_at_end) {
        emit_all(ctx, one_row(ctx));
    }
    t->left = script_of(ctx)->more_at_end;
    return t->left > 0 ? OP_MORE : OP_DONE;
}

static int traced_flush(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct traced *t = (struct traced *)op;
    trace(ctx, "f");
    t->left = script_of(ctx)->more_in_flush;
    return t->left > 0 ? OP_MORE : OP_DONE;
}

static int traced_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    trace(ctx, "p");
    struct script *s = script_of(ctx);
    if (s->polls == 0) {
        return OP_END;
    }
    if (s->polls-- % 2 == 1) {
        emit_all(ctx, one_row(ctx));
        return OP_DONE;
    }
    emit_all(ctx, one_row(ctx));
    return OP_IDLE;
}

static int traced_event(struct operator* op, struct op_context *ctx, const uint8_t *data,
                        size_t size, struct error *err)
{
    str_printf(&current->trace, "<%.*s>", (int)size, (const char *)data);
    for (int i = 0; i < script_of(ctx)->event_emits; i++) {
        emit_all(ctx, one_row(ctx));
    }
    return 0;
}

static int traced_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    trace(ctx, "+");
    return 0;
}

static void traced_close(struct operator* op, struct op_context *ctx)
{
    trace(ctx, "-");
}

#define TRACED(kind_text, inputs, ...)                                                        \
    {                                                                                         \
        .struct_size = sizeof(struct operator_desc), .version = 1, .kind = (kind_text),       \
        .summary = "for tests", .instance_size = sizeof(struct traced), .n_inputs = (inputs), \
        .open = traced_open, .resume = traced_resume, .flush = traced_flush,                  \
        .close = traced_close, __VA_ARGS__                                                    \
    }

static const struct operator_desc OPERATORS[] = {
    TRACED("source", 0, .poll = traced_poll, .on_event = traced_event),
    TRACED("one", 1, .process = traced_process, .end_of_input = traced_end),
    TRACED("two", 2, .process = traced_process, .end_of_input = traced_end),
};

static const struct operator_desc *find_traced(const char *kind)
{
    for (size_t i = 0; i < ARRAY_LEN(OPERATORS); i++) {
        if (strcmp(OPERATORS[i].kind, kind) == 0) {
            return &OPERATORS[i];
        }
    }
    return NULL;
}

/* ---- fixture ------------------------------------------------------------------------------------ */

static int setup(void **state)
{
    struct fixture *f = MEM_NEW(struct fixture);
    current = f;
    f->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "chain"});
    buffer_pool_adopt(f->pool);
    arena_init(&f->arena, 0);
    f->mailbox = mailbox_new(&(struct mailbox_options){.name = "task"});
    f->site = (struct crash_site){.job_name = "job", .job_id = "0", .task_name = "task"};
    crash_slot_set(&f->slot, &f->site);
    assert_int_equal(schema_parse(slice_cstr("ROW<n BIGINT NOT NULL>"), &f->schema, &f->err), 0);
    flinc__job_vertex__init(&f->vertex);
    f->vertex.name = "vertex";
    f->vertex.parallelism = 4;
    f->vertex.operators = f->op_list;
    f->vertex.chain = f->edge_list;
    for (int i = 0; i < 2; i++) {
        f->schemas[i] = "ROW<n BIGINT NOT NULL>";
        flinc__operator_output__init(&f->outputs[i]);
        f->outputs[i].schema = f->schemas[i];
        f->output_list[i] = &f->outputs[i];
    }
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct fixture *f = *state;
    chain_free(f->chain);
    assert_ptr_equal(crash_slot_get(&f->slot), &f->site);
    schema_unref(f->schema);
    mailbox_unref(f->mailbox);
    arena_fini(&f->arena);
    assert_int_equal(buffer_pool_out_count(f->pool), 0);
    buffer_pool_close(f->pool);
    str_fini(&f->trace);
    mem_free(f);
    return 0;
}

static void add_op(struct fixture *f, const char *name, const char *kind, uint32_t n_outputs)
{
    uint32_t i = (uint32_t)f->vertex.n_operators++;
    Flinc__Operator *op = &f->ops[i];
    const struct operator_desc *desc = find_traced(kind);
    flinc__operator__init(op);
    f->ids[i][0] = (uint8_t)(i + 1);
    op->id = (ProtobufCBinaryData){sizeof(f->ids[i]), f->ids[i]};
    op->name = (char *)name;
    op->kind = (char *)kind;
    op->version = 1;
    op->stream_node = i;
    op->n_input_schemas = desc != NULL ? desc->n_inputs : 0;
    op->input_schemas = f->schemas;
    op->n_outputs = n_outputs;
    op->outputs = f->output_list;
    f->op_list[i] = op;
}

static void add_edge(struct fixture *f, uint32_t source, uint32_t output, uint32_t target,
                     uint32_t input)
{
    Flinc__ChainEdge *e = &f->edges[f->vertex.n_chain];
    flinc__chain_edge__init(e);
    e->source_operator = source;
    e->source_output = output;
    e->target_operator = target;
    e->target_input = input;
    f->edge_list[f->vertex.n_chain++] = e;
}

static int make_chain(struct fixture *f)
{
    const struct chain_options options = {
        .vertex = &f->vertex,
        .find_operator = find_traced,
        .job_name = "job",
        .task_name = "task",
        .subtask = 1,
        .pool = f->pool,
        .arena = &f->arena,
        .clock = &clock_system,
        .cancelled = &f->cancelled,
        .mailbox = f->mailbox,
        .slot = &f->slot,
        .site = &f->site,
    };
    return chain_new(&options, &f->chain, &f->err);
}

/* Adds gates for these inputs of operator 0 and opens. */
static void open_chain(struct fixture *f, uint32_t n_inputs)
{
    const struct schema *schema = NULL;
    if (make_chain(f) < 0) {
        fail_msg("%s", f->err.message);
    }
    for (uint32_t i = 0; i < n_inputs; i++) {
        assert_int_equal(chain_add_feed(f->chain, 0, i, &f->feeds[i], &schema, &f->err), 0);
    }
    assert_int_equal(chain_open(f->chain, &f->err), 0);
}

static void push(struct fixture *f, uint32_t input)
{
    struct op_context *ctx = &f->chain->ops[0].ctx;
    chain_push(f->chain, f->feeds[input], one_row(ctx));
}

static void drain(struct fixture *f)
{
    while (chain_has_work(f->chain)) {
        if (chain_step(f->chain, &f->err) < 0) {
            fail_msg("%s", f->err.message);
        }
    }
}

static void expect_trace(struct fixture *f, const char *expected)
{
    assert_string_equal(str_cstr(&f->trace), expected);
    str_clear(&f->trace);
}

/* ---- order -------------------------------------------------------------------------------------- */

static void test_opens_from_the_end_closes_from_the_head(void **state)
{
    struct fixture *f = *state;
    add_op(f, "A", "one", 1);
    add_op(f, "B", "one", 0);
    add_edge(f, 0, 0, 1, 0);
    open_chain(f, 1);
    expect_trace(f, "+B +A ");
    chain_close(f->chain);
    chain_close(f->chain);
    expect_trace(f, "-A -B ");
}

static void test_deepest_first(void **state)
{
    struct fixture *f = *state;
    f->scripts[0].more = 2;
    f->scripts[1].more = 1;
    add_op(f, "A", "one", 1);
    add_op(f, "B", "one", 1);
    add_op(f, "C", "one", 0);
    add_edge(f, 0, 0, 1, 0);
    add_edge(f, 1, 0, 2, 0);
    open_chain(f, 1);
    str_clear(&f->trace);
    push(f, 0);
    push(f, 0);
    assert_true(chain_has_work(f->chain));
    drain(f);
    expect_trace(f, "A B C rB C rA B C rB C rA B C rB C "
                    "A B C rB C rA B C rB C rA B C rB C ");
    assert_int_equal(metric_counter_get(&f->chain->ops[0].records_in), 2);
    assert_int_equal(metric_counter_get(&f->chain->ops[0].records_out), 6);
    assert_int_equal(metric_counter_get(&f->chain->ops[2].records_in), 12);
}

static void test_fan_out_and_two_inputs(void **state)
{
    struct fixture *f = *state;
    add_op(f, "A", "one", 2);
    add_op(f, "B", "one", 1);
    add_op(f, "C", "two", 0);
    add_edge(f, 0, 0, 1, 0); /* output 0 to B and to C */
    add_edge(f, 0, 0, 2, 0);
    add_edge(f, 0, 1, 2, 1);
    add_edge(f, 1, 0, 2, 0);
    open_chain(f, 1);
    str_clear(&f->trace);
    push(f, 0);
    drain(f);
    expect_trace(f, "A C C B C ");
    chain_push_end(f->chain, f->feeds[0]);
    drain(f);
    /* C's input 0 has two feeds: it ends with the second. */
    expect_trace(f, "eA fA EC eB fB eC fC ");
    assert_true(chain_is_finished(f->chain));
}

/* ---- ends and flushes ----------------------------------------------------------------------------- */

static void test_end_travels_behind_the_last_rows(void **state)
{
    struct fixture *f = *state;
    f->scripts[0].emits_at_end = true;
    f->scripts[0].more_at_end = 2;
    f->scripts[1].more = 1;
    add_op(f, "A", "one", 1);
    add_op(f, "B", "one", 0);
    add_edge(f, 0, 0, 1, 0);
    open_chain(f, 1);
    str_clear(&f->trace);
    push(f, 0);
    chain_push_end(f->chain, f->feeds[0]);
    drain(f);
    expect_trace(f, "A B rB eA B rB rA B rB rA fA B rB eB fB ");
    assert_true(chain_is_finished(f->chain));
}

static void test_last_flush_may_go_on(void **state)
{
    struct fixture *f = *state;
    f->scripts[0].more_in_flush = 2;
    add_op(f, "A", "one", 1);
    add_op(f, "B", "one", 0);
    add_edge(f, 0, 0, 1, 0);
    open_chain(f, 1);
    str_clear(&f->trace);
    chain_push_end(f->chain, f->feeds[0]);
    drain(f);
    expect_trace(f, "eA fA rA B rA B eB fB ");
    assert_true(chain_is_finished(f->chain));
}

static void test_flush_goes_down_the_chain(void **state)
{
    struct fixture *f = *state;
    f->scripts[0].more_in_flush = 1;
    add_op(f, "A", "one", 1);
    add_op(f, "B", "one", 0);
    add_edge(f, 0, 0, 1, 0);
    open_chain(f, 1);
    str_clear(&f->trace);
    chain_begin_flush(f->chain);
    assert_false(chain_has_work(f->chain)); /* nothing was half built */
    push(f, 0);
    drain(f);
    assert_true(chain_is_dirty(f->chain));
    chain_begin_flush(f->chain);
    chain_begin_flush(f->chain);
    drain(f);
    expect_trace(f, "A B fA rA B fB ");
    assert_false(chain_is_dirty(f->chain));
}

/* ---- sources, events ------------------------------------------------------------------------------ */

static void test_sources(void **state)
{
    struct fixture *f = *state;
    f->scripts[0].polls = 3;
    add_op(f, "S", "source", 1);
    add_op(f, "B", "one", 0);
    add_edge(f, 0, 0, 1, 0);
    open_chain(f, 0);
    str_clear(&f->trace);
    assert_int_equal(chain_poll_source(f->chain, &f->err), 1);
    drain(f);
    assert_int_equal(chain_poll_source(f->chain, &f->err), 1); /* says OP_IDLE */
    drain(f);
    assert_false(chain_has_ready_source(f->chain));
    assert_int_equal(chain_poll_source(f->chain, &f->err), 0);
    struct op_context *ctx = &f->chain->ops[0].ctx;
    uint32_t ticket = event_count_prepare(mailbox_event(f->mailbox));
    op_wake(op_get_waker(ctx));
    op_wake(op_get_waker(ctx));
    assert_true(event_count_wait(mailbox_event(f->mailbox), ticket, 0));
    assert_true(chain_has_ready_source(f->chain));
    assert_int_equal(chain_poll_source(f->chain, &f->err), 1);
    drain(f);
    assert_int_equal(chain_poll_source(f->chain, &f->err), 1); /* says OP_END */
    drain(f);
    expect_trace(f, "pS B pS B pS B pS fS eB fB ");
    assert_true(chain_is_finished(f->chain));
    assert_false(chain_has_ready_source(f->chain));
}

static void test_waking_after_a_delay(void **state)
{
    struct fixture *f = *state;
    struct clock_manual clock;
    clock_manual_init(&clock);
    f->scripts[0].polls = 2;
    add_op(f, "S", "source", 1);
    open_chain(f, 0);
    f->chain->ops[0].ctx.clock = &clock.base;
    assert_int_equal(chain_poll_source(f->chain, &f->err), 1);
    assert_int_equal(chain_next_wake_ns(f->chain), INT64_MAX);
    op_wake_after(&f->chain->ops[0].ctx, 10);
    assert_int_equal(chain_next_wake_ns(f->chain), clock_monotonic_ns(&clock.base) + 10000000);
    assert_false(chain_has_ready_source(f->chain));
    clock_manual_advance_ms(&clock, 10);
    assert_true(chain_has_ready_source(f->chain));
    assert_int_equal(chain_poll_source(f->chain, &f->err), 1);
    op_wake_after(&f->chain->ops[0].ctx, INT64_MAX);
    assert_int_equal(chain_next_wake_ns(f->chain), INT64_MAX);
    op_wake_after(&f->chain->ops[0].ctx, -5);
    clock_manual_advance_ms(&clock, 1);
}

/* Each operator holds the sources above it and no others; a held one waits for no time either. */
static void test_held_sources(void **state)
{
    struct fixture *f = *state;
    struct clock_manual clock;
    clock_manual_init(&clock);
    f->scripts[0].polls = f->scripts[1].polls = 9;
    add_op(f, "S", "source", 1);
    add_op(f, "T", "source", 1);
    add_op(f, "A", "one", 1);
    add_op(f, "B", "one", 1);
    add_op(f, "C", "one", 0);
    add_edge(f, 0, 0, 2, 0);
    add_edge(f, 0, 0, 3, 0);
    add_edge(f, 1, 0, 4, 0);
    add_edge(f, 2, 0, 4, 0);
    open_chain(f, 0);
    const struct chain_op *ops = f->chain->ops;
    assert_int_equal(op_hold_sources(&f->chain->ops[3].ctx, true), 1);
    assert_int_equal(op_hold_sources(&f->chain->ops[3].ctx, true), 1);
    assert_int_equal(op_hold_sources(&f->chain->ops[4].ctx, true), 2);
    assert_int_equal(ops[0].n_holding, 2);
    assert_int_equal(ops[1].n_holding, 1);
    assert_false(chain_has_ready_source(f->chain));
    assert_int_equal(chain_poll_source(f->chain, &f->err), 0);
    op_hold_sources(&f->chain->ops[4].ctx, false);
    op_hold_sources(&f->chain->ops[4].ctx, false);
    assert_int_equal(ops[0].n_holding, 1);
    str_clear(&f->trace);
    assert_int_equal(chain_poll_source(f->chain, &f->err), 1);
    expect_trace(f, "pT ");
    drain(f);
    f->chain->ops[0].ctx.clock = &clock.base;
    f->chain->ops[0].idle = true;
    op_wake_after(&f->chain->ops[0].ctx, 10);
    clock_manual_advance_ms(&clock, 20);
    assert_int_equal(chain_next_wake_ns(f->chain), INT64_MAX);
    op_hold_sources(&f->chain->ops[3].ctx, false);
    assert_true(chain_next_wake_ns(f->chain) <= clock_monotonic_ns(&clock.base));
    assert_true(chain_has_ready_source(f->chain));
    assert_int_equal(op_hold_sources(&f->chain->ops[0].ctx, false), 0);
}

static void send_event(struct fixture *f, const char *payload, uint64_t sequence)
{
    Flinc__OperatorEvent event = FLINC__OPERATOR_EVENT__INIT;
    event.operator_id = f->ops[0].id;
    event.payload = (ProtobufCBinaryData){strlen(payload), (uint8_t *)payload};
    event.sequence = sequence;
    assert_int_equal(chain_on_event(f->chain, &event, &f->err), 0);
}

static void test_events(void **state)
{
    struct fixture *f = *state;
    f->scripts[0].polls = 2;
    f->scripts[0].event_emits = 20; /* more than the lists hold at first */
    add_op(f, "S", "source", 1);
    add_op(f, "B", "one", 0);
    add_edge(f, 0, 0, 1, 0);
    open_chain(f, 0);
    assert_int_equal(chain_poll_source(f->chain, &f->err), 1);
    assert_false(chain_has_ready_source(f->chain));
    str_clear(&f->trace);
    send_event(f, "x", 1);
    send_event(f, "x", 1);
    send_event(f, "y", 2);
    assert_true(chain_has_ready_source(f->chain)); /* it may have waited for them */
    expect_trace(f, "<x><y>");
    drain(f);
    assert_int_equal(metric_counter_get(&f->chain->ops[1].records_in), 41);
}

/* ---- errors ------------------------------------------------------------------------------------- */

static void test_errors_name_the_operator(void **state)
{
    struct fixture *f = *state;
    f->scripts[1].fail_rc = ERR_IO;
    add_op(f, "A", "one", 1);
    add_op(f, "B", "one", 0);
    add_edge(f, 0, 0, 1, 0);
    open_chain(f, 1);
    push(f, 0);
    assert_int_equal(chain_step(f->chain, &f->err), 0);
    assert_int_equal(chain_step(f->chain, &f->err), ERR_IO);
    assert_string_equal(f->err.message, "no");
    assert_string_equal(f->err.frames, "B (2/4)\n");
    push(f, 0); /* what is left in the lists goes with the chain */
}

static void expect_bad(struct fixture *f, int code, const char *message)
{
    int rc = make_chain(f);
    if (rc == 0) {
        rc = chain_open(f->chain, &f->err);
    }
    assert_int_equal(rc, code);
    assert_null(strchr(f->err.message, '\n'));
    if (strstr(f->err.message, message) == NULL) {
        fail_msg("'%s' is not: %s", f->err.message, message);
    }
    f->chain = chain_free(f->chain);
    error_clear(&f->err);
}

static void test_bad_chains(void **state)
{
    struct fixture *f = *state;
    expect_bad(f, ERR_INVALID_ARGUMENT, "vertex 'vertex' has no operators");
    add_op(f, "A", "one", 1);
    add_op(f, "B", "one", 0);
    expect_bad(f, ERR_INVALID_ARGUMENT, "nothing is connected to input 0");
    f->ops[1].version = 2;
    expect_bad(f, ERR_UNSUPPORTED,
               "the job uses version 2 of operator 'one', this build has version 1");
    f->ops[1].version = 1;
    f->ops[1].n_input_schemas = 2;
    expect_bad(f, ERR_INVALID_ARGUMENT, "operator 'one' has 1 inputs, the job says 2");
    f->ops[1].n_input_schemas = 1;
    f->ops[1].kind = "three";
    expect_bad(f, ERR_UNSUPPORTED, "this build has no operator of kind 'three'");
    f->ops[1].kind = "one";
    f->schemas[0] = "ROW<n BIGINT";
    expect_bad(f, ERR_PARSE, "");
    f->schemas[0] = "ROW<n INT>";
    add_edge(f, 0, 0, 1, 0);
    expect_bad(f, ERR_INVALID_ARGUMENT,
               "output 0 of operator 'A' and input 0 of operator 'B' have different schemas");
    f->schemas[0] = f->schemas[1];
    f->edges[0].target_operator = 0;
    expect_bad(f, ERR_INVALID_ARGUMENT, "operator 0 feeds operator 0: a chain has no way back");
    f->edges[0].target_operator = 2;
    expect_bad(f, ERR_INVALID_ARGUMENT,
               "an edge leads to input 0 of operator 2, which there is not");
    f->edges[0].source_output = 1;
    expect_bad(f, ERR_INVALID_ARGUMENT,
               "an edge starts at output 1 of operator 0, which there is not");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_opens_from_the_end_closes_from_the_head, setup,
                                        teardown),
        cmocka_unit_test_setup_teardown(test_deepest_first, setup, teardown),
        cmocka_unit_test_setup_teardown(test_fan_out_and_two_inputs, setup, teardown),
        cmocka_unit_test_setup_teardown(test_end_travels_behind_the_last_rows, setup, teardown),
        cmocka_unit_test_setup_teardown(test_last_flush_may_go_on, setup, teardown),
        cmocka_unit_test_setup_teardown(test_flush_goes_down_the_chain, setup, teardown),
        cmocka_unit_test_setup_teardown(test_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_held_sources, setup, teardown),
        cmocka_unit_test_setup_teardown(test_waking_after_a_delay, setup, teardown),
        cmocka_unit_test_setup_teardown(test_events, setup, teardown),
        cmocka_unit_test_setup_teardown(test_errors_name_the_operator, setup, teardown),
        cmocka_unit_test_setup_teardown(test_bad_chains, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
