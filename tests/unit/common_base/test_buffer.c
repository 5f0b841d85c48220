/* Buffer pools: size classes, recycling without malloc, returns from other threads, limits, budgets,
 * the end of a pool with buffers out, and two stress tests that belong under the thread sanitizer. */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"

#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const uint64_t MIB = 1024 * 1024;

static struct buffer_pool *pool_new(struct mem_budget *budget, uint64_t retain_bytes)
{
    return buffer_pool_new(&(struct buffer_pool_options){
        .name = "test", .budget = budget, .retain_bytes = retain_bytes});
}

static void *unref_main(void *arg)
{
    buffer_unref(arg);
    return NULL;
}

/* Gives a buffer back from a thread that does not own the pool. */
static void unref_elsewhere(struct buffer *b)
{
    pthread_t thread;
    assert_int_equal(thread_start(&thread, "unref", unref_main, b, NULL), 0);
    thread_join(thread);
}

static void test_size_classes(void **state)
{
    static const struct {
        uint64_t asked, capacity;
    } rows[] = {
        {0, 256},
        {1, 256},
        {256, 256},
        {257, 512},
        {4096, 4096},
        {4097, 8192},
        {262144, 262144},
        {2 * 1024 * 1024 - 1, 2 * 1024 * 1024},
        {2 * 1024 * 1024 + 1, 4 * 1024 * 1024},
        {64 * 1024 * 1024, 64 * 1024 * 1024},
        {64 * 1024 * 1024 + 1, 64 * 1024 * 1024 + 4096},
    };
    struct mem_budget budget;
    mem_budget_init(&budget, "test", 0, NULL);
    struct buffer_pool *pool = pool_new(&budget, 0);
    for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
        struct buffer *b = buffer_get(pool, rows[i].asked);
        assert_int_equal(b->capacity, rows[i].capacity);
        assert_int_equal(b->size, 0);
        assert_int_equal((uintptr_t)b->data % 64, 0);
        assert_true(buffer_is_unique(b));
        b->data[0] = 1;
        b->data[b->capacity + BUFFER_PADDING - 1] = 1; /* the padding is ours to write */
        assert_int_equal(buffer_pool_out_count(pool), 1);
        assert_int_equal(buffer_pool_out_bytes(pool), rows[i].capacity);
        assert_null(buffer_unref(b));
        assert_int_equal(buffer_pool_out_count(pool), 0);
        assert_int_equal(buffer_pool_out_bytes(pool), 0);
    }
    assert_null(buffer_unref(NULL));
    assert_null(buffer_pool_close(pool));
    assert_null(buffer_pool_close(NULL));
    assert_int_equal(budget.used_bytes, 0);
}

static void test_recycles_without_malloc(void **state)
{
    struct buffer_pool *pool = pool_new(NULL, 0);
    struct buffer *held[8];
    uint64_t before = 0;
    for (int round = 0; round < 100; round++) {
        if (round == 1) {
            before = mem_thread_allocations();
        }
        for (size_t i = 0; i < ARRAY_LEN(held); i++) {
            held[i] = buffer_get(pool, UINT64_C(300) << i);
        }
        for (size_t i = 0; i < ARRAY_LEN(held); i++) {
            buffer_unref(held[i]);
        }
    }
    assert_int_equal(mem_thread_allocations(), before);
    struct buffer *a = buffer_get(pool, 1000);
    uint32_t life = a->generation;
    buffer_check(a, life);
    buffer_unref(a);
    struct buffer *b = buffer_get(pool, 1000);
    assert_ptr_equal(a, b); /* last in, first out: still warm */
    assert_int_equal(b->generation, life + 1);
    buffer_unref(b);
    buffer_pool_close(pool);
}

static void test_references(void **state)
{
    struct buffer_pool *pool = pool_new(NULL, 0);
    struct buffer *b = buffer_get(pool, 10);
    assert_ptr_equal(buffer_ref(b), b);
    assert_false(buffer_is_unique(b));
    buffer_unref(b);
    assert_int_equal(buffer_pool_out_count(pool), 1);
    assert_true(buffer_is_unique(b));
    buffer_unref(b);
    assert_int_equal(buffer_pool_out_count(pool), 0);
    buffer_pool_close(pool);
}

static void test_remote_returns_come_back(void **state)
{
    struct buffer_pool *pool = pool_new(NULL, 0);
    struct buffer *a = buffer_get(pool, 5000), *b = buffer_get(pool, 5000);
    unref_elsewhere(a);
    unref_elsewhere(b);
    assert_int_equal(buffer_pool_out_count(pool), 0);
    assert_int_equal(buffer_pool_out_bytes(pool), 0);
    assert_int_equal(buffer_pool_free_bytes(pool), 2 * 8192);
    uint64_t before = mem_thread_allocations();
    struct buffer *c = buffer_get(pool, 5000), *d = buffer_get(pool, 5000);
    assert_int_equal(mem_thread_allocations(), before);
    assert_true((c == a && d == b) || (c == b && d == a));
    buffer_unref(c);
    buffer_unref(d);
    assert_int_equal(buffer_pool_free_bytes(pool), 2 * 8192);
    buffer_pool_trim(pool);
    assert_int_equal(buffer_pool_free_bytes(pool), 0);
    buffer_pool_close(pool);
}

static void test_retains_no_more_than_allowed(void **state)
{
    enum { N = 64 };
    struct mem_budget budget;
    mem_budget_init(&budget, "test", 0, NULL);
    struct buffer_pool *pool = pool_new(&budget, 16 * 4096);
    struct buffer *held[N];
    for (int remote = 0; remote <= 1; remote++) {
        for (int i = 0; i < N; i++) {
            held[i] = buffer_get(pool, 4096);
        }
        assert_int_equal(budget.used_bytes, N * 4096);
        for (int i = 0; i < N; i++) {
            if (remote) {
                unref_elsewhere(held[i]);
            } else {
                buffer_unref(held[i]);
            }
        }
        assert_int_equal(buffer_pool_free_bytes(pool), 16 * 4096);
        assert_int_equal(budget.used_bytes, 16 * 4096);
    }
    /* Too big to be kept at all. */
    buffer_unref(buffer_get(pool, 17 * 4096));
    assert_int_equal(buffer_pool_free_bytes(pool), 16 * 4096);
    buffer_pool_close(pool);
    assert_int_equal(budget.used_bytes, 0);
}

/* Sizes that went out of use make room for those in use. */
static void test_cold_sizes_go_first(void **state)
{
    struct buffer_pool *pool = pool_new(NULL, 8 * 4096);
    struct buffer *held[8];
    for (int i = 0; i < 8; i++) {
        held[i] = buffer_get(pool, 4096);
    }
    for (int i = 0; i < 8; i++) {
        buffer_unref(held[i]);
    }
    assert_int_equal(buffer_pool_free_bytes(pool), 8 * 4096);
    buffer_unref(buffer_get(pool, 16384));
    assert_int_equal(buffer_pool_free_bytes(pool), 8 * 4096);
    uint64_t before = mem_thread_allocations();
    for (int i = 0; i < 10; i++) {
        buffer_unref(buffer_get(pool, 16384));
    }
    assert_int_equal(mem_thread_allocations(), before);
    buffer_pool_close(pool);
}

static void test_budget(void **state)
{
    struct mem_budget budget;
    mem_budget_init(&budget, "test", 4 * MIB, NULL);
    struct buffer_pool *pool = pool_new(&budget, 0);
    struct buffer *a = buffer_get(pool, MIB), *b = buffer_get(pool, 2 * MIB);
    assert_int_equal(budget.used_bytes, 3 * MIB);
    buffer_unref(a);
    assert_int_equal(budget.used_bytes, 3 * MIB); /* kept by the pool, so still used */
    /* What the pool keeps is given up before the limit is passed. */
    struct buffer *c = buffer_get(pool, 512 * 1024), *d = buffer_get(pool, 512 * 1024);
    assert_int_equal(budget.used_bytes, 4 * MIB);
    struct buffer *e = buffer_get(pool, 512 * 1024);
    assert_int_equal(budget.used_bytes, 2 * MIB + 3 * 512 * 1024);
    assert_int_equal(budget.forced_bytes, 0);
    /* Never NULL: counted as forced. */
    struct buffer *f = buffer_get(pool, 2 * MIB);
    assert_int_equal(budget.forced_bytes, 2 * MIB);
    struct buffer *all[] = {b, c, d, e, f};
    for (size_t i = 0; i < ARRAY_LEN(all); i++) {
        buffer_unref(all[i]);
    }
    buffer_pool_close(pool);
    assert_int_equal(budget.used_bytes, 0);
    assert_true(budget.peak_bytes > 4 * MIB);
}

static void test_pool_outlives_its_close(void **state)
{
    struct mem_budget budget;
    mem_budget_init(&budget, "test", 0, NULL);
    struct buffer_pool *pool = pool_new(&budget, 0);
    struct buffer *a = buffer_get(pool, 100), *b = buffer_get(pool, 3 * MIB);
    struct buffer *c = buffer_get(pool, 100);
    unref_elsewhere(c); /* one on the return stack at close */
    buffer_pool_close(pool);
    assert_int_equal(budget.used_bytes, 256 + 4 * MIB);
    memset(a->data, 1, a->capacity);
    unref_elsewhere(a);
    assert_int_equal(budget.used_bytes, 4 * MIB);
    buffer_unref(b); /* frees the pool; the leak checker looks */
    assert_int_equal(budget.used_bytes, 0);
}

static int n_released;
static void release_foreign(void *owner)
{
    n_released++;
    mem_free(owner);
}

static void test_foreign_memory(void **state)
{
    char *memory = mem_strdup("foreign bytes");
    n_released = 0;
    struct buffer *b = buffer_wrap(memory, 13, release_foreign, memory);
    assert_int_equal(b->size, 13);
    assert_int_equal(b->capacity, 13);
    assert_ptr_equal(b->data, memory);
    buffer_ref(b);
    buffer_unref(b);
    assert_int_equal(n_released, 0);

    /* Growing copies it into the pool, even if it is big enough: it has no padding. */
    struct buffer_pool *pool = pool_new(NULL, 0);
    b = buffer_grow(pool, b, 13);
    assert_int_equal(n_released, 1);
    assert_int_equal(b->size, 13);
    assert_memory_equal(b->data, "foreign bytes", 13);
    buffer_unref(b);
    buffer_pool_close(pool);

    static char fixed[4];
    buffer_unref(buffer_wrap(fixed, 4, NULL, NULL));
}

/* Two headers in one block, which the last of them frees. */
struct headers {
    int refs;
    struct buffer parts[2];
};

static void release_headers(void *owner)
{
    struct headers *h = owner;
    if (--h->refs == 0) {
        mem_free(h);
        n_released++;
    }
}

static void test_foreign_headers(void **state)
{
    static char memory[] = "left right";
    struct headers *h = MEM_NEW(struct headers);
    struct buffer *left = &h->parts[0], *right = &h->parts[1];
    uint64_t allocations = mem_thread_allocations();
    n_released = 0;
    h->refs = 2;
    buffer_wrap_at(left, memory, 4, release_headers, h);
    buffer_wrap_at(right, memory + 5, 5, release_headers, h);
    assert_int_equal(right->size, 5);
    assert_int_equal(right->capacity, 5);
    assert_memory_equal(right->data, "right", 5);
    buffer_ref(left);
    buffer_unref(left);
    buffer_unref(left);
    assert_int_equal(n_released, 0);
    buffer_unref(right);
    assert_int_equal(n_released, 1);
    assert_int_equal(mem_thread_allocations(), allocations);
}

static void test_grow(void **state)
{
    struct buffer_pool *pool = pool_new(NULL, 0);
    struct buffer *b = buffer_grow(pool, NULL, 10);
    memcpy(b->data, "0123456789", 10);
    b->size = 10;
    assert_ptr_equal(buffer_grow(pool, b, 256), b); /* fits */
    struct buffer *shared = buffer_ref(b);
    b = buffer_grow(pool, b, 20); /* shared ones are copied even if they fit */
    assert_ptr_not_equal(b, shared);
    assert_memory_equal(b->data, "0123456789", 10);
    buffer_unref(shared);
    b = buffer_grow(pool, b, 100000);
    assert_int_equal(b->size, 10);
    assert_memory_equal(b->data, "0123456789", 10);
    b = buffer_grow(pool, b, 65 * MIB);
    b = buffer_grow(pool, b, 66 * MIB);
    assert_true(b->capacity >= 97 * MIB); /* by half, above the classes */
    assert_memory_equal(b->data, "0123456789", 10);
    buffer_unref(b);
    assert_int_equal(buffer_pool_out_count(pool), 0);
    buffer_pool_close(pool);
}

/* ---- misuse ends in an assertion ----------------------------------------------------------- */

static void get_twice_freed(struct buffer_pool *pool)
{
    struct buffer *b = buffer_get(pool, 1);
    buffer_unref(b);
    buffer_unref(b);
    buffer_get(pool, 1);
}

static void check_stale(struct buffer_pool *pool)
{
    struct buffer *b = buffer_get(pool, 1);
    uint32_t life = b->generation;
    buffer_unref(b);
    b = buffer_get(pool, 1);
    buffer_check(b, life);
}

static void *get_main(void *arg)
{
    return buffer_get(arg, 1);
}

static void get_on_other_thread(struct buffer_pool *pool)
{
    buffer_unref(buffer_get(pool, 1)); /* adopts */
    pthread_t thread;
    if (thread_start(&thread, "thief", get_main, pool, NULL) == 0) {
        thread_join(thread);
    }
}

static void expect_abort(void (*misuse)(struct buffer_pool *pool))
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL);
        close(STDERR_FILENO);
        misuse(pool_new(NULL, 0));
        _exit(0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
}

static void test_misuse_is_caught(void **state)
{
    expect_abort(get_twice_freed);
    expect_abort(check_stale);
    expect_abort(get_on_other_thread);
}

/* ---- stress -------------------------------------------------------------------------------- */

enum { N_CONSUMERS = 3, N_BUFFERS = 30000, RING = 64 };

/* One slot per buffer on its way; the producer fills NULL slots, consumers empty them. */
struct stress {
    struct buffer *_Atomic ring[RING];
    _Atomic uint32_t consumed;
    _Atomic uint64_t sum;
    struct buffer_pool *pool;
    struct mem_budget budget;
};

static void *consume(void *arg)
{
    struct stress *s = arg;
    uint64_t sum = 0;
    for (uint32_t i = 0; atomic_load_explicit(&s->consumed, memory_order_relaxed) < N_BUFFERS;
         i++) {
        struct buffer *b = atomic_exchange_explicit(&s->ring[i % RING], NULL, memory_order_acq_rel);
        if (b == NULL) {
            sched_yield();
            continue;
        }
        uint64_t value;
        memcpy(&value, b->data, sizeof(value));
        sum += value;
        if (value % 3 == 0) {
            /* The producer holds a reference, too: who is last is open. */
            buffer_unref(buffer_ref(b));
        }
        buffer_unref(b);
        atomic_fetch_add_explicit(&s->consumed, 1, memory_order_relaxed);
    }
    atomic_fetch_add(&s->sum, sum);
    return NULL;
}

static void *produce(void *arg)
{
    struct stress *s = arg;
    buffer_pool_adopt(s->pool);
    struct rng r;
    rng_init(&r, 9);
    struct buffer *extra = NULL;
    for (uint64_t i = 0; i < N_BUFFERS; i++) {
        struct buffer *b = buffer_get(s->pool, UINT64_C(1) << (6 + rng_below(&r, 10)));
        memcpy(b->data, &i, sizeof(i));
        b->size = sizeof(i);
        buffer_unref(extra);
        extra = i % 3 == 0 ? buffer_ref(b) : NULL;
        struct buffer *expected = NULL;
        for (uint64_t slot = i; !atomic_compare_exchange_strong_explicit(
                 &s->ring[slot % RING], &expected, b, memory_order_acq_rel, memory_order_relaxed);
             slot++) {
            expected = NULL;
            if (slot % RING == 0) {
                sched_yield();
            }
        }
    }
    buffer_unref(extra);
    return NULL;
}

static void run_stress(struct stress *s, uint64_t retain_bytes)
{
    memset(s, 0, sizeof(*s));
    mem_budget_init(&s->budget, "stress", 0, NULL);
    s->pool = pool_new(&s->budget, retain_bytes);
    pthread_t producer, consumers[N_CONSUMERS];
    assert_int_equal(thread_start(&producer, "producer", produce, s, NULL), 0);
    for (int i = 0; i < N_CONSUMERS; i++) {
        assert_int_equal(thread_start(&consumers[i], "consumer", consume, s, NULL), 0);
    }
    thread_join(producer);
    for (int i = 0; i < N_CONSUMERS; i++) {
        thread_join(consumers[i]);
    }
    assert_int_equal(s->sum, (uint64_t)N_BUFFERS * (N_BUFFERS - 1) / 2);
    assert_int_equal(buffer_pool_out_count(s->pool), 0);
    assert_int_equal(buffer_pool_out_bytes(s->pool), 0);
    assert_int_equal(buffer_pool_free_bytes(s->pool), s->budget.used_bytes);
    buffer_pool_close(s->pool);
    assert_int_equal(s->budget.used_bytes, 0);
}

static void test_stress_producer_consumers(void **state)
{
    struct stress s;
    run_stress(&s, 0);
    run_stress(&s, 64 * 1024); /* returns pass the limit all the time */
}

/* close() against last unrefs on other threads: exactly one side frees the pool, whoever is last. */
struct close_race {
    struct buffer *buffers[2];
    _Atomic int ready;
};

static void *race_unref(void *arg)
{
    struct close_race *race = arg;
    int me = atomic_fetch_add(&race->ready, 1);
    while (atomic_load(&race->ready) < 3) {
        sched_yield();
    }
    buffer_unref(race->buffers[me]);
    return NULL;
}

static void test_stress_close(void **state)
{
    struct mem_budget budget;
    mem_budget_init(&budget, "close", 0, NULL);
    for (int round = 0; round < 500; round++) {
        struct buffer_pool *pool = pool_new(&budget, 0);
        struct close_race race = {{buffer_get(pool, 1), buffer_get(pool, 1000)}, 0};
        pthread_t threads[2];
        for (int i = 0; i < 2; i++) {
            assert_int_equal(thread_start(&threads[i], "race", race_unref, &race, NULL), 0);
        }
        while (atomic_load(&race.ready) < 2) {
            sched_yield();
        }
        atomic_fetch_add(&race.ready, 1);
        buffer_pool_close(pool);
        for (int i = 0; i < 2; i++) {
            thread_join(threads[i]);
        }
        assert_int_equal(budget.used_bytes, 0);
    }
}

/* One thread makes, disowns and hands over; it gives its last buffer back while the next owner works. */
static void *adopt_and_work(void *arg)
{
    struct buffer_pool *pool = arg;
    buffer_pool_adopt(pool);
    for (int i = 0; i < 1000; i++) {
        buffer_unref(buffer_get(pool, 1000));
    }
    return NULL;
}

static void test_handing_over(void **state)
{
    for (int round = 0; round < 50; round++) {
        struct buffer_pool *pool = pool_new(NULL, 0);
        struct buffer *b = buffer_get(pool, 1000);
        buffer_pool_disown(pool);
        pthread_t thread;
        assert_int_equal(thread_start(&thread, "next", adopt_and_work, pool, NULL), 0);
        buffer_unref(b);
        thread_join(thread);
        assert_int_equal(buffer_pool_out_count(pool), 0);
        buffer_pool_close(pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_size_classes),
        cmocka_unit_test(test_recycles_without_malloc),
        cmocka_unit_test(test_references),
        cmocka_unit_test(test_remote_returns_come_back),
        cmocka_unit_test(test_retains_no_more_than_allowed),
        cmocka_unit_test(test_cold_sizes_go_first),
        cmocka_unit_test(test_budget),
        cmocka_unit_test(test_pool_outlives_its_close),
        cmocka_unit_test(test_foreign_memory),
        cmocka_unit_test(test_foreign_headers),
        cmocka_unit_test(test_grow),
        cmocka_unit_test(test_misuse_is_caught),
        cmocka_unit_test(test_stress_producer_consumers),
        cmocka_unit_test(test_stress_close),
        cmocka_unit_test(test_handing_over),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
