/* Fibers, and what the linker puts in the place of threads, waiting, time and chance; see sim_fiber.h. */
#include "tests/sim/sim_fiber.h"

#include "common/base/thread.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <ucontext.h>
#include <unistd.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/common_interface_defs.h>
#else
#define HAS_ASAN 0
#endif

enum {
    STACK_BYTES = HAS_ASAN ? 1024 * 1024 : 256 * 1024,
    POOL_MAX = 512,
    GHOST_ROUNDS_MAX = 200000,
};

enum fiber_state {
    FIBER_READY,
    FIBER_WAITING,
    FIBER_DONE,
};

struct sim_fiber {
    ucontext_t context;
    void *fake_stack; /* AddressSanitizer's */
    char *stack;      /* Owns */
    struct sim_process *process;
    char name[32];
    void *(*fn)(void *arg);
    void *arg;
    enum fiber_state state;
    const void *on;   /* what it waits for; NULL: time alone */
    int64_t until_ns; /* of its process's clock; INT64_MAX: for ever */
    bool timed_out;
    bool detached; /* nobody joins it */
    uint64_t switched;
};

struct sim_fibers *sim_fibers;

static ucontext_t main_context;
#if HAS_ASAN
static void *main_fake_stack;
static const void *main_stack;
static size_t main_stack_bytes;
#endif
static char *pool[POOL_MAX];
static size_t n_pool;

/* ---- stacks ------------------------------------------------------------------------------------------- */

static char *stack_new(void)
{
    if (n_pool > 0) {
        return pool[--n_pool];
    }
    void *p = mmap(NULL, STACK_BYTES, PROT_READ | PROT_WRITE,
                   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_STACK, -1, 0);
    ASSERT(p != MAP_FAILED);
    ASSERT(mprotect(p, 4096, PROT_NONE) == 0); /* what runs over its end is seen */
    return p;
}

static void stack_free(char *stack)
{
    if (n_pool < POOL_MAX) {
        pool[n_pool++] = stack;
    } else {
        (void)munmap(stack, STACK_BYTES);
    }
}

/* ---- switching ---------------------------------------------------------------------------------------- */

static int64_t now_ns_of(const struct sim_fibers *f, const struct sim_process *p)
{
    return clock_monotonic_ns(&f->clock->base) + (p != NULL ? p->skew_ns : 0);
}

static void enter(struct sim_fibers *f, struct sim_fiber *x)
{
    struct sim_process *before = f->process;
    f->current = x;
    f->process = x->process;
    thread_mark_played = x;
    x->switched = ++f->n_switches;
#if HAS_ASAN
    __sanitizer_start_switch_fiber(&main_fake_stack, x->stack, STACK_BYTES);
#endif
    (void)swapcontext(&main_context, &x->context);
#if HAS_ASAN
    __sanitizer_finish_switch_fiber(main_fake_stack, NULL, NULL);
#endif
    f->current = NULL;
    f->process = before;
    thread_mark_played = NULL;
}

static void leave(struct sim_fiber *x, bool for_good)
{
#if HAS_ASAN
    __sanitizer_start_switch_fiber(for_good ? NULL : &x->fake_stack, main_stack, main_stack_bytes);
#endif
    (void)swapcontext(&x->context, &main_context);
#if HAS_ASAN
    __sanitizer_finish_switch_fiber(x->fake_stack, &main_stack, &main_stack_bytes);
#endif
}

static void fiber_main(void)
{
    struct sim_fiber *x = sim_fibers->current;
#if HAS_ASAN
    __sanitizer_finish_switch_fiber(NULL, &main_stack, &main_stack_bytes);
#endif
    (void)x->fn(x->arg);
    x->state = FIBER_DONE;
    leave(x, true);
    abort();
}

static struct sim_fiber *fiber_new(struct sim_fibers *f, struct sim_process *p, const char *name,
                                   void *(*fn)(void *arg), void *arg)
{
    struct sim_fiber *x = MEM_NEW(struct sim_fiber);
    x->process = p;
    x->fn = fn;
    x->arg = arg;
    x->stack = stack_new();
    (void)snprintf(x->name, sizeof(x->name), "%s", name);
    (void)getcontext(&x->context);
    x->context.uc_stack.ss_sp = x->stack;
    x->context.uc_stack.ss_size = STACK_BYTES;
    makecontext(&x->context, fiber_main, 0);
    vec_push_ptr(&f->fibers, x);
    return x;
}

static void fiber_free(struct sim_fibers *f, struct sim_fiber *x)
{
    for (size_t i = 0; i < f->fibers.len; i++) {
        if (vec_ptr(&f->fibers, i) == x) {
            vec_remove(&f->fibers, i);
            break;
        }
    }
    stack_free(x->stack);
    mem_free(x);
}

/* ---- waiting ------------------------------------------------------------------------------------------ */

static struct sim_fiber *current(void)
{
    return sim_fibers != NULL ? sim_fibers->current : NULL;
}

static void wake(const void *on, size_t n)
{
    struct sim_fibers *f = sim_fibers;
    for (size_t i = 0; f != NULL && i < f->fibers.len && n > 0; i++) {
        struct sim_fiber *x = vec_ptr(&f->fibers, i);
        if (x->state == FIBER_WAITING && x->on == on) {
            x->state = FIBER_READY;
            x->timed_out = false;
            n--;
        }
    }
}

/* False: the time is over. */
static bool wait_on(const void *on, int64_t until_ns)
{
    struct sim_fiber *x = current();
    x->state = FIBER_WAITING;
    x->on = on;
    x->until_ns = until_ns;
    leave(x, false);
    return !x->timed_out;
}

static int64_t after_ns(int64_t ns)
{
    int64_t at;
    struct sim_fibers *f = sim_fibers;
    return ns < 0 || __builtin_add_overflow(now_ns_of(f, f->process), ns, &at) ? INT64_MAX : at;
}

void sim_pause_ms(int64_t ms)
{
    if (current() != NULL) {
        (void)wait_on(NULL, after_ns(ms * 1000000));
    }
}

bool sim_is_ghost(void)
{
    return sim_fibers != NULL && sim_fibers->process != NULL && sim_fibers->process->dead;
}

/* ---- who runs ----------------------------------------------------------------------------------------- */

bool sim_process_is_frozen(const struct sim_fibers *f, const struct sim_process *p)
{
    return clock_monotonic_ms(&f->clock->base) < p->frozen_until_ms;
}

/* Those whose time is over wake; true: this one can run. */
static bool is_ready(const struct sim_fibers *f, struct sim_fiber *x)
{
    if (x->state == FIBER_WAITING && now_ns_of(f, x->process) >= x->until_ns) {
        x->state = FIBER_READY;
        x->timed_out = true;
    }
    return x->state == FIBER_READY;
}

/* Runs every one of these that can, once; in an order that the seed says. */
static size_t run_once(struct sim_fibers *f, const struct sim_process *only)
{
    size_t n = f->fibers.len, ran = 0;
    size_t first = n > 0 ? (size_t)rng_below(&f->rng, n) : 0;
    struct vec turn = VEC_INIT(struct sim_fiber *);
    for (size_t i = 0; i < n; i++) {
        vec_push_ptr(&turn, vec_ptr(&f->fibers, (first + i) % n));
    }
    for (size_t i = 0; i < n; i++) {
        struct sim_fiber *x = vec_ptr(&turn, i);
        bool is_there = false; /* one may have joined another one */
        for (size_t k = 0; k < f->fibers.len && !is_there; k++) {
            is_there = vec_ptr(&f->fibers, k) == x;
        }
        if (!is_there ||
            (only != NULL ? x->process != only : sim_process_is_frozen(f, x->process)) ||
            !is_ready(f, x)) {
            continue;
        }
        enter(f, x);
        ran++;
        if (x->state == FIBER_DONE && x->detached) {
            fiber_free(f, x);
        } else if (x->state == FIBER_DONE) {
            wake(x, SIZE_MAX);
        }
    }
    vec_fini(&turn);
    return ran;
}

size_t sim_fibers_run(struct sim_fibers *f)
{
    size_t ran = 0;
    for (size_t n; (n = run_once(f, NULL)) > 0;) {
        ran += n;
    }
    return ran;
}

int64_t sim_fibers_next_ms(const struct sim_fibers *f)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < f->fibers.len; i++) {
        const struct sim_fiber *x = vec_ptr(&f->fibers, i);
        int64_t at = x->state == FIBER_READY ? 0 : INT64_MAX;
        if (x->state == FIBER_WAITING && x->until_ns != INT64_MAX) {
            at = (x->until_ns - x->process->skew_ns + 999999) / 1000000;
        }
        if (at != INT64_MAX) {
            at = MAX(at, x->process->frozen_until_ms);
            next = MIN(next, at);
        }
    }
    return next;
}

static bool has_fibers(const struct sim_fibers *f, const struct sim_process *p,
                       int64_t *ret_next_ns)
{
    bool has = false;
    *ret_next_ns = INT64_MAX;
    for (size_t i = 0; i < f->fibers.len; i++) {
        const struct sim_fiber *x = vec_ptr(&f->fibers, i);
        if (x->process == p) {
            has = true;
            *ret_next_ns =
                x->state == FIBER_WAITING ? MIN(*ret_next_ns, x->until_ns) : *ret_next_ns;
        }
    }
    return has;
}

bool sim_fibers_bury(struct sim_fibers *f, struct sim_process *p)
{
    int64_t next_ns;
    for (int i = 0; has_fibers(f, p, &next_ns); i++) {
        if (i == GHOST_ROUNDS_MAX) {
            return false;
        }
        if (run_once(f, p) > 0) {
            continue;
        }
        if (!has_fibers(f, p, &next_ns)) {
            break;
        }
        if (next_ns == INT64_MAX) {
            return false;
        }
        p->skew_ns += MAX(next_ns - now_ns_of(f, p), (int64_t)0);
    }
    return true;
}

struct sim_process *sim_enter(struct sim_process *p)
{
    struct sim_process *before = sim_fibers->process;
    sim_fibers->process = p;
    return before;
}

void sim_fiber_start(struct sim_process *p, const char *name, void *(*fn)(void *arg), void *arg)
{
    fiber_new(sim_fibers, p, name, fn, arg)->detached = true;
}

void sim_fibers_print(const struct sim_fibers *f)
{
    static const char *const states[] = {"ready", "waits", "done"};
    for (size_t i = 0; i < f->fibers.len; i++) {
        const struct sim_fiber *x = vec_ptr(&f->fibers, i);
        printf("%s %s %s on %p until %lld ms\n", x->process->name, x->name, states[x->state], x->on,
               x->until_ns == INT64_MAX ? -1LL : (long long)(x->until_ns / 1000000));
    }
}

/* ---- life --------------------------------------------------------------------------------------------- */

void sim_fibers_init(struct sim_fibers *f, const struct clock_manual *clock, uint64_t seed)
{
    *f = (struct sim_fibers){.clock = clock};
    rng_init(&f->rng, seed);
    vec_init(&f->fibers, sizeof(struct sim_fiber *));
    sim_fibers = f;
}

void sim_fibers_fini(struct sim_fibers *f)
{
    ASSERT(f->fibers.len == 0);
    vec_fini(&f->fibers);
    sim_fibers = NULL;
}

/* ---- in the place of the system's functions ----------------------------------------------------------- */

#define WRAPPED(result, name, parameters) \
    result __real_##name parameters;      \
    result __wrap_##name parameters;      \
    result __wrap_##name parameters

WRAPPED(int, clock_gettime, (clockid_t id, struct timespec *ret))
{
    struct sim_fibers *f = sim_fibers;
    if (f == NULL || (id != CLOCK_MONOTONIC && id != CLOCK_REALTIME)) {
        return __real_clock_gettime(id, ret);
    }
    int64_t ns = id == CLOCK_MONOTONIC ? now_ns_of(f, f->process)
                                       : clock_now_ms(&f->clock->base) * 1000000 +
                                             (f->process != NULL ? f->process->skew_ns : 0);
    *ret = (struct timespec){(time_t)(ns / 1000000000), (long)(ns % 1000000000)};
    return 0;
}

WRAPPED(ssize_t, getrandom, (void *buf, size_t size, unsigned flags))
{
    if (sim_fibers == NULL) {
        return __real_getrandom(buf, size, flags);
    }
    for (size_t i = 0; i < size; i++) {
        ((uint8_t *)buf)[i] = (uint8_t)rng_next(&sim_fibers->rng);
    }
    return (ssize_t)size;
}

WRAPPED(int, usleep, (useconds_t us))
{
    if (current() == NULL) {
        return __real_usleep(us);
    }
    (void)wait_on(NULL, after_ns((int64_t)us * 1000));
    return 0;
}

/* Of failpoints that delay. */
WRAPPED(int, nanosleep, (const struct timespec *time, struct timespec *left))
{
    if (current() == NULL) {
        return __real_nanosleep(time, left);
    }
    (void)wait_on(NULL, after_ns((int64_t)time->tv_sec * 1000000000 + time->tv_nsec));
    return 0;
}

WRAPPED(int, pthread_create,
        (pthread_t * ret, const pthread_attr_t *attr, void *(*fn)(void *arg), void *arg))
{
    struct sim_fibers *f = sim_fibers;
    if (f == NULL || f->process == NULL) {
        return __real_pthread_create(ret, attr, fn, arg);
    }
    *ret = (pthread_t)(uintptr_t)fiber_new(f, f->process, "thread", fn, arg);
    return 0;
}

WRAPPED(int, pthread_join, (pthread_t thread, void **ret))
{
    struct sim_fiber *x = (struct sim_fiber *)(uintptr_t)thread;
    if (sim_fibers == NULL || sim_fibers->process == NULL) {
        return __real_pthread_join(thread, ret);
    }
    ASSERT(current() != NULL);
    while (x->state != FIBER_DONE) {
        (void)wait_on(x, INT64_MAX);
    }
    fiber_free(sim_fibers, x);
    return 0;
}

WRAPPED(int, pthread_setname_np, (pthread_t thread, const char *name))
{
    struct sim_fiber *x = current();
    if (x == NULL) {
        return __real_pthread_setname_np(thread, name);
    }
    (void)snprintf(x->name, sizeof(x->name), "%s", name);
    return 0;
}

WRAPPED(int, pthread_mutex_lock, (pthread_mutex_t * m))
{
    if (sim_fibers == NULL) {
        return __real_pthread_mutex_lock(m);
    }
    while (pthread_mutex_trylock(m) != 0) {
        if (current() == NULL) {
            fprintf(stderr, "sim: the simulation itself would wait for a mutex\n");
            abort();
        }
        sim_fibers->n_mutex_waiters++;
        (void)wait_on(m, INT64_MAX);
        sim_fibers->n_mutex_waiters--;
    }
    return 0;
}

WRAPPED(int, pthread_mutex_unlock, (pthread_mutex_t * m))
{
    int rc = __real_pthread_mutex_unlock(m);
    if (sim_fibers != NULL && sim_fibers->n_mutex_waiters > 0) {
        wake(m, SIZE_MAX);
    }
    return rc;
}

static int cond_wait(pthread_cond_t *c, pthread_mutex_t *m, int64_t until_ns)
{
    ASSERT(current() != NULL);
    (void)__wrap_pthread_mutex_unlock(m);
    bool woken = wait_on(c, until_ns);
    (void)__wrap_pthread_mutex_lock(m);
    return woken ? 0 : ETIMEDOUT;
}

WRAPPED(int, pthread_cond_wait, (pthread_cond_t * c, pthread_mutex_t *m))
{
    return current() != NULL ? cond_wait(c, m, INT64_MAX) : __real_pthread_cond_wait(c, m);
}

/* All of the product's conditions are on the monotonic clock. */
WRAPPED(int, pthread_cond_timedwait,
        (pthread_cond_t * c, pthread_mutex_t *m, const struct timespec *until))
{
    return current() != NULL ? cond_wait(c, m, (int64_t)until->tv_sec * 1000000000 + until->tv_nsec)
                             : __real_pthread_cond_timedwait(c, m, until);
}

WRAPPED(int, pthread_cond_signal, (pthread_cond_t * c))
{
    wake(c, 1);
    return __real_pthread_cond_signal(c);
}

WRAPPED(int, pthread_cond_broadcast, (pthread_cond_t * c))
{
    wake(c, SIZE_MAX);
    return __real_pthread_cond_broadcast(c);
}

WRAPPED(void, event_count_signal, (struct event_count * e))
{
    if (sim_fibers == NULL) {
        __real_event_count_signal(e);
    } else if (atomic_load(&e->waiters) != 0) {
        atomic_fetch_add(&e->epoch, 1);
        wake(e, SIZE_MAX);
    }
}

WRAPPED(bool, event_count_wait, (struct event_count * e, uint32_t ticket, int64_t timeout_ns))
{
    if (current() == NULL) {
        return __real_event_count_wait(e, ticket, timeout_ns);
    }
    int64_t until_ns = after_ns(timeout_ns);
    bool signalled = true;
    while (atomic_load(&e->epoch) == ticket && signalled) {
        signalled = wait_on(e, until_ns) || atomic_load(&e->epoch) != ticket;
    }
    event_count_cancel(e);
    return signalled;
}
