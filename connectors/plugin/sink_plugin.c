/* flinc.table.plugin_sink: a sink of a plug-in, in two phases: what it prepared at a barrier is list state, and committed when that
 * checkpoint, or a later one, is complete; after a restart what the checkpoint holds is committed again.  Without
 * checkpoints all is committed at the end of the input. */
#include "connectors/plugin/plugin_internal.h"
#include "engine/operators/batch_callback.h"
#include "engine/operators/io/list_state.h"

enum { COMMITTABLES_AT_ONCE_MAX = 10000 };

/* Of what is prepared at the end of the input: behind it there are snapshots, but no barriers. */
#define AT_NEXT_SNAPSHOT UINT64_MAX

struct committable {
    struct str bytes; /* Owns */
    uint64_t checkpoint_id;
    bool is_saved; /* in a snapshot: it may be committed after a restart, too */
};

struct plugin_sink {
    struct operator op;
    struct plugin_operator plugin;
    void *writer; /* the plug-in's; NULL: not opened */
    struct batch_face face;
    struct vec pending;         /* struct committable * */
    struct operator_list *list; /* Borrows; NULL: no state */
};

static int result(const struct plugin_sink *s, int code, const flinc_connector_error *why,
                  const char *doing, struct error *err)
{
    return plugin_connector_result(s->plugin.connector, code, why, doing, s->plugin.table.face.name,
                                   err);
}

static struct committable *add_pending(struct plugin_sink *s, uint64_t checkpoint_id)
{
    struct committable *c = MEM_NEW(struct committable);

    c->checkpoint_id = checkpoint_id;
    vec_push_ptr(&s->pending, c);
    return c;
}

static void forget(struct committable *c)
{
    str_fini(&c->bytes);
    mem_free(c);
}

/* ---- committing ------------------------------------------------------------------------------------ */

static int commit(struct plugin_sink *s, const struct committable *c, struct error *err)
{
    flinc_connector_error why = {{0}};
    flinc_string bytes = {str_cstr(&c->bytes), c->bytes.len};

    return result(s, s->plugin.connector->sink.commit(s->writer, bytes, &why), &why,
                  "committing to", err);
}

/* Those of checkpoints up to this one; what fails stays, and is tried again after a restart. */
static int commit_up_to(struct plugin_sink *s, uint64_t checkpoint_id, struct error *err)
{
    size_t kept = 0, i = 0;
    int rc = 0;

    for (; i < s->pending.len && rc == 0; i++) {
        struct committable *c = vec_ptr(&s->pending, i);
        if (c->checkpoint_id > checkpoint_id) {
            ((void **)s->pending.data)[kept++] = c;
            continue;
        }
        rc = commit(s, c, err);
        if (rc < 0) {
            ((void **)s->pending.data)[kept++] = c;
        } else {
            forget(c);
        }
    }
    for (; i < s->pending.len; i++) {
        ((void **)s->pending.data)[kept++] = vec_ptr(&s->pending, i);
    }
    s->pending.len = kept;
    return rc;
}

static int restore(struct plugin_sink *s, struct error *err)
{
    for (size_t i = 0; s->list != NULL && i < operator_list_len(s->list); i++) {
        struct slice bytes = operator_list_get(s->list, i);
        Flinc__PluginCommittable *m =
            flinc__plugin_committable__unpack(NULL, bytes.len, (const uint8_t *)bytes.data);
        if (m == NULL || s->plugin.connector->sink.commit == NULL) {
            flinc__plugin_committable__free_unpacked(m, NULL);
            return error_set(err, ERR_CORRUPT,
                             "what is to be committed to table '%s' is damaged in the checkpoint; "
                             "restore from another one",
                             s->plugin.table.face.name);
        }
        struct committable *c = add_pending(s, m->checkpoint_id);
        c->is_saved = true;
        str_append(&c->bytes, (const char *)m->bytes.data, m->bytes.len);
        flinc__plugin_committable__free_unpacked(m, NULL);
    }
    return commit_up_to(s, UINT64_MAX, err);
}

/* ---- the operator ---------------------------------------------------------------------------------- */

static int plugin_sink_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct plugin_sink *s = (struct plugin_sink *)op;
    flinc_connector_error why = {{0}};
    void *writer = NULL;

    vec_init(&s->pending, sizeof(void *));
    TRY(plugin_operator_open(&s->plugin, ctx, err));
    if (s->plugin.connector->sink.open == NULL) {
        return error_set(err, ERR_STATE, "the connector '%s' is no sink",
                         s->plugin.config->connector);
    }
    TRY(list_state_open(ctx, "committables", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT,
                        &s->list, err));
    int code = s->plugin.connector->sink.open(&s->plugin.table.face, &writer, &why);
    TRY(result(s, code, &why, "opening a writer of", err));
    if (writer == NULL) {
        return plugin_connector_misbehaves(s->plugin.connector, "opens a sink and gives no writer",
                                           err);
    }
    s->writer = writer;
    return restore(s, err);
}

static int plugin_sink_process(struct operator* op, struct op_context *ctx, uint32_t input,
                               struct batch *take_batch, struct error *err)
{
    struct plugin_sink *s = (struct plugin_sink *)op;
    flinc_connector_error why = {{0}};
    const uint8_t *kinds = take_batch->row_kinds != NULL ? take_batch->row_kinds->data : NULL;

    (void)ctx;
    (void)input;
    int code = s->plugin.connector->sink.write(s->writer, batch_face_show(&s->face, take_batch),
                                               kinds, &why);
    batch_unref(take_batch);
    return result(s, code, &why, "writing to", err);
}

/* All that was written, safe; and what there is to commit. */
static int prepare(struct plugin_sink *s, uint64_t checkpoint_id, struct error *err)
{
    const flinc_connector_sink *sink = &s->plugin.connector->sink;
    flinc_connector_error why = {{0}};
    struct plugin_bytes bytes;

    if (sink->flush != NULL) {
        TRY(result(s, sink->flush(s->writer, &why), &why, "flushing", err));
    }
    if (sink->prepare == NULL) {
        return 0;
    }
    plugin_bytes_init(&bytes, COMMITTABLES_AT_ONCE_MAX);
    int rc = result(s, sink->prepare(s->writer, &bytes.face, &why), &why,
                    "preparing what was written to", err);
    rc = rc < 0 ? rc : plugin_bytes_check(&bytes, s->plugin.connector, err);
    for (size_t i = 0; rc == 0 && i < bytes.items.len; i++) {
        str_append_slice(&add_pending(s, checkpoint_id)->bytes,
                         str_slice(VEC_AT(&bytes.items, struct str, i)));
    }
    plugin_bytes_fini(&bytes);
    return rc;
}

static int plugin_sink_prepare_barrier(struct operator* op, struct op_context *ctx,
                                       const struct op_checkpoint *checkpoint, struct error *err)
{
    (void)ctx;
    return prepare((struct plugin_sink *)op, checkpoint->id, err);
}

static int plugin_sink_snapshot(struct operator* op, struct op_context *ctx,
                                const struct op_checkpoint *checkpoint, struct error *err)
{
    struct plugin_sink *s = (struct plugin_sink *)op;

    (void)ctx;
    for (size_t i = 0; i < s->pending.len; i++) {
        struct committable *c = vec_ptr(&s->pending, i);
        c->checkpoint_id = c->checkpoint_id == AT_NEXT_SNAPSHOT ? checkpoint->id : c->checkpoint_id;
    }
    if (s->list == NULL) {
        return 0;
    }
    operator_list_clear(s->list);
    for (size_t i = 0; i < s->pending.len; i++) {
        struct committable *c = vec_ptr(&s->pending, i);
        Flinc__PluginCommittable m = FLINC__PLUGIN_COMMITTABLE__INIT;
        m.checkpoint_id = c->checkpoint_id;
        m.bytes = (ProtobufCBinaryData){c->bytes.len, (uint8_t *)c->bytes.data};
        TRY(list_state_add(s->list, &m.base, err));
        c->is_saved = true;
    }
    return 0;
}

/* What an aborted checkpoint prepared belongs to the next one. */
static int plugin_sink_notify(struct operator* op, struct op_context *ctx, enum op_notice notice,
                              uint64_t checkpoint_id, struct error *err)
{
    (void)ctx;
    return notice == OP_NOTICE_COMPLETE ? commit_up_to((struct plugin_sink *)op, checkpoint_id, err)
                                        : 0;
}

static int plugin_sink_end_of_input(struct operator* op, struct op_context *ctx, uint32_t input,
                                    struct error *err)
{
    struct plugin_sink *s = (struct plugin_sink *)op;

    (void)input;
    if ((ctx->flags & OP_FLAG_CHECKPOINTS) != 0) {
        /* The last checkpoint is still to come; one that is on its way has nothing of it. */
        TRY(prepare(s, AT_NEXT_SNAPSHOT, err));
        return OP_DONE;
    }
    TRY(prepare(s, 0, err));
    TRY(commit_up_to(s, UINT64_MAX, err));
    return OP_DONE;
}

static void plugin_sink_close(struct operator* op, struct op_context *ctx)
{
    struct plugin_sink *s = (struct plugin_sink *)op;

    (void)ctx;
    for (size_t i = 0; i < s->pending.len; i++) {
        struct committable *c = vec_ptr(&s->pending, i);
        flinc_string bytes = {str_cstr(&c->bytes), c->bytes.len};
        if (!c->is_saved && s->plugin.connector->sink.abort != NULL) {
            s->plugin.connector->sink.abort(s->writer, bytes);
        }
        forget(c);
    }
    vec_fini(&s->pending);
    if (s->writer != NULL) {
        s->plugin.connector->sink.close(s->writer);
    }
    batch_face_fini(&s->face);
    plugin_operator_close(&s->plugin);
}

const struct operator_desc operator_plugin_sink = {
    .struct_size = sizeof(struct operator_desc),
    .version = OPERATOR_DESC_VERSION,
    .kind = "flinc.table.plugin_sink",
    .summary = "a sink of a plug-in",
    .instance_size = sizeof(struct plugin_sink),
    .n_inputs = 1,
    .open = plugin_sink_open,
    .process = plugin_sink_process,
    .end_of_input = plugin_sink_end_of_input,
    .prepare_barrier = plugin_sink_prepare_barrier,
    .snapshot = plugin_sink_snapshot,
    .notify = plugin_sink_notify,
    .close = plugin_sink_close,
};
