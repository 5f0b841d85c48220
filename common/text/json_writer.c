/* The streaming JSON writer: commas, colons and indentation from a small stack, strings escaped and
 * made valid UTF-8 on the way. */
#include "common/text/json_writer.h"
#include "common/text/number.h"
#include "common/text/utf8.h"
#include <inttypes.h>
#include <math.h>

void json_writer_init(struct json_writer *w, struct str *out, enum json_style style)
{
    memset(w, 0, sizeof(*w));
    w->out = out;
    w->style = style;
}

void json_writer_finish(const struct json_writer *w)
{
    ASSERT(w->depth == 0 && w->has_items[0] && !w->after_key);
}

static void new_line(struct json_writer *w)
{
    if (w->style == JSON_STYLE_PRETTY) {
        str_append_char(w->out, '\n');
        for (int i = 0; i < w->depth; i++) {
            str_append_cstr(w->out, "  ");
        }
    }
}

/* What goes before an item of the innermost container. */
static void begin_item(struct json_writer *w)
{
    if (w->depth > 0) {
        if (w->has_items[w->depth]) {
            str_append_char(w->out, ',');
        }
        new_line(w);
    } else {
        ASSERT(!w->has_items[0]); /* a document is one value */
    }
    w->has_items[w->depth] = true;
}

static void begin_value(struct json_writer *w)
{
    if (w->is_object[w->depth]) {
        ASSERT(w->after_key);
        w->after_key = false;
    } else {
        begin_item(w);
    }
}

static void open_container(struct json_writer *w, bool is_object)
{
    begin_value(w);
    ASSERT(w->depth < JSON_WRITER_DEPTH_MAX);
    w->depth++;
    w->is_object[w->depth] = is_object;
    w->has_items[w->depth] = false;
    str_append_char(w->out, is_object ? '{' : '[');
}

void json_writer_object(struct json_writer *w)
{
    open_container(w, true);
}

void json_writer_array(struct json_writer *w)
{
    open_container(w, false);
}

void json_writer_end(struct json_writer *w)
{
    ASSERT(w->depth > 0 && !w->after_key);
    bool is_object = w->is_object[w->depth];
    bool has_items = w->has_items[w->depth];
    w->depth--;
    if (has_items) {
        new_line(w);
    }
    str_append_char(w->out, is_object ? '}' : ']');
}

void json_writer_key_slice(struct json_writer *w, struct slice key)
{
    ASSERT(w->is_object[w->depth] && !w->after_key);
    begin_item(w);
    json_append_quoted(w->out, key);
    str_append_cstr(w->out, w->style == JSON_STYLE_PRETTY ? ": " : ":");
    w->after_key = true;
}

void json_writer_key(struct json_writer *w, const char *key)
{
    json_writer_key_slice(w, slice_cstr(key));
}

/* ---- values -------------------------------------------------------------------------------- */

static void append_escape(struct str *out, unsigned char c)
{
    switch (c) {
    case '"':
        str_append_cstr(out, "\\\"");
        break;
    case '\\':
        str_append_cstr(out, "\\\\");
        break;
    case '\n':
        str_append_cstr(out, "\\n");
        break;
    case '\r':
        str_append_cstr(out, "\\r");
        break;
    case '\t':
        str_append_cstr(out, "\\t");
        break;
    case '\b':
        str_append_cstr(out, "\\b");
        break;
    case '\f':
        str_append_cstr(out, "\\f");
        break;
    default:
        str_printf(out, "\\u%04X", c);
    }
}

void json_append_quoted(struct str *out, struct slice text)
{
    str_reserve(out, text.len + 2);
    str_append_char(out, '"');
    size_t done = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.data[i];
        if (c >= 0x20 && c != '"' && c != '\\') {
            continue;
        }
        utf8_append_clean(out, text.data + done, i - done);
        append_escape(out, c);
        done = i + 1;
    }
    if (done < text.len) {
        utf8_append_clean(out, text.data + done, text.len - done);
    }
    str_append_char(out, '"');
}

void json_writer_slice(struct json_writer *w, struct slice text)
{
    begin_value(w);
    json_append_quoted(w->out, text);
}

void json_writer_string(struct json_writer *w, const char *text)
{
    if (text == NULL) {
        json_writer_null(w);
    } else {
        json_writer_slice(w, slice_cstr(text));
    }
}

void json_writer_printf(struct json_writer *w, const char *fmt, ...)
{
    STR_AUTO text = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vprintf(&text, fmt, ap);
    va_end(ap);
    json_writer_slice(w, str_slice(&text));
}

void json_writer_int(struct json_writer *w, int64_t value)
{
    begin_value(w);
    str_printf(w->out, "%" PRId64, value);
}

void json_writer_uint(struct json_writer *w, uint64_t value)
{
    begin_value(w);
    str_printf(w->out, "%" PRIu64, value);
}

void json_writer_double(struct json_writer *w, double value)
{
    char text[NUMBER_TEXT_MAX];
    size_t len = number_format_double(value, text);
    begin_value(w);
    if (isfinite(value)) {
        str_append(w->out, text, len);
    } else {
        json_append_quoted(w->out, slice_make(text, len));
    }
}

void json_writer_bool(struct json_writer *w, bool value)
{
    begin_value(w);
    str_append_cstr(w->out, value ? "true" : "false");
}

void json_writer_null(struct json_writer *w)
{
    begin_value(w);
    str_append_cstr(w->out, "null");
}

void json_writer_raw(struct json_writer *w, struct slice json)
{
    ASSERT(json.len > 0);
    begin_value(w);
    str_append_slice(w->out, json);
}

void json_writer_put_string(struct json_writer *w, const char *key, const char *text)
{
    json_writer_key(w, key);
    json_writer_string(w, text);
}

void json_writer_put_int(struct json_writer *w, const char *key, int64_t value)
{
    json_writer_key(w, key);
    json_writer_int(w, value);
}

void json_writer_put_double(struct json_writer *w, const char *key, double value)
{
    json_writer_key(w, key);
    json_writer_double(w, value);
}

void json_writer_put_bool(struct json_writer *w, const char *key, bool value)
{
    json_writer_key(w, key);
    json_writer_bool(w, value);
}
