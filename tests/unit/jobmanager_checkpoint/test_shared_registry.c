/* When shared files are deleted: with the last checkpoint that uses them, and never otherwise. */
#include "jobmanager/checkpoint/shared_registry.h"

#include "common/base/failpoint.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <cmocka.h>
/* clang-format on */

struct world {
    struct shared_registry r;
    struct str deleted; /* "a b " */
};

static void open_world(struct world *w)
{
    *w = (struct world){.deleted = STR_INIT};
    shared_registry_init(&w->r);
}

static void close_world(struct world *w)
{
    shared_registry_fini(&w->r);
    str_fini(&w->deleted);
}

/* What goes when all checkpoints below this one are gone. */
static const char *release(struct world *w, uint64_t lowest_id)
{
    struct vec uris = VEC_INIT(char *);
    shared_registry_release_below(&w->r, lowest_id, &uris);
    str_clear(&w->deleted);
    for (size_t i = 0; i < uris.len; i++) {
        str_printf(&w->deleted, "%s ", (char *)vec_ptr(&uris, i));
        mem_free(vec_ptr(&uris, i));
    }
    vec_fini(&uris);
    return str_cstr(&w->deleted);
}

static void test_a_file_goes_with_its_last_use(void **state)
{
    struct world w;
    open_world(&w);
    shared_registry_use(&w.r, "base", 1, SHARED_OF_JOB);
    shared_registry_use(&w.r, "base", 2, SHARED_OF_JOB);
    shared_registry_use(&w.r, "delta", 2, SHARED_OF_JOB);
    shared_registry_use(&w.r, "merged", 3, SHARED_OF_JOB);
    assert_string_equal(release(&w, 2), "");
    assert_string_equal(release(&w, 3), "base delta ");
    assert_int_equal(shared_registry_find(&w.r, "base"), SHARED_UNKNOWN);
    assert_int_equal(shared_registry_find(&w.r, "merged"), SHARED_KNOWN);
    close_world(&w);
}

/* ---- bugs that others had: each guard holds, and without it the same steps show the bug ---------- */

static void check_guard(bool (*holds)(struct world *w), const char *without)
{
    struct error err = ERROR_INIT;
    for (int i = 0; i < 2; i++) {
        struct world w;
        open_world(&w);
        assert_int_equal(i == 0 ? 0 : failpoint_configure(without, &err), 0);
        assert_int_equal(holds(&w), i == 0);
        failpoint_clear_all();
        close_world(&w);
    }
}

static bool is(const char *deleted, const char *expected)
{
    return strcmp(deleted, expected) == 0;
}

static bool deleted_file_is_unknown(struct world *w)
{
    shared_registry_use(&w->r, "a", 1, SHARED_OF_JOB);
    return is(release(w, 2), "a ") && shared_registry_find(&w->r, "a") == SHARED_UNKNOWN &&
           is(release(w, 3), ""); /* and it is deleted once */
}

/* FLINK-7268: a name that was given up for deletion is not known any more, so nobody refers to it again. */
static void test_flink_7268_a_deleted_file_is_unknown(void **state)
{
    check_guard(deleted_file_is_unknown, "planted.checkpoint.deleted_file_known=error");
}

static bool aborted_use_counts(struct world *w)
{
    shared_registry_use(&w->r, "a", 1, SHARED_OF_JOB);
    shared_registry_use(&w->r, "a", 2, SHARED_OF_JOB); /* 2 is aborted */
    shared_registry_use(&w->r, "new in 2", 2, SHARED_OF_JOB);
    if (!is(release(w, 2), "")) { /* 1 is gone, 3 may still refer to both */
        return false;
    }
    shared_registry_use(&w->r, "new in 2", 3, SHARED_OF_JOB);
    return is(release(w, 3), "a ") && shared_registry_find(&w->r, "new in 2") == SHARED_KNOWN;
}

/* FLINK-24611, FLINK-25395: a checkpoint that was given up has used the file; a later one uses it again. */
static void test_flink_24611_25395_a_use_by_an_aborted_checkpoint_counts(void **state)
{
    check_guard(aborted_use_counts, "planted.checkpoint.shared_file_in_use=error");
}

static bool foreign_files_stay(struct world *w)
{
    shared_registry_use(&w->r, "theirs", 7, SHARED_FOREIGN);
    bool known = shared_registry_find(&w->r, "theirs") == SHARED_KNOWN_FOREIGN;
    shared_registry_use(&w->r, "theirs", 8, SHARED_OF_JOB); /* nobody takes them over */
    return known && is(release(w, 100), "");
}

/* FLINK-26985: files of a snapshot that is not the job's own are never deleted. */
static void test_flink_26985_foreign_files_stay(void **state)
{
    check_guard(foreign_files_stay, "planted.checkpoint.deletes_foreign=error");
}

static bool nothing_stays(struct world *w)
{
    for (uint64_t id = 1; id <= 100; id++) {
        char uri[32];
        snprintf(uri, sizeof(uri), "file %llu", (unsigned long long)id);
        shared_registry_use(&w->r, uri, id, SHARED_OF_JOB);
        if ((release(w, id)[0] != '\0') != (id > 1)) {
            return false;
        }
    }
    return is(release(w, UINT64_MAX), "file 100 ") && w->r.files.len == 0;
}

/* FLINK-30461: what nobody uses any more goes, also when the checkpoint that made it never completed. */
static void test_flink_30461_nothing_stays_behind(void **state)
{
    check_guard(nothing_stays, "planted.checkpoint.shared_file_stays=error");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_goes_with_its_last_use),
        cmocka_unit_test(test_flink_7268_a_deleted_file_is_unknown),
        cmocka_unit_test(test_flink_24611_25395_a_use_by_an_aborted_checkpoint_counts),
        cmocka_unit_test(test_flink_26985_foreign_files_stay),
        cmocka_unit_test(test_flink_30461_nothing_stays_behind),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
