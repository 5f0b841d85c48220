/* User functions: resolving, opening, closing, and what their errors say. */
#include "engine/operators/user_function.h"

#include "engine/operators/user_operator_state.h"
#include "engine/operators/user_row.h"
#include "engine/operators/user_state.h"

#include <stdio.h>

static const char *const kind_names[] = {
    [FLINC_FN_MAP] = "map",
    [FLINC_FN_FILTER] = "filter",
    [FLINC_FN_FLAT_MAP] = "flat map",
    [FLINC_FN_PROCESS] = "process",
    [FLINC_FN_REDUCE] = "reduce",
    [FLINC_FN_PARTITION] = "partition",
    [FLINC_FN_GENERATE] = "generate",
    [FLINC_FN_FORMAT] = "format",
    [FLINC_FN_BATCH_MAP] = "batch map",
    [FLINC_FN_BATCH_FILTER] = "batch filter",
    [FLINC_FN_OPEN] = "open",
    [FLINC_FN_CLOSE] = "close",
    [FLINC_FN_SNAPSHOT] = "snapshot",
    [FLINC_FN_ON_TIMER] = "timer",
    [FLINC_FN_TIMESTAMP] = "timestamp",
    [FLINC_FN_WATERMARK_EVENT] = "watermark on event",
    [FLINC_FN_WATERMARK_PERIODIC] = "periodic watermark",
    [FLINC_FN_ASYNC] = "async",
    [FLINC_FN_ASYNC_RETRY_IF] = "retry",
    [FLINC_FN_AGGREGATE_ADD] = "aggregate",
    [FLINC_FN_AGGREGATE_RESULT] = "aggregate result",
    [FLINC_FN_WINDOW] = "window",
    [FLINC_FN_CO_GROUP] = "coGroup",
    [FLINC_FN_JOIN] = "join",
    [FLINC_FN_DELTA] = "delta",
    [FLINC_FN_AGGREGATE_MERGE] = "aggregate merge",
    [FLINC_FN_SESSION_GAP] = "session gap",
    [FLINC_FN_EVICT] = "evictor",
    [FLINC_FN_TRIGGER_ELEMENT] = "trigger on element",
    [FLINC_FN_TRIGGER_TIME] = "trigger on time",
    [FLINC_FN_TRIGGER_MERGE] = "trigger on merge",
    [FLINC_FN_TRIGGER_CLEAR] = "trigger clear",
    [FLINC_FN_BUCKET] = "bucket",
};

const char *user_function_kind_name(uint32_t kind)
{
    return kind < ARRAY_LEN(kind_names) && kind_names[kind] != NULL ? kind_names[kind] : "unknown";
}

/* ---- resolving --------------------------------------------------------------------------------- */

static int resolve(struct op_context *ctx, const Flinc__FunctionRef *ref, flinc_any_fn *ret_fn,
                   struct error *err)
{
    void *address = NULL;
    TRY_CTX(err, op_resolve(ctx, ref, &address, err), "resolving function '%s'", ref->name);
    *ret_fn = (flinc_any_fn)(uintptr_t)address;
    return 0;
}

static const _Atomic bool never_cancelled; /* for contexts without a flag */

int user_function_resolve(struct user_functions *fs, struct op_context *ctx,
                          const Flinc__FunctionRef *ref, uint32_t kind, struct error *err)
{
    ASSERT(fs->n < USER_FUNCTIONS_MAX);
    if (ref->kind != kind) {
        return error_set(err, ERR_INVALID_ARGUMENT,
                         "function '%s' is a %s function, operator '%s' needs a %s function",
                         ref->name, user_function_kind_name(ref->kind), ctx->spec->name,
                         user_function_kind_name(kind));
    }
    struct user_function *f = &fs->items[fs->n];
    *f = (struct user_function){.ref = ref};
    TRY(resolve(ctx, ref, &f->call, err));
    f->ctx.op = ctx;
    f->cancelled = ctx->cancelled != NULL ? ctx->cancelled : &never_cancelled;
    f->ctx.owner = fs;
    if (ref->config.len > 0) {
        /* The message's bytes have no alignment; the arena's have 16. */
        void *config = arena_alloc(ctx->arena, ref->config.len);
        memcpy(config, ref->config.data, ref->config.len);
        f->ctx.config = config;
    }
    fs->n++;
    return 0;
}

static bool is_part(uint32_t kind)
{
    return kind == FLINC_FN_OPEN || kind == FLINC_FN_CLOSE || kind == FLINC_FN_ON_TIMER ||
           kind == FLINC_FN_SNAPSHOT;
}

/* Takes the open, close, timer and snapshot parts that follow a call; returns how many there were. */
static int resolve_parts(struct user_functions *fs, struct op_context *ctx, size_t at,
                         struct error *err)
{
    const Flinc__Operator *spec = ctx->spec;
    struct user_function *f = &fs->items[fs->n - 1];
    size_t first = at;
    for (; at < spec->n_functions; at++) {
        flinc_any_fn part;
        uint32_t kind = spec->functions[at]->kind;
        if (!is_part(kind)) {
            break;
        }
        TRY(resolve(ctx, spec->functions[at], &part, err));
        if (kind == FLINC_FN_OPEN) {
            f->open = (int (*)(flinc_ctx *))part;
        } else if (kind == FLINC_FN_SNAPSHOT) {
            f->snapshot = (int (*)(flinc_ctx *))part;
        } else if (kind == FLINC_FN_ON_TIMER) {
            f->on_timer = (int (*)(flinc_ctx *, int64_t, flinc_out *))part;
        } else {
            f->close = (void (*)(flinc_ctx *))part;
        }
    }
    return (int)(at - first);
}

int user_functions_resolve(struct user_functions *fs, struct op_context *ctx, const uint32_t *kinds,
                           uint32_t n, struct error *err)
{
    const Flinc__Operator *spec = ctx->spec;
    size_t at = 0;
    fs->scope = (struct user_scope){INT64_MIN, INT64_MIN, INT64_MIN, INT64_MIN};
    for (uint32_t i = 0; i < n; i++) {
        if (at >= spec->n_functions) {
            return error_set(err, ERR_INVALID_ARGUMENT,
                             "operator '%s' has %u functions instead of %u: a %s function is "
                             "missing",
                             spec->name, i, n, user_function_kind_name(kinds[i]));
        }
        TRY(user_function_resolve(fs, ctx, spec->functions[at++], kinds[i], err));
        int parts = resolve_parts(fs, ctx, at, err);
        TRY(parts);
        at += (size_t)parts;
    }
    return 0;
}

int user_functions_start(struct user_functions *fs, struct error *err)
{
    for (uint32_t i = 0; i < fs->n; i++) {
        struct user_function *f = &fs->items[i];
        f->opened = true;
        int rc = f->open != NULL ? f->open(&f->ctx) : 0;
        if (rc < 0 || f->ctx.failed) {
            rc = user_function_failed(f, rc, err);
            error_context(err, "opening function '%s'", f->ref->name);
            return rc;
        }
    }
    return 0;
}

int user_functions_open(struct user_functions *fs, struct op_context *ctx, const uint32_t *kinds,
                        uint32_t n, struct error *err)
{
    TRY(user_functions_resolve(fs, ctx, kinds, n, err));
    return user_functions_start(fs, err);
}

int user_functions_snapshot(struct user_functions *fs, struct error *err)
{
    for (uint32_t i = 0; i < fs->n; i++) {
        struct user_function *f = &fs->items[i];
        int rc = f->snapshot != NULL ? f->snapshot(&f->ctx) : 0;
        if (rc < 0 || f->ctx.failed) {
            rc = user_function_failed(f, rc, err);
            error_context(err, "making a snapshot of function '%s'", f->ref->name);
            return rc;
        }
    }
    return 0;
}

void user_functions_close(struct user_functions *fs)
{
    for (uint32_t i = fs->n; i-- > 0;) {
        struct user_function *f = &fs->items[i];
        if (f->opened && f->close != NULL) {
            f->close(&f->ctx);
        }
        f->opened = false;
    }
    fs->states = user_states_free(fs->states);
    fs->operator_states = user_operator_states_free(fs->operator_states);
    fs->row_faces = user_rows_free(fs->row_faces);
    fs->n = 0;
}

int user_function_failed(const struct user_function *f, int rc, struct error *err)
{
    const char *place = f->ref->location;
    char at[256] = "";
    if (place != NULL && place[0] != '\0') {
        snprintf(at, sizeof(at), " (%s)", place);
    }
    if (f->ctx.failed) {
        return error_set(err, ERR_USER_CODE, "function '%s'%s failed: %s", f->ref->name, at,
                         f->ctx.message);
    }
    return error_set(err, ERR_USER_CODE, "function '%s' returned %d%s", f->ref->name, rc, at);
}

int user_function_cancelled(const struct user_function *f, struct error *err)
{
    return error_set(err, ERR_CANCELLED, "the calls of function '%s' were cancelled", f->ref->name);
}
