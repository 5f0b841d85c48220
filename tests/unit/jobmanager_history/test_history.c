/* Looking into folders: what is fetched, refused, tried again, let go of, deleted. */
#include "jobmanager/history/history.h"
#include "tests/unit/jobmanager_history/archives.h"
#include <fcntl.h>
#include <sys/stat.h>

static char top[64];
static char first[128], second[128], tmp[128];
static struct conf conf;

static void set(const char *key, const char *value)
{
    struct error err = ERROR_INIT;
    assert_int_equal(conf_set(&conf, key, value, &err), 0);
}

static int set_up(void **state)
{
    STR_AUTO dirs = STR_INIT;
    log_set_level(LOG_LEVEL_OFF);
    (void)snprintf(top, sizeof(top), "/tmp/history-XXXXXX");
    assert_non_null(mkdtemp(top));
    (void)snprintf(first, sizeof(first), "%s/first", top);
    (void)snprintf(second, sizeof(second), "%s/second", top);
    (void)snprintf(tmp, sizeof(tmp), "%s/tmp", top);
    assert_int_equal(mkdir(first, 0700), 0);
    assert_int_equal(mkdir(second, 0700), 0);
    conf_init(&conf, NULL);
    str_printf(&dirs, " %s , file://%s,%s", first, second, first);
    set("historyserver.archive.fs.dir", str_cstr(&dirs));
    set("historyserver.web.tmpdir", tmp);
    return 0;
}

static int tear_down(void **state)
{
    struct error err = ERROR_INIT;
    failpoint_clear_all();
    conf_fini(&conf);
    return fs_delete(top, FS_DELETE_RECURSIVE, &err);
}

static struct history *make(void)
{
    struct history *h = NULL;
    struct error err = ERROR_INIT;
    struct history_options o = {.conf = &conf};
    if (history_new(&o, &h, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return h;
}

static struct history_round look(struct history *h)
{
    struct history_round round;
    history_refresh(h, &round);
    return round;
}

static void read_part(int fd, uint64_t offset, uint64_t size, char *ret)
{
    assert_true(size < 4096);
    assert_int_equal(pread(fd, ret, size, (off_t)offset), size);
    ret[size] = '\0';
    close(fd);
}

static void expect_page(struct history *h, const char *id, const char *page, const char *answer)
{
    char buf[4096];
    uint64_t offset, size;
    int fd;
    struct error err = ERROR_INIT;
    int rc = history_open_page(h, id, page, &fd, &offset, &size, &err);
    if (answer == NULL) {
        assert_int_equal(rc, ERR_NOT_FOUND);
        assert_non_null(strstr(err.message, "File not found"));
        return;
    }
    assert_int_equal(rc, 0);
    read_part(fd, offset, size, buf);
    assert_string_equal(buf, answer);
}

static void expect_overview(struct history *h, const char *text)
{
    char buf[4096];
    uint64_t size;
    int fd;
    struct error err = ERROR_INIT;
    assert_int_equal(history_open_overview(h, &fd, &size, &err), 0);
    read_part(fd, 0, size, buf);
    assert_string_equal(buf, text);
}

/* The time of a file, in whole seconds before now. */
static void set_age(const char *folder, const char *id, int seconds)
{
    STR_AUTO path = STR_INIT;
    struct timespec now;
    str_printf(&path, "%s/%s", folder, id);
    clock_gettime(CLOCK_REALTIME, &now);
    struct timespec times[2] = {{now.tv_sec - seconds, 0}, {now.tv_sec - seconds, 0}};
    assert_int_equal(utimensat(AT_FDCWD, str_cstr(&path), times, 0), 0);
}

static void shows_what_is_there(void **state)
{
    struct history *h = make();
    expect_overview(h, "{\"jobs\":[]}");
    write_archive(first, ID_A, "one");
    write_archive(second, ID_B, "two");
    set_age(first, ID_A, 10);
    set_age(second, ID_B, 20);
    write_text(first, "README", "hello");
    write_text(first, ".hidden", "hello");
    struct history_round round = look(h);
    assert_int_equal(round.fetched, 2);
    assert_int_equal(round.refused, 0);
    assert_int_equal(history_n_jobs(h), 2);
    expect_overview(h, "{\"jobs\":[{\"jid\":\"" ID_A "\",\"name\":\"one\",\"state\":\"FINISHED\"},"
                       "{\"jid\":\"" ID_B "\",\"name\":\"two\",\"state\":\"FINISHED\"}]}");
    expect_page(h, ID_A, "", "{\"jid\":\"" ID_A "\"}");
    expect_page(h, ID_A, "/vertices/v1/subtasks/0", "{\"subtask\":0}");
    expect_page(h, ID_A, "/config", NULL);
    expect_page(h, ID_C, "", NULL);
    expect_page(h, "../../etc/passwd", "", NULL);
    assert_int_equal(look(h).fetched, 0); /* once */
    history_free(h);
    struct stat st;
    assert_int_equal(stat(tmp, &st), 0); /* the folder that was named stays, and is empty */
    assert_int_equal(rmdir(tmp), 0);
}

static void fetches_again_what_has_changed(void **state)
{
    struct history *h = make();
    write_archive(first, ID_A, "one");
    assert_int_equal(look(h).fetched, 1);
    write_archive(first, ID_A, "another");
    assert_int_equal(look(h).fetched, 1);
    expect_overview(h, "{\"jobs\":[{\"jid\":\"" ID_A
                       "\",\"name\":\"another\",\"state\":\"FINISHED\"}]}");
    write_text(first, ID_A, "broken"); /* what was read before is still shown */
    assert_int_equal(look(h).refused, 1);
    expect_page(h, ID_A, "", "{\"jid\":\"" ID_A "\"}");
    assert_int_equal(history_n_jobs(h), 1);
    history_free(h);
}

static void bad_ones_hurt_no_other(void **state)
{
    struct history *h = make();
    char *text = archive_text(ID_A, "one");
    write_archive(first, ID_B, "two");
    write_text(first, ID_C, text); /* of another job */
    text[strlen(text) / 2] = '\0';
    write_text(first, ID_A, text); /* cut */
    mem_free(text);
    struct history_round round = look(h);
    assert_int_equal(round.fetched, 1);
    assert_int_equal(round.refused, 2);
    expect_page(h, ID_B, "", "{\"jid\":\"" ID_B "\"}");
    expect_page(h, ID_A, "", NULL);
    /* Not at every look, but at once when it has changed. */
    uint32_t tries = 0;
    for (int i = 0; i < 30; i++) {
        tries += look(h).refused;
    }
    assert_in_range(tries, 2, 12);
    write_archive(first, ID_A, "mended");
    assert_int_equal(look(h).fetched, 1);
    assert_int_equal(history_n_jobs(h), 2);
    history_free(h);
}

static void lets_go_of_what_has_expired(void **state)
{
    STR_AUTO path = STR_INIT;
    set("historyserver.archive.clean-expired-jobs", "true");
    struct history *h = make();
    struct error err = ERROR_INIT;
    write_archive(first, ID_A, "one");
    write_archive(second, ID_B, "two");
    assert_int_equal(look(h).fetched, 2);
    str_printf(&path, "%s/" ID_A, first);
    assert_int_equal(unlink(str_cstr(&path)), 0);
    assert_int_equal(failpoint_configure("history.list=error", &err), 0);
    assert_int_equal(look(h).removed, 0); /* nothing is known of the folder */
    assert_int_equal(history_n_jobs(h), 2);
    failpoint_clear_all();
    assert_int_equal(look(h).removed, 1);
    expect_page(h, ID_A, "", NULL);
    expect_page(h, ID_B, "", "{\"jid\":\"" ID_B "\"}");
    /* A folder that has gone is not an empty one. */
    assert_int_equal(fs_delete(second, FS_DELETE_RECURSIVE, &err), 0);
    assert_int_equal(look(h).removed, 0);
    assert_int_equal(history_n_jobs(h), 1);
    history_free(h);
}

static void keeps_what_is_gone(void **state)
{
    STR_AUTO path = STR_INIT;
    struct history *h = make();
    write_archive(first, ID_A, "one");
    assert_int_equal(look(h).fetched, 1);
    str_printf(&path, "%s/" ID_A, first);
    assert_int_equal(unlink(str_cstr(&path)), 0);
    assert_int_equal(look(h).removed, 0);
    expect_page(h, ID_A, "", "{\"jid\":\"" ID_A "\"}");
    history_free(h);
}

static bool is_there(const char *folder, const char *id)
{
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s/%s", folder, id);
    return access(str_cstr(&path), F_OK) == 0;
}

static void retains_so_many(void **state)
{
    set("historyserver.archive.retained-jobs", "1");
    struct history *h = make();
    write_archive(first, ID_A, "old");
    write_archive(first, ID_B, "new");
    write_archive(second, ID_C, "the only one there");
    set_age(first, ID_A, 100);
    set_age(first, ID_B, 50);
    struct history_round round = look(h);
    assert_int_equal(round.fetched, 2);
    assert_int_equal(round.deleted, 1);
    assert_false(is_there(first, ID_A));
    assert_true(is_there(first, ID_B) && is_there(second, ID_C));
    write_archive(first, ID_A, "newer");
    round = look(h);
    assert_int_equal(round.deleted, 1);
    assert_false(is_there(first, ID_B));
    expect_page(h, ID_B, "", NULL);
    expect_page(h, ID_A, "", "{\"jid\":\"" ID_A "\"}");
    history_free(h);
}

static void retains_so_long(void **state)
{
    set("historyserver.archive.retained-ttl", "1 h");
    struct history *h = make();
    struct error err = ERROR_INIT;
    write_archive(first, ID_A, "old");
    write_archive(first, ID_B, "new");
    set_age(first, ID_A, 3700);
    assert_int_equal(failpoint_configure("history.delete=error", &err), 0);
    assert_int_equal(look(h).undeleted, 1);
    assert_true(is_there(first, ID_A));
    failpoint_clear_all();
    assert_int_equal(look(h).deleted, 1);
    assert_false(is_there(first, ID_A));
    assert_int_equal(history_n_jobs(h), 1);
    history_free(h);
}

static void expect_bad(const char *key, const char *value, const char *why)
{
    struct history *h = NULL;
    struct error err = ERROR_INIT;
    struct history_options o = {.conf = &conf};
    set(key, value);
    assert_int_equal(history_new(&o, &h, &err), ERR_INVALID_CONFIG);
    if (strstr(err.message, why) == NULL) {
        fail_msg("%s", err.message);
    }
}

static void checks_its_keys(void **state)
{
    expect_bad("historyserver.archive.retained-ttl", "0 ms", "historyserver.archive.retained-ttl");
    expect_bad("historyserver.archive.retained-jobs", "0", "historyserver.archive.retained-jobs");
    expect_bad("historyserver.archive.retained-jobs", "-2", "historyserver.archive.retained-jobs");
    expect_bad("historyserver.archive.fs.dir", "gopher://a/b", "none of 'gopher://a/b'");
    expect_bad("historyserver.archive.fs.dir", " ", "jobmanager.archive.fs.dir");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(shows_what_is_there, set_up, tear_down),
        cmocka_unit_test_setup_teardown(fetches_again_what_has_changed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_ones_hurt_no_other, set_up, tear_down),
        cmocka_unit_test_setup_teardown(lets_go_of_what_has_expired, set_up, tear_down),
        cmocka_unit_test_setup_teardown(keeps_what_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(retains_so_many, set_up, tear_down),
        cmocka_unit_test_setup_teardown(retains_so_long, set_up, tear_down),
        cmocka_unit_test_setup_teardown(checks_its_keys, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
