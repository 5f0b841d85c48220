/* A map under a lock; entries are channels that wait for their other side.  Control path only. */
#include "taskmanager/exchange/partition_registry.h"
#include "common/base/map.h"
#include "common/base/vec.h"
#include <inttypes.h>
#include <stdio.h>

enum { KEY_MAX = ID_HEX_LEN + 32 };

struct waiting_channel {
    struct channel *channel; /* Owns a ref */
    enum channel_side side;  /* which side is there */
    int64_t since_ms;
};

struct partition_registry {
    pthread_mutex_t lock;
    const struct clock *clock; /* Borrows */
    struct map waiting;        /* Owns: key -> struct waiting_channel */
};

static void waiting_channel_free(void *value)
{
    struct waiting_channel *w = value;
    channel_unref(w->channel);
    mem_free(w);
}

struct partition_registry *partition_registry_new(const struct clock *clock)
{
    struct partition_registry *r = MEM_NEW(struct partition_registry);
    pthread_mutex_init(&r->lock, NULL);
    r->clock = clock;
    map_init(&r->waiting, waiting_channel_free);
    return r;
}

struct partition_registry *partition_registry_free(struct partition_registry *r)
{
    if (r != NULL) {
        map_fini(&r->waiting);
        pthread_mutex_destroy(&r->lock);
        mem_free(r);
    }
    return NULL;
}

static int partition_registry_connect_locked(struct partition_registry *r, const char *key,
                                             enum channel_side side, struct channel **ret_channel,
                                             struct error *err)
{
    struct waiting_channel *w = map_find(&r->waiting, key);
    if (w != NULL && w->side == side) {
        return error_set(err, ERR_ALREADY_EXISTS, "subpartition %s has a %s already", key,
                         side == CHANNEL_SIDE_PRODUCER ? "producer" : "consumer");
    }
    if (w != NULL) {
        *ret_channel = channel_ref(w->channel);
        map_remove(&r->waiting, key);
        return 0;
    }
    if (r->waiting.len >= PARTITION_REGISTRY_CHANNELS_MAX) {
        return error_set(err, ERR_LIMIT, "%zu channels wait for their other side already",
                         r->waiting.len);
    }
    w = MEM_NEW(struct waiting_channel);
    w->channel = channel_new();
    w->side = side;
    w->since_ms = clock_monotonic_ms(r->clock);
    map_put(&r->waiting, key, w);
    *ret_channel = channel_ref(w->channel);
    return 0;
}

int partition_registry_connect(struct partition_registry *r, const struct subpartition_id *id,
                               enum channel_side side, struct channel **ret_channel,
                               struct error *err)
{
    char attempt[ID_HEX_LEN + 1], key[KEY_MAX];
    id_format(&id->producer_attempt, attempt);
    snprintf(key, sizeof(key), "%s/%" PRIu32 "/%" PRIu32, attempt, id->edge, id->subpartition);
    pthread_mutex_lock(&r->lock);
    int rc = partition_registry_connect_locked(r, key, side, ret_channel, err);
    pthread_mutex_unlock(&r->lock);
    return rc;
}

uint32_t partition_registry_sweep(struct partition_registry *r, int64_t timeout_ms)
{
    struct vec keys = VEC_INIT(char *);
    int64_t limit_ms = clock_monotonic_ms(r->clock) - timeout_ms;
    pthread_mutex_lock(&r->lock);
    MAP_FOREACH (&r->waiting, e) {
        const struct waiting_channel *w = e->value;
        if (w->since_ms < limit_ms) {
            vec_push_ptr(&keys, mem_strdup(e->key));
        }
    }
    for (size_t i = 0; i < keys.len; i++) {
        char *key = vec_ptr(&keys, i);
        map_remove(&r->waiting, key);
        mem_free(key);
    }
    pthread_mutex_unlock(&r->lock);
    uint32_t n = (uint32_t)keys.len;
    vec_fini(&keys);
    return n;
}

uint32_t partition_registry_len(struct partition_registry *r)
{
    pthread_mutex_lock(&r->lock);
    uint32_t n = (uint32_t)r->waiting.len;
    pthread_mutex_unlock(&r->lock);
    return n;
}
