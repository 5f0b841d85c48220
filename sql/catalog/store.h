/* Where the descriptions of catalogs are kept: what CREATE CATALOG said, so that a later session has the catalog again.
 *
 * `generic_in_memory` forgets with its session.  `file` has one YAML file per catalog, `<name>.yaml` in the folder of
 * `table.catalog-store.file.path`, as Flink has it: a map of the options, on any file system.  A comment is a line
 * `# comment: ...` above them, which Flink reads over.  Files are read when a catalog is asked for; each is written whole
 * under a hidden name and renamed.
 * Flink: CatalogStore, GenericInMemoryCatalogStore, FileCatalogStore.  Thread: one owner; blocks on the file system. */
#ifndef FLINC_SQL_CATALOG_STORE_H
#define FLINC_SQL_CATALOG_STORE_H

#include "common/text/option_text.h"
#include "sql/catalog/entity.h"

enum {
    SQL_CATALOG_FILE_MAX = 1 << 20, /* bytes of one */
    SQL_CATALOGS_MAX = 10000,
};

struct sql_catalog_store;

/* `kind` is table.catalog-store.kind (NULL: generic_in_memory), `path` table.catalog-store.file.path.  ERR_INVALID_CONFIG
 * names the key. */
int sql_catalog_store_open(const char *kind, const char *path, struct sql_catalog_store **ret,
                           struct error *err) MUST_CHECK;
struct sql_catalog_store *sql_catalog_store_close(struct sql_catalog_store *s);
/* Sorted. */
int sql_catalog_store_list(const struct sql_catalog_store *s, struct text_list *ret,
                           struct error *err) MUST_CHECK;
/* ERR_NOT_FOUND; ERR_CORRUPT for a file that is no map of text. */
int sql_catalog_store_get(const struct sql_catalog_store *s, const char *name,
                          struct sql_entity **ret, struct error *err) MUST_CHECK;
/* In place of what was there. */
int sql_catalog_store_put(struct sql_catalog_store *s, const char *name, const struct sql_entity *e,
                          struct error *err) MUST_CHECK;
int sql_catalog_store_remove(struct sql_catalog_store *s, const char *name,
                             struct error *err) MUST_CHECK;

#endif
