/* Operator tests on the rocksdb backend with a cache that keeps nothing that may go. */
#ifndef FLINC_TESTS_ENGINE_OPERATORS_DISK_FIXTURE_H
#define FLINC_TESTS_ENGINE_OPERATORS_DISK_FIXTURE_H

#include "common/fs/fs.h"
#include "engine/rocksdb/rocks_shared.h"
#include "tests/unit/engine_operators/fixture.h"
#include "tests/unit/seeds.h"

#include <unistd.h>

static char fixture_dir[256];
static struct keyed_disk fixture_disk;

static inline int evicting_group_setup(void **state)
{
    /* Runs are many and small: what waits for a disk would be most of the time. */
    const char *tmp = access("/dev/shm", W_OK) == 0 ? "/dev/shm" : getenv("TMPDIR");
    snprintf(fixture_dir, sizeof(fixture_dir), "%s/flinc-operators-XXXXXX",
             tmp != NULL ? tmp : "/tmp");
    fixture_disk = (struct keyed_disk){
        .directory = fixture_dir, .cache_bytes = 64 << 10, .evicts_always = true};
    if (mkdtemp(fixture_dir) == NULL ||
        rocks_shared_new(&(struct rocks_shared_options){.n_threads = 2}, &fixture_disk.shared,
                         NULL) < 0) {
        return -1;
    }
    harness_set_disk(&fixture_disk);
    return 0;
}

static inline int evicting_group_teardown(void **state)
{
    harness_set_disk(NULL);
    fixture_disk.shared = rocks_shared_unref(fixture_disk.shared);
    return fs_delete(fixture_dir, FS_DELETE_RECURSIVE, NULL);
}

/* Of so many cases some are left out on disk. */
static inline size_t fixture_stride(size_t n)
{
    return fixture_disk.shared == NULL ? 1 : UNDER_SANITIZER ? 3 * n : n;
}

/* All tests of a list: in memory, and on disk. */
#define RUN_ON_BOTH(tests)                       \
    (cmocka_run_group_tests(tests, NULL, NULL) + \
     cmocka_run_group_tests_name("on disk", tests, evicting_group_setup, evicting_group_teardown))

#endif
