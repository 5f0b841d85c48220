/* flinc/state.h: state that user functions keep: per key, per subtask, and broadcast.
 *
 *   struct counting { flinc_value_state *count; };
 *
 *   static int count_open(flinc_ctx *ctx)
 *   {
 *       struct counting *c = calloc(1, sizeof(*c));
 *       flinc_ctx_set_user(ctx, c);
 *       c->count = flinc_ctx_value_state(ctx, FLINC_STATE(.name = "count", .type = FLINC_TYPE(flinc_int64)));
 *       return 0;
 *   }
 *   static int count(flinc_ctx *ctx, const flinc_string *word, flinc_out *out)
 *   {
 *       struct counting *c = flinc_ctx_user(ctx);
 *       int64_t n = flinc_value_get_int64(c->count, 0) + 1;
 *       flinc_value_set_int64(c->count, n);
 *       ...
 *   }
 *
 * State is declared in open(), by a name that stays the same from release to release of the job: snapshots
 * know it by that.  Asking again for a name gives the same state.  What is kept is a struct of FLINC_STRUCT, a
 * single value (FLINC_TYPE(flinc_int64), flinc_int32, flinc_double, flinc_bool, flinc_string), or a row of any
 * type, `.row = "ROW<...>"`, which a flinc_row reads and writes field by field (flinc/row.h): what the calls
 * below take and give are its records then, flinc_row_record() and flinc_row_read().
 *
 * Keyed state belongs to a function on a keyed stream: all calls are about the key of the record (or timer)
 * at hand.  They may be made in the function's calls only, not in open(), close() or snapshot().
 *
 * Mistakes and a lack of memory fail the task: the first one is kept in the context, whatever the function
 * returns, so codes need no look unless there is more to do.  What a call returns a pointer to (strings
 * included) is valid until the next call on the same state, and no longer than the function's call; what is
 * put into a state is copied.
 *
 * Flink: org.apache.flink.api.common.state. */
#ifndef FLINC_STATE_H
#define FLINC_STATE_H

#include "flinc/row.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- time to live ---- */

/* What makes an entry young again.  Flink: StateTtlConfig.UpdateType. */
typedef enum flinc_ttl_update {
    FLINC_TTL_ON_CREATE_AND_WRITE = 0,
    FLINC_TTL_ON_READ_AND_WRITE = 1,
    FLINC_TTL_DISABLED = 2
} flinc_ttl_update;

/* Whether an entry is shown whose time is over but that is still there.  Flink: StateVisibility. */
typedef enum flinc_ttl_visibility {
    FLINC_TTL_NEVER_RETURN_EXPIRED = 0,
    FLINC_TTL_RETURN_EXPIRED_IF_NOT_CLEANED_UP = 1
} flinc_ttl_visibility;

/* How long entries live, by processing time.  Elements of lists and entries of maps live each on their own.
 * Zeroed: for ever.  Flink: StateTtlConfig. */
typedef struct flinc_ttl {
    uint64_t ms; /* 0: for ever */
    flinc_ttl_update update;
    flinc_ttl_visibility visibility;
    /* Leaves entries whose time is over out of full snapshots.  Flink: cleanupFullSnapshot(). */
    bool cleanup_full_snapshot;
    /* Entries that are looked at, and removed when their time is over, with each access of the state.
     * 0: 5; FLINC_TTL_NO_CLEANUP: none.  Flink: cleanupIncrementally(), disableCleanupInBackground(). */
    uint32_t cleanup_incrementally;
} flinc_ttl;
#define FLINC_TTL_NO_CLEANUP 0xffffffffu

/* ---- declaring ---- */

typedef struct flinc_value_state flinc_value_state;
typedef struct flinc_list_state flinc_list_state;
typedef struct flinc_map_state flinc_map_state;
typedef struct flinc_reducing_state flinc_reducing_state;
typedef struct flinc_aggregating_state flinc_aggregating_state;

/* Combines a and b into out (zeroed); strings of out may be those of a or b. */
typedef int (*flinc_reduce_fn)(flinc_ctx *ctx, const void *a, const void *b, void *out);
/* Adds a value to an accumulator, which is zeroed at first. */
typedef int (*flinc_add_fn)(flinc_ctx *ctx, void *accumulator, const void *value);
/* The result of an accumulator. */
typedef int (*flinc_result_fn)(flinc_ctx *ctx, const void *accumulator, void *out);

typedef struct flinc_state_desc {
    uint32_t struct_size;
    const char *name;
    const flinc_struct *type;     /* value, element, value of a map, accumulator */
    const flinc_struct *key_type; /* of a map's keys; no field of it may be floating point NaN */
    flinc_reduce_fn reduce;       /* reducing state */
    flinc_add_fn add;             /* aggregating state */
    flinc_result_fn result;       /* aggregating state */
    flinc_ttl ttl;                /* of keyed state */
    const char *row;              /* in place of .type: "ROW<id BIGINT, tags ARRAY<STRING>>" */
    const char *key_row;          /* in place of .key_type: without nested types */
} flinc_state_desc;
/* FLINC_STATE(.name = "last", .type = FLINC_TYPE(reading), .ttl = {.ms = 3600 * 1000}) */
#define FLINC_STATE(...) \
    ((flinc_state_desc){.struct_size = (uint32_t)sizeof(flinc_state_desc), __VA_ARGS__})

/* NULL when it cannot be: the function's open() fails then with the reason. */
FLINC_API flinc_value_state *flinc_ctx_value_state(flinc_ctx *ctx, flinc_state_desc desc);
FLINC_API flinc_list_state *flinc_ctx_list_state(flinc_ctx *ctx, flinc_state_desc desc);
FLINC_API flinc_map_state *flinc_ctx_map_state(flinc_ctx *ctx, flinc_state_desc desc);
FLINC_API flinc_reducing_state *flinc_ctx_reducing_state(flinc_ctx *ctx, flinc_state_desc desc);
FLINC_API flinc_aggregating_state *flinc_ctx_aggregating_state(flinc_ctx *ctx,
                                                               flinc_state_desc desc);

/* ---- a value per key.  Flink: ValueState ---- */

/* The value, NULL when the key has none. */
FLINC_API const void *flinc_value_get(flinc_value_state *s);
FLINC_API int flinc_value_set(flinc_value_state *s, const void *value);
FLINC_API void flinc_value_clear(flinc_value_state *s);
/* The value itself, to be changed in place; zeroed when the key had none.  Of types without strings only.
 * It is valid until the next call on the same state. */
FLINC_API void *flinc_value_edit(flinc_value_state *s);

static inline int64_t flinc_value_get_int64(flinc_value_state *s, int64_t otherwise)
{
    const void *p = flinc_value_get(s);
    return p != NULL ? *(const int64_t *)p : otherwise;
}
static inline int flinc_value_set_int64(flinc_value_state *s, int64_t value)
{
    return flinc_value_set(s, &value);
}
static inline double flinc_value_get_double(flinc_value_state *s, double otherwise)
{
    const void *p = flinc_value_get(s);
    return p != NULL ? *(const double *)p : otherwise;
}
static inline int flinc_value_set_double(flinc_value_state *s, double value)
{
    return flinc_value_set(s, &value);
}
static inline flinc_string flinc_value_get_string(flinc_value_state *s, flinc_string otherwise)
{
    const void *p = flinc_value_get(s);
    return p != NULL ? *(const flinc_string *)p : otherwise;
}
static inline int flinc_value_set_string(flinc_value_state *s, flinc_string value)
{
    return flinc_value_set(s, &value);
}

/* ---- a list per key.  Flink: ListState ---- */

FLINC_API int flinc_list_add(flinc_list_state *s, const void *element);
/* Makes the list these `n` elements, which lie one behind the other (rows: at most one).  Flink: update. */
FLINC_API int flinc_list_set(flinc_list_state *s, const void *elements, size_t n);
FLINC_API void flinc_list_clear(flinc_list_state *s);
FLINC_API bool flinc_list_is_empty(flinc_list_state *s);
/* From the first element on:
 *   flinc_list_begin(s);
 *   for (const struct reading *r; (r = flinc_list_next(s)) != NULL;) { ... }
 * A change of the list under the walk is a mistake. */
FLINC_API void flinc_list_begin(flinc_list_state *s);
FLINC_API const void *flinc_list_next(flinc_list_state *s);

/* ---- a map per key.  Flink: MapState ---- */

/* The value of a key, NULL when there is none. */
FLINC_API const void *flinc_map_get(flinc_map_state *s, const void *key);
FLINC_API bool flinc_map_contains(flinc_map_state *s, const void *key);
FLINC_API int flinc_map_put(flinc_map_state *s, const void *key, const void *value);
FLINC_API void flinc_map_remove(flinc_map_state *s, const void *key);
FLINC_API void flinc_map_clear(flinc_map_state *s);
FLINC_API bool flinc_map_is_empty(flinc_map_state *s);
/* All entries, in the order in which their keys were put first (after a restore in any order):
 *   const void *key, *value;
 *   flinc_map_begin(s);
 *   while (flinc_map_next(s, &key, &value)) { ... }
 * The entry at hand may be removed or put again; any other change of the map under the walk is a mistake. */
FLINC_API void flinc_map_begin(flinc_map_state *s);
FLINC_API bool flinc_map_next(flinc_map_state *s, const void **ret_key, const void **ret_value);

/* ---- values that are added up, per key.  Flink: ReducingState, AggregatingState ---- */

/* The reduced value, NULL when nothing was added. */
FLINC_API const void *flinc_reducing_get(flinc_reducing_state *s);
FLINC_API int flinc_reducing_add(flinc_reducing_state *s, const void *value);
FLINC_API void flinc_reducing_clear(flinc_reducing_state *s);

/* Fills *out by the state's result function: 1; 0 when nothing was added. */
FLINC_API int flinc_aggregating_get(flinc_aggregating_state *s, void *out);
FLINC_API int flinc_aggregating_add(flinc_aggregating_state *s, const void *value);
FLINC_API void flinc_aggregating_clear(flinc_aggregating_state *s);

/* ---- state of a subtask, of no key.  Flink: CheckpointedFunction, OperatorStateStore ---- */

/* A list of items that a subtask keeps, in functions on any stream.  When the parallelism changes, the items
 * of all subtasks are dealt out anew (list), or every subtask gets all of them (union list).  Bring it up to
 * date in the function's .snapshot part, which runs for each checkpoint; in open() it holds what was
 * restored. */
typedef struct flinc_operator_list flinc_operator_list;
FLINC_API flinc_operator_list *flinc_ctx_operator_list(flinc_ctx *ctx, flinc_state_desc desc);
FLINC_API flinc_operator_list *flinc_ctx_union_list(flinc_ctx *ctx, flinc_state_desc desc);
FLINC_API size_t flinc_operator_list_len(const flinc_operator_list *s);
/* Item `i` below the length; NULL and a failed task when its bytes are damaged. */
FLINC_API const void *flinc_operator_list_get(flinc_operator_list *s, size_t i);
FLINC_API int flinc_operator_list_add(flinc_operator_list *s, const void *item);
FLINC_API void flinc_operator_list_clear(flinc_operator_list *s);

/* A map that is the same in all subtasks, because they all change it alike, by what is broadcast to them.
 * The function of the other, not broadcast side may only read it.  Flink: BroadcastState. */
typedef struct flinc_broadcast_state flinc_broadcast_state;
FLINC_API flinc_broadcast_state *flinc_ctx_broadcast_state(flinc_ctx *ctx, flinc_state_desc desc);
FLINC_API const void *flinc_broadcast_get(flinc_broadcast_state *s, const void *key);
FLINC_API bool flinc_broadcast_contains(flinc_broadcast_state *s, const void *key);
FLINC_API int flinc_broadcast_put(flinc_broadcast_state *s, const void *key, const void *value);
FLINC_API int flinc_broadcast_remove(flinc_broadcast_state *s, const void *key);
FLINC_API int flinc_broadcast_clear(flinc_broadcast_state *s);
FLINC_API size_t flinc_broadcast_len(const flinc_broadcast_state *s);
/* All entries, in the order in which their keys were put first; as flinc_map_begin() and _next(); any
 * change under the walk is a mistake. */
FLINC_API void flinc_broadcast_begin(flinc_broadcast_state *s);
FLINC_API bool flinc_broadcast_next(flinc_broadcast_state *s, const void **ret_key,
                                    const void **ret_value);

#ifdef __cplusplus
}
#endif

#endif
