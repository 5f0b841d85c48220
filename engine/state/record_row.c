/* Records as rows of the row codec.  Thread: one owner.
 *
 *   version and flags | bitmap of NULLs | the values that are not NULL, in the order of the columns
 *
 * Nested values are in a record as they are in a row, so that they are copied; what the bytes say of their own
 * lengths is checked on the way, in either direction. */
#include "engine/state/record_row.h"

#include "engine/state/record_row_wire.h"

struct record_row_column {
    uint32_t offset, null_offset; /* as in struct record_field */
    uint32_t width;
    enum type_layout layout;
    const struct data_type *type; /* Borrows: the schema's */
    uint32_t zero_at, zero_bytes; /* of a nested one, in record_row.zeros */
};

enum { FIRST_BYTE = ROW_CODEC_VERSION << ROW_VERSION_SHIFT };

/* ---- life -------------------------------------------------------------------------------------- */

/* The most that a value takes beside the bytes of strings; written in words, so that one may be begun behind. */
static uint32_t fixed_bytes_of(enum type_layout layout)
{
    switch (layout) {
    case LAYOUT_BIT:
    case LAYOUT_I8:
        return 1;
    case LAYOUT_F32:
        return sizeof(float);
    case LAYOUT_F64:
        return sizeof(double);
    case LAYOUT_I128:
        return 1 + sizeof(__int128);
    case LAYOUT_TS_NANO:
        return 2 * ROW_VARINT_MAX;
    default:
        return ROW_VARINT_MAX;
    }
}

void record_row_init(struct record_row *r, const struct record_layout *l)
{
    uint32_t n = l->schema->n_fields, field_bytes = 0;
    memset(r, 0, sizeof(*r));
    ASSERT(l->n_fields == n);
    r->layout = l;
    r->n_columns = n;
    r->bitmap_bytes = (uint32_t)row_bitmap_bytes(n);
    r->fixed_bytes = 1 + r->bitmap_bytes + sizeof(uint64_t);
    r->columns = MEM_NEW_ARRAY(struct record_row_column, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct record_field *f = &l->fields[i];
        struct record_row_column *c = &r->columns[f->column];
        ASSERT(c->type == NULL && f->layout != LAYOUT_NULL);
        *c = (struct record_row_column){.offset = f->offset,
                                        .null_offset = f->null_offset,
                                        .width = f->width,
                                        .layout = f->layout,
                                        .type = l->schema->fields[f->column].type};
        r->fixed_bytes += fixed_bytes_of(f->layout);
        field_bytes += f->width + (f->null_offset != RECORD_NEVER_NULL);
        if (record_field_is_nested(f)) {
            c->zero_at = (uint32_t)r->zeros.len;
            row_zero_encode(c->type, &r->zeros);
            c->zero_bytes = (uint32_t)r->zeros.len - c->zero_at;
        }
    }
    r->has_gaps = field_bytes < l->size;
    r->scratch = l->n_strings > 0 ? mem_alloc_aligned(16, l->size) : NULL;
}

void record_row_fini(struct record_row *r)
{
    mem_free(r->columns);
    mem_free(r->scratch);
    str_fini(&r->zeros);
    memset(r, 0, sizeof(*r));
}

/* ---- writing ----------------------------------------------------------------------------------- */

static inline bool is_null(const struct record_row_column *c, const char *record)
{
    return c->null_offset != RECORD_NEVER_NULL && record[c->null_offset] != 0;
}

static flinc_string string_of(const struct record_row *r, const struct record_row_column *c,
                              const char *record)
{
    flinc_string s;
    memcpy(&s, record + c->offset, sizeof(s));
    if (s.len == 0 && c->layout >= LAYOUT_LIST) {
        s = (flinc_string){r->zeros.data + c->zero_at, c->zero_bytes};
    }
    return s;
}

/* Bytes of the strings of a record; nested ones are looked at. */
static int measure_strings(const struct record_row *r, const char *record, size_t *ret_bytes,
                           struct error *err)
{
    const struct record_layout *l = r->layout;
    size_t bytes = 0;
    for (uint32_t i = 0; i < l->n_strings; i++) {
        const struct record_row_column *c = &r->columns[l->fields[l->strings[i]].column];
        if (is_null(c, record)) {
            continue;
        }
        flinc_string s = string_of(r, c, record);
        bytes += s.len;
        if (s.len > INT32_MAX || bytes > INT32_MAX) {
            return error_set(err, ERR_TOO_LARGE, "an encoded row of %zu bytes, the limit is %d",
                             bytes, INT32_MAX);
        }
        if (c->layout >= LAYOUT_LIST) {
            const uint8_t *at = (const uint8_t *)s.data;
            struct row_bytes nested = {.at = at, .end = at + s.len, .err = err};
            int rc = row_bytes_nested(&nested, c->type);
            if (rc == 0 && nested.at != nested.end) {
                rc = row_bytes_corrupt(&nested, "bytes behind its last value");
            }
            TRY_CTX(err, rc, "encoding column '%s'", l->schema->fields[c - r->columns].name);
        }
    }
    *ret_bytes = bytes;
    return 0;
}

static inline uint8_t *put_i64(uint8_t *to, int64_t v)
{
    return to + row_varint_put(to, row_fold(v));
}

static uint8_t *put_i128(uint8_t *to, const char *from)
{
    __int128 v;
    memcpy(&v, from, sizeof(v));
    unsigned __int128 folded = row_fold_128(v);
    uint8_t n = 0;
    memcpy(to + 1, &folded, sizeof(folded));
    for (; folded != 0; folded >>= 8) {
        n++;
    }
    to[0] = n;
    return to + 1 + n;
}

static uint8_t *put_floating(uint8_t *to, enum type_layout layout, const char *from)
{
    if (layout == LAYOUT_F32) {
        float v;
        uint32_t bits;
        memcpy(&v, from, sizeof(v));
        memcpy(&bits, from, sizeof(bits));
        bits = v != v ? ROW_NAN_32 : bits;
        memcpy(to, &bits, sizeof(bits));
        return to + sizeof(bits);
    }
    double v;
    uint64_t bits;
    memcpy(&v, from, sizeof(v));
    memcpy(&bits, from, sizeof(bits));
    bits = v != v ? ROW_NAN_64 : bits;
    memcpy(to, &bits, sizeof(bits));
    return to + sizeof(bits);
}

static uint8_t *put_bytes(uint8_t *to, const struct record_row *r,
                          const struct record_row_column *c, const char *record)
{
    flinc_string s = string_of(r, c, record);
    if (c->layout == LAYOUT_VIEW) {
        to += row_varint_put(to, s.len);
    }
    if (s.len > 0) {
        memcpy(to, s.data, s.len);
    }
    return to + s.len;
}

/* One value that is not NULL; there is room. */
static ALWAYS_INLINE uint8_t *put_value(uint8_t *to, const struct record_row *r,
                                        const struct record_row_column *c, const char *record)
{
    const char *from = record + c->offset;
    switch (c->layout) {
    case LAYOUT_I64: {
        int64_t v;
        memcpy(&v, from, sizeof(v));
        return put_i64(to, v);
    }
    case LAYOUT_I32: {
        int32_t v;
        memcpy(&v, from, sizeof(v));
        return put_i64(to, v);
    }
    case LAYOUT_I16: {
        int16_t v;
        memcpy(&v, from, sizeof(v));
        return put_i64(to, v);
    }
    case LAYOUT_BIT:
        *to = *from != 0;
        return to + 1;
    case LAYOUT_I8:
        *to = (uint8_t)*from;
        return to + 1;
    case LAYOUT_F32:
    case LAYOUT_F64:
        return put_floating(to, c->layout, from);
    case LAYOUT_I128:
        return put_i128(to, from);
    case LAYOUT_TS_NANO: {
        struct ts_nano v;
        memcpy(&v, from, sizeof(v));
        to = put_i64(to, v.millis);
        return to + row_varint_put(to, (uint64_t)v.nanos);
    }
    default:
        return put_bytes(to, r, c, record);
    }
}

int record_row_encode(const struct record_row *r, const char *record, struct str *out,
                      struct error *err)
{
    size_t room = r->fixed_bytes, start = out->len;
    if (r->scratch != NULL) {
        size_t strings = 0;
        TRY(measure_strings(r, record, &strings, err));
        room += strings;
    }
    if (UNLIKELY(out->cap < start + room + 1)) {
        str_reserve(out, room);
    }
    uint8_t *first = (uint8_t *)out->data + start, *nulls = first + 1;
    uint8_t *to = nulls + r->bitmap_bytes;
    first[0] = FIRST_BYTE;
    if (LIKELY(r->bitmap_bytes <= sizeof(uint64_t))) {
        memset(nulls, 0, sizeof(uint64_t));
    } else {
        memset(nulls, 0, r->bitmap_bytes);
    }
    for (uint32_t i = 0, n = r->n_columns; i < n; i++) {
        const struct record_row_column *c = &r->columns[i];
        if (UNLIKELY(is_null(c, record))) {
            nulls[i / 8] |= (uint8_t)(1u << (i & 7));
        } else {
            to = put_value(to, r, c, record);
        }
    }
    size_t len = (size_t)(to - first);
    if (UNLIKELY(len > INT32_MAX)) {
        out->data[start] = '\0';
        return error_set(err, ERR_TOO_LARGE, "an encoded row of %zu bytes, the limit is %d", len,
                         INT32_MAX);
    }
    out->len = start + len;
    out->data[out->len] = '\0';
    return 0;
}

/* ---- reading ----------------------------------------------------------------------------------- */

static COLD int refuse_front(struct row_bytes *r)
{
    uint8_t first = r->at != r->end ? *r->at : 0;
    if (r->at != r->end && first >> ROW_VERSION_SHIFT != ROW_CODEC_VERSION) {
        return error_set(r->err, ERR_UNSUPPORTED,
                         "encoded row: version %u, this program reads version %d",
                         first >> ROW_VERSION_SHIFT, ROW_CODEC_VERSION);
    }
    return row_bytes_corrupt(r, r->at == r->end ? "it is empty" : "a record has no flags");
}

static ALWAYS_INLINE int read_column(struct row_bytes *r, const struct record_row_column *c,
                                     bool null, char *record)
{
    char *to = record + c->offset;
    if (c->null_offset != RECORD_NEVER_NULL) {
        record[c->null_offset] = null;
    }
    if (UNLIKELY(null)) {
        memset(to, 0, c->width);
        return c->null_offset != RECORD_NEVER_NULL
                   ? 0
                   : row_bytes_corrupt(r, "a NULL for which the record has no place");
    }
    if (UNLIKELY(c->layout >= LAYOUT_LIST)) {
        struct row_bytes nested = *r; /* so that `r` may be in registers */
        TRY(row_bytes_nested(&nested, c->type));
        const flinc_string s = {(const char *)r->at, (size_t)(nested.at - r->at)};
        memcpy(to, &s, sizeof(s));
        r->at = nested.at;
        return 0;
    }
    return row_bytes_flat(r, c->layout, to);
}

int record_row_read(const struct record_row *r, const void *data, size_t size, char *ret_record,
                    struct error *err)
{
    const uint8_t *bits = NULL;
    struct row_bytes in = {.at = data, .end = (const uint8_t *)data + size, .err = err};
    if (UNLIKELY(size == 0 || *in.at != FIRST_BYTE)) {
        return refuse_front(&(struct row_bytes){in.at, in.end, err});
    }
    in.at++;
    TRY(row_bytes_bitmap(&in, r->bitmap_bytes, r->n_columns, &bits));
    if (r->has_gaps) {
        memset(ret_record, 0, r->layout->size);
    }
    for (uint32_t i = 0, n = r->n_columns; i < n; i++) {
        TRY_CTX(err, read_column(&in, &r->columns[i], row_bit_at(bits, i), ret_record),
                "decoding column '%s'", r->layout->schema->fields[i].name);
    }
    return LIKELY(in.at == in.end) ? 0 : row_bytes_corrupt(&in, "bytes behind its last value");
}

int record_row_decode(struct record_row *r, struct state_heap *heap, const void *data, size_t size,
                      char *kept, struct error *err)
{
    int rc = record_row_read(r, data, size, r->scratch != NULL ? r->scratch : kept, err);
    if (rc == 0 && r->scratch != NULL) {
        rc = record_keep(r->layout, heap, kept, r->scratch, err);
    }
    if (UNLIKELY(rc < 0)) {
        record_drop(r->layout, heap, kept);
        memset(kept, 0, r->layout->size);
    }
    return rc;
}
