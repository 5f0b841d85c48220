/* The text reader: every line exactly once whatever the contents, the splits and the way of reading; long
 * lines, packed files, readers that go while a read is out. */
#include "engine/operators/io/text_reader.h"

#include "common/base/thread.h"
#include "engine/operators/io/line_split.h"
#include "files_fixture.h"
#include "proto/operators.pb-c.h"

struct reading {
    struct harness *h;
    struct text_reader reader;
    struct executor *executor; /* Owns; NULL: everything at once */
    bool stepped;
    uint64_t waits;
};

static void begin(struct reading *r, uint32_t n_threads, bool with_executor, uint64_t max_line)
{
    Flinc__TextSourceConfig c = FLINC__TEXT_SOURCE_CONFIG__INIT;
    *r = (struct reading){.stepped = n_threads == 0};
    if (with_executor) {
        must(executor_new(&(struct executor_options){.name = "io", .n_threads = n_threads},
                          &r->executor, &err));
    }
    must(harness_new(&(struct harness_options){.kind = "flinc.source.text",
                                               .config = &c.base,
                                               .output_schemas = {"ROW<line STRING>"},
                                               .io_executor = r->executor},
                     &r->h, &err));
    text_reader_init(&r->reader, harness_context(r->h), max_line);
}

static void end(struct reading *r)
{
    text_reader_fini(&r->reader);
    r->executor = executor_free(r->executor);
    harness_free(r->h);
}

/* Lines, each with its length in front, so that no text can be taken for two. */
static void add_line(struct str *lines, const char *data, size_t len)
{
    str_printf(lines, "%zu:", len);
    str_append(lines, data, len);
    str_append_char(lines, '\n');
}

/* The message of a split; valid until the next call. */
static const Flinc__FileSplit *split_of(const char *path, uint64_t offset, uint64_t length,
                                        bool whole)
{
    static Flinc__FileSplit split;
    flinc__file_split__init(&split);
    split.path = (char *)(uintptr_t)path;
    split.offset = offset;
    split.length = length;
    split.whole_file = whole;
    return &split;
}

static int read_split(struct reading *r, const char *path, uint64_t offset, uint64_t length,
                      bool whole, struct str *lines, struct error *err)
{
    const struct schema *schema = harness_context(r->h)->output_schemas[0];
    enum text_state state;
    text_reader_start(&r->reader, split_of(path, offset, length, whole));
    for (;;) {
        struct batch *b = NULL;
        TRY(text_reader_advance(&r->reader, &state, err));
        if (state == TEXT_END) {
            return 0;
        }
        if (state == TEXT_WAITING) {
            r->waits++;
            if (r->stepped) {
                assert_true(executor_run_once(r->executor));
            }
            assert_true(harness_wait_wake(r->h, 60000));
            continue;
        }
        TRY(text_reader_take_lines(&r->reader, schema, &b, err));
        assert_int_equal(batch_validate(b, NULL), 0);
        for (uint32_t i = 0; i < b->n_sel; i++) {
            struct slice line = column_get_bytes(&b->columns[0], i);
            add_line(lines, line.data, line.len);
        }
        batch_unref(b);
    }
}

/* The same lines, the obvious way. */
static void naive_lines(const struct str *text, struct str *lines)
{
    for (size_t at = 0; at < text->len;) {
        size_t end = at;
        while (end < text->len && text->data[end] != '\n') {
            end++;
        }
        size_t stop = end > at && text->data[end - 1] == '\r' ? end - 1 : end;
        add_line(lines, text->data + at, stop - at);
        at = end + 1;
    }
}

/* ---- contents ---------------------------------------------------------------------------------- */

static void random_line(struct rng *rng, struct str *text)
{
    static const char letters[] = "ab \r\xff\xc3\xa9\0z";
    uint64_t kind = rng_below(rng, 100);
    uint64_t len = kind < 15   ? 0
                   : kind < 60 ? rng_below(rng, 14)
                   : kind < 98 ? rng_below(rng, 120)
                               : rng_below(rng, 3000);
    for (uint64_t i = 0; i < len; i++) {
        str_append_char(text, letters[rng_below(rng, sizeof(letters) - 1)]);
    }
    if (rng_below(rng, 4) == 0) {
        str_append_char(text, '\r');
    }
}

static void random_text(struct rng *rng, size_t size, struct str *text)
{
    while (text->len < size) {
        random_line(rng, text);
        if (rng_below(rng, 2000) == 0) { /* longer than a chunk, so that it crosses borders */
            for (uint64_t i = rng_below(rng, 700 * 1024); i > 0; i--) {
                str_append_char(text, 'x');
            }
        }
        str_append_char(text, '\n');
    }
    if (rng_below(rng, 2) == 0) {
        random_line(rng, text); /* the last line without an end */
    }
}

static void check_splits(struct reading *r, const struct str *text, uint64_t split_bytes)
{
    STR_AUTO expected = STR_INIT;
    STR_AUTO lines = STR_INIT;
    const char *path = put_file("text", text->data, text->len);
    naive_lines(text, &expected);
    for (uint64_t at = 0; at < text->len; at += split_bytes) {
        must(read_split(r, path, at, MIN(split_bytes, text->len - at), false, &lines, &err));
    }
    assert_int_equal(lines.len, expected.len);
    assert_true(memcmp(str_cstr(&lines), str_cstr(&expected), lines.len) == 0);
}

/* Any contents, any split size: each line once, in order. */
static void check_random(struct reading *r, uint64_t seed, int rounds)
{
    struct rng rng;
    rng_init(&rng, seed);
    for (int i = 0; i < rounds; i++) {
        STR_AUTO text = STR_INIT;
        bool small = rng_below(&rng, 3) > 0;
        random_text(&rng, small ? rng_below(&rng, 300) : rng_below(&rng, 1500 * 1024), &text);
        uint64_t split = small ? 1 + rng_below(&rng, text.len + 1)
                               : 1 + text.len / 40 + rng_below(&rng, text.len + 1);
        check_splits(r, &text, split);
    }
}

static void test_random_at_once(void **state)
{
    struct reading r;
    begin(&r, 0, false, 0);
    check_random(&r, 1, 150);
    assert_int_equal(r.waits, 0);
    end(&r);
}

static void test_random_stepped(void **state)
{
    struct reading r;
    begin(&r, 0, true, 0);
    check_random(&r, 2, 60);
    must(failpoint_configure("fs.local.read_cached=error", &err));
    uint64_t waits = r.waits;
    check_random(&r, 3, 60);
    assert_true(r.waits > waits);
    end(&r);
}

static void test_random_threads(void **state)
{
    struct reading r;
    must(failpoint_configure("fs.local.read_cached=error,one_in=2", &err));
    begin(&r, 2, true, 0);
    check_random(&r, 4, 60);
    end(&r);
}

/* Every split size of small contents that have every kind of line end. */
static void test_all_split_sizes(void **state)
{
    static const char *const texts[] = {
        "a",
        "a\n",
        "\n",
        "\n\n\n",
        "a\r\n",
        "\r\n\r\n",
        "a\nb",
        "a\r\nbc\r",
        "\n\na\n\nb",
        "abc\ndef\n",
        "abc\r\ndef",
        "\r",
        "\r\r\n",
        "ab\n\ncd",
        "a\rb\nc",
        "0123456789a",
        "0123456789ab\n0123456789abc\n",
    };
    struct reading r;
    begin(&r, 0, false, 0);
    for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
        struct str text = STR_INIT;
        str_append_cstr(&text, texts[i]);
        for (uint64_t split = 1; split <= text.len; split++) {
            check_splits(&r, &text, split);
        }
        str_fini(&text);
    }
    end(&r);
}

/* A full queue of I/O threads is no failure: the read is done at once. */
static void test_full_queue(void **state)
{
    struct reading r;
    STR_AUTO lines = STR_INIT;
    struct executor_options options = {.name = "io", .queue_limit = 1};
    begin(&r, 0, false, 0);
    must(executor_new(&options, &r.executor, &err));
    r.reader.io_executor = r.executor;
    struct reading other;
    begin(&other, 0, false, 0);
    other.reader.io_executor = r.executor;
    const char *path = put_text("f", "one\ntwo");
    enum text_state state_now;
    text_reader_start(&other.reader, split_of(path, 0, 7, false));
    must(text_reader_advance(&other.reader, &state_now, &err));
    assert_int_equal(state_now, TEXT_WAITING);
    must(read_split(&r, path, 0, 7, false, &lines, &err));
    assert_string_equal(str_cstr(&lines), "3:one\n3:two\n");
    assert_int_equal(r.waits, 0);
    text_reader_fini(&other.reader);
    end(&r);
    harness_free(other.h);
}

/* ---- limits ------------------------------------------------------------------------------------ */

static void repeat(struct str *text, char c, size_t n)
{
    str_reserve(text, n);
    memset(text->data + text->len, c, n);
    text->len += n;
}

static void test_line_limit(void **state)
{
    static const char *const ends[] = {"\n", "\r\n", ""};
    struct reading r;
    begin(&r, 0, false, 100);
    for (size_t i = 0; i < ARRAY_LEN(ends); i++) {
        STR_AUTO text = STR_INIT;
        STR_AUTO lines = STR_INIT;
        str_append_cstr(&text, "short\n");
        repeat(&text, 'x', 100);
        str_append_cstr(&text, ends[i]);
        check_splits(&r, &text, text.len);
        str_clear(&text);
        str_append_cstr(&text, "short\n");
        repeat(&text, 'x', 101);
        str_append_cstr(&text, ends[i]);
        const char *path = put_file("long", text.data, text.len);
        must_fail(read_split(&r, path, 0, text.len, false, &lines, &err), ERR_TOO_LARGE,
                  "long: the line at byte 6 is longer than 100 bytes; raise max_line_bytes");
        assert_string_equal(str_cstr(&lines), "5:short\n");
        end(&r);
        begin(&r, 0, false, 100);
    }
    end(&r);
}

/* No end of the line in sight: reading stops soon behind the limit. */
static void test_endless_line(void **state)
{
    struct reading r;
    STR_AUTO text = STR_INIT;
    STR_AUTO lines = STR_INIT;
    begin(&r, 0, false, 1000);
    str_append_cstr(&text, "a\n");
    repeat(&text, '\0', 3 * TEXT_CHUNK_BYTES);
    const char *path = put_file("binary", text.data, text.len);
    must_fail(read_split(&r, path, 0, text.len, false, &lines, &err), ERR_TOO_LARGE, "at byte 2");
    assert_true(buffer_pool_out_bytes(harness_pool(r.h)) <= 2 * TEXT_CHUNK_BYTES);
    end(&r);
}

/* DESIGN.md 3: a record of 64 MB is legal by default, the next byte is not. */
static void test_64_mb_line(void **state)
{
    struct reading r;
    STR_AUTO text = STR_INIT;
    STR_AUTO lines = STR_INIT;
    begin(&r, 0, false, 0);
    str_append_cstr(&text, "a\n");
    repeat(&text, 'x', TEXT_LINE_BYTES_DEFAULT);
    str_append_cstr(&text, "\r\nb\n");
    const char *path = put_file("big", text.data, text.len);
    must(read_split(&r, path, 0, text.len, false, &lines, &err));
    assert_int_equal(lines.len, strlen("1:a\n") + strlen("67108864:\n") + TEXT_LINE_BYTES_DEFAULT +
                                    strlen("1:b\n"));
    text.data[text.len - 4] = 'x'; /* the '\r' */
    path = put_file("big", text.data, text.len);
    must_fail(read_split(&r, path, 0, text.len, false, &lines, &err), ERR_TOO_LARGE, "at byte 2");
    end(&r);
}

/* ---- packed files, errors ---------------------------------------------------------------------- */

static void check_packed(const char *name, void (*pack)(const void *, size_t, struct str *))
{
    struct reading r;
    struct rng rng;
    STR_AUTO text = STR_INIT;
    STR_AUTO packed = STR_INIT;
    STR_AUTO expected = STR_INIT;
    STR_AUTO lines = STR_INIT;
    rng_init(&rng, 5);
    random_text(&rng, 900 * 1024, &text);
    naive_lines(&text, &expected);
    pack(text.data, text.len, &packed);
    begin(&r, 0, true, 0);
    const char *path = put_file(name, packed.data, packed.len);
    must(read_split(&r, path, 0, packed.len, true, &lines, &err));
    assert_int_equal(lines.len, expected.len);
    assert_true(memcmp(lines.data, expected.data, lines.len) == 0);
    path = put_file(name, packed.data, packed.len - 100);
    must_fail(read_split(&r, path, 0, packed.len - 100, true, &lines, &err), ERR_CORRUPT, name);
    end(&r);
}

static void test_gzip(void **state)
{
    check_packed("text.gz", pack_gzip);
}

static void test_zstd(void **state)
{
    check_packed("text.zst", pack_zstd);
}

static void test_errors(void **state)
{
    struct reading r;
    STR_AUTO lines = STR_INIT;
    begin(&r, 0, true, 0);
    must_fail(read_split(&r, in_dir("none"), 0, 10, false, &lines, &err), ERR_NOT_FOUND, "none");
    end(&r);
    begin(&r, 0, true, 0);
    must_fail(read_split(&r, put_text("x.bz2", "BZh"), 0, 3, true, &lines, &err), ERR_CORRUPT,
              "ends in the middle");
    end(&r);
    begin(&r, 0, true, 0);
    must(failpoint_configure("fs.local.read=error:bad sector", &err));
    must_fail(read_split(&r, put_text("f", "a"), 0, 1, false, &lines, &err), ERR_IO, "bad sector");
    end(&r);
}

/* ---- going on ---------------------------------------------------------------------------------- */

/* Reads a split with another reader after each batch, as after a failure there; every line comes once. */
static void read_with_restarts(const char *path, const Flinc__FileSplit *split, struct str *lines)
{
    Flinc__FileSplit at = *split;
    enum text_state now = TEXT_READY;
    while (now != TEXT_END) {
        struct reading r;
        struct batch *b = NULL;
        begin(&r, 0, false, 0);
        text_reader_start(&r.reader, &at);
        must(text_reader_advance(&r.reader, &now, &err));
        if (now == TEXT_READY) {
            must(text_reader_take_lines(&r.reader, harness_context(r.h)->output_schemas[0], &b,
                                        &err));
            for (uint32_t i = 0; i < b->n_sel; i++) {
                struct slice line = column_get_bytes(&b->columns[0], i);
                add_line(lines, line.data, line.len);
            }
            batch_unref(b);
            assert_true(text_reader_position(&r.reader) > at.position);
            at.position = text_reader_position(&r.reader);
        }
        end(&r);
    }
}

static void numbers(struct str *text, int n)
{
    for (int i = 0; i < n; i++) {
        str_printf(text, i % 3 == 0 ? "line %d\r\n" : "%d\n", i);
    }
}

static void test_goes_on_in_the_middle(void **state)
{
    STR_AUTO text = STR_INIT;
    STR_AUTO expected = STR_INIT;
    numbers(&text, 50000);
    const char *path = put_file("f", text.data, text.len);
    struct reading r;
    begin(&r, 0, false, 0);
    must(read_split(&r, path, 0, text.len, false, &expected, &err));
    end(&r);
    for (uint64_t split = text.len; split > 40000; split /= 3) {
        STR_AUTO lines = STR_INIT;
        for (uint64_t from = 0; from < text.len; from += split) {
            uint64_t n = MIN(split, text.len - from);
            read_with_restarts(path, split_of(path, from, n, false), &lines);
        }
        assert_string_equal(str_cstr(&lines), str_cstr(&expected));
    }
}

static void test_goes_on_in_packed_files(void **state)
{
    STR_AUTO text = STR_INIT;
    STR_AUTO gzip = STR_INIT;
    STR_AUTO zstd = STR_INIT;
    STR_AUTO expected = STR_INIT;
    numbers(&text, 30000);
    pack_gzip(text.data, text.len, &gzip);
    pack_zstd(text.data, text.len, &zstd);
    const char *plain = put_file("f", text.data, text.len);
    const char *paths[] = {put_file("f.gz", gzip.data, gzip.len),
                           put_file("f.zst", zstd.data, zstd.len)};
    struct reading r;
    begin(&r, 0, false, 0);
    must(read_split(&r, plain, 0, text.len, false, &expected, &err));
    end(&r);
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        STR_AUTO lines = STR_INIT;
        read_with_restarts(paths[i], split_of(paths[i], 0, 100, true), &lines);
        assert_string_equal(str_cstr(&lines), str_cstr(&expected));
    }
}

/* A file that has become shorter is not what the checkpoint is of. */
static void test_goes_on_in_a_changed_file(void **state)
{
    STR_AUTO gzip = STR_INIT;
    pack_gzip("a\n", 2, &gzip);
    const char *paths[] = {put_text("f", "a\n"), put_file("f.gz", gzip.data, gzip.len)};
    for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
        struct reading r;
        enum text_state now;
        Flinc__FileSplit split = *split_of(paths[i], 0, 100, i == 1);
        split.position = 50;
        begin(&r, 0, false, 0);
        text_reader_start(&r.reader, &split);
        must_fail(text_reader_advance(&r.reader, &now, &err), ERR_CORRUPT, paths[i]);
        end(&r);
    }
}

/* The reader goes while a read is waiting, and while it runs. */
static void test_fini_while_reading(void **state)
{
    struct reading r;
    const char *path = put_text("f", "a\nb\n");
    enum text_state state_now;
    begin(&r, 0, true, 0);
    text_reader_start(&r.reader, split_of(path, 0, 4, false));
    must(text_reader_advance(&r.reader, &state_now, &err));
    assert_int_equal(state_now, TEXT_WAITING);
    text_reader_fini(&r.reader);
    assert_true(executor_run_once(r.executor));
    assert_false(harness_wait_wake(r.h, 0));
    end(&r);
    for (int i = 0; i < 50; i++) {
        begin(&r, 1, true, 0);
        text_reader_start(&r.reader, split_of(path, 0, 4, false));
        must(text_reader_advance(&r.reader, &state_now, &err));
        end(&r);
    }
}

/* Once warm, a chunk costs no malloc: not its lines, not the reading. */
static void test_no_malloc(void **state)
{
    struct reading r;
    const struct schema *schema;
    STR_AUTO text = STR_INIT;
    uint64_t before = 0;
    uint32_t n_batches = 0;
    begin(&r, 0, false, 0);
    schema = harness_context(r.h)->output_schemas[0];
    for (int i = 0; i < 200000; i++) {
        str_printf(&text, "line number %d\n", i);
    }
    const char *path = put_file("f", text.data, text.len);
    text_reader_start(&r.reader, split_of(path, 0, text.len, false));
    for (enum text_state now;;) {
        struct batch *b;
        must(text_reader_advance(&r.reader, &now, &err));
        if (now == TEXT_END) {
            break;
        }
        must(text_reader_take_lines(&r.reader, schema, &b, &err));
        batch_unref(b);
        if (++n_batches == 40) {
            before = mem_thread_allocations();
        } else if (n_batches == 90) { /* the last chunk is smaller: another size */
            assert_int_equal(mem_thread_allocations() - before, 0);
        }
    }
    assert_true(n_batches > 90);
    end(&r);
}

/* ---- the kernel -------------------------------------------------------------------------------- */

static void test_line_split(void **state)
{
    uint8_t data[256] = "ab\n\r\nthirteen bytes\nrest";
    struct view views[8];
    struct line_range range = {.data = data, .limit = 24, .past = 24, .max_line = 100};
    assert_int_equal(line_split(&range, views, 8), 3);
    assert_int_equal(range.at, 20);
    assert_int_equal(views[0].len, 2);
    assert_memory_equal(views[0].inlined, "ab\0\0\0\0\0\0\0\0\0\0", 12);
    assert_int_equal(views[1].len, 0);
    assert_memory_equal(views[1].inlined, "\0\0\0\0\0\0\0\0\0\0\0\0", 12);
    assert_int_equal(views[2].len, 14);
    assert_memory_equal(views[2].prefix, "thir", 4);
    assert_int_equal(views[2].buffer, 0);
    assert_int_equal(views[2].offset, 5);
    assert_int_equal(line_split(&range, views, 8), 0);
    range.at_eof = true;
    assert_int_equal(line_split(&range, views, 8), 1);
    assert_memory_equal(views[0].inlined, "rest", 4);
    assert_int_equal(range.at, 24);
    range.at = 0;
    assert_int_equal(line_split(&range, views, 1), 1);
    range.at = 0;
    range.past = 3;
    assert_int_equal(line_split(&range, views, 8), 1);
    range = (struct line_range){.data = data, .limit = 24, .past = 24, .max_line = 13};
    assert_int_equal(line_split(&range, views, 8), 2);
    assert_int_equal(line_split(&range, views, 8), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_line_split),
        FILES_TEST(test_all_split_sizes),
        FILES_TEST(test_random_at_once),
        FILES_TEST(test_random_stepped),
        FILES_TEST(test_random_threads),
        FILES_TEST(test_full_queue),
        FILES_TEST(test_line_limit),
        FILES_TEST(test_endless_line),
        FILES_TEST(test_64_mb_line),
        FILES_TEST(test_gzip),
        FILES_TEST(test_zstd),
        FILES_TEST(test_errors),
        FILES_TEST(test_goes_on_in_the_middle),
        FILES_TEST(test_goes_on_in_packed_files),
        FILES_TEST(test_goes_on_in_a_changed_file),
        FILES_TEST(test_fini_while_reading),
        FILES_TEST(test_no_malloc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
