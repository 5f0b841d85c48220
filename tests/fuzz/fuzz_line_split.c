/* The line splitter over any bytes, limit and state: what it makes are the lines that a byte-by-byte loop
 * finds. */
#include "engine/operators/io/line_split.h"

enum { HEADER = 4, LINES_MAX = 64 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct slice view_bytes(const struct view *v, const uint8_t *data)
{
    return v->len <= VIEW_INLINE_MAX ? slice_make(v->inlined, (size_t)v->len)
                                     : slice_make((const char *)data + v->offset, (size_t)v->len);
}

/* The whole line at `at`, the obvious way; false: there is none, or it is too long. */
static bool next_line(const struct line_range *r, uint32_t at, uint32_t *ret_next,
                      struct slice *ret_line)
{
    uint32_t end = at;

    while (end < r->limit && r->data[end] != '\n') {
        end++;
    }
    if (at >= r->past || (end == r->limit && !r->at_eof)) {
        return false;
    }
    uint32_t len = end - at;
    if (len > 0 && r->data[end - 1] == '\r') {
        len--;
    }
    *ret_next = end < r->limit ? end + 1 : end;
    *ret_line = slice_make((const char *)r->data + at, len);
    return len <= r->max_line;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view views[LINES_MAX];

    if (size < HEADER || size > 64 * 1024) {
        return 0;
    }
    uint32_t n_bytes = (uint32_t)size - HEADER;
    uint8_t *copy = mem_zalloc(n_bytes + BUFFER_PADDING);
    if (n_bytes > 0) {
        memcpy(copy, data + HEADER, n_bytes);
    }
    struct line_range range = {.data = copy, .limit = n_bytes, .max_line = data[0]};
    range.past = data[1] < 200 ? n_bytes : MIN(n_bytes, (uint32_t)data[1]);
    range.at_eof = (data[2] & 1) != 0;
    uint32_t max = 1 + data[3] % LINES_MAX, at = 0, n;
    do {
        n = line_split(&range, views, max);
        ASSERT(n <= max);
        for (uint32_t i = 0; i < n; i++) {
            struct slice line = {NULL, 0};
            bool found = next_line(&range, at, &at, &line);
            ASSERT(found && slice_eq(line, view_bytes(&views[i], copy)));
        }
        ASSERT(range.at == at);
    } while (n == max);
    struct slice line;
    bool more = next_line(&range, at, &at, &line);
    ASSERT(!more);
    mem_free(copy);
    return 0;
}
