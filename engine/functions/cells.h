/* Cells of arrays, maps and multisets, for kernels: where they lie, and results made of them.  Inside the room only.
 * Thread: that of the program. */
#ifndef FLINC_ENGINE_FUNCTIONS_CELLS_H
#define FLINC_ENGINE_FUNCTIONS_CELLS_H

#include "engine/expr/function.h"

/* The entries of one cell: rows [from, from + n) of the column's children. */
struct cells {
    const struct column *items;  /* children[0]: elements, keys */
    const struct column *values; /* children[1] of maps and multisets; NULL for arrays */
    uint32_t from, n;
};

struct cells cells_of(const struct column *c, uint32_t row);
/* Of argument k, which is not NULL there. */
struct cells cells_at(const struct expr_frame *f, uint32_t k, uint32_t row);
/* The cell becomes that of the result at this row, of any type; in the order of rows, each once. */
int cells_put(struct expr_frame *f, uint32_t row, const struct column *from, uint32_t at,
              struct error *err) MUST_CHECK;
/* NULL at this row, of any type, in the order of rows. */
void cells_put_null(struct expr_frame *f, uint32_t row);
/* The place in the list of a cell that is equal, NULL to NULL; n when there is none. */
uint32_t cells_find(const struct cells *list, const struct column *what, uint32_t at);

/* Results of arrays: elements are added, then the array is closed. */
struct cells_out {
    struct builder *builder;
    struct builder_column *items, *values;
    struct expr_frame *f;
    uint32_t row;
};
struct cells_out cells_begin(struct expr_frame *f, uint32_t row);
void cells_add(struct cells_out *out, const struct cells *from, uint32_t i, uint32_t n);
void cells_end(struct cells_out *out);

/* ERR_INVALID_ARGUMENT unless the type is an array: infer() of functions of arrays with one common type. */
int cells_infer_array(const struct expr_function *function, struct expr_pool *pool,
                      const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                      struct error *err) MUST_CHECK;

#endif
