/* Connectors in the plug-in folder; see plugin.h. */
#include "connectors/plugin/plugin.h"

#include "common/plugin/plugin_folder.h"

static int add(void *address, const char *path, struct error *err)
{
    flinc_connector_entry entry;
    memcpy(&entry, &address, sizeof(entry));
    return connector_plugin_add(entry(), path, err);
}

void connector_plugins_load(const char *dir)
{
    static struct plugin_folder_kind connectors = {.what = "connector",
                                                   .symbol = FLINC_CONNECTOR_ENTRY_SYMBOL,
                                                   .add = add,
                                                   .loading = PTHREAD_MUTEX_INITIALIZER};
    plugin_folder_load(&connectors, dir);
}
