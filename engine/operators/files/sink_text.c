/* flinc.sink.text: lines in part files of a folder: a file sink of the format "text" with one bucket, which rolls at each
 * barrier, and whose names have numbers: <prefix>-<run id>-<subtask>-<number><suffix>.
 *
 * A part rolls when it has rolling_bytes, and when it has been open for rolling_interval_ms.
 * Flink: FileSink with a row format, OnCheckpointRollingPolicy, DefaultRollingPolicy. */
#include "engine/operators/files/sink_file.h"
#include "engine/operators/registry.h"

enum { ROLLING_BYTES_DEFAULT = 128 * 1024 * 1024 };

struct text_sink {
    struct file_sink sink;
    Flinc__TextSinkConfig *text;  /* Owns */
    Flinc__FileSinkConfig config; /* borrows of it */
    Flinc__FileRolling rolling;
};

static int text_sink_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct text_sink *s = (struct text_sink *)op;
    Flinc__TextSinkConfig *t =
        flinc__text_sink_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);

    s->text = t;
    if (t == NULL || t->path[0] == '\0' || t->run_id[0] == '\0') {
        return error_set(err, ERR_PARSE, "the configuration of the text sink is damaged");
    }
    flinc__file_rolling__init(&s->rolling);
    s->rolling.on_checkpoint = true;
    s->rolling.part_bytes =
        t->rolling_bytes > 0 ? t->rolling_bytes : (uint64_t)ROLLING_BYTES_DEFAULT;
    s->rolling.interval_ms = t->rolling_interval_ms;
    s->rolling.check_interval_ms =
        MIN(t->rolling_interval_ms, (uint64_t)FILE_CHECK_INTERVAL_MS_DEFAULT);
    flinc__file_sink_config__init(&s->config);
    s->config.path = t->path;
    s->config.run_id = t->run_id;
    s->config.format = (char *)(uintptr_t) "text";
    s->config.has_encoder = ctx->spec->n_functions > 0;
    s->config.record = t->record;
    s->config.rolling = &s->rolling;
    s->config.part_prefix = t->part_prefix;
    s->config.part_suffix = t->part_suffix;
    s->config.numbered_names = true;
    return file_sink_start(&s->sink, ctx, &s->config, err);
}

static void text_sink_close(struct operator* op, struct op_context *ctx)
{
    struct text_sink *s = (struct text_sink *)op;

    (void)ctx;
    file_sink_stop(&s->sink);
    if (s->text != NULL) {
        flinc__text_sink_config__free_unpacked(s->text, NULL);
    }
}

const struct operator_desc operator_sink_text = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.sink.text",
    .summary = "lines in part files of a folder, finished by rename",
    .instance_size = sizeof(struct text_sink),
    .n_inputs = 1,
    .open = text_sink_open,
    .process = file_sink_process,
    .resume = file_sink_resume,
    .end_of_input = file_sink_end,
    .flush = file_sink_flush,
    .close = text_sink_close,
    .processing_time = file_sink_processing_time,
    .prepare_barrier = file_sink_prepare_barrier,
    .snapshot = file_sink_snapshot,
    .notify = file_sink_notify,
};
