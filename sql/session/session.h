/* A SQL session: catalogs, a configuration, and statements executed one after the other.
 *
 * It plans in this process and gives jobs to an executor (executor.h).  SET and RESET change the session's configuration,
 * which lies over the one that it was opened with.  Between BEGIN STATEMENT SET and END, inserts are kept and become one job.
 * Errors have Flink's sentences and the place in the text.
 * Flink: Session, OperationExecutor, TableEnvironmentImpl.  Thread: one owner. */
#ifndef FLINC_SQL_SESSION_SESSION_H
#define FLINC_SQL_SESSION_SESSION_H

#include "sql/catalog/manager.h"
#include "sql/session/answer.h"

enum {
    SQL_SESSION_SET_MAX = 10000, /* inserts of one statement set */
    SQL_SESSION_ROWS_MAX_WAIT_MS = 100,
};

struct sql_session;

struct sql_session_options {
    const struct conf *conf;             /* Borrows for the call: the cluster's, -D over it */
    const struct sql_executor *executor; /* Borrows; NULL: `only_check` */
    /* Statements are validated and planned, catalogs changed in memory alone, and no job is started. */
    bool only_check;
};

/* ERR_INVALID_CONFIG: a catalog store, zone or name of the configuration is wrong. */
int sql_session_new(const struct sql_session_options *options, struct sql_session **ret,
                    struct error *err) MUST_CHECK;
/* Answers are closed before. */
struct sql_session *sql_session_free(struct sql_session *s);

/* One statement; `text` is what it was parsed from.  On failure *ret is untouched and `place` (may be NULL) is what is
 * meant.  Statements of the shell (QUIT, CLEAR, HELP, SOURCE) are ERR_STATE. */
int sql_session_execute(struct sql_session *s, struct slice text,
                        const struct sql_statement *statement, struct sql_answer **ret,
                        struct sql_error_place *place, struct error *err) MUST_CHECK;

const struct conf *sql_session_conf(const struct sql_session *s); /* as SET left it */
struct sql_manager *sql_session_manager(struct sql_session *s);   /* for completion */
bool sql_session_is_in_set(const struct sql_session *s);          /* behind BEGIN STATEMENT SET */
/* table.local-time-zone; until the next statement. */
const struct time_zone *sql_session_zone(const struct sql_session *s);

#endif
