/* Partitions in paths: "dt=2020-01-31/country=de", escaped as Hive does it.  Thread: any.
 * Flink: PartitionPathUtils, RowPartitionComputer. */
#ifndef FLINC_CONNECTORS_FILESYSTEM_PARTITION_PATH_H
#define FLINC_CONNECTORS_FILESYSTEM_PARTITION_PATH_H

#include "engine/data/builder.h"

/* The value of a key in the folders of a path, unescaped.  False: the path has no such folder. */
bool partition_path_find(const char *path, const char *key, struct str *ret_value);
/* Sets a cell from its text; the default name is NULL.  ERR_PARSE, ERR_UNSUPPORTED. */
int partition_value_put(struct builder *b, uint32_t column, struct slice text,
                        const char *default_name, struct error *err) MUST_CHECK;
/* Types that a partition column may have: ERR_UNSUPPORTED names it. */
int partition_type_check(const char *column, const struct data_type *type,
                         struct error *err) MUST_CHECK;

#endif
