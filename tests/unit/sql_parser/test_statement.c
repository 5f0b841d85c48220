/* Every statement of the dialect: that it parses, as what, and what its parts are. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "tree.h"

struct fixture {
    struct arena arena;
    struct sql_statement *s;
};

static struct sql_statement *parse(struct fixture *f, const char *text)
{
    struct error err = ERROR_INIT;
    arena_init(&f->arena, 0);
    if (sql_parse_statement(slice_cstr(text), &f->arena, &f->s, NULL, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    return f->s;
}

static void check_slice(struct slice s, const char *text)
{
    if (!slice_eq_cstr(s, text)) {
        fail_msg("'%.*s' should be '%s'", (int)s.len, s.data, text);
    }
}

static void check_path(const struct sql_path *path, const char *text)
{
    STR_AUTO out = STR_INIT;
    tree_of_path(&out, path);
    assert_string_equal(str_cstr(&out), text);
}

static void check_query(const struct sql_query *q, const char *text)
{
    STR_AUTO out = STR_INIT;
    tree_of_query(&out, q);
    assert_string_equal(str_cstr(&out), text);
}

static void check_properties(const struct sql_properties *p, const char *text)
{
    STR_AUTO out = STR_INIT;
    tree_of_properties(&out, p);
    assert_string_equal(str_cstr(&out), text);
}

/* The whole grammar, one statement a line at least, by kind. */
static const struct {
    enum sql_statement_kind kind;
    const char *text;
} kinds[] = {
    {SQL_STATEMENT_QUERY, "SELECT 1"},
    {SQL_STATEMENT_QUERY, "EXECUTE SELECT 1"},
    {SQL_STATEMENT_INSERT, "INSERT INTO t SELECT 1"},
    {SQL_STATEMENT_INSERT, "EXECUTE INSERT INTO t VALUES (1)"},
    {SQL_STATEMENT_INSERT, "INSERT INTO t (SELECT 1)"},
    {SQL_STATEMENT_STATEMENT_SET,
     "EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; INSERT INTO b SELECT 2; END"},
    {SQL_STATEMENT_STATEMENT_SET, "STATEMENT SET BEGIN INSERT INTO a SELECT 1; END;"},
    {SQL_STATEMENT_BEGIN_SET, "BEGIN STATEMENT SET"},
    {SQL_STATEMENT_END_SET, "END;"},
    {SQL_STATEMENT_UPDATE, "UPDATE t SET a = 1, b = b + 1 WHERE c = 2"},
    {SQL_STATEMENT_DELETE, "DELETE FROM t WHERE a IN (SELECT 1)"},
    {SQL_STATEMENT_DELETE, "DELETE FROM t"},
    {SQL_STATEMENT_TRUNCATE, "TRUNCATE TABLE c.d.t"},
    {SQL_STATEMENT_CREATE, "CREATE DATABASE IF NOT EXISTS c.d COMMENT 'x' WITH ('a' = 'b')"},
    {SQL_STATEMENT_CREATE, "CREATE CATALOG c COMMENT 'x' WITH ('type' = 'generic_in_memory')"},
    {SQL_STATEMENT_CREATE, "CREATE TEMPORARY SYSTEM FUNCTION IF NOT EXISTS f AS 'x.y' LANGUAGE "
                           "JAVA USING JAR 'a', ARTIFACT 'b'"},
    {SQL_STATEMENT_CREATE, "CREATE FUNCTION c.d.f AS 'sym' LANGUAGE C USING JAR 'x.so'"},
    {SQL_STATEMENT_CREATE, "CREATE MODEL IF NOT EXISTS m INPUT (a INT) OUTPUT (b STRING) "
                           "COMMENT 'x' WITH ('p' = 'q')"},
    {SQL_STATEMENT_CREATE, "CREATE TEMPORARY CONNECTION k COMMENT 'x' WITH ('a' = 'b')"},
    {SQL_STATEMENT_ALTER, "ALTER DATABASE d SET ('a' = 'b')"},
    {SQL_STATEMENT_ALTER, "ALTER CATALOG c RESET ('a')"},
    {SQL_STATEMENT_ALTER, "ALTER CATALOG c COMMENT 'x'"},
    {SQL_STATEMENT_ALTER, "ALTER VIEW v RENAME TO w"},
    {SQL_STATEMENT_ALTER, "ALTER VIEW v AS SELECT 1"},
    {SQL_STATEMENT_ALTER, "ALTER TEMPORARY SYSTEM FUNCTION IF EXISTS f AS 'x' LANGUAGE PYTHON"},
    {SQL_STATEMENT_ALTER, "ALTER MODEL IF EXISTS m RENAME TO n"},
    {SQL_STATEMENT_ALTER, "ALTER CONNECTION k SET ('a' = 'b')"},
    {SQL_STATEMENT_ALTER, "ALTER MATERIALIZED TABLE m SUSPEND"},
    {SQL_STATEMENT_ALTER, "ALTER MATERIALIZED TABLE m RESUME WITH ('a' = 'b')"},
    {SQL_STATEMENT_ALTER, "ALTER MATERIALIZED TABLE m REFRESH PARTITION (ds = '1')"},
    {SQL_STATEMENT_ALTER, "ALTER MATERIALIZED TABLE m SET FRESHNESS = INTERVAL '1' MINUTE"},
    {SQL_STATEMENT_ALTER, "ALTER MATERIALIZED TABLE m SET REFRESH_MODE = FULL"},
    {SQL_STATEMENT_ALTER, "ALTER MATERIALIZED TABLE m AS SELECT 1"},
    {SQL_STATEMENT_ALTER, "ALTER MATERIALIZED TABLE m ADD a INT"},
    {SQL_STATEMENT_DROP, "DROP TEMPORARY VIEW IF EXISTS v"},
    {SQL_STATEMENT_DROP, "DROP DATABASE IF EXISTS d CASCADE"},
    {SQL_STATEMENT_DROP, "DROP DATABASE d RESTRICT"},
    {SQL_STATEMENT_DROP, "DROP CATALOG c"},
    {SQL_STATEMENT_DROP, "DROP TEMPORARY SYSTEM FUNCTION f"},
    {SQL_STATEMENT_DROP, "DROP MATERIALIZED TABLE IF EXISTS m"},
    {SQL_STATEMENT_DROP, "DROP MODEL m"},
    {SQL_STATEMENT_DROP, "DROP CONNECTION k"},
    {SQL_STATEMENT_USE, "USE c.d"},
    {SQL_STATEMENT_USE, "USE CATALOG c"},
    {SQL_STATEMENT_USE, "USE MODULES a, b"},
    {SQL_STATEMENT_SHOW, "SHOW CATALOGS NOT ILIKE '%x'"},
    {SQL_STATEMENT_SHOW, "SHOW DATABASES IN c LIKE 'x'"},
    {SQL_STATEMENT_SHOW, "SHOW TABLES FROM c.d NOT LIKE 'x'"},
    {SQL_STATEMENT_SHOW, "SHOW VIEWS"},
    {SQL_STATEMENT_SHOW, "SHOW MATERIALIZED TABLES IN d"},
    {SQL_STATEMENT_SHOW, "SHOW COLUMNS FROM c.d.t LIKE 'x'"},
    {SQL_STATEMENT_SHOW, "SHOW USER FUNCTIONS IN d ILIKE 'f%'"},
    {SQL_STATEMENT_SHOW, "SHOW PROCEDURES"},
    {SQL_STATEMENT_SHOW, "SHOW PARTITIONS t PARTITION (a = 1, b)"},
    {SQL_STATEMENT_SHOW, "SHOW MODELS"},
    {SQL_STATEMENT_SHOW, "SHOW CONNECTIONS IN d"},
    {SQL_STATEMENT_SHOW, "SHOW FULL MODULES"},
    {SQL_STATEMENT_SHOW, "SHOW JARS"},
    {SQL_STATEMENT_SHOW, "SHOW JOBS"},
    {SQL_STATEMENT_SHOW_CURRENT, "SHOW CURRENT DATABASE"},
    {SQL_STATEMENT_SHOW_CURRENT, "SHOW CURRENT CATALOG"},
    {SQL_STATEMENT_SHOW_CREATE, "SHOW CREATE TABLE t"},
    {SQL_STATEMENT_SHOW_CREATE, "SHOW CREATE CATALOG c"},
    {SQL_STATEMENT_SHOW_CREATE, "SHOW CREATE OR ALTER MATERIALIZED TABLE m"},
    {SQL_STATEMENT_DESCRIBE, "DESCRIBE t"},
    {SQL_STATEMENT_DESCRIBE, "DESC EXTENDED c.d.t"},
    {SQL_STATEMENT_DESCRIBE, "DESCRIBE CATALOG EXTENDED c"},
    {SQL_STATEMENT_DESCRIBE, "DESCRIBE DATABASE d"},
    {SQL_STATEMENT_DESCRIBE, "DESCRIBE FUNCTION EXTENDED f"},
    {SQL_STATEMENT_DESCRIBE, "DESCRIBE JOB '228d70913eab60dda85c5e7f78b5782c'"},
    {SQL_STATEMENT_DESCRIBE, "DESCRIBE model"},
    {SQL_STATEMENT_EXPLAIN, "EXPLAIN PLAN FOR SELECT 1"},
    {SQL_STATEMENT_EXPLAIN, "EXPLAIN ESTIMATED_COST, CHANGELOG_MODE, JSON_EXECUTION_PLAN, "
                            "PLAN_ADVICE INSERT INTO t SELECT 1"},
    {SQL_STATEMENT_EXPLAIN, "EXPLAIN STATEMENT SET BEGIN INSERT INTO t SELECT 1; END"},
    {SQL_STATEMENT_EXPLAIN, "EXPLAIN CREATE TABLE t AS SELECT 1"},
    {SQL_STATEMENT_COMPILE_PLAN, "COMPILE PLAN 'file:/x' IF NOT EXISTS FOR INSERT INTO t SELECT 1"},
    {SQL_STATEMENT_COMPILE_PLAN,
     "COMPILE AND EXECUTE PLAN 'x' FOR STATEMENT SET BEGIN INSERT INTO t SELECT 1; END"},
    {SQL_STATEMENT_EXECUTE_PLAN, "EXECUTE PLAN 'x'"},
    {SQL_STATEMENT_CALL, "CALL c.d.p(1, a => 'b')"},
    {SQL_STATEMENT_ANALYZE,
     "ANALYZE TABLE t PARTITION (a = 1, b) COMPUTE STATISTICS FOR COLUMNS x, y"},
    {SQL_STATEMENT_ANALYZE, "ANALYZE TABLE t COMPUTE STATISTICS FOR ALL COLUMNS"},
    {SQL_STATEMENT_LOAD_MODULE, "LOAD MODULE hive WITH ('v' = '3')"},
    {SQL_STATEMENT_UNLOAD_MODULE, "UNLOAD MODULE core"},
    {SQL_STATEMENT_ADD_JAR, "ADD JAR '/x.so'"},
    {SQL_STATEMENT_REMOVE_JAR, "REMOVE JAR '/x.so'"},
    {SQL_STATEMENT_SET, "SET"},
    {SQL_STATEMENT_RESET, "RESET 'a.b'"},
    {SQL_STATEMENT_STOP_JOB, "STOP JOB 'x' WITH SAVEPOINT WITH DRAIN"},
    {SQL_STATEMENT_QUIT, "QUIT"},
    {SQL_STATEMENT_QUIT, "exit;"},
    {SQL_STATEMENT_CLEAR, "CLEAR"},
    {SQL_STATEMENT_HELP, "HELP"},
    {SQL_STATEMENT_SOURCE, "SOURCE 'x.sql'"},
};

static void test_kinds(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
        struct fixture f;
        if (parse(&f, kinds[i].text)->kind != kinds[i].kind) {
            fail_msg("%s is of kind %d", kinds[i].text, f.s->kind);
        }
        assert_int_equal(f.s->span.start, 0);
        arena_fini(&f.arena);
    }
}

static void test_create_table(void **state)
{
    struct fixture f;
    const struct sql_create *c =
        parse(&f, "CREATE TEMPORARY TABLE IF NOT EXISTS c.d.t (\n"
                  "  a INT NOT NULL PRIMARY KEY NOT ENFORCED COMMENT 'the a',\n"
                  "  b AS a + 1 COMMENT 'computed',\n"
                  "  ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,\n"
                  "  off BIGINT METADATA,\n"
                  "  `key` ROW<x INT>,\n"
                  "  CONSTRAINT pk PRIMARY KEY (a, `key`) NOT ENFORCED,\n"
                  "  WATERMARK FOR `key`.x AS ts - INTERVAL '5' SECOND\n"
                  ") COMMENT 'all' DISTRIBUTED BY HASH (a) INTO 4 BUCKETS PARTITIONED BY (b, off)\n"
                  "WITH ('connector' = 'kafka', 'it''s' = '')")
            ->create;
    const struct sql_column *columns = c->elements.columns;
    assert_true(c->object == SQL_OBJECT_TABLE && c->is_temporary && c->if_not_exists &&
                !c->is_replace && c->has_elements);
    check_path(&c->name, "c.d.t");
    assert_int_equal(c->elements.n_columns, 5);
    assert_true(columns[0].kind == SQL_COLUMN_PHYSICAL && columns[0].type->not_null &&
                columns[0].constraint->is_primary);
    assert_int_equal(columns[0].constraint->enforcement, SQL_NOT_ENFORCED);
    check_slice(columns[0].comment, "the a");
    assert_int_equal(columns[1].kind, SQL_COLUMN_COMPUTED);
    check_slice(columns[1].comment, "computed");
    assert_true(columns[2].kind == SQL_COLUMN_METADATA && columns[2].is_virtual);
    check_slice(columns[2].metadata_key, "timestamp");
    assert_true(columns[3].kind == SQL_COLUMN_METADATA && !columns[3].is_virtual &&
                columns[3].metadata_key.data == NULL);
    check_path(&columns[4].name, "key");
    assert_int_equal(c->elements.n_constraints, 1);
    check_slice(c->elements.constraints[0].name.text, "pk");
    assert_int_equal(c->elements.constraints[0].columns.n, 2);
    assert_int_equal(c->elements.n_watermarks, 1);
    check_path(&c->elements.watermarks[0].column, "key.x");
    check_slice(c->comment, "all");
    assert_true(c->distribution.kind == SQL_DISTRIBUTION_HASH && c->distribution.buckets != NULL);
    assert_int_equal(c->partitioned.n, 2);
    check_properties(&c->properties, "{connector=kafka it's=}");
    arena_fini(&f.arena);
}

static void test_create_table_by_others(void **state)
{
    struct fixture f;
    const struct sql_create *c =
        parse(&f, "CREATE TABLE t (x INT) WITH ('a' = 'b') LIKE c.u (INCLUDING ALL EXCLUDING "
                  "OPTIONS OVERWRITING WATERMARKS)")
            ->create;
    check_path(&c->like, "c.u");
    assert_int_equal(c->n_like_options, 3);
    assert_true(c->like_options[1].rule == SQL_LIKE_EXCLUDING &&
                c->like_options[1].feature == SQL_LIKE_OPTIONS);
    assert_true(c->like_options[2].rule == SQL_LIKE_OVERWRITING &&
                c->like_options[2].feature == SQL_LIKE_WATERMARKS);
    arena_fini(&f.arena);
    const char *text =
        "CREATE TABLE t (b, a, WATERMARK FOR b AS b) WITH ('k' = 'v') AS SELECT a, b FROM u";
    c = parse(&f, text)->create;
    assert_true(c->elements.n_columns == 2 && c->elements.columns[0].kind == SQL_COLUMN_NAME);
    check_query(c->query, "(select a b from u)");
    check_slice(slice_make(text + c->query_text.start, c->query_text.end - c->query_text.start),
                "SELECT a, b FROM u");
    arena_fini(&f.arena);
    assert_true(
        parse(&f, "CREATE OR REPLACE TABLE t WITH ('k' = 'v') AS SELECT 1")->create->is_replace);
    arena_fini(&f.arena);
    assert_true(parse(&f, "REPLACE TABLE t AS SELECT 1")->create->is_replace);
    arena_fini(&f.arena);
    c = parse(&f, "CREATE TEMPORARY VIEW v (a, b) COMMENT 'x' AS SELECT 1, 2")->create;
    assert_true(c->object == SQL_OBJECT_VIEW && c->columns.n == 2);
    arena_fini(&f.arena);
    c = parse(&f, "CREATE OR ALTER MATERIALIZED TABLE m PARTITIONED BY (ds) WITH ('a' = 'b') "
                  "START_MODE = FROM_NOW(INTERVAL '1' DAY) "
                  "FRESHNESS = INTERVAL '30' SECOND REFRESH_MODE = CONTINUOUS AS SELECT 1")
            ->create;
    assert_true(c->is_or_alter && c->refresh.start == SQL_START_FROM_NOW &&
                c->refresh.start_at != NULL && c->refresh.freshness != NULL &&
                c->refresh.mode == SQL_REFRESH_CONTINUOUS);
    arena_fini(&f.arena);
}

static void test_alter_table(void **state)
{
    static const struct {
        enum sql_alter_kind kind;
        const char *text;
    } rows[] = {
        {SQL_ALTER_RENAME, "RENAME TO c.d.u"},
        {SQL_ALTER_RENAME_COLUMN, "RENAME a.b TO c"},
        {SQL_ALTER_ADD, "ADD a INT COMMENT 'x' AFTER b"},
        {SQL_ALTER_ADD,
         "ADD (a INT FIRST, b AS a + 1, PRIMARY KEY (a) NOT ENFORCED, WATERMARK FOR c AS c)"},
        {SQL_ALTER_ADD, "ADD CONSTRAINT k PRIMARY KEY (a) NOT ENFORCED"},
        {SQL_ALTER_ADD, "ADD DISTRIBUTION BY (a) INTO 3 BUCKETS"},
        {SQL_ALTER_ADD_PARTITIONS,
         "ADD IF NOT EXISTS PARTITION (a = 1) WITH ('k' = 'v') PARTITION (a = 2)"},
        {SQL_ALTER_MODIFY, "MODIFY a BIGINT NOT NULL FIRST"},
        {SQL_ALTER_MODIFY, "MODIFY (a STRING, WATERMARK FOR b AS b - INTERVAL '1' SECOND)"},
        {SQL_ALTER_DROP_COLUMNS, "DROP a"},
        {SQL_ALTER_DROP_COLUMNS, "DROP (a, b.c)"},
        {SQL_ALTER_DROP_PRIMARY_KEY, "DROP PRIMARY KEY"},
        {SQL_ALTER_DROP_CONSTRAINT, "DROP CONSTRAINT k"},
        {SQL_ALTER_DROP_WATERMARK, "DROP WATERMARK"},
        {SQL_ALTER_DROP_DISTRIBUTION, "DROP DISTRIBUTION"},
        {SQL_ALTER_DROP_PARTITIONS, "DROP IF EXISTS PARTITION (a = 1), PARTITION (a = 2)"},
        {SQL_ALTER_SET, "SET ('a' = 'b')"},
        {SQL_ALTER_RESET, "RESET ('a', 'b')"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        STR_AUTO text = STR_INIT;
        str_printf(&text, "ALTER TABLE IF EXISTS c.d.t %s", rows[i].text);
        const struct sql_alter *a = parse(&f, str_cstr(&text))->alter;
        if (a->kind != rows[i].kind) {
            fail_msg("%s is of kind %d", rows[i].text, a->kind);
        }
        assert_true(a->object == SQL_OBJECT_TABLE && a->object_if_exists);
        check_path(&a->name, "c.d.t");
        arena_fini(&f.arena);
    }
    struct fixture f;
    const struct sql_alter *a = parse(&f, "ALTER TABLE t ADD (a INT FIRST, b INT AFTER a)")->alter;
    assert_int_equal(a->elements.columns[0].place, SQL_PLACE_FIRST);
    check_slice(a->elements.columns[1].after.text, "a");
    arena_fini(&f.arena);
}

static void test_insert(void **state)
{
    struct fixture f;
    const struct sql_insert *in =
        parse(&f, "INSERT OVERWRITE c.d.t /*+ OPTIONS('a' = 'b') */ PARTITION (p = 'x', q) (a, "
                  "b.c) SELECT 1, 2 ON CONFLICT DO NOTHING")
            ->insert;
    assert_true(in->is_overwrite && in->hints.n == 1 && in->partition.n == 2 && in->n_columns == 2);
    assert_null(in->partition.items[1].value);
    check_path(&in->columns[1], "b.c");
    assert_int_equal(in->conflict, SQL_CONFLICT_NOTHING);
    arena_fini(&f.arena);
    const struct sql_statement *s = parse(
        &f, "EXECUTE STATEMENT SET BEGIN INSERT INTO a VALUES (1); INSERT INTO b TABLE c; END;");
    assert_int_equal(s->n_statements, 2);
    check_query(s->statements[1]->insert->query, "(table c)");
    arena_fini(&f.arena);
}

static void test_set(void **state)
{
    static const struct {
        const char *text, *key, *value;
    } rows[] = {
        {"SET 'a.b' = 'c d'", "a.b", "c d"},
        {"SET parallelism.default = 4;", "parallelism.default", "4"},
        {"SET execution.checkpointing.interval=10 s", "execution.checkpointing.interval", "10 s"},
        {"SET table.local-time-zone = 'UTC'", "table.local-time-zone", "UTC"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct fixture f;
        parse(&f, rows[i].text);
        check_slice(f.s->text, rows[i].key);
        check_slice(f.s->value, rows[i].value);
        arena_fini(&f.arena);
    }
}

static void test_script(void **state)
{
    struct arena arena;
    struct error err = ERROR_INIT;
    struct sql_error_place place = {{0, 0}};
    CLEANUP(vec_fini) struct vec all = VEC_INIT(struct sql_statement *);
    arena_init(&arena, 0);
    const char *text = ";; SELECT ';' ; -- a ; b\nUSE c; /* ; */ SHOW TABLES";
    assert_int_equal(sql_parse_script(slice_cstr(text), &arena, &all, &place, &err), 0);
    assert_int_equal(all.len, 3);
    vec_clear(&all);
    text = "SELECT 1; SELEC 2; SELECT 3";
    assert_int_equal(sql_parse_script(slice_cstr(text), &arena, &all, &place, &err), ERR_PARSE);
    assert_int_equal(all.len, 1);
    assert_int_equal(place.span.start, 10);
    assert_int_equal(place.span.end, 15);
    arena_fini(&arena);
}

static void test_statement_end(void **state)
{
    static const struct {
        const char *text;
        uint32_t end;
        bool is_complete;
    } rows[] = {
        {"SELECT 1; SELECT 2;", 9, true},
        {"SELECT ';' -- ;\n;", 17, true},
        {"SELECT `;`, /* ; */ 1", 21, false},
        {"SELECT 'a;", 10, false},
        {"SELECT /* ;", 11, false},
        {"EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1; END; X", 56, true},
        {"EXECUTE STATEMENT SET BEGIN INSERT INTO a SELECT 1;", 51, false},
        {"SELECT \"x\" != 3; Y", 16, true},
        {"", 0, false},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        bool is_complete = false;
        uint32_t end = sql_statement_end(slice_cstr(rows[i].text), &is_complete);
        if (end != rows[i].end || is_complete != rows[i].is_complete) {
            fail_msg("%s: ends at %u, %scomplete", rows[i].text, end, is_complete ? "" : "not ");
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),
        cmocka_unit_test(test_create_table),
        cmocka_unit_test(test_create_table_by_others),
        cmocka_unit_test(test_alter_table),
        cmocka_unit_test(test_insert),
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_script),
        cmocka_unit_test(test_statement_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
