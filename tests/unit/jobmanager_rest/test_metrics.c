/* The metric store and the answers made of it. */
#include "jobmanager/rest/metric_answer.h"
#include "tests/unit/jobmanager_rest/fixture.h"

/* A dump of one group with one number. */
struct dump {
    Flinc__MetricSample sample, *samples[1];
    Flinc__MetricGroupDump group, *groups[1];
    Flinc__MetricDump dump;
    struct flinc_id job, vertex;
};

static void dump_init(struct dump *d, Flinc__MetricScopeKind scope, const char *name, int64_t value)
{
    flinc__metric_sample__init(&d->sample);
    flinc__metric_group_dump__init(&d->group);
    flinc__metric_dump__init(&d->dump);
    d->job = fixture_id(JOB_ID);
    d->vertex = fixture_id(SOURCE_ID);
    d->sample.name = (char *)name;
    d->sample.value_case = FLINC__METRIC_SAMPLE__VALUE_INTEGER;
    d->sample.integer = value;
    d->samples[0] = &d->sample;
    d->group.scope = scope;
    d->group.samples = d->samples;
    d->group.n_samples = 1;
    d->group.job_id = (ProtobufCBinaryData){16, d->job.bytes};
    d->group.vertex_id = (ProtobufCBinaryData){16, d->vertex.bytes};
    d->groups[0] = &d->group;
    d->dump.groups = d->groups;
    d->dump.n_groups = 1;
}

static struct metric_store *new_store(void)
{
    return metric_store_new(
        &(struct metric_store_options){.interval_ms = 1000, .timeout_ms = 1000});
}

static const struct metric_set *subtask(struct metric_store *s, uint32_t index)
{
    struct flinc_id job = fixture_id(JOB_ID), vertex = fixture_id(SOURCE_ID);
    const struct vertex_metrics *v = metric_store_vertex(s, &job, &vertex);
    return v != NULL ? vertex_metrics_subtask(v, index) : NULL;
}

static void samples_go_where_they_belong(void **state)
{
    struct metric_store *s = new_store();
    struct dump d;
    dump_init(&d, FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK, "numRecordsIn", 5);
    d.group.subtask = 1;
    metric_store_add_dump(s, TM_1, &d.dump);
    dump_init(&d, FLINC__METRIC_SCOPE_KIND__METRIC_OF_OPERATOR, "numRecordsOutPerSecond", 6);
    d.group.operator_name = (char *)"Source: bid[1], x.y";
    metric_store_add_dump(s, TM_1, &d.dump);
    dump_init(&d, FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK_MANAGER, "Status.JVM.CPU.Load", 7);
    metric_store_add_dump(s, TM_1, &d.dump);
    dump_init(&d, FLINC__METRIC_SCOPE_KIND__METRIC_OF_JOB, "latency.x.latency_p99", 8);
    metric_store_add_dump(s, TM_1, &d.dump);
    struct flinc_id job = fixture_id(JOB_ID);
    assert_string_equal(metric_set_get(&metric_store_job(s, &job)->set, "latency.x.latency_p99"),
                        "8");
    assert_string_equal(metric_set_get(subtask(s, 1), "numRecordsIn"), "5");
    assert_string_equal(metric_set_get(subtask(s, 0), "Source__bid[1]__x_y.numRecordsOutPerSecond"),
                        "6");
    assert_string_equal(metric_set_get(metric_store_taskmanager(s, TM_1), "Status.JVM.CPU.Load"),
                        "7");
    assert_null(metric_store_taskmanager(s, TM_2));
    metric_store_free(s);
}

static void newer_attempts_replace_older_ones(void **state)
{
    struct metric_store *s = new_store();
    struct dump d;
    dump_init(&d, FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK, "a", 1);
    metric_store_add_dump(s, TM_1, &d.dump);
    dump_init(&d, FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK, "b", 2);
    d.group.attempt = 1;
    metric_store_add_dump(s, TM_2, &d.dump);
    dump_init(&d, FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK, "c", 3);
    metric_store_add_dump(s, TM_1, &d.dump); /* of the old attempt */
    assert_null(metric_set_get(subtask(s, 0), "a"));
    assert_string_equal(metric_set_get(subtask(s, 0), "b"), "2");
    assert_null(metric_set_get(subtask(s, 0), "c"));
    assert_int_equal(s->n_values, 1);
    metric_store_free(s);
}

static void strange_dumps_are_ignored(void **state)
{
    struct metric_store *s = new_store();
    struct dump d;
    dump_init(&d, FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK, "a", 1);
    d.group.vertex_id.len = 3;
    metric_store_add_dump(s, TM_1, &d.dump);
    dump_init(&d, FLINC__METRIC_SCOPE_KIND__METRIC_OF_TASK, "a", 1);
    d.group.subtask = UINT32_MAX;
    metric_store_add_dump(s, TM_1, &d.dump);
    dump_init(&d, 99, "a", 1);
    metric_store_add_dump(s, TM_1, &d.dump);
    assert_int_equal(s->n_values, 0);
    metric_store_free(s);
}

static void parts_of_ids(void **state)
{
    STR_AUTO id = STR_INIT;
    metric_id_append_part(&id, "Source: a.b,c d");
    assert_string_equal(str_cstr(&id), "Source__a_b_c_d");
    str_clear(&id);
    char name[200];
    memset(name, 'x', sizeof(name));
    name[199] = '\0';
    metric_id_append_part(&id, name);
    assert_int_equal(id.len, 80);
}

/* ---- answers -------------------------------------------------------------------------------------- */

/* Two sets: {a: 1, b: 10} and {a: 3}. */
struct two_sets {
    struct metric_set sets[2];
    struct metric_source sources[2];
};

static void two_sets_init(struct two_sets *t)
{
    memset(t, 0, sizeof(*t));
    for (int i = 0; i < 2; i++) {
        map_init(&t->sets[i].values, mem_free);
        t->sources[i].set = &t->sets[i];
    }
    map_put(&t->sets[0].values, "a", mem_strdup("1"));
    map_put(&t->sets[0].values, "b", mem_strdup("10"));
    map_put(&t->sets[1].values, "a", mem_strdup("3.0"));
    map_put(&t->sets[1].values, "text", mem_strdup("hello"));
}

static void two_sets_fini(struct two_sets *t)
{
    map_fini(&t->sets[0].values);
    map_fini(&t->sets[1].values);
}

static void check(struct two_sets *t, const char *const *ids, size_t n, uint32_t aggregations,
                  const char *expected)
{
    struct shape_text s;
    struct metric_names get = {ids, n};
    shape_begin(&s);
    if (aggregations != 0) {
        metric_answer_aggregate(&s.w, t->sources, 2, &get, aggregations);
    } else {
        metric_answer_list(&s.w, t->sources, 2, &get);
    }
    shape_end(&s);
    assert_string_equal(str_cstr(&s.text), expected);
    shape_fini(&s);
}

static void lists(void **state)
{
    struct two_sets t;
    two_sets_init(&t);
    snprintf(t.sources[0].prefix, sizeof(t.sources[0].prefix), "0.");
    snprintf(t.sources[1].prefix, sizeof(t.sources[1].prefix), "1.");
    check(&t, NULL, 0, 0,
          "[{\"id\":\"0.a\"},{\"id\":\"0.b\"},{\"id\":\"1.a\"},{\"id\":\"1.text\"}]");
    check(&t, (const char *[]){"1.a", "none", "0.b"}, 3, 0,
          "[{\"id\":\"1.a\",\"value\":\"3.0\"},{\"id\":\"0.b\",\"value\":\"10\"}]");
    two_sets_fini(&t);
}

static void aggregates(void **state)
{
    struct two_sets t;
    two_sets_init(&t);
    check(&t, NULL, 0, METRIC_AGG_ALL, "[{\"id\":\"a\"},{\"id\":\"b\"},{\"id\":\"text\"}]");
    check(&t, (const char *[]){"a"}, 1, METRIC_AGG_ALL,
          "[{\"id\":\"a\",\"min\":1.0,\"max\":3.0,\"avg\":2.0,\"sum\":4.0,\"skew\":50.0}]");
    check(&t, (const char *[]){"b", "a"}, 2, METRIC_AGG_MAX | METRIC_AGG_SUM,
          "[{\"id\":\"b\",\"max\":10.0,\"sum\":10.0},{\"id\":\"a\",\"max\":3.0,\"sum\":4.0}]");
    check(&t, (const char *[]){"a", "none"}, 2, METRIC_AGG_ALL, "[]");
    check(&t, (const char *[]){"text"}, 1, METRIC_AGG_ALL, "[]");
    assert_int_equal(metric_aggregation_parse("MAX"), METRIC_AGG_MAX);
    assert_int_equal(metric_aggregation_parse("mean"), 0);
    two_sets_fini(&t);
}

static void subtask_ranges(void **state)
{
    bool wanted[6] = {false};
    assert_true(metric_parse_subtasks("0-1, 4,9-99999999999", wanted, 6));
    assert_true(wanted[0] && wanted[1] && !wanted[2] && wanted[4] && !wanted[5]);
    assert_false(metric_parse_subtasks("3-1", wanted, 6));
    assert_false(metric_parse_subtasks("a", wanted, 6));
    assert_false(metric_parse_subtasks("1-2-3", wanted, 6));
    assert_false(metric_parse_subtasks("1,,2", wanted, 6));
    assert_false(metric_parse_subtasks("-1", wanted, 6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(samples_go_where_they_belong),
        cmocka_unit_test(newer_attempts_replace_older_ones),
        cmocka_unit_test(strange_dumps_are_ignored),
        cmocka_unit_test(parts_of_ids),
        cmocka_unit_test(lists),
        cmocka_unit_test(aggregates),
        cmocka_unit_test(subtask_ranges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
