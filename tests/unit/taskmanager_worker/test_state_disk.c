/* What a worker gives its state on disk: of managed memory, or of what is set for each slot or for all. */
#include "taskmanager/worker/state_disk.h"
#include "tests/unit/engine_state/snapshot_fixture.h"

static uint64_t cache_bytes(struct state_disk *d, const char *key, const char *value)
{
    struct conf conf;
    struct keyed_disk *disk = NULL;
    conf_init(&conf, NULL);
    assert_ok(conf_set(&conf, "state.backend.rocksdb.memory.write-buffer-ratio", "0.5", &err));
    if (key != NULL) {
        assert_ok(conf_set(&conf, key, value, &err));
    }
    assert_ok(state_disk_open(d, &conf, &disk, &err));
    uint64_t bytes = disk->cache_bytes;
    state_disk_close(d, disk);
    conf_fini(&conf);
    return bytes;
}

static void memory_of_slots_is_of_each(void **state)
{
    _Atomic uint32_t n_slots = 3;
    struct mem_budget budget;
    char folder[300];
    (void)state;
    snprintf(folder, sizeof(folder), "%s/state", fixture_dir);
    mem_budget_init(&budget, "managed", 64 << 20, NULL);
    struct state_disk *d = state_disk_new(
        &(struct state_disk_options){.directory = folder, .budget = &budget, .n_slots = &n_slots});
    assert_int_equal(cache_bytes(d, NULL, NULL), 32 << 20);
    assert_int_equal(cache_bytes(d, "state.backend.rocksdb.memory.fixed-per-tm", "8 mb"), 4 << 20);
    assert_int_equal(cache_bytes(d, "state.backend.rocksdb.memory.fixed-per-slot", "8 mb"),
                     12 << 20);
    n_slots = 4;
    assert_int_equal(cache_bytes(d, "state.backend.rocksdb.memory.fixed-per-slot", "8 mb"),
                     16 << 20);
    state_disk_free(d);
}

/* Indexes and filters of files in parts: a quarter of the memory, in a cache that is of the budget. */
static void parts_of_indexes_have_a_cache(void **state)
{
    struct mem_budget budget;
    char folder[300];
    (void)state;
    snprintf(folder, sizeof(folder), "%s/state", fixture_dir);
    mem_budget_init(&budget, "managed", 64 << 20, NULL);
    struct state_disk *d =
        state_disk_new(&(struct state_disk_options){.directory = folder, .budget = &budget});
    (void)cache_bytes(d, "state.backend.rocksdb.memory.partitioned-index-filters", "true");
    assert_int_equal(atomic_load(&budget.used_bytes), 16 << 20);
    state_disk_free(d);
    assert_int_equal(atomic_load(&budget.used_bytes), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(memory_of_slots_is_of_each),
        SNAPSHOT_TEST(parts_of_indexes_have_a_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
