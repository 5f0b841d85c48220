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
    assert_int_equal(slot_pool_offer(&p, &a, 0), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_offer(&p, &a, 0), SLOT_OFFER_KNOWN);
    assert_true(slot_pool_covers(&p, 0, 1));
    assert_false(slot_pool_covers(&p, 0, 2));
    assert_true(slot_pool_covers(&p, 2, 0));
    assert_int_equal(slot_pool_offer(&p, &b, 0), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_offer(&p, &c, 0), SLOT_OFFER_UNNEEDED);
    assert_int_equal(slot_pool_get(&p, 1)->worker, 2);
    slot_pool_fini(&p);
}

static void losses_leave_holes_that_are_filled_first(void **state)
{
    struct slot_pool p;
    slot_pool_init(&p, 3);
    struct slot a = slot(1), b = slot(2), c = slot(3), d = slot(4);
    assert_int_equal(slot_pool_offer(&p, &a, 0), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_offer(&p, &b, 0), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_offer(&p, &c, 0), SLOT_OFFER_TAKEN);
    assert_true(slot_pool_remove(&p, &b.allocation_id));
    assert_false(slot_pool_remove(&p, &b.allocation_id));
    assert_false(slot_pool_remove(&p, &d.allocation_id));
    assert_int_equal(p.n_filled, 2);
    assert_false(slot_pool_covers(&p, 0, 3));
    assert_int_equal(slot_pool_offer(&p, &d, 0), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_get(&p, 1)->worker, 4);
    assert_true(slot_pool_covers(&p, 0, 3));
    slot_pool_fini(&p);
}

/* Two task managers with two slots each lose their workers and come back in another order. */
static void slots_return_to_where_they_were(void **state)
{
    static const uint64_t HOMES[] = {70, 80, 70, 80};
    struct slot_pool p;
    slot_pool_init(&p, 5);
    for (uint8_t i = 0; i < 4; i++) {
        struct slot s = slot((uint8_t)(i + 1));
        assert_int_equal(slot_pool_offer(&p, &s, HOMES[i]), SLOT_OFFER_TAKEN);
    }
    for (uint8_t i = 0; i < 4; i++) {
        struct slot s = slot((uint8_t)(i + 1));
        assert_true(slot_pool_remove(&p, &s.allocation_id));
    }
    static const uint64_t BACK[] = {80, 90, 80, 70, 70};
    static const uint32_t WANT[] = {1, 4, 3, 0,
                                    2}; /* who never was here takes a place that nobody left */
    for (uint8_t i = 0; i < 5; i++) {
        struct slot s = slot((uint8_t)(i + 11));
        assert_int_equal(slot_pool_offer(&p, &s, BACK[i]), SLOT_OFFER_TAKEN);
        assert_int_equal(slot_pool_get(&p, WANT[i])->worker, i + 11);
    }
    assert_int_equal(p.n_left, 0);
    struct slot more = slot(99);
    assert_int_equal(slot_pool_offer(&p, &more, 70), SLOT_OFFER_UNNEEDED);
    slot_pool_fini(&p);
}

/* A place whose task manager is gone is filled by another one in the end. */
static void nobody_waits_for_one_that_is_gone(void **state)
{
    struct slot_pool p;
    slot_pool_init(&p, 2);
    struct slot a = slot(1), b = slot(2), c = slot(3);
    assert_int_equal(slot_pool_offer(&p, &a, 70), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_offer(&p, &b, 80), SLOT_OFFER_TAKEN);
    assert_true(slot_pool_remove(&p, &a.allocation_id));
    assert_int_equal(slot_pool_offer(&p, &c, 90), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_get(&p, 0)->worker, 3);
    assert_true(slot_pool_covers(&p, 0, 2));
    slot_pool_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_fill_places),
        cmocka_unit_test(losses_leave_holes_that_are_filled_first),
        cmocka_unit_test(slots_return_to_where_they_were),
        cmocka_unit_test(nobody_waits_for_one_that_is_gone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
