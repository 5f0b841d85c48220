/* Splitting a batch by channel (partition.h): choose a channel per row, then a counting sort. */
#include "engine/data/partition.h"

void partition_scratch_init(struct partition_scratch *s, uint32_t n_channels)
{
    ASSERT(n_channels >= 1 && n_channels <= UINT16_MAX + 1);
    s->n_channels = n_channels;
    s->start = MEM_NEW_ARRAY(uint32_t, n_channels + 2);
    s->rows = MEM_NEW_ARRAY(uint16_t, BATCH_ROWS_MAX);
    s->channel = MEM_NEW_ARRAY(uint16_t, BATCH_ROWS_MAX);
}

void partition_scratch_fini(struct partition_scratch *s)
{
    mem_free(s->start);
    mem_free(s->rows);
    mem_free(s->channel);
    memset(s, 0, sizeof(*s));
}

void partition_by_hash(struct partition_scratch *s, const struct batch *b,
                       const struct key_router *router)
{
    ASSERT(b->hashes != NULL && router->parallelism <= s->n_channels);
    const uint64_t *hashes = (const uint64_t *)(const void *)b->hashes->data;
    const uint16_t *sel = batch_sel(b);
    const uint16_t *owner = router->owner;
    uint16_t *channel = s->channel;
    uint32_t n = b->n_sel;
    uint32_t max = router->max_parallelism;
    if (sel == NULL && (max & (max - 1)) == 0) {
        /* The usual power of two: the remainder is the low bits. */
        for (uint32_t i = 0; i < n; i++) {
            channel[i] = owner[hashes[i] & (max - 1)];
        }
        return;
    }
    for (uint32_t i = 0; i < n; i++) {
        channel[i] = (uint16_t)key_owner_of(router, hashes[sel != NULL ? sel[i] : i]);
    }
}

void partition_round_robin(struct partition_scratch *s, const struct batch *b, uint32_t *next)
{
    uint32_t c = *next % s->n_channels;
    for (uint32_t i = 0; i < b->n_sel; i++) {
        s->channel[i] = (uint16_t)c;
        c = c + 1 == s->n_channels ? 0 : c + 1;
    }
    *next = c;
}

void partition_sort(struct partition_scratch *s, const struct batch *b)
{
    const uint16_t *sel = batch_sel(b);
    const uint16_t *channel = s->channel;
    uint16_t *rows = s->rows;
    uint32_t n = b->n_sel;
    uint32_t channels = s->n_channels;
    /* at[c + 1] counts channel c, then is where its next row goes; it ends up where c ends, which is
     * where c + 1 starts. */
    uint32_t *at = s->start + 1;
    memset(s->start, 0, (channels + 2) * sizeof(*s->start));
    for (uint32_t i = 0; i < n; i++) {
        ASSERT(channel[i] < channels);
        at[channel[i] + 1]++;
    }
    for (uint32_t c = 1; c <= channels; c++) {
        at[c] += at[c - 1];
    }
    for (uint32_t i = 0; i < n; i++) {
        rows[at[channel[i]]++] = sel != NULL ? sel[i] : (uint16_t)i;
    }
}
