/* Values of JSON to columns; see json.h.
 *
 * What the type expects goes the short way, straight from the text to the column.  Everything else (numbers in strings, strings in numbers,
 * fractions, times) goes by the token's text.  Functions return where they stopped, or NULL with the reason in the decoder. */
#include "formats/json/json.h"

#include "common/text/utf8.h"

#include <math.h>
#include <stdlib.h>

/* ---- columns ------------------------------------------------------------------------------------------------- */

static ALWAYS_INLINE void store_i64(struct json_decoder *d, struct json_field *f, int64_t v)
{
    if (UNLIKELY(f->cell != NULL)) {
        builder_add_i64(d->b, f->cell, v);
        return;
    }
    void *values = d->out->columns[f->column].values;
    switch (f->type->layout) {
    case LAYOUT_I8:
        ((int8_t *)values)[d->out->n] = (int8_t)v;
        return;
    case LAYOUT_I16:
        ((int16_t *)values)[d->out->n] = (int16_t)v;
        return;
    case LAYOUT_I32:
        ((int32_t *)values)[d->out->n] = (int32_t)v;
        return;
    default:
        ((int64_t *)values)[d->out->n] = v;
    }
}

static void store_bool(struct json_decoder *d, struct json_field *f, bool v)
{
    if (f->cell != NULL) {
        builder_add_bool(d->b, f->cell, v);
    } else {
        flinc_out_put_bool(d->out, f->column, v);
    }
}

static ALWAYS_INLINE void store_f64(struct json_decoder *d, struct json_field *f, double v)
{
    if (UNLIKELY(f->cell != NULL)) {
        builder_add_f64(d->b, f->cell, v);
    } else {
        flinc_out_put_double(d->out, f->column, v);
    }
}

static void store_f32(struct json_decoder *d, struct json_field *f, float v)
{
    if (f->cell != NULL) {
        builder_add_f64(d->b, f->cell, (double)v);
    } else {
        flinc_out_put_float(d->out, f->column, v);
    }
}

static void store_decimal(struct json_decoder *d, struct json_field *f, __int128 v)
{
    if (f->cell != NULL) {
        builder_add_i128(d->b, f->cell, v);
    } else {
        builder_put_i128(d->b, f->column, v);
    }
}

static void store_timestamp(struct json_decoder *d, struct json_field *f, struct ts_nano v)
{
    static const int32_t units[] = {1000000, 100000, 10000, 1000, 100, 10, 1};

    if (f->type->layout != LAYOUT_TS_NANO) {
        store_i64(d, f, cell_timestamp_units(f->type, v));
        return;
    }
    v.nanos -= v.nanos % units[f->type->precision - 3];
    if (f->cell != NULL) {
        builder_add_ts_nano(d->b, f->cell, v);
    } else {
        builder_put_ts_nano(d->b, f->column, v);
    }
}

/* False: too long. */
static ALWAYS_INLINE bool store_bytes(struct json_decoder *d, struct json_field *f,
                                      struct slice text)
{
    if (LIKELY(f->cell == NULL)) {
        flinc_out_put_string(d->out, f->column, (flinc_string){text.data, text.len});
        return LIKELY(d->out->status >= 0);
    }
    return builder_add_bytes(d->b, f->cell, text.data, text.len, NULL) == 0;
}

static COLD const char *too_long(struct json_decoder *d, const char *at, const struct json_field *f,
                                 size_t len)
{
    d->out->status = 0;
    (void)json_fail(d, at, "field '%.*s': a value of %zu bytes is over the limit of a row",
                    (int)f->name.len, f->name.data, len);
    d->wrong_code = FLINC_FORMAT_TOO_LARGE;
    return NULL;
}

bool json_store_null(struct json_decoder *d, struct json_field *f)
{
    if (!f->nullable) {
        return false;
    }
    if (f->cell != NULL) {
        builder_add_null(d->b, f->cell);
    } else {
        builder_put_null(d->b, f->column);
    }
    return true;
}

static COLD const char *no_null(struct json_decoder *d, const struct json_field *f, const char *at)
{
    return json_fail(d, at, "field '%.*s' is NOT NULL and has no value", (int)f->name.len,
                     f->name.data);
}

/* ---- what does not fit ------------------------------------------------------------------------------------------- */

/* The value from p to end is none of the field's type: an error, or NULL. */
static COLD const char *bad_value(struct json_decoder *d, struct json_field *f, const char *p,
                                  const char *end)
{
    STR_AUTO type = STR_INIT;

    if (end == NULL) {
        return NULL;
    }
    if (d->ignores_errors) {
        d->n_nulled++;
        return json_store_null(d, f) ? end : no_null(d, f, p);
    }
    type_print(f->type, &type);
    size_t shown = utf8_truncate(p, (size_t)(end - p), 40);
    return json_fail(d, p, "Fail to deserialize at field: %.*s: %.*s%s is no %.60s",
                     (int)f->name.len, f->name.data, (int)shown, p,
                     shown < (size_t)(end - p) ? "..." : "", str_cstr(&type));
}

/* ---- by the token's text ------------------------------------------------------------------------------------------- */

enum token { TOKEN_STRING, TOKEN_WHOLE, TOKEN_NUMBER, TOKEN_WORD };

static struct slice trim(struct slice s)
{
    while (s.len > 0 && (uint8_t)s.data[0] <= ' ') {
        s = slice_make(s.data + 1, s.len - 1);
    }
    while (s.len > 0 && (uint8_t)s.data[s.len - 1] <= ' ') {
        s.len--;
    }
    return s;
}

/* A whole number of `bits`; of INT and BIGINT a fraction is cut. */
static int convert_whole(struct json_decoder *d, struct json_field *f, struct slice text,
                         enum token token, uint32_t bits)
{
    int64_t v, most = (int64_t)(UINT64_MAX >> (65 - bits));

    if (token == TOKEN_NUMBER && bits >= 32) {
        double number;
        TRY(cell_parse_double(text, &number));
        if (!(number < (double)most + (bits < 64) &&
              number > -(double)most - (bits < 64 ? 2 : 2048))) {
            return ERR_TOO_LARGE;
        }
        v = (int64_t)number;
    } else {
        TRY(cell_parse_int64(text, &v));
    }
    if (v > most || v < -most - 1) {
        return ERR_TOO_LARGE;
    }
    store_i64(d, f, v);
    return 0;
}

static int convert_decimal(struct json_decoder *d, struct json_field *f, struct slice text)
{
    __int128 v;
    int rc =
        cell_parse_decimal(text, (struct decimal_type){f->type->precision, f->type->scale}, &v);

    if (rc == ERR_TOO_LARGE && f->nullable) { /* as DecimalData.fromBigDecimal() */
        (void)json_store_null(d, f);
        return 0;
    }
    TRY(rc);
    store_decimal(d, f, v);
    return 0;
}

static int convert_time(struct json_decoder *d, struct json_field *f, struct slice text)
{
    struct ts_nano t;
    int64_t days;
    int32_t millis;

    switch (f->op) {
    case JSON_OP_DATE:
        TRY(cell_parse_date(text, &days));
        store_i64(d, f, days);
        return 0;
    case JSON_OP_TIME:
        TRY(cell_parse_time(text, &millis));
        store_i64(d, f, millis);
        return 0;
    default:
        TRY(cell_parse_timestamp(text, d->time_style, f->type->id == TYPE_TIMESTAMP_LTZ, &t));
        store_timestamp(d, f, t);
        return 0;
    }
}

static int convert_bytes(struct json_decoder *d, struct json_field *f, struct slice text)
{
    /* The text may lie in `scratch`. */
    str_clear(&d->member);
    TRY(cell_parse_base64(text, &d->member));
    return store_bytes(d, f, slice_make(str_cstr(&d->member), d->member.len)) ? 0 : ERR_TOO_LARGE;
}

static int convert(struct json_decoder *d, struct json_field *f, struct slice text,
                   enum token token)
{
    double v;
    float single;

    switch (f->op) {
    case JSON_OP_BOOL:
        store_bool(d, f, cell_parse_bool(trim(text)));
        return 0;
    case JSON_OP_I8:
        return convert_whole(d, f, trim(text), token, 8);
    case JSON_OP_I16:
        return convert_whole(d, f, trim(text), token, 16);
    case JSON_OP_I32:
        return convert_whole(d, f, trim(text), token, 32);
    case JSON_OP_I64:
        return convert_whole(d, f, trim(text), token, 64);
    case JSON_OP_F32:
        TRY(cell_parse_float(trim(text), &single));
        store_f32(d, f, single);
        return 0;
    case JSON_OP_F64:
        TRY(cell_parse_double(trim(text), &v));
        store_f64(d, f, v);
        return 0;
    case JSON_OP_DECIMAL:
        return convert_decimal(d, f, trim(text));
    case JSON_OP_DATE:
    case JSON_OP_TIME:
    case JSON_OP_TIMESTAMP:
        return convert_time(d, f, text);
    case JSON_OP_STRING:
        return store_bytes(d, f, text) ? 0 : ERR_TOO_LARGE;
    case JSON_OP_BYTES:
        return convert_bytes(d, f, text);
    default:
        return ERR_PARSE;
    }
}

/* An object or an array where something flat is wanted. */
static const char *bracket_value(struct json_decoder *d, struct json_field *f, const char *p)
{
    const char *end = json_skip(d, p);

    if (end == NULL || f->op != JSON_OP_STRING) {
        return bad_value(d, f, p, end);
    }
    str_clear(&d->scratch);
    json_append_compact(&d->scratch, p, end);
    return store_bytes(d, f, slice_make(str_cstr(&d->scratch), d->scratch.len))
               ? end
               : too_long(d, p, f, d->scratch.len);
}

/* Any value, by its text. */
static const char *other_value(struct json_decoder *d, struct json_field *f, const char *p)
{
    enum token token;
    struct slice text;
    const char *end;
    bool is_whole;

    if (*p == '"') {
        token = TOKEN_STRING;
        end = json_string(d, p, &d->scratch, &text);
    } else if (*p == '{' || *p == '[') {
        return bracket_value(d, f, p);
    } else if (*p == 't' || *p == 'f') {
        token = TOKEN_WORD;
        end = json_skip(d, p);
        text = slice_make(p, end != NULL ? (size_t)(end - p) : 0);
    } else {
        end = json_number(d, p, &is_whole);
        token = is_whole ? TOKEN_WHOLE : TOKEN_NUMBER;
        text = slice_make(p, end != NULL ? (size_t)(end - p) : 0);
    }
    if (end == NULL) {
        return NULL;
    }
    if (f->op == JSON_OP_NULL) {
        return json_store_null(d, f) ? end : no_null(d, f, p);
    }
    int rc = convert(d, f, text, token);
    if (UNLIKELY(rc != 0)) {
        bool is_bytes = f->op == JSON_OP_STRING || f->op == JSON_OP_BYTES;
        return is_bytes && rc == ERR_TOO_LARGE ? too_long(d, p, f, text.len)
                                               : bad_value(d, f, p, end);
    }
    return end;
}

/* ---- numbers ---------------------------------------------------------------------------------------------------------- */

/* A whole number of at most 18 digits that fits; NULL: see other_value(). */
static ALWAYS_INLINE const char *short_whole(struct json_decoder *d, struct json_field *f,
                                             const char *p)
{
    bool is_negative = *p == '-';
    const char *q = p + is_negative;
    uint32_t n;
    uint64_t v = cell_scan_digits(q, &n);
    char behind = q[n < 24 ? n : 0];

    if (n - 1 > 17 || (*q == '0' && n > 1) || behind == '.' || (behind | 0x20) == 'e') {
        return NULL;
    }
    int64_t value = is_negative ? -(int64_t)v : (int64_t)v;
    if (f->op == JSON_OP_I32 && UNLIKELY(value != (int32_t)value)) {
        return NULL;
    }
    store_i64(d, f, value);
    return q + n;
}

/* ---- nested ------------------------------------------------------------------------------------------------------------ */

static void close_nested(struct json_decoder *d, struct json_field *f)
{
    if (f->cell != NULL) {
        builder_add_nested(d->b, f->cell);
    } else {
        builder_put_nested(d->b, f->column);
    }
}

static const char *array_value(struct json_decoder *d, struct json_field *f, const char *p)
{
    if (*p != '[') {
        return bad_value(d, f, p, json_skip(d, p));
    }
    p = json_skip_blanks(d, p + 1);
    if (*p == ']') {
        close_nested(d, f);
        return p + 1;
    }
    for (;;) {
        p = json_value(d, &f->children[0], p);
        if (p == NULL) {
            return NULL;
        }
        p = json_skip_blanks(d, p);
        if (*p == ']') {
            close_nested(d, f);
            return p + 1;
        }
        if (*p != ',') {
            return json_expected(d, p, "',' or ']'");
        }
        p = json_skip_blanks(d, p + 1);
    }
}

static const char *row_value(struct json_decoder *d, struct json_field *f, const char *p)
{
    if (*p != '{') {
        return bad_value(d, f, p, json_skip(d, p));
    }
    p = json_members(d, f->object, p);
    if (p != NULL) {
        close_nested(d, f);
    }
    return p;
}

/* ---- maps ------------------------------------------------------------------------------------------------------------------ */

/* Behind the name at p and its colon, at its value. */
static const char *map_key(struct json_decoder *d, const char *p, struct slice *ret_text)
{
    if (*p != '"') {
        return json_expected(d, p, "a name in quotes");
    }
    p = json_string(d, p, &d->member, ret_text);
    if (p == NULL) {
        return NULL;
    }
    p = json_skip_blanks(d, p);
    return *p == ':' ? json_skip_blanks(d, p + 1) : json_expected(d, p, "':'");
}

/* Behind an entry: at the next name, or behind the bracket with *ret_ends. */
static const char *map_next(struct json_decoder *d, const char *p, bool *ret_ends)
{
    p = json_skip_blanks(d, p);
    *ret_ends = *p == '}';
    if (*p == '}') {
        return p + 1;
    }
    return *p == ',' ? json_skip_blanks(d, p + 1) : json_expected(d, p, "',' or '}'");
}

static bool has_key(const struct slice *keys, uint32_t n, struct slice key)
{
    for (uint32_t i = 0; i < n; i++) {
        if (slice_eq(keys[i], key)) {
            return true;
        }
    }
    return false;
}

static int compare_entries(const void *a, const void *b, void *arg)
{
    const struct json_decoder *d = arg;
    const struct json_entry *x = a, *y = b;
    int order = slice_compare(slice_make(d->keys.data + x->key, x->key_len),
                              slice_make(d->keys.data + y->key, y->key_len));

    return order != 0 ? order : (x->value > y->value) - (x->value < y->value);
}

static int compare_places(const void *a, const void *b)
{
    const struct json_entry *x = a, *y = b;

    return (x->value > y->value) - (x->value < y->value);
}

/* Of equal keys the last counts: `last` of the others is false. */
static void mark_last_keys(struct json_decoder *d, struct json_entry *entries, size_t n)
{
    qsort_r(entries, n, sizeof(*entries), compare_entries, d);
    for (size_t i = 0; i < n; i++) {
        entries[i].last =
            i + 1 == n ||
            !slice_eq(slice_make(d->keys.data + entries[i].key, entries[i].key_len),
                      slice_make(d->keys.data + entries[i + 1].key, entries[i + 1].key_len));
    }
    qsort(entries, n, sizeof(*entries), compare_places);
}

/* The entries of the map at p, behind those that maps around it have; NULL: it is malformed. */
static const char *list_entries(struct json_decoder *d, const char *p)
{
    for (bool ends = false; !ends;) {
        struct slice key;
        p = map_key(d, p, &key);
        if (p == NULL) {
            return NULL;
        }
        struct json_entry e = {.key = d->keys.len, .key_len = key.len, .value = p};
        str_append_slice(&d->keys, key);
        *VEC_PUSH(&d->entries, struct json_entry) = e;
        p = json_skip(d, p);
        p = p != NULL ? map_next(d, p, &ends) : NULL;
        if (p == NULL) {
            return NULL;
        }
    }
    return p;
}

/* A map with equal keys, or with many: first all entries, then those that count. */
static const char *sorted_map(struct json_decoder *d, struct json_field *f, const char *p)
{
    size_t first = d->entries.len, keys = d->keys.len;
    const char *end = list_entries(d, p);
    size_t past = d->entries.len;

    if (end != NULL) {
        mark_last_keys(d, VEC_AT(&d->entries, struct json_entry, first), past - first);
    }
    for (size_t i = first; end != NULL && i < past; i++) {
        struct json_entry e = *VEC_AT(&d->entries, struct json_entry, i);
        if (!e.last) {
            continue;
        }
        if (!store_bytes(d, &f->children[0], slice_make(d->keys.data + e.key, e.key_len))) {
            end = too_long(d, e.value, f, e.key_len);
        } else if (json_value(d, &f->children[1], e.value) == NULL) {
            end = NULL;
        }
    }
    d->entries.len = first;
    d->keys.len = keys;
    if (end != NULL) {
        close_nested(d, f);
    }
    return end;
}

static const char *map_value(struct json_decoder *d, struct json_field *f, const char *p)
{
    struct slice keys[JSON_MAP_PLAIN_MAX];
    uint32_t n = 0;

    if (*p != '{') {
        return bad_value(d, f, p, json_skip(d, p));
    }
    p = json_skip_blanks(d, p + 1);
    const char *begin = p;
    if (*p == '}') {
        close_nested(d, f);
        return p + 1;
    }
    struct builder_column *key_cell = f->children[0].cell, *value_cell = f->children[1].cell;
    uint32_t rows = builder_column_rows(key_cell);
    for (bool ends = false; !ends; n++) {
        struct slice key;
        p = map_key(d, p, &key);
        if (p == NULL) {
            return NULL;
        }
        bool is_copy = key.data == d->member.data; /* it had escapes: gone with the next */
        if (n == JSON_MAP_PLAIN_MAX || is_copy || has_key(keys, n, key)) {
            builder_truncate(key_cell, rows);
            builder_truncate(value_cell, rows);
            return sorted_map(d, f, begin);
        }
        keys[n] = key;
        if (!store_bytes(d, &f->children[0], key)) {
            return too_long(d, p, f, key.len);
        }
        p = json_value(d, &f->children[1], p);
        p = p != NULL ? map_next(d, p, &ends) : NULL;
        if (p == NULL) {
            return NULL;
        }
    }
    close_nested(d, f);
    return p;
}

/* ---- any value --------------------------------------------------------------------------------------------------------------- */

static const char *null_value(struct json_decoder *d, struct json_field *f, const char *p)
{
    const char *end = json_skip(d, p);

    return end == NULL || json_store_null(d, f) ? end : no_null(d, f, p);
}

const char *json_value(struct json_decoder *d, struct json_field *f, const char *p)
{
    const char *end = NULL;
    struct slice text;
    double v;

    if (UNLIKELY(*p == 'n')) {
        return null_value(d, f, p);
    }
    switch (f->op) {
    case JSON_OP_STRING:
        if (LIKELY(*p == '"')) {
            end = json_string(d, p, &d->scratch, &text);
            return UNLIKELY(end != NULL && !store_bytes(d, f, text)) ? too_long(d, p, f, text.len)
                                                                     : end;
        }
        break;
    case JSON_OP_I32:
    case JSON_OP_I64:
        end = short_whole(d, f, p);
        break;
    case JSON_OP_F64:
        if (LIKELY(cell_scan_short_double(p, &end, &v))) {
            store_f64(d, f, v);
        } else {
            end = NULL;
        }
        break;
    case JSON_OP_BOOL:
        if (*p == 't' || *p == 'f') {
            end = json_skip(d, p);
            if (end != NULL) {
                store_bool(d, f, *p == 't');
            }
            return end;
        }
        break;
    case JSON_OP_ARRAY:
        return array_value(d, f, p);
    case JSON_OP_MAP:
        return map_value(d, f, p);
    case JSON_OP_ROW:
        return row_value(d, f, p);
    default:
        break;
    }
    return LIKELY(end != NULL) ? end : other_value(d, f, p);
}
