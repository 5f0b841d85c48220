/* Table connectors: what one is, what it can do, and how a table becomes an operator of a stream graph.
 *
 *   'connector' = 'datagen'  --table_connector_find()-->  struct table_connector
 *   WITH (...)               --table_options_read()---->  struct table_options      (options.h)
 *   a resolved table + what is pushed into its scan  --source->plan()-->  struct table_node
 *   table_node_add_source() / table_node_add_sink()  -->  a node of the stream graph
 *
 * A connector is a const descriptor: identifier, option table, metadata columns, abilities, operators.  Its running
 * parts are operators like all others (engine/operators/operator.h): a source whose input is dealt out names a
 * coordinator, which is its split enumerator; a sink that commits does so in notify(), with what is to be committed
 * in operator state.  Plan functions make data only: a kind and its configuration message.
 *
 * Ownership: descriptors live for ever; a table, a scan, a write and all that they point to are borrowed for the
 * call.  Thread: any.
 * Flink: DynamicTableFactory, ScanTableSource, DynamicTableSink and their abilities (Supports...). */
#ifndef FLINC_ENGINE_TABLE_TABLE_H
#define FLINC_ENGINE_TABLE_TABLE_H

#include "common/conf/conf.h"
#include "engine/data/batch.h"
#include "engine/graph/stream_graph.h"
#include "engine/operators/operator.h"

enum {
    TABLE_CONNECTOR_VERSION =
        1, /* of struct table_connector: kind_version of PLUGIN_KIND_CONNECTOR */
    TABLE_CONNECTORS_MAX = 256,
    TABLE_OPERATORS_MAX = 64, /* shared ones */
    TABLE_PATH_MAX = TYPE_DEPTH_MAX,
};

/* Sets of row kinds.  Flink: ChangelogMode. */
enum table_kinds {
    TABLE_INSERT = 1u << ROW_KIND_INSERT,
    TABLE_UPDATE_BEFORE = 1u << ROW_KIND_UPDATE_BEFORE,
    TABLE_UPDATE_AFTER = 1u << ROW_KIND_UPDATE_AFTER,
    TABLE_DELETE = 1u << ROW_KIND_DELETE,
    TABLE_UPSERT = TABLE_INSERT | TABLE_UPDATE_AFTER | TABLE_DELETE,
    TABLE_ALL_KINDS = TABLE_UPSERT | TABLE_UPDATE_BEFORE,
};

/* What a source or a sink takes on beside plain rows. */
enum table_ability {
    /* sources */
    TABLE_PROJECTION = 1u << 0,        /* only the columns asked for come out, in that order */
    TABLE_NESTED_PROJECTION = 1u << 1, /* also fields of rows, each as a column */
    TABLE_FILTER = 1u << 2,            /* push_filters() is there */
    TABLE_LIMIT = 1u << 3,             /* each subtask gives no more rows than that */
    TABLE_PARTITIONS = 1u << 4,        /* sources: only these are read; sinks: partitioned tables */
    TABLE_WATERMARK = 1u << 5,         /* emits watermarks by itself, per split */
    /* both */
    TABLE_METADATA = 1u << 6,
    /* sinks */
    TABLE_OVERWRITE = 1u << 7, /* INSERT OVERWRITE */
};
const char *table_ability_name(enum table_ability ability); /* "projection" */

enum table_metadata_flags { TABLE_READABLE = 1, TABLE_WRITABLE = 2 };
struct table_metadata {
    const char *key;  /* of METADATA FROM 'key' */
    const char *type; /* "TIMESTAMP_LTZ(3) NOT NULL" */
    unsigned flags;   /* enum table_metadata_flags */
    const char *description;
};

struct table_connector;

/* A table as the catalog knows it, its options read. */
struct table {
    const char *name; /* "default_catalog.default_database.orders", for messages */
    const struct table_connector *connector;
    const struct schema *schema; /* the physical columns */
    const struct table_options *options;
    const uint32_t *partition_keys; /* of PARTITIONED BY: columns of the schema */
    uint32_t n_partition_keys;
    const uint32_t *primary_key;
    uint32_t n_primary_key;
    bool batch; /* execution.runtime-mode is BATCH */
};

/* A column of the schema, or a field below it. */
struct table_path {
    uint32_t n; /* 1: a whole column */
    uint32_t fields[TABLE_PATH_MAX];
};

/* A predicate that a source may take over: column, comparison, literals.  Several are joined by AND. */
enum table_compare {
    TABLE_EQ,
    TABLE_NE,
    TABLE_LT,
    TABLE_LE,
    TABLE_GT,
    TABLE_GE,
    TABLE_IN, /* any of the values */
    TABLE_IS_NULL,
    TABLE_IS_NOT_NULL,
};
struct table_literal {
    const struct data_type *type; /* the column's, but for nullability */
    union {
        int64_t whole; /* layouts of whole numbers and BOOLEAN */
        double number;
        __int128 wide;
        struct ts_nano nano;
        struct slice bytes; /* strings, binaries */
    };
};
struct table_predicate {
    struct table_path column;
    enum table_compare compare;
    uint32_t n_values; /* 1; any number for TABLE_IN; 0 for the last two */
    const struct table_literal *values;
};

/* Watermarks that the source emits: the greatest value of a column of its output less a delay. */
struct table_watermark {
    uint32_t column; /* of the output: TIMESTAMP or TIMESTAMP_LTZ up to precision 3 */
    int64_t delay_ms;
    int64_t idle_timeout_ms; /* 0: never idle */
};

/* What is asked of a source. */
struct table_scan {
    /* The output has these columns, then those of the metadata keys.  NULL: all columns of the schema. */
    const struct table_path *columns;
    uint32_t n_columns;
    const char *const *metadata;
    uint32_t n_metadata;
    const struct table_predicate *filters; /* those that push_filters() took */
    uint32_t n_filters;
    const struct text_map *partitions; /* column -> value, one map per partition; NULL: all */
    uint32_t n_partitions;
    bool has_limit;
    int64_t limit;
    const struct table_watermark *watermark; /* NULL: none */
};
/* All columns and rows. */
#define TABLE_SCAN_ALL ((struct table_scan){.columns = NULL})

/* What is asked of a sink.  Rows have the schema's columns, then those of the metadata keys. */
struct table_write {
    const char *const *metadata;
    uint32_t n_metadata;
    uint32_t kinds; /* that come: enum table_kinds */
    bool overwrite;
    const struct text_map
        *partition; /* static partition of INSERT INTO t PARTITION (...); NULL: none */
};

/* An operator to be: what plan() gives.  Memory is the arena's that it was given. */
struct table_node {
    const char *kind;        /* of the operator */
    const char *name;        /* "datagen"; NULL: the table's */
    const char *description; /* for EXPLAIN; may be NULL */
    const uint8_t *config;
    size_t config_size;
    struct schema *schema;      /* Owns a ref: of the output; NULL for sinks */
    int32_t parallelism;        /* scan.parallelism, sink.parallelism; 0: not given */
    uint32_t parallelism_limit; /* 0: none */
    bool bounded;
    const char *coordinator; /* NULL: none */
    /* Sinks: rows with the same values in these columns go to one subtask. */
    const uint32_t *hash_columns;
    uint32_t n_hash_columns;
    /* Sinks: a second operator, of one subtask, that takes what this one emits (`schema`); NULL: none. */
    struct table_node *behind;
};
void table_node_fini(struct table_node *n); /* drops the schema */
/* The message as the node's configuration, in the arena. */
struct arena;
void table_node_set_config(struct table_node *n, struct arena *arena, const ProtobufCMessage *m);

struct table_source {
    uint32_t abilities; /* enum table_ability */
    /* Ends by itself.  NULL: always. */
    bool (*is_bounded)(const struct table *t);
    /* enum table_kinds that come out.  NULL: TABLE_INSERT. */
    uint32_t (*kinds)(const struct table *t);
    /* Which of the predicates the source answers for entirely (ret_taken[i]); the others remain with the
     * planner. */
    int (*push_filters)(const struct table *t, const struct table_predicate *predicates, uint32_t n,
                        bool *ret_taken, struct error *err);
    /* Rows that a scan will give, an estimate; negative: unknown.  NULL: unknown. */
    double (*row_count)(const struct table *t, const struct table_scan *scan);
    int (*plan)(const struct table *t, const struct table_scan *scan, struct arena *arena,
                struct table_node *ret, struct error *err);
};

struct table_sink {
    uint32_t abilities;
    /* Of the kinds that the query makes, those that the sink wants to see; 0: it cannot take them.
     * NULL: only TABLE_INSERT. */
    uint32_t (*kinds)(const struct table *t, uint32_t requested);
    /* Event time decides something in the sink: watermarks of what it writes have a reader.  NULL: never. */
    bool (*reads_watermarks)(const struct table *t);
    int (*plan)(const struct table *t, const struct table_write *write, struct arena *arena,
                struct table_node *ret, struct error *err);
};

/* Options that another option names: those of a format. */
struct table_option_part {
    char prefix[64];            /* in front of each key: "csv.", "value.json." */
    struct conf_schema *schema; /* its keys without the prefix */
};

struct table_connector {
    uint32_t struct_size;
    uint32_t version;       /* TABLE_CONNECTOR_VERSION */
    const char *identifier; /* of 'connector' = '...' */
    const char *summary;    /* one line for the reference page */
    /* Its own, with &table_options_common among the groups.  CONF_FLAG_REQUIRED, CONF_FLAG_FORWARDED. */
    struct conf_schema *options;
    /* Adds struct table_option_part to a vector.  NULL: there are none. */
    int (*option_parts)(const struct text_map *given, struct vec *ret_parts, struct error *err);
    /* What no option alone shows: options against each other and against the schema.  NULL: nothing. */
    int (*validate)(const struct table *t, struct error *err);
    const struct table_metadata *metadata;
    size_t n_metadata;
    const struct table_source *source;            /* NULL: cannot be read */
    const struct table_sink *sink;                /* NULL: cannot be written */
    const struct operator_desc *const *operators; /* that its nodes name and nobody else has */
    size_t n_operators;
    const struct coordinator_desc *const *coordinators;
    size_t n_coordinators;
};

/* ---- the registry ---------------------------------------------------------------------------------- */

/* Adds a connector, for all of the process and for ever; the same one again is fine.  ERR_ALREADY_EXISTS for
 * another one of an identifier, ERR_UNSUPPORTED for another version, ERR_LIMIT. */
int table_connector_register(const struct table_connector *connector, struct error *err) MUST_CHECK;
/* NULL when there is none. */
const struct table_connector *table_connector_find(const char *identifier);
/* The same, with an error that lists the identifiers there are and the nearest one. */
int table_connector_require(const char *identifier, const struct table_connector **ret,
                            struct error *err) MUST_CHECK;
/* The i-th in the order of identifiers; NULL behind the last. */
const struct table_connector *table_connector_at(size_t i);
const struct table_metadata *table_metadata_find(const struct table_connector *c, const char *key);
/* Of a table that can be written: a planner that leaves out watermarks without a reader keeps those. */
bool table_sink_reads_watermarks(const struct table *t);

/* Adds an operator that connectors share and none has for itself; the same one again is fine.  ERR_LIMIT. */
int table_operator_register(const struct operator_desc *desc, struct error *err) MUST_CHECK;
/* The same of coordinators. */
int table_coordinator_register(const struct coordinator_desc *desc, struct error *err) MUST_CHECK;
/* Kinds of operators and coordinators, those of connectors included. */
const struct operator_desc *table_operator_find(const char *kind);
const struct coordinator_desc *table_coordinator_find(const char *kind);

/* ---- planning -------------------------------------------------------------------------------------- */

/* Checks the request against the connector's abilities, plans it, and adds the node to the graph.  Errors name
 * the table: "Unable to create a source for reading table '...'". */
int table_add_source(struct stream_graph *g, const struct table *t, const struct table_scan *scan,
                     struct stream_node **ret_node, struct error *err) MUST_CHECK;
/* The caller connects the input: to *ret_node, whose `behind` is there when the sink has two operators. */
int table_add_sink(struct stream_graph *g, const struct table *t, const struct table_write *write,
                   struct stream_node **ret_node, struct error *err) MUST_CHECK;
/* The two steps of those, for planners that keep nodes. */
int table_plan_source(const struct table *t, const struct table_scan *scan, struct arena *arena,
                      struct table_node *ret, struct error *err) MUST_CHECK;
int table_plan_sink(const struct table *t, const struct table_write *write, struct arena *arena,
                    struct table_node *ret, struct error *err) MUST_CHECK;

/* A planned node into the graph; without is_sink, and without what is behind it. */
struct stream_node *table_node_add(struct stream_graph *g, const struct table_node *n);

/* The type at a path; NULL: there is no such field.  Nullable when anything above it is. */
struct data_type *table_path_type(const struct schema *s, const struct table_path *path);
/* The output of a scan: projected columns by the names of their paths ("bid.price"), then metadata. */
int table_scan_schema(const struct table *t, const struct table_scan *scan, struct schema **ret,
                      struct error *err) MUST_CHECK;

#endif
