/* Decoding and validation: damaged graphs are refused by name, sound ones tell slots and regions. */
#include "common/base/clock.h"
#include "tests/unit/engine_graph/graphs.h"

static uint8_t *pack(const Flinc__JobGraph *job, size_t *ret_size)
{
    *ret_size = flinc__job_graph__get_packed_size(job);
    uint8_t *bytes = mem_alloc(*ret_size + 1);
    flinc__job_graph__pack(job, bytes);
    return bytes;
}

static Flinc__JobGraph *word_count(void)
{
    struct stream_graph g;
    struct translate_options o = default_options();

    build_word_count(&g);
    Flinc__JobGraph *job = translate_ok(&g, &o);
    stream_graph_fini(&g);
    return job;
}

static void round_trip(void **state)
{
    Flinc__JobGraph *job = word_count();
    Flinc__JobGraph *again = NULL;
    struct error err = ERROR_INIT;
    size_t size;
    uint8_t *bytes = pack(job, &size);

    (void)state;
    assert_int_equal(job_graph_decode(bytes, size, &again, &err), 0);
    assert_int_equal(job_graph_slots(again), 4);
    assert_int_equal(job_graph_tasks(again), 8);
    uint32_t region[8];
    assert_int_equal(job_graph_regions(again, region), 1);
    mem_free(bytes);
    flinc__job_graph__free_unpacked(job, NULL);
    flinc__job_graph__free_unpacked(again, NULL);
}

static void assert_refused(Flinc__JobGraph *job, const char *text)
{
    struct error err = ERROR_INIT;

    assert_true(job_graph_validate(job, &err) < 0);
    if (strstr(err.message, text) == NULL) {
        fail_msg("expected '%s' in '%s'", text, err.message);
    }
}

static void damage_is_named(void **state)
{
    Flinc__JobGraph *job = word_count();

    (void)state;
    job->version = 99;
    assert_refused(job, "version 99");
    job->version = JOB_GRAPH_VERSION;
    job->edges[0]->target_vertex = 7;
    assert_refused(job, "edge without its ends");
    job->edges[0]->target_vertex = 1;
    job->edges[0]->partitioner->key_columns[0] = 2;
    assert_refused(job, "key column");
    job->edges[0]->partitioner->key_columns[0] = 0;
    job->vertices[0]->max_parallelism = 1;
    assert_refused(job, "parallelism 4 with maximum 1");
    job->vertices[0]->max_parallelism = 128;
    job->vertices[0]->chain[0]->source_operator = 1;
    assert_refused(job, "chain edge out of order");
    job->vertices[0]->chain[0]->source_operator = 0;
    job->edges[0]->source_vertex = 1;
    job->edges[0]->target_vertex = 0;
    job->edges[0]->source_operator = 0;
    assert_true(job_graph_validate(job, NULL) < 0);
    flinc__job_graph__free_unpacked(job, NULL);
}

static void java_graphs_are_recognised(void **state)
{
    static const uint8_t java[] = {0xac, 0xed, 0x00, 0x05, 0x73, 0x72};
    Flinc__JobGraph *job = NULL;
    struct error err = ERROR_INIT;

    (void)state;
    assert_int_equal(job_graph_decode(java, sizeof(java), &job, &err), ERR_UNSUPPORTED);
    assert_non_null(strstr(err.message, "Java-serialized"));
}

/* Every flipped byte gives a sound graph or an error, never a crash. */
static void flipped_bytes_are_survived(void **state)
{
    Flinc__JobGraph *job = word_count();
    size_t size;
    uint8_t *bytes = pack(job, &size);
    struct rng rng;

    (void)state;
    rng_init(&rng, 7);
    for (size_t i = 0; i < size; i++) {
        uint8_t old = bytes[i];
        Flinc__JobGraph *other = NULL;
        struct error err = ERROR_INIT;
        bytes[i] ^= (uint8_t)(1 + rng_below(&rng, 255));
        if (job_graph_decode(bytes, size, &other, &err) == 0) {
            flinc__job_graph__free_unpacked(other, NULL);
        }
        if (job_graph_decode(bytes, i, &other, &err) == 0) {
            flinc__job_graph__free_unpacked(other, NULL);
        }
        bytes[i] = old;
    }
    mem_free(bytes);
    flinc__job_graph__free_unpacked(job, NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(round_trip),
        cmocka_unit_test(damage_is_named),
        cmocka_unit_test(java_graphs_are_recognised),
        cmocka_unit_test(flipped_bytes_are_survived),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
