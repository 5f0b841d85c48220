/* Frames: golden bytes, pieces of any size, descriptors, and what is refused. */
#include "common/rpc/frame.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static void feed(struct frame_reader *r, const void *bytes, size_t size)
{
    while (size > 0) {
        size_t room;
        uint8_t *to = frame_reader_room(r, &room);
        size_t n = MIN(room, size);
        memcpy(to, bytes, n);
        frame_reader_fill(r, n);
        bytes = (const uint8_t *)bytes + n;
        size -= n;
    }
}

static int some_fd(void)
{
    int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0);
    return fd;
}

static void test_golden_header(void **state)
{
    uint8_t header[FRAME_HEADER_BYTES];
    frame_write_header(header, 0x010203, false);
    assert_memory_equal(header, "\x03\x02\x01\x00", 4);
    frame_write_header(header, 5, true);
    assert_memory_equal(header, "\x05\x00\x00\x80", 4);
}

static void test_byte_by_byte(void **state)
{
    const uint8_t bytes[] = "\x03\x00\x00\x00"
                            "abc"
                            "\x00\x00\x00\x00"
                            "\x01\x00\x00\x00"
                            "z";
    struct frame_reader r;
    struct frame f;
    frame_reader_init(&r, 10);
    char seen[16] = "";
    for (size_t i = 0; i < sizeof(bytes) - 1; i++) {
        feed(&r, bytes + i, 1);
        while (frame_reader_peek(&r, &f, NULL) == 1) {
            strncat(seen, (const char *)f.bytes, f.size);
            strcat(seen, ";");
            assert_int_equal(f.fd, -1);
            frame_reader_pop(&r, &f);
        }
    }
    assert_string_equal(seen, "abc;;z;");
    assert_true(frame_reader_is_empty(&r));
    frame_reader_fini(&r);
}

static void test_large_frames_and_the_buffer(void **state)
{
    enum { LARGE = 1000000 };
    static uint8_t message[LARGE];
    struct frame_reader r;
    struct frame f;
    frame_reader_init(&r, LARGE);
    for (int round = 0; round < 3; round++) {
        uint8_t header[FRAME_HEADER_BYTES];
        frame_write_header(header, LARGE, false);
        memset(message, 'a' + round, LARGE);
        feed(&r, header, sizeof(header));
        assert_int_equal(frame_reader_peek(&r, &f, NULL), 0);
        assert_true(r.capacity <= FRAME_BUFFER_BYTES); /* a promise allocates nothing */
        feed(&r, message, LARGE);
        feed(&r, "\x01\x00\x00\x00x", 5);
        assert_int_equal(frame_reader_peek(&r, &f, NULL), 1);
        assert_int_equal(f.size, LARGE);
        assert_memory_equal(f.bytes, message, LARGE);
        frame_reader_pop(&r, &f);
        assert_int_equal(frame_reader_peek(&r, &f, NULL), 1);
        assert_int_equal(f.bytes[0], 'x');
        frame_reader_pop(&r, &f);
        size_t room;
        frame_reader_room(&r, &room);
        assert_int_equal(r.capacity, FRAME_BUFFER_BYTES);
    }
    frame_reader_fini(&r);
}

static void test_descriptors_belong_to_their_frames(void **state)
{
    struct frame_reader r;
    struct frame f;
    int a = some_fd(), b = some_fd();
    frame_reader_init(&r, 10);
    assert_int_equal(frame_reader_add_fd(&r, a, NULL), 0);
    assert_int_equal(frame_reader_add_fd(&r, b, NULL), 0);
    feed(&r, "\x01\x00\x00\x00x\x01\x00\x00\x80y\x01\x00\x00\x80z", 15);
    const int want[] = {-1, a, b};
    for (size_t i = 0; i < ARRAY_LEN(want); i++) {
        assert_int_equal(frame_reader_peek(&r, &f, NULL), 1);
        assert_int_equal(f.fd, want[i]);
        frame_reader_pop(&r, &f);
    }
    close(a);
    close(b);
    assert_int_equal(frame_reader_peek(&r, &f, NULL), 0);
    frame_reader_fini(&r);
}

static void test_refused(void **state)
{
    struct frame_reader r;
    struct frame f;
    struct error err = ERROR_INIT;
    frame_reader_init(&r, 10);
    feed(&r, "\x0b\x00\x00\x00", 4);
    assert_int_equal(frame_reader_peek(&r, &f, &err), ERR_TOO_LARGE);
    assert_non_null(strstr(err.message, "11 bytes"));
    frame_reader_fini(&r);

    frame_reader_init(&r, 10);
    feed(&r, "\x01\x00\x00\x80x", 5);
    assert_int_equal(frame_reader_peek(&r, &f, &err), ERR_CORRUPT);
    frame_reader_fini(&r);

    frame_reader_init(&r, 10);
    assert_int_equal(frame_reader_add_fd(&r, some_fd(), NULL), 0);
    feed(&r, "\x01\x00\x00\x00x", 5);
    assert_int_equal(frame_reader_peek(&r, &f, &err), 1);
    frame_reader_pop(&r, &f);
    assert_int_equal(frame_reader_peek(&r, &f, &err), ERR_CORRUPT);
    frame_reader_fini(&r); /* closes it */

    frame_reader_init(&r, 10);
    for (int i = 0; i < FRAME_FDS_MAX; i++) {
        assert_int_equal(frame_reader_add_fd(&r, some_fd(), NULL), 0);
    }
    assert_int_equal(frame_reader_add_fd(&r, some_fd(), &err), ERR_CORRUPT);
    frame_reader_fini(&r);
    int fd = some_fd();
    assert_true(fd < FRAME_FDS_MAX); /* they are all closed */
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_header),
        cmocka_unit_test(test_byte_by_byte),
        cmocka_unit_test(test_large_frames_and_the_buffer),
        cmocka_unit_test(test_descriptors_belong_to_their_frames),
        cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
