/* The text sink: parts that appear by rename when they are finished, and nothing else ever. */
#include "files_fixture.h"
#include "proto/operators.pb-c.h"
#include "struct_fixture.h"

#include <errno.h>
#include <sys/mount.h>

FLINC_STRUCT(count, FLINC_STRING(word), FLINC_INT64(n));

static Flinc__TextSinkConfig config_of(const char *path)
{
    Flinc__TextSinkConfig c = FLINC__TEXT_SINK_CONFIG__INIT;
    c.path = (char *)(uintptr_t)path;
    c.run_id = (char *)(uintptr_t) "run";
    c.part_prefix = (char *)(uintptr_t) "part";
    return c;
}

static struct harness *sink_new(const Flinc__TextSinkConfig *c, uint32_t flags, uint32_t attempt,
                                const struct clock *clock)
{
    struct harness *h;
    must(harness_new(&(struct harness_options){.kind = "flinc.sink.text",
                                               .config = &c->base,
                                               .inputs = {FLINC_TYPE(count)},
                                               .flags = flags,
                                               .clock = clock},
                     &h, &err));
    harness_context(h)->attempt_number = attempt;
    return h;
}

static struct harness *sink_opened(const Flinc__TextSinkConfig *c, uint32_t flags, uint32_t attempt,
                                   const struct clock *clock)
{
    struct harness *h = sink_new(c, flags, attempt, clock);
    must(harness_open(h, &err));
    return h;
}

/* Visible and hidden files of the folder: "name:contents;" each, hidden ones as ".;". */
static const char *folder(const char *name)
{
    static char text[4096];
    STR_AUTO out = STR_INIT;
    struct fs_list list = FS_LIST_INIT;
    must(fs_list_dir(in_dir(name), &list, &err));
    for (size_t i = 0; i < list.n; i++) {
        if (list.entries[i].name[0] == '.') {
            str_append_cstr(&out, ".;");
            continue;
        }
        str_printf(&out, "%s:", list.entries[i].name);
        read_file(list.entries[i].path, &out);
        str_append_char(&out, ';');
    }
    fs_list_fini(&list);
    snprintf(text, sizeof(text), "%s", str_cstr(&out));
    return text;
}

/* ---- parts ------------------------------------------------------------------------------------- */

static void test_appears_at_the_end(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out/deep"));
    struct harness *h = sink_opened(&c, OP_FLAG_INPUTS_BOUNDED, 0, NULL);
    must(harness_push_rows(h, 0, "be, 2\n'or, not', 1", &err));
    assert_string_equal(folder("out/deep"), ""); /* no empty file */
    must(harness_flush(h, &err));
    assert_string_equal(folder("out/deep"), ".;");
    must(harness_push_rows(h, 0, "to, 2", &err));
    must(harness_end_of_input(h, 0, &err));
    assert_string_equal(folder("out/deep"), "part-run-0-0:(be,2)\n(or, not,1)\n(to,2)\n;");
    harness_free(h);
    assert_string_equal(folder("out/deep"), "part-run-0-0:(be,2)\n(or, not,1)\n(to,2)\n;");
}

static void test_no_records(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    struct harness *h = sink_opened(&c, OP_FLAG_INPUTS_BOUNDED, 0, NULL);
    must(harness_end_of_input(h, 0, &err));
    harness_free(h);
    assert_string_equal(folder("out"), "");
}

/* Bounded input: a part that rolled may have to be taken back, so it waits for the end. */
static void test_rolling_bounded(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    c.rolling_bytes = 1;
    c.part_suffix = (char *)(uintptr_t) ".txt";
    struct harness *h = sink_opened(&c, OP_FLAG_INPUTS_BOUNDED, 0, NULL);
    for (int i = 0; i < 3; i++) {
        must(harness_push_rows(h, 0, "a, 1", &err));
        must(harness_flush(h, &err));
    }
    assert_string_equal(folder("out"), ".;.;.;");
    must(harness_end_of_input(h, 0, &err));
    assert_string_equal(folder("out"), "part-run-0-0.txt:(a,1)\n;part-run-0-1.txt:(a,1)\n;"
                                       "part-run-0-2.txt:(a,1)\n;");
    harness_free(h);
}

static void test_rolling_unbounded(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    struct clock_manual clock;
    clock_manual_init(&clock);
    c.rolling_interval_ms = 1000;
    struct harness *h = sink_opened(&c, 0, 0, &clock.base);
    must(harness_push_rows(h, 0, "a, 1", &err));
    must(harness_flush(h, &err));
    clock_manual_advance_ms(&clock, 999);
    must(harness_push_rows(h, 0, "a, 2", &err));
    must(harness_flush(h, &err));
    assert_string_equal(folder("out"), ".;");
    clock_manual_advance_ms(&clock, 1);
    must(harness_push_rows(h, 0, "a, 3", &err));
    must(harness_flush(h, &err));
    assert_string_equal(folder("out"), ".;part-run-0-0:(a,1)\n(a,2)\n;");
    harness_free(h); /* cancelled: the open part goes, finished ones stay */
    assert_string_equal(folder("out"), "part-run-0-0:(a,1)\n(a,2)\n;");
}

/* ---- failure ----------------------------------------------------------------------------------- */

static void test_failure_leaves_nothing(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    c.rolling_bytes = 1;
    struct harness *h = sink_opened(&c, OP_FLAG_INPUTS_BOUNDED, 0, NULL);
    for (int i = 0; i < 3; i++) {
        must(harness_push_rows(h, 0, "a, 1", &err));
        must(harness_flush(h, &err));
    }
    harness_free(h);
    assert_string_equal(folder("out"), "");
}

static void test_failure_at_the_end(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    struct harness *h = sink_opened(&c, OP_FLAG_INPUTS_BOUNDED, 0, NULL);
    must(harness_push_rows(h, 0, "a, 1", &err));
    must(failpoint_configure("fs.local.recoverable.before_rename=error:pulled plug", &err));
    must_fail(harness_end_of_input(h, 0, &err), ERR_IO, "pulled plug");
    harness_free(h);
    assert_string_equal(folder("out"), "");
}

/* Files of an earlier attempt of the same run and subtask go, all others stay. */
static void test_attempt_removes_leftovers(void **state)
{
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    put_text("out/part-run-0-0", "old");
    put_text("out/.part-run-0-1.inprogress.0123", "old");
    put_text("out/part-run-00-1", "other subtask");
    put_text("out/part-run-1-0", "other subtask");
    put_text("out/part-run2-0-0", "other run");
    put_text("out/notes", "mine");
    harness_free(sink_opened(&c, OP_FLAG_INPUTS_BOUNDED, 0, NULL));
    assert_string_equal(folder("out"), ".;notes:mine;part-run-0-0:old;part-run-00-1:other subtask;"
                                       "part-run-1-0:other subtask;part-run2-0-0:other run;");
    harness_free(sink_opened(&c, OP_FLAG_INPUTS_BOUNDED, 1, NULL));
    assert_string_equal(folder("out"), "notes:mine;part-run-00-1:other subtask;"
                                       "part-run-1-0:other subtask;part-run2-0-0:other run;");
}

static int fill(struct harness *h, struct error *err)
{
    for (int i = 0; i < 10000; i++) {
        TRY(harness_push_rows(h, 0, "a word that takes some place on the disk, 1", err));
        TRY(harness_flush(h, err));
    }
    return harness_end_of_input(h, 0, err);
}

static void test_disk_full(void **state)
{
    must(fs_mkdirs(in_dir("small"), &err));
    if (mount("tmpfs", in_dir("small"), "tmpfs", 0, "size=64k") < 0) {
        print_message("skipped: cannot mount a small tmpfs (%s)\n", strerror(errno));
        return;
    }
    Flinc__TextSinkConfig c = config_of(in_dir("small/out"));
    struct harness *h = sink_opened(&c, OP_FLAG_INPUTS_BOUNDED, 0, NULL);
    struct error err = ERROR_INIT;
    int rc = fill(h, &err);
    harness_free(h);
    bool left = strcmp(folder("small/out"), "") != 0;
    assert_int_equal(umount(in_dir("small")), 0);
    assert_int_equal(rc, ERR_NO_SPACE);
    assert_non_null(strstr(err.message, "small/out/.part-run-0-0"));
    assert_false(left);
}

static void test_bad_places(void **state)
{
    Flinc__TextSinkConfig c = config_of(put_text("file", "x"));
    struct harness *h = sink_new(&c, 0, 0, NULL);
    must_fail(harness_open(h, &err), ERR_ALREADY_EXISTS, "making the output folder");
    harness_free(h);
    c = config_of(in_dir("out"));
    c.part_prefix = (char *)(uintptr_t) "../up";
    h = sink_opened(&c, 0, 0, NULL);
    must(harness_push_rows(h, 0, "a, 1", &err));
    must_fail(harness_flush(h, &err), ERR_INVALID_ARGUMENT, "../up-run-0-0");
    harness_free(h);
    c = config_of("");
    h = sink_new(&c, 0, 0, NULL);
    must_fail(harness_open(h, &err), ERR_PARSE, "damaged");
    harness_free(h);
}

/* ---- formats ----------------------------------------------------------------------------------- */

static int csv(flinc_ctx *ctx, const count *in, flinc_text *out)
{
    if (in->n < 0) {
        return flinc_ctx_fail(ctx, "a count of %lld", (long long)in->n);
    }
    flinc_text_append(out, in->word.data, in->word.len);
    flinc_text_printf(out, ";%lld", (long long)in->n);
    return 0;
}

static void test_format_function(void **state)
{
    struct arena arena;
    Flinc__TextSinkConfig c = config_of(in_dir("out"));
    arena_init(&arena, 0);
    c.record = struct_desc_of(FLINC_TYPE(count), &arena);
    struct harness_options options = {.kind = "flinc.sink.text",
                                      .config = &c.base,
                                      .inputs = {FLINC_TYPE(count)},
                                      .functions = {FN(FLINC_FN_FORMAT, csv)},
                                      .flags = OP_FLAG_INPUTS_BOUNDED};
    struct harness *h = opened(&options);
    must(harness_push_rows(h, 0, "be, 2\nto, 3", &err));
    must(harness_end_of_input(h, 0, &err));
    harness_free(h);
    assert_string_equal(folder("out"), "part-run-0-0:be;2\nto;3\n;");
    h = opened(&options);
    must_fail(harness_push_rows(h, 0, "be, -2", &err), ERR_USER_CODE,
              "function 'csv' (test.c:1) failed: a count of -2");
    harness_free(h);
    c.record = NULL;
    must(harness_new(&options, &h, &err));
    must_fail(harness_open(h, &err), ERR_PARSE, "without the struct");
    harness_free(h);
    arena_fini(&arena);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_appears_at_the_end),
        FILES_TEST(test_no_records),
        FILES_TEST(test_rolling_bounded),
        FILES_TEST(test_rolling_unbounded),
        FILES_TEST(test_failure_leaves_nothing),
        FILES_TEST(test_failure_at_the_end),
        FILES_TEST(test_attempt_removes_leftovers),
        FILES_TEST(test_disk_full),
        FILES_TEST(test_bad_places),
        FILES_TEST(test_format_function),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
