/* The print table: what is planned, and the lines that come of it. */
#include "tests/unit/engine_table/table_fixture.h"

#include "connectors/print/print.h"
#include "engine/operators/harness.h"
#include "proto/operators.pb-c.h"

#include <stdio.h>
#include <unistd.h>

/* What a subtask of the table's sink writes to the file descriptor. */
static void print_rows(const char *schema, const char *const *options, uint32_t subtask,
                       uint32_t parallelism, const char *rows, int fd, struct str *ret)
{
    struct error err = ERROR_INIT;
    struct table_fixture f;
    struct table_node node;
    struct arena arena;
    struct harness *h = NULL;
    char text[4096];
    FILE *file = tmpfile();

    assert_non_null(file);
    arena_init(&arena, 0);
    expect_ok(table_fixture_open(&f, schema, options, &err), &err);
    struct table_write write = {.kinds = TABLE_ALL_KINDS};
    expect_ok(table_plan_sink(&f.table, &write, &arena, &node, &err), &err);
    Flinc__PrintSinkConfig *c =
        flinc__print_sink_config__unpack(NULL, node.config_size, node.config);
    expect_ok(harness_new(&(struct harness_options){.kind = node.kind,
                                                    .config = &c->base,
                                                    .input_schemas = {schema},
                                                    .subtask = subtask,
                                                    .parallelism = parallelism},
                          &h, &err),
              &err);
    flinc__print_sink_config__free_unpacked(c, NULL);
    fflush(fd == STDOUT_FILENO ? stdout : stderr);
    int saved = dup(fd);
    assert_true(saved >= 0 && dup2(fileno(file), fd) >= 0);
    int rc = harness_open(h, &err);
    rc = rc < 0 ? rc : harness_push_rows(h, 0, rows, &err);
    assert_true(dup2(saved, fd) >= 0);
    close(saved);
    expect_ok(rc, &err);
    harness_free(h);
    rewind(file);
    str_append(ret, text, fread(text, 1, sizeof(text), file));
    fclose(file);
    table_fixture_fini(&f);
    arena_fini(&arena);
}

static void expect_printed(const char *schema, const char *const *options, uint32_t subtask,
                           uint32_t parallelism, const char *rows, const char *lines)
{
    STR_AUTO text = STR_INIT;
    print_rows(schema, options, subtask, parallelism, rows, STDOUT_FILENO, &text);
    assert_string_equal(str_cstr(&text), lines);
}

static void test_lines(void **state)
{
    static const char *const plain[] = {"connector", "print", NULL};
    expect_printed("ROW<a INT, b STRING, c BOOLEAN>", plain, 0, 1,
                   "1, x, true\n-U 1, x, true\n+U NULL, NULL, NULL\n-D 2, 'a, b', false",
                   "+I[1, x, true]\n-U[1, x, true]\n+U[null, null, null]\n-D[2, a, b, false]\n");
    expect_printed("ROW<a INT>", plain, 0, 1, "1", "+I[1]\n");
    expect_printed("ROW<d DATE, t TIME(0), s TIMESTAMP(3), z TIMESTAMP_LTZ(3)>", plain, 0, 1,
                   "19753, 36900000, 1706696130120, 1706696130000",
                   "+I[2024-01-31, 10:15, 2024-01-31T10:15:30.120, 2024-01-31T10:15:30Z]\n");
}

static void test_prefix(void **state)
{
    const char *const named[] = {"connector", "print", "print-identifier", "id", NULL};
    const char *const plain[] = {"connector", "print", NULL};
    expect_printed("ROW<a INT>", named, 2, 4, "1", "id:3> +I[1]\n");
    expect_printed("ROW<a INT>", named, 0, 1, "1", "id> +I[1]\n");
    expect_printed("ROW<a INT>", plain, 2, 4, "1", "3> +I[1]\n");
}

static void test_standard_error(void **state)
{
    STR_AUTO text = STR_INIT;
    print_rows("ROW<a INT>", PAIRS("connector", "print", "standard-error", "true"), 0, 1, "7",
               STDERR_FILENO, &text);
    assert_string_equal(str_cstr(&text), "+I[7]\n");
}

static void test_options(void **state)
{
    expect_bad_table("ROW<a INT>", PAIRS("connector", "print", "standard-error", "2"),
                     ERR_INVALID_CONFIG, "Invalid value for option 'standard-error'");
    expect_bad_table("ROW<a INT>", PAIRS("connector", "print", "print-identifer", "2"),
                     ERR_INVALID_CONFIG, "did you mean print-identifier?");
    expect_bad_table("ROW<a INT>", PAIRS("connector", "print", "sink.parallelism", "0"),
                     ERR_INVALID_CONFIG, "at least 1");
}

static int register_it(void **state)
{
    return table_connector_register(&connector_print, NULL);
}

static int forget_it(void **state)
{
    conf_schema_fini(connector_print.options);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lines),
        cmocka_unit_test(test_prefix),
        cmocka_unit_test(test_standard_error),
        cmocka_unit_test(test_options),
    };
    return cmocka_run_group_tests(tests, register_it, forget_it);
}
