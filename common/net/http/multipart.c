/* The multipart parser.
 *
 *   PREAMBLE --delimiter--> DELIMITED --"\r\n"--> HEADERS --empty line--> DATA --delimiter--> DELIMITED
 *                           DELIMITED --"--"----> EPILOGUE
 *   any --bad input or sink's refusal--> FAILED
 *
 * The delimiter is "\r\n--boundary"; its only '\r' is its first byte, so after a mismatch what was
 * matched is data, and the byte at hand is looked at again.  Thread: one owner. */
#include "common/net/http/multipart.h"

#include "common/text/utf8.h"
#include <strings.h>

enum multipart_state {
    MULTIPART_PREAMBLE,
    MULTIPART_DELIMITED,
    MULTIPART_HEADERS,
    MULTIPART_DATA,
    MULTIPART_EPILOGUE,
    MULTIPART_FAILED,
};

struct multipart {
    enum multipart_state state;
    struct multipart_sink sink;
    char delimiter[MULTIPART_BOUNDARY_MAX + 5];
    size_t delimiter_len, matched; /* of the delimiter */
    char after[2];                 /* what followed a delimiter */
    size_t after_len;
    struct str headers; /* of the part that begins */
    uint32_t n_parts;
};

static void multipart_transition(struct multipart *m, enum multipart_state to)
{
    static const uint8_t allowed[] = {
        [MULTIPART_PREAMBLE] = 1 << MULTIPART_DELIMITED | 1 << MULTIPART_FAILED,
        [MULTIPART_DELIMITED] =
            1 << MULTIPART_HEADERS | 1 << MULTIPART_EPILOGUE | 1 << MULTIPART_FAILED,
        [MULTIPART_HEADERS] = 1 << MULTIPART_DATA | 1 << MULTIPART_FAILED,
        [MULTIPART_DATA] = 1 << MULTIPART_DELIMITED | 1 << MULTIPART_FAILED,
        [MULTIPART_EPILOGUE] = 1 << MULTIPART_FAILED,
        [MULTIPART_FAILED] = 1 << MULTIPART_FAILED,
    };
    ASSERT((allowed[m->state] & 1 << to) != 0);
    m->state = to;
}

bool multipart_is(const char *content_type)
{
    static const char type[] = "multipart/form-data";
    return content_type != NULL && strncasecmp(content_type, type, sizeof(type) - 1) == 0 &&
           (content_type[sizeof(type) - 1] == '\0' || content_type[sizeof(type) - 1] == ';' ||
            content_type[sizeof(type) - 1] == ' ');
}

/* The value of `name` in `; name=value; name="value"`; false: it is not there, or is malformed. */
static bool header_parameter(const char *header, const char *name, struct str *ret_value)
{
    size_t name_len = strlen(name);
    const char *p = strchr(header, ';');
    while (p != NULL) {
        p += 1 + strspn(p + 1, " \t");
        bool hit = strncasecmp(p, name, name_len) == 0 && p[name_len] == '=';
        p += strcspn(p, "=;");
        if (*p == '=') {
            p++;
        }
        if (*p == '"') {
            for (p++; *p != '"'; p++) {
                if (*p == '\\' && (p[1] == '"' || p[1] == '\\')) {
                    p++;
                }
                if (*p == '\0') {
                    return false;
                }
                if (hit) {
                    str_append_char(ret_value, *p);
                }
            }
        } else if (hit) {
            str_append(ret_value, p, strcspn(p, "; \t"));
        }
        if (hit) {
            return true;
        }
        p = strchr(p, ';');
    }
    return false;
}

int multipart_new(const char *content_type, const struct multipart_sink *sink,
                  struct multipart **ret_multipart, struct error *err)
{
    STR_AUTO boundary = STR_INIT;
    if (!header_parameter(content_type, "boundary", &boundary) || boundary.len == 0 ||
        boundary.len > MULTIPART_BOUNDARY_MAX || strpbrk(str_cstr(&boundary), "\r\n") != NULL) {
        return error_set(err, ERR_PARSE, "Malformed multipart request: no usable boundary");
    }
    struct multipart *m = MEM_NEW(struct multipart);
    m->sink = *sink;
    memcpy(m->delimiter, "\r\n--", 4);
    memcpy(m->delimiter + 4, boundary.data, boundary.len);
    m->delimiter_len = boundary.len + 4;
    m->matched = 2; /* as if a line break stood before the body */
    *ret_multipart = m;
    return 0;
}

struct multipart *multipart_free(struct multipart *m)
{
    if (m != NULL) {
        str_fini(&m->headers);
        mem_free(m);
    }
    return NULL;
}

static int check_name(const char *what, const struct str *name, struct error *err)
{
    if (name->len > MULTIPART_NAME_MAX || strlen(str_cstr(name)) != name->len ||
        !utf8_validate(str_cstr(name), name->len, NULL)) {
        return error_set(err, ERR_PARSE,
                         "Malformed multipart request: the name of a %s is no UTF-8 or longer than "
                         "%d bytes",
                         what, MULTIPART_NAME_MAX);
    }
    for (size_t i = 0; i < name->len; i++) {
        if ((unsigned char)name->data[i] < 0x20 || name->data[i] == 0x7f) {
            return error_set(err, ERR_PARSE,
                             "Malformed multipart request: a control character in the name of a %s",
                             what);
        }
    }
    return 0;
}

/* Browsers may send a path of their own system: its last part is the name. */
static const char *base_name(const char *filename)
{
    const char *base = filename;
    for (const char *p = filename; *p != '\0'; p++) {
        if (*p == '/' || *p == '\\') {
            base = p + 1;
        }
    }
    return base;
}

/* The headers of a part are complete. */
static int part_begin(struct multipart *m, struct error *err)
{
    STR_AUTO name = STR_INIT;
    STR_AUTO filename = STR_INIT;
    bool is_file = false, found = false;
    struct slice rest = str_slice(&m->headers), line;
    if (memchr(m->headers.data, '\0', m->headers.len) != NULL) {
        return error_set(err, ERR_PARSE, "Malformed multipart request: a NUL in a part's header");
    }
    while (rest.data != NULL && slice_next(&rest, '\n', &line)) {
        static const char disposition[] = "content-disposition:";
        line = slice_trim(line);
        if (line.len > sizeof(disposition) - 1 &&
            strncasecmp(line.data, disposition, sizeof(disposition) - 1) == 0) {
            STR_AUTO header = STR_INIT;
            str_append_slice(&header, line);
            found = header_parameter(str_cstr(&header), "name", &name);
            is_file = header_parameter(str_cstr(&header), "filename", &filename);
        }
    }
    if (!found && !is_file) {
        return error_set(err, ERR_PARSE,
                         "Malformed multipart request: a part without a Content-Disposition name");
    }
    if (++m->n_parts > MULTIPART_PARTS_MAX) {
        return error_set(err, ERR_TOO_LARGE, "Malformed multipart request: more than %d parts",
                         MULTIPART_PARTS_MAX);
    }
    TRY(check_name("field", &name, err));
    TRY(check_name("file", &filename, err));
    struct multipart_part part = {.name = str_cstr(&name)};
    if (is_file) {
        part.filename = base_name(str_cstr(&filename));
        if (part.filename[0] == '\0' || strcmp(part.filename, ".") == 0 ||
            strcmp(part.filename, "..") == 0) {
            return error_set(err, ERR_PARSE, "Malformed multipart request: a file without a name");
        }
    }
    return m->sink.begin(m->sink.arg, &part, err);
}

static int emit(struct multipart *m, const char *data, size_t len, struct error *err)
{
    return m->state == MULTIPART_DATA && len > 0
               ? m->sink.data(m->sink.arg, slice_make(data, len), err)
               : 0;
}

/* Consumes data up to and including the next delimiter, or all; *ret_used bytes. */
static int feed_data(struct multipart *m, struct slice s, size_t *ret_used, struct error *err)
{
    size_t i = 0;
    while (i < s.len) {
        if (m->matched == 0) {
            const char *cr = memchr(s.data + i, '\r', s.len - i);
            size_t n = cr != NULL ? (size_t)(cr - s.data) - i : s.len - i;
            TRY(emit(m, s.data + i, n, err));
            i += n;
            if (cr == NULL) {
                break;
            }
        }
        while (i < s.len && m->matched < m->delimiter_len &&
               s.data[i] == m->delimiter[m->matched]) {
            i++;
            m->matched++;
        }
        if (m->matched == m->delimiter_len) {
            if (m->state == MULTIPART_DATA) {
                TRY(m->sink.end(m->sink.arg, err));
            }
            m->matched = 0;
            m->after_len = 0;
            multipart_transition(m, MULTIPART_DELIMITED);
            break;
        }
        if (i < s.len) {
            size_t n = m->matched;
            m->matched = 0;
            TRY(emit(m, m->delimiter, n, err));
        }
    }
    *ret_used = i;
    return 0;
}

static int feed_delimited(struct multipart *m, char c, struct error *err)
{
    if (m->after_len == 0 && (c == ' ' || c == '\t')) {
        return 0; /* padding that transports may add */
    }
    m->after[m->after_len++] = c;
    if (m->after_len < 2) {
        return 0;
    }
    if (memcmp(m->after, "\r\n", 2) == 0) {
        str_clear(&m->headers);
        multipart_transition(m, MULTIPART_HEADERS);
        return 0;
    }
    if (memcmp(m->after, "--", 2) == 0) {
        multipart_transition(m, MULTIPART_EPILOGUE);
        return 0;
    }
    return error_set(err, ERR_PARSE, "Malformed multipart request: garbage behind a boundary");
}

static int feed_headers(struct multipart *m, char c, struct error *err)
{
    if (m->headers.len == MULTIPART_HEADERS_MAX) {
        return error_set(err, ERR_TOO_LARGE,
                         "Malformed multipart request: more than %d bytes of headers in a part",
                         MULTIPART_HEADERS_MAX);
    }
    str_append_char(&m->headers, c);
    struct slice h = str_slice(&m->headers);
    if (slice_ends_with(h, "\r\n\r\n") || (h.len == 2 && slice_ends_with(h, "\r\n"))) {
        TRY(part_begin(m, err));
        m->matched = 0;
        multipart_transition(m, MULTIPART_DATA);
    }
    return 0;
}

static int feed(struct multipart *m, struct slice s, struct error *err)
{
    size_t i = 0;
    while (i < s.len) {
        switch (m->state) {
        case MULTIPART_PREAMBLE:
        case MULTIPART_DATA: {
            size_t used = 0;
            TRY(feed_data(m, slice_make(s.data + i, s.len - i), &used, err));
            i += used;
            break;
        }
        case MULTIPART_DELIMITED:
            TRY(feed_delimited(m, s.data[i++], err));
            break;
        case MULTIPART_HEADERS:
            TRY(feed_headers(m, s.data[i++], err));
            break;
        case MULTIPART_EPILOGUE:
            return 0;
        case MULTIPART_FAILED:
            return error_set(err, ERR_STATE, "the multipart parser has failed before");
        }
    }
    return 0;
}

int multipart_feed(struct multipart *m, struct slice data, struct error *err)
{
    int rc = feed(m, data, err);
    if (rc < 0) {
        multipart_transition(m, MULTIPART_FAILED);
    }
    return rc;
}

int multipart_finish(struct multipart *m, struct error *err)
{
    if (m->state != MULTIPART_EPILOGUE) {
        return error_set(err, ERR_PARSE,
                         "Malformed multipart request: it ends before its last boundary");
    }
    return 0;
}
