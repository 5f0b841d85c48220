/* Profiles of slots: exact sums, what fits, text, damaged messages; and the kinds of slots of a graph. */
#include "common/base/clock.h"
#include "engine/graph/slot_kinds.h"
#include "tests/unit/engine_graph/graphs.h"
#include <math.h>

static struct resource_profile profile(double cpu, uint64_t heap, double gpu)
{
    struct resource_profile p = {.task_heap_bytes = heap};
    struct error err = ERROR_INIT;
    assert_int_equal(resource_units_from(cpu, &p.cpu_units), 0);
    assert_int_equal(resource_profile_add_extended(&p, "gpu", gpu, &err), 0);
    return p;
}

static void tenths_add_up(void **state)
{
    struct resource_profile total = profile(0.3, 300, 1), part = profile(0.1, 100, 0.1);
    for (int i = 0; i < 3; i++) {
        assert_true(resource_profile_fits(&part, &total));
        resource_profile_subtract(&total, &part);
    }
    assert_int_equal(total.cpu_units, 0);
    assert_int_equal(total.task_heap_bytes, 0);
    assert_true(resource_units_to(total.extended[0].units) == 0.7);
    assert_false(resource_profile_fits(&part, &total));
    for (int i = 0; i < 3; i++) {
        resource_profile_add(&total, &part);
    }
    struct resource_profile whole = profile(0.3, 300, 1);
    assert_true(resource_profile_equals(&total, &whole));
}

static void external_resources_are_compared_by_name(void **state)
{
    struct error err = ERROR_INIT;
    struct resource_profile need = profile(1, 1, 1),
                            have = {.cpu_units = UINT64_MAX, .task_heap_bytes = UINT64_MAX};
    assert_false(resource_profile_fits(&need, &have));
    assert_int_equal(resource_profile_add_extended(&have, "zzz", 5, &err), 0);
    assert_int_equal(resource_profile_add_extended(&have, "aaa", 5, &err), 0);
    assert_false(resource_profile_fits(&need, &have));
    assert_int_equal(resource_profile_add_extended(&have, "gpu", 1, &err), 0);
    assert_true(resource_profile_fits(&need, &have));
    assert_string_equal(have.extended[1].name, "gpu");
    resource_profile_subtract(&have, &need);
    assert_int_equal(have.n_extended, 2); /* none is left of it */
    resource_profile_divide(&have, 10);
    assert_true(resource_units_to(have.extended[0].units) == 0.5);
}

static void bad_ones_are_named(void **state)
{
    struct error err = ERROR_INIT;
    struct resource_profile p = {0};
    char name[RESOURCE_NAME_MAX + 2];
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(resource_profile_add_extended(&p, name, 1, &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(resource_profile_add_extended(&p, "", 1, &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(resource_profile_add_extended(&p, "a b", 1, &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(resource_profile_add_extended(&p, "a", NAN, &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(resource_profile_add_extended(&p, "a", INFINITY, &err), ERR_INVALID_ARGUMENT);
    assert_int_equal(resource_profile_add_extended(&p, "a", -1, &err), ERR_INVALID_ARGUMENT);
    assert_string_equal(err.message,
                        "the amount of external resource 'a' must be between 0 and 1e+09, not -1");
    assert_int_equal(resource_profile_add_extended(&p, "none", 0, &err), 0);
    for (int i = 0; i < RESOURCE_EXTENDED_MAX; i++) {
        char one[2] = {(char)('a' + i), '\0'};
        assert_int_equal(resource_profile_add_extended(&p, one, 1, &err), 0);
    }
    assert_int_equal(resource_profile_add_extended(&p, "b", 1, &err), ERR_INVALID_ARGUMENT);
    assert_string_equal(err.message, "external resource 'b' is given twice");
    assert_int_equal(resource_profile_add_extended(&p, "z", 1, &err), ERR_INVALID_ARGUMENT);
    assert_string_equal(err.message, "there are more than 8 external resources");
    struct resource_profile other = profile(1, 1, 3);
    resource_profile_add(&p, &other); /* there is no room for a ninth name */
    assert_int_equal(p.n_extended, RESOURCE_EXTENDED_MAX);
    assert_int_equal(p.task_heap_bytes, 1);
    Flinc__ResourceProfile m = FLINC__RESOURCE_PROFILE__INIT;
    m.managed_bytes = UINT64_MAX;
    assert_int_equal(resource_profile_read(&m, &p, &err), ERR_INVALID_ARGUMENT);
    m.managed_bytes = 0;
    m.cpu_cores = NAN;
    assert_int_equal(resource_profile_read(&m, &p, &err), ERR_INVALID_ARGUMENT);
    m.cpu_cores = 1e10;
    assert_int_equal(resource_profile_read(&m, &p, &err), ERR_INVALID_ARGUMENT);
}

static void messages_and_text(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO text = STR_INIT;
    struct resource_profile_message m;
    struct resource_profile p = profile(0.5, 100 << 20, 2), again;
    p.network_bytes = 5;
    resource_profile_fill(&p, &m);
    assert_int_equal(resource_profile_read(&m.profile, &again, &err), 0);
    assert_true(resource_profile_equals(&p, &again));
    resource_profile_append_text(&p, &text);
    assert_string_equal(str_cstr(&text),
                        "ResourceProfile{cpuCores=0.5, taskHeapMemory=100.000mb (104857600 bytes), "
                        "taskOffHeapMemory=0 bytes, managedMemory=0 bytes, networkMemory=5 bytes, "
                        "gpu=2}");
}

/* Groups of one profile need slots of one kind; groups without one, of kind 0. */
static void graphs_have_kinds_of_slots(void **state)
{
    struct stream_graph g;
    struct translate_options o = default_options();
    struct error err = ERROR_INIT;
    struct resource_profile large = profile(2, 100, 0), small = profile(1, 100, 0);

    build_word_count(&g);
    stream_graph_node(&g, 0)->slot_sharing_group = "a";
    stream_graph_node(&g, 1)->slot_sharing_group = "b";
    stream_graph_node(&g, 2)->slot_sharing_group = "c";
    assert_int_equal(stream_graph_set_profile(&g, "a", &large, "job.c:1", &err), 0);
    assert_int_equal(stream_graph_set_profile(&g, "unused", &small, "job.c:2", &err), 0);
    assert_int_equal(stream_graph_set_profile(&g, "b", &large, "job.c:3", &err), 0);
    assert_int_equal(stream_graph_set_profile(&g, "b", &large, "job.c:4", &err), 0);
    assert_int_equal(stream_graph_set_profile(&g, "b", &small, "job.c:5", &err),
                     ERR_INVALID_ARGUMENT);
    assert_string_equal(err.message,
                        "slot sharing group 'b' has been configured with two different resource "
                        "profiles (the first at job.c:3): give it one, or name the second group "
                        "otherwise");
    Flinc__JobGraph *job = translate_ok(&g, &o);
    assert_int_equal(job->n_slot_sharing_groups, 2); /* nobody is in the third */
    struct slot_kinds kinds;
    slot_kinds_init(&kinds, job);
    assert_int_equal(kinds.n, 2);
    assert_int_equal(slot_kinds_find(&kinds, "a"), 1);
    assert_int_equal(slot_kinds_find(&kinds, "b"), 1);
    assert_int_equal(slot_kinds_find(&kinds, "c"), 0);
    assert_null(slot_kinds_profile(&kinds, 0));
    assert_true(resource_profile_equals(slot_kinds_profile(&kinds, 1), &large));
    slot_kinds_fini(&kinds);

    job->slot_sharing_groups[1]->profile->cpu_cores = 0;
    assert_int_equal(job_graph_validate(job, &err), ERR_PARSE);
    job->slot_sharing_groups[1]->profile->cpu_cores = -1;
    assert_int_equal(job_graph_validate(job, &err), ERR_INVALID_ARGUMENT);
    job->slot_sharing_groups[1]->profile->cpu_cores = 1;
    job->slot_sharing_groups[1]->name[0] = 'a'; /* twice */
    assert_int_equal(job_graph_validate(job, &err), ERR_PARSE);
    flinc__job_graph__free_unpacked(job, NULL);
    stream_graph_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tenths_add_up),
        cmocka_unit_test(external_resources_are_compared_by_name),
        cmocka_unit_test(bad_ones_are_named),
        cmocka_unit_test(messages_and_text),
        cmocka_unit_test(graphs_have_kinds_of_slots),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
