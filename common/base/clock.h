/* Time and randomness behind interfaces, so that tests and the simulation own them.  Nothing else in
 * the tree reads the system clock or a random source. */
#ifndef FLINC_COMMON_BASE_CLOCK_H
#define FLINC_COMMON_BASE_CLOCK_H

#include "common/base/macros.h"
#include <stdatomic.h>
#include <stdbool.h>

/* Thread: any. */
struct clock {
    int64_t (*now_ms)(const struct clock *clock);       /* wall clock, ms since 1970 UTC */
    int64_t (*monotonic_ns)(const struct clock *clock); /* never steps back */
};

extern const struct clock clock_system;
static inline int64_t clock_now_ms(const struct clock *c)
{
    return c->now_ms(c);
}
static inline int64_t clock_monotonic_ns(const struct clock *c)
{
    return c->monotonic_ns(c);
}
static inline int64_t clock_monotonic_ms(const struct clock *c)
{
    return c->monotonic_ns(c) / 1000000;
}

/* Set by the test; starts at 1,000,000,000,000 ms and 1 s of monotonic time. */
struct clock_manual {
    struct clock base;
    _Atomic int64_t now_ms_value;
    _Atomic int64_t monotonic_ns_value;
};
void clock_manual_init(struct clock_manual *clock);
void clock_manual_advance_ms(struct clock_manual *clock, int64_t ms);

/* CPU time used by the calling thread, ns. */
int64_t clock_thread_cpu_ns(void);
int64_t clock_process_cpu_ns(void);

/* A seeded generator (xoshiro256++); equal seeds give equal sequences.  Thread: one owner. */
struct rng {
    uint64_t s[4];
};
void rng_init(struct rng *r, uint64_t seed);
void rng_init_system(struct rng *r); /* seeded by getrandom */
uint64_t rng_next(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n); /* uniform in [0, n); n > 0 */
double rng_double(struct rng *r);              /* uniform in [0, 1) */

/* A 128-bit id as Flink prints it: 32 lower-case hex digits. */
struct flinc_id {
    uint8_t bytes[16];
};
enum { ID_HEX_LEN = 32 };
void id_random(struct flinc_id *id, struct rng *r);
void id_format(const struct flinc_id *id, char ret_hex[33]);
bool id_parse(const char *hex, struct flinc_id *ret_id);
bool id_eq(const struct flinc_id *a, const struct flinc_id *b);

#endif
