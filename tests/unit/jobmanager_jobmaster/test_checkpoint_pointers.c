/* What a next leader finds of a job's checkpoints, and what it makes of it; writes that fail, or whose outcome is unknown. */
#include "jobmanager/checkpoint/checkpoint_pointers.h"
#include "tests/unit/jobmanager_jobmaster/checkpoint_world.h"
#include <unistd.h>

/* Pointers in memory, by id; `fails`: the next call of that kind. */
struct book {
    struct checkpoint_pointers ops;
    uint64_t next_id;
    struct vec pointers; /* of struct checkpoint_pointer */
    int add_fails, remove_fails, end_fails;
    char ended[16];
    bool all_go;
};

static int book_reserve(void *arg, const char *job_hex, uint64_t next_id, struct error *err)
{
    struct book *b = arg;
    assert_string_equal(job_hex, JOB_DIR);
    assert_true(next_id > b->next_id);
    b->next_id = next_id;
    return 0;
}

static int book_add(void *arg, const char *job_hex, uint64_t id, struct slice value,
                    struct error *err)
{
    struct book *b = arg;
    if (b->add_fails != 0) {
        return error_set(err, b->add_fails, "planted");
    }
    struct checkpoint_pointer *p = VEC_PUSH(&b->pointers, struct checkpoint_pointer);
    p->id = id;
    str_append_slice(&p->value, value);
    return 0;
}

static int book_remove(void *arg, const char *job_hex, uint64_t id, struct error *err)
{
    struct book *b = arg;
    if (b->remove_fails != 0) {
        return error_set(err, b->remove_fails, "planted");
    }
    for (size_t i = 0; i < b->pointers.len; i++) {
        struct checkpoint_pointer *p = VEC_AT(&b->pointers, struct checkpoint_pointer, i);
        if (p->id == id) {
            str_fini(&p->value);
            vec_remove(&b->pointers, i);
            break;
        }
    }
    return 0;
}

static int book_end_job(void *arg, const char *job_hex, const char *status, bool checkpoints_go,
                        struct error *err)
{
    struct book *b = arg;
    if (b->end_fails != 0) {
        return error_set(err, b->end_fails, "planted");
    }
    snprintf(b->ended, sizeof(b->ended), "%s", status);
    b->all_go = checkpoints_go;
    return 0;
}

static void book_init(struct book *b)
{
    *b = (struct book){.ops = {b, book_reserve, book_add, book_remove, book_end_job, NULL}};
    vec_init(&b->pointers, sizeof(struct checkpoint_pointer));
}

static void book_fini(struct book *b)
{
    struct checkpoint_recovery r = {b->next_id, b->pointers};
    checkpoint_recovery_fini(&r);
}

static bool book_has(const struct book *b, uint64_t id)
{
    for (size_t i = 0; i < b->pointers.len; i++) {
        if (VEC_AT(&b->pointers, struct checkpoint_pointer, i)->id == id) {
            return true;
        }
    }
    return false;
}

static void start(struct checkpoint_world *cw, struct book *b)
{
    cw_init(cw);
    book_init(b);
    cw->w.pointers = &b->ops;
    cw_start(cw);
}

static void end(struct checkpoint_world *cw, struct book *b)
{
    cw_fini(cw);
    book_fini(b);
}

static void test_written_and_removed(void **state)
{
    struct checkpoint_world cw;
    struct book b;
    start(&cw, &b);
    assert_int_equal(cw_complete_one(&cw), 1);
    assert_int_equal(b.next_id, 2);
    assert_true(book_has(&b, 1));
    assert_int_equal(cw_complete_one(&cw), 2);
    assert_true(book_has(&b, 2));
    assert_false(book_has(&b, 1));
    assert_false(cw_exists(&cw, "chk-%llu", 1));
    jobmaster_cancel(cw.w.jm);
    world_settle(&cw.w);
    assert_string_equal(b.ended, "CANCELED");
    end(&cw, &b);
}

/* A pointer that stays keeps its files. */
static void test_pointer_cannot_be_removed(void **state)
{
    struct checkpoint_world cw;
    struct book b;
    start(&cw, &b);
    assert_int_equal(cw_complete_one(&cw), 1);
    b.remove_fails = ERR_FENCED;
    assert_int_equal(cw_complete_one(&cw), 2);
    assert_true(cw_exists(&cw, METADATA, 1));
    assert_true(cw_exists(&cw, METADATA, 2));
    b.end_fails = ERR_FENCED;
    jobmaster_cancel(cw.w.jm);
    world_settle(&cw.w);
    assert_true(cw_exists(&cw, METADATA, 2));
    end(&cw, &b);
}

/* Nobody knows whether a next leader finds it: it does not count, and its files stay. */
static void test_unknown_outcome(void **state)
{
    static const int codes[] = {ERR_TIMEOUT, ERR_FENCED};
    for (size_t i = 0; i < ARRAY_LEN(codes); i++) {
        struct checkpoint_world cw;
        struct book b;
        start(&cw, &b);
        world_set(&cw.w, "execution.checkpointing.tolerable-failed-checkpoints", "5");
        assert_int_equal(cw_complete_one(&cw), 1);
        b.add_fails = codes[i];
        uint64_t id = cw_next_trigger(&cw);
        cw_ack_all(&cw, id);
        assert_true(cw_exists(&cw, METADATA, id));
        assert_int_equal(cw_n_notices(&cw, COMPLETE, id), 0);
        end(&cw, &b);
    }
}

static void test_pointer_was_not_written(void **state)
{
    struct checkpoint_world cw;
    struct book b;
    start(&cw, &b);
    assert_int_equal(cw_complete_one(&cw), 1);
    b.add_fails = ERR_NO_SPACE;
    uint64_t id = cw_next_trigger(&cw);
    cw_ack_all(&cw, id);
    assert_false(cw_exists(&cw, "chk-%llu", id));
    assert_true(cw_exists(&cw, METADATA, 1));
    end(&cw, &b);
}

/* A checkpoint that the job is given up in the midst of may have a pointer already, which who takes over would follow: its shared
 * files go when the end of the job is written down, and after a suspension they stay. */
static void run_retained(int end_fails, bool suspended)
{
    struct checkpoint_world cw;
    struct book b;
    struct error why = test_error(ERR_UNAVAILABLE, "the leadership is over");
    char path[600], uri[620];
    cw_init(&cw);
    book_init(&b);
    cw.w.pointers = &b.ops;
    b.end_fails = end_fails;
    world_set(&cw.w, "execution.checkpointing.externalized-checkpoint-retention",
              "RETAIN_ON_CANCELLATION");
    cw_start(&cw);
    uint64_t kept = cw_complete_one(&cw);
    uint64_t given_up = cw_next_trigger(&cw);
    snprintf(path, sizeof(path), "%s/%s/shared/1", cw.dir, JOB_DIR);
    snprintf(uri, sizeof(uri), "file:%s", path);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    assert_int_equal(fclose(f), 0);
    Flinc__StateBlob blob = FLINC__STATE_BLOB__INIT;
    blob.location = uri;
    blob.size = 1;
    blob.shared = true;
    task_acknowledge_blob(world_task(&cw.w, "Count", 0), given_up, &blob);
    world_settle(&cw.w);
    if (suspended) {
        jobmaster_suspend(cw.w.jm, &why);
    } else {
        jobmaster_cancel(cw.w.jm);
    }
    world_settle(&cw.w);
    assert_string_equal(b.ended, suspended || end_fails != 0 ? "" : "CANCELED");
    assert_false(b.all_go);
    assert_true(cw_exists(&cw, METADATA, kept));
    assert_int_equal(access(path, F_OK) == 0, suspended || end_fails != 0);
    end(&cw, &b);
}

static void test_shared_files_go_after_the_end(void **state)
{
    run_retained(0, false);
    run_retained(ERR_FENCED, false);
    run_retained(0, true);
}

/* A job that another leader has left: from its newest checkpoint, with numbers that nobody has given. */
static void recover(bool in_files)
{
    struct checkpoint_world first, second;
    struct book b;
    struct error why = test_error(ERR_UNAVAILABLE, "the leadership is over");
    cw_init(&first);
    if (!in_files) {
        conf_unset(&first.w.conf, "execution.checkpointing.dir");
    }
    book_init(&b);
    first.w.pointers = &b.ops;
    cw_start(&first);
    assert_int_equal(cw_complete_one(&first), 1);
    assert_int_equal(cw_complete_one(&first), 2);
    uint64_t given_up = cw_next_trigger(&first);
    jobmaster_suspend(first.w.jm, &why);
    world_settle(&first.w);
    assert_true(book_has(&b, 2));
    assert_string_equal(b.ended, "");
    assert_true(!in_files || cw_exists(&first, METADATA, 2));

    const struct checkpoint_recovery r = {b.next_id, b.pointers};
    cw_init(&second);
    second.w.pointers = &b.ops;
    second.w.recovered = &r;
    cw_start(&second);
    assert_int_equal(world_status(&second.w), JOB_STATUS_RUNNING);
    assert_int_equal(world_task(&second.w, "Count", 1)->restored_id, 2);
    assert_string_equal(world_task(&second.w, "Count", 1)->restored, "C1@2");
    assert_int_equal(cw_complete_one(&second), given_up + 1);
    assert_false(book_has(&b, 2));
    assert_true(book_has(&b, given_up + 1));
    assert_true(!in_files || !cw_exists(&first, "chk-%llu", 2));
    cw_fini(&second);
    end(&first, &b);
}

static void test_recovered(void **state)
{
    recover(true);
}

static void test_recovered_from_memory(void **state)
{
    recover(false);
}

/* Nothing older is taken in its place; the job fails here, and everything stays. */
static void test_newest_cannot_be_read(void **state)
{
    struct checkpoint_world cw;
    struct book b;
    cw_init(&cw);
    book_init(&b);
    struct checkpoint_pointer *p = VEC_PUSH(&b.pointers, struct checkpoint_pointer);
    p->id = 7;
    str_printf(&p->value, "D%s/%s/chk-7", cw.dir, JOB_DIR);
    const struct checkpoint_recovery r = {8, b.pointers};
    cw.w.pointers = &b.ops;
    cw.w.recovered = &r;
    world_set(&cw.w, "restart-strategy.type", "none");
    cw_start(&cw);
    assert_int_equal(cw.w.terminal, JOB_STATUS_FAILED);
    assert_true(jobmaster_is_unrecovered(cw.w.jm));
    assert_string_equal(b.ended, "");
    assert_true(book_has(&b, 7));
    end(&cw, &b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_written_and_removed),
        cmocka_unit_test(test_pointer_cannot_be_removed),
        cmocka_unit_test(test_unknown_outcome),
        cmocka_unit_test(test_pointer_was_not_written),
        cmocka_unit_test(test_shared_files_go_after_the_end),
        cmocka_unit_test(test_recovered),
        cmocka_unit_test(test_recovered_from_memory),
        cmocka_unit_test(test_newest_cannot_be_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
