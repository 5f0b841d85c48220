/* Showing: what is masked, where, and the list for REST. */
#include "common/conf/conf.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/base/log.h"
#include "common/text/json_writer.h"
#include <string.h>

static void test_sensitive_keys(void **state)
{
    struct conf conf;
    conf_init(&conf, NULL);
    static const char *const secret[] = {
        "security.ssl.rest.key-password",
        "s3.secret-key",
        "s3.access-key",
        "my.Token",
        "x.APIKEY.y",
        "x.api-key",
        "a.auth-params",
        "a.service-key",
        "a.basic-auth.b",
        "properties.sasl.jaas.config",
        "user.artifacts.http-headers",
        "fs.azure.account.key.acct.dfs.core.windows.net",
        "fs.s3a.access.key",
        "x.accesskey",
    };
    for (size_t i = 0; i < ARRAY_LEN(secret); i++) {
        assert_true(conf_is_sensitive(&conf, secret[i]));
    }
    static const char *const open[] = {"parallelism.default", "io.tmp.dirs", "rest.address",
                                       "security.redaction.additional-keys"};
    for (size_t i = 0; i < ARRAY_LEN(open); i++) {
        assert_false(conf_is_sensitive(&conf, open[i]));
    }
    struct error err = ERROR_INIT;
    assert_false(conf_is_sensitive(&conf, "my.Passport.no"));
    assert_int_equal(conf_set(&conf, "security.redaction.additional-keys", "passport;ssn", &err),
                     0);
    assert_true(conf_is_sensitive(&conf, "my.Passport.no"));
    assert_true(conf_is_sensitive(&conf, "a.ssn"));
    assert_false(conf_is_sensitive(&conf, "parallelism.default"));
    conf_fini(&conf);
}

static char captured[8192];

static void capture(void *arg, enum log_level level, const char *line)
{
    strncat(captured, line, sizeof(captured) - strlen(captured) - 1);
}

/* A canary in every place where a secret may stand, and every way out. */
static void test_no_canary_gets_out(void **state)
{
    struct conf conf;
    conf_init(&conf, NULL);
    struct error err = ERROR_INIT;
    static const char text[] =
        "security.ssl.key-password: CANARY1\n"
        "unknown.secret.key: CANARY2\n"
        "pipeline.global-job-parameters: {db.password: CANARY3, open: x}\n"
        "high-availability.zookeeper.client.authorization: 'a:1,tokens:CANARY4'\n"
        "parallelism.default: 3\n";
    assert_int_equal(conf_load_yaml_text(&conf, "config.yaml", slice_cstr(text), &err), 0);
    assert_int_equal(conf_set_dynamic(&conf, "s3.secret-key=CANARY5", &err), 0);
    assert_string_equal(conf_string(&conf, "s3.secret-key"), "CANARY5"); /* still there to use */

    STR_AUTO out = STR_INIT;
    struct json_writer w;
    json_writer_init(&w, &out, JSON_STYLE_COMPACT);
    conf_write_json(&conf, &w);
    json_writer_finish(&w);
    assert_null(strstr(str_cstr(&out), "CANARY"));
    assert_string_equal(
        str_cstr(&out),
        "[{\"key\":\"high-availability.zookeeper.client.authorization\","
        "\"value\":\"a:1,tokens:******\"},"
        "{\"key\":\"parallelism.default\",\"value\":\"3\"},"
        "{\"key\":\"pipeline.global-job-parameters.db.password\",\"value\":\"******\"},"
        "{\"key\":\"pipeline.global-job-parameters.open\",\"value\":\"x\"},"
        "{\"key\":\"s3.secret-key\",\"value\":\"******\"},"
        "{\"key\":\"security.ssl.key-password\",\"value\":\"******\"},"
        "{\"key\":\"unknown.secret.key\",\"value\":\"******\"}]");

    log_set_sink(capture, NULL);
    conf_log_warnings(&conf);
    log_set_sink(NULL, NULL);
    assert_non_null(strstr(captured, "unknown.secret.key"));
    assert_null(strstr(captured, "CANARY"));
    assert_int_equal(conf.warnings.n, 0);

    static const char wrong[] = "security.kerberos.relogin.period.password: 1\n"
                                "kubernetes.secrets: CANARY6\n";
    assert_int_equal(conf_load_yaml_text(&conf, "config.yaml", slice_cstr(wrong), &err),
                     ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "config.yaml:2: kubernetes.secrets cannot be \"******\""));
    assert_null(strstr(err.message, "CANARY"));
    conf_fini(&conf);
}

static void test_places(void **state)
{
    STR_AUTO out = STR_INIT;
    conf_place_format(CONF_PLACE_PROGRAM, &out);
    str_append_char(&out, '|');
    conf_place_format((struct conf_place){CONF_ORIGIN_FILE, "a.yaml", 12}, &out);
    str_append_char(&out, '|');
    conf_place_format((struct conf_place){CONF_ORIGIN_COMMAND_LINE, NULL, 0}, &out);
    str_append_char(&out, '|');
    conf_place_format((struct conf_place){CONF_ORIGIN_ENVIRONMENT, NULL, 0}, &out);
    assert_string_equal(str_cstr(&out), "set by the program|a.yaml:12|-D|environment");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sensitive_keys),
        cmocka_unit_test(test_no_canary_gets_out),
        cmocka_unit_test(test_places),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
