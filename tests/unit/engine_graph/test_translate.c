/* Chaining, names, ids, slot sharing and plans of translated stream graphs. */
#include "engine/graph/translate_internal.h"
#include "tests/unit/engine_graph/graphs.h"

static void chains_forward_edges(void **state)
{
    struct stream_graph g;
    struct translate_options o = default_options();

    (void)state;
    build_word_count(&g);
    Flinc__JobGraph *job = translate_ok(&g, &o);
    assert_int_equal(job->n_vertices, 2);
    assert_string_equal(job->vertices[0]->name, "Source: Text -> Flat Map");
    assert_string_equal(job->vertices[1]->name, "Keyed Aggregation -> Sink: Print");
    assert_int_equal(job->n_edges, 1);
    assert_string_equal(job->edges[0]->ship_strategy, "HASH");
    assert_int_equal(job->edges[0]->source_operator, 1);
    assert_int_equal(job->vertices[0]->parallelism, 4);
    assert_int_equal(job->vertices[0]->max_parallelism, 128);
    assert_true(job->vertices[0]->max_parallelism_derived);
    assert_string_equal(job->vertices[0]->slot_sharing_group, "default");
    assert_int_equal(job->runtime_mode, FLINC__RUNTIME_MODE__RUNTIME_STREAMING);
    flinc__job_graph__free_unpacked(job, NULL);
    stream_graph_fini(&g);
}

static void chaining_is_controlled(void **state)
{
    struct stream_graph g;
    struct translate_options o = default_options();

    (void)state;
    o.chaining = false;
    build_word_count(&g);
    Flinc__JobGraph *job = translate_ok(&g, &o);
    assert_int_equal(job->n_vertices, 4);
    assert_int_equal(job->n_edges, 3);
    flinc__job_graph__free_unpacked(job, NULL);

    o.chaining = true;
    stream_graph_node(&g, 3)->chaining = CHAINING_HEAD;
    stream_graph_node(&g, 0)->chaining = CHAINING_NEVER;
    job = translate_ok(&g, &o);
    assert_int_equal(job->n_vertices, 4);
    flinc__job_graph__free_unpacked(job, NULL);

    stream_graph_node(&g, 3)->chaining = CHAINING_ALWAYS;
    stream_graph_node(&g, 0)->chaining = CHAINING_ALWAYS;
    stream_graph_node(&g, 1)->slot_sharing_group = "other";
    job = translate_ok(&g, &o);
    assert_int_equal(job->n_vertices, 3); /* the aggregation inherits "other" with its sink */
    assert_string_equal(job->vertices[2]->slot_sharing_group, "other");
    assert_int_equal(job_graph_slots(job), 8);
    flinc__job_graph__free_unpacked(job, NULL);
    stream_graph_fini(&g);
}

/* Who holds back its source is with it, or the job is refused. */
static void holders_are_with_their_source(void **state)
{
    struct stream_graph g;
    struct translate_options o = default_options();

    (void)state;
    o.chaining = false;
    build_word_count(&g);
    stream_graph_node(&g, 1)->holds_sources = true;
    stream_graph_node(&g, 1)->location = "a.c:1";
    stream_graph_node(&g, 1)->coordinator = "flinc.watermark_alignment";
    Flinc__JobGraph *job = translate_ok(&g, &o);
    assert_int_equal(job->n_vertices, 3);
    assert_int_equal(job->vertices[0]->n_operators, 2);
    assert_string_equal(job->vertices[0]->operators[1]->coordinator, "flinc.watermark_alignment");
    flinc__job_graph__free_unpacked(job, NULL);

    o.automatic = true; /* BATCH: sources run one after another, so none waits */
    job = translate_ok(&g, &o);
    assert_string_equal(job->vertices[0]->operators[1]->coordinator, "");
    flinc__job_graph__free_unpacked(job, NULL);

    o.automatic = false;
    stream_graph_node(&g, 0)->parallelism = 1;
    assert_translate_fails(&g, &o,
                           "'Flat Map' (a.c:1) holds back its source, from which it is cut");
    stream_graph_node(&g, 0)->parallelism = 0;
    stream_graph_node(&g, 1)->holds_sources = false;
    stream_graph_node(&g, 2)->holds_sources = true;
    stream_graph_node(&g, 2)->location = "a.c:2";
    assert_translate_fails(&g, &o, "at the input of 'Keyed Aggregation' (a.c:2)");
    stream_graph_fini(&g);
}

static void parallelism_decides_partitioners(void **state)
{
    struct stream_graph g;
    struct translate_options o = default_options();

    (void)state;
    build_word_count(&g);
    stream_graph_node(&g, 0)->parallelism = 1;
    Flinc__JobGraph *job = translate_ok(&g, &o);
    assert_int_equal(job->n_vertices, 3);
    assert_string_equal(job->edges[0]->ship_strategy, "REBALANCE");
    flinc__job_graph__free_unpacked(job, NULL);
    stream_graph_fini(&g);
}

static void branches_are_named(void **state)
{
    struct stream_graph g;
    struct translate_options o = default_options();
    struct schema *s = words_schema();

    (void)state;
    stream_graph_init(&g);
    stream_graph_add(&g, "k", "Source: a", s);
    stream_graph_add(&g, "k", "b", s);
    stream_graph_add(&g, "k", "c", s);
    stream_graph_add(&g, "k", "d", NULL);
    stream_graph_connect(&g, 0, 0, 1, 0, NULL, "");
    stream_graph_connect(&g, 0, 0, 2, 0, NULL, "");
    stream_graph_connect(&g, 2, 0, 3, 0, NULL, "");
    Flinc__JobGraph *job = translate_ok(&g, &o);
    assert_int_equal(job->n_vertices, 1);
    assert_string_equal(job->vertices[0]->name, "Source: a -> (b, c -> d)");
    assert_int_equal(job->vertices[0]->n_chain, 3);
    flinc__job_graph__free_unpacked(job, NULL);
    schema_unref(s);
    stream_graph_fini(&g);
}

static void ids_are_stable(void **state)
{
    struct stream_graph g;
    struct translate_options o = default_options();
    struct flinc_id id;
    char hex[33];

    (void)state;
    build_word_count(&g);
    Flinc__JobGraph *a = translate_ok(&g, &o);
    Flinc__JobGraph *b = translate_ok(&g, &o);
    assert_memory_equal(a->vertices[1]->id.data, b->vertices[1]->id.data, 16);
    flinc__job_graph__free_unpacked(a, NULL);
    flinc__job_graph__free_unpacked(b, NULL);

    /* The first source of a job: Flink's id of every job's first source that nothing is chained to. */
    stream_graph_node(&g, 0)->chaining = CHAINING_NEVER;
    a = translate_ok(&g, &o);
    memcpy(id.bytes, a->vertices[0]->id.data, 16);
    id_format(&id, hex);
    assert_string_equal(hex, "bc764cd8ddf7a0cff126f51c16239658");
    flinc__job_graph__free_unpacked(a, NULL);

    stream_graph_node(&g, 1)->uid = "split";
    stream_graph_node(&g, 2)->uid = "split";
    assert_translate_fails(&g, &o, "uid 'split' is given twice");
    stream_graph_node(&g, 2)->uid = NULL;
    o.require_uids = true;
    assert_translate_fails(&g, &o, "has no uid");
    stream_graph_fini(&g);
}

static void murmur_has_known_values(void **state)
{
    static const uint8_t fox[16] = {0x6c, 0x1b, 0x07, 0xbc, 0x7b, 0xbc, 0x4b, 0xe3,
                                    0x47, 0x93, 0x9a, 0xc4, 0xa9, 0x3c, 0x43, 0x7a};
    uint8_t out[16];

    (void)state;
    murmur3_128("", 0, 0, out);
    for (size_t i = 0; i < sizeof(out); i++) {
        assert_int_equal(out[i], 0);
    }
    murmur3_128("The quick brown fox jumps over the lazy dog", 43, 0, out);
    assert_memory_equal(out, fox, 16);
}

static void bad_programs_are_refused(void **state)
{
    struct stream_graph g;
    struct translate_options o = default_options();
    Flinc__Partitioner forward = partitioner(FLINC__PARTITIONER_KIND__PARTITION_FORWARD);
    struct schema *s = words_schema();

    (void)state;
    stream_graph_init(&g);
    assert_translate_fails(&g, &o, "nothing to execute");
    stream_graph_add(&g, "k", "Source: a", s)->parallelism = 2;
    stream_graph_add(&g, "k", "b", NULL);
    stream_graph_connect(&g, 0, 0, 1, 0, &forward, "x.c:7");
    assert_translate_fails(&g, &o, "forward partitioning does not allow a change of parallelism");
    o.batch = true;
    assert_translate_fails(&g, &o, "unbounded");
    o.batch = false;
    stream_graph_node(&g, 0)->max_parallelism = 1;
    assert_translate_fails(&g, &o, "maximum parallelism");
    stream_graph_node(&g, 0)->max_parallelism = 0;
    stream_graph_node(&g, 0)->parallelism_limit = 1;
    assert_translate_fails(&g, &o, "parallelism 1 at most");
    schema_unref(s);
    stream_graph_fini(&g);
}

static void automatic_means_batch_when_bounded(void **state)
{
    struct stream_graph g;
    struct translate_options o = default_options();

    (void)state;
    build_word_count(&g);
    o.automatic = true;
    Flinc__JobGraph *job = translate_ok(&g, &o);
    assert_int_equal(job->runtime_mode, FLINC__RUNTIME_MODE__RUNTIME_BATCH);
    flinc__job_graph__free_unpacked(job, NULL);
    stream_graph_node(&g, 0)->bounded = false;
    job = translate_ok(&g, &o);
    assert_int_equal(job->runtime_mode, FLINC__RUNTIME_MODE__RUNTIME_STREAMING);
    flinc__job_graph__free_unpacked(job, NULL);
    stream_graph_fini(&g);
}

static void combiners_join_the_source_in_batch_mode(void **state)
{
    struct stream_graph g;
    struct translate_options o = default_options();
    uint8_t config[] = {1, 2, 3};
    struct stream_combiner combiner = {"k.local", "Local", config, sizeof(config)};

    (void)state;
    build_word_count(&g);
    stream_graph_combine(&g, stream_graph_node(&g, 2), 0, &combiner);
    o.combine = true;
    Flinc__JobGraph *job = translate_ok(&g, &o);
    assert_int_equal(job->vertices[0]->n_operators, 2);
    flinc__job_graph__free_unpacked(job, NULL);

    o.batch = true;
    job = translate_ok(&g, &o);
    const Flinc__JobVertex *v = job->vertices[0];
    assert_string_equal(v->name, "Source: Text -> Flat Map -> Local");
    assert_int_equal(v->n_operators, 3);
    assert_string_equal(v->operators[2]->kind, "k.local");
    assert_int_equal(v->operators[2]->config.len, 3);
    assert_int_equal(v->chain[1]->source_operator, 1);
    assert_int_equal(job->edges[0]->source_operator, 2);
    assert_int_equal(job->edges[0]->source_output, 0);
    flinc__job_graph__free_unpacked(job, NULL);

    o.combine = false;
    job = translate_ok(&g, &o);
    assert_int_equal(job->vertices[0]->n_operators, 2);
    flinc__job_graph__free_unpacked(job, NULL);
    stream_graph_fini(&g);
}

static void plans_are_flinks(void **state)
{
    struct stream_graph g;
    struct translate_options o = default_options();
    STR_AUTO plan = STR_INIT;

    (void)state;
    build_word_count(&g);
    Flinc__JobGraph *job = translate_ok(&g, &o);
    assert_non_null(strstr(job->plan_json, "\"pact\": \"Data Source\""));
    assert_non_null(strstr(job->plan_json, "\"ship_strategy\": \"HASH\""));
    assert_non_null(strstr(job->plan_json, "\"predecessors\""));
    job_graph_plan_json(job, &plan);
    assert_non_null(strstr(str_cstr(&plan), "\"type\":\"STREAMING\""));
    assert_non_null(strstr(str_cstr(&plan), "\"ship_strategy\":\"HASH\""));
    flinc__job_graph__free_unpacked(job, NULL);
    stream_graph_fini(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(chains_forward_edges),
        cmocka_unit_test(chaining_is_controlled),
        cmocka_unit_test(holders_are_with_their_source),
        cmocka_unit_test(parallelism_decides_partitioners),
        cmocka_unit_test(branches_are_named),
        cmocka_unit_test(ids_are_stable),
        cmocka_unit_test(murmur_has_known_values),
        cmocka_unit_test(bad_programs_are_refused),
        cmocka_unit_test(automatic_means_batch_when_bounded),
        cmocka_unit_test(combiners_join_the_source_in_batch_mode),
        cmocka_unit_test(plans_are_flinks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
