/* Requests to run a bundle, as clients spell them; the folder of bundles; their entries. */
#include "jobmanager/rest/bundle_dir.h"
#include "jobmanager/rest/jar_request.h"
#include "tests/unit/jobmanager_rest/fixture.h"
#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* A query as name, value, name, value, NULL. */
static const char *query_of(const void *arg, const char *name)
{
    for (const char *const *q = arg; *q != NULL; q += 2) {
        if (strcmp(q[0], name) == 0) {
            return q[1];
        }
    }
    return NULL;
}

static const char *const no_query[] = {NULL};

static int parse(struct jar_request *r, const char *body, const char *const *query,
                 struct error *err)
{
    JSON_AUTO root = NULL;
    assert_int_equal(json_parse(slice_cstr(body), NULL, &root, NULL), 0);
    return jar_request_parse(r, root, query_of, query, err);
}

static void assert_args(const struct vec *args, const char *expected)
{
    STR_AUTO text = STR_INIT;
    for (size_t i = 0; i < args->len; i++) {
        str_printf(&text, "[%s]", (const char *)vec_ptr(args, i));
    }
    assert_string_equal(str_cstr(&text), expected);
}

static void the_body_wins(void **state)
{
    struct jar_request r;
    const char *const query[] = {"entry-class",  "q",   "parallelism", "3", "programArg", "x",
                                 "program-args", "y z", NULL};
    assert_int_equal(parse(&r,
                           "{\"entryClass\":\"b\",\"parallelism\":\"2\",\"programArgsList\":"
                           "[\"--a\",\"b c\"],\"programArgs\":\"ignored\",\"jobId\":\"" JOB_ID
                           "\",\"flinkConfiguration\":{\"k\":\"v\",\"n\":3,\"t\":true,"
                           "\"x\":null},\"savepointPath\":null,\"unknown\":{}}",
                           query, NULL),
                     0);
    assert_string_equal(r.entry, "b");
    assert_int_equal(r.parallelism, 2);
    assert_args(&r.args, "[--a][b c]");
    assert_true(r.has_job_id);
    assert_args(&r.keys, "[k][n][t]");
    assert_args(&r.values, "[v][3][true]");
    jar_request_fini(&r);
}

/* What the dashboard sends: all fields, empty ones too, parallelism as text. */
static void empty_texts_are_absent(void **state)
{
    struct jar_request r;
    const char *const query[] = {
        "entry-class",   "",           "parallelism", "4", "program-args", "--in 'a b' \"c\"",
        "savepointPath", "--in 'a b'", NULL};
    assert_int_equal(parse(&r,
                           "{\"entryClass\":\"\",\"parallelism\":\"\",\"programArgs\":\"\","
                           "\"savepointPath\":\"\",\"allowNonRestoredState\":null}",
                           query, NULL),
                     0);
    assert_null(r.entry);
    assert_int_equal(r.parallelism, 4);
    assert_args(&r.args, "[--in][a b][c]");
    jar_request_fini(&r);
    assert_int_equal(parse(&r, "{\"parallelism\":-1}", no_query, NULL), 0);
    assert_int_equal(r.parallelism, 0);
    jar_request_fini(&r);
    assert_int_equal(parse(&r, "{}", (const char *[]){"programArg", "--a,b", NULL}, NULL), 0);
    assert_args(&r.args, "[--a][b]");
    jar_request_fini(&r);
}

/* They win over the configuration that comes with them, as what stands last does. */
static void savepoints_are_configuration(void **state)
{
    struct jar_request r;
    assert_int_equal(parse(&r,
                           "{\"savepointPath\":\"/sp/1\",\"allowNonRestoredState\":true,"
                           "\"claimMode\":\"CLAIM\",\"flinkConfiguration\":{\"k\":\"v\"}}",
                           no_query, NULL),
                     0);
    assert_args(&r.keys, "[k][execution.state-recovery.path]"
                         "[execution.state-recovery.ignore-unclaimed-state]"
                         "[execution.state-recovery.claim-mode]");
    assert_args(&r.values, "[v][/sp/1][true][CLAIM]");
    jar_request_fini(&r);
    assert_int_equal(
        parse(&r, "{}",
              (const char *[]){"savepointPath", "/sp/2", "allowNonRestoredState", "false", NULL},
              NULL),
        0);
    assert_args(&r.values, "[/sp/2][false]");
    jar_request_fini(&r);
}

static void bad_requests(void **state)
{
    static const struct {
        const char *body, *text;
    } rows[] = {
        {"{\"parallelism\":0}", "from 1 on"},
        {"{\"parallelism\":\"x\"}", "must be a number"},
        {"{\"parallelism\":[1]}", "must be a number"},
        {"{\"parallelism\":99999999999}", "from 1 on"},
        {"{\"jobId\":\"12\"}", "32 hexadecimal digits"},
        {"{\"jobId\":7}", "must be a string"},
        {"{\"programArgsList\":\"a\"}", "array of strings"},
        {"{\"programArgsList\":[1]}", "array of strings"},
        {"{\"flinkConfiguration\":[]}", "must be an object"},
        {"{\"flinkConfiguration\":{\"a\":{}}}", "must be a string"},
        {"{\"savepointPath\":7}", "must be a string"},
        {"{\"allowNonRestoredState\":\"maybe\"}", "true or false"},
        {"{\"claimMode\":\"LEGACY\"}", "CLAIM or NO_CLAIM"},
        {"{\"entryClass\":{}}", "must be a string"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct jar_request r;
        struct error err = ERROR_INIT;
        assert_int_equal(parse(&r, rows[i].body, no_query, &err), ERR_INVALID_ARGUMENT);
        if (strstr(err.message, rows[i].text) == NULL) {
            fail_msg("%s: %s", rows[i].body, err.message);
        }
    }
}

static void splitting_arguments(void **state)
{
    struct vec args = VEC_INIT(char *);
    jar_request_split_args("  a 'b c'\"d\"e  'unclosed f", &args);
    assert_args(&args, "[a][b c][d][e]['unclosed][f]");
    for (size_t i = 0; i < args.len; i++) {
        mem_free(vec_ptr(&args, i));
    }
    vec_fini(&args);
}

/* ---- bundles -------------------------------------------------------------------------------------- */

struct folder {
    char dir[64], upload[96];
};

static void folder_init(struct folder *f, const char *content)
{
    snprintf(f->dir, sizeof(f->dir), "/tmp/rest-bundles-XXXXXX");
    assert_non_null(mkdtemp(f->dir));
    snprintf(f->upload, sizeof(f->upload), "%s/.upload", f->dir);
    int fd = open(f->upload, O_CREAT | O_WRONLY, 0600);
    assert_int_equal(write(fd, content, strlen(content)), (ssize_t)strlen(content));
    close(fd);
}

static void folder_fini(struct folder *f)
{
    DIR *d = opendir(f->dir);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        unlinkat(dirfd(d), e->d_name, 0);
    }
    closedir(d);
    rmdir(f->dir);
}

static void bundles_come_and_go(void **state)
{
    struct folder f;
    struct vec list;
    struct bundle b;
    STR_AUTO path = STR_INIT;
    folder_init(&f, "x");
    assert_int_equal(bundle_dir_add(f.dir, 5, f.upload, "my job/..\n.so", &path, NULL), 0);
    bundle_dir_list(f.dir, &list);
    assert_int_equal(list.len, 1);
    b = *VEC_AT(&list, struct bundle, 0);
    vec_fini(&list);
    assert_string_equal(b.name, "my_job_.._.so");
    assert_string_equal(b.id + 37, b.name);
    assert_string_equal(b.entry, "");
    assert_int_equal(bundle_dir_find(f.dir, b.id, &b, &path, NULL), 0);
    assert_int_equal(bundle_dir_find(f.dir, "../x.so", &b, &path, NULL), ERR_NOT_FOUND);
    assert_int_equal(bundle_dir_find(f.dir, "", &b, &path, NULL), ERR_NOT_FOUND);
    assert_int_equal(bundle_dir_find(f.dir, ".", &b, &path, NULL), ERR_NOT_FOUND);
    assert_int_equal(bundle_dir_add(f.dir, 1, f.upload, "b.so", &path, NULL), ERR_LIMIT);
    assert_int_equal(bundle_dir_remove(f.dir, b.id, NULL), 0);
    struct error err = ERROR_INIT;
    assert_int_equal(bundle_dir_remove(f.dir, b.id, &err), ERR_NOT_FOUND);
    assert_true(cstr_starts_with(err.message, "Jar file "));
    assert_true(cstr_ends_with(err.message, " does not exist"));
    folder_fini(&f);
}

static void uploads_are_looked_at(void **state)
{
    static const struct {
        const char *filename, *content, *text;
    } rows[] = {
        {"x.jar", "PK\x03\x04", "Java archive"},
        {"x.so", "PK\x03\x04", "x.so is not a shared object"},
        {"x.so", "", "x.so is empty"},
        {"x.txt", "hello", "name ends in .so"},
        {"x.so", "garbage", "x.so"},
    };
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct folder f;
        struct error err = ERROR_INIT;
        folder_init(&f, rows[i].content);
        assert_int_equal(bundle_check_upload(f.upload, rows[i].filename, &err),
                         ERR_INVALID_ARGUMENT);
        if (strstr(err.message, rows[i].text) == NULL || strstr(err.message, f.dir) != NULL) {
            fail_msg("%s: %s", rows[i].filename, err.message);
        }
        folder_fini(&f);
    }
}

/* The sample lies in the build beside the folder of this test. */
static int open_sample(void)
{
    char path[4096];
    ssize_t n = readlink("/proc/self/exe", path, sizeof(path) - 1);
    assert_true(n > 0);
    path[n] = '\0';
    char *slash = strrchr(path, '/');
    snprintf(slash, sizeof(path) - (size_t)(slash - path),
             "/jobmanager_rest/rest_bundle_sample.so");
    return open(path, O_RDONLY);
}

static void entries_of_bundles(void **state)
{
    char name[BUNDLE_ENTRY_NAME_MAX + 1];
    int fd = open_sample();
    assert_true(fd >= 0);
    assert_true(bundle_entry_read_file(fd, name));
    assert_string_equal(name, "sample_main");
    close(fd);
    fd = open("/proc/self/exe", O_RDONLY);
    assert_false(bundle_entry_read_file(fd, name));
    close(fd);
    assert_false(bundle_entry_read((const uint8_t *)"\177ELF", 4, name));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_body_wins),
        cmocka_unit_test(empty_texts_are_absent),
        cmocka_unit_test(savepoints_are_configuration),
        cmocka_unit_test(bad_requests),
        cmocka_unit_test(splitting_arguments),
        cmocka_unit_test(bundles_come_and_go),
        cmocka_unit_test(uploads_are_looked_at),
        cmocka_unit_test(entries_of_bundles),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
