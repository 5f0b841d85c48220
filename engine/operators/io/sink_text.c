/* flinc.sink.text: lines in part files of a folder.
 *
 * A part is written under a hidden in-progress name and finished by rename.  While the job may still fail
 * and start over from its sources, a finished part would have to be taken back; so with bounded input
 * parts are finished at the end of input only, and every attempt first removes what an earlier attempt
 * of its subtask left.  With unbounded input a part is finished when it rolls.  Checkpoints will replace
 * both rules.
 *
 * Names: <prefix>-<run id>-<subtask>-<number><suffix>.  A part rolls when it has rolling_bytes, or when
 * lines come and it has been open for rolling_interval_ms.
 *
 * Lines are written, and finished parts synced, on the task's thread.
 * Flink: FileSink with a row format, OnCheckpointRollingPolicy, DefaultRollingPolicy. */
#include "common/base/vec.h"
#include "common/fs/recoverable.h"
#include "engine/operators/io/io_counter.h"
#include "engine/operators/io/line_format.h"
#include "engine/operators/io/row_text.h"
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
    bool has_format;          /* else as the print sink prints */
    struct recoverable *part; /* Owns; being written; NULL: none is open */
    struct vec pending;       /* struct str, Owns: commit handles of parts that wait for the end */
    struct str lines;         /* not written yet */
    uint32_t next_part;
    uint64_t rolling_bytes;
    int64_t part_opened_ms;
    bool bounded;
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

    vec_init(&s->pending, sizeof(struct str));
    s->bytes_send = io_bytes_send(ctx);
    s->bounded = (ctx->flags & OP_FLAG_INPUTS_BOUNDED) != 0;
    s->config =
        flinc__text_sink_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);
    if (s->config == NULL || s->config->path[0] == '\0' || s->config->run_id[0] == '\0') {
        return error_set(err, ERR_PARSE, "the configuration of the text sink is damaged");
    }
    s->rolling_bytes =
        s->config->rolling_bytes > 0 ? s->config->rolling_bytes : (uint64_t)ROLLING_BYTES_DEFAULT;
    if (ctx->spec->n_functions > 0) {
        s->has_format = true;
        TRY(line_format_open(&s->format, ctx, s->config->record, err));
    }
    TRY_CTX(err, fs_mkdirs(s->config->path, err), "making the output folder %s", s->config->path);
    if (ctx->attempt_number > 0) {
        TRY_CTX(err, remove_leftovers(s, ctx, err), "removing files of an earlier attempt");
    }
    return 0;
}

/* ---- parts ------------------------------------------------------------------------------------------ */

static int open_part(struct text_sink *s, const struct op_context *ctx, struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO path = STR_INIT;

    str_printf(&name, "%s-%s-%u-%u%s", s->config->part_prefix, s->config->run_id, ctx->subtask,
               s->next_part++, s->config->part_suffix);
    TRY(fs_join(s->config->path, str_cstr(&name), &path, err));
    s->part_opened_ms = clock_monotonic_ms(ctx->clock);
    return recoverable_open(str_cstr(&path), &s->part, err);
}

static int commit_pending(struct text_sink *s, struct error *err)
{
    while (s->pending.len > 0) {
        struct str *handle = VEC_AT(&s->pending, struct str, s->pending.len - 1);
        TRY(recoverable_commit(str_slice(handle), err));
        str_fini(handle);
        vec_pop(&s->pending);
    }
    return 0;
}

/* Closes the part; it becomes visible now or at the end of input. */
static int finish_part(struct text_sink *s, struct error *err)
{
    struct str handle = STR_INIT;

    if (s->part == NULL) {
        return 0;
    }
    int rc = recoverable_close_for_commit(&s->part, &handle, err);
    if (rc < 0) {
        str_fini(&handle);
        return rc;
    }
    *VEC_PUSH(&s->pending, struct str) = handle;
    return s->bounded ? 0 : commit_pending(s, err);
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
    TRY(commit_pending(s, err));
    return OP_DONE;
}

/* What was not finished is of no attempt's use: it goes. */
static void text_sink_close(struct operator* op, struct op_context *ctx)
{
    struct text_sink *s = (struct text_sink *)op;

    (void)ctx;
    recoverable_abort(s->part);
    for (size_t i = 0; i < s->pending.len; i++) {
        struct str *handle = VEC_AT(&s->pending, struct str, i);
        /* What cannot be deleted stays hidden; the next attempt removes it by its name. */
        (void)!recoverable_cleanup(str_slice(handle), NULL);
        str_fini(handle);
    }
    vec_fini(&s->pending);
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
};
