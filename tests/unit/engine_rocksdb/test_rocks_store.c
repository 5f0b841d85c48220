/* Runs, reads, scans, snapshots and the taking over of a parent's files. */
#include "common/base/failpoint.h"
#include "tests/unit/engine_rocksdb/fixture.h"

static void what_was_put_is_read(void **state)
{
    struct rocks_store *s = open_store(*state, 0, 127);
    check_value(s, 3, "a", NULL);
    assert_ok(rocks_run_begin(s, &err));
    put(s, 3, "a", "one");
    put(s, 3, "b", "");
    put(s, 100, "a", "other");
    assert_ok(rocks_run_finish(s, &err));
    check_value(s, 3, "a", "one");
    check_value(s, 3, "b", "");
    check_value(s, 100, "a", "other");
    check_value(s, 4, "a", NULL);
    assert_true(rocks_store_bytes(s) > 0);
    rocks_store_free(s);
}

static void many_keys_are_read_at_once(void **state)
{
    struct rocks_store *s = open_store(*state, 0, 127);
    struct rocks_bytes keys[3], values[3];
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "a", "one");
    put(s, 2, "c", "three");
    assert_ok(rocks_run_finish(s, &err));
    keys[0] = key_of(1, "a");
    keys[1] = key_of(1, "b");
    keys[2] = key_of(2, "c");
    assert_ok(rocks_store_read(s, keys, 3, values, &err));
    assert_int_equal(values[0].size, 3);
    assert_null(values[1].data);
    assert_memory_equal(values[2].data, "three", 5);
    rocks_store_release(s);
    rocks_store_free(s);
}

static void a_later_run_covers_an_earlier_one(void **state)
{
    struct rocks_store *s = open_store(*state, 0, 127);
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "a", "old");
    put(s, 1, "b", "old");
    put(s, 1, "c", "old");
    assert_ok(rocks_run_finish(s, &err));
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "a", "new");
    assert_ok(rocks_run_remove(s, key_of(1, "b"), &err));
    assert_ok(rocks_run_finish(s, &err));
    check_value(s, 1, "a", "new");
    check_value(s, 1, "b", NULL);
    check_value(s, 1, "c", "old");
    rocks_store_free(s);
}

static void a_range_goes_and_what_its_own_run_puts_stays(void **state)
{
    struct rocks_store *s = open_store(*state, 0, 127);
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "a", "old");
    put(s, 1, "n/1", "old");
    put(s, 1, "n/2", "old");
    put(s, 1, "z", "old");
    assert_ok(rocks_run_finish(s, &err));
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "n/2", "again");
    assert_ok(rocks_run_remove_range(s, key_of(1, "n/"), key_of(1, "n0"), &err));
    assert_ok(rocks_run_finish(s, &err));
    check_value(s, 1, "a", "old");
    check_value(s, 1, "n/1", NULL);
    check_value(s, 1, "n/2", "again");
    check_value(s, 1, "z", "old");
    rocks_store_free(s);
}

static void an_abandoned_run_leaves_nothing(void **state)
{
    struct rocks_store *s = open_store(*state, 0, 127);
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "a", "one");
    rocks_run_abandon(s);
    check_value(s, 1, "a", NULL);
    assert_ok(rocks_run_begin(s, &err));
    assert_ok(rocks_run_finish(s, &err)); /* empty */
    assert_int_equal(rocks_store_bytes(s), 0);
    rocks_store_free(s);
}

static void check_scan(struct rocks_store *s, struct rocks_bytes from, struct rocks_bytes until,
                       const char *expected)
{
    struct rocks_scan *c = NULL;
    struct rocks_bytes key, value;
    STR_AUTO got = STR_INIT;
    rocks_scan_start(s, from, until, &c);
    struct error err = ERROR_INIT;
    int rc;
    while ((rc = rocks_scan_next(c, &key, &value, &err)) > 0) {
        str_printf(&got, "%d%.*s=%.*s ", key.data[1], (int)key.size - 2, key.data + 2,
                   (int)value.size, value.data);
    }
    assert_int_equal(rc, 0);
    assert_string_equal(str_cstr(&got), expected);
    rocks_scan_free(c);
}

static void scans_go_in_order(void **state)
{
    struct rocks_store *s = open_store(*state, 0, 127);
    check_scan(s, key_of(0, ""), key_of(128, ""), "");
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "b", "2");
    put(s, 7, "a", "3");
    assert_ok(rocks_run_finish(s, &err));
    assert_ok(rocks_run_begin(s, &err));
    put(s, 1, "a", "1");
    put(s, 1, "c", "4");
    assert_ok(rocks_run_finish(s, &err));
    check_scan(s, key_of(0, ""), key_of(128, ""), "1a=1 1b=2 1c=4 7a=3 ");
    check_scan(s, key_of(1, "b"), key_of(1, "c"), "1b=2 ");
    check_scan(s, key_of(2, ""), key_of(7, ""), "");
    rocks_store_free(s);
}

/* ---- snapshots ------------------------------------------------------------------------------------- */

static struct rocks_files *only(struct vec *partitions)
{
    assert_int_equal(partitions->len, 1);
    return VEC_AT(partitions, struct rocks_files, 0);
}

static bool has_id(const struct rocks_files *f, uint64_t id)
{
    bool found = false;
    for (size_t i = 0; i < f->files.len; i++) {
        found = found || VEC_AT(&f->files, struct rocks_file, i)->file_id == id;
    }
    return found;
}

static uint64_t bytes_of_new(const struct rocks_files *f, const struct rocks_files *before)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < f->files.len; i++) {
        const struct rocks_file *file = VEC_AT(&f->files, struct rocks_file, i);
        bytes += before == NULL || !has_id(before, file->file_id) ? file->size : 0;
    }
    return bytes;
}

static void put_numbers(struct rocks_store *s, int from, int until, const char *value)
{
    char key[16];
    assert_ok(rocks_run_begin(s, &err));
    for (int i = from; i < until; i++) {
        snprintf(key, sizeof(key), "%06d", i);
        put(s, 5, key, value);
    }
    assert_ok(rocks_run_finish(s, &err));
}

/* The next snapshot has the files of the last one and the run since; the data of a run that became part of the base has
 * the same id there. */
static void snapshots_share_files(void **state)
{
    struct rocks_store *s = open_store(*state, 0, 127);
    struct vec first = VEC_INIT(struct rocks_files), second = VEC_INIT(struct rocks_files);
    put_numbers(s, 0, 5000, "some value that takes a little room");
    assert_ok(rocks_store_link_files(s, &first, &err));
    put_numbers(s, 100, 110, "x");
    assert_ok(rocks_store_link_files(s, &second, &err));
    assert_true(bytes_of_new(only(&first), NULL) > 100 * 1000);
    assert_true(bytes_of_new(only(&second), only(&first)) < 4096);
    rocks_files_drop(&first);
    rocks_files_drop(&second);
    vec_fini(&first);
    vec_fini(&second);
    rocks_store_free(s);
}

static uint64_t bytes_of_kind(const struct rocks_files *f, bool is_run)
{
    uint64_t bytes = 0;
    for (size_t i = 0; i < f->files.len; i++) {
        const struct rocks_file *file = VEC_AT(&f->files, struct rocks_file, i);
        bytes += file->is_run == is_run ? file->size : 0;
    }
    return bytes;
}

static void runs_that_outweigh_the_base_make_a_new_one(void **state)
{
    struct rocks_store *s = open_store(*state, 0, 127);
    struct vec snapshot = VEC_INIT(struct rocks_files);
    int n_bases = 0;
    for (int i = 0; i < 20; i++) {
        put_numbers(s, 0, 2000, i % 2 == 0 ? "even" : "odd");
        assert_ok(rocks_store_link_files(s, &snapshot, &err));
        uint64_t runs = bytes_of_kind(only(&snapshot), true);
        assert_true(runs <= bytes_of_kind(only(&snapshot), false));
        n_bases += runs == 0;
        rocks_files_drop(&snapshot);
    }
    assert_in_range(n_bases, 2, 10);
    vec_fini(&snapshot);
    rocks_store_free(s);
}

/* A snapshot is what was there then, whatever is written afterwards, and by whomever it is adopted. */
static void a_store_takes_over_files(void **state)
{
    struct rocks_store *s = open_store(*state, 0, 127);
    struct vec snapshot = VEC_INIT(struct rocks_files), twice = VEC_INIT(struct rocks_files);
    put_numbers(s, 0, 2000, "base");
    assert_ok(rocks_store_link_files(s, &twice, &err));
    put_numbers(s, 10, 20, "run");
    assert_ok(rocks_store_link_files(s, &snapshot, &err));
    put_numbers(s, 0, 2000, "later");
    for (int i = 0; i < 2; i++) {
        struct rocks_store *t = open_store(*state, 0, 63);
        assert_ok(rocks_store_adopt(t, only(&snapshot), ids, &err));
        check_value(t, 5, "000009", "base");
        check_value(t, 5, "000010", "run");
        put_numbers(t, 10, 11, "mine");
        check_value(t, 5, "000010", "mine");
        check_value(t, 5, "000011", "run");
        rocks_store_free(t);
    }
    check_value(s, 5, "000010", "later");
    rocks_files_drop(&snapshot);
    rocks_files_drop(&twice);
    vec_fini(&snapshot);
    vec_fini(&twice);
    rocks_store_free(s);
}

/* Many runs over the same keys, which RocksDB merges meanwhile, and then all into one. */
static void put_many_runs(struct rocks_store *s, const char *last)
{
    for (int i = 0; i < 30; i++) {
        put_numbers(s, i * 10, i * 10 + 100, i == 29 ? last : "before");
    }
    check_value(s, 5, "000000", "before");
    check_value(s, 5, "000300", last);
    rocks_store_compact(s);
    check_value(s, 5, "000289", "before");
    check_value(s, 5, "000290", last);
    check_value(s, 5, "000389", last);
    check_value(s, 5, "000390", NULL);
}

/* Who restores may have set another style of compaction than who wrote. */
static void files_of_either_style_are_taken_over(void **state)
{
    struct place *p = *state;
    struct rocks_shared *shared[2] = {p->shared, NULL};
    struct vec snapshot = VEC_INIT(struct rocks_files);
    assert_ok(rocks_shared_new(&(struct rocks_shared_options){.compaction = ROCKS_COMPACTION_LEVEL},
                               &shared[1], &err));
    for (int i = 0; i < 2; i++) {
        p->shared = shared[i];
        struct rocks_store *from = open_store(p, 0, 127);
        put_many_runs(from, "written");
        put_numbers(from, 1, 2, "behind");
        assert_ok(rocks_store_link_files(from, &snapshot, &err));
        p->shared = shared[1 - i];
        struct rocks_store *to = open_store(p, 0, 127);
        assert_ok(rocks_store_adopt(to, only(&snapshot), ids, &err));
        check_value(to, 5, "000000", "before");
        check_value(to, 5, "000001", "behind");
        check_value(to, 5, "000389", "written");
        put_many_runs(to, "restored");
        rocks_files_drop(&snapshot);
        rocks_store_free(from);
        rocks_store_free(to);
    }
    p->shared = shared[0];
    rocks_shared_unref(shared[1]);
    vec_fini(&snapshot);
}

static void put_groups(struct rocks_store *s, uint32_t first, uint32_t last)
{
    assert_ok(rocks_run_begin(s, &err));
    for (uint32_t group = first; group <= last; group++) {
        put(s, group, "k", "v");
    }
    assert_ok(rocks_run_finish(s, &err));
}

/* Two stores of 64 groups become one of the 64 in the middle, which sees no group of others, and goes on. */
static void parents_are_clipped(void **state)
{
    struct rocks_store *a = open_store(*state, 0, 63), *b = open_store(*state, 64, 127);
    struct rocks_store *t = open_store(*state, 32, 95);
    struct vec snapshot = VEC_INIT(struct rocks_files);
    put_groups(a, 0, 63);
    put_groups(b, 64, 127);
    assert_ok(rocks_store_link_files(b, &snapshot, &err));
    assert_ok(rocks_store_link_files(a, &snapshot, &err));
    for (size_t i = 0; i < snapshot.len; i++) {
        assert_ok(rocks_store_adopt(t, VEC_AT(&snapshot, struct rocks_files, i), ids, &err));
    }
    rocks_files_drop(&snapshot);
    struct rocks_scan *c = NULL;
    struct rocks_bytes key, value;
    rocks_scan_start(t, key_of(0, ""), key_of(200, ""), &c);
    for (uint32_t group = 32; group <= 95; group++) {
        assert_ok(rocks_scan_next(c, &key, &value, &err));
        assert_int_equal((uint8_t)key.data[1], group);
    }
    assert_int_equal(rocks_scan_next(c, &key, &value, NULL), 0);
    rocks_scan_free(c);
    assert_ok(rocks_run_begin(t, &err));
    put(t, 40, "k", "of the first");
    put(t, 80, "k", "of the second");
    assert_ok(rocks_run_finish(t, &err));
    check_value(t, 40, "k", "of the first");
    check_value(t, 80, "k", "of the second");
    check_value(t, 81, "k", "v");
    assert_ok(rocks_store_link_files(t, &snapshot, &err));
    assert_int_equal(snapshot.len, 2);
    rocks_files_drop(&snapshot);
    vec_fini(&snapshot);
    rocks_store_free(t);
    rocks_store_free(a);
    rocks_store_free(b);
}

/* ---- damage ---------------------------------------------------------------------------------------- */

/* ---- bugs that are switched on: each guard holds, and without it the same steps show the bug ---------- */

/* What a store of the 64 groups in the middle has of two of 64 groups each. */
struct taken {
    uint32_t n_scanned;       /* entries, one for each group */
    uint32_t n_files, n_same; /* files, and those with the id of another one */
};

static struct taken take_over(struct place *p)
{
    struct rocks_store *a = open_store(p, 0, 63), *b = open_store(p, 64, 127);
    struct rocks_store *t = open_store(p, 32, 95);
    struct vec snapshot = VEC_INIT(struct rocks_files);
    struct taken x = {0};
    put_groups(a, 0, 63);
    put_groups(b, 64, 127);
    assert_ok(rocks_store_link_files(a, &snapshot, &err));
    assert_ok(rocks_store_link_files(b, &snapshot, &err));
    for (size_t i = 0; i < snapshot.len; i++) {
        const struct rocks_files *f = VEC_AT(&snapshot, struct rocks_files, i);
        assert_ok(rocks_store_adopt(t, f, ids + x.n_files, &err));
        x.n_files += (uint32_t)f->files.len;
    }
    rocks_files_drop(&snapshot);
    vec_fini(&snapshot);
    for (uint32_t i = 0; i < x.n_files; i++) {
        for (uint32_t k = 0; k < i; k++) {
            x.n_same += ids[i] == ids[k];
        }
    }
    struct rocks_scan *c = NULL;
    struct rocks_bytes key, value;
    rocks_scan_start(t, key_of(0, ""), key_of(200, ""), &c);
    while (rocks_scan_next(c, &key, &value, NULL) > 0) {
        x.n_scanned++;
    }
    rocks_scan_free(c);
    rocks_store_free(t);
    rocks_store_free(a);
    rocks_store_free(b);
    return x;
}

static void planted_bugs_of_taking_over_show(void **state)
{
    struct taken good = take_over(*state);
    assert_int_equal(good.n_scanned, 64);
    assert_true(good.n_files > 2 && good.n_same == 0);
    assert_ok(failpoint_configure("planted.rocksdb.unclipped=error", &err));
    assert_int_equal(take_over(*state).n_scanned, 128);
    failpoint_clear_all();
    assert_ok(failpoint_configure("planted.rocksdb.clips_one_less=error", &err));
    assert_int_equal(take_over(*state).n_scanned, 65);
    failpoint_clear_all();
    assert_ok(failpoint_configure("planted.rocksdb.file_ids_again=error", &err));
    assert_true(take_over(*state).n_same > 0);
    failpoint_clear_all();
}

static void damage(const char *path, long at)
{
    FILE *f = fopen(path, "r+b");
    assert_non_null(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    int byte = fgetc(f);
    assert_int_equal(fseek(f, at, SEEK_SET), 0);
    assert_int_not_equal(fputc(byte ^ 0x40, f), EOF);
    assert_int_equal(fclose(f), 0);
}

/* Reads all of put_numbers(); the first failure. */
static int read_numbers(struct rocks_store *s, int n, struct error *err)
{
    for (int i = 0; i < n; i++) {
        char text[16];
        snprintf(text, sizeof(text), "%06d", i);
        struct rocks_bytes key = key_of(5, text), value;
        TRY(rocks_store_read(s, &key, 1, &value, err));
        assert_non_null(value.data);
    }
    return 0;
}

/* Taken over or read, a damaged file is an error that names where it is; nothing wrong is read. */
static void damaged_files_are_found(void **state)
{
    struct rocks_store *s = open_store(*state, 0, 127), *t = open_store(*state, 0, 127);
    struct vec snapshot = VEC_INIT(struct rocks_files);
    struct error failure = ERROR_INIT;
    put_numbers(s, 0, 2000, "some value");
    assert_ok(rocks_store_link_files(s, &snapshot, &err));
    for (size_t i = 0; i < only(&snapshot)->files.len; i++) {
        const struct rocks_file *f = VEC_AT(&only(&snapshot)->files, struct rocks_file, i);
        if (strstr(f->path, ".sst") != NULL) {
            damage(f->path, (long)f->size / 2);
        }
    }
    int rc = rocks_store_adopt(t, only(&snapshot), ids, &failure);
    rc = rc == 0 ? read_numbers(t, 2000, &failure) : rc;
    assert_int_equal(rc, ERR_CORRUPT);
    assert_non_null(strstr(failure.message, "/store"));
    rocks_store_free(t);
    rocks_files_drop(&snapshot);
    vec_fini(&snapshot);
    rocks_store_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_was_put_is_read, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(many_keys_are_read_at_once, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(a_later_run_covers_an_earlier_one, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(a_range_goes_and_what_its_own_run_puts_stays, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(an_abandoned_run_leaves_nothing, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(scans_go_in_order, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(snapshots_share_files, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(runs_that_outweigh_the_base_make_a_new_one, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(a_store_takes_over_files, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(files_of_either_style_are_taken_over, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(planted_bugs_of_taking_over_show, place_setup,
                                        place_teardown),
        cmocka_unit_test_setup_teardown(parents_are_clipped, place_setup, place_teardown),
        cmocka_unit_test_setup_teardown(damaged_files_are_found, place_setup, place_teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
