/* Places are filled in order, an allocation is known once, and what is lost leaves its place empty. */
#include "jobmanager/jobmaster/slot_pool.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>
/* clang-format on */

static struct slot slot(uint8_t number)
{
    struct slot s = {.worker = number};
    memset(s.allocation_id.bytes, number, sizeof(s.allocation_id.bytes));
    return s;
}

static void offers_fill_places(void **state)
{
    struct slot_pool p;
    slot_pool_init(&p, 2);
    struct slot a = slot(1), b = slot(2), c = slot(3);
    assert_false(slot_pool_covers(&p, 0, 1));
    assert_int_equal(slot_pool_offer(&p, &a), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_offer(&p, &a), SLOT_OFFER_KNOWN);
    assert_true(slot_pool_covers(&p, 0, 1));
    assert_false(slot_pool_covers(&p, 0, 2));
    assert_true(slot_pool_covers(&p, 2, 0));
    assert_int_equal(slot_pool_offer(&p, &b), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_offer(&p, &c), SLOT_OFFER_UNNEEDED);
    assert_int_equal(slot_pool_get(&p, 1)->worker, 2);
    slot_pool_fini(&p);
}

static void losses_leave_holes_that_are_filled_first(void **state)
{
    struct slot_pool p;
    slot_pool_init(&p, 3);
    struct slot a = slot(1), b = slot(2), c = slot(3), d = slot(4);
    assert_int_equal(slot_pool_offer(&p, &a), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_offer(&p, &b), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_offer(&p, &c), SLOT_OFFER_TAKEN);
    assert_true(slot_pool_remove(&p, &b.allocation_id));
    assert_false(slot_pool_remove(&p, &b.allocation_id));
    assert_false(slot_pool_remove(&p, &d.allocation_id));
    assert_int_equal(p.n_filled, 2);
    assert_false(slot_pool_covers(&p, 0, 3));
    assert_int_equal(slot_pool_offer(&p, &d), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_get(&p, 1)->worker, 4);
    assert_true(slot_pool_covers(&p, 0, 3));
    slot_pool_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_fill_places),
        cmocka_unit_test(losses_leave_holes_that_are_filled_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
