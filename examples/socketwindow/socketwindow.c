/* SocketWindow: how often each word comes from a socket, by windows of processing time.
 *
 *   nc -l 9000                                        types words into:
 *   flink run -t local socketwindow.so --port 9000    prints (word,count) every five seconds
 *
 * Words are separated by white space.  --hostname H: where the server is (localhost); --window D: how long
 * a window is ("500 ms"; 5 s).  The window that is open when the connection ends does not fire.
 * Flink: SocketWindowWordCount. */
#include <flinc/flinc.h>

FLINC_STRUCT(word_count, FLINC_STRING(word), FLINC_INT64(count));

static bool is_space(char c)
{
    return c == ' ' || (c >= '\t' && c <= '\r');
}

/* Emits (word, 1) for each word of a line. */
static int split(flinc_ctx *ctx, const flinc_string *line, flinc_out *out)
{
    const char *at = line->data, *end = line->data + line->len;

    (void)ctx;
    while (at < end) {
        const char *word = at;
        while (at < end && !is_space(*at)) {
            at++;
        }
        if (at > word) {
            FLINC_EMIT(out, word_count, .word = {word, (size_t)(at - word)}, .count = 1);
        }
        at++;
    }
    return out->status;
}

static int socketwindow(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"hostname", "port", "window", NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);

    if (!flinc_params_has(params, "port")) {
        flinc_env_fail(env, "no port given; start a text server with 'nc -l PORT', then run this "
                            "job with --port PORT");
    }
    flinc_stream *lines = flinc_socket_text(
        env, FLINC_SOCKET_SOURCE(.host = flinc_params_get(params, "hostname", "localhost"),
                                 .port = (int)flinc_params_int(params, "port", 0)));
    flinc_stream *words = flinc_flat_map(lines, FLINC_FN(split), FLINC_TYPE(word_count));
    flinc_windowed *windows = flinc_window(
        flinc_key_by(words, "word"),
        FLINC_WINDOW(.assigner = FLINC_TUMBLING(flinc_params_duration_ms(params, "window", 5000),
                                                .time = FLINC_PROCESSING_TIME)));

    flinc_set_parallelism(flinc_print(flinc_window_sum(windows, "count")), 1);
    return flinc_env_execute(env, "SocketWindow");
}
FLINC_JOB(socketwindow)
