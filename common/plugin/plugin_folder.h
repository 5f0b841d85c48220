/* Where plug-ins lie: <folder>/<name>/<file>.so.  Thread: any. */
#ifndef FLINC_COMMON_PLUGIN_PLUGIN_FOLDER_H
#define FLINC_COMMON_PLUGIN_PLUGIN_FOLDER_H

#include "common/base/str.h"
#include <pthread.h>

/* What plug-ins export that are described by headers of the SDK (flinc/filesystem.h, flinc/connector.h, flinc/format.h): each
 * loader takes its own and passes over the others. */
#define PLUGIN_ENTRY_OF_CONNECTORS "flinc_connector_entry_v1"
#define PLUGIN_ENTRY_OF_FORMATS "flinc_format_entry_v1"

enum { PLUGIN_FOLDER_FILES_MAX = 256 }; /* entries of a folder that are looked at */

/* $FLINK_PLUGINS_DIR, else plugins/ of the distribution that the program, or libflinc.so, lies in. */
void plugin_folder_find(struct str *ret_dir);
/* Calls fn(arg, path) for each file, in the order of names.  A folder that is not there has none. */
void plugin_folder_each(const char *dir, void (*fn)(void *arg, const char *path), void *arg);

/* A kind of plug-in that is described by a header of the SDK.  One per kind and process, with PTHREAD_MUTEX_INITIALIZER. */
struct plugin_folder_kind {
    const char *what;   /* "connector", for the log */
    const char *symbol; /* of its entry */
    /* Calls the entry, and registers what it gives; messages begin with `path`.  From here on the code stays when it is 0. */
    int (*add)(void *entry, const char *path, struct error *err);
    pthread_mutex_t loading;
    bool is_loaded;
};
/* Loads all files of the folder (dir NULL: where plug-ins lie) that are of this kind.  What does not load is logged, and the
 * others are loaded.  A second call does nothing; one beside the first waits for it. */
void plugin_folder_load(struct plugin_folder_kind *k, const char *dir);

#endif
