/* Whole edges under threads: producers and consumers that meet in the registry in any order, every
 * partitioner, random batches, barriers in between, and either side giving up at random instants.
 *
 * What is checked: no row is lost, invented or doubled, the rows of a producer keep their order on each
 * channel, barriers keep their place among them, queues stay inside their bounds, and nothing is left
 * behind. */
#include "common/base/clock.h"
#include "engine/graph/edge_channels.h"
#include "taskmanager/exchange/gate.h"
#include "taskmanager/exchange/partition_registry.h"
#include "taskmanager/exchange/result_partition.h"
#include "tests/unit/seeds.h"
#include "tests/unit/taskmanager_exchange/exchange_fixture.h"
#include <stdlib.h>

enum { SIDE_MAX = 3, ROWS = 4000, BATCH_MAX = 700, CAPACITY = 3, OVERDRAW = 4 };
#define PRODUCER_BASE ((int64_t)1 << 40) /* numbers of producer p start at p times this */

struct edge_run {
    struct edge_shape shape;
    struct partition_registry *registry;
    uint64_t seed;
    bool gives_up; /* some side stops in the middle */
    _Atomic int64_t rows_out, rows_in, sum_out, sum_in;
};

struct side {
    struct edge_run *run;
    uint32_t subtask;
    pthread_t thread;
};

static struct channel **connect_side(struct side *s, enum channel_side side, uint32_t *ret_n)
{
    const struct edge_shape *shape = &s->run->shape;
    bool producing = side == CHANNEL_SIDE_PRODUCER;
    struct subtask_range peers =
        producing ? edge_consumers(shape, s->subtask) : edge_producers(shape, s->subtask);
    struct channel **channels = MEM_NEW_ARRAY(struct channel *, peers.n);
    for (uint32_t i = 0; i < peers.n; i++) {
        uint32_t producer = producing ? s->subtask : peers.first + i;
        uint32_t consumer = producing ? peers.first + i : s->subtask;
        struct subpartition_id id = {
            {{(uint8_t)(producer + 1)}}, 0, edge_subpartition(shape, producer, consumer)};
        struct error err = ERROR_INIT;
        if (partition_registry_connect(s->run->registry, &id, side, &channels[i], &err) < 0) {
            abort();
        }
    }
    *ret_n = peers.n;
    return channels;
}

/* ---- producers ---------------------------------------------------------------------------------- */

static int route(void *data, const struct batch *b, uint32_t n_channels, int32_t *ret_channels,
                 struct error *err)
{
    for (uint32_t i = 0; i < b->n_sel; i++) {
        ret_channels[i] = (int32_t)(rng_below(data, n_channels));
    }
    return 0;
}

static bool partition_ready(void *arg)
{
    return result_partition_arm_writable(arg);
}

static void produce(struct side *s, struct result_partition *p, struct buffer_pool *pool,
                    struct mailbox *mailbox, struct rng *rng)
{
    struct schema *schema = numbers_schema();
    int64_t first = s->subtask * PRODUCER_BASE, next = first;
    int64_t end = first + ROWS;
    int64_t stop = s->run->gives_up ? first + (int64_t)rng_below(rng, 2 * ROWS) : end;
    while (next < end && next < stop) {
        while (!result_partition_is_writable(p)) {
            wait_for(mailbox, partition_ready, p);
        }
        uint32_t n = 1 + (uint32_t)rng_below(rng, rng_below(rng, 4) == 0 ? BATCH_MAX : 5);
        n = (uint32_t)MIN((int64_t)n, end - next);
        for (uint32_t i = 0; i < n; i++) {
            atomic_fetch_add(&s->run->sum_out, next + i);
        }
        atomic_fetch_add(&s->run->rows_out, n);
        if (result_partition_write(p, numbers_batch(pool, schema, next, n), NULL) < 0) {
            abort();
        }
        next += n;
        if (rng_below(rng, 10) == 0) {
            result_partition_flush(p);
        }
        if (rng_below(rng, 20) == 0) {
            struct element barrier = element_of_control(ELEMENT_WATERMARK_STATUS);
            barrier.timestamp_ms = next;
            result_partition_send_control(p, &barrier);
        }
    }
    if (next == end) {
        struct element done = element_of_control(ELEMENT_END_OF_PARTITION);
        result_partition_send_control(p, &done);
    }
    schema_unref(schema);
}

static void *producer_main(void *arg)
{
    struct side *s = arg;
    struct rng rng;
    rng_init(&rng, s->run->seed * 16 + s->subtask);
    struct buffer_pool *pool = test_pool("producer");
    struct mailbox *mailbox = mailbox_new(&(struct mailbox_options){.name = "producer"});
    struct schema *schema = numbers_schema();
    static const uint32_t key = 0;
    struct result_partition_options options = {
        .pool = pool,
        .schema = schema,
        .kind = s->run->shape.kind,
        .key_columns = &key,
        .n_keys = 1,
        .max_parallelism = 128,
        .custom = {route, NULL, &rng},
        .seed = s->run->seed,
        .mailbox = mailbox,
        .channel = {.capacity_elements = CAPACITY},
    };
    struct channel **channels = connect_side(s, CHANNEL_SIDE_PRODUCER, &options.n_channels);
    options.channels = channels;
    struct result_partition *p = NULL;
    if (result_partition_open(&options, &p, NULL) < 0) {
        abort();
    }
    mem_free(channels);
    produce(s, p, pool, mailbox, &rng);
    result_partition_close(p);
    schema_unref(schema);
    mailbox_unref(mailbox);
    buffer_pool_close(pool);
    return NULL;
}

/* ---- consumers ---------------------------------------------------------------------------------- */

struct progress {
    int64_t last[SIDE_MAX];    /* by producer: its last number */
    int64_t barrier[SIDE_MAX]; /* by producer: numbers from here on come after its last barrier */
};

static void check_rows(struct side *s, struct progress *progress, const struct batch *b)
{
    for (uint32_t i = 0; i < b->n_sel; i++) {
        int64_t value = COLUMN_VALUES(&b->columns[0], int64_t)[batch_row(b, i)];
        int64_t producer = value / PRODUCER_BASE;
        if (value <= progress->last[producer] || value < progress->barrier[producer]) {
            abort();
        }
        progress->last[producer] = value;
        atomic_fetch_add(&s->run->sum_in, value);
    }
    atomic_fetch_add(&s->run->rows_in, b->n_sel);
}

static void check_barrier(struct side *s, struct progress *progress, const struct element *e)
{
    uint32_t producer = edge_producers(&s->run->shape, s->subtask).first + e->channel;
    int64_t number = (int64_t)e->timestamp_ms;
    if (progress->last[producer] >= number || progress->barrier[producer] > number) {
        abort();
    }
    progress->barrier[producer] = number;
}

static bool gate_has_something(void *arg)
{
    return gate_is_ready(arg);
}

static void consume(struct side *s, struct gate *g, struct mailbox *mailbox, struct rng *rng)
{
    struct progress progress = {.last = {-1, -1, -1}};
    int64_t stop = s->run->gives_up ? (int64_t)rng_below(rng, 200) : INT64_MAX;
    for (int64_t i = 0; i < stop; i++) {
        struct element e;
        if (gate_queue_len(g) > gate_n_channels(g) * (CAPACITY + OVERDRAW)) {
            abort();
        }
        if (rng_below(rng, 30) == 0) {
            gate_set_window(g, rng_below(rng, 3) == 0 ? UINT64_MAX : rng_below(rng, 100000));
        }
        if (!gate_poll(g, &e)) {
            if (s->run->gives_up && rng_below(rng, 20) == 0) {
                return; /* the others may have ended without a word */
            }
            struct event_count *event = mailbox_event(mailbox);
            uint32_t ticket = event_count_prepare(event);
            if (gate_has_something(g)) {
                event_count_cancel(event);
            } else {
                event_count_wait(event, ticket, s->run->gives_up ? 1000000 : -1);
            }
            continue;
        }
        if (e.kind == ELEMENT_END_OF_PARTITION) {
            return;
        }
        if (e.kind == ELEMENT_WATERMARK_STATUS) {
            check_barrier(s, &progress, &e);
            continue;
        }
        check_rows(s, &progress, e.batch);
        element_drop(&e);
    }
}

static void *consumer_main(void *arg)
{
    struct side *s = arg;
    struct rng rng;
    rng_init(&rng, s->run->seed * 16 + 8 + s->subtask);
    struct buffer_pool *pool = test_pool("consumer");
    struct mailbox *mailbox = mailbox_new(&(struct mailbox_options){.name = "consumer"});
    struct schema *schema = numbers_schema();
    struct gate_options options = {.pool = pool, .schema = schema, .mailbox = mailbox};
    struct channel **channels = connect_side(s, CHANNEL_SIDE_CONSUMER, &options.n_channels);
    options.channels = channels;
    struct gate *g = gate_new(&options);
    mem_free(channels);
    consume(s, g, mailbox, &rng);
    gate_free(g);
    schema_unref(schema);
    mailbox_unref(mailbox);
    buffer_pool_close(pool);
    return NULL;
}

/* ---- runs --------------------------------------------------------------------------------------- */

static void run_edge(struct edge_run *run)
{
    struct side sides[2 * SIDE_MAX];
    uint32_t n = 0;
    struct error err = ERROR_INIT;
    int threads = thread_count();
    run->registry = partition_registry_new(&clock_system);
    bool consumers_first = run->seed % 2 == 0;
    for (uint32_t half = 0; half < 2; half++) {
        bool producing = (half == 0) != consumers_first;
        uint32_t count = producing ? run->shape.producers : run->shape.consumers;
        for (uint32_t i = 0; i < count; i++, n++) {
            sides[n] = (struct side){.run = run, .subtask = i};
            assert_int_equal(thread_start(&sides[n].thread, producing ? "producer" : "consumer",
                                          producing ? producer_main : consumer_main, &sides[n],
                                          &err),
                             0);
        }
    }
    for (uint32_t i = 0; i < n; i++) {
        thread_join(sides[i].thread);
    }
    assert_int_equal(partition_registry_len(run->registry), 0);
    partition_registry_free(run->registry);
    assert_int_equal(thread_count(), threads);
}

static void test_every_partitioner_delivers_everything(void **state)
{
    (void)state;
    static const struct edge_shape SHAPES[] = {
        {FLINC__PARTITIONER_KIND__PARTITION_FORWARD, 2, 2},
        {FLINC__PARTITIONER_KIND__PARTITION_HASH, 3, 3},
        {FLINC__PARTITIONER_KIND__PARTITION_HASH, 1, 3},
        {FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, 2, 3},
        {FLINC__PARTITIONER_KIND__PARTITION_RESCALE, 2, 3},
        {FLINC__PARTITIONER_KIND__PARTITION_RESCALE, 3, 2},
        {FLINC__PARTITIONER_KIND__PARTITION_BROADCAST, 2, 3},
        {FLINC__PARTITIONER_KIND__PARTITION_SHUFFLE, 3, 2},
        {FLINC__PARTITIONER_KIND__PARTITION_GLOBAL, 3, 2},
        {FLINC__PARTITIONER_KIND__PARTITION_CUSTOM, 2, 2},
    };
    for (size_t i = 0; i < ARRAY_LEN(SHAPES); i++) {
        const struct seeds seeds = seeds_from(0, 4);
        for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
            struct edge_run run = {.shape = SHAPES[i], .seed = seed};
            run_edge(&run);
            bool broadcast = SHAPES[i].kind == FLINC__PARTITIONER_KIND__PARTITION_BROADCAST;
            int64_t copies = broadcast ? SHAPES[i].consumers : 1;
            assert_int_equal(run.rows_out, (int64_t)SHAPES[i].producers * ROWS);
            assert_int_equal(run.rows_in, run.rows_out * copies);
            assert_int_equal(run.sum_in, run.sum_out * copies);
        }
    }
}

static void test_giving_up_at_random_instants(void **state)
{
    (void)state;
    const struct seeds seeds = seeds_from(0, 150);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        struct edge_run run = {.shape = {seed % 3 == 0
                                             ? FLINC__PARTITIONER_KIND__PARTITION_BROADCAST
                                             : FLINC__PARTITIONER_KIND__PARTITION_HASH,
                                         1 + (uint32_t)(seed % 3), 1 + (uint32_t)(seed / 3 % 3)},
                               .seed = seed,
                               .gives_up = true};
        run_edge(&run);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_partitioner_delivers_everything),
        cmocka_unit_test(test_giving_up_at_random_instants),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
