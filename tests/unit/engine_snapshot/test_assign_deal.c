/* Dealing: every item and key group arrives where it has to, from any parallelism to any other. */
#include "tests/unit/engine_snapshot/fixture.h"
#include "tests/unit/engine_snapshot/metadata_maker.h"

#include "engine/snapshot/assign_deal.h"

enum { MAX_PARALLELISM = 128 };

/* Subtask i has i % 5 items of list 'a', 2 of list 'b', 1 of union 'u', and a copy of map 'm'. */
static Flinc__CheckpointMetadata *make_state(uint32_t parallelism)
{
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "op", parallelism, MAX_PARALLELISM);
    for (uint32_t i = parallelism; i-- > 0;) { /* in no order that helps */
        Flinc__SubtaskSnapshot *s = add_subtask(o, i);
        add_keyed(o, s, "k");
        add_list(s, "a", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, i % 5);
        add_list(s, "b", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, 2);
        add_list(s, "u", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION, 1);
        add_list(s, "m", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST, 3);
    }
    return m;
}

/* Counts the items of a name; `seen` by item (subtask * 8 + number). */
static uint32_t count_items(const Flinc__OperatorSubtaskState *t, const char *name, uint8_t *seen)
{
    uint32_t n = 0;
    for (size_t i = 0; t != NULL && i < t->n_operator_state; i++) {
        const Flinc__OperatorStateHandle *h = t->operator_state[i];
        for (size_t k = 0; k < h->n_parts; k++) {
            const Flinc__OperatorStatePart *p = h->parts[k];
            assert_int_equal(p->n_offsets, p->n_sizes);
            for (size_t j = 0; strcmp(p->name, name) == 0 && j < p->n_offsets; j++) {
                uint64_t item;
                assert_int_equal(p->sizes[j], 8);
                memcpy(&item, h->blob->inline_data.data + p->offsets[j], 8);
                seen[(item >> 32) * 8 + (uint32_t)item]++;
                n++;
            }
        }
    }
    return n;
}

/* Whether the subtask has each of its groups by exactly one handle. */
static void check_groups(const Flinc__OperatorSubtaskState *t, uint32_t subtask,
                         uint32_t parallelism)
{
    uint32_t first, last;
    key_group_range(subtask, MAX_PARALLELISM, parallelism, &first, &last);
    for (uint32_t g = first; g <= last; g++) {
        uint32_t n = 0;
        for (size_t i = 0; i < t->n_keyed; i++) {
            n += t->keyed[i]->first_group <= g && t->keyed[i]->last_group >= g;
        }
        assert_int_equal(n, 1);
    }
    for (size_t i = 0; i < t->n_keyed; i++) {
        assert_true(t->keyed[i]->first_group <= last && t->keyed[i]->last_group >= first);
    }
}

static void check_rescale(uint32_t from, uint32_t to)
{
    struct arena arena;
    struct deal d;
    uint8_t a[MAX_PARALLELISM * 8] = {0}, b[MAX_PARALLELISM * 8] = {0};
    uint32_t n_a = 0, least = UINT32_MAX, most = 0, total = 0;
    Flinc__CheckpointMetadata *m = make_state(from);
    arena_init(&arena, 0);
    assert_ok(deal_init(&d, &arena, m->operators[0], to, MAX_PARALLELISM, &ok_err));
    for (uint32_t i = 0; i < to; i++) {
        uint8_t u[MAX_PARALLELISM * 8] = {0}, copy[MAX_PARALLELISM * 8] = {0};
        const Flinc__OperatorSubtaskState *t = deal_to(&d, i);
        check_groups(t, i, to);
        uint32_t got_a = count_items(t, "a", a), got_b = count_items(t, "b", b);
        n_a += got_a;
        least = MIN(least, got_a);
        most = MAX(most, got_a);
        total += got_a + got_b;
        if (from == to) {
            assert_int_equal(got_a, i % 5);
        } else {
            assert_true(got_b == from * 2 / to || got_b == from * 2 / to + 1);
        }
        assert_int_equal(count_items(t, "u", u), from);
        assert_int_equal(count_items(t, "m", copy), 3);
        assert_int_equal(copy[(from == to ? i : 0) * 8], 1);
    }
    for (uint32_t i = 0; i < from; i++) {
        for (uint32_t k = 0; k < 5; k++) {
            assert_int_equal(a[i * 8 + k], k < i % 5);
            assert_int_equal(b[i * 8 + k], k < 2);
        }
    }
    assert_true(from == to || most - least <= 1);
    assert_int_equal(total - n_a, 2 * from);
    deal_fini(&d);
    arena_fini(&arena);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

static void all_ways(void **state)
{
    static const uint32_t SIZES[] = {1, 2, 3, 4, 5, 7, 8, 13, 16, 31, 64, 100, 127, 128};
    (void)state;
    for (uint32_t i = 0; i < ARRAY_LEN(SIZES); i++) {
        for (uint32_t k = 0; k < ARRAY_LEN(SIZES); k++) {
            check_rescale(SIZES[i], SIZES[k]);
        }
    }
}

/* The item that does not divide goes to another subtask with each state. */
static void remainders_move_on(void **state)
{
    (void)state;
    struct arena arena;
    struct deal d;
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "op", 1, MAX_PARALLELISM);
    Flinc__SubtaskSnapshot *s = add_subtask(o, 0);
    static const char *const NAMES[] = {"a", "b", "c"};
    for (uint32_t i = 0; i < 3; i++) {
        add_list(s, NAMES[i], FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, 3);
    }
    arena_init(&arena, 0);
    assert_ok(deal_init(&d, &arena, o, 2, MAX_PARALLELISM, &ok_err));
    for (uint32_t i = 0; i < 2; i++) {
        uint32_t n = 0;
        uint8_t seen[8] = {0};
        const Flinc__OperatorSubtaskState *t = deal_to(&d, i);
        for (uint32_t k = 0; k < 3; k++) {
            n += count_items(t, NAMES[k], seen);
        }
        assert_int_equal(n, i == 0 ? 5 : 4);
    }
    deal_fini(&d);
    arena_fini(&arena);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

static void only_segments_that_meet(void **state)
{
    (void)state;
    struct arena arena;
    struct deal d;
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "op", 1, MAX_PARALLELISM);
    Flinc__KeyedHandle *h = add_keyed(o, add_subtask(o, 0), "k");
    h->segments[0]->last_group = 63;
    Flinc__KeyedSegment *second =
        ADD_MESSAGE(h->n_segments, h->segments, Flinc__KeyedSegment, flinc__keyed_segment__init);
    second->first_group = 60;
    second->last_group = 127;
    second->blob = make_blob("other", 1);
    arena_init(&arena, 0);
    assert_ok(deal_init(&d, &arena, o, 4, MAX_PARALLELISM, &ok_err));
    static const uint32_t WANT[] = {1, 2, 1, 1};
    for (uint32_t i = 0; i < 4; i++) {
        assert_int_equal(deal_to(&d, i)->keyed[0]->n_segments, WANT[i]);
    }
    assert_int_equal(h->n_segments, 2);
    deal_fini(&d);
    arena_fini(&arena);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

static void only_files_that_meet(void **state)
{
    (void)state;
    struct arena arena;
    struct deal d;
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "op", 1, MAX_PARALLELISM);
    Flinc__KeyedHandle *h = add_keyed(o, add_subtask(o, 0), "k");
    add_files(h, "file:/c/shared/a")->last_group = 63;
    add_files(h, "file:/c/shared/b")->first_group = 60;
    arena_init(&arena, 0);
    assert_ok(deal_init(&d, &arena, o, 4, MAX_PARALLELISM, &ok_err));
    static const uint32_t WANT[] = {1, 2, 1, 1};
    for (uint32_t i = 0; i < 4; i++) {
        const Flinc__KeyedHandle *dealt = deal_to(&d, i)->keyed[0];
        assert_int_equal(dealt->n_files, WANT[i]);
        assert_int_equal(dealt->n_segments, 1);
        assert_ptr_equal(dealt->files[0], h->files[i > 1]);
    }
    assert_int_equal(h->n_files, 2);
    deal_fini(&d);
    arena_fini(&arena);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

/* Ten thousand subtasks: what is dealt grows with them, not with their square. */
static void many_subtasks(void **state)
{
    enum { SUBTASKS = 10000, GROUPS = 32768 };
    (void)state;
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "op", SUBTASKS, GROUPS);
    for (uint32_t i = 0; i < SUBTASKS; i++) {
        Flinc__SubtaskSnapshot *s = add_subtask(o, i);
        add_keyed(o, s, "k");
        add_list(s, "a", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, 1);
        add_list(s, "m", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST, 2);
    }
    struct arena arena;
    struct deal d;
    arena_init(&arena, 0);
    assert_ok(deal_init(&d, &arena, o, SUBTASKS, GROUPS, &ok_err));
    for (uint32_t i = 0; i < SUBTASKS; i++) {
        const Flinc__OperatorSubtaskState *t = deal_to(&d, i);
        assert_int_equal(t->n_keyed, 1);
        assert_int_equal(t->n_operator_state, 2);
    }
    assert_true(arena.used_bytes < (uint64_t)SUBTASKS * 2048);
    deal_fini(&d);
    arena_fini(&arena);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

/* A subtask that had finished has no copy: it gets that of the first that has one. */
static void missing_copies(void **state)
{
    (void)state;
    struct arena arena;
    struct deal d;
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "op", 3, MAX_PARALLELISM);
    add_list(add_subtask(o, 1), "m", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST, 2);
    add_list(add_subtask(o, 2), "m", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST, 2);
    arena_init(&arena, 0);
    assert_ok(deal_init(&d, &arena, o, 3, MAX_PARALLELISM, &ok_err));
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t seen[32] = {0};
        assert_int_equal(count_items(deal_to(&d, i), "m", seen), 2);
        assert_int_equal(seen[(i == 0 ? 1 : i) * 8], 1);
    }
    deal_fini(&d);
    arena_fini(&arena);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

static void contradictions(void **state)
{
    (void)state;
    struct arena arena;
    struct deal d;
    struct error err = ERROR_INIT;
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *o = add_operator(m, 1, "op", 3, MAX_PARALLELISM);
    add_list(add_subtask(o, 1), "x", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST, 2);
    Flinc__SubtaskSnapshot *s = add_subtask(o, 2);
    add_list(s, "x", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION, 2);
    arena_init(&arena, 0);
    check_error(deal_init(&d, &arena, o, 3, MAX_PARALLELISM, &err), ERR_CORRUPT, &err,
                "different modes");
    s->subtask = 1;
    check_error(deal_init(&d, &arena, o, 3, MAX_PARALLELISM, &err), ERR_CORRUPT, &err, "twice");
    arena_fini(&arena);
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(all_ways),
        SNAPSHOT_TEST(remainders_move_on),
        SNAPSHOT_TEST(only_segments_that_meet),
        SNAPSHOT_TEST(only_files_that_meet),
        SNAPSHOT_TEST(missing_copies),
        SNAPSHOT_TEST(many_subtasks),
        SNAPSHOT_TEST(contradictions),
    };
    return cmocka_run_group_tests_name("assign_deal", tests, NULL, NULL);
}
