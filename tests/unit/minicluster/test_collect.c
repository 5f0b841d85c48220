/* SELECT in one process: a job with a collect sink in the mini cluster, its rows fetched while it runs, restarts, and when it
 * is over. */
#include "client/submit/result_fetcher.h"
#include "engine/graph/job_graph.h"
#include "engine/query/collect.h"
#include "proto/operators.pb-c.h"
#include "tests/unit/minicluster/cluster_fixture.h"
#include <stdio.h>
#include <stdlib.h>

enum { WAIT_MS = 60 * 1000 };

/* A job: numbers 0 .. n - 1, into a collect sink. */
struct query {
    Flinc__JobGraph *graph;
    struct schema *schema;
    struct minicluster *cluster;
    struct conf conf;
    struct buffer_pool *pool;
    struct result_fetcher *f;
    uint8_t *seen; /* by number */
    int64_t n, told;
};

static void must_be_zero(int rc, const struct error *err)
{
    if (rc < 0) {
        fail_msg("%s", err->message);
    }
}

static struct stream_node *add(struct stream_graph *g, const char *kind,
                               const struct schema *schema, const ProtobufCMessage *config)
{
    uint8_t bytes[64];
    struct stream_node *n = stream_graph_add(g, kind, kind, schema);
    size_t size = protobuf_c_message_get_packed_size(config);
    assert_true(size <= sizeof(bytes));
    protobuf_c_message_pack(config, bytes);
    stream_node_set_config(g, n, bytes, size);
    n->parallelism = 1;
    return n;
}

static void build(struct query *q, int64_t n, bool batch)
{
    struct stream_graph g;
    struct error err = ERROR_INIT;
    Flinc__SequenceSourceConfig source = FLINC__SEQUENCE_SOURCE_CONFIG__INIT;
    Flinc__CollectConfig collect = FLINC__COLLECT_CONFIG__INIT;
    must_be_zero(schema_parse(SLICE_LIT("ROW<value BIGINT>"), &q->schema, &err), &err);
    stream_graph_init(&g);
    source.to = n - 1;
    collect.batch_bytes = 64 * 1024;
    struct stream_node *from = add(&g, "flinc.source.sequence", q->schema, &source.base);
    from->bounded = true;
    struct stream_node *to = add(&g, "flinc.query.collect", NULL, &collect.base);
    to->uid = "2_collect";
    to->coordinator = "flinc.query.collect";
    to->is_sink = true;
    to->n_inputs = 1;
    stream_graph_connect(&g, from->index, 0, to->index, 0, NULL, "test.c:1");
    struct translate_options o = {
        .job_name = "collect", .default_parallelism = 1, .chaining = true, .batch = batch};
    struct rng rng;
    rng_init_system(&rng);
    id_random(&o.job_id, &rng);
    must_be_zero(stream_graph_translate(&g, &o, &q->graph, &err), &err);
    stream_graph_fini(&g);
}

static int ask(void *arg, struct slice request, int64_t timeout_ms, struct str *ret_answer,
               struct error *err)
{
    return minicluster_ask(arg, "2_collect", request, timeout_ms, ret_answer, err);
}

static int cancel(void *arg, struct error *err)
{
    (void)err;
    minicluster_cancel(arg);
    return 0;
}

static void start(struct query *q, int64_t n, bool batch, const char *const *settings)
{
    struct error err = ERROR_INIT;
    *q = (struct query){.n = n, .seen = calloc((size_t)n + 1, 1)};
    build(q, n, batch);
    conf_init(&q->conf, NULL);
    for (size_t i = 0; settings != NULL && settings[i] != NULL; i += 2) {
        must_be_zero(conf_set(&q->conf, settings[i], settings[i + 1], &err), &err);
    }
    struct minicluster_options o = {.conf = &q->conf};
    must_be_zero(minicluster_start(&o, q->graph, &q->cluster, &err), &err);
    q->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "client"});
    q->f = result_fetcher_new(&(struct result_fetcher_options){
        .source = {q->cluster, ask, cancel}, .schema = q->schema, .pool = q->pool});
}

static void end(struct query *q)
{
    result_fetcher_close(q->f);
    minicluster_free(q->cluster);
    assert_int_equal(buffer_pool_out_count(q->pool), 0);
    buffer_pool_close(q->pool);
    conf_fini(&q->conf);
    flinc__job_graph__free_unpacked(q->graph, NULL);
    schema_unref(q->schema);
    free(q->seen);
}

/* One call; its rows are counted. */
static int next(struct query *q, struct error *err)
{
    struct batch *b = NULL;
    int rc = result_fetcher_next(q->f, WAIT_MS, &b, err);
    if (rc == RESULT_ROWS) {
        for (uint32_t i = 0; i < b->n_sel; i++) {
            int64_t v = COLUMN_VALUES(&b->columns[0], const int64_t)[batch_row(b, i)];
            assert_in_range(v, 0, q->n - 1);
            assert_int_equal(q->seen[v]++, 0);
            q->told++;
        }
        batch_unref(b);
    }
    return rc;
}

static void fetch_all(struct query *q)
{
    struct error err = ERROR_INIT;
    int rc;
    while ((rc = next(q, &err)) == RESULT_ROWS) {
    }
    must_be_zero(rc, &err);
    assert_int_equal(rc, RESULT_END);
    assert_int_equal(q->told, q->n);
}

static void all_rows_of_a_batch_job(void **state)
{
    struct query q;
    (void)state;
    start(&q, 500000, true, NULL); /* many times what the sink keeps */
    fetch_all(&q);
    assert_string_equal(result_fetcher_status(q.f), "FINISHED");
    end(&q);
}

static void rows_of_a_job_that_is_over_before_anybody_asks(void **state)
{
    struct query q;
    (void)state;
    start(&q, 100, true, NULL);
    assert_true(minicluster_wait(q.cluster, WAIT_MS));
    fetch_all(&q);
    end(&q);
}

static void rows_with_checkpoints(void **state)
{
    static const char *const settings[] = {"execution.checkpointing.interval", "20 ms", NULL};
    struct query q;
    (void)state;
    start(&q, 300000, false, settings);
    fetch_all(&q);
    end(&q);
}

static void closing_cancels_the_job(void **state)
{
    struct error err = ERROR_INIT;
    struct query q;
    (void)state;
    start(&q, 100000000, true, NULL);
    assert_int_equal(next(&q, &err), RESULT_ROWS);
    q.f = result_fetcher_close(q.f);
    assert_true(minicluster_wait(q.cluster, WAIT_MS));
    assert_int_equal(minicluster_result(q.cluster, NULL), JOB_STATUS_CANCELED);
    end(&q);
}

static void cancellation_is_told(void **state)
{
    struct error err = ERROR_INIT;
    struct query q;
    int rc;
    (void)state;
    start(&q, 100000000, true, NULL);
    assert_int_equal(next(&q, &err), RESULT_ROWS);
    minicluster_cancel(q.cluster);
    while ((rc = next(&q, &err)) == RESULT_ROWS) {
    }
    assert_int_equal(rc, ERR_CANCELLED);
    end(&q);
}

static void who_asks_what_is_not_there(void **state)
{
    struct error err = ERROR_INIT;
    STR_AUTO answer = STR_INIT;
    struct query q;
    (void)state;
    start(&q, 100000000, true, NULL);
    assert_int_equal(minicluster_ask(q.cluster, "nobody", SLICE_LIT("x"), WAIT_MS, &answer, &err),
                     ERR_NOT_FOUND);
    assert_int_equal(
        minicluster_ask(q.cluster, "2_collect", SLICE_LIT("\xff"), WAIT_MS, &answer, &err),
        ERR_INVALID_ARGUMENT);
    end(&q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_rows_of_a_batch_job),
        cmocka_unit_test(rows_of_a_job_that_is_over_before_anybody_asks),
        cmocka_unit_test(rows_with_checkpoints),
        cmocka_unit_test(closing_cancels_the_job),
        cmocka_unit_test(cancellation_is_told),
        cmocka_unit_test(who_asks_what_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
