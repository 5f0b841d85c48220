/* WordCount: how often each word occurs in some text files.
 *
 *   flink run -t local wordcount.so --input FILE...          prints (word,count)
 *   flink run -t local wordcount.so --input DIR --output OUT writes them to files in OUT
 *
 * A job is a main that builds streams and executes them.  Nothing runs before flinc_env_execute(). */
#include <flinc/flinc.h>
#include <stdlib.h>

/* What travels between the functions: one column per field. */
FLINC_STRUCT(word_count, FLINC_STRING(word), FLINC_INT64(count));

/* The letters of words, in lower case; zero for everything that separates them. */
static const char letters[256] = {
    ['0'] = '0', ['1'] = '1', ['2'] = '2', ['3'] = '3', ['4'] = '4', ['5'] = '5', ['6'] = '6',
    ['7'] = '7', ['8'] = '8', ['9'] = '9', ['_'] = '_', ['a'] = 'a', ['b'] = 'b', ['c'] = 'c',
    ['d'] = 'd', ['e'] = 'e', ['f'] = 'f', ['g'] = 'g', ['h'] = 'h', ['i'] = 'i', ['j'] = 'j',
    ['k'] = 'k', ['l'] = 'l', ['m'] = 'm', ['n'] = 'n', ['o'] = 'o', ['p'] = 'p', ['q'] = 'q',
    ['r'] = 'r', ['s'] = 's', ['t'] = 't', ['u'] = 'u', ['v'] = 'v', ['w'] = 'w', ['x'] = 'x',
    ['y'] = 'y', ['z'] = 'z', ['A'] = 'a', ['B'] = 'b', ['C'] = 'c', ['D'] = 'd', ['E'] = 'e',
    ['F'] = 'f', ['G'] = 'g', ['H'] = 'h', ['I'] = 'i', ['J'] = 'j', ['K'] = 'k', ['L'] = 'l',
    ['M'] = 'm', ['N'] = 'n', ['O'] = 'o', ['P'] = 'p', ['Q'] = 'q', ['R'] = 'r', ['S'] = 's',
    ['T'] = 't', ['U'] = 'u', ['V'] = 'v', ['W'] = 'w', ['X'] = 'x', ['Y'] = 'y', ['Z'] = 'z'};

/* Called for each line; emits (word, 1) for each word in it. */
static int split(flinc_ctx *ctx, const flinc_string *line, flinc_out *out)
{
    char small[1024];
    char *word = line->len <= sizeof(small) ? small : malloc(line->len);
    const char *end = line->data + line->len;
    size_t len = 0;

    if (word == NULL) {
        return flinc_ctx_fail(ctx, "no memory for a line of %zu bytes", line->len);
    }
    for (const char *at = line->data; at < end; at++) {
        char letter = letters[(unsigned char)*at];
        if (letter != 0) {
            word[len++] = letter;
        } else if (len > 0) {
            FLINC_EMIT(out, word_count, .word = {word, len}, .count = 1);
            len = 0;
        }
    }
    if (len > 0) {
        FLINC_EMIT(out, word_count, .word = {word, len}, .count = 1);
    }
    if (word != small) {
        free(word);
    }
    return out->status;
}

static int wordcount(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"input", "output", "discovery-interval", "execution-mode",
                                          NULL};
    flinc_params *params = flinc_params_parse(env, argc, argv, options);
    flinc_text_source source =
        FLINC_TEXT_SOURCE(.discovery_interval_ms =
                              (uint64_t)flinc_params_duration_ms(params, "discovery-interval", 0));
    const char *output = flinc_params_get(params, "output", NULL);

    source.paths = flinc_params_all(params, "input", &source.n_paths);
    if (flinc_params_has(params, "execution-mode")) {
        flinc_env_set_runtime_mode(env,
                                   flinc_params_mode(params, "execution-mode", FLINC_STREAMING));
    }
    flinc_stream *lines = flinc_env_read_text(env, source);
    flinc_stream *words = flinc_flat_map(lines, FLINC_FN(split), FLINC_TYPE(word_count));
    flinc_stream *counts = flinc_sum(flinc_key_by(words, "word"), "count");

    if (output != NULL) {
        flinc_write_text(counts, FLINC_TEXT_SINK(.path = output));
    } else {
        flinc_print(counts);
    }
    return flinc_env_execute(env, "WordCount");
}
FLINC_JOB(wordcount)
