/* Tiles: batches to records and records to batches, one column at a time.
 *
 * Each loop is over one primitive type, with the struct's size as stride.  A bool that says NULL is
 * written for every row of a column that has one.  Thread: one owner. */
#include "engine/state/record.h"

#include "engine/data/codec.h"
#include "flinc/base.h"

static inline uint32_t row_at(const uint16_t *sel, uint32_t i)
{
    return sel != NULL ? sel[i] : i;
}

/* ---- reading ----------------------------------------------------------------------------------- */

#define READ_AS(ctype)                                                                  \
    do {                                                                                \
        const ctype *values = COLUMN_VALUES(c, const ctype);                            \
        if (sel == NULL) {                                                              \
            for (uint32_t i = 0; i < n; i++) {                                          \
                memcpy(to + (size_t)i * stride, &values[from + i], sizeof(ctype));      \
            }                                                                           \
        } else {                                                                        \
            for (uint32_t i = 0; i < n; i++) {                                          \
                memcpy(to + (size_t)i * stride, &values[sel[from + i]], sizeof(ctype)); \
            }                                                                           \
        }                                                                               \
    } while (0)

static void read_bits(const struct column *c, const uint16_t *sel, uint32_t from, uint32_t n,
                      char *to, uint32_t stride)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = row_at(sel, from + i);
        to[(size_t)i * stride] = (char)((c->values->data[row >> 3] >> (row & 7)) & 1);
    }
}

static void read_strings(const struct column *c, const uint16_t *sel, uint32_t from, uint32_t n,
                         char *to, uint32_t stride)
{
    const struct view *views = COLUMN_VALUES(c, const struct view);
    for (uint32_t i = 0; i < n; i++) {
        const struct view *v = &views[row_at(sel, from + i)];
        flinc_string *s = (flinc_string *)(void *)(to + (size_t)i * stride);
        s->len = (size_t)v->len;
        s->data = LIKELY(v->len <= VIEW_INLINE_MAX)
                      ? v->inlined
                      : (const char *)c->data[v->buffer]->data + v->offset;
    }
}

static void read_values(const struct record_field *f, const struct column *c, const uint16_t *sel,
                        uint32_t from, uint32_t n, char *to, uint32_t stride)
{
    if (f->layout == LAYOUT_BIT) {
        read_bits(c, sel, from, n, to, stride);
    } else if (f->layout == LAYOUT_VIEW) {
        read_strings(c, sel, from, n, to, stride);
    } else {
        switch (f->width) {
        case 1:
            READ_AS(uint8_t);
            break;
        case 2:
            READ_AS(uint16_t);
            break;
        case 4:
            READ_AS(uint32_t);
            break;
        case 8:
            READ_AS(uint64_t);
            break;
        default:
            READ_AS(__int128);
            break;
        }
    }
}

/* Lengths first: the bytes may move while they grow. */
static void read_nested(const struct record_layout *l, const struct record_field *f,
                        const struct column *c, const uint16_t *sel, uint32_t from, uint32_t n,
                        char *records, struct str *bytes)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = row_at(sel, from + i);
        flinc_string *s = (flinc_string *)(void *)(records + (size_t)i * l->size + f->offset);
        size_t start = bytes->len;
        if (!column_is_null(c, row)) {
            value_encode(c, row, bytes);
        }
        *s = (flinc_string){NULL, bytes->len - start};
    }
}

/* The bytes of all nested fields, in the order in which they were read. */
static void place_nested(const struct record_layout *l, uint32_t n, char *records,
                         const struct str *bytes)
{
    const char *next = str_cstr(bytes);
    for (uint32_t k = 0; k < l->n_strings; k++) {
        const struct record_field *f = &l->fields[l->strings[k]];
        for (uint32_t i = 0; i < n && record_field_is_nested(f); i++) {
            flinc_string *s = (flinc_string *)(void *)(records + (size_t)i * l->size + f->offset);
            s->data = s->len > 0 ? next : NULL;
            next += s->len;
        }
    }
}

static int read_nulls(const struct record_layout *l, const struct record_field *f,
                      const struct column *c, const uint16_t *sel, uint32_t from, uint32_t n,
                      char *records, struct error *err)
{
    if (f->null_offset == RECORD_NEVER_NULL) {
        uint32_t nulls = 0;
        for (uint32_t i = 0; i < n; i++) {
            nulls += column_is_null(c, row_at(sel, from + i));
        }
        if (UNLIKELY(nulls > 0)) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "column '%s' holds a NULL, but the field of the C struct cannot be "
                             "NULL: declare it as FLINC_NULLABLE",
                             l->schema->fields[f->column].name);
        }
        return 0;
    }
    char *to = records + f->null_offset;
    for (uint32_t i = 0; i < n; i++) {
        to[(size_t)i * l->size] = column_is_null(c, row_at(sel, from + i));
    }
    return 0;
}

static void clear_nested(struct str *bytes)
{
    if (UNLIKELY(bytes->cap > RECORD_NESTED_KEPT_MAX)) {
        str_fini(bytes);
    }
    bytes->len = 0;
}

int record_read(const struct record_layout *l, const struct batch *b, uint32_t from, uint32_t n,
                char *ret_records, struct str *nested, struct error *err)
{
    const uint16_t *sel = batch_sel(b);
    if (l->n_nested > 0) {
        clear_nested(nested);
    }
    for (uint32_t i = 0; i < l->n_fields; i++) {
        const struct record_field *f = &l->fields[i];
        const struct column *c = &b->columns[f->column];
        if (UNLIKELY(record_field_is_nested(f))) {
            read_nested(l, f, c, sel, from, n, ret_records, nested);
        } else {
            read_values(f, c, sel, from, n, ret_records + f->offset, l->size);
        }
        if (c->validity != NULL) {
            TRY(read_nulls(l, f, c, sel, from, n, ret_records, err));
        } else if (f->null_offset != RECORD_NEVER_NULL) {
            char *to = ret_records + f->null_offset;
            for (uint32_t k = 0; k < n; k++) {
                to[(size_t)k * l->size] = 0;
            }
        }
    }
    if (l->n_nested > 0) {
        place_nested(l, n, ret_records, nested);
    }
    return 0;
}

/* ---- writing ----------------------------------------------------------------------------------- */

void record_put_strings(const struct record_layout *l, const char *record, struct builder *out)
{
    for (uint32_t i = 0; i < l->n_strings; i++) {
        const struct record_field *f = &l->fields[l->strings[i]];
        const flinc_string *s = (const flinc_string *)(const void *)(record + f->offset);
        if (f->null_offset != RECORD_NEVER_NULL && record[f->null_offset]) {
            flinc_out_put_null(&out->out, f->column);
        } else if (UNLIKELY(record_field_is_nested(f))) {
            flinc_out_put_nested(&out->out, f->column, *s);
        } else {
            flinc_out_put_string(&out->out, f->column, *s);
        }
    }
}

#define PUT_AS(ctype)                                                                 \
    do {                                                                              \
        char *to = (char *)c->values + (size_t)row * sizeof(ctype);                   \
        for (uint32_t i = 0; i < n; i++) {                                            \
            memcpy(to + i * sizeof(ctype), from + (size_t)i * stride, sizeof(ctype)); \
        }                                                                             \
    } while (0)

static void put_bits(uint8_t *bits, const char *from, uint32_t stride, uint32_t n, uint32_t row)
{
    for (uint32_t i = 0; i < n; i++) {
        uint32_t at = row + i;
        uint8_t bit = (uint8_t)(1u << (at & 7));
        bits[at >> 3] =
            (uint8_t)(from[(size_t)i * stride] ? bits[at >> 3] | bit : bits[at >> 3] & ~bit);
    }
}

static void put_values(const struct record_field *f, const struct flinc_out_column *c,
                       const char *from, uint32_t stride, uint32_t n, uint32_t row)
{
    if (f->layout == LAYOUT_BIT) {
        put_bits(c->values, from, stride, n, row);
        return;
    }
    switch (f->width) {
    case 1:
        PUT_AS(uint8_t);
        break;
    case 2:
        PUT_AS(uint16_t);
        break;
    case 4:
        PUT_AS(uint32_t);
        break;
    case 8:
        PUT_AS(uint64_t);
        break;
    default:
        PUT_AS(__int128);
        break;
    }
}

/* NULLs are rare: each goes through the builder, which keeps the values under them tidy. */
static void put_nulls(const struct record_field *f, const char *records, uint32_t stride,
                      uint32_t n, struct builder *out, uint32_t row)
{
    const char *nulls = records + f->null_offset;
    uint32_t end = out->out.n;
    for (uint32_t i = 0; i < n; i++) {
        if (UNLIKELY(nulls[(size_t)i * stride])) {
            out->out.n = row + i;
            flinc_out_put_null(&out->out, f->column);
        }
    }
    out->out.n = end;
}

void record_put_fixed(const struct record_layout *l, const char *records, uint32_t n,
                      struct builder *out, uint32_t row)
{
    for (uint32_t i = 0; i < l->n_fields; i++) {
        const struct record_field *f = &l->fields[i];
        if (record_field_is_string(f)) {
            continue;
        }
        put_values(f, &out->out.columns[f->column], records + f->offset, l->size, n, row);
        if (f->null_offset != RECORD_NEVER_NULL) {
            put_nulls(f, records, l->size, n, out, row);
        }
    }
}
