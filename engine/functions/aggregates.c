/* Aggregate and window functions: the rows; what they add up stands in aggregate_*.c.
 *
 * Types are Flink's for a group that has rows: NULL only when an argument may be.  Where a group may be empty (no keys, FILTER, a
 * frame) a planner makes them nullable, but for those that say NOT NULL.
 * Flink: FlinkSqlOperatorTable, LogicalTypeMerging.findSumAggType() and its like. */
#include "engine/functions/aggregates.h"
#include "engine/functions/functions.h"

#include "engine/data/codec.h"
#include "engine/expr/type_rules.h"

static int infer_by_rule(enum type_aggregate rule, const struct data_type *argument,
                         struct data_type **ret, struct error *err)
{
    struct data_type *type;
    TRY(type_of_aggregate(rule, argument, &type, err));
    *ret = type_with_nullable(type, argument->nullable);
    type_unref(type);
    return 0;
}

static int infer_sum(const struct expr_function *function, struct expr_pool *pool,
                     const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                     struct error *err)
{
    if (type_is_interval(args[0]->type)) {
        *ret = type_ref(args[0]->type);
        return 0;
    }
    return infer_by_rule(TYPE_SUM, args[0]->type, ret, err);
}

static int infer_sum0(const struct expr_function *function, struct expr_pool *pool,
                      const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                      struct error *err)
{
    struct data_type *type;
    TRY(infer_sum(function, pool, args, n_args, &type, err));
    *ret = type_with_nullable(type, false);
    type_unref(type);
    return 0;
}

static int infer_avg(const struct expr_function *function, struct expr_pool *pool,
                     const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                     struct error *err)
{
    return infer_by_rule(TYPE_AVG, args[0]->type, ret, err);
}

/* Of one row there is none. */
static int infer_sample(const struct expr_function *function, struct expr_pool *pool,
                        const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                        struct error *err)
{
    return type_of_aggregate(TYPE_AVG, args[0]->type, ret, err);
}

static int infer_extreme(const struct expr_function *function, struct expr_pool *pool,
                         const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                         struct error *err)
{
    const struct data_type *type = args[0]->type;
    if (type_is_constructed(type) || type->layout == LAYOUT_NULL || !key_type_is_ordered(type)) {
        STR_AUTO text = STR_INIT;
        type_print(type, &text);
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "Cannot apply '%s' to arguments of type '%s(<%s>)'. Supported form(s): "
                         "'%s(<COMPARABLE_TYPE>)'",
                         function->name, function->name, str_cstr(&text), function->name);
    }
    *ret = type_ref(type);
    return 0;
}

static int infer_collect(const struct expr_function *function, struct expr_pool *pool,
                         const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                         struct error *err)
{
    *ret = type_new_multiset(type_ref(args[0]->type), false);
    return 0;
}

static int infer_array(const struct expr_function *function, struct expr_pool *pool,
                       const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                       struct error *err)
{
    *ret = type_new_array(type_ref(args[0]->type), true);
    return 0;
}

static int infer_listagg(const struct expr_function *function, struct expr_pool *pool,
                         const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                         struct error *err)
{
    *ret = type_new_string(true);
    return 0;
}

/* LEAD and LAG: no neighbour gives the default. */
static int infer_neighbour(const struct expr_function *function, struct expr_pool *pool,
                           const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                           struct error *err)
{
    const bool has_default = n_args > 2 && !args[2]->type->nullable;
    *ret = type_with_nullable(args[0]->type, !has_default || args[0]->type->nullable);
    return 0;
}

#define OWN EXPR_FN_OWN_NULLS

static const struct expr_function rows[] = {
    {.name = "COUNT",
     .signatures = "|ANY...",
     .result = "BIGINT NOT NULL",
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_count,
     .flags = OWN,
     .category = "aggregate",
     .text = "The number of rows in which no argument is NULL; `COUNT(*)` of all rows.",
     .example = "SELECT COUNT(v) FROM (VALUES (1), (2), (CAST(NULL AS INT))) AS t(v) -- 2"},
    {.name = "SUM",
     .signatures = "NUMERIC|INTERVAL",
     .infer = infer_sum,
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_sum,
     .category = "aggregate",
     .text = "The sum, of the argument's type: integers wrap, a DECIMAL has 38 digits and is NULL "
             "when they "
             "are not enough. NULL when there is no value.",
     .example = "SELECT SUM(v) FROM (VALUES (1), (2), (3)) AS t(v) -- 6"},
    {.name = "$SUM0",
     .aliases = "SUM0",
     .signatures = "NUMERIC|INTERVAL",
     .infer = infer_sum0,
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_sum0,
     .flags = EXPR_FN_HIDDEN},
    {.name = "AVG",
     .signatures = "NUMERIC",
     .infer = infer_avg,
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_avg,
     .category = "aggregate",
     .text =
         "The mean, of the argument's type: integers are cut toward zero, a DECIMAL(p, s) gives "
         "DECIMAL(38, max(6, s)).",
     .example = "SELECT AVG(v) FROM (VALUES (1), (2)) AS t(v) -- 1\n"
                "SELECT AVG(v) FROM (VALUES (1.0), (2.0)) AS t(v) -- 1.500000"},
    {.name = "MIN",
     .signatures = "ANY",
     .infer = infer_extreme,
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_min,
     .category = "aggregate",
     .text = "The least value; NULLs do not count.",
     .example = "SELECT MIN(v) FROM (VALUES (3), (1), (2)) AS t(v) -- 1"},
    {.name = "MAX",
     .signatures = "ANY",
     .infer = infer_extreme,
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_max,
     .category = "aggregate",
     .text = "The greatest value; NULLs do not count.",
     .example = "SELECT MAX(v) FROM (VALUES ('a'), ('c'), ('b')) AS t(v) -- c"},
    {.name = "STDDEV_POP",
     .signatures = "NUMERIC",
     .infer = infer_avg,
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_stddev_pop,
     .category = "aggregate",
     .text = "The standard deviation of all values.",
     .example = "SELECT STDDEV_POP(v) FROM (VALUES (1E0), (3E0)) AS t(v) -- 1.0"},
    {.name = "STDDEV_SAMP",
     .aliases = "STDDEV",
     .signatures = "NUMERIC",
     .infer = infer_sample,
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_stddev_samp,
     .category = "aggregate",
     .text = "The standard deviation of a sample; NULL for one value.",
     .example = "SELECT STDDEV_SAMP(v) FROM (VALUES (1E0), (2E0), (3E0)) AS t(v) -- 1.0"},
    {.name = "VAR_POP",
     .signatures = "NUMERIC",
     .infer = infer_avg,
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_var_pop,
     .category = "aggregate",
     .text = "The variance of all values.",
     .example = "SELECT VAR_POP(v) FROM (VALUES (1E0), (5E0)) AS t(v) -- 4.0"},
    {.name = "VAR_SAMP",
     .aliases = "VARIANCE",
     .signatures = "NUMERIC",
     .infer = infer_sample,
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_var_samp,
     .category = "aggregate",
     .text = "The variance of a sample; NULL for one value.",
     .example = "SELECT VAR_SAMP(v) FROM (VALUES (1E0), (2E0), (3E0)) AS t(v) -- 1.0"},
    {.name = "COLLECT",
     .signatures = "ANY",
     .infer = infer_collect,
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_collect,
     .category = "aggregate",
     .text = "A MULTISET of the values that are not NULL.",
     .example = "SELECT COLLECT(v) FROM (VALUES (1), (1)) AS t(v) -- {1=2}"},
    {.name = "FIRST_VALUE",
     .signatures = "ANY",
     .result = "=1",
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_first_value,
     .category = "aggregate",
     .text =
         "The first value that is not NULL, in the order in which rows come or that OVER gives.",
     .example = "SELECT FIRST_VALUE(v) OVER (ORDER BY v) FROM (VALUES (7)) AS t(v) -- 7"},
    {.name = "LAST_VALUE",
     .signatures = "ANY",
     .result = "=1",
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_last_value,
     .category = "aggregate",
     .text = "The last value that is not NULL, in the order in which rows come or that OVER gives.",
     .example = "SELECT LAST_VALUE(v) OVER (ORDER BY v) FROM (VALUES (7)) AS t(v) -- 7"},
    {.name = "LISTAGG",
     .signatures = "STRING|STRING, 'STRING'",
     .infer = infer_listagg,
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_listagg,
     .category = "aggregate",
     .text = "The strings that are not NULL, one behind the other, with a separator (`,`) between.",
     .example = "SELECT LISTAGG(v, '-') FROM (VALUES ('a'), ('b')) AS t(v) -- a-b"},
    {.name = "ARRAY_AGG",
     .signatures = "ANY",
     .infer = infer_array,
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_array_agg,
     .flags = OWN,
     .category = "aggregate",
     .text = "An ARRAY of the values, NULLs with them; NULL when there is no row.",
     .example = "SELECT ARRAY_AGG(v) FROM (VALUES (1), (2)) AS t(v) -- [1, 2]"},
    {.name = "APPROX_COUNT_DISTINCT",
     .signatures = "ANY",
     .result = "BIGINT NOT NULL",
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_approx_count_distinct,
     .category = "aggregate",
     .text = "About how many different values there are, NULLs aside, by HyperLogLog in a kilobyte "
             "per group: "
             "within some 3 % mostly.",
     .example = "SELECT APPROX_COUNT_DISTINCT(v) FROM (VALUES (1), (1), (2)) AS t(v) -- 2"},
    {.name = "SINGLE_VALUE",
     .signatures = "ANY",
     .result = "=1",
     .kind = EXPR_AGGREGATE,
     .aggregate = &aggregate_single_value,
     .flags = OWN | EXPR_FN_NULLABLE | EXPR_FN_HIDDEN},
    {.name = "GROUPING",
     .aliases = "GROUPING_ID",
     .signatures = "ANY...",
     .result = "BIGINT NOT NULL",
     .kind = EXPR_AGGREGATE,
     .category = "aggregate",
     .text =
         "A bit per argument, the last one lowest: 1 when the row's grouping set is without it.",
     .example = "SELECT GROUPING(v) FROM (VALUES (1)) AS t(v) GROUP BY v -- 0"},
    {.name = "GROUP_ID",
     .flags = EXPR_FN_HIDDEN, /* refused by the planner so far */
     .signatures = "",
     .result = "BIGINT NOT NULL",
     .kind = EXPR_AGGREGATE,
     .category = "aggregate",
     .text = "The number of the grouping set among equal ones, from 0.",
     .example = "SELECT GROUP_ID() FROM (VALUES (1)) AS t(v) GROUP BY v -- 0"},
    {.name = "ROW_NUMBER",
     .signatures = "",
     .result = "BIGINT NOT NULL",
     .kind = EXPR_WINDOW_FUNCTION,
     .category = "over",
     .text = "The number of the row in its partition, from 1.",
     .example = "SELECT ROW_NUMBER() OVER (ORDER BY v) FROM (VALUES (7)) AS t(v) -- 1"},
    {.name = "RANK",
     .signatures = "",
     .result = "BIGINT NOT NULL",
     .kind = EXPR_WINDOW_FUNCTION,
     .category = "over",
     .text = "1 and the number of rows before the row and its equals.",
     .example = "SELECT RANK() OVER (ORDER BY v) FROM (VALUES (7)) AS t(v) -- 1"},
    {.name = "DENSE_RANK",
     .signatures = "",
     .result = "BIGINT NOT NULL",
     .kind = EXPR_WINDOW_FUNCTION,
     .category = "over",
     .text = "1 and the number of different values before that of the row.",
     .example = "SELECT DENSE_RANK() OVER (ORDER BY v) FROM (VALUES (7)) AS t(v) -- 1"},
    {.name = "PERCENT_RANK",
     .signatures = "",
     .result = "DOUBLE NOT NULL",
     .kind = EXPR_WINDOW_FUNCTION,
     .category = "over",
     .text = "(RANK - 1) / (rows - 1); 0 for a single row.",
     .example = "SELECT PERCENT_RANK() OVER (ORDER BY v) FROM (VALUES (7)) AS t(v) -- 0.0"},
    {.name = "CUME_DIST",
     .signatures = "",
     .result = "DOUBLE NOT NULL",
     .kind = EXPR_WINDOW_FUNCTION,
     .category = "over",
     .text = "The part of the rows that come before the row or are its equals.",
     .example = "SELECT CUME_DIST() OVER (ORDER BY v) FROM (VALUES (7)) AS t(v) -- 1.0"},
    {.name = "NTILE",
     .signatures = "INTEGER",
     .result = "INT NOT NULL",
     .kind = EXPR_WINDOW_FUNCTION,
     .category = "over",
     .text = "The number of the row's part when the partition is cut into that many, the larger "
             "ones first.",
     .example = "SELECT NTILE(2) OVER (ORDER BY v) FROM (VALUES (7)) AS t(v) -- 1"},
    {.name = "LAG",
     .signatures = "T, INTEGER?, T?",
     .infer = infer_neighbour,
     .kind = EXPR_WINDOW_FUNCTION,
     .category = "over",
     .text = "The value some rows before (1), or the default (NULL) when there is no such row.",
     .example = "SELECT LAG(v, 1, 0) OVER (ORDER BY v) FROM (VALUES (7)) AS t(v) -- 0"},
    {.name = "LEAD",
     .signatures = "T, INTEGER?, T?",
     .infer = infer_neighbour,
     .kind = EXPR_WINDOW_FUNCTION,
     .category = "over",
     .text = "The value some rows behind (1), or the default (NULL) when there is no such row.",
     .example = "SELECT LEAD(v, 1, 0) OVER (ORDER BY v) FROM (VALUES (7)) AS t(v) -- 0"},
};

const struct expr_functions functions_aggregates = FUNCTIONS_TABLE(rows);
