/* The words behind `flink sql`. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "client/sqlclient/sqlclient.h"
#include <stdio.h>

enum { WORDS_MAX = 16 };

struct parsed {
    struct conf conf;
    struct sqlclient_options options;
    struct error err;
};

static int parse(struct parsed *p, const char *words)
{
    static char text[512];
    char *argv[WORDS_MAX];
    int argc = 0;
    (void)snprintf(text, sizeof(text), "%s", words);
    for (char *word = strtok(text, " "); word != NULL; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    p->err = (struct error)ERROR_INIT;
    conf_init(&p->conf, NULL);
    return sqlclient_parse(&p->conf, argc, argv, &p->options, &p->err);
}

static void done(struct parsed *p)
{
    sqlclient_options_fini(&p->options);
    conf_fini(&p->conf);
}

static void test_all(void **state)
{
    struct parsed p;
    (void)state;
    assert_int_equal(parse(&p, "embedded -i a.sql --init b.sql -f c.sql -j x.jar -hist h "
                               "-Dparallelism.default=3 -D pipeline.name=n --check"),
                     0);
    assert_int_equal(p.options.n_init, 2);
    assert_string_equal(p.options.init[1], "b.sql");
    assert_string_equal(p.options.file, "c.sql");
    assert_string_equal(p.options.history, "h");
    assert_string_equal(p.options.jars.items[0], "x.jar");
    assert_true(p.options.only_check);
    assert_int_equal(conf_int(&p.conf, "parallelism.default"), 3);
    assert_string_equal(conf_string(&p.conf, "pipeline.name"), "n");
    done(&p);
}

static void test_cluster(void **state)
{
    struct parsed p;
    (void)state;
    assert_int_equal(parse(&p, "-m example.org:8082"), 0);
    assert_string_equal(conf_string(&p.conf, "rest.address"), "example.org");
    assert_int_equal(conf_int(&p.conf, "rest.port"), 8082);
    assert_string_equal(conf_string(&p.conf, "execution.target"), "remote");
    done(&p);
}

static void test_refused(void **state)
{
    static const struct {
        const char *words, *message;
    } cases[] = {
        {"--fiel x", "Did you mean --file?"},
        {"-f", "Missing argument for option: -f <script>"},
        {"-f a -e b", "use one of them"},
        {"-m nowhere", "expected host:port"},
        {"-t yarn-session", "There is no execution target 'yarn-session'"},
        {"-Dparallelism.default=x", "parallelism.default"},
        {"gateway -e host:8083", "not supported yet: gateway mode"},
        {"-u SELECT", "give the statement with -e"},
        {"-l /there/is/no/such/folder", "/there/is/no/such/folder"},
    };
    (void)state;
    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct parsed p;
        assert_true(parse(&p, cases[i].words) < 0);
        if (strstr(p.err.message, cases[i].message) == NULL) {
            fail_msg("%s: %s", cases[i].words, p.err.message);
        }
        conf_fini(&p.conf);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all),
        cmocka_unit_test(test_cluster),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
