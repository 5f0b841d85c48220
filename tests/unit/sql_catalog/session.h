/* A session of the catalogs for tests: statements in, text out. */
#ifndef FLINC_TESTS_UNIT_SQL_CATALOG_SESSION_H
#define FLINC_TESTS_UNIT_SQL_CATALOG_SESSION_H

#include "sql/catalog/execute.h"
#include "tests/sql/simple_resolver.h"

struct session {
    struct simple_resolver resolver;
    struct sql_manager *m;
    struct error err;             /* of the last statement */
    struct sql_error_place place; /* of the last that failed */
};

/* `take_store` NULL: in memory. */
void session_open(struct session *s, struct sql_catalog_store *take_store);
void session_close(struct session *s);
/* 0 or the error of parsing or executing; *ret (may be NULL) is to be freed. */
int session_run(struct session *s, const char *text, struct sql_result **ret);
/* Fails the test when it fails. */
void session_do(struct session *s, const char *text);
/* The first cell of the answer; to be freed. */
char *session_cell(struct session *s, const char *text);

#endif
