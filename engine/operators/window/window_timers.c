/* Timers made again from what they follow from (window_base.h).  Thread: the task's. */
#include "engine/operators/window/window_base.h"

#include "engine/data/hash.h"
#include "engine/state/timers/timers.h"

static int set_block(const struct window_timers *t, struct op_context *ctx, uint32_t n,
                     struct error *err)
{
    struct batch *keys;
    TRY(keyed_state_read_keys(t->entries, t->slots, n, &keys, err));
    batch_hash_keys(ctx->pool, keys, t->key_columns, t->n_keys);
    int rc = timer_service_begin(t->timers, keys, t->key_columns, err);
    for (uint32_t i = 0; i < n && rc == 0; i++) {
        rc = t->set(t->arg, ctx, keys, i, t->slots[i], err);
    }
    rc = rc < 0 ? rc : timer_service_settle(t->timers, err);
    batch_unref(keys);
    return rc;
}

int window_timers_set_again(const struct window_timers *t, struct op_context *ctx,
                            struct error *err)
{
    struct keyed_walk *walk = NULL;
    TRY(keyed_walk_start(t->entries, NAMESPACE_VOID, &walk, err));
    int rc;
    while ((rc = keyed_walk_next(walk, BATCH_ROWS_MAX, t->slots, err)) > 0) {
        rc = set_block(t, ctx, (uint32_t)rc, err);
        if (rc < 0) {
            break;
        }
    }
    keyed_walk_free(walk);
    return rc;
}
