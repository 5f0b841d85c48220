/* Fields of CSV to columns; see csv.h. */
#include "formats/csv/csv.h"

#include "common/text/utf8.h"
#include "engine/values/calendar.h"

#include <stdarg.h>
#include <stdio.h>

enum { READ_AHEAD = 32 }; /* bytes behind a number that its scan may read */

void csv_fail(struct csv_decoder *d, const char *at, const char *fmt, ...)
{
    va_list ap;

    if (d->wrong_code != 0) {
        return; /* the first counts */
    }
    va_start(ap, fmt);
    (void)vsnprintf(d->wrong, sizeof(d->wrong), fmt, ap);
    va_end(ap);
    d->wrong_at = at;
    d->wrong_code = FLINC_FORMAT_MALFORMED;
}

/* ---- columns -------------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE void store_i64(struct csv_decoder *d, const struct csv_field *f, int64_t v)
{
    if (UNLIKELY(f->cell != NULL)) {
        builder_add_i64(d->b, f->cell, v);
        return;
    }
    void *values = d->out->columns[f->column].values;
    switch (f->type->layout) {
    case LAYOUT_I8:
        ((int8_t *)values)[d->out->n] = (int8_t)v;
        return;
    case LAYOUT_I16:
        ((int16_t *)values)[d->out->n] = (int16_t)v;
        return;
    case LAYOUT_I32:
        ((int32_t *)values)[d->out->n] = (int32_t)v;
        return;
    default:
        ((int64_t *)values)[d->out->n] = v;
    }
}

static ALWAYS_INLINE void store_f64(struct csv_decoder *d, const struct csv_field *f, double v)
{
    if (UNLIKELY(f->cell != NULL)) {
        builder_add_f64(d->b, f->cell, v);
    } else {
        flinc_out_put_double(d->out, f->column, v);
    }
}

static int store_bytes(struct csv_decoder *d, const struct csv_field *f, struct slice text)
{
    if (LIKELY(f->cell == NULL)) {
        flinc_out_put_string(d->out, f->column, (flinc_string){text.data, text.len});
        return LIKELY(d->out->status >= 0) ? 0 : ERR_TOO_LARGE;
    }
    return builder_add_bytes(d->b, f->cell, text.data, text.len, NULL);
}

bool csv_store_null(struct csv_decoder *d, struct csv_field *f, const char *at)
{
    if (!f->type->nullable) {
        csv_fail(d, at, "field '%s' is NOT NULL and has no value", f->name);
        return false;
    }
    if (f->cell != NULL) {
        builder_add_null(d->b, f->cell);
    } else {
        builder_put_null(d->b, f->column);
    }
    return true;
}

/* ---- conversions ------------------------------------------------------------------------------------------------ */

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (uint8_t)s.data[0] <= ' ') {
        s = slice_make(s.data + 1, s.len - 1);
    }
    while (s.len > 0 && (uint8_t)s.data[s.len - 1] <= ' ') {
        s.len--;
    }
    return s;
}

/* So many bytes of the data follow the text, which lies in it, that scans may read ahead. */
static ALWAYS_INLINE bool can_read_ahead(const struct csv_decoder *d, struct slice text)
{
    return (size_t)(d->scan.end - text.data) >= text.len + READ_AHEAD;
}

static ALWAYS_INLINE int convert_whole(struct csv_decoder *d, const struct csv_field *f,
                                       struct slice text, bool is_data, int64_t most)
{
    int64_t v;

    if (LIKELY(is_data && text.len - 1 < 18 && can_read_ahead(d, text))) {
        bool is_negative = text.data[0] == '-';
        uint32_t n;
        uint64_t digits = cell_scan_digits(text.data + is_negative, &n);
        v = is_negative ? -(int64_t)digits : (int64_t)digits;
        if (LIKELY(n > 0 && n + is_negative == text.len && v <= most && v >= -most - 1)) {
            store_i64(d, f, v);
            return 0;
        }
    }
    TRY(cell_parse_int64(trim(text), &v));
    if (v > most || v < -most - 1) {
        return ERR_TOO_LARGE;
    }
    store_i64(d, f, v);
    return 0;
}

static int convert_double(struct csv_decoder *d, const struct csv_field *f, struct slice text,
                          bool is_data)
{
    const char *end;
    double v;

    if (LIKELY(is_data && text.len > 0 && can_read_ahead(d, text)) &&
        cell_scan_short_double(text.data, &end, &v) && end == text.data + text.len) {
        store_f64(d, f, v);
        return 0;
    }
    TRY(cell_parse_double(trim(text), &v));
    store_f64(d, f, v);
    return 0;
}

static int convert_float(struct csv_decoder *d, const struct csv_field *f, struct slice text)
{
    float v;

    TRY(cell_parse_float(trim(text), &v));
    if (f->cell != NULL) {
        builder_add_f64(d->b, f->cell, (double)v);
    } else {
        flinc_out_put_float(d->out, f->column, v);
    }
    return 0;
}

static void convert_bool(struct csv_decoder *d, const struct csv_field *f, struct slice text)
{
    uint32_t word = 0;
    bool v;

    if (LIKELY(text.len >= 4)) {
        memcpy(&word, text.data, 4);
    }
    v = text.len == 4 && word == 0x65757274u /* "true" */;
    if (UNLIKELY(!v && !(text.len == 5 && word == 0x736c6166u /* "fals" */))) {
        v = cell_parse_bool(trim(text));
    }
    if (f->cell != NULL) {
        builder_add_bool(d->b, f->cell, v);
    } else {
        flinc_out_put_bool(d->out, f->column, v);
    }
}

static int convert_decimal(struct csv_decoder *d, struct csv_field *f, struct slice text,
                           const char *at)
{
    __int128 v;
    int rc = cell_parse_decimal(trim(text),
                                (struct decimal_type){f->type->precision, f->type->scale}, &v);

    if (rc == ERR_TOO_LARGE && f->type->nullable) { /* as DecimalData.fromBigDecimal() */
        (void)csv_store_null(d, f, at);
        return 0;
    }
    TRY(rc);
    if (LIKELY(f->type->layout == LAYOUT_I64)) {
        store_i64(d, f, (int64_t)v);
    } else if (f->cell != NULL) {
        builder_add_i128(d->b, f->cell, v);
    } else {
        builder_put_i128(d->b, f->column, v);
    }
    return 0;
}

/* yyyy-[M]M-[d]d, as java.sql.Date reads it. */
static int convert_date(struct csv_decoder *d, const struct csv_field *f, struct slice text)
{
    int64_t days;
    size_t dashes = 0;

    if (cell_parse_date(text, &days) < 0) {
        text = trim(text);
        for (size_t i = 0; i < text.len; i++) {
            if (text.data[i] != '-' && (text.data[i] < '0' || text.data[i] > '9')) {
                return ERR_PARSE;
            }
            dashes += text.data[i] == '-';
        }
        if (dashes != 2 || text.len < 8 || text.data[4] != '-') {
            return ERR_PARSE;
        }
        TRY(calendar_parse_date(text, &days));
    }
    store_i64(d, f, days);
    return 0;
}

static int convert_time(struct csv_decoder *d, const struct csv_field *f, struct slice text)
{
    static const int32_t units[] = {1000, 100, 10, 1};
    int32_t millis;

    TRY(cell_parse_time(trim(text), &millis));
    store_i64(d, f, millis - millis % units[MIN(f->type->precision, 3)]);
    return 0;
}

static int convert_timestamp(struct csv_decoder *d, const struct csv_field *f, struct slice text)
{
    static const int32_t units[] = {1000000, 100000, 10000, 1000, 100, 10, 1};
    struct ts_nano t;

    TRY(cell_parse_timestamp(trim(text), CELL_TIME_SQL, f->type->id == TYPE_TIMESTAMP_LTZ, &t));
    if (f->type->layout != LAYOUT_TS_NANO) {
        store_i64(d, f, cell_timestamp_units(f->type, t));
        return 0;
    }
    t.nanos -= t.nanos % units[f->type->precision - 3];
    if (f->cell != NULL) {
        builder_add_ts_nano(d->b, f->cell, t);
    } else {
        builder_put_ts_nano(d->b, f->column, t);
    }
    return 0;
}

static int convert_bytes(struct csv_decoder *d, const struct csv_field *f, struct slice text)
{
    str_clear(&d->bytes);
    TRY(cell_parse_base64(text, &d->bytes));
    return store_bytes(d, f, slice_make(str_cstr(&d->bytes), d->bytes.len));
}

/* ---- arrays and rows ------------------------------------------------------------------------------------------------ */

static void close_nested(struct csv_decoder *d, const struct csv_field *f)
{
    if (f->cell != NULL) {
        builder_add_nested(d->b, f->cell);
    } else {
        builder_put_nested(d->b, f->column);
    }
}

static size_t count_elements(struct slice text, char delimiter)
{
    size_t n = 1;
    for (size_t i = 0; i < text.len; i++) {
        n += text.data[i] == delimiter;
    }
    return n;
}

/* The element at the beginning of the rest, which goes behind it. */
static struct slice next_element(const struct csv_decoder *d, struct slice *rest)
{
    const char *end = memchr(rest->data, d->element_delimiter, rest->len);
    size_t n = end != NULL ? (size_t)(end - rest->data) : rest->len;
    struct slice element = slice_make(rest->data, n);

    *rest = end != NULL ? slice_make(end + 1, rest->len - n - 1) : slice_make(rest->data + n, 0);
    return d->trims ? trim(element) : element;
}

static bool store_elements(struct csv_decoder *d, struct csv_field *f, struct slice text,
                           const char *at)
{
    bool is_row = f->type->id == TYPE_ROW;
    size_t n = trim(text).len == 0 ? 0 : count_elements(text, d->element_delimiter);

    if (is_row && n == 0) {
        return csv_store_null(d, f, at);
    }
    if (is_row && n != f->n_children && !d->ignores_errors) {
        csv_fail(d, at, "Row length mismatch. %u fields expected but was %zu in '%s'",
                 f->n_children, n, f->name);
        return false;
    }
    for (size_t i = 0; i < n; i++) {
        struct slice element = next_element(d, &text);
        if (is_row && i >= f->n_children) {
            break;
        }
        if (!csv_store(d, &f->children[is_row ? i : 0], element, at)) {
            return false;
        }
    }
    for (size_t i = n; is_row && i < f->n_children; i++) {
        if (!csv_store_null(d, &f->children[i], at)) {
            return false;
        }
    }
    close_nested(d, f);
    return true;
}

/* ---- any field ----------------------------------------------------------------------------------------------------------- */

static int convert(struct csv_decoder *d, struct csv_field *f, struct slice text, const char *at)
{
    bool is_data = text.data == at;

    switch (f->type->id) {
    case TYPE_BOOLEAN:
        convert_bool(d, f, text);
        return 0;
    case TYPE_TINYINT:
        return convert_whole(d, f, text, is_data, INT8_MAX);
    case TYPE_SMALLINT:
        return convert_whole(d, f, text, is_data, INT16_MAX);
    case TYPE_INTEGER:
    case TYPE_INTERVAL_YEAR_MONTH:
        return convert_whole(d, f, text, is_data, INT32_MAX);
    case TYPE_BIGINT:
    case TYPE_INTERVAL_DAY_TIME:
        return convert_whole(d, f, text, is_data, INT64_MAX);
    case TYPE_FLOAT:
        return convert_float(d, f, text);
    case TYPE_DOUBLE:
        return convert_double(d, f, text, is_data);
    case TYPE_DECIMAL:
        return convert_decimal(d, f, text, at);
    case TYPE_DATE:
        return convert_date(d, f, text);
    case TYPE_TIME:
        return convert_time(d, f, text);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return convert_timestamp(d, f, text);
    case TYPE_BINARY:
    case TYPE_VARBINARY:
        return convert_bytes(d, f, text);
    case TYPE_NULL:
        return csv_store_null(d, f, at) ? 0 : ERR_PARSE;
    default:
        return ERR_PARSE;
    }
}

static COLD bool bad_value(struct csv_decoder *d, struct csv_field *f, struct slice text,
                           const char *at)
{
    STR_AUTO type = STR_INIT;
    STR_AUTO shown = STR_INIT;
    size_t n = utf8_truncate(text.data, text.len, 40);

    if (d->ignores_errors) {
        d->n_nulled++;
        return csv_store_null(d, f, at);
    }
    type_print(f->type, &type);
    utf8_append_clean(&shown, text.data, n);
    csv_fail(d, at, "Fail to deserialize at field: %s: '%s%s' is no %.60s", f->name,
             str_cstr(&shown), n < text.len ? "..." : "", str_cstr(&type));
    return false;
}

static COLD bool too_long(struct csv_decoder *d, const struct csv_field *f, struct slice text,
                          const char *at)
{
    d->out->status = 0;
    csv_fail(d, at, "field '%s': a value of %zu bytes is over the limit of a row", f->name,
             text.len);
    d->wrong_code = FLINC_FORMAT_TOO_LARGE;
    return false;
}

bool csv_store(struct csv_decoder *d, struct csv_field *f, struct slice text, const char *at)
{
    if (UNLIKELY(d->null_literal.data != NULL) && slice_eq(text, d->null_literal)) {
        return csv_store_null(d, f, at);
    }
    if (UNLIKELY(text.len == 0) && d->empty_is_null) {
        return csv_store_null(d, f, at);
    }
    int rc;
    if (f->type->id == TYPE_VARCHAR || f->type->id == TYPE_CHAR) {
        if (UNLIKELY(d->scan.high != 0) && !utf8_validate(text.data, text.len, NULL)) {
            csv_fail(d, at, "field '%s' is no valid UTF-8", f->name);
            return false;
        }
        rc = store_bytes(d, f, text);
        return LIKELY(rc == 0) ? true : too_long(d, f, text, at);
    }
    if (f->n_children > 0 || f->type->id == TYPE_ROW) {
        return store_elements(d, f, text, at);
    }
    rc = convert(d, f, text, at);
    if (LIKELY(rc == 0)) {
        return true;
    }
    bool is_bytes = f->type->id == TYPE_BINARY || f->type->id == TYPE_VARBINARY;
    return is_bytes && rc == ERR_TOO_LARGE ? too_long(d, f, text, at) : bad_value(d, f, text, at);
}
