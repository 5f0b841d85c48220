/* Asynchronous calls: order, capacity, watermarks, retries, time-outs, restores, and threads that answer
 * whenever they like. */
#include "flinc/async.h"

#include "common/base/thread.h"
#include "common/loop/executor.h"
#include "proto/operators.pb-c.h"
#include "state_fixture.h"
#include "struct_fixture.h"

FLINC_STRUCT(question, FLINC_INT64(id), FLINC_STRING(text));
FLINC_STRUCT(answer, FLINC_INT64(id), FLINC_STRING(text));

/* What was asked and waits for an answer. */
enum { ASKED_MAX = 100000 };
static flinc_async *asked[ASKED_MAX];
static int64_t asked_ids[ASKED_MAX];
static int n_asked;

static int ask(flinc_ctx *ctx, const question *in, flinc_async *handle)
{
    if (in->id < 0) {
        return flinc_ctx_fail(ctx, "id %lld", (long long)in->id);
    }
    asked_ids[n_asked] = in->id;
    asked[n_asked++] = handle;
    return 0;
}

static void reply(int i, const char *text)
{
    answer a = {.id = asked_ids[i], .text = flinc_cstring(text)};
    flinc_async_emit(asked[i], &a);
    flinc_async_complete(asked[i]);
}

struct fixture {
    struct arena arena;
    Flinc__AsyncConfig config;
    struct harness_options options;
    struct clock_manual clock;
};

static void init(struct fixture *f, bool unordered, uint32_t capacity)
{
    *f = (struct fixture){.options = {.kind = "flinc.async_map",
                                      .inputs = {FLINC_TYPE(question)},
                                      .outputs = {FLINC_TYPE(answer)},
                                      .functions = {FN(FLINC_FN_ASYNC, ask)}}};
    arena_init(&f->arena, 0);
    flinc__async_config__init(&f->config);
    f->config.input = struct_desc_of(FLINC_TYPE(question), &f->arena);
    f->config.output = struct_desc_of(FLINC_TYPE(answer), &f->arena);
    f->config.unordered = unordered;
    f->config.capacity = capacity;
    f->options.config = &f->config.base;
    clock_manual_init(&f->clock);
    f->options.clock = &f->clock.base;
    n_asked = 0;
}

static void fini(struct fixture *f, struct harness *h)
{
    harness_free(h);
    arena_fini(&f->arena);
}

static int push(struct harness *h, const char *rows)
{
    struct error err = ERROR_INIT;
    int rc = harness_push_rows(h, 0, rows, &err);
    if (rc < 0) {
        fail_msg("%s", err.message);
    }
    return rc;
}

static int resume(struct harness *h)
{
    struct error why = ERROR_INIT;
    int rc = harness_resume(h, &why);
    if (rc < 0) {
        fail_msg("%s", why.message);
    }
    must(harness_flush(h, &err));
    return rc;
}

/* ---- order ------------------------------------------------------------------------------------- */

static void test_ordered(void **state)
{
    struct fixture f;
    init(&f, false, 10);
    struct harness *h = opened(&f.options);
    assert_int_equal(push(h, "1, a\n2, b\n3, c @77"), OP_DONE);
    assert_int_equal(n_asked, 3);
    reply(2, "third");
    reply(1, "second");
    assert_int_equal(resume(h), OP_DONE);
    assert_string_equal(harness_rows(h, 0), "");
    reply(0, "a text that is longer than sixteen bytes");
    assert_true(harness_wait_wake(h, 0));
    assert_int_equal(resume(h), OP_DONE);
    assert_string_equal(harness_rows(h, 0),
                        "+I[1, a text that is longer than sixteen bytes] @none\n"
                        "+I[2, second] @none\n+I[3, third] @77");
    fini(&f, h);
}

static void test_unordered(void **state)
{
    struct fixture f;
    init(&f, true, 10);
    struct harness *h = opened(&f.options);
    assert_int_equal(push(h, "1, a\n2, b\n3, c"), OP_DONE);
    must(harness_watermark(h, 0, 1000, &err));
    assert_int_equal(push(h, "4, d"), OP_DONE);
    reply(3, "d"); /* behind the watermark: it waits */
    reply(1, "b");
    assert_int_equal(resume(h), OP_DONE);
    assert_string_equal(harness_rows(h, 0), "+I[2, b]");
    reply(2, "c");
    assert_int_equal(resume(h), OP_DONE);
    reply(0, "a");
    assert_int_equal(resume(h), OP_DONE);
    assert_string_equal(harness_rows(h, 0),
                        "+I[2, b]\n+I[3, c]\n+I[1, a]\nwatermark 1000\n+I[4, d]");
    fini(&f, h);
}

/* Watermarks are not overtaken and do not overtake; those without records between them become one. */
static void test_watermarks(void **state)
{
    struct fixture f;
    init(&f, false, 10);
    struct harness *h = opened(&f.options);
    must(harness_watermark(h, 0, 10, &err));
    assert_string_equal(harness_rows(h, 0), "watermark 10");
    harness_clear(h);
    assert_int_equal(push(h, "1, a"), OP_DONE);
    must(harness_watermark(h, 0, 20, &err));
    must(harness_watermark(h, 0, 30, &err));
    assert_string_equal(harness_rows(h, 0), "");
    reply(0, "a");
    assert_int_equal(resume(h), OP_DONE);
    assert_string_equal(harness_rows(h, 0), "+I[1, a]\nwatermark 30");
    fini(&f, h);
}

/* Idleness of the input goes on behind what came before it, as watermarks do. */
static void test_idleness(void **state)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        struct fixture f;
        init(&f, unordered, 10);
        struct harness *h = opened(&f.options);
        assert_int_equal(push(h, "1, a\n2, b"), OP_DONE);
        must(harness_watermark(h, 0, 10, &err));
        must(harness_idle(h, 0, true, &err));
        must(harness_idle(h, 0, true, &err));
        assert_true(harness_wait_wake(h, 0));
        reply(0, "a");
        assert_int_equal(resume(h), OP_DONE);
        assert_string_equal(harness_rows(h, 0), "+I[1, a]");
        must(harness_idle(h, 0, false, &err));
        assert_int_equal(push(h, "3, c"), OP_DONE);
        reply(2, "c");
        reply(1, "b");
        assert_int_equal(resume(h), OP_DONE);
        assert_string_equal(harness_rows(h, 0),
                            "+I[1, a]\n+I[2, b]\nwatermark 10\nidle\nactive\n+I[3, c]");
        harness_clear(h);
        must(harness_idle(h, 0, true, &err)); /* nothing in flight */
        assert_int_equal(resume(h), OP_DONE);
        assert_string_equal(harness_rows(h, 0), "idle");
        fini(&f, h);
    }
}

static void none_or_many(struct harness *h)
{
    answer a = {.id = 7, .text = flinc_cstring("x")};
    assert_int_equal(push(h, "1, a\n2, b"), OP_DONE);
    flinc_async_complete(asked[0]);
    flinc_async_emit(asked[1], &a);
    a.text = flinc_cstring("");
    flinc_async_emit(asked[1], &a);
    flinc_async_complete(asked[1]);
    assert_int_equal(resume(h), OP_DONE);
    assert_string_equal(harness_rows(h, 0), "+I[7, x]\n+I[7, ]");
}

static void test_none_or_many(void **state)
{
    for (int unordered = 0; unordered < 2; unordered++) {
        struct fixture f;
        init(&f, unordered, 10);
        struct harness *h = opened(&f.options);
        none_or_many(h);
        fini(&f, h);
    }
}

/* ---- capacity ---------------------------------------------------------------------------------- */

static void test_capacity(void **state)
{
    struct fixture f;
    init(&f, false, 2);
    struct harness *h = opened(&f.options);
    assert_int_equal(push(h, "1, a"), OP_DONE);
    assert_int_equal(push(h, "2, b\n3, c\n4, d"), OP_WAIT);
    assert_int_equal(n_asked, 2);
    reply(1, "b");
    assert_int_equal(resume(h), OP_WAIT); /* the first holds its place */
    assert_int_equal(n_asked, 2);
    reply(0, "a");
    assert_int_equal(resume(h), OP_WAIT);
    assert_int_equal(n_asked, 4);
    reply(2, "c");
    assert_int_equal(resume(h), OP_DONE);
    reply(3, "d");
    assert_int_equal(resume(h), OP_DONE);
    assert_string_equal(harness_rows(h, 0), "+I[1, a]\n+I[2, b]\n+I[3, c]\n+I[4, d]");
    fini(&f, h);
}

static int at_once(flinc_ctx *ctx, const question *in, flinc_async *handle)
{
    answer a = {.id = in->id, .text = in->text};
    flinc_async_emit(handle, &a);
    flinc_async_complete(handle);
    return 0;
}

/* Calls that are complete when they return: many batches of them, and a small capacity. */
static void test_complete_at_once(void **state)
{
    struct fixture f;
    STR_AUTO rows = STR_INIT;
    init(&f, false, 3);
    f.options.functions[0] = (struct harness_function)FN(FLINC_FN_ASYNC, at_once);
    struct harness *h = opened(&f.options);
    for (int i = 0; i < 2000; i++) {
        str_printf(&rows, "%s%d, abc", i > 0 ? "\n" : "", i);
    }
    assert_int_equal(push(h, str_cstr(&rows)), OP_DONE);
    must(harness_flush(h, &err));
    assert_int_equal(harness_row_count(h, 0), 2000);
    fini(&f, h);
}

static void test_end_of_input(void **state)
{
    struct fixture f;
    struct error err = ERROR_INIT;
    init(&f, false, 10);
    struct harness *h = opened(&f.options);
    assert_int_equal(push(h, "1, a\n2, b"), OP_DONE);
    assert_int_equal(harness_end_of_input(h, 0, &err), OP_WAIT);
    reply(0, "a");
    assert_int_equal(resume(h), OP_WAIT);
    reply(1, "b");
    assert_int_equal(resume(h), OP_DONE);
    assert_string_equal(harness_rows(h, 0), "+I[1, a]\n+I[2, b]");
    fini(&f, h);
}

/* ---- failures ---------------------------------------------------------------------------------- */

static void test_failures(void **state)
{
    struct fixture f;
    init(&f, false, 10);
    struct harness *h = opened(&f.options);
    assert_int_equal(push(h, "1, a\n2, b"), OP_DONE);
    flinc_async_fail(asked[0], "no answer from %s", "server 7");
    must_fail(harness_resume(h, &err), ERR_USER_CODE,
              "failed after 1 call: no answer from server 7");
    harness_free(h);
    flinc_async_complete(asked[1]); /* nobody is there any more */
    h = opened(&f.options);
    must_fail(harness_push_rows(h, 0, "-1, a", &err), ERR_USER_CODE, "id -1");
    fini(&f, h);
}

static void test_retry(void **state)
{
    struct fixture f;
    init(&f, false, 10);
    f.config.max_attempts = 3;
    f.config.retry_delay_ms = 100;
    f.config.retry_multiplier = 2;
    struct harness *h = opened(&f.options);
    int64_t start = clock_now_ms(&f.clock.base);
    assert_int_equal(push(h, "1, again"), OP_DONE);
    flinc_async_fail(asked[0], "busy");
    assert_int_equal(resume(h), OP_DONE);
    assert_int_equal(harness_timer(h), start + 100);
    clock_manual_advance_ms(&f.clock, 100);
    must(harness_processing_time(h, &err));
    assert_int_equal(n_asked, 2);
    assert_int_equal(asked_ids[1], 1);
    flinc_async_fail(asked[1], "busy");
    assert_int_equal(resume(h), OP_DONE);
    assert_int_equal(harness_timer(h), start + 300); /* twice as long */
    clock_manual_advance_ms(&f.clock, 200);
    must(harness_processing_time(h, &err));
    reply(2, "done");
    assert_int_equal(resume(h), OP_DONE);
    assert_string_equal(harness_rows(h, 0), "+I[1, done]");
    assert_int_equal(push(h, "2, never"), OP_DONE);
    for (int i = 3; i < 5; i++) {
        flinc_async_fail(asked[i], "busy");
        assert_int_equal(resume(h), OP_DONE);
        clock_manual_advance_ms(&f.clock, 1000);
        must(harness_processing_time(h, &err));
    }
    flinc_async_fail(asked[5], "still busy");
    must_fail(harness_resume(h, &err), ERR_USER_CODE, "failed after 3 calls: still busy");
    fini(&f, h);
}

static int retry_if_empty(flinc_ctx *ctx, const answer *results, size_t n, const char *error)
{
    return error == NULL && (n == 0 || (n == 1 && results[0].text.len == 0));
}

static void test_retry_if(void **state)
{
    struct fixture f;
    init(&f, false, 10);
    f.config.max_attempts = 10;
    f.config.has_retry_function = true;
    f.options.functions[1] = (struct harness_function)FN(FLINC_FN_ASYNC_RETRY_IF, retry_if_empty);
    struct harness *h = opened(&f.options);
    assert_int_equal(push(h, "1, a"), OP_DONE);
    flinc_async_complete(asked[0]);
    assert_int_equal(resume(h), OP_DONE);
    must(harness_processing_time(h, &err)); /* without a delay: at once */
    reply(1, "");
    assert_int_equal(resume(h), OP_DONE);
    must(harness_processing_time(h, &err));
    reply(2, "x");
    assert_int_equal(resume(h), OP_DONE);
    assert_string_equal(harness_rows(h, 0), "+I[1, x]");
    assert_int_equal(push(h, "2, a"), OP_DONE);
    flinc_async_fail(asked[3], "broken");
    must_fail(harness_resume(h, &err), ERR_USER_CODE, "broken");
    fini(&f, h);
}

static int substitute(flinc_ctx *ctx, const question *in, flinc_async *handle)
{
    answer a = {.id = in->id, .text = flinc_cstring("nobody knows")};
    flinc_async_emit(handle, &a);
    flinc_async_complete(handle);
    return 0;
}

static void test_timeout(void **state)
{
    struct fixture f;
    init(&f, false, 10);
    f.config.timeout_ms = 1000;
    struct harness *h = opened(&f.options);
    assert_int_equal(push(h, "1, a"), OP_DONE);
    clock_manual_advance_ms(&f.clock, 1000);
    must_fail(harness_processing_time(h, &err), ERR_TIMEOUT, "has not answered for 1000 ms");
    harness_free(h);
    flinc_async_complete(asked[0]);
    f.config.has_timeout_function = true;
    f.options.functions[1] = (struct harness_function)FN(FLINC_FN_ASYNC, substitute);
    h = opened(&f.options);
    assert_int_equal(push(h, "1, a"), OP_DONE);
    clock_manual_advance_ms(&f.clock, 600);
    assert_int_equal(push(h, "2, b"), OP_DONE);
    clock_manual_advance_ms(&f.clock, 400);
    must(harness_processing_time(h, &err));
    assert_int_equal(resume(h), OP_DONE);
    reply(1, "too late"); /* dropped */
    reply(2, "b");
    assert_int_equal(resume(h), OP_DONE);
    assert_string_equal(harness_rows(h, 0), "+I[1, nobody knows]\n+I[2, b]");
    assert_int_equal(harness_timer(h), INT64_MAX);
    fini(&f, h);
}

/* ---- checkpoints ------------------------------------------------------------------------------- */

/* What is in flight, done but not emitted, or waits for room is in the snapshot, in its order. */
static void test_restore(void **state)
{
    struct fixture f;
    Flinc__OperatorSubtaskState *taken = NULL;
    init(&f, false, 2);
    struct harness *h = opened(&f.options);
    assert_int_equal(push(h, "1, a @11"), OP_DONE);
    assert_int_equal(push(h, "-U 2, b @22\n3, c @33\n4, d @44"), OP_WAIT);
    reply(1, "b");
    assert_int_equal(resume(h), OP_WAIT);
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &taken, &err));
    harness_free(h);
    flinc_async_complete(asked[0]);
    f.options.restore = taken;
    n_asked = 0;
    h = opened(&f.options);
    assert_true(harness_wait_wake(h, 0)); /* it asks without an input */
    assert_int_equal(resume(h), OP_WAIT);
    assert_int_equal(n_asked, 2);
    flinc__operator_subtask_state__free_unpacked(taken, NULL);
    must(harness_snapshot(h, 2, FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL, &taken, &err));
    assert_int_equal(taken->operator_state[0]->parts[0]->n_sizes, 4);
    flinc__operator_subtask_state__free_unpacked(taken, NULL);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(asked_ids[i], i + 1);
        reply(i, "x");
        (void)resume(h);
    }
    assert_string_equal(harness_rows(h, 0),
                        "+I[1, x] @11\n-U[2, x] @22\n+I[3, x] @33\n+I[4, x] @44");
    fini(&f, h);
}

/* ---- threads ----------------------------------------------------------------------------------- */

static void work(flinc_async *handle, void *arg)
{
    int64_t id = *(int64_t *)arg;
    answer a = {.id = id, .text = flinc_cstring("a text that is longer than sixteen bytes")};
    if (id % 13 == 5) {
        flinc_async_complete(handle);
        return;
    }
    flinc_async_emit(handle, &a);
    flinc_async_complete(handle);
}

static int ask_thread(flinc_ctx *ctx, const question *in, flinc_async *handle)
{
    flinc_async_run(handle, work, &in->id, sizeof(in->id));
    return 0;
}

static void check_threads(bool unordered)
{
    enum { ROWS = 20000, BATCH = 500 };
    struct fixture f;
    struct executor *executor = NULL;
    int expected = 0;
    init(&f, unordered, 64);
    must(executor_new(&(struct executor_options){.name = "io", .n_threads = 4}, &executor, &err));
    f.options.functions[0] = (struct harness_function)FN(FLINC_FN_ASYNC, ask_thread);
    f.options.io_executor = executor;
    f.options.clock = NULL;
    struct harness *h = opened(&f.options);
    for (int at = 0; at < ROWS; at += BATCH) {
        STR_AUTO rows = STR_INIT;
        for (int i = at; i < at + BATCH; i++) {
            str_printf(&rows, "%s%d, q", i > at ? "\n" : "", i);
            expected += i % 13 != 5;
        }
        int rc = push(h, str_cstr(&rows));
        while (rc == OP_WAIT) {
            assert_true(harness_wait_wake(h, 60000));
            rc = resume(h);
        }
        must(harness_watermark(h, 0, at, &err));
    }
    int rc = harness_end_of_input(h, 0, NULL);
    while (rc == OP_WAIT) {
        assert_true(harness_wait_wake(h, 60000));
        rc = resume(h);
    }
    assert_int_equal(rc, OP_DONE);
    must(harness_flush(h, &err));
    assert_int_equal(harness_row_count(h, 0), expected);
    harness_free(h);
    executor_free(executor);
    arena_fini(&f.arena);
}

static void test_threads(void **state)
{
    check_threads(false);
    check_threads(true);
}

/* The operator closes while threads work. */
static void test_close_while_out(void **state)
{
    for (int i = 0; i < 20; i++) {
        struct fixture f;
        struct executor *executor = NULL;
        init(&f, true, 64);
        must(executor_new(&(struct executor_options){.name = "io", .n_threads = 2}, &executor,
                          &err));
        f.options.functions[0] = (struct harness_function)FN(FLINC_FN_ASYNC, ask_thread);
        f.options.io_executor = executor;
        struct harness *h = opened(&f.options);
        (void)push(h, "1, a\n2, b\n3, c\n4, d\n5, e");
        harness_free(h);
        executor_free(executor);
        arena_fini(&f.arena);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ordered),          cmocka_unit_test(test_unordered),
        cmocka_unit_test(test_watermarks),       cmocka_unit_test(test_idleness),
        cmocka_unit_test(test_none_or_many),     cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_complete_at_once), cmocka_unit_test(test_end_of_input),
        cmocka_unit_test(test_failures),         cmocka_unit_test(test_retry),
        cmocka_unit_test(test_retry_if),         cmocka_unit_test(test_timeout),
        cmocka_unit_test(test_restore),          cmocka_unit_test(test_threads),
        cmocka_unit_test(test_close_while_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
