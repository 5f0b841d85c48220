/* flinc.table.filesystem: files of a format as rows.  The reader half; its coordinator is that of flinc.source.text.
 *
 * List state are the splits in hand: the one that is read, with the position behind the last record that was emitted, and those
 * that wait.  Flink: FileSource over a BulkFormat. */
#include "common/base/failpoint.h"
#include "common/base/vec.h"
#include "common/metrics/registry.h"
#include "connectors/filesystem/constants.h"
#include "connectors/filesystem/filesystem.h"
#include "engine/operators/io/list_state.h"
#include "engine/operators/io/text_enumerator_state.h"
#include "engine/operators/io/text_reader.h"

struct files_source {
    struct operator op;
    Flinc__FilesystemSourceConfig *config; /* Owns */
    struct text_reader reader;
    struct format_options *options; /* Owns */
    struct format_decoder *decoder; /* Owns */
    struct schema *files;           /* Owns a ref: of what is in the files */
    struct schema *read_schema;     /* Owns a ref: of the columns that are wanted of it */
    int32_t *project;               /* Owns: of the output, columns of read_schema; -1: constants */
    struct builder builder;
    bool has_builder;
    struct constants constants;
    struct vec splits;           /* Flinc__FileSplit *, owned, to be read in order */
    struct operator_list *state; /* Borrows; NULL: no state */
    bool reading;                /* the first one is being read */
    bool decoding;               /* ... and the decoder has begun with it */
    bool requested, no_more;
    struct format_position position; /* behind what was emitted of it; offset 0: nothing yet */
    int64_t left;                    /* of the limit */
    struct metric_counter *errors;   /* Borrows */
    uint64_t told_errors;
};

static struct files_source *source_of(struct operator* op)
{
    return (struct files_source *)op;
}

/* ---- state ---------------------------------------------------------------------------------------- */

static int restore_splits(struct files_source *s, struct error *err)
{
    for (size_t i = 0; s->state != NULL && i < operator_list_len(s->state); i++) {
        struct slice bytes = operator_list_get(s->state, i);
        Flinc__FileSplit *split =
            flinc__file_split__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
        if (split == NULL) {
            return error_set(err, ERR_CORRUPT, "a split of a file in the checkpoint is damaged");
        }
        vec_push_ptr(&s->splits, split);
        TRY(file_split_check(split, err));
    }
    return 0;
}

static int files_source_snapshot(struct operator* op, struct op_context *ctx,
                                 const struct op_checkpoint *checkpoint, struct error *err)
{
    struct files_source *s = source_of(op);

    (void)ctx;
    (void)checkpoint;
    if (s->state == NULL) {
        return 0;
    }
    TRY(FAILPOINT(err, "source.table_files.snapshot"));
    operator_list_clear(s->state);
    for (size_t i = 0; i < s->splits.len; i++) {
        Flinc__FileSplit *split = vec_ptr(&s->splits, i);
        if (i == 0 && s->reading && s->position.offset + s->position.rows > 0) {
            split->position = s->position.offset;
            split->rows = s->position.rows;
        }
        TRY(list_state_add(s->state, &split->base, err));
    }
    return 0;
}

/* ---- life ----------------------------------------------------------------------------------------- */

static int open_format(struct files_source *s, struct error *err)
{
    const Flinc__FilesystemSourceConfig *c = s->config;
    const flinc_format *format = NULL;
    struct text_map pairs = TEXT_MAP_INIT;

    TRY(format_require(c->format, &format, err));
    for (size_t i = 0; i < MIN(c->n_option_keys, c->n_option_values); i++) {
        text_map_put(&pairs, slice_cstr(c->option_keys[i]), slice_cstr(c->option_values[i]));
    }
    int rc = format_options_new(format, &pairs, "", &s->options, err);
    text_map_fini(&pairs);
    TRY(rc);
    uint32_t *columns = MEM_NEW_ARRAY(uint32_t, (size_t)s->files->n_fields + 1);
    for (uint32_t i = 0; i < s->files->n_fields; i++) {
        int at = schema_find(s->read_schema, s->files->fields[i].name);
        columns[i] = at >= 0 ? (uint32_t)at : FLINC_FORMAT_NO_COLUMN;
    }
    struct format_decoder_config config = {.framing = FLINC_FORMAT_STREAM,
                                           .schema = s->files,
                                           .columns = columns,
                                           .options = s->options};
    rc = format_decoder_new(format, &config, &s->decoder, err);
    mem_free(columns);
    return rc;
}

/* The columns of the files that the output has; at least one, as rows must be counted. */
static int choose_columns(struct files_source *s, const struct op_context *ctx, struct error *err)
{
    const Flinc__FilesystemSourceConfig *c = s->config;
    uint32_t n_out = ctx->output_schemas[0]->n_fields, n = 0;
    size_t room = (size_t)s->files->n_fields + 1;
    const char **names = MEM_NEW_ARRAY(const char *, room);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, room);
    bool good = c->n_columns == n_out;

    s->project = MEM_NEW_ARRAY(int32_t, (size_t)n_out + 1);
    for (uint32_t i = 0; good && i < n_out; i++) {
        const Flinc__FilesystemColumn *column = c->columns[i];
        s->project[i] = -1;
        if (column->kind != FLINC__FILESYSTEM_COLUMN_KIND__FILESYSTEM_FILE) {
            continue;
        }
        good = column->file_column < s->files->n_fields && n < s->files->n_fields;
        if (good) {
            names[n] = s->files->fields[column->file_column].name;
            types[n] = type_ref(s->files->fields[column->file_column].type);
            s->project[i] = (int32_t)n++;
        }
    }
    if (n == 0) {
        names[0] = s->files->fields[0].name;
        types[0] = type_ref(s->files->fields[0].type);
        n = 1;
    }
    s->read_schema = schema_new(names, types, n);
    mem_free(names);
    mem_free(types);
    return good ? 0 : error_set(err, ERR_PARSE, "the columns of the file source are damaged");
}

static int files_source_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct files_source *s = source_of(op);

    vec_init(&s->splits, sizeof(void *));
    s->config = flinc__filesystem_source_config__unpack(NULL, ctx->spec->config.len,
                                                        ctx->spec->config.data);
    if (s->config == NULL) {
        return error_set(err, ERR_PARSE, "the configuration of the file source is damaged");
    }
    s->left = s->config->has_limit ? s->config->limit : INT64_MAX;
    s->errors = ctx->metrics != NULL ? metric_group_counter(ctx->metrics, "numRecordsInErrors")
                                     : arena_zalloc(ctx->arena, sizeof(*s->errors));
    TRY(schema_parse(slice_cstr(s->config->schema), &s->files, err));
    TRY(choose_columns(s, ctx, err));
    TRY(open_format(s, err));
    TRY(constants_init(&s->constants, s->config, ctx, err));
    builder_init(&s->builder, ctx->pool, s->read_schema, op_batch_rows(ctx));
    s->has_builder = true;
    text_reader_init(&s->reader, ctx, 0);
    TRY(list_state_open(ctx, "splits", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, &s->state,
                        err));
    return restore_splits(s, err);
}

static void files_source_close(struct operator* op, struct op_context *ctx)
{
    struct files_source *s = source_of(op);

    (void)ctx;
    text_reader_fini(&s->reader);
    if (s->has_builder) {
        builder_fini(&s->builder);
    }
    constants_fini(&s->constants);
    format_decoder_free(s->decoder);
    format_options_free(s->options);
    schema_unref(s->files);
    schema_unref(s->read_schema);
    mem_free(s->project);
    for (size_t i = 0; i < s->splits.len; i++) {
        flinc__file_split__free_unpacked(vec_ptr(&s->splits, i), NULL);
    }
    vec_fini(&s->splits);
    if (s->config != NULL) {
        flinc__filesystem_source_config__free_unpacked(s->config, NULL);
    }
}

/* ---- splits --------------------------------------------------------------------------------------- */

static void request_splits(struct files_source *s, struct op_context *ctx)
{
    Flinc__SourceReaderEvent e = FLINC__SOURCE_READER_EVENT__INIT;
    Flinc__RequestSplit request = FLINC__REQUEST_SPLIT__INIT;
    uint8_t bytes[64];

    request.subtask = ctx->subtask;
    e.body_case = FLINC__SOURCE_READER_EVENT__BODY_REQUEST_SPLIT;
    e.request_split = &request;
    size_t size = flinc__source_reader_event__get_packed_size(&e);
    ASSERT(size <= sizeof(bytes)); /* a number */
    flinc__source_reader_event__pack(&e, bytes);
    op_send_event(ctx, bytes, size);
    s->requested = true;
}

/* Starts the next split.  OP_DONE when one is there, else what poll() returns. */
static int next_split(struct files_source *s, struct op_context *ctx, struct error *err)
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
    const Flinc__FileSplit *split = vec_ptr(&s->splits, 0);
    TRY(constants_start(&s->constants, split, err));
    text_reader_start(&s->reader, split);
    s->position = (struct format_position){split->position, split->rows};
    s->reading = true;
    s->decoding = false;
    return OP_DONE;
}

static void end_split(struct files_source *s)
{
    flinc__file_split__free_unpacked(vec_ptr(&s->splits, 0), NULL);
    vec_remove(&s->splits, 0); /* a few at most */
    s->reading = false;
}

/* ---- rows ----------------------------------------------------------------------------------------- */

static void count_errors(struct files_source *s)
{
    uint64_t n =
        format_decoder_skipped_records(s->decoder) + format_decoder_nulled_fields(s->decoder);
    metric_counter_add(s->errors, (int64_t)(n - s->told_errors));
    s->told_errors = n;
}

/* What the builder has, with the columns of the file. */
static int emit_rows(struct files_source *s, struct op_context *ctx, struct error *err)
{
    count_errors(s);
    s->position = format_decoder_position(s->decoder);
    struct batch *rows = builder_finish(&s->builder);
    if (rows == NULL) {
        return 0;
    }
    if ((int64_t)rows->n_rows > s->left) {
        struct batch *cut = batch_materialize(
            ctx->pool, batch_slice(ctx->pool, rows, 0, (uint32_t)MAX(s->left, (int64_t)0)));
        batch_unref(rows);
        rows = cut;
    }
    s->left -= rows->n_rows;
    struct batch *out = batch_project(ctx->pool, rows, ctx->output_schemas[0], s->project);
    batch_unref(rows);
    int rc = out->n_rows > 0 ? constants_fill(&s->constants, out, err) : 0;
    if (rc < 0) {
        batch_unref(out);
        return rc;
    }
    op_emit(ctx, 0, out);
    return 0;
}

static void start_decoder(struct files_source *s, const struct text_rest *rest)
{
    const Flinc__FileSplit *split = vec_ptr(&s->splits, 0);
    struct format_position at = {rest->position,
                                 rest->position == split->position ? split->rows : 0};
    format_decoder_start(s->decoder, split->path, at,
                         rest->position == 0 ? FORMAT_AT_BEGINNING : FORMAT_IN_THE_MIDDLE);
    s->decoding = true;
}

/* Decodes what the chunk has.  True in *ret_emit: a batch is due. */
static int decode_chunk(struct files_source *s, bool *ret_emit, struct error *err)
{
    struct text_rest rest;
    struct format_decoded decoded;

    text_reader_rest(&s->reader, &rest);
    if (!s->decoding) {
        start_decoder(s, &rest);
    }
    struct format_decode_input input = {
        .data = rest.data,
        .past = rest.split_end == UINT64_MAX ? UINT64_MAX : rest.split_end - rest.position,
        .flags = rest.at_end ? FLINC_FORMAT_AT_END : 0,
    };
    TRY(format_decode(s->decoder, &input, &s->builder, &decoded, err));
    text_reader_consume(&s->reader, decoded.consumed);
    *ret_emit = decoded.batch_full;
    if (decoded.consumed > 0 || decoded.batch_full) {
        return 0;
    }
    if (rest.at_end) {
        text_reader_consume(&s->reader, rest.data.len); /* no record: blanks */
        return 0;
    }
    return text_reader_extend(&s->reader, err);
}

/* OP_MORE: go on. */
static int read_on(struct files_source *s, struct op_context *ctx, struct error *err)
{
    enum text_state state;
    bool emit = false;

    TRY(text_reader_advance(&s->reader, &state, err));
    if (state == TEXT_READY) {
        TRY(decode_chunk(s, &emit, err));
    }
    bool waits = state == TEXT_WAITING && builder_rows(&s->builder) > 0;
    if (emit || waits || state == TEXT_END) {
        bool has_rows = builder_rows(&s->builder) > 0;
        if (s->decoding) {
            TRY(emit_rows(s, ctx, err));
        }
        if (state == TEXT_END) {
            end_split(s);
        }
        return has_rows ? OP_DONE : OP_MORE;
    }
    return state == TEXT_WAITING ? OP_IDLE : OP_MORE;
}

static int files_source_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct files_source *s = source_of(op);

    for (int rc = OP_MORE;;) {
        if (s->left <= 0) {
            return OP_END;
        }
        if (!s->reading) {
            rc = next_split(s, ctx, err);
            if (rc != OP_DONE) {
                return rc;
            }
        }
        rc = read_on(s, ctx, err);
        if (rc != OP_MORE) {
            return rc;
        }
    }
}

static int files_source_on_event(struct operator* op, struct op_context *ctx, const uint8_t *data,
                                 size_t size, struct error *err)
{
    struct files_source *s = source_of(op);
    Flinc__EnumeratorEvent *e = flinc__enumerator_event__unpack(NULL, size, data);
    int rc = 0;

    if (e != NULL && e->body_case == FLINC__ENUMERATOR_EVENT__BODY_ASSIGN) {
        s->requested = false;
        for (size_t i = 0; i < e->assign->n_splits; i++) {
            vec_push_ptr(&s->splits, STEAL(e->assign->splits[i]));
        }
        e->assign->n_splits = 0; /* taken */
    } else if (e != NULL && e->body_case == FLINC__ENUMERATOR_EVENT__BODY_NO_MORE) {
        s->no_more = true;
    } else {
        rc = error_set(err, ERR_PARSE, "an event of the split enumerator is damaged");
    }
    flinc__enumerator_event__free_unpacked(e, NULL);
    op_wake(op_get_waker(ctx));
    return rc;
}

const struct operator_desc operator_table_filesystem = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.table.filesystem",
    .summary = "files of a format as rows",
    .instance_size = sizeof(struct files_source),
    .n_inputs = 0,
    .open = files_source_open,
    .poll = files_source_poll,
    .on_event = files_source_on_event,
    .snapshot = files_source_snapshot,
    .close = files_source_close,
};
