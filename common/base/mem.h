/* Memory by lifetime: arenas (process > job > task > checkpoint > batch) and reference-counted,
 * size-classed, recycled buffers under one budget per worker.
 *
 * Plain heap calls go through mem_alloc and friends, which never return NULL (out of memory is an
 * abort with a message: the budget, not malloc, is what says no) and are counted, so that tests can
 * show that the data path makes none. */
#ifndef FLINC_COMMON_BASE_MEM_H
#define FLINC_COMMON_BASE_MEM_H

#include "common/base/error.h"
#include <stdatomic.h>

/* ---- plain heap ---------------------------------------------------------------------------- */

void *mem_alloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_zalloc(size_t size) __attribute__((malloc, returns_nonnull));
void *mem_zalloc_array(size_t n, size_t item_size) __attribute__((malloc, returns_nonnull));
/* alignment: a power of two */
void *mem_alloc_aligned(size_t alignment, size_t size) __attribute__((malloc, returns_nonnull));
void *mem_realloc(void *p, size_t size) __attribute__((returns_nonnull));
char *mem_strdup(const char *s); /* NULL stays NULL */
char *mem_strndup(const char *s, size_t n);
void *mem_dup(const void *p, size_t size);
void mem_free(void *p);
/* Says so on stderr and aborts. */
void mem_out_of_memory(uint64_t size) NORETURN COLD;
/* Allocations made by the calling thread since it started (mem_alloc, mem_realloc and what is built
 * on them): the data path's "no malloc per record" is tested with it. */
uint64_t mem_thread_allocations(void);
#define MEM_NEW(type) ((type *)mem_zalloc(sizeof(type)))
#define MEM_NEW_ARRAY(type, n) ((type *)mem_zalloc_array((n), sizeof(type)))

/* ---- arena --------------------------------------------------------------------------------- */

/* Bump allocator over blocks that double in size; everything goes at once.  Thread: one owner. */
struct arena {
    struct arena_block *head; /* Owns */
    char *next, *end;
    size_t block_bytes;
    uint64_t used_bytes;
    struct arena_cleanup *cleanups;
};

void arena_init(struct arena *a, size_t block_bytes); /* 0: 4 KiB */
void arena_fini(struct arena *a);
void arena_reset(struct arena *a); /* keeps the newest block, which is the largest */
void *arena_alloc(struct arena *a, size_t size) __attribute__((returns_nonnull)); /* 16-aligned */
void *arena_zalloc(struct arena *a, size_t size) __attribute__((returns_nonnull));
char *arena_strdup(struct arena *a, const char *s);
char *arena_strndup(struct arena *a, const char *s, size_t n);
char *arena_printf(struct arena *a, const char *fmt, ...) PRINTF(2, 3);
/* Runs fn(arg) at fini/reset, last added first. */
void arena_on_fini(struct arena *a, void (*fn)(void *arg), void *arg);

/* ---- budget -------------------------------------------------------------------------------- */

/* What all pools of one worker may hold together (taskmanager.memory.*).  Thread: any (atomics). */
struct mem_budget {
    const char *name;
    _Atomic uint64_t limit_bytes; /* 0: unlimited */
    _Atomic uint64_t used_bytes;
    _Atomic uint64_t peak_bytes;
    _Atomic uint64_t forced_bytes; /* sum of all mem_budget_force, for metrics */
    struct mem_budget *parent;     /* Borrows; may be NULL */
};

void mem_budget_init(struct mem_budget *b, const char *name, uint64_t limit_bytes,
                     struct mem_budget *parent);
/* What is taken already stays so, also over a lower limit. */
void mem_budget_set_limit(struct mem_budget *b, uint64_t limit_bytes);
/* At or over its limit, or over that of a parent. */
bool mem_budget_is_full(const struct mem_budget *b);
/* Takes bytes from it and its parents, or ERR_LIMIT and takes nothing. */
int mem_budget_take(struct mem_budget *b, uint64_t bytes) MUST_CHECK;
/* Takes bytes whatever the limit (for what must not fail; counted). */
void mem_budget_force(struct mem_budget *b, uint64_t bytes);
void mem_budget_give(struct mem_budget *b, uint64_t bytes);

/* ---- buffers ------------------------------------------------------------------------------- */

struct buffer_pool;

/* A reference-counted block of bytes with a home pool; immutable once shared (refs > 1).
 * `data` is 64-byte aligned and `capacity` a size class with BUFFER_PADDING readable and writable
 * bytes behind it, so that kernels may load and store whole vectors.  (Foreign memory has neither:
 * there capacity == size, and nothing is known of the alignment.)
 * Thread: any for ref/unref; the contents belong to the only holder until shared. */
struct buffer {
    uint8_t *data;
    uint64_t capacity;        /* usable bytes */
    uint64_t size;            /* bytes in use, kept by the owner */
    _Atomic uint32_t refs;    /* 0: in a free list */
    uint32_t generation;      /* counts lives, see buffer_check() */
    struct buffer_pool *pool; /* Borrows: home; NULL for buffers over foreign memory */
    union {
        struct buffer *next; /* free list of the pool */
        void *owner;         /* foreign memory: what release() gets */
    };
    void (*release)(void *owner); /* foreign memory (mmap, Arrow import): runs at the last unref */
    uint32_t size_class;
};

enum { BUFFER_PADDING = 64 };

/* A pool per task (or per worker): free lists by power-of-two size class from 256 bytes to 64 MiB;
 * larger ones are allocated and freed directly.  get() is for the owner thread; a last unref on any
 * thread gives back (owner: plain list; others: a lock-free return stack that get() drains).
 * The pool struct lives until its last buffer is back; the budget must live as long.
 *
 * The budget is charged with the capacity of every buffer that the pool has from the system, handed
 * out or kept for reuse; so a recycled buffer costs it nothing. */
struct buffer_pool_options {
    const char *name;
    struct mem_budget *budget; /* Borrows; may be NULL */
    uint64_t retain_bytes;     /* free bytes kept for reuse; above that they go back to the system;
                                   0: 64 MiB */
};
struct buffer_pool *buffer_pool_new(const struct buffer_pool_options *options);
/* The owner's end of use.  Buffers still out keep it alive.  NULL is fine; returns NULL. */
struct buffer_pool *buffer_pool_close(struct buffer_pool *pool);
/* Declares the calling thread to be the owner (a task adopts its pool when its thread starts).  A new
 * pool has no owner; the first get() adopts it, too.  A former owner must be done with the pool: it
 * has disowned it, or ended, before this call.  get() asserts that its caller is the owner. */
void buffer_pool_adopt(struct buffer_pool *pool);
/* The owner steps back, so that another thread may adopt the pool while this one still gives buffers
 * back. */
void buffer_pool_disown(struct buffer_pool *pool);
/* Held by somebody.  Exact when no thread is inside get or unref. */
uint64_t buffer_pool_out_bytes(const struct buffer_pool *pool);
uint64_t buffer_pool_out_count(const struct buffer_pool *pool);
/* Kept for reuse, returns that the owner has not drained yet included. */
uint64_t buffer_pool_free_bytes(const struct buffer_pool *pool);
/* Gives everything that is free back to the system.  Thread: owner. */
void buffer_pool_trim(struct buffer_pool *pool);

/* At least `capacity` usable bytes, refs 1, size 0, contents undefined.  Never NULL: over the budget
 * the pool first gives up what it keeps, then the bytes are counted as forced; callers that can wait
 * look at the budget first. */
struct buffer *buffer_get(struct buffer_pool *pool, uint64_t capacity)
    __attribute__((returns_nonnull));
/* Over foreign memory, which is not copied; `release(owner)` runs at the last unref. */
struct buffer *buffer_wrap(void *data, uint64_t size, void (*release)(void *owner), void *owner);
/* The same with the header in the caller's memory, for many headers at once and no malloc.  The memory
 * must last until release() runs, which may free it. */
void buffer_wrap_at(struct buffer *ret_header, void *data, uint64_t size,
                    void (*release)(void *owner), void *owner);
/* A buffer with room for `capacity` that starts with the old one's `size` bytes.  Takes `b`. */
struct buffer *buffer_grow(struct buffer_pool *pool, struct buffer *b, uint64_t capacity);

static inline struct buffer *buffer_ref(struct buffer *b)
{
    atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    return b;
}
void buffer_free_last(struct buffer *b); /* the slow half of unref */
/* NULL is fine.  Returns NULL. */
static inline struct buffer *buffer_unref(struct buffer *b)
{
    if (b != NULL) {
        /* A sole owner needs no read-modify-write. */
        if (atomic_load_explicit(&b->refs, memory_order_acquire) == 1 ||
            atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel) == 1) {
            buffer_free_last(b);
        }
    }
    return NULL;
}
/* A holder that suspects its reference remembers `generation` when it gets it; this asserts that the
 * buffer is still alive and in that life.  (AddressSanitizer builds also poison the data of free
 * buffers.) */
void buffer_check(const struct buffer *b, uint32_t generation);
static inline bool buffer_is_unique(const struct buffer *b)
{
    return atomic_load_explicit(&b->refs, memory_order_acquire) == 1;
}

#endif
