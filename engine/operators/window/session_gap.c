/* Gaps by record: out of a column, or asked of a function (session_gap.h). */
#include "engine/operators/window/session_gap.h"

#include "engine/operators/row_reader.h"

typedef int64_t (*gap_fn)(flinc_ctx *ctx, const void *in);

static bool columns_are_sound(const Flinc__WindowAssigner *a, const struct op_context *ctx)
{
    bool sound = a->n_gap_columns == ctx->n_inputs;
    for (uint32_t i = 0; sound && i < ctx->n_inputs; i++) {
        const struct schema *s = ctx->input_schemas[i];
        sound = a->gap_columns[i] < s->n_fields &&
                s->fields[a->gap_columns[i]].type->id >= TYPE_TINYINT &&
                s->fields[a->gap_columns[i]].type->id <= TYPE_BIGINT;
    }
    return sound;
}

int session_gap_open(struct session_gap *g, const Flinc__WindowConfig *c,
                     const struct op_context *ctx, struct user_functions *functions,
                     struct error *err)
{
    const Flinc__WindowAssigner *a = c->assigner;
    bool sound = (a->gap_ms > 0) + a->gap_function + (a->n_gap_columns > 0) == 1 && a->gap_ms >= 0;
    sound = sound && (!a->gap_function || (ctx->n_inputs == 1 && c->input != NULL));
    if (!sound || (a->n_gap_columns > 0 && !columns_are_sound(a, ctx))) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': sessions have one positive gap (%lld ms), or a column of "
                         "whole numbers in each input, or a function that sees the records of one",
                         ctx->spec->name, (long long)a->gap_ms);
    }
    g->gap_ms = a->gap_ms;
    g->columns = a->n_gap_columns > 0 ? a->gap_columns : NULL;
    if (a->gap_function) {
        TRY_CTX(err,
                struct_layout_init(&g->record, c->input, ctx->input_schemas[0],
                                   "the records of a window", err),
                "opening operator '%s'", ctx->spec->name);
        g->tile = mem_alloc_aligned(16, (size_t)RECORD_TILE_ROWS * g->record.size);
        g->function = &functions->items[functions->n - 1];
    }
    return 0;
}

void session_gap_close(struct session_gap *g)
{
    mem_free(g->tile);
    g->tile = NULL;
    str_fini(&g->nested);
    if (g->record.schema != NULL) {
        record_layout_fini(&g->record);
    }
}

/* ---- reading ------------------------------------------------------------------------------------- */

static int refuse(int64_t gap_ms, struct error *err)
{
    return error_set(err, ERR_INVALID_ARGUMENT,
                     "the gap of a session is %lld ms for one of its records; gaps are above 0",
                     (long long)gap_ms);
}

/* NULL is no gap. */
static int64_t column_gap(const struct column *c, uint32_t row)
{
    return column_is_null(c, row) ? 0 : column_get_int(c, row);
}

static int read_column(const struct session_gap *g, uint32_t input, const struct batch *b,
                       int64_t *ret_gaps, struct error *err)
{
    uint32_t column = g->columns[input];
    for (uint32_t i = 0; i < b->n_sel; i++) {
        ret_gaps[i] = column_gap(&b->columns[column], batch_row(b, i));
        if (UNLIKELY(ret_gaps[i] <= 0)) {
            return refuse(ret_gaps[i], err);
        }
    }
    return 0;
}

static int ask_function(struct session_gap *g, const struct batch *b, int64_t *ret_gaps,
                        struct error *err)
{
    struct user_function *f = g->function;
    for (uint32_t from = 0, n; from < b->n_sel; from += n) {
        n = MIN(b->n_sel - from, (uint32_t)RECORD_TILE_ROWS);
        TRY(user_function_check_cancelled(f, err));
        TRY(record_read(&g->record, b, from, n, g->tile, &g->nested, err));
        for (uint32_t i = 0; i < n; i++) {
            const char *record = g->tile + (size_t)i * g->record.size;
            int64_t gap = ((gap_fn)(void (*)(void))f->call)(&f->ctx, record);
            TRY(user_function_check(f, err));
            if (UNLIKELY(gap <= 0)) {
                TRY_CTX(err, refuse(gap, err), "asking function '%s'", f->ref->name);
            }
            ret_gaps[from + i] = gap;
        }
    }
    return 0;
}

int session_gap_read(struct session_gap *g, uint32_t input, const struct batch *b,
                     int64_t *ret_gaps, struct error *err)
{
    if (g->columns != NULL) {
        return read_column(g, input, b, ret_gaps, err);
    }
    if (g->function != NULL) {
        return ask_function(g, b, ret_gaps, err);
    }
    for (uint32_t i = 0; i < b->n_sel; i++) {
        ret_gaps[i] = g->gap_ms;
    }
    return 0;
}
