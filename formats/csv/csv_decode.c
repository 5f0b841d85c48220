/* Records of CSV to rows; see csv.h.
 *
 * The bytes that mean something are found 64 at a time, once; fields are what lies between them.  A record whose end is not in the data
 * yet is forgotten, and read again when there is more.
 *
 * Thread: one owner.  Flink: CsvRowDataDeserializationSchema. */
#include "common/text/utf8.h"
#include "formats/csv/csv.h"

#include <cell_block.h>
#include <stdio.h>

enum {
    BLOCK = 64,
    NESTED_CHECK_ROWS =
        32, /* after so many rows with nested columns the batch's bytes are looked at */
    LARGE_RECORD_BYTES = 16 * 1024 /* after such a record, too */
};

/* ---- bytes that mean something ---------------------------------------------------------------------------------- */

static ALWAYS_INLINE uint64_t block_mask(const struct csv_decoder *d, const char *p,
                                         uint64_t *ret_high)
{
    uint64_t mask = 0, high = 0;

    for (uint32_t i = 0; i < BLOCK; i += CELL_BLOCK) {
        cell_block b = cell_block_load(p + i);
        uint32_t bits = cell_block_equal(b, d->delimiter) | cell_block_equal(b, '\n') |
                        cell_block_equal(b, '\r') | cell_block_equal(b, d->special[0]) |
                        cell_block_equal(b, d->special[1]);
        mask |= (uint64_t)bits << i;
        high |= cell_block_high(b);
    }
    *ret_high = high;
    return mask;
}

static void load_block(struct csv_decoder *d)
{
    struct csv_scan *s = &d->scan;
    size_t left = (size_t)(s->end - s->base);
    uint64_t high;

    if (LIKELY(left >= BLOCK)) {
        s->mask = block_mask(d, s->base, &high);
    } else {
        char padded[BLOCK] = {0};
        memcpy(padded, s->base, left);
        s->mask = block_mask(d, padded, &high);
        s->mask &= ((uint64_t)1 << left) - 1;
    }
    s->high |= high;
}

static void scan_from(struct csv_decoder *d, const char *p)
{
    d->scan.base = p;
    d->scan.high = 0;
    load_block(d);
}

/* The first such byte from p on; the end when there is none.  p does not go back. */
static ALWAYS_INLINE const char *scan_next(struct csv_decoder *d, const char *p)
{
    struct csv_scan *s = &d->scan;

    for (;;) {
        size_t at = (size_t)(p - s->base);
        if (LIKELY(at < BLOCK)) {
            uint64_t mask = s->mask >> at;
            if (LIKELY(mask != 0)) {
                return p + __builtin_ctzll(mask);
            }
        }
        if (s->end - s->base <= BLOCK) {
            return s->end;
        }
        s->base += BLOCK;
        p = MAX(p, (const char *)s->base);
        load_block(d);
    }
}

/* ---- one field ------------------------------------------------------------------------------------------------------ */

enum field_end { FIELD_DELIMITER, FIELD_RECORD, FIELD_UNKNOWN /* the data ends before */ };

struct csv_taken {
    struct slice text; /* in the data, or in `scratch` */
    const char *at;    /* where it begins */
    const char *next;  /* behind its delimiter, or its record's line end */
    enum field_end end;
    bool quoted;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* At the byte that ends a field. */
static ALWAYS_INLINE void end_field(struct csv_decoder *d, struct csv_taken *f, const char *p)
{
    if (LIKELY(p < d->scan.end)) {
        if (LIKELY(*p == d->delimiter)) {
            f->end = FIELD_DELIMITER;
            f->next = p + 1;
            return;
        }
        f->end = FIELD_RECORD;
        if (*p == '\n') {
            f->next = p + 1;
            return;
        }
        if (p + 1 < d->scan.end || d->at_end) {
            f->next = p + 1 + (p + 1 < d->scan.end && p[1] == '\n');
            return;
        }
    } else if (d->at_end) {
        f->end = FIELD_RECORD;
        f->next = p;
        return;
    }
    f->end = FIELD_UNKNOWN;
    f->next = p;
}

static char unescaped(char c)
{
    switch (c) {
    case '0':
        return '\0';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    default:
        return c;
    }
}

/* The text without escapes, and with one quote for two of them. */
static COLD struct slice unescape(struct csv_decoder *d, struct slice text, bool quoted)
{
    str_clear(&d->scratch);
    str_reserve(&d->scratch, text.len + 1);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (d->escape != 0 && c == d->escape && i + 1 < text.len) {
            c = unescaped(text.data[++i]);
        } else if (quoted && c == d->quote) {
            i++;
        }
        str_append_char(&d->scratch, c);
    }
    return slice_make(str_cstr(&d->scratch), d->scratch.len);
}

/* A field in quotes, at the first of them. */
static void quoted_field(struct csv_decoder *d, struct csv_taken *f, const char *p)
{
    const char *begin = p + 1, *end = d->scan.end;
    bool has_escapes = false;

    f->quoted = true;
    f->text = slice_make(begin, 0);
    for (p = begin;;) {
        p = scan_next(d, p);
        if (p == end) {
            f->end = FIELD_UNKNOWN;
            f->next = p;
            if (d->at_end) {
                csv_fail(d, f->at, "Missing closing quote for value");
                f->end = FIELD_RECORD;
            }
            return;
        }
        if (d->escape != 0 && *p == d->escape) {
            has_escapes = true;
            p += p + 1 < end ? 2 : 1;
        } else if (*p != d->quote) {
            d->n_lines += *p == '\n';
            p++;
        } else if (p + 1 < end && p[1] == d->quote) {
            has_escapes = true;
            p += 2;
        } else {
            break;
        }
    }
    f->text = slice_make(begin, (size_t)(p - begin));
    p++;
    while (p < end && is_blank(*p) && *p != d->delimiter) {
        p++;
    }
    const char *stop = scan_next(d, p);
    while (stop < end && *stop != d->delimiter && *stop != '\n' && *stop != '\r') {
        stop = scan_next(d, stop + 1);
    }
    if (UNLIKELY(stop != p)) {
        csv_fail(d, p,
                 "Expected column separator character ('%c') or end-of-line behind a value in "
                 "quotes",
                 d->delimiter);
    }
    end_field(d, f, stop);
    if (UNLIKELY(has_escapes)) {
        f->text = unescape(d, f->text, true);
    }
}

static ALWAYS_INLINE void plain_field(struct csv_decoder *d, struct csv_taken *f, const char *p)
{
    bool has_escapes = false;

    for (p = scan_next(d, p); p < d->scan.end; p = scan_next(d, p)) {
        if (LIKELY(*p == d->delimiter || *p == '\n' || *p == '\r')) {
            break;
        }
        bool is_escape = d->escape != 0 && *p == d->escape;
        has_escapes |= is_escape;
        if (is_escape && p + 1 == d->scan.end && !d->at_end) {
            p = d->scan.end;
            break;
        }
        p += is_escape && p + 1 < d->scan.end ? 2 : 1;
    }
    f->text = slice_make(f->at, (size_t)(p - f->at));
    end_field(d, f, p);
    if (UNLIKELY(d->trims)) {
        while (f->text.len > 0 && is_blank(f->text.data[f->text.len - 1])) {
            f->text.len--;
        }
    }
    if (UNLIKELY(has_escapes)) {
        f->text = unescape(d, f->text, false);
    }
}

static ALWAYS_INLINE void take_field(struct csv_decoder *d, struct csv_taken *f, const char *p)
{
    if (UNLIKELY(d->trims)) {
        while (p < d->scan.end && is_blank(*p) && *p != d->delimiter) {
            p++;
        }
    }
    f->at = p;
    f->quoted = false;
    if (p < d->scan.end && d->quote != 0 && *p == d->quote) {
        quoted_field(d, f, p);
    } else {
        plain_field(d, f, p);
    }
}

/* ---- one record ------------------------------------------------------------------------------------------------------- */

/* A field behind the last column. */
static COLD void surplus_field(struct csv_decoder *d, uint32_t number, const struct csv_taken *f)
{
    bool is_trailing_comma = number == d->n_fields && f->end == FIELD_RECORD && f->text.len == 0 &&
                             !f->quoted && d->allows_trailing_comma;

    if (!is_trailing_comma && !d->ignores_trailing) {
        csv_fail(d, f->at, "Too many entries: expected at most %u (value #%u)", d->n_fields,
                 number);
    }
}

static COLD void short_row(struct csv_decoder *d, uint32_t n, const char *at)
{
    if (d->fails_on_missing) {
        csv_fail(d, at, "Not enough column values: expected %u, found %u", d->n_fields, n);
        return;
    }
    if (!d->ignores_errors) {
        csv_fail(d, at, "Row length mismatch. %u fields expected but was %u", d->n_fields, n);
        return;
    }
    for (uint32_t i = n; i < d->n_fields; i++) {
        if (d->fields[i].type != NULL && !csv_store_null(d, &d->fields[i], at)) {
            return;
        }
    }
}

/* Behind the record at p; NULL: its end is not in the data.  The row is written but not ended; d->wrong_code says whether it is
 * good. */
static const char *record(struct csv_decoder *d, const char *p)
{
    struct csv_taken f;

    for (uint32_t i = 0;; i++) {
        take_field(d, &f, p);
        if (UNLIKELY(f.end == FIELD_UNKNOWN)) {
            return NULL;
        }
        if (UNLIKELY(i >= d->n_fields)) {
            surplus_field(d, i, &f);
        } else if (d->fields[i].type != NULL && LIKELY(d->wrong_code == 0)) {
            (void)csv_store(d, &d->fields[i], f.text, f.at);
        }
        p = f.next;
        if (f.end == FIELD_RECORD) {
            if (UNLIKELY(i + 1 < d->n_fields) && d->wrong_code == 0) {
                short_row(d, i + 1, f.at);
            }
            return p;
        }
        /* Only what was loaded for this field and the next counts. */
        if (UNLIKELY(d->scan.high != 0)) {
            scan_from(d, p);
        }
    }
}

/* ---- the data ----------------------------------------------------------------------------------------------------------- */

static bool has_room(struct csv_decoder *d)
{
    if (LIKELY(d->out->n < d->out->cap)) {
        return true;
    }
    if (builder_is_full(d->b) || d->out->n >= BATCH_ROWS_MAX) {
        return false;
    }
    builder_begin(d->b);
    return true;
}

static bool is_heavy(const struct csv_decoder *d, size_t record_bytes)
{
    return (record_bytes >= LARGE_RECORD_BYTES ||
            (d->has_nested && d->out->n % NESTED_CHECK_ROWS == 0)) &&
           builder_is_full(d->b);
}

static COLD int report(const struct csv_decoder *d, const char *data, const char *p,
                       flinc_format_error *error)
{
    size_t len = (size_t)(d->scan.end - p);
    const char *lf = memchr(p, '\n', len);
    size_t line = lf != NULL ? (size_t)(lf - p) : len;
    size_t shown = utf8_truncate(p, line, 80);
    STR_AUTO text = STR_INIT;

    utf8_append_clean(&text, p, shown);
    return flinc_format_fail(error, (enum flinc_format_code)d->wrong_code,
                             (uint64_t)(d->wrong_at - data),
                             "Failed to deserialize CSV row '%s%s': %s", str_cstr(&text),
                             shown < line ? "..." : "", d->wrong);
}

/* Behind the comment at p; NULL: its end is not in the data. */
static const char *skip_comment(const struct csv_decoder *d, const char *p)
{
    const char *lf = memchr(p, '\n', (size_t)(d->scan.end - p));

    return lf != NULL ? lf + 1 : d->at_end ? d->scan.end : NULL;
}

enum step { STEP_RECORD, STEP_COMMENT, STEP_STOP, STEP_FULL, STEP_FAILED };

/* One record, or comment, at *inout_p. */
static enum step step(struct csv_decoder *d, const char **inout_p, flinc_format_progress *ret)
{
    const char *p = *inout_p, *next;

    if (UNLIKELY(d->allows_comments) && *p == '#') {
        next = skip_comment(d, p);
        if (next == NULL) {
            return STEP_STOP;
        }
        ret->lines += next[-1] == '\n';
        *inout_p = next;
        if (next < d->scan.end) {
            scan_from(d, next);
        }
        return STEP_COMMENT;
    }
    if (UNLIKELY(!has_room(d))) {
        return STEP_FULL;
    }
    d->wrong_code = 0;
    d->n_lines = 0;
    next = record(d, p);
    if (UNLIKELY(next == NULL)) {
        builder_cancel_row(d->b);
        return STEP_STOP;
    }
    if (UNLIKELY(d->wrong_code != 0)) {
        builder_cancel_row(d->b);
        if (!d->ignores_errors) {
            return STEP_FAILED;
        }
        ret->skipped_records++;
    } else {
        d->out->n++;
    }
    ret->lines += d->n_lines + (next > p && next[-1] == '\n');
    *inout_p = next;
    return UNLIKELY(is_heavy(d, (size_t)(next - p))) ? STEP_FULL : STEP_RECORD;
}

static int take_records(struct csv_decoder *d, const flinc_format_input *input,
                        flinc_format_progress *ret, flinc_format_error *error)
{
    const char *p = input->data, *past = input->data + MIN(input->past, input->size);
    enum step s = STEP_RECORD;

    if (p < past) {
        scan_from(d, p);
    }
    while (p < past && s <= STEP_COMMENT) {
        s = step(d, &p, ret);
        if (!d->is_stream && s == STEP_RECORD) {
            p = past; /* a message is one record */
        }
    }
    ret->consumed = (uint64_t)(p - input->data);
    ret->batch_full = s == STEP_FULL && p < past;
    return s == STEP_FAILED ? report(d, input->data, p, error) : 0;
}

static void bind(struct csv_decoder *d)
{
    for (uint32_t i = 0; i < d->n_fields; i++) {
        struct csv_field *f = &d->fields[i];
        for (uint32_t k = 0; f->type != NULL && k < f->n_children; k++) {
            f->children[k].cell = builder_child_of(builder_column_of(d->b, f->column), k);
        }
    }
}

int csv_decode(void *decoder, const flinc_format_input *input, flinc_out *out,
               flinc_format_progress *ret, flinc_format_error *error)
{
    struct csv_decoder *d = decoder;

    if (input->size == 0) {
        return 0;
    }
    d->out = out;
    d->b = (struct builder *)out->owner;
    d->n_nulled = 0;
    d->at_end = !d->is_stream || (input->flags & FLINC_FORMAT_AT_END) != 0;
    d->scan.end = input->data + input->size;
    if (!has_room(d)) {
        ret->batch_full = 1;
        return 0;
    }
    if (d->has_nested) {
        bind(d);
    }
    int rc = take_records(d, input, ret, error);
    ret->nulled_fields = d->n_nulled;
    return rc;
}

int csv_find_start(void *decoder, const char *data, uint64_t size, uint64_t *ret_start,
                   flinc_format_error *error)
{
    const struct csv_decoder *d = decoder;

    if (d->quote != 0 || d->escape != 0) {
        return flinc_format_fail(
            error, FLINC_FORMAT_UNSUPPORTED, FLINC_FORMAT_NO_OFFSET,
            "line ends may lie in quotes: files are read from their beginning");
    }
    const char *lf = size > 0 ? memchr(data, '\n', size) : NULL;
    *ret_start = lf != NULL ? (uint64_t)(lf - data) + 1 : 0;
    return 0;
}

/* ---- life ----------------------------------------------------------------------------------------------------------------- */

static char option_char(const flinc_format_options *o, const char *name)
{
    const char *text = o->get(o, name);
    return text != NULL ? text[0] : '\0';
}

static void plan_field(struct csv_field *f, const char *name, const struct data_type *type,
                       uint32_t column)
{
    bool is_nested = type->id == TYPE_ARRAY || type->id == TYPE_ROW;

    *f = (struct csv_field){.type = type,
                            .name = name,
                            .column = column,
                            .n_children = is_nested ? type->n_children : 0};
    f->children = MEM_NEW_ARRAY(struct csv_field, (size_t)f->n_children + 1);
    for (uint32_t i = 0; i < f->n_children; i++) {
        plan_field(&f->children[i], name, type->children[i], i);
    }
}

static void read_options(struct csv_decoder *d, const flinc_format_options *o)
{
    const char *null_literal = o->get(o, "null-literal");

    d->delimiter = option_char(o, "field-delimiter");
    d->element_delimiter = option_char(o, "array-element-delimiter");
    d->quote = flinc_format_option_bool(o, "disable-quote-character")
                   ? '\0'
                   : option_char(o, "quote-character");
    d->escape = option_char(o, "escape-character");
    d->special[0] = d->quote != 0 ? d->quote : '\n';
    d->special[1] = d->escape != 0 ? d->escape : '\n';
    d->null_literal = slice_cstr(null_literal);
    d->ignores_errors = flinc_format_option_bool(o, "ignore-parse-errors");
    d->allows_comments = flinc_format_option_bool(o, "allow-comments");
    d->trims = flinc_format_option_bool(o, "trim-spaces");
    d->ignores_trailing = flinc_format_option_bool(o, "ignore-trailing-unmappable");
    d->allows_trailing_comma = flinc_format_option_bool(o, "allow-trailing-comma");
    d->fails_on_missing = flinc_format_option_bool(o, "fail-on-missing-columns");
    d->empty_is_null = flinc_format_option_bool(o, "empty-string-as-null");
}

int csv_decoder_open(const flinc_format_decode_config *config, void **ret_decoder,
                     flinc_format_error *error)
{
    struct csv_decoder *d = MEM_NEW(struct csv_decoder);

    (void)error;
    d->schema = schema_ref(config->schema->engine);
    d->is_stream = config->framing == FLINC_FORMAT_STREAM;
    read_options(d, config->options);
    d->n_fields = d->schema->n_fields;
    d->fields = MEM_NEW_ARRAY(struct csv_field, (size_t)d->n_fields + 1);
    for (uint32_t i = 0; i < d->n_fields; i++) {
        if (config->columns[i] != FLINC_FORMAT_NO_COLUMN) {
            plan_field(&d->fields[i], d->schema->fields[i].name, d->schema->fields[i].type,
                       config->columns[i]);
            d->has_nested |= d->fields[i].n_children > 0;
        }
    }
    *ret_decoder = d;
    return 0;
}

void csv_decoder_close(void *decoder)
{
    struct csv_decoder *d = decoder;

    for (uint32_t i = 0; i < d->n_fields; i++) {
        for (uint32_t k = 0; k < d->fields[i].n_children; k++) {
            mem_free(d->fields[i].children[k].children);
        }
        mem_free(d->fields[i].children);
    }
    mem_free(d->fields);
    str_fini(&d->scratch);
    str_fini(&d->bytes);
    schema_unref(d->schema);
    mem_free(d);
}
