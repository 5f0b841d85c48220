/* flinc.table.plugin_source: a source of a plug-in.  Subtask i takes splits i, i + parallelism, ... of those that the plug-in
 * names; splits with their positions are list state, so that they go to whoever is there after a restart.  A bounded
 * source reads one split after the other, an unbounded one all of its at the same time. */
#include "connectors/plugin/plugin_internal.h"
#include "engine/data/builder.h"
#include "engine/operators/io/list_state.h"

enum { PLUGIN_EMIT_MAX = 16 }; /* batches of one poll of a plug-in */

struct plugin_split {
    struct str id, position; /* Owns */
    bool has_position, has_ended;
    void *reader; /* the plug-in's; NULL: not opened */
    int64_t watermark_ms;
};

/* Outlives nobody: the plug-in may use it until close() has returned. */
struct plugin_waker {
    flinc_connector_waker face; /* first member */
    struct op_waker *waker;
};

struct plugin_source {
    struct operator op;
    struct op_context *ctx; /* Borrows */
    struct plugin_operator plugin;
    struct plugin_waker waker;
    struct vec splits; /* struct plugin_split * */
    size_t cursor;     /* split to be asked next */
    struct builder builder;
    bool has_builder;
    uint32_t emitted;              /* batches of this poll */
    struct operator_list *left;    /* Borrows; NULL: no state */
    struct operator_list *started; /* Borrows; not empty: the source was in the checkpoint */
};

static const char *table_name(const struct plugin_source *s)
{
    return s->plugin.table.face.name;
}

static flinc_string as_string(const struct str *s)
{
    return (flinc_string){str_cstr(s), s->len};
}

static struct plugin_split *add_split(struct plugin_source *s)
{
    struct plugin_split *split = MEM_NEW(struct plugin_split);

    split->watermark_ms = INT64_MIN;
    vec_push_ptr(&s->splits, split);
    return split;
}

/* ---- open ------------------------------------------------------------------------------------------ */

static int name_splits(struct plugin_source *s, struct error *err)
{
    const struct plugin_connector *c = s->plugin.connector;
    const flinc_connector_table *t = &s->plugin.table.face;
    struct plugin_bytes bytes;
    flinc_connector_error why = {{0}};

    plugin_bytes_init(&bytes, FLINC_CONNECTOR_SPLITS_MAX);
    int code = c->source.splits(t, &bytes.face, &why);
    int rc = plugin_connector_result(c, code, &why, "finding the splits of", table_name(s), err);
    rc = rc < 0 ? rc : plugin_bytes_check(&bytes, c, err);
    for (size_t i = t->subtask; rc == 0 && i < bytes.items.len; i += t->parallelism) {
        str_append_slice(&add_split(s)->id, str_slice(VEC_AT(&bytes.items, struct str, i)));
    }
    plugin_bytes_fini(&bytes);
    return rc;
}

static int load_split(struct plugin_source *s, struct slice bytes, struct error *err)
{
    Flinc__PluginSplit *m =
        flinc__plugin_split__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);

    if (m == NULL) {
        return error_set(err, ERR_CORRUPT,
                         "a split of table '%s' in the checkpoint is damaged; restore from another "
                         "one",
                         table_name(s));
    }
    struct plugin_split *split = add_split(s);
    str_append(&split->id, (const char *)m->split.data, m->split.len);
    str_append(&split->position, (const char *)m->position.data, m->position.len);
    split->has_position = m->has_position;
    flinc__plugin_split__free_unpacked(m, NULL);
    return 0;
}

static int open_splits(struct plugin_source *s, struct op_context *ctx, struct error *err)
{
    TRY(list_state_open(ctx, "splits", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, &s->left,
                        err));
    TRY(list_state_open(ctx, "started", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_UNION,
                        &s->started, err));
    if (s->started == NULL || operator_list_len(s->started) == 0) {
        return name_splits(s, err);
    }
    for (size_t i = 0; i < operator_list_len(s->left); i++) {
        TRY(load_split(s, operator_list_get(s->left, i), err));
    }
    return 0;
}

static void wake(flinc_connector_waker *waker)
{
    op_wake(((struct plugin_waker *)waker)->waker);
}

static int emit_full(void *arg, struct builder *b)
{
    struct plugin_source *s = arg;

    if (++s->emitted > PLUGIN_EMIT_MAX) {
        return ERR_LIMIT;
    }
    op_emit(s->ctx, 0, builder_finish(b));
    return 0;
}

static int plugin_source_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct plugin_source *s = (struct plugin_source *)op;

    s->ctx = ctx;
    vec_init(&s->splits, sizeof(void *));
    TRY(plugin_operator_open(&s->plugin, ctx, err));
    if (s->plugin.connector->source.open == NULL) {
        return error_set(err, ERR_STATE, "the connector '%s' is no source",
                         s->plugin.config->connector);
    }
    s->waker = (struct plugin_waker){{wake}, op_get_waker(ctx)};
    builder_init(&s->builder, ctx->pool, ctx->output_schemas[0], op_batch_rows(ctx));
    s->builder.on_full = emit_full;
    s->builder.on_full_arg = s;
    s->has_builder = true;
    return open_splits(s, ctx, err);
}

/* ---- reading --------------------------------------------------------------------------------------- */

static int open_reader(struct plugin_source *s, struct plugin_split *split, struct error *err)
{
    const struct plugin_connector *c = s->plugin.connector;
    flinc_string position = as_string(&split->position);
    flinc_connector_error why = {{0}};
    void *reader = NULL;

    if (split->reader != NULL) {
        return 0;
    }
    int code =
        c->source.open(&s->plugin.table.face, as_string(&split->id),
                       split->has_position ? &position : NULL, &s->waker.face, &reader, &why);
    TRY(plugin_connector_result(c, code, &why, "opening a split of", table_name(s), err));
    if (reader == NULL) {
        return plugin_connector_misbehaves(c, "opens a split and gives no reader", err);
    }
    split->reader = reader;
    return 0;
}

static void end_split(struct plugin_source *s, struct plugin_split *split)
{
    s->plugin.connector->source.close(split->reader);
    split->reader = NULL;
    split->has_ended = true;
}

/* Asks one split.  Returns the state; *inout_wait_ms: the least of the times that splits want to wait. */
static int poll_split(struct plugin_source *s, struct plugin_split *split, int64_t *inout_wait_ms,
                      struct error *err)
{
    const struct plugin_connector *c = s->plugin.connector;
    flinc_connector_error why = {{0}};
    flinc_poll p = {.struct_size = sizeof(p),
                    .max_rows = op_batch_rows(s->ctx),
                    .wait_ms = -1,
                    .watermark_ms = split->watermark_ms};

    TRY(open_reader(s, split, err));
    int code = c->source.poll(split->reader, &s->builder.out, &p, &why);
    TRY(plugin_connector_result(c, code, &why, "reading", table_name(s), err));
    if (s->emitted > PLUGIN_EMIT_MAX) {
        return plugin_connector_misbehaves(c, "writes many more rows than poll() asks for", err);
    }
    TRY(builder_check(&s->builder, err));
    split->watermark_ms = MAX(split->watermark_ms, p.watermark_ms);
    if (p.state == FLINC_POLL_END) {
        end_split(s, split);
    } else if (p.state == FLINC_POLL_WAIT && p.wait_ms >= 0) {
        *inout_wait_ms = *inout_wait_ms < 0 ? p.wait_ms : MIN(*inout_wait_ms, p.wait_ms);
    } else if (p.state != FLINC_POLL_WAIT && p.state != FLINC_POLL_MORE) {
        return plugin_connector_misbehaves(c, "answers poll() with no known state", err);
    }
    return (int)p.state;
}

static void emit_watermark(struct plugin_source *s)
{
    int64_t least = INT64_MAX;

    for (size_t i = 0; i < s->splits.len; i++) {
        const struct plugin_split *split = vec_ptr(&s->splits, i);
        least = split->has_ended ? least : MIN(least, split->watermark_ms);
    }
    if (least != INT64_MIN && least != INT64_MAX) {
        op_emit_watermark(s->ctx, least);
    }
}

static size_t count_open(const struct plugin_source *s)
{
    size_t n = 0;

    for (size_t i = 0; i < s->splits.len; i++) {
        n += !((const struct plugin_split *)vec_ptr(&s->splits, i))->has_ended;
    }
    return n;
}

/* The split under the cursor; a bounded source stays with it until it has ended. */
static struct plugin_split *next_split(struct plugin_source *s)
{
    struct plugin_split *split = vec_ptr(&s->splits, s->cursor % s->splits.len);

    while (split->has_ended) {
        s->cursor++;
        split = vec_ptr(&s->splits, s->cursor % s->splits.len);
    }
    s->cursor += !s->plugin.config->is_bounded;
    return split;
}

static int plugin_source_poll(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct plugin_source *s = (struct plugin_source *)op;
    size_t left = count_open(s), n = s->plugin.config->is_bounded ? 1 : left;
    int64_t wait_ms = -1;
    bool waits = true;

    s->emitted = 0;
    if (left == 0) {
        return OP_END;
    }
    for (size_t i = 0;
         i < n && builder_rows(&s->builder) == 0 && s->emitted == 0 && count_open(s) > 0; i++) {
        int state = poll_split(s, next_split(s), &wait_ms, err);
        TRY(state);
        waits = waits && state == FLINC_POLL_WAIT;
    }
    if (builder_rows(&s->builder) > 0) {
        op_emit(ctx, 0, builder_finish(&s->builder));
        waits = false;
    }
    emit_watermark(s);
    if (!waits) {
        return OP_DONE;
    }
    if (wait_ms >= 0) {
        op_wake_after(ctx, wait_ms);
    }
    return OP_IDLE;
}

/* ---- state and end --------------------------------------------------------------------------------- */

static int update_position(struct plugin_source *s, struct plugin_split *split, struct error *err)
{
    const struct plugin_connector *c = s->plugin.connector;
    struct plugin_bytes bytes;
    flinc_connector_error why = {{0}};

    if (split->reader == NULL) {
        return 0;
    }
    plugin_bytes_init(&bytes, 1);
    int code = c->source.position(split->reader, &bytes.face, &why);
    int rc = plugin_connector_result(c, code, &why, "taking the position in", table_name(s), err);
    rc = rc < 0 ? rc : plugin_bytes_check(&bytes, c, err);
    if (rc == 0 && bytes.items.len != 1) {
        rc = plugin_connector_misbehaves(c, "gives no position", err);
    }
    if (rc == 0) {
        str_clear(&split->position);
        str_append_slice(&split->position, str_slice(VEC_AT(&bytes.items, struct str, 0)));
        split->has_position = true;
    }
    plugin_bytes_fini(&bytes);
    return rc;
}

static int save_split(struct plugin_source *s, struct plugin_split *split, struct error *err)
{
    Flinc__PluginSplit m = FLINC__PLUGIN_SPLIT__INIT;

    TRY(update_position(s, split, err));
    m.split = (ProtobufCBinaryData){split->id.len, (uint8_t *)split->id.data};
    m.has_position = split->has_position;
    m.position = (ProtobufCBinaryData){split->position.len, (uint8_t *)split->position.data};
    return list_state_add(s->left, &m.base, err);
}

static int plugin_source_snapshot(struct operator* op, struct op_context *ctx,
                                  const struct op_checkpoint *checkpoint, struct error *err)
{
    struct plugin_source *s = (struct plugin_source *)op;

    (void)ctx;
    (void)checkpoint;
    if (s->left == NULL) {
        return 0;
    }
    operator_list_clear(s->left);
    for (size_t i = 0; i < s->splits.len; i++) {
        struct plugin_split *split = vec_ptr(&s->splits, i);
        if (!split->has_ended) {
            TRY(save_split(s, split, err));
        }
    }
    operator_list_clear(s->started);
    return operator_list_add(s->started, "1", 1, err);
}

static void plugin_source_close(struct operator* op, struct op_context *ctx)
{
    struct plugin_source *s = (struct plugin_source *)op;

    (void)ctx;
    for (size_t i = 0; i < s->splits.len; i++) {
        struct plugin_split *split = vec_ptr(&s->splits, i);
        if (split->reader != NULL) {
            s->plugin.connector->source.close(split->reader);
        }
        str_fini(&split->id);
        str_fini(&split->position);
        mem_free(split);
    }
    vec_fini(&s->splits);
    if (s->has_builder) {
        builder_fini(&s->builder);
    }
    plugin_operator_close(&s->plugin);
}

const struct operator_desc operator_plugin_source = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.table.plugin_source",
    .summary = "a source of a plug-in",
    .instance_size = sizeof(struct plugin_source),
    .n_inputs = 0,
    .open = plugin_source_open,
    .poll = plugin_source_poll,
    .snapshot = plugin_source_snapshot,
    .close = plugin_source_close,
};
