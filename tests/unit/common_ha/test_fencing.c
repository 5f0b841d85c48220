/* Processes: leaders that are stopped in the middle of a write and go on later, that are killed at every step, and several at
 * once with a counter that must neither lose nor repeat a number.  Children are forked while this process has one thread. */
#include "tests/unit/common_ha/ha_fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

enum { TRIES = 40 };

static const char *const write_steps[] = {
    "ha.file.before_record",
    "ha.value.before_write",
    "ha.value.after_write",
};

/* What a child did, as its exit code. */
enum outcome {
    OUTCOME_WRITTEN = 10,
    OUTCOME_FENCED,
    OUTCOME_OTHER,
};

static int wait_child(pid_t pid, int flags)
{
    int status = 0;
    pid_t got;
    while ((got = waitpid(pid, &status, flags)) < 0 && errno == EINTR) {
    }
    assert_int_equal(got, pid);
    return status;
}

/* Leads, then writes with the failpoint set; never returns. */
static void be_leader(const struct conf *conf, const char *failpoint, const char *name)
{
    struct contender c;
    struct error err = ERROR_INIT;
    STR_AUTO large = STR_INIT;
    contender_open(&c, conf, NULL);
    contender_lead(&c);
    while (large.len <= HA_INLINE_MAX) {
        str_append_cstr(&large, "0123456789");
    }
    if (failpoint_configure(failpoint, &err) < 0) {
        _exit(1);
    }
    int rc = ha_create(c.ha, &c.token, name, str_slice(&large), &err);
    _exit(rc == 0 ? OUTCOME_WRITTEN : rc == ERR_FENCED ? OUTCOME_FENCED : OUTCOME_OTHER);
}

/* A deposed leader that was frozen before any step of a write, and thawed after another one leads, writes nothing. */
static void test_frozen_writer(void **state)
{
    struct ha_fixture f;
    struct error err = ERROR_INIT;
    fixture_init(&f, "file", "150 ms");
    for (int i = 0; i < TRIES; i++) {
        struct contender next;
        struct vec names = VEC_INIT(char *);
        char failpoint[64];
        snprintf(failpoint, sizeof(failpoint), "%s=stop,nth=1",
                 write_steps[(size_t)i % ARRAY_LEN(write_steps)]);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            be_leader(&f.conf, failpoint, "jobgraphs/late");
        }
        assert_true(WIFSTOPPED(wait_child(pid, WUNTRACED)));
        contender_open(&next, &f.conf, NULL);
        contender_lead(&next);
        assert_int_equal(ha_put(next.ha, &next.token, "jobgraphs/mine", SLICE_LIT("1"), &err), 0);
        assert_int_equal(kill(pid, SIGCONT), 0);
        int status = wait_child(pid, 0);
        assert_true(WIFEXITED(status));
        assert_int_equal(WEXITSTATUS(status), OUTCOME_FENCED);
        assert_int_equal(ha_list(next.ha, &next.token, "jobgraphs", &names, &err), 0);
        assert_int_equal(names.len, 1);
        ha_names_fini(&names);
        contender_close(&next);
    }
    fixture_fini(&f);
}

/* ---- killed at every step ------------------------------------------------------------------------------- */

/* Leads and counts up, saying each number that is durable. */
static void be_counter(const struct conf *conf, const char *failpoint, int out)
{
    struct contender c;
    struct error err = ERROR_INIT;
    STR_AUTO value = STR_INIT;
    if (failpoint != NULL && failpoint_configure(failpoint, &err) < 0) {
        _exit(1);
    }
    contender_open(&c, conf, NULL);
    contender_campaign(&c);
    for (;;) {
        while (c.n_granted == c.n_revoked) {
            (void)contender_wait(&c, PATIENCE_MS);
        }
        (void)mailbox_run(c.mailbox, 1);
        if (c.n_granted == c.n_revoked) {
            continue;
        }
        uint64_t n = 0;
        int rc = ha_get(c.ha, &c.token, "counter", &value, &err);
        if (rc == 0) {
            n = strtoull(str_cstr(&value), NULL, 10);
        }
        if (rc == 0 || rc == ERR_NOT_FOUND) {
            char text[32];
            snprintf(text, sizeof(text), "%llu", (unsigned long long)++n);
            rc = ha_put(c.ha, &c.token, "counter", slice_cstr(text), &err);
        }
        if (rc == 0 && write(out, &n, sizeof(n)) != sizeof(n)) {
            _exit(0);
        }
    }
}

/* Durable numbers of all processes, as they come. */
struct numbers {
    uint64_t highest, n;
};

static void take_numbers(int in, struct numbers *ret)
{
    uint64_t n;
    while (read(in, &n, sizeof(n)) == sizeof(n)) {
        ret->highest = MAX(ret->highest, n);
        ret->n++;
    }
}

static uint64_t counter_now(const struct conf *conf)
{
    struct contender c;
    struct error err = ERROR_INIT;
    STR_AUTO value = STR_INIT;
    contender_open(&c, conf, NULL);
    contender_lead(&c);
    int rc = ha_get(c.ha, &c.token, "counter", &value, &err);
    assert_true(rc == 0 || rc == ERR_NOT_FOUND);
    contender_close(&c);
    return rc == 0 ? strtoull(str_cstr(&value), NULL, 10) : 0;
}

static void test_killed_at_every_step(void **state)
{
    static const char *const steps[] = {
        "ha.file.before_record", "ha.file.after_record",   "ha.file.before_close",
        "ha.file.after_close",   "ha.file.before_segment", "ha.file.after_segment",
        "ha.file.before_beat",
    };
    struct ha_fixture f;
    struct numbers all = {0, 0};
    fixture_init(&f, "file", "500 ms");
    for (size_t i = 0; i < ARRAY_LEN(steps); i++) {
        for (int nth = 1; nth <= 2; nth++) {
            int ends[2];
            char failpoint[64];
            struct numbers numbers = {0, 0};
            snprintf(failpoint, sizeof(failpoint), "%s=kill,nth=%d", steps[i], nth);
            assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
            pid_t pid = fork();
            assert_true(pid >= 0);
            if (pid == 0) {
                close(ends[0]);
                be_counter(&f.conf, failpoint, ends[1]);
            }
            close(ends[1]);
            if (strstr(steps[i], "segment") != NULL || strstr(steps[i], "close") != NULL) {
                /* These come seldom: let it count for a while. */
                uint64_t n;
                for (int k = 0; k < 50 && read(ends[0], &n, sizeof(n)) == sizeof(n); k++) {
                    numbers.highest = MAX(numbers.highest, n);
                    numbers.n++;
                }
                kill(pid, SIGKILL);
            }
            take_numbers(ends[0], &numbers);
            close(ends[0]);
            assert_true(WIFSIGNALED(wait_child(pid, 0)));
            all.highest = MAX(all.highest, numbers.highest);
            uint64_t now = counter_now(&f.conf);
            assert_true(now >= all.highest);     /* nothing durable is lost */
            assert_true(now <= all.highest + 1); /* one may be there that nobody was told of */
            all.highest = now;
        }
    }
    fixture_fini(&f);
}

/* ---- several at once ------------------------------------------------------------------------------------- */

enum { N_PROCESSES = 3, N_FAULTS = 20 };

static pid_t start_counter(const struct conf *conf, int out, int in)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        close(in);
        be_counter(conf, NULL, out);
    }
    return pid;
}

static void read_some(int in, uint64_t *seen, size_t max, struct numbers *numbers, int n)
{
    for (int i = 0; i < n; i++) {
        uint64_t value;
        assert_int_equal(read(in, &value, sizeof(value)), sizeof(value));
        assert_true(value < max);
        assert_int_equal(seen[value], 0); /* nobody was given it before */
        seen[value] = 1;
        numbers->highest = MAX(numbers->highest, value);
        numbers->n++;
    }
}

static void test_several_processes(void **state)
{
    enum { NUMBERS_MAX = 1000000 };
    struct ha_fixture f;
    struct rng rng;
    struct numbers numbers = {0, 0};
    pid_t pids[N_PROCESSES];
    bool stopped[N_PROCESSES] = {false};
    int ends[2];
    uint64_t *seen = MEM_NEW_ARRAY(uint64_t, NUMBERS_MAX);
    rng_init(&rng, 7);
    fixture_init(&f, "file", "150 ms");
    assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
    for (int i = 0; i < N_PROCESSES; i++) {
        pids[i] = start_counter(&f.conf, ends[1], ends[0]);
    }
    for (int i = 0; i < N_FAULTS; i++) {
        size_t victim = rng_below(&rng, N_PROCESSES);
        size_t other = (victim + 1) % N_PROCESSES;
        read_some(ends[0], seen, NUMBERS_MAX, &numbers, 20);
        if (stopped[other]) { /* one at least is able to lead */
            kill(pids[other], SIGCONT);
            stopped[other] = false;
        }
        if (rng_below(&rng, 2) == 0) {
            kill(pids[victim], SIGKILL);
            (void)wait_child(pids[victim], 0);
            pids[victim] = start_counter(&f.conf, ends[1], ends[0]);
            stopped[victim] = false;
        } else {
            kill(pids[victim], SIGSTOP);
            stopped[victim] = true;
        }
    }
    for (int i = 0; i < N_PROCESSES; i++) {
        kill(pids[i], SIGKILL);
        (void)wait_child(pids[i], 0);
    }
    close(ends[1]);
    uint64_t value;
    while (read(ends[0], &value, sizeof(value)) == sizeof(value)) {
        assert_true(value < NUMBERS_MAX);
        assert_int_equal(seen[value], 0);
        seen[value] = 1;
        numbers.highest = MAX(numbers.highest, value);
    }
    close(ends[0]);
    assert_true(counter_now(&f.conf) >= numbers.highest);
    mem_free(seen);
    fixture_fini(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frozen_writer),
        cmocka_unit_test(test_killed_at_every_step),
        cmocka_unit_test(test_several_processes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
