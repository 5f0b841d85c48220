/* flinc/sqltype.h: types of SQL, as plug-ins see them.  Flink: LogicalType. */
#ifndef FLINC_SQLTYPE_H
#define FLINC_SQLTYPE_H

#include "flinc/base.h"

#ifdef __cplusplus
extern "C" {
#endif

enum flinc_type_kind {
    FLINC_TYPE_NULL = 0,
    FLINC_TYPE_CHAR = 1,
    FLINC_TYPE_VARCHAR = 2, /* STRING, too: length 2147483647 */
    FLINC_TYPE_BOOLEAN = 3,
    FLINC_TYPE_BINARY = 4,
    FLINC_TYPE_VARBINARY = 5, /* BYTES, too */
    FLINC_TYPE_DECIMAL = 6,
    FLINC_TYPE_TINYINT = 7,
    FLINC_TYPE_SMALLINT = 8,
    FLINC_TYPE_INTEGER = 9,
    FLINC_TYPE_BIGINT = 10,
    FLINC_TYPE_FLOAT = 11,
    FLINC_TYPE_DOUBLE = 12,
    FLINC_TYPE_DATE = 13,
    FLINC_TYPE_TIME = 14,
    FLINC_TYPE_TIMESTAMP = 15,
    FLINC_TYPE_TIMESTAMP_LTZ = 16,
    FLINC_TYPE_INTERVAL_YEAR_MONTH = 17,
    FLINC_TYPE_INTERVAL_DAY_TIME = 18,
    FLINC_TYPE_ARRAY = 19,
    FLINC_TYPE_MAP = 20,
    FLINC_TYPE_MULTISET = 21,
    FLINC_TYPE_ROW = 22,
    FLINC_TYPE_RAW = 23
};

/* How values lie in a column (flinc/out.h, values of flinc_out_column):
 * BOOLEAN a bit; TINYINT, SMALLINT, INTEGER, BIGINT, FLOAT, DOUBLE as they are; DATE int32_t days since 1970; TIME int32_t
 * milliseconds; intervals int32_t months and int64_t milliseconds; DECIMAL the unscaled value, int64_t up to precision 18, else 16 bytes;
 * TIMESTAMP and TIMESTAMP_LTZ int64_t milliseconds up to precision 3, microseconds up to 6, else {int64_t ms, int32_t ns, 0};
 * CHAR to VARBINARY and RAW by flinc_out_put_string(). */
typedef struct flinc_type {
    uint32_t struct_size;
    enum flinc_type_kind kind;
    int32_t nullable;
    int32_t length;      /* CHAR to VARBINARY */
    int32_t precision;   /* DECIMAL, TIME, TIMESTAMP* */
    int32_t scale;       /* DECIMAL */
    uint32_t n_children; /* ARRAY and MULTISET 1 (their element), MAP 2, ROW its fields */
    const struct flinc_type *const *children;
    const char *const *names; /* of the fields of a ROW */
    const char *text;         /* as in SQL: "DECIMAL(10, 2) NOT NULL" */
} flinc_type;

#ifdef __cplusplus
}
#endif

#endif
