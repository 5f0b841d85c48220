/* The operators of queries, by the harness: nanoseconds of CPU per input row, results included. */
#include "bench/report.h"

#include "engine/data/builder.h"
#include "engine/functions/functions.h"
#include "engine/operators/harness.h"
#include "engine/query/query.h"
#include "proto/query.pb-c.h"

enum { ROWS = 1024 * 1024, TRIES = 3 };

static struct bench_report report;

static void drop(void *arg, uint32_t output, struct batch *take_batch)
{
    *(uint64_t *)arg += take_batch->n_sel;
    batch_unref(take_batch);
}

/* Key (scattered over `keys` values), value; all of an input. */
static struct batch **make_input(struct buffer_pool *pool, const char *schema_text, uint64_t keys,
                                 uint32_t rows, uint32_t *ret_n)
{
    struct batch **batches = MEM_NEW_ARRAY(struct batch *, rows / BATCH_ROWS_TARGET + 1);
    struct schema *schema = NULL;
    struct error err = ERROR_INIT;
    struct builder b;
    struct rng rng;
    rng_init(&rng, 1);
    *ret_n = 0;
    bench_check(schema_parse(slice_cstr(schema_text), &schema, &err), &err);
    builder_init(&b, pool, schema, BATCH_ROWS_TARGET);
    for (uint32_t i = 0; i < rows; i++) {
        builder_put_i64(&b, 0, (int64_t)rng_below(&rng, keys));
        builder_put_i64(&b, 1, (int64_t)rng_below(&rng, 1000000));
        builder_end_row(&b);
        if (builder_is_full(&b) || i + 1 == rows) {
            batches[(*ret_n)++] = builder_finish(&b);
        }
    }
    builder_fini(&b);
    schema_unref(schema);
    return batches;
}

struct subject {
    const char *name;
    const struct operator_desc *desc;
    const ProtobufCMessage *config;
    const char *inputs[2];
    const char *output;
    uint64_t keys[2];
    uint32_t rows[2];
    double bar;
};

static double once(const struct subject *s, struct buffer_pool *pool)
{
    uint64_t n_out = 0;
    uint32_t total = 0, n[2] = {0, 0};
    struct batch **batches[2] = {NULL, NULL};
    struct harness *h = NULL;
    struct error err = ERROR_INIT;
    for (int i = 0; i < 2 && s->inputs[i] != NULL; i++) {
        batches[i] = make_input(pool, s->inputs[i], s->keys[i], s->rows[i], &n[i]);
        total += s->rows[i];
    }
    bench_check(harness_new(&(struct harness_options){.desc = s->desc,
                                                      .input_schemas = {s->inputs[0], s->inputs[1]},
                                                      .output_schemas = {s->output},
                                                      .config = s->config,
                                                      .on_batch = drop,
                                                      .on_batch_arg = &n_out},
                            &h, &err),
                &err);
    bench_check(harness_open(h, &err), &err);
    const double begin = bench_cpu_seconds();
    for (int i = 2; i-- > 0;) { /* the right one first */
        for (uint32_t k = 0; k < n[i]; k++) {
            bench_check(harness_push(h, (uint32_t)i, batches[i][k], &err), &err);
        }
        if (batches[i] != NULL) {
            bench_check(harness_end_of_input(h, (uint32_t)i, &err), &err);
        }
    }
    const double seconds = bench_cpu_seconds() - begin;
    harness_free(h);
    mem_free(batches[0]);
    mem_free(batches[1]);
    return seconds / total;
}

static void measure(const struct subject *s)
{
    static const struct buffer_pool_options options = {.name = "bench",
                                                       .retain_bytes = 512 * 1024 * 1024};
    struct buffer_pool *pool = buffer_pool_new(&options);
    double best = 1e9;
    for (int i = 0; i < TRIES; i++) {
        best = MIN(best, once(s, pool));
    }
    bench_report_add(&report, s->name, best * 1e9, "ns/row", s->bar, 0, BENCH_LESS_IS_BETTER);
    buffer_pool_close(pool);
}

#define INPUT "ROW<k BIGINT, v BIGINT>"

static void aggregates(void)
{
    Flinc__HashAggregateConfig config = FLINC__HASH_AGGREGATE_CONFIG__INIT;
    Flinc__AggregateCall calls[2] = {FLINC__AGGREGATE_CALL__INIT, FLINC__AGGREGATE_CALL__INIT};
    Flinc__AggregateCall *pointers[] = {&calls[0], &calls[1]};
    uint32_t keys[] = {0}, args[] = {1};
    calls[0].function = (char *)"SUM";
    calls[0].type = (char *)"BIGINT";
    calls[0].args = args;
    calls[0].n_args = 1;
    calls[1].function = (char *)"COUNT";
    calls[1].type = (char *)"BIGINT NOT NULL";
    config.keys = keys;
    config.n_keys = 1;
    config.calls = pointers;
    config.n_calls = 2;
    struct subject s = {"SUM, COUNT by 10 keys",
                        &query_hash_aggregate,
                        &config.base,
                        {INPUT, NULL},
                        "ROW<k BIGINT, s BIGINT, n BIGINT>",
                        {10, 0},
                        {ROWS, 0},
                        0};
    measure(&s);
    s.name = "SUM, COUNT by 1,000,000 keys";
    s.keys[0] = 1000000;
    measure(&s);
}

static void sorts(void)
{
    Flinc__SortConfig config = FLINC__SORT_CONFIG__INIT;
    Flinc__SortKey keys[2] = {FLINC__SORT_KEY__INIT, FLINC__SORT_KEY__INIT};
    Flinc__SortKey *pointers[] = {&keys[0], &keys[1]};
    keys[1].column = 1;
    config.keys = pointers;
    config.n_keys = 1;
    struct subject s = {"ORDER BY k, 1,000,000 rows",
                        &query_sort,
                        &config.base,
                        {INPUT, NULL},
                        INPUT,
                        {1u << 31, 0},
                        {ROWS, 0},
                        0};
    measure(&s);
    config.n_keys = 2;
    s.name = "ORDER BY k, v, 1,000 values of k";
    s.keys[0] = 1000;
    measure(&s);
    config.has_fetch = true;
    config.fetch = 100;
    s.name = "ORDER BY k, v LIMIT 100";
    s.keys[0] = 1u << 31;
    measure(&s);
}

static void joins(void)
{
    Flinc__QueryJoinConfig config = FLINC__QUERY_JOIN_CONFIG__INIT;
    uint32_t key = 0;
    config.left_keys = config.right_keys = &key;
    config.n_left_keys = config.n_right_keys = 1;
    const struct subject s = {"JOIN with 100,000 rows",
                              &query_hash_join,
                              &config.base,
                              {INPUT, INPUT},
                              "ROW<a BIGINT, b BIGINT, c BIGINT, d BIGINT>",
                              {100000, 100000},
                              {ROWS, 100000},
                              0};
    measure(&s);
}

static void overs(void)
{
    Flinc__OverConfig config = FLINC__OVER_CONFIG__INIT;
    Flinc__OverCall call = FLINC__OVER_CALL__INIT, *calls[] = {&call};
    Flinc__OverBound lower = FLINC__OVER_BOUND__INIT, upper = FLINC__OVER_BOUND__INIT;
    Flinc__AggregateCall sum = FLINC__AGGREGATE_CALL__INIT;
    Flinc__SortKey order = FLINC__SORT_KEY__INIT, *orders[] = {&order};
    uint32_t partition = 0, args[] = {1};
    sum.function = (char *)"SUM";
    sum.type = (char *)"BIGINT";
    sum.args = args;
    sum.n_args = 1;
    upper.kind = FLINC__OVER_BOUND_KIND__OVER_CURRENT_ROW;
    call.call = &sum;
    call.lower = &lower;
    call.upper = &upper;
    order.column = 1;
    config.partition = &partition;
    config.n_partition = 1;
    config.order = orders;
    config.n_order = 1;
    config.calls = calls;
    config.n_calls = 1;
    const struct subject s = {"SUM OVER (PARTITION BY 1,000 keys ORDER BY v)",
                              &query_over,
                              &config.base,
                              {INPUT, NULL},
                              "ROW<k BIGINT, v BIGINT, s BIGINT>",
                              {1000, 0},
                              {ROWS, 0},
                              0};
    measure(&s);
}

int main(void)
{
    functions_register_builtin();
    aggregates();
    sorts();
    joins();
    overs();
    bench_report_print(&report);
    return 0;
}
