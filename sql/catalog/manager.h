/* The catalogs of a session: which one is current, temporary objects that hide permanent ones, names of one to three parts,
 * modules, jars.
 *
 * A catalog of the store is opened when it is first used.  Temporary tables, views and functions live in the manager, by their
 * full names, also in databases that are not there; they go before the catalog's own.  Names are compared byte by byte, those of
 * functions without regard to case.
 *
 * What is not found is ERR_NOT_FOUND with Flink's sentence and the nearest name; `place` is the part of the path.
 * Flink: CatalogManager, FunctionCatalog, ModuleManager, ObjectIdentifier.  Thread: one owner, the session. */
#ifndef FLINC_SQL_CATALOG_MANAGER_H
#define FLINC_SQL_CATALOG_MANAGER_H

#include "sql/catalog/catalog.h"
#include "sql/catalog/resolver.h"
#include "sql/catalog/store.h"

enum {
    SQL_TEMPORARY_MAX = 100000, /* objects of a session */
    SQL_JARS_MAX = 10000,
    SQL_MODULES_MAX = 100,
};

struct sql_manager;

struct sql_manager_options {
    const char *catalog,
        *database; /* table.builtin-*-name; NULL: default_catalog, default_database */
    struct sql_catalog_store *take_store; /* NULL: in memory */
    const struct sql_resolver *resolver;  /* Borrows; NULL: none */
};

int sql_manager_new(const struct sql_manager_options *options, struct sql_manager **ret,
                    struct error *err) MUST_CHECK;
struct sql_manager *sql_manager_free(struct sql_manager *m);
const struct sql_resolver *sql_manager_resolver(const struct sql_manager *m);

/* ---- names --------------------------------------------------------------------------------------------- */

/* catalog.database.name, in the arena it was made with. */
struct sql_identifier {
    const char *catalog, *database, *name;
    struct sql_span span; /* in the text; of the name */
};
/* `a`.`b`.`c` and a.b.c */
void sql_identifier_quote(const struct sql_identifier *id, struct str *out);
void sql_identifier_print(const struct sql_identifier *id, struct str *out);
/* Between back-quotes, those inside doubled. */
void sql_quote_name(const char *name, struct str *out);

/* Puts the current catalog and database before what is missing.  ERR_TOO_LARGE: a name is too long. */
int sql_manager_qualify(const struct sql_manager *m, const struct sql_path *path,
                        struct arena *arena, struct sql_identifier *ret,
                        struct sql_error_place *place, struct error *err) MUST_CHECK;

const char *sql_manager_catalog(const struct sql_manager *m);  /* current */
const char *sql_manager_database(const struct sql_manager *m); /* current */
int sql_manager_use_catalog(struct sql_manager *m, const char *name, struct error *err) MUST_CHECK;
int sql_manager_use_database(struct sql_manager *m, const char *catalog, const char *database,
                             struct error *err) MUST_CHECK;

/* ---- catalogs ------------------------------------------------------------------------------------------ */

/* Sorted, those of the store included. */
int sql_manager_list_catalogs(const struct sql_manager *m, struct text_list *ret,
                              struct error *err) MUST_CHECK;
/* Opens it when it is only in the store.  ERR_NOT_FOUND: "Catalog x does not exist." */
int sql_manager_get_catalog(struct sql_manager *m, const char *name, struct sql_catalog **ret,
                            struct error *err) MUST_CHECK;
/* What CREATE CATALOG said of it; a new reference. */
int sql_manager_describe_catalog(struct sql_manager *m, const char *name, struct sql_entity **ret,
                                 struct error *err) MUST_CHECK;
int sql_manager_create_catalog(struct sql_manager *m, const char *name,
                               const struct sql_entity *description, struct error *err) MUST_CHECK;
int sql_manager_alter_catalog(struct sql_manager *m, const char *name,
                              const struct sql_entity *description, struct error *err) MUST_CHECK;
int sql_manager_drop_catalog(struct sql_manager *m, const char *name, struct error *err) MUST_CHECK;

/* ---- tables and views ---------------------------------------------------------------------------------- */

struct sql_found_table {
    struct sql_identifier id;
    struct sql_table *table; /* Owns a ref */
    bool is_temporary;
};
/* For those who name a table in a query: not found is an error with the nearest name. */
int sql_manager_resolve_table(struct sql_manager *m, const struct sql_path *path,
                              struct arena *arena, struct sql_found_table *ret,
                              struct sql_error_place *place, struct error *err) MUST_CHECK;
/* 1 and a new reference, 0: there is none, negative: the catalog failed. */
int sql_manager_find_table(struct sql_manager *m, const struct sql_identifier *id,
                           struct sql_table **ret, bool *ret_is_temporary,
                           struct error *err) MUST_CHECK;
struct sql_table *sql_manager_temporary_table(const struct sql_manager *m,
                                              const struct sql_identifier *id); /* borrowed; NULL */
int sql_manager_put_temporary_table(struct sql_manager *m, const struct sql_identifier *id,
                                    const struct sql_table *t, struct error *err) MUST_CHECK;
void sql_manager_drop_temporary_table(struct sql_manager *m, const struct sql_identifier *id);
enum sql_listed { SQL_LISTED_ALL, SQL_LISTED_VIEWS };
/* Names of tables and views, or of views alone, temporary ones too; sorted, once each. */
int sql_manager_list_tables(struct sql_manager *m, const char *catalog, const char *database,
                            enum sql_listed listed, struct text_list *ret,
                            struct error *err) MUST_CHECK;
/* " Did you mean 'x'?", or nothing. */
void sql_manager_hint_table(struct sql_manager *m, const struct sql_identifier *id,
                            struct str *out);
void sql_hint(const char *name, const struct text_list *names, struct str *out);

/* ---- functions, models --------------------------------------------------------------------------------- */

struct sql_found_function {
    const struct sql_entity *function; /* Owns a ref; NULL: a built-in one */
    char *name;                        /* Owns; built-in: as the table of functions has it */
    bool is_temporary, is_system;
};
void sql_found_function_fini(struct sql_found_function *f);
/* Temporary system functions, built-in ones of the modules in use, temporary ones, the catalog's.  1, 0: none, or negative. */
int sql_manager_find_function(struct sql_manager *m, const struct sql_path *path,
                              struct sql_found_function *ret, struct error *err) MUST_CHECK;
/* Of temporary objects other than tables: system functions by name, others by identifier.  NULL: none. */
struct sql_entity *sql_manager_temporary(const struct sql_manager *m, enum sql_object object,
                                         const struct sql_identifier *id);
int sql_manager_put_temporary(struct sql_manager *m, const struct sql_identifier *id,
                              const struct sql_entity *e, struct error *err) MUST_CHECK;
void sql_manager_drop_temporary(struct sql_manager *m, enum sql_object object,
                                const struct sql_identifier *id);
/* An identifier of a temporary system function. */
struct sql_identifier sql_system_identifier(const char *name, struct arena *arena);
void sql_manager_list_temporary(const struct sql_manager *m, enum sql_object object,
                                const char *catalog, const char *database, struct text_list *ret);
bool sql_manager_is_builtin(struct sql_manager *m, struct slice name);

/* ---- modules, jars ------------------------------------------------------------------------------------- */

int sql_manager_load_module(struct sql_manager *m, const char *name,
                            const struct sql_properties *options, struct error *err) MUST_CHECK;
int sql_manager_unload_module(struct sql_manager *m, const char *name,
                              struct error *err) MUST_CHECK;
/* In this order; ERR_NOT_FOUND with the index in *ret_at. */
int sql_manager_use_modules(struct sql_manager *m, const struct text_list *names, uint32_t *ret_at,
                            struct error *err) MUST_CHECK;
/* Those in use first and in their order, then the others that are loaded. */
void sql_manager_list_modules(const struct sql_manager *m, struct text_list *ret,
                              uint32_t *ret_used);

int sql_manager_add_jar(struct sql_manager *m, const char *path, struct error *err) MUST_CHECK;
int sql_manager_remove_jar(struct sql_manager *m, const char *path, struct error *err) MUST_CHECK;
const struct text_list *sql_manager_jars(const struct sql_manager *m);

/* Sorts and keeps one of each. */
void sql_sort_names(struct text_list *names);

#endif
