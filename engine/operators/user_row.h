/* Rows of user functions: what include/flinc/row.h declares, over a record (engine/state/record.h).
 *
 * A row keeps a record of its own, whose flat fields are read and written in place.  A nested field is decoded
 * into a batch of one cell when it is read first, and built in a builder of its own when it is written; its bytes
 * are in the record in between.
 *
 *   written:  begin ─► builder ─ end ─► batch of one cell ─► bytes ─► record
 *   read:     record ─► bytes ─► builder ─► batch of one cell ─► cells
 *
 * Rows belong to the functions that asked for them and are freed with them.  Thread: the task's.
 * Flink: GenericRowData, BinaryRowData and their writers. */
#ifndef FLINC_ENGINE_OPERATORS_USER_ROW_H
#define FLINC_ENGINE_OPERATORS_USER_ROW_H

#include "common/base/vec.h"
#include "engine/data/codec.h"
#include "engine/operators/user_function.h"
#include "engine/state/record.h"
#include "flinc/row.h"

/* A nested field of a row. */
struct row_nested {
    struct schema *schema;        /* Owns a ref: of the field alone; NULL: the field is flat */
    struct builder writer, other; /* what is written; what is decoded */
    struct batch *cell;           /* Owns a ref: decoded; NULL: never yet */
    bool is_decoded;              /* `cell` is what the record has */
    struct str bytes;             /* what was written */
};

/* A nested value that is begun and not ended. */
struct row_level {
    const struct data_type *type;  /* Borrows: the schema's */
    struct builder_column *column; /* Borrows: the builder's */
    uint32_t start;                /* rows of the children of a ROW when it began */
};

struct flinc_row {
    flinc_ctx *ctx; /* Borrows: of the function that asked for it */
    struct record_layout layout;
    char *record;              /* Owns */
    struct row_nested *nested; /* Owns; by field */
    /* What is begun: levels[0] is field `open_field`. */
    uint32_t depth, open_field;
    struct row_level levels[TYPE_DEPTH_MAX];
};

struct user_rows {
    struct vec rows; /* struct flinc_row *, Owns */
};
struct user_rows *user_rows_free(struct user_rows *rows); /* NULL is fine; returns NULL */

/* Fails the task with what is wrong with cell `i` of a value of this type; returns the code. */
int user_row_refuse(const flinc_row *row, const char *what, uint32_t i,
                    const struct data_type *type) COLD;

/* What cells are made of: flinc_cells.form. */
enum cells_form {
    CELLS_NONE,   /* of a NULL */
    CELLS_RECORD, /* the fields of the row itself */
    CELLS_ROW,    /* the fields of row `first` of a column of rows */
    CELLS_ITEMS,  /* rows [first, first + n) of a column */
};
/* A cell that was found. */
struct cell_place {
    const struct data_type *type;
    const char *value;           /* in a record; NULL: in a column */
    const struct column *column; /* NULL: in a record */
    uint32_t row;
    uint32_t field; /* of the record */
    bool is_null;
};
/* False, and the task fails, when there are not that many. */
bool user_row_find_cell(flinc_cells c, uint32_t i, struct cell_place *ret);
/* The column and row that hold a nested cell; false for NULL.  Decodes a field of the record. */
bool user_row_nested_cell(const flinc_cells *c, const struct cell_place *at,
                          const struct column **ret_column, uint32_t *ret_row);

#endif
