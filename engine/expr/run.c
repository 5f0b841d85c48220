/* Programs run: blocks of instructions over the rows of one batch. */
#include "engine/expr/program_inside.h"

#include <inttypes.h>

/* An empty column of the type; the columns of its children stay where they were made. */
static void reset_vector(struct expr_vector *v, const struct data_type *type)
{
    struct column *c = &v->column, *children = c->children;
    const uint32_t n_children = c->n_children;
    memset(c, 0, sizeof(*c));
    c->type = type;
    c->data = c->data_inline;
    c->cap_data = BATCH_DATA_INLINE;
    c->children = children;
    c->n_children = n_children;
}

void expr_prepare(struct expr_program *p, struct expr_vector *out, const struct data_type *type,
                  uint32_t n_rows)
{
    reset_vector(out, type);
    struct column *c = &out->column;
    switch (type->layout) {
    case LAYOUT_NULL:
        column_fill_nulls(p->context.pool, c, n_rows);
        return;
    case LAYOUT_LIST:
    case LAYOUT_MAP:
    case LAYOUT_STRUCT:
        return; /* by a builder */
    default:
        break;
    }
    const uint64_t bytes = column_values_bytes(type, n_rows);
    c->values = buffer_get(p->context.pool, bytes + 8);
    c->values->size = bytes;
    /* Cells that no kernel writes have to be legal ones. */
    if (type->layout == LAYOUT_BIT || type->layout == LAYOUT_VIEW ||
        type->layout == LAYOUT_TS_NANO) {
        memset(c->values->data, 0, bytes);
    }
}

void expr_release(struct expr_vector *v)
{
    if (v->column.type != NULL) {
        column_clear(&v->column);
        v->column.type = NULL;
    }
}

/* ---- validity of strict results --------------------------------------------------------------------- */

/* NULL wherever an argument is.  False when every row is (a constant that is NULL). */
static bool merge_validity(struct expr_program *p, const struct expr_instruction *in,
                           struct expr_vector *out, uint32_t n_rows)
{
    const uint64_t bytes = (n_rows + 7) / 8;
    struct column *c = &out->column;
    for (uint32_t i = 0; i < in->n_args; i++) {
        const struct expr_vector *v = in->vectors[i];
        if (v->column.validity == NULL) {
            continue;
        }
        if (v->is_constant && !out->is_constant) {
            if (column_is_null(&v->column, 0)) {
                column_fill_nulls(p->context.pool, c, n_rows);
                return false;
            }
        } else if (c->validity == NULL) {
            column_set_validity(c, buffer_ref(v->column.validity));
        } else {
            struct buffer *both = buffer_get(p->context.pool, bytes);
            const uint8_t *a = c->validity->data, *b = v->column.validity->data;
            for (uint64_t k = 0; k < bytes; k++) {
                both->data[k] = a[k] & b[k];
            }
            both->size = bytes;
            column_set_validity(c, both);
        }
    }
    return true;
}

/* A kernel may clear bits of its own: those that it shares with an argument are copied first. */
static void own_validity(struct expr_program *p, struct expr_vector *out, uint32_t n_rows)
{
    struct buffer *shared = out->column.validity;
    if (shared != NULL && !buffer_is_unique(shared)) {
        const uint64_t bytes = (n_rows + 7) / 8;
        struct buffer *own = buffer_get(p->context.pool, bytes);
        memcpy(own->data, shared->data, bytes);
        own->size = bytes;
        column_set_validity(&out->column, own);
    }
}

/* The rows for which the kernel is run: those without NULLs, unless it is DENSE. */
static uint32_t rows_of_kernel(struct expr_program *p, const struct expr_vector *out,
                               const uint16_t **rows, uint32_t n)
{
    if (out->column.validity == NULL) {
        return n;
    }
    uint16_t *kept = arena_alloc(&p->scratch, (n + 1) * sizeof(*kept));
    n = expr_select_bits(out->column.validity->data, NULL, *rows, n, kept);
    *rows = kept;
    return n;
}

/* ---- instructions ----------------------------------------------------------------------------------- */

static int run_call(struct expr_program *p, const struct expr_instruction *in, const uint16_t *rows,
                    uint32_t n, uint32_t n_rows, struct error *err)
{
    struct expr_vector *out = &p->registers[in->out];
    struct expr_frame f = {
        .args = in->vectors,
        .n_args = in->n_args,
        .out = out,
        .rows = rows,
        .n = n,
        .n_rows = n_rows,
        .state = in->state,
        .context = &p->context,
        .heap = &p->heap,
    };
    expr_prepare(p, out, p->types[in->out], n_rows);
    memset(&p->heap, 0, offsetof(struct expr_heap, builder));
    p->heap.has_builder = false;
    if ((in->flags & EXPR_FN_OWN_NULLS) == 0) {
        if (!merge_validity(p, in, out, n_rows)) {
            return 0;
        }
        if ((in->flags & EXPR_FN_NULLABLE) != 0) {
            own_validity(p, out, n_rows);
        }
        if ((in->flags & EXPR_FN_DENSE) == 0) {
            f.n = rows_of_kernel(p, out, &f.rows, n);
        }
    }
    if ((in->flags & EXPR_FN_DENSE) != 0 && f.rows != NULL && n > n_rows / 4) {
        f.rows = NULL; /* cheaper than looking which ones */
        f.n = n_rows;
    }
    int rc = f.n > 0 ? in->kernel(&f, err) : 0;
    if (rc == 0 && expr_is_nested(out->column.type)) {
        expr_finish_nested(&f);
    }
    return rc;
}

/* The children of a struct are columns of their own; where the row is NULL so is the field. */
static void run_field(struct expr_program *p, const struct expr_instruction *in, uint32_t n_rows)
{
    const struct expr_vector *row = in->vectors[0];
    struct expr_vector *out = &p->registers[in->out];
    const struct column *child = &row->column.children[in->index];
    reset_vector(out, p->types[in->out]);
    column_share(p->context.pool, &out->column, child);
    if (row->column.validity != NULL) {
        const uint8_t *outer = row->column.validity->data;
        if (out->column.validity == NULL) {
            column_set_validity(&out->column, buffer_ref(row->column.validity));
        } else {
            own_validity(p, out, n_rows);
            for (uint64_t k = 0; k < (n_rows + 7) / 8; k++) {
                out->column.validity->data[k] &= outer[k];
            }
        }
    }
}

int expr_run_block(struct expr_program *p, const struct expr_block *block, const uint16_t *rows,
                   uint32_t n, uint32_t n_rows, struct error *err)
{
    for (uint32_t i = 0; i < block->n; i++) {
        const struct expr_instruction *in = &block->instructions[i];
        for (uint32_t k = 0; k < in->n_args; k++) {
            in->vectors[k] = &p->registers[in->args[k]];
        }
        switch (in->op) {
        case EXPR_OP_CALL:
            TRY(run_call(p, in, rows, n, n_rows, err));
            break;
        case EXPR_OP_FIELD:
            run_field(p, in, n_rows);
            break;
        default:
            TRY(expr_run_control(p, in, rows, n, n_rows, err));
            break;
        }
        for (uint32_t k = 0; k < in->n_frees; k++) {
            expr_release(&p->registers[in->frees[k]]);
        }
    }
    return 0;
}

/* ---- a batch ---------------------------------------------------------------------------------------- */

/* Inputs are borrowed by a flat copy of their columns, without references. */
static void bind_inputs(struct expr_program *p, const struct batch *in)
{
    for (uint32_t r = 0; r < p->n_registers; r++) {
        if (p->is_input[r]) {
            const struct column *from = &in->columns[p->input_column[r]];
            struct column *to = &p->registers[r].column;
            *to = *from;
            if (from->data == from->data_inline) {
                to->data = to->data_inline;
            }
        }
    }
}

static void release_registers(struct expr_program *p)
{
    for (uint32_t r = 0; r < p->n_registers; r++) {
        if (p->is_input[r]) {
            p->registers[r].column.type = NULL;
        } else if (!p->is_constant[r]) {
            expr_release(&p->registers[r]);
        }
    }
    if (p->heap.has_builder) {
        builder_fini(&p->heap.builder);
        p->heap.has_builder = false;
    }
}

static struct batch *make_output(struct expr_program *p, struct buffer_pool *pool, struct batch *in)
{
    struct batch *out = batch_new(pool, p->output);
    out->n_rows = in->n_rows;
    out->n_sel = in->n_rows;
    for (uint32_t i = 0; i < p->n_outputs; i++) {
        const struct expr_vector *v = &p->registers[p->outputs[i]];
        if (v->is_constant) {
            expr_spread(pool, &v->column, in->n_rows, &out->columns[i]);
        } else {
            column_share(pool, &out->columns[i], &v->column);
        }
    }
    out->row_kinds = in->row_kinds != NULL ? buffer_ref(in->row_kinds) : NULL;
    out->timestamps = in->timestamps != NULL ? buffer_ref(in->timestamps) : NULL;
    return out;
}

static int compute_constants(struct expr_program *p, struct error *err)
{
    if (p->has_constants || p->constants.n == 0) {
        return 0;
    }
    struct buffer_pool *pool = p->context.pool;
    p->context.pool = p->constant_pool;
    int rc = expr_run_block(p, &p->constants, NULL, 1, 1, err);
    p->context.pool = pool;
    p->has_constants = rc == 0;
    return rc;
}

/* The selection of the batch, narrowed by the conditions one after the other. */
static int select_rows(struct expr_program *p, struct batch *in, const uint16_t **ret_rows,
                       uint32_t *ret_n, struct error *err)
{
    const uint16_t *rows = batch_sel(in);
    uint32_t n = in->n_sel;
    for (uint32_t i = 0; i < p->n_conditions && n > 0; i++) {
        const struct expr_condition *c = &p->conditions[i];
        TRY(expr_run_block(p, &c->block, rows, n, in->n_rows, err));
        const struct expr_vector *v = &p->registers[c->reg];
        if (v->is_constant) {
            n = !column_is_null(&v->column, 0) && column_get_bool(&v->column, 0) ? n : 0;
            continue;
        }
        uint16_t *kept = arena_alloc(&p->scratch, (n + 1) * sizeof(*kept));
        const uint32_t left = expr_select_bits(
            v->column.values->data, v->column.validity != NULL ? v->column.validity->data : NULL,
            rows, n, kept);
        if (left < n) {
            rows = kept;
            n = left;
        }
    }
    *ret_rows = rows;
    *ret_n = n;
    return 0;
}

static int run(struct expr_program *p, struct buffer_pool *pool, struct batch *in,
               struct batch **ret, struct error *err)
{
    const uint16_t *rows;
    uint32_t n;
    TRY(compute_constants(p, err));
    TRY(select_rows(p, in, &rows, &n, err));
    if (n == 0) {
        *ret = NULL;
        return 0;
    }
    TRY(expr_run_block(p, &p->block, rows, n, in->n_rows, err));
    struct batch *out = make_output(p, pool, in);
    if (rows != NULL && rows == batch_sel(in)) {
        batch_set_selection(out, buffer_ref(in->sel), n);
    } else if (rows != NULL) {
        struct buffer *sel = buffer_get(pool, n * sizeof(*rows));
        memcpy(sel->data, rows, n * sizeof(*rows));
        sel->size = n * sizeof(*rows);
        batch_set_selection(out, sel, n);
    }
    *ret = out;
    return 0;
}

int expr_program_run(struct expr_program *program, struct buffer_pool *pool, struct batch *in,
                     const struct expr_clock *clock, struct batch **ret, struct error *err)
{
    program->context.pool = pool;
    program->context.now_ms = clock->now_ms;
    program->context.watermark = clock->watermark;
    program->context.timestamps =
        in->timestamps != NULL ? (const int64_t *)(const void *)in->timestamps->data : NULL;
    bind_inputs(program, in);
    int rc = run(program, pool, in, ret, err);
    release_registers(program);
    arena_reset(&program->scratch);
    return rc;
}
