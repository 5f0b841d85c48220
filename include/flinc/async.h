/* flinc/async.h: asking outside services for each record, many at a time.
 *
 *   static int look_up(flinc_ctx *ctx, const order *in, flinc_async *handle)
 *   {
 *       return client_get(client, in->customer, answered, handle);   calls answered() on its own thread
 *   }
 *   static void answered(const struct answer *a, void *arg)
 *   {
 *       customer_order out = {...};
 *       flinc_async_emit(arg, &out);
 *       flinc_async_complete(arg);
 *   }
 *   flinc_async_map(orders, FLINC_FN(look_up), FLINC_ASYNC(.timeout_ms = 1000), FLINC_TYPE(customer_order))
 *
 * The function starts the work and returns; the handle is completed later, by any thread, exactly once:
 * with 0..n records or with an error.  When `capacity` records are in flight, the input is held back.
 * Watermarks are not overtaken by records that came before them, and do not overtake them.  Records in
 * flight are part of checkpoints; after a restore the function is called for them again.
 *
 * Flink: AsyncDataStream, RichAsyncFunction, AsyncRetryStrategy. */
#ifndef FLINC_ASYNC_H
#define FLINC_ASYNC_H

#include "flinc/stream.h"

#ifdef __cplusplus
extern "C" {
#endif

/* One call for one record.  Between the call and its completion it belongs to whoever works on it (one
 * thread at a time); then it must not be touched any more. */
typedef struct flinc_async flinc_async;

/* Adds a record (the OUT struct of the stream) to the result; it is copied. */
FLINC_API void flinc_async_emit(flinc_async *handle, const void *out);
/* The result is complete: what was emitted, or nothing. */
FLINC_API void flinc_async_complete(flinc_async *handle);
/* The call failed: it is retried, or the task fails with the message. */
FLINC_API void flinc_async_fail(flinc_async *handle, const char *format, ...) FLINC_PRINTF(2, 3);
/* Runs work(handle, copy of the argument) on an I/O thread, for services whose client blocks; it must
 * complete the handle.  `size` at most FLINC_ASYNC_ARG_MAX. */
FLINC_API void flinc_async_run(flinc_async *handle, void (*work)(flinc_async *handle, void *arg),
                               const void *arg, size_t size);
enum { FLINC_ASYNC_ARG_MAX = 64 * 1024 };

typedef enum flinc_async_order {
    FLINC_ASYNC_ORDERED = 0,  /* results in the order of the input */
    FLINC_ASYNC_UNORDERED = 1 /* as they come, between two watermarks */
} flinc_async_order;

/* Start from FLINC_ASYNC(.order = ...). */
typedef struct flinc_async_options {
    uint32_t struct_size;
    flinc_async_order order;
    uint32_t capacity; /* records in flight in one subtask; 0: 100 */
    /* Of a record with all its retries; 0: none.  Then on_timeout (the same signature as the function)
     * is called, which completes its handle; without one the task fails. */
    int64_t timeout_ms;
    const flinc_function *on_timeout;
    /* Calls for one record; 0 or 1: it is not retried. */
    uint32_t max_attempts;
    int64_t retry_delay_ms;     /* before the second call, */
    double retry_multiplier;    /* each further delay is so much longer; 0: all are the same */
    int64_t retry_max_delay_ms; /* but not longer than that; 0: no limit */
    /* int f(flinc_ctx *, const void *results, size_t n, const char *error): 1 to call again, 0 not;
     * `results` are n OUT structs, `error` is NULL when the call did not fail.  NULL: on every error. */
    const flinc_function *retry_if;
} flinc_async_options;
#define FLINC_ASYNC(...) \
    ((flinc_async_options){.struct_size = (uint32_t)sizeof(flinc_async_options), __VA_ARGS__})

/* Flink: AsyncDataStream.orderedWait, unorderedWait and their WithRetry variants. */
#define flinc_async_map(s, fn, options, type) \
    flinc_async_map_((s), (fn), (options), (type), FLINC_HERE)
FLINC_API flinc_stream *flinc_async_map_(flinc_stream *s, const flinc_function *fn,
                                         flinc_async_options options, const flinc_struct *type,
                                         flinc_place at);

#ifdef __cplusplus
}
#endif

#endif
