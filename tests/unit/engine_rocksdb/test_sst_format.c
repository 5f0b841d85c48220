/* Blocks put together by hand: what is found in them, and what is refused. */
#include "tests/unit/engine_rocksdb/sst_fixture.h"

static void put_number(struct str *block, uint64_t v)
{
    for (; v >= 0x80; v >>= 7) {
        str_append_char(block, (char)(v | 0x80));
    }
    str_append_char(block, (char)v);
}

static void put_entry(struct str *block, size_t shared, const char *own, size_t own_size,
                      const char *value)
{
    put_number(block, shared);
    put_number(block, own_size);
    put_number(block, strlen(value));
    str_append(block, own, own_size);
    str_append(block, value, strlen(value));
}

static void put_restarts(struct str *block, uint32_t n, const uint32_t *at)
{
    str_append(block, (const char *)at, n * sizeof(*at));
    str_append(block, (const char *)&n, sizeof(n));
}

#define SUFFIX(kind) kind "\0\0\0\0\0\0\0"
static const uint32_t zero[1];

static enum sst_found find(const struct str *block, const char *key, struct sst_hit *hit)
{
    STR_AUTO scratch = STR_INIT;
    return sst_block_find(str_slice(block), slice_cstr(key), &scratch, hit);
}

static void entries_are_found(void **state)
{
    (void)state;
    STR_AUTO block = STR_INIT;
    struct sst_hit hit;
    put_entry(&block, 0, "ab" SUFFIX("\1"), 10, "one");
    put_entry(&block, 2, "c" SUFFIX("\1"), 9, "two");
    put_entry(&block, 3, "\1\5\0\0\0\0\0\0", 8, "older"); /* abc at 5 */
    put_entry(&block, 2, "d" SUFFIX("\0"), 9, "");        /* abd, removed */
    put_entry(&block, 0, "b" SUFFIX("\2"), 9, "merge");
    put_restarts(&block, 1, zero);
    assert_int_equal(find(&block, "ab", &hit), SST_FOUND_VALUE);
    assert_true(slice_eq_cstr(hit.value, "one"));
    assert_int_equal(find(&block, "abc", &hit), SST_FOUND_VALUE);
    assert_true(slice_eq_cstr(hit.value, "two"));
    assert_int_equal(find(&block, "abd", &hit), SST_FOUND_REMOVAL);
    assert_int_equal(find(&block, "b", &hit), SST_FOUND_OTHER);
    assert_int_equal(find(&block, "", &hit), SST_FOUND_NONE);
    assert_int_equal(find(&block, "a", &hit), SST_FOUND_NONE);
    assert_int_equal(find(&block, "abb", &hit), SST_FOUND_NONE);
    assert_int_equal(find(&block, "abca", &hit), SST_FOUND_NONE);
    assert_int_equal(find(&block, "abz", &hit), SST_FOUND_NONE);
    assert_int_equal(find(&block, "ba", &hit), SST_FOUND_PAST);
    assert_int_equal(find(&block, "z", &hit), SST_FOUND_PAST);
}

/* A key may share bytes of what is behind the user's part of the one before. */
static void suffixes_are_no_part_of_keys(void **state)
{
    (void)state;
    STR_AUTO block = STR_INIT;
    struct sst_hit hit;
    put_entry(&block, 0, "a\1\0\0\0\0\0\0\0", 9, "one");
    put_entry(&block, 2, "b" SUFFIX("\1"), 9, "two"); /* "a\1b" */
    put_restarts(&block, 1, zero);
    assert_int_equal(find(&block, "a\1b", &hit), SST_FOUND_VALUE);
    assert_true(slice_eq_cstr(hit.value, "two"));
    assert_int_equal(find(&block, "a\1", &hit), SST_FOUND_NONE);
}

static void damaged_blocks_are_refused(void **state)
{
    (void)state;
    struct sst_hit hit;
    const struct {
        const char *bytes;
        size_t n;
    } bad[] = {
        {"", 0},
        {"\0\0\0", 3},
        {"\0\0\0\0", 4},                             /* no restart */
        {"\2\0\0\0", 4},                             /* more than there is room for */
        {"\0\x40\0aaaaaaaaa\0\0\0\0\1\0\0\0", 20},   /* a key beyond the end */
        {"\0\x03\0aaa\0\0\0\0\1\0\0\0", 14},         /* a key without a suffix */
        {"\1\x09\0aaaaaaaaa\0\0\0\0\1\0\0\0", 20},   /* shares what is not there */
        {"\0\x09\0aaaaaaaaa\x50\0\0\0\1\0\0\0", 20}, /* a restart beyond the end */
        {"\0\x09\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\1aaaaaaaaa\0\0\0\0\1\0\0\0", 31},
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        struct slice bytes = slice_make(bad[i].bytes, bad[i].n);
        STR_AUTO scratch = STR_INIT;
        assert_int_equal(sst_block_find(bytes, slice_cstr("key"), &scratch, &hit),
                         SST_FOUND_DAMAGED);
    }
    STR_AUTO scratch = STR_INIT;
    assert_int_equal(
        sst_block_find(slice_make("\0\0\0\0\1\0\0\x80", 8), slice_cstr("key"), &scratch, &hit),
        SST_FOUND_OTHER); /* with an index by hash */
}

static void check_sums_cover_all(void **state)
{
    (void)state;
    char block[20 + SST_TRAILER_BYTES] = "some bytes of a bloc";
    uint32_t sum = sst_block_sum(block, 20, 0), stored, computed;
    memcpy(block + 21, &sum, sizeof(sum));
    assert_int_equal(sst_block_check(block, 20, &stored, &computed), SST_READ_OK);
    for (size_t bit = 0; bit < sizeof(block) * 8; bit++) {
        block[bit / 8] ^= (char)(1 << bit % 8);
        assert_int_equal(sst_block_check(block, 20, &stored, &computed), SST_READ_DAMAGED);
        block[bit / 8] ^= (char)(1 << bit % 8);
    }
    block[20] = 4; /* compressed */
    sum = sst_block_sum(block, 20, 4);
    memcpy(block + 21, &sum, sizeof(sum));
    assert_int_equal(sst_block_check(block, 20, &stored, &computed), SST_READ_OTHER);
}

static void handles_are_written_as_differences(void **state)
{
    (void)state;
    STR_AUTO block = STR_INIT;
    struct sst_walk w;
    str_append(&block, "\0\2aa\x0a\x64", 6); /* at 10, of 100 */
    str_append(&block, "\1\1b\x01", 4);      /* one less */
    str_append(&block, "\1\1c\x04", 4);      /* two more */
    put_restarts(&block, 1, zero);
    assert_int_equal(sst_walk_start(&w, str_slice(&block), SST_VALUES_HANDLES), SST_READ_OK);
    const uint64_t places[][2] = {{10, 100}, {115, 99}, {219, 101}};
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        assert_int_equal(sst_walk_next(&w), 1);
        assert_int_equal(w.handle.offset, places[i][0]);
        assert_int_equal(w.handle.size, places[i][1]);
    }
    assert_true(slice_eq_cstr(str_slice(&w.key), "ac"));
    assert_int_equal(sst_walk_next(&w), 0);
    sst_walk_end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(entries_are_found),
        cmocka_unit_test(suffixes_are_no_part_of_keys),
        cmocka_unit_test(damaged_blocks_are_refused),
        cmocka_unit_test(check_sums_cover_all),
        cmocka_unit_test(handles_are_written_as_differences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
