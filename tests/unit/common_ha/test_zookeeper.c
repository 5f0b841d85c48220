/* ZooKeeper: what Java reads, and the keys; with a server (FLINC_TEST_ZOOKEEPER=host:port; tests/system/test_ha_zookeeper.py starts
 * one) the store, the election, and writes by leaders of the past. */
#include "tests/unit/common_ha/ha_fixture.h"

#include "common/ha/java_value.h"
#include <errno.h>
#include <signal.h>
#include <sys/wait.h>

enum { TRIES = 40 };

static void test_java_value(void **state)
{
    static const uint8_t golden[] = {
        0xac, 0xed, 0,   5,   0x77, 12,   0,    10,   'h',  't',  't',  'p',  ':',  '/',
        '/',  'a',  ':', '1', 0x73, 0x72, 0,    14,   'j',  'a',  'v',  'a',  '.',  'u',
        't',  'i',  'l', '.', 'U',  'U',  'I',  'D',  0xbc, 0x99, 0x03, 0xf7, 0x98, 0x6d,
        0x85, 0x2f, 2,   0,   2,    'J',  0,    12,   'l',  'e',  'a',  's',  't',  'S',
        'i',  'g',  'B', 'i', 't',  's',  'J',  0,    11,   'm',  'o',  's',  't',  'S',
        'i',  'g',  'B', 'i', 't',  's',  0x78, 0x70, 9,    10,   11,   12,   13,   14,
        15,   16,   1,   2,   3,    4,    5,    6,    7,    8};
    struct flinc_id token, got;
    char address[32];
    STR_AUTO value = STR_INIT;
    for (int i = 0; i < 16; i++) {
        token.bytes[i] = (uint8_t)(i + 1);
    }
    java_value_write("http://a:1", &token, &value);
    assert_int_equal(value.len, sizeof(golden));
    assert_memory_equal(value.data, golden, sizeof(golden));
    assert_true(java_value_read(str_slice(&value), address, sizeof(address), &got));
    assert_string_equal(address, "http://a:1");
    assert_true(id_eq(&token, &got));
    assert_false(java_value_read(str_slice(&value), address, 10, &got));
    for (size_t i = 0; i < value.len; i++) {
        assert_false(java_value_read(slice_make(value.data, i), address, sizeof(address), &got));
    }
}

static void test_long_address(void **state)
{
    struct flinc_id token = {{1}}, got;
    char address[512], back[512];
    STR_AUTO value = STR_INIT;
    memset(address, 'x', sizeof(address));
    address[400] = '\0';
    java_value_write(address, &token, &value);
    assert_true(java_value_read(str_slice(&value), back, sizeof(back), &got));
    assert_string_equal(address, back);
}

static void check_refused(const char *key, const char *value, const char *word)
{
    struct ha_fixture f;
    struct ha *ha = NULL;
    struct error err = ERROR_INIT;
    fixture_init(&f, "zookeeper", "1 s");
    assert_int_equal(conf_set(&f.conf, "high-availability.zookeeper.quorum", "localhost:1", &err),
                     0);
    if (key != NULL) {
        assert_int_equal(conf_set(&f.conf, key, value, &err), 0);
    } else {
        conf_unset(&f.conf, "high-availability.zookeeper.quorum");
    }
    assert_true(ha_open(&f.conf, NULL, &ha, &err) < 0);
    if (strstr(err.message, word) == NULL) {
        fail_msg("%s", err.message);
    }
    fixture_fini(&f);
}

static void test_keys(void **state)
{
    check_refused(NULL, NULL, "high-availability.zookeeper.quorum");
    check_refused("high-availability.zookeeper.client.acl", "creator", "authorization");
    check_refused("high-availability.zookeeper.client.acl", "all", "client.acl");
    check_refused("high-availability.zookeeper.client.authorization", "ip:1", "digest");
    check_refused("env.java.opts.all", "-Dzookeeper.client.secure=true", "TLS");
    check_refused("security.kerberos.login.contexts", "Client", "SASL");
}

/* ---- with a server --------------------------------------------------------------------------------------- */

static void server_fixture(struct ha_fixture *f, const char *session)
{
    const char *quorum = getenv("FLINC_TEST_ZOOKEEPER");
    struct error err = ERROR_INIT;
    if (quorum == NULL) {
        skip();
    }
    fixture_init(f, "zookeeper", "1 s");
    assert_int_equal(conf_set(&f->conf, "high-availability.zookeeper.quorum", quorum, &err), 0);
    assert_int_equal(
        conf_set(&f->conf, "high-availability.zookeeper.client.session-timeout", session, &err), 0);
    assert_int_equal(conf_set(&f->conf, "high-availability.cluster-id", strrchr(f->dir, '/'), &err),
                     0);
}

static void test_store(void **state)
{
    struct ha_fixture f;
    struct contender c;
    struct error err = ERROR_INIT;
    struct vec names = VEC_INIT(char *);
    STR_AUTO got = STR_INIT;
    STR_AUTO large = STR_INIT;
    server_fixture(&f, "10 s");
    contender_open(&c, &f.conf, NULL);
    contender_lead(&c);
    const struct flinc_id *t = &c.token;
    assert_int_equal(ha_get(c.ha, t, "jobgraphs/a", &got, &err), ERR_NOT_FOUND);
    assert_int_equal(ha_replace(c.ha, t, "jobgraphs/a", SLICE_LIT("0"), &err), ERR_NOT_FOUND);
    assert_int_equal(ha_remove(c.ha, t, "jobgraphs/a", &err), ERR_NOT_FOUND);
    assert_int_equal(ha_create(c.ha, t, "jobgraphs/a", SLICE_LIT("1"), &err), 0);
    assert_int_equal(ha_create(c.ha, t, "jobgraphs/a", SLICE_LIT("2"), &err), ERR_ALREADY_EXISTS);
    assert_int_equal(ha_replace(c.ha, t, "jobgraphs/a", SLICE_LIT("3"), &err), 0);
    assert_int_equal(ha_get(c.ha, t, "jobgraphs/a", &got, &err), 0);
    assert_string_equal(str_cstr(&got), "3");
    while (large.len < 3000000) {
        str_append_cstr(&large, "0123456789");
    }
    assert_int_equal(ha_put(c.ha, t, "jobgraphs/b", str_slice(&large), &err), 0);
    assert_int_equal(ha_get(c.ha, t, "jobgraphs/b", &got, &err), 0);
    assert_true(slice_eq(str_slice(&got), str_slice(&large)));
    assert_int_equal(ha_list(c.ha, t, "jobgraphs", &names, &err), 0);
    assert_int_equal(names.len, 2);
    ha_names_fini(&names);
    assert_int_equal(ha_create(c.ha, t, "jobs/x/checkpoints/1", SLICE_LIT("a"), &err), 0);
    assert_int_equal(ha_create(c.ha, t, "jobs/x/checkpoints/2", SLICE_LIT("b"), &err), 0);
    assert_int_equal(ha_put(c.ha, t, "jobs/x/checkpoint_id_counter", SLICE_LIT("3"), &err), 0);
    assert_int_equal(ha_remove_all(c.ha, t, "jobs/x", &err), 0);
    vec_init(&names, sizeof(char *));
    assert_int_equal(ha_list(c.ha, t, "jobs", &names, &err), 0);
    assert_int_equal(names.len, 0);
    ha_names_fini(&names);
    contender_close(&c);
    fixture_fini(&f);
}

/* The answer to a write is lost: the driver finds out that it has happened, or repeats it. */
static void test_lost_answers(void **state)
{
    struct ha_fixture f;
    struct contender c;
    struct error err = ERROR_INIT;
    STR_AUTO got = STR_INIT;
    server_fixture(&f, "10 s");
    contender_open(&c, &f.conf, NULL);
    contender_lead(&c);
    const struct flinc_id *t = &c.token;
    assert_int_equal(failpoint_configure("ha.zookeeper.after_write=error,nth=1", &err), 0);
    assert_int_equal(ha_create(c.ha, t, "a", SLICE_LIT("1"), &err), 0);
    assert_int_equal(failpoint_configure("ha.zookeeper.after_write=error,nth=1", &err), 0);
    assert_int_equal(ha_replace(c.ha, t, "a", SLICE_LIT("2"), &err), 0);
    assert_int_equal(ha_get(c.ha, t, "a", &got, &err), 0);
    assert_string_equal(str_cstr(&got), "2");
    assert_int_equal(failpoint_configure("ha.zookeeper.after_write=error,nth=1", &err), 0);
    assert_int_equal(ha_remove(c.ha, t, "a", &err), 0);
    failpoint_clear_all();
    assert_int_equal(ha_get(c.ha, t, "a", &got, &err), ERR_NOT_FOUND);
    contender_close(&c);
    fixture_fini(&f);
}

static void test_election(void **state)
{
    struct ha_fixture f;
    struct contender a, b;
    struct ha_leader leader, got;
    struct error err = ERROR_INIT;
    server_fixture(&f, "10 s");
    contender_open(&a, &f.conf, NULL);
    contender_open(&b, &f.conf, NULL);
    contender_lead(&a);
    contender_campaign(&b);
    leader = (struct ha_leader){.token = a.token, .rpc_address = "a:1", .rest_url = "http://a:2"};
    assert_int_equal(ha_announce(a.ha, &leader, &err), 0);
    assert_int_equal(ha_announce(a.ha, &leader, &err), 0);
    assert_int_equal(ha_wait_leader(b.ha, PATIENCE_MS, &got, &err), 0);
    assert_string_equal(got.rest_url, "http://a:2");
    assert_string_equal(got.rpc_address, "a:1");
    assert_false(contender_wait(&b, 300));
    ha_resign(a.ha);
    assert_true(contender_wait(&b, PATIENCE_MS));
    assert_int_equal(b.n_granted, 1);
    assert_int_equal(ha_put(a.ha, &a.token, "x", SLICE_LIT("2"), &err), ERR_FENCED);
    contender_close(&a);
    contender_close(&b);
    fixture_fini(&f);
}

/* A deposed leader that was frozen before a write, and thawed after another one leads, writes nothing. */
static void test_frozen_writer(void **state)
{
    struct ha_fixture f;
    struct error err = ERROR_INIT;
    server_fixture(&f, "1 s");
    for (int i = 0; i < TRIES; i++) {
        struct contender next;
        struct vec names = VEC_INIT(char *);
        int status;
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct contender c;
            contender_open(&c, &f.conf, NULL);
            contender_lead(&c);
            if (failpoint_configure(i % 2 == 0 ? "ha.zookeeper.before_write=stop,nth=1"
                                               : "ha.value.after_write=stop,nth=1",
                                    &err) < 0) {
                _exit(1);
            }
            STR_AUTO large = STR_INIT;
            while (large.len <= HA_INLINE_MAX) {
                str_append_cstr(&large, "0123456789");
            }
            int rc = ha_create(c.ha, &c.token, "jobgraphs/late", str_slice(&large), &err);
            _exit(rc == ERR_FENCED || rc == ERR_TIMEOUT ? 10 : 11);
        }
        assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
        assert_true(WIFSTOPPED(status));
        contender_open(&next, &f.conf, NULL);
        contender_lead(&next);
        assert_int_equal(ha_put(next.ha, &next.token, "jobgraphs/mine", SLICE_LIT("1"), &err), 0);
        assert_int_equal(kill(pid, SIGCONT), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), 10);
        assert_int_equal(ha_list(next.ha, &next.token, "jobgraphs", &names, &err), 0);
        assert_int_equal(names.len, 1);
        ha_names_fini(&names);
        contender_close(&next);
    }
    fixture_fini(&f);
}

static void test_creator_only(void **state)
{
    struct ha_fixture f;
    struct contender a, b;
    struct error err = ERROR_INIT;
    server_fixture(&f, "4 s");
    assert_int_equal(conf_set(&f.conf, "high-availability.zookeeper.client.acl", "creator", &err),
                     0);
    assert_int_equal(conf_set(&f.conf, "high-availability.zookeeper.client.authorization",
                              "digest:'flinc:secret'", &err),
                     0);
    contender_open(&a, &f.conf, NULL);
    contender_lead(&a);
    assert_int_equal(ha_create(a.ha, &a.token, "a", SLICE_LIT("1"), &err), 0);
    assert_int_equal(conf_set(&f.conf, "high-availability.zookeeper.client.authorization",
                              "digest:'flinc:other'", &err),
                     0);
    contender_open(&b, &f.conf, NULL);
    contender_campaign(&b);
    assert_false(contender_wait(&b, 500));
    ha_resign(a.ha);
    assert_false(contender_wait(&b, 500));
    contender_close(&a);
    contender_close(&b);
    fixture_fini(&f);
}

int main(void)
{
    (void)signal(SIGPIPE, SIG_IGN); /* as all processes of ours do */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_java_value),    cmocka_unit_test(test_long_address),
        cmocka_unit_test(test_keys),          cmocka_unit_test(test_store),
        cmocka_unit_test(test_lost_answers),  cmocka_unit_test(test_election),
        cmocka_unit_test(test_frozen_writer), cmocka_unit_test(test_creator_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
