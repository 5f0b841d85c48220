/* Connectors of third parties (include/flinc/connector.h) as connectors of the tree: the same descriptors, one generic pair of
 * operators.  Thread: any. */
#ifndef FLINC_CONNECTORS_PLUGIN_PLUGIN_H
#define FLINC_CONNECTORS_PLUGIN_PLUGIN_H

#include "engine/table/table.h"
#include "flinc/connector.h"

/* Loads all of <dir>/<name>/<file>.so that are connectors (dir NULL: where plug-ins lie) and registers them.  What does not
 * load is logged, and the others are loaded.  A second call does nothing. */
void connector_plugins_load(const char *dir);
/* Makes one and registers it; both live for ever.  `path`: for messages.  ERR_UNSUPPORTED for another version,
 * ERR_INVALID_ARGUMENT, ERR_ALREADY_EXISTS. */
int connector_plugin_add(const flinc_connector *theirs, const char *path,
                         struct error *err) MUST_CHECK;

extern const struct operator_desc operator_plugin_source;
extern const struct operator_desc operator_plugin_sink;

#endif
