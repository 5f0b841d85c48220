/* Queries over a catalog of some tables: whatever they are, each has a plan that can be shown or is refused with a sentence and a
 * place, and never by a mistake of the planner's own. */
#include "tests/sql/plan_session.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { STATEMENTS_MAX = 50 };

static struct plan_session session;
static bool is_open;

static const char *const tables[] = {
    "CREATE TABLE t (a INT NOT NULL, b STRING, c BIGINT, d DECIMAL(10, 2), e TIMESTAMP(3), f AS a "
    "+ "
    "1, r ROW<x INT, y STRING>) WITH ('connector' = 'datagen', 'number-of-rows' = '10')",
    "CREATE TABLE u (a INT, k BIGINT NOT NULL, g DOUBLE, h DATE, i BOOLEAN) WITH ('connector' = "
    "'datagen', 'number-of-rows' = '1000')",
    "CREATE TABLE w (a INT, l ARRAY<INT>, m MAP<STRING, INT>, n ARRAY<ROW<p INT, q STRING>>) WITH "
    "('connector' = 'datagen', 'number-of-rows' = '10')",
    "CREATE TABLE z (a INT, b STRING) WITH ('connector' = 'blackhole')",
    "CREATE VIEW v AS SELECT a, COUNT(*) AS n FROM t GROUP BY a",
};

static void execute(struct slice text)
{
    struct arena arena;
    struct sql_statement *s = NULL;
    struct sql_error_place place = {{0, 0}};
    struct sql_result *r = NULL;
    struct error err = ERROR_INIT;
    arena_init(&arena, 0);
    int rc = sql_parse_statement(text, &arena, &s, &place, &err);
    const bool is_ours =
        rc == 0 && (s->kind == SQL_STATEMENT_QUERY || !is_open || s->kind == SQL_STATEMENT_INSERT ||
                    s->kind == SQL_STATEMENT_EXPLAIN || s->kind == SQL_STATEMENT_STATEMENT_SET);
    if (is_ours) {
        place.span = (struct sql_span){0, 0};
        rc = plan_session_execute(&session, text, s, &r, &place, &err);
        ASSERT(rc == 0 || (err.message[0] != '\0' && err.cls != ERROR_CLASS_BUG &&
                           place.span.start <= place.span.end && place.span.end <= text.len));
        sql_result_free(r);
    }
    ASSERT(is_open || rc == 0);
    arena_fini(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (!is_open) {
        plan_session_init(&session);
        for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
            execute(slice_cstr(tables[i]));
        }
        is_open = true;
    }
    struct slice rest = slice_make((const char *)data, size);
    for (int i = 0; i < STATEMENTS_MAX && rest.len > 0; i++) {
        bool is_complete = false;
        uint32_t end = sql_statement_end(rest, &is_complete);
        execute(slice_make(rest.data, end));
        rest = slice_make(rest.data + end, rest.len - end);
    }
    return 0;
}
