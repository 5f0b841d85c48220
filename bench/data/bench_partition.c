/* Hash partition of full batches: 2,048 rows of four int64 columns and a string of 54 to 82 bytes, to
 * 2, 8 and 64 channels; hashing the key, splitting, copying, handing out full batches and recycling
 * their buffers.  Rates are per CPU second of the one thread.
 *
 * Beside it the limit: the same work in plain C over static arrays, without types, NULLs, batches or
 * buffers; once with string bytes copied (what we do), once with views only. */
#include "bench/report.h"
#include "engine/data/partition.h"
#include <stdlib.h>

enum {
    ROWS = BATCH_ROWS_TARGET,
    INT_COLUMNS = 4,
    SOURCES = 2, /* batches in use in turn: they stay in L2, as an operator's output does */
    STRING_MAX = 128,
    ROUNDS = 4000,
    REPEATS = 5,
};

static const uint32_t CHANNELS[] = {2, 8, 64};
static const double BARS[] = {80, 80, 40};

static uint64_t random_bits(uint64_t i)
{
    i = (i ^ (i >> 30)) * 0xbf58476d1ce4e5b9u;
    i = (i ^ (i >> 27)) * 0x94d049bb133111ebu;
    return i ^ (i >> 31);
}

static uint32_t random_length(uint64_t r)
{
    return 54 + (uint32_t)(r >> 8 & 0xff) * 28 / 256;
}

/* ---- the limit --------------------------------------------------------------------------------- */

struct plain_view {
    uint32_t offset, length;
    uint64_t prefix;
};

struct plain_batch {
    int64_t ints[INT_COLUMNS][ROWS * 2];
    struct plain_view views[ROWS * 2];
    uint32_t n, used;
    char *bytes;
};

static void plain_fill(struct plain_batch *b, uint64_t seed)
{
    b->used = 0;
    for (uint32_t i = 0; i < ROWS; i++) {
        uint64_t r = random_bits(seed * ROWS + i);
        b->ints[0][i] = (int64_t)(r % 1000003);
        b->ints[1][i] = (int64_t)(r >> 40);
        b->ints[2][i] = (int64_t)(r >> 20 & 0xffff);
        b->ints[3][i] = (int64_t)seed;
        b->views[i] = (struct plain_view){b->used, random_length(r), 0};
        memset(b->bytes + b->used, 'a' + (int)(r & 15), b->views[i].length);
        b->used += b->views[i].length;
    }
    b->n = ROWS;
}

/* One batch into the channels; full ones are "handed on" by emptying them. */
__attribute__((target_clones("avx512f", "avx2", "default"))) static uint64_t
plain_partition(const struct plain_batch *in, struct plain_batch *out, uint32_t channels, bool copy)
{
    uint8_t channel[ROWS];
    uint16_t rows[ROWS];
    uint16_t start[66] = {0};
    uint16_t at[64];
    uint64_t handed_on = 0;
    for (int i = 0; i < ROWS; i++) {
        uint64_t h = (uint64_t)in->ints[0][i] * 0x9e3779b97f4a7c15u;
        channel[i] = (uint8_t)((h >> 32) * channels >> 32);
    }
    for (int i = 0; i < ROWS; i++) {
        start[channel[i] + 1]++;
    }
    for (uint32_t c = 0; c < channels; c++) {
        start[c + 1] = (uint16_t)(start[c + 1] + start[c]);
        at[c] = start[c];
    }
    for (int i = 0; i < ROWS; i++) {
        rows[at[channel[i]]++] = (uint16_t)i;
    }
    for (uint32_t c = 0; c < channels; c++) {
        struct plain_batch *o = &out[c];
        const uint16_t *r = rows + start[c];
        uint32_t n = (uint32_t)(start[c + 1] - start[c]);
        if (o->n + n > ROWS) {
            handed_on += o->n;
            o->n = 0;
            o->used = 0;
        }
        for (int k = 0; k < INT_COLUMNS; k++) {
            int64_t *to = o->ints[k] + o->n;
            const int64_t *from = in->ints[k];
            for (uint32_t i = 0; i < n; i++) {
                to[i] = from[r[i]];
            }
        }
        struct plain_view *to = o->views + o->n;
        if (copy) {
            uint32_t used = o->used;
            for (uint32_t i = 0; i < n; i++) {
                struct plain_view v = in->views[r[i]];
                memcpy(o->bytes + used, in->bytes + v.offset, 64);
                memcpy(o->bytes + used + 64, in->bytes + v.offset + 64, 32);
                to[i] = (struct plain_view){used, v.length, v.prefix};
                used += v.length;
            }
            o->used = used;
        } else {
            for (uint32_t i = 0; i < n; i++) {
                to[i] = in->views[r[i]];
            }
        }
        o->n += n;
    }
    return handed_on;
}

static double plain_rate(uint32_t channels, bool copy)
{
    size_t bytes = (size_t)ROWS * 2 * STRING_MAX;
    struct plain_batch *in = MEM_NEW_ARRAY(struct plain_batch, SOURCES);
    struct plain_batch *out = MEM_NEW_ARRAY(struct plain_batch, channels);
    for (uint32_t i = 0; i < SOURCES; i++) {
        in[i].bytes = mem_zalloc(bytes);
        plain_fill(&in[i], i);
    }
    for (uint32_t i = 0; i < channels; i++) {
        out[i].bytes = mem_zalloc(bytes);
    }
    double best = 0;
    volatile uint64_t sink = 0;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double t = bench_cpu_seconds();
        for (int round = 0; round < ROUNDS; round++) {
            sink += plain_partition(&in[round % SOURCES], out, channels, copy);
        }
        (void)sink;
        double rate = (double)ROUNDS * ROWS / (bench_cpu_seconds() - t) * 1e-6;
        best = rate > best ? rate : best;
    }
    for (uint32_t i = 0; i < SOURCES; i++) {
        mem_free(in[i].bytes);
    }
    for (uint32_t i = 0; i < channels; i++) {
        mem_free(out[i].bytes);
    }
    mem_free(in);
    mem_free(out);
    return best;
}

/* ---- ours -------------------------------------------------------------------------------------- */

static struct batch *make_batch(struct buffer_pool *pool, const struct schema *schema,
                                uint64_t seed)
{
    struct builder b;
    builder_init(&b, pool, schema, ROWS);
    b.target_bytes = UINT64_MAX;
    for (uint32_t i = 0; i < ROWS; i++) {
        uint64_t r = random_bits(seed * ROWS + i);
        char bytes[STRING_MAX];
        memset(bytes, 'a' + (int)(r & 15), sizeof(bytes));
        builder_put_i64(&b, 0, (int64_t)(r % 1000003));
        builder_put_i64(&b, 1, (int64_t)(r >> 40));
        builder_put_i64(&b, 2, (int64_t)(r >> 20 & 0xffff));
        builder_put_i64(&b, 3, (int64_t)seed);
        if (builder_put_bytes(&b, 4, bytes, random_length(r), NULL) < 0) {
            abort();
        }
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    return batch;
}

static int take_full(void *arg, struct builder *b)
{
    struct batch *batch = builder_finish(b);
    *(uint64_t *)arg += batch->n_rows;
    batch_unref(batch);
    return 0;
}

static double our_rate(uint32_t channels)
{
    struct buffer_pool *pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    buffer_pool_adopt(pool);
    struct schema *schema = NULL;
    if (schema_parse(slice_cstr("ROW<a BIGINT NOT NULL, b BIGINT NOT NULL, c BIGINT NOT NULL, "
                                "d BIGINT NOT NULL, e STRING NOT NULL>"),
                     &schema, NULL) < 0) {
        abort();
    }
    struct batch *in[SOURCES];
    for (uint32_t i = 0; i < SOURCES; i++) {
        in[i] = make_batch(pool, schema, i);
    }
    uint64_t handed_on = 0;
    struct builder *out = MEM_NEW_ARRAY(struct builder, channels);
    for (uint32_t i = 0; i < channels; i++) {
        builder_init(&out[i], pool, schema, ROWS);
        out[i].on_full = take_full;
        out[i].on_full_arg = &handed_on;
    }
    struct key_router router;
    struct partition_scratch scratch;
    key_router_init(&router, 128, channels);
    partition_scratch_init(&scratch, channels);
    const uint32_t key = 0;
    double best = 0;
    for (int repeat = 0; repeat < REPEATS; repeat++) {
        double t = bench_cpu_seconds();
        for (int round = 0; round < ROUNDS; round++) {
            struct batch *b = in[round % SOURCES];
            batch_hash_keys(pool, b, &key, 1);
            partition_by_hash(&scratch, b, &router);
            partition_sort(&scratch, b);
            if (partition_push(&scratch, b, out) < 0) {
                abort();
            }
        }
        double rate = (double)ROUNDS * ROWS / (bench_cpu_seconds() - t) * 1e-6;
        best = rate > best ? rate : best;
    }
    for (uint32_t i = 0; i < channels; i++) {
        builder_fini(&out[i]);
    }
    for (uint32_t i = 0; i < SOURCES; i++) {
        batch_unref(in[i]);
    }
    mem_free(out);
    key_router_fini(&router);
    partition_scratch_fini(&scratch);
    schema_unref(schema);
    buffer_pool_close(pool);
    return best;
}

int main(void)
{
    static struct bench_report report;
    for (size_t i = 0; i < ARRAY_LEN(CHANNELS); i++) {
        char name[80];
        double views = plain_rate(CHANNELS[i], false);
        double copied = plain_rate(CHANNELS[i], true);
        snprintf(name, sizeof(name), "hash partition to %u channels", CHANNELS[i]);
        bench_report_add(&report, name, our_rate(CHANNELS[i]), "M rows/s", BARS[i], copied,
                         BENCH_MORE_IS_BETTER);
        snprintf(name, sizeof(name), "plain C to %u channels, views only", CHANNELS[i]);
        bench_report_add(&report, name, views, "M rows/s", 0, 0, BENCH_MORE_IS_BETTER);
    }
    bench_report_print(&report);
    return 0;
}
