/* A function over all keys of a keyed state, while no key is at hand (include/flinc/broadcast.h).
 *
 * The keys are read before the first call, so that the function may clear what it is called for.
 * Thread: the task's.  Flink: HeapKeyedStateBackend.applyToAllKeys. */
#include "engine/data/hash.h"
#include "engine/operators/user_state.h"
#include "flinc/broadcast.h"

/* The keys that have an entry, in batches with hashes. */
static int read_keys(struct user_states *s, struct keyed_state *of, const uint32_t *columns,
                     struct vec *batches, struct error *err)
{
    uint32_t slots[BATCH_ROWS_MAX];
    struct keyed_walk *walk = NULL;
    TRY(keyed_walk_start(of, NAMESPACE_VOID, &walk, err));
    int n;
    while ((n = keyed_walk_next(walk, BATCH_ROWS_MAX, slots, err)) > 0) {
        struct batch *keys = NULL;
        int rc = keyed_state_read_keys(of, slots, (uint32_t)n, &keys, err);
        if (rc < 0) {
            n = rc;
            break;
        }
        batch_hash_keys(s->ctx->pool, keys, columns, s->key_schema->n_fields);
        vec_push_ptr(batches, keys);
    }
    keyed_walk_free(walk);
    return n;
}

static int call_batch(flinc_ctx *ctx, struct batch *keys, const uint32_t *columns,
                      flinc_keyed_state_fn fn, void *arg, struct error *err)
{
    struct user_states *s = ctx->owner->states;
    int rc = 0;
    key_cursor_begin(&s->cursor, keys, columns);
    for (uint32_t i = 0; i < keys->n_sel && rc == 0; i++) {
        user_states_set_row(s, i);
        rc = fn(ctx, arg);
        if (rc < 0 || ctx->failed) {
            rc = error_set(err, ERR_USER_CODE, "the function returned %d", rc);
        } else if (i % USER_CANCEL_ROWS == 0 && flinc_ctx_is_cancelled(ctx)) {
            rc = error_set(err, ERR_USER_CODE, "the task was cancelled");
        } else {
            rc = 0;
        }
    }
    int end = user_states_end_batch(s, err);
    return rc < 0 ? rc : end;
}

int flinc_ctx_apply_to_keyed_state(flinc_ctx *ctx, void *state, flinc_keyed_state_fn fn, void *arg)
{
    struct user_states *s = ctx->owner->states;
    struct error err = ERROR_INIT;
    uint32_t columns[KEY_COLUMNS_MAX];
    if (s == NULL || key_cursor_has_key(&s->cursor)) {
        return flinc_ctx_fail(ctx, "all keys of a state are for the function of broadcast records "
                                   "beside a keyed stream");
    }
    struct keyed_state *of = user_states_keys_of(s, state);
    if (of == NULL) {
        return flinc_ctx_fail(ctx, "flinc_ctx_apply_to_keyed_state: that is no keyed state of this "
                                   "operator");
    }
    for (uint32_t i = 0; i < s->key_schema->n_fields; i++) {
        columns[i] = i;
    }
    struct vec batches = VEC_INIT(struct batch *);
    int rc = read_keys(s, of, columns, &batches, &err);
    for (size_t i = 0; i < batches.len; i++) {
        if (rc >= 0) {
            rc = call_batch(ctx, vec_ptr(&batches, i), columns, fn, arg, &err);
        }
        batch_unref(vec_ptr(&batches, i));
    }
    vec_fini(&batches);
    return rc < 0 ? flinc_ctx_fail(ctx, "all keys of a state: %s", err.message) : 0;
}
