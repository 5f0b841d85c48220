/* Relations: what a query means, before and after it is optimised.
 *
 *   sql_query --sql_plan_query()--> logical tree --sql_plan_optimize()--> physical tree --sql/exec--> stream graph
 *
 * One kind of node for both: logical trees have FILTER, PROJECT, JOIN without an algorithm, SET operations; physical ones have CALC,
 * EXCHANGE, phases of aggregates, algorithms of joins.  Nodes are made once and not changed (rules make new ones), so that a tree may
 * share nodes: a node with two parents runs once (common sub-plans).  All lies in the plan's arena; expressions in its pool.
 *
 * Columns: expressions of a node refer to the columns of its inputs by EXPR_INPUT; those of a join to the left ones and then the right
 * ones.  Names matter for people alone; columns are numbers.
 * Flink: RelNode, FlinkLogicalRel, ExecNode.  Thread: one owner. */
#ifndef FLINC_SQL_PLAN_REL_H
#define FLINC_SQL_PLAN_REL_H

#include "engine/expr/expr.h"
#include "engine/table/table.h"
#include "proto/query.pb-c.h"
#include "sql/catalog/manager.h"

enum {
    REL_NODES_MAX = 100000,     /* of one plan */
    REL_DEPTH_MAX = 5000,       /* levels; deeper ones are refused */
    REL_COLUMNS_MAX = 20000000, /* of all nodes of a plan together */
};

enum rel_kind {
    /* leaves */
    REL_SCAN,   /* scan */
    REL_VALUES, /* values */
    /* logical */
    REL_FILTER,    /* conditions */
    REL_PROJECT,   /* outputs */
    REL_INTERSECT, /* set: any number of inputs */
    REL_EXCEPT,
    /* both */
    REL_JOIN,      /* join */
    REL_AGGREGATE, /* aggregate */
    REL_OVER,      /* over: the input's columns, then a result each */
    REL_SORT,      /* sort: keys, offset, fetch; without keys: a limit */
    REL_UNION,     /* set; physical: is_all */
    REL_UNNEST,    /* unnest: the input's columns, then the element's */
    REL_FUNCTION,  /* function: TUMBLE, user's table functions; inputs[0] may be there */
    REL_WATERMARK, /* watermark */
    REL_SINK,      /* sink: INSERT; no columns */
    REL_COLLECT,   /* rows go to the one who asked: SELECT */
    /* physical */
    REL_CALC,     /* conditions, then outputs */
    REL_EXPAND,   /* expand: grouping sets */
    REL_EXCHANGE, /* exchange */
    REL_KIND_COUNT
};
const char *rel_kind_name(enum rel_kind kind); /* "TableSourceScan", as plans of Flink name it */

struct rel_exprs {
    const struct expr *const *items;
    uint32_t n;
};

struct rel_columns {
    const uint32_t *items;
    uint32_t n;
};

struct rel_sort_key {
    uint32_t column;
    bool descending, nulls_last;
};

struct rel_sort_keys {
    const struct rel_sort_key *items;
    uint32_t n;
};

/* A table of the catalog, opened: its connector found and its options read.  Many nodes may have one. */
struct rel_table {
    struct sql_identifier id;
    const struct sql_table *definition; /* Owns a ref, by the plan */
    struct table table;                 /* for the connector */
};

struct rel_scan {
    const struct rel_table *table;
    struct table_scan request; /* what was pushed into it */
};

struct rel_values {
    const struct expr_value *cells; /* row by row */
    uint32_t n_rows;
};

/* What a hint wants of a join. */
enum rel_join_hint {
    REL_JOIN_NO_HINT,
    REL_JOIN_BROADCAST,
    REL_JOIN_SHUFFLE_HASH,
    REL_JOIN_SHUFFLE_MERGE, /* there is no such operator: a hash join does it */
    REL_JOIN_NEST_LOOP,
};

struct rel_join {
    Flinc__QueryJoinType type;
    struct rel_columns left_keys,
        right_keys;              /* physical: equal pairs taken out of the conditions */
    const bool *null_equal;      /* by key */
    struct rel_exprs conditions; /* all that must hold beside the keys */
    bool null_aware;             /* ANTI: NOT IN */
    bool build_left;             /* physical */
    bool is_broadcast;           /* physical: every subtask has all of the side that is kept */
    enum rel_join_hint hint;
    bool hint_left; /* it names the left side */
};

struct rel_aggregate_call {
    const struct expr_function *function; /* EXPR_AGGREGATE; of OVER also EXPR_WINDOW_FUNCTION */
    struct rel_columns args;
    bool distinct;
    bool has_filter;
    uint32_t filter; /* a BOOLEAN column */
    struct rel_sort_keys order;
    struct data_type *type; /* Borrows: the pool's */
    const char *name;
};

struct rel_aggregate {
    struct rel_columns keys;
    /* GROUPING SETS: for each set and key, is it kept?  n_sets 0: one set of all keys. */
    const bool *sets;
    uint32_t n_sets;
    const struct rel_aggregate_call *calls;
    uint32_t n_calls;
    Flinc__AggregatePhase phase; /* physical */
    const uint32_t *n_parts;     /* LOCAL: accumulators of each call, columns behind the keys */
};

struct rel_over_call {
    struct rel_aggregate_call call;
    Flinc__OverFrameUnit unit;
    Flinc__OverBoundKind lower, upper;
    const struct expr *lower_value, *upper_value; /* literals; NULL: none */
};

struct rel_over {
    struct rel_columns partition;
    struct rel_sort_keys order;
    const struct rel_over_call *calls;
    uint32_t n_calls;
};

struct rel_sort {
    struct rel_sort_keys keys;
    int64_t offset;
    bool has_fetch;
    int64_t fetch;
    bool is_global; /* physical: of all subtasks; else of each */
};

struct rel_unnest {
    const struct expr *collection;
    bool with_ordinality;
    bool is_left;
    struct rel_exprs conditions; /* over the output; LEFT JOIN ... ON */
};

struct rel_function {
    const struct expr_function *function;
    struct rel_exprs args; /* of scalar arguments, over inputs[0] for LATERAL */
    bool is_left;
};

struct rel_watermark {
    uint32_t rowtime;
    const struct expr *value;
    int64_t idle_timeout_ms;
};

struct rel_sink {
    const struct rel_table *table;
    struct table_write request;
    const struct schema *query; /* names of its columns, for people */
};

struct rel_expand {
    const bool *keep; /* by set and input column */
    const int64_t *ids;
    uint32_t n_sets;
};

enum rel_distribution {
    REL_DISTRIBUTION_SINGLE, /* all rows to one subtask */
    REL_DISTRIBUTION_HASH,   /* keys */
    REL_DISTRIBUTION_BROADCAST,
    REL_DISTRIBUTION_REBALANCE,
};

struct rel_exchange {
    enum rel_distribution distribution;
    struct rel_columns keys;
};

struct rel {
    enum rel_kind kind;
    uint32_t id; /* within the plan, in the order of making: inputs have lower ones */
    uint32_t depth;
    struct schema *schema; /* Owns a ref, by the plan; NULL: REL_SINK */
    const struct rel *const *inputs;
    uint32_t n_inputs;
    bool is_bounded;                             /* it and all below end by themselves */
    uint32_t kinds;                              /* enum table_kinds that come out */
    const struct sql_table_column *const *times; /* reserved for time attributes; NULL */
    struct rel_exprs conditions, outputs;        /* FILTER, PROJECT, CALC */
    bool is_all;                                 /* set operations */
    union {
        struct rel_scan scan;
        struct rel_values values;
        struct rel_join join;
        struct rel_aggregate aggregate;
        struct rel_over over;
        struct rel_sort sort;
        struct rel_unnest unnest;
        struct rel_function function;
        struct rel_watermark watermark;
        struct rel_sink sink;
        struct rel_expand expand;
        struct rel_exchange exchange;
    };
};

/* ---- a plan ------------------------------------------------------------------------------------------- */

struct sql_plan_options {
    struct sql_manager *manager; /* Borrows: names of tables, views, functions */
    const struct conf *conf;     /* Borrows: table.*, execution.runtime-mode, parallelism.default */
    const struct time_zone *zone; /* Borrows: table.local-time-zone */
    bool is_batch;
    int64_t query_start_ms;
    /* What CREATE FUNCTION made, loaded and checked; `name` is that of SQL.  NULL: functions of users are refused. */
    int (*user_function)(void *arg, const char *name, const struct sql_entity *function,
                         const struct expr_function **ret, struct error *err);
    void *user_function_arg;
};

/* Owner of everything that trees of one statement consist of. */
struct sql_plan;
struct sql_plan *sql_plan_new(const struct sql_plan_options *options);
struct sql_plan *sql_plan_free(struct sql_plan *p);
struct arena *sql_plan_arena(struct sql_plan *p);
struct expr_pool *sql_plan_pool(struct sql_plan *p);
const struct sql_plan_options *sql_plan_settings(const struct sql_plan *p);

/* The logical tree of a query, as it was written.  `text` is what it was parsed from.  Errors have Flink's sentences; `place`
 * (may be NULL) is the part of the text that is meant.  What cannot run yet is ERR_UNSUPPORTED "not supported yet: <feature>",
 * from here when no rule could make it run, else from sql_plan_optimize(). */
int sql_plan_query(struct sql_plan *p, const struct sql_query *query, struct slice text,
                   const struct rel **ret, struct sql_error_place *place,
                   struct error *err) MUST_CHECK;
/* INSERT: the query's tree under a REL_SINK, columns brought to the sink's (casts, defaults, static partition). */
int sql_plan_insert(struct sql_plan *p, const struct sql_statement *insert, struct slice text,
                    const struct rel **ret, struct sql_error_place *place,
                    struct error *err) MUST_CHECK;
/* The query's tree under a REL_SINK of a table that is there: CREATE TABLE AS. */
int sql_plan_insert_into(struct sql_plan *p, const struct sql_identifier *sink,
                         const struct rel *query, const struct rel **ret,
                         struct error *err) MUST_CHECK;
/* The same under a REL_COLLECT: SELECT. */
const struct rel *sql_plan_collect(struct sql_plan *p, const struct rel *query);

/* Physical trees of several sinks (STATEMENT SET), which share what is equal in them. */
int sql_plan_optimize(struct sql_plan *p, const struct rel *const *roots, uint32_t n,
                      const struct rel **ret_roots, struct error *err) MUST_CHECK;

/* EXPLAIN's three sections ("== Abstract Syntax Tree ==", ...), in Flink's notation.  `details`: enum sql_explain_detail of
 * sql/parser/statement.h. */
int sql_plan_explain(struct sql_plan *p, const struct rel *const *logical,
                     const struct rel *const *physical, uint32_t n, uint32_t details,
                     struct str *out, struct error *err) MUST_CHECK;

/* An expression over columns of a table: computed columns, watermarks; for the catalog's resolver (sql/catalog/resolver.h). */
int sql_plan_table_expression(struct sql_plan *p, const struct sql_expr *e,
                              const struct sql_table_column *columns, uint32_t n_columns,
                              const struct expr **ret, struct sql_error_place *place,
                              struct error *err) MUST_CHECK;

#endif
