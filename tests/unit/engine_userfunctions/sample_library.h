/* The library of sample functions, known to this process; functions of it by symbol. */
#ifndef FLINC_TESTS_UNIT_ENGINE_USERFUNCTIONS_SAMPLE_LIBRARY_H
#define FLINC_TESTS_UNIT_ENGINE_USERFUNCTIONS_SAMPLE_LIBRARY_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants those first */
#include <cmocka.h>

#include "engine/expr/program.h"
#include "engine/functions/functions.h"
#include "engine/userfunctions/userfunctions.h"

void sample_register(void);
const struct expr_function *sample_function(const char *symbol);
/* Finding the symbol fails with a text like this. */
void expect_refused(const char *symbol, int rc, const char *text);

#endif
