/* One small job per piece of the API, chosen by --job; test_api.py knows what each must print. */
#include <flinc/flinc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

FLINC_STRUCT(reading, FLINC_STRING(sensor), FLINC_INT64(room), FLINC_DOUBLE(degrees));
FLINC_STRUCT(spot, FLINC_INT64(value), FLINC_INT64(subtask));
FLINC_STRUCT(pair, FLINC_INT64(key), FLINC_INT64(value));
FLINC_STRUCT(kinds, FLINC_BOOL(yes), FLINC_INT8(tiny), FLINC_INT16(small), FLINC_INT32(plain),
             FLINC_INT64(big), FLINC_FLOAT(rough), FLINC_DOUBLE(fine), FLINC_STRING(text),
             FLINC_BYTES(bytes), FLINC_DATE(day), FLINC_TIME(hour), FLINC_TIMESTAMP(moment),
             FLINC_TIMESTAMP_LTZ(instant), FLINC_NULLABLE(FLINC_INT64(maybe)),
             FLINC_NULLABLE(FLINC_STRING(perhaps)));

struct job {
    flinc_env *env;
    flinc_params *params;
};

static int64_t number(const struct job *j, const char *key, int64_t otherwise)
{
    return flinc_params_int(j->params, key, otherwise);
}

/* ---- aggregates ----------------------------------------------------------------------------------- */

static int keep_both(flinc_ctx *ctx, const reading *a, const reading *b, reading *out)
{
    (void)ctx;
    out->sensor = a->sensor;
    out->room = a->room * 100 + b->room;
    out->degrees = a->degrees + b->degrees;
    return 0;
}

static flinc_stream *readings_by_sensor(const struct job *j)
{
    const reading some[] = {
        {FLINC_STR("roof"), 1, 20}, {FLINC_STR("oven"), 2, 180},
        {FLINC_STR("roof"), 3, 25}, {FLINC_STR("oven"), 4, 90},
        {FLINC_STR("roof"), 5, 25}, {FLINC_STR("a name of some length"), 6, 0.5},
    };
    return flinc_key_by(
        flinc_from_elements(j->env, some, sizeof(some) / sizeof(some[0]), FLINC_TYPE(reading)),
        "sensor");
}

static void build_aggregates(const struct job *j)
{
    flinc_print_named(flinc_min(readings_by_sensor(j), "degrees"), "min");
    flinc_print_named(flinc_max(readings_by_sensor(j), "degrees"), "max");
    flinc_print_named(flinc_min_by(readings_by_sensor(j), "degrees"), "minBy");
    flinc_print_named(flinc_max_by(readings_by_sensor(j), "degrees"), "maxBy");
    flinc_print_named(flinc_sum(readings_by_sensor(j), "room"), "sum");
    flinc_print_named(flinc_reduce(readings_by_sensor(j), FLINC_FN(keep_both), FLINC_TYPE(reading)),
                      "reduce");
}

/* ---- kinds of fields ------------------------------------------------------------------------------ */

static int copy_kinds(flinc_ctx *ctx, const kinds *in, kinds *out)
{
    (void)ctx;
    *out = *in;
    return 0;
}

static void build_kinds(const struct job *j)
{
    const kinds some[] = {
        {true,
         -1,
         -300,
         70000,
         INT64_MIN,
         0.5f,
         1e100,
         FLINC_STR("a, b"),
         {"\x01\xff", 2},
         19000,
         3723004,
         1700000000123,
         1700000000123,
         7,
         false,
         FLINC_STR("here"),
         false},
        {.text = FLINC_STR("a string that does not fit into a view"),
         .maybe_is_null = true,
         .perhaps_is_null = true},
    };
    flinc_stream *s = flinc_from_elements(j->env, some, 2, FLINC_TYPE(kinds));
    /* Through structs, an exchange, and back. */
    s = flinc_map(flinc_rebalance(s), FLINC_FN(copy_kinds), FLINC_TYPE(kinds));
    flinc_print(s);
}

/* ---- batch callbacks ------------------------------------------------------------------------------- */

static int square_column(flinc_ctx *ctx, const flinc_batch *in, flinc_batch_out *out)
{
    const int64_t *value = flinc_batch_int64(in, 0);
    int64_t *square = flinc_batch_out_column(out, 1);

    (void)ctx;
    for (uint32_t i = 0; i < in->n_rows; i++) {
        square[i] = value[i] * value[i];
    }
    return flinc_batch_out_forward(out, 0, 0);
}

static int keep_even(flinc_ctx *ctx, const flinc_batch *in, uint16_t *ret_rows)
{
    const int64_t *value = flinc_batch_int64(in, 0);
    int n = 0;

    (void)ctx;
    for (uint32_t i = 0; i < in->n_selected; i++) {
        uint32_t row = flinc_batch_row(in, i);
        ret_rows[n] = (uint16_t)row;
        n += value[row] % 2 == 0;
    }
    return n;
}

static void build_batches(const struct job *j)
{
    flinc_stream *s = flinc_from_sequence(j->env, 1, number(j, "count", 10));
    flinc_print(flinc_filter_batch(flinc_map_batch(s, FLINC_FN(square_column), FLINC_TYPE(pair)),
                                   FLINC_FN(keep_even)));
}

/* ---- partitioners ---------------------------------------------------------------------------------- */

static int locate(flinc_ctx *ctx, const int64_t *in, flinc_out *out)
{
    return FLINC_EMIT(out, spot, .value = *in, .subtask = flinc_ctx_subtask(ctx));
}

static int locate_pair(flinc_ctx *ctx, const pair *in, flinc_out *out)
{
    return FLINC_EMIT(out, spot, .value = in->key, .subtask = flinc_ctx_subtask(ctx));
}

static int to_pair(flinc_ctx *ctx, const int64_t *in, pair *out)
{
    (void)ctx;
    out->key = *in % 10;
    out->value = *in;
    return 0;
}

static int modulo(flinc_ctx *ctx, const int64_t *in, int n_channels)
{
    (void)ctx;
    return (int)(*in % n_channels);
}

static int nowhere(flinc_ctx *ctx, const int64_t *in, int n_channels)
{
    (void)ctx;
    return *in == 5 ? n_channels : 0;
}

/* --from and --to subtasks with the named partitioner between them. */
static void build_partition(const struct job *j)
{
    const char *how = flinc_params_get(j->params, "how", "");
    flinc_stream *s = flinc_from_sequence(j->env, 1, number(j, "count", 100));

    flinc_set_parallelism(s, (int)number(j, "from", 3));
    if (strcmp(how, "hash") == 0) {
        s = flinc_map(s, FLINC_FN(to_pair), FLINC_TYPE(pair));
        flinc_set_parallelism(s, (int)number(j, "from", 3));
        s = flinc_flat_map(flinc_key_by(s, "key"), FLINC_FN(locate_pair), FLINC_TYPE(spot));
    } else {
        s = strcmp(how, "forward") == 0     ? flinc_forward(s)
            : strcmp(how, "rebalance") == 0 ? flinc_rebalance(s)
            : strcmp(how, "rescale") == 0   ? flinc_rescale(s)
            : strcmp(how, "broadcast") == 0 ? flinc_broadcast(s)
            : strcmp(how, "shuffle") == 0   ? flinc_shuffle(s)
            : strcmp(how, "global") == 0    ? flinc_global(s)
            : strcmp(how, "custom") == 0    ? flinc_partition_custom(s, FLINC_FN(modulo))
            : strcmp(how, "nowhere") == 0   ? flinc_partition_custom(s, FLINC_FN(nowhere))
                                            : s;
        s = flinc_flat_map(s, FLINC_FN(locate), FLINC_TYPE(spot));
    }
    flinc_set_parallelism(s, (int)number(j, "to", 4));
    flinc_set_parallelism(flinc_print(s), 1);
}

/* ---- generated records ------------------------------------------------------------------------------ */

static int make_pair(flinc_ctx *ctx, int64_t index, pair *out)
{
    (void)ctx;
    out->key = index;
    out->value = index * index;
    return 0;
}

static void build_datagen(const struct job *j)
{
    int64_t count = number(j, "count", 100);

    if (flinc_params_has(j->params, "random")) {
        flinc_print(
            flinc_from_datagen(j->env, FLINC_DATAGEN(.type = FLINC_TYPE(reading), .count = count,
                                                     .seed = (uint64_t)number(j, "random", 1))));
    } else {
        flinc_print(flinc_from_datagen(
            j->env,
            FLINC_DATAGEN(.generate = FLINC_FN(make_pair), .type = FLINC_TYPE(pair), .count = count,
                          .rows_per_second = (double)number(j, "rate", 0))));
    }
}

/* ---- two inputs, side outputs ------------------------------------------------------------------------ */

static int from_first(flinc_ctx *ctx, const int64_t *in, flinc_out *out)
{
    if (*in % 5 == 0) {
        return flinc_emit_int64(flinc_ctx_side(ctx, "fives"), *in);
    }
    return FLINC_EMIT(out, pair, .key = 1, .value = *in);
}

static int from_second(flinc_ctx *ctx, const pair *in, flinc_out *out)
{
    (void)ctx;
    return FLINC_EMIT(out, pair, .key = 2, .value = in->value);
}

static void build_co_process(const struct job *j)
{
    flinc_stream *a = flinc_from_sequence(j->env, 1, 20);
    flinc_stream *b =
        flinc_map(flinc_from_sequence(j->env, 101, 105), FLINC_FN(to_pair), FLINC_TYPE(pair));
    flinc_stream *both =
        flinc_co_process(a, b, FLINC_FN(from_first), FLINC_FN(from_second), FLINC_TYPE(pair));

    flinc_print_named(both, "main");
    flinc_print_named(flinc_side_output(both, "fives", FLINC_TYPE(flinc_int64)), "fives");
}

/* Keyed on both sides: equal keys meet in one subtask, whichever stream they come by. */
static int locate_first(flinc_ctx *ctx, const pair *in, flinc_out *out)
{
    return FLINC_EMIT(out, spot, .value = in->key, .subtask = flinc_ctx_subtask(ctx));
}

static void build_co_keyed(const struct job *j)
{
    flinc_stream *a =
        flinc_map(flinc_from_sequence(j->env, 1, 50), FLINC_FN(to_pair), FLINC_TYPE(pair));
    flinc_stream *b =
        flinc_map(flinc_from_sequence(j->env, 51, 100), FLINC_FN(to_pair), FLINC_TYPE(pair));
    flinc_stream *met =
        flinc_co_flat_map(flinc_key_by(a, "key"), flinc_key_by(b, "key"), FLINC_FN(locate_first),
                          FLINC_FN(locate_first), FLINC_TYPE(spot));

    flinc_set_parallelism(flinc_print(met), 1);
}

/* ---- settings of operators --------------------------------------------------------------------------- */

static int plus_one(flinc_ctx *ctx, const int64_t *in, int64_t *out)
{
    (void)ctx;
    *out = *in + 1;
    return 0;
}

static void build_settings(const struct job *j)
{
    flinc_stream *s = flinc_from_sequence(j->env, 1, 3);
    flinc_stream *a = flinc_uid(
        flinc_name(flinc_map(s, FLINC_FN(plus_one), FLINC_TYPE(flinc_int64)), "First"), "first");
    flinc_stream *b = flinc_start_new_chain(
        flinc_name(flinc_map(a, FLINC_FN(plus_one), FLINC_TYPE(flinc_int64)), "Second"));
    flinc_stream *c = flinc_disable_chaining(
        flinc_name(flinc_map(b, FLINC_FN(plus_one), FLINC_TYPE(flinc_int64)), "Third"));
    flinc_stream *d = flinc_slot_sharing_group(
        flinc_name(flinc_map(c, FLINC_FN(plus_one), FLINC_TYPE(flinc_int64)), "Fourth"), "other");

    flinc_set_max_parallelism(d, 17);
    flinc_print(d);
}

/* ---- files ------------------------------------------------------------------------------------------- */

static int write_twice(flinc_ctx *ctx, const int64_t *in, flinc_text *line)
{
    (void)ctx;
    flinc_text_printf(line, "%lld and %lld", (long long)*in, (long long)*in);
    return 0;
}

static void build_files(const struct job *j)
{
    flinc_write_text(flinc_from_sequence(j->env, 1, number(j, "count", 10)),
                     FLINC_TEXT_SINK(.path = flinc_params_get(j->params, "output", NULL),
                                     .prefix = "numbers", .suffix = ".txt",
                                     .rolling_bytes = (uint64_t)number(j, "rolling", 0),
                                     .format = FLINC_FN(write_twice)));
}

static void build_socket(const struct job *j)
{
    flinc_print(flinc_socket_text(
        j->env,
        FLINC_SOCKET_SOURCE(.host = "127.0.0.1", .port = (int)number(j, "port", 0),
                            .max_retries = (int)number(j, "retries", 0), .retry_delay_ms = 1)));
}

/* ---- the choice --------------------------------------------------------------------------------------- */

static const struct {
    const char *name;
    void (*build)(const struct job *j);
} jobs[] = {
    {"aggregates", build_aggregates}, {"kinds", build_kinds},
    {"batches", build_batches},       {"partition", build_partition},
    {"datagen", build_datagen},       {"co_process", build_co_process},
    {"co_keyed", build_co_keyed},     {"settings", build_settings},
    {"files", build_files},           {"socket", build_socket},
};

static int api(flinc_env *env, int argc, char **argv)
{
    static const char *const options[] = {"job",  "count",   "how",  "from",    "to",     "random",
                                          "rate", "rolling", "port", "retries", "output", NULL};
    struct job j = {env, flinc_params_parse(env, argc, argv, options)};
    const char *name = flinc_params_get(j.params, "job", "");

    for (size_t i = 0; i < sizeof(jobs) / sizeof(jobs[0]); i++) {
        if (strcmp(jobs[i].name, name) == 0) {
            jobs[i].build(&j);
            return flinc_env_execute(env, name);
        }
    }
    flinc_env_fail(env, "there is no job '%s'", name);
    return flinc_env_execute(env, name);
}
FLINC_JOB(api)
