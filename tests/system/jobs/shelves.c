/* Sliding windows of a process function, which hold long records of few keys:
 *   --events N --slide MS --rate R --output DIR      lines "key start number sum"
 * Windows are four slides long.  The function fails when a record is not the one that was made. */
#include <flinc/flinc.h>

#include <stdio.h>
#include <string.h>

FLINC_STRUCT(event, FLINC_INT64(key), FLINC_INT64(id), FLINC_INT64(time), FLINC_STRING(text));
FLINC_STRUCT(sums, FLINC_INT64(key), FLINC_INT64(window_start), FLINC_INT64(number),
             FLINC_INT64(sum));

enum { KEYS = 5000, TEXT_BYTES = 300 };

static void make_text(int64_t id, char *text)
{
    char number[24];
    int len = snprintf(number, sizeof(number), "%lld,", (long long)id);
    for (int i = 0; i < TEXT_BYTES; i++) {
        text[i] = number[i % len];
    }
}

static int make_event(flinc_ctx *ctx, int64_t index, event *out)
{
    static _Thread_local char text[TEXT_BYTES];
    make_text(index, text);
    out->key = (int64_t)((uint64_t)index * 2654435761u % 4294967291u % KEYS);
    out->id = index;
    out->time = index;
    out->text = (flinc_string){text, TEXT_BYTES};
    return 0;
}

static int of_all(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out)
{
    int64_t sum = 0;
    for (size_t i = 0; i < pane->n; i++) {
        const event *e = FLINC_PANE_RECORD(pane, event, i);
        char text[TEXT_BYTES];
        make_text(e->id, text);
        if (e->text.len != TEXT_BYTES || memcmp(e->text.data, text, TEXT_BYTES) != 0) {
            return flinc_ctx_fail(ctx, "the text of record %lld is another's", (long long)e->id);
        }
        sum += e->id;
    }
    return FLINC_EMIT(out, sums, .key = FLINC_PANE_RECORD(pane, event, 0)->key,
                      .window_start = pane->start_ms, .number = (int64_t)pane->n, .sum = sum);
}

static int format(flinc_ctx *ctx, const sums *in, flinc_text *out)
{
    flinc_text_printf(out, "%lld %lld %lld %lld", (long long)in->key, (long long)in->window_start,
                      (long long)in->number, (long long)in->sum);
    return 0;
}

static int shelves(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"events", "slide", "rate", "output", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    const int64_t slide_ms = flinc_params_int(params, "slide", 1000);
    flinc_stream *timed = flinc_assign_timestamps(
        flinc_set_parallelism(
            flinc_from_datagen(
                env, FLINC_DATAGEN(.generate = FLINC_FN(make_event), .type = FLINC_TYPE(event),
                                   .count = flinc_params_int(params, "events", 0),
                                   .rows_per_second = (double)flinc_params_int(params, "rate", 0))),
            1),
        FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED, .max_out_of_orderness_ms = slide_ms / 20,
                         .timestamp = "time"));
    flinc_windowed *sliding =
        flinc_window(flinc_key_by(timed, "key"),
                     FLINC_WINDOW(.assigner = FLINC_SLIDING(4 * slide_ms, slide_ms)));
    flinc_write_text(flinc_window_process(sliding, FLINC_FN(of_all), FLINC_TYPE(sums)),
                     FLINC_TEXT_SINK(.path = flinc_params_get(params, "output", ""),
                                     .format = FLINC_FN(format)));
    return flinc_env_execute(env, "Shelves");
}
FLINC_JOB(shelves)
