/* What the files of this room share: one translation on its way. */
#ifndef FLINC_SQL_EXEC_INSIDE_H
#define FLINC_SQL_EXEC_INSIDE_H

#include "engine/expr/wire.h"
#include "sql/exec/exec.h"

struct exec_translation {
    struct sql_plan *plan;
    struct buffer_pool *pool;
    struct stream_graph *graph;
    struct arena *arena; /* the graph's */
    struct error *err;
    Flinc__QueryContext *context;
    int32_t parallelism; /* of what nothing else says; 0: the job's */
    bool short_names;    /* table.exec.simplify-operator-name-enabled */
    struct vec visits;   /* struct exec_visit, by rel.id */
    uint32_t n_visited;
    struct vec renames; /* struct exec_rename */
    const char *collect_uid;
};

/* A branch of a UNION whose columns have other names, or other nullability, than its result. */
struct exec_rename {
    const struct rel *from;
    const struct schema *schema;
    struct stream_node *node;
};

/* What became of a node of the tree. */
struct exec_visit {
    uint32_t number;          /* from 1, inputs before the nodes that read them; 0: not yet */
    struct stream_node *node; /* NULL: it is an edge (EXCHANGE, UNION) */
};

/* A row of the table of translations. */
struct exec_kind {
    const char *uid; /* "<number>_<uid>" */
    /* Adds the node; *ret has its kind, its configuration and what only this kind knows. */
    int (*add)(struct exec_translation *x, const struct rel *r, struct stream_node **ret);
};
const struct exec_kind *exec_kind_of(enum rel_kind kind); /* add NULL: there is no operator */

/* A node with the message as its configuration. */
struct stream_node *exec_add(struct exec_translation *x, const char *kind, const struct rel *r,
                             const ProtobufCMessage *config);
uint32_t *exec_copy_columns(struct exec_translation *x, const struct rel_columns *c);
/* "HashJoin", and with what it does: "Calc(select=[a], where=[(a > 1)])". */
const char *exec_kind_name(const struct rel *r);
void exec_describe(const struct rel *r, struct str *out);
/* A calc that changes nothing but the names of columns and what may be NULL: before an operator that wants them all alike. */
int exec_add_rename(struct exec_translation *x, const struct rel *input,
                    const struct schema *schema, struct stream_node **ret) MUST_CHECK;

/* By files: leaves.c, operators.c, groups.c. */
int exec_add_scan(struct exec_translation *x, const struct rel *r, struct stream_node **ret);
int exec_add_values(struct exec_translation *x, const struct rel *r, struct stream_node **ret);
int exec_add_sink(struct exec_translation *x, const struct rel *r, struct stream_node **ret);
int exec_add_collect(struct exec_translation *x, const struct rel *r, struct stream_node **ret);
int exec_add_calc(struct exec_translation *x, const struct rel *r, struct stream_node **ret);
int exec_add_expand(struct exec_translation *x, const struct rel *r, struct stream_node **ret);
int exec_add_join(struct exec_translation *x, const struct rel *r, struct stream_node **ret);
int exec_add_unnest(struct exec_translation *x, const struct rel *r, struct stream_node **ret);
bool exec_is_table_function(const struct rel *r); /* of an UNNEST: correlate.c */
int exec_add_table_function(struct exec_translation *x, const struct rel *r,
                            struct stream_node **ret);
int exec_add_watermark(struct exec_translation *x, const struct rel *r, struct stream_node **ret);
int exec_add_aggregate(struct exec_translation *x, const struct rel *r, struct stream_node **ret);
int exec_add_over(struct exec_translation *x, const struct rel *r, struct stream_node **ret);
int exec_add_sort(struct exec_translation *x, const struct rel *r, struct stream_node **ret);

#endif
