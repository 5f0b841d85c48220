/* Formats in the plug-in folder; see format.h. */
#include "common/plugin/plugin_folder.h"
#include "formats/format.h"

_Static_assert(sizeof(FLINC_FORMAT_ENTRY_SYMBOL) == sizeof(PLUGIN_ENTRY_OF_FORMATS), "one symbol");

static int add(void *address, const char *path, struct error *err)
{
    flinc_format_entry entry;
    memcpy(&entry, &address, sizeof(entry));
    const flinc_format *theirs = entry();
    return theirs != NULL
               ? format_register(theirs, path, err)
               : error_set(err, ERR_INVALID_ARGUMENT, "%s: its entry gives no format", path);
}

void format_plugins_load(const char *dir)
{
    static struct plugin_folder_kind formats = {.what = "format",
                                                .symbol = FLINC_FORMAT_ENTRY_SYMBOL,
                                                .add = add,
                                                .loading = PTHREAD_MUTEX_INITIALIZER};
    plugin_folder_load(&formats, dir);
}
