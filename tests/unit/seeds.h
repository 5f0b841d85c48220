/* Seeds of random tests: one round per seed.  A usual run takes the test's own seeds, so that what it finds
 * comes again.  Two variables of the environment make it look elsewhere and longer (scripts/nightly.sh):
 *
 *     FLINC_TEST_SEED=N     other seeds for every N
 *     FLINC_TEST_ROUNDS=N   N times as many
 *
 * Under a sanitizer, which makes them many times slower, random tests take fewer steps (UNDER_SANITIZER).
 * Thread: any. */
#ifndef FLINC_TESTS_UNIT_SEEDS_H
#define FLINC_TESTS_UNIT_SEEDS_H

#include <stdint.h>
#include <stdlib.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define UNDER_SANITIZER 1
#elif defined(__has_feature) /* older clangs */
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer)
#define UNDER_SANITIZER 1
#endif
#endif
#ifndef UNDER_SANITIZER
#define UNDER_SANITIZER 0
#endif

struct seeds {
    uint64_t first, end;
};

static inline uint64_t seeds_variable(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? strtoull(text, NULL, 10) : otherwise;
}

/* `first` and the `n` - 1 behind it, unless the environment says otherwise. */
static inline struct seeds seeds_from(uint64_t first, uint64_t n)
{
    first += seeds_variable("FLINC_TEST_SEED", 0) << 24;
    return (struct seeds){first, first + n * seeds_variable("FLINC_TEST_ROUNDS", 1)};
}

#endif
