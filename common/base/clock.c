/* The system clock, the manual clock of tests, the random generator and 128-bit ids.  The only file
 * that asks the system for time or entropy.
 *
 * Thread: clocks any; a generator has one owner. */
#include "common/base/clock.h"

#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>

static int64_t read_clock_ns(clockid_t id)
{
    struct timespec t;
    int rc = clock_gettime(id, &t);
    ASSERT(rc == 0);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t system_now_ms(const struct clock *clock)
{
    return read_clock_ns(CLOCK_REALTIME) / 1000000;
}

static int64_t system_monotonic_ns(const struct clock *clock)
{
    return read_clock_ns(CLOCK_MONOTONIC);
}

const struct clock clock_system = {system_now_ms, system_monotonic_ns};

int64_t clock_thread_cpu_ns(void)
{
    return read_clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_process_cpu_ns(void)
{
    return read_clock_ns(CLOCK_PROCESS_CPUTIME_ID);
}

/* ---- manual clock -------------------------------------------------------------------------- */

static int64_t manual_now_ms(const struct clock *clock)
{
    const struct clock_manual *m = (const struct clock_manual *)clock;
    return atomic_load_explicit(&m->now_ms_value, memory_order_acquire);
}

static int64_t manual_monotonic_ns(const struct clock *clock)
{
    const struct clock_manual *m = (const struct clock_manual *)clock;
    return atomic_load_explicit(&m->monotonic_ns_value, memory_order_acquire);
}

void clock_manual_init(struct clock_manual *clock)
{
    clock->base = (struct clock){manual_now_ms, manual_monotonic_ns};
    atomic_init(&clock->now_ms_value, INT64_C(1000000000000));
    atomic_init(&clock->monotonic_ns_value, INT64_C(1000000000));
}

void clock_manual_advance_ms(struct clock_manual *clock, int64_t ms)
{
    ASSERT(ms >= 0);
    atomic_fetch_add_explicit(&clock->now_ms_value, ms, memory_order_acq_rel);
    atomic_fetch_add_explicit(&clock->monotonic_ns_value, ms * 1000000, memory_order_acq_rel);
}

/* ---- random -------------------------------------------------------------------------------- */

/* Spreads one seed over the state, as the authors of xoshiro advise (SplitMix64). */
static uint64_t split_mix(uint64_t *state)
{
    uint64_t z = (*state += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

void rng_init(struct rng *r, uint64_t seed)
{
    for (size_t i = 0; i < ARRAY_LEN(r->s); i++) {
        r->s[i] = split_mix(&seed);
    }
}

void rng_init_system(struct rng *r)
{
    uint64_t seed;
    ssize_t n;
    do {
        n = getrandom(&seed, sizeof(seed), 0);
    } while (n < 0 && errno == EINTR);
    ASSERT(n == (ssize_t)sizeof(seed));
    rng_init(r, seed);
}

static inline uint64_t rotate_left(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t rng_next(struct rng *r)
{
    uint64_t *s = r->s;
    uint64_t result = rotate_left(s[0] + s[3], 23) + s[0];
    uint64_t t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotate_left(s[3], 45);
    return result;
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    ASSERT(n > 0);
    /* The high half of a product is uniform once the low half is outside the short first lap
     * (2^64 mod n values). */
    unsigned __int128 product = (unsigned __int128)rng_next(r) * n;
    if ((uint64_t)product < n) {
        uint64_t lap = -n % n;
        while ((uint64_t)product < lap) {
            product = (unsigned __int128)rng_next(r) * n;
        }
    }
    return (uint64_t)(product >> 64);
}

double rng_double(struct rng *r)
{
    return (double)(rng_next(r) >> 11) * 0x1.0p-53;
}

/* ---- ids ----------------------------------------------------------------------------------- */

void id_random(struct flinc_id *id, struct rng *r)
{
    uint64_t halves[2] = {rng_next(r), rng_next(r)};
    memcpy(id->bytes, halves, sizeof(id->bytes));
}

void id_format(const struct flinc_id *id, char ret_hex[33])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < sizeof(id->bytes); i++) {
        ret_hex[2 * i] = digits[id->bytes[i] >> 4];
        ret_hex[2 * i + 1] = digits[id->bytes[i] & 15];
    }
    ret_hex[ID_HEX_LEN] = '\0';
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    if (c >= 'a' && c <= 'f') {
        return c - 'a' + 10;
    }
    if (c >= 'A' && c <= 'F') {
        return c - 'A' + 10;
    }
    return -1;
}

bool id_parse(const char *hex, struct flinc_id *ret_id)
{
    struct flinc_id id;
    for (size_t i = 0; i < sizeof(id.bytes); i++) {
        int high = hex_digit(hex[2 * i]);
        int low = high >= 0 ? hex_digit(hex[2 * i + 1]) : -1;
        if (low < 0) {
            return false;
        }
        id.bytes[i] = (uint8_t)(high << 4 | low);
    }
    if (hex[ID_HEX_LEN] != '\0') {
        return false;
    }
    *ret_id = id;
    return true;
}

bool id_eq(const struct flinc_id *a, const struct flinc_id *b)
{
    return memcmp(a->bytes, b->bytes, sizeof(a->bytes)) == 0;
}
