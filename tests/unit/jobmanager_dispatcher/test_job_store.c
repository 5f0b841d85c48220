/* The store of finished jobs: files and memory, capacity, expiration, damaged files. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/fs/fs.h"
#include "jobmanager/dispatcher/job_store.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static char folder[64];
static struct clock_manual manual;

static int setup(void **state)
{
    log_set_level(LOG_LEVEL_OFF);
    clock_manual_init(&manual);
    (void)snprintf(folder, sizeof(folder), "/tmp/job-store-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int teardown(void **state)
{
    struct error err = ERROR_INIT;
    failpoint_clear_all();
    return fs_delete(folder, FS_DELETE_RECURSIVE, &err);
}

static struct job_store *open_store(uint32_t max_jobs, uint64_t cache_bytes, bool files)
{
    struct job_store *s = NULL;
    struct error err = ERROR_INIT;
    struct job_store_options o = {.dir = files ? folder : NULL,
                                  .cache_bytes = cache_bytes,
                                  .max_jobs = max_jobs,
                                  .expiration_ms = 3600000,
                                  .clock = &manual.base};
    assert_int_equal(job_store_open(&o, &s, &err), 0);
    return s;
}

static size_t n_files(void)
{
    struct fs_list list = FS_LIST_INIT;
    struct error err = ERROR_INIT;
    assert_int_equal(fs_list_dir(folder, &list, &err), 0);
    size_t n = list.n;
    fs_list_fini(&list);
    return n;
}

static void add(struct job_store *s, uint8_t number, enum job_status status)
{
    struct arena *arena = NULL;
    struct job_details *d = job_details_new(&arena);
    struct job_overview o = {.id.bytes = {number}, .name = "job", .status = status};
    struct job_fingerprint fp = {{number, 0}};
    d->id = o.id;
    d->name = arena_strdup(arena, "job");
    d->plan_json = arena_strdup(arena, "{}");
    d->restart_strategy = arena_strdup(arena, "none");
    d->status = status;
    job_store_add(s, job_store_prepare(s, &o, &fp, d));
    job_details_unref(d);
    job_store_sweep(s);
}

static int get(struct job_store *s, uint8_t number, enum job_status status)
{
    struct flinc_id id = {.bytes = {number}};
    const struct job_details *d = NULL;
    struct error err = ERROR_INIT;
    int rc = job_store_get(s, &id, &d, &err);
    if (rc == 0) {
        assert_int_equal(d->status, status);
        assert_string_equal(d->name, "job");
        assert_true(id_eq(&d->id, &id));
        job_details_unref(d);
    }
    return rc;
}

static void test_files_and_cache(void **state)
{
    struct job_store_stats stats;
    struct job_store *s = open_store(100, 0, true); /* nothing stays in memory */
    for (uint8_t i = 1; i <= 5; i++) {
        add(s, i, JOB_STATUS_FINISHED);
    }
    assert_int_equal(n_files(), 5);
    job_store_get_stats(s, &stats);
    assert_int_equal(stats.n_cached, 0);
    assert_int_equal(get(s, 3, JOB_STATUS_FINISHED), 0);
    assert_int_equal(get(s, 3, JOB_STATUS_FINISHED), 0);
    job_store_get_stats(s, &stats);
    assert_int_equal(stats.loads, 2);
    assert_int_equal(get(s, 9, JOB_STATUS_FINISHED), ERR_NOT_FOUND);
    job_store_close(s);
    assert_int_equal(n_files(), 0);

    s = open_store(100, 1 << 20, true);
    for (uint8_t i = 1; i <= 5; i++) {
        add(s, i, JOB_STATUS_FINISHED);
    }
    assert_int_equal(get(s, 3, JOB_STATUS_FINISHED), 0);
    job_store_get_stats(s, &stats);
    assert_int_equal(stats.n_cached, 5);
    assert_int_equal(stats.loads, 0);
    uint64_t one = stats.cached_bytes / 5;
    job_store_close(s);

    s = open_store(100, 2 * one + one / 2, true);
    for (uint8_t i = 1; i <= 3; i++) {
        add(s, i, JOB_STATUS_FINISHED); /* 2 and 3 are in memory */
    }
    assert_int_equal(get(s, 2, JOB_STATUS_FINISHED), 0); /* 3 is the one used longest ago */
    assert_int_equal(get(s, 1, JOB_STATUS_FINISHED), 0); /* loaded: 3 goes */
    assert_int_equal(get(s, 2, JOB_STATUS_FINISHED), 0);
    job_store_get_stats(s, &stats);
    assert_int_equal(stats.n_cached, 2);
    assert_int_equal(stats.loads, 1);
    assert_int_equal(get(s, 3, JOB_STATUS_FINISHED), 0);
    job_store_get_stats(s, &stats);
    assert_int_equal(stats.loads, 2);
    job_store_close(s);
}

static void test_capacity_and_expiration(void **state)
{
    struct job_counts counts;
    struct job_overviews all = {.items = NULL};
    struct job_store *s = open_store(3, 1 << 20, true);
    add(s, 1, JOB_STATUS_FINISHED);
    add(s, 2, JOB_STATUS_FAILED);
    add(s, 3, JOB_STATUS_CANCELED);
    add(s, 4, JOB_STATUS_FINISHED);
    assert_int_equal(n_files(), 3);
    assert_int_equal(get(s, 1, JOB_STATUS_FINISHED), ERR_NOT_FOUND);
    job_store_list(s, &all);
    assert_int_equal(all.n, 3);
    assert_int_equal(all.items[0].id.bytes[0], 4); /* newest first */
    assert_int_equal(all.items[2].id.bytes[0], 2);
    job_store_get_counts(s, &counts);
    assert_int_equal(counts.finished, 2); /* those that have left, too */
    assert_int_equal(counts.failed, 1);
    assert_int_equal(counts.cancelled, 1);
    clock_manual_advance_ms(&manual, 1800000);
    add(s, 5, JOB_STATUS_FINISHED);
    clock_manual_advance_ms(&manual, 1800000);
    job_store_sweep(s);
    assert_int_equal(job_store_n(s), 1);
    assert_int_equal(n_files(), 1);
    add(s, 1, JOB_STATUS_FAILED); /* its id is free again */
    assert_int_equal(get(s, 1, JOB_STATUS_FAILED), 0);
    job_overviews_fini(&all);
    job_store_close(s);
}

static void test_memory(void **state)
{
    struct job_store *s = open_store(3, 0, false);
    for (uint8_t i = 1; i <= 5; i++) {
        add(s, i, JOB_STATUS_FINISHED);
    }
    assert_int_equal(n_files(), 0);
    assert_int_equal(get(s, 2, JOB_STATUS_FINISHED), ERR_NOT_FOUND);
    assert_int_equal(get(s, 3, JOB_STATUS_FINISHED), 0);
    job_store_close(s);
    s = open_store(0, 0, false); /* nothing is kept */
    add(s, 1, JOB_STATUS_FINISHED);
    assert_int_equal(job_store_n(s), 0);
    job_store_close(s);
}

static void test_damaged_file(void **state)
{
    struct fs_list list = FS_LIST_INIT;
    struct error err = ERROR_INIT;
    struct job_store *s = open_store(3, 0, true);
    add(s, 1, JOB_STATUS_FINISHED);
    assert_int_equal(fs_list_dir(folder, &list, &err), 0);
    FILE *f = fopen(list.entries[0].path, "r+");
    assert_non_null(f);
    fseek(f, 20, SEEK_SET);
    fputs("XXXX", f);
    fclose(f);
    struct flinc_id id = {.bytes = {1}};
    const struct job_details *d = NULL;
    assert_int_equal(job_store_get(s, &id, &d, &err), ERR_CORRUPT);
    assert_null(d);
    assert_int_equal(job_store_n(s), 1); /* the list still has it */
    assert_int_equal(unlink(list.entries[0].path), 0);
    assert_int_equal(job_store_get(s, &id, &d, &err), ERR_NOT_FOUND);
    fs_list_fini(&list);
    job_store_close(s);
}

static void test_full_disk(void **state)
{
    struct error err = ERROR_INIT;
    struct job_store *s = open_store(3, 0, true);
    assert_int_equal(failpoint_configure("dispatcher.store.write=error", &err), 0);
    add(s, 1, JOB_STATUS_FINISHED);
    failpoint_clear_all();
    assert_int_equal(n_files(), 0);
    assert_int_equal(get(s, 1, JOB_STATUS_FINISHED), 0);
    add(s, 2, JOB_STATUS_FINISHED);
    assert_int_equal(get(s, 1, JOB_STATUS_FINISHED), 0);
    job_store_close(s);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_files_and_cache), TEST(test_capacity_and_expiration),
        TEST(test_memory),          TEST(test_damaged_file),
        TEST(test_full_disk),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
