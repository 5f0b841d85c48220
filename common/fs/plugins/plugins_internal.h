/* What the files of this room share; see plugins.h. */
#ifndef FLINC_COMMON_FS_PLUGINS_PLUGINS_INTERNAL_H
#define FLINC_COMMON_FS_PLUGINS_PLUGINS_INTERNAL_H

#include "common/fs/driver.h"
#include "common/fs/plugins/plugins.h"
#include "flinc/filesystem.h"

/* A loaded plug-in.  Lives for ever. */
struct fs_plugin {
    flinc_fs_plugin table; /* a copy; NULL where an older plug-in has nothing */
    char *path;            /* Owns; of the shared object */
    void *fs;              /* the plug-in's; of start() */
};

/* One scheme of it. */
struct plugin_driver {
    struct fs_driver driver;
    struct fs_plugin *plugin; /* Borrows */
};

/* ---- adapter.c -------------------------------------------------------------------------------------- */

/* A driver of one scheme; lives for ever. */
struct plugin_driver *plugin_driver_new(struct fs_plugin *plugin, const char *scheme);
struct fs_plugin *plugin_of(const struct fs_location *at);

/* A location as plug-ins see it; valid as long as both. */
struct plugin_path {
    flinc_fs_path path;
    struct str uri; /* Owns */
};
void plugin_path_init(struct plugin_path *p, const struct fs_location *at);
void plugin_path_fini(struct plugin_path *p);
#define PLUGIN_PATH_AUTO CLEANUP(plugin_path_fini) struct plugin_path

/* The result of a plug-in's function as ours: 0, or a code of ours with its message, what it did and to what. */
int plugin_result(const struct fs_plugin *plugin, int code, const flinc_fs_error *why,
                  const char *doing, const char *what, struct error *err) MUST_CHECK;
/* It does not keep to its contract. */
int plugin_misbehaves(const struct fs_plugin *plugin, const char *how, struct error *err);

/* ---- recoverable.c ---------------------------------------------------------------------------------- */

extern const struct recoverable_ops recoverable_ops_plugin;

#endif
