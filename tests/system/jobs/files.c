/* Numbered records into files: --records of them (at --rate per second), in --format, by --buckets none, country or
 * hour (of event time, a record a second), with --roll default or checkpoint, --bulk, --compression, --part-bytes,
 * --interval, and compaction by --compact-bytes or --compact-checkpoints.  --bad: what is wrong with it. */
#include <flinc/flinc.h>
#include <string.h>

FLINC_STRUCT(record, FLINC_INT64(id), FLINC_STRING(country), FLINC_DOUBLE(price), FLINC_INT64(at));
FLINC_STRUCT(nested, FLINC_INT64(id), FLINC_NESTED(tags, "MAP<STRING, INT>"));

static int make(flinc_ctx *ctx, int64_t index, record *out)
{
    static const char *const countries[] = {"de", "us", "fr", "jp", "br", "in", "za"};

    (void)ctx;
    out->id = index;
    out->country = FLINC_STR(countries[index % 7]);
    out->price = (double)index / 4;
    out->at = index * 1000;
    return 0;
}

static int country_of(flinc_ctx *ctx, const record *in, flinc_text *out)
{
    (void)ctx;
    flinc_text_printf(out, "country=%.*s", (int)in->country.len, in->country.data);
    return 0;
}

static int up_and_out(flinc_ctx *ctx, const record *in, flinc_text *out)
{
    (void)ctx;
    (void)in;
    flinc_text_append(out, "../../outside", 13);
    return 0;
}

static int no_tags(flinc_ctx *ctx, const record *in, nested *out)
{
    (void)ctx;
    out->id = in->id;
    return 0;
}

static flinc_buckets buckets_of(const char *name)
{
    flinc_buckets b = {.kind = FLINC_BUCKET_BASE_PATH};

    if (strcmp(name, "country") == 0) {
        b = (flinc_buckets)FLINC_FUNCTION_BUCKETS(FLINC_FN(country_of));
    } else if (strcmp(name, "outside") == 0) {
        b = (flinc_buckets)FLINC_FUNCTION_BUCKETS(FLINC_FN(up_and_out));
    } else if (strcmp(name, "hour") == 0) {
        b = (flinc_buckets)FLINC_DATE_TIME_BUCKETS(.zone = "UTC", .time = FLINC_BUCKET_EVENT_TIME);
    }
    return b;
}

static int files(flinc_env *env, int argc, char **argv)
{
    static const char *const known[] = {"records",
                                        "rate",
                                        "output",
                                        "format",
                                        "bulk",
                                        "buckets",
                                        "roll",
                                        "part-bytes",
                                        "interval",
                                        "compact-bytes",
                                        "compact-checkpoints",
                                        "header",
                                        "compression",
                                        "bad",
                                        NULL};
    flinc_params *p = flinc_params_parse(env, argc, argv, known);
    const char *bad = flinc_params_get(p, "bad", "");
    flinc_stream *s = flinc_from_datagen(
        env, FLINC_DATAGEN(.generate = FLINC_FN(make), .type = FLINC_TYPE(record),
                           .count = flinc_params_int(p, "records", 100000),
                           .rows_per_second = (double)flinc_params_int(p, "rate", 0)));

    s = flinc_assign_timestamps(
        s, FLINC_WATERMARKS(.kind = FLINC_WATERMARKS_BOUNDED, .timestamp = "at"));
    if (strcmp(bad, "schema") == 0) {
        s = flinc_map(s, FLINC_FN(no_tags), FLINC_TYPE(nested));
    }
    flinc_file_sink sink = FLINC_FILE_SINK(
            .path = flinc_params_get(p, "output", NULL),
            .format = flinc_params_get(p, "format", "csv"),
            .bulk = flinc_params_int(p, "bulk", 0) != 0,
            .compression = flinc_params_get(p, "compression", NULL),
            .csv = {.header = flinc_params_int(p, "header", 0) != 0},
            .buckets = buckets_of(flinc_params_get(p, "buckets", "none")),
            .rolling = {.policy = strcmp(flinc_params_get(p, "roll", ""), "checkpoint") == 0
                                      ? FLINC_ROLL_ON_CHECKPOINT
                                      : FLINC_ROLL_DEFAULT,
                        .part_bytes = (uint64_t)flinc_params_int(p, "part-bytes", 0),
                        .interval_ms = (uint64_t)flinc_params_int(p, "interval", 0),
                        .check_interval_ms = (uint64_t)flinc_params_int(p, "interval", 0)},
            .compaction = {.size_bytes = (uint64_t)flinc_params_int(p, "compact-bytes", 0),
                           .checkpoints = (uint32_t)flinc_params_int(p, "compact-checkpoints", 0)});
    if (strcmp(bad, "prefix") == 0) {
        sink.prefix = "../up";
    }
    flinc_uid(flinc_write_files(flinc_rebalance(s), sink), "files");
    return flinc_env_execute(env, "files");
}
FLINC_JOB(files)
