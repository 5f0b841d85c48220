/* Lists and broadcast maps of operators: in memory, into snapshots and back, and damaged. */
#include "engine/state/operator_state.h"

#include "common/base/crc32c.h"
#include "common/fs/fs.h"
#include "engine/snapshot/metadata.h"
#include "engine/snapshot/operator_part.h"
#include "engine/snapshot/output.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define must(expr)                       \
    do {                                 \
        struct error err = ERROR_INIT;   \
        if ((expr) < 0) {                \
            fail_msg("%s", err.message); \
        }                                \
    } while (0)
#define must_fail(expr, code_, text)                       \
    do {                                                   \
        struct error err = ERROR_INIT;                     \
        char text_[2048];                                  \
        assert_int_equal((expr), (code_));                 \
        error_format(&err, text_, sizeof(text_));          \
        if (strstr(text_, (text)) == NULL) {               \
            fail_msg("'%s' is not in: %s", (text), text_); \
        }                                                  \
    } while (0)

#define SPLIT FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT
#define UNION FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION

static char dir[256];

static int setup(void **state)
{
    const char *tmp = getenv("TMPDIR");
    snprintf(dir, sizeof(dir), "%s/flinc-opstate-XXXXXX", tmp != NULL ? tmp : "/tmp");
    return mkdtemp(dir) != NULL ? 0 : -1;
}

static int teardown(void **state)
{
    return fs_delete(dir, FS_DELETE_RECURSIVE, NULL);
}

static struct operator_list *list_of(struct operator_state *s, const char *name,
                                     Flinc__OperatorStateMode mode)
{
    struct operator_list *l = NULL;
    must(operator_state_list(s, name, mode, "ROW<a BYTES>", &l, &err));
    return l;
}

static void add(struct operator_list *l, const char *text)
{
    must(operator_list_add(l, text, strlen(text), &err));
}

/* The items, each behind a '/'. */
static const char *items(const struct operator_list *l)
{
    static char text[1024];
    text[0] = '\0';
    for (size_t i = 0; i < operator_list_len(l); i++) {
        struct slice item = operator_list_get(l, i);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "/%.*s", (int)item.len,
                 item.data);
    }
    return text;
}

static void put(struct broadcast_map *m, const char *key, const char *value)
{
    must(broadcast_map_put(m, slice_cstr(key), slice_cstr(value), &err));
}

static const char *entries(const struct broadcast_map *m)
{
    static char text[1024];
    text[0] = '\0';
    for (size_t i = 0; i < broadcast_map_len(m); i++) {
        struct slice key, value;
        broadcast_map_entry(m, i, &key, &value);
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%.*s=%.*s;", (int)key.len,
                 key.data, (int)value.len, value.data);
    }
    return text;
}

/* As a subtask acknowledges it; freed by the caller. */
static Flinc__OperatorSubtaskState *snapshot(struct operator_state *s, uint64_t inline_threshold)
{
    Flinc__CheckpointLocation at = FLINC__CHECKPOINT_LOCATION__INIT;
    Flinc__OperatorSubtaskState *state = mem_alloc(sizeof(*state));
    struct operator_state_snapshot *snap = NULL;
    at.directory = dir;
    at.shared_directory = dir;
    at.inline_threshold = inline_threshold;
    struct snapshot_target *target = snapshot_target_new(
        &(struct snapshot_target_options){.location = &at, .checkpoint_id = 1, .owner = "v-0-0"});
    must(operator_state_freeze(s, target, &snap, &err));
    flinc__operator_subtask_state__init(state);
    state->operator_state = mem_alloc(sizeof(void *));
    state->operator_state[0] = mem_alloc(sizeof(Flinc__OperatorStateHandle));
    state->n_operator_state = 1;
    struct error err = ERROR_INIT;
    assert_int_equal(operator_state_snapshot_poll(snap, state->operator_state[0], &err), 1);
    operator_state_snapshot_free(snap);
    snapshot_target_unref(target);
    return state;
}

static void test_list(void **state)
{
    struct operator_state *s = operator_state_new("Source", NULL);
    assert_true(operator_state_is_empty(s));
    struct operator_list *l = list_of(s, "splits", SPLIT);
    assert_false(operator_state_is_empty(s));
    add(l, "one");
    add(l, "");
    add(l, "three");
    assert_string_equal(items(l), "/one//three");
    assert_ptr_equal(list_of(s, "splits", SPLIT), l);
    operator_list_clear(l);
    assert_int_equal(operator_list_len(l), 0);
    add(l, "again");
    assert_string_equal(items(l), "/again");
    operator_state_free(s);
}

static void test_broadcast(void **state)
{
    struct operator_state *s = operator_state_new("Rules", NULL);
    struct broadcast_map *m = NULL;
    struct slice value;
    must(operator_state_broadcast(s, "rules", "ROW<a BYTES>", &m, &err));
    put(m, "a", "1");
    put(m, "b", "22");
    put(m, "a", "333");
    put(m, "c", "4");
    assert_string_equal(entries(m), "a=333;b=22;c=4;");
    assert_true(broadcast_map_remove(m, slice_cstr("b")));
    assert_false(broadcast_map_remove(m, slice_cstr("b")));
    put(m, "b", "5");
    assert_string_equal(entries(m), "a=333;c=4;b=5;");
    assert_true(broadcast_map_get(m, slice_cstr("a"), &value));
    must(broadcast_map_put(m, slice_cstr("a"), slice_make(value.data + 1, 1), &err));
    assert_string_equal(entries(m), "a=3;c=4;b=5;");
    assert_false(broadcast_map_get(m, slice_cstr("x"), &value));
    operator_state_free(s);
}

static void round_trip(uint64_t inline_threshold)
{
    struct operator_state *s = operator_state_new("Op", NULL), *r = operator_state_new("Op", NULL);
    struct broadcast_map *m = NULL;
    add(list_of(s, "x", SPLIT), "one");
    add(list_of(s, "x", SPLIT), "two");
    add(list_of(s, "y", UNION), "");
    (void)list_of(s, "empty", SPLIT);
    must(operator_state_broadcast(s, "z", "ROW<a BYTES>", &m, &err));
    put(m, "k", "v");
    put(m, "", "nothing");
    Flinc__OperatorSubtaskState *state = snapshot(s, inline_threshold);
    assert_int_equal(state->operator_state[0]->blob->location[0] != '\0', inline_threshold == 0);
    add(list_of(s, "x", SPLIT), "later"); /* not in the snapshot */
    must(operator_state_restore(r, state, dir, &err));
    assert_string_equal(items(list_of(r, "x", SPLIT)), "/one/two");
    assert_string_equal(items(list_of(r, "y", UNION)), "/");
    assert_string_equal(items(list_of(r, "empty", SPLIT)), "");
    must(operator_state_broadcast(r, "z", "ROW<a BYTES>", &m, &err));
    assert_string_equal(entries(m), "k=v;=nothing;");
    flinc__operator_subtask_state__free_unpacked(state, NULL);
    operator_state_free(r);
    operator_state_free(s);
}

static void test_round_trip(void **state)
{
    round_trip(1000);
    round_trip(0);
}

/* Several handles, of other subtasks: their items one behind the other; some items of a blob only. */
static void test_dealt_out_anew(void **state)
{
    struct operator_state *a = operator_state_new("Op", NULL), *b = operator_state_new("Op", NULL);
    struct operator_state *r = operator_state_new("Op", NULL);
    add(list_of(a, "x", SPLIT), "a1");
    add(list_of(a, "x", SPLIT), "a2");
    add(list_of(b, "x", SPLIT), "b1");
    Flinc__OperatorSubtaskState *sa = snapshot(a, 1000), *sb = snapshot(b, 1000);
    Flinc__OperatorStatePart *p = sa->operator_state[0]->parts[0];
    p->offsets[0] = p->offsets[1];
    p->sizes[0] = p->sizes[1];
    p->n_offsets = p->n_sizes = 1;
    must(operator_state_restore(r, sa, NULL, &err));
    must(operator_state_restore(r, sb, NULL, &err));
    assert_string_equal(items(list_of(r, "x", SPLIT)), "/a2/b1");
    flinc__operator_subtask_state__free_unpacked(sa, NULL);
    flinc__operator_subtask_state__free_unpacked(sb, NULL);
    operator_state_free(a);
    operator_state_free(b);
    operator_state_free(r);
}

/* Above OPERATOR_PART_ITEMS_IN_HANDLE the places are in the blob. */
static void test_many_items(void **state)
{
    static const uint32_t COUNTS[] = {OPERATOR_PART_ITEMS_IN_HANDLE,
                                      OPERATOR_PART_ITEMS_IN_HANDLE + 1, 5000};
    for (uint32_t k = 0; k < ARRAY_LEN(COUNTS); k++) {
        struct operator_state *s = operator_state_new("Op", NULL);
        struct operator_state *r = operator_state_new("Op", NULL);
        struct operator_state *dealt = operator_state_new("Op", NULL);
        struct broadcast_map *m = NULL;
        must(operator_state_broadcast(s, "z", "ROW<a BYTES>", &m, &err));
        for (uint32_t i = 0; i < COUNTS[k]; i++) {
            char text[32];
            snprintf(text, sizeof(text), "item %u", i);
            text[i % 7 == 3 ? 0 : strlen(text)] = '\0'; /* some are empty */
            add(list_of(s, "x", SPLIT), text);
            add(list_of(s, "y", UNION), text);
            snprintf(text, sizeof(text), "key %u", i);
            put(m, text, "v");
        }
        Flinc__OperatorSubtaskState *snap = snapshot(s, k % 2 == 0 ? 1 << 20 : 0);
        size_t bytes = flinc__operator_state_handle__get_packed_size(snap->operator_state[0]) -
                       snap->operator_state[0]->blob->inline_data.len;
        assert_in_range(bytes, 1, 3000);
        must(operator_state_restore(r, snap, dir, &err));
        assert_int_equal(operator_list_len(list_of(r, "x", SPLIT)), COUNTS[k]);
        for (uint32_t i = 0; i < COUNTS[k]; i++) {
            struct slice want = operator_list_get(list_of(s, "y", UNION), i);
            struct slice got = operator_list_get(list_of(r, "y", UNION), i);
            assert_int_equal(want.len, got.len);
            assert_memory_equal(want.data, got.data, want.len);
        }
        must(operator_state_broadcast(r, "z", "ROW<a BYTES>", &m, &err));
        assert_int_equal(broadcast_map_len(m), COUNTS[k]);
        /* Narrowed as dealing does it, twice. */
        Flinc__OperatorStatePart *p = snap->operator_state[0]->parts[0];
        Flinc__OperatorStatePart whole = *p;
        operator_part_narrow(p, 10, 30);
        operator_part_narrow(p, 5, 2);
        snap->operator_state[0]->n_parts = 1;
        must(operator_state_restore(dealt, snap, dir, &err));
        assert_string_equal(items(list_of(dealt, "x", SPLIT)), "/item 15/item 16");
        *p = whole;
        snap->operator_state[0]->n_parts = 3;
        flinc__operator_subtask_state__free_unpacked(snap, NULL);
        operator_state_free(dealt);
        operator_state_free(r);
        operator_state_free(s);
    }
}

static void refuse(Flinc__OperatorSubtaskState *snap, const char *text)
{
    struct operator_state *r = operator_state_new("Op", NULL);
    must_fail(operator_state_restore(r, snap, dir, &err), ERR_CORRUPT, text);
    operator_state_free(r);
}

static void test_damaged_index(void **state)
{
    struct operator_state *s = operator_state_new("Op", NULL);
    for (uint32_t i = 0; i < 100; i++) {
        add(list_of(s, "x", SPLIT), "item");
    }
    Flinc__OperatorSubtaskState *snap = snapshot(s, 10000);
    Flinc__StateBlob *blob = snap->operator_state[0]->blob;
    Flinc__OperatorStatePart *p = snap->operator_state[0]->parts[0];
    assert_int_equal(p->index_items, 100);
    const Flinc__OperatorStatePart good = *p;
    p->index_items = 101;
    refuse(snap, "outside");
    *p = good;
    p->index_items = UINT64_MAX;
    refuse(snap, "outside");
    *p = good;
    p->index_offset = UINT64_MAX;
    refuse(snap, "outside");
    *p = good;
    p->items_offset = p->index_offset + 1;
    refuse(snap, "outside");
    *p = good;
    p->first_item = 1;
    refuse(snap, "described wrongly");
    *p = good;
    p->n_items = UINT64_MAX;
    refuse(snap, "described wrongly");
    *p = good;
    memset(blob->inline_data.data + p->index_offset + 50 * 8, 0xff, 8);
    blob->crc32c = crc32c(0, blob->inline_data.data, blob->size);
    refuse(snap, "outside");
    flinc__operator_subtask_state__free_unpacked(snap, NULL);
    operator_state_free(s);
}

/* A task that is told to gets the union lists of all subtasks out of _metadata, and nothing else from there. */
static void test_unions_in_metadata(void **state)
{
    enum { SUBTASKS = 300 };
    uint8_t id[16] = {7}, other_id[16] = {8};
    Flinc__CheckpointMetadata m = FLINC__CHECKPOINT_METADATA__INIT;
    Flinc__OperatorSnapshot ops[2] = {FLINC__OPERATOR_SNAPSHOT__INIT,
                                      FLINC__OPERATOR_SNAPSHOT__INIT};
    Flinc__OperatorSnapshot *op_list[] = {&ops[1], &ops[0]};
    Flinc__SubtaskSnapshot subtasks[SUBTASKS], *list[SUBTASKS];
    for (uint32_t i = 0; i < SUBTASKS; i++) {
        char text[32];
        struct operator_state *s = operator_state_new("Op", NULL);
        snprintf(text, sizeof(text), "of %u", i);
        add(list_of(s, "u", UNION), text);
        add(list_of(s, "u", UNION), "more");
        add(list_of(s, "x", SPLIT), "own");
        flinc__subtask_snapshot__init(&subtasks[i]);
        subtasks[i].subtask = i;
        subtasks[i].state = snapshot(s, i % 2 == 0 ? 1000 : 0);
        subtasks[i].state->operator_id = (ProtobufCBinaryData){16, mem_dup(id, 16)};
        list[i] = &subtasks[i];
        operator_state_free(s);
    }
    m.version = CHECKPOINT_METADATA_VERSION;
    m.job_id = (ProtobufCBinaryData){16, id};
    m.n_operators = 2;
    m.operators = op_list;
    ops[0].operator_id = (ProtobufCBinaryData){16, id};
    ops[1].operator_id = (ProtobufCBinaryData){16, other_id};
    for (uint32_t i = 0; i < 2; i++) {
        ops[i].parallelism = ops[i].max_parallelism = SUBTASKS;
        ops[i].n_subtasks = i == 0 ? SUBTASKS : SUBTASKS / 2;
        ops[i].subtasks = list;
    }
    must(metadata_write(dir, &m, &err));

    Flinc__OperatorSubtaskState told = FLINC__OPERATOR_SUBTASK_STATE__INIT;
    struct operator_state *r = operator_state_new("Op", NULL);
    told.operator_id = ops[0].operator_id;
    told.union_in_metadata = true;
    must(operator_state_restore(r, &told, dir, &err));
    struct operator_list *l = list_of(r, "u", UNION);
    assert_int_equal(operator_list_len(l), 2 * SUBTASKS);
    assert_string_equal(items(list_of(r, "x", SPLIT)), "");
    for (uint32_t i = 0; i < SUBTASKS; i++) {
        char text[32];
        snprintf(text, sizeof(text), "of %u", i);
        struct slice got = operator_list_get(l, (size_t)2 * i);
        assert_int_equal(got.len, strlen(text));
        assert_memory_equal(got.data, text, got.len);
    }
    id[3] = 1; /* now it is another operator */
    must_fail(operator_state_restore(r, &told, dir, &err), ERR_CORRUPT, "_metadata");
    operator_state_free(r);
    for (uint32_t i = 0; i < SUBTASKS; i++) {
        flinc__operator_subtask_state__free_unpacked(subtasks[i].state, NULL);
    }
}

static void test_nothing_declared(void **state)
{
    struct operator_state *s = operator_state_new("Op", NULL);
    Flinc__OperatorSubtaskState *none = snapshot(s, 0);
    assert_null(none->operator_state[0]->parts);
    assert_null(none->operator_state[0]->blob);
    must(operator_state_restore(s, none, dir, &err));
    assert_true(operator_state_is_empty(s));
    flinc__operator_subtask_state__free_unpacked(none, NULL);
    operator_state_free(s);
}

static void test_other_mode(void **state)
{
    struct operator_state *s = operator_state_new("Op", NULL), *r = operator_state_new("Op", NULL);
    struct operator_list *l = NULL;
    struct broadcast_map *m = NULL;
    add(list_of(s, "x", SPLIT), "one");
    Flinc__OperatorSubtaskState *snap = snapshot(s, 1000);
    must(operator_state_restore(r, snap, NULL, &err));
    must_fail(operator_state_list(r, "x", UNION, "ROW<a BYTES>", &l, &err), ERR_STATE,
              "is a list in the snapshot and a union list in the job");
    must_fail(operator_state_broadcast(r, "x", "ROW<a BYTES>", &m, &err), ERR_STATE,
              "a broadcast map in the job");
    flinc__operator_subtask_state__free_unpacked(snap, NULL);
    operator_state_free(s);
    operator_state_free(r);
}

/* What the job does not ask for any more is in its snapshots all the same. */
static void test_kept_though_unknown(void **state)
{
    struct operator_state *s = operator_state_new("Op", NULL), *r = operator_state_new("Op", NULL);
    struct operator_state *again = operator_state_new("Op", NULL);
    add(list_of(s, "old", SPLIT), "one");
    Flinc__OperatorSubtaskState *snap = snapshot(s, 1000);
    must(operator_state_restore(r, snap, NULL, &err));
    Flinc__OperatorSubtaskState *second = snapshot(r, 1000);
    must(operator_state_restore(again, second, NULL, &err));
    assert_string_equal(items(list_of(again, "old", SPLIT)), "/one");
    flinc__operator_subtask_state__free_unpacked(snap, NULL);
    flinc__operator_subtask_state__free_unpacked(second, NULL);
    operator_state_free(s);
    operator_state_free(r);
    operator_state_free(again);
}

static void test_budget(void **state)
{
    struct mem_budget budget;
    static const char many[5000];
    mem_budget_init(&budget, "test", 100, NULL);
    struct operator_state *s = operator_state_new("Op", &budget);
    struct operator_list *l = list_of(s, "x", SPLIT);
    add(l, "0123456789012345678901234567890123456789");
    must_fail(operator_list_add(l, many, sizeof(many), &err), ERR_LIMIT,
              "state 'x' of operator 'Op'");
    assert_int_equal(operator_list_len(l), 1);
    /* A little of each state goes, however full the budget is; no more than that. */
    mem_budget_force(&budget, 200);
    must(operator_list_add(l, many, 3000, &err));
    must_fail(operator_list_add(l, many, 3000, &err), ERR_LIMIT, "state 'x' of operator 'Op'");
    assert_int_equal(operator_list_len(l), 2);
    mem_budget_give(&budget, 200);
    operator_list_clear(l);
    assert_int_equal(budget.used_bytes, 0);
    add(l, "x");
    operator_state_free(s);
    assert_int_equal(budget.used_bytes, 0);
}

static void test_damaged(void **state)
{
    struct operator_state *s = operator_state_new("Op", NULL);
    add(list_of(s, "x", SPLIT), "one");
    add(list_of(s, "x", SPLIT), "two");
    Flinc__OperatorSubtaskState *snap = snapshot(s, 1000);
    Flinc__OperatorStatePart *p = snap->operator_state[0]->parts[0];
    p->sizes[1] = 4;
    refuse(snap, "is damaged: an item of operator state lies outside of its bytes");
    p->offsets[1] = UINT64_MAX;
    p->sizes[1] = 3;
    refuse(snap, "is damaged: an item of operator state lies outside of its bytes");
    p->offsets[1] = 3;
    p->n_sizes = 1;
    refuse(snap, "is damaged: operator state that is described wrongly");
    p->n_sizes = 2;
    p->mode = (Flinc__OperatorStateMode)7;
    refuse(snap, "is damaged: operator state that is described wrongly");
    p->mode = SPLIT;
    snap->operator_state[0]->blob->inline_data.data[0] ^= 1;
    refuse(snap, "damaged");
    flinc__operator_subtask_state__free_unpacked(snap, NULL);
    operator_state_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list),
        cmocka_unit_test(test_broadcast),
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_dealt_out_anew),
        cmocka_unit_test(test_many_items),
        cmocka_unit_test(test_damaged_index),
        cmocka_unit_test(test_unions_in_metadata),
        cmocka_unit_test(test_nothing_declared),
        cmocka_unit_test(test_other_mode),
        cmocka_unit_test(test_kept_though_unknown),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_damaged),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
