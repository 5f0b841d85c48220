/* The format `tskv`: lines of fields by name, separated by tabs:
 *
 *   tskv	id=1	name=Ann\tLee	paid=true
 *
 *   cc -O2 -fPIC -shared $(bin/flinc-config --cflags) examples/format_tskv/format_tskv.c -o plugins/tskv/format_tskv.so
 *
 *   CREATE TABLE t (id BIGINT, name STRING) WITH ('connector' = 'filesystem', 'path' = '/data', 'format' = 'tskv')
 *
 * Fields come in any order; what is missing is NULL, and what is no column is passed over.  In values \t \n \\ \= stand for a tab,
 * a line end, a backslash and an equals sign.  Files are split anywhere.  docs/guide/plugins.md explains it. */
#include <flinc/format.h>

#include <errno.h>
#include <stdlib.h>

enum { NUMBER_TEXT_MAX = 40 };

static const flinc_format_option tskv_options[] = {
    {"ignore-parse-errors", FLINC_OPTION_BOOL, "false", NULL,
     "A value that cannot be read becomes NULL; counted.", FLINC_OPTION_READING},
    {"prefix", FLINC_OPTION_STRING, "tskv", NULL,
     "What a line begins with; an empty text: with its first field.", 0},
};

static bool is_taken(const flinc_type *t)
{
    switch (t->kind) {
    case FLINC_TYPE_BOOLEAN:
    case FLINC_TYPE_TINYINT:
    case FLINC_TYPE_SMALLINT:
    case FLINC_TYPE_INTEGER:
    case FLINC_TYPE_BIGINT:
    case FLINC_TYPE_FLOAT:
    case FLINC_TYPE_DOUBLE:
    case FLINC_TYPE_CHAR:
    case FLINC_TYPE_VARCHAR:
        return true;
    default:
        return false;
    }
}

static int tskv_check(const flinc_format_schema *schema, const flinc_format_options *options,
                      int write, flinc_format_error *error)
{
    (void)options;
    (void)write;
    for (uint32_t i = 0; i < schema->n_columns; i++) {
        if (!is_taken(schema->types[i])) {
            return flinc_format_fail(error, FLINC_FORMAT_UNSUPPORTED, FLINC_FORMAT_NO_OFFSET,
                                     "column '%s' is a %s; tskv has texts, numbers and BOOLEAN",
                                     schema->names[i], schema->types[i]->text);
        }
    }
    return FLINC_FORMAT_OK;
}

/* ---- reading ---------------------------------------------------------------------------------------- */

struct field {
    const char *name;
    size_t name_len;
    enum flinc_type_kind kind;
    uint32_t column; /* of the output */
    bool nullable;
    bool found; /* in this line */
};

struct decoder {
    const flinc_format_host *host;
    char *prefix;
    size_t prefix_len;
    bool ignores_errors;
    uint32_t n;
    struct field *fields; /* those that are wanted */
    char *text;           /* scratch of a value without its escapes */
    size_t cap;
};

static void tskv_decoder_close(void *decoder)
{
    struct decoder *d = (struct decoder *)decoder;
    free(d->prefix);
    free(d->fields);
    free(d->text);
    free(d);
}

static int tskv_decoder_open(const flinc_format_decode_config *config, void **ret_decoder,
                             flinc_format_error *error)
{
    const flinc_format_schema *s = config->schema;
    const char *prefix = config->options->get(config->options, "prefix");
    struct decoder *d = (struct decoder *)calloc(1, sizeof(*d));
    if (d == NULL ||
        (d->fields = (struct field *)calloc(s->n_columns + 1, sizeof(*d->fields))) == NULL ||
        (d->prefix = strdup(prefix != NULL ? prefix : "")) == NULL) {
        if (d != NULL) {
            tskv_decoder_close(d);
        }
        return flinc_format_fail(error, FLINC_FORMAT_INTERNAL, FLINC_FORMAT_NO_OFFSET,
                                 "there is no memory");
    }
    d->host = config->host;
    d->prefix_len = strlen(d->prefix);
    d->ignores_errors = flinc_format_option_bool(config->options, "ignore-parse-errors");
    for (uint32_t i = 0; i < s->n_columns; i++) {
        if (config->columns[i] != FLINC_FORMAT_NO_COLUMN) {
            struct field *f = &d->fields[d->n++];
            f->name = s->names[i];
            f->name_len = strlen(s->names[i]);
            f->kind = s->types[i]->kind;
            f->column = config->columns[i];
            f->nullable = s->types[i]->nullable != 0;
        }
    }
    *ret_decoder = d;
    return FLINC_FORMAT_OK;
}

/* The value without its escapes, NUL-terminated. */
static flinc_string plain(struct decoder *d, flinc_string raw)
{
    flinc_string s;
    size_t n = 0;
    if (raw.len + 1 > d->cap) {
        char *more = (char *)realloc(d->text, raw.len * 2 + 64);
        if (more == NULL) {
            s.data = NULL;
            s.len = 0;
            return s;
        }
        d->text = more;
        d->cap = raw.len * 2 + 64;
    }
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.data[i];
        if (c == '\\' && i + 1 < raw.len) {
            c = raw.data[++i];
            c = (char)(c == 't' ? '\t' : c == 'n' ? '\n' : c == 'r' ? '\r' : c);
        }
        d->text[n++] = c;
    }
    d->text[n] = '\0';
    s.data = d->text;
    s.len = n;
    return s;
}

static bool put_integer(const struct field *f, flinc_string s, flinc_out *out)
{
    char *end;
    long long v;
    if (s.len == 0 || s.len >= NUMBER_TEXT_MAX || s.data[0] == ' ') {
        return false;
    }
    errno = 0;
    v = strtoll(s.data, &end, 10);
    if (errno != 0 || *end != '\0') {
        return false;
    }
    switch (f->kind) {
    case FLINC_TYPE_TINYINT:
        flinc_out_put_int8(out, f->column, (int8_t)v);
        return v >= INT8_MIN && v <= INT8_MAX;
    case FLINC_TYPE_SMALLINT:
        flinc_out_put_int16(out, f->column, (int16_t)v);
        return v >= INT16_MIN && v <= INT16_MAX;
    case FLINC_TYPE_INTEGER:
        flinc_out_put_int32(out, f->column, (int32_t)v);
        return v >= INT32_MIN && v <= INT32_MAX;
    default:
        flinc_out_put_int64(out, f->column, v);
        return true;
    }
}

static bool put_real(const struct field *f, flinc_string s, flinc_out *out)
{
    char *end;
    double v;
    if (s.len == 0 || s.len >= NUMBER_TEXT_MAX || s.data[0] == ' ') {
        return false;
    }
    v = strtod(s.data, &end);
    if (f->kind == FLINC_TYPE_FLOAT) {
        flinc_out_put_float(out, f->column, (float)v);
    } else {
        flinc_out_put_double(out, f->column, v);
    }
    return *end == '\0';
}

/* False: the text is none of the type. */
static bool put_value(struct decoder *d, const struct field *f, flinc_string raw, flinc_out *out)
{
    const flinc_string s = plain(d, raw);
    if (s.data == NULL) {
        return false;
    }
    switch (f->kind) {
    case FLINC_TYPE_CHAR:
    case FLINC_TYPE_VARCHAR:
        flinc_out_put_string(out, f->column, s);
        return true;
    case FLINC_TYPE_BOOLEAN:
        flinc_out_put_bool(out, f->column, s.len == 4 && memcmp(s.data, "true", 4) == 0);
        return (s.len == 4 && memcmp(s.data, "true", 4) == 0) ||
               (s.len == 5 && memcmp(s.data, "false", 5) == 0);
    case FLINC_TYPE_FLOAT:
    case FLINC_TYPE_DOUBLE:
        return put_real(f, s, out);
    default:
        return put_integer(f, s, out);
    }
}

static struct field *find_field(struct decoder *d, const char *name, size_t len)
{
    for (uint32_t i = 0; i < d->n; i++) {
        if (d->fields[i].name_len == len && memcmp(d->fields[i].name, name, len) == 0) {
            return &d->fields[i];
        }
    }
    return NULL;
}

struct line {
    const char *start, *at, *end;
    const char *base; /* of all data, for places */
};

static int bad_value(const struct line *l, const struct field *f, const char *what,
                     flinc_format_error *error)
{
    return flinc_format_fail(error, FLINC_FORMAT_MALFORMED, (uint64_t)(l->at - l->base), what,
                             f->name);
}

/* name=value */
static int take_field(struct decoder *d, const struct line *l, const char *end, flinc_out *out,
                      flinc_format_progress *ret, flinc_format_error *error)
{
    const char *equals = (const char *)memchr(l->at, '=', (size_t)(end - l->at));
    struct field *f;
    flinc_string raw;
    if (equals == NULL) {
        return flinc_format_fail(error, FLINC_FORMAT_MALFORMED, (uint64_t)(l->at - l->base),
                                 "a field without '='");
    }
    f = find_field(d, l->at, (size_t)(equals - l->at));
    if (f == NULL || f->found) {
        return FLINC_FORMAT_OK; /* nobody asked, or it is there a second time */
    }
    raw.data = equals + 1;
    raw.len = (size_t)(end - equals - 1);
    f->found = put_value(d, f, raw, out);
    if (!f->found && !d->ignores_errors) {
        return bad_value(l, f, "the value of '%s' is none of its type", error);
    }
    ret->nulled_fields += !f->found;
    return FLINC_FORMAT_OK;
}

static int take_line(struct decoder *d, struct line *l, flinc_out *out, flinc_format_progress *ret,
                     flinc_format_error *error)
{
    for (uint32_t i = 0; i < d->n; i++) {
        d->fields[i].found = false;
    }
    if (d->prefix_len > 0) {
        if ((size_t)(l->end - l->at) < d->prefix_len ||
            memcmp(l->at, d->prefix, d->prefix_len) != 0) {
            return flinc_format_fail(error, FLINC_FORMAT_MALFORMED, (uint64_t)(l->at - l->base),
                                     "the line does not begin with '%s'", d->prefix);
        }
        l->at += d->prefix_len;
        l->at += l->at < l->end && *l->at == '\t';
    }
    while (l->at < l->end) {
        const char *tab = (const char *)memchr(l->at, '\t', (size_t)(l->end - l->at));
        const char *end = tab != NULL ? tab : l->end;
        int code = take_field(d, l, end, out, ret, error);
        if (code != FLINC_FORMAT_OK) {
            return code;
        }
        l->at = tab != NULL ? tab + 1 : l->end;
    }
    for (uint32_t i = 0; i < d->n; i++) {
        const struct field *f = &d->fields[i];
        if (!f->found && !f->nullable) {
            return bad_value(l, f, "'%s' is missing, and it is NOT NULL", error);
        }
        if (!f->found) {
            d->host->put_null(out, f->column);
        }
    }
    return FLINC_FORMAT_OK;
}

static int tskv_decode(void *decoder, const flinc_format_input *input, flinc_out *out,
                       flinc_format_progress *ret, flinc_format_error *error)
{
    struct decoder *d = (struct decoder *)decoder;
    const char *at = input->data, *end = at + input->size;
    while (at < end && (uint64_t)(at - input->data) < input->past) {
        const char *lf = (const char *)memchr(at, '\n', (size_t)(end - at));
        struct line l = {at, at, lf != NULL ? lf : end, input->data};
        if (lf == NULL && (input->flags & FLINC_FORMAT_AT_END) == 0) {
            break;
        }
        if (l.end > l.at && l.end[-1] == '\r') {
            l.end--;
        }
        if (l.end > l.at) { /* empty lines are no records */
            int code;
            if (d->host->begin_row(out) != 0) {
                ret->batch_full = 1;
                break;
            }
            code = take_line(d, &l, out, ret, error);
            if (code != FLINC_FORMAT_OK) {
                d->host->cancel_row(out);
                return code;
            }
            out->n++;
        }
        at = lf != NULL ? lf + 1 : end;
        ret->lines += lf != NULL;
    }
    ret->consumed = (uint64_t)(at - input->data);
    return FLINC_FORMAT_OK;
}

static int tskv_find_start(void *decoder, const char *data, uint64_t size, uint64_t *ret_start,
                           flinc_format_error *error)
{
    const char *lf = size > 0 ? (const char *)memchr(data, '\n', size) : NULL;
    (void)decoder;
    (void)error;
    *ret_start = lf != NULL ? (uint64_t)(lf - data) + 1 : 0;
    return FLINC_FORMAT_OK;
}

/* ---- writing ---------------------------------------------------------------------------------------- */

struct encoder {
    uint32_t n;
    const flinc_format_schema *schema; /* as long as the encoder */
    const char *prefix;
    bool has_messages;
};

static int tskv_encoder_open(const flinc_format_encode_config *config, void **ret_encoder,
                             flinc_format_error *error)
{
    struct encoder *e = (struct encoder *)calloc(1, sizeof(*e));
    const char *prefix = config->options->get(config->options, "prefix");
    if (e == NULL) {
        return flinc_format_fail(error, FLINC_FORMAT_INTERNAL, FLINC_FORMAT_NO_OFFSET,
                                 "there is no memory");
    }
    e->n = config->schema->n_columns;
    e->schema = config->schema;
    e->prefix = prefix != NULL ? prefix : "";
    e->has_messages = config->framing == FLINC_FORMAT_MESSAGES;
    *ret_encoder = e;
    return FLINC_FORMAT_OK;
}

static void append_text(flinc_format_sink *sink, const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        const char c = text[i];
        const char escaped[2] = {'\\', (char)(c == '\t'   ? 't'
                                              : c == '\n' ? 'n'
                                              : c == '\r' ? 'r'
                                                          : c)};
        const bool escape = c == '\t' || c == '\n' || c == '\r' || c == '\\' || c == '=';
        flinc_format_append(sink, escape ? escaped : &c, escape ? 2 : 1);
    }
}

/* A cell of an array of string views: 16 bytes, short ones in themselves. */
static void append_view(flinc_format_sink *sink, const struct ArrowArray *a, int64_t row)
{
    const char *view = (const char *)a->buffers[1] + row * 16;
    int32_t len, place[2];
    memcpy(&len, view, 4);
    if (len <= 12) {
        append_text(sink, view + 4, (size_t)len);
        return;
    }
    memcpy(place, view + 8, 8);
    append_text(sink, (const char *)a->buffers[2 + place[0]] + place[1], (size_t)len);
}

static void append_cell(flinc_format_sink *sink, enum flinc_type_kind kind,
                        const struct ArrowArray *a, int64_t row)
{
    const void *values = a->buffers[1];
    char text[NUMBER_TEXT_MAX];
    int n = 0;
    switch (kind) {
    case FLINC_TYPE_BOOLEAN:
        n = snprintf(text, sizeof(text), "%s",
                     ((((const uint8_t *)values)[row >> 3] >> (row & 7)) & 1) != 0 ? "true"
                                                                                   : "false");
        break;
    case FLINC_TYPE_TINYINT:
        n = snprintf(text, sizeof(text), "%d", ((const int8_t *)values)[row]);
        break;
    case FLINC_TYPE_SMALLINT:
        n = snprintf(text, sizeof(text), "%d", ((const int16_t *)values)[row]);
        break;
    case FLINC_TYPE_INTEGER:
        n = snprintf(text, sizeof(text), "%d", ((const int32_t *)values)[row]);
        break;
    case FLINC_TYPE_BIGINT:
        n = snprintf(text, sizeof(text), "%lld", (long long)((const int64_t *)values)[row]);
        break;
    case FLINC_TYPE_FLOAT:
        n = snprintf(text, sizeof(text), "%.9g", (double)((const float *)values)[row]);
        break;
    case FLINC_TYPE_DOUBLE:
        n = snprintf(text, sizeof(text), "%.17g", ((const double *)values)[row]);
        break;
    default:
        append_view(sink, a, row);
        return;
    }
    flinc_format_append(sink, text, (size_t)n);
}

static int tskv_encode(void *encoder, const flinc_format_rows *rows, flinc_format_sink *sink,
                       flinc_format_error *error)
{
    const struct encoder *e = (const struct encoder *)encoder;
    (void)error;
    for (uint32_t i = 0; i < rows->n; i++) {
        const char *separator = e->prefix[0] != '\0' ? "\t" : "";
        flinc_format_append(sink, e->prefix, strlen(e->prefix));
        for (uint32_t k = 0; k < e->n; k++) {
            const struct ArrowArray *a = rows->array->children[k];
            const int64_t row = a->offset + i;
            const uint8_t *validity = (const uint8_t *)a->buffers[0];
            if (validity != NULL && ((validity[row >> 3] >> (row & 7)) & 1) == 0) {
                continue; /* NULL: left out */
            }
            flinc_format_append(sink, separator, strlen(separator));
            flinc_format_append(sink, e->schema->names[k], strlen(e->schema->names[k]));
            flinc_format_append(sink, "=", 1);
            append_cell(sink, e->schema->types[k]->kind, a, row);
            separator = "\t";
        }
        if (e->has_messages) {
            sink->end_message(sink, false);
        } else {
            flinc_format_append(sink, "\n", 1);
        }
    }
    return FLINC_FORMAT_OK;
}

static const flinc_format tskv = {
    .struct_size = sizeof(tskv),
    .abi_version = FLINC_FORMAT_ABI_VERSION,
    .name = "tskv",
    .description = "Lines of fields by name, separated by tabs",
    .flags = FLINC_FORMAT_SPLITTABLE,
    .framing = FLINC_FORMAT_STREAM | FLINC_FORMAT_MESSAGES,
    .reads = FLINC_FORMAT_INSERT,
    .writes = FLINC_FORMAT_INSERT,
    .n_options = sizeof(tskv_options) / sizeof(tskv_options[0]),
    .options = tskv_options,
    .check = tskv_check,
    .decoder_open = tskv_decoder_open,
    .decode = tskv_decode,
    .find_start = tskv_find_start,
    .decoder_close = tskv_decoder_close,
    .encoder_open = tskv_encoder_open,
    .encode = tskv_encode,
    .encoder_close = free,
};
FLINC_FORMAT(tskv)
