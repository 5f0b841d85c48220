/* What it costs to hand a full batch from one task to another of the same process: streaming between
 * two busy threads, and waking one that sleeps.
 *
 * The limits: a single-producer single-consumer ring of pointers between two spinning threads, and two
 * threads that wake each other by a bare futex.  Runs are short and the best of many counts, because the
 * two threads need both cores to themselves.
 *
 *   build/release/bench/bench_exchange_handover        (a release build, two idle cores) */
#include "bench/report.h"
#include "common/base/thread.h"
#include "engine/data/builder.h"
#include "taskmanager/exchange/gate.h"
#include "taskmanager/exchange/result_partition.h"
#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
    N_BUSY_RUNS = 200,
    N_WAKE_RUNS = 20,
    N_BATCHES = 10000,
    N_POINTERS = 100000,
    N_WAKES = 500,
    N_ALONE = 300000,
    RING = 16,
    BAR_BUSY_NS = 200,
    BAR_WAKE_US = 10,
};

static void pause_briefly(void)
{
    __builtin_ia32_pause();
}

/* Runs fn(arg) on another thread while the caller runs its own part. */
static pthread_t begin(void *(*fn)(void *arg), void *arg)
{
    pthread_t thread;
    ASSERT(thread_start(&thread, "bench", fn, arg, NULL) == 0);
    return thread;
}

static double now_s(void)
{
    return (double)clock_monotonic_ns(&clock_system) * 1e-9;
}

/* ---- the limits --------------------------------------------------------------------------------- */

static struct {
    _Alignas(64) _Atomic uint64_t pushed;
    _Alignas(64) _Atomic uint64_t popped;
    _Alignas(64) void *slots[RING];
} ring;

static void *ring_consume(void *arg)
{
    uint64_t n = 0, sum = 0, seen;
    while (n < N_POINTERS) {
        while ((seen = atomic_load_explicit(&ring.pushed, memory_order_acquire)) == n) {
            pause_briefly();
        }
        for (; n < seen; n++) {
            sum += (uint64_t)(uintptr_t)ring.slots[n % RING];
        }
        atomic_store_explicit(&ring.popped, n, memory_order_release);
    }
    *(uint64_t *)arg = sum;
    return NULL;
}

static double ring_ns(void)
{
    uint64_t sum = 0, popped = 0;
    atomic_store(&ring.pushed, 0);
    atomic_store(&ring.popped, 0);
    pthread_t thread = begin(ring_consume, &sum);
    double began = now_s();
    for (uint64_t n = 0; n < N_POINTERS; n++) {
        while (n - popped == RING) {
            popped = atomic_load_explicit(&ring.popped, memory_order_acquire);
            pause_briefly();
        }
        ring.slots[n % RING] = (void *)(uintptr_t)n;
        atomic_store_explicit(&ring.pushed, n + 1, memory_order_release);
    }
    thread_join(thread);
    return (now_s() - began) * 1e9 / N_POINTERS;
}

static _Atomic uint32_t futex_words[2];

static void futex_wait_change(_Atomic uint32_t *word, uint32_t old)
{
    while (atomic_load(word) == old) {
        syscall(SYS_futex, word, FUTEX_WAIT_PRIVATE, old, NULL, NULL, 0);
    }
}

static void futex_bump(_Atomic uint32_t *word)
{
    atomic_fetch_add(word, 1);
    syscall(SYS_futex, word, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static void *futex_pong(void *arg)
{
    for (uint32_t i = 0; i < N_WAKES; i++) {
        futex_wait_change(&futex_words[0], i);
        futex_bump(&futex_words[1]);
    }
    return NULL;
}

static double futex_us(void)
{
    atomic_store(&futex_words[0], 0);
    atomic_store(&futex_words[1], 0);
    int64_t cpu_ns = clock_process_cpu_ns();
    pthread_t thread = begin(futex_pong, NULL);
    for (uint32_t i = 0; i < N_WAKES; i++) {
        futex_bump(&futex_words[0]);
        futex_wait_change(&futex_words[1], i);
    }
    thread_join(thread);
    return (double)(clock_process_cpu_ns() - cpu_ns) * 1e-3 / (2.0 * N_WAKES);
}

/* ---- the exchange ------------------------------------------------------------------------------- */

/* One direction: a partition with one channel, and its gate. */
struct line {
    struct buffer_pool *pool;
    struct mailbox *producer, *consumer;
    struct result_partition *partition;
    struct gate *gate;
};

static const char NUMBERS[] = "ROW<id BIGINT NOT NULL, price DOUBLE NOT NULL, n BIGINT NOT NULL, "
                              "kind BIGINT NOT NULL, time BIGINT NOT NULL>";
static const char WITH_TEXT[] = "ROW<id BIGINT NOT NULL, price DOUBLE NOT NULL, n BIGINT NOT NULL, "
                                "kind BIGINT NOT NULL, name STRING NOT NULL>";

static struct schema *bench_schema(const char *text)
{
    struct schema *schema = NULL;
    ASSERT(schema_parse(slice_cstr(text), &schema, NULL) == 0);
    return schema;
}

static struct batch *full_batch(struct buffer_pool *pool, const struct schema *schema)
{
    struct builder b;
    builder_init(&b, pool, schema, BATCH_ROWS_TARGET);
    for (uint32_t i = 0; i < BATCH_ROWS_TARGET; i++) {
        builder_put_i64(&b, 0, i);
        builder_put_f64(&b, 1, i);
        builder_put_i64(&b, 2, i);
        builder_put_i64(&b, 3, i);
        if (schema->fields[4].type->layout == LAYOUT_VIEW) {
            ASSERT(builder_put_bytes(&b, 4, "a name of some 30 characters..", 30, NULL) == 0);
        } else {
            builder_put_i64(&b, 4, i);
        }
        builder_end_row(&b);
    }
    struct batch *batch = builder_finish(&b);
    builder_fini(&b);
    return batch;
}

static void line_open(struct line *l, const struct schema *schema)
{
    struct channel *channel = channel_new();
    struct channel *other = channel_ref(channel);
    l->pool = buffer_pool_new(&(struct buffer_pool_options){.name = "bench"});
    l->producer = mailbox_new(&(struct mailbox_options){.name = "producer"});
    l->consumer = mailbox_new(&(struct mailbox_options){.name = "consumer"});
    const struct result_partition_options partition = {
        .pool = l->pool,
        .schema = schema,
        .kind = FLINC__PARTITIONER_KIND__PARTITION_FORWARD,
        .channels = &channel,
        .n_channels = 1,
        .mailbox = l->producer,
    };
    const struct gate_options gate = {
        .pool = l->pool,
        .schema = schema,
        .mailbox = l->consumer,
        .channels = &other,
        .n_channels = 1,
    };
    ASSERT(result_partition_open(&partition, &l->partition, NULL) == 0);
    l->gate = gate_new(&gate);
}

static void line_close(struct line *l)
{
    gate_free(l->gate);
    result_partition_close(l->partition);
    mailbox_unref(l->producer);
    mailbox_unref(l->consumer);
    buffer_pool_close(l->pool);
}

static void *busy_consume(void *arg)
{
    struct line *l = arg;
    struct element e;
    for (uint32_t n = 0; n < N_BATCHES; n++) {
        while (!gate_poll(l->gate, &e)) {
            pause_briefly();
        }
        element_drop(&e);
    }
    return NULL;
}

static double busy_ns(const struct schema *schema)
{
    struct line l;
    line_open(&l, schema);
    buffer_pool_adopt(l.pool);
    struct batch *b = full_batch(l.pool, schema);
    pthread_t thread = begin(busy_consume, &l);
    double began = now_s();
    for (uint32_t n = 0; n < N_BATCHES; n++) {
        while (!result_partition_is_writable(l.partition)) {
            pause_briefly();
        }
        ASSERT(result_partition_write(l.partition, batch_ref(b), NULL) == 0);
    }
    thread_join(thread);
    double ns = (now_s() - began) * 1e9 / N_BATCHES;
    batch_unref(b);
    line_close(&l);
    return ns;
}

/* Both sides on one thread: the instructions alone, without two cores passing cache lines. */
static double alone_ns(const struct schema *schema)
{
    struct line l;
    struct element e;
    line_open(&l, schema);
    buffer_pool_adopt(l.pool);
    struct batch *b = full_batch(l.pool, schema);
    double began = bench_cpu_seconds();
    for (uint32_t n = 0; n < N_ALONE; n++) {
        ASSERT(result_partition_is_writable(l.partition));
        ASSERT(result_partition_write(l.partition, batch_ref(b), NULL) == 0);
        ASSERT(gate_poll(l.gate, &e));
        element_drop(&e);
    }
    double ns = (bench_cpu_seconds() - began) * 1e9 / N_ALONE;
    batch_unref(b);
    line_close(&l);
    return ns;
}

/* Sleeps until the gate has something, as a task does; takes one element. */
static void take_asleep(struct line *l)
{
    struct event_count *event = mailbox_event(l->consumer);
    struct element e;
    while (!gate_poll(l->gate, &e)) {
        uint32_t ticket = event_count_prepare(event);
        if (gate_is_ready(l->gate)) {
            event_count_cancel(event);
        } else {
            event_count_wait(event, ticket, -1);
        }
    }
    element_drop(&e);
}

struct ping_pong {
    struct line there, back;
    struct batch *batch;
};

static void *pong(void *arg)
{
    struct ping_pong *p = arg;
    for (uint32_t n = 0; n < N_WAKES; n++) {
        take_asleep(&p->there);
        ASSERT(result_partition_write(p->back.partition, batch_ref(p->batch), NULL) == 0);
    }
    return NULL;
}

static double wake_us(const struct schema *schema)
{
    struct ping_pong p;
    line_open(&p.there, schema);
    line_open(&p.back, schema);
    buffer_pool_adopt(p.there.pool);
    p.batch = full_batch(p.there.pool, schema);
    int64_t cpu_ns = clock_process_cpu_ns();
    pthread_t thread = begin(pong, &p);
    for (uint32_t n = 0; n < N_WAKES; n++) {
        ASSERT(result_partition_write(p.there.partition, batch_ref(p.batch), NULL) == 0);
        take_asleep(&p.back);
    }
    thread_join(thread);
    double us = (double)(clock_process_cpu_ns() - cpu_ns) * 1e-3 / (2.0 * N_WAKES);
    batch_unref(p.batch);
    line_close(&p.there);
    line_close(&p.back);
    return us;
}

int main(void)
{
    struct bench_report report = {.n = 0};
    struct schema *schema = bench_schema(NUMBERS), *with_text = bench_schema(WITH_TEXT);
    double busy = 1e9, wake = 1e9, limit_busy = 1e9, limit_wake = 1e9;
    for (int i = 0; i < N_BUSY_RUNS; i++) {
        double line = busy_ns(schema), limit = ring_ns();
        busy = MIN(busy, line);
        limit_busy = MIN(limit_busy, limit);
    }
    for (int i = 0; i < N_WAKE_RUNS; i++) {
        double line = wake_us(schema), limit = futex_us();
        wake = MIN(wake, line);
        limit_wake = MIN(limit_wake, limit);
    }
    bench_report_add(&report, "full batch between two busy tasks", busy, "ns", BAR_BUSY_NS,
                     limit_busy, BENCH_LESS_IS_BETTER);
    bench_report_add(&report, "both sides on one thread", alone_ns(schema), "ns", 0, 0,
                     BENCH_LESS_IS_BETTER);
    bench_report_add(&report, "the same, one column of strings to be counted", alone_ns(with_text),
                     "ns", 0, 0, BENCH_LESS_IS_BETTER);
    bench_report_add(&report, "wake-up of a sleeping task, CPU of both", wake, "us", BAR_WAKE_US,
                     limit_wake, BENCH_LESS_IS_BETTER);
    bench_report_print(&report);
    schema_unref(schema);
    schema_unref(with_text);
    return 0;
}
