/* flinc.sink.file: records as files of buckets.  Flink: FileSink. */
#include "engine/operators/files/sink_file.h"

#include "engine/operators/registry.h"

static int sink_file_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    Flinc__FileSinkConfig *c =
        flinc__file_sink_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);

    if (c == NULL || c->path[0] == '\0' || c->run_id[0] == '\0' || c->rolling == NULL) {
        if (c != NULL) {
            flinc__file_sink_config__free_unpacked(c, NULL);
        }
        return error_set(err, ERR_PARSE, "the configuration of the file sink is damaged");
    }
    return file_sink_start((struct file_sink *)op, ctx, c, err);
}

static void sink_file_close(struct operator* op, struct op_context *ctx)
{
    struct file_sink *s = (struct file_sink *)op;

    (void)ctx;
    file_sink_stop(s);
    if (s->config != NULL) {
        flinc__file_sink_config__free_unpacked(s->config, NULL);
    }
}

const struct operator_desc operator_sink_file = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.sink.file",
    .summary = "records as files of buckets, in a format, exactly once",
    .instance_size = sizeof(struct file_sink),
    .n_inputs = 1,
    .open = sink_file_open,
    .process = file_sink_process,
    .resume = file_sink_resume,
    .end_of_input = file_sink_end,
    .flush = file_sink_flush,
    .close = sink_file_close,
    .processing_time = file_sink_processing_time,
    .prepare_barrier = file_sink_prepare_barrier,
    .snapshot = file_sink_snapshot,
    .notify = file_sink_notify,
};
