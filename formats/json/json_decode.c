/* Records of JSON to rows; see json.h.
 *
 * Members are predicted: what stood at a place of the last record's object is compared with the text, name, quotes and colon at once,
 * before anything is looked up.
 *
 * Thread: one owner.  Flink: JsonRowDataDeserializationSchema. */
#include "formats/json/json.h"

#include "common/text/utf8.h"

#include <stdio.h>

enum {
    PADDING = CELL_SCAN_PADDING,
    NESTED_CHECK_ROWS =
        32, /* after so many rows with nested columns the batch's bytes are looked at */
    LARGE_RECORD_BYTES = 16 * 1024 /* after such a record, too */
};

/* ---- members ------------------------------------------------------------------------------------------------ */

static ALWAYS_INLINE bool slot_fits(const struct json_slot *s, const char *p)
{
    uint32_t words = s->len / 8, rest = s->len % 8;

    for (uint32_t i = 0; i < words; i++) {
        if (cell_load(p + (size_t)i * 8) != s->text[i]) {
            return false;
        }
    }
    return rest == 0 || (cell_load(p + (size_t)words * 8) ^ s->text[words]) << (64 - 8 * rest) == 0;
}

/* Behind `"name":` at p, by a look-up; the place remembers it. */
static COLD const char *find_member(struct json_decoder *d, struct json_object *o, uint32_t place,
                                    const char *p, int32_t *ret_field)
{
    struct slice name;

    if (*p != '"') {
        return json_expected(d, p, "a name in quotes");
    }
    const char *behind = json_string(d, p, &d->member, &name);
    if (behind == NULL) {
        return NULL;
    }
    *ret_field = json_find_field(o, name);
    size_t len = (size_t)(behind - p) + 1;
    if (*behind == ':' && len <= JSON_SLOT_BYTES && place < JSON_SLOTS_MAX && place <= o->n_slots) {
        struct json_slot *s = &o->slots[place];
        *s = (struct json_slot){.len = (uint32_t)len, .field = *ret_field};
        memcpy(s->text, p, len);
        o->n_slots = MAX(o->n_slots, place + 1);
    }
    behind = json_skip_blanks(d, behind);
    return *behind == ':' ? behind + 1 : json_expected(d, behind, "':'");
}

/* A second value of a member: the last counts. */
static COLD void forget_value(struct json_decoder *d, struct json_field *f)
{
    if (f->cell != NULL) {
        builder_truncate(f->cell, builder_column_rows(f->cell) - 1);
    } else {
        builder_cancel_cell(d->b, f->column);
    }
}

static COLD const char *missing(struct json_decoder *d, const struct json_object *o, const char *p)
{
    for (uint32_t i = 0; i < o->n_fields; i++) {
        const struct json_field *f = &o->fields[i];
        if (f->seen != o->count) {
            return json_fail(d, p, "Could not find field with name '%.*s'", (int)f->name.len,
                             f->name.data);
        }
    }
    return p;
}

/* The object ends behind p, and has not all fields. */
static const char *add_missing(struct json_decoder *d, struct json_object *o, const char *p)
{
    if (d->fails_on_missing) {
        return missing(d, o, p);
    }
    for (uint32_t i = 0; i < o->n_fields; i++) {
        struct json_field *f = &o->fields[i];
        if (f->seen != o->count && UNLIKELY(!json_store_null(d, f))) {
            return json_fail(d, p, "field '%.*s' is NOT NULL and missing", (int)f->name.len,
                             f->name.data);
        }
    }
    return p;
}

const char *json_members(struct json_decoder *d, struct json_object *o, const char *p)
{
    uint32_t n_seen = 0;

    o->count++;
    p = json_skip_blanks(d, p + 1);
    if (UNLIKELY(*p == '}')) {
        return o->n_fields > 0 ? add_missing(d, o, p + 1) : p + 1;
    }
    for (uint32_t place = 0;; place++) {
        const struct json_slot *s = &o->slots[place];
        int32_t number;
        if (LIKELY(place < o->n_slots && slot_fits(s, p))) {
            p += s->len;
            number = s->field;
        } else {
            p = find_member(d, o, place, p, &number);
            if (p == NULL) {
                return NULL;
            }
        }
        p = json_skip_blanks(d, p);
        if (number < 0) {
            p = json_skip(d, p);
        } else {
            struct json_field *f = &o->fields[number];
            if (UNLIKELY(f->seen == o->count)) {
                forget_value(d, f);
                n_seen--;
            }
            f->seen = o->count;
            n_seen++;
            p = json_value(d, f, p);
        }
        if (UNLIKELY(p == NULL)) {
            return NULL;
        }
        p = json_skip_blanks(d, p);
        if (*p == '}') {
            return LIKELY(n_seen == o->n_fields) ? p + 1 : add_missing(d, o, p + 1);
        }
        if (UNLIKELY(*p != ',')) {
            return json_expected(d, p, "',' or '}'");
        }
        p = json_skip_blanks(d, p + 1);
    }
}

/* ---- records -------------------------------------------------------------------------------------------------- */

enum record_result { RECORD_READ, RECORD_WRONG, RECORD_BATCH_FULL };

static bool has_room(struct json_decoder *d)
{
    if (LIKELY(d->out->n < d->out->cap)) {
        return true;
    }
    if (builder_is_full(d->b) || d->out->n >= BATCH_ROWS_MAX) {
        return false;
    }
    builder_begin(d->b);
    return true;
}

/* A batch whose bytes are in nested columns does not become full by itself. */
static bool is_heavy(const struct json_decoder *d, size_t record_bytes)
{
    return (record_bytes >= LARGE_RECORD_BYTES ||
            (d->has_nested && d->out->n % NESTED_CHECK_ROWS == 0)) &&
           builder_is_full(d->b);
}

/* One row of the object at p; NULL: it is wrong. */
static const char *row(struct json_decoder *d, const char *p)
{
    if (UNLIKELY(*p != '{')) {
        return json_expected(d, p, "an object");
    }
    p = json_members(d, &d->top, p);
    if (LIKELY(p != NULL)) {
        d->out->n++;
    }
    return p;
}

/* An array of objects: a row for each; *inout_rows of them were read before. */
static enum record_result rows(struct json_decoder *d, const char *p, const char **ret_end,
                               uint64_t *inout_rows)
{
    uint64_t before = *inout_rows;

    *inout_rows = 0;
    p = json_skip_blanks(d, p + 1);
    if (*p == ']') {
        *ret_end = p + 1;
        return RECORD_READ;
    }
    for (uint64_t i = 0;; i++) {
        if (i < before || *p == 'n') {
            p = json_skip(d, p);
        } else if (!has_room(d) || (i > before && is_heavy(d, (size_t)(p - d->begin)))) {
            *inout_rows = i;
            return RECORD_BATCH_FULL;
        } else {
            p = row(d, p);
        }
        p = p != NULL ? json_skip_blanks(d, p) : NULL;
        if (p == NULL) {
            return RECORD_WRONG;
        }
        if (*p == ']') {
            *ret_end = p + 1;
            return RECORD_READ;
        }
        if (*p != ',') {
            (void)json_expected(d, p, "',' or ']'");
            return RECORD_WRONG;
        }
        p = json_skip_blanks(d, p + 1);
    }
}

/* The record from begin to end, behind which is a sentinel. */
static enum record_result record(struct json_decoder *d, uint64_t *inout_rows)
{
    const char *p = json_skip_blanks(d, d->begin);
    bool is_row = *p == '{';

    if (UNLIKELY(p == d->end)) {
        return RECORD_READ; /* nothing in it */
    }
    if (LIKELY(is_row)) {
        if (UNLIKELY(!has_room(d))) {
            return RECORD_BATCH_FULL;
        }
        p = row(d, p);
    } else if (*p == '[') {
        enum record_result r = rows(d, p, &p, inout_rows);
        if (r != RECORD_READ) {
            return r;
        }
    } else if (*p == 'n') {
        p = json_skip(d, p);
    } else {
        p = json_expected(d, p, "an object");
    }
    if (UNLIKELY(p == NULL)) {
        return RECORD_WRONG;
    }
    p = json_skip_blanks(d, p);
    if (UNLIKELY(p != d->end)) {
        d->out->n -= is_row; /* it is not good */
        (void)json_expected(d, p, "the end of the record");
        return RECORD_WRONG;
    }
    return RECORD_READ;
}

/* ---- the data ---------------------------------------------------------------------------------------------------- */

/* The record as d->begin and d->end: in its place, or as a copy when too little follows it. */
static void locate(struct json_decoder *d, const char *p, const char *end, const char *data_end)
{
    if (LIKELY(d->is_stream && data_end - end >= PADDING)) {
        d->begin = p;
        d->end = end;
        return;
    }
    size_t len = (size_t)(end - p);
    str_clear(&d->record);
    str_reserve(&d->record, len + PADDING);
    memcpy(d->record.data, p, len);
    memset(d->record.data + len, 0, PADDING);
    d->begin = d->record.data;
    d->end = d->record.data + len;
}

static COLD int report(const struct json_decoder *d, uint64_t offset, flinc_format_error *error)
{
    size_t len = (size_t)(d->end - d->begin);
    size_t shown = utf8_truncate(d->begin, len, 80);
    STR_AUTO text = STR_INIT;

    utf8_append_clean(&text, d->begin, shown);
    return flinc_format_fail(error, (enum flinc_format_code)d->wrong_code,
                             offset + (uint64_t)(d->wrong_at - d->begin),
                             "Failed to deserialize JSON '%s%s': %s", str_cstr(&text),
                             shown < len ? "..." : "", d->wrong);
}

/* Reads the record at p, up to end. */
static int take_record(struct json_decoder *d, const char *p, const char *end,
                       const flinc_format_input *input, flinc_format_progress *ret,
                       flinc_format_error *error)
{
    uint64_t rows_before = p == input->data ? input->skip_rows : 0;

    locate(d, p, end, input->data + input->size);
    switch (record(d, &rows_before)) {
    case RECORD_READ:
        break;
    case RECORD_BATCH_FULL:
        ret->batch_full = 1;
        ret->partial_rows = rows_before;
        return 0;
    case RECORD_WRONG:
        d->out->status = 0;
        builder_cancel_row(d->b);
        if (!d->ignores_errors) {
            return report(d, (uint64_t)(p - input->data), error);
        }
        ret->skipped_records++;
    }
    return 0;
}

static int take_lines(struct json_decoder *d, const flinc_format_input *input,
                      flinc_format_progress *ret, flinc_format_error *error)
{
    const char *p = input->data, *data_end = input->data + input->size;
    const char *past = input->past < input->size ? input->data + input->past : data_end;

    while (p < past) {
        const char *end = memchr(p, '\n', (size_t)(data_end - p));
        if (end == NULL && (input->flags & FLINC_FORMAT_AT_END) == 0) {
            break;
        }
        const char *next = end != NULL ? end + 1 : data_end;
        int rc = take_record(d, p, end != NULL ? end : data_end, input, ret, error);
        if (rc != 0 || ret->batch_full) {
            ret->consumed = (uint64_t)(p - input->data);
            return rc;
        }
        ret->lines += end != NULL;
        if (UNLIKELY(is_heavy(d, (size_t)(next - p))) && next < past) {
            ret->consumed = (uint64_t)(next - input->data);
            ret->batch_full = 1;
            return 0;
        }
        p = next;
    }
    ret->consumed = (uint64_t)(p - input->data);
    return 0;
}

int json_decode(void *decoder, const flinc_format_input *input, flinc_out *out,
                flinc_format_progress *ret, flinc_format_error *error)
{
    struct json_decoder *d = decoder;
    int rc = 0;

    d->out = out;
    d->b = (struct builder *)out->owner;
    d->n_nulled = 0;
    if (d->has_nested && input->size > 0) {
        if (!has_room(d)) {
            ret->batch_full = 1;
            ret->partial_rows = input->skip_rows;
            return 0;
        }
        json_bind(&d->top, d->b, NULL);
    }
    if (d->is_stream) {
        rc = take_lines(d, input, ret, error);
    } else if ((input->flags & FLINC_FORMAT_NULL_MESSAGE) == 0) {
        rc = take_record(d, input->data, input->data + input->size, input, ret, error);
        ret->consumed = ret->batch_full ? 0 : input->size;
    }
    ret->nulled_fields = d->n_nulled;
    return rc;
}

int json_find_start(void *decoder, const char *data, uint64_t size, uint64_t *ret_start,
                    flinc_format_error *error)
{
    const char *end = size > 0 ? memchr(data, '\n', size) : NULL;

    (void)decoder;
    (void)error;
    *ret_start = end != NULL ? (uint64_t)(end - data) + 1 : 0;
    return 0;
}

/* ---- life ------------------------------------------------------------------------------------------------------------ */

int json_decoder_open(const flinc_format_decode_config *config, void **ret_decoder,
                      flinc_format_error *error)
{
    const flinc_format_options *o = config->options;
    struct json_decoder *d = MEM_NEW(struct json_decoder);

    (void)error;
    d->schema = schema_ref(config->schema->engine);
    vec_init(&d->entries, sizeof(struct json_entry));
    d->is_stream = config->framing == FLINC_FORMAT_STREAM;
    d->ignores_errors = flinc_format_option_bool(o, "ignore-parse-errors");
    d->fails_on_missing = flinc_format_option_bool(o, "fail-on-missing-field");
    d->time_style = flinc_format_option_is(o, "timestamp-format.standard", "ISO-8601")
                        ? CELL_TIME_ISO
                        : CELL_TIME_SQL;
    json_plan(&d->top, d->schema, config->columns);
    for (uint32_t i = 0; i < d->top.n_fields; i++) {
        d->has_nested |= d->top.fields[i].op >= JSON_OP_ARRAY;
    }
    *ret_decoder = d;
    return 0;
}

void json_decoder_close(void *decoder)
{
    struct json_decoder *d = decoder;

    json_object_fini(&d->top);
    str_fini(&d->scratch);
    str_fini(&d->record);
    str_fini(&d->member);
    str_fini(&d->keys);
    vec_fini(&d->entries);
    schema_unref(d->schema);
    mem_free(d);
}
