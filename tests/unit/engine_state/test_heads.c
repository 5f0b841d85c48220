/* Heads of lists and maps as bytes: what was written comes back, and damaged bytes are refused or are another head,
 * but nothing worse. */
#include "engine/state/ordered_map.h"
#include "engine/state/sorted_map.h"
#include "tests/unit/engine_state/rows_fixture.h"
#include "tests/unit/engine_state/user_fixture.h"

#if UNDER_SANITIZER
#define ROUNDS 3000
#else
#define ROUNDS 20000
#endif

/* The first head of a state, as bytes. */
static void encode_first(struct keyed_state *heads, struct str *out)
{
    uint32_t slot = keyed_state_next(heads, NAMESPACE_VOID, 0);
    assert_true(slot != KEYED_SLOT_NONE);
    str_clear(out);
    assert_ok(heads->ops->encode(heads->ops->arg, keyed_state_value(heads, slot), out, &err));
}

static int decode(struct keyed_state *heads, struct slice bytes, struct str *ret_again)
{
    char *value = mem_zalloc(heads->value_bytes);
    struct state_heap heap;
    struct error fault = ERROR_INIT;
    state_heap_init(&heap, NULL);
    int rc = heads->ops->decode(heads->ops->arg, &heap, bytes, value, &fault);
    if (rc == 0) {
        str_clear(ret_again);
        assert_ok(heads->ops->encode(heads->ops->arg, value, ret_again, &err));
        heads->ops->drop(heads->ops->arg, &heap, value);
    } else {
        assert_true(fault.message[0] != '\0');
    }
    assert_int_equal(heap.used_bytes, 0);
    state_heap_fini(&heap);
    mem_free(value);
    return rc;
}

static void check_heads(struct keyed_state *heads)
{
    struct str good = STR_INIT, again = STR_INIT, bad = STR_INIT;
    struct rng rng;
    uint32_t refused = 0;
    rng_init(&rng, 1);
    encode_first(heads, &good);
    assert_int_equal(decode(heads, str_slice(&good), &again), 0);
    assert_int_equal(again.len, good.len);
    assert_memory_equal(again.data, good.data, good.len);
    for (uint32_t round = 0; round < ROUNDS; round++) {
        str_clear(&bad);
        str_append(&bad, good.data, rng_below(&rng, 4) == 0 ? rng_below(&rng, good.len) : good.len);
        for (uint64_t n = bad.len > 0 ? rng_below(&rng, 5) : 0; n > 0; n--) {
            bad.data[rng_below(&rng, bad.len)] = (char)rng_below(&rng, 256);
        }
        refused += decode(heads, str_slice(&bad), &again) < 0;
    }
    assert_true(refused > 0);
    str_fini(&good);
    str_fini(&again);
    str_fini(&bad);
}

static void heads_of_sorted_maps(void **state)
{
    struct rows_fixture f;
    struct sorted_map *m = NULL;
    int64_t sorts[BATCH_ROWS_MAX];
    rows_fixture_open(&f, *state, 0);
    assert_ok(sorted_map_open(
        f.backend,
        &(struct sorted_map_desc){.name = "rows", .key_schema = f.keys, .record = &f.layout}, &m,
        &err));
    for (int64_t i = 0; i < 300; i++) {
        put_row(&f, 1, i);
        sorts[i] = i * 7 % 100 - 50;
    }
    struct state_keys rows = hashed(&f.builder, NAMESPACE_VOID);
    assert_ok(sorted_map_insert(m, &rows, sorts, &err));
    batch_unref(rows.batch);
    check_heads(sorted_map_keys(m));
    rows_fixture_close(&f);
}

static void heads_of_ordered_maps(void **state)
{
    struct rows_fixture f;
    struct ordered_map *m = NULL;
    const struct sort_column columns[] = {{.column = 2, .flags = SORT_DESC}, {.column = 1}};
    rows_fixture_open(&f, *state, 0);
    assert_ok(ordered_map_open(f.backend,
                               &(struct ordered_map_desc){.name = "rows",
                                                          .key_schema = f.keys,
                                                          .record = &f.layout,
                                                          .columns = columns,
                                                          .n_columns = 2},
                               &m, &err));
    for (int64_t i = 0; i < 200; i++) {
        put_row(&f, 1, i);
    }
    struct state_keys rows = hashed(&f.builder, NAMESPACE_VOID);
    assert_ok(ordered_map_insert(m, &rows, &err));
    batch_unref(rows.batch);
    check_heads(ordered_map_keys(m));
    rows_fixture_close(&f);
}

static void heads_of_maps(void **state)
{
    struct user_fixture f;
    struct user_side s;
    struct user_record key, value;
    user_fixture_init(&f, *state);
    user_side_open(&f, &s, 0, 127, NULL, 0);
    user_begin_key(&f, &s, 1);
    for (int64_t i = 0; i < 100; i++) {
        assert_ok(map_state_put(s.map, user_map_key(&f, &key, i), user_value(&f, &value, i), &err));
    }
    key_cursor_end(&s.cursor);
    check_heads(map_state_keys(s.map));
    user_side_close(&s);
    user_fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(heads_of_sorted_maps),
        SNAPSHOT_TEST(heads_of_ordered_maps),
        SNAPSHOT_TEST(heads_of_maps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
