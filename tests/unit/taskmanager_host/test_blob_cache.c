/* Blobs: downloaded once, checked, shared, removed. */
#include "common/base/mem.h"
#include "common/digest/sha256.h"
#include "taskmanager/host/blob_cache.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { BLOB_BYTES = 100000, PIECE_BYTES = 30000 };

struct fixture {
    char dir[64], blobs[80];
    struct executor *executor; /* stepped by the test */
    struct mailbox *mailbox;
    struct blob_cache *cache;
    uint8_t content[BLOB_BYTES], hash[32];
    uint32_t n_fetched, n_changed;
    enum { FETCH_RIGHT, FETCH_WRONG_BYTE, FETCH_NOTHING, FETCH_LONGER, FETCH_FAILS } behaviour;
};

static int fetch(void *owner, const uint8_t hash[32], uint64_t offset, struct str *ret_data,
                 uint64_t *ret_total, struct cancel_token *cancel, struct error *err)
{
    struct fixture *f = owner;
    f->n_fetched++;
    TRY(cancel_token_check(cancel, "the download", err));
    if (f->behaviour == FETCH_FAILS) {
        return error_set(err, ERR_UNAVAILABLE, "the job manager is gone");
    }
    *ret_total = f->behaviour == FETCH_LONGER ? BLOB_BYTES + 1 : BLOB_BYTES;
    if (f->behaviour != FETCH_NOTHING) {
        size_t n = MIN((size_t)PIECE_BYTES, (size_t)(BLOB_BYTES - offset));
        str_append(ret_data, (const char *)f->content + offset, n);
        if (f->behaviour == FETCH_WRONG_BYTE) {
            ret_data->data[0] ^= 1;
        }
    }
    return 0;
}

static void on_changed(void *owner)
{
    ((struct fixture *)owner)->n_changed++;
}

static int open_cache(void **state)
{
    struct fixture *f = MEM_NEW(struct fixture);
    (void)snprintf(f->dir, sizeof(f->dir), "/tmp/flinc-blobs-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    (void)snprintf(f->blobs, sizeof(f->blobs), "%s/blobs", f->dir);
    for (int i = 0; i < BLOB_BYTES; i++) {
        f->content[i] = (uint8_t)(i * 7);
    }
    struct sha256 *sha = sha256_new();
    sha256_add(sha, f->content, BLOB_BYTES);
    sha256_end(sha, f->hash);
    sha256_free(sha);
    assert_int_equal(executor_new(&(struct executor_options){.name = "x"}, &f->executor, NULL), 0);
    f->mailbox = mailbox_new(&(struct mailbox_options){.name = "m"});
    const struct blob_cache_options options = {.dir = f->blobs,
                                               .executor = f->executor,
                                               .mailbox = f->mailbox,
                                               .fetch = fetch,
                                               .fetch_owner = f,
                                               .on_changed = on_changed,
                                               .owner = f};
    assert_int_equal(blob_cache_new(&options, &f->cache, NULL), 0);
    *state = f;
    return 0;
}

static int close_cache(void **state)
{
    struct fixture *f = *state;
    f->cache = blob_cache_free(f->cache);
    executor_free(f->executor);
    mailbox_close(f->mailbox);
    mailbox_unref(f->mailbox);
    assert_int_not_equal(access(f->blobs, F_OK), 0); /* the folder is gone, so it was empty */
    assert_int_equal(rmdir(f->dir), 0);
    mem_free(f);
    return 0;
}

static void step(struct fixture *f)
{
    while (executor_run_once(f->executor)) {
    }
    mailbox_run(f->mailbox, SIZE_MAX);
}

static struct blob *get(struct fixture *f, uint64_t size)
{
    struct blob *b = NULL;
    assert_int_equal(blob_cache_get(f->cache, f->hash, size, &b, NULL), 0);
    return b;
}

static void blob_path(const struct fixture *f, char ret[256])
{
    int n = snprintf(ret, 256, "%s/", f->blobs);
    for (size_t i = 0; i < 32; i++) {
        n += snprintf(ret + n, 256 - (size_t)n, "%02x", f->hash[i]);
    }
    (void)snprintf(ret + n, 256 - (size_t)n, ".so");
}

static void test_shared_and_removed(void **state)
{
    struct fixture *f = *state;
    char path[256];
    blob_path(f, path);
    struct blob *a = get(f, BLOB_BYTES), *b = get(f, 0);
    assert_ptr_equal(a, b);
    assert_int_equal(blob_get_state(a), BLOB_FETCHING);
    assert_int_not_equal(access(path, F_OK), 0);
    step(f);
    assert_int_equal(blob_get_state(a), BLOB_READY);
    assert_int_equal(f->n_changed, 1);
    assert_int_equal(f->n_fetched, 4);
    struct blob *c = get(f, BLOB_BYTES);
    step(f);
    assert_int_equal(f->n_fetched, 4); /* it was there */
    FILE *file = fopen(path, "re");
    uint8_t *back = mem_alloc(BLOB_BYTES + 1);
    assert_int_equal(fread(back, 1, BLOB_BYTES + 1, file), BLOB_BYTES);
    assert_memory_equal(back, f->content, BLOB_BYTES);
    mem_free(back);
    (void)fclose(file);
    blob_unref(a);
    blob_unref(b);
    assert_int_equal(access(path, F_OK), 0);
    blob_unref(c);
    assert_int_not_equal(access(path, F_OK), 0);
}

static void assert_fails(struct fixture *f, int behaviour, uint64_t size, const char *words)
{
    f->behaviour = behaviour;
    struct blob *b = get(f, size);
    step(f);
    assert_int_equal(blob_get_state(b), BLOB_FAILED);
    assert_non_null(strstr(blob_error(b)->message, words));
    assert_non_null(strstr(blob_error(b)->frames, "fetching blob "));
    /* Asked for again, it is fetched again. */
    f->behaviour = FETCH_RIGHT;
    struct blob *again = get(f, BLOB_BYTES);
    step(f);
    if (size != BLOB_BYTES + 5) {
        assert_int_equal(blob_get_state(again), BLOB_READY);
    }
    blob_unref(b);
    blob_unref(again);
}

static void test_failures(void **state)
{
    struct fixture *f = *state;
    assert_fails(f, FETCH_WRONG_BYTE, 0, "does not have the hash");
    assert_fails(f, FETCH_NOTHING, 0, "sent nothing at byte 0");
    assert_fails(f, FETCH_LONGER, BLOB_BYTES, "the job manager says 100001 bytes, the job 100000");
    assert_fails(f, FETCH_FAILS, 0, "the job manager is gone");
    assert_fails(f, FETCH_RIGHT, BLOB_BYTES + 5, "the job manager says");
}

static void test_given_up_while_fetching(void **state)
{
    struct fixture *f = *state;
    blob_unref(get(f, 0)); /* cancels it */
    struct blob *b = get(f, 0);
    step(f);
    assert_int_equal(blob_get_state(b), BLOB_READY);
    blob_unref(b);
}

static void test_freed_while_fetching(void **state)
{
    struct fixture *f = *state;
    blob_unref(get(f, 0));
    f->cache = blob_cache_free(f->cache);
    step(f); /* its end finds nobody */
}

#define CACHE_TEST(name) cmocka_unit_test_setup_teardown(name, open_cache, close_cache)

int main(void)
{
    const struct CMUnitTest tests[] = {
        CACHE_TEST(test_shared_and_removed),
        CACHE_TEST(test_failures),
        CACHE_TEST(test_given_up_while_fetching),
        CACHE_TEST(test_freed_while_fetching),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
