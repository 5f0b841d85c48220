/* Logical types: Flink SQL's, used by SQL and by the DataStream API alike.  Immutable and
 * reference-counted; nullability is part of a type.
 *
 * A type also fixes the physical layout of a column (Arrow's, see batch.h):
 *   BOOLEAN bit; TINYINT..BIGINT, DATE (int32 days), TIME (int32 ms), intervals (int32 months,
 *   int64 ms), FLOAT, DOUBLE fixed width; DECIMAL int64 up to precision 18, else int128;
 *   TIMESTAMP and TIMESTAMP_LTZ int64 ms (p <= 3), int64 us (p <= 6), else {int64 ms, int32 ns};
 *   CHAR, VARCHAR, BINARY, VARBINARY, RAW string views; ARRAY list; MAP and MULTISET map; ROW struct.
 * Flink: org.apache.flink.table.types.logical.  Thread: any. */
#ifndef FLINC_ENGINE_DATA_TYPE_H
#define FLINC_ENGINE_DATA_TYPE_H

#include "common/base/str.h"

enum type_id {
    TYPE_NULL,
    TYPE_CHAR,
    TYPE_VARCHAR, /* STRING is VARCHAR(2147483647) */
    TYPE_BOOLEAN,
    TYPE_BINARY,
    TYPE_VARBINARY, /* BYTES is VARBINARY(2147483647) */
    TYPE_DECIMAL,
    TYPE_TINYINT,
    TYPE_SMALLINT,
    TYPE_INTEGER,
    TYPE_BIGINT,
    TYPE_FLOAT,
    TYPE_DOUBLE,
    TYPE_DATE,
    TYPE_TIME,
    TYPE_TIMESTAMP,
    TYPE_TIMESTAMP_LTZ,
    TYPE_INTERVAL_YEAR_MONTH,
    TYPE_INTERVAL_DAY_TIME,
    TYPE_ARRAY,
    TYPE_MAP,
    TYPE_MULTISET,
    TYPE_ROW,
    TYPE_RAW,
    TYPE_COUNT
};

enum type_layout {
    LAYOUT_NULL,
    LAYOUT_BIT,
    LAYOUT_I8,
    LAYOUT_I16,
    LAYOUT_I32,
    LAYOUT_I64,
    LAYOUT_I128,
    LAYOUT_F32,
    LAYOUT_F64,
    LAYOUT_TS_NANO, /* struct ts_nano */
    LAYOUT_VIEW,    /* struct view, view.h */
    LAYOUT_LIST,    /* int32 offsets + one child */
    LAYOUT_MAP,     /* int32 offsets + key child + value child */
    LAYOUT_STRUCT,  /* children only */
};

enum {
    TYPE_LENGTH_MAX = 2147483647,
    TYPE_PRECISION_MAX = 38,
    TYPE_CHILDREN_MAX = 4096,
    TYPE_DEPTH_MAX = 32, /* levels of nesting */
};

/* Fields of an interval: one row per INTERVAL type of SQL. */
enum interval_resolution {
    INTERVAL_YEAR,
    INTERVAL_YEAR_TO_MONTH,
    INTERVAL_MONTH,
    INTERVAL_DAY,
    INTERVAL_DAY_TO_HOUR,
    INTERVAL_DAY_TO_MINUTE,
    INTERVAL_DAY_TO_SECOND,
    INTERVAL_HOUR,
    INTERVAL_HOUR_TO_MINUTE,
    INTERVAL_HOUR_TO_SECOND,
    INTERVAL_MINUTE,
    INTERVAL_MINUTE_TO_SECOND,
    INTERVAL_SECOND,
    INTERVAL_RESOLUTION_COUNT
};

struct ts_nano {
    int64_t millis;
    int32_t nanos; /* 0..999999 within the millisecond */
    int32_t pad;   /* 0 */
};

struct data_type {
    _Atomic uint32_t refs;
    enum type_id id;
    enum type_layout layout;
    bool nullable;
    uint32_t width;    /* bytes of one value in the values buffer; 0 for bits, structs, nulls */
    int32_t length;    /* CHAR, VARCHAR, BINARY, VARBINARY */
    int32_t precision; /* DECIMAL, TIME, TIMESTAMP*; year or day digits of intervals */
    int32_t scale;     /* DECIMAL; digits of fractional seconds of day-time intervals */
    enum interval_resolution resolution; /* intervals */
    uint32_t n_children;         /* ARRAY 1, MAP 2, MULTISET 1 (+ implied INT count), ROW n */
    struct data_type **children; /* Owns refs */
    char **names;                /* Owns; ROW field names, else NULL */
    char *raw_name;              /* Owns; RAW: name of the foreign type */
};

struct data_type *type_new(enum type_id id, bool nullable); /* defaults of parameters as Flink's */
struct data_type *type_new_string(bool nullable);
struct data_type *type_new_sized(enum type_id id, int32_t length, bool nullable);
struct data_type *type_new_precision(enum type_id id, int32_t precision, int32_t scale,
                                     bool nullable);
/* `digits` of years or days, `fraction` of seconds; Flink's defaults are 2 and 6. */
struct data_type *type_new_interval(enum interval_resolution resolution, int32_t digits,
                                    int32_t fraction, bool nullable);
/* Names another language's type; values are bytes that only that language reads. */
struct data_type *type_new_raw(const char *name, bool nullable);
struct data_type *type_new_array(struct data_type *take_element, bool nullable);
struct data_type *type_new_map(struct data_type *take_key, struct data_type *take_value,
                               bool nullable);
struct data_type *type_new_multiset(struct data_type *take_element, bool nullable);
struct data_type *type_new_row(struct data_type *const *take_children, const char *const *names,
                               uint32_t n, bool nullable);
/* Child columns of a column of this type: as n_children, but a MULTISET has two (element, count). */
uint32_t type_child_columns(const struct data_type *t);
const struct data_type *type_child_column(const struct data_type *t, uint32_t i); /* borrowed */
/* Columns below this one, all levels together. */
uint32_t type_nested_columns(const struct data_type *t);
struct data_type *type_with_nullable(const struct data_type *t, bool nullable); /* a new ref */
struct data_type *type_ref(const struct data_type *t);
struct data_type *type_unref(struct data_type *t);
bool type_equals(const struct data_type *a, const struct data_type *b);
/* Flink's asSummaryString: "DECIMAL(10, 2) NOT NULL", "ROW<`a` INT, `b` STRING>". */
void type_print(const struct data_type *t, struct str *out);
/* Parses what type_print writes.  ERR_PARSE with the column in the text. */
int type_parse(struct slice text, struct data_type **ret, struct error *err) MUST_CHECK;
const char *type_id_name(enum type_id id);
/* Ranges of length, precision, scale and nesting are Flink's; for types that come from outside. */
int type_validate(const struct data_type *t, struct error *err) MUST_CHECK;

#endif
