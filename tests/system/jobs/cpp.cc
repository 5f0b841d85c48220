// A bundle in C++: the SDK's headers are C++ clean, and its macros work there.
#include <flinc/flinc.h>
#include <string>

FLINC_STRUCT(word_count, FLINC_STRING(word), FLINC_INT64(count));

struct limits {
    size_t shortest;
};

static int split(flinc_ctx *ctx, const flinc_string *line, flinc_out *out)
{
    const limits *l = static_cast<const limits *>(flinc_ctx_config(ctx));
    std::string text(line->data, line->len), word;

    for (char c : text + " ") {
        if (c != ' ') {
            word += c;
        } else if (!word.empty()) {
            if (word.size() >= l->shortest) {
                FLINC_EMIT(out, word_count, .word = {word.data(), word.size()}, .count = 1);
            }
            word.clear();
        }
    }
    return out->status;
}

static int job(flinc_env *env, int argc, char **argv)
{
    const limits l = {3};
    flinc_text_source source = FLINC_TEXT_SOURCE(.path = argc > 1 ? argv[1] : nullptr);
    flinc_stream *lines = flinc_env_read_text(env, source);
    flinc_stream *words = flinc_flat_map(
        lines, FLINC_FUNCTION(split, .config = &l, .config_size = sizeof(l)), FLINC_TYPE(word_count));
    flinc_print(flinc_sum(flinc_key_by(words, "word"), "count"));
    return flinc_env_execute(env, "C++");
}
FLINC_JOB(job)
