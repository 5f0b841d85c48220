/* What the cheap paths of common/base cost, ns per operation: recycled buffers on the owner's thread,
 * a return from another thread, and a signal when nobody waits.
 *
 *   build/release/bench/bench_base_buffer        (a release build, an idle core) */
#include "common/base/clock.h"
#include "common/base/mem.h"
#include "common/base/thread.h"

#include <stdio.h>

enum { N_ROUNDS = 20000000, N_REMOTE = 400000 };

static void report(const char *what, int64_t began_ns, uint64_t n)
{
    int64_t spent_ns = clock_monotonic_ns(&clock_system) - began_ns;
    printf("%-44s %8.2f ns\n", what, (double)spent_ns / (double)n);
}

static void bench_recycle(struct buffer_pool *pool)
{
    buffer_unref(buffer_get(pool, 16384));
    uint64_t mallocs = mem_thread_allocations();
    int64_t began_ns = clock_monotonic_ns(&clock_system);
    for (int i = 0; i < N_ROUNDS; i++) {
        buffer_unref(buffer_get(pool, 16384));
    }
    report("get + unref, one buffer", began_ns, N_ROUNDS);

    struct buffer *held[64];
    began_ns = clock_monotonic_ns(&clock_system);
    for (int i = 0; i < N_ROUNDS / 64; i++) {
        for (size_t j = 0; j < ARRAY_LEN(held); j++) {
            held[j] = buffer_get(pool, UINT64_C(256) << (j % 8));
        }
        for (size_t j = 0; j < ARRAY_LEN(held); j++) {
            buffer_unref(held[j]);
        }
    }
    report("get + unref, 64 held, 8 size classes", began_ns, N_ROUNDS);
    printf("%-44s %8lu\n", "mallocs", (unsigned long)(mem_thread_allocations() - mallocs));

    struct buffer *b = buffer_get(pool, 1);
    began_ns = clock_monotonic_ns(&clock_system);
    for (int i = 0; i < N_ROUNDS; i++) {
        buffer_unref(buffer_ref(b));
    }
    report("ref + unref, not the last", began_ns, N_ROUNDS);
    buffer_unref(b);
}

static struct buffer *remote[N_REMOTE];

static void *return_all(void *arg)
{
    int64_t began_ns = clock_monotonic_ns(&clock_system);
    for (size_t i = 0; i < N_REMOTE; i++) {
        buffer_unref(remote[i]);
    }
    report("last unref on another thread", began_ns, N_REMOTE);
    return NULL;
}

static void bench_remote(struct buffer_pool *pool)
{
    for (int round = 0; round < 2; round++) {
        for (size_t i = 0; i < N_REMOTE; i++) {
            remote[i] = buffer_get(pool, 256);
        }
        pthread_t thread;
        if (thread_start(&thread, "return", return_all, NULL, NULL) == 0) {
            thread_join(thread);
        }
    }
    int64_t began_ns = clock_monotonic_ns(&clock_system);
    for (size_t i = 0; i < N_REMOTE; i++) {
        remote[i] = buffer_get(pool, 256);
    }
    report("get of what another thread returned", began_ns, N_REMOTE);
    for (size_t i = 0; i < N_REMOTE; i++) {
        buffer_unref(remote[i]);
    }
}

int main(void)
{
    struct mem_budget budget;
    mem_budget_init(&budget, "bench", 0, NULL);
    struct buffer_pool *pool = buffer_pool_new(&(struct buffer_pool_options){
        .name = "bench", .budget = &budget, .retain_bytes = UINT64_C(1) << 30});
    bench_recycle(pool);
    bench_remote(pool);
    buffer_pool_close(pool);

    struct event_count e = {0};
    int64_t began_ns = clock_monotonic_ns(&clock_system);
    for (int i = 0; i < N_ROUNDS; i++) {
        event_count_signal(&e);
    }
    report("event_count_signal, nobody waits", began_ns, N_ROUNDS);
    return 0;
}
