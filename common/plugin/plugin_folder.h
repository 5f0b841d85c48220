/* Where plug-ins lie: <folder>/<name>/<file>.so.  Thread: any. */
#ifndef FLINC_COMMON_PLUGIN_PLUGIN_FOLDER_H
#define FLINC_COMMON_PLUGIN_PLUGIN_FOLDER_H

#include "common/base/str.h"

/* What plug-ins export that are described by headers of the SDK (flinc/filesystem.h, flinc/connector.h, flinc/format.h): each
 * loader takes its own and passes over the others. */
#define PLUGIN_ENTRY_OF_CONNECTORS "flinc_connector_entry_v1"
#define PLUGIN_ENTRY_OF_FORMATS "flinc_format_entry_v1"

enum { PLUGIN_FOLDER_FILES_MAX = 256 }; /* entries of a folder that are looked at */

/* $FLINK_PLUGINS_DIR, else plugins/ of the distribution that the program, or libflinc.so, lies in. */
void plugin_folder_find(struct str *ret_dir);
/* Calls fn(arg, path) for each file, in the order of names.  A folder that is not there has none. */
void plugin_folder_each(const char *dir, void (*fn)(void *arg, const char *path), void *arg);

#endif
