/* Archives: what is read, what is passed over, what is refused, and that the message says where. */
#include "jobmanager/history/archive_reader.h"
#include "tests/unit/jobmanager_history/archives.h"

static int note(void *arg, struct slice path, struct slice json, struct error *err)
{
    struct str *out = arg;
    str_append_slice(out, path);
    str_append_char(out, '=');
    str_append_slice(out, json);
    str_append_char(out, ';');
    return 0;
}

static int read_text(const char *text, struct str *ret, struct error *err)
{
    const struct archive_sink sink = {.entry = note, .arg = ret};
    return archive_read_text("f", slice_cstr(text), ID_A, &sink, err);
}

static void expect_read(const char *text, const char *read)
{
    STR_AUTO out = STR_INIT;
    struct error err = ERROR_INIT;
    if (read_text(text, &out, &err) < 0) {
        fail_msg("%s: %s", text, err.message);
    }
    assert_string_equal(str_cstr(&out), read);
}

static void expect_refused(const char *text, const char *why)
{
    STR_AUTO out = STR_INIT;
    struct error err = ERROR_INIT;
    int rc = read_text(text, &out, &err);
    if (rc != ERR_CORRUPT && rc != ERR_TOO_LARGE) {
        fail_msg("%s is read (%d)", text, rc);
    }
    if (strstr(err.message, why) == NULL || !cstr_starts_with(err.message, "f ")) {
        fail_msg("%s: %s", text, err.message);
    }
}

#define ENTRY(path, json) "{\"path\":\"" path "\",\"json\":\"" json "\"}"
#define ARCHIVE(entries) "{\"archive\":[" entries "]}"

static void reads(void **state)
{
    expect_read(ARCHIVE(""), "");
    expect_read(ARCHIVE(ENTRY("/jobs/overview", "{}")), "overview={};");
    expect_read(
        ARCHIVE(ENTRY("/jobs/" ID_A, "1") "," ENTRY("/jobs/" ID_A "/config", "[true,null]")),
        "=1;/config=[true,null];");
    /* Blanks, another order, names that are unknown, what Flink archived once. */
    expect_read(" { \"x\" : [ {\"y\":-1.5e+3} , \"\\\"\" ] ,\n\"archive\" : [ {\"json\":\"0\", "
                "\"more\":{}, "
                "\"path\":\"/jobs/" ID_A "\"} , " ENTRY("/joboverview", "{}") " ] } ",
                "=0;");
    /* Escapes inside and outside, pairs, halves of them. */
    expect_read(ARCHIVE(ENTRY("\\/jobs\\/" ID_A, "\\\"\\u00e9\\ud83d\\ude00\\\\n\\\"")),
                "=\"\xc3\xa9\xf0\x9f\x98\x80\\n\";");
    expect_read(ARCHIVE(ENTRY("/jobs/" ID_A, "\\\"\\ud83dx\\ud83d\\\"")),
                "=\"\xef\xbf\xbdx\xef\xbf\xbd\";");
}

static void refuses(void **state)
{
    expect_refused("", "ends early");
    expect_refused("{", "ends early");
    expect_refused("not json", "a JSON object is expected at byte 0");
    expect_refused("[]", "a JSON object is expected");
    expect_refused("{}", "there is no \"archive\"");
    expect_refused("{\"archive\":{}}", "the list of answers is expected");
    expect_refused("{\"archive\":[{}]}", "without path and json");
    expect_refused("{\"archive\":[{\"path\":\"/jobs/overview\"}]}", "without path and json");
    expect_refused("{\"archive\":[{\"path\":1,\"json\":\"{}\"}]}", "a string is expected");
    expect_refused(ARCHIVE(ENTRY("/jobs/overview", "{}")) "x", "more behind the archive");
    expect_refused("{\"archive\":[{\"path\":\"/jobs/overview\",\"json\":\"{\\\"jobs\\\":",
                   "ends early");
    expect_refused(ARCHIVE(ENTRY("/jobs/overview", "{")), "is no JSON");
    expect_refused(ARCHIVE(ENTRY("/jobs/overview", "{} {}")), "is no JSON");
    expect_refused(ARCHIVE(ENTRY("/jobs/overview", "")), "is no JSON");
    expect_refused(ARCHIVE(ENTRY("/jobs/overview", "\\x")), "an unknown escape");
    expect_refused(ARCHIVE(ENTRY("/jobs/overview", "\\u12g4")), "a broken \\u");
    expect_refused(ARCHIVE(ENTRY("/jobs/overview", "\"\xff\"")), "");
    expect_refused(ARCHIVE(ENTRY("/jobs/overview", "a\nb")), "a control character");
    expect_refused("{\"archive\":[{\"path\":\"\xff\",\"json\":\"{}\"}]}", "no UTF-8");
}

static void refuses_paths(void **state)
{
    static const char *const bad[] = {
        "",
        "jobs/overview",
        "/jobs/../../etc/passwd",
        "/jobs/" ID_A "/../" ID_B,
        "/jobs/" ID_A "/./config",
        "/jobs/" ID_A "/.hidden",
        "/jobs/" ID_A "/a b",
        "/jobs/" ID_A "/a\\\\b",
        "/jobs/" ID_A "/%2e%2e/x",
        "/jobs/" ID_A "/\\u0000",
    };
    for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
        STR_AUTO text = STR_INIT;
        str_printf(&text, "{\"archive\":[{\"path\":\"%s\",\"json\":\"{}\"}]}", bad[i]);
        expect_refused(str_cstr(&text), "a path that no answer can have");
    }
    expect_refused(ARCHIVE(ENTRY("/jobs/" ID_B, "{}")), "an answer of another one");
    expect_refused(ARCHIVE(ENTRY("/jobs/" ID_A "b/config", "{}")), "an answer of another one");
}

static void refuses_what_is_enormous(void **state)
{
    STR_AUTO deep = STR_INIT;
    STR_AUTO path = STR_INIT;
    str_append_cstr(&deep, "{\"x\":");
    for (int i = 0; i < 100000; i++) {
        str_append_char(&deep, '[');
    }
    expect_refused(str_cstr(&deep), "nested too deeply");
    str_append_cstr(&path, "{\"archive\":[{\"path\":\"/jobs/");
    for (int i = 0; i < ARCHIVE_PATH_MAX; i++) {
        str_append_char(&path, 'a');
    }
    str_append_cstr(&path, "\",\"json\":\"{}\"}]}");
    expect_refused(str_cstr(&path), "has more than 1024 bytes");
}

/* A file longer than the window, cut at each of many places. */
static void reads_files(void **state)
{
    char path[] = "/tmp/archive-XXXXXX";
    STR_AUTO text = STR_INIT;
    STR_AUTO out = STR_INIT;
    struct error err = ERROR_INIT;
    const struct archive_sink sink = {.entry = note, .arg = &out};
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    str_append_cstr(&text, "{\"archive\":[");
    for (int i = 0; i < 20000; i++) {
        str_printf(&text, "%s" ENTRY("/jobs/" ID_A "/vertices/%d", "{\\\"i\\\":\\\"\\u00e9%d\\\"}"),
                   i > 0 ? "," : "", i, i);
    }
    str_append_cstr(&text, "]}");
    assert_int_equal(write(fd, text.data, text.len), text.len);
    assert_int_equal(archive_read(path, ID_A, &sink, &err), 0);
    assert_non_null(strstr(str_cstr(&out), "/vertices/19999={\"i\":\"\xc3\xa9"
                                           "19999\"};"));
    for (size_t cut = 1; cut < text.len; cut += 40009) {
        str_clear(&out);
        error_clear(&err);
        assert_int_equal(ftruncate(fd, (off_t)(text.len - cut)), 0);
        assert_int_equal(archive_read(path, ID_A, &sink, &err), ERR_CORRUPT);
        assert_non_null(strstr(err.message, path));
    }
    close(fd);
    (void)unlink(path);
    error_clear(&err);
    assert_int_equal(archive_read(path, ID_A, &sink, &err), ERR_NOT_FOUND);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads),         cmocka_unit_test(refuses),
        cmocka_unit_test(refuses_paths), cmocka_unit_test(refuses_what_is_enormous),
        cmocka_unit_test(reads_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
