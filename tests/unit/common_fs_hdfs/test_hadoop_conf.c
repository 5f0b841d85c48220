/* Files of Hadoop's configuration: which are read, what stands above them, variables. */
#include "common/fs/hdfs/hadoop_conf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/fs/fs.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static void write_file(const char *folder, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static void expect(const struct hadoop_conf *h, const char *key, const char *value)
{
    STR_AUTO found = STR_INIT;
    assert_int_equal(hadoop_conf_get(h, key, &found), value[0] != '\0');
    assert_string_equal(str_cstr(&found), value);
}

static void test_files(void **state)
{
    char folder[] = "/tmp/flinc-hadoop-XXXXXX";
    struct conf conf;
    struct hadoop_conf h;
    struct error err = ERROR_INIT;
    assert_non_null(mkdtemp(folder));
    write_file(
        folder, "core-site.xml",
        "<?xml version='1.0'?><!-- c --><configuration><property><name> a </name><value>\n 1 "
        "</value><final>true</final></property><property><name>b</name><value>${a}-${c}-"
        "${env.FLINC_TEST_B}-${none}</value></property><property><name>loop</name><value>${loop}x"
        "</value></property></configuration>");
    write_file(folder, "hdfs-site.xml",
               "<configuration><property><name>c</name><value>3</value></property><property><name>"
               "empty</name></property></configuration>");
    conf_init(&conf, NULL);
    setenv("FLINC_TEST_B", "env", 1);
    setenv("HADOOP_CONF_DIR", folder, 1);
    assert_int_equal(conf_set(&conf, "flink.hadoop.c", "4", &err), 0);
    hadoop_conf_init(&h);
    assert_int_equal(hadoop_conf_load(&h, &conf, &err), 0);
    expect(&h, "a", "1");
    expect(&h, "b", "1-4-env-${none}");
    expect(&h, "c", "4");
    expect(&h, "empty", "");
    expect(&h, "none", "");
    STR_AUTO looped = STR_INIT;
    assert_true(hadoop_conf_get(&h, "loop", &looped));
    hadoop_conf_fini(&h);

    /* What the configuration names comes first, and must be there. */
    assert_int_equal(conf_set(&conf, "fs.hdfs.hadoopconf", "/no/such/folder", &err), 0);
    hadoop_conf_init(&h);
    assert_int_equal(hadoop_conf_load(&h, &conf, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "fs.hdfs.hadoopconf"));
    assert_non_null(strstr(err.message, "/no/such/folder"));
    hadoop_conf_fini(&h);
    conf_unset(&conf, "fs.hdfs.hadoopconf");

    write_file(folder, "hdfs-site.xml", "<configuration><property>");
    hadoop_conf_init(&h);
    assert_int_equal(hadoop_conf_load(&h, &conf, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "hdfs-site.xml"));
    hadoop_conf_fini(&h);
    conf_fini(&conf);
    unsetenv("HADOOP_CONF_DIR");
    assert_int_equal(fs_delete(folder, FS_DELETE_RECURSIVE, &err), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_files)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
