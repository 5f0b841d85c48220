/* Routing of batches to channels.
 *
 * A partitioner is one of three ways to write: to a single channel, to all by reference, or row by row
 * (`spread`: fill scratch.channel for each selected row, sort, append to the builders). */
#include "taskmanager/exchange/result_partition.h"
#include "common/base/failpoint.h"
#include "engine/graph/edge_channels.h"
#include "taskmanager/exchange/element_parts.h"

enum write_mode {
    WRITE_SINGLE,
    WRITE_ALL,
    WRITE_SPREAD,
};

/* Channel numbers, each at most once. */
struct channel_set {
    uint16_t *list; /* Owns; n_channels */
    bool *member;   /* Owns; by channel */
    uint32_t len;
};

struct result_partition {
    struct buffer_pool *pool; /* Borrows */
    struct schema *schema;    /* Owns a ref */
    Flinc__PartitionerKind kind;
    enum write_mode mode;
    struct channel **channels; /* Owns refs */
    uint32_t n_channels;
    struct exchange_counters *counters; /* Borrows; may be NULL */
    struct rng rng;                     /* of shuffle and of latency markers */
    struct channel_set full;            /* channels over their bounds when last seen */
    uint64_t part_bytes;                /* of batches; UINT64_MAX: they go as they are */
    /* WRITE_SPREAD */
    struct builder *builders;   /* Owns; by channel */
    struct channel_set started; /* builders that may have rows */
    struct partition_scratch scratch;
    uint32_t target_rows;
    struct key_router router; /* HASH */
    uint32_t *key_columns;    /* Owns; HASH */
    uint32_t n_keys;
    uint32_t next_channel; /* REBALANCE, RESCALE: whose turn it is */
    uint64_t n_dealt;      /* rows dealt one by one so far */
    struct custom_partitioner custom;
    int32_t *custom_channels; /* Owns; CUSTOM: what the function answered */
    uint64_t *barrier_at;     /* Owns; by channel: the position of the last barrier */
    uint64_t barrier_id;      /* of its checkpoint; 0: none was sent */
};

static int result_partition_spread(struct result_partition *p, struct batch *take_batch,
                                   struct error *err);
static void result_partition_init_spread(struct result_partition *p,
                                         const struct result_partition_options *options);

/* ---- channel sets ------------------------------------------------------------------------------- */

static void channel_set_init(struct channel_set *set, uint32_t n_channels)
{
    set->list = MEM_NEW_ARRAY(uint16_t, n_channels);
    set->member = MEM_NEW_ARRAY(bool, n_channels);
    set->len = 0;
}

static void channel_set_fini(struct channel_set *set)
{
    mem_free(set->list);
    mem_free(set->member);
}

static void channel_set_add(struct channel_set *set, uint32_t channel)
{
    if (!set->member[channel]) {
        set->member[channel] = true;
        set->list[set->len++] = (uint16_t)channel;
    }
}

/* Removes the i-th of the list; the last one takes its place. */
static void channel_set_remove_at(struct channel_set *set, uint32_t i)
{
    set->member[set->list[i]] = false;
    set->list[i] = set->list[--set->len];
}

/* ---- life --------------------------------------------------------------------------------------- */

static int result_partition_check(const struct result_partition_options *o, struct error *err)
{
    if (o->n_channels == 0 || o->n_channels > MAX_PARALLELISM_LIMIT) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "%s edge with %u consumers; 1 to %d are possible",
                         partitioner_name(o->kind), o->n_channels, MAX_PARALLELISM_LIMIT);
    }
    switch (o->kind) {
    case FLINC__PARTITIONER_KIND__PARTITION_FORWARD:
        if (o->n_channels != 1) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "FORWARD edge needs equal parallelisms, this subtask has %u consumers",
                             o->n_channels);
        }
        return 0;
    case FLINC__PARTITIONER_KIND__PARTITION_HASH:
        if (o->n_keys == 0) {
            return error_set(err, ERR_INVALID_ARGUMENT, "HASH edge without key columns");
        }
        for (uint32_t i = 0; i < o->n_keys; i++) {
            if (o->key_columns[i] >= o->schema->n_fields) {
                return error_set(err, ERR_INVALID_ARGUMENT,
                                 "HASH edge by column %u of a stream with %u columns",
                                 o->key_columns[i], o->schema->n_fields);
            }
        }
        if (o->max_parallelism < o->n_channels || o->max_parallelism > MAX_PARALLELISM_LIMIT) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "HASH edge to %u consumers with maximum parallelism %u", o->n_channels,
                             o->max_parallelism);
        }
        return 0;
    case FLINC__PARTITIONER_KIND__PARTITION_CUSTOM:
        if (o->custom.route == NULL) {
            return error_set(err, ERR_INVALID_ARGUMENT, "CUSTOM edge without a partitioner");
        }
        return 0;
    case FLINC__PARTITIONER_KIND__PARTITION_REBALANCE:
    case FLINC__PARTITIONER_KIND__PARTITION_RESCALE:
    case FLINC__PARTITIONER_KIND__PARTITION_BROADCAST:
    case FLINC__PARTITIONER_KIND__PARTITION_SHUFFLE:
    case FLINC__PARTITIONER_KIND__PARTITION_GLOBAL:
        return 0;
    default:
        return error_set(err, ERR_INVALID_ARGUMENT, "partitioner %d is not known", (int)o->kind);
    }
}

static enum write_mode write_mode_of(const struct result_partition_options *o)
{
    if (o->kind == FLINC__PARTITIONER_KIND__PARTITION_GLOBAL) {
        return WRITE_SINGLE;
    }
    /* A custom partitioner is asked also about a single channel: its answer may be wrong. */
    if (o->n_channels == 1 && o->kind != FLINC__PARTITIONER_KIND__PARTITION_CUSTOM) {
        return WRITE_SINGLE;
    }
    return o->kind == FLINC__PARTITIONER_KIND__PARTITION_BROADCAST ? WRITE_ALL : WRITE_SPREAD;
}

int result_partition_open(const struct result_partition_options *options,
                          struct result_partition **ret_partition, struct error *err)
{
    TRY(result_partition_check(options, err));
    struct result_partition *p = MEM_NEW(struct result_partition);
    p->pool = options->pool;
    p->schema = schema_ref(options->schema);
    p->kind = options->kind;
    p->mode = write_mode_of(options);
    p->n_channels = options->n_channels;
    p->channels = mem_dup(options->channels, sizeof(*p->channels) * p->n_channels);
    p->counters = options->counters;
    rng_init(&p->rng, options->seed);
    channel_set_init(&p->full, p->n_channels);
    p->part_bytes = options->part_bytes > 0 ? options->part_bytes : UINT64_MAX;
    p->barrier_at = MEM_NEW_ARRAY(uint64_t, p->n_channels);
    for (uint32_t i = 0; i < p->n_channels; i++) {
        channel_attach_producer(p->channels[i], options->mailbox, &options->channel);
    }
    if (p->mode == WRITE_SPREAD) {
        result_partition_init_spread(p, options);
    }
    *ret_partition = p;
    return 0;
}

static int result_partition_on_full(void *arg, struct builder *b);

static void result_partition_init_spread(struct result_partition *p,
                                         const struct result_partition_options *options)
{
    p->target_rows = options->n_batch_target > 0 ? options->n_batch_target : BATCH_ROWS_TARGET;
    p->builders = MEM_NEW_ARRAY(struct builder, p->n_channels);
    for (uint32_t i = 0; i < p->n_channels; i++) {
        builder_init(&p->builders[i], p->pool, p->schema, p->target_rows);
        p->builders[i].target_bytes = MIN(p->builders[i].target_bytes, p->part_bytes);
        p->builders[i].on_full = result_partition_on_full;
        p->builders[i].on_full_arg = p;
    }
    channel_set_init(&p->started, p->n_channels);
    partition_scratch_init(&p->scratch, p->n_channels);
    p->next_channel = (uint32_t)rng_below(&p->rng, p->n_channels);
    if (p->kind == FLINC__PARTITIONER_KIND__PARTITION_HASH) {
        key_router_init(&p->router, options->max_parallelism, p->n_channels);
        p->n_keys = options->n_keys;
        p->key_columns = mem_dup(options->key_columns, sizeof(*p->key_columns) * p->n_keys);
    }
    if (p->kind == FLINC__PARTITIONER_KIND__PARTITION_CUSTOM) {
        p->custom = options->custom;
        p->custom_channels = MEM_NEW_ARRAY(int32_t, BATCH_ROWS_MAX);
    }
}

static void result_partition_fini_spread(struct result_partition *p)
{
    for (uint32_t i = 0; i < p->n_channels; i++) {
        builder_fini(&p->builders[i]);
    }
    mem_free(p->builders);
    channel_set_fini(&p->started);
    partition_scratch_fini(&p->scratch);
    if (p->kind == FLINC__PARTITIONER_KIND__PARTITION_HASH) {
        key_router_fini(&p->router);
        mem_free(p->key_columns);
    }
    if (p->kind == FLINC__PARTITIONER_KIND__PARTITION_CUSTOM) {
        if (p->custom.close != NULL) {
            p->custom.close(p->custom.data);
        }
        mem_free(p->custom_channels);
    }
}

struct result_partition *result_partition_close(struct result_partition *p)
{
    if (p == NULL) {
        return NULL;
    }
    if (p->mode == WRITE_SPREAD) {
        result_partition_fini_spread(p);
    }
    for (uint32_t i = 0; i < p->n_channels; i++) {
        channel_close_producer(p->channels[i]);
        channel_unref(p->channels[i]);
    }
    channel_set_fini(&p->full);
    mem_free(p->barrier_at);
    mem_free(p->channels);
    schema_unref(p->schema);
    mem_free(p);
    return NULL;
}

/* ---- sending ------------------------------------------------------------------------------------ */

static void result_partition_push_whole(struct result_partition *p, uint32_t channel,
                                        const struct element *take_element)
{
    struct channel *c = p->channels[channel];
    if (p->counters != NULL && take_element->kind == ELEMENT_BATCH) {
        metric_counter_add(&p->counters->n_bytes, take_element->payload_bytes);
        metric_counter_add(&p->counters->n_batches, 1);
    }
    channel_push(c, take_element);
    if (UNLIKELY(!channel_is_writable(c))) {
        channel_set_add(&p->full, channel);
    }
}

/* Parts of about part_bytes, at least a row each. */
static COLD void result_partition_push_parts(struct result_partition *p, uint32_t channel,
                                             struct element *take_element)
{
    const struct batch *b = take_element->batch;
    uint64_t rows = b->n_sel * p->part_bytes / take_element->payload_bytes;
    struct element_parts parts = {0};
    rows = MAX(rows, (uint64_t)1);
    element_parts_begin(&parts, take_element);
    while (element_parts_has(&parts)) {
        struct element part = element_parts_take(&parts, p->pool, (uint32_t)rows);
        struct element e = element_of_batch(batch_materialize(p->pool, part.batch));
        result_partition_push_whole(p, channel, &e);
    }
}

static void result_partition_push(struct result_partition *p, uint32_t channel,
                                  const struct element *take_element)
{
    if (UNLIKELY(take_element->payload_bytes > p->part_bytes) &&
        take_element->kind == ELEMENT_BATCH && take_element->batch->n_sel > 1) {
        struct element e = *take_element;
        result_partition_push_parts(p, channel, &e);
        return;
    }
    result_partition_push_whole(p, channel, take_element);
}

/* A batch as it may cross to another task: without a selection, and not holding much more string
 * bytes than it uses.  (The comparison is cheap and errs to the side of asking the exact check.) */
static struct element result_partition_pack(struct result_partition *p, struct batch *take_batch)
{
    if (take_batch->sel != NULL) {
        return element_of_batch(batch_materialize(p->pool, take_batch));
    }
    struct element e = element_of_batch(take_batch);
    if (e.pinned_bytes / 2 > e.payload_bytes && batch_is_unique(e.batch)) {
        batch_compact_strings(p->pool, e.batch);
        e.pinned_bytes = batch_pinned_bytes(e.batch);
    }
    return e;
}

static void result_partition_send_all(struct result_partition *p, struct batch *take_batch)
{
    struct element e = result_partition_pack(p, take_batch);
    for (uint32_t i = 0; i < p->n_channels; i++) {
        struct element shared = e;
        shared.batch = batch_ref(e.batch);
        result_partition_push(p, i, &shared);
    }
    element_drop(&e);
}

int result_partition_write(struct result_partition *p, struct batch *take_batch, struct error *err)
{
    int rc = FAILPOINT(err, "exchange.partition.write");
    if (UNLIKELY(rc < 0) || take_batch->n_sel == 0) {
        batch_unref(take_batch);
        return rc;
    }
    if (p->counters != NULL) {
        metric_counter_add(&p->counters->n_records, take_batch->n_sel);
    }
    if (p->mode == WRITE_SPREAD) {
        return result_partition_spread(p, take_batch, err);
    }
    if (p->mode == WRITE_ALL) {
        result_partition_send_all(p, take_batch);
        return 0;
    }
    struct element e = result_partition_pack(p, take_batch);
    result_partition_push(p, 0, &e);
    return 0;
}

/* Sends what a builder has; nothing when it has no rows. */
static void result_partition_send_built(struct result_partition *p, uint32_t channel)
{
    struct batch *b = builder_finish(&p->builders[channel]);
    if (b != NULL) {
        struct element e = element_of_batch(b);
        result_partition_push(p, channel, &e);
    }
}

static int result_partition_on_full(void *arg, struct builder *b)
{
    struct result_partition *p = arg;
    result_partition_send_built(p, (uint32_t)(b - p->builders));
    return 0;
}

void result_partition_flush(struct result_partition *p)
{
    for (uint32_t i = 0; i < p->started.len; i++) {
        uint16_t channel = p->started.list[i];
        p->started.member[channel] = false;
        result_partition_send_built(p, channel);
    }
    p->started.len = 0;
}

bool result_partition_has_buffered(const struct result_partition *p)
{
    return p->started.len > 0;
}

void result_partition_send_control(struct result_partition *p, const struct element *control)
{
    ASSERT(element_is_control(control));
    if (control->kind != ELEMENT_BARRIER || !PLANTED("barrier_overtakes")) {
        result_partition_flush(p);
    }
    if (control->kind == ELEMENT_BARRIER) {
        p->barrier_id = control->barrier->checkpoint_id;
        for (uint32_t i = 0; i < p->n_channels; i++) {
            p->barrier_at[i] = channel_pushed(p->channels[i]);
        }
    }
    for (uint32_t i = 0; i < p->n_channels; i++) {
        struct element shared = element_share(control);
        result_partition_push(p, i, &shared);
    }
}

/* A builder without rows may stay in `started`. */
void result_partition_send_marker(struct result_partition *p, struct latency_marker *take_marker)
{
    uint32_t channel = p->n_channels > 1 ? (uint32_t)rng_below(&p->rng, p->n_channels) : 0;
    struct element e = element_of_marker(take_marker);
    if (p->mode == WRITE_SPREAD) {
        result_partition_send_built(p, channel);
    }
    result_partition_push(p, channel, &e);
}

void result_partition_send_priority(struct result_partition *p, const struct element *control)
{
    for (uint32_t i = 0; i < p->n_channels; i++) {
        struct element shared = element_share(control);
        channel_push_priority(p->channels[i], &shared);
    }
}

bool result_partition_is_overtakable(const struct result_partition *p)
{
    return partitioner_is_overtakable(p->kind);
}

void result_partition_announce(struct result_partition *p, struct barrier *b)
{
    if (p->barrier_id != b->checkpoint_id || !result_partition_is_overtakable(p)) {
        return;
    }
    for (uint32_t i = 0; i < p->n_channels; i++) {
        struct element e = element_of_barrier(barrier_ref(b));
        e.position = p->barrier_at[i];
        channel_push_priority_at(p->channels[i], &e);
    }
}

/* ---- row by row --------------------------------------------------------------------------------- */

/* A batch whose rows all go to one channel goes there as it is, when it is large enough not to be
 * worth copying and nothing of the channel would be overtaken. */
static bool result_partition_may_send_whole(const struct result_partition *p, const struct batch *b,
                                            uint32_t channel)
{
    return b->n_sel >= MIN((uint32_t)RESULT_PARTITION_WHOLE_ROWS, p->target_rows) &&
           builder_rows(&p->builders[channel]) == 0;
}

static void result_partition_send_whole(struct result_partition *p, struct batch *take_batch,
                                        uint32_t channel)
{
    struct element e = result_partition_pack(p, take_batch);
    result_partition_push(p, channel, &e);
}

/* Asks the user's function and checks its answers. */
static int result_partition_route_custom(struct result_partition *p, const struct batch *b,
                                         struct error *err)
{
    TRY(p->custom.route(p->custom.data, b, p->n_channels, p->custom_channels, err));
    for (uint32_t i = 0; i < b->n_sel; i++) {
        int32_t channel = p->custom_channels[i];
        if (UNLIKELY(channel < 0 || (uint32_t)channel >= p->n_channels)) {
            return error_set(err, ERR_USER_CODE,
                             "the custom partitioner returned %d; channels are 0 to %u", channel,
                             p->n_channels - 1);
        }
        p->scratch.channel[i] = (uint16_t)channel;
    }
    return 0;
}

/* Fills scratch.channel by selected row. */
static int result_partition_route(struct result_partition *p, struct batch *b, struct error *err)
{
    switch (p->kind) {
    case FLINC__PARTITIONER_KIND__PARTITION_HASH:
        batch_hash_keys(p->pool, b, p->key_columns, p->n_keys);
        partition_by_hash(&p->scratch, b, &p->router);
        return 0;
    case FLINC__PARTITIONER_KIND__PARTITION_SHUFFLE:
        for (uint32_t i = 0; i < b->n_sel; i++) {
            p->scratch.channel[i] = (uint16_t)rng_below(&p->rng, p->n_channels);
        }
        return 0;
    case FLINC__PARTITIONER_KIND__PARTITION_CUSTOM:
        return result_partition_route_custom(p, b, err);
    default:
        partition_round_robin(&p->scratch, b, &p->next_channel);
        p->n_dealt += b->n_sel;
        return 0;
    }
}

static bool result_partition_deals_whole(const struct result_partition *p, const struct batch *b)
{
    bool deals = p->kind == FLINC__PARTITIONER_KIND__PARTITION_REBALANCE ||
                 p->kind == FLINC__PARTITIONER_KIND__PARTITION_RESCALE;
    return deals && p->n_dealt >= REBALANCE_ROW_WISE_ROWS &&
           b->n_sel >= RESULT_PARTITION_WHOLE_ROWS;
}

static int result_partition_spread(struct result_partition *p, struct batch *take_batch,
                                   struct error *err)
{
    if (result_partition_deals_whole(p, take_batch)) {
        uint32_t channel = p->next_channel;
        p->next_channel = (channel + 1) % p->n_channels;
        result_partition_send_built(p, channel);
        result_partition_send_whole(p, take_batch, channel);
        return 0;
    }
    /* Hashes are written into the header. */
    struct batch *b = p->kind == FLINC__PARTITIONER_KIND__PARTITION_HASH
                          ? batch_make_unique(p->pool, take_batch)
                          : take_batch;
    int rc = result_partition_route(p, b, err);
    if (rc < 0) {
        batch_unref(b);
        return rc;
    }
    partition_sort(&p->scratch, b);
    uint32_t first = p->scratch.channel[0];
    const uint32_t *start = p->scratch.start;
    if (start[first + 1] - start[first] == b->n_sel &&
        result_partition_may_send_whole(p, b, first)) {
        result_partition_send_whole(p, b, first);
        return 0;
    }
    for (uint32_t c = 0; c < p->n_channels; c++) {
        if (start[c + 1] > start[c]) {
            channel_set_add(&p->started, c);
        }
    }
    rc = partition_push(&p->scratch, b, p->builders);
    batch_unref(b);
    return rc < 0 ? error_set(err, rc, "a batch for a channel could not be built") : 0;
}

/* ---- space -------------------------------------------------------------------------------------- */

uint64_t result_partition_part_bytes(const struct result_partition *p)
{
    return p->part_bytes != UINT64_MAX ? p->part_bytes : 0;
}

bool result_partition_is_writable(struct result_partition *p)
{
    for (uint32_t i = 0; i < p->full.len;) {
        if (channel_is_writable(p->channels[p->full.list[i]])) {
            channel_set_remove_at(&p->full, i);
        } else {
            i++;
        }
    }
    return p->full.len == 0;
}

bool result_partition_arm_writable(struct result_partition *p)
{
    for (uint32_t i = 0; i < p->full.len;) {
        if (channel_arm_writable(p->channels[p->full.list[i]])) {
            channel_set_remove_at(&p->full, i);
        } else {
            i++;
        }
    }
    return p->full.len == 0;
}

uint32_t result_partition_queue_len(const struct result_partition *p)
{
    uint32_t len = 0;
    for (uint32_t i = 0; i < p->n_channels; i++) {
        len += channel_len(p->channels[i]);
    }
    return len;
}
