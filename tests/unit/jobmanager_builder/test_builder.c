/* The builder with the real child and real bundles: good mains, and all the ways in which a main is none.
 * Bundles are built here, from tests/system/jobs. */
#include "common/base/failpoint.h"
#include "common/base/log.h"
#include "common/base/thread.h"
#include "common/fs/fs.h"
#include "engine/graph/job_graph.h"
#include "jobmanager/builder/builder.h"
#include <dirent.h>
#include <limits.h>
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

static struct spawner *spawner;
static char build_dir[PATH_MAX]; /* build/<kind> */
static char folder[64];

/* ---- bundles -------------------------------------------------------------------------------------- */

static void find_build_dir(void)
{
    ssize_t n = readlink("/proc/self/exe", build_dir, sizeof(build_dir) - 1);
    assert_true(n > 0);
    build_dir[n] = '\0';
    for (int up = 0; up < 3; up++) { /* build/<kind>/tests/unit/<program> */
        *strrchr(build_dir, '/') = '\0';
    }
}

/* Builds a bundle as a user would; returns its path, valid until the next call. */
static const char *bundle(const char *source, const char *flags)
{
    static char path[PATH_MAX];
    STR_AUTO command = STR_INIT;
    (void)snprintf(path, sizeof(path), "%s/%s.so", folder, source);
    str_printf(&command,
               "cc -g -shared -fPIC -Wl,--build-id %s -I%s/../../include "
               "%s/../../tests/system/jobs/%s.c -o %s",
               flags, build_dir, build_dir, source, path);
    assert_int_equal(system(str_cstr(&command)), 0);
    return path;
}

static const char *source_bundle(const char *text)
{
    static char path[PATH_MAX];
    STR_AUTO command = STR_INIT;
    (void)snprintf(path, sizeof(path), "%s/own.c", folder);
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fprintf(
        f,
        "#include <flinc/flinc.h>\n#include <stdio.h>\n#include <stdlib.h>\n#include <unistd.h>\n"
        "static int job(flinc_env *env, int argc, char **argv) {\n%s\n}\nFLINC_JOB(job)\n",
        text);
    fclose(f);
    str_printf(&command, "cc -g -shared -fPIC -Wl,--build-id -I%s/../../include %s -o %s/own.so",
               build_dir, path, folder);
    assert_int_equal(system(str_cstr(&command)), 0);
    (void)snprintf(path, sizeof(path), "%s/own.so", folder);
    return path;
}

static int setup(void **state)
{
    (void)snprintf(folder, sizeof(folder), "/tmp/builder-XXXXXX");
    return mkdtemp(folder) == NULL;
}

static int n_open_fds(void)
{
    int n = 0;
    DIR *dir = opendir("/proc/self/fd");
    while (readdir(dir) != NULL) {
        n++;
    }
    closedir(dir);
    return n;
}

static int teardown(void **state)
{
    struct error err = ERROR_INIT;
    failpoint_clear_all();
    return fs_delete(folder, FS_DELETE_RECURSIVE, &err);
}

/* ---- running one ---------------------------------------------------------------------------------- */

static struct job_builder *new_builder(int64_t timeout_ms, uint32_t at_once)
{
    static char path[PATH_MAX + 32];
    struct job_builder *b = NULL;
    struct error err = ERROR_INIT;
    (void)snprintf(path, sizeof(path), "%s/libexec/flinc-jobbuilder", build_dir);
    struct job_builder_options o = {
        .spawner = spawner, .path = path, .max_at_once = at_once, .timeout_ms = timeout_ms};
    assert_int_equal(job_builder_new(&o, &b, &err), 0);
    return b;
}

static int build(Flinc__BuildRequest *rq, int64_t timeout_ms, Flinc__BuildAnswer **ret,
                 struct error *err)
{
    struct job_builder *b = new_builder(timeout_ms, 0);
    int before = n_open_fds();
    int rc = job_builder_run(b, rq, NULL, ret, err);
    assert_int_equal(n_open_fds(), before);
    job_builder_free(b);
    return rc;
}

static int build_path(const char *path, struct error *err)
{
    Flinc__BuildRequest rq = FLINC__BUILD_REQUEST__INIT;
    Flinc__BuildAnswer *answer = NULL;
    rq.bundle_path = (char *)path;
    rq.bundle_name = (char *)"the-bundle.so";
    int rc = build(&rq, 30000, &answer, err);
    if (answer != NULL) {
        flinc__build_answer__free_unpacked(answer, NULL);
    }
    return rc;
}

static void expect(const char *path, int code, const char *text)
{
    struct error err = ERROR_INIT;
    int rc = build_path(path, &err);
    if (rc != code || strstr(err.message, text) == NULL) {
        fail_msg("expected %s and '%s', got %s: %s", error_code_name(code), text,
                 error_code_name(rc), err.message);
    }
}

/* ---- good ones ------------------------------------------------------------------------------------ */

static const char *config_of(const Flinc__JobGraph *g, const char *key)
{
    for (size_t i = 0; i < g->n_config; i++) {
        if (strcmp(g->config[i]->key, key) == 0) {
            return g->config[i]->value;
        }
    }
    return NULL;
}

static void test_graph(void **state)
{
    char *args[] = {"--words", "seven"};
    uint8_t id[16] = {1, 2, 3};
    Flinc__KeyValue cluster = FLINC__KEY_VALUE__INIT, own = FLINC__KEY_VALUE__INIT;
    Flinc__KeyValue *clusters[] = {&cluster}, *owns[] = {&own};
    Flinc__BuildRequest rq = FLINC__BUILD_REQUEST__INIT;
    Flinc__BuildAnswer *answer = NULL;
    Flinc__JobGraph *g = NULL;
    struct error err = ERROR_INIT;
    cluster.key = "taskmanager.numberOfTaskSlots";
    cluster.value = "3";
    own.key = "restart-strategy.type";
    own.value = "none";
    rq.bundle_path = (char *)source_bundle("printf(\"%d %s %s\\n\", argc, argv[1], argv[2]);\n"
                                           "flinc_print(flinc_from_sequence(env, 1, 3));\n"
                                           "return flinc_env_execute(env, \"own\");");
    rq.bundle_name = "own.so";
    rq.n_args = 2;
    rq.args = args;
    rq.n_config = 1;
    rq.config = clusters;
    rq.n_job_config = 1;
    rq.job_config = owns;
    rq.parallelism = 3;
    rq.job_id = (ProtobufCBinaryData){16, id};
    if (build(&rq, 30000, &answer, &err) < 0) {
        fail_msg("%s", err.message);
    }
    assert_string_equal(answer->output, "3 --words seven\n");
    assert_int_equal(job_graph_decode(answer->graph.data, answer->graph.len, &g, &err), 0);
    assert_string_equal(g->name, "own");
    assert_memory_equal(g->job_id.data, id, 16);
    assert_int_equal(g->n_libraries, 0); /* no function of the bundle is used */
    assert_int_equal(g->vertices[g->n_vertices - 1]->parallelism, 3);
    assert_string_equal(config_of(g, "restart-strategy.type"), "none");
    assert_null(config_of(g, "taskmanager.numberOfTaskSlots")); /* the cluster's stays there */
    assert_true(strlen(g->plan_json) > 2);
    flinc__job_graph__free_unpacked(g, NULL);
    flinc__build_answer__free_unpacked(answer, NULL);
}

/* Whoever asked knows the bundle by this name, not by the file that it is in now. */
static void test_library_name(void **state)
{
    Flinc__BuildRequest rq = FLINC__BUILD_REQUEST__INIT;
    Flinc__BuildAnswer *answer = NULL;
    Flinc__JobGraph *g = NULL;
    struct error err = ERROR_INIT;
    rq.bundle_path = (char *)bundle("endless", "");
    rq.bundle_name = "my-job.so";
    assert_int_equal(build(&rq, 30000, &answer, &err), 0);
    assert_int_equal(job_graph_decode(answer->graph.data, answer->graph.len, &g, &err), 0);
    assert_int_equal(g->n_libraries, 1);
    assert_string_equal(g->libraries[0]->name, "my-job.so");
    flinc__job_graph__free_unpacked(g, NULL);
    flinc__build_answer__free_unpacked(answer, NULL);
}

static void test_entry(void **state)
{
    Flinc__BuildRequest rq = FLINC__BUILD_REQUEST__INIT;
    Flinc__BuildAnswer *answer = NULL;
    struct error err = ERROR_INIT;
    rq.bundle_path = (char *)source_bundle("flinc_print(flinc_from_sequence(env, 1, 3));\n"
                                           "return flinc_env_execute(env, \"own\");");
    rq.bundle_name = "own.so";
    rq.entry = "job";
    assert_int_equal(build(&rq, 30000, &answer, &err), 0);
    flinc__build_answer__free_unpacked(answer, NULL);
    rq.entry = "org.example.WordCount";
    assert_int_equal(build(&rq, 30000, &answer, &err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "has the entry 'job'"));
}

static void test_bad_config(void **state)
{
    Flinc__KeyValue own = FLINC__KEY_VALUE__INIT;
    Flinc__KeyValue *owns[] = {&own};
    Flinc__BuildRequest rq = FLINC__BUILD_REQUEST__INIT;
    Flinc__BuildAnswer *answer = NULL;
    struct error err = ERROR_INIT;
    own.key = "parallelism.default";
    own.value = "many";
    rq.bundle_path = (char *)source_bundle("return flinc_env_execute(env, \"own\");");
    rq.bundle_name = "own.so";
    rq.n_job_config = 1;
    rq.job_config = owns;
    assert_int_equal(build(&rq, 30000, &answer, &err), ERR_INVALID_ARGUMENT);
    assert_non_null(strstr(err.message, "parallelism.default"));
}

/* ---- mains that are none -------------------------------------------------------------------------- */

static void test_bad_mains(void **state)
{
    expect(bundle("mains", "-DDO_NOT_EXECUTE"), ERR_INVALID_ARGUMENT, "without executing a job");
    expect(bundle("mains", "-DDO_EXECUTE_TWICE"), ERR_INVALID_ARGUMENT, "twice");
    expect(bundle("mains", "-DDO_EXIT"), ERR_INVALID_ARGUMENT, "called exit()");
    expect(bundle("mains", "-DDO_RETURN_SEVEN"), ERR_USER_CODE, "returned 7");
    expect(bundle("mains", "-DDO_BUILD_NOTHING"), ERR_INVALID_ARGUMENT, "");
    expect(bundle("mains", "-DDO_FAIL"), ERR_INVALID_ARGUMENT, "the moon is not full enough");
    expect(bundle("mains", "-DDO_MISNAME_A_COLUMN"), ERR_INVALID_ARGUMENT, "sensr");
}

static void test_crashes(void **state)
{
    expect(bundle("mains", "-DDO_CRASH"), ERR_USER_CODE, "the-bundle.so was ended by signal 11");
    expect(bundle("mains", "-DDO_CRASH"), ERR_USER_CODE, "task:     main");
    expect(bundle("mains", "-DDO_ABORT"), ERR_USER_CODE, "signal 6");
    expect(source_bundle("fprintf(stderr, \"last words\\n\"); _exit(3);"), ERR_USER_CODE,
           "exit code 3 instead of returning:\nlast words");
    expect(
        source_bundle("fprintf(stderr, \"x\"); kill_me: return *(volatile int *)8; goto kill_me;"),
        ERR_USER_CODE, "signal 11");
}

static void test_wrong_files(void **state)
{
    char path[PATH_MAX];
    (void)snprintf(path, sizeof(path), "%s/missing.so", folder);
    expect(path, ERR_INVALID_ARGUMENT, "missing.so");
    (void)snprintf(path, sizeof(path), "%s/job.jar", folder);
    FILE *f = fopen(path, "w");
    fputs("PK\003\004 and so on, which makes it a Java archive for certain.............", f);
    fclose(f);
    expect(path, ERR_INVALID_ARGUMENT, "Java");
    f = fopen(path, "w");
    fputs("#!/bin/sh\n", f);
    fclose(f);
    expect(path, ERR_INVALID_ARGUMENT, "");
    expect(bundle("no_entry", ""), ERR_INVALID_ARGUMENT, "FLINC_JOB");
    expect(bundle("other_abi", ""), ERR_INVALID_ARGUMENT, "ABI");
    expect(bundle("unresolved", ""), ERR_INVALID_ARGUMENT, "");
}

/* ---- limits --------------------------------------------------------------------------------------- */

static void test_timeout(void **state)
{
    Flinc__BuildRequest rq = FLINC__BUILD_REQUEST__INIT;
    Flinc__BuildAnswer *answer = NULL;
    struct error err = ERROR_INIT;
    rq.bundle_path = (char *)source_bundle("fprintf(stderr, \"thinking\\n\"); for (;;) pause();");
    rq.bundle_name = "own.so";
    assert_int_equal(build(&rq, 500, &answer, &err), ERR_TIMEOUT);
    assert_non_null(strstr(err.message, "did not end within 500 ms"));
    assert_non_null(strstr(err.message, "thinking"));
}

static void test_much_output(void **state)
{
    Flinc__BuildRequest rq = FLINC__BUILD_REQUEST__INIT;
    Flinc__BuildAnswer *answer = NULL;
    struct error err = ERROR_INIT;
    rq.bundle_path =
        (char *)source_bundle("for (int i = 0; i < 200000; i++) { printf(\"line "
                              "%d\\n\", i); if (i % 10000 == 0) fprintf(stderr, \"no\\n\"); }\n"
                              "flinc_print(flinc_from_sequence(env, 1, 3));\n"
                              "return flinc_env_execute(env, \"own\");");
    rq.bundle_name = "own.so";
    assert_int_equal(build(&rq, 60000, &answer, &err), 0);
    assert_true(strlen(answer->output) <= 64 * 1024);
    assert_non_null(strstr(answer->output, "line 199999\n"));
    flinc__build_answer__free_unpacked(answer, NULL);
}

/* A child of main that holds its output open must not hold the answer up. */
static void test_leaves_a_child(void **state)
{
    expect(source_bundle("if (fork() == 0) { for (;;) pause(); } return 1;"), ERR_INVALID_ARGUMENT,
           "without executing a job");
}

struct waiting {
    struct job_builder *b;
    const char *path;
    struct cancel_token *cancel;
    int rc;
    struct error err;
};

static void *run_waiting(void *arg)
{
    struct waiting *w = arg;
    Flinc__BuildRequest rq = FLINC__BUILD_REQUEST__INIT;
    Flinc__BuildAnswer *answer = NULL;
    rq.bundle_path = (char *)w->path;
    rq.bundle_name = "own.so";
    w->rc = job_builder_run(w->b, &rq, w->cancel, &answer, &w->err);
    return NULL;
}

static void test_cancel_running_and_waiting(void **state)
{
    struct cancel_token *token = cancel_token_new();
    struct job_builder *b = new_builder(60000, 1); /* one runs, the others wait */
    struct waiting all[3];
    pthread_t threads[3];
    STR_AUTO mark = STR_INIT;
    STR_AUTO text = STR_INIT;
    str_printf(&mark, "%s/started", folder);
    str_printf(&text, "fclose(fopen(\"%s\", \"w\")); for (;;) pause();", str_cstr(&mark));
    const char *path = source_bundle(str_cstr(&text));
    for (int i = 0; i < 3; i++) {
        all[i] = (struct waiting){.b = b, .path = path, .cancel = token};
        assert_int_equal(pthread_create(&threads[i], NULL, run_waiting, &all[i]), 0);
    }
    while (access(str_cstr(&mark), F_OK) != 0) {
        sched_yield();
    }
    cancel_token_cancel(token);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(pthread_join(threads[i], NULL), 0);
        assert_int_equal(all[i].rc, ERR_CANCELLED);
    }
    job_builder_free(b);
    cancel_token_unref(token);
}

static void test_no_program(void **state)
{
    struct job_builder *b = NULL;
    struct error err = ERROR_INIT;
    Flinc__BuildRequest rq = FLINC__BUILD_REQUEST__INIT;
    Flinc__BuildAnswer *answer = NULL;
    struct job_builder_options o = {.spawner = spawner, .path = "/not/there"};
    assert_int_equal(job_builder_new(&o, &b, &err), 0);
    assert_true(job_builder_run(b, &rq, NULL, &answer, &err) < 0);
    assert_non_null(strstr(err.message, "/not/there"));
    job_builder_free(b);
}

int main(void)
{
    struct error err = ERROR_INIT;
    if (spawner_fork("builder-test", &spawner, &err) < 0) {
        fprintf(stderr, "%s\n", err.message);
        return 1;
    }
    log_set_level(LOG_LEVEL_ERROR);
    find_build_dir();
#define TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)
    const struct CMUnitTest tests[] = {
        TEST(test_no_program),  TEST(test_graph),          TEST(test_library_name),
        TEST(test_entry),       TEST(test_bad_config),     TEST(test_bad_mains),
        TEST(test_crashes),     TEST(test_wrong_files),    TEST(test_timeout),
        TEST(test_much_output), TEST(test_leaves_a_child), TEST(test_cancel_running_and_waiting),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    spawner_free(spawner);
    return failed;
}
