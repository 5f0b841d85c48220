/* The operators of queries; a row each. */
#include "engine/query/query.h"

#include "engine/functions/functions.h"
#include "engine/query/collect.h"
#include "engine/table/table.h"
#include "engine/userfunctions/userfunctions.h"

#include <pthread.h>

static const struct operator_desc *const operators[] = {
    &query_calc,      &query_collect,        &query_expand,           &query_hash_aggregate,
    &query_hash_join, &query_limit,          &query_nested_loop_join, &query_over,
    &query_sort,      &query_table_function, &query_unnest,           &query_watermark,
};

static void register_all(void)
{
    functions_register_builtin();
    user_functions_register();
    for (size_t i = 0; i < ARRAY_LEN(operators); i++) {
        int rc = table_operator_register(operators[i], NULL);
        ASSERT(rc == 0);
    }
    int rc = table_coordinator_register(&query_collect_coordinator, NULL);
    ASSERT(rc == 0);
}

void query_operators_register(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_all);
}

const struct operator_desc *const *query_operator_all(size_t *ret_n)
{
    *ret_n = ARRAY_LEN(operators);
    return operators;
}
