/* Streams: one job that shows how streams are split, joined and routed.
 *
 *   flink run -t local -p 4 streams.so --count 1000 --output OUT
 *
 *   1..count ─► classify ──► even ─────────────────────────┐
 *                  ├── side output "odd" ─► rebalance ─► triple ─┴─ union ─► custom partition ─► routed
 *                  └── side output "square" ───────────┐
 *   labels (elements) ─► broadcast ─► connect: co-flatMap ◄┘ ─► labelled ─► co-map with even ─► merged
 *
 * Each result line begins with the name of its stream, so that a reader (and the test) can tell them
 * apart.  Counters are printed at the end. */
#include <flinc/flinc.h>
#include <stdio.h>

FLINC_STRUCT(number, FLINC_INT64(value), FLINC_STRING(origin));
FLINC_STRUCT(label, FLINC_INT64(id), FLINC_STRING(text));
FLINC_STRUCT(result, FLINC_STRING(stream), FLINC_INT64(value), FLINC_INT64(subtask));

/* ---- process with side outputs -------------------------------------------------------------- */

static bool is_square(int64_t v)
{
    int64_t r = 0;

    while (r * r < v) {
        r++;
    }
    return r * r == v;
}

static int classify(flinc_ctx *ctx, const int64_t *value, flinc_out *out)
{
    if (is_square(*value)) {
        FLINC_EMIT(flinc_ctx_side(ctx, "square"), number, .value = *value,
                   .origin = FLINC_STR("square"));
    }
    if (*value % 2 != 0) {
        (void)flinc_ctx_accumulate(ctx, "odd", 1);
        return FLINC_EMIT(flinc_ctx_side(ctx, "odd"), number, .value = *value,
                          .origin = FLINC_STR("odd"));
    }
    (void)flinc_ctx_accumulate(ctx, "even", 1);
    return FLINC_EMIT(out, number, .value = *value, .origin = FLINC_STR("even"));
}

static int triple(flinc_ctx *ctx, const number *in, number *out)
{
    (void)ctx;
    out->value = 3 * in->value;
    out->origin = in->origin;
    return 0;
}

/* ---- custom partitioning ---------------------------------------------------------------------- */

/* What a function needs to know travels as its configuration, never in a global. */
struct routing {
    int64_t offset;
};

static int by_value(flinc_ctx *ctx, const number *in, int n_channels)
{
    const struct routing *r = flinc_ctx_config(ctx);
    return (int)((in->value + r->offset) % n_channels);
}

static int where_am_i(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    return FLINC_EMIT(out, result, .stream = in->origin, .value = in->value,
                      .subtask = flinc_ctx_subtask(ctx));
}

/* ---- connected streams ------------------------------------------------------------------------ */

static int open_counter(flinc_ctx *ctx)
{
    flinc_ctx_set_user(ctx, flinc_ctx_counter(ctx, "labelsSeen"));
    return 0;
}

/* Every subtask sees every label, because that input is broadcast. */
static int on_label(flinc_ctx *ctx, const label *in, flinc_out *out)
{
    flinc_counter_add(flinc_ctx_user(ctx), 1);
    (void)flinc_ctx_accumulate(ctx, "labels", 1);
    return FLINC_EMIT(out, result, .stream = in->text, .value = in->id,
                      .subtask = flinc_ctx_subtask(ctx));
}

static int on_square(flinc_ctx *ctx, const number *in, flinc_out *out)
{
    (void)ctx;
    return FLINC_EMIT(out, result, .stream = FLINC_STR("square"), .value = in->value,
                      .subtask = -1);
}

static int keep_result(flinc_ctx *ctx, const result *in, result *out)
{
    (void)ctx;
    *out = *in;
    return 0;
}

static int result_of_number(flinc_ctx *ctx, const number *in, result *out)
{
    (void)ctx;
    out->stream = FLINC_STR("merged");
    out->value = in->value;
    out->subtask = -1;
    return 0;
}

/* ---- the job ------------------------------------------------------------------------------------ */

static int to_line(flinc_ctx *ctx, const result *in, flinc_text *line)
{
    (void)ctx;
    flinc_text_append(line, in->stream.data, in->stream.len);
    flinc_text_printf(line, " %lld %lld", (long long)in->value, (long long)in->subtask);
    return 0;
}

static int streams(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"count", "output", NULL};
    const label labels[] = {{1, FLINC_STR("one")}, {2, FLINC_STR("two")}, {3, FLINC_STR("three")}};
    const struct routing routing = {.offset = 1};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    const char *output = flinc_params_get(params, "output", NULL);

    flinc_stream *numbers = flinc_from_sequence(env, 1, flinc_params_int(params, "count", 100));
    flinc_stream *even =
        flinc_name(flinc_process(numbers, FLINC_FN(classify), FLINC_TYPE(number)), "Classify");
    flinc_stream *odd = flinc_side_output(even, "odd", FLINC_TYPE(number));
    flinc_stream *squares = flinc_side_output(even, "square", FLINC_TYPE(number));

    flinc_stream *tripled = flinc_map(flinc_rebalance(odd), FLINC_FN(triple), FLINC_TYPE(number));
    flinc_stream *routed = flinc_partition_custom(
        flinc_union(even, tripled),
        FLINC_FUNCTION(by_value, .config = &routing, .config_size = sizeof(routing)));
    flinc_stream *located = flinc_flat_map(routed, FLINC_FN(where_am_i), FLINC_TYPE(result));

    flinc_stream *rules = flinc_from_elements(env, labels, 3, FLINC_TYPE(label));
    flinc_stream *labelled = flinc_co_flat_map(flinc_broadcast(rules), squares,
                                               FLINC_FUNCTION(on_label, .open = open_counter),
                                               FLINC_FN(on_square), FLINC_TYPE(result));
    flinc_stream *merged = flinc_co_map(labelled, even, FLINC_FN(keep_result),
                                        FLINC_FN(result_of_number), FLINC_TYPE(result));
    flinc_stream *all = flinc_union(located, merged);

    if (output != NULL) {
        flinc_write_text(all, FLINC_TEXT_SINK(.path = output, .format = FLINC_FN(to_line)));
    } else {
        flinc_print(all);
    }
    int rc = flinc_env_execute(env, "Streams");
    if (rc == 0) {
        printf("even %lld, odd %lld, labels %lld\n", (long long)flinc_env_accumulator(env, "even"),
               (long long)flinc_env_accumulator(env, "odd"),
               (long long)flinc_env_accumulator(env, "labels"));
    }
    return rc;
}
FLINC_JOB(streams)
