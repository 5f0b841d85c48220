/* The format `raw`: one column, whose value is the record.  Inside the room only, but for the descriptor.
 *
 * Text in any charset that the C library converts, bytes as they are, numbers of fixed size in either byte order.  In files a record is
 * a line.  A message without a value is NULL, and the other way round.
 * Flink: RawFormatDeserializationSchema, RawFormatSerializationSchema. */
#ifndef FLINC_FORMATS_RAW_RAW_H
#define FLINC_FORMATS_RAW_RAW_H

#include "common/base/str.h"
#include "flinc/format.h"

extern const flinc_format format_raw;

/* ---- charset.c ---------------------------------------------------------------------------------------------- */

/* Text between UTF-8 and a charset.  Thread: one owner. */
struct charset {
    void *to, *from; /* Owns: iconv_t; NULL: it is UTF-8 itself */
    struct str text; /* what was converted last */
};

/* False: there is no such charset. */
bool charset_open(struct charset *c, const char *name);
void charset_close(struct charset *c);
/* Valid until the next call.  What is none of the charset becomes U+FFFD, as in Java. */
struct slice charset_decode(struct charset *c, struct slice bytes);
/* What the charset does not have becomes '?'. */
struct slice charset_encode(struct charset *c, struct slice text);

#endif
