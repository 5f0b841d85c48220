/* YAML: whatever the text, a bounded tree or an error with a place; every tree can be written. */
#include "common/text/json.h"
#include "common/text/json_writer.h"
#include "common/text/yaml.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct yaml_document document;
    struct error err = ERROR_INIT;
    struct yaml_limits limits = {.max_nodes = 5000};
    if (yaml_parse(slice_make((const char *)data, size), "f.yaml", &limits, &document, &err) < 0) {
        ASSERT(cstr_starts_with(err.message, "f.yaml"));
        return 0;
    }
    if (document.root != NULL) {
        STR_AUTO out = STR_INIT;
        struct json_writer w;
        json_writer_init(&w, &out, JSON_STYLE_PRETTY);
        yaml_node_write_json(document.root, &w);
        json_writer_finish(&w);
        /* Keys were unique, the depth was bounded: it is valid JSON. */
        struct json_node *root = NULL;
        int rc = json_parse(str_slice(&out), NULL, &root, &err);
        ASSERT(rc == 0);
        json_node_free(root);
    }
    yaml_document_fini(&document);
    return 0;
}
