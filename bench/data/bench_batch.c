/* The small costs of the data path: making and dropping a batch, writing rows through flinc/out.h,
 * hashing keys, appending and materialising rows.  Per CPU second of the one thread. */
#include "bench/report.h"
#include "engine/data/builder.h"
#include "engine/data/hash.h"
#include <stdlib.h>

enum { ROWS = BATCH_ROWS_TARGET, REPEATS = 5 };

static struct buffer_pool *pool;

static struct schema *parse(const char *text)
{
    struct schema *s = NULL;
    if (schema_parse(slice_cstr(text), &s, NULL) < 0) {
        abort();
    }
    return s;
}

/* Best of a few runs of `rounds` calls: CPU seconds per call. */
static double best_seconds(void (*fn)(void *arg), void *arg, int rounds)
{
    double best = 1e9;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double t = bench_cpu_seconds();
        for (int i = 0; i < rounds; i++) {
            fn(arg);
        }
        t = (bench_cpu_seconds() - t) / rounds;
        best = t < best ? t : best;
    }
    return best;
}

static void new_and_unref(void *schema)
{
    batch_unref(batch_new(pool, schema));
}

struct emit {
    struct builder b;
    flinc_string text;
};

static int drop_full(void *arg, struct builder *b)
{
    batch_unref(builder_finish(b));
    return 0;
}

static void emit_rows(void *arg)
{
    struct emit *e = arg;
    flinc_out *out = &e->b.out;
    for (int64_t i = 0; i < ROWS; i++) {
        flinc_out_begin_row(out);
        flinc_out_put_int64(out, 0, i);
        flinc_out_put_string(out, 1, e->text);
        if (flinc_out_end_row(out) < 0) {
            abort();
        }
    }
}

static double emit_rate(const struct schema *schema, const char *text)
{
    struct emit e = {.text = flinc_cstring(text)};
    builder_init(&e.b, pool, schema, 0);
    e.b.on_full = drop_full;
    double rate = ROWS / best_seconds(emit_rows, &e, 500) * 1e-6;
    builder_fini(&e.b);
    return rate;
}

/* Keys of about `len` bytes, or int64 ones for 0. */
static struct batch *make_keys(const struct schema *schema, size_t len)
{
    struct builder b;
    char text[128];
    builder_init(&b, pool, schema, 0);
    for (int64_t i = 0; i < ROWS; i++) {
        memset(text, 'a' + (int)(i % 26), sizeof(text));
        if (len == 0) {
            builder_put_i64(&b, 0, i * 7919);
        } else if (builder_put_bytes(&b, 0, text, len - (size_t)(i & 3), NULL) < 0) {
            abort();
        }
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    return batch;
}

static void hash_first(void *batch)
{
    const uint32_t key = 0;
    batch_hash_keys(pool, batch, &key, 1);
}

static double hash_rate(const char *schema_text, size_t len)
{
    struct schema *schema = parse(schema_text);
    struct batch *batch = make_keys(schema, len);
    double rate = ROWS / best_seconds(hash_first, batch, 1000) * 1e-6;
    batch_unref(batch);
    schema_unref(schema);
    return rate;
}

struct copy {
    struct batch *batch;
    struct builder b;
};

static void append_all(void *arg)
{
    struct copy *c = arg;
    builder_append_range(&c->b, c->batch, 0, c->batch->n_rows);
    batch_unref(builder_finish(&c->b));
}

static void materialize(void *arg)
{
    struct copy *c = arg;
    batch_unref(batch_materialize(pool, batch_ref(c->batch)));
}

static void copy_rates(struct bench_report *report)
{
    struct schema *schema = parse("ROW<a STRING NOT NULL>");
    struct copy c = {.batch = make_keys(schema, 68)};
    builder_init(&c.b, pool, schema, 0);
    bench_report_add(report, "append of a range, string of 68 bytes",
                     ROWS / best_seconds(append_all, &c, 1000) * 1e-6, "M rows/s", 0, 0,
                     BENCH_MORE_IS_BETTER);
    struct buffer *sel = buffer_get(pool, ROWS * sizeof(uint16_t));
    for (uint32_t i = 0; i < ROWS * 3 / 4; i++) {
        ((uint16_t *)(void *)sel->data)[i] = (uint16_t)(i + i / 3);
    }
    batch_set_selection(c.batch, sel, ROWS * 3 / 4);
    bench_report_add(report, "materialise 3/4 of the rows, string of 68 bytes",
                     ROWS * 0.75 / best_seconds(materialize, &c, 1000) * 1e-6, "M rows/s", 0, 0,
                     BENCH_MORE_IS_BETTER);
    batch_unref(c.batch);
    builder_fini(&c.b);
    schema_unref(schema);
}

int main(void)
{
    static struct bench_report report;
    pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    buffer_pool_adopt(pool);
    struct schema *five = parse("ROW<a BIGINT, b BIGINT, c BIGINT, d BIGINT, e STRING>");
    bench_report_add(&report, "batch_new and batch_unref, 5 columns",
                     best_seconds(new_and_unref, five, 100000) * 1e9, "ns", 0, 0,
                     BENCH_LESS_IS_BETTER);
    schema_unref(five);
    struct schema *two = parse("ROW<a BIGINT NOT NULL, b STRING NOT NULL>");
    bench_report_add(&report, "emit of int64 and a string of 5 bytes", emit_rate(two, "hello"),
                     "M rows/s", 0, 0, BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "emit of int64 and a string of 30 bytes",
                     emit_rate(two, "hello hello hello hello hello!"), "M rows/s", 0, 0,
                     BENCH_MORE_IS_BETTER);
    schema_unref(two);
    bench_report_add(&report, "key hash, int64", hash_rate("ROW<a BIGINT NOT NULL>", 0), "M rows/s",
                     0, 0, BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "key hash, string of 6 to 9 bytes",
                     hash_rate("ROW<a STRING NOT NULL>", 9), "M rows/s", 0, 0,
                     BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "key hash, string of 57 to 60 bytes",
                     hash_rate("ROW<a STRING NOT NULL>", 60), "M rows/s", 0, 0,
                     BENCH_MORE_IS_BETTER);
    copy_rates(&report);
    buffer_pool_close(pool);
    bench_report_print(&report);
    return 0;
}
