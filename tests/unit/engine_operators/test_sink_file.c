/* The file sink: buckets, rolling, names, compaction, formats, bad input. */
#include "common/fs/stream.h"
#include "file_sink_fixture.h"

#include <errno.h>
#include <sys/mount.h>

/* ---- rolling ------------------------------------------------------------------------------------- */

/* A row file stays open over checkpoints, and is seen with the one after it rolled. */
static void test_row_file_stays_open(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    c.rolling.part_bytes = 12;
    struct harness *h = sink_first(&c);
    push(h, "1, de");
    checkpoint(h, 1);
    push(h, "2, de");
    checkpoint(h, 2);
    check_folder("1 hidden");
    push(h, "3, de"); /* the file has 10 bytes */
    push(h, "4, de"); /* 15: this row is the next one's */
    check_folder("2 hidden");
    checkpoint(h, 3);
    check_folder("1,de/2,de/3,de/;1 hidden");
    must(harness_end_of_input(h, 0, &err));
    checkpoint(h, 4);
    check_folder("1,de/2,de/3,de/;4,de/;0 hidden");
    harness_free(h);
    sink_config_fini(&c);
}

static void test_bulk_rolls_at_barriers(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    c.c.bulk = true;
    c.csv.header = true;
    struct harness *h = sink_first(&c);
    push(h, "1, de");
    push(h, "2, de");
    drop(snapshot(h, 1));
    push(h, "3, de");
    check_folder("2 hidden");
    complete(h, 1);
    check_folder("id,country/1,de/2,de/;1 hidden");
    must(harness_end_of_input(h, 0, &err));
    checkpoint(h, 2);
    check_folder("id,country/1,de/2,de/;id,country/3,de/;0 hidden");
    harness_free(h);
    sink_config_fini(&c);
}

static void test_times(void **state)
{
    struct clock_manual clock;
    struct sink_config c;
    clock_manual_init(&clock);
    sink_config_init(&c, in_dir("out"));
    c.rolling.interval_ms = 10000;
    c.rolling.inactivity_ms = 4000;
    c.rolling.check_interval_ms = 1000;
    struct harness *h =
        sink_opened(&c, (struct sink_at){.flags = OP_FLAG_CHECKPOINTS, .clock = &clock.base});
    assert_true(harness_timer(h) == INT64_MAX);
    for (int i = 0; i < 5; i++) { /* a record every 3 s: the age counts */
        push(h, "1, de");
        clock_manual_advance_ms(&clock, 3000);
        must(harness_processing_time(h, &err));
    }
    checkpoint(h, 1);
    check_folder("1,de/1,de/1,de/1,de/;1 hidden");
    clock_manual_advance_ms(&clock, 1000); /* 4 s without a record */
    must(harness_processing_time(h, &err));
    checkpoint(h, 2);
    check_folder("1,de/;1,de/1,de/1,de/1,de/;0 hidden");
    harness_free(h);
    sink_config_fini(&c);
}

/* ---- names, buckets ------------------------------------------------------------------------------ */

static void test_names(void **state)
{
    struct sink_config c;
    struct seen s = {.texts = VEC_INIT(char *)};
    sink_config_init(&c, in_dir("out"));
    c.c.part_prefix = (char *)(uintptr_t) "data";
    c.c.part_suffix = (char *)(uintptr_t) ".csv";
    c.c.bulk = true;
    c.c.compression = (char *)(uintptr_t) "zstd";
    struct harness *h = sink_opened(
        &c, (struct sink_at){.flags = OP_FLAG_CHECKPOINTS, .subtask = 10, .parallelism = 11});
    push(h, "1, de");
    checkpoint(h, 1);
    look(in_dir("out"), "", &s);
    const char *name = str_cstr(&s.names);
    assert_true(cstr_starts_with(name, "/data-0000abcd-000a-"));
    assert_true(cstr_ends_with(name, "-0.csv.zst;"));
    assert_int_equal(strlen(name), strlen("/data-00000000-0000-0000-0000-000000000000-0.csv.zst;"));
    mem_free(vec_ptr(&s.texts, 0));
    vec_fini(&s.texts);
    str_fini(&s.names);
    harness_free(h);
    sink_config_fini(&c);
}

static void test_bucket_function(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    sink_config_by_country(&c);
    struct harness *h = sink_first(&c);
    push(h, "1, de\n2, us\n3, de\n4, 'fr/paris'\n5, ''\n6, us");
    push(h, "7, de\n8, de");
    must(harness_end_of_input(h, 0, &err));
    checkpoint(h, 1);
    check_folder("5,\"\"/;de:1,de/3,de/7,de/8,de/;fr/paris:4,fr/paris/;us:2,us/6,us/;0 hidden");
    harness_free(h);
    sink_config_fini(&c);
}

static void refuses(struct sink_config *c, const char *rows, const char *text)
{
    struct harness *h = sink_first(c);
    must_fail(harness_push_rows(h, 0, rows, &err), ERR_USER_CODE, text);
    harness_free(h);
}

static int with_nul(flinc_ctx *ctx, const order *in, flinc_text *out)
{
    flinc_text_append(out, "a\0b", 3);
    return 0;
}

static void test_bad_buckets(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    sink_config_by_country(&c);
    refuses(&c, "1, ..", "the bucket '..' cannot be a folder");
    refuses(&c, "1, 'a/../../etc'", "'a/../../etc'");
    refuses(&c, "1, /etc", "begins or ends with a slash");
    refuses(&c, "1, 'a//b'", "has two together");
    refuses(&c, "1, 'a/'", "begins or ends with a slash");
    refuses(&c, "1, .hidden", "begins with a dot");
    char long_name[400];
    snprintf(long_name, sizeof(long_name), "1, %0300d", 7);
    refuses(&c, long_name, "a folder of it has a name of more than 255 bytes");
    struct harness *h;
    must(harness_new(&(struct harness_options){.kind = "flinc.sink.file",
                                               .config = &c.c.base,
                                               .inputs = {FLINC_TYPE(order)},
                                               .functions = {FN(FLINC_FN_BUCKET, with_nul)}},
                     &h, &err));
    must(harness_open(h, &err));
    must_fail(harness_push_rows(h, 0, "1, de", &err), ERR_USER_CODE, "'a\\x00b'");
    harness_free(h);
    sink_config_fini(&c);
}

static void test_date_time_buckets(void **state)
{
    struct clock_manual clock; /* 2001-09-09 01:46:40 UTC */
    struct sink_config c;
    clock_manual_init(&clock);
    sink_config_init(&c, in_dir("out"));
    c.buckets.kind = FLINC__FILE_BUCKET_KIND__FILE_BUCKET_DATE_TIME;
    c.buckets.date_format = (char *)(uintptr_t) "yyyy-MM-dd--HH";
    c.buckets.zone = (char *)(uintptr_t) "+02:00";
    struct harness *h =
        sink_opened(&c, (struct sink_at){.flags = OP_FLAG_CHECKPOINTS, .clock = &clock.base});
    push(h, "1, de");
    clock_manual_advance_ms(&clock, 3600 * 1000);
    push(h, "2, de");
    must(harness_end_of_input(h, 0, &err));
    checkpoint(h, 1);
    check_folder("2001-09-09--03:1,de/;2001-09-09--04:2,de/;0 hidden");
    harness_free(h);
    sink_config_fini(&c);
}

static void test_event_time_buckets(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    c.buckets.kind = FLINC__FILE_BUCKET_KIND__FILE_BUCKET_DATE_TIME;
    c.buckets.date_format = (char *)(uintptr_t) "yyyy/MM/dd";
    c.buckets.zone = (char *)(uintptr_t) "UTC";
    c.buckets.event_time = true;
    struct harness *h = sink_first(&c);
    push(h, "1, de @0\n2, de @86400000\n3, de @-1\n4, de @86399999");
    must(harness_end_of_input(h, 0, &err));
    checkpoint(h, 1);
    check_folder("1969/12/31:3,de/;1970/01/01:1,de/4,de/;1970/01/02:2,de/;0 hidden");
    harness_free(h);
    h = sink_first(&c);
    must_fail(harness_push_rows(h, 0, "1, de", &err), ERR_INVALID_ARGUMENT,
              "a record without a timestamp");
    harness_free(h);
    sink_config_fini(&c);
}

/* Above the limit the file that was written least recently is finished. */
static void test_open_files_max(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    sink_config_by_country(&c);
    c.c.open_files_max = 2;
    struct harness *h = sink_first(&c);
    push(h, "1, a");
    push(h, "2, b");
    push(h, "3, a");
    push(h, "4, c"); /* b's goes */
    checkpoint(h, 1);
    check_folder("b:2,b/;2 hidden");
    push(h, "5, d\n6, e\n7, f\n8, g");
    must(harness_end_of_input(h, 0, &err));
    checkpoint(h, 2);
    check_folder("a:1,a/3,a/;b:2,b/;c:4,c/;d:5,d/;e:6,e/;f:7,f/;g:8,g/;0 hidden");
    harness_free(h);
    sink_config_fini(&c);
}

/* ---- without checkpoints --------------------------------------------------------------------------- */

static void test_bounded(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    sink_config_by_country(&c);
    c.rolling.part_bytes = 1;
    struct harness *h = sink_opened(&c, (struct sink_at){.flags = OP_FLAG_INPUTS_BOUNDED});
    push(h, "1, de\n2, us");
    push(h, "3, de");
    check_folder("3 hidden");
    must(harness_end_of_input(h, 0, &err));
    check_folder("de:1,de/;de:3,de/;us:2,us/;0 hidden");
    harness_free(h);
    /* The next attempt begins from nothing. */
    h = sink_opened(&c, (struct sink_at){.flags = OP_FLAG_INPUTS_BOUNDED, .attempt = 1});
    check_folder("0 hidden");
    push(h, "1, de");
    harness_free(h);
    check_folder("0 hidden");
    sink_config_fini(&c);
}

/* ---- compaction ------------------------------------------------------------------------------------ */

static void test_compaction_by_checkpoints(void **state)
{
    struct sink_config c;
    struct seen s = {.texts = VEC_INIT(char *)};
    sink_config_init(&c, in_dir("out"));
    sink_config_by_country(&c);
    sink_config_compact(&c, 0, 2);
    c.rolling.on_checkpoint = true;
    struct harness *h = sink_first(&c);
    push(h, "1, de\n2, us");
    checkpoint(h, 1);
    push(h, "3, de\n4, us");
    check_folder("4 hidden");
    checkpoint(h, 2); /* due; seen with the next */
    push(h, "5, de");
    checkpoint(h, 3);
    check_folder("de:1,de/3,de/;us:2,us/4,us/;1 hidden");
    look(in_dir("out"), "", &s);
    assert_true(cstr_starts_with(str_cstr(&s.names), "de/compacted-part-0000abcd-0000-"));
    must(harness_end_of_input(h, 0, &err));
    checkpoint(h, 4);
    check_folder("de:1,de/3,de/;de:5,de/;us:2,us/4,us/;0 hidden");
    harness_free(h);
    for (size_t i = 0; i < s.texts.len; i++) {
        mem_free(vec_ptr(&s.texts, i));
    }
    vec_fini(&s.texts);
    str_fini(&s.names);
    sink_config_fini(&c);
}

static void test_compaction_by_size(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    sink_config_compact(&c, 10, 0);
    c.rolling.part_bytes = 1;
    struct harness *h = sink_first(&c);
    for (int i = 1; i < 6; i++) {
        char row[16];
        snprintf(row, sizeof(row), "%d, de", i);
        push(h, row); /* 5 bytes each */
    }
    checkpoint(h, 1);
    check_folder("1,de/2,de/;3,de/4,de/;1 hidden");
    must(harness_end_of_input(h, 0, &err));
    checkpoint(h, 2);
    check_folder("1,de/2,de/;3,de/4,de/;5,de/;0 hidden");
    harness_free(h);
    sink_config_fini(&c);
}

/* Headers and compression: read and written anew. */
static void compacts_records(const char *compression)
{
    struct sink_config c;
    STR_AUTO text = STR_INIT;
    struct fs_list list = FS_LIST_INIT;
    sink_config_init(&c, in_dir(compression));
    sink_config_compact(&c, 0, 100);
    c.compaction.by_records = true;
    c.csv.header = true;
    c.c.bulk = true;
    c.c.compression = (char *)(uintptr_t)compression;
    struct harness *h = sink_first(&c);
    for (int i = 1; i < 4; i++) {
        char row[16];
        snprintf(row, sizeof(row), "%d, de", i);
        push(h, row);
        checkpoint(h, (uint64_t)i);
    }
    must(harness_end_of_input(h, 0, &err));
    checkpoint(h, 4);
    harness_free(h);
    must(fs_list_dir(c.c.path, &list, &err));
    assert_int_equal(list.n, 1);
    struct fs_stream *in;
    char bytes[256];
    size_t n;
    must(fs_stream_open(list.entries[0].path, &in, &err));
    must(fs_stream_read(in, bytes, sizeof(bytes), &n, &err));
    fs_stream_close(in);
    str_append(&text, bytes, n);
    assert_string_equal(str_cstr(&text), "id,country\n1,de\n2,de\n3,de\n");
    fs_list_fini(&list);
    sink_config_fini(&c);
}

static void test_compaction_of_records(void **state)
{
    compacts_records("gzip");
    compacts_records("zstd");
}

/* ---- bad input --------------------------------------------------------------------------------------- */

static void opening_fails(const struct sink_config *c, int code, const char *text)
{
    struct harness *h = sink_new(c, (struct sink_at){.flags = OP_FLAG_CHECKPOINTS});
    must_fail(harness_open(h, &err), code, text);
    harness_free(h);
}

static void test_bad_configurations(void **state)
{
    struct sink_config c;
    sink_config_init(&c, in_dir("out"));
    c.c.format = (char *)(uintptr_t) "parquett";
    opening_fails(&c, ERR_INVALID_ARGUMENT, "the formats are csv, json, text");
    c.c.format = (char *)(uintptr_t) "csv";
    c.c.compression = (char *)(uintptr_t) "gzip";
    opening_fails(&c, ERR_INVALID_ARGUMENT, "row formats are not compressed");
    c.c.bulk = true;
    c.c.compression = (char *)(uintptr_t) "lzma";
    opening_fails(&c, ERR_INVALID_ARGUMENT, "there are gzip and zstd");
    c.c.compression = (char *)(uintptr_t) "";
    c.csv.delimiter = '"';
    c.csv.quote = '"';
    opening_fails(&c, ERR_INVALID_ARGUMENT, "two different ASCII characters");
    c.csv.delimiter = ',';
    c.buckets.kind = FLINC__FILE_BUCKET_KIND__FILE_BUCKET_DATE_TIME;
    c.buckets.date_format = (char *)(uintptr_t) "yyyy-MMM";
    opening_fails(&c, ERR_INVALID_ARGUMENT, "3 times 'M'");
    c.buckets.date_format = (char *)(uintptr_t) "yyyy-MM-dd";
    c.buckets.zone = (char *)(uintptr_t) "Europe/Berlim";
    opening_fails(&c, ERR_NOT_FOUND, "'Europe/Berlim' is not known here");
    c.buckets.kind = FLINC__FILE_BUCKET_KIND__FILE_BUCKET_BASE_PATH;
    c.c.path = arena_strdup(&c.arena, put_text("file", "x"));
    opening_fails(&c, ERR_ALREADY_EXISTS, "making the output folder");
    sink_config_fini(&c);
}

static int fill(struct harness *h, struct error *err)
{
    for (int i = 0; i < 10000; i++) {
        TRY(harness_push_rows(h, 0, "1, 'a country that takes some place on the disk'", err));
        TRY(harness_flush(h, err));
    }
    return harness_end_of_input(h, 0, err);
}

static void test_disk_full(void **state)
{
    struct sink_config c;
    must(fs_mkdirs(in_dir("small"), &err));
    if (mount("tmpfs", in_dir("small"), "tmpfs", 0, "size=64k") < 0) {
        print_message("skipped: cannot mount a small tmpfs (%s)\n", strerror(errno));
        return;
    }
    sink_config_init(&c, in_dir("small/out"));
    struct harness *h = sink_first(&c);
    struct error err = ERROR_INIT;
    int rc = fill(h, &err);
    harness_free(h);
    bool left = strcmp(folder(in_dir("small/out")), "0 hidden") != 0;
    assert_int_equal(umount(in_dir("small")), 0);
    assert_int_equal(rc, ERR_NO_SPACE);
    assert_non_null(strstr(err.message, "small/out/.part-0000abcd-0000-"));
    assert_false(left);
    sink_config_fini(&c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        FILES_TEST(test_row_file_stays_open),
        FILES_TEST(test_bulk_rolls_at_barriers),
        FILES_TEST(test_times),
        FILES_TEST(test_names),
        FILES_TEST(test_bucket_function),
        FILES_TEST(test_bad_buckets),
        FILES_TEST(test_date_time_buckets),
        FILES_TEST(test_event_time_buckets),
        FILES_TEST(test_open_files_max),
        FILES_TEST(test_bounded),
        FILES_TEST(test_compaction_by_checkpoints),
        FILES_TEST(test_compaction_by_size),
        FILES_TEST(test_compaction_of_records),
        FILES_TEST(test_bad_configurations),
        FILES_TEST(test_disk_full),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
