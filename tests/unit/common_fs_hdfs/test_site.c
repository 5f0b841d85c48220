/* Where name nodes are: what paths and Hadoop's configuration say. */
#include "common/fs/hdfs/site.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

static const char pair[] =
    "<configuration>"
    "<property><name>fs.defaultFS</name><value>hdfs://lake</value></property>"
    "<property><name>dfs.nameservices</name><value>lake, single,none</value></property>"
    "<property><name>dfs.ha.namenodes.lake</name><value>nn1, nn2</value></property>"
    "<property><name>dfs.namenode.http-address.lake.nn1</name><value>one:9870</value></property>"
    "<property><name>dfs.namenode.https-address.lake.nn1</name><value>one:9999</value></property>"
    "<property><name>dfs.namenode.rpc-address.lake.nn2</name><value>two:8020</value></property>"
    "<property><name>dfs.namenode.http-address.single</name><value>three:50070</value></property>"
    "</configuration>";
static const char plain[] =
    "<configuration>"
    "<property><name>fs.defaultFS</name><value>hdfs://nn.example:9000/</value></property>"
    "<property><name>dfs.namenode.http-address</name><value>0.0.0.0:50070</value></property>"
    "</configuration>";

static void expect(const char *text, const char *scheme, const char *authority, const char *nodes)
{
    struct hadoop_conf conf;
    struct error err = ERROR_INIT;
    struct hdfs_site *site = NULL;
    STR_AUTO found = STR_INIT;
    hadoop_conf_init(&conf);
    assert_int_equal(hadoop_conf_read(&conf, slice_cstr(text), "x.xml", &err), 0);
    if (hdfs_site_new(&conf, scheme, authority, &site, &err) < 0) {
        str_append_cstr(&found, err.message);
    }
    for (uint32_t i = 0; site != NULL && i < site->n_nodes; i++) {
        str_printf(&found, "%s%s", i > 0 ? " " : "", site->nodes[i]);
    }
    if (site != NULL ? strcmp(str_cstr(&found), nodes) != 0
                     : strstr(str_cstr(&found), nodes) == NULL) {
        fail_msg("%s://%s: %s, not %s", scheme, authority, str_cstr(&found), nodes);
    }
    hdfs_site_free(site);
    hadoop_conf_fini(&conf);
}

static const char none[] = "<configuration/>";

static void test_services(void **state)
{
    expect(pair, "hdfs", "lake", "http://one:9870 http://two:9870");
    expect(pair, "hdfs", "", "http://one:9870 http://two:9870");
    expect(pair, "webhdfs", "lake", "http://one:9870 http://two:9870");
    expect(pair, "swebhdfs", "lake", "https://one:9999 https://two:9871");
    expect(pair, "hdfs", "single", "http://three:50070");
    expect(pair, "hdfs", "none", "dfs.namenode.http-address.none");
}

static void test_addresses(void **state)
{
    expect(none, "webhdfs", "host:14000", "http://host:14000");
    expect(none, "webhdfs", "host", "http://host:9870");
    expect(none, "swebhdfs", "host", "https://host:9871");
    expect(none, "hdfs", "host:8020", "http://host:9870");
    expect(none, "hdfs", "[::1]:8020", "http://[::1]:9870");
    expect(plain, "hdfs", "nn.example:9000", "http://nn.example:50070");
    expect(plain, "hdfs", "", "http://nn.example:50070");
    expect(plain, "hdfs", "nn.example:8020", "http://nn.example:9870");
    expect(plain, "hdfs", "other:9000", "http://other:9870");
    expect(none, "hdfs", "", "fs.defaultFS");
    expect(none, "hdfs", "user@host", "no host");
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_services),
                                       cmocka_unit_test(test_addresses)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
