/* flinc_write_files(): the operator it makes, Flink's defaults, and mistakes told with the line of the call. */
#include "flinc/flinc.h"
#include "proto/operators.pb-c.h"
#include "sdk/environment.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

FLINC_STRUCT(order, FLINC_INT64(id), FLINC_STRING(country));
FLINC_STRUCT(tagged, FLINC_INT64(id), FLINC_NESTED(tags, "MAP<STRING, INT>"));

static flinc_env *capturing(void)
{
    struct env_options o = {.mode = ENV_MODE_CAPTURE, .one_job = true};
    return env_new(&o);
}

static int line(flinc_ctx *ctx, const order *in, flinc_text *out)
{
    flinc_text_printf(out, "%lld", (long long)in->id);
    return 0;
}

static int country(flinc_ctx *ctx, const order *in, flinc_text *out)
{
    flinc_text_append(out, in->country.data, in->country.len);
    return 0;
}

static const order orders[] = {{1, {"de", 2}}};
static const tagged tags[] = {{1, {NULL, 0}}};

/* The configuration of the sink, freed by the caller. */
static Flinc__FileSinkConfig *config_of(flinc_file_sink sink, uint32_t n_functions)
{
    flinc_env *env = capturing();
    flinc_write_files(flinc_from_elements(env, orders, 1, FLINC_TYPE(order)), sink);
    if (flinc_env_execute(env, "x") < 0) {
        fail_msg("%s", flinc_env_error(env));
    }
    const Flinc__JobGraph *job = env_captured_graph(env);
    const Flinc__JobVertex *v = job->vertices[job->n_vertices - 1];
    const Flinc__Operator *op = v->operators[v->n_operators - 1];
    assert_string_equal(op->kind, "flinc.sink.file");
    assert_int_equal(op->n_functions, n_functions);
    Flinc__FileSinkConfig *c =
        flinc__file_sink_config__unpack(NULL, op->config.len, op->config.data);
    assert_non_null(c);
    flinc_env_free(env);
    return c;
}

static void defaults_are_flinks(void **state)
{
    Flinc__FileSinkConfig *c = config_of(FLINC_FILE_SINK(.path = "/out"), 0);
    assert_string_equal(c->path, "/out");
    assert_string_equal(c->format, "text");
    assert_string_equal(c->part_prefix, "part");
    assert_string_equal(c->part_suffix, "");
    assert_int_equal(strlen(c->run_id), 8);
    assert_int_equal(c->rolling->part_bytes, 128 << 20);
    assert_int_equal(c->rolling->interval_ms, 60000);
    assert_int_equal(c->rolling->inactivity_ms, 60000);
    assert_int_equal(c->rolling->check_interval_ms, 60000);
    assert_false(c->rolling->on_checkpoint);
    assert_null(c->compaction);
    assert_int_equal(c->buckets->kind, FLINC__FILE_BUCKET_KIND__FILE_BUCKET_BASE_PATH);
    flinc__file_sink_config__free_unpacked(c, NULL);
    c = config_of(FLINC_FILE_SINK(.path = "/out", .format = "json", .bulk = true,
                                  .buckets = FLINC_DATE_TIME_BUCKETS(.zone = "UTC"),
                                  .compaction = {.checkpoints = 3}),
                  0);
    assert_true(c->rolling->on_checkpoint);
    assert_int_equal(c->rolling->part_bytes, 0);
    assert_int_equal(c->rolling->interval_ms, 0);
    assert_string_equal(c->buckets->date_format, "yyyy-MM-dd--HH");
    assert_int_equal(c->compaction->threads, 1);
    assert_false(c->compaction->by_records);
    flinc__file_sink_config__free_unpacked(c, NULL);
}

static void options_reach_the_operator(void **state)
{
    Flinc__FileSinkConfig *c =
        config_of(FLINC_FILE_SINK(.path = "/out", .encoder = FLINC_FN(line),
                                  .buckets = FLINC_FUNCTION_BUCKETS(FLINC_FN(country)),
                                  .rolling = {.part_bytes = 7, .interval_ms = FLINC_ROLL_NEVER},
                                  .prefix = "a", .suffix = ".b", .open_files_max = 3),
                  2);
    assert_true(c->has_encoder);
    assert_int_equal(c->buckets->kind, FLINC__FILE_BUCKET_KIND__FILE_BUCKET_FUNCTION);
    assert_int_equal(c->rolling->part_bytes, 7);
    assert_int_equal(c->rolling->interval_ms, 0);
    assert_int_equal(c->rolling->inactivity_ms, 60000);
    assert_string_equal(c->part_prefix, "a");
    assert_string_equal(c->part_suffix, ".b");
    assert_int_equal(c->open_files_max, 3);
    flinc__file_sink_config__free_unpacked(c, NULL);
    c = config_of(FLINC_FILE_SINK(.path = "/out", .format = "csv", .csv = {.header = true},
                                  .compaction = {.size_bytes = 1, .threads = 2}),
                  0);
    assert_true(c->csv->header);
    assert_true(c->compaction->by_records);
    assert_int_equal(c->compaction->threads, 2);
    flinc__file_sink_config__free_unpacked(c, NULL);
}

static void refuses(flinc_file_sink sink, const char *text)
{
    flinc_env *env = capturing();
    flinc_write_files(flinc_from_elements(env, orders, 1, FLINC_TYPE(order)), sink);
    assert_true(flinc_env_execute(env, "x") < 0);
    const char *error = flinc_env_error(env);
    if (strstr(error, text) == NULL || strstr(error, "test_files.c:") == NULL) {
        fail_msg("expected '%s' in '%s'", text, error);
    }
    flinc_env_free(env);
}

static void mistakes_have_their_line(void **state)
{
    refuses((flinc_file_sink){.path = "/out"}, "start from FLINC_FILE_SINK");
    refuses(FLINC_FILE_SINK(.path = NULL), ".path, the folder, is missing");
    refuses(FLINC_FILE_SINK(.path = "/out", .format = "orc"), "the formats are csv, json, text");
    refuses(FLINC_FILE_SINK(.path = "/out", .format = "csv", .encoder = FLINC_FN(line)),
            "takes no encoder");
    refuses(FLINC_FILE_SINK(.path = "/out", .compression = "gzip"), "say .bulk = true");
    refuses(FLINC_FILE_SINK(.path = "/out", .bulk = true, .compression = "rar"), "gzip and zstd");
    refuses(FLINC_FILE_SINK(.path = "/out", .prefix = ""), ".prefix");
    refuses(FLINC_FILE_SINK(.path = "/out", .prefix = "../x"), ".prefix");
    refuses(FLINC_FILE_SINK(.path = "/out", .suffix = "/x"), ".suffix");
    refuses(FLINC_FILE_SINK(.path = "/out", .buckets = {.kind = FLINC_BUCKET_FUNCTION}),
            "FLINC_FUNCTION_BUCKETS");
    refuses(FLINC_FILE_SINK(.path = "/out", .buckets = {.kind = (flinc_bucket_kind)9}),
            "none of its names");
    refuses(FLINC_FILE_SINK(.path = "/out",
                            .buckets = FLINC_DATE_TIME_BUCKETS(.date_format = "yyyy-QQ")),
            "the letter 'Q'");
    refuses(FLINC_FILE_SINK(.path = "/out", .compaction = {.checkpoints = 1, .threads = 99}),
            "threads");
    refuses(FLINC_FILE_SINK(.path = "/out", .format = "csv", .csv = {.header = true},
                            .compaction = {.checkpoints = 1, .compactor = FLINC_COMPACT_CONCAT}),
            "headers within");
    flinc_env *env = capturing();
    flinc_write_files(flinc_from_elements(env, tags, 1, FLINC_TYPE(tagged)),
                      FLINC_FILE_SINK(.path = "/out", .format = "csv"));
    assert_true(flinc_env_execute(env, "x") < 0);
    assert_non_null(strstr(flinc_env_error(env), "CSV cannot write the column 'tags'"));
    flinc_env_free(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(defaults_are_flinks),
        cmocka_unit_test(options_reach_the_operator),
        cmocka_unit_test(mistakes_have_their_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
