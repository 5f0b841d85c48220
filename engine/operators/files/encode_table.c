/* Formats of tables (formats/format.h) in files: what the table connectors write.
 *
 * Columns that stand in the path are left out; what is written has the schema of FileTableFormat.
 * Thread: the task's.  Flink: FileSystemTableSink's EncodingFormat. */
#include "engine/operators/files/encoder.h"
#include "formats/format.h"

struct table_encoder {
    struct file_encoder base;
    struct buffer_pool *pool; /* Borrows: the task's */
    struct schema *schema;    /* Owns a ref: of what is written */
    struct format_options *options;
    struct format_encoder *encoder;
    struct str header;
    int32_t *columns; /* Owns: of the input, by written column */
    bool is_all;      /* all of them in their order */
};

static int read_options(const Flinc__FileTableFormat *c, const flinc_format **ret_format,
                        struct format_options **ret, struct error *err)
{
    struct text_map pairs = TEXT_MAP_INIT;
    STR_AUTO prefix = STR_INIT;

    TRY(format_require(c->name, ret_format, err));
    for (size_t i = 0; i < MIN(c->n_keys, c->n_values); i++) {
        text_map_put(&pairs, slice_cstr(c->keys[i]), slice_cstr(c->values[i]));
    }
    str_printf(&prefix, "%s.", c->name);
    int rc = format_options_new(*ret_format, &pairs, str_cstr(&prefix), ret, err);
    text_map_fini(&pairs);
    return rc;
}

static int read_columns(struct table_encoder *e, const struct file_encoder_context *c,
                        struct error *err)
{
    const Flinc__FileTableFormat *f = c->config->table_format;

    TRY(schema_parse(slice_cstr(f->schema), &e->schema, err));
    if (f->n_columns != e->schema->n_fields) {
        return error_set(err, ERR_PARSE, "the columns of the file sink's format are damaged");
    }
    e->columns = MEM_NEW_ARRAY(int32_t, f->n_columns + 1);
    e->is_all = f->n_columns == c->schema->n_fields;
    for (size_t i = 0; i < f->n_columns; i++) {
        if (f->columns[i] >= c->schema->n_fields) {
            return error_set(err, ERR_PARSE, "the columns of the file sink's format are damaged");
        }
        e->columns[i] = (int32_t)f->columns[i];
        e->is_all = e->is_all && f->columns[i] == i;
    }
    return 0;
}

static int table_open(struct file_encoder *base, const struct file_encoder_context *c,
                      struct error *err)
{
    struct table_encoder *e = CONTAINER_OF(base, struct table_encoder, base);
    const flinc_format *format = NULL;

    e->pool = c->pool;
    TRY(read_columns(e, c, err));
    TRY(read_options(c->config->table_format, &format, &e->options, err));
    struct format_encoder_config config = {
        .framing = FLINC_FORMAT_STREAM, .schema = e->schema, .options = e->options};
    TRY(format_encoder_new(format, &config, &e->encoder, err));
    TRY(format_encode_header(e->encoder, &e->header, err));
    base->header = str_slice(&e->header);
    return 0;
}

static void table_close(struct file_encoder *base)
{
    struct table_encoder *e = CONTAINER_OF(base, struct table_encoder, base);

    format_encoder_free(e->encoder);
    format_options_free(e->options);
    schema_unref(e->schema);
    str_fini(&e->header);
    mem_free(e->columns);
}

static int table_encode(struct file_encoder *base, void *part, const struct batch *b,
                        struct str *out, struct error *err)
{
    struct table_encoder *e = CONTAINER_OF(base, struct table_encoder, base);

    (void)part;
    if (e->is_all) {
        return format_encode(e->encoder, b, out, err);
    }
    struct batch *written =
        batch_project(e->pool, (struct batch *)b, e->schema, e->columns); /* shares */
    int rc = format_encode(e->encoder, written, out, err);
    batch_unref(written);
    return rc;
}

static int table_finish(struct file_encoder *base, void *part, struct str *out, struct error *err)
{
    (void)part;
    return format_encode_trailer(CONTAINER_OF(base, struct table_encoder, base)->encoder, out, err);
}

const struct file_encoder_desc file_encoder_table = {
    .name = "table",
    .is_appendable = true,
    .instance_size = sizeof(struct table_encoder),
    .open = table_open,
    .close = table_close,
    .encode = table_encode,
    .finish = table_finish,
};
