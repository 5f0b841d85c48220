/* Filesystem tables in the mini cluster: one is read, another one written. */
#include "tests/unit/engine_table/table_fixture.h"

#include "connectors/registry/registry.h"
#include "engine/graph/job_graph.h"
#include "minicluster/minicluster.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { HUNG_AFTER_MS = 100 * 1000 };

/* ---- folders of a test ---------------------------------------------------------------------------- */

static char base[64];

static int set_up(void **state)
{
    (void)state;
    connectors_register();
    snprintf(base, sizeof(base), "/tmp/filesystem_table_XXXXXX");
    return mkdtemp(base) != NULL ? 0 : -1;
}

static void remove_tree(const char *path)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        char below[512];
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0) {
            continue;
        }
        snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
        if (unlink(below) < 0) {
            remove_tree(below);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
    (void)rmdir(path);
}

static int tear_down(void **state)
{
    (void)state;
    remove_tree(base);
    return 0;
}

static void put_file(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    for (char *p = path + strlen(base) + 1; (p = strchr(p, '/')) != NULL; p++) {
        *p = '\0';
        (void)mkdir(path, 0700);
        *p = '/';
    }
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    fputs(text, f);
    fclose(f);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

static void add_lines(const char *path, const char *label, struct vec *lines)
{
    char line[512];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    while (fgets(line, sizeof(line), f) != NULL) {
        char shown[1024];
        line[strcspn(line, "\n")] = '\0';
        snprintf(shown, sizeof(shown), "%s%s", label, line);
        vec_push_ptr(lines, strdup(shown));
    }
    fclose(f);
}

/* All lines of the files of a folder, each behind the folder it lies in. */
static void add_tree(const char *path, const char *label, struct vec *lines)
{
    DIR *dir = opendir(path);
    struct dirent *e;
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        char below[512], name[512];
        struct stat st;
        if (e->d_name[0] == '.') {
            continue;
        }
        snprintf(below, sizeof(below), "%s/%s", path, e->d_name);
        snprintf(name, sizeof(name), "%s%s: ", label, e->d_name);
        assert_int_equal(stat(below, &st), 0);
        if (S_ISDIR(st.st_mode)) {
            add_tree(below, name, lines);
        } else {
            add_lines(below, label, lines);
        }
    }
    if (dir != NULL) {
        closedir(dir);
    }
}

static void expect_lines(const char *folder, const char *expected)
{
    struct vec lines = VEC_INIT(char *);
    STR_AUTO all = STR_INIT;
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", base, folder);
    add_tree(path, "", &lines);
    if (lines.len > 0) {
        qsort(lines.data, lines.len, sizeof(char *), by_text);
    }
    for (size_t i = 0; i < lines.len; i++) {
        str_printf(&all, "%s\n", (char *)vec_ptr(&lines, i));
        free(vec_ptr(&lines, i));
    }
    vec_fini(&lines);
    assert_string_equal(str_cstr(&all), expected);
}

/* ---- a job from one table to another -------------------------------------------------------------- */

struct side {
    const char *schema, *folder, *format;
    const char *extra[9]; /* options, NULL-terminated */
    uint32_t keys[2], n_keys;
};

static void open_side(struct table_fixture *f, const struct side *s)
{
    struct error err = ERROR_INIT;
    char path[256];
    const char *pairs[20] = {"connector", "filesystem", "path", path, "format", s->format};
    snprintf(path, sizeof(path), "%s/%s", base, s->folder);
    for (size_t i = 0; s->extra[i] != NULL; i++) {
        pairs[6 + i] = s->extra[i];
    }
    expect_ok(table_fixture_open(f, s->schema, pairs, &err), &err);
    f->table.partition_keys = s->keys;
    f->table.n_partition_keys = s->n_keys;
}

struct job {
    struct side from, to;
    struct table_scan scan;
    bool streaming;
    bool overwrite;
    const struct text_map *partition; /* static */
    int32_t parallelism;
    const char *settings[5];
};

static int build(const struct job *j, Flinc__JobGraph **ret, struct error *err)
{
    struct table_fixture from, to;
    struct stream_graph g;
    struct stream_node *source = NULL, *sink = NULL;
    struct table_write write = {
        .kinds = TABLE_INSERT, .overwrite = j->overwrite, .partition = j->partition};
    struct rng rng;
    open_side(&from, &j->from);
    open_side(&to, &j->to);
    from.table.batch = to.table.batch = !j->streaming;
    stream_graph_init(&g);
    int rc = table_add_source(&g, &from.table, &j->scan, &source, err);
    rc = rc == 0 ? table_add_sink(&g, &to.table, &write, &sink, err) : rc;
    struct translate_options o = {.job_name = "copy",
                                  .default_parallelism = MAX(j->parallelism, 1),
                                  .chaining = true,
                                  .batch = !j->streaming};
    rng_init_system(&rng);
    id_random(&o.job_id, &rng);
    if (rc == 0) {
        stream_graph_connect(&g, source->index, 0, sink->index, 0, NULL, "test.c:1");
        rc = stream_graph_translate(&g, &o, ret, err);
    }
    stream_graph_fini(&g);
    table_fixture_fini(&from);
    table_fixture_fini(&to);
    return rc;
}

/* What the job says: 0, or why it failed. */
static int run(const struct job *j, struct error *err)
{
    Flinc__JobGraph *graph = NULL;
    struct minicluster *m = NULL;
    struct conf conf;
    TRY(build(j, &graph, err));
    conf_init(&conf, NULL);
    for (size_t i = 0; j->settings[i] != NULL; i += 2) {
        expect_ok(conf_set(&conf, j->settings[i], j->settings[i + 1], err), err);
    }
    struct minicluster_options o = {.conf = &conf};
    expect_ok(minicluster_start(&o, graph, &m, err), err);
    assert_true(minicluster_wait(m, HUNG_AFTER_MS));
    enum job_status status = minicluster_result(m, err);
    minicluster_free(m);
    conf_fini(&conf);
    flinc__job_graph__free_unpacked(graph, NULL);
    return status == JOB_STATUS_FINISHED ? 0 : MIN(err->code, -1);
}

static void must_run(const struct job *j)
{
    struct error err = ERROR_INIT;
    int rc = run(j, &err);
    if (rc < 0) {
        fail_msg("%s (%s)", err.message, err.frames);
    }
}

/* ---- reading -------------------------------------------------------------------------------------- */

#define AB "ROW<a INT, b STRING>"
#define ABD "ROW<a INT, b STRING, dt STRING>"

static void csv_to_json(void **state)
{
    struct job j = {.from = {AB, "in", "csv"}, .to = {AB, "out", "json"}, .scan = TABLE_SCAN_ALL};
    (void)state;
    put_file("in/one", "1,eins\n2,zwei\n");
    put_file("in/more/two", "3,\"dr\nei\"\n4,vier"); /* no end of line */
    put_file("in/_hidden", "9,no\n");
    put_file("in/empty", "");
    must_run(&j);
    expect_lines("out", "{\"a\":1,\"b\":\"eins\"}\n{\"a\":2,\"b\":\"zwei\"}\n"
                        "{\"a\":3,\"b\":\"dr\\nei\"}\n{\"a\":4,\"b\":\"vier\"}\n");
}

static void a_large_file_in_splits(void **state)
{
    struct job j = {.from = {AB, "in", "json"},
                    .to = {AB, "out", "csv"},
                    .scan = TABLE_SCAN_ALL,
                    .parallelism = 3};
    enum { ROWS = 200000 };
    STR_AUTO text = STR_INIT;
    (void)state;
    for (int i = 0; i < ROWS; i++) {
        str_printf(&text, "{\"a\":%d,\"b\":\"%0*d\"}\n", i, i % 60 + 1, i);
    }
    put_file("in/large", str_cstr(&text));
    must_run(&j);
    struct vec lines = VEC_INIT(char *);
    uint8_t *seen = calloc(ROWS, 1);
    char path[256];
    snprintf(path, sizeof(path), "%s/out", base);
    add_tree(path, "", &lines);
    assert_int_equal(lines.len, ROWS);
    for (size_t i = 0; i < lines.len; i++) {
        int a = atoi(vec_ptr(&lines, i));
        assert_in_range(a, 0, ROWS - 1);
        assert_int_equal(seen[a]++, 0);
        free(vec_ptr(&lines, i));
    }
    free(seen);
    vec_fini(&lines);
}

static void projection_and_metadata(void **state)
{
    static const struct table_path columns[] = {{1, {1}}};
    static const char *const metadata[] = {"file.name", "file.size"};
    struct job j = {
        .from = {AB, "in", "csv"},
        .to = {"ROW<b STRING, n STRING, s BIGINT>", "out", "csv"},
        .scan = {.columns = columns, .n_columns = 1, .metadata = metadata, .n_metadata = 2}};
    (void)state;
    put_file("in/one", "1,eins\n2,zwei\n");
    put_file("in/two", "3,drei\n");
    must_run(&j);
    expect_lines("out", "drei,two,7\neins,one,14\nzwei,one,14\n");
}

static void limit_and_pattern(void **state)
{
    char pattern[128];
    struct job j = {.from = {AB, "in", "csv", {"source.path.regex-pattern", pattern}},
                    .to = {AB, "out", "csv"},
                    .scan = {.has_limit = true, .limit = 2}};
    (void)state;
    snprintf(pattern, sizeof(pattern), "%s/in/.*\\.csv", base);
    put_file("in/one.csv", "1,x\n2,x\n3,x\n");
    put_file("in/two.txt", "8,x\n9,x\n");
    must_run(&j);
    expect_lines("out", "1,x\n2,x\n");
}

static void partitions_of_paths(void **state)
{
    struct job j = {
        .from = {.schema = ABD, .folder = "in", .format = "csv", .keys = {2}, .n_keys = 1},
        .to = {ABD, "out", "json"},
        .scan = TABLE_SCAN_ALL};
    (void)state;
    put_file("in/dt=2020-01-31/f", "1,x\n");
    put_file("in/dt=a%2Fb/f", "2,y\n");
    put_file("in/dt=__DEFAULT_PARTITION__/f", "3,z\n");
    must_run(&j);
    expect_lines("out", "{\"a\":1,\"b\":\"x\",\"dt\":\"2020-01-31\"}\n"
                        "{\"a\":2,\"b\":\"y\",\"dt\":\"a/b\"}\n"
                        "{\"a\":3,\"b\":\"z\",\"dt\":null}\n");
}

static void pruned_partitions(void **state)
{
    struct text_map one = pairs_of(PAIRS("dt", "2020-01-31"));
    struct text_map none = pairs_of(PAIRS("dt", "1999-12-31")); /* not there */
    struct text_map both[] = {one, none};
    struct job j = {
        .from = {.schema = ABD, .folder = "in", .format = "csv", .keys = {2}, .n_keys = 1},
        .to = {ABD, "out", "csv"},
        .scan = {.partitions = both, .n_partitions = 2}};
    (void)state;
    put_file("in/dt=2020-01-31/f", "1,x\n");
    put_file("in/dt=2020-02-01/f", "not,read\n");
    must_run(&j);
    expect_lines("out", "1,x,2020-01-31\n");
    text_map_fini(&one);
    text_map_fini(&none);
}

static void bad_input(void **state)
{
    struct error err = ERROR_INIT;
    struct job j = {.from = {AB, "in", "csv"},
                    .to = {AB, "out", "csv"},
                    .scan = TABLE_SCAN_ALL,
                    .settings = {"restart-strategy.type", "none"}};
    (void)state;
    assert_true(run(&j, &err) < 0); /* the folder is missing */
    assert_non_null(strstr(err.message, "/in does not exist"));
    put_file("in/one", "1,x\nzwei,y\n3,z\n");
    assert_true(run(&j, &err) < 0);
    assert_non_null(strstr(err.message, "in/one, line 2, column 1"));
    j.from.extra[0] = "csv.ignore-parse-errors";
    j.from.extra[1] = "true";
    must_run(&j);
}

/* ---- writing -------------------------------------------------------------------------------------- */

static void partitioned_and_read_again(void **state)
{
    struct side table = {.schema = "ROW<dt STRING, a INT, n INT>",
                         .folder = "t",
                         .format = "json",
                         .keys = {0, 2},
                         .n_keys = 2};
    struct job in = {
        .from = {"ROW<dt STRING, a INT, n INT>", "in", "csv", {"csv.null-literal", "null"}},
        .to = table,
        .scan = TABLE_SCAN_ALL};
    struct job out = {.from = table,
                      .to = {"ROW<dt STRING, a INT, n INT>", "out", "csv"},
                      .scan = TABLE_SCAN_ALL};
    (void)state;
    put_file("in/f", "x,1,10\ny,2,10\nx,3,10\na/b,4,-1\nnull,5,7\n");
    must_run(&in);
    expect_lines("t", "dt=__DEFAULT_PARTITION__: n=7: {\"a\":5}\n"
                      "dt=a%2Fb: n=-1: {\"a\":4}\n"
                      "dt=x: n=10: {\"a\":1}\ndt=x: n=10: {\"a\":3}\n"
                      "dt=y: n=10: {\"a\":2}\n");
    must_run(&out);
    expect_lines("out", ",5,7\na/b,4,-1\nx,1,10\nx,3,10\ny,2,10\n");
}

static void streaming_with_checkpoints(void **state)
{
    struct job j = {
        .from = {AB, "in", "csv"},
        .to = {.schema = AB, .folder = "out", .format = "csv", .keys = {1}, .n_keys = 1},
        .scan = TABLE_SCAN_ALL,
        .streaming = true,
        .settings = {"execution.checkpointing.interval", "20 ms"}};
    (void)state;
    put_file("in/one", "1,x\n2,y\n3,x\n");
    must_run(&j);
    expect_lines("out", "b=x: 1\nb=x: 3\nb=y: 2\n");
}

static size_t visible_files(const char *folder)
{
    char path[256];
    size_t n = 0;
    snprintf(path, sizeof(path), "%s/%s", base, folder);
    DIR *dir = opendir(path);
    struct dirent *e;
    while (dir != NULL && (e = readdir(dir)) != NULL) {
        n += e->d_name[0] != '.' && e->d_name[0] != '_';
    }
    if (dir != NULL) {
        closedir(dir);
    }
    return n;
}

static bool has_file(const char *name)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", base, name);
    return access(path, F_OK) == 0;
}

static void complete_partitions(void **state)
{
    struct job j = {.from = {ABD, "in", "csv"},
                    .to = {.schema = ABD,
                           .folder = "out",
                           .format = "csv",
                           .extra = {"sink.partition-commit.policy.kind", "success-file",
                                     "sink.partition-commit.trigger", "partition-time",
                                     "sink.partition-commit.success-file.name", "_DONE"},
                           .keys = {2},
                           .n_keys = 1},
                    .scan = TABLE_SCAN_ALL,
                    .streaming = true,
                    .parallelism = 2,
                    .settings = {"execution.checkpointing.interval", "20 ms"}};
    (void)state;
    put_file("in/one", "1,x,2020-01-01\n2,y,2020-01-02\n");
    put_file("in/two", "3,z,2020-01-01\n");
    must_run(&j);
    expect_lines("out", "dt=2020-01-01: 1,x\ndt=2020-01-01: 3,z\ndt=2020-01-02: 2,y\n");
    assert_true(has_file("out/dt=2020-01-01/_DONE"));
    assert_true(has_file("out/dt=2020-01-02/_DONE"));
    j.streaming = false; /* another run, that adds to it */
    j.settings[0] = NULL;
    j.to.extra[5] = "_ALSO";
    must_run(&j);
    expect_lines("out", "dt=2020-01-01: 1,x\ndt=2020-01-01: 1,x\ndt=2020-01-01: 3,z\n"
                        "dt=2020-01-01: 3,z\ndt=2020-01-02: 2,y\ndt=2020-01-02: 2,y\n");
    assert_true(has_file("out/dt=2020-01-01/_ALSO"));
}

static void overwritten(void **state)
{
    struct job j = {
        .from = {ABD, "in", "csv"},
        .to = {.schema = ABD, .folder = "out", .format = "csv", .keys = {2}, .n_keys = 1},
        .scan = TABLE_SCAN_ALL,
        .overwrite = true};
    struct text_map gone = pairs_of(PAIRS("dt", "c"));
    struct error err = ERROR_INIT;
    (void)state;
    put_file("in/one", "1,x,a\n");
    put_file("out/dt=a/old", "8,old\n");
    put_file("out/dt=b/old", "9,old\n");
    put_file("out/dt=c/old", "7,old\n");
    must_run(&j);
    expect_lines("out", "dt=a: 1,x\ndt=b: 9,old\ndt=c: 7,old\n");
    put_file("in/one", "");
    j.partition = &gone;
    must_run(&j);
    expect_lines("out", "dt=a: 1,x\ndt=b: 9,old\n");
    j.streaming = true;
    assert_true(run(&j, &err) < 0);
    assert_non_null(strstr(err.message, "execution.runtime-mode"));
    text_map_fini(&gone);
}

static void a_failing_batch_job_shows_nothing(void **state)
{
    struct job j = {.from = {AB, "in", "csv"},
                    .to = {AB, "out", "csv"},
                    .scan = TABLE_SCAN_ALL,
                    .parallelism = 2,
                    .settings = {"restart-strategy.type", "none"}};
    struct error err = ERROR_INIT;
    (void)state;
    put_file("in/one", "1,x\n");
    put_file("in/two", "zwei,y\n");
    put_file("out/old", "0,old\n");
    assert_true(run(&j, &err) < 0);
    expect_lines("out", "0,old\n");
}

static void joined_files(void **state)
{
    struct job j = {.from = {AB, "in", "csv"},
                    .to = {.schema = AB,
                           .folder = "out",
                           .format = "csv",
                           .extra = {"auto-compaction", "true", "sink.rolling-policy.file-size",
                                     "64 kb", "compaction.file-size", "10 mb"},
                           .keys = {1},
                           .n_keys = 1},
                    .scan = TABLE_SCAN_ALL};
    STR_AUTO text = STR_INIT;
    (void)state;
    for (int i = 0; i < 100000; i++) {
        str_printf(&text, "%d,x\n", i);
    }
    put_file("in/one", str_cstr(&text));
    must_run(&j);
    assert_int_equal(visible_files("out/b=x"), 1);
    j.to.folder = "plain";
    j.to.extra[1] = "false";
    must_run(&j);
    assert_true(visible_files("plain/b=x") > 1);
}

static void one_writer_per_partition(void **state)
{
    struct job j = {.from = {AB, "in", "csv"},
                    .to = {.schema = AB,
                           .folder = "out",
                           .format = "csv",
                           .extra = {"sink.shuffle-by-partition.enable", "true"},
                           .keys = {1},
                           .n_keys = 1},
                    .scan = TABLE_SCAN_ALL,
                    .parallelism = 4};
    char name[32];
    (void)state;
    for (int i = 0; i < 20; i++) {
        snprintf(name, sizeof(name), "in/%d", i);
        put_file(name, "1,x\n2,y\n");
    }
    must_run(&j);
    assert_int_equal(visible_files("out/b=x"), 1);
    assert_int_equal(visible_files("out/b=y"), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(csv_to_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_large_file_in_splits, set_up, tear_down),
        cmocka_unit_test_setup_teardown(projection_and_metadata, set_up, tear_down),
        cmocka_unit_test_setup_teardown(limit_and_pattern, set_up, tear_down),
        cmocka_unit_test_setup_teardown(partitions_of_paths, set_up, tear_down),
        cmocka_unit_test_setup_teardown(pruned_partitions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(bad_input, set_up, tear_down),
        cmocka_unit_test_setup_teardown(partitioned_and_read_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(streaming_with_checkpoints, set_up, tear_down),
        cmocka_unit_test_setup_teardown(complete_partitions, set_up, tear_down),
        cmocka_unit_test_setup_teardown(overwritten, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_failing_batch_job_shows_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(joined_files, set_up, tear_down),
        cmocka_unit_test_setup_teardown(one_writer_per_partition, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
