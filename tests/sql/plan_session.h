/* A session that executes DDL and plans queries, for tests of the planner: nothing runs.
 *
 * EXPLAIN answers its text, SELECT and INSERT their optimized tree alone.  SET 'key' = 'value' sets an option of the plans. */
#ifndef FLINC_TESTS_SQL_PLAN_SESSION_H
#define FLINC_TESTS_SQL_PLAN_SESSION_H

#include "sql/catalog/execute.h"
#include "sql/plan/rel.h"

struct plan_session {
    struct sql_resolver resolver;
    struct sql_manager *m;
    struct conf conf;
};

/* Connectors and functions are made known; batch mode. */
void plan_session_init(struct plan_session *s);
void plan_session_fini(struct plan_session *s);
int plan_session_execute(struct plan_session *s, struct slice text,
                         const struct sql_statement *statement, struct sql_result **ret,
                         struct sql_error_place *place, struct error *err);
/* Parses, plans, optimizes; the text of the optimized plan is appended to `out` (may be NULL). */
int plan_session_plan(struct plan_session *s, const char *text, struct str *out,
                      struct sql_error_place *place, struct error *err);
struct sql_plan *plan_session_new_plan(struct plan_session *s);

#endif
