/* Whole edges between workers under threads: every partitioner, producers and consumers that come in any
 * order, tiny and large bounds, barriers on the priority lane, sides that give up at random.
 *
 * What is checked: no row is lost, invented or doubled; the rows of a producer keep their order on each
 * channel; barriers keep their place; memory and threads are back at the end. */
#include "engine/graph/edge_channels.h"
#include "tests/unit/seeds.h"
#include "tests/unit/taskmanager_network/network_fixture.h"
#include <stdlib.h>

enum { SIDE_MAX = 3, ROWS = 6000, BATCH_MAX = 1500 };
#define PRODUCER_BASE ((int64_t)1 << 40) /* numbers of producer p start at p times this */

struct run {
    struct edge_shape shape;
    struct worker producers, consumers;
    struct channel_options bounds;
    uint64_t seed;
    bool gives_up;
    _Atomic int64_t rows_out, rows_in, sum_out, sum_in;
    _Atomic int64_t n_broken;
};

struct side {
    struct run *run;
    uint32_t subtask;
    pthread_t thread;
    struct input_watch watch;
};

static void check(bool holds, const char *what)
{
    if (!holds) {
        fprintf(stderr, "stress: %s\n", what);
        abort();
    }
}

static struct subpartition_id id_of(const struct run *run, uint32_t producer, uint32_t consumer)
{
    struct subpartition_id id =
        test_subpartition(producer + 1, edge_subpartition(&run->shape, producer, consumer));
    return id;
}

/* ---- producers ------------------------------------------------------------------------------------- */

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

/* What it overtakes goes without credit. */
static void send_announced_barrier(struct result_partition *p, uint64_t checkpoint_id)
{
    Flinc__CheckpointBarrier m = FLINC__CHECKPOINT_BARRIER__INIT;
    struct barrier *b = NULL;
    m.checkpoint_id = checkpoint_id;
    check(barrier_new(&m, &b, NULL) == 0, "barrier");
    struct element e = element_of_barrier(b);
    result_partition_send_control(p, &e);
    result_partition_announce(p, b);
    element_drop(&e);
}

static void produce(struct side *s, struct result_partition *p, struct buffer_pool *pool,
                    struct mailbox *mailbox, struct rng *rng)
{
    uint64_t checkpoint_id = 0;
    struct schema *schema = numbers_schema();
    int64_t first = s->subtask * PRODUCER_BASE, next = first, end = first + ROWS;
    int64_t stop = s->run->gives_up ? first + (int64_t)rng_below(rng, 2 * ROWS) : end;
    while (next < end && next < stop) {
        wait_until(mailbox, partition_ready, p);
        uint32_t n = 1 + (uint32_t)rng_below(rng, rng_below(rng, 4) == 0 ? BATCH_MAX : 5);
        n = (uint32_t)MIN((int64_t)n, end - next);
        for (uint32_t i = 0; i < n; i++) {
            atomic_fetch_add(&s->run->sum_out, next + i);
        }
        atomic_fetch_add(&s->run->rows_out, n);
        check(result_partition_write(p, numbers_batch(pool, schema, next, n), NULL) == 0, "write");
        next += n;
        if (rng_below(rng, 10) == 0) {
            result_partition_flush(p);
        }
        struct element barrier = element_of_control(ELEMENT_WATERMARK);
        barrier.timestamp_ms = next;
        if (rng_below(rng, 20) == 0) {
            result_partition_send_control(p, &barrier);
        } else if (rng_below(rng, 20) == 0) {
            send_announced_barrier(p, ++checkpoint_id);
        } else if (rng_below(rng, 20) == 0) {
            barrier.kind = ELEMENT_WATERMARK_STATUS; /* any kind may go there */
            result_partition_send_priority(p, &barrier);
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
    struct run *run = s->run;
    struct rng rng;
    rng_init(&rng, run->seed * 16 + s->subtask);
    struct buffer_pool *pool = test_pool("producer");
    struct mailbox *mailbox = mailbox_new(&(struct mailbox_options){.name = "producer"});
    struct schema *schema = numbers_schema();
    struct subtask_range peers = edge_consumers(&run->shape, s->subtask);
    struct channel *channels[SIDE_MAX];
    static const uint32_t key = 0;
    for (uint32_t i = 0; i < peers.n; i++) {
        channels[i] = local_channel(&run->producers, id_of(run, s->subtask, peers.first + i));
    }
    const struct result_partition_options options = {
        .pool = pool,
        .schema = schema,
        .kind = run->shape.kind,
        .key_columns = &key,
        .n_keys = 1,
        .max_parallelism = 128,
        .custom = {route, NULL, &rng},
        .channels = channels,
        .n_channels = peers.n,
        .seed = run->seed,
        .mailbox = mailbox,
        .channel = {.capacity_elements = 3},
    };
    struct result_partition *p = NULL;
    check(result_partition_open(&options, &p, NULL) == 0, "open");
    produce(s, p, pool, mailbox, &rng);
    result_partition_close(p);
    schema_unref(schema);
    mailbox_unref(mailbox);
    buffer_pool_close(pool);
    return NULL;
}

/* ---- consumers ------------------------------------------------------------------------------------- */

struct progress {
    int64_t last[SIDE_MAX];    /* by producer: its last number */
    int64_t barrier[SIDE_MAX]; /* by producer: numbers from here on come after its last barrier */
};

static void check_rows(struct side *s, struct progress *progress, const struct batch *b)
{
    for (uint32_t i = 0; i < b->n_sel; i++) {
        int64_t n = numbers_value(b, batch_row(b, i));
        int64_t producer = n / PRODUCER_BASE;
        check(producer < SIDE_MAX && n > progress->last[producer], "rows in order");
        check(n >= progress->barrier[producer], "rows behind their barrier");
        progress->last[producer] = n;
        atomic_fetch_add(&s->run->sum_in, n);
    }
    atomic_fetch_add(&s->run->rows_in, b->n_sel);
}

static bool gate_ready(void *arg)
{
    struct side *s = ((void **)arg)[0];
    return gate_is_ready(((void **)arg)[1]) || atomic_load(&s->watch.n_broken) > 0 ||
           (s->run->gives_up && atomic_load(&s->watch.n_released) > 0);
}

static void consume(struct side *s, struct gate *g, struct mailbox *mailbox, uint32_t n_inputs,
                    struct rng *rng)
{
    struct progress progress;
    memset(&progress, 0xff, sizeof(progress));
    uint64_t stop = s->run->gives_up ? rng_below(rng, 300) : UINT64_MAX;
    for (uint64_t k = 0; k < stop && !gate_has_ended(g); k++) {
        struct element e;
        if (rng_below(rng, 30) == 0) {
            gate_set_window(g, rng_below(rng, 3) == 0 ? UINT64_MAX : rng_below(rng, 100000));
        }
        if (!gate_poll(g, &e)) {
            if (s->run->gives_up && atomic_load(&s->watch.n_released) == n_inputs &&
                !gate_is_ready(g)) {
                return; /* its producers gave up */
            }
            wait_until(mailbox, gate_ready, (void *[]){s, g});
            continue;
        }
        if (e.kind == ELEMENT_BATCH) {
            check_rows(s, &progress, e.batch);
        } else if (e.kind == ELEMENT_WATERMARK) {
            int64_t producer = (int64_t)(e.timestamp_ms - 1) / PRODUCER_BASE;
            progress.barrier[producer] = (int64_t)e.timestamp_ms;
        }
        element_drop(&e);
    }
}

static void *consumer_main(void *arg)
{
    struct side *s = arg;
    struct run *run = s->run;
    struct rng rng;
    rng_init(&rng, run->seed * 16 + 8 + s->subtask);
    struct buffer_pool *pool = test_pool("consumer");
    struct mailbox *mailbox = mailbox_new(&(struct mailbox_options){.name = "consumer"});
    struct schema *schema = numbers_schema();
    struct subtask_range peers = edge_producers(&run->shape, s->subtask);
    struct channel *channels[SIDE_MAX];
    for (uint32_t i = 0; i < peers.n; i++) {
        channels[i] = remote_channel(&run->consumers, &run->producers,
                                     id_of(run, peers.first + i, s->subtask), schema, &run->bounds,
                                     &s->watch);
    }
    struct gate *g = gate_new(&(struct gate_options){.pool = pool,
                                                     .schema = schema,
                                                     .mailbox = mailbox,
                                                     .channels = channels,
                                                     .n_channels = peers.n});
    consume(s, g, mailbox, peers.n, &rng);
    gate_free(g);
    atomic_fetch_add(&run->n_broken, s->watch.n_broken);
    schema_unref(schema);
    mailbox_unref(mailbox);
    buffer_pool_close(pool);
    return NULL;
}

/* ---- runs ------------------------------------------------------------------------------------------ */

static const Flinc__PartitionerKind kinds[] = {
    FLINC__PARTITIONER_KIND__PARTITION_FORWARD,   FLINC__PARTITIONER_KIND__PARTITION_HASH,
    FLINC__PARTITIONER_KIND__PARTITION_REBALANCE, FLINC__PARTITIONER_KIND__PARTITION_RESCALE,
    FLINC__PARTITIONER_KIND__PARTITION_BROADCAST, FLINC__PARTITIONER_KIND__PARTITION_SHUFFLE,
    FLINC__PARTITIONER_KIND__PARTITION_GLOBAL,    FLINC__PARTITIONER_KIND__PARTITION_CUSTOM,
};

static void run_edge(uint64_t seed)
{
    static const char *const LZ4[] = {"taskmanager.network.compression.codec=LZ4", NULL};
    struct rng rng;
    rng_init(&rng, seed);
    struct run run = {.seed = seed, .gives_up = rng_below(&rng, 3) == 0};
    run.shape = (struct edge_shape){
        .kind = kinds[seed % ARRAY_LEN(kinds)],
        .producers = 1 + (uint32_t)rng_below(&rng, SIDE_MAX),
        .consumers = 1 + (uint32_t)rng_below(&rng, SIDE_MAX),
    };
    if (run.shape.kind == FLINC__PARTITIONER_KIND__PARTITION_FORWARD) {
        run.shape.consumers = run.shape.producers;
    }
    run.bounds.capacity_bytes = rng_below(&rng, 2) == 0 ? 4096 : 4096 + rng_below(&rng, 300000);
    const char *const *settings = rng_below(&rng, 3) == 0 ? LZ4 : NULL;
    worker_start(&run.producers, 1, settings);
    worker_start(&run.consumers, 2, settings);
    struct side sides[2 * SIDE_MAX];
    uint32_t n = run.shape.producers + run.shape.consumers;
    for (uint32_t i = 0; i < n; i++) {
        bool producing = i < run.shape.producers;
        sides[i] = (struct side){.run = &run, .subtask = producing ? i : i - run.shape.producers};
    }
    uint32_t from = (uint32_t)rng_below(&rng, n); /* in any order */
    for (uint32_t k = 0; k < n; k++) {
        uint32_t i = (from + k) % n;
        bool producing = i < run.shape.producers;
        check(thread_start(&sides[i].thread, "side", producing ? producer_main : consumer_main,
                           &sides[i], NULL) == 0,
              "thread");
    }
    for (uint32_t i = 0; i < n; i++) {
        thread_join(sides[i].thread);
    }
    worker_stop(&run.consumers);
    worker_stop(&run.producers);
    if (!run.gives_up) {
        bool all = run.shape.kind == FLINC__PARTITIONER_KIND__PARTITION_BROADCAST;
        int64_t times = all ? run.shape.consumers : 1;
        assert_int_equal(run.rows_in, run.rows_out * times);
        assert_int_equal(run.sum_in, run.sum_out * times);
        assert_int_equal(run.n_broken, 0);
    }
    assert_int_equal(thread_count(), 0);
}

static void test_edges(void **state)
{
    struct seeds seeds = seeds_from(1, 48);
    for (uint64_t seed = seeds.first; seed < seeds.end; seed++) {
        run_edge(seed);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_edges),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
