/* Sums of user accumulators over subtasks, by name and type. */
#include "jobmanager/jobmaster/snapshot.h"
#include "tests/unit/jobmanager_jobmaster/fake_worker.h"
#include "tests/unit/jobmanager_jobmaster/graphs.h"

struct fixture {
    Flinc__JobGraph *spec;
    struct execution_graph graph;
    struct snapshot snapshot;
};

static void open_fixture(struct fixture *f)
{
    struct rng rng;
    rng_init(&rng, 1);
    f->spec = graph_word_count();
    execution_graph_init(&f->graph, f->spec, FAILOVER_REGION, NULL, &rng, 0);
    snapshot_init(&f->snapshot, 1);
}

static void close_fixture(struct fixture *f)
{
    execution_graph_fini(&f->graph);
    snapshot_fini(&f->snapshot);
    flinc__job_graph__free_unpacked(f->spec, NULL);
}

static void set(struct fixture *f, uint32_t subtask, const char *type, int64_t l, double d)
{
    Flinc__Accumulator a = FLINC__ACCUMULATOR__INIT;
    Flinc__Accumulator *as[] = {&a};
    a.name = "x";
    a.type = (char *)type;
    a.long_value = l;
    a.double_value = d;
    snapshot_set_accumulators(&f->snapshot, &f->graph.subtasks[subtask], as, 1);
}

static void write_sum(void *arg, const Flinc__Accumulator *sum)
{
    str_printf(arg, "%s %s %lld %g;", sum->name, sum->type, (long long)sum->long_value,
               sum->double_value);
}

static void assert_sums(struct fixture *f, const char *expected)
{
    STR_AUTO text = STR_INIT;
    snapshot_each_accumulator(&f->snapshot, &f->graph, write_sum, &text);
    assert_string_equal(str_cstr(&text), expected);
}

static void counters_add_up(void **state)
{
    struct fixture f;
    open_fixture(&f);
    assert_sums(&f, "");
    set(&f, 0, "LongCounter", 5, 0);
    set(&f, 3, "LongCounter", -7, 0);
    assert_sums(&f, "x LongCounter -2 0;");
    set(&f, 3, "LongCounter", 8, 0); /* replaces */
    assert_sums(&f, "x LongCounter 13 0;");
    set(&f, 0, "LongCounter", INT64_MAX, 0);
    set(&f, 3, "LongCounter", 1, 0); /* wraps, as in Java */
    assert_sums(&f, "x LongCounter -9223372036854775808 0;");
    close_fixture(&f);
}

static void extremes_are_kept(void **state)
{
    struct fixture f;
    open_fixture(&f);
    set(&f, 0, "LongMaximum", 5, 0);
    set(&f, 1, "LongMaximum", 9, 0);
    set(&f, 2, "LongMaximum", 7, 0);
    assert_sums(&f, "x LongMaximum 9 0;");
    set(&f, 0, "DoubleMinimum", 0, 2.5);
    set(&f, 1, "DoubleMinimum", 0, 1.5);
    set(&f, 2, "DoubleMinimum", 0, 7);
    assert_sums(&f, "x DoubleMinimum 0 1.5;");
    close_fixture(&f);
}

static void types_stay_apart(void **state)
{
    struct fixture f;
    open_fixture(&f);
    set(&f, 0, "LongCounter", 5, 0);
    set(&f, 1, "DoubleCounter", 0, 1.5);
    set(&f, 2, "DoubleCounter", 0, 2);
    assert_sums(&f, "x LongCounter 5 0;x DoubleCounter 0 3.5;");
    close_fixture(&f);
}

static void their_number_is_bounded(void **state)
{
    enum { MANY = SNAPSHOT_ACCUMULATORS_MAX + 10 };
    struct fixture f;
    Flinc__Accumulator one = FLINC__ACCUMULATOR__INIT;
    Flinc__Accumulator *many[MANY];
    open_fixture(&f);
    one.name = "x";
    one.type = "LongCounter";
    one.long_value = 1;
    for (int i = 0; i < MANY; i++) {
        many[i] = &one;
    }
    snapshot_set_accumulators(&f.snapshot, &f.graph.subtasks[0], many, MANY);
    assert_sums(&f, "x LongCounter 1024 0;");
    close_fixture(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counters_add_up),
        cmocka_unit_test(extremes_are_kept),
        cmocka_unit_test(types_stay_apart),
        cmocka_unit_test(their_number_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
