/* Operations by trigger id: begun once, ended once, remembered for a while. */
#include "common/base/mem.h"
#include "jobmanager/checkpoint/checkpoint_request.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

#define KIND CHECKPOINT_OPERATION_SAVEPOINT

static const struct flinc_id job = {{1}}, other_job = {{2}}, trigger = {{3}};

static void test_life(void **state)
{
    struct clock_manual clock;
    struct error err = ERROR_INIT;
    struct checkpoint_operation op;
    void *ticket = NULL, *second = NULL;
    clock_manual_init(&clock);
    struct checkpoint_operations *ops = checkpoint_operations_new(&clock.base, 1000);
    assert_int_equal(checkpoint_operations_get(ops, KIND, &job, &trigger, &op, &err),
                     ERR_NOT_FOUND);
    assert_int_equal(checkpoint_operations_begin(ops, KIND, &job, &trigger, &ticket, &err), 1);
    assert_int_equal(checkpoint_operations_begin(ops, KIND, &job, &trigger, &second, &err), 0);
    assert_null(second); /* the same one: nothing is started twice */
    assert_int_equal(checkpoint_operations_get(ops, KIND, &other_job, &trigger, &op, &err),
                     ERR_NOT_FOUND);
    clock_manual_advance_ms(&clock, 100000); /* one under way is not forgotten */
    assert_int_equal(checkpoint_operations_get(ops, KIND, &job, &trigger, &op, &err), 0);
    assert_false(op.ended);
    checkpoint_operation_fini(&op);
    checkpoint_operations_end(ticket,
                              &(struct checkpoint_result){.checkpoint_id = 7, .path = "/sp"});
    assert_int_equal(checkpoint_operations_get(ops, KIND, &job, &trigger, &op, &err), 0);
    assert_true(op.ended);
    assert_int_equal(op.rc, 0);
    assert_int_equal(op.checkpoint_id, 7);
    assert_string_equal(op.path, "/sp");
    checkpoint_operation_fini(&op);
    clock_manual_advance_ms(&clock, 1001);
    assert_int_equal(checkpoint_operations_get(ops, KIND, &job, &trigger, &op, &err),
                     ERR_NOT_FOUND);
    checkpoint_operations_free(ops);
}

static void test_limits(void **state)
{
    struct clock_manual clock;
    struct error err = ERROR_INIT;
    void **tickets = MEM_NEW_ARRAY(void *, CHECKPOINT_OPERATIONS_MAX + 1);
    clock_manual_init(&clock);
    struct checkpoint_operations *ops = checkpoint_operations_new(&clock.base, 1000);
    for (uint32_t i = 0; i <= CHECKPOINT_OPERATIONS_MAX; i++) {
        struct flinc_id id = {{0}};
        memcpy(id.bytes, &i, sizeof(i));
        int rc = checkpoint_operations_begin(ops, KIND, &job, &id, &tickets[i], &err);
        assert_int_equal(rc, i < CHECKPOINT_OPERATIONS_MAX ? 1 : ERR_LIMIT);
    }
    for (uint32_t i = 0; i < CHECKPOINT_OPERATIONS_MAX; i++) {
        struct checkpoint_result failed = {.rc = ERR_IO};
        error_set(&failed.error, ERR_IO, "no");
        checkpoint_operations_end(tickets[i], &failed);
    }
    assert_int_equal(
        checkpoint_operations_begin(ops, KIND, &other_job, &trigger, &tickets[0], &err),
        1); /* an ended one makes room */
    checkpoint_operations_end(tickets[0], &(struct checkpoint_result){.rc = 0});
    checkpoint_operations_free(ops);
    mem_free(tickets);
}

static void test_disposal_of_what_is_not_there(void **state)
{
    struct error err = ERROR_INIT;
    assert_int_equal(savepoint_dispose("/nowhere/savepoint-1", &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nowhere/savepoint-1"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_life),
        cmocka_unit_test(test_limits),
        cmocka_unit_test(test_disposal_of_what_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
