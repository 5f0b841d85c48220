/* Visits out of order, each with the gap that its session waits for the next one, by an aggregate:
 *   --events N --output DIR      lines "key start end visits sum of ids" */
#include <flinc/flinc.h>

FLINC_STRUCT(visit, FLINC_INT64(key), FLINC_INT64(id), FLINC_INT64(time), FLINC_INT64(gap));
FLINC_STRUCT(total, FLINC_INT64(key), FLINC_INT64(visits), FLINC_INT64(sum));
FLINC_STRUCT(result, FLINC_INT64(key), FLINC_INT64(start), FLINC_INT64(end), FLINC_INT64(visits),
             FLINC_INT64(sum));

enum { KEYS = 50, BEHIND_MS = 101 };

static int make_visit(flinc_ctx *ctx, int64_t index, visit *out)
{
    out->key = index * 7 % KEYS;
    out->id = index;
    out->time = index + index * 37 % BEHIND_MS;
    out->gap = 20 + index % 53;
    return 0;
}

static int64_t gap_of(flinc_ctx *ctx, const visit *in)
{
    return in->gap;
}

static int add(flinc_ctx *ctx, const visit *in, total *t)
{
    t->key = in->key;
    t->visits++;
    t->sum += in->id;
    return 0;
}

static int merge(flinc_ctx *ctx, const total *other, total *t)
{
    t->visits += other->visits;
    t->sum += other->sum;
    return 0;
}

static int result_of(flinc_ctx *ctx, const total *t, total *out)
{
    *out = *t;
    return 0;
}

static int with_window(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    const total *t = FLINC_PANE_RECORD(pane, total, 0);
    return FLINC_EMIT(out, result, .key = t->key, .start = pane->start_ms, .end = pane->end_ms,
                      .visits = t->visits, .sum = t->sum);
}

static int format(flinc_ctx *ctx, const result *in, flinc_text *out)
{
    flinc_text_printf(out, "%lld %lld %lld %lld %lld", (long long)in->key, (long long)in->start,
                      (long long)in->end, (long long)in->visits, (long long)in->sum);
    return 0;
}

static int visits(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"events", "output", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    flinc_stream *timed = flinc_assign_timestamps(
        flinc_from_datagen(env, FLINC_DATAGEN(.generate = FLINC_FN(make_visit),
                                              .type = FLINC_TYPE(visit),
                                              .count = flinc_params_int(params, "events", 0))),
        FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED, .max_out_of_orderness_ms = BEHIND_MS,
                         .timestamp = "time"));
    flinc_stream *results = flinc_window_aggregate_process(
        flinc_window(flinc_key_by(timed, "key"),
                     FLINC_WINDOW(.assigner = FLINC_SESSION_GAP(FLINC_FN(gap_of)))),
        FLINC_AGGREGATE(.add = FLINC_FN(add), .result = FLINC_FN(result_of),
                        .merge = FLINC_FN(merge), .accumulator = FLINC_TYPE(total),
                        .type = FLINC_TYPE(total)),
        FLINC_FN(with_window), FLINC_TYPE(result));
    flinc_write_text(results, FLINC_TEXT_SINK(.path = flinc_params_get(params, "output", ""),
                                              .format = FLINC_FN(format)));
    return flinc_env_execute(env, "Visits");
}
FLINC_JOB(visits)
