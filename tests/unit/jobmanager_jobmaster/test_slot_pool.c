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
    slot_pool_init(&p, &(struct slot_layout){.n_places = 2, .n_kinds = 1});
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
    slot_pool_init(&p, &(struct slot_layout){.n_places = 3, .n_kinds = 1});
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
    slot_pool_init(&p, &(struct slot_layout){.n_places = 5, .n_kinds = 1});
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
    slot_pool_init(&p, &(struct slot_layout){.n_places = 2, .n_kinds = 1});
    struct slot a = slot(1), b = slot(2), c = slot(3);
    assert_int_equal(slot_pool_offer(&p, &a, 70), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_offer(&p, &b, 80), SLOT_OFFER_TAKEN);
    assert_true(slot_pool_remove(&p, &a.allocation_id));
    assert_int_equal(slot_pool_offer(&p, &c, 90), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_get(&p, 0)->worker, 3);
    assert_true(slot_pool_covers(&p, 0, 2));
    slot_pool_fini(&p);
}

/* Places of two kinds, mixed: each is filled by its own only, and places that move keep to that. */
static void kinds_are_kept_apart(void **state)
{
    uint32_t kinds[] = {1, 0, 1}, other[] = {0, 0, 1};
    struct slot surplus[3];
    struct slot_pool p;
    slot_pool_init(&p, &(struct slot_layout){kinds, 3, 2});
    struct slot a = slot(1), b = slot(2), c = slot(3), d = slot(4), strange = slot(5);
    b.kind = c.kind = d.kind = 1;
    strange.kind = 2;
    assert_int_equal(slot_pool_offer(&p, &a, 70), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_get(&p, 1)->worker, 1);
    assert_int_equal(slot_pool_offer(&p, &b, 70), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_offer(&p, &c, 80), SLOT_OFFER_TAKEN);
    assert_int_equal(slot_pool_offer(&p, &d, 80), SLOT_OFFER_UNNEEDED);
    assert_int_equal(slot_pool_offer(&p, &strange, 80), SLOT_OFFER_UNNEEDED);
    assert_true(slot_pool_covers(&p, 0, 3));
    assert_true(slot_pool_remove(&p, &b.allocation_id));
    assert_true(slot_pool_remove(&p, &c.allocation_id));
    assert_int_equal(p.n_filled_of[1], 0);
    assert_int_equal(slot_pool_offer(&p, &d, 80), SLOT_OFFER_TAKEN); /* where c was */
    assert_int_equal(slot_pool_get(&p, 2)->worker, 4);
    assert_int_equal(slot_pool_offer(&p, &b, 70), SLOT_OFFER_TAKEN);
    const uint32_t order[] = {2}; /* d is to stay */
    assert_int_equal(slot_pool_arrange(&p, &(struct slot_layout){other, 3, 2}, order, 1, surplus),
                     1);
    assert_int_equal(surplus[0].worker, 2);
    assert_int_equal(slot_pool_get(&p, 0)->worker, 1);
    assert_int_equal(slot_pool_get(&p, 2)->worker, 4);
    assert_false(slot_pool_covers(&p, 1, 1));
    slot_pool_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(offers_fill_places),
        cmocka_unit_test(losses_leave_holes_that_are_filled_first),
        cmocka_unit_test(slots_return_to_where_they_were),
        cmocka_unit_test(nobody_waits_for_one_that_is_gone),
        cmocka_unit_test(kinds_are_kept_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
