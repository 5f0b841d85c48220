/* The contents of windows: records in a row list, and the functions that see them. */
#include "engine/operators/window/general_custom.h"
#include "engine/operators/window/general_sessions.h"

#include "engine/data/hash.h"

enum { RECORDS_MIN = 256 };

typedef int (*reduce_fn)(flinc_ctx *ctx, const void *a, const void *b, void *out);
typedef int (*add_fn)(flinc_ctx *ctx, const void *in, void *accumulator);
typedef int (*result_fn)(flinc_ctx *ctx, const void *accumulator, void *out);
typedef int (*co_group_fn)(flinc_ctx *ctx, const flinc_pane *first, const flinc_pane *second,
                           flinc_out *out);
typedef int (*join_fn)(flinc_ctx *ctx, const void *first, const void *second, flinc_out *out);
typedef int (*window_fn)(flinc_ctx *ctx, const flinc_pane *pane, flinc_out *out);

/* ---- life -------------------------------------------------------------------------------------- */

/* The user's struct; windowAll: with the constant key behind it. */
static int make_record(struct general_window *w, const struct op_context *ctx, uint32_t input,
                       struct error *err)
{
    struct general_side *side = &w->sides[input];
    const Flinc__StructDesc *desc =
        input == 0 ? w->base.config->input : w->base.config->input_second;
    struct record_layout l;
    TRY_CTX(err,
            struct_layout_init(&l, desc, ctx->input_schemas[input], "the records of a window", err),
            "opening operator '%s'", ctx->spec->name);
    uint32_t n = l.n_fields, offset = (desc->size + 7) & ~7u;
    struct record_field *fields = MEM_NEW_ARRAY(struct record_field, n + 1);
    memcpy(fields, l.fields, n * sizeof(*fields));
    fields[n] = (struct record_field){.column = ctx->input_schemas[input]->n_fields,
                                      .offset = offset,
                                      .null_offset = RECORD_NEVER_NULL,
                                      .width = 8,
                                      .layout = LAYOUT_I64};
    record_layout_init_fields(&side->record, side->schema, offset + (w->base.is_all ? 8 : 0),
                              fields, n + (w->base.is_all ? 1 : 0));
    mem_free(fields);
    record_layout_fini(&l);
    return 0;
}

/* The functions in the order of the configuration: what is made of records, what sees that, what the trigger
 * and the evictor ask. */
static int open_functions(struct general_window *w, struct op_context *ctx, struct error *err)
{
    static const struct {
        uint32_t n;
        flinc_fn_kind kinds[2];
    } by_kind[] = {
        [FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE] = {1, {FLINC_FN_REDUCE}},
        [FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE] = {2,
                                                           {FLINC_FN_AGGREGATE_ADD,
                                                            FLINC_FN_AGGREGATE_RESULT}},
        [FLINC__WINDOW_FUNCTION_KIND__WINDOW_CO_GROUP] = {1, {FLINC_FN_CO_GROUP}},
        [FLINC__WINDOW_FUNCTION_KIND__WINDOW_JOIN] = {1, {FLINC_FN_JOIN}},
        [FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD] = {0, {(flinc_fn_kind)0}},
    };
    const Flinc__WindowConfig *c = w->base.config;
    struct user_function *items = w->rows.functions.items;
    uint32_t kinds[USER_FUNCTIONS_MAX], n = 0;
    for (uint32_t i = 0; i < by_kind[c->function].n; i++) {
        kinds[n++] = by_kind[c->function].kinds[i];
    }
    if (c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE && c->merges) {
        w->merge = &items[n];
        kinds[n++] = FLINC_FN_AGGREGATE_MERGE;
    }
    if (c->process && w->n_sides == 1) {
        w->process = &items[n];
        kinds[n++] = FLINC_FN_WINDOW;
    }
    if (c->trigger->kind == FLINC__WINDOW_TRIGGER_KIND__TRIGGER_DELTA) {
        w->trigger_delta = &items[n];
        kinds[n++] = FLINC_FN_DELTA;
    }
    if (c->evictor != NULL && c->evictor->kind == FLINC__WINDOW_EVICTOR_KIND__EVICTOR_DELTA) {
        w->evictor_delta = &items[n];
        kinds[n++] = FLINC_FN_DELTA;
    }
    if (c->evictor != NULL && c->evictor->has_before) {
        w->evict[EVICT_BEFORE] = &items[n];
        kinds[n++] = FLINC_FN_EVICT;
    }
    if (c->evictor != NULL && c->evictor->has_after) {
        w->evict[EVICT_AFTER] = &items[n];
        kinds[n++] = FLINC_FN_EVICT;
    }
    custom_add_functions(w, kinds, &n);
    if (c->assigner->gap_function) {
        kinds[n++] = FLINC_FN_SESSION_GAP;
    }
    return user_functions_resolve(&w->rows.functions, ctx, kinds, n, err);
}

static bool folds_records(const Flinc__WindowConfig *c)
{
    return c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE ||
           c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE ||
           c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD;
}

/* The column of sum, min, max, minBy and maxBy. */
static int open_fold(struct general_window *w, struct op_context *ctx, struct error *err)
{
    const Flinc__WindowConfig *c = w->base.config;
    const struct record_layout *record = &w->sides[0].record;
    const struct record_field *f =
        c->column < ctx->input_schemas[0]->n_fields ? record_layout_find(record, c->column) : NULL;
    bool sound = f != NULL && !record_field_is_nested(f) &&
                 (unsigned)c->aggregate < FLINC__AGGREGATE_KIND__AGGREGATE_REDUCE;
    if (sound && c->aggregate == FLINC__AGGREGATE_KIND__AGGREGATE_SUM) {
        enum type_id id = ctx->input_schemas[0]->fields[c->column].type->id;
        sound = id >= TYPE_TINYINT && id <= TYPE_DOUBLE;
    }
    if (!sound) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': column %u cannot be aggregated; sums are those of numbers",
                         ctx->spec->name, c->column);
    }
    w->fold = (struct record_fold){.kind = c->aggregate, .field = *f, .first = c->first};
    return 0;
}

/* Room for two values under way. */
static void make_scratch(struct general_window *w, size_t bytes)
{
    for (int i = 0; i < 2; i++) {
        w->scratch[i] = mem_alloc_aligned(16, bytes);
    }
    w->accumulator_bytes = (uint32_t)bytes;
}

/* Built-in aggregates, whose results are structs of the output. */
static int open_columns(struct general_window *w, struct op_context *ctx, struct error *err)
{
    const Flinc__WindowConfig *c = w->base.config;
    TRY_CTX(err,
            window_columns_init(&w->columns, c, ctx->input_schemas[0], ctx->output_schemas[0], err),
            "opening operator '%s'", ctx->spec->name);
    TRY(struct_layout_init(&w->value, c->output, ctx->output_schemas[0], "the result of a window",
                           err));
    make_scratch(w, MAX((size_t)c->output->size, (size_t)window_columns_bytes(&w->columns)));
    return 0;
}

/* What reduce and aggregate give, as the struct that the process function or the output has. */
static int open_value(struct general_window *w, struct op_context *ctx, struct error *err)
{
    const Flinc__WindowConfig *c = w->base.config;
    if (c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS) {
        return open_columns(w, ctx, err);
    }
    if (!folds_records(c)) {
        return 0;
    }
    if (!c->process) {
        TRY(struct_layout_init(&w->value, c->value, ctx->output_schemas[0],
                               "the result of a window", err));
    }
    if (c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD) {
        TRY(open_fold(w, ctx, err));
    }
    size_t bytes = MAX(c->value->size, c->input->size);
    bytes = MAX(bytes, c->accumulator != NULL ? c->accumulator->size : 0);
    bytes = MAX(bytes, w->sides[0].record.size);
    make_scratch(w, bytes);
    return 0;
}

/* Two inputs need such a function, one must not have it. */
static bool is_of_two(const Flinc__WindowConfig *c)
{
    return c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_CO_GROUP ||
           c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_JOIN;
}

static int check_structs(const struct general_window *w, const struct op_context *ctx,
                         struct error *err)
{
    const Flinc__WindowConfig *c = w->base.config;
    bool known = folds_records(c) || is_of_two(c) ||
                 c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS ||
                 (c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_BUFFER && c->process);
    if (!known || is_of_two(c) != (w->n_sides == 2) || c->input == NULL || c->output == NULL ||
        (folds_records(c) && c->value == NULL) ||
        (w->n_sides == 2 && (c->input_second == NULL || c->evictor != NULL)) ||
        (c->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE && c->accumulator == NULL)) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "operator '%s': its window function or one of the structs that it sees is "
                         "missing, or two inputs have an evictor",
                         ctx->spec->name);
    }
    return 0;
}

int contents_open_functions(struct general_window *w, struct op_context *ctx, struct error *err)
{
    TRY(check_structs(w, ctx, err));
    for (uint32_t i = 0; i < w->n_sides; i++) {
        TRY(make_record(w, ctx, i, err));
    }
    TRY(open_value(w, ctx, err));
    TRY(open_functions(w, ctx, err));
    Flinc__FunctionOperatorConfig outputs = FLINC__FUNCTION_OPERATOR_CONFIG__INIT;
    Flinc__StructDesc *structs[2] = {w->base.config->output, w->base.config->input};
    outputs.outputs = structs;
    outputs.n_outputs = MIN(ctx->n_outputs, 2u);
    TRY(flat_outputs_open(&w->outputs, &w->rows, ctx, &outputs, err));
    w->outputs.stamped = true;
    return 0;
}

int contents_open(struct general_window *w, struct op_context *ctx, struct error *err)
{
    TRY(contents_open_functions(w, ctx, err));
    static const char *const names[] = {"window-contents", "window-contents-second"};
    for (uint32_t i = 0; i < w->n_sides; i++) {
        struct general_side *side = &w->sides[i];
        struct row_list_desc desc = {.name = names[i],
                                     .key_schema = w->base.key_schema,
                                     .record = &side->record,
                                     .stays = !general_is_paged(w)};
        if (w->sessions != NULL) { /* a namespace of its own for each would be too many */
            desc.key_schema = w->entry_keys;
            desc.n_key_columns = w->base.n_keys;
        }
        TRY(row_list_open(w->base.backend, &desc, &side->contents, err));
        state_rows_writer_init(&side->writer, row_list_layout(side->contents), ctx->pool);
        contents_init_copies(w, side);
    }
    return user_functions_start(&w->rows.functions, err);
}

void contents_close(struct general_window *w)
{
    user_functions_close(&w->rows.functions);
    flat_outputs_close(&w->outputs);
    emit_queue_fini(&w->rows.queue);
    for (uint32_t i = 0; i < OPERATOR_INPUTS_MAX; i++) {
        struct general_side *side = &w->sides[i];
        state_rows_writer_fini(&side->writer);
        state_heap_fini(&side->copies);
        if (side->record.schema != NULL) {
            record_layout_fini(&side->record);
        }
        mem_free(side->records);
        mem_free(side->times);
    }
    if (w->value.schema != NULL) {
        record_layout_fini(&w->value);
    }
    window_columns_fini(&w->columns);
    evictor_close(w);
    for (int i = 0; i < 2; i++) {
        mem_free(w->scratch[i]);
    }
}

/* ---- records ----------------------------------------------------------------------------------- */

/* The rows of rows[from..n) whose window ends as that of the first, which are marked as done. */
static int append_window(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                         uint32_t n, uint8_t *done, struct error *err)
{
    const struct general_side *side = &w->sides[w->side];
    struct buffer *sel = buffer_get(ctx->pool, n * sizeof(uint16_t));
    int64_t end = w->ends[rows[0]];
    uint32_t n_sel = 0;
    for (uint32_t i = 0; i < n; i++) {
        if (!done[i] && w->ends[rows[i]] == end) {
            done[i] = 1;
            ((uint16_t *)(void *)sel->data)[n_sel++] = rows[i];
        }
    }
    struct batch *part = window_select(ctx, w->batch, sel, n_sel);
    struct state_keys keys = {.name_space = end, .batch = part, .key_columns = side->row_columns};
    int rc = row_list_append(side->contents, &keys, err);
    batch_unref(part);
    return rc;
}

int contents_append(struct general_window *w, struct op_context *ctx, const uint16_t *rows,
                    uint32_t from, uint32_t to, struct error *err)
{
    if (w->values.is_kept) {
        return values_add(w, rows, from, to, err);
    }
    if (w->sessions != NULL) {
        return sessions_append(w, ctx, rows, from, to, err);
    }
    uint8_t done[BATCH_ROWS_MAX] = {0};
    for (uint32_t i = from; i < to; i++) {
        if (!done[i]) {
            TRY(append_window(w, ctx, rows + i, to - i, done + i, err));
        }
    }
    return 0;
}

/* A batch of the window's key, for calls of the list. */
static int key_of(struct general_window *w, struct op_context *ctx, const struct window_at_hand *at,
                  struct state_keys *ret, struct error *err)
{
    struct batch *keys = NULL;
    TRY(keyed_state_read_keys(w->entries, &at->slot, 1, &keys, err));
    if (w->sessions != NULL) {
        keyed_state_hash(w->entries, keys, w->entry_columns);
        *ret = (struct state_keys){.batch = keys, .key_columns = w->entry_columns};
        return 0;
    }
    batch_hash_keys(ctx->pool, keys, w->entry_columns, w->base.n_keys);
    *ret =
        (struct state_keys){.name_space = at->end, .batch = keys, .key_columns = w->entry_columns};
    return 0;
}

int contents_clear(struct general_window *w, struct op_context *ctx,
                   const struct window_at_hand *at, struct error *err)
{
    struct state_keys keys;
    if (w->values.is_kept) {
        return values_clear(w, at, err);
    }
    TRY(key_of(w, ctx, at, &keys, err));
    int rc = 0;
    for (uint32_t i = 0; i < w->n_sides && rc >= 0; i++) {
        rc = row_list_clear(w->sides[i].contents, &keys, err);
    }
    batch_unref(keys.batch);
    return rc;
}

int contents_forget(struct general_window *w, struct op_context *ctx,
                    const struct window_at_hand *at, struct error *err)
{
    TRY(contents_clear(w, ctx, at, err));
    for (uint32_t i = 0; i < w->n_sides && !w->values.is_kept; i++) {
        row_list_drop_if_empty(w->sides[i].contents, at->end);
    }
    return 0;
}

void contents_init_copies(const struct general_window *w, struct general_side *side)
{
    const struct mem_budget *managed = w->base.backend->options.budget;
    uint64_t limit = managed != NULL ? atomic_load(&managed->limit_bytes) : 0;
    mem_budget_init(&side->copies_budget, "records of one window", limit, NULL);
    state_heap_init(&side->copies, &side->copies_budget);
}

int contents_copy_record(struct general_side *side, const char **inout_record, struct error *err)
{
    char *copy = state_heap_alloc(&side->copies, side->record.size);
    if (copy == NULL) {
        return state_over_budget(side->copies.budget, side->record.size, "the records of a window",
                                 err);
    }
    memset(copy, 0, side->record.size);
    TRY(record_keep(&side->record, &side->copies, copy, *inout_record, err));
    *inout_record = copy;
    return 0;
}

static void keep_block(struct general_side *side, const struct state_rows *rows)
{
    if (side->n_records + rows->n > side->cap_records) {
        side->cap_records = MAX((side->n_records + rows->n) * 2, (size_t)RECORDS_MIN);
        side->records = mem_realloc(side->records, side->cap_records * sizeof(*side->records));
        side->times = mem_realloc(side->times, side->cap_records * sizeof(*side->times));
    }
    memcpy(side->records + side->n_records, rows->records, rows->n * sizeof(*side->records));
    memcpy(side->times + side->n_records, rows->timestamps, rows->n * sizeof(*side->times));
    side->n_records += rows->n;
}

/* The window's records by address; good until the list is changed, or as copies until the next window's. */
static int load_records(const struct general_window *w, struct general_side *side,
                        const struct state_keys *keys, struct error *err)
{
    struct row_list_reader r;
    memset(&r, 0, sizeof(r));
    side->n_records = 0;
    state_heap_clear(&side->copies);
    int rc = row_list_reader_start(&r, side->contents, keys, err);
    while (rc >= 0 && (rc = row_list_reader_next(&r, STATE_ROWS_MAX, err)) == 1) {
        for (uint32_t i = 0; i < r.rows.n && general_is_paged(w) && rc >= 0; i++) {
            rc = contents_copy_record(side, &r.rows.records[i], err);
        }
        keep_block(side, &r.rows);
    }
    row_list_reader_fini(&r);
    return rc;
}

/* ---- what evictors leave ----------------------------------------------------------------------- */

/* The rows that are left, as batches of the list's schema. */
static int copy_left(struct general_side *side, struct vec *batches, struct error *err)
{
    struct state_rows rows;
    for (size_t from = 0; from < side->n_records; from += rows.n) {
        rows.n = (uint32_t)MIN(side->n_records - from, (size_t)STATE_ROWS_MAX);
        memcpy(rows.records, side->records + from, rows.n * sizeof(*rows.records));
        memcpy(rows.timestamps, side->times + from, rows.n * sizeof(*rows.timestamps));
        struct batch *b = NULL;
        TRY(state_rows_batch(&side->writer, &rows, 0, rows.n, &b, err));
        vec_push_ptr(batches, b);
    }
    return 0;
}

/* Makes what is left the contents of the window. */
static int store_left(struct general_side *side, const struct state_keys *keys, struct error *err)
{
    struct vec batches = VEC_INIT(struct batch *);
    int rc = copy_left(side, &batches, err);
    if (rc >= 0) {
        rc = row_list_clear(side->contents, keys, err);
    }
    for (size_t i = 0; i < batches.len; i++) {
        struct batch *b = vec_ptr(&batches, i);
        if (rc >= 0) {
            rc = row_list_append_to(side->contents, keys, b, err);
        }
        batch_unref(b);
    }
    vec_fini(&batches);
    return rc;
}

/* ---- functions --------------------------------------------------------------------------------- */

static int reduce_records(struct general_window *w, const char **ret, struct error *err)
{
    struct user_function *f = &w->rows.functions.items[0];
    const char *sum = w->sides[0].records[0];
    for (size_t i = 1; i < w->sides[0].n_records; i++) {
        char *out = w->scratch[i & 1];
        TRY(user_function_check_cancelled(f, err));
        memset(out, 0, w->accumulator_bytes);
        int rc = ((reduce_fn)f->call)(&f->ctx, sum, w->sides[0].records[i], out);
        if (UNLIKELY(rc < 0)) {
            return user_function_failed(f, rc, err);
        }
        sum = out;
    }
    *ret = sum;
    return user_function_check(f, err);
}

/* sum, min, max, minBy, maxBy. */
static const char *fold_records(struct general_window *w)
{
    const struct general_side *side = &w->sides[0];
    const uint32_t size = w->base.config->input->size;
    memcpy(w->scratch[0], side->records[0], size);
    for (size_t i = 1; i < side->n_records; i++) {
        record_fold_add(&w->fold, size, w->scratch[0], side->records[i]);
    }
    return w->scratch[0];
}

/* What an accumulator comes to, in scratch[1]. */
static int aggregate_result(struct general_window *w, const char *accumulator, const char **ret,
                            struct error *err)
{
    struct user_function *result = &w->rows.functions.items[1];
    memset(w->scratch[1], 0, w->accumulator_bytes);
    int rc = ((result_fn)result->call)(&result->ctx, accumulator, w->scratch[1]);
    if (UNLIKELY(rc < 0)) {
        return user_function_failed(result, rc, err);
    }
    *ret = w->scratch[1];
    return user_function_check(result, err);
}

static int aggregate_records(struct general_window *w, const char **ret, struct error *err)
{
    struct user_function *add = &w->rows.functions.items[0];
    memset(w->scratch[0], 0, w->accumulator_bytes);
    for (size_t i = 0; i < w->sides[0].n_records; i++) {
        TRY(user_function_check_cancelled(add, err));
        int rc = ((add_fn)add->call)(&add->ctx, w->sides[0].records[i], w->scratch[0]);
        if (UNLIKELY(rc < 0)) {
            return user_function_failed(add, rc, err);
        }
    }
    TRY(user_function_check(add, err));
    return aggregate_result(w, w->scratch[0], ret, err);
}

static flinc_pane pane_of(const struct general_window *w, const struct op_context *ctx,
                          const struct window_at_hand *at, uint32_t side)
{
    return (flinc_pane){.struct_size = sizeof(flinc_pane),
                        .start_ms = at->start,
                        .end_ms = at->end,
                        .watermark_ms = op_watermark(ctx),
                        .records = (const void *const *)w->sides[side].records,
                        .n = w->sides[side].n_records};
}

static int call_process(struct general_window *w, struct op_context *ctx,
                        const struct window_at_hand *at, const void *const *records, size_t n,
                        struct error *err)
{
    struct user_function *f = w->process;
    flinc_pane pane = pane_of(w, ctx, at, 0);
    pane.records = records;
    pane.n = n;
    int rc = ((window_fn)f->call)(&f->ctx, &pane, flat_outputs_main(&w->outputs));
    if (UNLIKELY(rc < 0)) {
        return flat_outputs_failed(&w->outputs, f, rc, err);
    }
    TRY(user_function_check(f, err));
    return flat_outputs_check(&w->outputs, f, err);
}

static int put_value(struct general_window *w, const char *value, struct error *err)
{
    struct builder *b = &w->outputs.items[0].builder;
    flinc_out_begin_row(&b->out);
    record_put_strings(&w->value, value, b);
    record_put_fixed(&w->value, value, 1, b, b->out.n);
    (void)flinc_out_end_row(&b->out);
    return builder_check(b, err);
}

/* Built-in aggregates: the row of an accumulator. */
static int put_columns(struct general_window *w, struct op_context *ctx,
                       const struct window_at_hand *at, const char *accumulator, struct error *err)
{
    struct window_results r = {.accumulators = &accumulator, .start = at->start, .end = at->end};
    STR_AUTO nested = STR_INIT;
    TRY(keyed_state_read_keys(w->entries, &at->slot, 1, &r.keys, err));
    struct batch *row = window_columns_results(&w->columns, ctx->pool, ctx->output_schemas[0], &r);
    memset(w->scratch[1], 0, w->value.size);
    int rc = record_read(&w->value, row, 0, 1, w->scratch[1], &nested, err);
    if (rc >= 0) {
        rc = put_value(w, w->scratch[1], err);
    }
    batch_unref(row);
    batch_unref(r.keys);
    return rc;
}

/* Those of the side's records, in scratch[0]. */
static int aggregate_columns(struct general_window *w, const char **ret, struct error *err)
{
    static const uint32_t slots[BATCH_ROWS_MAX];
    uint8_t is_new[BATCH_ROWS_MAX] = {1};
    struct vec batches = VEC_INIT(struct batch *);
    memset(w->scratch[0], 0, w->accumulator_bytes);
    int rc = copy_left(&w->sides[0], &batches, err);
    for (size_t i = 0; i < batches.len; i++) {
        struct batch *b = vec_ptr(&batches, i);
        struct accumulator_run run = {
            .values = w->scratch[0], .slots = slots, .is_new = is_new, .n = b->n_sel};
        if (rc >= 0) {
            window_columns_add(&w->columns, b, batch_sel(b), &run);
            is_new[0] = 0;
        }
        batch_unref(b);
    }
    vec_fini(&batches);
    *ret = w->scratch[0];
    return rc;
}

static int call_co_group(struct general_window *w, struct op_context *ctx,
                         const struct window_at_hand *at, struct error *err)
{
    struct user_function *f = &w->rows.functions.items[0];
    flinc_pane first = pane_of(w, ctx, at, 0), second = pane_of(w, ctx, at, 1);
    int rc = ((co_group_fn)f->call)(&f->ctx, &first, &second, flat_outputs_main(&w->outputs));
    if (UNLIKELY(rc < 0)) {
        return flat_outputs_failed(&w->outputs, f, rc, err);
    }
    TRY(user_function_check(f, err));
    return flat_outputs_check(&w->outputs, f, err);
}

/* Each pair.  Flink: FlatJoinFunction of JoinedStreams. */
static int call_join(struct general_window *w, struct error *err)
{
    struct user_function *f = &w->rows.functions.items[0];
    const struct general_side *a = &w->sides[0], *b = &w->sides[1];
    for (size_t i = 0; i < a->n_records; i++) {
        TRY(user_function_check_cancelled(f, err));
        for (size_t k = 0; k < b->n_records; k++) {
            int rc = ((join_fn)f->call)(&f->ctx, a->records[i], b->records[k],
                                        flat_outputs_main(&w->outputs));
            if (UNLIKELY(rc < 0)) {
                return flat_outputs_failed(&w->outputs, f, rc, err);
            }
        }
    }
    TRY(user_function_check(f, err));
    return flat_outputs_check(&w->outputs, f, err);
}

static int call_with_value(struct general_window *w, struct op_context *ctx,
                           const struct window_at_hand *at, const char *value, struct error *err)
{
    const void *one = value;
    return w->base.config->process ? call_process(w, ctx, at, &one, 1, err)
                                   : put_value(w, value, err);
}

static int call_functions(struct general_window *w, struct op_context *ctx,
                          const struct window_at_hand *at, struct error *err)
{
    const char *value = NULL;
    switch (w->base.config->function) {
    case FLINC__WINDOW_FUNCTION_KIND__WINDOW_REDUCE:
        TRY(reduce_records(w, &value, err));
        break;
    case FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE:
        TRY(aggregate_records(w, &value, err));
        break;
    case FLINC__WINDOW_FUNCTION_KIND__WINDOW_FOLD:
        value = fold_records(w);
        break;
    case FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS:
        TRY(aggregate_columns(w, &value, err));
        return put_columns(w, ctx, at, value, err);
    case FLINC__WINDOW_FUNCTION_KIND__WINDOW_CO_GROUP:
        return call_co_group(w, ctx, at, err);
    case FLINC__WINDOW_FUNCTION_KIND__WINDOW_JOIN:
        return call_join(w, err);
    default:
        return call_process(w, ctx, at, (const void *const *)w->sides[0].records,
                            w->sides[0].n_records, err);
    }
    return call_with_value(w, ctx, at, value, err);
}

static void begin_results(struct general_window *w, const struct window_at_hand *at)
{
    w->rows.functions.scope.window_start_ms = at->start;
    w->rows.functions.scope.window_end_ms = at->end;
    flat_outputs_begin(&w->outputs, at->end == INT64_MAX ? INT64_MAX : at->end - 1,
                       ROW_KIND_INSERT);
}

int contents_fire_value(struct general_window *w, struct op_context *ctx,
                        const struct window_at_hand *at, const char *value, struct error *err)
{
    begin_results(w, at);
    if (w->base.config->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_AGGREGATE) {
        TRY(aggregate_result(w, value, &value, err));
    }
    TRY(w->base.config->function == FLINC__WINDOW_FUNCTION_KIND__WINDOW_COLUMNS
            ? put_columns(w, ctx, at, value, err)
            : call_with_value(w, ctx, at, value, err));
    flat_outputs_end(&w->outputs);
    return 0;
}

/* A window whose value was brought up to date all the time. */
static int fire_value(struct general_window *w, struct op_context *ctx,
                      const struct window_at_hand *at, struct error *err)
{
    return at->entry->has_value ? contents_fire_value(w, ctx, at, values_get(w, at->slot), err) : 0;
}

int contents_fire_records(struct general_window *w, struct op_context *ctx,
                          const struct window_at_hand *at, struct error *err)
{
    begin_results(w, at);
    int rc = call_functions(w, ctx, at, err);
    flat_outputs_end(&w->outputs);
    return rc;
}

int contents_fire(struct general_window *w, struct op_context *ctx, const struct window_at_hand *at,
                  struct error *err)
{
    struct general_side *side = &w->sides[0];
    struct state_keys keys;
    if (w->values.is_kept) {
        return fire_value(w, ctx, at, err);
    }
    TRY(key_of(w, ctx, at, &keys, err));
    int rc = 0;
    for (uint32_t i = 0; i < w->n_sides && rc >= 0; i++) {
        rc = load_records(w, &w->sides[i], &keys, err);
    }
    size_t evicted = 0;
    if (rc >= 0) {
        flinc_pane pane = pane_of(w, ctx, at, 0);
        rc = evictor_run(w, EVICT_BEFORE, &pane, &evicted, err);
    }
    if (rc >= 0 && side->n_records + w->sides[1].n_records > 0) {
        rc = contents_fire_records(w, ctx, at, err);
        flinc_pane pane = pane_of(w, ctx, at, 0);
        if (rc >= 0) {
            rc = evictor_run(w, EVICT_AFTER, &pane, &evicted, err);
        }
    }
    if (rc >= 0 && evicted > 0) {
        rc = store_left(side, &keys, err);
    }
    for (uint32_t i = 0; i < w->n_sides; i++) {
        state_heap_clear(&w->sides[i].copies);
    }
    batch_unref(keys.batch);
    return rc;
}
