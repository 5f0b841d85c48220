/* Who leads, and where: the file kind with several candidates in one process; and the keys. */
#include "tests/unit/common_ha/ha_fixture.h"

static void test_one_leads(void **state)
{
    struct ha_fixture f;
    struct contender a, b;
    struct error err = ERROR_INIT;
    STR_AUTO got = STR_INIT;
    fixture_init(&f, "file", "10 s");
    contender_open(&a, &f.conf, NULL);
    contender_open(&b, &f.conf, NULL);
    contender_lead(&a);
    assert_true(ha_leads(a.ha, &a.token));
    assert_int_equal(ha_create(a.ha, &a.token, "x", SLICE_LIT("1"), &err), 0);
    contender_campaign(&b);
    assert_false(contender_wait(&b, 300));
    /* Who resigns is followed at once, however long the time-out is. */
    ha_resign(a.ha);
    assert_true(contender_wait(&b, PATIENCE_MS));
    assert_int_equal(b.n_granted, 1);
    assert_false(id_eq(&a.token, &b.token));
    assert_int_equal(ha_get(b.ha, &b.token, "x", &got, &err), 0);
    assert_string_equal(str_cstr(&got), "1");
    assert_int_equal(ha_put(a.ha, &a.token, "x", SLICE_LIT("2"), &err), ERR_FENCED);
    contender_close(&a);
    contender_close(&b);
    fixture_fini(&f);
}

/* Its process ends without a word: as far as the folder can tell, closing without resigning is the same.  Here: the beat stands
 * still because beats fail. */
static void test_silent_leader_is_replaced(void **state)
{
    struct ha_fixture f;
    struct contender a, b;
    struct error err = ERROR_INIT;
    fixture_init(&f, "file", "300 ms");
    contender_open(&a, &f.conf, NULL);
    contender_lead(&a);
    assert_int_equal(failpoint_configure("ha.file.before_beat=error", &err), 0);
    assert_true(contender_wait(&a, PATIENCE_MS)); /* it gives up by itself */
    assert_int_equal(a.n_revoked, 1);
    failpoint_clear_all();
    contender_open(&b, &f.conf, NULL);
    contender_campaign(&b);
    bool a_leads = false;
    while (!contender_wait(&b, 50) && !a_leads) {
        a_leads = contender_wait(&a, 50);
    }
    assert_int_equal(a.n_granted + b.n_granted, 2);
    contender_close(&a);
    contender_close(&b);
    fixture_fini(&f);
}

/* A write whose outcome nobody knows ends the leadership; what it wrote is there, or not, for the next one. */
static void test_unknown_outcome(void **state)
{
    struct ha_fixture f;
    struct contender a;
    struct error err = ERROR_INIT;
    STR_AUTO got = STR_INIT;
    fixture_init(&f, "file", "10 s");
    contender_open(&a, &f.conf, NULL);
    contender_lead(&a);
    struct flinc_id first = a.token;
    assert_int_equal(failpoint_configure("ha.file.after_record=error,nth=1", &err), 0);
    assert_int_equal(ha_create(a.ha, &a.token, "x", SLICE_LIT("1"), &err), ERR_TIMEOUT);
    failpoint_clear_all();
    assert_int_equal(ha_create(a.ha, &first, "y", SLICE_LIT("1"), &err), ERR_FENCED);
    assert_true(contender_wait(&a, PATIENCE_MS));
    assert_int_equal(a.n_revoked, 1);
    assert_true(contender_wait(&a, PATIENCE_MS));
    assert_int_equal(a.n_granted, 2);
    assert_int_equal(ha_get(a.ha, &a.token, "x", &got, &err), 0);
    assert_string_equal(str_cstr(&got), "1");
    contender_close(&a);
    fixture_fini(&f);
}

struct seen {
    pthread_mutex_t lock;
    char rest_url[HA_ADDRESS_MAX];
    int n;
};

static void on_change(void *arg, const struct ha_leader *leader)
{
    struct seen *s = arg;
    pthread_mutex_lock(&s->lock);
    snprintf(s->rest_url, sizeof(s->rest_url), "%s", leader != NULL ? leader->rest_url : "nobody");
    s->n++;
    pthread_mutex_unlock(&s->lock);
}

static void test_address(void **state)
{
    struct ha_fixture f;
    struct contender a, watcher;
    struct seen seen = {.lock = PTHREAD_MUTEX_INITIALIZER};
    const struct ha_watcher w = {on_change, &seen};
    struct ha_leader leader, got;
    struct error err = ERROR_INIT;
    fixture_init(&f, "file", "10 s");
    contender_open(&watcher, &f.conf, &w);
    assert_false(ha_find_leader(watcher.ha, &got));
    assert_int_equal(ha_wait_leader(watcher.ha, 1, &got, &err), ERR_TIMEOUT);
    contender_open(&a, &f.conf, NULL);
    contender_lead(&a);
    leader = (struct ha_leader){
        .token = a.token, .rpc_address = "host-1:6123", .rest_url = "http://host-1:8081"};
    assert_int_equal(ha_announce(a.ha, &leader, &err), 0);
    assert_int_equal(ha_wait_leader(watcher.ha, PATIENCE_MS, &got, &err), 0);
    assert_string_equal(got.rpc_address, "host-1:6123");
    assert_string_equal(got.rest_url, "http://host-1:8081");
    assert_true(id_eq(&got.token, &a.token));
    contender_close(&a);
    int64_t until = clock_monotonic_ms(&clock_system) + PATIENCE_MS;
    while (ha_find_leader(watcher.ha, &got)) {
        assert_true(clock_monotonic_ms(&clock_system) < until);
    }
    contender_close(&watcher);
    assert_string_equal(seen.rest_url, "nobody");
    assert_int_equal(seen.n, 2);
    assert_int_equal(ha_kind_read(&f.conf, &(enum ha_kind){0}, &err), 0);
    fixture_fini(&f);
}

static void test_keys(void **state)
{
    struct ha_fixture f;
    struct ha *ha = NULL;
    struct error err = ERROR_INIT;
    fixture_init(&f, "raft", "10 s");
    assert_int_equal(ha_open(&f.conf, NULL, &ha, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "raft"));
    assert_int_equal(conf_set(&f.conf, "high-availability.type", "FILE", &err), 0);
    conf_unset(&f.conf, "high-availability.storageDir");
    assert_int_equal(ha_open(&f.conf, NULL, &ha, &err), ERR_INVALID_CONFIG);
    assert_non_null(strstr(err.message, "high-availability.storageDir"));
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_leads),
        cmocka_unit_test(test_silent_leader_is_replaced),
        cmocka_unit_test(test_unknown_outcome),
        cmocka_unit_test(test_address),
        cmocka_unit_test(test_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
