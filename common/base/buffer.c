/* Buffer pools: recycled, size-classed blocks, so that the data path calls neither malloc nor a lock
 * (Flink: NetworkBufferPool / MemorySegment, but for all columns of all batches).
 *
 *   owner thread    get: pop the class's free list       last unref: push on it
 *   other threads   last unref: push on the return stack; the owner takes the whole stack at once,
 *                   so that the stack needs no protection against reused nodes (ABA)
 *
 * Counting without a shared counter: the owner keeps `owner_out` (gets minus its own returns), the
 * others add to `remote_count`; what is out is the difference.  The life of the pool hangs on
 * `remote_balance`: BALANCE_OPEN minus the remote returns while the pool is open; close() adds
 * owner_out - BALANCE_OPEN, which turns it into the number of buffers out, and whoever brings it to
 * 0 frees the pool.  The subtraction is a returning thread's last touch of the pool. */
#include "common/base/mem.h"

#include "common/base/sanitizer.h"

#include <string.h>
#include <sys/mman.h>

enum {
    CLASS_MIN_SHIFT = 8,                               /* 256 bytes */
    CLASS_MAX_SHIFT = 26,                              /* 64 MiB */
    N_CLASSES = CLASS_MAX_SHIFT - CLASS_MIN_SHIFT + 1, /* larger ones: CLASS_DIRECT */
    CLASS_DIRECT = N_CLASSES,
    CLASS_FOREIGN,
    CLASS_FOREIGN_AT, /* the header is not ours either */
    DATA_ALIGN = 64,
    PAGE_BYTES = 4096,
    HUGE_PAGE_BYTES = 2 * 1024 * 1024, /* from here on: mmap with huge pages */
    DRAIN_EVERY_GETS = 64,
    RETAIN_DEFAULT_BYTES = 64 * 1024 * 1024,
};

static const int64_t BALANCE_OPEN = INT64_C(1) << 62;

_Static_assert(sizeof(struct buffer) <= 2 * DATA_ALIGN, "the header fits before the data");
enum { HEADER_BYTES = (sizeof(struct buffer) + DATA_ALIGN - 1) / DATA_ALIGN * DATA_ALIGN };

/* Thread: the first part belongs to the owner (its atomics have one writer and let others read);
 * the second, on its own cache lines, to everybody. */
struct buffer_pool {
    struct buffer *free_lists[N_CLASSES]; /* Owns */
    uint64_t last_get[N_CLASSES];         /* value of `gets` when the class was last asked for */
    uint64_t gets;
    uint64_t retain_bytes;
    struct mem_budget *budget; /* Borrows */
    char *name;                /* Owns */
    _Atomic uint64_t free_bytes;
    _Atomic uint64_t owner_out;
    _Atomic uint64_t owner_out_bytes;
    _Atomic uint64_t drained_bytes; /* of remote_bytes, those that are no longer on the stack */

    _Alignas(DATA_ALIGN) _Atomic uint64_t owner_thread; /* thread_serial(); 0: none */
    _Atomic bool closed;
    _Alignas(DATA_ALIGN) struct buffer *_Atomic returns;
    _Atomic uint64_t remote_count;
    _Atomic uint64_t remote_bytes;
    _Atomic int64_t remote_balance;
};

/* Numbers threads; unlike addresses or kernel ids a number is never used again, so that a thread can
 * never be taken for a dead owner. */
static _Thread_local uint64_t own_serial __attribute__((tls_model("initial-exec")));

static uint64_t thread_serial_new(void) COLD;
static uint64_t thread_serial_new(void)
{
    static _Atomic uint64_t last;
    own_serial = atomic_fetch_add_explicit(&last, 1, memory_order_relaxed) + 1;
    return own_serial;
}

static inline uint64_t thread_serial(void)
{
    return LIKELY(own_serial != 0) ? own_serial : thread_serial_new();
}

/* For counters with one writer: no locked instruction. */
static inline void bump(_Atomic uint64_t *counter, uint64_t delta)
{
    uint64_t v = atomic_load_explicit(counter, memory_order_relaxed);
    atomic_store_explicit(counter, v + delta, memory_order_relaxed);
}

static inline bool is_owner(const struct buffer_pool *pool)
{
    return atomic_load_explicit(&pool->owner_thread, memory_order_relaxed) == thread_serial();
}

/* ---- memory from and to the system --------------------------------------------------------- */

/* Huge buffers are aligned to huge pages, and their tail (the padding) takes small ones. */
static uint8_t *map_huge(size_t size)
{
    size_t reserve = size + HUGE_PAGE_BYTES;
    uint8_t *p = mmap(NULL, reserve, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (p == MAP_FAILED) {
        return NULL;
    }
    size_t skip = (size_t)(-(uintptr_t)p & (HUGE_PAGE_BYTES - 1));
    if (skip > 0) {
        munmap(p, skip);
    }
    if (skip < HUGE_PAGE_BYTES) {
        munmap(p + skip + size, HUGE_PAGE_BYTES - skip);
    }
    /* Advice only: a kernel without huge pages serves small ones. */
    (void)madvise(p + skip, size, MADV_HUGEPAGE);
    return p + skip;
}

static size_t mapped_bytes(uint64_t capacity)
{
    return (capacity + BUFFER_PADDING + PAGE_BYTES - 1) & ~(size_t)(PAGE_BYTES - 1);
}

static struct buffer *system_get(struct buffer_pool *pool, uint64_t capacity, uint32_t size_class)
{
    struct buffer *b;
    uint8_t *data;
    if (capacity >= HUGE_PAGE_BYTES) {
        b = mem_alloc(sizeof(*b));
        data = map_huge(mapped_bytes(capacity));
        if (data == NULL) {
            mem_out_of_memory(capacity);
        }
    } else {
        b = mem_alloc_aligned(DATA_ALIGN, HEADER_BYTES + capacity + BUFFER_PADDING);
        data = (uint8_t *)b + HEADER_BYTES;
    }
    *b =
        (struct buffer){.data = data, .capacity = capacity, .pool = pool, .size_class = size_class};
    return b;
}

static void system_give(struct mem_budget *budget, struct buffer *b)
{
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->capacity + BUFFER_PADDING);
    uint64_t capacity = b->capacity;
    if (capacity >= HUGE_PAGE_BYTES) {
        int rc = munmap(b->data, mapped_bytes(capacity));
        ASSERT(rc == 0);
    }
    mem_free(b);
    if (budget != NULL) {
        mem_budget_give(budget, capacity);
    }
}

/* ---- owner side: free lists ---------------------------------------------------------------- */

static void free_list_push(struct buffer_pool *pool, struct buffer *b)
{
    b->next = pool->free_lists[b->size_class];
    pool->free_lists[b->size_class] = b;
    bump(&pool->free_bytes, b->capacity);
}

static struct buffer *free_list_pop(struct buffer_pool *pool, uint32_t size_class)
{
    struct buffer *b = pool->free_lists[size_class];
    if (b != NULL) {
        pool->free_lists[size_class] = b->next;
        bump(&pool->free_bytes, -b->capacity);
    }
    return b;
}

/* The non-empty class that has not been asked for the longest; N_CLASSES when all are empty. */
static uint32_t coldest_class(const struct buffer_pool *pool)
{
    uint32_t coldest = N_CLASSES;
    for (uint32_t c = 0; c < N_CLASSES; c++) {
        if (pool->free_lists[c] != NULL &&
            (coldest == N_CLASSES || pool->last_get[c] < pool->last_get[coldest])) {
            coldest = c;
        }
    }
    return coldest;
}

static bool has_room(const struct buffer_pool *pool, uint64_t bytes)
{
    return atomic_load_explicit(&pool->free_bytes, memory_order_relaxed) + bytes <=
           pool->retain_bytes;
}

/* Over the limit, what was used last stays: a job that moves on to other sizes must not go to the
 * system for ever because old sizes fill the pool. */
static void make_room(struct buffer_pool *pool, const struct buffer *b) COLD;
static void make_room(struct buffer_pool *pool, const struct buffer *b)
{
    while (!has_room(pool, b->capacity)) {
        uint32_t coldest = coldest_class(pool);
        if (coldest == N_CLASSES || pool->last_get[coldest] > pool->last_get[b->size_class]) {
            return;
        }
        system_give(pool->budget, free_list_pop(pool, coldest));
    }
}

static void keep_or_give(struct buffer_pool *pool, struct buffer *b)
{
    if (b->size_class < N_CLASSES) {
        if (UNLIKELY(!has_room(pool, b->capacity)) && b->capacity <= pool->retain_bytes) {
            make_room(pool, b);
        }
        if (LIKELY(has_room(pool, b->capacity))) {
            free_list_push(pool, b);
            return;
        }
    }
    system_give(pool->budget, b);
}

static void drain_returns(struct buffer_pool *pool)
{
    if (atomic_load_explicit(&pool->returns, memory_order_relaxed) == NULL) {
        return;
    }
    struct buffer *b = atomic_exchange_explicit(&pool->returns, NULL, memory_order_acquire);
    uint64_t drained = 0;
    while (b != NULL) {
        struct buffer *next = b->next;
        drained += b->capacity;
        keep_or_give(pool, b);
        b = next;
    }
    atomic_fetch_add_explicit(&pool->drained_bytes, drained, memory_order_relaxed);
}

static void free_all(struct buffer_pool *pool)
{
    for (uint32_t c = 0; c < N_CLASSES; c++) {
        for (struct buffer *b; (b = free_list_pop(pool, c)) != NULL;) {
            system_give(pool->budget, b);
        }
    }
}

/* ---- life of a pool ------------------------------------------------------------------------ */

struct buffer_pool *buffer_pool_new(const struct buffer_pool_options *options)
{
    struct buffer_pool *pool = mem_alloc_aligned(DATA_ALIGN, sizeof(*pool));
    memset(pool, 0, sizeof(*pool));
    pool->name = mem_strdup(options->name != NULL ? options->name : "unnamed");
    pool->budget = options->budget;
    pool->retain_bytes = options->retain_bytes != 0 ? options->retain_bytes : RETAIN_DEFAULT_BYTES;
    atomic_init(&pool->remote_balance, BALANCE_OPEN);
    return pool;
}

/* After close() nothing is kept any more. */
static void give_returns(struct buffer_pool *pool)
{
    struct buffer *b = atomic_exchange_explicit(&pool->returns, NULL, memory_order_acquire);
    while (b != NULL) {
        struct buffer *next = b->next;
        system_give(pool->budget, b);
        b = next;
    }
}

static void pool_free(struct buffer_pool *pool)
{
    give_returns(pool); /* what came in between close()'s look and the end */
    mem_free(pool->name);
    mem_free(pool);
}

struct buffer_pool *buffer_pool_close(struct buffer_pool *pool)
{
    if (pool == NULL) {
        return NULL;
    }
    ASSERT(!atomic_load_explicit(&pool->closed, memory_order_relaxed));
    atomic_store_explicit(&pool->owner_thread, 0, memory_order_relaxed);
    atomic_store_explicit(&pool->closed, true, memory_order_relaxed);
    give_returns(pool);
    free_all(pool);
    int64_t delta =
        (int64_t)atomic_load_explicit(&pool->owner_out, memory_order_relaxed) - BALANCE_OPEN;
    int64_t old = atomic_fetch_add_explicit(&pool->remote_balance, delta, memory_order_acq_rel);
    ASSERT(old + delta >= 0);
    if (old + delta == 0) {
        pool_free(pool);
    }
    return NULL;
}

void buffer_pool_adopt(struct buffer_pool *pool)
{
    ASSERT(!atomic_load_explicit(&pool->closed, memory_order_relaxed));
    atomic_store_explicit(&pool->owner_thread, thread_serial(), memory_order_relaxed);
}

void buffer_pool_disown(struct buffer_pool *pool)
{
    ASSERT(is_owner(pool));
    atomic_store_explicit(&pool->owner_thread, 0, memory_order_relaxed);
}

uint64_t buffer_pool_out_bytes(const struct buffer_pool *pool)
{
    /* Returns first: each follows its get, so that the difference cannot be negative. */
    uint64_t back = atomic_load_explicit(&pool->remote_bytes, memory_order_acquire);
    return atomic_load_explicit(&pool->owner_out_bytes, memory_order_relaxed) - back;
}

uint64_t buffer_pool_out_count(const struct buffer_pool *pool)
{
    uint64_t back = atomic_load_explicit(&pool->remote_count, memory_order_acquire);
    return atomic_load_explicit(&pool->owner_out, memory_order_relaxed) - back;
}

uint64_t buffer_pool_free_bytes(const struct buffer_pool *pool)
{
    uint64_t drained = atomic_load_explicit(&pool->drained_bytes, memory_order_acquire);
    uint64_t returned = atomic_load_explicit(&pool->remote_bytes, memory_order_relaxed);
    return atomic_load_explicit(&pool->free_bytes, memory_order_relaxed) + (returned - drained);
}

void buffer_pool_trim(struct buffer_pool *pool)
{
    ASSERT(is_owner(pool));
    drain_returns(pool);
    free_all(pool);
}

/* ---- buffers ------------------------------------------------------------------------------- */

static inline uint32_t class_of(uint64_t capacity)
{
    if (capacity <= UINT64_C(1) << CLASS_MIN_SHIFT) {
        return 0;
    }
    uint32_t shift = 64 - (uint32_t)__builtin_clzll(capacity - 1);
    return shift <= CLASS_MAX_SHIFT ? shift - CLASS_MIN_SHIFT : CLASS_DIRECT;
}

static struct buffer *get_slow(struct buffer_pool *pool, uint64_t capacity,
                               uint32_t size_class) COLD;
static struct buffer *get_slow(struct buffer_pool *pool, uint64_t capacity, uint32_t size_class)
{
    if (size_class < N_CLASSES) {
        drain_returns(pool);
        struct buffer *b = free_list_pop(pool, size_class);
        if (b != NULL) {
            return b;
        }
        capacity = UINT64_C(1) << (size_class + CLASS_MIN_SHIFT);
    } else {
        ASSERT(capacity < UINT64_C(1) << 48);
        capacity = (capacity + PAGE_BYTES - 1) & ~(uint64_t)(PAGE_BYTES - 1);
    }
    if (pool->budget != NULL && mem_budget_take(pool->budget, capacity) < 0) {
        buffer_pool_trim(pool);
        if (mem_budget_take(pool->budget, capacity) < 0) {
            mem_budget_force(pool->budget, capacity);
        }
    }
    return system_get(pool, capacity, size_class);
}

struct buffer *buffer_get(struct buffer_pool *pool, uint64_t capacity)
{
    if (UNLIKELY(!is_owner(pool))) {
        /* Somebody else's pool must not be taken; one without an owner is. */
        ASSERT(atomic_load_explicit(&pool->owner_thread, memory_order_relaxed) == 0);
        buffer_pool_adopt(pool);
    }
    if (UNLIKELY(++pool->gets % DRAIN_EVERY_GETS == 0)) {
        drain_returns(pool);
    }
    uint32_t size_class = class_of(capacity);
    struct buffer *b = NULL;
    if (LIKELY(size_class < N_CLASSES)) {
        pool->last_get[size_class] = pool->gets;
        b = free_list_pop(pool, size_class);
    }
    if (UNLIKELY(b == NULL)) {
        b = get_slow(pool, capacity, size_class);
    }
    ASSERT(atomic_load_explicit(&b->refs, memory_order_relaxed) == 0); /* else: unref twice */
    ASAN_UNPOISON_MEMORY_REGION(b->data, b->capacity + BUFFER_PADDING);
    bump(&pool->owner_out, 1);
    bump(&pool->owner_out_bytes, b->capacity);
    b->size = 0;
    b->next = NULL;
    atomic_store_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}

static void foreign_give(struct buffer *b)
{
    /* release() may free a header that is not ours. */
    bool own_header = b->size_class == CLASS_FOREIGN;
    if (b->release != NULL) {
        b->release(b->owner);
    }
    if (own_header) {
        mem_free(b);
    }
}

/* Any thread but the owner; also every thread after close(). */
static void remote_give(struct buffer_pool *pool, struct buffer *b)
{
    uint64_t capacity = b->capacity;
    uint64_t returned =
        atomic_fetch_add_explicit(&pool->remote_bytes, capacity, memory_order_acq_rel) + capacity;
    uint64_t drained = atomic_load_explicit(&pool->drained_bytes, memory_order_relaxed);
    bool closed = atomic_load_explicit(&pool->closed, memory_order_relaxed);
    /* An owner that sleeps drains nothing: the stack has the same limit as the free lists.  Others
     * may have been drained since our addition, hence the signed comparison. */
    if (closed || (int64_t)(returned - drained) > (int64_t)pool->retain_bytes) {
        atomic_fetch_add_explicit(&pool->drained_bytes, capacity, memory_order_release);
        system_give(pool->budget, b);
    } else {
        struct buffer *top = atomic_load_explicit(&pool->returns, memory_order_relaxed);
        do {
            b->next = top;
        } while (!atomic_compare_exchange_weak_explicit(
            &pool->returns, &top, b, memory_order_release, memory_order_relaxed));
    }
    atomic_fetch_add_explicit(&pool->remote_count, 1, memory_order_release);
    if (atomic_fetch_sub_explicit(&pool->remote_balance, 1, memory_order_acq_rel) == 1) {
        pool_free(pool);
    }
}

void buffer_free_last(struct buffer *b)
{
    struct buffer_pool *pool = b->pool;
    if (UNLIKELY(pool == NULL)) {
        foreign_give(b);
        return;
    }
    atomic_store_explicit(&b->refs, 0, memory_order_relaxed);
    b->generation++;
    ASAN_POISON_MEMORY_REGION(b->data, b->capacity + BUFFER_PADDING);
    if (LIKELY(is_owner(pool))) {
        bump(&pool->owner_out, (uint64_t)-1);
        bump(&pool->owner_out_bytes, -b->capacity);
        keep_or_give(pool, b);
    } else {
        remote_give(pool, b);
    }
}

struct buffer *buffer_wrap(void *data, uint64_t size, void (*release)(void *owner), void *owner)
{
    struct buffer *b = mem_alloc(sizeof(*b));
    buffer_wrap_at(b, data, size, release, owner);
    b->size_class = CLASS_FOREIGN;
    return b;
}

void buffer_wrap_at(struct buffer *ret_header, void *data, uint64_t size,
                    void (*release)(void *owner), void *owner)
{
    *ret_header = (struct buffer){
        .data = data,
        .capacity = size,
        .size = size,
        .owner = owner,
        .release = release,
        .size_class = CLASS_FOREIGN_AT,
    };
    atomic_init(&ret_header->refs, 1);
}

struct buffer *buffer_grow(struct buffer_pool *pool, struct buffer *b, uint64_t capacity)
{
    if (b == NULL) {
        return buffer_get(pool, capacity);
    }
    ASSERT(capacity >= b->size);
    if (b->capacity >= capacity && b->pool != NULL && buffer_is_unique(b)) {
        return b;
    }
    if (class_of(capacity) == CLASS_DIRECT && capacity > b->capacity) {
        /* Above the classes nothing rounds up: keep appending linear. */
        capacity = MAX(capacity, b->capacity + b->capacity / 2);
    }
    struct buffer *grown = buffer_get(pool, capacity);
    if (b->size > 0) {
        memcpy(grown->data, b->data, b->size);
    }
    grown->size = b->size;
    buffer_unref(b);
    return grown;
}

void buffer_check(const struct buffer *b, uint32_t generation)
{
    ASSERT(atomic_load_explicit(&b->refs, memory_order_relaxed) > 0);
    ASSERT(b->generation == generation);
}
