/* Sessions: a few fixed events, counted by sessions of event time.
 *
 *   flink run -t local sessions.so                prints (key,timestamp,count)
 *   flink run -t local sessions.so --output DIR   writes them to files in DIR
 *
 * Events of a key that are less than 3 ms apart, or just 3, are of one session; the timestamp is that of its
 * first one.  Flink: SessionWindowing. */
#include <flinc/flinc.h>

FLINC_STRUCT(event, FLINC_STRING(key), FLINC_INT64(timestamp), FLINC_INT64(count));

enum { GAP_MS = 3 };

static int sessions(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"output", NULL};
    const event events[] = {
        {FLINC_STR("a"), 1, 1},  {FLINC_STR("b"), 1, 1}, {FLINC_STR("b"), 3, 1},
        {FLINC_STR("b"), 5, 1},  {FLINC_STR("c"), 6, 1}, /* "a" ended at 4 */
        {FLINC_STR("a"), 10, 1},                         /* a second session of "a" */
        {FLINC_STR("c"), 11, 1},                         /* and of "c" */
    };
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    const char *output = flinc_params_get(params, "output", NULL);

    flinc_stream *timed = flinc_assign_timestamps(
        flinc_from_elements(env, events, sizeof(events) / sizeof(events[0]), FLINC_TYPE(event)),
        FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_MONOTONOUS, .timestamp = "timestamp"));
    flinc_set_parallelism(timed, 1); /* events come in order */
    flinc_stream *counts = flinc_window_sum(
        flinc_window(flinc_key_by(timed, "key"), FLINC_WINDOW(.assigner = FLINC_SESSION(GAP_MS))),
        "count");

    if (output != NULL) {
        flinc_write_text(counts, FLINC_TEXT_SINK(.path = output));
    } else {
        flinc_print(counts);
    }
    return flinc_env_execute(env, "Sessions");
}
FLINC_JOB(sessions)
