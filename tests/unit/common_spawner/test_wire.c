/* Requests as packets: round trip, limits, damage. */
#include "common/spawner/wire.h"
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

static const char *const arguments[] = {"child", "", "two words", NULL};
static const char *const environment[] = {"A=1", "B=", NULL};

static struct spawn_request plain_request(void)
{
    return (struct spawn_request){.path = "/bin/child", .argv = arguments};
}

static void test_round_trip(void **state)
{
    struct spawn_request r = plain_request();
    r.environment = environment;
    r.working_dir = "/tmp";
    r.log_path = "/tmp/x.log";
    r.fds[0] = (struct spawn_fd){.fd = 9, .target = 3};
    r.n_fds = 1;
    r.oom_score_adj = 500;
    r.log_max_bytes = 1000;
    r.log_max_files = 3;
    r.stdout_to = SPAWN_STDOUT_OWNER;
    struct str packet = STR_INIT;
    struct spawn_order o;
    assert_int_equal(spawn_order_encode(&r, 7, &packet, NULL), 0);
    assert_int_equal(spawn_order_decode(packet.data, packet.len, &o, NULL), 0);
    assert_string_equal(o.path, r.path);
    assert_string_equal(o.argv[2], "two words");
    assert_null(o.argv[3]);
    assert_string_equal(o.environment[1], "B=");
    assert_string_equal(o.working_dir, "/tmp");
    assert_string_equal(o.log_path, "/tmp/x.log");
    assert_int_equal(o.header.id, 7);
    assert_int_equal(o.header.targets[0], 3);
    assert_int_equal(o.header.oom_score_adj, 500);
    assert_int_equal(o.header.log_max_bytes, 1000);
    assert_int_equal(o.header.log_max_files, 3);
    spawn_order_fini(&o);
    /* Cut anywhere, it is refused. */
    for (size_t n = 0; n < packet.len; n++) {
        assert_int_equal(spawn_order_decode(packet.data, n, &o, NULL), ERR_CORRUPT);
    }
    str_fini(&packet);
}

static void test_refused(void **state)
{
    struct str packet = STR_INIT;
    struct spawn_request r = plain_request();
    r.path = "child";
    assert_int_equal(spawn_order_encode(&r, 1, &packet, NULL), ERR_INVALID_ARGUMENT);
    r = plain_request();
    r.n_fds = 1;
    r.fds[0].target = 2;
    assert_int_equal(spawn_order_encode(&r, 1, &packet, NULL), ERR_INVALID_ARGUMENT);
    r.fds[0].target = SPAWNER_TARGET_FD_MAX;
    assert_int_equal(spawn_order_encode(&r, 1, &packet, NULL), ERR_INVALID_ARGUMENT);
    r = plain_request();
    r.log_path = "/tmp/x.log";
    r.log_max_bytes = 1000; /* and stdout into the same file */
    assert_int_equal(spawn_order_encode(&r, 1, &packet, NULL), ERR_INVALID_ARGUMENT);
    r = plain_request();
    char *big = mem_alloc(SPAWNER_REQUEST_MAX + 1);
    memset(big, 'x', SPAWNER_REQUEST_MAX);
    big[SPAWNER_REQUEST_MAX] = '\0';
    const char *const many[] = {"child", big, NULL};
    r.argv = many;
    assert_int_equal(spawn_order_encode(&r, 1, &packet, NULL), ERR_TOO_LARGE);
    mem_free(big);
    assert_int_equal(packet.len, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
