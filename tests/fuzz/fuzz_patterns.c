/* Regular expressions, patterns of time and JSON paths, each over a text, split from the input at its first line end: whatever
 * they are, compiling and running ends, and what is found lies within the text. */
#include "engine/patterns/json_text.h"
#include "engine/patterns/regex.h"
#include "engine/patterns/time_pattern.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_regex(struct regex *r, struct slice text)
{
    bool is_found = true;
    size_t from = 0;
    for (int i = 0; is_found && i < 100; i++) {
        if (regex_find(r, text, from, &is_found, NULL) < 0 || !is_found) {
            break;
        }
        for (uint32_t g = 0; g <= regex_groups(r) && g < 20; g++) {
            const struct slice part = regex_group(r, text, g);
            ASSERT(part.data == NULL || text.len == 0 ||
                   (part.data >= text.data && part.data + part.len <= text.data + text.len));
        }
        const size_t next = regex_next(r, text);
        ASSERT(next >= from && next <= text.len + 1);
        from = next;
    }
}

static void check_time(const struct time_pattern *p, struct slice text)
{
    struct time_value v;
    if (time_pattern_parse(p, text, &v)) {
        char *out = mem_alloc(time_pattern_max_bytes(p));
        ASSERT(time_pattern_print(p, &v, out) <= time_pattern_max_bytes(p));
        mem_free(out);
    }
}

static void check_json(const struct json_path *p, struct slice text)
{
    struct json_document d = {0}, again = {0};
    struct json_found found = {0};
    STR_AUTO out = STR_INIT;
    if (json_document_parse(&d, text)) {
        json_document_print(&d, 0, &out);
        ASSERT(json_document_parse(&again, str_slice(&out)) && again.n == d.n);
        if (p != NULL && json_path_find(p, &d, &found)) {
            for (uint32_t i = 0; i < found.n; i++) {
                ASSERT(found.items[i] < d.n);
            }
        }
    }
    json_found_fini(&found);
    json_document_fini(&again);
    json_document_fini(&d);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_make((const char *)data, size), pattern = {NULL, 0};
    struct json_path *path = NULL;
    if (size > 4096 || !slice_next(&text, '\n', &pattern) || text.data == NULL) {
        return 0;
    }
    struct regex *r = NULL;
    if (regex_new(pattern, &r, NULL) == 0) {
        check_regex(r, text);
        regex_free(r);
    }
    if (regex_new_similar(pattern, slice_make("!", 1), &r, NULL) == 0) {
        check_regex(r, text);
        regex_free(r);
    }
    for (enum time_dialect dialect = 0; dialect <= TIME_DIALECT_SIMPLE; dialect++) {
        struct time_pattern *p;
        if (time_pattern_new(pattern, dialect, &p, NULL) == 0) {
            check_time(p, text);
            time_pattern_free(p);
        }
    }
    if (json_path_new(pattern, &path, NULL) < 0) {
        path = NULL;
    }
    check_json(path, text);
    json_path_free(path);
    return 0;
}
