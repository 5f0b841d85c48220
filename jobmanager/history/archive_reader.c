/* A JSON scanner over a window of the file; see archive_reader.h. */
#include "jobmanager/history/archive_reader.h"

#include "common/text/utf8.h"

enum { WINDOW_BYTES = 256 * 1024, AT_END = -1 };

struct scanner {
    const char *name;    /* Borrows; in messages */
    struct fs_input *in; /* Borrows; NULL: all is in the window */
    const char *data;    /* the window */
    char *window;        /* Owns; NULL without a file */
    size_t at, len;
    uint64_t offset; /* of the window in the file */
    struct error *err;
};

static int malformed(const struct scanner *s, const char *what)
{
    return error_set(s->err, ERR_CORRUPT, "%s is no archive of a job: %s at byte %llu", s->name,
                     what, (unsigned long long)(s->offset + s->at));
}

/* The next byte without taking it; AT_END; an error is smaller. */
static int refill(struct scanner *s)
{
    size_t n = 0;
    if (s->in == NULL) {
        return AT_END;
    }
    s->offset += s->len;
    s->at = s->len = 0;
    int rc = fs_input_read_at(s->in, s->offset, s->window, WINDOW_BYTES, &n, s->err);
    if (rc < 0) {
        return AT_END + rc; /* smaller than AT_END */
    }
    s->len = n;
    return n == 0 ? AT_END : (unsigned char)s->data[0];
}

static inline int peek(struct scanner *s)
{
    return LIKELY(s->at < s->len) ? (unsigned char)s->data[s->at] : refill(s);
}

/* What peek() said is no character that may stand here. */
static int unexpected(const struct scanner *s, int c, const char *what)
{
    if (c < AT_END) {
        return c - AT_END;
    }
    if (c == AT_END) {
        return error_set(s->err, ERR_CORRUPT,
                         "%s is no archive of a job: it ends early, at byte %llu", s->name,
                         (unsigned long long)(s->offset + s->at));
    }
    return malformed(s, what);
}

static int skip_blanks(struct scanner *s)
{
    int c = peek(s);
    while (c == ' ' || c == '\t' || c == '\n' || c == '\r') {
        s->at++;
        c = peek(s);
    }
    return c;
}

static int expect(struct scanner *s, char wanted, const char *what)
{
    int c = skip_blanks(s);
    if (c != wanted) {
        return unexpected(s, c, what);
    }
    s->at++;
    return 0;
}

/* ---- strings -------------------------------------------------------------------------------------- */

static int read_hex4(struct scanner *s, uint32_t *ret)
{
    *ret = 0;
    for (int i = 0; i < 4; i++) {
        int c = peek(s);
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0) {
            return unexpected(s, c, "a broken \\u");
        }
        *ret = *ret << 4 | (uint32_t)digit;
        s->at++;
    }
    return 0;
}

static void append_code_point(struct str *out, uint32_t code_point)
{
    char bytes[UTF8_MAX_BYTES];
    size_t n = utf8_encode(code_point, bytes);
    if (n == 0) { /* half of a pair */
        n = utf8_encode(UTF8_REPLACEMENT, bytes);
    }
    str_append(out, bytes, n);
}

/* Behind "\u": one code point, of one or two of them. */
static int read_unicode(struct scanner *s, struct str *out)
{
    uint32_t high, low;
    TRY(read_hex4(s, &high));
    while (high >= 0xd800 && high < 0xdc00) {
        if (peek(s) != '\\') {
            break;
        }
        s->at++;
        if (peek(s) != 'u') { /* another escape follows half of a pair */
            append_code_point(out, high);
            return 1;
        }
        s->at++;
        TRY(read_hex4(s, &low));
        if (low >= 0xdc00 && low < 0xe000) {
            append_code_point(out, 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00));
            return 0;
        }
        append_code_point(out, high);
        high = low;
    }
    append_code_point(out, high);
    return 0;
}

/* Behind a backslash. */
static int read_escape(struct scanner *s, struct str *out)
{
    static const char letters[] = "\"\\/bfnrt";
    static const char meanings[] = "\"\\/\b\f\n\r\t";
    for (;;) {
        int c = peek(s);
        const char *found = c > 0 ? strchr(letters, c) : NULL;
        if (found != NULL) {
            s->at++;
            str_append_char(out, meanings[found - letters]);
            return 0;
        }
        if (c != 'u') {
            return unexpected(s, c, "an unknown escape");
        }
        s->at++;
        int rc = read_unicode(s, out);
        if (rc <= 0) {
            return rc;
        }
    }
}

/* A string, unescaped; longer than `max` is ERR_TOO_LARGE. */
static int read_string(struct scanner *s, size_t max, struct str *out)
{
    str_clear(out);
    TRY(expect(s, '"', "a string is expected"));
    for (;;) {
        int c = peek(s);
        if (c < 0 || c < ' ') {
            return unexpected(s, c, "a control character in a string");
        }
        size_t from = s->at;
        while (s->at < s->len && s->data[s->at] != '"' && s->data[s->at] != '\\' &&
               (unsigned char)s->data[s->at] >= ' ') {
            s->at++;
        }
        str_append(out, s->data + from, s->at - from);
        if (out->len > max) {
            return error_set(s->err, ERR_TOO_LARGE,
                             "%s is no archive that can be shown: a text before byte %llu has more "
                             "than %zu bytes",
                             s->name, (unsigned long long)(s->offset + s->at), max);
        }
        if (s->at == s->len || (unsigned char)s->data[s->at] < ' ') {
            continue;
        }
        if (s->data[s->at++] == '"') {
            break;
        }
        TRY(read_escape(s, out));
    }
    return utf8_validate(out->data, out->len, NULL) ? 0 : malformed(s, "a text that is no UTF-8");
}

/* ---- values that are passed over ------------------------------------------------------------------- */

static int skip_string(struct scanner *s)
{
    TRY(expect(s, '"', "a string is expected"));
    for (;;) {
        int c = peek(s);
        if (c < 0 || c < ' ') {
            return unexpected(s, c, "a control character in a string");
        }
        s->at++;
        if (c == '"') {
            return 0;
        }
        if (c == '\\') {
            c = peek(s);
            if (c <= 0 || strchr("\"\\/bfnrtu", c) == NULL) {
                return unexpected(s, c, "an unknown escape");
            }
            s->at++;
        }
    }
}

static int skip_word(struct scanner *s, const char *word)
{
    for (; *word != '\0'; word++) {
        int c = peek(s);
        if (c != *word) {
            return unexpected(s, c, "an unknown word");
        }
        s->at++;
    }
    return 0;
}

static int skip_digits(struct scanner *s)
{
    int n = 0;
    for (int c = peek(s); c >= '0' && c <= '9'; c = peek(s), n++) {
        s->at++;
    }
    return n > 0 ? 0 : unexpected(s, peek(s), "a digit is expected");
}

static int skip_number(struct scanner *s)
{
    if (peek(s) == '-') {
        s->at++;
    }
    TRY(skip_digits(s));
    if (peek(s) == '.') {
        s->at++;
        TRY(skip_digits(s));
    }
    if (peek(s) == 'e' || peek(s) == 'E') {
        s->at++;
        if (peek(s) == '+' || peek(s) == '-') {
            s->at++;
        }
        TRY(skip_digits(s));
    }
    return 0;
}

static int skip_value(struct scanner *s, int depth);

/* The items of an object or array, behind its opening bracket. */
static int skip_items(struct scanner *s, char closing, int depth)
{
    if (depth > ARCHIVE_DEPTH_MAX) {
        return malformed(s, "values are nested too deeply");
    }
    if (skip_blanks(s) == closing) {
        s->at++;
        return 0;
    }
    for (;;) {
        if (closing == '}') {
            TRY(skip_string(s));
            TRY(expect(s, ':', "':' is expected"));
        }
        TRY(skip_value(s, depth));
        int c = skip_blanks(s);
        if (c != ',' && c != closing) {
            return unexpected(s, c, "',' or the end of a list is expected");
        }
        s->at++;
        if (c == closing) {
            return 0;
        }
    }
}

static int skip_value(struct scanner *s, int depth)
{
    int c = skip_blanks(s);
    switch (c) {
    case '"':
        return skip_string(s);
    case '{':
    case '[':
        s->at++;
        return skip_items(s, c == '{' ? '}' : ']', depth + 1);
    case 't':
        return skip_word(s, "true");
    case 'f':
        return skip_word(s, "false");
    case 'n':
        return skip_word(s, "null");
    default:
        return c == '-' || (c >= '0' && c <= '9') ? skip_number(s)
                                                  : unexpected(s, c, "a value is expected");
    }
}

/* ---- the archive ---------------------------------------------------------------------------------- */

struct archive {
    struct scanner s;
    const char *job_hex;
    const struct archive_sink *sink;
    struct str key, path, json;
    uint32_t n_entries;
};

/* Letters that ids, numbers and names of routes have; no component begins with a dot. */
static bool is_plain_path(struct slice path)
{
    bool after_slash = false;
    for (size_t i = 0; i < path.len; i++) {
        char c = path.data[i];
        bool is_letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_letter && (c == '\0' || strchr("/._-:", c) == NULL)) {
            return false;
        }
        if (c == '.' && after_slash) {
            return false;
        }
        after_slash = c == '/';
    }
    return path.len > 0 && path.data[0] == '/';
}

/* What Flink archives that is not of one job (/joboverview, /applications/...) is passed over. */
static int on_entry(struct archive *a)
{
    static const char jobs[] = "/jobs/";
    struct slice path = str_slice(&a->path);
    struct scanner inner = {.name = a->s.name, .err = a->s.err};
    if (!is_plain_path(path)) {
        return malformed(&a->s, "a path that no answer can have");
    }
    if (++a->n_entries > ARCHIVE_ENTRIES_MAX) {
        return error_set(a->s.err, ERR_TOO_LARGE, "%s has more than %d answers", a->s.name,
                         ARCHIVE_ENTRIES_MAX);
    }
    inner.data = a->json.data;
    inner.len = a->json.len;
    int rc = skip_value(&inner, 0);
    if (rc < 0 || skip_blanks(&inner) != AT_END) {
        return error_set(a->s.err, ERR_CORRUPT,
                         "%s is no archive of a job: its answer of %s is no JSON", a->s.name,
                         str_cstr(&a->path));
    }
    if (slice_eq_cstr(path, "/jobs/overview")) {
        return a->sink->entry(a->sink->arg, SLICE_LIT("overview"), str_slice(&a->json), a->s.err);
    }
    if (!slice_starts_with(path, jobs)) {
        return 0;
    }
    path.data += sizeof(jobs) - 1;
    path.len -= sizeof(jobs) - 1;
    size_t n = strlen(a->job_hex);
    if (path.len < n || memcmp(path.data, a->job_hex, n) != 0 ||
        (path.len > n && path.data[n] != '/')) {
        return error_set(a->s.err, ERR_CORRUPT,
                         "%s is no archive of job %s: it has an answer of another one, %s",
                         a->s.name, a->job_hex, str_cstr(&a->path));
    }
    path.data += n;
    path.len -= n;
    return a->sink->entry(a->sink->arg, path, str_slice(&a->json), a->s.err);
}

/* Behind an item: 1: a comma, another one follows; 0: the end of the list. */
static int go_on(struct scanner *s, char close, const char *expected)
{
    int c = skip_blanks(s);
    if (c != ',' && c != close) {
        return unexpected(s, c, expected);
    }
    s->at++;
    return c == ',';
}

/* Behind '{': its members, up to '}'. */
static int read_entry(struct archive *a)
{
    struct scanner *s = &a->s;
    bool has_path = false, has_json = false;
    if (skip_blanks(s) == '}') {
        return malformed(s, "an entry without path and json");
    }
    for (;;) {
        TRY(read_string(s, ARCHIVE_PATH_MAX, &a->key));
        TRY(expect(s, ':', "':' is expected"));
        if (strcmp(str_cstr(&a->key), "path") == 0) {
            TRY(read_string(s, ARCHIVE_PATH_MAX, &a->path));
            has_path = true;
        } else if (strcmp(str_cstr(&a->key), "json") == 0) {
            TRY(read_string(s, ARCHIVE_ENTRY_MAX, &a->json));
            has_json = true;
        } else {
            TRY(skip_value(s, 0));
        }
        int more = go_on(s, '}', "',' or '}' is expected");
        TRY(more);
        if (more == 0) {
            break;
        }
    }
    return has_path && has_json ? on_entry(a) : malformed(s, "an entry without path and json");
}

static int read_entries(struct archive *a)
{
    struct scanner *s = &a->s;
    TRY(expect(s, '[', "the list of answers is expected"));
    if (skip_blanks(s) == ']') {
        s->at++;
        return 0;
    }
    for (;;) {
        TRY(expect(s, '{', "an entry is expected"));
        TRY(read_entry(a));
        int more = go_on(s, ']', "',' or ']' is expected");
        TRY(more);
        if (more == 0) {
            return 0;
        }
    }
}

static int read_document(struct archive *a)
{
    struct scanner *s = &a->s;
    bool found = false;
    TRY(expect(s, '{', "a JSON object is expected"));
    if (skip_blanks(s) == '}') {
        return malformed(s, "there is no \"archive\"");
    }
    for (;;) {
        TRY(read_string(s, ARCHIVE_PATH_MAX, &a->key));
        TRY(expect(s, ':', "':' is expected"));
        if (strcmp(str_cstr(&a->key), "archive") == 0 && !found) {
            found = true;
            TRY(read_entries(a));
        } else {
            TRY(skip_value(s, 0));
        }
        int more = go_on(s, '}', "',' or '}' is expected");
        TRY(more);
        if (more == 0) {
            break;
        }
    }
    int c = skip_blanks(s);
    if (c != AT_END) {
        return unexpected(s, c, "there is more behind the archive,");
    }
    return found ? 0 : malformed(s, "there is no \"archive\"");
}

static int read_all(struct archive *a)
{
    int rc = read_document(a);
    str_fini(&a->key);
    str_fini(&a->path);
    str_fini(&a->json);
    return rc;
}

int archive_read_text(const char *name, struct slice text, const char *job_hex,
                      const struct archive_sink *sink, struct error *err)
{
    struct archive a = {
        .s = {.name = name, .data = text.data, .len = text.len, .err = err},
        .job_hex = job_hex,
        .sink = sink,
    };
    return read_all(&a);
}

int archive_read(const char *uri, const char *job_hex, const struct archive_sink *sink,
                 struct error *err)
{
    struct fs_input *in = NULL;
    TRY(fs_open(uri, FS_ACCESS_SEQUENTIAL, &in, err));
    if (fs_input_size(in) > ARCHIVE_BYTES_MAX) {
        int rc =
            error_set(err, ERR_TOO_LARGE, "%s has %llu bytes; an archive has at most %llu", uri,
                      (unsigned long long)fs_input_size(in), (unsigned long long)ARCHIVE_BYTES_MAX);
        fs_input_close(in);
        return rc;
    }
    char *window = mem_alloc(WINDOW_BYTES);
    struct archive a = {
        .s = {.name = uri, .in = in, .data = window, .window = window, .err = err},
        .job_hex = job_hex,
        .sink = sink,
    };
    int rc = read_all(&a);
    mem_free(window);
    fs_input_close(in);
    return rc;
}
