/* Files to themselves through a filter: a table of JSON (CSV) lines of 200 bytes, of which one in ten is kept, to another of the same
 * format, in the mini cluster with one task.  Figures: records per second of CPU time of the whole process.  Bars: 2.5 M (JSON) and 4 M
 * (CSV). */
#include "bench/report.h"
#include "connectors/registry/registry.h"
#include "engine/expr/expr.h"
#include "engine/expr/wire.h"
#include "engine/functions/functions.h"
#include "engine/graph/job_graph.h"
#include "engine/table/options.h"
#include "engine/table/table.h"
#include "minicluster/minicluster.h"
#include "proto/query.pb-c.h"
#include "sql/parser/parser.h"
#include "sql/validate/expression.h"
#include <stdlib.h>
#include <unistd.h>

enum { ROWS = 2000000, FIRST = 1000000, KEPT = ROWS / 10, FILL = 132, HUNG_AFTER_MS = 600 * 1000 };
#define SCHEMA "ROW<id INT, account BIGINT, price DOUBLE, note STRING>"

struct bench_table {
    struct table table;
    struct table_options options;
    struct schema *schema;
};

static void open_table(struct bench_table *t, const char *path, const char *format)
{
    struct error err = ERROR_INIT;
    struct text_map given = TEXT_MAP_INIT;
    text_map_put(&given, slice_cstr("connector"), slice_cstr("filesystem"));
    text_map_put(&given, slice_cstr("path"), slice_cstr(path));
    text_map_put(&given, slice_cstr("format"), slice_cstr(format));
    bench_check(schema_parse(slice_cstr(SCHEMA), &t->schema, &err), &err);
    bench_check(table_options_read("t", &given, &t->options, &err), &err);
    t->table = (struct table){.name = "t",
                              .connector = t->options.connector,
                              .schema = t->schema,
                              .options = &t->options,
                              .batch = true};
    bench_check(table_validate(&t->table, &err), &err);
    text_map_fini(&given);
}

static void close_table(struct bench_table *t)
{
    table_options_fini(&t->options);
    schema_unref(t->schema);
}

/* flinc.query.calc: id < KEPT, all columns. */
static struct stream_node *add_filter(struct stream_graph *g, const struct schema *schema)
{
    struct error err = ERROR_INIT;
    struct sql_scope_column columns[8];
    struct expr_pool *pool = expr_pool_new();
    struct sql_validator v = {.pool = pool};
    const struct sql_scope scope = {columns, schema->n_fields, NULL};
    Flinc__CalcConfig c = FLINC__CALC_CONFIG__INIT;
    uint32_t outputs[8], condition;
    struct sql_expr *tree;
    const struct expr *resolved;
    struct expr_writer *writer = expr_writer_new(&g->arena);
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        const struct expr *input = expr_input(pool, i, type_ref(schema->fields[i].type));
        columns[i] =
            (struct sql_scope_column){.name = slice_cstr(schema->fields[i].name), .expr = input};
        bench_check(expr_writer_add(writer, input, &outputs[i], &err), &err);
    }
    const char *text = arena_printf(&g->arena, "id < %d", FIRST + KEPT);
    bench_check(sql_parse_expression(slice_cstr(text), &g->arena, &tree, NULL, &err), &err);
    bench_check(sql_resolve(&v, &scope, tree, &resolved, &err), &err);
    bench_check(expr_writer_add(writer, resolved, &condition, &err), &err);
    c.exprs = expr_writer_list(writer);
    c.conditions = &condition;
    c.n_conditions = 1;
    c.outputs = outputs;
    c.n_outputs = schema->n_fields;
    struct stream_node *n = stream_graph_add(g, "flinc.query.calc", "filter", schema);
    size_t size = flinc__calc_config__get_packed_size(&c);
    uint8_t *bytes = arena_alloc(&g->arena, size + 1);
    flinc__calc_config__pack(&c, bytes);
    stream_node_set_config(g, n, bytes, size);
    n->n_inputs = 1;
    expr_writer_free(writer);
    expr_pool_free(pool);
    return n;
}

static Flinc__JobGraph *build(const struct table *from, const struct table *to)
{
    struct error err = ERROR_INIT;
    struct stream_graph g;
    struct stream_node *source = NULL, *sink = NULL;
    struct table_scan scan = TABLE_SCAN_ALL;
    struct table_write write = {.kinds = TABLE_INSERT};
    struct translate_options o = {
        .job_name = "filter", .default_parallelism = 1, .chaining = true, .batch = true};
    Flinc__JobGraph *graph = NULL;
    struct rng rng;
    stream_graph_init(&g);
    bench_check(table_add_source(&g, from, &scan, &source, &err), &err);
    struct stream_node *filter = add_filter(&g, from->schema); /* targets behind their sources */
    bench_check(table_add_sink(&g, to, &write, &sink, &err), &err);
    stream_graph_connect(&g, source->index, 0, filter->index, 0, NULL, "bench");
    stream_graph_connect(&g, filter->index, 0, sink->index, 0, NULL, "bench");
    rng_init_system(&rng);
    id_random(&o.job_id, &rng);
    bench_check(stream_graph_translate(&g, &o, &graph, &err), &err);
    stream_graph_fini(&g);
    return graph;
}

static void write_input(const char *path, bool json)
{
    static const char more[] = "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"; /* both have 200 bytes */
    char fill[FILL + 1];
    FILE *f = fopen(path, "w");
    ASSERT(f != NULL);
    memset(fill, 'x', FILL);
    fill[FILL] = '\0';
    for (int i = 0; i < ROWS; i++) {
        int id = FIRST + (int)((int64_t)i * 7919 % ROWS); /* those that are kept lie anywhere */
        if (json) {
            fprintf(f, "{\"id\":%d,\"account\":%d,\"price\":%.2f,\"note\":\"%s\"}\n", id, FIRST + i,
                    FIRST + i * 0.25, fill);
        } else {
            fprintf(f, "%d,%d,%.2f,%s-%s\n", id, FIRST + i, FIRST + i * 0.25, fill, more);
        }
    }
    fclose(f);
}

static void run(struct bench_report *r, const char *base, const char *format, double bar)
{
    struct error err = ERROR_INIT;
    struct bench_table from, to;
    struct minicluster *m = NULL;
    struct conf conf;
    char in[256], out[256], name[64], command[600];
    snprintf(in, sizeof(in), "%s/%s.in", base, format);
    snprintf(out, sizeof(out), "%s/%s.out", base, format);
    write_input(in, strcmp(format, "json") == 0);
    open_table(&from, in, format);
    open_table(&to, out, format);
    Flinc__JobGraph *graph = build(&from.table, &to.table);
    conf_init(&conf, NULL);
    double cpu = bench_process_cpu_seconds();
    struct minicluster_options o = {.conf = &conf};
    bench_check(minicluster_start(&o, graph, &m, &err), &err);
    ASSERT(minicluster_wait(m, HUNG_AFTER_MS));
    enum job_status status = minicluster_result(m, &err);
    cpu = bench_process_cpu_seconds() - cpu;
    minicluster_free(m);
    bench_check(status == JOB_STATUS_FINISHED ? 0 : -1, &err);
    snprintf(name, sizeof(name), "%s -> filter -> %s", format, format);
    bench_report_add(r, name, ROWS / cpu / 1e6, "M records/s and core", bar, 0,
                     BENCH_MORE_IS_BETTER);
    flinc__job_graph__free_unpacked(graph, NULL);
    close_table(&from);
    close_table(&to);
    conf_fini(&conf);
    snprintf(command, sizeof(command), "test $(cat '%s'/part-* | wc -l) -eq %d", out, KEPT);
    ASSERT(system(command) == 0); /* all that are kept, and nothing else */
    snprintf(command, sizeof(command), "rm -rf '%s' '%s'", in, out);
    ASSERT(system(command) == 0);
}

int main(void)
{
    struct bench_report r = {.n = 0};
    char base[] = "/tmp/bench_filesystem_XXXXXX";
    connectors_register();
    ASSERT(mkdtemp(base) != NULL);
    run(&r, base, "json", 2.5);
    run(&r, base, "csv", 4);
    (void)rmdir(base);
    bench_report_print(&r);
    return 0;
}
