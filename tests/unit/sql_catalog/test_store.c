/* Catalogs that outlive their session: the store of files, what is in them, what is wrong with them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/base/failpoint.h"
#include "common/fs/fs.h"
#include "tests/unit/sql_catalog/session.h"
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static char folder[] = "/tmp/flinc_catalog_store_XXXXXX";

static int make_folder(void **state)
{
    strcpy(folder + strlen(folder) - 6, "XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int remove_folder(void **state)
{
    return fs_delete(folder, FS_DELETE_RECURSIVE, NULL);
}

static void put_file(const char *name, const char *text)
{
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/%s", folder, name);
    FILE *f = fopen(str_cstr(&path), "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, strlen(text), f), strlen(text));
    fclose(f);
}

static void read_file(const char *name, struct str *out)
{
    char buf[4096];
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/%s", folder, name);
    FILE *f = fopen(str_cstr(&path), "rb");
    assert_non_null(f);
    str_append(out, buf, fread(buf, 1, sizeof(buf), f));
    fclose(f);
}

static struct sql_catalog_store *open_store(void)
{
    struct sql_catalog_store *store = NULL;
    assert_int_equal(sql_catalog_store_open("file", folder, &store, NULL), 0);
    return store;
}

static void test_survives(void **state)
{
    struct session s;
    STR_AUTO text = STR_INIT;
    session_open(&s, open_store());
    session_do(&s, "CREATE CATALOG c1 COMMENT 'it''s \"mine\"\n: #' "
                   "WITH ('type' = 'generic_in_memory', 'default-database' = 'a \\ \"b\" ü')");
    session_do(&s, "CREATE CATALOG gone WITH ('type' = 'generic_in_memory')");
    session_do(&s, "CREATE TABLE c1.`a \\ \"b\" ü`.t (a INT)");
    session_do(&s, "DROP CATALOG gone");
    char *before = session_cell(&s, "SHOW CREATE CATALOG c1");
    session_close(&s);
    read_file("c1.yaml", &text);
    assert_string_equal(str_cstr(&text), "# comment: \"it's \\\"mine\\\"\\x0a: #\"\n"
                                         "\"default-database\": \"a \\\\ \\\"b\\\" ü\"\n"
                                         "\"type\": \"generic_in_memory\"\n");

    session_open(&s, open_store());
    char *names = session_cell(&s, "SHOW CATALOGS");
    assert_string_equal(names, "c1");
    char *after = session_cell(&s, "SHOW CREATE CATALOG c1");
    assert_string_equal(before, after);
    session_do(&s, "USE CATALOG c1");
    char *database = session_cell(&s, "SHOW CURRENT DATABASE");
    assert_string_equal(database, "a \\ \"b\" ü");
    /* Tables of a catalog in memory go with its session. */
    assert_int_equal(session_run(&s, "DESCRIBE t", NULL), ERR_NOT_FOUND);
    mem_free(names);
    mem_free(before);
    mem_free(after);
    mem_free(database);
    session_close(&s);
}

/* A file as Flink writes it, and one that was made while the session was there. */
static void test_files_of_others(void **state)
{
    struct session s;
    session_open(&s, open_store());
    put_file("flink.yaml", "type: \"generic_in_memory\"\ndefault-database: main\n");
    put_file("nothing.yaml", "");
    put_file("list.yaml", "- a\n- b\n");
    put_file("nested.yaml", "type:\n  a: b\n");
    put_file("torn.yaml", "type: \"gene");
    put_file("hives.yaml", "type: hive\n");
    put_file("readme.txt", "not a catalog");
    put_file(".hidden.yaml", "type: generic_in_memory\n");
    session_do(&s, "USE CATALOG flink");
    char *database = session_cell(&s, "SHOW CURRENT DATABASE");
    assert_string_equal(database, "main");
    mem_free(database);
    struct sql_result *r = NULL;
    assert_int_equal(session_run(&s, "SHOW CATALOGS", &r), 0);
    assert_int_equal(sql_result_rows(r), 7);
    sql_result_free(r);
    static const struct {
        const char *name;
        int rc;
        const char *message;
    } rows[] = {
        {"nothing", ERR_INVALID_ARGUMENT, "do not contain an option key 'type'"},
        {"list", ERR_CORRUPT, "list.yaml:1: this is no map"},
        {"nested", ERR_CORRUPT, "nested.yaml:2: a value is no text"},
        {"torn", ERR_CORRUPT, "torn.yaml"},
        {"hives", ERR_INVALID_ARGUMENT, "'hive'"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        STR_AUTO text = STR_INIT;
        str_printf(&text, "USE CATALOG %s", rows[i].name);
        int rc = session_run(&s, str_cstr(&text), NULL);
        if (rc != rows[i].rc || strstr(s.err.message, rows[i].message) == NULL) {
            fail_msg("%s is %d: %s", rows[i].name, rc, s.err.message);
        }
        /* What cannot be opened can be dropped. */
        str_clear(&text);
        str_printf(&text, "DROP CATALOG %s", rows[i].name);
        session_do(&s, str_cstr(&text));
    }
    session_close(&s);
}

static void test_refused(void **state)
{
    struct session s;
    session_open(&s, open_store());
    static const char *const names[] = {"a/b", "../x", ".hidden", ".."};
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        STR_AUTO text = STR_INIT;
        str_printf(&text, "CREATE CATALOG `%s` WITH ('type' = 'generic_in_memory')", names[i]);
        assert_int_equal(session_run(&s, str_cstr(&text), NULL), ERR_INVALID_ARGUMENT);
        assert_non_null(strstr(s.err.message, "table.catalog-store.kind: file"));
        str_clear(&text);
        str_printf(&text, "USE CATALOG `%s`", names[i]);
        assert_int_equal(session_run(&s, str_cstr(&text), NULL), ERR_NOT_FOUND);
    }
    session_close(&s);
}

static void test_configuration(void **state)
{
    static const struct {
        const char *kind, *path, *message;
    } rows[] = {
        {"files", "/tmp", "Did you mean 'file'?"},
        {"jdbc", NULL, "table.catalog-store.kind is 'jdbc'"},
        {"file", NULL, "needs table.catalog-store.file.path"},
        {"file", "", "needs table.catalog-store.file.path"},
        {"file", "/tmp/flinc_no_such_folder", "does not exist: make it"},
        {"file", "/dev/null", "is not a directory"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct sql_catalog_store *store = NULL;
        struct error err = ERROR_INIT;
        int rc = sql_catalog_store_open(rows[i].kind, rows[i].path, &store, &err);
        if (rc != ERR_INVALID_CONFIG || strstr(err.message, rows[i].message) == NULL) {
            fail_msg("%s %s is %d: %s", rows[i].kind, rows[i].path, rc, err.message);
        }
        assert_null(store);
    }
}

/* A write that fails leaves no catalog and no file. */
static void test_failed_writes(void **state)
{
    static const char *const points[] = {"catalog_store.write=error",
                                         "catalog_store.before_rename=error"};
    for (size_t i = 0; i < ARRAY_LEN(points); i++) {
        struct session s;
        struct fs_list files = FS_LIST_INIT;
        session_open(&s, open_store());
        assert_int_equal(failpoint_configure(points[i], NULL), 0);
        assert_true(session_run(&s, "CREATE CATALOG c WITH ('type' = 'generic_in_memory')", NULL) <
                    0);
        failpoint_clear_all();
        assert_int_equal(session_run(&s, "USE CATALOG c", NULL), ERR_NOT_FOUND);
        assert_int_equal(fs_list_dir(folder, &files, NULL), 0);
        assert_int_equal(files.n, 0);
        fs_list_fini(&files);
        session_do(&s, "CREATE CATALOG c WITH ('type' = 'generic_in_memory')");
        /* A change that cannot be written changes nothing. */
        assert_int_equal(failpoint_configure(points[i], NULL), 0);
        assert_true(session_run(&s, "ALTER CATALOG c COMMENT 'x'", NULL) < 0);
        failpoint_clear_all();
        char *text = session_cell(&s, "SHOW CREATE CATALOG c");
        assert_null(strstr(text, "COMMENT"));
        mem_free(text);
        session_do(&s, "DROP CATALOG c");
        session_close(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_survives, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_files_of_others, make_folder, remove_folder),
        cmocka_unit_test_setup_teardown(test_refused, make_folder, remove_folder),
        cmocka_unit_test(test_configuration),
        cmocka_unit_test_setup_teardown(test_failed_writes, make_folder, remove_folder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
