/* Hostile bytes and descriptors at a socket transport's reader, in pieces: refused with an error, or frames
 * within the limit; every descriptor is taken or closed.  The first byte of the input says how large the
 * pieces are, 0xff in it that a descriptor comes first. */
#include "common/rpc/frame.h"
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    enum { MAX_MESSAGE = 100000, MAX_FDS = 8 };
    if (size == 0) {
        return 0;
    }
    size_t step = (size_t)data[0] + 1;
    int n_fds = 0, rc = 0;
    struct frame_reader r;
    frame_reader_init(&r, MAX_MESSAGE);
    for (size_t at = 1; at < size && rc >= 0;) {
        if (data[at] == 0xff && n_fds < MAX_FDS) {
            n_fds++;
            int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
            ASSERT(fd >= 0);
            rc = frame_reader_add_fd(&r, fd, NULL);
            ASSERT(rc == 0);
        }
        size_t room, n = size - at < step ? size - at : step;
        uint8_t *to = frame_reader_room(&r, &room);
        ASSERT(room > 0);
        n = n < room ? n : room;
        memcpy(to, data + at, n);
        frame_reader_fill(&r, n);
        at += n;
        struct frame f;
        while ((rc = frame_reader_peek(&r, &f, NULL)) > 0) {
            ASSERT(f.size <= MAX_MESSAGE);
            uint8_t again[FRAME_HEADER_BYTES];
            frame_write_header(again, f.size, f.fd >= 0);
            ASSERT(memcmp(again, f.bytes - FRAME_HEADER_BYTES, sizeof(again)) == 0);
            if (f.fd >= 0) {
                close(f.fd);
            }
            frame_reader_pop(&r, &f);
        }
    }
    frame_reader_fini(&r);
    return 0;
}
