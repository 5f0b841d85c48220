/* Keys in and out of the table: from the columns of a batch to probe keys, and back to a batch.
 *
 * Keys that are too wide for an entry, or have several strings, become bytes: per column a byte that says
 * NULL (0) or not (1), then the canonical value, little-endian: fixed width as it is, strings as a
 * 32-bit length and their bytes.  This form lives in memory only.
 * Thread: one owner. */
#include "engine/state/keyed_table_key.h"

#include "engine/data/builder.h"

static const uint64_t NAN_F64 = UINT64_C(0x7ff8000000000000);
static const uint32_t NAN_F32 = UINT32_C(0x7fc00000);

static inline uint64_t canonical_f64(double v)
{
    uint64_t bits;
    v = v == 0 ? 0 : v;
    memcpy(&bits, &v, sizeof(bits));
    return v == v ? bits : NAN_F64;
}

static inline uint32_t canonical_f32(float v)
{
    uint32_t bits;
    v = v == 0 ? 0 : v;
    memcpy(&bits, &v, sizeof(bits));
    return v == v ? bits : NAN_F32;
}

/* CHAR compares without its pad. */
static inline size_t trimmed_len(const char *data, size_t len)
{
    while (len > 0 && data[len - 1] == ' ') {
        len--;
    }
    return len;
}

static inline uint32_t row_at(const uint16_t *sel, uint32_t i)
{
    return sel != NULL ? sel[i] : i;
}

/* ---- one fixed-width column -------------------------------------------------------------------- */

#define LOAD_FIXED(ctype, convert)                                           \
    do {                                                                     \
        const ctype *values = COLUMN_VALUES(c, const ctype);                 \
        for (uint32_t i = 0; i < n; i++) {                                   \
            p->keys[i] = (uint64_t)(convert(values[row_at(sel, from + i)])); \
        }                                                                    \
    } while (0)

static void load_fixed(struct probe_block *p, const struct column *c, const uint16_t *sel,
                       uint32_t from, uint32_t n)
{
    switch (c->type->layout) {
    case LAYOUT_BIT:
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = row_at(sel, from + i);
            p->keys[i] = (c->values->data[row >> 3] >> (row & 7)) & 1;
        }
        break;
    case LAYOUT_I8:
        LOAD_FIXED(int8_t, (int64_t));
        break;
    case LAYOUT_I16:
        LOAD_FIXED(int16_t, (int64_t));
        break;
    case LAYOUT_I32:
        LOAD_FIXED(int32_t, (int64_t));
        break;
    case LAYOUT_I64:
        LOAD_FIXED(int64_t, );
        break;
    case LAYOUT_F32:
        LOAD_FIXED(float, canonical_f32);
        break;
    case LAYOUT_F64:
        LOAD_FIXED(double, canonical_f64);
        break;
    default:
        ASSERT(!"a key of this layout is not FIXED");
    }
}

/* ---- one string column ------------------------------------------------------------------------- */

/* The view of the i-th key goes to keys + i * n_words. */
static void load_views(uint64_t *keys, uint32_t n_words, const struct column *c,
                       const uint16_t *sel, uint32_t from, uint32_t n)
{
    const struct view *views = COLUMN_VALUES(c, const struct view);
    for (uint32_t i = 0; i < n; i++) {
        const struct view *v = &views[row_at(sel, from + i)];
        uint64_t *words = keys + (size_t)i * n_words;
        memcpy(words, v, sizeof(*v));
        if (UNLIKELY(v->len > VIEW_INLINE_MAX)) {
            const char *data = (const char *)c->data[v->buffer]->data + v->offset;
            words[1] = (uint64_t)(uintptr_t)data;
        }
    }
}

static void load_chars(uint64_t *keys, uint32_t n_words, const struct column *c,
                       const uint16_t *sel, uint32_t from, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++) {
        struct slice s = column_get_bytes(c, row_at(sel, from + i));
        probe_key_set_bytes(keys + (size_t)i * n_words, s.data, trimmed_len(s.data, s.len));
    }
}

/* ---- several columns inline -------------------------------------------------------------------- */

/* Bytes of a column in an INLINE key; 0: it has no fixed width. */
static uint32_t inline_width(const struct data_type *type)
{
    switch (type->layout) {
    case LAYOUT_BIT:
        return 1;
    case LAYOUT_TS_NANO:
        return 12;
    case LAYOUT_VIEW:
        return sizeof(struct view);
    default:
        return type->width;
    }
}

/* False: the key is too wide, or has more strings than one. */
static bool layout_inline(struct keyed_table *t)
{
    const struct schema *keys = t->key_schema;
    uint32_t at = 0, n_views = 0;
    bool nullable = false;
    if (keys->n_fields > KEYED_INLINE_COLUMNS_MAX) {
        return false;
    }
    for (uint32_t k = 0; k < keys->n_fields; k++) {
        const struct data_type *type = keys->fields[k].type;
        nullable = nullable || type->nullable;
        n_views += type->layout == LAYOUT_VIEW;
        if (type->layout == LAYOUT_VIEW) {
            t->key_offsets[k] = 0;
            t->key_is_char = type->id == TYPE_CHAR;
            at = sizeof(struct view);
        }
    }
    for (uint32_t width = sizeof(struct view); width > 0; width--) {
        for (uint32_t k = 0; k < keys->n_fields; k++) {
            const struct data_type *type = keys->fields[k].type;
            if (type->layout != LAYOUT_VIEW && inline_width(type) == width) {
                t->key_offsets[k] = (uint8_t)MIN(at, (uint32_t)UINT8_MAX);
                at += width;
            }
        }
    }
    t->key_nulls_at = (uint8_t)(nullable ? at : 0);
    at += nullable;
    if (n_views > 1 || at > KEYED_KEY_WORDS_MAX * sizeof(uint64_t)) {
        return false;
    }
    t->key_words = (uint8_t)((at + 7) / 8);
    t->key_has_gaps = nullable || at % 8 != 0;
    t->key_has_view = n_views > 0;
    return true;
}

void keyed_key_layout(struct keyed_table *t)
{
    const struct schema *keys = t->key_schema;
    const struct data_type *type = keys->fields[0].type;
    t->key_layout = type->layout;
    t->key_is_char = type->id == TYPE_CHAR;
    t->key_words = 2;
    t->key_has_view = true;
    if (keys->n_fields == 1 && type->layout == LAYOUT_VIEW) {
        t->key_kind = KEYED_KEY_VIEW;
    } else if (keys->n_fields == 1 &&
               (type->layout == LAYOUT_BIT || (type->width > 0 && type->width <= 8))) {
        t->key_kind = KEYED_KEY_FIXED;
        t->key_words = 1;
        t->key_has_view = false;
        t->key_is_hash = type->layout != LAYOUT_F32; /* whose hash is that of a DOUBLE */
    } else {
        t->key_kind = layout_inline(t) ? KEYED_KEY_INLINE : KEYED_KEY_BYTES;
    }
}

#define LOAD_PART(stored, ctype, convert)                      \
    do {                                                       \
        const ctype *values = COLUMN_VALUES(c, const ctype);   \
        for (uint32_t i = 0; i < n; i++) {                     \
            stored v = convert(values[row_at(sel, from + i)]); \
            memcpy(to + (size_t)i * step, &v, sizeof(v));      \
        }                                                      \
    } while (0)

/* A column of the rows [from, from + n) to to + i * step. */
static void load_part(const struct column *c, const uint16_t *sel, uint32_t from, uint32_t n,
                      char *to, size_t step)
{
    switch (c->type->layout) {
    case LAYOUT_BIT:
        for (uint32_t i = 0; i < n; i++) {
            uint32_t row = row_at(sel, from + i);
            to[(size_t)i * step] = (char)((c->values->data[row >> 3] >> (row & 7)) & 1);
        }
        break;
    case LAYOUT_I8:
        LOAD_PART(int8_t, int8_t, );
        break;
    case LAYOUT_I16:
        LOAD_PART(int16_t, int16_t, );
        break;
    case LAYOUT_I32:
        LOAD_PART(int32_t, int32_t, );
        break;
    case LAYOUT_I64:
        LOAD_PART(int64_t, int64_t, );
        break;
    case LAYOUT_I128:
        LOAD_PART(__int128, __int128, );
        break;
    case LAYOUT_F32:
        LOAD_PART(uint32_t, float, canonical_f32);
        break;
    case LAYOUT_F64:
        LOAD_PART(uint64_t, double, canonical_f64);
        break;
    case LAYOUT_TS_NANO: {
        const struct ts_nano *values = COLUMN_VALUES(c, const struct ts_nano);
        for (uint32_t i = 0; i < n; i++) {
            const struct ts_nano *v = &values[row_at(sel, from + i)];
            memcpy(to + (size_t)i * step, &v->millis, sizeof(v->millis));
            memcpy(to + (size_t)i * step + sizeof(v->millis), &v->nanos, sizeof(v->nanos));
        }
        break;
    }
    default:
        ASSERT(!"a column of this layout has no fixed width");
    }
}

static void load_inline(const struct keyed_table *t, struct probe_block *p, const struct batch *b,
                        const uint32_t *key_columns, uint32_t from, uint32_t n)
{
    const uint16_t *sel = batch_sel(b);
    const size_t step = t->key_words * sizeof(uint64_t);
    char *keys = (char *)p->keys;
    if (t->key_has_gaps) {
        memset(keys, 0, n * step);
    }
    for (uint32_t k = 0; k < t->key_schema->n_fields; k++) {
        const struct column *c = &b->columns[key_columns[k]];
        if (c->type->layout != LAYOUT_VIEW) {
            load_part(c, sel, from, n, keys + t->key_offsets[k], step);
        } else if (t->key_is_char) {
            load_chars(p->keys, t->key_words, c, sel, from, n);
        } else {
            load_views(p->keys, t->key_words, c, sel, from, n);
        }
        if (c->validity == NULL || t->key_nulls_at == 0) {
            continue;
        }
        for (uint32_t i = 0; i < n; i++) {
            if (column_is_null(c, row_at(sel, from + i))) {
                char *key = keys + (size_t)i * step;
                memset(key + t->key_offsets[k], 0, inline_width(c->type));
                key[t->key_nulls_at] = (char)(key[t->key_nulls_at] | 1 << k);
            }
        }
    }
}

/* ---- several columns --------------------------------------------------------------------------- */

static void append_u32(struct str *out, uint32_t v)
{
    str_append(out, (const char *)&v, sizeof(v));
}

static void encode_cell(const struct column *c, uint32_t row, struct str *out)
{
    const struct data_type *type = c->type;
    if (column_is_null(c, row)) {
        str_append_char(out, 0);
        return;
    }
    str_append_char(out, 1);
    switch (type->layout) {
    case LAYOUT_BIT:
        str_append_char(out, column_get_bool(c, row) ? 1 : 0);
        break;
    case LAYOUT_F32:
        append_u32(out, canonical_f32(COLUMN_VALUES(c, const float)[row]));
        break;
    case LAYOUT_F64: {
        uint64_t bits = canonical_f64(COLUMN_VALUES(c, const double)[row]);
        str_append(out, (const char *)&bits, sizeof(bits));
        break;
    }
    case LAYOUT_TS_NANO: {
        const struct ts_nano *v = COLUMN_VALUES(c, const struct ts_nano) + row;
        str_append(out, (const char *)&v->millis, sizeof(v->millis));
        append_u32(out, (uint32_t)v->nanos);
        break;
    }
    case LAYOUT_VIEW: {
        struct slice s = column_get_bytes(c, row);
        size_t len = type->id == TYPE_CHAR ? trimmed_len(s.data, s.len) : s.len;
        append_u32(out, (uint32_t)len);
        str_append(out, s.data, len);
        break;
    }
    default:
        str_append(out, (const char *)c->values->data + (size_t)row * type->width, type->width);
        break;
    }
}

static int load_bytes(struct keyed_table *t, struct probe_block *p, const struct batch *b,
                      const uint32_t *key_columns, uint32_t from, uint32_t n, struct error *err)
{
    const uint16_t *sel = batch_sel(b);
    size_t ends[KEYED_BLOCK_ROWS];
    str_clear(&t->scratch);
    for (uint32_t i = 0; i < n; i++) {
        uint32_t row = row_at(sel, from + i);
        for (uint32_t k = 0; k < t->key_schema->n_fields; k++) {
            encode_cell(&b->columns[key_columns[k]], row, &t->scratch);
        }
        ends[i] = t->scratch.len;
    }
    size_t start = 0;
    for (uint32_t i = 0; i < n; i++) {
        size_t len = ends[i] - start;
        if (len > (size_t)INT32_MAX) {
            return error_set(err, ERR_TOO_LARGE, "a key has %zu bytes, the limit is 2147483647",
                             len);
        }
        probe_key_set_bytes(p->keys + (size_t)i * 2, t->scratch.data + start, len);
        start = ends[i];
    }
    return 0;
}

int probe_block_load(struct keyed_table *t, struct probe_block *p, const struct batch *b,
                     const uint32_t *key_columns, uint32_t from, uint32_t n, struct error *err)
{
    const uint16_t *sel = batch_sel(b);
    const uint64_t *hashes = (const uint64_t *)(const void *)b->hashes->data;
    for (uint32_t i = 0; i < n; i++) {
        p->hashes[i] = hashes[row_at(sel, from + i)];
    }
    p->has_nulls = false;
    if (t->key_kind == KEYED_KEY_BYTES) {
        return load_bytes(t, p, b, key_columns, from, n, err);
    }
    if (t->key_kind == KEYED_KEY_INLINE) {
        load_inline(t, p, b, key_columns, from, n);
        return 0;
    }
    const struct column *c = &b->columns[key_columns[0]];
    if (c->validity != NULL) {
        uint8_t any = 0;
        for (uint32_t i = 0; i < n; i++) {
            p->is_null[i] = column_is_null(c, row_at(sel, from + i));
            any |= p->is_null[i];
        }
        p->has_nulls = any != 0;
    }
    if (t->key_kind == KEYED_KEY_FIXED) {
        load_fixed(p, c, sel, from, n);
    } else if (t->key_is_char) {
        load_chars(p->keys, t->key_words, c, sel, from, n);
    } else {
        load_views(p->keys, t->key_words, c, sel, from, n);
    }
    return 0;
}

/* ---- stored keys --------------------------------------------------------------------------------- */

bool keyed_key_own(const struct keyed_table *t, struct state_heap *heap, char *inout_key)
{
    struct probe_key k;
    if (!keyed_key_is_long(t, inout_key, &k)) {
        return true;
    }
    char *bytes = state_heap_alloc(heap, probe_key_len(&k));
    if (bytes == NULL) {
        return false;
    }
    memcpy(bytes, (const void *)(uintptr_t)k.w1, probe_key_len(&k));
    k.w1 = (uint64_t)(uintptr_t)bytes;
    memcpy(inout_key, &k, sizeof(k));
    return true;
}

struct keyed_number keyed_key_find_number(const struct keyed_table *t, uint32_t column)
{
    const struct schema *keys = t->key_schema;
    ASSERT(column < keys->n_fields && keys->n_fields > 1);
    if (t->key_kind == KEYED_KEY_INLINE) {
        return (struct keyed_number){.at = t->key_offsets[column]};
    }
    struct keyed_number n = {.back = (uint32_t)sizeof(int64_t)};
    for (uint32_t k = column; k < keys->n_fields; k++) {
        const struct data_type *type = keys->fields[k].type;
        ASSERT(type->layout == LAYOUT_I64 && !type->nullable);
        n.back += k > column ? 1 + (uint32_t)sizeof(int64_t) : 0;
    }
    return n;
}

/* ---- back to columns --------------------------------------------------------------------------- */

static void put_fixed(const struct keyed_table *t, uint64_t bits, struct builder *out)
{
    switch (t->key_layout) {
    case LAYOUT_BIT:
        builder_put_bool(out, 0, bits != 0);
        break;
    case LAYOUT_F32: {
        uint32_t low = (uint32_t)bits;
        float v;
        memcpy(&v, &low, sizeof(v));
        builder_put_f64(out, 0, v);
        break;
    }
    case LAYOUT_F64: {
        double v;
        memcpy(&v, &bits, sizeof(v));
        builder_put_f64(out, 0, v);
        break;
    }
    default:
        builder_put_i64(out, 0, (int64_t)bits);
        break;
    }
}

static const char *key_data(const char *entry)
{
    struct probe_key k;
    memcpy(&k, entry, sizeof(k));
    return probe_key_len(&k) <= VIEW_INLINE_MAX ? entry + 4 : (const char *)(uintptr_t)k.w1;
}

/* Cells of a fixed width as encode_cell() left them; returns the bytes read. */
static size_t decode_fixed(const struct data_type *type, const char *in, uint32_t column,
                           struct builder *out)
{
    int64_t i = 0;
    switch (type->layout) {
    case LAYOUT_BIT:
        builder_put_bool(out, column, in[0] != 0);
        return 1;
    case LAYOUT_F32: {
        float v;
        memcpy(&v, in, sizeof(v));
        builder_put_f64(out, column, v);
        return sizeof(v);
    }
    case LAYOUT_F64: {
        double v;
        memcpy(&v, in, sizeof(v));
        builder_put_f64(out, column, v);
        return sizeof(v);
    }
    case LAYOUT_TS_NANO: {
        struct ts_nano v = {0};
        memcpy(&v.millis, in, sizeof(v.millis));
        memcpy(&v.nanos, in + sizeof(v.millis), sizeof(v.nanos));
        builder_put_ts_nano(out, column, v);
        return sizeof(v.millis) + sizeof(v.nanos);
    }
    case LAYOUT_I128: {
        __int128 v;
        memcpy(&v, in, sizeof(v));
        builder_put_i128(out, column, v);
        return sizeof(v);
    }
    case LAYOUT_I8:
        i = (int8_t)in[0];
        break;
    case LAYOUT_I16: {
        int16_t v;
        memcpy(&v, in, sizeof(v));
        i = v;
        break;
    }
    case LAYOUT_I32: {
        int32_t v;
        memcpy(&v, in, sizeof(v));
        i = v;
        break;
    }
    default:
        memcpy(&i, in, sizeof(i));
        break;
    }
    builder_put_i64(out, column, i);
    return type->width;
}

static int decode_bytes(const struct keyed_table *t, const char *in, struct builder *out,
                        struct error *err)
{
    for (uint32_t k = 0; k < t->key_schema->n_fields; k++) {
        const struct data_type *type = t->key_schema->fields[k].type;
        if (*in++ == 0) {
            builder_put_null(out, k);
        } else if (type->layout == LAYOUT_VIEW) {
            uint32_t len;
            memcpy(&len, in, sizeof(len));
            TRY(builder_put_bytes(out, k, in + sizeof(len), len, err));
            in += sizeof(len) + len;
        } else {
            in += decode_fixed(type, in, k, out);
        }
    }
    return 0;
}

/* Row i of the only column, which is of fixed width. */
static void put_fixed_keys(const struct keyed_table *t, const struct keyed_entry *entries,
                           uint32_t n, struct builder *out)
{
    const uint32_t width = t->key_schema->fields[0].type->width;
    char *values = out->out.columns[0].values;
    for (uint32_t i = 0; i < n; i++) {
        if (width == sizeof(uint64_t)) {
            memcpy(values + (size_t)i * sizeof(uint64_t), entries[i].entry, sizeof(uint64_t));
        } else {
            memcpy(values + (size_t)i * width, entries[i].entry, width);
        }
    }
}

/* ---- several columns inline, back */

#define PUT_PART(width)                                                           \
    for (uint32_t i = 0; i < n; i++) {                                            \
        memcpy(values + (size_t)i * (width), entries[i].entry + offset, (width)); \
    }

/* Column k of INLINE keys whose values lie in the builder as they do in the key; false: it is another. */
static bool put_plain_part(const struct keyed_table *t, uint32_t k,
                           const struct keyed_entry *entries, uint32_t n, struct builder *out)
{
    const struct data_type *type = t->key_schema->fields[k].type;
    const uint32_t offset = t->key_offsets[k];
    char *values = out->out.columns[k].values;
    if (type->layout == LAYOUT_BIT || type->layout == LAYOUT_VIEW ||
        type->layout == LAYOUT_TS_NANO) {
        return false;
    }
    switch (type->width) {
    case 1:
        PUT_PART(1)
        break;
    case 2:
        PUT_PART(2)
        break;
    case 4:
        PUT_PART(4)
        break;
    case 8:
        PUT_PART(8)
        break;
    default:
        PUT_PART(16)
        break;
    }
    return true;
}

static int put_inline_keys(const struct keyed_table *t, const struct keyed_entry *entries,
                           uint32_t n, struct builder *out, struct error *err)
{
    for (uint32_t k = 0; k < t->key_schema->n_fields; k++) {
        const struct data_type *type = t->key_schema->fields[k].type;
        bool is_put = put_plain_part(t, k, entries, n, out);
        if (is_put && !type->nullable) {
            continue;
        }
        for (uint32_t i = 0; i < n; i++) {
            const char *entry = entries[i].entry;
            out->out.n = i;
            if (t->key_nulls_at != 0 && (entry[t->key_nulls_at] >> k & 1) != 0) {
                builder_put_null(out, k);
            } else if (!is_put && type->layout == LAYOUT_VIEW) {
                uint32_t len;
                memcpy(&len, entry, sizeof(len));
                TRY(builder_put_bytes(out, k, key_data(entry), len, err));
            } else if (!is_put) {
                decode_fixed(type, entry + t->key_offsets[k], k, out);
            }
        }
    }
    return 0;
}

static int put_key(const struct keyed_table *t, const char *entry, struct builder *out,
                   struct error *err)
{
    if (t->key_kind == KEYED_KEY_BYTES) {
        return decode_bytes(t, key_data(entry), out, err);
    }
    uint64_t w0;
    memcpy(&w0, entry, sizeof(w0));
    if (t->key_kind == KEYED_KEY_FIXED) {
        put_fixed(t, w0, out);
        return 0;
    }
    return builder_put_bytes(out, 0, key_data(entry), (uint32_t)w0, err);
}

int keyed_table_put_keys(const struct keyed_table *t, const struct keyed_entry *entries, uint32_t n,
                         struct builder *out, struct error *err)
{
    if (t->key_kind == KEYED_KEY_INLINE) {
        return put_inline_keys(t, entries, n, out, err);
    }
    bool plain = t->key_kind == KEYED_KEY_FIXED && t->key_layout != LAYOUT_BIT;
    if (plain) {
        put_fixed_keys(t, entries, n, out);
    }
    for (uint32_t i = 0; i < n; i++) {
        out->out.n = i;
        if (entries[i].is_null) {
            builder_put_null(out, 0);
        } else if (!plain) {
            TRY(put_key(t, entries[i].entry, out, err));
        }
    }
    return 0;
}

void keyed_entries_builder(struct builder *b, struct buffer_pool *pool, const struct schema *schema,
                           uint32_t n)
{
    ASSERT(n > 0 && n <= BATCH_ROWS_MAX);
    builder_init(b, pool, schema, BATCH_ROWS_MAX);
    /* The caller chose the number of rows; they were within the limit of a row when they came. */
    b->target_bytes = UINT64_MAX;
    b->max_row_bytes = UINT64_MAX;
    b->rows_hint = n;
    builder_begin(b);
    ASSERT(b->out.cap >= n);
}

int keyed_table_read_keys(const struct keyed_table *t, struct buffer_pool *pool,
                          const uint32_t *slots, uint32_t n, struct batch **ret_batch,
                          struct error *err)
{
    struct builder out;
    struct keyed_entry entries[KEYED_BLOCK_ROWS];
    int rc = 0;
    keyed_entries_builder(&out, pool, t->key_schema, n);
    struct keyed_entry *all =
        n <= KEYED_BLOCK_ROWS ? entries : MEM_NEW_ARRAY(struct keyed_entry, n);
    for (uint32_t i = 0; i < n; i++) {
        all[i] = (struct keyed_entry){.entry = t->entries + (size_t)slots[i] * t->stride,
                                      .is_null = slots[i] == t->null_slot};
    }
    rc = keyed_table_put_keys(t, all, n, &out, err);
    if (all != entries) {
        mem_free(all);
    }
    if (rc == 0) {
        out.out.n = n;
        *ret_batch = builder_finish(&out);
    }
    builder_fini(&out);
    return rc;
}
