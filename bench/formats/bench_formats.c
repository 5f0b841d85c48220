/* Formats of tables: bytes to columns and back, per CPU second of one thread; beside copying the same bytes.
 *
 * A record is flat, of ten columns and about 200 bytes as JSON. */
#include "bench/report.h"
#include "formats/format.h"

#include <stdlib.h>

enum { ROWS = 20000, ROUNDS = 20, REPEATS = 5, CHUNK_BYTES = 1024 * 1024 };

static const char columns[] =
    "ROW<id BIGINT, device STRING, site STRING, `level` INT, `value` DOUBLE, ok BOOLEAN, "
    "ts TIMESTAMP(3), note STRING, price DECIMAL(10, 2), seen BIGINT>";

static struct buffer_pool *pool;

struct run {
    const flinc_format *format;
    struct format_options *options;
    struct schema *schema;
    struct format_decoder *decoder;
    struct format_encoder *encoder;
    struct builder builder;
    struct str data;
    struct batch *batches[ROWS / 1000];
    uint32_t n_batches;
    uint64_t rows;
};

static void check(int rc, const struct error *err)
{
    bench_check(rc, err);
}

/* JSON by hand: the data that all begins with. */
static void make_json(struct str *out)
{
    static const char *const sites[] = {"Hamburg-Nord", "Rotterdam", "Lyon", "Torino-Est"};
    for (int i = 0; i < ROWS; i++) {
        str_printf(
            out,
            "{\"id\":%d,\"device\":\"sensor-%06d\",\"site\":\"%s\",\"level\":%d,"
            "\"value\":%d.%03d,\"ok\":%s,\"ts\":\"2024-03-%02d %02d:%02d:%02d.%03d\","
            "\"note\":\"checked by the night shift, no %d\",\"price\":%d.%02d,\"seen\":%lld}\n",
            1000000 + i, i * 7919 % 1000000, sites[i % 4], i % 100, i % 500, i * 37 % 1000,
            i % 3 ? "true" : "false", i % 28 + 1, i % 24, i % 60, i * 7 % 60, i % 1000, i, i % 900,
            i % 100, 1700000000000ll + i);
    }
}

static void read_data(void *arg)
{
    struct run *r = arg;
    struct error err = ERROR_INIT;
    struct format_decoded decoded;
    size_t at = 0;

    r->rows = 0;
    while (at < r->data.len) {
        size_t n = MIN(r->data.len - at, (size_t)CHUNK_BYTES);
        const struct format_decode_input input = {
            .data = slice_make(r->data.data + at, n),
            .past = UINT64_MAX,
            .flags = at + n == r->data.len ? FLINC_FORMAT_AT_END : 0};
        check(format_decode(r->decoder, &input, &r->builder, &decoded, &err), &err);
        at += decoded.consumed;
        if (decoded.batch_full || at == r->data.len) {
            struct batch *b = builder_finish(&r->builder);
            r->rows += b->n_rows;
            batch_unref(b);
        }
    }
    ASSERT(r->rows == ROWS);
}

static void keep_batches(struct run *r)
{
    struct error err = ERROR_INIT;
    struct format_decoded decoded = {0};
    size_t at = 0;

    while (at < r->data.len) {
        const struct format_decode_input input = {
            .data = slice_make(r->data.data + at, r->data.len - at),
            .past = UINT64_MAX,
            .flags = FLINC_FORMAT_AT_END};
        check(format_decode(r->decoder, &input, &r->builder, &decoded, &err), &err);
        at += decoded.consumed;
        r->batches[r->n_batches++] = builder_finish(&r->builder);
    }
}

static void write_batches(void *arg)
{
    struct run *r = arg;
    struct error err = ERROR_INIT;

    str_clear(&r->data);
    for (uint32_t i = 0; i < r->n_batches; i++) {
        check(format_encode(r->encoder, r->batches[i], &r->data, &err), &err);
    }
}

struct copy {
    const struct str *from;
    char *to;
};

static void copy_data(void *arg)
{
    struct copy *c = arg;
    memcpy(c->to, c->from->data, c->from->len);
    __asm__ volatile("" ::: "memory");
}

/* GB per CPU second, the best of a few. */
static double rate(void (*fn)(void *arg), void *arg, const struct str *data)
{
    double best = 0;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double t = bench_cpu_seconds();
        for (int i = 0; i < ROUNDS; i++) {
            fn(arg);
        }
        t = (bench_cpu_seconds() - t) / ROUNDS;
        best = MAX(best, (double)data->len / t * 1e-9);
    }
    return best;
}

static void open_format(struct run *r, const char *name)
{
    struct text_map none = TEXT_MAP_INIT;
    struct error err = ERROR_INIT;

    *r = (struct run){.format = format_find(slice_cstr(name))};
    check(format_options_new(r->format, &none, "", &r->options, &err), &err);
    check(schema_parse(slice_cstr(columns), &r->schema, &err), &err);
    const struct format_decoder_config reading = {
        .framing = FLINC_FORMAT_STREAM, .schema = r->schema, .options = r->options};
    const struct format_encoder_config writing = {
        .framing = FLINC_FORMAT_STREAM, .schema = r->schema, .options = r->options};
    check(format_decoder_new(r->format, &reading, &r->decoder, &err), &err);
    check(format_encoder_new(r->format, &writing, &r->encoder, &err), &err);
    builder_init(&r->builder, pool, r->schema, 0);
}

static void close_format(struct run *r)
{
    for (uint32_t i = 0; i < r->n_batches; i++) {
        batch_unref(r->batches[i]);
    }
    builder_fini(&r->builder);
    format_decoder_free(r->decoder);
    format_encoder_free(r->encoder);
    format_options_free(r->options);
    schema_unref(r->schema);
    str_fini(&r->data);
}

static void measure(struct bench_report *report, const char *name, double read_bar,
                    const struct run *json)
{
    struct run r;
    char text[80];

    open_format(&r, name);
    for (uint32_t i = 0; i < json->n_batches; i++) {
        r.batches[r.n_batches++] = batch_ref(json->batches[i]);
    }
    write_batches(&r);
    struct copy copy = {.from = &r.data, .to = mem_alloc(r.data.len)};
    double limit = rate(copy_data, &copy, &r.data);
    snprintf(text, sizeof(text), "%s read, %zu bytes a record", name, r.data.len / ROWS);
    bench_report_add(report, text, rate(read_data, &r, &r.data), "GB/s", read_bar, limit,
                     BENCH_MORE_IS_BETTER);
    snprintf(text, sizeof(text), "%s write", name);
    bench_report_add(report, text, rate(write_batches, &r, &r.data), "GB/s", 0, limit,
                     BENCH_MORE_IS_BETTER);
    mem_free(copy.to);
    close_format(&r);
}

int main(void)
{
    struct bench_report report = {.n = 0};
    struct run json;

    pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    buffer_pool_adopt(pool);
    open_format(&json, "json");
    make_json(&json.data);
    keep_batches(&json);
    measure(&report, "json", 1.0, &json);
    if (format_find(SLICE_LIT("csv")) != NULL) {
        measure(&report, "csv", 1.5, &json);
    }
    bench_report_print(&report);
    close_format(&json);
    buffer_pool_close(pool);
    return 0;
}
