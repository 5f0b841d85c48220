/* Golden bytes of every kind of frame and of the hello (docs/internals/network.md): a change of the format
 * breaks this test, and must be a new version. */
#include "common/base/crc32c.h"
#include "taskmanager/network/compress.h"
#include "taskmanager/network/frame.h"
#include "tests/unit/taskmanager_exchange/exchange_fixture.h"

static void expect_hex(const void *bytes, size_t size, const char *want)
{
    STR_AUTO hex = STR_INIT;
    for (size_t i = 0; i < size; i++) {
        str_printf(&hex, "%02x", ((const uint8_t *)bytes)[i]);
    }
    assert_string_equal(str_cstr(&hex), want);
}

static void expect_header(struct frame_header h, const void *payload, const char *want)
{
    struct error err = ERROR_INIT;
    enum frame_direction d = h.kind < FRAME_WELCOME ? FRAME_TO_PRODUCER : FRAME_TO_CONSUMER;
    frame_seal(&h, crc32c(0, payload, h.payload_bytes));
    expect_hex(&h, sizeof(h), want);
    if (frame_check(&h, d, &err) < 0 || frame_check_payload(&h, payload, &err) < 0) {
        fail_msg("%s", err.message);
    }
    assert_int_equal(
        frame_check(&h, d == FRAME_TO_PRODUCER ? FRAME_TO_CONSUMER : FRAME_TO_PRODUCER, NULL),
        ERR_CORRUPT);
}

static void test_hello(void **state)
{
    struct data_hello h = {.version = DATA_HELLO_VERSION, .job_id = {1, 2}, .incarnation = {3, 4}};
    memcpy(h.magic, DATA_HELLO_MAGIC, sizeof(h.magic));
    expect_hex(&h, sizeof(h),
               "464c4e4344415441"
               "0100000000000000"
               "01020000000000000000000000000000"
               "03040000000000000000000000000000");
}

static void test_golden_frames(void **state)
{
    struct open_request r = {.producer_attempt = {1},
                             .consumer_attempt = {2},
                             .edge = 3,
                             .subpartition = 4,
                             .credit_bytes = 0x80000,
                             .batch_charge_min = 0x2000};
    expect_hex(&r, sizeof(r),
               "01000000000000000000000000000000"
               "02000000000000000000000000000000"
               "03000000040000000000080000000000"
               "00200000000000000000000000000000");
    expect_header((struct frame_header){.kind = FRAME_OPEN, .channel = 5, .payload_bytes = 64}, &r,
                  "0100000005000000400000002cda8ba8000000000000000000000000f69fa9f7");
    expect_header((struct frame_header){.kind = FRAME_CREDIT, .channel = 5, .value = 0x10000}, NULL,
                  "0200000005000000000000000000000000000100000000000000000001f9f025");
    expect_header((struct frame_header){.kind = FRAME_CLOSE, .channel = 5}, NULL,
                  "030000000500000000000000000000000000000000000000000000009009b34c");
    static const uint8_t INCARNATION[16] = {7};
    expect_header((struct frame_header){.kind = FRAME_WELCOME, .info = 1, .payload_bytes = 16},
                  INCARNATION, "100000000000000010000000f2568c9700000000000000000100000009faf52d");
    static const uint8_t BYTES[32] = {1, 2, 3};
    expect_header((struct frame_header){.kind = FRAME_DATA,
                                        .flags = FRAME_FLAG_FIRST,
                                        .channel = 5,
                                        .payload_bytes = 32,
                                        .value = 64,
                                        .info = 40},
                  BYTES, "11010000050000002000000060e4b478400000000000000028000000f9d58dcf");
    expect_header((struct frame_header){.kind = FRAME_CLOSED,
                                        .channel = 5,
                                        .padding = 13,
                                        .payload_bytes = 16,
                                        .info = CLOSE_REASON_FAILED},
                  "abc\0\0\0\0\0\0\0\0\0\0\0\0",
                  "13000d00050000001000000014225840000000000000000006000000a53a796a");
    expect_header((struct frame_header){.kind = FRAME_REFUSED, .info = CLOSE_REASON_TIMEOUT}, NULL,
                  "1400000000000000000000000000000000000000000000000300000048668613");
}

static struct barrier *test_barrier(void)
{
    Flinc__CheckpointBarrier m = FLINC__CHECKPOINT_BARRIER__INIT;
    Flinc__CheckpointLocation location = FLINC__CHECKPOINT_LOCATION__INIT;
    struct barrier *b = NULL;
    location.directory = "/c/chk-7";
    m.checkpoint_id = 7;
    m.timestamp_ms = 1000;
    m.location = &location;
    assert_int_equal(barrier_new(&m, &b, NULL), 0);
    return b;
}

/* What follows the values of a barrier's frame. */
static uint32_t barrier_payload(const struct barrier *b, const struct control_values *v,
                                uint8_t payload[256])
{
    memset(payload, 0, 256);
    memcpy(payload, v, sizeof(*v));
    memcpy(payload + sizeof(*v), b->packed, b->packed_bytes);
    return (uint32_t)(sizeof(*v) + frame_align(b->packed_bytes));
}

static void test_golden_control(void **state)
{
    struct frame_header h;
    struct control_values v;
    struct element e = element_of_control(ELEMENT_WATERMARK);
    e.timestamp_ms = 0x1122;
    e.position = 9;
    frame_of_element(&e, 5, &h, &v);
    h.flags = FRAME_FLAG_PRIORITY;
    v.position = e.position;
    expect_header(h, &v, "12080000050000001000000053c4c787000000000000000001000000375eec39");
    expect_hex(&v, sizeof(v), "22110000000000000900000000000000");
    struct element idle = element_of_control(ELEMENT_WATERMARK_STATUS);
    idle.flags = ELEMENT_FLAG_IDLE;
    frame_of_element(&idle, 5, &h, &v);
    expect_header(h, &v, "120000000500000010000000ea9a7042000000000000000002010000f2968943");
    struct element end = element_of_control(ELEMENT_END_OF_DATA);
    frame_of_element(&end, 5, &h, &v);
    expect_header(h, &v, "120000000500000010000000ea9a70420000000000000000060000007f35ea9d");
}

static void test_golden_barrier(void **state)
{
    struct frame_header h;
    struct control_values v;
    uint8_t payload[256];
    struct element e = element_of_barrier(test_barrier());
    frame_of_element(&e, 5, &h, &v);
    assert_int_equal(barrier_payload(e.barrier, &v, payload), h.payload_bytes);
    expect_header(h, payload, "12000f000500000030000000c5734312000000000000000003000000d18d1133");
    expect_hex(payload, h.payload_bytes,
               "07000000000000000000000000000000080710d00f2a0a12082f632f63686b2d3700000000000000000"
               "0000000000000");
    element_drop(&e);
}

static void test_elements_come_back(void **state)
{
    for (int kind = ELEMENT_BATCH + 1; kind < ELEMENT_KINDS; kind++) {
        struct frame_header h;
        struct control_values v;
        struct element e = element_of_control((enum element_kind)kind), back;
        bool has_time = kind == ELEMENT_WATERMARK;
        if (kind == ELEMENT_BARRIER || kind == ELEMENT_LATENCY_MARKER) {
            continue;
        }
        e.timestamp_ms = has_time ? -5 : 0;
        frame_of_element(&e, 1, &h, &v);
        assert_int_equal(frame_element(&h, (const uint8_t *)&v, &back, NULL), 0);
        assert_int_equal(back.kind, kind);
        assert_int_equal(back.timestamp_ms, has_time ? -5 : 0);
        assert_int_equal(element_charge(&back), CONTROL_CHARGE_BYTES);
        h.flags = FRAME_FLAG_PRIORITY;
        v.position = 77;
        assert_int_equal(frame_element(&h, (const uint8_t *)&v, &back, NULL), 0);
        assert_int_equal(back.position, 77);
        assert_int_equal(element_charge(&back), 0);
    }
}

/* The values of a marker's frame, and what follows them. */
struct marker_payload {
    struct control_values values;
    struct marker_values marker;
    uint8_t padding[12];
};

static void test_markers(void **state)
{
    struct frame_header h;
    struct marker_payload p = {.padding = {0}};
    struct flinc_id source_id = {{0xa1, [15] = 0xaf}};
    struct element e = element_of_marker(latency_marker_new(0x1122, &source_id, 7)), back;
    frame_of_element(&e, 5, &h, &p.values);
    p.marker = frame_marker_values(e.marker);
    assert_int_equal(h.payload_bytes, sizeof(p));
    expect_header(h, &p, "12000c000500000030000000d291360200000000000000000500000047764e40");
    expect_hex(&p, sizeof(p),
               "22110000000000000000000000000000a10000000000000000000000000000af0700000000000000"
               "0000000000000000");
    frame_seal(&h, 0);
    assert_int_equal(frame_check(&h, FRAME_TO_CONSUMER, NULL), 0);
    assert_int_equal(frame_element(&h, (const uint8_t *)&p, &back, NULL), 0);
    assert_int_equal(back.marker->marked_ms, 0x1122);
    assert_int_equal(back.marker->source_subtask, 7);
    assert_true(id_eq(&back.marker->source_id, &source_id));
    assert_int_equal(element_charge(&back), CONTROL_CHARGE_BYTES);
    element_drop(&back);
    element_drop(&e);
    /* Too short, too long, none at all, more padding than there is payload behind the values. */
    static const struct {
        uint32_t bytes;
        uint16_t padding;
    } BAD[] = {{48, 13}, {48, 0}, {64, 12}, {16, 0}, {16, 12}, {32, 0}};
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        h.payload_bytes = BAD[i].bytes;
        h.padding = BAD[i].padding;
        frame_seal(&h, 0);
        assert_int_equal(frame_check(&h, FRAME_TO_CONSUMER, NULL), ERR_CORRUPT);
    }
    h.payload_bytes = 16;
    h.padding = 12;
    h.info = ELEMENT_BARRIER;
    frame_seal(&h, 0);
    assert_int_equal(frame_check(&h, FRAME_TO_CONSUMER, NULL), ERR_CORRUPT);
}

static void test_barriers_come_back(void **state)
{
    struct frame_header h;
    struct control_values v;
    uint8_t payload[256];
    struct element e = element_of_barrier(test_barrier()), back;
    frame_of_element(&e, 1, &h, &v);
    barrier_payload(e.barrier, &v, payload);
    frame_seal(&h, 0);
    assert_int_equal(frame_check(&h, FRAME_TO_CONSUMER, NULL), 0);
    assert_int_equal(frame_element(&h, payload, &back, NULL), 0);
    assert_int_equal(back.barrier->checkpoint_id, 7);
    assert_int_equal(back.barrier->timestamp_ms, 1000);
    assert_string_equal(back.barrier->message->location->directory, "/c/chk-7");
    element_drop(&back);
    /* Another number than its message, a message cut short, none at all, one where none belongs. */
    v.value = 8;
    barrier_payload(e.barrier, &v, payload);
    assert_int_equal(frame_element(&h, payload, &back, NULL), ERR_CORRUPT);
    h.padding += 3;
    assert_int_equal(frame_element(&h, payload, &back, NULL), ERR_CORRUPT);
    h.payload_bytes = sizeof(v);
    h.padding = 0;
    frame_seal(&h, 0);
    assert_int_equal(frame_check(&h, FRAME_TO_CONSUMER, NULL), ERR_CORRUPT);
    h.payload_bytes = 32;
    h.info = ELEMENT_WATERMARK;
    frame_seal(&h, 0);
    assert_int_equal(frame_check(&h, FRAME_TO_CONSUMER, NULL), ERR_CORRUPT);
    element_drop(&e);
    /* A location that does not fit. */
    char *longer = mem_alloc(BARRIER_BYTES_MAX + 1);
    memset(longer, 'x', BARRIER_BYTES_MAX);
    longer[BARRIER_BYTES_MAX] = 0;
    Flinc__CheckpointBarrier m = FLINC__CHECKPOINT_BARRIER__INIT;
    Flinc__CheckpointLocation location = FLINC__CHECKPOINT_LOCATION__INIT;
    struct barrier *b = NULL;
    location.directory = longer;
    m.checkpoint_id = 1;
    m.location = &location;
    assert_int_equal(barrier_new(&m, &b, NULL), ERR_TOO_LARGE);
    mem_free(longer);
}

/* One flipped bit anywhere in a header is seen by its check. */
static void test_every_bit_of_a_header(void **state)
{
    struct frame_header h = {.kind = FRAME_CREDIT, .channel = 3, .value = 100};
    frame_seal(&h, 0);
    assert_int_equal(frame_check(&h, FRAME_TO_PRODUCER, NULL), 0);
    for (uint32_t bit = 0; bit < sizeof(h) * 8; bit++) {
        struct frame_header bad = h;
        ((uint8_t *)&bad)[bit / 8] ^= (uint8_t)(1u << (bit % 8));
        assert_int_equal(frame_check(&bad, FRAME_TO_PRODUCER, NULL), ERR_CORRUPT);
    }
}

static void test_compression(void **state)
{
    enum { BYTES = 4096 };
    static uint8_t raw[BYTES], back[BYTES];
    struct buffer_pool *pool = test_pool("t");
    struct out_frame f = {.header = {.kind = FRAME_DATA, .payload_bytes = BYTES}};
    for (int i = 0; i < BYTES; i++) {
        raw[i] = (uint8_t)(i / 64);
    }
    assert_true(compress_payload(pool, raw, &f));
    assert_true(f.header.payload_bytes < BYTES / 2 && f.header.payload_bytes % FRAME_ALIGN == 0);
    uint64_t n = 0;
    assert_int_equal(decompress_payload(&f.header, f.buffer->data, back, BYTES, &n, NULL), 0);
    assert_int_equal(n, BYTES);
    assert_memory_equal(raw, back, BYTES);
    struct error err = ERROR_INIT;
    assert_int_equal(decompress_payload(&f.header, f.buffer->data, back, BYTES - 1, &n, &err),
                     ERR_CORRUPT);
    buffer_unref(f.buffer);
    struct rng rng;
    rng_init(&rng, 1);
    for (int i = 0; i < BYTES; i++) {
        raw[i] = (uint8_t)rng_next(&rng);
    }
    f = (struct out_frame){.header = {.kind = FRAME_DATA, .payload_bytes = BYTES}};
    assert_false(compress_payload(pool, raw, &f));
    assert_null(f.buffer);
    test_pool_close(pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hello),
        cmocka_unit_test(test_golden_frames),
        cmocka_unit_test(test_golden_control),
        cmocka_unit_test(test_markers),
        cmocka_unit_test(test_golden_barrier),
        cmocka_unit_test(test_elements_come_back),
        cmocka_unit_test(test_barriers_come_back),
        cmocka_unit_test(test_every_bit_of_a_header),
        cmocka_unit_test(test_compression),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
