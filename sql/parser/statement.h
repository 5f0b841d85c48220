/* Statements as the parser found them.  Memory and places as in expr.h.
 *
 * One kind per verb and object, and one struct per family; what a kind uses of its struct is said beside it.
 * Flink: the SqlCall classes of flink-sql-parser.  Thread: any, read only after parsing. */
#ifndef FLINC_SQL_PARSER_STATEMENT_H
#define FLINC_SQL_PARSER_STATEMENT_H

#include "sql/parser/query.h"

/* What statements make, change, show and drop. */
enum sql_object {
    SQL_OBJECT_NONE,
    SQL_OBJECT_TABLE,
    SQL_OBJECT_VIEW,
    SQL_OBJECT_MATERIALIZED_TABLE,
    SQL_OBJECT_CATALOG,
    SQL_OBJECT_DATABASE,
    SQL_OBJECT_FUNCTION,
    SQL_OBJECT_PROCEDURE,
    SQL_OBJECT_MODEL,
    SQL_OBJECT_CONNECTION,
    SQL_OBJECT_MODULE,
    SQL_OBJECT_COLUMN,
    SQL_OBJECT_PARTITION,
    SQL_OBJECT_JAR,
    SQL_OBJECT_JOB,
    SQL_OBJECT_COUNT
};
const char *sql_object_name(enum sql_object object); /* "MATERIALIZED TABLE" */

enum sql_statement_kind {
    SQL_STATEMENT_QUERY,         /* query */
    SQL_STATEMENT_INSERT,        /* insert */
    SQL_STATEMENT_STATEMENT_SET, /* statements, each INSERT */
    SQL_STATEMENT_BEGIN_SET, /* BEGIN STATEMENT SET of the shell, whose inserts come one by one */
    SQL_STATEMENT_END_SET,
    SQL_STATEMENT_UPDATE,       /* update */
    SQL_STATEMENT_DELETE,       /* update, without assignments */
    SQL_STATEMENT_TRUNCATE,     /* name */
    SQL_STATEMENT_CREATE,       /* create */
    SQL_STATEMENT_ALTER,        /* alter */
    SQL_STATEMENT_DROP,         /* drop */
    SQL_STATEMENT_USE,          /* object CATALOG, DATABASE: name; MODULE: names */
    SQL_STATEMENT_SHOW,         /* show */
    SQL_STATEMENT_SHOW_CURRENT, /* object CATALOG, DATABASE */
    SQL_STATEMENT_SHOW_CREATE,  /* object, name */
    SQL_STATEMENT_DESCRIBE,     /* object, name or text (JOB), is_extended */
    SQL_STATEMENT_EXPLAIN,      /* statements[0], explain_details */
    SQL_STATEMENT_COMPILE_PLAN, /* text: the path; statements[0], if_exists (IF NOT EXISTS), is_executed */
    SQL_STATEMENT_EXECUTE_PLAN,  /* text */
    SQL_STATEMENT_CALL,          /* expr */
    SQL_STATEMENT_ANALYZE,       /* analyze */
    SQL_STATEMENT_LOAD_MODULE,   /* name, properties */
    SQL_STATEMENT_UNLOAD_MODULE, /* name */
    SQL_STATEMENT_ADD_JAR,       /* text */
    SQL_STATEMENT_REMOVE_JAR,    /* text */
    SQL_STATEMENT_SET,           /* text, value; both without data: shows all */
    SQL_STATEMENT_RESET,         /* text; without data: all */
    SQL_STATEMENT_STOP_JOB,      /* text, with_savepoint, with_drain */
    SQL_STATEMENT_QUIT,          /* of the shell, as those below */
    SQL_STATEMENT_CLEAR,
    SQL_STATEMENT_HELP,
    SQL_STATEMENT_SOURCE, /* text */
    SQL_STATEMENT_KIND_COUNT
};

/* k = v, ...; a value may be missing in ANALYZE and SHOW. */
struct sql_partition_item {
    struct sql_name column;
    struct sql_expr *value; /* NULL: none */
};

struct sql_partition {
    struct sql_partition_item *items;
    uint32_t n;
    struct sql_properties properties; /* ADD PARTITION ... WITH */
    struct sql_span span;
};

/* ---- columns and tables ------------------------------------------------------------------------ */

enum sql_column_kind {
    SQL_COLUMN_PHYSICAL, /* type */
    SQL_COLUMN_COMPUTED, /* expr */
    SQL_COLUMN_METADATA, /* type, metadata_key, is_virtual */
    SQL_COLUMN_NAME,     /* a bare name, which orders the columns of a CREATE TABLE AS */
};

enum sql_enforcement { SQL_ENFORCEMENT_DEFAULT, SQL_ENFORCED, SQL_NOT_ENFORCED };

struct sql_constraint {
    struct sql_span span;
    struct sql_name name; /* text.data NULL: none */
    bool is_primary;      /* else UNIQUE */
    struct sql_names columns;
    enum sql_enforcement enforcement;
};

enum sql_column_place { SQL_PLACE_LAST, SQL_PLACE_FIRST, SQL_PLACE_AFTER };

struct sql_column {
    enum sql_column_kind kind;
    struct sql_span span;
    struct sql_path name; /* longer than one part in ALTER TABLE alone */
    struct sql_type *type;
    struct sql_expr *expr;
    struct slice metadata_key; /* data NULL: the column's name */
    bool is_virtual;
    struct slice comment;              /* data NULL: none */
    struct sql_constraint *constraint; /* PRIMARY KEY behind the type; NULL: none */
    enum sql_column_place place;       /* ALTER TABLE ADD, MODIFY */
    struct sql_name after;
};

struct sql_watermark {
    struct sql_span span;
    struct sql_path column;
    struct sql_expr *expr;
};

/* What stands in the parentheses of CREATE TABLE and behind ALTER TABLE ADD. */
struct sql_table_elements {
    struct sql_column *columns;
    uint32_t n_columns;
    struct sql_constraint *constraints;
    uint32_t n_constraints;
    struct sql_watermark *watermarks;
    uint32_t n_watermarks;
};

enum sql_distribution_kind {
    SQL_DISTRIBUTION_NONE,
    SQL_DISTRIBUTION_UNKNOWN,
    SQL_DISTRIBUTION_HASH,
    SQL_DISTRIBUTION_RANGE
};

struct sql_distribution {
    enum sql_distribution_kind kind;
    struct sql_names columns;
    struct sql_expr *buckets; /* NULL: not given */
};

enum sql_like_rule { SQL_LIKE_INCLUDING, SQL_LIKE_EXCLUDING, SQL_LIKE_OVERWRITING };
enum sql_like_feature {
    SQL_LIKE_ALL,
    SQL_LIKE_CONSTRAINTS,
    SQL_LIKE_DISTRIBUTION,
    SQL_LIKE_GENERATED,
    SQL_LIKE_METADATA,
    SQL_LIKE_OPTIONS,
    SQL_LIKE_PARTITIONS,
    SQL_LIKE_WATERMARKS,
    SQL_LIKE_FEATURE_COUNT
};

struct sql_like_option {
    enum sql_like_rule rule;
    enum sql_like_feature feature;
    struct sql_span span;
};

enum sql_language {
    SQL_LANGUAGE_DEFAULT,
    SQL_LANGUAGE_JAVA,
    SQL_LANGUAGE_SCALA,
    SQL_LANGUAGE_PYTHON,
    SQL_LANGUAGE_SQL,
    SQL_LANGUAGE_C
};

enum sql_refresh_mode { SQL_REFRESH_DEFAULT, SQL_REFRESH_FULL, SQL_REFRESH_CONTINUOUS };

enum sql_start_kind {
    SQL_START_DEFAULT,
    SQL_START_FROM_BEGINNING,
    SQL_START_FROM_NOW,
    SQL_START_FROM_TIMESTAMP,
    SQL_START_RESUME_OR_FROM_BEGINNING,
    SQL_START_RESUME_OR_FROM_NOW,
    SQL_START_RESUME_OR_FROM_TIMESTAMP,
};

/* Of materialized tables. */
struct sql_refresh {
    enum sql_start_kind start;
    struct sql_expr *start_at;  /* interval or timestamp; NULL: none */
    struct sql_expr *freshness; /* NULL: none */
    enum sql_refresh_mode mode;
};

/* CREATE of every object. */
struct sql_create {
    enum sql_object object;
    struct sql_path name;
    bool is_temporary, is_system, if_not_exists;
    bool is_replace;  /* [CREATE OR] REPLACE TABLE */
    bool is_or_alter; /* MATERIALIZED TABLE */
    bool has_elements;
    struct sql_table_elements elements; /* tables; input of models */
    struct sql_names columns;           /* views */
    struct sql_table_elements output;   /* of models */
    struct slice comment;
    struct sql_distribution distribution;
    struct sql_names partitioned;
    struct sql_properties properties;
    struct sql_path like; /* n 0: none */
    struct sql_like_option *like_options;
    uint32_t n_like_options;
    struct sql_query *query;
    struct sql_span query_text; /* of `query` in the text: what a view keeps */
    struct sql_refresh refresh;
    struct slice function_class; /* AS 'x' */
    enum sql_language language;
    struct slice *resources; /* USING JAR 'x' */
    uint32_t n_resources;
};

/* ---- ALTER ------------------------------------------------------------------------------------- */

enum sql_alter_kind {
    SQL_ALTER_RENAME,          /* new_name */
    SQL_ALTER_RENAME_COLUMN,   /* column, new_name */
    SQL_ALTER_ADD,             /* elements, distribution */
    SQL_ALTER_MODIFY,          /* elements, distribution */
    SQL_ALTER_ADD_PARTITIONS,  /* partitions, if_exists (IF NOT EXISTS) */
    SQL_ALTER_DROP_PARTITIONS, /* partitions, if_exists */
    SQL_ALTER_DROP_COLUMNS,    /* columns */
    SQL_ALTER_DROP_PRIMARY_KEY,
    SQL_ALTER_DROP_CONSTRAINT, /* new_name */
    SQL_ALTER_DROP_WATERMARK,
    SQL_ALTER_DROP_DISTRIBUTION,
    SQL_ALTER_SET,      /* properties */
    SQL_ALTER_RESET,    /* keys */
    SQL_ALTER_COMMENT,  /* text */
    SQL_ALTER_QUERY,    /* query, query_text */
    SQL_ALTER_FUNCTION, /* text, language */
    SQL_ALTER_SUSPEND,
    SQL_ALTER_RESUME,           /* properties */
    SQL_ALTER_REFRESH,          /* partitions: none or one */
    SQL_ALTER_SET_FRESHNESS,    /* refresh */
    SQL_ALTER_SET_REFRESH_MODE, /* refresh */
    SQL_ALTER_KIND_COUNT
};

struct sql_alter {
    enum sql_alter_kind kind;
    enum sql_object object;
    struct sql_path name;
    bool object_if_exists; /* ALTER TABLE IF EXISTS */
    bool is_temporary, is_system;
    bool if_exists;
    struct sql_path column, new_name;
    struct sql_path *columns;
    uint32_t n_columns;
    struct sql_table_elements elements;
    struct sql_distribution distribution;
    struct sql_partition *partitions;
    uint32_t n_partitions;
    struct sql_properties properties;
    struct slice *keys;
    uint32_t n_keys;
    struct slice text;
    enum sql_language language;
    struct sql_query *query;
    struct sql_span query_text;
    struct sql_refresh refresh;
};

struct sql_drop {
    enum sql_object object;
    struct sql_path name;
    bool is_temporary, is_system, if_exists, is_cascade;
};

/* ---- data -------------------------------------------------------------------------------------- */

enum sql_conflict {
    SQL_CONFLICT_DEFAULT,
    SQL_CONFLICT_ERROR,
    SQL_CONFLICT_NOTHING,
    SQL_CONFLICT_DEDUPLICATE
};

struct sql_insert {
    struct sql_path table;
    struct sql_hints hints;
    bool is_overwrite;
    struct sql_partition partition; /* n 0: none */
    struct sql_path *columns;
    uint32_t n_columns;
    struct sql_query *query;
    enum sql_conflict conflict;
};

struct sql_assignment {
    struct sql_name column;
    struct sql_expr *value;
};

struct sql_update {
    struct sql_path table;
    struct sql_alias alias;
    struct sql_assignment *assignments;
    uint32_t n_assignments;
    struct sql_expr *where; /* NULL: every row */
};

struct sql_analyze {
    struct sql_path table;
    struct sql_partition partition;
    bool all_columns;
    struct sql_names columns;
};

/* ---- utilities --------------------------------------------------------------------------------- */

enum sql_pattern_kind { SQL_PATTERN_NONE, SQL_PATTERN_LIKE, SQL_PATTERN_ILIKE };

struct sql_show {
    enum sql_object object;
    bool is_full; /* MODULES */
    bool is_user; /* FUNCTIONS */
    bool has_in;  /* FROM or IN was written: `in` */
    struct sql_path in;
    bool is_negated;
    enum sql_pattern_kind pattern_kind;
    struct slice pattern;
    struct sql_partition partition; /* SHOW PARTITIONS */
};

enum sql_explain_detail {
    SQL_EXPLAIN_ESTIMATED_COST = 1 << 0,
    SQL_EXPLAIN_CHANGELOG_MODE = 1 << 1,
    SQL_EXPLAIN_JSON_EXECUTION_PLAN = 1 << 2,
    SQL_EXPLAIN_PLAN_ADVICE = 1 << 3,
};

struct sql_statement {
    enum sql_statement_kind kind;
    struct sql_span span; /* without the semicolon */
    union {
        struct sql_query *query;
        struct sql_insert *insert;
        struct sql_update *update;
        struct sql_create *create;
        struct sql_alter *alter;
        struct sql_drop *drop;
        struct sql_show *show;
        struct sql_analyze *analyze;
        struct sql_expr *expr;
    };
    struct sql_statement **statements;
    uint32_t n_statements;
    enum sql_object object;
    struct sql_path name;
    struct sql_names names;
    struct slice text, value;
    struct sql_properties properties;
    uint32_t explain_details; /* enum sql_explain_detail */
    bool is_extended, is_executed, if_exists, with_savepoint, with_drain;
};

#endif
