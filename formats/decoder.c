/* Decoders: a format's functions over a builder, with the place in the file for errors; see format.h. */
#include "formats/inside.h"

struct format_decoder {
    const flinc_format *format;
    void *decoder; /* Owns: the format's; NULL: it was not opened */
    struct format_schema schema;
    uint32_t *columns; /* Owns */
    enum flinc_format_framing framing;
    /* Where the next record begins. */
    const char *name; /* Borrows */
    struct format_position position;
    uint64_t line; /* from 1; 0: not known */
    uint64_t skipped_records, nulled_fields;
};

int format_error_code(int code)
{
    static const int codes[] = {[FLINC_FORMAT_OK] = 0,
                                [FLINC_FORMAT_INVALID] = ERR_INVALID_CONFIG,
                                [FLINC_FORMAT_UNSUPPORTED] = ERR_UNSUPPORTED,
                                [FLINC_FORMAT_MALFORMED] = ERR_PARSE,
                                [FLINC_FORMAT_TOO_LARGE] = ERR_TOO_LARGE,
                                [FLINC_FORMAT_INTERNAL] = ERR_INTERNAL};
    return code >= 0 && (size_t)code < ARRAY_LEN(codes) ? codes[code] : ERR_INTERNAL;
}

int format_failed(const flinc_format *format, int code, const flinc_format_error *why,
                  struct error *err)
{
    return error_set(err, format_error_code(code), "format '%s': %s", format->name,
                     why->message[0] != '\0' ? why->message : "it failed and does not say why");
}

int format_check(const flinc_format *format, const struct schema *schema,
                 const struct format_options *options, enum format_use use, struct error *err)
{
    flinc_format_error why = {{0}, FLINC_FORMAT_NO_OFFSET};
    struct format_schema face;

    if ((use == FORMAT_READS ? format->decode != NULL : format->encode != NULL) == false) {
        return error_set(err, ERR_UNSUPPORTED, "the format '%s' cannot %s", format->name,
                         use == FORMAT_READS ? "read" : "write");
    }
    if (format->check == NULL) {
        return 0;
    }
    format_schema_init(&face, schema);
    int code = format->check(&face.face, &options->face, use == FORMAT_WRITES, &why);
    format_schema_fini(&face);
    return code == 0 ? 0 : format_failed(format, code, &why, err);
}

int format_decoder_new(const flinc_format *format, const struct format_decoder_config *config,
                       struct format_decoder **ret_decoder, struct error *err)
{
    flinc_format_error why = {{0}, FLINC_FORMAT_NO_OFFSET};

    TRY(format_check(format, config->schema, config->options, FORMAT_READS, err));
    if ((format->framing & config->framing) == 0) {
        return error_set(err, ERR_UNSUPPORTED, "the format '%s' cannot be read from %s",
                         format->name,
                         config->framing == FLINC_FORMAT_STREAM ? "files" : "messages");
    }
    struct format_decoder *d = MEM_NEW(struct format_decoder);
    d->format = format;
    d->framing = config->framing;
    d->name = "";
    format_schema_init(&d->schema, config->schema);
    d->columns = MEM_NEW_ARRAY(uint32_t, (size_t)config->schema->n_fields + 1);
    for (uint32_t i = 0; i < config->schema->n_fields; i++) {
        d->columns[i] = config->columns != NULL ? config->columns[i] : i;
    }
    const flinc_format_decode_config c = {.struct_size = sizeof(c),
                                          .framing = config->framing,
                                          .schema = &d->schema.face,
                                          .columns = d->columns,
                                          .options = &config->options->face,
                                          .host = &format_host};
    int code = format->decoder_open(&c, &d->decoder, &why);
    if (code != 0) {
        d->decoder = NULL;
        format_decoder_free(d);
        return format_failed(format, code, &why, err);
    }
    *ret_decoder = d;
    return 0;
}

struct format_decoder *format_decoder_free(struct format_decoder *d)
{
    if (d != NULL) {
        if (d->decoder != NULL) {
            d->format->decoder_close(d->decoder);
        }
        format_schema_fini(&d->schema);
        mem_free(d->columns);
        mem_free(d);
    }
    return NULL;
}

void format_decoder_start(struct format_decoder *d, const char *name,
                          struct format_position position, enum format_start start)
{
    d->name = name;
    d->position = position;
    d->line = start == FORMAT_AT_BEGINNING ? 1 : 0;
}

struct format_position format_decoder_position(const struct format_decoder *d)
{
    return d->position;
}

uint64_t format_decoder_skipped_records(const struct format_decoder *d)
{
    return d->skipped_records;
}

uint64_t format_decoder_nulled_fields(const struct format_decoder *d)
{
    return d->nulled_fields;
}

/* ---- errors ------------------------------------------------------------------------------------------------- */

/* The line and the column of the byte at `offset` of the data, of which `line` is the first. */
static void locate(struct slice data, uint64_t offset, uint64_t *inout_line, uint64_t *ret_column)
{
    uint64_t line_begin = 0;

    for (uint64_t i = 0; i < offset; i++) {
        if (data.data[i] == '\n') {
            *inout_line += 1;
            line_begin = i + 1;
        }
    }
    *ret_column = offset - line_begin + 1;
}

static COLD int report(const struct format_decoder *d, int code, const flinc_format_error *why,
                       struct slice data, struct error *err)
{
    const char *separator = d->name[0] != '\0' ? ", " : "";
    uint64_t offset = why->offset;
    bool is_known = offset <= data.len;

    if (d->framing == FLINC_FORMAT_MESSAGES || !is_known) {
        return error_set(err, format_error_code(code), "%s%s%s", d->name,
                         d->name[0] != '\0' ? ": " : "", why->message);
    }
    if (d->line == 0) {
        return error_set(err, format_error_code(code), "%s%sbyte %llu: %s", d->name, separator,
                         (unsigned long long)(d->position.offset + offset), why->message);
    }
    uint64_t line = d->line, column;
    locate(data, offset, &line, &column);
    return error_set(err, format_error_code(code), "%s%sline %llu, column %llu: %s", d->name,
                     separator, (unsigned long long)line, (unsigned long long)column, why->message);
}

/* ---- data ------------------------------------------------------------------------------------------------------ */

static int check_progress(const struct format_decoder *d, const flinc_format_progress *p,
                          const flinc_format_input *input, struct error *err)
{
    if (p->consumed > input->size) {
        return error_set(err, ERR_INTERNAL,
                         "the format '%s' says that it read %llu bytes of %llu: it does not keep "
                         "to flinc/format.h",
                         d->format->name, (unsigned long long)p->consumed,
                         (unsigned long long)input->size);
    }
    return 0;
}

int format_decode(struct format_decoder *d, const struct format_decode_input *input,
                  struct builder *b, struct format_decoded *ret, struct error *err)
{
    flinc_format_error why = {.offset = FLINC_FORMAT_NO_OFFSET};
    flinc_format_progress progress = {.struct_size = sizeof(progress)};
    const flinc_format_input in = {.struct_size = sizeof(in),
                                   .flags = input->flags,
                                   .data = input->data.data,
                                   .size = input->data.len,
                                   .past = input->past,
                                   .skip_rows = d->position.rows};

    why.message[0] = '\0';
    int code = d->format->decode(d->decoder, &in, &b->out, &progress, &why);
    TRY(check_progress(d, &progress, &in, err));
    d->skipped_records += progress.skipped_records;
    d->nulled_fields += progress.nulled_fields;
    if (UNLIKELY(code != 0)) {
        return report(d, code, &why, input->data, err);
    }
    TRY(builder_check(b, err));
    d->position.offset += progress.consumed;
    if (progress.consumed > 0 || progress.batch_full) {
        d->position.rows = progress.partial_rows;
    }
    d->line += d->line > 0 ? progress.lines : 0;
    *ret = (struct format_decoded){.consumed = progress.consumed,
                                   .batch_full = progress.batch_full != 0};
    return 0;
}

bool format_decoder_is_splittable(const struct format_decoder *d)
{
    uint64_t start;

    return d->framing == FLINC_FORMAT_STREAM && d->format->find_start != NULL &&
           ((d->format->flags & FLINC_FORMAT_SPLITTABLE) != 0 ||
            d->format->find_start(d->decoder, NULL, 0, &start, NULL) == 0);
}

int format_decoder_find_start(struct format_decoder *d, struct slice data, uint64_t *ret_start,
                              struct error *err)
{
    flinc_format_error why = {.offset = FLINC_FORMAT_NO_OFFSET};

    why.message[0] = '\0';
    if (d->format->find_start == NULL) {
        return error_set(err, ERR_UNSUPPORTED,
                         "files of the format '%s' are read from their beginning", d->format->name);
    }
    int code = d->format->find_start(d->decoder, data.data, data.len, ret_start, &why);
    return code == 0 ? 0 : format_failed(d->format, code, &why, err);
}
