/* The command line of the job manager. */
#include "jobmanager/process/args.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { ARGS_MAX = 32 };

/* Parses the words of a line. */
static int parse(const char *line, struct process_args *a, struct error *err)
{
    static char text[512];
    static char *argv[ARGS_MAX];
    int argc = 1;
    argv[0] = "flinc-jobmanager";
    (void)snprintf(text, sizeof(text), "%s", line);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    argv[argc] = NULL;
    return process_args_parse(a, argc, argv, err);
}

static void test_session(void **state)
{
    struct process_args a;
    struct error err = ERROR_INIT;
    assert_int_equal(parse("--configDir /conf -D a=b -Dc=d --executionMode cluster --host h "
                           "--webui-port 81",
                           &a, &err),
                     0);
    assert_string_equal(a.config_dir, "/conf");
    assert_false(a.application);
    static const char *const expected[] = {"a=b", "c=d", "jobmanager.rpc.address=h",
                                           "rest.port=81"};
    assert_int_equal(a.properties.len, ARRAY_LEN(expected));
    for (size_t i = 0; i < ARRAY_LEN(expected); i++) {
        assert_string_equal(vec_ptr(&a.properties, i), expected[i]);
    }
    process_args_fini(&a);
}

static void test_application(void **state)
{
    struct process_args a;
    struct error err = ERROR_INIT;
    assert_int_equal(parse("--configDir /conf --application -D a=b --job-classname=wordcount -jid "
                           "000102030405060708090a0b0c0d0e0f -s /sp -n --input /x -D not-ours=1",
                           &a, &err),
                     0);
    assert_true(a.application);
    assert_string_equal(a.job_classname, "wordcount");
    assert_string_equal(a.job_id, "000102030405060708090a0b0c0d0e0f");
    assert_int_equal(a.properties.len, 3);
    assert_string_equal(vec_ptr(&a.properties, 1), "execution.state-recovery.path=/sp");
    assert_string_equal(vec_ptr(&a.properties, 2),
                        "execution.state-recovery.ignore-unclaimed-state=true");
    assert_int_equal(a.n_job_args, 4); /* from the first word on that is not ours */
    assert_string_equal(a.job_args[0], "--input");
    assert_string_equal(a.job_args[3], "not-ours=1");
    process_args_fini(&a);
    assert_int_equal(parse("--application -j x --jars /y.so", &a, &err), 0);
    assert_string_equal(a.jars, "/y.so");
    assert_int_equal(a.n_job_args, 0);
    process_args_fini(&a);
    assert_int_equal(parse("--help", &a, &err), 0);
    assert_true(a.help);
    process_args_fini(&a);
    assert_int_equal(parse("--list-failpoints", &a, &err), 0);
    assert_true(a.lists_failpoints && !a.help);
    process_args_fini(&a);
}

static void expect_error(const char *line, const char *text)
{
    struct process_args a;
    struct error err = ERROR_INIT;
    assert_true(parse(line, &a, &err) < 0);
    if (strstr(err.message, text) == NULL) {
        fail_msg("'%s' is not in: %s", text, err.message);
    }
    process_args_fini(&a);
}

static void test_errors(void **state)
{
    expect_error("--configDir", "Missing argument for option: --configDir");
    expect_error("what", "Unrecognized argument 'what'");
    expect_error("--job-classname x", "Unrecognized argument '--job-classname'");
    expect_error("--application --job-id xyz", "32 hexadecimal digits");
    expect_error("--application --fromSavepoint", "Missing argument");
}

static void test_conf(void **state)
{
    char dir[] = "/tmp/process-args-XXXXXX";
    char path[64];
    struct process_args a;
    struct error err = ERROR_INIT;
    struct conf conf;
    STR_AUTO line = STR_INIT;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof(path), "%s/config.yaml", dir);
    FILE *f = fopen(path, "w");
    fputs("rest.port: 1\nrest:\n  address: there\n", f);
    fclose(f);
    str_printf(&line, "--configDir %s -D rest.port=2", dir);
    assert_int_equal(parse(str_cstr(&line), &a, &err), 0);
    conf_init(&conf, NULL);
    assert_int_equal(process_args_load_conf(&a, &conf, &err), 0);
    assert_int_equal(conf_int(&conf, "rest.port"), 2);
    assert_string_equal(conf_string(&conf, "rest.address"), "there");
    conf_fini(&conf);
    process_args_fini(&a);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(parse(str_cstr(&line), &a, &err), 0);
    conf_init(&conf, NULL);
    assert_int_equal(process_args_load_conf(&a, &conf, &err), ERR_NOT_FOUND);
    conf_fini(&conf);
    process_args_fini(&a);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session),
        cmocka_unit_test(test_application),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_conf),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
