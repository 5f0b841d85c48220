/* Keys of services, against servers on real sockets: what is asked, what is taken, and what is said when they refuse,
 * are slow, or answer something else. */
#include "common/fs/s3/credentials.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
/* cmocka wants these four first. */
#include <cmocka.h>

#include "common/fs/s3/inside.h"
#include "fake_http.h"
#include "fake_s3.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define IMDS "/latest/meta-data/iam/security-credentials/"
#define TOKEN "/latest/api/token"
#define JSON_KEYS(key, expires)                                         \
    "{\"AccessKeyId\":\"" key "\",\"SecretAccessKey\":\"secret of " key \
    "\",\"Token\":\"token of " key "\",\"Expiration\":\"" expires "\"}"
#define LATER "2199-01-01T00:00:00Z"

static struct fake_http server;
static struct clock_manual now;
static char token_file[] = "/tmp/flinc-test-token-XXXXXX";

static const char *const variables[] = {
    "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
    "AWS_WEB_IDENTITY_TOKEN_FILE",
    "AWS_ROLE_ARN",
    "AWS_ROLE_SESSION_NAME",
    "AWS_ENDPOINT_URL_STS",
    "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI",
    "AWS_CONTAINER_CREDENTIALS_FULL_URI",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE",
    "AWS_EC2_METADATA_DISABLED",
    "AWS_EC2_METADATA_SERVICE_ENDPOINT",
};

static int each_start(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(variables); i++) {
        unsetenv(variables[i]);
    }
    setenv("AWS_SHARED_CREDENTIALS_FILE", "/nowhere", 1);
    setenv("AWS_EC2_METADATA_DISABLED", "true", 1);
    clock_manual_init(&now);
    fake_http_start(&server);
    return 0;
}

static int each_stop(void **state)
{
    fake_http_stop(&server);
    return 0;
}

static struct s3_credentials *make(void)
{
    return s3_credentials_new(&(struct s3_credentials_options){
        .region = "us-east-1", .clock = &now.base, .metadata_timeout_ms = 100});
}

/* The keys that are found; NULL: none, with the message. */
static struct s3_keys *find(struct error *err)
{
    struct s3_credentials *c = make();
    struct s3_keys *keys = NULL;
    if (s3_credentials_get(c, &keys, err) < 0) {
        keys = NULL;
    }
    s3_credentials_free(c);
    return keys;
}

static void expect_keys(const char *access_key, const char *secret_key, const char *token)
{
    struct error err = ERROR_INIT;
    struct s3_keys *keys = find(&err);
    if (keys == NULL) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(keys->access_key, access_key);
    assert_string_equal(keys->secret_key, secret_key);
    assert_string_equal(keys->session_token, token);
    s3_keys_unref(keys);
}

/* No keys, and words that say where and why. */
static void expect_failure(enum error_code code, const char *first, const char *second)
{
    struct error err = ERROR_INIT;
    assert_null(find(&err));
    if (strstr(err.message, first) == NULL || strstr(err.message, second) == NULL) {
        fail_msg("'%s' or '%s' is not in: %s", first, second, err.message);
    }
    assert_int_equal(err.code, code);
}

#define ANSWER(...)                                           \
    do {                                                      \
        const struct fake_route routes[] = {__VA_ARGS__};     \
        fake_http_answer(&server, routes, ARRAY_LEN(routes)); \
    } while (0)

/* ---- an instance ------------------------------------------------------------------------------------------- */

static void is_instance(void)
{
    unsetenv("AWS_EC2_METADATA_DISABLED");
    setenv("AWS_EC2_METADATA_SERVICE_ENDPOINT", server.address, 1);
}

static void test_instance(void **state)
{
    is_instance();
    ANSWER({"PUT", TOKEN, 200, "the-token"}, {"GET", IMDS "a-role", 200, JSON_KEYS("K", LATER)},
           {"GET", IMDS, 200, "a-role\n"});
    expect_keys("K", "secret of K", "token of K");
    assert_true(fake_http_was_asked(&server, "X-aws-ec2-metadata-token-ttl-seconds: 21600"));
    assert_true(fake_http_was_asked(&server, "X-aws-ec2-metadata-token: the-token"));
    /* Of version 1: it has no tokens. */
    ANSWER({"PUT", TOKEN, 405, ""}, {"GET", IMDS "a-role", 200, JSON_KEYS("K1", LATER)},
           {"GET", IMDS, 200, "a-role"});
    expect_keys("K1", "secret of K1", "token of K1");
    assert_false(fake_http_was_asked(&server, "X-aws-ec2-metadata-token:"));
    /* It has no role, and so there are no keys. */
    ANSWER({"PUT", TOKEN, 200, "the-token"}, {"GET", IMDS, 404, ""});
    expect_failure(ERR_PERMISSION, "there are no keys for S3", "s3.access-key");
}

static void test_instance_fails(void **state)
{
    is_instance();
    ANSWER({"PUT", TOKEN, 401, ""});
    expect_failure(ERR_PERMISSION, server.address, "answered 401");
    ANSWER({"PUT", TOKEN, 200, "the-token"}, {"GET", IMDS, 401, ""});
    expect_failure(ERR_PERMISSION, server.address, "answered 401");
    ANSWER({"PUT", TOKEN, 200, "t"}, {"GET", IMDS "r", 200, "<html>"}, {"GET", IMDS, 200, "r"});
    expect_failure(ERR_CORRUPT, server.address, "has no keys");
    ANSWER({"PUT", TOKEN, 200, "t"}, {"GET", IMDS "r", 200, "{\"Code\":\"Success\"}"},
           {"GET", IMDS, 200, "r"});
    expect_failure(ERR_CORRUPT, "has no keys", "AccessKeyId");
    ANSWER({"PUT", TOKEN, FAKE_HTTP_SILENT, ""});
    expect_failure(ERR_TIMEOUT, server.address, "not answered");
    assert_int_equal(server.n_requests, 3); /* tries */
    ANSWER({"PUT", TOKEN, FAKE_HTTP_CUT, ""});
    expect_failure(ERR_UNAVAILABLE, server.address, "broke");
    /* It answers at the third try. */
    ANSWER({"PUT", TOKEN, 503, "", 2}, {"PUT", TOKEN, 200, "t"},
           {"GET", IMDS "r", 200, JSON_KEYS("K", LATER)}, {"GET", IMDS, 200, "r"});
    expect_keys("K", "secret of K", "token of K");
}

/* Keys that expire are fetched again before, once in a while, and are good to their end when they cannot be. */
static void test_renewal(void **state)
{
    enum { SECOND_MS = 1000 };
    struct s3_keys *keys = NULL;
    is_instance();
    /* The manual clock begins at 2001-09-09T01:46:40Z. */
    ANSWER({"PUT", TOKEN, 200, "t"},
           {"GET", IMDS "r", 200, JSON_KEYS("first", "2001-09-09T02:46:40Z")},
           {"GET", IMDS, 200, "r"});
    struct s3_credentials *c = make();
    assert_int_equal(s3_credentials_get(c, &keys, NULL), 0);
    keys = s3_keys_unref(keys);
    assert_int_equal(s3_credentials_get(c, &keys, NULL), 0);
    keys = s3_keys_unref(keys);
    assert_int_equal(server.n_requests, 3); /* once */
    clock_manual_advance_ms(&now, 3600 * SECOND_MS - S3_KEYS_EARLY_MS + 1);
    ANSWER({"PUT", TOKEN, 403, ""});
    for (int i = 0; i < 3; i++) {
        assert_int_equal(s3_credentials_get(c, &keys, NULL), 0);
        assert_string_equal(keys->access_key, "first");
        keys = s3_keys_unref(keys);
    }
    assert_int_equal(server.n_requests, 1);
    clock_manual_advance_ms(&now, S3_KEYS_PAUSE_MS);
    ANSWER({"PUT", TOKEN, 200, "t"}, {"GET", IMDS "r", 200, JSON_KEYS("second", LATER)},
           {"GET", IMDS, 200, "r"});
    assert_int_equal(s3_credentials_get(c, &keys, NULL), 0);
    assert_string_equal(keys->access_key, "second");
    keys = s3_keys_unref(keys);
    s3_credentials_free(c);
}

static void test_expired(void **state)
{
    struct s3_keys *keys = NULL;
    struct error err = ERROR_INIT;
    is_instance();
    ANSWER({"PUT", TOKEN, 200, "t"},
           {"GET", IMDS "r", 200, JSON_KEYS("first", "2001-09-09T02:46:40Z")},
           {"GET", IMDS, 200, "r"});
    struct s3_credentials *c = make();
    assert_int_equal(s3_credentials_get(c, &keys, NULL), 0);
    keys = s3_keys_unref(keys);
    clock_manual_advance_ms(&now, 2 * 3600 * 1000);
    ANSWER({"PUT", TOKEN, 403, ""});
    assert_int_equal(s3_credentials_get(c, &keys, &err), ERR_PERMISSION);
    assert_non_null(strstr(err.message, "answered 403"));
    s3_credentials_free(c);
}

/* ---- a container -------------------------------------------------------------------------------------------- */

static void test_container(void **state)
{
    STR_AUTO url = STR_INIT;
    str_printf(&url, "%s/v2/keys", server.address);
    setenv("AWS_CONTAINER_CREDENTIALS_FULL_URI", str_cstr(&url), 1);
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN", "Basic abc", 1);
    ANSWER({"GET", "/v2/keys", 200, JSON_KEYS("C", LATER)});
    expect_keys("C", "secret of C", "token of C");
    assert_true(fake_http_was_asked(&server, "Authorization: Basic abc\r\n"));
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", token_file, 1);
    expect_keys("C", "secret of C", "token of C");
    assert_true(fake_http_was_asked(&server, "Authorization: the.web.token\r\n"));
    ANSWER({"GET", "/v2/keys", 401, ""});
    expect_failure(ERR_PERMISSION, str_cstr(&url), "answered 401");
    ANSWER({"GET", "/v2/keys", 404, ""});
    expect_failure(ERR_NOT_FOUND, "AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "answered 404");
    ANSWER({"GET", "/v2/keys", 200, "[1, 2"});
    expect_failure(ERR_CORRUPT, str_cstr(&url), "has no keys");
    setenv("AWS_CONTAINER_AUTHORIZATION_TOKEN_FILE", "/nowhere/token", 1);
    expect_failure(ERR_NOT_FOUND, "the container's service", "/nowhere/token");
}

/* ---- a web identity ------------------------------------------------------------------------------------------ */

#define STS_KEYS                                                                              \
    "<AssumeRoleWithWebIdentityResponse xmlns=\"x\"><AssumeRoleWithWebIdentityResult>"        \
    "<Credentials><AccessKeyId>W</AccessKeyId><SecretAccessKey>secret of W</SecretAccessKey>" \
    "<SessionToken>token of W</SessionToken><Expiration>" LATER "</Expiration></Credentials>" \
    "</AssumeRoleWithWebIdentityResult></AssumeRoleWithWebIdentityResponse>"

static void has_web_identity(void)
{
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token_file, 1);
    setenv("AWS_ROLE_ARN", "arn:aws:iam::1:role/jobs", 1);
    setenv("AWS_ENDPOINT_URL_STS", server.address, 1);
}

static void test_web_identity(void **state)
{
    has_web_identity();
    ANSWER({"POST", "/", 200, STS_KEYS});
    expect_keys("W", "secret of W", "token of W");
    assert_true(fake_http_was_asked(&server, "Content-Type: application/x-www-form-urlencoded"));
    assert_true(fake_http_was_asked(&server, "\r\n\r\nAction=AssumeRoleWithWebIdentity"
                                             "&RoleArn=arn%3Aaws%3Aiam%3A%3A1%3Arole%2Fjobs"
                                             "&RoleSessionName=flinc&Version=2011-06-15"
                                             "&WebIdentityToken=the.web.token"));
}

static void test_web_identity_fails(void **state)
{
    struct error err = ERROR_INIT;
    has_web_identity();
    ANSWER({"POST", "/", 403,
            "<ErrorResponse><Error><Type>Sender</Type><Code>AccessDenied</Code>"
            "<Message>Not authorized to assume it</Message></Error></ErrorResponse>"});
    expect_failure(ERR_PERMISSION, server.address,
                   "answered 403 AccessDenied: Not authorized to assume it");
    assert_null(find(&err)); /* whose tokens are nobody's else */
    assert_null(strstr(err.message, "the.web.token"));
    ANSWER({"POST", "/", 404, "what?"});
    expect_failure(ERR_NOT_FOUND, "AWS_ROLE_ARN", "answered 404");
    ANSWER({"POST", "/", 200, "what?"});
    expect_failure(ERR_CORRUPT, server.address, "arn:aws:iam::1:role/jobs");
    ANSWER({"POST", "/", FAKE_HTTP_SILENT, ""});
    expect_failure(ERR_TIMEOUT, server.address, "not answered");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token", 1);
    expect_failure(ERR_NOT_FOUND, "AWS_WEB_IDENTITY_TOKEN_FILE", "/nowhere/token");
    setenv("AWS_WEB_IDENTITY_TOKEN_FILE", token_file, 1);
    setenv("AWS_ENDPOINT_URL_STS", "http://sts.nowhere.invalid", 1);
    expect_failure(ERR_UNAVAILABLE, "sts.nowhere.invalid", "esolve");
}

/* ---- what becomes of a token ---------------------------------------------------------------------------------- */

/* It is sent with each request, and signed. */
static void test_session_token(void **state)
{
    struct fake_s3 s3;
    struct error err = ERROR_INIT;
    fake_s3_start(&s3);
    fake_s3_configure(&s3, "fs.s3a.session.token", "a/token+of=mine");
    assert_int_equal(fs_exists("s3://b/x", &err), 0);
    pthread_mutex_lock(&s3.lock);
    assert_string_equal(s3.last_token, "a/token+of=mine");
    assert_non_null(strstr(s3.last_authorization, ";x-amz-security-token,"));
    pthread_mutex_unlock(&s3.lock);
    s3_shut_down();
    fake_s3_stop(&s3);
}

int main(void)
{
#define EACH(test) cmocka_unit_test_setup_teardown(test, each_start, each_stop)
    const struct CMUnitTest tests[] = {
        EACH(test_instance),
        EACH(test_instance_fails),
        EACH(test_renewal),
        EACH(test_expired),
        EACH(test_container),
        EACH(test_web_identity),
        EACH(test_web_identity_fails),
        EACH(test_session_token),
    };
    int fd = mkstemp(token_file);
    ASSERT(fd >= 0 && write(fd, "the.web.token\n", 14) == 14 && close(fd) == 0);
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    unlink(token_file);
    return failed;
}
