/* flinc.sink.text: lines in part files of a folder.
 *
 * A part is written under a hidden in-progress name and appears by rename.  With checkpoints it is closed
 * at each barrier and appears when that checkpoint is complete: exactly once (text_commits.h); rolling by
 * size or time in between makes more parts, not earlier ones.  Without checkpoints a finished part may
 * have to be taken back when the job starts over: with bounded input parts appear at the end of the input
 * only, and every attempt first removes what an earlier attempt of its subtask left; with unbounded input
 * a part appears when it rolls.
 *
 * Names: <prefix>-<run id>-<subtask>-<number><suffix>; numbers are never used again, as they are state.
 * A part rolls when it has rolling_bytes, or when lines come and it has been open for
 * rolling_interval_ms.
 *
 * Lines are written, and finished parts synced, on the task's thread.
 * Flink: FileSink with a row format, OnCheckpointRollingPolicy, DefaultRollingPolicy. */
#include "common/base/failpoint.h"
#include "common/fs/recoverable.h"
#include "engine/operators/io/io_counter.h"
#include "engine/operators/io/line_format.h"
#include "engine/operators/io/row_text.h"
#include "engine/operators/io/text_commits.h"
#include "engine/operators/registry.h"
#include "proto/operators.pb-c.h"

enum {
    LINES_BYTES_TARGET = 64 * 1024, /* written together */
    LINES_KEEP_BYTES = 1024 * 1024, /* of memory, from one write to the next */
    ROLLING_BYTES_DEFAULT = 128 * 1024 * 1024,
};

struct text_sink {
    struct operator op;
    Flinc__TextSinkConfig *config;     /* Owns */
    struct metric_counter *bytes_send; /* Borrows */
    struct line_format format;
    bool has_format;             /* else as the print sink prints */
    struct recoverable *part;    /* Owns; being written; NULL: none is open */
    struct text_commits commits; /* parts that wait */
    struct str lines;            /* not written yet */
    uint64_t rolling_bytes;
    int64_t part_opened_ms;
    bool bounded, checkpointed;
};

/* Files of this run and subtask: what an earlier attempt left, under both of its names. */
static int remove_leftovers(struct text_sink *s, const struct op_context *ctx, struct error *err)
{
    struct fs_list list = FS_LIST_INIT;
    STR_AUTO finished = STR_INIT;
    STR_AUTO hidden = STR_INIT;

    str_printf(&finished, "%s-%s-%u-", s->config->part_prefix, s->config->run_id, ctx->subtask);
    str_printf(&hidden, ".%s", str_cstr(&finished));
    int rc = fs_list_dir(s->config->path, &list, err);
    if (rc == ERR_NOT_FOUND) {
        rc =
            0; /* made when the sink was opened; without a file there is no such thing on an object store */
    }
    for (size_t i = 0; i < list.n && rc == 0; i++) {
        const struct fs_entry *e = &list.entries[i];
        if (e->status.kind == FS_KIND_FILE && (cstr_starts_with(e->name, str_cstr(&finished)) ||
                                               cstr_starts_with(e->name, str_cstr(&hidden)))) {
            rc = fs_delete(e->path, FS_DELETE_ONE, err);
            rc = rc == ERR_NOT_FOUND ? 0 : rc; /* fine: somebody else has removed it */
        }
    }
    fs_list_fini(&list);
    return rc;
}

static int text_sink_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct text_sink *s = (struct text_sink *)op;

    s->bytes_send = io_bytes_send(ctx);
    s->bounded = (ctx->flags & OP_FLAG_INPUTS_BOUNDED) != 0;
    s->checkpointed = (ctx->flags & OP_FLAG_CHECKPOINTS) != 0;
    s->config =
        flinc__text_sink_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    if (s->config == NULL || s->config->path[0] == '\0' || s->config->run_id[0] == '\0') {
        return error_set(err, ERR_PARSE, "the configuration of the text sink is damaged");
    }
    text_commits_init(&s->commits, ctx, s->config);
    s->rolling_bytes =
        s->config->rolling_bytes > 0 ? s->config->rolling_bytes : (uint64_t)ROLLING_BYTES_DEFAULT;
    if (ctx->spec->n_functions > 0) {
        s->has_format = true;
        TRY(line_format_open(&s->format, ctx, s->config->record, err));
    }
    TRY_CTX(err, fs_mkdirs(s->config->path, err), "making the output folder %s", s->config->path);
    if (ctx->attempt_number > 0 && !s->checkpointed) {
        TRY_CTX(err, remove_leftovers(s, ctx, err), "removing files of an earlier attempt");
    }
    return text_commits_open(&s->commits, err);
}

/* ---- parts ------------------------------------------------------------------------------------------ */

/* The path of the next part whose name is free.  Numbers are, but for a folder that somebody filled. */
static int next_path(struct text_sink *s, const struct op_context *ctx, struct str *ret,
                     struct error *err)
{
    for (;;) {
        STR_AUTO name = STR_INIT;
        str_printf(&name, "%s-%s-%u-%llu%s", s->config->part_prefix, s->config->run_id,
                   ctx->subtask, (unsigned long long)s->commits.next_part++,
                   s->config->part_suffix);
        str_clear(ret);
        TRY(fs_join(s->config->path, str_cstr(&name), ret, err));
        int taken = fs_exists(str_cstr(ret), err);
        if (taken <= 0) {
            return taken;
        }
    }
}

static int open_part(struct text_sink *s, const struct op_context *ctx, struct error *err)
{
    STR_AUTO path = STR_INIT;

    TRY(next_path(s, ctx, &path, err));
    s->part_opened_ms = clock_monotonic_ms(ctx->clock);
    return recoverable_open(str_cstr(&path), &s->part, err);
}

/* Closes the part; it becomes visible now, at the end of input, or with a checkpoint. */
static int finish_part(struct text_sink *s, struct error *err)
{
    struct str handle = STR_INIT;

    if (s->part == NULL) {
        return 0;
    }
    TRY(FAILPOINT(err, "sink.text.close.before"));
    int rc = recoverable_close_for_commit(&s->part, &handle, err);
    if (rc < 0) {
        str_fini(&handle);
        return rc;
    }
    text_commits_add(&s->commits, handle);
    TRY(FAILPOINT(err, "sink.text.close.after"));
    return s->bounded || s->checkpointed ? 0 : text_commits_all(&s->commits, err);
}

static bool should_roll(const struct text_sink *s, const struct op_context *ctx)
{
    if (s->part == NULL) {
        return false;
    }
    if (recoverable_position(s->part) >= s->rolling_bytes) {
        return true;
    }
    return s->config->rolling_interval_ms > 0 &&
           (uint64_t)(clock_monotonic_ms(ctx->clock) - s->part_opened_ms) >=
               s->config->rolling_interval_ms;
}

static int write_lines(struct text_sink *s, const struct op_context *ctx, struct error *err)
{
    if (s->lines.len == 0) {
        return 0;
    }
    if (should_roll(s, ctx)) {
        TRY(finish_part(s, err));
    }
    if (s->part == NULL) {
        TRY(open_part(s, ctx, err));
    }
    TRY(recoverable_write(s->part, s->lines.data, s->lines.len, err));
    metric_counter_add(s->bytes_send, (int64_t)s->lines.len);
    if (s->lines.cap > LINES_KEEP_BYTES) {
        str_fini(&s->lines);
    }
    str_clear(&s->lines);
    return 0;
}

/* ---- records ---------------------------------------------------------------------------------------- */

static int text_sink_process(struct operator* op, struct op_context *ctx, uint32_t input,
                             struct batch *take_batch, struct error *err)
{
    struct text_sink *s = (struct text_sink *)op;
    int rc = 0;

    (void)input;
    if (s->has_format) {
        rc = line_format_batch(&s->format, take_batch, &s->lines, err);
    } else {
        for (uint32_t i = 0; i < take_batch->n_sel; i++) {
            row_text_append(&s->lines, take_batch, batch_row(take_batch, i));
            str_append_char(&s->lines, '\n');
        }
    }
    batch_unref(take_batch);
    if (rc == 0 && s->lines.len >= LINES_BYTES_TARGET) {
        rc = write_lines(s, ctx, err);
    }
    return rc < 0 ? rc : OP_DONE;
}

static int text_sink_flush(struct operator* op, struct op_context *ctx, struct error *err)
{
    TRY(write_lines((struct text_sink *)op, ctx, err));
    return OP_DONE;
}

static int text_sink_end(struct operator* op, struct op_context *ctx, uint32_t input,
                         struct error *err)
{
    struct text_sink *s = (struct text_sink *)op;

    (void)input;
    TRY(write_lines(s, ctx, err));
    TRY(finish_part(s, err));
    if (!s->checkpointed) { /* else the last checkpoint of the job does it */
        TRY(text_commits_all(&s->commits, err));
    }
    return OP_DONE;
}

/* ---- checkpoints ------------------------------------------------------------------------------------ */

/* What came before the barrier is in parts of its own. */
static int text_sink_prepare_barrier(struct operator* op, struct op_context *ctx,
                                     const struct op_checkpoint *checkpoint, struct error *err)
{
    struct text_sink *s = (struct text_sink *)op;

    (void)checkpoint;
    TRY(write_lines(s, ctx, err));
    TRY(finish_part(s, err));
    return OP_DONE;
}

static int text_sink_snapshot(struct operator* op, struct op_context *ctx,
                              const struct op_checkpoint *checkpoint, struct error *err)
{
    (void)ctx;
    return text_commits_snapshot(&((struct text_sink *)op)->commits, checkpoint, err);
}

static int text_sink_notify(struct operator* op, struct op_context *ctx, enum op_notice notice,
                            uint64_t checkpoint_id, struct error *err)
{
    struct text_sink *s = (struct text_sink *)op;

    (void)ctx; /* aborted: the parts wait for the next checkpoint */
    return notice == OP_NOTICE_COMPLETE ? text_commits_complete(&s->commits, checkpoint_id, err)
                                        : 0;
}

/* ---- the end ---------------------------------------------------------------------------------------- */

/* What no checkpoint has is of no attempt's use: it goes. */
static void text_sink_close(struct operator* op, struct op_context *ctx)
{
    struct text_sink *s = (struct text_sink *)op;

    (void)ctx;
    recoverable_abort(s->part);
    text_commits_fini(&s->commits);
    line_format_close(&s->format);
    str_fini(&s->lines);
    if (s->config != NULL) {
        flinc__text_sink_config__free_unpacked(s->config, NULL);
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
    .process = text_sink_process,
    .end_of_input = text_sink_end,
    .flush = text_sink_flush,
    .close = text_sink_close,
    .prepare_barrier = text_sink_prepare_barrier,
    .snapshot = text_sink_snapshot,
    .notify = text_sink_notify,
};
