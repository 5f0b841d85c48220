/* Turns between the ready channels, and gathering.
 *
 * A channel is in `ready` (its own list per lane) from the moment it is taken off the ready queue until
 * a poll finds it empty, or until it is found to be blocked: then it waits in `parked`.  Gathered rows are either one
 * batch held as it came, or rows in the builder.  What is handed out in parts comes before both. */
#include "taskmanager/exchange/gate.h"
#include "common/base/failpoint.h"
#include "taskmanager/exchange/element_parts.h"

/* The channels that may have something: a ring, each at most once. */
struct ready_list {
    uint32_t *ring; /* Owns */
    uint32_t head, len;
};

/* What a checkpoint overtakes. */
struct gate_recording {
    struct gate_recorder to;
    uint64_t checkpoint_id; /* 0: none */
    uint64_t *next;         /* Owns; by channel: the number of the first element not shown yet */
    bool *open;             /* Owns; by channel: its barrier has not come */
    uint32_t n_open;
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
    struct element_parts rest; /* of what was handed out last */
    uint32_t rows_max;         /* of a part; UINT32_MAX: no parts */
    struct builder builder;
    uint64_t gather_bytes_max;
    uint64_t taken_bytes;                /* payload of all batches so far */
    uint64_t gathered_bytes;             /* payload of the rows in the builder */
    struct exchange_counters **counters; /* Owns the array; by channel; NULL: not counted */
    bool ended;
    /* Of channels, for recording. */
    uint64_t
        *last_barrier; /* Owns; by channel: of the ordinary lane, taken; UINT64_MAX: it ended */
    struct gate_recording recording;
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
    g->rows_max = UINT32_MAX;
    g->gather_bytes_max = options->gather_bytes > 0 ? options->gather_bytes : UINT64_MAX;
    g->blocked = MEM_NEW_ARRAY(bool, g->n_channels);
    g->last_barrier = MEM_NEW_ARRAY(uint64_t, g->n_channels);
    g->recording.next = MEM_NEW_ARRAY(uint64_t, g->n_channels);
    g->recording.open = MEM_NEW_ARRAY(bool, g->n_channels);
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
    element_parts_fini(&g->rest);
    builder_fini(&g->builder);
    for (size_t lane = 0; lane < CHANNEL_LANES; lane++) {
        mem_free(g->ready[lane].ring);
    }
    mem_free(g->parked.ring);
    mem_free(g->blocked);
    mem_free(g->last_barrier);
    mem_free(g->recording.next);
    mem_free(g->recording.open);
    ready_queue_unref(g->queue);
    mem_free(g->channels);
    mem_free(g->counters);
    mem_free(g);
    return NULL;
}

static void gate_note_taken(struct gate *g, uint32_t index, const struct element *e);

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
    g->taken_bytes += e->kind == ELEMENT_BATCH ? e->payload_bytes : 0;
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
            if (lane == CHANNEL_LANE_DATA) {
                gate_note_taken(g, index, ret_element);
            }
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
        .channel = GATE_CHANNEL_GATHERED,
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

bool gate_has_priority(const struct gate *g)
{
    return g->ready[CHANNEL_LANE_PRIORITY].len > 0 ||
           ready_queue_has(g->queue, CHANNEL_LANE_PRIORITY);
}

bool gate_poll_priority(struct gate *g, struct element *ret_element)
{
    return UNLIKELY(gate_has_priority(g)) && gate_take(g, CHANNEL_LANE_PRIORITY, ret_element);
}

/* No more is gathered: the batch is full, or as large as is handed out at once. */
static bool gate_has_enough(const struct gate *g)
{
    if (g->has_held) {
        return g->held.batch->n_sel >= g->rows_max || g->held.payload_bytes >= g->gather_bytes_max;
    }
    return builder_is_full(&g->builder) || builder_rows(&g->builder) >= g->rows_max ||
           g->gathered_bytes >= g->gather_bytes_max;
}

/* The next element of the ordinary lanes, whatever its size. */
static bool gate_poll_whole(struct gate *g, struct element *ret_element)
{
    struct element e;
    if (g->has_next) {
        g->has_next = false;
        *ret_element = g->next;
        return true;
    }
    while (gate_take(g, CHANNEL_LANE_DATA, &e)) {
        if (element_is_small(&e)) {
            gate_gather(g, &e);
            if (gate_has_enough(g)) {
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

bool gate_poll(struct gate *g, struct element *ret_element)
{
    if (gate_poll_priority(g, ret_element)) {
        return true;
    }
    if (LIKELY(!element_parts_has(&g->rest))) {
        if (!gate_poll_whole(g, ret_element)) {
            return false;
        }
        if (ret_element->kind != ELEMENT_BATCH || ret_element->batch->n_sel <= g->rows_max) {
            return true;
        }
        element_parts_begin(&g->rest, ret_element);
    }
    *ret_element = element_parts_take(&g->rest, g->pool, g->rows_max);
    return true;
}

void gate_set_rows(struct gate *g, uint32_t rows)
{
    g->rows_max = rows;
}

bool gate_is_ready(const struct gate *g)
{
    for (size_t lane = 0; lane < CHANNEL_LANES; lane++) {
        if (g->ready[lane].len > 0 || ready_queue_has(g->queue, (enum channel_lane)lane)) {
            return true;
        }
    }
    return g->has_next || g->has_held || builder_rows(&g->builder) > 0 ||
           element_parts_has(&g->rest);
}

bool gate_has_ended(const struct gate *g)
{
    return g->ended && !g->has_next && !element_parts_has(&g->rest);
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

uint64_t gate_queue_bytes(const struct gate *g)
{
    uint64_t bytes = 0;
    for (uint32_t i = 0; i < g->n_channels; i++) {
        bytes += channel_bytes(g->channels[i]);
    }
    return bytes;
}

uint64_t gate_taken_bytes(const struct gate *g)
{
    return g->taken_bytes;
}

void gate_set_window(struct gate *g, uint64_t bytes)
{
    for (uint32_t i = 0; i < g->n_channels; i++) {
        channel_set_window(g->channels[i], bytes);
    }
}

/* ---- recording ---------------------------------------------------------------------------------- */

/* One element before or at the barrier of a channel; false: the channel is done. */
static bool gate_record_element(struct gate *g, uint32_t index, const struct element *e)
{
    struct gate_recording *r = &g->recording;
    bool is_barrier = e->kind == ELEMENT_BARRIER && e->barrier->checkpoint_id >= r->checkpoint_id;
    if (is_barrier || e->kind == ELEMENT_END_OF_PARTITION) {
        r->open[index] = false;
        r->n_open--;
        return false;
    }
    if (e->kind == ELEMENT_BATCH || e->kind == ELEMENT_WATERMARK) {
        r->to.record(r->to.arg, index, e);
    }
    return true;
}

struct gate_visit {
    struct gate *gate;
    uint32_t index;
};

static bool gate_visit_element(void *arg, const struct element *e)
{
    const struct gate_visit *v = arg;
    return gate_record_element(v->gate, v->index, e);
}

/* A control element or the first batch behind the barrier ends it; else all that waits is shown. */
bool gate_record_advance(struct gate *g)
{
    struct gate_recording *r = &g->recording;
    for (uint32_t i = 0; r->n_open > 0 && i < g->n_channels; i++) {
        struct gate_visit visit = {g, i};
        if (r->open[i]) {
            r->next[i] = channel_peek(g->channels[i], r->next[i], gate_visit_element, &visit);
        }
    }
    return r->n_open == 0;
}

void gate_record_stop(struct gate *g)
{
    g->recording.checkpoint_id = 0;
    g->recording.n_open = 0;
    memset(g->recording.open, 0, g->n_channels * sizeof(*g->recording.open));
}

/* What was taken off the channels and waits to be handed out; the rows of a builder become a batch. */
static void gate_record_gathered(struct gate *g)
{
    struct gate_recording *r = &g->recording;
    if (element_parts_has(&g->rest) && !PLANTED("channel_state_parts_dropped")) {
        struct element rest = element_parts_left(&g->rest, g->pool);
        r->to.record(r->to.arg, rest.channel, &rest);
        element_drop(&rest);
    }
    if (!g->has_held && builder_rows(&g->builder) > 0) {
        g->has_held = gate_take_gathered(g, &g->held);
    }
    if (g->has_held) {
        r->to.record(r->to.arg, g->held.channel, &g->held);
    }
    if (g->has_next && (g->next.kind == ELEMENT_BATCH || g->next.kind == ELEMENT_WATERMARK)) {
        r->to.record(r->to.arg, g->next.channel, &g->next);
    }
}

void gate_record_start(struct gate *g, uint64_t checkpoint_id, const struct gate_recorder *recorder)
{
    struct gate_recording *r = &g->recording;
    gate_record_stop(g);
    r->to = *recorder;
    r->checkpoint_id = checkpoint_id;
    gate_record_gathered(g);
    for (uint32_t i = 0; i < g->n_channels; i++) {
        r->open[i] = g->last_barrier[i] < checkpoint_id;
        r->n_open += r->open[i];
        r->next[i] = channel_position(g->channels[i]);
    }
    (void)gate_record_advance(g);
}

/* An element was taken off its channel. */
static COLD void gate_record_taken(struct gate *g, uint32_t index, const struct element *e)
{
    struct gate_recording *r = &g->recording;
    uint64_t number = channel_position(g->channels[index]) - 1;
    if (r->open[index] && number >= r->next[index]) {
        r->next[index] = number + 1;
        (void)gate_record_element(g, index, e);
    }
}

static void gate_note_taken(struct gate *g, uint32_t index, const struct element *e)
{
    if (UNLIKELY(g->recording.n_open > 0)) {
        gate_record_taken(g, index, e);
    }
    if (UNLIKELY(e->kind == ELEMENT_BARRIER)) {
        g->last_barrier[index] = e->barrier->checkpoint_id;
    } else if (UNLIKELY(e->kind == ELEMENT_END_OF_PARTITION)) {
        g->last_barrier[index] = UINT64_MAX;
    }
}
