/* 'connector' = 'filesystem'; see README.md.  What the files of this room share. */
#ifndef FLINC_CONNECTORS_FILESYSTEM_FILESYSTEM_H
#define FLINC_CONNECTORS_FILESYSTEM_FILESYSTEM_H

#include "engine/table/options.h"
#include "engine/table/table.h"
#include "formats/format.h"

extern const struct table_connector connector_filesystem;
extern const struct operator_desc operator_table_filesystem;
extern const struct operator_desc operator_table_committer;

/* sink.partition-commit.trigger */
enum filesystem_trigger { FILESYSTEM_BY_PROCESS_TIME, FILESYSTEM_BY_PARTITION_TIME };

#define FILESYSTEM_DEFAULT_PARTITION "__DEFAULT_PARTITION__"

/* The format of a table with its options, read from the table's. */
struct filesystem_format {
    const flinc_format *format;
    struct text_map pairs; /* options without the prefix */
    struct format_options *options;
};
int filesystem_format_read(const struct table *t, struct filesystem_format *ret,
                           struct error *err) MUST_CHECK;
void filesystem_format_fini(struct filesystem_format *f); /* a zeroed one is fine */

/* Is this column of the schema a partition key? */
bool filesystem_is_key(const struct table *t, uint32_t column);
/* The columns that are in files.  ERR_INVALID_CONFIG: there are none. */
int filesystem_file_schema(const struct table *t, struct schema **ret,
                           struct error *err) MUST_CHECK;

int filesystem_plan_source(const struct table *t, const struct table_scan *scan,
                           struct arena *arena, struct table_node *ret,
                           struct error *err) MUST_CHECK;
int filesystem_plan_sink(const struct table *t, const struct table_write *write,
                         struct arena *arena, struct table_node *ret, struct error *err) MUST_CHECK;

#endif
