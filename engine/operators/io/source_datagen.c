/* flinc.source.datagen: records made by a user's function of the index, or of random fields, at a rate.
 *
 * Index i of n belongs to subtask i mod parallelism at first; what is left of the indices is list state
 * (index_ranges.h).  Random fields depend on seed and index alone, so that the same records are made at
 * any parallelism and after any restart.  With a rate, each subtask makes its share of what is due by the clock: nothing at the
 * start, and no more than ROW_RATE_BURST_MS worth of records after it was held up.
 * Flink: DataGeneratorSource, RateLimiterStrategy. */
#include "engine/operators/io/index_ranges.h"
#include "engine/operators/io/row_rate.h"
#include "engine/operators/registry.h"
#include "engine/operators/row_reader.h"
#include "engine/operators/user_function.h"
#include "proto/operators.pb-c.h"

enum {
    DATAGEN_TEXT_BYTES = 16, /* of random strings */
    DATAGEN_EMIT_MAX = 4,    /* batches of one poll: wide records fill several */
    DATAGEN_DAYS = 36525,    /* random dates and timestamps lie in the hundred years from 1970 */
    MS_PER_DAY = 24 * 60 * 60 * 1000,
};

typedef int (*generate_fn)(flinc_ctx *ctx, int64_t index, void *out);

struct datagen_source {
    struct operator op;
    struct op_context *ctx; /* Borrows */
    struct user_functions functions;
    bool has_function;
    struct row_writer writer;
    char *texts; /* Borrows: the task's arena; DATAGEN_TEXT_BYTES per field */
    uint64_t seed;
    struct rng rng;             /* of the record at hand */
    struct index_ranges ranges; /* of indices that are left */
    int64_t next;               /* index of the next record, of `run` that were taken */
    uint64_t stride;
    uint32_t run;
    uint32_t emitted; /* batches in this poll */
    struct row_rate rate;
    struct io_pending pending;
};

/* A batch is full. */
static int datagen_emit(void *arg, struct builder *b)
{
    struct datagen_source *s = arg;

    s->emitted++;
    op_emit(s->ctx, 0, builder_finish(b));
    return 0;
}

static int apply_config(struct datagen_source *s, struct op_context *ctx,
                        const Flinc__DatagenSourceConfig *c, struct error *err)
{
    if (c == NULL || c->record == NULL || !(c->rows_per_second >= 0)) {
        return error_set(err, ERR_PARSE, "the configuration of the data generator is damaged");
    }
    s->ctx = ctx;
    s->seed = c->seed;
    row_rate_init(&s->rate, c->rows_per_second, ctx);
    TRY(row_writer_init(&s->writer, c->record, ctx->output_schemas[0],
                        "the record of the data generator", ctx->pool, BATCH_ROWS_TARGET, err));
    row_writer_on_full(&s->writer, datagen_emit, s);
    s->texts = arena_alloc(ctx->arena, (size_t)s->writer.layout.n_fields * DATAGEN_TEXT_BYTES);
    return 0;
}

static void tell_pending(struct datagen_source *s)
{
    int64_t left = index_ranges_left(&s->ranges);

    row_rate_tell_pending(&s->rate, &s->pending,
                          left < INT64_MAX - s->run ? left + s->run : INT64_MAX);
}

static int datagen_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    static const uint32_t kinds[] = {FLINC_FN_GENERATE};
    struct datagen_source *s = (struct datagen_source *)op;
    Flinc__DatagenSourceConfig *c =
        flinc__datagen_source_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    struct index_range share = {ctx->subtask, INT64_MAX, ctx->parallelism};
    int rc = apply_config(s, ctx, c, err);
    bool has_end = c != NULL && c->count >= 0;

    if (has_end) {
        share.last = c->count - 1;
    }
    if (c != NULL) {
        flinc__datagen_source_config__free_unpacked(c, NULL);
    }
    TRY(rc);
    TRY(index_ranges_open(&s->ranges, ctx, share.next <= share.last ? &share : NULL, err));
    row_rate_open_pending(&s->rate, &s->pending, ctx, has_end);
    tell_pending(s);
    s->has_function = ctx->spec->n_functions > 0;
    return s->has_function ? user_functions_open(&s->functions, ctx, kinds, 1, err) : 0;
}

/* ---- records ------------------------------------------------------------------------------------------ */

/* A random value within what the type means. */
static int64_t random_integer(struct rng *rng, enum type_id type)
{
    switch (type) {
    case TYPE_DATE:
        return (int64_t)rng_below(rng, DATAGEN_DAYS);
    case TYPE_TIME:
        return (int64_t)rng_below(rng, MS_PER_DAY);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return (int64_t)rng_below(rng, (uint64_t)DATAGEN_DAYS * MS_PER_DAY);
    default:
        return (int64_t)rng_next(rng);
    }
}

static void random_field(struct datagen_source *s, const struct record_field *f, char *record,
                         char text[DATAGEN_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    const struct data_type *type = s->writer.layout.schema->fields[f->column].type;
    flinc_string string = {text, DATAGEN_TEXT_BYTES};
    uint64_t bits;
    int64_t integer;
    double d;
    float d32;

    switch (f->layout) {
    case LAYOUT_VIEW:
        bits = rng_next(&s->rng);
        for (int i = 0; i < DATAGEN_TEXT_BYTES; i++) {
            text[i] = digits[bits >> (4 * i) & 15];
        }
        memcpy(record + f->offset, &string, sizeof(string));
        return;
    case LAYOUT_F32:
        d32 = (float)rng_double(&s->rng);
        memcpy(record + f->offset, &d32, sizeof(d32));
        return;
    case LAYOUT_F64:
        d = rng_double(&s->rng);
        memcpy(record + f->offset, &d, sizeof(d));
        return;
    case LAYOUT_BIT:
        record[f->offset] = (char)(rng_next(&s->rng) & 1);
        return;
    default: /* little-endian: the leading bytes are a narrower integer */
        integer = random_integer(&s->rng, type->id);
        memcpy(record + f->offset, &integer, MIN((size_t)f->width, sizeof(integer)));
        return;
    }
}

static void random_record(struct datagen_source *s, char *record)
{
    const struct record_layout *l = &s->writer.layout;

    rng_init(&s->rng, s->seed * UINT64_C(0x9e3779b97f4a7c15) +
                          (uint64_t)s->next * UINT64_C(0xbf58476d1ce4e5b9));

    for (uint32_t i = 0; i < l->n_fields; i++) {
        random_field(s, &l->fields[i], record, s->texts + (size_t)i * DATAGEN_TEXT_BYTES);
    }
}

/* The next `n` records, side by side from `record` on. */
static int generate_records(struct datagen_source *s, uint32_t n, char *record, struct error *err)
{
    struct user_function *f = &s->functions.items[0];
    const generate_fn call = (generate_fn)f->call;
    const size_t size = s->writer.layout.size;
    uint64_t index = (uint64_t)s->next;

    TRY(user_function_check_cancelled(f, err));
    for (uint32_t i = 0; i < n; i++) {
        int rc = call(&f->ctx, (int64_t)index, record);
        if (UNLIKELY(rc < 0)) {
            return user_function_failed(f, rc, err);
        }
        record += size;
        index += s->stride;
    }
    return user_function_check(f, err);
}

/* Some of the next records, at most `most`. */
static int make_some(struct datagen_source *s, uint32_t most, uint32_t *ret_n, struct error *err)
{
    char *record = row_writer_record(&s->writer);
    uint32_t n = MIN(most, row_writer_room(&s->writer));

    if (s->has_function) {
        n = MIN(n, (uint32_t)USER_CANCEL_ROWS);
        TRY(generate_records(s, n, record, err));
    } else {
        n = 1;
        random_record(s, record);
    }
    row_writer_add_many(&s->writer, n);
    s->next = (int64_t)((uint64_t)s->next + n * s->stride);
    s->run -= n;
    *ret_n = n;
    return 0;
}

/* Up to n records, fewer when they are wide.  A run that was taken is finished first. */
static int make_records(struct datagen_source *s, uint32_t n, uint32_t *ret_made, struct error *err)
{
    uint32_t made = 0, some = 0;

    for (; made < n && s->emitted < DATAGEN_EMIT_MAX; made += some) {
        if (s->run == 0) {
            s->run = index_ranges_take(&s->ranges, n - made, &s->next, &s->stride);
        }
        if (s->run == 0) {
            break;
        }
        TRY(make_some(s, MIN(n - made, s->run), &some, err));
    }
    *ret_made = made;
    return row_writer_check(&s->writer, err);
}

static int datagen_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct datagen_source *s = (struct datagen_source *)op;
    uint32_t made = 0;

    if (s->run == 0 && index_ranges_is_empty(&s->ranges)) {
        return OP_END;
    }
    uint32_t n = row_rate_allowance(&s->rate, op_batch_rows(ctx));
    if (n == 0) {
        op_wake_after(ctx, row_rate_wake_ms(&s->rate));
        return OP_IDLE;
    }
    s->emitted = 0;
    TRY(make_records(s, n, &made, err));
    row_rate_take(&s->rate, made);
    tell_pending(s);
    struct batch *b = row_writer_finish(&s->writer);
    if (b != NULL) {
        op_emit(ctx, 0, b);
    }
    return OP_DONE;
}

/* Between two polls nothing is half built.  A run that wide records broke off goes back. */
static int datagen_snapshot(struct operator* op, struct op_context *ctx,
                            const struct op_checkpoint *checkpoint, struct error *err)
{
    struct datagen_source *s = (struct datagen_source *)op;

    (void)ctx;
    (void)checkpoint;
    if (s->run > 0) {
        int64_t last = (int64_t)((uint64_t)s->next + (s->run - 1) * s->stride);
        index_ranges_add(&s->ranges, (struct index_range){s->next, last, s->stride});
        s->run = 0;
    }
    return index_ranges_snapshot(&s->ranges, err);
}

static void datagen_close(struct operator* op, struct op_context *ctx)
{
    struct datagen_source *s = (struct datagen_source *)op;

    (void)ctx;
    user_functions_close(&s->functions);
    index_ranges_fini(&s->ranges);
    row_writer_fini(&s->writer);
}

const struct operator_desc operator_source_datagen = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.source.datagen",
    .summary = "generated records, at a rate",
    .instance_size = sizeof(struct datagen_source),
    .n_inputs = 0,
    .open = datagen_open,
    .poll = datagen_poll,
    .snapshot = datagen_snapshot,
    .close = datagen_close,
};
