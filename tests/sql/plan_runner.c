/* Runs golden files of plans, see tests/sql/README.md.
 *
 *     sql_plan_runner [--print] FILE|FOLDER... */
#include "tests/sql/golden_main.h"
#include "tests/sql/plan_session.h"

static void *open_session(struct error *err)
{
    struct plan_session *s = MEM_NEW(struct plan_session);
    plan_session_init(s);
    return s;
}

static void close_session(void *session)
{
    plan_session_fini(session);
    mem_free(session);
}

static int execute(void *session, struct slice text, const struct sql_statement *statement,
                   struct sql_result **ret, struct sql_error_place *place, struct error *err)
{
    return plan_session_execute(session, text, statement, ret, place, err);
}

static const struct golden_session_ops ops = {open_session, close_session, execute};

int main(int argc, char **argv)
{
    return golden_main(argc, argv, &ops);
}
