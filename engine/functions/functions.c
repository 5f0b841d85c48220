/* The families of built-in functions. */
#include "engine/functions/functions.h"

static const struct expr_functions *const families[] = {
    &functions_arithmetic, &functions_cast, &functions_comparison, &functions_fields,
    &functions_logic,      &functions_math, &functions_strings,    &functions_search,
};

void functions_register_builtin(void)
{
    expr_functions_register(families, ARRAY_LEN(families));
}
