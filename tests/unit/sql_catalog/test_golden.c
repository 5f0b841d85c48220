/* The runner of golden files: what fits, what does not, and what is not in the format. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "tests/sql/golden.h"
#include "tests/unit/sql_catalog/session.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void *open_session(struct error *err)
{
    struct session *s = MEM_NEW(struct session);
    session_open(s, NULL);
    return s;
}

static void close_session(void *session)
{
    session_close(session);
    mem_free(session);
}

static int execute(void *session, struct slice text, const struct sql_statement *statement,
                   struct sql_result **ret, struct sql_error_place *place, struct error *err)
{
    struct session *s = session;
    return sql_catalog_execute(s->m, text, statement, ret, place, err);
}

static const struct golden_session_ops ops = {open_session, close_session, execute};

static int run(const char *text, enum golden_mode mode, struct golden_count *count, struct str *out,
               struct error *err)
{
    char path[] = "/tmp/flinc_golden_XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
    *count = (struct golden_count){0, 0};
    int rc = golden_run(path, &ops, mode, count, out, err);
    unlink(path);
    return rc;
}

static void test_fits(void **state)
{
    static const struct {
        const char *text;
        uint32_t statements, failed;
    } rows[] = {
        {"SHOW JARS;\n----\njars STRING\n", 1, 0},
        {"# a\n\nSHOW JARS;\n----\njars STRING\n\nSHOW JARS;\n", 2, 0},
        {"SHOW JARS;\n----\njar STRING\n", 1, 1},
        {"SHOW JARS;\n----\nOK\n", 1, 1},
        {"SHOW\n  JARS\n;\n----\njars STRING\n", 1, 0},
        {"ADD JAR 'a;\nb';\n\nSHOW JARS;\n----\njars STRING\na;\n| b\n", 2, 0},
        {"ADD JAR 'b';\n\nADD JAR 'a';\n\nSHOW JARS;\n---- sorted\njars STRING\na\nb\n", 3, 0},
        {"ADD JAR 'b';\n\nADD JAR 'a';\n\nSHOW JARS;\n----\njars STRING\na\nb\n", 3, 1},
        {"ADD JAR 'b';\n\n@session\n\nSHOW JARS;\n----\njars STRING\n", 2, 0},
        {"DROP TABLE t;\n----\n!! 1:12 Table with\n", 1, 0},
        {"DROP TABLE t;\n----\n!! does not exist\n", 1, 0},
        {"DROP TABLE t;\n----\n!! 1:11 Table with\n", 1, 1},
        {"DROP TABLE t;\n----\n!! 1:1 Table with\n", 1, 1},
        {"DROP TABLE t;\n----\n!! something else\n", 1, 1},
        {"DROP TABLE t;\n", 1, 1},
        {"SHOW JARS;\n----\n!! jars\n", 1, 1},
        {"nonsense;\n----\n!! 1:1 SQL parse failed\n", 1, 0},
        {"DROP TABLE\n  t;\n----\n!! 2:3 Table\n", 1, 0},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct golden_count count;
        struct error err = ERROR_INIT;
        STR_AUTO out = STR_INIT;
        if (run(rows[i].text, GOLDEN_COMPARE, &count, &out, &err) < 0) {
            fail_msg("%s: %s", rows[i].text, err.message);
        }
        if (count.statements != rows[i].statements || count.failed != rows[i].failed) {
            fail_msg("%s: %u, %u failed\n%s", rows[i].text, count.statements, count.failed,
                     str_cstr(&out));
        }
        assert_int_equal(out.len > 0, count.failed > 0);
    }
}

static void test_refused(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"SHOW JARS\n", "a statement has no end"},
        {"SHOW JARS\n----\njars STRING\n", ":2: ---- before the end of a statement"},
        {"SHOW JARS;\n---- sortd\n", "behind ---- stand sorted and untyped"},
        {"SHOW JARS;\n----\n\n", "nothing is expected"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct golden_count count;
        struct error err = ERROR_INIT;
        STR_AUTO out = STR_INIT;
        assert_int_equal(run(rows[i].text, GOLDEN_COMPARE, &count, &out, &err), ERR_PARSE);
        if (strstr(err.message, rows[i].message) == NULL) {
            fail_msg("%s: %s", rows[i].text, err.message);
        }
    }
}

/* What is printed is what would have been expected. */
static void test_prints(void **state)
{
    const char *text = "CREATE TABLE t (a INT);\n\nSHOW CREATE TABLE t;\n----\nwrong\n\n"
                       "DROP TABLE x;\n----\nwrong\n\nDESCRIBE t;\n---- sorted\nwrong\n";
    struct golden_count count;
    struct error err = ERROR_INIT;
    STR_AUTO printed = STR_INIT;
    STR_AUTO out = STR_INIT;
    assert_int_equal(run(text, GOLDEN_PRINT, &count, &printed, &err), 0);
    assert_int_equal(run(str_cstr(&printed), GOLDEN_COMPARE, &count, &out, &err), 0);
    assert_int_equal(count.statements, 4);
    assert_string_equal(str_cstr(&out), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_fits),
        cmocka_unit_test(test_refused),
        cmocka_unit_test(test_prints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
