/* What third parties' formats see and call: types, and builders; see flinc/format.h. */
#include "formats/inside.h"

/* ---- types -------------------------------------------------------------------------------------------------- */

_Static_assert((int)FLINC_TYPE_NULL == (int)TYPE_NULL && (int)FLINC_TYPE_RAW == (int)TYPE_RAW &&
                   (int)FLINC_TYPE_TIMESTAMP_LTZ == (int)TYPE_TIMESTAMP_LTZ &&
                   (int)FLINC_TYPE_DECIMAL == (int)TYPE_DECIMAL,
               "kinds of types are numbered alike");

const flinc_type *format_type_show(struct arena *a, const struct data_type *t)
{
    flinc_type *type = arena_zalloc(a, sizeof(*type));
    const flinc_type **children = arena_zalloc(a, sizeof(*children) * (t->n_children + 1));
    STR_AUTO text = STR_INIT;

    type_print(t, &text);
    for (uint32_t i = 0; i < t->n_children; i++) {
        children[i] = format_type_show(a, t->children[i]);
    }
    *type = (flinc_type){.struct_size = sizeof(*type),
                         .kind = (enum flinc_type_kind)t->id,
                         .nullable = t->nullable,
                         .length = t->length,
                         .precision = t->precision,
                         .scale = t->scale,
                         .n_children = t->n_children,
                         .children = children,
                         .names = (const char *const *)t->names,
                         .text = arena_strdup(a, str_cstr(&text))};
    return type;
}

void format_schema_init(struct format_schema *f, const struct schema *schema)
{
    *f = (struct format_schema){.schema = schema_ref(schema)};
    arena_init(&f->arena, 0);
    const char **names = arena_zalloc(&f->arena, sizeof(*names) * (schema->n_fields + 1));
    const flinc_type **types = arena_zalloc(&f->arena, sizeof(*types) * (schema->n_fields + 1));
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        names[i] = schema->fields[i].name;
        types[i] = format_type_show(&f->arena, schema->fields[i].type);
    }
    f->face = (flinc_format_schema){.struct_size = sizeof(f->face),
                                    .n_columns = schema->n_fields,
                                    .names = names,
                                    .types = types,
                                    .engine = schema};
}

void format_schema_fini(struct format_schema *f)
{
    schema_unref(f->schema);
    arena_fini(&f->arena);
}

/* ---- builders ---------------------------------------------------------------------------------------------------- */

static struct builder *builder_of(flinc_out *out)
{
    return (struct builder *)out->owner;
}

static struct builder_column *column_of(flinc_format_cell *cell)
{
    return (struct builder_column *)(void *)cell;
}

static int begin_row(flinc_out *out)
{
    struct builder *b = builder_of(out);

    if (builder_is_full(b) || out->n >= BATCH_ROWS_MAX) {
        return 1;
    }
    builder_begin(b);
    return 0;
}

static void cancel_row(flinc_out *out)
{
    out->status = 0;
    builder_cancel_row(builder_of(out));
}

static void set_kind(flinc_out *out, int kind)
{
    builder_set_kind(builder_of(out), (enum row_kind)(kind & 3));
}

static void put_null(flinc_out *out, uint32_t column)
{
    builder_put_null(builder_of(out), column);
}

static void put_string(flinc_out *out, uint32_t column, flinc_string s)
{
    flinc_out_put_string(out, column, s);
}

static flinc_format_cell *column(flinc_out *out, uint32_t i)
{
    return (flinc_format_cell *)(void *)builder_column_of(builder_of(out), i);
}

static flinc_format_cell *child(flinc_format_cell *cell, uint32_t i)
{
    return (flinc_format_cell *)(void *)builder_child_of(column_of(cell), i);
}

static void add_null(flinc_out *out, flinc_format_cell *cell)
{
    builder_add_null(builder_of(out), column_of(cell));
}

static void add_bool(flinc_out *out, flinc_format_cell *cell, bool v)
{
    builder_add_bool(builder_of(out), column_of(cell), v);
}

static void add_int64(flinc_out *out, flinc_format_cell *cell, int64_t v)
{
    builder_add_i64(builder_of(out), column_of(cell), v);
}

static void add_double(flinc_out *out, flinc_format_cell *cell, double v)
{
    builder_add_f64(builder_of(out), column_of(cell), v);
}

static void add_decimal(flinc_out *out, flinc_format_cell *cell, int64_t high, uint64_t low)
{
    builder_add_i128(builder_of(out), column_of(cell),
                     (__int128)((unsigned __int128)(uint64_t)high << 64 | low));
}

static void add_timestamp(flinc_out *out, flinc_format_cell *cell, int64_t ms, int32_t nanos)
{
    builder_add_ts_nano(builder_of(out), column_of(cell),
                        (struct ts_nano){.millis = ms, .nanos = nanos});
}

static int add_string(flinc_out *out, flinc_format_cell *cell, flinc_string s)
{
    return builder_add_bytes(builder_of(out), column_of(cell), s.data, s.len, NULL) < 0
               ? FLINC_FORMAT_TOO_LARGE
               : FLINC_FORMAT_OK;
}

static void close_cell(flinc_out *out, flinc_format_cell *cell)
{
    builder_add_nested(builder_of(out), column_of(cell));
}

static void close_column(flinc_out *out, uint32_t i)
{
    builder_put_nested(builder_of(out), i);
}

const flinc_format_host format_host = {
    .struct_size = sizeof(format_host),
    .begin_row = begin_row,
    .cancel_row = cancel_row,
    .set_kind = set_kind,
    .put_null = put_null,
    .put_string = put_string,
    .column = column,
    .child = child,
    .add_null = add_null,
    .add_bool = add_bool,
    .add_int64 = add_int64,
    .add_double = add_double,
    .add_decimal = add_decimal,
    .add_timestamp = add_timestamp,
    .add_string = add_string,
    .close_cell = close_cell,
    .close_column = close_column,
};
