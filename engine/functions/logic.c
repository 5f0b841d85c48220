/* AND, OR, NOT, CASE, COALESCE and its like, IS TRUE and its like. */
#include "engine/functions/functions.h"

#include "engine/expr/type_rules.h"

/* ---- results ---------------------------------------------------------------------------------------- */

static int infer_boolean(const struct expr_function *function, struct expr_pool *pool,
                         const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                         struct error *err)
{
    bool nullable = false;
    for (uint32_t i = 0; i < n_args; i++) {
        nullable |= args[i]->type->nullable;
    }
    *ret = type_new(TYPE_BOOLEAN, nullable);
    return 0;
}

/* ---- NOT, IS ---------------------------------------------------------------------------------------- */

static int run_not(struct expr_frame *f, struct error *err)
{
    const struct expr_vector *v = f->args[0];
    uint8_t *out = f->out->column.values->data;
    const uint32_t bytes = (f->n_rows + 7) / 8;
    if (v->is_constant) {
        memset(out, column_get_bool(&v->column, 0) ? 0 : 0xff, bytes);
        return 0;
    }
    const uint8_t *in = v->column.values->data;
    for (uint32_t i = 0; i < bytes; i++) {
        out[i] = (uint8_t)~in[i];
    }
    return 0;
}

enum is_test { IS_NULL, IS_NOT_NULL, IS_TRUE, IS_NOT_TRUE, IS_FALSE, IS_NOT_FALSE };

/* A byte of bits of each test, from those of the value and of its validity. */
static ALWAYS_INLINE uint8_t test_bits(enum is_test test, uint8_t value, uint8_t valid)
{
    switch (test) {
    case IS_NULL:
        return (uint8_t)~valid;
    case IS_NOT_NULL:
        return valid;
    case IS_TRUE:
        return value & valid;
    case IS_NOT_TRUE:
        return (uint8_t) ~(value & valid);
    case IS_FALSE:
        return (uint8_t)(~value & valid);
    default:
        return (uint8_t) ~(~value & valid);
    }
}

static ALWAYS_INLINE int run_is(struct expr_frame *f, enum is_test test)
{
    const struct expr_vector *v = f->args[0];
    uint8_t *out = f->out->column.values->data;
    const uint32_t bytes = (f->n_rows + 7) / 8;
    const bool has_value = test != IS_NULL && test != IS_NOT_NULL;
    if (v->is_constant) {
        const uint8_t valid = column_is_null(&v->column, 0) ? 0 : 0xff;
        const uint8_t value = has_value && valid != 0 && column_get_bool(&v->column, 0) ? 0xff : 0;
        memset(out, test_bits(test, value, valid), bytes);
        return 0;
    }
    const uint8_t *valid = v->column.validity != NULL ? v->column.validity->data : NULL;
    const uint8_t *value = has_value ? v->column.values->data : NULL;
    for (uint32_t i = 0; i < bytes; i++) {
        out[i] = test_bits(test, has_value ? value[i] : 0, valid != NULL ? valid[i] : 0xff);
    }
    return 0;
}

#define IS_KERNEL(name, test)                                \
    static int name(struct expr_frame *f, struct error *err) \
    {                                                        \
        return run_is(f, test);                              \
    }
IS_KERNEL(run_is_null, IS_NULL)
IS_KERNEL(run_is_not_null, IS_NOT_NULL)
IS_KERNEL(run_is_true, IS_TRUE)
IS_KERNEL(run_is_not_true, IS_NOT_TRUE)
IS_KERNEL(run_is_false, IS_FALSE)
IS_KERNEL(run_is_not_false, IS_NOT_FALSE)

/* ---- CASE ------------------------------------------------------------------------------------------- */

/* condition, value, ..., otherwise: conditions are BOOLEAN, values are brought to their common type by the planner, which
 * makes the call by functions_case(). */
static int infer_case(const struct expr_function *function, struct expr_pool *pool,
                      const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                      struct error *err)
{
    bool nullable = false;
    if (n_args < 3 || n_args % 2 == 0) {
        return error_set(err, ERR_INVALID_ARGUMENT, "CASE needs conditions, values and an ELSE");
    }
    for (uint32_t i = 0; i < n_args; i++) {
        const bool is_condition = i % 2 == 0 && i + 1 < n_args;
        if (is_condition && args[i]->type->id != TYPE_BOOLEAN) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "Expected a boolean type as the condition of CASE");
        }
        nullable |= !is_condition && args[i]->type->nullable;
    }
    *ret = type_with_nullable(args[1]->type, nullable);
    return 0;
}

static int infer_coalesce(const struct expr_function *function, struct expr_pool *pool,
                          const struct expr *const *args, uint32_t n_args, struct data_type **ret,
                          struct error *err)
{
    bool nullable = true;
    for (uint32_t i = 0; i < n_args; i++) {
        nullable &= args[i]->type->nullable;
    }
    *ret = type_with_nullable(args[0]->type, nullable);
    return 0;
}

/* What INSERT puts over columns that have no NULLs: value, name of the column. */
static int run_enforce(struct expr_frame *f, struct error *err)
{
    for (EXPR_ROWS(f, row)) {
        if (expr_arg_is_null(f, 0, row)) {
            const struct slice name = expr_bytes(f, 1, row);
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "Column '%.*s' is NOT NULL, however, a null value is being written "
                             "into it. You can set job configuration "
                             "'table.exec.sink.not-null-enforcer'='DROP' to suppress this "
                             "exception and drop such records silently.",
                             (int)name.len, name.data);
        }
        expr_put_arg(f, row, 0);
    }
    return 0;
}

#define OPERATOR (EXPR_FN_OPERATOR)
#define DENSE_OPERATOR (EXPR_FN_OPERATOR | EXPR_FN_DENSE)
#define DENSE_NULLS (EXPR_FN_OPERATOR | EXPR_FN_DENSE | EXPR_FN_OWN_NULLS)

static const struct expr_function rows[] = {
    {.name = "$ENFORCE_NOT_NULL",
     .signatures = "ANY, STRING",
     .result = "=1 NOT NULL",
     .flags = EXPR_FN_HIDDEN | EXPR_FN_OWN_NULLS | EXPR_FN_CAN_FAIL,
     .kernel = run_enforce},
    {.name = "AND",
     .signatures = "BOOLEAN...",
     .infer = infer_boolean,
     .flags = OPERATOR | EXPR_FN_OWN_NULLS,
     .control = EXPR_CONTROL_AND,
     .category = "logical",
     .text = "TRUE when both are TRUE, FALSE when one is FALSE, else UNKNOWN.",
     .example = "TRUE AND FALSE -- FALSE\nFALSE AND CAST(NULL AS BOOLEAN) -- FALSE"},
    {.name = "OR",
     .signatures = "BOOLEAN...",
     .infer = infer_boolean,
     .flags = OPERATOR | EXPR_FN_OWN_NULLS,
     .control = EXPR_CONTROL_OR,
     .category = "logical",
     .text = "TRUE when one is TRUE, FALSE when both are FALSE, else UNKNOWN.",
     .example = "TRUE OR CAST(NULL AS BOOLEAN) -- TRUE\nFALSE OR FALSE -- FALSE"},
    {.name = "NOT",
     .signatures = "BOOLEAN",
     .result = "BOOLEAN",
     .flags = DENSE_OPERATOR,
     .kernel = run_not,
     .category = "logical",
     .text = "The contrary; UNKNOWN stays UNKNOWN.",
     .example = "NOT TRUE -- FALSE"},
    {.name = "IS NULL",
     .signatures = "ANY",
     .result = "BOOLEAN NOT NULL",
     .flags = DENSE_NULLS,
     .kernel = run_is_null,
     .category = "comparison",
     .text = "TRUE when the value is NULL.",
     .example = "CAST(NULL AS INT) IS NULL -- TRUE\n1 IS NULL -- FALSE"},
    {.name = "IS NOT NULL",
     .signatures = "ANY",
     .result = "BOOLEAN NOT NULL",
     .flags = DENSE_NULLS,
     .kernel = run_is_not_null,
     .category = "comparison",
     .text = "TRUE when the value is not NULL.",
     .example = "1 IS NOT NULL -- TRUE"},
    {.name = "IS TRUE",
     .signatures = "BOOLEAN",
     .result = "BOOLEAN NOT NULL",
     .flags = DENSE_NULLS,
     .kernel = run_is_true,
     .category = "logical",
     .text = "TRUE when the value is TRUE; FALSE for FALSE and UNKNOWN.",
     .example = "CAST(NULL AS BOOLEAN) IS TRUE -- FALSE"},
    {.name = "IS NOT TRUE",
     .signatures = "BOOLEAN",
     .result = "BOOLEAN NOT NULL",
     .flags = DENSE_NULLS,
     .kernel = run_is_not_true,
     .category = "logical",
     .text = "TRUE for FALSE and UNKNOWN.",
     .example = "CAST(NULL AS BOOLEAN) IS NOT TRUE -- TRUE"},
    {.name = "IS FALSE",
     .signatures = "BOOLEAN",
     .result = "BOOLEAN NOT NULL",
     .flags = DENSE_NULLS,
     .kernel = run_is_false,
     .category = "logical",
     .text = "TRUE when the value is FALSE; FALSE for TRUE and UNKNOWN.",
     .example = "(1 > 2) IS FALSE -- TRUE"},
    {.name = "IS NOT FALSE",
     .signatures = "BOOLEAN",
     .result = "BOOLEAN NOT NULL",
     .flags = DENSE_NULLS,
     .kernel = run_is_not_false,
     .category = "logical",
     .text = "TRUE for TRUE and UNKNOWN.",
     .example = "(1 > 2) IS NOT FALSE -- FALSE"},
    {.name = "IS UNKNOWN",
     .signatures = "BOOLEAN",
     .result = "BOOLEAN NOT NULL",
     .flags = DENSE_NULLS,
     .kernel = run_is_null,
     .category = "logical",
     .text = "TRUE when the value is UNKNOWN.",
     .example = "CAST(NULL AS BOOLEAN) IS UNKNOWN -- TRUE"},
    {.name = "IS NOT UNKNOWN",
     .signatures = "BOOLEAN",
     .result = "BOOLEAN NOT NULL",
     .flags = DENSE_NULLS,
     .kernel = run_is_not_null,
     .category = "logical",
     .text = "TRUE when the value is TRUE or FALSE.",
     .example = "TRUE IS NOT UNKNOWN -- TRUE"},
    {.name = "CASE",
     .infer = infer_case,
     .flags = OPERATOR | EXPR_FN_OWN_NULLS,
     .control = EXPR_CONTROL_CASE,
     .category = "conditional",
     .text = "The value behind the first condition that is TRUE, or that behind ELSE (NULL without "
             "one). Values are evaluated "
             "only when they are taken.",
     .example = "CASE WHEN 1 > 2 THEN 'a' ELSE 'b' END -- b\nCASE 2 WHEN 1 THEN 'a' WHEN 2 THEN "
                "'b' END -- b"},
    {.name = "COALESCE",
     .signatures = "T...",
     .infer = infer_coalesce,
     .flags = EXPR_FN_OWN_NULLS,
     .control = EXPR_CONTROL_COALESCE,
     .category = "conditional",
     .text = "The first argument that is not NULL.",
     .example = "COALESCE(CAST(NULL AS STRING), 'a') -- a"},
    {.name = "IFNULL",
     .signatures = "T, T",
     .infer = infer_coalesce,
     .flags = EXPR_FN_OWN_NULLS,
     .control = EXPR_CONTROL_COALESCE,
     .category = "conditional",
     .text = "The first argument, or the second one when the first one is NULL.",
     .example = "IFNULL(CAST(NULL AS INT), 5) -- 5"},
    {.name = "IF",
     .signatures = "BOOLEAN, T, T",
     .infer = infer_case,
     .flags = EXPR_FN_OWN_NULLS,
     .control = EXPR_CONTROL_CASE,
     .category = "conditional",
     .text = "The second argument when the first one is TRUE, else the third one.",
     .example = "IF(1 > 2, 'a', 'b') -- b"},
};

const struct expr_functions functions_logic = FUNCTIONS_TABLE(rows);
