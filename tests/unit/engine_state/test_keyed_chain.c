/* The chain of segments: what later increments build upon. */
#include "engine/state/keyed_snapshot.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

static Flinc__KeyedSegment *segment(uint64_t checkpoint_id, bool is_base, uint64_t size)
{
    Flinc__KeyedSegment *s = malloc(sizeof(*s));
    Flinc__StateBlob *b = malloc(sizeof(*b));
    assert_non_null(s);
    assert_non_null(b);
    flinc__keyed_segment__init(s);
    flinc__state_blob__init(b);
    b->size = size;
    b->shared = true;
    s->blob = b;
    s->checkpoint_id = checkpoint_id;
    s->is_base = is_base;
    return s;
}

/* Adds a checkpoint; returns the number of segments of its handle. */
static size_t add(struct keyed_chain *c, uint64_t id, Flinc__KeyedSegment *take_segment)
{
    Flinc__KeyedHandle *h = malloc(sizeof(*h));
    assert_non_null(h);
    flinc__keyed_handle__init(h);
    keyed_chain_add(c, id, (uint32_t)id, take_segment, h);
    size_t n = h->n_segments;
    flinc__keyed_handle__free_unpacked(h, NULL);
    return n;
}

static void increments_follow_until_they_weigh_as_much_as_the_base(void **state)
{
    struct keyed_chain c;
    uint32_t frozen_at = 0;
    (void)state;
    keyed_chain_init(&c);
    assert_true(keyed_chain_is_due(&c));
    assert_int_equal(add(&c, 1, segment(1, true, 100)), 1);
    assert_true(keyed_chain_is_due(&c));
    assert_true(keyed_chain_confirm(&c, 1, &frozen_at));
    assert_int_equal(frozen_at, 1);
    for (uint64_t id = 2; id < 6; id++) {
        assert_false(keyed_chain_is_due(&c));
        assert_int_equal(add(&c, id, segment(id, false, 25)), id);
        assert_true(keyed_chain_confirm(&c, id, &frozen_at));
    }
    assert_true(keyed_chain_is_due(&c));
    assert_int_equal(add(&c, 6, segment(6, true, 100)), 1);
    assert_true(keyed_chain_confirm(&c, 6, &frozen_at));
    assert_false(keyed_chain_is_due(&c));
    keyed_chain_fini(&c);
}

static void unconfirmed_checkpoints_are_not_built_upon(void **state)
{
    struct keyed_chain c;
    uint32_t frozen_at;
    (void)state;
    keyed_chain_init(&c);
    (void)add(&c, 1, segment(1, true, 100));
    assert_true(keyed_chain_confirm(&c, 1, &frozen_at));
    assert_int_equal(add(&c, 2, segment(2, false, 1)), 2);
    assert_int_equal(add(&c, 3, segment(3, false, 1)), 2);
    assert_int_equal(add(&c, 4, NULL), 1);
    assert_false(keyed_chain_confirm(&c, 9, &frozen_at));
    assert_true(keyed_chain_confirm(&c, 3, &frozen_at));
    assert_int_equal(frozen_at, 3);
    /* 3 completed what was before it. */
    assert_false(keyed_chain_confirm(&c, 2, &frozen_at));
    assert_int_equal(c.pending.len, 1);
    assert_int_equal(((Flinc__KeyedSegment *)vec_ptr(&c.segments, 1))->checkpoint_id, 3);
    keyed_chain_fini(&c);
}

static void waiting_checkpoints_and_segments_are_limited(void **state)
{
    struct keyed_chain c;
    uint32_t frozen_at;
    (void)state;
    keyed_chain_init(&c);
    for (uint64_t id = 1; id <= CHAIN_PENDING_MAX + 1; id++) {
        (void)add(&c, id, segment(id, true, 1 << 20));
    }
    assert_false(keyed_chain_confirm(&c, 1, &frozen_at));
    assert_true(keyed_chain_confirm(&c, CHAIN_PENDING_MAX + 1, &frozen_at));
    for (uint64_t id = 100; !keyed_chain_is_due(&c); id++) {
        (void)add(&c, id, segment(id, false, 1));
        assert_true(keyed_chain_confirm(&c, id, &frozen_at));
    }
    assert_int_equal(c.segments.len, CHAIN_SEGMENTS_MAX);
    keyed_chain_forget(&c);
    assert_int_equal(c.segments.len, 0);
    keyed_chain_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(increments_follow_until_they_weigh_as_much_as_the_base),
        cmocka_unit_test(unconfirmed_checkpoints_are_not_built_upon),
        cmocka_unit_test(waiting_checkpoints_and_segments_are_limited),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
