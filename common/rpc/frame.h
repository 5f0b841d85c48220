/* Frames of a socket transport, without the socket: what is read goes in, messages come out.
 *
 *   u32 little-endian: bits 0..30 the length of the message, bit 31: a descriptor came with it
 *   the packed message
 *
 * Descriptors arrive beside the bytes, never before those of their frame's first byte are sent and never
 * later, in order; so the n-th frame with the bit has the n-th descriptor.  One without the other is
 * damage.  The buffer grows with what has come, not with what a length promises.
 *
 * Thread: one owner. */
#ifndef FLINC_COMMON_RPC_FRAME_H
#define FLINC_COMMON_RPC_FRAME_H

#include "common/base/error.h"

enum {
    FRAME_HEADER_BYTES = 4,
    FRAME_BUFFER_BYTES = 32 * 1024, /* of an idle reader */
    FRAME_FDS_MAX = 256,            /* descriptors that wait for their frames */
};
#define FRAME_LENGTH_MAX UINT32_C(0x7fffffff)
#define FRAME_WITH_FD UINT32_C(0x80000000)

void frame_write_header(uint8_t header[FRAME_HEADER_BYTES], size_t size, bool with_fd);

struct frame_reader {
    uint64_t max_message_bytes;
    uint8_t *buffer; /* Owns */
    size_t begin, end, capacity;
    int fds[FRAME_FDS_MAX]; /* Owns: a ring */
    uint32_t fds_begin, n_fds;
};
struct frame {
    const uint8_t *bytes; /* Borrows: until the reader is used again */
    size_t size;
    int fd; /* stays the reader's until frame_reader_pop(); negative: none */
};

void frame_reader_init(struct frame_reader *r, uint64_t max_message_bytes);
void frame_reader_fini(struct frame_reader *r); /* closes descriptors that nobody took */
/* Where the next bytes go: `ret_size` > 0 bytes. */
uint8_t *frame_reader_room(struct frame_reader *r, size_t *ret_size);
/* So many bytes were put there. */
void frame_reader_fill(struct frame_reader *r, size_t size);
/* Takes it, on failure too. */
int frame_reader_add_fd(struct frame_reader *r, int take_fd, struct error *err) MUST_CHECK;
/* 1 and the next frame, 0 when it is not there yet, ERR_TOO_LARGE, ERR_CORRUPT. */
int frame_reader_peek(struct frame_reader *r, struct frame *ret, struct error *err) MUST_CHECK;
/* The frame that was peeked is done with, and its descriptor taken. */
void frame_reader_pop(struct frame_reader *r, const struct frame *f);
bool frame_reader_is_empty(const struct frame_reader *r);

#endif
