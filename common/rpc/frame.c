/* The reader of frames (frame.h).  Thread: one owner. */
#include "common/rpc/frame.h"

#include "common/base/mem.h"
#include <string.h>
#include <unistd.h>

void frame_write_header(uint8_t header[FRAME_HEADER_BYTES], size_t size, bool with_fd)
{
    ASSERT(size <= FRAME_LENGTH_MAX);
    uint32_t word = (uint32_t)size | (with_fd ? FRAME_WITH_FD : 0);
    for (int i = 0; i < FRAME_HEADER_BYTES; i++) {
        header[i] = (uint8_t)(word >> 8 * i);
    }
}

static uint32_t read_header(const uint8_t *bytes)
{
    return (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
           (uint32_t)bytes[3] << 24;
}

void frame_reader_init(struct frame_reader *r, uint64_t max_message_bytes)
{
    *r = (struct frame_reader){.max_message_bytes =
                                   MIN(max_message_bytes, (uint64_t)FRAME_LENGTH_MAX)};
}

void frame_reader_fini(struct frame_reader *r)
{
    for (; r->n_fds > 0; r->n_fds--) {
        close(r->fds[r->fds_begin]);
        r->fds_begin = (r->fds_begin + 1) % FRAME_FDS_MAX;
    }
    mem_free(r->buffer);
    *r = (struct frame_reader){.buffer = NULL};
}

uint8_t *frame_reader_room(struct frame_reader *r, size_t *ret_size)
{
    if (r->begin == r->end) {
        r->begin = r->end = 0;
        if (r->capacity > FRAME_BUFFER_BYTES) { /* a large message is through */
            mem_free(STEAL(r->buffer));
            r->capacity = 0;
        }
    } else if (r->begin > 0 && r->end == r->capacity) {
        memmove(r->buffer, r->buffer + r->begin, r->end - r->begin);
        r->end -= r->begin;
        r->begin = 0;
    }
    if (r->end == r->capacity) {
        r->capacity = MAX(r->capacity * 2, (size_t)FRAME_BUFFER_BYTES);
        r->buffer = mem_realloc(r->buffer, r->capacity);
    }
    *ret_size = r->capacity - r->end;
    return r->buffer + r->end;
}

void frame_reader_fill(struct frame_reader *r, size_t size)
{
    ASSERT(size <= r->capacity - r->end);
    r->end += size;
}

int frame_reader_add_fd(struct frame_reader *r, int take_fd, struct error *err)
{
    if (r->n_fds == FRAME_FDS_MAX) {
        close(take_fd);
        return error_set(err, ERR_CORRUPT, "more than %d descriptors came without their messages",
                         FRAME_FDS_MAX);
    }
    r->fds[(r->fds_begin + r->n_fds++) % FRAME_FDS_MAX] = take_fd;
    return 0;
}

int frame_reader_peek(struct frame_reader *r, struct frame *ret, struct error *err)
{
    size_t there = r->end - r->begin;
    if (there < FRAME_HEADER_BYTES) {
        if (there == 0 && r->n_fds > 0) {
            return error_set(err, ERR_CORRUPT, "a descriptor came without a message");
        }
        return 0;
    }
    uint32_t word = read_header(r->buffer + r->begin);
    size_t size = word & FRAME_LENGTH_MAX;
    bool with_fd = (word & FRAME_WITH_FD) != 0;
    if (size > r->max_message_bytes) {
        return error_set(err, ERR_TOO_LARGE, "a message of %zu bytes is over the limit of %llu",
                         size, (unsigned long long)r->max_message_bytes);
    }
    if (with_fd && r->n_fds == 0) {
        return error_set(err, ERR_CORRUPT, "the descriptor of a message is missing");
    }
    if (there < FRAME_HEADER_BYTES + size) {
        return 0;
    }
    *ret = (struct frame){.bytes = r->buffer + r->begin + FRAME_HEADER_BYTES,
                          .size = size,
                          .fd = with_fd ? r->fds[r->fds_begin] : -1};
    return 1;
}

void frame_reader_pop(struct frame_reader *r, const struct frame *f)
{
    r->begin += FRAME_HEADER_BYTES + f->size;
    if (f->fd >= 0) {
        r->fds_begin = (r->fds_begin + 1) % FRAME_FDS_MAX;
        r->n_fds--;
    }
}

bool frame_reader_is_empty(const struct frame_reader *r)
{
    return r->begin == r->end && r->n_fds == 0;
}
