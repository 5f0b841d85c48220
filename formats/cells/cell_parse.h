/* Cells from text, as Flink's text formats read them: numbers, DECIMAL, dates and times, base64.
 *
 * Functions take exactly the text of a value, without blanks.  They return 0, ERR_PARSE when the text is no value of the kind, or
 * ERR_TOO_LARGE when it is one that does not fit.
 * Thread: any. */
#ifndef FLINC_FORMATS_CELLS_CELL_PARSE_H
#define FLINC_FORMATS_CELLS_CELL_PARSE_H

#include "engine/data/type.h"
#include "engine/values/decimal.h"
#include "formats/cells/cell_scan.h"

/* How timestamps are written. */
enum cell_time_style {
    CELL_TIME_SQL, /* 2020-01-31 23:59:59.5, with a Z behind it for LTZ */
    CELL_TIME_ISO, /* 2020-01-31T23:59:59.5 */
};

int cell_parse_int64(struct slice text, int64_t *ret) MUST_CHECK; /* [+-]digits */
/* As Java's parseDouble() without its hexadecimal form: NaN, [+-]Infinity, a suffix d or f.  Over the range: infinite. */
int cell_parse_double(struct slice text, double *ret) MUST_CHECK;
int cell_parse_float(struct slice text, float *ret) MUST_CHECK;
bool cell_parse_bool(struct slice text); /* "true" in any case, as Boolean.parseBoolean() */
/* Rounded half up to the scale; ERR_TOO_LARGE: more digits than the type has (NULL in Flink). */
int cell_parse_decimal(struct slice text, struct decimal_type type, __int128 *ret) MUST_CHECK;
int cell_parse_date(struct slice text, int64_t *ret_days) MUST_CHECK; /* yyyy-MM-dd */
/* HH:mm[:ss[.f{0,9}]]; milliseconds of the day, what is finer is cut. */
int cell_parse_time(struct slice text, int32_t *ret_millis) MUST_CHECK;
/* A date and a time behind ' ' or 'T'; `is_instant`: a Z must follow. */
int cell_parse_timestamp(struct slice text, enum cell_time_style style, bool is_instant,
                         struct ts_nano *ret) MUST_CHECK;
/* Cut to what the type keeps (its precision, three digits at a time): the value of its column up to precision 6. */
int64_t cell_timestamp_units(const struct data_type *type, struct ts_nano t);
/* Appends the bytes of standard base64 with its padding. */
int cell_parse_base64(struct slice text, struct str *out) MUST_CHECK;

/* A number that begins at p: mantissa digits, fraction, exponent.  Short ones are exact; false: use the functions above.
 * CELL_SCAN_PADDING. */
bool cell_scan_short_double(const char *p, const char **ret_end, double *ret);

#endif
