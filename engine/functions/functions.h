/* The built-in functions: their rows by family, and what kernels of several families share.
 *
 * A row is made by a file of its family and stands in the family's table; functions.c lists the families.  How to write
 * a kernel: engine/expr/vector.h.  Flink: BuiltInFunctionDefinitions, FlinkSqlOperatorTable, the runtime functions.
 * Thread: any; tables are constant. */
#ifndef FLINC_ENGINE_FUNCTIONS_FUNCTIONS_H
#define FLINC_ENGINE_FUNCTIONS_FUNCTIONS_H

#include "engine/expr/function.h"

/* Makes all built-in functions known.  The same again is fine. */
void functions_register_builtin(void);

/* What a function of Flink's waits for that is not there yet; NULL: there is none of the name, or there is a row. */
const char *functions_absent(struct slice name);

extern const struct expr_functions functions_aggregates;
extern const struct expr_functions functions_arithmetic;
extern const struct expr_functions functions_cast;
extern const struct expr_functions functions_comparison;
extern const struct expr_functions functions_fields;
extern const struct expr_functions functions_logic;
extern const struct expr_functions functions_math;
extern const struct expr_functions functions_regular;
extern const struct expr_functions functions_search;
extern const struct expr_functions functions_strings;
extern const struct expr_functions functions_json_make;
extern const struct expr_functions functions_json;
extern const struct expr_functions functions_printf;
extern const struct expr_functions functions_random;
extern const struct expr_functions functions_words;
extern const struct expr_functions functions_codes;
extern const struct expr_functions functions_hashes;
extern const struct expr_functions functions_maps;
extern const struct expr_functions functions_arrays;
extern const struct expr_functions functions_construct;
extern const struct expr_functions functions_time_patterns;

/* Table of rows -> what functions.c lists. */
#define FUNCTIONS_TABLE(rows)   \
    {                           \
        (rows), ARRAY_LEN(rows) \
    }

#endif
