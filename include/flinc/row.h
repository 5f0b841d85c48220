/* flinc/row.h: rows read and written field by field: of any SQL type, nested ones too.
 *
 *   struct orders { flinc_row *row; flinc_value_state *last; };
 *   #define ORDER "ROW<id BIGINT NOT NULL, items ARRAY<ROW<name STRING, price DECIMAL(10, 2)>>>"
 *
 *   open():     o->row = flinc_ctx_row(ctx, ORDER);
 *               o->last = flinc_ctx_value_state(ctx, FLINC_STATE(.name = "last", .row = ORDER));
 *
 *   reading:    if (flinc_row_read(o->row, flinc_value_get(o->last))) {
 *                   int64_t id = flinc_row_int64(o->row, 0);
 *                   flinc_cells items = flinc_row_nested(o->row, 1);
 *                   for (uint32_t i = 0; i < items.n; i++) {
 *                       flinc_string name = flinc_cell_string(flinc_cell_nested(items, i), 0);
 *
 *   writing:    flinc_row_clear(o->row);
 *               flinc_row_put_int64(o->row, 0, id);
 *               flinc_row_begin(o->row, 1);                an array: elements one after the other
 *               flinc_row_begin(o->row, FLINC_NEXT);       a row: fields by number, each once
 *               flinc_row_put_string(o->row, 0, name);
 *               flinc_row_end(o->row);
 *               flinc_row_end(o->row);
 *               flinc_value_set(o->last, flinc_row_record(o->row));
 *
 * A flinc_row is a place for one row of a type.  It is asked for in open() and lives as long as the function;
 * there may be many, also of one type.  It reads and writes records: what states have whose type is a row
 * (.row of FLINC_STATE), and structs of FLINC_STRUCT, whose nested fields (FLINC_NESTED) are bytes that only a
 * flinc_row understands.
 *
 * Types are written as in SQL.  Numbers of fields begin at 0.
 * Mistakes (another type, a field that is not there, NULL in what is NOT NULL) fail the task with their reason,
 * as those of states do: codes need no look unless there is more to do.
 *
 * Flink: Row and RowData with their getters and setters; ListView and MapView are not here. */
#ifndef FLINC_ROW_H
#define FLINC_ROW_H

#include "flinc/function.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct flinc_row flinc_row;

/* Some values that belong together: the fields of a row, the elements of an array, the keys or the values of a
 * map.  Valid until its row is read or cleared, or the same field of it is read again after it was written. */
typedef struct flinc_cells {
    flinc_row *row; /* whose they are */
    const void *at; /* this and what is below: the engine's, but for n */
    uint32_t first;
    uint32_t n; /* how many; 0 for NULL */
    uint32_t form;
    uint32_t reserved;
} flinc_cells;

/* A DECIMAL's unscaled value: high * 2^64 + low. */
typedef struct flinc_decimal {
    int64_t high;
    uint64_t low;
} flinc_decimal;

/* Of a TIMESTAMP or TIMESTAMP_LTZ of any precision. */
typedef struct flinc_timestamp {
    int64_t ms;    /* since 1970 */
    int32_t nanos; /* of the millisecond, 0 to 999999 */
} flinc_timestamp;

/* ---- rows ---- */

/* A row of this type, "ROW<id BIGINT, ...>"; in open() only.  NULL: the type is none, open() fails. */
FLINC_API flinc_row *flinc_ctx_row(flinc_ctx *ctx, const char *type);
/* The same for the structs of a FLINC_STRUCT: field i is that of the struct. */
FLINC_API flinc_row *flinc_ctx_struct_row(flinc_ctx *ctx, const flinc_struct *type);
/* The number of a field, -1 when there is none of the name. */
FLINC_API int flinc_row_field(const flinc_row *row, const char *name);
/* Takes over a record of the row's type: what a state gave (NULL: false, and the row is as after
 * flinc_row_clear), or a struct.  Strings and nested fields are valid as long as the record is. */
FLINC_API bool flinc_row_read(flinc_row *row, const void *record);
/* Makes all fields NULL; zeros, empty strings, arrays and maps where they may not be. */
FLINC_API void flinc_row_clear(flinc_row *row);
/* The row as a record: for the set, add and put functions of states, and as a struct of the type to be copied
 * or emitted.  Never NULL; valid until the row changes. */
FLINC_API const void *flinc_row_record(flinc_row *row);
/* Copies the record to where a function is to leave one: `out` of a map, a reduce or an aggregate, of the row's
 * type. */
FLINC_API void flinc_row_store(flinc_row *row, void *out);

/* ---- reading ---- */

/* The fields of a row. */
FLINC_API flinc_cells flinc_row_cells(flinc_row *row);
/* Cell `i` of some; NULLs are 0, false, empty. */
FLINC_API bool flinc_cell_is_null(flinc_cells c, uint32_t i);
/* TINYINT to BIGINT; DATE, TIME, intervals, TIMESTAMPs up to precision 6 and DECIMALs up to 18 as they are kept:
 * days, ms of the day, months or ms, ms (precision 0 to 3) or us, unscaled. */
FLINC_API int64_t flinc_cell_int64(flinc_cells c, uint32_t i);
FLINC_API double flinc_cell_double(flinc_cells c, uint32_t i); /* FLOAT, DOUBLE */
FLINC_API bool flinc_cell_bool(flinc_cells c, uint32_t i);
FLINC_API flinc_string flinc_cell_string(flinc_cells c, uint32_t i); /* strings, bytes, RAW */
FLINC_API flinc_decimal flinc_cell_decimal(flinc_cells c, uint32_t i);
FLINC_API flinc_timestamp flinc_cell_timestamp(flinc_cells c, uint32_t i);
/* The fields of a row, the elements of an array, the keys of a map (those of a multiset are its elements). */
FLINC_API flinc_cells flinc_cell_nested(flinc_cells c, uint32_t i);
/* The values of a map, in the order of its keys (of a multiset: how often, INT). */
FLINC_API flinc_cells flinc_cell_values(flinc_cells c, uint32_t i);

/* Field `i` of the row. */
static inline bool flinc_row_is_null(flinc_row *row, uint32_t i)
{
    return flinc_cell_is_null(flinc_row_cells(row), i);
}
static inline int64_t flinc_row_int64(flinc_row *row, uint32_t i)
{
    return flinc_cell_int64(flinc_row_cells(row), i);
}
static inline double flinc_row_double(flinc_row *row, uint32_t i)
{
    return flinc_cell_double(flinc_row_cells(row), i);
}
static inline bool flinc_row_bool(flinc_row *row, uint32_t i)
{
    return flinc_cell_bool(flinc_row_cells(row), i);
}
static inline flinc_string flinc_row_string(flinc_row *row, uint32_t i)
{
    return flinc_cell_string(flinc_row_cells(row), i);
}
static inline flinc_cells flinc_row_nested(flinc_row *row, uint32_t i)
{
    return flinc_cell_nested(flinc_row_cells(row), i);
}

/* ---- writing ---- */

/* The place that is written to is the row, or what was begun last and not ended.  `i` is there
 * - in a row the number of a field.  Those of the flinc_row itself may be written again, those of nested rows
 *   once; what is left out of a nested row is NULL;
 * - in an array FLINC_NEXT;
 * - in a map 0 for a key, then 1 for its value, and so on (in a multiset 1 for how often).  Keys differ.
 * Strings are copied in what is nested; those of the row itself must stay until its record is put. */
#define FLINC_NEXT 0xffffffffu

FLINC_API int flinc_row_put_null(flinc_row *row, uint32_t i);
/* As flinc_cell_int64(); a number must fit the type. */
FLINC_API int flinc_row_put_int64(flinc_row *row, uint32_t i, int64_t v);
FLINC_API int flinc_row_put_double(flinc_row *row, uint32_t i, double v);
FLINC_API int flinc_row_put_bool(flinc_row *row, uint32_t i, bool v);
FLINC_API int flinc_row_put_string(flinc_row *row, uint32_t i, flinc_string v);
FLINC_API int flinc_row_put_decimal(flinc_row *row, uint32_t i, flinc_decimal v);
/* What is finer than the precision is cut off. */
FLINC_API int flinc_row_put_timestamp(flinc_row *row, uint32_t i, flinc_timestamp v);
/* Copies cell `k`, of the same type, nested or not: the rest of an array to which an element is added. */
FLINC_API int flinc_row_put_cell(flinc_row *row, uint32_t i, flinc_cells from, uint32_t k);
/* Begins a row, an array or a map, which is written to until flinc_row_end().  A field of the flinc_row that is
 * begun again begins empty. */
FLINC_API int flinc_row_begin(flinc_row *row, uint32_t i);
FLINC_API int flinc_row_end(flinc_row *row);

#ifdef __cplusplus
}
#endif

#endif
