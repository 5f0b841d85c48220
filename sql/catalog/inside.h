/* What the files of this room share: one statement on its way, and small words. */
#ifndef FLINC_SQL_CATALOG_INSIDE_H
#define FLINC_SQL_CATALOG_INSIDE_H

#include "common/base/map.h"
#include "sql/catalog/execute.h"
#include "sql/catalog/unparse.h"

struct sql_manager {
    struct sql_catalog_store *store; /* Owns */
    const struct sql_resolver *resolver;
    char *catalog, *database;     /* Owns; current */
    struct map catalogs;          /* Owns: open ones, struct sql_catalog */
    struct map described;         /* struct sql_entity: of those that are in no store */
    struct map tables;            /* temporary ones: struct sql_table by sql_key_of() */
    struct map functions, models; /* temporary ones: struct sql_entity by sql_key_of() */
    struct text_list modules;     /* those in use first */
    uint32_t n_used;
    struct text_list jars;
    struct map builtins; /* names of built-in functions, lower case; the value: the name as it is */
    bool has_builtins;
};
/* catalog, database and name with zero bytes between. */
void sql_key_of(const struct sql_identifier *id, struct str *out);

/* ASCII letters, in place. */
void sql_lower(char *text);
/* LIKE and ILIKE of SHOW: % and _ (one code point); ILIKE folds ASCII letters. */
bool sql_pattern_matches(const struct sql_show *show, const char *name);

/* One statement being executed. */
struct sql_execution {
    struct sql_manager *m;
    struct slice text;         /* Borrows */
    struct arena *arena;       /* Borrows: scratch, for the statement */
    struct sql_result *result; /* Owns until it is given out; NULL: OK */
    struct sql_error_place *place;
    struct error *err;
};

/* Sets place and message and is `code`. */
int sql_refuse(struct sql_execution *x, struct sql_span span, int code, const char *fmt, ...)
    PRINTF(4, 5) MUST_CHECK;
/* For errors of catalogs, which know no place: is `rc`, and the place is `span` when it is a failure. */
int sql_placed(struct sql_execution *x, struct sql_span span, int rc) MUST_CHECK;
int sql_not_yet(struct sql_execution *x, struct sql_span span, const char *feature) MUST_CHECK;

/* A name of a statement: not empty, not too long. */
int sql_name_text(const struct sql_name *name, struct arena *arena, const char **ret,
                  struct sql_error_place *place, struct error *err) MUST_CHECK;
/* The only name of a path of one part, in the statement's arena. */
int sql_only_name(struct sql_execution *x, const struct sql_path *path,
                  const char **ret) MUST_CHECK;
/* [catalog.]database: `name` stays NULL, and the catalog may not exist. */
int sql_qualify_database(struct sql_execution *x, const struct sql_path *path,
                         struct sql_identifier *ret) MUST_CHECK;
/* The catalog of an identifier, or its error at the identifier's place. */
int sql_catalog_of(struct sql_execution *x, const struct sql_identifier *id,
                   struct sql_catalog **ret) MUST_CHECK;
int sql_qualify(struct sql_execution *x, const struct sql_path *path,
                struct sql_identifier *ret) MUST_CHECK;
/* For messages: text of the statement's arena. */
const char *sql_quoted(struct sql_execution *x, const struct sql_identifier *id);
const char *sql_printed(struct sql_execution *x, const struct sql_identifier *id);
char *sql_text(struct sql_execution *x, struct slice text);
/* The options of a statement, one after the other: the last of equal keys wins. */
void sql_put_properties(const struct sql_properties *from, struct arena *arena,
                        struct sql_options *to);

/* ---- defining tables: define.c, columns.c, like.c ------------------------------------------------------- */

/* `query` has the columns of CREATE TABLE AS; NULL: it is none. */
int sql_define_table(struct sql_execution *x, const struct sql_create *c,
                     const struct sql_table *query, struct sql_table **ret) MUST_CHECK;
/* `names` NULL: the columns are those of a table, which are made different; else the list that was written, empty: none. */
int sql_define_view(struct sql_execution *x, const struct sql_query *query,
                    struct sql_span query_text, const struct sql_names *names,
                    struct sql_table **ret) MUST_CHECK;
/* Adds a column: physical and metadata ones have their types then, computed ones their text. */
int sql_define_column(struct sql_execution *x, struct sql_table *t, const struct sql_column *c,
                      struct sql_table_column *ret) MUST_CHECK;
/* Types of the computed columns, which see physical and metadata columns. */
int sql_resolve_computed(struct sql_execution *x, struct sql_table *t,
                         const struct sql_table_elements *elements) MUST_CHECK;
int sql_define_watermark(struct sql_execution *x, struct sql_table *t,
                         const struct sql_watermark *w) MUST_CHECK;
int sql_define_key(struct sql_execution *x, struct sql_table *t,
                   const struct sql_constraint *c) MUST_CHECK;
/* The key of a statement, in a column or beside; at most one.  *ret NULL: none. */
int sql_find_key(struct sql_execution *x, const struct sql_table_elements *elements,
                 const struct sql_constraint **ret) MUST_CHECK;
int sql_define_distribution(struct sql_execution *x, struct sql_table *t,
                            const struct sql_distribution *d) MUST_CHECK;
int sql_check_partition_keys(struct sql_execution *x, struct sql_table *t,
                             const struct sql_names *names) MUST_CHECK;
int sql_check_table(struct sql_execution *x, const struct sql_table *t,
                    struct sql_span span) MUST_CHECK;
/* The column of the watermark is a time attribute, and no other is. */
void sql_mark_rowtime(struct sql_table *t);
/* [a, b] */
const char *sql_column_names(struct sql_execution *x, const struct sql_table *t, const char *quote);
/* " Did you mean 'a'?" */
const char *sql_hint_column(struct sql_execution *x, const struct sql_table *t, const char *name);

/* What CREATE TABLE ... LIKE does with each part of the base table. */
struct sql_like_rules {
    enum sql_like_rule rules[SQL_LIKE_FEATURE_COUNT];
};
int sql_like_rules_of(struct sql_execution *x, const struct sql_create *c,
                      struct sql_like_rules *ret) MUST_CHECK;
/* The parts of the base table that are taken over. */
struct sql_table *sql_like_base(const struct sql_table *base, const struct sql_like_rules *rules);

/* Fine when IF NOT EXISTS finds one. */
int sql_register_table(struct sql_execution *x, const struct sql_create *c,
                       const struct sql_identifier *id, const struct sql_table *t) MUST_CHECK;

/* ---- statements ------------------------------------------------------------------------------------------ */

int sql_execute_create(struct sql_execution *x, const struct sql_create *c) MUST_CHECK;
int sql_execute_alter(struct sql_execution *x, const struct sql_alter *a) MUST_CHECK;
int sql_execute_alter_table(struct sql_execution *x, const struct sql_alter *a) MUST_CHECK;
int sql_execute_drop(struct sql_execution *x, const struct sql_drop *d) MUST_CHECK;
int sql_execute_use(struct sql_execution *x, const struct sql_statement *s) MUST_CHECK;
int sql_execute_show(struct sql_execution *x, const struct sql_show *show,
                     struct sql_span span) MUST_CHECK;
int sql_execute_show_create(struct sql_execution *x, const struct sql_statement *s) MUST_CHECK;
int sql_execute_describe(struct sql_execution *x, const struct sql_statement *s) MUST_CHECK;
int sql_execute_partitions(struct sql_execution *x, const struct sql_alter *a,
                           const struct sql_identifier *id, const struct sql_table *t) MUST_CHECK;
int sql_show_partitions(struct sql_execution *x, const struct sql_show *show) MUST_CHECK;
/* SHOW COLUMNS and DESCRIBE; `show` NULL: all columns. */
int sql_show_columns(struct sql_execution *x, const struct sql_path *path,
                     const struct sql_show *show) MUST_CHECK;
/* The table that a statement changes, which is not temporary: 1, or 0 when it may be missing. */
int sql_table_to_change(struct sql_execution *x, const struct sql_path *path,
                        enum sql_table_kind kind, bool may_be_missing,
                        struct sql_identifier *ret_id, struct sql_table **ret) MUST_CHECK;

int sql_find_model(struct sql_execution *x, const struct sql_identifier *id,
                   struct sql_entity **ret, bool *ret_is_temporary) MUST_CHECK;

/* The text that SHOW CREATE prints, also for the file of golden texts. */
void sql_print_create_table(const struct sql_identifier *id, const struct sql_table *t,
                            bool is_temporary, struct str *out);
void sql_print_column(const struct sql_table_column *c, struct str *out);
/* "METADATA FROM 'k' VIRTUAL", "AS expr"; false: a physical column has none. */
bool sql_print_extras(const struct sql_table_column *c, struct str *out);

#endif
