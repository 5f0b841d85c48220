/* A small one of what the session gives to sql/catalog (resolver.h): types of simple expressions, columns of simple queries,
 * a few names of functions.  Enough for DDL, and nothing of it is checked by tests of queries. */
#ifndef FLINC_TESTS_SQL_SIMPLE_RESOLVER_H
#define FLINC_TESTS_SQL_SIMPLE_RESOLVER_H

#include "sql/catalog/manager.h"

struct simple_resolver {
    struct sql_resolver base; /* its `arg` is this */
    struct sql_manager *m;    /* Borrows; set once it is made */
};
void simple_resolver_init(struct simple_resolver *r);

#endif
