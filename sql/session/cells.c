/* One program of casts per schema; see cells.h.  Nested values have no such cast and are printed as they are. */
#include "sql/session/cells.h"
#include "engine/data/builder.h"
#include "engine/expr/program.h"

struct sql_cells {
    struct schema *output;        /* Owns a ref: STRING columns */
    struct expr_program *program; /* Owns */
    bool *is_printed;             /* Owns; by column: what has no cast */
};

static bool is_nested(const struct data_type *type)
{
    return type->n_children > 0 || type->id == TYPE_RAW || type->id == TYPE_NULL;
}

/* The column as a string, or NULL in the place of what has no cast. */
static int make_output(struct expr_pool *pool, const struct schema *schema, uint32_t i,
                       struct sql_cells *c, const struct expr **ret, struct error *err)
{
    struct data_type *string = type_new_string(true);
    const struct data_type *type = schema->fields[i].type;
    int rc = 0;
    c->is_printed[i] = is_nested(type);
    if (c->is_printed[i]) {
        *ret = expr_null(pool, type_ref(string));
    } else {
        rc = expr_cast(pool, expr_input(pool, i, type_ref(type)), string, false, ret, err);
    }
    type_unref(string);
    return rc;
}

static int make_program(struct sql_cells *c, const struct schema *schema,
                        const struct time_zone *zone, struct error *err)
{
    struct expr_pool *pool = expr_pool_new();
    const struct expr **outputs = mem_zalloc_array(schema->n_fields, sizeof(*outputs));
    const struct expr_program_options o = {.input = schema,
                                           .outputs = outputs,
                                           .n_outputs = schema->n_fields,
                                           .output = c->output,
                                           .zone = zone};
    int rc = 0;
    for (uint32_t i = 0; i < schema->n_fields && rc == 0; i++) {
        rc = make_output(pool, schema, i, c, &outputs[i], err);
    }
    rc = rc < 0 ? rc : expr_program_new(&o, &c->program, err);
    mem_free(outputs);
    expr_pool_free(pool);
    return rc;
}

static struct schema *string_schema(const struct schema *schema)
{
    const char **names = mem_zalloc_array(schema->n_fields, sizeof(*names));
    struct data_type **types = mem_zalloc_array(schema->n_fields, sizeof(*types));
    for (uint32_t i = 0; i < schema->n_fields; i++) {
        names[i] = schema->fields[i].name;
        types[i] = type_new_string(true);
    }
    struct schema *s = schema_new(names, types, schema->n_fields);
    mem_free(names);
    mem_free(types);
    return s;
}

int sql_cells_new(const struct schema *schema, const struct time_zone *zone, struct sql_cells **ret,
                  struct error *err)
{
    struct sql_cells *c = MEM_NEW(struct sql_cells);
    c->output = string_schema(schema);
    c->is_printed = mem_zalloc_array(schema->n_fields, sizeof(*c->is_printed));
    int rc = make_program(c, schema, zone, err);
    if (rc < 0) {
        sql_cells_free(c);
        return rc;
    }
    *ret = c;
    return 0;
}

struct sql_cells *sql_cells_free(struct sql_cells *c)
{
    if (c != NULL) {
        expr_program_free(c->program);
        schema_unref(c->output);
        mem_free(c->is_printed);
        mem_free(c);
    }
    return NULL;
}

static int put_cell(struct builder *b, uint32_t column, const struct column *cast,
                    const struct column *value, bool is_printed, uint32_t row, struct error *err)
{
    if (column_is_null(value, row)) {
        builder_put_null(b, column);
        return 0;
    }
    if (!is_printed) {
        return builder_put_cell(b, column, cast, row, err);
    }
    STR_AUTO text = STR_INIT;
    column_print_cell(value, row, &text);
    return builder_put_bytes(b, column, str_cstr(&text), text.len, err);
}

/* Puts the text of what has no cast beside the other columns. */
static int with_printed(struct sql_cells *c, struct buffer_pool *pool, const struct batch *from,
                        const struct batch *cast, struct batch **ret, struct error *err)
{
    struct builder b;
    int rc = 0;
    builder_init(&b, pool, c->output, BATCH_ROWS_MAX);
    b.target_bytes = UINT64_MAX;
    for (uint32_t i = 0; i < cast->n_sel && rc == 0; i++) {
        uint32_t row = batch_row(cast, i);
        builder_begin(&b);
        for (uint32_t k = 0; k < c->output->n_fields && rc == 0; k++) {
            rc = put_cell(&b, k, &cast->columns[k], &from->columns[k], c->is_printed[k], row, err);
        }
        if (rc < 0) {
            builder_cancel_row(&b);
            break;
        }
        if (cast->row_kinds != NULL) {
            builder_set_kind(&b, (enum row_kind)cast->row_kinds->data[row]);
        }
        builder_end_row(&b);
    }
    struct batch *made = builder_finish(&b);
    builder_fini(&b);
    if (rc < 0) {
        (void)batch_unref(made);
        return rc;
    }
    *ret = made;
    return 0;
}

int sql_cells_print(struct sql_cells *c, struct buffer_pool *pool, struct batch *b,
                    struct batch **ret, struct error *err)
{
    const struct expr_clock clock = {.now_ms = 0};
    struct batch *cast = NULL;
    bool has_printed = false;
    TRY(expr_program_run(c->program, pool, b, &clock, &cast, err));
    for (uint32_t i = 0; i < c->output->n_fields; i++) {
        has_printed = has_printed || c->is_printed[i];
    }
    if (!has_printed || cast == NULL) {
        *ret = cast;
        return 0;
    }
    int rc = with_printed(c, pool, b, cast, ret, err);
    (void)batch_unref(cast);
    return rc;
}
