/* Row readers and writers: layouts of C structs, tiles, and what does not fit said clearly. */
#include "engine/operators/row_reader.h"

#include "flinc/types.h"

/* ---- layouts ----------------------------------------------------------------------------------- */

struct kind_info {
    const char *name;
    enum type_layout layout;
    uint32_t width;     /* in the C struct */
    uint32_t alignment; /* of the C field */
};

static const struct kind_info kinds[] = {
    [FLINC_KIND_BOOL] = {"BOOL", LAYOUT_BIT, sizeof(bool), _Alignof(bool)},
    [FLINC_KIND_INT8] = {"INT8", LAYOUT_I8, 1, 1},
    [FLINC_KIND_INT16] = {"INT16", LAYOUT_I16, 2, 2},
    [FLINC_KIND_INT32] = {"INT32", LAYOUT_I32, 4, 4},
    [FLINC_KIND_INT64] = {"INT64", LAYOUT_I64, 8, 8},
    [FLINC_KIND_FLOAT] = {"FLOAT", LAYOUT_F32, 4, 4},
    [FLINC_KIND_DOUBLE] = {"DOUBLE", LAYOUT_F64, 8, 8},
    [FLINC_KIND_STRING] = {"STRING", LAYOUT_VIEW, sizeof(flinc_string), 8},
    [FLINC_KIND_BYTES] = {"BYTES", LAYOUT_VIEW, sizeof(flinc_string), 8},
    [FLINC_KIND_DATE] = {"DATE", LAYOUT_I32, 4, 4},
    [FLINC_KIND_TIME] = {"TIME", LAYOUT_I32, 4, 4},
    [FLINC_KIND_TIMESTAMP] = {"TIMESTAMP", LAYOUT_I64, 8, 8},
    [FLINC_KIND_TIMESTAMP_LTZ] = {"TIMESTAMP_LTZ", LAYOUT_I64, 8, 8},
    [FLINC_KIND_NESTED] = {"NESTED", LAYOUT_LIST, sizeof(flinc_string), 8}, /* or MAP, STRUCT */
};

static bool kind_fits(const struct kind_info *k, const struct data_type *type)
{
    bool is_timestamp = type->id == TYPE_TIMESTAMP || type->id == TYPE_TIMESTAMP_LTZ;
    bool wants_timestamp =
        k == &kinds[FLINC_KIND_TIMESTAMP] || k == &kinds[FLINC_KIND_TIMESTAMP_LTZ];
    if (k == &kinds[FLINC_KIND_NESTED]) {
        return type->layout >= LAYOUT_LIST;
    }
    /* A timestamp field counts milliseconds; int64 takes any 64-bit value as it is. */
    return k->layout == type->layout &&
           (!wants_timestamp || (is_timestamp && type->precision <= 3));
}

static int field_init(struct record_field *f, const Flinc__StructField *in, uint32_t size,
                      const struct schema *schema, const char *what, struct error *err)
{
    int column = schema_find(schema, in->name);
    if (column < 0) {
        STR_AUTO text = STR_INIT;
        schema_print(schema, &text);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: there is no column '%s' for the struct's field in %s", what, in->name,
                         str_cstr(&text));
    }
    const struct data_type *type = schema->fields[column].type;
    const struct kind_info *k =
        in->kind > 0 && in->kind < ARRAY_LEN(kinds) ? &kinds[in->kind] : NULL;
    if (k == NULL || !kind_fits(k, type)) {
        STR_AUTO text = STR_INIT;
        type_print(type, &text);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: field '%s' of kind %s does not fit the column's type %s", what,
                         in->name, k != NULL ? k->name : "unknown", str_cstr(&text));
    }
    bool null_fits = in->null_offset == FLINC_NEVER_NULL || in->null_offset < size;
    if (in->offset % k->alignment != 0 || in->offset > size || size - in->offset < k->width ||
        !null_fits) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: field '%s' lies at offset %u (NULL at %u) of a struct of %u bytes",
                         what, in->name, in->offset, in->null_offset, size);
    }
    *f = (struct record_field){.column = (uint32_t)column,
                               .offset = in->offset,
                               .null_offset = in->null_offset,
                               .width = k->width,
                               .layout = type->layout};
    return 0;
}

int struct_layout_init(struct record_layout *l, const Flinc__StructDesc *desc,
                       const struct schema *schema, const char *what, struct error *err)
{
    if (desc == NULL || desc->n_fields == 0 || desc->size == 0 || desc->size > RECORD_SIZE_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: the struct is missing, has no fields or more than %d bytes", what,
                         RECORD_SIZE_MAX);
    }
    struct record_field *fields = MEM_NEW_ARRAY(struct record_field, desc->n_fields);
    int rc = 0;
    for (size_t i = 0; i < desc->n_fields && rc == 0; i++) {
        rc = field_init(&fields[i], desc->fields[i], desc->size, schema, what, err);
    }
    if (rc == 0) {
        record_layout_init_fields(l, schema, desc->size, fields, (uint32_t)desc->n_fields);
    }
    mem_free(fields);
    return rc;
}

/* Tiles are zeroed: padding and fields without a column are never random. */
static char *tile_new(const struct record_layout *l)
{
    size_t bytes = (size_t)l->size * RECORD_TILE_ROWS;
    char *tile = mem_alloc_aligned(64, bytes);
    memset(tile, 0, bytes);
    return tile;
}

/* ---- reading ----------------------------------------------------------------------------------- */

void row_reader_init_layout(struct row_reader *r, struct record_layout *take_layout)
{
    *r = (struct row_reader){.layout = *take_layout};
    memset(take_layout, 0, sizeof(*take_layout));
    r->tile = tile_new(&r->layout);
}

int row_reader_init(struct row_reader *r, const Flinc__StructDesc *desc,
                    const struct schema *schema, const char *what, struct error *err)
{
    struct record_layout l;
    *r = (struct row_reader){.batch = NULL};
    TRY(struct_layout_init(&l, desc, schema, what, err));
    row_reader_init_layout(r, &l);
    return 0;
}

void row_reader_fini(struct row_reader *r)
{
    if (r->layout.schema != NULL) {
        record_layout_fini(&r->layout);
    }
    mem_free(r->tile);
    str_fini(&r->nested);
    memset(r, 0, sizeof(*r));
}

void row_reader_start(struct row_reader *r, const struct batch *b)
{
    r->batch = b;
    r->next = 0;
    r->tile_rows = 0;
}

int row_reader_next(struct row_reader *r, uint32_t *ret_n, struct error *err)
{
    uint32_t n = MIN(r->batch->n_sel - r->next, (uint32_t)RECORD_TILE_ROWS);
    TRY(record_read(&r->layout, r->batch, r->next, n, r->tile, &r->nested, err));
    r->next += n;
    r->tile_rows = n;
    *ret_n = n;
    return 0;
}

/* ---- writing ----------------------------------------------------------------------------------- */

void row_writer_init_layout(struct row_writer *w, struct record_layout *take_layout,
                            struct buffer_pool *pool, uint32_t target_rows)
{
    *w = (struct row_writer){.layout = *take_layout};
    memset(take_layout, 0, sizeof(*take_layout));
    builder_init(&w->builder, pool, w->layout.schema, target_rows);
    w->tile = tile_new(&w->layout);
}

int row_writer_init(struct row_writer *w, const Flinc__StructDesc *desc,
                    const struct schema *schema, const char *what, struct buffer_pool *pool,
                    uint32_t target_rows, struct error *err)
{
    struct record_layout l;
    *w = (struct row_writer){.n = 0};
    TRY(struct_layout_init(&l, desc, schema, what, err));
    if (l.n_fields != schema->n_fields) {
        uint32_t n_fields = l.n_fields;
        record_layout_fini(&l);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s: the struct has %u fields, the stream has %u columns", what, n_fields,
                         schema->n_fields);
    }
    row_writer_init_layout(w, &l, pool, target_rows);
    return 0;
}

void row_writer_fini(struct row_writer *w)
{
    if (w->layout.schema != NULL) {
        record_layout_fini(&w->layout);
        builder_fini(&w->builder);
    }
    mem_free(w->tile);
    memset(w, 0, sizeof(*w));
}

/* Copies the fixed-width fields of the tile; it is empty and zeroed afterwards. */
static void write_tile(struct row_writer *w)
{
    if (w->n > 0) {
        record_put_fixed(&w->layout, w->tile, w->n, &w->builder, w->first_row);
        memset(w->tile, 0, (size_t)w->n * w->layout.size);
        w->n = 0;
    }
    w->first_row = w->builder.out.n;
}

void row_writer_settle(struct row_writer *w)
{
    write_tile(w);
    if (w->builder.out.n == w->builder.out.cap) {
        /* Its code stays in the builder; row_writer_check() tells. */
        (void)flinc_out_flush(&w->builder.out);
        w->first_row = w->builder.out.n;
    }
}

struct batch *row_writer_finish(struct row_writer *w)
{
    write_tile(w);
    struct batch *b = builder_finish(&w->builder);
    w->first_row = 0;
    return b;
}
