/* Mailboxes: order, lanes, limit, close, and many producers against one owner. */
#include "common/base/mem.h"
#include "common/loop/mailbox.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

struct trace {
    int kinds[4096];
    size_t n;
};

static void trace_run(void *target, void *payload)
{
    struct trace *t = target;
    t->kinds[t->n++] = (int)(intptr_t)payload;
}

static struct mailbox_op trace_op(struct trace *t, int kind)
{
    return (struct mailbox_op){
        .kind = kind, .run = trace_run, .target = t, .payload = (void *)(intptr_t)kind};
}

static void post_ok(struct mailbox *m, enum mailbox_lane lane, struct mailbox_op op)
{
    assert_int_equal(mailbox_post(m, lane, &op), 0);
}

static void test_first_in_first_out_control_first(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "test"});
    struct trace t = {.n = 0};
    assert_false(mailbox_has_ops(m));
    for (int i = 0; i < 5; i++) {
        post_ok(m, MAILBOX_LANE_DATA, trace_op(&t, i));
    }
    assert_int_equal(mailbox_run(m, 2), 2);
    post_ok(m, MAILBOX_LANE_DATA, trace_op(&t, 5));
    assert_false(mailbox_has_control(m));
    post_ok(m, MAILBOX_LANE_CONTROL, trace_op(&t, 100));
    post_ok(m, MAILBOX_LANE_CONTROL, trace_op(&t, 101));
    assert_true(mailbox_has_control(m));
    assert_int_equal(mailbox_len(m), 6);
    assert_int_equal(mailbox_run(m, 100), 6);
    const int want[] = {0, 1, 100, 101, 2, 3, 4, 5};
    assert_int_equal(t.n, ARRAY_LEN(want));
    assert_memory_equal(t.kinds, want, sizeof(want));
    assert_false(mailbox_has_ops(m));
    assert_int_equal(mailbox_len(m), 0);
    mailbox_unref(m);
}

static void test_poll_control_leaves_data(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "test"});
    struct trace t = {.n = 0};
    post_ok(m, MAILBOX_LANE_DATA, trace_op(&t, 1));
    post_ok(m, MAILBOX_LANE_CONTROL, trace_op(&t, 2));
    struct mailbox_op op;
    assert_true(mailbox_poll_control(m, &op));
    assert_int_equal(op.kind, 2);
    assert_false(mailbox_poll_control(m, &op));
    assert_true(mailbox_poll(m, &op));
    assert_int_equal(op.kind, 1);
    assert_false(mailbox_poll(m, &op));
    mailbox_unref(m);
}

static void test_limit_refuses_external_posts_only(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "test", .limit = 3});
    struct trace t = {.n = 0};
    struct mailbox_op op = trace_op(&t, 7);
    for (int i = 0; i < 3; i++) {
        post_ok(m, MAILBOX_LANE_DATA, op);
    }
    assert_int_equal(mailbox_post(m, MAILBOX_LANE_CONTROL, &op), ERR_LIMIT);
    assert_int_equal(mailbox_n_refused(m), 1);
    assert_int_equal(mailbox_post_internal(m, MAILBOX_LANE_DATA, &op), 0);
    assert_int_equal(mailbox_len(m), 4);
    assert_int_equal(mailbox_run(m, 2), 2);
    assert_int_equal(mailbox_post(m, MAILBOX_LANE_DATA, &op), 0);
    assert_int_equal(mailbox_post(m, MAILBOX_LANE_DATA, &op), ERR_LIMIT);
    mailbox_unref(m);
}

/* More than the pool of nodes holds: the rest comes from the heap and goes back there. */
static void test_burst_larger_than_the_pool(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "test"});
    struct trace *t = MEM_NEW(struct trace);
    for (int round = 0; round < 3; round++) {
        t->n = 0;
        for (int i = 0; i < 3000; i++) {
            post_ok(m, MAILBOX_LANE_DATA, trace_op(t, i));
        }
        assert_int_equal(mailbox_run(m, SIZE_MAX), 3000);
        for (int i = 0; i < 3000; i++) {
            assert_int_equal(t->kinds[i], i);
        }
    }
    mem_free(t);
    mailbox_unref(m);
}

static void test_steady_state_allocates_nothing(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "test"});
    struct trace t = {.n = 0};
    post_ok(m, MAILBOX_LANE_DATA, trace_op(&t, 0));
    assert_int_equal(mailbox_run(m, 1), 1);
    uint64_t before = mem_thread_allocations();
    for (int i = 0; i < 1000; i++) {
        post_ok(m, MAILBOX_LANE_DATA, trace_op(&t, i));
        assert_int_equal(mailbox_run(m, 1), 1);
    }
    assert_int_equal(mem_thread_allocations(), before);
    mailbox_unref(m);
}

static int n_dropped;
static void count_drop(void *payload)
{
    n_dropped++;
    mem_free(payload);
}

static void run_never(void *target, void *payload)
{
    fail_msg("an operation of a closed mailbox ran");
}

static void test_close_drops_and_refuses(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "test", .limit = 10});
    n_dropped = 0;
    struct mailbox_op op = {.run = run_never, .drop = count_drop};
    for (int i = 0; i < 4; i++) {
        op.payload = mem_alloc(8);
        post_ok(m, i % 2 == 0 ? MAILBOX_LANE_DATA : MAILBOX_LANE_CONTROL, op);
    }
    assert_false(mailbox_is_closed(m));
    mailbox_close(m);
    assert_int_equal(n_dropped, 4);
    assert_true(mailbox_is_closed(m));
    assert_false(mailbox_has_ops(m));
    op.payload = mem_alloc(8); /* stays ours when the post fails */
    assert_int_equal(mailbox_post(m, MAILBOX_LANE_DATA, &op), ERR_CLOSED);
    assert_int_equal(mailbox_post_internal(m, MAILBOX_LANE_CONTROL, &op), ERR_CLOSED);
    mem_free(op.payload);
    assert_int_equal(mailbox_len(m), 0);
    struct mailbox_op got;
    assert_false(mailbox_poll(m, &got));
    mailbox_close(m);
    mailbox_unref(m);
}

static void test_close_drops_what_a_poll_had_taken_over(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "test"});
    n_dropped = 0;
    struct mailbox_op op = {.run = run_never, .drop = count_drop}, got;
    for (int i = 0; i < 3; i++) {
        op.payload = mem_alloc(8);
        post_ok(m, MAILBOX_LANE_DATA, op);
    }
    assert_true(mailbox_poll(m, &got)); /* moves all three to the owner's side */
    mailbox_op_drop(&got);
    op.payload = mem_alloc(8);
    post_ok(m, MAILBOX_LANE_DATA, op);
    mailbox_unref(m); /* the last reference closes */
    assert_int_equal(n_dropped, 4);
}

static void count_call(void *arg)
{
    (*(int *)arg)++;
}

static void test_wakes_by_event_or_hook(void **state)
{
    struct trace t = {.n = 0};
    struct event_count event = {0};
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "event", .event = &event});
    assert_ptr_equal(mailbox_event(m), &event);
    uint32_t ticket = event_count_prepare(&event);
    post_ok(m, MAILBOX_LANE_DATA, trace_op(&t, 1));
    assert_true(event_count_wait(&event, ticket, -1)); /* returns at once */
    mailbox_unref(m);

    int calls = 0;
    m = mailbox_new(
        &(struct mailbox_options){.name = "hook", .on_post = count_call, .on_post_arg = &calls});
    post_ok(m, MAILBOX_LANE_DATA, trace_op(&t, 1));
    assert_int_equal(calls, 1);
    mailbox_unref(m);
}

/* ---- many producers --------------------------------------------------------------------------- */

enum { PRODUCERS = 4, PER_PRODUCER = 20000 };

struct producer {
    struct mailbox *mailbox;
    struct consumer *consumer;
    int number;
    int accepted, closed;
    pthread_t thread;
};

struct consumer {
    int next[PRODUCERS];
    int n;
};

struct item {
    int producer, number;
};

static void item_run(void *target, void *payload)
{
    struct consumer *c = target;
    struct item *item = payload;
    assert_int_equal(item->number, c->next[item->producer]);
    c->next[item->producer]++;
    c->n++;
    mem_free(item);
}

static void *producer_main(void *arg)
{
    struct producer *p = arg;
    for (int i = 0; i < PER_PRODUCER; i++) {
        struct item *item = MEM_NEW(struct item);
        *item = (struct item){.producer = p->number, .number = i};
        struct mailbox_op op = {
            .run = item_run, .target = p->consumer, .payload = item, .drop = mem_free};
        int rc;
        while ((rc = mailbox_post(p->mailbox, MAILBOX_LANE_DATA, &op)) == ERR_LIMIT) {
            sched_yield();
        }
        if (rc == ERR_CLOSED) {
            mem_free(item);
            p->closed++;
        } else {
            p->accepted++;
        }
    }
    mailbox_unref(p->mailbox);
    return NULL;
}

static void producers_start(struct producer *p, struct mailbox *m, struct consumer *c)
{
    for (int i = 0; i < PRODUCERS; i++) {
        p[i] = (struct producer){.mailbox = mailbox_ref(m), .consumer = c, .number = i};
        assert_int_equal(thread_start(&p[i].thread, "producer", producer_main, &p[i], NULL), 0);
    }
}

static void wait_and_run(struct mailbox *m)
{
    uint32_t ticket = event_count_prepare(mailbox_event(m));
    if (mailbox_has_ops(m)) {
        event_count_cancel(mailbox_event(m));
    } else {
        event_count_wait(mailbox_event(m), ticket, -1);
    }
    mailbox_run(m, SIZE_MAX);
}

static void test_many_producers(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "test", .limit = 500});
    struct consumer c = {.n = 0};
    struct producer p[PRODUCERS];
    producers_start(p, m, &c);
    while (c.n < PRODUCERS * PER_PRODUCER) {
        wait_and_run(m);
    }
    for (int i = 0; i < PRODUCERS; i++) {
        thread_join(p[i].thread);
        assert_int_equal(c.next[i], PER_PRODUCER);
        assert_int_equal(p[i].accepted, PER_PRODUCER);
    }
    assert_int_equal(mailbox_len(m), 0);
    mailbox_unref(m);
}

static void test_close_against_producers(void **state)
{
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "test", .limit = 500});
    struct consumer c = {.n = 0};
    struct producer p[PRODUCERS];
    producers_start(p, m, &c);
    while (c.n < PER_PRODUCER) {
        wait_and_run(m);
    }
    mailbox_close(m);
    mailbox_unref(m); /* the producers' references keep it until they are through */
    for (int i = 0; i < PRODUCERS; i++) {
        thread_join(p[i].thread);
        assert_int_equal(p[i].accepted + p[i].closed, PER_PRODUCER);
    }
}

static void test_names(void **state)
{
    assert_string_equal(mailbox_lane_name(MAILBOX_LANE_CONTROL), "control");
    assert_string_equal(mailbox_lane_name(MAILBOX_LANE_DATA), "data");
    assert_string_equal(mailbox_lane_name((enum mailbox_lane)9), "unknown");
    struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "jobmaster"});
    assert_string_equal(mailbox_name(m), "jobmaster");
    mailbox_unref(m);
    assert_null(mailbox_unref(NULL));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_first_in_first_out_control_first),
        cmocka_unit_test(test_poll_control_leaves_data),
        cmocka_unit_test(test_limit_refuses_external_posts_only),
        cmocka_unit_test(test_burst_larger_than_the_pool),
        cmocka_unit_test(test_steady_state_allocates_nothing),
        cmocka_unit_test(test_close_drops_and_refuses),
        cmocka_unit_test(test_close_drops_what_a_poll_had_taken_over),
        cmocka_unit_test(test_wakes_by_event_or_hook),
        cmocka_unit_test(test_many_producers),
        cmocka_unit_test(test_close_against_producers),
        cmocka_unit_test(test_names),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
