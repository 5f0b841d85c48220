/* The text sink with checkpoints: each line appears once, whatever is killed where, whether notices come
 * or not, at any parallelism; and nothing hidden is left for ever.
 *
 * An attempt is a child process that a failpoint kills; what is in a file "chk" is a complete checkpoint,
 * from which the next attempt starts. */
#include "common/base/clock.h"
#include "files_fixture.h"
#include "proto/operators.pb-c.h"
#include "state_fixture.h"

#include <signal.h>
#include <sys/wait.h>

FLINC_STRUCT(line, FLINC_INT64(n));

#define FULL FLINC__CHECKPOINT_KIND__CHECKPOINT_FULL

static Flinc__TextSinkConfig config_of(const char *path)
{
    Flinc__TextSinkConfig c = FLINC__TEXT_SINK_CONFIG__INIT;
    c.path = (char *)(uintptr_t)path;
    c.run_id = (char *)(uintptr_t) "run";
    c.part_prefix = (char *)(uintptr_t) "part";
    return c;
}

struct place {
    uint32_t subtask, parallelism, attempt;
};

static struct harness *sink(const Flinc__TextSinkConfig *c, struct place at,
                            const Flinc__OperatorSubtaskState *restore)
{
    struct harness *h;
    must(harness_new(&(struct harness_options){.kind = "flinc.sink.text",
                                               .config = &c->base,
                                               .inputs = {FLINC_TYPE(line)},
                                               .flags = OP_FLAG_CHECKPOINTS,
                                               .subtask = at.subtask,
                                               .parallelism = at.parallelism,
                                               .restore = restore,
                                               .restore_checkpoint = 1},
                     &h, &err));
    harness_context(h)->attempt_number = at.attempt;
    must(harness_open(h, &err));
    return h;
}

static struct harness *first_sink(const Flinc__TextSinkConfig *c)
{
    return sink(c, (struct place){0, 1, 0}, NULL);
}

static void push(struct harness *h, const char *rows)
{
    must(harness_push_rows(h, 0, rows, &err));
    must(harness_flush(h, &err));
}

static Flinc__OperatorSubtaskState *snapshot(struct harness *h, uint64_t id)
{
    Flinc__OperatorSubtaskState *s = NULL;
    must(harness_snapshot(h, id, FULL, &s, &err));
    return s;
}

static void complete(struct harness *h, uint64_t id)
{
    must(harness_notify(h, OP_NOTICE_COMPLETE, id, &err));
}

static void drop(Flinc__OperatorSubtaskState *s)
{
    flinc__operator_subtask_state__free_unpacked(s, NULL);
}

/* "name:contents;" of visible files with '/' for line ends, and how many are hidden. */
static const char *folder(void)
{
    static char text[8192];
    STR_AUTO out = STR_INIT;
    struct fs_list list = FS_LIST_INIT;
    int hidden = 0;
    must(fs_list_dir(in_dir("out"), &list, &err));
    for (size_t i = 0; i < list.n; i++) {
        if (list.entries[i].name[0] == '.') {
            hidden++;
            continue;
        }
        str_printf(&out, "%s:", list.entries[i].name);
        read_file(list.entries[i].path, &out);
        str_append_char(&out, ';');
    }
    fs_list_fini(&list);
    str_printf(&out, "%d hidden", hidden);
    snprintf(text, sizeof(text), "%s", str_cstr(&out));
    for (char *p = text; *p != '\0'; p++) {
        *p = *p == '\n' ? '/' : *p;
    }
    return text;
}

/* ---- one subtask ------------------------------------------------------------------------------- */

static void test_appears_when_complete(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    struct harness *h = first_sink(&c);
    push(h, "1\n2");
    drop(snapshot(h, 1));
    push(h, "3");
    assert_string_equal(folder(), "2 hidden");
    complete(h, 1);
    assert_string_equal(folder(), "part-run-0-0:1/2/;1 hidden");
    complete(h, 1); /* again: nothing */
    drop(snapshot(h, 2));
    push(h, "4");
    drop(snapshot(h, 3));
    must(harness_notify(h, OP_NOTICE_ABORTED, 2, &err));
    complete(h, 3); /* stands for 2, whose notice was another */
    complete(h, 2); /* late */
    assert_string_equal(folder(), "part-run-0-0:1/2/;part-run-0-1:3/;part-run-0-2:4/;0 hidden");
    push(h, "5");
    must(harness_end_of_input(h, 0, &err));
    assert_non_null(strstr(folder(), "1 hidden"));
    drop(snapshot(h, 4)); /* the last of the job */
    complete(h, 4);
    assert_non_null(strstr(folder(), "part-run-0-3:5/;0 hidden"));
    harness_free(h);
}

/* Rolling by size makes more parts, not earlier ones. */
static void test_rolled_parts_wait(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    c.rolling_bytes = 1;
    struct harness *h = first_sink(&c);
    push(h, "1");
    push(h, "2");
    push(h, "3");
    assert_string_equal(folder(), "3 hidden");
    drop(snapshot(h, 1));
    complete(h, 1);
    assert_string_equal(folder(), "part-run-0-0:1/;part-run-0-1:2/;part-run-0-2:3/;0 hidden");
    drop(snapshot(h, 2)); /* without lines no part */
    complete(h, 2);
    push(h, "4");
    harness_free(h); /* cancelled: what is in no checkpoint goes */
    assert_non_null(strstr(folder(), "0 hidden"));
}

/* The notice was lost: who restores commits.  Restored twice: once. */
static void test_restore_commits(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    struct harness *h = first_sink(&c);
    push(h, "1");
    Flinc__OperatorSubtaskState *s = snapshot(h, 1);
    push(h, "2"); /* will come again */
    harness_free(h);
    assert_string_equal(folder(), "1 hidden");
    for (uint32_t attempt = 1; attempt < 3; attempt++) {
        h = sink(&c, (struct place){0, 1, attempt}, s);
        assert_string_equal(folder(), "part-run-0-0:1/;0 hidden");
        harness_free(h);
    }
    h = sink(&c, (struct place){0, 1, 3}, s);
    push(h, "2");
    drop(s);
    drop(snapshot(h, 2));
    complete(h, 2);
    assert_string_equal(folder(), "part-run-0-0:1/;part-run-0-1:2/;0 hidden");
    harness_free(h);
}

/* A finished part that somebody has taken away does not fail the job for ever. */
static void test_moved_away(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    struct harness *h = first_sink(&c);
    push(h, "1");
    Flinc__OperatorSubtaskState *s = snapshot(h, 1);
    complete(h, 1);
    harness_free(h);
    must(fs_rename(in_dir("out/part-run-0-0"), in_dir("taken"), &err));
    h = sink(&c, (struct place){0, 1, 1}, s);
    assert_string_equal(folder(), "0 hidden");
    push(h, "2");
    drop(s);
    drop(snapshot(h, 2));
    complete(h, 2);
    assert_string_equal(folder(), "part-run-0-1:2/;0 hidden"); /* the number is not used again */
    harness_free(h);
}

/* An attempt that was thought dead goes on: nothing of it is ever seen, and it does no harm. */
static void test_zombie(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    struct harness *zombie = first_sink(&c);
    push(zombie, "1");
    Flinc__OperatorSubtaskState *s = snapshot(zombie, 1);
    push(zombie, "2");
    struct harness *h = sink(&c, (struct place){0, 1, 1}, s);
    must_fail(harness_notify(zombie, OP_NOTICE_COMPLETE, 1, &err), ERR_NOT_FOUND, "is gone");
    push(h, "2");
    drop(snapshot(zombie, 2));
    push(zombie, "3");
    drop(snapshot(h, 2));
    complete(h, 2);
    harness_free(zombie);
    push(h, "3");
    drop(snapshot(h, 3));
    complete(h, 3);
    harness_free(h);
    drop(s);
    const char *now = folder();
    assert_non_null(strstr(now, "part-run-0-0:1/;part-run-0-1:2/;part-run-0-2:3/;"));
}

/* A zombie that wakes up in its open() cannot take the living one's files. */
static void test_zombie_that_begins(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    struct harness *h = sink(&c, (struct place){0, 1, 2}, NULL);
    push(h, "1");
    Flinc__OperatorSubtaskState *s = snapshot(h, 1);
    struct harness *zombie = sink(&c, (struct place){0, 1, 1}, NULL); /* lists the living one's */
    drop(snapshot(zombie, 1));
    harness_free(zombie);
    complete(h, 1);
    assert_string_equal(folder(), "part-run-0-0:1/;0 hidden");
    harness_free(h);
    drop(s);
}

/* What a savepoint refers to is not cleared away, though the job went back before it. */
static void test_savepoint_keeps_its_parts(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    Flinc__OperatorSubtaskState *savepoint = NULL;
    struct harness *h = first_sink(&c);
    push(h, "1");
    must(harness_snapshot(h, 1, FLINC__CHECKPOINT_KIND__CHECKPOINT_SAVEPOINT_NATIVE, &savepoint,
                          &err));
    harness_free(h);
    h = sink(&c, (struct place){0, 1, 1}, NULL); /* from the start */
    push(h, "1");
    drop(snapshot(h, 2));
    complete(h, 2);
    assert_string_equal(folder(), "part-run-0-0:1/;2 hidden"); /* the part, and the mark */
    harness_free(h);
    assert_int_equal(fs_delete(in_dir("out/part-run-0-0"), FS_DELETE_ONE, NULL), 0);
    Flinc__TextSinkConfig other = c;
    other.run_id = (char *)(uintptr_t) "other";
    h = sink(&other, (struct place){0, 1, 0}, savepoint);
    assert_string_equal(folder(), "part-run-0-0:1/;1 hidden");
    harness_free(h);
    drop(savepoint);
}

/* ---- parallelism ------------------------------------------------------------------------------- */

static void rescale(uint32_t from, uint32_t to)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    struct job_state s = {.n = from};
    struct harness *subtasks[DEALT_SUBTASKS_MAX];
    char row[32];
    for (uint32_t i = 0; i < from; i++) {
        subtasks[i] = sink(&c, (struct place){i, from, 0}, NULL);
        snprintf(row, sizeof(row), "%u", i);
        push(subtasks[i], row);
        s.subtasks[i] = snapshot(subtasks[i], 1);
        push(subtasks[i], "99"); /* in no checkpoint */
    }
    must(failpoint_configure("fs.local.recoverable.cleanup=error", &err)); /* as if killed */
    for (uint32_t i = 0; i < from; i++) {
        harness_free(subtasks[i]);
    }
    failpoint_clear_all();
    for (uint32_t i = 0; i < to; i++) {
        Flinc__OperatorSubtaskState *own = deal(&s, i, to);
        subtasks[i] = sink(&c, (struct place){i, to, 1}, own);
        drop(own);
    }
    for (uint32_t i = 0; i < to; i++) {
        snprintf(row, sizeof(row), "%u", 10 + i);
        push(subtasks[i], row);
        drop(snapshot(subtasks[i], 2));
    }
    for (uint32_t i = 0; i < to; i++) {
        complete(subtasks[i], 2);
        harness_free(subtasks[i]);
    }
    job_state_clear(&s);
}

static void test_rescale(void **state)
{
    rescale(3, 1);
    assert_string_equal(folder(), "part-run-0-0:0/;part-run-0-1:10/;part-run-1-0:1/;"
                                  "part-run-2-0:2/;0 hidden");
    must(fs_delete(in_dir("out"), FS_DELETE_RECURSIVE, &err));
    rescale(1, 3);
    assert_string_equal(folder(), "part-run-0-0:0/;part-run-0-1:10/;part-run-1-1:11/;"
                                  "part-run-2-1:12/;0 hidden");
}

/* ---- killed ------------------------------------------------------------------------------------ */

enum { LINES = 60, LINES_PER_CHECKPOINT = 5 };

/* Where the job master keeps the latest complete checkpoint: "<id> <lines before it> <state>". */
static void write_checkpoint(uint64_t id, int64_t lines, const Flinc__OperatorSubtaskState *s)
{
    STR_AUTO bytes = STR_INIT;
    size_t size = flinc__operator_subtask_state__get_packed_size(s);
    str_append(&bytes, (const char *)&id, sizeof(id));
    str_append(&bytes, (const char *)&lines, sizeof(lines));
    str_reserve(&bytes, size + 1);
    flinc__operator_subtask_state__pack(s, (uint8_t *)bytes.data + bytes.len);
    put_file("chk.new", bytes.data, bytes.len + size);
    must(fs_rename(in_dir("chk.new"), in_dir("chk"), &err));
}

static Flinc__OperatorSubtaskState *read_checkpoint(uint64_t *ret_id, int64_t *ret_lines)
{
    STR_AUTO bytes = STR_INIT;
    if (fs_exists(in_dir("chk"), NULL) != 1) {
        return NULL;
    }
    read_file(in_dir("chk"), &bytes);
    memcpy(ret_id, bytes.data, sizeof(*ret_id));
    memcpy(ret_lines, bytes.data + sizeof(*ret_id), sizeof(*ret_lines));
    return flinc__operator_subtask_state__unpack(NULL, bytes.len - 16,
                                                 (const uint8_t *)bytes.data + 16);
}

/* One attempt, from the latest checkpoint to the end.  Every third notice is lost. */
static void attempt(const Flinc__TextSinkConfig *c, uint32_t number)
{
    uint64_t id = 0;
    int64_t lines = 0;
    Flinc__OperatorSubtaskState *s = read_checkpoint(&id, &lines);
    struct harness *h = sink(c, (struct place){0, 1, number}, s);
    while (lines < LINES) {
        for (int i = 0; i < LINES_PER_CHECKPOINT; i++) {
            char row[32];
            snprintf(row, sizeof(row), "%lld", (long long)lines++);
            push(h, row);
        }
        if (lines == LINES) {
            must(harness_end_of_input(h, 0, &err));
        }
        id++;
        write_checkpoint(id, lines, snapshot(h, id));
        if (id % 3 != 0 || lines == LINES) {
            complete(h, id);
        }
    }
    harness_free(h);
}

static int run_attempt(const Flinc__TextSinkConfig *c, uint32_t number, const char *failpoints)
{
    int status = -1;
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        if (failpoints != NULL && failpoint_configure(failpoints, NULL) < 0) {
            _exit(2);
        }
        attempt(c, number);
        _exit(0); /* a failed assertion exits elsewhere */
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    return status;
}

/* Every line once in what is visible, and nothing hidden. */
static void check_lines(void)
{
    int times[LINES] = {0};
    struct fs_list list = FS_LIST_INIT;
    must(fs_list_dir(in_dir("out"), &list, &err));
    for (size_t i = 0; i < list.n; i++) {
        STR_AUTO text = STR_INIT;
        struct slice rest, one;
        if (list.entries[i].name[0] == '.') {
            fail_msg("%s is left", list.entries[i].name);
        }
        read_file(list.entries[i].path, &text);
        rest = str_slice(&text);
        while (rest.len > 0 && slice_next(&rest, '\n', &one)) {
            int n = atoi(one.data);
            assert_in_range(n, 0, LINES - 1);
            times[n]++;
        }
    }
    fs_list_fini(&list);
    for (int i = 0; i < LINES; i++) {
        assert_int_equal(times[i], 1);
    }
}

static const char *const places[] = {
    "sink.file.close.before",
    "sink.file.close.after",
    "sink.file.snapshot",
    "sink.file.commit.before",
    "sink.file.commit.after",
    "sink.file.restore.before_commit",
    "sink.file.restore.after_commit",
    "fs.local.recoverable.open",
    "fs.local.recoverable.persist",
    "fs.local.recoverable.before_rename",
    "fs.local.recoverable.after_rename",
};

/* Killed once at a place, then again at the same place of the next attempt, then not. */
static void test_killed_everywhere(void **state)
{
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        for (int nth = 1; nth < 9; nth += 3) {
            Flinc__TextSinkConfig c = config_of(in_dir("out"));
            char kill[128];
            c.rolling_bytes = nth == 4 ? 1 : 0;
            snprintf(kill, sizeof(kill), "%s=kill,nth=%d", places[i], nth);
            (void)run_attempt(&c, 0, "sink.file.commit.before=kill,nth=3");
            int status = run_attempt(&c, 1, kill);
            assert_true(WIFSIGNALED(status) || nth > 1 || strstr(places[i], "restore") != NULL);
            (void)run_attempt(&c, 2, kill);
            assert_int_equal(run_attempt(&c, 3, NULL), 0);
            check_lines();
            must(fs_delete(in_dir("out"), FS_DELETE_RECURSIVE, &err));
            must(fs_delete(in_dir("chk"), FS_DELETE_ONE, &err));
        }
    }
}

/* Attempts that are killed at random until one comes through. */
static bool random_life(uint64_t seed, const char *planted)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    struct rng rng;
    uint32_t number = 0;
    bool good = true;
    rng_init(&rng, seed);
    c.rolling_bytes = seed % 2;
    for (int status = -1; status != 0; number++) {
        char kill[256];
        snprintf(kill, sizeof(kill), "%s=kill,nth=%d%s", places[rng_below(&rng, ARRAY_LEN(places))],
                 1 + (int)rng_below(&rng, 8), planted);
        status = run_attempt(&c, number,
                             number < 8           ? kill
                             : planted[0] != '\0' ? planted + 1
                                                  : NULL);
    }
    if (planted[0] == '\0') {
        check_lines();
    } else { /* what appeared, is it more than there was? */
        struct fs_list list = FS_LIST_INIT;
        size_t n = 0;
        must(fs_list_dir(in_dir("out"), &list, &err));
        for (size_t i = 0; i < list.n; i++) {
            STR_AUTO text = STR_INIT;
            if (list.entries[i].name[0] != '.') {
                read_file(list.entries[i].path, &text);
            }
            for (size_t k = 0; k < text.len; k++) {
                n += text.data[k] == '\n';
            }
        }
        fs_list_fini(&list);
        good = n == LINES;
    }
    must(fs_delete(in_dir("out"), FS_DELETE_RECURSIVE, &err));
    must(fs_delete(in_dir("chk"), FS_DELETE_ONE, &err));
    return good;
}

static void test_killed_at_random(void **state)
{
    for (uint64_t seed = 1; seed <= 25; seed++) {
        assert_true(random_life(seed, ""));
    }
}

/* The bugs that the checker must find are visible here, too. */
static void test_planted_bugs(void **state)
{
    static const char *const bugs[] = {";planted.double_commit=error",
                                       ";planted.sink_commits_early=error"};
    for (size_t i = 0; i < ARRAY_LEN(bugs); i++) {
        bool found = false;
        for (uint64_t seed = 1; seed <= 20 && !found; seed++) {
            found = !random_life(seed, bugs[i]);
        }
        assert_true(found);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_appears_when_complete),
        FILES_TEST(test_rolled_parts_wait),
        FILES_TEST(test_restore_commits),
        FILES_TEST(test_moved_away),
        FILES_TEST(test_zombie),
        FILES_TEST(test_zombie_that_begins),
        FILES_TEST(test_savepoint_keeps_its_parts),
        FILES_TEST(test_rescale),
        FILES_TEST(test_killed_everywhere),
        FILES_TEST(test_killed_at_random),
        FILES_TEST(test_planted_bugs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
