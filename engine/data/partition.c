/* Splitting a batch by channel (partition.h): choose a channel per row, then a counting sort. */
#include "engine/data/partition.h"
#include "engine/data/builder_column.h"
#include "engine/data/gather.h"

void partition_scratch_init(struct partition_scratch *s, uint32_t n_channels)
{
    ASSERT(n_channels >= 1 && n_channels <= UINT16_MAX + 1);
    s->n_channels = n_channels;
    s->start = MEM_NEW_ARRAY(uint32_t, n_channels + 2);
    s->rows = MEM_NEW_ARRAY(uint16_t, BATCH_ROWS_MAX);
    s->channel = MEM_NEW_ARRAY(uint16_t, BATCH_ROWS_MAX);
    s->next = MEM_NEW_ARRAY(uint32_t, n_channels);
    s->some = MEM_NEW_ARRAY(uint32_t, n_channels);
}

void partition_scratch_fini(struct partition_scratch *s)
{
    mem_free(s->start);
    mem_free(s->rows);
    mem_free(s->channel);
    mem_free(s->next);
    mem_free(s->some);
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

/* What of each channel's rest fits its builder now, with room made for it.  False: nothing is left. */
static bool choose_round(struct partition_scratch *s, struct builder *builders)
{
    bool any = false;
    for (uint32_t c = 0; c < s->n_channels; c++) {
        uint32_t left = s->start[c + 1] - s->next[c];
        s->some[c] = 0;
        if (left > 0) {
            uint32_t room = builder_room(&builders[c]);
            s->some[c] = MIN(left, room);
            builder_reserve_rows(&builders[c], s->some[c]);
            any = true;
        }
    }
    return any;
}

/* Fixed-width values of one column to all channels: with many channels the rows of each are few, and
 * a call per column and channel would cost as much as copying them. */
#define SCATTER_KERNEL(name, ctype)                                                \
    static void name(const struct partition_scratch *s, const ctype *restrict src, \
                     struct builder *builders, uint32_t column)                    \
    {                                                                              \
        for (uint32_t c = 0; c < s->n_channels; c++) {                             \
            uint32_t n = s->some[c];                                               \
            if (n == 0) {                                                          \
                continue; /* the builder may have no batch */                      \
            }                                                                      \
            const uint16_t *restrict rows = s->rows + s->next[c];                  \
            const struct flinc_out *out = &builders[c].out;                        \
            ctype *restrict dst = (ctype *)out->columns[column].values + out->n;   \
            for (uint32_t i = 0; i < n; i++) {                                     \
                dst[i] = src[rows[i]];                                             \
            }                                                                      \
        }                                                                          \
    }

SCATTER_KERNEL(scatter_1, uint8_t)
SCATTER_KERNEL(scatter_2, uint16_t)
SCATTER_KERNEL(scatter_4, uint32_t)
SCATTER_KERNEL(scatter_8, uint64_t)
SCATTER_KERNEL(scatter_16, struct wide)

static void push_any_column(const struct partition_scratch *s, const struct batch *b,
                            struct builder *builders, uint32_t column)
{
    for (uint32_t c = 0; c < s->n_channels; c++) {
        struct row_index ix = {.rows16 = s->rows + s->next[c]};
        builder_append_column(&builders[c], column, b, &ix, s->some[c]);
    }
}

static void push_column(const struct partition_scratch *s, const struct batch *b,
                        struct builder *builders, uint32_t column)
{
    const struct column *src = &b->columns[column];
    enum type_layout layout = src->type->layout;
    bool fixed = layout != LAYOUT_VIEW && layout != LAYOUT_LIST && layout != LAYOUT_MAP;
    if (!fixed || src->validity != NULL) {
        push_any_column(s, b, builders, column);
        return;
    }
    switch (src->type->width) {
    case 1:
        scatter_1(s, src->values->data, builders, column);
        break;
    case 2:
        scatter_2(s, COLUMN_VALUES(src, uint16_t), builders, column);
        break;
    case 4:
        scatter_4(s, COLUMN_VALUES(src, uint32_t), builders, column);
        break;
    case 8:
        scatter_8(s, COLUMN_VALUES(src, uint64_t), builders, column);
        break;
    case 16:
        scatter_16(s, COLUMN_VALUES(src, struct wide), builders, column);
        break;
    default:
        push_any_column(s, b, builders, column);
        break;
    }
}

int partition_push(struct partition_scratch *s, const struct batch *b, struct builder *builders)
{
    memcpy(s->next, s->start, s->n_channels * sizeof(*s->next));
    /* A second round is for channels whose builder was filled by the first. */
    while (choose_round(s, builders)) {
        /* Column by column, so that a source column is read from L1 by all channels but the first. */
        for (uint32_t k = 0; k < b->n_columns; k++) {
            push_column(s, b, builders, k);
        }
        for (uint32_t c = 0; c < s->n_channels; c++) {
            if (s->start[c + 1] > s->next[c]) {
                struct row_index ix = {.rows16 = s->rows + s->next[c]};
                builder_append_end(&builders[c], b, &ix, s->some[c]);
                s->next[c] += s->some[c];
                TRY(builder_hand_on(&builders[c]));
            }
        }
    }
    return 0;
}
