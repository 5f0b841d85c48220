/* See session.h. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "tests/unit/sql_catalog/session.h"

void session_open(struct session *s, struct sql_catalog_store *take_store)
{
    *s = (struct session){.m = NULL};
    simple_resolver_init(&s->resolver);
    const struct sql_manager_options options = {.resolver = &s->resolver.base,
                                                .take_store = take_store};
    assert_int_equal(sql_manager_new(&options, &s->m, &s->err), 0);
    s->resolver.m = s->m;
}

void session_close(struct session *s)
{
    s->m = sql_manager_free(s->m);
}

int session_run(struct session *s, const char *text, struct sql_result **ret)
{
    struct arena arena;
    struct sql_statement *statement = NULL;
    struct sql_result *result = NULL;
    error_clear(&s->err);
    arena_init(&arena, 0);
    int rc = sql_parse_statement(slice_cstr(text), &arena, &statement, &s->place, &s->err);
    rc = rc < 0
             ? rc
             : sql_catalog_execute(s->m, slice_cstr(text), statement, &result, &s->place, &s->err);
    arena_fini(&arena);
    if (rc == 0 && ret != NULL) {
        *ret = result;
    } else {
        sql_result_free(result);
    }
    return rc;
}

void session_do(struct session *s, const char *text)
{
    if (session_run(s, text, NULL) < 0) {
        fail_msg("%s: %s", text, s->err.message);
    }
}

char *session_cell(struct session *s, const char *text)
{
    struct sql_result *r = NULL;
    if (session_run(s, text, &r) < 0) {
        fail_msg("%s: %s", text, s->err.message);
    }
    assert_true(sql_result_rows(r) > 0);
    char *cell = mem_strdup(sql_result_cell(r, 0, 0));
    sql_result_free(r);
    return cell;
}
