/* Small stream graphs for the tests of engine/graph. */
#ifndef FLINC_TESTS_UNIT_ENGINE_GRAPH_GRAPHS_H
#define FLINC_TESTS_UNIT_ENGINE_GRAPH_GRAPHS_H

#include "engine/data/schema.h"
#include "engine/graph/job_graph.h"
#include "engine/graph/stream_graph.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

static inline struct schema *words_schema(void)
{
    const char *names[] = {"word", "count"};
    struct data_type *types[] = {type_new_string(false), type_new(TYPE_BIGINT, false)};
    return schema_new(names, types, 2);
}

static inline Flinc__Partitioner partitioner(Flinc__PartitionerKind kind)
{
    Flinc__Partitioner p = FLINC__PARTITIONER__INIT;
    p.kind = kind;
    return p;
}

static inline struct translate_options default_options(void)
{
    return (struct translate_options){.job_name = "test",
                                      .default_parallelism = 4,
                                      .chaining = true,
                                      .chain_different_max_parallelism = true};
}

/* source -> map -> (hash) sum -> sink */
static inline void build_word_count(struct stream_graph *g)
{
    struct schema *s = words_schema();
    static uint32_t key[] = {0};
    Flinc__Partitioner hash = partitioner(FLINC__PARTITIONER_KIND__PARTITION_HASH);

    hash.key_columns = key;
    hash.n_key_columns = 1;
    stream_graph_init(g);
    stream_graph_add(g, "flinc.source.text", "Source: Text", s)->bounded = true;
    stream_graph_add(g, "flinc.flat_map", "Flat Map", s);
    stream_graph_add(g, "flinc.keyed_aggregate", "Keyed Aggregation", s);
    stream_graph_add(g, "flinc.sink.print", "Sink: Print", NULL)->is_sink = true;
    stream_graph_connect(g, 0, 0, 1, 0, NULL, "a.c:1");
    stream_graph_connect(g, 1, 0, 2, 0, &hash, "a.c:2");
    stream_graph_connect(g, 2, 0, 3, 0, NULL, "a.c:3");
    schema_unref(s);
}

static inline Flinc__JobGraph *translate_ok(struct stream_graph *g,
                                            const struct translate_options *o)
{
    Flinc__JobGraph *job = NULL;
    struct error err = ERROR_INIT;
    int rc = stream_graph_translate(g, o, &job, &err);
    if (rc < 0) {
        fail_msg("%s", err.message);
    }
    return job;
}

static inline void assert_translate_fails(struct stream_graph *g, const struct translate_options *o,
                                          const char *text)
{
    Flinc__JobGraph *job = NULL;
    struct error err = ERROR_INIT;
    assert_true(stream_graph_translate(g, o, &job, &err) < 0);
    if (strstr(err.message, text) == NULL) {
        fail_msg("expected '%s' in '%s'", text, err.message);
    }
}

#endif
