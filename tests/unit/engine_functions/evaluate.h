/* Expressions as text, evaluated the ways that programs have: for tests of functions. */
#ifndef FLINC_TESTS_UNIT_ENGINE_FUNCTIONS_EVALUATE_H
#define FLINC_TESTS_UNIT_ENGINE_FUNCTIONS_EVALUATE_H

#include "common/base/str.h"

struct evaluation {
    int rc;
    struct str value; /* as CAST(... AS STRING) prints it; NULL */
    struct str type;
    struct str error;
};

enum evaluation_way {
    EVALUATE_CONSTANT, /* as it is written: literals are constants */
    EVALUATE_FOLDED,   /* folded by the planner first */
    EVALUATE_COLUMNS,  /* each literal that may be one is a column of 67 equal rows */
    EVALUATE_SELECTED, /* the same with every third row selected, and NULLs and other values between */
    EVALUATE_WAYS
};
const char *evaluation_way_name(enum evaluation_way way);

/* In the zone "Europe/Berlin" unless FLINC_TEST_ZONE says otherwise. */
void evaluate(struct slice text, enum evaluation_way way, struct evaluation *ret);
void evaluation_fini(struct evaluation *e);

/* Checks one line in all ways: "SQL -- value", "SQL -- value :: TYPE", "SQL !! part of the error".  Returns NULL, or
 * what is wrong (to be freed by mem_free). */
char *evaluate_line(struct slice line);

#endif
