/* What the tests of operators of queries share: expressions of SQL text, as job graphs have them. */
#ifndef FLINC_TESTS_UNIT_ENGINE_QUERY_EXPRESSIONS_H
#define FLINC_TESTS_UNIT_ENGINE_QUERY_EXPRESSIONS_H

#include "engine/expr/wire.h"
#include "proto/query.pb-c.h"
#include "tests/unit/engine_operators/fixture.h"

/* Expressions over the columns of a schema. */
struct expressions {
    struct arena arena;
    struct expr_pool *pool;
    struct schema *schema;
    struct expr_writer *writer;
    uint32_t indexes[16]; /* in the order of adding */
    uint32_t n;
};
void expressions_init(struct expressions *e, const char *schema);
void expressions_fini(struct expressions *e);
/* Parses, resolves and writes one; returns its index in the list. */
uint32_t expressions_add(struct expressions *e, const char *sql);
Flinc__ExprList *expressions_list(struct expressions *e);

#endif
