/* The smallest plug-in: a format and a connector.  The macros make its broken relatives. */
#include "common/plugin/plugin.h"

#ifndef TEST_ABI_VERSION
#define TEST_ABI_VERSION PLUGIN_ABI_VERSION
#endif
#ifndef TEST_ENTRY
#define TEST_ENTRY flinc_plugin_entry
#endif
#ifndef TEST_N_DESCRIPTORS
#define TEST_N_DESCRIPTORS ARRAY_LEN(descriptors)
#endif
#ifndef TEST_SECOND_NAME
#define TEST_SECOND_NAME "sample-connector"
#endif

struct sample_format {
    int (*answer)(void);
};

#ifdef TEST_CALL
int TEST_CALL(void);
static int answer(void)
{
    return TEST_CALL();
}
#else
static int answer(void)
{
    return 42;
}
#endif

static const struct sample_format vtable = {.answer = answer};

static const struct conf_option options[] = {
    {"sample.rate", CONF_TYPE_LONG, "10"},
};

static const struct plugin_descriptor format = {
    .struct_size = sizeof(struct plugin_descriptor),
    .abi_version = TEST_ABI_VERSION,
    .kind = PLUGIN_KIND_FORMAT,
    .kind_version = 3,
    .name = "sample-format",
    .description = "A format for the tests.",
    .options = options,
    .n_options = ARRAY_LEN(options),
    .vtable = &vtable,
};

static const struct plugin_descriptor connector = {
    .struct_size = sizeof(struct plugin_descriptor),
    .abi_version = TEST_ABI_VERSION,
    .kind = PLUGIN_KIND_CONNECTOR,
    .kind_version = 1,
    .name = TEST_SECOND_NAME,
    .description = "A connector for the tests.",
    .vtable = &vtable,
};

static const struct plugin_descriptor *const descriptors[] = {&format, &connector};

PLUGIN_EXPORT const struct plugin_exports *TEST_ENTRY(void);
const struct plugin_exports *TEST_ENTRY(void)
{
    static const struct plugin_exports exports = {
        .struct_size = sizeof(exports),
        .abi_version = TEST_ABI_VERSION,
        .descriptors = descriptors,
        .n_descriptors = TEST_N_DESCRIPTORS,
    };
    return &exports;
}
