/* A columnar batch: 1 to 4,096 rows in Arrow's memory layout, the unit of all data flow.
 *
 * - Buffers are reference-counted and immutable once shared; operators forward columns they do not
 *   touch by taking references.  A batch header too is immutable once it has two holders
 *   (batch_is_unique()); whoever holds it alone may change it in place (set a selection, replace a
 *   column).
 * - `sel`, when there, lists the rows that count, strictly increasing; row numbers everywhere are
 *   physical.  Exchanges and codecs materialise it.
 * - `row_kinds` is left out (NULL) while all rows are inserts, `timestamps` while there are none,
 *   `hashes` until keys were hashed (hash.h).
 * - A cell under a NULL still holds a valid value: any number, any valid view, an empty or legal
 *   range; columns of a struct have as many rows as the struct.  A column of type NULL has a validity
 *   buffer of zero bits.
 * - Memory: the header lies in a pool buffer itself, so that making and dropping a batch calls no
 *   malloc.
 * Flink: RowData in StreamRecord, many at a time.  Thread: one owner until shared; then read-only. */
#ifndef FLINC_ENGINE_DATA_BATCH_H
#define FLINC_ENGINE_DATA_BATCH_H

#include "engine/data/schema.h"
#include "engine/data/view.h"

enum {
    BATCH_ROWS_MAX = 4096,    /* hard limit of rows in a batch */
    BATCH_ROWS_TARGET = 2048, /* what builders aim at */
    BATCH_BYTES_TARGET = 256 * 1024,
    BATCH_DATA_INLINE = 2, /* data buffers of a view column kept in the header */
};
#define BATCH_ROW_BYTES_MAX_DEFAULT ((uint64_t)64 * 1024 * 1024) /* largest legal record */
#define BATCH_NO_TIMESTAMP INT64_MIN

/* Flink's RowKind, with its byte values. */
enum row_kind {
    ROW_KIND_INSERT = 0,
    ROW_KIND_UPDATE_BEFORE = 1,
    ROW_KIND_UPDATE_AFTER = 2,
    ROW_KIND_DELETE = 3,
};
const char *row_kind_name(enum row_kind kind); /* "+I", "-U", "+U", "-D" */

struct column {
    const struct data_type *type; /* Borrows: the schema's */
    struct buffer *validity;      /* Owns a ref: bit i set = not NULL; NULL: no NULLs */
    struct buffer *values;        /* Owns a ref: fixed-width values, bits, views, or n+1 offsets */
    struct buffer **data;         /* Owns refs: data buffers of views; points to data_inline or into
                                     data_array */
    struct buffer *data_array;    /* Owns a ref: memory of `data` when there are many */
    struct buffer *data_inline[BATCH_DATA_INLINE];
    uint32_t n_data, cap_data;
    uint32_t n_children;
    uint32_t child_rows;     /* rows of the children of lists and maps */
    struct column *children; /* Owns; they lie in the batch's header behind the top columns */
};

struct batch {
    _Atomic uint32_t refs;
    uint32_t n_rows; /* physical rows */
    uint32_t n_sel;  /* rows that count: n_rows without a selection */
    uint32_t n_columns;
    struct buffer *self;       /* the buffer in which this header lies */
    struct schema *schema;     /* Owns a ref */
    struct buffer *sel;        /* Owns a ref: uint16_t[n_sel], or NULL */
    struct buffer *row_kinds;  /* Owns a ref: uint8_t[n_rows], or NULL */
    struct buffer *timestamps; /* Owns a ref: int64_t[n_rows] ms since 1970, or NULL */
    struct buffer *hashes;     /* Owns a ref: uint64_t[n_rows], or NULL */
    struct column columns[];
};

/* An empty batch (no rows, no buffers) whose header comes from the pool. */
struct batch *batch_new(struct buffer_pool *pool, const struct schema *schema);
static inline struct batch *batch_ref(struct batch *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}
struct batch *batch_unref(struct batch *b); /* NULL is fine; returns NULL */
static inline bool batch_is_unique(const struct batch *b)
{
    return atomic_load_explicit(&b->refs, memory_order_acquire) == 1;
}
/* A header of one's own over the same buffers: takes `b`; returns it unchanged when unique. */
struct batch *batch_make_unique(struct buffer_pool *pool, struct batch *take_b);
/* A new header with another schema over columns of `b` (column_map[i] = source column, or -1 for an
 * empty column to be filled by the caller); selection, kinds and timestamps are shared too. */
struct batch *batch_project(struct buffer_pool *pool, struct batch *b, const struct schema *schema,
                            const int32_t *column_map);

/* Rows of the children of a column that itself has `rows` rows. */
static inline uint32_t column_child_rows(const struct column *c, uint32_t rows)
{
    return c->type->layout == LAYOUT_STRUCT ? rows : c->child_rows;
}
/* Bytes that the values buffer of a column of this layout needs for `rows` rows. */
static inline uint64_t column_values_bytes(const struct data_type *t, uint64_t rows)
{
    switch (t->layout) {
    case LAYOUT_BIT:
        return (rows + 7) / 8;
    case LAYOUT_LIST:
    case LAYOUT_MAP:
        return (rows + 1) * t->width;
    default:
        return rows * t->width;
    }
}

/* Column buffers; for whoever makes a batch.  All take the reference given. */
void column_set_values(struct column *c, struct buffer *take_values);
void column_set_validity(struct column *c, struct buffer *take_validity);
void column_add_data(struct buffer_pool *pool, struct column *c, struct buffer *take_data);
/* Takes over all buffers of `src` by reference (types must be equal). */
void column_share(struct buffer_pool *pool, struct column *dst, const struct column *src);
/* Drops all buffers, those of children too. */
void column_clear(struct column *c);
/* Makes `n` NULL rows of any type. */
void column_fill_nulls(struct buffer_pool *pool, struct column *c, uint32_t n);

/* Selection: takes `sel` (uint16_t[n], strictly increasing physical row numbers). */
void batch_set_selection(struct batch *b, struct buffer *take_sel, uint32_t n);
static inline const uint16_t *batch_sel(const struct batch *b)
{
    return b->sel != NULL ? (const uint16_t *)(const void *)b->sel->data : NULL;
}
/* The i-th row that counts, as a physical row number. */
static inline uint32_t batch_row(const struct batch *b, uint32_t i)
{
    return b->sel != NULL ? ((const uint16_t *)(const void *)b->sel->data)[i] : i;
}
/* A batch without selection and with compacted strings: takes `b`; returns it as it is when it
 * already is so. */
struct batch *batch_materialize(struct buffer_pool *pool, struct batch *take_b);
/* Rows [from, to) of the selected rows as a batch of its own (shares buffers by a selection). */
struct batch *batch_slice(struct buffer_pool *pool, struct batch *b, uint32_t from, uint32_t to);
/* True when less than half of the string bytes that the batch pins are referenced by selected rows. */
bool batch_wastes_strings(const struct batch *b);
/* Copies string bytes of view columns into fresh buffers when less than half of the bytes they pin
 * are referenced; does nothing otherwise (DESIGN.md 3).  `b` must be unique. */
void batch_compact_strings(struct buffer_pool *pool, struct batch *b);

uint64_t batch_bytes(const struct batch *b); /* of the selected rows, as numBytes counts them */
uint64_t batch_pinned_bytes(const struct batch *b); /* capacity of all buffers that it holds */

/* Checks every invariant (types, sizes, offsets, view bounds, UTF-8 not included): for data from
 * outside and for debug builds. */
int batch_validate(const struct batch *b, struct error *err) MUST_CHECK;
/* Same schema and same selected rows, by value (tests). */
bool batch_equals(const struct batch *a, const struct batch *b);
/* "+I[hello, 3]" per selected row, Flink's Row.toString; `row` is physical. */
void batch_print_row(const struct batch *b, uint32_t row, struct str *out);
void column_print_cell(const struct column *c, uint32_t row, struct str *out);

/* ---- cells --------------------------------------------------------------------------------- */

static inline bool column_is_null(const struct column *c, uint32_t row)
{
    return c->validity != NULL && ((c->validity->data[row >> 3] >> (row & 7)) & 1) == 0;
}
#define COLUMN_VALUES(column, ctype) ((ctype *)(void *)(column)->values->data)
static inline bool column_get_bool(const struct column *c, uint32_t row)
{
    return ((c->values->data[row >> 3] >> (row & 7)) & 1) != 0;
}
/* Of TINYINT to BIGINT, and what else has the layout of one. */
static inline int64_t column_get_int(const struct column *c, uint32_t row)
{
    switch (c->type->layout) {
    case LAYOUT_I8:
        return COLUMN_VALUES(c, const int8_t)[row];
    case LAYOUT_I16:
        return COLUMN_VALUES(c, const int16_t)[row];
    case LAYOUT_I32:
        return COLUMN_VALUES(c, const int32_t)[row];
    default:
        return COLUMN_VALUES(c, const int64_t)[row];
    }
}
static inline struct slice column_get_bytes(const struct column *c, uint32_t row)
{
    const struct view *v = COLUMN_VALUES(c, const struct view) + row;
    if (v->len <= VIEW_INLINE_MAX) {
        return (struct slice){v->inlined, (size_t)v->len};
    }
    return (struct slice){(const char *)c->data[v->buffer]->data + v->offset, (size_t)v->len};
}

#endif
