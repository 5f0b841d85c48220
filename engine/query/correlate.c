/* Rows of the input with what is made of each; see correlate.h. */
#include "engine/query/correlate.h"

#include "engine/query/rows.h"

/* ---- life ------------------------------------------------------------------------------------------- */

int query_correlate_open(struct query_correlate *c, const struct op_context *ctx,
                         const struct query_program_spec *conditions, struct error *err)
{
    c->met = mem_alloc(BATCH_ROWS_MAX);
    return conditions->n_conditions > 0 ? query_program_open(&c->conditions, ctx, conditions, err)
                                        : 0;
}

void query_correlate_close(struct query_correlate *c)
{
    query_program_close(&c->conditions);
    mem_free(c->met);
}

void query_correlate_begin(struct query_correlate *c)
{
    memset(c->met, 0, BATCH_ROWS_MAX);
}

/* ---- rows ------------------------------------------------------------------------------------------- */

struct batch *query_correlate_widen(struct op_context *ctx, struct batch *in)
{
    const uint32_t n = ctx->output_schemas[0]->n_fields;
    int32_t *map = mem_alloc((n + 1) * sizeof(*map));
    for (uint32_t i = 0; i < n; i++) {
        map[i] = i < in->n_columns ? (int32_t)i : -1;
    }
    struct batch *wide = batch_project(ctx->pool, in, ctx->output_schemas[0], map);
    mem_free(map);
    return wide;
}

int query_correlate_gather(struct op_context *ctx, const struct batch *in, const uint16_t *of,
                           uint32_t n, struct batch *out, struct error *err)
{
    out->n_rows = out->n_sel = n;
    for (uint32_t i = 0; i < in->n_columns; i++) {
        TRY(query_column_gather(&in->columns[i], of, n, ctx->pool, &out->columns[i], err));
    }
    if (in->row_kinds != NULL) {
        out->row_kinds = buffer_get(ctx->pool, n);
        out->row_kinds->size = n;
        for (uint32_t i = 0; i < n; i++) {
            out->row_kinds->data[i] = in->row_kinds->data[of[i]];
        }
    }
    return 0;
}

int query_correlate_filter(struct query_correlate *c, struct op_context *ctx, const uint16_t *of,
                           struct batch **inout_batch, struct error *err)
{
    struct batch *b = *inout_batch, *passed = NULL;
    if (c->conditions.program != NULL) {
        const int rc = query_program_run(&c->conditions, ctx, b, &passed, err);
        if (rc < 0 || passed == NULL) {
            *inout_batch = batch_unref(b);
            return rc;
        }
        if (passed->sel != NULL) {
            batch_set_selection(b, buffer_ref(passed->sel), passed->n_sel);
        }
        batch_unref(passed);
    }
    for (uint32_t i = 0; i < b->n_sel; i++) {
        c->met[of[batch_row(b, i)]] = 1;
    }
    return 0;
}

struct batch *query_correlate_unmet(const struct query_correlate *c, struct op_context *ctx,
                                    struct batch *in)
{
    struct batch *out = query_correlate_widen(ctx, in);
    struct buffer *sel = buffer_get(ctx->pool, ((uint64_t)in->n_sel + 1) * sizeof(uint16_t));
    uint16_t *rows = (uint16_t *)(void *)sel->data;
    uint32_t n = 0;
    for (uint32_t i = 0; i < in->n_sel; i++) {
        rows[n] = (uint16_t)batch_row(in, i);
        n += !c->met[rows[n]];
    }
    sel->size = n * sizeof(uint16_t);
    for (uint32_t i = in->n_columns; i < out->n_columns; i++) {
        column_fill_nulls(ctx->pool, &out->columns[i], out->n_rows);
    }
    batch_set_selection(out, sel, n);
    return out;
}
