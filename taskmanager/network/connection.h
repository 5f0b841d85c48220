/* One data connection as both sides have it: frames out by scatter/gather, frames in to where they are
 * wanted.  Knows nothing of channels: dialed.h (consumer's side) and served.h (producer's side) do.
 *
 * Out: a list of sealed frames, bounded by its producers (SEND_QUEUE_BYTES); priority frames go to its
 * front, behind one that is half written.  In: small frames through a staging buffer, payloads from
 * FRAME_OWN_BYTES on straight into a buffer of their own, or to where the role wants them.
 *
 * Thread: the network's.  Inside the room only. */
#ifndef FLINC_TASKMANAGER_NETWORK_CONNECTION_H
#define FLINC_TASKMANAGER_NETWORK_CONNECTION_H

#include "common/loop/loop.h"
#include "engine/data/codec.h"
#include "taskmanager/network/frame.h"

enum {
    SEND_QUEUE_BYTES = 512 * 1024, /* frames made ahead of the socket */
    /* What the kernel takes beyond what is under way: a barrier waits behind it. */
    SEND_UNSENT_BYTES = 512 * 1024,
    SEND_IOV_MAX = 512, /* pieces of one system call */
    RECEIVE_STAGING_BYTES = 64 * 1024,
    RECEIVE_LOOKAHEAD_BYTES = 2048,    /* read into staging behind a payload with its own buffer */
    RECEIVE_ROUND_BYTES = 2048 * 1024, /* read from one connection before others have their turn */
    FRAME_OWN_BYTES = 8 * 1024,
};

struct network;
struct connection;

/* A batch encoded for sending; frames refer to parts of it.  Counted, one thread. */
struct encoding {
    struct encoding *next; /* while spare */
    uint32_t refs;
    struct batch_encoder encoder;
    struct batch *batch; /* Owns a ref: pieces lie in it */
};

struct out_frame {
    struct out_frame *next;
    struct frame_header header;
    /* The payload, one of: bytes here, a part of an encoding, a buffer. */
    uint8_t small[FRAME_SMALL_MAX];
    struct encoding *encoding; /* Owns a ref; may be NULL */
    uint32_t first_iov;        /* of the encoding, */
    uint64_t iov_offset;       /* and where in it the payload begins */
    struct buffer *buffer;     /* Owns a ref; may be NULL */
};

struct connection_role {
    enum frame_direction receives;
    /* Where the payload of a checked DATA header shall go; false: nowhere special. */
    bool (*place)(struct connection *c, const struct frame_header *h, struct buffer **ret_buffer,
                  uint64_t *ret_offset);
    /* A checked frame.  `own` (Borrows) is the buffer in which the payload lies at 0, when it has one of its
     * own; `placed`: it went to where place() said. */
    int (*on_frame)(struct connection *c, const struct frame_header *h, const uint8_t *payload,
                    struct buffer *own, struct error *err);
    /* Makes more frames while there is room; returns whether there are more to be made then. */
    bool (*produce)(struct connection *c);
    /* The connection is of no use any more; `why` has code 0 when the peer closed it between frames.
     * Frees it or dials again. */
    void (*on_broken)(struct connection *c, const struct error *why);
};

struct connection {
    struct network *network; /* Borrows */
    const struct connection_role *role;
    char *peer; /* Owns: for messages */
    int fd;     /* Owns; -1: none */
    struct loop_fd *watch;
    bool blocked;                  /* the socket takes no more for now */
    struct tls_stream *tls;        /* Owns; NULL: plain */
    bool tls_shaking;              /* frames wait */
    uint64_t tls_timer, tls_again; /* loop_schedule() */
    bool dirty;                    /* in the network's list of those to be pumped */
    struct connection *next_dirty, *prev_dirty;
    /* Out. */
    struct out_frame *out_head, *out_tail; /* Owns */
    uint64_t out_bytes;                    /* of the list, what was sent already included */
    uint64_t out_sent;                     /* of the head */
    /* In. */
    struct buffer *staging; /* Owns; may be NULL */
    uint32_t in_start, in_end;
    struct frame_header own_header;
    struct buffer *own; /* Owns a ref: a payload under way; may be NULL */
    uint64_t own_offset, own_filled;
    bool own_is_placed;
    bool got_frames; /* at least one frame arrived */
};

void connection_init(struct connection *c, struct network *n, const struct connection_role *role,
                     const char *peer);
/* Drops what is under way and closes the socket. */
void connection_fini(struct connection *c);
/* Sets the socket's options and watches it. */
int connection_attach(struct connection *c, int take_fd, struct error *err) MUST_CHECK;
/* Forgets the socket and what is under way; may be attached again. */
void connection_reset(struct connection *c);
/* Reads what is there. */
void connection_receive(struct connection *c);
/* To be pumped at the end of the round. */
void connection_touch(struct connection *c);
/* Makes frames and writes them.  False: nothing more to do for now. */
bool connection_pump(struct connection *c);
static inline bool connection_has_room(const struct connection *c)
{
    return c->fd >= 0 && c->out_bytes < SEND_QUEUE_BYTES;
}
/* Bytes that wait, before those of frames (the hello). */
int connection_send_raw(struct connection *c, const void *data, size_t size,
                        struct error *err) MUST_CHECK;

/* ---- frames out --------------------------------------------------------------------------------- */

struct out_frame *out_frame_new(struct network *n);
/* Seals and queues it. */
void connection_send(struct connection *c, struct out_frame *take_frame);
/* A frame with a payload of up to FRAME_SMALL_MAX bytes (padded here). */
void connection_send_small(struct connection *c, const struct frame_header *header,
                           const void *payload, size_t size);

struct encoding *encoding_new(struct network *n);
struct encoding *encoding_unref(struct network *n, struct encoding *e); /* NULL is fine */

#endif
