/* The batch, row and key codecs, in gigabytes of encoded bytes (or million rows) per CPU second of one
 * thread.  Batches have 2,048 rows of two BIGINT, an INT, a TIMESTAMP(3) and a STRING of 60 bytes;
 * buffers are recycled.
 *
 * The limit beside a batch figure is a program written for just these five columns: encoding is four
 * copies, and a loop that writes offsets and copies strings; decoding is a loop that checks offsets and
 * makes views over the frame, whose other columns stay where they are. */
#include "bench/report.h"
#include "engine/data/codec.h"

enum {
    ROWS = 2048,
    STRING_BYTES = 60,
    TRIALS = 7, /* the best counts: other work runs on the machine */
    ROUNDS = 600,
};

static struct bench_report report;

/* ---- data -------------------------------------------------------------------------------------- */

static struct schema *make_schema(void)
{
    struct error err = ERROR_INIT;
    struct schema *s = NULL;
    int rc = schema_parse(SLICE_LIT("ROW<a BIGINT NOT NULL, b BIGINT NOT NULL, c INT NOT NULL, "
                                    "t TIMESTAMP(3) NOT NULL, s STRING NOT NULL>"),
                          &s, &err);
    ASSERT(rc == 0);
    return s;
}

/* The second batch of a builder: its buffers have the size that the first one needed. */
static struct batch *make_batch(struct buffer_pool *pool, const struct schema *s)
{
    struct builder b;
    struct batch *batch = NULL;
    builder_init(&b, pool, s, ROWS);
    b.target_bytes = UINT64_MAX;
    for (int round = 0; round < 2; round++) {
        for (int64_t i = 0; i < ROWS; i++) {
            char text[STRING_BYTES + 1];
            snprintf(text, sizeof(text), "%-*lld", STRING_BYTES, (long long)(i * 7919));
            builder_put_i64(&b, 0, i * 1000003);
            builder_put_i64(&b, 1, -i);
            builder_put_i64(&b, 2, i);
            builder_put_i64(&b, 3, 1700000000000 + i);
            int rc = builder_put_bytes(&b, 4, text, STRING_BYTES, NULL);
            ASSERT(rc == 0);
            builder_end_row(&b);
        }
        batch_unref(batch);
        batch = builder_finish(&b);
    }
    builder_fini(&b);
    return batch;
}

/* Every other row of the batch. */
static struct batch *select_half(struct buffer_pool *pool, struct batch *b)
{
    struct batch *half = batch_make_unique(pool, batch_slice(pool, b, 0, ROWS));
    struct buffer *sel = buffer_get(pool, ROWS);
    for (uint32_t i = 0; i < ROWS / 2; i++) {
        ((uint16_t *)(void *)sel->data)[i] = (uint16_t)(i * 2);
    }
    sel->size = ROWS;
    batch_set_selection(half, sel, ROWS / 2);
    return half;
}

/* ---- the limit --------------------------------------------------------------------------------- */

struct plain {
    const int64_t *a, *b, *t;
    const int32_t *c;
    const struct view *views;
    const struct buffer *const *data;
};

static uint64_t plain_encode(const struct plain *in, uint8_t *to)
{
    uint8_t *at = to;
    memcpy(at, in->a, ROWS * sizeof(int64_t));
    at += ROWS * sizeof(int64_t);
    memcpy(at, in->b, ROWS * sizeof(int64_t));
    at += ROWS * sizeof(int64_t);
    memcpy(at, in->c, ROWS * sizeof(int32_t));
    at += ROWS * sizeof(int32_t);
    memcpy(at, in->t, ROWS * sizeof(int64_t));
    at += ROWS * sizeof(int64_t);
    int32_t *offsets = (int32_t *)(void *)at;
    uint8_t *bytes = at + (ROWS + 1) * sizeof(int32_t);
    int32_t end = 0;
    offsets[0] = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        const struct view *v = &in->views[i];
        memcpy(bytes + end, in->data[v->buffer]->data + v->offset, 64); /* as the strings are 60 */
        end += v->len;
        offsets[i + 1] = end;
    }
    return (uint64_t)(bytes + end - to);
}

static uint32_t plain_decode(const uint8_t *from, struct view *views)
{
    const int32_t *offsets = (const int32_t *)(const void *)(from + ROWS * 28);
    const uint8_t *bytes = (const uint8_t *)(offsets + ROWS + 1);
    uint32_t bad = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        bad |= (uint32_t)(offsets[i + 1] < offsets[i]);
    }
    for (uint32_t i = 0; i < ROWS; i++) {
        views[i].len = offsets[i + 1] - offsets[i];
        memcpy(views[i].prefix, bytes + offsets[i], sizeof(views[i].prefix));
        views[i].buffer = 0;
        views[i].offset = offsets[i];
    }
    return bad;
}

/* ---- measurements ------------------------------------------------------------------------------ */

struct subject {
    struct buffer_pool *pool;
    struct schema *schema;
    struct batch *batch;
    struct batch_encoder encoder;
    struct buffer *frame; /* one encoded batch */
    struct plain plain;
    uint8_t *plain_bytes;
    struct view *plain_views;
    struct builder rows;
    struct str text;
    uint64_t sum; /* what is made is looked at */
};

static double best_seconds(void (*run)(struct subject *s), struct subject *s)
{
    double best = 1e9;
    run(s);
    for (int trial = 0; trial < TRIALS; trial++) {
        double start = bench_cpu_seconds();
        for (int i = 0; i < ROUNDS; i++) {
            run(s);
        }
        best = MIN(best, (bench_cpu_seconds() - start) / ROUNDS);
    }
    return best;
}

static void run_encode(struct subject *s)
{
    int rc = batch_encode(&s->encoder, s->batch, NULL);
    ASSERT(rc == 0);
    s->sum += s->encoder.n_iov;
}

static void run_encode_to(struct subject *s)
{
    s->frame->size = 0;
    int rc = batch_encode_to(&s->encoder, s->batch, &s->frame, NULL);
    ASSERT(rc == 0);
}

static void run_decode(struct subject *s)
{
    struct batch_source source = {s->frame->data, s->frame->size, s->frame, 0};
    struct batch *b;
    int rc = batch_decode(s->pool, s->schema, &source, &b, NULL);
    ASSERT(rc == 0);
    s->sum += b->n_rows;
    batch_unref(b);
}

static void run_plain_encode(struct subject *s)
{
    s->sum += plain_encode(&s->plain, s->plain_bytes);
}

static void run_plain_decode(struct subject *s)
{
    s->sum += plain_decode(s->plain_bytes, s->plain_views) + (uint32_t)s->plain_views[77].offset;
}

static void run_row_encode(struct subject *s)
{
    str_clear(&s->text);
    for (uint32_t i = 0; i < ROWS; i++) {
        int rc = row_encode(s->batch, i, &(struct row_encoding){0}, &s->text, NULL);
        ASSERT(rc == 0);
    }
}

static void run_row_decode(struct subject *s)
{
    const uint8_t *row = (const uint8_t *)s->text.data;
    for (uint32_t i = 0; i < ROWS; i++) {
        int rc = row_decode(row, s->text.len, &s->rows, NULL);
        ASSERT(rc == 0);
    }
    batch_unref(builder_finish(&s->rows));
}

static void run_key_encode(struct subject *s)
{
    static const uint32_t COLUMNS[] = {0, 4};
    struct key_encoding how = {.columns = COLUMNS, .n_columns = ARRAY_LEN(COLUMNS)};
    str_clear(&s->text);
    for (uint32_t i = 0; i < ROWS; i++) {
        int rc = key_encode(s->batch, i, &how, &s->text, NULL);
        ASSERT(rc == 0);
    }
}

static void measure_batches(struct subject *s)
{
    double bar = 2;
    uint64_t plain_size = plain_encode(&s->plain, s->plain_bytes);
    double plain_in = (double)plain_size / best_seconds(run_plain_encode, s) * 1e-9;
    double plain_out = (double)plain_size / best_seconds(run_plain_decode, s) * 1e-9;
    double seconds = best_seconds(run_encode, s);
    double bytes = (double)s->encoder.total_bytes;
    bench_report_add(&report, "codec/batch encode, pieces", bytes / seconds * 1e-9, "GB/s", bar,
                     plain_in, BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "codec/batch encode, one run",
                     bytes / best_seconds(run_encode_to, s) * 1e-9, "GB/s", bar, plain_in,
                     BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "codec/batch decode", bytes / best_seconds(run_decode, s) * 1e-9,
                     "GB/s", bar, plain_out, BENCH_MORE_IS_BETTER);
    struct batch *whole = s->batch;
    s->batch = select_half(s->pool, whole);
    seconds = best_seconds(run_encode, s);
    bench_report_add(&report, "codec/batch encode, half selected",
                     (double)s->encoder.total_bytes / seconds * 1e-9, "GB/s", bar, plain_in,
                     BENCH_MORE_IS_BETTER);
    batch_unref(s->batch);
    s->batch = whole;
}

static void measure_rows(struct subject *s)
{
    bench_report_add(&report, "codec/row encode", ROWS / best_seconds(run_row_encode, s) * 1e-6,
                     "M rows/s", 0, 0, BENCH_MORE_IS_BETTER);
    str_clear(&s->text);
    int rc = row_encode(s->batch, 7, &(struct row_encoding){0}, &s->text, NULL);
    ASSERT(rc == 0);
    bench_report_add(&report, "codec/row decode", ROWS / best_seconds(run_row_decode, s) * 1e-6,
                     "M rows/s", 0, 0, BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "codec/key encode, BIGINT and STRING",
                     ROWS / best_seconds(run_key_encode, s) * 1e-6, "M rows/s", 0, 0,
                     BENCH_MORE_IS_BETTER);
}

int main(void)
{
    struct subject s = {.text = STR_INIT};
    s.pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    s.schema = make_schema();
    s.batch = make_batch(s.pool, s.schema);
    batch_encoder_init(&s.encoder, s.pool);
    s.frame = buffer_get(s.pool, 1024 * 1024);
    s.plain = (struct plain){
        .a = COLUMN_VALUES(&s.batch->columns[0], const int64_t),
        .b = COLUMN_VALUES(&s.batch->columns[1], const int64_t),
        .c = COLUMN_VALUES(&s.batch->columns[2], const int32_t),
        .t = COLUMN_VALUES(&s.batch->columns[3], const int64_t),
        .views = COLUMN_VALUES(&s.batch->columns[4], const struct view),
        .data = (const struct buffer *const *)s.batch->columns[4].data,
    };
    s.plain_bytes = mem_zalloc(1024 * 1024);
    s.plain_views = MEM_NEW_ARRAY(struct view, ROWS);
    builder_init(&s.rows, s.pool, s.schema, ROWS);
    measure_batches(&s);
    measure_rows(&s);
    bench_report_print(&report);
    builder_fini(&s.rows);
    str_fini(&s.text);
    mem_free(s.plain_views);
    mem_free(s.plain_bytes);
    buffer_unref(s.frame);
    batch_encoder_fini(&s.encoder);
    batch_unref(s.batch);
    schema_unref(s.schema);
    buffer_pool_close(s.pool);
    return s.sum == 0;
}
