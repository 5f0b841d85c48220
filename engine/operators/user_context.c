/* What user functions see of the engine: the flinc_ctx_ and flinc_counter_ functions of
 * include/flinc/function.h, and the text of format functions.
 * Thread: the task's; counters are read by any thread. */
#include "engine/operators/user_function.h"

#include "common/base/log.h"
#include "common/metrics/registry.h"

#include "flinc/window.h"

#include <stdio.h>

int flinc_ctx_fail(flinc_ctx *ctx, const char *format, ...)
{
    /* The first reason is the one that counts. */
    if (!ctx->failed) {
        va_list ap;
        va_start(ap, format);
        vsnprintf(ctx->message, sizeof(ctx->message), format, ap);
        va_end(ap);
        ctx->failed = true;
    }
    return ERR_USER_CODE;
}

const void *flinc_ctx_config(const flinc_ctx *ctx)
{
    return ctx->config;
}

void *flinc_ctx_user(const flinc_ctx *ctx)
{
    return ctx->owner->user;
}

void flinc_ctx_set_user(flinc_ctx *ctx, void *user)
{
    ctx->owner->user = user;
}

uint32_t flinc_ctx_subtask(const flinc_ctx *ctx)
{
    return ctx->op->subtask;
}

uint32_t flinc_ctx_parallelism(const flinc_ctx *ctx)
{
    return ctx->op->parallelism;
}

uint32_t flinc_ctx_attempt(const flinc_ctx *ctx)
{
    return ctx->op->attempt_number;
}

const char *flinc_ctx_job_name(const flinc_ctx *ctx)
{
    return ctx->op->job_name;
}

const char *flinc_ctx_operator_name(const flinc_ctx *ctx)
{
    return ctx->op->spec->name;
}

bool flinc_ctx_is_cancelled(const flinc_ctx *ctx)
{
    return ctx->op->cancelled != NULL &&
           atomic_load_explicit(ctx->op->cancelled, memory_order_relaxed);
}

flinc_out *flinc_ctx_side(flinc_ctx *ctx, const char *tag)
{
    const struct user_functions *fs = ctx->owner;
    for (uint32_t i = 0; i < fs->n_sides; i++) {
        if (fs->sides[i].tag == tag || strcmp(fs->sides[i].tag, tag) == 0) {
            return fs->sides[i].out;
        }
    }
    return NULL;
}

void flinc_ctx_log(flinc_ctx *ctx, const char *format, ...)
{
    STR_AUTO text = STR_INIT;
    va_list ap;
    if (!log_enabled(LOG_LEVEL_INFO, "flinc.user")) {
        return;
    }
    va_start(ap, format);
    str_vprintf(&text, format, ap);
    va_end(ap);
    LOG_INFO("flinc.user", "%s job=%s operator=%s subtask=%u", str_cstr(&text), ctx->op->job_name,
             ctx->op->spec->name, ctx->op->subtask);
}

/* ---- joins and windows ------------------------------------------------------------------------- */

int64_t flinc_ctx_first_timestamp(const flinc_ctx *ctx)
{
    return ctx->owner->scope.first_ms;
}

int64_t flinc_ctx_second_timestamp(const flinc_ctx *ctx)
{
    return ctx->owner->scope.second_ms;
}

int64_t flinc_ctx_window_start(const flinc_ctx *ctx)
{
    return ctx->owner->scope.window_start_ms;
}

int64_t flinc_ctx_window_end(const flinc_ctx *ctx)
{
    return ctx->owner->scope.window_end_ms;
}

/* ---- metrics and accumulators ------------------------------------------------------------------ */

/* A flinc_counter is a metric_counter; without a metric group it belongs to the task alone. */
flinc_counter *flinc_ctx_counter(flinc_ctx *ctx, const char *name)
{
    struct metric_counter *c = ctx->op->metrics != NULL
                                   ? metric_group_counter(ctx->op->metrics, name)
                                   : arena_zalloc(ctx->op->arena, sizeof(*c));
    return (flinc_counter *)(void *)c;
}

void flinc_counter_add(flinc_counter *counter, int64_t n)
{
    metric_counter_add((struct metric_counter *)(void *)counter, n);
}

int64_t flinc_counter_get(const flinc_counter *counter)
{
    return metric_counter_get((const struct metric_counter *)(const void *)counter);
}

int flinc_ctx_accumulate(flinc_ctx *ctx, const char *name, int64_t n)
{
    struct error err = ERROR_INIT;
    int rc = ctx->op->host->accumulate(ctx->op, name, "LongCounter", n, 0, &err);
    return rc < 0 ? flinc_ctx_fail(ctx, "accumulator '%s': %s", name, err.message) : 0;
}

/* ---- text -------------------------------------------------------------------------------------- */

void flinc_text_append(flinc_text *text, const char *data, size_t len)
{
    str_append(&text->str, data, len);
}

void flinc_text_printf(flinc_text *text, const char *format, ...)
{
    va_list ap;
    va_start(ap, format);
    str_vprintf(&text->str, format, ap);
    va_end(ap);
}
