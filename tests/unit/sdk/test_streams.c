/* Environments and streams: the graph that a program makes, and what its mistakes are told as. */
#include "engine/operators/operator.h"
#include "flinc/flinc.h"
#include "sdk/environment.h"
#include "sdk/internal.h"
/* clang-format off */
#include <setjmp.h>
#include <stdarg.h>
#include <cmocka.h>
/* clang-format on */

FLINC_STRUCT(pair, FLINC_STRING(word), FLINC_INT64(count));
FLINC_STRUCT(other, FLINC_INT64(id), FLINC_NULLABLE(FLINC_DOUBLE(score)));

FLINC_STRUCT(tagged, FLINC_INT64(id), FLINC_NULLABLE(FLINC_NESTED(tags, "ARRAY<STRING>")),
             FLINC_NESTED(at, "ROW<x INT NOT NULL, m MAP<INT, DOUBLE>>"));
FLINC_STRUCT(no_type, FLINC_NESTED(tags, "ARRAY<STRING"));
FLINC_STRUCT(flat_type, FLINC_NESTED(tags, "STRING"));

static int split(flinc_ctx *ctx, const flinc_string *line, flinc_out *out)
{
    (void)ctx;
    return FLINC_EMIT(out, pair, .word = *line, .count = 1);
}

static int add(flinc_ctx *ctx, const pair *a, const pair *b, pair *out)
{
    (void)ctx;
    out->word = a->word;
    out->count = a->count + b->count;
    return 0;
}

static int keep(flinc_ctx *ctx, const pair *in)
{
    (void)ctx;
    return in->count > 0;
}

static int side(flinc_ctx *ctx, const pair *in, flinc_out *out)
{
    (void)ctx;
    return FLINC_EMIT_STRUCT(out, pair, in);
}

static flinc_env *capturing(void)
{
    struct env_options o = {.mode = ENV_MODE_CAPTURE, .one_job = true};
    return env_new(&o);
}

static flinc_stream *words(flinc_env *env)
{
    flinc_stream *lines = flinc_env_read_text(env, FLINC_TEXT_SOURCE(.path = "/tmp/in"));
    return flinc_flat_map(lines, FLINC_FN(split), FLINC_TYPE(pair));
}

static void assert_error(flinc_env *env, const char *text)
{
    assert_true(flinc_env_execute(env, "job") < 0);
    const char *error = flinc_env_error(env);
    assert_non_null(error);
    if (strstr(error, text) == NULL) {
        fail_msg("expected '%s' in '%s'", text, error);
    }
    flinc_env_free(env);
}

static void a_program_becomes_a_graph(void **state)
{
    flinc_env *env = capturing();

    (void)state;
    flinc_env_set_parallelism(env, 3);
    flinc_stream *counts = flinc_sum(flinc_key_by(words(env), "word"), "count");
    flinc_uid(flinc_name(counts, "Counts"), "counts");
    flinc_print(counts);
    assert_int_equal(flinc_env_execute(env, "words"), 0);
    const Flinc__JobGraph *job = env_captured_graph(env);
    assert_string_equal(job->name, "words");
    assert_int_equal(job->n_vertices, 2);
    assert_string_equal(job->vertices[0]->name, "Source: Text File Source -> Flat Map");
    assert_string_equal(job->vertices[1]->name, "Counts -> Sink: Print to Std. Out");
    assert_int_equal(job->vertices[1]->parallelism, 3);
    assert_int_equal(job->n_libraries, 1);
    const Flinc__FunctionRef *fn = job->vertices[0]->operators[1]->functions[0];
    assert_string_equal(fn->name, "split");
    assert_non_null(strstr(fn->location, "test_streams.c:"));
    assert_true(fn->offset > 0);
    assert_string_equal(job->vertices[0]->operators[1]->outputs[0]->schema,
                        "ROW<`word` STRING NOT NULL, `count` BIGINT NOT NULL> NOT NULL");
    flinc_env_free(env);
}

static void unions_and_sides_are_edges(void **state)
{
    flinc_env *env = capturing();

    (void)state;
    flinc_stream *main_stream =
        flinc_process(flinc_filter(words(env), FLINC_FN(keep)), FLINC_FN(side), FLINC_TYPE(pair));
    flinc_stream *late = flinc_side_output(main_stream, "late", FLINC_TYPE(other));
    flinc_stream *again = flinc_side_output(main_stream, "late", FLINC_TYPE(other));
    flinc_discard(flinc_union(late, again));
    flinc_discard(flinc_reduce(flinc_key_by(main_stream, "word"), FLINC_FN(add), FLINC_TYPE(pair)));
    assert_int_equal(flinc_env_execute(env, "x"), 0);
    const Flinc__JobGraph *job = env_captured_graph(env);
    const Flinc__JobVertex *v = job->vertices[0];
    const Flinc__Operator *process = v->operators[v->n_operators - 1];
    assert_string_equal(process->kind, "flinc.process");
    assert_int_equal(process->n_outputs, 2);
    assert_string_equal(process->outputs[1]->tag, "late");
    assert_int_equal(job->n_edges, 3);
    flinc_env_free(env);
}

static void settings_reach_the_graph(void **state)
{
    flinc_env *env = capturing();

    (void)state;
    flinc_env_set(env, "restart-strategy.type", "none");
    flinc_env_set_runtime_mode(env, FLINC_BATCH);
    flinc_stream *s = words(env);
    flinc_set_parallelism(s, 2);
    flinc_set_max_parallelism(s, 64);
    flinc_slot_sharing_group(s, "g");
    flinc_env_register_slot_sharing_group(
        env, "g", FLINC_SLOT_RESOURCES(.cpu_cores = 0.5, .task_heap_bytes = 7));
    flinc_env_register_slot_sharing_group(env, "h", FLINC_SLOT_RESOURCES(.cpu_cores = 0));
    flinc_disable_chaining(s);
    flinc_discard(flinc_global(s));
    assert_int_equal(flinc_env_execute(env, NULL), 0);
    const Flinc__JobGraph *job = env_captured_graph(env);
    assert_int_equal(job->n_vertices, 3);
    assert_int_equal(job->vertices[1]->max_parallelism, 64);
    assert_string_equal(job->vertices[1]->slot_sharing_group, "g");
    assert_int_equal(job->n_slot_sharing_groups, 1);
    assert_true(job->slot_sharing_groups[0]->profile->cpu_cores == 0.5);
    assert_string_equal(job->edges[1]->ship_strategy, "GLOBAL");
    assert_int_equal(job->runtime_mode, FLINC__RUNTIME_MODE__RUNTIME_BATCH);
    assert_int_equal(job->n_config, 2);
    flinc_env_free(env);
}

static void mistakes_name_their_place(void **state)
{
    flinc_env *env = capturing();

    (void)state;
    flinc_print(flinc_sum(flinc_key_by(words(env), "wort"), "count"));
    assert_error(env,
                 "flinc_key_by: the stream of 'pair' has no column 'wort'; did you mean 'word'?");
    env = capturing();
    flinc_print(flinc_sum(flinc_key_by(words(env), "word"), "word"));
    assert_error(env, "numeric type");
    env = capturing();
    flinc_sum(words(env), "count");
    assert_error(env, "is not keyed; call flinc_key_by first");
    env = capturing();
    flinc_map(NULL, FLINC_FN(add), FLINC_TYPE(pair));
    assert_error(env, "test_streams.c:");
    env = capturing();
    flinc_flat_map(words(env), NULL, FLINC_TYPE(pair));
    assert_error(env, "the function is missing");
    env = capturing();
    flinc_map(words(env), FLINC_FN(add), NULL);
    assert_error(env, "the result type is missing");
    env = capturing();
    flinc_map(words(env), FLINC_FN(add), FLINC_TYPE(no_type));
    assert_error(env, "struct 'no_type'");
    env = capturing();
    flinc_map(words(env), FLINC_FN(add), FLINC_TYPE(flat_type));
    assert_error(env, "field 'tags' of type VARCHAR: FLINC_NESTED is for ARRAY, MAP");
    env = capturing();
    flinc_stream *numbers = flinc_from_sequence(env, 1, 2);
    flinc_union(words(env), numbers);
    assert_error(env, "different types: 'pair' and 'flinc_int64'");
    env = capturing();
    flinc_map(flinc_print(words(env)), FLINC_FN(add), FLINC_TYPE(pair));
    assert_error(env, "a sink has no output");
    env = capturing();
    flinc_set_parallelism(words(env), -1);
    assert_error(env, "must be at least 1, not -1");
    env = capturing();
    flinc_env_set_parallelism(env, 0);
    assert_error(env, "must be at least 1, not 0");
    env = capturing();
    flinc_env_read_text(env, FLINC_TEXT_SOURCE(.path = NULL));
    assert_error(env, "no input is named");
    env = capturing();
    flinc_side_output(words(env), "x", FLINC_TYPE(pair));
    assert_error(env, "only the stream of flinc_process");
    env = capturing();
    flinc_env_set(env, "parallelism.default", "many");
    assert_error(env, "parallelism.default");
    env = capturing();
    assert_error(env, "nothing to execute");
}

static void a_bundle_is_one_job(void **state)
{
    flinc_env *env = capturing();

    (void)state;
    flinc_print(words(env));
    assert_int_equal(flinc_env_execute(env, "one"), 0);
    assert_true(flinc_env_execute(env, "two") < 0);
    assert_non_null(strstr(flinc_env_error(env), "twice"));
    flinc_env_free(env);
}

static void elements_are_encoded(void **state)
{
    flinc_env *env = capturing();
    const other rows[] = {{.id = 1, .score = 0.5}, {.id = 2, .score_is_null = true}};

    (void)state;
    flinc_print(flinc_from_elements(env, rows, 2, FLINC_TYPE(other)));
    assert_int_equal(flinc_env_execute(env, "x"), 0);
    assert_true(env_captured_graph(env)->vertices[0]->operators[0]->config.len > 16);
    flinc_env_free(env);
}

static int copy(flinc_ctx *ctx, const pair *in, pair *out)
{
    (void)ctx;
    *out = *in;
    return 0;
}

static int choose(flinc_ctx *ctx, const pair *in, int n)
{
    (void)ctx;
    return (int)(in->count % n);
}

static int make(flinc_ctx *ctx, int64_t index, pair *out)
{
    (void)ctx;
    out->count = index;
    return 0;
}

static int map_whole(flinc_ctx *ctx, const flinc_batch *in, flinc_batch_out *out)
{
    (void)ctx;
    (void)in;
    return flinc_batch_out_forward(out, 0, 0);
}

static int keep_none(flinc_ctx *ctx, const flinc_batch *in, uint16_t *ret_rows)
{
    (void)ctx;
    (void)in;
    (void)ret_rows;
    return 0;
}

/* What a builder asks for, the registry of operators has. */
static void every_builder_has_its_operator(void **state)
{
    flinc_env *env = capturing();
    const pair one = {FLINC_STR("one"), 1};

    (void)state;
    flinc_stream *s = flinc_union(
        words(env), flinc_from_datagen(env, FLINC_DATAGEN(.generate = FLINC_FN(make),
                                                          .type = FLINC_TYPE(pair), .count = 1)));
    s = flinc_union(s, flinc_from_elements(env, &one, 1, FLINC_TYPE(pair)));
    s = flinc_map(flinc_filter(s, FLINC_FN(keep)), FLINC_FN(copy), FLINC_TYPE(pair));
    s = flinc_map_batch(s, FLINC_FN(map_whole), FLINC_TYPE(pair));
    s = flinc_filter_batch(s, FLINC_FN(keep_none));
    s = flinc_process(s, FLINC_FN(side), FLINC_TYPE(pair));
    s = flinc_partition_custom(s, FLINC_FN(choose));
    s = flinc_co_map(s, s, FLINC_FN(copy), FLINC_FN(copy), FLINC_TYPE(pair));
    s = flinc_co_flat_map(s, s, FLINC_FN(side), FLINC_FN(side), FLINC_TYPE(pair));
    s = flinc_co_process(s, s, FLINC_FN(side), FLINC_FN(side), FLINC_TYPE(pair));
    s = flinc_min_by(flinc_key_by(s, "word"), "count");
    s = flinc_reduce(flinc_key_by(s, "word"), FLINC_FN(add), FLINC_TYPE(pair));
    flinc_print(s);
    flinc_discard(flinc_from_sequence(env, 1, 2));
    flinc_write_text(flinc_socket_text(env, FLINC_SOCKET_SOURCE(.host = "localhost", .port = 1)),
                     FLINC_TEXT_SINK(.path = "/tmp/out"));
    if (flinc_env_execute(env, "all") < 0) {
        fail_msg("%s", flinc_env_error(env));
    }
    const Flinc__JobGraph *job = env_captured_graph(env);
    for (size_t v = 0; v < job->n_vertices; v++) {
        for (size_t o = 0; o < job->vertices[v]->n_operators; o++) {
            const Flinc__Operator *op = job->vertices[v]->operators[o];
            if (operator_find(op->kind) == NULL ||
                (op->coordinator[0] != '\0' && coordinator_find(op->coordinator) == NULL)) {
                fail_msg("%s wants '%s' and '%s'", op->name, op->kind, op->coordinator);
            }
        }
    }
    flinc_env_free(env);
}

/* The struct as the environment has it: a copy, with its own texts. */
static void nested_fields_are_columns(void **state)
{
    STR_AUTO text = STR_INIT;
    flinc_env *env = capturing();
    flinc_stream *s = flinc_map(words(env), FLINC_FN(add), FLINC_TYPE(tagged));
    assert_non_null(s);
    schema_print(s->schema, &text);
    assert_string_equal(str_cstr(&text),
                        "ROW<`id` BIGINT NOT NULL, `tags` ARRAY<STRING>, `at` ROW<`x` INT NOT "
                        "NULL, `m` MAP<INT, DOUBLE>> NOT NULL> NOT NULL");
    flinc_env_free(env);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nested_fields_are_columns),
        cmocka_unit_test(a_program_becomes_a_graph),
        cmocka_unit_test(unions_and_sides_are_edges),
        cmocka_unit_test(settings_reach_the_graph),
        cmocka_unit_test(mistakes_name_their_place),
        cmocka_unit_test(a_bundle_is_one_job),
        cmocka_unit_test(elements_are_encoded),
        cmocka_unit_test(every_builder_has_its_operator),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
