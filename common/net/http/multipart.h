/* Inside the room: multipart/form-data as a stream.  Pieces of a body go in as they come, parts go out
 * to a sink; nothing but a part's headers is kept.  Thread: one owner. */
#ifndef FLINC_COMMON_NET_HTTP_MULTIPART_H
#define FLINC_COMMON_NET_HTTP_MULTIPART_H

#include "common/base/error.h"
#include "common/base/str.h"

enum {
    MULTIPART_BOUNDARY_MAX = 200,     /* bytes; RFC 2046 allows 70 */
    MULTIPART_HEADERS_MAX = 8 * 1024, /* of one part */
    MULTIPART_PARTS_MAX = 256,        /* of one body */
    MULTIPART_NAME_MAX = 255,         /* bytes of a field's or a file's name */
};

struct multipart_part {
    const char *name;     /* of the field; "" when it has none */
    const char *filename; /* base name that the client gave; NULL: an attribute */
};

struct multipart_sink {
    int (*begin)(void *arg, const struct multipart_part *part, struct error *err);
    int (*data)(void *arg, struct slice data, struct error *err);
    int (*end)(void *arg, struct error *err);
    void *arg;
};

struct multipart;
/* True when a content type is multipart/form-data. */
bool multipart_is(const char *content_type);
/* ERR_PARSE: the content type has no usable boundary. */
int multipart_new(const char *content_type, const struct multipart_sink *sink,
                  struct multipart **ret_multipart, struct error *err) MUST_CHECK;
struct multipart *multipart_free(struct multipart *m);
/* ERR_PARSE, ERR_TOO_LARGE, or what the sink returned; then nothing more may be fed. */
int multipart_feed(struct multipart *m, struct slice data, struct error *err) MUST_CHECK;
/* At the end of the body: ERR_PARSE when the last delimiter has not come. */
int multipart_finish(struct multipart *m, struct error *err) MUST_CHECK;

#endif
