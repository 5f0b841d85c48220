/* A client that runs a SELECT on a cluster, for tests of its results: numbers 0 .. N - 1 through a collect sink.
 *
 *   query_client N PAUSE_AT [-D key=value ...]        the cluster is that of FLINK_CONF_DIR
 *
 * It prints "job <id>", after PAUSE_AT rows "paused", upon which it waits for a line of its input, and at the end
 * "rows <told> repeated <n> missing <n> restarts <n>", or "error <text>". */
#include "client/submit/rest_client.h"
#include "client/submit/result_fetcher.h"
#include "engine/data/schema.h"
#include "engine/graph/job_graph.h"
#include "engine/graph/stream_graph.h"
#include "engine/query/collect.h"
#include "proto/operators.pb-c.h"
#include "sdk/executor.h"
#include <stdio.h>
#include <stdlib.h>

enum { CALL_MS = 1000 };

struct query {
    struct conf conf;
    Flinc__JobGraph *graph;
    struct schema *schema;
    struct buffer_pool *pool;
    char job_hex[64];
    uint8_t *seen; /* by number */
    int64_t n, pause_at, told, repeated;
};

static struct stream_node *add(struct stream_graph *g, const char *kind,
                               const struct schema *schema, const ProtobufCMessage *config)
{
    uint8_t bytes[64];
    struct stream_node *n = stream_graph_add(g, kind, kind, schema);
    size_t size = protobuf_c_message_pack(config, bytes); /* two numbers */
    stream_node_set_config(g, n, bytes, size);
    n->parallelism = 1;
    return n;
}

static int build(struct query *q, struct error *err)
{
    struct stream_graph g;
    struct rng rng;
    Flinc__SequenceSourceConfig source = FLINC__SEQUENCE_SOURCE_CONFIG__INIT;
    Flinc__CollectConfig collect = FLINC__COLLECT_CONFIG__INIT;
    struct translate_options o = {.job_name = "select", .default_parallelism = 1, .chaining = true};
    TRY(schema_parse(SLICE_LIT("ROW<value BIGINT>"), &q->schema, err));
    stream_graph_init(&g);
    source.to = q->n - 1;
    collect.batch_bytes = 64 * 1024;
    struct stream_node *from = add(&g, "flinc.source.sequence", q->schema, &source.base);
    from->bounded = true;
    struct stream_node *to = add(&g, "flinc.query.collect", NULL, &collect.base);
    to->uid = "2_collect";
    to->coordinator = "flinc.query.collect";
    to->is_sink = true;
    to->n_inputs = 1;
    stream_graph_connect(&g, from->index, 0, to->index, 0, NULL, "query_client.c");
    rng_init_system(&rng);
    id_random(&o.job_id, &rng);
    int rc = stream_graph_translate(&g, &o, &q->graph, err);
    stream_graph_fini(&g);
    return rc;
}

static void on_submitted(void *arg, const char *job_hex, const char *name)
{
    struct query *q = arg;
    (void)name;
    (void)snprintf(q->job_hex, sizeof(q->job_hex), "%s", job_hex);
    printf("job %s\n", job_hex);
    (void)fflush(stdout);
}

/* The job's own entries are part of its graph. */
static int submit(struct query *q, int n_settings, char **settings, struct error *err)
{
    struct job_result result;
    struct job_listener listener = {.arg = q, .on_submitted = on_submitted};
    Flinc__KeyValue pairs[16];
    Flinc__KeyValue *list[16];
    size_t n = 0;
    for (int i = 0; i + 1 < n_settings && n < 16; i += 2) { /* -D key=value */
        char *value = strchr(settings[i + 1], '=');
        if (value == NULL) {
            return error_set(err, ERR_INVALID_ARGUMENT, "no value in %s", settings[i + 1]);
        }
        *value++ = '\0';
        flinc__key_value__init(&pairs[n]);
        pairs[n].key = settings[i + 1];
        pairs[n].value = value;
        list[n] = &pairs[n];
        n++;
    }
    q->graph->config = list;
    q->graph->n_config = n;
    job_result_init(&result);
    int rc = job_executor_find("remote")->execute(q->graph, &q->conf, &listener, &result, err);
    job_result_fini(&result);
    q->graph->config = NULL;
    q->graph->n_config = 0;
    return rc;
}

static void count(struct query *q, const struct batch *b)
{
    for (uint32_t i = 0; i < b->n_sel; i++) {
        int64_t v = COLUMN_VALUES(&b->columns[0], const int64_t)[batch_row(b, i)];
        if (v < 0 || v >= q->n || q->seen[v]++ != 0) {
            q->repeated++;
        }
    }
    q->told += b->n_sel;
}

static void pause_here(struct query *q)
{
    if (q->pause_at > 0 && q->told >= q->pause_at) {
        q->pause_at = 0;
        printf("paused\n");
        (void)fflush(stdout);
        (void)getchar();
    }
}

static int fetch(struct query *q, struct result_fetcher *f, struct error *err)
{
    for (;;) {
        struct batch *b = NULL;
        int rc = result_fetcher_next(f, CALL_MS, &b, err);
        if (rc == RESULT_ROWS) {
            count(q, b);
            batch_unref(b);
            pause_here(q);
        } else if (rc != RESULT_TIMEOUT) {
            return rc;
        }
    }
}

static int run(struct query *q, int n_settings, char **settings, struct error *err)
{
    struct rest_client *client = NULL;
    TRY(conf_load_dir(&q->conf, getenv("FLINK_CONF_DIR"), err));
    TRY(build(q, err));
    TRY(submit(q, n_settings, settings, err));
    TRY(rest_client_new(&q->conf, NULL, &client, err));
    struct rest_results *results = rest_results_new(client, q->job_hex, "2_collect");
    struct result_fetcher *f = result_fetcher_new(&(struct result_fetcher_options){
        .source = result_source_rest(results),
        .schema = q->schema,
        .pool = q->pool,
        .kept_bytes = 1024 * 1024,
    });
    int rc = fetch(q, f, err);
    int64_t missing = 0;
    for (int64_t i = 0; rc == RESULT_END && i < q->n; i++) {
        missing += q->seen[i] == 0;
    }
    printf("rows %lld repeated %lld missing %lld restarts %u\n", (long long)q->told,
           (long long)q->repeated, (long long)missing, result_fetcher_restarts(f));
    result_fetcher_close(f);
    rest_results_free(results);
    rest_client_free(client);
    return rc < 0 ? rc : 0;
}

int main(int argc, char **argv)
{
    struct query q = {.n = 0};
    struct error err = ERROR_INIT;
    if (argc < 3) {
        fprintf(stderr, "usage: query_client N PAUSE_AT [-D key=value ...]\n");
        return 2;
    }
    q.n = strtoll(argv[1], NULL, 10);
    q.pause_at = strtoll(argv[2], NULL, 10);
    q.seen = mem_zalloc((size_t)q.n + 1);
    q.pool = buffer_pool_new(&(struct buffer_pool_options){.name = "client"});
    conf_init(&q.conf, NULL);
    int rc = run(&q, argc - 3, argv + 3, &err);
    if (rc < 0) {
        char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
        printf("error %s\n", error_format(&err, text, sizeof(text)));
    }
    conf_fini(&q.conf);
    if (q.graph != NULL) {
        flinc__job_graph__free_unpacked(q.graph, NULL);
    }
    schema_unref(q.schema);
    buffer_pool_close(q.pool);
    mem_free(q.seen);
    return rc < 0 ? 1 : 0;
}
