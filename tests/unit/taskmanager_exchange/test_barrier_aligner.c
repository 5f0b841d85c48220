/* Alignment, case by case. */
#include "common/base/failpoint.h"
#include "taskmanager/exchange/barrier_aligner.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct barrier *barriers[64];

static struct barrier *barrier(uint64_t id)
{
    if (barriers[id] == NULL) {
        Flinc__CheckpointBarrier m = FLINC__CHECKPOINT_BARRIER__INIT;
        m.checkpoint_id = id;
        assert_int_equal(barrier_new(&m, &barriers[id], NULL), 0);
    }
    return barriers[id];
}

static int forget_barriers(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(barriers); i++) {
        if (barriers[i] != NULL) {
            assert_int_equal(atomic_load(&barriers[i]->refs), 1);
            barriers[i] = barrier_unref(barriers[i]);
        }
    }
    return 0;
}

/* `complete`: an id, 0: none. */
static void expect(struct aligner_verdict v, bool block, bool unblock, uint64_t complete)
{
    assert_int_equal(v.block, block);
    assert_int_equal(v.unblock, unblock);
    assert_int_equal(v.complete != NULL ? v.complete->checkpoint_id : 0, complete);
    assert_int_equal(v.n_given_up, 0);
    assert_false(v.is_cancelled);
    barrier_unref(v.complete);
}

static struct aligner_verdict come(struct barrier_aligner *a, uint32_t channel, uint64_t id)
{
    return barrier_aligner_on_barrier(a, channel, barrier(id), 1000);
}

static void test_exactly_once_blocks(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 3, ALIGN_EXACTLY_ONCE);
    for (uint64_t id = 1; id < 4; id++) {
        expect(come(&a, 1, id), true, false, 0);
        assert_true(barrier_aligner_is_aligning(&a));
        expect(come(&a, 0, id), true, false, 0);
        expect(come(&a, 2, id), false, true, id);
        assert_false(barrier_aligner_is_aligning(&a));
    }
    barrier_aligner_fini(&a);
}

static void test_one_channel(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 1, ALIGN_EXACTLY_ONCE);
    expect(come(&a, 0, 5), false, true, 5);
    expect(come(&a, 0, 5), false, false, 0);
    expect(come(&a, 0, 4), false, false, 0);
    barrier_aligner_fini(&a);
}

static void test_at_least_once_counts(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 2, ALIGN_AT_LEAST_ONCE);
    expect(come(&a, 0, 1), false, false, 0);
    expect(come(&a, 0, 2), false, false, 0);
    expect(come(&a, 1, 1), false, false, 1);
    expect(come(&a, 1, 2), false, false, 2);
    /* One that is complete gives up all before it. */
    expect(come(&a, 0, 3), false, false, 0);
    expect(come(&a, 0, 4), false, false, 0);
    struct aligner_verdict v = come(&a, 1, 4);
    assert_int_equal(v.complete->checkpoint_id, 4);
    assert_int_equal(v.n_given_up, 1);
    assert_int_equal(v.given_up[0], 3);
    assert_false(v.unblock);
    barrier_unref(v.complete);
    expect(come(&a, 1, 3), false, false, 0);
    barrier_aligner_fini(&a);
}

static void test_at_least_once_is_bounded(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 2, ALIGN_AT_LEAST_ONCE);
    for (uint64_t id = 2; id < 2 + ALIGNER_PENDING_MAX; id++) {
        expect(come(&a, 0, id), false, false, 0);
    }
    expect(come(&a, 1, 1), false, false, 0); /* older than all */
    struct aligner_verdict v = come(&a, 0, 40);
    assert_int_equal(v.n_given_up, 1);
    assert_int_equal(v.given_up[0], 2);
    barrier_aligner_fini(&a);
}

static void test_newer_while_aligning(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 3, ALIGN_EXACTLY_ONCE);
    expect(come(&a, 0, 1), true, false, 0);
    struct aligner_verdict v = come(&a, 1, 2);
    assert_true(v.unblock);
    assert_true(v.block);
    assert_int_equal(v.n_given_up, 1);
    assert_int_equal(v.given_up[0], 1);
    expect(come(&a, 0, 2), true, false, 0);
    expect(come(&a, 2, 2), false, true, 2);
    barrier_aligner_fini(&a);
}

/* FLINK-20654, FLINK-21104: an older barrier after a newer one, also after the newer one is over, neither
 * starts anything nor blocks its channel. */
static void test_flink_20654_older_barrier_after_newer(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 3, ALIGN_EXACTLY_ONCE);
    expect(come(&a, 0, 2), true, false, 0);
    expect(come(&a, 1, 1), false, false, 0);
    expect(come(&a, 2, 1), false, false, 0);
    expect(come(&a, 1, 2), true, false, 0);
    expect(come(&a, 2, 2), false, true, 2);
    expect(come(&a, 0, 1), false, false, 0);
    expect(barrier_aligner_on_trigger(&a, barrier(1), 0), false, false, 0);
    assert_false(barrier_aligner_is_aligning(&a));
    barrier_aligner_fini(&a);
}

/* The test above notices the bug: the newer one is given up for the older one. */
static void test_flink_20654_guard(void **state)
{
    struct barrier_aligner a;
    struct error err = ERROR_INIT;
    barrier_aligner_init(&a, 3, ALIGN_EXACTLY_ONCE);
    expect(come(&a, 0, 2), true, false, 0);
    assert_int_equal(failpoint_configure("planted.older_barrier_aligns=error", &err), 0);
    struct aligner_verdict v = come(&a, 1, 1);
    failpoint_clear_all();
    assert_true(v.block);
    assert_int_equal(v.n_given_up, 1);
    assert_int_equal(v.given_up[0], 2);
    barrier_aligner_fini(&a);
}

/* FLINK-21104: the cancellation comes before, between and after the barriers; none is lost to those below,
 * nothing stays blocked. */
static void test_flink_21104_cancelled(void **state)
{
    for (uint32_t when = 0; when <= 3; when++) {
        struct barrier_aligner a;
        barrier_aligner_init(&a, 3, ALIGN_EXACTLY_ONCE);
        bool blocked = false;
        for (uint32_t i = 0; i < 4; i++) {
            if (i == when) {
                struct aligner_verdict v = barrier_aligner_on_cancel(&a, 7);
                assert_int_equal(v.unblock, when == 1 || when == 2);
                expect(barrier_aligner_on_cancel(&a, 7), false, false, 0); /* again */
                blocked = false;
            }
            if (i == 3) {
                break;
            }
            struct aligner_verdict v = come(&a, i, 7);
            assert_true(!v.block || i < when);
            blocked = (blocked && !v.unblock) || v.block;
            if (i == 2) {
                assert_int_equal(v.complete->checkpoint_id, 7);
                assert_int_equal(v.is_cancelled, when < 3);
            } else {
                assert_null(v.complete);
            }
            barrier_unref(v.complete);
        }
        assert_false(blocked);
        expect(come(&a, 0, 8), true, false, 0);
        expect(come(&a, 1, 8), true, false, 0);
        expect(come(&a, 2, 8), false, true, 8);
        barrier_aligner_fini(&a);
    }
}

/* The test above notices the bug: the alignment of a cancelled one ends as if it had not been. */
static void test_flink_21104_guard(void **state)
{
    struct barrier_aligner a;
    struct error err = ERROR_INIT;
    barrier_aligner_init(&a, 1, ALIGN_EXACTLY_ONCE);
    assert_int_equal(failpoint_configure("planted.cancellation_is_forgotten=error", &err), 0);
    expect(barrier_aligner_on_cancel(&a, 7), false, false, 0);
    expect(come(&a, 0, 7), false, true, 7);
    failpoint_clear_all();
    barrier_aligner_fini(&a);
}

/* A newer one takes the place of a cancelled one: nobody is told of that. */
static void test_newer_than_cancelled(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 2, ALIGN_EXACTLY_ONCE);
    expect(come(&a, 0, 1), true, false, 0);
    assert_true(barrier_aligner_on_cancel(&a, 1).unblock);
    struct aligner_verdict v = come(&a, 0, 2);
    assert_int_equal(v.n_given_up, 0);
    assert_true(v.block);
    expect(come(&a, 1, 1), false, false, 0);
    expect(come(&a, 1, 2), false, true, 2);
    barrier_aligner_fini(&a);
}

static void test_ended_channels_count(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 3, ALIGN_EXACTLY_ONCE);
    expect(barrier_aligner_on_end(&a, 2), false, false, 0);
    expect(come(&a, 0, 1), true, false, 0);
    expect(barrier_aligner_on_end(&a, 1), false, true, 1);
    expect(barrier_aligner_on_end(&a, 1), false, false, 0);
    expect(come(&a, 0, 2), false, true, 2);
    /* A channel that has delivered its barrier and ends counts once. */
    barrier_aligner_fini(&a);
    barrier_aligner_init(&a, 2, ALIGN_AT_LEAST_ONCE);
    expect(come(&a, 0, 1), false, false, 0);
    expect(barrier_aligner_on_end(&a, 0), false, false, 0);
    expect(come(&a, 1, 1), false, false, 1);
    barrier_aligner_fini(&a);
}

/* A trigger waits for the ends that are on their way: what lies before them belongs to the checkpoint. */
static void test_trigger(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 2, ALIGN_EXACTLY_ONCE);
    expect(barrier_aligner_on_trigger(&a, barrier(3), 0), false, false, 0);
    expect(barrier_aligner_on_end(&a, 0), false, false, 0);
    expect(barrier_aligner_on_trigger(&a, barrier(3), 0), false, false, 0);
    expect(barrier_aligner_on_end(&a, 1), false, true, 3);
    expect(barrier_aligner_on_trigger(&a, barrier(4), 0), false, true, 4);
    expect(barrier_aligner_on_trigger(&a, barrier(4), 0), false, false, 0);
    barrier_aligner_fini(&a);
    barrier_aligner_init(&a, 0, ALIGN_EXACTLY_ONCE); /* a source */
    expect(barrier_aligner_on_trigger(&a, barrier(4), 0), false, true, 4);
    barrier_aligner_fini(&a);
}

/* ---- overtaking ---------------------------------------------------------------------------------- */

static struct barrier *barrier_as(uint64_t id, Flinc__CheckpointAlignment alignment)
{
    Flinc__CheckpointBarrier m = FLINC__CHECKPOINT_BARRIER__INIT;
    m.checkpoint_id = id;
    m.alignment = alignment;
    assert_null(barriers[id]);
    assert_int_equal(barrier_new(&m, &barriers[id], NULL), 0);
    return barriers[id];
}

#define UNALIGNED FLINC__CHECKPOINT_ALIGNMENT__CHECKPOINT_UNALIGNED
#define UNTIL_TIMEOUT FLINC__CHECKPOINT_ALIGNMENT__CHECKPOINT_ALIGNED_UNTIL_TIMEOUT

static void expect_overtakes(struct aligner_verdict v, uint64_t complete)
{
    assert_true(v.overtakes);
    expect(v, false, true, complete);
}

/* The first announcement is enough; what comes of it later is late. */
static void test_an_announcement_starts_it(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 3, ALIGN_EXACTLY_ONCE);
    barrier_as(1, UNALIGNED);
    expect_overtakes(barrier_aligner_on_announcement(&a, barrier(1), 0), 1);
    expect(barrier_aligner_on_announcement(&a, barrier(1), 0), false, false, 0);
    expect(come(&a, 0, 1), false, false, 0);
    expect(come(&a, 1, 1), false, false, 0);
    expect(come(&a, 2, 1), false, false, 0);
    barrier_as(2, UNALIGNED); /* the barrier itself comes first */
    expect_overtakes(come(&a, 1, 2), 2);
    barrier_aligner_fini(&a);
    barrier_aligner_init(&a, 2, ALIGN_AT_LEAST_ONCE);
    expect(barrier_aligner_on_announcement(&a, barrier(1), 0), false, false, 0);
    barrier_aligner_fini(&a);
}

/* Channels of pointwise and broadcast edges are waited for, whichever comes first. */
static void test_fixed_channels_are_aligned(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 4, ALIGN_EXACTLY_ONCE);
    barrier_aligner_set_fixed(&a, 1, 2);
    barrier_as(1, UNALIGNED);
    expect(barrier_aligner_on_announcement(&a, barrier(1), 0), false, false, 0);
    expect(come(&a, 1, 1), true, false, 0);
    expect(come(&a, 0, 1), true, false, 0);
    expect_overtakes(come(&a, 2, 1), 1);
    barrier_as(2, UNALIGNED);
    expect(come(&a, 2, 2), true, false, 0);
    expect(barrier_aligner_on_announcement(&a, barrier(2), 0), false, false, 0);
    expect_overtakes(barrier_aligner_on_end(&a, 1), 2);
    barrier_as(3, UNALIGNED);
    expect(barrier_aligner_on_announcement(&a, barrier(3), 0), false, false, 0);
    expect_overtakes(come(&a, 2, 3), 3);
    barrier_aligner_fini(&a);
}

static void test_time_is_over(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 3, ALIGN_EXACTLY_ONCE);
    barrier_as(1, UNTIL_TIMEOUT);
    assert_null(barrier_aligner_timed(&a));
    expect(barrier_aligner_on_timeout(&a, 1), false, false, 0); /* it is not there yet */
    expect(come(&a, 0, 1), true, false, 0);
    assert_ptr_equal(barrier_aligner_timed(&a), barrier(1));
    expect_overtakes(barrier_aligner_on_timeout(&a, 1), 1);
    expect(come(&a, 1, 1), false, false, 0);
    barrier_as(2, UNTIL_TIMEOUT); /* in time: aligned */
    expect(come(&a, 0, 2), true, false, 0);
    expect(come(&a, 1, 2), true, false, 0);
    expect(come(&a, 2, 2), false, true, 2);
    expect(barrier_aligner_on_timeout(&a, 2), false, false, 0);
    barrier_as(3, UNTIL_TIMEOUT); /* announced by a producer whose time is over */
    expect(come(&a, 0, 3), true, false, 0);
    expect_overtakes(barrier_aligner_on_announcement(&a, barrier(3), 0), 3);
    barrier_aligner_fini(&a);
}

static void test_an_announcement_gives_up_an_older_one(void **state)
{
    struct barrier_aligner a;
    barrier_aligner_init(&a, 2, ALIGN_EXACTLY_ONCE);
    barrier_as(2, UNALIGNED);
    expect(come(&a, 0, 1), true, false, 0);
    struct aligner_verdict v = barrier_aligner_on_announcement(&a, barrier(2), 0);
    assert_int_equal(v.n_given_up, 1);
    assert_int_equal(v.given_up[0], 1);
    v.n_given_up = 0;
    expect_overtakes(v, 2);
    barrier_aligner_fini(&a);
}

static void test_planted_bug(void **state)
{
    struct barrier_aligner a;
    assert_int_equal(failpoint_configure("planted.skip_alignment=error", NULL), 0);
    barrier_aligner_init(&a, 2, ALIGN_EXACTLY_ONCE);
    expect(come(&a, 0, 1), false, false, 0);
    expect(come(&a, 1, 1), false, true, 1);
    barrier_aligner_fini(&a);
    failpoint_clear_all();
}

#define CASE(test) cmocka_unit_test_teardown(test, forget_barriers)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CASE(test_exactly_once_blocks),
        CASE(test_one_channel),
        CASE(test_at_least_once_counts),
        CASE(test_at_least_once_is_bounded),
        CASE(test_newer_while_aligning),
        CASE(test_flink_20654_older_barrier_after_newer),
        CASE(test_flink_20654_guard),
        CASE(test_flink_21104_guard),
        CASE(test_flink_21104_cancelled),
        CASE(test_newer_than_cancelled),
        CASE(test_ended_channels_count),
        CASE(test_trigger),
        CASE(test_planted_bug),
        CASE(test_an_announcement_starts_it),
        CASE(test_fixed_channels_are_aligned),
        CASE(test_time_is_over),
        CASE(test_an_announcement_gives_up_an_older_one),
    };
    return cmocka_run_group_tests_name("barrier_aligner", tests, NULL, NULL);
}
