/* Turns between the ready channels, and gathering.
 *
 * A channel is in `ready` (its own list per lane) from the moment it is taken off the ready queue until
 * a poll finds it empty, or until it is found to be blocked: then it waits in `parked`.  Gathered rows are either one batch held as it came, or rows in the builder. */
#include "taskmanager/exchange/gate.h"

/* The channels that may have something: a ring, each at most once. */
struct ready_list {
    uint32_t *ring; /* Owns */
    uint32_t head, len;
};

struct gate {
    struct buffer_pool *pool;  /* Borrows */
    struct channel **channels; /* Owns refs */
    uint32_t n_channels, n_ended;
    struct ready_queue *queue; /* Owns a ref */
    struct ready_list ready[CHANNEL_LANES];
    bool *blocked;            /* Owns; by channel */
    struct ready_list parked; /* blocked channels that have something, or were not asked yet */
    uint32_t n_blocked, flags;
    struct element held; /* Owns: a small batch that came alone so far, when has_held */
    struct element next; /* Owns: to be delivered after what was gathered, when has_next */
    bool has_held, has_next;
    struct builder builder;
    uint64_t gathered_bytes;             /* payload of the rows in the builder */
    struct exchange_counters **counters; /* Owns the array; by channel; NULL: not counted */
    bool ended;
};

static void gate_list_add(const struct gate *g, struct ready_list *list, uint32_t index)
{
    ASSERT(list->len < g->n_channels);
    list->ring[(list->head + list->len) % g->n_channels] = index;
    list->len++;
}

static void gate_ready_add(struct gate *g, enum channel_lane lane, uint32_t index)
{
    gate_list_add(g, &g->ready[lane], index);
}

static uint32_t gate_list_pop(const struct gate *g, struct ready_list *list)
{
    uint32_t index = list->ring[list->head];
    list->head = (list->head + 1) % g->n_channels;
    list->len--;
    return index;
}

struct gate *gate_new(const struct gate_options *options)
{
    ASSERT(options->n_channels > 0 && options->n_channels <= UINT16_MAX);
    struct gate *g = MEM_NEW(struct gate);
    g->pool = options->pool;
    g->n_channels = options->n_channels;
    g->channels = MEM_NEW_ARRAY(struct channel *, g->n_channels);
    if (options->counters != NULL) {
        g->counters = mem_dup(options->counters, g->n_channels * sizeof(*g->counters));
    }
    g->flags = options->flags;
    g->blocked = MEM_NEW_ARRAY(bool, g->n_channels);
    g->parked.ring = MEM_NEW_ARRAY(uint32_t, g->n_channels);
    g->queue = ready_queue_new(options->mailbox);
    for (size_t lane = 0; lane < CHANNEL_LANES; lane++) {
        g->ready[lane].ring = MEM_NEW_ARRAY(uint32_t, g->n_channels);
    }
    builder_init(&g->builder, options->pool, options->schema, BATCH_ROWS_TARGET);
    for (uint32_t i = 0; i < g->n_channels; i++) {
        g->channels[i] = options->channels[i];
        channel_attach_consumer(g->channels[i], g->queue, i);
        /* Each is polled once, because nobody queued it before there was a queue. */
        gate_ready_add(g, CHANNEL_LANE_DATA, i);
        gate_ready_add(g, CHANNEL_LANE_PRIORITY, i);
    }
    return g;
}

struct gate *gate_free(struct gate *g)
{
    if (g == NULL) {
        return NULL;
    }
    for (uint32_t i = 0; i < g->n_channels; i++) {
        channel_close_consumer(g->channels[i]);
        channel_unref(g->channels[i]);
    }
    if (g->has_held) {
        element_drop(&g->held);
    }
    if (g->has_next) {
        element_drop(&g->next);
    }
    builder_fini(&g->builder);
    for (size_t lane = 0; lane < CHANNEL_LANES; lane++) {
        mem_free(g->ready[lane].ring);
    }
    mem_free(g->parked.ring);
    mem_free(g->blocked);
    ready_queue_unref(g->queue);
    mem_free(g->channels);
    mem_free(g->counters);
    mem_free(g);
    return NULL;
}

/* ---- turns -------------------------------------------------------------------------------------- */

/* Appends the channels of the ready queue in the order in which they were put there. */
static void gate_collect_ready(struct gate *g, enum channel_lane lane)
{
    struct ready_list *list = &g->ready[lane];
    uint32_t from = list->len;
    for (struct channel *c = ready_queue_take(g->queue, lane); c != NULL;) {
        /* Read first: once it is polled empty, its producer may queue it again. */
        struct channel *next = channel_next_ready(c, lane);
        gate_ready_add(g, lane, channel_index(c));
        c = next;
    }
    for (uint32_t i = from, j = list->len; i + 1 < j; i++) {
        j--;
        uint32_t *a = &list->ring[(list->head + i) % g->n_channels];
        uint32_t *b = &list->ring[(list->head + j) % g->n_channels];
        uint32_t swap = *a;
        *a = *b;
        *b = swap;
    }
}

static void gate_count(struct gate *g, uint32_t index, const struct element *e)
{
    if (g->counters != NULL && e->kind == ELEMENT_BATCH) {
        struct exchange_counters *c = g->counters[index];
        metric_counter_add(&c->n_records, e->batch->n_sel);
        metric_counter_add(&c->n_bytes, e->payload_bytes);
        metric_counter_add(&c->n_batches, 1);
    }
}

/* The next element of a lane: the channel at the front gives one and goes to the back. */
static bool gate_take(struct gate *g, enum channel_lane lane, struct element *ret_element)
{
    if (ready_queue_has(g->queue, lane)) {
        gate_collect_ready(g, lane);
    }
    struct ready_list *list = &g->ready[lane];
    while (list->len > 0) {
        uint32_t index = gate_list_pop(g, list);
        if (UNLIKELY(g->n_blocked > 0) && lane == CHANNEL_LANE_DATA && g->blocked[index]) {
            gate_list_add(g, &g->parked, index);
            continue;
        }
        if (channel_poll(g->channels[index], lane, ret_element)) {
            gate_ready_add(g, lane, index);
            ret_element->channel = (uint16_t)index;
            gate_count(g, index, ret_element);
            return true;
        }
    }
    return false;
}

/* ---- gathering ---------------------------------------------------------------------------------- */

static void gate_append(struct gate *g, struct element *take_element)
{
    struct batch *b = take_element->batch;
    if (b->sel != NULL) {
        builder_append_rows(&g->builder, b, batch_sel(b), b->n_sel);
    } else {
        builder_append_range(&g->builder, b, 0, b->n_rows);
    }
    g->gathered_bytes += take_element->payload_bytes;
    element_drop(take_element);
}

static void gate_gather(struct gate *g, struct element *take_element)
{
    if (!g->has_held && builder_rows(&g->builder) == 0) {
        g->held = *take_element;
        g->has_held = true;
        return;
    }
    if (g->has_held) {
        g->has_held = false;
        gate_append(g, &g->held);
    }
    gate_append(g, take_element);
}

/* Hands out what was gathered; false: nothing was. */
static bool gate_take_gathered(struct gate *g, struct element *ret_element)
{
    if (g->has_held) {
        g->has_held = false;
        *ret_element = g->held;
        return true;
    }
    struct batch *b = builder_finish(&g->builder);
    if (b == NULL) {
        return false;
    }
    *ret_element = (struct element){
        .kind = ELEMENT_BATCH,
        .payload_bytes = g->gathered_bytes < UINT32_MAX ? (uint32_t)g->gathered_bytes : UINT32_MAX,
        .pinned_bytes = batch_pinned_bytes(b),
        .batch = b,
    };
    g->gathered_bytes = 0;
    return true;
}

/* ---- polling ------------------------------------------------------------------------------------ */

/* Delivers `e` behind what was gathered. */
static void gate_deliver(struct gate *g, const struct element *take_element,
                         struct element *ret_element)
{
    if (gate_take_gathered(g, ret_element)) {
        g->next = *take_element;
        g->has_next = true;
    } else {
        *ret_element = *take_element;
    }
}

/* Worth copying: few rows, and not of the kind where one row is a batch. */
static bool element_is_small(const struct element *e)
{
    return e->kind == ELEMENT_BATCH && e->batch->n_rows < GATE_SMALL_ROWS &&
           e->payload_bytes < BATCH_BYTES_TARGET / 4;
}

bool gate_poll(struct gate *g, struct element *ret_element)
{
    struct element e;
    if (UNLIKELY(g->ready[CHANNEL_LANE_PRIORITY].len > 0 ||
                 ready_queue_has(g->queue, CHANNEL_LANE_PRIORITY)) &&
        gate_take(g, CHANNEL_LANE_PRIORITY, ret_element)) {
        return true;
    }
    if (g->has_next) {
        g->has_next = false;
        *ret_element = g->next;
        return true;
    }
    while (gate_take(g, CHANNEL_LANE_DATA, &e)) {
        if (element_is_small(&e)) {
            gate_gather(g, &e);
            if (builder_is_full(&g->builder)) {
                return gate_take_gathered(g, ret_element);
            }
            continue;
        }
        if (e.kind == ELEMENT_END_OF_PARTITION) {
            g->n_ended++;
            g->ended = g->n_ended == g->n_channels;
            if (!g->ended && !(g->flags & GATE_DELIVER_ENDS)) {
                continue;
            }
        }
        gate_deliver(g, &e, ret_element);
        return true;
    }
    return gate_take_gathered(g, ret_element);
}

bool gate_is_ready(const struct gate *g)
{
    for (size_t lane = 0; lane < CHANNEL_LANES; lane++) {
        if (g->ready[lane].len > 0 || ready_queue_has(g->queue, (enum channel_lane)lane)) {
            return true;
        }
    }
    return g->has_next || g->has_held || builder_rows(&g->builder) > 0;
}

bool gate_has_ended(const struct gate *g)
{
    return g->ended && !g->has_next;
}

void gate_block(struct gate *g, uint32_t channel)
{
    ASSERT(channel < g->n_channels);
    g->n_blocked += !g->blocked[channel];
    g->blocked[channel] = true;
}

void gate_unblock(struct gate *g)
{
    if (g->n_blocked == 0) {
        return;
    }
    memset(g->blocked, 0, g->n_channels * sizeof(*g->blocked));
    g->n_blocked = 0;
    while (g->parked.len > 0) {
        gate_ready_add(g, CHANNEL_LANE_DATA, gate_list_pop(g, &g->parked));
    }
}

uint32_t gate_n_channels(const struct gate *g)
{
    return g->n_channels;
}

uint32_t gate_n_unconnected(const struct gate *g, uint32_t *ret_first)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < g->n_channels; i++) {
        if (!channel_has_producer(g->channels[i]) && n++ == 0) {
            *ret_first = i;
        }
    }
    return n;
}

uint32_t gate_queue_len(const struct gate *g)
{
    uint32_t len = 0;
    for (uint32_t i = 0; i < g->n_channels; i++) {
        len += channel_len(g->channels[i]);
    }
    return len;
}
