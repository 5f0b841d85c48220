/* The split enumerator and checkpoints: what is in them, and which splits go back when a subtask starts
 * anew.  Tests named flink_<n> are of bugs that Flink had under that number. */
#include "engine/operators/io/text_enumerator_state.h"

#include "text_enumerator_fixture.h"

static void snapshot(struct fake_coordinator *f, uint64_t checkpoint_id, struct str *ret_state)
{
    str_clear(ret_state);
    must(f->c->desc->snapshot(f->c, checkpoint_id, ret_state, &err));
}

static void complete(struct fake_coordinator *f, uint64_t checkpoint_id)
{
    f->c->desc->notify(f->c, OP_NOTICE_COMPLETE, checkpoint_id);
}

/* Another enumerator that begins with a state. */
static void start_restored(struct fake_coordinator *f, uint32_t parallelism, const char *path,
                           uint64_t interval_ms, const struct str *state)
{
    char *paths[] = {(char *)(uintptr_t)path};
    Flinc__TextSourceConfig c = config_of(paths, 1);
    c.split_bytes = 2;
    c.discovery_interval_ms = interval_ms;
    fake_make(f, "flinc.source.text", parallelism, &c.base);
    must(f->c->desc->restore(f->c, 1, (const uint8_t *)state->data, state->len, &err));
    must(f->c->desc->start(f->c, &f->ctx, &err));
}

/* Ten bytes of one file in splits of two; the most that two subtasks get at a time are three. */
static void start_ten(struct fake_coordinator *f)
{
    put_text("a", "0123456789");
    start(f, 2, in_dir("a"), 2, 0);
    fake_run_work(f);
}

/* ---- global restart ---------------------------------------------------------------------------- */

static void test_restores_what_is_pending(void **state)
{
    struct fake_coordinator f, g;
    STR_AUTO bytes = STR_INIT;
    start_ten(&f);
    request(&f, 0);
    assert_string_equal(sent(&f), "0: a+0+2 a+2+2 a+4+2");
    snapshot(&f, 1, &bytes);
    request(&f, 1); /* behind the snapshot: it is pending there */
    assert_string_equal(sent(&f), "1: a+6+2 a+8+2");
    fake_close(&f);
    put_text("a", "this file is another one now"); /* what was found stays as it was */
    start_restored(&g, 1, in_dir("a"), 0, &bytes);
    assert_null(g.work.arg);
    request(&g, 0);
    assert_string_equal(sent(&g), "0: a+6+2 a+8+2");
    request(&g, 0);
    assert_string_equal(sent(&g), "0: end");
    fake_close(&g);
}

/* A snapshot while the first search is out: the restored enumerator searches. */
static void test_restores_before_the_first_scan(void **state)
{
    struct fake_coordinator f, g;
    STR_AUTO bytes = STR_INIT;
    put_text("a", "0123");
    start(&f, 1, in_dir("a"), 2, 0);
    snapshot(&f, 1, &bytes);
    fake_run_work(&f);
    fake_close(&f);
    start_restored(&g, 1, in_dir("a"), 0, &bytes);
    fake_run_work(&g);
    request(&g, 0);
    assert_string_equal(sent(&g), "0: a+0+2 a+2+2");
    fake_close(&g);
}

static void test_restores_watched_folder(void **state)
{
    struct fake_coordinator f, g;
    STR_AUTO bytes = STR_INIT;
    put_text("in/2024-01-01.log", "1");
    put_text("in/2024-01-02.log", "22");
    start(&f, 3, in_dir("in"), 0, 1000); /* one at a time */
    fake_run_work(&f);
    request(&f, 0);
    (void)sent(&f);
    fake_fire_timer(&f);
    snapshot(&f, 1, &bytes); /* a search is out */
    fake_run_work(&f);
    fake_close(&f);
    put_text("in/2024-01-03.log", "333");
    start_restored(&g, 1, in_dir("in"), 1000, &bytes);
    request(&g, 0);
    assert_string_equal(sent(&g), "0: 2024-01-02.log+0+2"); /* the reader has the first */
    fake_run_work(&g);
    request(&g, 0);
    assert_string_equal(sent(&g), "0: 2024-01-03.log+0+2 2024-01-03.log+2+1");
    assert_non_null(g.timer);
    fake_close(&g);
}

/* ---- a subtask starts anew --------------------------------------------------------------------- */

/* What was given out behind the checkpoint goes back, and is given out once. */
static void test_reset_to_checkpoint(void **state)
{
    struct fake_coordinator f;
    STR_AUTO bytes = STR_INIT;
    start_ten(&f);
    request(&f, 0);
    assert_string_equal(sent(&f), "0: a+0+2 a+2+2 a+4+2");
    snapshot(&f, 1, &bytes);
    complete(&f, 1);
    request(&f, 0);
    assert_string_equal(sent(&f), "0: a+6+2 a+8+2");
    f.c->desc->subtask_reset(f.c, 0, 1);
    request(&f, 1);
    assert_string_equal(sent(&f), "1: a+6+2 a+8+2");
    f.c->desc->subtask_reset(f.c, 0, 1);
    request(&f, 0);
    assert_string_equal(sent(&f), "0: end");
    fake_close(&f);
}

/* Splits came twice after a failover, because those of a checkpoint whose completion nobody had told the
 * enumerator of went back, too. */
static void test_flink_20290_no_split_twice(void **state)
{
    struct fake_coordinator f;
    STR_AUTO bytes = STR_INIT;
    start_ten(&f);
    request(&f, 0);
    assert_string_equal(sent(&f), "0: a+0+2 a+2+2 a+4+2");
    snapshot(&f, 1, &bytes);
    /* Checkpoint 1 is complete; the notice was lost. */
    f.c->desc->subtask_reset(f.c, 0, 1);
    request(&f, 0);
    assert_string_equal(sent(&f), "0: a+6+2 a+8+2");
    complete(&f, 1); /* late: changes nothing */
    request(&f, 0);
    assert_string_equal(sent(&f), "0: end");
    fake_close(&f);
}

/* The test above notices the bug. */
static void test_flink_20290_guard(void **state)
{
    struct fake_coordinator f;
    STR_AUTO bytes = STR_INIT;
    start_ten(&f);
    request(&f, 0);
    (void)sent(&f);
    snapshot(&f, 1, &bytes);
    must(failpoint_configure("planted.enumerator_gives_back_all=error", &err));
    f.c->desc->subtask_reset(f.c, 0, 1);
    failpoint_clear_all();
    request(&f, 0);
    assert_string_equal(sent(&f), "0: a+6+2 a+8+2 a+0+2");
    fake_close(&f);
}

/* An assignment was lost on its way, and a later checkpoint counted it as delivered: the split was gone.
 * The subtask fails and starts from the checkpoint before, though newer snapshots were taken. */
static void check_lost_assignment(const char *planted, const char *first, const char *second)
{
    struct fake_coordinator f;
    STR_AUTO bytes = STR_INIT;
    start_ten(&f);
    snapshot(&f, 1, &bytes);
    complete(&f, 1);
    request(&f, 0);
    assert_string_equal(sent(&f), "0: a+0+2 a+2+2 a+4+2"); /* lost */
    snapshot(&f, 2, &bytes);
    snapshot(&f, 3, &bytes);
    f.c->desc->notify(f.c, OP_NOTICE_ABORTED, 2);
    f.c->desc->notify(f.c, OP_NOTICE_ABORTED, 3);
    must(failpoint_configure(planted, &err));
    f.c->desc->subtask_reset(f.c, 0, 1);
    failpoint_clear_all();
    request(&f, 0);
    assert_string_equal(sent(&f), first);
    request(&f, 0);
    assert_string_equal(sent(&f), second);
    fake_close(&f);
}

static void test_flink_23233_lost_assignment(void **state)
{
    check_lost_assignment("none=off", "0: a+6+2 a+8+2 a+0+2", "0: a+2+2 a+4+2");
}

static void test_flink_23233_guard(void **state)
{
    check_lost_assignment("planted.enumerator_trusts_any_snapshot=error", "0: a+6+2 a+8+2",
                          "0: end");
}

/* The same when the sending fails for a moment and the task lives on: it is failed and reset, too. */
static void check_not_delivered(const char *planted, const char *first, const char *second)
{
    struct fake_coordinator f, g;
    STR_AUTO bytes = STR_INIT;
    start_ten(&f);
    request(&f, 1);
    assert_string_equal(sent(&f), "1: a+0+2 a+2+2 a+4+2"); /* not delivered */
    must(failpoint_configure(planted, &err));
    f.c->desc->subtask_reset(f.c, 1, 0);
    failpoint_clear_all();
    snapshot(&f, 1, &bytes); /* the splits are here, not there */
    fake_close(&f);
    start_restored(&g, 2, in_dir("a"), 0, &bytes);
    request(&g, 1);
    assert_string_equal(sent(&g), first);
    request(&g, 0);
    assert_string_equal(sent(&g), second);
    fake_close(&g);
}

static void test_flink_21996_reset_without_loss_of_the_worker(void **state)
{
    check_not_delivered("none=off", "1: a+6+2 a+8+2 a+0+2", "0: a+2+2 a+4+2");
}

static void test_flink_21996_guard(void **state)
{
    check_not_delivered("planted.enumerator_trusts_sending=error", "1: a+6+2 a+8+2", "0: end");
}

/* Counts the splits that are in some snapshot or were sent before it; takes a snapshot before each request. */
static size_t count_splits(const char *planted)
{
    struct fake_coordinator f, g;
    STR_AUTO bytes = STR_INIT;
    char expected[64];
    put_text("a", "0123456789abcdefghij");
    start(&f, 8, in_dir("a"), 2, 0); /* two at a time, one in the end */
    fake_run_work(&f);
    must(failpoint_configure(planted, &err));
    size_t n_sent = 0, n_restored = 0;
    for (uint64_t checkpoint = 1; n_sent < 10; checkpoint++) {
        snapshot(&f, checkpoint, &bytes);
        start_restored(&g, 1, in_dir("a"), 0, &bytes);
        for (n_restored = n_sent; n_restored < 10;) {
            request(&g, 0);
            const char *restored = sent(&g);
            snprintf(expected, sizeof(expected), "0: a+%zu+2", 2 * n_restored);
            if (strncmp(restored, expected, strlen(expected)) != 0) {
                break;
            }
            for (const char *p = restored; (p = strchr(p, 'a')) != NULL; p++) {
                n_restored++;
            }
        }
        fake_close(&g);
        if (n_restored < 10) {
            break;
        }
        request(&f, (uint32_t)checkpoint % 8);
        const char *answer = sent(&f);
        for (const char *p = answer; (p = strchr(p, 'a')) != NULL; p++) {
            n_sent++;
        }
    }
    failpoint_clear_all();
    fake_close(&f);
    return n_restored;
}

/* A snapshot holds exactly what was not sent before it, however requests and snapshots alternate. */
static void test_flink_18071_exactly_what_was_not_sent(void **state)
{
    assert_int_equal(count_splits("none=off"), 10);
}

static void test_flink_18071_guard(void **state)
{
    assert_int_equal(count_splits("planted.enumerator_state_is_ahead=error"), 9);
}

/* What is in complete checkpoints is forgotten: memory does not grow with the splits. */
static void test_forgets(void **state)
{
    struct fake_coordinator f;
    STR_AUTO bytes = STR_INIT;
    start_ten(&f);
    request(&f, 0);
    (void)sent(&f);
    snapshot(&f, 1, &bytes);
    snapshot(&f, 2, &bytes);
    complete(&f, 2);                     /* stands for 1, too */
    f.c->desc->subtask_reset(f.c, 0, 0); /* nothing is left that could go back */
    request(&f, 0);
    assert_string_equal(sent(&f), "0: a+6+2 a+8+2");
    fake_close(&f);
}

/* ---- the bytes --------------------------------------------------------------------------------- */

static void test_golden(void **state)
{
    static const uint8_t golden[] = {
        0x08, 0x01, 0x10, 0x07, 0x18, 0x01, 0x22, 0x0b, 0x0a, 0x01, '3',  0x12,
        0x02, '/',  'a',  0x18, 0x05, 0x20, 0x06, 0x2a, 0x06, 0x12, 0x04, '/',
        'x',  '/',  'a',  0x2a, 0x05, 0x08, 0x03, 0x12, 0x01, 'b',
    };
    struct map seen;
    STR_AUTO bytes = STR_INIT;
    struct text_enumerator_state s;
    Flinc__FileSplit split = FLINC__FILE_SPLIT__INIT, *pending = &split;
    map_init(&seen, NULL);
    (void)map_put(&seen, "/x/a", &seen);
    (void)map_put(&seen, "/x/b", &seen);
    split.id = (char *)(uintptr_t) "3";
    split.path = (char *)(uintptr_t) "/a";
    split.offset = 5;
    split.length = 6;
    text_enumerator_state_encode(7, true, &pending, 1, &seen, &bytes);
    assert_int_equal(bytes.len, sizeof(golden));
    assert_memory_equal(bytes.data, golden, sizeof(golden));
    text_enumerator_state_init(&s);
    must(text_enumerator_state_decode(golden, sizeof(golden), &s, &err));
    assert_int_equal(s.next_id, 7);
    assert_true(s.scanned);
    assert_int_equal(s.pending.len, 1);
    assert_int_equal(s.seen.len, 2);
    assert_true(map_has(&s.seen, "/x/a") && map_has(&s.seen, "/x/b"));
    text_enumerator_state_fini(&s);
    map_fini(&seen);
}

static void refuse(const void *data, size_t size, int code, const char *text)
{
    struct text_enumerator_state s;
    text_enumerator_state_init(&s);
    must_fail(text_enumerator_state_decode(data, size, &s, &err), code, text);
    assert_int_equal(s.pending.len + s.seen.len, 0);
    text_enumerator_state_fini(&s);
}

static void test_damaged(void **state)
{
    refuse("", 0, ERR_CORRUPT, "damaged");
    refuse("\x08\x02", 2, ERR_UNSUPPORTED, "version 2");
    refuse("\xff\xff", 2, ERR_CORRUPT, "damaged");
    refuse("\x08\x01\x2a\x05\x08\x01\x12\x01x", 9, ERR_CORRUPT, "damaged"); /* shares too much */
    refuse("\x08\x01\x2a\x03\x12\x01\0", 7, ERR_CORRUPT, "damaged");        /* a NUL in a path */
    refuse("\x08\x01\x22\x00", 4, ERR_CORRUPT, "split");                    /* without a path */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_restores_what_is_pending),
        FILES_TEST(test_restores_before_the_first_scan),
        FILES_TEST(test_restores_watched_folder),
        FILES_TEST(test_reset_to_checkpoint),
        FILES_TEST(test_flink_20290_no_split_twice),
        FILES_TEST(test_flink_20290_guard),
        FILES_TEST(test_flink_23233_lost_assignment),
        FILES_TEST(test_flink_23233_guard),
        FILES_TEST(test_flink_21996_guard),
        FILES_TEST(test_flink_21996_reset_without_loss_of_the_worker),
        FILES_TEST(test_flink_18071_exactly_what_was_not_sent),
        FILES_TEST(test_flink_18071_guard),
        FILES_TEST(test_forgets),
        FILES_TEST(test_golden),
        FILES_TEST(test_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
