/* Time in a chain: watermarks behind what came before them, through operators that buffer, fire, make their
 * own, or wait; idleness; timers; barriers between them.  Operators write what happens into a trace. */
#include "common/base/clock.h"
#include "common/base/str.h"
#include "taskmanager/worker/chain.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>

#include <cmocka.h>

enum { OPS_MAX = 3 };

static struct {
    struct str trace;
    Flinc__JobVertex vertex;
    Flinc__Operator ops[OPS_MAX], *op_list[OPS_MAX];
    Flinc__ChainEdge edges[OPS_MAX], *edge_list[OPS_MAX];
    Flinc__OperatorOutput output, *outputs[1];
    char *schemas[2];
    struct buffer_pool *pool;
    struct arena arena;
    struct mailbox *mailbox;
    struct crash_slot slot;
    struct crash_site site;
    struct clock_manual clock;
    _Atomic bool cancelled;
    struct schema *schema;
    struct chain *chain;
    struct chain_feed feeds[4];
    struct op_waker *waker;
    bool waits; /* the operator "wait" has no room */
    struct error err;
} f;

struct timed {
    struct operator base;
    struct batch *held; /* Owns */
    int more;
};

static void trace(const struct op_context *ctx, const char *what)
{
    str_printf(&f.trace, "%s%s ", ctx->spec->name, what);
}

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

static void pass(struct op_context *ctx, struct batch *take_batch)
{
    if (ctx->n_outputs > 0) {
        op_emit(ctx, 0, take_batch);
    } else {
        batch_unref(take_batch);
    }
}

static int pass_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    trace(ctx, "");
    pass(ctx, take_batch);
    return OP_DONE;
}

static int on_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                        struct error *err)
{
    char text[32];
    snprintf(text, sizeof(text), ":%lld", (long long)watermark_ms);
    trace(ctx, watermark_ms == INT64_MAX ? ":max" : text);
    assert_int_equal(op_watermark(ctx), watermark_ms);
    return OP_DONE;
}

/* Keeps a batch until it is flushed. */
static int hold_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    struct timed *t = (struct timed *)op;
    trace(ctx, "");
    if (t->held != NULL) {
        pass(ctx, t->held);
    }
    t->held = take_batch;
    return OP_DONE;
}

static int hold_flush(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct timed *t = (struct timed *)op;
    if (t->held != NULL) {
        pass(ctx, STEAL(t->held));
    }
    return OP_DONE;
}

/* Fires two batches per watermark, one at a time. */
static int fire_watermark(struct operator* op, struct op_context *ctx, int64_t watermark_ms,
                          struct error *err)
{
    ((struct timed *)op)->more = 2;
    trace(ctx, "w");
    return OP_MORE;
}

static int fire_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    trace(ctx, "r");
    pass(ctx, one_row());
    return --((struct timed *)op)->more > 0 ? OP_MORE : OP_DONE;
}

/* Emits 100 more than the number of its batches; is idle behind the third. */
static int own_process(struct operator* op, struct op_context *ctx, uint32_t input,
                       struct batch *take_batch, struct error *err)
{
    struct timed *t = (struct timed *)op;
    pass(ctx, take_batch);
    op_emit_watermark(ctx, 100 + ++t->more);
    op_emit_watermark(ctx, 100);
    if (t->more == 3) {
        op_emit_idle(ctx, true);
        op_emit_idle(ctx, true);
    }
    return OP_DONE;
}

/* Speaks for itself, and is told. */
static void tell_idle(struct operator* op, struct op_context *ctx, bool idle)
{
    trace(ctx, idle ? "i" : "a");
    op_emit_idle(ctx, idle);
}

static int wait_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    f.waker = op_get_waker(ctx);
    return 0;
}

static int wait_process(struct operator* op, struct op_context *ctx, uint32_t input,
                        struct batch *take_batch, struct error *err)
{
    trace(ctx, "");
    pass(ctx, take_batch);
    return f.waits ? OP_WAIT : OP_DONE;
}

static int wait_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    trace(ctx, "r");
    return f.waits ? OP_WAIT : OP_DONE;
}

static int on_end(struct operator* op, struct op_context *ctx, uint32_t input, struct error *err)
{
    trace(ctx, "e");
    pass(ctx, one_row());
    return OP_DONE;
}

static int on_time(struct operator* op, struct op_context *ctx, int64_t now_ms, struct error *err)
{
    trace(ctx, "t");
    pass(ctx, one_row());
    return OP_DONE;
}

static int on_prepare(struct operator* op, struct op_context *ctx,
                      const struct op_checkpoint *checkpoint, struct error *err)
{
    trace(ctx, "p");
    pass(ctx, one_row());
    return OP_DONE;
}

static void on_close(struct operator* op, struct op_context *ctx)
{
    struct timed *t = (struct timed *)op;
    t->held = batch_unref(t->held);
}

#define TIMED(kind_text, inputs, ...)                                                        \
    {                                                                                        \
        .struct_size = sizeof(struct operator_desc), .version = 1, .kind = (kind_text),      \
        .summary = "for tests", .instance_size = sizeof(struct timed), .n_inputs = (inputs), \
        .close = on_close, .processing_time = on_time, __VA_ARGS__                           \
    }

static const struct operator_desc OPERATORS[] = {
    TIMED("pass", 1, .process = pass_process),
    TIMED("see", 1, .process = pass_process, .watermark = on_watermark),
    TIMED("see2", 2, .process = pass_process, .watermark = on_watermark),
    TIMED("hold", 1, .process = hold_process, .flush = hold_flush, .prepare_barrier = on_prepare),
    TIMED("fire", 1, .process = pass_process, .watermark = fire_watermark, .resume = fire_resume),
    TIMED("own", 1, .process = own_process, .flags = OPERATOR_OWN_WATERMARKS),
    TIMED("tell", 1, .process = pass_process, .flags = OPERATOR_OWN_WATERMARKS,
          .watermark = on_watermark, .idle = tell_idle),
    TIMED("wait", 1, .open = wait_open, .process = wait_process, .resume = wait_resume),
    TIMED("end", 1, .process = pass_process, .end_of_input = on_end, .watermark = on_watermark),
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

static void add_op(const char *kind, const char *name, bool is_last)
{
    uint32_t i = (uint32_t)f.vertex.n_operators++;
    flinc__operator__init(&f.ops[i]);
    f.ops[i].name = (char *)name;
    f.ops[i].kind = (char *)kind;
    f.ops[i].version = 1;
    f.ops[i].n_input_schemas = find(kind)->n_inputs;
    f.ops[i].input_schemas = f.schemas;
    f.ops[i].n_outputs = !is_last;
    f.ops[i].outputs = f.outputs;
    f.op_list[i] = &f.ops[i];
    if (i > 0) {
        flinc__chain_edge__init(&f.edges[i]);
        f.edges[i].source_operator = i - 1;
        f.edges[i].target_operator = i;
        f.edge_list[f.vertex.n_chain++] = &f.edges[i];
    }
}

/* A chain of these kinds, named A, B, C; n_feeds edges lead into each input of the first. */
static void make(const char *first, const char *second, const char *third, uint32_t n_feeds)
{
    const struct schema *schema = NULL;
    add_op(first, "A", second == NULL);
    if (second != NULL) {
        add_op(second, "B", third == NULL);
    }
    if (third != NULL) {
        add_op(third, "C", true);
    }
    const struct chain_options options = {
        .vertex = &f.vertex,
        .find_operator = find,
        .job_name = "job",
        .task_name = "task",
        .pool = f.pool,
        .arena = &f.arena,
        .clock = &f.clock.base,
        .cancelled = &f.cancelled,
        .mailbox = f.mailbox,
        .slot = &f.slot,
        .site = &f.site,
    };
    assert_int_equal(chain_new(&options, &f.chain, &f.err), 0);
    for (uint32_t i = 0; i < n_feeds * find(first)->n_inputs; i++) {
        assert_int_equal(chain_add_feed(f.chain, 0, i / n_feeds, &f.feeds[i], &schema, &f.err), 0);
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
    flinc__job_vertex__init(&f.vertex);
    f.vertex.name = "vertex";
    f.vertex.parallelism = 1;
    f.vertex.operators = f.op_list;
    f.vertex.chain = f.edge_list;
    flinc__operator_output__init(&f.output);
    f.output.schema = f.schemas[0] = f.schemas[1] = "ROW<n BIGINT NOT NULL>";
    f.outputs[0] = &f.output;
    return 0;
}

static int teardown(void **state)
{
    chain_free(f.chain);
    schema_unref(f.schema);
    mailbox_unref(f.mailbox);
    arena_fini(&f.arena);
    assert_int_equal(buffer_pool_out_count(f.pool), 0);
    buffer_pool_close(f.pool);
    str_fini(&f.trace);
    return 0;
}

static void row(uint32_t feed)
{
    chain_push(f.chain, f.feeds[feed], one_row());
}

static void watermark(uint32_t feed, int64_t watermark_ms)
{
    chain_push_watermark(f.chain, f.feeds[feed], watermark_ms);
}

/* Runs what there is to do; what happened since the last time. */
static void expect(const char *text)
{
    while (chain_has_work(f.chain)) {
        assert_int_equal(chain_step(f.chain, &f.err), 0);
    }
    assert_string_equal(str_cstr(&f.trace), text);
    str_clear(&f.trace);
}

/* ---- watermarks --------------------------------------------------------------------------------- */

static void test_behind_what_came_before(void **state)
{
    make("pass", "see", NULL, 1);
    row(0);
    watermark(0, 10);
    row(0);
    watermark(0, 10);
    watermark(0, 5);
    watermark(0, 20);
    expect("A B B:10 A B B:20 ");
}

/* What an operator has half built is not overtaken. */
static void test_flushes_before_it_goes_on(void **state)
{
    make("hold", "see", NULL, 1);
    row(0);
    row(0);
    watermark(0, 10);
    expect("A A B B B:10 ");
}

static void test_fires_before_it_goes_on(void **state)
{
    make("fire", "see", NULL, 1);
    watermark(0, 10);
    row(0);
    expect("Aw Ar B Ar B B:10 A B ");
}

static void test_minimum_over_edges_and_inputs(void **state)
{
    make("see2", NULL, NULL, 2); /* feeds 0 and 1 of input 0, 2 and 3 of input 1 */
    watermark(0, 10);
    watermark(1, 20);
    watermark(2, 30);
    expect("");
    watermark(3, 15);
    expect("A:10 ");
    watermark(0, 40);
    expect("A:15 ");
    chain_push_idle(f.chain, f.feeds[2], true);
    chain_push_idle(f.chain, f.feeds[3], true);
    expect("A:20 ");
    chain_push_idle(f.chain, f.feeds[3], false); /* back, and behind: the operator waits for it */
    watermark(1, 50);
    expect("A:30 ");
    watermark(3, 60);
    expect("A:40 ");
}

static void test_own_watermarks(void **state)
{
    make("own", "see", NULL, 1);
    watermark(0, 7); /* ends there */
    row(0);
    row(0);
    expect("B B:101 B B:102 ");
    row(0);
    expect("B B:103 ");
    assert_true(f.chain->ops[1].time.both.is_idle);
    row(0); /* takes it back */
    expect("B B:104 ");
    assert_false(f.chain->ops[1].time.both.is_idle);
    watermark(0, INT64_MAX);
    expect("B:max ");
}

static void test_idleness_goes_on(void **state)
{
    make("pass", "see", NULL, 2);
    watermark(0, 10);
    chain_push_idle(f.chain, f.feeds[1], true);
    expect("B:10 ");
    chain_push_idle(f.chain, f.feeds[0], true);
    expect("");
    assert_true(f.chain->ops[1].time.both.is_idle);
    row(0); /* rows of an idle edge change nothing here */
    expect("A B ");
    assert_true(f.chain->ops[1].time.both.is_idle);
    chain_push_idle(f.chain, f.feeds[1], false);
    watermark(1, 30);
    expect("B:30 ");
}

/* Idle when both inputs are, active when one is; the watermark waits for the active ones only. */
static void test_idleness_of_two_inputs(void **state)
{
    make("see2", "see", NULL, 1);
    const bool *is_idle = &f.chain->ops[1].time.both.is_idle;
    watermark(0, 10);
    chain_push_idle(f.chain, f.feeds[0], true);
    expect("");
    assert_false(*is_idle); /* the other one may still bring something */
    watermark(1, 5);
    expect("A:5 B:5 ");
    watermark(1, 20); /* the idle one holds nobody */
    expect("A:20 B:20 ");
    chain_push_idle(f.chain, f.feeds[1], true);
    expect("");
    assert_true(*is_idle);
    chain_push_idle(f.chain, f.feeds[0], false);
    watermark(0, 15); /* behind: nothing goes back */
    expect("");
    assert_false(*is_idle);
    watermark(0, 30);
    expect("A:30 B:30 ");
}

/* An operator with watermarks of its own is told: behind the watermark of the same moment when all are idle,
 * before it when one is active again. */
static void test_idleness_is_told(void **state)
{
    make("tell", "see", NULL, 2);
    const bool *is_idle = &f.chain->ops[1].time.both.is_idle;
    watermark(0, 10);
    watermark(1, 20);
    expect("A:10 ");
    chain_push_idle(f.chain, f.feeds[1], true);
    expect("");
    row(0);
    chain_push_idle(f.chain, f.feeds[0], true);
    expect("A B A:20 Ai ");
    assert_true(*is_idle);
    watermark(0, 40); /* of an idle edge: none */
    expect("");
    chain_push_idle(f.chain, f.feeds[1], false);
    expect("Aa ");
    assert_false(*is_idle);
    watermark(1, 30);
    expect("A:30 ");
}

/* The end of event time comes behind what an operator says at the end of its input, once. */
static void test_end_of_time(void **state)
{
    make("end", "see", NULL, 1);
    watermark(0, INT64_MAX);
    chain_push_end(f.chain, f.feeds[0]);
    expect("A:max Ae B B:max ");
    assert_true(chain_is_finished(f.chain));
}

/* Without a last watermark from above, too. */
static void test_end_of_time_without_watermark(void **state)
{
    make("pass", "see", NULL, 1);
    chain_push_end(f.chain, f.feeds[0]);
    expect("B:max ");
}

/* ---- waiting ------------------------------------------------------------------------------------ */

static void test_waiting_operator(void **state)
{
    make("pass", "wait", "see", 1);
    f.waits = true;
    row(0);
    row(0);
    watermark(0, 10);
    expect("A B C "); /* nothing more above it either */
    assert_true(chain_is_waiting(f.chain));
    op_wake(f.waker);
    expect("Br "); /* no room yet */
    assert_true(chain_is_waiting(f.chain));
    f.waits = false;
    op_wake(f.waker);
    expect("Br A B C C:10 ");
    assert_false(chain_is_waiting(f.chain));
    op_wake(f.waker); /* also when it does not wait */
    expect("Br ");
}

/* ---- timers -------------------------------------------------------------------------------------- */

static void test_timers(void **state)
{
    make("pass", "see", NULL, 1);
    int64_t now_ms = clock_now_ms(&f.clock.base);
    assert_int_equal(chain_fire_timer(f.chain, &f.err), 0);
    op_timer_at(&f.chain->ops[0].ctx, now_ms + 100);
    op_timer_at(&f.chain->ops[0].ctx, now_ms + 50);
    op_timer_at(&f.chain->ops[0].ctx, now_ms + 70);
    op_timer_at(&f.chain->ops[1].ctx, now_ms + 60);
    assert_int_equal(chain_next_timer_ms(f.chain), now_ms + 50);
    assert_int_equal(chain_fire_timer(f.chain, &f.err), 0);
    clock_manual_advance_ms(&f.clock, 55);
    assert_int_equal(chain_fire_timer(f.chain, &f.err), 1);
    expect("At B ");
    assert_int_equal(chain_fire_timer(f.chain, &f.err), 0);
    assert_int_equal(chain_next_timer_ms(f.chain), now_ms + 60);
    clock_manual_advance_ms(&f.clock, 5);
    assert_int_equal(chain_fire_timer(f.chain, &f.err), 1);
    expect("Bt ");
    op_timer_at(&f.chain->ops[0].ctx, now_ms);
    op_timer_at(&f.chain->ops[0].ctx, INT64_MAX); /* taken back */
    assert_int_equal(chain_fire_timer(f.chain, &f.err), 0);
    assert_int_equal(chain_next_timer_ms(f.chain), INT64_MAX);
}

/* ---- barriers ------------------------------------------------------------------------------------ */

/* Operator by operator; what one emits before the barrier is below before the next one's turn. */
static void test_barrier_passes(void **state)
{
    const struct op_checkpoint checkpoint = {.id = 1};
    make("hold", "hold", "see", 1);
    row(0);
    expect("A ");
    chain_begin_barrier(f.chain, &checkpoint);
    assert_true(chain_has_barrier(f.chain));
    expect("Ap B B C Bp C C ");
    assert_false(chain_has_barrier(f.chain));
}

/* A waiting operator does not keep it, but for what waits in front of it. */
static void test_barrier_passes_waiting_operator(void **state)
{
    const struct op_checkpoint checkpoint = {.id = 1};
    make("pass", "wait", "see", 1);
    f.waits = true;
    row(0);
    expect("A B C ");
    chain_begin_barrier(f.chain, &checkpoint);
    expect("");
    assert_false(chain_has_barrier(f.chain));
    chain_end_barrier(f.chain);
    row(0);
    chain_begin_barrier(f.chain, &checkpoint);
    expect("");
    assert_true(chain_has_barrier(f.chain));
    f.waits = false;
    op_wake(f.waker);
    expect("Br A B C ");
    assert_false(chain_has_barrier(f.chain));
}

/* One that is in the middle of something above a waiting one goes on with it, before flushes and barriers. */
static void test_passes_keep_what_is_half_done(void **state)
{
    const struct op_checkpoint checkpoint = {.id = 1};
    make("fire", "wait", "see", 1);
    f.waits = true;
    watermark(0, 5);
    expect("Aw Ar B C ");
    chain_begin_flush(f.chain);
    expect("");
    chain_begin_barrier(f.chain, &checkpoint);
    expect("");
    assert_true(chain_has_barrier(f.chain));
    f.waits = false;
    op_wake(f.waker);
    expect("Br Ar B C C:5 ");
    assert_false(chain_has_barrier(f.chain));
}

/* What an operator emitted now would come behind the barrier, and its state have it in front. */
static void test_no_wake_behind_the_barrier(void **state)
{
    const struct op_checkpoint checkpoint = {.id = 1};
    make("wait", "hold", "see", 1);
    chain_begin_barrier(f.chain, &checkpoint);
    assert_int_equal(chain_step(f.chain, &f.err), 0); /* past A */
    op_wake(f.waker);
    expect("Bp C ");
    assert_false(chain_has_barrier(f.chain));
    op_wake(f.waker);
    expect("");
    chain_end_barrier(f.chain);
    expect("Ar ");
}

/* The barrier is held up by what waits in front of B: A's timer is behind it, B's is what B may wait for. */
static void test_no_timer_behind_the_barrier(void **state)
{
    const struct op_checkpoint checkpoint = {.id = 1};
    make("hold", "wait", "see", 1);
    f.waits = true;
    row(0);
    row(0);
    expect("A A B C ");
    chain_begin_barrier(f.chain, &checkpoint);
    expect("Ap ");
    assert_true(chain_is_waiting(f.chain) && chain_has_barrier(f.chain));
    int64_t now_ms = clock_now_ms(&f.clock.base);
    op_timer_at(&f.chain->ops[0].ctx, now_ms + 50);
    op_timer_at(&f.chain->ops[1].ctx, now_ms + 60);
    clock_manual_advance_ms(&f.clock, 100);
    assert_int_equal(chain_fire_timer(f.chain, &f.err), 1);
    expect("Bt C ");
    assert_int_equal(chain_fire_timer(f.chain, &f.err), 0);
    assert_int_equal(chain_next_timer_ms(f.chain), INT64_MAX); /* nothing to wake up for */
    f.waits = false;
    op_wake(f.waker);
    expect("Br B C B C ");
    assert_false(chain_has_barrier(f.chain));
    assert_int_equal(chain_fire_timer(f.chain, &f.err), 0);
    chain_end_barrier(f.chain);
    assert_int_equal(chain_fire_timer(f.chain, &f.err), 1);
    expect("At B C ");
}

#define CASE(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_behind_what_came_before),
        CASE(test_flushes_before_it_goes_on),
        CASE(test_fires_before_it_goes_on),
        CASE(test_minimum_over_edges_and_inputs),
        CASE(test_own_watermarks),
        CASE(test_idleness_goes_on),
        CASE(test_idleness_of_two_inputs),
        CASE(test_idleness_is_told),
        CASE(test_end_of_time),
        CASE(test_end_of_time_without_watermark),
        CASE(test_waiting_operator),
        CASE(test_timers),
        CASE(test_barrier_passes),
        CASE(test_barrier_passes_waiting_operator),
        CASE(test_passes_keep_what_is_half_done),
        CASE(test_no_wake_behind_the_barrier),
        CASE(test_no_timer_behind_the_barrier),
    };
    return cmocka_run_group_tests_name("chain_time", tests, NULL, NULL);
}
