/* Built-in window aggregates: configuration to words, and the kernels. */
#include "engine/operators/window/window_columns.h"

#include "engine/operators/keyed_aggregate.h"

/* ---- configuration ----------------------------------------------------------------------------- */

static bool is_float_layout(enum type_layout layout)
{
    return layout == LAYOUT_F32 || layout == LAYOUT_F64;
}

static bool is_aggregate_of_column(Flinc__WindowColumnKind kind)
{
    return kind >= FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT_OF;
}

static bool is_whole_layout(enum type_layout layout)
{
    return layout == LAYOUT_I8 || layout == LAYOUT_I16 || layout == LAYOUT_I32 ||
           layout == LAYOUT_I64;
}

static const char *column_kind_name(Flinc__WindowColumnKind kind)
{
    static const char *const names[] = {"the key",
                                        "the window's start",
                                        "the window's end",
                                        "count()",
                                        "count",
                                        "sum",
                                        "min",
                                        "max",
                                        "avg"};
    return (unsigned)kind < ARRAY_LEN(names) ? names[kind] : "unknown";
}

/* Which layout the output column must have; false: the input column cannot be aggregated so. */
static bool output_fits(const struct window_column *c, const struct data_type *in,
                        const struct data_type *out)
{
    switch (c->kind) {
    case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_KEY:
        return in->layout == out->layout;
    case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM:
        return is_float_layout(in->layout)
                   ? is_float_layout(out->layout)
                   : is_whole_layout(in->layout) && is_whole_layout(out->layout);
    case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MIN:
    case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MAX:
        return in->layout == out->layout &&
               (is_float_layout(in->layout) || is_whole_layout(in->layout));
    case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_AVG:
        return out->layout == LAYOUT_F64 &&
               (is_float_layout(in->layout) || is_whole_layout(in->layout));
    default: /* counts and times */
        return out->layout == LAYOUT_I64;
    }
}

static int check_column(const struct window_column *c, const struct schema *input,
                        const struct field *out, const struct data_type *in, struct error *err)
{
    bool may_be_null = in->nullable && (c->kind == FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_KEY ||
                                        c->kind >= FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM);
    if (output_fits(c, in, out->type) && (!may_be_null || out->type->nullable)) {
        return 0;
    }
    STR_AUTO text = STR_INIT;
    schema_print(input, &text);
    return error_set(
        err, ERR_INVALID_ARGUMENT,
        "column '%s' of the result cannot hold %s of a column of type %s%s; counts and "
        "window times are BIGINT, averages DOUBLE, the others as their column in %s",
        out->name, column_kind_name(c->kind), type_id_name(in->id),
        may_be_null && !out->type->nullable ? " that may be NULL" : "", str_cstr(&text));
}

static void take_words(struct window_columns *w, struct window_column *c,
                       const struct data_type *in)
{
    c->word = c->count_word = WINDOW_NO_WORD;
    if (c->kind < FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT) {
        return;
    }
    c->word = w->n_words++;
    if (!is_aggregate_of_column(c->kind) ||
        c->kind == FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT_OF) {
        return;
    }
    bool is_avg = c->kind == FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_AVG;
    bool is_sum = is_avg || c->kind == FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_SUM;
    c->is_float = is_float_layout(in->layout);
    w->invertible = w->invertible && is_sum && !c->is_float;
    if (is_avg || in->nullable) {
        c->count_word = w->n_words++;
    }
}

/* The words as BIGINT and DOUBLE columns, named after what they are for. */
static void make_layout(struct window_columns *w, const struct schema *output)
{
    uint32_t n = MAX(w->n_words, 1u);
    const char **names = MEM_NEW_ARRAY(const char *, n);
    struct data_type **types = MEM_NEW_ARRAY(struct data_type *, n);
    struct record_field *fields = MEM_NEW_ARRAY(struct record_field, n);
    struct str *texts = MEM_NEW_ARRAY(struct str, n);
    for (uint32_t i = 0; i < w->n_items; i++) {
        const struct window_column *c = &w->items[i];
        if (c->word != WINDOW_NO_WORD) {
            str_printf(&texts[c->word], "%s", output->fields[i].name);
            types[c->word] = type_new(c->is_float ? TYPE_DOUBLE : TYPE_BIGINT, false);
        }
        if (c->count_word != WINDOW_NO_WORD) {
            str_printf(&texts[c->count_word], "%s$count", output->fields[i].name);
            types[c->count_word] = type_new(TYPE_BIGINT, false);
        }
    }
    for (uint32_t i = 0; i < w->n_words; i++) {
        names[i] = str_cstr(&texts[i]);
        fields[i] = (struct record_field){.column = i,
                                          .offset = i * 8,
                                          .null_offset = RECORD_NEVER_NULL,
                                          .width = 8,
                                          .layout = types[i]->layout};
    }
    struct schema *schema = schema_new(names, types, w->n_words);
    record_layout_init_fields(&w->layout, schema, w->n_words * 8, fields, w->n_words);
    schema_unref(schema);
    for (uint32_t i = 0; i < w->n_words; i++) {
        str_fini(&texts[i]);
    }
    mem_free(texts);
    mem_free(fields);
    mem_free(types);
    mem_free(names);
}

/* The input's type behind an output column: the key's, the aggregated column's, or any. */
static const struct data_type *source_type(const Flinc__WindowConfig *config,
                                           const struct window_column *c,
                                           const struct schema *input)
{
    if (c->kind == FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_KEY) {
        return c->column < config->n_key_columns
                   ? input->fields[config->key_columns[c->column]].type
                   : NULL;
    }
    if (!is_aggregate_of_column(c->kind)) {
        return input->fields[0].type;
    }
    return c->column < input->n_fields ? input->fields[c->column].type : NULL;
}

int window_columns_init(struct window_columns *w, const Flinc__WindowConfig *config,
                        const struct schema *input, const struct schema *output, struct error *err)
{
    *w = (struct window_columns){.invertible = true};
    if (config->n_columns != output->n_fields || config->n_columns == 0 ||
        config->n_columns > WINDOW_COLUMNS_MAX) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "a window's result has 1 to %d columns, of which each is described: there "
                         "are %zu descriptions and %u columns",
                         WINDOW_COLUMNS_MAX, config->n_columns, output->n_fields);
    }
    w->n_items = (uint32_t)config->n_columns;
    w->items = MEM_NEW_ARRAY(struct window_column, w->n_items);
    for (uint32_t i = 0; i < w->n_items; i++) {
        struct window_column *c = &w->items[i];
        *c = (struct window_column){.kind = config->columns[i]->kind,
                                    .column = config->columns[i]->column};
        const struct data_type *in = source_type(config, c, input);
        if (in == NULL || (unsigned)c->kind > FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_AVG) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "column '%s' of the window's result refers to column %u, which is not "
                             "there",
                             output->fields[i].name, c->column);
        }
        TRY(check_column(c, input, &output->fields[i], in, err));
        take_words(w, c, in);
    }
    if (w->n_words == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "a window's result has at least one aggregate column");
    }
    make_layout(w, output);
    w->scratch = mem_alloc_aligned(64, sizeof(*w->scratch) * BATCH_ROWS_MAX);
    return 0;
}

void window_columns_fini(struct window_columns *w)
{
    if (w->layout.schema != NULL) {
        record_layout_fini(&w->layout);
    }
    mem_free(w->items);
    mem_free(w->scratch);
    memset(w, 0, sizeof(*w));
}

/* ---- adding rows ------------------------------------------------------------------------------- */

#define WIDEN(from_type, to_type)                                      \
    do {                                                               \
        const from_type *in = (const from_type *)(const void *)values; \
        to_type *out = (to_type *)(void *)scratch;                     \
        for (uint32_t i = 0; i < n; i++) {                             \
            out[i] = (to_type)in[i];                                   \
        }                                                              \
    } while (0)

/* The column as int64 or double, by physical row. */
static const void *widened(int64_t *restrict scratch, const struct column *c, uint32_t n)
{
    const uint8_t *values = c->values->data;
    switch (c->type->layout) {
    case LAYOUT_I8:
        WIDEN(int8_t, int64_t);
        return scratch;
    case LAYOUT_I16:
        WIDEN(int16_t, int64_t);
        return scratch;
    case LAYOUT_I32:
        WIDEN(int32_t, int64_t);
        return scratch;
    case LAYOUT_F32:
        WIDEN(float, double);
        return scratch;
    default:
        return values;
    }
}

static void add_ones(const struct accumulator_run *run, uint32_t word)
{
    char *values = run->values + (size_t)word * 8;
    const uint32_t *restrict slots = run->slots;
    const size_t stride = run->stride;
    for (uint32_t i = 0; i < run->n; i++) {
        *(int64_t *)(void *)(values + slots[i] * stride) += 1;
    }
}

#define ROW_OF(rows, i) ((rows) != NULL ? (rows)[i] : (i))

static void add_sums_i64(const struct accumulator_run *run, uint32_t word, const uint64_t *in,
                         const uint16_t *rows)
{
    char *values = run->values + (size_t)word * 8;
    for (uint32_t i = 0; i < run->n; i++) {
        *(uint64_t *)(void *)(values + (size_t)run->slots[i] * run->stride) += in[ROW_OF(rows, i)];
    }
}

static void add_sums_f64(const struct accumulator_run *run, uint32_t word, const double *in,
                         const uint16_t *rows)
{
    char *values = run->values + (size_t)word * 8;
    for (uint32_t i = 0; i < run->n; i++) {
        *(double *)(void *)(values + (size_t)run->slots[i] * run->stride) += in[ROW_OF(rows, i)];
    }
}

static bool is_better_i64(bool want_min, int64_t v, int64_t than)
{
    return want_min ? v < than : v > than;
}

static bool is_better_f64(bool want_min, double v, double than)
{
    int64_t a = order_of_f64(v), b = order_of_f64(than);
    return want_min ? a < b : a > b;
}

/* `want_min` is a constant of each caller. */
static ALWAYS_INLINE void add_extremes_i64(const struct accumulator_run *run, uint32_t word,
                                           const int64_t *in, const uint16_t *rows,
                                           const bool want_min)
{
    char *values = run->values + (size_t)word * 8;
    for (uint32_t i = 0; i < run->n; i++) {
        int64_t *acc = (int64_t *)(void *)(values + (size_t)run->slots[i] * run->stride);
        int64_t v = in[ROW_OF(rows, i)];
        if (run->is_new[i] || is_better_i64(want_min, v, *acc)) {
            *acc = v;
        }
    }
}

static ALWAYS_INLINE void add_extremes_f64(const struct accumulator_run *run, uint32_t word,
                                           const double *in, const uint16_t *rows,
                                           const bool want_min)
{
    char *values = run->values + (size_t)word * 8;
    for (uint32_t i = 0; i < run->n; i++) {
        double *acc = (double *)(void *)(values + (size_t)run->slots[i] * run->stride);
        double v = in[ROW_OF(rows, i)];
        if (run->is_new[i] || is_better_f64(want_min, v, *acc)) {
            *acc = v;
        }
    }
}

/* Puts one word into another, whose old value counts unless `is_empty`. */
static void combine_word(const struct window_column *c, char *to, const char *from, bool is_empty)
{
    bool is_min = c->kind == FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MIN;
    bool is_extreme = is_min || c->kind == FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MAX;
    if (c->is_float) {
        double a, b;
        memcpy(&a, to, sizeof(a));
        memcpy(&b, from, sizeof(b));
        if (is_extreme) {
            a = is_empty || is_better_f64(is_min, b, a) ? b : a;
        } else {
            a += b;
        }
        memcpy(to, &a, sizeof(a));
        return;
    }
    int64_t a, b;
    memcpy(&a, to, sizeof(a));
    memcpy(&b, from, sizeof(b));
    if (is_extreme) {
        a = is_empty || is_better_i64(is_min, b, a) ? b : a;
    } else {
        a = (int64_t)((uint64_t)a + (uint64_t)b);
    }
    memcpy(to, &a, sizeof(a));
}

/* Columns that may be NULL: row by row, with the count of values saying what is empty. */
static void add_nullable(const struct accumulator_run *run, const struct window_column *c,
                         const struct column *column, const void *in, const uint16_t *rows)
{
    for (uint32_t i = 0; i < run->n; i++) {
        uint32_t row = ROW_OF(rows, i);
        if (column_is_null(column, row)) {
            continue;
        }
        char *acc = run->values + (size_t)run->slots[i] * run->stride;
        if (c->count_word == WINDOW_NO_WORD) { /* COUNT_OF */
            *(int64_t *)(void *)(acc + (size_t)c->word * 8) += 1;
            continue;
        }
        int64_t *count = (int64_t *)(void *)(acc + (size_t)c->count_word * 8);
        combine_word(c, acc + (size_t)c->word * 8, (const char *)in + (size_t)row * 8, *count == 0);
        *count += 1;
    }
}

static void add_values(const struct accumulator_run *run, const struct window_column *c,
                       const void *in, const uint16_t *rows)
{
    switch (c->kind) {
    case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MIN:
        if (c->is_float) {
            add_extremes_f64(run, c->word, in, rows, true);
        } else {
            add_extremes_i64(run, c->word, in, rows, true);
        }
        return;
    case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_MAX:
        if (c->is_float) {
            add_extremes_f64(run, c->word, in, rows, false);
        } else {
            add_extremes_i64(run, c->word, in, rows, false);
        }
        return;
    default:
        if (c->is_float) {
            add_sums_f64(run, c->word, in, rows);
        } else {
            add_sums_i64(run, c->word, in, rows);
        }
    }
}

void window_columns_add(struct window_columns *w, const struct batch *b, const uint16_t *rows,
                        const struct accumulator_run *run)
{
    for (uint32_t i = 0; i < w->n_items; i++) {
        const struct window_column *c = &w->items[i];
        if (c->word == WINDOW_NO_WORD) {
            continue;
        }
        if (!is_aggregate_of_column(c->kind)) {
            add_ones(run, c->word);
            continue;
        }
        const struct column *column = &b->columns[c->column];
        bool is_count = c->kind == FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_COUNT_OF;
        const void *in = is_count ? NULL : widened(w->scratch, column, b->n_rows);
        if (column->type->nullable) {
            add_nullable(run, c, column, in, rows);
        } else if (is_count) {
            add_ones(run, c->word);
        } else {
            add_values(run, c, in, rows);
            if (c->count_word != WINDOW_NO_WORD) {
                add_ones(run, c->count_word);
            }
        }
    }
}

/* ---- accumulators ------------------------------------------------------------------------------ */

void window_columns_merge(const struct window_columns *w, char *to, const char *from, bool is_new)
{
    if (is_new) {
        memcpy(to, from, (size_t)w->n_words * 8);
        return;
    }
    for (uint32_t i = 0; i < w->n_items; i++) {
        const struct window_column *c = &w->items[i];
        if (c->word == WINDOW_NO_WORD) {
            continue;
        }
        int64_t here = 1, there = 1;
        if (c->count_word != WINDOW_NO_WORD) {
            char *count = to + (size_t)c->count_word * 8;
            memcpy(&here, count, sizeof(here));
            memcpy(&there, from + (size_t)c->count_word * 8, sizeof(there));
            int64_t sum = here + there;
            memcpy(count, &sum, sizeof(sum));
        }
        if (there != 0) {
            combine_word(c, to + (size_t)c->word * 8, from + (size_t)c->word * 8, here == 0);
        }
    }
}

void window_columns_subtract(const struct window_columns *w, char *from, const char *what)
{
    ASSERT(w->invertible);
    for (uint32_t i = 0; i < w->n_words; i++) {
        uint64_t a, b;
        memcpy(&a, from + (size_t)i * 8, sizeof(a));
        memcpy(&b, what + (size_t)i * 8, sizeof(b));
        a -= b;
        memcpy(from + (size_t)i * 8, &a, sizeof(a));
    }
}

/* ---- results ----------------------------------------------------------------------------------- */

/* One value of an accumulator, in the width of the output column. */
static void write_value(const struct window_column *c, const char *acc, enum type_layout layout,
                        uint32_t width, uint8_t *ret)
{
    const char *word = acc + (size_t)c->word * 8;
    if (c->kind == FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_AVG) {
        int64_t whole, count;
        double sum;
        memcpy(&whole, word, sizeof(whole));
        memcpy(&sum, word, sizeof(sum));
        memcpy(&count, acc + (size_t)c->count_word * 8, sizeof(count));
        double avg = count == 0 ? 0 : (c->is_float ? sum : (double)whole) / (double)count;
        memcpy(ret, &avg, sizeof(avg));
    } else if (layout == LAYOUT_F32) {
        double v;
        memcpy(&v, word, sizeof(v));
        float narrow = (float)v;
        memcpy(ret, &narrow, sizeof(narrow));
    } else {
        memcpy(ret, word, width); /* little-endian: the low bytes */
    }
}

static void read_values(const struct window_column *c, struct buffer_pool *pool,
                        const char *const *accumulators, uint32_t n, struct column *ret)
{
    const uint32_t width = ret->type->width;
    struct buffer *values = buffer_get(pool, (uint64_t)n * width);
    values->size = (uint64_t)n * width;
    column_set_values(ret, values);
    if (width == 8 && c->kind != FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_AVG) {
        for (uint32_t i = 0; i < n; i++) {
            memcpy(values->data + (size_t)i * 8, accumulators[i] + (size_t)c->word * 8, 8);
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        write_value(c, accumulators[i], ret->type->layout, width, values->data + (size_t)i * width);
    }
}

/* NULL where no value was counted. */
static void read_validity(const struct window_column *c, struct buffer_pool *pool,
                          const char *const *accumulators, uint32_t n, struct column *ret)
{
    struct buffer *valid = buffer_get(pool, ((uint64_t)n + 7) / 8);
    valid->size = ((uint64_t)n + 7) / 8;
    memset(valid->data, 0, valid->size);
    for (uint32_t i = 0; i < n; i++) {
        int64_t count;
        memcpy(&count, accumulators[i] + (size_t)c->count_word * 8, sizeof(count));
        valid->data[i >> 3] |= (uint8_t)((count != 0) << (i & 7));
    }
    column_set_validity(ret, valid);
}

/* Times plus `delta`, those of `times` or all `time_ms`. */
static struct buffer *make_times(struct buffer_pool *pool, const int64_t *times, int64_t time_ms,
                                 int64_t delta, uint32_t n)
{
    struct buffer *b = buffer_get(pool, (uint64_t)n * sizeof(int64_t));
    int64_t *out = (int64_t *)(void *)b->data;
    b->size = (uint64_t)n * sizeof(int64_t);
    for (uint32_t i = 0; i < n; i++) {
        out[i] = (times != NULL ? times[i] : time_ms) + delta;
    }
    return b;
}

struct batch *window_columns_results(const struct window_columns *w, struct buffer_pool *pool,
                                     const struct schema *output, const struct window_results *r)
{
    struct batch *b = batch_new(pool, output);
    const uint32_t n = r->keys->n_rows;
    b->n_rows = b->n_sel = n;
    b->timestamps = make_times(pool, r->ends, r->end, -1, n);
    for (uint32_t i = 0; i < w->n_items; i++) {
        const struct window_column *c = &w->items[i];
        struct column *to = &b->columns[i];
        switch (c->kind) {
        case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_KEY:
            column_share(pool, to, &r->keys->columns[c->column]);
            break;
        case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_START:
            column_set_values(to, make_times(pool, r->starts, r->start, 0, n));
            break;
        case FLINC__WINDOW_COLUMN_KIND__WINDOW_COLUMN_END:
            column_set_values(to, make_times(pool, r->ends, r->end, 0, n));
            break;
        default:
            read_values(c, pool, r->accumulators, n, to);
            if (to->type->nullable && c->count_word != WINDOW_NO_WORD) {
                read_validity(c, pool, r->accumulators, n, to);
            }
        }
    }
    return b;
}
