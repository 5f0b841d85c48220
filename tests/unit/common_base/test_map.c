/* The map against a naive model, insertion order, removal while iterating, ownership of values. */
#include "common/base/map.h"

#include "common/base/clock.h"

#include <stdio.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static int n_freed;
static void count_free(void *value)
{
    n_freed++;
    mem_free(value);
}

static void test_put_find_remove(void **state)
{
    struct map m;
    map_init(&m, NULL);
    int a, b;
    assert_null(map_find(&m, "a"));
    assert_false(map_has(&m, "a"));
    assert_false(map_remove(&m, "a"));
    assert_null(map_take(&m, "a"));
    assert_null(map_next(&m, NULL));

    assert_true(map_put(&m, "a", &a));
    assert_false(map_put(&m, "a", &b));
    assert_ptr_equal(map_find(&m, "a"), &b);
    assert_true(map_put(&m, "", &a)); /* the empty key is a key */
    assert_ptr_equal(map_find(&m, ""), &a);
    assert_true(map_put(&m, "null", NULL)); /* has and find differ here */
    assert_null(map_find(&m, "null"));
    assert_true(map_has(&m, "null"));
    assert_int_equal(m.len, 3);

    /* Keys are bytes. */
    assert_true(map_put_bytes(&m, "x\0y", 3, &a));
    assert_true(map_put_bytes(&m, "x\0z", 3, &b));
    assert_ptr_equal(map_find_bytes(&m, "x\0y", 3), &a);
    assert_ptr_equal(map_find_bytes(&m, "x\0z", 3), &b);
    assert_null(map_find(&m, "x"));
    assert_ptr_equal(map_take_bytes(&m, "x\0y", 3), &a);
    assert_true(map_remove_bytes(&m, "x\0z", 3));
    assert_false(map_remove_bytes(&m, "x\0z", 3));

    map_clear(&m);
    assert_int_equal(m.len, 0);
    assert_true(map_put(&m, "a", &a));
    map_fini(&m);
}

static void test_values_are_freed_once(void **state)
{
    struct map m;
    map_init(&m, count_free);
    n_freed = 0;
    map_put(&m, "a", mem_alloc(1));
    map_put(&m, "a", mem_alloc(1));
    assert_int_equal(n_freed, 1);
    map_put(&m, "a", map_find(&m, "a")); /* the same value again */
    assert_int_equal(n_freed, 1);
    map_put(&m, "b", mem_alloc(1));
    map_put(&m, "c", mem_alloc(1));
    map_put(&m, "d", NULL);
    assert_true(map_remove(&m, "b"));
    assert_int_equal(n_freed, 2);
    mem_free(map_take(&m, "c"));
    assert_int_equal(n_freed, 2);
    map_fini(&m);
    assert_int_equal(n_freed, 3);
}

static void test_insertion_order(void **state)
{
    struct map m;
    map_init(&m, NULL);
    char key[16];
    for (int i = 0; i < 500; i++) {
        snprintf(key, sizeof(key), "key-%d", (i * 37) % 500);
        map_put(&m, key, NULL);
    }
    int i = 0;
    MAP_FOREACH (&m, e) {
        snprintf(key, sizeof(key), "key-%d", (i * 37) % 500);
        assert_string_equal(e->key, key);
        assert_int_equal(e->key_len, strlen(key));
        i++;
    }
    assert_int_equal(i, 500);
    /* A new value keeps the place, a removed and added key goes to the end. */
    map_put(&m, "key-0", &m);
    assert_string_equal(map_next(&m, NULL)->key, "key-0");
    map_remove(&m, "key-0");
    assert_string_equal(map_next(&m, NULL)->key, "key-37");
    map_put(&m, "key-0", &m);
    const char *last = NULL;
    MAP_FOREACH (&m, e) {
        last = e->key;
    }
    assert_string_equal(last, "key-0");
    map_fini(&m);
}

static void test_remove_while_iterating(void **state)
{
    struct map m;
    map_init(&m, NULL);
    char key[16];
    for (int i = 0; i < 100; i++) {
        snprintf(key, sizeof(key), "%d", i);
        map_put(&m, key, NULL);
    }
    int seen = 0;
    MAP_FOREACH (&m, e) {
        seen++;
        assert_true(map_remove(&m, e->key));
    }
    assert_int_equal(seen, 100);
    assert_int_equal(m.len, 0);
    map_fini(&m);
}

/* ---- model --------------------------------------------------------------------------------- */

enum { MODEL_MAX = 400 };
struct model {
    struct {
        uint32_t key;
        uintptr_t value;
    } rows[MODEL_MAX];
    size_t n;
};

static size_t model_find(const struct model *model, uint32_t key)
{
    size_t i = 0;
    while (i < model->n && model->rows[i].key != key) {
        i++;
    }
    return i;
}

static void model_put(struct model *model, uint32_t key, uintptr_t value)
{
    size_t i = model_find(model, key);
    model->rows[i].key = key;
    model->rows[i].value = value;
    model->n = MAX(model->n, i + 1);
}

static void model_remove(struct model *model, size_t i)
{
    memmove(&model->rows[i], &model->rows[i + 1], (model->n - i - 1) * sizeof(model->rows[0]));
    model->n--;
}

static void check_same(const struct map *m, const struct model *model)
{
    assert_int_equal(m->len, model->n);
    size_t i = 0;
    MAP_FOREACH (m, e) {
        assert_int_equal(e->key_len, sizeof(uint32_t));
        assert_memory_equal(e->key, &model->rows[i].key, sizeof(uint32_t));
        assert_int_equal((uintptr_t)e->value, model->rows[i].value);
        i++;
    }
    assert_int_equal(i, model->n);
}

/* Growing, shrinking and steady phases with random puts, finds, removes and clears. */
static void test_against_model(void **state)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct rng r;
        rng_init(&r, seed);
        struct map m;
        map_init(&m, NULL);
        struct model model = {.n = 0};
        for (int step = 1; step <= 4000; step++) {
            uint32_t key = (uint32_t)rng_below(&r, MODEL_MAX);
            size_t at = model_find(&model, key);
            bool known = at < model.n;
            uint64_t puts_of_10 = (uint64_t)(step / 500 % 3) * 3 + 2;
            if (rng_below(&r, 10) < puts_of_10) {
                assert_int_equal(map_put_bytes(&m, &key, sizeof(key), (void *)(uintptr_t)step),
                                 !known);
                model_put(&model, key, (uintptr_t)step);
            } else {
                assert_int_equal((uintptr_t)map_find_bytes(&m, &key, sizeof(key)),
                                 known ? model.rows[at].value : 0);
                assert_int_equal(map_remove_bytes(&m, &key, sizeof(key)), known);
                if (known) {
                    model_remove(&model, at);
                }
            }
            if (rng_below(&r, 2000) == 0) {
                map_clear(&m);
                model.n = 0;
            }
            if (step % 50 == 0) {
                check_same(&m, &model);
            }
        }
        map_fini(&m);
    }
}

/* A queue of keys through the map: the tables must not grow with what went through. */
static void test_churn_is_bounded(void **state)
{
    struct map m;
    map_init(&m, NULL);
    char key[16];
    for (int i = 0; i < 100000; i++) {
        snprintf(key, sizeof(key), "%d", i);
        map_put(&m, key, NULL);
        if (i >= 10) {
            snprintf(key, sizeof(key), "%d", i - 10);
            assert_true(map_remove(&m, key));
        }
    }
    assert_int_equal(m.len, 10);
    assert_true(m.index_cap <= 128);
    map_fini(&m);
}

static void test_hash(void **state)
{
    assert_int_equal(hash_bytes(NULL, 0, 1), hash_bytes("", 0, 1));
    assert_true(hash_bytes("a", 1, 1) != hash_bytes("b", 1, 1));
    assert_true(hash_bytes("a", 1, 1) != hash_bytes("a", 1, 2));
    assert_int_equal(hash_bytes("abc", 3, 7), hash_bytes("abcd", 3, 7));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_put_find_remove),
        cmocka_unit_test(test_values_are_freed_once),
        cmocka_unit_test(test_insertion_order),
        cmocka_unit_test(test_remove_while_iterating),
        cmocka_unit_test(test_against_model),
        cmocka_unit_test(test_churn_is_bounded),
        cmocka_unit_test(test_hash),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
