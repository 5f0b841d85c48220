/* The ring (pipe.h). */
#include "common/fs/hdfs/pipe.h"

void pipe_init(struct pipe *p, uint8_t *bytes, size_t cap, size_t len, struct event_count *room)
{
    *p = (struct pipe){.bytes = bytes, .cap = cap, .len = len, .room = room};
    pthread_mutex_init(&p->lock, NULL);
}

void pipe_fini(struct pipe *p)
{
    if (p->bytes != NULL) {
        pthread_mutex_destroy(&p->lock);
        mem_free(p->bytes);
        p->bytes = NULL;
    }
}

size_t pipe_put(struct pipe *p, const void *data, size_t size, bool *ret_poke)
{
    pthread_mutex_lock(&p->lock);
    size_t to = (p->at + p->len) % p->cap, room = p->cap - p->len;
    pthread_mutex_unlock(&p->lock); /* the reader touches none of the room */
    size_t n = MIN(size, room), first = MIN(n, p->cap - to);
    memcpy(p->bytes + to, data, first);
    memcpy(p->bytes, (const uint8_t *)data + first, n - first);
    pthread_mutex_lock(&p->lock);
    p->len += n;
    *ret_poke = p->is_paused && p->len >= p->cap / 4;
    p->is_paused = p->is_paused && !*ret_poke;
    pthread_mutex_unlock(&p->lock);
    return n;
}

void pipe_end(struct pipe *p)
{
    pthread_mutex_lock(&p->lock);
    p->is_ended = true;
    p->is_paused = false;
    pthread_mutex_unlock(&p->lock);
}

bool pipe_is_full(struct pipe *p)
{
    pthread_mutex_lock(&p->lock);
    bool is_full = p->len == p->cap;
    pthread_mutex_unlock(&p->lock);
    return is_full;
}

long pipe_read(void *arg, char *buf, size_t size)
{
    struct pipe *p = arg;
    pthread_mutex_lock(&p->lock);
    size_t from = p->at, n = MIN(size, p->len);
    n = MIN(n, p->cap - from);
    long result = (long)n;
    if (n == 0) {
        p->is_paused = !p->is_ended;
        result = p->is_ended ? 0 : TRANSFER_PAUSE;
    }
    pthread_mutex_unlock(&p->lock);
    if (n > 0) { /* the writer touches none of what is there */
        memcpy(buf, p->bytes + from, n);
        pthread_mutex_lock(&p->lock);
        p->at = (p->at + n) % p->cap;
        p->len -= n;
        pthread_mutex_unlock(&p->lock);
        event_count_signal(p->room);
    }
    return result;
}
