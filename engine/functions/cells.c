/* Entries of collections. */
#include "engine/functions/cells.h"

#include "engine/expr/equality.h"

struct cells cells_of(const struct column *c, uint32_t row)
{
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + row;
    return (struct cells){
        .items = &c->children[0],
        .values = c->n_children > 1 ? &c->children[1] : NULL,
        .from = (uint32_t)offsets[0],
        .n = (uint32_t)(offsets[1] - offsets[0]),
    };
}

struct cells cells_at(const struct expr_frame *f, uint32_t k, uint32_t row)
{
    return cells_of(&f->args[k]->column, expr_at(f->args[k], row));
}

static bool is_nested(const struct column *c)
{
    return c->type->layout == LAYOUT_LIST || c->type->layout == LAYOUT_MAP ||
           c->type->layout == LAYOUT_STRUCT;
}

void cells_put_null(struct expr_frame *f, uint32_t row)
{
    if (is_nested(&f->out->column)) {
        builder_put_null(expr_builder(f, row), 0);
        expr_next(f, row);
    } else if (f->out->column.type->layout != LAYOUT_NULL) {
        expr_set_null(f, row);
    }
}

int cells_put(struct expr_frame *f, uint32_t row, const struct column *from, uint32_t at,
              struct error *err)
{
    const uint32_t width = from->type->width;
    if (column_is_null(from, at)) {
        cells_put_null(f, row);
        return 0;
    }
    switch (from->type->layout) {
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        TRY(builder_put_cell(expr_builder(f, row), 0, from, at, err));
        expr_next(f, row);
        return 0;
    case LAYOUT_BIT:
        expr_put_bool(f, row, column_get_bool(from, at));
        return 0;
    case LAYOUT_VIEW:
        expr_put_bytes(f, row, column_get_bytes(from, at));
        return 0;
    case LAYOUT_NULL:
        return 0;
    default:
        memcpy(f->out->column.values->data + (size_t)row * width,
               from->values->data + (size_t)at * width, width);
        return 0;
    }
}

uint32_t cells_find(const struct cells *list, const struct column *what, uint32_t at)
{
    for (uint32_t i = 0; i < list->n; i++) {
        if (expr_cells_equal(list->items, list->from + i, what, at)) {
            return i;
        }
    }
    return list->n;
}

struct cells_out cells_begin(struct expr_frame *f, uint32_t row)
{
    struct cells_out out = {.builder = expr_builder(f, row), .f = f, .row = row};
    struct builder_column *top = builder_column_of(out.builder, 0);
    out.items = builder_child_of(top, 0);
    out.values = f->out->column.type->layout == LAYOUT_MAP ? builder_child_of(top, 1) : NULL;
    return out;
}

void cells_add(struct cells_out *out, const struct cells *from, uint32_t i, uint32_t n)
{
    builder_add_cells(out->builder, out->items, from->items, from->from + i, n);
    if (out->values != NULL) {
        builder_add_cells(out->builder, out->values, from->values, from->from + i, n);
    }
}

void cells_end(struct cells_out *out)
{
    builder_put_nested(out->builder, 0);
    expr_next(out->f, out->row);
}

int cells_infer_array(const struct expr_function *function, struct expr_pool *pool,
                      const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                      struct error *err)
{
    bool nullable = false;
    for (uint32_t i = 0; i < n_args; i++) {
        nullable |= args[i]->type->nullable;
    }
    if (args[0]->type->id != TYPE_ARRAY) {
        STR_AUTO text = STR_INIT;
        type_print(args[0]->type, &text);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Cannot apply '%s' to arguments of type '%s(<%s>)'. Supported form(s): "
                         "'%s(<ARRAY>, ...)'",
                         function->name, function->name, str_cstr(&text), function->name);
    }
    *ret = type_with_nullable(args[0]->type, nullable);
    return 0;
}
