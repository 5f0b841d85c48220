/* A ring of bytes between who writes a file and the thread that sends it: bounded, and whoever has nothing to do is woken.
 * Thread: one writer, one reader (the transfer's). */
#ifndef FLINC_COMMON_FS_HDFS_PIPE_H
#define FLINC_COMMON_FS_HDFS_PIPE_H

#include "common/base/thread.h"
#include "common/fs/remote/transfer.h"

struct pipe {
    pthread_mutex_t lock; /* of all below but the bytes themselves */
    uint8_t *bytes;       /* Owns; `cap` */
    size_t cap, at, len;
    bool is_ended, is_paused;
    struct event_count *room; /* Borrows; signalled when there is some */
};
/* `bytes` become its own; the first `len` are there already. */
void pipe_init(struct pipe *p, uint8_t *bytes, size_t cap, size_t len, struct event_count *room);
void pipe_fini(struct pipe *p);
/* As much as there is room for; *ret_poke: the reader waits, and it is worth waking it. */
size_t pipe_put(struct pipe *p, const void *data, size_t size, bool *ret_poke);
/* There is nothing more. */
void pipe_end(struct pipe *p);
bool pipe_is_full(struct pipe *p);
/* As exchange_source.read. */
long pipe_read(void *pipe, char *buf, size_t size);

#endif
