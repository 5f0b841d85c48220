/* Clicks with the views that were less than 50 ms before them, or up to 10 ms behind, by an interval join:
 *   --events N --output DIR      lines "key view click" */
#include <flinc/flinc.h>

FLINC_STRUCT(view, FLINC_INT64(key), FLINC_INT64(id));
FLINC_STRUCT(click, FLINC_INT64(id), FLINC_INT64(key));
FLINC_STRUCT(result, FLINC_INT64(key), FLINC_INT64(view), FLINC_INT64(click));

enum { KEYS = 50 };

static int make_view(flinc_ctx *ctx, int64_t index, view *out)
{
    out->key = index * 7 % KEYS;
    out->id = index;
    return 0;
}

static int make_click(flinc_ctx *ctx, int64_t index, click *out)
{
    out->key = index * 11 % KEYS;
    out->id = index;
    return 0;
}

static int pair_up(flinc_ctx *ctx, const view *v, const click *c, flinc_out *out)
{
    return FLINC_EMIT(out, result, .key = v->key, .view = v->id, .click = c->id);
}

static int format(flinc_ctx *ctx, const result *in, flinc_text *out)
{
    flinc_text_printf(out, "%lld %lld %lld", (long long)in->key, (long long)in->view,
                      (long long)in->click);
    return 0;
}

static int intervals(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"events", "output", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    int64_t n = flinc_params_int(params, "events", 0);
    const flinc_watermarks by_id =
        FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_MONOTONOUS, .timestamp = "id");
    flinc_stream *views = flinc_assign_timestamps(
        flinc_from_datagen(env, FLINC_DATAGEN(.generate = FLINC_FN(make_view),
                                              .type = FLINC_TYPE(view), .count = n)),
        by_id);
    flinc_stream *clicks = flinc_assign_timestamps(
        flinc_from_datagen(env, FLINC_DATAGEN(.generate = FLINC_FN(make_click),
                                              .type = FLINC_TYPE(click), .count = n)),
        by_id);
    flinc_stream *pairs = flinc_interval_join(
        flinc_key_by(views, "key"), flinc_key_by(clicks, "key"),
        FLINC_INTERVAL(.lower_ms = -10, .upper_ms = 50, .upper_exclusive = true), FLINC_FN(pair_up),
        FLINC_TYPE(result));
    flinc_write_text(pairs, FLINC_TEXT_SINK(.path = flinc_params_get(params, "output", ""),
                                            .format = FLINC_FN(format)));
    return flinc_env_execute(env, "Intervals");
}
FLINC_JOB(intervals)
