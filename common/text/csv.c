/* CSV by RFC 4180: splitting one record into fields, quoting one field. */
#include "common/text/csv.h"

static char delimiter_of(const struct csv_format *format)
{
    return format != NULL && format->delimiter != '\0' ? format->delimiter : ',';
}

static char quote_of(const struct csv_format *format)
{
    return format != NULL && format->quote != '\0' ? format->quote : '"';
}

/* The content of the quoted field at record[*at] (the opening quote); *at ends behind the closing
 * one.  The content is the record's own bytes unless quotes are doubled in it. */
static int read_quoted(struct slice record, size_t *at, char quote, struct arena *arena,
                       struct slice *ret_text, struct error *err)
{
    size_t start = *at + 1;
    size_t doubled = 0;
    size_t i = start;
    for (;;) {
        const char *found = i < record.len ? memchr(record.data + i, quote, record.len - i) : NULL;
        if (found == NULL) {
            return error_set(err, ERR_PARSE, "the quote opened at byte %zu is never closed",
                             *at + 1);
        }
        i = (size_t)(found - record.data) + 1;
        if (i == record.len || record.data[i] != quote) {
            break;
        }
        doubled++;
        i++;
    }
    *at = i;
    size_t raw_len = i - 1 - start;
    if (doubled == 0) {
        *ret_text = slice_make(record.data + start, raw_len);
        return 0;
    }
    char *copy = arena_alloc(arena, raw_len - doubled + 1);
    size_t n = 0;
    for (size_t k = start; k < start + raw_len; k++) {
        copy[n++] = record.data[k];
        if (record.data[k] == quote) {
            k++; /* its twin */
        }
    }
    copy[n] = '\0';
    *ret_text = slice_make(copy, n);
    return 0;
}

int csv_split(struct slice record, const struct csv_format *format, struct arena *arena,
              struct vec *ret_fields, struct error *err)
{
    char delimiter = delimiter_of(format);
    char quote = quote_of(format);
    size_t i = 0;
    for (size_t n = 0;; n++) {
        if (n == CSV_FIELDS_MAX) {
            return error_set(err, ERR_TOO_LARGE, "more than %d fields in one record",
                             CSV_FIELDS_MAX);
        }
        struct csv_field field = {.quoted = i < record.len && record.data[i] == quote};
        if (field.quoted) {
            TRY(read_quoted(record, &i, quote, arena, &field.text, err));
            if (i < record.len && record.data[i] != delimiter) {
                return error_set(err, ERR_PARSE, "text behind the closing quote at byte %zu",
                                 i + 1);
            }
        } else {
            const char *end =
                i < record.len ? memchr(record.data + i, delimiter, record.len - i) : NULL;
            size_t len = end != NULL ? (size_t)(end - record.data) - i : record.len - i;
            field.text = len == 0 ? SLICE_LIT("") : slice_make(record.data + i, len);
            i += len;
        }
        *VEC_PUSH(ret_fields, struct csv_field) = field;
        if (i == record.len) {
            return 0;
        }
        i++; /* the delimiter: at the end of the record an empty last field follows */
    }
}

void csv_append_field(struct str *out, struct slice text, const struct csv_format *format)
{
    char delimiter = delimiter_of(format);
    char quote = quote_of(format);
    bool quoted = text.len == 0 || text.data[0] == ' ' || text.data[text.len - 1] == ' ';
    for (size_t i = 0; i < text.len && !quoted; i++) {
        char c = text.data[i];
        quoted = c == delimiter || c == quote || c == '\n' || c == '\r';
    }
    if (!quoted) {
        str_append_slice(out, text);
        return;
    }
    str_append_char(out, quote);
    size_t done = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] == quote) {
            str_append(out, text.data + done, i + 1 - done);
            done = i; /* so that the quote is written twice */
        }
    }
    str_append(out, text.data + done, text.len - done);
    str_append_char(out, quote);
}

size_t csv_record_end(struct slice text, const struct csv_format *format)
{
    char delimiter = delimiter_of(format);
    char quote = quote_of(format);
    enum { FIELD_START, PLAIN, QUOTED, QUOTE_CLOSED } state = FIELD_START;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.data[i];
        if (state == QUOTED) {
            if (c == quote) {
                state = QUOTE_CLOSED;
            }
        } else if (c == quote && state != PLAIN) {
            state = QUOTED; /* opens, or is the twin of the one before */
        } else if (c == '\n') {
            return i > 0 && text.data[i - 1] == '\r' ? i - 1 : i;
        } else {
            state = c == delimiter ? FIELD_START : PLAIN;
        }
    }
    return text.len;
}
