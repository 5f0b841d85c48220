/* Encoders: a format's functions over batches; see format.h. */
#include "engine/data/arrow.h"
#include "formats/inside.h"

struct format_encoder {
    const flinc_format *format;
    void *encoder; /* Owns: the format's; NULL: it was not opened */
    struct format_schema schema;
    struct buffer_pool *pool; /* Owns: of batches made for third parties; NULL: none yet */
};

/* A sink over a str. */
struct str_sink {
    flinc_format_sink face;          /* first member */
    struct str *out;                 /* Borrows */
    bool is_engine;                  /* the format appends to `out` itself */
    struct format_message *messages; /* Borrows; NULL: nobody asks */
    uint32_t n_messages, cap_messages;
};

static void sink_sync(struct str_sink *s)
{
    if (!s->is_engine && s->face.at != NULL) {
        s->out->len = (size_t)(s->face.at - s->out->data);
        s->out->data[s->out->len] = '\0';
    }
}

static void sink_grow(flinc_format_sink *face, uint64_t size)
{
    struct str_sink *s = CONTAINER_OF(face, struct str_sink, face);

    sink_sync(s);
    str_reserve(s->out, size + 1);
    s->face.at = s->out->data + s->out->len;
    s->face.left = s->out->cap - s->out->len - 1;
}

static void sink_end_message(flinc_format_sink *face, bool null)
{
    struct str_sink *s = CONTAINER_OF(face, struct str_sink, face);

    if (s->messages != NULL && s->n_messages < s->cap_messages) {
        uint64_t end = s->is_engine || s->face.at == NULL ? s->out->len
                                                          : (uint64_t)(s->face.at - s->out->data);
        s->messages[s->n_messages] = (struct format_message){.end = end, .is_null = null};
    }
    s->n_messages++;
}

static void sink_init(struct str_sink *s, const struct format_encoder *e, struct str *out)
{
    *s = (struct str_sink){.face = {.struct_size = sizeof(s->face),
                                    .grow = sink_grow,
                                    .end_message = sink_end_message,
                                    .engine = out},
                           .out = out,
                           .is_engine = (e->format->flags & FLINC_FORMAT_ENGINE) != 0};
}

int format_encoder_new(const flinc_format *format, const struct format_encoder_config *config,
                       struct format_encoder **ret_encoder, struct error *err)
{
    flinc_format_error why = {.offset = FLINC_FORMAT_NO_OFFSET};

    why.message[0] = '\0';
    TRY(format_check(format, config->schema, config->options, FORMAT_WRITES, err));
    if ((format->framing & config->framing) == 0) {
        return error_set(err, ERR_UNSUPPORTED, "the format '%s' cannot be written to %s",
                         format->name,
                         config->framing == FLINC_FORMAT_STREAM ? "files" : "messages");
    }
    struct format_encoder *e = MEM_NEW(struct format_encoder);
    e->format = format;
    format_schema_init(&e->schema, config->schema);
    const flinc_format_encode_config c = {.struct_size = sizeof(c),
                                          .framing = config->framing,
                                          .schema = &e->schema.face,
                                          .options = &config->options->face};
    int code = format->encoder_open(&c, &e->encoder, &why);
    if (code != 0) {
        e->encoder = NULL;
        format_encoder_free(e);
        return format_failed(format, code, &why, err);
    }
    *ret_encoder = e;
    return 0;
}

struct format_encoder *format_encoder_free(struct format_encoder *e)
{
    if (e != NULL) {
        if (e->encoder != NULL) {
            e->format->encoder_close(e->encoder);
        }
        format_schema_fini(&e->schema);
        buffer_pool_close(e->pool);
        mem_free(e);
    }
    return NULL;
}

typedef int (*edge_function)(void *encoder, flinc_format_sink *sink, flinc_format_error *error);

static int write_edge(struct format_encoder *e, edge_function fn, struct str *out,
                      struct error *err)
{
    flinc_format_error why = {.offset = FLINC_FORMAT_NO_OFFSET};
    struct str_sink sink;

    why.message[0] = '\0';
    if (fn == NULL) {
        return 0;
    }
    sink_init(&sink, e, out);
    int code = fn(e->encoder, &sink.face, &why);
    sink_sync(&sink);
    return code == 0 ? 0 : format_failed(e->format, code, &why, err);
}

int format_encode_header(struct format_encoder *e, struct str *out, struct error *err)
{
    return write_edge(e, e->format->header, out, err);
}

int format_encode_trailer(struct format_encoder *e, struct str *out, struct error *err)
{
    return write_edge(e, e->format->trailer, out, err);
}

/* ---- rows ------------------------------------------------------------------------------------------------------- */

static int call(struct format_encoder *e, const flinc_format_rows *rows, struct str_sink *sink,
                struct error *err)
{
    flinc_format_error why = {.offset = FLINC_FORMAT_NO_OFFSET};

    why.message[0] = '\0';
    int code = e->format->encode(e->encoder, rows, &sink->face, &why);
    sink_sync(sink);
    return code == 0 ? 0 : format_failed(e->format, code, &why, err);
}

/* For third parties: an Arrow array of the selected rows. */
static int call_with_array(struct format_encoder *e, const struct batch *b, struct str_sink *sink,
                           struct error *err)
{
    struct ArrowArray array;

    if (e->pool == NULL) {
        e->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "format-encoder"});
    }
    buffer_pool_adopt(e->pool);
    struct batch *flat = batch_materialize(e->pool, batch_ref((struct batch *)(uintptr_t)b));
    int rc = batch_export_arrow(e->pool, flat, 0, NULL, &array, err);
    if (rc < 0) {
        batch_unref(flat);
        return rc;
    }
    const flinc_format_rows rows = {.struct_size = sizeof(rows),
                                    .n = flat->n_rows,
                                    .array = &array,
                                    .kinds =
                                        flat->row_kinds != NULL ? flat->row_kinds->data : NULL};
    rc = call(e, &rows, sink, err);
    if (array.release != NULL) {
        array.release(&array);
    }
    batch_unref(flat);
    return rc;
}

static int encode(struct format_encoder *e, const struct batch *b, struct str_sink *sink,
                  struct error *err)
{
    if (sink->is_engine) {
        const flinc_format_rows rows = {.struct_size = sizeof(rows), .n = b->n_sel, .engine = b};
        return call(e, &rows, sink, err);
    }
    return call_with_array(e, b, sink, err);
}

int format_encode(struct format_encoder *e, const struct batch *b, struct str *out,
                  struct error *err)
{
    struct str_sink sink;

    sink_init(&sink, e, out);
    return encode(e, b, &sink, err);
}

int format_encode_messages(struct format_encoder *e, const struct batch *b, struct str *out,
                           struct format_message *ret_messages, struct error *err)
{
    struct str_sink sink;

    sink_init(&sink, e, out);
    sink.messages = ret_messages;
    sink.cap_messages = b->n_sel;
    TRY(encode(e, b, &sink, err));
    if (sink.n_messages != b->n_sel) {
        return error_set(err, ERR_INTERNAL,
                         "the format '%s' made %u messages of %u rows: it does not keep to "
                         "flinc/format.h",
                         e->format->name, sink.n_messages, b->n_sel);
    }
    return 0;
}
