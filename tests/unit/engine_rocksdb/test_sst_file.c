/* Files that RocksDB wrote: every key is found, damage is told, what is not understood is left alone. */
#include "tests/unit/engine_rocksdb/sst_fixture.h"

#include <fcntl.h>
#include <unistd.h>

enum { KEYS = 600 };

static struct rocks_bytes numbered(int i)
{
    char text[40];
    snprintf(text, sizeof(text), i % 7 == 0 ? "%06d" : "%06d/and some more", i);
    return key_of((uint32_t)i / 100, text);
}

static struct slice slice_of(struct rocks_bytes b)
{
    return slice_make(b.data, b.size);
}

static void make(struct place *p, struct sst_style style, struct sst_maker *m)
{
    sst_make_begin(m, p, style);
    for (int i = 0; i < KEYS; i += 2) {
        char value[16];
        int n = snprintf(value, sizeof(value), "value %d", i);
        sst_make_put(m, numbered(i), (struct rocks_bytes){value, (size_t)n});
    }
    sst_make_end(m);
}

static int open_made(const struct sst_maker *m, struct sst_file **f, const char **reason,
                     struct error *err)
{
    return sst_file_open(m->path, slice_of(numbered(0)), slice_of(numbered(KEYS - 2)), f, reason,
                         err);
}

static void check_style(struct place *p, struct sst_style style)
{
    struct sst_maker m;
    struct sst_file *f = NULL;
    struct sst_page page = {.bytes = NULL};
    struct sst_hit hit;
    make(p, style, &m);
    assert_int_equal(open_made(&m, &f, NULL, NULL), 0);
    for (int i = 0; i < KEYS; i++) {
        enum sst_found found = sst_look_up(f, numbered(i), &page, &hit);
        assert_int_equal(found, i % 2 == 0 ? SST_FOUND_VALUE : SST_FOUND_NONE);
        if (i % 2 == 0) {
            char value[16];
            snprintf(value, sizeof(value), "value %d", i);
            assert_true(slice_eq_cstr(hit.value, value));
        }
    }
    assert_true(sst_file_held_bytes(f) > f->fences.n * 8u);
    /* One block for each key, at most: the filter and what the last one was in save some. */
    assert_true(page.n_reads <= KEYS);
    sst_page_fini(&page);
    sst_file_close(f);
}

static void all_keys_are_found(void **state)
{
    check_style(*state, (struct sst_style){.block_bytes = 256});
    check_style(*state, (struct sst_style){.two_levels = 1});
    check_style(*state, (struct sst_style){.format_version = 4, .block_bytes = 4096});
    check_style(*state, (struct sst_style){.block_bytes = 1 << 20});
}

static void others_are_not_understood(void **state)
{
    struct sst_maker m;
    struct sst_file *f = NULL;
    const char *reason = NULL;
    make(*state, (struct sst_style){.checksum = CRC32C}, &m);
    assert_int_equal(open_made(&m, &f, &reason, NULL), SST_OTHER);
    assert_non_null(strstr(reason, "check sums"));
    make(*state, (struct sst_style){.format_version = 3}, &m);
    assert_int_equal(open_made(&m, &f, &reason, NULL), SST_OTHER);
    assert_non_null(reason);
    assert_null(f);
}

static void a_file_that_is_gone_is_told(void **state)
{
    struct place *p = *state;
    struct sst_maker m;
    struct sst_file *f = NULL;
    struct error err = ERROR_INIT;
    snprintf(m.path, sizeof(m.path), "%s/none.sst", p->folder);
    assert_int_equal(open_made(&m, &f, NULL, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "none.sst"));
}

static void flip(const char *path, off_t at, int bit)
{
    char byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= (char)(1 << bit);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    assert_int_equal(close(fd), 0);
}

/* The value of a key is right, or an error tells the file and where it is damaged. */
static void check_damaged(const struct sst_maker *m, int key, int *inout_n_errors)
{
    struct sst_file *f = NULL;
    struct sst_page page = {.bytes = NULL};
    struct sst_hit hit;
    struct error err = ERROR_INIT;
    enum sst_found found = SST_FOUND_NONE;
    struct rocks_bytes bytes = numbered(key);
    struct sst_key k = sst_key_of(bytes.data, bytes.size);
    int rc = open_made(m, &f, NULL, &err);
    if (rc == 0) {
        k.hash = sst_filter_hash(bytes.data, bytes.size);
        assert_true(sst_filter_may_have(&f->filter, k.hash));
        rc = sst_file_find(f, &k, sst_fences_find(&f->fences, &k, 0), &page, &found, &hit, &err);
    }
    if (rc == 0) {
        char value[16];
        snprintf(value, sizeof(value), "value %d", key);
        assert_int_equal(found, SST_FOUND_VALUE);
        assert_true(slice_eq_cstr(hit.value, value));
    } else if (rc < 0) {
        assert_int_equal(rc, ERR_CORRUPT);
        assert_non_null(strstr(err.message, m->path));
        assert_non_null(strstr(err.message, "offset"));
        ++*inout_n_errors;
    }
    sst_page_fini(&page);
    sst_file_close(f);
}

static void damage_is_never_read(void **state)
{
    struct sst_maker m;
    struct sst_file *f = NULL;
    int n_errors = 0, n = 0;
    make(*state, (struct sst_style){.two_levels = 1, .block_bytes = 4096}, &m);
    assert_int_equal(open_made(&m, &f, NULL, NULL), 0);
    off_t size = (off_t)f->size;
    sst_file_close(f);
    for (off_t at = 0; at < size; at += at < size - 2000 ? 97 : 1, n++) {
        flip(m.path, at, (int)(at % 8));
        check_damaged(&m, (int)(at * 14 % KEYS) / 2 * 2, &n_errors);
        flip(m.path, at, (int)(at % 8));
    }
    /* A key is not in most of the blocks of data; everything else matters for each. */
    assert_in_range(n_errors, n / 2, n);
}

static void short_files_are_damaged(void **state)
{
    struct sst_maker m;
    struct sst_file *f = NULL;
    make(*state, (struct sst_style){.block_bytes = 4096}, &m);
    for (off_t n = 1000; n > 0; n = n * 2 / 3) {
        struct error err = ERROR_INIT;
        assert_int_equal(truncate(m.path, n), 0);
        assert_int_equal(open_made(&m, &f, NULL, &err), ERR_CORRUPT);
    }
}

static int made_teardown(void **state)
{
    struct place *p = *state;
    char path[200];
    snprintf(path, sizeof(path), "%s/made.sst", p->folder);
    (void)remove(path);
    return place_teardown(state);
}

#define PLACE_TEST(fn) cmocka_unit_test_setup_teardown(fn, place_setup, made_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(all_keys_are_found),          PLACE_TEST(others_are_not_understood),
        PLACE_TEST(a_file_that_is_gone_is_told), PLACE_TEST(damage_is_never_read),
        PLACE_TEST(short_files_are_damaged),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
