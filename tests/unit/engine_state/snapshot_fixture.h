/* Snapshots in tests: a folder per test, targets, and what a backend leaves in a handle. */
#ifndef FLINC_TESTS_ENGINE_STATE_SNAPSHOT_FIXTURE_H
#define FLINC_TESTS_ENGINE_STATE_SNAPSHOT_FIXTURE_H

#include "common/base/failpoint.h"
#include "common/fs/fs.h"
#include "engine/rocksdb/rocks_shared.h"
#include "engine/snapshot/output.h"
#include "engine/state/state.h"
#include "tests/unit/engine_state/fixture.h"

#include <stdlib.h>
#include <unistd.h>

#define INCREMENTAL FLINC__CHECKPOINT_KIND__CHECKPOINT_INCREMENTAL
#define FULL FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL
#define SAVEPOINT FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_CANONICAL

static char fixture_dir[256];
static struct rocks_shared *fixture_rocks;

/* Runs of a small cache are many and small: what waits for a disk would be most of the time. */
static inline const char *fixture_tmp(void)
{
    const char *tmp = getenv("TMPDIR");
    return fixture_rocks != NULL && access("/dev/shm", W_OK) == 0 ? "/dev/shm"
           : tmp != NULL                                          ? tmp
                                                                  : "/tmp";
}

static inline int dir_setup(void **state)
{
    snprintf(fixture_dir, sizeof(fixture_dir), "%s/flinc-state-XXXXXX", fixture_tmp());
    return mkdtemp(fixture_dir) != NULL ? pool_setup(state) : -1;
}

static inline int dir_teardown(void **state)
{
    failpoint_clear_all();
    int rc = pool_teardown(state);
    return rc < 0 ? rc : fs_delete(fixture_dir, FS_DELETE_RECURSIVE, NULL);
}

/* The backend that a test's states are of, and what it needs: the smallest cache there can be. */
static const char *fixture_backend = "hashmap";
static bool fixture_evicts_always;

static inline int rocksdb_setup(void **state)
{
    fixture_backend = "rocksdb";
    int rc = rocks_shared_new(&(struct rocks_shared_options){.n_threads = 2}, &fixture_rocks, NULL);
    return rc < 0 ? rc : dir_setup(state);
}

static inline int rocksdb_teardown(void **state)
{
    fixture_backend = "hashmap";
    fixture_rocks = rocks_shared_unref(fixture_rocks);
    return dir_teardown(state);
}

/* Those that go to disk are fewer. */
static inline uint32_t fixture_steps(uint32_t n)
{
    return fixture_evicts_always ? MAX(n / 10, 250u) : n;
}

/* The same with a cache that keeps nothing that may go. */
static inline int evicting_setup(void **state)
{
    fixture_evicts_always = true;
    return rocksdb_setup(state);
}

static inline int evicting_teardown(void **state)
{
    fixture_evicts_always = false;
    return rocksdb_teardown(state);
}

#define EVICTING_TEST(fn) cmocka_unit_test_setup_teardown(fn, evicting_setup, evicting_teardown)
#define ROCKSDB_TEST(fn) cmocka_unit_test_setup_teardown(fn, rocksdb_setup, rocksdb_teardown)

struct fixture_disk {
    struct keyed_disk disk;
    char directory[300];
};

/* Of the number-th backend that is open; NULL when the backend needs none. */
static inline const struct keyed_disk *fixture_disk_init(struct fixture_disk *d, uint32_t number)
{
    snprintf(d->directory, sizeof(d->directory), "%s/rocksdb-%u", fixture_dir, number);
    d->disk = (struct keyed_disk){.shared = fixture_rocks,
                                  .directory = d->directory,
                                  .cache_bytes = 1,
                                  .evicts_always = fixture_evicts_always};
    return fixture_rocks != NULL ? &d->disk : NULL;
}

#define SNAPSHOT_TEST(fn) cmocka_unit_test_setup_teardown(fn, dir_setup, dir_teardown)

/* Keys that a namespace has, 0 for NULL, each at most once; their number. */
static inline uint32_t walk_numbers(struct keyed_state *s, int64_t name_space, uint32_t max,
                                    bool *ret_seen)
{
    struct keyed_walk *walk = NULL;
    uint32_t *slots = MEM_NEW_ARRAY(uint32_t, BATCH_ROWS_MAX), found = 0;
    int n;
    memset(ret_seen, 0, max * sizeof(*ret_seen));
    assert_ok(keyed_walk_start(s, name_space, &walk, &err));
    while ((n = keyed_walk_next(walk, BATCH_ROWS_MAX, slots, NULL)) > 0) {
        struct batch *b = NULL;
        assert_ok(keyed_state_read_keys(s, slots, (uint32_t)n, &b, &err));
        for (uint32_t i = 0; i < b->n_sel; i++) {
            bool is_null = column_is_null(&b->columns[0], i);
            int64_t key = is_null ? 0 : COLUMN_VALUES(&b->columns[0], int64_t)[i];
            assert_true(key < max && !ret_seen[key]);
            ret_seen[key] = true;
            found++;
        }
        batch_unref(b);
    }
    assert_int_equal(n, 0);
    keyed_walk_free(walk);
    mem_free(slots);
    return found;
}

static inline struct snapshot_target *target_for(uint64_t checkpoint_id, uint64_t threshold)
{
    Flinc__CheckpointLocation l = FLINC__CHECKPOINT_LOCATION__INIT;
    char shared[300];
    snprintf(shared, sizeof(shared), "%s/shared", fixture_dir);
    l.directory = fixture_dir;
    l.shared_directory = shared;
    l.inline_threshold = threshold;
    int rc = fs_mkdirs(shared, NULL);
    assert_int_equal(rc, 0);
    return snapshot_target_new(&(struct snapshot_target_options){
        .location = &l, .checkpoint_id = checkpoint_id, .owner = "aabb-3-1"});
}

static inline struct keyed_snapshot *freeze(struct keyed_backend *b, uint64_t checkpoint_id,
                                            Flinc__CheckpointKind kind, uint64_t threshold)
{
    struct snapshot_target *target = target_for(checkpoint_id, threshold);
    struct keyed_snapshot *s = NULL;
    assert_ok(keyed_backend_freeze(
        b, &(struct keyed_freeze){.checkpoint_id = checkpoint_id, .kind = kind, .target = target},
        &s, &err));
    snapshot_target_unref(target);
    return s;
}

/* Writes what is left. */
static inline void finish_snapshot(struct keyed_snapshot *s, Flinc__KeyedHandle *ret)
{
    struct error err = ERROR_INIT;
    int rc;
    while ((rc = keyed_snapshot_step(s, 1000, ret, &err)) == 1) {
    }
    if (rc < 0) {
        fail_msg("%s", err.message);
    }
    keyed_snapshot_free(s);
}

static inline void handle_fini(Flinc__KeyedHandle *h)
{
    Flinc__KeyedHandle *copy = malloc(sizeof(*copy));
    assert_non_null(copy);
    *copy = *h;
    flinc__keyed_handle__free_unpacked(copy, NULL);
}

static inline int restore(struct keyed_backend *b, Flinc__KeyedHandle **handles, size_t n,
                          struct error *err)
{
    Flinc__OperatorSubtaskState state = FLINC__OPERATOR_SUBTASK_STATE__INIT;
    state.n_keyed = n;
    state.keyed = handles;
    return keyed_backend_restore(b, &state, fixture_dir, 7, err);
}

#endif
