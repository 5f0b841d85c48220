/* The spawner with shells as children: descriptors, environment, output, ends, losses. */
#include "common/base/clock.h"
#include "common/base/str.h"
#include "common/spawner/spawner.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

struct seen {
    struct child_exit exit;
    struct str tail;
    uint32_t n;
};

struct fixture {
    struct spawner *spawner;
    struct mailbox *mailbox;
    struct seen seen;
};

static int count_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

static int fds_before;

static void on_exit_seen(void *target, void *arg, const struct child_exit *exit)
{
    struct seen *s = arg;
    s->exit = *exit;
    str_clear(&s->tail);
    str_append_cstr(&s->tail, exit->stderr_tail);
    s->n++;
}

static int open_fixture(void **state)
{
    struct fixture *f = MEM_NEW(struct fixture);
    fds_before = count_fds();
    assert_int_equal(spawner_fork("test-spawner", &f->spawner, NULL), 0);
    f->mailbox = mailbox_new(&(struct mailbox_options){.name = "test"});
    *state = f;
    return 0;
}

static int close_fixture(void **state)
{
    struct fixture *f = *state;
    f->spawner = spawner_free(f->spawner);
    mailbox_close(f->mailbox);
    mailbox_unref(f->mailbox);
    str_fini(&f->seen.tail);
    mem_free(f);
    assert_int_equal(count_fds(), fds_before);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1); /* no child, no zombie */
    assert_int_equal(errno, ECHILD);
    return 0;
}

static struct spawn_request shell(struct fixture *f, const char *const *argv)
{
    return (struct spawn_request){
        .path = "/bin/sh",
        .argv = argv,
        .mailbox = f->mailbox,
        .on_exit = on_exit_seen,
        .target = f,
        .arg = &f->seen,
    };
}

static void wait_exit(struct fixture *f, uint32_t n)
{
    while (f->seen.n < n) {
        uint32_t ticket = event_count_prepare(mailbox_event(f->mailbox));
        if (mailbox_run(f->mailbox, SIZE_MAX) > 0) {
            event_count_cancel(mailbox_event(f->mailbox));
            continue;
        }
        assert_true(event_count_wait(mailbox_event(f->mailbox), ticket, INT64_C(30000000000)));
    }
}

static pid_t run(struct fixture *f, const char *script)
{
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct spawn_request r = shell(f, argv);
    struct error err = ERROR_INIT;
    pid_t pid = 0;
    if (spawner_spawn(f->spawner, &r, &pid, &err) < 0) {
        fail_msg("%s", err.message);
    }
    return pid;
}

/* ---- children ------------------------------------------------------------------------------------ */

static void test_exit_code(void **state)
{
    struct fixture *f = *state;
    pid_t pid = run(f, "echo words >&2; exit 7");
    wait_exit(f, 1);
    assert_int_equal(f->seen.exit.pid, pid);
    assert_int_equal(f->seen.exit.exit_code, 7);
    assert_int_equal(f->seen.exit.signal, 0);
    assert_string_equal(str_cstr(&f->seen.tail), "words\n");
}

static void test_signal(void **state)
{
    struct fixture *f = *state;
    pid_t pid = run(f, "exec sleep 1000");
    spawner_signal(f->spawner, getpid(), SIGKILL); /* not a child: nothing happens */
    spawner_signal(f->spawner, pid, SIGTERM);
    wait_exit(f, 1);
    assert_int_equal(f->seen.exit.signal, SIGTERM);
    spawner_signal(f->spawner, pid, SIGTERM); /* no longer */
}

static void test_descriptors_and_environment(void **state)
{
    struct fixture *f = *state;
    int pair[2];
    /* Sources whose numbers are each other's targets. */
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
    int null_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    const char *const argv[] = {"sh", "-c",
                                "echo \"$SPAWNED:$(pwd):$(cat /proc/self/oom_score_adj)\" >&4; "
                                "ls /proc/self/fd | tr '\\n' ' ' >&4",
                                NULL};
    const char *const environment[] = {"SPAWNED=yes", "PATH=/usr/bin:/bin", NULL};
    struct spawn_request r = shell(f, argv);
    r.environment = environment;
    r.working_dir = "/usr";
    r.oom_score_adj = 700;
    r.fds[0] = (struct spawn_fd){.fd = null_fd, .target = 3};
    r.fds[1] = (struct spawn_fd){.fd = pair[1], .target = 4};
    r.n_fds = 2;
    pid_t pid;
    assert_int_equal(spawner_spawn(f->spawner, &r, &pid, NULL), 0);
    char text[256];
    size_t len = 0;
    for (ssize_t n; (n = read(pair[0], text + len, sizeof(text) - 1 - len)) > 0;) {
        len += (size_t)n;
    }
    text[len] = '\0';
    close(pair[0]);
    /* Nothing of this process or the spawner leaks in: 0 to 4, and what ls opened. */
    assert_string_equal(text, "yes:/usr:700\n0 1 2 3 4 5 ");
    wait_exit(f, 1);
}

static void test_output_file(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/flinc-spawner-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, "before\n", 7), 7);
    const char *const argv[] = {"sh", "-c", "echo out; echo err >&2", NULL};
    struct spawn_request r = shell(f, argv);
    r.log_path = path;
    pid_t pid;
    assert_int_equal(spawner_spawn(f->spawner, &r, &pid, NULL), 0);
    wait_exit(f, 1);
    char text[64];
    ssize_t n = pread(fd, text, sizeof(text) - 1, 0);
    assert_true(n > 0);
    text[n] = '\0';
    assert_string_equal(text, "before\nout\nerr\n");
    assert_string_equal(str_cstr(&f->seen.tail), "err\n");
    close(fd);
    unlink(path);
}

/* ---- rolling ------------------------------------------------------------------------------------- */

enum { ROLL_BYTES = 10000, ROLL_FILES = 2, ROLL_LINES = 6000 };

static off_t file_size(const char *path, int n)
{
    char name[80];
    struct stat st;
    (void)snprintf(name, sizeof(name), n > 0 ? "%s.%d" : "%s", path, n);
    return stat(name, &st) == 0 ? st.st_size : -1;
}

/* The first line of a file that is not the oldest follows the last one of the file before it. */
static void assert_lines_follow(const char *path, int newer, int older)
{
    char name[80], text[2 * ROLL_BYTES];
    (void)snprintf(name, sizeof(name), "%s.%d", path, older);
    int fd = open(name, O_RDONLY);
    ssize_t n = read(fd, text, sizeof(text) - 1);
    close(fd);
    assert_true(n > 2 && text[n - 1] == '\n');
    text[n - 1] = '\0';
    int last = atoi(strrchr(text, ' '));
    (void)snprintf(name, sizeof(name), newer > 0 ? "%s.%d" : "%s", path, newer);
    fd = open(name, O_RDONLY);
    n = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (n > 0) { /* the newest may be empty */
        text[n] = '\0';
        assert_int_equal(strncmp(text, "line ", 5), 0);
        assert_int_equal(atoi(text + 5), last + 1);
    }
}

static void test_log_is_rolled(void **state)
{
    struct fixture *f = *state;
    char path[] = "/tmp/flinc-spawner-XXXXXX";
    char script[128];
    close(mkstemp(path));
    (void)snprintf(script, sizeof(script),
                   "i=0; while [ $i -lt %d ]; do echo \"line $i\"; i=$((i+1)); done >&2",
                   ROLL_LINES);
    const char *const argv[] = {"sh", "-c", script, NULL};
    struct spawn_request r = shell(f, argv);
    r.log_path = path;
    r.stdout_to = SPAWN_STDOUT_OWNER;
    r.log_max_bytes = ROLL_BYTES;
    r.log_max_files = ROLL_FILES;
    pid_t pid;
    assert_int_equal(spawner_spawn(f->spawner, &r, &pid, NULL), 0);
    wait_exit(f, 1);
    for (int n = 1; n <= ROLL_FILES; n++) {
        assert_true(file_size(path, n) > ROLL_BYTES - PIPE_BUF);
        assert_true(file_size(path, n) < ROLL_BYTES + PIPE_BUF);
        assert_lines_follow(path, n - 1, n);
    }
    assert_true(file_size(path, 0) >= 0 && file_size(path, 0) < ROLL_BYTES + PIPE_BUF);
    assert_int_equal(file_size(path, ROLL_FILES + 1), -1);
    for (int n = 0; n <= ROLL_FILES; n++) {
        char name[80];
        (void)snprintf(name, sizeof(name), n > 0 ? "%s.%d" : "%s", path, n);
        unlink(name);
    }
}

static void test_long_stderr_keeps_its_end(void **state)
{
    struct fixture *f = *state;
    const char *const argv[] = {
        "sh", "-c", "i=0; while [ $i -lt 30000 ]; do echo \"line $i\"; i=$((i+1)); done >&2", NULL};
    struct spawn_request r = shell(f, argv);
    r.log_path = "/dev/null";
    pid_t pid;
    assert_int_equal(spawner_spawn(f->spawner, &r, &pid, NULL), 0);
    wait_exit(f, 1);
    assert_int_equal(f->seen.tail.len, SPAWNER_STDERR_TAIL);
    assert_true(cstr_ends_with(str_cstr(&f->seen.tail), "line 29999\n"));
}

static void test_cannot_start(void **state)
{
    struct fixture *f = *state;
#ifdef __SANITIZE_THREAD__
    skip(); /* its vfork is a fork: the child cannot tell why exec failed */
#endif
    const char *const argv[] = {"sh", NULL};
    struct spawn_request r = shell(f, argv);
    struct error err = ERROR_INIT;
    pid_t pid = 0;
    r.path = "/nonexistent/program";
    assert_int_equal(spawner_spawn(f->spawner, &r, &pid, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "/nonexistent/program (running the program)"));
    r.path = "/etc/passwd";
    assert_int_equal(spawner_spawn(f->spawner, &r, &pid, &err), ERR_PERMISSION);
    r = shell(f, argv);
    r.working_dir = "/nonexistent";
    assert_int_equal(spawner_spawn(f->spawner, &r, &pid, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "working directory"));
    r = shell(f, argv);
    r.log_path = "/nonexistent/x.log";
    assert_true(spawner_spawn(f->spawner, &r, &pid, &err) < 0);
    assert_int_equal(pid, 0);
    run(f, "exit 0"); /* and it goes on */
    wait_exit(f, 1);
}

static bool process_exists(pid_t pid)
{
    return kill(pid, 0) == 0;
}

static void wait_until_gone(pid_t pid)
{
    for (int i = 0; i < 3000 && process_exists(pid); i++) {
        (void)poll(NULL, 0, 10);
    }
    assert_false(process_exists(pid));
}

/* The pid that a child's script wrote on stderr. */
static pid_t tail_pid(const struct fixture *f)
{
    return (pid_t)atoi(str_cstr(&f->seen.tail));
}

static void test_grandchildren_end_with_it(void **state)
{
    struct fixture *f = *state;
    run(f, "sleep 1000 & echo $! >&2; exit 3");
    wait_exit(f, 1);
    assert_int_equal(f->seen.exit.exit_code, 3);
    wait_until_gone(tail_pid(f));
}

static void test_many(void **state)
{
    struct fixture *f = *state;
    for (uint32_t i = 0; i < 200; i++) {
        run(f, "exit 0");
    }
    wait_exit(f, 200);
    assert_int_equal(f->seen.exit.exit_code, 0);
}

static void test_free_ends_children(void **state)
{
    struct fixture *f = *state;
    pid_t polite = run(f, "exec sleep 1000");
    int pipe_fds[2];
    char ready;
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    const char *const argv[] = {
        "sh", "-c", "trap '' TERM; echo >&3; exec 3>&-; while :; do sleep 1000; done", NULL};
    struct spawn_request r = shell(f, argv);
    r.fds[0] = (struct spawn_fd){.fd = pipe_fds[1], .target = 3};
    r.n_fds = 1;
    pid_t stubborn;
    assert_int_equal(spawner_spawn(f->spawner, &r, &stubborn, NULL), 0);
    assert_int_equal(read(pipe_fds[0], &ready, 1), 1);
    close(pipe_fds[0]);
    f->spawner = spawner_free(f->spawner);
    assert_false(process_exists(polite));
    assert_false(process_exists(stubborn));
    mailbox_run(f->mailbox, SIZE_MAX);
    assert_int_equal(f->seen.n, 2);
}

/* ---- losses -------------------------------------------------------------------------------------- */

static void test_spawner_killed(void **state)
{
    struct fixture *f = *state;
    pid_t pid = run(f, "exec sleep 1000");
    char path[64], line[256] = "";
    (void)snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    FILE *stat = fopen(path, "re");
    assert_non_null(fgets(line, sizeof(line), stat));
    (void)fclose(stat);
    pid_t parent = (pid_t)atoi(strchr(line, ')') + 4);
    assert_int_equal(kill(parent, SIGKILL), 0);
    wait_exit(f, 1);
    assert_true(f->seen.exit.spawner_lost);
    assert_int_equal(f->seen.exit.pid, pid);
    wait_until_gone(pid);
    const char *const argv[] = {"sh", NULL};
    struct spawn_request r = shell(f, argv);
    struct error err = ERROR_INIT;
    assert_int_equal(spawner_spawn(f->spawner, &r, &pid, &err), ERR_UNAVAILABLE);
    assert_non_null(strstr(err.message, "is gone; restart this process"));
}

/* An owner that is killed: neither its spawner nor its child stays. */
static void test_owner_killed(void **state)
{
    int pipe_fds[2];
    /* Orphans become this process's, so that it can see them end. */
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
    pid_t owner = fork();
    if (owner == 0) {
        struct spawner *s;
        struct mailbox *m = mailbox_new(&(struct mailbox_options){.name = "owner"});
        const char *const argv[] = {"sh", "-c", "sleep 1000 & exec sleep 1001", NULL};
        struct spawn_request r = {.path = "/bin/sh", .argv = argv, .mailbox = m};
        pid_t pid = 0;
        if (spawner_fork("spawner", &s, NULL) == 0 && spawner_spawn(s, &r, &pid, NULL) == 0) {
            (void)!write(pipe_fds[1], &pid, sizeof(pid));
        }
        for (;;) {
            pause();
        }
    }
    pid_t child = 0;
    assert_int_equal(read(pipe_fds[0], &child, sizeof(child)), sizeof(child));
    assert_true(process_exists(child));
    assert_int_equal(kill(owner, SIGKILL), 0);
    assert_int_equal(waitpid(owner, NULL, 0), owner);
    wait_until_gone(child);
    /* The spawner: whatever is left to us ends by itself. */
    while (waitpid(-1, NULL, 0) > 0) {
    }
    assert_int_equal(errno, ECHILD);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    assert_int_equal(prctl(PR_SET_CHILD_SUBREAPER, 0), 0);
}

static void test_never_used(void **state)
{
    (void)state; /* the fixture forks and frees */
}

#define SPAWNER_TEST(name) cmocka_unit_test_setup_teardown(name, open_fixture, close_fixture)

int main(void)
{
    const struct CMUnitTest tests[] = {
        SPAWNER_TEST(test_never_used),
        SPAWNER_TEST(test_exit_code),
        SPAWNER_TEST(test_signal),
        SPAWNER_TEST(test_descriptors_and_environment),
        SPAWNER_TEST(test_output_file),
        SPAWNER_TEST(test_log_is_rolled),
        SPAWNER_TEST(test_long_stderr_keeps_its_end),
        SPAWNER_TEST(test_cannot_start),
        SPAWNER_TEST(test_grandchildren_end_with_it),
        SPAWNER_TEST(test_many),
        SPAWNER_TEST(test_free_ends_children),
        SPAWNER_TEST(test_spawner_killed),
        cmocka_unit_test(test_owner_killed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
