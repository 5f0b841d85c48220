/* flinc.query.unnest: a row per element of an ARRAY, MAP or MULTISET: the input's columns, then the element's (fields of a ROW apart; key and
 * value of a MAP; an element of a MULTISET as often as it is there), then the ordinality.
 *
 * Expressions count columns of the output, the first of which are the input's.  Flink: Correlate of UNNEST_ROWS.
 * Thread: the task's. */
#include "engine/query/correlate.h"
#include "engine/query/inside.h"
#include "engine/query/query.h"
#include "engine/query/rows.h"

struct unnest_operator {
    struct operator base;
    Flinc__UnnestConfig *config;      /* Owns */
    struct schema *collection_schema; /* Owns a ref: of one column */
    struct query_program collection;
    struct query_correlate correlate;
    uint32_t n_values; /* columns of an element */

    struct batch *input; /* Owns: at hand; NULL: none */
    struct batch *lists; /* Owns: its collections; NULL: none */
    uint32_t row;        /* by selection */
    uint32_t element;    /* of the row */
    uint32_t repeat;     /* of the element: MULTISET */
    int32_t ordinal;     /* of the last one that went out, in its row */
    uint16_t *rows;      /* Owns: of a chunk: physical row, */
    uint32_t *elements;  /* row of the children, */
    int32_t *numbers;    /* ordinality */
};

/* ---- opening ---------------------------------------------------------------------------------------- */

static int open_collection(struct unnest_operator *u, const struct op_context *ctx,
                           struct error *err)
{
    const Flinc__ExprList *list = u->config->exprs;
    const char *name = "collection";
    struct data_type *type = NULL;
    if (list == NULL || u->config->collection >= list->n_nodes ||
        list->nodes[u->config->collection]->type >= list->n_types) {
        return query_config_damaged(ctx, "it has no collection", err);
    }
    TRY(type_parse(slice_cstr(list->types[list->nodes[u->config->collection]->type]), &type, err));
    const enum type_id id = type->id;
    const struct data_type *element = id == TYPE_MAP ? NULL : type_child_column(type, 0);
    u->n_values = id == TYPE_MAP                               ? 2
                  : element != NULL && element->id == TYPE_ROW ? element->n_children
                                                               : 1;
    u->collection_schema = schema_new(&name, &type, 1);
    if (id != TYPE_ARRAY && id != TYPE_MAP && id != TYPE_MULTISET) {
        return query_config_damaged(ctx, "what is unnested is no collection", err);
    }
    const struct query_program_spec spec = {
        .context = u->config->context,
        .exprs = list,
        .outputs = &u->config->collection,
        .n_outputs = 1,
        .input = ctx->output_schemas[0],
        .output = u->collection_schema,
    };
    return query_program_open(&u->collection, ctx, &spec, err);
}

static const struct data_type *value_type(const struct unnest_operator *u, uint32_t i)
{
    const struct data_type *type = u->collection_schema->fields[0].type;
    const struct data_type *element = type_child_column(type, 0);
    if (type->id == TYPE_MAP) {
        return type_child_column(type, i);
    }
    return element->id == TYPE_ROW ? element->children[i] : element;
}

static int check_output(const struct unnest_operator *u, const struct op_context *ctx,
                        struct error *err)
{
    const struct schema *in = ctx->input_schemas[0], *out = ctx->output_schemas[0];
    bool fits = out->n_fields == in->n_fields + u->n_values + u->config->with_ordinality;
    for (uint32_t i = 0; fits && i < out->n_fields; i++) {
        const struct data_type *type = out->fields[i].type;
        if (i >= in->n_fields + u->n_values) {
            fits = type->layout == LAYOUT_I32;
        } else {
            const struct data_type *want =
                i < in->n_fields ? in->fields[i].type : value_type(u, i - in->n_fields);
            fits = type->id == want->id && type->layout == want->layout;
        }
    }
    return fits ? 0 : query_config_damaged(ctx, "its output has other columns", err);
}

static int unnest_open(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct unnest_operator *u = (struct unnest_operator *)op;
    u->config = query_config_read(ctx, &flinc__unnest_config__descriptor, err);
    if (u->config == NULL) {
        return ERR_CORRUPT;
    }
    if (ctx->output_schemas[0]->n_fields < ctx->input_schemas[0]->n_fields) {
        return query_config_damaged(ctx, "its output has other columns", err);
    }
    TRY(open_collection(u, ctx, err));
    TRY(check_output(u, ctx, err));
    u->rows = mem_alloc(BATCH_ROWS_TARGET * sizeof(*u->rows));
    u->elements = mem_alloc(BATCH_ROWS_TARGET * sizeof(*u->elements));
    u->numbers = mem_alloc(BATCH_ROWS_TARGET * sizeof(*u->numbers));
    const struct query_program_spec spec = {
        .context = u->config->context,
        .exprs = u->config->exprs,
        .conditions = u->config->conditions,
        .n_conditions = u->config->n_conditions,
        .input = ctx->output_schemas[0],
    };
    return query_correlate_open(&u->correlate, ctx, &spec, err);
}

static void unnest_close(struct operator* op, struct op_context *ctx)
{
    struct unnest_operator *u = (struct unnest_operator *)op;
    u->input = batch_unref(u->input);
    u->lists = batch_unref(u->lists);
    query_program_close(&u->collection);
    query_correlate_close(&u->correlate);
    schema_unref(u->collection_schema);
    mem_free(u->rows);
    mem_free(u->elements);
    mem_free(u->numbers);
    query_config_free(u->config);
}

/* ---- chunks ----------------------------------------------------------------------------------------- */

/* Elements from where the last chunk ended. */
static uint32_t find_elements(struct unnest_operator *u)
{
    const struct column *c = &u->lists->columns[0];
    const int32_t *offsets = COLUMN_VALUES(c, const int32_t);
    const bool is_multiset = c->type->id == TYPE_MULTISET;
    uint32_t n = 0;
    for (; u->row < u->input->n_sel; u->row++, u->element = u->repeat = 0, u->ordinal = 0) {
        const uint32_t row = batch_row(u->input, u->row);
        const uint32_t from = (uint32_t)offsets[row], size = (uint32_t)offsets[row + 1] - from;
        if (column_is_null(c, row)) {
            continue;
        }
        while (u->element < size) {
            const int64_t times =
                is_multiset ? column_get_int(&c->children[1], from + u->element) : 1;
            if (u->repeat >= times) {
                u->element++;
                u->repeat = 0;
                continue;
            }
            if (n == BATCH_ROWS_TARGET) {
                return n;
            }
            u->rows[n] = (uint16_t)row;
            u->elements[n] = from + u->element;
            u->numbers[n] = ++u->ordinal;
            u->repeat++;
            n++;
        }
    }
    return n;
}

static int gather_element(struct unnest_operator *u, struct op_context *ctx, uint32_t n,
                          struct column *to, struct error *err)
{
    const struct column *c = &u->lists->columns[0];
    const struct column *element = &c->children[0];
    if (c->type->id == TYPE_MAP) {
        TRY(query_column_gather32(element, u->elements, n, ctx->pool, &to[0], err));
        return query_column_gather32(&c->children[1], u->elements, n, ctx->pool, &to[1], err);
    }
    if (element->type->id != TYPE_ROW) {
        return query_column_gather32(element, u->elements, n, ctx->pool, to, err);
    }
    for (uint32_t i = 0; i < n; i++) { /* fields of a row that is NULL are NULL */
        u->elements[i] = column_is_null(element, u->elements[i]) ? QUERY_NO_ROW : u->elements[i];
    }
    for (uint32_t k = 0; k < element->n_children; k++) {
        TRY(query_column_gather32(&element->children[k], u->elements, n, ctx->pool, &to[k], err));
    }
    return 0;
}

static int fill(struct unnest_operator *u, struct op_context *ctx, uint32_t n, struct batch *out,
                struct error *err)
{
    const uint32_t n_input = u->input->n_columns;
    TRY(query_correlate_gather(ctx, u->input, u->rows, n, out, err));
    TRY(gather_element(u, ctx, n, &out->columns[n_input], err));
    if (u->config->with_ordinality) {
        struct buffer *values = buffer_get(ctx->pool, n * sizeof(int32_t));
        memcpy(values->data, u->numbers, n * sizeof(int32_t));
        values->size = n * sizeof(int32_t);
        column_set_values(&out->columns[n_input + u->n_values], values);
    }
    return 0;
}

/* LEFT: the rows of which nothing went out, with NULLs; then the batch is done. */
static void end_batch(struct unnest_operator *u, struct op_context *ctx)
{
    struct batch *b = STEAL(u->input);
    u->lists = batch_unref(u->lists);
    if (u->config->left) {
        /* dropped when it is empty */
        op_emit(ctx, 0, query_correlate_unmet(&u->correlate, ctx, b));
    }
    batch_unref(b);
}

static int unnest_resume(struct operator* op, struct op_context *ctx, struct error *err)
{
    struct unnest_operator *u = (struct unnest_operator *)op;
    if (u->input == NULL) {
        return OP_DONE;
    }
    const uint32_t n = u->lists != NULL ? find_elements(u) : 0;
    if (n > 0) {
        struct batch *out = batch_new(ctx->pool, ctx->output_schemas[0]);
        const int rc = fill(u, ctx, n, out, err);
        if (rc < 0) {
            batch_unref(out);
            return rc;
        }
        TRY(query_correlate_filter(&u->correlate, ctx, u->rows, &out, err));
        if (out != NULL) {
            op_emit(ctx, 0, out);
        }
    }
    if (u->lists != NULL && u->row < u->input->n_sel) {
        return OP_MORE;
    }
    end_batch(u, ctx);
    return OP_DONE;
}

static int unnest_process(struct operator* op, struct op_context *ctx, uint32_t input,
                          struct batch *take_batch, struct error *err)
{
    struct unnest_operator *u = (struct unnest_operator *)op;
    struct batch *wide = query_correlate_widen(ctx, take_batch);
    u->input = take_batch;
    u->row = u->element = u->repeat = 0;
    u->ordinal = 0;
    query_correlate_begin(&u->correlate);
    const int rc = query_program_run(&u->collection, ctx, wide, &u->lists, err);
    batch_unref(wide);
    return rc < 0 ? rc : unnest_resume(op, ctx, err);
}

const struct operator_desc query_unnest = {
    .struct_size = sizeof(struct operator_desc),
    .version = 1,
    .kind = "flinc.query.unnest",
    .summary = "A row per element of a collection (UNNEST)",
    .instance_size = sizeof(struct unnest_operator),
    .n_inputs = 1,
    .open = unnest_open,
    .process = unnest_process,
    .resume = unnest_resume,
    .close = unnest_close,
};
