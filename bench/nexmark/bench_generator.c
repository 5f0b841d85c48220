/* The nexmark generator alone: events per CPU second of one thread, by what a query reads.  Batches are made as the source
 * makes them and dropped.  The bars are those of the Nexmark queries less what a query costs: a bid with all of its
 * columns in 25 ns.  The limit is a hand-written generator that needs not make the suite's own numbers. */
#include "bench/options.h"
#include "bench/report.h"
#include "connectors/nexmark/generator.h"
#include "connectors/nexmark/nexmark.h"
#include "connectors/registry/registry.h"
#include "engine/table/options.h"

#define TABLE                                                                                   \
    "ROW<event_type INT, person ROW<id BIGINT, name STRING, emailAddress STRING, creditCard "   \
    "STRING, city STRING, state STRING, dateTime TIMESTAMP(3), extra STRING>, auction ROW<id "  \
    "BIGINT, itemName STRING, description STRING, initialBid BIGINT, reserve BIGINT, dateTime " \
    "TIMESTAMP(3), expires TIMESTAMP(3), seller BIGINT, category BIGINT, extra STRING>, bid "   \
    "ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, url STRING, dateTime "    \
    "TIMESTAMP(3), extra STRING>>"

enum { BLOCK = 1000, COLUMNS_MAX = 12 };

struct settings {
    uint64_t events;
};
static const struct settings defaults = {20000000};
static const struct bench_option options[] = {
    BENCH_OPTION("events", NUMBER, struct settings, events, "events of a measurement"),
};

/* A column by the numbers of the table's column and of its field; field -1: all of it. */
struct read_column {
    int column, field;
};
static const struct scan_case {
    const char *name;
    int only_kind; /* -1: all */
    int n;
    struct read_column columns[COLUMNS_MAX];
    double bar, limit; /* millions of events per CPU second */
} cases[] = {
    {"all columns of all events", -1, 4, {{0, -1}, {1, -1}, {2, -1}, {3, -1}}, 15, 48},
    {"bids, all columns", 2, 1, {{3, -1}}, 40, 54},
    {"bids: auction, price (q2)", 2, 2, {{3, 0}, {3, 2}}, 60, 450},
    {"bids: auction (q5)", 2, 2, {{3, 0}, {3, 5}}, 80, 700},
    {"bids: bidder (q11, q12)", 2, 2, {{3, 1}, {3, 5}}, 60, 770},
    {"bids: q0, q1, q14", 2, 5, {{3, 0}, {3, 1}, {3, 2}, {3, 5}, {3, 6}}, 45, 150},
    {"bids: q21, q22", 2, 5, {{3, 0}, {3, 1}, {3, 2}, {3, 3}, {3, 4}}, 45, 137},
    {"auctions: id, seller, category", 1, 3, {{2, 0}, {2, 7}, {2, 8}}, 200, 0},
    {"auctions, all columns", 1, 1, {{2, -1}}, 0, 0},
    {"persons: id, name, city, state", 0, 4, {{1, 0}, {1, 1}, {1, 4}, {1, 5}}, 200, 0},
    {"persons, all columns", 0, 1, {{1, -1}}, 150, 0},
};

static struct table_path path_of(struct read_column c)
{
    struct table_path p = {.n = c.field < 0 ? 1 : 2};

    p.fields[0] = (uint32_t)c.column;
    p.fields[1] = c.field < 0 ? 0 : (uint32_t)c.field;
    return p;
}

/* The node that a query's scan becomes. */
static void plan(const struct table *t, const struct scan_case *k, struct arena *arena,
                 struct table_node *ret, struct error *err)
{
    struct table_path paths[COLUMNS_MAX];
    struct table_literal kind = {.whole = k->only_kind};
    struct table_predicate p = {
        .column = {1, {0}}, .compare = TABLE_EQ, .n_values = 1, .values = &kind};
    struct table_scan scan = {.columns = paths,
                              .n_columns = (uint32_t)k->n,
                              .filters = &p,
                              .n_filters = k->only_kind >= 0};

    for (int i = 0; i < k->n; i++) {
        paths[i] = path_of(k->columns[i]);
    }
    bench_check(table_plan_source(t, &scan, arena, ret, err), err);
}

static uint64_t make_all(struct nexmark_generator *g, uint64_t events)
{
    uint64_t batches = 0;

    for (uint64_t k = 0; k < events; k += BLOCK) {
        if (g->n_rows + nexmark_generator_rows(g, (int64_t)k, BLOCK) > g->rows_max) {
            batch_unref(nexmark_generator_take(g));
            batches++;
        }
        nexmark_generator_add(g, (int64_t)k, BLOCK);
    }
    batch_unref(nexmark_generator_take(g));
    return batches + 1;
}

static void measure(const struct table *t, const struct scan_case *k, uint64_t events,
                    struct buffer_pool *pool, struct bench_report *r)
{
    struct error err = ERROR_INIT;
    struct arena arena;
    struct table_node node;
    struct nexmark_generator *g = mem_zalloc(sizeof(*g));

    arena_init(&arena, 0);
    plan(t, k, &arena, &node, &err);
    Flinc__NexmarkSourceConfig *c =
        flinc__nexmark_source_config__unpack(NULL, node.config_size, node.config);
    bench_check(nexmark_generator_init(g, pool, node.schema, c, BATCH_ROWS_TARGET, &err), &err);
    (void)make_all(g, events / 20); /* warm */
    double begin = bench_cpu_seconds();
    (void)make_all(g, events);
    double seconds = bench_cpu_seconds() - begin;
    bench_report_add(r, k->name, (double)events / seconds * 1e-6, "M events/s", k->bar, k->limit,
                     BENCH_MORE_IS_BETTER);
    nexmark_generator_fini(g);
    mem_free(g);
    flinc__nexmark_source_config__free_unpacked(c, NULL);
    table_node_fini(&node);
    arena_fini(&arena);
}

int main(int argc, char **argv)
{
    struct settings s = defaults;
    struct error err = ERROR_INIT;
    struct text_map given = TEXT_MAP_INIT;
    struct table_options read;
    struct schema *schema = NULL;
    struct bench_report report = {.n = 0};

    bench_options_parse(&(struct bench_options){"bench_nexmark_generator",
                                                "Events of the nexmark generator.", options,
                                                ARRAY_LEN(options), &defaults},
                        &s, argc, argv);
    connectors_register();
    text_map_put(&given, SLICE_LIT("connector"), SLICE_LIT("nexmark"));
    text_map_put(&given, SLICE_LIT("first-event.rate"), SLICE_LIT("10000000"));
    bench_check(table_options_read("nexmark", &given, &read, &err), &err);
    bench_check(schema_parse(slice_cstr(TABLE), &schema, &err), &err);
    struct table t = {
        .name = "nexmark", .connector = read.connector, .schema = schema, .options = &read};
    struct buffer_pool *pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        measure(&t, &cases[i], s.events, pool, &report);
    }
    bench_report_print(&report);
    buffer_pool_close(pool);
    schema_unref(schema);
    table_options_fini(&read);
    text_map_fini(&given);
    return 0;
}
