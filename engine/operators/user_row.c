/* Rows of user functions: life and reading (user_row.h).  Writing: user_row_write.c. */
#include "engine/operators/user_row.h"

#include "engine/operators/struct_schema.h"

/* ---- mistakes ---------------------------------------------------------------------------------- */

int user_row_refuse(const flinc_row *row, const char *what, uint32_t i,
                    const struct data_type *type)
{
    STR_AUTO text = STR_INIT;
    struct user_functions *fs = row->ctx->owner;
    int rc = ERR_USER_CODE;
    if (type != NULL) {
        str_append_cstr(&text, " in ");
        type_print(type, &text);
    }
    for (uint32_t k = 0; k < fs->n; k++) {
        int code = i == FLINC_NEXT
                       ? flinc_ctx_fail(&fs->items[k].ctx, "a row: %s%s", what, str_cstr(&text))
                       : flinc_ctx_fail(&fs->items[k].ctx, "a row: %s, field or cell %u%s", what, i,
                                        str_cstr(&text));
        rc = &fs->items[k].ctx == row->ctx ? code : rc;
    }
    return rc;
}

/* ---- life -------------------------------------------------------------------------------------- */

static void nested_init(struct row_nested *n, const struct field *f, struct buffer_pool *pool)
{
    const char *name = f->name;
    struct data_type *type = type_ref(f->type);
    n->schema = schema_new(&name, &type, 1);
    builder_init(&n->writer, pool, n->schema, 1);
    builder_init(&n->other, pool, n->schema, 1);
}

static flinc_row *row_new(flinc_ctx *ctx, struct record_layout *take_layout)
{
    struct user_functions *fs = ctx->owner;
    flinc_row *row = MEM_NEW(flinc_row);
    row->ctx = ctx;
    row->layout = *take_layout;
    row->record = mem_alloc_aligned(16, row->layout.size);
    row->nested = MEM_NEW_ARRAY(struct row_nested, row->layout.n_fields);
    for (uint32_t i = 0; i < row->layout.n_fields; i++) {
        if (record_field_is_nested(&row->layout.fields[i])) {
            nested_init(&row->nested[i], &row->layout.schema->fields[i], ctx->op->pool);
        }
    }
    if (fs->row_faces == NULL) {
        fs->row_faces = MEM_NEW(struct user_rows);
        vec_init(&fs->row_faces->rows, sizeof(flinc_row *));
    }
    vec_push_ptr(&fs->row_faces->rows, row);
    flinc_row_clear(row);
    return row;
}

static void row_free(flinc_row *row)
{
    for (uint32_t i = 0; i < row->layout.n_fields; i++) {
        struct row_nested *n = &row->nested[i];
        if (n->schema != NULL) {
            batch_unref(n->cell);
            builder_fini(&n->writer);
            builder_fini(&n->other);
            schema_unref(n->schema);
            str_fini(&n->bytes);
        }
    }
    record_layout_fini(&row->layout);
    mem_free(row->nested);
    mem_free(row->record);
    mem_free(row);
}

struct user_rows *user_rows_free(struct user_rows *rows)
{
    if (rows != NULL) {
        for (size_t i = 0; i < rows->rows.len; i++) {
            row_free(vec_ptr(&rows->rows, i));
        }
        vec_fini(&rows->rows);
        mem_free(rows);
    }
    return NULL;
}

flinc_row *flinc_ctx_row(flinc_ctx *ctx, const char *type)
{
    struct record_layout l;
    struct error err = ERROR_INIT;
    if (row_record_layout(&l, type != NULL ? type : "", "a row", &err) < 0) {
        (void)flinc_ctx_fail(ctx, "%s", err.message);
        return NULL;
    }
    return row_new(ctx, &l);
}

flinc_row *flinc_ctx_struct_row(flinc_ctx *ctx, const flinc_struct *type)
{
    struct record_layout l;
    struct error err = ERROR_INIT;
    if (struct_record_layout(&l, type, "a row", &err) < 0) {
        (void)flinc_ctx_fail(ctx, "%s", err.message);
        return NULL;
    }
    return row_new(ctx, &l);
}

int flinc_row_field(const flinc_row *row, const char *name)
{
    return schema_find(row->layout.schema, name);
}

/* ---- records ----------------------------------------------------------------------------------- */

/* Nothing is begun, and what was decoded is of another record. */
static void forget(flinc_row *row)
{
    if (row->depth > 0) {
        builder_cancel_row(&row->nested[row->open_field].writer);
        row->depth = 0;
    }
    for (uint32_t i = 0; i < row->layout.n_fields && row->layout.n_nested > 0; i++) {
        row->nested[i].is_decoded = false;
    }
}

void flinc_row_clear(flinc_row *row)
{
    forget(row);
    memset(row->record, 0, row->layout.size);
    for (uint32_t i = 0; i < row->layout.n_fields; i++) {
        uint32_t at = row->layout.fields[i].null_offset;
        if (at != RECORD_NEVER_NULL) {
            row->record[at] = 1;
        }
    }
}

bool flinc_row_read(flinc_row *row, const void *record)
{
    if (record == NULL) {
        flinc_row_clear(row);
        return false;
    }
    forget(row);
    memmove(row->record, record, row->layout.size);
    return true;
}

const void *flinc_row_record(flinc_row *row)
{
    if (row->depth > 0) {
        (void)user_row_refuse(row, "a nested value was begun and not ended", row->open_field, NULL);
    }
    return row->record;
}

void flinc_row_store(flinc_row *row, void *out)
{
    memcpy(out, flinc_row_record(row), row->layout.size);
}

/* ---- finding cells ----------------------------------------------------------------------------- */

flinc_cells flinc_row_cells(flinc_row *row)
{
    return (flinc_cells){
        .row = row, .at = row->record, .n = row->layout.n_fields, .form = CELLS_RECORD};
}

bool user_row_find_cell(flinc_cells c, uint32_t i, struct cell_place *ret)
{
    if (UNLIKELY(i >= c.n)) {
        (void)user_row_refuse(c.row, "there is no such cell", i, NULL);
        return false;
    }
    if (c.form == CELLS_RECORD) {
        const struct record_field *f = &c.row->layout.fields[i];
        const char *record = c.row->record;
        *ret = (struct cell_place){.type = c.row->layout.schema->fields[f->column].type,
                                   .value = record + f->offset,
                                   .field = i,
                                   .is_null = f->null_offset != RECORD_NEVER_NULL &&
                                              record[f->null_offset] != 0};
        return true;
    }
    const struct column *column = c.at;
    uint32_t row = c.first;
    if (c.form == CELLS_ROW) {
        column = &column->children[i];
    } else {
        row += i;
    }
    *ret = (struct cell_place){
        .type = column->type, .column = column, .row = row, .is_null = column_is_null(column, row)};
    return true;
}

/* Where the fixed-width value of a cell lies. */
static const void *value_at(const struct cell_place *at)
{
    return at->column == NULL
               ? at->value
               : (const char *)at->column->values->data + (size_t)at->row * at->type->width;
}

/* Finds a cell for a getter: false for NULL, too. */
static bool find_value(flinc_cells c, uint32_t i, struct cell_place *ret)
{
    return user_row_find_cell(c, i, ret) && !ret->is_null;
}

static void wrong(flinc_cells c, uint32_t i, const struct cell_place *at, const char *what)
{
    (void)user_row_refuse(c.row, what, i, at->type);
}

/* ---- flat cells -------------------------------------------------------------------------------- */

bool flinc_cell_is_null(flinc_cells c, uint32_t i)
{
    struct cell_place at;
    return !user_row_find_cell(c, i, &at) || at.is_null;
}

int64_t flinc_cell_int64(flinc_cells c, uint32_t i)
{
    struct cell_place at;
    if (!find_value(c, i, &at)) {
        return 0;
    }
    switch (at.type->layout) {
    case LAYOUT_I8:
        return *(const int8_t *)value_at(&at);
    case LAYOUT_I16:
        return *(const int16_t *)value_at(&at);
    case LAYOUT_I32:
        return *(const int32_t *)value_at(&at);
    case LAYOUT_I64:
        return *(const int64_t *)value_at(&at);
    default:
        wrong(c, i, &at, "no number of up to 64 bits is there");
        return 0;
    }
}

double flinc_cell_double(flinc_cells c, uint32_t i)
{
    struct cell_place at;
    if (!find_value(c, i, &at)) {
        return 0;
    }
    switch (at.type->layout) {
    case LAYOUT_F32:
        return (double)*(const float *)value_at(&at);
    case LAYOUT_F64:
        return *(const double *)value_at(&at);
    default:
        wrong(c, i, &at, "no FLOAT or DOUBLE is there");
        return 0;
    }
}

bool flinc_cell_bool(flinc_cells c, uint32_t i)
{
    struct cell_place at;
    if (!find_value(c, i, &at)) {
        return false;
    }
    if (at.type->layout != LAYOUT_BIT) {
        wrong(c, i, &at, "no BOOLEAN is there");
        return false;
    }
    return at.column == NULL ? *at.value != 0 : column_get_bool(at.column, at.row);
}

flinc_string flinc_cell_string(flinc_cells c, uint32_t i)
{
    struct cell_place at;
    flinc_string s = {NULL, 0};
    if (!find_value(c, i, &at)) {
        return s;
    }
    if (at.type->layout != LAYOUT_VIEW) {
        wrong(c, i, &at, "no string is there");
    } else if (at.column == NULL) {
        memcpy(&s, at.value, sizeof(s));
    } else {
        struct slice bytes = column_get_bytes(at.column, at.row);
        s = (flinc_string){bytes.data, bytes.len};
    }
    return s;
}

flinc_decimal flinc_cell_decimal(flinc_cells c, uint32_t i)
{
    struct cell_place at;
    __int128 v = 0;
    if (find_value(c, i, &at)) {
        if (at.type->id != TYPE_DECIMAL) {
            wrong(c, i, &at, "no DECIMAL is there");
        } else if (at.type->layout == LAYOUT_I64) {
            v = *(const int64_t *)value_at(&at);
        } else {
            memcpy(&v, value_at(&at), sizeof(v));
        }
    }
    return (flinc_decimal){.high = (int64_t)(v >> 64), .low = (uint64_t)v};
}

flinc_timestamp flinc_cell_timestamp(flinc_cells c, uint32_t i)
{
    struct cell_place at;
    flinc_timestamp t = {0, 0};
    if (!find_value(c, i, &at)) {
        return t;
    }
    if (at.type->id != TYPE_TIMESTAMP && at.type->id != TYPE_TIMESTAMP_LTZ) {
        wrong(c, i, &at, "no TIMESTAMP is there");
    } else if (at.type->layout == LAYOUT_TS_NANO) {
        struct ts_nano v;
        memcpy(&v, value_at(&at), sizeof(v));
        t = (flinc_timestamp){v.millis, v.nanos};
    } else {
        int64_t v = *(const int64_t *)value_at(&at);
        int64_t unit = at.type->precision <= 3 ? 1 : 1000, rest = v % unit;
        rest += rest < 0 ? unit : 0;
        t = (flinc_timestamp){(v - rest) / unit, (int32_t)rest * 1000};
    }
    return t;
}

/* ---- nested cells ------------------------------------------------------------------------------ */

static int decode(flinc_row *row, uint32_t field)
{
    struct row_nested *n = &row->nested[field];
    struct error err = ERROR_INIT;
    flinc_string bytes;
    memcpy(&bytes, row->record + row->layout.fields[field].offset, sizeof(bytes));
    builder_begin(&n->other);
    if (value_decode(bytes.data, bytes.len, &n->other, 0, &err) < 0) {
        builder_cancel_row(&n->other);
        return user_row_refuse(row, err.message, field, NULL);
    }
    builder_end_row(&n->other);
    batch_unref(n->cell);
    n->cell = builder_finish(&n->other);
    n->is_decoded = true;
    return 0;
}

bool user_row_nested_cell(const flinc_cells *c, const struct cell_place *at,
                          const struct column **ret_column, uint32_t *ret_row)
{
    if (at->is_null) {
        return false;
    }
    if (at->column != NULL) {
        *ret_column = at->column;
        *ret_row = at->row;
        return true;
    }
    const struct row_nested *n = &c->row->nested[at->field];
    if (!n->is_decoded && decode(c->row, at->field) < 0) {
        return false;
    }
    *ret_column = &n->cell->columns[0];
    *ret_row = 0;
    return true;
}

/* Column `child` below a cell that must be of a type of `n_children` columns at least. */
static flinc_cells below(flinc_cells c, uint32_t i, uint32_t child, const char *what)
{
    struct cell_place at;
    const struct column *column;
    uint32_t row;
    flinc_cells none = {.row = c.row, .form = CELLS_NONE};
    if (!user_row_find_cell(c, i, &at)) {
        return none;
    }
    if (at.type->layout < LAYOUT_LIST || (child > 0 && at.type->layout != LAYOUT_MAP)) {
        wrong(c, i, &at, what);
        return none;
    }
    if (!user_row_nested_cell(&c, &at, &column, &row)) {
        return none;
    }
    if (at.type->layout == LAYOUT_STRUCT) {
        return (flinc_cells){
            .row = c.row, .at = column, .first = row, .n = column->n_children, .form = CELLS_ROW};
    }
    const int32_t *offsets = COLUMN_VALUES(column, const int32_t) + row;
    return (flinc_cells){.row = c.row,
                         .at = &column->children[child],
                         .first = (uint32_t)offsets[0],
                         .n = (uint32_t)(offsets[1] - offsets[0]),
                         .form = CELLS_ITEMS};
}

flinc_cells flinc_cell_nested(flinc_cells c, uint32_t i)
{
    return below(c, i, 0, "no ROW, ARRAY, MAP or MULTISET is there");
}

flinc_cells flinc_cell_values(flinc_cells c, uint32_t i)
{
    return below(c, i, 1, "no MAP or MULTISET is there");
}
