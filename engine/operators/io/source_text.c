/* flinc.source.text: lines of files.  The reader half: asks its enumerator for splits, reads them one
 * after another, and emits batches of lines.
 *
 * List state are the splits in hand: the one that is read, with the position behind the lines that were
 * emitted, and those that wait.  A restored reader that has none asks again.
 * Flink: FileSource, FileSourceReader. */
#include "common/base/failpoint.h"
#include "common/base/vec.h"
#include "engine/operators/io/io_pending.h"
#include "engine/operators/io/list_state.h"
#include "engine/operators/io/text_enumerator_state.h"
#include "engine/operators/io/text_reader.h"
#include "engine/operators/registry.h"
#include "proto/operators.pb-c.h"

struct text_source {
    struct operator op;
    struct text_reader reader;
    struct vec splits;           /* Flinc__FileSplit *, owned, to be read in order */
    struct operator_list *state; /* Borrows: splits at the last checkpoint; NULL: no state */
    bool reading;                /* the first one is being read */
    bool requested;              /* a request for splits is out */
    bool no_more;
    struct metric_gauge *pending; /* Borrows */
};

/* ---- state ------------------------------------------------------------------------------------------- */

static int restore_splits(struct text_source *s, struct error *err)
{
    for (size_t i = 0; i < operator_list_len(s->state); i++) {
        struct slice bytes = operator_list_get(s->state, i);
        Flinc__FileSplit *split =
            flinc__file_split__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
        if (split == NULL) {
            return error_set(err, ERR_CORRUPT,
                             "a split of a text file in the checkpoint is damaged");
        }
        vec_push_ptr(&s->splits, split);
        TRY(file_split_check(split, err));
    }
    return 0;
}

static int save_split(struct text_source *s, const Flinc__FileSplit *split, struct error *err)
{
    size_t size = flinc__file_split__get_packed_size(split);
    uint8_t *bytes = mem_alloc(size + 1);

    flinc__file_split__pack(split, bytes);
    int rc = operator_list_add(s->state, bytes, size, err);
    mem_free(bytes);
    return rc;
}

/* Between two polls: the reader stands behind the last batch that was emitted. */
static int text_source_snapshot(struct operator* op, struct op_context *ctx,
                                const struct op_checkpoint *checkpoint, struct error *err)
{
    struct text_source *s = (struct text_source *)op;

    (void)ctx;
    (void)checkpoint;
    if (s->state == NULL) {
        return 0;
    }
    TRY(FAILPOINT(err, "source.text.snapshot"));
    operator_list_clear(s->state);
    for (size_t i = 0; i < s->splits.len; i++) {
        Flinc__FileSplit *split = vec_ptr(&s->splits, i);
        if (i == 0 && s->reading && !PLANTED("source_restarts_split")) {
            split->position = text_reader_position(&s->reader);
        }
        TRY(save_split(s, split, err));
    }
    return 0;
}

/* ---- metrics ----------------------------------------------------------------------------------------- */

/* Of a packed file, whose lines lie nobody knows where in it, all bytes until its end. */
static uint64_t bytes_left(const struct text_source *s, size_t index)
{
    const Flinc__FileSplit *split = vec_ptr(&s->splits, index);
    uint64_t position = split->position;

    if (split->whole_file) {
        return split->length;
    }
    if (index == 0 && s->reading) {
        position = text_reader_position(&s->reader);
    }
    position = MAX(position, split->offset);
    uint64_t end = split->offset + split->length;
    return end - MIN(position, end);
}

/* Of the splits in hand. */
static void tell_pending(struct text_source *s)
{
    uint64_t bytes = 0;

    for (size_t i = 0; i < s->splits.len; i++) {
        bytes += bytes_left(s, i);
    }
    metric_gauge_set(s->pending, (int64_t)MIN(bytes, (uint64_t)INT64_MAX));
}

/* ---- life -------------------------------------------------------------------------------------------- */

static int text_source_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct text_source *s = (struct text_source *)op;
    Flinc__TextSourceConfig *c =
        flinc__text_source_config__unpack(NULL, ctx->spec->config.len, ctx->spec->config.data);

    vec_init(&s->splits, sizeof(void *));
    if (c == NULL) {
        return error_set(err, ERR_PARSE, "the configuration of the text source is damaged");
    }
    uint64_t max_line_bytes = c->max_line_bytes;
    flinc__text_source_config__free_unpacked(c, NULL);
    if (max_line_bytes > TEXT_LINE_BYTES_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "max_line_bytes of the text source is %llu, the most is %d",
                         (unsigned long long)max_line_bytes, TEXT_LINE_BYTES_MAX);
    }
    text_reader_init(&s->reader, ctx, max_line_bytes);
    TRY(list_state_open(ctx, "splits", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, &s->state,
                        err));
    s->pending = io_pending_gauge(ctx, "pendingBytes");
    TRY(s->state != NULL ? restore_splits(s, err) : 0);
    tell_pending(s);
    return 0;
}

/* ---- splits ------------------------------------------------------------------------------------------ */

static void send_event(struct op_context *ctx, Flinc__SourceReaderEvent *e)
{
    uint8_t bytes[64];
    size_t size = flinc__source_reader_event__get_packed_size(e);

    ASSERT(size <= sizeof(bytes)); /* requests only: a few bytes */
    flinc__source_reader_event__pack(e, bytes);
    op_send_event(ctx, bytes, size);
}

static void request_splits(struct text_source *s, struct op_context *ctx)
{
    Flinc__SourceReaderEvent e = FLINC__SOURCE_READER_EVENT__INIT;
    Flinc__RequestSplit request = FLINC__REQUEST_SPLIT__INIT;

    request.subtask = ctx->subtask;
    e.body_case = FLINC__SOURCE_READER_EVENT__BODY_REQUEST_SPLIT;
    e.request_split = &request;
    send_event(ctx, &e);
    s->requested = true;
}

/* Starts the next split.  OP_DONE when one is there, else what poll() returns. */
static int next_split(struct text_source *s, struct op_context *ctx)
{
    if (s->splits.len == 0) {
        if (s->no_more) {
            return OP_END;
        }
        if (!s->requested) {
            request_splits(s, ctx);
        }
        return OP_IDLE; /* the answer wakes the task */
    }
    text_reader_start(&s->reader, vec_ptr(&s->splits, 0));
    s->reading = true;
    return OP_DONE;
}

static void end_split(struct text_source *s)
{
    flinc__file_split__free_unpacked(vec_ptr(&s->splits, 0), NULL);
    vec_remove(&s->splits, 0); /* a few at most: what one answer assigns */
    s->reading = false;
    tell_pending(s);
}

static int text_source_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct text_source *s = (struct text_source *)op;
    struct batch *lines = NULL;
    enum text_state state;

    while (lines == NULL) {
        if (!s->reading) {
            int rc = next_split(s, ctx);
            if (rc != OP_DONE) {
                return rc;
            }
        }
        TRY(text_reader_advance(&s->reader, &state, err));
        if (state == TEXT_WAITING) {
            return OP_IDLE;
        }
        if (state == TEXT_END) {
            end_split(s);
            continue;
        }
        TRY(text_reader_take_lines(&s->reader, ctx->output_schemas[0], &lines, err));
    }
    tell_pending(s);
    op_emit(ctx, 0, lines);
    return OP_DONE;
}

static int text_source_on_event(struct operator* op, struct op_context *ctx, const uint8_t *data,
                                size_t size, struct error *err)
{
    struct text_source *s = (struct text_source *)op;
    Flinc__EnumeratorEvent *e = flinc__enumerator_event__unpack(NULL, size, data);

    int rc = 0;
    if (e != NULL && e->body_case == FLINC__ENUMERATOR_EVENT__BODY_ASSIGN) {
        s->requested = false;
        for (size_t i = 0; i < e->assign->n_splits; i++) {
            vec_push_ptr(&s->splits, STEAL(e->assign->splits[i]));
        }
        e->assign->n_splits = 0; /* taken */
        tell_pending(s);
    } else if (e != NULL && e->body_case == FLINC__ENUMERATOR_EVENT__BODY_NO_MORE) {
        s->no_more = true;
    } else {
        rc = error_set(err, ERR_PARSE, "an event of the split enumerator is damaged");
    }
    flinc__enumerator_event__free_unpacked(e, NULL);
    op_wake(op_get_waker(ctx));
    return rc;
}

static void text_source_close(struct operator* op, struct op_context *ctx)
{
    struct text_source *s = (struct text_source *)op;

    (void)ctx;
    text_reader_fini(&s->reader);
    for (size_t i = 0; i < s->splits.len; i++) {
        flinc__file_split__free_unpacked(vec_ptr(&s->splits, i), NULL);
    }
    vec_fini(&s->splits);
}

const struct operator_desc operator_source_text = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.source.text",
    .summary = "lines of text files, in splits handed out by an enumerator",
    .instance_size = sizeof(struct text_source),
    .n_inputs = 0,
    .open = text_source_open,
    .poll = text_source_poll,
    .on_event = text_source_on_event,
    .snapshot = text_source_snapshot,
    .close = text_source_close,
};
