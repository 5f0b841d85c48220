/* Request targets: "/v1/jobs/a%2Fb?get=x,y" taken apart.  Nothing here knows routes.  Thread: any. */
#include "common/net/http/target.h"

#include "common/text/utf8.h"

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int http_percent_decode(struct arena *arena, struct slice raw, enum http_plus plus,
                        const char **ret_text, struct error *err)
{
    char *text = arena_alloc(arena, raw.len + 1);
    size_t n = 0;
    for (size_t i = 0; i < raw.len; i++) {
        char c = raw.data[i];
        if (c == '%') {
            int high = i + 2 < raw.len ? hex_digit(raw.data[i + 1]) : -1;
            int low = high >= 0 ? hex_digit(raw.data[i + 2]) : -1;
            if (low < 0) {
                return error_set(err, ERR_PARSE, "a %% that is not followed by two hex digits");
            }
            c = (char)(high << 4 | low);
            i += 2;
        } else if (c == '+' && plus == HTTP_PLUS_IS_BLANK) {
            c = ' ';
        }
        if (c == '\0') {
            return error_set(err, ERR_PARSE, "a NUL character");
        }
        text[n++] = c;
    }
    text[n] = '\0';
    if (!utf8_validate(text, n, NULL)) {
        return error_set(err, ERR_PARSE, "bytes that are not UTF-8");
    }
    *ret_text = text;
    return 0;
}

static int parse_query(struct arena *arena, struct slice raw, struct http_target *t,
                       struct error *err)
{
    struct slice rest = raw, item;
    struct http_pair *pairs = NULL;
    uint32_t n = 0, cap = 0;
    while (rest.data != NULL && slice_next(&rest, '&', &item)) {
        if (item.len == 0) {
            continue;
        }
        if (n == HTTP_QUERY_MAX) {
            return error_set(err, ERR_PARSE, "more than %d query parameters", HTTP_QUERY_MAX);
        }
        if (n == cap) {
            struct http_pair *grown = arena_alloc(arena, (cap + 8) * 2 * sizeof(*grown));
            if (n > 0) {
                memcpy(grown, pairs, n * sizeof(*grown));
            }
            pairs = grown;
            cap = (cap + 8) * 2;
        }
        const char *eq = memchr(item.data, '=', item.len);
        size_t name_len = eq != NULL ? (size_t)(eq - item.data) : item.len;
        struct slice name = slice_make(item.data, name_len);
        struct slice value =
            eq != NULL ? slice_make(eq + 1, item.len - name_len - 1) : slice_make("", 0);
        TRY(http_percent_decode(arena, name, HTTP_PLUS_IS_BLANK, &pairs[n].name, err));
        TRY(http_percent_decode(arena, value, HTTP_PLUS_IS_BLANK, &pairs[n].value, err));
        n++;
    }
    t->query = pairs;
    t->n_query = n;
    return 0;
}

/* "http://host:port/path" (what proxies are sent) -> "/path". */
static struct slice without_authority(struct slice raw)
{
    struct slice s = raw;
    for (size_t i = 0; i < 2; i++) {
        static const char *const schemes[] = {"http://", "https://"};
        if (slice_starts_with(raw, schemes[i])) {
            size_t skip = strlen(schemes[i]);
            while (skip < raw.len && raw.data[skip] != '/' && raw.data[skip] != '?') {
                skip++;
            }
            s = slice_make(raw.data + skip, raw.len - skip);
            if (s.len == 0 || s.data[0] != '/') {
                s = slice_make("/", 1);
            }
        }
    }
    return s;
}

static int parse_segments(struct arena *arena, struct slice path, struct http_target *t,
                          struct error *err)
{
    while (path.len > 0 && path.data[0] == '/') {
        path = slice_make(path.data + 1, path.len - 1);
    }
    while (path.len > 0 && path.data[path.len - 1] == '/') {
        path.len--;
    }
    t->routable = true;
    struct slice rest = path, item;
    while (path.len > 0 && slice_next(&rest, '/', &item)) {
        if (t->n_segments == HTTP_SEGMENTS_MAX) {
            t->routable = false;
            break;
        }
        TRY(http_percent_decode(arena, item, HTTP_PLUS_IS_PLUS, &t->segments[t->n_segments], err));
        t->n_segments++;
    }
    return 0;
}

int http_target_parse(struct arena *arena, struct slice raw, struct http_target *ret_target,
                      struct error *err)
{
    struct http_target t = {0};
    struct slice s = without_authority(raw);
    for (size_t i = 0; i < s.len; i++) {
        if ((unsigned char)s.data[i] < 0x20 || s.data[i] == 0x7f) {
            return error_set(err, ERR_PARSE, "a control character in the path");
        }
    }
    const char *question = s.len > 0 ? memchr(s.data, '?', s.len) : NULL;
    struct slice path = s;
    if (question != NULL) {
        path.len = (size_t)(question - s.data);
        TRY(parse_query(arena, slice_make(question + 1, s.len - path.len - 1), &t, err));
    }
    if (path.len == 0 || path.data[0] != '/') {
        return error_set(err, ERR_PARSE, "a path that does not begin with /");
    }
    if (slice_eq_cstr(path, "/v1")) {
        path = slice_make("/", 1);
    } else if (slice_starts_with(path, "/v1/")) {
        path = slice_make(path.data + 3, path.len - 3);
    }
    TRY(http_percent_decode(arena, path, HTTP_PLUS_IS_PLUS, &t.path, err));
    TRY(parse_segments(arena, path, &t, err));
    *ret_target = t;
    return 0;
}
