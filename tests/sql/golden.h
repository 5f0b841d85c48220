/* Golden files of SQL statements, see tests/sql/README.md: read, executed through one session, compared. */
#ifndef FLINC_TESTS_SQL_GOLDEN_H
#define FLINC_TESTS_SQL_GOLDEN_H

#include "sql/catalog/result.h"
#include "sql/parser/parser.h"

/* What executes statements.  A session for each file. */
struct golden_session_ops {
    void *(*open)(struct error *err);
    void (*close)(void *session);
    /* As sql_catalog_execute(). */
    int (*execute)(void *session, struct slice text, const struct sql_statement *statement,
                   struct sql_result **ret, struct sql_error_place *place, struct error *err);
    /* Appends the type of a column of the last result, where it is no type of a sql_result.  NULL: it always is. */
    void (*append_type)(void *session, uint32_t column, struct str *out);
};

enum golden_mode {
    GOLDEN_COMPARE,
    GOLDEN_PRINT, /* what came out, in the format of the files, to be looked at */
};

struct golden_count {
    uint32_t statements, failed;
};

/* Appends what differs (or all, to be printed) to `out`.  ERR_PARSE for a file that is not in the format. */
int golden_run(const char *path, const struct golden_session_ops *ops, enum golden_mode mode,
               struct golden_count *count, struct str *out, struct error *err) MUST_CHECK;

#endif
