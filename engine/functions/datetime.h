/* What arithmetic needs of dates and times.  Inside the room only. */
#ifndef FLINC_ENGINE_FUNCTIONS_DATETIME_H
#define FLINC_ENGINE_FUNCTIONS_DATETIME_H

#include "engine/expr/function.h"
#include "engine/expr/type_rules.h"

/* + and - of datetimes and intervals, intervals with numbers: chooses the kernel of a call of "+" and so on. */
int functions_bind_datetime_arithmetic(struct expr_binding *b, enum type_arithmetic op,
                                       struct error *err) MUST_CHECK;

#endif
