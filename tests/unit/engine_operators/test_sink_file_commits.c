/* The file sink with checkpoints: each row appears once, whatever is killed where, whether notices come or not, at any
 * parallelism, with files that stay open over checkpoints and with compaction; and nothing hidden is left for ever.
 *
 * An attempt is a child process that a failpoint kills; what is in a file "chk" is a complete checkpoint, from which the
 * next attempt starts. */
#include "common/loop/executor.h"
#include "file_sink_fixture.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- one subtask --------------------------------------------------------------------------------- */

/* What was persisted is a finished file when the next attempt begins; what came behind it is not there. */
static void test_restore_of_an_open_file(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    struct harness *h = sink_first(&c);
    push(h, "1, de");
    Flinc__OperatorSubtaskState *s = snapshot(h, 1);
    complete(h, 1);
    push(h, "2, de");
    harness_free(h);
    check_folder("1 hidden");
    for (uint32_t attempt = 1; attempt < 3; attempt++) { /* restored twice: once */
        h = sink_restored(&c, s, attempt);
        check_folder("1,de/;0 hidden");
        push(h, "2, de");
        harness_free(h);
    }
    h = sink_restored(&c, s, 3);
    push(h, "2, de");
    must(harness_end_of_input(h, 0, &err));
    checkpoint(h, 2);
    check_folder("1,de/;2,de/;0 hidden");
    harness_free(h);
    drop(s);
    sink_config_fini(&c);
}

/* The file that a checkpoint has open was closed since, and the attempt is cancelled before the next one. */
static void test_restore_of_a_file_that_was_closed_since(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    c.rolling.part_bytes = 8;
    struct harness *h = sink_first(&c);
    push(h, "1, de");
    Flinc__OperatorSubtaskState *s = snapshot(h, 1);
    complete(h, 1);
    push(h, "2, de");
    push(h, "3, de");
    harness_free(h);
    check_folder("1 hidden");
    h = sink_restored(&c, s, 1);
    check_folder("1,de/;0 hidden");
    harness_free(h);
    drop(s);
    sink_config_fini(&c);
}

/* An attempt that was thought dead goes on writing to the file that it has open. */
static void test_zombie_with_an_open_file(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    struct harness *zombie = sink_first(&c);
    push(zombie, "1, de");
    Flinc__OperatorSubtaskState *s = snapshot(zombie, 1);
    struct harness *h = sink_restored(&c, s, 1);
    push(zombie, "2, de");
    drop(snapshot(zombie, 2));
    check_folder("1,de/;0 hidden");
    push(h, "2, de");
    push(zombie, "3, de");
    must(harness_end_of_input(zombie, 0, &err));
    drop(snapshot(zombie, 3));
    must_fail(harness_notify(zombie, OP_NOTICE_COMPLETE, 3, &err), ERR_NOT_FOUND, "is gone");
    harness_free(zombie);
    must(harness_end_of_input(h, 0, &err));
    checkpoint(h, 2);
    check_folder("1,de/;2,de/;0 hidden");
    harness_free(h);
    drop(s);
    sink_config_fini(&c);
}

/* A savepoint has no open files; what it has appears with the next checkpoint, or when it is restored. */
static void test_savepoint(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    struct harness *h = sink_first(&c);
    push(h, "1, de");
    Flinc__OperatorSubtaskState *s = snapshot_of(h, 1, SAVEPOINT);
    push(h, "2, de");
    harness_free(h);
    check_folder("2 hidden"); /* the file, and the mark */
    struct sink_config other;
    sink_config_init(&other, in_dir("out"));
    other.c.run_id = (char *)(uintptr_t) "00001234";
    h = sink_restored(&other, s, 0);
    check_folder("1,de/;1 hidden");
    push(h, "2, de");
    must(harness_end_of_input(h, 0, &err));
    checkpoint(h, 2);
    check_folder("1,de/;2,de/;1 hidden");
    harness_free(h);
    drop(s);
    sink_config_fini(&c);
    sink_config_fini(&other);
}

/* Hidden files are sources until the file that they were made into is there. */
static void test_restore_of_hidden_files(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    sink_config_compact(&c, 0, 2);
    c.rolling.on_checkpoint = true;
    struct harness *h = sink_first(&c);
    push(h, "1, de");
    checkpoint(h, 1);
    push(h, "2, de");
    Flinc__OperatorSubtaskState *two = snapshot(h, 2); /* both hidden; the merge is not in it */
    complete(h, 2);
    Flinc__OperatorSubtaskState *three = snapshot(h, 3); /* the merge waits */
    harness_free(h);
    h = sink_restored(&c, two, 1);
    check_folder("4 hidden"); /* two, the merge of a dead attempt, and it again */
    checkpoint(h, 4);
    check_folder("1,de/2,de/;0 hidden");
    harness_free(h);
    h = sink_restored(&c, two, 2); /* as from a savepoint: what it has was compacted since */
    checkpoint(h, 5);
    check_folder("1,de/2,de/;0 hidden");
    harness_free(h);
    drop(two);
    drop(three);
    sink_config_fini(&c);
}

static void test_restore_of_a_merged_file(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    sink_config_compact(&c, 0, 1);
    c.rolling.on_checkpoint = true;
    struct harness *h = sink_first(&c);
    push(h, "1, de");
    checkpoint(h, 1);
    Flinc__OperatorSubtaskState *s = snapshot(h, 2);
    harness_free(h);
    check_folder("2 hidden");
    for (uint32_t attempt = 1; attempt < 3; attempt++) {
        h = sink_restored(&c, s, attempt);
        check_folder("1,de/;0 hidden");
        harness_free(h);
    }
    drop(s);
    sink_config_fini(&c);
}

/* Compaction was taken out of the job: what is hidden is shown all the same. */
static void test_compaction_is_taken_out(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    sink_config_compact(&c, 0, 10);
    c.rolling.on_checkpoint = true;
    struct harness *h = sink_first(&c);
    push(h, "1, de");
    Flinc__OperatorSubtaskState *s = snapshot(h, 1);
    harness_free(h);
    c.c.compaction = NULL;
    h = sink_restored(&c, s, 1);
    checkpoint(h, 2);
    check_folder("1,de/;0 hidden");
    harness_free(h);
    drop(s);
    sink_config_fini(&c);
}

/* ---- on an I/O thread ----------------------------------------------------------------------------- */

static struct executor *stepped(void)
{
    struct executor *x = NULL;
    must(executor_new(&(struct executor_options){.name = "io"}, &x, &err));
    return x;
}

static struct harness *sink_with(const struct sink_config *c, struct executor *x)
{
    struct harness *h = sink_new(c, (struct sink_at){.flags = OP_FLAG_CHECKPOINTS});
    harness_context(h)->io_executor = x;
    must(harness_open(h, &err));
    return h;
}

static void test_merges_by_an_executor(void **state)
{
    struct executor *x = stepped();
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    sink_config_compact(&c, 0, 1);
    c.rolling.on_checkpoint = true;
    struct harness *h = sink_with(&c, x);
    push(h, "1, de");
    checkpoint(h, 1); /* the merge waits for a thread */
    push(h, "2, de");
    checkpoint(h, 2);
    check_folder("2 hidden");
    assert_true(executor_run_once(x));
    assert_true(harness_wait_wake(h, 60000));
    must(harness_resume(h, &err)); /* takes it in, begins the next */
    checkpoint(h, 3);
    check_folder("1,de/;1 hidden");
    must(harness_end_of_input(h, 0, &err)); /* does not wait for a thread */
    checkpoint(h, 4);
    check_folder("1,de/;2,de/;0 hidden");
    harness_free(h);
    while (executor_run_once(x)) { /* what was given up does nothing */
    }
    executor_free(x);
    check_folder("1,de/;2,de/;0 hidden");
    sink_config_fini(&c);
}

/* Closed while a merge waits for a thread, is done and not taken in, and when there are no threads any more. */
static void test_closed_while_merging(void **state)
{
    for (int when = 0; when < 3; when++) {
        struct executor *x = stepped();
        struct sink_config c;
        sink_config_init(&c, in_dir("out"));
        sink_config_compact(&c, 0, 1);
        c.rolling.on_checkpoint = true;
        struct harness *h = sink_with(&c, x);
        push(h, "1, de");
        checkpoint(h, 1);
        if (when == 1) {
            assert_true(executor_run_once(x));
        }
        if (when == 2) {
            executor_free(x);
        }
        harness_free(h);
        if (when < 2) {
            (void)executor_run_once(x);
            executor_free(x);
        }
        check_folder("1 hidden"); /* the source, of which the checkpoint knows */
        must(fs_delete(in_dir("out"), FS_DELETE_RECURSIVE, &err));
        sink_config_fini(&c);
    }
}

static void test_merge_that_fails(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    sink_config_compact(&c, 1, 0);
    struct harness *h = sink_first(&c);
    push(h, "1, de");
    must(failpoint_configure("fs.local.recoverable.open=error:no more files", &err));
    must_fail(harness_end_of_input(h, 0, &err), ERR_IO, "no more files (while compacting ");
    harness_free(h);
    sink_config_fini(&c);
}

/* ---- parallelism --------------------------------------------------------------------------------- */

static void rescale(struct sink_config *c, uint32_t from, uint32_t to)
{
    struct job_state s = {.n = from};
    struct harness *subtasks[DEALT_SUBTASKS_MAX];
    char row[32];
    for (uint32_t i = 0; i < from; i++) {
        subtasks[i] = sink_opened(c, (struct sink_at){i, from, 0, OP_FLAG_CHECKPOINTS, NULL, NULL});
        snprintf(row, sizeof(row), "%u, de", i);
        push(subtasks[i], row);
        s.subtasks[i] = snapshot(subtasks[i], 1);
        push(subtasks[i], "99, de"); /* in no checkpoint */
    }
    must(failpoint_configure("fs.local.recoverable.cleanup=error", &err)); /* as if killed */
    for (uint32_t i = 0; i < from; i++) {
        harness_free(subtasks[i]);
    }
    failpoint_clear_all();
    for (uint32_t i = 0; i < to; i++) {
        Flinc__OperatorSubtaskState *own = deal(&s, i, to);
        subtasks[i] = sink_opened(
            c, (struct sink_at){i, to, 1, OP_FLAG_CHECKPOINTS | OP_FLAG_RESTORED, NULL, own});
        drop(own);
    }
    for (uint64_t id = 2; id < 5; id++) {
        for (uint32_t i = 0; i < to; i++) {
            snprintf(row, sizeof(row), "%u, de", 10 + i);
            if (id == 2) {
                push(subtasks[i], row);
            } else if (id == 3) {
                must(harness_end_of_input(subtasks[i], 0, &err));
            }
            drop(snapshot(subtasks[i], id));
        }
        for (uint32_t i = 0; i < to; i++) {
            complete(subtasks[i], id);
        }
    }
    for (uint32_t i = 0; i < to; i++) {
        harness_free(subtasks[i]);
    }
    job_state_clear(&s);
}

static void test_rescale(void **state)
{
    for (int compacted = 0; compacted < 2; compacted++) {
        struct sink_config c;
        sink_config_init(&c, in_dir("out"));
        if (compacted) {
            sink_config_compact(&c, 1, 0);
        }
        rescale(&c, 3, 1);
        check_folder(compacted ? "0,de/1,de/2,de/;10,de/;0 hidden"
                               : "0,de/;1,de/;10,de/;2,de/;0 hidden");
        must(fs_delete(in_dir("out"), FS_DELETE_RECURSIVE, &err));
        rescale(&c, 1, 3);
        check_folder("0,de/;10,de/;11,de/;12,de/;0 hidden");
        must(fs_delete(in_dir("out"), FS_DELETE_RECURSIVE, &err));
        sink_config_fini(&c);
    }
}

/* Hidden files of other subtasks are no leftovers. */
static void test_rescale_of_hidden_files(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    sink_config_compact(&c, 0, 3);
    c.rolling.on_checkpoint = true;
    rescale(&c, 3, 2);
    check_folder("0,de/2,de/10,de/;1,de/11,de/;0 hidden");
    sink_config_fini(&c);
}

/* ---- killed ---------------------------------------------------------------------------------------- */

enum { ROWS = 60, ROWS_PER_CHECKPOINT = 5 };

/* Where the job master keeps the latest complete checkpoint: "<id> <rows before it> <state>". */
static void write_checkpoint(uint64_t id, int64_t rows, Flinc__OperatorSubtaskState *take_state)
{
    STR_AUTO bytes = STR_INIT;
    size_t size = flinc__operator_subtask_state__get_packed_size(take_state);
    str_append(&bytes, (const char *)&id, sizeof(id));
    str_append(&bytes, (const char *)&rows, sizeof(rows));
    str_reserve(&bytes, size + 1);
    flinc__operator_subtask_state__pack(take_state, (uint8_t *)bytes.data + bytes.len);
    put_file("chk.new", bytes.data, bytes.len + size);
    must(fs_rename(in_dir("chk.new"), in_dir("chk"), &err));
    drop(take_state);
}

static Flinc__OperatorSubtaskState *read_checkpoint(uint64_t *ret_id, int64_t *ret_rows)
{
    STR_AUTO bytes = STR_INIT;
    if (fs_exists(in_dir("chk"), NULL) != 1) {
        return NULL;
    }
    read_file(in_dir("chk"), &bytes);
    memcpy(ret_id, bytes.data, sizeof(*ret_id));
    memcpy(ret_rows, bytes.data + sizeof(*ret_id), sizeof(*ret_rows));
    return flinc__operator_subtask_state__unpack(NULL, bytes.len - 16,
                                                 (const uint8_t *)bytes.data + 16);
}

/* Ends an attempt in which something failed: false. */
static bool failed(struct harness *h, Flinc__OperatorSubtaskState *restored)
{
    harness_free(h);
    if (restored != NULL) {
        drop(restored);
    }
    return false;
}

/* One attempt, from the latest checkpoint to the end, or until something fails, or until it is cancelled behind so many
 * rows: false.  Every third notice is lost. */
static bool attempt(const struct sink_config *c, uint32_t number, int64_t cancelled_after)
{
    uint64_t id = 0;
    int64_t rows = 0;
    Flinc__OperatorSubtaskState *s = read_checkpoint(&id, &rows);
    struct harness *h = sink_new(
        c, (struct sink_at){.flags = OP_FLAG_CHECKPOINTS | (s != NULL ? OP_FLAG_RESTORED : 0),
                            .restore = s,
                            .attempt = number});
    if (harness_open(h, NULL) < 0) {
        return failed(h, s);
    }
    bool ended = false; /* also what is restored from the last checkpoint makes one more */
    while (!ended) {
        for (int i = 0; i < ROWS_PER_CHECKPOINT && rows < ROWS; i++) {
            char row[32];
            snprintf(row, sizeof(row), "%lld, %s", (long long)rows, rows % 2 == 0 ? "de" : "us");
            if (harness_push_rows(h, 0, row, NULL) < 0 || harness_flush(h, NULL) < 0 ||
                --cancelled_after == 0) {
                return failed(h, s);
            }
            rows++;
        }
        ended = rows == ROWS;
        Flinc__OperatorSubtaskState *now = NULL;
        id++;
        if ((ended && harness_end_of_input(h, 0, NULL) < 0) ||
            harness_snapshot(h, id, FULL, &now, NULL) < 0) {
            return failed(h, s);
        }
        write_checkpoint(id, rows, now);
        if ((id % 3 != 0 || ended) && harness_notify(h, OP_NOTICE_COMPLETE, id, NULL) < 0) {
            return failed(h, s);
        }
    }
    (void)failed(h, s);
    return true;
}

static int run_attempt(const struct sink_config *c, uint32_t number, const char *failpoints,
                       int64_t cancelled_after)
{
    int status = -1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (failpoints != NULL && failpoint_configure(failpoints, NULL) < 0) {
            _exit(2);
        }
        _exit(attempt(c, number, cancelled_after) ? 0 : 3); /* a failed assertion exits elsewhere */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

static void count_rows(const char *text, const char *bucket, int *times)
{
    const char *at = text;
    while (*at != '\0') {
        char *end = NULL;
        long n = strtol(at, &end, 10);
        assert_in_range(n, 0, ROWS - 1);
        times[n]++;
        assert_int_equal(*end, ',');
        assert_int_equal(strncmp(end + 1, n % 2 == 0 ? "de" : "us", 2), 0);
        assert_true(bucket[0] == '\0' || strncmp(bucket, n % 2 == 0 ? "de" : "us", 2) == 0);
        at = strchr(end, '/') + 1;
    }
}

/* Every row once in what is visible, in its bucket, and nothing hidden. */
static void check_all(const char *why)
{
    int times[ROWS] = {0};
    struct seen s = {.texts = VEC_INIT(char *)};
    look(in_dir("out"), "", &s);
    for (size_t i = 0; i < s.texts.len; i++) {
        char *text = vec_ptr(&s.texts, i);
        char *colon = strchr(text, ':');
        count_rows(colon != NULL ? colon + 1 : text, colon != NULL ? text : "", times);
        mem_free(text);
    }
    vec_fini(&s.texts);
    str_fini(&s.names);
    for (int i = 0; i < ROWS; i++) {
        if (times[i] != 1) {
            fail_msg("row %d is there %d times, after %s", i, times[i], why);
        }
    }
    if (s.hidden != 0) {
        fail_msg("%d hidden files are left, after %s", s.hidden, why);
    }
}

static const char *const places[] = {
    "sink.file.close.before",
    "sink.file.close.after",
    "sink.file.persist",
    "sink.file.snapshot",
    "sink.file.commit.before",
    "sink.file.commit.after",
    "sink.file.restore.before_commit",
    "sink.file.restore.after_commit",
    "sink.file.hide",
    "sink.file.compact.begin",
    "sink.file.compact.end",
    "sink.file.compact.remove",
    "fs.local.recoverable.open",
    "fs.local.recoverable.persist",
    "fs.local.recoverable.seal",
    "fs.local.recoverable.before_rename",
    "fs.local.recoverable.after_rename",
};

/* Open over checkpoints or not, one bucket or two, compacted or not, rolling or not. */
static void config_of_kind(struct sink_config *c, uint64_t kind)
{
    sink_config_init(c, in_dir("out"));
    c->rolling.on_checkpoint = (kind & 1) != 0;
    c->rolling.part_bytes = (kind & 2) != 0 ? 20 : 0;
    if ((kind & 4) != 0) {
        sink_config_by_country(c);
    }
    if ((kind & 8) != 0) {
        sink_config_compact(c, (kind & 2) != 0 ? 30 : 0, (kind & 2) != 0 ? 0 : 2);
    }
}

static void clear_all(struct sink_config *c)
{
    must(fs_delete(in_dir("out"), FS_DELETE_RECURSIVE, &err));
    must(fs_delete(in_dir("chk"), FS_DELETE_ONE, &err));
    sink_config_fini(c);
}

/* Something happens once at a place, then again at the same place of the next attempt, then not. */
static void all_places(const char *action)
{
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        for (uint64_t kind = i % 3; kind < 16; kind += 3) {
            struct sink_config c;
            char what[128];
            config_of_kind(&c, kind);
            snprintf(what, sizeof(what), "%s=%s,nth=%d", places[i], action, 1 + (int)(kind % 3));
            (void)run_attempt(&c, 0, "sink.file.snapshot=kill,nth=4", 0);
            (void)run_attempt(&c, 1, what, 0);
            (void)run_attempt(&c, 2, what, 0);
            assert_int_equal(run_attempt(&c, 3, NULL, 0), 0);
            snprintf(what, sizeof(what), "%s at %s, kind %d", action, places[i], (int)kind);
            check_all(what);
            clear_all(&c);
        }
    }
}

static void test_killed_everywhere(void **state)
{
    all_places("kill");
}

static void test_fails_everywhere(void **state)
{
    all_places("error");
}

static void test_killed_at_random(void **state)
{
    for (uint64_t seed = 1; seed <= 32; seed++) {
        struct sink_config c;
        struct rng rng;
        uint32_t number = 0;
        char why[64];
        rng_init(&rng, seed);
        config_of_kind(&c, seed);
        for (int status = -1; status != 0; number++) {
            char kill[256];
            snprintf(kill, sizeof(kill), "%s=kill,nth=%d",
                     places[rng_below(&rng, ARRAY_LEN(places))], 1 + (int)rng_below(&rng, 8));
            int64_t cancelled = number % 3 == 1 ? 1 + (int64_t)rng_below(&rng, 20) : 0;
            status = run_attempt(&c, number, number < 8 ? kill : NULL, number < 8 ? cancelled : 0);
            assert_true(number < 20);
        }
        snprintf(why, sizeof(why), "seed %d", (int)seed);
        check_all(why);
        clear_all(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_restore_of_an_open_file),
        FILES_TEST(test_restore_of_a_file_that_was_closed_since),
        FILES_TEST(test_zombie_with_an_open_file),
        FILES_TEST(test_savepoint),
        FILES_TEST(test_restore_of_hidden_files),
        FILES_TEST(test_restore_of_a_merged_file),
        FILES_TEST(test_compaction_is_taken_out),
        FILES_TEST(test_merges_by_an_executor),
        FILES_TEST(test_closed_while_merging),
        FILES_TEST(test_merge_that_fails),
        FILES_TEST(test_rescale),
        FILES_TEST(test_rescale_of_hidden_files),
        FILES_TEST(test_killed_everywhere),
        FILES_TEST(test_fails_everywhere),
        FILES_TEST(test_killed_at_random),
    };
    if (access("/dev/shm", W_OK) ==
        0) { /* processes die here, not the machine: syncs need no disk */
        setenv("TMPDIR", "/dev/shm", 0);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
