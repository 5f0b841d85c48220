/* Loading: config.yaml, flink-conf.yaml, folders, -D, and what people get wrong in them. */
#include "common/conf/conf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static int load_yaml(struct conf *conf, const char *text, struct error *err)
{
    return conf_load_yaml_text(conf, "config.yaml", slice_cstr(text), err);
}

static void expect_raw(const struct conf *conf, const char *key, const char *value)
{
    const char *got = conf_raw(conf, key);
    if (value == NULL) {
        assert_null(got);
    } else {
        assert_non_null(got);
        assert_string_equal(got, value);
    }
}

static void test_nested_and_flat(void **state)
{
    struct conf conf;
    conf_init(&conf, NULL);
    struct error err = ERROR_INIT;
    static const char text[] = "jobmanager:\n"
                               "  rpc:\n"
                               "    address: localhost   # comment\n"
                               "  memory.process.size: 1600m\n"
                               "parallelism.default: 3\n"
                               "restart-strategy:\n"
                               "  type: fixed-delay\n"
                               "  fixed-delay: {attempts: 5, delay: '2 s'}\n"
                               "io.tmp.dirs: [/a, /b]\n"
                               "pipeline:\n"
                               "  jars:\n"
                               "    - one.so\n"
                               "    - 'two;three.so'\n"
                               "  name: \"yes: # no comment\"\n"
                               "env.java.opts.all: null\n"
                               "kubernetes.taskmanager.tolerations: [{key: a, operator: Exists}]\n";
    assert_int_equal(load_yaml(&conf, text, &err), 0);
    expect_raw(&conf, "jobmanager.rpc.address", "localhost");
    assert_int_equal(conf_memory(&conf, "jobmanager.memory.process.size"), 1600 << 20);
    assert_int_equal(conf_int(&conf, "parallelism.default"), 3);
    assert_int_equal(conf_int(&conf, "restart-strategy.fixed-delay.attempts"), 5);
    assert_int_equal(conf_duration_ms(&conf, "restart-strategy.fixed-delay.delay"), 2000);
    expect_raw(&conf, "io.tmp.dirs", "/a,/b"); /* text that holds several values */
    expect_raw(&conf, "pipeline.jars", "one.so;'two;three.so'");
    expect_raw(&conf, "pipeline.name", "yes: # no comment");
    expect_raw(&conf, "env.java.opts.all", NULL);
    expect_raw(&conf, "kubernetes.taskmanager.tolerations",
               "'{\"key\":\"a\",\"operator\":\"Exists\"}'");
    const struct conf_entry *entry = map_find(&conf.entries, "pipeline.name");
    assert_int_equal(entry->place.line, 14);
    assert_string_equal(entry->place.file, "config.yaml");
    assert_int_equal(conf.warnings.n, 1);
    assert_string_equal(conf.warnings.items[0],
                        "config.yaml:15: env.java.opts.all has no value, ignoring it");
    conf_fini(&conf);
}

static void test_nothing_in_it(void **state)
{
    static const char *const texts[] = {"", "# comment\n", "---\n", "{}", "~"};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct conf conf;
        conf_init(&conf, NULL);
        struct error err = ERROR_INIT;
        assert_int_equal(load_yaml(&conf, texts[i], &err), 0);
        assert_int_equal(conf.entries.len, 0);
        conf_fini(&conf);
    }
}

static void test_mistakes_in_yaml(void **state)
{
    static const struct {
        const char *text, *message;
    } rows[] = {
        {"a: 1\nparallelism:\n  default: many\n",
         "config.yaml:3: parallelism.default cannot be \"many\": not a whole number"},
        {"execution.runtime-mode: FAST\n", "config.yaml:1: execution.runtime-mode cannot be "
                                           "\"FAST\": no such value; expected enum: one "
                                           "of STREAMING, BATCH, AUTOMATIC"},
        {"taskmanager.memory.network.min: 64 mbit\n",
         "config.yaml:1: taskmanager.memory.network.min cannot be \"64 mbit\": unknown unit"},
        {"parallelism.default: 1\nparallelism:\n  default: 2\n",
         "config.yaml:3: the key parallelism.default is there already, in line 1"},
        {"a:\n  b: [1\n", "config.yaml:"},
        {"- a\n- b\n", "config.yaml:1:1: expected keys and values (\"key: value\"), found a list"},
        {"just text", "found plain text"},
        {"parallelism.default : [1, 2]\n", "parallelism.default cannot be \"1;2\""},
        {"'': x\n", "an empty key"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct conf conf;
        conf_init(&conf, NULL);
        struct error err = ERROR_INIT;
        int rc = load_yaml(&conf, rows[i].text, &err);
        if (rc != ERR_INVALID_CONFIG || err.code != rc ||
            strstr(err.message, rows[i].message) == NULL) {
            fail_msg("%s: %d %s", rows[i].text, rc, err.message);
        }
        conf_fini(&conf);
    }
}

static void test_legacy(void **state)
{
    struct conf conf;
    conf_init(&conf, NULL);
    struct error err = ERROR_INIT;
    static const char text[] = "# comment: line\r\n"
                               "  parallelism.default: 3  # three\r\n"
                               "jobmanager.rpc.address: host: 1\n"
                               "pipeline.name: 'quotes stay'\n"
                               "taskmanager.numberOfTaskSlots:4\n"
                               "env.pid.dir: \n"
                               "\n"
                               "parallelism.default: 5\n"
                               "env.log.dir: /a#b";
    assert_int_equal(conf_load_legacy_text(&conf, "flink-conf.yaml", slice_cstr(text), &err), 0);
    assert_int_equal(conf_int(&conf, "parallelism.default"), 5); /* the last one wins */
    expect_raw(&conf, "jobmanager.rpc.address", "host: 1");
    expect_raw(&conf, "pipeline.name", "'quotes stay'");
    expect_raw(&conf, "env.log.dir", "/a");
    assert_int_equal(conf.entries.len, 4);
    assert_int_equal(conf.warnings.n, 2);
    assert_string_equal(conf.warnings.items[0],
                        "flink-conf.yaml:5: the line is no \"key: value\" (is the blank after ':' "
                        "missing?), ignoring it");
    assert_true(cstr_starts_with(conf.warnings.items[1], "flink-conf.yaml:6: "));
    assert_int_equal(conf_load_legacy_text(&conf, "flink-conf.yaml",
                                           SLICE_LIT("\nparallelism.default: x"), &err),
                     ERR_INVALID_CONFIG);
    assert_true(cstr_starts_with(err.message, "flink-conf.yaml:2: parallelism.default cannot be"));
    assert_int_equal(conf_load_legacy_text(&conf, "f", SLICE_LIT("a: b\0c"), &err), 0);
    expect_raw(&conf, "a", NULL);
    conf_fini(&conf);
}

static void test_dynamic(void **state)
{
    struct conf conf;
    conf_init(&conf, NULL);
    struct error err = ERROR_INIT;
    char name[] = "flink", first[] = "-Dparallelism.default=7", run[] = "run", d[] = "-D";
    char second[] = "pipeline.name=a=b", third[] = "-Dexecution.attached", job[] = "job.so";
    char *argv[] = {name, first, run, d, second, third, job, NULL};
    int argc = 7;
    assert_int_equal(conf_take_dynamic_args(&conf, &argc, argv, &err), 0);
    assert_int_equal(argc, 3);
    assert_string_equal(argv[1], "run");
    assert_string_equal(argv[2], "job.so");
    assert_null(argv[3]);
    assert_int_equal(conf_int(&conf, "parallelism.default"), 7);
    assert_string_equal(conf_string(&conf, "pipeline.name"), "a=b");
    assert_true(conf_bool(&conf, "execution.attached"));

    assert_int_equal(conf_set_dynamic(&conf, "parallelism.default=0", &err), ERR_INVALID_CONFIG);
    assert_true(cstr_starts_with(err.message, "-D: parallelism.default cannot be \"0\""));
    assert_int_equal(conf_set_dynamic(&conf, "=x", &err), ERR_INVALID_CONFIG);
    assert_int_equal(conf_set_dynamic(&conf, "", &err), ERR_INVALID_CONFIG);
    char *alone[] = {name, d, NULL};
    argc = 2;
    assert_int_equal(conf_take_dynamic_args(&conf, &argc, alone, &err), ERR_INVALID_CONFIG);
    conf_fini(&conf);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/%s", dir, name);
    FILE *f = fopen(str_cstr(&path), "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static void remove_file(const char *dir, const char *name)
{
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/%s", dir, name);
    assert_int_equal(remove(str_cstr(&path)), 0);
}

static int load_dir(const char *dir, int32_t *ret_parallelism, struct error *err)
{
    struct conf conf;
    conf_init(&conf, NULL);
    int rc = conf_load_dir(&conf, dir, err);
    *ret_parallelism = conf_int(&conf, "parallelism.default");
    conf_fini(&conf);
    return rc;
}

static void test_folders(void **state)
{
    char dir[] = "/tmp/flinc-conf-XXXXXX";
    assert_non_null(mkdtemp(dir));
    struct error err = ERROR_INIT;
    int32_t parallelism;
    assert_int_equal(load_dir(dir, &parallelism, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "neither config.yaml nor flink-conf.yaml"));
    assert_non_null(strstr(err.message, dir));
    assert_int_equal(load_dir("/nowhere/at/all", &parallelism, &err), ERR_NOT_FOUND);

    write_text(dir, "config.yaml", "parallelism.default: 2\n");
    assert_int_equal(load_dir(dir, &parallelism, &err), 0);
    assert_int_equal(parallelism, 2);
    assert_int_equal(setenv("FLINK_CONF_DIR", dir, 1), 0);
    assert_int_equal(load_dir(NULL, &parallelism, &err), 0);
    assert_int_equal(parallelism, 2);
    assert_int_equal(unsetenv("FLINK_CONF_DIR"), 0);

    write_text(dir, "flink-conf.yaml", "parallelism.default: 3\n"); /* wins when it is there */
    assert_int_equal(load_dir(dir, &parallelism, &err), 0);
    assert_int_equal(parallelism, 3);
    remove_file(dir, "flink-conf.yaml");

    STR_AUTO large = STR_INIT;
    for (int i = 0; i < CONF_FILE_MAX_BYTES / 16 + 2; i++) {
        str_append_cstr(&large, "# fifteen chars\n");
    }
    write_text(dir, "config.yaml", str_cstr(&large));
    assert_int_equal(load_dir(dir, &parallelism, &err), ERR_TOO_LARGE);
    remove_file(dir, "config.yaml");

    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/config.yaml", dir);
    assert_int_equal(mkdir(str_cstr(&path), 0700), 0);
    assert_int_equal(load_dir(dir, &parallelism, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "is a folder"));
    assert_int_equal(rmdir(str_cstr(&path)), 0);

    /* Root reads everything, so this says something for other users only. */
    write_text(dir, "config.yaml", "parallelism.default: 2\n");
    assert_int_equal(chmod(str_cstr(&path), 0), 0);
    if (geteuid() != 0) {
        assert_int_equal(load_dir(dir, &parallelism, &err), ERR_PERMISSION);
        assert_non_null(strstr(err.message, "config.yaml"));
    }
    remove_file(dir, "config.yaml");
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_nested_and_flat),  cmocka_unit_test(test_nothing_in_it),
        cmocka_unit_test(test_mistakes_in_yaml), cmocka_unit_test(test_legacy),
        cmocka_unit_test(test_dynamic),          cmocka_unit_test(test_folders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
