/* JSON: what parses can be written, and what is written parses to the same text. */
#include "common/text/json.h"
#include "common/text/json_writer.h"

static void write_compact(const struct json_node *root, struct str *out)
{
    struct json_writer w;
    json_writer_init(&w, out, JSON_STYLE_COMPACT);
    json_node_write(root, &w);
    json_writer_finish(&w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct error err = ERROR_INIT;
    struct json_node *root = NULL;
    struct json_limits limits = {.duplicates =
                                     size % 2 == 0 ? JSON_DUPLICATES_REFUSE : JSON_DUPLICATES_LAST};
    struct slice text = slice_make((const char *)data, size);
    if (json_parse(text, &limits, &root, &err) < 0) {
        ASSERT(root == NULL && err.message[0] != '\0');
        return 0;
    }
    STR_AUTO once = STR_INIT;
    STR_AUTO twice = STR_INIT;
    write_compact(root, &once);
    json_node_free(root);
    int rc = json_parse(str_slice(&once), NULL, &root, &err);
    ASSERT(rc == 0);
    write_compact(root, &twice);
    json_node_free(root);
    ASSERT(slice_eq(str_slice(&once), str_slice(&twice)));
    return 0;
}
