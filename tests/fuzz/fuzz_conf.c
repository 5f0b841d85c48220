/* Configuration files: the first byte says which format; what loads can be read and shown. */
#include "common/conf/conf.h"
#include "common/text/json.h"
#include "common/text/json_writer.h"

static void check_shown(const struct conf *conf)
{
    STR_AUTO out = STR_INIT;
    struct json_writer w;
    json_writer_init(&w, &out, JSON_STYLE_COMPACT);
    conf_write_json(conf, &w);
    json_writer_finish(&w);
    struct json_limits limits = {.max_bytes = (size_t)1 << 30};
    struct json_node *root = NULL;
    int rc = json_parse(str_slice(&out), &limits, &root, NULL);
    ASSERT(rc == 0 && json_node_count(root) == conf->entries.len);
    json_node_free(root);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0) {
        return 0;
    }
    struct conf conf;
    conf_init(&conf, NULL);
    /* No hints for unknown keys: they would be nearly all that a run does. */
    for (int i = 0; i < CONF_NEAREST_HINTS_MAX; i++) {
        text_list_add(&conf.warnings, SLICE_LIT("enough of them"));
    }
    struct error err = ERROR_INIT;
    struct slice text = slice_make((const char *)data + 1, size - 1);
    int rc = data[0] % 2 == 0 ? conf_load_yaml_text(&conf, "f", text, &err)
                              : conf_load_legacy_text(&conf, "f", text, &err);
    ASSERT(rc == 0 || err.message[0] == 'f');
    check_shown(&conf);
    /* Getters never fail, whatever was loaded. */
    ASSERT(conf_int(&conf, "parallelism.default") >= 1);
    ASSERT(conf_duration_ms(&conf, "execution.buffer-timeout.interval") >= 0);
    struct text_map parameters = TEXT_MAP_INIT;
    conf_map(&conf, "pipeline.global-job-parameters", &parameters);
    text_map_fini(&parameters);
    conf_fini(&conf);
    return 0;
}
