/* File systems of third parties, from plugins/ (include/flinc/filesystem.h).  Thread: main, before others. */
#ifndef FLINC_COMMON_FS_PLUGINS_PLUGINS_H
#define FLINC_COMMON_FS_PLUGINS_PLUGINS_H

#include "common/conf/conf.h"

/* Loads all of <dir>/<name>/<file>.so (dir NULL: where plug-ins lie) and registers their schemes.  What does not load is logged and
 * remembered for fs.h's message of unknown schemes.  A second call does nothing. */
void fs_plugins_load(const struct conf *conf, const char *dir);
/* Tells each plug-in that the process ends.  Nothing of theirs is used afterwards. */
void fs_plugins_stop(void);

#endif
