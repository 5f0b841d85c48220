/* CSV by RFC 4180: quoting fields and splitting one record.  A utility for sinks and configuration;
 * the CSV record format with its types is its own room.  Thread: any. */
#ifndef FLINC_COMMON_TEXT_CSV_H
#define FLINC_COMMON_TEXT_CSV_H

#include "common/base/str.h"
#include "common/base/vec.h"

struct csv_format {
    char delimiter; /* 0: ',' */
    char quote;     /* 0: '"' */
};

enum { CSV_FIELDS_MAX = 65536 };

struct csv_field {
    struct slice text; /* Borrows the record, or the arena when quotes were doubled inside */
    bool quoted;       /* tells "" (an empty string) from nothing */
};

/* Appends the fields of one record (struct csv_field) to `ret_fields`.  The record comes without its
 * line end; line ends inside quotes are data.  Errors say at which byte: text behind a closing quote,
 * a quote that is never closed. */
int csv_split(struct slice record, const struct csv_format *format, struct arena *arena,
              struct vec *ret_fields, struct error *err) MUST_CHECK;
/* Appends the field, in quotes if it has the delimiter, a quote, a line end, blanks at an end, or is
 * empty (so that it differs from nothing). */
void csv_append_field(struct str *out, struct slice text, const struct csv_format *format);
/* Where the record at the start of `text` ends: the offset of its line end (LF, or CR LF) outside
 * quotes; text.len when there is none. */
size_t csv_record_end(struct slice text, const struct csv_format *format);

#endif
