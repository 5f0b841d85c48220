/* Bundles by their addresses: what is fetched, under which name, and what is refused and why. */
#include "common/base/log.h"
#include "common/fs/artifact/artifact.h"
#include "common/net/http/http.h"
#include "tests/unit/common_fs/fs_fixture.h"

static struct conf conf;
static char source[128], target[128];
static struct http_server *server;
static _Atomic int n_asked;

/* A file system "test" that is the local one: its files are those of a folder. */
static int open_test(const struct fs_location *at, enum fs_access access, struct fs_input **ret,
                     struct error *err)
{
    STR_AUTO path = STR_INIT;
    str_printf(&path, "%s%s", source, at->path);
    return fs_open(str_cstr(&path), access, ret, err);
}

static const struct fs_driver test_driver = {
    .scheme = "test", .description = "a test's files", .open = open_test};

static int answer_bundle(void *owner, const struct http_request *rq, struct http_response *rs,
                         struct error *err)
{
    const char *token = http_request_header(rq, "X-Token");
    if (token == NULL || strcmp(token, "let me in") != 0) {
        http_response_error(rs, 403, "no");
        return 0;
    }
    str_append_cstr(http_response_body(rs), "by http");
    return 0;
}

static int answer_late(void *owner, const struct http_request *rq, struct http_response *rs,
                       struct error *err)
{
    if (atomic_fetch_add(&n_asked, 1) == 0) {
        http_response_error(rs, 503, "later");
        return 0;
    }
    str_append_cstr(http_response_body(rs), "at last");
    return 0;
}

static const struct http_route routes[] = {
    {HTTP_GET, "/bundle.so", 0, answer_bundle},
    {HTTP_GET, "/late", 0, answer_late},
};

static int start(void **state)
{
    struct error err = ERROR_INIT;
    const struct http_server_options o = {.name = "test",
                                          .bind_address = "127.0.0.1",
                                          .routes = routes,
                                          .n_routes = ARRAY_LEN(routes)};
    log_set_level(LOG_LEVEL_OFF);
    assert_int_equal(fs_driver_register(&test_driver, &err), 0);
    return http_server_start(&o, &server, &err);
}

static int stop(void **state)
{
    server = http_server_stop(server);
    return 0;
}

static int make_folders(void **state)
{
    setup(state);
    (void)snprintf(source, sizeof(source), "%s", in_dir("source"));
    (void)snprintf(target, sizeof(target), "%s", in_dir("target"));
    assert_int_equal(mkdir(source, 0700), 0);
    assert_int_equal(mkdir(target, 0700), 0);
    conf_init(&conf, NULL);
    return 0;
}

static int drop_folders(void **state)
{
    conf_fini(&conf);
    return teardown(state);
}

static int fetch(const char *address, enum artifact_kind kind, struct str *ret, struct error *err)
{
    struct artifact_options o = {.conf = &conf, .dir = target};
    return artifact_fetch(&o, address, kind, ret, err);
}

static size_t n_files(void)
{
    struct fs_list list = FS_LIST_INIT;
    assert_int_equal(fs_list_dir(target, &list, NULL), 0);
    size_t n = list.n;
    fs_list_fini(&list);
    return n;
}

static void expect_refused(const char *address, enum artifact_kind kind, int code, const char *why)
{
    STR_AUTO path = STR_INIT;
    struct error err = ERROR_INIT;
    char text[ERROR_MESSAGE_MAX + ERROR_FRAMES_MAX];
    int rc = fetch(address, kind, &path, &err);
    error_format(&err, text, sizeof(text));
    if (rc != code || strstr(text, why) == NULL || strstr(text, address) == NULL) {
        fail_msg("%s: %d %s", address, rc, text);
    }
    assert_int_equal(n_files(), 0);
}

static void expect_fetched(const char *address, enum artifact_kind kind, const char *name,
                           const char *content)
{
    STR_AUTO path = STR_INIT;
    STR_AUTO wanted = STR_INIT;
    struct error err = ERROR_INIT;
    char buf[64] = "";
    if (fetch(address, kind, &path, &err) < 0) {
        fail_msg("%s: %s", address, err.message);
    }
    str_printf(&wanted, "%s/%s", target, name);
    assert_string_equal(str_cstr(&path), str_cstr(&wanted));
    FILE *f = fopen(str_cstr(&path), "rb");
    assert_non_null(f);
    size_t n = fread(buf, 1, sizeof(buf) - 1, f);
    fclose(f);
    if (content != NULL) {
        assert_int_equal(n, strlen(content));
        assert_string_equal(buf, content);
    }
    assert_int_equal(unlink(str_cstr(&path)), 0);
}

static void tells_addresses_apart(void **state)
{
    static const char *const remote[] = {"s3://b/j.so", "hdfs:/j.so", "HTTPS://h/j.so",
                                         "my+fs://x"};
    static const char *const local[] = {"j.so",       "/a/j.so", "./a:/b", "file:///a",
                                        "local:///a", "FILE:/a", "a:b",    ":/x"};
    for (size_t i = 0; i < ARRAY_LEN(remote); i++) {
        assert_true(artifact_is_remote(remote[i]));
    }
    for (size_t i = 0; i < ARRAY_LEN(local); i++) {
        assert_false(artifact_is_remote(local[i]));
    }
    assert_string_equal(artifact_local_path("file:///a/b"), "/a/b");
    assert_string_equal(artifact_local_path("local:///a/b"), "/a/b");
    assert_string_equal(artifact_local_path("file:/a/b"), "/a/b");
    assert_string_equal(artifact_local_path("a/b"), "a/b");
}

static void fetches_by_file_systems(void **state)
{
    STR_AUTO library = STR_INIT;
    struct error err = ERROR_INIT;
    put_text(in_dir("source/data"), "some data");
    put_text(in_dir("source/odd name;rm -rf"), "odd");
    expect_fetched("test:///data", ARTIFACT_FILE, "data", "some data");
    expect_fetched("test:///data/", ARTIFACT_FILE, "data", "some data");
    expect_fetched("test:///odd name;rm -rf", ARTIFACT_FILE, "odd_name_rm_-rf", "odd");
    /* A shared object is a bundle as far as it is looked at here. */
    char exe[1024];
    ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 1);
    assert_true(n > 0);
    exe[n] = '\0';
    *strrchr(exe, '/') = '\0';
    str_printf(&library, "%s/common_fs_plugins/fs_folder.so", exe);
    assert_int_equal(symlink(str_cstr(&library), in_dir("source/job.so")), 0);
    expect_fetched("test:///job.so", ARTIFACT_BUNDLE, "job.so", NULL);
    (void)err;
}

static void refuses(void **state)
{
    struct error err = ERROR_INIT;
    put_text(in_dir("source/text.so"), "#!/bin/sh\n");
    put_text(in_dir("source/job.jar"), "PK\003\004 and more of it");
    put_text(in_dir("source/empty"), "");
    expect_refused("test:///missing.so", ARTIFACT_BUNDLE, ERR_NOT_FOUND, "missing.so");
    expect_refused("test:///text.so", ARTIFACT_BUNDLE, ERR_INVALID_ARGUMENT, "is no job bundle");
    expect_refused("test:///job.jar", ARTIFACT_BUNDLE, ERR_INVALID_ARGUMENT, "jar");
    expect_refused("test:///empty", ARTIFACT_FILE, ERR_INVALID_ARGUMENT, "is empty");
    expect_refused("gopher://a/b.so", ARTIFACT_BUNDLE, ERR_UNSUPPORTED,
                   "no file system for scheme 'gopher'");
    int fd = open(in_dir("source/enormous"), O_CREAT | O_WRONLY, 0600);
    assert_int_equal(ftruncate(fd, (off_t)ARTIFACT_BYTES_MAX + 1), 0);
    close(fd);
    expect_refused("test:///enormous", ARTIFACT_FILE, ERR_TOO_LARGE, "at most 1073741824");
    put_text(in_dir("source/data"), "some data");
    assert_int_equal(failpoint_configure("artifact.read=error:gone away", &err), 0);
    expect_refused("test:///data", ARTIFACT_FILE, ERR_IO, "gone away");
}

static void address_of(const char *path, char *ret, size_t size)
{
    (void)snprintf(ret, size, "http://127.0.0.1:%u%s", http_server_port(server), path);
}

static void fetches_by_http(void **state)
{
    struct error err = ERROR_INIT;
    char bundle[128], missing[128], late[128];
    address_of("/bundle.so?version=2", bundle, sizeof(bundle));
    address_of("/missing.so", missing, sizeof(missing));
    address_of("/late", late, sizeof(late));
    expect_refused(bundle, ARTIFACT_FILE, ERR_UNSUPPORTED, "user.artifacts.raw-http-enabled");
    assert_int_equal(conf_set(&conf, "user.artifacts.raw-http-enabled", "true", &err), 0);
    expect_refused(bundle, ARTIFACT_FILE, ERR_PERMISSION, "user.artifacts.http-headers");
    assert_int_equal(
        conf_set(&conf, "user.artifacts.http-headers", "X-Other:1,X-Token:let me in", &err), 0);
    expect_fetched(bundle, ARTIFACT_FILE, "bundle.so", "by http");
    expect_refused(missing, ARTIFACT_FILE, ERR_NOT_FOUND, "404");
    expect_refused(bundle, ARTIFACT_BUNDLE, ERR_INVALID_ARGUMENT, "is no job bundle");
    atomic_store(&n_asked, 0);
    expect_fetched(late, ARTIFACT_FILE, "late", "at last");
    assert_int_equal(atomic_load(&n_asked), 2);
}

static void fetches_lists(void **state)
{
    STR_AUTO list = STR_INIT;
    struct error err = ERROR_INIT;
    struct artifact_options o = {.conf = &conf, .dir = target};
    assert_int_equal(artifact_fetch_list(&o, &err), 0);
    put_text(in_dir("source/a"), "a");
    put_text(in_dir("source/b"), "b");
    str_printf(&list, "test:///a;file://%s", in_dir("source/b"));
    assert_int_equal(conf_set(&conf, "user.artifacts.artifact-list", str_cstr(&list), &err), 0);
    assert_int_equal(artifact_fetch_list(&o, &err), 0);
    assert_int_equal(n_files(), 1); /* what is local stays where it is */
    assert_int_equal(conf_set(&conf, "user.artifacts.artifact-list", "/none/of/this", &err), 0);
    assert_int_equal(artifact_fetch_list(&o, &err), ERR_NOT_FOUND);
    assert_non_null(strstr(err.message, "user.artifacts.artifact-list"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tells_addresses_apart),
        cmocka_unit_test_setup_teardown(fetches_by_file_systems, make_folders, drop_folders),
        cmocka_unit_test_setup_teardown(refuses, make_folders, drop_folders),
        cmocka_unit_test_setup_teardown(fetches_by_http, make_folders, drop_folders),
        cmocka_unit_test_setup_teardown(fetches_lists, make_folders, drop_folders),
    };
    return cmocka_run_group_tests(tests, start, stop);
}
