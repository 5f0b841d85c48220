/* Operators alone, by the harness, per CPU second of the one thread; beside each a plain C program that
 * does the same work on arrays without batches, state or operators. */
#include "bench/report.h"
#include "engine/data/builder.h"
#include "engine/data/hash.h"
#include "engine/operators/harness.h"
#include "proto/operators.pb-c.h"

#include <math.h>
#include <stdlib.h>

enum {
    ROWS = BATCH_ROWS_TARGET,
    RING = 64,        /* batches made beforehand: 131,072 rows */
    RING_MANY = 3072, /* for many keys: 6.3 million rows */
    REPEATS = 5,
};

FLINC_STRUCT(number, FLINC_INT64(v));
FLINC_STRUCT(word_count, FLINC_STRING(word), FLINC_INT64(count));
FLINC_STRUCT(pair, FLINC_INT64(key), FLINC_INT64(value));
FLINC_STRUCT(line, FLINC_STRING(text));

#define FN(fn_kind, f)                                           \
    {                                                            \
        .kind = (fn_kind), .call = (flinc_any_fn)(f), .name = #f \
    }

static volatile uint64_t sink_value; /* keeps results alive */

static struct harness *start(const struct harness_options *options)
{
    struct error err = ERROR_INIT;
    struct harness *h = NULL;
    bench_check(harness_new(options, &h, &err), &err);
    bench_check(harness_open(h, &err), &err);
    return h;
}

static void push(struct harness *h, struct batch *take_batch)
{
    struct error err = ERROR_INIT;
    bench_check(harness_push(h, 0, take_batch, &err), &err);
}

/* Best of a few runs: millions of rows per CPU second. */
static double best_rate(void (*run)(void *arg), void *arg, double rows)
{
    double best = 0;
    for (int i = 0; i < REPEATS; i++) {
        double t = bench_cpu_seconds();
        run(arg);
        double rate = rows / (bench_cpu_seconds() - t) * 1e-6;
        best = rate > best ? rate : best;
    }
    return best;
}

static void sink(void *arg, uint32_t output, struct batch *take_batch)
{
    *(uint64_t *)arg += take_batch->n_sel;
    batch_unref(take_batch);
}

static void pass_on(void *arg, uint32_t output, struct batch *take_batch)
{
    push(arg, take_batch);
}

/* ---- map + filter ------------------------------------------------------------------------------ */

static int map_batch(flinc_ctx *ctx, const flinc_batch *in, flinc_batch_out *out)
{
    const int64_t *restrict from = flinc_batch_int64(in, 0);
    int64_t *restrict to = flinc_batch_out_column(out, 0);
    for (uint32_t i = 0; i < in->n_rows; i++) {
        to[i] = from[i] * 3 + 1;
    }
    return 0;
}

static int filter_batch(flinc_ctx *ctx, const flinc_batch *in, uint16_t *restrict ret_rows)
{
    const int64_t *v = flinc_batch_int64(in, 0);
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->n_selected; i++) {
        uint32_t row = flinc_batch_row(in, i);
        ret_rows[n] = (uint16_t)row;
        n += (v[row] & 4) != 0;
    }
    return (int)n;
}

static int map_row(flinc_ctx *ctx, const number *in, number *out)
{
    out->v = in->v * 3 + 1;
    return 0;
}

static int filter_row(flinc_ctx *ctx, const number *in)
{
    return (in->v & 4) != 0;
}

struct chain {
    struct harness *map, *filter;
    uint64_t kept;
    int batches;
};

static void run_chain(void *arg)
{
    struct chain *c = arg;
    struct buffer_pool *pool = harness_pool(c->map);
    const struct schema *schema = harness_input_schema(c->map, 0);
    int64_t next = 0;
    for (int k = 0; k < c->batches; k++) {
        struct batch *b = batch_new(pool, schema);
        struct buffer *values = buffer_get(pool, ROWS * sizeof(int64_t));
        int64_t *v = (int64_t *)(void *)values->data;
        for (int i = 0; i < ROWS; i++) {
            v[i] = next++;
        }
        values->size = ROWS * sizeof(int64_t);
        column_set_values(&b->columns[0], values);
        b->n_rows = b->n_sel = ROWS;
        push(c->map, b);
    }
    sink_value += c->kept;
}

static double chain_rate(bool by_batch, int batches)
{
    struct chain c = {.batches = batches};
    c.filter = start(&(struct harness_options){
        .kind = "flinc.filter",
        .functions = {by_batch ? (struct harness_function)FN(FLINC_FN_BATCH_FILTER, filter_batch)
                               : (struct harness_function)FN(FLINC_FN_FILTER, filter_row)},
        .inputs = {FLINC_TYPE(number)},
        .outputs = {FLINC_TYPE(number)},
        .batch_callback = by_batch,
        .on_batch = sink,
        .on_batch_arg = &c.kept});
    c.map = start(&(struct harness_options){
        .kind = "flinc.map",
        .functions = {by_batch ? (struct harness_function)FN(FLINC_FN_BATCH_MAP, map_batch)
                               : (struct harness_function)FN(FLINC_FN_MAP, map_row)},
        .inputs = {FLINC_TYPE(number)},
        .outputs = {FLINC_TYPE(number)},
        .batch_callback = by_batch,
        .on_batch = pass_on,
        .on_batch_arg = c.filter});
    double rate = best_rate(run_chain, &c, (double)batches * ROWS);
    harness_free(c.map);
    harness_free(c.filter);
    return rate;
}

/* The same by loops over arrays. */
static void plain_arrays(void *arg)
{
    static int64_t in[ROWS], out[ROWS];
    static uint16_t rows[ROWS];
    int64_t next = 0;
    uint64_t kept = 0;
    for (int k = 0; k < *(int *)arg; k++) {
        for (int i = 0; i < ROWS; i++) {
            in[i] = next++;
        }
        for (int i = 0; i < ROWS; i++) {
            out[i] = in[i] * 3 + 1;
        }
        uint32_t n = 0;
        for (int i = 0; i < ROWS; i++) {
            rows[n] = (uint16_t)i;
            n += (out[i] & 4) != 0;
        }
        kept += n;
        sink_value += rows[n / 2];
    }
    sink_value += kept;
}

/* The same by calls per record. */
static void plain_calls(void *arg)
{
    /* Called by address, as an engine must. */
    int (*volatile map_address)(flinc_ctx *, const number *, number *) = map_row;
    int (*volatile filter_address)(flinc_ctx *, const number *) = filter_row;
    int (*map_fn)(flinc_ctx *, const number *, number *) = map_address;
    int (*filter_fn)(flinc_ctx *, const number *) = filter_address;
    uint64_t kept = 0;
    int64_t next = 0;
    for (int k = 0; k < *(int *)arg * ROWS; k++) {
        number in = {next++}, out;
        (void)map_fn(NULL, &in, &out);
        kept += (uint64_t)filter_fn(NULL, &out);
    }
    sink_value += kept;
}

/* ---- keyed sums -------------------------------------------------------------------------------- */

/* Batches of (key, number): words of 2 to 10 bytes or int64 keys; `skewed` like words of a text. */
struct keyed_input {
    struct batch **batches; /* Owns */
    int n_batches;
    struct schema *schema;
    uint32_t n_keys;
    bool words, skewed;
};

static uint32_t pick(const struct keyed_input *in, struct rng *rng)
{
    if (!in->skewed) {
        return (uint32_t)rng_below(rng, in->n_keys);
    }
    /* Rank by a power law with exponent 1: half of a text are its 100 most frequent words. */
    return (uint32_t)(exp(rng_double(rng) * log((double)in->n_keys))) - 1;
}

static void make_input(struct keyed_input *in, struct buffer_pool *pool)
{
    struct rng rng;
    struct builder b;
    static const uint32_t key_column = 0;
    rng_init(&rng, 42);
    in->batches = MEM_NEW_ARRAY(struct batch *, (size_t)in->n_batches);
    builder_init(&b, pool, in->schema, ROWS);
    for (int k = 0; k < in->n_batches; k++) {
        for (int i = 0; i < ROWS; i++) {
            uint32_t key = pick(in, &rng);
            char text[16];
            int len = snprintf(text, sizeof(text), "%.*s%x", (int)(key % 5), &"word"[key % 3], key);
            builder_begin(&b);
            if (in->words) {
                flinc_out_put_string(&b.out, 0, (flinc_string){text, (size_t)len});
            } else {
                flinc_out_put_int64(&b.out, 0, (int64_t)key * 977);
            }
            flinc_out_put_int64(&b.out, 1, 1);
            builder_end_row(&b);
        }
        in->batches[k] = builder_finish(&b);
        batch_hash_keys(pool, in->batches[k], &key_column, 1);
    }
    builder_fini(&b);
}

static void free_input(struct keyed_input *in)
{
    for (int k = 0; k < in->n_batches; k++) {
        batch_unref(in->batches[k]);
    }
    mem_free(in->batches);
}

struct keyed_run {
    struct harness *h;
    struct keyed_input in;
    uint64_t results;
    int rounds;
    bool hashed; /* by an exchange in front; else the operator hashes */
};

static void run_keyed(void *arg)
{
    struct keyed_run *r = arg;
    for (int round = 0; round < r->rounds; round++) {
        for (int k = 0; k < r->in.n_batches; k++) {
            struct batch *b = batch_make_unique(harness_pool(r->h), batch_ref(r->in.batches[k]));
            if (!r->hashed) {
                b->hashes = buffer_unref(b->hashes);
            }
            push(r->h, b);
        }
    }
    sink_value += r->results;
}

static double keyed_rate(struct keyed_run *r, uint32_t flags)
{
    Flinc__KeyedAggregateConfig config = FLINC__KEYED_AGGREGATE_CONFIG__INIT;
    uint32_t key = 0;
    config.n_key_columns = 1;
    config.key_columns = &key;
    config.column = 1;
    const flinc_struct *type = r->in.words ? FLINC_TYPE(word_count) : FLINC_TYPE(pair);
    r->h = start(&(struct harness_options){.kind = "flinc.keyed_aggregate",
                                           .inputs = {type},
                                           .outputs = {type},
                                           .config = &config.base,
                                           .flags = flags,
                                           .on_batch = sink,
                                           .on_batch_arg = &r->results});
    r->in.schema = schema_ref(harness_input_schema(r->h, 0));
    make_input(&r->in, harness_pool(r->h));
    double rate = best_rate(run_keyed, r, (double)r->rounds * r->in.n_batches * ROWS);
    free_input(&r->in);
    harness_free(r->h);
    schema_unref(r->in.schema);
    return rate;
}

/* Plain open addressing over arrays of (16-byte word, hash, number), with running sums written. */
struct plain_entry {
    uint64_t w0, w1;
    int64_t sum;
    uint64_t used;
};

struct plain_sum {
    struct keyed_input in;
    struct plain_entry *table;
    uint64_t mask;
    uint64_t *words; /* two per row */
    uint64_t *hashes;
    int64_t *values;
    int rounds;
};

static void run_plain_sum(void *arg)
{
    struct plain_sum *p = arg;
    static int64_t out[ROWS];
    for (int round = 0; round < p->rounds; round++) {
        for (int k = 0; k < p->in.n_batches; k++) {
            const uint64_t *words = p->words + (size_t)k * ROWS * 2;
            const uint64_t *hashes = p->hashes + (size_t)k * ROWS;
            const int64_t *values = p->values + (size_t)k * ROWS;
            for (int i = 0; i < ROWS; i++) {
                uint64_t w0 = words[i * 2], w1 = words[i * 2 + 1], at = hashes[i] & p->mask;
                struct plain_entry *e = &p->table[at];
                while (e->used && (e->w0 != w0 || e->w1 != w1)) {
                    at = (at + 1) & p->mask;
                    e = &p->table[at];
                }
                e->w0 = w0;
                e->w1 = w1;
                e->used = 1;
                out[i] = e->sum += values[i];
            }
            sink_value += (uint64_t)out[ROWS - 1];
        }
    }
}

static double plain_sum_rate(const struct keyed_input *in, int rounds)
{
    struct plain_sum p = {.in = *in, .rounds = rounds};
    const bool words = in->words;
    const uint32_t n_keys = in->n_keys;
    const size_t n_rows = (size_t)in->n_batches * ROWS;
    struct buffer_pool *pool = buffer_pool_new(&(struct buffer_pool_options){.name = "plain"});
    struct schema *schema =
        harness_struct_schema(words ? FLINC_TYPE(word_count) : FLINC_TYPE(pair));
    buffer_pool_adopt(pool);
    p.in.schema = schema;
    make_input(&p.in, pool);
    p.mask = 1;
    while (p.mask < (uint64_t)n_keys * 2) {
        p.mask *= 2;
    }
    p.table = mem_zalloc(p.mask * sizeof(*p.table));
    p.mask--;
    p.words = MEM_NEW_ARRAY(uint64_t, n_rows * 2);
    p.hashes = MEM_NEW_ARRAY(uint64_t, n_rows);
    p.values = MEM_NEW_ARRAY(int64_t, n_rows);
    for (int k = 0; k < p.in.n_batches; k++) {
        const struct batch *b = p.in.batches[k];
        for (int i = 0; i < ROWS; i++) {
            size_t at = (size_t)k * ROWS + (size_t)i;
            if (words) {
                memcpy(&p.words[at * 2], COLUMN_VALUES(&b->columns[0], char) + i * 16, 16);
            } else {
                p.words[at * 2] = COLUMN_VALUES(&b->columns[0], uint64_t)[i];
            }
            p.hashes[at] = ((const uint64_t *)(const void *)b->hashes->data)[i];
            p.values[at] = 1;
        }
    }
    free_input(&p.in);
    double rate = best_rate(run_plain_sum, &p, (double)rounds * (double)n_rows);
    mem_free(p.table);
    mem_free(p.words);
    mem_free(p.hashes);
    mem_free(p.values);
    schema_unref(schema);
    buffer_pool_close(pool);
    return rate;
}

/* ---- flatMap ----------------------------------------------------------------------------------- */

static int split(flinc_ctx *ctx, const line *in, flinc_out *out)
{
    const char *p = in->text.data, *end = p + in->text.len;
    while (p < end) {
        const char *from = p;
        while (p < end && *p != ' ') {
            p++;
        }
        if (p > from &&
            FLINC_EMIT(out, word_count, .word = {from, (size_t)(p - from)}, .count = 1) < 0) {
            return -1;
        }
        p++;
    }
    return 0;
}

enum { WORDS_PER_LINE = 10, LINES = ROWS };
static const char *const line_text = "the quick brown fox jumps over the lazy sleeping dog";

struct flat_run {
    struct harness *h;
    struct batch *lines;
    uint64_t results;
    int rounds;
};

static void run_flat_map(void *arg)
{
    struct flat_run *r = arg;
    for (int i = 0; i < r->rounds; i++) {
        push(r->h, batch_ref(r->lines));
    }
    sink_value += r->results;
}

static double flat_map_rate(int rounds)
{
    struct flat_run r = {.rounds = rounds};
    struct builder b;
    r.h = start(&(struct harness_options){.kind = "flinc.flat_map",
                                          .functions = {FN(FLINC_FN_FLAT_MAP, split)},
                                          .inputs = {FLINC_TYPE(line)},
                                          .outputs = {FLINC_TYPE(word_count)},
                                          .on_batch = sink,
                                          .on_batch_arg = &r.results});
    builder_init(&b, harness_pool(r.h), harness_input_schema(r.h, 0), LINES);
    b.target_bytes = UINT64_MAX;
    for (int i = 0; i < LINES; i++) {
        builder_begin(&b);
        flinc_out_put_string(&b.out, 0, flinc_cstring(line_text));
        builder_end_row(&b);
    }
    r.lines = builder_finish(&b);
    double rate = best_rate(run_flat_map, &r, (double)rounds * LINES * WORDS_PER_LINE);
    batch_unref(r.lines);
    builder_fini(&b);
    harness_free(r.h);
    return rate;
}

/* Words as pointers and lengths in an array, and a one beside each. */
static void plain_split(void *arg)
{
    static flinc_string words[ROWS];
    static int64_t counts[ROWS];
    size_t len = strlen(line_text);
    uint32_t n = 0;
    for (int k = 0; k < *(int *)arg * LINES; k++) {
        const char *p = line_text, *end = p + len;
        __asm__ volatile("" : "+r"(p));
        while (p < end) {
            const char *from = p;
            while (p < end && *p != ' ') {
                p++;
            }
            if (p > from) {
                words[n] = (flinc_string){from, (size_t)(p - from)};
                counts[n] = 1;
                n = (n + 1) % ROWS;
            }
            p++;
        }
    }
    sink_value += words[n].len + (uint64_t)counts[n];
}

/* ---- report ------------------------------------------------------------------------------------ */

static void report_keyed(struct bench_report *report, const char *name, struct keyed_run run,
                         uint32_t flags, double bar, double limit)
{
    bench_report_add(report, name, keyed_rate(&run, flags), "M rows/s", bar, limit,
                     BENCH_MORE_IS_BETTER);
}

int main(void)
{
    static struct bench_report report;
    int batches = 50000, calls = 10000, rounds = 100;
    bench_report_add(&report, "ops: map + filter, batch callbacks", chain_rate(true, batches),
                     "M rows/s", 500, best_rate(plain_arrays, &batches, (double)batches * ROWS),
                     BENCH_MORE_IS_BETTER);
    bench_report_add(&report, "ops: map + filter, row callbacks", chain_rate(false, calls),
                     "M rows/s", 50, best_rate(plain_calls, &calls, (double)calls * ROWS),
                     BENCH_MORE_IS_BETTER);
    int lines = 500;
    bench_report_add(&report, "ops: flatMap, words of 10 per line", flat_map_rate(lines),
                     "M words/s", 0,
                     best_rate(plain_split, &lines, (double)lines * LINES * WORDS_PER_LINE),
                     BENCH_MORE_IS_BETTER);

    struct keyed_run words = {
        .in = {.n_batches = RING, .n_keys = 5000, .words = true, .skewed = true},
        .rounds = rounds,
        .hashed = true};
    double limit = plain_sum_rate(&words.in, rounds);
    report_keyed(&report, "ops: sum by 5,000 words, rolling", words, 0, 60, limit);
    report_keyed(&report, "ops: sum by 5,000 words, final", words, OP_FLAG_BATCH_MODE, 60, limit);
    words.hashed = false;
    report_keyed(&report, "ops: sum by 5,000 words, rolling, with hashing", words, 0, 0, limit);

    struct keyed_run numbers = {
        .in = {.n_batches = RING, .n_keys = 5000}, .rounds = rounds, .hashed = true};
    report_keyed(&report, "ops: sum by 5,000 int64 keys, rolling", numbers, 0, 0,
                 plain_sum_rate(&numbers.in, rounds));
    struct keyed_run many = {
        .in = {.n_batches = RING_MANY, .n_keys = 10 * 1000 * 1000}, .rounds = 1, .hashed = true};
    report_keyed(&report, "ops: sum by 5 million int64 keys, rolling", many, 0, 0,
                 plain_sum_rate(&many.in, 1));
    bench_report_print(&report);
    return 0;
}
