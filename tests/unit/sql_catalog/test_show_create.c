/* What SHOW CREATE TABLE prints makes the same table again: random tables. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "tests/unit/seeds.h"
#include "tests/unit/sql_catalog/session.h"
#include <inttypes.h>

enum { TABLES = 400 };

struct dice {
    uint64_t state;
};

static uint32_t roll(struct dice *d, uint32_t sides)
{
    d->state = d->state * 6364136223846793005ULL + 1442695040888963407ULL;
    return (uint32_t)(d->state >> 33) % sides;
}

static const char *one_of(struct dice *d, const char *const *words, uint32_t n)
{
    return words[roll(d, n)];
}

static void add_type(struct dice *d, struct str *out, int depth)
{
    static const char *const plain[] = {"INT",
                                        "BIGINT NOT NULL",
                                        "STRING",
                                        "VARCHAR(7)",
                                        "CHAR(3) NOT NULL",
                                        "BYTES",
                                        "BINARY(4)",
                                        "DECIMAL(10, 2)",
                                        "DECIMAL(38, 38)",
                                        "BOOLEAN",
                                        "DATE",
                                        "TIME(3)",
                                        "TIMESTAMP(9)",
                                        "TIMESTAMP_LTZ(0)",
                                        "DOUBLE",
                                        "FLOAT",
                                        "TINYINT",
                                        "INTERVAL YEAR TO MONTH",
                                        "INTERVAL DAY(3) TO SECOND(4)"};
    switch (depth > 2 ? 4 : roll(d, 8)) {
    case 0:
        str_append_cstr(out, "ARRAY<");
        add_type(d, out, depth + 1);
        str_append_char(out, '>');
        break;
    case 1:
        str_append_cstr(out, "MAP<STRING, ");
        add_type(d, out, depth + 1);
        str_append_char(out, '>');
        break;
    case 2:
        str_append_cstr(out, "ROW<a ");
        add_type(d, out, depth + 1);
        str_append_cstr(out, ", `b ``c` ");
        add_type(d, out, depth + 1);
        str_append_char(out, '>');
        break;
    default:
        str_append_cstr(out, one_of(d, plain, ARRAY_LEN(plain)));
        break;
    }
}

static void add_expr(struct dice *d, struct str *out, int depth)
{
    static const char *const leaves[] = {"k",
                                         "v",
                                         "1",
                                         "2.50",
                                         "'it''s'",
                                         "`v`",
                                         "INTERVAL '1' DAY",
                                         "NULL",
                                         "CURRENT_TIMESTAMP",
                                         "X'0a'",
                                         "1e3"};
    static const char *const operators[] = {" + ",  " - ",   " * ",    " / ",
                                            " % ",  " || ",  " = ",    " < ",
                                            " OR ", " AND ", " LIKE ", " IS DISTINCT FROM "};
    static const char *const calls[] = {"UPPER(", "CONCAT('x', ", "ABS(", "COALESCE("};
    switch (depth > 4 ? 0 : roll(d, 10)) {
    case 1:
    case 2:
    case 3:
        str_append_char(out, '(');
        add_expr(d, out, depth + 1);
        str_append_cstr(out, one_of(d, operators, ARRAY_LEN(operators)));
        add_expr(d, out, depth + 1);
        str_append_char(out, ')');
        break;
    case 4:
        str_append_cstr(out, one_of(d, calls, ARRAY_LEN(calls)));
        add_expr(d, out, depth + 1);
        str_append_char(out, ')');
        break;
    case 5:
        str_append_cstr(out, roll(d, 2) == 0 ? "(NOT (" : "(-(");
        add_expr(d, out, depth + 1);
        str_append_cstr(out, "))");
        break;
    case 6:
        str_append_cstr(out, "CASE WHEN ");
        add_expr(d, out, depth + 1);
        str_append_cstr(out, " THEN ");
        add_expr(d, out, depth + 1);
        str_append_cstr(out, " ELSE k END");
        break;
    case 7:
        str_append_cstr(out, "((");
        add_expr(d, out, depth + 1);
        str_append_cstr(out, roll(d, 2) == 0 ? ") IS NOT NULL)" : ") NOT BETWEEN 1 AND (k + 2))");
        break;
    case 8:
        str_append_cstr(out, "CAST(");
        add_expr(d, out, depth + 1);
        str_append_cstr(out, " AS STRING)");
        break;
    case 9:
        str_append_char(out, '(');
        add_expr(d, out, depth + 1);
        str_append_cstr(out, roll(d, 2) == 0 ? " IN (1, k))" : " NOT LIKE 'a%' ESCAPE '!')");
        break;
    default:
        str_append_cstr(out, one_of(d, leaves, ARRAY_LEN(leaves)));
        break;
    }
}

static void add_table(struct dice *d, struct str *out)
{
    static const char *const comments[] = {"", " COMMENT 'c'", " COMMENT 'it''s\n\"x\" -- `'"};
    static const char *const distributions[] = {
        "", " DISTRIBUTED BY HASH(k) INTO 4 BUCKETS", " DISTRIBUTED BY (v, k)",
        " DISTRIBUTED INTO 2 BUCKETS", " DISTRIBUTED BY RANGE(v)"};
    str_printf(out, "CREATE %sTABLE `t ``1` (k INT, v STRING%s, ts TIMESTAMP(3)",
               roll(d, 4) == 0 ? "TEMPORARY " : "", one_of(d, comments, 3));
    for (uint32_t i = 0, n = roll(d, 6); i < n; i++) {
        str_printf(out, ", `c %u` ", i);
        if (roll(d, 2) == 0) {
            str_append_cstr(out, "AS ");
            add_expr(d, out, 0);
        } else {
            add_type(d, out, 0);
            str_append_cstr(out, roll(d, 3) == 0 ? " METADATA FROM 'x''y' VIRTUAL" : "");
        }
        str_append_cstr(out, one_of(d, comments, 3));
    }
    str_append_cstr(out, roll(d, 2) == 0 ? ", WATERMARK FOR ts AS ts - INTERVAL '5' SECOND" : "");
    str_append_cstr(out,
                    roll(d, 2) == 0 ? ", CONSTRAINT `my key` PRIMARY KEY (v, k) NOT ENFORCED" : "");
    str_printf(out, ")%s%s%s", one_of(d, comments, 3), one_of(d, distributions, 5),
               roll(d, 3) == 0 ? " PARTITIONED BY (k, v)" : "");
    str_append_cstr(out, roll(d, 3) == 0 ? "" : " WITH ('b' = 'it''s', 'a' = '')");
}

/* All cells of an answer. */
static char *all_of(struct session *s, const char *text)
{
    struct sql_result *r = NULL;
    struct str out = STR_INIT;
    if (session_run(s, text, &r) < 0) {
        fail_msg("%s: %s", text, s->err.message);
    }
    for (uint32_t row = 0; row < sql_result_rows(r); row++) {
        for (uint32_t i = 0; i < r->n_columns; i++) {
            const char *cell = sql_result_cell(r, row, i);
            str_printf(&out, "%s|", cell != NULL ? cell : "NULL");
        }
    }
    sql_result_free(r);
    return str_take(&out);
}

static void test_prints_itself(void **state)
{
    uint32_t made = 0;
    struct seeds seeds = seeds_from(1, TABLES);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct dice d = {seed * 2654435761U + 1};
        struct session s;
        STR_AUTO text = STR_INIT;
        session_open(&s, NULL);
        add_table(&d, &text);
        /* Some expressions have no type here: that is not what this is about. */
        if (session_run(&s, str_cstr(&text), NULL) == 0) {
            char *first = session_cell(&s, "SHOW CREATE TABLE `t ``1`");
            char *columns = all_of(&s, "DESCRIBE `t ``1`");
            bool is_temporary = strstr(first, "CREATE TEMPORARY") != NULL;
            session_do(&s, is_temporary ? "DROP TEMPORARY TABLE `t ``1`" : "DROP TABLE `t ``1`");
            if (session_run(&s, first, NULL) < 0) {
                fail_msg("seed %" PRIu64 ": %s\nof %s\n%s", seed, s.err.message, str_cstr(&text),
                         first);
            }
            char *second = session_cell(&s, "SHOW CREATE TABLE `t ``1`");
            char *again = all_of(&s, "DESCRIBE `t ``1`");
            assert_string_equal(first, second);
            assert_string_equal(columns, again);
            mem_free(first);
            mem_free(second);
            mem_free(columns);
            mem_free(again);
            made++;
        } else if (s.err.code == ERR_PARSE) {
            fail_msg("seed %" PRIu64 ": %s\n%s", seed, s.err.message, str_cstr(&text));
        }
        session_close(&s);
    }
    assert_true(made >= (seeds.end - seeds.first) / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_prints_itself),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
