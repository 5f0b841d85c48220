/* A cell under construction, wherever it is: in a top column of a builder or in a nested one.  What the
 * row and key decoders write to.  Inside the room only. */
#ifndef FLINC_ENGINE_DATA_CODEC_CELL_H
#define FLINC_ENGINE_DATA_CODEC_CELL_H

#include "engine/data/builder.h"

struct cell {
    struct builder *builder;       /* Borrows */
    struct builder_column *nested; /* Borrows: the column; NULL: the top column `column` */
    uint32_t column;
};

/* The next cell of a child of the nested cell. */
static inline struct cell cell_child(struct cell c, uint32_t child)
{
    struct builder_column *parent =
        c.nested != NULL ? c.nested : builder_column_of(c.builder, c.column);
    return (struct cell){c.builder, builder_child_of(parent, child), c.column};
}
static inline void cell_null(struct cell c)
{
    if (c.nested != NULL) {
        builder_add_null(c.builder, c.nested);
    } else {
        builder_put_null(c.builder, c.column);
    }
}
static inline void cell_bool(struct cell c, bool v)
{
    if (c.nested != NULL) {
        builder_add_bool(c.builder, c.nested, v);
    } else {
        builder_put_bool(c.builder, c.column, v);
    }
}
static inline void cell_i64(struct cell c, int64_t v)
{
    if (c.nested != NULL) {
        builder_add_i64(c.builder, c.nested, v);
    } else {
        builder_put_i64(c.builder, c.column, v);
    }
}
static inline void cell_f64(struct cell c, double v)
{
    if (c.nested != NULL) {
        builder_add_f64(c.builder, c.nested, v);
    } else {
        builder_put_f64(c.builder, c.column, v);
    }
}
static inline void cell_i128(struct cell c, __int128 v)
{
    if (c.nested != NULL) {
        builder_add_i128(c.builder, c.nested, v);
    } else {
        builder_put_i128(c.builder, c.column, v);
    }
}
static inline void cell_ts_nano(struct cell c, struct ts_nano v)
{
    if (c.nested != NULL) {
        builder_add_ts_nano(c.builder, c.nested, v);
    } else {
        builder_put_ts_nano(c.builder, c.column, v);
    }
}
static inline int cell_bytes(struct cell c, const void *data, size_t len, struct error *err)
{
    if (c.nested != NULL) {
        return builder_add_bytes(c.builder, c.nested, data, len, err);
    }
    return builder_put_bytes(c.builder, c.column, data, len, err);
}
/* Closes a list, map or row whose children are there. */
static inline void cell_nested(struct cell c)
{
    if (c.nested != NULL) {
        builder_add_nested(c.builder, c.nested);
    } else {
        builder_put_nested(c.builder, c.column);
    }
}

#endif
