/* The hash and the lines are RocksDB's: a filter that it wrote lets all its keys through, of any length, and few
 * others. */
#include "tests/unit/engine_rocksdb/sst_fixture.h"

enum { LENGTHS = 320 };

/* Keys of each length from 1 on, in their order; `salt` makes others. */
static struct rocks_bytes key_of_length(size_t n, unsigned salt)
{
    static char bytes[LENGTHS + 1];
    for (size_t i = 0; i < n; i++) {
        bytes[i] = (char)(i < 2 ? n >> 8 * (1 - i) : (i * 31 + n * 7 + salt) & 0xff);
    }
    return (struct rocks_bytes){bytes, n};
}

static struct sst_file *make_file(struct place *p)
{
    struct sst_maker m;
    struct sst_file *f = NULL;
    sst_make_begin(&m, p, (struct sst_style){.block_bytes = 4096});
    for (size_t n = 2; n <= LENGTHS; n++) {
        sst_make_put(&m, key_of_length(n, 0), (struct rocks_bytes){"v", 1});
    }
    sst_make_end(&m);
    assert_int_equal(
        sst_file_open(m.path, slice_make("\0\2", 2), slice_make("\xff", 1), &f, NULL, NULL), 0);
    return f;
}

static void keys_of_all_lengths_pass(void **state)
{
    struct sst_file *f = make_file(*state);
    assert_non_null(f->filter.lines);
    for (size_t n = 2; n <= SST_HASHED_MAX; n++) {
        struct rocks_bytes key = key_of_length(n, 0);
        assert_true(sst_filter_may_have(&f->filter, sst_filter_hash(key.data, key.size)));
    }
    sst_file_close(f);
}

static void few_others_pass(void **state)
{
    struct sst_file *f = make_file(*state);
    int passed = 0, n_keys = 0;
    for (size_t n = 3; n <= SST_HASHED_MAX; n++) {
        for (unsigned salt = 1; salt < 20; salt++, n_keys++) {
            struct rocks_bytes key = key_of_length(n, salt);
            passed += sst_filter_may_have(&f->filter, sst_filter_hash(key.data, key.size));
        }
    }
    assert_in_range(passed, 1, n_keys / 20);
    sst_file_close(f);
}

static void other_filters_let_all_pass(void **state)
{
    (void)state;
    static const char abouts[][5] = {{0, 0, 6, 0, 0},  {-2, 0, 6, 0, 0},  {-1, 1, 6, 0, 0},
                                     {-1, 0, 0, 0, 0}, {-1, 0, 38, 0, 0}, {-1, 0, 6, 1, 0}};
    struct sst_filter f;
    for (size_t i = 0; i < ARRAY_LEN(abouts); i++) {
        char *block = mem_alloc_aligned(SST_FILTER_LINE, SST_FILTER_LINE + 5);
        memset(block, 0, SST_FILTER_LINE);
        memcpy(block + SST_FILTER_LINE, abouts[i], 5);
        sst_filter_init(&f, block, SST_FILTER_LINE + 5);
        assert_null(f.lines);
        assert_true(sst_filter_may_have(&f, 77));
        sst_filter_fini(&f);
    }
    sst_filter_init(&f, mem_alloc_aligned(SST_FILTER_LINE, 3), 3);
    assert_true(sst_filter_may_have(&f, 77));
    assert_int_equal(sst_filter_bytes(&f), 0);
}

#define PLACE_TEST(fn) cmocka_unit_test_setup_teardown(fn, place_setup, made_teardown)

static int made_teardown(void **state)
{
    struct place *p = *state;
    char path[200];
    snprintf(path, sizeof(path), "%s/made.sst", p->folder);
    (void)remove(path);
    return place_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(keys_of_all_lengths_pass),
        PLACE_TEST(few_others_pass),
        cmocka_unit_test(other_filters_let_all_pass),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
