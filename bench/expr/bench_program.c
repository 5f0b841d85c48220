/* Expressions over batches: nanoseconds per row of conditions and outputs, beside a loop written by hand. */
#include "bench/report.h"

#include "engine/expr/program.h"
#include "engine/functions/functions.h"
#include "sql/parser/parser.h"
#include "sql/validate/expression.h"

#include <stdio.h>
#include <stdlib.h>

enum { ROWS = 2048, ROUNDS = 2000, TRIES = 5 };

struct subject {
    struct buffer_pool *buffers;
    struct schema *input;
    struct batch *batch;
};

static struct bench_report report;

/* Bids: auction, bidder, price, channel, url, time. */
static void make_subject(struct subject *s)
{
    static const struct buffer_pool_options options = {.name = "bench"};
    struct error err = ERROR_INIT;
    struct builder b;
    s->buffers = buffer_pool_new(&options);
    bench_check(
        schema_parse(slice_cstr("ROW<auction BIGINT, bidder BIGINT, price BIGINT, channel STRING, "
                                "url STRING, t TIMESTAMP(3)>"),
                     &s->input, &err),
        &err);
    builder_init(&b, s->buffers, s->input, ROWS);
    for (int64_t i = 0; i < ROWS; i++) {
        char url[64];
        const int n =
            snprintf(url, sizeof(url), "https://www.nexmark.com/a/b/item.htm?q=%d", (int)i);
        builder_put_i64(&b, 0, 1000 + i * 7919 % 10007);
        builder_put_i64(&b, 1, i * 31 % 1000);
        builder_put_i64(&b, 2, 100 + i * 104729 % 1000000);
        bench_check(
            builder_put_bytes(&b, 3, i % 3 == 0 ? "Apple" : "Google", i % 3 == 0 ? 5 : 6, &err),
            &err);
        bench_check(builder_put_bytes(&b, 4, url, (size_t)n, &err), &err);
        builder_put_i64(&b, 5, INT64_C(1577934245678) + i * 1000);
        builder_end_row(&b);
    }
    s->batch = builder_finish(&b);
    builder_fini(&b);
}

static const struct expr *resolve(const struct subject *s, struct expr_pool *pool,
                                  struct arena *arena, const char *sql)
{
    struct sql_scope_column columns[16];
    struct sql_validator v = {.pool = pool};
    const struct sql_scope scope = {columns, s->input->n_fields, NULL};
    struct error err = ERROR_INIT;
    struct sql_expr *tree;
    const struct expr *e;
    for (uint32_t i = 0; i < scope.n; i++) {
        columns[i] = (struct sql_scope_column){
            .name = slice_cstr(s->input->fields[i].name),
            .expr = expr_input(pool, i, type_ref(s->input->fields[i].type)),
        };
    }
    bench_check(sql_parse_expression(slice_cstr(sql), arena, &tree, NULL, &err), &err);
    bench_check(sql_resolve(&v, &scope, tree, &e, &err), &err);
    return expr_fold(pool, e, NULL);
}

static double seconds_per_row(const struct subject *s, struct expr_program *p)
{
    const struct expr_clock clock = {.watermark = INT64_MIN};
    struct error err = ERROR_INIT;
    double best = 1e9;
    for (int t = 0; t < TRIES; t++) {
        const double begin = bench_cpu_seconds();
        for (int i = 0; i < ROUNDS; i++) {
            struct batch *out = NULL;
            bench_check(expr_program_run(p, s->buffers, s->batch, &clock, &out, &err), &err);
            batch_unref(out);
        }
        best = MIN(best, (bench_cpu_seconds() - begin) / ROUNDS / ROWS);
    }
    return best;
}

/* The name is the SQL: SELECT output WHERE condition. */
static void measure(const struct subject *s, const char *output, const char *condition)
{
    struct expr_pool *pool = expr_pool_new();
    struct error err = ERROR_INIT;
    struct arena arena;
    char name[80];
    arena_init(&arena, 0);
    const struct expr *e = resolve(s, pool, &arena, output);
    const struct expr *where = condition != NULL ? resolve(s, pool, &arena, condition) : NULL;
    const char *column = "v";
    struct data_type *type = type_ref(e->type);
    struct schema *schema = schema_new(&column, &type, 1);
    const struct expr_program_options options = {
        .input = s->input,
        .output = schema,
        .outputs = &e,
        .n_outputs = 1,
        .conditions = &where,
        .n_conditions = where != NULL,
    };
    struct expr_program *p = NULL;
    bench_check(expr_program_new(&options, &p, &err), &err);
    (void)snprintf(name, sizeof(name), "%s%s%s", output, where != NULL ? " WHERE " : "",
                   where != NULL ? condition : "");
    bench_report_add(&report, name, seconds_per_row(s, p) * 1e9, "ns/row", 0, 0,
                     BENCH_LESS_IS_BETTER);
    expr_program_free(p);
    schema_unref(schema);
    expr_pool_free(pool);
    arena_fini(&arena);
}

int main(void)
{
    struct subject s;
    functions_register_builtin();
    make_subject(&s);
    measure(&s, "price", NULL);
    measure(&s, "price + 1", NULL);
    measure(&s, "price * 2 + auction - bidder", NULL);
    measure(&s, "price * 0.908", NULL);
    measure(&s, "CAST(price AS DOUBLE) * 0.908E0", NULL);
    measure(&s, "price", "auction % 123 = 0");
    measure(&s, "price", "price > 500000 AND bidder < 500");
    measure(&s, "CASE WHEN HOUR(t) BETWEEN 8 AND 18 THEN 'day' ELSE 'night' END", NULL);
    measure(&s, "SPLIT_INDEX(url, '/', 3)", NULL);
    measure(&s, "LOWER(channel)", NULL);
    measure(&s, "url", "channel = 'Apple'");
    measure(&s, "url", "url LIKE '%q=1%'");
    measure(&s, "SUBSTRING(url, 9, 15)", NULL);
    measure(&s, "DATE_FORMAT(t, 'yyyy-MM-dd')", NULL);
    measure(&s, "DATE_FORMAT(t, 'yyyy-MM-dd HH:mm:ss')", NULL);
    measure(&s, "CAST(t AS STRING)", NULL);
    measure(&s, "REGEXP_EXTRACT(url, '(&|^|\\?)q=([^&]*)', 2)", NULL);
    measure(&s, "price", "REGEXP(url, 'q=[0-9]*7$')");
    measure(&s, "MD5(url)", NULL);
    measure(&s, "SPLIT(url, '/')[4]", NULL);
    bench_report_print(&report);
    batch_unref(s.batch);
    schema_unref(s.input);
    buffer_pool_close(s.buffers);
    return 0;
}
