/* The operators of queries as plans name them.  Thread: any. */
#ifndef FLINC_ENGINE_QUERY_QUERY_H
#define FLINC_ENGINE_QUERY_QUERY_H

#include "engine/operators/operator.h"

extern const struct operator_desc query_calc;

/* Makes all of them known to table_operator_find(); once per process, before threads.  The same again is fine. */
void query_operators_register(void);

#endif
