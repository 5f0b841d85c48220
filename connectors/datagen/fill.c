/* Kernels of generated columns; see fill.h.  One loop per type over the keys of the rows. */
#include "connectors/datagen/fill.h"

#include "common/text/number.h"
#include "engine/data/hash.h"
#include "engine/data/value_print.h"

enum { MS_PER_DAY = 24 * 60 * 60 * 1000, KEY_TRIES = 16 };
#define FIELD_STEP UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t draw(const struct maker *m, uint64_t key)
{
    return key_hash_mix(key ^ m->seed);
}

/* In [0, n]; n = UINT64_MAX is all of them. */
static inline uint64_t up_to(uint64_t bits, uint64_t n)
{
    return n == UINT64_MAX ? bits : (uint64_t)((unsigned __int128)bits * (n + 1) >> 64);
}

static inline double unit(uint64_t bits)
{
    return (double)(bits >> 11) * 0x1.0p-53;
}

static bool is_list(const struct data_type *t)
{
    return t->layout == LAYOUT_LIST || t->layout == LAYOUT_MAP;
}

/* ---- life ------------------------------------------------------------------------------------------ */

static int damaged(struct error *err)
{
    return error_set(err, ERR_INVALID_CONFIG, "the configuration of the datagen source is damaged");
}

int maker_init(struct maker *m, const Flinc__GenerateField *config, const struct data_type *type,
               uint64_t seed, struct arena *arena, struct error *err)
{
    bool nested = config->kind == FLINC__GENERATE_KIND__GENERATE_NESTED;

    *m = (struct maker){.config = config, .type = type};
    m->seed = key_hash_mix(seed + (config->seed + 1) * FIELD_STEP);
    if (nested != (type_child_columns(type) > 0) ||
        (nested && config->n_children != type_child_columns(type)) ||
        (type->layout == LAYOUT_I128 && config->kind == FLINC__GENERATE_KIND__GENERATE_RANDOM &&
         (config->min_wide.len != sizeof(__int128) || config->max_wide.len != sizeof(__int128)))) {
        return damaged(err);
    }
    m->n_children = (uint32_t)config->n_children;
    m->children = arena_zalloc(arena, sizeof(*m->children) * (m->n_children + 1));
    for (uint32_t i = 0; i < m->n_children; i++) {
        TRY(maker_init(&m->children[i], config->children[i], type_child_column(type, i), seed,
                       arena, err));
    }
    return 0;
}

void maker_fini(struct maker *m)
{
    for (uint32_t i = 0; m->children != NULL && i < m->n_children; i++) {
        maker_fini(&m->children[i]);
    }
    mem_free(m->keys);
    m->keys = NULL;
}

static uint32_t heap_bytes(const struct maker *m)
{
    if (m->config->kind == FLINC__GENERATE_KIND__GENERATE_SEQUENCE) {
        return m->type->id == TYPE_CHAR || m->type->id == TYPE_BINARY
                   ? MAX((uint32_t)m->type->length, (uint32_t)NUMBER_TEXT_MAX)
                   : NUMBER_TEXT_MAX;
    }
    return m->config->length > VIEW_INLINE_MAX ? m->config->length : 0;
}

void maker_begin(struct maker *m, struct buffer_pool *pool, struct column *c, uint32_t cap)
{
    m->column = c;
    m->cap = cap;
    if (m->type->layout != LAYOUT_STRUCT) {
        column_set_values(c, buffer_get(pool, column_values_bytes(m->type, cap) + 1));
    }
    if (m->config->null_rate > 0) {
        column_set_validity(c, buffer_get(pool, (cap + 7) / 8 + 1));
    }
    if (m->type->layout == LAYOUT_VIEW && heap_bytes(m) > 0) {
        column_add_data(pool, c, buffer_get(pool, (uint64_t)heap_bytes(m) * cap + BUFFER_PADDING));
        m->heap = (char *)c->data[0]->data;
        m->heap_used = 0;
    }
    if (is_list(m->type)) {
        COLUMN_VALUES(c, int32_t)[0] = 0;
    }
    uint64_t each = is_list(m->type) ? m->config->length : 1;
    for (uint32_t i = 0; i < m->n_children; i++) {
        maker_begin(&m->children[i], pool, &c->children[i], (uint32_t)(cap * each));
    }
}

void maker_end(struct maker *m, uint32_t n)
{
    struct column *c = m->column;
    uint32_t below = n;

    if (c->values != NULL) {
        c->values->size = column_values_bytes(m->type, n);
    }
    if (c->validity != NULL) {
        c->validity->size = (n + 7) / 8;
    }
    if (c->n_data > 0) {
        c->data[0]->size = m->heap_used;
    }
    if (is_list(m->type)) {
        below = c->child_rows = (uint32_t)COLUMN_VALUES(c, int32_t)[n];
    }
    for (uint32_t i = 0; i < m->n_children; i++) {
        maker_end(&m->children[i], below);
    }
}

/* ---- numbers --------------------------------------------------------------------------------------- */

#define FILL_WHOLE(ctype)                                                      \
    do {                                                                       \
        ctype *restrict to = COLUMN_VALUES(m->column, ctype) + at;             \
        for (uint32_t i = 0; i < n; i++) {                                     \
            to[i] = (ctype)((uint64_t)least + up_to(draw(m, keys[i]), range)); \
        }                                                                      \
    } while (0)

static void fill_whole(struct maker *m, uint32_t at, const uint64_t *keys, uint32_t n)
{
    const int64_t least = m->config->min;
    const uint64_t range = (uint64_t)m->config->max - (uint64_t)least;

    switch (m->type->layout) {
    case LAYOUT_I8:
        FILL_WHOLE(int8_t);
        break;
    case LAYOUT_I16:
        FILL_WHOLE(int16_t);
        break;
    case LAYOUT_I32:
        FILL_WHOLE(int32_t);
        break;
    default:
        FILL_WHOLE(int64_t);
        break;
    }
}

static void fill_wide(struct maker *m, uint32_t at, const uint64_t *keys, uint32_t n)
{
    __int128 *to = COLUMN_VALUES(m->column, __int128) + at, least, most;

    memcpy(&least, m->config->min_wide.data, sizeof(least));
    memcpy(&most, m->config->max_wide.data, sizeof(most));
    unsigned __int128 count = (unsigned __int128)most - (unsigned __int128)least + 1;
    for (uint32_t i = 0; i < n; i++) {
        uint64_t high = draw(m, keys[i]);
        unsigned __int128 bits = (unsigned __int128)high << 64 | key_hash_mix(high);
        to[i] = least + (__int128)(count == 0 ? bits : bits % count);
    }
}

static double between(const struct maker *m, uint64_t bits)
{
    double u = unit(bits);

    return m->config->min_double * (1 - u) + m->config->max_double * u;
}

static void fill_bits(struct maker *m, uint32_t at, const uint64_t *keys, uint32_t n)
{
    uint8_t *bits = m->column->values->data;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = at + i;
        uint8_t bit = (uint8_t)(1u << (row & 7));
        bits[row >> 3] = (uint8_t)((bits[row >> 3] & ~bit) | (draw(m, keys[i]) >> 63 ? bit : 0));
    }
}

static void fill_doubles(struct maker *m, uint32_t at, const uint64_t *keys, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        double v = between(m, draw(m, keys[i]));
        if (m->type->layout == LAYOUT_F32) {
            COLUMN_VALUES(m->column, float)[at + i] = (float)v;
        } else {
            COLUMN_VALUES(m->column, double)[at + i] = v;
        }
    }
}

/* ---- times ----------------------------------------------------------------------------------------- */

static void fill_now(struct maker *m, uint32_t at, const uint64_t *keys, uint32_t n, int64_t now_ms)
{
    uint64_t past = (uint64_t)m->config->max_past_ms;

    for (uint32_t i = 0; i < n; i++) {
        int64_t ms = now_ms - (int64_t)(past > 0 ? up_to(draw(m, keys[i]), past) : 0);
        if (m->type->id == TYPE_DATE) {
            COLUMN_VALUES(m->column, int32_t)[at + i] = (int32_t)(now_ms / MS_PER_DAY);
        } else if (m->type->id == TYPE_TIME) {
            COLUMN_VALUES(m->column, int32_t)[at + i] = (int32_t)(now_ms % MS_PER_DAY);
        } else if (m->type->layout == LAYOUT_TS_NANO) {
            COLUMN_VALUES(m->column, struct ts_nano)[at + i] = (struct ts_nano){ms, 0, 0};
        } else {
            COLUMN_VALUES(m->column, int64_t)[at + i] = m->type->precision <= 3 ? ms : ms * 1000;
        }
    }
}

/* ---- texts ----------------------------------------------------------------------------------------- */

/* Eight hexadecimal digits of 32 bits, spread over the bytes of a word. */
static inline uint64_t hex_digits(uint32_t bits)
{
    uint64_t v = bits;

    v = (v | v << 16) & UINT64_C(0x0000ffff0000ffff);
    v = (v | v << 8) & UINT64_C(0x00ff00ff00ff00ff);
    v = (v | v << 4) & UINT64_C(0x0f0f0f0f0f0f0f0f);
    uint64_t letters = ((v + UINT64_C(0x0606060606060606)) >> 4) & UINT64_C(0x0101010101010101);
    return v + UINT64_C(0x3030303030303030) + letters * ('a' - '9' - 1);
}

/* Random bytes, or digits; up to 15 more than `len` are written. */
static void random_bytes(char *to, uint32_t len, uint64_t bits, bool digits)
{
    for (uint32_t done = 0; done < len; done += digits ? 16 : 8) {
        if (digits) {
            uint64_t low = hex_digits((uint32_t)bits), high = hex_digits((uint32_t)(bits >> 32));
            memcpy(to + done, &low, 8);
            memcpy(to + done + 8, &high, 8);
        } else {
            memcpy(to + done, &bits, 8);
        }
        bits = key_hash_mix(bits + FIELD_STEP);
    }
}

/* A view of bytes at the end of the heap, which are used up when they do not fit the view. */
static struct view view_of_heap(struct maker *m, uint32_t len)
{
    struct view v = {.len = (int32_t)len};
    const char *at = m->heap + m->heap_used;

    if (len <= VIEW_INLINE_MAX) {
        return view_inline(at, len);
    }
    memcpy(v.prefix, at, sizeof(v.prefix));
    v.buffer = 0;
    v.offset = (int32_t)m->heap_used;
    m->heap_used += len;
    return v;
}

static void fill_texts(struct maker *m, uint32_t at, const uint64_t *keys, uint32_t n)
{
    struct view *to = COLUMN_VALUES(m->column, struct view) + at;
    const bool digits = m->type->id == TYPE_CHAR || m->type->id == TYPE_VARCHAR;
    const uint32_t most = m->config->length;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t bits = draw(m, keys[i]);
        uint32_t len = most;
        if (m->config->var_length) {
            len = 1 + (uint32_t)up_to(bits, most - 1);
            bits = key_hash_mix(bits + FIELD_STEP);
        }
        if (most <= VIEW_INLINE_MAX) {
            char inlined[16];
            random_bytes(inlined, len, bits, digits);
            to[i] = view_inline(inlined, len);
        } else {
            random_bytes(m->heap + m->heap_used, len, bits, digits);
            to[i] = view_of_heap(m, len);
        }
    }
}

/* ---- sequences ------------------------------------------------------------------------------------- */

static __int128 scaled(__int128 v, int32_t scale)
{
    while (scale-- > 0) {
        v *= 10;
    }
    return v;
}

static void put_text(struct maker *m, uint32_t row, int64_t v)
{
    char *to = m->heap + m->heap_used;
    uint32_t len = (uint32_t)number_format_int64(v, to);

    if (m->type->id == TYPE_CHAR) { /* as long as the type says */
        uint32_t fixed = (uint32_t)m->type->length;
        memset(to + len, ' ', fixed > len ? fixed - len : 0);
        len = fixed;
    }
    COLUMN_VALUES(m->column, struct view)
    [row] = view_of_heap(m, MIN(len, (uint32_t)m->type->length));
}

static void put_sequence(struct maker *m, uint32_t row, int64_t v)
{
    struct column *c = m->column;

    switch (m->type->layout) {
    case LAYOUT_I8:
        COLUMN_VALUES(c, int8_t)[row] = (int8_t)v;
        break;
    case LAYOUT_I16:
        COLUMN_VALUES(c, int16_t)[row] = (int16_t)v;
        break;
    case LAYOUT_I32:
        COLUMN_VALUES(c, int32_t)[row] = (int32_t)v;
        break;
    case LAYOUT_I64:
        COLUMN_VALUES(c, int64_t)
        [row] = m->type->id == TYPE_DECIMAL ? (int64_t)scaled(v, m->type->scale) : v;
        break;
    case LAYOUT_I128:
        COLUMN_VALUES(c, __int128)[row] = scaled(v, m->type->scale);
        break;
    case LAYOUT_F32:
        COLUMN_VALUES(c, float)[row] = (float)v;
        break;
    case LAYOUT_F64:
        COLUMN_VALUES(c, double)[row] = (double)v;
        break;
    default:
        put_text(m, row, v);
        break;
    }
}

static void fill_sequence(struct maker *m, uint32_t at, const uint64_t *keys, uint32_t n,
                          const struct maker_rows *rows)
{
    /* Below a collection it has no row of its own: the key chooses. */
    uint64_t range = (uint64_t)m->config->max - (uint64_t)m->config->min;

    for (uint32_t i = 0; i < n; i++) {
        uint64_t step =
            rows->index != NULL ? (uint64_t)rows->index[i] : up_to(draw(m, keys[i]), range);
        put_sequence(m, at + i, (int64_t)((uint64_t)m->config->min + step));
    }
}

/* ---- collections ----------------------------------------------------------------------------------- */

static uint64_t *reserve_keys(struct maker *m, uint64_t n)
{
    if (m->cap_keys < n) {
        mem_free(m->keys);
        m->cap_keys = MAX(n, 2 * m->cap_keys);
        m->keys = mem_alloc(m->cap_keys * sizeof(*m->keys));
    }
    return m->keys;
}

static void fill_list(struct maker *m, struct buffer_pool *pool, uint32_t at, const uint64_t *keys,
                      uint32_t n, const struct maker_rows *rows)
{
    int32_t *offsets = COLUMN_VALUES(m->column, int32_t) + at;
    const uint32_t each = m->config->length;
    uint64_t *below = reserve_keys(m, (uint64_t)n * each);
    const struct maker_rows without_index = {NULL, rows->now_ms};

    for (uint32_t i = 0; i < n; i++) {
        for (uint32_t k = 0; k < each; k++) {
            below[(uint64_t)i * each + k] = key_hash_mix(keys[i] + (k + 1) * FIELD_STEP);
        }
        offsets[i + 1] = offsets[i] + (int32_t)each;
    }
    maker_fill(&m->children[0], pool, (uint32_t)offsets[0], below, n * each, &without_index);
}

/* Does the cell at `at` equal one of those in [from, at)? */
static bool repeats(const struct column *c, uint32_t from, uint32_t at)
{
    uint64_t hash = key_hash_cell(c, at);

    for (uint32_t i = from; i < at; i++) {
        if (key_hash_cell(c, i) == hash) {
            return true;
        }
    }
    return false;
}

/* Key by key: one that is there already is drawn again, and left out at last.  NULL is no key. */
static uint32_t fill_map_row(struct maker *m, struct buffer_pool *pool, uint32_t at, uint64_t key,
                             const struct maker_rows *rows)
{
    struct maker *keys = &m->children[0];
    uint32_t end = at;

    for (uint32_t k = 0; k < m->config->length; k++) {
        for (uint32_t t = 0; t < KEY_TRIES; t++) {
            uint64_t drawn = key_hash_mix(key + (k * KEY_TRIES + t + 1) * FIELD_STEP);
            maker_fill(keys, pool, end, &drawn, 1, rows);
            if (!column_is_null(keys->column, end) && !repeats(keys->column, at, end)) {
                maker_fill(&m->children[1], pool, end, &drawn, 1, rows);
                end++;
                break;
            }
        }
    }
    return end;
}

static void fill_map(struct maker *m, struct buffer_pool *pool, uint32_t at, const uint64_t *keys,
                     uint32_t n, const struct maker_rows *rows)
{
    int32_t *offsets = COLUMN_VALUES(m->column, int32_t) + at;
    const struct maker_rows without_index = {NULL, rows->now_ms};

    for (uint32_t i = 0; i < n; i++) {
        offsets[i + 1] =
            (int32_t)fill_map_row(m, pool, (uint32_t)offsets[i], keys[i], &without_index);
    }
}

/* ---- all of them ----------------------------------------------------------------------------------- */

/* Which cells are there is drawn beside what is in them. */
static void fill_validity(struct maker *m, uint32_t at, const uint64_t *keys, uint32_t n)
{
    uint8_t *bits = m->column->validity->data;
    const double rate = m->config->null_rate;

    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = at + i;
        uint8_t bit = (uint8_t)(1u << (row & 7));
        bool is_null = unit(key_hash_mix(draw(m, keys[i]) + FIELD_STEP)) < rate;
        bits[row >> 3] = (uint8_t)((bits[row >> 3] & ~bit) | (is_null ? 0 : bit));
    }
}

static void fill_random(struct maker *m, uint32_t at, const uint64_t *keys, uint32_t n)
{
    switch (m->type->layout) {
    case LAYOUT_BIT:
        fill_bits(m, at, keys, n);
        break;
    case LAYOUT_I128:
        fill_wide(m, at, keys, n);
        break;
    case LAYOUT_F32:
    case LAYOUT_F64:
        fill_doubles(m, at, keys, n);
        break;
    case LAYOUT_VIEW:
        fill_texts(m, at, keys, n);
        break;
    default:
        fill_whole(m, at, keys, n);
        break;
    }
}

static void fill_nested(struct maker *m, struct buffer_pool *pool, uint32_t at,
                        const uint64_t *keys, uint32_t n, const struct maker_rows *rows)
{
    if (m->type->layout == LAYOUT_LIST) {
        fill_list(m, pool, at, keys, n, rows);
        return;
    }
    if (m->type->layout == LAYOUT_MAP) {
        fill_map(m, pool, at, keys, n, rows);
        return;
    }
    for (uint32_t i = 0; i < m->n_children; i++) {
        maker_fill(&m->children[i], pool, at, keys, n, rows);
    }
}

void maker_fill(struct maker *m, struct buffer_pool *pool, uint32_t at, const uint64_t *keys,
                uint32_t n, const struct maker_rows *rows)
{
    switch (m->config->kind) {
    case FLINC__GENERATE_KIND__GENERATE_SEQUENCE:
        fill_sequence(m, at, keys, n, rows);
        break;
    case FLINC__GENERATE_KIND__GENERATE_NOW:
        fill_now(m, at, keys, n, rows->now_ms);
        break;
    case FLINC__GENERATE_KIND__GENERATE_NESTED:
        fill_nested(m, pool, at, keys, n, rows);
        break;
    default:
        fill_random(m, at, keys, n);
        break;
    }
    if (m->config->null_rate > 0) {
        fill_validity(m, at, keys, n);
    }
}
