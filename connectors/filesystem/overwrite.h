/* INSERT OVERWRITE: the files that were in a folder before this run go.  Thread: the task's.
 * Flink: PartitionLoader.  */
#ifndef FLINC_CONNECTORS_FILESYSTEM_OVERWRITE_H
#define FLINC_CONNECTORS_FILESYSTEM_OVERWRITE_H

#include "common/base/map.h"
#include "proto/connectors.pb-c.h"

/* Removes visible files of the folder below the table's (""; "dt=2020-01-31") that are not of this run; a folder that is
 * not there is empty.  Folders in it stay. */
int overwrite_folder(const Flinc__FilesystemCommitConfig *config, const char *folder,
                     struct error *err) MUST_CHECK;

#endif
