/* `flink state` as a user calls it: what it prints of a snapshot, and what it says of mistakes.
 *
 * FLINC_SAMPLE_DIR=<folder> keeps the snapshots: those of tests/system/snapshots were made so. */
#include "tests/unit/engine_snapshot/fixture.h"
#include "tests/unit/engine_snapshot/metadata_maker.h"

#include "client/statetool/statetool.h"
#include "common/text/json.h"
#include "engine/data/codec.h"

#include <unistd.h>

static void add_segment(Flinc__KeyedHandle *h, struct buffer_pool *pool, int64_t bonus,
                        uint32_t first, uint32_t last, uint32_t each)
{
    struct words w;
    Flinc__KeyedSegment *s =
        ADD_MESSAGE(h->n_segments, h->segments, Flinc__KeyedSegment, flinc__keyed_segment__init);
    words_open(&w, pool, 1 << 20);
    w.bonus = bonus;
    words_put(&w, SEGMENT_BLOCK_PUT, 0, first, last, each);
    if (bonus != 0) {
        words_put(&w, SEGMENT_BLOCK_REMOVE, 0, 19, 19, 1);
    }
    words_finish(&w, s);
}

/* A list with one item that is a row, and a broadcast map whose bytes only its operator knows. */
static void add_operator_state(Flinc__SubtaskSnapshot *s, struct buffer_pool *pool, int64_t offset)
{
    struct builder b;
    STR_AUTO item = STR_INIT;
    struct schema *schema = schema_of("ROW<`file` STRING, `offset` BIGINT>");
    builder_init(&b, pool, schema, 1);
    builder_begin(&b);
    assert_int_equal(builder_put_bytes(&b, 0, "/in/a.txt", 9, NULL), 0);
    builder_put_i64(&b, 1, offset);
    builder_end_row(&b);
    struct batch *rows = builder_finish(&b);
    assert_ok(row_encode(rows, 0, &(struct row_encoding){0}, &item, &ok_err));
    Flinc__OperatorStateHandle *h =
        add_list(s, "splits", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_SPLIT, 1);
    state_blob_clear(h->blob);
    h->blob->size = item.len;
    h->blob->inline_data = (ProtobufCBinaryData){item.len, mem_dup(item.data, item.len)};
    h->blob->crc32c = crc32c(0, item.data, item.len);
    h->parts[0]->sizes[0] = item.len;
    h->parts[0]->schema = mem_strdup("ROW<`file` STRING, `offset` BIGINT>");
    add_list(s, "rules", FLINC__OPERATOR_STATE_MODE__OPERATOR_STATE_BROADCAST, 2);
    batch_unref(rows);
    builder_fini(&b);
    schema_unref(schema);
}

/* The later one has an increment: groups 12 and 13 changed, one word of 19 removed, 2 new ones in 12. */
static void write_sample(const char *folder, struct buffer_pool *pool, bool is_later)
{
    Flinc__CheckpointMetadata *m = make_metadata();
    Flinc__OperatorSnapshot *source = add_operator(m, 1, "Source: Text", 1, 128);
    Flinc__OperatorSnapshot *count = add_operator(m, 2, "Count", 12, 128);
    source->has_coordinator_state = true;
    source->coordinator_state = (ProtobufCBinaryData){7, mem_dup("7 bytes", 7)};
    add_operator_state(add_subtask(source, 0), pool, is_later ? 200 : 100);
    Flinc__SubtaskSnapshot *s = add_subtask(count, 1);
    Flinc__KeyedHandle *h = ADD_MESSAGE(s->state->n_keyed, s->state->keyed, Flinc__KeyedHandle,
                                        flinc__keyed_handle__init);
    h->backend = mem_strdup("hashmap");
    h->first_group = 10;
    h->last_group = 19;
    add_segment(h, pool, 0, 10, 19, 2);
    if (is_later) {
        m->checkpoint_id = 43;
        add_segment(h, pool, 500, 12, 13, 3);
    }
    assert_ok(fs_mkdirs(folder, &ok_err));
    assert_ok(metadata_write(folder, m, &ok_err));
    flinc__checkpoint_metadata__free_unpacked(m, NULL);
}

static char paths[2][512]; /* of the sample and the later one */

static void write_samples(struct buffer_pool *pool)
{
    const char *kept = getenv("FLINC_SAMPLE_DIR");
    const char *top = kept != NULL ? kept : fixture_dir;
    for (int i = 0; i < 2; i++) {
        snprintf(paths[i], sizeof(paths[i]), "%s/chk-%d", top, 42 + i);
        if (fs_exists(paths[i], NULL) != 1) {
            write_sample(paths[i], pool, i == 1);
        }
    }
}

/* Runs it; returns the exit code and what it printed (freed by the caller). */
static int run(char **ret_text, int argc, const char *const *argv)
{
    size_t size = 0;
    char *args[16];
    for (int i = 0; i < argc; i++) {
        args[i] = (char *)(uintptr_t)argv[i];
    }
    FILE *out = open_memstream(ret_text, &size);
    int rc = statetool_main(argc, args, out);
    assert_int_equal(fclose(out), 0);
    return rc;
}

#define RUN(ret_text, ...)                             \
    ({                                                 \
        const char *const argv_[] = {__VA_ARGS__};     \
        run((ret_text), (int)ARRAY_LEN(argv_), argv_); \
    })

static uint32_t count_lines(const char *text, const char *part)
{
    uint32_t n = 0;
    for (const char *line = text; *line != '\0';) {
        const char *end = strchr(line, '\n');
        STR_AUTO one = STR_INIT;
        assert_non_null(end);
        str_append(&one, line, (size_t)(end - line));
        n += strstr(str_cstr(&one), part) != NULL;
        line = end + 1;
    }
    return n;
}

static void says(const char *text, const char *part)
{
    if (strstr(text, part) == NULL) {
        fail_msg("'%s' is not in: %s", part, text);
    }
}

static void info(void **state)
{
    char *text = NULL;
    write_samples(*state);
    assert_int_equal(RUN(&text, "info", paths[1]), 0);
    says(text, "incremental checkpoint 43");
    says(text, "'Word Count'");
    says(text, "2023-11-14T22:13:20.123");
    says(text, "flinc 0.2.0");
    says(text, "010000000000000000000000000000ee  Source: Text");
    says(text, "parallelism 12 (at most 128)");
    says(text, "coordinator 7 bytes");
    free(text);
}

static void ls(void **state)
{
    char *text = NULL;
    write_samples(*state);
    assert_int_equal(RUN(&text, "ls", paths[1]), 0);
    says(text, "count (value)\n      key (word STRING NOT NULL)\n      value (n BIGINT NOT NULL)\n"
               "      key groups 10 to 19, 26 rows and 1 removals in 2 segments");
    says(text, "time to live 5000 ms");
    says(text, "splits (list)\n      items ROW<`file` STRING, `offset` BIGINT>\n      1 in 1");
    says(text, "rules (broadcast)");
    free(text);
    assert_int_equal(RUN(&text, "ls", paths[1], "--operator", "Count", "--state=none"), 0);
    assert_null(strstr(text, "count (value)"));
    assert_null(strstr(text, "Source"));
    free(text);
}

static void dump(void **state)
{
    char *text = NULL;
    write_samples(*state);
    assert_int_equal(RUN(&text, "dump", paths[0]), 0);
    assert_int_equal(count_lines(text, ""), 20 + 1 + 1 + 1);
    says(text, "{\"operator\":\"Count\",\"operator_id\":\"020000000000000000000000000000ee\","
               "\"state\":\"count\",\"key_group\":12,\"namespace\":0,\"key\":{\"word\":"
               "\"word-12-of-a-longer-kind-1\"},\"value\":{\"n\":12001}}\n");
    says(text, "\"state\":\"splits\",\"mode\":\"list\",\"subtask\":0,\"item\":0,\"value\":"
               "{\"file\":\"/in/a.txt\",\"offset\":100}}\n");
    says(text, "\"state\":\"rules\",\"mode\":\"broadcast\",\"key\":{\"bytes\":"
               "\"0000000000000000\"},\"value\":{\"bytes\":\"0100000000000000\"}}\n");
    says(text, "\"coordinator_bytes\":7}\n");
    free(text);

    /* With the increment applied. */
    assert_int_equal(RUN(&text, "dump", paths[1], "--operator", "Count"), 0);
    assert_int_equal(count_lines(text, ""), 20 + 2 - 1);
    says(text, "{\"n\":12501}");
    assert_null(strstr(text, "{\"n\":12001}"));
    assert_null(strstr(text, "{\"n\":19000}"));
    free(text);

    assert_int_equal(RUN(&text, "dump", paths[1], "--key-group", "12", "--state", "count"), 0);
    assert_int_equal(count_lines(text, "\"key_group\":12"), 3);
    assert_int_equal(count_lines(text, ""), 3);
    free(text);
    assert_int_equal(RUN(&text, "dump", paths[1], "--key-group=127"), 0);
    assert_string_equal(text, "");
    free(text);
}

static void every_line_is_json(void **state)
{
    char *text = NULL;
    write_samples(*state);
    assert_int_equal(RUN(&text, "diff", paths[0], paths[1]), 0);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n")) {
        JSON_AUTO v = NULL;
        struct error why = ERROR_INIT;
        if (json_parse(slice_cstr(line), NULL, &v, &why) < 0) {
            fail_msg("%s: %s", line, why.message);
        }
    }
    free(text);
}

static void diff(void **state)
{
    char *text = NULL;
    write_samples(*state);
    assert_int_equal(RUN(&text, "diff", paths[0], paths[1]), 0);
    assert_int_equal(count_lines(text, "{\"change\":\"added\""), 2);
    assert_int_equal(count_lines(text, "{\"change\":\"removed\""), 1);
    assert_int_equal(count_lines(text, "{\"change\":\"changed\""), 4 + 1);
    says(text, "{\"change\":\"removed\",\"operator\":\"Count\"");
    says(text, "\"word-12-of-a-longer-kind-1\"},\"was\":{\"n\":12001},\"value\":{\"n\":12501}}\n");
    free(text);
    assert_int_equal(RUN(&text, "diff", paths[1], paths[1]), 0);
    assert_string_equal(text, "");
    free(text);
}

/* What goes to stderr, in a file of its own. */
static void fails_with(const char *part, int argc, const char *const *argv)
{
    char *text = NULL, said[4096] = "";
    char path[512];
    snprintf(path, sizeof(path), "%s/stderr", fixture_dir);
    (void)fflush(stderr);
    int was = dup(STDERR_FILENO);
    assert_non_null(freopen(path, "w", stderr));
    int rc = run(&text, argc, argv);
    (void)fflush(stderr);
    assert_true(dup2(was, STDERR_FILENO) >= 0);
    close(was);
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    said[fread(said, 1, sizeof(said) - 1, f)] = '\0';
    (void)fclose(f);
    assert_int_equal(rc, 1);
    says(said, part);
    free(text);
}
#define FAILS(part, ...)                                  \
    do {                                                  \
        const char *const argv_[] = {__VA_ARGS__};        \
        fails_with((part), (int)ARRAY_LEN(argv_), argv_); \
    } while (0)

static void mistakes(void **state)
{
    write_samples(*state);
    FAILS("no sub-command", "dmup");
    FAILS("which snapshot?", "info");
    FAILS("which two snapshots?", "diff", paths[0]);
    FAILS("one too many", "info", paths[0], paths[1]);
    FAILS("unknown option '--frob'", "dump", paths[0], "--frob");
    FAILS("unknown option '--key-group'", "ls", paths[0], "--key-group", "1");
    FAILS("--operator needs a value", "dump", paths[0], "--operator");
    FAILS("a key group is 0 to", "dump", paths[0], "--key-group", "many");
    FAILS("did you mean 'Count'?", "dump", paths[0], "--operator", "Cuont");
    FAILS("nothing-there", "info", "/tmp/nothing-there");
    FAILS("newest complete one is", "info", fixture_dir);
}

static void help(void **state)
{
    char *text = NULL;
    (void)state;
    assert_int_equal(RUN(&text, "--help"), 0);
    says(text, "state dump <snapshot>");
    says(text, "--key-group <n>");
    free(text);
    assert_int_equal(RUN(&text, "dump", "-h"), 0);
    says(text, "state dump <snapshot>");
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SNAPSHOT_TEST(info), SNAPSHOT_TEST(ls),       SNAPSHOT_TEST(dump),
        SNAPSHOT_TEST(diff), SNAPSHOT_TEST(mistakes), SNAPSHOT_TEST(every_line_is_json),
        SNAPSHOT_TEST(help),
    };
    return cmocka_run_group_tests_name("statetool", tests, NULL, NULL);
}
