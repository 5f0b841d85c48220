/* Channel state: there and back, golden bytes, damage, files that are left or not. */
#include "tests/unit/engine_snapshot/fixture.h"

#include "common/base/crc32c.h"
#include "engine/snapshot/channel_state.h"

/* Version 1: watermarks of two channels, three rows of channel 1, two gathered ones, a watermark. */
static const char GOLDEN[] =
    "4c494e434348414e01000000c0ed67c507000000000000000200000000000000454c454d3000000076781e5d"
    "000000000000000000000000e80300000000000002000000000000000000000000000000454c454d30000000"
    "e6c6025d010000000100000000000000000000000000008002000000000000000000000000000000454c454d"
    "a0000000f94b1058010000000200000000000000000000000000000001000000030000000000000000000000"
    "0100020003000000700000000000000005000000000000000a0000001b0000000a000000000000000b000000"
    "000000000c000000000000000000000009000000120000001b000000696e20666c69676874696e20666c6967"
    "6874696e20666c6967687400000000000000000000000000454c454d80000000df287d70ffff000003000000"
    "0000000000000000000000000100000002000000000000000000000001000200020000005000000000000000"
    "05000000000000000a0000001200000064000000000000006500000000000000000000000900000012000000"
    "696e20666c69676874696e20666c696768740000454c454d30000000cef5d801010000000400000000000000"
    "d007000000000000020000000000000000000000000000000500000000000000050000000000000029abf1fc"
    "000000004c494e4343454e44";

static uint8_t edge_bytes[16] = {0xed, 0x9e};
static const ProtobufCBinaryData EDGE = {sizeof(edge_bytes), edge_bytes};

static struct schema *schema;

static int setup_schema(void **state)
{
    int rc = setup(state);
    schema = schema_of("ROW<`n` BIGINT NOT NULL, `word` STRING>");
    return rc;
}

static int teardown_schema(void **state)
{
    schema = schema_unref(schema);
    return teardown(state);
}

#define CHANNEL_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup_schema, teardown_schema)

static struct channel_state_writer *open_writer(struct buffer_pool *pool, uint64_t threshold)
{
    struct snapshot_target *target = target_in_dir(threshold, NULL);
    struct channel_state_writer *w =
        channel_state_writer_new(&(struct channel_state_options){.target = target,
                                                                 .pool = pool,
                                                                 .checkpoint_id = 7,
                                                                 .n_channels = 2,
                                                                 .edge_id = &EDGE,
                                                                 .partitioner = 3});
    snapshot_target_unref(target);
    return w;
}

static void put_rows(struct channel_state_writer *w, struct buffer_pool *pool, uint32_t channel,
                     int64_t first, uint32_t n)
{
    struct builder b;
    builder_init(&b, pool, schema, n);
    for (uint32_t i = 0; i < n; i++) {
        builder_begin(&b);
        builder_put_i64(&b, 0, first + i);
        assert_int_equal(builder_put_bytes(&b, 1, "in flight", 9, NULL), 0);
        builder_end_row(&b);
    }
    struct batch *rows = builder_finish(&b);
    channel_state_writer_put_batch(w, channel, rows);
    batch_unref(rows);
    builder_fini(&b);
}

static Flinc__ChannelStateHandle take(struct channel_state_writer *w)
{
    Flinc__ChannelStateHandle h;
    struct error err = ERROR_INIT;
    channel_state_writer_finish(w);
    assert_int_equal(channel_state_writer_poll(w, &h, &err), 1);
    channel_state_writer_free(w);
    return h;
}

static void clear(Flinc__ChannelStateHandle *h)
{
    state_blob_clear(h->blob);
    mem_free(h->blob);
    mem_free(h->edge_id.data);
}

static Flinc__ChannelStateHandle make(struct buffer_pool *pool, uint64_t threshold)
{
    struct channel_state_writer *w = open_writer(pool, threshold);
    channel_state_writer_put_watermark(w, 0, 1000);
    channel_state_writer_put_watermark(w, 1, INT64_MIN);
    put_rows(w, pool, 1, 10, 3);
    put_rows(w, pool, CHANNEL_STATE_GATHERED, 100, 2);
    channel_state_writer_put_watermark(w, 1, 2000);
    return take(w);
}

/* 0, or the first error; the rows' numbers are summed up. */
static int read_all(struct buffer_pool *pool, const Flinc__ChannelStateHandle *h, int64_t *ret_sum,
                    struct error *err)
{
    struct channel_state_reader *r = NULL;
    struct channel_state_block block;
    TRY(channel_state_reader_open(h, fixture_dir, &r, err));
    int rc;
    *ret_sum = 0;
    while ((rc = channel_state_reader_next(r, pool, schema, &block, err)) > 0) {
        for (uint32_t i = 0; block.batch != NULL && i < block.batch->n_rows; i++) {
            *ret_sum += ((const int64_t *)block.batch->columns[0].values->data)[i];
        }
        batch_unref(block.batch);
    }
    channel_state_reader_close(r);
    return rc;
}

static void there_and_back(void **state)
{
    for (uint64_t threshold = 0; threshold < 10000; threshold += 9999) {
        Flinc__ChannelStateHandle h = make(*state, threshold);
        struct channel_state_reader *r = NULL;
        struct channel_state_block b;
        struct error err = ERROR_INIT;
        assert_int_equal(h.n_elements, 5);
        assert_int_equal(h.n_rows, 5);
        assert_int_equal(h.partitioner, 3);
        assert_memory_equal(h.edge_id.data, edge_bytes, sizeof(edge_bytes));
        assert_int_equal(h.blob->location[0] == '\0', threshold > 0);
        assert_ok(channel_state_reader_open(&h, fixture_dir, &r, &ok_err));
        assert_int_equal(channel_state_reader_n_channels(r), 2);
        static const struct {
            enum channel_state_kind kind;
            uint32_t channel, rows;
            int64_t watermark_ms;
        } want[] = {{CHANNEL_STATE_WATERMARK, 0, 0, 1000},
                    {CHANNEL_STATE_WATERMARK, 1, 0, INT64_MIN},
                    {CHANNEL_STATE_BATCH, 1, 3, 0},
                    {CHANNEL_STATE_BATCH, CHANNEL_STATE_GATHERED, 2, 0},
                    {CHANNEL_STATE_WATERMARK, 1, 0, 2000}};
        for (size_t i = 0; i < ARRAY_LEN(want); i++) {
            assert_int_equal(channel_state_reader_next(r, *state, schema, &b, &err), 1);
            assert_int_equal(b.kind, want[i].kind);
            assert_int_equal(b.channel, want[i].channel);
            assert_int_equal(b.watermark_ms, want[i].watermark_ms);
            assert_int_equal(b.batch != NULL ? b.batch->n_rows : 0, want[i].rows);
            batch_unref(b.batch);
        }
        assert_int_equal(channel_state_reader_next(r, *state, schema, &b, &err), 0);
        channel_state_reader_close(r);
        clear(&h);
    }
}

static void nothing_is_no_file(void **state)
{
    Flinc__ChannelStateHandle h = take(open_writer(*state, 0));
    assert_null(h.blob);
    assert_int_equal(files_in(fixture_dir), 0);
}

static void what_is_not_taken_is_deleted(void **state)
{
    struct channel_state_writer *w = open_writer(*state, 0);
    put_rows(w, *state, 0, 0, 1000);
    assert_true(channel_state_writer_bytes(w) > 1000);
    channel_state_writer_free(w);
    assert_int_equal(files_in(fixture_dir), 0);
}

static void a_failure_is_told_by_poll(void **state)
{
    Flinc__ChannelStateHandle h;
    struct error err = ERROR_INIT;
    struct channel_state_writer *w = open_writer(*state, 0);
    assert_int_equal(failpoint_configure("snapshot.channel_state.put=error", NULL), 0);
    put_rows(w, *state, 0, 0, 10);
    failpoint_clear_all();
    put_rows(w, *state, 0, 0, 10);
    channel_state_writer_finish(w);
    assert_true(channel_state_writer_poll(w, &h, &err) < 0);
    channel_state_writer_free(w);
    assert_int_equal(files_in(fixture_dir), 0);
}

static void golden_bytes(void **state)
{
    Flinc__ChannelStateHandle h = make(*state, 10000);
    const ProtobufCBinaryData *got = &h.blob->inline_data;
    for (size_t i = 0; getenv("FLINC_PRINT_GOLDEN") != NULL && i < got->len; i++) {
        printf("%s%02x", i % 44 == 0 ? "\"\n    \"" : "", got->data[i]);
    }
    assert_int_equal(got->len, strlen(GOLDEN) / 2);
    for (size_t i = 0; i < got->len; i++) {
        unsigned byte = 0;
        assert_int_equal(sscanf(GOLDEN + 2 * i, "%2x", &byte), 1);
        assert_int_equal(got->data[i], byte);
    }
    clear(&h);
}

/* The blob's own check sum is made to fit, so that those of the parts must find it. */
static void seal(Flinc__StateBlob *blob)
{
    blob->crc32c = crc32c(0, blob->inline_data.data, blob->inline_data.len);
    blob->size = blob->inline_data.len;
}

static void every_damaged_byte_is_found(void **state)
{
    Flinc__ChannelStateHandle h = make(*state, 10000);
    ProtobufCBinaryData *bytes = &h.blob->inline_data;
    int64_t sum;
    for (size_t i = 0; i < bytes->len; i++) {
        struct error err = ERROR_INIT;
        bytes->data[i] ^= 0x10;
        seal(h.blob);
        int rc = read_all(*state, &h, &sum, &err);
        assert_true(rc == ERR_CORRUPT || rc == ERR_UNSUPPORTED);
        bytes->data[i] ^= 0x10;
    }
    for (size_t size = bytes->len; size-- > 0;) {
        struct error err = ERROR_INIT;
        size_t whole = bytes->len;
        bytes->len = size;
        seal(h.blob);
        assert_int_equal(read_all(*state, &h, &sum, &err), ERR_CORRUPT);
        bytes->len = whole;
    }
    seal(h.blob);
    assert_ok(read_all(*state, &h, &sum, &ok_err));
    assert_int_equal(sum, 10 + 11 + 12 + 100 + 101);
    clear(&h);
}

static void damage_names_file_and_block(void **state)
{
    Flinc__ChannelStateHandle h = make(*state, 10000);
    struct error err = ERROR_INIT;
    int64_t sum;
    h.blob->inline_data.data[32 + 48 + 48 + 60] ^= 1; /* in the first batch */
    seal(h.blob);
    check_error(read_all(*state, &h, &sum, &err), ERR_CORRUPT, &err, "block 2 at byte 128");
    clear(&h);
    h = make(*state, 0);
    STR_AUTO path = STR_INIT;
    assert_ok(fs_join(fixture_dir, h.blob->location, &path, &ok_err));
    FILE *f = fopen(str_cstr(&path), "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 200, SEEK_SET), 0);
    assert_int_equal(fputc(0xff, f), 0xff);
    assert_int_equal(fclose(f), 0);
    error_clear(&err);
    check_error(read_all(*state, &h, &sum, &err), ERR_CORRUPT, &err, h.blob->location);
    clear(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        CHANNEL_TEST(there_and_back),
        CHANNEL_TEST(nothing_is_no_file),
        CHANNEL_TEST(what_is_not_taken_is_deleted),
        CHANNEL_TEST(a_failure_is_told_by_poll),
        CHANNEL_TEST(golden_bytes),
        CHANNEL_TEST(every_damaged_byte_is_found),
        CHANNEL_TEST(damage_names_file_and_block),
    };
    return cmocka_run_group_tests_name("channel_state", tests, NULL, NULL);
}
