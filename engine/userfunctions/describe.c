/* Calls and columns as libraries see them (flinc/udf.h). */
#include "engine/userfunctions/inside.h"
#include "formats/format.h"

/* The only row of a column is the literal. */
static void show_literal(struct arena *arena, const struct expr *e, const flinc_type *type,
                         flinc_udf_column *ret)
{
    uint64_t *cell = arena_zalloc(arena, 4 * sizeof(*cell));
    const struct expr_value *v = &e->value;
    *ret = (flinc_udf_column){.type = type, .values = cell};
    if (v->is_null) {
        ret->validity = (const uint8_t *)arena_zalloc(arena, 1);
        return;
    }
    switch (e->type->layout) {
    case LAYOUT_BIT:
        cell[0] = v->boolean;
        break;
    case LAYOUT_I128:
        memcpy(cell, &v->wide, sizeof(v->wide));
        break;
    case LAYOUT_F32: {
        const float narrow = (float)v->real;
        memcpy(cell, &narrow, sizeof(narrow));
        break;
    }
    case LAYOUT_F64:
        memcpy(cell, &v->real, sizeof(v->real));
        break;
    case LAYOUT_TS_NANO:
        memcpy(cell, &v->timestamp, sizeof(v->timestamp));
        break;
    case LAYOUT_VIEW: {
        flinc_udf_view *view = (flinc_udf_view *)(void *)cell;
        const void **data = arena_alloc(arena, sizeof(*data));
        char *bytes = arena_strndup(arena, v->bytes.data, v->bytes.len);
        view->len = (int32_t)v->bytes.len;
        memcpy(view->prefix, bytes, MIN(v->bytes.len, (size_t)4));
        if (v->bytes.len <= 12) {
            memcpy(view->prefix, bytes, v->bytes.len);
        }
        data[0] = bytes;
        ret->data = data;
        break;
    }
    default: /* little-endian integers: the low bytes */
        memcpy(cell, &v->integer, sizeof(v->integer));
        break;
    }
}

void user_call_describe(struct arena *arena, const struct user_function *f,
                        const struct data_type *const *types, const struct expr *const *args,
                        uint32_t n_args, const struct data_type *result, flinc_udf_call *ret)
{
    const flinc_type **faces = arena_zalloc(arena, (n_args + 1) * sizeof(*faces));
    flinc_udf_column *constants =
        args != NULL ? arena_zalloc(arena, (n_args + 1) * sizeof(*constants)) : NULL;
    for (uint32_t i = 0; i < n_args; i++) {
        faces[i] = format_type_show(arena, types[i]);
        if (args != NULL && args[i]->kind == EXPR_LITERAL) {
            show_literal(arena, args[i], faces[i], &constants[i]);
        }
    }
    *ret = (flinc_udf_call){
        .struct_size = sizeof(*ret),
        .function = f->name,
        .n_args = n_args,
        .args = faces,
        .constants = constants,
        .result = result != NULL ? format_type_show(arena, result) : NULL,
    };
}

void user_column_show(struct arena *arena, const struct column *c, const flinc_type *type,
                      uint32_t step, flinc_udf_column *ret)
{
    const void **data = arena_alloc(arena, (c->n_data + 1) * sizeof(*data));
    for (uint32_t i = 0; i < c->n_data; i++) {
        data[i] = c->data[i]->data;
    }
    *ret = (flinc_udf_column){
        .type = type,
        .values = c->values != NULL ? c->values->data : NULL,
        .validity = c->validity != NULL ? c->validity->data : NULL,
        .data = data,
        .n_children = c->n_children,
        .step = step,
    };
    if (c->n_children > 0) {
        flinc_udf_column *children = arena_zalloc(arena, c->n_children * sizeof(*children));
        for (uint32_t i = 0; i < c->n_children; i++) {
            const flinc_type *of = i < type->n_children ? type->children[i] : NULL;
            user_column_show(arena, &c->children[i], of, 1, &children[i]);
        }
        ret->children = children;
    }
}

const flinc_udf_column *user_columns_show(struct arena *arena, const struct column *const *columns,
                                          const flinc_type *const *types, uint32_t n)
{
    flinc_udf_column *ret = arena_alloc(arena, (n + 1) * sizeof(*ret));
    for (uint32_t i = 0; i < n; i++) {
        user_column_show(arena, columns[i], types[i], 1, &ret[i]);
    }
    return ret;
}
