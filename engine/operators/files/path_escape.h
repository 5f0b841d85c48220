/* Names in paths as Hive escapes them: "%XX" for what means something there.  Thread: any.
 * Flink: PartitionPathUtils. */
#ifndef FLINC_ENGINE_OPERATORS_FILES_PATH_ESCAPE_H
#define FLINC_ENGINE_OPERATORS_FILES_PATH_ESCAPE_H

#include "common/base/str.h"

void path_escape(struct slice text, struct str *out);
/* What is no escape is taken as it stands. */
void path_unescape(struct slice text, struct str *out);

#endif
