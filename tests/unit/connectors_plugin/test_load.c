/* Connectors from a folder: which are taken, and what is said of the others. */
#include "tests/unit/engine_table/table_fixture.h"

#include "common/base/log.h"
#include "connectors/plugin/plugin.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

static char world[64];
static struct str said; /* of the log */

static void note(void *arg, enum log_level level, const char *line)
{
    str_append_cstr(&said, line);
    str_append_char(&said, '\n');
}

/* <world>/<variety>/<variety>.so */
static void put_in(const char *variety)
{
    char exe[1024], from[2048], to[2048];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    (void)snprintf(from, sizeof(from), "%s/connectors_plugin/connector_%s.so", exe, variety);
    assert_int_equal(access(from, R_OK), 0);
    (void)snprintf(to, sizeof(to), "%s/%s", world, variety);
    assert_int_equal(mkdir(to, 0700), 0);
    (void)snprintf(to, sizeof(to), "%s/%s/%s.so", world, variety, variety);
    assert_int_equal(symlink(from, to), 0);
}

static void take_out(const char *variety)
{
    char path[2048];
    (void)snprintf(path, sizeof(path), "%s/%s/%s.so", world, variety, variety);
    assert_int_equal(unlink(path), 0);
    (void)snprintf(path, sizeof(path), "%s/%s", world, variety);
    assert_int_equal(rmdir(path), 0);
}

static void test_folder(void **state)
{
    static const char *const varieties[] = {"newer", "good", "no_write"};
    (void)snprintf(world, sizeof(world), "/tmp/connectors-XXXXXX");
    assert_non_null(mkdtemp(world));
    for (size_t i = 0; i < ARRAY_LEN(varieties); i++) {
        put_in(varieties[i]);
    }
    log_set_sink(note, NULL);
    connector_plugins_load(world);
    connector_plugins_load(world); /* once */
    log_set_sink(NULL, NULL);
    const struct table_connector *c = table_connector_find("counting");
    assert_non_null(c);
    assert_null(c->source);
    assert_string_equal(c->summary, "counts rows");
    assert_non_null(strstr(said.data, "newer.so was built for version 2"));
    assert_non_null(strstr(said.data, "no_write.so: a function that a sink must have is missing"));
    assert_non_null(strstr(said.data, "A connector is loaded from"));
    for (size_t i = 0; i < ARRAY_LEN(varieties); i++) {
        take_out(varieties[i]);
    }
    assert_int_equal(rmdir(world), 0);
    str_fini(&said);
    conf_schema_fini(c->options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_folder)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
