/* The options of catalogs' objects: text keys and values, sorted by key, which is the order they are shown in.  They lie in
 * the arena of their object.  Flink: the Map<String, String> of CatalogTable.getOptions().  Thread: one writer. */
#ifndef FLINC_SQL_CATALOG_OPTIONS_H
#define FLINC_SQL_CATALOG_OPTIONS_H

#include "common/base/mem.h"
#include "common/base/str.h"

struct sql_option {
    const char *key, *value;
};

struct sql_options {
    struct sql_option *items;
    uint32_t n;
};

const char *sql_options_find(const struct sql_options *o, const char *key); /* NULL: none */
/* Copies both; an old value is replaced. */
void sql_options_put(struct sql_options *o, struct arena *arena, struct slice key,
                     struct slice value);
bool sql_options_remove(struct sql_options *o, const char *key);
void sql_options_copy(const struct sql_options *from, struct arena *arena, struct sql_options *ret);

#endif
