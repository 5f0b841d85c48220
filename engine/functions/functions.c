/* The families of built-in functions. */
#include "engine/functions/functions.h"

#include <pthread.h>

/* clang-format off */
static const struct expr_functions *const families[] = {
    &functions_aggregates,
    &functions_arithmetic,
    &functions_arrays,
    &functions_cast,
    &functions_codes,
    &functions_comparison,
    &functions_construct,
    &functions_fields,
    &functions_hashes,
    &functions_json,
    &functions_json_make,
    &functions_logic,
    &functions_maps,
    &functions_math,
    &functions_printf,
    &functions_random,
    &functions_regular,
    &functions_search,
    &functions_strings,
    &functions_time_patterns,
    &functions_words,
};
/* clang-format on */

static void register_all(void)
{
    expr_functions_register(families, ARRAY_LEN(families));
}

void functions_register_builtin(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;

    pthread_once(&once, register_all);
}
