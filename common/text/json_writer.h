/* A streaming JSON writer over a byte string: no tree, no allocation beyond the output.
 *
 *   struct json_writer w;
 *   json_writer_init(&w, &out, JSON_STYLE_COMPACT);
 *   json_writer_object(&w);
 *   json_writer_key(&w, "jid");
 *   json_writer_string(&w, id);
 *   json_writer_end(&w);
 *   json_writer_finish(&w);
 *
 * Output is always well-formed: wrong order of calls is a bug of ours and asserted; bytes that are
 * not UTF-8 become U+FFFD; NaN and infinities become strings, as Flink's REST writes them.
 * Thread: one owner. */
#ifndef FLINC_COMMON_TEXT_JSON_WRITER_H
#define FLINC_COMMON_TEXT_JSON_WRITER_H

#include "common/base/str.h"

enum { JSON_WRITER_DEPTH_MAX = 64 };

enum json_style {
    JSON_STYLE_COMPACT,
    JSON_STYLE_PRETTY, /* two blanks per level */
};

struct json_writer {
    struct str *out; /* Borrows */
    enum json_style style;
    int depth;
    bool after_key;                            /* a value is due */
    bool is_object[JSON_WRITER_DEPTH_MAX + 1]; /* by level; [0] is the document */
    bool has_items[JSON_WRITER_DEPTH_MAX + 1];
};

void json_writer_init(struct json_writer *w, struct str *out, enum json_style style);
void json_writer_finish(const struct json_writer *w); /* asserts one complete value */

void json_writer_object(struct json_writer *w);
void json_writer_array(struct json_writer *w);
void json_writer_end(struct json_writer *w); /* of the innermost object or array */

void json_writer_key(struct json_writer *w, const char *key);
void json_writer_key_slice(struct json_writer *w, struct slice key);

void json_writer_string(struct json_writer *w, const char *text); /* NULL: null */
void json_writer_slice(struct json_writer *w, struct slice text);
void json_writer_printf(struct json_writer *w, const char *fmt, ...) PRINTF(2, 3);
void json_writer_int(struct json_writer *w, int64_t value);
void json_writer_uint(struct json_writer *w, uint64_t value);
void json_writer_double(struct json_writer *w, double value);
void json_writer_bool(struct json_writer *w, bool value);
void json_writer_null(struct json_writer *w);
/* A complete JSON value made elsewhere; trusted. */
void json_writer_raw(struct json_writer *w, struct slice json);

/* Key and value at once. */
void json_writer_put_string(struct json_writer *w, const char *key, const char *text);
void json_writer_put_int(struct json_writer *w, const char *key, int64_t value);
void json_writer_put_double(struct json_writer *w, const char *key, double value);
void json_writer_put_bool(struct json_writer *w, const char *key, bool value);

/* Appends text as a JSON string with its quotes. */
void json_append_quoted(struct str *out, struct slice text);

#endif
