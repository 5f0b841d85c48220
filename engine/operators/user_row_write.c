/* Rows of user functions: writing (user_row.h).
 *
 * Flat fields of the row itself go straight into its record.  What is nested goes into the builder of its field;
 * each level knows what it is of.  Thread: the task's. */
#include "engine/operators/user_row.h"

/* Where the next cell goes: to a field of the record, or into a column of a builder. */
struct put_place {
    const struct data_type *type;
    char *value;                   /* in the record; NULL: into the column */
    struct builder *builder;       /* Borrows */
    struct builder_column *column; /* Borrows */
};

/* ---- places ------------------------------------------------------------------------------------ */

static int find_field(flinc_row *row, uint32_t i, bool is_null, struct put_place *ret)
{
    const struct record_layout *l = &row->layout;
    if (i >= l->n_fields) {
        return user_row_refuse(row, "there is no such field", i, NULL);
    }
    const struct record_field *f = &l->fields[i];
    const struct data_type *type = l->schema->fields[f->column].type;
    if (is_null && f->null_offset == RECORD_NEVER_NULL) {
        return user_row_refuse(row, "it cannot be NULL", i, type);
    }
    *ret = (struct put_place){.type = type, .value = row->record + f->offset};
    return 0;
}

/* The child of an open value that `i` means, if it is that one's turn. */
static int find_child(flinc_row *row, const struct row_level *at, uint32_t i, uint32_t *ret)
{
    struct builder_column *c = at->column;
    if (at->type->id == TYPE_ROW) {
        if (i >= at->type->n_children) {
            return user_row_refuse(row, "there is no such field", i, at->type);
        }
        if (builder_column_rows(builder_child_of(c, i)) != at->start) {
            return user_row_refuse(row, "it was written before", i, at->type);
        }
        *ret = i;
        return 0;
    }
    if (at->type->id == TYPE_ARRAY) {
        *ret = 0;
        return i == FLINC_NEXT
                   ? 0
                   : user_row_refuse(row, "elements are written as FLINC_NEXT", i, at->type);
    }
    uint32_t keys = builder_column_rows(builder_child_of(c, 0));
    uint32_t values = builder_column_rows(builder_child_of(c, 1));
    if (i > 1 || keys != values + i) {
        return user_row_refuse(row, "0 is a key, then 1 its value, and so on", i, at->type);
    }
    *ret = i;
    return 0;
}

static int find_place(flinc_row *row, uint32_t i, bool is_null, struct put_place *ret)
{
    if (row->depth == 0) {
        return find_field(row, i, is_null, ret);
    }
    const struct row_level *at = &row->levels[row->depth - 1];
    uint32_t child;
    TRY(find_child(row, at, i, &child));
    const struct data_type *type = type_child_column(at->type, child);
    if (is_null && !type->nullable) {
        return user_row_refuse(row, "it cannot be NULL", i, at->type);
    }
    *ret = (struct put_place){.type = type,
                              .builder = &row->nested[row->open_field].writer,
                              .column = builder_child_of(at->column, child)};
    return 0;
}

/* The field of the record has a value. */
static void set_valid(flinc_row *row, uint32_t i)
{
    uint32_t at = row->layout.fields[i].null_offset;
    if (at != RECORD_NEVER_NULL) {
        row->record[at] = 0;
    }
}

static int wrong(const flinc_row *row, uint32_t i, const struct put_place *at, const char *what)
{
    return user_row_refuse(row, what, i, at->type);
}

/* ---- flat cells -------------------------------------------------------------------------------- */

int flinc_row_put_null(flinc_row *row, uint32_t i)
{
    struct put_place at = {.type = NULL};
    TRY(find_place(row, i, true, &at));
    if (at.value == NULL) {
        builder_add_null(at.builder, at.column);
        return 0;
    }
    const struct record_field *f = &row->layout.fields[i];
    memset(at.value, 0, f->width);
    row->record[f->null_offset] = 1;
    row->nested[i].is_decoded = false;
    return 0;
}

/* An integer of the layout, which it fits. */
static void put_integer(flinc_row *row, uint32_t i, const struct put_place *at, int64_t v)
{
    if (at->value == NULL) {
        builder_add_i64(at->builder, at->column, v);
        return;
    }
    memcpy(at->value, &v, at->type->width); /* little-endian */
    set_valid(row, i);
}

int flinc_row_put_int64(flinc_row *row, uint32_t i, int64_t v)
{
    struct put_place at = {.type = NULL};
    TRY(find_place(row, i, false, &at));
    enum type_layout layout = at.type->layout;
    if (layout < LAYOUT_I8 || layout > LAYOUT_I64) {
        return wrong(row, i, &at, "no number of up to 64 bits goes there");
    }
    uint32_t spare = 64 - at.type->width * 8;
    if ((int64_t)((uint64_t)v << spare) >> spare != v) {
        return wrong(row, i, &at, "the number is out of the range of its type");
    }
    put_integer(row, i, &at, v);
    return 0;
}

int flinc_row_put_double(flinc_row *row, uint32_t i, double v)
{
    struct put_place at = {.type = NULL};
    TRY(find_place(row, i, false, &at));
    if (at.type->layout != LAYOUT_F32 && at.type->layout != LAYOUT_F64) {
        return wrong(row, i, &at, "no FLOAT or DOUBLE goes there");
    }
    if (at.value == NULL) {
        builder_add_f64(at.builder, at.column, v);
    } else if (at.type->layout == LAYOUT_F32) {
        memcpy(at.value, &(float){(float)v}, sizeof(float));
        set_valid(row, i);
    } else {
        memcpy(at.value, &v, sizeof(v));
        set_valid(row, i);
    }
    return 0;
}

int flinc_row_put_bool(flinc_row *row, uint32_t i, bool v)
{
    struct put_place at = {.type = NULL};
    TRY(find_place(row, i, false, &at));
    if (at.type->layout != LAYOUT_BIT) {
        return wrong(row, i, &at, "no BOOLEAN goes there");
    }
    if (at.value == NULL) {
        builder_add_bool(at.builder, at.column, v);
    } else {
        *at.value = v;
        set_valid(row, i);
    }
    return 0;
}

static int put_bytes(flinc_row *row, uint32_t i, const struct put_place *at, flinc_string v)
{
    struct error err = ERROR_INIT;
    if (at->value != NULL) {
        memcpy(at->value, &v, sizeof(v));
        set_valid(row, i);
        return 0;
    }
    int rc = builder_add_bytes(at->builder, at->column, v.data, v.len, &err);
    return rc < 0 ? user_row_refuse(row, err.message, i, NULL) : 0;
}

int flinc_row_put_string(flinc_row *row, uint32_t i, flinc_string v)
{
    struct put_place at = {.type = NULL};
    TRY(find_place(row, i, false, &at));
    if (at.type->layout != LAYOUT_VIEW) {
        return wrong(row, i, &at, "no string goes there");
    }
    return put_bytes(row, i, &at, v);
}

static bool decimal_fits(const struct data_type *type, __int128 v)
{
    __int128 limit = 1;
    for (int32_t k = 0; k < type->precision; k++) {
        limit *= 10;
    }
    return v < limit && v > -limit;
}

int flinc_row_put_decimal(flinc_row *row, uint32_t i, flinc_decimal v)
{
    struct put_place at = {.type = NULL};
    __int128 wide = (__int128)((unsigned __int128)(uint64_t)v.high << 64 | v.low);
    TRY(find_place(row, i, false, &at));
    if (at.type->id != TYPE_DECIMAL) {
        return wrong(row, i, &at, "no DECIMAL goes there");
    }
    if (!decimal_fits(at.type, wide)) {
        return wrong(row, i, &at, "the number has more digits than its type");
    }
    if (at.value == NULL) {
        builder_add_i128(at.builder, at.column, wide);
    } else {
        memcpy(at.value, &wide, at.type->width); /* little-endian */
        set_valid(row, i);
    }
    return 0;
}

int flinc_row_put_timestamp(flinc_row *row, uint32_t i, flinc_timestamp v)
{
    struct put_place at = {.type = NULL};
    TRY(find_place(row, i, false, &at));
    const struct data_type *type = at.type;
    if (type->id != TYPE_TIMESTAMP && type->id != TYPE_TIMESTAMP_LTZ) {
        return wrong(row, i, &at, "no TIMESTAMP goes there");
    }
    int64_t us = 0;
    if (v.nanos < 0 || v.nanos > 999999 ||
        (type->layout == LAYOUT_I64 && __builtin_mul_overflow(v.ms, 1000, &us))) {
        return wrong(row, i, &at, "the time is out of the range of its type");
    }
    if (type->layout != LAYOUT_TS_NANO) {
        put_integer(row, i, &at, type->precision <= 3 ? v.ms : us + v.nanos / 1000);
        return 0;
    }
    struct ts_nano nano = {.millis = v.ms, .nanos = v.nanos};
    if (at.value == NULL) {
        builder_add_ts_nano(at.builder, at.column, nano);
    } else {
        memcpy(at.value, &nano, sizeof(nano));
        set_valid(row, i);
    }
    return 0;
}

/* ---- nested cells ------------------------------------------------------------------------------ */

static void open_level(flinc_row *row, const struct data_type *type, struct builder_column *column)
{
    struct row_level *at = &row->levels[row->depth++];
    *at = (struct row_level){.type = type, .column = column};
    if (type->id == TYPE_ROW && type->n_children > 0) {
        at->start = builder_column_rows(builder_child_of(column, 0));
    }
}

int flinc_row_begin(flinc_row *row, uint32_t i)
{
    struct put_place at = {.type = NULL};
    TRY(find_place(row, i, false, &at));
    if (at.type->layout < LAYOUT_LIST) {
        return wrong(row, i, &at, "no ROW, ARRAY, MAP or MULTISET goes there");
    }
    if (at.value != NULL) {
        struct row_nested *n = &row->nested[i];
        builder_begin(&n->writer);
        at.column = builder_column_of(&n->writer, 0);
        row->open_field = i;
    }
    ASSERT(row->depth < TYPE_DEPTH_MAX); /* as deep as its type */
    open_level(row, at.type, at.column);
    return 0;
}

/* A ROW has all fields that cannot be NULL, a MAP a value for each key. */
static int check_complete(const flinc_row *row, const struct row_level *at)
{
    const struct data_type *type = at->type;
    for (uint32_t i = 0; type->id == TYPE_ROW && i < type->n_children; i++) {
        if (!type->children[i]->nullable &&
            builder_column_rows(builder_child_of(at->column, i)) == at->start) {
            return user_row_refuse(row, "it has no value and cannot be NULL", i, type);
        }
    }
    if (type->layout == LAYOUT_MAP && builder_column_rows(builder_child_of(at->column, 0)) !=
                                          builder_column_rows(builder_child_of(at->column, 1))) {
        return user_row_refuse(row, "the last key has no value", FLINC_NEXT, type);
    }
    return 0;
}

/* Sets a nested field of the record to the one row that its builder has. */
static void take_written(flinc_row *row, uint32_t i)
{
    struct row_nested *n = &row->nested[i];
    builder_end_row(&n->writer);
    struct batch *b = builder_finish(&n->writer);
    n->bytes.len = 0;
    value_encode(&b->columns[0], 0, &n->bytes);
    batch_unref(b);
    flinc_string bytes = {n->bytes.data, n->bytes.len};
    memcpy(row->record + row->layout.fields[i].offset, &bytes, sizeof(bytes));
    set_valid(row, i);
    n->is_decoded = false;
}

int flinc_row_end(flinc_row *row)
{
    if (row->depth == 0) {
        return user_row_refuse(row, "nothing was begun that could be ended", FLINC_NEXT, NULL);
    }
    const struct row_level *at = &row->levels[row->depth - 1];
    struct row_nested *n = &row->nested[row->open_field];
    int rc = check_complete(row, at);
    if (rc < 0) {
        builder_cancel_row(&n->writer);
        row->depth = 0;
        return rc;
    }
    row->depth--;
    if (row->depth > 0) {
        builder_add_nested(&n->writer, at->column);
        return 0;
    }
    builder_put_nested(&n->writer, 0);
    take_written(row, row->open_field);
    return 0;
}

/* ---- copies ------------------------------------------------------------------------------------ */

static int add_copy(struct builder *b, struct builder_column *to, const struct column *c,
                    uint32_t row, struct error *err);

static int add_children(struct builder *b, struct builder_column *to, const struct column *c,
                        uint32_t row, struct error *err)
{
    uint32_t from = row, end = row + 1;
    if (c->type->layout != LAYOUT_STRUCT) {
        const int32_t *offsets = COLUMN_VALUES(c, const int32_t) + row;
        from = (uint32_t)offsets[0];
        end = (uint32_t)offsets[1];
    }
    for (uint32_t k = 0; k < c->n_children; k++) {
        for (uint32_t i = from; i < end; i++) {
            TRY(add_copy(b, builder_child_of(to, k), &c->children[k], i, err));
        }
    }
    return 0;
}

static int add_copy(struct builder *b, struct builder_column *to, const struct column *c,
                    uint32_t row, struct error *err)
{
    if (column_is_null(c, row)) {
        builder_add_null(b, to);
        return 0;
    }
    switch (c->type->layout) {
    case LAYOUT_NULL:
        builder_add_null(b, to);
        return 0;
    case LAYOUT_BIT:
        builder_add_bool(b, to, column_get_bool(c, row));
        return 0;
    case LAYOUT_I8:
        builder_add_i64(b, to, COLUMN_VALUES(c, const int8_t)[row]);
        return 0;
    case LAYOUT_I16:
        builder_add_i64(b, to, COLUMN_VALUES(c, const int16_t)[row]);
        return 0;
    case LAYOUT_I32:
        builder_add_i64(b, to, COLUMN_VALUES(c, const int32_t)[row]);
        return 0;
    case LAYOUT_I64:
        builder_add_i64(b, to, COLUMN_VALUES(c, const int64_t)[row]);
        return 0;
    case LAYOUT_I128:
        builder_add_i128(b, to, COLUMN_VALUES(c, const __int128)[row]);
        return 0;
    case LAYOUT_F32:
        builder_add_f64(b, to, (double)COLUMN_VALUES(c, const float)[row]);
        return 0;
    case LAYOUT_F64:
        builder_add_f64(b, to, COLUMN_VALUES(c, const double)[row]);
        return 0;
    case LAYOUT_TS_NANO:
        builder_add_ts_nano(b, to, COLUMN_VALUES(c, const struct ts_nano)[row]);
        return 0;
    case LAYOUT_VIEW: {
        struct slice s = column_get_bytes(c, row);
        return builder_add_bytes(b, to, s.data, s.len, err);
    }
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        TRY(add_children(b, to, c, row, err));
        builder_add_nested(b, to);
        return 0;
    }
    return 0;
}

/* Types that hold the same values, but for NULL at the top. */
static bool same_type(const struct data_type *a, const struct data_type *b)
{
    struct data_type *plain = type_with_nullable(a, b->nullable);
    bool same = type_equals(plain, b);
    type_unref(plain);
    return same;
}

/* Through the putter of the type: between the record and a column, either way. */
static int put_flat(flinc_row *row, uint32_t i, flinc_cells from, uint32_t k,
                    const struct data_type *type)
{
    switch (type->layout) {
    case LAYOUT_BIT:
        return flinc_row_put_bool(row, i, flinc_cell_bool(from, k));
    case LAYOUT_F32:
    case LAYOUT_F64:
        return flinc_row_put_double(row, i, flinc_cell_double(from, k));
    case LAYOUT_I128:
        return flinc_row_put_decimal(row, i, flinc_cell_decimal(from, k));
    case LAYOUT_TS_NANO:
        return flinc_row_put_timestamp(row, i, flinc_cell_timestamp(from, k));
    case LAYOUT_VIEW:
        return flinc_row_put_string(row, i, flinc_cell_string(from, k));
    default:
        return flinc_row_put_int64(row, i, flinc_cell_int64(from, k));
    }
}

static int put_nested(flinc_row *row, uint32_t i, const struct put_place *to, flinc_cells from,
                      const struct cell_place *at)
{
    const struct column *column;
    uint32_t source;
    struct error err = ERROR_INIT;
    if (!user_row_nested_cell(&from, at, &column, &source)) {
        return ERR_USER_CODE; /* the task has failed */
    }
    if (to->value == NULL) {
        int rc = add_copy(to->builder, to->column, column, source, &err);
        return rc < 0 ? user_row_refuse(row, err.message, i, NULL) : 0;
    }
    struct str *bytes = &row->nested[i].bytes;
    bytes->len = 0;
    value_encode(column, source, bytes);
    flinc_string s = {bytes->data, bytes->len};
    row->nested[i].is_decoded = false;
    return put_bytes(row, i, to, s);
}

int flinc_row_put_cell(flinc_row *row, uint32_t i, flinc_cells from, uint32_t k)
{
    struct cell_place at;
    struct put_place to = {.type = NULL};
    if (!user_row_find_cell(from, k, &at)) {
        return ERR_USER_CODE; /* the task has failed */
    }
    TRY(find_place(row, i, at.is_null, &to));
    if (!same_type(at.type, to.type)) {
        return wrong(row, i, &to, "a cell of another type does not go there");
    }
    if (at.is_null) {
        return flinc_row_put_null(row, i);
    }
    return at.type->layout < LAYOUT_LIST ? put_flat(row, i, from, k, at.type)
                                         : put_nested(row, i, &to, from, &at);
}
