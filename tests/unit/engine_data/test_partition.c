/* Splitting batches: the sort is a stable permutation by channel; pushed rows arrive at the builder of
 * their channel, in order, in full batches. */
#include "engine/data/partition.h"
#include "tests/unit/engine_data/random_rows.h"
#include "tests/unit/engine_data/support.h"
#include "tests/unit/seeds.h"

static void check_sorted(const struct partition_scratch *s, const struct batch *b)
{
    uint32_t total = 0;
    uint32_t *seen = MEM_NEW_ARRAY(uint32_t, s->n_channels);
    assert_int_equal(s->start[0], 0);
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t c = s->channel[i];
        assert_int_equal(s->rows[s->start[c] + seen[c]], batch_row(b, i));
        seen[c]++;
    }
    for (uint32_t c = 0; c < s->n_channels; c++) {
        assert_int_equal(s->start[c + 1] - s->start[c], seen[c]);
        total += seen[c];
    }
    assert_int_equal(total, b->n_sel);
    mem_free(seen);
}

static struct batch *numbers(struct buffer_pool *pool, const struct schema *s, int64_t from,
                             uint32_t n)
{
    struct builder b;
    builder_init(&b, pool, s, 0);
    for (uint32_t i = 0; i < n; i++) {
        char text[64];
        int len = snprintf(text, sizeof(text), "%.*s%lld", (int)(i % 20), "--------------------",
                           (long long)(from + i));
        builder_put_i64(&b, 0, from + i);
        if (i % 11 == 0) {
            builder_put_null(&b, 1);
        } else {
            assert_int_equal(builder_put_bytes(&b, 1, text, (size_t)len, NULL), 0);
        }
        builder_put_i64(&b, 2, (from + i) % 100);
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    return batch;
}

static void rows_go_where_their_key_group_is_owned(void **state)
{
    static const uint32_t PARALLELISMS[] = {1, 2, 3, 8, 64, 128};
    static const uint32_t MAXES[] = {128, 200};
    struct schema *s = schema_of("ROW<n BIGINT, t STRING, m TINYINT>");
    struct rng r;
    rng_init(&r, 2);
    for (size_t i = 0; i < ARRAY_LEN(PARALLELISMS) * ARRAY_LEN(MAXES); i++) {
        uint32_t parallelism = PARALLELISMS[i / 2];
        struct key_router router;
        struct partition_scratch scratch;
        key_router_init(&router, MAXES[i % 2], parallelism);
        partition_scratch_init(&scratch, parallelism);
        struct batch *b = numbers(*state, s, (int64_t)i * 1000, 1000);
        if (i % 3 == 0) {
            random_selection(*state, b, &r, 2);
        }
        const uint32_t keys[] = {0, 1};
        batch_hash_keys(*state, b, keys, 2);
        partition_by_hash(&scratch, b, &router);
        for (uint32_t k = 0; k < b->n_sel; k++) {
            uint64_t hash = ((uint64_t *)(void *)b->hashes->data)[batch_row(b, k)];
            assert_int_equal(scratch.channel[k], key_owner_of(&router, hash));
        }
        partition_sort(&scratch, b);
        check_sorted(&scratch, b);
        batch_unref(b);
        partition_scratch_fini(&scratch);
        key_router_fini(&router);
    }
    schema_unref(s);
}

static void round_robin_goes_on_where_it_stopped(void **state)
{
    struct schema *s = schema_of("ROW<n BIGINT, t STRING, m TINYINT>");
    struct partition_scratch scratch;
    partition_scratch_init(&scratch, 3);
    uint32_t next = 1;
    uint32_t expected = 1;
    for (int i = 0; i < 3; i++) {
        struct batch *b = numbers(*state, s, 0, 100);
        partition_round_robin(&scratch, b, &next);
        for (uint32_t k = 0; k < 100; k++) {
            assert_int_equal(scratch.channel[k], expected);
            expected = (expected + 1) % 3;
        }
        partition_sort(&scratch, b);
        check_sorted(&scratch, b);
        batch_unref(b);
    }
    partition_scratch_fini(&scratch);
    schema_unref(s);
}

struct received {
    struct batch *batches[256];
    uint32_t n;
    int rc;
};

static int receive(void *arg, struct builder *b)
{
    struct received *t = arg;
    if (t->rc < 0) {
        return t->rc;
    }
    t->batches[t->n++] = builder_finish(b);
    return 0;
}

/* Pushes random batches of any schema to channels; every channel's rows must arrive as they would one
 * by one. */
static void check_push(struct buffer_pool *pool, uint64_t seed, uint32_t channels)
{
    struct rng r;
    rng_init(&r, seed);
    struct schema *s = random_schema(&r, 7, 2);
    struct partition_scratch scratch;
    struct builder source;
    partition_scratch_init(&scratch, channels);
    builder_init(&source, pool, s, 0);
    struct builder *out = MEM_NEW_ARRAY(struct builder, channels);
    struct builder *expected = MEM_NEW_ARRAY(struct builder, channels);
    struct received *got = MEM_NEW_ARRAY(struct received, channels);
    struct received *want = MEM_NEW_ARRAY(struct received, channels);
    for (uint32_t c = 0; c < channels; c++) {
        builder_init(&out[c], pool, s, 100);
        out[c].on_full = receive;
        out[c].on_full_arg = &got[c];
        builder_init(&expected[c], pool, s, 100);
        expected[c].on_full = receive;
        expected[c].on_full_arg = &want[c];
    }
    for (int i = 0; i < 6; i++) {
        struct batch *b = random_batch(&source, &r, 1 + (uint32_t)rng_below(&r, 500));
        const uint32_t key = 0;
        if (i % 2 == 0) {
            batch_hash_keys(pool, b, &key, 1);
        }
        if (i % 3 == 0) {
            random_selection(pool, b, &r, 2);
        }
        for (uint32_t k = 0; k < b->n_sel; k++) {
            scratch.channel[k] = (uint16_t)rng_below(&r, channels);
        }
        partition_sort(&scratch, b);
        check_sorted(&scratch, b);
        assert_int_equal(partition_push(&scratch, b, out), 0);
        for (uint32_t k = 0; k < b->n_sel; k++) {
            uint16_t row = (uint16_t)batch_row(b, k);
            assert_int_equal(builder_push_rows(&expected[scratch.channel[k]], b, &row, 1), 0);
        }
        batch_unref(b);
    }
    for (uint32_t c = 0; c < channels; c++) {
        got[c].batches[got[c].n] = builder_finish(&out[c]);
        want[c].batches[want[c].n] = builder_finish(&expected[c]);
        assert_int_equal(got[c].n, want[c].n);
        for (uint32_t i = 0; i <= got[c].n; i++) {
            struct batch *a = got[c].batches[i];
            struct batch *b = want[c].batches[i];
            assert_int_equal(a != NULL, b != NULL);
            if (a != NULL) {
                check_valid(a);
                assert_true(batch_equals(a, b));
                assert_int_equal(a->hashes != NULL, b->hashes != NULL);
            }
            batch_unref(a);
            batch_unref(b);
        }
        builder_fini(&out[c]);
        builder_fini(&expected[c]);
    }
    mem_free(out);
    mem_free(expected);
    mem_free(got);
    mem_free(want);
    builder_fini(&source);
    partition_scratch_fini(&scratch);
    schema_unref(s);
}

static void pushed_rows_arrive_in_order(void **state)
{
    const struct seeds seeds = seeds_from(1, 30);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        check_push(*state, seed, 1 + (uint32_t)(seed % 9));
    }
}

static void a_builder_that_fails_stops_the_push(void **state)
{
    struct schema *s = schema_of("ROW<n BIGINT, t STRING, m TINYINT>");
    struct partition_scratch scratch;
    struct builder out[2];
    struct received got[2] = {{.rc = 0}, {.rc = ERR_CANCELLED}};
    partition_scratch_init(&scratch, 2);
    for (int c = 0; c < 2; c++) {
        builder_init(&out[c], *state, s, 50);
        out[c].on_full = receive;
        out[c].on_full_arg = &got[c];
    }
    struct batch *b = numbers(*state, s, 0, 400);
    uint32_t next = 0;
    partition_round_robin(&scratch, b, &next);
    partition_sort(&scratch, b);
    assert_int_equal(partition_push(&scratch, b, out), ERR_CANCELLED);
    batch_unref(b);
    for (int c = 0; c < 2; c++) {
        for (uint32_t i = 0; i < got[c].n; i++) {
            batch_unref(got[c].batches[i]);
        }
        builder_fini(&out[c]);
    }
    partition_scratch_fini(&scratch);
    schema_unref(s);
}

static void a_warm_partition_calls_no_malloc(void **state)
{
    struct schema *s = schema_of("ROW<n BIGINT, t STRING, m TINYINT>");
    struct partition_scratch scratch;
    struct key_router router;
    struct builder out[4];
    struct received got[4];
    partition_scratch_init(&scratch, 4);
    key_router_init(&router, 128, 4);
    for (int c = 0; c < 4; c++) {
        builder_init(&out[c], *state, s, 0);
        out[c].on_full = receive;
        out[c].on_full_arg = &got[c];
    }
    struct batch *b = numbers(*state, s, 0, 2048);
    uint64_t before = 0;
    for (int i = 0; i < 200; i++) {
        if (i == 50) {
            before = mem_thread_allocations();
        }
        memset(got, 0, sizeof(got));
        const uint32_t key = 0;
        batch_hash_keys(*state, b, &key, 1);
        partition_by_hash(&scratch, b, &router);
        partition_sort(&scratch, b);
        assert_int_equal(partition_push(&scratch, b, out), 0);
        for (int c = 0; c < 4; c++) {
            for (uint32_t k = 0; k < got[c].n; k++) {
                batch_unref(got[c].batches[k]);
            }
        }
    }
    assert_int_equal(mem_thread_allocations() - before, 0);
    for (int c = 0; c < 4; c++) {
        builder_fini(&out[c]);
    }
    batch_unref(b);
    partition_scratch_fini(&scratch);
    key_router_fini(&router);
    schema_unref(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        POOL_TEST(rows_go_where_their_key_group_is_owned),
        POOL_TEST(round_robin_goes_on_where_it_stopped),
        POOL_TEST(pushed_rows_arrive_in_order),
        POOL_TEST(a_builder_that_fails_stops_the_push),
        POOL_TEST(a_warm_partition_calls_no_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
