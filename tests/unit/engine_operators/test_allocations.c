/* The data path calls no malloc: once warm, a batch goes through each operator without one. */
#include "flinc/row.h"
#include "proto/operators.pb-c.h"
#include "tests/unit/engine_operators/fixture.h"

FLINC_STRUCT(word_count, FLINC_STRING(word), FLINC_INT64(count));
FLINC_STRUCT(noted, FLINC_STRING(word), FLINC_INT64(count), FLINC_STRING(note));

FLINC_STRUCT(tagged, FLINC_STRING(word),
             FLINC_NULLABLE(FLINC_NESTED(tags, "ARRAY<ROW<n BIGINT, s STRING>>")));

enum { WARM_UP = 50, MEASURED = 200, ROWS = 2048 };

static int map_rows(flinc_ctx *ctx, const word_count *in, word_count *out)
{
    *out = *in;
    out->count++;
    return 0;
}

static int map_batch(flinc_ctx *ctx, const flinc_batch *in, flinc_batch_out *out)
{
    int64_t *to = flinc_batch_out_column(out, 1);
    memcpy(to, flinc_batch_int64(in, 1), in->n_rows * sizeof(*to));
    return flinc_batch_out_forward(out, 0, 0);
}

static int filter_rows(flinc_ctx *ctx, const word_count *in)
{
    return in->count % 3 != 0;
}

static int filter_batch(flinc_ctx *ctx, const flinc_batch *in, uint16_t *ret_rows)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->n_selected; i += 2) {
        ret_rows[n++] = (uint16_t)flinc_batch_row(in, i);
    }
    return (int)n;
}

static int flat_map(flinc_ctx *ctx, const word_count *in, flinc_out *out)
{
    for (int64_t i = 0; i < in->count % 4; i++) {
        if (FLINC_EMIT_STRUCT(out, word_count, in) < 0) {
            return -1;
        }
    }
    return 0;
}

static int rows_open(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, flinc_ctx_struct_row(ctx, FLINC_TYPE(tagged)));
    return 0;
}

/* Writes nested values, reads them and copies some. */
static int rows(flinc_ctx *ctx, const word_count *in, flinc_out *out)
{
    flinc_row *r = flinc_ctx_user(ctx);
    flinc_row_clear(r);
    flinc_row_put_string(r, 0, in->word);
    for (int round = 0; round < 2; round++) {
        flinc_cells old = flinc_row_nested(r, 1);
        flinc_row_begin(r, 1);
        for (uint32_t i = 0; i < old.n; i++) {
            flinc_row_put_cell(r, FLINC_NEXT, old, i);
        }
        for (int64_t i = 0; i < in->count % 4; i++) {
            flinc_row_begin(r, FLINC_NEXT);
            flinc_row_put_int64(r, 0, i);
            flinc_row_put_string(r, 1, in->word);
            flinc_row_end(r);
        }
        flinc_row_end(r);
    }
    return FLINC_EMIT_STRUCT(out, tagged, (const tagged *)flinc_row_record(r));
}

static void drop(void *arg, uint32_t output, struct batch *take_batch)
{
    batch_unref(take_batch);
}

/* A batch of 500 words, a tenth of them long. */
static struct batch *make(struct builder *b)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        char text[64];
        uint32_t word = i * 7 % 500;
        int len = snprintf(text, sizeof(text), word % 10 == 0 ? "a longer word %u" : "w%u", word);
        builder_begin(b);
        for (uint32_t c = 0; c < b->out.n_columns; c++) {
            if (c == 1) {
                flinc_out_put_int64(&b->out, c, i);
            } else {
                flinc_out_put_string(&b->out, c, (flinc_string){text, (size_t)len});
            }
        }
        builder_end_row(b);
    }
    return builder_finish(b);
}

static void check(struct harness_options *o)
{
    struct builder b;
    uint64_t before = 0;
    o->on_batch = drop;
    struct harness *h = opened(o);
    builder_init(&b, harness_pool(h), harness_input_schema(h, 0), ROWS);
    for (int i = 0; i < WARM_UP + MEASURED; i++) {
        if (i == WARM_UP) {
            before = mem_thread_allocations();
        }
        must(harness_push(h, 0, make(&b), &err));
    }
    uint64_t made = mem_thread_allocations() - before;
    if (made != 0) {
        fail_msg("%s%s: %llu allocations in %d batches", o->kind,
                 o->batch_callback ? " by batches" : "", (unsigned long long)made, MEASURED);
    }
    builder_fini(&b);
    harness_free(h);
}

static void functions(void **state)
{
    static const struct {
        const char *kind;
        struct harness_function fn;
    } cases[] = {
        {"flinc.map", FN(FLINC_FN_MAP, map_rows)},
        {"flinc.map", FN(FLINC_FN_BATCH_MAP, map_batch)},
        {"flinc.filter", FN(FLINC_FN_FILTER, filter_rows)},
        {"flinc.filter", FN(FLINC_FN_BATCH_FILTER, filter_batch)},
        {"flinc.flat_map", FN(FLINC_FN_FLAT_MAP, flat_map)},
        {"flinc.process", FN(FLINC_FN_PROCESS, flat_map)},
    };
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        check(&(struct harness_options){.kind = cases[i].kind,
                                        .functions = {cases[i].fn},
                                        .inputs = {FLINC_TYPE(word_count)},
                                        .outputs = {FLINC_TYPE(word_count)},
                                        .batch_callback = cases[i].fn.kind >= FLINC_FN_BATCH_MAP});
    }
}

static void nested_values(void **state)
{
    check(&(struct harness_options){
        .kind = "flinc.flat_map",
        .functions = {FN(FLINC_FN_FLAT_MAP, rows),
                      {FLINC_FN_OPEN, (flinc_any_fn)rows_open, "rows", "test.c:1"}},
        .inputs = {FLINC_TYPE(word_count)},
        .outputs = {FLINC_TYPE(tagged)}});
}

static void aggregates(void **state)
{
    static const Flinc__AggregateKind kinds[] = {FLINC__AGGREGATE_KIND__AGGREGATE_SUM,
                                                 FLINC__AGGREGATE_KIND__AGGREGATE_MAX,
                                                 FLINC__AGGREGATE_KIND__AGGREGATE_MAX_BY};
    for (size_t i = 0; i < ARRAY_LEN(kinds) * 4; i++) {
        Flinc__KeyedAggregateConfig config = FLINC__KEYED_AGGREGATE_CONFIG__INIT;
        uint32_t key = 0;
        config.kind = kinds[i / 4];
        config.n_key_columns = 1;
        config.key_columns = &key;
        config.column = 1;
        const flinc_struct *type = i & 1 ? FLINC_TYPE(noted) : FLINC_TYPE(word_count);
        check(&(struct harness_options){.kind = "flinc.keyed_aggregate",
                                        .inputs = {type},
                                        .outputs = {type},
                                        .config = &config.base,
                                        .flags = i & 2 ? OP_FLAG_BATCH_MODE : 0});
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_values),
        cmocka_unit_test(functions),
        cmocka_unit_test(aggregates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
