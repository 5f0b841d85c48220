/* A coordinator as a third party brings it: it echoes, waits, fails or crashes as events tell it. */
#include "common/plugin/plugin.h"
#include "engine/operators/operator.h"
#include <stdlib.h>
#include <string.h>

struct remote {
    struct coordinator base;
    uint32_t n_resets;
    char count; /* '0' and up: what it keeps in checkpoints */
};

static void answer(struct remote *r, uint32_t subtask, const char *text)
{
    r->base.ctx->host->send_event(r->base.ctx, subtask, (const uint8_t *)text, strlen(text));
}

static void on_timer(struct coordinator *c)
{
    answer((struct remote *)c, 0, "timer");
}

static void work(void *arg)
{
    *(int *)arg = 7;
}

static void done(struct coordinator *c, void *arg)
{
    answer((struct remote *)c, 0, *(int *)arg == 7 ? "worked" : "not worked");
    free(arg);
}

static int on_event(struct coordinator *c, uint32_t subtask, const uint8_t *data, size_t size,
                    struct error *err)
{
    struct remote *r = (struct remote *)c;
    const struct coordinator_host *host = c->ctx->host;
    if (size == 4 && memcmp(data, "ping", size) == 0) {
        answer(r, subtask, r->n_resets > 0 ? "pong again" : "pong");
    } else if (size == 5 && memcmp(data, "timer", size) == 0) {
        host->schedule(c->ctx, 1, on_timer);
    } else if (size == 5 && memcmp(data, "async", size) == 0) {
        host->run_async(c->ctx, work, done, free, calloc(1, sizeof(int)));
    } else if (size == 4 && memcmp(data, "fail", size) == 0) {
        return error_set(err, ERR_IO, "it was told to fail");
    } else if (size == 5 && memcmp(data, "crash", size) == 0) {
        abort();
    } else if (size == 5 && memcmp(data, "count", size) == 0) {
        char text[] = {r->count = (char)(MAX(r->count, '0') + 1), '\0'};
        answer(r, subtask, text);
    }
    return 0;
}

static int reset(struct coordinator *c, struct error *err)
{
    ((struct remote *)c)->n_resets++;
    ((struct remote *)c)->count = '0';
    return 0;
}

static int snapshot(struct coordinator *c, uint64_t checkpoint_id, struct str *ret_state,
                    struct error *err)
{
    str_append(ret_state, &((struct remote *)c)->count, 1);
    return 0;
}

static int restore(struct coordinator *c, uint64_t checkpoint_id, const uint8_t *state, size_t size,
                   struct error *err)
{
    if (size != 1) {
        return error_set(err, ERR_CORRUPT, "it kept one byte, not %zu", size);
    }
    ((struct remote *)c)->count = (char)state[0];
    return 0;
}

static const struct coordinator_desc desc = {
    .struct_size = sizeof(desc),
    .kind = "test.remote",
    .instance_size = sizeof(struct remote),
    .on_event = on_event,
    .reset = reset,
    .snapshot = snapshot,
    .restore = restore,
};

static const struct plugin_descriptor remote = {
    .struct_size = sizeof(struct plugin_descriptor),
    .abi_version = PLUGIN_ABI_VERSION,
    .kind = PLUGIN_KIND_COORDINATOR,
    .kind_version = COORDINATOR_PLUGIN_VERSION,
    .name = "test.remote",
    .description = "A coordinator for the tests.",
    .vtable = &desc,
};
static const struct plugin_descriptor *const all[] = {&remote};

PLUGIN_EXPORT const struct plugin_exports *flinc_plugin_entry(void);
const struct plugin_exports *flinc_plugin_entry(void)
{
    static const struct plugin_exports exports = {
        .struct_size = sizeof(exports),
        .abi_version = PLUGIN_ABI_VERSION,
        .descriptors = all,
        .n_descriptors = 1,
    };
    return &exports;
}
