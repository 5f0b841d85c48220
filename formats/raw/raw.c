/* The table of the format `raw`, its decoder and its encoder; see raw.h.  Thread: one owner of each. */
#include "formats/raw/raw.h"

#include "engine/data/builder.h"

static const flinc_format_option options[] = {
    {"charset", FLINC_OPTION_STRING, "UTF-8", NULL, "How text is encoded.", 0},
    {"endianness", FLINC_OPTION_ENUM, "big-endian", "big-endian|little-endian",
     "The order of the bytes of a number.", 0},
};

struct raw_format {
    struct schema *schema; /* Owns a ref */
    const struct data_type *type;
    uint32_t column;
    uint32_t size; /* bytes of a value; 0: any number */
    bool is_stream, is_text, is_little;
    struct charset charset;
};

/* ---- what it can --------------------------------------------------------------------------------------------- */

/* Bytes of a value; 0: any number of them; -1: no type of this format. */
static int size_of(const struct data_type *t)
{
    switch (t->id) {
    case TYPE_CHAR:
    case TYPE_VARCHAR:
    case TYPE_BINARY:
    case TYPE_VARBINARY:
    case TYPE_RAW:
        return 0;
    case TYPE_BOOLEAN:
    case TYPE_TINYINT:
        return 1;
    case TYPE_SMALLINT:
        return 2;
    case TYPE_INTEGER:
    case TYPE_FLOAT:
        return 4;
    case TYPE_BIGINT:
    case TYPE_DOUBLE:
        return 8;
    default:
        return -1;
    }
}

static int check_columns(const struct schema *s, flinc_format_error *error)
{
    STR_AUTO names = STR_INIT;

    if (s->n_fields == 1) {
        return 0;
    }
    for (uint32_t i = 0; i < s->n_fields; i++) {
        str_printf(&names, "%s%s", i > 0 ? ", " : "", s->fields[i].name);
    }
    return flinc_format_fail(error, FLINC_FORMAT_INVALID, FLINC_FORMAT_NO_OFFSET,
                             "The 'raw' format only supports single physical column. However the "
                             "defined schema contains multiple physical columns: [%s]",
                             str_cstr(&names));
}

static int check(const flinc_format_schema *schema, const flinc_format_options *o, int write,
                 flinc_format_error *error)
{
    const struct schema *s = schema->engine;
    const char *name = o->get(o, "charset");
    struct charset charset;
    int rc = check_columns(s, error);

    (void)write;
    if (rc != 0) {
        return rc;
    }
    if (size_of(s->fields[0].type) < 0) {
        STR_AUTO text = STR_INIT;
        type_print(s->fields[0].type, &text);
        return flinc_format_fail(error, FLINC_FORMAT_UNSUPPORTED, FLINC_FORMAT_NO_OFFSET,
                                 "The 'raw' format doesn't supports '%s' as column type",
                                 str_cstr(&text));
    }
    if (!charset_open(&charset, name)) {
        return flinc_format_fail(error, FLINC_FORMAT_INVALID, FLINC_FORMAT_NO_OFFSET,
                                 "Unsupported 'raw.charset' name: %.60s", name);
    }
    charset_close(&charset);
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

static struct raw_format *raw_new(const flinc_format_schema *schema, const flinc_format_options *o,
                                  enum flinc_format_framing framing)
{
    struct raw_format *r = MEM_NEW(struct raw_format);

    r->schema = schema_ref(schema->engine);
    r->type = r->schema->fields[0].type;
    r->size = (uint32_t)size_of(r->type);
    r->is_text = r->type->id == TYPE_CHAR || r->type->id == TYPE_VARCHAR;
    r->is_stream = framing == FLINC_FORMAT_STREAM;
    r->is_little = flinc_format_option_is(o, "endianness", "little-endian");
    bool is_open = charset_open(&r->charset, o->get(o, "charset"));
    ASSERT(is_open); /* check() */
    return r;
}

static void raw_close(void *format)
{
    struct raw_format *r = format;

    charset_close(&r->charset);
    schema_unref(r->schema);
    mem_free(r);
}

static int raw_decoder_open(const flinc_format_decode_config *config, void **ret_decoder,
                            flinc_format_error *error)
{
    struct raw_format *r = raw_new(config->schema, config->options, config->framing);

    (void)error;
    r->column = config->columns[0];
    *ret_decoder = r;
    return 0;
}

static int raw_encoder_open(const flinc_format_encode_config *config, void **ret_encoder,
                            flinc_format_error *error)
{
    (void)error;
    *ret_encoder = raw_new(config->schema, config->options, config->framing);
    return 0;
}

/* ---- reading ----------------------------------------------------------------------------------------------------- */

static uint64_t load_number(const struct raw_format *r, const char *p)
{
    uint64_t v = 0;

    for (uint32_t i = 0; i < r->size; i++) {
        v = v << 8 | (uint8_t)p[r->is_little ? r->size - 1 - i : i];
    }
    return v;
}

static void store_number(const struct raw_format *r, struct builder *b, uint64_t bits)
{
    uint32_t single = (uint32_t)bits;
    float f;
    double v;

    switch (r->type->id) {
    case TYPE_BOOLEAN:
        builder_put_bool(b, r->column, bits != 0);
        return;
    case TYPE_FLOAT:
        memcpy(&f, &single, sizeof(f));
        builder_put_f64(b, r->column, (double)f);
        return;
    case TYPE_DOUBLE:
        memcpy(&v, &bits, sizeof(v));
        builder_put_f64(b, r->column, v);
        return;
    default: /* the builder keeps as many bits as the column has */
        builder_put_i64(b, r->column, (int64_t)bits);
    }
}

/* One value, as a row. */
static int take_value(struct raw_format *r, struct builder *b, struct slice bytes, uint64_t offset,
                      flinc_format_error *error)
{
    struct error err = ERROR_INIT;

    if (r->column == FLINC_FORMAT_NO_COLUMN) {
        builder_end_row(b);
        return 0;
    }
    if (r->size != 0) {
        if (bytes.len != r->size) {
            return flinc_format_fail(error, FLINC_FORMAT_MALFORMED, offset,
                                     "Size of data received for deserializing %s type is not %u, "
                                     "but %zu",
                                     type_id_name(r->type->id), r->size, bytes.len);
        }
        store_number(r, b, load_number(r, bytes.data));
    } else {
        bytes = r->is_text ? charset_decode(&r->charset, bytes) : bytes;
        if (builder_put_bytes(b, r->column, bytes.data, bytes.len, &err) < 0) {
            builder_cancel_row(b);
            return flinc_format_fail(error, FLINC_FORMAT_TOO_LARGE, offset, "%s", err.message);
        }
    }
    builder_end_row(b);
    return 0;
}

static bool has_room(struct builder *b)
{
    if (b->out.n < b->out.cap) {
        return true;
    }
    if (builder_is_full(b) || b->out.n >= BATCH_ROWS_MAX) {
        return false;
    }
    builder_begin(b);
    return true;
}

static int take_null(struct raw_format *r, struct builder *b, flinc_format_error *error)
{
    if (!r->type->nullable) {
        return flinc_format_fail(error, FLINC_FORMAT_MALFORMED, FLINC_FORMAT_NO_OFFSET,
                                 "field '%s' is NOT NULL, and the message has no value",
                                 r->schema->fields[0].name);
    }
    if (r->column != FLINC_FORMAT_NO_COLUMN) {
        builder_put_null(b, r->column);
    }
    builder_end_row(b);
    return 0;
}

static int take_lines(struct raw_format *r, const flinc_format_input *input, struct builder *b,
                      flinc_format_progress *ret, flinc_format_error *error)
{
    const char *p = input->data, *end = p + input->size;
    const char *past = p + MIN(input->past, input->size);

    while (p < past) {
        const char *lf = memchr(p, '\n', (size_t)(end - p));
        if (lf == NULL && (input->flags & FLINC_FORMAT_AT_END) == 0) {
            break;
        }
        if (!has_room(b)) {
            ret->batch_full = 1;
            break;
        }
        const char *stop = lf != NULL ? lf : end;
        size_t len = (size_t)(stop - p);
        len -= lf != NULL && len > 0 && stop[-1] == '\r';
        int rc = take_value(r, b, slice_make(p, len), (uint64_t)(p - input->data), error);
        if (rc != 0) {
            ret->consumed = (uint64_t)(p - input->data);
            return rc;
        }
        ret->lines += lf != NULL;
        p = lf != NULL ? lf + 1 : end;
    }
    ret->consumed = (uint64_t)(p - input->data);
    return 0;
}

static int raw_decode(void *decoder, const flinc_format_input *input, flinc_out *out,
                      flinc_format_progress *ret, flinc_format_error *error)
{
    struct raw_format *r = decoder;
    struct builder *b = (struct builder *)out->owner;

    if (r->is_stream) {
        return take_lines(r, input, b, ret, error);
    }
    if (!has_room(b)) {
        ret->batch_full = 1;
        return 0;
    }
    ret->consumed = input->size;
    return (input->flags & FLINC_FORMAT_NULL_MESSAGE) != 0
               ? take_null(r, b, error)
               : take_value(r, b, slice_make(input->data, input->size), 0, error);
}

static int raw_find_start(void *decoder, const char *data, uint64_t size, uint64_t *ret_start,
                          flinc_format_error *error)
{
    const char *lf = size > 0 ? memchr(data, '\n', size) : NULL;

    (void)decoder;
    (void)error;
    *ret_start = lf != NULL ? (uint64_t)(lf - data) + 1 : 0;
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------------------------------- */

static uint64_t number_bits(const struct raw_format *r, const struct column *c, uint32_t row)
{
    uint32_t single;
    uint64_t bits;

    switch (r->type->id) {
    case TYPE_BOOLEAN:
        return column_get_bool(c, row);
    case TYPE_FLOAT:
        memcpy(&single, c->values->data + (size_t)row * 4, sizeof(single));
        return single;
    case TYPE_DOUBLE:
        memcpy(&bits, c->values->data + (size_t)row * 8, sizeof(bits));
        return bits;
    default:
        return (uint64_t)column_get_int(c, row);
    }
}

static void append_value(struct raw_format *r, struct str *out, const struct column *c,
                         uint32_t row)
{
    if (r->size == 0) {
        struct slice bytes = column_get_bytes(c, row);
        str_append_slice(out, r->is_text ? charset_encode(&r->charset, bytes) : bytes);
        return;
    }
    uint64_t bits = number_bits(r, c, row);
    for (uint32_t i = 0; i < r->size; i++) {
        uint32_t shift = 8 * (r->is_little ? i : r->size - 1 - i);
        str_append_char(out, (char)(bits >> shift));
    }
}

static int raw_encode(void *encoder, const flinc_format_rows *rows, flinc_format_sink *sink,
                      flinc_format_error *error)
{
    struct raw_format *r = encoder;
    const struct batch *b = rows->engine;
    struct str *out = sink->engine;

    (void)error;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        uint32_t row = batch_row(b, i);
        bool is_null = column_is_null(&b->columns[0], row);
        if (!is_null) {
            append_value(r, out, &b->columns[0], row);
        }
        if (r->is_stream) {
            str_append_char(out, '\n');
        } else {
            sink->end_message(sink, is_null);
        }
    }
    return 0;
}

const flinc_format format_raw = {
    .struct_size = sizeof(format_raw),
    .abi_version = FLINC_FORMAT_ABI_VERSION,
    .name = "raw",
    .description = "The value of the only column, as bytes; in files a line",
    .flags = FLINC_FORMAT_SPLITTABLE | FLINC_FORMAT_ENGINE,
    .framing = FLINC_FORMAT_MESSAGES | FLINC_FORMAT_STREAM,
    .reads = FLINC_FORMAT_INSERT,
    .writes = FLINC_FORMAT_INSERT,
    .n_options = ARRAY_LEN(options),
    .options = options,
    .check = check,
    .decoder_open = raw_decoder_open,
    .decode = raw_decode,
    .find_start = raw_find_start,
    .decoder_close = raw_close,
    .encoder_open = raw_encoder_open,
    .encode = raw_encode,
    .encoder_close = raw_close,
};
