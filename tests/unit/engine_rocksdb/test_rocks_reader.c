/* Reads here against RocksDB's own, of the same store at the same time: random keys of many shapes, removals, ranges,
 * compactions, entries whose time is over, files of others; and damage. */
#include "common/base/clock.h"
#include "common/base/failpoint.h"
#include "engine/rocksdb/rocks_reader.h"
#include "tests/unit/engine_rocksdb/sst_fixture.h"
#include "tests/unit/seeds.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEYS = 1500, GROUPS = 4, KEY_MAX = 320, VALUE_MAX = 12000 };

struct key {
    char bytes[KEY_MAX];
    size_t n;
};

struct world {
    struct rng rng;
    struct rocks_store *store;
    struct key keys[KEYS]; /* in their order, none twice; half of them are never put */
    struct rocks_bytes wanted[KEYS], here[KEYS], through[KEYS];
};

static int compare(const void *a, const void *b)
{
    const struct key *x = a, *y = b;
    return slice_compare(slice_make(x->bytes, x->n), slice_make(y->bytes, y->n));
}

/* Numbers, texts that begin with each other, and long ones. */
static void random_key(struct rng *rng, struct key *k)
{
    k->bytes[0] = 0;
    k->bytes[1] = (char)rng_below(rng, GROUPS);
    uint64_t shape = rng_below(rng, 8);
    if (shape < 4) {
        uint64_t number = __builtin_bswap64(rng_below(rng, 100000));
        memset(k->bytes + 2, 1, 5);
        memcpy(k->bytes + 7, &number, sizeof(number));
        k->n = 15;
        return;
    }
    k->n = 2 + rng_below(rng, shape < 7 ? 12 : KEY_MAX - 2);
    for (size_t i = 2; i < k->n; i++) {
        k->bytes[i] = "\0\1ab\xff"[shape < 7 ? rng_below(rng, 5) : 2];
    }
    k->bytes[k->n - 1] = (char)rng_below(rng, 256);
}

static void make_keys(struct world *w)
{
    for (int i = 0; i < KEYS; i++) {
        memset(&w->keys[i], 0, sizeof(w->keys[i]));
        random_key(&w->rng, &w->keys[i]);
        if (w->keys[i].n == 2) {
            w->keys[i].bytes[1] = (char)rng_below(&w->rng, GROUPS);
        }
    }
    qsort(w->keys, KEYS, sizeof(w->keys[0]), compare);
}

static struct rocks_bytes bytes_of(const struct key *k)
{
    return (struct rocks_bytes){k->bytes, k->n};
}

static bool is_same(const struct world *w, int i)
{
    return i > 0 && compare(&w->keys[i - 1], &w->keys[i]) == 0;
}

/* Two random keys of one group as a range. */
static void remove_some_range(struct world *w)
{
    int i = (int)rng_below(&w->rng, KEYS), j = i + (int)rng_below(&w->rng, 40);
    j = MIN(j, KEYS - 1);
    if (w->keys[i].bytes[1] == w->keys[j].bytes[1]) {
        assert_ok(
            rocks_run_remove_range(w->store, bytes_of(&w->keys[i]), bytes_of(&w->keys[j]), &err));
    }
}

static void random_run(struct world *w)
{
    static char value[VALUE_MAX];
    uint32_t one_in = 1 + (uint32_t)rng_below(&w->rng, 20);
    assert_ok(rocks_run_begin(w->store, &err));
    for (int n = (int)rng_below(&w->rng, 4); n > 1; n--) {
        remove_some_range(w);
    }
    for (int i = 0; i < KEYS; i++) {
        if (is_same(w, i) || compare(&w->keys[i], &w->keys[i]) != 0 || i % 3 == 0 ||
            rng_below(&w->rng, one_in) != 0) {
            continue;
        }
        if (rng_below(&w->rng, 4) == 0) {
            assert_ok(rocks_run_remove(w->store, bytes_of(&w->keys[i]), &err));
            continue;
        }
        size_t n = rng_below(&w->rng, rng_below(&w->rng, 50) == 0 ? VALUE_MAX : 60);
        memset(value, (int)rng_below(&w->rng, 256), n);
        assert_ok(
            rocks_run_put(w->store, bytes_of(&w->keys[i]), (struct rocks_bytes){value, n}, &err));
    }
    assert_ok(rocks_run_finish(w->store, &err));
}

static void check_same(const struct rocks_bytes *a, const struct rocks_bytes *b)
{
    assert_int_equal(a->data == NULL, b->data == NULL);
    if (a->data != NULL) {
        assert_int_equal(a->size, b->size);
        assert_memory_equal(a->data, b->data, a->size);
    }
}

/* All keys, or a random part of them. */
static void check_reads(struct world *w, uint32_t one_in)
{
    uint32_t n = 0, at = 0;
    struct rocks_partition *p = NULL;
    for (int i = 0; i < KEYS; i++) {
        if (!is_same(w, i) && rng_below(&w->rng, one_in) == 0) {
            w->wanted[n++] = bytes_of(&w->keys[i]);
        }
    }
    assert_ok(rocks_store_read(w->store, w->wanted, n, w->here, &err));
    while (at < n) {
        uint32_t from = at;
        assert_ok(rocks_partition_of(w->store, rocks_group_of(w->wanted[at]), &p, &err));
        while (at < n && rocks_group_of(w->wanted[at]) <= p->last_group) {
            at++;
        }
        assert_ok(rocks_partition_read_through(w->store, p, w->wanted + from, at - from,
                                               w->through + from, &err));
    }
    for (uint32_t i = 0; i < n; i++) {
        check_same(&w->here[i], &w->through[i]);
    }
    rocks_store_release(w->store);
}

static void run_world(struct place *place, uint64_t seed)
{
    struct world *w = MEM_NEW(struct world);
    rng_init(&w->rng, seed);
    make_keys(w);
    w->store = open_store(place, 0, GROUPS - 1);
    for (int step = 0; step < (UNDER_SANITIZER ? 15 : 40); step++) {
        random_run(w);
        check_reads(w, 1);
        check_reads(w, 5);
        if (rng_below(&w->rng, 6) == 0) {
            rocks_store_compact(w->store);
            check_reads(w, 1);
        }
    }
    /* Few are at an end of a file and in a range at once. */
    assert_in_range(rocks_store_read_through(w->store), 0, 400);
    rocks_store_free(w->store);
    mem_free(w);
}

static void reads_are_as_those_of_rocksdb(void **state)
{
    struct seeds seeds = seeds_from(1, 3);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        run_world(*state, seed);
    }
}

/* ---- files of other stores --------------------------------------------------------------------------------- */

static struct rocks_store *store_of(struct place *p, struct rocks_shared *shared, uint32_t first,
                                    uint32_t last)
{
    struct rocks_shared *own = p->shared;
    p->shared = shared;
    struct rocks_store *s = open_store(p, first, last);
    p->shared = own;
    return s;
}

/* Written by a store with other options, taken over by two that read here, at another parallelism. */
static void check_taken_over(struct place *place, const struct rocks_shared_options *options)
{
    struct world *w = MEM_NEW(struct world);
    struct rocks_shared *other = NULL;
    struct vec snapshot = VEC_INIT(struct rocks_files);
    assert_ok(rocks_shared_new(options, &other, &err));
    rng_init(&w->rng, 77);
    make_keys(w);
    w->store = store_of(place, other, 0, GROUPS - 1);
    for (int i = 0; i < 5; i++) {
        random_run(w);
    }
    assert_ok(rocks_store_link_files(w->store, &snapshot, &err));
    random_run(w);
    rocks_files_drop(&snapshot);
    assert_ok(rocks_store_link_files(w->store, &snapshot, &err));
    struct rocks_store *parent = w->store;
    for (uint32_t part = 0; part < 2; part++) {
        w->store = open_store(place, part * GROUPS / 2, (part + 1) * GROUPS / 2 - 1);
        assert_ok(rocks_store_adopt(w->store, VEC_AT(&snapshot, struct rocks_files, 0), ids, &err));
        struct world *half = MEM_NEW(struct world);
        *half = *w;
        int n = 0;
        for (int i = 0; i < KEYS; i++) {
            if ((uint32_t)w->keys[i].bytes[1] / (GROUPS / 2) == part) {
                half->keys[n++] = w->keys[i];
            }
        }
        for (int i = n; i < KEYS; i++) {
            half->keys[i] = half->keys[n - 1];
        }
        check_reads(half, 1);
        struct rocks_partition *p = vec_ptr(&w->store->partitions, 0);
        assert_null(rocks_reader_reason(p->reader));
        random_run(half);
        check_reads(half, 1);
        rocks_store_compact(w->store);
        check_reads(half, 1);
        rocks_store_free(w->store);
        mem_free(half);
    }
    rocks_files_drop(&snapshot);
    vec_fini(&snapshot);
    rocks_store_free(parent);
    rocks_shared_unref(other);
    mem_free(w);
}

static void files_of_others_are_read(void **state)
{
    check_taken_over(*state, &(struct rocks_shared_options){.reads = ROCKS_READS_THROUGH});
    check_taken_over(*state, &(struct rocks_shared_options){.compaction = ROCKS_COMPACTION_LEVEL,
                                                            .block_bytes = 512});
    check_taken_over(*state, &(struct rocks_shared_options){.cache_bytes = 1 << 20,
                                                            .caches_index = true,
                                                            .index_block_bytes = 512});
}

/* ---- what is left to RocksDB -------------------------------------------------------------------------------- */

/* A file with other check sums is among the live ones until a compaction has rewritten it. */
static void what_is_not_understood_is_left(void **state)
{
    struct place *place = *state;
    struct rocks_store *s = open_store(place, 0, 3);
    struct sst_maker m;
    char *text = NULL;
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "a", "one");
    assert_ok(rocks_run_finish(s, &err));
    check_value(s, 1, "a", "one");
    assert_int_equal(rocks_store_read_through(s), 0);
    struct rocks_partition *p = vec_ptr(&s->partitions, 0);
    sst_make_begin(&m, place, (struct sst_style){.checksum = CRC32C});
    sst_make_put(&m, key_of(1, "a"), (struct rocks_bytes){"two", 3});
    sst_make_end(&m);
    const char *paths[] = {m.path};
    s->api->ingest_external_file(p->db, paths, 1, s->shared->ingest, &text);
    assert_null(text);
    atomic_fetch_add(&p->n_taken_in, 1);
    check_value(s, 1, "a", "two");
    assert_non_null(rocks_reader_reason(p->reader));
    assert_int_equal(rocks_store_read_through(s), 1);
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "a", "three");
    assert_ok(rocks_run_finish(s, &err));
    check_value(s, 1, "a", "three");
    assert_int_equal(rocks_store_read_through(s), 2);
    rocks_store_compact(s);
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "b", "four");
    assert_ok(rocks_run_finish(s, &err));
    check_value(s, 1, "a", "three");
    assert_null(rocks_reader_reason(p->reader));
    assert_int_equal(rocks_store_read_through(s), 2);
    rocks_store_free(s);
}

static void a_cache_of_blocks_is_rocksdbs(void **state)
{
    struct place *place = *state;
    struct rocks_shared *shared = NULL;
    assert_ok(
        rocks_shared_new(&(struct rocks_shared_options){.cache_bytes = 1 << 20}, &shared, &err));
    struct rocks_store *s = store_of(place, shared, 0, 3);
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "a", "one");
    assert_ok(rocks_run_finish(s, &err));
    check_value(s, 1, "a", "one");
    assert_null(((struct rocks_partition *)vec_ptr(&s->partitions, 0))->reader);
    rocks_store_free(s);
    rocks_shared_unref(shared);
}

/* ---- time to live -------------------------------------------------------------------------------------------- */

static bool is_dead(const void *arg, struct rocks_bytes key, struct rocks_bytes value)
{
    (void)key;
    return *(const bool *)arg && value.size > 0 && value.data[0] == 'd';
}

static void entries_whose_time_is_over_go(void **state)
{
    struct place *place = *state;
    struct rocks_store *s = NULL;
    bool is_late = false;
    char folder[200];
    snprintf(folder, sizeof(folder), "%s/ttl", place->folder);
    assert_ok(rocks_store_new(&(struct rocks_store_options){.shared = place->shared,
                                                            .directory = folder,
                                                            .last_group = 3,
                                                            .filter = {is_dead, &is_late}},
                              &s, &err));
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "a", "lives");
    put(s, 1, "b", "dies");
    assert_ok(rocks_run_finish(s, &err));
    check_value(s, 1, "b", "dies");
    is_late = true;
    rocks_store_compact(s);
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "c", "lives");
    assert_ok(rocks_run_finish(s, &err));
    check_value(s, 1, "a", "lives");
    check_value(s, 1, "b", NULL);
    rocks_store_free(s);
}

/* ---- damage -------------------------------------------------------------------------------------------------- */

static void flip(const char *path, off_t at)
{
    char byte;
    int fd = open(path, O_RDWR);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &byte, 1, at), 1);
    byte ^= (char)(1 << at % 8);
    assert_int_equal(pwrite(fd, &byte, 1, at), 1);
    assert_int_equal(close(fd), 0);
}

static void damage_is_told(void **state)
{
    struct rocks_store *s = open_store(*state, 0, 3);
    struct stat st;
    char key[16];
    assert_ok(rocks_run_begin(s, &err));
    for (int i = 0; i < 1000; i++) {
        snprintf(key, sizeof(key), "%05d", i);
        put(s, 1, key, key);
    }
    assert_ok(rocks_run_finish(s, &err));
    check_value(s, 1, "00500", "00500");
    struct rocks_partition *p = vec_ptr(&s->partitions, 0);
    STR_AUTO path = STR_INIT;
    const rocksdb_livefiles_t *list = s->api->livefiles(p->db);
    assert_int_equal(s->api->livefiles_count(list), 1);
    str_printf(&path, "%s%s", p->directory, s->api->livefiles_name(list, 0));
    s->api->livefiles_destroy(list);
    assert_int_equal(stat(str_cstr(&path), &st), 0);
    int n_errors = 0;
    for (off_t at = 0; at < st.st_size; at += 61) {
        struct rocks_bytes k, v = {NULL, 0};
        struct error err = ERROR_INIT;
        snprintf(key, sizeof(key), "%05d", (int)(at * 1000 / st.st_size));
        k = key_of(1, key);
        flip(str_cstr(&path), at);
        rocks_reader_free(s, p->reader);
        p->reader = rocks_reader_new();
        int rc = rocks_store_read(s, &k, 1, &v, &err);
        if (rc < 0) {
            assert_int_equal(rc, ERR_CORRUPT);
            assert_int_equal(err.cls, ERROR_CLASS_TRANSIENT);
            assert_non_null(strstr(err.message, str_cstr(&path)));
            n_errors++;
        } else {
            assert_int_equal(v.size, strlen(key));
            assert_memory_equal(v.data, key, v.size);
        }
        flip(str_cstr(&path), at);
    }
    assert_true(n_errors > 10);
    rocks_reader_free(s, p->reader);
    p->reader = rocks_reader_new();
    check_value(s, 1, "00500", "00500");
    rocks_store_free(s);
}

static void a_look_that_failed_comes_again(void **state)
{
    struct rocks_store *s = open_store(*state, 0, 3);
    struct rocks_bytes k = key_of(1, "a"), v;
    struct error why = ERROR_INIT;
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "a", "one");
    assert_ok(rocks_run_finish(s, &err));
    check_value(s, 1, "a", "one");
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "a", "two");
    assert_ok(rocks_run_finish(s, &err));
    assert_ok(failpoint_configure("rocksdb.look=error", &err));
    assert_true(rocks_store_read(s, &k, 1, &v, &why) < 0);
    assert_non_null(strstr(why.message, "rocksdb.look"));
    failpoint_clear_all();
    check_value(s, 1, "a", "two");
    rocks_store_free(s);
}

static void what_is_held_is_counted(void **state)
{
    struct place *place = *state;
    struct rocks_store *s = open_store(place, 0, 3);
    char key[16];
    assert_ok(rocks_run_begin(s, &err));
    for (int i = 0; i < 20000; i++) {
        snprintf(key, sizeof(key), "%05d", i);
        put(s, 1, key, key);
    }
    assert_ok(rocks_run_finish(s, &err));
    uint64_t before = rocks_shared_held_bytes(place->shared);
    check_value(s, 1, "00500", "00500");
    /* Ten bits for each key at least. */
    assert_in_range(rocks_shared_held_bytes(place->shared) - before, 20000 * 10 / 8, 20000 * 2);
    rocks_store_free(s);
    assert_int_equal(rocks_shared_held_bytes(place->shared), 0);
}

#define PLACE_TEST(fn) cmocka_unit_test_setup_teardown(fn, place_setup, place_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PLACE_TEST(reads_are_as_those_of_rocksdb),  PLACE_TEST(files_of_others_are_read),
        PLACE_TEST(what_is_not_understood_is_left), PLACE_TEST(a_cache_of_blocks_is_rocksdbs),
        PLACE_TEST(entries_whose_time_is_over_go),  PLACE_TEST(damage_is_told),
        PLACE_TEST(a_look_that_failed_comes_again), PLACE_TEST(what_is_held_is_counted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
